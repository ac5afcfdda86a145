/*
 * workqueue.h - keys to be reconciled: one queue for the process, a lane per controller.
 *
 * The contract of client-go's workqueue (kubernetes.md 6): a key is in no two workers at once; a key
 * added while it runs is run once more; adding a waiting key again changes nothing, except that a
 * higher priority or an earlier time wins. It owns no thread. Lanes have a cap of keys in work
 * (--concurrent-workers); among what is ready, higher priority goes first, but for every fourth turn, then
 * namespaces take turns within a lane, so that one tenant's thousand keys do not delay another's one.
 *
 * Waiting costs a timer: workqueue_add_at() takes wall time, and the queue looks at the wall clock at
 * least every 60 s, so that a suspended machine wakes up right, and one whose clock is set back waits no
 * longer. Any thread.
 */
#ifndef RUNTIME_WORKQUEUE_H
#define RUNTIME_WORKQUEUE_H

#include "base/context.h"
#include "metrics/metrics.h"
#include "store/resource.h"

struct workqueue;
struct work { /* a key in work; belongs to the queue until workqueue_done() */
    unsigned lane;
    struct key key;
    unsigned failures; /* in a row, before this run */
    unsigned busy;     /* runs in a row that found a share used up; the loop counts */
};
struct lane_options {
    const char *name;
    int max_in_work;                        /* 0: no cap */
    int64_t backoff_min_ms, backoff_max_ms; /* doubling (behaviour.md 0) */
};
enum work_priority { PRIORITY_INITIAL = -100, PRIORITY_NORMAL = 0 };

struct workqueue *workqueue_new(const struct clock *clock, const struct lane_options *lanes,
                                size_t lane_count);
void workqueue_free(struct workqueue *queue);
DEFINE_CLEANUP(struct workqueue, workqueue_free);

void workqueue_add(struct workqueue *queue, unsigned lane, const struct key *key,
                   enum work_priority priority);
/* Not before `at_ms` (wall). An earlier time replaces a later one; workqueue_add() does not cancel it. */
void workqueue_add_at(struct workqueue *queue, unsigned lane, const struct key *key, int64_t at_ms);
/* Takes the timer back if it is still the one for `at_ms`. */
void workqueue_cancel_at(struct workqueue *queue, unsigned lane, const struct key *key,
                         int64_t at_ms);
/* After the lane's back-off for this key's failures in a row, which it counts up. Returns the time. */
int64_t workqueue_add_failed(struct workqueue *queue, unsigned lane, const struct key *key);
/* What that would return now, of a key in work; or the time of its timer, if that is earlier. */
int64_t workqueue_next_try_ms(struct workqueue *queue, unsigned lane, const struct key *key);
/* Its failures, and when it was to come back for them or by its own wish: a run that ended well says that anew. */
void workqueue_forget(struct workqueue *queue, unsigned lane, const struct key *key);

/* Waits for a key that is due; ERR_CANCELED, ERR_TIMEOUT (the context's), or ERR_GONE once closed. */
int workqueue_get(struct workqueue *queue, const struct context *ctx, struct work **ret,
                  struct err *err);
/* Without waiting: NULL when nothing is due now. */
struct work *workqueue_try_get(struct workqueue *queue);
/* Calls nobody: who has done one gets the next, and that calls others if there are more. */
void workqueue_done(struct workqueue *queue, struct work *work);

void workqueue_close(struct workqueue *queue); /* nothing more is handed out or taken in */
/* Nothing ready and nothing in work (timers aside). */
bool workqueue_is_idle(struct workqueue *queue);
int64_t workqueue_next_due_ms(struct workqueue *queue); /* wall; 0: no timer */

/* What has become of a lane's keys, for metrics; counted since the queue was made. */
struct lane_stats {
    size_t ready;
    int in_work;
    uint64_t adds;             /* that made a key ready, or ready again after its run */
    uint64_t retries;          /* after a failure */
    int64_t unfinished_ms;     /* of what is in work, added up */
    int64_t longest_ms;        /* of what is in work */
    struct metric_times waits; /* ready until handed out; workqueue_buckets */
    struct metric_times works; /* handed out until done */
};
extern const double workqueue_buckets[];
size_t workqueue_depth(struct workqueue *queue, unsigned lane); /* ready */
void workqueue_stats(struct workqueue *queue, unsigned lane, struct lane_stats *ret);
/* Wall clock was set: look at the timers again. */
void workqueue_clock_changed(struct workqueue *queue);

#endif
