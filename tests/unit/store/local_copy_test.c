#include "unit/store/place.h"

TEST(a_copy_has_what_the_store_has_and_neither_sees_the_other)
{
    cleanup(place_deinit) struct place place = {};
    cleanup(store_close) struct store *store = NULL, *copy = NULL;
    cleanup(json_unref) struct json *widget = NULL, *second = NULL, *third = NULL;
    struct err err = {};

    place_init(&place);
    store = store_at(place.path);
    widget = create_widget(store, "before");
    ASSERT_OK(store_local_copy(store, &copy, &err));
    ASSERT_TRUE(widget_is_there(copy, "before"));
    second = create_widget(store, "in-the-store");
    third = create_widget(copy, "in-the-copy");
    ASSERT_FALSE(widget_is_there(copy, "in-the-store"));
    ASSERT_FALSE(widget_is_there(store, "in-the-copy"));
}

TEST(a_copy_goes_on_counting_versions_where_the_store_was)
{
    cleanup(store_close) struct store *store = store_at(NULL), *copy = NULL;
    cleanup(json_unref) struct json *first = create_widget(store, "one"), *next = NULL;
    struct err err = {};

    ASSERT_OK(store_local_copy(store, &copy, &err));
    next = create_widget(copy, "two");
    ASSERT_EQ(atoi(meta(next, "resourceVersion")), atoi(meta(first, "resourceVersion")) + 1);
}

RUN_TESTS(cmocka_unit_test(a_copy_has_what_the_store_has_and_neither_sees_the_other),
          cmocka_unit_test(a_copy_goes_on_counting_versions_where_the_store_was));
