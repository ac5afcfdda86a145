/*
 * certificate.c - keeps a Certificate true: gather, decide (certificate_decide.c), act.
 *
 * act does one step and every step is idempotent: what it changes wakes the next run through the
 * watch. What an outside party will know about is stored before the step that makes it real: the
 * next key is in its Secret before a request carries its public half. Where nobody outside is asked, all of
 * it is one step (certificate_short.c).
 */
#include "base/log.h"
#include "controller/certificate_run.h"
#include "controller/secrets.h"
#include "controller/writers.h"

#define DUPLICATE_RECHECK_MS MINUTES(3)
/* Only for what no watch tells, a permission; longer than --once waits. Where a certificate is in force, each look
 * costs an event. */
#define FAILURE_RECHECK_MS MINUTES(1)
#define REPAIR_RECHECK_MS  MINUTES(10)

/* --- gather --- */

struct gathered { /* references that keep the facts alive */
    struct cache_refs requests, secrets, rivals, readers, orders;
    const struct secret_facts *secret;
    const struct issuer *issuer;
    const struct secret_facts **next_keys;
};

static void gathered_deinit(struct gathered *gathered)
{
    cache_refs_deinit(&gathered->requests);
    cache_refs_deinit(&gathered->secrets);
    cache_refs_deinit(&gathered->rivals);
    cache_refs_deinit(&gathered->readers);
    cache_refs_deinit(&gathered->orders);
    if (gathered->secret)
        object_unref(&gathered->secret->object);
    if (gathered->issuer)
        object_unref(&gathered->issuer->object);
}
DEFINE_CLEANUP_VALUE(struct gathered, gathered_deinit);

/* Of several Certificates that name one Secret, the one that its annotation names owns it, else the
 * oldest, ties by name (behaviour.md 1.1). */
static const char *owner_among(const struct cache_refs *rivals, const struct secret_facts *secret)
{
    const char *annotated = secret ? object_annotation(&secret->object, ANNOTATION_CERTIFICATE_NAME)
                                   : NULL;
    const struct certificate *oldest = NULL;

    for (size_t i = 0; i < rivals->len; i++) {
        const struct certificate *rival = rivals->items[i];

        if (annotated && streq(rival->object.metadata.name, annotated))
            return annotated;
        if (!oldest || rival->object.metadata.creation_timestamp_ms <
                           oldest->object.metadata.creation_timestamp_ms)
            oldest = rival;
    }
    return oldest ? oldest->object.metadata.name : NULL;
}

/* Certificates that name the target Secret, and Issuers that read it. */
static void gather_rivals(struct certificate_run *run)
{
    const struct metadata *metadata = &run->crt->object.metadata;
    struct gathered *gathered = run->gathered;
    struct caches *caches = &run->self->caches;
    cleanup(xfree) char *value = index_name_value(metadata->namespace, run->crt->spec.secret_name);
    cleanup(xfree) char *cluster_value = NULL;

    cache_by_index(caches->certificates, INDEX_SECRET_NAME, value, &gathered->rivals);
    cache_by_index(caches->issuers, INDEX_USED_SECRET, value, &gathered->readers);
    if (!streq(metadata->namespace, run->self->options.resource_namespace))
        return;
    cluster_value = index_name_value("", run->crt->spec.secret_name);
    cache_by_index(caches->cluster_issuers, INDEX_USED_SECRET, cluster_value, &gathered->readers);
}

static const char *claim_of_readers(const struct certificate_run *run)
{
    const struct cache_refs *readers = &run->gathered->readers;
    const char *claim = NULL;

    for (size_t i = 0; i < readers->len && !claim; i++)
        claim = certificate_claim(&run->facts, readers->items[i], run->arena);
    return claim;
}

/* Who overwrites the Secret, by this process' own notes, or by what the status says since a process before. */
static void gather_writer(struct certificate_run *run)
{
    const struct secret_facts *secret = run->facts.secret;
    int64_t now_ms = context_now_ms(run->ctx);
    int64_t told_ms = certificate_left_alone_until_ms(run->crt);

    run->facts.foreign_writer = writers_rival(run->self->writers, &run->crt->object, secret, now_ms,
                                              &run->facts.foreign_until_ms);
    if (run->facts.foreign_writer || !secret || now_ms >= told_ms ||
        told_ms - now_ms > WRITERS_STOPPED_FOR_MS)
        return;
    run->facts.foreign_writer = secret->foreign_owner;
    run->facts.foreign_until_ms = told_ms;
}

/* What follows from the target Secret. */
static void gather_secret(struct certificate_run *run)
{
    const struct gathered *gathered = run->gathered;
    const struct metadata *metadata = &run->crt->object.metadata;
    const struct secret_facts *secret = gathered->secret;
    const char *owner = owner_among(&gathered->rivals, secret);

    run->facts.secret = secret;
    run->facts.owner = owner && !streq(owner, metadata->name) ? owner : NULL;
    run->facts.claim = claim_of_readers(run);
    gather_writer(run);
    run->facts.repair_is_futile = writers_repair_is_futile(run->self->writers, metadata->uid,
                                                           secret);
}

/* In place of what the cache has of the target Secret: what it is now. */
int certificate_read_secret(struct certificate_run *run, struct err *err)
{
    struct gathered *gathered = run->gathered;
    struct key key = {.namespace = run->key.namespace, .name = run->crt->spec.secret_name};
    const struct secret_facts *live = NULL;
    int r = secret_facts_live(run->self, run->ctx, &key, &live, err);

    if (r < 0)
        return r;
    if (gathered->secret)
        object_unref(&gathered->secret->object);
    gathered->secret = live;
    run->secret_unread = false;
    gather_secret(run);
    return 0;
}

/* Ours by uid, and still labelled: without the label it could neither be used nor replaced. The target Secret is
 * ours by uid too, where it has an owner, and a template may label it in any way. */
bool certificate_is_next_key(const struct certificate *crt, const struct object *secret)
{
    return !streq(secret->metadata.name, crt->spec.secret_name) &&
           object_is_controlled_by(secret, crt->object.metadata.uid) &&
           streq(object_label(secret, LABEL_NEXT_PRIVATE_KEY), "true");
}

/* A next key whose label somebody took off is as good as before. */
static int complete_next_key(struct certificate_run *run, const void **secret, struct err *err)
{
    const struct secret_facts *partial = *secret, *live = NULL;
    struct key key = object_key(&partial->object);
    int r;

    if (!partial->is_partial)
        return 0;
    r = secret_facts_live(run->self, run->ctx, &key, &live, err);
    if (r < 0 || !live)
        return r; /* gone: the cache will hear of it */
    object_unref(&partial->object);
    *secret = live;
    return 0;
}

static int gather_next_keys(struct certificate_run *run, struct err *err)
{
    struct gathered *gathered = run->gathered;
    const char *named = run->crt->status.next_private_key_secret_name;
    struct key key = {.namespace = run->key.namespace, .name = named};
    cleanup(object_unref) const struct object *found = NULL;

    cache_by_index(run->self->caches.secrets, INDEX_OWNER, run->crt->object.metadata.uid,
                   &gathered->secrets);
    gathered->next_keys = arena_alloc(run->arena,
                                      (gathered->secrets.len + 1) * sizeof(*gathered->next_keys));
    for (size_t i = 0; i < gathered->secrets.len; i++) {
        int r;

        if (!certificate_is_next_key(run->crt, gathered->secrets.items[i]))
            continue;
        r = complete_next_key(run, &gathered->secrets.items[i], err);
        if (r < 0)
            return r;
        gathered->next_keys[run->facts.next_key_count++] = gathered->secrets.items[i];
    }
    run->facts.next_keys = gathered->next_keys;
    if (str_empty(named))
        return 0;
    found = cache_get(run->self->caches.secrets, &key);
    run->facts.foreign_next_key = found && !certificate_is_next_key(run->crt, found);
    return 0;
}

/* NULL: it was decided, or we do that at once, so that it is no news. */
static const char *waits_for_approval(const struct certificate_run *run,
                                      const struct certificate_request *request)
{
    bool is_ours = streq(issuer_reference_group(&request->spec.issuer_ref), "cert-manager.io");

    if ((is_ours && run->self->options.approve) ||
        condition_is(&request->status.conditions, "Approved", CONDITION_TRUE) ||
        condition_is(&request->status.conditions, "Denied", CONDITION_TRUE))
        return NULL;
    return arena_printf(run->arena, "CertificateRequest '%s' is not approved yet",
                        request->object.metadata.name);
}

/* Approved, and nobody has taken it up: its issuer is another program's. NULL: it is ours. */
static const char *waits_for_others(const struct certificate_run *run,
                                    const struct certificate_request *request)
{
    const char *group = issuer_reference_group(&request->spec.issuer_ref);

    return streq(group, "cert-manager.io")
               ? NULL
               : arena_printf(run->arena,
                              "CertificateRequest '%s' waits for the controller of issuers of "
                              "group '%s', which is another program",
                              request->object.metadata.name, group);
}

/* What the request itself says. */
static const char *said_by_request(const struct certificate_run *run,
                                   const struct certificate_request *request)
{
    const struct condition *ready = condition_find(&request->status.conditions, "Ready");
    const char *waits;

    if (ready && ready->status == CONDITION_FALSE && !str_empty(ready->message) &&
        !streq(ready->message, REQUEST_WAITS_FOR_ISSUER))
        return ready->message;
    waits = waits_for_approval(run, request);
    return waits || ready ? waits : waits_for_others(run, request);
}

/* What waits for an issuer of ours to be there or to be ready is not. */
static bool is_with_issuer(const struct certificate_run *run, const struct request_facts *request)
{
    const struct issuer_reference *ref = &request->request.spec.issuer_ref;
    cleanup(object_unref)
        const struct issuer *issuer = issuer_of(run->self, ref, run->key.namespace);

    return request->has_certificate || !streq(issuer_reference_group(ref), "cert-manager.io") ||
           issuer_is_off(run->self, issuer);
}

/* The CA has it, or had. */
static bool was_placed(const struct order *order)
{
    return !str_empty(order->status.url) || state_is_final(order->status.state);
}

/* The request in flight: has anybody been asked for the certificate, and why does it not move? Its Order says, or it
 * does itself; the texts are borrowed from them. */
static void gather_in_flight(struct certificate_run *run)
{
    struct cache_refs *orders = &run->gathered->orders;
    struct certificate_facts *facts = &run->facts;
    int64_t next = certificate_next_revision(&run->crt->status);
    const struct request_facts *first = NULL;

    for (size_t i = 0; i < facts->request_count; i++) {
        const struct request_facts *request = facts->requests[i];

        if (request->revision != next)
            continue;
        first = first ? first : request;
        facts->under_way = facts->under_way || is_with_issuer(run, request);
        cache_by_index(run->self->caches.orders, INDEX_OWNER, request->request.object.metadata.uid,
                       orders);
    }
    for (size_t i = 0; i < orders->len; i++) {
        const struct order *order = &((const struct order_facts *)orders->items[i])->order;

        facts->under_way = facts->under_way || was_placed(order);
        if (i == 0 && !str_empty(order->status.reason))
            facts->waiting_for = order->status.reason;
    }
    if (first && orders->len == 0)
        facts->waiting_for = said_by_request(run, &first->request);
}

static void gather_spec_problem(struct certificate_run *run)
{
    cleanup(field_report_deinit) struct field_report report = {};
    struct err problem;

    object_check_spec(&run->crt->object, &report);
    if (field_report_check(&report, &problem) < 0)
        run->facts.spec_problem = arena_strdup(run->arena, problem.text);
}

/* What is needed is there, as far as the caches know: we approve and sign, and the issuer asks nobody else. */
static bool signs_at_once(const struct certificate_run *run)
{
    const struct issuer *issuer = run->facts.issuer;
    const struct issuer_ops *ops = issuer ? issuer_type_of(&issuer->spec) : NULL;

    return run->self->options.approve && ops && ops->signs_at_once && issuer_is_ready(issuer) &&
           !issuer_is_off(run->self, issuer);
}

static int gather(struct certificate_run *run, struct err *err)
{
    struct gathered *gathered = run->gathered;
    struct controllers *self = run->self;
    struct key secret = {.namespace = run->key.namespace, .name = run->crt->spec.secret_name};

    gathered->secret = cache_get(self->caches.secrets, &secret);
    run->secret_unread = !gathered->secret && secret_may_be_missed(self);
    gathered->issuer = issuer_of(self, &run->crt->spec.issuer_ref, run->key.namespace);
    cache_by_index(self->caches.requests, INDEX_OWNER, run->crt->object.metadata.uid,
                   &gathered->requests);
    run->facts = (struct certificate_facts){
        .crt = run->crt,
        .issuer = gathered->issuer,
        .requests = (const struct request_facts *const *)gathered->requests.items,
        .request_count = gathered->requests.len,
    };
    gather_spec_problem(run);
    run->facts.signs_at_once = signs_at_once(run);
    gather_rivals(run);
    gather_secret(run);
    gather_in_flight(run);
    if (gathered->secret && gathered->secret->is_partial) {
        int r = certificate_read_secret(run, err);

        if (r < 0)
            return r;
    }
    return gather_next_keys(run, err);
}

static bool begins(const struct certificate_run *run)
{
    return run->decision.action == CERTIFICATE_START ||
           run->decision.action == CERTIFICATE_ISSUE_AT_ONCE;
}

/* Would this decision be wrong if the Secret were there after all? */
static bool trusts_absence(const struct certificate_run *run)
{
    const struct certificate_decision *decision = &run->decision;
    const struct conditions *before = &run->crt->status.conditions;
    bool replaces_it = decision->action == CERTIFICATE_STORE_TEMPORARY ||
                       (decision->action == CERTIFICATE_MAKE_KEY &&
                        !certificate_rotates_key(&run->crt->spec));
    bool ends_readiness = condition_is(before, "Ready", CONDITION_TRUE) &&
                          !condition_is(&decision->status.conditions, "Ready", CONDITION_TRUE);

    return begins(run) || replaces_it || ends_readiness;
}

/* At the first look at a new Certificate: nothing is asked of anybody outside, and the store refuses what was made
 * where there is a Secret after all (certificate_short.c). */
static bool store_will_tell(const struct certificate_run *run)
{
    return run->decision.action == CERTIFICATE_ISSUE_AT_ONCE && !run->crt->status.revision.is_set &&
           !condition_find(&run->crt->status.conditions, "Ready");
}

/* Decides, and once more when it turns on a Secret that the cache does not have: a cache that is late, or a
 * label that was taken off, must not lead to a new certificate (secrets.h). */
static int decide(struct certificate_run *run, struct err *err)
{
    struct certificate_policy policy = certificate_policy_of(run);
    int r;

    certificate_decide(&run->facts, &policy, run->arena, &run->decision);
    if (!run->secret_unread || !trusts_absence(run) || store_will_tell(run))
        return 0;
    r = certificate_read_secret(run, err);
    if (r == 0 && run->facts.secret)
        certificate_decide(&run->facts, &policy, run->arena, &run->decision);
    return r;
}

/* --- act: one function per action --- */

struct certificate_policy certificate_policy_of(const struct certificate_run *run)
{
    return (struct certificate_policy){
        .now_ms = context_now_ms(run->ctx),
        .backoff_min_ms = run->self->options.backoff_min_ms,
        .backoff_max_ms = run->self->options.backoff_max_ms,
        .owner_ref = run->self->options.owner_ref,
        .duplicate_recheck_ms = DUPLICATE_RECHECK_MS,
    };
}

/* What somebody has to put right: told once, when Ready begins to say it. */
static const struct told_reason {
    const char *reason;
    bool of_spec; /* and when it says it of another spec */
} told_reasons[] = {
    {"WindowError", false}, /* its times change */
    {"SecretOverwritten", false},
    {"InvalidSpec", true},
    {"SecretOfIssuer", true},
};

static bool is_told(const struct told_reason *row, const struct condition *before,
                    const struct condition *now)
{
    return before && streq(before->reason, row->reason) &&
           (!row->of_spec || (before->observed_generation == now->observed_generation &&
                              streq(before->message, now->message)));
}

static void tell_unready(struct certificate_run *run)
{
    const struct condition *before = condition_find(&run->crt->status.conditions, "Ready");
    const struct condition *now = condition_find(&run->decision.status.conditions, "Ready");

    for (size_t i = 0; i < ARRAY_LEN(told_reasons); i++)
        if (streq(now->reason, told_reasons[i].reason) && !is_told(&told_reasons[i], before, now))
            event(run->self, run->ctx, &run->crt->object, EVENT_WARNING, now->reason, "%s",
                  now->message);
}

/* Once for each cause: as the Issuing condition begins to say it. */
static void tell_stuck(struct certificate_run *run)
{
    const struct certificate_decision *decision = &run->decision;
    const struct condition *before = condition_find(&run->crt->status.conditions, "Issuing");
    const struct condition *now = condition_find(&decision->status.conditions, "Issuing");

    if (decision->is_stuck && !streq(before->message, now->message))
        event(run->self, run->ctx, &run->crt->object, EVENT_WARNING, decision->reason, "%s",
              decision->message);
}

int certificate_save(struct certificate_run *run, struct err *err)
{
    int r;

    if (!run->decision.write_status)
        return 0;
    r = write_status(certificate_author(run), &run->crt->object, &run->decision.status, err);
    if (r < 0)
        return r;
    tell_unready(run);
    tell_stuck(run);
    return 0;
}

int certificate_start(struct certificate_run *run, struct err *err)
{
    int r = certificate_save(run, err);

    if (r < 0)
        return r;
    event(run->self, run->ctx, &run->crt->object, EVENT_NORMAL, "Issuing", "%s",
          run->decision.message);
    return 0;
}

int certificate_fail(struct certificate_run *run, struct err *err)
{
    int r = certificate_save(run, err);

    if (r == 0)
        event(run->self, run->ctx, &run->crt->object, EVENT_WARNING, run->decision.reason, "%s",
              run->decision.message);
    return r;
}

/* An issuer that sends what cannot be stored has failed: recorded with back-off, the old Secret stays. */
int certificate_fail_unusable(struct certificate_run *run, const struct err *problem,
                              struct err *err)
{
    struct certificate_policy policy = certificate_policy_of(run);

    run->facts.unusable = arena_strdup(run->arena, problem->text);
    certificate_decide(&run->facts, &policy, run->arena, &run->decision);
    return certificate_fail(run, err);
}

int certificate_finish(struct certificate_run *run, struct err *err)
{
    int r;

    if (run->decision.wants_window)
        certificate_fetch_ari_along(run);
    r = certificate_save(run, err);
    if (r == 0)
        event_of_action(run->self, run->ctx, &run->crt->object, "Issuing", "Issued",
                        "The certificate has been successfully issued");
    return r;
}

static int act_drop_key(struct certificate_run *run, struct err *err)
{
    return write_delete(run->self, run->ctx, &run->decision.next_key->object, err);
}

static int act_drop_request(struct certificate_run *run, struct err *err)
{
    return write_delete(run->self, run->ctx, &run->decision.request->request.object, err);
}

/* --- the reconciler --- */

static int act(struct certificate_run *run, struct reconcile_result *result, struct err *err)
{
    switch (run->decision.action) {
    case CERTIFICATE_NOTHING:
        return certificate_save(run, err);
    case CERTIFICATE_START:
        return certificate_start(run, err);
    case CERTIFICATE_ISSUE_AT_ONCE:
        return certificate_issue_at_once(run, result, err);
    case CERTIFICATE_DROP_KEY:
        return act_drop_key(run, err);
    case CERTIFICATE_MAKE_KEY:
        return certificate_make_key(run, result, err);
    case CERTIFICATE_DROP_REQUEST:
        return act_drop_request(run, err);
    case CERTIFICATE_MAKE_REQUEST:
        return certificate_make_request(run, err);
    case CERTIFICATE_STORE_TEMPORARY:
        return certificate_store_temporary(run, err);
    case CERTIFICATE_STORE:
        return certificate_store(run, err);
    case CERTIFICATE_FINISH:
        return certificate_finish(run, err);
    case CERTIFICATE_FAIL:
        return certificate_fail(run, err);
    case CERTIFICATE_REPAIR:
        return certificate_repair(run, err);
    case CERTIFICATE_FETCH_ARI:
        return certificate_fetch_ari(run, result, err);
    }
    return err_set(err, ERR_INTERNAL, "no such action");
}

static bool is_issuing(const struct certificate_run *run)
{
    return condition_is(&run->crt->status.conditions, "Issuing", CONDITION_TRUE);
}

static void tell_failure(struct certificate_run *run, const struct err *err)
{
    event(run->self, run->ctx, &run->crt->object, EVENT_WARNING,
          str_or(run->failure, "RequestFailed"), "%s", err->text);
}

/* In the Issuing condition; an event when that is news. */
static void show_in_condition(struct certificate_run *run, const struct condition *issuing,
                              const struct err *err)
{
    struct certificate_status status = run->crt->status;
    struct condition changed = *issuing;
    struct err ignored = {};

    changed.message = certificate_waiting_message(issuing->message, err->text, run->arena);
    if (!condition_set(&status.conditions, &changed, context_now_ms(run->ctx), run->arena))
        return;
    tell_failure(run, err);
    (void)write_status(certificate_author(run), &run->crt->object, &status,
                       &ignored); /* the next run tries again */
}

/* A step that fails for a reason which time does not mend stands in the Issuing condition, not only in
 * the log. Where nothing is being issued, what has a name is told by an event at least: one series. */
static void show_failure(struct certificate_run *run, const struct err *err)
{
    if (is_issuing(run))
        show_in_condition(run, condition_find(&run->crt->status.conditions, "Issuing"), err);
    else if (run->failure)
        tell_failure(run, err);
}

/* What somebody has to mend wakes us when it is; all else comes back by the error's back-off. */
static int act_failed(struct certificate_run *run, int code, struct reconcile_result *result,
                      const struct err *why)
{
    if (err_is_transient(code) || code == ERR_CANCELED || code == ERR_DELETED)
        return code;
    show_failure(run, why);
    if (!run->failure)
        return code;
    reconcile_again_by(result, context_now_ms(run->ctx) +
                                   (is_issuing(run) ? FAILURE_RECHECK_MS : REPAIR_RECHECK_MS));
    return 0;
}

static int look(struct certificate_run *run, struct err *err)
{
    int r = gather(run, err);

    return r == 0 ? decide(run, err) : r;
}

int certificate_look(struct controllers *self, const struct context *ctx,
                     const struct certificate *crt, certificate_look_fn *tell, void *arg,
                     struct err *err)
{
    cleanup(arena_free) struct arena *arena = arena_new(0);
    cleanup(gathered_deinit) struct gathered gathered = {};
    struct certificate_run run = {.self = self,
                                  .ctx = ctx,
                                  .key = object_key(&crt->object),
                                  .crt = crt,
                                  .arena = arena,
                                  .gathered = &gathered};
    int r = look(&run, err);

    if (r == 0)
        tell(arg, &run.facts, &run.decision);
    return r;
}

int certificate_reconcile(void *controllers, const struct context *ctx, const struct key *key,
                          struct reconcile_result *ret_result, struct err *err)
{
    struct controllers *self = controllers;
    cleanup(object_unref) const struct certificate *crt = cache_get(self->caches.certificates, key);
    cleanup(arena_free) struct arena *arena = arena_new(0);
    cleanup(gathered_deinit) struct gathered gathered = {};
    struct certificate_run run = {
        .self = self, .ctx = ctx, .key = *key, .crt = crt, .arena = arena, .gathered = &gathered};
    const char *window_problem;
    struct err why = {};
    int r;

    if (!crt || crt->object.metadata.deletion_timestamp_ms)
        return 0; /* deleted: nothing to keep in step, the Secret stays */
    r = look(&run, err);
    if (r < 0)
        return r;
    ret_result->requeue_at_ms = run.decision.next_ms;
    log_debug(ctx, "decided: %s", certificate_action_name(run.decision.action));
    window_problem = begins(&run) ? run.decision.window_problem : NULL;
    r = act(&run, ret_result, &why);
    if (r == 0 && window_problem && !run.waits_for_key)
        event(self, ctx, &crt->object, EVENT_WARNING, "WindowError",
              "Renewing certificate without regard to its windows: %s", window_problem);
    if (r < 0)
        r = act_failed(&run, r, ret_result, &why);
    return r < 0 ? err_pass(err, &why) : 0;
}
