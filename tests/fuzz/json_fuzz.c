/*
 * json_fuzz.c - any bytes as JSON, and what parses as a struct with every field type.
 *
 * The short way of reading and the long one agree. What is printed reads back as the same value; what is decoded and written decodes to the same.
 */
#include <stdlib.h>
#include <string.h>

#include "../unit/json/sample.h"

enum { TEXT_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void print_and_parse(const struct json *value)
{
    cleanup(xfree) char *text = json_text(value);
    cleanup(json_unref) struct json *again = NULL;

    require(json_parse(text, strlen(text), TEXT_MAX, &again, NULL) == 0);
    require(json_same(value, again));
}

/* An escape by number beside it sends the same text the long way; there it is one level deeper. */
static void parse_the_long_way(const uint8_t *data, size_t size, const struct json *value)
{
    cleanup(buf_deinit) struct buf around = BUF(TEXT_MAX + 20);
    cleanup(json_unref) struct json *list = NULL;
    int r;

    buf_add_str(&around, "[\"\\u0061\",");
    buf_add(&around, data, size); /* jansson passes over some NUL bytes: not as text */
    buf_add_char(&around, ']');
    r = json_parse(around.data, around.len, TEXT_MAX + 20, &list, NULL);
    require(r == ERR_TOO_LARGE || (r == 0 && json_len(list) == 2));
    require(r < 0 || json_same(value, json_at(list, 1)));
}

/* What is passed over is what would be removed. `value` NULL: no JSON, so it only must not crash. */
static void parse_without(const uint8_t *data, size_t size, const struct json *value)
{
    cleanup(json_unref) struct json *without = NULL, *removed = json_deep(value);
    int r = json_parse_without((const char *)data, size, TEXT_MAX, "b", "a", &without, NULL);

    if (!value)
        return;
    if (json_kind(json_get(removed, "a")) == JSON_KIND_MAP)
        json_remove(json_get(removed, "a"), "b");
    require(r == 0 && json_same(without, removed));
}

static void decode_strictly(const struct json *value)
{
    cleanup(field_report_deinit) struct field_report report = {};
    cleanup(arena_free) struct arena *arena = arena_new(0);
    struct sample sample = {};
    struct err err = {};

    require(fields_decode(&sample_fields, value, arena, &sample, "", &report, &err) == 0);
    require((field_report_check(&report, &err) < 0) == field_report_has_errors(&report));
}

static void decode_and_encode(const struct json *value)
{
    cleanup(arena_free) struct arena *arena = arena_new(0);
    cleanup(json_unref) struct json *written = NULL, *copied = NULL;
    struct sample sample = {}, again = {}, copy = {};
    struct err err = {};

    if (fields_decode(&sample_fields, value, arena, &sample, "", NULL, &err) < 0)
        return;
    require(fields_equal(&sample_fields, &sample, &sample));
    fields_copy(&sample_fields, &sample, &copy, arena);
    written = fields_encode(&sample_fields, &sample);
    copied = fields_encode(&sample_fields, &copy);
    require(json_same(written, copied));
    require(fields_decode(&sample_fields, written, arena, &again, "", NULL, &err) == 0);
}

/* It takes all that is taken otherwise, and gives the same. */
static void parse_of_a_server(const uint8_t *data, size_t size, const struct json *value)
{
    cleanup(json_unref) struct json *foreign = NULL;
    struct err err = {};
    int r = json_parse_foreign((const char *)data, size, TEXT_MAX, &foreign, &err);

    require(!value || (r == 0 && json_same(value, foreign)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup(json_unref) struct json *value = NULL, *target = json_new_map();
    struct err err = {};

    (void)json_parse((const char *)data, size, TEXT_MAX, &value, &err); /* NULL then */
    parse_without(data, size, value);
    parse_of_a_server(data, size, value);
    if (!value)
        return 0;
    parse_the_long_way(data, size, value);
    print_and_parse(value);
    json_merge_patch(target, value);
    decode_strictly(value);
    decode_and_encode(value);
    return 0;
}
