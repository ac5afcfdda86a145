/*
 * frozen.h - an object and all it points to as few bytes, and back.
 *
 * An installation holds ten thousands of objects for years and looks at each of them a few times a
 * day. A decoded one is mostly zeros and pointers; frozen it takes a quarter. Thawing takes about a
 * microsecond and two allocations, and never fails. The form is only for the process that made it.
 *
 * A frozen object is constant: any thread may thaw it while it is not freed.
 */
#ifndef API_FROZEN_H
#define API_FROZEN_H

#include "json/field.h"

struct frozen;

/* How to read one: the same at its making, at each thawing and at its end. */
struct frozen_form {
    const struct fields
        *fields; /* every member with memory behind it, and the size of the struct */
    bool secret; /* wiped, and so is what is thawed */
};

/* `known` are texts, each with its NUL, that whoever keeps the frozen object has anyway. They are not
 * kept again; frozen_thaw() must be given the same. `self` is of the form's size. */
struct frozen *frozen_new(const struct frozen_form *form, const void *self, struct bytes known);
/* The struct; it and all behind it are in one block of the new arena, which is the caller's. Equal texts
 * are one, and those that nearly all objects have (annotation keys, "Ready", "True") are constants. */
void *frozen_thaw(const struct frozen_form *form, const struct frozen *frozen, struct bytes known,
                  struct arena **ret_arena);
void frozen_free(const struct frozen_form *form, struct frozen *frozen);
size_t frozen_size(const struct frozen *frozen); /* in bytes */

#endif
