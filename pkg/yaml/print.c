/*
 * print.c - values as block-style YAML, laid out as kubectl does: lists are not indented below
 * their key, text of several lines is a literal block, everything doubtful is in double quotes.
 */
#include <ctype.h>
#include <string.h>

#include "yaml/scalar.h"
#include "yaml/yaml.h"

enum { LONGEST_SIMPLE_KEY = 100 }; /* bytes: YAML allows 1024 characters, escapes included */

static void print_nested(const struct json *value, int indent, struct buf *to);

/* Its code, and how long it is in `ret_len`. The text is valid UTF-8. */
static uint32_t next_char(const char *s, size_t len, size_t *ret_len)
{
    *ret_len = str_utf8_next(s, len);
    return str_utf8_code(s, *ret_len);
}

/* May stand as it is in any style. YAML 1.1 takes 85, 2028 and 2029 for line breaks, and people read it. */
static bool is_printable(uint32_t code)
{
    return !str_is_unseen(code) && code != 0xfffe && code != 0xffff;
}

static bool all_printable(const char *s, size_t len, bool breaks_too)
{
    for (size_t i = 0, n; i < len; i += n) {
        uint32_t code = next_char(s + i, len - i, &n);

        if (!is_printable(code) && !(breaks_too && code == '\n'))
            return false;
    }
    return true;
}

static bool may_be_plain(const char *s, size_t len)
{
    if (len == 0 || scalar_is_ambiguous(s, len) || !all_printable(s, len, false))
        return false;
    if (!isalnum((unsigned char)s[0]) && !strchr("/_.+$^~(;<=", s[0]) && (unsigned char)s[0] < 0x80)
        return false;
    if (str_starts(s, "...") || s[len - 1] == ' ' || s[len - 1] == ':')
        return false;
    return !strstr(s, ": ") && !strstr(s, " #");
}

/* Literal blocks keep their text only if no line is blank but for spaces, and the first line does
 * not begin with one (that would be taken for the indentation). */
static bool may_be_block(const char *s, size_t len)
{
    if (!memchr(s, '\n', len) || s[0] == ' ' || s[0] == '\n' || !all_printable(s, len, true))
        return false;
    return !strstr(s, " \n") && s[len - 1] != ' ';
}

static void print_quoted(const char *s, size_t len, struct buf *to)
{
    buf_add_char(to, '"');
    for (size_t i = 0, n; i < len; i += n) {
        uint32_t code = next_char(s + i, len - i, &n);

        if (code == '"' || code == '\\')
            buf_addf(to, "\\%c", (char)code);
        else if (is_printable(code))
            buf_add(to, s + i, n);
        else if (code == '\n' || code == '\t')
            buf_add_str(to, code == '\n' ? "\\n" : "\\t");
        else
            buf_addf(to, code > 0xffff ? "\\U%08x" : "\\u%04x", (unsigned)code);
    }
    buf_add_char(to, '"');
}

static const char *block_header(const char *s, size_t len)
{
    if (s[len - 1] != '\n')
        return "|-";
    return len > 1 && s[len - 2] == '\n' ? "|+" : "|";
}

static void print_block(const char *s, size_t len, int indent, struct buf *to)
{
    const char *end = s + len - (s[len - 1] == '\n');

    buf_add_str(to, block_header(s, len));
    while (s <= end) {
        const char *line_end = memchr(s, '\n', (size_t)(end - s));

        if (!line_end)
            line_end = end;
        buf_add_char(to, '\n');
        if (line_end > s)
            buf_addf(to, "%*s", indent, "");
        buf_add(to, s, (size_t)(line_end - s));
        s = line_end + 1;
    }
}

static void print_text(const struct json *value, int indent, struct buf *to)
{
    const char *s = json_as_text(value);
    size_t len = json_text_len(value);

    if (may_be_plain(s, len))
        buf_add(to, s, len);
    else if (may_be_block(s, len))
        print_block(s, len, indent, to);
    else
        print_quoted(s, len, to);
}

/* What fits behind "key: " or "- ". `indent` is for the lines of a literal block. */
static void print_flat(const struct json *value, int indent, struct buf *to)
{
    if (json_kind(value) == JSON_KIND_TEXT)
        print_text(value, indent, to);
    else
        json_print(value, to); /* also {} and [] */
}

static bool is_nested(const struct json *value)
{
    return json_len(value) > 0;
}

/* "key:", or for a very long key the form "? key" and ":" in a line of its own. */
static void print_key(const char *key, int indent, struct buf *to)
{
    size_t len = strlen(key);

    if (len > LONGEST_SIMPLE_KEY) {
        buf_add_str(to, "? ");
        print_quoted(key, len, to);
        buf_addf(to, "\n%*s:", indent, "");
        return;
    }
    if (may_be_plain(key, len))
        buf_add(to, key, len);
    else
        print_quoted(key, len, to);
    buf_add_char(to, ':');
}

static void print_member(const char *key, const struct json *value, int indent, struct buf *to)
{
    print_key(key, indent, to);
    if (!is_nested(value)) {
        buf_add_char(to, ' ');
        print_flat(value, indent + 2, to);
        return;
    }
    if (json_kind(value) == JSON_KIND_MAP)
        indent += 2;
    buf_addf(to, "\n%*s", indent, "");
    print_nested(value, indent, to);
}

/* A non-empty list or map; the first line's indentation is written already. */
static void print_nested(const struct json *value, int indent, struct buf *to)
{
    bool first = true;

    json_for_each (key, member, value) {
        if (!first)
            buf_addf(to, "\n%*s", indent, "");
        print_member(key, member, indent, to);
        first = false;
    }
    json_for_each_item (item, value) {
        if (item_at > 0)
            buf_addf(to, "\n%*s", indent, "");
        buf_add_str(to, "- ");
        if (is_nested(item))
            print_nested(item, indent + 2, to);
        else
            print_flat(item, indent + 2, to);
    }
}

void yaml_print(const struct json *value, struct buf *to)
{
    if (is_nested(value))
        print_nested(value, 0, to);
    else
        print_flat(value, 2, to);
    buf_add_char(to, '\n');
}
