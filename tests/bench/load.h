/*
 * load.h - bench_load: writes to an API server as fast as it takes them, from a plan.
 *
 *   plan    a JSON list of steps, done one after the other for each name:
 *           {"op": "create" | "apply" | "status", "manager": "...", "object": {...}}
 *   names   a file, a line each: "NAME" or "NAME UID VERSION", of an object that is there already
 *
 * In the texts of an object @name@, @uid@ and @version@ are those of the line, @made-uid@ and
 * @made-version@ those that the step before was answered with. So it is a client without any thought or
 * cache, over the same connection and with the same encoding as the program's own.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "base/context.h"
#include "base/thread.h"
#include "store/store.h"

/* --- load_plan.c --- */

struct load_step {
    int (*write)(struct store *store, const struct context *ctx, const struct load_step *step,
                 const struct json *object, struct json **ret, struct err *err);
    char *manager;
    const struct resource *resource;
    char *text; /* of the object, with the words in it */
};

struct load_plan {
    struct load_step *steps;
    size_t len;
};
int load_plan_read(const char *path, struct load_plan *ret, struct err *err);
void load_plan_deinit(struct load_plan *plan);
DEFINE_CLEANUP_VALUE(struct load_plan, load_plan_deinit);
/* All steps for one line of the names. */
int load_plan_do(const struct load_plan *plan, struct store *store, const struct context *ctx,
                 const char *line, struct err *err);

/* --- load_open.c --- */

/* Counts the Certificates of a namespace that are Ready, as they become it. */
struct load_open;
int load_open_new(struct store *store, const struct context *ctx, const char *namespace,
                  struct load_open **ret, struct err *err);
void load_open_free(struct load_open *open);
DEFINE_CLEANUP(struct load_open, load_open_free);
/* Waits until `started` are at most `limit` more than are Ready. */
void load_open_wait(struct load_open *open, int64_t started, int64_t limit);

#endif
