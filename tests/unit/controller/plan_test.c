#include "controller/plan.h"

#include "unit/controller/certificate_facts.h"

static struct renewal_window never = {.cron = "0 0 30 2 *",
                                      .window_duration = {true, HOURS(1) * 1000000}};
static struct certificate_renewal in_never = {.policy = RENEWAL_RENEW_BEFORE,
                                              .windows = {&never, 1}};
SPOIL(no_window_opens, s->crt.spec.renewal = &in_never);
SPOIL(overwritten, s->secret.cert_key_hash[0] ^= 1; s->facts.foreign_writer = "argocd";
      s->facts.foreign_until_ms = NOW_MS + HOURS(1));
SPOIL(an_empty_secret, s->secret.has_data = s->secret.cert_ok = false);
SPOIL(no_readable_certificate, s->secret.cert_ok = false);

static void never_looked_at(struct sample *s)
{
    s->crt.status = (struct certificate_status){.revision = {true, 1}};
}

static void failed_just_now(struct sample *s)
{
    s->facts.secret = NULL;
    s->crt.status.last_failure_time_ms = NOW_MS - MINUTES(1);
    s->crt.status.failed_issuance_attempts = (struct opt_int){true, 1};
}

static void has_begun_in_vain(struct sample *s)
{
    sample_set(s, &s->crt.status.conditions, "Issuing", CONDITION_TRUE, "Renewing", "");
    s->crt.status.next_private_key_secret_name = "web-next";
    s->next_key = sample_next_key("web-next");
    s->next_keys[s->facts.next_key_count++] = &s->next_key;
    s->next = sample_request(s, 2, NEXT_KEY);
    sample_add_request(s, &s->next);
}

static void is_being_issued(struct sample *s)
{
    has_begun_in_vain(s);
    is_due(s);
}

static void is_ordered_in_vain(struct sample *s)
{
    has_begun_in_vain(s);
    s->facts.under_way = true;
}

static void is_being_issued_into_an_issuers_secret(struct sample *s)
{
    is_being_issued(s);
    claimed_by_an_issuer(s);
}

/* As cmctl leaves it. */
static void is_marked_by_hand(struct sample *s)
{
    sample_set(s, &s->crt.status.conditions, "Issuing", CONDITION_TRUE, "ManuallyTriggered", "");
}

/* The issuer can sign at once, but a key of an attempt before is in the way and goes first. */
static void must_tidy_up_first(struct sample *s)
{
    other_names(s);
    s->facts.signs_at_once = true;
    s->next_key = sample_next_key("web-next");
    s->next_keys[s->facts.next_key_count++] = &s->next_key;
}

/* The certificate of the next revision is in the Secret, only the status does not say so yet. */
static void is_stored_already(struct sample *s)
{
    s->next = sample_request(s, 2, NEXT_KEY);
    sample_issue(s, &s->next);
    sample_add_request(s, &s->next);
    sample_store(s, &s->next);
}

static const struct {
    const char *name;
    void (*spoil)(struct sample *s);
    enum plan_verdict verdict;
} rows[] = {
    {"as it is", as_it_is, PLAN_KEEP},
    {"never looked at by us", never_looked_at, PLAN_KEEP},
    {"no Secret", no_secret, PLAN_ISSUE},
    {"an empty Secret", an_empty_secret, PLAN_ISSUE},
    {"no certificate that can be read", no_readable_certificate, PLAN_ISSUE},
    {"due", is_due, PLAN_RENEW},
    {"other names", other_names, PLAN_REISSUE},
    {"another issuer", another_issuer, PLAN_REISSUE},
    {"metadata changed", metadata_changed, PLAN_TAKE_OVER},
    {"Secret of another Certificate", owned_by_another, PLAN_HOLD},
    {"Secret of an Issuer", claimed_by_an_issuer, PLAN_HOLD},
    {"being issued, into a Secret of an Issuer", is_being_issued_into_an_issuers_secret, PLAN_HOLD},
    {"a spec that cannot be used", bad_spec, PLAN_HOLD},
    {"overwritten by somebody else", overwritten, PLAN_HOLD},
    {"no window opens", no_window_opens, PLAN_KEEP},
    {"back-off", failed_just_now, PLAN_HOLD},
    {"being issued", is_being_issued, PLAN_CARRY_ON},
    {"begun, and needed no more", has_begun_in_vain, PLAN_KEEP},
    {"ordered, and needed no more", is_ordered_in_vain, PLAN_CARRY_ON},
    {"marked by hand", is_marked_by_hand, PLAN_REISSUE},
    {"something is in the way", must_tidy_up_first, PLAN_REISSUE},
    {"stored already", is_stored_already, PLAN_CARRY_ON},
};

/* A sample that is spoilt as the row says, and what is decided on it. */
static void decide_row(size_t i, struct sample *s, struct certificate_decision *ret)
{
    CASE(rows[i].name);
    sample_init(s);
    rows[i].spoil(s);
    certificate_decide(&s->facts, &s->policy, s->arena, ret);
}

static void check_verdict(size_t i, const struct sample *s,
                          const struct certificate_decision *decision)
{
    ASSERT_STREQ(plan_verdict_name(plan_verdict_of(&s->facts, decision)),
                 plan_verdict_name(rows[i].verdict));
}

TEST(the_verdict_says_what_becomes_of_the_certificate)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(sample_deinit) struct sample s = {};
        struct certificate_decision decision;

        decide_row(i, &s, &decision);
        check_verdict(i, &s, &decision);
    }
}

/* What is to be said of it must not depend on whether the status is written first. */
TEST(the_verdict_is_the_same_once_the_status_is_written)
{
    size_t tried = 0;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(sample_deinit) struct sample s = {};
        struct certificate_decision decision;

        decide_row(i, &s, &decision);
        if (decision.action != CERTIFICATE_NOTHING)
            continue;
        tried++;
        s.crt.status = decision.status;
        certificate_decide(&s.facts, &s.policy, s.arena, &decision);
        check_verdict(i, &s, &decision);
    }
    ASSERT_TRUE(tried > 0);
}

RUN_TESTS(cmocka_unit_test(the_verdict_says_what_becomes_of_the_certificate),
          cmocka_unit_test(the_verdict_is_the_same_once_the_status_is_written));
