/*
 * compare.c - are two structs the same, and was anything changed that may not be.
 */
#include <string.h>

#include "json/member.h"

static bool strings_equal(const struct array_string *a, const struct array_string *b)
{
    if (a->len != b->len)
        return false;
    for (size_t i = 0; i < a->len; i++)
        if (!streq(a->items[i], b->items[i]))
            return false;
    return true;
}

static bool maps_equal(const struct array_pair *a, const struct array_pair *b)
{
    if (a->len != b->len)
        return false;
    for (size_t i = 0; i < a->len; i++)
        if (!streq(a->items[i].value, array_pair_get(b, a->items[i].key)))
            return false;
    return true;
}

static bool same_bytes(const void *a, const void *b, size_t len)
{
    return len == 0 || memcmp(a, b, len) == 0;
}

static bool objects_equal(const struct fields *fields, const void *a, const void *b)
{
    if (!a || !b)
        return a == b;
    return fields_equal(fields, a, b);
}

static bool same_key(const struct fields *fields, const char *name, const void *a, const void *b)
{
    const struct field *row = name ? fields_row(fields, name) : NULL;

    return !row || member_equal(row, member_get(a, row), member_get(b, row));
}

static bool list_has_equal(const struct field *row, const struct array_any *list, const void *item)
{
    for (size_t i = 0; i < list->len; i++) {
        const void *other = item_of(row, list, i);

        if (same_key(row->of, row->key, item, other) && same_key(row->of, row->key2, item, other))
            return fields_equal(row->of, item, other);
    }
    return false;
}

/* Nearly always both are in the same order, so the search is for the rest. Keys are unique, so as
 * many items, each with its equal on the other side, are the same set. */
static bool lists_equal(const struct field *row, const struct array_any *a,
                        const struct array_any *b)
{
    if (a->len != b->len)
        return false;
    for (size_t i = 0; i < a->len; i++) {
        const void *item = item_of(row, a, i);

        if (fields_equal(row->of, item, item_of(row, b, i)))
            continue;
        if (!row->key || !list_has_equal(row, b, item))
            return false;
    }
    return true;
}

static bool durations_equal(const struct opt_duration *a, const struct opt_duration *b)
{
    return a->is_set == b->is_set && (a->is_set ? a->ns == b->ns : streq(a->unread, b->unread));
}

bool member_equal(const struct field *row, const void *a, const void *b)
{
    if (member_is_present(row, a) != member_is_present(row, b))
        return false;
    if (!member_is_present(row, a))
        return true;
    switch (row->type) {
    case FIELD_STRING:
    case FIELD_SECRET:
    case FIELD_QUANTITY:
        return streq(*(const char *const *)a, *(const char *const *)b);
    case FIELD_BOOL:
        return *(const bool *)a == *(const bool *)b;
    case FIELD_OPT_BOOL:
        return ((const struct opt_bool *)a)->value == ((const struct opt_bool *)b)->value;
    case FIELD_OPT_INT:
        return ((const struct opt_int *)a)->value == ((const struct opt_int *)b)->value;
    case FIELD_DURATION:
        return durations_equal(a, b);
    case FIELD_INT:
    case FIELD_TIME:
    case FIELD_MICROTIME:
        return *(const int64_t *)a == *(const int64_t *)b;
    case FIELD_ENUM:
        return *(const int *)a == *(const int *)b;
    case FIELD_BYTES: {
        const struct bytes *x = a, *y = b;

        return x->len == y->len && same_bytes(x->data, y->data, x->len);
    }
    case FIELD_INLINE:
        return fields_equal(row->of, a, b);
    case FIELD_OBJECT:
        return objects_equal(row->of, *(const void *const *)a, *(const void *const *)b);
    case FIELD_STRINGS:
        return strings_equal(a, b);
    case FIELD_ENUMS: {
        const struct array_int *x = a, *y = b;

        return x->len == y->len && same_bytes(x->items, y->items, x->len * sizeof(*x->items));
    }
    case FIELD_LIST:
        return lists_equal(row, a, b);
    case FIELD_MAP:
        return maps_equal(a, b);
    case FIELD_RAW:
        return json_same(*(struct json *const *)a, *(struct json *const *)b);
    }
    return false;
}

bool fields_equal(const struct fields *fields, const void *a, const void *b)
{
    for (size_t i = 0; i < fields->count; i++) {
        const struct field *row = &fields->rows[i];

        if (!member_equal(row, member_get(a, row), member_get(b, row)))
            return false;
    }
    return true;
}

static bool may_change(const struct field *row, const void *before)
{
    return row->type != FIELD_INLINE && !member_is_present(row, before);
}

static void check_members(const struct fields *fields, const void *before, const void *after,
                          const struct path *path, struct field_report *report);

static void check_member(const struct field *row, const void *before, const void *after,
                         const struct path *path, struct field_report *report)
{
    cleanup(xfree) char *where = NULL;

    if (row->flags & F_IMMUTABLE) {
        if (may_change(row, before) || member_equal(row, before, after))
            return;
        where = path_text(path);
        field_report_add(report, PROBLEM_INVALID, where, "may not be changed");
    } else if (row->type == FIELD_INLINE) {
        check_members(row->of, before, after, path, report);
    } else if (row->type == FIELD_OBJECT) {
        const void *old = *(const void *const *)before, *new = *(const void *const *)after;

        if (old && new)
            check_members(row->of, old, new, path, report);
    }
}

static void check_members(const struct fields *fields, const void *before, const void *after,
                          const struct path *path, struct field_report *report)
{
    for (size_t i = 0; i < fields->count; i++) {
        const struct field *row = &fields->rows[i];
        struct path place = {.up = path, .name = row->name};

        check_member(row, member_get(before, row), member_get(after, row), &place, report);
    }
}

void fields_check_immutable(const struct fields *fields, const void *before, const void *after,
                            const char *path, struct field_report *report)
{
    struct path root = {.name = path};

    check_members(fields, before, after, &root, report);
}
