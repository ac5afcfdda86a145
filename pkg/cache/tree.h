/*
 * tree.h - intrusive ordered set: a treap, whose random weights keep it balanced.
 *
 * The node lives in the owner's struct. A compare function says where a probe belongs, so one tree
 * answers "this one" and "all of this namespace, in order": the probe then compares equal to a whole
 * range. 24 bytes per member, no allocation. Not for threads at once.
 */
#ifndef CACHE_TREE_H
#define CACHE_TREE_H

#include "base/base.h"

struct tree_node {
    struct tree_node *left, *right;
    uint32_t weight;
    uint32_t mark; /* the owner's: would be padding otherwise */
};

struct tree { /* zeroed is empty */
    struct tree_node *root;
    uint64_t random;
};

/* < 0: the probe belongs before the node, 0: it means the node, > 0: behind it. */
typedef int tree_compare_fn(const void *probe, const struct tree_node *node);

struct tree_node *tree_find(const struct tree *tree, tree_compare_fn *compare, const void *probe);
/* Nothing equal to the probe may be in the tree. Leaves node->mark alone. */
void tree_add(struct tree *tree, struct tree_node *node, tree_compare_fn *compare,
              const void *probe);
/* Takes out and returns what equals the probe, or NULL. */
struct tree_node *tree_remove(struct tree *tree, tree_compare_fn *compare, const void *probe);
struct tree_node *tree_first(const struct tree *tree); /* NULL when empty */
/* All nodes that compare equal to the probe, in order. `visit` must not change the tree. */
void tree_each(const struct tree *tree, tree_compare_fn *compare, const void *probe,
               void (*visit)(void *arg, struct tree_node *node), void *arg);
/* A compare function that takes everything, for tree_each(). */
int tree_all(const void *probe, const struct tree_node *node);
/* Hands every node to `release` and is empty afterwards. */
void tree_clear(struct tree *tree, void (*release)(struct tree_node *node));

#endif
