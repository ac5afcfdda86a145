#include "base/shares.h"
#include "support/testing.h"

static struct context work(const char *controller)
{
    struct context ctx = context_background(clock_system());

    ctx.controller = controller;
    return ctx;
}

TEST(beyond_its_share_somebody_is_busy_until_a_call_ends)
{
    cleanup(shares_free) struct shares *shares = shares_new(2);
    struct context ctx = work("orders");
    struct err err = {};

    ASSERT_OK(shares_take(shares, &ctx, "ca.test", &err));
    ASSERT_OK(shares_take(shares, &ctx, "ca.test", &err));
    ASSERT_ERR(ERR_BUSY, shares_take(shares, &ctx, "ca.test", &err));
    ASSERT_STREQ(err.text, "'ca.test' already has 2 calls in flight");
    ASSERT_OK(shares_take(shares, &ctx, "other.test", &err));
    shares_give_back(shares, &ctx, "ca.test");
    ASSERT_OK(shares_take(shares, &ctx, "ca.test", &err));
}

TEST(each_kind_of_work_has_shares_of_its_own)
{
    cleanup(shares_free) struct shares *shares = shares_new(1);
    struct context orders = work("orders"), challenges = work("challenges"), none = work(NULL);
    struct err err = {};

    ASSERT_OK(shares_take(shares, &orders, "ca.test", &err));
    ASSERT_OK(shares_take(shares, &challenges, "ca.test", &err));
    ASSERT_OK(shares_take(shares, &none, "ca.test", &err));
    ASSERT_ERR(ERR_BUSY, shares_take(shares, &orders, "ca.test", &err));
}

TEST(nobody_and_no_limit_are_not_counted)
{
    cleanup(shares_free) struct shares *limited = shares_new(1), *open = shares_new(0);
    struct context ctx = work("orders");
    struct err err = {};

    for (int i = 0; i < 3; i++) {
        ASSERT_OK(shares_take(limited, &ctx, NULL, &err));
        ASSERT_OK(shares_take(open, &ctx, "ca.test", &err));
    }
    shares_give_back(limited, &ctx, NULL);
    shares_give_back(open, &ctx, "ca.test");
}

RUN_TESTS(cmocka_unit_test(beyond_its_share_somebody_is_busy_until_a_call_ends),
          cmocka_unit_test(each_kind_of_work_has_shares_of_its_own),
          cmocka_unit_test(nobody_and_no_limit_are_not_counted));
