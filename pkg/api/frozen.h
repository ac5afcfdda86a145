/*
 * frozen.h - an object and all it points to as few bytes, and back.
 *
 * An installation holds ten thousands of objects for years and looks at each of them a few times a
 * day. A decoded one is mostly zeros and pointers; frozen it takes a quarter. Thawing takes about a
 * microsecond and two allocations, and never fails. The form is only for the process that made it.
 *
 * A frozen object is nothing but bytes: any thread may thaw it, and whoever keeps it wipes it if it was
 * secret.
 */
#ifndef API_FROZEN_H
#define API_FROZEN_H

#include "json/field.h"

/* How to read one: the same at its making and at each thawing. */
struct frozen_form {
    const struct fields
        *fields; /* every member with memory behind it, and the size of the struct */
    bool secret; /* what is thawed is wiped */
};

/* Appends the frozen `self`, which is of the form's size. `known` are texts, each with its NUL, that
 * whoever keeps the frozen object has anyway. They are not kept again; thaw() must be given the same. */
void freeze(const struct frozen_form *form, const void *self, struct bytes known, struct buf *to);
/* The struct; it and all behind it are in one block of the new arena, which is the caller's. Equal texts
 * are one, and those that nearly all objects have (annotation keys, "Ready", "True") are constants. */
void *thaw(const struct frozen_form *form, const void *frozen, struct bytes known,
           struct arena **ret_arena);

#endif
