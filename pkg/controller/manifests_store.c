/*
 * manifests_store.c - one object of a manifest into the store, and out of it.
 *
 * A Secret may be a user's at first and a Certificate's later: an existing certificate that is adopted.
 * Once the certificate controller has written other key or certificate bytes, the manifest is history:
 * applying it again after a restart would bring the old certificate back.
 *
 * An API server never lets a Secret be changed that was immutable once: one deletes it. Here that would have a new
 * certificate issued, so the manifest that made it immutable takes that back, by not saying it any more.
 */
#include <string.h>

#include "api/certificate_request.h"
#include "api/kinds.h"
#include "api/live.h"
#include "base/base64.h"
#include "controller/controllers.h"
#include "controller/manifests_private.h"
#include "store/local.h"

enum { TRIES = 5 };
#define CALL_TIMEOUT_MS SECONDS(30)

static const char *const certificate_keys[] = {"tls.crt", "tls.key"};

/* --- who wrote it --- */

static bool is_applied_by(const struct json *object, const char *manager)
{
    json_for_each_item (entry, json_path(object, "metadata.managedFields"))
        if (streq(json_get_text(entry, "manager"), manager) &&
            streq(json_get_text(entry, "operation"), "Apply"))
            return true;
    return false;
}

/* `in`: of a member of this one, "f:data"; NULL: of the object. `step`: "f:<key>". */
static bool owns(const struct json *object, const char *manager, const char *in, const char *step)
{
    json_for_each_item (entry, json_path(object, "metadata.managedFields")) {
        const struct json *fields = json_get(entry, "fieldsV1");

        if (streq(json_get_text(entry, "manager"), manager) &&
            json_get(in ? json_get(fields, in) : fields, step))
            return true;
    }
    return false;
}

static bool owns_data(const struct json *object, const char *manager, const char *key)
{
    cleanup(xfree) char *step = xasprintf("f:%s", key);

    return owns(object, manager, "f:data", step);
}

static bool is_frozen_by_manifest(const struct json *secret)
{
    return json_get_bool(secret, "immutable", false) &&
           owns(secret, MANAGER_MANIFESTS, NULL, "f:immutable");
}

static int make_mutable(struct store *store, const struct context *ctx, const struct kind *kind,
                        const struct key *key, const struct json *stored, struct err *err)
{
    return store_local_make_mutable(store, ctx, &kind->resource, key,
                                    json_as_text(json_path(stored, "metadata.uid")),
                                    MANAGER_MANIFESTS, err);
}

static bool is_kept_by_certificate(const struct json *secret)
{
    for (size_t i = 0; i < ARRAY_LEN(certificate_keys); i++)
        if (owns_data(secret, MANAGER_ISSUING, certificate_keys[i]))
            return true;
    return false;
}

/* Base64 text of a key as the store would have it; NULL: the manifest says nothing about it. */
static char *manifest_value(const struct json *manifest, const char *key)
{
    const char *plain = json_get_text(json_get(manifest, "stringData"), key);

    if (plain)
        return base64_new(plain, strlen(plain));
    return xstrdup(json_get_text(json_get(manifest, "data"), key));
}

static bool differs_in(const struct json *manifest, const struct json *stored, const char *key)
{
    cleanup(xfree_secret) char *wanted = manifest_value(manifest, key);

    return wanted && !streq(wanted, json_get_text(json_get(stored, "data"), key));
}

static bool has_other_certificate(const struct json *manifest, const struct json *stored)
{
    for (size_t i = 0; i < ARRAY_LEN(certificate_keys); i++)
        if (differs_in(manifest, stored, certificate_keys[i]))
            return true;
    return false;
}

/* --- in --- */

static int prepare_secret(struct store *store, const struct context *ctx,
                          const struct manifest_entry *entry, bool *ret_kept, struct err *err)
{
    cleanup(json_unref) struct json *stored = NULL;
    char name[KEY_TEXT_MAX];
    struct key key = manifest_entry_key(entry->kind, entry->id, name);
    int r = store_get(store, ctx, &entry->kind->resource, &key, &stored, err);

    if (r < 0)
        return r == ERR_NOT_FOUND ? 0 : r;
    *ret_kept = is_kept_by_certificate(stored) && has_other_certificate(entry->json, stored);
    if (json_get_bool(entry->json, "immutable", false) || !is_frozen_by_manifest(stored))
        return 0;
    return make_mutable(store, ctx, entry->kind, &key, stored, err);
}

/* A manifest says nothing of who asks (manifests_parse.c); what came in another way, from a backup, may. */
static struct certificate_request without_identity(const struct object *object)
{
    struct certificate_request request = *(const struct certificate_request *)object;

    request.spec.username = request.spec.uid = NULL;
    request.spec.groups = (struct array_string){};
    request.spec.extra = NULL;
    return request;
}

/* What it has become belongs to what it was: an approval, a certificate. An API server has a policy for this. */
static int check_request_stays(struct store *store, const struct context *ctx,
                               const struct manifest_entry *entry, struct err *err)
{
    cleanup(field_report_deinit) struct field_report report = {};
    cleanup(object_unref) const struct object *before = NULL, *after = NULL;
    char name[KEY_TEXT_MAX];
    struct key key = manifest_entry_key(entry->kind, entry->id, name);
    struct certificate_request was;
    struct err why = {};
    int r = live_object(store, ctx, entry->kind, &key, &before, err);

    if (r == ERR_NOT_FOUND)
        return 0;
    if (r == 0)
        r = object_decode(entry->kind, entry->json, NULL, &after, err);
    if (r < 0)
        return r;
    was = without_identity(before);
    fields_check_immutable(entry->kind->fields, &was, after, "", &report);
    if (field_report_check(&report, &why) == 0)
        return 0;
    return err_set(err, ERR_INVALID, "%s once it is stored; give another request another name",
                   why.text);
}

static int apply_once(struct store *store, const struct context *ctx,
                      const struct manifest_entry *entry, bool *ret_kept, struct err *err)
{
    cleanup(json_unref) struct json *stored = NULL;
    bool kept = false;
    int r = 0;

    if (entry->kind->is_secret)
        r = prepare_secret(store, ctx, entry, &kept, err);
    else if (entry->kind == &kind_certificate_request)
        r = check_request_stays(store, ctx, entry, err);
    if (r == 0 && !kept)
        r = store_apply(store, ctx, &entry->kind->resource, MANAGER_MANIFESTS, entry->json, &stored,
                        err);
    if (r == 0)
        *ret_kept = kept;
    return r;
}

int manifest_apply(struct store *store, const struct context *ctx,
                   const struct manifest_entry *entry, bool *ret_kept, struct err *err)
{
    struct context call = context_with_timeout(ctx, CALL_TIMEOUT_MS);
    int r = ERR_CONFLICT;

    for (int i = 0; r == ERR_CONFLICT && i < TRIES; i++)
        r = apply_once(store, &call, entry, ret_kept, err);
    return r;
}

/* --- out --- */

static int remove_once(struct store *store, const struct context *ctx, const struct kind *kind,
                       const struct key *key, bool is_target, struct err *err)
{
    cleanup(json_unref) struct json *stored = NULL;
    struct store_precondition exactly = {};
    int r = store_get(store, ctx, &kind->resource, key, &stored, err);

    if (r < 0)
        return r == ERR_NOT_FOUND ? 0 : r;
    if (!is_applied_by(stored, MANAGER_MANIFESTS))
        return 0; /* somebody else's by now */
    if (kind->is_secret && (is_target || is_kept_by_certificate(stored)))
        return is_frozen_by_manifest(stored) ? make_mutable(store, ctx, kind, key, stored, err) : 0;
    exactly.uid = json_as_text(json_path(stored, "metadata.uid"));
    r = store_delete(store, ctx, &kind->resource, key, &exactly, err);
    return r == ERR_NOT_FOUND ? 0 : r;
}

int manifest_remove(struct store *store, const struct context *ctx, const struct kind *kind,
                    const char *id, bool is_target, struct err *err)
{
    struct context call = context_with_timeout(ctx, CALL_TIMEOUT_MS);
    char name[KEY_TEXT_MAX];
    struct key key = manifest_entry_key(kind, id, name);
    int r = ERR_CONFLICT;

    for (int i = 0; r == ERR_CONFLICT && i < TRIES; i++)
        r = remove_once(store, &call, kind, &key, is_target, err);
    return r;
}

/* --- what is there --- */

typedef void found_fn(void *arg, const struct kind *kind, const char *id);

struct finder {
    const struct kind *kind;
    found_fn *found;
    void *arg;
};

static void found_key(void *arg, const struct key *key)
{
    const struct finder *finder = arg;
    char name[KEY_TEXT_MAX];
    cleanup(xfree) char *id = NULL;

    key_format(key, name);
    id = xasprintf("%s %s", finder->kind->resource.kind, name);
    finder->found(finder->arg, finder->kind, id);
}

int manifest_each_stored(struct store *store, const struct context *ctx,
                         void (*found)(void *arg, const struct kind *kind, const char *id),
                         void *arg, struct err *err)
{
    static const struct kind *const applied[] = {&kind_certificate, &kind_certificate_request,
                                                 &kind_issuer, &kind_cluster_issuer, &kind_secret};
    struct context call = context_with_timeout(ctx, 10 * CALL_TIMEOUT_MS);
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_LEN(applied); i++) {
        struct finder finder = {.kind = applied[i], .found = found, .arg = arg};

        r = store_local_each_applied(store, &call, &applied[i]->resource, MANAGER_MANIFESTS,
                                     found_key, &finder, err);
    }
    return r < 0 ? err_wrap(err, "looking for what earlier manifests have made") : 0;
}
