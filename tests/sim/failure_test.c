/* failure_test.c - what goes wrong, what is said of it, and when it is tried again. */
#include "support/sim.h"

#define START AT("2026-01-01T00:00:00Z")

#define PROBLEM(type, detail)                                                                      \
    "{\"type\": \"urn:ietf:params:acme:error:" type "\", \"detail\": \"" detail "\"}"

static struct sim *sim_with_issuer(void)
{
    struct sim *sim = sim_new(START);

    sim_apply(sim, SIM_ISSUER);
    sim_run_until_idle(sim);
    return sim;
}

static void expect_ready(struct sim *sim, const char *name)
{
    ASSERT_STREQ(sim_condition(sim, name, "Ready"), "True");
    ASSERT_NULL(sim_condition(sim, name, "Issuing"));
}

/* --- requests and issuers --- */

TEST(a_denied_request_is_a_failure_that_is_tried_again)
{
    struct sim_options options = {.start_ms = START, .others_approve = true};
    struct sim *sim = sim_new_with(&options);

    sim_apply(sim, SIM_ISSUER);
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    sim_run_until_idle(sim);
    ASSERT_EQ(sim_count(sim, "order"), 0);
    sim_set_condition(sim, "certificaterequest/web-1", "Denied", "True", "Policy", "not this name");
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_reason(sim, "certificaterequest/web-1", "Ready"), "Denied");
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Issuing"), "False");
    ASSERT_STREQ(sim_reason(sim, "certificate/web", "Issuing"), "Policy");
    ASSERT_CONTAINS(sim_message(sim, "certificate/web", "Issuing"), "not this name");
    ASSERT_STREQ(sim_text(sim, "certificate/web", "status.failedIssuanceAttempts"), "1");
    sim_advance(sim, MINUTES(59));
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Issuing"), "False");
    sim_advance(sim, MINUTES(2));
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Issuing"), "True");
    ASSERT_NULL(sim_condition(sim, "certificaterequest/web-1", "Denied")); /* another one */
    sim_set_condition(sim, "certificaterequest/web-1", "Approved", "True", "Policy", "fine");
    sim_run_until_idle(sim);
    expect_ready(sim, "certificate/web");
    ASSERT_NULL(sim_text(sim, "certificate/web", "status.failedIssuanceAttempts"));
    sim_free(sim);
}

/* Threat model 2026, T-02: what approves by itself. */
TEST(nothing_is_ordered_before_somebody_has_approved)
{
    struct sim_options options = {.start_ms = START, .others_approve = true};
    struct sim *sim = sim_new_with(&options);

    sim_apply(sim, SIM_ISSUER);
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    sim_advance(sim, DAYS(1));
    ASSERT_EQ(sim_orders_placed(sim), 0);
    ASSERT_CONTAINS(sim_message(sim, "certificate/web", "Issuing"),
                    "CertificateRequest 'web-1' is not approved yet");
    sim_set_condition(sim, "certificaterequest/web-1", "Approved", "True", "Policy", "fine");
    sim_run_until_idle(sim);
    expect_ready(sim, "certificate/web");
    sim_free(sim);
}

TEST(a_missing_issuer_is_waited_for)
{
    struct sim *sim = sim_new(START);

    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    sim_advance(sim, HOURS(5));
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Issuing"), "True");
    ASSERT_CONTAINS(sim_message(sim, "certificate/web", "Issuing"), "Issuer 'acme' does not exist");
    sim_apply(sim, SIM_ISSUER);
    sim_run_until_idle(sim);
    expect_ready(sim, "certificate/web");
    sim_free(sim);
}

TEST(an_issuer_that_is_not_ready_says_why_on_the_certificate)
{
    struct sim *sim = sim_new(START);

    sim_fail_ca(sim, "directory", FAKE_CA_HTML, false, 3);
    sim_apply(sim, SIM_ISSUER);
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    sim_advance(sim, SECONDS(2));
    ASSERT_STREQ(sim_condition(sim, "issuer/acme", "Ready"), "False");
    ASSERT_CONTAINS(sim_message(sim, "certificate/web", "Issuing"), "502");
    sim_advance(sim, MINUTES(10));
    expect_ready(sim, "certificate/web");
    sim_free(sim);
}

TEST(a_name_without_a_solver_waits_for_one)
{
    struct sim *sim = sim_new(START);

    sim_apply(sim,
              SIM_ACME_ISSUER("acme", "    solvers: [{selector: {dnsZones: [example.net]}, dns01: "
                                      "{rfc2136: {nameserver: " FAKE_DNS_PRIMARY "}}}]\n"));
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    sim_advance(sim, HOURS(3));
    ASSERT_CONTAINS(sim_message(sim, "certificate/web", "Issuing"), "www.example.com");
    ASSERT_CONTAINS(sim_message(sim, "certificate/web", "Issuing"), "solver");
    ASSERT_EQ(sim_orders_placed(sim), 1);
    sim_apply(sim, SIM_ISSUER);
    sim_run_until_idle(sim);
    expect_ready(sim, "certificate/web");
    ASSERT_EQ(sim_orders_placed(sim), 1); /* the same one goes on */
    sim_free(sim);
}

static struct sim *sim_without_http01(void)
{
    struct sim_options options = {.start_ms = START, .no_http01 = true};
    struct sim *sim = sim_new_with(&options);

    sim_apply(sim, SIM_ACME_ISSUER("acme", SIM_BY_HTTP));
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    sim_advance(sim, HOURS(3));
    ASSERT_CONTAINS(sim_message(sim, "certificate/web", "Issuing"), "HTTP-01 in a cluster");
    return sim;
}

TEST(a_challenge_that_could_not_begin_makes_room_when_its_issuer_gets_another_way)
{
    static const char *const issuers[] = {
        SIM_ISSUER, /* in place of the solver that cannot, and beside it */
        SIM_ACME_ISSUER("acme", "    solvers:\n    - {http01: {ingress: {}}}\n"
                                "    - {selector: {dnsZones: [example.com]}, dns01: {rfc2136: "
                                "{nameserver: " FAKE_DNS_PRIMARY "}}}\n"),
    };

    for (size_t i = 0; i < ARRAY_LEN(issuers); i++) {
        struct sim *sim = sim_without_http01();

        CASE(issuers[i]);
        sim_apply(sim, issuers[i]);
        sim_run_until_idle(sim);
        sim_advance(sim, MINUTES(1));
        expect_ready(sim, "certificate/web");
        ASSERT_EQ(sim_orders_placed(sim), 1); /* the same one goes on */
        sim_free(sim);
    }
}

TEST(a_challenge_that_could_not_begin_stays_while_its_issuer_has_no_other_way)
{
    struct sim *sim = sim_without_http01();
    cleanup(xfree) char *uid = xstrdup(sim_text(sim, sim_only(sim, "challenge"), "metadata.uid"));

    sim_apply(sim, SIM_ACME_ISSUER("acme",
                                   "    solvers:\n    - {http01: {ingress: {}}}\n"
                                   "    - {selector: {dnsZones: [example.org]}, dns01: {rfc2136: "
                                   "{nameserver: " FAKE_DNS_PRIMARY "}}}\n"));
    sim_advance(sim, HOURS(3));
    ASSERT_STREQ(sim_text(sim, sim_only(sim, "challenge"), "metadata.uid"), uid);
    ASSERT_CONTAINS(sim_message(sim, "certificate/web", "Issuing"), "HTTP-01 in a cluster");
    sim_free(sim);
}

TEST(a_challenge_whose_solver_was_taken_out_says_so_and_goes_on_when_it_is_back)
{
    static const struct {
        const char *solvers, *why;
    } rows[] = {
        {"    solvers: []\n", "any more: it has none; add one under spec.acme.solvers"},
        {SIM_BY_HTTP, "any more: solvers[0]: it is of another type"},
        {"    solvers: [{selector: {dnsZones: [example.net]}, dns01: {rfc2136: {nameserver: " FAKE_DNS_PRIMARY
         "}}}]\n",
         "any more: solvers[0]: it is in none of selector.dnsZones"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sim *sim = sim_with_issuer();
        cleanup(xfree) char *without = xasprintf(SIM_ACME_ISSUER("acme", "%s"), rows[i].solvers);
        const char *reason;

        CASE(rows[i].why);
        fake_dns_set_late(sim_dns(sim), "example.com", MINUTES(2));
        sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
        sim_advance(sim, SECONDS(30));
        sim_apply(sim, without);
        sim_advance(sim, HOURS(1));
        reason = sim_text(sim, sim_only(sim, "challenge"), "status.reason");
        ASSERT_CONTAINS(reason, "no solver of the issuer fits the dns-01 challenge of "
                                "'www.example.com'");
        ASSERT_CONTAINS(reason, rows[i].why);
        ASSERT_CONTAINS(sim_message(sim, "certificate/web", "Issuing"), rows[i].why);
        sim_apply(sim, SIM_ISSUER);
        sim_advance(sim, SECONDS(20));
        expect_ready(sim, "certificate/web");
        ASSERT_EQ(sim_orders_placed(sim), 1);
        sim_free(sim);
    }
}

TEST(a_missing_account_key_that_must_not_be_made_is_waited_for)
{
    struct sim *sim = sim_new(START);

    sim_apply(sim, SIM_ACME_ISSUER("acme", "    disableAccountKeyGeneration: true\n" SIM_BY_DNS));
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    sim_run_until_idle(sim);
    ASSERT_CONTAINS(sim_message(sim, "issuer/acme", "Ready"), "remove spec.acme.disableAcc");
    sim_apply(sim, "apiVersion: v1\nkind: Secret\nmetadata: {name: acme-account}\n"
                   "stringData: {tls.key: no key}\n");
    sim_run_until_idle(sim); /* no time has passed */
    ASSERT_CONTAINS(sim_message(sim, "issuer/acme", "Ready"), "account key in secret");
    sim_free(sim);
}

TEST(a_missing_tsig_secret_is_waited_for)
{
    struct sim *sim = sim_new(START);

    sim_apply(sim,
              SIM_ACME_ISSUER("acme",
                              "    solvers: [{dns01: {rfc2136: {nameserver: " FAKE_DNS_PRIMARY
                              ", tsigKeyName: k, tsigSecretSecretRef: {name: tsig, key: k}}}}]\n"));
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    sim_advance(sim, HOURS(1));
    ASSERT_STREQ(sim_reason(sim, "issuer/acme", "Ready"), "InvalidSolver");
    ASSERT_CONTAINS(sim_message(sim, "certificate/web", "Issuing"), "tsig");
    sim_apply(sim, "apiVersion: v1\nkind: Secret\nmetadata: {name: tsig}\n"
                   "stringData: {k: c2VjcmV0c2VjcmV0c2VjcmV0}\n");
    sim_run_until_idle(sim);
    expect_ready(sim, "certificate/web");
    sim_free(sim);
}

TEST(an_invalid_spec_says_which_field)
{
    struct sim *sim = sim_with_issuer();

    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", "  duration: 1m\n"));
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "False");
    ASSERT_CONTAINS(sim_message(sim, "certificate/web", "Ready"), "spec.duration");
    ASSERT_EQ(sim_orders_placed(sim), 0);
    sim_patch(sim, "certificate/web", "{spec: {duration: null}}");
    sim_run_until_idle(sim);
    expect_ready(sim, "certificate/web");
    sim_free(sim);
}

TEST(a_directory_that_is_none_names_the_field_with_its_url)
{
    static const struct fake_ca_answer answers[] = {
        {.status = 404, .body = "not here"},
        {.status = 200, .body = "[]"},
        {.status = 200, .body = "{}"},
        {.status = 200, .body = "<html>"},
    };

    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        struct sim *sim = sim_new(START);

        CASE(answers[i].body);
        for (int n = 0; n < 3; n++) /* the new account key wakes the Issuer again */
            fake_ca_queue(sim_ca(sim), "directory", &answers[i]);
        sim_apply(sim, SIM_ISSUER);
        sim_advance(sim, SECONDS(1));
        ASSERT_STREQ(sim_reason(sim, "issuer/acme", "Ready"), "ErrRegisterACMEAccount");
        ASSERT_CONTAINS(sim_message(sim, "issuer/acme", "Ready"),
                        "is spec.acme.server the URL of an ACME directory?");
        sim_advance(sim, MINUTES(10));
        ASSERT_STREQ(sim_condition(sim, "issuer/acme", "Ready"), "True");
        sim_free(sim);
    }
}

/* --- refusals of the CA --- */

/* behaviour.md 6: ACME validates DNS names and addresses; a common name is one of them, however it is written. */
TEST(a_common_name_that_acme_does_not_validate_is_no_order)
{
    static const char *const fields[] = {"  commonName: no.example.com\n",
                                         "  literalSubject: 'CN=no.example.com,O=a'\n"};

    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        struct sim *sim = sim_with_issuer();
        cleanup(xfree) char *patch = NULL;

        CASE(fields[i]);
        sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
        patch = xasprintf("spec:\n%s", fields[i]);
        sim_run_until_idle(sim);
        expect_ready(sim, "certificate/web");
        sim_patch(sim, "certificate/web", patch);
        sim_run_until_idle(sim);
        ASSERT_EQ(sim_orders_placed(sim), 1);
        ASSERT_STREQ(sim_condition(sim, "certificate/web", "Issuing"), "False");
        ASSERT_CONTAINS(sim_message(sim, "certificate/web", "Issuing"),
                        "the common name 'no.example.com' must also be in dnsNames or ipAddresses");
        sim_free(sim);
    }
}

TEST(a_name_that_the_ca_refuses_delays_nobody_else)
{
    static const struct fake_ca_answer refused = {
        .status = 400, .body = PROBLEM("rejectedIdentifier", "policy forbids bad.example.com")};
    struct sim *sim = sim_with_issuer();

    fake_ca_queue(sim_ca(sim), "newOrder", &refused);
    sim_apply(sim, SIM_CERTIFICATE("bad", "[bad.example.com]", ""));
    sim_run_until_idle(sim);
    ASSERT_CONTAINS(sim_message(sim, "certificate/bad", "Issuing"), "rejectedIdentifier");
    ASSERT_CONTAINS(sim_message(sim, "certificate/bad", "Issuing"), "bad.example.com");
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    sim_advance(sim, SECONDS(10));
    expect_ready(sim, "certificate/web");
    ASSERT_STREQ(sim_condition(sim, "certificate/bad", "Ready"), "False");
    sim_free(sim);
}

/* DESIGN 12.1. */
TEST(a_429_with_retry_after_does_not_fail_the_order)
{
    static const enum fake_ca_fault forms[] = {FAKE_CA_429_SECONDS, FAKE_CA_429_DATE,
                                               FAKE_CA_429_DETAIL};

    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        struct sim *sim = sim_with_issuer();
        const char *order;

        sim_fail_ca(sim, "newOrder", forms[i], false, 1);
        sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
        sim_run_until_idle(sim);
        ASSERT_CONTAINS(sim_message(sim, "certificate/web", "Issuing"),
                        "not before 2026-01-01T01:00:");
        ASSERT_NULL(sim_text(sim, "certificate/web", "status.failedIssuanceAttempts"));
        order = sim_only(sim, "order");
        ASSERT_CONTAINS(sim_text(sim, order, "status.reason"), "not before 2026-01-01T01:00:");
        sim_advance(sim, MINUTES(55));
        ASSERT_EQ(fake_ca_requests(sim_ca(sim), "newOrder"), 1);
        sim_advance(sim, MINUTES(10));
        expect_ready(sim, "certificate/web");
        ASSERT_STREQ(sim_only(sim, "order"), order);
        sim_free(sim);
    }
}

/* The gate is shared by all work of an account: nobody else runs into the same wall. */
TEST(a_429_holds_all_work_of_the_account)
{
    struct sim *sim = sim_with_issuer();

    sim_fail_ca(sim, "newOrder", FAKE_CA_429_SECONDS, false, 1);
    sim_apply(sim, SIM_CERTIFICATE("a", "[a.example.com]", ""));
    sim_run_until_idle(sim);
    sim_apply(sim, SIM_CERTIFICATE("b", "[b.example.com]", ""));
    sim_advance(sim, MINUTES(30));
    ASSERT_EQ(fake_ca_requests(sim_ca(sim), "newOrder"), 1);
    ASSERT_CONTAINS(sim_message(sim, "certificate/b", "Issuing"), "not before");
    sim_advance(sim, HOURS(1));
    expect_ready(sim, "certificate/a");
    expect_ready(sim, "certificate/b");
    sim_free(sim);
}

TEST(a_bare_429_is_backed_off_from)
{
    struct sim *sim = sim_with_issuer();

    sim_fail_ca(sim, "newOrder", FAKE_CA_429, false, 5);
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    sim_advance(sim, MINUTES(20));
    ASSERT_TRUE(fake_ca_requests(sim_ca(sim), "newOrder") <= 5);
    sim_advance(sim, HOURS(1));
    expect_ready(sim, "certificate/web");
    ASSERT_EQ(fake_ca_requests(sim_ca(sim), "newOrder"), 6);
    sim_free(sim);
}

static const char *const asked_for_an_order[] = {"newOrder", "authz", "challenge",
                                                 "finalize", "order", "certificate"};

/* Taken at its word it would be a storm: some proxies say so with each of their errors. */
TEST(a_retry_after_of_nothing_is_backed_off_from)
{
    static const struct fake_ca_answer answers[] = {
        {.status = 503, .retry_after = "0", .body = PROBLEM("serverInternal", "busy")},
        {.status = 429, .retry_after = "0", .body = PROBLEM("rateLimited", "slow down")},
        {.status = 500, .retry_after = "Thu, 01 Jan 2015 00:00:00 GMT", .body = "{}"},
    };

    for (size_t i = 0; i < ARRAY_LEN(asked_for_an_order) * ARRAY_LEN(answers); i++) {
        const char *endpoint = asked_for_an_order[i / ARRAY_LEN(answers)];
        struct sim *sim = sim_with_issuer();
        int before;

        CASE(endpoint);
        fake_ca_get_options(sim_ca(sim))->issue_ms = SECONDS(1); /* so that the order is polled */
        before = fake_ca_requests(sim_ca(sim), endpoint);
        for (int n = 0; n < 5; n++)
            fake_ca_queue(sim_ca(sim), endpoint, &answers[i % ARRAY_LEN(answers)]);
        sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
        sim_advance(sim, SECONDS(30));
        ASSERT_TRUE(fake_ca_requests(sim_ca(sim), endpoint) - before < 5);
        sim_advance(sim, HOURS(1));
        expect_ready(sim, "certificate/web");
        ASSERT_NULL(sim_text(sim, "certificate/web", "status.failedIssuanceAttempts"));
        sim_free(sim);
    }
}

TEST(a_retry_after_of_a_year_is_not_waited_for)
{
    static const struct fake_ca_answer answer = {
        .status = 503, .retry_after = "31536000", .body = PROBLEM("serverInternal", "closed")};

    for (size_t i = 0; i < ARRAY_LEN(asked_for_an_order); i++) {
        struct sim *sim = sim_with_issuer();

        CASE(asked_for_an_order[i]);
        fake_ca_get_options(sim_ca(sim))->issue_ms = SECONDS(1);
        fake_ca_queue(sim_ca(sim), asked_for_an_order[i], &answer);
        sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
        sim_advance(sim, DAYS(8));
        expect_ready(sim, "certificate/web");
        sim_free(sim);
    }
}

TEST(a_pause_shows_the_url_to_end_it)
{
    struct sim *sim = sim_with_issuer();

    fake_ca_pause_name(sim_ca(sim), "www.example.com", true);
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    sim_apply(sim, SIM_CERTIFICATE("other", "[other.example.com]", ""));
    sim_run_until_idle(sim);
    ASSERT_CONTAINS(sim_message(sim, "certificate/web", "Issuing"), FAKE_CA_URL "/unpause?jwt=abc");
    expect_ready(sim, "certificate/other"); /* other names go on */
    sim_advance(sim, DAYS(3));
    ASSERT_TRUE(fake_ca_requests(sim_ca(sim), "newOrder") <= 1 + 4);
    fake_ca_pause_name(sim_ca(sim), "www.example.com", false);
    sim_advance(sim, DAYS(1) + HOURS(1));
    expect_ready(sim, "certificate/web");
    sim_free(sim);
}

/* A Certificate whose name the CA has paused. */
static struct sim *paused(void)
{
    struct sim *sim = sim_with_issuer();

    fake_ca_pause_name(sim_ca(sim), "www.example.com", true);
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    sim_advance(sim, HOURS(1));
    return sim;
}

static void retry_by_hand(struct sim *sim, const char *word)
{
    cleanup(xfree) char *yaml = xasprintf("metadata: {annotations: {acme.certlet.dev/retry: '%s'}}",
                                          word);

    sim_patch(sim, sim_only(sim, "certificaterequest"), yaml);
}

TEST(who_has_ended_a_pause_need_not_wait_for_the_next_look)
{
    struct sim *sim = paused();

    fake_ca_pause_name(sim_ca(sim), "www.example.com", false);
    sim_advance(sim, HOURS(1));
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "False");
    retry_by_hand(sim, "by hand");
    sim_run_until_idle(sim);
    expect_ready(sim, "certificate/web");
    sim_free(sim);
}

/* It may be deleted before it has seen that, and the next one is to follow it. */
TEST(a_retry_by_hand_is_for_the_order_that_comes_then)
{
    struct sim *sim = paused();

    fake_ca_pause_name(sim_ca(sim), "www.example.com", false);
    retry_by_hand(sim, "by hand");
    sim_delete(sim, sim_only(sim, "order"));
    sim_run_until_idle(sim);
    expect_ready(sim, "certificate/web");
    sim_free(sim);
}

/* The CA has not heard of it: one more request, and the wait goes on. */
TEST(a_retry_by_hand_is_one_try)
{
    struct sim *sim = paused();
    int before;

    before = fake_ca_requests(sim_ca(sim), "newOrder");
    retry_by_hand(sim, "by hand");
    sim_advance(sim, HOURS(3));
    ASSERT_EQ(fake_ca_requests(sim_ca(sim), "newOrder"), before + 1);
    ASSERT_CONTAINS(sim_message(sim, "certificate/web", "Issuing"), FAKE_CA_URL "/unpause?jwt=abc");
    sim_free(sim);
}

/* Whoever may annotate Orders, as a script that means well, makes no storm at the CA by it. */
TEST(retries_by_hand_are_one_a_minute)
{
    struct sim *sim = paused();
    int before;

    before = fake_ca_requests(sim_ca(sim), "newOrder");
    for (int i = 0; i < 300; i++) {
        cleanup(xfree) char *word = xasprintf("%d", i);

        retry_by_hand(sim, word);
        sim_advance(sim, SECONDS(1));
    }
    ASSERT_TRUE(fake_ca_requests(sim_ca(sim), "newOrder") - before <= 1 + 300 / 60);
    fake_ca_pause_name(sim_ca(sim), "www.example.com", false);
    retry_by_hand(sim, "x");
    sim_advance(sim, MINUTES(2));
    expect_ready(sim, "certificate/web"); /* late, but not forgotten */
    sim_free(sim);
}

TEST(a_storm_of_bad_nonces_is_got_over)
{
    struct sim_options options = {.start_ms = START, .ca = {.nonce_reject_percent = 90}};
    struct sim *sim = sim_new_with(&options);

    sim_apply(sim, SIM_ISSUER);
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com, example.com]", ""));
    sim_advance(sim, DAYS(1));
    expect_ready(sim, "certificate/web");
    ASSERT_EQ(sim_orders_finalized(sim), 1);
    sim_free(sim);
}

/* DESIGN 7: resume, do not re-order. */
TEST(no_transient_answer_ends_an_order)
{
    static const char *const endpoints[] = {"newOrder",  "order",    "authz",
                                            "challenge", "finalize", "certificate"};
    static const enum fake_ca_fault faults[] = {FAKE_CA_CUT,         FAKE_CA_TIMEOUT,  FAKE_CA_HTML,
                                                FAKE_CA_TRUNCATED,   FAKE_CA_500,      FAKE_CA_503,
                                                FAKE_CA_503_SECONDS, FAKE_CA_BAD_NONCE};

    for (size_t i = 0; i < ARRAY_LEN(endpoints); i++) {
        for (size_t n = 0; n < ARRAY_LEN(faults); n++) {
            struct sim *sim = sim_with_issuer();
            cleanup(xfree) char *row = xasprintf("%s %zu", endpoints[i], n);

            CASE(row);
            sim_fail_ca(sim, endpoints[i], faults[n], false, 3);
            sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
            sim_advance(sim, MINUTES(45));
            expect_ready(sim, "certificate/web");
            ASSERT_EQ(sim_orders_finalized(sim), 1);
            ASSERT_NULL(sim_text(sim, "certificate/web", "status.failedIssuanceAttempts"));
            sim_free(sim);
        }
    }
}

TEST(a_lost_answer_does_not_finalize_twice)
{
    static const char *const endpoints[] = {"newAccount", "newOrder", "authz",
                                            "challenge",  "finalize", "certificate"};
    static const enum fake_ca_fault faults[] = {FAKE_CA_CUT, FAKE_CA_HTML, FAKE_CA_TRUNCATED};

    for (size_t i = 0; i < ARRAY_LEN(endpoints); i++) {
        for (size_t n = 0; n < ARRAY_LEN(faults); n++) {
            struct sim *sim = sim_new(START);
            cleanup(xfree) char *row = xasprintf("%s %zu", endpoints[i], n);

            CASE(row);
            sim_fail_ca(sim, endpoints[i], faults[n], true, 1);
            sim_apply(sim, SIM_ISSUER);
            sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
            sim_advance(sim, MINUTES(15));
            expect_ready(sim, "certificate/web");
            ASSERT_EQ(sim_orders_finalized(sim), 1);
            ASSERT_EQ(fake_ca_counts(sim_ca(sim))->new_accounts, 1);
            ASSERT_EQ(sim_orders_placed(sim), 1); /* found again in the account's list */
            sim_free(sim);
        }
    }
}

/* Many orders are looked for at once when a killed process starts again. */
TEST(a_lost_order_is_found_although_the_ca_could_not_be_asked_at_first)
{
    static const char *const endpoints[] = {"newAccount", "orders", "order"};

    for (size_t i = 0; i < ARRAY_LEN(endpoints); i++) {
        struct sim *sim = sim_with_issuer();

        CASE(endpoints[i]);
        sim_run_until_idle(sim);
        sim_fail_ca(sim, "newOrder", FAKE_CA_CUT, true, 1);
        sim_fail_ca(sim, endpoints[i], FAKE_CA_BUSY, false, 3);
        sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
        sim_advance(sim, MINUTES(15));
        expect_ready(sim, "certificate/web");
        ASSERT_EQ(sim_orders_placed(sim), 1);
        sim_free(sim);
    }
}

/* What could not be read is not taken for what is not there. */
TEST(a_lost_order_is_found_although_the_search_has_failed_at_first)
{
    static const enum fake_ca_fault faults[] = {FAKE_CA_CUT, FAKE_CA_500, FAKE_CA_HTML,
                                                FAKE_CA_TRUNCATED};
    static const char *const endpoints[] = {"orders", "order"};

    for (size_t i = 0; i < ARRAY_LEN(endpoints) * ARRAY_LEN(faults); i++) {
        struct sim *sim = sim_with_issuer();

        CASE(endpoints[i % ARRAY_LEN(endpoints)]);
        sim_run_until_idle(sim);
        sim_fail_ca(sim, "newOrder", FAKE_CA_CUT, true, 1);
        sim_fail_ca(sim, endpoints[i % ARRAY_LEN(endpoints)], faults[i / ARRAY_LEN(endpoints)],
                    false, 3);
        sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
        sim_advance(sim, MINUTES(15));
        expect_ready(sim, "certificate/web");
        ASSERT_EQ(sim_orders_placed(sim), 1);
        sim_free(sim);
    }
}

/* A list that is never served keeps no Certificate waiting, nor does an order in it. */
TEST(a_search_for_a_lost_order_that_always_fails_has_an_end)
{
    static const char *const endpoints[] = {"orders", "order"};

    for (size_t i = 0; i < ARRAY_LEN(endpoints); i++) {
        struct sim *sim = sim_with_issuer();

        CASE(endpoints[i]);
        sim_run_until_idle(sim);
        sim_fail_ca(sim, "newOrder", FAKE_CA_CUT, true, 1);
        sim_fail_ca(sim, endpoints[i], FAKE_CA_500, false, 12);
        sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
        sim_advance(sim, MINUTES(9));
        ASSERT_CONTAINS(sim_message(sim, "certificate/web", "Issuing"), "Failed to look for");
        ASSERT_EQ(sim_orders_placed(sim), 1);
        sim_advance(sim, HOURS(2));
        expect_ready(sim, "certificate/web");
        ASSERT_EQ(sim_orders_placed(sim), 2);
        sim_free(sim);
    }
}

TEST(a_lost_order_behind_the_end_of_what_is_read_is_told)
{
    struct sim_options options = {.start_ms = START, .ca = {.orders_per_page = 1}};
    struct sim *sim = sim_new_with(&options);

    sim_apply(sim, SIM_ISSUER);
    sim_run_until_idle(sim);
    for (int i = 0; i < 100; i++)
        fake_ca_queue(sim_ca(sim), "orders",
                      &(struct fake_ca_answer){
                          .status = 200,
                          .body = "{\"orders\": []}",
                          .link = "<" FAKE_CA_URL "/orders/1>;rel=\"next\"",
                      });
    sim_fail_ca(sim, "newOrder", FAKE_CA_CUT, true, 1);
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    sim_advance(sim, SECONDS(30));
    ASSERT_TRUE(sim_has_event(sim, sim_only(sim, "order"), "OrdersNotRead"));
    sim_advance(sim, MINUTES(15));
    expect_ready(sim, "certificate/web");
    ASSERT_EQ(sim_orders_placed(sim), 2);
    sim_free(sim);
}

TEST(a_lost_order_is_abandoned_where_the_ca_keeps_no_list)
{
    struct sim_options options = {.start_ms = START, .ca = {.no_order_list = true}};
    struct sim *sim = sim_new_with(&options);

    sim_fail_ca(sim, "newOrder", FAKE_CA_CUT, true, 1);
    sim_apply(sim, SIM_ISSUER);
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    sim_advance(sim, MINUTES(15));
    expect_ready(sim, "certificate/web");
    ASSERT_EQ(sim_orders_placed(sim), 2);
    ASSERT_EQ(sim_orders_finalized(sim), 1);
    sim_free(sim);
}

/* Two Certificates of the same names, one of whose answers is lost: each has its own order. */
TEST(a_lost_order_is_not_taken_from_another_certificate)
{
    struct sim *sim = sim_with_issuer();

    fake_ca_get_options(sim_ca(sim))->issue_ms = MINUTES(2);
    sim_apply(sim, SIM_CERTIFICATE("one", "[www.example.com]", ""));
    sim_advance(sim, SECONDS(20));
    ASSERT_EQ(sim_orders_placed(sim), 1);
    sim_fail_ca(sim, "newOrder", FAKE_CA_CUT, false, 1);
    sim_apply(sim, SIM_CERTIFICATE("two", "[www.example.com]", ""));
    sim_advance(sim, MINUTES(30));
    expect_ready(sim, "certificate/one");
    expect_ready(sim, "certificate/two");
    ASSERT_EQ(sim_orders_placed(sim), 2);
    ASSERT_EQ(sim_orders_finalized(sim), 2);
    sim_free(sim);
}

/* Let's Encrypt: one open order for the same names is given out to whoever asks for it. */
TEST(an_order_that_the_ca_gives_out_twice_is_finalized_once)
{
    struct sim_options options = {.start_ms = START, .ca = {.reuse_orders = true}};

    for (int restarts = 0; restarts < 2; restarts++) {
        struct sim *sim = sim_new_with(&options);

        CASE(restarts ? "restarted" : "");
        fake_dns_set_late(sim_dns(sim), "example.com", MINUTES(2));
        sim_apply(sim, SIM_ISSUER);
        sim_run_until_idle(sim);
        for (int i = 0; i < 3; i++) {
            cleanup(xfree) char *yaml = xasprintf(SIM_CERTIFICATE("c%d", "[www.example.com]", ""),
                                                  i, i);

            sim_apply(sim, yaml);
        }
        sim_advance(sim, SECONDS(30));
        ASSERT_EQ(sim_orders_placed(sim), 1);
        if (restarts)
            sim_restart(sim);
        sim_advance(sim, HOURS(1));
        for (int i = 0; i < 3; i++) {
            cleanup(xfree) char *name = xasprintf("certificate/c%d", i);

            expect_ready(sim, name);
        }
        ASSERT_EQ(sim_orders_placed(sim), 3);
        ASSERT_EQ(sim_orders_finalized(sim), 3);
        sim_free(sim);
    }
}

/* Who waits for another's end goes on when that one is taken away. */
TEST(an_order_that_the_ca_gives_out_twice_is_inherited)
{
    struct sim_options options = {.start_ms = START, .ca = {.reuse_orders = true}};
    struct sim *sim = sim_new_with(&options);

    fake_dns_set_late(sim_dns(sim), "example.com", MINUTES(2));
    sim_apply(sim, SIM_ISSUER);
    sim_run_until_idle(sim);
    sim_apply(sim, SIM_CERTIFICATE("one", "[www.example.com]", ""));
    sim_advance(sim, SECONDS(10));
    sim_apply(sim, SIM_CERTIFICATE("two", "[www.example.com]", ""));
    sim_advance(sim, SECONDS(10));
    ASSERT_CONTAINS(sim_message(sim, "certificate/two", "Issuing"), "Another Order");
    sim_delete(sim, "certificate/one");
    sim_advance(sim, MINUTES(10));
    expect_ready(sim, "certificate/two");
    ASSERT_EQ(sim_orders_placed(sim), 1);
    sim_free(sim);
}

/* A killed process may leave as many as it had workers. */
TEST(many_lost_orders_are_all_found)
{
    enum { LOST = 20 };
    struct sim *sim = sim_with_issuer();

    sim_fail_ca(sim, "newOrder", FAKE_CA_CUT, true, LOST);
    for (int i = 0; i < LOST; i++) {
        cleanup(xfree) char *yaml = xasprintf(SIM_CERTIFICATE("c%d", "[c%d.example.com]", ""), i, i,
                                              i);

        sim_apply(sim, yaml);
    }
    sim_advance(sim, MINUTES(30));
    ASSERT_EQ(sim_orders_finalized(sim), LOST);
    ASSERT_EQ(sim_orders_placed(sim), LOST);
    sim_free(sim);
}

/* Orders of former years stand in the list, too: each is read once. */
TEST(a_lost_order_is_not_looked_for_among_ended_ones_again)
{
    enum { ENDED = 20 };
    struct sim *sim = sim_with_issuer();

    for (int i = 0; i < ENDED; i++) {
        cleanup(xfree) char *yaml = xasprintf(SIM_CERTIFICATE("c%d", "[c%d.example.com]", ""), i, i,
                                              i);
        cleanup(xfree) char *name = xasprintf("certificate/c%d", i);

        sim_apply(sim, yaml);
        sim_run_until_idle(sim);
        sim_delete(sim, name);
    }
    sim_run_until_idle(sim);
    for (int i = 0; i < 2; i++) {
        int before = fake_ca_requests(sim_ca(sim), "order");

        sim_fail_ca(sim, "newOrder", FAKE_CA_CUT, true, 1);
        sim_apply(sim, i == 0 ? SIM_CERTIFICATE("one", "[one.example.com]", "")
                              : SIM_CERTIFICATE("two", "[two.example.com]", ""));
        sim_advance(sim, MINUTES(15));
        sim_fail_ca(sim, "newOrder", FAKE_CA_CUT, false, 1); /* nothing to be found */
        sim_apply(sim, i == 0 ? SIM_CERTIFICATE("three", "[three.example.com]", "")
                              : SIM_CERTIFICATE("four", "[four.example.com]", ""));
        sim_advance(sim, MINUTES(15));
        ASSERT_TRUE(i == 0 || fake_ca_requests(sim_ca(sim), "order") - before < ENDED);
    }
    expect_ready(sim, "certificate/four");
    sim_free(sim);
}

/* The order that an earlier spec left open is for the same names, but not for the same time. */
TEST(an_open_order_of_another_duration_is_not_taken)
{
    struct sim *sim = sim_new(START);

    sim_apply(sim, SIM_ACME_ISSUER("acme", SIM_BY_DNS "    enableDurationFeature: true\n"));
    sim_run_until_idle(sim);
    fake_dns_set_late(sim_dns(sim), "example.com", MINUTES(5));
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", "  duration: 1440h\n"));
    sim_advance(sim, SECONDS(30));
    ASSERT_EQ(sim_orders_placed(sim), 1);
    sim_fail_ca(sim, "newOrder", FAKE_CA_CUT, false, 1);
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", "  duration: 240h\n"));
    sim_advance(sim, MINUTES(30));
    expect_ready(sim, "certificate/web");
    ASSERT_TRUE(sim_time(sim, "certificate/web", "status.notAfter") <= sim_now(sim) + HOURS(240));
    sim_free(sim);
}

/* And when that one is stuck, as without a solver, it is not waited for without end. */
TEST(an_order_that_the_ca_gives_out_twice_is_not_kept_by_who_is_stuck)
{
    struct sim_options options = {.start_ms = START, .ca = {.reuse_orders = true}};
    struct sim *sim = sim_new_with(&options);

    sim_apply(sim, SIM_ACME_ISSUER("acme",
                                   "    solvers:\n"
                                   "    - selector: {matchLabels: {solver: dns}}\n"
                                   "      dns01: {rfc2136: {nameserver: " FAKE_DNS_PRIMARY "}}\n"));
    sim_run_until_idle(sim);
    sim_apply(sim, SIM_CERTIFICATE("one", "[www.example.com]", ""));
    sim_advance(sim, SECONDS(10));
    sim_apply(sim, SIM_CERTIFICATE("two", "[www.example.com]", ""));
    sim_patch(sim, "certificate/two", "metadata: {labels: {solver: dns}}");
    sim_advance(sim, MINUTES(5));
    ASSERT_STREQ(sim_condition(sim, "certificate/two", "Ready"), "False");
    sim_advance(sim, MINUTES(10));
    expect_ready(sim, "certificate/two");
    ASSERT_EQ(sim_orders_placed(sim), 1);
    sim_delete(sim, "certificate/one");
    sim_free(sim);
}

/* step-ca GHSA-h8cp-697h-8c8p: what a CA sends is verified before it is stored. */
TEST(a_chain_that_cannot_be_used_is_not_stored)
{
    static const enum fake_ca_chain chains[] = {FAKE_CA_OTHER_KEY, FAKE_CA_OTHER_NAME,
                                                FAKE_CA_WITH_KEY, FAKE_CA_OTHER_ISSUER,
                                                FAKE_CA_EXPIRED_CHAIN};

    for (size_t i = 0; i < ARRAY_LEN(chains); i++) {
        struct sim *sim = sim_with_issuer();
        const char *before;

        sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
        sim_run_until_idle(sim);
        before = sim_secret(sim, "web-tls", "tls.crt");
        fake_ca_get_options(sim_ca(sim))->chain = chains[i];
        sim_advance(sim, DAYS(63)); /* what is no chain at all is tried for a day */
        ASSERT_STREQ(sim_secret(sim, "web-tls", "tls.crt"), before);
        ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
        ASSERT_TRUE(sim_text(sim, "certificate/web", "status.failedIssuanceAttempts") != NULL);
        fake_ca_get_options(sim_ca(sim))->chain = FAKE_CA_GOOD_CHAIN;
        sim_advance(sim, DAYS(3));
        expect_ready(sim, "certificate/web");
        sim_free(sim);
    }
}

/* It is the Issuer's, and no attempt of a Certificate. */
static void expect_account_lost(struct sim *sim)
{
    ASSERT_STREQ(sim_condition(sim, "issuer/acme", "Ready"), "False");
    ASSERT_STREQ(sim_reason(sim, "issuer/acme", "Ready"), "ErrVerifyACMEAccount");
    ASSERT_CONTAINS(sim_message(sim, "issuer/acme", "Ready"), "spec.acme.privateKeySecretRef");
    ASSERT_NULL(sim_text(sim, "certificate/web", "status.failedIssuanceAttempts"));
}

/* spec/acme.md 8: nothing is registered behind the user's back, who may have named the account in CAA. */
TEST(an_account_that_the_ca_has_forgotten_is_said_and_not_replaced)
{
    struct sim *sim = sim_with_issuer();

    fake_ca_forget_accounts(sim_ca(sim));
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    sim_advance(sim, MINUTES(30));
    ASSERT_CONTAINS(sim_message(sim, "certificate/web", "Issuing"), "accountDoesNotExist");
    ASSERT_EQ(fake_ca_counts(sim_ca(sim))->new_accounts, 1);
    expect_account_lost(sim);
    ASSERT_EQ(fake_ca_requests(sim_ca(sim), "newOrder"), 1);
    sim_restart(sim); /* which is no reason to believe in it again */
    sim_advance(sim, HOURS(3));
    expect_account_lost(sim);
    ASSERT_EQ(fake_ca_requests(sim_ca(sim), "newOrder"), 1);
    sim_delete(sim, "secret/acme-account");
    sim_advance(sim, MINUTES(2));
    expect_ready(sim, "certificate/web");
    ASSERT_NULL(sim_text(sim, "certificate/web", "status.failedIssuanceAttempts"));
    ASSERT_EQ(fake_ca_counts(sim_ca(sim))->new_accounts, 2);
    sim_free(sim);
}

TEST(an_account_that_the_ca_has_again_is_seen_within_an_hour)
{
    struct sim *sim = sim_with_issuer();

    fake_ca_forget_accounts(sim_ca(sim));
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    sim_advance(sim, MINUTES(30));
    expect_account_lost(sim);
    fake_ca_recall_accounts(sim_ca(sim));
    sim_advance(sim, HOURS(1));
    expect_ready(sim, "certificate/web");
    ASSERT_STREQ(sim_condition(sim, "issuer/acme", "Ready"), "True");
    ASSERT_EQ(fake_ca_counts(sim_ca(sim))->new_accounts, 1);
    sim_free(sim);
}

TEST(an_order_that_never_gets_ready_is_told_and_has_an_end)
{
    struct fake_ca_answer not_ready = {
        .status = 403,
        .body = "{\"type\": \"urn:ietf:params:acme:error:orderNotReady\"}",
    };
    struct sim *sim = sim_with_issuer();

    for (int i = 0; i < 4000; i++) /* a day of questions, and more */
        fake_ca_queue(sim_ca(sim), "finalize", &not_ready);
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    sim_advance(sim, MINUTES(5));
    ASSERT_CONTAINS(sim_message(sim, "certificate/web", "Issuing"), "longer than usual");
    ASSERT_NULL(sim_text(sim, "certificate/web", "status.failedIssuanceAttempts"));
    sim_advance(sim, DAYS(1)); /* its authorizations expire before the order does */
    ASSERT_TRUE(sim_text(sim, "certificate/web", "status.failedIssuanceAttempts") != NULL);
    ASSERT_CONTAINS(sim_message(sim, "certificate/web", "Issuing"), "is invalid");
    sim_free(sim);
}

TEST(one_answer_that_the_account_does_not_exist_is_not_believed)
{
    struct fake_ca_answer unknown = {
        .status = 400,
        .body = "{\"type\": \"urn:ietf:params:acme:error:accountDoesNotExist\"}",
    };
    static const char *const endpoints[] = {"newOrder", "authz", "challenge", "finalize"};

    for (size_t i = 0; i < ARRAY_LEN(endpoints); i++) {
        struct sim *sim = sim_with_issuer();

        CASE(endpoints[i]);
        fake_ca_queue(sim_ca(sim), endpoints[i], &unknown);
        sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
        sim_advance(sim, MINUTES(5));
        expect_ready(sim, "certificate/web");
        ASSERT_NULL(sim_text(sim, "certificate/web", "status.failedIssuanceAttempts"));
        ASSERT_EQ(sim_orders_finalized(sim), 1);
        ASSERT_EQ(fake_ca_counts(sim_ca(sim))->new_accounts, 1);
        sim_free(sim);
    }
}

/* Of a Challenge, too, which asks for its authorization when the record is to be seen. */
TEST(one_answer_that_the_account_does_not_exist_does_not_fail_a_challenge)
{
    struct fake_ca_answer unknown = {
        .status = 400,
        .body = "{\"type\": \"urn:ietf:params:acme:error:accountDoesNotExist\"}",
    };
    struct sim *sim = sim_with_issuer();

    fake_dns_set_late(sim_dns(sim), "example.com", MINUTES(2));
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    sim_advance(sim, SECONDS(30));
    ASSERT_STREQ(sim_text(sim, sim_only(sim, "challenge"), "status.presented"), "true");
    fake_ca_queue(sim_ca(sim), "authz", &unknown);
    sim_advance(sim, MINUTES(5));
    expect_ready(sim, "certificate/web");
    ASSERT_EQ(sim_orders_placed(sim), 1);
    sim_free(sim);
}

TEST(another_account_key_makes_another_account)
{
    struct sim *sim = sim_with_issuer();

    sim_delete(sim, "secret/acme-account");
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_condition(sim, "issuer/acme", "Ready"), "True");
    ASSERT_EQ(fake_ca_counts(sim_ca(sim))->new_accounts, 2);
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    sim_run_until_idle(sim);
    expect_ready(sim, "certificate/web");
    sim_free(sim);
}

/* --- validation --- */

TEST(a_failed_validation_is_a_failed_attempt_and_leaves_no_record)
{
    struct sim *sim = sim_with_issuer();

    /* Our name servers show it, the CA's way to them does not exist. */
    sim_set_http_down(sim, true);
    sim_apply(sim, SIM_ACME_ISSUER("web", SIM_BY_HTTP));
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    sim_patch(sim, "certificate/web", "{spec: {issuerRef: {name: web}}}");
    sim_advance(sim, MINUTES(5));
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Issuing"), "False");
    ASSERT_CONTAINS(sim_message(sim, "certificate/web", "Issuing"), "www.example.com");
    ASSERT_EQ(sim_http_files(sim), 0);
    ASSERT_EQ(fake_ca_counts(sim_ca(sim))->failed_validations, 1);
    sim_set_http_down(sim, false);
    sim_advance(sim, HOURS(2));
    expect_ready(sim, "certificate/web");
    sim_free(sim);
}

TEST(a_dead_name_server_is_named_and_delays_nobody_else)
{
    static const enum fake_dns_mode modes[] = {FAKE_DNS_SERVFAIL, FAKE_DNS_REFUSES,
                                               FAKE_DNS_SILENT};

    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        struct sim *sim = sim_with_issuer();

        fake_dns_set_mode(sim_dns(sim), "example.net", modes[i]);
        sim_apply(sim, SIM_CERTIFICATE("bad", "[www.example.net]", ""));
        sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
        sim_advance(sim, MINUTES(2));
        expect_ready(sim, "certificate/web");
        ASSERT_CONTAINS(sim_message(sim, "certificate/bad", "Issuing"), "www.example.net");
        ASSERT_STREQ(sim_condition(sim, "certificate/bad", "Issuing"), "True");
        sim_advance(sim, HOURS(10));
        fake_dns_set_mode(sim_dns(sim), "example.net", FAKE_DNS_FINE);
        sim_advance(sim, HOURS(1));
        expect_ready(sim, "certificate/bad");
        ASSERT_EQ(fake_ca_counts(sim_ca(sim))->failed_validations, 0);
        sim_free(sim);
    }
}

/* As certlet renew says: within a minute, though the Challenge's own pause is longer by then. */
TEST(who_asks_for_another_try_does_not_wait_for_the_end_of_a_pause)
{
    struct sim *sim = sim_with_issuer();

    fake_dns_set_mode(sim_dns(sim), "example.net", FAKE_DNS_REFUSES);
    sim_apply(sim, SIM_CERTIFICATE("bad", "[www.example.net]", ""));
    sim_advance(sim, HOURS(10));
    fake_dns_set_mode(sim_dns(sim), "example.net", FAKE_DNS_FINE);
    retry_by_hand(sim, "now");
    sim_advance(sim, MINUTES(1));
    expect_ready(sim, "certificate/bad");
    sim_free(sim);
}

/* One look at the Certificate is enough (differences.md, row 12), at the price of a write for each attempt. */
TEST(what_a_challenge_waits_for_and_until_when_stands_in_the_certificate)
{
    struct sim *sim = sim_with_issuer();
    cleanup(xfree) char *until = NULL;
    const char *challenge;
    int points;

    fake_dns_set_mode(sim_dns(sim), "example.net", FAKE_DNS_REFUSES);
    sim_apply(sim, SIM_CERTIFICATE("bad", "[www.example.net]", ""));
    sim_advance(sim, HOURS(3));
    challenge = sim_only(sim, "challenge");
    until = xstrdup(strstr(sim_text(sim, challenge, "status.reason"), "; not before "));
    ASSERT_CONTAINS(sim_text(sim, sim_only(sim, "order"), "status.reason"), until);
    ASSERT_CONTAINS(sim_message(sim, "certificate/bad", "Issuing"), until);
    ASSERT_TRUE(AT(until + strlen("; not before ")) > sim_now(sim));
    ASSERT_TRUE(AT(until + strlen("; not before ")) <= sim_now(sim) + MINUTES(30));
    ASSERT_EQ(sim_times_told(sim, challenge, "PresentError"), 1);
    points = sim_points(sim);
    sim_advance(sim, HOURS(10));
    /* twenty attempts: an update and three statuses */
    ASSERT_TRUE(sim_points(sim) - points <= 21 * 4);
    sim_free(sim);
}

/* Each begins with a look at the authorization; the Order has had one, too. */
static int presentations(struct sim *sim)
{
    return fake_ca_requests(sim_ca(sim), "authz") - 1;
}

/* Nothing that we write ourselves wakes it (users.md A.1, row 8). */
TEST(a_presentation_that_has_failed_is_tried_again_by_back_off_alone)
{
    static const enum fake_dns_mode modes[] = {FAKE_DNS_SERVFAIL, FAKE_DNS_REFUSES};

    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        struct sim *sim = sim_with_issuer();

        fake_dns_set_mode(sim_dns(sim), "example.net", modes[i]);
        sim_apply(sim, SIM_CERTIFICATE("bad", "[www.example.net]", ""));
        sim_advance(sim, SECONDS(4));
        ASSERT_TRUE(sim_has_event(sim, sim_only(sim, "challenge"), "PresentError"));
        ASSERT_EQ(presentations(sim), 1);
        sim_advance(sim, SECONDS(10)); /* after 5 s; the next one after 10 s more */
        ASSERT_EQ(presentations(sim), 2);
        sim_free(sim);
    }
}

TEST(an_edit_of_the_issuer_ends_the_back_off_of_a_presentation)
{
    struct sim *sim = sim_with_issuer();

    fake_dns_set_mode(sim_dns(sim), "example.net", FAKE_DNS_REFUSES);
    sim_apply(sim, SIM_CERTIFICATE("bad", "[www.example.net]", ""));
    sim_advance(sim, SECONDS(1));
    ASSERT_EQ(presentations(sim), 1);
    sim_patch(sim, "issuer/acme", "{spec: {acme: {preferredChain: other}}}");
    sim_advance(sim, SECONDS(1));
    ASSERT_EQ(presentations(sim), 2);
    sim_free(sim);
}

static const char issuer_elsewhere[] =
    "apiVersion: cert-manager.io/v1\nkind: Issuer\nmetadata: {name: acme, namespace: elsewhere}\n"
    "spec:\n  acme:\n    server: " FAKE_CA_DIRECTORY
    "\n    privateKeySecretRef: {name: acme-account}\n" SIM_BY_DNS;
static const char certificate_elsewhere[] =
    "apiVersion: cert-manager.io/v1\nkind: Certificate\n"
    "metadata: {name: web, namespace: elsewhere}\nspec:\n  dnsNames: [www.example.net]\n"
    "  secretName: web-tls\n  issuerRef: {name: acme}\n"
    "  privateKey: {algorithm: ECDSA, size: 256}\n";

/* cert-manager takes a place before it presents anything, and may have taken all of them. */
TEST(who_has_a_place_already_does_not_wait_for_one)
{
    struct sim_options options = {.start_ms = START, .max_challenges = 1};
    struct sim *sim = sim_new_with(&options);

    sim_apply(sim, SIM_ISSUER);
    fake_dns_set_mode(sim_dns(sim), "example.com", FAKE_DNS_REFUSES);
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    sim_advance(sim, SECONDS(20));
    sim_swap_in(sim);
    fake_dns_set_mode(sim_dns(sim), "example.com", FAKE_DNS_FINE);
    sim_advance(sim, HOURS(1));
    expect_ready(sim, "certificate/web");
    sim_free(sim);
}

/* It gave its place up when the CA failed it, and others have taken it since. */
TEST(who_goes_on_after_a_pause_waits_for_a_place_again)
{
    struct sim_options options = {.start_ms = START, .max_challenges = 4};
    struct sim *sim = sim_new_with(&options);

    fake_dns_set_late(sim_dns(sim), "example.com", HOURS(1));
    sim_apply(sim, SIM_ISSUER);
    sim_run_until_idle(sim);
    sim_fail_ca(sim, "challenge", FAKE_CA_HTML, false, 1);
    sim_apply(sim, SIM_CERTIFICATE("paused", "[www.example.net]", ""));
    sim_advance(sim, SECONDS(2));
    for (int i = 0; i < 5; i++) {
        cleanup(xfree) char *yaml = xasprintf(SIM_CERTIFICATE("c%d", "[c%d.example.com]", ""), i, i,
                                              i);

        sim_apply(sim, yaml);
    }
    sim_advance(sim, MINUTES(2)); /* three quarters of the places are taken, for five minutes */
    ASSERT_EQ(fake_ca_requests(sim_ca(sim), "challenge"), 1);
    sim_advance(sim, MINUTES(5)); /* and those that have not begun come behind it */
    expect_ready(sim, "certificate/paused");
    ASSERT_STREQ(sim_condition(sim, "certificate/c4", "Ready"), "False");
    sim_advance(sim, HOURS(1));
    expect_ready(sim, "certificate/c4");
    sim_free(sim);
}

/* What is only cleaned up any more has no place, however long that takes. */
TEST(challenges_that_were_deleted_hold_no_places)
{
    struct sim_options options = {.start_ms = START, .max_challenges = 1};
    struct sim *sim = sim_new_with(&options);

    fake_dns_set_late(sim_dns(sim), "example.com", MINUTES(1));
    sim_apply(sim, SIM_ISSUER);
    sim_apply(sim, SIM_CERTIFICATE("gone", "[www.example.com]", ""));
    sim_advance(sim, SECONDS(10));
    fake_dns_set_mode(sim_dns(sim), "example.com", FAKE_DNS_REFUSES);
    sim_apply(sim, SIM_CERTIFICATE("other", "[www.example.net]", ""));
    sim_delete(sim, "certificate/gone");
    sim_advance(sim, MINUTES(1));
    ASSERT_EQ(fake_dns_count(sim_dns(sim)), 1);
    expect_ready(sim, "certificate/other");
    fake_dns_set_mode(sim_dns(sim), "example.com", FAKE_DNS_FINE);
    sim_advance(sim, HOURS(1));
    sim_free(sim);
}

TEST(names_of_one_namespace_do_not_hold_all_places)
{
    struct sim_options options = {.start_ms = START, .max_challenges = 4};
    struct sim *sim = sim_new_with(&options);

    fake_dns_set_late(sim_dns(sim), "example.com", HOURS(1));
    sim_apply(sim, SIM_ISSUER);
    for (int i = 0; i < 8; i++) {
        cleanup(xfree) char *yaml = xasprintf(SIM_CERTIFICATE("c%d", "[c%d.example.com]", ""), i, i,
                                              i);

        sim_apply(sim, yaml);
    }
    sim_advance(sim, SECONDS(20));
    ASSERT_EQ(fake_dns_count(sim_dns(sim)), 3);
    sim_apply(sim, issuer_elsewhere);
    sim_apply(sim, certificate_elsewhere);
    sim_advance(sim, SECONDS(20));
    expect_ready(sim, "certificate/elsewhere/web");
    sim_advance(sim, HOURS(3)); /* and the others get theirs one after the other */
    for (int i = 0; i < 8; i++) {
        cleanup(xfree) char *name = xasprintf("certificate/c%d", i);

        expect_ready(sim, name);
    }
    sim_free(sim);
}

/* Presented, and then there is nobody to ask: that may last, and is no reason for others to wait. */
TEST(challenges_whose_issuer_or_ca_is_away_hold_no_places)
{
    struct sim_options options = {.start_ms = START, .max_challenges = 2};

    for (int i = 0; i < 2; i++) {
        struct sim *sim = sim_new_with(&options);

        CASE(i == 0 ? "Issuer" : "CA");
        fake_dns_set_late(sim_dns(sim), "example.com", MINUTES(1));
        sim_apply(sim, SIM_ISSUER);
        sim_apply(sim, SIM_CERTIFICATE("one", "[one.example.com]", ""));
        sim_apply(sim, SIM_CERTIFICATE("two", "[two.example.com]", ""));
        sim_advance(sim, SECONDS(20));
        ASSERT_EQ(fake_dns_count(sim_dns(sim)), 2);
        if (i == 0)
            sim_patch(sim, "issuer/acme", "{spec: {acme: {server: 'https://away.test/dir'}}}");
        else
            sim_fail_ca(sim, "authz", FAKE_CA_503_SECONDS, false, 2);
        sim_advance(sim, SECONDS(90));
        sim_apply(sim, issuer_elsewhere);
        sim_apply(sim, certificate_elsewhere);
        sim_advance(sim, MINUTES(3));
        expect_ready(sim, "certificate/elsewhere/web");
        if (i == 0)
            sim_patch(sim, "issuer/acme", "{spec: {acme: {server: '" FAKE_CA_DIRECTORY "'}}}");
        sim_advance(sim, HOURS(1));
        expect_ready(sim, "certificate/one");
        expect_ready(sim, "certificate/two");
        ASSERT_EQ(sim_orders_placed(sim), 3);
        sim_free(sim);
    }
}

/* Presented, and then the name server takes no updates. */
static struct sim *sim_with_refused_clean_up(void)
{
    struct sim *sim = sim_with_issuer();

    fake_dns_set_late(sim_dns(sim), "example.com", MINUTES(1));
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    sim_advance(sim, SECONDS(10));
    ASSERT_EQ(fake_dns_count(sim_dns(sim)), 1);
    fake_dns_set_mode(sim_dns(sim), "example.com", FAKE_DNS_REFUSES);
    return sim;
}

TEST(a_record_that_cannot_be_taken_back_is_tried_again)
{
    struct sim *sim = sim_with_refused_clean_up();

    sim_advance(sim, MINUTES(10));
    expect_ready(sim, "certificate/web"); /* it does not wait for that */
    ASSERT_EQ(fake_dns_count(sim_dns(sim)), 1);
    ASSERT_TRUE(sim_has_event(sim, sim_only(sim, "challenge"), "CleanUpError"));
    fake_dns_set_mode(sim_dns(sim), "example.com", FAKE_DNS_FINE);
    sim_advance(sim, MINUTES(40));
    ASSERT_EQ(fake_dns_count(sim_dns(sim)), 0);
    ASSERT_EQ(sim_count(sim, "challenge"), 0);
    sim_free(sim);
}

/* A name server that takes no updates takes none back either, and no zone is found for the one nor the other. */
TEST(what_was_never_written_keeps_no_challenge)
{
    static const struct {
        enum fake_dns_mode mode; /* of example.com */
        const char *names;
    } rows[] = {{FAKE_DNS_REFUSES, "[www.example.com]"}, {FAKE_DNS_FINE, "[www.nozone.test]"}};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sim *sim = sim_with_issuer();
        cleanup(xfree) char *yaml = xasprintf(SIM_CERTIFICATE("web", "%s", ""), rows[i].names);

        fake_dns_set_mode(sim_dns(sim), "example.com", rows[i].mode);
        sim_apply(sim, yaml);
        sim_apply(sim, SIM_CERTIFICATE("other", "[www.example.net]", "")); /* not the end of all */
        sim_advance(sim, HOURS(1));
        ASSERT_EQ(sim_count(sim, "challenge"), 1);
        sim_delete(sim, "certificate/web");
        sim_advance(sim, MINUTES(1));
        ASSERT_EQ(sim_count(sim, "challenge"), 0);
        sim_free(sim);
    }
}

static void end_outage_and_expect_no_record(struct sim *sim)
{
    ASSERT_EQ(sim_count(sim, "challenge"), 1);
    ASSERT_EQ(fake_dns_count(sim_dns(sim)), 1);
    fake_dns_set_mode(sim_dns(sim), "example.com", FAKE_DNS_FINE);
    sim_advance(sim, HOURS(1));
    ASSERT_EQ(sim_count(sim, "challenge"), 0);
    ASSERT_EQ(fake_dns_count(sim_dns(sim)), 0);
}

/* Written perhaps, or by a process that is not there any more: it is taken back first. */
TEST(what_may_have_been_written_keeps_its_challenge_until_it_is_taken_back)
{
    for (int i = 0; i < 2; i++) {
        struct sim *sim = sim_with_issuer();

        fake_dns_set_mode(sim_dns(sim), "example.com", FAKE_DNS_LOSES);
        sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
        sim_apply(sim, SIM_CERTIFICATE("other", "[www.example.net]", ""));
        sim_advance(sim, MINUTES(1));
        fake_dns_set_mode(sim_dns(sim), "example.com", FAKE_DNS_REFUSES);
        if (i)
            sim_restart(sim);
        sim_advance(sim, HOURS(1));
        sim_delete(sim, "certificate/web");
        sim_advance(sim, HOURS(1));
        end_outage_and_expect_no_record(sim);
        sim_free(sim);
    }
}

/* The name server takes no updates for a long time: who gives up leaves the record there for ever. */
TEST(a_record_is_taken_back_however_long_the_name_server_was_away)
{
    struct sim *sim = sim_with_refused_clean_up();

    sim_advance(sim, DAYS(5));
    expect_ready(sim, "certificate/web");
    end_outage_and_expect_no_record(sim);
    sim_free(sim);
}

/* The Order has gone with its Certificate, but the namespace has not. */
TEST(a_deleted_certificate_leaves_no_record_after_a_long_outage)
{
    struct sim *sim = sim_with_refused_clean_up();

    sim_apply(sim, SIM_CERTIFICATE("other", "[www.example.net]", ""));
    sim_delete(sim, "certificate/web");
    sim_advance(sim, DAYS(5));
    ASSERT_EQ(sim_count(sim, "order"), 1); /* the other's */
    end_outage_and_expect_no_record(sim);
    sim_free(sim);
}

static void expect_given_up(struct sim *sim, const char *challenge)
{
    ASSERT_EQ(sim_count(sim, "challenge"), 0);
    ASSERT_TRUE(sim_has_event(sim, challenge, "CleanUpGivenUp"));
    ASSERT_EQ(fake_dns_count(sim_dns(sim)), 1);
    fake_dns_remove_all(sim_dns(sim)); /* as the event says */
}

/* users.md row 9, cm#1582: a namespace that is deleted must not wait for ever. */
TEST(clean_up_is_given_up_after_an_hour_where_nothing_else_is_left)
{
    struct sim *sim = sim_with_refused_clean_up();
    const char *challenge = sim_only(sim, "challenge");

    sim_delete(sim, "certificate/web");
    sim_advance(sim, MINUTES(55));
    ASSERT_EQ(sim_count(sim, "challenge"), 1);
    sim_advance(sim, HOURS(1)); /* the retries are half an hour apart by now */
    expect_given_up(sim, challenge);
    sim_free(sim);
}

TEST(clean_up_is_given_up_after_a_week)
{
    struct sim *sim = sim_with_refused_clean_up();
    const char *challenge = sim_only(sim, "challenge");

    sim_advance(sim, DAYS(7));
    ASSERT_EQ(sim_count(sim, "challenge"), 1);
    sim_advance(sim, HOURS(1));
    expect_given_up(sim, challenge);
    sim_free(sim);
}

/* Of a namespace that is deleted, the Secret of its solver may be gone before the Challenge is cleaned up; the process
 * that has read it may be gone, too. */
TEST(clean_up_without_its_credentials_has_an_end_after_a_restart)
{
    static const struct {
        const char *name;
        bool issuer_goes;
        int64_t ends_ms;
    } rows[] = {
        {"Secret", false, HOURS(1) + MINUTES(31)}, /* and a back-off */
        {"Secret and Issuer", true, MINUTES(1)},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sim *sim = sim_new(START);
        const char *challenge;

        CASE(rows[i].name);
        sim_apply(sim, "apiVersion: v1\nkind: Secret\nmetadata: {name: tsig}\n"
                       "stringData: {k: c2VjcmV0c2VjcmV0c2VjcmV0}\n");
        sim_apply(sim,
                  SIM_ACME_ISSUER(
                      "acme", "    solvers: [{dns01: {rfc2136: {nameserver: " FAKE_DNS_PRIMARY
                              ", tsigKeyName: k, tsigSecretSecretRef: {name: tsig, key: k}}}}]\n"));
        fake_dns_set_late(sim_dns(sim), "example.com", MINUTES(1));
        sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
        sim_advance(sim, SECONDS(10));
        ASSERT_EQ(fake_dns_count(sim_dns(sim)), 1);
        challenge = sim_only(sim, "challenge");
        sim_restart(sim);
        sim_delete(sim, "secret/tsig");
        if (rows[i].issuer_goes)
            sim_delete(sim, "issuer/acme");
        sim_delete(sim, "certificate/web");
        sim_run_until_idle(sim);
        sim_advance(sim, rows[i].ends_ms);
        expect_given_up(sim, challenge);
        sim_free(sim);
    }
}

/* The answer to the first request was lost, and what the CA shows is older than it, as from a replica; or another
 * Challenge of the same authorization was first. */
TEST(a_challenge_that_the_ca_has_taken_already_is_not_failed_by_its_refusal)
{
    struct sim_options options = {.start_ms = START, .ca = {.validation_ms = MINUTES(1)}};
    struct sim *sim = sim_new_with(&options);
    cleanup(xfree) char *pending = NULL;
    const char *challenge;

    sim_apply(sim, SIM_ISSUER);
    sim_run_until_idle(sim);
    sim_fail_ca(sim, "challenge", FAKE_CA_CUT, true, 1);
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    for (int i = 0; i < 60 && fake_ca_requests(sim_ca(sim), "challenge") == 0; i++)
        sim_advance(sim, 100);
    challenge = sim_only(sim, "challenge");
    pending = xasprintf("{\"status\": \"pending\", \"identifier\": {\"type\": \"dns\", \"value\": "
                        "\"www.example.com\"}, \"challenges\": [{\"type\": \"dns-01\", \"status\": "
                        "\"pending\", \"url\": \"%s\", \"token\": \"%s\"}]}",
                        sim_text(sim, challenge, "spec.url"),
                        sim_text(sim, challenge, "spec.token"));
    fake_ca_queue(sim_ca(sim), "authz", &(struct fake_ca_answer){.status = 200, .body = pending});
    fake_ca_queue(
        sim_ca(sim), "challenge",
        &(struct fake_ca_answer){
            .status = 400, .body = PROBLEM("malformed", "the authorization must be pending")});
    sim_advance(sim, MINUTES(10));
    ASSERT_EQ(fake_ca_requests(sim_ca(sim), "challenge"), 2);
    expect_ready(sim, "certificate/web");
    ASSERT_EQ(sim_orders_placed(sim), 1);
    sim_free(sim);
}

TEST(an_update_whose_answer_was_lost_is_found_again)
{
    struct sim *sim = sim_with_issuer();

    fake_dns_set_mode(sim_dns(sim), "example.com", FAKE_DNS_LOSES);
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    sim_advance(sim, MINUTES(2));
    ASSERT_EQ(fake_dns_count(sim_dns(sim)), 1);
    fake_dns_set_mode(sim_dns(sim), "example.com", FAKE_DNS_FINE);
    sim_advance(sim, MINUTES(40));
    expect_ready(sim, "certificate/web");
    ASSERT_EQ(fake_dns_count(sim_dns(sim)), 0);
    sim_free(sim);
}

/* --- back-off (DESIGN 12.5) --- */

/* Attempts at the CA: each row is the time after the first failure until which that many were made. */
static void expect_attempts(struct sim *sim, const int64_t *hours_tenths, size_t len)
{
    int64_t begin_ms = sim_now(sim);

    for (size_t i = 0; i < len; i++) {
        int64_t at_ms = begin_ms + hours_tenths[i] * MINUTES(6);

        sim_advance(sim, at_ms - MINUTES(3) - sim_now(sim));
        ASSERT_EQ(fake_ca_requests(sim_ca(sim), "newOrder"), i + 1);
        sim_advance(sim, MINUTES(6));
        ASSERT_EQ(fake_ca_requests(sim_ca(sim), "newOrder"), i + 2);
    }
}

static struct sim *refused_for_ever(const char *certificate)
{
    static const struct fake_ca_answer refused = {
        .status = 400, .body = PROBLEM("rejectedIdentifier", "policy forbids it")};
    struct sim *sim = sim_with_issuer();

    for (int i = 0; i < 40; i++)
        fake_ca_queue(sim_ca(sim), "newOrder", &refused);
    sim_apply(sim, certificate);
    sim_run_until_idle(sim);
    ASSERT_EQ(fake_ca_requests(sim_ca(sim), "newOrder"), 1);
    return sim;
}

TEST(a_failed_attempt_is_repeated_after_an_hour_and_then_twice_the_time)
{
    struct sim *sim = refused_for_ever(SIM_CERTIFICATE("web", "[www.example.com]", ""));
    /* 1 h, 3 h, 7 h, 15 h, 31 h, 63 h, 95 h: doubled up to 32 h */
    static const int64_t tenths[] = {10, 30, 70, 150, 310, 630, 950};

    ASSERT_CONTAINS(sim_message(sim, "certificate/web", "Issuing"),
                    "attempt 1, next not before 2026-01-01T01:00:0");
    expect_attempts(sim, tenths, ARRAY_LEN(tenths));
    sim_free(sim);
}

TEST(a_certificate_of_six_days_is_tried_again_after_minutes)
{
    struct sim *sim = refused_for_ever(
        SIM_CERTIFICATE("web", "[www.example.com]", "  duration: 144h\n"));
    /* 4 min doubling, at most 6 h: 0.067 h, 0.2 h, 0.467, 1, 2.07, 4.2, 8.47, 14.47 */

    sim_advance(sim, MINUTES(5));
    ASSERT_EQ(fake_ca_requests(sim_ca(sim), "newOrder"), 2);
    sim_advance(sim, MINUTES(8));
    ASSERT_EQ(fake_ca_requests(sim_ca(sim), "newOrder"), 3);
    sim_advance(sim, DAYS(3));
    ASSERT_TRUE(fake_ca_requests(sim_ca(sim), "newOrder") >= 16);
    ASSERT_TRUE(fake_ca_requests(sim_ca(sim), "newOrder") <= 22);
    sim_free(sim);
}

TEST(an_edit_ends_the_back_off)
{
    static const struct fake_ca_answer refused = {
        .status = 400, .body = PROBLEM("rejectedIdentifier", "policy forbids it")};
    struct sim *sim = sim_with_issuer();

    fake_ca_queue(sim_ca(sim), "newOrder", &refused);
    sim_apply(sim, SIM_CERTIFICATE("web", "[bad.example.com]", ""));
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Issuing"), "False");
    sim_patch(sim, "certificate/web", "{spec: {dnsNames: [good.example.com]}}");
    sim_run_until_idle(sim);
    expect_ready(sim, "certificate/web");
    sim_free(sim);
}

TEST(a_trigger_by_hand_ends_the_back_off)
{
    static const struct fake_ca_answer refused = {
        .status = 400, .body = PROBLEM("rejectedIdentifier", "policy forbids it")};
    struct sim *sim = sim_with_issuer();

    fake_ca_queue(sim_ca(sim), "newOrder", &refused);
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    sim_run_until_idle(sim);
    sim_set_condition(sim, "certificate/web", "Issuing", "True", "ManuallyTriggered", "by hand");
    sim_run_until_idle(sim);
    expect_ready(sim, "certificate/web");
    sim_free(sim);
}

/* --- our own store --- */

TEST(a_store_that_fails_now_and_then_loses_nothing)
{
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct sim_options options = {.start_ms = START, .seed = seed};
        struct sim *sim = sim_new_with(&options);

        sim_set_faults(sim, &(struct sim_faults){.store = 1500});
        sim_apply(sim, SIM_ISSUER);
        sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com, '*.example.com']", ""));
        sim_advance(sim, HOURS(2));
        sim_set_faults(sim, &(struct sim_faults){});
        sim_advance(sim, HOURS(2));
        expect_ready(sim, "certificate/web");
        ASSERT_EQ(sim_orders_finalized(sim), 1);
        ASSERT_EQ(sim_orders_placed(sim), 1); /* an order whose URL could not be stored is noted */
        sim_free(sim);
    }
}

/* What stands in the status for it must not bring the next try before its time. */
TEST(a_refusal_that_reads_differently_each_time_is_backed_off_from)
{
    struct sim *sim = sim_with_issuer();
    int before;

    sim_refuse_every_third_write(sim, true);
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    before = sim_points(sim);
    sim_advance(sim, MINUTES(10));
    ASSERT_CONTAINS(sim_message(sim, "certificate/web", "Issuing"), "denied by policy");
    ASSERT_TRUE(sim_points(sim) - before < 100);
    sim_refuse_every_third_write(sim, false);
    sim_advance(sim, MINUTES(10));
    expect_ready(sim, "certificate/web");
    sim_free(sim);
}

TEST(a_failed_name_is_not_asked_for_more_than_the_ca_allows)
{
    static const struct acme_limits limits = {.host = FAKE_CA_HOST,
                                              .orders_per_account = 300,
                                              .orders_refill_s = 36,
                                              .certs_per_domain = 50,
                                              .certs_refill_s = 12096,
                                              .certs_per_set = 5,
                                              .set_refill_s = 120960,
                                              .failures_per_name = 5,
                                              .failures_refill_s = 720};
    struct sim_options options = {.start_ms = START, .ca = {.limits = &limits}};
    struct sim *sim = sim_new_with(&options);

    sim_set_http_down(sim, true);
    sim_apply(sim, SIM_ACME_ISSUER("acme", SIM_BY_HTTP));
    sim_run_until_idle(sim);
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    for (int i = 0; i < 12; i++) { /* an impatient user */
        sim_advance(sim, MINUTES(8));
        if (streq(sim_condition(sim, "certificate/web", "Issuing"), "False"))
            sim_set_condition(sim, "certificate/web", "Issuing", "True", "ManuallyTriggered",
                              "again");
    }
    ASSERT_EQ(fake_ca_counts(sim_ca(sim))->limit_violations, 0);
    sim_set_http_down(sim, false);
    sim_advance(sim, DAYS(2));
    expect_ready(sim, "certificate/web");
    sim_free(sim);
}

/* Each re-issue is a duplicate of the same set for the CA: 5 a week. */
TEST(the_budget_of_an_exact_set_is_kept)
{
    static const struct acme_limits limits = {
        .host = FAKE_CA_HOST, .certs_per_set = 5, .set_refill_s = 120960};
    struct sim_options options = {.start_ms = START,
                                  .ca = {.limits = &limits, .no_renewal_info = true}};
    struct sim *sim = sim_new_with(&options);

    sim_apply(sim, SIM_ISSUER);
    sim_run_until_idle(sim);
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    for (int i = 0; i < 20; i++) {
        sim_run_until_idle(sim);
        if (sim_get(sim, "secret/web-tls"))
            sim_delete(sim, "secret/web-tls");
    }
    sim_run_until_idle(sim);
    ASSERT_EQ(sim_orders_finalized(sim), 5);
    ASSERT_EQ(fake_ca_counts(sim_ca(sim))->limit_violations, 0);
    ASSERT_CONTAINS(sim_message(sim, "certificate/web", "Issuing"), "not before");
    sim_restart(sim); /* the count survives */
    sim_advance(sim, HOURS(1));
    ASSERT_EQ(fake_ca_counts(sim_ca(sim))->limit_violations, 0);
    sim_advance(sim, DAYS(2));
    expect_ready(sim, "certificate/web");
    sim_free(sim);
}

/* A 409 at a deletion may be somebody else's word, not that it is gone. */
TEST(a_conflict_at_any_write_of_an_issuance_leaves_nothing_behind)
{
    int writes = 40;

    for (int n = 1; n <= writes; n++) {
        struct sim *sim = sim_new(START);
        cleanup(xfree) char *row = xasprintf("write %d", n);
        int before;

        CASE(row);
        sim_apply(sim, SIM_ISSUER);
        sim_run_until_idle(sim);
        before = sim_points(sim);
        sim_refuse_at(sim, before + n, ERR_CONFLICT);
        sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
        sim_advance(sim, MINUTES(10));
        if (n == 1)
            writes = sim_points(sim) - before;
        ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
        ASSERT_EQ(sim_orders_finalized(sim), 1);
        ASSERT_EQ(sim_count(sim, "challenge"), 0);
        ASSERT_EQ(sim_count(sim, "secret"), 2); /* the account's, and no next key */
        sim_free(sim);
    }
    ASSERT_TRUE(writes >= 17);
}

RUN_TESTS(
    cmocka_unit_test(who_asks_for_another_try_does_not_wait_for_the_end_of_a_pause),
    cmocka_unit_test(what_a_challenge_waits_for_and_until_when_stands_in_the_certificate),
    cmocka_unit_test(a_presentation_that_has_failed_is_tried_again_by_back_off_alone),
    cmocka_unit_test(an_edit_of_the_issuer_ends_the_back_off_of_a_presentation),
    cmocka_unit_test(a_conflict_at_any_write_of_an_issuance_leaves_nothing_behind),
    cmocka_unit_test(a_denied_request_is_a_failure_that_is_tried_again),
    cmocka_unit_test(nothing_is_ordered_before_somebody_has_approved),
    cmocka_unit_test(a_missing_issuer_is_waited_for),
    cmocka_unit_test(an_issuer_that_is_not_ready_says_why_on_the_certificate),
    cmocka_unit_test(a_name_without_a_solver_waits_for_one),
    cmocka_unit_test(a_challenge_that_could_not_begin_makes_room_when_its_issuer_gets_another_way),
    cmocka_unit_test(a_challenge_that_could_not_begin_stays_while_its_issuer_has_no_other_way),
    cmocka_unit_test(a_challenge_whose_solver_was_taken_out_says_so_and_goes_on_when_it_is_back),
    cmocka_unit_test(a_missing_account_key_that_must_not_be_made_is_waited_for),
    cmocka_unit_test(a_missing_tsig_secret_is_waited_for),
    cmocka_unit_test(an_invalid_spec_says_which_field),
    cmocka_unit_test(a_directory_that_is_none_names_the_field_with_its_url),
    cmocka_unit_test(a_common_name_that_acme_does_not_validate_is_no_order),
    cmocka_unit_test(a_name_that_the_ca_refuses_delays_nobody_else),
    cmocka_unit_test(a_429_with_retry_after_does_not_fail_the_order),
    cmocka_unit_test(a_429_holds_all_work_of_the_account),
    cmocka_unit_test(a_bare_429_is_backed_off_from),
    cmocka_unit_test(a_retry_after_of_nothing_is_backed_off_from),
    cmocka_unit_test(a_retry_after_of_a_year_is_not_waited_for),
    cmocka_unit_test(a_pause_shows_the_url_to_end_it),
    cmocka_unit_test(who_has_ended_a_pause_need_not_wait_for_the_next_look),
    cmocka_unit_test(a_retry_by_hand_is_one_try),
    cmocka_unit_test(a_retry_by_hand_is_for_the_order_that_comes_then),
    cmocka_unit_test(retries_by_hand_are_one_a_minute),
    cmocka_unit_test(a_storm_of_bad_nonces_is_got_over),
    cmocka_unit_test(no_transient_answer_ends_an_order),
    cmocka_unit_test(a_lost_answer_does_not_finalize_twice),
    cmocka_unit_test(a_lost_order_is_found_although_the_ca_could_not_be_asked_at_first),
    cmocka_unit_test(a_lost_order_is_found_although_the_search_has_failed_at_first),
    cmocka_unit_test(a_search_for_a_lost_order_that_always_fails_has_an_end),
    cmocka_unit_test(a_lost_order_behind_the_end_of_what_is_read_is_told),
    cmocka_unit_test(a_lost_order_is_abandoned_where_the_ca_keeps_no_list),
    cmocka_unit_test(a_lost_order_is_not_taken_from_another_certificate),
    cmocka_unit_test(an_order_that_the_ca_gives_out_twice_is_finalized_once),
    cmocka_unit_test(an_order_that_the_ca_gives_out_twice_is_inherited),
    cmocka_unit_test(many_lost_orders_are_all_found),
    cmocka_unit_test(a_lost_order_is_not_looked_for_among_ended_ones_again),
    cmocka_unit_test(an_open_order_of_another_duration_is_not_taken),
    cmocka_unit_test(an_order_that_the_ca_gives_out_twice_is_not_kept_by_who_is_stuck),
    cmocka_unit_test(a_chain_that_cannot_be_used_is_not_stored),
    cmocka_unit_test(an_account_that_the_ca_has_forgotten_is_said_and_not_replaced),
    cmocka_unit_test(an_account_that_the_ca_has_again_is_seen_within_an_hour),
    cmocka_unit_test(an_order_that_never_gets_ready_is_told_and_has_an_end),
    cmocka_unit_test(one_answer_that_the_account_does_not_exist_is_not_believed),
    cmocka_unit_test(one_answer_that_the_account_does_not_exist_does_not_fail_a_challenge),
    cmocka_unit_test(another_account_key_makes_another_account),
    cmocka_unit_test(a_failed_validation_is_a_failed_attempt_and_leaves_no_record),
    cmocka_unit_test(a_dead_name_server_is_named_and_delays_nobody_else),
    cmocka_unit_test(who_has_a_place_already_does_not_wait_for_one),
    cmocka_unit_test(who_goes_on_after_a_pause_waits_for_a_place_again),
    cmocka_unit_test(challenges_that_were_deleted_hold_no_places),
    cmocka_unit_test(names_of_one_namespace_do_not_hold_all_places),
    cmocka_unit_test(challenges_whose_issuer_or_ca_is_away_hold_no_places),
    cmocka_unit_test(a_record_that_cannot_be_taken_back_is_tried_again),
    cmocka_unit_test(what_was_never_written_keeps_no_challenge),
    cmocka_unit_test(what_may_have_been_written_keeps_its_challenge_until_it_is_taken_back),
    cmocka_unit_test(a_record_is_taken_back_however_long_the_name_server_was_away),
    cmocka_unit_test(a_deleted_certificate_leaves_no_record_after_a_long_outage),
    cmocka_unit_test(clean_up_is_given_up_after_an_hour_where_nothing_else_is_left),
    cmocka_unit_test(clean_up_is_given_up_after_a_week),
    cmocka_unit_test(clean_up_without_its_credentials_has_an_end_after_a_restart),
    cmocka_unit_test(a_challenge_that_the_ca_has_taken_already_is_not_failed_by_its_refusal),
    cmocka_unit_test(an_update_whose_answer_was_lost_is_found_again),
    cmocka_unit_test(a_failed_attempt_is_repeated_after_an_hour_and_then_twice_the_time),
    cmocka_unit_test(a_certificate_of_six_days_is_tried_again_after_minutes),
    cmocka_unit_test(an_edit_ends_the_back_off),
    cmocka_unit_test(a_trigger_by_hand_ends_the_back_off),
    cmocka_unit_test(a_store_that_fails_now_and_then_loses_nothing),
    cmocka_unit_test(a_refusal_that_reads_differently_each_time_is_backed_off_from),
    cmocka_unit_test(a_failed_name_is_not_asked_for_more_than_the_ca_allows),
    cmocka_unit_test(the_budget_of_an_exact_set_is_kept));
