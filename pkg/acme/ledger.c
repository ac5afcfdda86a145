/*
 * ledger.c - buckets are kept in one map by kind and subject: "orders", "domain/example.com",
 * "set/<hash>", "failures/www.example.com", "own/<hash>". A bucket that is full again is dropped.
 */
#include "acme/ledger.h"

#include <stdlib.h>
#include <string.h>

#include "acme/budget.h"
#include "base/clock.h"
#include "base/timetext.h"
#include "pki/digest.h"

#define SWEEP_AT 4096

/* Whatever makes us order the same names over and over (a CA, a Secret that somebody deletes, a mistake of
 * ours): at whatever CA, and exempt or not, no more than this (cm#407, cm#4846, cm#5074). Enough for anybody
 * who tries things out, and for certificates of a few minutes. Not saved: a storm has one process. */
static const struct acme_budget own_budget = {.capacity = 30, .refill_ms = MINUTES(1)};

enum kind { KIND_ORDERS, KIND_DOMAIN, KIND_SET, KIND_FAILURES, KIND_OWN };

static const struct {
    const char *prefix;
    const char *words;
    size_t capacity, refill_s; /* in struct acme_limits */
} kinds[] = {
    [KIND_ORDERS] = {"orders", "new orders of the account",
                     offsetof(struct acme_limits, orders_per_account),
                     offsetof(struct acme_limits, orders_refill_s)},
    [KIND_DOMAIN] = {"domain", "certificates for the registered domain",
                     offsetof(struct acme_limits, certs_per_domain),
                     offsetof(struct acme_limits, certs_refill_s)},
    [KIND_SET] = {"set", "certificates for exactly these names",
                  offsetof(struct acme_limits, certs_per_set),
                  offsetof(struct acme_limits, set_refill_s)},
    [KIND_FAILURES] = {"failures", "failed validations of the name",
                       offsetof(struct acme_limits, failures_per_name),
                       offsetof(struct acme_limits, failures_refill_s)},
    [KIND_OWN] = {"own", "orders for exactly these names", 0, 0},
};

static void bucket_free_value(void *value)
{
    acme_bucket_free(value);
}

void acme_ledger_init(struct acme_ledger *ledger, const struct acme_limits *limits)
{
    *ledger = (struct acme_ledger){
        .limits = limits, .buckets = map_new(bucket_free_value), .sweep_at = SWEEP_AT};
}

void acme_ledger_deinit(struct acme_ledger *ledger)
{
    map_free(ledger->buckets);
    *ledger = (struct acme_ledger){};
}

static int limit_at(const struct acme_limits *limits, size_t offset)
{
    return *(const int *)((const char *)limits + offset);
}

static struct acme_budget budget_of(const struct acme_ledger *ledger, enum kind kind)
{
    if (kind == KIND_OWN)
        return own_budget;
    if (!ledger->limits)
        return (struct acme_budget){};
    return (struct acme_budget){
        .capacity = limit_at(ledger->limits, kinds[kind].capacity),
        .refill_ms = SECONDS(limit_at(ledger->limits, kinds[kind].refill_s))};
}

int acme_refuse_until(struct err *err, int64_t at_ms, const char *why)
{
    char at[TIME_TEXT_MAX];

    time_format(at_ms + 999, at); /* shown in whole seconds, never too early */
    err_set(err, ERR_RATE_LIMITED, "not before %s: %s", at, why);
    if (err)
        err->retry_at_ms = at_ms;
    return ERR_RATE_LIMITED;
}

char *acme_set_hash(const struct strlist *names)
{
    cleanup(strlist_deinit) struct strlist sorted = {};
    cleanup(xfree) char *joined = NULL, *hex = NULL;

    strlist_copy(&sorted, names);
    strlist_sort_unique(&sorted);
    joined = strlist_join(&sorted, ",");
    hex = sha256_hex(joined, strlen(joined));
    return xstrndup(hex, 32);
}

/* --- what something costs: a row per bucket --- */

struct cost {
    enum kind kind;
    char *key;
};
struct costs {
    struct cost *items;
    size_t len;
};

static void costs_deinit(struct costs *costs)
{
    for (size_t i = 0; i < costs->len; i++)
        xfree(costs->items[i].key);
    xfree(costs->items);
    *costs = (struct costs){};
}
DEFINE_CLEANUP_VALUE(struct costs, costs_deinit);

static void costs_add(struct costs *costs, const struct acme_ledger *ledger, enum kind kind,
                      const char *subject)
{
    const char *prefix = kinds[kind].prefix;

    if (budget_of(ledger, kind).capacity <= 0)
        return;
    costs->items = xrealloc(costs->items, (costs->len + 1) * sizeof(costs->items[0]));
    costs->items[costs->len++] = (struct cost){
        .kind = kind, .key = subject ? xasprintf("%s/%s", prefix, subject) : xstrdup(prefix)};
}

/* acme.md 3: an order inside its ARI window is exempt from all, a renewal of the same names from
 * the limits on orders and domains. */
static void costs_of_certificate(struct costs *costs, const struct acme_ledger *ledger,
                                 const struct acme_budget_request *request)
{
    cleanup(xfree) char *set = acme_set_hash(request->names);

    if (request->is_ari_exempt)
        return;
    for (size_t i = 0; !request->is_renewal && i < request->registered_domains->len; i++)
        costs_add(costs, ledger, KIND_DOMAIN, request->registered_domains->items[i]);
    costs_add(costs, ledger, KIND_SET, set);
}

static void costs_of_order(struct costs *costs, const struct acme_ledger *ledger,
                           const struct acme_budget_request *request)
{
    cleanup(xfree) char *set = acme_set_hash(request->names);

    costs_add(costs, ledger, KIND_OWN, set);
    if (!request->is_ari_exempt && !request->is_renewal)
        costs_add(costs, ledger, KIND_ORDERS, NULL);
    costs_of_certificate(costs, ledger, request);
}

/* --- check, spend, return --- */

struct spending {
    const char *tenant;
    int64_t reserve; /* tokens that must be left over */
    int64_t now_ms;
};

static struct acme_bucket *need_bucket(struct acme_ledger *ledger, const char *key)
{
    struct acme_bucket *bucket = map_get(ledger->buckets, key);

    if (bucket)
        return bucket;
    bucket = acme_bucket_new();
    map_set(ledger->buckets, key, bucket);
    return bucket;
}

static int refuse(struct err *err, int64_t at_ms, const struct cost *cost, int64_t capacity)
{
    bool is_hash = cost->kind == KIND_SET || cost->kind == KIND_OWN;
    const char *subject = is_hash ? NULL : strchr(cost->key, '/');
    cleanup(xfree) char *quoted = subject ? xasprintf(" '%s'", subject + 1) : xstrdup("");
    cleanup(xfree) char *why = xasprintf("%s limit on %s%s (%lld) is reached",
                                         cost->kind == KIND_OWN ? "our own" : "the CA's",
                                         kinds[cost->kind].words, quoted, (long long)capacity);

    return acme_refuse_until(err, at_ms, why);
}

static int check_all(struct acme_ledger *ledger, const struct costs *costs,
                     const struct spending *spending, struct err *err)
{
    for (size_t i = 0; i < costs->len; i++) {
        struct acme_bucket *bucket = need_bucket(ledger, costs->items[i].key);
        struct acme_budget budget = budget_of(ledger, costs->items[i].kind);
        int64_t at_ms = acme_bucket_free_at_ms(bucket, &budget, spending->tenant, spending->reserve,
                                               spending->now_ms);

        if (at_ms > spending->now_ms)
            return refuse(err, at_ms, &costs->items[i], budget.capacity);
    }
    return 0;
}

static void sweep(struct acme_ledger *ledger, int64_t now_ms)
{
    map_for_each (entry, ledger->buckets) {
        if (acme_bucket_is_full(map_entry_value(entry), now_ms))
            map_remove(ledger->buckets, map_entry_key(entry));
    }
    ledger->sweep_at = SWEEP_AT + map_len(ledger->buckets);
}

static bool is_held(const struct cost *cost)
{
    return cost->kind == KIND_DOMAIN || cost->kind == KIND_SET;
}

static void spend_all(struct acme_ledger *ledger, const struct costs *costs,
                      const struct spending *spending)
{
    for (size_t i = 0; i < costs->len; i++) {
        struct acme_bucket *bucket = need_bucket(ledger, costs->items[i].key);
        struct acme_budget budget = budget_of(ledger, costs->items[i].kind);

        if (is_held(&costs->items[i]))
            acme_bucket_hold(bucket, &budget, spending->tenant, spending->now_ms);
        else
            acme_bucket_spend(bucket, &budget, spending->tenant, spending->now_ms);
        ledger->changed |= costs->items[i].kind != KIND_OWN;
    }
    if (map_len(ledger->buckets) > ledger->sweep_at)
        sweep(ledger, spending->now_ms);
}

static void return_all(struct acme_ledger *ledger, const struct costs *costs, const char *tenant)
{
    for (size_t i = 0; i < costs->len; i++) {
        struct acme_bucket *bucket = need_bucket(ledger, costs->items[i].key);
        struct acme_budget budget = budget_of(ledger, costs->items[i].kind);

        if (is_held(&costs->items[i]))
            acme_bucket_release(bucket, &budget, tenant);
        else
            acme_bucket_return(bucket, &budget, tenant);
        ledger->changed |= costs->items[i].kind != KIND_OWN;
    }
}

int acme_ledger_take_order(struct acme_ledger *ledger, const struct acme_budget_request *request,
                           int64_t now_ms, struct err *err)
{
    cleanup(costs_deinit) struct costs costs = {};
    struct spending spending = {.tenant = request->tenant, .now_ms = now_ms};
    int r;

    costs_of_order(&costs, ledger, request);
    r = check_all(ledger, &costs, &spending, err);
    if (r >= 0)
        spend_all(ledger, &costs, &spending);
    return r;
}

void acme_ledger_return_order(struct acme_ledger *ledger, const struct acme_budget_request *request)
{
    cleanup(costs_deinit) struct costs costs = {};

    costs_of_order(&costs, ledger, request);
    return_all(ledger, &costs, request->tenant);
}

void acme_ledger_end_order(struct acme_ledger *ledger, const struct acme_budget_request *request,
                           bool issued, int64_t now_ms)
{
    cleanup(costs_deinit) struct costs costs = {};

    costs_of_certificate(&costs, ledger, request);
    if (!issued)
        return_all(ledger, &costs, request->tenant);
    for (size_t i = 0; issued && i < costs.len; i++) {
        struct acme_budget budget = budget_of(ledger, costs.items[i].kind);

        acme_bucket_spend_held(need_bucket(ledger, costs.items[i].key), &budget, now_ms);
        ledger->changed = true;
    }
}

void acme_ledger_count_failure(struct acme_ledger *ledger, const char *name, int64_t now_ms)
{
    cleanup(costs_deinit) struct costs costs = {};

    costs_add(&costs, ledger, KIND_FAILURES, name);
    spend_all(ledger, &costs, &(struct spending){.now_ms = now_ms});
}

int acme_ledger_check_name(struct acme_ledger *ledger, const char *name, int64_t now_ms,
                           struct err *err)
{
    cleanup(costs_deinit) struct costs costs = {};
    bool can_reserve = budget_of(ledger, KIND_FAILURES).capacity > 2;

    costs_add(&costs, ledger, KIND_FAILURES, name);
    return check_all(ledger, &costs, &(struct spending){.now_ms = now_ms, .reserve = can_reserve},
                     err);
}

/* --- over restarts --- */

static int by_full_at_descending(const void *a, const void *b)
{
    const struct map_entry *first = *(const struct map_entry *const *)a;
    const struct map_entry *second = *(const struct map_entry *const *)b;
    int64_t first_ms = acme_bucket_full_at_ms(map_entry_value(first));
    int64_t second_ms = acme_bucket_full_at_ms(map_entry_value(second));

    if (first_ms != second_ms)
        return first_ms < second_ms ? 1 : -1;
    return strcmp(map_entry_key(first), map_entry_key(second));
}

static struct json *save_bucket(const struct acme_ledger *ledger, const struct map_entry *entry,
                                int64_t now_ms)
{
    struct acme_budget budget = {};

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (str_starts(map_entry_key(entry), kinds[i].prefix))
            budget = budget_of(ledger, (enum kind)i);
    return acme_bucket_save(map_entry_value(entry), &budget, now_ms);
}

struct json *acme_ledger_save(struct acme_ledger *ledger, int64_t now_ms, size_t max)
{
    cleanup(xfree) const struct map_entry **entries = NULL;
    struct json *saved = json_new_map();
    size_t count = 0, used = 0;

    sweep(ledger, now_ms);
    entries = xcalloc(map_len(ledger->buckets) + 1, sizeof(entries[0]));
    map_for_each (entry, ledger->buckets) {
        if (!str_starts(map_entry_key(entry), kinds[KIND_OWN].prefix))
            entries[count++] = entry;
    }
    qsort(entries, count, sizeof(entries[0]), by_full_at_descending);
    for (size_t i = 0; i < count; i++) {
        cleanup(json_unref) struct json *value = save_bucket(ledger, entries[i], now_ms);
        cleanup(xfree) char *text = json_text(value);

        used += strlen(map_entry_key(entries[i])) + strlen(text) + strlen("\"\":,");
        if (used > max)
            break;
        json_set(saved, map_entry_key(entries[i]), take(value));
    }
    return saved;
}

void acme_ledger_restore(struct acme_ledger *ledger, const struct json *saved)
{
    json_for_each (key, value, saved)
        acme_bucket_restore(need_bucket(ledger, key), value);
}
