/*
 * place.h - the tree of lines beside a document.
 *
 * Only lists, maps and long texts have a place of their own; other values share one. A place that
 * an alias points to hangs in several parents, so the line is kept with the entry, not in it. All
 * of it lives in the arena of the stream.
 */
#ifndef YAML_PLACE_H
#define YAML_PLACE_H

#include "base/arena.h"

struct place_entry {
    struct place_entry *next;
    const char *key; /* NULL in a list */
    const struct place *place;
    int line;
};

struct place {
    struct place_entry *first, *last;
    size_t cost; /* what an alias to it counts, see place_cost_of_text() */
    int height;  /* levels of lists and maps, itself included */
};

/* A value costs 1, and every 64 bytes of text 1 more, so that an alias to a long text used often is
 * as expensive as many values: whoever reads the document copies it each time. */
size_t place_cost_of_text(size_t len);
const struct place *place_of_scalar(struct arena *arena, size_t text_len);
struct place *place_new(struct arena *arena);
void place_add(struct place *place, struct arena *arena, const char *key, const struct place *child,
               int line);
/* The entry of `key`; NULL when absent. */
const struct place_entry *place_find(const struct place *place, const char *key, size_t len);
/* Line at `path` below `place`, which itself is in `line`; of the nearest parent when absent. */
int place_line(const struct place *place, int line, const char *path);

#endif
