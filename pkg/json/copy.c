/*
 * copy.c - structs into another arena.
 */
#include <string.h>

#include "json/member.h"

static void copy_text(const void *from, void *to, struct arena *arena)
{
    *(const char **)to = arena_strdup(arena, *(const char *const *)from);
}

static void copy_duration(const struct opt_duration *from, struct opt_duration *to,
                          struct arena *arena)
{
    *to = *from;
    to->unread = arena_strdup(arena, from->unread);
}

static void copy_bytes(const struct bytes *from, struct bytes *to, struct arena *arena)
{
    *to = (struct bytes){};
    if (from->len > 0)
        *to = bytes_of(arena_memdup(arena, from->data, from->len), from->len);
}

static void copy_object(const struct field *row, const void *from, void *to, struct arena *arena)
{
    const void *object = *(const void *const *)from;
    void *copy = NULL;

    if (object) {
        copy = arena_alloc(arena, row->of->size);
        fields_copy(row->of, object, copy, arena);
    }
    *(void **)to = copy;
}

/* Room for as many items of `size` bytes; the items themselves are the caller's. */
static void copy_array(const struct array_any *from, struct array_any *to, size_t size,
                       struct arena *arena)
{
    *to = (struct array_any){};
    if (from->len == 0)
        return;
    to->items = arena_alloc(arena, from->len * size);
    to->len = from->len;
}

static void copy_strings(const struct array_string *from, struct array_string *to,
                         struct arena *arena)
{
    copy_array((const struct array_any *)from, (struct array_any *)to, sizeof(*to->items), arena);
    for (size_t i = 0; i < from->len; i++)
        to->items[i] = arena_strdup(arena, from->items[i]);
}

static void copy_enums(const struct array_int *from, struct array_int *to, struct arena *arena)
{
    copy_array((const struct array_any *)from, (struct array_any *)to, sizeof(*to->items), arena);
    for (size_t i = 0; i < from->len; i++)
        to->items[i] = from->items[i];
}

static void copy_list(const struct field *row, const struct array_any *from, struct array_any *to,
                      struct arena *arena)
{
    copy_array(from, to, row->of->size, arena);
    for (size_t i = 0; i < from->len; i++)
        fields_copy(row->of, item_of(row, from, i), item_of(row, to, i), arena);
}

static void copy_map(const struct array_pair *from, struct array_pair *to, struct arena *arena)
{
    copy_array((const struct array_any *)from, (struct array_any *)to, sizeof(*to->items), arena);
    for (size_t i = 0; i < from->len; i++) {
        to->items[i].key = arena_strdup(arena, from->items[i].key);
        to->items[i].value = arena_strdup(arena, from->items[i].value);
    }
}

static void copy_raw(const void *from, void *to, struct arena *arena)
{
    *(struct json **)to = arena_hold_json(arena, *(struct json *const *)from);
}

static void copy_member(const struct field *row, const void *from, void *to, struct arena *arena)
{
    switch (row->type) {
    case FIELD_STRING:
    case FIELD_SECRET:
    case FIELD_QUANTITY:
        copy_text(from, to, arena);
        break;
    case FIELD_BOOL:
        *(bool *)to = *(const bool *)from;
        break;
    case FIELD_OPT_BOOL:
        *(struct opt_bool *)to = *(const struct opt_bool *)from;
        break;
    case FIELD_OPT_INT:
        *(struct opt_int *)to = *(const struct opt_int *)from;
        break;
    case FIELD_DURATION:
        copy_duration(from, to, arena);
        break;
    case FIELD_INT:
    case FIELD_TIME:
    case FIELD_MICROTIME:
        *(int64_t *)to = *(const int64_t *)from;
        break;
    case FIELD_ENUM:
        *(int *)to = *(const int *)from;
        break;
    case FIELD_BYTES:
        copy_bytes(from, to, arena);
        break;
    case FIELD_INLINE:
        fields_copy(row->of, from, to, arena);
        break;
    case FIELD_OBJECT:
        copy_object(row, from, to, arena);
        break;
    case FIELD_STRINGS:
        copy_strings(from, to, arena);
        break;
    case FIELD_ENUMS:
        copy_enums(from, to, arena);
        break;
    case FIELD_LIST:
        copy_list(row, from, to, arena);
        break;
    case FIELD_MAP:
        copy_map(from, to, arena);
        break;
    case FIELD_RAW:
        copy_raw(from, to, arena);
        break;
    }
}

void fields_copy(const struct fields *fields, const void *from, void *to, struct arena *arena)
{
    memset(to, 0, fields->size); /* members without a row, and padding */
    for (size_t i = 0; i < fields->count; i++) {
        const struct field *row = &fields->rows[i];

        copy_member(row, member_get(from, row), member_of(to, row), arena);
    }
}
