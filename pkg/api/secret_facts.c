/*
 * secret_facts.c - what is kept of a Secret: hashes, names and dates, no bytes of keys.
 *
 * Values are decoded one at a time into buffers that are wiped. What does not decode is a fact, too
 * (key_ok, cert_ok), because any Secret in the cluster may come along here.
 */
#include "api/secret.h"

#include <stdlib.h>
#include <string.h>

#include "api/kinds.h"
#include "api/secret_data.h"
#include "base/limits.h"
#include "store/store.h"

enum { SCRATCH_SIZE = 4096 };

/* What of the JSON is decoded by table. */
static const struct field secret_facts_rows[] = {
    FIELD(struct secret_facts, object.metadata, "metadata", INLINE, .of = &metadata_fields),
    FIELD(struct secret_facts, type, "type", STRING),
};
static DEFINE_FIELDS(secret_facts, "Secret", secret_facts_rows, NULL);

/* What has memory behind it. */
static const struct field kept_rows[] = {
    FIELD(struct secret_facts, object.metadata, "metadata", INLINE, .of = &metadata_fields),
    FIELD(struct secret_facts, type, "type", STRING),
    FIELD(struct secret_facts, keys, "keys", STRINGS),
    FIELD(struct secret_facts, ari_id, "ariID", STRING),
    FIELD(struct secret_facts, leaf_common_name, "commonName", STRING),
    FIELD(struct secret_facts, leaf_dns_names, "dnsNames", STRINGS),
    FIELD(struct secret_facts, leaf_ip_addresses, "ipAddresses", STRINGS),
    FIELD(struct secret_facts, leaf_uris, "uris", STRINGS),
    FIELD(struct secret_facts, leaf_email_addresses, "emailAddresses", STRINGS),
    FIELD(struct secret_facts, serial_hex, "serial", STRING),
    FIELD(struct secret_facts, owned_labels, "ownedLabels", STRINGS),
    FIELD(struct secret_facts, owned_annotations, "ownedAnnotations", STRINGS),
    FIELD(struct secret_facts, owned_data, "ownedData", STRINGS),
    FIELD(struct secret_facts, owned_owners, "ownedOwners", STRINGS),
    FIELD(struct secret_facts, foreign_owner, "foreignOwner", STRING),
};
static const struct fields kept_fields = {
    .name = "facts of a Secret",
    .size = sizeof(struct secret_facts),
    .rows = kept_rows,
    .count = ARRAY_LEN(kept_rows),
};
const struct object_form secret_facts_form = {.kind = &kind_secret, .fields = &kept_fields};

/* Metadata */

/* Adds the keys of {"f:a": {}, "f:b": {}, ".": {}} to the list, which belongs to the arena; of a list's items,
 * "k:" is in front. */
static void add_owned(const struct json *set, const char *prefix, struct array_string *to,
                      struct arena *arena)
{
    const char **items = arena_alloc(arena, (to->len + json_len(set)) * sizeof(*items));

    if (to->len > 0)
        memcpy(items, to->items, to->len * sizeof(*items));
    to->items = items;
    json_for_each (name, value, set) {
        (void)value;
        if (str_starts(name, prefix))
            to->items[to->len++] = arena_strdup(arena, name + 2);
    }
}

static void read_owned(struct secret_facts *facts, const struct json *entry, struct arena *arena)
{
    const struct json *set = json_get(entry, "fieldsV1");

    if (!streq(json_get_text(entry, "operation"), "Apply"))
        return;
    add_owned(json_path(set, "f:metadata.f:labels"), "f:", &facts->owned_labels, arena);
    add_owned(json_path(set, "f:metadata.f:annotations"), "f:", &facts->owned_annotations, arena);
    add_owned(json_path(set, "f:metadata.f:ownerReferences"), "k:", &facts->owned_owners, arena);
    add_owned(json_get(set, "f:data"), "f:", &facts->owned_data, arena);
}

static bool owns_key_pair(const struct json *entry)
{
    const struct json *data = json_path(entry, "fieldsV1.f:data");

    return json_get(data, "f:tls.crt") || json_get(data, "f:tls.key");
}

static void read_managed_fields(struct secret_facts *facts, const struct json *value,
                                struct arena *arena)
{
    json_for_each_item (entry, json_path(value, "metadata.managedFields")) {
        const char *manager = json_get_text(entry, "manager");

        if (streq(manager, MANAGER_ISSUING))
            read_owned(facts, entry, arena);
        else if (manager && !facts->foreign_owner && owns_key_pair(entry))
            facts->foreign_owner = arena_strdup(arena, manager);
    }
}

/* Data */

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void read_keys(struct secret_facts *facts, const struct json *data, struct arena *arena)
{
    facts->keys.items = arena_alloc(arena, json_len(data) * sizeof(*facts->keys.items));
    json_for_each (key, value, data) {
        (void)value;
        facts->keys.items[facts->keys.len++] = arena_strdup(arena, key);
    }
    if (facts->keys.len > 0)
        qsort(facts->keys.items, facts->keys.len, sizeof(*facts->keys.items), compare_texts);
}

/* Of the texts as they stand, which is base64 without choice in what a server sends: a hash of the
 * hashes of all keys and values. */
static void hash_data(struct secret_facts *facts, const struct json *data)
{
    cleanup(buf_deinit) struct buf hashes = BUF(SIZE_MAX); /* 64 bytes for each key */

    for (size_t i = 0; i < facts->keys.len; i++) {
        const char *key = facts->keys.items[i];
        const struct json *value = json_get(data, key);
        unsigned char hash[SHA256_LEN];

        sha256(key, strlen(key), hash);
        buf_add(&hashes, hash, sizeof(hash));
        sha256(str_or(json_as_text(value), ""), json_text_len(value), hash);
        buf_add(&hashes, hash, sizeof(hash));
    }
    sha256(buf_str(&hashes), hashes.len, facts->data_hash);
}

static bool read_value(const struct json *data, const char *key, struct buf *to)
{
    const char *text = json_get_text(data, key);

    return text && secret_data_decode(text, to, NULL) == 0 && to->len > 0;
}

static void read_key(struct secret_facts *facts, const struct buf *pem)
{
    struct pkey_look key;

    sha256(pem->data, pem->len, facts->tls_key_hash);
    facts->key_ok = pkey_look(pem->data, pem->len, &key, NULL) == 0;
    if (!facts->key_ok)
        return;
    facts->key_algorithm = (int)key.algorithm;
    facts->key_size = key.size;
    memcpy(facts->key_hash, key.public_hash, SHA256_LEN);
}

static void copy_names(const struct strlist *from, struct array_string *to, struct arena *arena)
{
    to->items = arena_alloc(arena, from->len * sizeof(*to->items));
    to->len = from->len;
    for (size_t i = 0; i < from->len; i++)
        to->items[i] = arena_strdup(arena, from->items[i]);
}

static void read_leaf(struct secret_facts *facts, const struct cert *leaf, struct arena *arena)
{
    const struct x509_names *names = cert_names(leaf);
    cleanup(buf_deinit) struct buf der = BUF(LIMIT_CHAIN_BODY);
    cleanup(xfree) char *ari_id = NULL;

    cert_to_der(leaf, &der);
    sha256(der.data, der.len, facts->cert_hash);
    cert_public_hash(leaf, facts->cert_key_hash);
    facts->not_before_ms = cert_not_before_ms(leaf);
    facts->not_after_ms = cert_not_after_ms(leaf);
    facts->serial_hex = arena_strdup(arena, cert_serial_hex(leaf));
    facts->leaf_common_name = arena_strdup(arena, names->common_name);
    copy_names(&names->dns_names, &facts->leaf_dns_names, arena);
    copy_names(&names->ip_addresses, &facts->leaf_ip_addresses, arena);
    copy_names(&names->uris, &facts->leaf_uris, arena);
    copy_names(&names->email_addresses, &facts->leaf_email_addresses, arena);
    facts->is_temporary = streq(cert_issuer_common_name(leaf), TEMPORARY_CA_NAME) &&
                          !object_annotation(&facts->object, ANNOTATION_ISSUER_NAME);
    if (cert_ari_id(leaf, &ari_id, NULL) == 0)
        facts->ari_id = arena_strdup(arena, ari_id);
}

static void read_chain(struct secret_facts *facts, const struct buf *pem, struct arena *arena)
{
    cleanup(cert_unref) struct cert *leaf = NULL;

    facts->cert_ok = leaf_look(pem->data, pem->len, &leaf, NULL) == 0;
    if (facts->cert_ok)
        read_leaf(facts, leaf, arena);
}

/* Additional output formats: the DER of the first PEM block of tls.key, and both files with a line
 * break between them. */
static bool key_der_fits(const struct json *data, const struct buf *key_pem)
{
    cleanup(buf_deinit) struct buf der = BUF_SECRET(LIMIT_OBJECT);
    cleanup(pem_block_deinit) struct pem_block block = {};
    const char *at = key_pem->data;

    if (!read_value(data, "key.der", &der))
        return false;
    if (pem_next(&at, at + key_pem->len, &block, NULL) < 0)
        return false;
    return der.len == block.der_len && memcmp(der.data, block.der, der.len) == 0;
}

static bool combined_fits(const struct json *data, const struct buf *key_pem,
                          const struct buf *cert_pem)
{
    cleanup(buf_deinit) struct buf combined = BUF_SECRET(LIMIT_OBJECT);
    const char *rest;

    if (!read_value(data, "tls-combined.pem", &combined))
        return false;
    if (combined.len != key_pem->len + 1 + cert_pem->len)
        return false;
    rest = combined.data + key_pem->len;
    return memcmp(combined.data, key_pem->data, key_pem->len) == 0 && *rest == '\n' &&
           memcmp(rest + 1, cert_pem->data, cert_pem->len) == 0;
}

static void read_data(struct secret_facts *facts, const struct json *data, struct arena *arena)
{
    cleanup(buf_deinit) struct buf key_pem = BUF_SECRET(LIMIT_OBJECT);
    cleanup(buf_deinit) struct buf cert_pem = BUF_SECRET(LIMIT_OBJECT);
    bool has_key = read_value(data, "tls.key", &key_pem);
    bool has_cert = read_value(data, "tls.crt", &cert_pem);

    read_keys(facts, data, arena);
    hash_data(facts, data);
    facts->has_data = has_key && has_cert;
    if (has_key)
        read_key(facts, &key_pem);
    if (has_cert)
        read_chain(facts, &cert_pem, arena);
    facts->key_der_fits = has_key && key_der_fits(data, &key_pem);
    facts->combined_fits = facts->has_data && combined_fits(data, &key_pem, &cert_pem);
}

/* Metadata alone: foreign Secrets are many, so that little of each is kept. */

static bool is_ours(const char *key)
{
    return strstr(key, "cert-manager.io/") || strstr(key, "certlet.dev/");
}

static void keep_ours(struct array_pair *pairs)
{
    size_t kept = 0;

    for (size_t i = 0; i < pairs->len; i++)
        if (is_ours(pairs->items[i].key))
            pairs->items[kept++] = pairs->items[i];
    pairs->len = kept;
}

static void keep_our_owners(struct metadata *metadata)
{
    size_t kept = 0;

    for (size_t i = 0; i < metadata->owner_references.len; i++)
        if (is_ours(str_or(metadata->owner_references.items[i].api_version, "")))
            metadata->owner_references.items[kept++] = metadata->owner_references.items[i];
    metadata->owner_references.len = kept;
}

static void keep_part(struct secret_facts *facts)
{
    struct metadata *metadata = &facts->object.metadata;

    facts->is_partial = true;
    facts->type = NULL;
    metadata->generate_name = NULL;
    metadata->generation = 0;
    metadata->creation_timestamp_ms = 0;
    metadata->finalizers.len = 0;
    keep_ours(&metadata->labels);
    keep_ours(&metadata->annotations);
    keep_our_owners(metadata);
}

/* The annotations go through the scratch arena, so it is a secret one. */
int secret_facts_decode(const struct json *value, const struct secret_facts **ret, struct err *err)
{
    cleanup(arena_free) struct arena *scratch = arena_new_secret(SCRATCH_SIZE);
    struct secret_facts facts = {};
    int r;

    r = fields_decode(&secret_facts_fields, value, scratch, &facts, "", NULL, err);
    if (r < 0)
        return r;
    metadata_drop_last_applied(&facts.object.metadata);
    if (streq(json_get_text(value, "kind"), PARTIAL_KIND)) {
        keep_part(&facts);
    } else {
        facts.is_immutable = json_get_bool(value, "immutable", false);
        read_managed_fields(&facts, value, scratch);
        read_data(&facts, json_get(value, "data"), scratch);
    }
    *ret = (const struct secret_facts *)object_seal(&secret_facts_form, &facts);
    return 0;
}
