/*
 * clock_watch.h - a thread that hears when the wall clock is set or the machine wakes up.
 *
 * Timers of the queue are wall times, its waits are monotonic: after a jump it must look again.
 */
#ifndef RUNTIME_CLOCK_WATCH_H
#define RUNTIME_CLOCK_WATCH_H

#include "base/context.h"

/* Runs until cancelled; calls `changed(arg)` after each jump. Returns at once if the system has no
 * such timer: the queue looks every 60 s anyway. */
void clock_watch_run(struct cancel *cancel, void (*changed)(void *arg), void *arg);

#endif
