/*
 * compose.h - libyaml's events to values and places; what stream.c and compose.c share.
 */
#ifndef YAML_COMPOSE_H
#define YAML_COMPOSE_H

#include <yaml.h>

#include "base/map.h"
#include "yaml/place.h"
#include "json/json.h"

struct composer {
    yaml_parser_t parser;
    const char *text; /* the whole stream, borrowed */
    size_t len;
    struct arena *arena; /* of the places, borrowed */
    struct map *anchors; /* of the current document */
    size_t cost;         /* of all values so far, aliases counted as what they stand for */
    struct err *err;
};

/* A value with its place; the reference belongs to whoever holds the node. */
struct node {
    struct json *json;
    const struct place *place;
};
void node_deinit(struct node *node);
DEFINE_CLEANUP_VALUE(struct node, node_deinit);
/* Its text may be a secret: wiped. */
void event_deinit(yaml_event_t *event);
DEFINE_CLEANUP_VALUE(yaml_event_t, event_deinit);

struct map *anchors_new(void);
int composer_next(struct composer *self, yaml_event_t *ret_event);
int composer_fail(struct composer *self, int code, const yaml_mark_t *mark, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
/* The value that begins with `event`, which is inside of `depth` lists and maps. */
int compose_node(struct composer *self, const yaml_event_t *event, int depth, struct node *ret);

#endif
