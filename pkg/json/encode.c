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

static struct json *encode_duration(const struct field *row, const struct opt_duration *duration)
{
    char text[TIME_TEXT_MAX];

    if (!duration->is_set)
        return json_new_text(duration->unread);
    if (row->flags & F_PLAIN)
        duration_format_plain(duration->ns, text);
    else
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

static struct json *encode(const struct fields *fields, const void *self, bool as_go);

static struct json *encode_list(const struct field *row, const struct array_any *array, bool as_go)
{
    struct json *list = json_new_list();

    for (size_t i = 0; i < array->len; i++)
        json_append(list, encode(row->of, item_of(row, array, i), as_go));
    return list;
}

static struct json *encode_map(const struct array_pair *array)
{
    struct json *map = json_new_map();

    for (size_t i = 0; i < array->len; i++)
        json_set_text(map, array->items[i].key, array->items[i].value);
    return map;
}

/* A document that is kept as it came: Go has a struct for it. */
static struct json *encode_raw(const struct field *row, struct json *value, bool as_go)
{
    cleanup(arena_free) struct arena *arena = NULL;
    struct err ignored = {};
    void *self;

    if (!as_go || !row->of)
        return json_ref(value);
    arena = arena_new(0);
    self = arena_alloc(arena, row->of->size);
    return fields_decode(row->of, value, arena, self, row->name, NULL, &ignored) < 0
               ? json_ref(value)
               : encode(row->of, self, true);
}

static struct json *encode_member(const struct field *row, const void *member, bool as_go)
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
        return encode_duration(row, member);
    case FIELD_TIME:
        return encode_time(*(const int64_t *)member);
    case FIELD_MICROTIME:
        return encode_microtime(*(const int64_t *)member);
    case FIELD_BYTES:
        return encode_bytes(member);
    case FIELD_ENUM:
        return json_new_text(enum_name(row->names, *(const int *)member));
    case FIELD_INLINE:
        return encode(row->of, member, as_go);
    case FIELD_OBJECT:
        return encode(row->of, *(const void *const *)member, as_go);
    case FIELD_STRINGS:
        return encode_strings(member);
    case FIELD_ENUMS:
        return encode_enums(row->names, member);
    case FIELD_LIST:
        return encode_list(row, member, as_go);
    case FIELD_MAP:
        return encode_map(member);
    case FIELD_RAW:
        return encode_raw(row, *(struct json *const *)member, as_go);
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
        return encode_member(row, member, false);
    }
}

/* An empty text, list or map is none, except behind a pointer. */
static bool go_omits(const struct field *row, const void *member)
{
    if (field_is_text(row->type))
        return str_empty(*(const char *const *)member) && !(row->flags & F_POINTER);
    return row->type == FIELD_RAW && !row->of && json_len(*(struct json *const *)member) == 0;
}

/* Bytes that are not there are null; a struct without a pointer to it always is. */
static struct json *encode_empty_as_go(const struct field *row, const void *member)
{
    cleanup(xfree) void *empty = NULL;

    if (row->type == FIELD_BYTES)
        return json_new_null();
    if (!(row->flags & F_NO_OMIT) || !row->of)
        return encode_absent(row, member);
    empty = xcalloc(1, row->of->size);
    return encode(row->of, empty, true);
}

static struct json *encode(const struct fields *fields, const void *self, bool as_go)
{
    const unsigned always = F_REQUIRED | (as_go ? F_NO_OMIT : 0);
    struct json *map = json_new_map();

    for (size_t i = 0; i < fields->count; i++) {
        const struct field *row = &fields->rows[i];
        const void *member = member_get(self, row);

        if (member_is_present(row, member) && !(as_go && go_omits(row, member)))
            json_set(map, row->name, encode_member(row, member, as_go));
        else if (row->flags & always)
            json_set(map, row->name,
                     as_go ? encode_empty_as_go(row, member) : encode_absent(row, member));
    }
    return map;
}

struct json *fields_encode(const struct fields *fields, const void *self)
{
    return encode(fields, self, false);
}

struct json *fields_encode_as_go(const struct fields *fields, const void *self)
{
    return encode(fields, self, true);
}
