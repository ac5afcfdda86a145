#include "support/testing.h"

#define NS_SECOND INT64_C(1000000000)
#define NS_HOUR   (3600 * NS_SECOND)

TEST(durations_are_read_and_written_as_go_does)
{
    static const struct {
        const char *text, *canonical;
        int64_t ns;
    } rows[] = {
        {"0", "0s", 0},
        {"0s", "0s", 0},
        {"+0", "0s", 0},
        {"-0", "0s", 0},
        {"5s", "5s", 5 * NS_SECOND},
        {"90m", "1h30m0s", NS_HOUR * 3 / 2},
        {"1h30m", "1h30m0s", NS_HOUR * 3 / 2},
        {"1.5h", "1h30m0s", NS_HOUR * 3 / 2},
        {"2160h", "2160h0m0s", 2160 * NS_HOUR},
        {"60s", "1m0s", 60 * NS_SECOND},
        {"-2s", "-2s", -2 * NS_SECOND},
        {"+2s", "2s", 2 * NS_SECOND},
        {".5s", "500ms", NS_SECOND / 2},
        {"1.s", "1s", NS_SECOND},
        {"1500ms", "1.5s", NS_SECOND * 3 / 2},
        {"1us", "1\xc2\xb5s", 1000},
        {"1\xc2\xb5s", "1\xc2\xb5s", 1000},
        {"1\xce\xbcs", "1\xc2\xb5s", 1000},
        {"1ns", "1ns", 1},
        {"1500ns", "1.5\xc2\xb5s", 1500},
        {"1.000000001s", "1.000000001s", NS_SECOND + 1},
        {"-1h0.25s", "-1h0m0.25s", -NS_HOUR - NS_SECOND / 4},
        {"3.000000000000000000000000000000000000001s", "3s", 3 * NS_SECOND},
        {"0.3333333333333333333h", "20m0s", NS_HOUR / 3}, /* from Go's own tests */
        {"9007199254740993ns", "2501h59m59.254740993s", 9007199254740993},
        {"9223372036854775807ns", "2562047h47m16.854775807s", INT64_MAX},
        {"-9223372036854775808ns", "-2562047h47m16.854775808s", INT64_MIN},
        {"39h9m14.425s", "39h9m14.425s", 140954425 * INT64_C(1000000)},
    };
    struct err err = {};
    char text[TIME_TEXT_MAX];

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t ns = 0;

        CASE(rows[i].text);
        ASSERT_OK(duration_parse(rows[i].text, &ns, &err));
        ASSERT_EQ(ns, rows[i].ns);
        duration_format(ns, text);
        ASSERT_STREQ(text, rows[i].canonical);
    }
}

TEST(anything_else_is_no_duration)
{
    static const char *const rows[] = {
        "",
        "3",
        "-",
        "s",
        ".",
        "-.",
        ".s",
        "+.s",
        "1d",
        "1h ",
        " 1h",
        "1 h",
        "--1s",
        "1h-1m",
        "1",
        "1hm",
        "1.1.s",
        "0x1s",
        "9223372036854775808ns",
        "2562048h",
        "-9223372036854775809ns",
        "9223372036854775807ns1ns",
        "99999999999999999999h",
        "-9223372036854775808ns9223372036854775808ns",
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err err = {};
        int64_t ns = 42;

        CASE(rows[i]);
        ASSERT_ERR(ERR_INVALID, duration_parse(rows[i], &ns, &err));
        ASSERT_CONTAINS(err.text, "is not a duration");
        ASSERT_EQ(ns, 42);
    }
}

TEST(plain_durations_have_hours_minutes_and_seconds_alone)
{
    static const struct {
        const char *text;
        bool is_plain;
    } rows[] = {
        {"4h", true},   {"1h30m", true}, {"0.5h", true},   {"0s", true},   {"1.25h1s1s", true},
        {"", false},    {"1", false},    {"h", false},     {".5h", false}, {"1.h", false},
        {"1ms", false}, {"1us", false},  {"-1h", false},   {"+1h", false}, {"1h ", false},
        {"1hm", false}, {"1.5", false},  {"1..5h", false},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CASE(rows[i].text);
        ASSERT_EQ(duration_is_plain(rows[i].text), rows[i].is_plain);
    }
}

TEST(plain_durations_are_written_so)
{
    static const struct {
        int64_t ns;
        const char *text;
    } rows[] = {
        {1, "0.000000001s"},
        {500000000, "0.5s"},
        {1000000, "0.001s"},
        {0, "0s"},
        {90000000000, "1m30s"},
        {1500000000, "1.5s"},
        {INT64_MAX, "2562047h47m16.854775807s"},
    };
    char text[TIME_TEXT_MAX];
    struct err err = {};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t ns = 0;

        CASE(rows[i].text);
        duration_format_plain(rows[i].ns, text);
        ASSERT_STREQ(text, rows[i].text);
        ASSERT_TRUE(duration_is_plain(text));
        ASSERT_OK(duration_parse(text, &ns, &err));
        ASSERT_EQ(ns, rows[i].ns);
    }
}

TEST(words_have_at_most_two_units)
{
    static const struct {
        int64_t ms;
        const char *words;
    } rows[] = {
        {0, "0s"},
        {999, "0s"},
        {45999, "45s"},
        {MINUTES(12), "12m"},
        {MINUTES(12) + 30000, "12m 30s"},
        {HOURS(5) + 59000, "5h"},
        {DAYS(3) + HOURS(4) + MINUTES(59), "3d 4h"},
        {DAYS(61), "61d"},
        {DAYS(1) + MINUTES(59), "1d"},
        {-MINUTES(5), "-5m"},
        {-1, "0s"},
        {INT64_MAX, "106751991167d 7h"},
        {INT64_MIN, "-106751991167d 7h"},
    };
    char text[TIME_TEXT_MAX];

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        duration_words(rows[i].ms, text);
        ASSERT_STREQ(text, rows[i].words);
    }
}

RUN_TESTS(cmocka_unit_test(durations_are_read_and_written_as_go_does),
          cmocka_unit_test(anything_else_is_no_duration),
          cmocka_unit_test(plain_durations_have_hours_minutes_and_seconds_alone),
          cmocka_unit_test(plain_durations_are_written_so),
          cmocka_unit_test(words_have_at_most_two_units));
