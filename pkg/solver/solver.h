/*
 * solver.h - proves control of a name: one row per challenge type.
 *
 *   table.c         the rows
 *   pick.h          which of an Issuer's solvers a name gets (pure, behaviour.md 8)
 *   dns01.c         record name, zone, self-check on every authoritative server
 *   dns_provider.c  who writes a zone: one row per provider
 *   rfc2136.c       native provider: dynamic update with TSIG
 *   http01.c        answers by the program's own server, or by a file (webroot.c)
 *   http01_check.c  HTTP-01 as a solver, and its self-check
 *   secret_ref.c    Secrets that a configuration refers to
 *   config.c        is a solver's configuration usable?
 *
 * present and cleanup are idempotent and by exact value, so they work after a restart without any
 * saved state. No call waits for propagation: check looks once and says "not yet". Solver settings
 * come from the Issuer as it is now, never from a Challenge (incident GHSA-8rvj-mm4h-c258).
 */
#ifndef SOLVER_SOLVER_H
#define SOLVER_SOLVER_H

#include "api/challenge.h"
#include "cache/derived.h"
#include "dns/dns.h"
#include "http/http.h"
#include "store/store.h"

struct http01;

struct solvers { /* constant after start; parts are borrowed */
    struct store *store;
    struct derived *values; /* struct secret, by Secret; NULL: they are always read */
    struct dns *dns;
    struct http *http;
    struct http01 *http01;               /* NULL: in a cluster, nobody answers */
    struct dns_servers recursive;        /* --dns01-recursive-nameservers, or the system's */
    bool recursive_only;                 /* --dns01-recursive-nameservers-only */
    struct dns_servers http01_resolvers; /* --acme-http01-solver-nameservers; empty: the system's */
    uint16_t http01_port;                /* where a self-check asks: 80; tests use another */
};

/* secret_ref.c: the Secrets that solvers need, until they change: a burst of Challenges reads each once. In memory
 * only, wiped when they go. */
struct derived *solver_values_new(struct cache *secrets);

/* Values of Secrets that a record was written with: in memory only, wiped in the end. One thread at a time. */
struct solver_secrets;
struct solver_secrets *solver_secrets_new(void);
void solver_secrets_free(struct solver_secrets *secrets);
DEFINE_CLEANUP(struct solver_secrets, solver_secrets_free);

struct solver_task {      /* one name to prove; borrowed for the call */
    const char *dns_name; /* without "*."; may be an IP for HTTP-01 */
    bool wildcard;
    const char *token, *key;          /* as in Challenge.spec: DNS-01 key is the TXT value */
    const struct acme_solver *solver; /* of the Issuer */
    const char *secret_namespace;     /* where secret references resolve */
    /* NULL, or: present adds what it has read, and clean_up goes by that when a Secret is gone. */
    struct solver_secrets *secrets;
    bool *sent; /* NULL, or: set before a provider of DNS-01 is asked to write anything */
};

struct solver_ops {
    int type;                /* enum challenge_type */
    const char *acme_type;   /* "dns-01" */
    bool lives_in_process;   /* what present made ends with the process: call it in every run */
    int64_t check_budget_ms; /* after so long without success the CA is asked anyway */
    /* ERR_INVALID, ERR_UNSUPPORTED: configuration; ERR_NOT_FOUND: missing Secret; ERR_DENIED: refused by who was
     * asked; in all these nothing was written. Others: later, and what was sent may have been done. */
    int (*present)(struct solvers *solvers, const struct context *ctx,
                   const struct solver_task *task, struct err *err);
    /* 0: every server shows it. ERR_UNAVAILABLE: not yet, with what was seen where. */
    int (*check)(struct solvers *solvers, const struct context *ctx, const struct solver_task *task,
                 struct err *err);
    int (*clean_up)(struct solvers *solvers, const struct context *ctx,
                    const struct solver_task *task, struct err *err);
};
extern const struct solver_ops solver_dns01, solver_http01;
const struct solver_ops *solver_of(int challenge_type); /* NULL: none */
/* Is it by this error of present, and by task->sent, certain that nothing was written? */
bool solver_wrote_nothing(const struct solver_ops *ops, int code, bool sent);

/* Checks a solver's configuration without I/O but for Secrets that must exist: for the Issuer's
 * Ready condition (InvalidSolver) and `certlet check`. `store` NULL: Secrets are not looked at. */
int solver_check_config(struct store *store, const struct context *ctx,
                        const struct acme_solver *solver, const char *secret_namespace,
                        struct err *err);

#endif
