/*
 * entry.h - inside of a cache; only pkg/cache may include it.
 *
 * An entry is one block: its place in the tree, the frozen object, version and uid as numbers, and
 * behind it the two texts that name it. The objects of 30,000 Secrets are small; so must this be.
 */
#ifndef CACHE_ENTRY_H
#define CACHE_ENTRY_H

#include "base/pool.h"
#include "base/thread.h"
#include "cache/cache.h"
#include "cache/tree.h"

#define VERSION_MAX sizeof(((struct store_event *)NULL)->version)

struct entry {
    struct tree_node
        node; /* in the cache, by key; mark: its source and the list that named it last */
    void *frozen;
    uint64_t version, uid; /* version_number(), hash */
    uint32_t frozen_size;
    char text[]; /* struct cache_names */
};

struct key entry_key(const struct entry *entry);
struct cache_names entry_names(const struct entry *entry);
/* A reference to a new object. */
const void *entry_thaw(const struct cache_kind *kind, const struct entry *entry);
int entry_compare_key(const struct key *key, const struct entry *entry);

/* --- gone.c: the deletions that some sources have not heard of yet --- */

/* Behind a deletion, another source may still bring states that are older. */
struct gone {
    struct tree_node node;             /* by key */
    const struct cache_source *source; /* that told of it */
    uint64_t version;                  /* nothing older may come back */
    struct key key;
    char text[];
};
const struct gone *gone_find(const struct tree *gone, const struct key *key);
void gone_add(struct tree *gone, const struct key *key, const struct cache_source *source,
              uint64_t version);
/* Those for which `is_over` says so. */
void gone_remove_if(struct tree *gone, bool (*is_over)(const struct gone *gone, void *arg),
                    void *arg);
void gone_clear(struct tree *gone);

/* --- decoded.c: what was decoded last --- */

enum { DECODED_MAX = 32 };
struct decoded {
    struct mutex mutex; /* held while one is decoded */
    struct {
        uint64_t uid, version; /* as of an entry */
        const void *object;
    } items[DECODED_MAX];
    size_t next; /* place that is taken next */
};
int decoded_get(struct decoded *decoded, const struct cache_kind *kind, const struct json *object,
                const void **ret, struct err *err);
/* Before a list, too: it may be of a store that was set back, and has given its versions out anew. */
void decoded_clear(struct decoded *decoded, const struct cache_kind *kind);

/* One index: hash of the value, then key. */
struct hashes {
    uint32_t *items;
    size_t len, alloc;
};
struct index {
    const struct cache_kind *of;
    struct pool *pool; /* of the cache */
    const struct cache_index *kind;
    struct tree tree;
    struct hashes before, after; /* scratch of index_update() */
};
void index_init(struct index *index, const struct cache_kind *of, const struct cache_index *kind,
                struct pool *pool);
/* The members are left to the end of the pool. */
void index_deinit(struct index *index);
/* The entry's object changes: NULL is none. Nothing moves while the values stay the same. */
void index_update(struct index *index, struct entry *entry, const void *before, const void *after);
/* In order of key. `visit` takes the object over. */
void index_each(const struct index *index, const char *value,
                void (*visit)(void *arg, const void *object), void *arg);

#endif
