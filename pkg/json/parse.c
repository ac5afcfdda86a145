/*
 * parse.c - text to values.
 *
 * jansson allows 2048 levels; ours is far below, so the brackets are counted before it runs.
 */
#include "json/json.h"

#include <jansson.h>
#include <string.h>

#include "base/limits.h"

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

int json_parse(const char *text, size_t len, size_t max, struct json **ret, struct err *err)
{
    const char *too_deep;
    json_error_t problem;
    json_t *value;

    if (len > max)
        return err_set(err, ERR_TOO_LARGE, "JSON is larger than %zu bytes", max);
    if (len == 0)
        return err_set(err, ERR_INVALID, "not valid JSON: empty");
    too_deep = find_too_deep(text, len);
    if (too_deep)
        return err_set(err, ERR_TOO_LARGE, "JSON is nested deeper than %d levels in line %d",
                       LIMIT_JSON_DEPTH, line_of(text, too_deep));

    value = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &problem);
    if (!value)
        return parse_failed(&problem, err);
    *ret = (struct json *)value;
    return 0;
}
