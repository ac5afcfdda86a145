/*
 * compose.c - from events to values.
 *
 * libyaml's own composer (yaml_parser_load) has no limits, so we take its events. An alias shares
 * the value it stands for; what a reader of the document would meet is counted all the same, once
 * per use, and so is the depth: that ends the "billion laughs" before anybody walks into them.
 */
#include "yaml/compose.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "yaml/scalar.h"

#define TAG_PREFIX "tag:yaml.org,2002:"

/* What one anchor stands for; `json` is NULL while its value is still being read. */
struct anchor {
    struct node node;
};

/* Sources of one map's `<<`, in order. `held` owns the values, the array borrows them. */
struct merges {
    struct json *held;
    struct node *nodes;
    size_t len;
};

void node_deinit(struct node *node)
{
    json_unref(node->json);
    *node = (struct node){};
}

static void anchor_free(void *value)
{
    struct anchor *anchor = value;

    node_deinit(&anchor->node);
    xfree(anchor);
}

struct map *anchors_new(void)
{
    return map_new(anchor_free);
}

static void merges_deinit(struct merges *merges)
{
    json_unref(merges->held);
    xfree(merges->nodes);
    *merges = (struct merges){};
}
DEFINE_CLEANUP_VALUE(struct merges, merges_deinit);

static int line_of(const yaml_mark_t *mark)
{
    return (int)mark->line + 1;
}

int composer_fail(struct composer *self, int code, const yaml_mark_t *mark, const char *fmt, ...)
{
    char text[ERR_TEXT_MAX];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args); /* cut where it is too long */
    va_end(args);
    return err_set(self->err, code, "line %d, column %d: %s", line_of(mark), (int)mark->column + 1,
                   text);
}

static int add_cost(struct composer *self, const yaml_mark_t *mark, size_t more)
{
    self->cost += more;
    if (self->cost > LIMIT_MANIFEST_NODES)
        return composer_fail(self, ERR_TOO_LARGE, mark,
                             "too much: %d values, or texts as long, with those behind aliases",
                             LIMIT_MANIFEST_NODES);
    return 0;
}

static int check_depth(struct composer *self, const yaml_mark_t *mark, int depth)
{
    if (depth > LIMIT_JSON_DEPTH)
        return composer_fail(self, ERR_TOO_LARGE, mark, "nested deeper than %d levels",
                             LIMIT_JSON_DEPTH);
    return 0;
}

/* Anchors and aliases */

static void anchor_set(struct composer *self, const yaml_char_t *name, const struct node *node)
{
    struct anchor *anchor;

    if (!name)
        return;
    anchor = xalloc(sizeof(*anchor));
    if (node)
        anchor->node = (struct node){json_ref(node->json), node->place};
    map_set(self->anchors, (const char *)name, anchor);
}

static int compose_alias(struct composer *self, const yaml_event_t *event, int depth,
                         struct node *ret)
{
    const char *name = (const char *)event->data.alias.anchor;
    const struct anchor *anchor = map_get(self->anchors, name);
    const yaml_mark_t *mark = &event->start_mark;
    int r;

    if (!anchor)
        return composer_fail(
            self, ERR_INVALID, mark,
            "no such anchor before this alias; text that begins with '*' needs quotes");
    if (!anchor->node.json)
        return composer_fail(self, ERR_INVALID, mark, "anchor '%.64s' contains itself", name);
    r = add_cost(self, mark, anchor->node.place->cost);
    if (r == 0)
        r = check_depth(self, mark, depth + anchor->node.place->height);
    if (r < 0)
        return r;
    *ret = (struct node){json_ref(anchor->node.json), anchor->node.place};
    return 0;
}

/* Single values */

static bool tag_is(const char *tag, const char *name)
{
    return str_starts(tag, TAG_PREFIX) && streq(tag + strlen(TAG_PREFIX), name);
}

/* Neither tag nor alias is quoted: in a Secret it may be a password that needed quotes. */
static int refuse_tag(struct composer *self, const yaml_event_t *event, const char *tag)
{
    if (tag_is(tag, "binary"))
        return composer_fail(self, ERR_INVALID, &event->start_mark,
                             "tag '!!binary' is not supported; write the base64 text without it");
    return composer_fail(
        self, ERR_INVALID, &event->start_mark,
        "this tag is not supported; remove it, or quote text that begins with '!'");
}

static int read_plain(struct composer *self, const yaml_event_t *event, struct json **ret)
{
    const char *text = (const char *)event->data.scalar.value;

    *ret = scalar_read(text, event->data.scalar.length);
    if (!*ret)
        return composer_fail(self, ERR_INVALID, &event->start_mark,
                             "'%s' is no number that JSON has; put it in quotes if it is text",
                             text);
    return 0;
}

/* "!!int 5": the tag may only say what the text says already. */
static int read_tagged(struct composer *self, const yaml_event_t *event, const char *tag,
                       struct json **ret)
{
    static const struct {
        const char *tag;
        enum json_kind kind, or_kind;
    } kinds[] = {
        {"int", JSON_KIND_INT, JSON_KIND_INT},
        {"float", JSON_KIND_REAL, JSON_KIND_INT},
        {"bool", JSON_KIND_BOOL, JSON_KIND_BOOL},
        {"null", JSON_KIND_NULL, JSON_KIND_NULL},
    };
    cleanup(json_unref) struct json *value = NULL;
    int r;

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (!tag_is(tag, kinds[i].tag))
            continue;
        r = read_plain(self, event, &value);
        if (r < 0)
            return r;
        if (json_kind(value) != kinds[i].kind && json_kind(value) != kinds[i].or_kind)
            return composer_fail(self, ERR_INVALID, &event->start_mark,
                                 "value does not fit its tag '!!%s'", kinds[i].tag);
        *ret = take(value);
        return 0;
    }
    return refuse_tag(self, event, tag);
}

static int read_scalar(struct composer *self, const yaml_event_t *event, struct json **ret)
{
    const char *tag = (const char *)event->data.scalar.tag;
    const char *text = (const char *)event->data.scalar.value;
    size_t len = event->data.scalar.length;

    if (memchr(text, '\0', len))
        return composer_fail(self, ERR_INVALID, &event->start_mark, "text has a NUL character");
    if (!tag && event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
        return read_plain(self, event, ret);
    if (tag && !streq(tag, "!") && !tag_is(tag, "str"))
        return read_tagged(self, event, tag, ret);
    *ret = json_new_text_len(text, len);
    return 0;
}

static int compose_scalar(struct composer *self, const yaml_event_t *event, struct node *ret)
{
    int r = add_cost(self, &event->start_mark, place_cost_of_text(event->data.scalar.length));

    if (r == 0)
        r = read_scalar(self, event, &ret->json);
    if (r < 0)
        return r;
    ret->place = place_of_scalar(self->arena, event->data.scalar.length);
    anchor_set(self, event->data.scalar.anchor, ret);
    return 0;
}

/* Lists */

static int fill_list(struct composer *self, int depth, struct json *list, struct place *place)
{
    for (;;) {
        cleanup(event_deinit) yaml_event_t event = {};
        struct node item = {};
        int r = composer_next(self, &event);

        if (r < 0 || event.type == YAML_SEQUENCE_END_EVENT)
            return r;
        r = compose_node(self, &event, depth, &item);
        if (r < 0)
            return r;
        json_append(list, item.json);
        place_add(place, self->arena, NULL, item.place, line_of(&event.start_mark));
    }
}

/* Maps */

static bool is_merge_key(const yaml_event_t *event)
{
    const char *tag = (const char *)event->data.scalar.tag;

    return event->type == YAML_SCALAR_EVENT &&
           streq((const char *)event->data.scalar.value, "<<") &&
           (tag ? tag_is(tag, "merge") : event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE);
}

static int read_key(struct composer *self, const yaml_event_t *event, struct node *ret)
{
    int r;

    if (event->type != YAML_SCALAR_EVENT)
        return composer_fail(self, ERR_INVALID, &event->start_mark,
                             "a key must be text, not a list, map or alias");
    r = compose_scalar(self, event, ret);
    if (r < 0)
        return r;
    if (json_kind(ret->json) != JSON_KIND_TEXT)
        return composer_fail(
            self, ERR_INVALID, &event->start_mark, "key '%.64s' is read as %s; put it in quotes",
            (const char *)event->data.scalar.value, json_kind_name(json_kind(ret->json)));
    return 0;
}

static int refuse_duplicate(struct composer *self, const yaml_mark_t *mark,
                            const struct place *place, const char *key)
{
    const struct place_entry *first = place_find(place, key, strlen(key));

    return composer_fail(self, ERR_INVALID, mark, "key '%.64s' is there already, in line %d", key,
                         first ? first->line : 0);
}

static int merges_add_map(struct composer *self, const yaml_mark_t *mark, struct merges *merges,
                          const struct node *source)
{
    if (json_kind(source->json) != JSON_KIND_MAP)
        return composer_fail(self, ERR_INVALID, mark, "'<<' takes a map or a list of maps, not %s",
                             json_kind_name(json_kind(source->json)));
    if (!merges->held)
        merges->held = json_new_list();
    json_append(merges->held, json_ref(source->json));
    merges->nodes = xrealloc(merges->nodes, (merges->len + 1) * sizeof(*merges->nodes));
    merges->nodes[merges->len++] = *source;
    return 0;
}

static int merges_add(struct composer *self, const yaml_mark_t *mark, struct merges *merges,
                      const struct node *source)
{
    const struct place_entry *entry = source->place->first;

    if (json_kind(source->json) != JSON_KIND_LIST)
        return merges_add_map(self, mark, merges, source);
    json_for_each_item (item, source->json) {
        struct node map = {item, entry->place};
        int r = merges_add_map(self, mark, merges, &map);

        if (r < 0)
            return r;
        entry = entry->next;
    }
    return 0;
}

/* What the map has itself wins, then what came first. Merged members come last in the order. */
static void merges_apply(struct composer *self, const struct merges *merges, struct json *map,
                         struct place *place)
{
    for (size_t i = 0; i < merges->len; i++) {
        const struct node *source = &merges->nodes[i];

        for (const struct place_entry *entry = source->place->first; entry; entry = entry->next) {
            if (json_get(map, entry->key))
                continue;
            json_set(map, entry->key, json_ref(json_get(source->json, entry->key)));
            place_add(place, self->arena, entry->key, entry->place, entry->line);
        }
    }
}

/* One `key: value`. */
static int fill_member(struct composer *self, const yaml_event_t *key_event, int depth,
                       struct json *map, struct place *place, struct merges *merges)
{
    cleanup(event_deinit) yaml_event_t event = {};
    cleanup(node_deinit) struct node key = {}, value = {};
    const yaml_mark_t *mark = &key_event->start_mark;
    bool merge = is_merge_key(key_event);
    int r;

    r = merge ? 0 : read_key(self, key_event, &key);
    if (r == 0)
        r = composer_next(self, &event);
    if (r == 0)
        r = compose_node(self, &event, depth, &value);
    if (r < 0)
        return r;
    if (merge)
        return merges_add(self, mark, merges, &value);
    if (json_get(map, json_as_text(key.json)))
        return refuse_duplicate(self, mark, place, json_as_text(key.json));
    place_add(place, self->arena, json_as_text(key.json), value.place, line_of(mark));
    json_set(map, json_as_text(key.json), take(value.json));
    return 0;
}

static int fill_map(struct composer *self, int depth, struct json *map, struct place *place)
{
    cleanup(merges_deinit) struct merges merges = {};

    for (;;) {
        cleanup(event_deinit) yaml_event_t event = {};
        int r = composer_next(self, &event);

        if (r < 0)
            return r;
        if (event.type == YAML_MAPPING_END_EVENT)
            break;
        r = fill_member(self, &event, depth, map, place, &merges);
        if (r < 0)
            return r;
    }
    merges_apply(self, &merges, map, place);
    return 0;
}

/* Lists and maps */

static int compose_inside(struct composer *self, const yaml_event_t *event, int depth,
                          struct node *ret)
{
    bool is_list = event->type == YAML_SEQUENCE_START_EVENT;
    const yaml_char_t *anchor = is_list ? event->data.sequence_start.anchor
                                        : event->data.mapping_start.anchor;
    struct place *place = place_new(self->arena);
    cleanup(node_deinit) struct node node = {is_list ? json_new_list() : json_new_map(), place};
    int r;

    anchor_set(self, anchor, NULL); /* known, but not usable inside of itself */
    r = is_list ? fill_list(self, depth + 1, node.json, place)
                : fill_map(self, depth + 1, node.json, place);
    if (r < 0)
        return r;
    anchor_set(self, anchor, &node);
    *ret = (struct node){take(node.json), place};
    return 0;
}

static int compose_collection(struct composer *self, const yaml_event_t *event, int depth,
                              struct node *ret)
{
    bool is_list = event->type == YAML_SEQUENCE_START_EVENT;
    const char *tag = (const char *)(is_list ? event->data.sequence_start.tag
                                             : event->data.mapping_start.tag);
    int r;

    if (tag && !streq(tag, "!") && !tag_is(tag, is_list ? "seq" : "map"))
        return refuse_tag(self, event, tag);
    r = check_depth(self, &event->start_mark, depth + 1);
    return r < 0 ? r : compose_inside(self, event, depth, ret);
}

int compose_node(struct composer *self, const yaml_event_t *event, int depth, struct node *ret)
{
    int r;

    if (event->type == YAML_ALIAS_EVENT)
        return compose_alias(self, event, depth, ret);
    r = add_cost(self, &event->start_mark, 1);
    if (r < 0)
        return r;
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return compose_scalar(self, event, ret);
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        return compose_collection(self, event, depth, ret);
    default:
        return composer_fail(self, ERR_INTERNAL, &event->start_mark, "unexpected YAML event %d",
                             event->type);
    }
}
