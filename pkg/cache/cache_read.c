/* cache_read.c - what readers ask of a cache: any thread, for a moment under the mutex. */
#include <assert.h>
#include <string.h>

#include "base/str.h"
#include "cache/cache_private.h"
#include "cache/write.h"

const void *cache_get(struct cache *cache, const struct key *key)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&cache->mutex);
    struct entry *entry = key->name ? entry_find(cache, key) : NULL;

    return entry ? entry_thaw(cache->kind, entry) : NULL;
}

bool cache_has_up_to(struct cache *cache, const struct key *key, const char *uid,
                     const char *version)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&cache->mutex);
    const struct entry *entry = key->name ? entry_find(cache, key) : NULL;

    return entry && entry->uid == str_hash(uid, strlen(uid)) &&
           !version_number_is_newer(entry->version, version_number(version));
}

void cache_refs_deinit(struct cache_refs *refs)
{
    for (size_t i = 0; i < refs->len; i++)
        refs->unref(refs->items[i]);
    xfree(refs->items);
    *refs = (struct cache_refs){};
}

struct collect {
    const struct cache_kind *kind;
    struct cache_refs *refs;
};

static void collect_object(void *arg, const void *object)
{
    struct collect *collect = arg;
    struct cache_refs *refs = collect->refs;

    if ((refs->len & (refs->len - 1)) == 0) /* full: the room is always a power of two */
        refs->items = xrealloc(refs->items, (refs->len ? 2 * refs->len : 1) * sizeof(void *));
    refs->items[refs->len++] = object;
    refs->unref = collect->kind->unref;
}

static void collect_node(void *arg, struct tree_node *node)
{
    struct collect *collect = arg;

    collect_object(arg, entry_thaw(collect->kind, entry_of(node)));
}

static int compare_namespace(const void *namespace, const struct tree_node *node)
{
    return strcmp(namespace, entry_of(node)->text);
}

void cache_list(struct cache *cache, const char *namespace, struct cache_refs *ret)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&cache->mutex);
    struct collect collect = {.kind = cache->kind, .refs = ret};

    tree_each(&cache->entries, namespace ? compare_namespace : tree_all, namespace, collect_node,
              &collect);
}

static const struct index *index_named(const struct cache *cache, const char *name)
{
    for (size_t i = 0; i < cache->kind->index_count; i++)
        if (streq(cache->indexes[i].kind->name, name))
            return &cache->indexes[i];
    assert(!"no such index");
    return NULL;
}

void cache_by_index(struct cache *cache, const char *index, const char *value,
                    struct cache_refs *ret)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&cache->mutex);
    struct collect collect = {.kind = cache->kind, .refs = ret};
    const struct index *named = index_named(cache, index);

    if (named)
        index_each(named, value, collect_object, &collect);
}

size_t cache_len(struct cache *cache)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&cache->mutex);

    return cache->len;
}

struct visit {
    const struct cache_kind *kind;
    cache_visit_fn *fn;
    void *arg;
};

static void visit_object(void *arg, const void *object)
{
    struct visit *visit = arg;

    visit->fn(visit->arg, object);
    visit->kind->unref(object);
}

static void visit_node(void *arg, struct tree_node *node)
{
    struct visit *visit = arg;

    visit_object(arg, entry_thaw(visit->kind, entry_of(node)));
}

void cache_visit(struct cache *cache, cache_visit_fn *fn, void *arg)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&cache->mutex);
    struct visit visit = {.kind = cache->kind, .fn = fn, .arg = arg};

    tree_each(&cache->entries, tree_all, NULL, visit_node, &visit);
}

void cache_visit_index(struct cache *cache, const char *index, const char *value,
                       cache_visit_fn *fn, void *arg)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&cache->mutex);
    struct visit visit = {.kind = cache->kind, .fn = fn, .arg = arg};
    const struct index *named = index_named(cache, index);

    if (named)
        index_each(named, value, visit_object, &visit);
}

static bool all_are_synced(const struct cache *cache)
{
    for (size_t i = 0; i < cache->source_count; i++)
        if (!cache->sources[i]->synced)
            return false;
    return true;
}

bool cache_is_synced(struct cache *cache)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&cache->mutex);

    return all_are_synced(cache);
}

bool cache_source_is_synced(struct cache_source *source)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&source->cache->mutex);

    return source->synced;
}

bool cache_source_has_seen(struct cache_source *source, const char *version)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&source->cache->mutex);

    return source->seen[0] && version_compare(source->seen, version) >= 0;
}

void cache_source_seen_version(struct cache_source *source, char to[VERSION_MAX])
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&source->cache->mutex);

    memcpy(to, source->seen, VERSION_MAX);
}

uint64_t cache_undecodable(struct cache *cache)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&cache->mutex);

    return cache->undecodable;
}

int cache_decode(struct cache *cache, const struct json *object, const void **ret, struct err *err)
{
    return decoded_get(&cache->decoded, cache->kind, object, ret, err);
}
