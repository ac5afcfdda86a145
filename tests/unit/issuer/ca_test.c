#include "unit/issuer/bed.h"

static const struct pkey *root_key, *middle_key, *leaf_key;
static char *root_pem, *middle_pem, *old_root_pem, *plain_pem, *bounded_pem, *fitting_pem,
    *brief_pem, *low_pem;
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

/* By openssl: a CA below one that may have none (pathlen:0), which is behind it; and one with the critical extension
 * 1.2.3.4. */
static char short_pem[] = "-----BEGIN CERTIFICATE-----\n"
                          "MIIBODCB66ADAgECAhROs/iFIVd5Tk770GK72DeB1qRCTTAFBgMrZXAwEDEOMAwG\n"
                          "A1UEAwwFc2hvcnQwIBcNMjYxMTMwMjExMTMzWhgPMjEyNjExMDYyMTExMzNaMBIx\n"
                          "EDAOBgNVBAMMB2JldHdlZW4wKjAFBgMrZXADIQD9V2AoGPRwWfGhz4XmM47gokQN\n"
                          "P1a+N9OmkMyKuS/7p6NTMFEwDwYDVR0TAQH/BAUwAwEB/zAdBgNVHQ4EFgQUvMQY\n"
                          "IvEkpSPGQ+ursmmxCxOfpKIwHwYDVR0jBBgwFoAUUKs2TKqL5jbrMZuIUUZ62E+x\n"
                          "EK8wBQYDK2VwA0EARxf8oiQCUrIiKeRD2OEUGTPFTNrKkMSdq1DL0E3aNbXkQPMV\n"
                          "0qFqVqu9nsk6VMdjlrGKbr/mDuFwCAcVvbFfBQ==\n"
                          "-----END CERTIFICATE-----\n"
                          "-----BEGIN CERTIFICATE-----\n"
                          "MIIBGDCBy6ADAgECAhRTXs6rWV760qJOvXF0wc0hkkgfmzAFBgMrZXAwEDEOMAwG\n"
                          "A1UEAwwFc2hvcnQwIBcNMjYxMTMwMjExMTMzWhgPMjEyNjExMDYyMTExMzNaMBAx\n"
                          "DjAMBgNVBAMMBXNob3J0MCowBQYDK2VwAyEAje1yh/BoehPIGWyK8lbXU9i+K2ke\n"
                          "xFdU9lSptxowhdmjNTAzMBIGA1UdEwEB/wQIMAYBAf8CAQAwHQYDVR0OBBYEFFCr\n"
                          "Nkyqi+Y26zGbiFFGethPsRCvMAUGAytlcANBAPlSkPyhX6pJLRI4ifPsxWCjlT0C\n"
                          "WfffLZnDH36ErGM7PN+k0ToMUTUiL9x9IT+hagQdj7+CPtAuH4t0FcNa5As=\n"
                          "-----END CERTIFICATE-----\n";
static char short_key_pem[] = "-----BEGIN PRIVATE KEY-----\n"
                              "MC4CAQAwBQYDK2VwBCIEIDXdA3m4mAP0HotCfYY1nqTrbtBmwIjVYSQhmTTFAjWF\n"
                              "-----END PRIVATE KEY-----\n";
static char odd_pem[] = "-----BEGIN CERTIFICATE-----\n"
                        "MIIBHzCB0qADAgECAhRIm/j4KheIBr2CQ4AEzbWXMzvngDAFBgMrZXAwDjEMMAoG\n"
                        "A1UEAwwDb2RkMCAXDTI2MTEzMDIxMTEzM1oYDzIxMjYxMTA2MjExMTMzWjAOMQww\n"
                        "CgYDVQQDDANvZGQwKjAFBgMrZXADIQCz6fU5gVZwGRhkXdrmVHZDBCJYv5E+ySxZ\n"
                        "y2hW4rLqxKNAMD4wDwYDVR0TAQH/BAUwAwEB/zAMBgMqAwQBAf8EAgUAMB0GA1Ud\n"
                        "DgQWBBSEBgy+xPXOruG3MXAyKov3gEbIDzAFBgMrZXADQQAX8CGhvuUkUbzBNxKZ\n"
                        "zj4aDdGKBE2wd4eXC1nfQWwgHW/56xUEAsqoekzD+vx3tLcmcjMqZxkeS6Fc/2ef\n"
                        "5PcO\n"
                        "-----END CERTIFICATE-----\n";
static char odd_key_pem[] = "-----BEGIN PRIVATE KEY-----\n"
                            "MC4CAQAwBQYDK2VwBCIEIJaX5F5frdvzjm3eIruPaUOKVbufD1eJwT4FK7Nbf/OD\n"
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

#define REFUSED "Signing CA verified; clients refuse the certificates that it signs: "

/* As with cert-manager the CA signs, and what it signs is stored. */
TEST(a_ca_whose_certificates_clients_refuse_is_ready_and_says_so)
{
    cleanup(xfree) char *with_brief = xasprintf("%s%s", low_pem, brief_pem);
    const struct {
        const char *name;
        struct bed_secret secret;
        const char *message;
    } rows[] = {
        {"a root", {.crt = root_pem, .key = root_key_pem}, NULL},
        {"without its root", {.crt = middle_pem, .key = middle_key_pem}, NULL},
        {"with its root", {.crt = middle_pem, .key = middle_key_pem, .ca = root_pem}, NULL},
        {"with the root of another",
         {.crt = middle_pem, .key = middle_key_pem, .ca = old_root_pem},
         NULL},
        {"only some names",
         {.crt = bounded_pem, .key = root_key_pem},
         NULL}, /* by the names, then */
        {"path length",
         {.crt = short_pem, .key = short_key_pem},
         REFUSED "the CA certificate 'CN=short' may have 0 CAs below it (basicConstraints, "
                 "pathLenConstraint) and has 1: get a certificate from a CA within that limit, or "
                 "a CA without it"},
        {"a critical extension",
         {.crt = odd_pem, .key = odd_key_pem},
         REFUSED "the CA certificate 'CN=odd' has the critical extension 1.2.3.4, which clients "
                 "do not know and so have to refuse: have it issued without, or with it not "
                 "critical"},
        {"an expired one above",
         {.crt = with_brief, .key = middle_key_pem, .ca = root_pem},
         REFUSED "the CA certificate 'CN=brief' above it has expired at 2026-05-01T00:00:00Z; put "
                 "a new one into the Secret"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(bed_deinit) struct bed bed;
        struct setup_result result;
        struct err err = {};

        CASE(rows[i].name);
        bed_init(&bed);
        bed_put(&bed, &rows[i].secret, true);
        ASSERT_OK(set_up(&bed, &kind_issuer, &result, &err));
        ASSERT_EQ(result.ready.status, CONDITION_TRUE);
        ASSERT_STREQ(result.ready.reason, "KeyPairVerified");
        ASSERT_STREQ(result.ready.message, str_or(rows[i].message, "Signing CA verified"));
        ASSERT_EQ(result.event_warning, rows[i].message != NULL);
        ASSERT_STREQ(result.event_reason, rows[i].message ? "ChainRefused" : "KeyPairVerified");
    }
}

TEST(a_ca_is_looked_at_again_when_one_above_it_expires)
{
    cleanup(bed_deinit) struct bed bed;
    cleanup(xfree) char *with_brief = xasprintf("%s%s", low_pem, brief_pem);
    struct setup_result result;
    struct err err = {};

    bed_init(&bed);
    bed_put(&bed, &(struct bed_secret){.crt = with_brief, .key = middle_key_pem, .ca = root_pem},
            true);
    fake_clock_init(&bed.clock, AT("2026-04-30T00:00:00Z"));
    ASSERT_OK(set_up(&bed, &kind_issuer, &result, &err));
    ASSERT_FALSE(result.event_warning);
    ASSERT_EQ(result.requeue_at_ms, AT("2026-05-01T00:00:01Z"));
    fake_clock_advance(&bed.clock, DAYS(1) + SECONDS(1));
    ASSERT_OK(set_up(&bed, &kind_issuer, &result, &err));
    ASSERT_TRUE(result.event_warning);
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

/* What of a chain follows from its CAs is found once: only some are worth a look at each certificate. */
TEST(only_of_some_cas_clients_may_refuse_what_is_signed)
{
    const struct {
        const char *name;
        struct bed_secret secret;
        bool may_be_refused;
    } rows[] = {
        {"a root", {.crt = root_pem, .key = root_key_pem}, false},
        {"below one", {.crt = middle_pem, .key = middle_key_pem, .ca = root_pem}, false},
        {"other names", {.crt = bounded_pem, .key = root_key_pem}, true},
        {"other names, above", {.crt = middle_pem, .key = middle_key_pem, .ca = bounded_pem}, true},
        {"these names", {.crt = fitting_pem, .key = root_key_pem}, false},
        {"these names, above",
         {.crt = middle_pem, .key = middle_key_pem, .ca = fitting_pem},
         false},
        {"path length", {.crt = short_pem, .key = short_key_pem}, true},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(bed_deinit) struct bed bed;
        cleanup(signing_deinit) struct signing signing;
        struct err err = {};

        CASE(rows[i].name);
        bed_init(&bed);
        for_leaf(&signing);
        bed_put(&bed, &rows[i].secret, true);
        ASSERT_OK(sign(&bed, &signing, &err));
        ASSERT_EQ(signing.result.state, SIGN_ISSUED);
        ASSERT_EQ(signing.result.may_be_refused, rows[i].may_be_refused);
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

/* As "root", but for names in one domain only. */
static struct cert *make_bounded(const char *domain)
{
    cleanup(x509_names_deinit) struct x509_names names = {.common_name = xstrdup("root")};
    cleanup(name_bounds_deinit) struct name_bounds bounds = {};
    cleanup(csr_free) struct csr *csr = NULL;
    struct cert *cert = NULL;
    struct err err = {};

    strlist_add(&bounds.permitted.dns_domains, domain);
    ASSERT_OK(csr_new(&(struct csr_request){.names = &names, .bounds = &bounds, .is_ca = true},
                      root_key, &csr, &err));
    ASSERT_OK(cert_sign(&(struct cert_template){.csr = csr,
                                                .is_ca = true,
                                                .not_before_ms = AT("2026-01-01T00:00:00Z"),
                                                .not_after_ms = AT("2036-01-01T00:00:00Z"),
                                                .issuer_key = root_key},
                        &cert, &err));
    return cert;
}

static int make_tree(void **state)
{
    struct cert *root, *middle, *old, *plain, *bounded, *fitting, *brief, *low;

    if (pkey_generate(KEY_ECDSA, 256, &root_key, NULL) < 0 ||
        pkey_generate(KEY_ECDSA, 256, &middle_key, NULL) < 0 ||
        pkey_generate(KEY_ED25519, 0, &leaf_key, NULL) < 0)
        return -1;
    root = bed_cert("root", true, "2036-01-01T00:00:00Z", root_key, NULL, NULL);
    old = bed_cert("old", true, "2026-05-01T00:00:00Z", root_key, NULL, NULL);
    plain = bed_cert("plain", false, "2036-01-01T00:00:00Z", root_key, NULL, NULL);
    middle = bed_cert("middle", true, "2036-01-01T00:00:00Z", middle_key, root, root_key);
    bounded = make_bounded("in.example");
    fitting = make_bounded("a.example");
    brief = bed_cert("brief", true, "2026-05-01T00:00:00Z", middle_key, root, root_key);
    low = bed_cert("low", true, "2036-01-01T00:00:00Z", middle_key, brief, middle_key);
    root_pem = bed_cert_pem(root);
    bounded_pem = bed_cert_pem(bounded);
    fitting_pem = bed_cert_pem(fitting);
    brief_pem = bed_cert_pem(brief);
    low_pem = bed_cert_pem(low);
    middle_pem = bed_cert_pem(middle);
    old_root_pem = bed_cert_pem(old);
    plain_pem = bed_cert_pem(plain);
    root_key_pem = bed_key_pem(root_key);
    middle_key_pem = bed_key_pem(middle_key);
    cert_unref(root);
    cert_unref(middle);
    cert_unref(old);
    cert_unref(plain);
    cert_unref(bounded);
    cert_unref(fitting);
    cert_unref(brief);
    cert_unref(low);
    return 0;
}

static int free_tree(void **state)
{
    char *texts[] = {root_pem,    middle_pem, old_root_pem, plain_pem,    bounded_pem,
                     fitting_pem, brief_pem,  low_pem,      root_key_pem, middle_key_pem};

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
        cmocka_unit_test(a_ca_whose_certificates_clients_refuse_is_ready_and_says_so),
        cmocka_unit_test(a_ca_is_looked_at_again_when_one_above_it_expires),
        cmocka_unit_test(a_cluster_issuer_reads_the_cluster_resource_namespace),
        cmocka_unit_test(the_chain_ends_below_the_root_and_the_root_is_the_ca),
        cmocka_unit_test(only_of_some_cas_clients_may_refuse_what_is_signed),
        cmocka_unit_test(times_usages_and_urls_are_those_of_request_and_issuer),
        cmocka_unit_test(what_a_request_waits_for_and_fails_by),
        cmocka_unit_test(the_secret_is_read_once_for_each_version),
    };

    return cmocka_run_group_tests(tests, make_tree, free_tree);
}
