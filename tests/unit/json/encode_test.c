#include "support/testing.h"

#include "unit/json/sample.h"

static struct json *parsed(const char *text)
{
    struct json *value = NULL;
    struct err err = {};

    ASSERT_OK(json_parse(text, strlen(text), 10000, &value, &err));
    return value;
}

TEST(every_type_is_written_as_it_was_read)
{
    cleanup(json_unref) struct json *value = parsed(SAMPLE_FULL), *again = NULL;
    cleanup(arena_free) struct arena *arena = arena_new(0);
    cleanup(xfree) char *is = NULL, *should = NULL;
    struct sample sample = {};
    struct err err = {};

    ASSERT_OK(fields_decode(&sample_fields, value, arena, &sample, "", NULL, &err));
    again = fields_encode(&sample_fields, &sample);
    is = json_text(again);
    should = json_text(value);
    ASSERT_STREQ(is, should);
}

TEST(members_stand_in_the_order_of_the_rows)
{
    const char *names[] = {"x"};
    struct sample sample = {.two = "2", .count = 1, .text = "t", .names = {names, 1}};
    cleanup(json_unref) struct json *value = fields_encode(&sample_fields, &sample);
    cleanup(buf_deinit) struct buf order = BUF(100);

    json_for_each (key, member, value)
        buf_addf(&order, "%s ", key);
    ASSERT_STREQ(buf_str(&order), "text count dnsNames two ");
}

TEST(what_is_absent_is_not_written)
{
    static const struct sample nothing;
    cleanup(json_unref) struct json *value = fields_encode(&sample_fields, &nothing);

    ASSERT_EQ(json_len(value), 0);
}

TEST(empty_text_an_unset_flag_that_is_set_and_an_empty_object_are_written)
{
    struct sample_condition conditions[1] = {};
    struct sample sample = {.text = "",
                            .maybe = {.is_set = true},
                            .limit = {.is_set = true},
                            .duration = {.is_set = true},
                            .conditions = {conditions, 1}};
    cleanup(json_unref) struct json *value = fields_encode(&sample_fields, &sample);
    cleanup(xfree) char *text = json_text(value);

    ASSERT_STREQ(text, "{\"conditions\":[{\"type\":\"\"}],\"duration\":\"0s\",\"limit\":0,"
                       "\"maybe\":false,\"text\":\"\"}");
}

struct required {
    const char *text;
    bool on;
    int64_t count, since;
    struct bytes der;
    int colour;
    struct sample_ref place;
    struct sample_ref *ref;
    struct array_string names;
    struct array_int colours;
    ARRAY_OF(struct sample_ref) plain;
    struct array_pair labels;
    struct json *config;
    struct opt_duration duration;
};
#define REQUIRED(member, kind, ...)                                                                \
    FIELD(struct required, member, #member, kind, .flags = F_REQUIRED, ##__VA_ARGS__)
static const struct field required_rows[] = {
    REQUIRED(text, STRING),
    REQUIRED(on, BOOL),
    REQUIRED(count, INT),
    REQUIRED(since, TIME),
    REQUIRED(der, BYTES),
    REQUIRED(colour, ENUM, .names = &colour_names),
    REQUIRED(place, INLINE, .of = &sample_ref_fields),
    REQUIRED(ref, OBJECT, .of = &sample_ref_fields),
    REQUIRED(names, STRINGS),
    REQUIRED(colours, ENUMS, .names = &colour_names),
    REQUIRED(plain, LIST, .of = &sample_ref_fields),
    REQUIRED(labels, MAP),
    REQUIRED(config, RAW),
    REQUIRED(duration, DURATION),
};
static DEFINE_FIELDS(required, "required", required_rows, NULL);

TEST(required_members_are_written_even_when_empty)
{
    static const struct required nothing;
    cleanup(json_unref) struct json *value = fields_encode(&required_fields, &nothing);
    cleanup(xfree) char *text = json_text(value);

    ASSERT_STREQ(text, "{\"colour\":\"\",\"colours\":[],\"config\":null,\"count\":0,\"der\":\"\","
                       "\"duration\":null,\"labels\":{},\"names\":[],\"on\":false,"
                       "\"place\":{\"name\":\"\"},\"plain\":[],\"ref\":null,\"since\":null,"
                       "\"text\":\"\"}");
}

TEST(an_inline_struct_without_members_is_left_out)
{
    struct sample sample = {.place = {.kind = "k"}};
    cleanup(json_unref) struct json *with = fields_encode(&sample_fields, &sample);
    cleanup(xfree) char *text = json_text(with);

    /* `name` is required: written as soon as the struct is */
    ASSERT_STREQ(text, "{\"place\":{\"kind\":\"k\",\"name\":\"\"}}");
}

RUN_TESTS(cmocka_unit_test(every_type_is_written_as_it_was_read),
          cmocka_unit_test(members_stand_in_the_order_of_the_rows),
          cmocka_unit_test(what_is_absent_is_not_written),
          cmocka_unit_test(empty_text_an_unset_flag_that_is_set_and_an_empty_object_are_written),
          cmocka_unit_test(required_members_are_written_even_when_empty),
          cmocka_unit_test(an_inline_struct_without_members_is_left_out));
