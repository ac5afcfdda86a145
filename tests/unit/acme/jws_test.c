#include "acme/jws.h"
#include "base/base64.h"
#include "support/testing.h"

/* The P-256 key of RFC 7515 A.3 as PKCS#8. */
static const char rfc7515_key[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjpsQnnGQmL+YBIff\n"
    "H1136cspYG6+0iY7X1fCE9+E9LKhRANCAAR/zc4ncPbEXUGDy+5v20t7WAczNXvp\n"
    "7xO6z248e9FURcfxRM0bvZt+hyzf7bnuufSzaV1uqQskrYpGIyiFiOWt\n"
    "-----END PRIVATE KEY-----\n";

static char *decoded(const struct json *jws, const char *part)
{
    struct buf text = BUF(10000);
    struct err err = {};

    ASSERT_OK(
        base64url_decode(&text, json_get_text(jws, part), strlen(json_get_text(jws, part)), &err));
    return buf_take(&text);
}

static void sign(const struct acme_jws *jws, struct json **ret)
{
    cleanup(pkey_unref) const struct pkey *key = NULL;
    cleanup(xfree) char *text = NULL;
    struct err err = {};

    ASSERT_OK(pkey_generate(KEY_ECDSA, 256, &key, &err));
    ASSERT_OK(acme_jws_sign(key, jws, &text, &err));
    ASSERT_OK(json_parse(text, strlen(text), 10000, ret, &err));
}

TEST(a_jws_is_flattened_with_alg_nonce_url_and_kid)
{
    cleanup(json_unref) struct json *jws = NULL, *payload = json_new_map();
    cleanup(xfree) char *header = NULL, *body = NULL;

    json_set_text(payload, "a", "b");
    sign(&(struct acme_jws){.url = "https://ca.test/o\"1",
                            .nonce = "N",
                            .account_url = "https://ca.test/a/1",
                            .payload = payload},
         &jws);
    header = decoded(jws, "protected");
    body = decoded(jws, "payload");
    ASSERT_STREQ(
        header,
        "{\"alg\":\"ES256\",\"kid\":\"https://ca.test/a/1\",\"nonce\":\"N\",\"url\":\"https://ca.test/o\\\"1\"}");
    ASSERT_STREQ(body, "{\"a\":\"b\"}");
    ASSERT_EQ(json_len(jws), 3);
}

TEST(the_payload_of_post_as_get_is_empty)
{
    cleanup(json_unref) struct json *jws = NULL;

    sign(&(struct acme_jws){.url = "u", .nonce = "N", .account_url = "k"}, &jws);
    ASSERT_STREQ(json_get_text(jws, "payload"), "");
}

TEST(without_an_account_the_key_itself_is_sent)
{
    cleanup(json_unref) struct json *jws = NULL, *header = NULL;
    cleanup(xfree) char *text = NULL;
    struct err err = {};

    sign(&(struct acme_jws){.url = "u", .nonce = "N"}, &jws);
    text = decoded(jws, "protected");
    ASSERT_OK(json_parse(text, strlen(text), 10000, &header, &err));
    ASSERT_NULL(json_get(header, "kid"));
    ASSERT_EQ(json_len(json_get(header, "jwk")), 4);
    ASSERT_STREQ(json_get_text(json_get(header, "jwk"), "crv"), "P-256");
    ASSERT_NULL(json_get(json_get(header, "jwk"), "d")); /* never the private part */
}

/* RFC 8555 7.3.4: MAC-based, kid of the CA, no nonce, the account's JWK as payload. The MAC is
 * computed here again from the parts as they stand. */
TEST(an_external_account_binding_has_the_shape_of_rfc_8555_7_3_4)
{
    cleanup(pkey_unref) const struct pkey *key = NULL;
    cleanup(json_unref) struct json *binding = NULL;
    cleanup(xfree) char *header = NULL, *payload = NULL, *input = NULL, *signature = NULL;
    struct acme_eab eab = {.key_id = "kid-of-ca",
                           .mac_key = (const unsigned char *)"secret",
                           .mac_key_len = 6,
                           .algorithm = DIGEST_SHA256};
    unsigned char mac[DIGEST_MAX];
    struct err err = {};

    ASSERT_OK(pkey_from_pem(rfc7515_key, strlen(rfc7515_key), &key, &err));
    ASSERT_OK(acme_eab_sign(&eab, key, "https://example.com/acme/new-account", &binding, &err));
    header = decoded(binding, "protected");
    payload = decoded(binding, "payload");
    ASSERT_STREQ(
        header,
        "{\"alg\":\"HS256\",\"kid\":\"kid-of-ca\",\"url\":\"https://example.com/acme/new-account\"}");
    ASSERT_STREQ(
        payload,
        "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
        "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}");
    input = xasprintf("%s.%s", json_get_text(binding, "protected"),
                      json_get_text(binding, "payload"));
    ASSERT_OK(hmac(DIGEST_SHA256, "secret", 6, input, strlen(input), mac, &err));
    signature = base64url_new(mac, 32);
    ASSERT_STREQ(json_get_text(binding, "signature"), signature);
}

RUN_TESTS(cmocka_unit_test(a_jws_is_flattened_with_alg_nonce_url_and_kid),
          cmocka_unit_test(the_payload_of_post_as_get_is_empty),
          cmocka_unit_test(without_an_account_the_key_itself_is_sent),
          cmocka_unit_test(an_external_account_binding_has_the_shape_of_rfc_8555_7_3_4));
