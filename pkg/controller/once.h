/*
 * once.h - when `certlet run --once` ends: nothing runs, nothing is due soon, files are written and
 * hooks have run. What is held back for longer (a back-off, a rate limit) is reported, not waited for.
 *
 * once_is_done() is pure; once_look() gathers what it is asked about, without blocking.
 */
#ifndef CONTROLLER_ONCE_H
#define CONTROLLER_ONCE_H

#include "controller/export.h"

/* What comes back within this time is part of the work: polls of a CA, self-checks, first retries. */
#define ONCE_PATIENCE_MS SECONDS(30)

struct once_view {
    bool is_idle;   /* nothing ready, running or parked, and the caches have seen every write */
    int64_t now_ms; /* wall */
    int64_t next_due_ms; /* the queue's next timer; 0: none */
    struct export_state export;
};
bool once_is_done(const struct once_view *view);
void once_look(struct controllers *controllers, struct once_view *ret);

#endif
