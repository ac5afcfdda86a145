/* names_test.c - objects whose names follow from what they say, where two of them come to the same name. */
#include "support/sim.h"

#define START AT("2026-01-01T00:00:00Z")

/* Of the requests FIRST-1 and OTHER-1 both make an Order of one name for the same spec (behaviour.md 16): the hash
 * has 32 bits, and what is before it is cut off. */
#define LONG  "two-certificates-whose-long-names-begin-with-the-same-letters-"
#define FIRST LONG "ghplqxfgub"
#define OTHER LONG "mswbyiajss"

static struct sim *with_issuer(const struct sim_options *options)
{
    struct sim *sim = sim_new_with(options);

    sim_apply(sim, SIM_ISSUER);
    sim_run_until_idle(sim);
    fake_dns_set_late(sim_dns(sim), "example.com", MINUTES(2));
    return sim;
}

static void expect_both_issued(struct sim *sim)
{
    sim_advance(sim, MINUTES(10));
    ASSERT_STREQ(sim_condition(sim, "certificate/" FIRST, "Ready"), "True");
    ASSERT_STREQ(sim_condition(sim, "certificate/" OTHER, "Ready"), "True");
    ASSERT_NULL(sim_text(sim, "certificate/" FIRST, "status.failedIssuanceAttempts"));
    ASSERT_NULL(sim_text(sim, "certificate/" OTHER, "status.failedIssuanceAttempts"));
    ASSERT_EQ(sim_orders_finalized(sim), 2);
}

/* An Order that another request waits for must not make room. */
TEST(two_requests_whose_orders_would_have_one_name_have_one_each)
{
    for (int restarts = 0; restarts < 2; restarts++) {
        struct sim *sim = with_issuer(&(struct sim_options){.start_ms = START});
        const char *first, *uid;

        CASE(restarts ? "restarted" : "");
        sim_apply(sim, SIM_CERTIFICATE(FIRST, "[www.example.com]", ""));
        sim_advance(sim, SECONDS(10));
        first = sim_only(sim, "order");
        uid = sim_text(sim, first, "metadata.uid");
        sim_apply(sim, SIM_CERTIFICATE(OTHER, "[www.example.com]", ""));
        sim_advance(sim, SECONDS(10));
        ASSERT_EQ(sim_count(sim, "order"), 2);
        ASSERT_STREQ(sim_text(sim, first, "metadata.uid"), uid);
        ASSERT_FALSE(sim_has_event(sim, "certificaterequest/" FIRST "-1", "OrderNameTaken"));
        ASSERT_TRUE(sim_has_event(sim, "certificaterequest/" OTHER "-1", "OrderNameTaken"));
        if (restarts)
            sim_restart(sim);
        expect_both_issued(sim);
        ASSERT_EQ(sim_orders_placed(sim), 2);
        sim_free(sim);
    }
}

/* The names of the Orders differ, but what Challenges keep of them does not; their authorization is one. */
TEST(two_orders_whose_challenges_have_one_name_share_it)
{
    struct sim_options options = {.start_ms = START, .ca = {.reuse_pending = true}};

    for (int restarts = 0; restarts < 2; restarts++) {
        struct sim *sim = with_issuer(&options);
        const char *challenge, *uid;

        CASE(restarts ? "restarted" : "");
        sim_apply(sim, SIM_CERTIFICATE(FIRST, "[www.example.com]", ""));
        sim_advance(sim, SECONDS(10));
        challenge = sim_only(sim, "challenge");
        uid = sim_text(sim, challenge, "metadata.uid");
        sim_apply(sim, SIM_CERTIFICATE(OTHER, "[www.example.com, more.example.net]", ""));
        sim_advance(sim, SECONDS(30));
        if (restarts)
            sim_restart(sim);
        ASSERT_CONTAINS(sim_message(sim, "certificate/" OTHER, "Issuing"), "Challenge");
        ASSERT_STREQ(sim_text(sim, challenge, "metadata.uid"), uid);
        ASSERT_EQ(fake_dns_count_at(sim_dns(sim), "_acme-challenge.www.example.com"), 1);
        expect_both_issued(sim);
        ASSERT_EQ(sim_orders_placed(sim), 2);
        ASSERT_EQ(fake_dns_count(sim_dns(sim)), 0);
        sim_free(sim);
    }
}

/* Who waits has given its place up, and not the record, which both need: a CA that gives a pending authorization to
 * two Orders wants one value of both. */
TEST(a_record_that_two_share_stays_while_one_waits_and_the_other_goes)
{
    for (int ca_is_away = 0; ca_is_away <= 1; ca_is_away++) {
        struct sim_options options = {.start_ms = START, .ca = {.reuse_pending = true}};
        struct sim *sim = with_issuer(&options);
        const char *record = "_acme-challenge.www.example.com";

        CASE(ca_is_away ? "the CA is away" : "the Issuer is not ready");
        sim_apply(sim, SIM_CERTIFICATE("one", "[www.example.com]", ""));
        sim_apply(sim, SIM_CERTIFICATE("two", "[www.example.com]", ""));
        sim_advance(sim, SECONDS(10));
        ASSERT_EQ(sim_count(sim, "challenge"), 2);
        ASSERT_EQ(fake_dns_count_at(sim_dns(sim), record), 1);
        if (ca_is_away)
            sim_fail_ca(sim, "authz", FAKE_CA_503_SECONDS, false, 2);
        else
            sim_patch(sim, "issuer/acme", "{spec: {acme: {server: 'https://away.test/dir'}}}");
        sim_advance(sim, ca_is_away ? SECONDS(121) : SECONDS(30));
        sim_delete(sim, "certificate/one");
        sim_advance(sim, SECONDS(30));
        ASSERT_EQ(fake_dns_count_at(sim_dns(sim), record), 1);
        sim_patch(sim, "issuer/acme", "{spec: {acme: {server: '" FAKE_CA_DIRECTORY "'}}}");
        sim_advance(sim, MINUTES(20));
        ASSERT_STREQ(sim_condition(sim, "certificate/two", "Ready"), "True");
        ASSERT_NULL(sim_text(sim, "certificate/two", "status.failedIssuanceAttempts"));
        sim_free(sim);
    }
}

RUN_TESTS(cmocka_unit_test(a_record_that_two_share_stays_while_one_waits_and_the_other_goes),
          cmocka_unit_test(two_requests_whose_orders_would_have_one_name_have_one_each),
          cmocka_unit_test(two_orders_whose_challenges_have_one_name_share_it));
