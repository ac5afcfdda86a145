#include "store/local.h"

#include <assert.h>

#include "store/local_private.h"
#include "store/object.h"

static int get(struct store *store, const struct context *ctx, const struct resource *resource,
               const struct key *key, struct json **ret, struct err *err)
{
    struct local_store *self = local_of(store);
    cleanup(local_row_deinit) struct local_row row = {};
    cleanup(mutex_unlock) struct mutex *locked = NULL;
    int r;

    r = key_check(resource, key, err);
    if (r < 0)
        return r;
    r = context_check(ctx, err);
    if (r < 0)
        return r;
    locked = mutex_hold(&self->mutex);
    local_set_busy(self, ctx, LOCAL_BUSY_MS);
    r = local_load(self, resource, key, &row, err);
    if (r < 0)
        return r;
    *ret = take(row.object);
    return 0;
}

static int local_get(struct store *store, const struct context *ctx,
                     const struct resource *resource, const struct key *key, struct json **ret,
                     struct err *err)
{
    char name[KEY_TEXT_MAX];
    int r = get(store, ctx, resource, key, ret, err);

    if (r == 0 || r == ERR_NOT_FOUND) /* which names it */
        return r;
    key_format(key, name);
    return err_wrap(err, "reading %s '%s'", resource->plural, name);
}

static void local_store_free(struct local_store *self)
{
    local_notice_stop(self);
    local_db_finalize(self);
    (void)sqlite3_close_v2(
        self->db); /* fails only with statements of ours left open; NULL is nothing */
    mutex_deinit(&self->mutex);
    xfree(self->path);
    xfree(self);
}
DEFINE_CLEANUP(struct local_store, local_store_free);

static void local_close(struct store *store)
{
    assert(list_empty(&local_of(store)->watches)); /* close them first */
    local_store_free(local_of(store));
}

static const struct store_ops local_ops = {
    .get = local_get,
    .create = local_create,
    .apply = local_apply,
    .update = local_update,
    .patch = local_patch,
    .delete = local_delete,
    .watch = local_watch,
    .watch_next = local_watch_next,
    .watch_close = local_watch_close,
    .note = local_note,
    .close = local_close,
};

static struct local_store *local_store_new(const struct local_options *options)
{
    struct local_store *self = xalloc(sizeof(*self));

    self->store.ops = &local_ops;
    mutex_init(&self->mutex);
    list_init(&self->watches);
    self->clock = options->clock;
    self->path = xstrdup(options->path);
    self->read_only = options->read_only;
    self->resources = options->resources;
    self->log_keep = options->log_keep > 0 ? options->log_keep : LOCAL_LOG_KEEP;
    self->fault = options->fault;
    self->fault_arg = options->fault_arg;
    return self;
}

/* Nobody else knows `to` yet. */
static int copy_into(struct local_store *from, struct local_store *to, struct err *err)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&from->mutex);
    sqlite3_backup *backup = sqlite3_backup_init(to->db, "main", from->db, "main");
    int rc;

    if (!backup)
        return local_fail(to, sqlite3_errcode(to->db), "copying to", err);
    (void)sqlite3_backup_step(backup, -1); /* finish() repeats what is wrong */
    rc = sqlite3_backup_finish(backup);
    return rc == SQLITE_OK ? 0 : local_fail(to, rc, "copying to", err);
}

int store_local_copy(struct store *store, struct store **ret, struct err *err)
{
    struct local_store *from = local_of(store);
    struct local_options options = {
        .clock = from->clock, .resources = from->resources, .log_keep = from->log_keep};
    cleanup(local_store_free) struct local_store *copy = local_store_new(&options);
    int r = local_file_open(copy, err);

    if (r == 0)
        r = copy_into(from, copy, err);
    if (r == 0)
        r = local_db_prepare(copy, err);
    if (r < 0)
        return r;
    *ret = &take(copy)->store;
    return 0;
}

int store_local_open(const struct local_options *options, struct store **ret, struct err *err)
{
    cleanup(local_store_free) struct local_store *self = local_store_new(options);
    int r;

    r = local_file_open(self, err);
    if (r < 0)
        return r;
    r = local_db_prepare(self, err);
    if (r < 0)
        return r;
    *ret = &take(self)->store;
    return 0;
}
