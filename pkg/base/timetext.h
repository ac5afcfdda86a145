/*
 * timetext.h - times and durations as text. Wall times are milliseconds since 1970 UTC.
 */
#ifndef BASE_TIMETEXT_H
#define BASE_TIMETEXT_H

#include "base/err.h"

#define TIME_TEXT_MAX 40

/* RFC 3339 with offsets and fractions (rounded down to ms); rejects anything else. A leap second
 * is the first second after it. */
int time_parse_rfc3339(const char *text, int64_t *ret_ms, struct err *err);
/* "2026-01-01T00:00:00Z": Kubernetes' form, seconds rounded down. Years end at 0 and 9999. */
void time_format(int64_t ms, char text[TIME_TEXT_MAX]);
/* "2026-01-01T00:00:00.000000Z": Kubernetes' MicroTime. */
void time_format_micro(int64_t ms, char text[TIME_TEXT_MAX]);
/* RFC 9110 IMF-fixdate, and the two old forms. */
int time_parse_http_date(const char *text, int64_t *ret_ms, struct err *err);
/* Retry-After: seconds or a date; a date is judged by `server_date_ms` when > 0, else `now_ms`.
 * Result is clamped to now .. now + 1 year. */
int time_parse_retry_after(const char *text, int64_t now_ms, int64_t server_date_ms,
                           int64_t *ret_at_ms, struct err *err);
/* ASN.1 and calendars: UTC broken down to ms since 1970. Month 1-12. */
int64_t time_from_civil(int year, int month, int day, int hour, int minute, int second);
struct civil {
    int year, month, day, hour, minute, second; /* month and day from 1 */
};
int64_t days_from_civil(int64_t year, int month, int day); /* since 1970-01-01 */
void civil_from_days(int64_t days, struct civil *ret);     /* year, month and day of it */
int weekday_of(int64_t days);                              /* 0 is Sunday */
int days_in_month(int64_t year, int month);
int64_t floor_div(int64_t value, int64_t by); /* rounded down; `by` is positive */

/* Go's time.ParseDuration ("1h30m", "1.5h", "-2s"; no days), api.md 11; nanoseconds. */
int duration_parse(const char *text, int64_t *ret_ns, struct err *err);
/* Go's canonical form: "2160h0m0s", "1m0s", "1.5s", "0s". */
void duration_format(int64_t ns, char text[TIME_TEXT_MAX]);
/* Of what Go reads, hours, minutes and seconds alone, each with digits on both sides of a point, and no sign: "1h30m",
 * "0.5s". The other one writes so what is not below 0: as the one above, but for less than a second. */
bool duration_is_plain(const char *text);
void duration_format_plain(int64_t ns, char text[TIME_TEXT_MAX]);
/* For people: "3d 4h", "12m", "45s"; at most two units. */
void duration_words(int64_t ms, char text[TIME_TEXT_MAX]);

#endif
