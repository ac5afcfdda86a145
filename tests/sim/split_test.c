/*
 * split_test.c - Secrets by two watches, as in a cluster: those with our label in full, the others as
 * metadata. Events of either are late by chance, so that one that changes sides is in neither for a while.
 */
#include "support/sim.h"

#include "controller/secrets.h"

#define START AT("2026-01-01T00:00:00Z")
#define WEB   SIM_CERTIFICATE("web", "[www.example.com]", "")
enum { SEEDS = 12 };

static struct sim *split_sim(uint64_t seed)
{
    struct sim_options options = {.start_ms = START, .seed = seed, .split_secrets = true};
    struct sim *sim = sim_new_with(&options);

    sim_apply(sim, SIM_ISSUER "---\n" WEB);
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    ASSERT_EQ(sim_orders_placed(sim), 1);
    return sim;
}

static void assert_nothing_new(struct sim *sim, const char *key)
{
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    ASSERT_STREQ(sim_secret(sim, "web-tls", "tls.key"), key);
    ASSERT_EQ(sim_orders_placed(sim), 1);
    ASSERT_STREQ(sim_text(sim, "certificate/web", "status.revision"), "1");
}

static const char *label_of_secret(struct sim *sim)
{
    return json_get_text(json_path(sim_get(sim, "secret/web-tls"), "metadata.labels"), LABEL_FAO);
}

/* A label that `kubectl edit` or another tool takes off is put back; the certificate is as good as before. */
TEST(a_label_that_a_user_takes_off_is_put_back_and_nothing_is_issued)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct sim *sim = split_sim(seed);
        const char *key = sim_secret(sim, "web-tls", "tls.key");

        sim_patch(sim, "secret/web-tls",
                  "{metadata: {labels: {controller.cert-manager.io/fao: null}}}");
        sim_run_until_idle(sim);
        assert_nothing_new(sim, key);
        sim_patch(sim, "secret/web-tls", "{metadata: {labels: null, annotations: {a: b}}}");
        sim_run_until_idle(sim);
        assert_nothing_new(sim, key);
        ASSERT_STREQ(label_of_secret(sim), "true");
        sim_free(sim);
    }
}

TEST(a_secret_that_loses_its_label_while_the_program_is_down_is_not_issued_anew)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct sim *sim = split_sim(seed);
        const char *key = sim_secret(sim, "web-tls", "tls.key");

        sim_patch(sim, "secret/web-tls", "{metadata: {labels: null}}");
        sim_restart(sim);
        sim_run_until_idle(sim);
        assert_nothing_new(sim, key);
        sim_free(sim);
    }
}

TEST(a_secret_that_is_deleted_is_issued_anew_at_once)
{
    struct sim *sim = split_sim(1);

    sim_delete(sim, "secret/web-tls");
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    ASSERT_EQ(sim_orders_placed(sim), 2);
    sim_free(sim);
}

TEST(a_key_that_must_not_rotate_stays_when_its_label_is_taken_off_before_a_renewal)
{
    struct sim *sim = split_sim(3);
    const char *key = sim_secret(sim, "web-tls", "tls.key");

    sim_patch(sim, "certificate/web", "{spec: {privateKey: {rotationPolicy: Never}}}");
    sim_run_until_idle(sim);
    sim_set_condition(sim, "certificate/web", "Issuing", "True", "ManuallyTriggered", "by hand");
    sim_patch(sim, "secret/web-tls",
              "{metadata: {labels: {controller.cert-manager.io/fao: null}}}");
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_text(sim, "certificate/web", "status.revision"), "2");
    ASSERT_STREQ(sim_secret(sim, "web-tls", "tls.key"), key);
    sim_free(sim);
}

/* A foreign Secret: only its metadata is seen, and a change of it wakes who reads it. */
TEST(a_foreign_secret_wakes_the_issuer_that_names_it)
{
    static const char eab[] =
        "apiVersion: v1\nkind: Secret\nmetadata: {name: acme-account, namespace: default}\n"
        "data: {tls.key: bm90IGEga2V5}\n";
    struct sim_options options = {.start_ms = START, .split_secrets = true};
    struct sim *sim = sim_new_with(&options);

    sim_apply(sim, eab);
    sim_apply(sim, SIM_ISSUER);
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_condition(sim, "issuer/acme", "Ready"), "False");
    sim_delete(sim, "secret/acme-account"); /* the next run makes a key of its own */
    sim_advance(sim, SECONDS(2));           /* the back-off would be minutes */
    ASSERT_STREQ(sim_condition(sim, "issuer/acme", "Ready"), "True");
    sim_free(sim);
}

RUN_TESTS(
    cmocka_unit_test(a_label_that_a_user_takes_off_is_put_back_and_nothing_is_issued),
    cmocka_unit_test(a_secret_that_loses_its_label_while_the_program_is_down_is_not_issued_anew),
    cmocka_unit_test(a_secret_that_is_deleted_is_issued_anew_at_once),
    cmocka_unit_test(a_key_that_must_not_rotate_stays_when_its_label_is_taken_off_before_a_renewal),
    cmocka_unit_test(a_foreign_secret_wakes_the_issuer_that_names_it));
