#include "support/testing.h"

#include "unit/json/sample.h"

static void decode(const char *text, struct arena *arena, struct sample *sample)
{
    cleanup(json_unref) struct json *value = NULL;
    struct err err = {};

    ASSERT_OK(json_parse(text, strlen(text), 10000, &value, &err));
    ASSERT_OK(fields_decode(&sample_fields, value, arena, sample, "", NULL, &err));
}

static bool texts_equal(const char *a_text, const char *b_text)
{
    cleanup(arena_free) struct arena *arena = arena_new(0);
    struct sample a = {}, b = {};

    decode(a_text, arena, &a);
    decode(b_text, arena, &b);
    ASSERT_EQ(fields_equal(&sample_fields, &a, &b), fields_equal(&sample_fields, &b, &a));
    return fields_equal(&sample_fields, &a, &b);
}

TEST(a_difference_in_any_member_is_seen)
{
    static const char *const rows[][2] = {
        {"\"text\":\"a\"", "\"text\":\"b\""},
        {"\"text\":\"\"", ""},
        {"\"password\":\"abc\"", "\"password\":\"abd\""},
        {"\"memory\":\"1\"", "\"memory\":\"2\""},
        {"\"on\":true", ""},
        {"\"maybe\":true", "\"maybe\":false"},
        {"\"maybe\":false", ""},
        {"\"count\":1", "\"count\":2"},
        {"\"limit\":1", "\"limit\":2"},
        {"\"duration\":\"1h\"", "\"duration\":\"2h\""},
        {"\"duration\":\"1d\"", "\"duration\":\"2d\""},
        {"\"duration\":\"1d\"", "\"duration\":\"0\""},
        {"\"since\":\"2026-01-02T03:04:05Z\"", "\"since\":\"2026-01-02T03:04:06Z\""},
        {"\"sinceMicro\":\"2026-01-02T03:04:05Z\"", ""},
        {"\"der\":\"AAEC\"", "\"der\":\"AAED\""},
        {"\"der\":\"AAEC\"", "\"der\":\"AAECAw==\""},
        {"\"colour\":\"Red\"", "\"colour\":\"DarkBlue\""},
        {"\"place\":{\"name\":\"a\"}", "\"place\":{\"name\":\"b\"}"},
        {"\"ref\":{\"name\":\"a\"}", "\"ref\":{\"name\":\"b\"}"},
        {"\"ref\":{}", ""},
        {"\"dnsNames\":[\"a\",\"b\"]", "\"dnsNames\":[\"b\",\"a\"]"},
        {"\"dnsNames\":[\"a\"]", "\"dnsNames\":[\"a\",\"b\"]"},
        {"\"colours\":[\"Red\"]", "\"colours\":[\"DarkBlue\"]"},
        {"\"conditions\":[{\"type\":\"a\",\"status\":\"1\"}]",
         "\"conditions\":[{\"type\":\"a\",\"status\":\"2\"}]"},
        {"\"conditions\":[{\"type\":\"a\"}]", "\"conditions\":[{\"type\":\"b\"}]"},
        {"\"plain\":[{\"name\":\"a\"},{\"name\":\"b\"}]",
         "\"plain\":[{\"name\":\"b\"},{\"name\":\"a\"}]"},
        {"\"labels\":{\"a\":\"1\"}", "\"labels\":{\"a\":\"2\"}"},
        {"\"labels\":{\"a\":\"1\"}", "\"labels\":{\"b\":\"1\"}"},
        {"\"config\":[1]", "\"config\":[2]"},
        {"\"config\":[1]", ""},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(xfree) char *a = xasprintf("{%s}", rows[i][0]);
        cleanup(xfree) char *b = xasprintf("{%s}", rows[i][1]);

        CASE(rows[i][0]);
        ASSERT_TRUE(texts_equal(a, a));
        ASSERT_FALSE(texts_equal(a, b));
    }
}

TEST(order_does_not_matter_in_maps_and_list_maps)
{
    ASSERT_TRUE(texts_equal("{\"labels\":{\"a\":\"1\",\"b\":\"2\"}}",
                            "{\"labels\":{\"b\":\"2\",\"a\":\"1\"}}"));
    ASSERT_TRUE(
        texts_equal("{\"conditions\":[{\"type\":\"a\"},{\"type\":\"b\",\"status\":\"1\"}]}",
                    "{\"conditions\":[{\"type\":\"b\",\"status\":\"1\"},{\"type\":\"a\"}]}"));
    ASSERT_TRUE(texts_equal(
        "{\"pairs\":[{\"type\":\"t\",\"port\":1,\"status\":\"x\"},{\"type\":\"t\",\"port\":2}]}",
        "{\"pairs\":[{\"type\":\"t\",\"port\":2},{\"type\":\"t\",\"port\":1,\"status\":\"x\"}]}"));
    ASSERT_FALSE(texts_equal(
        "{\"pairs\":[{\"type\":\"t\",\"port\":1,\"status\":\"x\"},{\"type\":\"t\",\"port\":2}]}",
        "{\"pairs\":[{\"type\":\"t\",\"port\":2,\"status\":\"x\"},{\"type\":\"t\",\"port\":1}]}"));
}

TEST(a_copy_is_equal_and_does_not_need_the_original)
{
    struct arena *arena = arena_new(0);
    cleanup(arena_free) struct arena *second = arena_new(0), *third = arena_new(0);
    struct sample original = {}, copy, expected = {};

    decode(SAMPLE_FULL, arena, &original);
    decode(SAMPLE_FULL, third, &expected);
    memset(&copy, 0xa5, sizeof(copy));
    fields_copy(&sample_fields, &original, &copy, second);
    ASSERT_TRUE(fields_equal(&sample_fields, &original, &copy));
    arena_free(arena);
    ASSERT_TRUE(fields_equal(&sample_fields, &expected, &copy));
}

TEST(a_text_that_is_no_duration_is_copied)
{
    struct arena *arena = arena_new(0);
    cleanup(arena_free) struct arena *second = arena_new(0);
    cleanup(json_unref) struct json *back = NULL;
    cleanup(xfree) char *text = NULL;
    struct sample original = {}, copy;

    decode("{\"duration\":\"1d\"}", arena, &original);
    fields_copy(&sample_fields, &original, &copy, second);
    ASSERT_TRUE(fields_equal(&sample_fields, &original, &copy));
    arena_free(arena);
    back = fields_encode(&sample_fields, &copy);
    text = json_text(back);
    ASSERT_STREQ(text, "{\"duration\":\"1d\"}");
}

TEST(a_copy_of_nothing_is_nothing)
{
    cleanup(arena_free) struct arena *arena = arena_new(0);
    static const struct sample nothing;
    struct sample copy;

    memset(&copy, 0xa5, sizeof(copy));
    fields_copy(&sample_fields, &nothing, &copy, arena);
    ASSERT_MEMEQ(&copy, sizeof(copy), &nothing, sizeof(nothing));
}

struct locked {
    struct sample inside;
};
static const struct field locked_rows[] = {
    FIELD(struct locked, inside, "spec", INLINE, .of = &sample_fields, .flags = F_IMMUTABLE),
};
static DEFINE_FIELDS(locked, "locked", locked_rows, NULL);
static const struct field outer_rows[] = {
    FIELD(struct locked, inside, "status", INLINE, .of = &sample_fields),
};
static const struct fields outer_fields = {"outer", sizeof(struct locked), outer_rows, 1, NULL};

TEST(immutable_members_may_be_set_once)
{
    static const struct {
        const char *before, *after, *path; /* NULL: allowed */
    } rows[] = {
        {"{\"fixed\":\"a\"}", "{\"fixed\":\"a\",\"text\":\"x\"}", NULL},
        {"{}", "{\"fixed\":\"a\"}", NULL},
        {"{\"fixed\":\"a\"}", "{\"fixed\":\"b\"}", "status.fixed"},
        {"{\"fixed\":\"a\"}", "{}", "status.fixed"},
        {"{\"otherRef\":{\"name\":\"a\"}}", "{\"otherRef\":{\"name\":\"b\"}}", "status.otherRef"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(arena_free) struct arena *arena = arena_new(0);
        cleanup(field_report_deinit) struct field_report report = {};
        struct locked before = {}, after = {};

        CASE(rows[i].after);
        decode(rows[i].before, arena, &before.inside);
        decode(rows[i].after, arena, &after.inside);
        fields_check_immutable(&outer_fields, &before, &after, "", &report);
        ASSERT_EQ(report.len, rows[i].path ? 1 : 0);
        if (!rows[i].path)
            continue;
        ASSERT_STREQ(report.items[0].path, rows[i].path);
        ASSERT_STREQ(report.items[0].text, "may not be changed");
        ASSERT_EQ(report.items[0].kind, PROBLEM_INVALID);
    }
}

TEST(in_an_immutable_struct_nothing_may_be_added_either)
{
    cleanup(arena_free) struct arena *arena = arena_new(0);
    cleanup(field_report_deinit) struct field_report report = {};
    struct locked before = {}, after = {};

    decode("{\"text\":\"x\"}", arena, &after.inside);
    fields_check_immutable(&locked_fields, &before, &before, "", &report);
    ASSERT_EQ(report.len, 0);
    fields_check_immutable(&locked_fields, &before, &after, "", &report);
    ASSERT_EQ(report.len, 1);
    ASSERT_STREQ(report.items[0].path, "spec");
}

TEST(string_arrays_compare_as_sets)
{
    const char *ab[] = {"a", "b"}, *ba[] = {"b", "a", "b"}, *c[] = {"c"};
    struct array_string first = {ab, 2}, same = {ba, 3}, other = {c, 1}, none = {};

    ASSERT_TRUE(array_string_same_set(&first, &same));
    ASSERT_FALSE(array_string_same_set(&first, &other));
    ASSERT_FALSE(array_string_same_set(&first, &none));
    ASSERT_TRUE(array_string_same_set(&none, &none));
    ASSERT_TRUE(array_string_has(&first, "b"));
    ASSERT_FALSE(array_string_has(&none, "b"));
}

RUN_TESTS(cmocka_unit_test(a_difference_in_any_member_is_seen),
          cmocka_unit_test(order_does_not_matter_in_maps_and_list_maps),
          cmocka_unit_test(a_copy_is_equal_and_does_not_need_the_original),
          cmocka_unit_test(a_text_that_is_no_duration_is_copied),
          cmocka_unit_test(a_copy_of_nothing_is_nothing),
          cmocka_unit_test(immutable_members_may_be_set_once),
          cmocka_unit_test(in_an_immutable_struct_nothing_may_be_added_either),
          cmocka_unit_test(string_arrays_compare_as_sets));
