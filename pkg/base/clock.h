/*
 * clock.h - the only source of time. Nobody reads the system clock: ask the clock you were given.
 *
 * Wall time is milliseconds since 1970 UTC and may jump; monotonic time only measures waits, and counts those
 * that the machine slept through: a Lease runs out meanwhile.
 * The system clock may be used from any thread; a fake clock belongs to one-threaded tests.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "base/base.h"

struct clock {
    int64_t (*wall_ms)(const struct clock *clock);
    int64_t (*monotonic_ms)(const struct clock *clock);
};

const struct clock *clock_system(void);
/* For thread.c: what condition variables wait by. It stands still while the machine sleeps. */
int64_t clock_awake_ms(void);
static inline int64_t clock_wall_ms(const struct clock *clock)
{
    return clock->wall_ms(clock);
}
static inline int64_t clock_monotonic_ms(const struct clock *clock)
{
    return clock->monotonic_ms(clock);
}

/* For tests: stands still until moved. */
struct fake_clock {
    struct clock clock;
    int64_t now_ms; /* wall */
    int64_t mono_ms;
};
void fake_clock_init(struct fake_clock *fake, int64_t wall_ms);
void fake_clock_advance(struct fake_clock *fake, int64_t by_ms); /* both */

#define SECONDS(n) ((int64_t)(n)*1000)
#define MINUTES(n) ((int64_t)(n)*60 * 1000)
#define HOURS(n)   ((int64_t)(n)*60 * 60 * 1000)
#define DAYS(n)    ((int64_t)(n)*24 * 60 * 60 * 1000)

#endif
