/*
 * order_run.h - inside of the order reconciler: one run over one Order, and its steps.
 *
 *   order.c             which step is next, and what the CA's order says
 *   order_place.c       newOrder, within the CA's budgets
 *   order_lost.c        an order that was made and is not in the store
 *   order_challenges.c  a Challenge for each authorization that is not valid yet
 *   order_finish.c      finalize, download, verify
 *
 * Only these files include it. A run belongs to one worker.
 */
#ifndef CONTROLLER_ORDER_RUN_H
#define CONTROLLER_ORDER_RUN_H

#include "controller/caches.h"
#include "controller/order_flow.h"
#include "controller/order_request.h"

struct order_run {
    struct controllers *self;
    const struct context *ctx;
    const struct key *key;
    const struct order_facts *facts;
    const struct order *order;
    const struct issuer *issuer;
    const struct object *request; /* of request_of_order() */
    struct acme_client *client;
    struct order_status status;    /* as it should be */
    struct cache_refs challenges;  /* whose owner is the Order */
    const struct challenge **ours; /* those of them that follow from it */
    size_t ours_count;
    const struct order *live; /* as it was read in this run, with its bytes; NULL: it was not */
    const char *advice;       /* on what to do if the next step fails for good; NULL */
    struct arena *arena;      /* for `status` */
    struct reconcile_result *result;
};

static inline struct author order_author(const struct order_run *run)
{
    return (struct author){run->self, run->ctx, LANE_ORDERS, run->key, MANAGER_ORDERS};
}
/* Writes `status` if it differs from what the cache has. */
int order_save(struct order_run *run, struct err *err);
/* The Order has come to a bad end; `reason` lives in the arena. */
int order_end_failed(struct order_run *run, int state, const char *reason, struct err *err);
/* What the failure of an ACME call means for the Order: shown and tried again, or the end. */
int order_settle(struct order_run *run, int code, const struct acme_problem *problem,
                 struct err *why, const char *step, struct err *err);
/* Asks the CA again at its Retry-After, else by next_poll_ms(). */
int order_look_again(struct order_run *run, int64_t retry_at_ms);
/* Nothing is left to do here, and the CA takes its time: said once it is longer than usual, and an end when
 * the order has expired or is old. */
int order_wait_for_ca(struct order_run *run, const struct acme_order *order, struct err *err);
/* So old that a new order is the better try. */
bool order_is_old(const struct order_run *run);

/* Takes note that the request asks for another try: the Order gets the same value, and the next run comes at once. */
int order_take_retry(struct order_run *run, struct err *err);
/* newOrder for an Order without a URL. ANNOTATION_RETRY frees its names, if they are its request's:
 * whoever can write Orders must not end the hold on the names of others. */
int order_place(struct order_run *run, struct err *err);
/* The open order at the CA that an earlier newOrder for `live` made: 1, or 0: none is known there. Negative: that
 * is not known yet, for order_settle(). */
int order_find_lost(struct order_run *run, const struct order *live, struct acme_order *ret,
                    struct acme_problem *problem, struct err *err);
/* The order has come to its end at the CA: what was held for its certificate is spent or comes back. */
void order_end_budget(struct order_run *run, bool issued);
/* An Order is acted on only if its spec is what its approved request yields (DESIGN 11): whoever can
 * create Orders must not get certificates by them. Reads both anew, in full, into `live` even if that is set.
 * ERR_DENIED, ERR_INVALID. */
int order_check_spec(struct order_run *run, struct err *err);
/* Fills `live` unless this run has read it. */
int order_read(struct order_run *run, struct err *err);

/* What the Challenges know of the authorizations, for a status that is written anyway: no write of its own. */
void order_describe_authorizations(struct order_run *run);
/* Fills `ours`. What somebody else wrote under our Order neither holds it up nor fails it. */
void order_find_ours(struct order_run *run);
/* Deletes those that have presented nothing and whose name the Issuer proves in another way by now, as after
 * its user gave it a solver that can. 1: the others are left in `ours`; 0: the Order waits or has ended. */
int order_drop_misplaced(struct order_run *run, struct err *err);
/* 1: each authorization is valid or has its Challenge; 0: the Order waits or has ended. */
int order_settle_authorizations(struct order_run *run, struct err *err);

int order_finalize(struct order_run *run, const struct acme_order *ready, struct err *err);
int order_download(struct order_run *run, const struct acme_order *order, struct err *err);

#endif
