#include "dns/dns.h"

#include <stdio.h>

#include "base/shares.h"

#include "dns/doh.h"
#include "dns/lookup.h"
#include "dns/message.h"
#include "dns/resolve.h"
#include "dns/socket.h"
#include "dns/update.h"

#define TIMEOUT_MS      SECONDS(10) /* cert-manager's */
#define ADDRESSES_TRIED 4           /* of one host name */

struct dns {
    struct http *http; /* borrowed; NULL: no DoH */
    struct dns_fake fake;
    bool is_fake;
    struct shares *per_server; /* NULL with a fake */
};

int dns_new(struct http *http, struct dns **ret, struct err *err)
{
    struct dns *dns = xalloc(sizeof(*dns));

    dns->http = http;
    dns->per_server = shares_new(0);
    *ret = dns;
    return 0;
}

struct dns *dns_new_fake(const struct dns_fake *fake)
{
    struct dns *dns = xalloc(sizeof(*dns));

    dns->fake = *fake;
    dns->is_fake = true;
    return dns;
}

void dns_free(struct dns *dns)
{
    if (!dns)
        return;
    shares_free(dns->per_server);
    xfree(dns);
}

void dns_limit(struct dns *dns, int max_per_server)
{
    shares_free(dns->per_server);
    dns->per_server = shares_new(max_per_server);
}

bool dns_is_fake(const struct dns *dns)
{
    return dns->is_fake;
}

static int server_addresses(struct dns *dns, const struct context *ctx,
                            const struct dns_server *server,
                            struct address addresses[ADDRESSES_TRIED], size_t *ret_count,
                            struct err *err)
{
    cleanup(strlist_deinit) struct strlist texts = {};
    size_t count = 0;
    int r;

    if (address_parse(server->address, server->port, &addresses[0], err) == 0) {
        *ret_count = 1;
        return 0;
    }
    r = resolve_host(dns, ctx, &resolve_files_of_system, server->address, &texts, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < texts.len && count < ADDRESSES_TRIED; i++)
        count += address_parse(texts.items[i], server->port, &addresses[count], NULL) == 0;
    if (count == 0)
        return err_set(err, ERR_NETWORK, "no address is known for host '%s'", server->address);
    *ret_count = count;
    return 0;
}

/* An equal share of the time for each address that is left. */
static int try_addresses(const struct context *ctx, const struct dns_server *server,
                         const struct address *addresses, size_t count, struct request *request,
                         struct buf *answer, struct err *err)
{
    struct err failed;
    int r = ERR_NETWORK;

    for (size_t i = 0; i < count && (r == ERR_NETWORK || r == ERR_TIMEOUT); i++) {
        int64_t share_ms = context_remaining_ms(ctx, TIMEOUT_MS) / (int64_t)(count - i);
        struct context limited = context_with_timeout(ctx, share_ms);

        buf_reset(answer);
        request->is_repeated |= i > 0;
        r = socket_exchange(&limited, &addresses[i], server->transport, request, answer, &failed);
    }
    return r < 0 ? err_pass(err, &failed) : 0;
}

static int exchange(struct dns *dns, const struct context *ctx, const struct dns_server *server,
                    struct request *request, struct buf *answer, struct err *err)
{
    struct address addresses[ADDRESSES_TRIED];
    char who[sizeof(server->address) + 8];
    size_t count = 0;
    int r;

    if (server->transport == DNS_HTTPS)
        return doh_exchange(dns->http, ctx, server->url, request, answer, err);
    r = server_addresses(dns, ctx, server, addresses, &count, err);
    if (r < 0)
        return r;
    (void)snprintf(who, sizeof(who), "%s:%u", server->address, server->port);
    r = shares_take(dns->per_server, ctx, who, err);
    if (r < 0)
        return r;
    r = try_addresses(ctx, server, addresses, count, request, answer, err);
    shares_give_back(dns->per_server, ctx, who);
    return r;
}

static int ask(struct dns *dns, const struct context *ctx, const struct dns_server *server,
               const struct dns_query *query, struct dns_reply *ret_reply, struct err *err)
{
    cleanup(request_deinit) struct request request = {};
    cleanup(buf_deinit) struct buf answer = BUF(LIMIT_DNS_MESSAGE);
    /* 0 over HTTPS, so that caches on the way see one request: RFC 8484 4.1. */
    uint16_t id = server->transport == DNS_HTTPS ? 0 : request_random_id();
    int r;

    r = request_init_query(&request, query, id, err);
    if (r < 0)
        return r;
    r = exchange(dns, ctx, server, &request, &answer, err);
    if (r < 0)
        return r;
    return reply_parse(answer.data, answer.len, ret_reply, err);
}

/* "192.0.2.1:53", in a buffer of the caller. */
static const char *server_text(const struct dns_server *server, struct buf *to)
{
    dns_server_format(server, to);
    return buf_str(to);
}

int dns_exchange(struct dns *dns, const struct context *ctx, const struct dns_server *server,
                 const struct dns_query *query, struct dns_reply *ret_reply, struct err *err)
{
    struct context limited = context_with_timeout(ctx, query->timeout_ms > 0 ? query->timeout_ms
                                                                             : TIMEOUT_MS);
    cleanup(buf_deinit) struct buf text = BUF(1024);
    int r;

    if (dns->is_fake)
        return dns->fake.exchange(dns->fake.arg, ctx, server, query, ret_reply, err);
    r = ask(dns, &limited, server, query, ret_reply, err);
    if (r < 0)
        return err_wrap(err, "asking dns server '%s' for %s of '%s'", server_text(server, &text),
                        dns_type_name((int)query->type), query->name);
    return 0;
}

/* "No" to the second try says nothing of the first, which may have been taken without an answer. */
static int doubt(int code, const struct request *request, struct err *err)
{
    if (code != ERR_DENIED || !request->is_repeated)
        return code;
    return err_set(err, ERR_UNAVAILABLE,
                   "%s (an earlier try had no answer, and may have been taken)",
                   err ? err->text : "");
}

static int send_update(struct dns *dns, const struct context *ctx, const struct dns_server *server,
                       const struct dns_update *update, struct err *err)
{
    cleanup(request_deinit) struct request request = {};
    cleanup(buf_deinit) struct buf answer = BUF(LIMIT_DNS_MESSAGE);
    int r;

    if (server->transport == DNS_HTTPS)
        return err_set(err, ERR_UNSUPPORTED, "dns updates do not go over https");
    r = request_init_update(&request, update, request_random_id(), err);
    if (r < 0)
        return r;
    r = exchange(dns, ctx, server, &request, &answer, err);
    if (r < 0)
        return r;
    r = update_judge(update, &request, &answer, context_now_ms(ctx), err);
    return doubt(r, &request, err);
}

int dns_update(struct dns *dns, const struct context *ctx, const struct dns_server *server,
               const struct dns_update *update, struct err *err)
{
    struct context limited = context_with_timeout(ctx, update->timeout_ms > 0 ? update->timeout_ms
                                                                              : TIMEOUT_MS);
    cleanup(buf_deinit) struct buf text = BUF(1024);
    int r;

    if (dns->is_fake)
        return dns->fake.update(dns->fake.arg, ctx, server, update, err);
    r = send_update(dns, &limited, server, update, err);
    if (r < 0)
        return err_wrap(err, "%s txt record '%s' at dns server '%s'",
                        update->is_delete ? "deleting" : "adding", update->name,
                        server_text(server, &text));
    return 0;
}
