#include "support/testing.h"

#include "json/field.h"

TEST(an_empty_report_is_no_error)
{
    cleanup(field_report_deinit) struct field_report report = {};
    struct err err = {};

    ASSERT_OK(field_report_check(&report, &err));
    ASSERT_FALSE(field_report_has_errors(&report));
    field_report_add(&report, PROBLEM_WARNING, "spec", "mind the gap");
    ASSERT_OK(field_report_check(&report, &err));
    ASSERT_FALSE(field_report_has_errors(&report));
}

TEST(the_first_errors_make_the_text)
{
    cleanup(field_report_deinit) struct field_report report = {};
    struct err err = {};

    field_report_add(&report, PROBLEM_WARNING, "w", "warned");
    field_report_add(&report, PROBLEM_TYPE, "", "must be a %s", "map");
    field_report_add(&report, PROBLEM_REQUIRED, "spec.a", "must be set");
    ASSERT_ERR(ERR_INVALID, field_report_check(&report, &err));
    ASSERT_STREQ(err.text, "must be a map; spec.a: must be set");

    field_report_add(&report, PROBLEM_INVALID, "b", "bad");
    field_report_add(&report, PROBLEM_UNBUILT, "c", "later");
    field_report_add(&report, PROBLEM_UNKNOWN, "d", "what");
    ASSERT_ERR(ERR_INVALID, field_report_check(&report, &err));
    ASSERT_STREQ(err.text, "must be a map; spec.a: must be set; b: bad; and 2 more");
}

TEST(only_unbuilt_fields_are_unsupported)
{
    cleanup(field_report_deinit) struct field_report report = {};
    struct err err = {};

    field_report_add(&report, PROBLEM_WARNING, "w", "warned");
    field_report_add(&report, PROBLEM_UNBUILT, "c", "later");
    ASSERT_ERR(ERR_UNSUPPORTED, field_report_check(&report, &err));
}

TEST(more_than_the_maximum_is_counted_and_errors_push_out_warnings)
{
    cleanup(field_report_deinit) struct field_report report = {};
    struct err err = {};

    for (int i = 0; i < FIELD_PROBLEMS_MAX + 5; i++)
        field_report_add(&report, PROBLEM_WARNING, "w", "warned");
    ASSERT_EQ(report.len, FIELD_PROBLEMS_MAX);
    ASSERT_EQ(report.dropped, 5);
    field_report_add(&report, PROBLEM_INVALID, "e", "error");
    ASSERT_TRUE(field_report_has_errors(&report));
    ASSERT_ERR(ERR_INVALID, field_report_check(&report, &err));
    ASSERT_STREQ(err.text, "e: error");

    for (int i = 0; i < FIELD_PROBLEMS_MAX + 5; i++)
        field_report_add(&report, PROBLEM_INVALID, "e", "error");
    ASSERT_EQ(report.len, FIELD_PROBLEMS_MAX);
    ASSERT_ERR(ERR_INVALID, field_report_check(&report, &err));
    ASSERT_CONTAINS(err.text, " more");
}

TEST(control_characters_and_endless_texts_do_not_get_in)
{
    cleanup(field_report_deinit) struct field_report report = {};
    char text[5000] = "";

    memset(text, 'x', sizeof(text) - 1);
    field_report_add(&report, PROBLEM_INVALID, "a\nb\x1b", "line\nbreak");
    field_report_add(&report, PROBLEM_INVALID, text, "%s", text);
    ASSERT_STREQ(report.items[0].path, "a?b?");
    ASSERT_STREQ(report.items[0].text, "line?break");
    ASSERT_TRUE(strlen(report.items[1].path) < 1000);
    ASSERT_TRUE(strlen(report.items[1].text) < 1100);
}

TEST(no_report_takes_nothing)
{
    field_report_add(NULL, PROBLEM_INVALID, "a", "b");
}

RUN_TESTS(cmocka_unit_test(an_empty_report_is_no_error),
          cmocka_unit_test(the_first_errors_make_the_text),
          cmocka_unit_test(only_unbuilt_fields_are_unsupported),
          cmocka_unit_test(more_than_the_maximum_is_counted_and_errors_push_out_warnings),
          cmocka_unit_test(control_characters_and_endless_texts_do_not_get_in),
          cmocka_unit_test(no_report_takes_nothing));
