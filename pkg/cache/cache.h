/*
 * cache.h - the objects of one kind, decoded, indexed and kept in step with the store.
 *
 *   store watch ─► reflector ─► decode ─► cache (typed, immutable, counted) ─► handlers (keys to queues)
 *
 * A cache keeps objects frozen, in a form of a few hundred bytes that is the kind's own business;
 * cache_get() and friends thaw what they hand out, so that a reader has an object of its own while the
 * cache moves on. That takes a microsecond or two, and twice the same question gives two objects. Kinds
 * come in as functions. Any thread may read; the reflectors' threads write, one at a time. Handlers run on
 * the writing thread, without what readers wait for.
 *
 * A relist marks and sweeps in place: an object with the same uid and version is not decoded again, and
 * what is gone is handed to the handlers as deleted. An object that does not decode is logged,
 * counted, and does not stop the others.
 *
 * Sources. A cache is fed by one watch or by several, each of which sees a part of the objects (a
 * namespace, those with a label): their views do not overlap, but an object may move from one to another,
 * and then arrives as DELETED on one and as ADDED on the other, in any order. Of one name the newest version
 * wins, whoever brings it; only the source that holds an object can take it away; and what is late of a
 * deleted one does not come back. What remains is that an object may be absent for the moment between
 * the two events. So in a cache whose sources are split by label absence is no fact: who would act
 * on it asks the store first (controller/secrets.h).
 *
 * Versions that have been seen are each source's own. The one that carries an object just written is known
 * by its view (cache_source_for()), and when that one has seen the version, the cache has that state, or
 * a later one, or none; what other sources have seen does not matter.
 */
#ifndef CACHE_CACHE_H
#define CACHE_CACHE_H

#include "store/store.h"

struct cache;
struct cache_source;

/* Calls `emit(arg, value)` for each index value of the object. */
typedef void cache_emit_fn(void *arg, const char *value);
struct cache_index {
    const char *name;
    void (*values)(const void *object, cache_emit_fn *emit, void *arg);
};

/* Texts of an object, one behind the other, each with its NUL: namespace, name. */
struct cache_names {
    const char *text;
    size_t len;
};

struct cache_kind { /* static const */
    const struct resource *resource;
    int (*decode)(const struct json *value, const void **ret, struct err *err); /* a reference */
    void (*unref)(const void *object);
    const void *(*ref)(const void *object); /* NULL: none is ever shared */
    /* freeze() appends; what it wrote is wiped when it goes. `names` are kept by the cache and need not
     * be in it: thaw() is given the same. It makes a reference to a new object, on any thread, under the
     * lock. `form` is the row's. */
    void (*freeze)(const void *form, const void *object, struct cache_names names, struct buf *to);
    const void *(*thaw)(const void *form, const void *frozen, struct cache_names names);
    const void *form;
    const struct cache_index *indexes;
    size_t index_count;
    bool optional; /* a server without this kind counts as one without objects of it */
};

struct cache *cache_new(const struct cache_kind *kind);
void cache_free(struct cache *cache);
DEFINE_CLEANUP(struct cache, cache_free);
const struct cache_kind *cache_kind(const struct cache *cache);

/*
 * The kind's decode(), for answers of the store, too: what we write comes back by the watch, before the answer or
 * behind it, and is decoded once. Who comes second waits for the first, and gets a reference to the same object.
 * The last few are kept.
 */
int cache_decode(struct cache *cache, const struct json *object, const void **ret, struct err *err);

/* A reference to an object of the caller's own, or NULL. */
const void *cache_get(struct cache *cache, const struct key *key);
/* Has it the object of this uid, at this version or an older one? */
bool cache_has_up_to(struct cache *cache, const struct key *key, const char *uid,
                     const char *version);
struct cache_refs { /* references, in order of key */
    const void **items;
    size_t len;
    void (*unref)(const void *object);
};
void cache_refs_deinit(struct cache_refs *refs);
DEFINE_CLEANUP_VALUE(struct cache_refs, cache_refs_deinit);
/* All objects of a namespace; NULL: of all. Like cache_by_index(), adds behind what `ret` holds. */
void cache_list(struct cache *cache, const char *namespace, struct cache_refs *ret);
/* Those with that value in the named index. */
void cache_by_index(struct cache *cache, const char *index, const char *value,
                    struct cache_refs *ret);
size_t cache_len(struct cache *cache);
/* How often an object did not decode, for metrics. */
uint64_t cache_undecodable(struct cache *cache);
/* Walk all, or those in the index, one thawed at a time, under the lock: `visit` must be short and call
 * nothing here. For where all are looked at: references to ten thousand objects are much memory. */
typedef void cache_visit_fn(void *arg, const void *object);
void cache_visit(struct cache *cache, cache_visit_fn *visit, void *arg);
void cache_visit_index(struct cache *cache, const char *index, const char *value,
                       cache_visit_fn *visit, void *arg);

/* `before` NULL: added; `after` NULL: deleted. `initial`: part of the first list (low priority). */
typedef void cache_handler_fn(void *arg, const struct key *key, const void *before,
                              const void *after, bool initial);
void cache_add_handler(struct cache *cache, cache_handler_fn *handler,
                       void *arg); /* before the first event */

/* Before the first event. `view` NULL: all; copied, and must have been checked. Lives as long as the cache;
 * at most CACHE_SOURCES_MAX. */
#define CACHE_SOURCES_MAX 4096
struct cache_source *cache_add_source(struct cache *cache, const struct store_view *view);
/* The one in whose view the object is, as it is now; NULL: nobody watches it. */
struct cache_source *cache_source_for(struct cache *cache, const struct json *object);
/* The same by namespace alone, for kinds that are not split otherwise. */
struct cache_source *cache_source_in(struct cache *cache, const char *namespace);
struct cache *cache_source_cache(const struct cache_source *source);
const struct store_view *cache_source_view(const struct cache_source *source);
/* Its first whole list has been seen. */
bool cache_source_is_synced(struct cache_source *source);
/* Has it seen this version or a later one (an object's or a bookmark's)? */
bool cache_source_has_seen(struct cache_source *source, const char *version);
/* Of all sources; true when there is none. */
bool cache_is_synced(struct cache *cache);
/* Called after each event, on the writing thread: the expectations hang here. */
typedef void cache_observe_fn(void *arg, struct cache_source *source);
void cache_set_observer(struct cache *cache, cache_observe_fn *observe, void *arg);

/* --- reflector: keeps one source of a cache in step --- */

struct reflector;
struct reflector *reflector_new(struct store *store, struct cache_source *source);
void reflector_free(struct reflector *reflector);
DEFINE_CLEANUP(struct reflector, reflector_free);
/* Body of its thread: until cancelled. Errors are logged, once as long as they stay the same, and retried
 * with back-off (0.8 s doubling to 30 s, jitter); ERR_GONE lists anew at once. */
void reflector_run(struct reflector *reflector, const struct context *ctx);
/* For one-threaded tests: takes what is there now, without waiting. Number of events, or an error. */
int reflector_step(struct reflector *reflector, const struct context *ctx, struct err *err);
/* Until the first whole list has been seen, and no further: for who only looks. Any error ends it. */
int reflector_read(struct reflector *reflector, const struct context *ctx, struct err *err);
/* Has the cache seen all that the store has in this view now? Asks the store, with a watch of its own that must
 * answer at once. Any thread. */
bool reflector_is_current(struct reflector *reflector, const struct context *ctx);

#endif
