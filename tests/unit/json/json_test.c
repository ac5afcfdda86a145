#include "support/testing.h"

#include "base/limits.h"
#include "support/left_behind.h"
#include "json/json.h"

static struct json *parsed(const char *text)
{
    struct json *value = NULL;
    struct err err = {};

    ASSERT_OK(json_parse(text, strlen(text), strlen(text), &value, &err));
    return value;
}

#define ASSERT_JSON(value, expected)                                                               \
    do {                                                                                           \
        cleanup(xfree) char *text_ = json_text(value);                                             \
        ASSERT_STREQ(text_, expected);                                                             \
    } while (0)

TEST(text_that_is_not_json_is_refused_with_its_place)
{
    static const struct {
        const char *name, *text, *message;
        size_t len; /* 0: strlen */
    } rows[] = {
        {"empty", "", "empty"},
        {"blank", " \n ", "line 2"},
        {"html", "<html>", "line 1, column 1"},
        {"cut off", "{\"a\": [1, 2", "line 1"},
        {"cut in text", "{\"a\": \"b", "line 1"},
        {"duplicate key", "{\"a\":1,\n\"a\":2}", "line 2, column 3: duplicate object key"},
        {"trailing text", "{} x", "line 1, column 4"},
        {"two values", "1 2", "end of file expected"},
        {"NUL escaped", "\"a\\u0000b\"", "line 1"},
        {"NUL raw", "\"a\0b\"", "line 1", 5},
        {"NUL behind", "{}\0", "line 1", 3},
        {"bad UTF-8", "\"\xff\"", "line 1"},
        {"overlong UTF-8", "\"\xc0\xaf\"", "line 1"},
        {"lone surrogate", "\"\\ud800\"", "line 1"},
        {"integer of 65 bits", "18446744073709551616", "too big integer"},
        {"real too large", "1e999", "real number overflow"},
        {"NaN", "NaN", "line 1"},
        {"comment", "{} // no", "line 1"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct json *value = NULL;
        struct err err = {};
        size_t len = rows[i].len ? rows[i].len : strlen(rows[i].text);

        CASE(rows[i].name);
        ASSERT_ERR(ERR_INVALID, json_parse(rows[i].text, len, 100, &value, &err));
        ASSERT_CONTAINS(err.text, rows[i].message);
        ASSERT_NULL(value);
    }
}

TEST(an_error_does_not_quote_the_text)
{
    static const char text[] = "{\"token\": geheim}";
    struct json *value = NULL;
    struct err err = {};

    ASSERT_ERR(ERR_INVALID, json_parse(text, strlen(text), 100, &value, &err));
    ASSERT_NULL(strstr(err.text, "geheim"));
}

TEST(more_bytes_than_allowed_are_refused)
{
    struct json *value = NULL;
    struct err err = {};

    ASSERT_ERR(ERR_TOO_LARGE, json_parse("[1]", 3, 2, &value, &err));
    ASSERT_CONTAINS(err.text, "2 bytes");
}

/* What Go reads, and an API server keeps for its users. */
TEST(text_of_a_server_is_read_though_it_has_what_we_refuse)
{
    static const struct {
        const char *name, *text, *becomes;
    } rows[] = {
        {"plain", "{\"a\":[1,-2.5,true,null,\"b\"]}", "{\"a\":[1,-2.5,true,null,\"b\"]}"},
        {"NUL", "[\"a\\u0000b\"]",
         "[\"a\xef\xbf\xbd"
         "b\"]"},
        {"NUL in a key", "{\"\\u0000\":1}", "{\"\xef\xbf\xbd\":1}"},
        {"keys that become one", "{\"\\u0000\":1,\"\xef\xbf\xbd\":2}", "{\"\xef\xbf\xbd\":2}"},
        {"no NUL", "[\"\\\\u0000\",\"\\u0000\"]", "[\"\\\\u0000\",\"\xef\xbf\xbd\"]"},
        {"a quote and a bracket", "[\"\\\"]\\u0000\"]", "[\"\\\"]\xef\xbf\xbd\"]"},
        {"65 bits", "[18446744073709551616,-9223372036854775809]",
         "[1.8446744073709552e+19,-9.223372036854776e+18]"},
        {"64 bits", "[9223372036854775807,-9223372036854775808,\"\\u0000\"]",
         "[9223372036854775807,-9223372036854775808,\"\xef\xbf\xbd\"]"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(json_unref) struct json *value = NULL;
        struct err err = {};

        CASE(rows[i].name);
        ASSERT_OK(json_parse_foreign(rows[i].text, strlen(rows[i].text), 100, &value, &err));
        ASSERT_JSON(value, rows[i].becomes);
    }
}

TEST(text_of_a_server_is_refused_where_it_is_no_json)
{
    static const struct {
        const char *name, *text;
        int code;
    } rows[] = {
        {"empty", "", ERR_INVALID},
        {"cut off", "{\"a\": [1, 2", ERR_INVALID},
        {"cut in text", "[\"b", ERR_INVALID},
        {"cut in an escape", "[\"b\\", ERR_INVALID},
        {"bad UTF-8", "[\"\xff\"]", ERR_INVALID},
        {"only a sign", "[-]", ERR_INVALID},
        {"too long", "[1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8]", ERR_TOO_LARGE},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct json *value = NULL;
        struct err err = {};

        CASE(rows[i].name);
        ASSERT_ERR(rows[i].code,
                   json_parse_foreign(rows[i].text, strlen(rows[i].text), 30, &value, &err));
        ASSERT_NULL(value);
    }
}

static char *nested(int depth)
{
    cleanup(buf_deinit) struct buf text = BUF(1000);

    for (int i = 0; i < depth; i++)
        buf_add_str(&text, i % 2 ? "[" : "\n{\"[[[\\\"[\":");
    buf_add_char(&text, '0');
    for (int i = depth; i-- > 0;)
        buf_add_char(&text, i % 2 ? ']' : '}');
    return buf_take(&text);
}

/* kubernetes-client/c: one reader for all JSON, with limits, in place of generated models. */
TEST(nesting_is_allowed_to_the_limit_and_not_beyond)
{
    cleanup(xfree) char *good = nested(LIMIT_JSON_DEPTH);
    cleanup(xfree) char *bad = nested(LIMIT_JSON_DEPTH + 1);
    cleanup(json_unref) struct json *value = NULL;
    struct json *none = NULL;
    struct err err = {};

    ASSERT_OK(json_parse(good, strlen(good), 1000, &value, &err));
    ASSERT_ERR(ERR_TOO_LARGE, json_parse(bad, strlen(bad), 1000, &none, &err));
    ASSERT_CONTAINS(err.text, "line 34");
}

TEST(what_is_too_deep_in_text_of_a_server_becomes_a_number)
{
    cleanup(xfree) char *bad = nested(LIMIT_JSON_DEPTH + 20);
    cleanup(xfree) char *text = xasprintf("[%s,{\"a\":\"b\"}]", bad);
    cleanup(json_unref) struct json *value = NULL;
    const struct json *at;
    struct err err = {};
    int depth = 0;

    ASSERT_OK(json_parse_foreign(text, strlen(text), 5000, &value, &err));
    ASSERT_STREQ(json_get_text(json_at(value, 1), "a"), "b");
    for (at = value; json_len(at) > 0; depth++)
        at = json_kind(at) == JSON_KIND_LIST ? json_at(at, 0) : json_get(at, "[[[\"[");
    ASSERT_EQ(depth, LIMIT_JSON_DEPTH);
    ASSERT_EQ(json_as_int(at, -1), 0);
}

TEST(printing_is_compact_and_sorted_and_reads_back)
{
    static const char *const rows[][2] = {
        {" { \"b\" : 1 , \"a\" : [ ] , \"aa\" : { } } ", "{\"a\":[],\"aa\":{},\"b\":1}"},
        {"[true,false,null]", "[true,false,null]"},
        {"[0.1, 1e3, 2.5e-7, 1.0, -0.0, 1e100]", "[0.1,1000.0,2.5e-07,1.0,-0.0,1e+100]"},
        {"[0.30000000000000004, 123456789012345678]", "[0.30000000000000004,123456789012345678]"},
        {"-9223372036854775808", "-9223372036854775808"},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0001\\u007f\"", "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\x7f\""},
        {"\"\\u00e4\\ud83d\\ude00\"", "\"\xc3\xa4\xf0\x9f\x98\x80\""},
        {"\"text\"", "\"text\""},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(json_unref) struct json *value = parsed(rows[i][0]);
        cleanup(json_unref) struct json *again = parsed(rows[i][1]);

        CASE(rows[i][0]);
        ASSERT_JSON(value, rows[i][1]);
        ASSERT_TRUE(json_same(value, again));
    }
}

/* An escape by number is not read by the short way: with one beside it, the same text goes the long way. */
static struct json *parsed_the_long_way(const char *text)
{
    cleanup(xfree) char *around = xasprintf("[\"\\u0061\", %s]", text);
    cleanup(json_unref) struct json *list = parsed(around);

    return json_ref(json_at(list, 1));
}

TEST(the_short_way_and_the_long_way_give_the_same_value)
{
    static const char *const rows[] = {
        "0",
        "-0",
        "-12",
        "999999999999999999",
        "1000000000000000000",
        "-9223372036854775808",
        "[1.5, 1e2, 10, true, false, null]",
        "\"\"",
        "\"a\\\"b\\\\c\\/d\\b\\f\\n\\r\\te\x7f\"",
        "{\"k:{\\\"type\\\":\\\"Ready\\\"}\": {\".\": {}}}",
        "\t{\r\n\"a\" : [ ] , \"b\":{\"c\":[{},[[]],\"]}\"]}}  ",
        "{\"\": \"\xc3\xa4\"}",
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(json_unref) struct json *value = parsed(rows[i]);
        cleanup(json_unref) struct json *other = parsed_the_long_way(rows[i]);

        CASE(rows[i]);
        ASSERT_TRUE(json_same(value, other));
    }
}

TEST(names_longer_than_usual_are_read)
{
    cleanup(xfree) char *text = xasprintf("{\"%0300d\": 1, \"a\": 2}", 0);
    cleanup(json_unref) struct json *value = parsed(text);

    ASSERT_EQ(json_len(value), 2);
    ASSERT_EQ(json_get_int(value, "a", 0), 2);
}

TEST(one_member_can_be_left_out)
{
    static const struct {
        const char *name, *text, *left;
    } rows[] = {
        {"a list", "{\"m\":{\"a\":1,\"out\":[{\"x\":\"]\\\"}\"},[[]]],\"b\":2},\"z\":[]}",
         "{\"m\":{\"a\":1,\"b\":2},\"z\":[]}"},
        {"a map", "{\"m\":{\"out\":{\"out\":{}}}}", "{\"m\":{}}"},
        {"a text", "{\"m\":{\"out\":\"{\"}}", "{\"m\":{}}"},
        {"a number", "{\"m\":{\"out\":12,\"b\":2}}", "{\"m\":{\"b\":2}}"},
        {"the long way", "{\"m\":{\"out\":[\"\\u0061\"],\"b\":0.5}}", "{\"m\":{\"b\":0.5}}"},
        {"none", "{\"m\":{}}", "{\"m\":{}}"},
        {"no map", "{\"m\":[{\"out\":1}]}", "{\"m\":[{\"out\":1}]}"},
        {"elsewhere", "{\"out\":1,\"n\":{\"out\":1,\"m\":{\"out\":[]}}}",
         "{\"n\":{\"m\":{\"out\":[]},\"out\":1},\"out\":1}"},
        {"in a list", "[{\"out\":[],\"m\":{\"out\":[]}}]", "[{\"m\":{\"out\":[]},\"out\":[]}]"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(json_unref) struct json *value = NULL;
        struct err err = {};

        CASE(rows[i].name);
        ASSERT_OK(
            json_parse_without(rows[i].text, strlen(rows[i].text), 1000, "out", "m", &value, &err));
        ASSERT_JSON(value, rows[i].left);
    }
}

TEST(text_that_ends_within_what_is_left_out_is_refused)
{
    static const char text[] = "{\"m\":{\"out\":[{\"x\":\"y\\\\\"}]}}";

    for (size_t len = 1; len < strlen(text); len++) {
        cleanup(xfree) char *part = xmemdup(text, len); /* of the exact size, for the checkers */
        struct json *value = NULL;
        struct err err = {};

        ASSERT_ERR(ERR_INVALID, json_parse_without(part, len, 100, "out", "m", &value, &err));
        ASSERT_ERR(ERR_INVALID, json_parse(part, len, 100, &value, &err));
    }
}

TEST(text_as_go_is_compact_keeps_the_order_and_is_fit_for_html)
{
    cleanup(json_unref) struct json *value = parsed(
        "{\"b\":[1,{\"c\":2,\"a\":null}],\"a\":{},\"d\":[],\"<e>\":\"f&g\"}");
    cleanup(xfree) char *printed = json_text_as_go(value);

    ASSERT_STREQ(printed, "{\"b\":[1,{\"c\":2,\"a\":null}],\"a\":{},\"d\":[],"
                          "\"\\u003ce\\u003e\":\"f\\u0026g\"}");
}

TEST(pretty_printing_keeps_the_order)
{
    cleanup(json_unref) struct json *value = parsed("{\"b\":[1,{\"c\":2}],\"a\":{},\"d\":[]}");
    cleanup(buf_deinit) struct buf text = BUF(1000);

    json_print_pretty(value, &text);
    ASSERT_STREQ(buf_str(&text), "{\n  \"b\": [\n    1,\n    {\n      \"c\": 2\n    }\n  ],\n"
                                 "  \"a\": {},\n  \"d\": []\n}");
}

/* The other style must not depend on what is shown where. */
TEST(pretty_printing_shows_what_is_unseen)
{
    cleanup(json_unref) struct json *value = json_new_map();
    cleanup(buf_deinit) struct buf text = BUF(1000);
    cleanup(xfree) char *compact = NULL;

    json_set_text(value, "a\u202e\"", "\u00fc\xc2\x9b\x7f\u2066\n\U0001f600\U000e0041");
    json_print_pretty(value, &text);
    ASSERT_STREQ(buf_str(&text), "{\n  \"a\\u202e\\\"\": \"\u00fc\\u009b\\u007f\\u2066\\n"
                                 "\U0001f600\\udb40\\udc41\"\n}");
    compact = json_text(value);
    ASSERT_STREQ(compact, "{\"a\u202e\\\"\":\"\u00fc\xc2\x9b\x7f\u2066\\n\U0001f600\U000e0041\"}");
}

TEST(printing_beyond_the_maximum_marks_the_buf)
{
    cleanup(json_unref) struct json *value = parsed("[1,2,3,4,5,6,7,8]");
    cleanup(buf_deinit) struct buf text = BUF(5);
    struct err err = {};

    json_print(value, &text);
    ASSERT_ERR(ERR_TOO_LARGE, buf_check(&text, "value", &err));
}

TEST(text_that_is_no_utf8_is_made_valid)
{
    cleanup(json_unref) struct json *value = json_new_map();

    json_set(value, "nul", json_new_text_len("a\0b", 3));
    json_set_text(value, "bad", "a\xff\xc3");
    json_set_text(value, "k\xfe", "\xc3\xa4");
    ASSERT_JSON(value, "{\"bad\":\"a\xef\xbf\xbd\xef\xbf\xbd\",\"k\xef\xbf\xbd\":\"\xc3\xa4\","
                       "\"nul\":\"a\xef\xbf\xbd"
                       "b\"}");
}

TEST(a_real_that_is_not_finite_becomes_null)
{
    cleanup(json_unref) struct json *value = json_new_real(__builtin_nan(""));

    ASSERT_EQ(json_kind(value), JSON_KIND_NULL);
}

TEST(getters_give_the_otherwise_for_what_is_absent_or_of_another_kind)
{
    cleanup(json_unref) struct json *value = parsed(
        "{\"i\":5,\"b\":true,\"t\":\"x\",\"n\":null,\"r\":1.5,\"m\":{\"k\":{\"j\":[7]}}}");

    ASSERT_EQ(json_get_int(value, "i", -1), 5);
    ASSERT_EQ(json_get_int(value, "t", -1), -1);
    ASSERT_EQ(json_get_int(value, "none", -1), -1);
    ASSERT_EQ(json_get_int(NULL, "none", -1), -1);
    ASSERT_TRUE(json_get_bool(value, "b", false));
    ASSERT_TRUE(json_get_bool(value, "i", true));
    ASSERT_STREQ(json_get_text(value, "t"), "x");
    ASSERT_NULL(json_get_text(value, "i"));
    ASSERT_NULL(json_get_text(json_get(value, "t"), "i"));
    ASSERT_TRUE(json_as_real(json_get(value, "r"), 0) > 1.4);
    ASSERT_EQ(json_len(value), 6);
    ASSERT_EQ(json_len(json_get(value, "t")), 0);
    ASSERT_EQ(json_as_int(json_at(json_path(value, "m.k.j"), 0), 0), 7);
    ASSERT_NULL(json_at(json_path(value, "m.k.j"), 1));
    ASSERT_NULL(json_path(value, "m.none.j"));
    ASSERT_NULL(json_path(value, "t.k"));
    ASSERT_EQ(json_kind(json_get(value, "n")), JSON_KIND_NULL);
    ASSERT_EQ(json_kind(NULL), JSON_KIND_NULL);
    ASSERT_STREQ(json_kind_name(json_kind(json_get(value, "r"))), "number");
}

TEST(setters_replace_and_remove)
{
    cleanup(json_unref) struct json *value = json_new_map();

    json_set_int(value, "a", 1);
    json_set_text(value, "a", "one");
    json_set_bool(value, "b", true);
    json_set(json_need_map(value, "m"), "x", json_new_list());
    json_set_int(json_need_map(value, "m"), "y", 2);
    json_set_int(json_need_map(value, "a"), "was", 0);
    json_append_text(json_path(value, "m.x"), "0");
    json_append(json_path(value, "m.x"), json_new_int(1));
    json_remove_at(json_path(value, "m.x"), 0);
    json_remove_at(json_path(value, "m.x"), 9);
    json_set(value, "b", NULL);
    json_set_text(value, "c", NULL);
    json_remove(value, "none");
    ASSERT_JSON(value, "{\"a\":{\"was\":0},\"m\":{\"x\":[1],\"y\":2}}");
}

TEST(a_deep_copy_does_not_follow_changes)
{
    cleanup(json_unref) struct json *value = parsed("{\"m\":{\"a\":1}}");
    cleanup(json_unref) struct json *copy = json_deep(value);

    ASSERT_TRUE(json_same(value, copy));
    json_set_int(json_get(copy, "m"), "a", 2);
    ASSERT_FALSE(json_same(value, copy));
    ASSERT_NULL(json_deep(NULL));
    ASSERT_TRUE(json_same(NULL, NULL));
    ASSERT_FALSE(json_same(value, NULL));
}

TEST(lists_and_maps_of_strings_become_values)
{
    cleanup(strlist_deinit) struct strlist list = {};
    cleanup(strmap_deinit) struct strmap map = {};
    cleanup(json_unref) struct json *a = NULL, *b = NULL;

    strlist_add(&list, "x");
    strlist_add(&list, "y");
    strmap_set(&map, "k", "v");
    a = json_new_strlist(&list);
    b = json_new_strmap(&map);
    ASSERT_JSON(a, "[\"x\",\"y\"]");
    ASSERT_JSON(b, "{\"k\":\"v\"}");
}

TEST(loops_go_in_order_and_obey_break_and_continue)
{
    cleanup(json_unref) struct json *map = parsed("{\"c\":1,\"a\":2,\"b\":3}");
    cleanup(json_unref) struct json *list = parsed("[1,2,3]");
    cleanup(buf_deinit) struct buf seen = BUF(100);

    json_for_each (key, value, map) {
        if (streq(key, "c"))
            continue;
        buf_addf(&seen, "%s%d ", key, (int)json_as_int(value, 0));
    }
    json_for_each (key, value, map) {
        buf_add_str(&seen, key);
        break;
    }
    json_for_each_item (item, list) {
        if (item_at == 0)
            continue;
        if (item_at == 2)
            break;
        buf_addf(&seen, " %zu:%d", item_at, (int)json_as_int(item, 0));
    }
    json_for_each (key, value, list)
        buf_add_str(&seen, "never");
    json_for_each_item (item, map)
        buf_add_str(&seen, "never");
    ASSERT_STREQ(buf_str(&seen), "a2 b3 c 1:2");
}

TEST(a_member_may_be_removed_when_the_loop_is_left)
{
    cleanup(json_unref) struct json *map = parsed("{\"c\":1,\"a\":2}");

    json_for_each (key, value, map) {
        json_remove(map, key);
        break;
    }
    ASSERT_JSON(map, "{\"a\":2}");
}

/* The short way and, by \u, jansson's: of a Secret each value is a secret. */
TEST(a_secret_in_a_value_is_left_nowhere)
{
    static const char *const texts[] = {
        "{\"data\":{\"k\":\"hunter2hunter2hunter2\\n\"}}",
        "{\"data\":{\"k\":\"hunter2hunter2hunter2\\u0061\"}}",
    };

    json_setup();
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct json *value, *copy;

        CASE(texts[i]);
        left_behind_look_for("hunter2hunter2", 14);
        value = parsed(texts[i]);
        copy = json_deep(value);
        json_unref(value);
        json_unref(copy);
        ASSERT_EQ(left_behind_count(), 0);
    }
}

RUN_TESTS(cmocka_unit_test(a_secret_in_a_value_is_left_nowhere),
          cmocka_unit_test(text_that_is_not_json_is_refused_with_its_place),
          cmocka_unit_test(an_error_does_not_quote_the_text),
          cmocka_unit_test(more_bytes_than_allowed_are_refused),
          cmocka_unit_test(nesting_is_allowed_to_the_limit_and_not_beyond),
          cmocka_unit_test(text_of_a_server_is_read_though_it_has_what_we_refuse),
          cmocka_unit_test(text_of_a_server_is_refused_where_it_is_no_json),
          cmocka_unit_test(what_is_too_deep_in_text_of_a_server_becomes_a_number),
          cmocka_unit_test(printing_is_compact_and_sorted_and_reads_back),
          cmocka_unit_test(the_short_way_and_the_long_way_give_the_same_value),
          cmocka_unit_test(names_longer_than_usual_are_read),
          cmocka_unit_test(one_member_can_be_left_out),
          cmocka_unit_test(text_that_ends_within_what_is_left_out_is_refused),
          cmocka_unit_test(text_as_go_is_compact_keeps_the_order_and_is_fit_for_html),
          cmocka_unit_test(pretty_printing_keeps_the_order),
          cmocka_unit_test(pretty_printing_shows_what_is_unseen),
          cmocka_unit_test(printing_beyond_the_maximum_marks_the_buf),
          cmocka_unit_test(text_that_is_no_utf8_is_made_valid),
          cmocka_unit_test(a_real_that_is_not_finite_becomes_null),
          cmocka_unit_test(getters_give_the_otherwise_for_what_is_absent_or_of_another_kind),
          cmocka_unit_test(setters_replace_and_remove),
          cmocka_unit_test(a_deep_copy_does_not_follow_changes),
          cmocka_unit_test(lists_and_maps_of_strings_become_values),
          cmocka_unit_test(loops_go_in_order_and_obey_break_and_continue),
          cmocka_unit_test(a_member_may_be_removed_when_the_loop_is_left));
