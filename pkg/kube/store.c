#include "kube/store.h"

#include <stdio.h>

#include "kube/store_private.h"
#include "store/object.h"

#define MANAGER_DEFAULT "certlet"
#define MANAGER_MAX     128
#define WATCH_SECONDS   300 /* client-go's; up to twice that */

#define MERGE_PATCH "application/merge-patch+json"
#define APPLY_PATCH "application/apply-patch+yaml" /* JSON is YAML */

/* --- calls --- */

static struct kube_call call_new(const char *doing, const char *verb, const char *method,
                                 const struct resource *resource, const struct key *key)
{
    return (struct kube_call){
        .about = {.doing = doing,
                  .verb = verb,
                  .resource = resource,
                  .namespace = key->namespace,
                  .name = key->name},
        .method = method,
        .is_write = !streq(method, "GET"),
        .repeatable = true,
    };
}

static void add_param(struct kube_call *call, const char *name, const char *value)
{
    size_t at = 0;

    while (at < KUBE_PARAMS_MAX - 1 && call->params[at].name)
        at++;
    call->params[at] = (struct kube_param){name, value};
}

struct manager_name {
    char text[MANAGER_MAX + 1];
};

/* What every write says; `name` holds the manager's name, cut to what the server takes. */
static void add_write_params(const struct kube_store *self, struct kube_call *call,
                             const char *manager, struct manager_name *name)
{
    (void)snprintf(name->text, sizeof(name->text), "%s", str_or(manager, MANAGER_DEFAULT));
    add_param(call, "fieldManager", name->text);
    add_param(call, "fieldValidation", self->strict ? "Strict" : "Warn");
    add_param(call, "dryRun", self->dry_run ? "All" : NULL);
}

void kube_object_complete(const struct resource *resource, struct json *object)
{
    char api_version[API_VERSION_MAX];

    resource_api_version(resource, api_version, sizeof(api_version));
    if (!json_get(object, "apiVersion"))
        json_set_text(object, "apiVersion", api_version);
    if (!json_get(object, "kind"))
        json_set_text(object, "kind", resource->kind);
}

static int do_for_object(struct kube_store *self, const struct context *ctx,
                         const struct kube_call *call, struct json **ret, struct err *err)
{
    cleanup(json_unref) struct json *object = NULL;
    int r;

    r = kube_do(self->kube, ctx, call, &object, NULL, err);
    if (r < 0)
        return r;
    if (json_kind(json_get(object, "metadata")) != JSON_KIND_MAP) {
        (void)err_set(err, ERR_PROTOCOL, "the answer is not an object"); /* wrapped below */
        return kube_about_wrap(&call->about, err);
    }
    kube_object_complete(call->about.resource, object);
    if (ret)
        *ret = take(object);
    return 0;
}

static int wrong_object(const struct kube_call *call, struct err *err)
{
    return kube_about_wrap(&call->about, err);
}

/* --- operations --- */

static int kube_get(struct store *store, const struct context *ctx, const struct resource *resource,
                    const struct key *key, struct json **ret, struct err *err)
{
    struct kube_call call = call_new("reading", "get", "GET", resource, key);
    int r = key_check(resource, key, err);

    if (r < 0)
        return wrong_object(&call, err);
    return do_for_object(kube_store_of(store), ctx, &call, ret, err);
}

static struct key key_of(const struct json *given)
{
    return (struct key){.namespace = str_or(object_meta(given, "namespace"), ""),
                        .name = str_or(object_meta(given, "name"), "")};
}

/* A copy of `given` that may be written as `key`. */
static int admit(const struct resource *resource, const struct json *given, const struct key *key,
                 struct json **ret, struct err *err)
{
    int r = object_admit(resource, given, ret, err);

    return r == 0 ? key_check(resource, key, err) : r;
}

/* The server calls this mistake of ours a 500, as if a later try could do better. */
static int check_no_version(const struct json *object, struct err *err)
{
    if (object_meta(object, "resourceVersion"))
        return err_set(err, ERR_INVALID, "metadata.resourceVersion: must not be set on creation");
    return 0;
}

static int kube_create(struct store *store, const struct context *ctx,
                       const struct resource *resource, const char *manager,
                       const struct json *given, struct json **ret, struct err *err)
{
    struct kube_store *self = kube_store_of(store);
    cleanup(json_unref) struct json *object = NULL;
    struct key key = key_of(given);
    bool generated = str_empty(key.name) && !str_empty(object_meta(given, "generateName"));
    bool nameless = generated || resource->is_question;
    struct key checked = {.namespace = key.namespace, .name = nameless ? "any" : key.name};
    struct kube_call call = call_new("creating", "create", "POST", resource, &key);
    struct manager_name name;
    int r;

    r = admit(resource, given, &checked, &object, err);
    if (r == 0)
        r = check_no_version(object, err);
    if (r < 0)
        return wrong_object(&call, err);
    call.collection = true;
    call.repeatable = !generated; /* a second one would get another name */
    call.body = object;
    add_write_params(self, &call, manager, &name);
    return do_for_object(self, ctx, &call, ret, err);
}

static int kube_apply(struct store *store, const struct context *ctx,
                      const struct resource *resource, const char *manager,
                      const struct json *given, struct json **ret, struct err *err)
{
    struct kube_store *self = kube_store_of(store);
    cleanup(json_unref) struct json *object = NULL;
    struct key key = key_of(given);
    struct kube_call call = call_new("applying", "patch", "PATCH", resource, &key);
    struct manager_name name;
    int r;

    r = admit(resource, given, &key, &object, err);
    if (r < 0)
        return wrong_object(&call, err);
    json_remove(json_get(object, "metadata"), "managedFields"); /* refused by the server */
    call.body = object;
    call.content_type = APPLY_PATCH;
    add_write_params(self, &call, manager, &name);
    add_param(&call, "force", "true");
    return do_for_object(self, ctx, &call, ret, err);
}

/* The server takes core objects without a version and overwrites whatever is there. */
static int check_version(const struct json *object, struct err *err)
{
    if (str_empty(object_meta(object, "resourceVersion")))
        return err_set(err, ERR_INVALID, "metadata.resourceVersion: must be given for an update");
    return 0;
}

static int kube_update(struct store *store, const struct context *ctx,
                       const struct resource *resource, enum store_part part, const char *manager,
                       const struct json *given, struct json **ret, struct err *err)
{
    struct kube_store *self = kube_store_of(store);
    cleanup(json_unref) struct json *object = NULL;
    struct key key = key_of(given);
    struct kube_call call = call_new("updating", "update", "PUT", resource, &key);
    struct manager_name name;
    int r;

    if (part == STORE_STATUS)
        call.about.subresource = "status";
    r = admit(resource, given, &key, &object, err);
    if (r == 0)
        r = check_version(object, err);
    if (r < 0)
        return wrong_object(&call, err);
    call.body = object;
    add_write_params(self, &call, manager, &name);
    return do_for_object(self, ctx, &call, ret, err);
}

static bool has_precondition(const struct store_precondition *precondition)
{
    return precondition && (!str_empty(precondition->uid) || !str_empty(precondition->version));
}

/* A patch has no other place for what must hold than the object itself (kubernetes.md 7). */
static struct json *patch_under(const struct json *patch,
                                const struct store_precondition *precondition)
{
    struct json *under, *metadata;

    if (!has_precondition(precondition))
        return json_ref((struct json *)patch);
    under = json_deep(patch);
    metadata = json_need_map(under, "metadata");
    if (!str_empty(precondition->uid))
        json_set_text(metadata, "uid", precondition->uid);
    if (!str_empty(precondition->version))
        json_set_text(metadata, "resourceVersion", precondition->version);
    return under;
}

static int kube_patch(struct store *store, const struct context *ctx,
                      const struct resource *resource, const struct key *key,
                      const struct store_precondition *precondition, const char *manager,
                      const struct json *given, struct json **ret, struct err *err)
{
    struct kube_store *self = kube_store_of(store);
    cleanup(json_unref) struct json *patch = NULL;
    struct kube_call call = call_new("patching", "patch", "PATCH", resource, key);
    struct manager_name name;
    int r = key_check(resource, key, err);

    if (r == 0 && json_kind(given) != JSON_KIND_MAP)
        r = err_set(err, ERR_INVALID, "a patch is a map");
    if (r < 0)
        return wrong_object(&call, err);
    patch = patch_under(given, precondition);
    call.body = patch;
    call.content_type = MERGE_PATCH;
    call.repeatable = precondition && !str_empty(precondition->version);
    add_write_params(self, &call, manager, &name);
    return do_for_object(self, ctx, &call, ret, err);
}

/* All of it in the body: with one, the server does not look at the query (and would delete in a dry run). */
static struct json *delete_options(const struct kube_store *self,
                                   const struct store_precondition *precondition)
{
    struct json *options = json_new_map();

    json_set_text(options, "apiVersion", "v1");
    json_set_text(options, "kind", "DeleteOptions");
    json_set_text(options, "propagationPolicy", "Background");
    if (self->dry_run) {
        json_set(options, "dryRun", json_new_list());
        json_append_text(json_get(options, "dryRun"), "All");
    }
    if (has_precondition(precondition)) {
        struct json *holds = json_need_map(options, "preconditions");

        if (!str_empty(precondition->uid))
            json_set_text(holds, "uid", precondition->uid);
        if (!str_empty(precondition->version))
            json_set_text(holds, "resourceVersion", precondition->version);
    }
    return options;
}

static int kube_delete(struct store *store, const struct context *ctx,
                       const struct resource *resource, const struct key *key,
                       const struct store_precondition *precondition, struct err *err)
{
    struct kube_store *self = kube_store_of(store);
    cleanup(json_unref) struct json *options = delete_options(self, precondition);
    struct kube_call call = call_new("deleting", "delete", "DELETE", resource, key);
    int r = key_check(resource, key, err);

    if (r < 0)
        return wrong_object(&call, err);
    call.body = options;
    call.repeatable = has_precondition(precondition); /* else it may hit the next of that name */
    return kube_do(self->kube, ctx, &call, NULL, NULL, err);
}

static void kube_note(struct store *store, const struct context *ctx, const struct store_note *note)
{
    struct kube_notes *notes = kube_store_of(store)->notes;

    if (notes)
        kube_notes_add(notes, note);
}

static void kube_close(struct store *store)
{
    struct kube_store *self = kube_store_of(store);

    kube_notes_free(self->notes);
    kube_free(self->kube);
    xfree(self);
}

void store_kube_end_by(struct store *store, int64_t by_ms)
{
    struct kube_store *self = kube_store_of(store);

    if (self->notes)
        kube_notes_end_by(self->notes, by_ms);
}

int store_kube_version(struct store *store, const struct context *ctx, struct json **ret,
                       struct err *err)
{
    static const struct resource itself = {.kind = "Version", .plural = "the server's version"};
    struct kube_call call = {
        .about = {.doing = "reading", .verb = "get", .resource = &itself},
        .method = "GET",
        .path = "/version",
        .repeatable = true,
    };

    return kube_do(kube_store_of(store)->kube, ctx, &call, ret, NULL, err);
}

static const struct store_ops kube_ops = {
    .get = kube_get,
    .create = kube_create,
    .apply = kube_apply,
    .update = kube_update,
    .patch = kube_patch,
    .delete = kube_delete,
    .watch = kube_watch,
    .watch_next = kube_watch_next,
    .watch_close = kube_watch_close,
    .note = kube_note,
    .close = kube_close,
};

static int start_notes(struct kube_store *self, const struct store_kube_options *options,
                       struct err *err)
{
    struct kube_notes_options notes = {
        .kube = self->kube, .instance = options->instance, .by_hand = options->notes_by_hand};

    return options->dry_run ? 0 : kube_notes_new(&notes, &self->notes, err);
}

int store_kube_open(const struct store_kube_options *options, struct store **ret, struct err *err)
{
    cleanup(store_close) struct store *store = NULL;
    struct kube_store *self;
    int r;

    if (str_empty(options->config->cluster.server))
        return err_set(err, ERR_INVALID, "%s names no server",
                       str_or(options->config->origin, "the kubeconfig"));
    self = xalloc(sizeof(*self));
    store = &self->store;
    store->ops = &kube_ops;
    self->strict = options->strict;
    self->dry_run = options->dry_run;
    atomic_init(&self->list_first, options->lists);
    self->watch_seconds = options->watch_seconds ? options->watch_seconds : WATCH_SECONDS;
    self->kube = kube_new(&(struct kube_options){.config = options->config,
                                                 .http = options->http,
                                                 .clock = options->clock,
                                                 .wait = options->wait,
                                                 .wait_arg = options->wait_arg,
                                                 .observe = options->observe,
                                                 .observe_arg = options->observe_arg,
                                                 .may_write = options->may_write,
                                                 .may_write_arg = options->may_write_arg});
    r = start_notes(self, options, err);
    if (r < 0)
        return r;
    *ret = take(store);
    return 0;
}
