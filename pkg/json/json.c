/*
 * json.c - values: a thin, aborting coat over jansson.
 *
 * jansson returns NULL for bad UTF-8 and for lack of memory alike. Text is therefore made valid
 * before it goes in, and what is still NULL is lack of memory, which ends the program.
 */
#include "json/json.h"

#include <jansson.h>
#include <malloc.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static json_t *inner(const struct json *value)
{
    return (json_t *)value;
}

static struct json *outer(json_t *value)
{
    return (struct json *)value;
}

static struct json *made(json_t *value)
{
    if (!value)
        abort(); /* no memory left, see above */
    return outer(value);
}

static void done(int result)
{
    if (result < 0)
        abort();
}

static void wiping_free(void *p)
{
    if (p)
        wipe(p, malloc_usable_size(p));
    free(p);
}

void json_setup(void)
{
    json_set_alloc_funcs(malloc, wiping_free);
}

struct json *json_ref(struct json *value)
{
    return outer(json_incref(inner(value)));
}

void json_unref(struct json *value)
{
    json_decref(inner(value));
}

/* How many bytes at `s` make one character that JSON can hold; 0 for none. */
static size_t valid_prefix(const char *s, size_t len)
{
    for (size_t n = 1; n <= 4 && n <= len; n++)
        if (s[0] != '\0' && str_is_utf8(s, n))
            return n;
    return 0;
}

/* `s` with every byte that is no UTF-8, and every NUL, as U+FFFD. */
static char *make_valid(const char *s, size_t len, size_t *ret_len)
{
    char *text = xalloc(len * 3 + 1);
    size_t at = 0;

    for (size_t i = 0, n; i < len; i += n ? n : 1) {
        n = valid_prefix(s + i, len - i);
        memcpy(text + at, n ? s + i : "\xef\xbf\xbd", n ? n : 3);
        at += n ? n : 3;
    }
    *ret_len = at;
    return text;
}

static bool is_valid_text(const char *s, size_t len)
{
    return !memchr(s, '\0', len) && str_is_utf8(s, len);
}

struct json *json_new_map(void)
{
    return made(json_object());
}

struct json *json_new_list(void)
{
    return made(json_array());
}

struct json *json_new_text_len(const char *s, size_t len)
{
    cleanup(xfree_secret) char *valid = NULL;

    if (is_valid_text(s, len))
        return made(json_stringn_nocheck(s, len));
    valid = make_valid(s, len, &len);
    return made(json_stringn_nocheck(valid, len));
}

struct json *json_new_text(const char *s)
{
    return s ? json_new_text_len(s, strlen(s)) : json_new_null();
}

struct json *json_new_int(int64_t n)
{
    return made(json_integer(n));
}

struct json *json_new_real(double n)
{
    return isfinite(n) ? made(json_real(n)) : json_new_null();
}

struct json *json_new_bool(bool b)
{
    return outer(json_boolean(b));
}

struct json *json_new_null(void)
{
    return outer(json_null());
}

struct json *json_new_strlist(const struct strlist *list)
{
    struct json *value = json_new_list();

    for (size_t i = 0; i < list->len; i++)
        json_append_text(value, list->items[i]);
    return value;
}

struct json *json_new_strmap(const struct strmap *map)
{
    struct json *value = json_new_map();

    strmap_for_each (entry, map)
        json_set_text(value, entry->key, entry->value);
    return value;
}

struct json *json_deep(const struct json *value)
{
    return value ? made(json_deep_copy(inner(value))) : NULL;
}

bool json_same(const struct json *a, const struct json *b)
{
    if (!a || !b)
        return a == b;
    return json_equal(inner(a), inner(b)) == 1;
}

enum json_kind json_kind(const struct json *value)
{
    if (!value)
        return JSON_KIND_NULL;
    switch (json_typeof(inner(value))) {
    case JSON_OBJECT:
        return JSON_KIND_MAP;
    case JSON_ARRAY:
        return JSON_KIND_LIST;
    case JSON_STRING:
        return JSON_KIND_TEXT;
    case JSON_INTEGER:
        return JSON_KIND_INT;
    case JSON_REAL:
        return JSON_KIND_REAL;
    case JSON_TRUE:
    case JSON_FALSE:
        return JSON_KIND_BOOL;
    case JSON_NULL:
        break;
    }
    return JSON_KIND_NULL;
}

const char *json_kind_name(enum json_kind kind)
{
    static const char *const names[] = {
        [JSON_KIND_NULL] = "null",   [JSON_KIND_BOOL] = "boolean", [JSON_KIND_INT] = "integer",
        [JSON_KIND_REAL] = "number", [JSON_KIND_TEXT] = "string",  [JSON_KIND_LIST] = "list",
        [JSON_KIND_MAP] = "map",
    };

    return names[kind];
}

size_t json_len(const struct json *value)
{
    if (json_is_array(inner(value)))
        return json_array_size(inner(value));
    return json_object_size(inner(value)); /* 0 for what is no map */
}

struct json *json_get(const struct json *map, const char *key)
{
    return outer(json_object_get(inner(map), key));
}

struct json *json_at(const struct json *list, size_t i)
{
    return outer(json_array_get(inner(list), i));
}

struct json *json_path(const struct json *value, const char *path)
{
    cleanup(xfree) char *steps = xstrdup(path);
    char *rest = NULL;

    for (char *step = strtok_r(steps, ".", &rest); step && value; step = strtok_r(NULL, ".", &rest))
        value = json_get(value, step);
    return (struct json *)value;
}

const char *json_get_text(const struct json *map, const char *key)
{
    return json_as_text(json_get(map, key));
}

int64_t json_get_int(const struct json *map, const char *key, int64_t otherwise)
{
    return json_as_int(json_get(map, key), otherwise);
}

bool json_get_bool(const struct json *map, const char *key, bool otherwise)
{
    const struct json *value = json_get(map, key);

    return json_kind(value) == JSON_KIND_BOOL ? json_is_true(inner(value)) : otherwise;
}

const char *json_as_text(const struct json *value)
{
    return json_string_value(inner(value));
}

int64_t json_as_int(const struct json *value, int64_t otherwise)
{
    return json_is_integer(inner(value)) ? json_integer_value(inner(value)) : otherwise;
}

bool json_as_bool(const struct json *value, bool otherwise)
{
    return json_kind(value) == JSON_KIND_BOOL ? json_is_true(inner(value)) : otherwise;
}

double json_as_real(const struct json *value, double otherwise)
{
    return json_is_number(inner(value)) ? json_number_value(inner(value)) : otherwise;
}

size_t json_text_len(const struct json *value)
{
    return json_string_length(inner(value));
}

void json_set(struct json *map, const char *key, struct json *value)
{
    cleanup(xfree) char *valid = NULL;
    size_t len = strlen(key);

    if (!value) {
        json_remove(map, key);
        return;
    }
    if (!str_is_utf8(key, len))
        key = valid = make_valid(key, len, &len);
    done(json_object_set_new_nocheck(inner(map), key, inner(value)));
}

void json_set_text(struct json *map, const char *key, const char *s)
{
    json_set(map, key, s ? json_new_text(s) : NULL);
}

void json_set_int(struct json *map, const char *key, int64_t n)
{
    json_set(map, key, json_new_int(n));
}

void json_set_bool(struct json *map, const char *key, bool b)
{
    json_set(map, key, json_new_bool(b));
}

void json_remove(struct json *map, const char *key)
{
    (void)json_object_del(inner(map), key); /* absent is as good as removed */
}

void json_append(struct json *list, struct json *value)
{
    done(json_array_append_new(inner(list), inner(value)));
}

void json_append_text(struct json *list, const char *s)
{
    json_append(list, json_new_text(s));
}

void json_remove_at(struct json *list, size_t i)
{
    (void)json_array_remove(inner(list), i); /* beyond the end: nothing to remove */
}

struct json *json_need_map(struct json *map, const char *key)
{
    struct json *value = json_get(map, key);

    if (json_kind(value) != JSON_KIND_MAP) {
        value = json_new_map();
        json_set(map, key, value);
    }
    return value;
}

struct json_iter *json_iter_first(const struct json *map)
{
    return json_object_iter(inner(map));
}

struct json_iter *json_iter_after(const struct json *map, struct json_iter *at)
{
    return json_object_iter_next(inner(map), at);
}

const char *json_iter_name(struct json_iter *at)
{
    return json_object_iter_key(at);
}

struct json *json_iter_item(struct json_iter *at)
{
    return outer(json_object_iter_value(at));
}
