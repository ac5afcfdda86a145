/*
 * challenge.c - one name proved to the CA (behaviour.md 9, RFC 8555 7.5.1).
 *
 *   present ──► self-check, within its budget ──► ask the CA ──► poll ──► valid or invalid ──► clean up
 *
 * The self-check is advisory: it saves a failed validation, but it never keeps the CA from being asked
 * once its budget is used up. Waiting costs a timer. Before anything is presented, the Challenge is
 * compared with the CA's own authorization and with the solver that the Issuer has now, so that a
 * Challenge somebody else wrote presents nothing (incident GHSA-8rvj-mm4h-c258).
 */
#include <string.h>

#include "controller/caches.h"
#include "controller/challenges.h"
#include "controller/facts.h"
#include "controller/order_flow.h"
#include "solver/pick.h"

/* A finalizer must not hold a namespace for ever (users.md row 9). Where no namespace can be waiting, the end of
 * an outage of the DNS provider is worth a week. */
#define CLEANUP_GIVE_UP_MS       HOURS(1)
#define CLEANUP_GIVE_UP_LATER_MS DAYS(7)
#define CA_DECIDES_WITHIN_MS     HOURS(1)
#define CA_IS_SLOW_MS            SECONDS(10)
#define CHECK_RETRY_FIRST_MS     SECONDS(1)
/* A name that the CA has refused before is checked for longer before the CA is asked again. */
#define BUDGET_AFTER_FAILURE 6

struct run {
    struct controllers *self;
    const struct context *ctx;
    const struct key *key;
    const struct challenge *challenge;
    const struct issuer *issuer;
    const struct solver_ops *ops;
    struct acme_client *client;
    struct challenge_means *means; /* NULL: not presented by this process */
    struct solver_task task;
    struct challenge_status status; /* as it should be */
    struct arena *arena;
    struct reconcile_result *result;
};

static struct author author_of(const struct run *run)
{
    return (struct author){run->self, run->ctx, LANE_CHALLENGES, run->key, MANAGER_CHALLENGES};
}

/* --- status --- */

static int save(struct run *run, struct err *err)
{
    if (!run->status.processing) /* before the store tells of it, which wakes the next in line */
        challenges_give_place(run->self->challenges, run->challenge->object.metadata.uid);
    if (fields_equal(&challenge_status_fields, &run->challenge->status, &run->status))
        return 0;
    return write_status(author_of(run), &run->challenge->object, &run->status, err);
}

static int end(struct run *run, int state, const char *reason, struct err *err)
{
    int r;

    run->status.state = state;
    run->status.reason = reason;
    run->status.processing = false;
    r = save(run, err);
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

/* Shown as the reason; looked at again at `at_ms`, or by back-off with the error. */
static int wait_with_reason(struct run *run, const char *reason, int64_t at_ms, struct err *err)
{
    run->status.reason = reason;
    run->result->requeue_at_ms = at_ms;
    return save(run, err);
}

static int settle(struct run *run, int code, const struct acme_problem *problem, struct err *why,
                  const char *step, struct err *err)
{
    struct flow flow;
    int r;

    if (code == ERR_CANCELED || code == ERR_BUSY) {
        *err = *why;
        return code;
    }
    flow = flow_of(code, problem, why, step, context_now_ms(run->ctx), run->arena);
    if (flow.verdict == FLOW_FAIL && !account_is_there_after_all(run->client, run->ctx, problem))
        return end(run, flow.state, flow.reason, err);
    /* As for an Issuer that is missing: others may be asked meanwhile. */
    run->status.processing = false;
    if (flow.at_ms == 0)
        flow.reason = reason_with_next_try(author_of(run), flow.reason, run->arena);
    r = wait_with_reason(run, flow.reason, flow.at_ms, err);
    if (r < 0 || flow.at_ms > 0)
        return r;
    *err = *why;
    return code;
}

/* --- clean up --- */

/* Those of others. */
static struct json *foreign_finalizers(const struct metadata *metadata)
{
    struct json *kept = json_new_list();

    for (size_t i = 0; i < metadata->finalizers.len; i++) {
        const char *finalizer = metadata->finalizers.items[i];

        if (!streq(finalizer, FINALIZER_CHALLENGE) && !streq(finalizer, FINALIZER_CHALLENGE_LEGACY))
            json_append_text(kept, finalizer);
    }
    return kept;
}

static int write_finalizers(struct run *run, struct json *finalizers, struct json **ret_stored,
                            struct err *err)
{
    const struct metadata *metadata = &run->challenge->object.metadata;
    struct store_precondition exactly = {.uid = metadata->uid,
                                         .version = metadata->resource_version};
    cleanup(json_unref) struct json *patch = json_new_map();

    json_set(json_need_map(patch, "metadata"), "finalizers", finalizers);
    return store_patch(run->self->store, run->ctx, &kind_challenge.resource, run->key, &exactly,
                       MANAGER_CHALLENGES, patch, ret_stored, err);
}

static int drop_finalizer(struct run *run, struct err *err)
{
    int r = write_finalizers(run, foreign_finalizers(&run->challenge->object.metadata), NULL, err);

    return r == ERR_NOT_FOUND ? 0 : r;
}

/* Before anything is presented, so that no record is left behind; not before the Challenge is known to be the CA's,
 * since what has a finalizer is cleaned up. By this manager, and not by whoever makes the Challenge: cert-manager
 * takes off what its manager of the same name has put on, and nothing else. */
static int add_finalizer(struct run *run, struct err *err)
{
    cleanup(json_unref) struct json *stored = NULL;
    struct json *finalizers = foreign_finalizers(&run->challenge->object.metadata);
    struct challenge *now = arena_alloc(run->arena, sizeof(*now));
    int r;

    json_append_text(finalizers, FINALIZER_CHALLENGE);
    r = write_finalizers(run, finalizers, &stored, err);
    if (r < 0)
        return err_wrap(err, "putting the finalizer on Challenge '%s'", run->key->name);
    *now = *run->challenge;
    now->object.metadata.resource_version = arena_strdup(
        run->arena, json_as_text(json_path(stored, "metadata.resourceVersion")));
    run->challenge = now;
    if (!run->means) /* else somebody has taken off the first one */
        challenges_note_untouched(run->self->challenges, now->object.metadata.uid);
    return 0;
}

static bool has_finalizer(const struct challenge *challenge)
{
    return array_string_has(&challenge->object.metadata.finalizers, FINALIZER_CHALLENGE) ||
           array_string_has(&challenge->object.metadata.finalizers, FINALIZER_CHALLENGE_LEGACY);
}

static bool has_survivor(struct cache *cache, const char *namespace)
{
    cleanup(cache_refs_deinit) struct cache_refs refs = {};

    cache_list(cache, namespace, &refs);
    for (size_t i = 0; i < refs.len; i++) {
        if (!((const struct object *)refs.items[i])->metadata.deletion_timestamp_ms)
            return true;
    }
    return false;
}

/* Whoever deletes a namespace, or uninstalls us, deletes all of these at once. Orders count too: the requests of
 * CSI drivers have no Certificate. */
static bool may_be_the_end_of_all(const struct run *run)
{
    return !has_survivor(run->self->caches.certificates, run->key->namespace) &&
           !has_survivor(run->self->caches.orders, run->key->namespace);
}

/* Counted from when we began to work: what was deleted before, nobody has tried to take back since. */
static bool may_give_up(const struct run *run)
{
    int64_t since_ms = run->challenge->object.metadata.deletion_timestamp_ms;
    int64_t work_since_ms = controllers_work_since_ms(run->self);
    int64_t tried_ms;

    if (since_ms == 0)
        return false;
    if (since_ms < work_since_ms)
        since_ms = work_since_ms;
    tried_ms = context_now_ms(run->ctx) - since_ms;
    return tried_ms > CLEANUP_GIVE_UP_LATER_MS ||
           (tried_ms > CLEANUP_GIVE_UP_MS && may_be_the_end_of_all(run));
}

/* One value may be the proof of several: a CA that goes on with a pending authorization gives it to two Orders, and
 * whoever can read a Challenge can copy it. The last of them takes it back. */
struct sharing {
    const struct challenge *self;
    bool found;
};

static void note_sharing(void *arg, const void *object)
{
    struct sharing *sharing = arg;
    const struct challenge *other = object, *self = sharing->self;

    if (!streq(other->object.metadata.uid, self->object.metadata.uid) &&
        !other->object.metadata.deletion_timestamp_ms && other->status.presented &&
        !state_is_final(other->status.state) && other->spec.type == self->spec.type &&
        streq(other->spec.key, self->spec.key) &&
        streq_ci(other->spec.dns_name, self->spec.dns_name))
        sharing->found = true;
}

static bool is_still_needed(const struct run *run)
{
    struct sharing sharing = {.self = run->challenge};

    cache_visit_index(run->self->caches.challenges, INDEX_PLACE, PLACE_PRESENTED, note_sharing,
                      &sharing);
    return sharing.found;
}

/* Why nobody will ever take it back; NULL: it can be tried. */
static const char *hopeless(const struct run *run)
{
    if (!run->ops || !run->task.solver)
        return "its Issuer is gone, or has no solver for it any more";
    if (run->client && !challenge_key_is_ours(&run->challenge->spec, acme_client_key(run->client)))
        return "it was not made with the account that its Issuer has now";
    return NULL;
}

static int take_back(struct run *run, struct err *why)
{
    if (!run->client) /* of one that is ready it will be, in a moment */
        return err_set(why, issuer_is_ready(run->issuer) ? ERR_BUSY : ERR_UNAVAILABLE,
                       "the account of issuer '%s' is not set up",
                       run->issuer->object.metadata.name);
    if (is_still_needed(run))
        return 0;
    return run->ops->clean_up(run->self->solvers, run->ctx, &run->task, why);
}

/* The last trace of what stays behind. */
static int give_up(struct run *run, const char *why, struct err *err)
{
    const struct challenge_spec *spec = &run->challenge->spec;
    int r = drop_finalizer(run, err);

    if (r == 0)
        event(run->self, run->ctx, &run->challenge->object, EVENT_WARNING, "CleanUpGivenUp",
              "Gave up cleaning up the %s challenge of '%s'; remove what is left of it by hand: %s",
              enum_name(&challenge_type_names, spec->type), spec->dns_name, why);
    return r;
}

static int clean_up(struct run *run, struct err *err)
{
    const char *end = hopeless(run);
    struct err why = {};
    int r;

    if (!has_finalizer(run->challenge))
        return 0;
    if (challenges_is_untouched(run->self->challenges, run->challenge->object.metadata.uid))
        return drop_finalizer(run, err); /* nothing is waited for where nothing was written */
    if (end)
        return give_up(run, end, err);
    r = take_back(run, &why);
    if (r == 0)
        return drop_finalizer(run, err);
    if (r != ERR_CANCELED && r != ERR_BUSY) {
        if (may_give_up(run))
            return give_up(run, why.text, err);
        event(run->self, run->ctx, &run->challenge->object, EVENT_WARNING, "CleanUpError",
              "Error cleaning up challenge: %s", why.text);
    }
    *err = why;
    return r;
}

/* --- trust --- */

static const struct acme_challenge *find_offer(const struct acme_authorization *authorization,
                                               const char *url)
{
    for (size_t i = 0; i < authorization->challenge_count; i++) {
        if (streq(authorization->challenges[i].url, url))
            return &authorization->challenges[i];
    }
    return NULL;
}

/* URL, token, name and key must be what the CA says. */
static int check_against_authorization(const struct run *run,
                                       const struct acme_authorization *authorization,
                                       struct err *err)
{
    const struct challenge_spec *spec = &run->challenge->spec;
    const struct acme_challenge *offer = find_offer(authorization, spec->url);

    if (!offer || !streq(offer->token, spec->token) || !streq(offer->type, run->ops->acme_type))
        return err_set(err, ERR_DENIED, "the CA's authorization does not hold this challenge");
    if (!streq_ci(authorization->identifier.value, spec->dns_name))
        return err_set(err, ERR_DENIED, "the CA's authorization is for '%s'",
                       str_or(authorization->identifier.value, ""));
    return 0;
}

/* The solver of the Issuer for this name, as it is now. */
static const struct acme_solver *current_solver(struct run *run, struct err *err)
{
    const struct challenge_spec *spec = &run->challenge->spec;
    const struct owner_reference *owner = object_controller(&run->challenge->object);
    struct key order_key = {.namespace = run->key->namespace, .name = owner ? owner->name : ""};
    cleanup(object_unref)
        const struct object *order = cache_get(run->self->caches.orders, &order_key);
    cleanup(strlist_deinit) struct strlist types = {};
    struct solver_question question = {
        .identifier = arena_printf(run->arena, "%s%s", spec->wildcard ? "*." : "", spec->dns_name),
        .offered = &types,
        .is_begun = true};
    const struct acme_solver *solver;
    int type;

    if (!order || !streq(order->metadata.uid, owner->uid) ||
        !challenge_is_of_order(spec, &((const struct order_facts *)order)->order)) {
        (void)err_set(err, ERR_DENIED, "the Challenge does not follow from an Order of its issuer");
        return NULL;
    }
    strlist_add(&types, run->ops->acme_type);
    question.labels = &order->metadata.labels;
    if (solver_pick(run->issuer->spec.acme, &question, &solver, &type, err) < 0)
        return NULL;
    return solver;
}

static const struct acme_solver *same_solver(const struct run *run)
{
    const struct acme_issuer *acme = run->issuer->spec.acme;

    for (size_t i = 0; i < acme->solvers.len; i++) {
        if (fields_equal(&acme_solver_fields, &acme->solvers.items[i],
                         &run->challenge->spec.solver))
            return &acme->solvers.items[i];
    }
    return NULL;
}

/* For cleaning up after the Order has ended or gone: the Issuer's solver that the Challenge was made with, or,
 * when the Issuer was edited since, the one that it has for the name now. A solver that only the Challenge
 * knows is never used. */
static const struct acme_solver *solver_without_order(struct run *run)
{
    const struct challenge_spec *spec = &run->challenge->spec;
    cleanup(strlist_deinit) struct strlist types = {};
    struct solver_question question = {
        .identifier = arena_printf(run->arena, "%s%s", spec->wildcard ? "*." : "", spec->dns_name),
        .labels = &run->challenge->object.metadata.labels,
        .offered = &types,
    };
    const struct acme_solver *solver;
    struct err ignored = {};
    int type;

    if (!run->issuer || !run->issuer->spec.acme || !run->ops)
        return NULL;
    solver = same_solver(run);
    if (solver)
        return solver;
    strlist_add(&types, run->ops->acme_type);
    return solver_pick(run->issuer->spec.acme, &question, &solver, &type, &ignored) == 0 ? solver
                                                                                         : NULL;
}

/* --- the steps --- */

static int read_authorization(struct run *run, struct acme_authorization *ret, struct err *why,
                              struct acme_problem *problem)
{
    return acme_authorization_get(run->client, run->ctx, run->challenge->spec.authorization_url,
                                  ret, problem, why);
}

static const char *failure_text(struct run *run, const struct acme_authorization *authorization)
{
    const struct acme_challenge *offer = find_offer(authorization, run->challenge->spec.url);
    cleanup(buf_deinit) struct buf text = BUF(4096);

    if (offer && offer->error.class != ACME_OK)
        acme_problem_text(&offer->error, &text);
    return arena_printf(run->arena, "Error accepting authorization: %s",
                        text.len > 0 ? buf_str(&text) : acme_status_name(authorization->status));
}

/* 1: still pending; else the Challenge has ended. */
static int take_state(struct run *run, const struct acme_authorization *authorization,
                      struct err *err)
{
    switch (authorization->status) {
    case ACME_STATUS_VALID:
        return end(run, STATE_VALID, "Successfully authorized domain", err);
    case ACME_STATUS_PENDING:
    case ACME_STATUS_PROCESSING:
        return 1;
    case ACME_STATUS_EXPIRED:
        return end(run, STATE_EXPIRED, "The CA's authorization has expired", err);
    default:
        if (challenges_asked_ms(run->self->challenges, run->challenge->object.metadata.uid) > 0)
            acme_gate_count_failure(acme_client_gate(run->client), run->ctx,
                                    run->challenge->spec.dns_name);
        return end(run, STATE_INVALID, failure_text(run, authorization), err);
    }
}

static void note_means(struct run *run)
{
    challenge_means_unref(run->means);
    run->means = challenges_note_means(run->self->challenges, run->challenge->object.metadata.uid,
                                       run->issuer, run->client);
    run->task.secrets = run->means->secrets;
}

/* The solver, with a note whether it can have written anything. */
static int present_noted(struct run *run, struct err *why)
{
    const char *uid = run->challenge->object.metadata.uid;
    bool was_untouched = challenges_touch(run->self->challenges, uid), sent = false;
    int r;

    run->task.sent = &sent;
    r = run->ops->present(run->self->solvers, run->ctx, &run->task, why);
    run->task.sent = NULL;
    if (was_untouched && solver_wrote_nothing(run->ops, r, sent))
        challenges_note_untouched(run->self->challenges, uid);
    return r;
}

static int present(struct run *run, struct err *err)
{
    struct err why = {};
    int r;

    note_means(run);
    r = present_noted(run, &why);
    if (r == 0)
        return 0;
    if (r == ERR_CANCELED || r == ERR_BUSY) {
        *err = why;
        return r;
    }
    run->status.processing = false;
    run->status.reason = arena_printf(run->arena, "Error presenting challenge: %s", why.text);
    if (why.retry_at_ms == 0) /* else it comes back then, and not by its back-off */
        run->status.reason = reason_with_next_try(author_of(run), run->status.reason, run->arena);
    if (!reason_is_the_same(run->challenge->status.reason, run->status.reason))
        event(run->self, run->ctx, &run->challenge->object, EVENT_WARNING, "PresentError", "%s",
              run->status.reason);
    r = save(run, err);
    if (r < 0)
        return r;
    *err = why;
    return why.code;
}

struct place_count {
    struct challenges *challenges;
    size_t stored;
};

static void count_stored(void *arg, const void *object)
{
    struct place_count *count = arg;

    count->stored += !challenges_has_place(count->challenges,
                                           ((const struct object *)object)->metadata.uid);
}

static size_t places_stored(struct run *run, const char *who)
{
    struct place_count count = {.challenges = run->self->challenges};

    cache_visit_index(run->self->caches.challenges, INDEX_PLACE, who, count_stored, &count);
    return count.stored;
}

/* A quarter of the places is not for one namespace, whose names may all lead nowhere. */
static bool take_place(struct run *run)
{
    size_t most = (size_t)run->self->options.max_challenges;
    struct places places = {.most = most, .most_of_one = most - most / 4};

    if (challenge_holds_place(run->challenge))
        return true; /* at each poll, most of the time */
    places.stored = places_stored(run, "*");
    places.stored_of_one = places_stored(run, run->key->namespace);
    return challenges_take_place(run->self->challenges, &run->challenge->object, &places);
}

static int wait_for_place(struct run *run)
{
    challenges_queue(run->self->challenges, run->key, run->challenge->status.presented);
    /* for places that got free unseen */
    run->result->requeue_at_ms = context_now_ms(run->ctx) + run->self->options.check_retry_ms;
    return 0;
}

/* First look: the CA's authorization, then the solver. */
static int begin(struct run *run, struct err *err)
{
    cleanup(acme_authorization_deinit) struct acme_authorization authorization = {};
    cleanup(acme_problem_deinit) struct acme_problem problem = {};
    struct err why = {};
    int r;

    if (!take_place(run))
        return wait_for_place(run);
    r = read_authorization(run, &authorization, &why, &problem);
    if (r < 0)
        return settle(run, r, &problem, &why, "retrieve authorization", err);
    r = take_state(run, &authorization, err);
    if (r != 1)
        return r;
    r = check_against_authorization(run, &authorization, &why);
    if (r < 0)
        return end(run, STATE_ERRORED, arena_strdup(run->arena, why.text), err);
    r = has_finalizer(run->challenge) ? 0 : add_finalizer(run, err);
    if (r == 0)
        r = present(run, err);
    if (r < 0)
        return r;
    run->status.processing = run->status.presented = true;
    run->status.presented_at_ms = context_now_ms(run->ctx);
    run->status.state = STATE_PENDING;
    run->status.reason = NULL;
    r = save(run, err);
    if (r == 0)
        event(run->self, run->ctx, &run->challenge->object, EVENT_NORMAL, "Presented",
              "Presented challenge using %s challenge mechanism",
              enum_name(&challenge_type_names, run->challenge->spec.type));
    return r;
}

/* Has the CA said no to this name in the last attempt? Then the check is given longer. */
static bool name_is_held(struct run *run)
{
    struct err ignored = {};

    return acme_gate_check_name(acme_client_gate(run->client), run->ctx,
                                run->challenge->spec.dns_name, &ignored) < 0;
}

static int64_t check_budget_ms(struct run *run)
{
    const struct controllers_options *options = &run->self->options;
    int64_t budget_ms = run->challenge->spec.type == CHALLENGE_DNS01
                            ? options->dns_check_budget_ms
                            : options->http_check_budget_ms;

    if (budget_ms == 0)
        budget_ms = run->ops->check_budget_ms;
    return name_is_held(run) ? budget_ms * BUDGET_AFTER_FAILURE : budget_ms;
}

static int64_t check_retry_ms(struct run *run, int64_t waited_ms)
{
    int64_t retry_ms = waited_ms > CHECK_RETRY_FIRST_MS ? waited_ms : CHECK_RETRY_FIRST_MS;

    return retry_ms < run->self->options.check_retry_ms ? retry_ms
                                                        : run->self->options.check_retry_ms;
}

/* The time is one that stays, so that the status is not written for it alone. While the name is held there is
 * none: the CA is not asked before the hold ends. */
static int wait_for_propagation(struct run *run, const char *why, int64_t asked_at_ms,
                                int64_t again_ms, struct err *err)
{
    const char *text = arena_printf(run->arena, "Waiting for %s challenge propagation: %s",
                                    enum_name(&challenge_type_names, run->challenge->spec.type),
                                    why);
    char asked_at[TIME_TEXT_MAX];

    time_format(asked_at_ms, asked_at);
    if (!name_is_held(run))
        text = arena_printf(run->arena, "%s; the CA is asked at %s in any case", text, asked_at);
    return wait_with_reason(run, text, again_ms, err);
}

/* 1: the CA may be asked; 0: not yet, looked at again by a timer. */
static int self_check(struct run *run, struct err *err)
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
static bool was_taken_before(struct run *run, int code, const struct acme_problem *refusal,
                             const struct err *why)
{
    cleanup(acme_authorization_deinit) struct acme_authorization authorization = {};
    cleanup(acme_problem_deinit) struct acme_problem problem = {};
    const struct acme_challenge *offer;
    struct err ignored = {};

    if (flow_of(code, refusal, why, "", context_now_ms(run->ctx), run->arena).verdict !=
            FLOW_FAIL ||
        read_authorization(run, &authorization, &ignored, &problem) < 0)
        return false;
    offer = find_offer(&authorization, run->challenge->spec.url);
    return authorization.status != ACME_STATUS_PENDING ||
           (offer && offer->status != ACME_STATUS_PENDING);
}

static int ask(struct run *run, struct err *err)
{
    cleanup(acme_problem_deinit) struct acme_problem problem = {};
    int64_t now_ms = context_now_ms(run->ctx), retry_at_ms = 0;
    struct err why = {};
    int r = acme_gate_check_name(acme_client_gate(run->client), run->ctx,
                                 run->challenge->spec.dns_name, &why);

    if (r < 0)
        return settle(run, r, &problem, &why, "ask the CA", err);
    r = acme_challenge_start(run->client, run->ctx, run->challenge->spec.url, &retry_at_ms,
                             &problem, &why);
    if (r < 0 && !was_taken_before(run, r, &problem, &why))
        return settle(run, r, &problem, &why, "accept challenge", err);
    challenges_note_asked(run->self->challenges, run->challenge->object.metadata.uid, now_ms);
    run->result->requeue_at_ms = next_poll_ms(now_ms, now_ms, retry_at_ms);
    return 0;
}

/* A CA that never decides must not hold a place for ever. */
static bool is_overdue(struct run *run, const struct acme_authorization *authorization)
{
    int64_t now_ms = context_now_ms(run->ctx);
    int64_t end_ms = run->challenge->status.presented_at_ms + check_budget_ms(run) +
                     CA_DECIDES_WITHIN_MS;

    return now_ms >= end_ms ||
           (authorization->expires_ms > 0 && now_ms >= authorization->expires_ms);
}

/* Asked, and the CA takes its time: said once it is longer than usual. */
static int wait_for_ca(struct run *run, int64_t asked_ms, int64_t retry_at_ms, struct err *err)
{
    int64_t now_ms = context_now_ms(run->ctx);

    run->result->requeue_at_ms = next_poll_ms(now_ms, asked_ms, retry_at_ms);
    if (now_ms - asked_ms < CA_IS_SLOW_MS)
        return 0;
    run->status.reason = "The CA has been checking this name for longer than usual";
    return save(run, err);
}

/* Presented: check, ask once, poll. After a restart the CA's state says whether it was asked. */
static int go_on(struct run *run, struct err *err)
{
    const char *uid = run->challenge->object.metadata.uid;
    int64_t asked_ms = challenges_asked_ms(run->self->challenges, uid);
    cleanup(acme_authorization_deinit) struct acme_authorization authorization = {};
    cleanup(acme_problem_deinit) struct acme_problem problem = {};
    const struct acme_challenge *offer;
    struct err why = {};
    int r;

    if (!take_place(run))
        return wait_for_place(run); /* it gave its own up when it had to wait */
    run->status.processing = true;
    if (run->ops->lives_in_process) {
        r = present(run, err);
        if (r < 0)
            return r;
    }
    if (asked_ms == 0) {
        r = self_check(run, err);
        if (r <= 0)
            return r;
    }
    r = read_authorization(run, &authorization, &why, &problem);
    if (r < 0)
        return settle(run, r, &problem, &why, "retrieve authorization", err);
    r = take_state(run, &authorization, err);
    if (r != 1)
        return r;
    r = check_against_authorization(run, &authorization, &why);
    if (r < 0)
        return end(run, STATE_ERRORED, arena_strdup(run->arena, why.text), err);
    if (is_overdue(run, &authorization))
        return end(run, STATE_EXPIRED, "The CA has not decided on the challenge in time", err);
    offer = find_offer(&authorization, run->challenge->spec.url);
    if (asked_ms == 0 && offer->status == ACME_STATUS_PENDING)
        return ask(run, err);
    if (asked_ms == 0)
        challenges_note_asked(run->self->challenges, uid, asked_ms = context_now_ms(run->ctx));
    return wait_for_ca(run, asked_ms, authorization.retry_at_ms, err);
}

/* --- the reconciler --- */

/* What is missing keeps its place for nobody: others may present meanwhile. */
static int wait_for_issuer(struct run *run, const char *reason, struct err *err)
{
    run->status.processing = false;
    return wait_with_reason(run, reason, 0, err);
}

static int reconcile_open(struct run *run, const struct err *why, struct err *err)
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
        return end(run, STATE_ERRORED,
                   "spec.key does not follow from the token and the account's key", err);
    return run->challenge->status.presented ? go_on(run, err) : begin(run, err);
}

/* For cleaning up: what is gone now, or another account's, is as it was when it was presented. */
static void go_by_means(struct run *run)
{
    if (!run->means)
        return;
    run->task.secrets = run->means->secrets;
    if (!run->issuer) {
        run->issuer = run->means->issuer;
        run->task.secret_namespace = issuer_secret_namespace(&run->self->issuers, run->issuer);
    }
    run->client = run->means->client;
}

static int reconcile(struct run *run, struct err *err)
{
    const struct challenge *challenge = run->challenge;
    cleanup(acme_client_unref) struct acme_client *client = NULL;
    struct err why = {};

    run->ops = solver_of(challenge->spec.type);
    if (run->issuer && run->issuer->spec.acme) {
        client = accounts_get(run->self->issuers.accounts, run->issuer->object.metadata.uid);
        run->client = client;
        if (run->ops)
            run->task.solver = current_solver(run, &why);
    }
    if (challenge_is_open(challenge))
        return reconcile_open(run, &why, err);
    go_by_means(run);
    if (!run->task.solver)
        run->task.solver = solver_without_order(run);
    return clean_up(run, err);
}

int challenge_reconcile(void *controllers, const struct context *ctx, const struct key *key,
                        struct reconcile_result *ret_result, struct err *err)
{
    struct controllers *self = controllers;
    cleanup(object_unref)
        const struct challenge *challenge = cache_get(self->caches.challenges, key);
    cleanup(object_unref) const struct issuer *issuer = NULL;
    cleanup(arena_free) struct arena *arena = arena_new(0);
    struct run run = {.self = self,
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
