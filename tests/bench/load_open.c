/* load_open.c - a watch of Certificates that counts those that became Ready. */
#include "api/kinds.h"
#include "base/map.h"
#include "bench/load.h"

struct load_open {
    struct context ctx;
    struct cancel *cancel;
    struct store_watch *watch;
    struct thread *thread;
    struct mutex mutex;
    struct cond changed;
    struct map *seen; /* names; only of the thread */
    int64_t ready;
    bool ended; /* whoever waits need not any more */
};

static bool is_ready(const struct json *object)
{
    const struct json *conditions = json_path(object, "status.conditions");

    for (size_t i = 0; i < json_len(conditions); i++) {
        const struct json *one = json_at(conditions, i);

        if (streq(str_or(json_get_text(one, "type"), ""), "Ready"))
            return streq(str_or(json_get_text(one, "status"), ""), "True");
    }
    return false;
}

static void take_event(struct load_open *self, const struct store_event *event)
{
    const char *name = json_as_text(json_path(event->object, "metadata.name"));

    if (event->type == STORE_DELETED || !name || map_get(self->seen, name) ||
        !is_ready(event->object))
        return;
    map_set(self->seen, name, self);
    mutex_lock(&self->mutex);
    self->ready++;
    cond_broadcast(&self->changed);
    mutex_unlock(&self->mutex);
}

/* A stream lasts at least five minutes; one that ends is followed by the next inside watch_next(). */
static void run(void *arg)
{
    struct load_open *self = arg;
    struct err err = {};
    int r = 0;

    while (r == 0) {
        cleanup(store_event_deinit) struct store_event event = {};

        r = self->watch->store->ops->watch_next(self->watch, &self->ctx, &event, &err);
        if (r == 0)
            take_event(self, &event);
    }
    mutex_lock(&self->mutex);
    self->ended = true;
    cond_broadcast(&self->changed);
    mutex_unlock(&self->mutex);
}

int load_open_new(struct store *store, const struct context *ctx, const char *namespace,
                  struct load_open **ret, struct err *err)
{
    cleanup(load_open_free) struct load_open *self = xalloc(sizeof(*self));
    struct store_view view = {.namespace = namespace};
    int r;

    mutex_init(&self->mutex);
    cond_init(&self->changed);
    self->seen = map_new(NULL);
    self->cancel = cancel_new();
    self->ctx = context_with_cancel(ctx, self->cancel);
    r = store->ops->watch(store, &self->ctx, &kind_certificate.resource, &view, NULL, &self->watch,
                          err);
    if (r == 0)
        r = thread_start("open", run, self, &self->thread, err);
    if (r < 0)
        return r;
    *ret = take(self);
    return 0;
}

void load_open_free(struct load_open *self)
{
    if (!self)
        return;
    cancel_fire(self->cancel);
    thread_join(self->thread);
    if (self->watch)
        store_watch_close(self->watch);
    cancel_unref(self->cancel);
    map_free(self->seen);
    cond_deinit(&self->changed);
    mutex_deinit(&self->mutex);
    xfree(self);
}

void load_open_wait(struct load_open *self, int64_t started, int64_t limit)
{
    mutex_lock(&self->mutex);
    while (!self->ended && started - self->ready > limit)
        cond_wait(&self->changed, &self->mutex);
    mutex_unlock(&self->mutex);
}
