/*
 * order.c - an Order from the CA's newOrder to the certificate (behaviour.md 8, RFC 8555 7.4).
 *
 *   no url ──newOrder──► url stored ──read authorizations──► Challenges ──all valid──► finalize ──► certificate
 *
 * The URL is stored before anything else is done with the order, and every run goes on from what is
 * stored, so no interruption makes a second order. newOrder and finalize act only on an Order that we
 * have just written or read, so that a late cache does not repeat them. Transient answers never end an Order:
 * they set status.reason and a time.
 */
#include "controller/order_run.h"

#define CA_IS_SLOW_MS SECONDS(10)
#define ORDER_LIFE_MS DAYS(1) /* longer than any CA needs; then a new one is the better try */
#define LEAVE_LATE_MS MINUTES(10)

/* --- status --- */

int order_save(struct order_run *run, struct err *err)
{
    if (fields_equal(&order_status_fields, &run->order->status, &run->status))
        return 0;
    order_describe_authorizations(run);
    return write_status(order_author(run), &run->order->object, &run->status, err);
}

int order_end_failed(struct order_run *run, int state, const char *reason, struct err *err)
{
    int r;

    run->status.state = state;
    run->status.reason = reason;
    run->status.failure_time_ms = context_now_ms(run->ctx);
    r = order_save(run, err);
    if (r == 0)
        order_end_budget(run, false);
    return r;
}

int order_settle(struct order_run *run, int code, const struct acme_problem *problem,
                 struct err *why, const char *step, struct err *err)
{
    struct flow flow;
    int r;

    if (code == ERR_CANCELED || code == ERR_BUSY) {
        *err = *why;
        return code; /* not the CA's doing: nothing to show */
    }
    doubt_account(run->self, run->issuer, problem);
    flow = flow_of(code, problem, why, step, context_now_ms(run->ctx), run->arena);
    if (flow.verdict == FLOW_FAIL)
        return order_end_failed(run, flow.state,
                                run->advice
                                    ? arena_printf(run->arena, "%s; %s", flow.reason, run->advice)
                                    : flow.reason,
                                err);
    run->status.reason = flow.at_ms > 0
                             ? flow.reason
                             : reason_with_next_try(order_author(run), flow.reason, run->arena);
    r = order_save(run, err);
    if (r < 0)
        return r;
    if (flow.at_ms > 0) { /* no error of a run then, which the log would have */
        if (!streq(run->order->status.reason, flow.reason))
            event(run->self, run->ctx, &run->order->object, EVENT_WARNING, "Waiting", "%s",
                  flow.reason);
        run->result->requeue_at_ms = flow.at_ms;
        return 0;
    }
    *err = *why;
    return code;
}

int order_look_again(struct order_run *run, int64_t retry_at_ms)
{
    run->result->requeue_at_ms = next_poll_ms(
        context_now_ms(run->ctx), run->order->object.metadata.creation_timestamp_ms, retry_at_ms);
    return 0;
}

bool order_is_old(const struct order_run *run)
{
    return context_now_ms(run->ctx) - run->order->object.metadata.creation_timestamp_ms >=
           ORDER_LIFE_MS;
}

/* --- waiting --- */

struct tally {
    size_t open, failed;
    const struct challenge *waiting, *first_failed;
};

/* One that has failed says nothing while another for the same authorization goes on. */
static void tally_authorization(const struct order_run *run, const char *url, struct tally *tally)
{
    const struct challenge *open = NULL, *failed = NULL;

    for (size_t i = 0; i < run->ours_count; i++) {
        const struct challenge *challenge = run->ours[i];

        if (!streq(challenge->spec.authorization_url, url))
            continue;
        if (challenge->status.state == STATE_VALID)
            return;
        if (state_is_failed(challenge->status.state))
            failed = challenge;
        else if (!open || str_empty(open->status.reason))
            open = challenge;
    }
    if (open) {
        tally->open++;
        if (!tally->waiting && !str_empty(open->status.reason))
            tally->waiting = open;
    } else if (failed) {
        tally->failed++;
        if (!tally->first_failed)
            tally->first_failed = failed;
    }
}

static struct tally tally_of(const struct order_run *run)
{
    struct tally tally = {};

    for (size_t i = 0; i < run->order->status.authorizations.len; i++)
        tally_authorization(run, run->order->status.authorizations.items[i].url, &tally);
    return tally;
}

static int show_waiting(struct order_run *run, const struct challenge *challenge, struct err *err)
{
    run->status.reason = challenge
                             ? arena_printf(run->arena, "%s: %.900s", challenge->spec.dns_name,
                                            challenge->status.reason)
                             : NULL;
    return order_save(run, err);
}

static const char *invalid_text(struct order_run *run, const struct acme_order *order,
                                const struct challenge *failed)
{
    cleanup(buf_deinit) struct buf text = BUF(4096);

    if (failed)
        return arena_printf(run->arena, "%s: %.900s", failed->spec.dns_name,
                            str_or(failed->status.reason, "the challenge failed"));
    if (order->error.class == ACME_OK)
        return "The CA has made the order invalid and gave no reason";
    acme_problem_text(&order->error, &text);
    return arena_printf(run->arena, "The CA has made the order invalid: %s", buf_str(&text));
}

int order_wait_for_ca(struct order_run *run, const struct acme_order *order, struct err *err)
{
    int64_t waited_ms = context_now_ms(run->ctx) -
                        run->order->object.metadata.creation_timestamp_ms;
    int r = 0;

    if (order_is_old(run) ||
        (order->expires_ms > 0 && context_now_ms(run->ctx) >= order->expires_ms))
        return order_end_failed(
            run, STATE_EXPIRED,
            arena_printf(run->arena, "The CA has left the order in state '%s' until it expired",
                         acme_status_name(order->status)),
            err);
    if (waited_ms >= CA_IS_SLOW_MS) {
        run->status.reason = arena_printf(
            run->arena, "The CA has the order in state '%s' for longer than usual",
            acme_status_name(order->status));
        r = order_save(run, err);
    }
    return r < 0 ? r : order_look_again(run, order->retry_at_ms);
}

/* All challenges have ended: the CA's order says what comes next. */
static int follow(struct order_run *run, const struct tally *tally, struct err *err)
{
    cleanup(acme_order_deinit) struct acme_order order = {};
    cleanup(acme_problem_deinit) struct acme_problem problem = {};
    struct err why = {};
    int r = acme_order_get(run->client, run->ctx, run->order->status.url, &order, &problem, &why);

    if (r == ERR_NOT_FOUND && problem.class != ACME_RETRY) /* a proxy's 404 says nothing */
        return order_end_failed(run, STATE_ERRORED, "The CA does not know the order any more", err);
    if (r < 0)
        return order_settle(run, r, &problem, &why, "retrieve Order resource", err);
    switch (order.status) {
    case ACME_STATUS_READY:
        return order_finalize(run, &order, err);
    case ACME_STATUS_VALID:
        return order_download(run, &order, err);
    case ACME_STATUS_INVALID:
        return order_end_failed(run, STATE_INVALID, invalid_text(run, &order, tally->first_failed),
                                err);
    case ACME_STATUS_PENDING:
        /* A failed challenge takes its authorization with it; the order never gets ready. */
        if (tally->failed > 0)
            return order_end_failed(run, STATE_INVALID,
                                    invalid_text(run, &order, tally->first_failed), err);
        return order_wait_for_ca(run, &order, err); /* or it shows us no authorization to solve */
    default:
        return order_wait_for_ca(run, &order, err);
    }
}

/* --- left, with nothing failed --- */

/* The Challenges of it take back what they have presented. */
static int leave(struct order_run *run, enum event_type type, const char *text, struct err *err)
{
    int r = write_delete_once(run->self, run->ctx, &run->order->object, err);

    if (r == ERR_NOT_FOUND)
        return 0; /* told when it went */
    if (r == 0)
        event(run->self, run->ctx, run->request, type, "OrderLeft", "%s", text);
    return r;
}

/* Its request needs no Order any more: the Issuer was of another type meanwhile. But the Order's own certificate may be
 * what has ended it, and the cache behind. */
static int leave_ended(struct order_run *run, struct err *err)
{
    const char *text = arena_printf(run->arena,
                                    "%s '%s' has ended without its order '%.300s', which is left",
                                    run->request->kind->resource.kind, run->request->metadata.name,
                                    str_or(run->order->status.url, run->key->name));
    int r = order_read(run, err);

    if (r == ERR_NOT_FOUND || (r == 0 && run->live->status.state != run->status.state))
        return 0; /* its change wakes us */
    return r < 0 ? r : leave(run, EVENT_NORMAL, text, err);
}

/* The request's first Order is left at once, and a later one when it is as old as the request was before it, or when
 * somebody asks for it: an Issuer that goes to and fro must not have orders made without a pause. */
static int64_t leave_at_ms(const struct order_run *run)
{
    int64_t made_ms = run->order->object.metadata.creation_timestamp_ms;
    int64_t before_ms = made_ms - run->request->metadata.creation_timestamp_ms;

    return made_ms + (before_ms < LEAVE_LATE_MS ? before_ms : LEAVE_LATE_MS);
}

/* Its CA does not know the account that the Issuer has by now. The request makes another Order, which is placed at
 * the other CA. */
static int leave_other_ca(struct order_run *run, struct err *err)
{
    cleanup(xfree) char *account = acme_client_account(run->client);
    const char *text = arena_printf(
        run->arena,
        "%s '%s' has its account at another CA by now ('%.300s'): the order '%.300s' is left, and another one made",
        issuer_reference_kind(&run->order->spec.issuer_ref), run->issuer->object.metadata.name,
        str_or(account, ""), run->order->status.url);
    int64_t at_ms = leave_at_ms(run);

    if (context_now_ms(run->ctx) < at_ms &&
        !request_asks_again(run->request, &run->order->object)) {
        run->status.reason = reason_not_before(text, at_ms, run->arena);
        run->result->requeue_at_ms = at_ms;
        return order_save(run, err);
    }
    return leave(run, EVENT_WARNING, text, err);
}

/* --- the reconciler --- */

static int drop_challenges(struct order_run *run, struct err *err)
{
    for (size_t i = 0; i < run->challenges.len; i++) {
        const struct challenge *challenge = run->challenges.items[i];
        int r;

        if (challenge->object.metadata.deletion_timestamp_ms)
            continue;
        r = write_delete(run->self, run->ctx, &challenge->object, err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* The request that it serves is gone, withdrawn or not approved (any more): nothing more is done at the CA. An Order of
 * no request has ended. */
static int stay_unserved(struct order_run *run, const struct err *why, struct err *err)
{
    if (order_is_left_alone(run->self, run->order))
        return 0;
    if (!order_names_request(run->order))
        return order_end_failed(run, STATE_ERRORED, arena_strdup(run->arena, why->text), err);
    return err_pass(err, why); /* the cache may be behind: looked at again by back-off */
}

static int advance(struct order_run *run, struct err *err)
{
    struct tally tally;
    int r;

    if (str_empty(run->order->status.url))
        return order_place(run, err);
    r = acme_order_url_is_known(run->client, run->ctx, run->order->status.url, err);
    if (r < 0)
        return r;
    if (r == 0)
        return leave_other_ca(run, err);
    if (request_asks_again(run->request, &run->order->object))
        return order_take_retry(run, err);
    order_find_ours(run);
    r = order_drop_misplaced(run, err);
    if (r <= 0)
        return r;
    tally = tally_of(run);
    if (tally.failed == 0) {
        r = order_settle_authorizations(run, err);
        if (r <= 0)
            return r;
        if (tally.open > 0)
            return show_waiting(run, tally.waiting, err);
    }
    return follow(run, &tally, err);
}

static int reconcile(struct order_run *run, struct err *err)
{
    cleanup(acme_client_unref) struct acme_client *client = NULL;
    cleanup(object_unref) const struct object *request = NULL;
    struct err why = {};

    if (state_is_failed(run->status.state) ||
        (run->status.state == STATE_VALID && run->facts->has_certificate))
        return drop_challenges(run, err);
    if (!order_is_left_alone(run->self, run->order))
        request = request_of_order(run->self, run->order, &why);
    run->request = request;
    if (request && request_has_ended(request))
        return leave_ended(run, err);
    if (!run->issuer || !run->issuer->spec.acme) {
        run->status.reason = arena_printf(run->arena, "Referenced %s '%s' %s",
                                          issuer_reference_kind(&run->order->spec.issuer_ref),
                                          str_or(run->order->spec.issuer_ref.name, ""),
                                          run->issuer ? "is not of type acme" : "does not exist");
        return order_save(run, err);
    }
    client = accounts_get(run->self->issuers.accounts, run->issuer->object.metadata.uid);
    if (!client && !issuer_is_ready(run->issuer))
        return 0; /* its becoming ready wakes us */
    if (!client)
        return err_set(err, ERR_BUSY, "the account of issuer '%s' is being set up",
                       run->issuer->object.metadata.name);
    run->client = client;
    return request ? advance(run, err) : stay_unserved(run, &why, err);
}

int order_reconcile(void *controllers, const struct context *ctx, const struct key *key,
                    struct reconcile_result *ret_result, struct err *err)
{
    struct controllers *self = controllers;
    cleanup(object_unref) const struct order_facts *facts = cache_get(self->caches.orders, key);
    cleanup(object_unref) const struct issuer *issuer = NULL;
    cleanup(arena_free) struct arena *arena = arena_new(0);
    struct order_run run = {
        .self = self, .ctx = ctx, .key = key, .facts = facts, .arena = arena, .result = ret_result};
    int r;

    if (!facts || facts->order.object.metadata.deletion_timestamp_ms)
        return 0;
    issuer = issuer_of(self, &facts->order.spec.issuer_ref, key->namespace);
    run.order = &facts->order;
    run.issuer = issuer;
    run.status = facts->order.status;
    cache_by_index(self->caches.challenges, INDEX_OWNER, facts->order.object.metadata.uid,
                   &run.challenges);
    r = reconcile(&run, err);
    cache_refs_deinit(&run.challenges);
    if (run.live)
        object_unref(&run.live->object);
    return r;
}
