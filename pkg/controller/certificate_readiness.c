/*
 * certificate_readiness.c - what follows from the Secret alone: the Ready condition, validity, time of the renewal.
 */
#include "base/clock.h"
#include "controller/certificate_decider.h"

#define LEFT_ALONE "which is left alone until "

void decider_look_again(struct decider *d, int64_t at_ms)
{
    if (at_ms > 0 && (d->out->next_ms == 0 || at_ms < d->out->next_ms))
        d->out->next_ms = at_ms;
}

void decider_set_condition(struct decider *d, const char *type, enum condition_status status,
                           const char *reason, const char *message)
{
    struct condition condition = {
        .type = type,
        .status = status,
        .reason = reason,
        .message = message,
        .observed_generation = d->facts->crt->object.metadata.generation,
    };

    condition_set(&d->out->status.conditions, &condition, d->policy->now_ms, d->arena);
}

const char *decider_time_text(struct decider *d, int64_t ms)
{
    char text[TIME_TEXT_MAX];

    time_format(ms, text);
    return arena_strdup(d->arena, text);
}

static void set_renewal_time(struct decider *d)
{
    struct renewal_basis basis = {.spec = &d->facts->crt->spec,
                                  .acme = d->out->status.acme,
                                  .secret = d->facts->secret,
                                  .current = d->current,
                                  .policy = d->policy};
    struct renewal renewal = certificate_renewal(&basis, d->arena);

    d->out->status.renewal_time_ms = renewal.at_ms;
    d->window_problem = renewal.problem;
}

void decider_copy_validity(struct decider *d)
{
    const struct secret_facts *secret = d->facts->secret;
    struct certificate_status *status = &d->out->status;

    status->not_before_ms = status->not_after_ms = status->renewal_time_ms = 0;
    d->window_problem = NULL;
    if (d->facts->issuer && !certificate_uses_ari(d->facts->issuer))
        status->acme = NULL;
    if (!secret || !secret->has_data || !secret->cert_ok)
        return;
    status->not_before_ms = secret->not_before_ms;
    status->not_after_ms = secret->not_after_ms;
    set_renewal_time(d);
    if (d->policy->now_ms <= secret->not_after_ms)
        decider_look_again(d, secret->not_after_ms + 1000); /* it stops being ready then */
}

static struct violation ready_violation(struct decider *d)
{
    const struct certificate_facts *facts = d->facts;
    struct violation found;

    if (facts->spec_problem)
        return (struct violation){"InvalidSpec", facts->spec_problem};
    if (facts->owner)
        return (struct violation){
            "DuplicateSecretName",
            arena_printf(d->arena,
                         "Certificate '%s' names the Secret '%s' too and owns it; give this one "
                         "another spec.secretName",
                         facts->owner, facts->crt->spec.secret_name)};
    if (facts->claim)
        return (struct violation){"SecretOfIssuer", facts->claim};
    found = secret_violation(facts, d->current, d->arena);
    if (found.reason && facts->foreign_writer)
        return (struct violation){
            "SecretOverwritten",
            arena_printf(d->arena,
                         "'%s' keeps overwriting the Secret '%s', " LEFT_ALONE
                         "%s; stop it, then delete the Secret or run 'certlet renew', or give this "
                         "Certificate another spec.secretName",
                         facts->foreign_writer, facts->crt->spec.secret_name,
                         decider_time_text(d, facts->foreign_until_ms))};
    if (!found.reason && d->policy->now_ms > facts->secret->not_after_ms)
        found = (struct violation){"Expired",
                                   arena_printf(d->arena, "Certificate expired at %s",
                                                decider_time_text(d, facts->secret->not_after_ms))};
    if (!found.reason && d->window_problem)
        found = (struct violation){
            "WindowError", arena_printf(d->arena, "%s; it will be renewed at %s", d->window_problem,
                                        decider_time_text(d, d->out->status.renewal_time_ms))};
    return found;
}

int64_t certificate_left_alone_until_ms(const struct certificate *crt)
{
    const struct condition *ready = condition_find(&crt->status.conditions, "Ready");

    if (!ready || !streq(ready->reason, "SecretOverwritten") ||
        ready->observed_generation != crt->object.metadata.generation)
        return 0;
    return condition_time_ms(ready, LEFT_ALONE);
}

void decider_settle_readiness(struct decider *d)
{
    struct violation found = ready_violation(d);

    if (found.reason)
        decider_set_condition(d, "Ready", CONDITION_FALSE, found.reason, found.message);
    else
        decider_set_condition(d, "Ready", CONDITION_TRUE, "Ready",
                              "Certificate is up to date and has not expired");
}
