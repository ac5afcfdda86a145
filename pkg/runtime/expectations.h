/*
 * expectations.h - "I have written this; do not run me on an older view".
 *
 * A reconcile that writes records the version that the write returned, and the source of the kind's cache
 * that will carry the object (cache_source_for()), against its own key; the key is not run again until that
 * source has seen the version or a later one. What is parked meanwhile comes back into the queue by
 * itself; 5 minutes is the safety end. Any thread.
 */
#ifndef RUNTIME_EXPECTATIONS_H
#define RUNTIME_EXPECTATIONS_H

#include "cache/cache.h"
#include "runtime/workqueue.h"

struct expectations;
struct expectations *expectations_new(struct workqueue *queue, const struct clock *clock);
void expectations_free(struct expectations *expectations);
DEFINE_CLEANUP(struct expectations, expectations_free);
void expectations_add(struct expectations *expectations, unsigned lane, const struct key *key,
                      struct cache_source *source, const char *version);
/* From now on the key is not run, until it is released and nothing else is expected of it: for who is
 * about to write what the key's reconciler shall see only when it is complete. */
void expectations_hold(struct expectations *expectations, unsigned lane, const struct key *key);
void expectations_release(struct expectations *expectations, unsigned lane, const struct key *key);
/* False: the key was parked, do not run it now. */
bool expectations_met(struct expectations *expectations, unsigned lane, const struct key *key);
/* Keys with a write that its source has not seen, parked or not. */
size_t expectations_open(struct expectations *expectations);
/* Hook for cache_set_observer(): releases what waited for this source. */
void expectations_observe(void *expectations, struct cache_source *source);

#endif
