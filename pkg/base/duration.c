/* The durations of base/timetext.h: Go's time.ParseDuration() and Duration.String(). */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "base/timetext.h"

#define NS_PER_SECOND UINT64_C(1000000000)
#define NS_LARGEST    ((uint64_t)1 << 63) /* of a negative one; one less for the others */

static const struct unit {
    const char *name;
    uint64_t ns;
} units[] = {
    /* A longer name stands before the shorter one that it begins with. */
    {"ns", 1},
    {"us", 1000},
    {"\xc2\xb5s", 1000}, /* U+00B5 micro sign */
    {"\xce\xbcs", 1000}, /* U+03BC Greek mu */
    {"ms", 1000000},
    {"s", NS_PER_SECOND},
    {"m", 60 * NS_PER_SECOND},
    {"h", 3600 * NS_PER_SECOND},
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static const struct unit *scan_unit(const char **pos)
{
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (str_starts(*pos, units[i].name)) {
            *pos += strlen(units[i].name);
            return &units[i];
        }
    }
    return NULL;
}

/* False beyond NS_LARGEST. */
static bool scan_whole(const char **pos, uint64_t *ret)
{
    uint64_t value = 0;

    for (; is_digit(**pos); (*pos)++) {
        if (value > NS_LARGEST / 10)
            return false;
        value = value * 10 + (uint64_t)(**pos - '0');
        if (value > NS_LARGEST)
            return false;
    }
    *ret = value;
    return true;
}

struct fraction {
    uint64_t value;
    double scale; /* ten for each digit of it */
};

/* Digits beyond 63 bits are without effect, as in Go. */
static struct fraction scan_fraction(const char **pos)
{
    struct fraction fraction = {.scale = 1};

    for (; is_digit(**pos); (*pos)++) {
        if (fraction.value > (NS_LARGEST - 10) / 10)
            continue;
        fraction.value = fraction.value * 10 + (uint64_t)(**pos - '0');
        fraction.scale *= 10;
    }
    return fraction;
}

/* One "1.5h": adds it to `*total`; false when it is none or too much. */
static bool scan_part(const char **pos, uint64_t *total)
{
    const char *start = *pos;
    const struct unit *unit;
    struct fraction fraction = {.scale = 1};
    uint64_t value;
    bool point;

    if (!scan_whole(pos, &value))
        return false;
    point = **pos == '.';
    if (point) {
        (*pos)++;
        fraction = scan_fraction(pos);
    }
    if (*pos - start == (point ? 1 : 0)) /* no digit on either side */
        return false;
    unit = scan_unit(pos);
    if (!unit || value > NS_LARGEST / unit->ns)
        return false;
    /* In Go's order, so that both round to the same nanosecond. */
    value *= unit->ns;
    value += (uint64_t)((double)fraction.value * ((double)unit->ns / fraction.scale));
    if (value > NS_LARGEST - *total)
        return false;
    *total += value;
    return true;
}

static bool parse(const char *pos, bool negative, int64_t *ret_ns)
{
    uint64_t total = 0;

    if (!*pos)
        return false;
    if (streq(pos, "0")) {
        *ret_ns = 0;
        return true;
    }
    while (*pos)
        if (!scan_part(&pos, &total))
            return false;
    if (!negative && total == NS_LARGEST)
        return false;
    *ret_ns = (int64_t)(negative ? -total : total);
    return true;
}

int duration_parse(const char *text, int64_t *ret_ns, struct err *err)
{
    cleanup(buf_deinit) struct buf excerpt = BUF(ERR_TEXT_MAX);
    bool negative = text[0] == '-';

    if (parse(text + (negative || text[0] == '+'), negative, ret_ns))
        return 0;
    str_excerpt(&excerpt, text, strlen(text));
    return err_set(err, ERR_INVALID, "'%s' is not a duration like '1h30m'", buf_str(&excerpt));
}

/* "1.5" for 15 with one of the digits behind the point; no zeros at the end. */
static void format_decimal(uint64_t value, int digits, char text[TIME_TEXT_MAX])
{
    uint64_t scale = 1;
    size_t len;

    for (int i = 0; i < digits; i++)
        scale *= 10;
    (void)snprintf(text, TIME_TEXT_MAX, "%llu.", (unsigned long long)(value / scale));
    len = strlen(text) - (value % scale == 0);
    for (uint64_t rest = value % scale; rest > 0; rest %= scale) {
        scale /= 10;
        text[len++] = (char)('0' + rest / scale);
    }
    text[len] = '\0';
}

/* Go writes less than a second in the unit that leaves a whole number in front. */
static void format_below_second(uint64_t ns, const char *sign, char text[TIME_TEXT_MAX])
{
    const char *unit = ns < 1000 ? "ns" : ns < 1000000 ? "\xc2\xb5s" : "ms";
    int digits = ns < 1000 ? 0 : ns < 1000000 ? 3 : 6;
    char number[TIME_TEXT_MAX];

    format_decimal(ns, digits, number);
    (void)snprintf(text, TIME_TEXT_MAX, "%s%.20s%s", sign, number, unit);
}

void duration_format(int64_t ns, char text[TIME_TEXT_MAX])
{
    uint64_t value = ns < 0 ? -(uint64_t)ns : (uint64_t)ns;
    unsigned long long minutes = value / (60 * NS_PER_SECOND);
    const char *sign = ns < 0 ? "-" : "";
    char seconds[TIME_TEXT_MAX];

    if (value > 0 && value < NS_PER_SECOND) {
        format_below_second(value, sign, text);
        return;
    }
    format_decimal(value % (60 * NS_PER_SECOND), 9, seconds);
    if (minutes == 0)
        (void)snprintf(text, TIME_TEXT_MAX, "%s%.12ss", sign, seconds);
    else if (minutes < 60)
        (void)snprintf(text, TIME_TEXT_MAX, "%s%llum%.12ss", sign, minutes, seconds);
    else
        (void)snprintf(text, TIME_TEXT_MAX, "%s%lluh%llum%.12ss", sign, minutes / 60, minutes % 60,
                       seconds);
}

bool duration_is_plain(const char *text)
{
    static const char digits[] = "0123456789";

    do {
        size_t len = strspn(text, digits);

        if (len > 0 && text[len] == '.') {
            size_t fraction = strspn(text + len + 1, digits);

            len = fraction > 0 ? len + 1 + fraction : 0;
        }
        if (len == 0 || !text[len] || !strchr("hms", text[len]))
            return false;
        text += len + 1;
    } while (*text);
    return true;
}

void duration_format_plain(int64_t ns, char text[TIME_TEXT_MAX])
{
    char seconds[TIME_TEXT_MAX];

    if (ns <= 0 || (uint64_t)ns >= NS_PER_SECOND) {
        duration_format(ns, text);
        return;
    }
    format_decimal((uint64_t)ns, 9, seconds);
    (void)snprintf(text, TIME_TEXT_MAX, "%.20ss", seconds);
}

void duration_words(int64_t ms, char text[TIME_TEXT_MAX])
{
    static const struct {
        uint64_t seconds, next; /* `next`: the size of the unit below */
        const char *name, *next_name;
    } steps[] = {
        {86400, 3600, "d", "h"},
        {3600, 60, "h", "m"},
        {60, 1, "m", "s"},
        {1, 1, "s", ""},
    };
    uint64_t seconds = (ms < 0 ? -(uint64_t)ms : (uint64_t)ms) / 1000;
    unsigned long long first, second;
    const char *sign = ms < 0 && seconds > 0 ? "-" : "";
    size_t i = 0;

    while (i + 1 < ARRAY_LEN(steps) && seconds < steps[i].seconds)
        i++;
    first = seconds / steps[i].seconds;
    second = seconds % steps[i].seconds / steps[i].next;
    if (second == 0)
        (void)snprintf(text, TIME_TEXT_MAX, "%s%llu%s", sign, first, steps[i].name);
    else
        (void)snprintf(text, TIME_TEXT_MAX, "%s%llu%s %llu%s", sign, first, steps[i].name, second,
                       steps[i].next_name);
}
