/* windows_test.c - renewals in the hours that spec.renewal.windows leaves, over years of summer time. */
#include "base/cron.h"
#include "support/sim.h"

#define START    AT("2026-01-01T00:00:00Z")
#define DUE      AT("2026-03-01T23:59:59Z") /* two thirds of 90 days less a second */
#define SATURDAY AT("2026-03-07T02:00:00Z") /* the first after it, at 2 */

#define WINDOWS(windows) "  renewal: {policy: RenewBefore, windows: [" windows "]}\n"
#define SATURDAYS        WINDOWS("{cron: '0 2 * * sat', windowDuration: 4h}")
#define NEVER            WINDOWS("{cron: '0 0 30 2 *', windowDuration: 1h}")

static struct sim *issued_of(const struct sim_options *options, const char *certificate)
{
    struct sim *sim = sim_new_with(options);

    sim_apply(sim, SIM_ISSUER);
    sim_apply(sim, certificate);
    sim_run_until_idle(sim);
    ASSERT_EQ(sim_orders_finalized(sim), 1);
    return sim;
}

/* The CA has no renewal information unless `with_ari`. */
static struct sim *issued(const char *certificate, bool with_ari)
{
    struct sim_options options = {.start_ms = START, .ca = {.no_renewal_info = !with_ari}};

    return issued_of(&options, certificate);
}

static int64_t renewal_time(struct sim *sim)
{
    return sim_time(sim, "certificate/web", "status.renewalTime");
}

/* --- over years --- */

/* A window as a person would read it off a clock on the wall there. */
struct hours {
    int weekday, from_minute, to_minute; /* weekday -1: any; 0 is Sunday */
};

static bool is_in_hours(const struct hours *hours, const struct zone *zone, int64_t at_ms)
{
    int64_t local_s = at_ms / 1000 + zone_span_at(zone, at_ms / 1000).offset_s;
    int64_t day = local_s / 86400;
    int64_t minute = local_s / 60 - day * 1440;

    return (hours->weekday < 0 || (day + 4) % 7 == hours->weekday) &&
           minute >= hours->from_minute && minute < hours->to_minute;
}

TEST(every_renewal_of_years_begins_inside_of_a_window_and_none_is_late)
{
    static const struct {
        const char *name, *windows, *zone;
        int64_t life_ms;
        struct hours hours[2];
    } rows[] = {
        {"Saturday night",
         WINDOWS("{cron: '0 2 * * sat', windowDuration: 4h, timezone: Europe/Berlin}"),
         "Europe/Berlin",
         DAYS(90),
         {{6, 120, 360}}},
        {"the hour that is left out or comes twice",
         WINDOWS("{cron: '0 2 * * sun', windowDuration: 30m, timezone: America/New_York}"),
         "America/New_York",
         DAYS(60),
         {{0, 120, 150}}},
        {"by half an hour",
         WINDOWS("{cron: '30 1 * * *', windowDuration: 20m, timezone: Australia/Lord_Howe}"),
         "Australia/Lord_Howe",
         DAYS(10),
         {{-1, 90, 110}}},
        {"two windows",
         WINDOWS("{cron: '0 2 * * sun', windowDuration: 1h, timezone: Europe/Berlin}, "
                 "{cron: '0 22 * * wed', windowDuration: 2h, timezone: Europe/Berlin}"),
         "Europe/Berlin",
         DAYS(30),
         {{0, 120, 180}, {3, 1320, 1440}}},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(xfree) char *certificate = xasprintf(
            "%s%s", SIM_CERTIFICATE("web", "[www.example.com]", ""), rows[i].windows);
        struct sim_options options = {
            .start_ms = START, .ca = {.no_renewal_info = true, .lifetime_ms = rows[i].life_ms}};
        struct sim *sim = issued_of(&options, certificate);
        const struct zone *zone = NULL;
        struct err err = {};
        int renewals = 0;

        CASE(rows[i].name);
        ASSERT_OK(zone_get(rows[i].zone, &zone, &err));
        sim_watch_expiry(sim);
        for (; sim_now(sim) < START + DAYS(2 * 365); renewals++) {
            int64_t at_ms = renewal_time(sim);

            ASSERT_TRUE(is_in_hours(&rows[i].hours[0], zone, at_ms) ||
                        is_in_hours(&rows[i].hours[1], zone, at_ms));
            sim_advance(sim, at_ms - sim_now(sim) - 1);
            ASSERT_EQ(sim_orders_placed(sim), renewals + 1);
            sim_advance(sim, MINUTES(1));
            ASSERT_EQ(sim_orders_finalized(sim), renewals + 2);
            ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
        }
        ASSERT_TRUE(renewals >= 2 * 365 / (rows[i].life_ms / DAYS(1)));
        sim_free(sim);
    }
}

/* Every third one has no window in the two days that it is due; those are renewed all the same. */
TEST(certificates_shorter_than_the_way_between_windows_do_not_lapse)
{
    struct sim_options options = {.start_ms = START,
                                  .ca = {.no_renewal_info = true, .lifetime_ms = DAYS(6)}};
    struct sim *sim = issued_of(&options, SIM_CERTIFICATE("web", "[www.example.com]", SATURDAYS));
    int outside = 0, inside = 0;

    sim_watch_expiry(sim);
    while (sim_now(sim) < START + DAYS(365)) {
        int64_t at_ms = renewal_time(sim);
        bool is_ready = streq(sim_condition(sim, "certificate/web", "Ready"), "True");
        static const struct hours saturdays = {6, 120, 360};
        const struct zone *utc = NULL;

        (void)zone_get("UTC", &utc, NULL);
        ASSERT_EQ(is_ready, is_in_hours(&saturdays, utc, at_ms));
        if (!is_ready)
            ASSERT_STREQ(sim_reason(sim, "certificate/web", "Ready"), "WindowError");
        outside += !is_ready;
        inside += is_ready;
        sim_advance(sim, at_ms - sim_now(sim) + MINUTES(1));
        ASSERT_EQ(sim_orders_finalized(sim), inside + outside + 1);
    }
    ASSERT_TRUE(inside > 10 && outside > 10);
    sim_free(sim);
}

/* --- what windows do not hold up --- */

TEST(a_window_that_never_opens_is_told_and_does_not_let_the_certificate_lapse)
{
    struct sim *sim = issued(SIM_CERTIFICATE("web", "[www.example.com]", NEVER), false);

    sim_watch_expiry(sim);
    ASSERT_STREQ(sim_reason(sim, "certificate/web", "Ready"), "WindowError");
    ASSERT_TRUE(
        strstr(sim_message(sim, "certificate/web", "Ready"), "windows[0] '0 0 30 2 *' in UTC"));
    ASSERT_TRUE(sim_has_event(sim, "certificate/web", "WindowError"));
    ASSERT_EQ(renewal_time(sim), DUE);
    sim_advance(sim, DUE - sim_now(sim) + MINUTES(1));
    ASSERT_EQ(sim_orders_finalized(sim), 2);
    sim_patch(sim, "certificate/web", "{spec: {renewal: null}}");
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    sim_free(sim);
}

TEST(a_manual_renewal_does_not_wait)
{
    struct sim *sim = issued(SIM_CERTIFICATE("web", "[www.example.com]", SATURDAYS), false);

    sim_advance(sim, DAYS(4)); /* Monday, at noon and later */
    sim_set_condition(sim, "certificate/web", "Issuing", "True", "ManuallyTriggered", "by hand");
    sim_run_until_idle(sim);
    ASSERT_EQ(sim_orders_finalized(sim), 2);
    sim_free(sim);
}

TEST(another_spec_does_not_wait)
{
    struct sim *sim = issued(SIM_CERTIFICATE("web", "[www.example.com]", SATURDAYS), false);

    sim_patch(sim, "certificate/web", "{spec: {dnsNames: [mail.example.com]}}");
    sim_run_until_idle(sim);
    ASSERT_EQ(sim_orders_finalized(sim), 2);
    sim_free(sim);
}

TEST(windows_that_are_edited_count_at_once)
{
    struct sim *sim = issued(SIM_CERTIFICATE("web", "[www.example.com]", ""), false);

    ASSERT_EQ(renewal_time(sim), DUE);
    sim_patch(
        sim, "certificate/web",
        "{spec: {renewal: {policy: RenewBefore, windows: [{cron: '0 2 * * sat', windowDuration: 4h}]}}}");
    sim_run_until_idle(sim);
    ASSERT_EQ(renewal_time(sim), SATURDAY);
    sim_advance(sim, DUE + DAYS(1) - sim_now(sim)); /* due, and waiting */
    ASSERT_EQ(sim_orders_placed(sim), 1);
    sim_patch(sim, "certificate/web",
              "{spec: {renewal: {windows: [{cron: '* * * * *', windowDuration: 4h}]}}}");
    sim_run_until_idle(sim);
    ASSERT_EQ(sim_orders_finalized(sim), 2);
    sim_free(sim);
}

/* The renewal time is in the past then, and that is all it says (behaviour.md 3). */
TEST(a_renewal_whose_window_went_by_while_nobody_was_there_is_made_up_for_at_once)
{
    struct sim *sim = issued(SIM_CERTIFICATE("web", "[www.example.com]", SATURDAYS), false);

    sim_advance(sim, SATURDAY - sim_now(sim) - MINUTES(1));
    sim_crash_at(sim, sim_points(sim) + 1, false);
    sim_advance(sim, MINUTES(2));
    ASSERT_TRUE(sim_has_crashed(sim));
    sim_advance(sim, DAYS(2));
    ASSERT_EQ(sim_orders_placed(sim), 1);
    sim_restart(sim);
    sim_run_until_idle(sim);
    ASSERT_EQ(sim_orders_finalized(sim), 2);
    sim_free(sim);
}

/* As with cert-manager: after a failure the back-off alone says when. */
TEST(what_failed_inside_of_a_window_is_tried_again_outside_of_it)
{
    static const struct fake_ca_answer refused = {
        .status = 400, .body = "{\"type\": \"urn:ietf:params:acme:error:rejectedIdentifier\"}"};
    struct sim *sim = issued(SIM_CERTIFICATE("web", "[www.example.com]",
                                             WINDOWS("{cron: '0 2 * * sat', windowDuration: 30m}")),
                             false);

    fake_ca_queue(sim_ca(sim), "newOrder", &refused);
    sim_advance(sim, SATURDAY - sim_now(sim) + MINUTES(1));
    ASSERT_STREQ(sim_text(sim, "certificate/web", "status.failedIssuanceAttempts"), "1");
    ASSERT_EQ(sim_orders_finalized(sim), 1);
    sim_advance(sim, MINUTES(58));
    ASSERT_EQ(sim_orders_finalized(sim), 1);
    sim_advance(sim, MINUTES(3));
    ASSERT_EQ(sim_orders_finalized(sim), 2);
    ASSERT_EQ(renewal_time(sim), AT("2026-05-09T02:00:00Z")); /* the next one waits again */
    sim_free(sim);
}

/* --- with the CA's own window --- */

TEST(the_instant_of_the_ca_waits_for_a_window)
{
    struct sim *sim = issued(SIM_CERTIFICATE("web", "[www.example.com]", SATURDAYS), true);

    sim_watch_expiry(sim);
    ASSERT_TRUE(sim_time(sim, "certificate/web", "status.acme.ari.suggestedWindow.end") < SATURDAY);
    ASSERT_EQ(renewal_time(sim), SATURDAY);
    sim_advance(sim, SATURDAY - sim_now(sim) - SECONDS(1)); /* asked again since it ended */
    ASSERT_EQ(sim_orders_placed(sim), 1);
    ASSERT_EQ(renewal_time(sim), SATURDAY);
    sim_advance(sim, MINUTES(1));
    ASSERT_EQ(sim_orders_finalized(sim), 2);
    sim_free(sim);
}

TEST(what_the_ca_calls_back_does_not_wait_for_a_window)
{
    struct sim *sim = issued(SIM_CERTIFICATE("web", "[www.example.com]", SATURDAYS), true);

    sim_advance(sim, DAYS(11)); /* Monday */
    fake_ca_set_window(sim_ca(sim), NULL, sim_now(sim) - DAYS(2), sim_now(sim) - DAYS(1),
                       "https://ca.test/incident");
    sim_advance(sim, HOURS(7));
    ASSERT_EQ(sim_orders_finalized(sim), 2);
    sim_free(sim);
}

/* --- the short path --- */

TEST(a_private_ca_renews_in_its_window_and_tells_when_there_is_none)
{
    struct sim *sim = sim_new(START);

    sim_apply(
        sim,
        "apiVersion: cert-manager.io/v1\nkind: Issuer\nmetadata: {name: acme, namespace: default}\n"
        "spec: {selfSigned: {}}\n");
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", SATURDAYS));
    sim_run_until_idle(sim);
    ASSERT_EQ(renewal_time(sim), SATURDAY);
    sim_advance(sim, SATURDAY - sim_now(sim) - SECONDS(1));
    ASSERT_STREQ(sim_text(sim, "certificate/web", "status.revision"), "1");
    sim_advance(sim, SECONDS(2));
    ASSERT_STREQ(sim_text(sim, "certificate/web", "status.revision"), "2");
    ASSERT_FALSE(sim_has_event(sim, "certificate/web", "WindowError"));
    sim_patch(sim, "certificate/web",
              "{spec: {renewal: {windows: [{cron: '0 0 31 4 *', windowDuration: 4h}]}}}");
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_reason(sim, "certificate/web", "Ready"), "WindowError");
    ASSERT_TRUE(sim_has_event(sim, "certificate/web", "WindowError"));
    sim_advance(sim, DAYS(61));
    ASSERT_STREQ(sim_text(sim, "certificate/web", "status.revision"), "3");
    ASSERT_STREQ(sim_reason(sim, "certificate/web", "Ready"), "WindowError");
    sim_free(sim);
}

RUN_TESTS(
    cmocka_unit_test(every_renewal_of_years_begins_inside_of_a_window_and_none_is_late),
    cmocka_unit_test(certificates_shorter_than_the_way_between_windows_do_not_lapse),
    cmocka_unit_test(a_window_that_never_opens_is_told_and_does_not_let_the_certificate_lapse),
    cmocka_unit_test(a_manual_renewal_does_not_wait), cmocka_unit_test(another_spec_does_not_wait),
    cmocka_unit_test(windows_that_are_edited_count_at_once),
    cmocka_unit_test(a_renewal_whose_window_went_by_while_nobody_was_there_is_made_up_for_at_once),
    cmocka_unit_test(what_failed_inside_of_a_window_is_tried_again_outside_of_it),
    cmocka_unit_test(the_instant_of_the_ca_waits_for_a_window),
    cmocka_unit_test(what_the_ca_calls_back_does_not_wait_for_a_window),
    cmocka_unit_test(a_private_ca_renews_in_its_window_and_tells_when_there_is_none));
