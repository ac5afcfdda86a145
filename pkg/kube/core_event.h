/*
 * core_event.h - an Event in the form of core/v1: the same object as that of events.k8s.io/v1.
 *
 * Readers of core/v1 that are older than the other form (cmctl, exporters of events) look for source,
 * firstTimestamp, lastTimestamp and count, as client-go's recorder writes them for cert-manager; where
 * these are missing, they show no origin and an unknown age. A new Event may have them in core/v1 only:
 * events.k8s.io/v1 refuses its deprecated fields. Pure functions.
 */
#ifndef KUBE_CORE_EVENT_H
#define KUBE_CORE_EVENT_H

#include "json/json.h"

/* Of one that note_event() has made. Belongs to the caller. */
struct json *core_event(const struct json *event);
/* Into an Event of core/v1, or a patch of one: it was seen so often, the last time then. */
void core_event_set_series(struct json *core, int64_t count, int64_t last_ms);

#endif
