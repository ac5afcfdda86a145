/* fake_dns.c - zones, records, and the answers made of them. */
#include "support/fake_dns.h"

#include <string.h>

#include "base/map.h"

#define WAIT_MS SECONDS(10) /* of a question or update that says nothing of it */

struct zone {
    enum fake_dns_mode mode;
    int64_t late_ms;
};

struct record { /* TXT; names are lower case without final dot */
    char *name, *value;
    int64_t made_ms;
    int64_t gone_ms; /* 0: it is there; the late server shows it a little longer */
};

struct fake_dns {
    struct fake_clock *clock;
    struct map *zones;
    struct map *cnames;
    struct record *records;
    size_t len, updates, most_at_once;
    fake_dns_fault_fn *fault;
    void *fault_arg;
};

/* --- life --- */

struct fake_dns *fake_dns_new(struct fake_clock *clock)
{
    struct fake_dns *fake = xalloc(sizeof(*fake));

    fake->clock = clock;
    fake->zones = map_new(xfree);
    fake->cnames = map_new(xfree);
    return fake;
}

static void record_deinit(struct record *record)
{
    xfree(record->name);
    xfree(record->value);
}

void fake_dns_free(struct fake_dns *fake)
{
    if (!fake)
        return;
    for (size_t i = 0; i < fake->len; i++)
        record_deinit(&fake->records[i]);
    xfree(fake->records);
    map_free(fake->zones);
    map_free(fake->cnames);
    xfree(fake);
}

void fake_dns_set_fault(struct fake_dns *fake, fake_dns_fault_fn *fault, void *arg)
{
    fake->fault = fault;
    fake->fault_arg = arg;
}

/* --- zones --- */

static struct zone *need_zone(struct fake_dns *fake, const char *name)
{
    struct zone *zone = map_get(fake->zones, name);

    if (!zone) {
        zone = xalloc(sizeof(*zone));
        map_set(fake->zones, name, zone);
    }
    return zone;
}

void fake_dns_add_zone(struct fake_dns *fake, const char *zone)
{
    (void)need_zone(fake, zone);
}

void fake_dns_set_mode(struct fake_dns *fake, const char *zone, enum fake_dns_mode mode)
{
    need_zone(fake, zone)->mode = mode;
}

void fake_dns_set_late(struct fake_dns *fake, const char *zone, int64_t late_ms)
{
    need_zone(fake, zone)->late_ms = late_ms;
}

void fake_dns_add_cname(struct fake_dns *fake, const char *name, const char *target)
{
    map_set(fake->cnames, name, xstrdup(target));
}

/* Lower case, without the final dot. */
static char *plain(const char *name)
{
    char *lower = xstrdup(name);
    size_t len = strlen(lower);

    str_lower(lower);
    if (len > 0 && lower[len - 1] == '.')
        lower[len - 1] = '\0';
    return lower;
}

/* The deepest one that holds the name; NULL: none. */
static const char *zone_of(const struct fake_dns *fake, const char *name)
{
    for (const char *at = name; at; at = strchr(at, '.') ? strchr(at, '.') + 1 : NULL) {
        if (map_has(fake->zones, at))
            return at;
    }
    return NULL;
}

/* --- records --- */

static bool is_visible(const struct record *record, int64_t late_ms, int64_t now_ms)
{
    if (now_ms < record->made_ms + late_ms)
        return false;
    return record->gone_ms == 0 || now_ms < record->gone_ms + late_ms;
}

static struct record *find(const struct fake_dns *fake, const char *name, const char *value)
{
    for (size_t i = 0; i < fake->len; i++) {
        struct record *record = &fake->records[i];

        if (record->gone_ms == 0 && streq(record->name, name) && streq(record->value, value))
            return record;
    }
    return NULL;
}

static void forget_old(struct fake_dns *fake, int64_t now_ms)
{
    size_t kept = 0;

    for (size_t i = 0; i < fake->len; i++) {
        if (fake->records[i].gone_ms > 0 && fake->records[i].gone_ms + DAYS(1) < now_ms)
            record_deinit(&fake->records[i]);
        else
            fake->records[kept++] = fake->records[i];
    }
    fake->len = kept;
}

size_t fake_dns_count_at(const struct fake_dns *fake, const char *name)
{
    size_t count = 0;

    for (size_t i = 0; i < fake->len; i++)
        count += fake->records[i].gone_ms == 0 && streq(fake->records[i].name, name);
    return count;
}

size_t fake_dns_count(const struct fake_dns *fake)
{
    size_t count = 0;

    for (size_t i = 0; i < fake->len; i++)
        count += fake->records[i].gone_ms == 0;
    return count;
}

const char *fake_dns_any(const struct fake_dns *fake)
{
    for (size_t i = 0; i < fake->len; i++) {
        if (fake->records[i].gone_ms == 0)
            return fake->records[i].name;
    }
    return NULL;
}

size_t fake_dns_updates(const struct fake_dns *fake)
{
    return fake->updates;
}

size_t fake_dns_most_at_once(const struct fake_dns *fake)
{
    return fake->most_at_once;
}

static void add(struct fake_dns *fake, const char *name, const char *value, int64_t now_ms)
{
    size_t count;

    if (find(fake, name, value))
        return;
    forget_old(fake, now_ms);
    fake->records = xrealloc(fake->records, (fake->len + 1) * sizeof(*fake->records));
    fake->records[fake->len++] = (struct record){
        .name = xstrdup(name), .value = xstrdup(value), .made_ms = now_ms};
    count = fake_dns_count_at(fake, name);
    if (count > fake->most_at_once)
        fake->most_at_once = count;
}

static void take_away(struct fake_dns *fake, const char *name, const char *value, int64_t now_ms)
{
    struct record *record = find(fake, name, value);

    if (record)
        record->gone_ms = now_ms;
}

void fake_dns_remove_all(struct fake_dns *fake)
{
    for (size_t i = 0; i < fake->len; i++) {
        if (fake->records[i].gone_ms == 0)
            fake->records[i].gone_ms = fake->clock->now_ms;
    }
}

/* Where the name's records are. */
static const char *follow(const struct fake_dns *fake, const char *name)
{
    const char *target = map_get(fake->cnames, name);

    return target ? target : name;
}

bool fake_dns_shows(const struct fake_dns *fake, const char *name, const char *value)
{
    const char *at = follow(fake, name);
    const char *zone = zone_of(fake, at);
    const struct zone *settings = zone ? map_get(fake->zones, zone) : NULL;

    if (!settings || settings->mode == FAKE_DNS_SERVFAIL || settings->mode == FAKE_DNS_SILENT)
        return false;
    return find(fake, at, value) != NULL;
}

/* --- answers --- */

static void add_answer(struct dns_reply *reply, const char *name, int type, const char *value)
{
    reply->answers = xrealloc(reply->answers, (reply->answer_count + 1) * sizeof(*reply->answers));
    reply->answers[reply->answer_count++] = (struct dns_record){
        .name = xasprintf("%s.", name), .type = type, .ttl = 60, .value = xstrdup(value)};
}

static void answer_txt(const struct fake_dns *fake, const char *name, int64_t late_ms,
                       struct dns_reply *reply)
{
    for (size_t i = 0; i < fake->len; i++) {
        if (streq(fake->records[i].name, name) &&
            is_visible(&fake->records[i], late_ms, fake->clock->now_ms))
            add_answer(reply, name, DNS_TXT, fake->records[i].value);
    }
}

static void answer(const struct fake_dns *fake, const char *name, enum dns_type type,
                   int64_t late_ms, struct dns_reply *reply)
{
    const char *target = map_get(fake->cnames, name);

    if (target) {
        cleanup(xfree) char *absolute = xasprintf("%s.", target);

        add_answer(reply, name, DNS_CNAME, absolute);
        name = target;
    }
    if (type == DNS_TXT)
        answer_txt(fake, name, late_ms, reply);
    if (type == DNS_SOA && map_has(fake->zones, name))
        add_answer(reply, name, DNS_SOA, "ns1.sim.test.");
    if (type == DNS_NS && map_has(fake->zones, name)) {
        add_answer(reply, name, DNS_NS, "ns1.sim.test.");
        add_answer(reply, name, DNS_NS, "ns2.sim.test.");
    }
}

static int lose(struct fake_dns *fake, int64_t timeout_ms, const char *what, struct err *err)
{
    fake_clock_advance(fake->clock, timeout_ms > 0 ? timeout_ms : WAIT_MS);
    return err_set(err, ERR_TIMEOUT, "no answer %s in time", what);
}

/* The servers' own names are known whatever happens to the zones. */
static bool answer_server_name(const char *name, enum dns_type type, struct dns_reply *reply)
{
    if (!str_ends(name, ".sim.test"))
        return false;
    if (type == DNS_A)
        add_answer(reply, name, DNS_A,
                   str_starts(name, "ns1") ? FAKE_DNS_PRIMARY : FAKE_DNS_SECONDARY);
    return true;
}

static int exchange(void *arg, const struct context *ctx, const struct dns_server *server,
                    const struct dns_query *query, struct dns_reply *ret_reply, struct err *err)
{
    struct fake_dns *fake = arg;
    cleanup(xfree) char *name = plain(query->name);
    const char *zone_name = zone_of(fake, follow(fake, name));
    const struct zone *zone = zone_name ? map_get(fake->zones, zone_name) : NULL;
    struct dns_reply reply = {.rcode = DNS_NOERROR};
    int r = context_check(ctx, err);

    if (r < 0)
        return r;
    if (zone && zone->mode == FAKE_DNS_SILENT)
        return lose(fake, query->timeout_ms, "to a question", err);
    if (zone && zone->mode == FAKE_DNS_SERVFAIL)
        reply.rcode = DNS_SERVFAIL;
    else if (!answer_server_name(name, query->type, &reply) && zone)
        answer(fake, name, query->type,
               streq(server->address, FAKE_DNS_PRIMARY) ? 0 : zone->late_ms, &reply);
    if (reply.rcode == DNS_NOERROR && reply.answer_count == 0)
        reply.rcode = DNS_NXDOMAIN;
    *ret_reply = reply;
    return 0;
}

static int refuse(struct fake_dns *fake, const struct zone *zone, const struct dns_update *update,
                  struct err *err)
{
    if (!zone)
        return err_set(err, ERR_DENIED, "NOTAUTH: no zone '%s'", update->zone);
    if (zone->mode == FAKE_DNS_REFUSES)
        return err_set(err, ERR_DENIED, "REFUSED by the name server");
    if (zone->mode == FAKE_DNS_SERVFAIL)
        return err_set(err, ERR_UNAVAILABLE, "SERVFAIL by the name server");
    if (zone->mode == FAKE_DNS_SILENT)
        return lose(fake, update->timeout_ms, "to an update", err);
    return 0;
}

static int update_zone(void *arg, const struct context *ctx, const struct dns_server *server,
                       const struct dns_update *update, struct err *err)
{
    struct fake_dns *fake = arg;
    cleanup(xfree) char *name = plain(update->name), *zone_name = plain(update->zone);
    const struct zone *zone = map_get(fake->zones, zone_name);
    int r = context_check(ctx, err);

    if (r == 0)
        r = refuse(fake, zone, update, err);
    if (r == 0 && fake->fault)
        r = fake->fault(fake->fault_arg, false, err);
    if (r < 0)
        return r;
    fake->updates++;
    if (update->is_delete)
        take_away(fake, name, update->value, fake->clock->now_ms);
    else
        add(fake, name, update->value, fake->clock->now_ms);
    if (zone->mode == FAKE_DNS_LOSES)
        return lose(fake, update->timeout_ms, "to an update", err);
    return fake->fault ? fake->fault(fake->fault_arg, true, err) : 0;
}

struct dns *fake_dns_client(struct fake_dns *fake)
{
    struct dns_fake calls = {.exchange = exchange, .update = update_zone, .arg = fake};

    return dns_new_fake(&calls);
}
