#include "base/str.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/limits.h"

bool streq(const char *a, const char *b)
{
    if (!a || !b)
        return a == b;
    return strcmp(a, b) == 0;
}

static char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool streq_ci(const char *a, const char *b)
{
    if (!a || !b)
        return a == b;
    while (*a && ascii_lower(*a) == ascii_lower(*b))
        a++, b++;
    return ascii_lower(*a) == ascii_lower(*b);
}

bool str_empty(const char *s)
{
    return !s || !*s;
}

bool str_starts(const char *s, const char *prefix)
{
    return s && strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
    size_t len = s ? strlen(s) : 0, tail = strlen(suffix);

    return s && len >= tail && memcmp(s + len - tail, suffix, tail) == 0;
}

const char *str_last(const char *s, const char *what)
{
    const char *last = NULL;

    for (const char *at = s; at && (at = strstr(at, what)); at++)
        last = at;
    return last;
}

const char *str_or(const char *s, const char *otherwise)
{
    return str_empty(s) ? otherwise : s;
}

void str_lower(char *s)
{
    for (; *s; s++)
        *s = ascii_lower(*s);
}

int str_parse_int(const char *s, int64_t min, int64_t max, int64_t *ret)
{
    char *end;
    long long value;

    /* strtoll() would also take white space and a plus. */
    if (str_empty(s) || (*s != '-' && (*s < '0' || *s > '9')))
        return ERR_INVALID;
    errno = 0;
    value = strtoll(s, &end, 10);
    if (errno || *end || end == s || value < min || value > max)
        return ERR_INVALID;
    *ret = value;
    return 0;
}

int str_hex_digit(char c)
{
    char lower = ascii_lower(c);

    if (c >= '0' && c <= '9')
        return c - '0';
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static bool is_continuation(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

/* RFC 3629 4: the second byte's range is what shuts out overlong forms and surrogates. */
static bool second_byte_fits(unsigned char first, unsigned char second)
{
    switch (first) {
    case 0xe0:
        return second >= 0xa0 && second <= 0xbf;
    case 0xed:
        return second >= 0x80 && second <= 0x9f;
    case 0xf0:
        return second >= 0x90 && second <= 0xbf;
    case 0xf4:
        return second >= 0x80 && second <= 0x8f;
    default:
        return is_continuation(second);
    }
}

size_t str_utf8_next(const char *s, size_t len)
{
    const unsigned char *u = (const unsigned char *)s;
    size_t need;

    if (len == 0)
        return 0;
    if (u[0] < 0x80)
        return 1;
    need = u[0] >= 0xf0 ? 4 : u[0] >= 0xe0 ? 3 : 2;
    if (u[0] < 0xc2 || u[0] > 0xf4 || len < need || !second_byte_fits(u[0], u[1]))
        return 0;
    for (size_t i = 2; i < need; i++)
        if (!is_continuation(u[i]))
            return 0;
    return need;
}

uint32_t str_utf8_code(const char *s, size_t len)
{
    static const unsigned char masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t code = (unsigned char)s[0] & masks[len];

    for (size_t i = 1; i < len; i++)
        code = code << 6 | ((unsigned char)s[i] & 0x3f);
    return code;
}

bool str_is_utf8(const char *s, size_t len)
{
    size_t step;

    for (; len > 0; s += step, len -= step) {
        step = str_utf8_next(s, len);
        if (step == 0)
            return false;
    }
    return true;
}

bool str_is_unseen(uint32_t code)
{
    static const struct {
        uint32_t first, last;
    } ranges[] = {
        {0, 0x1f},          {0x7f, 0x9f}, /* C1 steers terminals just as C0 does */
        {0xad, 0xad}, /* from here on, Unicode's Cf without those that are seen, Zl and Zp */
        {0x61c, 0x61c},     {0x180e, 0x180e},   {0x200b, 0x200f}, {0x2028, 0x202e},
        {0x2060, 0x206f},   {0xfeff, 0xfeff},   {0xfff9, 0xfffb}, {0x1bca0, 0x1bca3},
        {0x1d173, 0x1d17a}, {0xe0000, 0xe007f},
    };

    for (size_t i = 0; i < ARRAY_LEN(ranges) && code >= ranges[i].first; i++)
        if (code <= ranges[i].last)
            return true;
    return false;
}

/* Cleans `len` bytes in place and returns how many remain. */
static size_t clean(char *s, size_t len)
{
    size_t to = 0, step;

    for (size_t from = 0; from < len; from += step) {
        step = str_utf8_next(s + from, len - from);
        if (step == 0 || str_is_unseen(str_utf8_code(s + from, step))) {
            s[to++] = '?';
            step = step ? step : 1;
            continue;
        }
        memmove(s + to, s + from, step);
        to += step;
    }
    return to;
}

void str_clean(char *s)
{
    s[clean(s, strlen(s))] = '\0';
}

/* The longest prefix of at most `max` bytes that does not cut a character. */
static size_t whole_characters(const char *s, size_t len, size_t max)
{
    size_t cut = max;

    if (len <= max)
        return len;
    while (cut > 0 && max - cut < 3 && is_continuation((unsigned char)s[cut]))
        cut--;
    return is_continuation((unsigned char)s[cut]) ? max : cut;
}

void str_ellipsis(char *text, size_t size)
{
    static const char dots[] = "...";
    size_t cut = whole_characters(text, size, size - sizeof(dots));

    memcpy(text + cut, dots, sizeof(dots));
}

void str_excerpt(struct buf *buf, const char *s, size_t len)
{
    char text[LIMIT_EXCERPT];
    size_t cut = whole_characters(s, len, sizeof(text));

    if (cut > 0)
        memcpy(text, s, cut);
    buf_add(buf, text, clean(text, cut));
}

uint64_t str_hash(const void *data, size_t len)
{
    const unsigned char *bytes = data;
    uint64_t hash = 0xcbf29ce484222325;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3;
    return hash;
}

uint32_t str_fnv1_32(const void *data, size_t len)
{
    const unsigned char *bytes = data;
    uint32_t hash = 0x811c9dc5;

    for (size_t i = 0; i < len; i++)
        hash = (hash * 0x01000193) ^ bytes[i];
    return hash;
}
