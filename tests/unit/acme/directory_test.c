#include "support/fake_ca_world.h"

static int read_directory(struct world *world, struct acme_directory *directory, struct err *err)
{
    acme_directory_deinit(directory);
    return acme_directory(world->client, &world->ctx, directory, err);
}

TEST(the_directory_is_read_once_an_hour)
{
    static const struct fake_ca_profile profiles[] = {{"classic", "the usual", DAYS(90)}};
    cleanup(world_deinit) struct world world = {};
    cleanup(acme_directory_deinit) struct acme_directory directory = {};
    struct err err = {};

    world_init(&world, &(struct fake_ca_options){.profiles = profiles, .profile_count = 1});
    ASSERT_OK(read_directory(&world, &directory, &err));
    ASSERT_STREQ(directory.new_order, FAKE_CA_URL "/newOrder");
    ASSERT_STREQ(directory.renewal_info, FAKE_CA_URL "/renewalInfo");
    ASSERT_STREQ(directory.new_authz, NULL);
    ASSERT_STREQ(directory.terms_of_service, FAKE_CA_URL "/terms");
    ASSERT_STREQ(strmap_get(&directory.profiles, "classic"), "the usual");
    fake_clock_advance(&world.clock, HOURS(1) - 1);
    ASSERT_OK(read_directory(&world, &directory, &err));
    ASSERT_EQ(fake_ca_requests(world.ca, "directory"), 1);
    fake_clock_advance(&world.clock, 1);
    ASSERT_OK(read_directory(&world, &directory, &err));
    ASSERT_EQ(fake_ca_requests(world.ca, "directory"), 2);
}

#define URLS                                                                                       \
    "\"newNonce\":\"https://ca.test/newNonce\",\"newAccount\":\"https://ca.test/newAccount\","

TEST(a_directory_of_hostile_shape_is_refused)
{
    static const struct {
        const char *name;
        int status;
        const char *content_type, *body;
        int code;
        const char *text;
    } rows[] = {
        {"http URL inside", 200, NULL, "{" URLS "\"newOrder\":\"http://ca.test/newOrder\"}",
         ERR_PROTOCOL, "newOrder"},
        {"http optional URL", 200, NULL,
         "{" URLS
         "\"newOrder\":\"https://ca.test/newOrder\",\"renewalInfo\":\"http://ca.test/ari\"}",
         ERR_PROTOCOL, "renewalInfo"},
        {"user part", 200, NULL, "{" URLS "\"newOrder\":\"https://user:pw@ca.test/newOrder\"}",
         ERR_PROTOCOL, "newOrder"},
        {"member missing", 200, NULL, "{" URLS "\"meta\":{}}", ERR_PROTOCOL, "newOrder"},
        {"wrong type", 200, NULL, "{" URLS "\"newOrder\":7}", ERR_PROTOCOL, "newOrder"},
        {"HTML", 200, "text/html", "<!doctype html><title>login</title>", ERR_UNAVAILABLE,
         "web page"},
        {"truncated", 200, NULL, "{\"newNonce\":\"https://ca", ERR_PROTOCOL, "not valid JSON"},
        {"nested too deep", 200, NULL,
         "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
         ERR_PROTOCOL, "fetching directory|directory"},
        {"redirect", 301, NULL, "", ERR_PROTOCOL, "redirects are not followed"},
        {"not found", 404, "text/html", "<html>404</html>", ERR_NOT_FOUND,
         "fetching directory at 'ca.test'"},
        {"down", 503, "text/html", "<html>503</html>", ERR_UNAVAILABLE,
         "fetching directory at 'ca.test'"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(world_deinit) struct world world = {};
        cleanup(acme_directory_deinit) struct acme_directory directory = {};
        struct err err = {};

        CASE(rows[i].name);
        world_init(&world, NULL);
        fake_ca_queue(world.ca, "directory",
                      &(struct fake_ca_answer){.status = rows[i].status,
                                               .content_type = rows[i].content_type,
                                               .body = rows[i].body});
        ASSERT_ERR(rows[i].code, read_directory(&world, &directory, &err));
        if (!strchr(rows[i].text, '|'))
            ASSERT_CONTAINS(err.text, rows[i].text);
    }
    CASE("");
}

TEST(unknown_members_of_a_directory_do_no_harm)
{
    cleanup(world_deinit) struct world world = {};
    cleanup(acme_directory_deinit) struct acme_directory directory = {};
    struct err err = {};

    world_init(&world, NULL);
    fake_ca_queue(
        world.ca, "directory",
        &(struct fake_ca_answer){
            .status = 200,
            .body =
                "{" URLS
                "\"newOrder\":\"https://other.test/newOrder\",\"x\":[{}],\"meta\":{\"profiles\":"
                "{\"a\":{\"b\":1}},\"caaIdentities\":[\"ca.test\",3],\"termsOfService\":false}}"});
    ASSERT_OK(read_directory(&world, &directory, &err));
    ASSERT_STREQ(directory.new_order, "https://other.test/newOrder"); /* another host is fine */
    ASSERT_STREQ(strmap_get(&directory.profiles, "a"), "");
    ASSERT_EQ(directory.caa_identities.len, 1);
}

TEST(a_url_that_the_ca_does_not_know_any_more_is_looked_up_again)
{
    cleanup(world_deinit) struct world world = {};
    cleanup(acme_order_deinit) struct acme_order order = {}, again = {};
    cleanup(strlist_deinit) struct strlist names = names_of("a.example");
    struct acme_order_request request = {.dns_names = &names};
    struct err err = {};

    world_init(&world, NULL);
    fake_ca_queue(
        world.ca, "directory",
        &(struct fake_ca_answer){.status = 200,
                                 .body = "{" URLS "\"newOrder\":\"https://ca.test/order/77\"}"});
    world_register(&world);
    fake_clock_advance(&world.clock, MINUTES(2));
    ASSERT_OK(acme_order_new(world.client, &world.ctx, &request, &order, NULL, &err));
    ASSERT_STREQ(order.url, FAKE_CA_URL "/order/1");
    ASSERT_EQ(fake_ca_requests(world.ca, "directory"), 2);

    /* the same answer of the right URL does not make it ask again and again */
    fake_ca_queue(
        world.ca, "newOrder",
        &(struct fake_ca_answer){.status = 404,
                                 .body = "{\"type\":\"urn:ietf:params:acme:error:malformed\"}"});
    ASSERT_ERR(ERR_NOT_FOUND,
               acme_order_new(world.client, &world.ctx, &request, &again, NULL, &err));
    ASSERT_EQ(fake_ca_requests(world.ca, "directory"), 2);
    ASSERT_EQ(fake_ca_requests(world.ca, "newOrder"), 2);
}

RUN_TESTS(cmocka_unit_test(the_directory_is_read_once_an_hour),
          cmocka_unit_test(a_directory_of_hostile_shape_is_refused),
          cmocka_unit_test(unknown_members_of_a_directory_do_no_harm),
          cmocka_unit_test(a_url_that_the_ca_does_not_know_any_more_is_looked_up_again));
