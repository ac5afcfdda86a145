/* The lists and maps of base/str.h. They are small and built once, so they grow one by one and
 * hold no capacity: a list that a decoder made with exactly `len` places can be added to. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

void strlist_deinit(struct strlist *list)
{
    for (size_t i = 0; i < list->len; i++)
        xfree(list->items[i]);
    xfree(list->items);
    *list = (struct strlist){};
}

void strlist_add(struct strlist *list, const char *s)
{
    strlist_add_take(list, xstrdup(s));
}

void strlist_add_take(struct strlist *list, char *s)
{
    assert(s);
    list->items = xrealloc(list->items, (list->len + 1) * sizeof(*list->items));
    list->items[list->len++] = s;
}

bool strlist_has(const struct strlist *list, const char *s)
{
    for (size_t i = 0; i < list->len; i++)
        if (streq(list->items[i], s))
            return true;
    return false;
}

static int compare_items(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort_items(struct strlist *list)
{
    if (list->len > 1)
        qsort(list->items, list->len, sizeof(*list->items), compare_items);
}

void strlist_sort_unique(struct strlist *list)
{
    size_t kept = 0;

    sort_items(list);
    for (size_t i = 0; i < list->len; i++) {
        if (kept > 0 && streq(list->items[kept - 1], list->items[i]))
            xfree(list->items[i]);
        else
            list->items[kept++] = list->items[i];
    }
    list->len = kept;
}

bool strlist_same_set(const struct strlist *a, const struct strlist *b)
{
    cleanup(strlist_deinit) struct strlist left = {}, right = {};
    size_t i = 0;

    strlist_copy(&left, a);
    strlist_copy(&right, b);
    strlist_sort_unique(&left);
    strlist_sort_unique(&right);
    while (i < left.len && i < right.len && streq(left.items[i], right.items[i]))
        i++;
    return i == left.len && i == right.len;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void add_trimmed(struct strlist *list, const char *s, size_t len)
{
    for (; len > 0 && is_space(*s); s++)
        len--;
    while (len > 0 && is_space(s[len - 1]))
        len--;
    if (len > 0)
        strlist_add_take(list, xstrndup(s, len));
}

void strlist_split(struct strlist *list, const char *s, char separator)
{
    const char *end;

    for (end = strchr(s, separator); end && *end; end = strchr(s, separator)) {
        add_trimmed(list, s, (size_t)(end - s));
        s = end + 1;
    }
    add_trimmed(list, s, strlen(s));
}

char *strlist_join(const struct strlist *list, const char *separator)
{
    cleanup(buf_deinit) struct buf text = BUF(SIZE_MAX / 2);

    for (size_t i = 0; i < list->len; i++) {
        if (i > 0)
            buf_add_str(&text, separator);
        buf_add_str(&text, list->items[i]);
    }
    return buf_take(&text);
}

void strlist_copy(struct strlist *to, const struct strlist *from)
{
    for (size_t i = 0; i < from->len; i++)
        strlist_add(to, from->items[i]);
}

static void entry_deinit(struct strmap_entry *entry)
{
    xfree(entry->key);
    xfree(entry->value);
}

void strmap_deinit(struct strmap *map)
{
    for (size_t i = 0; i < map->len; i++)
        entry_deinit(&map->items[i]);
    xfree(map->items);
    *map = (struct strmap){};
}

static struct strmap_entry *strmap_find(const struct strmap *map, const char *key)
{
    for (size_t i = 0; i < map->len; i++)
        if (streq(map->items[i].key, key))
            return &map->items[i];
    return NULL;
}

const char *strmap_get(const struct strmap *map, const char *key)
{
    struct strmap_entry *entry = strmap_find(map, key);

    return entry ? entry->value : NULL;
}

void strmap_set(struct strmap *map, const char *key, const char *value)
{
    struct strmap_entry *entry = strmap_find(map, key);
    struct strmap_entry fresh = {.key = xstrdup(key), .value = xstrdup(value)};

    assert(fresh.key && fresh.value);
    if (entry) { /* freed only now: `key` and `value` may be its own */
        entry_deinit(entry);
        *entry = fresh;
        return;
    }
    map->items = xrealloc(map->items, (map->len + 1) * sizeof(*map->items));
    map->items[map->len++] = fresh;
}

void strmap_remove(struct strmap *map, const char *key)
{
    struct strmap_entry *entry = strmap_find(map, key);
    size_t after;

    if (!entry)
        return;
    entry_deinit(entry);
    map->len--;
    after = map->len - (size_t)(entry - map->items);
    memmove(entry, entry + 1, after * sizeof(*entry));
}

bool strmap_equal(const struct strmap *a, const struct strmap *b)
{
    if (a->len != b->len) /* keys are unique, so one direction is enough below */
        return false;
    for (size_t i = 0; i < a->len; i++)
        if (!streq(a->items[i].value, strmap_get(b, a->items[i].key)))
            return false;
    return true;
}

void strmap_copy(struct strmap *to, const struct strmap *from)
{
    for (size_t i = 0; i < from->len; i++)
        strmap_set(to, from->items[i].key, from->items[i].value);
}
