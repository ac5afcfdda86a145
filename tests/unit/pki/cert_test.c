#include "pki/cert.h"

#include "base/limits.h"
#include "pki/pem.h"
#include "support/testing.h"

/* RFC 9773 appendix A. */
static const char rfc9773_pem[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBQzCB66ADAgECAgUAh2VDITAKBggqhkjOPQQDAjAVMRMwEQYDVQQDEwpFeGFt\n"
    "cGxlIENBMCIYDzAwMDEwMTAxMDAwMDAwWhgPMDAwMTAxMDEwMDAwMDBaMBYxFDAS\n"
    "BgNVBAMTC2V4YW1wbGUuY29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEeBZu\n"
    "7cbpAYNXZLbbh8rNIzuOoqOOtmxA1v7cRm//AwyMwWxyHz4zfwmBhcSrf47NUAFf\n"
    "qzLQ2PPQxdTXREYEnKMjMCEwHwYDVR0jBBgwFoAUaYhba4dGQEHhs3uEe6CuLN4B\n"
    "yNQwCgYIKoZIzj0EAwIDRwAwRAIge09+S5TZAlw5tgtiVvuERV6cT4mfutXIlwTb\n"
    "+FYN/8oCIClDsqBklhB9KAelFiYt9+6FDj3z4KGVelYM5MdsO3pK\n"
    "-----END CERTIFICATE-----\n";

/* Made with Python's cryptography; those that are refused were changed after signing. */
static const char full_pem[] = "-----BEGIN CERTIFICATE-----\n"
                               "MIICFTCCAbqgAwIBAgIEAPHi0zAKBggqhkjOPQQDAjARMQ8wDQYDVQQDDAZpc3N1\n"
                               "ZXIwHhcNMjYwMTAxMDAwMDAwWhcNMjYwNDAxMDAwMDAwWjBpMQswCQYDVQQGEwJE\n"
                               "RTEWMBQGA1UECgwNR3LDtsOfZSwgSW5jLjENMAsGA1UECgwEWndlaTESMBAGCgmS\n"
                               "JomT8ixkARkWAmV4MQ4wDAYDVQQDDAVmaXJzdDEPMA0GA1UEAwwGc2Vjb25kMFkw\n"
                               "EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAELVudmFEDuPz7LPT0xw4awWKibS3LlTwE\n"
                               "RHQcO/nUY8o9WzaBf/0Zcfd30l65GMedf39Qvu3Hk51KePHyLHqUYKOBpzCBpDBt\n"
                               "BgNVHREEZjBkgglBLmV4YW1wbGWCCyouYi5leGFtcGxlhwTAAAIBhxAgAQ24AAAA\n"
                               "AAAAAAAAAAABgQxtZUBhLmV4YW1wbGWGDHNwaWZmZTovL2EvYogDKgMEoBEGCisG\n"
                               "AQQBgjcUAgOgAwwBdTAOBgNVHQ8BAf8EBAMCBaAwIwYDVR0lBBwwGgYIKwYBBQUH\n"
                               "AwEGBCoDBAUGCCsGAQUFBwMEMAoGCCqGSM49BAMCA0kAMEYCIQCDtR7Mcm83Gk2r\n"
                               "k70ru6xus1siBMy14mw+7IbAIMabqgIhAKxb8dbJU7HlJ5bpE1qOrkpKaYI2sKFo\n"
                               "4YiYBB/eMKuU\n"
                               "-----END CERTIFICATE-----\n";

static const char nul_san_pem[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBMzCB2qADAgECAgEKMAoGCCqGSM49BAMCMBExDzANBgNVBAMMBmlzc3VlcjAe\n"
    "Fw0yNjAxMDEwMDAwMDBaFw0yNjA0MDEwMDAwMDBaMAwxCjAIBgNVBAMMAXgwWTAT\n"
    "BgcqhkjOPQIBBggqhkjOPQMBBwNCAAQtW52YUQO4/Pss9PTHDhrBYqJtLcuVPARE\n"
    "dBw7+dRjyj1bNoF//Rlx93fSXrkYx51/f1C+7ceTnUp48fIsepRgoygwJjAkBgNV\n"
    "HREEHTAbghliYW5rLmV4YW1wbGUAZXZpbC5leGFtcGxlMAoGCCqGSM49BAMCA0gA\n"
    "MEUCIQCS+izNofer+1bOwn6eeUT+qP8py6noUTr/Fls0FcsgtgIgQuA/zqsdNESZ\n"
    "LJlLOBpubbiwhbg0YJTVpV+dbvV/r/g=\n"
    "-----END CERTIFICATE-----\n";

static const char nul_cn_pem[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBITCByKADAgECAgEKMAoGCCqGSM49BAMCMBExDzANBgNVBAMMBmlzc3VlcjAe\n"
    "Fw0yNjAxMDEwMDAwMDBaFw0yNjA0MDEwMDAwMDBaMCQxIjAgBgNVBAMMGWJhbmsu\n"
    "ZXhhbXBsZQBldmlsLmV4YW1wbGUwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQt\n"
    "W52YUQO4/Pss9PTHDhrBYqJtLcuVPAREdBw7+dRjyj1bNoF//Rlx93fSXrkYx51/\n"
    "f1C+7ceTnUp48fIsepRgMAoGCCqGSM49BAMCA0gAMEUCIGWwq3bWQ7PDI+W2t9cV\n"
    "CivfXeGfzNBF3dFt8KOPUQ/zAiEAmcV3lY+MX03ZYMeqXfaRCP3Z/HFDnteak6MV\n"
    "iTekpnw=\n"
    "-----END CERTIFICATE-----\n";

static const char nul_issuer_pem[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBCTCBsKADAgECAgEKMAoGCCqGSM49BAMCMBExDzANBgNVBAMMBmlzcwBlcjAe\n"
    "Fw0yNjAxMDEwMDAwMDBaFw0yNjA0MDEwMDAwMDBaMAwxCjAIBgNVBAMMAXgwWTAT\n"
    "BgcqhkjOPQIBBggqhkjOPQMBBwNCAAQtW52YUQO4/Pss9PTHDhrBYqJtLcuVPARE\n"
    "dBw7+dRjyj1bNoF//Rlx93fSXrkYx51/f1C+7ceTnUp48fIsepRgMAoGCCqGSM49\n"
    "BAMCA0gAMEUCIQC3TbLks3BX+CMAR/4yGZ+ywwfkHub7+doUX5C8d2XjqwIgfRM6\n"
    "vhCZcK60XD77/uxdJuALV5WFk+hYievx3NFkhAo=\n"
    "-----END CERTIFICATE-----\n";

static const char high_san_pem[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBJzCBz6ADAgECAgEKMAoGCCqGSM49BAMCMBExDzANBgNVBAMMBmlzc3VlcjAe\n"
    "Fw0yNjAxMDEwMDAwMDBaFw0yNjA0MDEwMDAwMDBaMAwxCjAIBgNVBAMMAXgwWTAT\n"
    "BgcqhkjOPQIBBggqhkjOPQMBBwNCAAQtW52YUQO4/Pss9PTHDhrBYqJtLcuVPARE\n"
    "dBw7+dRjyj1bNoF//Rlx93fSXrkYx51/f1C+7ceTnUp48fIsepRgox0wGzAZBgNV\n"
    "HREEEjAQgg5i/GNoZXIuZXhhbXBsZTAKBggqhkjOPQQDAgNHADBEAiBqglopTsvS\n"
    "gM8Ynlbj2TrTPkzHKZtO5sgPhDvo1BznUgIgbrkyMVkwDDLLhpN+4rTN4pezhV0j\n"
    "YhzGbz2atbRhCvU=\n"
    "-----END CERTIFICATE-----\n";

static const char ip5_san_pem[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBIjCByaADAgECAgEKMAoGCCqGSM49BAMCMBExDzANBgNVBAMMBmlzc3VlcjAe\n"
    "Fw0yNjAxMDEwMDAwMDBaFw0yNjA0MDEwMDAwMDBaMAwxCjAIBgNVBAMMAXgwWTAT\n"
    "BgcqhkjOPQIBBggqhkjOPQMBBwNCAAQtW52YUQO4/Pss9PTHDhrBYqJtLcuVPARE\n"
    "dBw7+dRjyj1bNoF//Rlx93fSXrkYx51/f1C+7ceTnUp48fIsepRgoxcwFTATBgNV\n"
    "HREEDDAKhwjAAAIBgQJhYjAKBggqhkjOPQQDAgNIADBFAiAn2eX+vDsW4Kdwfurx\n"
    "zOkM/GsT/sBnKuSc0w2hSahkdAIhAN3zX4apzP6ZA4E5EAAyhjOVTAmVCL60WQrT\n"
    "rGUkUhc9\n"
    "-----END CERTIFICATE-----\n";

static const char two_sans_pem[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBODCB36ADAgECAgEKMAoGCCqGSM49BAMCMBExDzANBgNVBAMMBmlzc3VlcjAe\n"
    "Fw0yNjAxMDEwMDAwMDBaFw0yNjA0MDEwMDAwMDBaMAwxCjAIBgNVBAMMAXgwWTAT\n"
    "BgcqhkjOPQIBBggqhkjOPQMBBwNCAAQtW52YUQO4/Pss9PTHDhrBYqJtLcuVPARE\n"
    "dBw7+dRjyj1bNoF//Rlx93fSXrkYx51/f1C+7ceTnUp48fIsepRgoy0wKzAUBgNV\n"
    "HREEDTALgglhLmV4YW1wbGUwEwYDVR0RBAwECjAxMjM0NTY3ODkwCgYIKoZIzj0E\n"
    "AwIDSAAwRQIhAPcB4DIU8hSXjdIsirGeP+nwdzOtvSxtfkOx9dwRewRMAiBf7GsY\n"
    "cBZpGrTE3jKq33H2Por6vnGF/n7/Xq3CGbfcBA==\n"
    "-----END CERTIFICATE-----\n";

static int read_cert(const char *pem, struct cert **ret, struct err *err)
{
    cleanup(pem_block_deinit) struct pem_block block = {};
    const char *at = pem;
    int r;

    r = pem_next(&at, pem + strlen(pem), &block, err);
    return r < 0 ? r : cert_from_der(block.der, block.der_len, ret, err);
}

TEST(the_renewal_identifier_is_that_of_rfc_9773)
{
    cleanup(cert_unref) struct cert *cert = NULL;
    cleanup(xfree) char *id = NULL;
    struct err err = {};

    ASSERT_OK(read_cert(rfc9773_pem, &cert, &err));
    ASSERT_OK(cert_ari_id(cert, &id, &err));
    ASSERT_STREQ(id, "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE");
    ASSERT_STREQ(cert_serial_hex(cert), "87654321");
    ASSERT_STREQ(cert_issuer_common_name(cert), "Example CA");
    ASSERT_EQ(cert_not_after_ms(cert), AT("0001-01-01T00:00:00Z"));
}

TEST(without_an_authority_key_identifier_there_is_no_renewal_identifier)
{
    cleanup(cert_unref) struct cert *cert = NULL;
    char *id = NULL;
    struct err err = {};

    ASSERT_OK(read_cert(full_pem, &cert, &err));
    ASSERT_ERR(ERR_UNSUPPORTED, cert_ari_id(cert, &id, &err));
    ASSERT_NULL(id);
}

TEST(what_a_certificate_says_is_read)
{
    cleanup(cert_unref) struct cert *cert = NULL;
    cleanup(xfree) char *fingerprint = NULL;
    const struct x509_names *names;
    struct err err = {};

    ASSERT_OK(read_cert(full_pem, &cert, &err));
    ASSERT_EQ(cert_not_before_ms(cert), AT("2026-01-01T00:00:00Z"));
    ASSERT_EQ(cert_not_after_ms(cert), AT("2026-04-01T00:00:00Z"));
    ASSERT_STREQ(cert_subject(cert), "CN=second,CN=first,DC=ex,O=Zwei,O=Gr\xc3\xb6\xc3\x9f"
                                     "e\\, Inc.,C=DE");
    ASSERT_STREQ(cert_issuer(cert), "CN=issuer");
    ASSERT_STREQ(cert_issuer_common_name(cert), "issuer");
    ASSERT_STREQ(cert_serial_hex(cert), "f1e2d3");
    ASSERT_EQ(cert_usages(cert), USAGE(DIGITAL_SIGNATURE) | USAGE(KEY_ENCIPHERMENT) |
                                     USAGE(SERVER_AUTH) | USAGE(EMAIL_PROTECTION));
    ASSERT_EQ(pkey_size(cert_public_key(cert)), 256);
    ASSERT_FALSE(cert_is_ca(cert));
    ASSERT_FALSE(cert_is_self_signed(cert));
    fingerprint = cert_fingerprint_hex(cert);
    ASSERT_STREQ(fingerprint, "61a770aa0cedfc4134a429cfc10ac43a7fe356e3df58cdc34f191a30a61a8f25");

    names = cert_names(cert);
    ASSERT_STREQ(names->common_name, "second");
    ASSERT_EQ(names->organizations.len, 2);
    ASSERT_STREQ(names->organizations.items[0], "Gr\xc3\xb6\xc3\x9f"
                                                "e, Inc.");
    ASSERT_STREQ(names->countries.items[0], "DE");
    ASSERT_EQ(names->dns_names.len, 2);
    ASSERT_STREQ(names->dns_names.items[0], "A.example"); /* as it stands */
    ASSERT_STREQ(names->dns_names.items[1], "*.b.example");
    ASSERT_STREQ(names->ip_addresses.items[0], "192.0.2.1");
    ASSERT_STREQ(names->ip_addresses.items[1], "2001:db8::1");
    ASSERT_STREQ(names->email_addresses.items[0], "me@a.example");
    ASSERT_STREQ(names->uris.items[0], "spiffe://a/b");
}

TEST(a_certificate_is_written_as_it_was_read)
{
    cleanup(cert_unref) struct cert *cert = NULL;
    cleanup(cert_unref) struct cert *second = NULL;
    cleanup(buf_deinit) struct buf pem = BUF(LIMIT_CERT_PEM);
    struct err err = {};

    ASSERT_OK(read_cert(full_pem, &cert, &err));
    second = cert_ref(cert);
    cert_to_pem(second, &pem);
    ASSERT_STREQ(buf_str(&pem), full_pem);
}

TEST(certificates_that_could_mislead_are_refused)
{
    static const struct {
        const char *name, *pem, *says;
    } rows[] = {
        {"NUL in a DNS name", nul_san_pem, "NUL"},
        {"NUL in the common name", nul_cn_pem, "NUL"},
        {"NUL in the issuer", nul_issuer_pem, "NUL"},
        {"DNS name that is not ASCII", high_san_pem, "ASCII"},
        {"IP address of 8 bytes", ip5_san_pem, "8 bytes"},
        {"two alternative name extensions", two_sans_pem, "more than once"},
        {"garbage", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
         "cannot be read"},
    };
    struct cert *cert = NULL;
    struct err err = {};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CASE(rows[i].name);
        ASSERT_ERR(ERR_INVALID, read_cert(rows[i].pem, &cert, &err));
        ASSERT_CONTAINS(err.text, rows[i].says);
        ASSERT_NULL(cert);
    }
}

TEST(bytes_behind_a_certificate_are_refused)
{
    cleanup(cert_unref) struct cert *cert = NULL;
    cleanup(buf_deinit) struct buf der = BUF(LIMIT_CERT_PEM);
    struct cert *got = NULL;
    struct err err = {};

    ASSERT_OK(read_cert(full_pem, &cert, &err));
    cert_to_der(cert, &der);
    buf_add_char(&der, 0);
    ASSERT_ERR(ERR_INVALID, cert_from_der(der.data, der.len, &got, &err));
    for (size_t len = 0; len < der.len - 1; len++)
        ASSERT_ERR(ERR_INVALID, cert_from_der(der.data, len, &got, &err));
}

RUN_TESTS(cmocka_unit_test(the_renewal_identifier_is_that_of_rfc_9773),
          cmocka_unit_test(without_an_authority_key_identifier_there_is_no_renewal_identifier),
          cmocka_unit_test(what_a_certificate_says_is_read),
          cmocka_unit_test(a_certificate_is_written_as_it_was_read),
          cmocka_unit_test(certificates_that_could_mislead_are_refused),
          cmocka_unit_test(bytes_behind_a_certificate_are_refused));
