#include "support/testing.h"

#include "base/random.h"

/* First in the list: the seed of the later tests stays for the process. */
TEST(unseeded_bytes_differ)
{
    uint8_t a[32] = {}, b[32] = {};

    random_bytes(a, sizeof(a));
    random_bytes(b, sizeof(b));
    ASSERT_TRUE(memcmp(a, b, sizeof(a)) != 0);
    random_bytes(NULL, 0);
}

TEST(a_uuid_is_of_version_four)
{
    char uuid[UUID_TEXT_MAX];

    for (int i = 0; i < 100; i++) {
        random_uuid(uuid);
        ASSERT_EQ(strlen(uuid), 36);
        ASSERT_EQ(strspn(uuid, "0123456789abcdef-"), 36);
        ASSERT_EQ(uuid[8], '-');
        ASSERT_EQ(uuid[13], '-');
        ASSERT_EQ(uuid[14], '4');
        ASSERT_TRUE(strchr("89ab", uuid[19]));
    }
}

TEST(a_seed_makes_everything_after_it_repeatable)
{
    char a[UUID_TEXT_MAX], b[UUID_TEXT_MAX], c[UUID_TEXT_MAX];

    random_seed_for_tests(3);
    random_uuid(a);
    random_uuid(c);
    random_seed_for_tests(3);
    random_uuid(b);
    ASSERT_STREQ(a, b);
    ASSERT_FALSE(strcmp(a, c) == 0);
}

TEST(below_reaches_every_value_about_equally_and_no_other)
{
    int seen[6] = {};

    random_seed_for_tests(1);
    for (int i = 0; i < 6000; i++)
        seen[random_below(6)]++; /* the address checker sees one too far */
    for (size_t i = 0; i < ARRAY_LEN(seen); i++)
        ASSERT_TRUE(seen[i] > 850 && seen[i] < 1150);
    ASSERT_EQ(random_below(1), 0);
    ASSERT_TRUE(random_below(UINT64_MAX) < UINT64_MAX);
}

RUN_TESTS(cmocka_unit_test(unseeded_bytes_differ), cmocka_unit_test(a_uuid_is_of_version_four),
          cmocka_unit_test(a_seed_makes_everything_after_it_repeatable),
          cmocka_unit_test(below_reaches_every_value_about_equally_and_no_other));
