#include "support/testing.h"

#include "json/json.h"

static struct json *parsed(const char *text)
{
    struct json *value = NULL;
    struct err err = {};

    ASSERT_OK(json_parse(text, strlen(text), 1000, &value, &err));
    return value;
}

/* A target must be a map here, so every vector sits in a member "v". */
static struct json *wrapped(const char *text)
{
    struct json *map = json_new_map();

    json_set(map, "v", parsed(text));
    return map;
}

TEST(the_vectors_of_rfc_7396_appendix_a_hold)
{
    static const struct {
        const char *target, *patch, *result; /* NULL: removed, as a patch of null does */
    } rows[] = {
        {"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
        {"{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}"},
        {"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}"},
        {"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}"},
        {"{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}"},
        {"[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]"},
        {"{\"a\":\"b\"}", "[\"c\"]", "[\"c\"]"},
        {"{\"a\":\"foo\"}", "null", NULL},
        {"{\"a\":\"foo\"}", "\"bar\"", "\"bar\""},
        {"{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}"},
        {"[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}"},
        {"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(json_unref) struct json *target = wrapped(rows[i].target);
        cleanup(json_unref) struct json *patch = wrapped(rows[i].patch);
        cleanup(json_unref) struct json *expected = rows[i].result ? wrapped(rows[i].result)
                                                                   : json_new_map();
        cleanup(xfree) char *is = NULL, *should = NULL;

        CASE(rows[i].patch);
        json_merge_patch(target, patch);
        is = json_text(target);
        should = json_text(expected);
        ASSERT_STREQ(is, should);
    }
}

TEST(nothing_of_the_patch_is_shared)
{
    cleanup(json_unref) struct json *target = json_new_map();
    cleanup(json_unref) struct json *patch = parsed("{\"a\":[1],\"m\":{\"x\":[2]}}");

    json_merge_patch(target, patch);
    json_append_text(json_get(patch, "a"), "late");
    json_append_text(json_path(patch, "m.x"), "late");
    ASSERT_EQ(json_len(json_get(target, "a")), 1);
    ASSERT_EQ(json_len(json_path(target, "m.x")), 1);
}

RUN_TESTS(cmocka_unit_test(the_vectors_of_rfc_7396_appendix_a_hold),
          cmocka_unit_test(nothing_of_the_patch_is_shared));
