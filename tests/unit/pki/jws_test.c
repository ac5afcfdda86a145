#include "base/base64.h"
#include "base/limits.h"
#include "base/str.h"
#include "pki/pkey.h"
#include "support/testing.h"

/* The payload of RFC 7515 appendix A. */
#define RFC7515_PAYLOAD                                                                            \
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVl" \
    "fQ"

/* A throw-away key, and one whose x begins with a zero byte. */
static const char ec1_pem[] = "-----BEGIN EC PRIVATE KEY-----\n"
                              "MHcCAQEEIGQGBEe4NtDQoreF6S8ZZXPOwJ3FTmLHarht4m1ZYFr8oAoGCCqGSM49\n"
                              "AwEHoUQDQgAELVudmFEDuPz7LPT0xw4awWKibS3LlTwERHQcO/nUY8o9WzaBf/0Z\n"
                              "cfd30l65GMedf39Qvu3Hk51KePHyLHqUYA==\n"
                              "-----END EC PRIVATE KEY-----\n";

static const char zerox_pem[] = "-----BEGIN EC PRIVATE KEY-----\n"
                                "MHcCAQEEIFpjIyY71TJWuIJKJb5QvDePG8MSKUGwmNlusWI9dfAeoAoGCCqGSM49\n"
                                "AwEHoUQDQgAEAOefcNtKKBXUqdJjxb6HutO/haRBODfSE0UrQmSMfA6ZzbU3kle6\n"
                                "1/cKwntVyjp10BJwrlqIRIsF6iD6Av3DtA==\n"
                                "-----END EC PRIVATE KEY-----\n";

/* The key of RFC 8037 A.1 in PKCS#8. */
static const char rfc8037_pem[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
    "-----END PRIVATE KEY-----\n";

struct jwk {
    const char *n, *e, *crv, *x, *y;
};

static const struct jwk rfc7515_a2 = {
    .n =
        "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4"
        "d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5re"
        "xMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxX"
        "FvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
    .e = "AQAB",
};
static const struct jwk rfc7515_a3 = {
    .crv = "P-256",
    .x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    .y = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
};
static const struct jwk rfc7638_3_1 = {
    .n =
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECP"
        "ebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY"
        "368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0f"
        "M4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
    .e = "AQAB",
};
static const struct jwk rfc8037_a2 = {
    .crv = "Ed25519",
    .x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
};
static const struct jwk ec1 = {
    .crv = "P-256",
    .x = "LVudmFEDuPz7LPT0xw4awWKibS3LlTwERHQcO_nUY8o",
    .y = "PVs2gX_9GXH3d9JeuRjHnX9_UL7tx5OdSnjx8ix6lGA",
};

static const struct pkey *key_of(const struct jwk *jwk)
{
    const struct pkey *key = NULL;
    struct err err = {};

    ASSERT_OK(pkey_from_jwk_text(jwk->n, jwk->e, jwk->crv, jwk->x, jwk->y, &key, &err));
    return key;
}

static const struct pkey *read_key(const char *pem)
{
    const struct pkey *key = NULL;
    struct err err = {};

    ASSERT_OK(pkey_from_pem(pem, strlen(pem), &key, &err));
    return key;
}

TEST(known_signatures_verify_and_changed_ones_do_not)
{
    static const struct {
        const char *name;
        const struct jwk *jwk;
        const char *alg, *input, *signature;
    } rows[] = {
        {"RFC 7515 A.2", &rfc7515_a2, "RS256", "eyJhbGciOiJSUzI1NiJ9." RFC7515_PAYLOAD,
         "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5"
         "jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb"
         "1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QO"
         "YEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"},
        {"RFC 7515 A.3", &rfc7515_a3, "ES256", "eyJhbGciOiJFUzI1NiJ9." RFC7515_PAYLOAD,
         "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"},
        {"RFC 8037 A.4", &rfc8037_a2, "EdDSA",
         "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
         "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"},
        {"r begins with zeros", &ec1, "ES256", "certlet",
         "ADxhy4N2btG8s2C2WkU5vT3fvmFgp3NSXYaB7jZdWvl9tQpVAFRhB7iaxfu5Tcg54gbANlxmotGuJVTvGLr5CA"},
        {"s begins with zeros", &ec1, "ES256", "certlet",
         "452V2am39ah__fg7UUAob-3zhNYrNHbS5vVZZax4QRsAsAtmh600fR7PIhXK3BZ2N_ohi51UCwKnjEHyFMrThg"},
    };
    struct err err = {};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(pkey_unref) const struct pkey *key = key_of(rows[i].jwk);
        cleanup(buf_deinit) struct buf signature = BUF(1024);
        const char *input = rows[i].input;

        CASE(rows[i].name);
        ASSERT_STREQ(pkey_jws_alg(key), rows[i].alg);
        ASSERT_OK(base64url_decode(&signature, rows[i].signature, strlen(rows[i].signature), &err));
        ASSERT_OK(pkey_jws_verify(key, input, strlen(input), signature.data, signature.len, &err));
        ASSERT_ERR(ERR_DENIED, pkey_jws_verify(key, input, strlen(input) - 1, signature.data,
                                               signature.len, &err));
        ASSERT_ERR(ERR_DENIED, pkey_jws_verify(key, input, strlen(input), signature.data,
                                               signature.len - 1, &err));
        signature.data[3] ^= 1;
        ASSERT_ERR(ERR_DENIED,
                   pkey_jws_verify(key, input, strlen(input), signature.data, signature.len, &err));
    }
}

TEST(an_ed25519_signature_is_that_of_rfc_8037_a4)
{
    static const char input[] = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    cleanup(pkey_unref) const struct pkey *key = read_key(rfc8037_pem);
    cleanup(buf_deinit) struct buf signature = BUF(64);
    cleanup(xfree) char *text = NULL;
    struct err err = {};

    ASSERT_OK(pkey_jws_sign(key, input, strlen(input), &signature, &err));
    text = base64url_new(signature.data, signature.len);
    ASSERT_STREQ(text,
                 "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvp"
                 "Ar_MuM0KAg");
}

TEST(ecdsa_signatures_are_as_wide_as_their_curve)
{
    static const struct {
        int size;
        const char *alg;
        size_t len;
        int times; /* for P-256 enough that leading zeros turn up */
    } rows[] = {{256, "ES256", 64, 1000}, {384, "ES384", 96, 20}, {521, "ES512", 132, 20}};
    struct err err = {};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(pkey_unref) const struct pkey *key = NULL;

        CASE(rows[i].alg);
        ASSERT_OK(pkey_generate(KEY_ECDSA, rows[i].size, &key, &err));
        ASSERT_STREQ(pkey_jws_alg(key), rows[i].alg);
        for (int j = 0; j < rows[i].times; j++) {
            cleanup(buf_deinit) struct buf signature = BUF(200);

            ASSERT_OK(pkey_jws_sign(key, "x", 1, &signature, &err));
            ASSERT_EQ(signature.len, rows[i].len);
            if (signature.data[0] == 0 || j % 50 == 0)
                ASSERT_OK(pkey_jws_verify(key, "x", 1, signature.data, signature.len, &err));
        }
    }
}

TEST(thumbprints_are_the_known_ones)
{
    static const struct {
        const char *name;
        const struct jwk *jwk;
        const char *thumbprint;
    } rows[] = {
        {"RFC 7638 3.1", &rfc7638_3_1, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"},
        {"RFC 8037 A.3", &rfc8037_a2, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"},
        {"P-256", &ec1, "AnLColYygDnZDtqpyUkYT9XXFX83KPc-9ebHCCQ0yNc"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(pkey_unref) const struct pkey *key = key_of(rows[i].jwk);
        cleanup(xfree) char *thumbprint = pkey_thumbprint(key);

        CASE(rows[i].name);
        ASSERT_STREQ(thumbprint, rows[i].thumbprint);
    }
}

TEST(a_jwk_has_exactly_the_members_of_rfc_7638_in_order)
{
    cleanup(pkey_unref) const struct pkey *ec = read_key(zerox_pem);
    cleanup(pkey_unref) const struct pkey *okp = read_key(rfc8037_pem);
    cleanup(pkey_unref) const struct pkey *rsa = key_of(&rfc7638_3_1);
    cleanup(buf_deinit) struct buf jwk = BUF(2048);
    cleanup(xfree) char *rsa_jwk = xasprintf("{\"e\":\"AQAB\",\"kty\":\"RSA\",\"n\":\"%s\"}",
                                             rfc7638_3_1.n);

    pkey_jwk(ec, &jwk); /* x keeps its leading zero byte */
    ASSERT_STREQ(buf_str(&jwk), "{\"crv\":\"P-256\",\"kty\":\"EC\","
                                "\"x\":\"AOefcNtKKBXUqdJjxb6HutO_haRBODfSE0UrQmSMfA4\","
                                "\"y\":\"mc21N5JXutf3CsJ7Vco6ddAScK5aiESLBeog-gL9w7Q\"}");
    buf_reset(&jwk);
    pkey_jwk(okp, &jwk);
    ASSERT_STREQ(buf_str(&jwk), "{\"crv\":\"Ed25519\",\"kty\":\"OKP\","
                                "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}");
    buf_reset(&jwk);
    pkey_jwk(rsa, &jwk);
    ASSERT_STREQ(buf_str(&jwk), rsa_jwk);
}

TEST(a_key_signs_what_its_jwk_verifies)
{
    cleanup(pkey_unref) const struct pkey *private_key = read_key(ec1_pem);
    cleanup(pkey_unref) const struct pkey *public_key = key_of(&ec1);
    cleanup(buf_deinit) struct buf signature = BUF(64);
    struct err err = {};

    ASSERT_TRUE(pkey_equal_public(private_key, public_key));
    ASSERT_OK(pkey_jws_sign(private_key, "abc", 3, &signature, &err));
    ASSERT_OK(pkey_jws_verify(public_key, "abc", 3, signature.data, signature.len, &err));
}

TEST(bad_jwks_are_refused)
{
    static const struct {
        const char *name;
        struct jwk jwk;
        int code;
    } rows[] = {
        {"nothing", {}, ERR_INVALID},
        {"no e", {.n = "AQAB"}, ERR_INVALID},
        {"short n", {.n = "AQAB", .e = "AQAB"}, ERR_INVALID},
        {"not base64url", {.crv = "Ed25519", .x = "!!"}, ERR_INVALID},
        {"short x", {.crv = "Ed25519", .x = "AQAB"}, ERR_INVALID},
        {"long x",
         {.crv = "Ed25519", .x = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
         ERR_TOO_LARGE},
        {"no y", {.crv = "P-256", .x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"}, ERR_INVALID},
        {"not on the curve",
         {.crv = "P-256",
          .x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
          .y = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"},
         ERR_INVALID},
        {"unknown curve", {.crv = "secp256k1", .x = "AQAB", .y = "AQAB"}, ERR_UNSUPPORTED},
    };
    const struct pkey *key = NULL;
    struct err err = {};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct jwk *jwk = &rows[i].jwk;

        CASE(rows[i].name);
        ASSERT_ERR(rows[i].code,
                   pkey_from_jwk_text(jwk->n, jwk->e, jwk->crv, jwk->x, jwk->y, &key, &err));
        ASSERT_NULL(key);
    }
}

RUN_TESTS(cmocka_unit_test(known_signatures_verify_and_changed_ones_do_not),
          cmocka_unit_test(an_ed25519_signature_is_that_of_rfc_8037_a4),
          cmocka_unit_test(ecdsa_signatures_are_as_wide_as_their_curve),
          cmocka_unit_test(thumbprints_are_the_known_ones),
          cmocka_unit_test(a_jwk_has_exactly_the_members_of_rfc_7638_in_order),
          cmocka_unit_test(a_key_signs_what_its_jwk_verifies),
          cmocka_unit_test(bad_jwks_are_refused));
