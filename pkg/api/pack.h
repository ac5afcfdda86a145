/*
 * pack.h - an object and all it points to, moved into one block of memory of exactly its size.
 *
 * Decoding cannot know how much it will need. An installation holds ten thousands of objects for
 * years, so each is decoded into a scratch arena and then packed: structs first, then all texts
 * without gaps. Equal texts are stored once, and those that nearly all objects have (annotation
 * keys, "Ready", "True") not at all.
 */
#ifndef API_PACK_H
#define API_PACK_H

#include "json/field.h"

/* A copy of `self` (of `size` bytes) and of what the members in `fields` point to. `self` is used
 * up: its pointers are changed on the way. `secret`: the arena is wiped. */
struct arena *pack(const struct fields *fields, void *self, size_t size, bool secret,
                   void **ret_copy);

#endif
