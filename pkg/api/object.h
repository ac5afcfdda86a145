/*
 * object.h - what all kinds share: metadata, conditions, references, and counted decoded objects.
 *
 * A kind is a plain struct that begins with `struct object`, described by one row in kinds.h and by
 * field tables (json/field.h). A decoded object is immutable, counted, and lives in its own arena; to
 * change one, copy the part (a shallow copy of the spec or status borrows its texts), change the copy
 * and encode it. Reconcilers write what they encoded through the store and see it again by the cache.
 * Reading is safe from any thread.
 */
#ifndef API_OBJECT_H
#define API_OBJECT_H

#include "api/frozen.h"
#include "store/resource.h"
#include "json/field.h"

struct owner_reference {
    const char *api_version, *kind, *name, *uid;
    struct opt_bool controller, block_owner_deletion;
};

struct metadata {
    const char *name, *namespace, *generate_name, *uid, *resource_version;
    int64_t generation;
    int64_t creation_timestamp_ms, deletion_timestamp_ms;
    struct array_pair labels, annotations;
    struct array_string finalizers;
    ARRAY_OF(struct owner_reference) owner_references;
};
extern const struct fields metadata_fields, owner_reference_fields;

enum condition_status { CONDITION_NONE, CONDITION_TRUE, CONDITION_FALSE, CONDITION_UNKNOWN };
extern const struct enum_names condition_status_names;
struct condition {
    const char *type;
    int status; /* enum condition_status */
    int64_t last_transition_time_ms;
    const char *reason, *message;
    int64_t observed_generation;
};
struct conditions {
    struct condition *items;
    size_t len;
};
extern const struct fields condition_fields;       /* with observedGeneration */
extern const struct fields condition_plain_fields; /* CertificateRequest: without */

const struct condition *condition_find(const struct conditions *conditions, const char *type);
bool condition_is(const struct conditions *conditions, const char *type,
                  enum condition_status status);
bool condition_has_reason(const struct conditions *conditions, const char *type,
                          const char *reason);
/* Sets `condition` in a copy of the list made in `arena`: lastTransitionTime changes only when the
 * status does (behaviour.md 0). Returns whether anything but times changed. */
bool condition_set(struct conditions *conditions, const struct condition *condition, int64_t now_ms,
                   struct arena *arena);
bool condition_remove(struct conditions *conditions, const char *type, struct arena *arena);
/* The time behind the last `words` of its message, before which names of others' choice may stand; 0: none. */
int64_t condition_time_ms(const struct condition *condition, const char *words);

#define NAME_PREFIX_MAX 52 /* of an Order's or Challenge's name, before the hash */
/* How many bytes of a name stay when it is cut at `max` for a longer one to be made of it: it does not end
 * in '-' or '.' then (behaviour.md 16). */
size_t object_name_cut(const char *name, size_t max);

struct issuer_reference {
    const char *name, *kind, *group;
};
extern const struct fields issuer_reference_fields;
const char *issuer_reference_kind(const struct issuer_reference *ref); /* "Issuer" when empty */
const char *issuer_reference_group(
    const struct issuer_reference *ref); /* "cert-manager.io" when empty */
bool issuer_reference_equal(const struct issuer_reference *a,
                            const struct issuer_reference *b); /* with defaults */

struct secret_key_selector {
    const char *name, *key;
};
extern const struct fields secret_key_selector_fields;

/* --- objects --- */

struct kind;
struct object {
    const struct kind *kind;
    struct arena *arena;
    unsigned refs; /* atomic */
    struct metadata metadata;
};

struct kind {
    struct resource resource;
    const struct fields *fields; /* of the whole struct: metadata, spec, status (or data) */
    size_t status_offset;        /* of the status struct; 0: none */
    const struct fields *status_fields;
    size_t spec_offset;
    const struct fields *spec_fields;
    /* Rules beyond the tables, for manifests and admission; NULL: none. */
    void (*validate)(const struct object *object, struct field_report *report);
    bool is_secret; /* arena is wiped */
};

/* `report` NULL: tolerant, for what a store sends. With one: strict, checks apiVersion, kind,
 * metadata names, tables and `validate`. */
int object_decode(const struct kind *kind, const struct json *value, struct field_report *report,
                  const struct object **ret, struct err *err);
/* For caches, and structs that begin as the kind's does and hold more (facts): object_read() fills the zeroed
 * `self`, whose memory is the scratch arena; object_seal() makes the counted object of it, in one block
 * of exactly the size it needs, and of nothing that was taken out. */
int object_read(const struct kind *kind, const struct json *value, struct arena *scratch,
                void *self, struct field_report *report, struct err *err);
struct object_form { /* static const */
    const struct kind *kind;
    const struct fields *fields; /* size of the struct, and every member with memory behind it */
};
const struct object *object_seal(const struct object_form *form, const void *self);
/* For caches: an object as few bytes (api/frozen.h), and a new object of them. */
void object_freeze(const struct object_form *form, const struct object *object, struct bytes known,
                   struct buf *to);
const struct object *object_thaw(const struct object_form *form, const void *frozen,
                                 struct bytes known);
/* The strict form's rules for the spec of an object that came from a store. */
void object_check_spec(const struct object *object, struct field_report *report);
/* For caches: tolerant, and without the annotation of `kubectl apply`, a copy of the whole manifest that
 * is often longer than all the rest and in a Secret holds the key. Not for writing a whole object back. */
int object_decode_cached(const struct kind *kind, const struct json *value,
                         const struct object **ret, struct err *err);
void metadata_drop_last_applied(struct metadata *metadata);
const struct object *object_ref(const struct object *object);
void object_unref(const struct object *object);
static inline void object_unref_ptr(void *p)
{
    const struct object *object = *(const struct object **)p;

    if (object)
        object_unref(object);
}
struct json *object_encode(const struct object *object); /* with apiVersion and kind */
/* {apiVersion, kind, metadata{name, namespace, uid, resourceVersion}, status}: what store_update takes
 * to write a whole status. */
struct json *object_status_json(const struct object *object, const void *status);
struct key object_key(const struct object *object); /* borrowed */
/* controller=true reference to `owner`, whose texts are lent; its version is written to the caller's. */
struct owner_reference owner_reference_to(const struct object *owner,
                                          char api_version[API_VERSION_MAX]);
/* What a new object that `owner` controls begins with: apiVersion, kind and metadata. Labels and annotations may
 * be NULL. */
struct json *object_child_json(const struct kind *kind, const struct key *key,
                               const struct object *owner, const struct array_pair *labels,
                               const struct array_pair *annotations);
/* Is `object` controlled by the object with this uid? */
bool object_is_controlled_by(const struct object *object, const char *uid);
const struct owner_reference *object_controller(const struct object *object); /* NULL: none */
const char *object_annotation(const struct object *object, const char *key);  /* NULL: absent */
const char *object_label(const struct object *object, const char *key);

#endif
