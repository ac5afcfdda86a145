/* restart_test.c - the program ends at any moment and starts again: in order, or by a crash. */
#include "support/sim.h"

#define START AT("2026-01-01T00:00:00Z")

static const char by_dns[] = SIM_CERTIFICATE("web", "[www.example.com, '*.example.com']", "");

static struct sim *sim_with(const struct sim_options *options, const char *issuer,
                            const char *certificate)
{
    struct sim *sim = sim_new_with(options);

    sim_apply(sim, issuer);
    sim_apply(sim, certificate);
    return sim;
}

static void expect_issued_once(struct sim *sim)
{
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    ASSERT_NULL(sim_condition(sim, "certificate/web", "Issuing"));
    ASSERT_EQ(sim_orders_finalized(sim), 1);
    ASSERT_EQ(fake_ca_counts(sim_ca(sim))->new_accounts, 1);
    ASSERT_EQ(sim_count(sim, "certificaterequest"), 1);
    ASSERT_EQ(sim_count(sim, "order"), 1);
    ASSERT_EQ(sim_count(sim, "challenge"), 0);
    ASSERT_EQ(sim_count(sim, "secret"), 2); /* the certificate's and the account's */
    ASSERT_EQ(fake_dns_count(sim_dns(sim)), 0);
    ASSERT_EQ(sim_http_files(sim), 0);
}

/* --- in order: everything slow, restarted every few seconds --- */

TEST(a_restart_in_every_state_loses_nothing)
{
    static const struct {
        const char *name, *issuer;
    } ways[] = {{"dns-01", SIM_ISSUER}, {"http-01", SIM_ACME_ISSUER("acme", SIM_BY_HTTP)}};

    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        struct sim_options options = {
            .start_ms = START, .ca = {.validation_ms = SECONDS(40), .issue_ms = SECONDS(40)}};
        struct sim *sim = sim_with(&options, ways[i].issuer,
                                   SIM_CERTIFICATE("web", "[www.example.com]", ""));

        CASE(ways[i].name);
        fake_dns_set_late(sim_dns(sim), "example.com", SECONDS(40));
        for (int n = 0; n < 60; n++) {
            sim_advance(sim, SECONDS(7));
            sim_restart(sim);
        }
        sim_advance(sim, MINUTES(5));
        expect_issued_once(sim);
        ASSERT_EQ(sim_orders_placed(sim), 1);
        sim_free(sim);
    }
}

/* A start with everything in force asks the CA nothing and writes nothing. */
TEST(a_start_with_nothing_to_do_does_nothing)
{
    struct sim_options options = {.start_ms = START};
    struct sim *sim = sim_with(&options, SIM_ISSUER, by_dns);
    int requests, points;

    sim_run_until_idle(sim);
    sim_restart(sim);
    requests = fake_ca_counts(sim_ca(sim))->requests;
    points = sim_points(sim);
    sim_run_until_idle(sim);
    ASSERT_EQ(fake_ca_counts(sim_ca(sim))->requests, requests);
    ASSERT_EQ(sim_points(sim), points);
    sim_free(sim);
}

/* Let's Encrypt allows 15 of these look-ups at once, and refuses the account then. */
TEST(the_account_is_looked_up_once_for_all_orders_that_may_be_lost)
{
    for (int listed = 0; listed < 2; listed++) {
        struct sim_options options = {.start_ms = START, .ca = {.no_order_list = !listed}};
        struct sim *sim = sim_with(&options, SIM_ISSUER, by_dns);
        int lookups;

        CASE(listed ? "with a list" : "without");
        sim_run_until_idle(sim);
        sim_set_ca_down(sim, true);
        for (int i = 0; i < 20; i++) {
            cleanup(xfree) char *yaml = xasprintf(SIM_CERTIFICATE("c%d", "[c%d.example.com]", ""),
                                                  i, i, i);

            sim_apply(sim, yaml);
        }
        sim_advance(sim, MINUTES(1));
        sim_restart(sim);
        sim_set_ca_down(sim, false);
        lookups = fake_ca_requests(sim_ca(sim), "newAccount");
        sim_advance(sim, MINUTES(10));
        ASSERT_EQ(fake_ca_requests(sim_ca(sim), "newAccount") - lookups, 1);
        ASSERT_EQ(sim_orders_finalized(sim), 21);
        sim_free(sim);
    }
}

TEST(a_lost_order_is_searched_for_once)
{
    struct sim_options options = {.start_ms = START};
    struct sim *sim = sim_with(&options, SIM_ISSUER, by_dns);
    int lists;

    fake_ca_pause_name(sim_ca(sim), "www.example.com", true);
    sim_advance(sim, MINUTES(1));
    sim_restart(sim);
    sim_advance(sim, DAYS(1) + HOURS(1));
    lists = fake_ca_requests(sim_ca(sim), "orders");
    sim_advance(sim, DAYS(5));
    ASSERT_EQ(fake_ca_requests(sim_ca(sim), "orders"), lists);
    fake_ca_pause_name(sim_ca(sim), "www.example.com", false);
    sim_advance(sim, DAYS(2));
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    sim_free(sim);
}

TEST(a_closed_gate_survives_a_restart)
{
    struct sim_options options = {.start_ms = START};
    struct sim *sim = sim_with(&options, SIM_ISSUER, by_dns);

    sim_fail_ca(sim, "newOrder", FAKE_CA_429_SECONDS, false, 1);
    sim_run_until_idle(sim);
    for (int i = 0; i < 5; i++) {
        sim_restart(sim);
        sim_advance(sim, MINUTES(10));
    }
    ASSERT_EQ(fake_ca_requests(sim_ca(sim), "newOrder"), 1);
    ASSERT_CONTAINS(sim_message(sim, "certificate/web", "Issuing"), "not before");
    sim_advance(sim, MINUTES(20));
    expect_issued_once(sim);
    sim_free(sim);
}

/* Test and live directory of a CA with one Secret for both: each has its own limits. */
TEST(the_gates_of_two_directories_survive_in_one_secret)
{
    static const char staging[] =
        "apiVersion: cert-manager.io/v1\nkind: Issuer\nmetadata: {name: staging, namespace: default}\n"
        "spec:\n  acme:\n    server: " FAKE_CA_DIRECTORY "/staging\n"
        "    privateKeySecretRef: {name: acme-account}\n" SIM_BY_DNS;
    struct sim *sim = sim_new(START);

    sim_apply(sim, SIM_ISSUER);
    sim_run_until_idle(sim);
    sim_apply(sim, staging);
    sim_run_until_idle(sim);
    sim_fail_ca(sim, "newOrder", FAKE_CA_429_SECONDS, false, 1);
    sim_apply(sim, SIM_CERTIFICATE("test", "[test.example.com]", ""));
    sim_patch(sim, "certificate/test", "spec: {issuerRef: {name: staging}}");
    sim_advance(sim, MINUTES(2));
    sim_apply(sim, by_dns); /* its gate is saved last */
    sim_advance(sim, MINUTES(2));
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    sim_restart(sim);
    sim_set_condition(sim, "certificate/web", "Issuing", "True", "Test", "again");
    sim_advance(sim, MINUTES(10));
    ASSERT_NULL(sim_condition(sim, "certificate/web", "Issuing"));
    ASSERT_STREQ(sim_condition(sim, "certificate/test", "Ready"), "False");
    ASSERT_EQ(fake_ca_orders_of(sim_ca(sim), "test.example.com"), 0);
    sim_advance(sim, HOURS(1));
    ASSERT_STREQ(sim_condition(sim, "certificate/test", "Ready"), "True");
    sim_free(sim);
}

TEST(a_back_off_survives_a_restart)
{
    static const struct fake_ca_answer refused = {
        .status = 400, .body = "{\"type\": \"urn:ietf:params:acme:error:rejectedIdentifier\"}"};
    struct sim_options options = {.start_ms = START};
    struct sim *sim = sim_with(&options, SIM_ISSUER, by_dns);

    fake_ca_queue(sim_ca(sim), "newOrder", &refused);
    sim_run_until_idle(sim);
    for (int i = 0; i < 5; i++) {
        sim_restart(sim);
        sim_advance(sim, MINUTES(10));
    }
    ASSERT_EQ(fake_ca_requests(sim_ca(sim), "newOrder"), 1);
    sim_advance(sim, MINUTES(20));
    expect_issued_once(sim);
    sim_free(sim);
}

TEST(a_renewal_that_came_due_while_nothing_ran_is_done_at_the_start)
{
    struct sim_options options = {.start_ms = START};
    struct sim *sim = sim_with(&options, SIM_ISSUER, by_dns);

    sim_run_until_idle(sim);
    sim_crash_at(sim, sim_points(sim) + 1, false);
    sim_advance(sim, DAYS(80));
    ASSERT_TRUE(sim_has_crashed(sim)); /* at a poll of renewal information */
    sim_restart(sim);
    sim_run_until_idle(sim);
    ASSERT_EQ(sim_orders_finalized(sim), 2);
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    sim_free(sim);
}

TEST(what_an_owner_left_behind_is_collected_at_the_start)
{
    struct sim_options options = {.start_ms = START};
    struct sim *sim = sim_with(&options, SIM_ISSUER, by_dns);

    fake_dns_set_late(sim_dns(sim), "example.com", MINUTES(2));
    sim_advance(sim, SECONDS(30));
    sim_collect_late(sim, true);
    sim_delete(sim, "certificate/web");
    sim_advance(sim, SECONDS(30));
    ASSERT_TRUE(sim_count(sim, "order") > 0);
    sim_restart(sim);
    sim_advance(sim, MINUTES(5));
    ASSERT_EQ(sim_count(sim, "order"), 0);
    ASSERT_EQ(sim_count(sim, "challenge"), 0);
    ASSERT_EQ(sim_count(sim, "certificaterequest"), 0);
    ASSERT_EQ(fake_dns_count(sim_dns(sim)), 0);
    sim_free(sim);
}

/* A finalizer is given up after an hour of trying, not after an hour in which nothing ran. */
TEST(a_record_is_taken_back_however_long_the_program_was_away)
{
    struct sim_options options = {.start_ms = START};
    struct sim *sim = sim_with(&options, SIM_ISSUER, by_dns);

    sim_apply(sim, SIM_ACME_ISSUER("aaa", SIM_BY_DNS)); /* set up before the one that counts */
    fake_dns_set_late(sim_dns(sim), "example.com", MINUTES(2));
    sim_advance(sim, SECONDS(30));
    ASSERT_EQ(fake_dns_count(sim_dns(sim)), 2);
    sim_delete(sim, "certificate/web");
    sim_crash_at(sim, sim_points(sim) + 1, false);
    sim_advance(sim, DAYS(1));
    ASSERT_TRUE(sim_has_crashed(sim));
    sim_restart(sim);
    sim_run_until_idle(sim);
    ASSERT_EQ(fake_dns_count(sim_dns(sim)), 0);
    ASSERT_EQ(sim_count(sim, "challenge"), 0);
    sim_free(sim);
}

RUN_TESTS(cmocka_unit_test(a_restart_in_every_state_loses_nothing),
          cmocka_unit_test(a_start_with_nothing_to_do_does_nothing),
          cmocka_unit_test(the_account_is_looked_up_once_for_all_orders_that_may_be_lost),
          cmocka_unit_test(a_lost_order_is_searched_for_once),
          cmocka_unit_test(a_closed_gate_survives_a_restart),
          cmocka_unit_test(the_gates_of_two_directories_survive_in_one_secret),
          cmocka_unit_test(a_back_off_survives_a_restart),
          cmocka_unit_test(a_renewal_that_came_due_while_nothing_ran_is_done_at_the_start),
          cmocka_unit_test(a_record_is_taken_back_however_long_the_program_was_away),
          cmocka_unit_test(what_an_owner_left_behind_is_collected_at_the_start));
