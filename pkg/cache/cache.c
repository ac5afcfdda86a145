/*
 * Order matters in one place: an event's handlers have run before its version counts as seen.
 * Then whoever finds a version seen (expectations, manager_is_idle()) knows that the keys it
 * wakes are in the queue.
 *
 * While a list runs nothing of its source counts as seen before its end, because the initial events do not
 * come in order of version (kubernetes.md 4).
 *
 * Two locks: `writing` is held for a whole event, handlers and observer included, so that several sources
 * take turns; `mutex` only while something changes or is read.
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

/* Can an object of this namespace come by this source? */
static bool covers(const struct cache_source *source, const char *namespace)
{
    return str_empty(source->view->namespace) || streq(source->view->namespace, namespace);
}

struct cache_source *cache_source_in(struct cache *cache, const char *namespace)
{
    for (size_t i = 0; i < cache->source_count; i++)
        if (covers(cache->sources[i], namespace))
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

/* --- reading --- */

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

static void tell(struct cache_source *source, const struct key *key, const void *before,
                 const void *after)
{
    struct cache *cache = source->cache;
    bool initial = !cache_source_is_synced(source);

    for (size_t i = 0; i < cache->handler_count; i++)
        cache->handlers[i].fn(cache->handlers[i].arg, key, before, after, initial);
}

/* --- writing: by one thread at a time, so it may look without the mutex --- */

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

    tree_add(&cache->entries, &entry->node, compare_key, &id->key);
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
    (void)tree_remove(&cache->entries, compare_key, &key); /* it is `entry` */
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

        if (other != source && covers(other, key->namespace) &&
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
