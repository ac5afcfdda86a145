#include "cache/tree.h"

#include "base/random.h"

/* Weights only have to be unknown to whoever chooses the names: xorshift64, seeded once. */
static uint32_t next_weight(struct tree *tree)
{
    if (tree->random == 0)
        tree->random = random_below(UINT64_MAX) + 1;
    tree->random ^= tree->random << 13;
    tree->random ^= tree->random >> 7;
    tree->random ^= tree->random << 17;
    return (uint32_t)(tree->random >> 32);
}

struct tree_node *tree_find(const struct tree *tree, tree_compare_fn *compare, const void *probe)
{
    struct tree_node *node = tree->root;
    int order;

    while (node) {
        order = compare(probe, node);
        if (order == 0)
            return node;
        node = order < 0 ? node->left : node->right;
    }
    return NULL;
}

/* Parts `node` into what is before and what is behind the probe. */
static void split(struct tree_node *node, tree_compare_fn *compare, const void *probe,
                  struct tree_node **before, struct tree_node **behind)
{
    while (node) {
        if (compare(probe, node) < 0) {
            *behind = node;
            behind = &node->left;
            node = node->left;
        } else {
            *before = node;
            before = &node->right;
            node = node->right;
        }
    }
    *before = *behind = NULL;
}

/* All of `a` is before all of `b`. */
static struct tree_node *merge(struct tree_node *a, struct tree_node *b)
{
    struct tree_node *root = NULL, **at = &root;

    while (a && b) {
        if (a->weight >= b->weight) {
            *at = a;
            at = &a->right;
            a = a->right;
        } else {
            *at = b;
            at = &b->left;
            b = b->left;
        }
    }
    *at = a ? a : b;
    return root;
}

void tree_add(struct tree *tree, struct tree_node *node, tree_compare_fn *compare,
              const void *probe)
{
    struct tree_node **at = &tree->root;

    node->weight = next_weight(tree);
    while (*at && (*at)->weight >= node->weight)
        at = compare(probe, *at) < 0 ? &(*at)->left : &(*at)->right;
    split(*at, compare, probe, &node->left, &node->right);
    *at = node;
}

struct tree_node *tree_remove(struct tree *tree, tree_compare_fn *compare, const void *probe)
{
    struct tree_node **at = &tree->root, *node;
    int order;

    for (node = *at; node; node = *at) {
        order = compare(probe, node);
        if (order == 0)
            break;
        at = order < 0 ? &node->left : &node->right;
    }
    if (!node)
        return NULL;
    *at = merge(node->left, node->right);
    node->left = node->right = NULL;
    return node;
}

struct tree_node *tree_first(const struct tree *tree)
{
    struct tree_node *node = tree->root;

    while (node && node->left)
        node = node->left;
    return node;
}

static void each(struct tree_node *node, tree_compare_fn *compare, const void *probe,
                 void (*visit)(void *arg, struct tree_node *node), void *arg)
{
    int order;

    if (!node)
        return;
    order = compare(probe, node);
    if (order <= 0)
        each(node->left, compare, probe, visit, arg);
    if (order == 0)
        visit(arg, node);
    if (order >= 0)
        each(node->right, compare, probe, visit, arg);
}

void tree_each(const struct tree *tree, tree_compare_fn *compare, const void *probe,
               void (*visit)(void *arg, struct tree_node *node), void *arg)
{
    each(tree->root, compare, probe, visit, arg);
}

int tree_all(const void *probe, const struct tree_node *node)
{
    return 0;
}

void tree_clear(struct tree *tree, void (*release)(struct tree_node *node))
{
    struct tree_node *node = tree->root, *left, *right;

    while (node) {
        left = node->left;
        right = node->right;
        release(node);
        node = merge(left, right);
    }
    tree->root = NULL;
}
