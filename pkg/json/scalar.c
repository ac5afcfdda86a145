/*
 * scalar.c - single JSON values to C values.
 *
 * Foreign text is quoted in messages as a cleaned excerpt, and not at all for FIELD_SECRET and
 * FIELD_BYTES.
 */
#include <ctype.h>
#include <string.h>

#include "base/base64.h"
#include "base/limits.h"
#include "json/decoder.h"

/* The excerpt of one text for one message. */
struct excerpt {
    struct buf buf;
};

static void excerpt_deinit(struct excerpt *excerpt)
{
    buf_deinit(&excerpt->buf);
}
DEFINE_CLEANUP_VALUE(struct excerpt, excerpt_deinit);

static const char *excerpt_of(struct excerpt *excerpt, const char *s)
{
    excerpt->buf = BUF(LIMIT_EXCERPT * 4);
    str_excerpt(&excerpt->buf, s, strlen(s));
    return buf_str(&excerpt->buf);
}

enum outcome scalar_decode_text(struct decoder *d, const struct field *row,
                                const struct json *value, const struct path *path, void *member)
{
    const char *text = json_as_text(value);

    if (!text)
        return decoder_wrong_type(d, path, "a string", value);
    *(const char **)member = arena_strdup(d->arena, text);
    return DECODED;
}

/* U+FFFD stands for what could not be read: the API server puts it in the place of bytes that are not UTF-8, we
 * in that of NUL. Nobody means it; values of maps, such as annotations, are no matter. */
enum outcome scalar_decode_string(struct decoder *d, const struct field *row,
                                  const struct json *value, const struct path *path, void *member)
{
    const char *text = json_as_text(value);

    if (d->report && text && strstr(text, "\xef\xbf\xbd"))
        return decoder_broken(d, PROBLEM_INVALID, path,
                              "has characters that are no text: NUL, or bytes that are not UTF-8");
    return scalar_decode_text(d, row, value, path, member);
}

static const char *skip_digits(const char *p)
{
    while (isdigit((unsigned char)*p))
        p++;
    return p;
}

/* Kubernetes resource.Quantity: sign, decimal number, then an SI or binary suffix or exponent. */
static bool is_quantity(const char *s)
{
    static const char *const suffixes[] = {"",  "n", "u",  "m",  "k",  "M",  "G",  "T",
                                           "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
    const char *number = s + (*s == '+' || *s == '-');
    const char *whole = skip_digits(number);
    const char *end = *whole == '.' ? skip_digits(whole + 1) : whole;

    if (end == number || (end == number + 1 && *number == '.'))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++)
        if (streq(end, suffixes[i]))
            return true;
    if (*end != 'e' && *end != 'E')
        return false;
    end += 1 + (end[1] == '+' || end[1] == '-');
    return isdigit((unsigned char)*end) && *skip_digits(end) == '\0';
}

enum outcome scalar_decode_quantity(struct decoder *d, const struct field *row,
                                    const struct json *value, const struct path *path, void *member)
{
    cleanup(excerpt_deinit) struct excerpt excerpt = {};
    cleanup(xfree) char *number = NULL;
    const char *text = json_as_text(value);

    if (json_kind(value) == JSON_KIND_INT || json_kind(value) == JSON_KIND_REAL)
        text = number = json_text(value);
    if (!text)
        return decoder_wrong_type(d, path, "a quantity such as 100m or 64Mi", value);
    if (!is_quantity(text))
        return decoder_broken(d, PROBLEM_INVALID, path,
                              "'%s' is not a quantity such as 100m or 64Mi",
                              excerpt_of(&excerpt, text));
    *(const char **)member = arena_strdup(d->arena, text);
    return DECODED;
}

enum outcome scalar_decode_bool(struct decoder *d, const struct field *row,
                                const struct json *value, const struct path *path, void *member)
{
    if (json_kind(value) != JSON_KIND_BOOL)
        return decoder_wrong_type(d, path, "true or false", value);
    *(bool *)member = json_as_bool(value, false);
    return DECODED;
}

enum outcome scalar_decode_opt_bool(struct decoder *d, const struct field *row,
                                    const struct json *value, const struct path *path, void *member)
{
    struct opt_bool *to = member;

    if (json_kind(value) != JSON_KIND_BOOL)
        return decoder_wrong_type(d, path, "true or false", value);
    *to = (struct opt_bool){.is_set = true, .value = json_as_bool(value, false)};
    return DECODED;
}

enum outcome scalar_decode_int(struct decoder *d, const struct field *row, const struct json *value,
                               const struct path *path, void *member)
{
    if (json_kind(value) != JSON_KIND_INT)
        return decoder_wrong_type(d, path, "an integer", value);
    *(int64_t *)member = json_as_int(value, 0);
    return DECODED;
}

enum outcome scalar_decode_opt_int(struct decoder *d, const struct field *row,
                                   const struct json *value, const struct path *path, void *member)
{
    struct opt_int *to = member;

    if (json_kind(value) != JSON_KIND_INT)
        return decoder_wrong_type(d, path, "an integer", value);
    *to = (struct opt_int){.is_set = true, .value = json_as_int(value, 0)};
    return DECODED;
}

enum outcome scalar_decode_duration(struct decoder *d, const struct field *row,
                                    const struct json *value, const struct path *path, void *member)
{
    cleanup(excerpt_deinit) struct excerpt excerpt = {};
    const char *text = json_as_text(value);
    struct opt_duration *to = member;
    int64_t ns;

    if (!text)
        return decoder_wrong_type(d, path, "a duration such as '2160h'", value);
    if (duration_parse(text, &ns, NULL) < 0) {
        to->unread = arena_strdup(d->arena, text);
        return decoder_broken(d, PROBLEM_INVALID, path,
                              "'%s' is not a duration such as '2160h' or '1h30m' (units are h, m, "
                              "s, ms, us and ns)",
                              excerpt_of(&excerpt, text));
    }
    *to = (struct opt_duration){.is_set = true, .ns = ns};
    if (d->report && row->flags & F_PLAIN && !duration_is_plain(text))
        return decoder_broken(
            d, PROBLEM_INVALID, path,
            "'%s' is not a duration such as '4h' or '1h30m' (units are h, m and s "
            "here, with a digit in front of each)",
            excerpt_of(&excerpt, text));
    return DECODED;
}

enum outcome scalar_decode_time(struct decoder *d, const struct field *row,
                                const struct json *value, const struct path *path, void *member)
{
    cleanup(excerpt_deinit) struct excerpt excerpt = {};
    const char *text = json_as_text(value);
    int64_t ms;

    if (!text)
        return decoder_wrong_type(d, path, "a time such as '2026-01-01T00:00:00Z'", value);
    if (time_parse_rfc3339(text, &ms, NULL) < 0)
        return decoder_broken(d, PROBLEM_INVALID, path,
                              "'%s' is not a time such as '2026-01-01T00:00:00Z'",
                              excerpt_of(&excerpt, text));
    *(int64_t *)member = ms;
    return DECODED;
}

/* Line breaks are no mistake here: `data: |` with wrapped base64 is what people write, and Go's
 * decoder passes over them. */
static void add_without_breaks(const char *text, struct buf *to)
{
    for (size_t len; *text; text += len + strspn(text + len, "\r\n")) {
        len = strcspn(text, "\r\n");
        buf_add(to, text, len);
    }
}

enum outcome scalar_decode_bytes(struct decoder *d, const struct field *row,
                                 const struct json *value, const struct path *path, void *member)
{
    const char *text = json_as_text(value);
    size_t len = text ? strlen(text) : 0;
    cleanup(buf_deinit) struct buf joined = BUF_SECRET(len);
    cleanup(buf_deinit) struct buf bytes = BUF_SECRET(len);
    struct bytes *to = member;
    struct err why = {};

    if (!text)
        return decoder_wrong_type(d, path, "a string of base64", value);
    add_without_breaks(text, &joined);
    if (base64_decode(&bytes, buf_str(&joined), joined.len, &why) < 0)
        return decoder_broken(d, PROBLEM_INVALID, path, "is not base64: %s", why.text);
    if (bytes.len > 0)
        *to = bytes_of(arena_memdup(d->arena, bytes.data, bytes.len), bytes.len);
    return DECODED;
}

static void add_names(const struct enum_names *names, struct buf *to)
{
    for (int i = 1; i < names->count; i++)
        buf_addf(to, "%s'%s'", i > 1 ? ", " : "", names->names[i]);
}

enum outcome scalar_decode_enum(struct decoder *d, const struct field *row,
                                const struct json *value, const struct path *path, void *member)
{
    cleanup(excerpt_deinit) struct excerpt excerpt = {};
    cleanup(buf_deinit) struct buf known = BUF(ERR_TEXT_MAX);
    const char *text = json_as_text(value);

    if (!text)
        return decoder_wrong_type(d, path, "a string", value);
    *(int *)member = enum_value(row->names, text);
    if (*(int *)member > 0)
        return DECODED;
    add_names(row->names, &known);
    return decoder_broken(d, PROBLEM_INVALID, path, "'%s' is not one of %s",
                          excerpt_of(&excerpt, text), buf_str(&known));
}

static void check_range(struct decoder *d, const struct field *row, int64_t n,
                        const struct path *path)
{
    if (row->max > row->min && (n < row->min || n > row->max))
        (void)decoder_broken(d, PROBLEM_INVALID, path, "must be from %lld to %lld, is %lld",
                             (long long)row->min, (long long)row->max, (long long)n);
}

static void check_length(struct decoder *d, const struct field *row, const char *text,
                         const struct path *path)
{
    int64_t len = (int64_t)strlen(text);

    if (row->max > 0 && len > row->max)
        (void)decoder_broken(d, PROBLEM_INVALID, path, "must be at most %lld bytes, has %lld",
                             (long long)row->max, (long long)len);
    else if (len == 0 && row->min > 0)
        (void)decoder_broken(d, PROBLEM_INVALID, path, "must not be empty");
    else if (len < row->min)
        (void)decoder_broken(d, PROBLEM_INVALID, path, "must be at least %lld bytes, has %lld",
                             (long long)row->min, (long long)len);
}

void scalar_check_limits(struct decoder *d, const struct field *row, const void *member,
                         const struct path *path)
{
    if (field_is_text(row->type))
        check_length(d, row, *(const char *const *)member, path);
    else if (row->type == FIELD_INT)
        check_range(d, row, *(const int64_t *)member, path);
    else if (row->type == FIELD_OPT_INT)
        check_range(d, row, ((const struct opt_int *)member)->value, path);
}
