#include "dns/lookup.h"

#include "dns/message.h"
#include "dns/socket.h"

#define NAMESERVERS_MAX 20 /* of one zone: the largest real sets have 13 */

char *dns_absolute(const char *name)
{
    char *absolute = xasprintf("%s%s", name, str_ends(name, ".") ? "" : ".");

    str_lower(absolute);
    return absolute;
}

/* --- replies --- */

const struct dns_record *reply_find(const struct dns_reply *reply, int type, const char *owner)
{
    for (size_t i = 0; i < reply->answer_count; i++) {
        if (reply->answers[i].type == type && streq_ci(reply->answers[i].name, owner))
            return &reply->answers[i];
    }
    return NULL;
}

void reply_values(const struct dns_reply *reply, int type, const char *owner, struct strlist *to)
{
    for (size_t i = 0; i < reply->answer_count; i++) {
        if (reply->answers[i].type == type && streq_ci(reply->answers[i].name, owner))
            strlist_add(to, reply->answers[i].value);
    }
}

const char *reply_end_of_chain(const struct dns_reply *reply, const char *name)
{
    for (int hops = 0; hops < LIMIT_CNAME_CHAIN; hops++) {
        const struct dns_record *cname = reply_find(reply, DNS_CNAME, name);

        if (!cname)
            break;
        name = cname->value;
    }
    return name;
}

static int code_of_rcode(int rcode)
{
    switch (rcode) {
    case DNS_SERVFAIL:
        return ERR_UNAVAILABLE;
    case DNS_REFUSED:
    case DNS_NOTAUTH:
        return ERR_DENIED;
    default:
        return ERR_PROTOCOL;
    }
}

int reply_check(const struct dns_reply *reply, const char *name, enum dns_type type,
                struct err *err)
{
    if (reply->rcode == DNS_NOERROR || reply->rcode == DNS_NXDOMAIN)
        return 0;
    return err_set(err, code_of_rcode(reply->rcode), "%s from dns servers for %s of '%s'",
                   dns_rcode_name(reply->rcode), dns_type_name((int)type), name);
}

/* --- questions --- */

static bool is_refusal(const struct dns_reply *reply)
{
    return reply->rcode == DNS_SERVFAIL || reply->rcode == DNS_REFUSED;
}

static void replace_reply(struct dns_reply *reply, const struct dns_reply *with)
{
    dns_reply_deinit(reply);
    *reply = *with;
}

/* Not the server's doing: the caller ends, or its share is used up and it comes back. */
static bool must_stop(int r)
{
    return r == ERR_CANCELED || r == ERR_BUSY;
}

int dns_ask(struct dns *dns, const struct context *ctx, const struct dns_servers *servers,
            const char *name, enum dns_type type, struct dns_reply *ret_reply, struct err *err)
{
    const struct dns_query query = {.name = name, .type = type};
    cleanup(dns_reply_deinit) struct dns_reply last = {};
    struct err failed;
    bool answered = false;
    int r = err_set(&failed, ERR_INVALID, "no dns server to ask for '%s'", name);

    for (size_t i = 0; i < servers->len && (!answered || is_refusal(&last)); i++) {
        struct dns_reply reply = {};

        r = dns_exchange(dns, ctx, &servers->items[i], &query, &reply, &failed);
        if (must_stop(r))
            break;
        if (r < 0)
            continue;
        answered = true;
        replace_reply(&last, &reply);
    }
    if (must_stop(r) || !answered)
        return err_pass(err, &failed);
    *ret_reply = last; /* a SERVFAIL of one server says more than the silence of the next */
    last = (struct dns_reply){};
    return 0;
}

static int ask_and_check(struct dns *dns, const struct context *ctx,
                         const struct dns_servers *servers, const char *name, enum dns_type type,
                         struct dns_reply *ret_reply, struct err *err)
{
    cleanup(dns_reply_deinit) struct dns_reply reply = {};
    int r;

    r = dns_ask(dns, ctx, servers, name, type, &reply, err);
    if (r == 0)
        r = reply_check(&reply, name, type, err);
    if (r < 0)
        return r;
    *ret_reply = reply;
    reply = (struct dns_reply){};
    return 0;
}

int dns_txt(struct dns *dns, const struct context *ctx, const struct dns_server *server,
            const char *name, struct strlist *ret_values, struct err *err)
{
    const struct dns_servers only = {(struct dns_server *)server, 1};
    cleanup(dns_reply_deinit) struct dns_reply reply = {};
    cleanup(xfree) char *absolute = dns_absolute(name);
    struct strlist values = {};
    int r;

    r = ask_and_check(dns, ctx, &only, absolute, DNS_TXT, &reply, err);
    if (r < 0)
        return r;
    reply_values(&reply, DNS_TXT, reply_end_of_chain(&reply, absolute), &values);
    *ret_values = values;
    return 0;
}

/* --- zones: behaviour.md 11, "zone apex" --- */

/* NULL: not here, try the parent. */
static int zone_at(struct dns *dns, const struct context *ctx, const struct dns_servers *servers,
                   const char *name, char **ret_zone, struct err *err)
{
    cleanup(dns_reply_deinit) struct dns_reply reply = {};
    const struct dns_record *soa = NULL;
    int r;

    r = ask_and_check(dns, ctx, servers, name, DNS_SOA, &reply, err);
    if (r < 0)
        return r;
    /* Behind a CNAME the SOA is that of the target's zone (cm#4998). */
    if (reply.rcode == DNS_NOERROR && !reply_find(&reply, DNS_CNAME, name))
        soa = reply_find(&reply, DNS_SOA, name);
    *ret_zone = soa ? xstrdup(soa->name) : NULL;
    return 0;
}

/* "a.b." -> "b."; NULL above a top level. A dot after a backslash belongs to its label. */
static const char *parent_of(const char *name)
{
    for (; *name; name++) {
        if (*name == '\\' && name[1])
            name++;
        else if (*name == '.')
            return name[1] ? name + 1 : NULL;
    }
    return NULL;
}

int dns_find_zone(struct dns *dns, const struct context *ctx, const struct dns_servers *servers,
                  const char *name, char **ret_zone, struct err *err)
{
    cleanup(xfree) char *absolute = dns_absolute(name);

    for (const char *at = absolute; at; at = parent_of(at)) {
        char *zone = NULL;

        if (zone_at(dns, ctx, servers, at, &zone, err) < 0)
            return err_wrap(err, "finding the zone of '%s'", absolute);
        if (zone) {
            *ret_zone = zone;
            return 0;
        }
    }
    return err_set(err, ERR_NOT_FOUND, "no dns zone is known for '%s'", absolute);
}

/* --- addresses --- */

static int addresses_of_type(struct dns *dns, const struct context *ctx,
                             const struct dns_servers *servers, const char *host,
                             enum dns_type type, struct strlist *to, struct err *err)
{
    cleanup(dns_reply_deinit) struct dns_reply reply = {};
    int r;

    r = ask_and_check(dns, ctx, servers, host, type, &reply, err);
    if (r < 0)
        return r;
    reply_values(&reply, (int)type, reply_end_of_chain(&reply, host), to);
    return 0;
}

int dns_addresses(struct dns *dns, const struct context *ctx, const struct dns_servers *servers,
                  const char *host, struct strlist *ret, struct err *err)
{
    cleanup(strlist_deinit) struct strlist found = {};
    cleanup(xfree) char *absolute = dns_absolute(host);
    struct address literal;
    struct err failed;
    int r = 0, r6;

    if (address_parse(host, 0, &literal, NULL) == 0) {
        strlist_add(&found, host);
    } else {
        r = addresses_of_type(dns, ctx, servers, absolute, DNS_A, &found, &failed);
        r6 = addresses_of_type(dns, ctx, servers, absolute, DNS_AAAA, &found,
                               r < 0 ? NULL : &failed);
        if (r == 0)
            r = r6;
    }
    if (found.len > 0) { /* one family is enough: not every server answers for both */
        *ret = found;
        found = (struct strlist){};
        return 0;
    }
    if (r == 0)
        return err_set(err, ERR_NOT_FOUND, "host '%s' has no address", host);
    return err_pass(err, &failed);
}

/* --- authoritative servers --- */

static void add_addresses(struct dns_servers *to, const struct strlist *texts)
{
    for (size_t i = 0; i < texts->len; i++) {
        struct dns_server server;

        if (dns_server_parse(texts->items[i], &server, NULL) < 0)
            continue; /* not an address: of no use as a server */
        to->items = xrealloc(to->items, (to->len + 1) * sizeof(*to->items));
        to->items[to->len++] = server;
    }
}

/* Most clusters have no IPv6 way out: such an address would fail every check that asks all servers.
 */
static void drop_unreachable(struct dns_servers *servers)
{
    size_t kept = 0;
    struct address address;

    for (size_t i = 0; i < servers->len; i++) {
        const struct dns_server *server = &servers->items[i];

        if (address_parse(server->address, server->port, &address, NULL) == 0 &&
            address_has_route(&address))
            servers->items[kept++] = *server;
    }
    if (kept > 0) /* with none left the caller shall see the network's own error */
        servers->len = kept;
}

static int nameservers_of(struct dns *dns, const struct context *ctx,
                          const struct dns_servers *servers, const char *zone, struct strlist *ret,
                          struct err *err)
{
    cleanup(dns_reply_deinit) struct dns_reply reply = {};
    int r;

    r = ask_and_check(dns, ctx, servers, zone, DNS_NS, &reply, err);
    if (r < 0)
        return r;
    reply_values(&reply, DNS_NS, zone, ret);
    strlist_sort_unique(ret);
    if (ret->len == 0)
        return err_set(err, ERR_NOT_FOUND, "zone '%s' has no name servers", zone);
    if (ret->len > NAMESERVERS_MAX)
        return err_set(err, ERR_TOO_LARGE, "zone '%s' has %zu name servers, more than %d", zone,
                       ret->len, NAMESERVERS_MAX);
    return 0;
}

/* A server without an address is left out, as long as another has one. */
static int addresses_of_all(struct dns *dns, const struct context *ctx,
                            const struct dns_servers *servers, const struct strlist *hosts,
                            struct dns_servers *to, struct err *err)
{
    struct err failed;
    int r, last = err_set(&failed, ERR_NOT_FOUND, "none of them is usable");

    for (size_t i = 0; i < hosts->len; i++) {
        cleanup(strlist_deinit) struct strlist addresses = {};

        r = dns_addresses(dns, ctx, servers, hosts->items[i], &addresses, &failed);
        if (r == ERR_CANCELED)
            return err_pass(err, &failed);
        if (r < 0)
            last = r;
        add_addresses(to, &addresses);
    }
    if (to->len == 0)
        return err_set(err, last, "no address of a name server is known: %s", failed.text);
    return 0;
}

int dns_authoritative_servers(struct dns *dns, const struct context *ctx,
                              const struct dns_servers *servers, const char *zone,
                              struct dns_servers *ret, struct err *err)
{
    cleanup(dns_servers_deinit) struct dns_servers found = {};
    cleanup(strlist_deinit) struct strlist hosts = {};
    cleanup(xfree) char *absolute = dns_absolute(zone);
    int r;

    r = nameservers_of(dns, ctx, servers, absolute, &hosts, err);
    if (r == 0)
        r = addresses_of_all(dns, ctx, servers, &hosts, &found, err);
    if (r < 0)
        return err_wrap(err, "looking for the name servers of zone '%s'", absolute);
    if (!dns_is_fake(dns))
        drop_unreachable(&found);
    *ret = found;
    found = (struct dns_servers){};
    return 0;
}
