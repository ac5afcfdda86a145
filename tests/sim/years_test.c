/*
 * years_test.c - years of renewals in windows, of Certificates that take each other's Secrets, and of
 * cert-manager's work taken over, while CA and store fail and the program crashes.
 *
 * What must hold stands in tests/support: sim_windows.c, sim_owners.c, sim_check.c. Here is counted what
 * the CA has issued: no more than what came due and what users did.
 *
 * Environment, for hack/sim: SIM_SEED, SIM_CERTIFICATES (12), SIM_YEARS (2). A failure prints the seed.
 */
#include <stdio.h>
#include <stdlib.h>

#include "support/sim.h"

#define START            AT("2026-01-01T00:00:00Z")
#define OUTAGE_MAX_MS    HOURS(30)
#define PEACE_MS         DAYS(4)
#define CERTIFICATES_MAX 1000

/* The shortest has 5 days left when it is due: only those that open every day, or never, leave it the time to
 * outlast an outage. */
enum { DAILY = 4 };
static const char *const windows[] = {
    /* an hour that is left out or comes twice; by half an hour; at midnight */
    "[{cron: '0 2 * * *', windowDuration: 30m, timezone: America/New_York}]",
    "[{cron: '30 1 * * *', windowDuration: 20m, timezone: Australia/Lord_Howe}]",
    "[{cron: '0 0 * * *', windowDuration: 1h, timezone: Africa/Cairo}]",
    "[{cron: '0 0 30 2 *', windowDuration: 1h, timezone: Europe/Berlin}]",
    /* two; no summer time; and none said */
    "[{cron: '0 2 * * 6', windowDuration: 4h, timezone: Europe/Berlin}, "
    "{cron: '0 22 * * 3', windowDuration: 2h, timezone: Europe/Berlin}]",
    "[{cron: '15 23 * * 1-5', windowDuration: 90m, timezone: Asia/Kolkata}]",
    "[{cron: '0 3 1,15 * 1', windowDuration: 12h}]",
};

static const struct fake_ca_profile profiles[] = {{"short", "15 days", DAYS(15)}};
static const char issuers[] = SIM_ISSUER
    "---\n" SIM_ACME_ISSUER("plain", "    renewalInformationSource: None\n" SIM_BY_DNS) "---\n" SIM_ACME_ISSUER(
        "short", "    renewalInformationSource: None\n    profile: short\n" SIM_BY_DNS);

struct one {         /* Certificate */
    int secret;      /* whose it names */
    int64_t left_ms; /* nobody names its own any more */
    int touched;     /* by users: each may be worth a certificate */
};

struct story {
    struct sim *sim;
    int certificates, years;
    uint64_t seed;
    int64_t trouble_until_ms, peace_until_ms;
    int crashes, outages, edits, collisions, swaps, under_way;
    bool will_crash;
    struct one ones[CERTIFICATES_MAX];
};

static int64_t setting(const char *name, int64_t otherwise)
{
    const char *text = getenv(name);

    return text && *text ? atoll(text) : otherwise;
}

static int below(struct story *story, int limit)
{
    return (int)sim_random(story->sim, (uint64_t)limit);
}

static int64_t some_of(struct story *story, int64_t ms)
{
    return (int64_t)sim_random(story->sim, (uint64_t)ms);
}

/* One draw in a statement, here and elsewhere: compilers differ in which argument comes first. */
static void crash_within(struct story *story, int points)
{
    bool after = below(story, 2);
    int point = sim_points(story->sim) + 1 + below(story, points);

    sim_crash_at(story->sim, point, after);
}

/* --- Certificates --- */

static const char *name_of(struct story *story, const char *kind, int i)
{
    static char name[4][32];
    static int next;

    next = (next + 1) % (int)ARRAY_LEN(name);
    (void)snprintf(name[next], sizeof(name[next]), streq(kind, "secret") ? "%s/c%d-tls" : "%s/c%d",
                   kind, i);
    return name[next];
}

static const char *issuer_of_certificate(int i)
{
    if (i % 6 == 4)
        return "short";
    return i % 12 == 3 ? "acme"
                       : "plain"; /* few with renewal information: its polls take the time */
}

static bool is_short(int i)
{
    return streq(issuer_of_certificate(i), "short");
}

static const char *windows_of(int i, int n)
{
    return windows[n % (is_short(i) ? DAILY : (int)ARRAY_LEN(windows))];
}

static bool has_windows(int i)
{
    return i % 8 != 7;
}

static void apply_certificate(struct story *story, int i)
{
    cleanup(xfree) char *renewal = xasprintf("  renewal: {policy: RenewBefore, windows: %s}\n",
                                             windows_of(i, i));
    const char *issuer = issuer_of_certificate(i);
    cleanup(xfree) char *yaml = xasprintf(
        "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: c%d}\n"
        "spec:\n  dnsNames: [n%d.example.com]\n  secretName: c%d-tls\n  issuerRef: {name: %s}\n"
        "  privateKey: {algorithm: ECDSA, size: 256}\n%s%s",
        i, i, story->ones[i].secret, issuer, is_short(i) ? "  duration: 360h\n" : "",
        has_windows(i) ? renewal : "");

    sim_apply(story->sim, yaml);
}

static int issued(struct story *story, int i)
{
    cleanup(xfree) char *names = xasprintf("n%d.example.com", i);

    return fake_ca_issued_of(sim_ca(story->sim), names);
}

static int ordered(struct story *story, int i)
{
    cleanup(xfree) char *names = xasprintf("n%d.example.com", i);

    return fake_ca_orders_of(sim_ca(story->sim), names);
}

static void begin(struct story *story)
{
    struct sim_options options = {
        .start_ms = START,
        .seed = story->seed,
        .ca = {.profiles = profiles,
               .profile_count = ARRAY_LEN(profiles),
               .reuse_orders = story->seed % 2 != 0,
               .orders_per_page = 1000, /* as many as are looked through for a lost one */
               .validation_ms = SECONDS(2),
               .backdate_ms = HOURS(1)},
        .ari_every_ms = DAYS(1),
    };

    ASSERT_TRUE(story->certificates <= CERTIFICATES_MAX);
    story->sim = sim_new_with(&options);
    sim_watch_windows(story->sim);
    sim_watch_owners(story->sim);
    sim_apply(story->sim, issuers);
    sim_run_until_idle(story->sim);
    for (int i = 0; i < story->certificates; i++) {
        story->ones[i].secret = i;
        apply_certificate(story, i);
    }
    sim_advance(story->sim, DAYS(1));
    sim_watch_expiry(story->sim);
}

/* --- what users do --- */

/* Of all who name the Secret each may have to issue for it. */
static void touch(struct story *story, int secret)
{
    for (int i = 0; i < story->certificates; i++)
        story->ones[i].touched += story->ones[i].secret == secret;
}

static bool is_named(const struct story *story, int secret)
{
    for (int i = 0; i < story->certificates; i++)
        if (story->ones[i].secret == secret)
            return true;
    return false;
}

/* What nobody has kept for long may have expired, which is no news. */
static void throw_away_if_old(struct story *story, int secret)
{
    bool is_old = sim_now(story->sim) - story->ones[secret].left_ms > DAYS(2);
    const char *name = name_of(story, "secret", secret);

    if (!is_named(story, secret) && is_old && sim_get(story->sim, name))
        sim_delete(story->sim, name);
}

static void name_secret(struct story *story, int i, int secret)
{
    cleanup(xfree) char *patch = xasprintf("{spec: {secretName: c%d-tls}}", secret);
    int before = story->ones[i].secret;

    throw_away_if_old(story, secret);
    touch(story, before);
    story->ones[i].secret = secret;
    if (!is_named(story, before))
        story->ones[before].left_ms = sim_now(story->sim);
    touch(story, secret);
    sim_patch(story->sim, name_of(story, "certificate", i), patch);
}

static int rivals(const struct story *story)
{
    int count = 0;

    for (int i = 0; i < story->certificates; i++)
        count += story->ones[i].secret != i;
    return count;
}

/* Not too many at a time: each looks every 3 minutes whether it is its turn. */
static void collide(struct story *story, int i)
{
    if (rivals(story) > story->certificates / 10)
        return;
    name_secret(story, i, below(story, story->certificates));
    story->collisions++;
}

static void part(struct story *story, int i)
{
    if (story->ones[i].secret != i)
        name_secret(story, i, i);
}

/* In a few days, each. */
static void part_some(struct story *story)
{
    for (int i = 0; i < story->certificates; i++)
        if (below(story, 4) == 0)
            part(story, i);
}

static void start_over(struct story *story, int i)
{
    int64_t away_ms = below(story, 2) ? MINUTES(1) : HOURS(2);

    touch(story, story->ones[i].secret);
    sim_delete(story->sim, name_of(story, "certificate", i));
    sim_advance(story->sim, some_of(story, away_ms));
    apply_certificate(story, i);
}

static void edit_windows(struct story *story, int i)
{
    cleanup(xfree) char *patch = xasprintf("{spec: {renewal: {windows: %s}}}",
                                           windows_of(i, below(story, 100)));

    story->ones[i].touched++;
    if (has_windows(i))
        sim_patch(story->sim, name_of(story, "certificate", i), patch);
}

static void edit_key(struct story *story, int i)
{
    touch(story, story->ones[i].secret);
    sim_patch(story->sim, name_of(story, "certificate", i),
              below(story, 2) ? "{spec: {privateKey: {size: 384}}}"
                              : "{spec: {privateKey: {size: 256}}}");
}

static void delete_secret(struct story *story, int i)
{
    const char *secret = name_of(story, "secret", story->ones[i].secret);

    touch(story, story->ones[i].secret);
    if (sim_get(story->sim, secret))
        sim_delete(story->sim, secret);
}

static void renew_by_hand(struct story *story, int i)
{
    story->ones[i].touched++;
    sim_set_condition(story->sim, name_of(story, "certificate", i), "Issuing", "True",
                      "ManuallyTriggered", "by hand");
}

static void edit_something(struct story *story)
{
    static void (*const edits[])(struct story * story, int i) = {
        collide, collide, collide, start_over, edit_windows, edit_key, delete_secret, renew_by_hand,
    };
    int edit = below(story, ARRAY_LEN(edits)), i = below(story, story->certificates);

    story->edits++;
    edits[edit](story, i);
}

/* --- cert-manager's work is taken over --- */

struct before {
    int issued, ordered;
    const char *certificate, *secret; /* lent: what is there, if it is to stay */
};

static bool is_owner(struct story *story, int i)
{
    return !streq(sim_reason(story->sim, name_of(story, "certificate", i), "Ready"),
                  "DuplicateSecretName");
}

static bool is_quiet(struct story *story, int i, int64_t until_ms)
{
    const char *name = name_of(story, "certificate", i);

    return is_owner(story, i) && !sim_condition(story->sim, name, "Issuing") &&
           sim_time(story->sim, name, "status.renewalTime") > until_ms;
}

static const char *stored(struct story *story, int i)
{
    cleanup(xfree) char *secret = xasprintf("c%d-tls", story->ones[i].secret);

    return sim_secret(story->sim, secret, "tls.crt");
}

static void take_stock(struct story *story, struct before *before, int64_t until_ms)
{
    for (int i = 0; i < story->certificates; i++) {
        before[i] = (struct before){.issued = issued(story, i), .ordered = ordered(story, i)};
        if (is_quiet(story, i, until_ms))
            before[i].secret = stored(story, i);
    }
}

static void fail_at(struct story *story, int i, const char *what)
{
    sim_print_state(story->sim);
    print_error("'c%d' %s, SIM_SEED=%llu\n", i, what, (unsigned long long)story->seed);
    fail();
}

/* What was under way is carried on, and all else stays. */
static void compare(struct story *story, const struct before *before)
{
    for (int i = 0; i < story->certificates; i++) {
        int more = issued(story, i) - before[i].issued;

        if (before[i].secret && (more > 0 || !streq(stored(story, i), before[i].secret)))
            fail_at(story, i, "was issued anew because of the program before");
        if (more > 1 || ordered(story, i) - before[i].ordered > 1)
            fail_at(story, i, "was issued twice");
        if (is_owner(story, i) &&
            streq(sim_condition(story->sim, name_of(story, "certificate", i), "Issuing"), "True"))
            fail_at(story, i, "was not carried on");
    }
}

/* Some are renewed by hand, and the program ends in the middle of it. */
static void swap_in(struct story *story)
{
    struct before *before = xalloc((size_t)story->certificates * sizeof(*before));
    int64_t until_ms = sim_now(story->sim) + HOURS(4);

    sim_run_until_idle(story->sim);
    take_stock(story, before, until_ms);
    for (int n = below(story, 4); n > 0; n--) {
        int i = below(story, story->certificates);

        if (!before[i].secret)
            continue;
        renew_by_hand(story, i);
        before[i].secret = NULL;
    }
    crash_within(story, 120);
    sim_advance(story->sim, some_of(story, MINUTES(30)));
    story->under_way += sim_count(story->sim, "order") > 0 && sim_has_crashed(story->sim);
    story->swaps++;
    story->will_crash = false;
    sim_swap_in(story->sim);
    sim_advance(story->sim, until_ms - sim_now(story->sim));
    compare(story, before);
    xfree(before);
}

/* --- what goes wrong --- */

static void stop_trouble(struct story *story)
{
    sim_set_ca_down(story->sim, false);
    sim_set_faults(story->sim, &(struct sim_faults){});
    fake_dns_set_late(sim_dns(story->sim), "example.com", some_of(story, MINUTES(2)));
}

static void start_trouble(struct story *story)
{
    story->outages++;
    story->trouble_until_ms = sim_now(story->sim) + HOURS(1) + some_of(story, OUTAGE_MAX_MS);
    story->peace_until_ms = story->trouble_until_ms + PEACE_MS;
    switch (below(story, 3)) {
    case 0:
        sim_set_ca_down(story->sim, true);
        break;
    case 1:
        sim_set_faults(story->sim, &(struct sim_faults){.store = 500, .ca = 60});
        break;
    default:
        sim_set_faults(story->sim, &(struct sim_faults){.ca = 2000, .dns = 2000});
    }
}

static void crash(struct story *story)
{
    crash_within(story, 100);
    story->will_crash = true;
}

static void restart_if_down(struct story *story)
{
    if (!sim_has_crashed(story->sim))
        return;
    story->crashes++;
    story->will_crash = false;
    sim_restart(story->sim);
}

/* A day after the last trouble nothing is tried again any more. */
static bool is_calm(const struct story *story)
{
    return !story->will_crash && sim_now(story->sim) > story->trouble_until_ms + DAYS(2);
}

/* Some hours at a time. A crash lasts to the end of them. */
static void live_on(struct story *story)
{
    bool in_trouble = sim_now(story->sim) < story->trouble_until_ms;

    sim_advance(story->sim, some_of(story, in_trouble          ? HOURS(6)
                                           : story->will_crash ? HOURS(24)
                                                               : HOURS(60)));
    restart_if_down(story);
    if (sim_now(story->sim) >= story->trouble_until_ms)
        stop_trouble(story);
    if (is_calm(story) && below(story, 4) == 0)
        swap_in(story);
    if (sim_now(story->sim) >= story->peace_until_ms && below(story, 6) == 0)
        start_trouble(story);
    part_some(story);
    if (below(story, 3) == 0)
        edit_something(story);
    if (below(story, 12) == 0)
        crash(story);
    else if (is_calm(story)) {
        sim_run_until_idle(story->sim);
        sim_check(story->sim);
    }
}

/* --- the end --- */

static int64_t life_ms(int i)
{
    return is_short(i) ? DAYS(15) : DAYS(90);
}

/* It comes due after two thirds of its life, less what a CA dates back and, with its word, a little earlier. */
static int bound(const struct story *story, int i)
{
    int64_t from_ms = life_ms(i) * 2 / 3 - life_ms(i) / 20;

    return 1 + (int)(DAYS(365) * story->years / from_ms) + story->ones[i].touched;
}

static void expect_bounded(struct story *story)
{
    for (int i = 0; i < story->certificates; i++) {
        if (issued(story, i) <= bound(story, i))
            continue;
        print_error("%d certificates, at most %d were due or asked for\n", issued(story, i),
                    bound(story, i));
        fail_at(story, i, "was issued too often");
    }
}

static void expect_all_ready(struct story *story)
{
    for (int i = 0; i < story->certificates; i++) {
        const char *reason = sim_reason(story->sim, name_of(story, "certificate", i), "Ready");

        if (!streq(reason, "Ready") && !streq(reason, "WindowError"))
            fail_at(story, i, "is not in force in the end");
    }
}

/* All go back to Secrets of their own. Whoever has one that is another's goes first. */
static void part_all(struct story *story)
{
    for (int i = 0; i < story->certificates; i++)
        part(story, i);
}

static void end(struct story *story)
{
    sim_crash_at(story->sim, 0, false);
    restart_if_down(story);
    stop_trouble(story);
    sim_advance(story->sim, DAYS(4));
    part_all(story);
    sim_advance(story->sim, DAYS(1));
    expect_all_ready(story);
    expect_bounded(story);
    print_message(
        "seed %llu: %d Certificates, %d years: %d edits, %d collisions, %d outages, %d crashes, "
        "%d swaps (%d under way); %d renewals in windows, %d orders, %d certificates\n",
        (unsigned long long)story->seed, story->certificates, story->years, story->edits,
        story->collisions, story->outages, story->crashes, story->swaps, story->under_way,
        sim_windowed_renewals(story->sim), sim_orders_placed(story->sim),
        fake_ca_counts(sim_ca(story->sim))->issued);
}

TEST(years_of_windows_shared_secrets_and_takeovers_issue_what_is_due_and_no_more)
{
    struct story *story = xalloc(sizeof(*story));
    int64_t end_ms;

    story->certificates = (int)setting("SIM_CERTIFICATES", 12);
    story->years = (int)setting("SIM_YEARS", 2);
    story->seed = (uint64_t)setting("SIM_SEED", 20260101);
    end_ms = START + DAYS(365) * story->years;
    begin(story);
    while (sim_now(story->sim) < end_ms)
        live_on(story);
    end(story);
    sim_free(story->sim);
    xfree(story);
}

RUN_TESTS(
    cmocka_unit_test(years_of_windows_shared_secrets_and_takeovers_issue_what_is_due_and_no_more));
