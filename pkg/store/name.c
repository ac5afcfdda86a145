#include "store/name.h"

#include <string.h>

#include "base/str.h"

#define LOWER  "abcdefghijklmnopqrstuvwxyz"
#define UPPER  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

static bool is_one_of(char c, const char *set)
{
    return c && strchr(set, c);
}

/* Only `set` inside, and `edge` at both ends; 1 to `max` bytes. */
static bool consists_of(const char *s, size_t len, size_t max, const char *set, const char *edge)
{
    return len > 0 && len <= max && strspn(s, set) >= len && is_one_of(s[0], edge) &&
           is_one_of(s[len - 1], edge);
}

static bool is_dns_label(const char *s, size_t len, size_t max)
{
    return consists_of(s, len, max, LOWER DIGITS "-", LOWER DIGITS);
}

/* The syntax shared by label values and the name part of qualified names. */
static bool is_plain_name(const char *s)
{
    return consists_of(s, strlen(s), NAME_LABEL_MAX, LOWER UPPER DIGITS "-_.", LOWER UPPER DIGITS);
}

static bool is_dns_subdomain(const char *s, size_t len)
{
    const char *end = s + len;

    if (len > NAME_SUBDOMAIN_MAX)
        return false;
    for (;;) {
        const char *dot = memchr(s, '.', (size_t)(end - s));
        const char *stop = dot ? dot : end;

        /* A label inside a subdomain is not limited to 63 bytes: apimachinery's regular expression. */
        if (!is_dns_label(s, (size_t)(stop - s), NAME_SUBDOMAIN_MAX))
            return false;
        if (!dot)
            return true;
        s = dot + 1;
    }
}

bool stored_name_is_label(const char *s)
{
    return s && is_dns_label(s, strlen(s), NAME_LABEL_MAX);
}

bool stored_name_is_subdomain(const char *s)
{
    return s && is_dns_subdomain(s, strlen(s));
}

bool stored_name_is_qualified(const char *s)
{
    const char *slash;

    if (!s)
        return false;
    slash = strchr(s, '/');
    if (!slash)
        return is_plain_name(s);
    return is_dns_subdomain(s, (size_t)(slash - s)) && is_plain_name(slash + 1);
}

bool stored_name_is_annotation_key(const char *s)
{
    cleanup(xfree) char *lower = s ? xstrdup(s) : NULL;

    if (lower)
        str_lower(lower);
    return stored_name_is_qualified(lower);
}

bool stored_name_is_label_value(const char *s)
{
    return s && (!*s || is_plain_name(s));
}

bool stored_name_is_data_key(const char *s)
{
    size_t len = s ? strlen(s) : 0;

    if (len == 0 || len > NAME_SUBDOMAIN_MAX || streq(s, ".") || str_starts(s, ".."))
        return false;
    return strspn(s, LOWER UPPER DIGITS "-_.") == len;
}

/* apimachinery's IsValidPathSegmentName(), within the length that all other names have. */
bool stored_name_is_step(const char *s)
{
    return s && s[0] && strlen(s) <= NAME_SUBDOMAIN_MAX && !strpbrk(s, "/%") && !streq(s, ".") &&
           !streq(s, "..");
}
