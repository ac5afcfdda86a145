#include "support/testing.h"

#include "base/heap.h"
#include "base/random.h"

static void assert_sound(const struct heap *heap)
{
    for (size_t i = 0; i < heap->len; i++) {
        ASSERT_EQ(heap->nodes[i]->index, i + 1);
        if (i > 0)
            ASSERT_TRUE(heap->nodes[(i - 1) / 2]->due_ms <= heap->nodes[i]->due_ms);
    }
}

static struct heap_node *pop(struct heap *heap)
{
    struct heap_node *first = heap_first(heap);

    heap_remove(heap, first);
    return first;
}

TEST(an_empty_heap_has_no_first)
{
    struct heap heap = {};
    struct heap_node node = {};

    ASSERT_NULL(heap_first(&heap));
    heap_remove(&heap, &node);
    heap_deinit(&heap);
    heap_deinit(&heap);
}

TEST(ties_leave_in_order_of_insertion)
{
    struct heap heap = {};
    struct heap_node nodes[50] = {};

    for (size_t i = 0; i < ARRAY_LEN(nodes); i++)
        heap_add(&heap, &nodes[i], 7);
    for (size_t i = 0; i < ARRAY_LEN(nodes); i++)
        ASSERT_PTREQ(pop(&heap), &nodes[i]);
    heap_deinit(&heap);
}

TEST(adding_again_moves)
{
    struct heap heap = {};
    struct heap_node a = {}, b = {};

    heap_add(&heap, &a, 10);
    heap_add(&heap, &b, 20);
    heap_add(&heap, &a, 30);
    ASSERT_EQ(heap.len, 2);
    ASSERT_PTREQ(heap_first(&heap), &b);
    heap_add(&heap, &a, -5);
    ASSERT_PTREQ(heap_first(&heap), &a);
    assert_sound(&heap);
    heap_deinit(&heap);
    ASSERT_FALSE(heap_node_is_in(&a));
    ASSERT_FALSE(heap_node_is_in(&b));
}

TEST(nodes_leave_by_due_time_after_any_adds_moves_and_removals)
{
    struct heap heap = {};
    struct heap_node nodes[300] = {};
    int64_t last = INT64_MIN;

    random_seed_for_tests(1);
    for (int i = 0; i < 3000; i++) {
        struct heap_node *node = &nodes[random_below(ARRAY_LEN(nodes))];

        if (random_below(3) > 0)
            heap_add(&heap, node, (int64_t)random_below(1000));
        else
            heap_remove(&heap, node);
        ASSERT_EQ(heap_node_is_in(node), node->index > 0);
        assert_sound(&heap);
    }
    while (heap_first(&heap)) {
        struct heap_node *node = pop(&heap);

        ASSERT_TRUE(node->due_ms >= last);
        ASSERT_FALSE(heap_node_is_in(node));
        last = node->due_ms;
    }
    heap_deinit(&heap);
}

RUN_TESTS(cmocka_unit_test(an_empty_heap_has_no_first),
          cmocka_unit_test(ties_leave_in_order_of_insertion), cmocka_unit_test(adding_again_moves),
          cmocka_unit_test(nodes_leave_by_due_time_after_any_adds_moves_and_removals));
