#include "support/testing.h"

#include "base/list.h"

struct item {
    int value;
    struct list node;
};

static int sum_in_order(const struct list *list)
{
    int digits = 0;

    list_for_each (pos, list)
        digits = digits * 10 + list_entry(pos, struct item, node)->value;
    return digits;
}

TEST(items_stay_in_order)
{
    struct item a = {.value = 1}, b = {.value = 2}, c = {.value = 3};
    struct list list;

    list_init(&list);
    ASSERT_TRUE(list_empty(&list));
    ASSERT_EQ(sum_in_order(&list), 0);
    list_append(&list, &a.node);
    list_append(&list, &b.node);
    list_append(&list, &c.node);
    ASSERT_EQ(sum_in_order(&list), 123);
    list_remove(&b.node);
    ASSERT_EQ(sum_in_order(&list), 13);
    list_remove(&b.node); /* alone already: nothing */
    ASSERT_EQ(sum_in_order(&list), 13);
}

TEST(the_body_may_remove_the_item_it_looks_at)
{
    struct item items[5] = {{1}, {2}, {3}, {4}, {5}};
    struct list list;

    list_init(&list);
    for (size_t i = 0; i < ARRAY_LEN(items); i++)
        list_append(&list, &items[i].node);
    list_for_each (pos, &list) {
        if (list_entry(pos, struct item, node)->value % 2)
            list_remove(pos);
    }
    ASSERT_EQ(sum_in_order(&list), 24);
}

RUN_TESTS(cmocka_unit_test(items_stay_in_order),
          cmocka_unit_test(the_body_may_remove_the_item_it_looks_at));
