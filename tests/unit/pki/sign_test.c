#include "pki/sign.h"

#include "support/testing.h"

static const struct pkey *ca_key, *leaf_key;

static void add(struct strlist *list, const char *s)
{
    strlist_add(list, s);
}

static bool has_bytes(const struct buf *der, const void *bytes, size_t len)
{
    return memmem(der->data, der->len, bytes, len) != NULL;
}
#define HAS(der, bytes) has_bytes(der, bytes, sizeof(bytes) - 1)

static struct cert *sign(const struct cert_template *template)
{
    struct cert *cert = NULL;
    struct err err = {};

    ASSERT_OK(cert_sign(template, &cert, &err));
    return cert;
}

static struct cert *make_ca(const char *name)
{
    cleanup(x509_names_deinit) struct x509_names names = {.common_name = xstrdup(name)};
    struct cert_template template = {
        .names = &names,
        .is_ca = true,
        .not_before_ms = AT("2026-01-01T00:00:00Z"),
        .not_after_ms = AT("2036-01-01T00:00:00Z"),
        .issuer_key = ca_key,
    };

    return sign(&template);
}

TEST(a_self_signed_ca_is_one)
{
    cleanup(cert_unref) struct cert *ca = make_ca("root");
    char *id = NULL;
    struct err err = {};

    ASSERT_TRUE(cert_is_ca(ca));
    ASSERT_TRUE(cert_is_self_signed(ca));
    ASSERT_EQ(cert_usages(ca), USAGE(CERT_SIGN));
    ASSERT_STREQ(cert_subject(ca), "CN=root");
    ASSERT_STREQ(cert_issuer(ca), "CN=root");
    ASSERT_TRUE(pkey_equal_public(cert_public_key(ca), ca_key));
    ASSERT_ERR(ERR_UNSUPPORTED, cert_ari_id(ca, &id, &err));
}

TEST(a_request_becomes_a_certificate_with_its_names_key_and_usages)
{
    cleanup(cert_unref) struct cert *ca = make_ca("root");
    cleanup(x509_names_deinit) struct x509_names names = {.common_name = xstrdup("a.example")};
    cleanup(csr_free) struct csr *csr = NULL;
    cleanup(cert_unref) struct cert *cert = NULL;
    cleanup(buf_deinit) struct buf der = BUF(4096);
    cleanup(xfree) char *id = NULL;
    struct err err = {};

    add(&names.dns_names, "a.example");
    add(&names.ip_addresses, "2001:db8::1");
    ASSERT_OK(csr_new(&(struct csr_request){.names = &names}, leaf_key, &csr, &err));
    cert = sign(&(struct cert_template){
        .csr = csr,
        .usages = USAGE(DIGITAL_SIGNATURE) | USAGE(SERVER_AUTH),
        .not_before_ms = AT("2026-01-01T00:00:00Z") + 999,
        .not_after_ms = AT("2050-01-01T00:00:00Z"), /* from here on GeneralizedTime */
        .issuer = ca,
        .issuer_key = ca_key,
    });
    ASSERT_STREQ(cert_subject(cert), "CN=a.example");
    ASSERT_STREQ(cert_issuer(cert), "CN=root");
    ASSERT_STREQ(cert_names(cert)->dns_names.items[0], "a.example");
    ASSERT_STREQ(cert_names(cert)->ip_addresses.items[0], "2001:db8::1");
    ASSERT_TRUE(pkey_equal_public(cert_public_key(cert), leaf_key));
    ASSERT_EQ(cert_usages(cert), USAGE(DIGITAL_SIGNATURE) | USAGE(SERVER_AUTH));
    ASSERT_FALSE(cert_is_ca(cert));
    ASSERT_FALSE(cert_is_self_signed(cert));
    ASSERT_EQ(cert_not_before_ms(cert), AT("2026-01-01T00:00:00Z"));
    ASSERT_EQ(cert_not_after_ms(cert), AT("2050-01-01T00:00:00Z"));
    ASSERT_EQ(strlen(cert_serial_hex(cert)), 40);
    ASSERT_OK(cert_ari_id(cert, &id, &err));
    ASSERT_EQ(strlen(id), 27 + 1 + 27); /* 20 bytes each */

    cert_to_der(cert, &der);
    ASSERT_TRUE(HAS(&der, "\x06\x03\x55\x1d\x13\x01\x01\xff\x04\x02\x30\x00")); /* CA:FALSE */
    ASSERT_TRUE(HAS(&der, "\x06\x03\x55\x1d\x0e\x04\x16\x04\x14"));             /* SKI */
    ASSERT_TRUE(HAS(&der, "\x06\x03\x55\x1d\x23\x04\x18\x30\x16\x80\x14"));     /* AKI */
}

TEST(names_without_a_subject_make_the_san_critical)
{
    cleanup(cert_unref) struct cert *ca = make_ca("root");
    cleanup(x509_names_deinit) struct x509_names names = {};
    cleanup(cert_unref) struct cert *cert = NULL;
    cleanup(buf_deinit) struct buf der = BUF(4096);

    add(&names.dns_names, "a.example");
    cert = sign(&(struct cert_template){
        .names = &names, .public_key = leaf_key, .issuer = ca, .issuer_key = ca_key});
    ASSERT_STREQ(cert_subject(cert), "");
    cert_to_der(cert, &der);
    ASSERT_TRUE(HAS(&der, "\x06\x03\x55\x1d\x11\x01\x01\xff"));
}

TEST(a_given_serial_is_kept)
{
    static const unsigned char serial[] = {0x87, 0x65, 0x43, 0x21};
    cleanup(cert_unref) struct cert *ca = make_ca("root");
    cleanup(x509_names_deinit) struct x509_names names = {};
    cleanup(cert_unref) struct cert *cert = NULL;
    cleanup(xfree) char *id = NULL;
    struct err err = {};

    cert = sign(&(struct cert_template){.names = &names,
                                        .public_key = leaf_key,
                                        .serial = serial,
                                        .serial_len = sizeof(serial),
                                        .issuer = ca,
                                        .issuer_key = ca_key});
    ASSERT_STREQ(cert_serial_hex(cert), "87654321");
    ASSERT_OK(cert_ari_id(cert, &id, &err));
    ASSERT_STREQ(strchr(id, '.'), ".AIdlQyE");
}

TEST(wrong_templates_are_refused)
{
    static const unsigned char serial[21] = {1};
    cleanup(cert_unref) struct cert *ca = make_ca("root");
    cleanup(x509_names_deinit) struct x509_names names = {};
    const struct {
        const char *name;
        struct cert_template template;
    } rows[] = {
        {"key of another", {.names = &names, .issuer = ca, .issuer_key = leaf_key}},
        {"self-signed for another key",
         {.names = &names, .public_key = leaf_key, .issuer_key = ca_key}},
        {"long serial",
         {.names = &names, .serial = serial, .serial_len = sizeof(serial), .issuer_key = ca_key}},
        {"backwards", {.names = &names, .not_before_ms = 1, .issuer_key = ca_key}},
        {"algorithm", {.names = &names, .signature = SIGNATURE_SHA256_RSA, .issuer_key = ca_key}},
    };
    struct cert *cert = NULL;
    struct err err = {};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CASE(rows[i].name);
        ASSERT_ERR(ERR_INVALID, cert_sign(&rows[i].template, &cert, &err));
        ASSERT_NULL(cert);
    }
}

/*
 * What a request brought along.
 */

/* C=DE (PrintableString), CN in UTF-8, DC (a type we have no place for); a critical SAN with an otherName;
 * critical nameConstraints. Made by `openssl req`. */
static const char foreign_request[] =
    "-----BEGIN CERTIFICATE REQUEST-----\n"
    "MIIBcDCCARcCAQAwRTELMAkGA1UEBhMCREUxHTAbBgNVBAMMFFplcnRpZmlrYXRz\n"
    "c3RlbGxlIMOkMRcwFQYKCZImiZPyLGQBGRYHZXhhbXBsZTBZMBMGByqGSM49AgEG\n"
    "CCqGSM49AwEHA0IABC7E+FRptka6wCXCvG8vx8iupCJAKNS5puzXnArquglcK437\n"
    "Sn8WTHA3bikA5ip4x2KSFjnlabHCHYc6E/KtAkCgcDBuBgkqhkiG9w0BCQ4xYTBf\n"
    "MD4GA1UdEQEB/wQ0MDKgIAYKKwYBBAGCNxQCA6ASDBB1c2VyQGV4YW1wbGUuY29t\n"
    "gg5jYS5leGFtcGxlLmNvbTAdBgNVHR4BAf8EEzARoA8wDYILZXhhbXBsZS5jb20w\n"
    "CgYIKoZIzj0EAwIDRwAwRAIgRpn1KtIC8BPTdZ8xD0oM4yz0hDDwRXU1w4sQdWIw\n"
    "sncCIEhcnQAddfVXb5uQSpa2Hh9rvjMGwjL0OpIYHuUaM2ep\n"
    "-----END CERTIFICATE REQUEST-----\n";
enum {
    SUBJECT_AT = 11,
    SUBJECT_LEN = 71,
    SAN_AT = 192,
    SAN_LEN = 64,
    BOUNDS_AT = 256,
    BOUNDS_LEN = 31
};

static struct cert *sign_foreign(const struct csr *csr, bool is_ca, struct buf *to_der)
{
    cleanup(cert_unref) struct cert *ca = make_ca("root");
    struct cert *cert = sign(&(struct cert_template){.csr = csr,
                                                     .is_ca = is_ca,
                                                     .not_after_ms = AT("2027-01-01T00:00:00Z"),
                                                     .issuer = ca,
                                                     .issuer_key = ca_key});

    cert_to_der(cert, to_der);
    return cert;
}

TEST(subject_and_names_are_copied_byte_for_byte)
{
    cleanup(csr_free) struct csr *csr = NULL;
    cleanup(cert_unref) struct cert *cert = NULL;
    cleanup(buf_deinit) struct buf asked = BUF(4096), der = BUF(4096);
    struct err err = {};

    ASSERT_OK(csr_parse(foreign_request, sizeof(foreign_request) - 1, &csr, &err));
    csr_to_der(csr, &asked);
    cert = sign_foreign(csr, false, &der);
    ASSERT_TRUE(has_bytes(&der, asked.data + SUBJECT_AT, SUBJECT_LEN));
    ASSERT_TRUE(has_bytes(&der, asked.data + SAN_AT, SAN_LEN));
    ASSERT_STREQ(cert_names(cert)->dns_names.items[0], "ca.example.com");
}

TEST(a_ca_that_asked_for_bounds_gets_them)
{
    cleanup(csr_free) struct csr *csr = NULL;
    cleanup(cert_unref) struct cert *leaf = NULL, *ca = NULL;
    cleanup(buf_deinit) struct buf asked = BUF(4096), leaf_der = BUF(4096), ca_der = BUF(4096);
    struct err err = {};

    ASSERT_OK(csr_parse(foreign_request, sizeof(foreign_request) - 1, &csr, &err));
    csr_to_der(csr, &asked);
    leaf = sign_foreign(csr, false, &leaf_der);
    ca = sign_foreign(csr, true, &ca_der);
    ASSERT_FALSE(has_bytes(&leaf_der, asked.data + BOUNDS_AT, BOUNDS_LEN));
    ASSERT_TRUE(has_bytes(&ca_der, asked.data + BOUNDS_AT, BOUNDS_LEN));
}

TEST(the_bounds_of_a_ca_are_read_as_they_were_asked_for)
{
    cleanup(x509_names_deinit) struct x509_names names = {.common_name = xstrdup("ca")};
    cleanup(name_bounds_deinit) struct name_bounds asked = {.critical = true}, got = {};
    struct csr_request request = {.names = &names, .bounds = &asked, .is_ca = true};
    cleanup(csr_free) struct csr *csr = NULL;
    cleanup(cert_unref) struct cert *ca = NULL;
    cleanup(buf_deinit) struct buf der = BUF(4096);
    struct err err = {};

    add(&asked.permitted.dns_domains, "a.test");
    add(&asked.permitted.ip_ranges, "10.0.0.0/8");
    add(&asked.excluded.email_addresses, "b@a.test");
    add(&asked.excluded.uri_domains, "");
    ASSERT_OK(csr_new(&request, leaf_key, &csr, &err));
    ca = sign_foreign(csr, true, &der);
    ASSERT_OK(cert_bounds(ca, &got, &err));
    ASSERT_TRUE(got.critical);
    ASSERT_EQ(got.permitted.dns_domains.len, 1);
    ASSERT_STREQ(got.permitted.dns_domains.items[0], "a.test");
    ASSERT_EQ(got.permitted.ip_ranges.len, 1);
    ASSERT_STREQ(got.permitted.ip_ranges.items[0], "10.0.0.0/8");
    ASSERT_EQ(got.permitted.uri_domains.len, 0);
    ASSERT_EQ(got.excluded.email_addresses.len, 1);
    ASSERT_STREQ(got.excluded.email_addresses.items[0], "b@a.test");
    ASSERT_EQ(got.excluded.uri_domains.len, 1);
    ASSERT_STREQ(got.excluded.uri_domains.items[0], "");
}

TEST(a_certificate_without_bounds_has_none)
{
    cleanup(cert_unref) struct cert *ca = make_ca("root");
    cleanup(name_bounds_deinit) struct name_bounds got = {};
    struct err err = {};

    ASSERT_OK(cert_bounds(ca, &got, &err));
    ASSERT_FALSE(got.critical);
    ASSERT_EQ(got.permitted.dns_domains.len + got.excluded.dns_domains.len, 0);
}

/*
 * Keys of all kinds, as issuer and as subject.
 */

static const struct key_kind {
    const char *name;
    enum key_algorithm algorithm;
    int size;
    const char *signature; /* DER of the algorithm's OID */
    size_t signature_len;
} key_kinds[] = {
    {"RSA 2048", KEY_RSA, 2048, "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b", 11},
    {"P-256", KEY_ECDSA, 256, "\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02", 10},
    {"P-384", KEY_ECDSA, 384, "\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03", 10},
    {"P-521", KEY_ECDSA, 521, "\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x04", 10},
    {"Ed25519", KEY_ED25519, 0, "\x06\x03\x2b\x65\x70", 5},
};

static struct cert *make_root(const struct pkey *key)
{
    cleanup(x509_names_deinit) struct x509_names names = {.common_name = xstrdup("root")};

    return sign(&(struct cert_template){.names = &names,
                                        .is_ca = true,
                                        .not_before_ms = AT("2026-01-01T00:00:00Z"),
                                        .not_after_ms = AT("2036-01-01T00:00:00Z"),
                                        .issuer_key = key});
}

static void issue_and_verify(const struct key_kind *issuer, const struct pkey *root_key,
                             const struct pkey *key)
{
    cleanup(x509_names_deinit) struct x509_names names = {};
    cleanup(csr_free) struct csr *csr = NULL;
    cleanup(cert_unref) struct cert *root = make_root(root_key), *cert = NULL;
    cleanup(buf_deinit) struct buf der = BUF(8192);
    struct chain chain = {.certs = (struct cert *[]){NULL, root}, .len = 2};
    struct chain_expectation expect = {
        .key = key, .dns_names = &names.dns_names, .now_ms = AT("2026-02-01T00:00:00Z")};
    struct err err = {};

    add(&names.dns_names, "a.example");
    ASSERT_OK(csr_new(&(struct csr_request){.names = &names}, key, &csr, &err));
    cert = sign(&(struct cert_template){.csr = csr,
                                        .not_before_ms = AT("2026-01-01T00:00:00Z"),
                                        .not_after_ms = AT("2026-04-01T00:00:00Z"),
                                        .issuer = root,
                                        .issuer_key = root_key});
    chain.certs[0] = cert;
    ASSERT_OK(chain_verify(&chain, &expect, NULL, &err)); /* X509_verify() among others */
    cert_to_der(cert, &der);
    ASSERT_TRUE(has_bytes(&der, issuer->signature, issuer->signature_len));
}

TEST(keys_of_every_kind_sign_for_every_kind)
{
    const struct pkey *keys[ARRAY_LEN(key_kinds)] = {};
    struct err err = {};

    for (size_t i = 0; i < ARRAY_LEN(key_kinds); i++)
        ASSERT_OK(pkey_generate(key_kinds[i].algorithm, key_kinds[i].size, &keys[i], &err));
    for (size_t i = 0; i < ARRAY_LEN(key_kinds); i++) {
        for (size_t j = 0; j < ARRAY_LEN(key_kinds); j++) {
            cleanup(xfree) char *row = xasprintf("%s for %s", key_kinds[i].name, key_kinds[j].name);

            CASE(row);
            issue_and_verify(&key_kinds[i], keys[i], keys[j]);
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(key_kinds); i++)
        pkey_unref(keys[i]);
}

/*
 * Where to ask about it.
 */

static int sign_with_urls(const struct strlist *crl, const struct strlist *ocsp,
                          const struct strlist *issuer, struct buf *to_der, struct err *err)
{
    cleanup(x509_names_deinit) struct x509_names names = {.common_name = xstrdup("a")};
    cleanup(cert_unref) struct cert *cert = NULL;
    int r = cert_sign(&(struct cert_template){.names = &names,
                                              .issuer_key = ca_key,
                                              .crl_urls = crl,
                                              .ocsp_urls = ocsp,
                                              .issuer_urls = issuer},
                      &cert, err);

    if (r == 0)
        cert_to_der(cert, to_der);
    return r;
}

TEST(urls_of_lists_responders_and_issuers_are_extensions)
{
    cleanup(strlist_deinit) struct strlist crl = {}, ocsp = {}, issuer = {}, none = {};
    cleanup(buf_deinit) struct buf with = BUF(4096), without = BUF(4096);
    struct err err = {};

    add(&crl, "http://c/1");
    add(&crl, "http://c/2");
    add(&ocsp, "http://o");
    add(&issuer, "http://i");
    ASSERT_OK(sign_with_urls(&crl, &ocsp, &issuer, &with, &err));
    /* a point of its own for each list */
    ASSERT_TRUE(HAS(&with, "\xa0\x0e\xa0\x0c\x86\x0ahttp://c/1"));
    ASSERT_TRUE(HAS(&with, "\xa0\x0e\xa0\x0c\x86\x0ahttp://c/2"));
    ASSERT_TRUE(HAS(&with, "\x06\x08\x2b\x06\x01\x05\x05\x07\x30\x01\x86\x08http://o"));
    ASSERT_TRUE(HAS(&with, "\x06\x08\x2b\x06\x01\x05\x05\x07\x30\x02\x86\x08http://i"));
    ASSERT_OK(sign_with_urls(&none, NULL, &none, &without, &err));
    ASSERT_FALSE(HAS(&without, "\x06\x03\x55\x1d\x1f"));
    ASSERT_FALSE(HAS(&without, "\x06\x08\x2b\x06\x01\x05\x05\x07\x01\x01"));
}

TEST(what_is_no_url_is_refused)
{
    static const char *const wrong[] = {"http://a b", "http://\xc3\xa4", "http://a\n"};

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        cleanup(strlist_deinit) struct strlist urls = {};
        cleanup(buf_deinit) struct buf der = BUF(4096);
        struct err err = {};

        CASE(wrong[i]);
        add(&urls, wrong[i]);
        ASSERT_ERR(ERR_INVALID, sign_with_urls(&urls, NULL, NULL, &der, &err));
        ASSERT_CONTAINS(err.text, "CRL distribution point: the URL");
        ASSERT_ERR(ERR_INVALID, sign_with_urls(NULL, &urls, NULL, &der, &err));
        ASSERT_CONTAINS(err.text, "OCSP URL: the URL");
        ASSERT_ERR(ERR_INVALID, sign_with_urls(NULL, NULL, &urls, &der, &err));
        ASSERT_CONTAINS(err.text, "CA Issuers URL: the URL");
    }
}

static int make_keys(void **state)
{
    if (pkey_generate(KEY_ED25519, 0, &leaf_key, NULL) < 0)
        return -1;
    return pkey_generate(KEY_ECDSA, 384, &ca_key, NULL);
}

static int free_keys(void **state)
{
    pkey_unref(ca_key);
    pkey_unref(leaf_key);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_self_signed_ca_is_one),
        cmocka_unit_test(a_request_becomes_a_certificate_with_its_names_key_and_usages),
        cmocka_unit_test(names_without_a_subject_make_the_san_critical),
        cmocka_unit_test(a_given_serial_is_kept),
        cmocka_unit_test(wrong_templates_are_refused),
        cmocka_unit_test(subject_and_names_are_copied_byte_for_byte),
        cmocka_unit_test(a_ca_that_asked_for_bounds_gets_them),
        cmocka_unit_test(the_bounds_of_a_ca_are_read_as_they_were_asked_for),
        cmocka_unit_test(a_certificate_without_bounds_has_none),
        cmocka_unit_test(keys_of_every_kind_sign_for_every_kind),
        cmocka_unit_test(urls_of_lists_responders_and_issuers_are_extensions),
        cmocka_unit_test(what_is_no_url_is_refused),
    };

    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
