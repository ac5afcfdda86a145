/*
 * local_tx.c - one write: a transaction that gives its objects versions and logs them.
 */
#include <stdio.h>

#include "base/limits.h"
#include "base/timetext.h"
#include "store/local_private.h"
#include "store/object.h"
#include "store/secret.h"

void local_resource_name(const struct resource *resource, char to[RESOURCE_NAME_MAX])
{
    snprintf(to, RESOURCE_NAME_MAX, "%s%s%s", resource->plural,
             str_empty(resource->group) ? "" : ".", str_or(resource->group, ""));
}

void local_row_deinit(struct local_row *row)
{
    json_unref(row->object);
    row->object = NULL;
}

/* Not as a kept statement: this pragma acts when it is prepared. No transaction is open. */
static void set_synced(struct local_store *self, bool synced)
{
    const char *sql = synced ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL";

    (void)sqlite3_exec(self->db, sql, NULL, NULL, NULL); /* cannot fail outside of a transaction */
}

static int begin(struct local_tx *tx, struct local_store *self, const struct context *ctx,
                 int64_t busy_ms, bool unsynced, struct err *err)
{
    int r;

    r = context_check(ctx, err);
    if (r < 0)
        return r;
    if (self->read_only)
        return err_set(err, ERR_DENIED, "store '%s' was opened for reading only", self->path);
    mutex_lock(&self->mutex);
    *tx = (struct local_tx){.self = self, .unsynced = unsynced};
    if (unsynced)
        set_synced(self, false);
    local_set_busy(self, ctx, busy_ms);
    r = local_run(self, SQL_BEGIN_WRITE, "writing to", err);
    if (r < 0)
        return r;
    tx->open = true;
    return 0;
}

int local_tx_begin(struct local_tx *tx, struct local_store *self, const struct context *ctx,
                   struct err *err)
{
    return begin(tx, self, ctx, LOCAL_BUSY_MS, false, err);
}

int local_tx_begin_note(struct local_tx *tx, struct local_store *self, const struct context *ctx,
                        struct err *err)
{
    return begin(tx, self, ctx, LOCAL_NOTE_BUSY_MS, true, err);
}

static void roll_back(struct local_tx *tx)
{
    /* Some errors (full disk) have rolled back already. */
    if (!sqlite3_get_autocommit(tx->self->db))
        (void)local_run(tx->self, SQL_ROLLBACK, "undoing",
                        NULL); /* the first error is the one told */
    tx->open = false;
}

void local_tx_deinit(struct local_tx *tx)
{
    if (!tx->self)
        return;
    if (tx->open)
        roll_back(tx);
    if (tx->unsynced)
        set_synced(tx->self, true);
    mutex_unlock(&tx->self->mutex);
    tx->self = NULL;
}

static int inject_fault(struct local_store *self, bool after, struct err *err)
{
    return self->fault ? self->fault(self->fault_arg, after, err) : 0;
}

int local_tx_commit(struct local_tx *tx, struct err *err)
{
    struct local_store *self = tx->self;
    int r;

    r = inject_fault(self, false, err);
    if (r < 0)
        return r;
    r = local_run(self, SQL_COMMIT, "writing to", err);
    if (r < 0)
        return r;
    tx->open = false;
    if (tx->version > 0) {
        local_watch_wake_marked(self, tx->version);
        local_notice_send(self);
    }
    return inject_fault(self, true, err);
}

int local_tx_finish(struct local_tx *tx, const struct context *ctx, struct err *err)
{
    struct local_store *self = tx->self;
    bool collect = tx->orphans && !self->collect_late;
    int r;

    r = local_tx_commit(tx, err);
    local_tx_deinit(tx);
    if (r < 0)
        return r;
    if (collect) /* the write itself is done; what a failure leaves, the next collection finds */
        (void)store_local_collect(&self->store, ctx, NULL);
    return 0;
}

int local_load(struct local_store *self, const struct resource *resource, const struct key *key,
               struct local_row *ret, struct err *err)
{
    cleanup(local_stmt_reset) sqlite3_stmt *stmt = local_stmt(self, SQL_GET);
    char resource_name[RESOURCE_NAME_MAX], key_text[KEY_TEXT_MAX];
    int rc, r;

    local_resource_name(resource, resource_name);
    local_bind_text(stmt, 1, resource_name);
    local_bind_text(stmt, 2, str_or(key->namespace, ""));
    local_bind_text(stmt, 3, key->name);
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_DONE) {
        key_format(key, key_text);
        return err_set(err, ERR_NOT_FOUND, "%s '%s' does not exist", resource->kind, key_text);
    }
    if (rc != SQLITE_ROW)
        return local_fail(self, rc, "reading", err);
    r = local_parse(local_column_text(stmt, 1), (size_t)sqlite3_column_bytes(stmt, 1), &ret->object,
                    err);
    if (r < 0)
        return r;
    ret->id = sqlite3_column_int64(stmt, 0);
    return 0;
}

/* Takes the next version and writes it into `object`; tells how far the log is to be trimmed. */
static int next_version(struct local_tx *tx, struct json *object, int64_t *ret_compacted,
                        struct err *err)
{
    struct local_store *self = tx->self;
    cleanup(local_stmt_reset) sqlite3_stmt *stmt = local_stmt(self, SQL_NEXT_VERSION);
    char version[24];
    int rc;

    (void)sqlite3_bind_int64(stmt, 1, self->log_keep);
    rc = sqlite3_step(stmt);
    if (rc != SQLITE_ROW)
        return local_fail(self, rc == SQLITE_DONE ? SQLITE_CORRUPT : rc, "writing to", err);
    tx->version = sqlite3_column_int64(stmt, 0);
    *ret_compacted = sqlite3_column_int64(stmt, 1);
    snprintf(version, sizeof(version), "%lld", (long long)tx->version);
    json_set_text(json_need_map(object, "metadata"), "resourceVersion", version);
    return 0;
}

static int trim_log(struct local_tx *tx, int64_t compacted, struct err *err)
{
    cleanup(local_stmt_reset) sqlite3_stmt *stmt = local_stmt(tx->self, SQL_LOG_TRIM);
    int rc;

    if (compacted <= 0)
        return 0;
    (void)sqlite3_bind_int64(stmt, 1, compacted);
    rc = sqlite3_step(stmt);
    return rc == SQLITE_DONE ? 0 : local_fail(tx->self, rc, "writing to", err);
}

struct change {
    enum store_event_type type;
    char resource[RESOURCE_NAME_MAX];
    const char *namespace;
    const char *name;
    struct buf text;
};

static void change_deinit(struct change *change)
{
    buf_deinit(&change->text);
}
DEFINE_CLEANUP_VALUE(struct change, change_deinit);

/* Who hears that a Secret is gone needs its name, not its keys. */
static void print_object(struct change *change, const struct resource *resource,
                         const struct json *object)
{
    cleanup(json_unref) struct json *without_data = NULL;

    if (change->type == STORE_DELETED && resource_is_secret(resource)) {
        without_data = json_deep(object);
        json_remove(without_data, "data");
    }
    json_print(without_data ? without_data : object, &change->text);
}

/* Gives `object` its version and makes the row texts of it. */
static int change_init(struct change *change, struct local_tx *tx, const struct resource *resource,
                       enum store_event_type type, struct json *object, struct err *err)
{
    int64_t compacted = 0;
    int r;

    r = next_version(tx, object, &compacted, err);
    if (r < 0)
        return r;
    change->type = type;
    change->namespace = str_or(object_meta(object, "namespace"), "");
    change->name = object_meta(object, "name");
    local_resource_name(resource, change->resource);
    change->text = BUF_SECRET(LIMIT_OBJECT);
    print_object(change, resource, object);
    r = buf_check(&change->text, "the object", err);
    if (r < 0)
        return r;
    return trim_log(tx, compacted, err);
}

/* Replaced and deleted keys do not stay in the log: a Secret has its newest change there and no other.
 * A watch that has not read the older ones goes from its last state to the newest. */
static int forget_secret(const struct change *change, struct local_tx *tx, struct err *err)
{
    cleanup(local_stmt_reset) sqlite3_stmt *stmt = local_stmt(tx->self, SQL_LOG_FORGET);
    int rc;

    local_bind_text(stmt, 1, change->namespace);
    local_bind_text(stmt, 2, change->name);
    rc = sqlite3_step(stmt);
    return rc == SQLITE_DONE ? 0 : local_fail(tx->self, rc, "writing to", err);
}

static int change_log(const struct change *change, struct local_tx *tx, struct err *err)
{
    cleanup(local_stmt_reset) sqlite3_stmt *stmt = local_stmt(tx->self, SQL_LOG_ADD);
    int rc;

    if (streq(change->resource, "secrets")) {
        int r = forget_secret(change, tx, err);

        if (r < 0)
            return r;
    }

    (void)sqlite3_bind_int64(stmt, 1, tx->version);
    (void)sqlite3_bind_int(stmt, 2, change->type);
    local_bind_text(stmt, 3, change->resource);
    local_bind_text(stmt, 4, change->namespace);
    local_bind_text(stmt, 5, change->name);
    local_bind_text(stmt, 6, change->text.data);
    rc = sqlite3_step(stmt);
    if (rc != SQLITE_DONE)
        return local_fail(tx->self, rc, "writing to", err);
    local_watch_mark(tx->self, change->resource);
    return 0;
}

static int insert(struct local_tx *tx, const struct change *change, const struct json *object,
                  int64_t *ret_id, struct err *err)
{
    cleanup(local_stmt_reset) sqlite3_stmt *stmt = local_stmt(tx->self, SQL_INSERT);
    int rc;

    local_bind_text(stmt, 1, change->resource);
    local_bind_text(stmt, 2, change->namespace);
    local_bind_text(stmt, 3, change->name);
    local_bind_text(stmt, 4, object_meta(object, "uid"));
    (void)sqlite3_bind_int64(stmt, 5, tx->version);
    (void)sqlite3_bind_int(stmt, 6, object_is_deleting(object));
    local_bind_text(stmt, 7, change->text.data);
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_DONE)
        return err_set(err, ERR_EXISTS, "%s '%s' exists already", json_get_text(object, "kind"),
                       change->name);
    if (rc != SQLITE_ROW)
        return local_fail(tx->self, rc, "writing to", err);
    *ret_id = sqlite3_column_int64(stmt, 0);
    return 0;
}

static int replace(struct local_tx *tx, const struct change *change, const struct json *object,
                   int64_t id, struct err *err)
{
    cleanup(local_stmt_reset) sqlite3_stmt *stmt = local_stmt(tx->self, SQL_REPLACE);
    int rc;

    (void)sqlite3_bind_int64(stmt, 1, id);
    (void)sqlite3_bind_int64(stmt, 2, tx->version);
    (void)sqlite3_bind_int(stmt, 3, object_is_deleting(object));
    local_bind_text(stmt, 4, change->text.data);
    rc = sqlite3_step(stmt);
    return rc == SQLITE_DONE ? 0 : local_fail(tx->self, rc, "writing to", err);
}

int local_tx_put(struct local_tx *tx, const struct resource *resource, int64_t id,
                 struct json *object, struct err *err)
{
    cleanup(change_deinit) struct change change = {};
    bool is_new = id == 0;
    int r;

    r = change_init(&change, tx, resource, is_new ? STORE_ADDED : STORE_MODIFIED, object, err);
    if (r < 0)
        return r;
    if (is_new)
        r = insert(tx, &change, object, &id, err);
    else
        r = replace(tx, &change, object, id, err);
    if (r < 0)
        return r;
    r = local_owners_write(tx, id, object, is_new, err);
    if (r < 0)
        return r;
    return change_log(&change, tx, err);
}

static int remove_row(struct local_tx *tx, int64_t id, struct err *err)
{
    cleanup(local_stmt_reset) sqlite3_stmt *stmt = local_stmt(tx->self, SQL_REMOVE);
    int rc;

    (void)sqlite3_bind_int64(stmt, 1, id);
    rc = sqlite3_step(stmt);
    return rc == SQLITE_DONE ? 0 : local_fail(tx->self, rc, "writing to", err);
}

int local_tx_remove(struct local_tx *tx, const struct resource *resource, int64_t id,
                    struct json *object, struct err *err)
{
    cleanup(change_deinit) struct change change = {};
    int r;

    r = change_init(&change, tx, resource, STORE_DELETED, object, err);
    if (r < 0)
        return r;
    r = remove_row(tx, id, err);
    if (r < 0)
        return r;
    r = local_owners_removed(tx, id, object_meta(object, "uid"), err);
    if (r < 0)
        return r;
    return change_log(&change, tx, err);
}

static void mark_deleted(struct local_store *self, struct json *object)
{
    struct json *metadata = json_need_map(object, "metadata");
    int64_t generation = json_get_int(metadata, "generation", 0);
    char now[TIME_TEXT_MAX];

    time_format(clock_wall_ms(self->clock), now);
    json_set_text(metadata, "deletionTimestamp", now);
    json_set_int(metadata, "deletionGracePeriodSeconds", 0);
    if (generation > 0)
        json_set_int(metadata, "generation",
                     generation + 1); /* apiserver store.go markAsDeleting */
}

int local_tx_delete(struct local_tx *tx, const struct resource *resource, struct local_row *row,
                    struct err *err)
{
    if (!object_has_finalizers(row->object))
        return local_tx_remove(tx, resource, row->id, row->object, err);
    if (object_is_deleting(row->object))
        return 0;
    mark_deleted(tx->self, row->object);
    return local_tx_put(tx, resource, row->id, row->object, err);
}
