/*
 * derived.h - what was made of objects as they were read, until they change: the keys of a CA, a solver's Secret.
 *
 *   live read ─► value ─► derived_put() ─► derived_get(), while the cache has that version or an older one
 *
 * A burst of work reads such an object once. A value stays only while the cache has its object: who else would
 * tell that it is gone? So whoever hears of a change calls derived_forget(). Values are counted. Any thread.
 */
#ifndef CACHE_DERIVED_H
#define CACHE_DERIVED_H

#include "cache/cache.h"

struct derived_kind { /* static const */
    const void *(*ref)(const void *value);
    void (*unref)(const void *value);
};

struct derived;
struct derived *derived_new(struct cache *cache, const struct derived_kind *kind);
void derived_free(struct derived *derived);
DEFINE_CLEANUP(struct derived, derived_free);

/* A reference; NULL: the object has to be read. */
const void *derived_get(struct derived *derived, const struct key *key);
/* Made of the object of this uid at this version. The caller keeps its reference. */
void derived_put(struct derived *derived, const struct key *key, const char *uid,
                 const char *version, const void *value);
void derived_forget(struct derived *derived, const struct key *key);
size_t derived_len(struct derived *derived);

#endif
