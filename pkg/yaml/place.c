/*
 * place.c - lines by path; the form of paths is json/path.c's.
 */
#include "yaml/place.h"

#include <stdlib.h>
#include <string.h>

enum { BYTES_PER_COST = 64 };

size_t place_cost_of_text(size_t len)
{
    return len / BYTES_PER_COST;
}

const struct place *place_of_scalar(struct arena *arena, size_t text_len)
{
    static const struct place leaf = {.cost = 1};
    struct place *place;

    if (place_cost_of_text(text_len) == 0)
        return &leaf;
    place = arena_alloc(arena, sizeof(*place));
    place->cost = 1 + place_cost_of_text(text_len);
    return place;
}

struct place *place_new(struct arena *arena)
{
    struct place *place = arena_alloc(arena, sizeof(*place));

    place->cost = 1;
    place->height = 1;
    return place;
}

void place_add(struct place *place, struct arena *arena, const char *key, const struct place *child,
               int line)
{
    struct place_entry *entry = arena_alloc(arena, sizeof(*entry));

    entry->key = arena_strdup(arena, key);
    entry->place = child;
    entry->line = line;
    if (place->last)
        place->last->next = entry;
    else
        place->first = entry;
    place->last = entry;
    place->cost += child->cost + (key ? place_cost_of_text(strlen(key)) : 0);
    if (place->height <= child->height)
        place->height = child->height + 1;
}

const struct place_entry *place_find(const struct place *place, const char *key, size_t len)
{
    for (const struct place_entry *entry = place->first; entry; entry = entry->next)
        if (entry->key && strncmp(entry->key, key, len) == 0 && entry->key[len] == '\0')
            return entry;
    return NULL;
}

static const struct place_entry *find_index(const struct place *place, unsigned long index)
{
    const struct place_entry *entry = place->first;

    while (entry && index-- > 0)
        entry = entry->next;
    return entry;
}

/* "[key]": a key may have a bracket itself, so the longest one that fits is meant. */
static const struct place_entry *find_bracketed_key(const struct place *place, const char *step,
                                                    const char **ret_rest)
{
    const struct place_entry *best = NULL;
    size_t best_len = 0;

    for (const struct place_entry *entry = place->first; entry; entry = entry->next) {
        size_t len = strlen(entry->key);

        if (len >= best_len && strncmp(step + 1, entry->key, len) == 0 && step[1 + len] == ']') {
            best = entry;
            best_len = len;
        }
    }
    *ret_rest = step + best_len + 2;
    return best;
}

static const struct place_entry *find_bracketed(const struct place *place, const char *step,
                                                const char **ret_rest)
{
    unsigned long index;
    char *end;

    if (!place->first || place->first->key)
        return find_bracketed_key(place, step, ret_rest);
    index = strtoul(step + 1, &end, 10);
    *ret_rest = end + 1;
    return *end == ']' ? find_index(place, index) : NULL;
}

/* One step of the path; NULL when it leads nowhere. */
static const struct place_entry *find_step(const struct place *place, const char *step,
                                           const char **ret_rest)
{
    size_t len;

    if (*step == '[')
        return find_bracketed(place, step, ret_rest);
    step += *step == '.';
    len = strcspn(step, ".[");
    *ret_rest = step + len;
    return len > 0 ? place_find(place, step, len) : NULL;
}

int place_line(const struct place *place, int line, const char *path)
{
    while (*path) {
        const struct place_entry *entry = find_step(place, path, &path);

        if (!entry)
            break;
        place = entry->place;
        line = entry->line;
    }
    return line;
}
