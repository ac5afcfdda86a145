#include "base/map.h"

#include <string.h>

#define uthash_malloc(size)  xalloc(size)
#define uthash_free(p, size) xfree(p)
#include <uthash.h>

struct map_entry {
    UT_hash_handle hh; /* also keeps the order of insertion */
    void *value;
    char key[];
};

struct map {
    struct map_entry *entries;
    map_free_fn *free_value;
    struct pool *pool; /* of the entries; NULL: the heap */
};

struct map *map_new(map_free_fn *free_value)
{
    struct map *map = xalloc(sizeof(*map));

    map->free_value = free_value;
    return map;
}

struct map *map_new_in(struct pool *pool, map_free_fn *free_value)
{
    struct map *map = map_new(free_value);

    map->pool = pool;
    return map;
}

static struct map_entry *entry_new(struct map *map, size_t key_len)
{
    size_t size = sizeof(struct map_entry) + key_len + 1;

    return map->pool ? pool_alloc(map->pool, size) : xalloc(size);
}

static void entry_free(struct map *map, struct map_entry *entry)
{
    if (map->pool)
        pool_free(map->pool, entry, sizeof(*entry) + strlen(entry->key) + 1);
    else
        xfree(entry);
}

static void value_free(const struct map *map, void *value)
{
    if (map->free_value && value)
        map->free_value(value);
}

/* Takes the entry out of the table and gives its value back. */
static void *entry_unlink(struct map *map, struct map_entry *entry)
{
    void *value = entry->value;

    HASH_DEL(map->entries, entry);
    entry_free(map, entry);
    return value;
}

void map_free(struct map *map)
{
    if (!map)
        return;
    while (map->entries)
        value_free(map, entry_unlink(map, map->entries));
    xfree(map);
}

static struct map_entry *map_find(const struct map *map, const char *key)
{
    struct map_entry *entry;

    HASH_FIND(hh, map->entries, key, strlen(key), entry);
    return entry;
}

void *map_get(const struct map *map, const char *key)
{
    struct map_entry *entry = map_find(map, key);

    return entry ? entry->value : NULL;
}

bool map_has(const struct map *map, const char *key)
{
    return map_find(map, key) != NULL;
}

static void entry_add(struct map *map, const char *key, void *value)
{
    size_t len = strlen(key);
    struct map_entry *entry = entry_new(map, len);

    memcpy(entry->key, key, len + 1);
    entry->value = value;
    HASH_ADD_KEYPTR(hh, map->entries, entry->key, len, entry);
}

void map_set(struct map *map, const char *key, void *value)
{
    struct map_entry *entry = map_find(map, key);
    void *older;

    if (!entry) {
        entry_add(map, key, value);
        return;
    }
    older = entry->value;
    entry->value = value;
    if (older != value)
        value_free(map, older);
}

bool map_remove(struct map *map, const char *key)
{
    struct map_entry *entry = map_find(map, key);

    if (!entry)
        return false;
    value_free(map, entry_unlink(map, entry));
    return true;
}

size_t map_len(const struct map *map)
{
    return HASH_COUNT(map->entries);
}

const struct map_entry *map_first(const struct map *map)
{
    return map->entries;
}

const struct map_entry *map_next(const struct map_entry *entry)
{
    return entry->hh.next;
}

const char *map_entry_key(const struct map_entry *entry)
{
    return entry->key;
}

void *map_entry_value(const struct map_entry *entry)
{
    return entry->value;
}
