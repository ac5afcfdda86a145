/*
 * dns_provider.h - who writes a zone: one row per stanza under `dns01` (dns_provider.c).
 *
 * A provider makes one TXT record come or go by its exact value, whether or not it is there
 * already, and waits for nothing. Private to this folder.
 */
#ifndef SOLVER_DNS_PROVIDER_H
#define SOLVER_DNS_PROVIDER_H

#include "solver/solver.h"

struct dns_change { /* borrowed for the call */
    const struct solvers *solvers;
    const struct acme_dns01 *dns01;
    const char *secret_namespace;
    struct solver_secrets *secrets; /* as in struct solver_task */
    const char *zone, *name;        /* with final dot */
    const char *value;
};

struct dns_provider {
    const char *name; /* the member of dns01 */
    bool (*is_configured)(const struct acme_dns01 *dns01);
    /* NULL, all three: not built in this version. */
    int (*present)(const struct dns_change *change, const struct context *ctx, struct err *err);
    int (*clean_up)(const struct dns_change *change, const struct context *ctx, struct err *err);
    /* `store` NULL: Secrets are not looked at. */
    int (*check_config)(struct store *store, const struct context *ctx,
                        const struct acme_dns01 *dns01, const char *secret_namespace,
                        struct err *err);
};
extern const struct dns_provider dns_provider_rfc2136;

/* The one that is configured. ERR_INVALID: none, or several. ERR_UNSUPPORTED: not built. */
int dns_provider_of(const struct acme_dns01 *dns01, const struct dns_provider **ret,
                    struct err *err);

#endif
