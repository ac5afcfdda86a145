/* challenges_test.c - who has one of --max-concurrent-challenges, and who is next in line. */
#include "controller/challenges.h"

#include "support/testing.h"

static bool take_place_in(struct challenges *challenges, const char *uid, const char *namespace,
                          size_t stored)
{
    struct object challenge = {.metadata = {.uid = uid, .namespace = namespace}};
    struct places places = {.stored = stored, .most = 4, .most_of_one = 3};

    return challenges_take_place(challenges, &challenge, &places);
}

TEST(places_in_the_store_and_those_that_it_does_not_tell_of_count_together)
{
    struct challenges *challenges = challenges_new();

    ASSERT_TRUE(take_place_in(challenges, "a", "x", 2));
    ASSERT_TRUE(take_place_in(challenges, "b", "x", 2));
    ASSERT_FALSE(take_place_in(challenges, "c", "y", 2));
    ASSERT_TRUE(take_place_in(challenges, "a", "x", 9)); /* it has it */
    ASSERT_TRUE(challenges_has_place(challenges, "a"));
    challenges_give_place(challenges, "a");
    ASSERT_TRUE(take_place_in(challenges, "c", "y", 2));
    challenges_forget(challenges, "c");
    ASSERT_TRUE(take_place_in(challenges, "d", "y", 2));
    challenges_free(challenges);
}

TEST(a_quarter_of_the_places_is_not_for_one_namespace)
{
    struct challenges *challenges = challenges_new();

    ASSERT_TRUE(take_place_in(challenges, "a", "x", 0));
    ASSERT_TRUE(take_place_in(challenges, "b", "x", 0));
    ASSERT_TRUE(take_place_in(challenges, "c", "x", 0));
    ASSERT_FALSE(take_place_in(challenges, "d", "x", 0));
    ASSERT_TRUE(take_place_in(challenges, "e", "y", 0));
    challenges_free(challenges);
}

TEST(what_is_presented_is_next_in_line)
{
    static const char *const order[] = {"ns/presented", "ns/first", "ns/second"};
    struct challenges *challenges = challenges_new();
    const struct key first = {"ns", "first"}, second = {"ns", "second"},
                     presented = {"ns", "presented"};

    challenges_queue(challenges, &first, false);
    challenges_queue(challenges, &second, false);
    challenges_queue(challenges, &first, false);
    challenges_queue(challenges, &presented, true);
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        cleanup(xfree) char *next = challenges_next(challenges);

        ASSERT_STREQ(next, order[i]);
    }
    ASSERT_NULL(challenges_next(challenges));
    challenges_free(challenges);
}

TEST(what_is_being_presented_is_untouched_no_more)
{
    struct challenges *challenges = challenges_new();

    ASSERT_FALSE(challenges_touch(challenges, "a"));
    challenges_note_untouched(challenges, "a");
    ASSERT_TRUE(challenges_is_untouched(challenges, "a"));
    ASSERT_TRUE(challenges_touch(challenges, "a"));
    ASSERT_FALSE(challenges_is_untouched(challenges, "a"));
    challenges_free(challenges);
}

RUN_TESTS(cmocka_unit_test(places_in_the_store_and_those_that_it_does_not_tell_of_count_together),
          cmocka_unit_test(a_quarter_of_the_places_is_not_for_one_namespace),
          cmocka_unit_test(what_is_presented_is_next_in_line),
          cmocka_unit_test(what_is_being_presented_is_untouched_no_more));
