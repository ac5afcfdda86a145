/*
 * signing_request.c - CertificateSigningRequests of Kubernetes whose signer is an issuer (behaviour.md 14).
 *
 *   cached ──decide──► nothing to write: an event at most
 *                └───► read live ──decide──► access? ──decide──► the Failed condition, or sign ─► certificate
 *
 * What is signed is what was just read, and what is written back is that with one member more: the API server
 * takes the whole object with its status, and by its version nothing that somebody else wrote is lost and no
 * certificate is stored twice. Until an Order ends, its changes cost no read.
 */
#include "base/base64.h"
#include "controller/access.h"
#include "controller/caches.h"
#include "controller/signing_decide.h"
#include "issuer/order.h"

struct run {
    struct controllers *self;
    const struct context *ctx;
    const struct key *key;
    struct signer signer;
    struct signing_look look;
    struct json *live;          /* as it is now; NULL: not read */
    const struct object *full;  /* the same, decoded */
    const struct object *about; /* of events */
    struct arena *arena;
    struct reconcile_result *result;
};

static struct author author_of(const struct run *run)
{
    return (struct author){run->self, run->ctx, LANE_SIGNING_REQUESTS, run->key, MANAGER_SIGNING};
}

static void run_deinit(struct run *run)
{
    json_unref(run->live);
    if (run->full)
        object_unref(run->full);
    if (run->look.issuer)
        object_unref(&run->look.issuer->object);
    arena_free(run->arena);
}
DEFINE_CLEANUP_VALUE(struct run, run_deinit);

/* --- what is written --- */

static int save(struct run *run, struct err *err)
{
    return write_whole_status(author_of(run), &kind_signing_request, run->live, err);
}

static int fail(struct run *run, const char *reason, const char *message, struct err *err)
{
    int64_t now_ms = context_now_ms(run->ctx);
    struct signing_condition failed = {.type = "Failed",
                                       .status = CONDITION_TRUE,
                                       .reason = reason,
                                       .message = message,
                                       .last_update_time_ms = now_ms,
                                       .last_transition_time_ms = now_ms};
    struct json *status = json_need_map(run->live, "status");
    int r;

    if (!json_get(status, "conditions"))
        json_set(status, "conditions", json_new_list());
    json_append(json_get(status, "conditions"), fields_encode(&signing_condition_fields, &failed));
    r = save(run, err);
    if (r == 0)
        event(run->self, run->ctx, run->about, EVENT_WARNING, reason, "%s", message);
    return r;
}

static int issued(struct run *run, const struct sign_result *result, struct err *err)
{
    cleanup(xfree) char *text = base64_new(result->certificate.data, result->certificate.len);
    int r;

    json_set_text(json_need_map(run->live, "status"), "certificate", text);
    r = save(run, err);
    if (r < 0)
        return r;
    event_extra(run->self, run->ctx, run->about, "CertificateIssued",
                "The certificate is in status.certificate");
    if (result->warning)
        event(run->self, run->ctx, run->about, EVENT_WARNING, "BadConfig", "%s", result->warning);
    return 0;
}

/* --- signing --- */

/* As Orders' certificates are checked, whoever signed. */
static int verify(struct run *run, const struct bytes *pem, struct err *err)
{
    const struct bytes *request = &run->look.request->spec.request;
    cleanup(chain_deinit) struct chain chain = {};
    cleanup(csr_free) struct csr *csr = NULL;
    struct chain_expectation expect = {.now_ms = context_now_ms(run->ctx),
                                       .clock_slack_ms = HOURS(1)};
    int r = csr_parse(request->data, request->len, &csr, err);

    if (r == 0)
        r = chain_from_pem((const char *)pem->data, pem->len, &chain, err);
    if (r < 0)
        return r;
    expect.key = csr_public_key(csr);
    expect.dns_names = &csr_names(csr)->dns_names;
    expect.ip_addresses = &csr_names(csr)->ip_addresses;
    return chain_verify(&chain, &expect, NULL, err);
}

typedef int visit_order_fn(struct run *run, const struct order *order, struct err *err);

/* Those that are this request's. Stops at the first that `visit` returns something for, and returns it. */
static int visit_orders(struct run *run, visit_order_fn *visit, struct err *err)
{
    const struct object *request = &run->look.request->object;
    cleanup(cache_refs_deinit) struct cache_refs orders = {};
    struct signable asked;
    int r = signable_of(&run->self->issuers, run->look.issuer, request, &asked, err);

    if (r < 0)
        return r;
    cache_by_index(run->self->caches.orders, INDEX_OWNER, request->metadata.uid, &orders);
    for (size_t i = 0; i < orders.len && r == 0; i++) {
        if (order_names(orders.items[i], &asked))
            r = visit(run, orders.items[i], err);
    }
    return r;
}

static int is_open(struct run *run, const struct order *order, struct err *err)
{
    return order->status.state != STATE_VALID && !state_is_failed(order->status.state);
}

static bool has_open_order(struct run *run)
{
    return run->look.issuer->spec.acme && visit_orders(run, is_open, NULL) > 0;
}

static int discard(struct run *run, const struct order *order, struct err *err)
{
    return write_delete(run->self, run->ctx, &order->object, err);
}

/* An Order's certificate was right when it was stored: this one is another's doing, or too old by now. Its
 * Order makes room for a new one. */
static int unfit(struct run *run, const struct issuer_ops *ops, const struct err *why,
                 struct err *err)
{
    const char *message = arena_printf(run->arena, "The signed certificate cannot be used: %s",
                                       why->text);

    if (ops->signs_at_once)
        return fail(run, "SigningError", message, err);
    event(run->self, run->ctx, run->about, EVENT_WARNING, "OrderDiscarded", "%s", message);
    return visit_orders(run, discard, err);
}

/* Where cert-manager calls the same trouble of the two kinds by two names. */
static const struct {
    const char *of_requests, *here;
} reasons[] = {{"MissingSecret", "SecretNotFound"}, {"SecretMissing", "SecretNotFound"}};

static const char *reason_here(const char *reason)
{
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
        if (streq(reasons[i].of_requests, reason))
            return reasons[i].here;
    }
    return reason;
}

static int pending(struct run *run, const struct issuer_ops *ops, const struct sign_result *result)
{
    if (!result->reason)
        return 0;
    if (ops->signs_at_once)
        event(run->self, run->ctx, run->about, EVENT_WARNING, reason_here(result->reason), "%s",
              result->message);
    else
        event_extra(run->self, run->ctx, run->about, result->reason, "%s", result->message);
    if (result->warning)
        event(run->self, run->ctx, run->about, EVENT_WARNING, "OrderNameTaken", "%s",
              result->warning);
    return 0;
}

static int conclude(struct run *run, const struct issuer_ops *ops, const struct sign_result *result,
                    struct err *err)
{
    struct err why = {};

    switch (result->state) {
    case SIGN_ISSUED:
        if (verify(run, &result->certificate, &why) < 0)
            return unfit(run, ops, &why, err);
        return issued(run, result, err);
    case SIGN_FAILED:
        return fail(run, result->reason, result->message, err);
    case SIGN_PENDING:
        return pending(run, ops, result);
    }
    return err_set(err, ERR_INTERNAL, "no such sign state");
}

static int sign(struct run *run, const struct signing_decision *decision, struct err *err)
{
    const struct issuer *issuer = run->look.issuer;
    const struct issuer_ops *ops = issuer_type_of(&issuer->spec);
    struct array_pair annotations;
    struct sign_input input = {
        .issuer = issuer, .request = run->full, .order_annotations = &annotations};
    struct sign_result signed_ = {};
    int r;

    copied_annotations(run->self, &run->full->metadata.annotations, run->arena, &annotations);
    r = ops->sign(&run->self->issuers, run->ctx, &input, run->arena, &signed_, err);
    if (r < 0)
        return r;
    run->result->requeue_at_ms = signed_.requeue_at_ms;
    if (signed_.order_version)
        expectations_add(run->self->expectations, LANE_SIGNING_REQUESTS, run->key,
                         cache_source_in(run->self->caches.orders,
                                         issuer_secret_namespace(&run->self->issuers, issuer)),
                         signed_.order_version);
    return conclude(run, ops, &signed_, err);
}

/* --- steps --- */

typedef int act_fn(struct run *run, const struct signing_decision *decision, struct err *err);

static int leave(struct run *run, const struct signing_decision *decision, struct err *err)
{
    return 0;
}

static int tell_unapproved(struct run *run, const struct signing_decision *decision,
                           struct err *err)
{
    event_extra(run->self, run->ctx, run->about, decision->reason, "%s", decision->message);
    return 0;
}

static int tell_waiting(struct run *run, const struct signing_decision *decision, struct err *err)
{
    event(run->self, run->ctx, run->about, EVENT_WARNING, decision->reason, "%s",
          decision->message);
    return 0;
}

static int end_failed(struct run *run, const struct signing_decision *decision, struct err *err)
{
    return fail(run, decision->reason, decision->message, err);
}

static const struct {
    bool needs_live; /* decided again on what is read then */
    act_fn *act;
} steps[SIGNING_STEP_COUNT] = {
    [SIGNING_LEAVE] = {false, leave},       [SIGNING_UNAPPROVED] = {false, tell_unapproved},
    [SIGNING_WAIT] = {false, tell_waiting}, [SIGNING_ASK] = {true, leave},
    [SIGNING_FAIL] = {true, end_failed},    [SIGNING_SIGN] = {true, sign},
};

/* 1: it is gone, and perhaps made again, of which nothing that the cache says is true. */
static int read_now(struct run *run, struct err *err)
{
    int r = store_get(run->self->store, run->ctx, &kind_signing_request.resource, run->key,
                      &run->live, err);

    if (r == 0)
        r = object_decode(&kind_signing_request, run->live, NULL, &run->full, err);
    if (r == ERR_NOT_FOUND)
        return 1;
    if (r < 0)
        return r;
    if (!streq(run->full->metadata.uid, run->about->metadata.uid))
        return 1;
    run->about = run->full;
    run->look.request = (const struct signing_request *)run->full;
    run->look.has_certificate = run->look.request->status.certificate.len > 0;
    return 0;
}

static int ask_access(struct run *run, struct err *err)
{
    bool allowed;
    int r = access_to_issuer(run->self->store, run->ctx, run->look.request,
                             &run->look.issuer->object, &allowed, err);

    if (r == 0)
        run->look.access = allowed ? ACCESS_GRANTED : ACCESS_REFUSED;
    return r;
}

static int reconcile(struct run *run, struct err *err)
{
    struct signing_decision decision = signing_decide(&run->look, run->arena);
    int r;

    if (!steps[decision.step].needs_live)
        return steps[decision.step].act(run, &decision, err);
    if (has_open_order(run))
        return 0; /* its end wakes us */
    r = read_now(run, err);
    if (r != 0)
        return r < 0 ? r : 0;
    decision = signing_decide(&run->look, run->arena);
    if (decision.step == SIGNING_ASK) {
        r = ask_access(run, err);
        if (r < 0)
            return r;
        decision = signing_decide(&run->look, run->arena);
    }
    return steps[decision.step].act(run, &decision, err);
}

/* The issuer that the signer's name means. */
static const struct issuer *issuer_of_signer(struct run *run)
{
    const struct signer *signer = &run->signer;
    const char *namespace = arena_printf(run->arena, "%.*s", (int)signer->namespace_len,
                                         str_or(signer->namespace, ""));
    struct issuer_reference ref = {.name = signer->name,
                                   .kind = signer->is_cluster ? "ClusterIssuer" : "Issuer"};

    return issuer_of(run->self, &ref, namespace);
}

int signing_request_reconcile(void *controllers, const struct context *ctx, const struct key *key,
                              struct reconcile_result *ret_result, struct err *err)
{
    struct controllers *self = controllers;
    cleanup(object_unref)
        const struct signing_request_facts *facts = cache_get(self->caches.signing_requests, key);
    cleanup(run_deinit) struct run run = {
        .self = self, .ctx = ctx, .key = key, .arena = arena_new(0), .result = ret_result};

    if (!facts || !signer_parse(facts->request.spec.signer_name, &run.signer))
        return 0;
    run.about = &facts->request.object;
    run.look = (struct signing_look){.request = &facts->request,
                                     .signer = &run.signer,
                                     .has_certificate = facts->has_certificate,
                                     .issuer = issuer_of_signer(&run)};
    run.look.is_off = issuer_is_among(run.look.issuer, &self->options.signing_issuers_off);
    return reconcile(&run, err);
}
