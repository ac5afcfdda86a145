#include "support/testing.h"

#include <stdio.h>

#include "base/random.h"
#include "cache/tree.h"

struct number {
    struct tree_node node;
    int value;
};

static struct number *number_of(const struct tree_node *node)
{
    return CONTAINER_OF(node, struct number, node);
}

static int compare(const void *probe, const struct tree_node *node)
{
    return *(const int *)probe - number_of(node)->value;
}

static int compare_tens(const void *probe, const struct tree_node *node)
{
    return *(const int *)probe - number_of(node)->value / 10;
}

static void note(void *arg, struct tree_node *node)
{
    char *text = arg;

    (void)sprintf(text + strlen(text), "%d ", number_of(node)->value);
}

static void add(struct tree *tree, struct number *number, int value)
{
    number->value = value;
    tree_add(tree, &number->node, compare, &value);
}

TEST(members_come_in_order_and_a_range_compares_equal)
{
    static const int values[] = {25, 3, 21, 40, 29, 11, 20};
    struct number numbers[ARRAY_LEN(values)] = {};
    struct tree tree = {};
    char all[100] = "", tens[100] = "";
    int two = 2;

    for (size_t i = 0; i < ARRAY_LEN(values); i++)
        add(&tree, &numbers[i], values[i]);
    tree_each(&tree, tree_all, NULL, note, all);
    tree_each(&tree, compare_tens, &two, note, tens);
    ASSERT_STREQ(all, "3 11 20 21 25 29 40 ");
    ASSERT_STREQ(tens, "20 21 25 29 ");
    ASSERT_EQ(number_of(tree_first(&tree))->value, 3);
}

TEST(what_is_taken_out_is_not_found_and_the_rest_is)
{
    struct number numbers[200] = {};
    struct tree tree = {};

    for (int i = 0; i < 200; i++)
        add(&tree, &numbers[i], i * 7 % 200); /* 7 and 200 share no factor: each value once */
    for (int i = 0; i < 200; i += 2)
        ASSERT_EQ(number_of(tree_remove(&tree, compare, &i))->value, i);
    for (int i = 0; i < 200; i++)
        ASSERT_EQ(tree_find(&tree, compare, &i) != NULL, i % 2 == 1);
    for (int i = 0; i < 200; i += 2)
        ASSERT_NULL(tree_remove(&tree, compare, &i));
}

static size_t depth(const struct tree_node *node)
{
    size_t left, right;

    if (!node)
        return 0;
    left = depth(node->left);
    right = depth(node->right);
    return 1 + (left > right ? left : right);
}

TEST(sorted_input_does_not_make_it_deep)
{
    enum { COUNT = 20000 };
    struct number *numbers = xcalloc(COUNT, sizeof(*numbers));
    struct tree tree = {};

    random_seed_for_tests(1);
    for (int i = 0; i < COUNT; i++)
        add(&tree, &numbers[i], i);
    ASSERT_TRUE(depth(tree.root) < 60); /* 14 would be perfect */
    xfree(numbers);
}

static int released;
static void release(struct tree_node *node)
{
    released++;
    xfree(number_of(node));
}

TEST(clear_hands_over_every_node_once)
{
    struct tree tree = {};

    for (int i = 0; i < 100; i++)
        add(&tree, xalloc(sizeof(struct number)), i);
    tree_clear(&tree, release);
    ASSERT_EQ(released, 100);
    ASSERT_NULL(tree_first(&tree));
}

RUN_TESTS(cmocka_unit_test(members_come_in_order_and_a_range_compares_equal),
          cmocka_unit_test(what_is_taken_out_is_not_found_and_the_rest_is),
          cmocka_unit_test(sorted_input_does_not_make_it_deep),
          cmocka_unit_test(clear_hands_over_every_node_once));
