/*
 * cron.h - when a cron line fires: the lines of robfig/cron's standard parser, which cert-manager has.
 *
 * Five fields: minute, hour, day of month, month (or jan-dec), day of week (0-6 or sun-sat; no 7). Each is a
 * list with commas of `*` or `?` (all), a value, a range `a-b`, each with a step `/n`; `a/n` goes from a to the
 * end. Where both days are restricted, either will do. Or one of @yearly @annually @monthly @weekly @daily
 * @midnight @hourly, or `@every 1h30m`. Spaces around are passed over; a time zone in the line is refused.
 *
 * Local time is a zone's. A time that is left out as the clocks are put forward is not made up for that day; one
 * that comes twice fires twice. So it is with robfig/cron, which also misses days and hours that are there where
 * the clocks change at midnight (Cairo, Beirut) or by half an hour (Lord Howe); here they are not missed.
 *
 * `@every d` names no times: counted from wherever one asks, each instant from d on is one at which it fires.
 *
 * A struct cron is plain data. A call costs microseconds, whatever the line: days that cannot be meant are
 * passed over by the month, and no minute is looked at twice.
 */
#ifndef BASE_CRON_H
#define BASE_CRON_H

#include "base/zone.h"

struct cron {
    uint64_t minutes; /* bit sets; bits are the values */
    uint32_t hours, days, months, weekdays;
    bool any_day, any_weekday; /* `*` or `?`: the other one decides */
    int64_t every_s;           /* not 0: @every, and nothing above counts */
};

/* ERR_INVALID: the text names the field and what is wrong in it. */
int cron_parse(const char *text, struct cron *ret, struct err *err);
/* There is no such day (30 February), or a field is an empty list (","), which parses. */
bool cron_never_fires(const struct cron *cron);

/* The first time after `after_ms` and not after `until_ms`; 0: none. Nine years are searched, in which even
 * 29 February comes. */
int64_t cron_next_ms(const struct cron *cron, const struct zone *zone, int64_t after_ms,
                     int64_t until_ms);
/* The last time not after `at_ms` and not before `from_ms`; 0: none. The same nine years. */
int64_t cron_last_ms(const struct cron *cron, const struct zone *zone, int64_t at_ms,
                     int64_t from_ms);

#endif
