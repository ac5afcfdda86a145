/*
 * heap.h - intrusive binary min-heap of due times (timers of queues and of the I/O thread).
 *
 * The node lives in the owner's struct; a node is in at most one heap. Ties leave in order of
 * insertion, so that a run with a fake clock is deterministic. Not for threads at once.
 */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include "base/base.h"

struct heap_node {
    int64_t due_ms;
    uint64_t order;
    size_t index; /* place + 1; 0 while in no heap */
};

struct heap {
    struct heap_node **nodes;
    size_t len, alloc;
    uint64_t next_order;
};

void heap_deinit(struct heap *heap); /* nodes stay with their owners */
/* Moves it if already in. */
void heap_add(struct heap *heap, struct heap_node *node, int64_t due_ms);
void heap_remove(struct heap *heap, struct heap_node *node); /* nothing if not in */
struct heap_node *heap_first(const struct heap *heap);       /* NULL when empty */
static inline bool heap_node_is_in(const struct heap_node *node)
{
    return node->index > 0;
}

#endif
