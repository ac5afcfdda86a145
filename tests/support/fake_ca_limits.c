/*
 * fake_ca_limits.c - the CA's rate limits, as token buckets counted in milliseconds of refill. Not the
 * client's code on purpose.
 */
#include <string.h>

#include "support/fake_ca_inside.h"

struct limit {
    int capacity, refill_s;
};

static struct ca_bucket *need_bucket(struct fake_ca *ca, const char *key, const struct limit *limit,
                                     int64_t now_ms)
{
    int64_t full_ms = SECONDS(limit->capacity) * limit->refill_s;
    struct ca_bucket *bucket = map_get(ca->buckets, key);

    if (!bucket) {
        bucket = xalloc(sizeof(*bucket));
        *bucket = (struct ca_bucket){.level_ms = full_ms, .at_ms = now_ms};
        map_set(ca->buckets, key, bucket);
    }
    bucket->level_ms += now_ms - bucket->at_ms;
    bucket->at_ms = now_ms;
    if (bucket->level_ms > full_ms)
        bucket->level_ms = full_ms;
    return bucket;
}

/* Seconds until there is a token; 0: now. */
static int64_t limit_wait_s(struct fake_ca *ca, const char *key, const struct limit *limit,
                            int64_t now_ms)
{
    int64_t missing_ms;

    if (limit->capacity <= 0)
        return 0;
    missing_ms = SECONDS(limit->refill_s) - need_bucket(ca, key, limit, now_ms)->level_ms;
    return missing_ms > 0 ? (missing_ms + 999) / 1000 : 0;
}

static void limit_spend(struct fake_ca *ca, const char *key, const struct limit *limit,
                        int64_t now_ms)
{
    if (limit->capacity > 0)
        need_bucket(ca, key, limit, now_ms)->level_ms -= SECONDS(limit->refill_s);
}

/* Good enough for names in tests: the last two labels. */
static const char *registered_domain(const char *name)
{
    const char *last = strrchr(name, '.');

    while (last && last > name && last[-1] != '.')
        last--;
    return last && last > name ? last : name;
}

static char *key_of(const char *kind, int account, const char *subject)
{
    return xasprintf("%s %d %s", kind, account, subject);
}

/* acme.md 3: an order that replaces a certificate inside its window is exempt from all limits, a
 * renewal of the same names from those on orders and domains. */
static void set_exemptions(const struct fake_ca *ca, struct ca_order *order, int64_t now_ms)
{
    const struct ca_certificate *older = order->replaces ? map_get(ca->by_id, order->replaces)
                                                         : NULL;
    const struct ca_set *set = map_get(ca->sets, order->set);
    int64_t start_ms, end_ms;

    order->is_renewal = set && set->issued && now_ms - set->issued_at_ms <= DAYS(120);
    if (!older)
        return;
    ca_window(older, &start_ms, &end_ms);
    order->is_exempt = now_ms >= start_ms && now_ms < end_ms;
}

static struct limit orders_limit(const struct acme_limits *limits)
{
    return (struct limit){limits->orders_per_account, limits->orders_refill_s};
}

static struct limit domain_limit(const struct acme_limits *limits)
{
    return (struct limit){limits->certs_per_domain, limits->certs_refill_s};
}

static struct limit set_limit(const struct acme_limits *limits)
{
    return (struct limit){limits->certs_per_set, limits->set_refill_s};
}

static struct limit failures_limit(const struct acme_limits *limits)
{
    return (struct limit){limits->failures_per_name, limits->failures_refill_s};
}

const char *ca_plain_name(const char *name)
{
    return str_starts(name, "*.") ? name + 2 : name;
}

/* `what` as Boulder words it: clients find names in it. */
static int check_limit(struct ca_request *request, const char *key, struct limit limit,
                       const char *what)
{
    int64_t wait_s = limit_wait_s(request->ca, key, &limit, request->now_ms);

    if (wait_s == 0)
        return 0;
    request->ca->counts.limit_violations++;
    ca_header(request, "retry-after", "%lld", (long long)wait_s);
    return ca_problem(request, 429, "rateLimited", "too many %s", what);
}

static int check_name(struct ca_request *request, const struct ca_order *order, const char *name)
{
    const struct acme_limits *limits = request->ca->options.limits;
    const char *parent = registered_domain(name);
    cleanup(xfree) char *failures = key_of("failures", request->account->id, name);
    cleanup(xfree) char *domain = key_of("domain", 0, parent);
    cleanup(xfree) char *failed = xasprintf("failed authorizations for \"%s\"", name);
    cleanup(xfree) char *issued = xasprintf("certificates already issued for \"%s\"", parent);

    if (check_limit(request, failures, failures_limit(limits), failed) < 0)
        return -1;
    return order->is_renewal ? 0 : check_limit(request, domain, domain_limit(limits), issued);
}

static int check_names(struct ca_request *request, const struct ca_order *order)
{
    for (size_t i = 0; i < order->dns_names.len; i++)
        if (check_name(request, order, ca_plain_name(order->dns_names.items[i])) < 0)
            return -1;
    return 0;
}

/* As Boulder: orders are spent now, certificates when they are issued. */
int ca_check_limits(struct ca_request *request, struct ca_order *order)
{
    struct fake_ca *ca = request->ca;
    const struct acme_limits *limits = ca->options.limits;
    cleanup(xfree) char *orders = key_of("orders", request->account->id, ""),
                        *set = key_of("set", 0, order->set);
    struct limit per_account;

    set_exemptions(ca, order, request->now_ms);
    if (!limits || order->is_exempt)
        return 0;
    per_account = orders_limit(limits);
    if (!order->is_renewal &&
        check_limit(request, orders, per_account, "new orders from this account") < 0)
        return -1;
    if (check_names(request, order) < 0 ||
        check_limit(request, set, set_limit(limits),
                    "certificates already issued for this exact set of identifiers") < 0)
        return -1;
    if (!order->is_renewal)
        limit_spend(ca, orders, &per_account, request->now_ms);
    return 0;
}

void ca_spend_certificate(struct fake_ca *ca, const struct ca_order *order, int64_t now_ms)
{
    cleanup(strlist_deinit) struct strlist domains = {};
    cleanup(xfree) char *set = key_of("set", 0, order->set);
    struct limit limit;

    if (!ca->options.limits || order->is_exempt)
        return;
    limit = set_limit(ca->options.limits);
    limit_spend(ca, set, &limit, now_ms);
    for (size_t i = 0; !order->is_renewal && i < order->dns_names.len; i++)
        strlist_add(&domains, registered_domain(ca_plain_name(order->dns_names.items[i])));
    strlist_sort_unique(&domains);
    limit = domain_limit(ca->options.limits);
    for (size_t i = 0; i < domains.len; i++) {
        cleanup(xfree) char *domain = key_of("domain", 0, domains.items[i]);

        limit_spend(ca, domain, &limit, now_ms);
    }
}

void ca_spend_failure(struct fake_ca *ca, const struct ca_authz *authz, int64_t now_ms)
{
    cleanup(xfree) char *key = key_of("failures", authz->account->id, authz->value);
    struct limit limit;

    ca->counts.failed_validations++;
    if (!ca->options.limits)
        return;
    limit = failures_limit(ca->options.limits);
    limit_spend(ca, key, &limit, now_ms);
}
