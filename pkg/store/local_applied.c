/*
 * local_applied.c - which objects a manager has applied, without reading them.
 *
 * Stored text is compact with sorted keys, and a quote within a string is escaped: so an entry of
 * managedFields can be found as it stands. Searched here, because SQLite's instr() looks at each byte
 * several times.
 */
#include <string.h>

#include "store/local_private.h"

/* Others may use the store in between: at a start the caches list at the same time. */
#define ROWS_AT_ONCE 128

struct search {
    struct local_store *store;
    const struct context *ctx;
    char resource[RESOURCE_NAME_MAX];
    const char *entry;                /* to be found in the text of an object */
    struct strlist namespaces, names; /* of what was found in these rows */
    char *at_namespace, *at_name;     /* the last row that was looked at */
};

static void search_deinit(struct search *self)
{
    strlist_deinit(&self->namespaces);
    strlist_deinit(&self->names);
    xfree(self->at_namespace);
    xfree(self->at_name);
}
DEFINE_CLEANUP_VALUE(struct search, search_deinit);

static void look_at_row(struct search *self, sqlite3_stmt *stmt)
{
    const char *object = local_column_text(stmt, 3);
    size_t len = (size_t)sqlite3_column_bytes(stmt, 3);

    if (!memmem(object, len, self->entry, strlen(self->entry)))
        return;
    strlist_add(&self->namespaces, local_column_text(stmt, 0));
    strlist_add(&self->names, local_column_text(stmt, 1));
}

static void go_on_after(struct search *self, sqlite3_stmt *stmt)
{
    char *namespace = xstrdup(local_column_text(stmt, 0)),
         *name = xstrdup(local_column_text(stmt, 1));

    xfree(self->at_namespace);
    xfree(self->at_name);
    self->at_namespace = namespace;
    self->at_name = name;
}

/* 1: there may be more. */
static int look_at_some(struct search *self, struct err *err)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->store->mutex);
    cleanup(local_stmt_reset) sqlite3_stmt *stmt = local_stmt(self->store, SQL_LIST);
    int rc;

    local_set_busy(self->store, self->ctx, LOCAL_BUSY_MS);
    local_bind_text(stmt, 1, self->resource);
    local_bind_text(stmt, 2, self->at_namespace);
    local_bind_text(stmt, 3, self->at_name);
    for (int i = 0; i < ROWS_AT_ONCE; i++) {
        rc = sqlite3_step(stmt);
        if (rc == SQLITE_DONE)
            return 0;
        if (rc != SQLITE_ROW)
            return local_fail(self->store, rc, "reading", err);
        look_at_row(self, stmt);
    }
    go_on_after(self, stmt);
    return 1;
}

static void tell(struct search *self, void (*found)(void *arg, const struct key *key), void *arg)
{
    for (size_t i = 0; i < self->names.len; i++) {
        struct key key = {.namespace = self->namespaces.items[i], .name = self->names.items[i]};

        found(arg, &key);
    }
    strlist_deinit(&self->namespaces);
    strlist_deinit(&self->names);
}

int store_local_each_applied(struct store *store, const struct context *ctx,
                             const struct resource *resource, const char *manager,
                             void (*found)(void *arg, const struct key *key), void *arg,
                             struct err *err)
{
    cleanup(xfree) char *entry = xasprintf("\"manager\":\"%s\",\"operation\":\"Apply\"", manager);
    cleanup(search_deinit) struct search search = {.store = local_of(store),
                                                   .ctx = ctx,
                                                   .entry = entry,
                                                   .at_namespace = xstrdup(""),
                                                   .at_name = xstrdup("")};
    int r = 1;

    local_resource_name(resource, search.resource);
    while (r == 1) {
        r = context_check(ctx, err);
        if (r == 0)
            r = look_at_some(&search, err);
        if (r >= 0)
            tell(&search, found, arg);
    }
    return r;
}
