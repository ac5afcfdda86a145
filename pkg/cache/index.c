/*
 * An index holds no values, only their hashes: the objects can say their values again, so a hit is
 * checked against its object (names are chosen by tenants, who could make hashes meet). A member
 * costs 32 bytes however long its value is.
 */
#include <string.h>

#include "base/str.h"
#include "cache/entry.h"

struct member {
    struct tree_node node; /* mark: the hash */
    struct entry *entry;
};

struct probe {
    uint32_t hash;
    struct key key;
};

static struct member *member_of(const struct tree_node *node)
{
    return CONTAINER_OF(node, struct member, node);
}

static int compare_hash(const void *hash, const struct tree_node *node)
{
    uint32_t a = *(const uint32_t *)hash, b = node->mark;

    return (a > b) - (a < b);
}

static int compare_member(const void *arg, const struct tree_node *node)
{
    const struct probe *probe = arg;
    int order = compare_hash(&probe->hash, node);

    return order != 0 ? order : entry_compare_key(&probe->key, member_of(node)->entry);
}

void index_init(struct index *index, const struct cache_kind *of, const struct cache_index *kind,
                struct pool *pool)
{
    *index = (struct index){.of = of, .kind = kind, .pool = pool};
}

void index_deinit(struct index *index)
{
    xfree(index->before.items);
    xfree(index->after.items);
    *index = (struct index){};
}

/* --- which hashes an object has --- */

static uint32_t hash_of(const char *value)
{
    return (uint32_t)str_hash(value, strlen(value));
}

static void hashes_add(void *arg, const char *value)
{
    struct hashes *hashes = arg;
    uint32_t hash = hash_of(value);

    for (size_t i = 0; i < hashes->len; i++)
        if (hashes->items[i] == hash)
            return;
    if (hashes->len == hashes->alloc) {
        hashes->alloc = hashes->alloc ? 2 * hashes->alloc : 8;
        hashes->items = xrealloc(hashes->items, hashes->alloc * sizeof(*hashes->items));
    }
    hashes->items[hashes->len++] = hash;
}

static void hashes_read(struct hashes *hashes, const struct index *index, const void *object)
{
    hashes->len = 0;
    if (object)
        index->kind->values(object, hashes_add, hashes);
}

static bool hashes_have(const struct hashes *hashes, uint32_t hash)
{
    for (size_t i = 0; i < hashes->len; i++)
        if (hashes->items[i] == hash)
            return true;
    return false;
}

/* --- change --- */

static void member_add(struct index *index, struct entry *entry, uint32_t hash)
{
    struct member *member = pool_alloc(index->pool, sizeof(*member));
    struct probe probe = {.hash = hash, .key = entry_key(entry)};

    member->node.mark = hash;
    member->entry = entry;
    tree_add(&index->tree, &member->node, compare_member, &probe);
}

static void member_remove(struct index *index, const struct entry *entry, uint32_t hash)
{
    struct probe probe = {.hash = hash, .key = entry_key(entry)};
    struct tree_node *node = tree_remove(&index->tree, compare_member, &probe);

    if (node)
        pool_free(index->pool, member_of(node), sizeof(struct member));
}

void index_update(struct index *index, struct entry *entry, const void *before, const void *after)
{
    hashes_read(&index->before, index, before);
    hashes_read(&index->after, index, after);
    for (size_t i = 0; i < index->before.len; i++)
        if (!hashes_have(&index->after, index->before.items[i]))
            member_remove(index, entry, index->before.items[i]);
    for (size_t i = 0; i < index->after.len; i++)
        if (!hashes_have(&index->before, index->after.items[i]))
            member_add(index, entry, index->after.items[i]);
}

/* --- look-up --- */

struct search {
    const struct index *index;
    const char *value;
    bool found;
    void (*visit)(void *arg, const void *object);
    void *arg;
};

static void compare_value(void *arg, const char *value)
{
    struct search *search = arg;

    search->found = search->found || streq(value, search->value);
}

static void visit_member(void *arg, struct tree_node *node)
{
    struct search *search = arg;
    const struct cache_kind *kind = search->index->of;
    const void *object = entry_thaw(kind, member_of(node)->entry);

    search->found = false;
    search->index->kind->values(object, compare_value, search);
    if (search->found)
        search->visit(search->arg, object);
    else
        kind->unref(object);
}

void index_each(const struct index *index, const char *value,
                void (*visit)(void *arg, const void *object), void *arg)
{
    struct search search = {.index = index, .value = value, .visit = visit, .arg = arg};
    uint32_t hash = hash_of(value);

    tree_each(&index->tree, compare_hash, &hash, visit_member, &search);
}
