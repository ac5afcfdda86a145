/*
 * place.h - a folder of its own for one test, stores in it, and small objects.
 */
#ifndef UNIT_STORE_PLACE_H
#define UNIT_STORE_PLACE_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/local.h"
#include "support/testing.h"

static const struct resource secrets = {"", "v1", "Secret", "secrets", true, false};
static const struct resource widgets = {"example.org", "v1", "Widget", "widgets", true, true};

struct place {
    char folder[64];
    char path[96];
};

static inline void place_init(struct place *place)
{
    snprintf(place->folder, sizeof(place->folder), "/tmp/store-test-XXXXXX");
    ASSERT_TRUE(mkdtemp(place->folder));
    snprintf(place->path, sizeof(place->path), "%s/state.db", place->folder);
}

static inline void place_deinit(struct place *place)
{
    DIR *dir = *place->folder ? opendir(place->folder) : NULL;
    char name[400];

    for (struct dirent *entry = dir ? readdir(dir) : NULL; entry; entry = readdir(dir)) {
        snprintf(name, sizeof(name), "%s/%s", place->folder, entry->d_name);
        (void)unlink(name); /* "." and ".." stay */
    }
    if (dir)
        (void)closedir(dir);
    (void)rmdir(place->folder);
}
DEFINE_CLEANUP_VALUE(struct place, place_deinit);

static inline struct store *store_at(const char *path)
{
    struct local_options options = {.path = path, .clock = clock_system()};
    struct store *store = NULL;
    struct err err = {};

    ASSERT_OK(store_local_open(&options, &store, &err));
    return store;
}

static inline struct json *object_named(const char *name, const char *value)
{
    struct json *object = json_new_map(), *metadata = json_need_map(object, "metadata");

    json_set_text(metadata, "name", name);
    json_set_text(metadata, "namespace", "default");
    json_set_text(json_need_map(object, "spec"), "value", value);
    return object;
}

static inline struct json *create_widget(struct store *store, const char *name)
{
    struct context ctx = context_background(clock_system());
    cleanup(json_unref) struct json *given = object_named(name, "1");
    struct json *stored = NULL;
    struct err err = {};

    ASSERT_OK(store_create(store, &ctx, &widgets, "test", given, &stored, &err));
    return stored;
}

static inline bool widget_is_there(struct store *store, const char *name)
{
    struct context ctx = context_background(clock_system());
    struct key key = {.namespace = "default", .name = name};
    cleanup(json_unref) struct json *stored = NULL;
    struct err err = {};
    int r;

    r = store_get(store, &ctx, &widgets, &key, &stored, &err);
    if (r != ERR_NOT_FOUND)
        ASSERT_OK(r);
    return r == 0;
}

static inline const char *meta(const struct json *object, const char *name)
{
    return json_get_text(json_get(object, "metadata"), name);
}

#endif
