/*
 * print.c - values to text.
 *
 * Not jansson's: ours goes straight into a bounded buf, and writes a real with the fewest digits
 * that read back as the same number (0.1, not 0.10000000000000001), as Go does.
 */
#include "json/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct style {
    bool sorted;
    int indent; /* 0: all in one line */
};

static void print_value(const struct json *value, const struct style *style, int depth,
                        struct buf *to);

/* The bytes of the character at `s` if it must not stand as it is, else 0. Programs compare what is compact;
 * the other style is for people and their terminals. */
static size_t escaped_bytes(const char *s, size_t len, const struct style *style)
{
    unsigned char c = (unsigned char)*s;
    size_t step;

    if (c < 0x20 || c == '"' || c == '\\')
        return 1;
    if (c < 0x7f || style->indent == 0)
        return 0;
    step = str_utf8_next(s, len);
    return step > 0 && str_is_unseen(str_utf8_code(s, step)) ? step : 0;
}

static void print_escape(uint32_t code, struct buf *to)
{
    static const char short_forms[0x20] = {
        ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};

    if (code == '"' || code == '\\')
        buf_addf(to, "\\%c", (char)code);
    else if (code < 0x20 && short_forms[code])
        buf_addf(to, "\\%c", short_forms[code]);
    else if (code > 0xffff)
        buf_addf(to, "\\u%04x\\u%04x", 0xd7c0 + (code >> 10), 0xdc00 + (code & 0x3ff));
    else
        buf_addf(to, "\\u%04x", code);
}

static void print_string(const char *s, size_t len, const struct style *style, struct buf *to)
{
    size_t plain = 0;

    buf_add_char(to, '"');
    for (size_t i = 0, step; i < len; i += step ? step : 1) {
        step = escaped_bytes(s + i, len - i, style);
        if (!step)
            continue;
        buf_add(to, s + plain, i - plain);
        print_escape(str_utf8_code(s + i, step), to);
        plain = i + step;
    }
    buf_add(to, s + plain, len - plain);
    buf_add_char(to, '"');
}

static void print_real(double n, struct buf *to)
{
    char text[40];
    char *comma;

    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof(text), "%.*g", digits, n); /* always fits */
        if (strtod(text, NULL) == n)
            break;
    }
    comma = strchr(text, ','); /* a locale that somebody has set */
    if (comma)
        *comma = '.';
    buf_add_str(to, text);
    if (!strpbrk(text, ".e"))
        buf_add_str(to, ".0"); /* stays a real when read again */
}

static void print_break(const struct style *style, int depth, struct buf *to)
{
    if (style->indent > 0)
        buf_addf(to, "\n%*s", style->indent * depth, "");
}

static void print_member(const char *key, const struct json *value, const struct style *style,
                         int depth, bool first, struct buf *to)
{
    if (!first)
        buf_add_char(to, ',');
    print_break(style, depth, to);
    print_string(key, strlen(key), style, to);
    buf_add_str(to, style->indent > 0 ? ": " : ":");
    print_value(value, style, depth, to);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void print_sorted(const struct json *map, const struct style *style, int depth,
                         struct buf *to)
{
    cleanup(xfree) const char **names = xcalloc(json_len(map), sizeof(*names));
    size_t count = 0;

    json_for_each (key, value, map)
        names[count++] = key;
    qsort(names, count, sizeof(*names), compare_names);
    for (size_t i = 0; i < count; i++)
        print_member(names[i], json_get(map, names[i]), style, depth, i == 0, to);
}

static void print_unsorted(const struct json *map, const struct style *style, int depth,
                           struct buf *to)
{
    bool first = true;

    json_for_each (key, value, map) {
        print_member(key, value, style, depth, first, to);
        first = false;
    }
}

static void print_map(const struct json *map, const struct style *style, int depth, struct buf *to)
{
    buf_add_char(to, '{');
    if (json_len(map) > 0) {
        if (style->sorted)
            print_sorted(map, style, depth + 1, to);
        else
            print_unsorted(map, style, depth + 1, to);
        print_break(style, depth, to);
    }
    buf_add_char(to, '}');
}

static void print_list(const struct json *list, const struct style *style, int depth,
                       struct buf *to)
{
    buf_add_char(to, '[');
    json_for_each_item (item, list) {
        if (item_at > 0)
            buf_add_char(to, ',');
        print_break(style, depth + 1, to);
        print_value(item, style, depth + 1, to);
    }
    if (json_len(list) > 0)
        print_break(style, depth, to);
    buf_add_char(to, ']');
}

static void print_value(const struct json *value, const struct style *style, int depth,
                        struct buf *to)
{
    switch (json_kind(value)) {
    case JSON_KIND_NULL:
        buf_add_str(to, "null");
        break;
    case JSON_KIND_BOOL:
        buf_add_str(to, json_as_bool(value, false) ? "true" : "false");
        break;
    case JSON_KIND_INT:
        buf_addf(to, "%lld", (long long)json_as_int(value, 0));
        break;
    case JSON_KIND_REAL:
        print_real(json_as_real(value, 0), to);
        break;
    case JSON_KIND_TEXT:
        print_string(json_as_text(value), json_text_len(value), style, to);
        break;
    case JSON_KIND_LIST:
        print_list(value, style, depth, to);
        break;
    case JSON_KIND_MAP:
        print_map(value, style, depth, to);
        break;
    }
}

void json_print(const struct json *value, struct buf *to)
{
    static const struct style compact = {.sorted = true};

    print_value(value, &compact, 0, to);
}

void json_print_pretty(const struct json *value, struct buf *to)
{
    static const struct style pretty = {.indent = 2};

    print_value(value, &pretty, 0, to);
}

char *json_text_as_go(const struct json *value)
{
    static const struct style compact = {};
    cleanup(buf_deinit) struct buf text = BUF(SIZE_MAX), escaped = BUF(SIZE_MAX);

    print_value(value, &compact, 0, &text);
    for (size_t i = 0; i < text.len; i++) {
        char c = ((const char *)text.data)[i];

        if (c == '&' || c == '<' || c == '>') /* which stand in texts only */
            buf_addf(&escaped, "\\u%04x", c);
        else
            buf_add_char(&escaped, c);
    }
    return buf_take(&escaped);
}

char *json_text(const struct json *value)
{
    cleanup(buf_deinit) struct buf text = BUF(SIZE_MAX); /* as large as the value is */

    json_print(value, &text);
    return buf_take(&text);
}
