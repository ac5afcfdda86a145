#include "support/testing.h"

#include <poll.h>
#include <stdatomic.h>

#include "base/context.h"
#include "base/thread.h"

TEST(a_background_context_never_ends)
{
    struct err err = {};
    struct fake_clock fake;
    struct context ctx;

    fake_clock_init(&fake, AT("2026-01-01T00:00:00Z"));
    ctx = context_background(&fake.clock);
    fake_clock_advance(&fake, DAYS(10000));
    ASSERT_OK(context_check(&ctx, &err));
    ASSERT_EQ(context_remaining_ms(&ctx, 77), 77);
    ASSERT_EQ(context_now_ms(&ctx), AT("2026-01-01T00:00:00Z") + DAYS(10000));
}

TEST(a_deadline_passes_by_monotonic_time)
{
    struct err err = {};
    struct fake_clock fake;
    struct context parent, ctx;

    fake_clock_init(&fake, 0);
    parent = context_background(&fake.clock);
    ctx = context_with_timeout(&parent, 100);
    fake.now_ms += DAYS(1); /* a wall clock jump */
    ASSERT_EQ(context_remaining_ms(&ctx, -1), 100);
    fake_clock_advance(&fake, 99);
    ASSERT_OK(context_check(&ctx, &err));
    fake_clock_advance(&fake, 1);
    ASSERT_EQ(context_remaining_ms(&ctx, -1), 0);
    ASSERT_ERR(ERR_TIMEOUT, context_check(&ctx, &err));
    ASSERT_OK(context_check(&parent, &err));
}

TEST(the_sooner_deadline_wins)
{
    struct fake_clock fake;
    struct context background, parent, sooner, later;

    fake_clock_init(&fake, 0);
    background = context_background(&fake.clock);
    parent = context_with_timeout(&background, 100);
    sooner = context_with_timeout(&parent, 10);
    later = context_with_timeout(&parent, 1000);
    ASSERT_EQ(context_remaining_ms(&sooner, -1), 10);
    ASSERT_EQ(context_remaining_ms(&later, -1), 100);
}

TEST(timeouts_at_the_edges_neither_wrap_nor_vanish)
{
    struct err err = {};
    struct fake_clock fake;
    struct context background, ctx;

    fake_clock_init(&fake, 0);
    background = context_background(&fake.clock);
    ctx = context_with_timeout(&background, INT64_MAX);
    ASSERT_OK(context_check(&ctx, &err));
    ctx = context_with_timeout(&background, 0);
    ASSERT_ERR(ERR_TIMEOUT, context_check(&ctx, &err));
    ctx = context_with_timeout(&background, -fake.mono_ms);
    ASSERT_ERR(ERR_TIMEOUT, context_check(&ctx, &err));
}

static bool is_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, 0) == 1 && (p.revents & POLLIN);
}

TEST(a_fired_cancel_shows_in_check_and_descriptor)
{
    struct err err = {};
    struct fake_clock fake;
    cleanup(cancel_unref) struct cancel *cancel = cancel_new();
    struct context background, ctx;
    int fd = cancel_fd(cancel);

    fake_clock_init(&fake, 0);
    background = context_background(&fake.clock);
    ctx = context_with_cancel(&background, cancel);
    ASSERT_OK(context_check(&ctx, &err));
    ASSERT_FALSE(cancel_is_fired(cancel));
    ASSERT_FALSE(is_readable(fd));
    cancel_fire(cancel);
    cancel_fire(cancel);
    ASSERT_TRUE(cancel_is_fired(cancel));
    ASSERT_TRUE(is_readable(fd));
    ASSERT_EQ(cancel_fd(cancel), fd);
    ctx = context_with_timeout(&ctx, 0);
    ASSERT_ERR(ERR_CANCELED, context_check(&ctx, &err)); /* before the deadline's */
}

TEST(a_descriptor_first_asked_for_after_firing_is_readable)
{
    cleanup(cancel_unref) struct cancel *cancel = cancel_new();

    cancel_fire(cancel);
    ASSERT_TRUE(is_readable(cancel_fd(cancel)));
}

TEST(no_cancel_is_one_that_never_fires)
{
    struct cancel_waker waker = {};

    ASSERT_FALSE(cancel_is_fired(NULL));
    ASSERT_EQ(cancel_fd(NULL), -1);
    ASSERT_NULL(cancel_ref(NULL));
    cancel_unref(NULL);
    cancel_add_waker(NULL, &waker);
    cancel_remove_waker(NULL, &waker);
}

TEST(a_cancel_lives_until_its_last_reference)
{
    struct cancel *cancel = cancel_new(), *other = cancel_ref(cancel);

    cancel_unref(cancel);
    cancel_fire(other);
    ASSERT_TRUE(cancel_is_fired(other));
    cancel_unref(other);
}

static void count_wake(void *arg)
{
    ++*(atomic_int *)arg;
}

TEST(each_waker_runs_once_and_a_removed_one_not_at_all)
{
    atomic_int a = 0, b = 0, late = 0;
    struct cancel_waker waker_a = {.wake = count_wake, .arg = &a};
    struct cancel_waker waker_b = {.wake = count_wake, .arg = &b};
    struct cancel_waker waker_late = {.wake = count_wake, .arg = &late};
    cleanup(cancel_unref) struct cancel *cancel = cancel_new();

    cancel_add_waker(cancel, &waker_a);
    cancel_add_waker(cancel, &waker_b);
    cancel_remove_waker(cancel, &waker_b);
    cancel_fire(cancel);
    cancel_fire(cancel);
    cancel_add_waker(cancel, &waker_late); /* has fired: runs at once */
    ASSERT_EQ(a, 1);
    ASSERT_EQ(b, 0);
    ASSERT_EQ(late, 1);
    cancel_remove_waker(cancel, &waker_a);
    cancel_remove_waker(cancel, &waker_late);
}

static void add_and_remove(void *arg)
{
    struct cancel *cancel = arg;

    while (!cancel_is_fired(cancel)) {
        atomic_int woken = 0;
        struct cancel_waker waker = {.wake = count_wake, .arg = &woken};

        cancel_add_waker(cancel, &waker);
        cancel_remove_waker(cancel, &waker); /* from here on `woken` may go */
    }
}

TEST(firing_from_another_thread_races_with_nothing)
{
    struct err err = {};
    cleanup(cancel_unref) struct cancel *cancel = cancel_new();
    struct thread *threads[3];

    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        ASSERT_OK(thread_start("user", add_and_remove, cancel, &threads[i], &err));
    (void)cancel_fd(cancel);
    cancel_fire(cancel);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        thread_join(threads[i]);
}

RUN_TESTS(cmocka_unit_test(a_background_context_never_ends),
          cmocka_unit_test(a_deadline_passes_by_monotonic_time),
          cmocka_unit_test(the_sooner_deadline_wins),
          cmocka_unit_test(timeouts_at_the_edges_neither_wrap_nor_vanish),
          cmocka_unit_test(a_fired_cancel_shows_in_check_and_descriptor),
          cmocka_unit_test(a_descriptor_first_asked_for_after_firing_is_readable),
          cmocka_unit_test(no_cancel_is_one_that_never_fires),
          cmocka_unit_test(a_cancel_lives_until_its_last_reference),
          cmocka_unit_test(each_waker_runs_once_and_a_removed_one_not_at_all),
          cmocka_unit_test(firing_from_another_thread_races_with_nothing));
