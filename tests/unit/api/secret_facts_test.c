#include "api/secret.h"
#include "api_testing.h"
#include "manifests.h"

#define HEAD    "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: ns}\n"
#define PAIR    "data:\n  tls.crt: " MANIFEST_CERTIFICATE "\n  tls.key: " MANIFEST_KEY "\n"
#define ANY_KEY "LS0tLS1CRUdJTg=="

static const struct secret_facts *decode(const char *text)
{
    cleanup(json_unref) struct json *value = read_yaml(text);
    const struct secret_facts *facts = NULL;
    struct err err = {};

    ASSERT_OK(secret_facts_decode(value, &facts, &err));
    return facts;
}

static void facts_unref(const struct secret_facts *facts)
{
    object_unref(&facts->object);
}
DEFINE_CLEANUP(const struct secret_facts, facts_unref);

TEST(a_pair_is_known_by_hashes_names_and_dates)
{
    cleanup(facts_unref) const struct secret_facts *facts = decode(HEAD PAIR);

    ASSERT_TRUE(facts->has_data && facts->key_ok && facts->cert_ok);
    ASSERT_EQ(facts->key_algorithm, KEY_ECDSA);
    ASSERT_EQ(facts->key_size, 256);
    ASSERT_MEMEQ(facts->key_hash, SHA256_LEN, facts->cert_key_hash, SHA256_LEN);
    ASSERT_STREQ(facts->leaf_common_name, "example.com");
    ASSERT_EQ(facts->leaf_dns_names.len, 2);
    ASSERT_STREQ(facts->leaf_dns_names.items[1], "www.example.com");
    ASSERT_TRUE(facts->not_before_ms > 0 && facts->not_after_ms > facts->not_before_ms);
    ASSERT_TRUE(facts->ari_id && facts->serial_hex);
    ASSERT_STREQ(object_key(&facts->object).namespace, "ns");
}

TEST(what_does_not_decode_is_a_fact_and_no_error)
{
    static const struct {
        const char *text;
        bool has_data, key_ok, cert_ok;
        size_t keys;
    } cases[] = {
        {HEAD, false, false, false, 0},
        {HEAD "data: {}\n", false, false, false, 0},
        {HEAD "data: {a: b}\n", false, false, false, 1},
        {HEAD "data: {tls.key: '', tls.crt: ''}\n", false, false, false, 2},
        {HEAD "data: {tls.key: " ANY_KEY ", tls.crt: " ANY_KEY "}\n", true, false, false, 2},
        {HEAD "data: {tls.key: '!', tls.crt: '!'}\n", false, false, false, 2},
        {HEAD "data: {tls.key: " MANIFEST_KEY "}\n", false, true, false, 1},
        {HEAD "data: {tls.crt: " MANIFEST_CERTIFICATE "}\n", false, false, true, 1},
        {HEAD "data: {tls.key: " MANIFEST_CERTIFICATE ", tls.crt: " MANIFEST_KEY "}\n", true, false,
         false, 2},
        {HEAD "data: {tls.key: [1], tls.crt: 2}\n", false, false, false, 2},
        {HEAD "data: []\n", false, false, false, 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        cleanup(facts_unref) const struct secret_facts *facts = NULL;

        CASE(cases[i].text);
        facts = decode(cases[i].text);
        ASSERT_EQ(facts->has_data, cases[i].has_data);
        ASSERT_EQ(facts->key_ok, cases[i].key_ok);
        ASSERT_EQ(facts->cert_ok, cases[i].cert_ok);
        ASSERT_EQ(facts->keys.len, cases[i].keys);
    }
}

TEST(the_hash_of_the_data_does_not_depend_on_order)
{
    cleanup(facts_unref) const struct secret_facts *a = decode(HEAD "data: {a: YQ==, b: Yg==}\n");
    cleanup(facts_unref) const struct secret_facts *b = decode(HEAD "data: {b: Yg==, a: YQ==}\n");
    cleanup(facts_unref) const struct secret_facts *c = decode(HEAD "data: {a: Yg==, b: YQ==}\n");

    ASSERT_MEMEQ(a->data_hash, SHA256_LEN, b->data_hash, SHA256_LEN);
    ASSERT_TRUE(memcmp(a->data_hash, c->data_hash, SHA256_LEN) != 0);
    ASSERT_STREQ(a->keys.items[0], "a");
    ASSERT_STREQ(b->keys.items[0], "a");
}

TEST(additional_formats_are_compared_with_the_pair)
{
    cleanup(facts_unref) const struct secret_facts *fits = decode(
        HEAD PAIR "  key.der: " MANIFEST_KEY_DER "\n  tls-combined.pem: " MANIFEST_COMBINED "\n");
    cleanup(facts_unref) const struct secret_facts *differs = decode(
        HEAD PAIR "  key.der: YQ==\n  tls-combined.pem: " MANIFEST_KEY "\n");
    cleanup(facts_unref) const struct secret_facts *none = decode(HEAD PAIR);

    ASSERT_TRUE(fits->key_der_fits && fits->combined_fits);
    ASSERT_FALSE(differs->key_der_fits || differs->combined_fits);
    ASSERT_FALSE(none->key_der_fits || none->combined_fits);
}

#define MANAGED                                                                                    \
    "apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\n  managedFields:\n"                       \
    "  - manager: cert-manager-certificates-issuing\n    operation: Apply\n    fieldsV1:\n"        \
    "      f:data: {.: {}, f:tls.crt: {}, f:tls.key: {}}\n"                                        \
    "      f:metadata:\n        f:annotations: {.: {}, f:a/b: {}}\n"                               \
    "        f:labels: {f:c: {}}\n"                                                                \
    "        f:ownerReferences: {'k:{\"uid\":\"u\"}': {}}\n"                                       \
    "  - manager: cert-manager-certificates-issuing\n    operation: Update\n    fieldsV1:\n"       \
    "      f:data: {f:other: {}}\n"

TEST(what_the_issuing_manager_applied_is_kept_by_name)
{
    cleanup(facts_unref) const struct secret_facts *facts = decode(MANAGED);

    ASSERT_EQ(facts->owned_data.len, 2);
    ASSERT_STREQ(facts->owned_data.items[0], "tls.crt");
    ASSERT_EQ(facts->owned_annotations.len, 1);
    ASSERT_STREQ(facts->owned_annotations.items[0], "a/b");
    ASSERT_EQ(facts->owned_labels.len, 1);
    ASSERT_EQ(facts->owned_owners.len, 1);
    ASSERT_STREQ(facts->owned_owners.items[0], "{\"uid\":\"u\"}");
    ASSERT_NULL(facts->foreign_owner);
}

TEST(another_manager_of_the_pair_is_named)
{
    cleanup(facts_unref) const struct secret_facts *foreign = decode(
        MANAGED "  - manager: helm\n    operation: Update\n"
                "    fieldsV1: {f:data: {f:tls.key: {}}}\n");
    cleanup(facts_unref) const struct secret_facts *harmless = decode(
        MANAGED "  - manager: helm\n    operation: Update\n"
                "    fieldsV1: {f:data: {f:note: {}}}\n");

    ASSERT_STREQ(foreign->foreign_owner, "helm");
    ASSERT_NULL(harmless->foreign_owner);
}

static bool memory_has(const struct secret_facts *facts, const char *text)
{
    /* One block: the facts begin it, and it is as large as the arena says, less its heads. */
    return memmem(facts, arena_size(facts->object.arena) - 128, text, strlen(text)) != NULL;
}

TEST(no_bytes_of_a_key_are_kept)
{
    cleanup(json_unref) struct json *value = read_yaml(HEAD PAIR);
    cleanup(facts_unref) const struct secret_facts *facts = NULL;
    struct json *annotations = json_need_map(json_get(value, "metadata"), "annotations");
    struct err err = {};

    json_set_text(annotations, "kubectl.kubernetes.io/last-applied-configuration", MANIFEST_KEY);
    json_set_text(annotations, "note", "kept");
    ASSERT_OK(secret_facts_decode(value, &facts, &err));
    ASSERT_TRUE(memory_has(facts, "kept"));
    ASSERT_FALSE(memory_has(facts, "LS0tLS1CRUdJTi"));
    ASSERT_FALSE(memory_has(facts, "PRIVATE KEY"));
    ASSERT_STREQ(object_annotation(&facts->object, "note"), "kept");
}

TEST(facts_of_a_typical_secret_are_small)
{
    cleanup(json_unref) struct json *value = read_yaml(MANAGED PAIR);
    cleanup(facts_unref) const struct secret_facts *facts = NULL;
    struct json *metadata = json_get(value, "metadata"), *data;
    struct json *annotations = json_need_map(metadata, "annotations");
    struct json *owned = json_need_map(
        json_path(json_at(json_get(metadata, "managedFields"), 0), "fieldsV1.f:metadata"),
        "f:annotations");
    static const char *const keys[] = {
        ANNOTATION_CERTIFICATE_NAME, ANNOTATION_ISSUER_NAME, ANNOTATION_ISSUER_KIND,
        ANNOTATION_ISSUER_GROUP,     ANNOTATION_COMMON_NAME, ANNOTATION_ALT_NAMES,
        ANNOTATION_IP_SANS,          ANNOTATION_URI_SANS,
    };
    struct err err = {};

    json_set_text(metadata, "name", "web-tls");
    json_set_text(metadata, "namespace", "default");
    json_set_text(metadata, "uid", "5f1c8a52-6f0b-4f5e-9a3e-0b6a4f2f0c11");
    json_set_text(metadata, "resourceVersion", "12345678");
    json_set_text(json_need_map(metadata, "labels"), LABEL_FAO, "true");
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        cleanup(xfree) char *name = xasprintf("f:%s", keys[i]);

        json_set_text(annotations, keys[i], i == 5 ? "example.com,www.example.com" : "example");
        json_set(owned, name, json_new_map());
    }
    data = json_get(value, "data");
    json_set_text(data, "ca.crt", MANIFEST_CERTIFICATE);
    ASSERT_OK(secret_facts_decode(value, &facts, &err));
    print_message("secret facts: %zu bytes, struct %zu\n", arena_size(facts->object.arena),
                  sizeof(*facts));
    ASSERT_TRUE(arena_size(facts->object.arena) <= 1280);
}

/* Of a foreign Secret so much that it can be recognised, and no more: there may be very many. */
TEST(of_metadata_alone_only_names_and_what_is_ours_are_kept)
{
    cleanup(facts_unref) const struct secret_facts *facts = decode(
        "apiVersion: meta.k8s.io/v1\nkind: PartialObjectMetadata\n"
        "metadata:\n  name: s\n  namespace: ns\n  uid: u\n  resourceVersion: '7'\n"
        "  labels: {app: web, cert-manager.io/next-private-key: 'true'}\n"
        "  annotations: {cert-manager.io/certificate-name: web, note: long}\n"
        "  finalizers: [a/b]\n"
        "  ownerReferences:\n"
        "  - {apiVersion: apps/v1, kind: Deployment, name: d, uid: d}\n"
        "  - {apiVersion: cert-manager.io/v1, kind: Certificate, name: c, uid: c, controller: true}\n"
        "  managedFields: [{manager: kubectl, fieldsV1: {'f:data': {'f:tls.key': {}}}}]\n");
    cleanup(facts_unref) const struct secret_facts *whole = decode(HEAD);
    const struct metadata *metadata = &facts->object.metadata;

    ASSERT_TRUE(facts->is_partial);
    ASSERT_STREQ(metadata->name, "s");
    ASSERT_STREQ(metadata->uid, "u");
    ASSERT_STREQ(metadata->resource_version, "7");
    ASSERT_EQ(metadata->labels.len, 1);
    ASSERT_STREQ(object_label(&facts->object, "cert-manager.io/next-private-key"), "true");
    ASSERT_EQ(metadata->annotations.len, 1);
    ASSERT_STREQ(object_annotation(&facts->object, "cert-manager.io/certificate-name"), "web");
    ASSERT_EQ(metadata->owner_references.len, 1);
    ASSERT_TRUE(object_is_controlled_by(&facts->object, "c"));
    ASSERT_EQ(metadata->finalizers.len, 0);
    ASSERT_NULL(facts->foreign_owner);
    ASSERT_FALSE(whole->is_partial);
}

RUN_TESTS(cmocka_unit_test(a_pair_is_known_by_hashes_names_and_dates),
          cmocka_unit_test(what_does_not_decode_is_a_fact_and_no_error),
          cmocka_unit_test(the_hash_of_the_data_does_not_depend_on_order),
          cmocka_unit_test(additional_formats_are_compared_with_the_pair),
          cmocka_unit_test(what_the_issuing_manager_applied_is_kept_by_name),
          cmocka_unit_test(another_manager_of_the_pair_is_named),
          cmocka_unit_test(no_bytes_of_a_key_are_kept),
          cmocka_unit_test(facts_of_a_typical_secret_are_small),
          cmocka_unit_test(of_metadata_alone_only_names_and_what_is_ours_are_kept));
