/*
 * link.c - Link headers, RFC 8288 section 3:
 *
 *     Link: <https://ca/dir>;rel="index", <cert/1>; title="a, b"; rel="alternate up"
 *
 * A cursor walks over one header value; what does not parse ends that header and no more.
 */
#include <string.h>

#include "http/http.h"

struct cursor {
    const char *at;
};

static void skip_blanks(struct cursor *cursor)
{
    cursor->at += strspn(cursor->at, " \t");
}

static bool skip_char(struct cursor *cursor, char c)
{
    skip_blanks(cursor);
    if (*cursor->at != c)
        return false;
    cursor->at++;
    return true;
}

static char *read_target(struct cursor *cursor)
{
    const char *start, *end;

    if (!skip_char(cursor, '<'))
        return NULL;
    start = cursor->at;
    end = strchr(start, '>');
    if (!end)
        return NULL;
    cursor->at = end + 1;
    return xstrndup(start, (size_t)(end - start));
}

static char *read_token(struct cursor *cursor)
{
    const char *start;

    skip_blanks(cursor);
    start = cursor->at;
    cursor->at += strcspn(start, " \t;,=");
    return xstrndup(start, (size_t)(cursor->at - start));
}

static char *read_quoted(struct cursor *cursor)
{
    cleanup(buf_deinit) struct buf text = BUF(LIMIT_HTTP_HEADERS);

    for (; *cursor->at && *cursor->at != '"'; cursor->at++) {
        if (*cursor->at == '\\' && cursor->at[1])
            cursor->at++;
        buf_add_char(&text, *cursor->at);
    }
    if (*cursor->at == '"')
        cursor->at++;
    return xstrdup(buf_str(&text));
}

static char *read_value(struct cursor *cursor)
{
    if (skip_char(cursor, '"'))
        return read_quoted(cursor);
    return read_token(cursor);
}

/* Relation types are compared without case (RFC 8288 2.1.1). */
static bool rel_list_has(const char *list, const char *rel)
{
    cleanup(strlist_deinit) struct strlist rels = {};

    strlist_split(&rels, list, ' ');
    for (size_t i = 0; i < rels.len; i++) {
        if (streq_ci(rels.items[i], rel))
            return true;
    }
    return false;
}

/* Only the first rel parameter counts (RFC 8288 3.3). */
static bool read_params(struct cursor *cursor, const char *rel)
{
    bool seen = false, matches = false;

    while (skip_char(cursor, ';')) {
        cleanup(xfree) char *name = read_token(cursor);
        cleanup(xfree) char *value = skip_char(cursor, '=') ? read_value(cursor) : NULL;

        if (seen || !streq_ci(name, "rel"))
            continue;
        seen = true;
        matches = value && rel_list_has(value, rel);
    }
    return matches;
}

/* The n-th link of this header with that rel; `n` goes down by those that are here. */
static char *find_link(const char *header, const char *rel, size_t *n)
{
    struct cursor cursor = {header};

    do {
        cleanup(xfree) char *target = read_target(&cursor);

        if (!target)
            return NULL;
        if (!read_params(&cursor, rel))
            continue;
        if (*n == 0)
            return take(target);
        --*n;
    } while (skip_char(&cursor, ','));
    return NULL;
}

int http_link(const struct http_response *response, const char *rel, size_t n, char **ret,
              struct err *err)
{
    strmap_for_each (header, &response->headers) {
        cleanup(xfree) char *target = NULL;

        if (!streq_ci(header->key, "link"))
            continue;
        target = find_link(header->value, rel, &n);
        if (target)
            return http_url_resolve(response->final_url, target, ret, err);
    }
    return err_set(err, ERR_NOT_FOUND, "the answer has no link with rel '%s'", rel);
}
