/*
 * manifests.h - keeps the store in step with DIR/manifests: what a user writes, as for `kubectl apply`.
 *
 * Identity is kind, namespace and name, not the file. Objects are applied (forced) by the manager
 * MANAGER_MANIFESTS, which is also how they are found again after a restart. A file that does not
 * parse, or an object that is not valid, is reported with file, line and field, and the last good
 * version of its objects stays. An object counts as removed when no file has held it for 2 s and every
 * file parses. Removing a Certificate leaves its Secret and files.
 *
 * What is not known by kind and name may be anything, so "parses" means: every document of every file
 * names an object of ours, or clearly something foreign.
 *
 * manifests_load() looks once; manifests_run() is the body of the watcher's thread (inotify, folders
 * below included). Symbolic links are followed, but each folder is entered once; hidden names and other
 * endings than .yaml, .yml and .json are passed over. The problems may be read from any thread.
 */
#ifndef CONTROLLER_MANIFESTS_H
#define CONTROLLER_MANIFESTS_H

#include "base/context.h"
#include "store/store.h"

#define MANAGER_MANIFESTS "certlet-manifests"

/* More are counted, not kept. */
#define MANIFEST_PROBLEMS_MAX 1000

struct manifest_problem {
    /* As given to manifest_parse(); the loader's begin with the folder's own name: "manifests/web.yaml". */
    char *file;
    int line;     /* 0: of the file as a whole */
    char *object; /* "Certificate default/web"; NULL when not known */
    char *field;  /* "spec.dnsNames[1]"; NULL */
    char *text;
    bool is_warning; /* nothing was refused */
    bool is_new;     /* in report(): the look before did not have it; log these */
};
struct manifest_problems {
    struct manifest_problem *items;
    size_t len;
    size_t dropped;
};
void manifest_problems_deinit(struct manifest_problems *problems);
DEFINE_CLEANUP_VALUE(struct manifest_problems, manifest_problems_deinit);
/* "manifests/web.yaml:7: Certificate default/web: spec.dnsNames[1]: ..." */
void manifest_problem_format(const struct manifest_problem *problem, struct buf *to);

/* Parses and checks one text without a store: for `certlet check` and the loader. `ret_objects` gets
 * {resource kind pointer, JSON} of every valid object; may be NULL. */
struct manifest_object {
    const struct kind *kind;
    struct json *json; /* owned */
    int line;
};
struct manifest_objects {
    struct manifest_object *items;
    size_t len;
};
void manifest_objects_deinit(struct manifest_objects *objects);
DEFINE_CLEANUP_VALUE(struct manifest_objects, manifest_objects_deinit);
void manifest_parse(const char *file, const char *text, size_t len,
                    struct manifest_objects *ret_objects, struct manifest_problems *problems);
/* Rules between objects of several files: duplicates; two Certificates, or one and an account, naming one Secret
 * (warning).
 * `objects[i]` are those of `files[i]`; the first in this order stays in force. */
void manifest_check_together(const char *const *files, const struct manifest_objects *objects,
                             size_t file_count, struct manifest_problems *problems);

/* What is wrong with the files of a folder, each by itself, as the loader would say it. No store, nothing is made. */
void manifests_check(const char *folder, struct manifest_problems *ret);

struct manifests;
struct manifests_options {
    const char *folder; /* DIR/manifests; made when missing, for us alone */
    struct store *store;
    const struct clock *clock;
    /* Called after each look that changed the problems, on the looking thread; may be NULL. */
    void (*report)(void *arg, const struct manifest_problems *problems);
    void *report_arg;
};
int manifests_new(const struct manifests_options *options, struct manifests **ret, struct err *err);
void manifests_free(struct manifests *manifests);
DEFINE_CLEANUP(struct manifests, manifests_free);
/* Applies what is there and removes what is gone. Problems of files are not errors of the call. */
int manifests_load(struct manifests *manifests, const struct context *ctx, struct err *err);
/* Until cancelled. */
void manifests_run(struct manifests *manifests, const struct context *ctx);
/* One turn of manifests_run() without waiting, for one-threaded tests: looks now. `ret_wait_ms`: when
 * it wants to look again if nothing is heard of the folder. */
int manifests_step(struct manifests *manifests, const struct context *ctx, int64_t *ret_wait_ms,
                   struct err *err);
void manifests_problems(struct manifests *manifests, struct manifest_problems *ret); /* a copy */

#endif
