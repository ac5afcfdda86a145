/* cron.c - parses cron lines and finds when they fire. */
#include "base/cron.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "base/timetext.h"

enum { DAY_S = 86400, MINUTES_A_DAY = 1440, A_LEAP_YEAR = 2000 };
#define SEARCH_S (INT64_C(9) * 366 * DAY_S)
#define NO_VALUE (-1)

/* --- the text --- */

static const char *const month_names[] = {"jan", "feb", "mar", "apr", "may", "jun",
                                          "jul", "aug", "sep", "oct", "nov", "dec"};
static const char *const day_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

enum { FIELD_MINUTE, FIELD_HOUR, FIELD_DAY, FIELD_MONTH, FIELD_WEEKDAY, FIELDS };
static const struct cron_field {
    const char *name;
    int min, max;
    const char *const *names; /* of min and what follows; NULL: none */
    const char *range;
} cron_fields[FIELDS] = {
    [FIELD_MINUTE] = {"minute", 0, 59, NULL, "0 to 59"},
    [FIELD_HOUR] = {"hour", 0, 23, NULL, "0 to 23"},
    [FIELD_DAY] = {"day of month", 1, 31, NULL, "1 to 31"},
    [FIELD_MONTH] = {"month", 1, 12, month_names, "1 to 12 or jan to dec"},
    [FIELD_WEEKDAY] = {"day of week", 0, 6, day_names, "0 (Sunday) to 6 or sun to sat"},
};

static const struct {
    const char *word, *line;
} words[] = {
    {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"},
    {"@weekly", "0 0 * * 0"}, {"@daily", "0 0 * * *"},    {"@midnight", "0 0 * * *"},
    {"@hourly", "0 * * * *"},
};

struct piece { /* of the line */
    const char *text;
    size_t len;
};

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct piece trim(const char *text)
{
    struct piece piece;

    while (is_space(*text))
        text++;
    piece = (struct piece){text, strlen(text)};
    while (piece.len > 0 && is_space(text[piece.len - 1]))
        piece.len--;
    return piece;
}

/* What is in front of the first of `separators`; `rest` is what is behind it, with text NULL at the end. */
static struct piece cut(struct piece *rest, const char *separators)
{
    struct piece first = *rest;

    for (size_t i = 0; i < rest->len; i++) {
        if (strchr(separators, rest->text[i])) {
            first.len = i;
            *rest = (struct piece){rest->text + i + 1, rest->len - i - 1};
            return first;
        }
    }
    *rest = (struct piece){};
    return first;
}

static bool piece_is(struct piece piece, const char *text)
{
    return piece.len == strlen(text) && strncasecmp(piece.text, text, piece.len) == 0;
}

PRINTF_LIKE(4, 5)
static int refuse(struct err *err, const struct cron_field *field, struct piece piece,
                  const char *fmt, ...)
{
    char text[200];
    int len = piece.len < 40 ? (int)piece.len : 40;
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args); /* ours, and short */
    va_end(args);
    return err_set(err, ERR_INVALID, "%s '%.*s' %s", field->name, len, piece.text, text);
}

/* As Go's Atoi reads them, but for the sign, which has no use; NO_VALUE: is none. */
static int number_of(struct piece piece)
{
    int value = 0;

    if (piece.len > 1 && piece.text[0] == '+')
        piece = (struct piece){piece.text + 1, piece.len - 1};
    for (size_t i = 0; i < piece.len; i++) {
        if (piece.text[i] < '0' || piece.text[i] > '9')
            return NO_VALUE;
        if (value < 100000)
            value = value * 10 + (piece.text[i] - '0');
    }
    return piece.len > 0 ? value : NO_VALUE;
}

static int value_of(const struct cron_field *field, struct piece piece)
{
    for (int i = field->min; field->names && i <= field->max; i++) {
        if (piece_is(piece, field->names[i - field->min]))
            return i;
    }
    return number_of(piece);
}

struct range {
    int from, to, step;
    bool is_all;
};

/* "a", "a-b", "*"; what follows a star and a hyphen is passed over, as robfig/cron does. */
static int parse_span(const struct cron_field *field, struct piece span, struct range *range,
                      struct err *err)
{
    struct piece rest = span, low = cut(&rest, "-"), high = rest.text ? cut(&rest, "-") : low;

    if (piece_is(low, "*") || piece_is(low, "?")) {
        *range = (struct range){field->min, field->max, 1, true};
        return 0;
    }
    range->from = value_of(field, low);
    range->to = value_of(field, high);
    if (range->from == NO_VALUE || range->to == NO_VALUE || rest.text)
        return refuse(err, field, span, "is neither a value nor a range; write %s, as in '%d-%d'",
                      field->range, field->min, field->max);
    if (range->from < field->min || range->to > field->max || range->from > field->max)
        return refuse(err, field, span, "is out of range; it is from %s", field->range);
    if (range->from > range->to)
        return refuse(err, field, span, "ends before it begins; write two ranges with a comma");
    return 0;
}

/* "a/n" is "a-max/n". A star with a step restricts. */
static int parse_step(const struct cron_field *field, struct piece item, struct piece step,
                      bool is_single, struct range *range, struct err *err)
{
    range->step = number_of(step);
    if (range->step == NO_VALUE)
        return refuse(err, field, item, "has a step that is no number; write it as in '*/2'");
    if (range->step == 0)
        return refuse(err, field, item, "has a step of 0; write 1 or more");
    if (is_single)
        range->to = field->max;
    range->is_all = range->is_all && range->step == 1;
    return 0;
}

static int parse_item(const struct cron_field *field, struct piece item, struct range *range,
                      struct err *err)
{
    struct piece rest = item, span = cut(&rest, "/"), step;
    int r = parse_span(field, span, range, err);

    range->step = 1;
    if (r < 0 || !rest.text)
        return r;
    step = cut(&rest, "/");
    if (rest.text)
        return refuse(err, field, item, "has two steps; write one");
    return parse_step(field, item, step, !memchr(span.text, '-', span.len), range, err);
}

static int parse_field(const struct cron_field *field, struct piece text, uint64_t *ret_bits,
                       bool *ret_is_all, struct err *err)
{
    uint64_t bits = 0;
    bool is_all = false;

    while (text.text) {
        struct piece item = cut(&text, ",");
        struct range range = {};
        int r = item.len > 0 ? parse_item(field, item, &range, err) : 0;

        if (r < 0)
            return r;
        if (item.len == 0)
            continue;
        for (int i = range.from; i <= range.to; i += range.step)
            bits |= UINT64_C(1) << i;
        is_all = is_all || range.is_all;
    }
    *ret_bits = bits;
    *ret_is_all = is_all;
    return 0;
}

/* How many there are; the first of them are put into `ret`. */
static size_t split(struct piece line, struct piece ret[FIELDS])
{
    size_t count = 0;

    while (line.text) {
        struct piece field = cut(&line, " \t\n\v\f\r");

        if (field.len == 0)
            continue;
        if (count < FIELDS)
            ret[count] = field;
        count++;
    }
    return count;
}

static int parse_line(struct piece line, struct cron *ret, struct err *err)
{
    struct piece pieces[FIELDS];
    size_t count = split(line, pieces);
    uint64_t bits[FIELDS];
    bool is_all[FIELDS];

    if (count != FIELDS)
        return err_set(
            err, ERR_INVALID,
            "has %zu field(s) in place of 5; write minute, hour, day of month, month and day "
            "of week, or a word such as @daily",
            count);
    for (size_t i = 0; i < FIELDS; i++) {
        int r = parse_field(&cron_fields[i], pieces[i], &bits[i], &is_all[i], err);

        if (r < 0)
            return r;
    }
    *ret = (struct cron){
        .minutes = bits[FIELD_MINUTE],
        .hours = (uint32_t)bits[FIELD_HOUR],
        .days = (uint32_t)bits[FIELD_DAY],
        .months = (uint32_t)bits[FIELD_MONTH],
        .weekdays = (uint32_t)bits[FIELD_WEEKDAY],
        .any_day = is_all[FIELD_DAY],
        .any_weekday = is_all[FIELD_WEEKDAY],
    };
    return 0;
}

/* Less than a second is one, a negative time too, as in robfig/cron. */
static int parse_every(struct piece line, struct cron *ret, struct err *err)
{
    static const char every[] = "@every ";
    cleanup(xfree) char *text = xstrndup(line.text + strlen(every), line.len - strlen(every));
    int64_t ns;

    if (duration_parse(text, &ns, NULL) < 0)
        return err_set(err, ERR_INVALID,
                       "'@every %.40s' has no duration; write it as in '@every 12h'", text);
    *ret = (struct cron){.every_s = ns < 1000000000 ? 1 : ns / 1000000000};
    return 0;
}

static int parse_word(struct piece line, struct cron *ret, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        const char *word = words[i].word;

        if (line.len == strlen(word) && memcmp(line.text, word, line.len) == 0)
            return parse_line(trim(words[i].line), ret, err);
    }
    if (line.len > strlen("@every ") && str_starts(line.text, "@every "))
        return parse_every(line, ret, err);
    return err_set(
        err, ERR_INVALID,
        "'%.*s' is no word of cron; there are @yearly, @monthly, @weekly, @daily, @hourly and "
        "'@every <duration>'",
        line.len < 40 ? (int)line.len : 40, line.text);
}

int cron_parse(const char *text, struct cron *ret, struct err *err)
{
    struct piece line = trim(text);

    if (str_starts(line.text, "TZ=") || str_starts(line.text, "CRON_TZ="))
        return err_set(
            err, ERR_INVALID,
            "has a time zone in the line; put it into 'timezone', and only the five fields "
            "here");
    return line.text[0] == '@' ? parse_word(line, ret, err) : parse_line(line, ret, err);
}

/* --- calendar --- */

static bool has_day(const struct cron *cron)
{
    for (int month = 1; month <= 12; month++) {
        int longest = days_in_month(A_LEAP_YEAR, month);
        uint32_t there = (uint32_t)((UINT64_C(1) << (longest + 1)) - 1);

        if (cron->months & 1U << month && cron->days & there)
            return true;
    }
    return false;
}

bool cron_never_fires(const struct cron *cron)
{
    bool in_month = has_day(cron), in_week = cron->weekdays != 0;
    bool either = !cron->any_day && !cron->any_weekday;

    if (cron->every_s > 0)
        return false;
    return cron->minutes == 0 || cron->hours == 0 || cron->months == 0 ||
           !(either ? in_month || in_week : in_month && in_week);
}

static bool day_matches(const struct cron *cron, int64_t day, const struct civil *date)
{
    bool in_month = cron->days & 1U << date->day;
    bool in_week = cron->weekdays & 1U << weekday_of(day);

    return cron->any_day || cron->any_weekday ? in_month && in_week : in_month || in_week;
}

static bool month_matches(const struct cron *cron, const struct civil *date)
{
    return cron->months & 1U << date->month;
}

/* The first minute of the day from `from` on; NO_VALUE: none. */
static int first_minute(const struct cron *cron, int from)
{
    for (int hour = from / 60; hour < 24; hour++) {
        uint64_t minutes = cron->minutes &
                           (hour == from / 60 ? UINT64_MAX << from % 60 : UINT64_MAX);

        if (cron->hours & 1U << hour && minutes)
            return hour * 60 + __builtin_ctzll(minutes);
    }
    return NO_VALUE;
}

/* The last minute of the day up to `to`. */
static int last_minute(const struct cron *cron, int to)
{
    for (int hour = to / 60; hour >= 0; hour--) {
        uint64_t minutes = cron->minutes &
                           (hour == to / 60 ? UINT64_MAX >> (63 - to % 60) : UINT64_MAX);

        if (cron->hours & 1U << hour && minutes)
            return hour * 60 + 63 - __builtin_clzll(minutes);
    }
    return NO_VALUE;
}

/* In local time: the first in [from_s, to_s). */
static bool first_start(const struct cron *cron, int64_t from_s, int64_t to_s, int64_t *ret_s)
{
    int64_t day = floor_div(from_s, DAY_S);
    int minute = (int)((from_s - day * DAY_S + 59) / 60); /* 1440: not on that day */

    for (; day * DAY_S < to_s; minute = 0) {
        struct civil date = {};
        int found;

        civil_from_days(day, &date);
        if (!month_matches(cron, &date)) {
            day = days_from_civil(date.year + date.month / 12, date.month % 12 + 1, 1);
            continue;
        }
        found = day_matches(cron, day, &date) ? first_minute(cron, minute) : NO_VALUE;
        if (found != NO_VALUE) {
            *ret_s = day * DAY_S + found * 60;
            return *ret_s < to_s;
        }
        day++;
    }
    return false;
}

/* The last in [from_s, to_s]. */
static bool last_start(const struct cron *cron, int64_t from_s, int64_t to_s, int64_t *ret_s)
{
    int64_t day = floor_div(to_s, DAY_S);
    int minute = (int)((to_s - day * DAY_S) / 60);

    for (; (day + 1) * DAY_S > from_s; minute = MINUTES_A_DAY - 1) {
        struct civil date = {};
        int found;

        civil_from_days(day, &date);
        if (!month_matches(cron, &date)) {
            day -= date.day; /* the last day of the month before */
            continue;
        }
        found = day_matches(cron, day, &date) ? last_minute(cron, minute) : NO_VALUE;
        if (found != NO_VALUE) {
            *ret_s = day * DAY_S + found * 60;
            return *ret_s >= from_s;
        }
        day--;
    }
    return false;
}

/* --- instants --- */

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

int64_t cron_next_ms(const struct cron *cron, const struct zone *zone, int64_t after_ms,
                     int64_t until_ms)
{
    int64_t at_s = floor_div(after_ms, 1000) + 1, until_s = floor_div(until_ms, 1000), local_s;

    if (cron->every_s > 0)
        return cron->every_s <= until_s - at_s + 1 ? (at_s - 1 + cron->every_s) * 1000 : 0;
    if (cron_never_fires(cron))
        return 0;
    until_s = smaller(until_s, at_s + SEARCH_S);
    while (at_s <= until_s) {
        struct zone_span span = zone_span_at(zone, at_s);
        int64_t end_s = smaller(span.to_s, until_s + 1);

        if (first_start(cron, at_s + span.offset_s, end_s + span.offset_s, &local_s))
            return (local_s - span.offset_s) * 1000;
        at_s = end_s;
    }
    return 0;
}

int64_t cron_last_ms(const struct cron *cron, const struct zone *zone, int64_t at_ms,
                     int64_t from_ms)
{
    int64_t at_s = floor_div(at_ms, 1000), from_s = -floor_div(-from_ms, 1000), local_s;

    if (cron->every_s > 0)
        return cron->every_s <= at_s - from_s ? at_s * 1000 : 0;
    if (cron_never_fires(cron))
        return 0;
    from_s = larger(from_s, at_s - SEARCH_S);
    while (at_s >= from_s) {
        struct zone_span span = zone_span_at(zone, at_s);
        int64_t begin_s = larger(span.from_s, from_s);

        if (last_start(cron, begin_s + span.offset_s, at_s + span.offset_s, &local_s))
            return (local_s - span.offset_s) * 1000;
        at_s = begin_s - 1;
    }
    return 0;
}
