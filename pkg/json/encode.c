/*
 * encode.c - structs to documents.
 */
#include "base/base64.h"
#include "json/member.h"

static struct json *encode_time(int64_t ms)
{
    char text[TIME_TEXT_MAX];

    time_format(ms, text);
    return json_new_text(text);
}

static struct json *encode_microtime(int64_t ms)
{
    char text[TIME_TEXT_MAX];

    time_format_micro(ms, text);
    return json_new_text(text);
}

static struct json *encode_duration(const struct opt_duration *duration)
{
    char text[TIME_TEXT_MAX];

    if (!duration->is_set)
        return json_new_text(duration->unread);
    duration_format(duration->ns, text);
    return json_new_text(text);
}

static struct json *encode_bytes(const struct bytes *bytes)
{
    cleanup(xfree_secret) char *text = base64_new(bytes->data, bytes->len);

    return json_new_text(text);
}

static struct json *encode_strings(const struct array_string *array)
{
    struct json *list = json_new_list();

    for (size_t i = 0; i < array->len; i++)
        json_append_text(list, array->items[i]);
    return list;
}

static struct json *encode_enums(const struct enum_names *names, const struct array_int *array)
{
    struct json *list = json_new_list();

    for (size_t i = 0; i < array->len; i++)
        json_append_text(list, enum_name(names, array->items[i]));
    return list;
}

static struct json *encode_list(const struct field *row, const struct array_any *array)
{
    struct json *list = json_new_list();

    for (size_t i = 0; i < array->len; i++)
        json_append(list, fields_encode(row->of, item_of(row, array, i)));
    return list;
}

static struct json *encode_map(const struct array_pair *array)
{
    struct json *map = json_new_map();

    for (size_t i = 0; i < array->len; i++)
        json_set_text(map, array->items[i].key, array->items[i].value);
    return map;
}

static struct json *encode_member(const struct field *row, const void *member)
{
    switch (row->type) {
    case FIELD_STRING:
    case FIELD_SECRET:
    case FIELD_QUANTITY:
        return json_new_text(*(const char *const *)member);
    case FIELD_BOOL:
        return json_new_bool(*(const bool *)member);
    case FIELD_OPT_BOOL:
        return json_new_bool(((const struct opt_bool *)member)->value);
    case FIELD_INT:
        return json_new_int(*(const int64_t *)member);
    case FIELD_OPT_INT:
        return json_new_int(((const struct opt_int *)member)->value);
    case FIELD_DURATION:
        return encode_duration(member);
    case FIELD_TIME:
        return encode_time(*(const int64_t *)member);
    case FIELD_MICROTIME:
        return encode_microtime(*(const int64_t *)member);
    case FIELD_BYTES:
        return encode_bytes(member);
    case FIELD_ENUM:
        return json_new_text(enum_name(row->names, *(const int *)member));
    case FIELD_INLINE:
        return fields_encode(row->of, member);
    case FIELD_OBJECT:
        return fields_encode(row->of, *(const void *const *)member);
    case FIELD_STRINGS:
        return encode_strings(member);
    case FIELD_ENUMS:
        return encode_enums(row->names, member);
    case FIELD_LIST:
        return encode_list(row, member);
    case FIELD_MAP:
        return encode_map(member);
    case FIELD_RAW:
        return json_ref(*(struct json *const *)member);
    }
    return json_new_null();
}

/* What a required member is written as when it is absent: empty where its type has that, else null
 * (as Go writes an unset time), which reads back as absent. */
static struct json *encode_absent(const struct field *row, const void *member)
{
    switch (row->type) {
    case FIELD_STRING:
    case FIELD_SECRET:
    case FIELD_QUANTITY:
        return json_new_text("");
    case FIELD_OBJECT:
    case FIELD_OPT_BOOL:
    case FIELD_OPT_INT:
    case FIELD_DURATION:
    case FIELD_TIME:
    case FIELD_MICROTIME:
    case FIELD_RAW:
        return json_new_null();
    default:
        return encode_member(row, member);
    }
}

struct json *fields_encode(const struct fields *fields, const void *self)
{
    struct json *map = json_new_map();

    for (size_t i = 0; i < fields->count; i++) {
        const struct field *row = &fields->rows[i];
        const void *member = member_get(self, row);

        if (member_is_present(row, member))
            json_set(map, row->name, encode_member(row, member));
        else if (row->flags & F_REQUIRED)
            json_set(map, row->name, encode_absent(row, member));
    }
    return map;
}
