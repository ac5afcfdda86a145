/*
 * metadata.c - metadata, and the references between objects.
 */
#include "api/check.h"
#include "api/object.h"

static const struct field owner_reference_rows[] = {
    FIELD(struct owner_reference, api_version, "apiVersion", STRING, .flags = F_REQUIRED),
    FIELD(struct owner_reference, kind, "kind", STRING, .flags = F_REQUIRED),
    FIELD(struct owner_reference, name, "name", STRING, .flags = F_REQUIRED),
    FIELD(struct owner_reference, uid, "uid", STRING, .flags = F_REQUIRED),
    FIELD(struct owner_reference, controller, "controller", OPT_BOOL),
    FIELD(struct owner_reference, block_owner_deletion, "blockOwnerDeletion", OPT_BOOL),
};
DEFINE_FIELDS(owner_reference, "owner reference", owner_reference_rows, NULL);

static void check_metadata(const void *self, const char *path, struct field_report *report)
{
    const struct metadata *metadata = self;

    if (str_empty(metadata->name))
        problem_at_member(report, PROBLEM_REQUIRED, path, "name", "must be set");
}

/* managedFields is not kept: the caches look at it for Secrets only (secret_facts.c). */
static const struct field metadata_rows[] = {
    FIELD(struct metadata, name, "name", STRING, .check = check_subdomain),
    FIELD(struct metadata, namespace, "namespace", STRING, .check = check_label),
    FIELD(struct metadata, generate_name, "generateName", STRING),
    FIELD(struct metadata, uid, "uid", STRING),
    FIELD(struct metadata, resource_version, "resourceVersion", STRING),
    FIELD(struct metadata, generation, "generation", INT),
    FIELD(struct metadata, creation_timestamp_ms, "creationTimestamp", TIME),
    FIELD(struct metadata, deletion_timestamp_ms, "deletionTimestamp", TIME),
    FIELD(struct metadata, labels, "labels", MAP, .check = check_labels),
    FIELD(struct metadata, annotations, "annotations", MAP, .check = check_annotations),
    FIELD(struct metadata, finalizers, "finalizers", STRINGS),
    FIELD(struct metadata, owner_references, "ownerReferences", LIST, .of = &owner_reference_fields,
          .key = "uid"),
};
DEFINE_FIELDS(metadata, "metadata", metadata_rows, check_metadata);

void metadata_drop_last_applied(struct metadata *metadata)
{
    static const char last_applied[] = "kubectl.kubernetes.io/last-applied-configuration";
    struct array_pair *annotations = &metadata->annotations;
    size_t kept = 0;

    for (size_t i = 0; i < annotations->len; i++)
        if (!streq(annotations->items[i].key, last_applied))
            annotations->items[kept++] = annotations->items[i];
    annotations->len = kept;
}

/* References by name */

static const struct field issuer_reference_rows[] = {
    FIELD(struct issuer_reference, name, "name", STRING, .flags = F_REQUIRED),
    FIELD(struct issuer_reference, kind, "kind", STRING, .default_text = "Issuer"),
    FIELD(struct issuer_reference, group, "group", STRING, .default_text = "cert-manager.io"),
};
DEFINE_FIELDS(issuer_reference, "issuer reference", issuer_reference_rows, NULL);

const char *issuer_reference_kind(const struct issuer_reference *ref)
{
    return str_or(ref->kind, "Issuer");
}

const char *issuer_reference_group(const struct issuer_reference *ref)
{
    return str_or(ref->group, "cert-manager.io");
}

bool issuer_reference_equal(const struct issuer_reference *a, const struct issuer_reference *b)
{
    return streq(str_or(a->name, ""), str_or(b->name, "")) &&
           streq(issuer_reference_kind(a), issuer_reference_kind(b)) &&
           streq(issuer_reference_group(a), issuer_reference_group(b));
}

static const struct field secret_key_selector_rows[] = {
    FIELD(struct secret_key_selector, name, "name", STRING, .flags = F_REQUIRED),
    FIELD(struct secret_key_selector, key, "key", STRING),
};
DEFINE_FIELDS(secret_key_selector, "reference to a key of a Secret", secret_key_selector_rows,
              NULL);
