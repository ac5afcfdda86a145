#include "store/object.h"

#include <string.h>

#include "base/limits.h"
#include "store/field_tree.h"
#include "store/managed_fields.h"
#include "store/name.h"

const char *object_meta(const struct json *object, const char *name)
{
    return json_get_text(json_get(object, "metadata"), name);
}

bool object_is_deleting(const struct json *object)
{
    return object_meta(object, "deletionTimestamp") != NULL;
}

bool object_has_finalizers(const struct json *object)
{
    return json_len(json_path(object, "metadata.finalizers")) > 0;
}

/* Go leaves out empty maps and lists of ObjectMeta; JSON null is the same as absent. */
static void remove_empty(struct json *map, bool containers_too)
{
    cleanup(strlist_deinit) struct strlist empty = {};

    json_for_each (name, value, map) {
        enum json_kind kind = json_kind(value);
        bool container = kind == JSON_KIND_MAP || kind == JSON_KIND_LIST;

        if (kind == JSON_KIND_NULL || (containers_too && container && json_len(value) == 0))
            strlist_add(&empty, name);
    }
    for (size_t i = 0; i < empty.len; i++)
        json_remove(map, empty.items[i]);
}

static int check_or_set(struct json *object, const char *name, const char *wanted, struct err *err)
{
    const char *given = json_get_text(object, name);

    if (given && !streq(given, wanted))
        return err_set(err, ERR_INVALID, "%s: is '%s' where '%s' is expected", name, given, wanted);
    json_set_text(object, name, wanted);
    return 0;
}

int object_admit(const struct resource *resource, const struct json *given, struct json **ret,
                 struct err *err)
{
    cleanup(json_unref) struct json *object = json_deep(given);
    char api_version[API_VERSION_MAX];
    struct json *metadata;
    int r;

    if (json_kind(json_get(object, "metadata")) != JSON_KIND_MAP)
        return err_set(err, ERR_INVALID, "metadata: is required");
    resource_api_version(resource, api_version, sizeof(api_version));
    r = check_or_set(object, "apiVersion", api_version, err);
    if (r < 0)
        return r;
    r = check_or_set(object, "kind", resource->kind, err);
    if (r < 0)
        return r;
    metadata = json_get(object, "metadata");
    remove_empty(object, false);
    remove_empty(json_get(metadata, "labels"), false);
    remove_empty(json_get(metadata, "annotations"), false);
    remove_empty(metadata, true);
    *ret = take(object);
    return 0;
}

int key_check(const struct resource *resource, const struct key *key, struct err *err)
{
    if (resource->any_name && !stored_name_is_step(key->name))
        return err_set(err, ERR_INVALID, "metadata.name: '%s' cannot be in a path",
                       str_or(key->name, ""));
    if (!resource->any_name && !stored_name_is_subdomain(key->name))
        return err_set(err, ERR_INVALID,
                       "metadata.name: '%s' is not a DNS name (RFC 1123 subdomain)",
                       str_or(key->name, ""));
    if (!resource->namespaced && !str_empty(key->namespace))
        return err_set(err, ERR_INVALID, "metadata.namespace: %s is not namespaced",
                       resource->kind);
    if (resource->namespaced && !stored_name_is_label(key->namespace))
        return err_set(err, ERR_INVALID, "metadata.namespace: '%s' is not a DNS label",
                       str_or(key->namespace, ""));
    return 0;
}

int object_key_of(const struct resource *resource, const struct json *object, struct key *ret,
                  struct err *err)
{
    struct key key = {
        .namespace = str_or(object_meta(object, "namespace"), ""),
        .name = object_meta(object, "name"),
    };
    int r;

    r = key_check(resource, &key, err);
    if (r < 0)
        return r;
    *ret = key;
    return 0;
}

static int check_labels(const struct json *labels, struct err *err)
{
    json_for_each (key, value, labels) {
        if (!stored_name_is_qualified(key))
            return err_set(err, ERR_INVALID, "metadata.labels: '%s' is not a qualified name", key);
        if (!stored_name_is_label_value(json_as_text(value)))
            return err_set(err, ERR_INVALID, "metadata.labels: value of '%s' is not a label value",
                           key);
    }
    return 0;
}

static int check_annotations(const struct json *annotations, struct err *err)
{
    size_t total = 0;

    json_for_each (key, value, annotations) {
        if (!stored_name_is_annotation_key(key))
            return err_set(err, ERR_INVALID, "metadata.annotations: '%s' is not a qualified name",
                           key);
        if (!json_as_text(value))
            return err_set(err, ERR_INVALID, "metadata.annotations: value of '%s' is not a string",
                           key);
        total += strlen(key) + strlen(json_as_text(value));
    }
    if (total > LIMIT_ANNOTATIONS)
        return err_set(err, ERR_INVALID, "metadata.annotations: together larger than %d bytes",
                       LIMIT_ANNOTATIONS);
    return 0;
}

static int check_finalizers(const struct json *finalizers, struct err *err)
{
    json_for_each_item (item, finalizers) {
        if (!stored_name_is_qualified(json_as_text(item)))
            return err_set(err, ERR_INVALID, "metadata.finalizers: '%s' is not a qualified name",
                           str_or(json_as_text(item), ""));
    }
    return 0;
}

static int check_owners(const struct json *owners, struct err *err)
{
    static const char *const needed[] = {"apiVersion", "kind", "name", "uid"};
    size_t controllers = 0;

    json_for_each_item (owner, owners) {
        for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
            if (str_empty(json_get_text(owner, needed[i])))
                return err_set(err, ERR_INVALID, "metadata.ownerReferences: %s must not be empty",
                               needed[i]);
        }
        controllers += json_get_bool(owner, "controller", false);
    }
    if (controllers > 1)
        return err_set(err, ERR_INVALID,
                       "metadata.ownerReferences: only one may be the controller");
    return 0;
}

struct metadata_rule {
    const char *name;
    enum json_kind kind;
    int (*check)(const struct json *value, struct err *err);
};

static const struct metadata_rule metadata_rules[] = {
    {"labels", JSON_KIND_MAP, check_labels},
    {"annotations", JSON_KIND_MAP, check_annotations},
    {"finalizers", JSON_KIND_LIST, check_finalizers},
    {"ownerReferences", JSON_KIND_LIST, check_owners},
};

int object_check_metadata(const struct json *object, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(metadata_rules); i++) {
        const struct metadata_rule *rule = &metadata_rules[i];
        const struct json *value = json_get(json_get(object, "metadata"), rule->name);
        int r;

        if (!value)
            continue;
        if (json_kind(value) != rule->kind)
            return err_set(err, ERR_INVALID, "metadata.%s: is a %s where a %s is expected",
                           rule->name, json_kind_name(json_kind(value)),
                           json_kind_name(rule->kind));
        r = rule->check(value, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static bool list_has_text(const struct json *list, const char *s)
{
    json_for_each_item (item, list) {
        if (streq(json_as_text(item), s))
            return true;
    }
    return false;
}

int object_check_finalizers(const struct json *stored, const struct json *next, struct err *err)
{
    const struct json *old = json_path(stored, "metadata.finalizers");

    if (!object_is_deleting(stored))
        return 0;
    json_for_each_item (item, json_path(next, "metadata.finalizers")) {
        if (!list_has_text(old, json_as_text(item)))
            return err_set(err, ERR_INVALID,
                           "metadata.finalizers: '%s' cannot be added, the object is being deleted",
                           json_as_text(item));
    }
    return 0;
}

int object_check_precondition(const struct json *stored,
                              const struct store_precondition *precondition, struct err *err)
{
    const char *uid = object_meta(stored, "uid");
    const char *version = object_meta(stored, "resourceVersion");

    if (!precondition)
        return 0;
    if (!str_empty(precondition->uid) && !streq(precondition->uid, uid))
        return err_set(err, ERR_CONFLICT, "'%s' was replaced: its uid is %s, not %s",
                       object_meta(stored, "name"), uid, precondition->uid);
    if (!str_empty(precondition->version) && !streq(precondition->version, version))
        return err_set(err, ERR_CONFLICT, "'%s' was changed: its version is %s, not %s",
                       object_meta(stored, "name"), version, precondition->version);
    return 0;
}

void object_keep_system(struct json *object, const struct json *stored)
{
    struct json *metadata = json_need_map(object, "metadata");
    cleanup(strlist_deinit) struct strlist system = {};

    json_for_each (name, given, metadata) {
        if (field_is_system(name))
            strlist_add(&system, name);
    }
    for (size_t i = 0; i < system.len; i++)
        json_remove(metadata, system.items[i]);
    json_for_each (kept, value, json_get(stored, "metadata")) {
        if (field_is_system(kept))
            json_set(metadata, kept, json_ref(value));
    }
}

void object_keep_member(struct json *object, const struct json *from, const char *name)
{
    struct json *value = json_get(from, name);

    json_set(object, name, value ? json_ref(value) : NULL);
}

static bool same_but(const struct json *a, const struct json *b, const char *but,
                     const char *and_but)
{
    size_t a_len = json_len(a), b_len = json_len(b);

    a_len -= json_get(a, but) != NULL;
    b_len -= json_get(b, but) != NULL;
    if (and_but) {
        a_len -= json_get(a, and_but) != NULL;
        b_len -= json_get(b, and_but) != NULL;
    }
    if (a_len != b_len)
        return false;
    json_for_each (name, value, a) {
        if (!streq(name, but) && !streq(name, and_but) && !json_same(value, json_get(b, name)))
            return false;
    }
    return true;
}

bool object_spec_changed(const struct resource *resource, const struct json *a,
                         const struct json *b)
{
    return !same_but(a, b, "metadata", resource->has_status ? "status" : NULL);
}

bool object_unchanged(const struct json *a, const struct json *b)
{
    return same_but(a, b, "metadata", NULL) &&
           same_but(json_get(a, "metadata"), json_get(b, "metadata"), "managedFields", NULL) &&
           managed_fields_same(a, b);
}
