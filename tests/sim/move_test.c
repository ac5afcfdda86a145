/* move_test.c - Issuers that get another CA while an order is under way at the one before. */
#include "support/sim.h"

#define START AT("2026-01-01T00:00:00Z")
#define OTHER "https://other.test"

/* The old CA is gone with this: nothing of it answers any more. */
static void move(struct sim *sim, const char *url, const char *account)
{
    cleanup(xfree) char *patch = xasprintf(
        "{spec: {acme: {server: %s/dir, privateKeySecretRef: {name: %s}}}}", url, account);

    fake_ca_get_options(sim_ca(sim))->url = url;
    sim_patch(sim, "issuer/acme", patch);
}

static struct sim *in_flight(void)
{
    return sim_new_in_flight(&(struct sim_options){.start_ms = START});
}

TEST(an_order_at_the_ca_before_is_left_and_made_at_the_new_one_at_once)
{
    static const char *const accounts[] = {"acme-account", "other-account"};

    for (size_t i = 0; i < ARRAY_LEN(accounts); i++) {
        struct sim *sim = in_flight();
        cleanup(xfree) char *order = xstrdup(sim_only(sim, "order"));
        cleanup(xfree) char *uid = xstrdup(sim_text(sim, order, "metadata.uid"));

        CASE(accounts[i]);
        move(sim, OTHER, accounts[i]);
        sim_advance(sim, SECONDS(10));
        ASSERT_EQ(sim_orders_placed(sim), 2);
        ASSERT_CONTAINS(sim_text(sim, order, "status.url"), OTHER "/order/");
        ASSERT_FALSE(streq(sim_text(sim, order, "metadata.uid"), uid));
        ASSERT_TRUE(sim_has_event(sim, "certificaterequest/web-1", "OrderLeft"));
        ASSERT_EQ(fake_dns_count(sim_dns(sim)), 1); /* of the new one: the other was taken back */
        sim_advance(sim, MINUTES(5));
        ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
        ASSERT_NULL(sim_text(sim, "certificate/web", "status.failedIssuanceAttempts"));
        ASSERT_EQ(sim_orders_placed(sim), 2);
        ASSERT_EQ(fake_dns_count(sim_dns(sim)), 0);
        sim_free(sim);
    }
}

TEST(an_order_is_left_once_where_the_watches_are_late)
{
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct sim_options options = {.start_ms = START, .seed = seed, .split_secrets = true};
        struct sim *sim = sim_new_in_flight(&options);

        move(sim, OTHER, "acme-account");
        sim_advance(sim, MINUTES(5));
        ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
        ASSERT_EQ(sim_times_told(sim, "certificaterequest/web-1", "OrderLeft"), 1);
        sim_free(sim);
    }
}

/* What was presented is taken back by what the Issuer was then. */
TEST(a_record_is_taken_back_where_the_issuer_has_no_solver_for_it_any_more)
{
    static const char *const patches[] = {
        "{spec: {acme: {server: " OTHER "/dir, solvers: [{http01: {ingress: {}}}]}}}",
        "{spec: {acme: null, selfSigned: {}}}",
    };

    for (size_t i = 0; i < ARRAY_LEN(patches); i++) {
        struct sim *sim = in_flight();

        CASE(patches[i]);
        fake_ca_get_options(sim_ca(sim))->url = OTHER;
        sim_patch(sim, "issuer/acme", patches[i]);
        sim_advance(sim, SECONDS(10));
        sim_delete(sim, "certificate/web");
        sim_advance(sim, MINUTES(1));
        ASSERT_EQ(fake_dns_count(sim_dns(sim)), 0);
        ASSERT_EQ(sim_count(sim, "challenge"), 0);
        sim_free(sim);
    }
}

/* Signed by what the Issuer was meanwhile: of the order nobody would have the certificate. */
TEST(an_order_is_left_when_its_request_was_signed_by_something_else)
{
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct sim_options options = {.start_ms = START, .seed = seed, .split_secrets = seed > 1};
        struct sim *sim = sim_new_in_flight(&options);

        sim_patch(sim, "issuer/acme", "{spec: {acme: null, selfSigned: {}}}");
        sim_advance(sim, MINUTES(1));
        ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
        ASSERT_EQ(sim_count(sim, "order"), 0);
        ASSERT_EQ(sim_count(sim, "challenge"), 0);
        ASSERT_EQ(fake_dns_count(sim_dns(sim)), 0);
        ASSERT_EQ(sim_times_told(sim, "certificaterequest/web-1", "OrderLeft"), 1);
        sim_apply(sim, SIM_ISSUER);
        sim_advance(sim, MINUTES(10));
        ASSERT_EQ(sim_orders_finalized(sim), 0);
        ASSERT_EQ(sim_orders_placed(sim), 1);
        sim_free(sim);
    }
}

TEST(an_order_whose_request_ended_while_we_were_away_is_left)
{
    struct sim *sim = in_flight();

    sim_set_condition(sim, "certificaterequest/web-1", "Ready", "False", "Failed", "by somebody");
    sim_restart(sim);
    sim_advance(sim, SECONDS(10));
    ASSERT_TRUE(sim_has_event(sim, "certificaterequest/web-1", "OrderLeft"));
    ASSERT_EQ(fake_dns_count(sim_dns(sim)), 0);
    sim_free(sim);
}

TEST(an_issuer_that_goes_to_and_fro_makes_no_storm_of_orders)
{
    struct sim *sim = in_flight();
    const char *order;
    bool is_at_other;
    int placed;

    fake_ca_get_options(sim_ca(sim))->validation_ms = HOURS(10);
    for (int i = 0; i < 120; i++) {
        move(sim, i % 2 ? FAKE_CA_URL : OTHER, "acme-account");
        sim_advance(sim, SECONDS(30));
    }
    placed = sim_orders_placed(sim);
    ASSERT_TRUE(placed <= 12); /* of 120 changes, in an hour */
    order = sim_only(sim, "order");
    is_at_other = str_starts(sim_text(sim, order, "status.url"), OTHER);
    move(sim, is_at_other ? FAKE_CA_URL : OTHER, "acme-account");
    sim_advance(sim, SECONDS(10));
    ASSERT_CONTAINS(sim_text(sim, order, "status.reason"), "has its account at another CA by now");
    ASSERT_CONTAINS(sim_text(sim, order, "status.reason"), "not before 2026-01-01T01:");
    ASSERT_CONTAINS(sim_message(sim, "certificate/web", "Issuing"), "at another CA by now");
    sim_advance(sim, MINUTES(10));
    ASSERT_EQ(sim_orders_placed(sim), placed + 1);
    move(sim, is_at_other ? OTHER : FAKE_CA_URL, "acme-account");
    sim_advance(sim, SECONDS(10));
    ASSERT_EQ(sim_orders_placed(sim), placed + 1);
    sim_patch(sim, "certificaterequest/web-1",
              "{metadata: {annotations: {acme.certlet.dev/retry: now}}}");
    sim_advance(sim, SECONDS(10));
    ASSERT_EQ(sim_orders_placed(sim), placed + 2);
    sim_advance(sim, MINUTES(5));
    ASSERT_EQ(sim_orders_placed(sim), placed + 2);
    sim_free(sim);
}

TEST(an_issuer_that_is_of_another_type_by_now_keeps_no_account_key)
{
    struct sim *sim = sim_new(START);

    sim_apply(sim, SIM_ISSUER);
    sim_run_until_idle(sim);
    ASSERT_TRUE(sim_has_account(sim, "issuer/acme"));
    sim_patch(sim, "issuer/acme", "{spec: {acme: null, selfSigned: {}}}");
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_condition(sim, "issuer/acme", "Ready"), "True");
    ASSERT_FALSE(sim_has_account(sim, "issuer/acme"));
    sim_free(sim);
}

RUN_TESTS(cmocka_unit_test(an_order_at_the_ca_before_is_left_and_made_at_the_new_one_at_once),
          cmocka_unit_test(an_order_is_left_once_where_the_watches_are_late),
          cmocka_unit_test(a_record_is_taken_back_where_the_issuer_has_no_solver_for_it_any_more),
          cmocka_unit_test(an_order_is_left_when_its_request_was_signed_by_something_else),
          cmocka_unit_test(an_order_whose_request_ended_while_we_were_away_is_left),
          cmocka_unit_test(an_issuer_that_goes_to_and_fro_makes_no_storm_of_orders),
          cmocka_unit_test(an_issuer_that_is_of_another_type_by_now_keeps_no_account_key));
