/* keystores_test.c - key stores in target Secrets: when they are made, and what they wait for. */
#include <stdio.h>

#include "support/sim.h"

#define START AT("2026-01-01T00:00:00Z")

#define ISSUER(name, spec)                                                                         \
    "---\napiVersion: cert-manager.io/v1\nkind: Issuer\nmetadata: {name: " name                    \
    ", namespace: default}\nspec: {" spec "}\n"
/* `more`: further lines of the spec. */
#define CERTIFICATE(name, issuer, more)                                                            \
    "---\napiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: " name               \
    ", namespace: default}\nspec:\n  secretName: " name "-tls\n  issuerRef: {name: " issuer        \
    "}\n  privateKey: {algorithm: ECDSA, size: 256}\n" more
#define ROOT       CERTIFICATE("root", "self", "  isCA: true\n  commonName: root\n")
#define LEAF(more) CERTIFICATE("web", "ca", "  dnsNames: [www.example.com]\n" more)
/* Profiles that every OpenSSL can make. */
#define LITERAL                                                                                    \
    "  keystores:\n    jks: {create: true, password: changeit}\n"                                  \
    "    pkcs12: {create: true, profile: Modern2023, password: changeit}\n"
#define BY_REFERENCE                                                                               \
    "  keystores:\n    jks: {create: true, passwordSecretRef: {name: passwords, key: jks}}\n"
#define NO_STORES "spec: {keystores: null}\n"
/* `data`: YAML flow. */
#define PASSWORDS(data)                                                                            \
    "apiVersion: v1\nkind: Secret\nmetadata: {name: passwords, namespace: default}\n"              \
    "stringData: {" data "}\n"

static const char *const entries[] = {"keystore.jks", "truststore.jks", "keystore.p12",
                                      "truststore.p12"};

static struct sim *sim_with_ca(bool split_secrets)
{
    struct sim *sim = sim_new_with(
        &(struct sim_options){.start_ms = START, .split_secrets = split_secrets});

    sim_apply(sim, ISSUER("self", "selfSigned: {}"));
    sim_apply(sim, ROOT);
    sim_apply(sim, ISSUER("ca", "ca: {secretName: root-tls}"));
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_condition(sim, "issuer/ca", "Ready"), "True");
    return sim;
}

/* As it is stored, in base64; NULL: it is not there. */
static const char *store_of(struct sim *sim, const char *entry)
{
    const struct json *secret = sim_get(sim, "secret/web-tls");

    return secret ? json_get_text(json_get(secret, "data"), entry) : NULL;
}

static void check_stores(struct sim *sim, bool jks, bool pkcs12)
{
    for (size_t i = 0; i < ARRAY_LEN(entries); i++) {
        bool wanted = strstr(entries[i], "jks") ? jks : pkcs12;

        CASE(entries[i]);
        ASSERT_EQ(store_of(sim, entries[i]) != NULL, wanted);
    }
    CASE("");
}

static const char *version_of(struct sim *sim)
{
    return sim_text(sim, "secret/web-tls", "metadata.resourceVersion");
}

static void check_ready(struct sim *sim, const char *revision)
{
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Issuing"), NULL);
    ASSERT_STREQ(sim_text(sim, "certificate/web", "status.revision"), revision);
}

TEST(stores_come_and_go_with_the_spec_and_no_new_certificate)
{
    struct sim *sim = sim_with_ca(true);
    const char *leaf;

    sim_apply(sim, LEAF(""));
    sim_run_until_idle(sim);
    check_stores(sim, false, false);
    leaf = sim_secret(sim, "web-tls", "tls.crt");
    sim_apply(sim, LEAF(LITERAL));
    sim_run_until_idle(sim);
    check_stores(sim, true, true);
    sim_patch(sim, "certificate/web", "spec: {keystores: {jks: {create: false}}}\n");
    sim_run_until_idle(sim);
    check_stores(sim, false, true);
    sim_patch(sim, "certificate/web", NO_STORES);
    sim_run_until_idle(sim);
    check_stores(sim, false, false);
    check_ready(sim, "1");
    ASSERT_STREQ(sim_secret(sim, "web-tls", "tls.crt"), leaf);
    sim_free(sim);
}

TEST(a_store_stays_as_it_is_until_the_next_certificate)
{
    struct sim *sim = sim_with_ca(false);
    const char *before[ARRAY_LEN(entries)], *version;

    sim_apply(sim, LEAF(LITERAL));
    sim_run_until_idle(sim);
    for (size_t i = 0; i < ARRAY_LEN(entries); i++)
        before[i] = store_of(sim, entries[i]);
    version = version_of(sim);

    /* Nothing happened, here or by another process. */
    sim_restart(sim);
    sim_run_until_idle(sim);
    sim_advance(sim, DAYS(2));
    ASSERT_STREQ(version_of(sim), version);

    /* Password, alias and profile are for the next one (as in cert-manager; ours says so of all three). */
    sim_patch(
        sim, "certificate/web",
        "spec: {keystores: {jks: {password: other, alias: other}, pkcs12: {profile: LegacyDES}}}\n");
    sim_run_until_idle(sim);
    ASSERT_STREQ(version_of(sim), version);

    /* What else is put right leaves them alone. */
    sim_patch(sim, "certificate/web", "spec: {secretTemplate: {labels: {team: web}}}\n");
    sim_run_until_idle(sim);
    ASSERT_TRUE(!streq(version_of(sim), version));
    for (size_t i = 0; i < ARRAY_LEN(entries); i++)
        ASSERT_STREQ(store_of(sim, entries[i]), before[i]);

    sim_set_condition(sim, "certificate/web", "Issuing", "True", "ManuallyTriggered", "by hand");
    sim_run_until_idle(sim);
    check_ready(sim, "2");
    for (size_t i = 0; i < ARRAY_LEN(entries); i++)
        ASSERT_TRUE(!streq(store_of(sim, entries[i]), before[i]));
    sim_free(sim);
}

TEST(what_somebody_takes_away_or_overwrites_is_made_again)
{
    static const char *const rows[] = {"data: {keystore.jks: null}\n",
                                       "data: {keystore.jks: QUJD}\n",
                                       "data: {keystore.jks: ''}\n"};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sim *sim = sim_with_ca(i % 2);
        const char *other, *now;

        sim_apply(sim, LEAF(LITERAL));
        sim_run_until_idle(sim);
        other = store_of(sim, "keystore.p12");
        sim_patch(sim, "secret/web-tls", rows[i]);
        sim_run_until_idle(sim);
        now = store_of(sim, "keystore.jks");
        CASE(rows[i]);
        ASSERT_TRUE(now && strlen(now) > 100);
        ASSERT_STREQ(store_of(sim, "keystore.p12"), other);
        check_ready(sim, "1");
        sim_free(sim);
    }
}

static void check_waits(struct sim *sim, const char *words)
{
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Issuing"), "True");
    ASSERT_CONTAINS(sim_message(sim, "certificate/web", "Issuing"), words);
    ASSERT_TRUE(sim_has_event(sim, "certificate/web", "KeystorePasswordSecretNotFound"));
    ASSERT_FALSE(sim_has_event(sim, "certificate/web", "RequestFailed"));
    ASSERT_TRUE(sim_get(sim, "secret/web-tls") == NULL);
    /* It has been signed, and waits here. */
    ASSERT_STREQ(sim_reason(sim, "certificaterequest/web-1", "Ready"), "Issued");
}

static void check_password_comes(struct sim *sim, const char *first, const char *words)
{
    if (first)
        sim_apply(sim, first);
    sim_apply(sim, LEAF(BY_REFERENCE));
    sim_run_until_idle(sim);
    check_waits(sim, words);
    ASSERT_EQ(sim_count(sim, "certificaterequest"), 2);
    sim_apply(sim, PASSWORDS("jks: changeit"));
    sim_run_until_idle(sim);
    check_ready(sim, "1");
    check_stores(sim, true, false);
    ASSERT_EQ(sim_count(sim, "certificaterequest"), 2);
}

TEST(an_issued_certificate_waits_for_its_password)
{
    static const struct {
        const char *name, *first, *words;
    } rows[] = {
        {"no Secret", NULL,
         "spec.keystores.jks.passwordSecretRef: secret 'default/passwords' does not exist"},
        {"no key in it", PASSWORDS("pkcs12: changeit"), "has no key 'jks'"},
        {"an empty key", PASSWORDS("jks: ''"), "is empty"},
        {"not text",
         "apiVersion: v1\nkind: Secret\nmetadata: {name: passwords, namespace: default}\n"
         "data: {other: AAAA}\n",
         "has no key 'jks'"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (int split = 0; split < 2; split++) {
            struct sim *sim = sim_with_ca(split);

            CASE(rows[i].name);
            check_password_comes(sim, rows[i].first, rows[i].words);
            sim_free(sim);
        }
    }
}

static int64_t ready_since(struct sim *sim)
{
    const struct json *conditions = json_path(sim_get(sim, "certificate/web"), "status.conditions");
    int64_t ms = 0;

    json_for_each_item (one, conditions) {
        if (streq(json_get_text(one, "type"), "Ready"))
            ASSERT_EQ(time_parse_rfc3339(json_get_text(one, "lastTransitionTime"), &ms, NULL), 0);
    }
    return ms;
}

TEST(the_password_wakes_its_certificate_at_once)
{
    struct sim *sim = sim_with_ca(true);
    int64_t before_ms;

    sim_apply(sim, LEAF(BY_REFERENCE));
    sim_run_until_idle(sim);
    sim_advance(sim, HOURS(3)); /* the back-off is at its longest */
    before_ms = sim_now(sim);
    sim_apply(sim, PASSWORDS("jks: changeit"));
    sim_run_until_idle(sim);
    check_ready(sim, "1");
    ASSERT_TRUE(ready_since(sim) >= before_ms);
    ASSERT_TRUE(ready_since(sim) - before_ms <= SECONDS(2));
    sim_free(sim);
}

TEST(a_store_that_is_asked_for_later_waits_too_and_all_else_goes_on)
{
    struct sim *sim = sim_with_ca(true);

    sim_apply(sim, LEAF(""));
    sim_run_until_idle(sim);
    sim_apply(sim, LEAF(BY_REFERENCE));
    sim_run_until_idle(sim);
    check_ready(sim, "1");
    check_stores(sim, false, false);
    ASSERT_TRUE(sim_has_event(sim, "certificate/web", "KeystorePasswordSecretNotFound"));
    sim_apply(sim, PASSWORDS("jks: changeit"));
    sim_run_until_idle(sim);
    check_ready(sim, "1");
    check_stores(sim, true, false);
    sim_free(sim);
}

TEST(without_the_password_only_what_has_to_be_made_waits)
{
    struct sim *sim = sim_with_ca(true);
    const char *before;

    sim_apply(sim, PASSWORDS("jks: changeit"));
    sim_apply(sim, LEAF(BY_REFERENCE));
    sim_run_until_idle(sim);
    before = store_of(sim, "keystore.jks");
    sim_delete(sim, "secret/passwords");
    sim_patch(sim, "certificate/web", "spec: {secretTemplate: {labels: {team: web}}}\n");
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_text(sim, "secret/web-tls", "metadata.labels.team"), "web");
    ASSERT_STREQ(store_of(sim, "keystore.jks"), before);
    /* The next certificate is signed, kept, and stored when the password is there again. */
    sim_set_condition(sim, "certificate/web", "Issuing", "True", "ManuallyTriggered", "by hand");
    sim_run_until_idle(sim);
    ASSERT_STREQ(store_of(sim, "keystore.jks"), before);
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    ASSERT_CONTAINS(sim_message(sim, "certificate/web", "Issuing"), "passwordSecretRef");
    sim_apply(sim, PASSWORDS("jks: changeit"));
    sim_run_until_idle(sim);
    check_ready(sim, "2");
    ASSERT_TRUE(!streq(store_of(sim, "keystore.jks"), before));
    sim_free(sim);
}

TEST(a_store_that_waits_for_its_password_holds_up_nothing_else)
{
    struct sim *sim = sim_with_ca(true);

    sim_apply(sim, LEAF(""));
    sim_run_until_idle(sim);
    sim_apply(
        sim,
        LEAF(
            "  secretTemplate: {labels: {team: web}}\n"
            "  additionalOutputFormats: [{type: DER}]\n"
            "  keystores:\n    jks: {create: true, passwordSecretRef: {name: passwords, key: jks}}\n"
            "    pkcs12: {create: true, profile: Modern2023, password: changeit}\n"));
    sim_run_until_idle(sim);
    check_ready(sim, "1");
    ASSERT_STREQ(sim_text(sim, "secret/web-tls", "metadata.labels.team"), "web");
    ASSERT_TRUE(store_of(sim, "key.der"));
    check_stores(sim, false, true);
    ASSERT_TRUE(sim_has_event(sim, "certificate/web", "KeystorePasswordSecretNotFound"));
    sim_advance(sim, HOURS(1)); /* nothing changes, and it is not given up */
    sim_apply(sim, PASSWORDS("jks: changeit"));
    sim_run_until_idle(sim);
    check_ready(sim, "1");
    check_stores(sim, true, true);
    sim_free(sim);
}

/* A Secret whose password has so many letters. */
static char *passwords_of(size_t len)
{
    cleanup(buf_deinit) struct buf text = BUF(SIZE_MAX);

    buf_add_str(&text,
                "apiVersion: v1\nkind: Secret\nmetadata: {name: passwords, namespace: default}\n"
                "stringData: {jks: ");
    while (len-- > 0)
        buf_add_char(&text, 'a');
    buf_add_str(&text, "}\n");
    return buf_take(&text);
}

TEST(a_password_that_is_no_text_is_told_without_it)
{
    struct sim *sim = sim_with_ca(false);
    cleanup(xfree) char *long_password = NULL;

    /* "hidden\0\xff" */
    sim_apply(sim, "apiVersion: v1\nkind: Secret\nmetadata: {name: passwords, namespace: default}\n"
                   "data: {jks: aGlkZGVuAP8=}\n");
    sim_apply(sim, LEAF(BY_REFERENCE));
    sim_run_until_idle(sim);
    ASSERT_CONTAINS(sim_message(sim, "certificate/web", "Issuing"),
                    "spec.keystores.jks.passwordSecretRef: the password has a NUL byte in it");
    ASSERT_TRUE(strstr(sim_message(sim, "certificate/web", "Issuing"), "hidden") == NULL);
    long_password = passwords_of(LIMIT_PASSWORD + 1);
    sim_apply(sim, long_password);
    sim_run_until_idle(sim);
    ASSERT_CONTAINS(
        sim_message(sim, "certificate/web", "Issuing"),
        "spec.keystores.jks.passwordSecretRef: key 'jks' of secret 'default/passwords'");
    ASSERT_CONTAINS(sim_message(sim, "certificate/web", "Issuing"), "larger than 4096 bytes");
    sim_apply(sim, PASSWORDS("jks: changeit"));
    sim_run_until_idle(sim);
    check_ready(sim, "1");
    sim_free(sim);
}

TEST(a_crash_at_any_write_loses_nothing)
{
    for (int n = 1; n < 12; n++) {
        struct sim *sim = sim_with_ca(n % 2);

        sim_apply(sim, PASSWORDS("jks: changeit"));
        sim_crash_at(sim, sim_points(sim) + n, n % 3 == 0);
        sim_apply(sim, LEAF(BY_REFERENCE));
        sim_run_until_idle(sim);
        if (sim_has_crashed(sim))
            sim_restart(sim);
        sim_run_until_idle(sim);
        ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
        check_stores(sim, true, false);
        sim_free(sim);
    }
}

RUN_TESTS(cmocka_unit_test(stores_come_and_go_with_the_spec_and_no_new_certificate),
          cmocka_unit_test(a_store_stays_as_it_is_until_the_next_certificate),
          cmocka_unit_test(what_somebody_takes_away_or_overwrites_is_made_again),
          cmocka_unit_test(an_issued_certificate_waits_for_its_password),
          cmocka_unit_test(the_password_wakes_its_certificate_at_once),
          cmocka_unit_test(a_store_that_is_asked_for_later_waits_too_and_all_else_goes_on),
          cmocka_unit_test(without_the_password_only_what_has_to_be_made_waits),
          cmocka_unit_test(a_store_that_waits_for_its_password_holds_up_nothing_else),
          cmocka_unit_test(a_password_that_is_no_text_is_told_without_it),
          cmocka_unit_test(a_crash_at_any_write_loses_nothing));
