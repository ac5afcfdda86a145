#include "support/testing.h"

#include <time.h>

TEST(a_fake_clock_stands_still_until_moved)
{
    struct fake_clock fake;
    const struct clock *clock = &fake.clock;
    int64_t mono_ms;

    fake_clock_init(&fake, AT("2026-01-01T00:00:00Z"));
    mono_ms = clock_monotonic_ms(clock);
    ASSERT_EQ(clock_wall_ms(clock), AT("2026-01-01T00:00:00Z"));
    ASSERT_EQ(clock_wall_ms(clock), AT("2026-01-01T00:00:00Z"));
    fake_clock_advance(&fake, DAYS(90) + HOURS(1) + MINUTES(2) + SECONDS(3));
    ASSERT_EQ(clock_wall_ms(clock), AT("2026-04-01T01:02:03Z"));
    ASSERT_EQ(clock_monotonic_ms(clock) - mono_ms, DAYS(90) + HOURS(1) + MINUTES(2) + SECONDS(3));
}

TEST(a_fake_clock_may_jump_without_monotonic_time_passing)
{
    struct fake_clock fake;
    int64_t mono_ms;

    fake_clock_init(&fake, 0);
    mono_ms = clock_monotonic_ms(&fake.clock);
    ASSERT_TRUE(mono_ms > 0);
    fake.now_ms += DAYS(1);
    ASSERT_EQ(clock_monotonic_ms(&fake.clock), mono_ms);
}

TEST(the_system_clock_goes_forward_and_is_after_this_was_written)
{
    const struct clock *clock = clock_system();
    int64_t before_ms = clock_monotonic_ms(clock);

    ASSERT_TRUE(clock_wall_ms(clock) > AT("2020-01-01T00:00:00Z"));
    ASSERT_TRUE(clock_monotonic_ms(clock) >= before_ms);
}

static int64_t since_boot_ms(void)
{
    struct timespec ts = {};

    ASSERT_EQ(clock_gettime(CLOCK_BOOTTIME, &ts), 0);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Others differ only where the machine has slept, or in a time namespace: unshare -Ur --time --boottime=100000 */
TEST(the_system_clock_counts_what_the_machine_slept)
{
    int64_t before_ms = since_boot_ms(), now_ms = clock_monotonic_ms(clock_system());

    ASSERT_TRUE(before_ms <= now_ms);
    ASSERT_TRUE(now_ms <= since_boot_ms());
}

RUN_TESTS(cmocka_unit_test(a_fake_clock_stands_still_until_moved),
          cmocka_unit_test(a_fake_clock_may_jump_without_monotonic_time_passing),
          cmocka_unit_test(the_system_clock_counts_what_the_machine_slept),
          cmocka_unit_test(the_system_clock_goes_forward_and_is_after_this_was_written));
