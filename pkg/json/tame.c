/*
 * tame.c - JSON that Go takes and we do not, made into JSON that we take.
 *
 * Go's decoder lets in NUL, thousands of levels and numbers of any size, and an API server keeps them where a
 * schema says "string" or anything at all. Its answers hold the objects of many users, so that refusing the
 * whole would let one of them stop the others. What is put in the place of such a value is one that rules
 * refuse later, with its place. Nothing grows but numbers, by two bytes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "json/tame.h"

struct taming {
    const char *at, *end;
    struct buf *to;
    int depth;
};

static void keep(struct taming *t, size_t len)
{
    buf_add(t->to, t->at, len);
    t->at += len;
}

static bool is_at(const struct taming *t, const char *text)
{
    size_t len = strlen(text);

    return (size_t)(t->end - t->at) >= len && memcmp(t->at, text, len) == 0;
}

/* Up to the quote or escape that comes next. */
static size_t plain_len(const struct taming *t)
{
    const char *at = t->at;

    while (at < t->end && *at != '"' && *at != '\\')
        at++;
    return (size_t)(at - t->at);
}

/* A text that does not end stays so: it is refused. */
static void tame_text(struct taming *t)
{
    static const char nul[] = "\\u0000";

    keep(t, 1);
    for (;;) {
        keep(t, plain_len(t));
        if (t->end - t->at < 2 || *t->at == '"')
            break;
        if (is_at(t, nul)) {
            buf_add_str(t->to, "\\ufffd");
            t->at += strlen(nul);
        } else {
            keep(t, 2);
        }
    }
    keep(t, t->at < t->end);
}

static size_t number_len(const struct taming *t, bool *ret_is_whole)
{
    const char *at = t->at;

    *ret_is_whole = true;
    for (; at < t->end && *at && strchr("+-.eE0123456789", *at); at++)
        *ret_is_whole = *ret_is_whole && !strchr(".eE", *at);
    return (size_t)(at - t->at);
}

/* Whole numbers beyond 64 bits; Go writes 1e20 with all of its digits. */
static void tame_number(struct taming *t)
{
    char digits[32];
    bool is_whole, fits;
    size_t len = number_len(t, &is_whole);

    fits = len < sizeof(digits);

    if (is_whole && fits) {
        memcpy(digits, t->at, len);
        digits[len] = '\0';
        errno = 0;
        (void)strtoll(digits, NULL, 10); /* only whether it fits */
        fits = errno == 0;
    }
    keep(t, len);
    if (is_whole && !fits)
        buf_add_str(t->to, "e0");
}

static void skip_text(struct taming *t)
{
    for (t->at++; t->at < t->end && *t->at != '"'; t->at++)
        t->at += *t->at == '\\' && t->at + 1 < t->end;
}

/* A list or map that is too deep. */
static void replace_nested(struct taming *t)
{
    int open = 0;

    for (; t->at < t->end; t->at++) {
        if (*t->at == '"')
            skip_text(t);
        else if (*t->at == '[' || *t->at == '{')
            open++;
        else if ((*t->at == ']' || *t->at == '}') && --open == 0)
            break;
    }
    t->at += t->at < t->end;
    buf_add_char(t->to, '0');
}

static void tame_next(struct taming *t)
{
    bool opens = *t->at == '[' || *t->at == '{', closes = *t->at == ']' || *t->at == '}';

    if (*t->at == '"') {
        tame_text(t);
    } else if (*t->at == '-' || (*t->at >= '0' && *t->at <= '9')) {
        tame_number(t);
    } else if (opens && t->depth == LIMIT_JSON_DEPTH) {
        replace_nested(t);
    } else {
        t->depth += opens - closes;
        keep(t, 1);
    }
}

size_t json_tame_max(size_t len)
{
    return len + len / 8 + 2;
}

void json_tame(const char *text, size_t len, struct buf *to)
{
    struct taming t = {.at = text, .end = text + len, .to = to};

    while (t.at < t.end)
        tame_next(&t);
}
