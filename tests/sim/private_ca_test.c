/* private_ca_test.c - issuers that sign by themselves: selfSigned root ─► CA issuer ─► leaf. */
#include "support/sim.h"

#define START AT("2026-01-01T00:00:00Z")

#define ISSUER(name, spec)                                                                         \
    "---\napiVersion: cert-manager.io/v1\nkind: Issuer\nmetadata: {name: " name                    \
    ", namespace: default}\nspec: {" spec "}\n"
#define SELF_SIGNED ISSUER("self", "selfSigned: {}")
#define CA          ISSUER("ca", "ca: {secretName: root-tls}")
/* `more`: further lines of the spec. */
#define CERTIFICATE(name, issuer, more)                                                            \
    "---\napiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: " name               \
    ", namespace: default}\nspec:\n  secretName: " name "-tls\n  issuerRef: {name: " issuer        \
    "}\n  privateKey: {algorithm: ECDSA, size: 256}\n" more
#define ROOT  CERTIFICATE("root", "self", "  isCA: true\n  commonName: root\n  duration: 87600h\n")
#define NAMES "  dnsNames: [www.example.com]\n"
#define LEAF  CERTIFICATE("web", "ca", NAMES)
#define REQUEST(name, issuer, metadata)                                                            \
    "---\napiVersion: cert-manager.io/v1\nkind: CertificateRequest\nmetadata: {name: " name        \
    ", namespace: default" metadata "}\nspec:\n  issuerRef: {name: " issuer "}\n  request: " CSR   \
    "\n"
/* Of a P-256 key that nobody has, for www.example.com. */
#define CSR                                                                                        \
    "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlIcE1JR1BBZ0VBTUFBd1dUQVRCZ2Nx"             \
    "aGtqT1BRSUJCZ2dxaGtqT1BRTUJCd05DQUFRQjdvY0FGb2c1c2xxVwpRYVNrbHJCM1R6NVhLcWM3aFdD"             \
    "US9lanFydGh4eE5MeVY2MTRoWFh3azFHck03WmNyNHRZSDFzdFFBQXVaS1pZCnhFNzROOCtYb0Mwd0t3"             \
    "WUpLb1pJaHZjTkFRa09NUjR3SERBYUJnTlZIUkVFRXpBUmdnOTNkM2N1WlhoaGJYQnMKWlM1amIyMHdD"             \
    "Z1lJS29aSXpqMEVBd0lEU1FBd1JnSWhBS1dsbFV0RFFMSURwV2lpN0g1RTRFTUFTV0VpOU1kegpOVHVC"             \
    "Q0JUa1h1WkJBaUVBb1RsYlN6UlpVWk50S2RqNE5UekNYWURzYjBXNmJYaElHKzhxbWRJMmY5QT0KLS0t"             \
    "LS1FTkQgQ0VSVElGSUNBVEUgUkVRVUVTVC0tLS0tCg=="

/* The issuers are ready before there is anything to sign. */
static struct sim *sim_with_root(const struct sim_options *options)
{
    struct sim *sim = sim_new_with(options);

    sim_apply(sim, SELF_SIGNED);
    sim_run_until_idle(sim);
    sim_apply(sim, ROOT);
    sim_run_until_idle(sim);
    sim_apply(sim, CA);
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_condition(sim, "issuer/ca", "Ready"), "True");
    return sim;
}

static struct chain chain_of(const char *pem)
{
    struct chain chain = {};
    struct err err = {};

    ASSERT_TRUE(pem != NULL);
    ASSERT_OK(chain_from_pem(pem, strlen(pem), &chain, &err));
    return chain;
}

/* Key, names and dates of the leaf fit, and `root` has signed it, which may be itself. */
static void check_signed_by(struct sim *sim, const char *secret, const char *root)
{
    const char *leaf = sim_secret(sim, secret, "tls.crt");
    cleanup(xfree) char *both = xasprintf("%s%s", leaf, streq(leaf, root) ? "" : root);
    cleanup(chain_deinit) struct chain chain = chain_of(both);
    cleanup(pkey_unref) const struct pkey *key = NULL;
    const char *pem = sim_secret(sim, secret, "tls.key");
    struct err err = {};

    ASSERT_OK(pkey_from_pem(pem, strlen(pem), &key, &err));
    ASSERT_OK(chain_verify(&chain, &(struct chain_expectation){.key = key, .now_ms = sim_now(sim)},
                           NULL, &err));
}

static void check_leaf(struct sim *sim)
{
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    ASSERT_NULL(sim_condition(sim, "certificate/web", "Issuing"));
    ASSERT_STREQ(sim_secret(sim, "web-tls", "ca.crt"), sim_secret(sim, "root-tls", "tls.crt"));
    check_signed_by(sim, "web-tls", sim_secret(sim, "root-tls", "tls.crt"));
}

TEST(a_self_signed_root_signs_by_a_ca_issuer)
{
    struct sim_options options = {.start_ms = START};
    struct sim *sim = sim_with_root(&options);

    ASSERT_STREQ(sim_condition(sim, "certificate/root", "Ready"), "True");
    ASSERT_STREQ(sim_reason(sim, "issuer/self", "Ready"), "IsReady");
    ASSERT_STREQ(sim_reason(sim, "issuer/ca", "Ready"), "KeyPairVerified");
    ASSERT_STREQ(sim_secret(sim, "root-tls", "ca.crt"), sim_secret(sim, "root-tls", "tls.crt"));
    sim_apply(sim, LEAF);
    sim_run_until_idle(sim);
    check_leaf(sim);
    ASSERT_EQ(sim_now(sim), START); /* nothing waits for a timer */
    sim_free(sim);
}

/* All at once, in the wrong order: the leaf waits for the issuer, that for the root. */
TEST(everything_applied_at_once_becomes_ready)
{
    struct sim *sim = sim_new(START);

    sim_apply(sim, LEAF CA ROOT SELF_SIGNED);
    sim_run_until_idle(sim);
    check_leaf(sim);
    ASSERT_EQ(sim_now(sim), START);
    sim_free(sim);
}

TEST(a_certificate_that_others_must_approve_waits_for_them)
{
    struct sim_options options = {.start_ms = START, .others_approve = true};
    struct sim *sim = sim_new_with(&options);

    sim_apply(sim, SELF_SIGNED ROOT);
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_condition(sim, "certificate/root", "Ready"), "False");
    ASSERT_STREQ(sim_condition(sim, "certificate/root", "Issuing"), "True");
    sim_set_condition(sim, "certificaterequest/root-1", "Approved", "True", "Admin", "by hand");
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_condition(sim, "certificate/root", "Ready"), "True");
    ASSERT_EQ(sim_count(sim, "secret"), 1);
    sim_free(sim);
}

TEST(a_missing_or_wrong_ca_is_said_and_a_corrected_one_signs)
{
    struct sim_options options = {.start_ms = START};
    struct sim *sim = sim_with_root(&options);

    sim_patch(sim, "issuer/ca", "{spec: {ca: {secretName: other}}}");
    sim_apply(sim, LEAF);
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_reason(sim, "issuer/ca", "Ready"), "ErrGetKeyPair");
    ASSERT_TRUE(sim_has_event(sim, "issuer/ca", "ErrGetKeyPair"));
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Issuing"), "True");
    ASSERT_CONTAINS(sim_message(sim, "certificate/web", "Issuing"),
                    "secret 'default/other' does not exist");
    sim_apply(sim, "apiVersion: v1\nkind: Secret\nmetadata: {name: other, namespace: default}\n"
                   "stringData: {tls.crt: x, tls.key: x}\n");
    sim_run_until_idle(sim);
    ASSERT_CONTAINS(sim_message(sim, "issuer/ca", "Ready"), "tls.crt: ");
    sim_patch(sim, "issuer/ca", "{spec: {ca: {secretName: web-plain}}}");
    sim_apply(sim, CERTIFICATE("web-plain", "self", "  commonName: plain\n"));
    sim_patch(sim, "certificate/web-plain", "{spec: {secretName: web-plain}}");
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_reason(sim, "issuer/ca", "Ready"), "ErrInvalidKeyPair");
    ASSERT_CONTAINS(sim_message(sim, "issuer/ca", "Ready"), "is not a CA");
    sim_patch(sim, "issuer/ca", "{spec: {ca: {secretName: root-tls}}}");
    sim_run_until_idle(sim);
    check_leaf(sim);
    ASSERT_EQ(sim_now(sim), START); /* each change wakes whom it concerns */
    sim_free(sim);
}

TEST(an_expired_ca_is_said_when_it_expires)
{
    struct sim *sim = sim_new(START);

    sim_apply(sim, SELF_SIGNED CA CERTIFICATE("root", "self",
                                              "  isCA: true\n  commonName: root\n  duration: 48h\n"
                                              "  renewal: {policy: Disabled}\n"));
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_condition(sim, "issuer/ca", "Ready"), "True");
    sim_advance(sim, HOURS(48) + SECONDS(2));
    ASSERT_STREQ(sim_reason(sim, "issuer/ca", "Ready"), "ErrInvalidKeyPair");
    ASSERT_CONTAINS(sim_message(sim, "issuer/ca", "Ready"), "has expired at 2026-01-03T00:00:00Z");
    sim_apply(sim, LEAF);
    sim_run_until_idle(sim);
    ASSERT_CONTAINS(sim_message(sim, "certificate/web", "Issuing"), "has expired");
    sim_free(sim);
}

TEST(a_new_ca_signs_what_is_issued_from_then_on)
{
    struct sim_options options = {.start_ms = START};
    struct sim *sim = sim_with_root(&options);
    cleanup(xfree) char *old_root = NULL, *old_leaf = NULL;

    sim_apply(sim, LEAF);
    sim_run_until_idle(sim);
    old_root = xstrdup(sim_secret(sim, "root-tls", "tls.crt"));
    old_leaf = xstrdup(sim_secret(sim, "web-tls", "tls.crt"));
    sim_set_condition(sim, "certificate/root", "Issuing", "True", "ManuallyTriggered", "by hand");
    sim_run_until_idle(sim);
    ASSERT_TRUE(!streq(sim_secret(sim, "root-tls", "tls.crt"), old_root));
    ASSERT_STREQ(sim_secret(sim, "web-tls", "tls.crt"), old_leaf); /* it is still good */
    check_signed_by(sim, "web-tls", old_root);
    sim_set_condition(sim, "certificate/web", "Issuing", "True", "ManuallyTriggered", "by hand");
    sim_run_until_idle(sim);
    check_leaf(sim);
    ASSERT_TRUE(!streq(sim_secret(sim, "web-tls", "tls.crt"), old_leaf));
    sim_free(sim);
}

TEST(a_cluster_issuer_signs_for_every_namespace)
{
    struct sim *sim = sim_new(START);

    sim_apply(sim, SELF_SIGNED ROOT);
    sim_patch(sim, "issuer/self", "{}");
    sim_apply(
        sim, "apiVersion: cert-manager.io/v1\nkind: ClusterIssuer\nmetadata: {name: all}\n"
             "spec: {selfSigned: {}}\n---\n"
             "apiVersion: cert-manager.io/v1\nkind: ClusterIssuer\nmetadata: {name: ca}\n"
             "spec: {ca: {secretName: root-tls}}\n---\n"
             "apiVersion: cert-manager.io/v1\nkind: Certificate\n"
             "metadata: {name: root, namespace: cert-manager}\n"
             "spec: {isCA: true, commonName: r, secretName: root-tls, issuerRef: {name: all, kind: "
             "ClusterIssuer}, privateKey: {algorithm: Ed25519}}\n---\n"
             "apiVersion: cert-manager.io/v1\nkind: Certificate\n"
             "metadata: {name: web, namespace: shop}\n"
             "spec: {dnsNames: [www.example.com], secretName: web-tls, issuerRef: {name: ca, kind: "
             "ClusterIssuer}, privateKey: {algorithm: ECDSA}}\n");
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_condition(sim, "clusterissuer/ca", "Ready"), "True");
    ASSERT_STREQ(sim_condition(sim, "certificate/shop/web", "Ready"), "True");
    check_signed_by(sim, "shop/web-tls", sim_secret(sim, "cert-manager/root-tls", "tls.crt"));
    sim_free(sim);
}

/* --- names of requests --- */

/* By the short path and by the long one; the next revision's name is free. */
TEST(a_request_that_is_nobodys_does_not_hold_up_the_certificate_of_its_name)
{
    static const char *const issuers[] = {"self", "ca", "acme"};

    for (size_t i = 0; i < ARRAY_LEN(issuers); i++) {
        struct sim_options options = {.start_ms = START};
        struct sim *sim = sim_with_root(&options);
        cleanup(xfree) char *by = xasprintf("{spec: {issuerRef: {name: %s}}}", issuers[i]);
        cleanup(xfree) char *name = NULL;

        CASE(issuers[i]);
        sim_apply(sim, SIM_ISSUER);
        sim_apply(sim, REQUEST("web-1", "nobody", ""));
        sim_run_until_idle(sim);
        sim_apply(sim, CERTIFICATE("web", "ca", NAMES));
        sim_patch(sim, "certificate/web", by);
        sim_run_until_idle(sim);
        ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
        ASSERT_STREQ(sim_text(sim, "certificate/web", "status.revision"), "1");
        name = xasprintf("certificaterequest/web-%s-1",
                         sim_text(sim, "certificate/web", "metadata.uid"));
        ASSERT_STREQ(sim_condition(sim, name, "Ready"), "True");
        ASSERT_TRUE(sim_get(sim, "certificaterequest/web-1") != NULL);
        sim_set_condition(sim, "certificate/web", "Issuing", "True", "ManuallyTriggered",
                          "by hand");
        sim_run_until_idle(sim);
        ASSERT_STREQ(sim_condition(sim, "certificaterequest/web-2", "Ready"), "True");
        ASSERT_NULL(sim_get(sim, name)); /* beyond the history */
        ASSERT_TRUE(sim_get(sim, "certificaterequest/web-1") != NULL);
        sim_free(sim);
    }
}

/* --- Secrets of Issuers --- */

/* With an Issuer 'corp' of a CA that somebody has brought in Secret 'corp-ca'. */
static struct sim *sim_with_corp(void)
{
    struct sim_options options = {.start_ms = START};
    struct sim *sim = sim_with_root(&options);
    cleanup(xfree) char *secret = xasprintf(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: corp-ca, namespace: default}\ndata: %s\n",
        sim_text(sim, "secret/root-tls", "data"));

    sim_apply(sim, secret);
    sim_apply(sim, ISSUER("corp", "ca: {secretName: corp-ca}"));
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_condition(sim, "issuer/corp", "Ready"), "True");
    return sim;
}

static void name_secret(struct sim *sim, const char *certificate, const char *secret)
{
    cleanup(xfree) char *patch = xasprintf("{spec: {secretName: %s}}", secret);

    sim_patch(sim, certificate, patch);
}

TEST(a_ca_of_ones_own_is_not_overwritten_by_a_certificate)
{
    static const char *const issuers[] = {"corp", "self"};

    for (size_t i = 0; i < ARRAY_LEN(issuers); i++) {
        struct sim *sim = sim_with_corp();
        cleanup(xfree) char *key = xstrdup(sim_secret(sim, "corp-ca", "tls.key"));
        cleanup(xfree) char *by = xasprintf("{spec: {issuerRef: {name: %s}}}", issuers[i]);

        CASE(issuers[i]);
        sim_apply(sim, LEAF);
        name_secret(sim, "certificate/web", "corp-ca");
        sim_patch(sim, "certificate/web", by);
        sim_advance(sim, MINUTES(10));
        ASSERT_STREQ(sim_reason(sim, "certificate/web", "Ready"), "SecretOfIssuer");
        ASSERT_CONTAINS(sim_message(sim, "certificate/web", "Ready"),
                        "Issuer 'corp' has its CA in Secret 'corp-ca'");
        ASSERT_EQ(sim_times_told(sim, "certificate/web", "SecretOfIssuer"), 1);
        ASSERT_STREQ(sim_secret(sim, "corp-ca", "tls.key"), key);
        ASSERT_STREQ(sim_condition(sim, "issuer/corp", "Ready"), "True");
        name_secret(sim, "certificate/web", "web-tls");
        sim_run_until_idle(sim);
        ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
        sim_free(sim);
    }
}

/* The Secret is not there yet, and what it would hold is signed by nothing else. */
TEST(a_certificate_whose_issuer_reads_its_secret_waits_until_that_reads_another)
{
    struct sim_options options = {.start_ms = START};
    struct sim *sim = sim_with_root(&options);

    sim_apply(sim, ISSUER("corp", "ca: {secretName: web-tls}") CERTIFICATE("web", "corp", NAMES));
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_reason(sim, "certificate/web", "Ready"), "SecretOfIssuer");
    sim_patch(sim, "issuer/corp", "{spec: {ca: {secretName: root-tls}}}");
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    ASSERT_EQ(sim_now(sim), START); /* no timer has woken it */
    sim_free(sim);
}

TEST(the_key_of_an_account_is_not_overwritten_by_a_certificate)
{
    struct sim *sim = sim_new(START);

    sim_apply(sim, SELF_SIGNED CERTIFICATE("web", "self", NAMES));
    name_secret(sim, "certificate/web", "acme-account");
    sim_apply(sim, SIM_ISSUER);
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_reason(sim, "certificate/web", "Ready"), "SecretOfIssuer");
    ASSERT_CONTAINS(sim_message(sim, "certificate/web", "Ready"),
                    "Issuer 'acme' has the key of its ACME account in Secret 'acme-account'");
    ASSERT_STREQ(sim_condition(sim, "issuer/acme", "Ready"), "True");
    ASSERT_NULL(sim_secret(sim, "acme-account", "tls.crt"));
    sim_delete(sim, "secret/acme-account"); /* whoever of the two is first */
    sim_advance(sim, MINUTES(10));
    ASSERT_STREQ(sim_reason(sim, "certificate/web", "Ready"), "SecretOfIssuer");
    sim_delete(sim, "issuer/acme");
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    sim_free(sim);
}

/* What a ClusterIssuer reads is in one namespace. */
TEST(a_secret_of_a_cluster_issuer_is_one_in_its_namespace_alone)
{
    static const char *const namespaces[] = {"cert-manager", "shop"};
    struct sim *sim = sim_new(START);

    sim_apply(sim, "apiVersion: cert-manager.io/v1\nkind: ClusterIssuer\nmetadata: {name: all}\n"
                   "spec: {selfSigned: {}}\n---\n"
                   "apiVersion: cert-manager.io/v1\nkind: ClusterIssuer\nmetadata: {name: ca}\n"
                   "spec: {ca: {secretName: web-tls}}\n");
    for (size_t i = 0; i < ARRAY_LEN(namespaces); i++) {
        cleanup(xfree) char *secret = xasprintf("apiVersion: v1\nkind: Secret\n"
                                                "metadata: {name: web-tls, namespace: %s}\n"
                                                "stringData: {tls.crt: x, tls.key: x}\n",
                                                namespaces[i]);
        cleanup(xfree) char *certificate = xasprintf(
            "apiVersion: cert-manager.io/v1\nkind: Certificate\n"
            "metadata: {name: web, namespace: %s}\n"
            "spec: {dnsNames: [www.example.com], secretName: web-tls, issuerRef: {name: all, "
            "kind: ClusterIssuer}, privateKey: {algorithm: ECDSA}}\n",
            namespaces[i]);

        sim_apply(sim, secret);
        sim_apply(sim, certificate);
    }
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_reason(sim, "certificate/cert-manager/web", "Ready"), "SecretOfIssuer");
    ASSERT_STREQ(sim_condition(sim, "certificate/shop/web", "Ready"), "True");
    sim_delete(sim, "clusterissuer/ca");
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_condition(sim, "certificate/cert-manager/web", "Ready"), "True");
    ASSERT_EQ(sim_now(sim), START);
    sim_free(sim);
}

/* A root that renews itself is not somebody else's. */
TEST(a_root_that_an_issuer_reads_is_renewed_from_the_beginning_on)
{
    struct sim *sim = sim_new(START);
    cleanup(xfree) char *first = NULL;

    sim_apply(sim, CA SELF_SIGNED ROOT);
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_condition(sim, "issuer/ca", "Ready"), "True");
    sim_patch(sim, "certificate/root", "{spec: {issuerRef: {name: ca}}}");
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_condition(sim, "certificate/root", "Ready"), "True");
    sim_patch(sim, "certificate/root", "{spec: {issuerRef: {name: self}}}");
    sim_run_until_idle(sim);
    first = xstrdup(sim_secret(sim, "root-tls", "tls.crt"));
    sim_advance(sim, DAYS(3000));
    ASSERT_TRUE(!streq(sim_secret(sim, "root-tls", "tls.crt"), first));
    ASSERT_STREQ(sim_condition(sim, "certificate/root", "Ready"), "True");
    sim_free(sim);
}

/* --- the short path (DESIGN 6) --- */

struct way {
    const char *name, *certificate; /* the Certificate is 'web' */
    bool renews;                    /* what is looked at is its renewal */
    int writes;
};
static const struct way ways[] = {
    {"CA", LEAF, false, 4},
    {"self-signed", CERTIFICATE("web", "self", "  commonName: web\n" NAMES), false, 4},
    {"renewal", LEAF, true, 5}, /* and the old request goes */
    {"renewal with a longer history", CERTIFICATE("web", "ca", NAMES "  revisionHistoryLimit: 3\n"),
     true, 4},
    {"key kept",
     "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: web, namespace: default}\n"
     "spec:\n  dnsNames: [www.example.com]\n  secretName: web-tls\n  issuerRef: {name: ca}\n"
     "  privateKey: {algorithm: ECDSA, size: 256, rotationPolicy: Never}\n",
     true, 5},
};

/* Up to where the writes are counted from. */
static struct sim *begin(const struct way *way)
{
    struct sim_options options = {.start_ms = START};
    struct sim *sim = sim_with_root(&options);

    sim_apply(sim, way->certificate);
    if (!way->renews)
        return sim;
    sim_run_until_idle(sim);
    sim_advance(sim, DAYS(60) - SECONDS(1));
    return sim;
}

static void go_on(struct sim *sim, const struct way *way)
{
    if (way->renews)
        sim_advance(sim, SECONDS(2));
    else
        sim_run_until_idle(sim);
}

static void end(struct sim *sim, const struct way *way)
{
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    ASSERT_NULL(sim_condition(sim, "certificate/web", "Issuing"));
    ASSERT_STREQ(sim_text(sim, "certificate/web", "status.revision"), way->renews ? "2" : "1");
    ASSERT_NULL(sim_text(sim, "certificate/web", "status.failedIssuanceAttempts"));
    ASSERT_NULL(sim_text(sim, "certificate/web", "status.nextPrivateKeySecretName"));
    ASSERT_EQ(sim_count(sim, "secret"), 2);
    ASSERT_EQ(sim_count(sim, "certificaterequest"), way->writes == 4 && way->renews ? 3 : 2);
    check_signed_by(sim, "web-tls", sim_secret(sim, "web-tls", "ca.crt"));
}

TEST(a_certificate_costs_four_writes_and_one_event)
{
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        struct sim *sim = begin(&ways[i]);
        size_t events = sim_events(sim, "certificate/web");
        int points = sim_points(sim);

        CASE(ways[i].name);
        go_on(sim, &ways[i]);
        end(sim, &ways[i]);
        ASSERT_EQ(sim_events(sim, "certificate/web") - events, 1);
        ASSERT_EQ(sim_points(sim) - points, ways[i].writes + 1); /* the store writes events, too */
        ASSERT_EQ(sim_events(sim, "certificaterequest/web-1"), 0);
        sim_free(sim);
    }
}

TEST(a_kept_key_stays_and_another_is_new)
{
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        struct sim *sim = begin(&ways[i]);
        const char *key = ways[i].renews ? sim_secret(sim, "web-tls", "tls.key") : "none";

        CASE(ways[i].name);
        go_on(sim, &ways[i]);
        ASSERT_EQ(streq(sim_secret(sim, "web-tls", "tls.key"), key),
                  streq(ways[i].name, "key kept"));
        sim_free(sim);
    }
}

/* Every write with and without its effect. */
TEST(a_crash_at_any_point_of_the_short_path_ends_with_one_certificate)
{
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        for (int n = 1; n <= ways[i].writes + 1; n++) {
            for (int after = 0; after <= 1; after++) {
                struct sim *sim = begin(&ways[i]);
                cleanup(xfree) char *row = xasprintf("%s, %s write %d", ways[i].name,
                                                     after ? "after" : "before", n);

                CASE(row);
                sim_collect_late(sim, n % 2 == 0);
                sim_crash_at(sim, sim_points(sim) + n, after);
                go_on(sim, &ways[i]);
                ASSERT_TRUE(sim_has_crashed(sim));
                sim_restart(sim);
                sim_advance(sim, MINUTES(1));
                end(sim, &ways[i]);
                sim_free(sim);
            }
        }
    }
}

/* The second is in what the first one left to do, be it the short path again or the long one. */
TEST(two_crashes_in_a_row_end_with_one_certificate)
{
    for (int n = 1; n <= 4; n++) {
        for (int m = 1; m <= 6; m++) {
            struct sim *sim = begin(&ways[n % 2]);
            cleanup(xfree) char *row = xasprintf("writes %d and %d", n, m);

            CASE(row);
            sim_crash_at(sim, sim_points(sim) + n, m % 2 == 0);
            go_on(sim, &ways[n % 2]);
            sim_restart(sim);
            sim_crash_at(sim, sim_points(sim) + m, m % 3 == 0);
            sim_advance(sim, MINUTES(1));
            if (sim_has_crashed(sim))
                sim_restart(sim);
            sim_advance(sim, MINUTES(1));
            end(sim, &ways[n % 2]);
            sim_free(sim);
        }
    }
}

/* 403 by a policy, 409 by somebody else's hand, a full disk: the long path, and nothing is lost. */
TEST(a_write_that_is_refused_turns_into_the_long_path)
{
    static const enum err_code codes[] = {ERR_DENIED, ERR_CONFLICT, ERR_INVALID, ERR_IO,
                                          ERR_TIMEOUT};

    for (size_t c = 0; c < ARRAY_LEN(codes); c++) {
        for (int n = 1; n <= 4; n++) {
            const struct way *way = &ways[n % 2];
            struct sim *sim = begin(way);
            cleanup(xfree) char *row = xasprintf("%s at write %d", err_code_name(codes[c]), n);

            CASE(row);
            sim_refuse_at(sim, sim_points(sim) + n, codes[c]);
            go_on(sim, way);
            end(sim, way);
            sim_free(sim);
        }
    }
}

/* Not approved is not failed: what was signed waits for somebody who may. */
TEST(a_denied_approval_leaves_the_key_where_the_request_says)
{
    struct sim *sim = begin(&ways[1]);
    int points = sim_points(sim);

    sim_refuse_at(sim, points + 2, ERR_DENIED);
    sim_crash_at(sim, points + 5, false); /* behind Issuing=True and the key's Secret */
    go_on(sim, &ways[1]);
    ASSERT_TRUE(sim_has_crashed(sim));
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Issuing"), "True");
    ASSERT_NULL(sim_text(sim, "certificate/web", "status.failedIssuanceAttempts"));
    ASSERT_NULL(sim_condition(sim, "certificaterequest/web-1", "Ready"));
    ASSERT_STREQ(
        json_get_text(json_path(sim_get(sim, "certificaterequest/web-1"), "metadata.annotations"),
                      "cert-manager.io/private-key-secret-name"),
        sim_text(sim, "certificate/web", "status.nextPrivateKeySecretName"));
    sim_restart(sim);
    sim_advance(sim, MINUTES(1));
    end(sim, &ways[1]);
    sim_free(sim);
}

/* The Issuer still says Ready as the CA's Secret is gone. */
TEST(a_ca_that_goes_away_half_way_is_waited_for)
{
    struct sim *sim = begin(&ways[0]);

    sim_patch(sim, "certificate/root", "{spec: {issuerRef: {name: gone}}}");
    sim_delete(sim, "secret/root-tls");
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Issuing"), "True");
    ASSERT_CONTAINS(sim_message(sim, "certificate/web", "Issuing"), "root-tls");
    ASSERT_NULL(sim_text(sim, "certificate/web", "status.failedIssuanceAttempts"));
    sim_patch(sim, "certificate/root", "{spec: {issuerRef: {name: self}}}");
    sim_run_until_idle(sim);
    check_leaf(sim);
    end(sim, &ways[0]);
    sim_free(sim);
}

/* --- a policy of the cluster that changes what is created --- */

static const char *const changes[] = {
    "{spec: {duration: 1h}}",
    "{spec: {usages: [code signing]}}",
    "{spec: {isCA: true}}",
    "{spec: {request: " CSR "}}", /* for another key */
    "{metadata: {annotations: {cert-manager.io/certificate-revision: null}}}",
    "{metadata: {ownerReferences: null}}",
};
#define CHANGED CERTIFICATE("web", "ca", NAMES "  duration: 2160h\n")

/* It was dropped and made again without a pause: hundreds a minute. */
TEST(a_request_that_is_changed_as_it_is_created_is_a_failure_with_back_off)
{
    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        for (int others_approve = 0; others_approve <= 1; others_approve++) {
            struct sim_options options = {.start_ms = START};
            struct sim *sim = sim_with_root(&options);

            CASE(changes[i]);
            sim_change_written(sim, "certificaterequest", changes[i]);
            if (others_approve) { /* the long path from the start */
                sim_let_others_approve(sim, true);
                sim_restart(sim);
            }
            sim_apply(sim, CHANGED);
            sim_run_until_idle(sim);
            ASSERT_STREQ(sim_condition(sim, "certificate/web", "Issuing"), "False");
            ASSERT_STREQ(sim_reason(sim, "certificate/web", "Issuing"), "RequestChanged");
            ASSERT_CONTAINS(sim_message(sim, "certificate/web", "Issuing"), "policy");
            ASSERT_TRUE(sim_written(sim) <= 2);
            ASSERT_EQ(sim_count(sim, "certificaterequest"), 1); /* root's */
            ASSERT_EQ(sim_count(sim, "secret"), 1);
            sim_advance(sim, HOURS(6));
            ASSERT_TRUE(sim_written(sim) > 2 && sim_written(sim) <= 2 * 3);
            sim_change_written(sim, "certificaterequest", NULL);
            sim_let_others_approve(sim, false);
            sim_restart(sim);
            sim_advance(sim, HOURS(6));
            check_leaf(sim);
            sim_free(sim);
        }
    }
}

/* It was issued anew without a pause, or, where the pair was let be, from the end of each issuance on. */
TEST(a_secret_that_is_changed_as_it_is_written_does_not_make_certificates_without_end)
{
    static const char *const changed[] = {
        "{data: {tls.crt: bm9uZQ==}}",
        "{metadata: {annotations: {cert-manager.io/issuer-name: other}}}",
        "{metadata: {annotations: {cert-manager.io/certificate-name: other}}}",
    };

    for (size_t i = 0; i < 2 * ARRAY_LEN(changed); i++) {
        struct sim_options options = {.start_ms = START};
        struct sim *sim = sim_with_root(&options);
        bool long_path = i % 2;
        const char *request;

        CASE(changed[i / 2]);
        sim_let_others_approve(sim, long_path); /* until it has begun */
        sim_restart(sim);
        if (long_path)
            sim_apply(sim, LEAF);
        sim_run_until_idle(sim);
        sim_let_others_approve(sim, false);
        sim_restart(sim);
        sim_change_written(sim, "secret", changed[i / 2]);
        sim_apply(sim, LEAF);
        sim_run_until_idle(sim);
        request = sim_text(sim, "certificaterequest/web-1", "metadata.uid");
        sim_advance(sim, HOURS(1));
        ASSERT_STREQ(sim_text(sim, "certificaterequest/web-1", "metadata.uid"), request);
        ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "False");
        ASSERT_CONTAINS(sim_message(sim, "certificate/web", "Issuing"), "policy");
        ASSERT_TRUE(sim_written(sim) <= 200); /* one each 30 s, and they change nothing */
        sim_change_written(sim, "secret", NULL);
        sim_delete(sim, "secret/web-tls");
        sim_advance(sim, HOURS(1));
        check_leaf(sim);
        sim_free(sim);
    }
}

/* What it costs to be told why. */
TEST(why_a_certificate_is_issued_anew_is_told_by_an_event)
{
    struct sim_options options = {.start_ms = START};
    struct sim *sim = sim_with_root(&options);
    size_t events;

    sim_apply(sim, LEAF);
    sim_run_until_idle(sim);
    events = sim_events(sim, "certificate/web");
    ASSERT_EQ(events, 1);
    sim_delete(sim, "secret/web-tls");
    sim_run_until_idle(sim);
    check_leaf(sim);
    ASSERT_EQ(sim_events(sim, "certificate/web"), events + 1); /* the other one is a series */
    sim_free(sim);
}

/* --- what comes back from a backup --- */

/* Issued, then gone but for the backup. */
static char *backup_of_web(struct sim *sim, const char **ret_key)
{
    char *secret;

    sim_apply(sim, LEAF);
    sim_run_until_idle(sim);
    check_leaf(sim);
    secret = sim_backup(sim, "secret/web-tls");
    *ret_key = sim_secret(sim, "web-tls", "tls.key");
    sim_delete(sim, "certificate/web");
    sim_delete(sim, "secret/web-tls");
    sim_run_until_idle(sim);
    ASSERT_EQ(sim_count(sim, "certificaterequest"), 1); /* root's */
    sim_change_written(sim, "certificaterequest", "{}");
    return secret;
}

/* The caches may have the Certificate before its Secret. */
TEST(a_restored_secret_is_kept_though_the_caches_are_late)
{
    size_t late = 0;

    for (uint64_t seed = 1; seed <= 24; seed++) {
        struct sim_options options = {.start_ms = START, .seed = seed, .split_secrets = true};
        struct sim *sim = sim_with_root(&options);
        const char *key;
        cleanup(xfree) char *secret = backup_of_web(sim, &key);

        sim_apply(sim, secret);
        sim_apply(sim, LEAF);
        sim_run_until_idle(sim);
        ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
        ASSERT_STREQ(sim_secret(sim, "web-tls", "tls.key"), key);
        ASSERT_EQ(sim_count(sim, "certificaterequest"), 1);
        ASSERT_TRUE(sim_written(sim) <= 1); /* and gone again */
        late += sim_written(sim) > 0;
        sim_free(sim);
    }
    ASSERT_TRUE(late > 0);
}

#define OTHER_LEAF CERTIFICATE("web", "ca", "  dnsNames: [other.example.com]\n")
#define OTHER_LEAF_OF_ITS_KEY                                                                      \
    "---\napiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: web, namespace: "    \
    "default}\nspec:\n  secretName: web-tls\n  issuerRef: {name: ca}\n  dnsNames: "                \
    "[other.example.com]\n  privateKey: {algorithm: ECDSA, size: 256, rotationPolicy: Never}\n"

/* What the Secret holds does not fit: its key does, and one made before it was seen must not take its place. */
TEST(a_restored_key_that_must_stay_is_kept_though_the_caches_are_late)
{
    size_t late = 0;

    for (uint64_t seed = 1; seed <= 48; seed++) {
        struct sim_options options = {.start_ms = START, .seed = seed, .split_secrets = true};
        struct sim *sim = sim_with_root(&options);
        const char *key;
        cleanup(xfree) char *secret = backup_of_web(sim, &key);
        bool stays = seed % 2;

        CASE(stays ? "Never" : "Always");
        sim_apply(sim, secret);
        sim_apply(sim, stays ? OTHER_LEAF_OF_ITS_KEY : OTHER_LEAF);
        sim_run_until_idle(sim);
        ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
        ASSERT_EQ(streq(sim_secret(sim, "web-tls", "tls.key"), key), stays);
        ASSERT_EQ(sim_count(sim, "secret"), 2); /* and no next key */
        late += sim_written(sim) > 1;
        sim_free(sim);
    }
    ASSERT_TRUE(late > 0);
}

/* One was made after the other, each left behind as a stranger's. */
TEST(a_next_key_that_is_changed_as_it_is_created_is_not_left_behind)
{
    static const char *const changed[] = {
        "{metadata: {labels: {cert-manager.io/next-private-key: null}}}",
        "{metadata: {ownerReferences: null}}",
        "{data: {tls.key: bm9uZQ==}}",
    };

    for (size_t i = 0; i < ARRAY_LEN(changed); i++) {
        struct sim_options options = {.start_ms = START};
        struct sim *sim = sim_with_root(&options);

        CASE(changed[i]);
        sim_let_others_approve(sim, true);
        sim_restart(sim);
        sim_change_written(sim, "secret", changed[i]);
        sim_apply(sim, LEAF);
        sim_advance(sim, HOURS(1));
        ASSERT_EQ(sim_count(sim, "secret"), 1);
        ASSERT_TRUE(sim_written(sim) <= 200);
        ASSERT_CONTAINS(sim_message(sim, "certificate/web", "Issuing"), "policy");
        sim_change_written(sim, "secret", NULL);
        sim_let_others_approve(sim, false);
        sim_restart(sim);
        sim_advance(sim, HOURS(1));
        check_leaf(sim);
        sim_free(sim);
    }
}

TEST(an_issuance_by_hand_takes_the_short_path_too)
{
    struct sim *sim = begin(&ways[0]);
    int points;

    sim_run_until_idle(sim);
    sim_set_condition(sim, "certificate/web", "Issuing", "True", "ManuallyTriggered", "by hand");
    points = sim_points(sim);
    sim_run_until_idle(sim);
    ASSERT_EQ(sim_points(sim) - points, 4 + 1 + 1); /* an event, and the old request goes */
    ASSERT_NULL(sim_condition(sim, "certificate/web", "Issuing"));
    ASSERT_STREQ(sim_text(sim, "certificate/web", "status.revision"), "2");
    sim_free(sim);
}

/* cm#4846 */
TEST(a_certificate_that_is_due_as_it_comes_is_not_made_without_end)
{
    struct sim_options options = {.start_ms = START};
    struct sim *sim = sim_with_root(&options);
    int64_t revision;

    sim_apply(sim, CERTIFICATE("web", "ca", NAMES "  duration: 1h1s\n  renewBefore: 1h\n"));
    sim_advance(sim, HOURS(1));
    ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
    ASSERT_EQ(
        str_parse_int(sim_text(sim, "certificate/web", "status.revision"), 1, 1000, &revision), 0);
    ASSERT_TRUE(revision > 2 && revision <= 2 * 24 + 2); /* two for each 24th of its life */
    sim_free(sim);
}

/* As of a backup: the Secret as it was, and nothing else of what was known. */
TEST(a_restore_of_any_literal_subject_issues_nothing)
{
    static const char *const subjects[] = {
        "CN=b+CN=a", "CN=a+CN=b,O=o", "CN=a,CN=c+O=o+CN=b", "CN=bb+CN=c+OU=u,CN=z+CN=y*",
        "CN=,CN=a",
    };

    for (size_t i = 0; i < ARRAY_LEN(subjects); i++) {
        cleanup(xfree) char *leaf = xasprintf("%s  literalSubject: '%s'\n", LEAF, subjects[i]);
        struct sim *sim = sim_with_root(&(struct sim_options){.start_ms = START});
        cleanup(xfree) char *first = NULL;

        CASE(subjects[i]);
        sim_apply(sim, leaf);
        sim_run_until_idle(sim);
        first = xstrdup(sim_secret(sim, "web-tls", "tls.crt"));
        ASSERT_TRUE(first);
        sim_delete(sim, "certificate/web");
        sim_run_until_idle(sim);
        sim_apply(sim, leaf);
        sim_run_until_idle(sim);
        ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
        ASSERT_STREQ(sim_secret(sim, "web-tls", "tls.crt"), first);
        sim_free(sim);
    }
}

TEST(an_rsa_key_comes_from_the_keymaker)
{
    struct sim_options options = {.start_ms = START};
    struct sim *sim = sim_with_root(&options);
    int points = sim_points(sim);

    sim_apply(sim,
              "apiVersion: cert-manager.io/v1\nkind: Certificate\n"
              "metadata: {name: web, namespace: default}\n"
              "spec: {dnsNames: [www.example.com], secretName: web-tls, issuerRef: {name: ca}}\n");
    sim_run_until_idle(sim);
    check_leaf(sim);
    ASSERT_CONTAINS(sim_secret(sim, "web-tls", "tls.key"), "BEGIN RSA PRIVATE KEY");
    ASSERT_EQ(sim_points(sim) - points, 4 + 1);
    sim_free(sim);
}

/* --- another program's issuers: --controllers=-certificaterequests-issuer-TYPE --- */

/* Approving is a controller of its own; what an issuer says and signs is not ours. */
TEST(requests_of_an_issuer_type_that_is_switched_off_are_approved_and_left)
{
    static const struct {
        const char *off, *issuer;
    } cases[] = {
        {"ca", "ca: {secretName: root-tls}"}, {"ca", "ca: {secretName: missing}"},
        {"selfsigned", "selfSigned: {}"},     {"vault", "vault: {server: 'https://v', path: p}"},
        {"venafi", "venafi: {zone: z}"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sim_options options = {.start_ms = START, .issuer_off = cases[i].off};
        struct sim *sim = sim_new_with(&options);
        cleanup(xfree) char *issuer = xasprintf(ISSUER("theirs", "%s"), cases[i].issuer);

        CASE(issuer);
        sim_apply(sim, issuer);
        sim_run_until_idle(sim);
        sim_apply(sim, CERTIFICATE("web", "theirs", NAMES) REQUEST("hand", "theirs", ""));
        sim_run_until_idle(sim);
        ASSERT_STREQ(sim_condition(sim, "certificate/web", "Issuing"), "True");
        ASSERT_STREQ(sim_condition(sim, "certificaterequest/web-1", "Approved"), "True");
        ASSERT_NULL(sim_condition(sim, "certificaterequest/web-1", "Ready"));
        ASSERT_NULL(sim_condition(sim, "certificaterequest/hand", "Ready"));
        sim_free(sim);
    }
}

/* A kind of another group: AWS PCA, step, Google CAS. */
TEST(requests_of_another_programs_issuer_are_approved_by_who_approves_and_left)
{
    for (int others = 0; others <= 1; others++) {
        struct sim_options options = {.start_ms = START, .others_approve = others == 1};
        struct sim *sim = sim_new_with(&options);

        sim_apply(sim, CERTIFICATE("web", "theirs, kind: Theirs, group: ca.example.com", NAMES));
        sim_run_until_idle(sim);
        ASSERT_STREQ(sim_condition(sim, "certificate/web", "Issuing"), "True");
        if (others)
            ASSERT_NULL(sim_condition(sim, "certificaterequest/web-1", "Approved"));
        else
            ASSERT_STREQ(sim_condition(sim, "certificaterequest/web-1", "Approved"), "True");
        ASSERT_CONTAINS(sim_message(sim, "certificate/web", "Issuing"),
                        others ? "is not approved yet" : "group 'ca.example.com'");
        ASSERT_NULL(sim_condition(sim, "certificaterequest/web-1", "Ready"));
        sim_free(sim);
    }
}

TEST(a_denied_request_of_an_issuer_type_that_is_switched_off_is_left)
{
    struct sim_options options = {.start_ms = START, .issuer_off = "ca", .others_approve = true};
    struct sim *sim = sim_new_with(&options);

    sim_apply(sim, CA REQUEST("hand", "ca", ""));
    sim_set_condition(sim, "certificaterequest/hand", "Denied", "True", "Admin", "by hand");
    sim_run_until_idle(sim);
    ASSERT_NULL(sim_condition(sim, "certificaterequest/hand", "Ready"));
    sim_free(sim);
}

/* --- chains that clients refuse: issued all the same, and told --- */

#define BOUNDED_ROOT                                                                               \
    CERTIFICATE("root", "self",                                                                    \
                "  isCA: true\n  commonName: root\n  duration: 87600h\n"                           \
                "  nameConstraints: {critical: true, permitted: {dnsDomains: [.corp.example]}}\n")

TEST(names_that_a_ca_may_not_sign_are_issued_and_told_once_each_time)
{
    for (int others = 0; others <= 1; others++) { /* the short path, and the long one */
        struct sim_options options = {.start_ms = START};
        struct sim *sim = sim_new_with(&options);

        CASE(others ? "long path" : "short path");
        sim_apply(sim, SELF_SIGNED CA BOUNDED_ROOT);
        sim_run_until_idle(sim);
        ASSERT_STREQ(sim_message(sim, "issuer/ca", "Ready"), "Signing CA verified");
        sim_let_others_approve(sim, others);
        sim_restart(sim);
        sim_apply(sim, CERTIFICATE("in", "ca", "  dnsNames: [www.corp.example]\n")
                           CERTIFICATE("out", "ca", "  dnsNames: [www.other.example]\n"));
        sim_run_until_idle(sim);
        if (others) {
            sim_set_condition(sim, "certificaterequest/in-1", "Approved", "True", "Admin", "x");
            sim_set_condition(sim, "certificaterequest/out-1", "Approved", "True", "Admin", "x");
            sim_run_until_idle(sim);
        }
        for (int look = 0; look < 3; look++) {
            ASSERT_STREQ(sim_condition(sim, "certificate/in", "Ready"), "True");
            ASSERT_STREQ(sim_condition(sim, "certificate/out", "Ready"), "True");
            ASSERT_EQ(sim_times_told(sim, "certificate/in", "ChainRefused"), 0);
            ASSERT_EQ(sim_times_told(sim, "certificate/out", "ChainRefused"), 1);
            ASSERT_STREQ(sim_text(sim, "certificate/out", "status.revision"), "1");
            sim_patch(sim, "secret/out-tls", "{metadata: {labels: null}}"); /* to be repaired */
            sim_restart(sim);
            sim_advance(sim, DAYS(1));
        }
        sim_let_others_approve(sim, false);
        sim_restart(sim);
        sim_advance(sim, DAYS(60));
        ASSERT_STREQ(sim_text(sim, "certificate/out", "status.revision"), "2");
        ASSERT_EQ(sim_times_told(sim, "certificate/in", "ChainRefused"), 0);
        ASSERT_EQ(sim_times_told(sim, "certificate/out", "ChainRefused"), 2);
        ASSERT_EQ(sim_times_told(sim, "issuer/ca", "ChainRefused"), 0);
        sim_free(sim);
    }
}

/* The CA in between has itself a name that is outside of what the root may sign. */
TEST(a_ca_that_clients_refuse_stays_ready_and_is_told_once)
{
    struct sim *sim = sim_new(START);

    sim_apply(sim, SELF_SIGNED CA BOUNDED_ROOT ISSUER("low", "ca: {secretName: middle-tls}")
                       CERTIFICATE("middle", "ca",
                                   "  isCA: true\n  commonName: middle\n"
                                   "  dnsNames: [ca.other.example]\n"
                                   "  duration: 87600h\n")
                           CERTIFICATE("web", "low", "  dnsNames: [www.corp.example]\n"));
    sim_run_until_idle(sim);
    for (int look = 0; look < 3; look++) {
        ASSERT_STREQ(sim_condition(sim, "issuer/low", "Ready"), "True");
        ASSERT_STREQ(sim_reason(sim, "issuer/low", "Ready"), "KeyPairVerified");
        ASSERT_CONTAINS(
            sim_message(sim, "issuer/low", "Ready"),
            "Signing CA verified; clients refuse the certificates that it signs: the "
            "CA certificate 'CN=middle' has names that the CA certificate 'CN=root' may not "
            "sign (name constraints: outside of what is permitted): DNS name "
            "'ca.other.example'; ");
        ASSERT_EQ(sim_times_told(sim, "issuer/low", "ChainRefused"), 1);
        ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
        ASSERT_EQ(sim_times_told(sim, "certificate/web", "ChainRefused"), 1);
        ASSERT_EQ(sim_times_told(sim, "certificate/middle", "ChainRefused"), 1);
        sim_restart(sim);
        sim_advance(sim, DAYS(1));
    }
    sim_free(sim);
}

/* --- requests that nobody's Certificate made --- */

TEST(a_request_by_hand_is_approved_and_issued_in_one_write)
{
    struct sim_options options = {.start_ms = START};
    struct sim *sim = sim_with_root(&options);
    int points = sim_points(sim);

    sim_apply(sim, REQUEST("hand", "ca", ""));
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_condition(sim, "certificaterequest/hand", "Approved"), "True");
    ASSERT_STREQ(sim_reason(sim, "certificaterequest/hand", "Ready"), "Issued");
    ASSERT_TRUE(sim_text(sim, "certificaterequest/hand", "status.certificate") != NULL);
    ASSERT_EQ(sim_points(sim) - points, 1);
    sim_free(sim);
}

TEST(a_request_that_contradicts_itself_is_refused_and_not_approved)
{
    struct sim_options options = {.start_ms = START};
    struct sim *sim = sim_with_root(&options);

    sim_apply(sim, CA REQUEST("before", "ca", ""));
    sim_run_until_idle(sim);
    sim_apply(sim, REQUEST("hand", "ca", "") "  duration: -1h\n");
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_condition(sim, "certificaterequest/hand", "InvalidRequest"), "True");
    ASSERT_CONTAINS(sim_message(sim, "certificaterequest/hand", "InvalidRequest"),
                    "spec.duration: ");
    ASSERT_STREQ(sim_reason(sim, "certificaterequest/hand", "Ready"), "Failed");
    ASSERT_NULL(sim_condition(sim, "certificaterequest/hand", "Approved"));
    ASSERT_TRUE(sim_has_event(sim, "certificaterequest/hand", "InvalidRequest"));
    ASSERT_STREQ(sim_reason(sim, "certificaterequest/before", "Ready"), "Issued");
    sim_free(sim);
}

TEST(a_self_signed_request_waits_for_the_secret_with_its_key)
{
    struct sim_options options = {.start_ms = START};
    struct sim *sim = sim_with_root(&options);

    sim_apply(sim, REQUEST("none", "self", "")
                       REQUEST("hand", "self",
                               ", annotations: {cert-manager.io/private-key-secret-name: key}"));
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_reason(sim, "certificaterequest/none", "Ready"), "Failed");
    ASSERT_TRUE(sim_has_event(sim, "certificaterequest/none", "MissingAnnotation"));
    ASSERT_STREQ(sim_reason(sim, "certificaterequest/hand", "Ready"), "Pending");
    ASSERT_CONTAINS(sim_message(sim, "certificaterequest/hand", "Ready"), "secret 'default/key'");
    sim_apply(sim, CERTIFICATE("other", "self", "  commonName: a\n"));
    sim_patch(sim, "certificate/other", "{spec: {secretName: key}}"); /* some other key */
    sim_run_until_idle(sim);
    ASSERT_STREQ(sim_reason(sim, "certificaterequest/hand", "Ready"), "Failed");
    ASSERT_TRUE(sim_has_event(sim, "certificaterequest/hand", "ErrorKeyMatch"));
    ASSERT_EQ(sim_now(sim), START);
    sim_free(sim);
}

RUN_TESTS(
    cmocka_unit_test(why_a_certificate_is_issued_anew_is_told_by_an_event),
    cmocka_unit_test(a_restored_key_that_must_stay_is_kept_though_the_caches_are_late),
    cmocka_unit_test(a_self_signed_root_signs_by_a_ca_issuer),
    cmocka_unit_test(everything_applied_at_once_becomes_ready),
    cmocka_unit_test(a_certificate_that_others_must_approve_waits_for_them),
    cmocka_unit_test(a_missing_or_wrong_ca_is_said_and_a_corrected_one_signs),
    cmocka_unit_test(an_expired_ca_is_said_when_it_expires),
    cmocka_unit_test(a_new_ca_signs_what_is_issued_from_then_on),
    cmocka_unit_test(a_cluster_issuer_signs_for_every_namespace),
    cmocka_unit_test(a_request_that_is_nobodys_does_not_hold_up_the_certificate_of_its_name),
    cmocka_unit_test(a_ca_of_ones_own_is_not_overwritten_by_a_certificate),
    cmocka_unit_test(a_certificate_whose_issuer_reads_its_secret_waits_until_that_reads_another),
    cmocka_unit_test(the_key_of_an_account_is_not_overwritten_by_a_certificate),
    cmocka_unit_test(a_secret_of_a_cluster_issuer_is_one_in_its_namespace_alone),
    cmocka_unit_test(a_root_that_an_issuer_reads_is_renewed_from_the_beginning_on),
    cmocka_unit_test(a_certificate_costs_four_writes_and_one_event),
    cmocka_unit_test(a_kept_key_stays_and_another_is_new),
    cmocka_unit_test(a_crash_at_any_point_of_the_short_path_ends_with_one_certificate),
    cmocka_unit_test(two_crashes_in_a_row_end_with_one_certificate),
    cmocka_unit_test(a_write_that_is_refused_turns_into_the_long_path),
    cmocka_unit_test(a_denied_approval_leaves_the_key_where_the_request_says),
    cmocka_unit_test(a_ca_that_goes_away_half_way_is_waited_for),
    cmocka_unit_test(a_request_that_is_changed_as_it_is_created_is_a_failure_with_back_off),
    cmocka_unit_test(a_restored_secret_is_kept_though_the_caches_are_late),
    cmocka_unit_test(
        a_secret_that_is_changed_as_it_is_written_does_not_make_certificates_without_end),
    cmocka_unit_test(a_next_key_that_is_changed_as_it_is_created_is_not_left_behind),
    cmocka_unit_test(an_issuance_by_hand_takes_the_short_path_too),
    cmocka_unit_test(a_certificate_that_is_due_as_it_comes_is_not_made_without_end),
    cmocka_unit_test(a_restore_of_any_literal_subject_issues_nothing),
    cmocka_unit_test(an_rsa_key_comes_from_the_keymaker),
    cmocka_unit_test(requests_of_an_issuer_type_that_is_switched_off_are_approved_and_left),
    cmocka_unit_test(requests_of_another_programs_issuer_are_approved_by_who_approves_and_left),
    cmocka_unit_test(a_denied_request_of_an_issuer_type_that_is_switched_off_is_left),
    cmocka_unit_test(names_that_a_ca_may_not_sign_are_issued_and_told_once_each_time),
    cmocka_unit_test(a_ca_that_clients_refuse_stays_ready_and_is_told_once),
    cmocka_unit_test(a_request_by_hand_is_approved_and_issued_in_one_write),
    cmocka_unit_test(a_request_that_contradicts_itself_is_refused_and_not_approved),
    cmocka_unit_test(a_self_signed_request_waits_for_the_secret_with_its_key));
