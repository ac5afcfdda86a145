/*
 * challenge_ask.c - self-check, the CA's own look, and the wait for it.
 *
 * The self-check is advisory: it saves a failed validation, but it never keeps the CA from being asked
 * once its budget is used up. Waiting costs a timer.
 */
#include "controller/challenge_run.h"

#define CA_DECIDES_WITHIN_MS HOURS(1)
#define CA_IS_SLOW_MS        SECONDS(10)
#define CHECK_RETRY_FIRST_MS SECONDS(1)
/* A name that the CA has refused before is checked for longer before the CA is asked again. */
#define BUDGET_AFTER_FAILURE 6

/* Has the CA said no to this name in the last attempt? Then the check is given longer. */
static bool name_is_held(struct challenge_run *run)
{
    struct err ignored = {};

    return acme_gate_check_name(acme_client_gate(run->client), run->ctx,
                                run->challenge->spec.dns_name, &ignored) < 0;
}

static int64_t check_budget_ms(struct challenge_run *run)
{
    const struct controllers_options *options = &run->self->options;
    int64_t budget_ms = run->challenge->spec.type == CHALLENGE_DNS01
                            ? options->dns_check_budget_ms
                            : options->http_check_budget_ms;

    if (budget_ms == 0)
        budget_ms = run->ops->check_budget_ms;
    return name_is_held(run) ? budget_ms * BUDGET_AFTER_FAILURE : budget_ms;
}

static int64_t check_retry_ms(struct challenge_run *run, int64_t waited_ms)
{
    int64_t retry_ms = waited_ms > CHECK_RETRY_FIRST_MS ? waited_ms : CHECK_RETRY_FIRST_MS;

    return retry_ms < run->self->options.check_retry_ms ? retry_ms
                                                        : run->self->options.check_retry_ms;
}

/* The time is one that stays, so that the status is not written for it alone. While the name is held there is
 * none: the CA is not asked before the hold ends. */
static int wait_for_propagation(struct challenge_run *run, const char *why, int64_t asked_at_ms,
                                int64_t again_ms, struct err *err)
{
    const char *text = arena_printf(run->arena, "Waiting for %s challenge propagation: %s",
                                    enum_name(&challenge_type_names, run->challenge->spec.type),
                                    why);
    char asked_at[TIME_TEXT_MAX];

    time_format(asked_at_ms, asked_at);
    if (!name_is_held(run))
        text = arena_printf(run->arena, "%s; the CA is asked at %s in any case", text, asked_at);
    return challenge_wait(run, text, again_ms, err);
}

int challenge_self_check(struct challenge_run *run, struct err *err)
{
    const struct opt_duration *fixed = &run->task.solver->wait_instead_of_self_check;
    int64_t now_ms = context_now_ms(run->ctx), budget_ms;
    int64_t waited_ms = now_ms - run->challenge->status.presented_at_ms;
    struct err why = {};
    int r;

    if (fixed->is_set) {
        int64_t ready_ms = run->challenge->status.presented_at_ms + fixed->ns / 1000000;

        if (now_ms >= ready_ms)
            return 1;
        run->result->requeue_at_ms = ready_ms;
        return 0;
    }
    r = run->ops->check(run->self->solvers, run->ctx, &run->task, &why);
    if (r == 0)
        return 1;
    if (r == ERR_CANCELED || r == ERR_BUSY) {
        *err = why;
        return r;
    }
    budget_ms = check_budget_ms(run);
    if (waited_ms >= budget_ms)
        return 1; /* advisory: the CA decides */
    return wait_for_propagation(run, why.text, run->challenge->status.presented_at_ms + budget_ms,
                                now_ms + check_retry_ms(run, waited_ms), err);
}

/* The CA refuses what it has taken before: by a request whose answer was lost, or for another Challenge of the same
 * authorization. What was read before the request may have been older, as from a replica. */
static bool was_taken_before(struct challenge_run *run, int code,
                             const struct acme_problem *refusal, const struct err *why)
{
    cleanup(acme_authorization_deinit) struct acme_authorization authorization = {};
    cleanup(acme_problem_deinit) struct acme_problem problem = {};
    const struct acme_challenge *offer;
    struct err ignored = {};

    if (flow_of(code, refusal, why, "", context_now_ms(run->ctx), run->arena).verdict !=
            FLOW_FAIL ||
        challenge_read_authorization(run, &authorization, &ignored, &problem) < 0)
        return false;
    offer = challenge_find_offer(&authorization, run->challenge->spec.url);
    return authorization.status != ACME_STATUS_PENDING ||
           (offer && offer->status != ACME_STATUS_PENDING);
}

int challenge_ask(struct challenge_run *run, struct err *err)
{
    cleanup(acme_problem_deinit) struct acme_problem problem = {};
    int64_t now_ms = context_now_ms(run->ctx), retry_at_ms = 0;
    struct err why = {};
    int r = acme_gate_check_name(acme_client_gate(run->client), run->ctx,
                                 run->challenge->spec.dns_name, &why);

    if (r < 0)
        return challenge_settle(run, r, &problem, &why, "ask the CA", err);
    r = acme_challenge_start(run->client, run->ctx, run->challenge->spec.url, &retry_at_ms,
                             &problem, &why);
    if (r < 0 && !was_taken_before(run, r, &problem, &why))
        return challenge_settle(run, r, &problem, &why, "accept challenge", err);
    challenges_note_asked(run->self->challenges, run->challenge->object.metadata.uid, now_ms);
    run->result->requeue_at_ms = next_poll_ms(now_ms, now_ms, retry_at_ms);
    return 0;
}

bool challenge_is_overdue(struct challenge_run *run, const struct acme_authorization *authorization)
{
    int64_t now_ms = context_now_ms(run->ctx);
    int64_t end_ms = run->challenge->status.presented_at_ms + check_budget_ms(run) +
                     CA_DECIDES_WITHIN_MS;

    return now_ms >= end_ms ||
           (authorization->expires_ms > 0 && now_ms >= authorization->expires_ms);
}

int challenge_wait_for_ca(struct challenge_run *run, int64_t asked_ms, int64_t retry_at_ms,
                          struct err *err)
{
    int64_t now_ms = context_now_ms(run->ctx);

    run->result->requeue_at_ms = next_poll_ms(now_ms, asked_ms, retry_at_ms);
    if (now_ms - asked_ms < CA_IS_SLOW_MS)
        return 0;
    run->status.reason = "The CA has been checking this name for longer than usual";
    return challenge_save(run, err);
}
