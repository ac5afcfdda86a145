/*
 * elector.h - of several processes, the one that works: whoever holds a Lease (kubernetes.md 9).
 *
 *      standby ──the Lease is free, or its record did not change for as long as it says──► leading
 *         ▲ looks every retry_ms x [1, 2.2), and watches, so that          │ renews every retry_ms
 *         │ a released Lease is taken at once                             ▼
 *      elector_start()              ended ◄── another holds it, or no renewal worked in time: lost()
 *
 * The rules are client-go's, because cert-manager's controller may be the other one during a migration,
 * but for one point: we also stop when the Lease that others see has run out, whatever the deadline says.
 * Who writes asks elector_is_leader() before (kube_options.may_write), but nothing fences off a process that is paused
 * behind that: each write must be safe under two leaders for a moment.
 *
 * The elector has one thread, on which its callbacks run; they must be short, because renewals wait for
 * them, and must not stop the elector. elector_is_leader(), elector_is_healthy() and elector_holder(): any thread.
 */
#ifndef RUNTIME_ELECTOR_H
#define RUNTIME_ELECTOR_H

#include "metrics/metrics.h"
#include "store/store.h"

struct elector_options { /* texts are copied; the rest must outlive the elector */
    struct store
        *store; /* with a connection of its own: renewals must not wait behind large lists */
    const struct clock *clock;
    struct metrics *metrics;      /* may be NULL */
    const char *namespace, *name; /* of the Lease: "cert-manager-controller" */
    const char *identity;         /* of no other process, ever: elector_identity() */
    int64_t lease_ms;             /* others wait that long after our last renewal */
    int64_t renew_deadline_ms;    /* a renewal may take that long, with all its tries */
    int64_t retry_ms;             /* between tries, and between renewals */
    /* NULL, or after each renewal, before it is logged: the Lease is ours for so long, and should this thread be held up,
     * the process must not outlive it. */
    void (*held)(void *arg, int64_t for_ms);
    void (*leading)(void *arg);
    /* At most once, before anything else: stop writing and end the process. `why` is for the log. */
    void (*lost)(void *arg, const char *why);
    void *arg;
};

/* "<host>_<uuid>" */
char *elector_identity(const char *host);

/* ERR_INVALID: not lease > deadline > retry x 1.2, which the rules need. */
int elector_check_times(int64_t lease_ms, int64_t renew_deadline_ms, int64_t retry_ms,
                        struct err *err);

struct elector;
/* ERR_INVALID: elector_check_times(); a name or identity is missing. */
int elector_new(const struct elector_options *options, struct elector **ret, struct err *err);
void elector_free(struct elector *self); /* stops it first */
DEFINE_CLEANUP(struct elector, elector_free);
int elector_start(struct elector *self, struct err *err);
/* After the workers have ended: releases the Lease if we hold it, within 2 s, or within the given time. */
void elector_stop(struct elector *self);
void elector_stop_within(struct elector *self, int64_t within_ms);

/* False also when the thread has not noticed yet that the time is up. */
bool elector_is_leader(struct elector *self);
/* For /livez: not once we led and the Lease ran out more than `slack_ms` ago, and yet we are here. */
bool elector_is_healthy(struct elector *self, int64_t slack_ms);
/* Who holds it as far as we know, cut to fit; "": nobody, or not known. */
#define ELECTOR_HOLDER_MAX 256
void elector_holder(struct elector *self, char to[ELECTOR_HOLDER_MAX]);

/* One step, by the thread or in its place by a one-threaded test; milliseconds until the next. */
int64_t elector_turn(struct elector *self, const struct context *ctx);

#endif
