#include <stdio.h>

#include "support/fake_ca_world.h"

static const char *const token = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"; /* RFC 8555 8.3 */

/* The key of RFC 7517 A.1 / RFC 7638 3.1, whose thumbprint the RFCs print. */
static const struct pkey *rfc7638_key(void)
{
    static const char n[] =
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3"
        "oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdA"
        "ZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur"
        "-kEgU8awapJzKnqDKgw";
    const struct pkey *key = NULL;
    struct err err = {};

    ASSERT_OK(pkey_from_jwk_text(n, "AQAB", NULL, NULL, NULL, &key, &err));
    return key;
}

TEST(the_key_authorization_is_token_dot_thumbprint)
{
    cleanup(pkey_unref) const struct pkey *key = rfc7638_key();
    cleanup(xfree) char *text = acme_key_authorization(token, key);

    ASSERT_STREQ(
        text,
        "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA.NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}

TEST(the_dns01_value_is_the_digest_of_the_key_authorization)
{
    cleanup(pkey_unref) const struct pkey *key = rfc7638_key();
    cleanup(xfree) char *value = acme_dns01_value(token, key);

    /* printf %s KEY_AUTHORIZATION | openssl dgst -sha256 -binary | basenc --base64url */
    ASSERT_STREQ(value, "ZTRx1Ckl1-tM05o5zaizTTA0yUy5AGereMgSNWC6Ll8");
}

/* CVE-2026-40611 (lego): a token from the CA became a file path. */
TEST(a_token_with_a_path_in_it_is_refused)
{
    static const char *const tokens[] = {
        "../../../../../../etc/passwd",
        "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ/PCt92wr-oA",
        "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ=PCt92wr-oA",
        "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ PCt92wr-oA",
        "evaGxfADs6pSRb2LAv9I\nf17Dt3juxGJ-PCt92wr-oA",
        "",
        "short",
        "evaGxfADs6pSRb2LAv9IZ",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    };
    cleanup(pkey_unref) const struct pkey *key = rfc7638_key();
    struct err err = {};

    ASSERT_OK(acme_token_check(token, &err));
    ASSERT_OK(acme_token_check("evaGxfADs6pSRb2LAv9IZf", &err));
    for (size_t i = 0; i < ARRAY_LEN(tokens); i++) {
        CASE(tokens[i]);
        ASSERT_ERR(ERR_PROTOCOL, acme_token_check(tokens[i], &err));
        ASSERT_STREQ(acme_key_authorization(tokens[i], key), NULL);
        ASSERT_STREQ(acme_dns01_value(tokens[i], key), NULL);
    }
    CASE("");
}

static int read_authorization(struct world *world, struct acme_authorization *authorization,
                              struct err *err)
{
    return acme_authorization_get(world->client, &world->ctx, FAKE_CA_URL "/authz/1", authorization,
                                  NULL, err);
}

TEST(an_authorization_offers_its_challenges)
{
    cleanup(world_deinit) struct world world = {};
    cleanup(acme_order_deinit) struct acme_order order = {};
    cleanup(acme_authorization_deinit) struct acme_authorization authorization = {};
    struct err err = {};

    world_init(&world, NULL);
    world_register(&world);
    world_order(&world, "*.a.example", &order);
    ASSERT_OK(read_authorization(&world, &authorization, &err));
    ASSERT_STREQ(fake_ca_last_payload(world.ca), "");
    ASSERT_EQ(authorization.status, ACME_STATUS_PENDING);
    ASSERT_TRUE(authorization.wildcard);
    ASSERT_EQ(authorization.identifier.type, ACME_DNS);
    ASSERT_STREQ(authorization.identifier.value, "a.example");
    ASSERT_EQ(authorization.expires_ms, AT("2026-01-08T00:00:00Z"));
    ASSERT_EQ(authorization.challenge_count, 1);
    ASSERT_STREQ(authorization.challenges[0].type, "dns-01");
    ASSERT_OK(acme_token_check(authorization.challenges[0].token, &err));
}

struct seen {
    char type[20], name[40], value[100];
    bool is_ip;
};

static bool see(void *arg, const struct fake_ca_validation *validation)
{
    struct seen *seen = arg;

    (void)snprintf(seen->type, sizeof(seen->type), "%s", validation->type);
    (void)snprintf(seen->name, sizeof(seen->name), "%s", validation->name);
    (void)snprintf(seen->value, sizeof(seen->value), "%s", validation->value);
    seen->is_ip = validation->is_ip;
    return true;
}

TEST(a_challenge_is_started_with_an_empty_map)
{
    struct seen seen = {};
    cleanup(world_deinit) struct world world = {};
    cleanup(acme_order_deinit) struct acme_order order = {};
    cleanup(acme_authorization_deinit) struct acme_authorization authorization = {}, after = {};
    cleanup(xfree) char *value = NULL;
    int64_t retry_at_ms = -1;
    struct err err = {};

    world_init(&world, &(struct fake_ca_options){
                           .validate = see, .validate_arg = &seen, .validation_ms = SECONDS(4)});
    world_register(&world);
    world_order(&world, "a.example", &order);
    ASSERT_OK(read_authorization(&world, &authorization, &err));
    ASSERT_OK(acme_challenge_start(world.client, &world.ctx, authorization.challenges[0].url,
                                   &retry_at_ms, NULL, &err));
    ASSERT_STREQ(fake_ca_last_payload(world.ca), "{}");
    ASSERT_EQ(retry_at_ms, world.clock.now_ms + SECONDS(5));
    fake_clock_advance(&world.clock, SECONDS(4));
    ASSERT_OK(read_authorization(&world, &after, &err));
    ASSERT_EQ(after.status, ACME_STATUS_VALID);
    value = acme_dns01_value(authorization.challenges[0].token, world.key);
    ASSERT_STREQ(seen.type, "dns-01");
    ASSERT_STREQ(seen.name, "a.example");
    ASSERT_STREQ(seen.value, value); /* what we would publish is what the CA looks for */
    ASSERT_STREQ(fake_ca_complaint(world.ca), NULL);
}

/* AcmeSwift #22, acmecore: strict clients broke on dns-persist-01, which has no token. */
TEST(challenges_of_unknown_shape_do_not_hide_the_known_ones)
{
    cleanup(world_deinit) struct world world = {};
    cleanup(acme_authorization_deinit) struct acme_authorization authorization = {};
    struct err err = {};

    world_init(&world, NULL);
    world_register(&world);
    fake_ca_queue(
        world.ca, "authz",
        &(struct fake_ca_answer){
            .status = 200,
            .body =
                "{\"status\":\"pending\",\"identifier\":{\"type\":\"dns\",\"value\":\"a.example\"},\"challenges\":["
                "{\"type\":\"dns-persist-01\",\"url\":\"https://ca.test/challenge/1\",\"issuer-domain-names\":[\"a\"]},"
                "{\"type\":\"odd-01\",\"url\":\"https://ca.test/challenge/2\",\"token\":\"../x\",\"status\":\"napping\"},"
                "{\"url\":\"https://ca.test/challenge/3\"},{\"type\":\"email-reply-00\"},17,"
                "{\"type\":\"http-01\",\"url\":\"https://ca.test/challenge/4\",\"status\":\"pending\","
                "\"token\":\"evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA\"}]}"});
    ASSERT_OK(read_authorization(&world, &authorization, &err));
    ASSERT_EQ(authorization.challenge_count, 3);
    ASSERT_STREQ(authorization.challenges[0].token, NULL);
    ASSERT_EQ(authorization.challenges[1].status, ACME_STATUS_UNKNOWN);
    ASSERT_STREQ(authorization.challenges[2].type, "http-01");
    ASSERT_STREQ(authorization.challenges[2].token, token);
}

TEST(an_authorization_of_hostile_shape_is_refused)
{
    static const struct {
        const char *name, *challenge;
        const char *text;
    } rows[] = {
        {"token with a path",
         "{\"type\":\"http-01\",\"url\":\"https://ca.test/c\",\"token\":\"../../../../../../etc/passwd\"}",
         "token"},
        {"no token", "{\"type\":\"http-01\",\"url\":\"https://ca.test/c\"}", "token"},
        {"token of another type",
         "{\"type\":\"dns-01\",\"url\":\"https://ca.test/c\",\"token\":[1]}", "token"},
        {"http URL",
         "{\"type\":\"http-01\",\"url\":\"http://ca.test/c\",\"token\":\"evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA\"}",
         "url"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(world_deinit) struct world world = {};
        cleanup(acme_authorization_deinit) struct acme_authorization authorization = {};
        cleanup(xfree) char *body = xasprintf(
            "{\"status\":\"pending\",\"identifier\":{\"type\":\"dns\",\"value\":\"a\"},\"challenges\":[%s]}",
            rows[i].challenge);
        struct err err = {};

        CASE(rows[i].name);
        world_init(&world, NULL);
        world_register(&world);
        fake_ca_queue(world.ca, "authz", &(struct fake_ca_answer){.status = 200, .body = body});
        ASSERT_ERR(ERR_PROTOCOL, read_authorization(&world, &authorization, &err));
        ASSERT_CONTAINS(err.text, rows[i].text);
        ASSERT_NULL(strstr(err.text, "passwd"));
    }
    CASE("");
}

TEST(a_pending_authorization_can_be_given_up)
{
    cleanup(world_deinit) struct world world = {};
    cleanup(acme_order_deinit) struct acme_order order = {};
    cleanup(acme_authorization_deinit) struct acme_authorization authorization = {};
    struct err err = {};

    world_init(&world, NULL);
    world_register(&world);
    world_order(&world, "a.example", &order);
    ASSERT_OK(acme_authorization_deactivate(world.client, &world.ctx, order.authorizations.items[0],
                                            NULL, &err));
    ASSERT_STREQ(fake_ca_last_payload(world.ca), "{\"status\":\"deactivated\"}");
    ASSERT_OK(read_authorization(&world, &authorization, &err));
    ASSERT_EQ(authorization.status, ACME_STATUS_DEACTIVATED);
}

RUN_TESTS(cmocka_unit_test(the_key_authorization_is_token_dot_thumbprint),
          cmocka_unit_test(the_dns01_value_is_the_digest_of_the_key_authorization),
          cmocka_unit_test(a_token_with_a_path_in_it_is_refused),
          cmocka_unit_test(an_authorization_offers_its_challenges),
          cmocka_unit_test(a_challenge_is_started_with_an_empty_map),
          cmocka_unit_test(challenges_of_unknown_shape_do_not_hide_the_known_ones),
          cmocka_unit_test(an_authorization_of_hostile_shape_is_refused),
          cmocka_unit_test(a_pending_authorization_can_be_given_up));
