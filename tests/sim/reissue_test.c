/* reissue_test.c - what makes a certificate be issued anew, and what does not. */
#include "support/sim.h"

#define START AT("2026-01-01T00:00:00Z")

static struct sim *issued_as(const char *certificate)
{
    struct sim *sim = sim_new(START);

    sim_apply(sim, SIM_ISSUER);
    sim_apply(sim, certificate);
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    ASSERT_EQ(sim_orders_finalized(sim), 1);
    return sim;
}

static struct sim *issued(void)
{
    return issued_as(SIM_CERTIFICATE("web", "[www.example.com]", ""));
}

static void expect_orders(struct sim *sim, int count)
{
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    ASSERT_NULL(sim_condition(sim, "certificate/web", "Issuing"));
    ASSERT_EQ(sim_orders_placed(sim), count);
    ASSERT_EQ(sim_orders_finalized(sim), count);
}

/* behaviour.md 2: one row per edit; `orders` is what there is in the end, the first one included. */
TEST(an_edit_of_the_spec_counts_where_the_certificate_depends_on_it)
{
    static const struct {
        const char *edit;
        int orders;
    } cases[] = {
        {"{spec: {dnsNames: [www.example.com, example.com]}}", 2},
        {"{spec: {dnsNames: [WWW.example.com]}}", 1}, /* names have no case */
        {"{spec: {dnsNames: [www.example.com, www.example.com]}}", 1},
        {"{spec: {commonName: www.example.com}}", 2},
        {"{spec: {usages: [server auth]}}", 2},
        {"{spec: {usages: [key encipherment, digital signature]}}", 1}, /* the default */
        {"{spec: {duration: 2000h}}", 1}, /* not compared when it was not set before */
        {"{spec: {privateKey: {size: 384}}}", 2},
        {"{spec: {privateKey: {algorithm: Ed25519, size: null}}}", 2},
        {"{spec: {privateKey: {rotationPolicy: Never}}}", 1},
        {"{spec: {renewBefore: 100h}}", 1},
        {"{spec: {revisionHistoryLimit: 5}}", 1},
        {"{spec: {secretTemplate: {labels: {a: b}}}}", 1},
        {"{spec: {additionalOutputFormats: [{type: DER}]}}", 1},
        {"{spec: {encodeUsagesInRequest: false}}", 1},
        {"{spec: {issuerRef: {kind: Issuer}}}", 1}, /* said what was meant already */
        {"{spec: {subject: {organizations: [Example]}}}", 2},
        {"{spec: {literalSubject: 'O=Example, CN=www.example.com'}}", 2},
        {"{spec: {otherNames: [{oid: 1.2.3, utf8Value: a}]}}", 2},
        {"{spec: {secretName: other-tls}}", 2},
        {"{metadata: {labels: {a: b}}}", 1},
        {"{metadata: {annotations: {example.com/a: b}}}", 1},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sim *sim = issued();

        CASE(cases[i].edit);
        sim_patch(sim, "certificate/web", cases[i].edit);
        expect_orders(sim, cases[i].orders);
        sim_advance(sim, DAYS(1));
        expect_orders(sim, cases[i].orders);
        sim_free(sim);
    }
}

TEST(a_spec_that_cannot_be_used_is_told_of_once_for_each_edit)
{
    static const char *const edits[] = {
        "{spec: {literalSubject: no name}}",
        "{spec: {literalSubject: no name, renewBefore: 100h}}",
        "{spec: {literalSubject: neither}}",
    };
    struct sim *sim = issued();

    for (size_t i = 0; i < ARRAY_LEN(edits); i++) {
        sim_patch(sim, "certificate/web", edits[i]);
        sim_run_until_idle(sim);
        ASSERT_STREQ(sim_reason(sim, "certificate/web", "Ready"), "InvalidSpec");
        sim_patch(sim, "certificate/web", "{metadata: {labels: {looked: again}}}");
        sim_advance(sim, HOURS(12));
        sim_restart(sim);
        sim_run_until_idle(sim);
        ASSERT_EQ(sim_times_told(sim, "certificate/web", "InvalidSpec"), (int)i + 1);
    }
    sim_free(sim);
}

TEST(another_issuer_issues_anew)
{
    struct sim *sim = issued();

    sim_apply(sim, SIM_ACME_ISSUER("second", SIM_BY_HTTP));
    sim_patch(sim, "certificate/web", "{spec: {issuerRef: {name: second}}}");
    expect_orders(sim, 2);
    ASSERT_STREQ(json_get_text(json_path(sim_get(sim, "secret/web-tls"), "metadata.annotations"),
                               "cert-manager.io/issuer-name"),
                 "second");
    sim_free(sim);
}

TEST(an_edit_while_it_is_issued_starts_over_with_one_order_more)
{
    struct sim *sim = sim_new(START);

    fake_dns_set_late(sim_dns(sim), "example.com", MINUTES(2));
    sim_apply(sim, SIM_ISSUER);
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    sim_advance(sim, SECONDS(30));
    sim_patch(sim, "certificate/web", "{spec: {dnsNames: [mail.example.com]}}");
    sim_advance(sim, MINUTES(5));
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    ASSERT_EQ(sim_orders_placed(sim), 2);
    ASSERT_EQ(sim_orders_finalized(sim), 1);
    ASSERT_EQ(fake_dns_count(sim_dns(sim)), 0);
    sim_free(sim);
}

/* The request is what was approved; what else the Issuer asks for counts from the next order on. */
TEST(an_edit_of_the_issuer_while_it_is_issued_fails_no_order)
{
    static const struct fake_ca_profile profiles[] = {
        {.name = "short", .description = "six days", .lifetime_ms = DAYS(6)}};
    static const char *const edits[] = {"spec: {acme: {profile: short}}",
                                        "spec: {acme: {enableDurationFeature: true}}"};

    for (size_t i = 0; i < ARRAY_LEN(edits); i++) {
        struct sim_options options = {
            .start_ms = START, .ca = {.profiles = profiles, .profile_count = ARRAY_LEN(profiles)}};
        struct sim *sim = sim_new_with(&options);

        CASE(edits[i]);
        fake_dns_set_late(sim_dns(sim), "example.com", MINUTES(2));
        sim_apply(sim, SIM_ISSUER);
        sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", "  duration: 240h\n"));
        sim_advance(sim, SECONDS(30));
        ASSERT_EQ(sim_orders_placed(sim), 1);
        sim_patch(sim, "issuer/acme", edits[i]);
        sim_advance(sim, MINUTES(10));
        ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
        ASSERT_NULL(sim_text(sim, "certificate/web", "status.failedIssuanceAttempts"));
        ASSERT_EQ(sim_orders_placed(sim), 1);
        sim_free(sim);
    }
}

TEST(an_edit_of_key_settings_while_it_is_issued_makes_another_key)
{
    struct sim *sim = sim_new(START);

    fake_dns_set_late(sim_dns(sim), "example.com", MINUTES(2));
    sim_apply(sim, SIM_ISSUER);
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    sim_advance(sim, SECONDS(30));
    sim_patch(sim, "certificate/web", "{spec: {privateKey: {size: 384}}}");
    sim_advance(sim, MINUTES(5));
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    ASSERT_EQ(sim_orders_finalized(sim), 1);
    sim_free(sim);
}

TEST(a_deleted_secret_is_issued_anew)
{
    struct sim *sim = issued();

    sim_delete(sim, "secret/web-tls");
    expect_orders(sim, 2);
    sim_free(sim);
}

TEST(a_damaged_secret_is_issued_anew)
{
    static const char *const damages[] = {
        "{data: {tls.key: ''}}",
        "{data: {tls.key: bm90aGluZw==}}",
        "{data: {tls.crt: bm90aGluZw==}}",
        "{data: {tls.crt: ''}}",
        "{metadata: {annotations: {cert-manager.io/issuer-name: other}}}",
    };

    for (size_t i = 0; i < ARRAY_LEN(damages); i++) {
        struct sim *sim = issued();

        CASE(damages[i]);
        sim_patch(sim, "secret/web-tls", damages[i]);
        expect_orders(sim, 2);
        sim_free(sim);
    }
}

/* Set by `certlet renew` and cmctl. */
TEST(a_renewal_by_hand_is_one_order)
{
    struct sim *sim = issued();

    sim_set_condition(sim, "certificate/web", "Issuing", "True", "ManuallyTriggered",
                      "Certificate re-issuance manually triggered");
    expect_orders(sim, 2);
    sim_free(sim);
}

/* --- begun, and needed no more --- */

static void expect_called_off(struct sim *sim, const char *chain)
{
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Issuing"), "False");
    ASSERT_STREQ(sim_reason(sim, "certificate/web", "Issuing"), "CalledOff");
    ASSERT_NULL(sim_text(sim, "certificate/web", "status.nextPrivateKeySecretName"));
    ASSERT_STREQ(sim_secret(sim, "web-tls", "tls.crt"), chain);
    ASSERT_EQ(sim_count(sim, "secret"), 2); /* the other one is the account's */
    ASSERT_EQ(sim_orders_placed(sim), 1);
}

/* As tools for backups may do it. */
TEST(a_certificate_that_is_restored_before_its_secret_and_its_issuer_is_kept)
{
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct sim_options options = {
            .start_ms = START, .seed = seed, .split_secrets = seed % 2 == 0};
        struct sim *sim = sim_new_with(&options);
        cleanup(xfree) char *secret = NULL, *chain = NULL;

        sim_apply(sim, SIM_ISSUER);
        sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
        expect_orders(sim, 1);
        secret = sim_backup(sim, "secret/web-tls");
        chain = xstrdup(sim_secret(sim, "web-tls", "tls.crt"));
        sim_delete(sim, "certificate/web");
        sim_delete(sim, "secret/web-tls");
        sim_delete(sim, "issuer/acme");
        sim_run_until_idle(sim);

        sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
        sim_run_until_idle(sim);
        ASSERT_STREQ(sim_reason(sim, "certificate/web", "Issuing"), "DoesNotExist");
        ASSERT_EQ(sim_count(sim, "certificaterequest"), 1);
        sim_apply(sim, secret);
        sim_run_until_idle(sim);
        ASSERT_EQ(sim_count(sim, "certificaterequest"), 0);
        sim_apply(sim, SIM_ISSUER);
        sim_advance(sim, DAYS(1));
        expect_called_off(sim, chain);
        sim_advance(sim, DAYS(60));
        expect_orders(sim, 2);
        sim_free(sim);
    }
}

TEST(an_edit_that_is_taken_back_before_anybody_was_asked_issues_nothing)
{
    static const struct {
        const char *edit, *back;
    } rows[] = {
        {"{spec: {issuerRef: {name: nope}}}", "{spec: {issuerRef: {name: acme}}}"},
        {"{spec: {privateKey: {size: 384}}}", "{spec: {privateKey: {size: 256}}}"},
        {"{spec: {issuerRef: {name: nope}, dnsNames: [a.example.com], revisionHistoryLimit: 5}}",
         "{spec: {issuerRef: {name: acme}, dnsNames: [www.example.com]}}"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sim *sim = issued();
        cleanup(xfree) char *chain = xstrdup(sim_secret(sim, "web-tls", "tls.crt"));

        CASE(rows[i].edit);
        sim_patch(sim, "certificate/web", "{spec: {privateKey: {rotationPolicy: Never}}}");
        sim_run_until_idle(sim);
        for (int times = 0; times < 3; times++) {
            sim_patch(sim, "certificate/web", rows[i].edit);
            sim_advance(sim, MINUTES(10));
            ASSERT_STREQ(sim_condition(sim, "certificate/web", "Issuing"), "True");
            sim_patch(sim, "certificate/web", rows[i].back);
            sim_run_until_idle(sim);
            expect_called_off(sim, chain);
            ASSERT_EQ(sim_count(sim, "certificaterequest"), 1);
        }
        ASSERT_STREQ(sim_text(sim, "certificate/web", "status.revision"), "1");
        sim_free(sim);
    }
}

TEST(a_renewal_by_hand_is_never_called_off)
{
    struct sim *sim = issued();

    sim_delete(sim, "issuer/acme");
    sim_run_until_idle(sim);
    sim_set_condition(sim, "certificate/web", "Issuing", "True", "ManuallyTriggered", "by hand");
    sim_advance(sim, MINUTES(10));
    sim_patch(sim, "certificate/web", "{spec: {privateKey: {rotationPolicy: Never, size: 384}}}");
    sim_advance(sim, MINUTES(10));
    ASSERT_CONTAINS(sim_message(sim, "certificate/web", "Issuing"), "by hand (waiting: spec.priv");
    sim_patch(sim, "certificate/web", "{spec: {privateKey: {size: 256}}}");
    sim_advance(sim, MINUTES(10));
    ASSERT_STREQ(sim_reason(sim, "certificate/web", "Issuing"), "ManuallyTriggered");
    ASSERT_CONTAINS(sim_message(sim, "certificate/web", "Issuing"), "Issuer 'acme'");
    sim_apply(sim, SIM_ISSUER);
    expect_orders(sim, 2);
    sim_free(sim);
}

/* The CA has it, and what it comes to is taken. */
TEST(an_order_that_is_placed_goes_on_though_the_secret_is_there_again)
{
    struct sim *sim = issued();
    cleanup(xfree) char *secret = sim_backup(sim, "secret/web-tls");

    fake_dns_set_late(sim_dns(sim), "example.com", MINUTES(5));
    sim_delete(sim, "secret/web-tls");
    sim_advance(sim, SECONDS(30));
    ASSERT_EQ(sim_orders_placed(sim), 2);
    sim_apply(sim, secret);
    sim_advance(sim, MINUTES(10));
    expect_orders(sim, 2);
    ASSERT_STREQ(sim_text(sim, "certificate/web", "status.revision"), "2");
    sim_free(sim);
}

/* Threat model 2026, T-05: keys that are used again. */
TEST(a_renewal_makes_a_new_key_by_default)
{
    struct sim *sim = issued();
    const char *before = sim_secret(sim, "web-tls", "tls.key");

    sim_advance(sim, DAYS(61));
    ASSERT_EQ(sim_orders_finalized(sim), 2);
    ASSERT_FALSE(streq(sim_secret(sim, "web-tls", "tls.key"), before));
    sim_free(sim);
}

TEST(rotation_policy_never_keeps_the_key)
{
    struct sim *sim = issued();
    const char *before = sim_secret(sim, "web-tls", "tls.key");

    sim_patch(sim, "certificate/web", "{spec: {privateKey: {rotationPolicy: Never}}}");
    sim_advance(sim, DAYS(61));
    ASSERT_EQ(sim_orders_finalized(sim), 2);
    ASSERT_STREQ(sim_secret(sim, "web-tls", "tls.key"), before);
    sim_free(sim);
}

/* behaviour.md 1.2: the old key does not do, and a new one is not allowed. */
TEST(rotation_policy_never_with_other_key_settings_says_what_to_do)
{
    struct sim *sim = issued();

    sim_patch(sim, "certificate/web", "{spec: {privateKey: {rotationPolicy: Never, size: 384}}}");
    sim_run_until_idle(sim);
    ASSERT_CONTAINS(sim_message(sim, "certificate/web", "Issuing"), "delete the Secret");
    ASSERT_EQ(sim_orders_placed(sim), 1);
    sim_patch(sim, "certificate/web", "{metadata: {labels: {looked: again}}}");
    sim_advance(sim, HOURS(12));
    sim_restart(sim);
    sim_run_until_idle(sim);
    ASSERT_EQ(sim_times_told(sim, "certificate/web", "CannotRegenerateKey"), 1);
    sim_patch(sim, "certificate/web", "{spec: {privateKey: {size: 521}}}");
    sim_run_until_idle(sim);
    ASSERT_EQ(sim_times_told(sim, "certificate/web", "CannotRegenerateKey"), 2);
    sim_delete(sim, "secret/web-tls");
    expect_orders(sim, 2);
    sim_free(sim);
}

TEST(rotation_policy_never_with_a_key_that_cannot_be_read_says_that_another_is_made)
{
    static const char *const policies[] = {"Never", "Always"};

    for (size_t i = 0; i < ARRAY_LEN(policies); i++) {
        struct sim *sim = issued();
        cleanup(xfree) char *patch = xasprintf("{spec: {privateKey: {rotationPolicy: %s}}}",
                                               policies[i]);

        CASE(policies[i]);
        sim_patch(sim, "certificate/web", patch);
        sim_patch(sim, "secret/web-tls", "{data: {tls.key: bm90aGluZw==}}");
        expect_orders(sim, 2);
        ASSERT_EQ(sim_times_told(sim, "certificate/web", "DecodeFailed"), i == 0);
        sim_free(sim);
    }
}

/* --- metadata and formats: repaired, not issued anew (behaviour.md 2.4) --- */

static const char *label(struct sim *sim, const char *key)
{
    return json_get_text(json_path(sim_get(sim, "secret/web-tls"), "metadata.labels"), key);
}

static const char *annotation(struct sim *sim, const char *key)
{
    return json_get_text(json_path(sim_get(sim, "secret/web-tls"), "metadata.annotations"), key);
}

TEST(labels_and_annotations_of_the_template_come_and_go)
{
    struct sim *sim = issued_as(
        SIM_CERTIFICATE("web", "[www.example.com]",
                        "  secretTemplate: {labels: {a: b}, annotations: {example.com/c: d}}\n"));

    ASSERT_STREQ(label(sim, "a"), "b");
    ASSERT_STREQ(annotation(sim, "example.com/c"), "d");
    sim_patch(sim, "secret/web-tls", "{metadata: {labels: {foreign: f}}}");
    sim_patch(sim, "certificate/web",
              "{spec: {secretTemplate: {labels: {a: null, e: f}, annotations: null}}}");
    expect_orders(sim, 1);
    ASSERT_NULL(label(sim, "a"));
    ASSERT_STREQ(label(sim, "e"), "f");
    ASSERT_NULL(annotation(sim, "example.com/c"));
    ASSERT_STREQ(label(sim, "foreign"), "f");
    sim_patch(sim, "certificate/web", "{spec: {secretTemplate: null}}");
    expect_orders(sim, 1);
    ASSERT_NULL(label(sim, "e"));
    ASSERT_STREQ(label(sim, "foreign"), "f");
    sim_free(sim);
}

/* Labels that mean something to us: the Secret is neither taken for another one nor written without end. */
TEST(a_template_may_have_labels_of_ours)
{
    struct sim_options options = {.start_ms = START, .owner_ref = true};
    struct sim *sim = sim_new_with(&options);

    sim_apply(sim, SIM_ISSUER);
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]",
                                   "  secretTemplate:\n    labels:\n"
                                   "      controller.cert-manager.io/fao: other\n"
                                   "      cert-manager.io/next-private-key: 'true'\n"));
    expect_orders(sim, 1);
    ASSERT_STREQ(label(sim, "controller.cert-manager.io/fao"), "true");
    ASSERT_STREQ(label(sim, "cert-manager.io/next-private-key"), "true");
    sim_advance(sim, DAYS(1));
    expect_orders(sim, 1);
    sim_set_condition(sim, "certificate/web", "Issuing", "True", "ManuallyTriggered", "by hand");
    expect_orders(sim, 2);
    sim_free(sim);
}

TEST(metadata_that_somebody_changed_is_set_back)
{
    struct sim *sim = issued();

    sim_patch(sim, "secret/web-tls",
              "{metadata: {labels: {controller.cert-manager.io/fao: null}, annotations: "
              "{cert-manager.io/alt-names: wrong.example.com}}}");
    expect_orders(sim, 1);
    ASSERT_STREQ(label(sim, "controller.cert-manager.io/fao"), "true");
    ASSERT_STREQ(annotation(sim, "cert-manager.io/alt-names"), "www.example.com");
    sim_free(sim);
}

TEST(output_formats_come_and_go)
{
    struct sim *sim = issued();
    cleanup(xfree) char *combined = NULL;

    sim_patch(sim, "certificate/web",
              "{spec: {additionalOutputFormats: [{type: DER}, {type: CombinedPEM}]}}");
    expect_orders(sim, 1);
    combined = xasprintf("%s\n%s", sim_secret(sim, "web-tls", "tls.key"),
                         sim_secret(sim, "web-tls", "tls.crt"));
    ASSERT_STREQ(sim_secret(sim, "web-tls", "tls-combined.pem"), combined);
    ASSERT_TRUE(sim_secret(sim, "web-tls", "key.der") != NULL);
    sim_patch(sim, "certificate/web", "{spec: {additionalOutputFormats: null}}");
    expect_orders(sim, 1);
    ASSERT_NULL(sim_secret(sim, "web-tls", "tls-combined.pem"));
    ASSERT_NULL(sim_secret(sim, "web-tls", "key.der"));
    sim_free(sim);
}

TEST(data_of_others_in_the_secret_is_left_alone)
{
    struct sim *sim = issued();

    sim_patch(sim, "secret/web-tls", "{data: {dhparam.pem: YQ==}}");
    sim_advance(sim, DAYS(61));
    ASSERT_EQ(sim_orders_finalized(sim), 2);
    ASSERT_STREQ(sim_secret(sim, "web-tls", "dhparam.pem"), "a");
    sim_free(sim);
}

TEST(the_history_keeps_as_many_requests_as_it_says)
{
    struct sim *sim = issued_as(
        SIM_CERTIFICATE("web", "[www.example.com]", "  revisionHistoryLimit: 3\n"));

    sim_advance(sim, DAYS(61 * 5));
    ASSERT_STREQ(sim_text(sim, "certificate/web", "status.revision"), "6");
    ASSERT_EQ(sim_count(sim, "certificaterequest"), 3);
    ASSERT_TRUE(sim_get(sim, "certificaterequest/web-6") != NULL);
    ASSERT_NULL(sim_get(sim, "certificaterequest/web-3"));
    sim_patch(sim, "certificate/web", "{spec: {revisionHistoryLimit: 1}}");
    sim_run_until_idle(sim);
    ASSERT_EQ(sim_count(sim, "certificaterequest"), 1);
    sim_free(sim);
}

/* --- who owns a Secret --- */

TEST(of_two_certificates_that_name_one_secret_the_first_has_it)
{
    struct sim *sim = issued();

    sim_apply(sim, SIM_CERTIFICATE("web2", "[mail.example.com]", ""));
    sim_patch(sim, "certificate/web2", "{spec: {secretName: web-tls}}");
    sim_advance(sim, DAYS(1));
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    ASSERT_STREQ(sim_reason(sim, "certificate/web2", "Ready"), "DuplicateSecretName");
    ASSERT_CONTAINS(sim_message(sim, "certificate/web2", "Ready"), "'web'");
    ASSERT_STREQ(annotation(sim, "cert-manager.io/certificate-name"), "web");
    sim_patch(sim, "certificate/web2", "{spec: {secretName: web2-tls}}");
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_condition(sim, "certificate/web2", "Ready"), "True");
    sim_free(sim);
}

TEST(a_secret_is_taken_over_when_its_certificate_is_gone)
{
    struct sim *sim = issued();

    sim_apply(sim, SIM_CERTIFICATE("web2", "[www.example.com]", "  renewBefore: 300h\n"));
    sim_patch(sim, "certificate/web2", "{spec: {secretName: web-tls}}");
    sim_advance(sim, MINUTES(10));
    ASSERT_STREQ(sim_condition(sim, "certificate/web2", "Ready"), "False");
    sim_delete(sim, "certificate/web");
    sim_advance(sim, MINUTES(5));
    ASSERT_STREQ(sim_condition(sim, "certificate/web2", "Ready"), "True");
    ASSERT_STREQ(annotation(sim, "cert-manager.io/certificate-name"), "web2");
    sim_free(sim);
}

/* Nothing else may happen for hours that would have it look again. */
TEST(a_certificate_whose_secret_is_named_again_by_its_owner_says_so_at_once)
{
    struct sim *sim = issued();

    sim_apply(sim, SIM_CERTIFICATE("web2", "[mail.example.com]", ""));
    sim_patch(sim, "certificate/web2", "{spec: {secretName: web-tls}}");
    sim_run_until_idle(sim);
    sim_set_ca_down(sim, true);
    sim_patch(sim, "certificate/web", "{spec: {secretName: other-tls}}");
    sim_advance(sim, MINUTES(10));
    ASSERT_STREQ(sim_condition(sim, "certificate/web2", "Issuing"), "True");
    sim_patch(sim, "certificate/web", "{spec: {secretName: web-tls}}");
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_reason(sim, "certificate/web2", "Ready"), "DuplicateSecretName");
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    sim_set_ca_down(sim, false);
    sim_free(sim);
}

/* As a crash behind the end of an issuance leaves it, with an edit before the next start. */
TEST(a_certificate_whose_secret_is_anothers_keeps_no_next_key)
{
    struct sim *sim = issued();
    cleanup(xfree) char *key = NULL;

    sim_apply(sim, SIM_CERTIFICATE("web2", "[mail.example.com]", ""));
    sim_patch(sim, "certificate/web2", "{spec: {secretName: web-tls}}");
    sim_run_until_idle(sim);
    key = xasprintf("apiVersion: v1\nkind: Secret\nmetadata:\n  name: web2-left\n"
                    "  labels: {cert-manager.io/next-private-key: 'true'}\n"
                    "  ownerReferences: [{apiVersion: cert-manager.io/v1, kind: Certificate, "
                    "name: web2, uid: %s, controller: true}]\n",
                    sim_text(sim, "certificate/web2", "metadata.uid"));
    sim_apply(sim, key);
    sim_run_until_idle(sim);
    ASSERT_NULL(sim_get(sim, "secret/web2-left"));
    sim_free(sim);
}

/* users.md row 3: two writers must not issue against each other without end. */
TEST(a_writer_that_fights_for_the_secret_is_named_and_not_fought)
{
    struct sim *sim = issued();
    cleanup(xfree) char *foreign = NULL, *saved_key = NULL;

    sim_apply(sim, SIM_CERTIFICATE("other", "[other.example.com]", ""));
    sim_run_until_idle(sim);
    saved_key = xstrdup(sim_text(sim, "secret/other-tls", "data"));
    foreign = xasprintf("{\"data\": %s}", saved_key);
    for (int i = 0; i < 20; i++) {
        sim_patch(sim, "secret/web-tls", foreign);
        sim_advance(sim, MINUTES(1));
    }
    ASSERT_TRUE(sim_orders_placed(sim) <= 2 + 3);
    ASSERT_CONTAINS(sim_message(sim, "certificate/web", "Ready"), "kubectl");
    sim_advance(sim, HOURS(3)); /* it has stopped */
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    sim_free(sim);
}

/* Left alone from the second time on: two orders, the first one included. */
static struct sim *overwritten_twice(void)
{
    struct sim *sim = issued();

    for (int i = 0; i < 2; i++) {
        sim_patch(sim, "secret/web-tls", "{data: {tls.crt: bm9uZQ==, tls.key: bm9uZQ==}}");
        sim_run_until_idle(sim);
    }
    ASSERT_STREQ(sim_reason(sim, "certificate/web", "Ready"), "SecretOverwritten");
    ASSERT_EQ(sim_orders_placed(sim), 2);
    return sim;
}

TEST(a_secret_that_is_left_alone_is_told_of_once_and_stays_so_over_a_restart)
{
    struct sim *sim = overwritten_twice();

    ASSERT_EQ(sim_times_told(sim, "certificate/web", "SecretOverwritten"), 1);
    sim_advance(sim, MINUTES(30));
    sim_restart(sim);
    sim_advance(sim, MINUTES(25));
    ASSERT_STREQ(sim_reason(sim, "certificate/web", "Ready"), "SecretOverwritten");
    ASSERT_EQ(sim_orders_placed(sim), 2);
    ASSERT_EQ(sim_times_told(sim, "certificate/web", "SecretOverwritten"), 1);
    sim_advance(sim, MINUTES(10));
    expect_orders(sim, 3);
    sim_free(sim);
}

/* Also when another process made the note. */
TEST(an_edit_or_a_renewal_by_hand_or_the_end_of_the_secret_ends_that_it_is_left_alone)
{
    for (int i = 0; i < 6; i++) {
        struct sim *sim = overwritten_twice();

        if (i % 2)
            sim_restart(sim);
        sim_run_until_idle(sim);
        ASSERT_EQ(sim_orders_placed(sim), 2);
        if (i / 2 == 0)
            sim_patch(sim, "certificate/web", "{spec: {renewBefore: 100h}}");
        else if (i / 2 == 1)
            sim_set_condition(sim, "certificate/web", "Issuing", "True", "ManuallyTriggered", "");
        else
            sim_delete(sim, "secret/web-tls");
        expect_orders(sim, 3);
        sim_free(sim);
    }
}

RUN_TESTS(cmocka_unit_test(a_certificate_that_is_restored_before_its_secret_and_its_issuer_is_kept),
          cmocka_unit_test(an_edit_that_is_taken_back_before_anybody_was_asked_issues_nothing),
          cmocka_unit_test(
              rotation_policy_never_with_a_key_that_cannot_be_read_says_that_another_is_made),
          cmocka_unit_test(a_renewal_by_hand_is_never_called_off),
          cmocka_unit_test(an_order_that_is_placed_goes_on_though_the_secret_is_there_again),
          cmocka_unit_test(an_edit_of_the_spec_counts_where_the_certificate_depends_on_it),
          cmocka_unit_test(a_spec_that_cannot_be_used_is_told_of_once_for_each_edit),
          cmocka_unit_test(another_issuer_issues_anew),
          cmocka_unit_test(an_edit_while_it_is_issued_starts_over_with_one_order_more),
          cmocka_unit_test(an_edit_of_the_issuer_while_it_is_issued_fails_no_order),
          cmocka_unit_test(an_edit_of_key_settings_while_it_is_issued_makes_another_key),
          cmocka_unit_test(a_deleted_secret_is_issued_anew),
          cmocka_unit_test(a_damaged_secret_is_issued_anew),
          cmocka_unit_test(a_renewal_by_hand_is_one_order),
          cmocka_unit_test(a_renewal_makes_a_new_key_by_default),
          cmocka_unit_test(rotation_policy_never_keeps_the_key),
          cmocka_unit_test(rotation_policy_never_with_other_key_settings_says_what_to_do),
          cmocka_unit_test(labels_and_annotations_of_the_template_come_and_go),
          cmocka_unit_test(a_template_may_have_labels_of_ours),
          cmocka_unit_test(metadata_that_somebody_changed_is_set_back),
          cmocka_unit_test(output_formats_come_and_go),
          cmocka_unit_test(data_of_others_in_the_secret_is_left_alone),
          cmocka_unit_test(the_history_keeps_as_many_requests_as_it_says),
          cmocka_unit_test(of_two_certificates_that_name_one_secret_the_first_has_it),
          cmocka_unit_test(a_secret_is_taken_over_when_its_certificate_is_gone),
          cmocka_unit_test(a_certificate_whose_secret_is_named_again_by_its_owner_says_so_at_once),
          cmocka_unit_test(a_certificate_whose_secret_is_anothers_keeps_no_next_key),
          cmocka_unit_test(a_writer_that_fights_for_the_secret_is_named_and_not_fought),
          cmocka_unit_test(a_secret_that_is_left_alone_is_told_of_once_and_stays_so_over_a_restart),
          cmocka_unit_test(
              an_edit_or_a_renewal_by_hand_or_the_end_of_the_secret_ends_that_it_is_left_alone));
