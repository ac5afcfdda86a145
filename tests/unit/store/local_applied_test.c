/*
 * Which objects a manager has applied.
 */
#include "unit/store/place.h"

static void apply_widget(struct store *store, const char *name, const char *manager)
{
    struct context ctx = context_background(clock_system());
    cleanup(json_unref) struct json *given = object_named(name, "1"), *ret = NULL;
    struct err err = {};

    ASSERT_OK(store_apply(store, &ctx, &widgets, manager, given, &ret, &err));
}

static void add_name(void *arg, const struct key *key)
{
    strlist_add(arg, key->name);
}

static char *applied_by(struct store *store, const char *manager)
{
    struct context ctx = context_background(clock_system());
    cleanup(strlist_deinit) struct strlist names = {};
    struct err err = {};

    ASSERT_OK(store_local_each_applied(store, &ctx, &widgets, manager, add_name, &names, &err));
    return strlist_join(&names, ",");
}

TEST(objects_that_a_manager_has_applied_are_found_by_name)
{
    struct local_options options = {.clock = clock_system()};
    cleanup(store_close) struct store *store = NULL;
    cleanup(xfree) char *ours = NULL, *others = NULL, *nobodys = NULL;
    struct err err = {};

    ASSERT_OK(store_local_open(&options, &store, &err));
    apply_widget(store, "b", "ours");
    apply_widget(store, "a", "ours");
    apply_widget(store, "c", "others");
    json_unref(create_widget(store, "created"));
    ours = applied_by(store, "ours");
    others = applied_by(store, "others");
    nobodys = applied_by(store, "test");
    ASSERT_STREQ(ours, "a,b");
    ASSERT_STREQ(others, "c");
    ASSERT_STREQ(nobodys, ""); /* a create is no apply */
}

TEST(more_objects_than_are_read_at_once_are_all_found)
{
    struct local_options options = {.clock = clock_system()};
    cleanup(store_close) struct store *store = NULL;
    cleanup(strlist_deinit) struct strlist wanted = {};
    cleanup(xfree) char *found = NULL, *expected = NULL;
    struct err err = {};

    ASSERT_OK(store_local_open(&options, &store, &err));
    for (int i = 0; i < 256; i++) { /* twice as many as at once */
        cleanup(xfree) char *name = xasprintf("w%03d", i);

        apply_widget(store, name, i % 3 ? "ours" : "others");
        if (i % 3)
            strlist_add(&wanted, name);
    }
    found = applied_by(store, "ours");
    expected = strlist_join(&wanted, ",");
    ASSERT_STREQ(found, expected);
}

TEST(a_text_that_looks_like_an_entry_is_none)
{
    struct local_options options = {.clock = clock_system()};
    struct context ctx = context_background(clock_system());
    cleanup(store_close) struct store *store = NULL;
    cleanup(json_unref) struct json *given = object_named("liar", "1"), *ret = NULL;
    cleanup(xfree) char *found = NULL;
    struct err err = {};

    ASSERT_OK(store_local_open(&options, &store, &err));
    json_set_text(json_need_map(json_get(given, "metadata"), "annotations"), "note",
                  "\"manager\":\"ours\",\"operation\":\"Apply\"");
    ASSERT_OK(store_create(store, &ctx, &widgets, "others", given, &ret, &err));
    found = applied_by(store, "ours");
    ASSERT_STREQ(found, "");
}

RUN_TESTS(cmocka_unit_test(objects_that_a_manager_has_applied_are_found_by_name),
          cmocka_unit_test(more_objects_than_are_read_at_once_are_all_found),
          cmocka_unit_test(a_text_that_looks_like_an_entry_is_none));
