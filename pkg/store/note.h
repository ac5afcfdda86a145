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

/* Notes that differ in text only are Events of their own, as client-go's recorder has it, so that none hides what another
 * says. But a text may hold a count or a time: of one kind and object so many series go on at a time, and what is beyond
 * belongs to the last one, which says what was said last. */
enum { NOTE_SERIES_MAX = 5 };
enum note_place { PLACE_FREE, PLACE_SAME_TEXT, PLACE_OTHER_TEXT }; /* what goes on there */
size_t note_place(const enum note_place places[NOTE_SERIES_MAX]);
/* Everything that makes two Events the same but text and time, and the place. */
char *note_series(const struct store_note *note, size_t place);
uint64_t note_text(const char *message); /* a hash of what is shown of it */

#endif
