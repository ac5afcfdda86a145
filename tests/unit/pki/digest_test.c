#include "pki/digest.h"

#include <stdio.h>

#include "base/base64.h"
#include "support/testing.h"

static void assert_hex(const unsigned char *bytes, size_t len, const char *expected)
{
    char hex[2 * DIGEST_MAX + 1] = "";

    for (size_t i = 0; i < len; i++)
        snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
    ASSERT_STREQ(hex, expected);
}

TEST(digests_of_abc_are_those_of_fips_180)
{
    static const struct {
        enum digest_type type;
        const char *hex;
    } rows[] = {
        {DIGEST_SHA256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {DIGEST_SHA384, "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
                        "8086072ba1e7cc2358baeca134c825a7"},
        {DIGEST_SHA512, "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"},
    };
    unsigned char hash[DIGEST_MAX];

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        digest(rows[i].type, "abc", 3, hash);
        assert_hex(hash, digest_len(rows[i].type), rows[i].hex);
    }
}

TEST(sha256_of_nothing_is_known)
{
    cleanup(xfree) char *hex = sha256_hex(NULL, 0);
    unsigned char hash[SHA256_LEN];

    ASSERT_STREQ(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sha256("", 0, hash);
    assert_hex(hash, sizeof(hash), hex);
}

TEST(hmacs_are_those_of_rfc_4231_case_2)
{
    static const struct {
        enum digest_type type;
        const char *hex;
    } rows[] = {
        {DIGEST_SHA256, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {DIGEST_SHA384, "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e"
                        "8e2240ca5e69e2c78b3239ecfab21649"},
        {DIGEST_SHA512, "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
                        "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"},
    };
    static const char data[] = "what do ya want for nothing?";
    unsigned char mac[DIGEST_MAX];
    struct err err = {};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        ASSERT_OK(hmac(rows[i].type, "Jefe", 4, data, strlen(data), mac, &err));
        assert_hex(mac, digest_len(rows[i].type), rows[i].hex);
    }
}

TEST(hmac_takes_an_empty_key)
{
    unsigned char mac[DIGEST_MAX];
    struct err err = {};

    ASSERT_OK(hmac(DIGEST_SHA256, NULL, 0, "", 0, mac, &err));
    assert_hex(mac, 32, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST(hs256_is_that_of_rfc_7515_a1)
{
    static const char key_text[] = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3"
                                   "Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    static const char input[] = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
                                "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
                                "cGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    cleanup(buf_deinit) struct buf key = BUF_SECRET(64);
    cleanup(xfree) char *text = NULL;
    unsigned char mac[DIGEST_MAX];
    struct err err = {};

    ASSERT_OK(base64url_decode(&key, key_text, strlen(key_text), &err));
    ASSERT_OK(hmac(DIGEST_SHA256, key.data, key.len, input, strlen(input), mac, &err));
    text = base64url_new(mac, SHA256_LEN);
    ASSERT_STREQ(text, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
}

RUN_TESTS(cmocka_unit_test(digests_of_abc_are_those_of_fips_180),
          cmocka_unit_test(sha256_of_nothing_is_known),
          cmocka_unit_test(hmacs_are_those_of_rfc_4231_case_2),
          cmocka_unit_test(hmac_takes_an_empty_key),
          cmocka_unit_test(hs256_is_that_of_rfc_7515_a1));
