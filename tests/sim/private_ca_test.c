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
#define ROOT CERTIFICATE("root", "self", "  isCA: true\n  commonName: root\n  duration: 87600h\n")
#define LEAF CERTIFICATE("web", "ca", "  dnsNames: [www.example.com]\n")
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

/* Key, names and dates of the leaf fit, and `root` has signed it. */
static void check_signed_by(struct sim *sim, const char *secret, const char *root)
{
    cleanup(xfree) char *both = xasprintf("%s%s", sim_secret(sim, secret, "tls.crt"), root);
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
                   "stringData: {tls.crt: x, tls.key: y}\n");
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

RUN_TESTS(cmocka_unit_test(a_self_signed_root_signs_by_a_ca_issuer),
          cmocka_unit_test(everything_applied_at_once_becomes_ready),
          cmocka_unit_test(a_certificate_that_others_must_approve_waits_for_them),
          cmocka_unit_test(a_missing_or_wrong_ca_is_said_and_a_corrected_one_signs),
          cmocka_unit_test(an_expired_ca_is_said_when_it_expires),
          cmocka_unit_test(a_new_ca_signs_what_is_issued_from_then_on),
          cmocka_unit_test(a_cluster_issuer_signs_for_every_namespace),
          cmocka_unit_test(a_request_by_hand_is_approved_and_issued_in_one_write),
          cmocka_unit_test(a_self_signed_request_waits_for_the_secret_with_its_key));
