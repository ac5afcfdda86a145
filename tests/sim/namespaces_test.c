/* namespaces_test.c - a program that may see only some namespaces. */
#include "support/sim.h"

#define START AT("2026-01-01T00:00:00Z")
/* An Issuer and a Certificate. */
#define IN(where)                                                                                  \
    "apiVersion: cert-manager.io/v1\n"                                                             \
    "kind: Issuer\n"                                                                               \
    "metadata: {name: acme, namespace: " where "}\n"                                               \
    "spec:\n"                                                                                      \
    "  acme:\n"                                                                                    \
    "    server: " FAKE_CA_DIRECTORY "\n"                                                          \
    "    privateKeySecretRef: {name: account}\n" SIM_BY_DNS "---\n"                                \
    "apiVersion: cert-manager.io/v1\n"                                                             \
    "kind: Certificate\n"                                                                          \
    "metadata: {name: web, namespace: " where "}\n"                                                \
    "spec:\n"                                                                                      \
    "  dnsNames: [" where ".example.com]\n"                                                        \
    "  secretName: web-tls\n"                                                                      \
    "  issuerRef: {name: acme}\n"                                                                  \
    "  privateKey: {algorithm: ECDSA, size: 256}\n"                                                \
    "---\n"
#define CLUSTER_ISSUER                                                                             \
    "apiVersion: cert-manager.io/v1\nkind: ClusterIssuer\nmetadata: {name: all}\n"                 \
    "spec:\n  acme:\n    server: " FAKE_CA_DIRECTORY                                               \
    "\n    privateKeySecretRef: {name: account}\n" SIM_BY_DNS

static void live(bool split_secrets)
{
    struct sim_options options = {
        .start_ms = START, .only_namespaces = "red,blue", .split_secrets = split_secrets};
    struct sim *sim = sim_new_with(&options);

    sim_apply(sim, IN("red") IN("blue") IN("green") CLUSTER_ISSUER);
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_condition(sim, "certificate/red/web", "Ready"), "True");
    ASSERT_STREQ(sim_condition(sim, "certificate/blue/web", "Ready"), "True");
    ASSERT_NULL(sim_get(sim, "secret/green/web-tls"));
    ASSERT_NULL(sim_text(sim, "certificate/green/web", "status"));
    ASSERT_NULL(sim_text(sim, "clusterissuer/all", "status.conditions"));
    sim_delete(sim, "secret/blue/web-tls");
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_condition(sim, "certificate/blue/web", "Ready"), "True");
    ASSERT_EQ(sim_orders_placed(sim), 3);
    sim_free(sim);
}

TEST(only_the_namespaces_of_the_list_are_served_and_no_cluster_issuers)
{
    live(false);
}

TEST(the_same_with_secrets_by_two_watches_in_each)
{
    live(true);
}

RUN_TESTS(cmocka_unit_test(only_the_namespaces_of_the_list_are_served_and_no_cluster_issuers),
          cmocka_unit_test(the_same_with_secrets_by_two_watches_in_each));
