/*
 * certificate_request.c - approval, then the issuer that the request names (behaviour.md 6).
 *
 * Approval and "pending" are one status write; with an issuer that signs at once, approval and certificate
 * are (DESIGN 12.10). What the issuer type does is behind issuer_ops.sign; it never waits, so a request in
 * flight costs a timer or nothing at all.
 */
#include <string.h>

#include "base/log.h"
#include "controller/caches.h"
#include "controller/facts.h"
#include "controller/secrets.h"

#define APPROVAL_RECHECK_MS MINUTES(5) /* no watch tells of a permission */

struct run {
    struct controllers *self;
    const struct context *ctx;
    const struct key *key;
    const struct request_facts *facts;
    const struct certificate_request *request; /* &facts->request */
    struct certificate_request_status status;  /* as it should be */
    const struct object *full;                 /* with its bytes; NULL: they were not needed yet */
    struct arena *arena;
};

static void run_deinit(struct run *run)
{
    if (run->full)
        object_unref(run->full);
    arena_free(run->arena);
}
DEFINE_CLEANUP_VALUE(struct run, run_deinit);

static struct author author_of(const struct run *run)
{
    return (struct author){run->self, run->ctx, LANE_REQUESTS, run->key, MANAGER_REQUESTS};
}

static void set_condition(struct run *run, const char *type, enum condition_status status,
                          const char *reason, const char *message)
{
    struct condition condition = {
        .type = type, .status = status, .reason = reason, .message = message};

    condition_set(&run->status.conditions, &condition, context_now_ms(run->ctx), run->arena);
}

/* --- the two that the short path of a Certificate sets too --- */

#define APPROVED "Certificate request has been approved by cert-manager.io"
#define FETCHED  "Certificate fetched from issuer successfully"

void request_approve(struct certificate_request_status *status, int64_t now_ms, struct arena *arena)
{
    struct condition condition = {.type = "Approved",
                                  .status = CONDITION_TRUE,
                                  .reason = "cert-manager.io",
                                  .message = APPROVED};

    condition_set(&status->conditions, &condition, now_ms, arena);
}

void request_issue(struct certificate_request_status *status, const struct sign_result *result,
                   int64_t now_ms, struct arena *arena)
{
    struct condition condition = {
        .type = "Ready", .status = CONDITION_TRUE, .reason = "Issued", .message = FETCHED};

    status->certificate = result->certificate;
    status->ca = result->ca;
    condition_set(&status->conditions, &condition, now_ms, arena);
}

/* Conditions and time alone; the bytes that the cache left out come from the store. */
static int save_live(struct run *run, struct err *err)
{
    cleanup(object_unref) const struct object *object = NULL;
    struct certificate_request_status status;
    int r = read_full(run->self, run->ctx, &run->request->object, &object, err);

    if (r < 0)
        return r;
    if (!streq(object->metadata.resource_version, run->request->object.metadata.resource_version))
        return 0; /* somebody else's condition may be in it: its change wakes us */
    status = run->status;
    status.certificate = ((const struct certificate_request *)object)->status.certificate;
    status.ca = ((const struct certificate_request *)object)->status.ca;
    r = write_status(author_of(run), object, &status, err);
    return r < 0 ? r : 1;
}

/* 1: written, 0: was so already. */
static int save(struct run *run, struct err *err)
{
    int r;

    if (fields_equal(&certificate_request_status_fields, &run->request->status, &run->status))
        return 0;
    if (run->facts->has_certificate)
        return save_live(run, err);
    r = write_status(author_of(run), &run->request->object, &run->status, err);
    return r < 0 ? r : 1;
}

static bool is_ended(const struct conditions *conditions)
{
    return condition_has_reason(conditions, "Ready", "Failed") ||
           condition_has_reason(conditions, "Ready", "Issued") ||
           condition_is(conditions, "InvalidRequest", CONDITION_TRUE);
}

static int deny(struct run *run, struct err *err)
{
    if (condition_has_reason(&run->status.conditions, "Ready", "Denied"))
        return 0;
    set_condition(run, "Ready", CONDITION_FALSE, "Denied",
                  "The CertificateRequest was denied by an approval controller");
    run->status.failure_time_ms = context_now_ms(run->ctx);
    return save(run, err) < 0 ? err->code : 0;
}

static void tell_approved(struct run *run)
{
    event_extra(run->self, run->ctx, &run->request->object, "cert-manager.io", APPROVED);
}

static void approve(struct run *run)
{
    request_approve(&run->status, context_now_ms(run->ctx), run->arena);
    tell_approved(run);
}

static void set_pending(struct run *run, const char *event_reason, const char *message)
{
    const struct condition *ready = condition_find(&run->status.conditions, "Ready");

    if (event_reason && (!ready || !streq(ready->message, message)))
        event_extra(run->self, run->ctx, &run->request->object, event_reason, "%s", message);
    set_condition(run, "Ready", CONDITION_FALSE, "Pending", message);
}

static int fail(struct run *run, const char *event_reason, const char *message, struct err *err)
{
    int r;

    set_condition(run, "Ready", CONDITION_FALSE, "Failed", message);
    if (run->status.failure_time_ms == 0)
        run->status.failure_time_ms = context_now_ms(run->ctx);
    r = save(run, err);
    if (r > 0)
        event(run->self, run->ctx, &run->request->object, EVENT_WARNING, event_reason, "%s",
              message);
    return r < 0 ? r : 0;
}

/* Nobody can sign it, and it cannot change: whoever made it has to make another. */
static int refuse(struct run *run, const char *problem, struct err *err)
{
    set_condition(run, "InvalidRequest", CONDITION_TRUE, "InvalidSpec", problem);
    return fail(run, "InvalidRequest", problem, err);
}

/* Once, when it is first looked at: what it says cannot change. An API server lets in what its rules cannot read,
 * which is most of a CSR. */
static int find_problem(struct run *run, const char **ret, struct err *err)
{
    cleanup(field_report_deinit) struct field_report report = {};
    struct err why = {};
    int r;

    *ret = NULL;
    if (run->facts->has_certificate || condition_find(&run->status.conditions, "Ready"))
        return 0;
    r = read_full(run->self, run->ctx, &run->request->object, &run->full, err);
    if (r < 0)
        return r;
    object_check_spec(run->full, &report);
    if (field_report_check(&report, &why) < 0)
        *ret = arena_strdup(run->arena, why.text);
    return 0;
}

static int issued(struct run *run, const struct sign_result *result, struct err *err)
{
    int r;

    request_issue(&run->status, result, context_now_ms(run->ctx), run->arena);
    r = save(run, err);
    if (r <= 0)
        return r;
    event_extra(run->self, run->ctx, &run->request->object, "CertificateIssued", FETCHED);
    if (result->warning)
        event(run->self, run->ctx, &run->request->object, EVENT_WARNING, "BadConfig", "%s",
              result->warning);
    return 0;
}

/* certID of the certificate that this request replaces (RFC 9773 5), when its CA has renewal information. */
static const char *replaced_certificate(struct run *run, const struct issuer *issuer)
{
    struct key key = {
        .namespace = run->key->namespace,
        .name = object_annotation(&run->request->object, ANNOTATION_CERTIFICATE_NAME)};
    cleanup(object_unref) const struct certificate *crt = NULL;
    cleanup(object_unref) const struct secret_facts *secret = NULL;

    if (!key.name || !issuer->spec.acme ||
        issuer->spec.acme->renewal_information_source == ARI_NONE)
        return NULL;
    crt = cache_get(run->self->caches.certificates, &key);
    if (!crt || !crt->status.acme || !crt->status.acme->ari ||
        !crt->status.acme->ari->suggested_window)
        return NULL;
    key.name = crt->spec.secret_name;
    if (secret_facts_get(run->self, run->ctx, &key, &secret, NULL) < 0)
        return NULL; /* it is a courtesy to the CA, no reason to wait */
    if (!secret || !secret->ari_id)
        return NULL;
    if (!streq(object_annotation(&secret->object, ANNOTATION_ISSUER_NAME),
               run->request->spec.issuer_ref.name))
        return NULL;
    return arena_strdup(run->arena, secret->ari_id);
}

/* What an Order tells is on its way; what signs at once says what it misses. */
static int pending(struct run *run, const struct issuer_ops *ops, const struct sign_result *result,
                   struct err *err)
{
    int r;

    if (!ops->signs_at_once) {
        if (result->reason)
            event_extra(run->self, run->ctx, &run->request->object, result->reason, "%s",
                        result->message);
        if (result->warning)
            event(run->self, run->ctx, &run->request->object, EVENT_WARNING, "OrderNameTaken", "%s",
                  result->warning);
        return 0;
    }
    set_pending(run, result->reason, result->message);
    r = save(run, err);
    return r < 0 ? r : 0;
}

static int sign(struct run *run, const struct issuer *issuer, struct reconcile_result *result,
                struct err *err)
{
    const struct issuer_ops *ops = issuer_type_of(&issuer->spec);
    struct sign_input input = {.issuer = issuer,
                               .request = run->full ? run->full : &run->request->object,
                               .replaces = replaced_certificate(run, issuer)};
    struct sign_result signed_ = {};
    int r = ops->sign(&run->self->issuers, run->ctx, &input, run->arena, &signed_, err);

    if (r < 0)
        return r;
    result->requeue_at_ms = signed_.requeue_at_ms;
    if (signed_.order_version)
        expectations_add(run->self->expectations, LANE_REQUESTS, run->key,
                         cache_source_in(run->self->caches.orders, run->key->namespace),
                         signed_.order_version);
    switch (signed_.state) {
    case SIGN_ISSUED:
        return issued(run, &signed_, err);
    case SIGN_FAILED:
        return fail(run, signed_.reason, signed_.message, err);
    case SIGN_PENDING:
        return pending(run, ops, &signed_, err);
    }
    return err_set(err, ERR_INTERNAL, "no such sign state");
}

static bool signs_at_once(const struct issuer *issuer)
{
    return issuer_type_of(&issuer->spec)->signs_at_once;
}

/* To be signed by this issuer, which may be missing. */
static int issue(struct run *run, const struct issuer *issuer, struct reconcile_result *result,
                 struct err *err)
{
    const char *obstacle, *reason = NULL;
    int r;

    obstacle = issuer_obstacle(run->self, issuer, &run->request->spec.issuer_ref, run->arena,
                               &reason);
    if (!obstacle && !run->facts->has_certificate && signs_at_once(issuer))
        return sign(run, issuer, result, err);
    if (!run->facts->has_certificate)
        set_pending(run, reason, obstacle ? obstacle : REQUEST_WAITS_FOR_ISSUER);
    r = save(run, err);
    if (r != 0 || obstacle || run->facts->has_certificate)
        return r < 0 ? r : 0; /* what was written wakes the next run */
    return sign(run, issuer, result, err);
}

/* The issuer is another program's: only to approve is ours, as far as the signers go that we may approve for. */
static int approve_only(struct run *run, struct reconcile_result *result, struct err *err)
{
    const struct conditions *conditions = &run->status.conditions;
    struct err why = {};
    int r;

    if (!run->self->options.approve || is_ended(conditions) ||
        condition_is(conditions, "Approved", CONDITION_TRUE) ||
        condition_is(conditions, "Denied", CONDITION_TRUE))
        return 0;
    request_approve(&run->status, context_now_ms(run->ctx), run->arena);
    r = save(run, &why);
    if (r == ERR_DENIED) {
        log_info(run->ctx, "not approved, as for another program's issuer: %s", why.text);
        result->requeue_at_ms = context_now_ms(run->ctx) + APPROVAL_RECHECK_MS;
        return 0;
    }
    if (r < 0)
        return err_pass(err, &why);
    tell_approved(run);
    return 0;
}

static int reconcile(struct run *run, struct reconcile_result *result, struct err *err)
{
    const struct conditions *conditions = &run->status.conditions;
    const struct issuer_reference *ref = &run->request->spec.issuer_ref;
    cleanup(object_unref) const struct issuer *issuer = NULL;
    bool is_denied = condition_is(conditions, "Denied", CONDITION_TRUE), is_off;
    const char *problem = NULL;
    int r = 0;

    if (!streq(issuer_reference_group(ref), "cert-manager.io"))
        return approve_only(run, result, err);
    issuer = issuer_of(run->self, ref, run->key->namespace);
    is_off = issuer_is_off(run->self, issuer);
    if (is_denied)
        return is_off ? 0 : deny(run, err);
    if (is_ended(conditions))
        return 0;
    if (!is_off)
        r = find_problem(run, &problem, err);
    if (r < 0 || problem)
        return r < 0 ? r : refuse(run, problem, err);
    if (!condition_is(conditions, "Approved", CONDITION_TRUE)) {
        if (!run->self->options.approve)
            return 0; /* somebody else approves; the change wakes us */
        approve(run);
    }
    if (is_off)
        return save(run, err) < 0 ? err->code : 0; /* the rest is another program's */
    return issue(run, issuer, result, err);
}

int certificate_request_reconcile(void *controllers, const struct context *ctx,
                                  const struct key *key, struct reconcile_result *ret_result,
                                  struct err *err)
{
    struct controllers *self = controllers;
    cleanup(object_unref) const struct request_facts *facts = cache_get(self->caches.requests, key);
    cleanup(run_deinit) struct run run = {
        .self = self, .ctx = ctx, .key = key, .facts = facts, .arena = arena_new(0)};

    if (!facts || facts->request.object.metadata.deletion_timestamp_ms)
        return 0;
    run.request = &facts->request;
    run.status = facts->request.status;
    return reconcile(&run, ret_result, err);
}
