/*
 * store.c - what every store has in common.
 */
#include "store/store.h"

void store_event_deinit(struct store_event *event)
{
    json_unref(event->object);
    event->object = NULL;
}

void store_close(struct store *store)
{
    if (store)
        store->ops->close(store);
}

void store_watch_close(struct store_watch *watch)
{
    if (watch)
        watch->store->ops->watch_close(watch);
}

/* One step of store_list: `ret_done` once the initial state is complete. */
static int list_next(struct store_watch *watch, const struct context *ctx, struct json *list,
                     bool *ret_done, struct err *err)
{
    cleanup(store_event_deinit) struct store_event event = {};
    int r;

    r = watch->store->ops->watch_next(watch, ctx, &event, err);
    if (r < 0)
        return r;
    if (event.type == STORE_ADDED)
        json_append(list, take(event.object));
    *ret_done = event.initial_end;
    return 0;
}

int store_list(struct store *store, const struct context *ctx, const struct resource *resource,
               const char *namespace, struct json **ret, struct err *err)
{
    struct store_view view = {.namespace = namespace};
    cleanup(store_watch_close) struct store_watch *watch = NULL;
    cleanup(json_unref) struct json *list = json_new_list();
    bool done = false;
    int r;

    r = store->ops->watch(store, ctx, resource, &view, NULL, &watch, err);
    if (r < 0)
        return r;
    while (!done) {
        r = list_next(watch, ctx, list, &done, err);
        if (r < 0)
            return r;
    }
    *ret = take(list);
    return 0;
}
