/*
 * loop.h - what one turn of the controller loop needs; inside of runtime.
 */
#ifndef RUNTIME_LOOP_H
#define RUNTIME_LOOP_H

#include "runtime/controller.h"

enum run_result { RUN_SUCCESS, RUN_REQUEUE_AFTER, RUN_REQUEUE, RUN_ERROR, RUN_RESULTS };
struct run_stats { /* of one controller; atomics */
    uint64_t results[RUN_RESULTS];
    struct metric_times took;
};

struct loop { /* of the manager, shared by its workers */
    struct workqueue *queue;
    struct expectations *expectations;
    struct metrics *metrics;              /* may be NULL */
    const struct controller *controllers; /* by lane */
    size_t controller_count;
    int max_per_controller;
    struct run_stats *stats; /* by lane; NULL: not counted */
    uint64_t last_id;        /* of a reconcile; atomic */
};

/* loop_metrics.c: begins to count, and shows that and the queue in `metrics`, which must not be printed once the
 * loop is gone. */
void loop_metrics_init(struct loop *loop);
void loop_metrics_deinit(struct loop *loop);
/* By one run that has ended. */
void loop_metrics_count(struct loop *loop, unsigned lane, enum run_result result, int64_t took_ms);

/* From hand-out to hand-back of one key. False: it is parked and was not run. */
bool controller_process(struct loop *loop, const struct context *parent, struct work *work);

#endif
