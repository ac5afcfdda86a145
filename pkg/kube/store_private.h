/*
 * store_private.h - inside of the API server's store. Only for the .c files of this folder.
 */
#ifndef KUBE_STORE_PRIVATE_H
#define KUBE_STORE_PRIVATE_H

#include <stdatomic.h>

#include "kube/notes.h"
#include "kube/store.h"

struct kube_store {
    struct store store;
    struct kube *kube;
    struct kube_notes *notes; /* NULL: a dry run has none */
    bool strict, dry_run;
    unsigned watch_seconds;
    atomic_bool list_first; /* this server does not send the initial state in a watch */
};

static inline struct kube_store *kube_store_of(struct store *store)
{
    return CONTAINER_OF(store, struct kube_store, store);
}

/* store.c: apiVersion and kind, which items of lists and answers of some servers lack. */
void kube_object_complete(const struct resource *resource, struct json *object);

/* watch.c */
int kube_watch(struct store *store, const struct context *ctx, const struct resource *resource,
               const struct store_view *view, const char *since, struct store_watch **ret,
               struct err *err);
int kube_watch_next(struct store_watch *watch, const struct context *ctx, struct store_event *ret,
                    struct err *err);
void kube_watch_close(struct store_watch *watch);

#endif
