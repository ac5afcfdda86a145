#include "solver/dns_provider.h"
#include "solver/nameservers.h"

static int check_dns01(struct store *store, const struct context *ctx,
                       const struct acme_dns01 *dns01, const char *secret_namespace,
                       struct err *err)
{
    cleanup(dns_servers_deinit) struct dns_servers servers = {};
    const struct dns_provider *provider;
    int r;

    r = dns_provider_of(dns01, &provider, err);
    if (r == 0)
        r = nameservers_parse(dns01, &servers, err);
    if (r == 0)
        r = provider->check_config(store, ctx, dns01, secret_namespace, err);
    return r;
}

int solver_check_config(struct store *store, const struct context *ctx,
                        const struct acme_solver *solver, const char *secret_namespace,
                        struct err *err)
{
    if (solver->http01 && solver->dns01)
        return err_set(err, ERR_INVALID, "a solver has both http01 and dns01: make two of it");
    if (solver->dns01)
        return check_dns01(store, ctx, solver->dns01, secret_namespace, err);
    if (solver->http01)
        return 0; /* its routing fields have no effect here (DESIGN 8) */
    return err_set(err, ERR_INVALID, "a solver needs http01 or dns01");
}
