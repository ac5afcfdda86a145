/* The contract of client-go's workqueue (kubernetes.md 6), with a clock that stands still. */
#include "support/testing.h"

#include <stdio.h>

#include "base/str.h"
#include "runtime/workqueue.h"

enum { LANE_A, LANE_B, LANE_COUNT };

struct bed {
    struct fake_clock clock;
    struct workqueue *queue;
};

static const struct lane_options lanes[LANE_COUNT] = {
    [LANE_A] = {.name = "a", .backoff_min_ms = SECONDS(1), .backoff_max_ms = SECONDS(30)},
    [LANE_B] = {.name = "b", .backoff_min_ms = SECONDS(5), .backoff_max_ms = MINUTES(5)},
};

static void bed_init_with(struct bed *bed, int cap)
{
    struct lane_options capped[LANE_COUNT];

    memcpy(capped, lanes, sizeof(capped));
    capped[LANE_A].max_in_work = capped[LANE_B].max_in_work = cap;
    fake_clock_init(&bed->clock, AT("2026-01-01T00:00:00Z"));
    bed->queue = workqueue_new(&bed->clock.clock, capped, LANE_COUNT);
}

static void bed_init(struct bed *bed)
{
    bed_init_with(bed, 0);
}

static void bed_deinit(struct bed *bed)
{
    workqueue_free(bed->queue);
}
DEFINE_CLEANUP_VALUE(struct bed, bed_deinit);

static struct key key_of(const char *text, char buffer[KEY_TEXT_MAX])
{
    (void)snprintf(buffer, KEY_TEXT_MAX, "%s", text);
    return key_parse(buffer);
}

static void add_to(struct bed *bed, unsigned lane, const char *text, enum work_priority priority)
{
    char buffer[KEY_TEXT_MAX];
    struct key key = key_of(text, buffer);

    workqueue_add(bed->queue, lane, &key, priority);
}

static void add(struct bed *bed, const char *text)
{
    add_to(bed, LANE_A, text, PRIORITY_NORMAL);
}

static void add_in(struct bed *bed, const char *text, int64_t in_ms)
{
    char buffer[KEY_TEXT_MAX];
    struct key key = key_of(text, buffer);

    workqueue_add_at(bed->queue, LANE_A, &key, bed->clock.now_ms + in_ms);
}

static int64_t fail_key(struct bed *bed, unsigned lane, const char *text)
{
    char buffer[KEY_TEXT_MAX];
    struct key key = key_of(text, buffer);

    return workqueue_add_failed(bed->queue, lane, &key) - bed->clock.now_ms;
}

static void forget(struct bed *bed, const char *text)
{
    char buffer[KEY_TEXT_MAX];
    struct key key = key_of(text, buffer);

    workqueue_forget(bed->queue, LANE_A, &key);
}

static struct work *assert_gives(struct bed *bed, const char *expected)
{
    struct work *work = workqueue_try_get(bed->queue);
    char text[KEY_TEXT_MAX] = "(nothing)";

    if (work)
        key_format(&work->key, text);
    ASSERT_STREQ(text, expected);
    return work;
}

static void assert_runs(struct bed *bed, const char *expected)
{
    workqueue_done(bed->queue, assert_gives(bed, expected));
}

static void assert_empty(struct bed *bed)
{
    (void)assert_gives(bed, "(nothing)");
}

TEST(a_key_added_twice_runs_once)
{
    cleanup(bed_deinit) struct bed bed = {};

    bed_init(&bed);
    add(&bed, "ns/x");
    add(&bed, "ns/x");
    ASSERT_EQ(workqueue_depth(bed.queue, LANE_A), 1);
    assert_runs(&bed, "ns/x");
    assert_empty(&bed);
}

static struct lane_stats stats_of(struct bed *bed, unsigned lane)
{
    struct lane_stats stats;

    workqueue_stats(bed->queue, lane, &stats);
    return stats;
}

TEST(a_lane_counts_what_becomes_of_its_keys)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct work *x, *y;

    bed_init(&bed);
    add(&bed, "ns/x");
    add(&bed, "ns/x"); /* is there */
    add(&bed, "ns/y");
    fake_clock_advance(&bed.clock, 500);
    x = assert_gives(&bed, "ns/x");
    fake_clock_advance(&bed.clock, SECONDS(20));
    y = assert_gives(&bed, "ns/y");
    fake_clock_advance(&bed.clock, SECONDS(3));
    add(&bed, "ns/x"); /* runs: once more afterwards */
    ASSERT_EQ(stats_of(&bed, LANE_A).adds, 2);
    ASSERT_EQ(stats_of(&bed, LANE_A).in_work, 2);
    ASSERT_EQ(stats_of(&bed, LANE_A).unfinished_ms, SECONDS(26));
    ASSERT_EQ(stats_of(&bed, LANE_A).longest_ms, SECONDS(23));
    ASSERT_EQ(stats_of(&bed, LANE_A).waits.sum_ms, 500 + 20500);
    (void)fail_key(&bed, LANE_A, "ns/y");
    workqueue_done(bed.queue, x);
    ASSERT_EQ(stats_of(&bed, LANE_A).adds, 3);
    ASSERT_EQ(stats_of(&bed, LANE_A).ready, 1);
    ASSERT_EQ(stats_of(&bed, LANE_A).longest_ms, SECONDS(3));
    workqueue_done(bed.queue, y);
    ASSERT_EQ(stats_of(&bed, LANE_A).retries, 1);
    ASSERT_EQ(stats_of(&bed, LANE_A).in_work, 0);
    ASSERT_EQ(stats_of(&bed, LANE_A).unfinished_ms, 0);
    ASSERT_EQ(stats_of(&bed, LANE_A).works.sum_ms, SECONDS(26));
    ASSERT_EQ(stats_of(&bed, LANE_B).adds, 0);
    assert_runs(&bed, "ns/x");
}

TEST(keys_of_one_namespace_run_in_order_of_arrival)
{
    cleanup(bed_deinit) struct bed bed = {};

    bed_init(&bed);
    add(&bed, "ns/c");
    add(&bed, "ns/a");
    add(&bed, "ns/b");
    add(&bed, "ns/c"); /* keeps its place */
    assert_runs(&bed, "ns/c");
    assert_runs(&bed, "ns/a");
    assert_runs(&bed, "ns/b");
}

TEST(a_key_is_in_no_two_hands_and_runs_once_more_if_added_meanwhile)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct work *work;

    bed_init(&bed);
    add(&bed, "ns/x");
    work = assert_gives(&bed, "ns/x");
    add(&bed, "ns/x");
    add(&bed, "ns/x");
    assert_empty(&bed);
    ASSERT_FALSE(workqueue_is_idle(bed.queue));
    workqueue_done(bed.queue, work);
    assert_runs(&bed, "ns/x");
    assert_empty(&bed);
    ASSERT_TRUE(workqueue_is_idle(bed.queue));
}

TEST(the_same_key_of_two_lanes_is_two_keys)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct work *a, *b;

    bed_init(&bed);
    add_to(&bed, LANE_A, "ns/x", PRIORITY_NORMAL);
    add_to(&bed, LANE_B, "ns/x", PRIORITY_NORMAL);
    a = assert_gives(&bed, "ns/x");
    b = assert_gives(&bed, "ns/x");
    ASSERT_EQ(a->lane, LANE_A);
    ASSERT_EQ(b->lane, LANE_B);
    workqueue_done(bed.queue, a);
    workqueue_done(bed.queue, b);
}

TEST(cluster_scoped_keys_have_the_empty_namespace)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct key key = {.namespace = NULL, .name = "x"};
    struct work *work;

    bed_init(&bed);
    workqueue_add(bed.queue, LANE_A, &key, PRIORITY_NORMAL);
    work = assert_gives(&bed, "x");
    ASSERT_STREQ(work->key.namespace, "");
    workqueue_done(bed.queue, work);
}

TEST(a_timer_fires_when_its_wall_time_has_come)
{
    cleanup(bed_deinit) struct bed bed = {};

    bed_init(&bed);
    add_in(&bed, "ns/x", HOURS(1));
    ASSERT_EQ(workqueue_next_due_ms(bed.queue), AT("2026-01-01T01:00:00Z"));
    ASSERT_TRUE(workqueue_is_idle(bed.queue));
    fake_clock_advance(&bed.clock, HOURS(1) - 1);
    assert_empty(&bed);
    fake_clock_advance(&bed.clock, 1);
    ASSERT_FALSE(workqueue_is_idle(bed.queue));
    assert_runs(&bed, "ns/x");
    ASSERT_EQ(workqueue_next_due_ms(bed.queue), 0);
}

/* cm#8464: a renewal was missed after a suspend. */
TEST(a_machine_that_slept_finds_its_timers_due)
{
    cleanup(bed_deinit) struct bed bed = {};

    bed_init(&bed);
    add_in(&bed, "ns/x", HOURS(8));
    bed.clock.now_ms += HOURS(9); /* the monotonic clock stood still */
    assert_runs(&bed, "ns/x");
}

/* A clock that was hours ahead until the network was there: what failed meanwhile was tried again hours later. */
TEST(a_clock_that_is_set_back_lets_nobody_wait_for_the_time_it_had_shown)
{
    cleanup(bed_deinit) struct bed bed = {};

    bed_init(&bed);
    add_in(&bed, "ns/x", SECONDS(10));
    add_in(&bed, "ns/y", DAYS(60));
    bed.clock.now_ms -= 999; /* rounded, or hardly any */
    assert_empty(&bed);
    bed.clock.now_ms -= HOURS(2);
    assert_runs(&bed, "ns/x");
    assert_runs(&bed, "ns/y");
    assert_empty(&bed);
}

TEST(the_earlier_of_two_timers_wins)
{
    cleanup(bed_deinit) struct bed bed = {};

    bed_init(&bed);
    add_in(&bed, "ns/x", MINUTES(5));
    add_in(&bed, "ns/x", MINUTES(9));
    add_in(&bed, "ns/y", MINUTES(9));
    add_in(&bed, "ns/y", MINUTES(5));
    fake_clock_advance(&bed.clock, MINUTES(5));
    assert_runs(&bed, "ns/x");
    assert_runs(&bed, "ns/y");
    fake_clock_advance(&bed.clock, MINUTES(9));
    assert_empty(&bed);
}

TEST(a_time_that_has_passed_is_now)
{
    cleanup(bed_deinit) struct bed bed = {};

    bed_init(&bed);
    add_in(&bed, "ns/x", MINUTES(5));
    add_in(&bed, "ns/x", -MINUTES(5));
    ASSERT_EQ(workqueue_depth(bed.queue, LANE_A), 1);
    assert_runs(&bed, "ns/x");
    ASSERT_EQ(workqueue_next_due_ms(bed.queue), 0);
}

TEST(adding_leaves_the_timer_alone)
{
    cleanup(bed_deinit) struct bed bed = {};

    bed_init(&bed);
    add_in(&bed, "ns/x", MINUTES(5));
    add(&bed, "ns/x");
    assert_runs(&bed, "ns/x");
    fake_clock_advance(&bed.clock, MINUTES(5));
    assert_runs(&bed, "ns/x");
    assert_empty(&bed);
}

TEST(a_timer_that_fires_during_the_run_means_one_more_run)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct work *work;

    bed_init(&bed);
    add(&bed, "ns/x");
    work = assert_gives(&bed, "ns/x");
    add_in(&bed, "ns/x", SECONDS(1));
    fake_clock_advance(&bed.clock, SECONDS(1));
    assert_empty(&bed);
    workqueue_done(bed.queue, work);
    assert_runs(&bed, "ns/x");
}

TEST(a_timer_can_be_taken_back_unless_it_was_replaced)
{
    cleanup(bed_deinit) struct bed bed = {};
    char buffer[KEY_TEXT_MAX];
    struct key key = key_of("ns/x", buffer);
    int64_t first_ms;

    bed_init(&bed);
    first_ms = bed.clock.now_ms + MINUTES(5);
    workqueue_add_at(bed.queue, LANE_A, &key, first_ms);
    workqueue_cancel_at(bed.queue, LANE_A, &key, first_ms);
    ASSERT_EQ(workqueue_next_due_ms(bed.queue), 0);
    workqueue_add_at(bed.queue, LANE_A, &key, first_ms - 1);
    workqueue_cancel_at(bed.queue, LANE_A, &key, first_ms);
    ASSERT_EQ(workqueue_next_due_ms(bed.queue), first_ms - 1);
}

TEST(higher_priority_goes_first_across_lanes)
{
    cleanup(bed_deinit) struct bed bed = {};

    bed_init(&bed);
    add_to(&bed, LANE_A, "ns/old1", PRIORITY_INITIAL);
    add_to(&bed, LANE_A, "ns/old2", PRIORITY_INITIAL);
    add_to(&bed, LANE_B, "ns/new", PRIORITY_NORMAL);
    assert_runs(&bed, "ns/new");
    assert_runs(&bed, "ns/old1");
    assert_runs(&bed, "ns/old2");
}

/* 500 keys of a CA that held its share came back faster than they were run: others' first look after a restart was
 * put off for as long as that went on. */
TEST(every_fourth_turn_is_for_those_who_wait_for_their_first_look)
{
    cleanup(bed_deinit) struct bed bed = {};

    bed_init(&bed);
    add_to(&bed, LANE_A, "ns/old1", PRIORITY_INITIAL);
    add_to(&bed, LANE_A, "ns/old2", PRIORITY_INITIAL);
    for (int i = 0; i < 7; i++) {
        add_in(&bed, "ns/again", 0);
        assert_runs(&bed, i == 3 ? "ns/old1" : "ns/again");
    }
    add_in(&bed, "ns/again", 0);
    assert_runs(&bed, "ns/old2");
    assert_runs(&bed, "ns/again");
    assert_empty(&bed);
}

TEST(adding_again_raises_the_priority_and_never_lowers_it)
{
    cleanup(bed_deinit) struct bed bed = {};

    bed_init(&bed);
    add_to(&bed, LANE_A, "ns/x", PRIORITY_INITIAL);
    add_to(&bed, LANE_A, "ns/y", PRIORITY_INITIAL);
    add_to(&bed, LANE_A, "ns/y", PRIORITY_NORMAL);
    add_to(&bed, LANE_A, "ns/y", PRIORITY_INITIAL);
    ASSERT_EQ(workqueue_depth(bed.queue, LANE_A), 2);
    assert_runs(&bed, "ns/y");
    assert_runs(&bed, "ns/x");
}

TEST(the_run_after_this_one_has_the_highest_priority_it_was_added_with)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct work *work;

    bed_init(&bed);
    add_to(&bed, LANE_A, "ns/x", PRIORITY_NORMAL);
    work = assert_gives(&bed, "ns/x");
    add_to(&bed, LANE_A, "ns/x", PRIORITY_INITIAL);
    add_to(&bed, LANE_A, "ns/y", PRIORITY_NORMAL);
    workqueue_done(bed.queue, work);
    assert_runs(&bed, "ns/y");
    assert_runs(&bed, "ns/x");
}

TEST(namespaces_take_turns)
{
    cleanup(bed_deinit) struct bed bed = {};

    bed_init(&bed);
    add(&bed, "big/1");
    add(&bed, "big/2");
    add(&bed, "big/3");
    add(&bed, "small/1");
    add(&bed, "other/1");
    assert_runs(&bed, "big/1");
    assert_runs(&bed, "small/1");
    assert_runs(&bed, "other/1");
    assert_runs(&bed, "big/2");
    add(&bed, "small/2");
    assert_runs(&bed, "big/3"); /* it was waiting alone: its turn */
    assert_runs(&bed, "small/2");
}

TEST(a_namespace_that_comes_back_stands_at_the_end)
{
    cleanup(bed_deinit) struct bed bed = {};

    bed_init(&bed);
    add(&bed, "a/1");
    add(&bed, "b/1");
    add(&bed, "b/2");
    assert_runs(&bed, "a/1");
    add(&bed, "a/2");
    assert_runs(&bed, "b/1");
    assert_runs(&bed, "a/2");
    assert_runs(&bed, "b/2");
}

TEST(lanes_take_turns)
{
    cleanup(bed_deinit) struct bed bed = {};

    bed_init(&bed);
    add_to(&bed, LANE_A, "ns/a1", PRIORITY_NORMAL);
    add_to(&bed, LANE_A, "ns/a2", PRIORITY_NORMAL);
    add_to(&bed, LANE_A, "ns/a3", PRIORITY_NORMAL);
    add_to(&bed, LANE_B, "ns/b1", PRIORITY_NORMAL);
    add_to(&bed, LANE_B, "ns/b2", PRIORITY_NORMAL);
    assert_runs(&bed, "ns/a1");
    assert_runs(&bed, "ns/b1");
    assert_runs(&bed, "ns/a2");
    assert_runs(&bed, "ns/b2");
    assert_runs(&bed, "ns/a3");
}

TEST(a_lane_at_its_cap_lets_others_pass)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct work *a1, *a2;

    bed_init_with(&bed, 2);
    add_to(&bed, LANE_A, "ns/a1", PRIORITY_NORMAL);
    add_to(&bed, LANE_A, "ns/a2", PRIORITY_NORMAL);
    add_to(&bed, LANE_A, "ns/a3", PRIORITY_NORMAL);
    add_to(&bed, LANE_B, "ns/b1", PRIORITY_INITIAL);
    a1 = assert_gives(&bed, "ns/a1");
    a2 = assert_gives(&bed, "ns/a2");
    assert_runs(&bed, "ns/b1");
    assert_empty(&bed);
    workqueue_done(bed.queue, a1);
    assert_runs(&bed, "ns/a3");
    workqueue_done(bed.queue, a2);
}

TEST(failures_back_off_by_doubling_up_to_the_lanes_maximum)
{
    static const int64_t a_ms[] = {1000, 2000, 4000, 8000, 16000, 30000, 30000};
    cleanup(bed_deinit) struct bed bed = {};

    bed_init(&bed);
    for (size_t i = 0; i < ARRAY_LEN(a_ms); i++)
        ASSERT_EQ(fail_key(&bed, LANE_A, "ns/x"), a_ms[i]);
    for (int i = 0; i < 1000; i++)
        (void)fail_key(&bed, LANE_B, "ns/x");
    ASSERT_EQ(fail_key(&bed, LANE_B, "ns/x"), MINUTES(5));
    ASSERT_EQ(fail_key(&bed, LANE_A, "ns/y"), 1000); /* keys count apart */
}

TEST(a_run_is_told_its_failures_and_forget_zeroes_them)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct work *work;

    bed_init(&bed);
    (void)fail_key(&bed, LANE_A, "ns/x");
    fake_clock_advance(&bed.clock, SECONDS(1));
    work = assert_gives(&bed, "ns/x");
    ASSERT_EQ(work->failures, 1);
    (void)fail_key(&bed, LANE_A, "ns/x");
    workqueue_done(bed.queue, work);
    fake_clock_advance(&bed.clock, SECONDS(2));
    work = assert_gives(&bed, "ns/x");
    ASSERT_EQ(work->failures, 2);
    forget(&bed, "ns/x");
    workqueue_done(bed.queue, work);
    ASSERT_EQ(fail_key(&bed, LANE_A, "ns/x"), 1000);
}

TEST(a_run_can_ask_when_it_comes_back_should_it_fail)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct key key = {.namespace = "ns", .name = "x"};
    struct work *work;

    bed_init(&bed);
    ASSERT_EQ(workqueue_next_try_ms(bed.queue, LANE_A, &key), bed.clock.now_ms + 1000);
    (void)fail_key(&bed, LANE_A, "ns/x");
    fake_clock_advance(&bed.clock, SECONDS(1));
    work = assert_gives(&bed, "ns/x");
    ASSERT_EQ(workqueue_next_try_ms(bed.queue, LANE_A, &key), bed.clock.now_ms + 2000);
    add_in(&bed, "ns/x", 500);
    ASSERT_EQ(workqueue_next_try_ms(bed.queue, LANE_A, &key), bed.clock.now_ms + 500);
    workqueue_done(bed.queue, work);
}

TEST(failures_of_a_key_that_was_never_seen_are_forgotten_without_harm)
{
    cleanup(bed_deinit) struct bed bed = {};

    bed_init(&bed);
    forget(&bed, "ns/x");
    assert_empty(&bed);
}

TEST(a_closed_queue_gives_nothing_and_takes_nothing)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct context ctx;
    struct work *running, *work = NULL;
    struct err err = {};

    bed_init(&bed);
    ctx = context_background(&bed.clock.clock);
    add(&bed, "ns/x");
    add(&bed, "ns/y");
    running = assert_gives(&bed, "ns/x");
    workqueue_close(bed.queue);
    add(&bed, "ns/z");
    add_in(&bed, "ns/z", -1);
    (void)fail_key(&bed, LANE_A, "ns/z");
    assert_empty(&bed);
    ASSERT_ERR(ERR_GONE, workqueue_get(bed.queue, &ctx, &work, &err));
    workqueue_done(bed.queue, running);
    ASSERT_EQ(workqueue_depth(bed.queue, LANE_A), 1);
}

TEST(get_ends_with_its_context)
{
    cleanup(bed_deinit) struct bed bed = {};
    cleanup(cancel_unref) struct cancel *cancel = cancel_new();
    struct context ctx;
    struct work *work = NULL;
    struct err err = {};

    bed_init(&bed);
    ctx = context_background(&bed.clock.clock);
    ctx = context_with_timeout(&ctx, 0);
    ASSERT_ERR(ERR_TIMEOUT, workqueue_get(bed.queue, &ctx, &work, &err));
    ctx = context_background(&bed.clock.clock);
    ctx.cancel = cancel;
    cancel_fire(cancel);
    ASSERT_ERR(ERR_CANCELED, workqueue_get(bed.queue, &ctx, &work, &err));
}

TEST(get_gives_what_is_due)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct context ctx;
    struct work *work = NULL;
    struct err err = {};

    bed_init(&bed);
    ctx = context_background(&bed.clock.clock);
    add(&bed, "ns/x");
    ASSERT_OK(workqueue_get(bed.queue, &ctx, &work, &err));
    ASSERT_STREQ(work->key.name, "x");
    workqueue_done(bed.queue, work);
}

TEST(a_hundred_thousand_keys_come_out_fairly)
{
    enum { NAMESPACES = 1000, EACH = 100 };
    cleanup(bed_deinit) struct bed bed = {};
    char text[KEY_TEXT_MAX];
    struct work *work;

    bed_init(&bed);
    for (int ns = 0; ns < NAMESPACES; ns++)
        for (int i = 0; i < EACH; i++) {
            (void)snprintf(text, sizeof(text), "ns-%d/%d", ns, i);
            add(&bed, text);
        }
    for (int i = 0; i < EACH; i++)
        for (int ns = 0; ns < NAMESPACES; ns++) {
            (void)snprintf(text, sizeof(text), "%d", i);
            work = workqueue_try_get(bed.queue);
            if (!streq(work->key.name, text))
                ASSERT_STREQ(work->key.name, text);
            workqueue_done(bed.queue, work);
        }
    assert_empty(&bed);
}

RUN_TESTS(cmocka_unit_test(a_key_added_twice_runs_once),
          cmocka_unit_test(a_lane_counts_what_becomes_of_its_keys),
          cmocka_unit_test(keys_of_one_namespace_run_in_order_of_arrival),
          cmocka_unit_test(a_key_is_in_no_two_hands_and_runs_once_more_if_added_meanwhile),
          cmocka_unit_test(the_same_key_of_two_lanes_is_two_keys),
          cmocka_unit_test(cluster_scoped_keys_have_the_empty_namespace),
          cmocka_unit_test(a_timer_fires_when_its_wall_time_has_come),
          cmocka_unit_test(a_machine_that_slept_finds_its_timers_due),
          cmocka_unit_test(a_clock_that_is_set_back_lets_nobody_wait_for_the_time_it_had_shown),
          cmocka_unit_test(the_earlier_of_two_timers_wins),
          cmocka_unit_test(a_time_that_has_passed_is_now),
          cmocka_unit_test(adding_leaves_the_timer_alone),
          cmocka_unit_test(a_timer_that_fires_during_the_run_means_one_more_run),
          cmocka_unit_test(a_timer_can_be_taken_back_unless_it_was_replaced),
          cmocka_unit_test(higher_priority_goes_first_across_lanes),
          cmocka_unit_test(every_fourth_turn_is_for_those_who_wait_for_their_first_look),
          cmocka_unit_test(adding_again_raises_the_priority_and_never_lowers_it),
          cmocka_unit_test(the_run_after_this_one_has_the_highest_priority_it_was_added_with),
          cmocka_unit_test(namespaces_take_turns),
          cmocka_unit_test(a_namespace_that_comes_back_stands_at_the_end),
          cmocka_unit_test(lanes_take_turns), cmocka_unit_test(a_lane_at_its_cap_lets_others_pass),
          cmocka_unit_test(failures_back_off_by_doubling_up_to_the_lanes_maximum),
          cmocka_unit_test(a_run_is_told_its_failures_and_forget_zeroes_them),
          cmocka_unit_test(a_run_can_ask_when_it_comes_back_should_it_fail),
          cmocka_unit_test(failures_of_a_key_that_was_never_seen_are_forgotten_without_harm),
          cmocka_unit_test(a_closed_queue_gives_nothing_and_takes_nothing),
          cmocka_unit_test(get_ends_with_its_context), cmocka_unit_test(get_gives_what_is_due),
          cmocka_unit_test(a_hundred_thousand_keys_come_out_fairly));
