/*
 * local_write.c - create, update, patch, apply and delete with the API server's rules.
 *
 * Every change of a stored object goes the same way: admit what was given, load what is stored,
 * check preconditions, make the next state, settle() it: validation, generation, ownership, and no
 * write at all when nothing changed.
 */
#include <stdio.h>
#include <string.h>

#include "base/random.h"
#include "base/timetext.h"
#include "store/local.h"
#include "store/local_private.h"
#include "store/managed_fields.h"
#include "store/name.h"
#include "store/object.h"
#include "store/secret.h"

#define GENERATED_CHARS "bcdfghjklmnpqrstvwxz2456789" /* no vowels: no words */
#define GENERATED_LEN   5
#define GENERATED_MAX   63 /* whole name: fits a label */
#define GENERATED_TRIES 8  /* apiserver: registry/store.go maxNameGenerationCreateAttempts */
#define MANAGER_DEFAULT "unknown"

struct request { /* one write */
    struct local_store *self;
    const struct context *ctx;
    const struct resource *resource;
    struct field_writer writer;
    char api_version[API_VERSION_MAX];
    char time[TIME_TEXT_MAX];
    struct local_tx tx;
    struct local_row row; /* what is stored */
};

static void request_deinit(struct request *request)
{
    local_row_deinit(&request->row);
    local_tx_deinit(&request->tx);
}
DEFINE_CLEANUP_VALUE(struct request, request_deinit);

static void request_init(struct request *request, struct store *store, const struct context *ctx,
                         const struct resource *resource, const char *manager)
{
    request->self = local_of(store);
    request->ctx = ctx;
    request->resource = resource;
    resource_api_version(resource, request->api_version, sizeof(request->api_version));
    time_format(clock_wall_ms(request->self->clock), request->time);
    request->writer = (struct field_writer){
        .manager = str_or(manager, MANAGER_DEFAULT),
        .api_version = request->api_version,
        .time = request->time,
    };
}

/* Copies what was given and brings it into the stored form. */
static int admit(const struct request *request, const struct json *given, struct json **ret,
                 struct err *err)
{
    cleanup(json_unref) struct json *object = NULL;
    int r;

    r = object_admit(request->resource, given, &object, err);
    if (r < 0)
        return r;
    if (resource_is_secret(request->resource)) {
        r = secret_admit(object, err);
        if (r < 0)
            return r;
    }
    *ret = take(object);
    return 0;
}

static int begin_and_load(struct request *request, const struct key *key, struct err *err)
{
    int r;

    r = local_tx_begin(&request->tx, request->self, request->ctx, err);
    if (r < 0)
        return r;
    return local_load(request->self, request->resource, key, &request->row, err);
}

/* Validation of the state to be stored; `stored` is NULL for a new object. */
static int check_next(const struct resource *resource, const struct json *stored, struct json *next,
                      struct err *err)
{
    int r;

    r = object_check_metadata(next, err);
    if (r < 0)
        return r;
    if (stored) {
        r = object_check_finalizers(stored, next, err);
        if (r < 0)
            return r;
    }
    return resource_is_secret(resource) ? secret_check(stored, next, err) : 0;
}

/* Objects whose status is written apart count their generations, as custom resources do. */
static void count_generation(const struct resource *resource, const struct json *stored,
                             struct json *next)
{
    struct json *metadata = json_need_map(next, "metadata");

    if (!resource->has_status)
        return;
    if (!stored)
        json_set_int(metadata, "generation", 1);
    else if (object_spec_changed(resource, stored, next))
        json_set_int(metadata, "generation", json_get_int(metadata, "generation", 0) + 1);
}

static void give(struct json **ret, struct json *object)
{
    if (ret)
        *ret = json_ref(object);
}

/* New objects. */

static void stamp_new(const struct request *request, struct json *object)
{
    struct json *metadata = json_need_map(object, "metadata");
    char uid[UUID_TEXT_MAX];

    random_uuid(uid);
    json_set_text(metadata, "uid", uid);
    json_set_text(metadata, "creationTimestamp", request->time);
    json_remove(metadata, "resourceVersion");
    json_remove(metadata, "deletionTimestamp");
    json_remove(metadata, "deletionGracePeriodSeconds");
    json_remove(metadata, "generation");
    json_remove(metadata, "selfLink");
    count_generation(request->resource, NULL, object);
}

/* `owned`: its managedFields are right. */
static int insert_new(struct request *request, struct json *object, bool owned, struct json **ret,
                      struct err *err)
{
    int r;

    r = check_next(request->resource, NULL, object, err);
    if (r < 0)
        return r;
    if (!owned)
        managed_fields_update(NULL, object, &request->writer);
    stamp_new(request, object);
    r = local_tx_put(&request->tx, request->resource, 0, object, err);
    if (r < 0)
        return r;
    r = local_tx_finish(&request->tx, request->ctx, err);
    if (r < 0)
        return r;
    give(ret, object);
    return 0;
}

static void generate_name(struct json *object, const char *prefix)
{
    char name[GENERATED_MAX + 1];
    size_t len = strlen(prefix);

    if (len > GENERATED_MAX - GENERATED_LEN)
        len = GENERATED_MAX - GENERATED_LEN;
    memcpy(name, prefix, len);
    for (size_t i = 0; i < GENERATED_LEN; i++)
        name[len++] = GENERATED_CHARS[random_below(sizeof(GENERATED_CHARS) - 1)];
    name[len] = '\0';
    json_set_text(json_need_map(object, "metadata"), "name", name);
}

static int create_once(struct store *store, const struct context *ctx,
                       const struct resource *resource, const char *manager, struct json *object,
                       struct json **ret, struct err *err)
{
    cleanup(request_deinit) struct request request = {};
    struct key key;
    int r;

    request_init(&request, store, ctx, resource, manager);
    r = object_key_of(resource, object, &key, err);
    if (r < 0)
        return r;
    r = local_tx_begin(&request.tx, request.self, ctx, err);
    if (r < 0)
        return r;
    return insert_new(&request, object, false, ret, err);
}

int local_create(struct store *store, const struct context *ctx, const struct resource *resource,
                 const char *manager, const struct json *given, struct json **ret, struct err *err)
{
    struct request request = {.resource = resource};
    cleanup(json_unref) struct json *object = NULL;
    const char *prefix;
    int r;

    r = admit(&request, given, &object, err);
    if (r < 0)
        return r;
    if (object_meta(object, "resourceVersion"))
        return err_set(err, ERR_INVALID, "metadata.resourceVersion: must not be set on creation");
    if (resource->has_status)
        json_remove(object, "status");
    prefix = object_meta(object, "generateName");
    if (!str_empty(object_meta(object, "name")) || str_empty(prefix))
        return create_once(store, ctx, resource, manager, object, ret, err);
    for (int tries = 1;; tries++) {
        generate_name(object, prefix);
        r = create_once(store, ctx, resource, manager, object, ret, err);
        if (r != ERR_EXISTS || tries == GENERATED_TRIES)
            return r;
    }
}

/* Changes of what is stored. */

/* Stores `next` in place of the loaded row, or deletes the row when the last finalizer is gone. */
static int write_next(struct request *request, struct json *next, struct err *err)
{
    int r;

    if (object_is_deleting(next) && !object_has_finalizers(next))
        r = local_tx_remove(&request->tx, request->resource, request->row.id, next, err);
    else
        r = local_tx_put(&request->tx, request->resource, request->row.id, next, err);
    if (r < 0)
        return r;
    return local_tx_finish(&request->tx, request->ctx, err);
}

/* `next` has the stored system metadata; its managedFields are right when `owned`. */
static int settle(struct request *request, struct json *next, bool owned, struct json **ret,
                  struct err *err)
{
    const struct json *stored = request->row.object;
    int r;

    r = check_next(request->resource, stored, next, err);
    if (r < 0)
        return r;
    count_generation(request->resource, stored, next);
    if (!owned)
        managed_fields_update(stored, next, &request->writer);
    if (object_unchanged(stored, next)) {
        give(ret, request->row.object);
        return 0;
    }
    r = write_next(request, next, err);
    if (r < 0)
        return r;
    give(ret, next);
    return 0;
}

static struct store_precondition precondition_in(const struct json *object)
{
    return (struct store_precondition){
        .uid = object_meta(object, "uid"),
        .version = object_meta(object, "resourceVersion"),
    };
}

/* A main write leaves status alone; a status write leaves all but status alone. */
static struct json *updated(const struct request *request, enum store_part part, struct json *given)
{
    const struct json *stored = request->row.object;
    struct json *next;

    if (part == STORE_STATUS) {
        next = json_deep(stored);
        object_keep_member(next, given, "status");
        return next;
    }
    object_keep_system(given, stored);
    if (request->resource->has_status)
        object_keep_member(given, stored, "status");
    return json_ref(given);
}

static int check_part(const struct resource *resource, enum store_part part, struct err *err)
{
    if (part == STORE_STATUS && !resource->has_status)
        return err_set(err, ERR_INVALID, "%s has no status that is written apart", resource->kind);
    return 0;
}

int local_update(struct store *store, const struct context *ctx, const struct resource *resource,
                 enum store_part part, const char *manager, const struct json *given,
                 struct json **ret, struct err *err)
{
    cleanup(request_deinit) struct request request = {};
    cleanup(json_unref) struct json *object = NULL;
    cleanup(json_unref) struct json *next = NULL;
    struct store_precondition precondition;
    struct key key;
    int r;

    request_init(&request, store, ctx, resource, manager);
    request.writer.subresource = part == STORE_STATUS ? "status" : NULL;
    r = check_part(resource, part, err);
    if (r < 0)
        return r;
    r = admit(&request, given, &object, err);
    if (r < 0)
        return r;
    r = object_key_of(resource, object, &key, err);
    if (r < 0)
        return r;
    precondition = precondition_in(object);
    if (str_empty(precondition.version))
        return err_set(err, ERR_INVALID,
                       "metadata.resourceVersion: must be specified for an update");
    r = begin_and_load(&request, &key, err);
    if (r < 0)
        return r;
    r = object_check_precondition(request.row.object, &precondition, err);
    if (r < 0)
        return r;
    next = updated(&request, part, object);
    return settle(&request, next, false, ret, err);
}

/* A patch may name the version it is made for; it may not rename the object. */
static int check_patch(const struct json *stored, const struct json *patched, struct err *err)
{
    struct store_precondition precondition = {.version = object_meta(patched, "resourceVersion")};
    static const char *const fixed[] = {"name", "namespace", "uid"};

    for (size_t i = 0; i < ARRAY_LEN(fixed); i++) {
        if (!streq(object_meta(stored, fixed[i]), object_meta(patched, fixed[i])))
            return err_set(err, ERR_INVALID, "metadata.%s: cannot be changed", fixed[i]);
    }
    return object_check_precondition(stored, &precondition, err);
}

static int patched(const struct request *request, const struct json *patch, struct json **ret,
                   struct err *err)
{
    const struct json *stored = request->row.object;
    cleanup(json_unref) struct json *merged = json_deep(stored);
    cleanup(json_unref) struct json *next = NULL;
    int r;

    json_merge_patch(merged, patch);
    r = admit(request, merged, &next, err);
    if (r < 0)
        return r;
    r = check_patch(stored, next, err);
    if (r < 0)
        return r;
    object_keep_system(next, stored);
    if (request->resource->has_status)
        object_keep_member(next, stored, "status");
    *ret = take(next);
    return 0;
}

int local_patch(struct store *store, const struct context *ctx, const struct resource *resource,
                const struct key *key, const struct store_precondition *precondition,
                const char *manager, const struct json *patch, struct json **ret, struct err *err)
{
    cleanup(request_deinit) struct request request = {};
    cleanup(json_unref) struct json *next = NULL;
    int r;

    request_init(&request, store, ctx, resource, manager);
    if (json_kind(patch) != JSON_KIND_MAP)
        return err_set(err, ERR_INVALID, "the patch is a %s where a map is expected",
                       json_kind_name(json_kind(patch)));
    r = key_check(resource, key, err);
    if (r < 0)
        return r;
    r = begin_and_load(&request, key, err);
    if (r < 0)
        return r;
    r = object_check_precondition(request.row.object, precondition, err);
    if (r < 0)
        return r;
    r = patched(&request, patch, &next, err);
    if (r < 0)
        return r;
    return settle(&request, next, false, ret, err);
}

/* Server-side apply. */

/* Nothing that only the server sets may be applied; what the status write owns is dropped. */
static int admit_applied(const struct request *request, const struct json *given, struct json **ret,
                         struct err *err)
{
    cleanup(json_unref) struct json *config = NULL;
    int r;

    r = admit(request, given, &config, err);
    if (r < 0)
        return r;
    if (json_path(config, "metadata.managedFields"))
        return err_set(err, ERR_INVALID, "metadata.managedFields: must not be applied");
    if (request->resource->has_status)
        json_remove(config, "status");
    *ret = take(config);
    return 0;
}

static bool must_be_absent(const struct json *config)
{
    return streq(object_meta(config, "resourceVersion"), STORE_ABSENT);
}

/* The object is not there: applying creates it, unless a certain one was meant. */
static int apply_new(struct request *request, const struct json *config, struct json **ret,
                     struct err *err)
{
    cleanup(json_unref) struct json *object = NULL;

    if (object_meta(config, "uid") ||
        (object_meta(config, "resourceVersion") && !must_be_absent(config)))
        return err_set(err, ERR_CONFLICT, "'%s' does not exist any more",
                       object_meta(config, "name"));
    object = managed_fields_apply(NULL, config, &request->writer);
    return insert_new(request, object, true, ret, err);
}

int local_apply(struct store *store, const struct context *ctx, const struct resource *resource,
                const char *manager, const struct json *given, struct json **ret, struct err *err)
{
    cleanup(request_deinit) struct request request = {};
    cleanup(json_unref) struct json *config = NULL;
    cleanup(json_unref) struct json *next = NULL;
    struct store_precondition precondition;
    struct err why = {};
    struct key key;
    int r;

    request_init(&request, store, ctx, resource, manager);
    r = admit_applied(&request, given, &config, err);
    if (r < 0)
        return r;
    r = object_key_of(resource, config, &key, err);
    if (r < 0)
        return r;
    r = begin_and_load(&request, &key, &why);
    if (r == ERR_NOT_FOUND)
        return apply_new(&request, config, ret, err);
    if (r < 0)
        return err_pass(err, &why);
    if (must_be_absent(config))
        return err_set(err, ERR_CONFLICT, "'%s' is there already", key.name);
    precondition = precondition_in(config);
    r = object_check_precondition(request.row.object, &precondition, err);
    if (r < 0)
        return r;
    if (managed_fields_hold(request.row.object, config, &request.writer)) {
        give(ret, request.row.object);
        return 0;
    }
    next = managed_fields_apply(request.row.object, config, &request.writer);
    return settle(&request, next, true, ret, err);
}

int store_local_make_mutable(struct store *store, const struct context *ctx,
                             const struct resource *resource, const struct key *key,
                             const char *uid, const char *manager, struct err *err)
{
    cleanup(request_deinit) struct request request = {};
    cleanup(json_unref) struct json *next = NULL;
    struct store_precondition exactly = {.uid = uid};
    int r;

    request_init(&request, store, ctx, resource, manager);
    r = begin_and_load(&request, key, err);
    if (r == 0)
        r = object_check_precondition(request.row.object, &exactly, err);
    if (r < 0 || !json_get(request.row.object, "immutable"))
        return r;
    next = json_deep(request.row.object);
    json_remove(next, "immutable");
    managed_fields_update(request.row.object, next, &request.writer);
    return write_next(&request, next, err);
}

int local_delete(struct store *store, const struct context *ctx, const struct resource *resource,
                 const struct key *key, const struct store_precondition *precondition,
                 struct err *err)
{
    cleanup(request_deinit) struct request request = {};
    int r;

    request_init(&request, store, ctx, resource, NULL);
    r = key_check(resource, key, err);
    if (r < 0)
        return r;
    r = begin_and_load(&request, key, err);
    if (r < 0)
        return r;
    r = object_check_precondition(request.row.object, precondition, err);
    if (r < 0)
        return r;
    r = local_tx_delete(&request.tx, resource, &request.row, err);
    if (r < 0)
        return r;
    return local_tx_finish(&request.tx, ctx, err);
}
