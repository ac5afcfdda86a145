/*
 * forged_test.c - Orders and Challenges that somebody else wrote (GHSA-8rvj-mm4h-c258). They name our
 * issuer, our objects as their owners, and whatever else their writer could read in the namespace.
 */
#include "base/limits.h"
#include "support/sim.h"

#define START AT("2026-01-01T00:00:00Z")

static struct sim *in_flight(void)
{
    return sim_new_in_flight(&(struct sim_options){.start_ms = START});
}

static void expect_issued(struct sim *sim)
{
    sim_advance(sim, MINUTES(10));
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    ASSERT_NULL(sim_text(sim, "certificate/web", "status.failedIssuanceAttempts"));
    ASSERT_EQ(sim_orders_placed(sim), 1);
    ASSERT_EQ(fake_dns_count(sim_dns(sim)), 0);
}

#define OWNER                                                                                      \
    "  ownerReferences: [{apiVersion: '%s', kind: %s, name: %s, uid: %s, controller: true}]\n"

static char *owner_yaml(struct sim *sim, const char *name)
{
    return xasprintf(OWNER, sim_text(sim, name, "apiVersion"), sim_text(sim, name, "kind"),
                     sim_text(sim, name, "metadata.name"), sim_text(sim, name, "metadata.uid"));
}

/* --- Challenges --- */

struct forged_challenge {
    const char *name, *dns_name, *url, *authorization_url, *token, *key, *type; /* NULL: the true */
    bool is_nobodys;  /* without an owner */
    bool has_to_tidy; /* our finalizer, which has what it presented removed before it goes */
};

static const struct forged_challenge forged_challenges[] = {
    {.name = "another-solver"}, /* each has one: it is never used */
    {.name = "another-name", .dns_name = "admin.example.com"},
    {.name = "another-url", .url = "https://evil.example/challenge"},
    {.name = "another-authorization", .authorization_url = "https://evil.example/authz"},
    {.name = "another-token", .token = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"},
    {.name = "another-key", .key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
    {.name = "another-type", .type = "HTTP-01"},
    {.name = "our-token-to-tidy", .url = "https://evil.example/x", .has_to_tidy = true},
    {.name = "all-to-tidy", .has_to_tidy = true},
};

static void forge_challenge(struct sim *sim, const struct forged_challenge *row, const char *ours)
{
    cleanup(xfree) char *owner = row->is_nobodys ? xstrdup("")
                                                 : owner_yaml(sim, sim_only(sim, "order"));
    cleanup(xfree) char *yaml = xasprintf(
        "apiVersion: acme.cert-manager.io/v1\nkind: Challenge\n"
        "metadata:\n  name: %s\n  namespace: default\n%s%s"
        "spec:\n  dnsName: %s\n  url: '%s'\n  authorizationURL: '%s'\n  token: '%s'\n"
        "  key: '%s'\n  type: %s\n  issuerRef: {name: acme, kind: Issuer}\n"
        "  solver: {dns01: {rfc2136: {nameserver: 198.51.100.66}}}\n",
        row->name, owner,
        row->has_to_tidy ? "  finalizers: [acme.cert-manager.io/finalizer]\n" : "",
        str_or(row->dns_name, "www.example.com"), str_or(row->url, sim_text(sim, ours, "spec.url")),
        str_or(row->authorization_url, sim_text(sim, ours, "spec.authorizationURL")),
        str_or(row->token, sim_text(sim, ours, "spec.token")),
        str_or(row->key, sim_text(sim, ours, "spec.key")), str_or(row->type, "DNS-01"));

    sim_apply(sim, yaml);
}

TEST(a_forged_challenge_presents_nothing_and_does_not_fail_our_order)
{
    for (size_t i = 0; i < ARRAY_LEN(forged_challenges); i++) {
        struct sim *sim = in_flight();

        CASE(forged_challenges[i].name);
        forge_challenge(sim, &forged_challenges[i], sim_only(sim, "challenge"));
        sim_advance(sim, SECONDS(20));
        ASSERT_EQ(fake_dns_count(sim_dns(sim)), 1);
        ASSERT_EQ(fake_dns_count_at(sim_dns(sim), "_acme-challenge.admin.example.com"), 0);
        ASSERT_EQ(sim_http_files(sim), 0);
        expect_issued(sim);
        sim_free(sim);
    }
}

/* What it would take back is ours, and the server looks for it. */
TEST(a_forged_challenge_that_is_deleted_takes_nothing_of_ours_back)
{
    static const struct forged_challenge row = {.name = "a-first", .has_to_tidy = true};
    struct sim *sim = in_flight();

    forge_challenge(sim, &row, sim_only(sim, "challenge"));
    sim_delete(sim, "challenge/default/a-first");
    sim_advance(sim, SECONDS(20));
    ASSERT_NULL(sim_get(sim, "challenge/default/a-first"));
    ASSERT_EQ(fake_dns_count(sim_dns(sim)), 1);
    expect_issued(sim);
    sim_free(sim);
}

/* It fills what one object may hold: what the Order tells of its authorizations must not be copied from it. */
TEST(a_forged_challenge_as_large_as_can_be_does_not_hold_our_order_up)
{
    struct sim_options options = {.start_ms = START, .ca = {.validation_ms = MINUTES(2)}};
    struct sim *sim = sim_new_with(&options);
    struct forged_challenge row = {.name = "a-first"};
    cleanup(buf_deinit) struct buf url = BUF(LIMIT_OBJECT);

    sim_apply(sim, SIM_ISSUER);
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    sim_advance(sim, SECONDS(5));
    buf_add_str(&url, "https://evil.example/");
    while (url.len < LIMIT_OBJECT - 2000)
        buf_add_char(&url, 'a');
    row.url = buf_str(&url);
    forge_challenge(sim, &row, sim_only(sim, "challenge"));
    expect_issued(sim);
    sim_free(sim);
}

/* Whoever takes the name of the Challenge that we would make gets out of the way. */
static void take_our_name(const struct forged_challenge *row)
{
    struct sim *sim = in_flight();
    const char *ours = sim_only(sim, "challenge");
    struct forged_challenge forged = *row;

    forged.name = sim_text(sim, ours, "metadata.name");
    sim_patch(sim, ours, "metadata: {finalizers: []}");
    sim_delete(sim, ours);
    forge_challenge(sim, &forged, ours);
    sim_advance(sim, SECONDS(20));
    ASSERT_TRUE(sim_has_event(sim, ours, "ChallengeDiscarded"));
    expect_issued(sim);
    sim_free(sim);
}

TEST(a_forged_challenge_under_our_name_makes_room)
{
    static const struct forged_challenge rows[] = {
        {.key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
        {.is_nobodys = true},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        take_our_name(&rows[i]);
}

/* --- Orders --- */

struct forged_order {
    const char *name;
    const char *owner; /* kind of the object; NULL: nobody's */
    const char *dns_names;
    bool stays;         /* it has no request that it could be compared with: shown as failed */
    const char *issuer; /* NULL: ours */
};

static const struct forged_order forged_orders[] = {
    {"of-nobody", NULL, "[www.example.com]", true},
    {"of-a-certificate", "certificate/default/web", "[www.example.com]", true},
    {"for-another-name", "certificaterequest", "[admin.example.com]", false},
    {"for-one-name-more", "certificaterequest", "[www.example.com, admin.example.com]", false},
    {"a-copy", "certificaterequest", "[www.example.com]", false},
};

static void forge_order(struct sim *sim, const struct forged_order *row)
{
    const char *request = sim_only(sim, "certificaterequest");
    const char *owned_by = streq(row->owner, "certificaterequest") ? request : row->owner;
    cleanup(xfree) char *owner = owned_by ? owner_yaml(sim, owned_by) : xstrdup("");
    cleanup(xfree) char *yaml = xasprintf("apiVersion: acme.cert-manager.io/v1\nkind: Order\n"
                                          "metadata:\n  name: %s\n  namespace: default\n%s"
                                          "spec:\n  dnsNames: %s\n  request: %s\n"
                                          "  issuerRef: {name: %s}\n",
                                          row->name, owner, row->dns_names,
                                          sim_text(sim, request, "spec.request"),
                                          str_or(row->issuer, "acme"));

    sim_apply(sim, yaml);
}

static void expect_refused(struct sim *sim, const struct forged_order *row)
{
    cleanup(xfree) char *name = xasprintf("order/default/%s", row->name);

    if (!row->stays) {
        ASSERT_NULL(sim_get(sim, name));
        ASSERT_TRUE(sim_has_event(sim, name, "OrderDiscarded"));
        return;
    }
    ASSERT_STREQ(sim_text(sim, name, "status.state"), "errored");
    ASSERT_TRUE(strstr(sim_text(sim, name, "status.reason"), "belongs to no CertificateRequest") !=
                NULL);
    ASSERT_NULL(sim_text(sim, name, "status.url"));
}

TEST(a_forged_order_orders_nothing_and_does_not_fail_our_request)
{
    for (size_t i = 0; i < ARRAY_LEN(forged_orders); i++) {
        struct sim *sim = in_flight();

        CASE(forged_orders[i].name);
        forge_order(sim, &forged_orders[i]);
        sim_advance(sim, SECONDS(20));
        ASSERT_EQ(sim_orders_placed(sim), 1);
        expect_refused(sim, &forged_orders[i]);
        expect_issued(sim);
        sim_free(sim);
    }
}

TEST(a_forged_order_under_our_name_makes_room)
{
    struct sim *sim = in_flight();
    const char *ours = sim_only(sim, "order"), *uid = sim_text(sim, ours, "metadata.uid");
    struct forged_order forged = {.name = sim_text(sim, ours, "metadata.name"),
                                  .dns_names = "[www.example.com]"};

    sim_delete(sim, ours);
    forge_order(sim, &forged);
    sim_advance(sim, MINUTES(10));
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    ASSERT_FALSE(streq(sim_text(sim, ours, "metadata.uid"), uid));
    ASSERT_EQ(sim_orders_placed(sim),
              2); /* the one that was deleted, and the one that took its place */
    sim_free(sim);
}

/* Nobody ends it, since its issuer is not there: the request must not wait for it. */
TEST(a_forged_order_for_another_issuer_does_not_stand_in_for_ours)
{
    struct sim *sim = in_flight();
    struct forged_order forged = {.name = "a-first",
                                  .owner = "certificaterequest",
                                  .dns_names = "[www.example.com]",
                                  .issuer = "nobody"};

    sim_delete(sim, sim_only(sim, "order"));
    forge_order(sim, &forged);
    sim_advance(sim, MINUTES(10));
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    ASSERT_NULL(sim_text(sim, "order/a-first", "status.url"));
    ASSERT_EQ(sim_orders_placed(sim), 2); /* the one that was deleted, and ours after it */
    sim_free(sim);
}

/* Who has a request tried again gets one try by its own Order, whatever else is written under it. */
TEST(a_forged_order_does_not_resume_paused_names)
{
    for (size_t i = 0; i < ARRAY_LEN(forged_orders); i++) {
        struct sim *sim = sim_new(START);
        int before;

        CASE(forged_orders[i].name);
        sim_apply(sim, SIM_ISSUER);
        sim_run_until_idle(sim);
        fake_ca_pause_name(sim_ca(sim), "www.example.com", true);
        fake_ca_pause_name(sim_ca(sim), "admin.example.com", true);
        sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
        sim_advance(sim, HOURS(1));
        before = fake_ca_requests(sim_ca(sim), "newOrder");
        sim_patch(sim, sim_only(sim, "certificaterequest"),
                  "metadata: {annotations: {acme.certlet.dev/retry: now}}");
        forge_order(sim, &forged_orders[i]);
        sim_run_until_idle(sim);
        expect_refused(sim, &forged_orders[i]);
        sim_apply(sim, SIM_CERTIFICATE("two", "[www.example.com]", ""));
        sim_run_until_idle(sim);
        ASSERT_EQ(fake_ca_requests(sim_ca(sim), "newOrder"), before + 1);
        sim_free(sim);
    }
}

/* An approval lasts as long as its request is open. */
TEST(an_order_for_a_request_that_has_ended_orders_nothing)
{
    static const struct forged_order copy = {"a-copy", "certificaterequest", "[www.example.com]",
                                             false};
    struct sim *sim = in_flight();

    expect_issued(sim);
    sim_delete(sim, sim_only(sim, "order"));
    forge_order(sim, &copy);
    sim_run_until_idle(sim);
    ASSERT_EQ(sim_orders_placed(sim), 1);
    ASSERT_EQ(sim_count(sim, "order"), 0);
    ASSERT_TRUE(sim_has_event(sim, "certificaterequest/web-1", "OrderLeft"));
    sim_free(sim);
}

RUN_TESTS(cmocka_unit_test(a_forged_challenge_presents_nothing_and_does_not_fail_our_order),
          cmocka_unit_test(a_forged_challenge_that_is_deleted_takes_nothing_of_ours_back),
          cmocka_unit_test(a_forged_challenge_as_large_as_can_be_does_not_hold_our_order_up),
          cmocka_unit_test(a_forged_challenge_under_our_name_makes_room),
          cmocka_unit_test(a_forged_order_orders_nothing_and_does_not_fail_our_request),
          cmocka_unit_test(a_forged_order_under_our_name_makes_room),
          cmocka_unit_test(a_forged_order_for_another_issuer_does_not_stand_in_for_ours),
          cmocka_unit_test(a_forged_order_does_not_resume_paused_names),
          cmocka_unit_test(an_order_for_a_request_that_has_ended_orders_nothing));
