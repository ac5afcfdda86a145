/*
 * cache_write.c - events go in. By one thread at a time, so it may look without the mutex.
 *
 * Order matters in one place: an event's handlers have run before its version counts as seen.
 * Then whoever finds a version seen (expectations, manager_is_idle()) knows that the keys it
 * wakes are in the queue.
 *
 * While a list runs nothing of its source counts as seen before its end, because the initial events do not
 * come in order of version (kubernetes.md 4).
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "cache/cache_private.h"
#include "cache/write.h"

/* An entry's mark: 12 bits of its source, 20 of the number of a list, which goes round. */
enum { MARK_LIST_BITS = 20 };
static_assert(CACHE_SOURCES_MAX <= 1 << (32 - MARK_LIST_BITS), "a mark has room for all sources");

static uint32_t mark_of(const struct cache_source *source)
{
    return source->number << MARK_LIST_BITS | (source->list & ((1U << MARK_LIST_BITS) - 1));
}

static bool holds(const struct cache_source *source, const struct entry *entry)
{
    return entry->node.mark >> MARK_LIST_BITS == source->number;
}

static void tell(struct cache_source *source, const struct key *key, const void *before,
                 const void *after)
{
    struct cache *cache = source->cache;
    bool initial = !cache_source_is_synced(source);

    for (size_t i = 0; i < cache->handler_count; i++)
        cache->handlers[i].fn(cache->handlers[i].arg, key, before, after, initial);
}

/* --- entries --- */

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

static void exchange(struct cache_source *source, struct entry *entry, struct frozen frozen,
                     uint64_t version)
{
    pool_free(&source->cache->pool, entry->frozen, entry->frozen_size);
    entry->frozen = frozen.data;
    entry->frozen_size = (uint32_t)frozen.size;
    entry->node.mark = mark_of(source);
    entry->version = version;
}

static void add(struct cache_source *source, const struct identity *id, const void *object)
{
    struct cache *cache = source->cache;
    struct entry *entry = entry_new(cache, id);
    struct frozen frozen = freeze(cache, entry, object);
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&cache->mutex);

    tree_add(&cache->entries, &entry->node, entry_compare_node, &id->key);
    cache->len++;
    update_indexes(cache, entry, NULL, object);
    exchange(source, entry, frozen, id->version);
}

static void change(struct cache_source *source, struct entry *entry, uint64_t version,
                   const void *before, const void *after)
{
    struct cache *cache = source->cache;
    struct frozen frozen = freeze(cache, entry, after);
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&cache->mutex);

    update_indexes(cache, entry, before, after);
    exchange(source, entry, frozen, version);
}

static void take_out(struct cache *cache, struct entry *entry, const void *object)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&cache->mutex);
    struct key key = entry_key(entry);

    update_indexes(cache, entry, object, NULL);
    (void)tree_remove(&cache->entries, entry_compare_node, &key); /* it is `entry` */
    cache->len--;
}

static void entry_remove(struct cache_source *source, struct entry *entry)
{
    struct cache *cache = source->cache;
    const void *object = entry_thaw(cache->kind, entry);
    struct key key = entry_key(entry);

    take_out(cache, entry, object);
    tell(source, &key, object, NULL);
    cache->kind->unref(object);
    entry_free(cache, entry);
}

/* --- which of two events is the later one --- */

/* Is there another source that may still bring states of such an object, from before this version? */
static bool may_come_back(const struct cache_source *source, const struct key *key,
                          uint64_t version)
{
    const struct cache *cache = source->cache;

    for (size_t i = 0; i < cache->source_count; i++) {
        const struct cache_source *other = cache->sources[i];

        if (other != source && source_covers(other, key->namespace) &&
            (!other->seen[0] || version_number_is_newer(version, version_number(other->seen))))
            return true;
    }
    return false;
}

static void note_gone(struct cache_source *source, const struct key *key, uint64_t version)
{
    if (may_come_back(source, key, version))
        gone_add(&source->cache->gone, key, source, version);
}

static bool is_heard_of_by_all(const struct gone *gone, void *arg)
{
    return !may_come_back(gone->source, &gone->key, gone->version);
}

/*
 * Of one name the newest version wins, also over another object by that name: versions are the store's.
 * A list is believed as it is over what its own source has brought before, for the store may have been
 * set back to an older backup; what another source has brought may be ahead of it.
 */
static bool is_outdated(const struct cache_source *source, const struct entry *entry,
                        const struct identity *id)
{
    const struct gone *gone;

    if (entry)
        return version_number_is_newer(entry->version, id->version) &&
               !(source->listing && holds(source, entry));
    gone = gone_find(&source->cache->gone, &id->key);
    return gone && version_number_is_newer(gone->version, id->version) &&
           !(source->listing && gone->source == source);
}

static bool is_known(const struct entry *entry, const struct identity *id)
{
    return entry->uid == id->uid && entry->version == id->version;
}

/* `entry` NULL: it is new. */
static int replace(struct cache_source *source, struct entry *entry,
                   const struct store_event *event, const struct identity *id, struct err *err)
{
    struct cache *cache = source->cache;
    const void *object = NULL, *before;
    int r = cache_decode(cache, event->object, &object, err);

    if (r < 0) {
        mutex_lock(&cache->mutex);
        cache->undecodable++;
        mutex_unlock(&cache->mutex);
        return err_wrap(err, "decoding %s '%s%s%s'", cache->kind->resource->kind, id->key.namespace,
                        *id->key.namespace ? "/" : "", id->key.name);
    }
    before = entry ? entry_thaw(cache->kind, entry) : NULL;
    if (entry)
        change(source, entry, id->version, before, object);
    else
        add(source, id, object);
    tell(source, &id->key, before, object);
    if (before)
        cache->kind->unref(before);
    cache->kind->unref(object);
    return 0;
}

static void mark(struct cache_source *source, struct entry *entry)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&source->cache->mutex);

    entry->node.mark = mark_of(source);
}

static int put(struct cache_source *source, const struct store_event *event, struct err *err)
{
    struct identity id;
    struct entry *entry;
    int r = identity_read(event, &id, err);

    if (r < 0)
        return r;
    entry = entry_find(source->cache, &id.key);
    if (entry && holds(source, entry) && entry->uid == id.uid)
        mark(source, entry);
    if (is_outdated(source, entry, &id) || (entry && is_known(entry, &id)))
        return 0;
    if (entry && entry->uid != id.uid) {
        entry_remove(source, entry); /* another object by the same name: handlers see two events */
        entry = NULL;
    }
    return replace(source, entry, event, &id, err);
}

/* An object that another source holds has moved there, or that one will tell of its end. */
static int drop(struct cache_source *source, const struct store_event *event, struct err *err)
{
    struct identity id;
    struct entry *entry;
    int r = identity_read(event, &id, err);

    if (r < 0)
        return r;
    entry = entry_find(source->cache, &id.key);
    if (entry && (!holds(source, entry) || entry->uid != id.uid || is_outdated(source, entry, &id)))
        return 0;
    note_gone(source, &id.key, id.version);
    if (entry)
        entry_remove(source, entry);
    return 0;
}

/* --- lists --- */

void cache_begin_list(struct cache_source *source)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&source->cache->writing);

    source->listing = true;
    source->wants_list = false;
    source->list++;
    decoded_clear(&source->cache->decoded, source->cache->kind);
}

bool cache_source_wants_list(struct cache_source *source)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&source->cache->writing);
    bool wants = source->wants_list;

    source->wants_list = false;
    return wants;
}

struct sweep {
    const struct cache_source *source;
    struct entry **items;
    size_t len;
};

static void sweep_node(void *arg, struct tree_node *node)
{
    struct sweep *sweep = arg;

    if (holds(sweep->source, entry_of(node)) && node->mark != mark_of(sweep->source))
        sweep->items[sweep->len++] = entry_of(node);
}

static void sweep(struct cache_source *source)
{
    struct cache *cache = source->cache;
    cleanup(xfree) struct entry **unnamed = xcalloc(cache->len + 1, sizeof(struct entry *));
    struct sweep sweep = {.source = source, .items = unnamed};

    tree_each(&cache->entries, tree_all, NULL, sweep_node, &sweep);
    for (size_t i = 0; i < sweep.len; i++) {
        struct key key = entry_key(sweep.items[i]);

        note_gone(source, &key, sweep.items[i]->version);
        entry_remove(source, sweep.items[i]);
    }
}

/* What the other sources have brought is from a time that did not happen, and may have kept what
 * this list had to say from coming in. */
static void doubt_others(struct cache_source *source)
{
    struct cache *cache = source->cache;

    gone_clear(&cache->gone);
    for (size_t i = 0; i < cache->source_count; i++)
        if (cache->sources[i] != source)
            cache->sources[i]->wants_list = true;
}

static void end_list(struct cache_source *source, const char *version)
{
    bool set_back = source->seen[0] &&
                    version_number_is_newer(version_number(source->seen), version_number(version));

    sweep(source);
    source->listing = false;
    if (set_back)
        doubt_others(source);
    mutex_lock(&source->cache->mutex);
    source->synced = true;
    mutex_unlock(&source->cache->mutex);
}

/* --- events --- */

static void set_seen(struct cache_source *source, const char *version)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&source->cache->mutex);

    (void)snprintf(source->seen, sizeof(source->seen), "%s", version);
}

static int apply(struct cache_source *source, const struct store_event *event, struct err *err)
{
    switch (event->type) {
    case STORE_ADDED:
    case STORE_MODIFIED:
        return put(source, event, err);
    case STORE_DELETED:
        return drop(source, event, err);
    case STORE_BOOKMARK:
        if (event->initial_end && source->listing)
            end_list(source, event->version);
        return 0;
    }
    return err_set(err, ERR_PROTOCOL, "unknown type of event %d", (int)event->type);
}

int cache_apply(struct cache_source *source, const struct store_event *event, struct err *err)
{
    struct cache *cache = source->cache;
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&cache->writing);
    int r = apply(source, event, err);

    if (!source->listing)
        set_seen(source, event->version);
    if (event->type == STORE_BOOKMARK) /* often enough: they come each minute */
        gone_remove_if(&cache->gone, is_heard_of_by_all, NULL);
    if (cache->observe)
        cache->observe(cache->observe_arg, source);
    return r;
}

bool cache_source_would_change(struct cache_source *source, const struct store_event *event)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&source->cache->mutex);
    struct identity id;
    const struct entry *entry;

    if (event->type == STORE_BOOKMARK || identity_read(event, &id, NULL) < 0)
        return false;
    if (event->type != STORE_DELETED)
        return true;
    entry = entry_find(source->cache, &id.key);
    return entry && holds(source, entry);
}
