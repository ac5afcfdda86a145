/* gone.c - short-lived notes of deletions, by key, in a cache with several sources. */
#include <string.h>

#include "base/str.h"
#include "cache/entry.h"

static struct gone *gone_of(const struct tree_node *node)
{
    return CONTAINER_OF(node, struct gone, node);
}

static int compare_key(const void *arg, const struct tree_node *node)
{
    const struct key *key = arg, *other = &gone_of(node)->key;
    int order = strcmp(str_or(key->namespace, ""), other->namespace);

    return order != 0 ? order : strcmp(key->name, other->name);
}

const struct gone *gone_find(const struct tree *gone, const struct key *key)
{
    struct tree_node *node = tree_find(gone, compare_key, key);

    return node ? gone_of(node) : NULL;
}

static struct gone *gone_new(struct tree *gone, const struct key *key)
{
    const char *namespace = str_or(key->namespace, "");
    size_t namespace_size = strlen(namespace) + 1, name_size = strlen(key->name) + 1;
    struct gone *new = xalloc(sizeof(*new) + namespace_size + name_size);

    memcpy(new->text, namespace, namespace_size);
    memcpy(new->text + namespace_size, key->name, name_size);
    new->key = (struct key){.namespace = new->text, .name = new->text + namespace_size};
    tree_add(gone, &new->node, compare_key, &new->key);
    return new;
}

void gone_add(struct tree *gone, const struct key *key, const struct cache_source *source,
              uint64_t version)
{
    struct tree_node *node = tree_find(gone, compare_key, key);
    struct gone *one = node ? gone_of(node) : gone_new(gone, key);

    if (node && version_number_is_newer(one->version, version))
        return;
    one->source = source;
    one->version = version;
}

struct choice {
    bool (*is_over)(const struct gone *gone, void *arg);
    void *arg;
    struct gone **items;
    size_t len;
};

static void choose(void *arg, struct tree_node *node)
{
    struct choice *choice = arg;

    if (!choice->is_over(gone_of(node), choice->arg))
        return;
    if ((choice->len & (choice->len - 1)) == 0) /* full: the room is always a power of two */
        choice->items = xrealloc(choice->items,
                                 (choice->len ? 2 * choice->len : 1) * sizeof(struct gone *));
    choice->items[choice->len++] = gone_of(node);
}

void gone_remove_if(struct tree *gone, bool (*is_over)(const struct gone *gone, void *arg),
                    void *arg)
{
    struct choice choice = {.is_over = is_over, .arg = arg};

    tree_each(gone, tree_all, NULL, choose, &choice);
    for (size_t i = 0; i < choice.len; i++) {
        (void)tree_remove(gone, compare_key, &choice.items[i]->key); /* it is that one */
        xfree(choice.items[i]);
    }
    xfree(choice.items);
}

static void release(struct tree_node *node)
{
    xfree(gone_of(node));
}

void gone_clear(struct tree *gone)
{
    tree_clear(gone, release);
}
