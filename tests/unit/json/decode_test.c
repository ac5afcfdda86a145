#include "support/testing.h"

#include "unit/json/sample.h"

/* One decoding: the document, its struct and what was said about it. */
struct decoding {
    struct json *value;
    struct arena *arena;
    struct sample sample;
    struct field_report report;
};

static void decoding_deinit(struct decoding *self)
{
    json_unref(self->value);
    arena_free(self->arena);
    field_report_deinit(&self->report);
}
DEFINE_CLEANUP_VALUE(struct decoding, decoding_deinit);

static void parse(struct decoding *self, const char *text)
{
    struct err err = {};

    ASSERT_OK(json_parse(text, strlen(text), 1 << 20, &self->value, &err));
    self->arena = arena_new(0);
}

static void decode_strictly(struct decoding *self, const char *text)
{
    struct err err = {};

    parse(self, text);
    ASSERT_OK(fields_decode(&sample_fields, self->value, self->arena, &self->sample, "",
                            &self->report, &err));
}

static int decode_tolerantly(struct decoding *self, const char *text, struct err *err)
{
    parse(self, text);
    return fields_decode(&sample_fields, self->value, self->arena, &self->sample, "spec", NULL,
                         err);
}

TEST(every_type_is_decoded)
{
    cleanup(decoding_deinit) struct decoding d = {};
    const struct sample *s = &d.sample;

    decode_strictly(&d, SAMPLE_FULL);
    ASSERT_EQ(d.report.len, 0);
    ASSERT_STREQ(s->text, "hello");
    ASSERT_STREQ(s->password, "geheim");
    ASSERT_STREQ(s->memory, "64Mi");
    ASSERT_TRUE(s->on);
    ASSERT_TRUE(s->maybe.is_set);
    ASSERT_FALSE(s->maybe.value);
    ASSERT_EQ(s->count, 7);
    ASSERT_TRUE(s->limit.is_set);
    ASSERT_EQ(s->limit.value, 3);
    ASSERT_TRUE(s->duration.is_set);
    ASSERT_EQ(s->duration.ns, 2160LL * 3600 * 1000000000);
    ASSERT_EQ(s->since, AT("2026-01-02T03:04:05Z"));
    ASSERT_EQ(s->since_micro, AT("2026-01-02T03:04:05.678Z"));
    ASSERT_MEMEQ(s->der.data, s->der.len, "\0\1\2", 3);
    ASSERT_EQ(s->colour, COLOUR_DARK_BLUE);
    ASSERT_STREQ(s->place.name, "here");
    ASSERT_STREQ(s->ref->kind, "Issuer");
    ASSERT_NULL(s->other_ref->kind);
    ASSERT_EQ(s->names.len, 2);
    ASSERT_STREQ(s->names.items[1], "b");
    ASSERT_EQ(s->colours.len, 2);
    ASSERT_EQ(s->colours.items[0], COLOUR_RED);
    ASSERT_EQ(s->conditions.len, 2);
    ASSERT_STREQ(s->conditions.items[1].type, "Issuing");
    ASSERT_EQ(s->pairs.items[1].port, 2);
    ASSERT_STREQ(s->plain.items[0].name, "x");
    ASSERT_STREQ(array_pair_get(&s->labels, "a"), "1");
    ASSERT_STREQ(array_pair_get(&s->labels, "b"), "");
    ASSERT_NULL(array_pair_get(&s->labels, "c"));
    ASSERT_EQ(json_len(json_get(s->config, "z")), 2);
}

TEST(absent_null_and_empty_are_all_zero)
{
    static const struct sample nothing;
    static const char *const rows[] = {
        "{}",
        ("{\"text\":null,\"password\":null,\"memory\":null,\"on\":null,\"maybe\":null,"
         "\"count\":null,\"limit\":null,\"duration\":null,\"since\":null,\"sinceMicro\":null,"
         "\"der\":null,\"colour\":null,\"place\":null,\"ref\":null,\"dnsNames\":null,"
         "\"colours\":null,\"conditions\":null,\"plain\":null,\"labels\":null,\"config\":null,"
         "\"later\":null,\"ignored\":null}"),
        ("{\"on\":false,\"count\":0,\"der\":\"\",\"dnsNames\":[],\"colours\":[],\"conditions\":[],"
         "\"plain\":[],\"labels\":{}}"),
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(decoding_deinit) struct decoding d = {};

        CASE(rows[i]);
        decode_strictly(&d, rows[i]);
        ASSERT_EQ(d.report.len, 0);
        ASSERT_MEMEQ(&d.sample, sizeof(d.sample), &nothing, sizeof(nothing));
    }
}

TEST(text_keeps_the_difference_between_absent_and_empty)
{
    cleanup(decoding_deinit) struct decoding d = {};

    decode_strictly(&d, "{\"text\":\"\"}");
    ASSERT_EQ(d.report.len, 0);
    ASSERT_STREQ(d.sample.text, "");
}

TEST(maps_are_sorted_by_key)
{
    cleanup(decoding_deinit) struct decoding d = {};

    decode_strictly(&d, "{\"labels\":{\"c\":\"3\",\"a\":\"1\",\"b\":\"2\"}}");
    ASSERT_STREQ(d.sample.labels.items[0].key, "a");
    ASSERT_STREQ(d.sample.labels.items[2].value, "3");
}

TEST(base64_may_be_wrapped)
{
    cleanup(decoding_deinit) struct decoding d = {};

    decode_strictly(&d, "{\"der\":\"AA\\r\\nEC\\n\"}");
    ASSERT_EQ(d.report.len, 0);
    ASSERT_MEMEQ(d.sample.der.data, d.sample.der.len, "\0\1\2", 3);
}

TEST(quantities_are_text_or_numbers)
{
    static const struct {
        const char *json, *text; /* NULL: refused */
    } rows[] = {
        {"\"100m\"", "100m"}, {"\"1.5Gi\"", "1.5Gi"}, {"2", "2"},       {"0.5", "0.5"},
        {"\"1e3\"", "1e3"},   {"\"-1E+3\"", "-1E+3"}, {"\".5\"", ".5"}, {"\"5.\"", "5."},
        {"\"5E\"", "5E"},     {"\"\"", NULL},         {"\".\"", NULL},  {"\"64MB\"", NULL},
        {"\"1e\"", NULL},     {"\"x\"", NULL},        {"true", NULL},   {"\"1 Gi\"", NULL},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(decoding_deinit) struct decoding d = {};
        cleanup(xfree) char *text = xasprintf("{\"memory\":%s}", rows[i].json);

        CASE(rows[i].json);
        decode_strictly(&d, text);
        ASSERT_STREQ(d.sample.memory, rows[i].text);
        ASSERT_EQ(d.report.len, rows[i].text ? 0 : 1);
    }
}

static const struct {
    const char *json;
    enum field_problem_kind kind;
    const char *path, *text;
} problems[] = {
    {"{\"dnsname\":[]}", PROBLEM_UNKNOWN, "dnsname", "unknown field, did you mean 'dnsNames'?"},
    {"{\"dnsnames\":[]}", PROBLEM_UNKNOWN, "dnsnames", "unknown field, did you mean 'dnsNames'?"},
    {"{\"dnsName\":[]}", PROBLEM_UNKNOWN, "dnsName", "unknown field, did you mean 'dnsNames'?"},
    {"{\"conut\":1}", PROBLEM_UNKNOWN, "conut", "unknown field, did you mean 'count'?"},
    {"{\"xyz\":1}", PROBLEM_UNKNOWN, "xyz", "unknown field"},
    {"{\"a.b\":1}", PROBLEM_UNKNOWN, "[a.b]", "unknown field"},
    {"{\"ref\":{\"name\":\"x\",\"knd\":1}}", PROBLEM_UNKNOWN, "ref.knd",
     "unknown field, did you mean 'kind'?"},

    {"[]", PROBLEM_TYPE, "", "must be a map, is a list"},
    {"{\"text\":5}", PROBLEM_TYPE, "text", "must be a string, is an integer; put it in quotes"},
    {"{\"text\":1.5}", PROBLEM_TYPE, "text", "must be a string, is a number; put it in quotes"},
    {"{\"text\":true}", PROBLEM_TYPE, "text", "must be a string, is a boolean; put it in quotes"},
    {"{\"text\":[]}", PROBLEM_TYPE, "text", "must be a string, is a list"},
    {"{\"memory\":[]}", PROBLEM_TYPE, "memory", "must be a quantity"},
    {"{\"on\":\"yes\"}", PROBLEM_TYPE, "on", "must be true or false, is a string"},
    {"{\"maybe\":0}", PROBLEM_TYPE, "maybe", "must be true or false, is an integer"},
    {"{\"count\":\"5\"}", PROBLEM_TYPE, "count", "must be an integer, is a string"},
    {"{\"limit\":1.5}", PROBLEM_TYPE, "limit", "must be an integer, is a fraction or too large"},
    {"{\"duration\":90}", PROBLEM_TYPE, "duration", "must be a duration"},
    {"{\"since\":1}", PROBLEM_TYPE, "since", "must be a time"},
    {"{\"sinceMicro\":1}", PROBLEM_TYPE, "sinceMicro", "must be a time"},
    {"{\"der\":1}", PROBLEM_TYPE, "der", "must be a string of base64"},
    {"{\"colour\":1}", PROBLEM_TYPE, "colour", "must be a string"},
    {"{\"place\":1}", PROBLEM_TYPE, "place", "must be a map"},
    {"{\"ref\":\"r\"}", PROBLEM_TYPE, "ref", "must be a map, is a string"},
    {"{\"dnsNames\":\"a\"}", PROBLEM_TYPE, "dnsNames", "must be a list, is a string"},
    {"{\"dnsNames\":[\"a\",5]}", PROBLEM_TYPE, "dnsNames[1]", "must be a string, is an integer"},
    {"{\"dnsNames\":[null]}", PROBLEM_TYPE, "dnsNames[0]", "must be a string, is null"},
    {"{\"colours\":{}}", PROBLEM_TYPE, "colours", "must be a list"},
    {"{\"plain\":[7]}", PROBLEM_TYPE, "plain[0]", "must be a map"},
    {"{\"plain\":{}}", PROBLEM_TYPE, "plain", "must be a list, is a map"},
    {"{\"labels\":[]}", PROBLEM_TYPE, "labels", "must be a map, is a list"},
    {"{\"labels\":{\"a.b/c\":1}}", PROBLEM_TYPE, "labels[a.b/c]", "put it in quotes"},

    {"{\"ref\":{}}", PROBLEM_REQUIRED, "ref.name", "must be set"},
    {"{\"ref\":{\"name\":null}}", PROBLEM_REQUIRED, "ref.name", "must be set"},
    {"{\"plain\":[{\"name\":\"\"}]}", PROBLEM_REQUIRED, "plain[0].name", "must not be empty"},

    {"{\"text\":\"bad\"}", PROBLEM_INVALID, "text", "must not be bad"},
    {"{\"text\":\"forbidden\"}", PROBLEM_INVALID, "", "text is forbidden"},
    {"{\"text\":\"123456789012345678901\"}", PROBLEM_INVALID, "text",
     "must be at most 20 bytes, has 21"},
    {"{\"password\":\"\"}", PROBLEM_INVALID, "password", "must not be empty"},
    {"{\"password\":\"ab\"}", PROBLEM_INVALID, "password", "must be at least 3 bytes, has 2"},
    {"{\"count\":101}", PROBLEM_INVALID, "count", "must be from 0 to 100, is 101"},
    {"{\"count\":-1}", PROBLEM_INVALID, "count", "must be from 0 to 100, is -1"},
    {"{\"limit\":0}", PROBLEM_INVALID, "limit", "must be from 1 to 10, is 0"},
    {"{\"memory\":\"64MB\"}", PROBLEM_INVALID, "memory", "'64MB' is not a quantity"},
    {"{\"duration\":\"90d\"}", PROBLEM_INVALID, "duration", "'90d' is not a duration"},
    {"{\"duration\":\"9999999h\"}", PROBLEM_INVALID, "duration", "'9999999h' is not a duration"},
    {"{\"text\":\"a\xef\xbf\xbd\"}", PROBLEM_INVALID, "text", "characters that are no text"},
    {"{\"dnsNames\":[\"a\",\"\xef\xbf\xbd\"]}", PROBLEM_INVALID, "dnsNames[1]",
     "characters that are no text"},
    {"{\"since\":\"yesterday\"}", PROBLEM_INVALID, "since", "'yesterday' is not a time"},
    {"{\"der\":\"%%\"}", PROBLEM_INVALID, "der", "is not base64"},
    {"{\"colour\":\"Green\"}", PROBLEM_INVALID, "colour",
     "'Green' is not one of 'Red', 'DarkBlue'"},
    {"{\"colour\":\"\"}", PROBLEM_INVALID, "colour", "'' is not one of"},
    {"{\"colours\":[\"Red\",\"x\\ny\"]}", PROBLEM_INVALID, "colours[1]", "'x?y' is not one of"},
    {"{\"conditions\":[{\"type\":\"a\"},{\"type\":\"b\"},{\"type\":\"a\"}]}", PROBLEM_INVALID,
     "conditions[2]", "type \"a\" is in the list already"},
    {"{\"pairs\":[{\"type\":\"a\",\"port\":1},{\"type\":\"a\",\"port\":1}]}", PROBLEM_INVALID,
     "pairs[1]", "type \"a\" and port 1 is in the list already"},
    {"{\"one\":\"a\",\"two\":\"b\"}", PROBLEM_INVALID, "",
     "at most one of 'one' and 'two' may be set, found 'one' and 'two'"},
    {"{\"left\":\"a\",\"right\":\"b\"}", PROBLEM_INVALID, "", "at most one of 'left' and 'right'"},

    {"{\"later\":\"x\"}", PROBLEM_UNBUILT, "later",
     "not built in this version of certlet yet; remove the field"},
    {"{\"ignored\":\"x\"}", PROBLEM_WARNING, "ignored", "has no effect in a directory"},
};

TEST(every_kind_of_problem_is_reported_with_its_path)
{
    for (size_t i = 0; i < ARRAY_LEN(problems); i++) {
        cleanup(decoding_deinit) struct decoding d = {};

        CASE(problems[i].json);
        decode_strictly(&d, problems[i].json);
        ASSERT_EQ(d.report.len, 1);
        ASSERT_EQ(d.report.items[0].kind, problems[i].kind);
        ASSERT_STREQ(d.report.items[0].path, problems[i].path);
        ASSERT_CONTAINS(d.report.items[0].text, problems[i].text);
    }
}

TEST(paths_begin_with_what_the_caller_says)
{
    cleanup(decoding_deinit) struct decoding d = {};
    struct err err = {};

    parse(&d, "{\"ref\":{\"name\":1}}");
    ASSERT_OK(fields_decode(&sample_fields, d.value, d.arena, &d.sample, "items[3].spec", &d.report,
                            &err));
    ASSERT_STREQ(d.report.items[0].path, "items[3].spec.ref.name");
}

TEST(all_problems_are_found_and_the_rest_is_decoded)
{
    cleanup(decoding_deinit) struct decoding d = {};

    decode_strictly(&d, "{\"on\":1,\"count\":\"x\",\"plain\":[1,{\"name\":\"b\"}],\"zzzz\":1,"
                        "\"dnsNames\":[1,\"b\"],\"text\":\"fine\"}");
    ASSERT_EQ(d.report.len, 5);
    ASSERT_STREQ(d.sample.text, "fine");
    ASSERT_EQ(d.sample.plain.len, 2);
    ASSERT_NULL(d.sample.plain.items[0].name);
    ASSERT_STREQ(d.sample.plain.items[1].name, "b");
    ASSERT_STREQ(d.sample.names.items[0], "");
    ASSERT_STREQ(d.sample.names.items[1], "b");
}

TEST(a_structs_own_check_does_not_judge_what_could_not_be_read)
{
    cleanup(decoding_deinit) struct decoding bad = {}, good = {};

    sample_struct_checks = 0;
    decode_strictly(&bad, "{\"count\":\"x\"}");
    ASSERT_EQ(sample_struct_checks, 0);
    decode_strictly(&good, "{\"zzzz\":1}");
    ASSERT_EQ(sample_struct_checks, 1);
}

TEST(a_secret_is_never_quoted)
{
    static const char *const rows[] = {"{\"password\":[\"geheim\"]}", "{\"password\":\"ge\"}",
                                       "{\"der\":\"geheim!\"}"};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(decoding_deinit) struct decoding d = {};

        CASE(rows[i]);
        decode_strictly(&d, rows[i]);
        ASSERT_EQ(d.report.len, 1);
        ASSERT_NULL(strstr(d.report.items[0].text, "ge"));
    }
}

TEST(a_long_foreign_text_is_quoted_as_an_excerpt)
{
    cleanup(decoding_deinit) struct decoding d = {};
    char text[5000] = "{\"colour\":\"";

    memset(text + strlen(text), 'x', 4000);
    strcat(text, "\"}");
    decode_strictly(&d, text);
    ASSERT_EQ(d.report.len, 1);
    ASSERT_TRUE(strlen(d.report.items[0].text) < 400);
}

struct choice {
    struct sample_ref *acme, *ca, *vault;
};
static const struct field choice_rows[] = {
    FIELD(struct choice, acme, "acme", OBJECT, .of = &sample_ref_fields, .flags = F_ONE_OF(1)),
    FIELD(struct choice, ca, "ca", OBJECT, .of = &sample_ref_fields, .flags = F_ONE_OF(1)),
    FIELD(struct choice, vault, "vault", OBJECT, .of = &sample_ref_fields,
          .flags = F_ONE_OF(1) | F_UNBUILT),
};
static DEFINE_FIELDS(choice, "choice", choice_rows, NULL);

TEST(exactly_one_of_a_group_must_be_there)
{
#define N "{\"name\":\"x\"}"
    static const struct {
        const char *json, *text; /* NULL: no problem */
        enum field_problem_kind kind;
    } rows[] = {
        {"{}", "exactly one of 'acme', 'ca' and 'vault' must be set, found none", PROBLEM_REQUIRED},
        {"{\"acme\":null}", "found none", PROBLEM_REQUIRED},
        {"{\"acme\":" N "}", NULL, 0},
        {"{\"ca\":" N "}", NULL, 0},
        {"{\"acme\":" N ",\"ca\":" N "}", "found 'acme' and 'ca'", PROBLEM_INVALID},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(decoding_deinit) struct decoding d = {};
        struct choice choice = {};
        struct err err = {};

        CASE(rows[i].json);
        parse(&d, rows[i].json);
        ASSERT_OK(
            fields_decode(&choice_fields, d.value, d.arena, &choice, "spec", &d.report, &err));
        ASSERT_EQ(d.report.len, rows[i].text ? 1 : 0);
        if (!rows[i].text)
            continue;
        ASSERT_EQ(d.report.items[0].kind, rows[i].kind);
        ASSERT_STREQ(d.report.items[0].path, "spec");
        ASSERT_CONTAINS(d.report.items[0].text, rows[i].text);
    }
}

TEST(the_tolerant_form_passes_over_broken_rules)
{
    cleanup(decoding_deinit) struct decoding d = {};
    struct err err = {};

    sample_struct_checks = 0;
    ASSERT_OK(decode_tolerantly(
        &d,
        "{\"zzzz\":1,\"ref\":{},\"count\":1000,\"colour\":\"Green\",\"colours\":[\"Red\",\"Pink\"],"
        "\"since\":\"x\",\"duration\":\"90d\",\"der\":\"%\",\"memory\":\"64MB\",\"later\":\"l\","
        "\"one\":\"1\",\"two\":\"2\",\"text\":\"bad\",\"dnsNames\":[null,\"a\"],"
        "\"labels\":{\"k\":null},\"conditions\":[{\"type\":\"a\"},{\"type\":\"a\"}]}",
        &err));
    ASSERT_EQ(d.sample.count, 1000);
    ASSERT_EQ(d.sample.colour, 0);
    ASSERT_EQ(d.sample.colours.items[1], 0);
    ASSERT_EQ(d.sample.since, 0);
    ASSERT_FALSE(d.sample.duration.is_set);
    ASSERT_EQ(d.sample.der.len, 0);
    ASSERT_NULL(d.sample.memory);
    ASSERT_STREQ(d.sample.later, "l");
    ASSERT_STREQ(d.sample.names.items[0], "");
    ASSERT_STREQ(array_pair_get(&d.sample.labels, "k"), "");
    ASSERT_EQ(d.sample.conditions.len, 2);
    ASSERT_EQ(sample_struct_checks, 0);
}

TEST(the_tolerant_form_keeps_a_text_that_is_no_duration)
{
    cleanup(decoding_deinit) struct decoding d = {}, again = {};
    cleanup(json_unref) struct json *back = NULL;
    cleanup(xfree) char *text = NULL;
    struct err err = {};

    ASSERT_OK(decode_tolerantly(&d, "{\"duration\":\"90d\"}", &err));
    ASSERT_FALSE(d.sample.duration.is_set);
    back = fields_encode(&sample_fields, &d.sample);
    text = json_text(back);
    ASSERT_STREQ(text, "{\"duration\":\"90d\"}");
    decode_strictly(&again, text);
    ASSERT_EQ(again.report.len, 1);
    ASSERT_STREQ(again.report.items[0].path, "duration");
    ASSERT_CONTAINS(again.report.items[0].text, "'90d' is not a duration");
}

TEST(the_tolerant_form_refuses_another_type)
{
    for (size_t i = 0; i < ARRAY_LEN(problems); i++) {
        cleanup(decoding_deinit) struct decoding d = {};
        struct err err = {};

        CASE(problems[i].json);
        if (problems[i].kind != PROBLEM_TYPE || strstr(problems[i].json, "null")) {
            ASSERT_OK(decode_tolerantly(&d, problems[i].json, &err));
            continue;
        }
        ASSERT_ERR(ERR_INVALID, decode_tolerantly(&d, problems[i].json, &err));
        ASSERT_CONTAINS(err.text, "spec");
        ASSERT_CONTAINS(err.text, problems[i].path);
        ASSERT_CONTAINS(err.text, ": must be ");
    }
}

/* Items that differ in this member. */
static void add_list(struct buf *text, const char *before, int len, const char *member)
{
    buf_add_str(text, before);
    for (int i = 0; i < len; i++)
        buf_addf(text, "%s{\"%s\":\"%d\"}", i ? "," : "", member, i);
    buf_add_str(text, "]");
}

/* What was decoded tolerantly is refused, at this list, by those who look at the object. */
static void assert_refused_at(const struct decoding *tolerant, const char *path)
{
    cleanup(buf_deinit) struct buf written = BUF(1000000);
    cleanup(decoding_deinit) struct decoding strict = {};
    cleanup(json_unref) struct json *again = fields_encode(&sample_fields, &tolerant->sample);

    json_print(again, &written);
    decode_strictly(&strict, buf_str(&written));
    ASSERT_STREQ(strict.report.items[0].path, path);
    ASSERT_CONTAINS(strict.report.items[0].text, "over 10000 items");
}

TEST(lists_of_structs_are_bounded_together)
{
    static const struct {
        int conditions, pairs, plain; /* given */
        size_t ret_pairs, ret_plain;  /* tolerantly */
    } rows[] = {
        {1, 0, FIELD_ITEMS_MAX, 0, FIELD_ITEMS_MAX},
        {FIELD_ITEMS_MAX / 2, FIELD_ITEMS_MAX, 7, FIELD_ITEMS_MAX / 2 + 1, 0},
        {FIELD_ITEMS_MAX, 0, 7, 0, 1},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(buf_deinit) struct buf text = BUF(1000000);
        cleanup(decoding_deinit) struct decoding tolerant = {};
        struct err err = {};

        add_list(&text, "{\"conditions\":[", rows[i].conditions, "type");
        add_list(&text, ",\"pairs\":[", rows[i].pairs, "type");
        add_list(&text, ",\"plain\":[", rows[i].plain, "name");
        buf_add_str(&text, "}");
        ASSERT_OK(decode_tolerantly(&tolerant, buf_str(&text), &err));
        ASSERT_EQ(tolerant.sample.conditions.len, (size_t)rows[i].conditions);
        ASSERT_EQ(tolerant.sample.pairs.len, rows[i].ret_pairs);
        ASSERT_EQ(tolerant.sample.plain.len, rows[i].ret_plain);
        assert_refused_at(&tolerant, rows[i].pairs ? "pairs" : "plain");
    }
}

TEST(a_list_that_is_too_long_by_itself_is_cut_by_the_tolerant_form_and_refused_by_the_strict_one)
{
    cleanup(buf_deinit) struct buf text = BUF(1000000);
    cleanup(decoding_deinit) struct decoding tolerant = {};
    struct err err = {};

    add_list(&text, "{\"conditions\":[", 2 * FIELD_ITEMS_MAX, "type");
    buf_add_str(&text, "}");
    ASSERT_OK(decode_tolerantly(&tolerant, buf_str(&text), &err));
    ASSERT_EQ(tolerant.sample.conditions.len, FIELD_ITEMS_MAX + 1);
    assert_refused_at(&tolerant, "conditions");
}

TEST(what_is_too_long_in_one_part_of_an_object_leaves_the_others_whole)
{
    struct whole {
        struct sample spec, status;
    } whole = {};
    static const struct field rows[] = {
        FIELD(struct whole, spec, "spec", INLINE, .of = &sample_fields),
        FIELD(struct whole, status, "status", INLINE, .of = &sample_fields),
    };
    static DEFINE_FIELDS(whole, "whole", rows, NULL);
    cleanup(buf_deinit) struct buf text = BUF(1000000);
    cleanup(decoding_deinit) struct decoding d = {};
    struct err err = {};

    add_list(&text, "{\"spec\":{\"plain\":[", FIELD_ITEMS_MAX + 2, "name");
    add_list(&text, "},\"status\":{\"plain\":[", 2, "name");
    buf_add_str(&text, "}}");
    parse(&d, buf_str(&text));
    ASSERT_OK(fields_decode(&whole_fields, d.value, d.arena, &whole, "", NULL, &err));
    ASSERT_EQ(whole.spec.plain.len, FIELD_ITEMS_MAX + 1);
    ASSERT_EQ(whole.status.plain.len, 2);
}

TEST(raw_values_outlive_the_document)
{
    cleanup(decoding_deinit) struct decoding d = {};

    decode_strictly(&d, "{\"config\":{\"a\":[1]}}");
    json_unref(take(d.value));
    ASSERT_EQ(json_as_int(json_at(json_get(d.sample.config, "a"), 0), 0), 1);
}

TEST(enum_names_go_both_ways)
{
    ASSERT_STREQ(enum_name(&colour_names, COLOUR_RED), "Red");
    ASSERT_STREQ(enum_name(&colour_names, 0), "");
    ASSERT_STREQ(enum_name(&colour_names, 99), "");
    ASSERT_STREQ(enum_name(&colour_names, -1), "");
    ASSERT_EQ(enum_value(&colour_names, "DarkBlue"), COLOUR_DARK_BLUE);
    ASSERT_EQ(enum_value(&colour_names, "darkblue"), 0);
}

RUN_TESTS(
    cmocka_unit_test(every_type_is_decoded), cmocka_unit_test(absent_null_and_empty_are_all_zero),
    cmocka_unit_test(text_keeps_the_difference_between_absent_and_empty),
    cmocka_unit_test(maps_are_sorted_by_key), cmocka_unit_test(base64_may_be_wrapped),
    cmocka_unit_test(quantities_are_text_or_numbers),
    cmocka_unit_test(every_kind_of_problem_is_reported_with_its_path),
    cmocka_unit_test(paths_begin_with_what_the_caller_says),
    cmocka_unit_test(all_problems_are_found_and_the_rest_is_decoded),
    cmocka_unit_test(a_structs_own_check_does_not_judge_what_could_not_be_read),
    cmocka_unit_test(a_secret_is_never_quoted),
    cmocka_unit_test(a_long_foreign_text_is_quoted_as_an_excerpt),
    cmocka_unit_test(exactly_one_of_a_group_must_be_there),
    cmocka_unit_test(the_tolerant_form_passes_over_broken_rules),
    cmocka_unit_test(the_tolerant_form_keeps_a_text_that_is_no_duration),
    cmocka_unit_test(the_tolerant_form_refuses_another_type),
    cmocka_unit_test(lists_of_structs_are_bounded_together),
    cmocka_unit_test(
        a_list_that_is_too_long_by_itself_is_cut_by_the_tolerant_form_and_refused_by_the_strict_one),
    cmocka_unit_test(what_is_too_long_in_one_part_of_an_object_leaves_the_others_whole),
    cmocka_unit_test(raw_values_outlive_the_document), cmocka_unit_test(enum_names_go_both_ways));
