/*
 * challenge_run.h - inside of the challenge reconciler: one run over one Challenge, and its steps.
 *
 *   challenge.c           which step is next, and what the CA says of the name
 *   challenge_solver.c    the solver that the Issuer has for it
 *   challenge_present.c   within --max-concurrent-challenges, and the solver's part
 *   challenge_ask.c       self-check within its budget, then the CA is asked, and waited for
 *   challenge_cleanup.c   the finalizer, and what it is for
 *
 * Only these files include it. A run belongs to one worker.
 */
#ifndef CONTROLLER_CHALLENGE_RUN_H
#define CONTROLLER_CHALLENGE_RUN_H

#include "controller/caches.h"
#include "controller/challenges.h"
#include "controller/facts.h"
#include "controller/order_flow.h"

struct challenge_run {
    struct controllers *self;
    const struct context *ctx;
    const struct key *key;
    const struct challenge *challenge;
    const struct issuer *issuer;
    const struct solver_ops *ops;
    struct acme_client *client;
    struct challenge_means *means; /* NULL: not presented by this process */
    struct solver_task task;
    struct challenge_status status; /* as it should be */
    struct arena *arena;
    struct reconcile_result *result;
};

static inline struct author challenge_author(const struct challenge_run *run)
{
    return (struct author){run->self, run->ctx, LANE_CHALLENGES, run->key, MANAGER_CHALLENGES};
}
/* Writes `status` if it differs from what the cache has. */
int challenge_save(struct challenge_run *run, struct err *err);
/* The end of it, with its event; `reason` lives in the arena. */
int challenge_end(struct challenge_run *run, int state, const char *reason, struct err *err);
/* Shown as the reason; looked at again at `at_ms`, or by back-off with the error. */
int challenge_wait(struct challenge_run *run, const char *reason, int64_t at_ms, struct err *err);
/* What the failure of an ACME call means for the Challenge: shown and tried again, or the end. */
int challenge_settle(struct challenge_run *run, int code, const struct acme_problem *problem,
                     struct err *why, const char *step, struct err *err);

int challenge_read_authorization(struct challenge_run *run, struct acme_authorization *ret,
                                 struct err *why, struct acme_problem *problem);
/* The one with this URL; NULL: it is not the authorization's. */
const struct acme_challenge *challenge_find_offer(const struct acme_authorization *authorization,
                                                  const char *url);

/* The solver of the Issuer for this name, as it is now. NULL: there is none, or the Challenge does not follow from an
 * Order; `err` says which. */
const struct acme_solver *challenge_current_solver(struct challenge_run *run, struct err *err);
/* For cleaning up after the Order has ended or gone: the Issuer's solver that the Challenge was made with, or,
 * when the Issuer was edited since, the one that it has for the name now; NULL: none. A solver that only the Challenge
 * knows is never used. */
const struct acme_solver *challenge_solver_without_order(struct challenge_run *run);

/* One of --max-concurrent-challenges. */
bool challenge_take_place(struct challenge_run *run);
int challenge_wait_for_place(struct challenge_run *run);
/* By the solver, again and again. A failure is shown as the reason, and tried again by back-off. */
int challenge_present(struct challenge_run *run, struct err *err);

/* 1: the CA may be asked; 0: not yet, looked at again by a timer. */
int challenge_self_check(struct challenge_run *run, struct err *err);
int challenge_ask(struct challenge_run *run, struct err *err);
/* A CA that never decides must not hold a place for ever. */
bool challenge_is_overdue(struct challenge_run *run,
                          const struct acme_authorization *authorization);
/* Asked, and the CA takes its time: said once it is longer than usual. */
int challenge_wait_for_ca(struct challenge_run *run, int64_t asked_ms, int64_t retry_at_ms,
                          struct err *err);

bool challenge_has_finalizer(const struct challenge *challenge);
/* Before anything is presented, so that no record is left behind; not before the Challenge is known to be the CA's,
 * since what has a finalizer is cleaned up. */
int challenge_add_finalizer(struct challenge_run *run, struct err *err);
int challenge_clean_up(struct challenge_run *run, struct err *err);

#endif
