/*
 * local_private.h - inside of the local store; only pkg/store/local*.c may include it.
 *
 *   local.c         the store: open, close, reads, the table of calls
 *   local_file.c    the SQLite file: modes, whose it is, schema
 *   local_db.c      prepared statements, errors
 *   local_tx.c      one write: transaction, version, rows, change log
 *   local_write.c   create, update, patch, delete, apply
 *   local_watch.c   watches: the present state, then the change log
 *   local_notice.c  a thread that hears of other processes' writes
 *   local_applied.c names of what a manager has applied
 *   local_gc.c      deletion through ownerReferences
 *   local_events.c  Events
 *
 * One connection, used under `mutex`. A write is one BEGIN IMMEDIATE transaction, because other
 * processes may write to the same file.
 */
#ifndef STORE_LOCAL_PRIVATE_H
#define STORE_LOCAL_PRIVATE_H

#include <sqlite3.h>

#include "base/list.h"
#include "base/thread.h"
#include "store/local.h"

#define LOCAL_BUSY_MS      5000 /* how long another process may hold the write lock */
#define LOCAL_NOTE_BUSY_MS 200  /* the same, for an Event, which is not worth waiting */

enum local_sql {
    SQL_BEGIN_READ,
    SQL_BEGIN_WRITE,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SQL_DATA_VERSION,
    SQL_COUNTER,
    SQL_NEXT_VERSION,
    SQL_GET,
    SQL_INSERT,
    SQL_REPLACE,
    SQL_REMOVE,
    SQL_LIST,
    SQL_CURRENT_VERSION,
    SQL_LOG_ADD,
    SQL_LOG_TRIM,
    SQL_LOG_FORGET,
    SQL_LOG_READ,
    SQL_OWNER_ADD,
    SQL_OWNERS_REMOVE,
    SQL_OWNS_ANYTHING,
    SQL_IS_ORPHAN,
    SQL_ORPHANS,
    SQL_EVENT_FIND,
    SQL_EVENT_ADD,
    SQL_EVENT_REPLACE,
    SQL_EVENT_TRIM_OBJECT,
    SQL_EVENT_TRIM,
    SQL_EVENT_LIST,
    SQL_COUNT,
};

struct local_notice;

struct local_store {
    struct store store;
    struct mutex mutex; /* guards everything below that changes */
    sqlite3 *db;
    sqlite3_stmt *stmts[SQL_COUNT];
    const struct clock *clock;
    char *path; /* NULL: in memory */
    bool read_only;
    const struct resource *const *resources;
    int64_t log_keep;
    int (*fault)(void *arg, bool after, struct err *err);
    void *fault_arg;
    bool collect_late;
    struct list watches;
    struct local_notice *notice; /* NULL until the first watch on a file */
    uint64_t event_count;        /* makes names of Events differ */
};

static inline struct local_store *local_of(struct store *store)
{
    return CONTAINER_OF(store, struct local_store, store);
}

#define RESOURCE_NAME_MAX 320
/* "certificates.cert-manager.io": what rows call a resource. */
void local_resource_name(const struct resource *resource, char to[RESOURCE_NAME_MAX]);

/* local_file.c */
int local_file_open(struct local_store *self, struct err *err);

/* local_db.c: the mutex is held. */
int local_db_prepare(struct local_store *self, struct err *err);
void local_db_finalize(struct local_store *self);
/* What went wrong in SQLite, as an err; `doing` is "writing", "reading", ... */
int local_fail(struct local_store *self, int rc, const char *doing, struct err *err);
/* Borrowed; goes back by local_stmt_reset(), that is by cleanup. */
sqlite3_stmt *local_stmt(struct local_store *self, enum local_sql sql);
void local_stmt_reset(sqlite3_stmt *stmt);
DEFINE_CLEANUP(sqlite3_stmt, local_stmt_reset);
void local_bind_text(sqlite3_stmt *stmt, int at, const char *text); /* must live until the reset */
const char *local_column_text(sqlite3_stmt *stmt, int at);          /* lent until the next step */
/* Runs a statement that gives no rows. */
int local_run(struct local_store *self, enum local_sql sql, const char *doing, struct err *err);
/* Waits that long for another process's lock, but not beyond the deadline. */
void local_set_busy(struct local_store *self, const struct context *ctx, int64_t most_ms);
int local_counter(struct local_store *self, int64_t *ret_version, int64_t *ret_compacted,
                  struct err *err);
int local_parse(const char *text, size_t len, struct json **ret, struct err *err);
/* The object without metadata.managedFields. */
int local_parse_without_owners(const char *text, size_t len, struct json **ret, struct err *err);

/* local_tx.c */
struct local_row { /* a stored object; zeroed: none */
    int64_t id;
    struct json *object;
};
void local_row_deinit(struct local_row *row);
DEFINE_CLEANUP_VALUE(struct local_row, local_row_deinit);

struct local_tx {
    struct local_store *self; /* NULL: not begun; its mutex is held */
    bool open;
    bool unsynced;   /* the commit need not be on the disk when it returns */
    bool orphans;    /* a collection is due after the commit */
    int64_t version; /* the latest given out by this transaction; 0: none */
};
int local_tx_begin(struct local_tx *tx, struct local_store *self, const struct context *ctx,
                   struct err *err);
/* For what may be lost with the machine, and is not worth a wait. */
int local_tx_begin_note(struct local_tx *tx, struct local_store *self, const struct context *ctx,
                        struct err *err);
int local_tx_commit(struct local_tx *tx, struct err *err);
/* Commits, unlocks, and collects the objects that the write has left without owners. */
int local_tx_finish(struct local_tx *tx, const struct context *ctx, struct err *err);
void local_tx_deinit(struct local_tx *tx); /* rolls back what was not committed, unlocks */
DEFINE_CLEANUP_VALUE(struct local_tx, local_tx_deinit);
/* ERR_NOT_FOUND leaves `ret` empty. */
int local_load(struct local_store *self, const struct resource *resource, const struct key *key,
               struct local_row *ret, struct err *err);
/* Writes `object` with the next version under `id` (0: new) and logs it. ERR_EXISTS. */
int local_tx_put(struct local_tx *tx, const struct resource *resource, int64_t id,
                 struct json *object, struct err *err);
/* Deletes the row; `object`, its last state, gets the next version and is logged. */
int local_tx_remove(struct local_tx *tx, const struct resource *resource, int64_t id,
                    struct json *object, struct err *err);
/* Deletion as the API server does it: at once, or by marking what has finalizers. */
int local_tx_delete(struct local_tx *tx, const struct resource *resource, struct local_row *row,
                    struct err *err);

/* local_write.c */
int local_create(struct store *store, const struct context *ctx, const struct resource *resource,
                 const char *manager, const struct json *given, struct json **ret, struct err *err);
int local_apply(struct store *store, const struct context *ctx, const struct resource *resource,
                const char *manager, const struct json *given, struct json **ret, struct err *err);
int local_update(struct store *store, const struct context *ctx, const struct resource *resource,
                 enum store_part part, const char *manager, const struct json *given,
                 struct json **ret, struct err *err);
int local_patch(struct store *store, const struct context *ctx, const struct resource *resource,
                const struct key *key, const struct store_precondition *precondition,
                const char *manager, const struct json *patch, struct json **ret, struct err *err);
int local_delete(struct store *store, const struct context *ctx, const struct resource *resource,
                 const struct key *key, const struct store_precondition *precondition,
                 struct err *err);

/* local_watch.c */
int local_watch(struct store *store, const struct context *ctx, const struct resource *resource,
                const struct store_view *view, const char *since, struct store_watch **ret,
                struct err *err);
int local_watch_next(struct store_watch *watch, const struct context *ctx, struct store_event *ret,
                     struct err *err);
void local_watch_close(struct store_watch *watch);
/* The mutex is held. `resource` was written: its watches wake at the commit. */
void local_watch_mark(struct local_store *self, const char *resource_name);
void local_watch_wake_marked(struct local_store *self, int64_t version);
void local_watch_wake_all(struct local_store *self);

/* local_notice.c */
int local_notice_start(struct local_store *self, struct err *err); /* nothing if it runs */
void local_notice_stop(struct local_store *self);                  /* the mutex is not held */
void local_notice_send(struct local_store *self);                  /* tells other processes */

/* local_gc.c: the mutex is held, the transaction open. */
int local_owners_write(struct local_tx *tx, int64_t id, const struct json *object, bool is_new,
                       struct err *err);
int local_owners_removed(struct local_tx *tx, int64_t id, const char *uid, struct err *err);

/* local_events.c */
void local_note(struct store *store, const struct context *ctx, const struct store_note *note);

#endif
