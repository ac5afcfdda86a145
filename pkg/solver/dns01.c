/*
 * dns01.c - a TXT record below the name (RFC 8555 8.4, behaviour.md 11).
 *
 *   _acme-challenge.<name>. ──CNAMEs──► record name ──SOA──► zone ──NS──► authoritative servers
 *
 * The record is written at the end of the CNAME chain only with cnameStrategy Follow. A CA always
 * follows CNAMEs, so the self-check does, too. The zone is found by the recursive servers; what the
 * record looks like is then asked of each authoritative server, because a CA may come to any of
 * them. cert-manager sleeps a minute after that; we do not.
 */
#include "pki/names.h"
#include "solver/dns_provider.h"
#include "solver/nameservers.h"

#define CHECK_TIMEOUT_MS SECONDS(30) /* one look at all servers: it holds a worker */

static int record_name(const struct solver_task *task, char **ret, struct err *err)
{
    if (name_is_ip(task->dns_name))
        return err_set(err, ERR_INVALID, "dns-01 cannot prove the IP address '%s'", task->dns_name);
    if (!name_is_dns_san(task->dns_name) || str_starts(task->dns_name, "*."))
        return err_set(err, ERR_INVALID, "'%s' is not a DNS name", task->dns_name);
    *ret = xasprintf("_acme-challenge.%s.", task->dns_name);
    return 0;
}

/* ERR_NOT_FOUND would say that a Secret is missing. */
static int find_zone(struct solvers *solvers, const struct context *ctx,
                     const struct dns_servers *servers, const char *name, char **ret,
                     struct err *err)
{
    struct err why;
    int r;

    r = dns_find_zone(solvers->dns, ctx, servers, name, ret, &why);
    if (r == ERR_NOT_FOUND)
        return err_set(err, ERR_UNAVAILABLE, "%s", why.text);
    if (r < 0 && err)
        *err = why;
    return r;
}

/* --- present and clean up --- */

static int find_place(struct solvers *solvers, const struct context *ctx,
                      const struct solver_task *task, char **ret_name, char **ret_zone,
                      struct err *err)
{
    cleanup(resolvers_deinit) struct resolvers resolvers = {};
    cleanup(xfree) char *plain = NULL, *name = NULL;
    int r;

    r = record_name(task, &plain, err);
    if (r == 0)
        r = resolvers_init(&resolvers, solvers, task->solver->dns01, err);
    if (r < 0)
        return r;
    if (task->solver->dns01->cname_strategy == CNAME_FOLLOW)
        r = dns_follow_cname(solvers->dns, ctx, resolvers.servers, plain, &name, err);
    else
        name = take(plain);
    if (r == 0)
        r = find_zone(solvers, ctx, resolvers.servers, name, ret_zone, err);
    if (r == 0)
        *ret_name = take(name);
    return r;
}

typedef int provider_fn(const struct dns_change *change, const struct context *ctx,
                        struct err *err);

static int change_record(struct solvers *solvers, const struct context *ctx,
                         const struct solver_task *task, provider_fn *fn, struct err *err)
{
    cleanup(xfree) char *name = NULL, *zone = NULL;
    struct dns_change change = {.solvers = solvers,
                                .dns01 = task->solver->dns01,
                                .secret_namespace = task->secret_namespace,
                                .secrets = task->secrets,
                                .value = task->key};
    int r;

    r = find_place(solvers, ctx, task, &name, &zone, err);
    if (r < 0)
        return r;
    change.name = name;
    change.zone = zone;
    if (task->sent)
        *task->sent = true;
    return fn(&change, ctx, err);
}

static int provider_of(const struct solver_task *task, const struct dns_provider **ret,
                       struct err *err)
{
    if (!task->solver->dns01)
        return err_set(err, ERR_INVALID, "the solver has no dns01");
    return dns_provider_of(task->solver->dns01, ret, err);
}

static int present(struct solvers *solvers, const struct context *ctx,
                   const struct solver_task *task, struct err *err)
{
    const struct dns_provider *provider;
    int r;

    r = provider_of(task, &provider, err);
    return r < 0 ? r : change_record(solvers, ctx, task, provider->present, err);
}

static int clean_up(struct solvers *solvers, const struct context *ctx,
                    const struct solver_task *task, struct err *err)
{
    const struct dns_provider *provider;
    cleanup(xfree) char *plain = NULL;
    int r;

    if (record_name(task, &plain, NULL) < 0)
        return 0; /* such a one is never presented */
    r = provider_of(task, &provider, err);
    return r < 0 ? r : change_record(solvers, ctx, task, provider->clean_up, err);
}

/* --- check --- */

static int check_server(struct solvers *solvers, const struct context *ctx,
                        const struct dns_server *server, const char *name, const char *value,
                        struct err *err)
{
    cleanup(strlist_deinit) struct strlist values = {};
    cleanup(buf_deinit) struct buf text = BUF(1024);
    int r;

    dns_server_format(server, &text);
    r = dns_txt(solvers->dns, ctx, server, name, &values, err);
    if (r < 0)
        return err_wrap(err, "name server '%s'", buf_str(&text));
    if (strlist_has(&values, value))
        return 0;
    if (values.len == 0)
        return err_set(err, ERR_UNAVAILABLE, "name server '%s' has no TXT record at '%s'",
                       buf_str(&text), name);
    return err_set(err, ERR_UNAVAILABLE,
                   "name server '%s' has %zu TXT records at '%s', but not the one for this "
                   "challenge",
                   buf_str(&text), values.len, name);
}

/* Every one of them, up to the first that does not show the value. */
static int check_servers(struct solvers *solvers, const struct context *ctx,
                         const struct dns_servers *servers, const char *name, const char *value,
                         struct err *err)
{
    int r = 0;

    if (servers->len == 0)
        return err_set(err, ERR_INVALID, "no dns server to ask for '%s'", name);
    for (size_t i = 0; r == 0 && i < servers->len; i++)
        r = check_server(solvers, ctx, &servers->items[i], name, value, err);
    return r;
}

static int authoritative_servers(struct solvers *solvers, const struct context *ctx,
                                 const struct dns_servers *recursive, const char *name,
                                 struct dns_servers *ret, struct err *err)
{
    cleanup(xfree) char *zone = NULL;
    int r;

    r = find_zone(solvers, ctx, recursive, name, &zone, err);
    return r < 0 ? r : dns_authoritative_servers(solvers->dns, ctx, recursive, zone, ret, err);
}

static int check_record(struct solvers *solvers, const struct context *ctx,
                        const struct solver_task *task, const char *plain, struct err *err)
{
    cleanup(resolvers_deinit) struct resolvers resolvers = {};
    cleanup(dns_servers_deinit) struct dns_servers authoritative = {};
    cleanup(xfree) char *name = NULL;
    int r;

    r = resolvers_init(&resolvers, solvers, task->solver->dns01, err);
    if (r == 0)
        r = dns_follow_cname(solvers->dns, ctx, resolvers.servers, plain, &name, err);
    if (r == 0 && !resolvers.only_these)
        r = authoritative_servers(solvers, ctx, resolvers.servers, name, &authoritative, err);
    if (r < 0)
        return r;
    return check_servers(solvers, ctx, resolvers.only_these ? resolvers.servers : &authoritative,
                         name, task->key, err);
}

static int check(struct solvers *solvers, const struct context *ctx, const struct solver_task *task,
                 struct err *err)
{
    struct context limited = context_with_timeout(ctx, CHECK_TIMEOUT_MS);
    cleanup(xfree) char *plain = NULL;
    int r;

    if (!task->solver->dns01)
        return err_set(err, ERR_INVALID, "the solver has no dns01");
    r = record_name(task, &plain, err);
    return r < 0 ? r : check_record(solvers, &limited, task, plain, err);
}

const struct solver_ops solver_dns01 = {
    .type = CHALLENGE_DNS01,
    .acme_type = "dns-01",
    .check_budget_ms = MINUTES(5),
    .present = present,
    .check = check,
    .clean_up = clean_up,
};
