/* placed_test.c - the notes of the order reconciler. */
#include "controller/placed.h"

#include "support/testing.h"

TEST(what_has_ended_is_remembered)
{
    struct placed *placed = placed_new();

    ASSERT_FALSE(placed_has_ended(placed, "https://ca.example/order/1"));
    placed_note_ended(placed, "https://ca.example/order/1");
    ASSERT_TRUE(placed_has_ended(placed, "https://ca.example/order/1"));
    placed_free(placed);
}

RUN_TESTS(cmocka_unit_test(what_has_ended_is_remembered));
