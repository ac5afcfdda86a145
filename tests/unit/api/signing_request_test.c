/* signing_request_test.c - CertificateSigningRequests: every field, and what names and annotations mean. */
#include "api/signing_request.h"

#include "api_testing.h"

static const char whole[] = "apiVersion: certificates.k8s.io/v1\n"
                            "kind: CertificateSigningRequest\n"
                            "metadata:\n"
                            "  name: Any.Name:1\n"
                            "  uid: u1\n"
                            "  annotations: {experimental.cert-manager.io/request-is-ca: 'true'}\n"
                            "spec:\n"
                            "  request: Y3Ny\n"
                            "  signerName: issuers.cert-manager.io/web.ca\n"
                            "  expirationSeconds: 3600\n"
                            "  usages: [digital signature, server auth]\n"
                            "  username: alice\n"
                            "  uid: u2\n"
                            "  groups: [devs, 'system:authenticated']\n"
                            "  extra: {scopes: [a, b]}\n"
                            "status:\n"
                            "  certificate: Y2VydA==\n"
                            "  conditions:\n"
                            "  - type: Approved\n"
                            "    status: 'True'\n"
                            "    reason: Because\n"
                            "    message: so it is\n"
                            "    lastUpdateTime: '2026-01-01T00:00:00Z'\n"
                            "    lastTransitionTime: '2026-01-02T00:00:00Z'\n";

static const struct object *decode(const char *text)
{
    cleanup(json_unref) struct json *value = read_yaml(text);
    const struct object *object = NULL;
    struct err err = {};

    ASSERT_OK(object_decode(&kind_signing_request, value, NULL, &object, &err));
    return object;
}

TEST(every_field_is_decoded_and_encoded)
{
    cleanup(object_unref) const struct object *object = decode(whole);
    const struct signing_request *request = (const struct signing_request *)object;
    cleanup(json_unref) struct json *again = object_encode(object), *value = read_yaml(whole);

    ASSERT_TRUE(json_same(again, value));
    ASSERT_STREQ(request->spec.signer_name, "issuers.cert-manager.io/web.ca");
    ASSERT_EQ(request->spec.expiration_seconds.value, 3600);
    ASSERT_EQ(request->spec.usages.len, 2);
    ASSERT_STREQ(request->spec.username, "alice");
    ASSERT_STREQ(request->spec.groups.items[1], "system:authenticated");
    ASSERT_EQ(request->status.conditions.items[0].last_update_time_ms, AT("2026-01-01T00:00:00Z"));
    ASSERT_EQ(request->status.conditions.items[0].last_transition_time_ms,
              AT("2026-01-02T00:00:00Z"));
    ASSERT_TRUE(signing_request_has(request, "Approved"));
    ASSERT_FALSE(signing_request_has(request, "Denied"));
    ASSERT_TRUE(signing_request_is_ca(request));
}

TEST(it_is_no_kind_of_manifests)
{
    ASSERT_NULL(kind_find("certificates.k8s.io/v1", "CertificateSigningRequest"));
    ASSERT_NULL(kind_by_name("certificatesigningrequests"));
}

TEST(the_name_of_a_signer_is_an_issuer)
{
    static const struct {
        const char *text;
        bool is_cluster;
        const char *namespace, *name; /* no name: not ours */
    } rows[] = {
        {"issuers.cert-manager.io/web.ca", false, "web", "ca"},
        {"issuers.cert-manager.io/web.my.ca.v2", false, "web", "my.ca.v2"},
        {"clusterissuers.cert-manager.io/ca", true, "", "ca"},
        {"clusterissuers.cert-manager.io/my.ca", true, "", "my.ca"},
        {"issuers.cert-manager.io/ca", false, NULL, NULL},
        {"issuers.cert-manager.io/.ca", false, NULL, NULL},
        {"issuers.cert-manager.io/web.", false, NULL, NULL},
        {"issuers.cert-manager.io/", false, NULL, NULL},
        {"issuers.cert-manager.io", false, NULL, NULL},
        {"clusterissuers.cert-manager.io/", false, NULL, NULL},
        {"clusterissuers.cert-manager.io/a/b", false, NULL, NULL},
        {"issuers.cert-manager.io/web.a/b", false, NULL, NULL},
        {"orders.cert-manager.io/web.ca", false, NULL, NULL},
        {"issuers.example.com/web.ca", false, NULL, NULL},
        {"xissuers.cert-manager.io/web.ca", false, NULL, NULL},
        {"kubernetes.io/kubelet-serving", false, NULL, NULL},
        {"", false, NULL, NULL},
        {NULL, false, NULL, NULL},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct signer signer = {};

        CASE(str_or(rows[i].text, "(null)"));
        ASSERT_EQ(signer_parse(rows[i].text, &signer), rows[i].name != NULL);
        if (!rows[i].name)
            continue;
        ASSERT_EQ(signer.is_cluster, rows[i].is_cluster);
        ASSERT_STREQ(signer.name, rows[i].name);
        ASSERT_MEMEQ(str_or(signer.namespace, ""), signer.namespace_len, rows[i].namespace,
                     strlen(rows[i].namespace));
    }
}

TEST(a_signer_is_one_issuer_and_no_other)
{
    static const struct {
        const char *signer;
        const struct kind *kind;
        const char *namespace, *name;
        bool is;
    } rows[] = {
        {"issuers.cert-manager.io/web.ca", &kind_issuer, "web", "ca", true},
        {"issuers.cert-manager.io/web.ca", &kind_issuer, "webs", "ca", false},
        {"issuers.cert-manager.io/web.ca", &kind_issuer, "we", "ca", false},
        {"issuers.cert-manager.io/web.ca", &kind_issuer, "web", "cas", false},
        {"issuers.cert-manager.io/web.ca", &kind_cluster_issuer, NULL, "ca", false},
        {"clusterissuers.cert-manager.io/ca", &kind_cluster_issuer, NULL, "ca", true},
        {"clusterissuers.cert-manager.io/ca", &kind_issuer, "web", "ca", false},
        {"clusterissuers.cert-manager.io/web.ca", &kind_issuer, "web", "ca", false},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct object issuer = {.kind = rows[i].kind,
                                .metadata = {.namespace = rows[i].namespace, .name = rows[i].name}};
        struct signer signer = {};

        CASE(rows[i].signer);
        ASSERT_TRUE(signer_parse(rows[i].signer, &signer));
        ASSERT_EQ(signer_is(&signer, &issuer), rows[i].is);
    }
}

TEST(the_annotation_goes_before_expiration_seconds)
{
    static const struct {
        const char *annotation;
        struct opt_int seconds;
        int code;
        bool is_set;
        int64_t ms;
    } rows[] = {
        {NULL, {}, 0, false, 0},
        {NULL, {true, 3333}, 0, true, 3333000},
        {"896h", {}, 0, true, HOURS(896)},
        {"896h", {true, 3333}, 0, true, HOURS(896)},
        {"1h30m", {}, 0, true, MINUTES(90)},
        {"0s", {}, 0, true, 0},
        {"-1h", {}, 0, true, -HOURS(1)},
        {"", {}, ERR_INVALID, false, 0},
        {"90d", {}, ERR_INVALID, false, 0},
        {"soon", {true, 3333}, ERR_INVALID, false, 0},
        {NULL, {true, INT64_MAX}, 0, true, 0}, /* no API server sends it */
        {NULL, {true, -5}, 0, true, 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct pair annotation = {ANNOTATION_SIGNING_DURATION, rows[i].annotation};
        struct signing_request request = {.spec.expiration_seconds = rows[i].seconds};
        struct opt_duration duration = {};
        struct err err = {};

        CASE(str_or(rows[i].annotation, "(none)"));
        if (rows[i].annotation)
            request.object.metadata.annotations = (struct array_pair){&annotation, 1};
        ASSERT_EQ(signing_request_duration(&request, &duration, &err), rows[i].code);
        ASSERT_EQ(duration.is_set, rows[i].is_set);
        ASSERT_EQ(duration.ns / 1000000, rows[i].ms);
        if (rows[i].code < 0)
            ASSERT_CONTAINS(err.text, ANNOTATION_SIGNING_DURATION);
    }
}

RUN_TESTS(cmocka_unit_test(every_field_is_decoded_and_encoded),
          cmocka_unit_test(it_is_no_kind_of_manifests),
          cmocka_unit_test(the_name_of_a_signer_is_an_issuer),
          cmocka_unit_test(a_signer_is_one_issuer_and_no_other),
          cmocka_unit_test(the_annotation_goes_before_expiration_seconds));
