#include "unit/issuer/bed.h"

static const struct pkey *root_key, *middle_key, *leaf_key;
static char *root_pem, *middle_pem, *old_root_pem, *plain_pem;
static char *root_key_pem, *middle_key_pem;

/* A CA by its basic constraints, with digitalSignature and cRLSign. Written by the openssl program. */
static char no_signer_pem[] = "-----BEGIN CERTIFICATE-----\n"
                              "MIIBiDCCAS+gAwIBAgIUVxNLLHwB5zezKVtUrqkzubjExQIwCgYIKoZIzj0EAwIw\n"
                              "ETEPMA0GA1UEAwwGbm9zaWduMCAXDTI2MTEzMDE0MDYzMFoYDzIxMjYxMTA2MTQw\n"
                              "NjMwWjARMQ8wDQYDVQQDDAZub3NpZ24wWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC\n"
                              "AARxhmNwHQuC3y0ELP+J6Vg/fIP6tKsijlt4e0atHoPjPGnmZiyMxdxHGezSoZF/\n"
                              "rxDW5CmXGBoWanI4nvJ4En6Bo2MwYTAdBgNVHQ4EFgQUdMhGntKryYJHvS1VefcE\n"
                              "82+GzBEwHwYDVR0jBBgwFoAUdMhGntKryYJHvS1VefcE82+GzBEwDwYDVR0TAQH/\n"
                              "BAUwAwEB/zAOBgNVHQ8BAf8EBAMCAYIwCgYIKoZIzj0EAwIDRwAwRAIgXKl+Hpyl\n"
                              "xB616mzyMQFHclD8+IYeZv8BNn5i0uQujJ8CIHL7VUrfYwEEULRkR6PLL9K3jLNF\n"
                              "1ZmyTHpV7gxCkl3l\n"
                              "-----END CERTIFICATE-----\n";
static char no_signer_key_pem[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgkBN+w+5vwpewPfKW\n"
    "boTmTKivn4Cpj1OGynIjalA7mV+hRANCAARxhmNwHQuC3y0ELP+J6Vg/fIP6tKsi\n"
    "jlt4e0atHoPjPGnmZiyMxdxHGezSoZF/rxDW5CmXGBoWanI4nvJ4En6B\n"
    "-----END PRIVATE KEY-----\n";

static struct issuer the_issuer(struct ca_issuer *spec, const struct kind *kind)
{
    return (struct issuer){
        .object = {.kind = kind,
                   .metadata = {.name = "ca", .namespace = "default", .uid = "uid-i"}},
        .spec = {.ca = spec}};
}

/* --- setup --- */

static int set_up(struct bed *bed, const struct kind *kind, struct setup_result *ret,
                  struct err *err)
{
    struct ca_issuer spec = {.secret_name = "ca"};
    struct issuer issuer = the_issuer(&spec, kind);

    *ret = (struct setup_result){};
    return issuer_ca.setup(&bed->issuers, &bed->ctx, &issuer, bed->arena, ret, err);
}

TEST(setup_says_what_is_wrong_with_the_secret)
{
    const struct {
        const char *name;
        struct bed_secret secret;
        const char *reason, *message;
    } rows[] = {
        {"no certificate", {.key = root_key_pem}, "ErrGetKeyPair", "has no key 'tls.crt'"},
        {"no key", {.crt = root_pem}, "ErrGetKeyPair", "has no key 'tls.key'"},
        {"no PEM", {.crt = "x", .key = root_key_pem}, "ErrGetKeyPair", "tls.crt: "},
        {"a key that is none", {.crt = root_pem, .key = "x"}, "ErrGetKeyPair", "tls.key: "},
        {"a ca.crt that is none",
         {.crt = root_pem, .key = root_key_pem, .ca = "x"},
         "ErrGetKeyPair",
         "ca.crt: "},
        {"not a CA", {.crt = plain_pem, .key = root_key_pem}, "ErrInvalidKeyPair", "is not a CA"},
        {"a CA that may not sign certificates",
         {.crt = no_signer_pem, .key = no_signer_key_pem},
         "ErrInvalidKeyPair",
         "the key usage of the CA certificate 'CN=nosign' does not allow its key to sign"},
        {"the key of another",
         {.crt = root_pem, .key = middle_key_pem},
         "ErrInvalidKeyPair",
         "tls.key is not the key of the certificate 'CN=root'"},
        {"an expired one",
         {.crt = old_root_pem, .key = root_key_pem},
         "ErrInvalidKeyPair",
         "the CA certificate 'CN=old' has expired at 2026-05-01T00:00:00Z"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(bed_deinit) struct bed bed;
        struct setup_result result;
        struct err err = {};

        CASE(rows[i].name);
        bed_init(&bed);
        bed_put(&bed, &rows[i].secret, true);
        ASSERT_OK(set_up(&bed, &kind_issuer, &result, &err)); /* a change of the Secret wakes it */
        ASSERT_EQ(result.ready.status, CONDITION_FALSE);
        ASSERT_STREQ(result.ready.reason, rows[i].reason);
        ASSERT_CONTAINS(result.ready.message, rows[i].message);
        ASSERT_CONTAINS(result.ready.message, "secret 'default/ca'");
        ASSERT_TRUE(result.event_warning);
        ASSERT_STREQ(result.event_reason, rows[i].reason);
        ASSERT_TRUE(strstr(result.ready.message, "PRIVATE") == NULL);
    }
}

TEST(setup_without_a_secret_waits_for_it_and_an_error_is_tried_again)
{
    cleanup(bed_deinit) struct bed bed;
    struct setup_result result;
    struct err err = {};

    bed_init(&bed);
    ASSERT_OK(set_up(&bed, &kind_issuer, &result, &err));
    ASSERT_STREQ(result.ready.reason, "ErrGetKeyPair");
    ASSERT_STREQ(result.ready.message, "secret 'default/ca' does not exist");
    bed.answer = ERR_UNAVAILABLE;
    ASSERT_ERR(ERR_UNAVAILABLE, set_up(&bed, &kind_issuer, &result, &err));
    ASSERT_STREQ(result.ready.reason, "ErrGetKeyPair");
}

TEST(a_ca_is_verified_and_looked_at_again_when_it_expires)
{
    cleanup(bed_deinit) struct bed bed;
    struct setup_result result;
    struct err err = {};

    bed_init(&bed);
    bed_put(&bed, &(struct bed_secret){.crt = root_pem, .key = root_key_pem}, true);
    ASSERT_OK(set_up(&bed, &kind_issuer, &result, &err));
    ASSERT_EQ(result.ready.status, CONDITION_TRUE);
    ASSERT_STREQ(result.ready.reason, "KeyPairVerified");
    ASSERT_STREQ(result.ready.message, "Signing CA verified");
    ASSERT_EQ(result.requeue_at_ms, AT("2036-01-01T00:00:01Z"));
}

TEST(a_cluster_issuer_reads_the_cluster_resource_namespace)
{
    cleanup(bed_deinit) struct bed bed;
    struct setup_result result;
    struct err err = {};

    bed_init(&bed);
    bed_put(&bed,
            &(struct bed_secret){.namespace = "cert-manager", .crt = root_pem, .key = root_key_pem},
            true);
    ASSERT_OK(set_up(&bed, &kind_cluster_issuer, &result, &err));
    ASSERT_EQ(result.ready.status, CONDITION_TRUE);
    ASSERT_OK(set_up(&bed, &kind_issuer, &result, &err));
    ASSERT_EQ(result.ready.status, CONDITION_FALSE);
}

/* --- sign --- */

static void for_leaf(struct signing *signing)
{
    static struct ca_issuer spec = {.secret_name = "ca"};

    signing_init(signing, the_issuer(&spec, &kind_issuer), NULL, leaf_key);
}

static int sign(struct bed *bed, struct signing *signing, struct err *err)
{
    return bed_sign(bed, &issuer_ca, signing, err);
}

/* behaviour.md 6: what is above the leaf goes into the chain but for the root, which is the CA. */
TEST(the_chain_ends_below_the_root_and_the_root_is_the_ca)
{
    cleanup(xfree) char *with_root = xasprintf("%s%s", middle_pem, root_pem);
    const struct {
        const char *name;
        struct bed_secret secret;
        size_t chain;
        const char *top; /* subject of the CA */
    } rows[] = {
        {"a root", {.crt = root_pem, .key = root_key_pem}, 1, "CN=root"},
        {"a root that is its own ca.crt",
         {.crt = root_pem, .key = root_key_pem, .ca = root_pem},
         1,
         "CN=root"},
        {"an intermediate alone", {.crt = middle_pem, .key = middle_key_pem}, 2, "CN=middle"},
        {"with its root in ca.crt",
         {.crt = middle_pem, .key = middle_key_pem, .ca = root_pem},
         2,
         "CN=root"},
        {"with its root in tls.crt", {.crt = with_root, .key = middle_key_pem}, 2, "CN=root"},
        {"with a ca.crt of somebody else",
         {.crt = middle_pem, .key = middle_key_pem, .ca = old_root_pem},
         2,
         "CN=middle"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(bed_deinit) struct bed bed;
        cleanup(signing_deinit) struct signing signing;
        cleanup(chain_deinit) struct chain chain = {}, ca = {};
        struct err err = {};

        CASE(rows[i].name);
        bed_init(&bed);
        for_leaf(&signing);
        bed_put(&bed, &rows[i].secret, true);
        ASSERT_OK(sign(&bed, &signing, &err));
        ASSERT_EQ(signing.result.state, SIGN_ISSUED);
        chain = bed_chain(&signing.result.certificate);
        ca = bed_chain(&signing.result.ca);
        ASSERT_EQ(chain.len, rows[i].chain);
        ASSERT_EQ(ca.len, 1);
        ASSERT_STREQ(cert_subject(ca.certs[0]), rows[i].top);
        ASSERT_OK(chain_verify(&chain, &(struct chain_expectation){.key = leaf_key, .now_ms = NOW},
                               NULL, &err));
    }
}

static bool has_text(const struct cert *cert, const char *text)
{
    cleanup(buf_deinit) struct buf der = BUF(4096);

    cert_to_der(cert, &der);
    return memmem(buf_str(&der), der.len, text, strlen(text)) != NULL;
}

TEST(times_usages_and_urls_are_those_of_request_and_issuer)
{
    cleanup(bed_deinit) struct bed bed;
    cleanup(signing_deinit) struct signing signing;
    cleanup(chain_deinit) struct chain chain = {}, longer = {};
    const char *crls[] = {"http://crl"}, *responders[] = {"http://ocsp"}, *cas[] = {"http://ca"};
    struct ca_issuer spec = {.secret_name = "ca",
                             .crl_distribution_points = {crls, 1},
                             .ocsp_servers = {responders, 1},
                             .issuing_certificate_urls = {cas, 1}};
    struct err err = {};

    bed_init(&bed);
    for_leaf(&signing);
    bed_put(&bed, &(struct bed_secret){.crt = root_pem, .key = root_key_pem}, true);
    signing.issuer = the_issuer(&spec, &kind_issuer);
    ASSERT_OK(sign(&bed, &signing, &err));
    chain = bed_chain(&signing.result.certificate);
    ASSERT_EQ(cert_not_before_ms(chain.certs[0]), NOW); /* not dated back */
    ASSERT_EQ(cert_not_after_ms(chain.certs[0]), NOW + DAYS(90));
    ASSERT_EQ(cert_usages(chain.certs[0]), USAGE(DIGITAL_SIGNATURE) | USAGE(KEY_ENCIPHERMENT));
    ASSERT_FALSE(cert_is_ca(chain.certs[0]));
    ASSERT_TRUE(has_text(chain.certs[0], crls[0]));
    ASSERT_TRUE(has_text(chain.certs[0], responders[0]));
    ASSERT_TRUE(has_text(chain.certs[0], cas[0]));

    /* beyond the end of the CA itself, as cert-manager */
    signing.request.spec.duration = (struct opt_duration){true, DAYS(10000) * 1000000};
    signing.request.spec.is_ca = true;
    ASSERT_OK(sign(&bed, &signing, &err));
    longer = bed_chain(&signing.result.certificate);
    ASSERT_EQ(cert_not_after_ms(longer.certs[0]), NOW + DAYS(10000));
    ASSERT_TRUE(cert_is_ca(longer.certs[0]));
}

TEST(what_a_request_waits_for_and_fails_by)
{
    cleanup(bed_deinit) struct bed bed;
    cleanup(signing_deinit) struct signing signing;
    struct err err = {};

    bed_init(&bed);
    for_leaf(&signing);
    ASSERT_OK(sign(&bed, &signing, &err));
    ASSERT_EQ(signing.result.state, SIGN_PENDING);
    ASSERT_STREQ(signing.result.reason, "SecretMissing");
    ASSERT_TRUE(signing.result.requeue_at_ms > NOW);

    bed_put(&bed, &(struct bed_secret){.crt = root_pem, .key = "x"}, true);
    ASSERT_OK(sign(&bed, &signing, &err));
    ASSERT_EQ(signing.result.state, SIGN_PENDING);
    ASSERT_STREQ(signing.result.reason, "SecretInvalidData");

    bed_put(&bed, &(struct bed_secret){.version = "2", .crt = plain_pem, .key = root_key_pem},
            true);
    ASSERT_OK(sign(&bed, &signing, &err));
    ASSERT_EQ(signing.result.state, SIGN_PENDING);
    ASSERT_STREQ(signing.result.reason, "SecretInvalidData");

    bed.answer = ERR_UNAVAILABLE;
    derived_forget(bed.issuers.ca_keys, &(struct key){"default", "ca"});
    ASSERT_OK(sign(&bed, &signing, &err));
    ASSERT_EQ(signing.result.state, SIGN_PENDING);
    ASSERT_STREQ(signing.result.reason, "SecretGetError");

    bed.answer = 0;
    bed_put(&bed, &(struct bed_secret){.version = "3", .crt = root_pem, .key = root_key_pem}, true);
    signing.request.spec.request = bytes_of("x", 1);
    ASSERT_OK(sign(&bed, &signing, &err));
    ASSERT_EQ(signing.result.state, SIGN_FAILED);
    ASSERT_STREQ(signing.result.reason, "SigningError");
}

/* --- the key --- */

TEST(the_secret_is_read_once_for_each_version)
{
    cleanup(bed_deinit) struct bed bed;
    cleanup(signing_deinit) struct signing signing;
    struct bed_secret secret = {.version = "9", .crt = root_pem, .key = root_key_pem};
    struct err err = {};

    bed_init(&bed);
    for_leaf(&signing);
    bed_put(&bed, &secret, true);
    for (int i = 0; i < 3; i++)
        ASSERT_OK(sign(&bed, &signing, &err));
    ASSERT_EQ(bed.reads, 1);

    secret.version = "10"; /* the cache is behind: what is kept still is the newest known */
    bed_put(&bed, &secret, false);
    ASSERT_OK(sign(&bed, &signing, &err));
    ASSERT_EQ(bed.reads, 1);
    bed_put(&bed, &secret, true);
    ASSERT_OK(sign(&bed, &signing, &err));
    ASSERT_OK(sign(&bed, &signing, &err));
    ASSERT_EQ(bed.reads, 2);

    derived_forget(bed.issuers.ca_keys, &(struct key){"default", "ca"});
    ASSERT_OK(sign(&bed, &signing, &err));
    ASSERT_EQ(bed.reads, 3);
}

static int make_tree(void **state)
{
    struct cert *root, *middle, *old, *plain;

    if (pkey_generate(KEY_ECDSA, 256, &root_key, NULL) < 0 ||
        pkey_generate(KEY_ECDSA, 256, &middle_key, NULL) < 0 ||
        pkey_generate(KEY_ED25519, 0, &leaf_key, NULL) < 0)
        return -1;
    root = bed_cert("root", true, "2036-01-01T00:00:00Z", root_key, NULL, NULL);
    old = bed_cert("old", true, "2026-05-01T00:00:00Z", root_key, NULL, NULL);
    plain = bed_cert("plain", false, "2036-01-01T00:00:00Z", root_key, NULL, NULL);
    middle = bed_cert("middle", true, "2036-01-01T00:00:00Z", middle_key, root, root_key);
    root_pem = bed_cert_pem(root);
    middle_pem = bed_cert_pem(middle);
    old_root_pem = bed_cert_pem(old);
    plain_pem = bed_cert_pem(plain);
    root_key_pem = bed_key_pem(root_key);
    middle_key_pem = bed_key_pem(middle_key);
    cert_unref(root);
    cert_unref(middle);
    cert_unref(old);
    cert_unref(plain);
    return 0;
}

static int free_tree(void **state)
{
    char *texts[] = {root_pem, middle_pem, old_root_pem, plain_pem, root_key_pem, middle_key_pem};

    pkey_unref(root_key);
    pkey_unref(middle_key);
    pkey_unref(leaf_key);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        xfree(texts[i]);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(setup_says_what_is_wrong_with_the_secret),
        cmocka_unit_test(setup_without_a_secret_waits_for_it_and_an_error_is_tried_again),
        cmocka_unit_test(a_ca_is_verified_and_looked_at_again_when_it_expires),
        cmocka_unit_test(a_cluster_issuer_reads_the_cluster_resource_namespace),
        cmocka_unit_test(the_chain_ends_below_the_root_and_the_root_is_the_ca),
        cmocka_unit_test(times_usages_and_urls_are_those_of_request_and_issuer),
        cmocka_unit_test(what_a_request_waits_for_and_fails_by),
        cmocka_unit_test(the_secret_is_read_once_for_each_version),
    };

    return cmocka_run_group_tests(tests, make_tree, free_tree);
}
