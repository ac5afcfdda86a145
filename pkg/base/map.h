/*
 * map.h - hash table from string to pointer (uthash inside). Iterates in order of insertion.
 *
 * Keys are copied. With a free function the map owns its values. Not for threads at once.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/pool.h"

struct map;
struct map_entry;
typedef void map_free_fn(void *value);

struct map *map_new(map_free_fn *free_value); /* NULL: values are only borrowed */
/* Entries are in the pool, which must outlive the map: for thousands that stay. */
struct map *map_new_in(struct pool *pool, map_free_fn *free_value);
void map_free(struct map *map);
DEFINE_CLEANUP(struct map, map_free);
void *map_get(const struct map *map, const char *key); /* NULL when absent */
bool map_has(const struct map *map, const char *key);
void map_set(struct map *map, const char *key, void *value); /* replaces (and frees) an older one */
bool map_remove(struct map *map, const char *key); /* frees the value; true if it was there */
size_t map_len(const struct map *map);

const struct map_entry *map_first(const struct map *map);
const struct map_entry *map_next(const struct map_entry *entry);
const char *map_entry_key(const struct map_entry *entry);
void *map_entry_value(const struct map_entry *entry);
/* The body must not remove other entries than the one it looks at. */
#define map_for_each(entry, map)                                                                   \
    for (const struct map_entry *entry = map_first(map),                                           \
                                *entry##_next = entry ? map_next(entry) : NULL;                    \
         entry; entry = entry##_next, entry##_next = entry ? map_next(entry) : NULL)

#endif
