/*
 * budget.c - fairness: while a bucket is more than half empty, no tenant gets more than its even
 * share among the tenants that asked this bucket in the last day. A share is counted as time debt,
 * like the bucket, but drains at 1/n of its rate.
 */
#include "acme/budget.h"

#include <string.h>

#include "base/clock.h"

/* We count a token when we ask for it, the CA when it sees the request: so what comes back counts only
 * this much later, or we would believe in a token that the CA does not have yet. */
#define SLACK_MS SECONDS(10)

#define HOLD_LIFE_MS   DAYS(7) /* the longest life of an order at Let's Encrypt */
#define TENANT_LIFE_MS DAYS(1)
#define TENANTS_MAX    1000
#define LATEST_MS      ((int64_t)1 << 50) /* no time of ours: year 37658 */

struct share {
    char *tenant;
    int64_t seen_ms;
    int64_t debt_ms; /* at debt_at_ms */
    int64_t debt_at_ms;
};

struct acme_bucket {
    int64_t full_at_ms;  /* without those held */
    int64_t spent_at_ms; /* the last time; 0 after a restart */
    int64_t *held_ms;    /* since when, oldest first */
    size_t held_count;
    struct share *shares;
    size_t share_count;
};

struct acme_bucket *acme_bucket_new(void)
{
    return xalloc(sizeof(struct acme_bucket));
}

void acme_bucket_free(struct acme_bucket *bucket)
{
    if (!bucket)
        return;
    for (size_t i = 0; i < bucket->share_count; i++)
        xfree(bucket->shares[i].tenant);
    xfree(bucket->shares);
    xfree(bucket->held_ms);
    xfree(bucket);
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* --- shares --- */

static struct share *share_find(struct acme_bucket *bucket, const char *tenant)
{
    for (size_t i = 0; tenant && i < bucket->share_count; i++)
        if (streq(bucket->shares[i].tenant, tenant))
            return &bucket->shares[i];
    return NULL;
}

static void shares_drop_old(struct acme_bucket *bucket, int64_t now_ms)
{
    size_t kept = 0;

    for (size_t i = 0; i < bucket->share_count; i++) {
        if (now_ms - bucket->shares[i].seen_ms <= TENANT_LIFE_MS)
            bucket->shares[kept++] = bucket->shares[i];
        else
            xfree(bucket->shares[i].tenant);
    }
    bucket->share_count = kept;
}

static struct share *share_need(struct acme_bucket *bucket, const char *tenant, int64_t now_ms)
{
    struct share *share = share_find(bucket, tenant);

    if (share || !tenant || bucket->share_count == TENANTS_MAX)
        return share;
    bucket->shares = xrealloc(bucket->shares,
                              (bucket->share_count + 1) * sizeof(bucket->shares[0]));
    share = &bucket->shares[bucket->share_count++];
    *share = (struct share){.tenant = xstrdup(tenant), .seen_ms = now_ms, .debt_at_ms = now_ms};
    return share;
}

static void share_drain(struct share *share, int64_t tenants, int64_t now_ms)
{
    int64_t passed_ms = larger(0, now_ms - share->debt_at_ms);

    share->debt_ms = larger(0, share->debt_ms - passed_ms / tenants);
    share->debt_at_ms = now_ms;
}

/* When the tenant's share has room for one more token; `now_ms` or earlier: now. */
static int64_t share_free_at_ms(struct acme_bucket *bucket, const struct acme_budget *budget,
                                const char *tenant, int64_t now_ms)
{
    struct share *share = share_need(bucket, tenant, now_ms);
    int64_t tenants = (int64_t)bucket->share_count, most_ms;

    if (!share)
        return now_ms;
    share->seen_ms = now_ms;
    share_drain(share, tenants, now_ms);
    most_ms = larger(budget->refill_ms, budget->capacity * budget->refill_ms / tenants);
    return now_ms + larger(0, share->debt_ms + budget->refill_ms - most_ms) * tenants;
}

/* --- bucket --- */

static void holds_drop(struct acme_bucket *bucket, size_t count)
{
    bucket->held_count -= count;
    memmove(bucket->held_ms, bucket->held_ms + count,
            bucket->held_count * sizeof(bucket->held_ms[0]));
}

static void holds_drop_old(struct acme_bucket *bucket, int64_t now_ms)
{
    size_t old = 0;

    while (old < bucket->held_count && now_ms - bucket->held_ms[old] > HOLD_LIFE_MS)
        old++;
    if (old > 0)
        holds_drop(bucket, old);
}

/* As if what is held were spent now. */
static int64_t full_with_held_ms(const struct acme_bucket *bucket, const struct acme_budget *budget,
                                 int64_t now_ms)
{
    if (bucket->held_count == 0)
        return bucket->full_at_ms;
    return larger(bucket->full_at_ms, now_ms) + (int64_t)bucket->held_count * budget->refill_ms;
}

/* When no more than `most_ms` (in refill time) is missing. */
static int64_t missing_at_most_ms(const struct acme_bucket *bucket,
                                  const struct acme_budget *budget, int64_t most_ms, int64_t now_ms)
{
    int64_t refilled_to_ms = larger(smaller(bucket->spent_at_ms, now_ms), now_ms - SLACK_MS);
    int64_t most_spent_ms = most_ms - (int64_t)bucket->held_count * budget->refill_ms;

    if (most_spent_ms < 0) /* what is held does not come back by itself: ask again */
        return now_ms + budget->refill_ms;
    if (bucket->full_at_ms - refilled_to_ms <= most_spent_ms)
        return now_ms;
    return bucket->full_at_ms - most_spent_ms + SLACK_MS;
}

int64_t acme_bucket_free_at_ms(struct acme_bucket *bucket, const struct acme_budget *budget,
                               const char *tenant, int64_t reserve, int64_t now_ms)
{
    int64_t whole_ms = budget->capacity * budget->refill_ms, any_ms, half_full_ms, share_ms;

    shares_drop_old(bucket, now_ms);
    holds_drop_old(bucket, now_ms);
    /* more than empty can only come from a clock that was set back, or a damaged annotation */
    bucket->full_at_ms = smaller(bucket->full_at_ms, now_ms + whole_ms);
    any_ms = missing_at_most_ms(bucket, budget, whole_ms - (1 + reserve) * budget->refill_ms,
                                now_ms);
    half_full_ms = missing_at_most_ms(bucket, budget, whole_ms / 2, now_ms);
    share_ms = share_free_at_ms(bucket, budget, tenant, now_ms);
    return larger(any_ms, smaller(half_full_ms, share_ms));
}

static void share_charge(struct acme_bucket *bucket, const struct acme_budget *budget,
                         const char *tenant, int64_t now_ms)
{
    struct share *share = share_need(bucket, tenant, now_ms);

    if (!share)
        return;
    share_drain(share, (int64_t)bucket->share_count, now_ms);
    share->debt_ms += budget->refill_ms;
    share->seen_ms = now_ms;
}

static void share_refund(struct acme_bucket *bucket, const struct acme_budget *budget,
                         const char *tenant)
{
    struct share *share = share_find(bucket, tenant);

    if (share)
        share->debt_ms = larger(0, share->debt_ms - budget->refill_ms);
}

static void spend(struct acme_bucket *bucket, const struct acme_budget *budget, int64_t now_ms)
{
    bucket->full_at_ms = larger(bucket->full_at_ms, now_ms) + budget->refill_ms;
    bucket->spent_at_ms = now_ms;
}

void acme_bucket_spend(struct acme_bucket *bucket, const struct acme_budget *budget,
                       const char *tenant, int64_t now_ms)
{
    share_charge(bucket, budget, tenant, now_ms);
    spend(bucket, budget, now_ms);
}

void acme_bucket_return(struct acme_bucket *bucket, const struct acme_budget *budget,
                        const char *tenant)
{
    share_refund(bucket, budget, tenant);
    bucket->full_at_ms -= budget->refill_ms;
}

void acme_bucket_hold(struct acme_bucket *bucket, const struct acme_budget *budget,
                      const char *tenant, int64_t now_ms)
{
    share_charge(bucket, budget, tenant, now_ms);
    bucket->held_ms = xrealloc(bucket->held_ms,
                               (bucket->held_count + 1) * sizeof(bucket->held_ms[0]));
    bucket->held_ms[bucket->held_count++] = now_ms;
}

void acme_bucket_spend_held(struct acme_bucket *bucket, const struct acme_budget *budget,
                            int64_t now_ms)
{
    if (bucket->held_count > 0)
        holds_drop(bucket, 1);
    spend(bucket, budget, now_ms);
}

void acme_bucket_release(struct acme_bucket *bucket, const struct acme_budget *budget,
                         const char *tenant)
{
    if (bucket->held_count == 0)
        return;
    holds_drop(bucket, 1);
    share_refund(bucket, budget, tenant);
}

int64_t acme_bucket_full_at_ms(const struct acme_bucket *bucket)
{
    return bucket->full_at_ms;
}

bool acme_bucket_is_full(const struct acme_bucket *bucket, int64_t now_ms)
{
    return bucket->full_at_ms <= now_ms && bucket->held_count == 0;
}

/* --- over restarts --- */

static struct json *shares_save(const struct acme_bucket *bucket, int64_t now_ms)
{
    struct json *map = json_new_map();

    for (size_t i = 0; i < bucket->share_count; i++) {
        const struct share *share = &bucket->shares[i];
        struct json *list;

        if (now_ms - share->seen_ms > TENANT_LIFE_MS)
            continue;
        list = json_new_list();
        json_append(list, json_new_int(share->seen_ms));
        json_append(list, json_new_int(share->debt_ms));
        json_append(list, json_new_int(share->debt_at_ms));
        json_set(map, share->tenant, list);
    }
    return map;
}

struct json *acme_bucket_save(const struct acme_bucket *bucket, const struct acme_budget *budget,
                              int64_t now_ms)
{
    int64_t full_at_ms = full_with_held_ms(bucket, budget, now_ms);
    struct json *value;

    if (bucket->share_count < 2)
        return json_new_int(full_at_ms); /* who is alone has no share to keep to */
    value = json_new_map();
    json_set_int(value, "full", full_at_ms);
    json_set(value, "tenants", shares_save(bucket, now_ms));
    return value;
}

static void share_restore(struct acme_bucket *bucket, const char *tenant, const struct json *list)
{
    int64_t seen_ms = json_as_int(json_at(list, 0), 0), debt_ms = json_as_int(json_at(list, 1), 0);
    int64_t debt_at_ms = json_as_int(json_at(list, 2), 0);
    struct share *share;

    if (seen_ms <= 0 || debt_ms < 0 || debt_ms > DAYS(3650) || debt_at_ms < 0)
        return;
    share = share_need(bucket, tenant, seen_ms);
    if (!share)
        return;
    share->seen_ms = larger(share->seen_ms, seen_ms);
    share->debt_ms = larger(share->debt_ms, debt_ms);
    share->debt_at_ms = larger(share->debt_at_ms, debt_at_ms);
}

void acme_bucket_restore(struct acme_bucket *bucket, const struct json *value)
{
    int64_t full_at_ms = json_kind(value) == JSON_KIND_INT ? json_as_int(value, 0)
                                                           : json_get_int(value, "full", 0);

    if (full_at_ms < LATEST_MS)
        bucket->full_at_ms = larger(bucket->full_at_ms, full_at_ms);
    json_for_each (tenant, list, json_get(value, "tenants"))
        share_restore(bucket, tenant, list);
}
