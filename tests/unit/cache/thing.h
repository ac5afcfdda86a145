/*
 * thing.h - a kind for tests of cache and runtime: {metadata, spec {colour, parts}} with indexes
 * "colour" and "part". A thing whose colour is "broken" does not decode.
 */
#ifndef UNIT_CACHE_THING_H
#define UNIT_CACHE_THING_H

#include <stdatomic.h>
#include <string.h>

#include "cache/cache.h"

struct thing { /* its only reference */
    struct json *json;
};

static atomic_int things_alive;
static atomic_int things_decoded;

static inline struct thing *thing_new(struct json *json)
{
    struct thing *thing = xalloc(sizeof(*thing));

    thing->json = json;
    atomic_fetch_add(&things_alive, 1);
    return thing;
}

static inline int thing_decode(const struct json *value, const void **ret, struct err *err)
{
    const char *colour = json_as_text(json_path(value, "spec.colour"));

    atomic_fetch_add(&things_decoded, 1);
    if (streq(colour, "broken"))
        return err_set(err, ERR_INVALID, "spec.colour: 'broken' is no colour");
    *ret = thing_new(json_deep(value));
    return 0;
}

static inline void thing_unref(const void *object)
{
    struct thing *thing = (struct thing *)object;

    if (!thing)
        return;
    json_unref(thing->json);
    xfree(thing);
    atomic_fetch_sub(&things_alive, 1);
}

/* Frozen: the text of the document without its name. */
static inline void thing_freeze(const void *form, const void *object, struct cache_names names,
                                struct buf *to)
{
    const struct thing *thing = object;
    cleanup(json_unref) struct json *copy = json_deep(thing->json);

    json_remove(json_get(copy, "metadata"), "name");
    json_print(copy, to);
    buf_add_char(to, '\0');
}

static inline const void *thing_thaw(const void *form, const void *frozen, struct cache_names names)
{
    struct thing *thing = thing_new(NULL);

    if (json_parse(frozen, strlen(frozen), SIZE_MAX, &thing->json, NULL) == 0)
        json_set_text(json_get(thing->json, "metadata"), "name",
                      names.text + strlen(names.text) + 1);
    return thing;
}

static inline void thing_unref_ptr(void *p)
{
    thing_unref(*(const void **)p);
}

static inline const char *thing_text(const void *object, const char *path)
{
    const struct thing *thing = object;

    return thing ? str_or(json_as_text(json_path(thing->json, path)), "") : NULL;
}

static inline void thing_colour_values(const void *object, cache_emit_fn *emit, void *arg)
{
    emit(arg, thing_text(object, "spec.colour"));
}

static inline void thing_part_values(const void *object, cache_emit_fn *emit, void *arg)
{
    const struct thing *thing = object;

    json_for_each_item (part, json_path(thing->json, "spec.parts"))
        emit(arg, json_as_text(part));
}

static const struct cache_index thing_indexes[] = {
    {"colour", thing_colour_values},
    {"part", thing_part_values},
};

static const struct resource thing_resource = {
    .group = "test.certlet.dev",
    .version = "v1",
    .kind = "Thing",
    .plural = "things",
    .namespaced = true,
    .has_status = true,
};

static const struct cache_kind thing_kind = {
    .resource = &thing_resource,
    .decode = thing_decode,
    .unref = thing_unref,
    .freeze = thing_freeze,
    .thaw = thing_thaw,
    .indexes = thing_indexes,
    .index_count = ARRAY_LEN(thing_indexes),
};

/* "ns/name"; `parts` is a list separated by commas. */
static inline struct json *thing_json(const char *key_text, const char *uid, const char *colour,
                                      const char *parts)
{
    char text[KEY_TEXT_MAX];
    struct json *object = json_new_map(), *metadata = json_need_map(object, "metadata"),
                *spec = json_need_map(object, "spec");
    cleanup(strlist_deinit) struct strlist list = {};
    struct key key;

    strncpy(text, key_text, sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    key = key_parse(text);
    json_set_text(object, "apiVersion", "test.certlet.dev/v1");
    json_set_text(object, "kind", "Thing");
    json_set_text(metadata, "name", key.name);
    if (*key.namespace)
        json_set_text(metadata, "namespace", key.namespace);
    json_set_text(metadata, "uid", uid);
    json_set_text(spec, "colour", colour);
    if (parts)
        strlist_split(&list, parts, ',');
    json_set(spec, "parts", json_new_strlist(&list));
    return object;
}

static inline void thing_event(struct store_event *event, enum store_event_type type,
                               const char *key, const char *uid, const char *version,
                               const char *colour, const char *parts)
{
    *event = (struct store_event){.type = type};
    if (type != STORE_BOOKMARK) {
        event->object = thing_json(key, uid, colour, parts);
        json_set_text(json_need_map(event->object, "metadata"), "resourceVersion", version);
    }
    strncpy(event->version, version, sizeof(event->version) - 1);
}

#endif
