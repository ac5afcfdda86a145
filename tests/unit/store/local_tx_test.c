/*
 * Faults injected around commits, and what one write does to the row.
 */
#include "unit/store/place.h"

struct fault {
    bool armed;
    bool after;
    int calls;
};

static int inject(void *arg, bool after, struct err *err)
{
    struct fault *fault = arg;

    fault->calls++;
    if (fault->armed && fault->after == after)
        return err_set(err, ERR_IO, "cut %s the commit", after ? "after" : "before");
    return 0;
}

static struct store *faulty_store(struct fault *fault)
{
    struct local_options options = {.clock = clock_system(), .fault = inject, .fault_arg = fault};
    struct store *store = NULL;
    struct err err = {};

    ASSERT_OK(store_local_open(&options, &store, &err));
    return store;
}

static int try_create(struct store *store, const char *name, struct err *err)
{
    struct context ctx = context_background(clock_system());
    cleanup(json_unref) struct json *given = object_named(name, "1"), *ret = NULL;

    return store_create(store, &ctx, &widgets, "test", given, &ret, err);
}

TEST(a_fault_before_the_commit_leaves_nothing)
{
    struct fault fault = {.armed = true};
    cleanup(store_close) struct store *store = faulty_store(&fault);
    struct err err = {};

    ASSERT_ERR(ERR_IO, try_create(store, "web", &err));
    ASSERT_STREQ(err.text, "cut before the commit");
    ASSERT_FALSE(widget_is_there(store, "web"));
    fault.armed = false;
    ASSERT_OK(try_create(store, "web", &err));
}

TEST(a_fault_after_the_commit_loses_only_the_answer)
{
    struct fault fault = {.armed = true, .after = true};
    cleanup(store_close) struct store *store = faulty_store(&fault);
    struct err err = {};

    ASSERT_ERR(ERR_IO, try_create(store, "web", &err));
    ASSERT_TRUE(widget_is_there(store, "web"));
}

TEST(a_write_without_effect_commits_nothing)
{
    struct fault fault = {};
    cleanup(store_close) struct store *store = faulty_store(&fault);
    struct context ctx = context_background(clock_system());
    cleanup(json_unref) struct json *object = create_widget(store, "web"), *ret = NULL;
    struct err err = {};

    fault.calls = 0;
    ASSERT_OK(store_update(store, &ctx, &widgets, STORE_OBJECT, "test", object, &ret, &err));
    ASSERT_EQ(fault.calls, 0);
    ASSERT_ERR(ERR_EXISTS, try_create(store, "web", &err));
    ASSERT_EQ(fault.calls, 0);
}

TEST(every_write_is_one_transaction)
{
    struct fault fault = {};
    cleanup(store_close) struct store *store = faulty_store(&fault);
    struct context ctx = context_background(clock_system());
    cleanup(json_unref) struct json *object = create_widget(store, "web"), *ret = NULL;
    struct key key = {.namespace = "default", .name = "web"};
    struct err err = {};

    ASSERT_EQ(fault.calls, 2);
    json_set_text(json_need_map(object, "status"), "x", "y");
    ASSERT_OK(store_update(store, &ctx, &widgets, STORE_STATUS, "test", object, &ret, &err));
    ASSERT_EQ(fault.calls, 4);
    ASSERT_OK(store_delete(store, &ctx, &widgets, &key, NULL, &err));
    ASSERT_EQ(fault.calls, 6);
}

TEST(the_version_in_the_answer_is_the_one_stored)
{
    cleanup(store_close) struct store *store = store_at(NULL);
    cleanup(json_unref) struct json *one = create_widget(store, "one"),
                                    *two = create_widget(store, "two");

    ASSERT_STREQ(meta(one, "resourceVersion"), "1");
    ASSERT_STREQ(meta(two, "resourceVersion"), "2");
}

TEST(a_result_nobody_wants_may_be_left_out)
{
    cleanup(store_close) struct store *store = store_at(NULL);
    struct context ctx = context_background(clock_system());
    cleanup(json_unref) struct json *given = object_named("web", "1");
    struct err err = {};

    ASSERT_OK(store_create(store, &ctx, &widgets, NULL, given, NULL, &err));
    ASSERT_TRUE(widget_is_there(store, "web"));
}

TEST(an_answer_is_not_shared_with_what_was_given)
{
    cleanup(store_close) struct store *store = store_at(NULL);
    struct context ctx = context_background(clock_system());
    cleanup(json_unref) struct json *given = object_named("web", "1"), *ret = NULL;
    struct err err = {};

    ASSERT_OK(store_apply(store, &ctx, &widgets, "test", given, &ret, &err));
    json_set_text(json_get(given, "spec"), "value", "2");
    ASSERT_STREQ(json_as_text(json_path(ret, "spec.value")), "1");
}

TEST(names_that_would_leave_a_folder_are_refused)
{
    static const char *const names[] = {"..", "../x", "a/b", "", "A", "x\x01"};
    cleanup(store_close) struct store *store = store_at(NULL);
    struct err err = {};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        CASE(names[i]);
        ASSERT_ERR(ERR_INVALID, try_create(store, names[i], &err));
    }
}

RUN_TESTS(cmocka_unit_test(a_fault_before_the_commit_leaves_nothing),
          cmocka_unit_test(a_fault_after_the_commit_loses_only_the_answer),
          cmocka_unit_test(a_write_without_effect_commits_nothing),
          cmocka_unit_test(every_write_is_one_transaction),
          cmocka_unit_test(the_version_in_the_answer_is_the_one_stored),
          cmocka_unit_test(a_result_nobody_wants_may_be_left_out),
          cmocka_unit_test(an_answer_is_not_shared_with_what_was_given),
          cmocka_unit_test(names_that_would_leave_a_folder_are_refused));
