#include "support/left_behind.h"
#include "support/testing.h"

#include "base/limits.h"
#include "yaml/yaml.h"

static struct yaml_stream *parsed(const char *text)
{
    struct yaml_stream *stream = NULL;
    struct err err = {};

    ASSERT_OK(yaml_parse(text, strlen(text), &stream, &err));
    return stream;
}

#define ASSERT_DOCUMENT(stream, i, expected)                                                       \
    do {                                                                                           \
        cleanup(xfree) char *text_ = json_text(yaml_document(stream, i));                          \
        ASSERT_STREQ(text_, expected);                                                             \
    } while (0)

struct row {
    const char *yaml, *json;
};

static void assert_reads(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        cleanup(yaml_stream_free) struct yaml_stream *stream = NULL;

        CASE(rows[i].yaml);
        stream = parsed(rows[i].yaml);
        ASSERT_EQ(yaml_document_count(stream), 1);
        ASSERT_DOCUMENT(stream, 0, rows[i].json);
    }
}

TEST(plain_scalars_are_read_as_kubectl_reads_them)
{
    static const struct row rows[] = {
        {"a: ", "{\"a\":null}"},
        {"a: ~", "{\"a\":null}"},
        {"a: Null", "{\"a\":null}"},
        {"a: yes", "{\"a\":true}"},
        {"[y, Y, n, N]", "[true,true,false,false]"}, /* as kubectl */
        {"a: On", "{\"a\":true}"},
        {"a: TRUE", "{\"a\":true}"},
        {"a: off", "{\"a\":false}"},
        {"a: No", "{\"a\":false}"},
        {"a: tRue", "{\"a\":\"tRue\"}"},
        {"a: 12", "{\"a\":12}"},
        {"a: -12", "{\"a\":-12}"},
        {"a: +12", "{\"a\":12}"},
        {"a: 1_000", "{\"a\":1000}"},
        {"a: 0x1F", "{\"a\":31}"},
        {"a: 0o17", "{\"a\":15}"},
        {"a: 017", "{\"a\":15}"},
        {"a: 0b11", "{\"a\":3}"},
        {"a: -0x10", "{\"a\":-16}"},
        {"a: 08", "{\"a\":8}"},
        {"a: 0x", "{\"a\":\"0x\"}"},
        {"a: 0x-5", "{\"a\":\"0x-5\"}"},
        {"a: --5", "{\"a\":\"--5\"}"},
        {"a: 9223372036854775807", "{\"a\":9223372036854775807}"},
        {"a: -9223372036854775808", "{\"a\":-9223372036854775808}"},
        {"a: 9223372036854775808", "{\"a\":9.223372036854776e+18}"},
        {"a: 100000000000000000000", "{\"a\":1e+20}"},
        {"a: 1.5", "{\"a\":1.5}"},
        {"a: .5", "{\"a\":0.5}"},
        {"a: 5.", "{\"a\":5}"},
        {"a: 5.0", "{\"a\":5}"},
        {"a: 1e3", "{\"a\":1000}"},
        {"a: -1.5e-3", "{\"a\":-0.0015}"},
        {"a: 1e999", "{\"a\":\"1e999\"}"},
        {"a: 1e", "{\"a\":\"1e\"}"},
        {"a: .", "{\"a\":\".\"}"},
        {"a: 1.2.3", "{\"a\":\"1.2.3\"}"},
        {"a: 10.0.0.1", "{\"a\":\"10.0.0.1\"}"},
        {"a: 1:30", "{\"a\":\"1:30\"}"},
        {"a: 2026-01-01", "{\"a\":\"2026-01-01\"}"},
        {"a: 2026-01-01T00:00:00Z", "{\"a\":\"2026-01-01T00:00:00Z\"}"},
        {"a: 2160h", "{\"a\":\"2160h\"}"},
        {"a: '*.example.com'", "{\"a\":\"*.example.com\"}"},
        {"a: \xc3\xa4", "{\"a\":\"\xc3\xa4\"}"},
    };

    assert_reads(rows, ARRAY_LEN(rows));
}

TEST(quoted_scalars_are_always_strings)
{
    static const struct row rows[] = {
        {"a: 'yes'", "{\"a\":\"yes\"}"},
        {"a: \"12\"", "{\"a\":\"12\"}"},
        {"a: ''", "{\"a\":\"\"}"},
        {"a: \"x\\ty\\u00e4\"", "{\"a\":\"x\\ty\xc3\xa4\"}"},
        {"a: |\n  12\n", "{\"a\":\"12\\n\"}"},
        {"a: >-\n  true\n  x\n", "{\"a\":\"true x\"}"},
        {"'<<': x", "{\"<<\":\"x\"}"},
    };

    assert_reads(rows, ARRAY_LEN(rows));
}

TEST(characters_of_two_escapes_are_read_in_json)
{
    static const struct row rows[] = {
        {"{\"a\": \"\\ud83d\\ude00!\"}", "{\"a\":\"\xf0\x9f\x98\x80!\"}"},
        {" \n{\"\\uD800\\uDC00\": \"\\uDBFF\\uDFFF\"}",
         "{\"\xf0\x90\x80\x80\":\"\xf4\x8f\xbf\xbf\"}"},
        {"{\"a\": \"\\\\ud83d\\\\ude00\"}", "{\"a\":\"\\\\ud83d\\\\ude00\"}"},
        {"{\"a\": \"\\u00e4\\ud7ff\"}", "{\"a\":\"\xc3\xa4\xed\x9f\xbf\"}"},
    };

    assert_reads(rows, ARRAY_LEN(rows));
}

TEST(tags_may_say_what_is_there)
{
    static const struct row rows[] = {
        {"a: !!str 12", "{\"a\":\"12\"}"}, {"a: ! 12", "{\"a\":\"12\"}"},
        {"a: !!int \"12\"", "{\"a\":12}"}, {"a: !!float 1", "{\"a\":1}"},
        {"a: !!float 1.5", "{\"a\":1.5}"}, {"a: !!bool yes", "{\"a\":true}"},
        {"a: !!null ''", "{\"a\":null}"},  {"!!map {a: !!seq [1]}", "{\"a\":[1]}"},
        {"!!str 1: x", "{\"1\":\"x\"}"},
    };

    assert_reads(rows, ARRAY_LEN(rows));
}

TEST(structures_are_read)
{
    static const struct row rows[] = {
        {"- a\n- - b\n  - c\n- {}\n- []\n", "[\"a\",[\"b\",\"c\"],{},[]]"},
        {"a:\n- 1\nb:\n  - 2\n", "{\"a\":[1],\"b\":[2]}"},
        {"{\"a\": [1, 2.5, \"x\", null, true], \"b\": {}}",
         "{\"a\":[1,2.5,\"x\",null,true],\"b\":{}}"},
        {"? a\n: b\n", "{\"a\":\"b\"}"},
        {"text", "\"text\""},
        {"5", "5"},
        {"\xef\xbb\xbf"
         "a: 1",
         "{\"a\":1}"},
        {"a: 1\r\nb:\r\n- x\r\n- |\r\n  l1\r\n  l2\r\n", "{\"a\":1,\"b\":[\"x\",\"l1\\nl2\\n\"]}"},
        {"# only\na: 1 # here\n", "{\"a\":1}"},
        {"%YAML 1.1\n---\na: 1\n", "{\"a\":1}"},
    };

    assert_reads(rows, ARRAY_LEN(rows));
}

TEST(utf16_is_read)
{
    static const char text[] = "\xff\xfe"
                               "a\0:\0 \0\xe4\0";
    cleanup(yaml_stream_free) struct yaml_stream *stream = NULL;
    struct err err = {};

    ASSERT_OK(yaml_parse(text, sizeof(text) - 1, &stream, &err));
    ASSERT_DOCUMENT(stream, 0, "{\"a\":\"\xc3\xa4\"}");
}

TEST(every_document_is_read_and_empty_ones_are_skipped)
{
    cleanup(yaml_stream_free) struct yaml_stream *stream = parsed(
        "# comment\n---\na: 1\n---\n---\n# nothing\n...\n---\nb: 2\n---\nnull\n--- \n[3]\n");

    ASSERT_EQ(yaml_document_count(stream), 3);
    ASSERT_DOCUMENT(stream, 0, "{\"a\":1}");
    ASSERT_DOCUMENT(stream, 1, "{\"b\":2}");
    ASSERT_DOCUMENT(stream, 2, "[3]");
    ASSERT_NULL(yaml_document(stream, 3));
    ASSERT_EQ(yaml_line(stream, 0, ""), 3);
    ASSERT_EQ(yaml_line(stream, 1, "b"), 9);
    ASSERT_EQ(yaml_line(stream, 3, ""), 0);
}

TEST(a_text_without_documents_is_no_error)
{
    static const char *const rows[] = {"", "\n\n", "# x\n", "---\n", "---\n---\n", "\xef\xbb\xbf"};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(yaml_stream_free) struct yaml_stream *stream = NULL;

        CASE(rows[i]);
        stream = parsed(rows[i]);
        ASSERT_EQ(yaml_document_count(stream), 0);
    }
}

TEST(aliases_and_merge_keys_are_expanded)
{
    static const struct row rows[] = {
        {"a: &x [1]\nb: *x\n", "{\"a\":[1],\"b\":[1]}"},
        {"a: &x 5\nb: *x\n", "{\"a\":5,\"b\":5}"},
        {"a: &x 1\nb: &x 2\nc: *x\n", "{\"a\":1,\"b\":2,\"c\":2}"},
        {"&k key: *k\n", "{\"key\":\"key\"}"},
        {"a: &x {p: 1, q: 2}\nb: {<<: *x, q: 3}\n",
         "{\"a\":{\"p\":1,\"q\":2},\"b\":{\"p\":1,\"q\":3}}"},
        {"a: &x {p: 1, q: 2}\nb: {q: 3, <<: *x}\n",
         "{\"a\":{\"p\":1,\"q\":2},\"b\":{\"p\":1,\"q\":3}}"},
        {"a: &x {p: 1}\nb: &y {p: 2, q: 2}\nc: {<<: [*x, *y]}\n",
         "{\"a\":{\"p\":1},\"b\":{\"p\":2,\"q\":2},\"c\":{\"p\":1,\"q\":2}}"},
        {"<<: {p: {r: 1}}\nq: 2\n", "{\"p\":{\"r\":1},\"q\":2}"},
        {"<<: {p: &x [1]}\np: 2\nq: *x\n", "{\"p\":2,\"q\":[1]}"},
        {"<<: {p: 1}\n<<: {p: 2, q: 2}\n", "{\"p\":1,\"q\":2}"},
        {"<<: []\na: 1\n", "{\"a\":1}"},
        {"- <<\n", "[\"<<\"]"},
    };

    assert_reads(rows, ARRAY_LEN(rows));
}

TEST(anchors_end_with_their_document)
{
    struct yaml_stream *stream = NULL;
    struct err err = {};
    const char *text = "a: &x 1\n---\nb: *x\n";

    ASSERT_ERR(ERR_INVALID, yaml_parse(text, strlen(text), &stream, &err));
    ASSERT_CONTAINS(err.text, "line 3, column 4: no such anchor before this alias");
}

TEST(broken_yaml_is_refused_with_line_and_column)
{
    static const struct {
        const char *yaml, *message;
    } rows[] = {
        {"a: 1\nb: \"open\nc: 2\n", "line 4, column 1: found unexpected end of stream while "
                                    "scanning a quoted scalar that starts in line 2, column 4"},
        {"a: 'open", "while scanning a quoted scalar that starts in line 1, column 4"},
        {"a: 1\n  b: 2\n", "line 2, column 4: mapping values are not allowed in this context"},
        {"a:\n\tb: 1\n", "line 2, column 1: a tab cannot indent YAML; use spaces"},
        {"a:\n  - 1\n  \t- 2\n", "line 3"},
        {"a: [1, 2\nb: 3\n", "line 2"},
        {"a: {b\n", "line 2"},
        {"a: *.example.com\n",
         "line 1, column 5: did not find expected alphabetic or numeric "
         "character while scanning an alias that starts in line 1, column 4; text that begins with "
         "'*' needs quotes"},
        {"a: @x\n", "line 1, column 4: found character that cannot start any token; "
                    "text that begins with it needs quotes"},
        {"a: b: c\n", "line 1, column 5: mapping values are not allowed"},
        {"a: 1\n- b\n", "line 2, column 1: did not find expected key while parsing a block mapping "
                        "that starts in line 1, column 1"},
        {"a: 1\nb: *none\n", "line 2, column 4: no such anchor before this alias"},
        {"a: &x [1, *x]\n", "line 1, column 11: anchor 'x' contains itself"},
        {"a: &x {b: {c: *x}}\n", "anchor 'x' contains itself"},
        {"a: 1\nb: 2\na: 3\n", "line 3, column 1: key 'a' is there already, in line 1"},
        {"x:\n  {a: 1, \"a\": 3}\n", "line 2, column 10: key 'a' is there already, in line 2"},
        {"1: x\n", "line 1, column 1: key '1' is read as integer; put it in quotes"},
        {"yes: x\n", "key 'yes' is read as boolean; put it in quotes"},
        {"~: x\n", "key '~' is read as null; put it in quotes"},
        {"[a]: x\n", "line 1, column 1: a key must be text"},
        {"? {a: 1}\n: x\n", "a key must be text"},
        {"a: &x k\n? *x\n: 1\n", "a key must be text"},
        {"a: .inf\n", "line 1, column 4: '.inf' is no number that JSON has"},
        {"a: -.Inf\n", "is no number"},
        {"a: .NaN\n", "is no number"},
        {"a: \"x\\0y\"\n", "line 1, column 4: text has a NUL character"},
        {"\"\\0\": 1\n", "text has a NUL character"},
        {"a: !!binary AAEC\n",
         "line 1, column 4: tag '!!binary' is not supported; write the base64"},
        {"a: !!timestamp 2026-01-01\n", "this tag is not supported; remove it"},
        {"a: !secret x\n", "line 1, column 4: this tag is not supported; remove it"},
        {"a: !!set {x}\n", "this tag is not supported"},
        {"a: !!int x\n", "value does not fit its tag '!!int'"},
        {"a: !!bool 1\n", "value does not fit its tag '!!bool'"},
        {"a: !none!x 1\n", "line 1, column 4: found undefined tag handle"},
        {"<<: 5\n", "line 1, column 1: '<<' takes a map or a list of maps, not integer"},
        {"<<: [5]\n", "'<<' takes a map"},
        {"a: \x01\n", "line 1, column 4: control characters are not allowed (0x01)"},
        {"a: 1\nb: x\xff\n",
         "line 2, column 5: invalid leading UTF-8 octet (0xff); save the file as UTF-8"},
        {"a: \"\\ud800\"\n", "invalid Unicode character escape code"},
        {"a: 1\n---\nb: [\n", "line 4"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct yaml_stream *stream = NULL;
        struct err err = {};

        CASE(rows[i].yaml);
        ASSERT_ERR(ERR_INVALID, yaml_parse(rows[i].yaml, strlen(rows[i].yaml), &stream, &err));
        ASSERT_CONTAINS(err.text, rows[i].message);
        ASSERT_NULL(stream);
    }
}

/* A password of a Secret's stringData that nobody quoted. */
TEST(an_error_does_not_quote_a_value)
{
    static const char *const texts[] = {
        "stringData:\n  k: !47114711\n",
        "stringData:\n  k: !!47114711\n",
        "stringData: {k: *47114711}",
    };

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct yaml_stream *stream = NULL;
        struct err err = {};

        CASE(texts[i]);
        ASSERT_ERR(ERR_INVALID, yaml_parse(texts[i], strlen(texts[i]), &stream, &err));
        ASSERT_NULL(strstr(err.text, "4711"));
    }
}

TEST(a_raw_nul_is_refused)
{
    struct yaml_stream *stream = NULL;
    struct err err = {};

    ASSERT_ERR(ERR_INVALID, yaml_parse("a: b\0c\n", 7, &stream, &err));
    ASSERT_CONTAINS(err.text, "line 1, column 5");
}

TEST(an_alias_bomb_is_refused_before_it_explodes)
{
    cleanup(buf_deinit) struct buf text = BUF(10000);
    struct yaml_stream *stream = NULL;
    struct err err = {};

    buf_add_str(&text, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for (int i = 1; i < 40; i++)
        buf_addf(&text, "a%d: &a%d [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d]\n", i, i, i - 1, i - 1,
                 i - 1, i - 1, i - 1, i - 1);
    ASSERT_ERR(ERR_TOO_LARGE, yaml_parse(buf_str(&text), text.len, &stream, &err));
    ASSERT_CONTAINS(err.text, "line 7, column 15: ");
    ASSERT_CONTAINS(err.text, "too much: 200000 values");
}

TEST(a_long_text_behind_many_aliases_is_refused)
{
    static const char *const forms[][2] = {{"a: &x '", "'\nb: ["}, {"a: &x {? x", " : 1}\nb: ["}};

    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        cleanup(buf_deinit) struct buf text = BUF(1000000);
        struct yaml_stream *stream = NULL;
        struct err err = {};

        CASE(forms[i][0]);
        buf_add_str(&text, forms[i][0]);
        for (int n = 0; n < 100000; n++)
            buf_add_char(&text, 'x');
        buf_add_str(&text, forms[i][1]);
        for (int n = 0; n < 200; n++)
            buf_add_str(&text, "*x, ");
        buf_add_str(&text, "]\n");
        ASSERT_ERR(ERR_TOO_LARGE, yaml_parse(buf_str(&text), text.len, &stream, &err));
    }
}

TEST(a_merge_bomb_is_refused_before_it_explodes)
{
    cleanup(buf_deinit) struct buf text = BUF(100000);
    struct yaml_stream *stream = NULL;
    struct err err = {};

    buf_add_str(&text, "a0: &a0 {k0: [x, x, x, x]}\n");
    for (int i = 1; i < 60; i++)
        buf_addf(&text, "a%d: &a%d {<<: *a%d, x%d: *a%d, y%d: *a%d, z%d: *a%d}\n", i, i, i - 1, i,
                 i - 1, i, i - 1, i, i - 1);
    ASSERT_ERR(ERR_TOO_LARGE, yaml_parse(buf_str(&text), text.len, &stream, &err));
}

static char *nested(int depth, const char *open, const char *close)
{
    cleanup(buf_deinit) struct buf text = BUF(1000000);

    for (int i = 0; i < depth; i++)
        buf_add_str(&text, open);
    for (int i = 0; i < depth; i++)
        buf_add_str(&text, close);
    return buf_take(&text);
}

TEST(nesting_is_allowed_to_the_limit_and_not_beyond)
{
    static const struct {
        int depth, code;
        const char *open, *close;
    } rows[] = {
        {LIMIT_JSON_DEPTH, 0, "[", "]"},
        {LIMIT_JSON_DEPTH + 1, ERR_TOO_LARGE, "[", "]"},
        {LIMIT_JSON_DEPTH, 0, "{a: ", "}"},
        {LIMIT_JSON_DEPTH + 1, ERR_TOO_LARGE, "{a: ", "}"},
        {LIMIT_JSON_DEPTH, 0, "- ", ""},
        {LIMIT_JSON_DEPTH + 1, ERR_TOO_LARGE, "- ", ""},
        {100000, ERR_TOO_LARGE, "[", ""},
        {100000, ERR_INVALID, "{", ""}, /* a map as key: refused at once */
        {100000, ERR_TOO_LARGE, "- ", ""},
        {100000, ERR_INVALID, "? ", ""},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(yaml_stream_free) struct yaml_stream *stream = NULL;
        cleanup(xfree) char *text = nested(rows[i].depth, rows[i].open, rows[i].close);
        struct err err = {};

        CASE(rows[i].open);
        ASSERT_ERR(rows[i].code, yaml_parse(text, strlen(text), &stream, &err));
    }
}

TEST(depth_counts_through_aliases)
{
    cleanup(buf_deinit) struct buf text = BUF(10000);
    struct yaml_stream *stream = NULL;
    struct err err = {};

    buf_add_str(&text, "a0: &a0 [x]\n");
    for (int i = 1; i < 100; i++)
        buf_addf(&text, "a%d: &a%d [*a%d]\n", i, i, i - 1);
    ASSERT_ERR(ERR_TOO_LARGE, yaml_parse(buf_str(&text), text.len, &stream, &err));
    ASSERT_CONTAINS(err.text, "nested deeper than 64 levels");
}

TEST(a_text_beyond_the_limit_is_not_looked_at)
{
    cleanup(xfree) char *text = xalloc(LIMIT_MANIFEST_FILE + 1);
    struct yaml_stream *stream = NULL;
    struct err err = {};

    memset(text, ' ', LIMIT_MANIFEST_FILE + 1);
    ASSERT_ERR(ERR_TOO_LARGE, yaml_parse(text, LIMIT_MANIFEST_FILE + 1, &stream, &err));
}

TEST(every_value_knows_its_line)
{
    static const struct {
        const char *path;
        int line;
    } rows[] = {
        {"", 2},
        {"kind", 2},
        {"metadata", 3},
        {"metadata.labels", 4},
        {"metadata.labels[a.b/c]", 5},
        {"metadata.labels.plain", 6},
        {"metadata.labels[plain]", 6},
        {"metadata.labels[od[d]]", 7},
        {"spec", 8},
        {"spec.dnsNames", 9},
        {"spec.dnsNames[0]", 10},
        {"spec.dnsNames[1]", 11},
        {"spec.solvers", 12},
        {"spec.solvers[0]", 13},
        {"spec.solvers[0].dns01", 13},
        {"spec.solvers[0].dns01.host", 14},
        {"spec.solvers[1].http01", 16},
        {"spec.text", 17},
        {"spec.flow", 20},
        {"spec.flow.a[1]", 21},
        {"spec.alias", 22},
        {"spec.alias.host", 14},
        {"spec.merged", 23},
        {"spec.merged.host", 14},
        {"spec.merged.own", 25},
        /* what is not there: the nearest parent */
        {"none", 2},
        {"spec.none", 8},
        {"spec.none.deeper[3]", 8},
        {"spec.dnsNames[9]", 9},
        {"spec.dnsNames[x]", 9},
        {"spec.dnsNames.x", 9},
        {"spec.dnsNames[1].x", 11},
        {"spec.dnsNames[", 9},
        {"spec..text", 8},
        {"metadata.labels[none]", 4},
        {"metadata.labels[", 4},
    };
    cleanup(yaml_stream_free) struct yaml_stream *stream = parsed("# comment\n"
                                                                  "kind: Certificate\n"
                                                                  "metadata:\n"
                                                                  "  labels:\n"
                                                                  "    a.b/c: x\n"
                                                                  "    plain: y\n"
                                                                  "    'od[d]': z\n"
                                                                  "spec:\n"
                                                                  "  dnsNames:\n"
                                                                  "  - a\n"
                                                                  "  - b\n"
                                                                  "  solvers:\n"
                                                                  "  - dns01: &d\n"
                                                                  "      host: h\n"
                                                                  "  -\n"
                                                                  "    http01: {}\n"
                                                                  "  text: |\n"
                                                                  "    one\n"
                                                                  "    two\n"
                                                                  "  flow: {a: [1,\n"
                                                                  "    2]}\n"
                                                                  "  alias: *d\n"
                                                                  "  merged:\n"
                                                                  "    <<: *d\n"
                                                                  "    own: 1\n");

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CASE(rows[i].path);
        ASSERT_EQ(yaml_line(stream, 0, rows[i].path), rows[i].line);
    }
}

/* As long as libyaml's strings are from the start: what a longer one leaves while it grows is libyaml's. */
TEST(a_secret_in_a_text_is_left_nowhere)
{
    static const char *const texts[] = {
        "stringData: {k: hunter2xyz}",
        "stringData:\n  k: \"hunter2xyz\"\n",
        "stringData:\n  k: |-\n    hunter2xyz\n",
        "stringData: [hunter2xyz, }",
        "hunter2xyz: [}",
    };

    json_setup();
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct yaml_stream *stream = NULL;

        CASE(texts[i]);
        left_behind_look_for("hunter2xyz", 10);
        (void)yaml_parse(texts[i], strlen(texts[i]), &stream, NULL);
        yaml_stream_free(stream);
        ASSERT_EQ(left_behind_count(), 0);
    }
}

RUN_TESTS(cmocka_unit_test(a_secret_in_a_text_is_left_nowhere),
          cmocka_unit_test(plain_scalars_are_read_as_kubectl_reads_them),
          cmocka_unit_test(quoted_scalars_are_always_strings),
          cmocka_unit_test(characters_of_two_escapes_are_read_in_json),
          cmocka_unit_test(tags_may_say_what_is_there), cmocka_unit_test(structures_are_read),
          cmocka_unit_test(utf16_is_read),
          cmocka_unit_test(every_document_is_read_and_empty_ones_are_skipped),
          cmocka_unit_test(a_text_without_documents_is_no_error),
          cmocka_unit_test(aliases_and_merge_keys_are_expanded),
          cmocka_unit_test(anchors_end_with_their_document),
          cmocka_unit_test(broken_yaml_is_refused_with_line_and_column),
          cmocka_unit_test(an_error_does_not_quote_a_value), cmocka_unit_test(a_raw_nul_is_refused),
          cmocka_unit_test(an_alias_bomb_is_refused_before_it_explodes),
          cmocka_unit_test(a_long_text_behind_many_aliases_is_refused),
          cmocka_unit_test(a_merge_bomb_is_refused_before_it_explodes),
          cmocka_unit_test(nesting_is_allowed_to_the_limit_and_not_beyond),
          cmocka_unit_test(depth_counts_through_aliases),
          cmocka_unit_test(a_text_beyond_the_limit_is_not_looked_at),
          cmocka_unit_test(every_value_knows_its_line));
