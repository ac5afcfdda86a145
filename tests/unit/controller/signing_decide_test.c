/* signing_decide_test.c - CertificateSigningRequests over their conditions, issuers and requesters. */
#include "controller/signing_decide.h"

#include "api/kinds.h"
#include "support/testing.h"

static struct self_signed_issuer self_signed;
static struct condition ready = {.type = "Ready", .status = CONDITION_TRUE},
                        unready = {.type = "Ready", .status = CONDITION_FALSE, .message = "no key"};
#define ISSUER(kind_, namespace_)                                                                  \
    {                                                                                              \
        .object = {.kind = &(kind_), .metadata = {.namespace = namespace_, .name = "ca"}},         \
        .spec = {.self_signed = &self_signed}, .status.conditions = {                              \
            &ready,                                                                                \
            1                                                                                      \
        }                                                                                          \
    }
static const struct issuer good = ISSUER(kind_issuer, "web"),
                           cluster = ISSUER(kind_cluster_issuer, NULL);
static struct issuer typeless = ISSUER(kind_issuer, "web"), waiting = ISSUER(kind_issuer, "web"),
                     new_one = ISSUER(kind_issuer, "web");

static struct signing_condition approved[] = {{.type = "Approved"}},
                                denied[] = {{.type = "Denied"}},
                                failed[] = {{.type = "Approved"}, {.type = "Failed"}},
                                both[] = {{.type = "Approved"}, {.type = "Denied"}};
#define CONDITIONS(list) list, ARRAY_LEN(list)

struct row {
    const char *name;
    struct signing_condition *conditions;
    size_t condition_count;
    const struct issuer *issuer;
    enum signing_step step;
    const char *reason, *message; /* NULL: none */
    enum signing_access access;
    bool has_certificate, is_off, is_going;
    const char *duration; /* the annotation */
};

static const struct row rows[] = {
    {"new", NULL, 0, &good, SIGNING_UNAPPROVED, "WaitingApproval", "Approved"},
    {"new, without an issuer", NULL, 0, NULL, SIGNING_UNAPPROVED, "WaitingApproval"},
    {"denied", CONDITIONS(denied), &good, SIGNING_LEAVE},
    {"approved and denied", CONDITIONS(both), &good, SIGNING_LEAVE},
    {"failed", CONDITIONS(failed), &good, SIGNING_LEAVE},
    {"signed", CONDITIONS(approved), &good, SIGNING_LEAVE, .has_certificate = true},
    {"going away", CONDITIONS(approved), &good, SIGNING_LEAVE, .is_going = true},
    {"no issuer", CONDITIONS(approved), NULL, SIGNING_WAIT, "IssuerNotFound",
     "Issuer 'ca' does not exist"},
    {"no type", CONDITIONS(approved), &typeless, SIGNING_WAIT, "IssuerTypeMissing", "type"},
    {"another program's", CONDITIONS(approved), &good, SIGNING_LEAVE, .is_off = true},
    {"who asks", CONDITIONS(approved), &good, SIGNING_ASK},
    {"who asks, not ready", CONDITIONS(approved), &waiting, SIGNING_ASK},
    {"may not", CONDITIONS(approved), &good, SIGNING_FAIL, "DeniedReference",
     "'ca' in namespace 'web'", ACCESS_REFUSED},
    {"may not, not ready", CONDITIONS(approved), &waiting, SIGNING_FAIL, "DeniedReference", NULL,
     ACCESS_REFUSED},
    {"not ready", CONDITIONS(approved), &waiting, SIGNING_WAIT, "IssuerNotReady", "no key",
     ACCESS_GRANTED},
    {"not looked at", CONDITIONS(approved), &new_one, SIGNING_WAIT, "IssuerNotReady",
     "not been looked at", ACCESS_GRANTED},
    {"ready", CONDITIONS(approved), &good, SIGNING_SIGN, .access = ACCESS_GRANTED},
    {"of a ClusterIssuer", CONDITIONS(approved), &cluster, SIGNING_SIGN},
    {"no duration", CONDITIONS(approved), &cluster, SIGNING_FAIL, "ErrorParseDuration",
     "request-duration", .duration = "soon"},
    {"599 s", CONDITIONS(approved), &cluster, SIGNING_FAIL, "InvalidDuration", "10m0s",
     .duration = "9m59s"},
    {"600 s", CONDITIONS(approved), &cluster, SIGNING_SIGN, .duration = "10m"},
    {"less than nothing", CONDITIONS(approved), &cluster, SIGNING_FAIL, "InvalidDuration",
     .duration = "-1h"},
    {"a duration is looked at last", CONDITIONS(approved), &good, SIGNING_FAIL, "DeniedReference",
     NULL, ACCESS_REFUSED, .duration = "soon"},
};

static struct signing_decision decide(const struct row *row, struct arena *arena)
{
    struct pair annotation = {ANNOTATION_SIGNING_DURATION, row->duration};
    struct signing_request request = {.spec.signer_name = row->issuer == &cluster
                                                              ? "clusterissuers.cert-manager.io/ca"
                                                              : "issuers.cert-manager.io/web.ca"};
    struct signer signer = {};
    struct signing_look look = {.request = &request,
                                .signer = &signer,
                                .has_certificate = row->has_certificate,
                                .issuer = row->issuer,
                                .is_off = row->is_off,
                                .access = row->access};

    request.status.conditions.items = row->conditions;
    request.status.conditions.len = row->condition_count;
    request.object.metadata.annotations = (struct array_pair){&annotation, row->duration ? 1 : 0};
    request.object.metadata.deletion_timestamp_ms = row->is_going;
    ASSERT_TRUE(signer_parse(request.spec.signer_name, &signer));
    return signing_decide(&look, arena);
}

TEST(the_first_check_that_has_something_to_say_decides)
{
    typeless.spec.self_signed = NULL;
    waiting.status.conditions.items = &unready;
    new_one.status.conditions.len = 0;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(arena_free) struct arena *arena = arena_new(0);
        struct signing_decision decision;

        CASE(rows[i].name);
        decision = decide(&rows[i], arena);
        ASSERT_EQ(decision.step, rows[i].step);
        ASSERT_STREQ(decision.reason, rows[i].reason);
        if (rows[i].message)
            ASSERT_CONTAINS(decision.message, rows[i].message);
    }
}

RUN_TESTS(cmocka_unit_test(the_first_check_that_has_something_to_say_decides));
