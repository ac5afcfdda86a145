#include "support/testing.h"

#include "base/random.h"
#include "yaml/yaml.h"

enum { TEXT_MAX = 1 << 20 };

static struct json *parsed(const char *text)
{
    struct json *value = NULL;
    struct err err = {};

    ASSERT_OK(json_parse(text, strlen(text), TEXT_MAX, &value, &err));
    return value;
}

TEST(the_layout_is_kubectls)
{
    static const struct {
        const char *json, *yaml;
    } rows[] = {
        {"{\"kind\":\"Certificate\",\"spec\":{\"dnsNames\":[\"a.example\",\"*.a.example\"],"
         "\"isCA\":false,\"size\":5},\"status\":{}}",
         "kind: Certificate\nspec:\n  dnsNames:\n  - a.example\n  - \"*.a.example\"\n"
         "  isCA: false\n  size: 5\nstatus: {}\n"},
        {"[[1,2],{\"a\":1,\"b\":[{\"c\":[]}]}]", "- - 1\n  - 2\n- a: 1\n  b:\n  - c: []\n"},
        {"{\"a\":\"l1\\nl2\\n\",\"b\":\"l1\\nl2\",\"c\":[\"x\\n\\n\"]}",
         "a: |\n  l1\n  l2\nb: |-\n  l1\n  l2\nc:\n- |+\n  x\n\n"},
        {"\"text\"", "text\n"},
        {"{}", "{}\n"},
        {"null", "null\n"},
        {"{\"a\":null,\"b\":1.5}", "a: null\nb: 1.5\n"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(json_unref) struct json *value = parsed(rows[i].json);
        cleanup(buf_deinit) struct buf text = BUF(TEXT_MAX);

        CASE(rows[i].json);
        yaml_print(value, &text);
        ASSERT_STREQ(buf_str(&text), rows[i].yaml);
    }
}

/* Invariant of everything below: what is printed reads back as the same value. */
static void assert_round_trip(const struct json *value)
{
    cleanup(yaml_stream_free) struct yaml_stream *stream = NULL;
    cleanup(buf_deinit) struct buf text = BUF(TEXT_MAX);
    struct err err = {};

    yaml_print(value, &text);
    CASE(buf_str(&text));
    ASSERT_OK(yaml_parse(text.data, text.len, &stream, &err));
    ASSERT_EQ(yaml_document_count(stream), 1);
    ASSERT_TRUE(json_same(yaml_document(stream, 0), value));
    CASE("");
}

static const char *const texts[] = {
    "",
    " ",
    "a",
    "yes",
    "No",
    "on",
    "y",
    "n",
    "true",
    "null",
    "~",
    "Null",
    "12",
    "-1",
    "+1",
    "1.5",
    ".5",
    "1e3",
    "0x1f",
    "017",
    "0o17",
    "0b1",
    "1_0",
    ".inf",
    "-.INF",
    ".nan",
    "<<",
    "=",
    "1:30",
    "2026-01-01",
    "2026-01-01T00:00:00Z",
    "-",
    "- a",
    "-a",
    "?",
    "? a",
    "?a",
    ":",
    ": a",
    "a: b",
    "a:b",
    "a:",
    "a #b",
    "a#b",
    "#a",
    "*",
    "*.example.com",
    "&a",
    "!a",
    "!!int 5",
    "|",
    ">",
    "%",
    "@a",
    "`a`",
    "'",
    "\"",
    "'a'",
    "\"a\"",
    "a'b",
    "a\"b",
    "a\\b",
    "{",
    "}",
    "[",
    "]",
    ",",
    "a,b",
    "{}",
    "[]",
    "---",
    "...",
    "--- a",
    " a",
    "a ",
    "\ta",
    "a\t",
    "a\tb",
    "\n",
    "\n\n",
    "a\n",
    "\na",
    "a\n\n",
    "a\nb",
    "a\nb\n",
    " a\nb",
    "a\n b",
    "a \nb",
    "a\n\n\nb",
    "a\n \nb",
    "a\n\tb",
    "a\n---\nb",
    "a\n# b",
    "a\r\nb",
    "a\rb",
    "a\x01"
    "b",
    "\x7f",
    "\xc2\x85",
    "a\xc2\x85"
    "b",
    "\xe2\x80\xa8",
    "\xe2\x80\xa9x\ny",
    "\xef\xbb\xbf",
    "\xef\xbf\xbe",
    "\xf0\x9f\x98\x80",
    "\xc3\xa4",
    "\xc2\xa0",
    "a\xc2\xa0",
    "x\xc2\x80",
    "https://example.com/a?b=c#d",
    "a: |\n  b",
    "/etc/x",
    "${A}",
    "$A",
    "a=b",
    "(a)",
    "~a",
    "a;b",
    "a\u202eb\u2066\nc",
    "\u00ad\U000e0041",
    "\xed\x9f\xbf",
    "\xee\x80\x80",
};

TEST(every_doubtful_text_reads_back_as_itself)
{
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        cleanup(json_unref) struct json *alone = json_new_text(texts[i]);
        cleanup(json_unref) struct json *map = json_new_map();
        cleanup(json_unref) struct json *list = json_new_list();

        json_set_text(map, texts[i], texts[i]);
        json_set(map, "after", json_new_int(1));
        json_append_text(list, texts[i]);
        json_append(list, json_ref(map));
        json_append_text(list, "after");
        assert_round_trip(alone);
        assert_round_trip(map);
        assert_round_trip(list);
    }
}

TEST(long_keys_read_back)
{
    static const char *const parts[] = {"k", "\xf0\x9f\x98\x80", "\x01", "\""};

    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        cleanup(json_unref) struct json *map = json_new_map();
        cleanup(buf_deinit) struct buf key = BUF(100000);

        while (key.len < 5000)
            buf_add_str(&key, parts[i]);
        json_set_text(map, buf_str(&key), "value");
        json_set(json_need_map(map, "m"), buf_str(&key), json_ref(map));
        json_set(map, "m", json_new_list());
        json_append(json_get(map, "m"), json_new_map());
        json_set(json_at(json_get(map, "m"), 0), buf_str(&key), json_new_list());
        json_append_text(json_get(json_at(json_get(map, "m"), 0), buf_str(&key)), "x");
        json_append(json_get(json_at(json_get(map, "m"), 0), buf_str(&key)), json_new_int(1));
        assert_round_trip(map);
    }
}

static struct json *random_value(int depth);

static struct json *random_text(void)
{
    static const char alphabet[] = "ab1. :-#'\"\n\t,{}[]&*!|>%@\\=<~?yn0xe+_\xc3\xa4";
    cleanup(buf_deinit) struct buf text = BUF(100);

    if (random_below(2))
        return json_new_text(texts[random_below(ARRAY_LEN(texts))]);
    for (size_t len = random_below(9); len > 0; len--)
        buf_add_char(&text, alphabet[random_below(sizeof(alphabet) - 1)]);
    return json_new_text_len(buf_str(&text), text.len);
}

static struct json *random_collection(int depth, bool is_map)
{
    struct json *value = is_map ? json_new_map() : json_new_list();

    for (size_t len = random_below(5); len > 0; len--) {
        cleanup(json_unref) struct json *key = random_text();

        if (is_map)
            json_set(value, json_as_text(key), random_value(depth + 1));
        else
            json_append(value, random_value(depth + 1));
    }
    return value;
}

static struct json *random_value(int depth)
{
    switch (random_below(depth > 6 ? 5 : 8)) {
    case 0:
        return json_new_null();
    case 1:
        return json_new_bool(random_below(2));
    case 2:
        return json_new_int((int64_t)random_below(UINT64_MAX));
    case 3:
        return json_new_real((double)random_below(1 << 30) / 4096 + 1.0 / 8192);
    case 4:
        return random_text();
    default:
        return random_collection(depth, random_below(2));
    }
}

TEST(random_values_read_back_as_themselves)
{
    random_seed_for_tests(20260101);
    for (int i = 0; i < 3000; i++) {
        cleanup(json_unref) struct json *value = random_value(0);

        if (json_kind(value) != JSON_KIND_NULL) /* an empty document is skipped */
            assert_round_trip(value);
    }
}

RUN_TESTS(cmocka_unit_test(the_layout_is_kubectls),
          cmocka_unit_test(every_doubtful_text_reads_back_as_itself),
          cmocka_unit_test(long_keys_read_back),
          cmocka_unit_test(random_values_read_back_as_themselves));
