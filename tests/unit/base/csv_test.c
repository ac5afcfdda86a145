#include "support/testing.h"

#include <stdio.h>

#include "base/str.h"

/* `fields` are separated by '|'. Written as Go's encoding/csv does. */
static const struct {
    const char *fields, *line;
} round_trips[] = {
    {"a", "a"},
    {"example.com|www.example.com", "example.com,www.example.com"},
    {"a b|c", "a b,c"},
    {"a,b|c", "\"a,b\",c"},
    {"say \"hi\"", "\"say \"\"hi\"\"\""},
    {"\"", "\"\"\"\""},
    {" leading", "\" leading\""},
    {"two\nlines|x", "\"two\nlines\",x"},
    {"\\.", "\"\\.\""},
    {"spiffe://td/ns/a,b", "\"spiffe://td/ns/a,b\""},
};

TEST(fields_are_written_and_read_as_go_does)
{
    struct err err = {};

    for (size_t i = 0; i < ARRAY_LEN(round_trips); i++) {
        cleanup(strlist_deinit) struct strlist list = {}, back = {};
        cleanup(xfree) char *line = NULL, *joined = NULL;
        char fields[100];

        CASE(round_trips[i].line);
        /* strlist_split() would trim. */
        snprintf(fields, sizeof(fields), "%s", round_trips[i].fields);
        for (char *field = strtok(fields, "|"); field; field = strtok(NULL, "|"))
            strlist_add(&list, field);
        line = csv_line(&list);
        ASSERT_STREQ(line, round_trips[i].line);
        ASSERT_OK(csv_parse_line(line, &back, &err));
        joined = strlist_join(&back, "|");
        ASSERT_STREQ(joined, round_trips[i].fields);
    }
}

TEST(empty_fields_are_kept_and_an_empty_line_has_none)
{
    static const struct {
        const char *line, *joined;
        size_t len;
    } rows[] = {
        {"", "", 0},         {"\n", "", 0},       {"a,,b", "a||b", 3}, {",", "|", 2},
        {"\"\",a", "|a", 2}, {"a,b\n", "a|b", 2}, {"a\r\n", "a", 1},
    };
    struct err err = {};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(strlist_deinit) struct strlist list = {};
        cleanup(xfree) char *joined = NULL;

        CASE(rows[i].line);
        ASSERT_OK(csv_parse_line(rows[i].line, &list, &err));
        joined = strlist_join(&list, "|");
        ASSERT_EQ(list.len, rows[i].len);
        ASSERT_STREQ(joined, rows[i].joined);
    }
}

TEST(a_broken_line_is_refused_and_adds_nothing)
{
    static const struct {
        const char *line, *text;
    } rows[] = {
        {"a,\"b", "a quoted field has no end"},
        {"\"a\"b", "text behind a quoted field"},
        {"a,b\"c", "a quote inside of a field that does not start with one"},
        {"a\nb", "more than one line"},
        {"\"", "a quoted field has no end"},
    };
    struct err err = {};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(strlist_deinit) struct strlist list = {};

        CASE(rows[i].line);
        ASSERT_ERR(ERR_INVALID, csv_parse_line(rows[i].line, &list, &err));
        ASSERT_STREQ(err.text, rows[i].text);
        ASSERT_EQ(list.len, 0);
    }
}

RUN_TESTS(cmocka_unit_test(fields_are_written_and_read_as_go_does),
          cmocka_unit_test(empty_fields_are_kept_and_an_empty_line_has_none),
          cmocka_unit_test(a_broken_line_is_refused_and_adds_nothing));
