/*
 * challenge.c - one name proved to the CA (behaviour.md 9, RFC 8555 7.5.1).
 *
 *   present ──► self-check, within its budget ──► ask the CA ──► poll ──► valid or invalid ──► clean up
 *
 * Before anything is presented, the Challenge is compared with the CA's own authorization and with the solver that the
 * Issuer has now, so that a Challenge somebody else wrote presents nothing (incident GHSA-8rvj-mm4h-c258).
 */
#include "controller/challenge_run.h"

/* --- status --- */

int challenge_save(struct challenge_run *run, struct err *err)
{
    if (!run->status.processing) /* before the store tells of it, which wakes the next in line */
        challenges_give_place(run->self->challenges, run->challenge->object.metadata.uid);
    if (fields_equal(&challenge_status_fields, &run->challenge->status, &run->status))
        return 0;
    return write_status(challenge_author(run), &run->challenge->object, &run->status, err);
}

int challenge_end(struct challenge_run *run, int state, const char *reason, struct err *err)
{
    int r;

    run->status.state = state;
    run->status.reason = reason;
    run->status.processing = false;
    r = challenge_save(run, err);
    if (r < 0)
        return r;
    challenges_note_ended(run->self->challenges, run->challenge->object.metadata.uid);
    if (state == STATE_VALID)
        event(run->self, run->ctx, &run->challenge->object, EVENT_NORMAL, "DomainVerified",
              "Domain '%s' verified with '%s' validation", run->challenge->spec.dns_name,
              enum_name(&challenge_type_names, run->challenge->spec.type));
    else
        event(run->self, run->ctx, &run->challenge->object, EVENT_WARNING, "Failed", "%s", reason);
    return 0;
}

int challenge_wait(struct challenge_run *run, const char *reason, int64_t at_ms, struct err *err)
{
    run->status.reason = reason;
    run->result->requeue_at_ms = at_ms;
    return challenge_save(run, err);
}

int challenge_settle(struct challenge_run *run, int code, const struct acme_problem *problem,
                     struct err *why, const char *step, struct err *err)
{
    struct flow flow;
    int r;

    if (code == ERR_CANCELED || code == ERR_BUSY) {
        *err = *why;
        return code;
    }
    doubt_account(run->self, run->issuer, problem);
    flow = flow_of(code, problem, why, step, context_now_ms(run->ctx), run->arena);
    if (flow.verdict == FLOW_FAIL)
        return challenge_end(run, flow.state, flow.reason, err);
    /* As for an Issuer that is missing: others may be asked meanwhile. */
    run->status.processing = false;
    if (flow.at_ms == 0)
        flow.reason = reason_with_next_try(challenge_author(run), flow.reason, run->arena);
    r = challenge_wait(run, flow.reason, flow.at_ms, err);
    if (r < 0 || flow.at_ms > 0)
        return r;
    *err = *why;
    return code;
}

/* --- trust --- */

const struct acme_challenge *challenge_find_offer(const struct acme_authorization *authorization,
                                                  const char *url)
{
    for (size_t i = 0; i < authorization->challenge_count; i++) {
        if (streq(authorization->challenges[i].url, url))
            return &authorization->challenges[i];
    }
    return NULL;
}

/* URL, token, name and key must be what the CA says. */
static int check_against_authorization(const struct challenge_run *run,
                                       const struct acme_authorization *authorization,
                                       struct err *err)
{
    const struct challenge_spec *spec = &run->challenge->spec;
    const struct acme_challenge *offer = challenge_find_offer(authorization, spec->url);

    if (!offer || !streq(offer->token, spec->token) || !streq(offer->type, run->ops->acme_type))
        return err_set(err, ERR_DENIED, "the CA's authorization does not hold this challenge");
    if (!streq_ci(authorization->identifier.value, spec->dns_name))
        return err_set(err, ERR_DENIED, "the CA's authorization is for '%s'",
                       str_or(authorization->identifier.value, ""));
    return 0;
}

/* --- the steps --- */

int challenge_read_authorization(struct challenge_run *run, struct acme_authorization *ret,
                                 struct err *why, struct acme_problem *problem)
{
    return acme_authorization_get(run->client, run->ctx, run->challenge->spec.authorization_url,
                                  ret, problem, why);
}

static const char *failure_text(struct challenge_run *run,
                                const struct acme_authorization *authorization)
{
    const struct acme_challenge *offer = challenge_find_offer(authorization,
                                                              run->challenge->spec.url);
    cleanup(buf_deinit) struct buf text = BUF(4096);

    if (offer && offer->error.class != ACME_OK)
        acme_problem_text(&offer->error, &text);
    return arena_printf(run->arena, "Error accepting authorization: %s",
                        text.len > 0 ? buf_str(&text) : acme_status_name(authorization->status));
}

/* 1: still pending; else the Challenge has ended. */
static int take_state(struct challenge_run *run, const struct acme_authorization *authorization,
                      struct err *err)
{
    switch (authorization->status) {
    case ACME_STATUS_VALID:
        return challenge_end(run, STATE_VALID, "Successfully authorized domain", err);
    case ACME_STATUS_PENDING:
    case ACME_STATUS_PROCESSING:
        return 1;
    case ACME_STATUS_EXPIRED:
        return challenge_end(run, STATE_EXPIRED, "The CA's authorization has expired", err);
    default:
        if (challenges_asked_ms(run->self->challenges, run->challenge->object.metadata.uid) > 0)
            acme_gate_count_failure(acme_client_gate(run->client), run->ctx,
                                    run->challenge->spec.dns_name);
        return challenge_end(run, STATE_INVALID, failure_text(run, authorization), err);
    }
}

/* 1: the CA waits for what the Challenge says; else it has ended, or is tried again. */
static int look(struct challenge_run *run, struct acme_authorization *ret, struct err *err)
{
    cleanup(acme_problem_deinit) struct acme_problem problem = {};
    struct err why = {};
    int r = challenge_read_authorization(run, ret, &why, &problem);

    if (r < 0)
        return challenge_settle(run, r, &problem, &why, "retrieve authorization", err);
    r = take_state(run, ret, err);
    if (r != 1)
        return r;
    if (check_against_authorization(run, ret, &why) < 0)
        return challenge_end(run, STATE_ERRORED, arena_strdup(run->arena, why.text), err);
    return 1;
}

/* First look: the CA's authorization, then the solver. */
static int begin(struct challenge_run *run, struct err *err)
{
    cleanup(acme_authorization_deinit) struct acme_authorization authorization = {};
    int r;

    if (!challenge_take_place(run))
        return challenge_wait_for_place(run);
    r = look(run, &authorization, err);
    if (r != 1)
        return r;
    r = challenge_has_finalizer(run->challenge) ? 0 : challenge_add_finalizer(run, err);
    if (r == 0)
        r = challenge_present(run, err);
    if (r < 0)
        return r;
    run->status.processing = run->status.presented = true;
    run->status.presented_at_ms = context_now_ms(run->ctx);
    run->status.state = STATE_PENDING;
    run->status.reason = NULL;
    r = challenge_save(run, err);
    if (r == 0)
        event(run->self, run->ctx, &run->challenge->object, EVENT_NORMAL, "Presented",
              "Presented challenge using %s challenge mechanism",
              enum_name(&challenge_type_names, run->challenge->spec.type));
    return r;
}

/* Presented: check, ask once, poll. After a restart the CA's state says whether it was asked. */
static int go_on(struct challenge_run *run, struct err *err)
{
    const char *uid = run->challenge->object.metadata.uid;
    int64_t asked_ms = challenges_asked_ms(run->self->challenges, uid);
    cleanup(acme_authorization_deinit) struct acme_authorization authorization = {};
    const struct acme_challenge *offer;
    int r;

    if (!challenge_take_place(run))
        return challenge_wait_for_place(run); /* it gave its own up when it had to wait */
    run->status.processing = true;
    if (run->ops->lives_in_process) {
        r = challenge_present(run, err);
        if (r < 0)
            return r;
    }
    if (asked_ms == 0) {
        r = challenge_self_check(run, err);
        if (r <= 0)
            return r;
    }
    r = look(run, &authorization, err);
    if (r != 1)
        return r;
    if (challenge_is_overdue(run, &authorization))
        return challenge_end(run, STATE_EXPIRED, "The CA has not decided on the challenge in time",
                             err);
    offer = challenge_find_offer(&authorization, run->challenge->spec.url);
    if (asked_ms == 0 && offer->status == ACME_STATUS_PENDING)
        return challenge_ask(run, err);
    if (asked_ms == 0)
        challenges_note_asked(run->self->challenges, uid, asked_ms = context_now_ms(run->ctx));
    return challenge_wait_for_ca(run, asked_ms, authorization.retry_at_ms, err);
}

/* --- the reconciler --- */

/* What is missing keeps its place for nobody: others may present meanwhile. */
static int wait_for_issuer(struct challenge_run *run, const char *reason, struct err *err)
{
    run->status.processing = false;
    return challenge_wait(run, reason, 0, err);
}

static int reconcile_open(struct challenge_run *run, const struct err *why, struct err *err)
{
    if (!run->issuer || !run->issuer->spec.acme)
        return wait_for_issuer(
            run, run->issuer ? "The Issuer is not of type acme" : "The Issuer does not exist", err);
    if (!run->ops || !run->task.solver)
        return wait_for_issuer(
            run, arena_strdup(run->arena, run->ops ? why->text : "no such challenge type"), err);
    if (!run->client && !issuer_is_ready(run->issuer))
        return wait_for_issuer(run, "The Issuer is not ready", err); /* its becoming so wakes us */
    if (!run->client)
        return err_set(err, ERR_BUSY, "the account of issuer '%s' is being set up",
                       run->issuer->object.metadata.name);
    if (!challenge_key_is_ours(&run->challenge->spec, acme_client_key(run->client)))
        return challenge_end(run, STATE_ERRORED,
                             "spec.key does not follow from the token and the account's key", err);
    return run->challenge->status.presented ? go_on(run, err) : begin(run, err);
}

/* For cleaning up: what is gone now, or another account's, is as it was when it was presented. */
static void go_by_means(struct challenge_run *run)
{
    if (!run->task.solver)
        run->task.solver = challenge_solver_without_order(run);
    if (!run->means)
        return;
    run->task.secrets = run->means->secrets;
    run->client = run->means->client;
    if (run->task.solver)
        return;
    run->issuer = run->means->issuer;
    run->task.secret_namespace = issuer_secret_namespace(&run->self->issuers, run->issuer);
    run->task.solver = challenge_solver_without_order(run);
}

static int reconcile(struct challenge_run *run, struct err *err)
{
    const struct challenge *challenge = run->challenge;
    cleanup(acme_client_unref) struct acme_client *client = NULL;
    struct err why = {};

    run->ops = solver_of(challenge->spec.type);
    if (run->issuer && run->issuer->spec.acme) {
        client = accounts_get(run->self->issuers.accounts, run->issuer->object.metadata.uid);
        run->client = client;
        if (run->ops)
            run->task.solver = challenge_current_solver(run, &why);
    }
    if (challenge_is_open(challenge))
        return reconcile_open(run, &why, err);
    go_by_means(run);
    return challenge_clean_up(run, err);
}

int challenge_reconcile(void *controllers, const struct context *ctx, const struct key *key,
                        struct reconcile_result *ret_result, struct err *err)
{
    struct controllers *self = controllers;
    cleanup(object_unref)
        const struct challenge *challenge = cache_get(self->caches.challenges, key);
    cleanup(object_unref) const struct issuer *issuer = NULL;
    cleanup(arena_free) struct arena *arena = arena_new(0);
    struct challenge_run run = {.self = self,
                                .ctx = ctx,
                                .key = key,
                                .challenge = challenge,
                                .arena = arena,
                                .result = ret_result};
    int r;

    if (!challenge)
        return 0;
    issuer = issuer_of(self, &challenge->spec.issuer_ref, key->namespace);
    run.issuer = issuer;
    run.means = challenges_means(self->challenges, challenge->object.metadata.uid);
    run.status = challenge->status;
    run.task = (struct solver_task){
        .dns_name = challenge->spec.dns_name,
        .wildcard = challenge->spec.wildcard,
        .token = challenge->spec.token,
        .key = challenge->spec.key,
        .secret_namespace = issuer ? issuer_secret_namespace(&self->issuers, issuer)
                                   : key->namespace,
    };
    r = reconcile(&run, err);
    if (!run.status.processing || !challenge_is_open(challenge))
        challenges_give_place(self->challenges, challenge->object.metadata.uid);
    challenge_means_unref(run.means);
    return r;
}
