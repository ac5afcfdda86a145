/*
 * field.c - looking things up in tables, and what "present" means for each type.
 */
#include <string.h>

#include "json/member.h"

const char *enum_name(const struct enum_names *names, int value)
{
    return value > 0 && value < names->count ? names->names[value] : "";
}

int enum_value(const struct enum_names *names, const char *name)
{
    for (int i = 1; i < names->count; i++)
        if (streq(names->names[i], name))
            return i;
    return 0;
}

const struct field *fields_row(const struct fields *fields, const char *name)
{
    for (size_t i = 0; i < fields->count; i++)
        if (streq(fields->rows[i].name, name))
            return &fields->rows[i];
    return NULL;
}

static bool struct_is_present(const struct fields *fields, const void *self)
{
    for (size_t i = 0; i < fields->count; i++)
        if (member_is_present(&fields->rows[i], member_get(self, &fields->rows[i])))
            return true;
    return false;
}

bool member_is_present(const struct field *row, const void *member)
{
    switch (row->type) {
    case FIELD_STRING:
    case FIELD_SECRET:
    case FIELD_QUANTITY:
    case FIELD_OBJECT:
    case FIELD_RAW:
        return *(const void *const *)member != NULL;
    case FIELD_BOOL:
        return *(const bool *)member;
    case FIELD_OPT_BOOL:
        return ((const struct opt_bool *)member)->is_set;
    case FIELD_OPT_INT:
        return ((const struct opt_int *)member)->is_set;
    case FIELD_DURATION:
        return ((const struct opt_duration *)member)->is_set ||
               ((const struct opt_duration *)member)->unread;
    case FIELD_INT:
    case FIELD_TIME:
    case FIELD_MICROTIME:
        return *(const int64_t *)member != 0;
    case FIELD_ENUM:
        return *(const int *)member != 0;
    case FIELD_BYTES:
        return ((const struct bytes *)member)->len > 0;
    case FIELD_STRINGS:
    case FIELD_ENUMS:
    case FIELD_LIST:
    case FIELD_MAP:
        return ((const struct array_any *)member)->len > 0;
    case FIELD_INLINE:
        return struct_is_present(row->of, member);
    }
    return false;
}

static void release(void *value)
{
    json_unref(value);
}

struct json *arena_hold_json(struct arena *arena, struct json *value)
{
    if (value)
        arena_on_free(arena, release, json_ref(value));
    return value;
}

bool array_string_has(const struct array_string *array, const char *s)
{
    for (size_t i = 0; i < array->len; i++)
        if (streq(array->items[i], s))
            return true;
    return false;
}

static bool array_string_covers(const struct array_string *array, const struct array_string *part)
{
    for (size_t i = 0; i < part->len; i++)
        if (!array_string_has(array, part->items[i]))
            return false;
    return true;
}

bool array_string_same_set(const struct array_string *a, const struct array_string *b)
{
    return array_string_covers(a, b) && array_string_covers(b, a);
}

void array_string_add_to(const struct array_string *array, struct strlist *to)
{
    for (size_t i = 0; i < array->len; i++)
        strlist_add(to, array->items[i]);
}

const char *array_pair_get(const struct array_pair *array, const char *key)
{
    for (size_t i = 0; i < array->len; i++)
        if (streq(array->items[i].key, key))
            return array->items[i].value;
    return NULL;
}

struct bytes bytes_of(const void *data, size_t len)
{
    return (struct bytes){.data = data, .len = len};
}
