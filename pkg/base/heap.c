#include "base/heap.h"

void heap_deinit(struct heap *heap)
{
    for (size_t i = 0; i < heap->len; i++)
        heap->nodes[i]->index = 0;
    xfree(heap->nodes);
    *heap = (struct heap){};
}

static bool leaves_before(const struct heap_node *a, const struct heap_node *b)
{
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->order < b->order;
}

static void place(struct heap *heap, size_t at, struct heap_node *node)
{
    heap->nodes[at] = node;
    node->index = at + 1;
}

static void sift_up(struct heap *heap, size_t at, struct heap_node *node)
{
    for (; at > 0 && leaves_before(node, heap->nodes[(at - 1) / 2]); at = (at - 1) / 2)
        place(heap, at, heap->nodes[(at - 1) / 2]);
    place(heap, at, node);
}

static void sift_down(struct heap *heap, size_t at, struct heap_node *node)
{
    size_t child;

    for (child = 2 * at + 1; child < heap->len; child = 2 * at + 1) {
        if (child + 1 < heap->len && leaves_before(heap->nodes[child + 1], heap->nodes[child]))
            child++;
        if (!leaves_before(heap->nodes[child], node))
            break;
        place(heap, at, heap->nodes[child]);
        at = child;
    }
    place(heap, at, node);
}

void heap_remove(struct heap *heap, struct heap_node *node)
{
    struct heap_node *last;
    size_t at;

    if (!heap_node_is_in(node))
        return;
    at = node->index - 1;
    node->index = 0;
    last = heap->nodes[--heap->len];
    if (last == node)
        return;
    /* The last node fills the gap and moves whichever way it must. */
    if (at > 0 && leaves_before(last, heap->nodes[(at - 1) / 2]))
        sift_up(heap, at, last);
    else
        sift_down(heap, at, last);
}

void heap_add(struct heap *heap, struct heap_node *node, int64_t due_ms)
{
    heap_remove(heap, node);
    if (heap->len == heap->alloc) {
        heap->alloc = heap->alloc ? 2 * heap->alloc : 16;
        heap->nodes = xrealloc(heap->nodes, heap->alloc * sizeof(struct heap_node *));
    }
    node->due_ms = due_ms;
    node->order = heap->next_order++;
    sift_up(heap, heap->len++, node);
}

struct heap_node *heap_first(const struct heap *heap)
{
    return heap->len > 0 ? heap->nodes[0] : NULL;
}
