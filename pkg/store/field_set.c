#include "store/field_set.h"

#include <string.h>

struct field_set *field_set_new(void)
{
    return xalloc(sizeof(struct field_set));
}

void field_set_free(struct field_set *set)
{
    if (!set)
        return;
    for (size_t i = 0; i < set->len; i++)
        field_set_free(set->children[i]);
    xfree(set->children);
    xfree(set->step);
    xfree(set);
}

/* Where `step` is or would have to be: children are sorted. */
static size_t child_index(const struct field_set *set, const char *step, bool *ret_found)
{
    size_t low = 0, high = set->len;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(set->children[middle]->step, step);

        if (order == 0) {
            *ret_found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_found = false;
    return low;
}

struct field_set *field_set_get(const struct field_set *set, const char *step)
{
    bool found = false;
    size_t i;

    if (!set)
        return NULL;
    i = child_index(set, step, &found);
    return found ? set->children[i] : NULL;
}

struct field_set *field_set_need(struct field_set *set, const char *step)
{
    struct field_set *child;
    bool found;
    size_t i = child_index(set, step, &found);

    if (found)
        return set->children[i];
    if (set->len == set->alloc) {
        set->alloc = set->alloc ? set->alloc * 2 : 4;
        set->children = xrealloc(set->children, set->alloc * sizeof(set->children[0]));
    }
    child = field_set_new();
    child->step = xstrdup(step);
    memmove(set->children + i + 1, set->children + i, (set->len - i) * sizeof(set->children[0]));
    set->children[i] = child;
    set->len++;
    return child;
}

bool field_set_is_empty(const struct field_set *set)
{
    if (!set)
        return true;
    if (set->member)
        return false;
    for (size_t i = 0; i < set->len; i++) {
        if (!field_set_is_empty(set->children[i]))
            return false;
    }
    return true;
}

bool field_set_same(const struct field_set *a, const struct field_set *b)
{
    if (a->member != b->member || a->len != b->len)
        return false;
    for (size_t i = 0; i < a->len; i++) {
        if (!streq(a->children[i]->step, b->children[i]->step) ||
            !field_set_same(a->children[i], b->children[i]))
            return false;
    }
    return true;
}

void field_set_add_all(struct field_set *set, const struct field_set *more)
{
    set->member = set->member || more->member;
    for (size_t i = 0; i < more->len; i++) {
        if (!field_set_is_empty(more->children[i]))
            field_set_add_all(field_set_need(set, more->children[i]->step), more->children[i]);
    }
}

static void remove_child(struct field_set *set, size_t i)
{
    field_set_free(set->children[i]);
    set->len--;
    memmove(set->children + i, set->children + i + 1, (set->len - i) * sizeof(set->children[0]));
}

void field_set_remove_all(struct field_set *set, const struct field_set *less)
{
    if (less->member)
        set->member = false;
    for (size_t i = 0; i < less->len; i++) {
        bool found;
        size_t at = child_index(set, less->children[i]->step, &found);

        if (!found)
            continue;
        field_set_remove_all(set->children[at], less->children[i]);
        if (field_set_is_empty(set->children[at]))
            remove_child(set, at);
    }
}

static void read_children(struct field_set *set, const struct json *map)
{
    json_for_each (step, value, map) {
        if (streq(step, ".")) {
            set->member = true;
        } else if (json_kind(value) == JSON_KIND_MAP &&
                   (str_starts(step, "f:") || str_starts(step, "k:") || str_starts(step, "v:"))) {
            struct field_set *child = field_set_need(set, step);

            child->member = json_len(value) == 0;
            read_children(child, value);
        }
    }
}

struct field_set *field_set_from_json(const struct json *fields_v1)
{
    struct field_set *set = field_set_new();

    read_children(set, fields_v1);
    set->member = false; /* the object as such is nobody's */
    return set;
}

struct json *field_set_to_json(const struct field_set *set)
{
    struct json *map = json_new_map();

    if (set->member && set->len > 0)
        json_set(map, ".", json_new_map());
    for (size_t i = 0; i < set->len; i++) {
        if (!field_set_is_empty(set->children[i])) /* else {} would read as a member */
            json_set(map, set->children[i]->step, field_set_to_json(set->children[i]));
    }
    return map;
}
