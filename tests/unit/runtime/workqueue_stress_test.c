/* Many threads; run it under the thread checker too. */
#include "support/testing.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/thread.h"
#include "runtime/workqueue.h"

enum { WORKERS = 8, ADDERS = 2, KEYS = 10000, ROUNDS = 3 };

struct bed {
    struct workqueue *queue;
    atomic_int in_hands[KEYS];
    atomic_int runs[KEYS];
    atomic_int doubles;
    atomic_int failures;
    atomic_int total;
};

static struct key key_of(int i, char namespace[16], char name[16])
{
    (void)snprintf(namespace, 16, "ns-%d", i % 50);
    (void)snprintf(name, 16, "%d", i);
    return (struct key){.namespace = namespace, .name = name};
}

static void add_keys(void *arg)
{
    struct bed *bed = arg;
    char namespace[16], name[16];
    struct key key;

    for (int round = 0; round < ROUNDS; round++)
        for (int i = 0; i < KEYS; i++) {
            key = key_of(i, namespace, name);
            workqueue_add(bed->queue, (unsigned)i % 2, &key,
                          i % 3 ? PRIORITY_NORMAL : PRIORITY_INITIAL);
        }
}

static void run_key(struct bed *bed, struct work *work)
{
    int i = atoi(work->key.name);

    if (atomic_fetch_add(&bed->in_hands[i], 1) != 0)
        atomic_fetch_add(&bed->doubles, 1);
    atomic_fetch_add(&bed->runs[i], 1);
    if (i % 7 == 0 && work->failures == 0) {
        atomic_fetch_add(&bed->failures, 1);
        (void)workqueue_add_failed(bed->queue, work->lane, &work->key);
    } else {
        workqueue_forget(bed->queue, work->lane, &work->key);
    }
    atomic_fetch_sub(&bed->in_hands[i], 1);
    workqueue_done(bed->queue, work);
    atomic_fetch_add(&bed->total, 1);
}

static void work_keys(void *arg)
{
    struct bed *bed = arg;
    struct context ctx = context_background(clock_system());
    struct work *work;

    while (workqueue_get(bed->queue, &ctx, &work, NULL) == 0)
        run_key(bed, work);
}

static void wait_until_quiet(struct bed *bed)
{
    struct context ctx = context_background(clock_system());

    /* A worker too many: it helps until nothing is left and no timer is set. */
    while (!workqueue_is_idle(bed->queue) || workqueue_next_due_ms(bed->queue) > 0) {
        struct context a_moment = context_with_timeout(&ctx, 1);
        struct work *work;

        if (workqueue_get(bed->queue, &a_moment, &work, NULL) == 0)
            run_key(bed, work);
    }
}

TEST(no_key_is_in_two_hands_and_none_is_lost)
{
    static const struct lane_options lanes[] = {
        {.name = "a", .max_in_work = 5, .backoff_min_ms = 1, .backoff_max_ms = 4},
        {.name = "b", .max_in_work = 5, .backoff_min_ms = 1, .backoff_max_ms = 4},
    };
    struct bed *bed = xalloc(sizeof(*bed));
    struct thread *workers[WORKERS], *adders[ADDERS];
    struct err err = {};
    int never = 0;

    bed->queue = workqueue_new(clock_system(), lanes, ARRAY_LEN(lanes));
    for (int i = 0; i < WORKERS; i++)
        ASSERT_OK(thread_start("worker", work_keys, bed, &workers[i], &err));
    for (int i = 0; i < ADDERS; i++)
        ASSERT_OK(thread_start("adder", add_keys, bed, &adders[i], &err));
    for (int i = 0; i < ADDERS; i++)
        thread_join(adders[i]);
    wait_until_quiet(bed);
    workqueue_close(bed->queue);
    for (int i = 0; i < WORKERS; i++)
        thread_join(workers[i]);
    for (int i = 0; i < KEYS; i++)
        never += bed->runs[i] == 0;
    print_message("%d runs for %d additions\n", bed->total, ADDERS * ROUNDS * KEYS);
    ASSERT_EQ(bed->doubles, 0);
    ASSERT_EQ(never, 0);
    ASSERT_TRUE(bed->failures >= KEYS / 7);
    workqueue_free(bed->queue);
    xfree(bed);
}

struct sleeper {
    struct workqueue *queue;
    struct cancel *cancel;
    int result;
};

static void wait_for_work(void *arg)
{
    struct sleeper *sleeper = arg;
    struct context ctx = context_background(clock_system());
    struct work *work;

    ctx.cancel = sleeper->cancel;
    sleeper->result = workqueue_get(sleeper->queue, &ctx, &work, NULL);
    if (sleeper->result == 0)
        workqueue_done(sleeper->queue, work);
}

TEST(close_cancel_and_an_earlier_timer_wake_who_waits)
{
    static const struct lane_options lane = {.name = "a"};
    cleanup(workqueue_free) struct workqueue *queue = workqueue_new(clock_system(), &lane, 1);
    struct sleeper canceled = {.queue = queue, .cancel = cancel_new()}, timed = {.queue = queue},
                   closed = {.queue = queue};
    struct key late = {"ns", "late"}, soon = {"ns", "soon"};
    int64_t now_ms = clock_wall_ms(clock_system());
    struct thread *thread;
    struct err err = {};

    workqueue_add_at(queue, 0, &late, now_ms + HOURS(1));
    ASSERT_OK(thread_start("canceled", wait_for_work, &canceled, &thread, &err));
    cancel_fire(canceled.cancel);
    thread_join(thread);
    ASSERT_OK(thread_start("timed", wait_for_work, &timed, &thread, &err));
    workqueue_add_at(queue, 0, &soon, now_ms + 5);
    thread_join(thread);
    ASSERT_OK(thread_start("closed", wait_for_work, &closed, &thread, &err));
    workqueue_close(queue);
    thread_join(thread);
    ASSERT_EQ(canceled.result, ERR_CANCELED);
    ASSERT_EQ(timed.result, 0);
    ASSERT_EQ(closed.result, ERR_GONE);
    cancel_unref(canceled.cancel);
}

RUN_TESTS(cmocka_unit_test(no_key_is_in_two_hands_and_none_is_lost),
          cmocka_unit_test(close_cancel_and_an_earlier_timer_wake_who_waits));
