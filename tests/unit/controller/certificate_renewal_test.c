#include "acme/acme.h"
#include "controller/certificate_decide.h"
#include "support/testing.h"

#define NOT_BEFORE  AT("2026-01-01T00:00:00Z")
#define TO_NS(ms)   ((ms)*1000000)
#define DURATION(x) ((struct opt_duration){true, TO_NS(x)})
#define INT(x)      ((struct opt_int){true, x})

/* --- the plain time --- */

TEST(a_certificate_is_renewed_by_renew_before_or_percentage_or_at_two_thirds_of_its_life)
{
    static const struct {
        const char *name;
        int64_t lifetime_ms, renew_before_ms, percentage;
        int64_t expected_lead_ms;
    } rows[] = {
        {"nothing said", DAYS(90), 0, 0, DAYS(30)},
        {"nothing said, six days", DAYS(6), 0, 0, DAYS(2)},
        {"renewBefore", DAYS(90), DAYS(10), 0, DAYS(10)},
        {"renewBefore goes before a percentage", DAYS(90), DAYS(10), 50, DAYS(10)},
        {"renewBefore as long as the life is no use", DAYS(90), DAYS(90), 0, DAYS(30)},
        {"renewBefore longer than the life: the percentage", DAYS(90), DAYS(91), 20, DAYS(18)},
        {"percentage", DAYS(90), 0, 10, DAYS(9)},
        {"percentage 1", DAYS(100), 0, 1, DAYS(1)},
        {"percentage 99", DAYS(100), 0, 99, DAYS(99)},
        {"percentage 100 is no use", DAYS(90), 0, 100, DAYS(30)},
        {"renewBefore just below the life", DAYS(90), DAYS(90) - 1000, 0, DAYS(90) - 1000},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct certificate_spec spec = {};

        CASE(rows[i].name);
        if (rows[i].renew_before_ms)
            spec.renew_before = DURATION(rows[i].renew_before_ms);
        if (rows[i].percentage)
            spec.renew_before_percentage = INT(rows[i].percentage);
        ASSERT_EQ(renewal_time_ms(&spec, NOT_BEFORE, NOT_BEFORE + rows[i].lifetime_ms),
                  NOT_BEFORE + rows[i].lifetime_ms - rows[i].expected_lead_ms);
    }
}

TEST(a_renewal_time_is_a_whole_second)
{
    struct certificate_spec spec = {};

    /* a third of 10 s is 3333 ms; the time is cut, not rounded up */
    ASSERT_EQ(renewal_time_ms(&spec, NOT_BEFORE, NOT_BEFORE + SECONDS(10)),
              NOT_BEFORE + SECONDS(6));
}

TEST(a_certificate_whose_renewal_is_disabled_has_no_renewal_time)
{
    struct certificate_renewal renewal = {.policy = RENEWAL_DISABLED};
    struct certificate_spec spec = {.renewal = &renewal, .renew_before = DURATION(DAYS(10))};

    ASSERT_EQ(renewal_time_ms(&spec, NOT_BEFORE, NOT_BEFORE + DAYS(90)), 0);
}

/* --- with the CA's window --- */

#define ARI_ID "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"

TEST(the_window_of_the_ca_counts_only_when_it_was_given_for_this_certificate)
{
    static const struct {
        const char *name;
        int64_t checked_day, start_day, end_day; /* after notBefore */
        const char *ari_id;
        bool counts;
    } rows[] = {
        {"earlier than plain", 1, 20, 22, ARI_ID, true},
        {"later than plain", 1, 70, 72, ARI_ID, true},
        {"in the past: at once", 5, 2, 4, ARI_ID, true},
        {"fetched before this certificate was issued", -1, 20, 22, ARI_ID, false},
        {"ended before this certificate was issued: at once", 1, -5, -1, ARI_ID, true},
        {"ended as this certificate was issued: at once", 1, -5, 0, ARI_ID, true},
        {"behind the expiry", 1, 91, 95, ARI_ID, false},
        {"certificate without an id", 1, 20, 22, NULL, false},
    };
    int64_t not_before_ms = NOT_BEFORE;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct certificate_ari_window window = {not_before_ms + DAYS(rows[i].start_day),
                                                not_before_ms + DAYS(rows[i].end_day)};
        struct certificate_ari ari = {.suggested_window = &window,
                                      .last_checked_ms = not_before_ms + DAYS(rows[i].checked_day)};
        struct certificate_acme_status acme = {.ari = &ari};
        struct certificate_spec spec = {};
        struct secret_facts secret = {.not_before_ms = not_before_ms,
                                      .not_after_ms = not_before_ms + DAYS(90),
                                      .ari_id = rows[i].ari_id};
        int64_t at_ms = renewal_time_with_ari_ms(&spec, &acme, &secret);

        CASE(rows[i].name);
        if (rows[i].counts) {
            ASSERT_TRUE(at_ms >= window.start_ms && at_ms < window.end_ms);
            ASSERT_EQ(at_ms % 1000, 0);
            ASSERT_EQ(at_ms,
                      renewal_time_with_ari_ms(&spec, &acme, &secret)); /* nothing is drawn anew */
        } else {
            ASSERT_EQ(at_ms, not_before_ms + DAYS(60));
        }
    }
}

/* cm#4846: orders without end. Times in seconds after the certificate was asked for. */
TEST(what_replaced_a_young_certificate_stays_for_the_longest_wait)
{
    static const struct {
        const char *name;
        int64_t not_before, not_after, renew_before, window; /* 0: none */
        bool is_marked;
        int64_t renewed_at;
    } rows[] = {
        {"90 days, as scheduled", 0, 90 * 86400, 0, 0, true, 60 * 86400},
        {"called back, the first: at once", 0, 90 * 86400, 0, -3600, false, -3600},
        {"called back, the second", 0, 90 * 86400, 0, -3600, true, 32 * 3600},
        {"called back, the second, of six days", 0, 6 * 86400, 0, -3600, true, 6 * 3600},
        {"a window after the wait", 0, 90 * 86400, 0, 20 * 86400, true, 20 * 86400},
        {"a minute, called back: a third", 0, 60, 0, -3600, true, 20},
        {"nearly over as it came, the first: at once", -3600, 600, 0, 0, false, -800},
        {"nearly over as it came, the second", -3600, 600, 0, 0, true, 175},
        {"renewBefore leaves five seconds, the first", 0, 3605, 3600, 0, false, 5},
        {"renewBefore leaves five seconds, the second", 0, 3605, 3600, 0, true, 150},
        {"9 seconds, as scheduled", 0, 9, 0, 0, true, 6},
        {"a second", 0, 1, 0, 0, true, 5},
    };
    struct certificate_policy policy = {.backoff_min_ms = HOURS(1), .backoff_max_ms = HOURS(32)};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t came_ms = NOT_BEFORE, start_ms = came_ms + SECONDS(rows[i].window);
        struct certificate_ari_window window = {start_ms, start_ms + 1000};
        struct certificate_ari ari = {.suggested_window = rows[i].window ? &window : NULL,
                                      .last_checked_ms = came_ms};
        struct certificate_acme_status acme = {.ari = &ari};
        struct certificate_spec spec = {
            .renew_before = {rows[i].renew_before > 0, rows[i].renew_before * 1000000000}};
        struct secret_facts secret = {.not_before_ms = came_ms + SECONDS(rows[i].not_before),
                                      .not_after_ms = came_ms + SECONDS(rows[i].not_after),
                                      .ari_id = ARI_ID};
        struct request_facts current = {.replaces_young = rows[i].is_marked};
        int64_t renew_ms = renewal_time_with_ari_ms(&spec, &acme, &secret);

        CASE(rows[i].name);
        current.request.object.metadata.creation_timestamp_ms = came_ms;
        ASSERT_EQ(renewal_time_after_ms(renew_ms, &secret, &current, &policy) - came_ms,
                  SECONDS(rows[i].renewed_at));
        ASSERT_EQ(renewal_time_after_ms(renew_ms, &secret, NULL, &policy), renew_ms);
    }
}

TEST(a_certificate_is_young_for_twice_the_longest_wait)
{
    struct certificate_policy policy = {.backoff_min_ms = HOURS(1), .backoff_max_ms = HOURS(32)};
    struct secret_facts secret = {
        .cert_ok = true, .not_before_ms = NOT_BEFORE, .not_after_ms = NOT_BEFORE + DAYS(90)};
    struct request_facts current = {};

    policy.now_ms = NOT_BEFORE + HOURS(64) - 1;
    ASSERT_TRUE(certificate_is_young(&secret, NULL, &policy));
    policy.now_ms++;
    ASSERT_FALSE(certificate_is_young(&secret, NULL, &policy));
    current.request.object.metadata.creation_timestamp_ms = NOT_BEFORE + HOURS(1);
    ASSERT_TRUE(certificate_is_young(&secret, &current, &policy));
    ASSERT_FALSE(certificate_is_young(NULL, NULL, &policy));
}

TEST(a_window_does_not_turn_disabled_renewal_on)
{
    int64_t not_before_ms = NOT_BEFORE;
    struct certificate_ari_window window = {not_before_ms + DAYS(20), not_before_ms + DAYS(22)};
    struct certificate_ari ari = {.suggested_window = &window,
                                  .last_checked_ms = not_before_ms + DAYS(1)};
    struct certificate_acme_status acme = {.ari = &ari};
    struct certificate_renewal renewal = {.policy = RENEWAL_DISABLED};
    struct certificate_spec spec = {.renewal = &renewal};
    struct secret_facts secret = {
        .not_before_ms = not_before_ms, .not_after_ms = not_before_ms + DAYS(90), .ari_id = ARI_ID};

    ASSERT_EQ(renewal_time_with_ari_ms(&spec, &acme, &secret), 0);
}

TEST(renewal_information_is_asked_for_of_acme_issuers_unless_they_say_none)
{
    struct acme_issuer plain = {}, none = {.renewal_information_source = ARI_NONE},
                       explicit = {.renewal_information_source = ARI_ARI};
    struct issuer other = {}, by_default = {.spec = {.acme = &plain}},
                  without = {.spec = {.acme = &none}}, with = {.spec = {.acme = &explicit}};

    ASSERT_FALSE(certificate_uses_ari(NULL));
    ASSERT_FALSE(certificate_uses_ari(&other));
    ASSERT_TRUE(certificate_uses_ari(&by_default));
    ASSERT_TRUE(certificate_uses_ari(&with));
    ASSERT_FALSE(certificate_uses_ari(&without));
}

/* --- back-off (DESIGN 12.5) --- */

TEST(the_wait_after_a_failure_is_proportional_to_the_life_and_doubles)
{
    static const struct {
        const char *name;
        int64_t lifetime_ms, min_ms, max_ms; /* lifetime 0: not said, 90 d */
        int64_t attempts;
        int64_t expected_ms;
    } rows[] = {
        {"90 d, first", 0, HOURS(1), HOURS(32), 1, HOURS(1)},
        {"90 d, second", 0, HOURS(1), HOURS(32), 2, HOURS(2)},
        {"90 d, third", 0, HOURS(1), HOURS(32), 3, HOURS(4)},
        {"90 d, sixth", 0, HOURS(1), HOURS(32), 6, HOURS(32)},
        {"90 d, seventh: capped by the flag", 0, HOURS(1), HOURS(32), 7, HOURS(32)},
        {"90 d, after years", 0, HOURS(1), HOURS(32), 1000000000, HOURS(32)},
        {"90 d, attempts not counted", 0, HOURS(1), HOURS(32), 0, HOURS(1)},
        {"90 d, a cap beyond the flag's: lifetime/24", 0, HOURS(1), HOURS(1000), 20, HOURS(90)},
        {"90 d, a shorter flag", 0, MINUTES(10), HOURS(32), 1, MINUTES(10)},
        {"6 d, first", DAYS(6), HOURS(1), HOURS(32), 1, MINUTES(4)},
        {"6 d, second", DAYS(6), HOURS(1), HOURS(32), 2, MINUTES(8)},
        {"6 d, capped at lifetime/24", DAYS(6), HOURS(1), HOURS(32), 9, HOURS(6)},
        {"1 h: never below a minute", HOURS(1), HOURS(1), HOURS(32), 1, MINUTES(1)},
        {"1 h: capped at 2.5 min", HOURS(1), HOURS(1), HOURS(32), 9, SECONDS(150)},
        {"10 y: the flag", DAYS(3650), HOURS(1), HOURS(32), 1, HOURS(1)},
        {"a cap below the minimum gives the minimum", 0, HOURS(1), MINUTES(1), 5, HOURS(1)},
    };
    int64_t failed_ms = NOT_BEFORE;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct certificate_policy policy = {.now_ms = failed_ms,
                                            .backoff_min_ms = rows[i].min_ms,
                                            .backoff_max_ms = rows[i].max_ms};
        struct certificate_spec spec = {};
        struct certificate_status status = {.last_failure_time_ms = failed_ms};

        CASE(rows[i].name);
        if (rows[i].lifetime_ms)
            spec.duration = DURATION(rows[i].lifetime_ms);
        if (rows[i].attempts)
            status.failed_issuance_attempts = INT(rows[i].attempts);
        ASSERT_EQ(backoff_end_ms(&spec, &status, &policy) - failed_ms, rows[i].expected_ms);
    }
}

/* Another machine's clock may be somewhat ahead; what is more was told by one that was set back since. */
TEST(a_failure_that_is_to_come_is_not_waited_for)
{
    struct certificate_policy policy = {
        .now_ms = NOT_BEFORE, .backoff_min_ms = HOURS(1), .backoff_max_ms = HOURS(32)};
    struct certificate_spec spec = {};
    struct certificate_status status = {.last_failure_time_ms = NOT_BEFORE + MINUTES(5)};

    ASSERT_EQ(backoff_end_ms(&spec, &status, &policy), NOT_BEFORE + MINUTES(65));
    status.last_failure_time_ms += 1000;
    ASSERT_EQ(backoff_end_ms(&spec, &status, &policy), 0);
}

TEST(without_a_failure_there_is_no_wait)
{
    struct certificate_policy policy = {.backoff_min_ms = HOURS(1), .backoff_max_ms = HOURS(32)};
    struct certificate_spec spec = {};
    struct certificate_status status = {.failed_issuance_attempts = INT(3)};

    ASSERT_EQ(backoff_end_ms(&spec, &status, &policy), 0);
}

RUN_TESTS(cmocka_unit_test(
              a_certificate_is_renewed_by_renew_before_or_percentage_or_at_two_thirds_of_its_life),
          cmocka_unit_test(a_renewal_time_is_a_whole_second),
          cmocka_unit_test(a_certificate_whose_renewal_is_disabled_has_no_renewal_time),
          cmocka_unit_test(the_window_of_the_ca_counts_only_when_it_was_given_for_this_certificate),
          cmocka_unit_test(what_replaced_a_young_certificate_stays_for_the_longest_wait),
          cmocka_unit_test(a_certificate_is_young_for_twice_the_longest_wait),
          cmocka_unit_test(a_window_does_not_turn_disabled_renewal_on),
          cmocka_unit_test(renewal_information_is_asked_for_of_acme_issuers_unless_they_say_none),
          cmocka_unit_test(the_wait_after_a_failure_is_proportional_to_the_life_and_doubles),
          cmocka_unit_test(a_failure_that_is_to_come_is_not_waited_for),
          cmocka_unit_test(without_a_failure_there_is_no_wait));
