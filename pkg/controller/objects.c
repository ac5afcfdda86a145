/* objects.c - reads and writes that every reconciler needs. */
#include <stdarg.h>
#include <stdio.h>

#include "api/live.h"
#include "base/log.h"
#include "controller/caches.h"

/* --- issuers --- */

const struct issuer *issuer_of(struct controllers *self, const struct issuer_reference *ref,
                               const char *namespace)
{
    bool is_cluster = streq(issuer_reference_kind(ref), "ClusterIssuer");
    struct key key = {.namespace = is_cluster ? "" : namespace, .name = ref->name};

    if (!streq(issuer_reference_group(ref), "cert-manager.io"))
        return NULL;
    if (!is_cluster && !streq(issuer_reference_kind(ref), "Issuer"))
        return NULL;
    return cache_get(is_cluster ? self->caches.cluster_issuers : self->caches.issuers, &key);
}

bool issuer_is_ready(const struct issuer *issuer)
{
    return condition_is(&issuer->status.conditions, "Ready", CONDITION_TRUE);
}

const char *issuer_missing(const struct issuer *issuer, const char *kind, const char *name,
                           struct arena *arena, const char **ret_reason)
{
    if (!issuer) {
        *ret_reason = "IssuerNotFound";
        return arena_printf(arena, "Referenced %s '%s' does not exist", kind, str_or(name, ""));
    }
    if (!issuer_type_of(&issuer->spec)) {
        *ret_reason = "IssuerTypeMissing";
        return arena_printf(
            arena, "Referenced %s '%s' is of a type that is missing or not built yet", kind, name);
    }
    return NULL;
}

const char *issuer_unready(const struct issuer *issuer, struct arena *arena,
                           const char **ret_reason)
{
    const struct condition *ready = condition_find(&issuer->status.conditions, "Ready");

    if (issuer_is_ready(issuer))
        return NULL;
    *ret_reason = "IssuerNotReady";
    return arena_printf(arena, "Referenced %s '%s' is not ready: %.800s",
                        issuer->object.kind->resource.kind, issuer->object.metadata.name,
                        ready ? str_or(ready->message, ready->reason)
                              : "it has not been looked at yet");
}

static bool is_out_of_sight(const struct controllers *self, const struct issuer_reference *ref)
{
    const struct controllers_options *options = &self->options;

    return streq(issuer_reference_kind(ref), "ClusterIssuer") && options->only_namespaces.len > 0 &&
           !options->with_cluster_issuers;
}

const char *issuer_obstacle(const struct controllers *self, const struct issuer *issuer,
                            const struct issuer_reference *ref, struct arena *arena,
                            const char **ret_reason)
{
    const char *missing = issuer_missing(issuer, issuer_reference_kind(ref), ref->name, arena,
                                         ret_reason);

    if (missing && is_out_of_sight(self, ref))
        return arena_printf(arena,
                            "Referenced ClusterIssuer '%s' is not looked at, since this controller "
                            "works with --namespace; use an Issuer",
                            str_or(ref->name, ""));
    return missing ? missing : issuer_unready(issuer, arena, ret_reason);
}

bool issuer_is_among(const struct issuer *issuer, const struct strlist *types)
{
    const char *type = issuer ? issuer_type_name(&issuer->spec) : NULL;

    for (size_t i = 0; type && i < types->len; i++) {
        if (streq_ci(types->items[i], type))
            return true;
    }
    return false;
}

bool issuer_is_off(const struct controllers *self, const struct issuer *issuer)
{
    return issuer_is_among(issuer, &self->options.issuers_off);
}

/* --- writes --- */

static void expect(struct author author, const struct resource *resource, const struct json *stored)
{
    const char *version = json_as_text(json_path(stored, "metadata.resourceVersion"));
    struct cache *cache = cache_of(&author.self->caches, resource);
    struct cache_source *source = cache && stored ? cache_source_for(cache, stored) : NULL;

    if (version && source)
        expectations_add(author.self->expectations, author.lane, author.key, source, version);
}

/* An object written by its own reconciler goes on from there: the next step needs its bytes. */
static bool needs_bytes_next(struct author author)
{
    return author.lane == LANE_REQUESTS || author.lane == LANE_ORDERS;
}

/* Of an object that has gone meanwhile there is nothing to be told, and nobody has made a mistake. */
static int status_failed(int r, const struct resource *resource, const char *name, struct err *err)
{
    if (r == ERR_NOT_FOUND)
        return err_set(err, ERR_DELETED, "%s '%s' was deleted meanwhile", resource->kind, name);
    return err_wrap(err, "writing status of %s '%s'", resource->kind, name);
}

static int update_status(struct author author, const struct resource *resource,
                         const struct json *body, struct json **ret_stored, struct err *err)
{
    return store_update(author.self->store, author.ctx, resource, STORE_STATUS, author.manager,
                        body, ret_stored, err);
}

static int update_and_note(struct author author, const struct resource *resource,
                           const struct json *body, struct json **ret_stored, struct err *err)
{
    struct written_flight flight = {.resource = resource, .key = *author.key};
    int r;

    written_begin(author.self->issuers.written, &flight);
    r = update_status(author, resource, body, ret_stored, err);
    written_end(author.self->issuers.written, &flight, r == 0 ? *ret_stored : NULL);
    return r;
}

static void give(struct json **ret_stored, struct json *stored)
{
    if (ret_stored)
        *ret_stored = json_ref(stored);
}

int write_status_stored(struct author author, const struct object *object, const void *status,
                        struct json **ret_stored, struct err *err)
{
    const struct resource *resource = &object->kind->resource;
    cleanup(json_unref) struct json *body = object_status_json(object, status);
    cleanup(json_unref) struct json *stored = NULL;
    int r = needs_bytes_next(author) ? update_and_note(author, resource, body, &stored, err)
                                     : update_status(author, resource, body, &stored, err);

    if (r < 0)
        return status_failed(r, resource, object->metadata.name, err);
    expect(author, resource, stored);
    give(ret_stored, stored);
    return 0;
}

int write_status(struct author author, const struct object *object, const void *status,
                 struct err *err)
{
    return write_status_stored(author, object, status, NULL, err);
}

int write_whole_status(struct author author, const struct kind *kind, const struct json *object,
                       struct err *err)
{
    cleanup(json_unref) struct json *stored = NULL;
    int r = store_update(author.self->store, author.ctx, &kind->resource, STORE_STATUS,
                         author.manager, object, &stored, err);

    if (r < 0)
        return status_failed(r, &kind->resource, author.key->name, err);
    expect(author, &kind->resource, stored);
    return 0;
}

static const struct resource *resource_of(const struct json *object)
{
    const struct kind *kind = kind_find(json_get_text(object, "apiVersion"),
                                        json_get_text(object, "kind"));

    return &kind->resource;
}

static const char *name_in(const struct json *object)
{
    return str_or(json_as_text(json_path(object, "metadata.name")), "");
}

int write_new(struct author author, const struct json *object, struct json **ret_stored,
              struct err *err)
{
    cleanup(json_unref) struct json *stored = NULL;
    const struct resource *resource = resource_of(object);
    int r = store_create(author.self->store, author.ctx, resource, author.manager, object, &stored,
                         err);

    if (r < 0)
        return err_wrap(err, "creating %s '%s'", resource->kind, name_in(object));
    expect(author, resource, stored);
    give(ret_stored, stored);
    return 0;
}

int write_apply(struct author author, const struct json *object, struct json **ret_stored,
                struct err *err)
{
    cleanup(json_unref) struct json *stored = NULL;
    const struct resource *resource = resource_of(object);
    int r = store_apply(author.self->store, author.ctx, resource, author.manager, object, &stored,
                        err);

    if (r < 0)
        return err_wrap(err, "applying %s '%s'", resource->kind, name_in(object));
    expect(author, resource, stored);
    give(ret_stored, stored);
    return 0;
}

int write_patch(struct author author, const struct object *object, const struct json *patch,
                struct err *err)
{
    const struct resource *resource = &object->kind->resource;
    struct store_precondition exactly = {.uid = object->metadata.uid};
    struct key key = object_key(object);
    cleanup(json_unref) struct json *stored = NULL;
    int r = store_patch(author.self->store, author.ctx, resource, &key, &exactly, author.manager,
                        patch, &stored, err);

    if (r < 0)
        return err_wrap(err, "patching %s '%s'", resource->kind, object->metadata.name);
    expect(author, resource, stored);
    return 0;
}

/* A refused precondition says so, but others may answer 409 as well. */
static bool is_gone(struct controllers *self, const struct context *ctx,
                    const struct object *object)
{
    struct key key = object_key(object);
    bool is_there = true;
    struct err ignored = {};

    (void)live_has(self->store, ctx, &object->kind->resource, &key, object->metadata.uid, &is_there,
                   &ignored); /* not known: tried again */
    return !is_there;
}

int write_delete_once(struct controllers *self, const struct context *ctx,
                      const struct object *object, struct err *err)
{
    struct store_precondition exactly = {.uid = object->metadata.uid};
    struct key key = object_key(object);
    int r = store_delete(self->store, ctx, &object->kind->resource, &key, &exactly, err);

    if (r == ERR_CONFLICT && is_gone(self, ctx, object))
        return ERR_NOT_FOUND; /* another object by now */
    if (r < 0)
        return err_wrap(err, "deleting %s '%s'", object->kind->resource.kind,
                        object->metadata.name);
    return 0;
}

int write_delete(struct controllers *self, const struct context *ctx, const struct object *object,
                 struct err *err)
{
    int r = write_delete_once(self, ctx, object, err);

    return r == ERR_NOT_FOUND ? 0 : r;
}

int read_full(struct controllers *self, const struct context *ctx, const struct object *cached,
              const struct object **ret, struct err *err)
{
    return issuers_read_full(&self->issuers, ctx, cached, ret, err);
}

/* --- events --- */

#define EVENT_MESSAGE_MAX 1025 /* an Event's note has at most 1024 bytes */
#define EVENT_MANAGER_MAX 64   /* the plurals of our kinds are shorter */

static void send_event(struct controllers *self, const struct context *ctx,
                       const struct object *about, enum event_type type, const char *reason,
                       const char *action, const char *message)
{
    char manager[EVENT_MANAGER_MAX]; /* behaviour.md 0; as MANAGER_CERTS, ... */
    struct store_note note = {
        .resource = &about->kind->resource,
        .key = object_key(about),
        .uid = about->metadata.uid,
        .type = type,
        .reason = reason,
        .action = action,
        .message = message,
        .manager = manager,
    };

    (void)snprintf(manager, sizeof(manager), "cert-manager-%s", about->kind->resource.plural);
    store_note(self->store, ctx, &note);
    if (type == EVENT_WARNING)
        log_warning(ctx, "%s: %s", reason, message);
    else
        log_info(ctx, "%s: %s", reason, message);
}

void event(struct controllers *self, const struct context *ctx, const struct object *about,
           enum event_type type, const char *reason, const char *fmt, ...)
{
    char message[EVENT_MESSAGE_MAX];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(message, sizeof(message), fmt, args); /* cut there */
    va_end(args);
    send_event(self, ctx, about, type, reason, NULL, message);
}

void event_of_action(struct controllers *self, const struct context *ctx,
                     const struct object *about, const char *reason, const char *action,
                     const char *message)
{
    send_event(self, ctx, about, EVENT_NORMAL, reason, action, message);
}

void event_extra(struct controllers *self, const struct context *ctx, const struct object *about,
                 const char *reason, const char *fmt, ...)
{
    char message[EVENT_MESSAGE_MAX];
    va_list args;

    if (!self->options.all_events)
        return;
    va_start(args, fmt);
    (void)vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    send_event(self, ctx, about, EVENT_NORMAL, reason, NULL, message);
}

/* --- annotations that go along --- */

/* "*,-kubectl.kubernetes.io/": entries in order; "-" removes what earlier ones let in; a "*" anywhere
 * makes every positive entry let in everything (behaviour.md 15). */
static bool is_copied(const struct strlist *prefixes, const char *key)
{
    bool all = strlist_has(prefixes, "*");
    bool copied = false;

    for (size_t i = 0; i < prefixes->len; i++) {
        const char *prefix = prefixes->items[i];

        if (prefix[0] == '-')
            copied = copied && !str_starts(key, prefix + 1);
        else
            copied = copied || all || str_starts(key, prefix);
    }
    return copied;
}

void copied_annotations(struct controllers *self, const struct array_pair *from,
                        struct arena *arena, struct array_pair *ret)
{
    ret->items = arena_alloc(arena,
                             (from->len + 4) * sizeof(struct pair)); /* room for the caller's own */
    ret->len = 0;
    for (size_t i = 0; i < from->len; i++) {
        if (is_copied(&self->options.copied_annotation_prefixes, from->items[i].key))
            ret->items[ret->len++] = from->items[i];
    }
}
