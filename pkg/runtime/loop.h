/*
 * loop.h - what one turn of the controller loop needs; inside of runtime.
 */
#ifndef RUNTIME_LOOP_H
#define RUNTIME_LOOP_H

#include "runtime/controller.h"

struct loop { /* of the manager, shared by its workers */
    struct workqueue *queue;
    struct expectations *expectations;
    struct metrics *metrics;              /* may be NULL */
    const struct controller *controllers; /* by lane */
    uint64_t last_id;                     /* of a reconcile; atomic */
};

/* From hand-out to hand-back of one key. False: it is parked and was not run. */
bool controller_process(struct loop *loop, const struct context *parent, struct work *work);

#endif
