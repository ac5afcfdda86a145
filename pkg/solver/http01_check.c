/*
 * http01_check.c - HTTP-01 as a solver, and its look from outside (RFC 8555 8.3, behaviour.md 10).
 *
 * The check goes to a host of somebody's choice: its answer is compared, never shown, and redirects
 * may not lead to addresses inside (the 2026-07 row of incidents.md: server-side request forgery).
 * TLS is not verified, since the certificate behind a redirect may be the one being renewed.
 */
#include <string.h>

#include "pki/names.h"
#include "solver/http01.h"
#include "solver/solver.h"

#define TIMEOUT_MS      SECONDS(10)
#define ANSWER_MAX      (1024 * 1024)
#define REDIRECTS_MAX   10 /* a CA's limit */
#define PORT_HTTP       80
#define ADDRESSES_TRIED 4

/* --- present and clean up --- */

/* Only in a cluster nobody is there to answer. */
static int refuse(const struct solver_task *task, struct err *err)
{
    if (name_is_ip(task->dns_name))
        return err_set(
            err, ERR_UNSUPPORTED,
            "an IP address is proved by HTTP-01 only, which in a cluster is not built in "
            "this version");
    return err_set(err, ERR_UNSUPPORTED,
                   "HTTP-01 in a cluster is not built in this version; let a dns01 solver of the "
                   "issuer match '%s'",
                   task->dns_name);
}

static int usable(const struct solvers *solvers, const struct solver_task *task, struct err *err)
{
    bool is_name = name_is_dns_san(task->dns_name) && !str_starts(task->dns_name, "*.");

    if (!solvers->http01)
        return refuse(task, err);
    if (!is_name && !name_is_ip(task->dns_name))
        return err_set(err, ERR_INVALID, "'%s' is neither a DNS name nor an IP address",
                       task->dns_name);
    return http01_token_check(task->token, err);
}

static int present(struct solvers *solvers, const struct context *ctx,
                   const struct solver_task *task, struct err *err)
{
    int r;

    r = usable(solvers, task, err);
    return r < 0 ? r : http01_add(solvers->http01, task->dns_name, task->token, task->key, err);
}

static int clean_up(struct solvers *solvers, const struct context *ctx,
                    const struct solver_task *task, struct err *err)
{
    if (usable(solvers, task, NULL) < 0)
        return 0; /* such a one is never presented */
    return http01_remove(solvers->http01, task->dns_name, task->token, err);
}

/* --- check --- */

struct look {
    struct solvers *solvers;
    const struct context *ctx;
    const char *host; /* name or address */
    uint16_t port;
    char *url;
};

static void look_deinit(struct look *look)
{
    xfree(look->url);
}
DEFINE_CLEANUP_VALUE(struct look, look_deinit);

static char *host_and_port(const char *host, uint16_t port)
{
    return xasprintf(strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, port);
}

static char *url_of(const struct look *look, const char *token)
{
    cleanup(xfree) char *authority = host_and_port(look->host, look->port);

    if (look->port == PORT_HTTP)
        *strrchr(authority, ':') = '\0'; /* a Host header without it, as a CA sends */
    return xasprintf("http://%s/.well-known/acme-challenge/%s", authority, token);
}

/* `connect` NULL: the system resolves the name. */
static int get(const struct look *look, const char *connect, struct http_response *ret,
               struct err *err)
{
    const struct http_tls unverified = {.skip_verify = true};
    const struct http_request request = {
        .method = "GET",
        .url = look->url,
        .max_body = ANSWER_MAX,
        .timeout_ms = TIMEOUT_MS,
        .tls = &unverified,
        .max_redirects = REDIRECTS_MAX,
        .public_redirects_only = true,
        .connect_address = connect,
        .action = "http01_self_check",
    };

    return http_do(look->solvers->http, look->ctx, &request, ret, err);
}

/* In turn, while one cannot even be reached. */
static int get_by_resolvers(const struct look *look, struct http_response *ret, struct err *err)
{
    cleanup(strlist_deinit) struct strlist addresses = {};
    struct err why;
    int r;

    r = dns_addresses(look->solvers->dns, look->ctx, &look->solvers->http01_resolvers, look->host,
                      &addresses, err);
    if (r < 0)
        return r;
    r = err_set(&why, ERR_NETWORK, "no address is known");
    for (size_t i = 0; r == ERR_NETWORK && i < addresses.len && i < ADDRESSES_TRIED; i++) {
        cleanup(xfree) char *connect = host_and_port(addresses.items[i], look->port);

        r = get(look, connect, ret, &why);
    }
    if (r < 0 && err)
        *err = why;
    return r;
}

static int judge(const struct http_response *response, const char *key, struct err *err)
{
    size_t len = strlen(key);

    if (response->status != 200)
        return err_set(err, ERR_UNAVAILABLE, "status %d where 200 is expected", response->status);
    if (response->body.len != len || memcmp(buf_str(&response->body), key, len) != 0)
        return err_set(err, ERR_UNAVAILABLE, "another answer than the key");
    return 0;
}

static int look_and_judge(const struct look *look, const char *key, struct err *err)
{
    cleanup(http_response_deinit) struct http_response response = {};
    bool by_resolvers = look->solvers->http01_resolvers.len > 0 && !name_is_ip(look->host);
    int r;

    r = by_resolvers ? get_by_resolvers(look, &response, err) : get(look, NULL, &response, err);
    return r < 0 ? r : judge(&response, key, err);
}

static int check(struct solvers *solvers, const struct context *ctx, const struct solver_task *task,
                 struct err *err)
{
    struct context limited = context_with_timeout(ctx, TIMEOUT_MS);
    cleanup(look_deinit) struct look look = {
        .solvers = solvers,
        .ctx = &limited,
        .host = task->dns_name,
        .port = solvers->http01_port ? solvers->http01_port : PORT_HTTP,
    };
    int r;

    r = usable(solvers, task, err);
    if (r < 0)
        return r;
    look.url = url_of(&look, task->token);
    r = look_and_judge(&look, task->key, err);
    return r < 0 ? err_wrap(err, "self-check of 'http://%s'", task->dns_name) : 0;
}

const struct solver_ops solver_http01 = {
    .type = CHALLENGE_HTTP01,
    .acme_type = "http-01",
    .lives_in_process = true,
    .check_budget_ms = SECONDS(60),
    .present = present,
    .check = check,
    .clean_up = clean_up,
};
