#include "support/testing.h"

#include "base/str.h"

static void fill(struct strlist *list, const char *comma_separated)
{
    strlist_split(list, comma_separated, ',');
}

static void assert_list(const struct strlist *list, const char *expected)
{
    cleanup(xfree) char *joined = strlist_join(list, "|");

    ASSERT_STREQ(joined, expected);
}

TEST(a_list_keeps_its_order_and_owns_copies)
{
    cleanup(strlist_deinit) struct strlist list = {};
    char text[] = "b";

    strlist_add(&list, text);
    text[0] = 'x';
    strlist_add_take(&list, xstrdup("a"));
    assert_list(&list, "b|a");
    ASSERT_TRUE(strlist_has(&list, "a"));
    ASSERT_FALSE(strlist_has(&list, "x"));
}

TEST(deinit_is_safe_twice_and_leaves_an_empty_list)
{
    struct strlist list = {};

    strlist_deinit(&list);
    strlist_add(&list, "a");
    strlist_deinit(&list);
    strlist_deinit(&list);
    ASSERT_EQ(list.len, 0);
}

TEST(split_trims_and_drops_empty_items)
{
    static const struct {
        const char *text, *expected;
    } rows[] = {
        {"", ""},        {" ", ""},          {",", ""},
        {"a", "a"},      {"a,b", "a|b"},     {" a , b\t,", "a|b"},
        {"a,,b", "a|b"}, {"a b,c", "a b|c"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(strlist_deinit) struct strlist list = {};

        CASE(rows[i].text);
        strlist_split(&list, rows[i].text, ',');
        assert_list(&list, rows[i].expected);
    }
}

TEST(sort_unique_sorts_by_bytes_and_drops_repeats)
{
    cleanup(strlist_deinit) struct strlist list = {};

    strlist_sort_unique(&list);
    fill(&list, "b,a,C,b,a,a");
    strlist_sort_unique(&list);
    assert_list(&list, "C|a|b");
}

TEST(sets_are_the_same_in_any_order_and_with_repeats)
{
    static const struct {
        const char *a, *b;
        bool same;
    } rows[] = {
        {"", "", true},        {"a,b", "b,a", true},     {"a,a,b", "b,a", true},
        {"a", "", false},      {"", "a", false},         {"a,b", "a", false},
        {"a,b", "a,c", false}, {"a,b,c", "c,b,a", true}, {"a", "A", false},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(strlist_deinit) struct strlist a = {}, b = {};

        CASE(rows[i].a);
        fill(&a, rows[i].a);
        fill(&b, rows[i].b);
        ASSERT_EQ(strlist_same_set(&a, &b), rows[i].same);
    }
}

TEST(copy_appends_copies)
{
    cleanup(strlist_deinit) struct strlist from = {}, to = {};

    fill(&from, "a,b");
    strlist_add(&to, "x");
    strlist_copy(&to, &from);
    strlist_deinit(&from);
    assert_list(&to, "x|a|b");
}

TEST(a_string_map_keeps_order_and_replaces_in_place)
{
    cleanup(strmap_deinit) struct strmap map = {};
    cleanup(buf_deinit) struct buf text = BUF(100);

    strmap_set(&map, "b", "1");
    strmap_set(&map, "a", "2");
    strmap_set(&map, "b", "3");
    strmap_for_each (entry, &map)
        buf_addf(&text, "%s=%s ", entry->key, entry->value);
    ASSERT_STREQ(buf_str(&text), "b=3 a=2 ");
    ASSERT_STREQ(strmap_get(&map, "a"), "2");
    ASSERT_NULL(strmap_get(&map, "c"));
}

TEST(a_string_map_value_may_be_set_from_itself)
{
    cleanup(strmap_deinit) struct strmap map = {};

    strmap_set(&map, "a", "abc");
    strmap_set(&map, "a", strmap_get(&map, "a") + 1);
    ASSERT_STREQ(strmap_get(&map, "a"), "bc");
}

TEST(removing_from_a_string_map_closes_the_gap)
{
    cleanup(strmap_deinit) struct strmap map = {};

    strmap_set(&map, "a", "1");
    strmap_set(&map, "b", "2");
    strmap_set(&map, "c", "3");
    strmap_remove(&map, "a");
    strmap_remove(&map, "x");
    ASSERT_EQ(map.len, 2);
    ASSERT_STREQ(map.items[0].key, "b");
    strmap_remove(&map, "c");
    strmap_remove(&map, "b");
    ASSERT_EQ(map.len, 0);
    strmap_for_each (entry, &map)
        ASSERT_TRUE(entry == NULL);
}

TEST(string_maps_are_equal_in_any_order)
{
    cleanup(strmap_deinit) struct strmap a = {}, b = {}, empty = {};

    strmap_set(&a, "x", "1");
    strmap_set(&a, "y", "2");
    strmap_set(&b, "y", "2");
    ASSERT_FALSE(strmap_equal(&a, &b));
    strmap_set(&b, "x", "1");
    ASSERT_TRUE(strmap_equal(&a, &b));
    strmap_set(&b, "x", "9");
    ASSERT_FALSE(strmap_equal(&a, &b));
    strmap_copy(&b, &a);
    ASSERT_TRUE(strmap_equal(&a, &b));
    ASSERT_FALSE(strmap_equal(&a, &empty));
    ASSERT_TRUE(strmap_equal(&empty, &empty));
}

RUN_TESTS(cmocka_unit_test(a_list_keeps_its_order_and_owns_copies),
          cmocka_unit_test(deinit_is_safe_twice_and_leaves_an_empty_list),
          cmocka_unit_test(split_trims_and_drops_empty_items),
          cmocka_unit_test(sort_unique_sorts_by_bytes_and_drops_repeats),
          cmocka_unit_test(sets_are_the_same_in_any_order_and_with_repeats),
          cmocka_unit_test(copy_appends_copies),
          cmocka_unit_test(a_string_map_keeps_order_and_replaces_in_place),
          cmocka_unit_test(a_string_map_value_may_be_set_from_itself),
          cmocka_unit_test(removing_from_a_string_map_closes_the_gap),
          cmocka_unit_test(string_maps_are_equal_in_any_order));
