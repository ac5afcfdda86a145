#include "api_testing.h"

struct fixture {
    struct arena *arena;
    struct conditions conditions;
};

static void fixture_deinit(struct fixture *f)
{
    arena_free(f->arena);
}
DEFINE_CLEANUP_VALUE(struct fixture, fixture_deinit);

static struct fixture new_fixture(void)
{
    return (struct fixture){.arena = arena_new(0)};
}

static bool set(struct fixture *f, const char *type, enum condition_status status,
                const char *message, int64_t now_ms)
{
    struct condition condition = {
        .type = type, .status = status, .reason = "Reason", .message = message};

    return condition_set(&f->conditions, &condition, now_ms, f->arena);
}

TEST(the_time_of_transition_moves_with_the_status_only)
{
    cleanup(fixture_deinit) struct fixture f = new_fixture();

    ASSERT_TRUE(set(&f, "Ready", CONDITION_FALSE, "a", SECONDS(10)));
    ASSERT_EQ(condition_find(&f.conditions, "Ready")->last_transition_time_ms, SECONDS(10));
    ASSERT_TRUE(set(&f, "Ready", CONDITION_FALSE, "b", SECONDS(20)));
    ASSERT_EQ(condition_find(&f.conditions, "Ready")->last_transition_time_ms, SECONDS(10));
    ASSERT_STREQ(condition_find(&f.conditions, "Ready")->message, "b");
    ASSERT_TRUE(set(&f, "Ready", CONDITION_TRUE, "b", SECONDS(30)));
    ASSERT_EQ(condition_find(&f.conditions, "Ready")->last_transition_time_ms, SECONDS(30));
}

TEST(saying_the_same_again_is_no_change)
{
    cleanup(fixture_deinit) struct fixture f = new_fixture();

    ASSERT_TRUE(set(&f, "Ready", CONDITION_TRUE, "a", SECONDS(10)));
    ASSERT_FALSE(set(&f, "Ready", CONDITION_TRUE, "a", SECONDS(20)));
}

TEST(times_are_whole_seconds_as_they_will_read_back)
{
    cleanup(fixture_deinit) struct fixture f = new_fixture();

    (void)set(&f, "Ready", CONDITION_TRUE, "a", 10999);
    ASSERT_EQ(condition_find(&f.conditions, "Ready")->last_transition_time_ms, 10000);
}

TEST(setting_changes_a_copy_and_keeps_the_order)
{
    cleanup(fixture_deinit) struct fixture f = new_fixture();
    struct conditions before;

    (void)set(&f, "Ready", CONDITION_FALSE, "a", 0);
    (void)set(&f, "Issuing", CONDITION_TRUE, "a", 0);
    before = f.conditions;
    (void)set(&f, "Ready", CONDITION_TRUE, "b", 0);
    ASSERT_EQ(before.items[0].status, CONDITION_FALSE);
    ASSERT_STREQ(f.conditions.items[0].type, "Ready");
    ASSERT_STREQ(f.conditions.items[1].type, "Issuing");
}

TEST(removing_changes_a_copy)
{
    cleanup(fixture_deinit) struct fixture f = new_fixture();
    struct conditions before;

    (void)set(&f, "Ready", CONDITION_TRUE, "a", 0);
    (void)set(&f, "Issuing", CONDITION_TRUE, "a", 0);
    before = f.conditions;
    ASSERT_TRUE(condition_remove(&f.conditions, "Ready", f.arena));
    ASSERT_FALSE(condition_remove(&f.conditions, "Ready", f.arena));
    ASSERT_EQ(f.conditions.len, 1);
    ASSERT_STREQ(f.conditions.items[0].type, "Issuing");
    ASSERT_STREQ(before.items[0].type, "Ready");
}

TEST(an_absent_condition_is_neither_true_nor_false)
{
    struct conditions none = {};

    ASSERT_NULL(condition_find(&none, "Ready"));
    ASSERT_FALSE(condition_is(&none, "Ready", CONDITION_TRUE));
    ASSERT_FALSE(condition_is(&none, "Ready", CONDITION_FALSE));
    ASSERT_FALSE(condition_has_reason(&none, "Ready", "Ready"));
}

TEST(status_and_reason_are_asked_by_name)
{
    cleanup(fixture_deinit) struct fixture f = new_fixture();

    (void)set(&f, "Ready", CONDITION_TRUE, "a", 0);
    ASSERT_TRUE(condition_is(&f.conditions, "Ready", CONDITION_TRUE));
    ASSERT_FALSE(condition_is(&f.conditions, "Ready", CONDITION_UNKNOWN));
    ASSERT_TRUE(condition_has_reason(&f.conditions, "Ready", "Reason"));
    ASSERT_FALSE(condition_has_reason(&f.conditions, "Ready", "Other"));
}

TEST(the_time_behind_the_last_of_some_words_is_read_from_a_message)
{
    const struct {
        const char *message;
        int64_t at_ms;
    } rows[] = {
        {"later (next not before 2026-01-01T00:00:00Z)", AT("2026-01-01T00:00:00Z")},
        {"not before 2026-01-01T00:00:00Z; not before 2026-01-02T00:00:00Z: wait",
         AT("2026-01-02T00:00:00Z")},
        {"not before noon", 0},
        {"not before ", 0},
        {"at 2026-01-01T00:00:00Z", 0},
        {NULL, 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct condition condition = {.message = rows[i].message};

        ASSERT_EQ(condition_time_ms(&condition, "not before "), rows[i].at_ms);
    }
}

RUN_TESTS(cmocka_unit_test(the_time_of_transition_moves_with_the_status_only),
          cmocka_unit_test(saying_the_same_again_is_no_change),
          cmocka_unit_test(times_are_whole_seconds_as_they_will_read_back),
          cmocka_unit_test(setting_changes_a_copy_and_keeps_the_order),
          cmocka_unit_test(removing_changes_a_copy),
          cmocka_unit_test(an_absent_condition_is_neither_true_nor_false),
          cmocka_unit_test(status_and_reason_are_asked_by_name),
          cmocka_unit_test(the_time_behind_the_last_of_some_words_is_read_from_a_message));
