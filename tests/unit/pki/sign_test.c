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
    ASSERT_EQ(strlen(cert_serial_hex(cert)), 32);
    ASSERT_OK(cert_ari_id(cert, &id, &err));
    ASSERT_EQ(strlen(id), 27 + 1 + 22); /* 20 and 16 bytes */

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
    };

    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
