/*
 * random_test.c - years in which everything goes wrong that can, within bounds: CA, name servers and
 * store fail, the program crashes, users edit and delete. What must hold all the time and at the end
 * stands in tests/support/sim_check.c.
 *
 * Environment, for hack/sim: SIM_SEED, SIM_CERTIFICATES (50), SIM_YEARS (3). A failure prints the seed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "support/sim.h"

#define START AT("2026-01-01T00:00:00Z")
/* The shortest time that a certificate has left when its renewal is due is 5 days: outages are shorter,
 * and there is time to get well between them. */
#define OUTAGE_MAX_MS  HOURS(30)
#define PEACE_MS       DAYS(4)
#define NAMES_PER_ZONE 10

/* Let's Encrypt's. */
static const struct acme_limits limits = {
    .host = FAKE_CA_HOST,
    .orders_per_account = 300,
    .orders_refill_s = 36,
    .certs_per_domain = 50,
    .certs_refill_s = 12096,
    .certs_per_set = 5,
    .set_refill_s = 120960,
    .failures_per_name = 5,
    .failures_refill_s = 720,
};
static const struct fake_ca_profile profiles[] = {{"short", "10 days", DAYS(10)}};

static const char issuers[] = SIM_ISSUER
    "---\n" SIM_ACME_ISSUER("web", "    renewalInformationSource: None\n" SIM_BY_HTTP) "---\n" SIM_ACME_ISSUER(
        "plain",
        "    renewalInformationSource: None\n" SIM_BY_DNS) "---\n" SIM_ACME_ISSUER("short",
                                                                                   "    renewalInformationSource: None\n    profile: short\n" SIM_BY_DNS);

struct story {
    struct sim *sim;
    int certificates, years;
    uint64_t seed;
    bool split_secrets;
    int64_t end_ms, trouble_until_ms, peace_until_ms;
    int crashes, outages, edits;
    bool will_crash;
};

static int64_t setting(const char *name, int64_t otherwise)
{
    const char *text = getenv(name);

    return text && *text ? atoll(text) : otherwise;
}

static uint64_t below(struct story *story, uint64_t limit)
{
    return sim_random(story->sim, limit);
}

/* --- Certificates --- */

static const char *issuer_of_certificate(int i)
{
    if (i % 50 == 24)
        return "short";
    if (i % 5 == 4)
        return "web";
    return i % 25 == 3 ? "acme"
                       : "plain"; /* few with renewal information: its polls take the time */
}

static void apply_certificate(struct story *story, int i)
{
    const char *issuer = issuer_of_certificate(i);
    cleanup(xfree) char *wildcard = i % 5 == 4
                                        ? xstrdup("")
                                        : xasprintf(", '*.n%d.zone%d.test'", i, i / NAMES_PER_ZONE);
    cleanup(xfree) char *yaml = xasprintf(
        "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: c%d}\n"
        "spec:\n  dnsNames: [n%d.zone%d.test%s]\n  secretName: c%d-tls\n"
        "  issuerRef: {name: %s}\n  privateKey: {algorithm: ECDSA, size: 256, rotationPolicy: %s}\n%s",
        i, i, i / NAMES_PER_ZONE, i % 3 == 0 ? wildcard : "", i, issuer,
        i % 7 == 6 ? "Never" : "Always", streq(issuer, "short") ? "  duration: 240h\n" : "");

    sim_apply(story->sim, yaml);
}

static void begin(struct story *story)
{
    struct sim_options options = {
        .start_ms = START,
        .seed = story->seed,
        .ca = {.limits = &limits,
               .profiles = profiles,
               .profile_count = ARRAY_LEN(profiles),
               .reuse_orders = story->seed % 2 != 0, /* the default one */
               .validation_ms = SECONDS(2),
               .backdate_ms = HOURS(1)},
        .ari_every_ms = DAYS(1),
        .split_secrets = story->split_secrets,
    };

    story->sim = sim_new_with(&options);
    story->end_ms = START + DAYS(365) * story->years;
    for (int i = 0; i <= story->certificates / NAMES_PER_ZONE; i++) {
        cleanup(xfree) char *zone = xasprintf("zone%d.test", i);

        fake_dns_add_zone(sim_dns(story->sim), zone);
    }
    sim_apply(story->sim, issuers);
    sim_run_until_idle(story->sim);
    for (int i = 0; i < story->certificates; i++) {
        apply_certificate(story, i);
        if (i % 50 == 49)
            sim_advance(story->sim, HOURS(1));
    }
    sim_advance(story->sim, DAYS(1));
    sim_watch_expiry(story->sim);
}

/* --- what users do --- */

static void edit_names(struct story *story, const char *name, int i)
{
    cleanup(xfree) char *patch = xasprintf("{spec: {dnsNames: [n%d.zone%d.test, m%d.zone%d.test]}}",
                                           i, i / NAMES_PER_ZONE, (int)below(story, 1000),
                                           i / NAMES_PER_ZONE);

    sim_patch(story->sim, name, patch);
}

static void edit_key(struct story *story, const char *name, int i)
{
    if (i % 7 == 6) /* its key must not change */
        return;
    sim_patch(story->sim, name,
              below(story, 2) ? "{spec: {privateKey: {size: 384}}}"
                              : "{spec: {privateKey: {size: 256}}}");
}

static void edit_metadata(struct story *story, const char *name, int i)
{
    sim_patch(
        story->sim, name,
        below(story, 2)
            ? "{spec: {secretTemplate: {labels: {a: b}}, additionalOutputFormats: [{type: DER}]}}"
            : "{spec: {secretTemplate: null, additionalOutputFormats: null, revisionHistoryLimit: 2}}");
}

static void delete_secret(struct story *story, const char *name, int i)
{
    cleanup(xfree) char *secret = xasprintf("secret/c%d-tls", i);

    if (sim_get(story->sim, secret))
        sim_delete(story->sim, secret);
}

static void damage_secret(struct story *story, const char *name, int i)
{
    cleanup(xfree) char *secret = xasprintf("secret/c%d-tls", i);

    if (sim_get(story->sim, secret))
        sim_patch(story->sim, secret, "{data: {tls.crt: bm90aGluZw==}}");
}

/* With two watches it passes from one to the other. */
static void strip_label(struct story *story, const char *name, int i)
{
    cleanup(xfree) char *secret = xasprintf("secret/c%d-tls", i);

    if (sim_get(story->sim, secret))
        sim_patch(story->sim, secret,
                  "{metadata: {labels: {controller.cert-manager.io/fao: null}}}");
}

static void start_over(struct story *story, const char *name, int i)
{
    sim_delete(story->sim, name);
    sim_advance(story->sim, (int64_t)below(story, (uint64_t)HOURS(2)));
    apply_certificate(story, i);
}

static void renew_by_hand(struct story *story, const char *name, int i)
{
    sim_set_condition(story->sim, name, "Issuing", "True", "ManuallyTriggered", "by hand");
}

static void edit_something(struct story *story)
{
    static void (*const edits[])(struct story * story, const char *name, int i) = {
        edit_names,    edit_key,      edit_metadata, delete_secret,
        damage_secret, renew_by_hand, start_over,    strip_label,
    };
    int i = (int)below(story, (uint64_t)story->certificates);
    cleanup(xfree) char *name = xasprintf("certificate/c%d", i);

    story->edits++;
    edits[below(story, ARRAY_LEN(edits))](story, name, i);
}

/* --- what goes wrong --- */

static void stop_trouble(struct story *story)
{
    sim_set_ca_down(story->sim, false);
    sim_set_http_down(story->sim, false);
    sim_set_faults(story->sim, &(struct sim_faults){.ca = 60, .dns = 60});
    for (int i = 0; i <= story->certificates / NAMES_PER_ZONE; i++) {
        cleanup(xfree) char *zone = xasprintf("zone%d.test", i);

        fake_dns_set_mode(sim_dns(story->sim), zone, FAKE_DNS_FINE);
        fake_dns_set_late(sim_dns(story->sim), zone, 0);
    }
}

static void trouble_zones(struct story *story)
{
    static const enum fake_dns_mode modes[] = {FAKE_DNS_SERVFAIL, FAKE_DNS_REFUSES, FAKE_DNS_SILENT,
                                               FAKE_DNS_LOSES, FAKE_DNS_FINE};

    for (int i = 0; i <= story->certificates / NAMES_PER_ZONE; i++) {
        cleanup(xfree) char *zone = xasprintf("zone%d.test", i);

        fake_dns_set_late(sim_dns(story->sim), zone, (int64_t)below(story, (uint64_t)HOURS(1)));
        if (below(story, 2))
            fake_dns_set_mode(sim_dns(story->sim), zone, modes[below(story, ARRAY_LEN(modes))]);
    }
}

static void start_trouble(struct story *story)
{
    int64_t length_ms = HOURS(1) + (int64_t)below(story, (uint64_t)OUTAGE_MAX_MS - HOURS(1));

    story->outages++;
    story->trouble_until_ms = sim_now(story->sim) + length_ms;
    story->peace_until_ms = story->trouble_until_ms + PEACE_MS;
    switch (below(story, 5)) {
    case 0:
        sim_set_ca_down(story->sim, true);
        break;
    case 1:
        sim_set_http_down(story->sim, true);
        break;
    case 2:
        trouble_zones(story);
        break;
    case 3:
        sim_set_faults(story->sim, &(struct sim_faults){.store = 500, .ca = 60});
        break;
    default:
        sim_set_faults(story->sim, &(struct sim_faults){.ca = 2000, .dns = 2000});
    }
}

/* One draw in a statement, here and elsewhere: compilers differ in which argument comes first. */
static void crash(struct story *story)
{
    bool after = below(story, 2);
    int point = sim_points(story->sim) + 1 + (int)below(story, 100);

    story->will_crash = true;
    sim_crash_at(story->sim, point, after);
}

static void restart_if_down(struct story *story)
{
    if (!sim_has_crashed(story->sim))
        return;
    story->crashes++;
    story->will_crash = false;
    sim_restart(story->sim);
}

/* Some hours at a time. A crash lasts to the end of them: three in a row must leave a certificate of ten
 * days the time to be renewed. */
static void live_on(struct story *story)
{
    bool in_trouble = sim_now(story->sim) < story->trouble_until_ms;
    int64_t at_most_ms = in_trouble ? HOURS(6) : story->will_crash ? HOURS(24) : HOURS(60);

    sim_advance(story->sim, (int64_t)below(story, (uint64_t)at_most_ms));
    restart_if_down(story);
    if (sim_now(story->sim) >= story->trouble_until_ms)
        stop_trouble(story);
    if (sim_now(story->sim) >= story->peace_until_ms && below(story, 6) == 0)
        start_trouble(story);
    if (below(story, 3) == 0)
        edit_something(story);
    if (below(story, 12) == 0)
        crash(story);
    else if (below(story, 24) == 0)
        sim_restart(story->sim);
}

/* A renewal by hand that failed is not tried again by itself, as in cert-manager: the certificate is as
 * good as before, and its own renewal comes. */
static bool is_settled(struct sim *sim, const char *name)
{
    const char *issuing = sim_condition(sim, name, "Issuing");

    if (!streq(sim_condition(sim, name, "Ready"), "True"))
        return false;
    return !issuing ||
           (streq(issuing, "False") && sim_time(sim, name, "status.renewalTime") > sim_now(sim));
}

static void expect_all_ready(struct story *story)
{
    for (int i = 0; i < story->certificates; i++) {
        cleanup(xfree) char *name = xasprintf("certificate/c%d", i);

        if (is_settled(story->sim, name))
            continue;
        sim_print_state(story->sim);
        print_error("'%s' is not in force in the end, SIM_SEED=%llu\n", name,
                    (unsigned long long)story->seed);
        fail();
    }
}

static void end(struct story *story)
{
    sim_crash_at(story->sim, 0, false);
    restart_if_down(story);
    stop_trouble(story);
    sim_set_faults(story->sim, &(struct sim_faults){});
    sim_advance(story->sim, DAYS(8)); /* the budget of an exact set takes its time */
    sim_restart(story->sim);
    sim_advance(story->sim, DAYS(1));
    expect_all_ready(story);
}

static void print_summary(const struct story *story)
{
    const struct fake_ca_counts *counts = fake_ca_counts(sim_ca(story->sim));

    print_message(
        "seed %llu: %d Certificates, %d years: %d edits, %d outages, %d crashes; %d requests, "
        "%d orders, %d certificates, %d failed validations\n",
        (unsigned long long)story->seed, story->certificates, story->years, story->edits,
        story->outages, story->crashes, counts->requests, counts->new_orders, counts->issued,
        counts->failed_validations);
}

static void live(struct story *story)
{
    story->seed = (uint64_t)setting("SIM_SEED", 20260101);
    begin(story);
    while (sim_now(story->sim) < story->end_ms)
        live_on(story);
    end(story);
    print_summary(story);
    sim_free(story->sim);
}

/* cm#9083: objects that come in an order nobody thought of. */
TEST(years_of_trouble_leave_every_certificate_in_force)
{
    struct story story = {
        .certificates = (int)setting("SIM_CERTIFICATES", 50),
        .years = (int)setting("SIM_YEARS", 3),
    };

    live(&story);
}

/* The same as in a cluster: Secrets come by two watches, one of them without data, both late by chance. */
TEST(years_of_trouble_with_secrets_by_two_watches_do_too)
{
    struct story story = {
        .certificates = (int)setting("SIM_CERTIFICATES", 20),
        .years = (int)setting("SIM_YEARS", 2),
        .split_secrets = true,
    };

    live(&story);
}

RUN_TESTS(cmocka_unit_test(years_of_trouble_leave_every_certificate_in_force),
          cmocka_unit_test(years_of_trouble_with_secrets_by_two_watches_do_too));
