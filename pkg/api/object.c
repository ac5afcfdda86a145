/*
 * object.c - documents to counted objects and back.
 */
#include "api/object.h"

#include <string.h>

enum { ARENA_SIZE = 4096 };

/* Decode */

/* `map` without the named members; the others are shared with it. */
static struct json *map_without(const struct json *map, const char *const *names)
{
    struct json *copy = json_new_map();

    json_for_each (key, value, map) {
        bool left_out = false;

        for (size_t i = 0; names[i]; i++)
            left_out = left_out || streq(key, names[i]);
        if (!left_out)
            json_set(copy, key, json_ref(value));
    }
    return copy;
}

/* What the tables are to see of a manifest, which is often what `kubectl get -o yaml` gave: without
 * what the server keeps for itself. */
static struct json *manifest_body(const struct json *value)
{
    static const char *const types[] = {"apiVersion", "kind", NULL};
    static const char *const server_side[] = {"managedFields", "selfLink",
                                              "deletionGracePeriodSeconds", NULL};
    const struct json *metadata = json_get(value, "metadata");
    struct json *body;

    if (json_kind(value) != JSON_KIND_MAP)
        return json_ref((struct json *)value);
    body = map_without(value, types);
    if (json_kind(metadata) == JSON_KIND_MAP)
        json_set(body, "metadata", map_without(metadata, server_side));
    return body;
}

static void check_text_is(const struct json *value, const char *name, const char *wanted,
                          struct field_report *report)
{
    if (!streq(json_get_text(value, name), wanted))
        field_report_add(report, PROBLEM_INVALID, name, "must be '%s'", wanted);
}

static const struct field *row_of(const struct fields *fields, const char *name)
{
    for (size_t i = 0; i < fields->count; i++)
        if (streq(fields->rows[i].name, name))
            return &fields->rows[i];
    return NULL;
}

/* The CRDs of some kinds ask for neither metadata nor spec (api.md 1), but for what is in them. */
static void check_has_section(const struct kind *kind, const struct json *value, const char *name,
                              struct field_report *report)
{
    const struct field *row = row_of(kind->fields, name);

    if (!row || row->flags & F_REQUIRED)
        return;
    if (json_kind(json_get(value, name)) == JSON_KIND_NULL)
        field_report_add(report, PROBLEM_REQUIRED, name, "must be set");
}

static void check_scope(const struct object *object, struct field_report *report)
{
    const struct resource *resource = &object->kind->resource;

    if (!resource->namespaced && !str_empty(object->metadata.namespace))
        field_report_add(report, PROBLEM_WARNING, "metadata.namespace",
                         "is passed over: a %s belongs to no namespace", resource->kind);
}

static void check_manifest(const struct object *object, const struct json *value,
                           struct field_report *report)
{
    const struct kind *kind = object->kind;
    char api_version[API_VERSION_MAX];

    if (json_kind(value) != JSON_KIND_MAP)
        return; /* said already */
    resource_api_version(&kind->resource, api_version, sizeof(api_version));
    check_text_is(value, "apiVersion", api_version, report);
    check_text_is(value, "kind", kind->resource.kind, report);
    check_has_section(kind, value, "metadata", report);
    check_has_section(kind, value, "spec", report);
    check_scope(object, report);
    if (kind->validate)
        kind->validate(object, report);
}

int object_read(const struct kind *kind, const struct json *value, struct arena *scratch,
                void *self, struct field_report *report, struct err *err)
{
    cleanup(json_unref) struct json *body = report ? manifest_body(value) : NULL;
    struct object *object = self;
    int r;

    object->kind = kind;
    r = fields_decode(kind->fields, body ? body : value, scratch, self, "", report, err);
    if (r < 0)
        return r;
    if (report)
        check_manifest(object, value, report);
    return 0;
}

/* Its memory is the arena's. */
static const struct object *counted(const struct kind *kind, struct object *object,
                                    struct arena *arena)
{
    object->kind = kind;
    object->arena = arena;
    object->refs = 1;
    return object;
}

/* Freeze and thaw */

static struct frozen_form frozen_form_of(const struct object_form *form)
{
    return (struct frozen_form){.fields = form->fields, .secret = form->kind->is_secret};
}

/* Another thread that has it, too, may be counting. */
static struct object *copy_without_count(const struct object *object, size_t size)
{
    const size_t before = offsetof(struct object, refs), behind = before + sizeof(object->refs);
    char *copy = xalloc(size);

    memcpy(copy, object, before);
    memcpy(copy + behind, (const char *)object + behind, size - behind);
    return (struct object *)copy;
}

/* What only the counted object has is left out: kind, arena, count. */
void object_freeze(const struct object_form *form, const struct object *object, struct bytes known,
                   struct buf *to)
{
    struct frozen_form frozen_form = frozen_form_of(form);
    cleanup(xfree) struct object *bare = copy_without_count(object, form->fields->size);

    bare->kind = NULL;
    bare->arena = NULL;
    freeze(&frozen_form, bare, known, to);
}

const struct object *object_thaw(const struct object_form *form, const void *frozen,
                                 struct bytes known)
{
    struct frozen_form frozen_form = frozen_form_of(form);
    struct arena *arena;
    void *self = thaw(&frozen_form, frozen, known, &arena);

    return counted(form->kind, self, arena);
}

const struct object *object_seal(const struct object_form *form, const void *self)
{
    cleanup(buf_deinit) struct buf frozen = {.max = SIZE_MAX, .secret = form->kind->is_secret};

    object_freeze(form, self, (struct bytes){}, &frozen);
    return object_thaw(form, frozen.data, (struct bytes){});
}

static struct arena *new_arena(const struct kind *kind)
{
    return kind->is_secret ? arena_new_secret(ARENA_SIZE) : arena_new(ARENA_SIZE);
}

int object_decode(const struct kind *kind, const struct json *value, struct field_report *report,
                  const struct object **ret, struct err *err)
{
    cleanup(arena_free) struct arena *arena = new_arena(kind);
    void *self = arena_alloc(arena, kind->fields->size);
    int r;

    r = object_read(kind, value, arena, self, report, err);
    if (r < 0)
        return r;
    *ret = counted(kind, self, take(arena));
    return 0;
}

int object_decode_cached(const struct kind *kind, const struct json *value,
                         const struct object **ret, struct err *err)
{
    struct object_form form = {.kind = kind, .fields = kind->fields};
    cleanup(arena_free) struct arena *scratch = new_arena(kind);
    struct object *self = arena_alloc(scratch, kind->fields->size);
    int r;

    r = object_read(kind, value, scratch, self, NULL, err);
    if (r < 0)
        return r;
    metadata_drop_last_applied(&self->metadata);
    *ret = object_seal(&form, self);
    return 0;
}

void object_check_spec(const struct object *object, struct field_report *report)
{
    const struct fields *fields = object->kind->spec_fields;
    cleanup(arena_free) struct arena *scratch = arena_new(ARENA_SIZE);
    cleanup(json_unref) struct json *spec = NULL;

    if (!fields)
        return;
    spec = fields_encode(fields, (const char *)object + object->kind->spec_offset);
    /* with a report it cannot fail */
    (void)fields_decode(fields, spec, scratch, arena_alloc(scratch, fields->size), "spec", report,
                        NULL);
}

/* Count */

const struct object *object_ref(const struct object *object)
{
    (void)__atomic_fetch_add(&((struct object *)object)->refs, 1, __ATOMIC_RELAXED);
    return object;
}

void object_unref(const struct object *object)
{
    if (object && __atomic_sub_fetch(&((struct object *)object)->refs, 1, __ATOMIC_ACQ_REL) == 0)
        arena_free(object->arena);
}

/* Encode */

static struct json *new_document(const struct kind *kind)
{
    struct json *document = json_new_map();
    char api_version[API_VERSION_MAX];

    resource_api_version(&kind->resource, api_version, sizeof(api_version));
    json_set_text(document, "apiVersion", api_version);
    json_set_text(document, "kind", kind->resource.kind);
    return document;
}

struct json *object_encode(const struct object *object)
{
    cleanup(json_unref) struct json *members = fields_encode(object->kind->fields, object);
    struct json *document = new_document(object->kind);

    json_for_each (name, value, members)
        json_set(document, name, json_ref(value));
    return document;
}

struct json *object_status_json(const struct object *object, const void *status)
{
    const struct metadata *metadata = &object->metadata;
    struct json *document = new_document(object->kind);
    struct json *to = json_need_map(document, "metadata");

    json_set_text(to, "name", metadata->name);
    json_set_text(to, "namespace", metadata->namespace);
    json_set_text(to, "uid", metadata->uid);
    json_set_text(to, "resourceVersion", metadata->resource_version);
    json_set(document, "status", fields_encode(object->kind->status_fields, status));
    return document;
}

/* Look */

struct key object_key(const struct object *object)
{
    bool namespaced = object->kind->resource.namespaced;

    return (struct key){
        .namespace = namespaced ? str_or(object->metadata.namespace, "") : "",
        .name = str_or(object->metadata.name, ""),
    };
}

struct owner_reference owner_reference_to(const struct object *owner,
                                          char api_version[API_VERSION_MAX])
{
    resource_api_version(&owner->kind->resource, api_version, API_VERSION_MAX);
    return (struct owner_reference){
        .api_version = api_version,
        .kind = owner->kind->resource.kind,
        .name = owner->metadata.name,
        .uid = owner->metadata.uid,
        .controller = {.is_set = true, .value = true},
        .block_owner_deletion = {.is_set = true, .value = true},
    };
}

struct json *object_child_json(const struct kind *kind, const struct key *key,
                               const struct object *owner, const struct array_pair *labels,
                               const struct array_pair *annotations)
{
    char own_version[API_VERSION_MAX], api_version[API_VERSION_MAX];
    struct owner_reference reference = owner_reference_to(owner, api_version);
    struct metadata metadata = {.name = key->name,
                                .namespace = key->namespace,
                                .labels = labels ? *labels : (struct array_pair){},
                                .annotations = annotations ? *annotations : (struct array_pair){},
                                .owner_references = {&reference, 1}};
    struct json *child = json_new_map();

    resource_api_version(&kind->resource, own_version, sizeof(own_version));
    json_set_text(child, "apiVersion", own_version);
    json_set_text(child, "kind", kind->resource.kind);
    json_set(child, "metadata", fields_encode(&metadata_fields, &metadata));
    return child;
}

const struct owner_reference *object_controller(const struct object *object)
{
    for (size_t i = 0; i < object->metadata.owner_references.len; i++) {
        const struct owner_reference *ref = &object->metadata.owner_references.items[i];

        if (ref->controller.value)
            return ref;
    }
    return NULL;
}

bool object_is_controlled_by(const struct object *object, const char *uid)
{
    const struct owner_reference *controller = object_controller(object);

    return controller && !str_empty(uid) && streq(controller->uid, uid);
}

const char *object_annotation(const struct object *object, const char *key)
{
    return array_pair_get(&object->metadata.annotations, key);
}

const char *object_label(const struct object *object, const char *key)
{
    return array_pair_get(&object->metadata.labels, key);
}

size_t object_name_cut(const char *name, size_t max)
{
    size_t len = strnlen(name, max);

    while (len > 0 && (name[len - 1] == '-' || name[len - 1] == '.'))
        len--;
    return len;
}
