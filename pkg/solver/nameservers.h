/*
 * nameservers.h - which DNS servers a dns01 solver asks (behaviour.md 11). Private to this folder.
 */
#ifndef SOLVER_NAMESERVERS_H
#define SOLVER_NAMESERVERS_H

#include "solver/solver.h"

/* Those that the solver names itself; none is no error. */
int nameservers_parse(const struct acme_dns01 *dns01, struct dns_servers *ret, struct err *err);

struct resolvers {
    struct dns_servers own;            /* of the solver */
    const struct dns_servers *servers; /* to be asked: own, or borrowed */
    bool only_these;                   /* the authoritative servers may be out of reach */
};
void resolvers_deinit(struct resolvers *resolvers);
DEFINE_CLEANUP_VALUE(struct resolvers, resolvers_deinit);
int resolvers_init(struct resolvers *resolvers, const struct solvers *solvers,
                   const struct acme_dns01 *dns01, struct err *err);

#endif
