#include "support/testing.h"

#include <stdio.h>

#include "base/map.h"

static int freed;

static void count_free(void *value)
{
    freed++;
    xfree(value);
}

static void assert_keys(const struct map *map, const char *expected)
{
    char keys[100] = "";
    size_t len = 0;

    map_for_each (entry, map)
        len += (size_t)snprintf(keys + len, sizeof(keys) - len, "%s ", map_entry_key(entry));
    ASSERT_STREQ(keys, expected);
}

TEST(absent_is_null_and_not_had)
{
    cleanup(map_free) struct map *map = map_new(NULL);

    ASSERT_NULL(map_get(map, "a"));
    ASSERT_FALSE(map_has(map, "a"));
    ASSERT_FALSE(map_remove(map, "a"));
    ASSERT_EQ(map_len(map), 0);
    assert_keys(map, "");
}

TEST(a_null_value_is_had)
{
    cleanup(map_free) struct map *map = map_new(count_free);

    map_set(map, "a", NULL);
    ASSERT_TRUE(map_has(map, "a"));
    ASSERT_NULL(map_get(map, "a"));
}

TEST(entries_come_in_order_of_insertion_and_keys_are_copies)
{
    cleanup(map_free) struct map *map = map_new(NULL);
    char key[] = "b", one = 1, two = 2;

    map_set(map, key, &one);
    key[0] = 'a';
    map_set(map, key, &one);
    map_set(map, "", &one);
    map_set(map, "b", &two); /* keeps its place */
    assert_keys(map, "b a  ");
    ASSERT_PTREQ(map_get(map, "b"), &two);
    ASSERT_PTREQ(map_entry_value(map_first(map)), &two);
    ASSERT_EQ(map_len(map), 3);
}

TEST(owned_values_are_freed_when_replaced_removed_and_at_the_end)
{
    struct map *map = map_new(count_free);

    freed = 0;
    map_set(map, "a", xstrdup("1"));
    map_set(map, "a", xstrdup("2"));
    ASSERT_EQ(freed, 1);
    map_set(map, "a", map_get(map, "a")); /* the same one stays */
    ASSERT_EQ(freed, 1);
    ASSERT_TRUE(map_remove(map, "a"));
    ASSERT_EQ(freed, 2);
    map_set(map, "b", xstrdup("3"));
    map_set(map, "c", xstrdup("4"));
    map_free(map);
    map_free(NULL);
    ASSERT_EQ(freed, 4);
}

TEST(the_entry_looked_at_may_be_removed)
{
    cleanup(map_free) struct map *map = map_new(NULL);
    char one = 1;

    map_set(map, "a", &one);
    map_set(map, "b", &one);
    map_set(map, "c", &one);
    map_for_each (entry, map) {
        if (*map_entry_key(entry) != 'b')
            map_remove(map, map_entry_key(entry));
    }
    assert_keys(map, "b ");
}

TEST(many_entries_are_all_found)
{
    cleanup(map_free) struct map *map = map_new(NULL);
    char key[20], one = 1;

    for (int i = 0; i < 10000; i++) {
        snprintf(key, sizeof(key), "key-%d", i);
        map_set(map, key, &one);
    }
    for (int i = 0; i < 10000; i += 2) {
        snprintf(key, sizeof(key), "key-%d", i);
        ASSERT_TRUE(map_remove(map, key));
    }
    ASSERT_EQ(map_len(map), 5000);
    for (int i = 0; i < 10000; i++) {
        snprintf(key, sizeof(key), "key-%d", i);
        ASSERT_EQ(map_has(map, key), i % 2);
    }
}

TEST(entries_may_be_in_a_pool)
{
    struct pool pool;
    struct map *map;
    char key[40];

    pool_init(&pool);
    map = map_new_in(&pool, NULL);
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(key, sizeof(key), "key %d", i);
        map_set(map, key, map);
    }
    ASSERT_PTREQ(map_get(map, "key 999"), map);
    ASSERT_TRUE(pool_size(&pool) > 1000 * sizeof(key));
    ASSERT_TRUE(map_remove(map, "key 999"));
    ASSERT_FALSE(map_has(map, "key 999"));
    map_free(map);
    ASSERT_EQ(pool_size(&pool), 0);
    pool_deinit(&pool);
}

RUN_TESTS(cmocka_unit_test(absent_is_null_and_not_had), cmocka_unit_test(a_null_value_is_had),
          cmocka_unit_test(entries_come_in_order_of_insertion_and_keys_are_copies),
          cmocka_unit_test(owned_values_are_freed_when_replaced_removed_and_at_the_end),
          cmocka_unit_test(the_entry_looked_at_may_be_removed),
          cmocka_unit_test(many_entries_are_all_found), cmocka_unit_test(entries_may_be_in_a_pool));
