/*
 * version.c - resourceVersion as a number without a size (KEP 5504, kubernetes.md 3).
 */
#include <string.h>

#include "store/store.h"

#define HASH_MARK (UINT64_C(1) << 63)

static bool is_decimal(const char *s)
{
    if (!*s || (s[0] == '0' && s[1]))
        return false;
    return s[strspn(s, "0123456789")] == '\0';
}

int version_compare(const char *a, const char *b)
{
    size_t a_len, b_len;
    int order;

    a = str_or(a, "0");
    b = str_or(b, "0");
    /* Not comparable and not equal counts as older: who waits for a version goes on waiting. */
    if (!is_decimal(a) || !is_decimal(b))
        return streq(a, b) ? 0 : -1;
    a_len = strlen(a);
    b_len = strlen(b);
    if (a_len != b_len)
        return a_len < b_len ? -1 : 1;
    order = strcmp(a, b);
    return order < 0 ? -1 : order > 0;
}

uint64_t version_number(const char *version)
{
    int64_t number;

    version = str_or(version, "0");
    if (is_decimal(version) && str_parse_int(version, 0, INT64_MAX, &number) == 0)
        return (uint64_t)number;
    return str_hash(version, strlen(version)) | HASH_MARK;
}

/* A hash is larger than any number. */
bool version_number_is_newer(uint64_t a, uint64_t b)
{
    return a > b && !(a & HASH_MARK);
}
