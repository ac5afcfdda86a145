#include "api/certificate.h"
#include "api/issuer.h"
#include "api_testing.h"
#include "manifests.h"

#define OWNED                                                                                      \
    "apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\n  namespace: ns\n"                        \
    "  labels: {a: b}\n  annotations: {c: d}\n  ownerReferences:\n"                                \
    "  - {apiVersion: v1, kind: A, name: a, uid: u-1}\n"                                           \
    "  - {apiVersion: v1, kind: B, name: b, uid: u-2, controller: true}\n"

static const struct certificate *certificate(const struct object *object)
{
    return (const struct certificate *)object;
}

TEST(an_object_lives_until_its_last_reference)
{
    const struct object *object = decode_yaml(manifest_certificate, NULL);
    const struct object *other = object_ref(object);

    object_unref(object);
    ASSERT_STREQ(other->metadata.name, "web");
    object_unref(other);
}

TEST(no_object_can_be_let_go)
{
    object_unref(NULL);
}

TEST(an_object_outlives_its_document)
{
    cleanup(object_unref) const struct object *object = decode_yaml(manifest_issuer_acme, NULL);
    const struct issuer *issuer = (const struct issuer *)object;
    const struct acme_solver *solver = &issuer->spec.acme->solvers.items[14];

    ASSERT_STREQ(solver->dns01->webhook->solver_name, "hetzner");
    ASSERT_EQ(json_len(json_get(solver->dns01->webhook->config, "a")), 3);
}

TEST(an_object_for_a_cache_takes_one_block_and_equal_texts_are_one)
{
    cleanup(json_unref) struct json *value = read_yaml(
        "apiVersion: cert-manager.io/v1\n"
        "kind: Certificate\n"
        "metadata: {name: www.example.com}\n"
        "spec: {commonName: www.example.com, dnsNames: [www.example.com, example.com]}\n");
    cleanup(object_unref) const struct object *object = NULL;
    const struct certificate_spec *spec;
    struct err err = {};

    ASSERT_OK(object_decode_cached(&kind_certificate, value, &object, &err));
    spec = &certificate(object)->spec;
    ASSERT_PTREQ(spec->common_name, object->metadata.name);
    ASSERT_PTREQ(spec->dns_names.items[0], object->metadata.name);
    ASSERT_PTREQ(spec->dns_names.items[1], object->metadata.name + 4);
}

/* cm#9037: a type that nobody expected stopped the controller. */
TEST(a_wrong_type_from_a_store_is_an_error)
{
    static const char *const texts[] = {
        "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: a}\nspec: []\n",
        "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: 1}\n",
    };

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        cleanup(json_unref) struct json *value = read_yaml(texts[i]);
        const struct object *object = NULL;
        struct err err = {};

        ASSERT_ERR(ERR_INVALID, object_decode(&kind_certificate, value, NULL, &object, &err));
        ASSERT_NULL(object);
    }
}

TEST(what_a_newer_version_of_the_api_says_is_passed_over)
{
    cleanup(object_unref) const struct object *object = decode_yaml(
        "apiVersion: cert-manager.io/v1\n"
        "kind: Certificate\n"
        "metadata: {name: web, shiny: new}\n"
        "spec: {dnsNames: [a], privateKey: {algorithm: ML-DSA}}\n",
        NULL);

    ASSERT_EQ(certificate(object)->spec.private_key->algorithm, CERTIFICATE_KEY_DEFAULT);
}

TEST(a_document_that_is_no_map_is_said_to_be_none)
{
    cleanup(field_report_deinit) struct field_report report = {};
    cleanup(object_unref) const struct object *object = NULL;
    cleanup(json_unref) struct json *text = json_new_text("hello");
    struct err err = {};

    ASSERT_OK(object_decode(&kind_certificate, text, &report, &object, &err));
    ASSERT_EQ(report.len, 1);
    ASSERT_EQ(report.items[0].kind, PROBLEM_TYPE);
    ASSERT_ERR(ERR_INVALID, object_decode(&kind_certificate, NULL, NULL, &object, &err));
}

TEST(caches_leave_out_what_kubectl_apply_noted)
{
    cleanup(object_unref) const struct object *object = NULL;
    cleanup(json_unref) struct json *value = read_yaml(manifest_certificate);
    struct json *annotations = json_path(value, "metadata.annotations");
    struct err err = {};

    json_set_text(annotations, "kubectl.kubernetes.io/last-applied-configuration", "{}");
    ASSERT_OK(object_decode_cached(&kind_certificate, value, &object, &err));
    ASSERT_EQ(object->metadata.annotations.len, 1);
    ASSERT_STREQ(object_annotation(object, "example.com/note"), "any text");
    ASSERT_EQ(json_len(annotations), 2);
}

TEST(a_status_is_written_with_what_identifies_its_object)
{
    cleanup(object_unref) const struct object *object = decode_yaml(manifest_certificate, NULL);
    struct certificate_status status = {.revision = {.is_set = true, .value = 7}};
    cleanup(json_unref) struct json *body = object_status_json(object, &status);
    cleanup(xfree) char *text = json_text(body);

    ASSERT_STREQ(text, "{\"apiVersion\":\"cert-manager.io/v1\",\"kind\":\"Certificate\","
                       "\"metadata\":{\"name\":\"web\",\"namespace\":\"default\","
                       "\"resourceVersion\":\"123456\","
                       "\"uid\":\"5f1c8a52-6f0b-4f5e-9a3e-0b6a4f2f0c11\"},"
                       "\"status\":{\"revision\":7}}");
}

TEST(a_key_has_a_namespace_where_the_kind_has)
{
    cleanup(object_unref) const struct object *secret = decode_yaml(OWNED, NULL);
    cleanup(object_unref) const struct object *issuer = decode_yaml(
        "apiVersion: cert-manager.io/v1\nkind: ClusterIssuer\n"
        "metadata: {name: a, namespace: b}\n",
        NULL);

    ASSERT_STREQ(object_key(secret).namespace, "ns");
    ASSERT_STREQ(object_key(secret).name, "s");
    ASSERT_STREQ(object_key(issuer).namespace, "");
}

TEST(the_controller_is_the_owner_that_says_so)
{
    cleanup(object_unref) const struct object *secret = decode_yaml(OWNED, NULL);
    cleanup(object_unref) const struct object *other = decode_yaml(manifest_secret, NULL);

    ASSERT_STREQ(object_controller(secret)->name, "b");
    ASSERT_TRUE(object_is_controlled_by(secret, "u-2"));
    ASSERT_FALSE(object_is_controlled_by(secret, "u-1"));
    ASSERT_FALSE(object_is_controlled_by(secret, NULL));
    ASSERT_NULL(object_controller(other));
    ASSERT_FALSE(object_is_controlled_by(other, "u-2"));
}

TEST(a_reference_to_an_owner_is_the_controllers)
{
    cleanup(object_unref) const struct object *owner = decode_yaml(manifest_certificate, NULL);
    char api_version[API_VERSION_MAX];
    struct owner_reference ref = owner_reference_to(owner, api_version);

    ASSERT_STREQ(ref.api_version, "cert-manager.io/v1");
    ASSERT_STREQ(ref.kind, "Certificate");
    ASSERT_STREQ(ref.name, "web");
    ASSERT_STREQ(ref.uid, "5f1c8a52-6f0b-4f5e-9a3e-0b6a4f2f0c11");
    ASSERT_TRUE(ref.controller.value && ref.block_owner_deletion.value);
}

TEST(labels_and_annotations_are_asked_by_key)
{
    cleanup(object_unref) const struct object *secret = decode_yaml(OWNED, NULL);

    ASSERT_STREQ(object_label(secret, "a"), "b");
    ASSERT_STREQ(object_annotation(secret, "c"), "d");
    ASSERT_NULL(object_label(secret, "c"));
    ASSERT_NULL(object_annotation(secret, "a"));
}

TEST(issuer_references_compare_with_their_defaults)
{
    struct issuer_reference plain = {.name = "a"};
    struct issuer_reference full = {.name = "a", .kind = "Issuer", .group = "cert-manager.io"};
    struct issuer_reference cluster = {.name = "a", .kind = "ClusterIssuer", .group = ""};

    ASSERT_TRUE(issuer_reference_equal(&plain, &full));
    ASSERT_FALSE(issuer_reference_equal(&plain, &cluster));
    ASSERT_STREQ(issuer_reference_group(&cluster), "cert-manager.io");
    ASSERT_STREQ(issuer_reference_kind(&plain), "Issuer");
}

RUN_TESTS(cmocka_unit_test(an_object_lives_until_its_last_reference),
          cmocka_unit_test(no_object_can_be_let_go),
          cmocka_unit_test(an_object_outlives_its_document),
          cmocka_unit_test(an_object_for_a_cache_takes_one_block_and_equal_texts_are_one),
          cmocka_unit_test(a_wrong_type_from_a_store_is_an_error),
          cmocka_unit_test(what_a_newer_version_of_the_api_says_is_passed_over),
          cmocka_unit_test(a_document_that_is_no_map_is_said_to_be_none),
          cmocka_unit_test(caches_leave_out_what_kubectl_apply_noted),
          cmocka_unit_test(a_status_is_written_with_what_identifies_its_object),
          cmocka_unit_test(a_key_has_a_namespace_where_the_kind_has),
          cmocka_unit_test(the_controller_is_the_owner_that_says_so),
          cmocka_unit_test(a_reference_to_an_owner_is_the_controllers),
          cmocka_unit_test(labels_and_annotations_are_asked_by_key),
          cmocka_unit_test(issuer_references_compare_with_their_defaults));
