/* order_flow.c - decisions about ACME problems. */
#include "controller/order_flow.h"

#include <string.h>

#define NOT_BEFORE        "; not before "
#define SOON_MS           MINUTES(1) /* a wait that is no news, since most end within */
#define PAUSED_RECHECK_MS HOURS(24)
#define POLL_MIN_MS       250
#define POLL_MAX_MS       SECONDS(30)
#define POLL_TOLD_MAX_MS  HOURS(1) /* what has ended meanwhile must be seen */

static const char *flow_text(const char *step, const struct acme_problem *problem,
                             const struct err *err, struct arena *arena)
{
    cleanup(buf_deinit) struct buf text = BUF(4096);

    if (problem->status > 0 && problem->class != ACME_OK)
        acme_problem_text(problem, &text);
    return arena_printf(arena, "Failed to %s: %s", step, text.len > 0 ? buf_str(&text) : err->text);
}

const char *reason_not_before(const char *text, int64_t at_ms, struct arena *arena)
{
    char when[TIME_TEXT_MAX];

    if (at_ms == 0 || strstr(text, "not before ")) /* the rate gate says it itself */
        return text;
    time_format(at_ms, when);
    return arena_printf(arena, "%s" NOT_BEFORE "%s", text, when);
}

const char *reason_with_next_try(struct author author, const char *text, struct arena *arena)
{
    int64_t at_ms = workqueue_next_try_ms(author.self->queue, author.lane, author.key);
    bool is_soon = at_ms - context_now_ms(author.ctx) < SOON_MS;

    return reason_not_before(text, is_soon ? 0 : at_ms, arena);
}

size_t reason_len_without_time(const char *reason)
{
    const char *end = str_last(reason, NOT_BEFORE);
    int64_t ignored_ms;

    return end && time_parse_rfc3339(end + strlen(NOT_BEFORE), &ignored_ms, NULL) == 0
               ? (size_t)(end - reason)
               : strlen(reason);
}

bool reason_is_the_same(const char *a, const char *b)
{
    size_t len = reason_len_without_time(str_or(a, ""));

    return len == reason_len_without_time(str_or(b, "")) &&
           strncmp(str_or(a, ""), str_or(b, ""), len) == 0;
}

static struct flow retry(const char *text, int64_t at_ms, struct arena *arena)
{
    return (struct flow){
        .verdict = FLOW_RETRY, .at_ms = at_ms, .reason = reason_not_before(text, at_ms, arena)};
}

static int64_t retry_time(const struct acme_problem *problem, const struct err *err)
{
    return problem->retry_at_ms > 0 ? problem->retry_at_ms : err->retry_at_ms;
}

struct flow flow_of(int code, const struct acme_problem *problem, const struct err *err,
                    const char *step, int64_t now_ms, struct arena *arena)
{
    const char *text = flow_text(step, problem, err, arena);

    switch (problem->class) {
    case ACME_PAUSED:
        if (problem->help_url)
            text = arena_printf(arena, "%s; the CA has paused this: open %s to go on", text,
                                problem->help_url);
        return retry(text, now_ms + PAUSED_RECHECK_MS, arena);
    case ACME_RATE_LIMITED:
    case ACME_RETRY:
    case ACME_NOT_READY:
        return retry(text, retry_time(problem, err), arena);
    case ACME_OK:
        break; /* there was no problem document: the code decides */
    case ACME_ACCOUNT:
        if (streq(problem->type, ACCOUNT_LOST))
            return retry(arena_printf(arena, "%s; " ADVICE_ON_LOST_ACCOUNT, text), 0, arena);
        return (struct flow){.verdict = FLOW_FAIL, .reason = text, .state = STATE_ERRORED};
    case ACME_NEW_ORDER:
    case ACME_FIX_CONFIG:
    case ACME_ALREADY_REPLACED:
        return (struct flow){.verdict = FLOW_FAIL, .reason = text, .state = STATE_ERRORED};
    }
    switch (code) {
    case ERR_RATE_LIMITED:
    case ERR_BUSY:
    case ERR_TIMEOUT:
    case ERR_CANCELED:
    case ERR_NETWORK:
    case ERR_UNAVAILABLE:
    case ERR_DENIED:   /* TLS: a captive portal, a bad certificate at the load balancer of the CA */
    case ERR_PROTOCOL: /* a proxy's page, a cut answer: the next one may be right */
    case ERR_TOO_LARGE:
    case ERR_IO:
    case ERR_NOMEM:
        return retry(text, err->retry_at_ms, arena);
    default:
        return (struct flow){.verdict = FLOW_FAIL, .reason = text, .state = STATE_ERRORED};
    }
}

const char *key_advice(const struct acme_problem *problem, enum key_algorithm algorithm)
{
    bool is_of_key = streq(problem->type, "badPublicKey");

    if (algorithm == KEY_ED25519 && (is_of_key || streq(problem->type, "badCSR")))
        return "hardly any CA takes Ed25519 keys: set spec.privateKey.algorithm of the Certificate to "
               "ECDSA or RSA";
    return is_of_key
               ? "set another spec.privateKey.algorithm or spec.privateKey.size in the Certificate"
               : NULL;
}

void doubt_account(struct controllers *self, const struct issuer *issuer,
                   const struct acme_problem *problem)
{
    enum lane lane = issuer->object.kind == &kind_cluster_issuer ? LANE_CLUSTER_ISSUERS
                                                                 : LANE_ISSUERS;
    struct key key = object_key(&issuer->object);

    if (!streq(problem->type, ACCOUNT_LOST))
        return;
    accounts_doubt(self->issuers.accounts, issuer->object.metadata.uid);
    workqueue_add(self->queue, lane, &key, PRIORITY_NORMAL);
}

int64_t next_poll_ms(int64_t now_ms, int64_t since_ms, int64_t retry_at_ms)
{
    int64_t wait_ms = (now_ms - since_ms) / 4;

    if (retry_at_ms > now_ms + POLL_TOLD_MAX_MS)
        return now_ms + POLL_TOLD_MAX_MS;
    if (retry_at_ms > now_ms)
        return retry_at_ms;
    if (wait_ms < POLL_MIN_MS)
        wait_ms = POLL_MIN_MS;
    return now_ms + (wait_ms < POLL_MAX_MS ? wait_ms : POLL_MAX_MS);
}

char *challenge_name(const struct object *order, const struct challenge_spec *spec)
{
    struct challenge_spec without_key = *spec;
    cleanup(json_unref) struct json *hashed = NULL;
    cleanup(xfree) char *text = NULL;
    const char *name = order->metadata.name;

    without_key.key = NULL;
    hashed = fields_encode_as_go(&challenge_spec_fields, &without_key);
    text = json_text_as_go(hashed);
    return xasprintf("%.*s-%u", (int)object_name_cut(name, NAME_PREFIX_MAX), name,
                     str_fnv1_32(text, strlen(text)));
}

bool challenge_is_of_order(const struct challenge_spec *spec, const struct order *order)
{
    cleanup(xfree) char *identifier = xasprintf("%s%s", spec->wildcard ? "*." : "",
                                                str_or(spec->dns_name, ""));
    bool is_named = array_string_has(&order->spec.ip_addresses, identifier);

    for (size_t i = 0; i < order->spec.dns_names.len && !is_named; i++)
        is_named = streq_ci(order->spec.dns_names.items[i], identifier);
    if (!is_named || !issuer_reference_equal(&order->spec.issuer_ref, &spec->issuer_ref))
        return false;
    for (size_t i = 0; i < order->status.authorizations.len; i++) {
        if (streq(order->status.authorizations.items[i].url, spec->authorization_url))
            return true;
    }
    return false;
}

bool challenge_key_is_ours(const struct challenge_spec *spec, const struct pkey *account_key)
{
    cleanup(xfree) char *key = NULL;

    if (!spec->token || acme_token_check(spec->token, NULL) < 0)
        return false;
    key = spec->type == CHALLENGE_DNS01 ? acme_dns01_value(spec->token, account_key)
                                        : acme_key_authorization(spec->token, account_key);
    return streq(key, spec->key);
}
