#include "base/clock.h"

#include <time.h>

static int64_t read_ms(clockid_t id)
{
    struct timespec ts = {};

    (void)clock_gettime(id, &ts); /* cannot fail for the clocks below */
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int64_t system_wall_ms(const struct clock *clock)
{
    return read_ms(CLOCK_REALTIME);
}

static int64_t system_monotonic_ms(const struct clock *clock)
{
    return read_ms(CLOCK_BOOTTIME);
}

int64_t clock_awake_ms(void)
{
    return read_ms(CLOCK_MONOTONIC);
}

const struct clock *clock_system(void)
{
    static const struct clock system_clock = {
        .wall_ms = system_wall_ms,
        .monotonic_ms = system_monotonic_ms,
    };

    return &system_clock;
}

static int64_t fake_wall_ms(const struct clock *clock)
{
    return CONTAINER_OF(clock, struct fake_clock, clock)->now_ms;
}

static int64_t fake_monotonic_ms(const struct clock *clock)
{
    return CONTAINER_OF(clock, struct fake_clock, clock)->mono_ms;
}

void fake_clock_init(struct fake_clock *fake, int64_t wall_ms)
{
    *fake = (struct fake_clock){
        .clock = {.wall_ms = fake_wall_ms, .monotonic_ms = fake_monotonic_ms},
        .now_ms = wall_ms,
        .mono_ms = HOURS(1), /* as after a boot: 0 would mean "no deadline" in a context */
    };
}

void fake_clock_advance(struct fake_clock *fake, int64_t by_ms)
{
    fake->now_ms += by_ms;
    fake->mono_ms += by_ms;
}
