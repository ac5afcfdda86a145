/*
 * sim.h - the simulator: all reconcilers in one thread, with a clock that jumps.
 *
 *     users (tests) ─► local store in memory ◄─► all reconcilers ─► scripted CA, fake DNS, web root
 *                            ▲ faults, crashes        ▲ fake clock jumps from timer to timer
 *
 * A simulated program can be stopped, or crash at a chosen write or request, and start again: memory
 * is rebuilt, store, CA and name servers stay. The same seed gives the same run, key bytes included.
 *
 *     struct sim *sim = sim_new(AT("2026-01-01T00:00:00Z"));
 *
 *     sim_apply(sim, SIM_ISSUER);
 *     sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
 *     sim_run_until_idle(sim);
 *     ASSERT_STREQ(sim_condition(sim, "certificate/web", "Ready"), "True");
 *     sim_free(sim);
 *
 * Objects are named "kind/name" in the namespace default, or "kind/namespace/name". What the getters
 * lend lives until sim_free(). sim_free() checks what must always hold (sim_check.c). Everything fails
 * the test by itself. One simulator at a time.
 */
#ifndef SUPPORT_SIM_H
#define SUPPORT_SIM_H

#include "controller/controllers.h"
#include "support/fake_ca.h"
#include "support/fake_dns.h"
#include "support/testing.h"

struct sim;
struct sim_options {
    int64_t start_ms;
    uint64_t seed;               /* 0: 1 */
    struct fake_ca_options ca;   /* validate, fault and seed are the simulator's */
    int64_t ari_every_ms;        /* Retry-After of renewal information; 0: the CA's */
    int max_challenges;          /* 0: 60 */
    bool owner_ref;              /* --enable-certificate-owner-ref */
    bool others_approve;         /* no approval of our own */
    bool no_http01;              /* nobody answers it, as in a cluster */
    const char *only_namespaces; /* --namespace: "a,b"; NULL: all */
    const char *issuer_off;      /* --controllers=-certificaterequests-issuer-TYPE; NULL: none */
    bool split_secrets; /* as in a cluster; then the program's watches are late by chance, too */
};
struct sim *sim_new(int64_t start_ms);
struct sim *sim_new_with(const struct sim_options *options);
/* With an order in flight for Certificate 'web': its record is there and waits for the second name server. */
struct sim *sim_new_in_flight(const struct sim_options *options);
void sim_free(struct sim *sim);

/* Zones example.com, example.net and example.org are there; HTTP-01 reaches us for every name. */
#define SIM_ACME_ISSUER(name, more)                                                                \
    "apiVersion: cert-manager.io/v1\nkind: Issuer\nmetadata: {name: " name                         \
    ", namespace: default}\n"                                                                      \
    "spec:\n  acme:\n    server: " FAKE_CA_DIRECTORY                                               \
    "\n    privateKeySecretRef: {name: acme-account}\n" more
#define SIM_BY_DNS  "    solvers: [{dns01: {rfc2136: {nameserver: " FAKE_DNS_PRIMARY "}}}]\n"
#define SIM_BY_HTTP "    solvers: [{http01: {ingress: {}}}]\n"
#define SIM_ISSUER  SIM_ACME_ISSUER("acme", SIM_BY_DNS)
/* `names` is YAML flow, `more` further lines of the spec. */
#define SIM_CERTIFICATE(name, names, more)                                                         \
    "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: " name                    \
    ", namespace: default}\nspec:\n  dnsNames: " names "\n  secretName: " name                     \
    "-tls\n  issuerRef: {name: acme}\n  privateKey: {algorithm: ECDSA, size: 256}\n" more

/* --- what users do --- */

void sim_apply(struct sim *sim, const char *yaml);                   /* as kubectl apply */
void sim_patch(struct sim *sim, const char *name, const char *yaml); /* RFC 7396 */
void sim_delete(struct sim *sim, const char *name);
/* In the status, as kubectl-plugins do it: Denied, Issuing. */
void sim_set_condition(struct sim *sim, const char *name, const char *type, const char *status,
                       const char *reason, const char *message);

/* --- time --- */

/* Runs what is due, and waits for what is due within a minute, for ten minutes at most. */
void sim_run_until_idle(struct sim *sim);
void sim_advance(struct sim *sim, int64_t by_ms);
int64_t sim_now(const struct sim *sim);
const struct fake_clock *sim_clock(const struct sim *sim);

/* --- what is there --- */

const struct json *sim_get(struct sim *sim, const char *name); /* NULL: is not there */
/* What a backup has of it, for sim_apply(); the caller's. */
char *sim_backup(struct sim *sim, const char *name);
const char *sim_text(struct sim *sim, const char *name, const char *path); /* numbers, too; NULL */
int64_t sim_time(struct sim *sim, const char *name, const char *path);     /* ms; 0: absent */
const char *sim_condition(struct sim *sim, const char *name, const char *type); /* its status */
const char *sim_reason(struct sim *sim, const char *name, const char *type);
const char *sim_message(struct sim *sim, const char *name, const char *type);
const char *sim_secret(struct sim *sim, const char *name, const char *key); /* decoded data */
size_t sim_count(struct sim *sim, const char *kind);                        /* objects of it */
/* The only object of a kind: "order" gives "order/default/web-1-123". Fails if there are others. */
const char *sim_only(struct sim *sim, const char *kind);
bool sim_has_event(struct sim *sim, const char *name, const char *reason);
int sim_times_told(struct sim *sim, const char *name, const char *reason); /* of a series, each */
size_t sim_events(struct sim *sim, const char *name);                      /* about it */

struct fake_ca *sim_ca(struct sim *sim);
struct fake_dns *sim_dns(struct sim *sim);
int sim_orders_placed(struct sim *sim);
int sim_orders_finalized(struct sim *sim);
bool sim_has_account(struct sim *sim, const char *issuer); /* in memory, with its key */
size_t sim_http_files(struct sim *sim);                    /* HTTP-01 answers that are presented */
uint64_t sim_random(struct sim *sim, uint64_t below);      /* of the scenario's own chance */

/* --- what goes wrong --- */

/* The next `count` requests to the endpoint (NULL: any), before or after their effect. */
void sim_fail_ca(struct sim *sim, const char *endpoint, enum fake_ca_fault fault, bool after,
                 int count);
struct sim_faults { /* of 10,000 calls, so many; 0: none */
    unsigned ca, dns, store;
};
void sim_set_faults(struct sim *sim, const struct sim_faults *faults);
/* Of the program's writes the first, the fourth, ... are denied, each in other words, as by a policy engine
 * that tells the number of the request. */
void sim_refuse_every_third_write(struct sim *sim, bool refuse);
/* At point `n` a write of the program is refused with this code, once. */
void sim_refuse_at(struct sim *sim, int n, enum err_code code);
/* Merged into every object of the kind that is created or applied, as by a mutating policy; NULL: no more. */
void sim_change_written(struct sim *sim, const char *kind, const char *yaml);
int sim_written(const struct sim *sim);             /* of the kind, from then on */
void sim_set_ca_down(struct sim *sim, bool down);   /* every connection is refused */
void sim_set_http_down(struct sim *sim, bool down); /* HTTP-01: nobody reaches us */

/* Points: store writes, requests to the CA, DNS updates, counted from the start on. */
int sim_points(const struct sim *sim);
/* At point `n` the program crashes, before its effect or after it with the answer lost: from there on
 * every call fails, and nothing runs before sim_restart(). */
void sim_crash_at(struct sim *sim, int n, bool after);
bool sim_has_crashed(const struct sim *sim);
/* Ends the program (in order, unless it has crashed) and starts it again. */
void sim_restart(struct sim *sim);
void sim_let_others_approve(struct sim *sim, bool others); /* from the next start on */
void sim_collect_late(struct sim *sim, bool late); /* garbage collection only at a restart */
/* Ends the program as it is, makes of what it left what cert-manager would have left, and starts it
 * (sim_swap.c). */
void sim_swap_in(struct sim *sim);

/* --- what must hold --- */

void sim_check(struct sim *sim); /* now; sim_free() does, too */
/* A certificate that expires while it is watched fails the test. */
void sim_watch_expiry(struct sim *sim);
/* So does a renewal outside of the windows of its Certificate, or behind its time. Cron lines are of numbers. */
void sim_watch_windows(struct sim *sim);
int sim_windowed_renewals(const struct sim *sim); /* seen */
/* Of Certificates that name one Secret, any but the owner that issues or writes it, or does not say why not. */
void sim_watch_owners(struct sim *sim);
void sim_allow_limit_violations(struct sim *sim);
void sim_print_state(struct sim *sim); /* what is not Ready and why, to standard error */

#endif
