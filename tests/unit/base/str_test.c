#include "support/testing.h"

#include "base/limits.h"
#include "base/str.h"

TEST(null_equals_only_null)
{
    ASSERT_TRUE(streq(NULL, NULL));
    ASSERT_FALSE(streq(NULL, ""));
    ASSERT_FALSE(streq("", NULL));
    ASSERT_TRUE(streq("a", "a"));
    ASSERT_FALSE(streq("a", "A"));
    ASSERT_TRUE(streq_ci(NULL, NULL));
    ASSERT_FALSE(streq_ci("", NULL));
}

TEST(case_is_ignored_in_ascii_only)
{
    ASSERT_TRUE(streq_ci("Retry-After", "retry-aFTER"));
    ASSERT_FALSE(streq_ci("abc", "abcd"));
    ASSERT_FALSE(streq_ci("\xc3\x9c", "\xc3\xbc"));
    ASSERT_FALSE(streq_ci("[", "{"));
}

TEST(prefixes_and_suffixes_are_found)
{
    ASSERT_TRUE(str_starts("abc", "ab"));
    ASSERT_TRUE(str_starts("abc", ""));
    ASSERT_FALSE(str_starts("a", "ab"));
    ASSERT_FALSE(str_starts(NULL, ""));
    ASSERT_TRUE(str_ends("abc", "bc"));
    ASSERT_TRUE(str_ends("abc", ""));
    ASSERT_FALSE(str_ends("c", "bc"));
    ASSERT_FALSE(str_ends(NULL, ""));
}

TEST(the_last_of_several_is_found)
{
    const char *text = "ab-ab-aab";

    ASSERT_EQ(str_last(text, "ab") - text, 7);
    ASSERT_STREQ(str_last("aaa", "aa"), "aa");
    ASSERT_NULL(str_last(text, "abc"));
    ASSERT_NULL(str_last("", "a"));
    ASSERT_NULL(str_last(NULL, "a"));
}

TEST(empty_text_gives_way_to_the_other)
{
    ASSERT_STREQ(str_or(NULL, "x"), "x");
    ASSERT_STREQ(str_or("", "x"), "x");
    ASSERT_STREQ(str_or("a", "x"), "a");
}

TEST(lower_changes_ascii_letters_only)
{
    char text[] = "AZ az 09 @[ \xc3\x9c";

    str_lower(text);
    ASSERT_STREQ(text, "az az 09 @[ \xc3\x9c");
}

TEST(a_number_must_be_the_whole_text_and_in_range)
{
    static const struct {
        const char *text;
        int64_t min, max;
        int r;
        int64_t value;
    } rows[] = {
        {"0", 0, 9, 0, 0},
        {"-5", -9, 9, 0, -5},
        {"007", 0, 9, 0, 7},
        {"9223372036854775807", 0, INT64_MAX, 0, INT64_MAX},
        {"-9223372036854775808", INT64_MIN, 0, 0, INT64_MIN},
        {"9223372036854775808", 0, INT64_MAX, ERR_INVALID, 0},
        {"10", 0, 9, ERR_INVALID, 0},
        {"-1", 0, 9, ERR_INVALID, 0},
        {"", 0, 9, ERR_INVALID, 0},
        {"-", -9, 9, ERR_INVALID, 0},
        {"+1", 0, 9, ERR_INVALID, 0},
        {" 1", 0, 9, ERR_INVALID, 0},
        {"1 ", 0, 9, ERR_INVALID, 0},
        {"1x", 0, 9, ERR_INVALID, 0},
        {"0x1", 0, 9, ERR_INVALID, 0},
        {NULL, 0, 9, ERR_INVALID, 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t value = 12345;

        CASE(rows[i].text ? rows[i].text : "NULL");
        ASSERT_EQ(str_parse_int(rows[i].text, rows[i].min, rows[i].max, &value), rows[i].r);
        ASSERT_EQ(value, rows[i].r == 0 ? rows[i].value : 12345);
    }
}

/* RFC 3629; the bad ones are from M. Kuhn's decoder test. */
TEST(only_real_utf8_is_utf8)
{
    static const struct {
        const char *text;
        bool good;
    } rows[] = {
        {"", true},
        {"abc\x7f", true},
        {"\xc2\x80\xdf\xbf", true},
        {"\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf", true},
        {"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", true},
        {"\x80", false},
        {"\xc3", false},
        {"\xc3(", false},
        {"\xe2\x82", false},
        {"\xf0\x90\x80", false},
        {"\xc0\xaf", false},         /* overlong */
        {"\xc1\xbf", false},         /* overlong */
        {"\xe0\x9f\xbf", false},     /* overlong */
        {"\xf0\x8f\xbf\xbf", false}, /* overlong */
        {"\xed\xa0\x80", false},     /* surrogate */
        {"\xf4\x90\x80\x80", false}, /* beyond U+10FFFF */
        {"\xf5\x80\x80\x80", false},
        {"\xfe", false},
        {"\xff", false},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CASE(rows[i].text);
        ASSERT_EQ(str_is_utf8(rows[i].text, strlen(rows[i].text)), rows[i].good);
    }
    ASSERT_TRUE(str_is_utf8("a\0b", 3));
    ASSERT_TRUE(str_is_utf8(NULL, 0));
}

TEST(a_character_is_the_number_that_unicode_gives_it)
{
    static const struct {
        const char *text;
        uint32_t code;
    } rows[] = {
        {"a", 'a'},
        {"\x7f", 0x7f},
        {"\xc2\x80", 0x80},
        {"\xdf\xbf", 0x7ff},
        {"\xe0\xa0\x80", 0x800},
        {"\xef\xbf\xbf", 0xffff},
        {"\xf0\x90\x80\x80", 0x10000},
        {"\xf4\x8f\xbf\xbf", 0x10ffff},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        ASSERT_EQ(str_utf8_next(rows[i].text, strlen(rows[i].text)), strlen(rows[i].text));
        ASSERT_EQ(str_utf8_code(rows[i].text, strlen(rows[i].text)), rows[i].code);
    }
}

TEST(digits_of_16_are_read_in_either_case)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";

    for (int i = 0; i < 32; i++)
        ASSERT_EQ(str_hex_digit(digits[i]), i % 16);
    for (int c = 0; c < 256; c++)
        ASSERT_EQ(str_hex_digit((char)c) >= 0, c && memchr(digits, c, 32) != NULL);
}

TEST(clean_leaves_one_question_mark_per_bad_character)
{
    char text[] = "a\nb\x01\xff\xc3\xbc\xc2\x85\xe2\x82";

    str_clean(text);
    ASSERT_STREQ(text, "a?b??\xc3\xbc???");
}

/* Trojan Source (CVE-2021-42574) and its like. */
TEST(what_nobody_sees_is_not_left_in_a_text)
{
    static const struct {
        const char *text, *wanted;
    } rows[] = {
        {"a\u202ab\u202ec\u202f", "a?b?c\u202f"},
        {"\u2065\u2066\u2069\u206f\u2070", "????\u2070"},
        {"\u200a\u200b\u200e\u200f\u2010", "\u200a???\u2010"},
        {"\u061c\u061b", "?\u061b"},
        {"\u2027\u2028\u2029", "\u2027??"},
        {"a\u00ad\ufeff\u2060\u180eb", "a????b"},
        {"\U0001f600\ufe0f\U000e0041\U000e0100", "\U0001f600\ufe0f?\U000e0100"},
        {"\u05d0\u0627\u0905", "\u05d0\u0627\u0905"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(xfree) char *text = xstrdup(rows[i].text);

        CASE(rows[i].text);
        str_clean(text);
        ASSERT_STREQ(text, rows[i].wanted);
    }
}

TEST(an_excerpt_is_short_clean_and_cuts_no_character)
{
    char text[LIMIT_EXCERPT + 10];
    cleanup(buf_deinit) struct buf buf = BUF(1000);

    str_excerpt(&buf, "a\r\nb\0c", 6);
    ASSERT_STREQ(buf_str(&buf), "a??b?c");
    str_excerpt(&buf, NULL, 0);
    ASSERT_EQ(buf.len, 6);

    memset(text, 'x', sizeof(text));
    memcpy(text + LIMIT_EXCERPT - 1, "\xc3\xbc", 2);
    buf_reset(&buf);
    str_excerpt(&buf, text, sizeof(text));
    ASSERT_EQ(buf.len, LIMIT_EXCERPT - 1);
    buf_reset(&buf);
    str_excerpt(&buf, text, LIMIT_EXCERPT - 1);
    ASSERT_EQ(buf.len, LIMIT_EXCERPT - 1);
}

/* Vectors of the FNV authors and of Go's hash/fnv. */
TEST(hashes_are_the_published_ones)
{
    ASSERT_EQ(str_hash("", 0), 0xcbf29ce484222325);
    ASSERT_EQ(str_hash("a", 1), 0xaf63dc4c8601ec8c);
    ASSERT_EQ(str_hash("foobar", 6), 0x85944171f73967e8);
    ASSERT_EQ(str_fnv1_32("", 0), 0x811c9dc5);
    ASSERT_EQ(str_fnv1_32("a", 1), 0x050c5d7e);
    ASSERT_EQ(str_fnv1_32("abc", 3), 0x439c2f4b);
}

RUN_TESTS(cmocka_unit_test(null_equals_only_null), cmocka_unit_test(case_is_ignored_in_ascii_only),
          cmocka_unit_test(prefixes_and_suffixes_are_found),
          cmocka_unit_test(the_last_of_several_is_found),
          cmocka_unit_test(empty_text_gives_way_to_the_other),
          cmocka_unit_test(lower_changes_ascii_letters_only),
          cmocka_unit_test(a_number_must_be_the_whole_text_and_in_range),
          cmocka_unit_test(only_real_utf8_is_utf8),
          cmocka_unit_test(a_character_is_the_number_that_unicode_gives_it),
          cmocka_unit_test(digits_of_16_are_read_in_either_case),
          cmocka_unit_test(clean_leaves_one_question_mark_per_bad_character),
          cmocka_unit_test(what_nobody_sees_is_not_left_in_a_text),
          cmocka_unit_test(an_excerpt_is_short_clean_and_cuts_no_character),
          cmocka_unit_test(hashes_are_the_published_ones));
