/*
 * controller.h - take a key, reconcile, then forget, requeue or back off. Read this file first.
 *
 * A controller is a row: a name, a function, its back-off and deadline. The manager owns the queue,
 * the expectations, the reflector threads and the worker threads that all controllers share.
 */
#ifndef RUNTIME_CONTROLLER_H
#define RUNTIME_CONTROLLER_H

#include "cache/cache.h"
#include "metrics/metrics.h"
#include "runtime/expectations.h"
#include "runtime/workqueue.h"

struct reconcile_result {
    /* Wall clock; 0: only when something changes. Ends what an earlier run has said. */
    int64_t requeue_at_ms;
};
/* Not later than `at_ms`. */
static inline void reconcile_again_by(struct reconcile_result *result, int64_t at_ms)
{
    if (result->requeue_at_ms == 0 || at_ms < result->requeue_at_ms)
        result->requeue_at_ms = at_ms;
}
typedef int reconcile_fn(void *self, const struct context *ctx, const struct key *key,
                         struct reconcile_result *ret_result, struct err *err);
struct controller {
    const char *name; /* "certificates" */
    const char *kind; /* "Certificate": for the log */
    reconcile_fn *reconcile;
    void *self;
    int64_t backoff_min_ms, backoff_max_ms;
    int64_t deadline_ms; /* of one run */
};

struct manager;
struct manager_options {
    const struct clock *clock;
    struct store *store;
    struct metrics *metrics; /* may be NULL; must not be printed once the manager is freed */
    int workers;             /* threads shared by all; 0 in one-threaded tests */
    int max_per_controller;  /* --concurrent-workers */
};
struct manager *manager_new(const struct manager_options *options,
                            const struct controller *controllers, size_t count);
void manager_free(struct manager *manager); /* stopped or never started */
DEFINE_CLEANUP(struct manager, manager_free);
struct workqueue *manager_queue(struct manager *manager);
struct expectations *manager_expectations(struct manager *manager);
/* Before start: a cache to be kept in step by a reflector with a thread of its own, once for each view
 * (NULL: all; borrowed, must have been checked). The manager does not own the cache. */
void manager_add_source(struct manager *manager, struct cache *cache,
                        const struct store_view *view);

/* Starts the reflectors ahead of manager_start(), so that the first lists are read beside what else there
 * is to do. */
int manager_list(struct manager *manager, struct err *err);
/* After that: waits until the caches have seen what was written in between. Only of a local store can that be
 * asked at once; an API server has other writers anyway. */
int manager_catch_up(struct manager *manager, const struct context *ctx, struct err *err);
/* Starts reflectors, waits until all caches are synced, then starts the workers. */
int manager_start(struct manager *manager, const struct context *ctx, struct err *err);
bool manager_is_synced(struct manager *manager);
/* Queue closed, running reconciles get 1 s, then are cancelled; workers and reflectors joined. */
void manager_stop(struct manager *manager);
/* Nothing ready, in work or parked, and every cache has seen the store's last change. */
bool manager_is_idle(struct manager *manager);

/* Without a thread: fills the caches once. Nothing runs, then or later. */
int manager_read(struct manager *manager, const struct context *ctx, struct err *err);

/* One-threaded: take events into the caches and run one due key. 1: ran one, 0: nothing to do. */
int manager_process_next(struct manager *manager, const struct context *ctx);

#endif
