/*
 * export.c - the reconciler that writes the Secret of a Certificate to files, and what hooks hear of it.
 *
 * The Secret is read live and compared with the files, not with what we remember: a start after a crash,
 * a file that somebody changed and a new certificate are then the same case. Files are never removed:
 * a server may be reading them.
 */
#include "controller/export.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/live.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/map.h"
#include "base/thread.h"
#include "controller/caches.h"
#include "controller/export_files.h"
#include "controller/hooks.h"
#include "controller/secrets.h"
#include "pki/names.h"

struct todo {       /* a Certificate to be looked at */
    uint64_t wakes; /* how often; more since a run began means that it is not done */
    char *error;    /* NULL: not tried yet */
};

struct export
{
    struct controllers *controllers;
    char *root; /* DIR/tls, absolute */
    unsigned mode;
    int64_t group;
    struct hooks *hooks;
    struct thread *thread; /* runs hooks */
    struct cancel *cancel;
    struct context context; /* of the thread */
    struct mutex mutex;     /* guards `todo` */
    struct map *todo;       /* by "ns/certificate" */
};

/* --- what is to be done --- */

static void todo_free(void *p)
{
    struct todo *todo = p;

    xfree(todo->error);
    xfree(todo);
}

static void todo_add(struct export *self, const struct key *key)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    char name[KEY_TEXT_MAX];
    struct todo *todo;

    key_format(key, name);
    todo = map_get(self->todo, name);
    if (!todo) {
        todo = xalloc(sizeof(*todo));
        map_set(self->todo, name, todo);
    }
    todo->wakes++;
    xfree(take(todo->error)); /* what failed before may not fail now */
}

static uint64_t todo_wakes(struct export *self, const struct key *key)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    const struct todo *todo;
    char name[KEY_TEXT_MAX];

    key_format(key, name);
    todo = map_get(self->todo, name);
    return todo ? todo->wakes : 0;
}

static void todo_done(struct export *self, const struct key *key, uint64_t wakes)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    const struct todo *todo;
    char name[KEY_TEXT_MAX];

    key_format(key, name);
    todo = map_get(self->todo, name);
    if (todo && todo->wakes == wakes)
        (void)map_remove(self->todo, name); /* it was there */
}

static void todo_failed(struct export *self, const struct key *key, const struct err *err)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    struct todo *todo;
    char name[KEY_TEXT_MAX];

    key_format(key, name);
    todo = map_get(self->todo, name);
    if (!todo) {
        todo = xalloc(sizeof(*todo));
        map_set(self->todo, name, todo);
    }
    xfree(todo->error);
    todo->error = xstrdup(err->text);
}

void export_state(struct export *self, struct export_state *ret)
{
    struct hooks_state hooks;

    *ret = (struct export_state){};
    mutex_lock(&self->mutex);
    map_for_each (entry, self->todo) {
        const struct todo *todo = map_entry_value(entry);

        if (todo->error)
            ret->export_failed++;
        else
            ret->exporting++;
    }
    mutex_unlock(&self->mutex);
    hooks_state(self->hooks, &hooks);
    ret->hooks_due = hooks.due;
    ret->hooks_failed = hooks.failed;
}

void export_failures(struct export *self, struct strlist *to)
{
    mutex_lock(&self->mutex);
    map_for_each (entry, self->todo) {
        const struct todo *todo = map_entry_value(entry);

        if (todo->error)
            strlist_add(to, todo->error);
    }
    mutex_unlock(&self->mutex);
    hooks_failures(self->hooks, to);
}

/* --- who wakes us --- */

static void wake(struct export *self, const struct key *key, bool initial)
{
    todo_add(self, key);
    workqueue_add(self->controllers->queue, LANE_EXPORT, key,
                  initial ? PRIORITY_INITIAL : PRIORITY_NORMAL);
}

static void certificate_changed(void *arg, const struct key *key, const void *before,
                                const void *after, bool initial)
{
    const struct certificate *old = before, *new = after;

    if (new && (!old || !streq(old->spec.secret_name, new->spec.secret_name)))
        wake(arg, key, initial);
}

static void secret_changed(void *arg, const struct key *key, const void *before, const void *after,
                           bool initial)
{
    struct export *self = arg;
    cleanup(cache_refs_deinit) struct cache_refs refs = {};
    cleanup(xfree) char *value = NULL;

    if (initial || !after || !secret_data_changed(before, after))
        return; /* at the start every Certificate comes by itself */
    value = index_name_value(key->namespace, key->name);
    cache_by_index(self->controllers->caches.certificates, INDEX_SECRET_NAME, value, &refs);
    for (size_t i = 0; i < refs.len; i++) {
        struct key certificate = object_key(refs.items[i]);

        wake(self, &certificate, false);
    }
}

/* --- life --- */

static char *absolute(const char *dir)
{
    cleanup(xfree) char *resolved = realpath(dir, NULL); /* malloc()'s, as xfree() takes */

    return xasprintf("%s", resolved ? resolved : dir);
}

static int new_hooks(struct export *self, const struct export_options *options, const char *dir,
                     struct err *err)
{
    cleanup(xfree) char *folder = xasprintf("%s/hooks", dir);
    struct hooks_options hooks = {
        .dir = folder, .clock = self->controllers->clock, .timeout_ms = options->hook_timeout_ms};

    return hooks_new(&hooks, &self->hooks, err);
}

int export_new(const struct export_options *options, struct controllers *controllers,
               struct export **ret, struct err *err)
{
    cleanup(export_free) struct export *self = xalloc(sizeof(*self));
    cleanup(xfree) char *dir = absolute(options->dir);
    int r;

    self->controllers = controllers;
    self->root = xasprintf("%s/tls", dir);
    self->mode = options->mode;
    self->group = options->group;
    self->todo = map_new(todo_free);
    mutex_init(&self->mutex);
    r = new_hooks(self, options, dir, err);
    if (r < 0)
        return r;
    controllers->export = self;
    cache_add_handler(controllers->caches.certificates, certificate_changed, self);
    cache_add_handler(controllers->caches.secrets, secret_changed, self);
    *ret = take(self);
    return 0;
}

void export_free(struct export *self)
{
    if (!self)
        return;
    export_stop_hooks(self);
    if (self->controllers->export == self)
        self->controllers->export = NULL;
    hooks_free(self->hooks);
    map_free(self->todo);
    mutex_deinit(&self->mutex);
    xfree(self->root);
    xfree(self);
}

/* --- hooks --- */

static bool is_named_by_certificate(void *arg, const char *secret)
{
    struct export *self = arg;
    cleanup(cache_refs_deinit) struct cache_refs refs = {};

    cache_by_index(self->controllers->caches.certificates, INDEX_SECRET_NAME, secret, &refs);
    return refs.len > 0;
}

static void forget_gone_certificates(struct export *self)
{
    if (cache_is_synced(
            self->controllers->caches.certificates)) /* else all would seem to be gone */
        hooks_keep_only(self->hooks, is_named_by_certificate, self);
}

static void run_hooks(void *arg)
{
    struct export *self = arg;

    hooks_run(self->hooks, &self->context);
}

int export_start_hooks(struct export *self, const struct context *ctx, struct err *err)
{
    forget_gone_certificates(self);
    self->cancel = cancel_new();
    self->context = context_with_cancel(ctx, self->cancel);
    self->context.controller = "hooks";
    return thread_start("hooks", run_hooks, self, &self->thread, err);
}

void export_stop_hooks(struct export *self)
{
    if (self->cancel)
        cancel_fire(self->cancel);
    thread_join(self->thread);
    self->thread = NULL;
    cancel_unref(self->cancel);
    self->cancel = NULL;
}

void export_run_hooks(struct export *self, const struct context *ctx)
{
    (void)hooks_run_due(self->hooks, ctx); /* when more is due is the caller's clock's matter */
}

/* --- reconcile --- */

static int check_names(const struct certificate *crt, struct err *err)
{
    const char *namespace = str_or(crt->object.metadata.namespace, "");
    const char *secret = str_or(crt->spec.secret_name, "");

    if (!name_is_dns1123_label(namespace))
        return err_set(err, ERR_INVALID, "namespace '%s' is not a name for a folder", namespace);
    if (!name_is_dns1123_subdomain(secret))
        return err_set(err, ERR_INVALID, "secretName '%s' is not a name for a folder", secret);
    return 0;
}

static int collect_files(const struct secret *secret, struct export_files *files, struct err *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < secret->data.len; i++) {
        const char *name = secret->data.items[i].key;

        if (!name_is_secret_key(name))
            return err_set(err, ERR_INVALID, "key '%s' is not a name for a file", name);
        r = secret_value(secret, name, &export_files_add(files, name)->data, err);
    }
    return r;
}

static bool has_bytes(const struct export_files *files, const char *name)
{
    for (size_t i = 0; i < files->len; i++)
        if (streq(files->items[i].name, name))
            return files->items[i].data.len > 0;
    return false;
}

/* Each part with its length, so that no two sets of files look alike. */
static void hash_files(const struct export_files *files, unsigned char to[SHA256_LEN])
{
    cleanup(buf_deinit) struct buf all = BUF_SECRET(SIZE_MAX);

    for (size_t i = 0; i < files->len; i++) {
        buf_addf(&all, "%s %zu ", files->items[i].name, files->items[i].data.len);
        buf_add(&all, buf_str(&files->items[i].data), files->items[i].data.len);
    }
    sha256(buf_str(&all), all.len, to);
}

static void tell_hooks(struct export *self, const struct certificate *crt,
                       const struct export_files *files)
{
    const struct metadata *metadata = &crt->object.metadata;
    cleanup(xfree) char *path = xasprintf("%s/%s/%s", self->root, metadata->namespace,
                                          crt->spec.secret_name);
    struct hook_target target = {.namespace = metadata->namespace,
                                 .certificate = metadata->name,
                                 .secret = crt->spec.secret_name,
                                 .path = path};

    hash_files(files, target.hash);
    hooks_want(self->hooks, &target);
}

static int write_files(struct export *self, const struct context *ctx,
                       const struct certificate *crt, const struct export_files *files,
                       struct err *err)
{
    struct export_folder folder = {.root = self->root,
                                   .namespace = crt->object.metadata.namespace,
                                   .secret = crt->spec.secret_name,
                                   .mode = self->mode,
                                   .group = self->group,
                                   .clock = ctx->clock};
    bool changed = false;
    int r = export_files_write(&folder, files, &changed, err);

    if (r < 0)
        return r;
    if (changed)
        log_info(ctx, "wrote '%s/%s/%s'", folder.root, folder.namespace, folder.secret);
    tell_hooks(self, crt, files);
    return 0;
}

static int export_secret(struct export *self, const struct context *ctx,
                         const struct certificate *crt, struct err *err)
{
    cleanup(export_files_deinit) struct export_files files = {};
    cleanup(object_unref) const struct object *secret = NULL;
    struct key key = {.namespace = crt->object.metadata.namespace, .name = crt->spec.secret_name};
    int r = live_secret(self->controllers->store, ctx, &key, &secret, err);

    if (r < 0)
        return r == ERR_NOT_FOUND ? 0 : r; /* not issued yet; older files stay */
    r = collect_files((const struct secret *)secret, &files, err);
    if (r < 0)
        return err_wrap(err, "secret '%s/%s'", key.namespace, key.name);
    if (!has_bytes(&files, "tls.crt") || !has_bytes(&files, "tls.key"))
        return 0; /* the same */
    return write_files(self, ctx, crt, &files, err);
}

static int export_certificate(struct export *self, const struct context *ctx, const struct key *key,
                              struct err *err)
{
    cleanup(object_unref)
        const void *object = cache_get(self->controllers->caches.certificates, key);
    const struct certificate *crt = object;
    int r;

    if (!crt)
        return 0; /* deleted: its files stay */
    r = check_names(crt, err);
    return r < 0 ? r : export_secret(self, ctx, crt, err);
}

int export_reconcile(void *arg, const struct context *ctx, const struct key *key,
                     struct reconcile_result *ret_result, struct err *err)
{
    struct controllers *controllers = arg;
    struct export *self = controllers->export;
    uint64_t wakes;
    int r;

    if (!self)
        return 0;
    wakes = todo_wakes(self, key);
    r = export_certificate(self, ctx, key, err);
    if (r == 0)
        todo_done(self, key, wakes);
    else if (r != ERR_BUSY && r != ERR_CANCELED)
        todo_failed(self, key, err);
    return r;
}
