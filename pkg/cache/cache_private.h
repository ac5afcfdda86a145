/*
 * cache_private.h - inside of a cache: what cache.c, cache_read.c and cache_write.c share.
 *
 * Two locks: `writing` is held for a whole event, handlers and observer included, so that several sources
 * take turns; `mutex` only while something changes or is read.
 */
#ifndef CACHE_CACHE_PRIVATE_H
#define CACHE_CACHE_PRIVATE_H

#include "cache/entry.h"

struct handler {
    cache_handler_fn *fn;
    void *arg;
};

struct cache_source {
    struct cache *cache;
    struct store_view *view;
    uint32_t number; /* in the cache's sources */
    uint32_t list;   /* number of its latest list; the writer's, as the next two */
    bool listing;
    bool wants_list;
    bool synced; /* these two under the cache's mutex */
    char seen[VERSION_MAX];
};

struct cache {
    const struct cache_kind *kind;
    struct handler *handlers; /* these, the observer and the sources are constant after start */
    size_t handler_count;
    cache_observe_fn *observe;
    void *observe_arg;
    struct cache_source **sources;
    size_t source_count;

    struct mutex writing; /* whoever holds it is the writer */
    struct pool pool;     /* of entries, frozen objects and members of indexes; the writer's */
    struct tree gone;     /* the writer's */

    struct decoded decoded;

    struct mutex mutex; /* guards what follows; only the writer changes it */
    struct tree entries;
    size_t len;
    struct index *indexes;
    uint64_t undecodable;
};

/* Can an object of this namespace come by this source? */
bool source_covers(const struct cache_source *source, const char *namespace);

static inline struct entry *entry_of(const struct tree_node *node)
{
    return CONTAINER_OF(node, struct entry, node);
}
int entry_compare_node(const void *key, const struct tree_node *node); /* entry_compare_key() */
struct entry *entry_find(const struct cache *cache, const struct key *key); /* NULL: none */
size_t entry_size(struct cache_names names);
void entry_free(struct cache *cache, struct entry *entry);

#endif
