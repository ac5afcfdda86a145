#include "support/testing.h"

#include <stdio.h>

#include "base/log.h"
#include "cache/write.h"
#include "runtime/expectations.h"
#include "unit/cache/thing.h"

enum { LANE_A, LANE_B, LANE_COUNT };

struct bed {
    struct fake_clock clock;
    struct workqueue *queue;
    struct expectations *expectations;
    struct cache *caches[2];
    struct cache_source *things, *others;
};

static const struct key key_x = {"ns", "x"}, key_y = {"ns", "y"};

static struct cache_source *observed_source(struct bed *bed, size_t i)
{
    bed->caches[i] = cache_new(&thing_kind);
    cache_set_observer(bed->caches[i], expectations_observe, bed->expectations);
    return cache_add_source(bed->caches[i], NULL);
}

static void discard(void *arg, enum log_level level, const char *line)
{
}

static void bed_init(struct bed *bed)
{
    static const struct lane_options lanes[LANE_COUNT] = {{.name = "a"}, {.name = "b"}};

    log_set_sink(discard, NULL);
    fake_clock_init(&bed->clock, AT("2026-01-01T00:00:00Z"));
    bed->queue = workqueue_new(&bed->clock.clock, lanes, LANE_COUNT);
    bed->expectations = expectations_new(bed->queue, &bed->clock.clock);
    bed->things = observed_source(bed, 0);
    bed->others = observed_source(bed, 1);
}

static void bed_deinit(struct bed *bed)
{
    expectations_free(bed->expectations);
    workqueue_free(bed->queue);
    cache_free(bed->caches[0]);
    cache_free(bed->caches[1]);
}
DEFINE_CLEANUP_VALUE(struct bed, bed_deinit);

static void see(struct cache_source *source, const char *version)
{
    cleanup(store_event_deinit) struct store_event event = {};
    struct err err = {};

    thing_event(&event, STORE_BOOKMARK, NULL, NULL, version, NULL, NULL);
    ASSERT_OK(cache_apply(source, &event, &err));
}

static void expect(struct bed *bed, const struct key *key, struct cache_source *source,
                   const char *version)
{
    expectations_add(bed->expectations, LANE_A, key, source, version);
}

static bool is_met(struct bed *bed, const struct key *key)
{
    return expectations_met(bed->expectations, LANE_A, key);
}

static void assert_queued(struct bed *bed, const char *expected)
{
    struct work *work = workqueue_try_get(bed->queue);

    ASSERT_STREQ(work ? work->key.name : "(nothing)", expected);
    if (work)
        workqueue_done(bed->queue, work);
}

TEST(a_key_that_wrote_nothing_is_not_parked)
{
    cleanup(bed_deinit) struct bed bed = {};

    bed_init(&bed);
    ASSERT_TRUE(is_met(&bed, &key_x));
    ASSERT_EQ(expectations_open(bed.expectations), 0);
}

TEST(a_key_is_parked_until_its_cache_has_seen_what_it_wrote)
{
    cleanup(bed_deinit) struct bed bed = {};

    bed_init(&bed);
    expect(&bed, &key_x, bed.things, "10");
    ASSERT_FALSE(is_met(&bed, &key_x));
    ASSERT_TRUE(is_met(&bed, &key_y));
    ASSERT_TRUE(expectations_met(bed.expectations, LANE_B, &key_x));
    see(bed.things, "9");
    see(bed.others, "10");
    assert_queued(&bed, "(nothing)");
    see(bed.things, "11"); /* or a later one */
    assert_queued(&bed, "x");
    ASSERT_TRUE(is_met(&bed, &key_x));
    ASSERT_EQ(expectations_open(bed.expectations), 0);
}

/* Two watches of one kind: a bookmark of the other one says nothing of what this one carries. */
TEST(a_key_waits_for_the_source_that_carries_what_it_wrote_and_for_no_other)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct cache_source *theirs;

    bed_init(&bed);
    theirs = cache_add_source(bed.caches[0], &(struct store_view){.label_selector = "!ours"});
    expect(&bed, &key_x, bed.things, "10");
    see(theirs, "99");
    ASSERT_FALSE(is_met(&bed, &key_x));
    expect(&bed, &key_y, theirs, "100");
    see(bed.things, "100");
    ASSERT_TRUE(is_met(&bed, &key_x));
    ASSERT_FALSE(is_met(&bed, &key_y));
    see(theirs, "100");
    ASSERT_TRUE(is_met(&bed, &key_y));
}

TEST(what_was_seen_before_it_is_expected_is_not_waited_for)
{
    cleanup(bed_deinit) struct bed bed = {};

    bed_init(&bed);
    see(bed.things, "10");
    expect(&bed, &key_x, bed.things, "10");
    ASSERT_TRUE(is_met(&bed, &key_x));
    assert_queued(&bed, "(nothing)");
}

TEST(a_key_added_again_during_its_run_waits_too)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct work *work;

    bed_init(&bed);
    workqueue_add(bed.queue, LANE_A, &key_x, PRIORITY_NORMAL);
    work = workqueue_try_get(bed.queue);
    ASSERT_TRUE(is_met(&bed, &key_x));
    expect(&bed, &key_x, bed.things, "10");                    /* the run writes */
    workqueue_add(bed.queue, LANE_A, &key_x, PRIORITY_NORMAL); /* an older event comes in */
    workqueue_done(bed.queue, work);
    work = workqueue_try_get(bed.queue);
    ASSERT_FALSE(is_met(&bed, &key_x));
    see(bed.things, "10"); /* between parking and handing back */
    workqueue_done(bed.queue, work);
    assert_queued(&bed, "x");
    ASSERT_TRUE(is_met(&bed, &key_x));
}

TEST(a_key_that_nobody_asked_for_meanwhile_is_not_queued)
{
    cleanup(bed_deinit) struct bed bed = {};

    bed_init(&bed);
    expect(&bed, &key_x, bed.things, "10");
    see(bed.things, "10");
    assert_queued(&bed, "(nothing)");
    ASSERT_EQ(expectations_open(bed.expectations), 0);
}

TEST(all_caches_must_have_seen_what_was_written)
{
    cleanup(bed_deinit) struct bed bed = {};

    bed_init(&bed);
    expect(&bed, &key_x, bed.things, "10");
    expect(&bed, &key_x, bed.others, "11");
    ASSERT_FALSE(is_met(&bed, &key_x));
    see(bed.others, "11");
    assert_queued(&bed, "(nothing)");
    see(bed.things, "10");
    assert_queued(&bed, "x");
}

TEST(the_newest_of_several_writes_counts)
{
    cleanup(bed_deinit) struct bed bed = {};

    bed_init(&bed);
    expect(&bed, &key_x, bed.things, "10");
    expect(&bed, &key_x, bed.things, "12");
    expect(&bed, &key_x, bed.things, "11");
    ASSERT_FALSE(is_met(&bed, &key_x));
    see(bed.things, "11");
    assert_queued(&bed, "(nothing)");
    see(bed.things, "12");
    assert_queued(&bed, "x");
}

TEST(a_held_key_is_not_run_until_it_is_released)
{
    cleanup(bed_deinit) struct bed bed = {};

    bed_init(&bed);
    expectations_hold(bed.expectations, LANE_A, &key_x);
    ASSERT_FALSE(is_met(&bed, &key_x));
    ASSERT_TRUE(is_met(&bed, &key_y));
    assert_queued(&bed, "(nothing)");
    expectations_release(bed.expectations, LANE_A, &key_x);
    assert_queued(&bed, "x");
    ASSERT_TRUE(is_met(&bed, &key_x));
    ASSERT_EQ(expectations_open(bed.expectations), 0);
    expectations_release(bed.expectations, LANE_A, &key_x); /* twice does no harm */
    assert_queued(&bed, "(nothing)");
}

/* Whichever comes last: the release, or the event of what was written while it was held. */
TEST(a_held_key_waits_for_what_was_written_for_it_too)
{
    for (int seen_first = 0; seen_first <= 1; seen_first++) {
        cleanup(bed_deinit) struct bed bed = {};

        CASE(seen_first ? "seen, then released" : "released, then seen");
        bed_init(&bed);
        expectations_hold(bed.expectations, LANE_A, &key_x);
        ASSERT_FALSE(is_met(&bed, &key_x));
        expect(&bed, &key_x, bed.things, "10");
        if (seen_first)
            see(bed.things, "10");
        else
            expectations_release(bed.expectations, LANE_A, &key_x);
        ASSERT_FALSE(is_met(&bed, &key_x));
        assert_queued(&bed, "(nothing)");
        if (seen_first)
            expectations_release(bed.expectations, LANE_A, &key_x);
        else
            see(bed.things, "10");
        assert_queued(&bed, "x");
        ASSERT_TRUE(is_met(&bed, &key_x));
    }
}

TEST(a_key_that_nobody_releases_comes_back_after_five_minutes)
{
    cleanup(bed_deinit) struct bed bed = {};

    bed_init(&bed);
    expectations_hold(bed.expectations, LANE_A, &key_x);
    ASSERT_FALSE(is_met(&bed, &key_x));
    fake_clock_advance(&bed.clock, MINUTES(5));
    assert_queued(&bed, "x");
    ASSERT_TRUE(is_met(&bed, &key_x));
    expectations_release(bed.expectations, LANE_A, &key_x);
}

TEST(a_parked_key_comes_back_after_five_minutes_whatever_happens)
{
    cleanup(bed_deinit) struct bed bed = {};

    bed_init(&bed);
    expect(&bed, &key_x, bed.things, "10");
    ASSERT_FALSE(is_met(&bed, &key_x));
    ASSERT_EQ(workqueue_next_due_ms(bed.queue), AT("2026-01-01T00:05:00Z"));
    fake_clock_advance(&bed.clock, MINUTES(5) - 1);
    assert_queued(&bed, "(nothing)");
    ASSERT_FALSE(is_met(&bed, &key_x));
    fake_clock_advance(&bed.clock, 1);
    assert_queued(&bed, "x");
    ASSERT_TRUE(is_met(&bed, &key_x));
    ASSERT_EQ(expectations_open(bed.expectations), 0);
    see(bed.things, "10"); /* too late to matter */
    assert_queued(&bed, "(nothing)");
}

TEST(a_parked_key_that_comes_back_by_a_timer_of_its_own_waits_on)
{
    cleanup(bed_deinit) struct bed bed = {};

    bed_init(&bed);
    expect(&bed, &key_x, bed.things, "10");
    workqueue_add_at(bed.queue, LANE_A, &key_x, bed.clock.now_ms + SECONDS(1));
    ASSERT_FALSE(is_met(&bed, &key_x));
    fake_clock_advance(&bed.clock, SECONDS(1));
    assert_queued(&bed, "x");
    ASSERT_FALSE(is_met(&bed, &key_x));
    fake_clock_advance(&bed.clock, MINUTES(5));
    assert_queued(&bed, "x");
    ASSERT_TRUE(is_met(&bed, &key_x));
}

TEST(the_end_of_the_last_wait_counts)
{
    cleanup(bed_deinit) struct bed bed = {};

    bed_init(&bed);
    expect(&bed, &key_x, bed.things, "10");
    fake_clock_advance(&bed.clock, MINUTES(2));
    expect(&bed, &key_x, bed.others, "11");
    ASSERT_FALSE(is_met(&bed, &key_x));
    ASSERT_EQ(workqueue_next_due_ms(bed.queue), AT("2026-01-01T00:07:00Z"));
}

TEST(a_jump_of_the_wall_clock_does_not_end_a_wait)
{
    cleanup(bed_deinit) struct bed bed = {};

    bed_init(&bed);
    expect(&bed, &key_x, bed.things, "10");
    ASSERT_FALSE(is_met(&bed, &key_x));
    bed.clock.now_ms += DAYS(1);
    assert_queued(&bed, "x");
    ASSERT_FALSE(is_met(&bed, &key_x)); /* parked again, with a new timer */
    ASSERT_EQ(workqueue_next_due_ms(bed.queue), AT("2026-01-02T00:05:00Z"));
    bed.clock.now_ms -= DAYS(1);
    assert_queued(&bed, "x");
    ASSERT_FALSE(is_met(&bed, &key_x));
    ASSERT_EQ(workqueue_next_due_ms(bed.queue), AT("2026-01-01T00:05:00Z"));
}

TEST(the_timer_of_the_safety_end_goes_away_with_the_wait)
{
    cleanup(bed_deinit) struct bed bed = {};

    bed_init(&bed);
    expect(&bed, &key_x, bed.things, "10");
    ASSERT_FALSE(is_met(&bed, &key_x));
    see(bed.things, "10");
    ASSERT_EQ(workqueue_next_due_ms(bed.queue), 0);
    assert_queued(&bed, "x");
}

TEST(versions_that_are_no_numbers_end_by_being_equal_or_late)
{
    cleanup(bed_deinit) struct bed bed = {};

    bed_init(&bed);
    expect(&bed, &key_x, bed.things, "opaque-b");
    expect(&bed, &key_y, bed.things, "7");
    see(bed.things, "opaque-a");
    ASSERT_FALSE(is_met(&bed, &key_x));
    see(bed.things, "8");
    ASSERT_TRUE(is_met(&bed, &key_y));
    see(bed.things, "opaque-b");
    ASSERT_TRUE(is_met(&bed, &key_x));
}

TEST(ten_thousand_waits_end_one_by_one)
{
    enum { COUNT = 10000 };
    cleanup(bed_deinit) struct bed bed = {};
    char name[32], version[24];
    struct key key = {.namespace = "ns", .name = name};

    bed_init(&bed);
    for (int i = COUNT; i > 0; i--) {
        (void)snprintf(name, sizeof(name), "%d", i);
        (void)snprintf(version, sizeof(version), "%d", i);
        expect(&bed, &key, bed.things, version);
        if (is_met(&bed, &key))
            ASSERT_TRUE(!"parked");
    }
    for (int i = 1; i <= COUNT; i++) {
        (void)snprintf(version, sizeof(version), "%d", i);
        see(bed.things, version);
        if (workqueue_depth(bed.queue, LANE_A) != (size_t)i)
            ASSERT_EQ(workqueue_depth(bed.queue, LANE_A), i);
    }
    ASSERT_EQ(expectations_open(bed.expectations), 0);
}

RUN_TESTS(cmocka_unit_test(a_key_that_wrote_nothing_is_not_parked),
          cmocka_unit_test(a_key_is_parked_until_its_cache_has_seen_what_it_wrote),
          cmocka_unit_test(a_key_waits_for_the_source_that_carries_what_it_wrote_and_for_no_other),
          cmocka_unit_test(what_was_seen_before_it_is_expected_is_not_waited_for),
          cmocka_unit_test(a_key_added_again_during_its_run_waits_too),
          cmocka_unit_test(a_key_that_nobody_asked_for_meanwhile_is_not_queued),
          cmocka_unit_test(all_caches_must_have_seen_what_was_written),
          cmocka_unit_test(the_newest_of_several_writes_counts),
          cmocka_unit_test(a_held_key_is_not_run_until_it_is_released),
          cmocka_unit_test(a_held_key_waits_for_what_was_written_for_it_too),
          cmocka_unit_test(a_key_that_nobody_releases_comes_back_after_five_minutes),
          cmocka_unit_test(a_parked_key_comes_back_after_five_minutes_whatever_happens),
          cmocka_unit_test(a_parked_key_that_comes_back_by_a_timer_of_its_own_waits_on),
          cmocka_unit_test(the_end_of_the_last_wait_counts),
          cmocka_unit_test(a_jump_of_the_wall_clock_does_not_end_a_wait),
          cmocka_unit_test(the_timer_of_the_safety_end_goes_away_with_the_wait),
          cmocka_unit_test(versions_that_are_no_numbers_end_by_being_equal_or_late),
          cmocka_unit_test(ten_thousand_waits_end_one_by_one));
