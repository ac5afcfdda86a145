/*
 * controllers.h - what all reconcilers share, and the table of them (table.c).
 *
 *   certificate          Certificate ─► next key Secret, CertificateRequest, target Secret
 *   certificate_request  approval, then the issuer named by the request: for ACME an Order
 *   signing_request      CertificateSigningRequest ─► the issuer that its signer's name means
 *   issuer               Issuer and ClusterIssuer: account, Ready condition
 *   order                Order ─► ACME order, Challenges, certificate
 *   challenge            Challenge ─► solver, ACME challenge
 *   manifests, export    files of a directory in and out (`certlet run`)
 *
 * A reconciler never calls another one: it writes an object, and the other sees it. Which change
 * wakes whom stands in watches.c.
 */
#ifndef CONTROLLER_CONTROLLERS_H
#define CONTROLLER_CONTROLLERS_H

#include "api/certificate.h"
#include "api/certificate_request.h"
#include "api/challenge.h"
#include "api/issuer.h"
#include "api/kinds.h"
#include "api/order.h"
#include "api/secret.h"
#include "cache/cache.h"
#include "issuer/issuers.h"
#include "runtime/controller.h"
#include "solver/solver.h"

enum lane {
    LANE_CERTIFICATES,
    LANE_REQUESTS,
    LANE_ISSUERS,
    LANE_CLUSTER_ISSUERS,
    LANE_ORDERS,
    LANE_CHALLENGES,
    LANE_SIGNING_REQUESTS,
    LANE_EXPORT,
    LANE_COUNT
};

/* Field managers are cert-manager's (MANAGER_ISSUING: api/kinds.h), so that what either wrote can be
 * taken back by the other. */
#define MANAGER_CERTS      "cert-manager-certificates"
#define MANAGER_REQUESTS   "cert-manager-certificaterequests"
#define MANAGER_SIGNING    "cert-manager-certificatesigningrequests"
#define MANAGER_ISSUERS    "cert-manager-issuers"
#define MANAGER_ORDERS     "cert-manager-orders"
#define MANAGER_CHALLENGES "cert-manager-challenges"

struct caches {
    struct cache *certificates;     /* struct certificate */
    struct cache *requests;         /* struct request_facts */
    struct cache *issuers;          /* struct issuer */
    struct cache *cluster_issuers;  /* struct issuer */
    struct cache *orders;           /* struct order_facts */
    struct cache *challenges;       /* struct challenge */
    struct cache *secrets;          /* struct secret_facts */
    struct cache *signing_requests; /* struct signing_request_facts; without options, empty */
};

struct controllers_options {
    const char *resource_namespace;            /* --cluster-resource-namespace */
    bool approve;                              /* own approval of requests */
    bool owner_ref;                            /* --enable-certificate-owner-ref */
    bool all_events;                           /* --events=all */
    struct strlist copied_annotation_prefixes; /* --copied-annotation-prefixes */
    int max_challenges;                        /* --max-concurrent-challenges */
    int64_t backoff_min_ms,
        backoff_max_ms;     /* --certificate-request-{minimum,maximum}-backoff-duration */
    int64_t check_retry_ms; /* --dns01-check-retry-period */
    unsigned lanes_off; /* --controllers: bit (1 << enum lane); their objects stay as they are */
    struct strlist
        issuers_off; /* --controllers: types whose requests are another program's, in any case */
    bool signing_requests; /* the gate of CertificateSigningRequests; else nobody watches them */
    struct strlist signing_issuers_off;                /* the same for them as issuers_off */
    int64_t dns_check_budget_ms, http_check_budget_ms; /* 0: 5 min, 60 s */
    struct strlist only_namespaces; /* --namespace; empty: all, and ClusterIssuers */
    bool with_cluster_issuers;      /* with some namespaces, too: a person may read them */
    /* Secrets without our label as metadata only: less memory, and a live read where it matters. For an API
     * server; the local store has what is in it at hand anyway. */
    bool split_secrets;
};

struct challenges; /* in-memory notes of the challenge reconciler */
struct placed;
struct keymaker; /* in-memory notes of the order reconciler */
struct writers;  /* in-memory notes of who overwrote target Secrets */

struct export;

struct controllers {
    struct store *store;
    const struct clock *clock;
    struct metrics *metrics;
    struct caches caches;
    struct manager *manager;
    struct workqueue *queue;
    struct expectations *expectations;
    struct issuers issuers;
    struct solvers *solvers;
    struct challenges *challenges;
    struct writers *writers;
    struct placed *placed;
    struct keymaker *keymaker;
    struct export *export; /* only for directories; NULL: LANE_EXPORT does nothing */
    struct controllers_options options;
    int64_t started_at_ms; /* wall clock */
    int64_t work_since_ms; /* controllers_work_since_ms(); several threads */
};

/* Parts that a caller owns and lends. */
struct controllers_parts {
    struct store *store;
    const struct clock *clock;
    struct http *http;
    struct solvers *solvers;
    struct metrics *metrics; /* may be NULL */
    struct accounts *accounts;
    enum key_algorithm new_account_key;
    int workers; /* 0: one-threaded test */
    int max_per_controller;
};
/* Makes caches, manager and wiring; nothing runs yet (controllers_start(), manager_process_next()). */
int controllers_new(const struct controllers_parts *parts,
                    const struct controllers_options *options, struct controllers **ret,
                    struct err *err);
/* manager_start(), when no other process leads (any more): what the store has until now, others have made. */
int controllers_start(struct controllers *controllers, const struct context *ctx, struct err *err);
/* Its first half, for one-threaded tests. */
void controllers_begin(struct controllers *controllers);
/* Wall clock of controllers_begin(); 0: standing by. Any thread. */
int64_t controllers_work_since_ms(const struct controllers *controllers);
void controllers_free(struct controllers *controllers);
DEFINE_CLEANUP(struct controllers, controllers_free);

reconcile_fn certificate_reconcile, certificate_request_reconcile, issuer_reconcile,
    cluster_issuer_reconcile, order_reconcile, challenge_reconcile, signing_request_reconcile,
    export_reconcile;

/* --- certificate_request.c --- */

/* What a request says from its approval until its issuer has taken it up: no news to anybody. */
#define REQUEST_WAITS_FOR_ISSUER "Waiting for the issuer to sign the request"
void request_approve(struct certificate_request_status *status, int64_t now_ms,
                     struct arena *arena);
/* Certificate, CA and Ready of SIGN_ISSUED. */
void request_issue(struct certificate_request_status *status, const struct sign_result *result,
                   int64_t now_ms, struct arena *arena);

/* --- order_place.c --- */

/* The counter is there from the start, with 0: what rises from nothing is no increase to whoever watches it. */
void orders_in_doubt_begin(struct metrics *metrics);

/* --- objects.c: reads and writes that every reconciler needs --- */

/* The issuer a reference means, from the caches; NULL when it does not exist (or is of another group). */
const struct issuer *issuer_of(struct controllers *self, const struct issuer_reference *ref,
                               const char *namespace);
bool issuer_is_ready(const struct issuer *issuer);
/* Why an issuer cannot be asked, or not now; NULL: it can. The reason is an event's. `kind` and `name` are what
 * the request says. */
const char *issuer_missing(const struct issuer *issuer, const char *kind, const char *name,
                           struct arena *arena, const char **ret_reason);
const char *issuer_unready(const struct issuer *issuer, struct arena *arena,
                           const char **ret_reason);
/* The two together, or that --namespace leaves ClusterIssuers out. */
const char *issuer_obstacle(const struct controllers *self, const struct issuer *issuer,
                            const struct issuer_reference *ref, struct arena *arena,
                            const char **ret_reason);
/* Are its requests another program's (options.issuers_off)? NULL: nobody knows, so no. */
bool issuer_is_off(const struct controllers *self, const struct issuer *issuer);
bool issuer_is_among(const struct issuer *issuer, const struct strlist *types);

/* One run of a reconciler, as the author of what it writes. A write is expected by (lane, key): the key is
 * not run again until its own cache has seen it. */
struct author {
    struct controllers *self;
    const struct context *ctx;
    enum lane lane;
    const struct key *key;
    const char *manager; /* MANAGER_... */
};
/* Whole status with the object's resourceVersion. */
int write_status(struct author author, const struct object *object, const void *status,
                 struct err *err);
/* The same; what is stored now, as of the calls below: may be NULL. */
int write_status_stored(struct author author, const struct object *object, const void *status,
                        struct json **ret_stored, struct err *err);
/* Whole status of an object as it was read: of a kind whose status is written along with its metadata. */
int write_whole_status(struct author author, const struct kind *kind, const struct json *object,
                       struct err *err);
/* Create; ERR_EXISTS comes back as it is. */
int write_new(struct author author, const struct json *object, struct json **ret_stored,
              struct err *err);
int write_apply(struct author author, const struct json *object, struct json **ret_stored,
                struct err *err);
/* Merge patch of exactly this object (uid precondition). ERR_NOT_FOUND. */
int write_patch(struct author author, const struct object *object, const struct json *patch,
                struct err *err);
/* Delete exactly this object (uid precondition). Gone already is success. */
int write_delete(struct controllers *self, const struct context *ctx, const struct object *object,
                 struct err *err);
/* The same for who tells of it: ERR_NOT_FOUND where it is gone already, and the cache is behind. */
int write_delete_once(struct controllers *self, const struct context *ctx,
                      const struct object *object, struct err *err);
/* Decoded in full, as `cached` is: from what was just written, else live, which may be newer. */
int read_full(struct controllers *self, const struct context *ctx, const struct object *cached,
              const struct object **ret, struct err *err);

/* Events: `event` only with --events=all for Normal ones that are not sent by default (DESIGN 6). */
void event(struct controllers *self, const struct context *ctx, const struct object *about,
           enum event_type type, const char *reason, const char *fmt, ...) PRINTF_LIKE(6, 7);
/* Two events with one reason about one object are one series, which shows the first text only; an action
 * of its own tells the second apart (kubernetes.md 8). */
void event_of_action(struct controllers *self, const struct context *ctx,
                     const struct object *about, const char *reason, const char *action,
                     const char *message);
void event_extra(struct controllers *self, const struct context *ctx, const struct object *about,
                 const char *reason, const char *fmt, ...) PRINTF_LIKE(5, 6);

/* Annotations of `from` that --copied-annotation-prefixes lets through (behaviour.md 15). */
void copied_annotations(struct controllers *self, const struct array_pair *from,
                        struct arena *arena, struct array_pair *ret);

#endif
