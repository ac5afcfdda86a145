/*
 * manifests_private.h - inside of the manifests loader; only pkg/controller/manifests*.c may include it.
 *
 *   manifests_scan.c     the folder: which files there are, inotify
 *   manifests_parse.c    one text: objects and problems
 *   manifests_problem.c  the list of problems
 *   manifests_store.c    one object into the store and out of it
 *   manifests.c          the loader: what is in force, what is gone, when to look again
 */
#ifndef CONTROLLER_MANIFESTS_PRIVATE_H
#define CONTROLLER_MANIFESTS_PRIVATE_H

#include <sys/types.h>

#include "api/kinds.h"
#include "base/arena.h"
#include "base/map.h"
#include "controller/manifests.h"

/* --- manifests_problem.c --- */

/* Takes over `text`; copies and cleans the others. */
void problems_add(struct manifest_problems *problems, const struct manifest_problem *problem);
void problems_addf(struct manifest_problems *problems, const char *file, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
void problems_copy(struct manifest_problems *to, const struct manifest_problems *from);
bool problems_same(const struct manifest_problems *a, const struct manifest_problems *b);
/* Sets is_new of what `before` does not have. */
void problems_mark_new(struct manifest_problems *problems, const struct manifest_problems *before);

/* --- manifests_parse.c --- */

struct manifest_entry { /* an object that a text holds, valid or not */
    const struct kind *kind;
    const char *id; /* "Certificate default/web" */
    const char *
        target; /* "default/web-tls": what a Certificate, or an account, is to be stored in; NULL */
    struct json *json; /* what is applied; NULL when not valid or not needed any more */
    uint64_t hash;     /* of `json` */
    int line;
    bool valid;
};
struct manifest_text {
    struct manifest_entry *items;
    size_t len, alloc;
    char *texts;      /* of the items */
    bool has_unknown; /* does not parse, or holds what may be anything */
    bool has_secret;
    struct manifest_problems problems;
};
void manifest_text_deinit(struct manifest_text *text);
DEFINE_CLEANUP_VALUE(struct manifest_text, manifest_text_deinit);
/* ERR_INVALID, ERR_TOO_LARGE: the text as a whole is broken; the problem is in the list. */
int manifest_text_read(struct manifest_text *text, const char *file, const char *data, size_t len);
/* Key of an entry; points into `to`. */
struct key manifest_entry_key(const struct kind *kind, const char *id, char to[KEY_TEXT_MAX]);

/* What was seen of all files so far. Borrows: files' names and entries' ids must outlive it. */
struct together {
    struct arena *arena;
    struct map *objects; /* id to place */
    struct map *targets; /* "default/web-tls" to place */
};
void together_init(struct together *together);
void together_deinit(struct together *together);
DEFINE_CLEANUP_VALUE(struct together, together_deinit);
/* Is this the first of its name? If not, it is a problem. */
bool together_add(struct together *together, const char *file, const struct manifest_entry *entry,
                  struct manifest_problems *problems);
bool together_has_target(const struct together *together, const char *target);

/* --- manifests_scan.c --- */

struct stamp { /* a file with the same stamp was not changed */
    dev_t dev;
    ino_t ino;
    off_t size;
    int64_t mtime_ns, ctime_ns;
    mode_t mode;
};
struct scanned_file {
    char *path; /* below the folder */
    struct stamp stamp;
};
struct watcher {
    int fd;   /* inotify; -1: none to be had */
    int *wds; /* sorted */
    size_t len;
};
void watcher_init(struct watcher *watcher);
void watcher_deinit(struct watcher *watcher);

struct scan {
    struct scanned_file *files; /* in order of path */
    size_t len;
    bool incomplete; /* something could not be looked into */
    bool unwatched;  /* a change may go unheard */
};
void scan_deinit(struct scan *scan);
DEFINE_CLEANUP_VALUE(struct scan, scan_deinit);
/* `name` stands for the folder in problems. */
void scan_folder(struct scan *scan, const char *folder, const char *name, struct watcher *watcher,
                 struct manifest_problems *problems);

/* --- manifests_store.c --- */

/* Applies; `ret_kept` tells that a Certificate has taken over this Secret, so that nothing was done. */
int manifest_apply(struct store *store, const struct context *ctx,
                   const struct manifest_entry *entry, bool *ret_kept, struct err *err);
/* Deletes what is still ours. `is_target`: a Certificate names it, it stays. */
int manifest_remove(struct store *store, const struct context *ctx, const struct kind *kind,
                    const char *id, bool is_target, struct err *err);
/* Calls `found` for every object in the store that we have applied. */
int manifest_each_stored(struct store *store, const struct context *ctx,
                         void (*found)(void *arg, const struct kind *kind, const char *id),
                         void *arg, struct err *err);

#endif
