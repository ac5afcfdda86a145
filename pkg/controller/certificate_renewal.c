/* certificate_renewal.c - when to renew, and when to try again after a failure. Pure. */
#include "acme/acme.h"
#include "controller/certificate_decide.h"

#define SHORTEST_RETRY_MS MINUTES(1)
/* Retry after a failure is proportional to the lifetime (DESIGN 12.5): for 90 days the first comes
 * after 1 h, as cert-manager's, and none later than lifetime/24. */
#define FIRST_RETRY_PART 2160
#define LAST_RETRY_PART  24
/* A certificate that is renewed before it has been there for so many of the longest waits is young. */
#define YOUNG_WAITS 2
/* What replaced a young one stays for the longest wait, but not beyond this part of its life. */
#define STAYS_PART       3
#define SHORTEST_STAY_MS SECONDS(5)
#define OTHER_CLOCK_MS   MINUTES(5)

static int64_t whole_seconds(int64_t ms)
{
    return ms - ms % 1000;
}

/* How long before notAfter renewal starts. */
static int64_t renewal_lead_ms(const struct certificate_spec *spec, int64_t lifetime_ms)
{
    int64_t before_ms = spec->renew_before.is_set ? spec->renew_before.ns / 1000000 : 0;
    int64_t percentage = spec->renew_before_percentage.is_set ? spec->renew_before_percentage.value
                                                              : 0;

    if (before_ms > 0 && before_ms < lifetime_ms)
        return before_ms;
    if (percentage > 0 && percentage < 100)
        return lifetime_ms / 100 * percentage;
    return lifetime_ms / 3;
}

int64_t renewal_time_ms(const struct certificate_spec *spec, int64_t not_before_ms,
                        int64_t not_after_ms)
{
    if (spec->renewal && spec->renewal->policy == RENEWAL_DISABLED)
        return 0;
    return whole_seconds(not_after_ms - renewal_lead_ms(spec, not_after_ms - not_before_ms));
}

/* The window counts only for the certificate it was given for, that is, it was fetched since. It may
 * have ended before the certificate began: "now" is said so (RFC 9773 4.2) of what is minutes old. */
static const struct certificate_ari_window *window_for(const struct certificate_acme_status *acme,
                                                       const struct secret_facts *secret)
{
    const struct certificate_ari *ari = acme ? acme->ari : NULL;

    if (!ari || !ari->suggested_window || !secret->ari_id)
        return NULL;
    if (ari->last_checked_ms < secret->not_before_ms)
        return NULL;
    return ari->suggested_window;
}

int64_t renewal_time_with_ari_ms(const struct certificate_spec *spec,
                                 const struct certificate_acme_status *acme,
                                 const struct secret_facts *secret)
{
    const struct certificate_ari_window *window = window_for(acme, secret);
    int64_t plain_ms = renewal_time_ms(spec, secret->not_before_ms, secret->not_after_ms);
    int64_t instant_ms;

    if (!window || plain_ms == 0)
        return plain_ms;
    instant_ms = whole_seconds(
        acme_renewal_instant(secret->ari_id, window->start_ms, window->end_ms));
    /* A window behind the expiry would let the certificate lapse: the plain time is the fallback. */
    return instant_ms < secret->not_after_ms ? instant_ms : plain_ms;
}

static bool is_inside(const struct renewal *renewal, const struct certificate_ari_window *window)
{
    return !renewal->problem && renewal->at_ms >= window->start_ms &&
           renewal->at_ms < window->end_ms;
}

/* An order inside of the CA's window is free of limits: where none of ours opens between the instant and its
 * end, one may between its beginning and the instant. `window` NULL: the instant is not the CA's. */
static struct renewal renewal_inside(const struct renewal_basis *basis,
                                     const struct certificate_ari_window *window, int64_t due_ms,
                                     struct arena *arena)
{
    const struct certificate_renewal *windows = basis->spec->renewal;
    struct renewal behind = renewal_in_windows(windows, due_ms, basis->secret, arena), before;

    if (!window || is_inside(&behind, window))
        return behind;
    before = renewal_in_windows(windows, window->start_ms, basis->secret, arena);
    return is_inside(&before, window) ? before : behind;
}

static bool is_called_back(const struct certificate_acme_status *acme,
                           const struct secret_facts *secret,
                           const struct certificate_ari_window *window)
{
    int64_t half_ms = secret->not_before_ms + (secret->not_after_ms - secret->not_before_ms) / 2;

    return window && window->end_ms <= acme->ari->last_checked_ms && window->end_ms < half_ms;
}

struct renewal certificate_renewal(const struct renewal_basis *basis, struct arena *arena)
{
    const struct certificate_ari_window *window = window_for(basis->acme, basis->secret);
    int64_t due_ms = renewal_time_with_ari_ms(basis->spec, basis->acme, basis->secret);
    int64_t after_ms = renewal_time_after_ms(due_ms, basis->secret, basis->current, basis->policy);

    if (after_ms == 0 || !basis->spec->renewal || basis->spec->renewal->windows.len == 0 ||
        is_called_back(basis->acme, basis->secret, window))
        return (struct renewal){.at_ms = after_ms};
    /* An instant that is not followed, or that has to wait, is not the CA's any more. */
    if (after_ms != due_ms || !window || due_ms < window->start_ms || due_ms >= window->end_ms)
        window = NULL;
    return renewal_inside(basis, window, after_ms, arena);
}

bool certificate_uses_ari(const struct issuer *issuer)
{
    return issuer && issuer->spec.acme && issuer->spec.acme->renewal_information_source != ARI_NONE;
}

bool issuer_is_acme_ready(const struct issuer *issuer)
{
    return issuer && issuer->spec.acme &&
           condition_is(&issuer->status.conditions, "Ready", CONDITION_TRUE);
}

static int64_t clamp(int64_t value, int64_t low, int64_t high)
{
    if (value > high)
        value = high;
    return value < low ? low : value;
}

static int64_t first_wait_ms(int64_t lifetime_ms, const struct certificate_policy *policy)
{
    return clamp(lifetime_ms / FIRST_RETRY_PART, SHORTEST_RETRY_MS, policy->backoff_min_ms);
}

static int64_t longest_wait_ms(int64_t lifetime_ms, const struct certificate_policy *policy)
{
    return clamp(lifetime_ms / LAST_RETRY_PART, first_wait_ms(lifetime_ms, policy),
                 policy->backoff_max_ms);
}

/* When the certificate in force was asked for; one that we did not ask for: its notBefore. */
static int64_t came_ms(const struct secret_facts *secret, const struct request_facts *current)
{
    return current ? current->request.object.metadata.creation_timestamp_ms : secret->not_before_ms;
}

static int64_t stored_wait_ms(const struct secret_facts *secret,
                              const struct certificate_policy *policy)
{
    return longest_wait_ms(secret->not_after_ms - secret->not_before_ms, policy);
}

bool certificate_is_young(const struct secret_facts *secret, const struct request_facts *current,
                          const struct certificate_policy *policy)
{
    return secret && secret->cert_ok &&
           policy->now_ms < came_ms(secret, current) + YOUNG_WAITS * stored_wait_ms(secret, policy);
}

int64_t renewal_time_after_ms(int64_t renew_ms, const struct secret_facts *secret,
                              const struct request_facts *current,
                              const struct certificate_policy *policy)
{
    int64_t left_ms, stay_ms, earliest_ms;

    if (renew_ms == 0 || !current || !current->replaces_young)
        return renew_ms;
    left_ms = secret->not_after_ms - came_ms(secret, current);
    stay_ms = clamp(stored_wait_ms(secret, policy), 0, left_ms / STAYS_PART);
    if (stay_ms < SHORTEST_STAY_MS)
        stay_ms = SHORTEST_STAY_MS;
    earliest_ms = whole_seconds(came_ms(secret, current) + stay_ms);
    return renew_ms > earliest_ms ? renew_ms : earliest_ms;
}

bool time_is_to_come(int64_t at_ms, int64_t now_ms)
{
    return at_ms > now_ms + OTHER_CLOCK_MS;
}

int64_t backoff_end_ms(const struct certificate_spec *spec, const struct certificate_status *status,
                       const struct certificate_policy *policy)
{
    int64_t lifetime_ms = certificate_duration_ms(spec);
    int64_t delay_ms = first_wait_ms(lifetime_ms, policy);
    int64_t longest_ms = longest_wait_ms(lifetime_ms, policy);
    int64_t attempts = status->failed_issuance_attempts.is_set
                           ? status->failed_issuance_attempts.value
                           : 1;

    if (status->last_failure_time_ms == 0 ||
        time_is_to_come(status->last_failure_time_ms, policy->now_ms))
        return 0;
    for (int64_t i = 1; i < attempts && delay_ms < longest_ms; i++)
        delay_ms *= 2;
    return status->last_failure_time_ms + (delay_ms < longest_ms ? delay_ms : longest_ms);
}
