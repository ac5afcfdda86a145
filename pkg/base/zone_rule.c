/* zone_rule.c - TZ strings of POSIX, as they end a TZif file (RFC 9636 3.3). */
#include <string.h>

#include "base/str.h"
#include "base/timetext.h"
#include "base/zone_inside.h"

enum {
    NAME_MIN = 3,
    OFFSET_HOURS_MAX = 24,
    TIME_HOURS_MAX = 167, /* a week, so that a rule may say "the day after the last Thursday" */
    YEARS_AROUND = 2,     /* a change may lie a week outside of the year that it is of */
    CHANGES = 2 * (2 * YEARS_AROUND + 1),
};
/* Years beyond have no use, and would not fit an int. */
#define FAR_S (INT64_C(1) << 40)

/* --- the text --- */

struct scan {
    const char *p;
    bool is_bad;
};

static bool scan_char(struct scan *scan, char c)
{
    bool is_there = *scan->p == c;

    scan->p += is_there;
    return is_there;
}

static void scan_needs(struct scan *scan, char c)
{
    if (!scan_char(scan, c))
        scan->is_bad = true;
}

static int scan_number(struct scan *scan, int min, int max)
{
    const char *begin = scan->p;
    int value = 0;

    for (; *scan->p >= '0' && *scan->p <= '9' && scan->p - begin < 3; scan->p++)
        value = value * 10 + (*scan->p - '0');
    if (scan->p == begin || value < min || value > max)
        scan->is_bad = true;
    return value;
}

/* "[+-]hh[:mm[:ss]]", in seconds. */
static int scan_time(struct scan *scan, int hours_max)
{
    int sign = scan_char(scan, '-') ? -1 : 1, seconds;

    if (sign > 0)
        (void)scan_char(scan, '+');
    seconds = scan_number(scan, 0, hours_max) * 3600;
    if (scan_char(scan, ':'))
        seconds += scan_number(scan, 0, 59) * 60;
    else
        return sign * seconds;
    if (scan_char(scan, ':'))
        seconds += scan_number(scan, 0, 59);
    return sign * seconds;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_quoted_name(char c)
{
    return is_letter(c) || (c >= '0' && c <= '9') || c == '+' || c == '-';
}

static void scan_name(struct scan *scan)
{
    bool is_quoted = scan_char(scan, '<');
    const char *begin = scan->p;

    while (is_quoted ? is_quoted_name(*scan->p) : is_letter(*scan->p))
        scan->p++;
    if (scan->p - begin < NAME_MIN)
        scan->is_bad = true;
    if (is_quoted)
        scan_needs(scan, '>');
}

static struct zone_day scan_day(struct scan *scan)
{
    struct zone_day day = {.second_s = 2 * 3600};

    if (scan_char(scan, 'M')) {
        day.kind = ZONE_WEEKDAY_OF_MONTH;
        day.month = scan_number(scan, 1, 12);
        scan_needs(scan, '.');
        day.week = scan_number(scan, 1, 5);
        scan_needs(scan, '.');
        day.day = scan_number(scan, 0, 6);
    } else if (scan_char(scan, 'J')) {
        day.kind = ZONE_DAY_OF_365;
        day.day = scan_number(scan, 1, 365);
    } else {
        day.day = scan_number(scan, 0, 365);
    }
    if (scan_char(scan, '/'))
        day.second_s = scan_time(scan, TIME_HOURS_MAX);
    return day;
}

static void scan_summer(struct scan *scan, struct zone_rule *rule)
{
    rule->has_summer = true;
    scan_name(scan);
    rule->summer_s = rule->standard_s + 3600;
    if (*scan->p != ',')
        rule->summer_s = -scan_time(scan, OFFSET_HOURS_MAX);
    scan_needs(scan, ',');
    rule->start = scan_day(scan);
    scan_needs(scan, ',');
    rule->end = scan_day(scan);
}

/* POSIX counts to the west. */
int zone_rule_parse(const char *text, struct zone_rule *ret, struct err *err)
{
    struct scan scan = {.p = text};
    struct zone_rule rule = {};

    scan_name(&scan);
    rule.standard_s = -scan_time(&scan, OFFSET_HOURS_MAX);
    if (*scan.p && !scan.is_bad)
        scan_summer(&scan, &rule);
    if (*scan.p || scan.is_bad)
        return err_set(err, ERR_INVALID, "'%.80s' is not a rule for the hours of a time zone",
                       text);
    *ret = rule;
    return 0;
}

/* --- its changes --- */

static int64_t weekday_of_month(const struct zone_day *day, int year)
{
    int64_t first = days_from_civil(year, day->month, 1);
    int64_t found = first + (7 + day->day - weekday_of(first)) % 7 + (int64_t)(day->week - 1) * 7;

    return found < first + days_in_month(year, day->month) ? found : found - 7;
}

static int64_t day_of(const struct zone_day *day, int year)
{
    int64_t first = days_from_civil(year, 1, 1);

    switch (day->kind) {
    case ZONE_DAY_OF_YEAR:
        return first + day->day;
    case ZONE_DAY_OF_365:
        return first + day->day - 1 + (days_in_month(year, 2) == 29 && day->day >= 60);
    case ZONE_WEEKDAY_OF_MONTH:
        return weekday_of_month(day, year);
    }
    return first;
}

struct change {
    int64_t at_s;
    int offset_s; /* from then on */
};

/* Summer may last all year: then it ends when the next begins, and the later of the two must win. */
static void add_change(struct change changes[CHANGES], size_t count, struct change change)
{
    for (; count > 0 && changes[count - 1].at_s > change.at_s; count--)
        changes[count] = changes[count - 1];
    changes[count] = change;
}

static void changes_around(const struct zone_rule *rule, int year, struct change ret[CHANGES])
{
    size_t count = 0;

    for (int y = year - YEARS_AROUND; y <= year + YEARS_AROUND; y++) {
        int64_t start_s = day_of(&rule->start, y) * ZONE_DAY_S + rule->start.second_s;
        int64_t end_s = day_of(&rule->end, y) * ZONE_DAY_S + rule->end.second_s;

        add_change(ret, count++, (struct change){start_s - rule->standard_s, rule->summer_s});
        add_change(ret, count++, (struct change){end_s - rule->summer_s, rule->standard_s});
    }
}

struct zone_span zone_rule_span(const struct zone_rule *rule, int64_t at_s)
{
    struct zone_span span = {INT64_MIN, INT64_MAX, rule->standard_s};
    struct change changes[CHANGES];
    struct civil date;

    if (!rule->has_summer || at_s < -FAR_S || at_s > FAR_S)
        return span;
    civil_from_days(floor_div(at_s, ZONE_DAY_S), &date);
    changes_around(rule, date.year, changes);
    for (size_t i = 0; i < CHANGES; i++) {
        if (changes[i].at_s > at_s) {
            span.to_s = changes[i].at_s;
            break;
        }
        span.from_s = changes[i].at_s;
        span.offset_s = changes[i].offset_s;
    }
    return span;
}
