#include "support/testing.h"

TEST(rfc3339_times_are_read_to_the_millisecond)
{
    static const struct {
        const char *text;
        int64_t ms;
    } rows[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2026-01-01T00:00:00Z", 1767225600000},
        {"2024-02-29T23:59:59Z", 1709251199000},
        {"2026-01-01T01:00:00+01:00", 1767225600000},
        {"2025-12-31T18:30:00-05:30", 1767225600000},
        {"2026-01-01T00:00:00-00:00", 1767225600000},
        {"2026-01-01T00:00:00.5Z", 1767225600500},
        {"2026-01-01T00:00:00.1239999999Z", 1767225600123},
        {"2026-01-01t00:00:00z", 1767225600000},
        {"2016-12-31T23:59:60Z", 1483228800000},
        {"1969-12-31T23:59:59.999Z", -1},
        {"0000-01-01T00:00:00Z", -62167219200000},
        {"9999-12-31T23:59:59Z", 253402300799000},
    };
    struct err err = {};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t ms = 0;

        CASE(rows[i].text);
        ASSERT_OK(time_parse_rfc3339(rows[i].text, &ms, &err));
        ASSERT_EQ(ms, rows[i].ms);
    }
}

TEST(anything_else_is_no_rfc3339_time)
{
    static const char *const rows[] = {
        "",
        "2026-01-01",
        "2026-01-01T00:00:00",
        "2026-01-01T00:00:00Z ",
        " 2026-01-01T00:00:00Z",
        "2026-01-01 00:00:00Z",
        "2026-1-01T00:00:00Z",
        "26-01-01T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:61Z",
        "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00,5Z",
        "2026-01-01T00:00:00+0100",
        "2026-01-01T00:00:00+24:00",
        "2026-01-01T00:00:00+01:60",
        "2026-01-01T00:00:00UTC",
        "+026-01-01T00:00:00Z",
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err err = {};
        int64_t ms = 42;

        CASE(rows[i]);
        ASSERT_ERR(ERR_INVALID, time_parse_rfc3339(rows[i], &ms, &err));
        ASSERT_CONTAINS(err.text, "is not an RFC 3339 time");
        ASSERT_EQ(ms, 42);
    }
}

TEST(times_are_written_as_kubernetes_does)
{
    static const struct {
        int64_t ms;
        const char *seconds, *micro;
    } rows[] = {
        {0, "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000000Z"},
        {1767225600123, "2026-01-01T00:00:00Z", "2026-01-01T00:00:00.123000Z"},
        {1709251199999, "2024-02-29T23:59:59Z", "2024-02-29T23:59:59.999000Z"},
        {-1, "1969-12-31T23:59:59Z", "1969-12-31T23:59:59.999000Z"},
        {-1000, "1969-12-31T23:59:59Z", "1969-12-31T23:59:59.000000Z"},
        {253402300799000, "9999-12-31T23:59:59Z", "9999-12-31T23:59:59.000000Z"},
    };
    char text[TIME_TEXT_MAX];

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CASE(rows[i].seconds);
        time_format(rows[i].ms, text);
        ASSERT_STREQ(text, rows[i].seconds);
        time_format_micro(rows[i].ms, text);
        ASSERT_STREQ(text, rows[i].micro);
    }
}

TEST(times_beyond_four_digit_years_end_at_the_edge)
{
    char text[TIME_TEXT_MAX];

    time_format(INT64_MAX, text);
    ASSERT_STREQ(text, "9999-12-31T23:59:59Z");
    time_format(INT64_MIN, text);
    ASSERT_STREQ(text, "0000-01-01T00:00:00Z");
}

TEST(every_day_of_800_years_comes_back_as_it_went)
{
    int64_t end_ms = AT("2400-01-01T00:00:00Z");
    char text[TIME_TEXT_MAX];

    for (int64_t ms = AT("1600-01-01T12:34:56Z"); ms < end_ms; ms += DAYS(1)) {
        time_format(ms, text);
        ASSERT_EQ(AT(text), ms);
    }
}

TEST(days_know_their_month_and_their_weekday)
{
    static const struct {
        int year, month, days, weekday; /* of its first; 0 is Sunday */
    } rows[] = {
        {1970, 1, 31, 4}, {1969, 12, 31, 1}, {2000, 2, 29, 2},  {1900, 2, 28, 4},
        {2024, 2, 29, 4}, {2026, 2, 28, 0},  {2026, 11, 30, 0}, {1, 1, 31, 1},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t first = days_from_civil(rows[i].year, rows[i].month, 1);

        ASSERT_EQ(days_in_month(rows[i].year, rows[i].month), rows[i].days);
        ASSERT_EQ(weekday_of(first), rows[i].weekday);
        ASSERT_EQ(weekday_of(first - 7), rows[i].weekday);
    }
}

TEST(civil_time_becomes_milliseconds)
{
    ASSERT_EQ(time_from_civil(1970, 1, 1, 0, 0, 0), 0);
    ASSERT_EQ(time_from_civil(2026, 11, 24, 13, 0, 1), AT("2026-11-24T13:00:01Z"));
    ASSERT_EQ(time_from_civil(2024, 3, 1, 0, 0, 0) - time_from_civil(2024, 2, 28, 0, 0, 0),
              DAYS(2));
    ASSERT_EQ(time_from_civil(1950, 1, 1, 0, 0, 0), AT("1950-01-01T00:00:00Z"));
}

TEST(http_dates_are_read_in_all_three_forms)
{
    static const char *const rows[] = {
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Sun Nov 06 08:49:37 1994",
    };
    struct err err = {};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t ms = 0;

        CASE(rows[i]);
        ASSERT_OK(time_parse_http_date(rows[i], &ms, &err));
        ASSERT_EQ(ms, AT("1994-11-06T08:49:37Z"));
    }
}

TEST(anything_else_is_no_http_date)
{
    static const char *const rows[] = {
        "",
        "Sun",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Son, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT, more",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "2026-01-01T00:00:00Z",
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err err = {};
        int64_t ms = 42;

        CASE(rows[i]);
        ASSERT_ERR(ERR_INVALID, time_parse_http_date(rows[i], &ms, &err));
        ASSERT_EQ(ms, 42);
    }
}

TEST(retry_after_is_seconds_or_a_date_within_a_year)
{
    const int64_t now = AT("2026-01-01T00:00:00Z");
    const struct {
        const char *text;
        int64_t server_date_ms, at_ms;
    } rows[] = {
        {"0", 0, now},
        {"120", 0, now + SECONDS(120)},
        {"31536000", 0, now + DAYS(365)},
        {"31536001", 0, now + DAYS(365)},
        {"99999999999999999999999", 0, now + DAYS(365)},
        {"Thu, 01 Jan 2026 00:01:00 GMT", 0, now + MINUTES(1)},
        /* The server's clock is an hour ahead: its date counts from its own now. */
        {"Thu, 01 Jan 2026 01:01:00 GMT", AT("2026-01-01T01:00:00Z"), now + MINUTES(1)},
        {"Thu, 01 Jan 2015 00:01:00 GMT", 0, now},
        {"Fri, 31 Dec 9999 23:59:59 GMT", 0, now + DAYS(365)},
    };
    struct err err = {};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t at_ms = 0;

        CASE(rows[i].text);
        ASSERT_OK(time_parse_retry_after(rows[i].text, now, rows[i].server_date_ms, &at_ms, &err));
        ASSERT_EQ(at_ms, rows[i].at_ms);
    }
}

TEST(retry_after_of_another_form_is_refused)
{
    static const char *const rows[] = {"", "-1", "1.5", "soon", "60 s"};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err err = {};
        int64_t at_ms = 42;

        CASE(rows[i]);
        ASSERT_ERR(ERR_INVALID, time_parse_retry_after(rows[i], 0, 0, &at_ms, &err));
        ASSERT_CONTAINS(err.text, "Retry-After");
        ASSERT_EQ(at_ms, 42);
    }
}

RUN_TESTS(cmocka_unit_test(rfc3339_times_are_read_to_the_millisecond),
          cmocka_unit_test(anything_else_is_no_rfc3339_time),
          cmocka_unit_test(times_are_written_as_kubernetes_does),
          cmocka_unit_test(times_beyond_four_digit_years_end_at_the_edge),
          cmocka_unit_test(every_day_of_800_years_comes_back_as_it_went),
          cmocka_unit_test(days_know_their_month_and_their_weekday),
          cmocka_unit_test(civil_time_becomes_milliseconds),
          cmocka_unit_test(http_dates_are_read_in_all_three_forms),
          cmocka_unit_test(anything_else_is_no_http_date),
          cmocka_unit_test(retry_after_is_seconds_or_a_date_within_a_year),
          cmocka_unit_test(retry_after_of_another_form_is_refused));
