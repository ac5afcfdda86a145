/*
 * Times as text, by hand: strptime() and strftime() depend on the locale, take white space where
 * the formats have none, and know no fractions.
 */
#include "base/timetext.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"

static const char *const month_names[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char *const day_names[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
static const char *const long_day_names[] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                             "Friday", "Saturday", "Sunday"};

/* Days since 1970-01-01. The year is taken to begin in March, so that the leap day is its last;
 * H. Hinnant, "chrono-compatible low-level date algorithms". */
int64_t days_from_civil(int64_t year, int month, int day)
{
    int64_t era, year_of_era, day_of_year;

    year -= month <= 2;
    era = (year >= 0 ? year : year - 399) / 400;
    year_of_era = year - era * 400;
    day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           719468;
}

void civil_from_days(int64_t days, struct civil *ret)
{
    int64_t era, day_of_era, year_of_era, day_of_year, march_month;

    days += 719468;
    era = (days >= 0 ? days : days - 146096) / 146097;
    day_of_era = days - era * 146097;
    year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    march_month = (5 * day_of_year + 2) / 153;
    ret->day = (int)(day_of_year - (153 * march_month + 2) / 5 + 1);
    ret->month = (int)(march_month < 10 ? march_month + 3 : march_month - 9);
    ret->year = (int)(year_of_era + era * 400 + (ret->month <= 2));
}

int weekday_of(int64_t days)
{
    int64_t from_sunday = days + 4; /* 1970-01-01 was a Thursday */

    return (int)(from_sunday - floor_div(from_sunday, 7) * 7);
}

int days_in_month(int64_t year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap_year = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    return days[month - 1] + (month == 2 && is_leap_year);
}

int64_t time_from_civil(int year, int month, int day, int hour, int minute, int second)
{
    int64_t hours = days_from_civil(year, month, day) * 24 + hour;

    return ((hours * 60 + minute) * 60 + second) * 1000;
}

static int64_t civil_to_ms(const struct civil *c)
{
    return time_from_civil(c->year, c->month, c->day, c->hour, c->minute, c->second);
}

static bool civil_exists(const struct civil *c)
{
    if (c->month < 1 || c->month > 12 || c->day < 1 || c->day > days_in_month(c->year, c->month))
        return false;
    /* RFC 3339 5.7: a leap second is written 60; here it is the first of the next minute. */
    return c->hour <= 23 && c->minute <= 59 && c->second <= 60;
}

/* Reads a text piece by piece; the first piece that does not fit makes it bad for good. */
struct scan {
    const char *p;
    bool bad;
};

static bool scan_at_digit(const struct scan *scan)
{
    return *scan->p >= '0' && *scan->p <= '9';
}

static int scan_digits(struct scan *scan, int count)
{
    int value = 0;

    for (; count > 0 && !scan->bad; count--) {
        if (!scan_at_digit(scan))
            scan->bad = true;
        else
            value = value * 10 + (*scan->p++ - '0');
    }
    return value;
}

/* Any letter case. */
static bool scan_try(struct scan *scan, const char *text)
{
    size_t len = strlen(text);
    char piece[16];

    if (scan->bad || strnlen(scan->p, len) < len || len >= sizeof(piece))
        return false;
    memcpy(piece, scan->p, len);
    piece[len] = '\0';
    if (!streq_ci(piece, text))
        return false;
    scan->p += len;
    return true;
}

static void scan_text(struct scan *scan, const char *text)
{
    if (!scan_try(scan, text))
        scan->bad = true;
}

/* 1 for the first of `names`. */
static int scan_name(struct scan *scan, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (scan_try(scan, names[i]))
            return (int)i + 1;
    scan->bad = true;
    return 0;
}

static int scan_month(struct scan *scan)
{
    return scan_name(scan, month_names, ARRAY_LEN(month_names));
}

static void scan_hms(struct scan *scan, struct civil *c)
{
    c->hour = scan_digits(scan, 2);
    scan_text(scan, ":");
    c->minute = scan_digits(scan, 2);
    scan_text(scan, ":");
    c->second = scan_digits(scan, 2);
}

static int scan_fraction_ms(struct scan *scan)
{
    int ms = 0, unit = 100;

    if (!scan_try(scan, "."))
        return 0;
    if (!scan_at_digit(scan))
        scan->bad = true;
    for (; scan_at_digit(scan); scan->p++, unit /= 10)
        ms += unit * (*scan->p - '0');
    return ms;
}

static int64_t scan_offset_ms(struct scan *scan)
{
    int sign, hours, minutes;

    if (scan_try(scan, "Z"))
        return 0;
    sign = scan_try(scan, "-") ? -1 : 1;
    if (sign > 0)
        scan_text(scan, "+");
    hours = scan_digits(scan, 2);
    scan_text(scan, ":");
    minutes = scan_digits(scan, 2);
    if (hours > 23 || minutes > 59)
        scan->bad = true;
    return sign * (HOURS(hours) + MINUTES(minutes));
}

static int not_a(const char *what, const char *text, struct err *err)
{
    cleanup(buf_deinit) struct buf excerpt = BUF(ERR_TEXT_MAX);

    str_excerpt(&excerpt, text, strlen(text));
    return err_set(err, ERR_INVALID, "'%s' is not %s", buf_str(&excerpt), what);
}

int time_parse_rfc3339(const char *text, int64_t *ret_ms, struct err *err)
{
    struct scan scan = {.p = text};
    struct civil c = {};
    int64_t fraction_ms, offset_ms;

    c.year = scan_digits(&scan, 4);
    scan_text(&scan, "-");
    c.month = scan_digits(&scan, 2);
    scan_text(&scan, "-");
    c.day = scan_digits(&scan, 2);
    scan_text(&scan, "T");
    scan_hms(&scan, &c);
    fraction_ms = scan_fraction_ms(&scan);
    offset_ms = scan_offset_ms(&scan);
    if (scan.bad || *scan.p || !civil_exists(&c))
        return not_a("an RFC 3339 time", text, err);
    *ret_ms = civil_to_ms(&c) + fraction_ms - offset_ms;
    return 0;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT" */
static void scan_imf_date(struct scan *scan, struct civil *c)
{
    c->day = scan_digits(scan, 2);
    scan_text(scan, " ");
    c->month = scan_month(scan);
    scan_text(scan, " ");
    c->year = scan_digits(scan, 4);
    scan_text(scan, " ");
    scan_hms(scan, c);
    scan_text(scan, " GMT");
}

/* "Sunday, 06-Nov-94 08:49:37 GMT". RFC 9110 5.6.7 judges the two digits by today; no server has
 * sent this form for decades, so POSIX's fixed pivot does. */
static void scan_rfc850_date(struct scan *scan, struct civil *c)
{
    c->day = scan_digits(scan, 2);
    scan_text(scan, "-");
    c->month = scan_month(scan);
    scan_text(scan, "-");
    c->year = scan_digits(scan, 2);
    c->year += c->year < 69 ? 2000 : 1900;
    scan_text(scan, " ");
    scan_hms(scan, c);
    scan_text(scan, " GMT");
}

/* "Sun Nov  6 08:49:37 1994" */
static void scan_asctime_date(struct scan *scan, struct civil *c)
{
    c->month = scan_month(scan);
    scan_text(scan, " ");
    c->day = scan_try(scan, " ") ? scan_digits(scan, 1) : scan_digits(scan, 2);
    scan_text(scan, " ");
    scan_hms(scan, c);
    scan_text(scan, " ");
    c->year = scan_digits(scan, 4);
}

int time_parse_http_date(const char *text, int64_t *ret_ms, struct err *err)
{
    struct scan scan = {.p = text}, long_day = {.p = text};
    struct civil c = {};

    scan_name(&scan, day_names, ARRAY_LEN(day_names));
    scan_name(&long_day, long_day_names, ARRAY_LEN(long_day_names));
    if (!long_day.bad) {
        scan = long_day;
        scan_text(&scan, ", ");
        scan_rfc850_date(&scan, &c);
    } else if (scan_try(&scan, ", ")) {
        scan_imf_date(&scan, &c);
    } else {
        scan_text(&scan, " ");
        scan_asctime_date(&scan, &c);
    }
    if (scan.bad || *scan.p || !civil_exists(&c))
        return not_a("an HTTP date", text, err);
    *ret_ms = civil_to_ms(&c);
    return 0;
}

static int64_t clamped(int64_t value, int64_t min, int64_t max)
{
    return value < min ? min : value > max ? max : value;
}

int time_parse_retry_after(const char *text, int64_t now_ms, int64_t server_date_ms,
                           int64_t *ret_at_ms, struct err *err)
{
    int64_t longest_ms = DAYS(365), wait_ms, date_ms;
    int64_t seconds;
    int r;

    if (text[0] && !text[strspn(text, "0123456789")]) {
        r = str_parse_int(text, 0, longest_ms / 1000, &seconds);
        wait_ms = r < 0 ? longest_ms : SECONDS(seconds); /* only too large can be wrong with it */
    } else {
        r = time_parse_http_date(text, &date_ms, err);
        if (r < 0)
            return err_wrap(err, "Retry-After is neither seconds nor a date");
        wait_ms = date_ms - (server_date_ms > 0 ? server_date_ms : now_ms);
    }
    *ret_at_ms = now_ms + clamped(wait_ms, 0, longest_ms);
    return 0;
}

int64_t floor_div(int64_t value, int64_t by)
{
    return value / by - (value % by < 0);
}

enum { SECONDS_TEXT_MAX = 80 }; /* six ints of any value, as the compiler sees it */

/* Without the Z. Kubernetes refuses years beyond 0 to 9999, so they end there. */
static void format_seconds(int64_t ms, char text[SECONDS_TEXT_MAX])
{
    int64_t seconds = floor_div(clamped(ms, -62167219200000, 253402300799999), 1000);
    int64_t days = floor_div(seconds, 86400);
    int of_day = (int)(seconds - days * 86400);
    struct civil c = {};

    civil_from_days(days, &c);
    (void)snprintf(text, SECONDS_TEXT_MAX, "%04d-%02d-%02dT%02d:%02d:%02d", c.year, c.month, c.day,
                   of_day / 3600, of_day / 60 % 60, of_day % 60); /* 19 characters, as clamped */
}

void time_format(int64_t ms, char text[TIME_TEXT_MAX])
{
    char seconds[SECONDS_TEXT_MAX];

    format_seconds(ms, seconds);
    (void)snprintf(text, TIME_TEXT_MAX, "%.19sZ", seconds);
}

void time_format_micro(int64_t ms, char text[TIME_TEXT_MAX])
{
    char seconds[SECONDS_TEXT_MAX];
    int fraction_ms = (int)(ms - floor_div(ms, 1000) * 1000);

    format_seconds(ms, seconds);
    (void)snprintf(text, TIME_TEXT_MAX, "%.19s.%03d000Z", seconds, fraction_ms);
}
