/*
 * scalar.c - the rules of go-yaml v2 (resolve.go), which sigs.k8s.io/yaml uses.
 *
 * Numbers may have underscores; 0x, 0o, 0b and a leading 0 choose the base. A float without a
 * fraction ends up as an integer, because it passes through JSON text there. Timestamps stay text.
 */
#include "yaml/scalar.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_NUMBER = 400 }; /* 1e308 written out, and some */

static bool is_one_of(const char *s, size_t len, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(words[i]) == len && memcmp(words[i], s, len) == 0)
            return true;
    return false;
}
#define IS_ONE_OF(s, len, ...)                                                                     \
    is_one_of(s, len, (const char *const[]){__VA_ARGS__},                                          \
              ARRAY_LEN(((const char *const[]){__VA_ARGS__})))

static bool is_null(const char *s, size_t len)
{
    return IS_ONE_OF(s, len, "", "~", "null", "Null", "NULL");
}

static bool is_true(const char *s, size_t len)
{
    return IS_ONE_OF(s, len, "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y",
                     "Y");
}

static bool is_false(const char *s, size_t len)
{
    return IS_ONE_OF(s, len, "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n",
                     "N");
}

static bool is_not_finite(const char *s, size_t len)
{
    return IS_ONE_OF(s, len, ".nan", ".NaN", ".NAN", ".inf", ".Inf", ".INF", "+.inf", "+.Inf",
                     "+.INF", "-.inf", "-.Inf", "-.INF");
}

/* Without underscores and with a terminator; false for what is too long or cannot be a number. */
static bool copy_number(const char *s, size_t len, char to[LONGEST_NUMBER])
{
    size_t at = 0;

    if (len == 0 || len >= LONGEST_NUMBER || !strchr("+-.0123456789", s[0]))
        return false;
    for (size_t i = 0; i < len; i++) {
        if (s[i] == '_')
            continue;
        if (!isalnum((unsigned char)s[i]) && !strchr("+-.", s[i]))
            return false;
        to[at++] = s[i];
    }
    to[at] = '\0';
    return at > 0;
}

/* The digits after a prefix, and their base: "0x1f", "0o17", "0b11", "017", "15". */
static const char *number_base(const char *digits, int *ret_base)
{
    static const struct {
        char letter;
        int base;
    } prefixes[] = {{'x', 16}, {'o', 8}, {'b', 2}};

    *ret_base = 10;
    if (digits[0] != '0' || digits[1] == '\0')
        return digits;
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
        if (tolower((unsigned char)digits[1]) == prefixes[i].letter) {
            *ret_base = prefixes[i].base;
            return digits + 2;
        }
    }
    *ret_base = 8;
    return digits + 1;
}

static struct json *signed_int(bool negative, unsigned long long n)
{
    if (!negative && n <= INT64_MAX)
        return json_new_int((int64_t)n);
    if (negative && n <= (unsigned long long)INT64_MAX + 1)
        return json_new_int((int64_t)(0 - n));
    return json_new_real(negative ? -(double)n : (double)n);
}

static struct json *read_int(const char *s)
{
    bool negative = *s == '-';
    unsigned long long n;
    const char *digits;
    char *end;
    int base;

    digits = number_base(s + (*s == '-' || *s == '+'), &base);
    if (!isxdigit((unsigned char)*digits)) /* strtoull would take a sign or spaces */
        return NULL;
    errno = 0;
    n = strtoull(digits, &end, base);
    if (errno != 0 || *end != '\0')
        return NULL;
    return signed_int(negative, n);
}

static const char *skip_digits(const char *p)
{
    while (isdigit((unsigned char)*p))
        p++;
    return p;
}

/* [-+]? ( .digits | digits [ . digits? ] ) ( [eE] [-+]? digits )? */
static bool is_float(const char *s)
{
    const char *whole = s + (*s == '-' || *s == '+');
    const char *end = skip_digits(whole);
    size_t digits = (size_t)(end - whole);

    if (*end == '.') {
        const char *fraction = end + 1;

        end = skip_digits(fraction);
        digits += (size_t)(end - fraction);
    }
    if (digits == 0)
        return false;
    if (*end == 'e' || *end == 'E') {
        const char *exponent = end + 1 + (end[1] == '-' || end[1] == '+');

        end = skip_digits(exponent);
        if (end == exponent)
            return false;
    }
    return *end == '\0';
}

static struct json *read_float(const char *s)
{
    double n;

    if (!is_float(s))
        return NULL;
    n = strtod(s, NULL);
    if (!isfinite(n))
        return NULL; /* 1e999: Go leaves it as text, too */
    if (n == floor(n) && fabs(n) < 0x1p63)
        return json_new_int((int64_t)n);
    return json_new_real(n);
}

static struct json *read_number(const char *s, size_t len)
{
    char number[LONGEST_NUMBER];
    struct json *value;

    if (!copy_number(s, len, number))
        return NULL;
    value = read_int(number);
    return value ? value : read_float(number);
}

struct json *scalar_read(const char *s, size_t len)
{
    struct json *number;

    if (is_not_finite(s, len))
        return NULL;
    if (is_null(s, len))
        return json_new_null();
    if (is_true(s, len))
        return json_new_bool(true);
    if (is_false(s, len))
        return json_new_bool(false);
    number = read_number(s, len);
    return number ? number : json_new_text_len(s, len);
}

static bool looks_like_date(const char *s, size_t len)
{
    size_t digits = 0;

    while (digits < len && isdigit((unsigned char)s[digits]))
        digits++;
    return digits == 4 && len > 4 && s[4] == '-';
}

/* Base 60: "1:30" is 90 for readers of YAML 1.1 other than Go's. */
static bool looks_like_base60(const char *s, size_t len)
{
    size_t colons = 0;

    for (size_t i = 0; i < len; i++) {
        if (!isdigit((unsigned char)s[i]) && !strchr("+-._:", s[i]))
            return false;
        colons += s[i] == ':';
    }
    return colons > 0;
}

bool scalar_is_ambiguous(const char *s, size_t len)
{
    cleanup(json_unref) struct json *value = scalar_read(s, len);

    return json_kind(value) != JSON_KIND_TEXT || IS_ONE_OF(s, len, "<<", "=", "y", "Y", "n", "N") ||
           looks_like_date(s, len) || looks_like_base60(s, len);
}
