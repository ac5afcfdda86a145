/* certificate_decide.c - the machine of certificate_decide.h. Pure: no I/O, no clock but policy->now_ms. */
#include <string.h>

#include "api/kinds.h"
#include "base/clock.h"
#include "controller/certificate_decider.h"

#define ARI_RECHECK_MS HOURS(1) /* for an issuer to be ready again */

const char *certificate_action_name(enum certificate_action action)
{
    static const char *const names[] = {
        [CERTIFICATE_NOTHING] = "nothing",
        [CERTIFICATE_START] = "start issuance",
        [CERTIFICATE_ISSUE_AT_ONCE] = "issue at once",
        [CERTIFICATE_DROP_KEY] = "drop next key",
        [CERTIFICATE_MAKE_KEY] = "make next key",
        [CERTIFICATE_DROP_REQUEST] = "drop request",
        [CERTIFICATE_MAKE_REQUEST] = "make request",
        [CERTIFICATE_STORE_TEMPORARY] = "store temporary certificate",
        [CERTIFICATE_STORE] = "store certificate",
        [CERTIFICATE_FINISH] = "finish issuance",
        [CERTIFICATE_FAIL] = "record failure",
        [CERTIFICATE_REPAIR] = "repair secret",
        [CERTIFICATE_FETCH_ARI] = "fetch renewal information",
    };

    return names[action];
}

/* --- small helpers --- */

static void act(struct decider *d, enum certificate_action action)
{
    d->out->action = action;
}

int64_t certificate_next_revision(const struct certificate_status *status)
{
    bool has_next = status->revision.is_set && status->revision.value < INT64_MAX;

    return has_next ? status->revision.value + 1 : 1;
}

static int64_t attempts_of(const struct certificate_status *status)
{
    return status->failed_issuance_attempts.is_set ? status->failed_issuance_attempts.value : 0;
}

static const struct request_facts *request_of_revision(const struct certificate_facts *facts,
                                                       int64_t revision)
{
    for (size_t i = 0; i < facts->request_count; i++) {
        if (facts->requests[i]->revision == revision)
            return facts->requests[i];
    }
    return NULL;
}

/* --- trigger --- */

static struct violation trigger_violation(struct decider *d)
{
    struct violation found = secret_violation(d->facts, d->current, d->arena);
    int64_t renew_ms = d->out->status.renewal_time_ms;

    if (found.reason || renew_ms == 0 || d->policy->now_ms < renew_ms)
        return found;
    d->out->window_problem = d->window_problem;
    return (struct violation){
        "Renewing", arena_printf(d->arena, "Renewing certificate as renewal was scheduled at %s%s",
                                 decider_time_text(d, renew_ms),
                                 d->window_problem ? ", without regard to its windows" : "")};
}

/* A failed request that asks for something else than the spec now says must not hold the user up, nor one with
 * another key: that may be what the CA has refused. */
static bool was_edited_since_failure(struct decider *d)
{
    const struct certificate_spec *spec = &d->facts->crt->spec;
    const struct request_facts *failed = request_of_revision(d->facts, d->next_revision);
    const char *ignored;

    if (!failed)
        return false;
    return request_violation(spec, failed, d->arena).reason ||
           (failed->key_algorithm != KEY_ALGORITHM_NONE &&
            !key_fits_spec(spec, failed->key_algorithm, failed->key_size, d->arena, &ignored));
}

static const char *next_key_name(struct decider *d)
{
    /* Derived, so that a crash between status and Secret finds the same name; the generation of attempts
     * keeps a foreign Secret of that name out of the way. */
    const struct metadata *metadata = &d->facts->crt->object.metadata;
    int64_t attempt = attempts_of(&d->out->status);
    char *seed = arena_printf(d->arena, "%s/%lld/%lld/%s", metadata->uid,
                              (long long)d->next_revision, (long long)attempt,
                              str_or(d->facts->crt->status.next_private_key_secret_name, ""));

    return arena_printf(d->arena, "%.200s-%08x", metadata->name,
                        (unsigned)str_hash(seed, strlen(seed)));
}

static void say_why(struct decider *d, const char *reason, const char *message)
{
    d->out->begins = true;
    d->out->reason = reason;
    d->out->message = message;
}

static void start(struct decider *d, const char *reason, const char *message)
{
    say_why(d, reason, message);
    decider_set_condition(d, "Issuing", CONDITION_TRUE, reason, message);
    d->out->status.next_private_key_secret_name = next_key_name(d);
    act(d, CERTIFICATE_START);
}

static void drop_request(struct decider *d, const struct request_facts *request)
{
    d->out->request = request;
    act(d, CERTIFICATE_DROP_REQUEST);
}

static void drop_key(struct decider *d, const struct secret_facts *key)
{
    d->out->next_key = key;
    act(d, CERTIFICATE_DROP_KEY);
}

/* --- the end --- */

static bool ari_is_due(struct decider *d)
{
    const struct certificate_acme_status *acme = d->out->status.acme;
    const struct certificate_ari *ari = acme ? acme->ari : NULL;
    const struct secret_facts *secret = d->facts->secret;

    if (!certificate_uses_ari(d->facts->issuer) || !secret->ari_id ||
        d->policy->now_ms >= secret->not_after_ms)
        return false;
    if (d->policy->now_ms < secret->not_before_ms) {
        decider_look_again(d, secret->not_before_ms +
                                  1000); /* a window is given for what is in force */
        return false;
    }
    if (!issuer_is_acme_ready(d->facts->issuer)) {
        decider_look_again(d, d->policy->now_ms + ARI_RECHECK_MS);
        return false;
    }
    if (!ari || ari->next_check_ms <= d->policy->now_ms ||
        time_is_to_come(ari->last_checked_ms, d->policy->now_ms) ||
        ari->last_checked_ms < secret->not_before_ms)
        return true;
    decider_look_again(d, ari->next_check_ms);
    return false;
}

static void finish(struct decider *d, const struct request_facts *request)
{
    struct certificate_status *status = &d->out->status;

    status->revision = (struct opt_int){true, d->next_revision};
    status->last_failure_time_ms = 0;
    status->failed_issuance_attempts = (struct opt_int){};
    status->next_private_key_secret_name = NULL;
    condition_remove(&status->conditions, "Issuing", d->arena);
    d->current = request;
    status->acme = NULL; /* its window was for the certificate before */
    decider_copy_validity(d);
    d->out->wants_window = ari_is_due(d);
    act(d, CERTIFICATE_FINISH);
}

/* The brake: an issuance that does not leave what the checks ask for is not finished, or the next one would begin
 * at once, and so on. */
static bool fits_with(struct decider *d, const struct request_facts *request)
{
    return secret_holds(d->facts->secret, request) &&
           !secret_violation(d->facts, request, d->arena).reason;
}

/* Stored already, by a run that was cut off behind it: whatever became of the key's own Secret, the
 * certificate is what counts. */
static bool is_stored(struct decider *d, const struct request_facts *request)
{
    return request &&
           condition_has_reason(&request->request.status.conditions, "Ready", "Issued") &&
           request->certificate_ok && fits_with(d, request);
}

/* --- the beginning --- */

/* A key that is to stay, and does not fit, is for the long path to tell. */
static bool can_issue_at_once(struct decider *d)
{
    const struct certificate_spec *spec = &d->facts->crt->spec;
    const struct secret_facts *secret = d->facts->secret;
    const char *why;

    return d->facts->signs_at_once &&
           (certificate_rotates_key(spec) || !secret || !secret->key_ok ||
            key_fits_spec(spec, secret->key_algorithm, secret->key_size, d->arena, &why));
}

/* What an attempt before has left goes first: its request is for a key that nobody has any more. */
static void begin(struct decider *d, const char *reason, const char *message)
{
    const struct request_facts *left = request_of_revision(d->facts, d->next_revision);

    say_why(d, reason, message);
    if (!can_issue_at_once(d)) {
        start(d, reason, message);
    } else if (d->facts->next_key_count > 0) {
        drop_key(d, d->facts->next_keys[0]);
    } else if (left) {
        drop_request(d, left);
    } else {
        d->out->next_key_name = next_key_name(d);
        d->out->replaces_young = streq(reason, "Renewing") &&
                                 certificate_is_young(d->facts->secret, d->current, d->policy);
        act(d, CERTIFICATE_ISSUE_AT_ONCE);
    }
}

/* --- idle: nothing is being issued --- */

/* The oldest; never that of the certificate in force: where a status was lost, it has a lower number than those
 * of before. */
static const struct request_facts *request_beyond_history(struct decider *d)
{
    const struct certificate_facts *facts = d->facts;
    const struct request_facts *lowest = NULL;
    int64_t kept = 0;

    for (size_t i = 0; i < facts->request_count; i++) {
        const struct request_facts *request = facts->requests[i];

        if (request->revision == 0)
            continue;
        kept++;
        if (request != d->current && (!lowest || request->revision < lowest->revision))
            lowest = request;
    }
    return kept > certificate_history_limit(&facts->crt->spec) ? lowest : NULL;
}

struct violation certificate_repair_due(const struct certificate_facts *facts,
                                        const struct certificate_policy *policy,
                                        struct arena *arena)
{
    if (facts->foreign_writer || facts->repair_is_futile)
        return (struct violation){};
    return repair_violation(facts, policy->owner_ref, arena);
}

static void tend(struct decider *d)
{
    struct violation broken = certificate_repair_due(d->facts, d->policy, d->arena);
    const struct request_facts *old = request_beyond_history(d);

    decider_look_again(d, d->out->status.renewal_time_ms);
    if (broken.reason) {
        d->out->reason = broken.reason;
        d->out->message = broken.message;
        act(d, CERTIFICATE_REPAIR);
    } else if (old) {
        drop_request(d, old);
    } else if (ari_is_due(d)) {
        d->out->request = d->current;
        act(d, CERTIFICATE_FETCH_ARI);
    }
}

/* What is due is not begun before. */
static void hold(struct decider *d, int64_t until_ms)
{
    d->out->held_until_ms = until_ms;
    decider_look_again(d, until_ms);
}

static bool request_has_failed(const struct request_facts *request)
{
    const struct conditions *conditions = &request->request.status.conditions;

    return condition_has_reason(conditions, "Ready", "Failed") ||
           condition_is(conditions, "Denied", CONDITION_TRUE) ||
           condition_is(conditions, "InvalidRequest", CONDITION_TRUE);
}

/* Nothing is to be issued: what is left of an attempt goes, the request first, as it would be signed for nobody. */
static void settle(struct decider *d, const struct request_facts *next)
{
    if (next && !next->has_certificate && !request_has_failed(next))
        drop_request(d, next);
    else if (d->facts->next_key_count > 0)
        drop_key(d, d->facts->next_keys[0]);
    else
        tend(d);
}

static void decide_idle(struct decider *d)
{
    const struct certificate_facts *facts = d->facts;
    struct violation found = trigger_violation(d);
    int64_t backoff_ms = backoff_end_ms(&facts->crt->spec, &facts->crt->status, d->policy);
    const struct request_facts *next = request_of_revision(facts, d->next_revision);

    d->out->status.next_private_key_secret_name = NULL;
    if (is_stored(d, next)) {
        d->out->request = next;
        finish(d, next);
        return;
    }
    if (found.reason && facts->foreign_writer) {
        hold(d, facts->foreign_until_ms);
        return;
    }
    if (found.reason && d->policy->now_ms < backoff_ms && !was_edited_since_failure(d)) {
        hold(d, backoff_ms);
        if (facts->next_key_count > 0)
            drop_key(d, facts->next_keys[0]);
        return;
    }
    if (found.reason)
        begin(d, found.reason, found.message);
    else
        settle(d, next);
}

/* It is another one's Secret, or an Issuer's: what is under way waits, and the key of what has ended goes. */
static void decide_rival(struct decider *d)
{
    const struct certificate_facts *facts = d->facts;

    decider_look_again(d, d->policy->now_ms + d->policy->duplicate_recheck_ms);
    if (facts->next_key_count > 0 &&
        !condition_is(&facts->crt->status.conditions, "Issuing", CONDITION_TRUE))
        drop_key(d, facts->next_keys[0]);
}

/* --- issuing --- */

static void fail(struct decider *d, const char *reason, const char *why)
{
    struct certificate_status *status = &d->out->status;
    int64_t before = attempts_of(status), attempts = before < INT64_MAX ? before + 1 : before;
    int64_t again_ms;

    status->last_failure_time_ms = d->policy->now_ms;
    status->failed_issuance_attempts = (struct opt_int){true, attempts};
    status->next_private_key_secret_name = NULL;
    again_ms = backoff_end_ms(&d->facts->crt->spec, status, d->policy);
    d->out->reason = reason;
    d->out->message = certificate_failure_message(why, attempts, again_ms, d->arena);
    decider_set_condition(d, "Issuing", CONDITION_FALSE, reason, d->out->message);
    act(d, CERTIFICATE_FAIL);
}

static void decide_issued(struct decider *d, const struct request_facts *request)
{
    d->out->request = request;
    if (d->facts->unusable)
        fail(d, "InvalidCertificate", d->facts->unusable);
    else if (!request->certificate_ok)
        fail(d, "InvalidCertificate", "the issuer sent no certificate that can be read");
    else if (memcmp(request->certificate_key_hash, request->key_hash, SHA256_LEN) != 0)
        fail(d, "InvalidCertificate", "the issuer sent a certificate for another key");
    else if (request->not_after_ms <= d->policy->now_ms)
        fail(d, "InvalidCertificate", "the issuer sent a certificate that has expired already");
    else if (fits_with(d, request))
        finish(d, request);
    else
        act(d, CERTIFICATE_STORE);
}

static void decide_request(struct decider *d, const struct request_facts *request)
{
    const struct conditions *conditions = &request->request.status.conditions;
    const struct condition *ready = condition_find(conditions, "Ready");
    static const char *const refusals[] = {"Denied", "InvalidRequest"};

    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        const struct condition *refused = condition_find(conditions, refusals[i]);

        if (refused && refused->status == CONDITION_TRUE) {
            fail(d, str_or(refused->reason, refusals[i]), str_or(refused->message, refusals[i]));
            return;
        }
    }
    if (ready && streq(ready->reason, "Failed"))
        fail(d, "Failed", str_or(ready->message, "the issuer gave no reason"));
    else if (ready && streq(ready->reason, "Issued"))
        decide_issued(d, request);
}

/* Failed before this issuance began: left over from the last attempt. */
static bool is_left_over(struct decider *d, const struct request_facts *request)
{
    const struct condition *issuing = condition_find(&d->facts->crt->status.conditions, "Issuing");
    int64_t ended_ms = request->request.status.failure_time_ms;

    if (ended_ms == 0)
        ended_ms = request->request.object.metadata.creation_timestamp_ms;
    return request_has_failed(request) && ended_ms < issuing->last_transition_time_ms;
}

/* Why it cannot be what this issuance ends with; no reason: it can. */
static struct violation useless(struct decider *d, const struct request_facts *request,
                                const struct secret_facts *key)
{
    struct violation found = {};

    if (request->revision == 0)
        return (struct violation){"InvalidCertificateRequest", "it has no revision"};
    if (request->revision != d->next_revision)
        return found;
    found = request_violation(&d->facts->crt->spec, request, d->arena);
    if (!found.reason && memcmp(request->key_hash, key->key_hash, SHA256_LEN) != 0)
        found = (struct violation){"SecretMismatch", "it was made for another key"};
    if (!found.reason && is_left_over(d, request))
        found = (struct violation){"Failed", "it had ended before this issuance began"};
    return found;
}

static void drop_useless(struct decider *d, const struct request_facts *request,
                         const struct violation *why)
{
    d->out->reason = why->reason;
    d->out->message = arena_printf(d->arena,
                                   "CertificateRequest '%s' is dropped, and another one made: %s",
                                   request->request.object.metadata.name, why->message);
    drop_request(d, request);
}

static const struct secret_facts *named_next_key(struct decider *d)
{
    for (size_t i = 0; i < d->facts->next_key_count; i++) {
        if (streq(d->facts->next_keys[i]->object.metadata.name,
                  d->out->status.next_private_key_secret_name))
            return d->facts->next_keys[i];
    }
    return NULL;
}

const char *certificate_key_problem(const struct certificate_facts *facts, struct arena *arena)
{
    const struct certificate_spec *spec = &facts->crt->spec;
    const struct secret_facts *secret = facts->secret;
    const char *why;

    if (certificate_rotates_key(spec) || !secret || !secret->key_ok ||
        key_fits_spec(spec, secret->key_algorithm, secret->key_size, arena, &why))
        return NULL;
    return arena_printf(arena,
                        "spec.privateKey.rotationPolicy is Never, but the key in Secret '%s' does "
                        "not fit: %s; delete the Secret, or allow rotation",
                        spec->secret_name, why);
}

static void drop_useless_key(struct decider *d, const struct secret_facts *key, const char *why)
{
    d->out->reason = "SecretMismatch";
    d->out->message = arena_printf(
        d->arena, "The next private key, in Secret '%s', is dropped, and another one made: %s",
        key->object.metadata.name, why);
    drop_key(d, key);
}

/* What it waits for is shown in the Issuing condition, behind the reason why it was started. */
static void show_waiting(struct decider *d, const char *what)
{
    const struct condition *issuing = condition_find(&d->out->status.conditions, "Issuing");

    decider_set_condition(d, "Issuing", CONDITION_TRUE, issuing->reason,
                          certificate_waiting_message(issuing->message, what, d->arena));
}

/* Returns the next key once it is there and fits; else has decided. */
static const struct secret_facts *settle_next_key(struct decider *d)
{
    const struct certificate_spec *spec = &d->facts->crt->spec;
    const struct secret_facts *key = named_next_key(d);
    const char *why = "it cannot be read";

    for (size_t i = 0; i < d->facts->next_key_count; i++) {
        if (d->facts->next_keys[i] != key) {
            drop_key(d, d->facts->next_keys[i]);
            return NULL;
        }
    }
    if (key &&
        (!key->key_ok || !key_fits_spec(spec, key->key_algorithm, key->key_size, d->arena, &why))) {
        drop_useless_key(d, key, why);
        return NULL;
    }
    if (key)
        return key;
    why = certificate_key_problem(d->facts, d->arena);
    if (why) {
        d->out->reason = "CannotRegenerateKey";
        d->out->message = why;
        d->out->is_stuck = true;
        show_waiting(d, why);
        return NULL;
    }
    d->out->next_key_name = d->out->status.next_private_key_secret_name;
    act(d, CERTIFICATE_MAKE_KEY);
    return NULL;
}

/* Asked for by annotation, for servers that do not start without any (behaviour.md 1.4). */
static bool wants_temporary(struct decider *d)
{
    const struct object *crt = &d->facts->crt->object;

    return streq(object_annotation(crt, ANNOTATION_TEMPORARY), "true") &&
           !d->facts->foreign_writer && !secret_has_key_pair(d->facts->secret);
}

static bool replaces_young(struct decider *d)
{
    return condition_has_reason(&d->facts->crt->status.conditions, "Issuing", "Renewing") &&
           certificate_is_young(d->facts->secret, d->current, d->policy);
}

static void decide_issuing(struct decider *d)
{
    const struct certificate_facts *facts = d->facts;
    const struct condition *issuing = condition_find(&d->out->status.conditions, "Issuing");
    const char *reason = str_or(issuing->reason, "ManuallyTriggered");
    const char *message = str_or(issuing->message, "Certificate re-issuance was triggered");
    const struct request_facts *request;
    const struct secret_facts *key;

    request = request_of_revision(facts, d->next_revision);
    if (is_stored(d, request)) {
        d->out->request = request;
        finish(d, request);
        return;
    }
    if (facts->foreign_next_key) {
        start(d, reason, message);
        return;
    }
    if (str_empty(d->out->status.next_private_key_secret_name)) { /* marked by somebody else */
        begin(d, reason, message);
        return;
    }
    key = settle_next_key(d);
    if (!key)
        return;
    for (size_t i = 0; i < facts->request_count; i++) {
        bool is_second = facts->requests[i] != request &&
                         facts->requests[i]->revision == d->next_revision;
        struct violation why = is_second ? (struct violation){"Duplicate", "there is a second one"}
                                         : useless(d, facts->requests[i], key);

        if (why.reason) {
            drop_useless(d, facts->requests[i], &why);
            return;
        }
    }
    d->out->next_key = key;
    if (!request && facts->changed) {
        fail(d, "RequestChanged", facts->changed);
        return;
    }
    if (!request) {
        d->out->replaces_young = replaces_young(d);
        act(d, CERTIFICATE_MAKE_REQUEST);
        return;
    }
    decide_request(d, request);
    if (d->out->action != CERTIFICATE_NOTHING)
        return;
    show_waiting(d, facts->waiting_for);
    if (wants_temporary(d))
        act(d, CERTIFICATE_STORE_TEMPORARY);
}

/* --- called off --- */

/* Set by the trigger: whoever marks a Certificate gives another reason, and wants it issued in any case. */
static bool is_cause(const char *reason)
{
    static const char *const causes[] = {
        "DoesNotExist",
        "MissingData",
        "InvalidKeyPair",
        "InvalidCertificate",
        "IncorrectIssuer",
        "TemporaryCertificate",
        "SecretMismatch",
        "RequestChanged",
        "IncorrectCertificate",
        "Renewing",
        "InvalidCertificateRequest",
    };

    for (size_t i = 0; i < ARRAY_LEN(causes); i++)
        if (streq(reason, causes[i]))
            return true;
    return false;
}

/* An edit is known by the request that the certificate came by: without it nobody can tell that it was taken back. */
static bool can_tell_cause(struct decider *d, const char *cause)
{
    return d->current || !streq(cause, "RequestChanged");
}

/* What an issuance has begun for is mended, as by a restored Secret or an edit that was taken back, and nobody has
 * been asked for a certificate yet. */
static bool is_needless(struct decider *d)
{
    const struct condition *issuing = condition_find(&d->facts->crt->status.conditions, "Issuing");
    struct violation found;

    if (d->facts->under_way || !is_cause(issuing->reason) || !can_tell_cause(d, issuing->reason))
        return false;
    found = trigger_violation(d);
    d->out->window_problem = NULL; /* it was told when the issuance began */
    return !found.reason;
}

static void call_off(struct decider *d)
{
    d->out->calls_off = true;
    decider_set_condition(
        d, "Issuing", CONDITION_FALSE, ISSUING_CALLED_OFF,
        "Issuance was called off, as the Secret is what the Certificate asks for again");
    decide_idle(d);
}

static void decide_begun(struct decider *d)
{
    if (is_needless(d))
        call_off(d);
    else
        decide_issuing(d);
}

static bool waits_for_status(enum certificate_action action)
{
    return action == CERTIFICATE_DROP_KEY || action == CERTIFICATE_DROP_REQUEST ||
           action == CERTIFICATE_REPAIR;
}

static struct decider decider_of(const struct certificate_facts *facts,
                                 const struct certificate_policy *policy, struct arena *arena,
                                 struct certificate_decision *out)
{
    const struct certificate_status *stored = &facts->crt->status;

    return (struct decider){
        .facts = facts,
        .policy = policy,
        .arena = arena,
        .out = out,
        .current = stored->revision.is_set ? request_of_revision(facts, stored->revision.value)
                                           : NULL,
        .next_revision = certificate_next_revision(stored),
    };
}

void certificate_take_window(const struct certificate_facts *facts,
                             const struct certificate_policy *policy, struct arena *arena,
                             struct certificate_acme_status *acme,
                             struct certificate_decision *decision)
{
    struct decider d = decider_of(facts, policy, arena, decision);

    d.current = decision->request;
    decision->status.acme = acme;
    decider_copy_validity(&d);
    decider_settle_readiness(&d);
    decision->write_status = true;
}

void certificate_decide(const struct certificate_facts *facts,
                        const struct certificate_policy *policy, struct arena *arena,
                        struct certificate_decision *ret)
{
    const struct certificate_status *stored = &facts->crt->status;
    struct decider d = decider_of(facts, policy, arena, ret);

    *ret = (struct certificate_decision){.status = *stored};
    decider_copy_validity(&d);
    if (facts->owner || facts->claim)
        decide_rival(&d);
    else if (!facts->spec_problem && condition_is(&stored->conditions, "Issuing", CONDITION_TRUE))
        decide_begun(&d);
    else if (!facts->spec_problem)
        decide_idle(&d);
    decider_settle_readiness(&d);
    ret->write_status = !fields_equal(&certificate_status_fields, stored, &ret->status);
    if (ret->write_status && waits_for_status(ret->action))
        ret->action = CERTIFICATE_NOTHING; /* what everybody sees comes before tidying up */
}
