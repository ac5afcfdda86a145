/* once_test.c - when `certlet run --once` ends. */
#include "support/testing.h"

#include "controller/once.h"

#define NOW AT("2026-11-24T13:00:00Z")

static struct once_view at_rest(void)
{
    return (struct once_view){.is_idle = true, .now_ms = NOW};
}

TEST(it_ends_when_nothing_runs_and_no_timer_is_left)
{
    struct once_view view = at_rest();

    ASSERT_TRUE(once_is_done(&view));
}

TEST(a_key_that_is_ready_or_in_work_is_waited_for)
{
    struct once_view view = at_rest();

    view.is_idle = false;
    ASSERT_FALSE(once_is_done(&view));
}

TEST(what_is_due_soon_is_waited_for_and_what_is_due_later_is_not)
{
    static const struct {
        const char *name;
        int64_t in_ms;
        bool done;
    } rows[] = {
        {"overdue", -1000, false},
        {"a poll of the CA", 250, false},
        {"just within the patience", ONCE_PATIENCE_MS, false},
        {"just beyond it", ONCE_PATIENCE_MS + 1, true},
        {"a back-off", HOURS(1), true},
        {"a renewal", DAYS(60), true},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct once_view view = at_rest();

        CASE(rows[i].name);
        view.next_due_ms = view.now_ms + rows[i].in_ms;
        ASSERT_EQ(once_is_done(&view), rows[i].done);
    }
}

TEST(a_secret_that_is_to_be_written_is_waited_for_even_beside_one_that_failed)
{
    struct once_view view = at_rest();

    view.export = (struct export_state){.exporting = 1, .export_failed = 1};
    ASSERT_FALSE(once_is_done(&view));
}

TEST(a_hook_that_is_due_is_waited_for)
{
    struct once_view view = at_rest();

    view.export.hooks_due = 1;
    ASSERT_FALSE(once_is_done(&view));
}

TEST(what_failed_and_waits_for_another_try_is_reported_and_not_waited_for)
{
    struct once_view view = at_rest();

    view.export = (struct export_state){.export_failed = 1, .hooks_failed = 2};
    view.next_due_ms = view.now_ms + MINUTES(1);
    ASSERT_TRUE(once_is_done(&view));
}

RUN_TESTS(
    cmocka_unit_test(it_ends_when_nothing_runs_and_no_timer_is_left),
    cmocka_unit_test(a_key_that_is_ready_or_in_work_is_waited_for),
    cmocka_unit_test(what_is_due_soon_is_waited_for_and_what_is_due_later_is_not),
    cmocka_unit_test(a_secret_that_is_to_be_written_is_waited_for_even_beside_one_that_failed),
    cmocka_unit_test(a_hook_that_is_due_is_waited_for),
    cmocka_unit_test(what_failed_and_waits_for_another_try_is_reported_and_not_waited_for));
