/*
 * arena.h - memory of one decoded object, which dies together.
 *
 * Not for threads at once. A secret arena is wiped before its memory goes back.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/base.h"

struct arena;

struct arena *arena_new(size_t first_chunk); /* bytes; 0 for the default */
struct arena *arena_new_secret(size_t first_chunk);
void arena_free(struct arena *arena);
DEFINE_CLEANUP(struct arena, arena_free);
void *arena_alloc(struct arena *arena, size_t size);    /* zeroed, aligned to 8 bytes */
char *arena_strdup(struct arena *arena, const char *s); /* NULL gives NULL */
char *arena_strndup(struct arena *arena, const char *s, size_t len);
void *arena_memdup(struct arena *arena, const void *data, size_t len);
char *arena_printf(struct arena *arena, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Run `fn(arg)` when the arena is freed, before its memory goes: for counted things it holds. */
void arena_on_free(struct arena *arena, void (*fn)(void *), void *arg);
size_t arena_size(const struct arena *arena); /* bytes taken from the heap */

#endif
