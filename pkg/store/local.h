/*
 * local.h - the store in one SQLite file (or in memory): a small API server.
 *
 * Of a Secret the log holds the newest change alone, and of a deleted one no data, so that replaced keys
 * do not stay in the file. One version counter; a change log that watches read, compacted to the last LOCAL_LOG_KEEP changes
 * (so ERR_GONE is real); generation, uid, creationTimestamp, finalizers, deletion through
 * ownerReferences (by uid, background), managedFields as the API server writes them. It knows no
 * kinds: what it needs stands in struct resource. Metadata and names are checked (DNS-1123), objects
 * are bounded by LIMIT_OBJECT. WAL, full synchronisation; the file is 0600.
 *
 * One connection and one lock per process; other processes may have the same file open, and their
 * changes reach our watches (inotify, no polling; local_notice.c).
 */
#ifndef STORE_LOCAL_H
#define STORE_LOCAL_H

#include "store/store.h"

#define LOCAL_LOG_KEEP 10000 /* changes; enough for a minute of the busiest start */

struct local_options {
    const char *path; /* NULL: in memory */
    const struct clock *clock;
    bool read_only; /* `certlet status`: must exist, nothing is written */
    /* All kinds, NULL-terminated: an owner of another kind counts as alive. NULL: none does. */
    const struct resource *const *resources;
    int log_keep; /* 0: LOCAL_LOG_KEEP; small in tests */
    /* Crash injection of the simulator: called before and after each commit; a negative result
     * makes the write fail with it, before its effect or with the answer lost. NULL: none. */
    int (*fault)(void *arg, bool after, struct err *err);
    void *fault_arg;
};

/* Before any store is opened: from then on SQLite's memory is wiped when it goes. */
bool store_local_setup(void);
/* ERR_NOT_FOUND (read only), ERR_DENIED, ERR_IO, ERR_INVALID (not our file, or a newer version). */
int store_local_open(const struct local_options *options, struct store **ret, struct err *err);

/* What `from` holds, in memory, for trying out what would become of it; both are used on their own. */
int store_local_copy(struct store *from, struct store **ret, struct err *err);

/* Deletes objects whose owners are all gone; to be called after start, for what a crash has left.
 * Runs by itself after a write that leaves an object without owners (a deletion, or the creation of
 * something owned by what is gone already) unless `late` was set: then only when called. */
void store_local_collect_late(struct store *store, bool late);
int store_local_collect(struct store *store, const struct context *ctx, struct err *err);

/* The names of the objects that `manager` owns fields of by apply. They are found by their text: to
 * parse all that is stored, at each start, would take longer than anything else then. `found` must not
 * call the store. */
int store_local_each_applied(struct store *store, const struct context *ctx,
                             const struct resource *resource, const char *manager,
                             void (*found)(void *arg, const struct key *key), void *arg,
                             struct err *err);

/* Takes `immutable` back from the Secret with this uid, its data stay: an API server never does, but whoever wrote
 * the Secret may here. Nothing where it is not immutable. */
int store_local_make_mutable(struct store *store, const struct context *ctx,
                             const struct resource *resource, const struct key *key,
                             const char *uid, const char *manager, struct err *err);

/* Events about one object, oldest first (list of JSON events.k8s.io/v1), or all with key NULL. */
int store_local_events(struct store *store, const struct context *ctx,
                       const struct resource *resource, const struct key *key, struct json **ret,
                       struct err *err);

#endif
