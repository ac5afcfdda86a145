/*
 * member.h - what the files of the field seam share; nobody outside json/ includes it.
 */
#ifndef JSON_MEMBER_H
#define JSON_MEMBER_H

#include "json/field.h"

/* Any ARRAY_OF, looked at without its type. */
struct array_any {
    char *items;
    size_t len;
};

static inline void *member_of(void *self, const struct field *row)
{
    return (char *)self + row->offset;
}
static inline const void *member_get(const void *self, const struct field *row)
{
    return (const char *)self + row->offset;
}
static inline void *item_of(const struct field *row, const struct array_any *array, size_t i)
{
    return array->items + i * row->of->size;
}

bool member_is_present(const struct field *row, const void *member);
bool member_equal(const struct field *row, const void *a, const void *b);
/* Shares `value` for as long as the arena lives. */
struct json *arena_hold_json(struct arena *arena, struct json *value);
const struct field *fields_row(const struct fields *fields, const char *name); /* NULL: none */
/* The known name that was probably meant; NULL when none is near. */
const char *fields_nearest_name(const struct fields *fields, const char *name);

/* Where a decoder is: a chain on its stack, made into text only when somebody must be told. */
struct path {
    const struct path *up; /* NULL at the root, whose name is the caller's text */
    const char *name;      /* of a member, or the key in a map; NULL: an index */
    size_t index;
    bool is_key;
};
char *path_text(const struct path *path); /* heap string */

/* Types whose C value is one `const char *`. */
static inline bool field_is_text(enum field_type type)
{
    return type == FIELD_STRING || type == FIELD_SECRET || type == FIELD_QUANTITY;
}

#endif
