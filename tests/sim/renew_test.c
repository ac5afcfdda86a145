/* renew_test.c - when a certificate is renewed, by its own times and by the CA's window. */
#include "support/sim.h"

#define START AT("2026-01-01T00:00:00Z")
#define LIFE  (DAYS(90) - SECONDS(1)) /* as Let's Encrypt counts */

/* Issued at START; the CA has no renewal information unless `with_ari`. */
static struct sim *issued(const char *certificate, bool with_ari)
{
    struct sim_options options = {.start_ms = START, .ca = {.no_renewal_info = !with_ari}};
    struct sim *sim = sim_new_with(&options);

    sim_apply(sim, SIM_ISSUER);
    sim_apply(sim, certificate);
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    ASSERT_EQ(sim_orders_finalized(sim), 1);
    return sim;
}

static struct sim *issued_plainly(void)
{
    return issued(SIM_CERTIFICATE("web", "[www.example.com]", ""), false);
}

static struct sim *issued_with_ari(void)
{
    return issued(SIM_CERTIFICATE("web", "[www.example.com]", ""), true);
}

/* Nothing happens up to the moment, and everything at it. */
static void expect_renewal_at(struct sim *sim, int64_t at_ms)
{
    int before = sim_orders_finalized(sim);

    sim_advance(sim, at_ms - sim_now(sim) - SECONDS(1));
    ASSERT_EQ(sim_orders_placed(sim), before);
    sim_advance(sim, MINUTES(1));
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    ASSERT_EQ(sim_orders_finalized(sim), before + 1);
}

TEST(a_certificate_is_renewed_when_two_thirds_of_its_life_have_passed)
{
    struct sim *sim = issued_plainly();
    int64_t renew_at_ms = (START + LIFE - LIFE / 3) / 1000 * 1000;

    ASSERT_EQ(sim_time(sim, "certificate/web", "status.renewalTime"), renew_at_ms);
    expect_renewal_at(sim, renew_at_ms);
    ASSERT_STREQ(sim_text(sim, "certificate/web", "status.revision"), "2");
    sim_free(sim);
}

TEST(renew_before_says_when)
{
    struct sim *sim = issued(SIM_CERTIFICATE("web", "[www.example.com]", "  renewBefore: 240h\n"),
                             false);

    expect_renewal_at(sim, START + LIFE - DAYS(10));
    sim_free(sim);
}

/* Which keeps what is left of the life: 25 % before the end. */
TEST(a_percentage_says_when)
{
    struct sim *sim = issued(
        SIM_CERTIFICATE("web", "[www.example.com]", "  renewBeforePercentage: 25\n"), false);
    int64_t renew_at_ms = START + LIFE - DAYS(90) / 4;

    ASSERT_TRUE(sim_time(sim, "certificate/web", "status.renewalTime") >= renew_at_ms - SECONDS(2));
    ASSERT_TRUE(sim_time(sim, "certificate/web", "status.renewalTime") <= renew_at_ms + SECONDS(2));
    expect_renewal_at(sim, sim_time(sim, "certificate/web", "status.renewalTime"));
    sim_free(sim);
}

TEST(renew_before_longer_than_the_life_is_not_followed)
{
    struct sim *sim = issued(
        SIM_CERTIFICATE("web", "[www.example.com]", "  duration: 4000h\n  renewBefore: 3000h\n"),
        false);

    sim_advance(sim, DAYS(59));
    ASSERT_EQ(sim_orders_placed(sim), 1);
    sim_free(sim);
}

/* cm#9038: policy Disabled stopped the controller. */
TEST(renewal_can_be_turned_off)
{
    struct sim *sim = issued(
        SIM_CERTIFICATE("web", "[www.example.com]", "  renewal: {policy: Disabled}\n"), true);

    ASSERT_NULL(sim_text(sim, "certificate/web", "status.renewalTime"));
    sim_advance(sim, DAYS(89));
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    sim_advance(sim, DAYS(2));
    ASSERT_STREQ(sim_reason(sim, "certificate/web", "Ready"), "Expired");
    ASSERT_EQ(sim_orders_placed(sim), 1);
    sim_free(sim);
}

TEST(a_renewal_date_that_is_edited_counts_at_once)
{
    struct sim *sim = issued_plainly();

    sim_advance(sim, DAYS(40));
    sim_patch(sim, "certificate/web", "{spec: {renewBefore: 1440h}}");
    sim_run_until_idle(sim);
    ASSERT_EQ(sim_orders_finalized(sim), 2);
    sim_free(sim);
}

TEST(a_renewal_date_that_is_edited_is_shown_at_once)
{
    for (int with_ari = 0; with_ari <= 1; with_ari++) {
        struct sim *sim = issued(SIM_CERTIFICATE("web", "[www.example.com]", ""), with_ari);

        if (with_ari)
            fake_ca_set_window(sim_ca(sim), NULL, START + DAYS(100), START + DAYS(101), NULL);
        sim_advance(sim, HOURS(7)); /* the CA was asked again */
        sim_patch(sim, "certificate/web", "{spec: {renewBefore: 240h}}");
        sim_run_until_idle(sim);
        ASSERT_EQ(sim_time(sim, "certificate/web", "status.renewalTime"), START + LIFE - DAYS(10));
        sim_free(sim);
    }
}

TEST(ten_years_pass)
{
    struct sim *sim = issued_plainly();

    sim_watch_expiry(sim);
    sim_advance(sim, DAYS(3650));
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    ASSERT_EQ(sim_orders_finalized(sim), 61);
    ASSERT_EQ(sim_count(sim, "certificaterequest"), 1);
    ASSERT_EQ(sim_count(sim, "order"), 1);
    sim_free(sim);
}

/* --- by the CA's window (RFC 9773, spec/acme.md 6) --- */

TEST(the_instant_lies_inside_the_window_of_the_ca)
{
    struct sim *sim = issued_with_ari();
    int64_t start_ms = sim_time(sim, "certificate/web", "status.acme.ari.suggestedWindow.start");
    int64_t end_ms = sim_time(sim, "certificate/web", "status.acme.ari.suggestedWindow.end");
    int64_t renew_at_ms = sim_time(sim, "certificate/web", "status.renewalTime");

    ASSERT_TRUE(start_ms > START + DAYS(58) && end_ms < START + DAYS(62));
    ASSERT_TRUE(start_ms <= renew_at_ms && renew_at_ms < end_ms);
    expect_renewal_at(sim, renew_at_ms);
    sim_free(sim);
}

/* cm#4787, cm#8574, the CAA bug of 2020-03: certificates that must be replaced within days. */
TEST(a_window_that_moves_forward_is_seen_within_its_retry_time)
{
    struct sim *sim = issued_with_ari();

    sim_advance(sim, DAYS(10));
    fake_ca_set_window(sim_ca(sim), NULL, sim_now(sim) - DAYS(2), sim_now(sim) - DAYS(1),
                       "https://ca.test/incident");
    sim_advance(sim, HOURS(7)); /* the CA says: ask again in 6 hours */
    ASSERT_EQ(sim_orders_finalized(sim), 2);
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    sim_free(sim);
}

/* As CAs do when they revoke what is minutes old. */
TEST(a_window_that_ended_before_the_certificate_began_is_followed_at_once)
{
    struct sim *sim = issued_with_ari();

    sim_advance(sim, HOURS(5));
    fake_ca_set_window(sim_ca(sim), NULL, START - DAYS(2), START - DAYS(1), NULL);
    sim_advance(sim, HOURS(2));
    ASSERT_EQ(sim_orders_finalized(sim), 2);
    sim_advance(sim, DAYS(10));
    ASSERT_EQ(sim_orders_finalized(sim), 2);
    sim_free(sim);
}

TEST(a_ca_that_calls_every_certificate_back_is_not_asked_without_end)
{
    struct sim_options options = {.start_ms = START, .ca = {.calls_all_back = true}};
    struct sim *sim = sim_new_with(&options);

    sim_apply(sim, SIM_ISSUER);
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    sim_run_until_idle(sim);
    ASSERT_EQ(sim_orders_finalized(sim), 2); /* the second stays for 32 h */
    sim_advance(sim, HOURS(31));
    ASSERT_EQ(sim_orders_finalized(sim), 2);
    sim_advance(sim, DAYS(30) - HOURS(31));
    ASSERT_EQ(sim_orders_finalized(sim), 24);
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    sim_free(sim);
}

TEST(a_window_that_moves_back_is_followed)
{
    struct sim *sim = issued_with_ari();

    fake_ca_set_window(sim_ca(sim), NULL, START + DAYS(80), START + DAYS(81), NULL);
    sim_advance(sim, DAYS(79));
    ASSERT_EQ(sim_orders_placed(sim), 1);
    sim_advance(sim, DAYS(2));
    ASSERT_EQ(sim_orders_finalized(sim), 2);
    sim_free(sim);
}

/* Or the Issuer names another CA's directory. The last window holds. */
TEST(a_ca_whose_renewal_information_is_gone_is_asked_now_and_then)
{
    struct sim *sim = issued_with_ari();
    int64_t renew_at_ms = sim_time(sim, "certificate/web", "status.renewalTime");
    int requests;

    fake_ca_end_renewal_info(sim_ca(sim));
    sim_advance(sim, DAYS(1));
    requests = fake_ca_counts(sim_ca(sim))->requests;
    sim_advance(sim, DAYS(1));
    ASSERT_TRUE(fake_ca_counts(sim_ca(sim))->requests - requests <= 5);
    expect_renewal_at(sim, renew_at_ms);
    sim_free(sim);
}

TEST(a_window_behind_the_expiry_is_not_followed)
{
    struct sim *sim = issued_with_ari();

    sim_watch_expiry(sim);
    fake_ca_set_window(sim_ca(sim), NULL, START + DAYS(100), START + DAYS(101), NULL);
    sim_advance(sim, DAYS(61));
    ASSERT_EQ(sim_orders_finalized(sim), 2);
    sim_free(sim);
}

TEST(renewal_information_that_fails_leaves_the_plain_time)
{
    struct sim *sim = sim_new(START);

    sim_fail_ca(sim, "renewalInfo", FAKE_CA_500, false, 1000000);
    sim_apply(sim, SIM_ISSUER);
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    sim_run_until_idle(sim);
    ASSERT_CONTAINS(sim_text(sim, "certificate/web", "status.acme.ari.lastError"), "500");
    expect_renewal_at(sim, (START + LIFE - LIFE / 3) / 1000 * 1000);
    ASSERT_TRUE(fake_ca_requests(sim_ca(sim), "renewalInfo") <= 61 * 4);
    sim_free(sim);
}

/* A day of Retry-After is usual there. Orders do not wait for that, and the next look does. */
TEST(renewal_information_that_is_refused_holds_nothing_else_up)
{
    static const enum fake_ca_fault faults[] = {FAKE_CA_429_SECONDS, FAKE_CA_503_SECONDS,
                                                FAKE_CA_429};

    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        struct sim_options options = {.start_ms = START, .ari_every_ms = HOURS(12)};
        struct sim *sim = sim_new_with(&options);
        cleanup(xfree) char *row = xasprintf("fault %d", (int)faults[i]);

        CASE(row);
        sim_fail_ca(sim, "renewalInfo", faults[i], false, 1000000);
        sim_apply(sim, SIM_ISSUER);
        sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
        sim_run_until_idle(sim);
        ASSERT_EQ(fake_ca_requests(sim_ca(sim), "renewalInfo"), 1);
        sim_apply(sim, SIM_CERTIFICATE("mail", "[mail.example.com]", ""));
        sim_advance(sim, MINUTES(1));
        ASSERT_STREQ(sim_condition(sim, "certificate/mail", "Ready"), "True");
        ASSERT_EQ(fake_ca_requests(sim_ca(sim), "renewalInfo"), 2);
        sim_advance(sim, HOURS(12) - MINUTES(10));
        ASSERT_EQ(fake_ca_requests(sim_ca(sim), "renewalInfo"), 2);
        sim_advance(sim, MINUTES(20));
        ASSERT_EQ(fake_ca_requests(sim_ca(sim), "renewalInfo"), 4);
        sim_free(sim);
    }
}

TEST(renewal_information_for_an_unknown_certificate_leaves_the_plain_time)
{
    static const struct fake_ca_answer not_found = {
        .status = 404, .body = "{\"type\": \"urn:ietf:params:acme:error:malformed\"}"};
    struct sim *sim = sim_new(START);

    for (int i = 0; i < 300; i++)
        fake_ca_queue(sim_ca(sim), "renewalInfo", &not_found);
    sim_apply(sim, SIM_ISSUER);
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    sim_run_until_idle(sim);
    expect_renewal_at(sim, (START + LIFE - LIFE / 3) / 1000 * 1000);
    sim_free(sim);
}

TEST(an_issuer_may_do_without_renewal_information)
{
    struct sim *sim = sim_new(START);

    sim_apply(sim, SIM_ACME_ISSUER("acme", "    renewalInformationSource: None\n" SIM_BY_DNS));
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    sim_run_until_idle(sim);
    expect_renewal_at(sim, (START + LIFE - LIFE / 3) / 1000 * 1000);
    ASSERT_EQ(fake_ca_requests(sim_ca(sim), "renewalInfo"), 0);
    ASSERT_NULL(sim_text(sim, "certificate/web", "status.acme"));
    sim_free(sim);
}

/* The CA does not count a replacement inside of its window. */
TEST(the_order_says_which_certificate_it_replaces)
{
    struct sim *sim = issued_with_ari();
    const char *first = NULL;

    sim_advance(sim, DAYS(61));
    ASSERT_EQ(sim_orders_finalized(sim), 2);
    first = sim_text(sim, sim_only(sim, "order"), "spec.replaces");
    ASSERT_TRUE(first != NULL);
    sim_advance(sim, DAYS(61));
    ASSERT_EQ(sim_orders_finalized(sim), 3);
    ASSERT_TRUE(!streq(sim_text(sim, sim_only(sim, "order"), "spec.replaces"), first));
    sim_free(sim);
}

/* behaviour.md 8: refused for its `replaces`, the order is placed again without. */
TEST(an_order_is_placed_without_replaces_when_the_ca_knows_of_a_replacement)
{
    static const struct fake_ca_answer replaced = {
        .status = 409, .body = "{\"type\": \"urn:ietf:params:acme:error:alreadyReplaced\"}"};
    struct sim *sim = issued_with_ari();

    fake_ca_queue(sim_ca(sim), "newOrder", &replaced);
    sim_advance(sim, DAYS(61));
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    ASSERT_EQ(sim_orders_finalized(sim), 2);
    ASSERT_NULL(sim_text(sim, "certificate/web", "status.failedIssuanceAttempts"));
    sim_free(sim);
}

TEST(a_ca_that_forgot_the_replaced_certificate_gets_an_order_without)
{
    static const struct fake_ca_answer unknown = {
        .status = 404,
        .body = "{\"type\": \"urn:ietf:params:acme:error:malformed\", \"detail\": "
                "\"certificate being replaced by this order could not be found\"}"};
    struct sim *sim = issued_with_ari();

    fake_ca_queue(sim_ca(sim), "newOrder", &unknown);
    sim_advance(sim, DAYS(61));
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    ASSERT_EQ(sim_orders_finalized(sim), 2);
    sim_free(sim);
}

/* A renewal that fails leaves what is there in force. */
TEST(a_renewal_that_fails_leaves_the_certificate_ready)
{
    struct sim *sim = issued_plainly();
    const char *before;

    before = sim_secret(sim, "web-tls", "tls.crt");
    sim_set_ca_down(sim, true);
    sim_advance(sim, DAYS(70));
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Issuing"), "True");
    ASSERT_STREQ(sim_secret(sim, "web-tls", "tls.crt"), before);
    sim_set_ca_down(sim, false);
    sim_advance(sim, HOURS(1));
    ASSERT_EQ(sim_orders_finalized(sim), 2);
    ASSERT_NULL(sim_condition(sim, "certificate/web", "Issuing"));
    sim_free(sim);
}

TEST(a_certificate_of_six_days_is_renewed_in_time)
{
    struct sim_options options = {.start_ms = START, .ca = {.lifetime_ms = DAYS(6)}};
    struct sim *sim = sim_new_with(&options);

    sim_apply(sim, SIM_ISSUER);
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    sim_run_until_idle(sim);
    sim_watch_expiry(sim);
    sim_advance(sim, DAYS(60));
    ASSERT_TRUE(sim_orders_finalized(sim) >= 18);
    ASSERT_TRUE(sim_orders_finalized(sim) <= 22);
    sim_free(sim);
}

RUN_TESTS(cmocka_unit_test(a_certificate_is_renewed_when_two_thirds_of_its_life_have_passed),
          cmocka_unit_test(renew_before_says_when), cmocka_unit_test(a_percentage_says_when),
          cmocka_unit_test(renew_before_longer_than_the_life_is_not_followed),
          cmocka_unit_test(renewal_can_be_turned_off),
          cmocka_unit_test(a_renewal_date_that_is_edited_counts_at_once),
          cmocka_unit_test(a_renewal_date_that_is_edited_is_shown_at_once),
          cmocka_unit_test(ten_years_pass),
          cmocka_unit_test(the_instant_lies_inside_the_window_of_the_ca),
          cmocka_unit_test(a_window_that_moves_forward_is_seen_within_its_retry_time),
          cmocka_unit_test(a_window_that_ended_before_the_certificate_began_is_followed_at_once),
          cmocka_unit_test(a_ca_that_calls_every_certificate_back_is_not_asked_without_end),
          cmocka_unit_test(a_window_that_moves_back_is_followed),
          cmocka_unit_test(a_ca_whose_renewal_information_is_gone_is_asked_now_and_then),
          cmocka_unit_test(a_window_behind_the_expiry_is_not_followed),
          cmocka_unit_test(renewal_information_that_fails_leaves_the_plain_time),
          cmocka_unit_test(renewal_information_that_is_refused_holds_nothing_else_up),
          cmocka_unit_test(renewal_information_for_an_unknown_certificate_leaves_the_plain_time),
          cmocka_unit_test(an_issuer_may_do_without_renewal_information),
          cmocka_unit_test(the_order_says_which_certificate_it_replaces),
          cmocka_unit_test(an_order_is_placed_without_replaces_when_the_ca_knows_of_a_replacement),
          cmocka_unit_test(a_ca_that_forgot_the_replaced_certificate_gets_an_order_without),
          cmocka_unit_test(a_renewal_that_fails_leaves_the_certificate_ready),
          cmocka_unit_test(a_certificate_of_six_days_is_renewed_in_time));
