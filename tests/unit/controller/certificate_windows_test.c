#include "acme/acme.h"
#include "base/str.h"
#include "controller/certificate_decide.h"
#include "support/testing.h"

#define NOT_BEFORE "2026-01-01T00:00:00Z" /* a Thursday */
#define NOT_AFTER  "2026-04-01T00:00:00Z"
#define NS(ms)     ((ms)*1000000)

struct window_row {
    const char *cron, *timezone; /* NULL: not said */
    int64_t stays_ms;
};

static struct certificate_renewal renewal_of(const struct window_row *rows, size_t count,
                                             struct arena *arena)
{
    struct certificate_renewal renewal = {.policy = RENEWAL_RENEW_BEFORE};

    renewal.windows.items = arena_alloc(arena, (count + 1) * sizeof(*renewal.windows.items));
    for (; renewal.windows.len < count && rows[renewal.windows.len].cron; renewal.windows.len++) {
        const struct window_row *row = &rows[renewal.windows.len];

        renewal.windows.items[renewal.windows.len] = (struct renewal_window){
            .cron = row->cron,
            .timezone = row->timezone,
            .window_duration = {row->stays_ms != 0, NS(row->stays_ms)}};
    }
    return renewal;
}

static const struct row {
    const char *name;
    struct window_row windows[4];
    const char *due, *at; /* at NULL: as it is due, with a problem */
    const char *problem;
} rows[] = {
    {"it is open",
     {{"0 10 * * *", NULL, HOURS(4)}},
     "2026-03-02T12:00:00Z",
     "2026-03-02T12:00:00Z",
     NULL},
    {"it has just opened",
     {{"0 12 * * *", NULL, HOURS(4)}},
     "2026-03-02T12:00:00Z",
     "2026-03-02T12:00:00Z",
     NULL},
    {"it has just closed",
     {{"0 10 * * *", NULL, HOURS(2)}},
     "2026-03-02T12:00:00Z",
     "2026-03-03T10:00:00Z",
     NULL},
    {"it closes in a second",
     {{"0 10 * * *", NULL, HOURS(2)}},
     "2026-03-02T11:59:59Z",
     "2026-03-02T11:59:59Z",
     NULL},
    {"it opens later",
     {{"0 13 * * *", NULL, HOURS(2)}},
     "2026-03-02T12:00:00Z",
     "2026-03-02T13:00:00Z",
     NULL},
    {"on Saturdays",
     {{"0 2 * * sat", NULL, HOURS(4)}},
     "2026-03-02T12:00:00Z",
     "2026-03-07T02:00:00Z",
     NULL},
    {"of two the next",
     {{"0 23 * * 1-5", NULL, HOURS(2)}, {"0 10 * * 6,0", NULL, HOURS(4)}},
     "2026-03-07T12:30:00Z",
     "2026-03-07T12:30:00Z",
     NULL},
    {"of two the next that opens",
     {{"0 2 * * sat", NULL, HOURS(4)}, {"0 2 * * wed", NULL, HOURS(4)}},
     "2026-03-02T12:00:00Z",
     "2026-03-04T02:00:00Z",
     NULL},
    {"the second is open",
     {{"0 2 * * sat", NULL, HOURS(4)}, {"0 10 * * *", NULL, HOURS(4)}},
     "2026-03-02T12:00:00Z",
     "2026-03-02T12:00:00Z",
     NULL},
    {"they overlap",
     {{"0 10 * * *", NULL, HOURS(4)}, {"0 11 * * *", NULL, HOURS(4)}},
     "2026-03-02T14:30:00Z",
     "2026-03-02T14:30:00Z",
     NULL},
    {"it overlaps itself",
     {{"0 * * * *", NULL, HOURS(4)}},
     "2026-03-02T14:30:00Z",
     "2026-03-02T14:30:00Z",
     NULL},
    {"open for longer than the certificate lives",
     {{"0 0 1 1 *", NULL, DAYS(365)}},
     "2026-03-02T12:00:00Z",
     "2026-03-02T12:00:00Z",
     NULL},
    {"opened before the certificate began",
     {{"0 0 15 12 *", NULL, DAYS(90)}},
     "2026-03-02T12:00:00Z",
     "2026-03-02T12:00:00Z",
     NULL},
    /* zones: in Berlin the clocks are put forward on 29 March */
    {"in winter",
     {{"0 2 * * *", "Europe/Berlin", HOURS(1)}},
     "2026-03-27T12:00:00Z",
     "2026-03-28T01:00:00Z",
     NULL},
    {"left out",
     {{"0 2 * * *", "Europe/Berlin", HOURS(1)}},
     "2026-03-28T12:00:00Z",
     "2026-03-30T00:00:00Z",
     NULL},
    {"in summer",
     {{"0 2 * * *", "Europe/Berlin", HOURS(1)}},
     "2026-03-30T12:00:00Z",
     "2026-03-31T00:00:00Z",
     NULL},
    {"open over the change, for so many hours",
     {{"0 1 * * *", "Europe/Berlin", HOURS(3)}},
     "2026-03-29T02:59:59Z",
     "2026-03-29T02:59:59Z",
     NULL},
    {"closed after them",
     {{"0 1 * * *", "Europe/Berlin", HOURS(3)}},
     "2026-03-29T03:00:00Z",
     "2026-03-29T23:00:00Z",
     NULL},
    {"far from Greenwich",
     {{"30 22 * * sun", "Asia/Kathmandu", HOURS(1)}},
     "2026-03-02T12:00:00Z",
     "2026-03-08T16:45:00Z",
     NULL},
    /* the end */
    {"opens in the last second",
     {{"59 23 31 3 *", NULL, HOURS(1)}},
     "2026-03-02T12:00:00Z",
     "2026-03-31T23:59:00Z",
     NULL},
    {"opens as it expires",
     {{"0 0 1 4 *", NULL, DAYS(3)}},
     "2026-03-02T12:00:00Z",
     NULL,
     "none of spec.renewal.windows opens between 2026-03-02T12:00:00Z, when renewal is due, and "
     "2026-04-01T00:00:00Z, when the certificate expires: windows[0] '0 0 1 4 *' in UTC"},
    {"opens after it has expired",
     {{"0 2 1 5 *", "Europe/Berlin", DAYS(60)}},
     "2026-03-02T12:00:00Z",
     NULL,
     "windows[0] '0 2 1 5 *' in Europe/Berlin"},
    {"never opens",
     {{"0 0 30 2 *", NULL, HOURS(1)}},
     "2026-03-02T12:00:00Z",
     NULL,
     "windows[0] '0 0 30 2 *' in UTC"},
    {"never opens, in a line that goes on and on",
     {{"0 0 30 2 *-\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
       "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4",
       NULL, HOURS(1)}},
     "2026-03-02T12:00:00Z",
     NULL,
     "windows[0] '0 0 30 2 *-\xc3\xa4"},
    {"one never opens, the other does",
     {{"0 0 30 2 *", NULL, HOURS(1)}, {"@daily", NULL, HOURS(1)}},
     "2026-03-02T12:00:00Z",
     "2026-03-03T00:00:00Z",
     NULL},
    {"four that never open",
     {{"0 0 30 2 *", NULL, 1},
      {"0 0 31 2 *", NULL, 1},
      {"0 0 31 4 *", NULL, 1},
      {"0 0 31 6 *", NULL, 1}},
     "2026-03-02T12:00:00Z",
     NULL,
     "windows[2] '0 0 31 4 *' in UTC and 1 more"},
    /* at any time, as cert-manager has it */
    {"@every",
     {{"@every 24h", NULL, HOURS(1)}},
     "2026-03-02T12:00:00Z",
     "2026-03-02T12:00:00Z",
     NULL},
    {"@every, longer than until then",
     {{"@every 2000h", NULL, HOURS(1)}},
     "2026-03-02T12:00:00Z",
     NULL,
     "'@every 2000h'"},
    /* what validation keeps out where it can */
    {"a line that is none",
     {{"0 2 * *", NULL, HOURS(1)}},
     "2026-03-02T12:00:00Z",
     NULL,
     "spec.renewal.windows[0].cron: has 4 field(s)"},
    {"a zone that is not there",
     {{"@daily", NULL, HOURS(1)}, {"@daily", "Mars/Phobos", HOURS(1)}},
     "2026-03-02T12:00:00Z",
     NULL,
     "spec.renewal.windows[1].timezone: time zone 'Mars/Phobos'"},
    {"no time at all",
     {{"@daily", NULL, 0}},
     "2026-03-02T12:00:00Z",
     NULL,
     "spec.renewal.windows[0].windowDuration: must be longer than 0s"},
    {"less than no time",
     {{"@daily", NULL, -HOURS(1)}},
     "2026-03-02T12:00:00Z",
     NULL,
     "spec.renewal.windows[0].windowDuration: must be longer than 0s"},
    {"the longest time there is",
     {{"0 0 1 2 *", NULL, INT64_MAX / 1000000}},
     "2026-03-02T12:00:00Z",
     "2026-03-02T12:00:00Z",
     NULL},
};

TEST(a_renewal_waits_for_the_next_window)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(arena_free) struct arena *arena = arena_new(0);
        struct certificate_renewal windows = renewal_of(rows[i].windows, ARRAY_LEN(rows[i].windows),
                                                        arena);
        struct secret_facts secret = {.not_before_ms = AT(NOT_BEFORE),
                                      .not_after_ms = AT(NOT_AFTER)};
        int64_t due_ms = AT(rows[i].due);
        struct renewal renewal;

        CASE(rows[i].name);
        renewal = renewal_in_windows(&windows, due_ms, &secret, arena);
        ASSERT_EQ(renewal.at_ms, rows[i].at ? AT(rows[i].at) : due_ms);
        if (!rows[i].problem) {
            ASSERT_NULL(renewal.problem);
            continue;
        }
        ASSERT_CONTAINS(renewal.problem, rows[i].problem);
        ASSERT_TRUE(str_is_utf8(renewal.problem, strlen(renewal.problem)));
    }
}

/* --- with everything else that says when --- */

#define ARI_ID "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"

struct whole {
    struct certificate_spec spec;
    struct certificate_renewal windows;
    struct certificate_ari_window window;
    struct certificate_ari ari;
    struct certificate_acme_status acme;
    struct secret_facts secret;
    struct request_facts current;
    struct certificate_policy policy;
    struct arena *arena;
};

/* 90 days of which 30 remain at 2 March, with a window each Saturday from 2 to 6. */
static void whole_init(struct whole *whole)
{
    static const struct window_row saturdays = {"0 2 * * sat", NULL, HOURS(4)};

    *whole = (struct whole){.arena = arena_new(0)};
    whole->windows = renewal_of(&saturdays, 1, whole->arena);
    whole->spec.renewal = &whole->windows;
    whole->secret = (struct secret_facts){.cert_ok = true,
                                          .not_before_ms = AT(NOT_BEFORE),
                                          .not_after_ms = AT(NOT_AFTER),
                                          .ari_id = ARI_ID};
    whole->policy = (struct certificate_policy){.backoff_min_ms = HOURS(1),
                                                .backoff_max_ms = HOURS(32)};
}

static void whole_deinit(struct whole *whole)
{
    arena_free(whole->arena);
}
DEFINE_CLEANUP_VALUE(struct whole, whole_deinit);

static void whole_set_window(struct whole *whole, const char *start, const char *end,
                             const char *checked)
{
    whole->window = (struct certificate_ari_window){AT(start), AT(end)};
    whole->ari = (struct certificate_ari){.suggested_window = &whole->window,
                                          .last_checked_ms = AT(checked)};
    whole->acme = (struct certificate_acme_status){.ari = &whole->ari};
}

static struct renewal whole_renewal(struct whole *whole)
{
    struct renewal_basis basis = {&whole->spec, whole->acme.ari ? &whole->acme : NULL,
                                  &whole->secret, &whole->current, &whole->policy};

    return certificate_renewal(&basis, whole->arena);
}

TEST(the_plain_time_waits_for_a_window_and_a_disabled_one_for_nothing)
{
    cleanup(whole_deinit) struct whole whole;

    whole_init(&whole);
    ASSERT_EQ(whole_renewal(&whole).at_ms, AT("2026-03-07T02:00:00Z"));
    whole.spec.renew_before = (struct opt_duration){true, NS(DAYS(10))};
    ASSERT_EQ(whole_renewal(&whole).at_ms, AT("2026-03-28T02:00:00Z"));
    whole.windows.policy = RENEWAL_DISABLED;
    ASSERT_EQ(whole_renewal(&whole).at_ms, 0);
    whole.windows.policy = RENEWAL_RENEW_BEFORE;
    whole.windows.windows.len = 0;
    ASSERT_EQ(whole_renewal(&whole).at_ms, AT("2026-03-22T00:00:00Z"));
}

TEST(a_certificate_shorter_than_the_way_to_the_next_window_does_not_lapse)
{
    cleanup(whole_deinit) struct whole whole;
    struct renewal renewal;

    whole_init(&whole);
    whole.secret.not_after_ms = whole.secret.not_before_ms +
                                DAYS(2); /* Thursday to Saturday, 0:00 */
    renewal = whole_renewal(&whole);
    ASSERT_EQ(renewal.at_ms, whole.secret.not_before_ms + DAYS(2) - DAYS(2) / 3);
    ASSERT_TRUE(strstr(renewal.problem, "windows[0] '0 2 * * sat' in UTC"));
    whole.secret.not_after_ms += HOURS(3); /* to 3:00 */
    renewal = whole_renewal(&whole);
    ASSERT_EQ(renewal.at_ms, AT("2026-01-03T02:00:00Z"));
    ASSERT_NULL(renewal.problem);
}

TEST(the_window_of_the_ca_and_those_of_the_spec_are_both_kept_where_that_can_be)
{
    static const struct {
        const char *name, *start, *end, *checked, *cron;
        const char *at; /* NULL: the CA's instant */
        bool in_both;   /* in the CA's window */
    } cases[] = {
        {"the windows are open at the instant", "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z",
         "2026-01-02T00:00:00Z", "* * * * *", NULL, true},
        {"one opens behind the instant, in time", "2026-03-01T00:00:00Z", "2026-03-14T02:00:01Z",
         "2026-01-02T00:00:00Z", "0 2 14 3 *", "2026-03-14T02:00:00Z", true},
        {"one opens before the instant alone", "2026-03-06T23:59:59Z", "2026-03-10T00:00:00Z",
         "2026-01-02T00:00:00Z", "0 0 7 3 *", "2026-03-07T00:00:00Z", true},
        {"one opens only when the CA's has closed", "2026-03-02T00:00:00Z", "2026-03-04T00:00:00Z",
         "2026-01-02T00:00:00Z", "0 2 * * sat", "2026-03-07T02:00:00Z", false},
        {"the same, asked again when it had closed", "2026-03-02T00:00:00Z", "2026-03-04T00:00:00Z",
         "2026-03-04T06:00:00Z", "0 2 * * sat", "2026-03-07T02:00:00Z", false},
        {"early, but to come", "2026-01-20T00:00:00Z", "2026-01-22T00:00:00Z",
         "2026-01-10T00:00:00Z", "0 2 * * sat", "2026-01-24T02:00:00Z", false},
        {"called back", "2026-01-08T00:00:00Z", "2026-01-09T00:00:00Z", "2026-01-10T00:00:00Z",
         "0 2 * * sat", NULL, true},
        {"called back as it was issued", "2025-12-31T22:00:00Z", "2025-12-31T23:00:00Z",
         "2026-01-01T00:00:01Z", "0 2 * * sat", NULL, true},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        cleanup(whole_deinit) struct whole whole;
        struct renewal renewal;
        int64_t instant_ms;

        CASE(cases[i].name);
        whole_init(&whole);
        whole.windows.windows.items[0].cron = cases[i].cron;
        whole_set_window(&whole, cases[i].start, cases[i].end, cases[i].checked);
        instant_ms = acme_renewal_instant(ARI_ID, whole.window.start_ms, whole.window.end_ms);
        renewal = whole_renewal(&whole);
        ASSERT_NULL(renewal.problem);
        ASSERT_EQ(renewal.at_ms, cases[i].at ? AT(cases[i].at) : instant_ms / 1000 * 1000);
        ASSERT_EQ(renewal.at_ms >= whole.window.start_ms && renewal.at_ms < whole.window.end_ms,
                  cases[i].in_both);
    }
}

/* cm#4846: what replaced a young one stays; then it waits for a window. */
TEST(the_stay_of_what_replaced_a_young_certificate_comes_before_the_windows)
{
    cleanup(whole_deinit) struct whole whole;

    whole_init(&whole);
    whole.secret.not_before_ms = AT("2025-11-01T00:00:00Z"); /* due long ago */
    whole.secret.not_after_ms = AT("2026-01-20T00:00:00Z");
    whole.current.replaces_young = true;
    whole.current.request.object.metadata.creation_timestamp_ms = AT("2026-01-03T03:00:00Z");
    ASSERT_EQ(whole_renewal(&whole).at_ms, AT("2026-01-10T02:00:00Z"));
    whole.current.replaces_young = false;
    ASSERT_EQ(whole_renewal(&whole).at_ms, AT("2025-12-27T02:00:00Z"));
}

RUN_TESTS(
    cmocka_unit_test(a_renewal_waits_for_the_next_window),
    cmocka_unit_test(the_plain_time_waits_for_a_window_and_a_disabled_one_for_nothing),
    cmocka_unit_test(a_certificate_shorter_than_the_way_to_the_next_window_does_not_lapse),
    cmocka_unit_test(the_window_of_the_ca_and_those_of_the_spec_are_both_kept_where_that_can_be),
    cmocka_unit_test(the_stay_of_what_replaced_a_young_certificate_comes_before_the_windows));
