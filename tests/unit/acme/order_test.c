#include "support/fake_ca_world.h"

TEST(an_order_goes_from_new_to_a_chain_that_verifies)
{
    cleanup(world_deinit) struct world world = {};
    cleanup(buf_deinit) struct buf pem = BUF(LIMIT_CHAIN_BODY);
    cleanup(chain_deinit) struct chain chain = {};
    cleanup(strlist_deinit) struct strlist names = names_of("a.example,*.a.example");
    struct chain_expectation expect = {.dns_names = &names, .now_ms = AT("2026-01-01T00:00:00Z")};
    struct err err = {};

    world_init(&world, NULL);
    world_register(&world);
    world_issue(&world, "a.example,*.a.example", &pem);
    ASSERT_OK(chain_from_pem(pem.data, pem.len, &chain, &err));
    ASSERT_OK(chain_verify(&chain, &expect, NULL, &err));
    ASSERT_EQ(fake_ca_issued_of(world.ca, "*.a.example,a.example"), 1);
    ASSERT_STREQ(fake_ca_complaint(world.ca), NULL);
}

TEST(an_order_is_sent_with_all_that_was_asked_for)
{
    static const struct fake_ca_profile profiles[] = {{"shortlived", "six days", DAYS(6)}};
    struct fake_ca_options options = {.profiles = profiles, .profile_count = 1};
    cleanup(world_deinit) struct world world = {};
    cleanup(acme_order_deinit) struct acme_order order = {};
    cleanup(strlist_deinit) struct strlist names = names_of("b.example,a.example,b.example"),
                                           ips = names_of("192.0.2.1,2001:db8::1");
    struct acme_order_request request = {.dns_names = &names,
                                         .ip_addresses = &ips,
                                         .profile = "shortlived",
                                         .not_after_ms = AT("2026-01-03T00:00:00Z")};
    struct err err = {};

    world_init(&world, &options);
    world_register(&world);
    ASSERT_OK(acme_order_new(world.client, &world.ctx, &request, &order, NULL, &err));
    ASSERT_STREQ(
        fake_ca_last_payload(world.ca),
        "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"a.example\"},{\"type\":\"dns\",\"value\":\"b.example\"},"
        "{\"type\":\"ip\",\"value\":\"192.0.2.1\"},{\"type\":\"ip\",\"value\":\"2001:db8::1\"}],"
        "\"notAfter\":\"2026-01-03T00:00:00Z\",\"profile\":\"shortlived\"}");
    ASSERT_STREQ(order.url, FAKE_CA_URL "/order/1");
    ASSERT_STREQ(order.profile, "shortlived");
    ASSERT_EQ(order.status, ACME_STATUS_PENDING);
    ASSERT_EQ(order.identifier_count, 4);
    ASSERT_EQ(order.authorizations.len, 4);
    ASSERT_EQ(order.not_after_ms, AT("2026-01-03T00:00:00Z"));
    ASSERT_EQ(order.expires_ms, AT("2026-01-08T00:00:00Z"));
}

TEST(a_profile_that_the_ca_does_not_list_is_refused_with_the_list)
{
    static const struct fake_ca_profile profiles[] = {{"classic", "", DAYS(90)},
                                                      {"shortlived", "", DAYS(6)}};
    struct fake_ca_options options = {.profiles = profiles, .profile_count = 1};
    cleanup(world_deinit) struct world world = {};
    cleanup(acme_order_deinit) struct acme_order order = {};
    cleanup(strlist_deinit) struct strlist names = names_of("a.example");
    struct acme_order_request request = {.dns_names = &names, .profile = "shortlived"};
    struct err err = {};

    world_init(&world, &options);
    world_register(&world);
    ASSERT_ERR(ERR_INVALID, acme_order_new(world.client, &world.ctx, &request, &order, NULL, &err));
    ASSERT_CONTAINS(err.text, "profile 'shortlived' is not known: the CA offers 'classic'");
    ASSERT_EQ(fake_ca_requests(world.ca, "newOrder"), 0);

    fake_ca_get_options(world.ca)->profile_count =
        2; /* the CA has it now: the directory is read again */
    fake_clock_advance(&world.clock, MINUTES(2));
    ASSERT_OK(acme_order_new(world.client, &world.ctx, &request, &order, NULL, &err));
}

TEST(an_order_is_resumed_from_its_url_by_a_new_process)
{
    cleanup(world_deinit) struct world world = {};
    cleanup(acme_order_deinit) struct acme_order order = {}, again = {}, done = {}, final = {};
    cleanup(buf_deinit) struct buf csr = BUF(100000);
    cleanup(pkey_unref) const struct pkey *key = NULL;
    cleanup(xfree) char *account_url = NULL;
    struct err err = {};

    world_init(&world, NULL);
    world_register(&world);
    account_url = acme_client_account(world.client);
    ASSERT_OK(pkey_generate(KEY_ECDSA, 256, &key, &err));
    csr_der("a.example", key, &csr);
    world_order(&world, "a.example", &order);

    world_restart(&world, account_url);
    ASSERT_OK(acme_order_get(world.client, &world.ctx, order.url, &again, NULL, &err));
    ASSERT_EQ(again.status, ACME_STATUS_PENDING);
    world_authorize(&world, &again);

    world_restart(&world, account_url);
    ASSERT_OK(acme_order_finalize(world.client, &world.ctx, order.finalize_url, csr.data, csr.len,
                                  &done, NULL, &err));
    world_restart(&world, account_url);
    ASSERT_OK(acme_order_get(world.client, &world.ctx, order.url, &final, NULL, &err));
    ASSERT_EQ(final.status, ACME_STATUS_VALID);
    ASSERT_STREQ(final.url, order.url);
    ASSERT_EQ(fake_ca_counts(world.ca)->new_orders, 1);
    ASSERT_STREQ(fake_ca_complaint(world.ca), NULL);
}

/* Loses the answer of the first request to one endpoint. */
struct loss {
    const char *endpoint;
    bool after;
    int left;
};

static enum fake_ca_fault lose(void *arg, const char *endpoint, bool after)
{
    struct loss *loss = arg;

    if (loss->left == 0 || after != loss->after || !streq(endpoint, loss->endpoint))
        return FAKE_CA_NONE;
    loss->left--;
    return FAKE_CA_CUT;
}

TEST(a_lost_answer_of_finalize_ends_with_one_certificate)
{
    struct loss loss = {.endpoint = "finalize", .after = true, .left = 1};
    cleanup(world_deinit) struct world world = {};
    cleanup(acme_order_deinit) struct acme_order order = {}, done = {}, seen = {};
    cleanup(acme_problem_deinit) struct acme_problem problem = {};
    cleanup(buf_deinit) struct buf csr = BUF(100000);
    cleanup(pkey_unref) const struct pkey *key = NULL;
    struct err err = {};

    world_init(&world, &(struct fake_ca_options){.fault = lose, .fault_arg = &loss});
    world_register(&world);
    ASSERT_OK(pkey_generate(KEY_ECDSA, 256, &key, &err));
    csr_der("a.example", key, &csr);
    world_order(&world, "a.example", &order);
    world_authorize(&world, &order);
    ASSERT_ERR(ERR_NETWORK, acme_order_finalize(world.client, &world.ctx, order.finalize_url,
                                                csr.data, csr.len, &done, &problem, &err));
    ASSERT_CONTAINS(err.text, "finalizing order at 'ca.test': ");
    ASSERT_EQ(problem.class, ACME_OK);

    ASSERT_ERR(ERR_CONFLICT, acme_order_finalize(world.client, &world.ctx, order.finalize_url,
                                                 csr.data, csr.len, &done, &problem, &err));
    ASSERT_EQ(problem.class, ACME_NOT_READY);
    ASSERT_OK(acme_order_get(world.client, &world.ctx, order.url, &seen, NULL, &err));
    ASSERT_EQ(seen.status, ACME_STATUS_VALID);
    ASSERT_EQ(fake_ca_counts(world.ca)->issued, 1);
}

TEST(a_request_cut_before_its_effect_has_none)
{
    struct loss loss = {.endpoint = "newOrder", .after = false, .left = 1};
    cleanup(world_deinit) struct world world = {};
    cleanup(acme_order_deinit) struct acme_order order = {};
    cleanup(strlist_deinit) struct strlist names = names_of("a.example");
    struct acme_order_request request = {.dns_names = &names};
    struct err err = {};

    world_init(&world, &(struct fake_ca_options){.fault = lose, .fault_arg = &loss});
    world_register(&world);
    ASSERT_ERR(ERR_NETWORK, acme_order_new(world.client, &world.ctx, &request, &order, NULL, &err));
    ASSERT_EQ(fake_ca_counts(world.ca)->new_orders, 0);
    ASSERT_OK(acme_order_new(world.client, &world.ctx, &request, &order, NULL, &err));
}

TEST(an_order_in_processing_says_when_to_look_again)
{
    cleanup(world_deinit) struct world world = {};
    cleanup(acme_order_deinit) struct acme_order order = {}, done = {}, seen = {};
    cleanup(buf_deinit) struct buf csr = BUF(100000);
    cleanup(pkey_unref) const struct pkey *key = NULL;
    struct err err = {};

    world_init(&world, &(struct fake_ca_options){.issue_ms = SECONDS(3)});
    world_register(&world);
    ASSERT_OK(pkey_generate(KEY_ECDSA, 256, &key, &err));
    csr_der("a.example", key, &csr);
    world_order(&world, "a.example", &order);
    world_authorize(&world, &order);
    ASSERT_OK(acme_order_finalize(world.client, &world.ctx, order.finalize_url, csr.data, csr.len,
                                  &done, NULL, &err));
    ASSERT_EQ(done.status, ACME_STATUS_PROCESSING);
    ASSERT_EQ(done.retry_at_ms, world.clock.now_ms + SECONDS(3));
    ASSERT_STREQ(done.url, NULL);
    fake_clock_advance(&world.clock, SECONDS(3));
    ASSERT_OK(acme_order_get(world.client, &world.ctx, order.url, &seen, NULL, &err));
    ASSERT_EQ(seen.status, ACME_STATUS_VALID);
}

static bool refuse_validation(void *arg, const struct fake_ca_validation *validation)
{
    return false;
}

TEST(a_failed_validation_shows_in_order_and_challenge)
{
    cleanup(world_deinit) struct world world = {};
    cleanup(acme_order_deinit) struct acme_order order = {}, seen = {};
    cleanup(acme_authorization_deinit) struct acme_authorization authorization = {};
    struct err err = {};

    world_init(&world, &(struct fake_ca_options){.validate = refuse_validation});
    world_register(&world);
    world_order(&world, "a.example", &order);
    world_authorize(&world, &order);
    ASSERT_OK(acme_order_get(world.client, &world.ctx, order.url, &seen, NULL, &err));
    ASSERT_EQ(seen.status, ACME_STATUS_INVALID);
    ASSERT_EQ(seen.error.class, ACME_NEW_ORDER);
    ASSERT_OK(acme_authorization_get(world.client, &world.ctx, order.authorizations.items[0],
                                     &authorization, NULL, &err));
    ASSERT_EQ(authorization.status, ACME_STATUS_INVALID);
    ASSERT_EQ(authorization.challenges[0].error.class, ACME_NEW_ORDER);
    ASSERT_STREQ(authorization.challenges[0].error.type, "unauthorized");
}

TEST(a_refusal_because_of_replaces_is_recognised_however_it_is_worded)
{
    static const struct {
        const char *name;
        int status;
        const char *body;
        bool recognised;
    } rows[] = {
        {"RFC 9773", 409, "{\"type\":\"urn:ietf:params:acme:error:alreadyReplaced\"}", true},
        {"bare conflict", 409, "{\"detail\":\"conflict\"}", true},
        {"Boulder: not found", 404,
         "{\"type\":\"urn:ietf:params:acme:error:malformed\",\"detail\":\"certificate being replaced by this order could not be found\"}",
         true},
        {"Boulder: other account", 403,
         "{\"type\":\"urn:ietf:params:acme:error:unauthorized\",\"detail\":\"requester account did not request the certificate being replaced by this order\"}",
         true},
        {"Boulder: id", 400,
         "{\"type\":\"urn:ietf:params:acme:error:malformed\",\"detail\":\"parsing ARI CertID failed\"}",
         true},
        {"Pebble", 500,
         "{\"type\":\"urn:ietf:params:acme:error:serverInternal\",\"detail\":\"could not find order\"}",
         true},
        {"something else", 400,
         "{\"type\":\"urn:ietf:params:acme:error:rejectedIdentifier\",\"detail\":\"policy\"}",
         false},
        {"limits", 429,
         "{\"type\":\"urn:ietf:params:acme:error:rateLimited\",\"detail\":\"too many replacements\"}",
         false},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(world_deinit) struct world world = {};
        cleanup(acme_order_deinit) struct acme_order order = {};
        cleanup(acme_problem_deinit) struct acme_problem problem = {};
        cleanup(strlist_deinit) struct strlist names = names_of("a.example");
        struct acme_order_request request = {.dns_names = &names,
                                             .replaces = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"};
        struct err err = {};
        int r;

        CASE(rows[i].name);
        world_init(&world, NULL);
        world_register(&world);
        fake_ca_queue(world.ca, "newOrder",
                      &(struct fake_ca_answer){.status = rows[i].status, .body = rows[i].body});
        r = acme_order_new(world.client, &world.ctx, &request, &order, &problem, &err);
        ASSERT_CONTAINS(fake_ca_last_payload(world.ca),
                        "\"replaces\":\"aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE\"");
        ASSERT_EQ(problem.class == ACME_ALREADY_REPLACED, rows[i].recognised);
        ASSERT_EQ(r == ERR_CONFLICT, rows[i].recognised);
    }
    CASE("");
}

TEST(without_replaces_a_500_is_only_a_500)
{
    cleanup(world_deinit) struct world world = {};
    cleanup(acme_order_deinit) struct acme_order order = {};
    cleanup(acme_problem_deinit) struct acme_problem problem = {};
    cleanup(strlist_deinit) struct strlist names = names_of("a.example");
    struct acme_order_request request = {.dns_names = &names};
    struct err err = {};

    world_init(&world, NULL);
    world_register(&world);
    fake_ca_queue(
        world.ca, "newOrder",
        &(struct fake_ca_answer){
            .status = 500, .body = "{\"type\":\"urn:ietf:params:acme:error:serverInternal\"}"});
    ASSERT_ERR(ERR_UNAVAILABLE,
               acme_order_new(world.client, &world.ctx, &request, &order, &problem, &err));
    ASSERT_EQ(problem.class, ACME_RETRY);
}

TEST(replaces_is_not_sent_to_a_ca_without_renewal_info)
{
    cleanup(world_deinit) struct world world = {};
    cleanup(acme_order_deinit) struct acme_order order = {};
    cleanup(strlist_deinit) struct strlist names = names_of("a.example");
    struct acme_order_request request = {.dns_names = &names,
                                         .replaces = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"};
    struct err err = {};

    world_init(&world, &(struct fake_ca_options){.no_renewal_info = true});
    world_register(&world);
    ASSERT_OK(acme_order_new(world.client, &world.ctx, &request, &order, NULL, &err));
    ASSERT_NULL(strstr(fake_ca_last_payload(world.ca), "replaces"));
}

TEST(paused_names_are_not_asked_for_again)
{
    cleanup(world_deinit) struct world world = {};
    cleanup(acme_order_deinit) struct acme_order order = {};
    cleanup(acme_problem_deinit) struct acme_problem problem = {};
    cleanup(strlist_deinit) struct strlist names = names_of("a.example"),
                                           others = names_of("b.example"), none = {};
    struct acme_order_request request = {.dns_names = &names};
    struct acme_budget_request budget = {.names = &names, .registered_domains = &none};
    struct acme_budget_request other_budget = {.names = &others, .registered_domains = &none};
    struct err err = {};

    world_init(&world, NULL);
    world_register(&world);
    fake_ca_pause_name(world.ca, "a.example", true);
    ASSERT_ERR(ERR_RATE_LIMITED,
               acme_order_new(world.client, &world.ctx, &request, &order, &problem, &err));
    ASSERT_EQ(problem.class, ACME_PAUSED);
    ASSERT_STREQ(problem.help_url, FAKE_CA_URL "/unpause?jwt=abc");
    ASSERT_EQ(err.retry_at_ms, world.clock.now_ms + DAYS(1));

    ASSERT_ERR(ERR_RATE_LIMITED, acme_gate_take_order(world.gate, &world.ctx, &budget, &err));
    ASSERT_CONTAINS(err.text, FAKE_CA_URL "/unpause?jwt=abc");
    ASSERT_OK(acme_gate_take_order(world.gate, &world.ctx, &other_budget, &err));
    ASSERT_OK(acme_gate_check(world.gate, &world.ctx, &err));
    acme_gate_resume(world.gate, &world.ctx, &names);
    ASSERT_ERR(ERR_RATE_LIMITED, acme_gate_take_order(world.gate, &world.ctx, &budget, &err));
    fake_clock_advance(&world.clock, MINUTES(1)); /* no sooner, however often it is said */
    ASSERT_OK(acme_gate_take_order(world.gate, &world.ctx, &budget, &err));
}

/* mod_md, uacme: leaks and crashes by JSON of an odd shape. */
TEST(an_order_of_hostile_shape_is_refused)
{
    static const struct {
        const char *name, *body, *location;
        int code;
        const char *text;
    } rows[] = {
        {"http finalize",
         "{\"status\":\"pending\",\"identifiers\":[{\"type\":\"dns\",\"value\":\"a\"}],\"finalize\":\"http://ca.test/f\"}",
         FAKE_CA_URL "/order/9", ERR_PROTOCOL, "finalize"},
        {"http authorization",
         "{\"status\":\"pending\",\"identifiers\":[{\"type\":\"dns\",\"value\":\"a\"}],\"finalize\":\"https://ca.test/f\","
         "\"authorizations\":[\"http://ca.test/a\"]}",
         FAKE_CA_URL "/order/9", ERR_PROTOCOL, "authorization"},
        {"http certificate",
         "{\"status\":\"valid\",\"identifiers\":[{\"type\":\"dns\",\"value\":\"a\"}],\"certificate\":\"http://ca.test/c\"}",
         FAKE_CA_URL "/order/9", ERR_PROTOCOL, "certificate"},
        {"http location",
         "{\"status\":\"pending\",\"identifiers\":[{\"type\":\"dns\",\"value\":\"a\"}],\"finalize\":\"https://ca.test/f\"}",
         "http://ca.test/order/9", ERR_PROTOCOL, "Location"},
        {"no location",
         "{\"status\":\"pending\",\"identifiers\":[{\"type\":\"dns\",\"value\":\"a\"}],\"finalize\":\"https://ca.test/f\"}",
         NULL, ERR_PROTOCOL, "Location"},
        {"no status",
         "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"a\"}],\"finalize\":\"https://ca.test/f\"}",
         FAKE_CA_URL "/order/9", ERR_PROTOCOL, "status"},
        {"no identifiers", "{\"status\":\"pending\",\"finalize\":\"https://ca.test/f\"}",
         FAKE_CA_URL "/order/9", ERR_PROTOCOL, "identifiers"},
        {"truncated", "{\"status\":\"pend", FAKE_CA_URL "/order/9", ERR_PROTOCOL, "not valid JSON"},
        {"HTML", "<html>hello</html>", FAKE_CA_URL "/order/9", ERR_UNAVAILABLE, "web page"},
        {"a list", "[]", FAKE_CA_URL "/order/9", ERR_PROTOCOL, "map"},
        {"empty", "", FAKE_CA_URL "/order/9", ERR_PROTOCOL, "JSON"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(world_deinit) struct world world = {};
        cleanup(acme_order_deinit) struct acme_order order = {};
        cleanup(strlist_deinit) struct strlist names = names_of("a.example");
        struct acme_order_request request = {.dns_names = &names};
        struct err err = {};

        CASE(rows[i].name);
        world_init(&world, NULL);
        world_register(&world);
        fake_ca_queue(world.ca, "newOrder",
                      &(struct fake_ca_answer){
                          .status = 201, .body = rows[i].body, .location = rows[i].location});
        ASSERT_ERR(rows[i].code,
                   acme_order_new(world.client, &world.ctx, &request, &order, NULL, &err));
        ASSERT_CONTAINS(err.text, rows[i].text);
        ASSERT_CONTAINS(err.text, "creating order");
        ASSERT_STREQ(order.url, NULL);
    }
    CASE("");
}

TEST(what_is_unknown_in_an_order_does_no_harm)
{
    cleanup(world_deinit) struct world world = {};
    cleanup(acme_order_deinit) struct acme_order order = {};
    struct err err = {};

    world_init(&world, NULL);
    world_register(&world);
    fake_ca_queue(
        world.ca, "order",
        &(struct fake_ca_answer){
            .status = 200,
            .content_type = "application/json; charset=utf-8",
            .body =
                "{\"status\":\"sleeping\",\"identifiers\":[{\"type\":\"bundleEID\",\"value\":{\"a\":1}}],"
                "\"authorizations\":[],\"auto-renewal\":{\"end-date\":5},\"expires\":\"soon\"}"});
    ASSERT_OK(acme_order_get(world.client, &world.ctx, FAKE_CA_URL "/order/1", &order, NULL, &err));
    ASSERT_EQ(order.status, ACME_STATUS_UNKNOWN);
    ASSERT_EQ(order.identifiers[0].type, ACME_IDENTIFIER_OTHER);
    ASSERT_EQ(order.expires_ms, 0);
}

static int is_known(struct world *world, const char *url)
{
    struct err err = {};

    return acme_order_url_is_known(world->client, &world->ctx, url, &err);
}

/* The next order is made on that host. */
static void make_order_at(struct world *world, const char *host)
{
    cleanup(acme_order_deinit) struct acme_order order = {};
    cleanup(xfree) char *url = xasprintf("https://%s/1", host);
    cleanup(xfree) char *body = xasprintf(
        "{\"status\":\"pending\",\"authorizations\":[],\"finalize\":\"%s/finalize\",\"identifiers\":"
        "[{\"type\":\"dns\",\"value\":\"a.example.com\"}]}",
        url);

    fake_ca_queue(world->ca, "newOrder",
                  &(struct fake_ca_answer){.status = 201, .location = url, .body = body});
    world_order(world, "a.example.com", &order);
}

TEST(an_order_url_is_of_the_ca_by_all_that_is_known_of_it)
{
    cleanup(world_deinit) struct world world = {};

    world_init(&world, NULL);
    world_restart(&world, "https://accounts.test/1");
    ASSERT_EQ(is_known(&world, FAKE_CA_URL "/order/1"), 1);
    ASSERT_EQ(is_known(&world, "https://accounts.test/order/1"), 1);
    ASSERT_EQ(fake_ca_requests(world.ca, "directory"), 0);
    ASSERT_EQ(is_known(&world, "https://orders.test/1"), 0);
    world_register(&world);
    make_order_at(&world, "orders.test");
    make_order_at(&world, "more.test");
    ASSERT_EQ(is_known(&world, "https://orders.test/2"), 1); /* not only of the last one */
    ASSERT_EQ(is_known(&world, "https://more.test/2"), 1);
    ASSERT_EQ(is_known(&world, "https://other.test/2"), 0);
}

/* A new process has made no order yet. */
TEST(an_order_url_is_of_the_ca_where_new_order_is)
{
    cleanup(world_deinit) struct world world = {};

    world_init(&world, NULL);
    fake_ca_queue(world.ca, "directory",
                  &(struct fake_ca_answer){
                      .status = 200,
                      .body = "{\"newNonce\":\"https://orders.test/nonce\",\"newAccount\":"
                              "\"https://orders.test/new\",\"newOrder\":"
                              "\"https://orders.test/order\"}"});
    fake_ca_queue(world.ca, "directory", &(struct fake_ca_answer){.status = 503});
    ASSERT_EQ(is_known(&world, "https://orders.test/1"), 1);
    ASSERT_EQ(is_known(&world, "https://other.test/1"), 0);
    fake_clock_advance(&world.clock, DAYS(2));
    ASSERT_TRUE(is_known(&world, "https://orders.test/1") < 0);
}

RUN_TESTS(cmocka_unit_test(an_order_goes_from_new_to_a_chain_that_verifies),
          cmocka_unit_test(an_order_is_sent_with_all_that_was_asked_for),
          cmocka_unit_test(a_profile_that_the_ca_does_not_list_is_refused_with_the_list),
          cmocka_unit_test(an_order_is_resumed_from_its_url_by_a_new_process),
          cmocka_unit_test(a_lost_answer_of_finalize_ends_with_one_certificate),
          cmocka_unit_test(a_request_cut_before_its_effect_has_none),
          cmocka_unit_test(an_order_in_processing_says_when_to_look_again),
          cmocka_unit_test(a_failed_validation_shows_in_order_and_challenge),
          cmocka_unit_test(a_refusal_because_of_replaces_is_recognised_however_it_is_worded),
          cmocka_unit_test(without_replaces_a_500_is_only_a_500),
          cmocka_unit_test(replaces_is_not_sent_to_a_ca_without_renewal_info),
          cmocka_unit_test(paused_names_are_not_asked_for_again),
          cmocka_unit_test(an_order_of_hostile_shape_is_refused),
          cmocka_unit_test(what_is_unknown_in_an_order_does_no_harm),
          cmocka_unit_test(an_order_url_is_of_the_ca_by_all_that_is_known_of_it),
          cmocka_unit_test(an_order_url_is_of_the_ca_where_new_order_is));
