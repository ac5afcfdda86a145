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

RUN_TESTS(cmocka_unit_test(versions_compare_by_length_then_bytes));
