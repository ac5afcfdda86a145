/*
 * Order matters in one place: an event's handlers have run before its version counts as seen.
 * Then whoever finds a version seen (expectations, manager_is_idle()) knows that the keys it
 * wakes are in the queue.
 *
 * While a list runs nothing counts as seen before its end, because the initial events do not come
 * in order of version (kubernetes.md 4).
 */
#include "cache/cache.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "base/thread.h"
#include "cache/entry.h"
#include "cache/write.h"

struct handler {
    cache_handler_fn *fn;
    void *arg;
};

struct cache {
    const struct cache_kind *kind;
    struct handler *handlers; /* these and the observer are constant after start */
    size_t handler_count;
    void (*observe)(void *arg, struct cache *cache);
    void *observe_arg;
    uint32_t list; /* number of the latest list; the writer's */
    bool listing;
    struct pool pool; /* of entries, frozen objects and members of indexes; the writer's */

    struct mutex mutex; /* guards what follows; only the writer changes it */
    struct tree entries;
    size_t len;
    struct index *indexes;
    bool synced;
    char seen[VERSION_MAX];
    uint64_t undecodable;
};

struct cache *cache_new(const struct cache_kind *kind)
{
    struct cache *cache = xalloc(sizeof(*cache));

    cache->kind = kind;
    mutex_init(&cache->mutex);
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

static size_t entry_size(struct cache_names names)
{
    return sizeof(struct entry) + names.len;
}

static void entry_free(struct cache *cache, struct entry *entry)
{
    pool_free(&cache->pool, entry->frozen, entry->frozen_size);
    pool_free(&cache->pool, entry, entry_size(entry_names(entry)));
}

int entry_compare_key(const struct key *key, const struct entry *entry)
{
    int order = strcmp(str_or(key->namespace, ""), entry->text);

    return order != 0 ? order : strcmp(key->name, entry_key(entry).name);
}

static struct entry *entry_of(const struct tree_node *node)
{
    return CONTAINER_OF(node, struct entry, node);
}

static int compare_key(const void *key, const struct tree_node *node)
{
    return entry_compare_key(key, entry_of(node));
}

static int compare_namespace(const void *namespace, const struct tree_node *node)
{
    return strcmp(namespace, entry_of(node)->text);
}

static struct entry *entry_find(const struct cache *cache, const struct key *key)
{
    struct tree_node *node = tree_find(&cache->entries, compare_key, key);

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

        (void)tree_remove(&cache->entries, compare_key, &key); /* it is `node` */
        entry_free(cache, entry_of(node));
    }
    pool_deinit(&cache->pool);
    mutex_deinit(&cache->mutex);
    xfree(cache->indexes);
    xfree(cache->handlers);
    xfree(cache);
}

/* --- reading --- */

const void *cache_get(struct cache *cache, const struct key *key)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&cache->mutex);
    struct entry *entry = key->name ? entry_find(cache, key) : NULL;

    return entry ? entry_thaw(cache->kind, entry) : NULL;
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

bool cache_is_synced(struct cache *cache)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&cache->mutex);

    return cache->synced;
}

bool cache_has_seen(struct cache *cache, const char *version)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&cache->mutex);

    return cache->seen[0] && version_compare(cache->seen, version) >= 0;
}

void cache_seen_version(struct cache *cache, char to[VERSION_MAX])
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&cache->mutex);

    memcpy(to, cache->seen, VERSION_MAX);
}

uint64_t cache_undecodable(struct cache *cache)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&cache->mutex);

    return cache->undecodable;
}

/* --- handlers --- */

void cache_add_handler(struct cache *cache, cache_handler_fn *handler, void *arg)
{
    size_t size = (cache->handler_count + 1) * sizeof(*cache->handlers);

    cache->handlers = xrealloc(cache->handlers, size);
    cache->handlers[cache->handler_count++] = (struct handler){.fn = handler, .arg = arg};
}

void cache_set_observer(struct cache *cache, void (*observe)(void *arg, struct cache *cache),
                        void *arg)
{
    cache->observe = observe;
    cache->observe_arg = arg;
}

static void tell(struct cache *cache, const struct key *key, const void *before, const void *after)
{
    bool initial = !cache_is_synced(cache);

    for (size_t i = 0; i < cache->handler_count; i++)
        cache->handlers[i].fn(cache->handlers[i].arg, key, before, after, initial);
}

/* --- writing: one thread, so it may look without the lock --- */

struct identity {
    struct key key; /* borrowed from the JSON */
    uint64_t uid, version;
};

static int identity_read(const struct store_event *event, struct identity *ret, struct err *err)
{
    const struct json *metadata = json_get(event->object, "metadata");
    const char *uid = str_or(json_get_text(metadata, "uid"), "");

    *ret = (struct identity){
        .key = {.namespace = str_or(json_get_text(metadata, "namespace"), ""),
                .name = json_get_text(metadata, "name")},
        .uid = str_hash(uid, strlen(uid)),
        .version = version_number(event->version),
    };
    if (str_empty(ret->key.name))
        return err_set(err, ERR_INVALID, "the object has no metadata.name");
    return 0;
}

static struct entry *entry_new(struct cache *cache, const struct identity *id)
{
    size_t namespace_size = strlen(id->key.namespace) + 1, name_size = strlen(id->key.name) + 1;
    struct cache_names names = {.len = namespace_size + name_size};
    struct entry *entry = pool_alloc(&cache->pool, entry_size(names));

    memcpy(entry->text, id->key.namespace, namespace_size);
    memcpy(entry->text + namespace_size, id->key.name, name_size);
    entry->uid = id->uid;
    return entry;
}

static void update_indexes(struct cache *cache, struct entry *entry, const void *before,
                           const void *after)
{
    for (size_t i = 0; i < cache->kind->index_count; i++)
        index_update(&cache->indexes[i], entry, before, after);
}

struct frozen { /* of a pool */
    void *data;
    size_t size;
};

static struct frozen freeze(struct cache *cache, const struct entry *entry, const void *object)
{
    cleanup(buf_deinit) struct buf bytes = BUF_SECRET(UINT32_MAX); /* of an object in memory */
    struct frozen frozen = {};

    cache->kind->freeze(cache->kind->form, object, entry_names(entry), &bytes);
    frozen.size = bytes.len;
    frozen.data = pool_alloc(&cache->pool, bytes.len);
    memcpy(frozen.data, buf_str(&bytes), bytes.len);
    return frozen;
}

static void exchange(struct cache *cache, struct entry *entry, struct frozen frozen,
                     uint64_t version)
{
    pool_free(&cache->pool, entry->frozen, entry->frozen_size);
    entry->frozen = frozen.data;
    entry->frozen_size = (uint32_t)frozen.size;
    entry->node.mark = cache->list;
    entry->version = version;
}

static void add(struct cache *cache, const struct identity *id, const void *object)
{
    struct entry *entry = entry_new(cache, id);
    struct frozen frozen = freeze(cache, entry, object);
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&cache->mutex);

    tree_add(&cache->entries, &entry->node, compare_key, &id->key);
    cache->len++;
    update_indexes(cache, entry, NULL, object);
    exchange(cache, entry, frozen, id->version);
}

static void change(struct cache *cache, struct entry *entry, uint64_t version, const void *before,
                   const void *after)
{
    struct frozen frozen = freeze(cache, entry, after);
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&cache->mutex);

    update_indexes(cache, entry, before, after);
    exchange(cache, entry, frozen, version);
}

static void take_out(struct cache *cache, struct entry *entry, const void *object)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&cache->mutex);
    struct key key = entry_key(entry);

    update_indexes(cache, entry, object, NULL);
    (void)tree_remove(&cache->entries, compare_key, &key); /* it is `entry` */
    cache->len--;
}

static void entry_remove(struct cache *cache, struct entry *entry)
{
    const void *object = entry_thaw(cache->kind, entry);
    struct key key = entry_key(entry);

    take_out(cache, entry, object);
    tell(cache, &key, object, NULL);
    cache->kind->unref(object);
    entry_free(cache, entry);
}

/* Two watches split by label can hand one object over in any order: the newer version wins. A list
 * is believed as it is, for the store may have been set back to an older backup. */
static bool is_outdated(const struct cache *cache, const struct entry *entry,
                        const struct identity *id)
{
    return !cache->listing && version_number_is_newer(entry->version, id->version);
}

static bool is_known(const struct cache *cache, struct entry *entry, const struct identity *id)
{
    return entry->version == id->version || is_outdated(cache, entry, id);
}

/* `entry` NULL: it is new. */
static int replace(struct cache *cache, struct entry *entry, const struct store_event *event,
                   const struct identity *id, struct err *err)
{
    const void *object = NULL, *before;
    int r = cache->kind->decode(event->object, &object, err);

    if (r < 0) {
        mutex_lock(&cache->mutex);
        cache->undecodable++;
        mutex_unlock(&cache->mutex);
        return err_wrap(err, "decoding %s '%s%s%s'", cache->kind->resource->kind, id->key.namespace,
                        *id->key.namespace ? "/" : "", id->key.name);
    }
    before = entry ? entry_thaw(cache->kind, entry) : NULL;
    if (entry)
        change(cache, entry, id->version, before, object);
    else
        add(cache, id, object);
    tell(cache, &id->key, before, object);
    if (before)
        cache->kind->unref(before);
    cache->kind->unref(object);
    return 0;
}

static int put(struct cache *cache, const struct store_event *event, struct err *err)
{
    struct identity id;
    struct entry *entry;
    int r = identity_read(event, &id, err);

    if (r < 0)
        return r;
    entry = entry_find(cache, &id.key);
    if (entry && entry->uid != id.uid) {
        entry_remove(cache, entry); /* another object by the same name: handlers see two events */
        entry = NULL;
    }
    if (entry) {
        entry->node.mark = cache->list;
        if (is_known(cache, entry, &id))
            return 0;
    }
    return replace(cache, entry, event, &id, err);
}

static int drop(struct cache *cache, const struct store_event *event, struct err *err)
{
    struct identity id;
    struct entry *entry;
    int r = identity_read(event, &id, err);

    if (r < 0)
        return r;
    entry = entry_find(cache, &id.key);
    if (entry && entry->uid == id.uid && !is_outdated(cache, entry, &id))
        entry_remove(cache, entry);
    return 0;
}

void cache_begin_list(struct cache *cache)
{
    cache->listing = true;
    cache->list++;
}

struct sweep {
    uint32_t list;
    struct entry **items;
    size_t len;
};

static void sweep_node(void *arg, struct tree_node *node)
{
    struct sweep *sweep = arg;

    if (node->mark != sweep->list)
        sweep->items[sweep->len++] = entry_of(node);
}

static void end_list(struct cache *cache)
{
    cleanup(xfree) struct entry **unnamed = xcalloc(cache->len + 1, sizeof(struct entry *));
    struct sweep sweep = {.list = cache->list, .items = unnamed};

    tree_each(&cache->entries, tree_all, NULL, sweep_node, &sweep);
    for (size_t i = 0; i < sweep.len; i++)
        entry_remove(cache, sweep.items[i]);
    cache->listing = false;
    mutex_lock(&cache->mutex);
    cache->synced = true;
    mutex_unlock(&cache->mutex);
}

static void set_seen(struct cache *cache, const char *version)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&cache->mutex);

    (void)snprintf(cache->seen, sizeof(cache->seen), "%s", version);
}

static int apply(struct cache *cache, const struct store_event *event, struct err *err)
{
    switch (event->type) {
    case STORE_ADDED:
    case STORE_MODIFIED:
        return put(cache, event, err);
    case STORE_DELETED:
        return drop(cache, event, err);
    case STORE_BOOKMARK:
        if (event->initial_end && cache->listing)
            end_list(cache);
        return 0;
    }
    return err_set(err, ERR_PROTOCOL, "unknown type of event %d", (int)event->type);
}

int cache_apply(struct cache *cache, const struct store_event *event, struct err *err)
{
    int r = apply(cache, event, err);

    if (!cache->listing)
        set_seen(cache, event->version);
    if (cache->observe)
        cache->observe(cache->observe_arg, cache);
    return r;
}
