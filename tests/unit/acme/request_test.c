#include "support/fake_ca_world.h"

TEST(requests_go_through_when_nine_of_ten_nonces_are_rejected)
{
    cleanup(world_deinit) struct world world = {};
    struct err err = {};
    int through = 0, r;

    world_init(&world, &(struct fake_ca_options){.seed = 7});
    world_register(&world);
    fake_ca_get_options(world.ca)->nonce_reject_percent = 90;
    for (int i = 0; i < 100; i++) {
        cleanup(acme_account_deinit) struct acme_account account = {};

        r = acme_account_update_contacts(world.client, &world.ctx, NULL, &account, NULL, &err);
        ASSERT_TRUE(r == 0 ||
                    r == ERR_UNAVAILABLE); /* after ten tries: like any hiccup of the CA */
        through += r == 0;
    }
    ASSERT_TRUE(through > 45 && through < 90); /* 1 - 0.9^10 = 65 % */
    ASSERT_STREQ(fake_ca_complaint(world.ca), NULL);
    ASSERT_EQ(fake_ca_requests(world.ca, "newNonce"), 1); /* every answer brings the next one */
}

TEST(a_bad_nonce_drops_the_pool_and_uses_the_fresh_one)
{
    cleanup(world_deinit) struct world world = {};
    cleanup(acme_account_deinit) struct acme_account account = {};
    struct err err = {.text = "as before"};

    world_init(&world, NULL);
    world_register(&world);
    fake_ca_drop_nonces(world.ca);
    ASSERT_OK(acme_account_update_contacts(world.client, &world.ctx, NULL, &account, NULL, &err));
    ASSERT_EQ(fake_ca_counts(world.ca)->bad_nonces, 1);
    ASSERT_EQ(fake_ca_requests(world.ca, "newNonce"), 1);
    ASSERT_EQ(err.code, 0); /* untouched on success */
    ASSERT_STREQ(err.text, "as before");
}

/* acme.sh, 2025-05: a nonce that was fetched empty ended in an empty certificate file. */
TEST(an_answer_without_a_nonce_costs_one_request_for_another)
{
    cleanup(world_deinit) struct world world = {};
    cleanup(acme_account_deinit) struct acme_account first = {}, second = {};
    struct err err = {};

    world_init(&world, NULL);
    world_register(&world);
    fake_ca_queue(world.ca, "account",
                  &(struct fake_ca_answer){.status = 200, .body = "{}", .no_nonce = true});
    ASSERT_OK(acme_account_update_contacts(world.client, &world.ctx, NULL, &first, NULL, &err));
    ASSERT_OK(acme_account_update_contacts(world.client, &world.ctx, NULL, &second, NULL, &err));
    ASSERT_EQ(fake_ca_requests(world.ca, "newNonce"), 2);
    ASSERT_EQ(fake_ca_counts(world.ca)->bad_nonces, 0);
}

static enum fake_ca_fault always(void *arg, const char *endpoint, bool after)
{
    const enum fake_ca_fault *fault = arg;

    return after || !streq(endpoint, "newOrder") ? FAKE_CA_NONE : *fault;
}

static int order(struct world *world, struct acme_problem *problem, struct err *err)
{
    cleanup(acme_order_deinit) struct acme_order order = {};
    cleanup(strlist_deinit) struct strlist names = names_of("a.example");
    struct acme_order_request request = {.dns_names = &names};

    return acme_order_new(world->client, &world->ctx, &request, &order, problem, err);
}

TEST(every_429_and_503_closes_the_gate_for_all_requests)
{
    static const struct {
        const char *name;
        enum fake_ca_fault fault;
        int code;
        int64_t closed_ms;
        const char *text;
    } rows[] = {
        {"seconds", FAKE_CA_429_SECONDS, ERR_RATE_LIMITED, HOURS(1),
         "creating order at 'ca.test': 429 urn:ietf:params:acme:error:rateLimited: too many requests"},
        {"date", FAKE_CA_429_DATE, ERR_RATE_LIMITED, HOURS(1), "rateLimited"},
        {"detail", FAKE_CA_429_DETAIL, ERR_RATE_LIMITED, HOURS(1), "retry after 2026-01-01"},
        {"bare", FAKE_CA_429, ERR_RATE_LIMITED, MINUTES(1), "rateLimited"},
        {"503 seconds", FAKE_CA_503_SECONDS, ERR_UNAVAILABLE, SECONDS(120), "503"},
        {"503", FAKE_CA_503, ERR_UNAVAILABLE, MINUTES(1), "503"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        enum fake_ca_fault fault = rows[i].fault;
        cleanup(world_deinit) struct world world = {};
        cleanup(acme_problem_deinit) struct acme_problem problem = {};
        cleanup(acme_order_deinit) struct acme_order other = {};
        int64_t start_ms;
        int requests;
        struct err err = {};

        CASE(rows[i].name);
        world_init(&world, &(struct fake_ca_options){
                               .fault = always, .fault_arg = &fault, .clock_skew_ms = MINUTES(-7)});
        world_register(&world);
        start_ms = world.clock.now_ms;
        ASSERT_ERR(rows[i].code, order(&world, &problem, &err));
        ASSERT_CONTAINS(err.text, rows[i].text);
        ASSERT_EQ(err.retry_at_ms, start_ms + rows[i].closed_ms);
        ASSERT_EQ(problem.retry_at_ms, start_ms + rows[i].closed_ms);

        requests = fake_ca_counts(world.ca)->requests;
        fault = FAKE_CA_NONE;
        fake_clock_advance(&world.clock, rows[i].closed_ms - 1);
        ASSERT_ERR(ERR_RATE_LIMITED, order(&world, &problem, &err));
        ASSERT_CONTAINS(err.text, "not before 2026-01-01T");
        ASSERT_EQ(err.retry_at_ms, start_ms + rows[i].closed_ms);
        ASSERT_EQ(problem.class, ACME_OK); /* nobody was asked */
        ASSERT_ERR(ERR_RATE_LIMITED, acme_order_get(world.client, &world.ctx,
                                                    FAKE_CA_URL "/order/1", &other, NULL, &err));
        ASSERT_EQ(fake_ca_counts(world.ca)->requests, requests);
        fake_clock_advance(&world.clock, 1);
        ASSERT_OK(order(&world, &problem, &err));
    }
    CASE("");
}

/* A bad name never delays another certificate. */
TEST(a_limit_on_names_holds_only_orders_of_these_names)
{
    static const struct {
        const char *name, *detail;
        bool is_narrow;
    } rows[] = {
        {"set",
         "too many certificates (5) already issued for this exact set of identifiers in the last 168h0m0s",
         true},
        {"domain", "too many certificates (50) already issued for \\\"example\\\" in",
         false}, /* a top-level label is nobody's */
        {"parent",
         "too many certificates (50) already issued for \\\"shared.example\\\" in the last 168h0m0s",
         true},
        {"name",
         "too many failed authorizations (5) for \\\"www.shared.example\\\" in the last 1h0m0s",
         true},
        {"other name",
         "too many failed authorizations (5) for \\\"w.shared.example\\\" in the last 1h0m0s",
         false},
        {"account", "too many new orders (300) from this account in the last 3h0m0s", false},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(world_deinit) struct world world = {};
        cleanup(acme_order_deinit) struct acme_order order = {};
        cleanup(strlist_deinit) struct strlist names = names_of("www.shared.example"),
                                               others = names_of("b.example"), none = {};
        cleanup(xfree) char *body = xasprintf(
            "{\"type\":\"urn:ietf:params:acme:error:rateLimited\",\"detail\":\"%s\"}",
            rows[i].detail);
        struct acme_order_request request = {.dns_names = &names}, other = {.dns_names = &others};
        struct acme_budget_request budget = {.names = &names, .registered_domains = &none};
        struct err err = {};
        int r;

        CASE(rows[i].name);
        world_init(&world, NULL);
        world_register(&world);
        fake_ca_queue(
            world.ca, "newOrder",
            &(struct fake_ca_answer){.status = 429, .body = body, .retry_after = "120000"});
        ASSERT_ERR(ERR_RATE_LIMITED,
                   acme_order_new(world.client, &world.ctx, &request, &order, NULL, &err));
        ASSERT_EQ(err.retry_at_ms, world.clock.now_ms + SECONDS(120000));
        r = acme_order_new(world.client, &world.ctx, &other, &order, NULL, &err);
        ASSERT_EQ(r, rows[i].is_narrow ? 0 : ERR_RATE_LIMITED);
        r = acme_gate_take_order(world.gate, &world.ctx, &budget, &err);
        ASSERT_EQ(r, rows[i].is_narrow ? ERR_RATE_LIMITED : 0);
        if (rows[i].is_narrow)
            ASSERT_CONTAINS(err.text, "creating order: 429 too many");
    }
    CASE("");
}

/* cm#1948: refused requests were repeated at once. */
TEST(refusals_without_a_time_back_off_until_one_succeeds)
{
    enum fake_ca_fault fault = FAKE_CA_429;
    cleanup(world_deinit) struct world world = {};
    struct err err = {};

    world_init(&world, &(struct fake_ca_options){.fault = always, .fault_arg = &fault});
    world_register(&world);
    for (int64_t minutes = 1; minutes <= 128; minutes *= 2) {
        ASSERT_ERR(ERR_RATE_LIMITED, order(&world, NULL, &err));
        ASSERT_EQ(err.retry_at_ms - world.clock.now_ms, MINUTES(minutes < 60 ? minutes : 60));
        fake_clock_advance(&world.clock, err.retry_at_ms - world.clock.now_ms);
    }
    fault = FAKE_CA_NONE;
    ASSERT_OK(order(&world, NULL, &err));
    fault = FAKE_CA_429;
    ASSERT_ERR(ERR_RATE_LIMITED, order(&world, NULL, &err));
    ASSERT_EQ(err.retry_at_ms - world.clock.now_ms, MINUTES(1));
}

TEST(a_server_error_does_not_close_the_gate)
{
    enum fake_ca_fault fault = FAKE_CA_500;
    cleanup(world_deinit) struct world world = {};
    struct err err = {};

    world_init(&world, &(struct fake_ca_options){.fault = always, .fault_arg = &fault});
    world_register(&world);
    ASSERT_ERR(ERR_UNAVAILABLE, order(&world, NULL, &err));
    ASSERT_OK(acme_gate_check(world.gate, &world.ctx, &err));
    fault = FAKE_CA_HTML;
    ASSERT_ERR(ERR_UNAVAILABLE, order(&world, NULL, &err));
    ASSERT_CONTAINS(
        err.text,
        "creating order at 'ca.test': 502: the answer is not from an ACME server: '<html>");
    ASSERT_OK(acme_gate_check(world.gate, &world.ctx, &err));
}

/* CVE-2025-54799 (lego): plain http in the directory was followed. */
TEST(a_plain_http_url_is_never_asked)
{
    cleanup(world_deinit) struct world world = {};
    cleanup(acme_order_deinit) struct acme_order order = {};
    cleanup(acme_authorization_deinit) struct acme_authorization authorization = {};
    cleanup(buf_deinit) struct buf pem = BUF(1000);
    struct err err = {};
    int64_t at_ms;
    int requests;
    bool found;

    world_init(&world, NULL);
    world_register(&world);
    requests = fake_ca_counts(world.ca)->requests;
    ASSERT_ERR(ERR_PROTOCOL, acme_order_get(world.client, &world.ctx, "http://ca.test/order/1",
                                            &order, NULL, &err));
    ASSERT_ERR(ERR_PROTOCOL, acme_order_finalize(world.client, &world.ctx, "http://ca.test/f", "x",
                                                 1, &order, NULL, &err));
    ASSERT_ERR(ERR_PROTOCOL, acme_authorization_get(world.client, &world.ctx, "http://ca.test/a",
                                                    &authorization, NULL, &err));
    ASSERT_ERR(ERR_PROTOCOL, acme_challenge_start(world.client, &world.ctx, "http://ca.test/c",
                                                  &at_ms, NULL, &err));
    ASSERT_ERR(ERR_PROTOCOL, acme_certificate_download(world.client, &world.ctx, "http://ca.test/c",
                                                       NULL, &pem, &found, NULL, &err));
    ASSERT_ERR(ERR_PROTOCOL,
               acme_order_get(world.client, &world.ctx, "file:///etc/passwd", &order, NULL, &err));
    ASSERT_ERR(ERR_PROTOCOL, acme_order_get(world.client, &world.ctx, NULL, &order, NULL, &err));
    ASSERT_EQ(fake_ca_counts(world.ca)->requests, requests);
}

TEST(a_client_needs_an_https_directory_and_a_key)
{
    cleanup(world_deinit) struct world world = {};
    struct acme_options options = {};
    struct acme_client *client = NULL;
    struct err err = {};

    world_init(&world, NULL);
    options = (struct acme_options){
        .http = world.http, .directory_url = "http://ca.test/dir", .key = world.key};
    ASSERT_ERR(ERR_INVALID, acme_client_new(&options, &client, &err));
    ASSERT_CONTAINS(err.text, "http://ca.test/dir");
    options.directory_url = FAKE_CA_DIRECTORY;
    options.key = NULL;
    ASSERT_ERR(ERR_INVALID, acme_client_new(&options, &client, &err));
}

TEST(a_cancelled_run_makes_no_request)
{
    cleanup(world_deinit) struct world world = {};
    cleanup(cancel_unref) struct cancel *cancel = cancel_new();
    struct err err = {};
    int requests;

    world_init(&world, NULL);
    world_register(&world);
    requests = fake_ca_counts(world.ca)->requests;
    world.ctx = context_with_cancel(&world.ctx, cancel);
    cancel_fire(cancel);
    ASSERT_ERR(ERR_CANCELED, order(&world, NULL, &err));
    ASSERT_EQ(fake_ca_counts(world.ca)->requests, requests);
}

TEST(a_body_beyond_the_limit_is_refused)
{
    cleanup(world_deinit) struct world world = {};
    cleanup(xfree) char *body = xasprintf("{\"status\":\"%02000000d\"}", 1);
    struct err err = {};

    world_init(&world, NULL);
    world_register(&world);
    fake_ca_queue(world.ca, "newOrder", &(struct fake_ca_answer){.status = 201, .body = body});
    ASSERT_ERR(ERR_TOO_LARGE, order(&world, NULL, &err));
    ASSERT_CONTAINS(err.text, "creating order at 'ca.test'");
}

RUN_TESTS(cmocka_unit_test(requests_go_through_when_nine_of_ten_nonces_are_rejected),
          cmocka_unit_test(a_bad_nonce_drops_the_pool_and_uses_the_fresh_one),
          cmocka_unit_test(an_answer_without_a_nonce_costs_one_request_for_another),
          cmocka_unit_test(every_429_and_503_closes_the_gate_for_all_requests),
          cmocka_unit_test(a_limit_on_names_holds_only_orders_of_these_names),
          cmocka_unit_test(refusals_without_a_time_back_off_until_one_succeeds),
          cmocka_unit_test(a_server_error_does_not_close_the_gate),
          cmocka_unit_test(a_plain_http_url_is_never_asked),
          cmocka_unit_test(a_client_needs_an_https_directory_and_a_key),
          cmocka_unit_test(a_cancelled_run_makes_no_request),
          cmocka_unit_test(a_body_beyond_the_limit_is_refused));
