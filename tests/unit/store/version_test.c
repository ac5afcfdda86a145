#include "store/store.h"
#include "support/testing.h"

TEST(versions_compare_by_length_then_bytes)
{
    static const struct {
        const char *a, *b;
        int order;
    } rows[] = {
        {"1", "1", 0},
        {"1", "2", -1},
        {"10", "9", 1},
        {"340282366920938463463374607431768211455", "340282366920938463463374607431768211454", 1},
        {"", "1", -1},
        {NULL, "", 0},
        {"abc", "abc", 0},
        {"abc", "1", -1},
        {"1", "abc", -1},
        {"01", "1", -1},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CASE(rows[i].a);
        ASSERT_EQ(version_compare(rows[i].a, rows[i].b), rows[i].order);
    }
}

TEST(a_version_as_a_number_is_equal_or_newer_like_its_text)
{
    static const char *const texts[] = {
        "", "0", "00", "1", "9", "10", "4711", "9223372036854775807", "-1", "abc", "1a"};

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        for (size_t j = 0; j < ARRAY_LEN(texts); j++) {
            uint64_t a = version_number(texts[i]), b = version_number(texts[j]);
            int order = version_compare(texts[i], texts[j]);

            ASSERT_EQ(a == b, order == 0);
            ASSERT_EQ(version_number_is_newer(a, b), order > 0);
        }
    }
}

TEST(a_version_beyond_63_bits_is_equal_or_not)
{
    uint64_t large = version_number("99999999999999999999");

    ASSERT_EQ(large == version_number("99999999999999999999"), true);
    ASSERT_EQ(large == version_number("99999999999999999998"), false);
    ASSERT_FALSE(version_number_is_newer(large, 1));
    ASSERT_FALSE(version_number_is_newer(1, large));
}

RUN_TESTS(cmocka_unit_test(versions_compare_by_length_then_bytes),
          cmocka_unit_test(a_version_as_a_number_is_equal_or_newer_like_its_text),
          cmocka_unit_test(a_version_beyond_63_bits_is_equal_or_not));
