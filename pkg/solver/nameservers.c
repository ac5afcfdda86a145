#include "solver/nameservers.h"

int nameservers_parse(const struct acme_dns01 *dns01, struct dns_servers *ret, struct err *err)
{
    cleanup(strlist_deinit) struct strlist texts = {};

    array_string_add_to(&dns01->nameservers, &texts);
    if (dns_servers_parse(&texts, ret, err) < 0)
        return err_wrap(err, "dns01.nameservers");
    return 0;
}

void resolvers_deinit(struct resolvers *resolvers)
{
    dns_servers_deinit(&resolvers->own);
}

int resolvers_init(struct resolvers *resolvers, const struct solvers *solvers,
                   const struct acme_dns01 *dns01, struct err *err)
{
    int r;

    *resolvers = (struct resolvers){};
    r = nameservers_parse(dns01, &resolvers->own, err);
    if (r < 0)
        return r;
    resolvers->only_these = resolvers->own.len > 0 || solvers->recursive_only;
    resolvers->servers = resolvers->own.len > 0 ? &resolvers->own : &solvers->recursive;
    return 0;
}
