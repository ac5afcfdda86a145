#include <stdio.h>

#include "acme/gate.h"
#include "support/testing.h"

#define START AT("2026-01-01T00:00:00Z")

static const struct acme_limits limits = {
    .orders_per_account = 8,
    .orders_refill_s = 3600,
    .certs_per_domain = 4,
    .certs_refill_s = 7200,
    .certs_per_set = 2,
    .set_refill_s = 36000,
    .failures_per_name = 5,
    .failures_refill_s = 720,
};

struct bed {
    struct fake_clock clock;
    struct context ctx;
    struct acme_gate *gate;
};

static void bed_init(struct bed *bed)
{
    fake_clock_init(&bed->clock, START);
    bed->ctx = context_background(&bed->clock.clock);
    bed->gate = acme_gate_new("https://ca.test/dir");
    acme_gate_set_limits(bed->gate, &limits);
}

static void bed_deinit(struct bed *bed)
{
    acme_gate_unref(bed->gate);
    bed->gate = NULL;
}
DEFINE_CLEANUP_VALUE(struct bed, bed_deinit);

/* Saves, and goes on with a new gate that has read it. */
static void bed_restart(struct bed *bed)
{
    cleanup(xfree) char *saved = acme_gate_save(bed->gate, &bed->ctx);

    ASSERT_FALSE(acme_gate_is_dirty(bed->gate));
    acme_gate_unref(bed->gate);
    bed->gate = acme_gate_new("https://ca.test/dir");
    acme_gate_set_limits(bed->gate, &limits);
    acme_gate_restore(bed->gate, saved);
}

struct ask {
    const char *name, *domain, *tenant;
    bool is_renewal, is_ari_exempt;
};

struct asked {
    struct strlist names, domains;
    struct acme_budget_request request;
};

static void asked_init(struct asked *asked, const struct ask *ask)
{
    *asked = (struct asked){};
    strlist_add(&asked->names, ask->name);
    if (ask->domain)
        strlist_add(&asked->domains, ask->domain);
    asked->request = (struct acme_budget_request){.names = &asked->names,
                                                  .registered_domains = &asked->domains,
                                                  .tenant = ask->tenant,
                                                  .is_renewal = ask->is_renewal,
                                                  .is_ari_exempt = ask->is_ari_exempt};
}

static void asked_deinit(struct asked *asked)
{
    strlist_deinit(&asked->names);
    strlist_deinit(&asked->domains);
}
DEFINE_CLEANUP_VALUE(struct asked, asked_deinit);

static int take_order(struct bed *bed, const struct ask *ask, struct err *err)
{
    cleanup(asked_deinit) struct asked asked = {};

    asked_init(&asked, ask);
    return acme_gate_take_order(bed->gate, &bed->ctx, &asked.request, err);
}

/* Distinct names and domains, so that only the account's budget counts. */
static int take_numbered(struct bed *bed, int number, const char *tenant, struct err *err)
{
    char name[40];

    (void)snprintf(name, sizeof(name), "n%d.example", number);
    return take_order(bed, &(struct ask){.name = name, .domain = name, .tenant = tenant}, err);
}

TEST(a_closed_gate_says_until_when_and_why)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct err err = {};

    bed_init(&bed);
    ASSERT_OK(acme_gate_check(bed.gate, &bed.ctx, &err));
    acme_gate_close_until(bed.gate, START + MINUTES(10), "too many orders");
    acme_gate_close_until(bed.gate, START + MINUTES(5), "never opens earlier");
    ASSERT_ERR(ERR_RATE_LIMITED, acme_gate_check(bed.gate, &bed.ctx, &err));
    ASSERT_STREQ(err.text, "not before 2026-01-01T00:10:00Z: too many orders");
    ASSERT_EQ(err.retry_at_ms, START + MINUTES(10));
    fake_clock_advance(&bed.clock, MINUTES(10));
    ASSERT_OK(acme_gate_check(bed.gate, &bed.ctx, &err));
    ASSERT_OK(acme_gate_check(NULL, &bed.ctx, &err));
}

TEST(no_answer_closes_the_gate_for_more_than_a_week)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct err err = {};

    bed_init(&bed);
    acme_gate_close_until(bed.gate, START + DAYS(300), "a joke");
    ASSERT_ERR(ERR_RATE_LIMITED, acme_gate_check(bed.gate, &bed.ctx, &err));
    ASSERT_EQ(err.retry_at_ms, START + DAYS(7));
    fake_clock_advance(&bed.clock, DAYS(7));
    ASSERT_OK(acme_gate_check(bed.gate, &bed.ctx, &err));
}

TEST(refusals_of_one_moment_back_off_once)
{
    cleanup(bed_deinit) struct bed bed = {};

    bed_init(&bed);
    ASSERT_EQ(acme_gate_back_off(bed.gate, &bed.ctx, "a", "why", HOURS(1)), START + MINUTES(1));
    ASSERT_EQ(acme_gate_back_off(bed.gate, &bed.ctx, "a", "why", HOURS(1)), START + MINUTES(1));
    fake_clock_advance(&bed.clock, MINUTES(1));
    ASSERT_EQ(acme_gate_back_off(bed.gate, &bed.ctx, "a", "why", HOURS(1)), START + MINUTES(3));
    fake_clock_advance(&bed.clock, MINUTES(2));
    acme_gate_succeeded(bed.gate, "b"); /* of something else: says nothing about it */
    ASSERT_EQ(acme_gate_back_off(bed.gate, &bed.ctx, "a", "why", MINUTES(3)), START + MINUTES(6));
    fake_clock_advance(&bed.clock, MINUTES(3));
    acme_gate_succeeded(bed.gate, "a");
    ASSERT_EQ(acme_gate_back_off(bed.gate, &bed.ctx, "a", "why", HOURS(1)), START + MINUTES(7));
}

TEST(a_closed_gate_and_its_back_off_survive_a_restart)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct err err = {};

    bed_init(&bed);
    ASSERT_FALSE(acme_gate_is_dirty(bed.gate));
    acme_gate_back_off(bed.gate, &bed.ctx, "authorize_order", "429 no reason", HOURS(1));
    ASSERT_TRUE(acme_gate_is_dirty(bed.gate));
    bed_restart(&bed);
    ASSERT_ERR(ERR_RATE_LIMITED, acme_gate_check(bed.gate, &bed.ctx, &err));
    ASSERT_STREQ(err.text, "not before 2026-01-01T00:01:00Z: 429 no reason");
    fake_clock_advance(&bed.clock, MINUTES(1));
    ASSERT_OK(acme_gate_check(bed.gate, &bed.ctx, &err));
    ASSERT_EQ(acme_gate_back_off(bed.gate, &bed.ctx, "authorize_order", "why", HOURS(1)),
              START + MINUTES(3));
}

TEST(a_held_set_survives_a_restart_and_ends_in_time)
{
    cleanup(bed_deinit) struct bed bed = {};
    cleanup(asked_deinit) struct asked asked = {};
    struct err err = {};

    bed_init(&bed);
    asked_init(&asked, &(struct ask){.name = "a.example"});
    acme_gate_hold_names(bed.gate, &bed.ctx, &asked.names, START + DAYS(1),
                         "paused, open https://ca.test/unpause");
    bed_restart(&bed);
    ASSERT_ERR(ERR_RATE_LIMITED, acme_gate_take_order(bed.gate, &bed.ctx, &asked.request, &err));
    ASSERT_CONTAINS(err.text, "https://ca.test/unpause");
    fake_clock_advance(&bed.clock, DAYS(1));
    ASSERT_OK(acme_gate_take_order(bed.gate, &bed.ctx, &asked.request, &err));
}

TEST(unreadable_state_is_passed_over)
{
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "null",
        "{\"notBefore\":\"x\",\"buckets\":[1,2],\"holds\":{\"a\":3}}",
        "{\"buckets\":{\"orders\":{\"full\":\"x\",\"tenants\":{\"t\":[1]}}},\"backOff\":-5}",
        "{\"buckets\":{\"orders\":{\"full\":1,\"tenants\":{\"t\":[9223372036854775807,9223372036854775807,1]}}}}",
    };

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        cleanup(bed_deinit) struct bed bed = {};
        struct err err = {};

        CASE(texts[i]);
        bed_init(&bed);
        acme_gate_restore(bed.gate, texts[i]);
        ASSERT_OK(acme_gate_check(bed.gate, &bed.ctx, &err));
        ASSERT_OK(take_numbered(&bed, 1, "t", &err));
    }
    CASE("");
}

TEST(damaged_state_cannot_close_a_budget_for_longer_than_it_takes_to_fill)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct err err = {};

    bed_init(&bed);
    acme_gate_restore(bed.gate,
                      "{\"notBefore\":4102444800000000,\"buckets\":{\"orders\":4102444800000}}");
    ASSERT_ERR(ERR_RATE_LIMITED, acme_gate_check(bed.gate, &bed.ctx, &err));
    ASSERT_EQ(err.retry_at_ms, START + DAYS(7));
    ASSERT_ERR(ERR_RATE_LIMITED, take_numbered(&bed, 1, NULL, &err));
    ASSERT_TRUE(err.retry_at_ms <= START + HOURS(1) + MINUTES(1));
}

/* cm#407, cm#1948, cm#4612: storms of orders that made the CA block the client. */
TEST(orders_beyond_the_account_limit_wait_for_a_token)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct err err = {};

    bed_init(&bed);
    for (int i = 0; i < 8; i++)
        ASSERT_OK(take_numbered(&bed, i, "ns", &err));
    ASSERT_ERR(ERR_RATE_LIMITED, take_numbered(&bed, 8, "ns", &err));
    ASSERT_CONTAINS(err.text, "the CA's limit on new orders of the account (8) is reached");
    ASSERT_TRUE(err.retry_at_ms > START + HOURS(1) &&
                err.retry_at_ms < START + HOURS(1) + MINUTES(1));

    bed_restart(&bed); /* counts go with it */
    ASSERT_ERR(ERR_RATE_LIMITED, take_numbered(&bed, 8, "ns", &err));
    fake_clock_advance(&bed.clock, err.retry_at_ms - START);
    ASSERT_OK(take_numbered(&bed, 8, "ns", &err));
    ASSERT_ERR(ERR_RATE_LIMITED, take_numbered(&bed, 9, "ns", &err));
}

TEST(a_refused_order_gives_its_tokens_back)
{
    cleanup(bed_deinit) struct bed bed = {};
    cleanup(asked_deinit) struct asked asked = {};
    struct err err = {};

    bed_init(&bed);
    asked_init(&asked, &(struct ask){.name = "a.example", .domain = "example", .tenant = "ns"});
    for (int i = 0; i < 50; i++) {
        ASSERT_OK(acme_gate_take_order(bed.gate, &bed.ctx, &asked.request, &err));
        acme_gate_return_order(bed.gate, &asked.request);
    }
    ASSERT_OK(acme_gate_take_order(bed.gate, &bed.ctx, &asked.request, &err));
    ASSERT_OK(acme_gate_take_order(bed.gate, &bed.ctx, &asked.request, &err));
    ASSERT_ERR(ERR_RATE_LIMITED, acme_gate_take_order(bed.gate, &bed.ctx, &asked.request, &err));
}

TEST(an_order_without_a_certificate_costs_only_the_order)
{
    cleanup(bed_deinit) struct bed bed = {};
    cleanup(asked_deinit) struct asked asked = {};
    struct err err = {};

    bed_init(&bed);
    asked_init(&asked, &(struct ask){.name = "a.example", .domain = "example", .tenant = "ns"});
    for (int i = 0; i < 8;
         i++) { /* as often as the account may order, not twice as the set allows */
        ASSERT_OK(acme_gate_take_order(bed.gate, &bed.ctx, &asked.request, &err));
        acme_gate_end_order(bed.gate, &bed.ctx, &asked.request, false);
    }
    ASSERT_ERR(ERR_RATE_LIMITED, acme_gate_take_order(bed.gate, &bed.ctx, &asked.request, &err));
    ASSERT_CONTAINS(err.text, "new orders of the account");
}

TEST(a_certificate_counts_from_when_it_was_issued)
{
    cleanup(bed_deinit) struct bed bed = {};
    cleanup(asked_deinit) struct asked asked = {};
    struct err err = {};

    bed_init(&bed);
    asked_init(&asked, &(struct ask){.name = "a.example", .domain = "example"});
    ASSERT_OK(acme_gate_take_order(bed.gate, &bed.ctx, &asked.request, &err));
    ASSERT_OK(acme_gate_take_order(bed.gate, &bed.ctx, &asked.request, &err));
    fake_clock_advance(&bed.clock, HOURS(24)); /* both orders are still under way */
    ASSERT_ERR(ERR_RATE_LIMITED, acme_gate_take_order(bed.gate, &bed.ctx, &asked.request, &err));
    ASSERT_CONTAINS(err.text, "certificates for exactly these names (2)");
    acme_gate_end_order(bed.gate, &bed.ctx, &asked.request, true);
    acme_gate_end_order(bed.gate, &bed.ctx, &asked.request, true);
    ASSERT_ERR(ERR_RATE_LIMITED, acme_gate_take_order(bed.gate, &bed.ctx, &asked.request, &err));
    ASSERT_TRUE(err.retry_at_ms >= START + HOURS(24) + HOURS(10));
    fake_clock_advance(&bed.clock, HOURS(10) + MINUTES(1));
    ASSERT_OK(acme_gate_take_order(bed.gate, &bed.ctx, &asked.request, &err));
}

TEST(orders_under_way_count_as_issued_after_a_restart)
{
    cleanup(bed_deinit) struct bed bed = {};
    cleanup(asked_deinit) struct asked asked = {};
    struct err err = {};

    bed_init(&bed);
    asked_init(&asked, &(struct ask){.name = "a.example", .domain = "example"});
    ASSERT_OK(acme_gate_take_order(bed.gate, &bed.ctx, &asked.request, &err));
    ASSERT_OK(acme_gate_take_order(bed.gate, &bed.ctx, &asked.request, &err));
    bed_restart(&bed);
    ASSERT_ERR(ERR_RATE_LIMITED, acme_gate_take_order(bed.gate, &bed.ctx, &asked.request, &err));
    acme_gate_end_order(bed.gate, &bed.ctx, &asked.request,
                        false); /* nothing held: nothing comes back */
    ASSERT_ERR(ERR_RATE_LIMITED, acme_gate_take_order(bed.gate, &bed.ctx, &asked.request, &err));
}

TEST(an_order_that_never_ended_is_forgotten_after_a_week)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct ask ask = {.name = "a.example"};
    struct err err = {};

    bed_init(&bed);
    ASSERT_OK(take_order(&bed, &ask, &err));
    ASSERT_OK(take_order(&bed, &ask, &err));
    fake_clock_advance(&bed.clock, DAYS(7));
    ASSERT_ERR(ERR_RATE_LIMITED, take_order(&bed, &ask, &err));
    fake_clock_advance(&bed.clock, 1);
    ASSERT_OK(take_order(&bed, &ask, &err));
}

TEST(renewals_are_exempt_as_the_ca_exempts_them)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct ask renewal = {
        .name = "a.example", .domain = "example", .tenant = "ns", .is_renewal = true};
    struct ask replacement = {
        .name = "a.example", .domain = "example", .tenant = "ns", .is_ari_exempt = true};
    struct err err = {};

    bed_init(&bed);
    for (int i = 0; i < 8; i++)
        ASSERT_OK(take_numbered(&bed, i, "ns", &err)); /* the account's orders are used up */
    ASSERT_OK(take_order(&bed, &renewal, &err));
    ASSERT_OK(take_order(&bed, &renewal, &err));
    ASSERT_ERR(ERR_RATE_LIMITED, take_order(&bed, &renewal, &err)); /* the exact set still counts */
    ASSERT_CONTAINS(err.text, "exactly these names");
    for (int i = 0; i < 20; i++)
        ASSERT_OK(take_order(&bed, &replacement, &err));
}

TEST(a_tenant_gets_its_even_share_of_what_is_left)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct err err = {};

    bed_init(&bed);
    ASSERT_OK(take_numbered(&bed, 100, "quiet", &err));
    for (int i = 0; i < 4; i++) /* the greedy one may use what nobody else needs: the upper half */
        ASSERT_OK(take_numbered(&bed, i, "greedy", &err));
    ASSERT_ERR(ERR_RATE_LIMITED, take_numbered(&bed, 4, "greedy", &err)); /* its half: 4 of 8 */
    for (int i = 200; i < 203; i++)
        ASSERT_OK(take_numbered(&bed, i, "quiet", &err));
    ASSERT_ERR(ERR_RATE_LIMITED, take_numbered(&bed, 203, "quiet", &err)); /* now it is empty */
}

TEST(shares_survive_a_restart_and_end_with_the_day)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct err err = {};

    bed_init(&bed);
    ASSERT_OK(take_numbered(&bed, 100, "quiet", &err));
    for (int i = 0; i < 4; i++)
        ASSERT_OK(take_numbered(&bed, i, "greedy", &err));
    bed_restart(&bed);
    ASSERT_ERR(ERR_RATE_LIMITED, take_numbered(&bed, 4, "greedy", &err));
    ASSERT_OK(take_numbered(&bed, 101, "quiet", &err));
    fake_clock_advance(&bed.clock, DAYS(1) + 1);
    for (int i = 10; i < 18; i++)
        ASSERT_OK(take_numbered(&bed, i, "greedy", &err)); /* alone again */
}

TEST(failed_validations_of_a_name_stop_short_of_the_limit)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct err err = {};

    bed_init(&bed);
    for (int i = 0; i < 4; i++) {
        ASSERT_OK(acme_gate_check_name(bed.gate, &bed.ctx, "a.example", &err));
        acme_gate_count_failure(bed.gate, &bed.ctx, "a.example");
    }
    ASSERT_ERR(ERR_RATE_LIMITED, acme_gate_check_name(bed.gate, &bed.ctx, "a.example", &err));
    ASSERT_CONTAINS(err.text, "failed validations of the name 'a.example' (5)");
    ASSERT_OK(acme_gate_check_name(bed.gate, &bed.ctx, "b.example", &err));
    bed_restart(&bed);
    ASSERT_ERR(ERR_RATE_LIMITED, acme_gate_check_name(bed.gate, &bed.ctx, "a.example", &err));
    fake_clock_advance(&bed.clock, MINUTES(13));
    ASSERT_OK(acme_gate_check_name(bed.gate, &bed.ctx, "a.example", &err));
}

TEST(an_unknown_ca_has_no_budgets)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct err err = {};

    bed_init(&bed);
    acme_gate_set_limits(bed.gate, NULL);
    for (int i = 0; i < 1000; i++)
        ASSERT_OK(take_numbered(&bed, i, NULL, &err));
    ASSERT_NULL(acme_limits_of("https://ca.test/dir"));
    ASSERT_NULL(acme_limits_of("not a url"));
    ASSERT_EQ(acme_limits_of("https://acme-v02.api.letsencrypt.org/directory")->orders_per_account,
              300);
}

/* cm#407, cm#4846, cm#5074: whatever makes us order without end, it does not get far. */
TEST(orders_of_the_same_names_have_a_limit_of_ours_at_every_ca_and_in_every_case)
{
    static const struct ask ask = {
        .name = "a.example", .domain = "example", .is_renewal = true, .is_ari_exempt = true};
    cleanup(bed_deinit) struct bed bed = {};
    struct err err = {};

    bed_init(&bed);
    acme_gate_set_limits(bed.gate, NULL);
    for (int i = 0; i < 30; i++)
        ASSERT_OK(take_order(&bed, &ask, &err));
    ASSERT_ERR(ERR_RATE_LIMITED, take_order(&bed, &ask, &err));
    ASSERT_CONTAINS(err.text, "our own limit on orders for exactly these names (30) is reached");
    ASSERT_TRUE(err.retry_at_ms <= bed.clock.now_ms + MINUTES(2));
    ASSERT_OK(take_numbered(&bed, 1, NULL, &err)); /* others go on */
    fake_clock_advance(&bed.clock, MINUTES(2));
    ASSERT_OK(take_order(&bed, &ask, &err));
    ASSERT_FALSE(acme_gate_is_dirty(bed.gate)); /* it costs no write */
}

TEST(the_saved_text_fits_an_annotation)
{
    static const struct acme_limits many = {.certs_per_domain = 50,
                                            .certs_refill_s = 12096,
                                            .certs_per_set = 5,
                                            .set_refill_s = 120960};
    cleanup(bed_deinit) struct bed bed = {};
    cleanup(xfree) char *saved = NULL;
    struct err err = {};

    bed_init(&bed);
    acme_gate_set_limits(bed.gate, &many);
    for (int i = 0; i < 3000; i++)
        ASSERT_OK(take_numbered(&bed, i, "ns", &err));
    saved = acme_gate_save(bed.gate, &bed.ctx);
    ASSERT_TRUE(strlen(saved) < 64 * 1024);
    ASSERT_TRUE(strlen(saved) > 40 * 1024);
    fake_clock_advance(&bed.clock, DAYS(8)); /* all full again, and nobody remembers who asked */
    xfree(saved);
    for (int i = 0; i < 3000; i++)
        ASSERT_OK(take_numbered(&bed, i, "ns", &err));
    saved = acme_gate_save(bed.gate, &bed.ctx);
}

RUN_TESTS(
    cmocka_unit_test(a_closed_gate_says_until_when_and_why),
    cmocka_unit_test(no_answer_closes_the_gate_for_more_than_a_week),
    cmocka_unit_test(refusals_of_one_moment_back_off_once),
    cmocka_unit_test(a_closed_gate_and_its_back_off_survive_a_restart),
    cmocka_unit_test(a_held_set_survives_a_restart_and_ends_in_time),
    cmocka_unit_test(unreadable_state_is_passed_over),
    cmocka_unit_test(damaged_state_cannot_close_a_budget_for_longer_than_it_takes_to_fill),
    cmocka_unit_test(orders_beyond_the_account_limit_wait_for_a_token),
    cmocka_unit_test(a_refused_order_gives_its_tokens_back),
    cmocka_unit_test(an_order_without_a_certificate_costs_only_the_order),
    cmocka_unit_test(a_certificate_counts_from_when_it_was_issued),
    cmocka_unit_test(orders_under_way_count_as_issued_after_a_restart),
    cmocka_unit_test(an_order_that_never_ended_is_forgotten_after_a_week),
    cmocka_unit_test(renewals_are_exempt_as_the_ca_exempts_them),
    cmocka_unit_test(a_tenant_gets_its_even_share_of_what_is_left),
    cmocka_unit_test(shares_survive_a_restart_and_end_with_the_day),
    cmocka_unit_test(failed_validations_of_a_name_stop_short_of_the_limit),
    cmocka_unit_test(an_unknown_ca_has_no_budgets),
    cmocka_unit_test(orders_of_the_same_names_have_a_limit_of_ours_at_every_ca_and_in_every_case),
    cmocka_unit_test(the_saved_text_fits_an_annotation));
