/*
 * local_applied.c - which objects a manager has applied, without reading them.
 *
 * Stored text is compact with sorted keys, and a quote within a string is escaped: so an entry of
 * managedFields can be found as it stands. Searched here, because SQLite's instr() looks at each byte
 * several times.
 */
#include <string.h>

#include "store/local_private.h"

static bool row_holds(sqlite3_stmt *stmt, const char *text)
{
    const char *object = local_column_text(stmt, 2);

    return memmem(object, (size_t)sqlite3_column_bytes(stmt, 2), text, strlen(text));
}

static int each_row(struct local_store *self, sqlite3_stmt *stmt, const char *entry,
                    void (*found)(void *arg, const struct key *key), void *arg, struct err *err)
{
    int rc;

    for (rc = sqlite3_step(stmt); rc == SQLITE_ROW; rc = sqlite3_step(stmt)) {
        struct key key = {.namespace = local_column_text(stmt, 0),
                          .name = local_column_text(stmt, 1)};

        if (row_holds(stmt, entry))
            found(arg, &key);
    }
    return rc == SQLITE_DONE ? 0 : local_fail(self, rc, "reading", err);
}

int store_local_each_applied(struct store *store, const struct context *ctx,
                             const struct resource *resource, const char *manager,
                             void (*found)(void *arg, const struct key *key), void *arg,
                             struct err *err)
{
    struct local_store *self = local_of(store);
    cleanup(xfree) char *entry = xasprintf("\"manager\":\"%s\",\"operation\":\"Apply\"", manager);
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    cleanup(local_stmt_reset) sqlite3_stmt *stmt = local_stmt(self, SQL_LIST_TEXTS);
    char name[RESOURCE_NAME_MAX];
    int r = context_check(ctx, err);

    if (r < 0)
        return r;
    local_set_busy(self, ctx, LOCAL_BUSY_MS);
    local_resource_name(resource, name);
    local_bind_text(stmt, 1, name);
    return each_row(self, stmt, entry, found, arg, err);
}
