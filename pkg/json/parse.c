/*
 * parse.c - text to values.
 *
 * Nearly all text that comes along is plain: ASCII without \u, integers, no member twice. That is read
 * here, many times faster than by jansson, which looks at each byte three times; a start reads tens of
 * thousands of objects. What is not plain, or not JSON at all, is left to jansson from its beginning, so
 * that there is one opinion on it and one text for each error. jansson allows 2048 levels; ours is far
 * below, so the brackets are counted before it runs.
 */
#include "json/json.h"

#include <jansson.h>
#include <string.h>

#include "base/limits.h"
#include "base/str.h"
#include "json/tame.h"

enum { PLAIN_NAME_MAX = 256, PLAIN_DIGITS_MAX = 18 };

/* The place where the text nests deeper than we allow, or NULL. Broken text is the parser's. */
static const char *find_too_deep(const char *text, size_t len)
{
    bool in_text = false;
    int depth = 0;

    for (const char *p = text; p < text + len; p++) {
        if (in_text) {
            if (*p == '\\')
                p++;
            else if (*p == '"')
                in_text = false;
        } else if (*p == '"') {
            in_text = true;
        } else if (*p == '[' || *p == '{') {
            if (++depth > LIMIT_JSON_DEPTH)
                return p;
        } else if (*p == ']' || *p == '}') {
            depth--;
        }
    }
    return NULL;
}

static int line_of(const char *text, const char *place)
{
    int line = 1;

    for (const char *p = text; p < place; p++)
        line += *p == '\n';
    return line;
}

/* jansson ends its texts with " near '<piece of the input>'", which may be a piece of a secret. */
static int parse_failed(const json_error_t *problem, struct err *err)
{
    const char *near = strstr(problem->text, " near '");
    int len = near ? (int)(near - problem->text) : (int)strlen(problem->text);

    if (json_error_code(problem) == json_error_out_of_memory)
        return err_set(err, ERR_NOMEM, "no memory left to parse JSON");
    return err_set(err, ERR_INVALID, "not valid JSON: line %d, column %d: %.*s", problem->line,
                   problem->column, len, problem->text);
}

/* --- plain text; NULL or false: not plain --- */

DEFINE_CLEANUP(json_t, json_decref);

struct reader {
    const char *at, *end;
    int depth;
    const char *skip_in, *skip_name; /* member of a member of the outermost map; NULL */
};

struct raw_text { /* what stands between quotes */
    const char *start;
    size_t len;
    bool has_escapes;
};

static bool is_control_or_not_ascii(char c)
{
    return (unsigned char)c < 0x20 || (unsigned char)c >= 0x80;
}

static char next_char(struct reader *reader)
{
    while (reader->at < reader->end && (*reader->at == ' ' || *reader->at == '\n' ||
                                        *reader->at == '\t' || *reader->at == '\r'))
        reader->at++;
    return reader->at < reader->end ? *reader->at : '\0';
}

static bool take_char(struct reader *reader, char c)
{
    if (next_char(reader) != c)
        return false;
    reader->at++;
    return true;
}

static bool read_raw(struct reader *reader, struct raw_text *ret)
{
    const char *at, *end = reader->end;

    if (!take_char(reader, '"'))
        return false;
    *ret = (struct raw_text){.start = reader->at};
    for (at = reader->at; at < end && *at != '"'; at++) {
        if (is_control_or_not_ascii(*at))
            return false;
        if (*at != '\\')
            continue;
        ret->has_escapes = true;
        if (++at == end)
            return false;
    }
    if (at >= end)
        return false;
    ret->len = (size_t)(at - ret->start);
    reader->at = at + 1;
    return true;
}

/* `to` has room for all of it and a NUL. */
static bool unescape(const struct raw_text *raw, char *to, size_t *ret_len)
{
    static const char plain[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    const char *end = raw->start + raw->len, *escape;
    size_t len = 0;

    for (const char *at = raw->start; at < end; at++) {
        to[len++] = *at;
        if (*at != '\\')
            continue;
        escape = memchr(plain, *++at, sizeof(plain) - 1);
        if (!escape)
            return false;
        to[len - 1] = meant[escape - plain];
    }
    to[len] = '\0';
    *ret_len = len;
    return true;
}

static bool take_word(struct reader *reader, const char *word)
{
    size_t len = strlen(word);

    if ((size_t)(reader->end - reader->at) < len || memcmp(reader->at, word, len) != 0)
        return false;
    reader->at += len;
    return true;
}

/* A real number is not plain. */
static json_t *read_int(struct reader *reader)
{
    bool negative = take_word(reader, "-");
    const char *start = reader->at;
    uint64_t n = 0;

    while (reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9' &&
           reader->at - start <= PLAIN_DIGITS_MAX)
        n = n * 10 + (uint64_t)(*reader->at++ - '0');
    if (reader->at == start || reader->at - start > PLAIN_DIGITS_MAX)
        return NULL;
    if (*start == '0' && reader->at > start + 1)
        return NULL;
    if (reader->at < reader->end && strchr(".eE", *reader->at))
        return NULL; /* also in front of a NUL */
    return json_integer(negative ? -(json_int_t)n : (json_int_t)n);
}

static json_t *read_named(struct reader *reader, const char *name);

static json_t *read_text(struct reader *reader)
{
    cleanup(buf_deinit) struct buf text = BUF_SECRET(SIZE_MAX - 1); /* of a part of what we have */
    struct raw_text raw;
    size_t len;

    if (!read_raw(reader, &raw))
        return NULL;
    if (!raw.has_escapes)
        return json_stringn_nocheck(raw.start, raw.len);
    return unescape(&raw, buf_room(&text, raw.len), &len) ? json_stringn_nocheck(text.data, len)
                                                          : NULL;
}

static json_t *read_list(struct reader *reader)
{
    cleanup(json_decref) json_t *list = json_array();

    reader->at++;
    if (take_char(reader, ']'))
        return take(list);
    do {
        if (json_array_append_new(list, read_named(reader, "")) < 0)
            return NULL;
    } while (take_char(reader, ','));
    return take_char(reader, ']') ? take(list) : NULL;
}

/* Over a list or map; its brackets are counted, nothing more. */
static bool skip_value(struct reader *reader)
{
    struct raw_text raw;
    int open = 0;

    do {
        char c = next_char(reader);

        if (c == '"') {
            if (!read_raw(reader, &raw))
                return false;
            continue;
        }
        open += c == '{' || c == '[';
        open -= c == '}' || c == ']';
        if (reader->at++ >= reader->end)
            return false;
    } while (open > 0);
    return true;
}

static bool is_skipped(const struct reader *reader, const char *of, const char *name)
{
    return reader->depth == 2 && streq(of, reader->skip_in) && streq(name, reader->skip_name);
}

static bool read_name(struct reader *reader, char to[PLAIN_NAME_MAX])
{
    struct raw_text raw;
    size_t len;

    return read_raw(reader, &raw) && raw.len < PLAIN_NAME_MAX && unescape(&raw, to, &len) &&
           take_char(reader, ':');
}

/* Of `map`, which is itself member `of` of the map around it. */
static bool read_member(struct reader *reader, const char *of, json_t *map)
{
    char name[PLAIN_NAME_MAX];
    size_t before = json_object_size(map);

    if (!read_name(reader, name))
        return false;
    if (is_skipped(reader, of, name))
        return skip_value(reader);
    if (json_object_set_new_nocheck(map, name, read_named(reader, name)) < 0)
        return false;
    return json_object_size(map) > before; /* else it was there already */
}

static json_t *read_map(struct reader *reader, const char *name)
{
    cleanup(json_decref) json_t *map = json_object();

    reader->at++;
    if (take_char(reader, '}'))
        return take(map);
    do {
        if (!read_member(reader, name, map))
            return NULL;
    } while (take_char(reader, ','));
    return take_char(reader, '}') ? take(map) : NULL;
}

static json_t *read_nested(struct reader *reader, const char *name, char bracket)
{
    json_t *value = NULL;

    if (reader->depth == LIMIT_JSON_DEPTH)
        return NULL;
    reader->depth++;
    value = bracket == '{' ? read_map(reader, name) : read_list(reader);
    reader->depth--;
    return value;
}

static json_t *read_named(struct reader *reader, const char *name)
{
    char c = next_char(reader);

    switch (c) {
    case '{':
    case '[':
        return read_nested(reader, name, c);
    case '"':
        return read_text(reader);
    case 't':
        return take_word(reader, "true") ? json_true() : NULL;
    case 'f':
        return take_word(reader, "false") ? json_false() : NULL;
    case 'n':
        return take_word(reader, "null") ? json_null() : NULL;
    default:
        return read_int(reader);
    }
}

static json_t *read_plain(const char *text, size_t len, const char *skip_in, const char *skip_name)
{
    struct reader reader = {
        .at = text, .end = text + len, .skip_in = skip_in, .skip_name = skip_name};
    cleanup(json_decref) json_t *value = read_named(&reader, "");

    (void)next_char(&reader); /* over the blanks at the end */
    return reader.at == reader.end ? take(value) : NULL;
}

/* --- any text --- */

static int parse_any(const char *text, size_t len, json_t **ret, struct err *err)
{
    const char *too_deep = find_too_deep(text, len);
    json_error_t problem;

    if (too_deep)
        return err_set(err, ERR_TOO_LARGE, "JSON is nested deeper than %d levels in line %d",
                       LIMIT_JSON_DEPTH, line_of(text, too_deep));
    *ret = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &problem);
    return *ret ? 0 : parse_failed(&problem, err);
}

static int parse(const char *text, size_t len, size_t max, const char *skip_in,
                 const char *skip_name, json_t **ret, struct err *err)
{
    int r;

    if (len > max)
        return err_set(err, ERR_TOO_LARGE, "JSON is larger than %zu bytes", max);
    if (len == 0)
        return err_set(err, ERR_INVALID, "not valid JSON: empty");
    *ret = read_plain(text, len, skip_in, skip_name);
    if (*ret)
        return 0;
    r = parse_any(text, len, ret, err);
    if (r == 0 && skip_in)
        (void)json_object_del(json_object_get(*ret, skip_in), skip_name); /* may be absent */
    return r;
}

int json_parse(const char *text, size_t len, size_t max, struct json **ret, struct err *err)
{
    json_t *value = NULL;
    int r = parse(text, len, max, NULL, NULL, &value, err);

    if (r == 0)
        *ret = (struct json *)value;
    return r;
}

int json_parse_without(const char *text, size_t len, size_t max, const char *member, const char *of,
                       struct json **ret, struct err *err)
{
    json_t *value = NULL;
    int r = parse(text, len, max, of, member, &value, err);

    if (r == 0)
        *ret = (struct json *)value;
    return r;
}

int json_parse_foreign(const char *text, size_t len, size_t max, struct json **ret, struct err *err)
{
    cleanup(buf_deinit) struct buf tame = BUF_SECRET(json_tame_max(len));
    json_t *value = NULL;
    json_error_t problem;
    struct err why = {};
    int r = json_parse(text, len, max, ret, &why);

    if (r == 0)
        return 0;
    if (len <= max) {
        json_tame(text, len, &tame);
        value = json_loadb(buf_str(&tame), tame.len, JSON_DECODE_ANY, &problem);
    }
    if (!value)
        return err_pass(err, &why);
    *ret = (struct json *)value;
    return 0;
}
