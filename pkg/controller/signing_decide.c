/*
 * signing_decide.c - one check after the other, in cert-manager's order; the first that has something to say
 * decides. Of an issuer only that it is there is told to whom it is not for.
 */
#include "controller/signing_decide.h"

#include "controller/controllers.h"

typedef bool check_fn(const struct signing_look *look, struct arena *arena,
                      struct signing_decision *ret);

static bool has_ended(const struct signing_look *look, struct arena *arena,
                      struct signing_decision *ret)
{
    *ret = (struct signing_decision){.step = SIGNING_LEAVE};
    return look->has_certificate || look->request->object.metadata.deletion_timestamp_ms ||
           signing_request_has(look->request, "Failed") ||
           signing_request_has(look->request, "Denied");
}

static bool is_unapproved(const struct signing_look *look, struct arena *arena,
                          struct signing_decision *ret)
{
    *ret = (struct signing_decision){
        .step = SIGNING_UNAPPROVED,
        .reason = "WaitingApproval",
        .message = "Waiting for the Approved condition; nobody approves this kind by himself"};
    return !signing_request_has(look->request, "Approved");
}

static bool has_no_issuer(const struct signing_look *look, struct arena *arena,
                          struct signing_decision *ret)
{
    const char *kind = look->signer->is_cluster ? "ClusterIssuer" : "Issuer";

    *ret = (struct signing_decision){.step = SIGNING_WAIT};
    ret->message = issuer_missing(look->issuer, kind, look->signer->name, arena, &ret->reason);
    return ret->message;
}

static bool is_anothers(const struct signing_look *look, struct arena *arena,
                        struct signing_decision *ret)
{
    *ret = (struct signing_decision){.step = SIGNING_LEAVE};
    return look->is_off;
}

static bool has_no_access(const struct signing_look *look, struct arena *arena,
                          struct signing_decision *ret)
{
    const struct metadata *issuer = &look->issuer->object.metadata;

    if (look->signer->is_cluster || look->access == ACCESS_GRANTED)
        return false;
    *ret = (struct signing_decision){.step = SIGNING_ASK};
    if (look->access == ACCESS_UNKNOWN)
        return true;
    ret->step = SIGNING_FAIL;
    ret->reason = "DeniedReference";
    ret->message = arena_printf(arena,
                                "The requester needs verb 'reference' on signers.cert-manager.io "
                                "'%s' in namespace '%s' to have a certificate of this Issuer",
                                issuer->name, issuer->namespace);
    return true;
}

static bool issuer_is_not_ready(const struct signing_look *look, struct arena *arena,
                                struct signing_decision *ret)
{
    *ret = (struct signing_decision){.step = SIGNING_WAIT};
    ret->message = issuer_unready(look->issuer, arena, &ret->reason);
    return ret->message;
}

static bool has_bad_duration(const struct signing_look *look, struct arena *arena,
                             struct signing_decision *ret)
{
    struct opt_duration duration;
    struct err why = {};

    *ret = (struct signing_decision){.step = SIGNING_FAIL};
    if (signing_request_duration(look->request, &duration, &why) < 0) {
        ret->reason = "ErrorParseDuration";
        ret->message = arena_strdup(arena, why.text);
        return true;
    }
    ret->reason = "InvalidDuration";
    ret->message = "The requested duration is shorter than 10m0s, the least that there is";
    return duration.is_set && duration.ns / 1000000 < SIGNING_DURATION_MIN_MS;
}

struct signing_decision signing_decide(const struct signing_look *look, struct arena *arena)
{
    static check_fn *const checks[] = {has_ended,       is_unapproved, has_no_issuer,
                                       is_anothers,     has_no_access, issuer_is_not_ready,
                                       has_bad_duration};
    struct signing_decision decision;

    for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
        if (checks[i](look, arena, &decision))
            return decision;
    }
    return (struct signing_decision){.step = SIGNING_SIGN};
}
