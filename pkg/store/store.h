/*
 * store.h - the one interface to objects that reconcilers see. Two back ends: the API server
 * (`kube`, issue B) and a SQLite file or memory (`local`), which behaves as an API server does.
 *
 * Objects are JSON with apiVersion, kind, metadata. A returned object belongs to the caller and is
 * not shared. Any thread; calls block until their answer, the deadline or the cancel of the context.
 *
 * Expected errors: ERR_NOT_FOUND, ERR_EXISTS, ERR_CONFLICT (precondition), ERR_INVALID, ERR_DENIED,
 * ERR_GONE (watch only), ERR_IO (disk), ERR_TIMEOUT, ERR_CANCELED.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/context.h"
#include "store/resource.h"
#include "json/json.h"

struct store;
struct store_watch;

enum store_part { STORE_OBJECT, STORE_STATUS };

struct store_precondition { /* zeroed: none */
    const char *uid;
    const char *version; /* resourceVersion */
};

enum store_event_type { STORE_ADDED, STORE_MODIFIED, STORE_DELETED, STORE_BOOKMARK };
struct store_event {
    enum store_event_type type;
    struct json *object; /* owned by the event; for DELETED the last state; NULL for a bookmark */
    char version[24];    /* resourceVersion of the object or the bookmark */
    bool initial_end;    /* bookmark that ends the initial state */
};
void store_event_deinit(struct store_event *event);
DEFINE_CLEANUP_VALUE(struct store_event, store_event_deinit);

/*
 * Which objects of a resource, and how much of them. Zeroed, or NULL in its place: all of all. An object
 * that a change brings into the selection arrives as ADDED, one that a change takes out of it as DELETED,
 * with the version of that change; a watch of the local store that was opened with `since` may tell such
 * a DELETED of an object that was never in.
 */
struct store_view {
    const char *namespace;      /* NULL: all */
    const char *label_selector; /* NULL: any (store/selector.h) */
    const char
        *field_selector; /* NULL: any; "metadata.name=a", "spec.signerName!=b,..." (view.c) */
    bool metadata_only;  /* objects are PARTIAL_KIND: apiVersion, kind, metadata */
};
#define PARTIAL_API_VERSION "meta.k8s.io/v1"
#define PARTIAL_KIND        "PartialObjectMetadata"
/* ERR_INVALID: a selector that is not understood. */
int store_view_check(const struct store_view *view, struct err *err);
/* A copy in one block, for xfree(). */
struct store_view *store_view_copy(const struct store_view *view);
/* Is the object, of the right resource, in a view that was checked? */
bool store_view_has(const struct store_view *view, const struct json *object);
/* Could it be, with other labels? */
bool store_view_could_have(const struct store_view *view, const struct json *object);

enum event_type { EVENT_NORMAL, EVENT_WARNING };
struct store_note { /* an Event about an object */
    const struct resource *resource;
    struct key key;
    const char *uid;
    enum event_type type;
    const char *reason;  /* "Issuing" */
    const char *action;  /* what was being done; NULL: reason */
    const char *message; /* cut at 1024 bytes */
    const char *manager; /* reportingController */
};

/* As metadata.resourceVersion of what is applied: nothing may be there under this name, ERR_CONFLICT. (An API server
 * compares a version with what is there, only; and 1 is etcd's before it is written to.) */
#define STORE_ABSENT "1"

struct store_ops {
    int (*get)(struct store *store, const struct context *ctx, const struct resource *resource,
               const struct key *key, struct json **ret, struct err *err);
    /* metadata.generateName is honoured. ERR_EXISTS. */
    int (*create)(struct store *store, const struct context *ctx, const struct resource *resource,
                  const char *manager, const struct json *object, struct json **ret,
                  struct err *err);
    /* Forced server-side apply: only the fields given, all of them, every time; creates if absent.
     * metadata.uid in `object` is a precondition, and so is metadata.resourceVersion STORE_ABSENT. */
    int (*apply)(struct store *store, const struct context *ctx, const struct resource *resource,
                 const char *manager, const struct json *object, struct json **ret,
                 struct err *err);
    /* Whole object without its status, or whole status; metadata.resourceVersion must be given. */
    int (*update)(struct store *store, const struct context *ctx, const struct resource *resource,
                  enum store_part part, const char *manager, const struct json *object,
                  struct json **ret, struct err *err);
    /* RFC 7396. */
    int (*patch)(struct store *store, const struct context *ctx, const struct resource *resource,
                 const struct key *key, const struct store_precondition *precondition,
                 const char *manager, const struct json *patch, struct json **ret, struct err *err);
    /* With finalizers: sets deletionTimestamp. Background deletion of owned objects. */
    int (*delete)(struct store *store, const struct context *ctx, const struct resource *resource,
                  const struct key *key, const struct store_precondition *precondition,
                  struct err *err);
    /* `since` NULL: the present state as ADDED events, a bookmark with initial_end, then changes.
     * Else only changes after that version, or ERR_GONE. `view` may be NULL and is only borrowed. Objects
     * come without metadata.managedFields if the resource is watched_without_owners. */
    int (*watch)(struct store *store, const struct context *ctx, const struct resource *resource,
                 const struct store_view *view, const char *since, struct store_watch **ret,
                 struct err *err);
    /* Waits for the next event; ERR_TIMEOUT when the context's deadline passes without one (the
     * watch stays usable), ERR_GONE: open it anew without `since`. */
    int (*watch_next)(struct store_watch *watch, const struct context *ctx, struct store_event *ret,
                      struct err *err);
    void (*watch_close)(struct store_watch *watch);
    /* Never blocks the caller for long and never fails a reconcile; series are folded. */
    void (*note)(struct store *store, const struct context *ctx, const struct store_note *note);
    void (*close)(struct store *store);
};

struct store {
    const struct store_ops *ops;
};
struct store_watch {
    struct store *store;
};

/* The calls, by name. */
static inline int store_get(struct store *store, const struct context *ctx,
                            const struct resource *resource, const struct key *key,
                            struct json **ret, struct err *err)
{
    return store->ops->get(store, ctx, resource, key, ret, err);
}
static inline int store_create(struct store *store, const struct context *ctx,
                               const struct resource *resource, const char *manager,
                               const struct json *object, struct json **ret, struct err *err)
{
    return store->ops->create(store, ctx, resource, manager, object, ret, err);
}
static inline int store_apply(struct store *store, const struct context *ctx,
                              const struct resource *resource, const char *manager,
                              const struct json *object, struct json **ret, struct err *err)
{
    return store->ops->apply(store, ctx, resource, manager, object, ret, err);
}
static inline int store_update(struct store *store, const struct context *ctx,
                               const struct resource *resource, enum store_part part,
                               const char *manager, const struct json *object, struct json **ret,
                               struct err *err)
{
    return store->ops->update(store, ctx, resource, part, manager, object, ret, err);
}
static inline int store_patch(struct store *store, const struct context *ctx,
                              const struct resource *resource, const struct key *key,
                              const struct store_precondition *precondition, const char *manager,
                              const struct json *patch, struct json **ret, struct err *err)
{
    return store->ops->patch(store, ctx, resource, key, precondition, manager, patch, ret, err);
}
static inline int store_delete(struct store *store, const struct context *ctx,
                               const struct resource *resource, const struct key *key,
                               const struct store_precondition *precondition, struct err *err)
{
    return store->ops->delete (store, ctx, resource, key, precondition, err);
}
static inline void store_note(struct store *store, const struct context *ctx,
                              const struct store_note *note)
{
    store->ops->note(store, ctx, note);
}
void store_close(struct store *store);
DEFINE_CLEANUP(struct store, store_close);
void store_watch_close(struct store_watch *watch);
DEFINE_CLEANUP(struct store_watch, store_watch_close);

/* Every object of a resource (namespace NULL: all), for commands and tests; a list of JSON objects. */
int store_list(struct store *store, const struct context *ctx, const struct resource *resource,
               const char *namespace, struct json **ret, struct err *err);

/* Versions compare by length, then bytes (kubernetes.md 3); other forms only for equality. */
int version_compare(const char *a, const char *b);
/* The same in 8 bytes, for what is kept of many. A version beyond 63 bits, which no store has had yet,
 * counts as one of the other forms: equal or not, neither older nor newer. */
uint64_t version_number(const char *version);
bool version_number_is_newer(uint64_t a, uint64_t b);

#endif
