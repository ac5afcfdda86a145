/* cache.c - a cache and its parts: sources, entries, handlers. Reading and writing are files of their own. */
#include "cache/cache_private.h"

#include <assert.h>
#include <string.h>

#include "base/str.h"

struct cache *cache_new(const struct cache_kind *kind)
{
    struct cache *cache = xalloc(sizeof(*cache));

    cache->kind = kind;
    mutex_init(&cache->writing);
    mutex_init(&cache->mutex);
    mutex_init(&cache->decoded.mutex);
    pool_init(&cache->pool);
    cache->indexes = xcalloc(kind->index_count, sizeof(*cache->indexes));
    for (size_t i = 0; i < kind->index_count; i++)
        index_init(&cache->indexes[i], kind, &kind->indexes[i], &cache->pool);
    return cache;
}

const struct cache_kind *cache_kind(const struct cache *cache)
{
    return cache->kind;
}

/* --- sources --- */

struct cache_source *cache_add_source(struct cache *cache, const struct store_view *view)
{
    struct cache_source *source = xalloc(sizeof(*source));
    size_t size = (cache->source_count + 1) * sizeof(*cache->sources);

    assert(cache->source_count < CACHE_SOURCES_MAX);
    source->cache = cache;
    source->view = store_view_copy(view);
    source->number = (uint32_t)cache->source_count;
    cache->sources = xrealloc(cache->sources, size);
    cache->sources[cache->source_count++] = source;
    return source;
}

static void source_free(struct cache_source *source)
{
    xfree(source->view);
    xfree(source);
}

struct cache_source *cache_source_for(struct cache *cache, const struct json *object)
{
    for (size_t i = 0; i < cache->source_count; i++)
        if (store_view_has(cache->sources[i]->view, object))
            return cache->sources[i];
    return NULL;
}

struct cache *cache_source_cache(const struct cache_source *source)
{
    return source->cache;
}

const struct store_view *cache_source_view(const struct cache_source *source)
{
    return source->view;
}

bool source_covers(const struct cache_source *source, const char *namespace)
{
    return str_empty(source->view->namespace) || streq(source->view->namespace, namespace);
}

struct cache_source *cache_source_in(struct cache *cache, const char *namespace)
{
    for (size_t i = 0; i < cache->source_count; i++)
        if (source_covers(cache->sources[i], namespace))
            return cache->sources[i];
    return NULL;
}

/* --- entries --- */

struct key entry_key(const struct entry *entry)
{
    return (struct key){.namespace = entry->text, .name = entry->text + strlen(entry->text) + 1};
}

struct cache_names entry_names(const struct entry *entry)
{
    const char *name = entry_key(entry).name, *end = name + strlen(name) + 1;

    return (struct cache_names){.text = entry->text, .len = (size_t)(end - entry->text)};
}

const void *entry_thaw(const struct cache_kind *kind, const struct entry *entry)
{
    return kind->thaw(kind->form, entry->frozen, entry_names(entry));
}

size_t entry_size(struct cache_names names)
{
    return sizeof(struct entry) + names.len;
}

void entry_free(struct cache *cache, struct entry *entry)
{
    pool_free(&cache->pool, entry->frozen, entry->frozen_size);
    pool_free(&cache->pool, entry, entry_size(entry_names(entry)));
}

int entry_compare_key(const struct key *key, const struct entry *entry)
{
    int order = strcmp(str_or(key->namespace, ""), entry->text);

    return order != 0 ? order : strcmp(key->name, entry_key(entry).name);
}

int entry_compare_node(const void *key, const struct tree_node *node)
{
    return entry_compare_key(key, entry_of(node));
}

struct entry *entry_find(const struct cache *cache, const struct key *key)
{
    struct tree_node *node = tree_find(&cache->entries, entry_compare_node, key);

    return node ? entry_of(node) : NULL;
}

void cache_free(struct cache *cache)
{
    struct tree_node *node;

    if (!cache)
        return;
    for (size_t i = 0; i < cache->kind->index_count; i++)
        index_deinit(&cache->indexes[i]);
    for (node = tree_first(&cache->entries); node; node = tree_first(&cache->entries)) {
        struct key key = entry_key(entry_of(node));

        (void)tree_remove(&cache->entries, entry_compare_node, &key); /* it is `node` */
        entry_free(cache, entry_of(node));
    }
    gone_clear(&cache->gone);
    pool_deinit(&cache->pool);
    decoded_clear(&cache->decoded, cache->kind);
    mutex_deinit(&cache->decoded.mutex);
    mutex_deinit(&cache->mutex);
    mutex_deinit(&cache->writing);
    for (size_t i = 0; i < cache->source_count; i++)
        source_free(cache->sources[i]);
    xfree(cache->sources);
    xfree(cache->indexes);
    xfree(cache->handlers);
    xfree(cache);
}

/* --- handlers --- */

void cache_add_handler(struct cache *cache, cache_handler_fn *handler, void *arg)
{
    size_t size = (cache->handler_count + 1) * sizeof(*cache->handlers);

    cache->handlers = xrealloc(cache->handlers, size);
    cache->handlers[cache->handler_count++] = (struct handler){.fn = handler, .arg = arg};
}

void cache_set_observer(struct cache *cache, cache_observe_fn *observe, void *arg)
{
    cache->observe = observe;
    cache->observe_arg = arg;
}
