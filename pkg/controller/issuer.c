/*
 * issuer.c - Issuer and ClusterIssuer: asks the issuer type to set itself up, and shows the outcome.
 *
 * It runs at every start too, because accounts live in memory; a setup that is still right costs no
 * request to the CA and no write.
 */
#include "controller/caches.h"

static void set_ready(struct issuer_status *status, const struct issuer *issuer,
                      const struct condition *ready, const struct context *ctx, struct arena *arena)
{
    struct condition condition = *ready;

    condition.type = "Ready";
    condition.observed_generation = issuer->object.metadata.generation;
    condition_set(&status->conditions, &condition, context_now_ms(ctx), arena);
}

/* What the API server lets in, or has from before its rules; no type at all, or one that is not built, too. */
static bool cannot_be_used(const struct issuer *issuer, struct arena *arena,
                           struct setup_result *result)
{
    cleanup(field_report_deinit) struct field_report report = {};
    struct err why = {};

    object_check_spec(&issuer->object, &report);
    if (field_report_check(&report, &why) == 0)
        return false;
    result->ready = (struct condition){.status = CONDITION_FALSE,
                                       .reason = "InvalidConfig",
                                       .message = arena_strdup(arena, why.text)};
    result->event_reason = "InvalidConfig";
    result->event_warning = true;
    return true;
}

static int save(struct author author, const struct issuer *issuer,
                const struct setup_result *result, struct arena *arena, struct err *err)
{
    struct issuer_status status = issuer->status;
    int r;

    set_ready(&status, issuer, &result->ready, author.ctx, arena);
    if (result->acme || result->clear_acme)
        status.acme = result->acme;
    if (fields_equal(&issuer_status_fields, &issuer->status, &status))
        return 0;
    r = write_status(author, &issuer->object, &status, err);
    if (r < 0 || !result->event_reason)
        return r;
    if (result->event_warning)
        event(author.self, author.ctx, &issuer->object, EVENT_WARNING, result->event_reason, "%s",
              str_or(result->ready.message, ""));
    else
        event_extra(author.self, author.ctx, &issuer->object, result->event_reason, "%s",
                    str_or(result->ready.message, ""));
    return 0;
}

static int reconcile(struct author author, struct cache *cache, struct reconcile_result *ret_result,
                     struct err *err)
{
    cleanup(object_unref) const struct issuer *issuer = cache_get(cache, author.key);
    cleanup(arena_free) struct arena *arena = arena_new(0);
    struct setup_result result = {};
    struct err problem = {};
    bool is_going;
    int r = 0, saved;

    if (!issuer)
        return 0;
    is_going = issuer->object.metadata.deletion_timestamp_ms != 0;
    if (is_going || !issuer->spec.acme)
        accounts_remove(author.self->issuers.accounts, issuer->object.metadata.uid);
    if (is_going)
        return 0;
    if (!cannot_be_used(issuer, arena, &result))
        r = issuer_type_of(&issuer->spec)
                ->setup(&author.self->issuers, author.ctx, issuer, arena, &result, &problem);
    if (r == ERR_CANCELED || r == ERR_BUSY || r == ERR_DELETED || (r < 0 && !result.ready.status)) {
        *err = problem;
        return r;
    }
    /* A failure is shown first, then returned, so that the back-off counts it. */
    saved = save(author, issuer, &result, arena, err);
    ret_result->requeue_at_ms = result.requeue_at_ms;
    if (saved < 0)
        return saved;
    if (r < 0)
        *err = problem;
    return r;
}

int issuer_reconcile(void *controllers, const struct context *ctx, const struct key *key,
                     struct reconcile_result *ret_result, struct err *err)
{
    struct controllers *self = controllers;
    struct author author = {self, ctx, LANE_ISSUERS, key, MANAGER_ISSUERS};

    return reconcile(author, self->caches.issuers, ret_result, err);
}

int cluster_issuer_reconcile(void *controllers, const struct context *ctx, const struct key *key,
                             struct reconcile_result *ret_result, struct err *err)
{
    struct controllers *self = controllers;
    struct author author = {self, ctx, LANE_CLUSTER_ISSUERS, key, MANAGER_ISSUERS};

    return reconcile(author, self->caches.cluster_issuers, ret_result, err);
}
