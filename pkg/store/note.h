/*
 * note.h - what both stores make of a note: an Event (events.k8s.io/v1) and the series it belongs to
 * (kubernetes.md 8). Pure functions.
 */
#ifndef STORE_NOTE_H
#define STORE_NOTE_H

#include "store/store.h"

/* Texts are cut to what an API server takes, not inside of a character. `instance` is the reporting
 * one; `number` makes names differ within a millisecond. */
struct json *note_event(const struct store_note *note, const char *instance, uint64_t number,
                        int64_t now_ms);
/* Everything that makes two Events the same but text and time. */
char *note_series(const struct store_note *note);

#endif
