/*
 * write.h - the reflector's side of a cache: events go in. One thread per source; those of one cache take
 * turns by themselves.
 */
#ifndef CACHE_WRITE_H
#define CACHE_WRITE_H

#include "cache/cache.h"

/* The events from here to the one with initial_end are the source's whole state: what they do not name is
 * swept at the end. */
void cache_begin_list(struct cache_source *source);
/* Changes the cache, then runs handlers and observer. The errors of the kind's decode: what was
 * there before stays, the version counts as seen. */
int cache_apply(struct cache_source *source, const struct store_event *event, struct err *err);
/* The version to go on from; "" before the first list. `to` holds a store_event's version. */
void cache_source_seen_version(struct cache_source *source, char to[24]);
/* The store was set back, as another source has found: list anew. Asked once. */
bool cache_source_wants_list(struct cache_source *source);
/* Would the event change anything? */
bool cache_source_would_change(struct cache_source *source, const struct store_event *event);

/* One turn of reflector_run(): opens the watch or takes an event. How long to wait for the next. */
int64_t reflector_turn(struct reflector *reflector, const struct context *ctx);

#endif
