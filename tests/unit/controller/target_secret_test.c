#include "controller/target_secret.h"

#include "api/kinds.h"
#include "base/base64.h"
#include "base/limits.h"
#include "controller/controllers.h"
#include "support/testing.h"

/* A key and a self-signed certificate with it, and the Certificate that asked for it. */
struct sample {
    struct certificate crt;
    struct secret_template template;
    struct pair label, annotations[2];
    struct certificate_output_format formats[2];
    struct buf key_pem, chain_pem;
    struct target_secret target;
};

static void sign(const struct pkey *key, struct buf *to)
{
    cleanup(x509_names_deinit) struct x509_names names = {.common_name = xstrdup("a.example")};
    cleanup(cert_unref) struct cert *cert = NULL;
    struct cert_template template = {.names = &names,
                                     .public_key = key,
                                     .issuer_key = key,
                                     .not_before_ms = AT("2026-01-01T00:00:00Z"),
                                     .not_after_ms = AT("2026-04-01T00:00:00Z")};
    struct err err = {};

    strlist_add(&names.dns_names, "a.example");
    strlist_add(&names.dns_names, "b.example");
    strlist_add(&names.organizations, "Example, Inc.");
    ASSERT_OK(cert_sign(&template, &cert, &err));
    cert_to_pem(cert, to);
}

static void sample_init(struct sample *sample, enum key_encoding encoding)
{
    cleanup(pkey_unref) const struct pkey *key = NULL;
    struct err err = {};

    *sample = (struct sample){.key_pem = BUF_SECRET(LIMIT_KEY_PEM),
                              .chain_pem = BUF(LIMIT_BUNDLE_PEM),
                              .formats = {{OUTPUT_DER}, {OUTPUT_COMBINED_PEM}}};
    ASSERT_OK(pkey_generate(KEY_ECDSA, 256, &key, &err));
    pkey_to_pem(key, encoding, &sample->key_pem);
    sign(key, &sample->chain_pem);
    sample->crt.object.kind = &kind_certificate;
    sample->crt.object.metadata.name = "web";
    sample->crt.object.metadata.namespace = "shop";
    sample->crt.object.metadata.uid = "uid-of-web";
    sample->crt.spec.secret_name = "web-tls";
    sample->target = (struct target_secret){
        .crt = &sample->crt,
        .issuer_name = "acme",
        .issuer_kind = "ClusterIssuer",
        .issuer_group = "cert-manager.io",
        .key_pem = buf_str(&sample->key_pem),
        .chain_pem = buf_str(&sample->chain_pem),
    };
}

static void sample_deinit(struct sample *sample)
{
    buf_deinit(&sample->key_pem);
    buf_deinit(&sample->chain_pem);
}
DEFINE_CLEANUP_VALUE(struct sample, sample_deinit);

static const char *text_at(const struct json *value, const char *map, const char *key)
{
    return json_get_text(json_path(value, map), key);
}

static void decode(const struct json *secret, const char *key, struct buf *to)
{
    const char *text = text_at(secret, "data", key);
    struct err err = {};

    ASSERT_TRUE(text != NULL);
    ASSERT_OK(base64_decode(to, text, strlen(text), &err));
}

TEST(a_target_secret_holds_key_chain_and_what_is_known_of_the_certificate)
{
    cleanup(sample_deinit) struct sample sample = {};
    cleanup(json_unref) struct json *secret = NULL;
    cleanup(buf_deinit) struct buf key = BUF_SECRET(LIMIT_KEY_PEM), chain = BUF(LIMIT_BUNDLE_PEM);
    static const struct {
        const char *map, *key, *value;
    } rows[] = {
        {"metadata", "name", "web-tls"},
        {"metadata", "namespace", "shop"},
        {"metadata.labels", LABEL_FAO, "true"},
        {"metadata.annotations", ANNOTATION_CERTIFICATE_NAME, "web"},
        {"metadata.annotations", ANNOTATION_ISSUER_NAME, "acme"},
        {"metadata.annotations", ANNOTATION_ISSUER_KIND, "ClusterIssuer"},
        {"metadata.annotations", ANNOTATION_ISSUER_GROUP, "cert-manager.io"},
        {"metadata.annotations", ANNOTATION_COMMON_NAME, "a.example"},
        {"metadata.annotations", ANNOTATION_ALT_NAMES, "a.example,b.example"},
        {"metadata.annotations", ANNOTATION_IP_SANS, ""}, /* always there, even if empty */
        {"metadata.annotations", ANNOTATION_URI_SANS, ""},
        {"metadata.annotations", ANNOTATION_EMAIL_SANS, NULL},
        {"metadata.annotations", "cert-manager.io/subject-organizations", "\"Example, Inc.\""},
        {"metadata.annotations", "cert-manager.io/subject-countries", NULL},
        {"data", "ca.crt", NULL},
        {"data", "key.der", NULL},
        {"data", "tls-combined.pem", NULL},
    };
    struct err err = {};

    sample_init(&sample, KEY_PKCS1);
    ASSERT_OK(target_secret_json(&sample.target, &secret, &err));
    ASSERT_STREQ(json_get_text(secret, "type"), "kubernetes.io/tls");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CASE(rows[i].key);
        ASSERT_STREQ(text_at(secret, rows[i].map, rows[i].key), rows[i].value);
    }
    ASSERT_NULL(json_path(secret, "metadata.ownerReferences"));
    decode(secret, "tls.key", &key);
    decode(secret, "tls.crt", &chain);
    ASSERT_STREQ(buf_str(&key), sample.target.key_pem);
    ASSERT_STREQ(buf_str(&chain), sample.target.chain_pem);
}

TEST(the_template_adds_to_our_metadata_and_never_replaces_it)
{
    cleanup(sample_deinit) struct sample sample = {};
    cleanup(json_unref) struct json *secret = NULL;
    struct err err = {};

    sample_init(&sample, KEY_PKCS1);
    sample.label = (struct pair){"team", "shop"};
    sample.annotations[0] = (struct pair){ANNOTATION_ISSUER_NAME, "forged"};
    sample.annotations[1] = (struct pair){"example.com/note", "ours"};
    sample.template.labels = (struct array_pair){&sample.label, 1};
    sample.template.annotations = (struct array_pair){sample.annotations, 2};
    sample.crt.spec.secret_template = &sample.template;
    ASSERT_OK(target_secret_json(&sample.target, &secret, &err));
    ASSERT_STREQ(text_at(secret, "metadata.labels", "team"), "shop");
    ASSERT_STREQ(text_at(secret, "metadata.annotations", "example.com/note"), "ours");
    ASSERT_STREQ(text_at(secret, "metadata.annotations", ANNOTATION_ISSUER_NAME), "acme");
}

TEST(the_type_of_a_secret_that_exists_and_its_ca_are_kept_and_the_owner_named_when_wanted)
{
    cleanup(sample_deinit) struct sample sample = {};
    cleanup(json_unref) struct json *secret = NULL;
    cleanup(buf_deinit) struct buf ca = BUF(LIMIT_BUNDLE_PEM);
    const struct json *owner;
    struct err err = {};

    sample_init(&sample, KEY_PKCS1);
    sample.target.type = "Opaque";
    sample.target.ca_pem = sample.target.chain_pem;
    sample.target.owner_ref = true;
    ASSERT_OK(target_secret_json(&sample.target, &secret, &err));
    ASSERT_STREQ(json_get_text(secret, "type"), "Opaque");
    decode(secret, "ca.crt", &ca);
    ASSERT_STREQ(buf_str(&ca), sample.target.ca_pem);
    owner = json_at(json_path(secret, "metadata.ownerReferences"), 0);
    ASSERT_STREQ(json_get_text(owner, "kind"), "Certificate");
    ASSERT_STREQ(json_get_text(owner, "uid"), "uid-of-web");
    ASSERT_TRUE(json_get_bool(owner, "controller", false));
}

TEST(annotations_of_the_issuer_are_left_out_where_it_is_not_known)
{
    cleanup(sample_deinit) struct sample sample = {};
    cleanup(json_unref) struct json *secret = NULL;
    struct err err = {};

    sample_init(&sample, KEY_PKCS1);
    sample.target.issuer_name = sample.target.issuer_kind = sample.target.issuer_group = NULL;
    ASSERT_OK(target_secret_json(&sample.target, &secret, &err));
    ASSERT_NULL(text_at(secret, "metadata.annotations", ANNOTATION_ISSUER_NAME));
    ASSERT_NULL(text_at(secret, "metadata.annotations", ANNOTATION_ISSUER_KIND));
}

TEST(additional_formats_are_the_key_as_der_and_key_and_chain_in_one)
{
    static const enum key_encoding encodings[] = {KEY_PKCS1, KEY_PKCS8};

    for (size_t i = 0; i < ARRAY_LEN(encodings); i++) {
        cleanup(sample_deinit) struct sample sample = {};
        cleanup(json_unref) struct json *secret = NULL;
        cleanup(buf_deinit) struct buf der = BUF_SECRET(LIMIT_KEY_PEM),
                                       combined = BUF_SECRET(LIMIT_BUNDLE_PEM),
                                       expected = BUF_SECRET(LIMIT_BUNDLE_PEM);
        cleanup(pem_block_deinit) struct pem_block block = {};
        const char *at;
        struct err err = {};

        CASE(encodings[i] == KEY_PKCS1 ? "PKCS1" : "PKCS8");
        sample_init(&sample, encodings[i]);
        sample.crt.spec.additional_output_formats.items = sample.formats;
        sample.crt.spec.additional_output_formats.len = ARRAY_LEN(sample.formats);
        ASSERT_OK(target_secret_json(&sample.target, &secret, &err));
        at = sample.target.key_pem;
        ASSERT_OK(pem_next(&at, at + strlen(at), &block, &err));
        decode(secret, "key.der", &der);
        ASSERT_MEMEQ(der.data, der.len, block.der, block.der_len);
        buf_add_str(&expected, sample.target.key_pem);
        buf_add_char(&expected, '\n');
        buf_add_str(&expected, sample.target.chain_pem);
        decode(secret, "tls-combined.pem", &combined);
        ASSERT_STREQ(buf_str(&combined), buf_str(&expected));
    }
}

TEST(what_is_written_is_what_the_facts_call_right)
{
    cleanup(sample_deinit) struct sample sample = {};
    cleanup(json_unref) struct json *secret = NULL;
    const struct secret_facts *facts = NULL;
    struct err err = {};

    sample_init(&sample, KEY_PKCS8);
    sample.crt.spec.additional_output_formats.items = sample.formats;
    sample.crt.spec.additional_output_formats.len = ARRAY_LEN(sample.formats);
    ASSERT_OK(target_secret_json(&sample.target, &secret, &err));
    ASSERT_OK(secret_facts_decode(secret, &facts, &err));
    ASSERT_TRUE(facts->has_data && facts->key_ok && facts->cert_ok);
    ASSERT_TRUE(facts->key_der_fits && facts->combined_fits);
    ASSERT_MEMEQ(facts->key_hash, SHA256_LEN, facts->cert_key_hash, SHA256_LEN);
    object_unref(&facts->object);
}

TEST(what_is_no_chain_or_no_key_is_refused)
{
    cleanup(sample_deinit) struct sample sample = {};
    struct json *secret = NULL;
    struct err err = {};

    sample_init(&sample, KEY_PKCS1);
    sample.target.chain_pem = "nonsense";
    ASSERT_ERR(ERR_INVALID, target_secret_json(&sample.target, &secret, &err));
    ASSERT_CONTAINS(err.text, "reading the certificate for Secret 'web-tls'");
    sample.target.chain_pem = buf_str(&sample.chain_pem);
    sample.target.key_pem = "";
    sample.crt.spec.additional_output_formats.items = sample.formats;
    sample.crt.spec.additional_output_formats.len = 1;
    ASSERT_TRUE(target_secret_json(&sample.target, &secret, &err) < 0);
    ASSERT_CONTAINS(err.text, "reading tls.key");
    ASSERT_NULL(secret);
}

RUN_TESTS(cmocka_unit_test(a_target_secret_holds_key_chain_and_what_is_known_of_the_certificate),
          cmocka_unit_test(the_template_adds_to_our_metadata_and_never_replaces_it),
          cmocka_unit_test(
              the_type_of_a_secret_that_exists_and_its_ca_are_kept_and_the_owner_named_when_wanted),
          cmocka_unit_test(annotations_of_the_issuer_are_left_out_where_it_is_not_known),
          cmocka_unit_test(additional_formats_are_the_key_as_der_and_key_and_chain_in_one),
          cmocka_unit_test(what_is_written_is_what_the_facts_call_right),
          cmocka_unit_test(what_is_no_chain_or_no_key_is_refused));
