/*
 * local_gc.c - deletes objects whose owners are all gone, as kube-controller-manager does in the
 * background. Owners are known by uid: another object of the same name is not the owner.
 */
#include <string.h>

#include "store/local_private.h"
#include "store/object.h"

/* Is the kind of this ownerReference one that is kept here? Versions of a group are one kind. */
static bool owner_is_known(const struct local_store *self, const struct json *owner)
{
    const char *api_version = str_or(json_get_text(owner, "apiVersion"), "");
    const char *slash = strchr(api_version, '/');
    size_t group_len = slash ? (size_t)(slash - api_version) : 0;

    if (!self->resources)
        return true;
    for (const struct resource *const *at = self->resources; *at; at++) {
        const char *group = str_or((*at)->group, "");

        if (strlen(group) == group_len && memcmp(group, api_version, group_len) == 0 &&
            streq((*at)->kind, json_get_text(owner, "kind")))
            return true;
    }
    return false;
}

static int owner_add(struct local_tx *tx, int64_t id, const struct json *owner, struct err *err)
{
    cleanup(local_stmt_reset) sqlite3_stmt *stmt = local_stmt(tx->self, SQL_OWNER_ADD);
    int rc;

    (void)sqlite3_bind_int64(stmt, 1, id);
    local_bind_text(stmt, 2, str_or(json_get_text(owner, "uid"), ""));
    (void)sqlite3_bind_int(stmt, 3, owner_is_known(tx->self, owner));
    rc = sqlite3_step(stmt);
    return rc == SQLITE_DONE ? 0 : local_fail(tx->self, rc, "writing to", err);
}

static int owners_remove(struct local_tx *tx, int64_t id, struct err *err)
{
    cleanup(local_stmt_reset) sqlite3_stmt *stmt = local_stmt(tx->self, SQL_OWNERS_REMOVE);
    int rc;

    (void)sqlite3_bind_int64(stmt, 1, id);
    rc = sqlite3_step(stmt);
    return rc == SQLITE_DONE ? 0 : local_fail(tx->self, rc, "writing to", err);
}

/* An object may be born an orphan: its owner went while it was being made. */
static int look_for_orphan(struct local_tx *tx, int64_t id, struct err *err)
{
    cleanup(local_stmt_reset) sqlite3_stmt *stmt = local_stmt(tx->self, SQL_IS_ORPHAN);
    int rc;

    (void)sqlite3_bind_int64(stmt, 1, id);
    rc = sqlite3_step(stmt);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return local_fail(tx->self, rc, "reading", err);
    tx->orphans = tx->orphans || rc == SQLITE_ROW;
    return 0;
}

int local_owners_write(struct local_tx *tx, int64_t id, const struct json *object, bool is_new,
                       struct err *err)
{
    const struct json *owners = json_path(object, "metadata.ownerReferences");
    int r = 0;

    if (!is_new)
        r = owners_remove(tx, id, err);
    if (r < 0)
        return r;
    json_for_each_item (owner, owners) {
        r = owner_add(tx, id, owner, err);
        if (r < 0)
            return r;
    }
    return json_len(owners) > 0 && !object_is_deleting(object) ? look_for_orphan(tx, id, err) : 0;
}

int local_owners_removed(struct local_tx *tx, int64_t id, const char *uid, struct err *err)
{
    cleanup(local_stmt_reset) sqlite3_stmt *stmt = local_stmt(tx->self, SQL_OWNS_ANYTHING);
    int rc;

    local_bind_text(stmt, 1, uid);
    rc = sqlite3_step(stmt);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return local_fail(tx->self, rc, "reading", err);
    tx->orphans = tx->orphans || rc == SQLITE_ROW;
    return owners_remove(tx, id, err);
}

/* Names of rows: three texts each, resource, namespace and name. */
static int find_orphans(struct local_store *self, struct strlist *rows, struct err *err)
{
    cleanup(local_stmt_reset) sqlite3_stmt *stmt = local_stmt(self, SQL_ORPHANS);
    int rc;

    for (rc = sqlite3_step(stmt); rc == SQLITE_ROW; rc = sqlite3_step(stmt)) {
        for (int i = 0; i < 3; i++)
            strlist_add(rows, local_column_text(stmt, i));
    }
    return rc == SQLITE_DONE ? 0 : local_fail(self, rc, "reading", err);
}

static int delete_orphan(struct local_tx *tx, char *const row[3], struct err *err)
{
    /* Enough of a resource to name the row. */
    const struct resource resource = {.group = "", .kind = "object", .plural = row[0]};
    const struct key key = {.namespace = row[1], .name = row[2]};
    cleanup(local_row_deinit) struct local_row stored = {};
    int r;

    r = local_load(tx->self, &resource, &key, &stored, err);
    if (r < 0)
        return r;
    return local_tx_delete(tx, &resource, &stored, err);
}

/* One generation: what these own comes in the next pass. */
static int collect_pass(struct local_tx *tx, bool *ret_any, struct err *err)
{
    cleanup(strlist_deinit) struct strlist rows = {};
    int r;

    r = find_orphans(tx->self, &rows, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i + 3 <= rows.len; i += 3) {
        r = delete_orphan(tx, rows.items + i, err);
        if (r < 0)
            return r;
    }
    *ret_any = rows.len > 0;
    return 0;
}

int store_local_collect(struct store *store, const struct context *ctx, struct err *err)
{
    cleanup(local_tx_deinit) struct local_tx tx = {};
    bool any = true;
    int r;

    r = local_tx_begin(&tx, local_of(store), ctx, err);
    if (r < 0)
        return r;
    while (any) {
        r = collect_pass(&tx, &any, err);
        if (r < 0)
            return r;
    }
    return tx.version > 0 ? local_tx_commit(&tx, err) : 0;
}

void store_local_collect_late(struct store *store, bool late)
{
    struct local_store *self = local_of(store);
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);

    (void)locked; /* held for its scope */
    self->collect_late = late;
}
