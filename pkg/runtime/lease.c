#include "runtime/lease.h"

#include "base/clock.h"
#include "base/str.h"
#include "base/timetext.h"

/* cert-manager's, and its people look for it. */
#define MANAGED_BY_LABEL "app.kubernetes.io/managed-by"
#define MANAGED_BY       "cert-manager"

#define RELEASED_MS SECONDS(1) /* 0 is not valid */
#define DURATION_MAX_S                                                                             \
    31536000 /* whoever may write a Lease may also lock us out; not overflow us */

const struct resource lease_resource = {
    .group = "coordination.k8s.io",
    .version = "v1",
    .kind = "Lease",
    .plural = "leases",
    .namespaced = true,
};

void lease_read(const struct json *lease, struct lease_record *ret)
{
    const struct json *spec = json_get(lease, "spec");
    int64_t seconds = json_get_int(spec, "leaseDurationSeconds", 0);

    seconds = seconds < 0 ? 0 : seconds;
    seconds = seconds > DURATION_MAX_S ? DURATION_MAX_S : seconds;
    ret->holder = str_or(json_get_text(spec, "holderIdentity"), "");
    ret->duration_ms = SECONDS(seconds);
}

bool lease_same_record(const struct json *a, const struct json *b)
{
    return json_same(json_get(a, "spec"), json_get(b, "spec"));
}

static struct json *lease_new(const struct key *key)
{
    struct json *lease = json_new_map(), *metadata = json_need_map(lease, "metadata");

    json_set_text(metadata, "namespace", key->namespace);
    json_set_text(metadata, "name", key->name);
    json_set_text(json_need_map(metadata, "labels"), MANAGED_BY_LABEL, MANAGED_BY);
    return lease;
}

static void set_time(struct json *spec, const char *name, int64_t wall_ms)
{
    char text[TIME_TEXT_MAX];

    time_format_micro(wall_ms, text);
    json_set_text(spec, name, text);
}

/* A part of a second counts as one: others must not take it sooner than its holder gives up. */
static int64_t whole_seconds(int64_t ms)
{
    return (ms + 999) / 1000;
}

struct json *lease_written(const struct json *lease, const struct key *key, enum lease_write write,
                           const char *identity, int64_t duration_ms, int64_t wall_ms)
{
    struct json *next = lease ? json_deep(lease) : lease_new(key);
    struct json *spec = json_need_map(next, "spec");

    json_set_text(spec, "holderIdentity", write == LEASE_RELEASE ? "" : identity);
    json_set_int(spec, "leaseDurationSeconds",
                 whole_seconds(write == LEASE_RELEASE ? RELEASED_MS : duration_ms));
    set_time(spec, "renewTime", wall_ms);
    if (write != LEASE_RENEW)
        set_time(spec, "acquireTime", wall_ms);
    if (write == LEASE_TAKE)
        json_set_int(spec, "leaseTransitions",
                     lease ? json_get_int(spec, "leaseTransitions", 0) + 1 : 0);
    return next;
}
