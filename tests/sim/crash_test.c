/*
 * crash_test.c - crash points: every store write, request to the CA and DNS update, before its effect and
 * after it with the answer lost. From there every call fails, all memory is lost, and what is left must
 * end with one certificate and no second finalized order.
 */
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

struct way {
    const char *name, *issuer, *certificate;
    struct fake_ca_options ca;
    bool renews; /* the crashes are in a renewal */
};
static const struct way ways[] = {
    {"dns-01", SIM_ISSUER, by_dns},
    {"http-01", SIM_ACME_ISSUER("acme", SIM_BY_HTTP),
     SIM_CERTIFICATE("web", "[www.example.com]", "")},
    {"slow CA", SIM_ISSUER, SIM_CERTIFICATE("web", "[www.example.com]", ""),
     .ca = {.validation_ms = SECONDS(20), .issue_ms = SECONDS(20)}},
    {"renewal", SIM_ISSUER, SIM_CERTIFICATE("web", "[www.example.com]", ""), .renews = true},
    {"key kept", SIM_ISSUER,
     "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: web, namespace: default}\n"
     "spec:\n  dnsNames: [www.example.com]\n  secretName: web-tls\n  issuerRef: {name: acme}\n"
     "  privateKey: {algorithm: ECDSA, size: 256, rotationPolicy: Never}\n",
     .renews = true},
};

/* Ready for the first time, or about to renew. */
static struct sim *begin(const struct way *way)
{
    struct sim_options options = {.start_ms = START, .ca = way->ca};
    struct sim *sim = sim_with(&options, way->issuer, way->certificate);

    if (!way->renews)
        return sim;
    sim_run_until_idle(sim);
    sim_advance(sim, DAYS(1));
    sim_set_condition(sim, "certificate/web", "Issuing", "True", "ManuallyTriggered", "by hand");
    return sim;
}

static void end(struct sim *sim, const struct way *way)
{
    int before = way->renews ? 1 : 0;

    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    ASSERT_NULL(sim_condition(sim, "certificate/web", "Issuing"));
    ASSERT_EQ(sim_orders_finalized(sim), before + 1);
    ASSERT_EQ(sim_orders_placed(sim), before + 1);
    ASSERT_EQ(fake_ca_counts(sim_ca(sim))->new_accounts, 1);
    ASSERT_NULL(sim_text(sim, "certificate/web", "status.failedIssuanceAttempts"));
    ASSERT_EQ(sim_count(sim, "challenge"), 0);
    ASSERT_EQ(sim_count(sim, "secret"), 2);
    ASSERT_EQ(sim_count(sim, "certificaterequest"), 1);
    ASSERT_EQ(fake_dns_count(sim_dns(sim)), 0);
    ASSERT_EQ(sim_http_files(sim), 0);
}

/* Garbage collection comes late, or not. */
static bool is_late(int n)
{
    return n % 2 == 0;
}

/* From the beginning of what may crash to its end. */
static void count_points(const struct way *way, bool late, int *ret_first, int *ret_last)
{
    struct sim *sim = begin(way);

    sim_collect_late(sim, late);
    *ret_first = sim_points(sim) + 1;
    sim_advance(sim, MINUTES(5));
    *ret_last = sim_points(sim);
    if (!late)
        end(sim, way);
    sim_free(sim);
}

/* True: there was one. */
static bool crash_once(const struct way *way, int n, bool after)
{
    struct sim *sim = begin(way);
    bool crashed;

    sim_collect_late(sim, is_late(n));
    sim_crash_at(sim, n, after);
    sim_advance(sim, MINUTES(5));
    crashed = sim_has_crashed(sim);
    if (crashed)
        sim_restart(sim);
    sim_advance(sim, HOURS(1));
    if (crashed)
        sim_restart(sim); /* collects what was late */
    sim_advance(sim, MINUTES(5));
    end(sim, way);
    sim_free(sim);
    return crashed;
}

static void crash_everywhere(const struct way *way)
{
    int first, last, last_if_late;

    count_points(way, true, &first, &last_if_late);
    count_points(way, false, &first, &last);
    ASSERT_TRUE(last - first > 25);
    for (int n = first; n <= last; n++) {
        for (int after = 0; after <= 1 && !(is_late(n) && n > last_if_late); after++) {
            cleanup(xfree) char *row = xasprintf("%s, %s point %d of %d", way->name,
                                                 after ? "after" : "before", n, last);

            CASE(row);
            ASSERT_TRUE(crash_once(way, n, after));
        }
    }
}

TEST(a_crash_at_any_point_ends_with_one_certificate_by_dns_01)
{
    crash_everywhere(&ways[0]);
}

TEST(a_crash_at_any_point_ends_with_one_certificate_by_http_01)
{
    crash_everywhere(&ways[1]);
}

TEST(a_crash_at_any_point_ends_with_one_certificate_of_a_slow_ca)
{
    crash_everywhere(&ways[2]);
}

TEST(a_crash_at_any_point_of_a_renewal_ends_with_one_certificate)
{
    crash_everywhere(&ways[3]);
}

TEST(a_crash_at_any_point_of_a_renewal_keeps_the_key)
{
    crash_everywhere(&ways[4]);
}

/* The second crash is in what the first one left to do. */
TEST(two_crashes_in_a_row_end_with_one_certificate)
{
    static const struct way *way = &ways[0];
    int first, last;

    count_points(way, false, &first, &last);
    for (int n = first; n <= last; n += 3) {
        for (int m = 1; m <= 12; m += 4) {
            struct sim *sim = begin(way);
            cleanup(xfree) char *row = xasprintf("points %d and %d", n, m);

            CASE(row);
            sim_crash_at(sim, n, true);
            sim_advance(sim, MINUTES(5));
            sim_restart(sim);
            sim_crash_at(sim, sim_points(sim) + m, m % 2 == 0);
            sim_advance(sim, MINUTES(5));
            if (sim_has_crashed(sim))
                sim_restart(sim);
            sim_advance(sim, HOURS(1));
            ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
            ASSERT_EQ(sim_orders_finalized(sim), 1);
            ASSERT_TRUE(sim_orders_placed(sim) <= 3);
            sim_free(sim);
        }
    }
}

RUN_TESTS(cmocka_unit_test(a_crash_at_any_point_ends_with_one_certificate_by_dns_01),
          cmocka_unit_test(a_crash_at_any_point_ends_with_one_certificate_by_http_01),
          cmocka_unit_test(a_crash_at_any_point_ends_with_one_certificate_of_a_slow_ca),
          cmocka_unit_test(a_crash_at_any_point_of_a_renewal_ends_with_one_certificate),
          cmocka_unit_test(a_crash_at_any_point_of_a_renewal_keeps_the_key),
          cmocka_unit_test(two_crashes_in_a_row_end_with_one_certificate));
