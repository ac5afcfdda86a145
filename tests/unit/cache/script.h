/*
 * script.h - a store whose watches do what a table says, one row per call.
 *
 * OPEN rows answer watch(), the others watch_next(). A row that does not fit the call ends the test's
 * patience: the call answers ERR_INTERNAL. Behind the last row a watch has nothing to say.
 */
#ifndef UNIT_CACHE_SCRIPT_H
#define UNIT_CACHE_SCRIPT_H

#include <stdio.h>

#include "unit/cache/thing.h"

enum script_call {
    SCRIPT_OPEN,
    SCRIPT_ADDED,
    SCRIPT_MODIFIED,
    SCRIPT_DELETED,
    SCRIPT_BOOKMARK,
    SCRIPT_END,
    SCRIPT_FAIL
};
struct script_row {
    enum script_call call;
    const char *name; /* SCRIPT_ADDED, ...: in namespace "a"; also the uid */
    const char *version;
    const char *colour;
    int result; /* of SCRIPT_OPEN and SCRIPT_FAIL */
};

struct script {
    struct store store;
    struct store_watch watch;
    const struct script_row *rows;
    size_t at;
    size_t len;
    int open;         /* watches */
    char opened[400]; /* the `since` of each watch: "- 5 7 " */
};

static inline struct script *script_of(struct store *store)
{
    return CONTAINER_OF(store, struct script, store);
}

static inline int script_watch(struct store *store, const struct context *ctx,
                               const struct resource *resource, const struct store_view *view,
                               const char *since, struct store_watch **ret, struct err *err)
{
    struct script *script = script_of(store);
    const struct script_row *row = &script->rows[script->at];

    (void)sprintf(script->opened + strlen(script->opened), "%s ", since ? since : "-");
    if (script->at < script->len) {
        if (row->call != SCRIPT_OPEN)
            return err_set(err, ERR_INTERNAL, "row %zu is no OPEN", script->at);
        script->at++;
        if (row->result < 0)
            return err_set(err, row->result, "scripted");
    }
    script->watch.store = store;
    script->open++;
    *ret = &script->watch;
    return 0;
}

static inline void script_event(const struct script_row *row, struct store_event *ret)
{
    static const enum store_event_type types[] = {
        [SCRIPT_ADDED] = STORE_ADDED,     [SCRIPT_MODIFIED] = STORE_MODIFIED,
        [SCRIPT_DELETED] = STORE_DELETED, [SCRIPT_BOOKMARK] = STORE_BOOKMARK,
        [SCRIPT_END] = STORE_BOOKMARK,
    };
    char key[100] = "";

    if (row->name)
        (void)snprintf(key, sizeof(key), "a/%s", row->name);
    thing_event(ret, types[row->call], key, row->name, row->version, str_or(row->colour, "red"),
                NULL);
    ret->initial_end = row->call == SCRIPT_END;
}

static inline int script_next(struct store_watch *watch, const struct context *ctx,
                              struct store_event *ret, struct err *err)
{
    struct script *script = script_of(watch->store);
    const struct script_row *row = &script->rows[script->at];

    if (cancel_is_fired(ctx->cancel))
        return err_set(err, ERR_CANCELED, "canceled");
    if (script->at == script->len)
        return err_set(err, ERR_TIMEOUT, "the script has ended");
    if (row->call == SCRIPT_OPEN)
        return err_set(err, ERR_INTERNAL, "row %zu is an OPEN", script->at);
    script->at++;
    if (row->call == SCRIPT_FAIL)
        return err_set(err, row->result, "scripted");
    script_event(row, ret);
    return 0;
}

static inline void script_watch_close(struct store_watch *watch)
{
    script_of(watch->store)->open--;
}

static const struct store_ops script_ops = {
    .watch = script_watch,
    .watch_next = script_next,
    .watch_close = script_watch_close,
};

#define SCRIPT(table)                                                                              \
    {                                                                                              \
        .store = {.ops = &script_ops}, .rows = table, .len = ARRAY_LEN(table)                      \
    }

#endif
