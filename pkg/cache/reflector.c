/*
 * The state machine of kubernetes.md 4, as far as it is the same for both stores: `since` is the
 * version that the cache has seen, or nothing while a list is wanted. An error closes the watch and
 * backs off; only ERR_GONE asks for a new list, and only a second one in a row has to wait.
 */
#include <poll.h>

#include "base/log.h"
#include "base/random.h"
#include "base/str.h"
#include "cache/cache.h"
#include "cache/write.h"

/* client-go's (kubernetes.md 4): 0.8 s doubling to 30 s, times [1,2), anew after 2 quiet minutes. */
#define BACKOFF_MIN_MS   800
#define BACKOFF_MAX_MS   SECONDS(30)
#define BACKOFF_RESET_MS MINUTES(2)

struct reflector {
    struct store *store;
    struct cache *cache;
    char *namespace; /* NULL: all */
    struct store_watch *watch;
    bool list_wanted;    /* until the end of the list */
    bool gone;           /* the last thing heard was ERR_GONE */
    unsigned failures;   /* in a row */
    int64_t last_try_ms; /* monotonic: when the latest back-off ended */
};

struct reflector *reflector_new(struct store *store, struct cache *cache, const char *namespace)
{
    struct reflector *self = xalloc(sizeof(*self));

    self->store = store;
    self->cache = cache;
    self->namespace = xstrdup(namespace);
    self->list_wanted = true;
    return self;
}

static void watch_end(struct reflector *self)
{
    store_watch_close(take(self->watch));
}

void reflector_free(struct reflector *self)
{
    if (!self)
        return;
    watch_end(self);
    xfree(self->namespace);
    xfree(self);
}

static int watch_open(struct reflector *self, const struct context *ctx, const char *since,
                      struct store_watch **ret, struct err *err)
{
    const struct resource *resource = cache_kind(self->cache)->resource;
    struct store_view view = {.namespace = self->namespace};
    int r = self->store->ops->watch(self->store, ctx, resource, &view, since, ret, err);

    if (r < 0)
        return err_wrap(err, "watching %s", resource->plural);
    return 0;
}

static int watch_begin(struct reflector *self, const struct context *ctx, struct err *err)
{
    char seen[24];
    int r;

    cache_seen_version(self->cache, seen);
    r = watch_open(self, ctx, self->list_wanted ? NULL : seen, &self->watch, err);
    if (r < 0)
        return r;
    if (self->list_wanted)
        cache_begin_list(self->cache);
    return 0;
}

/* What one object has wrong is no reason to stop the others. */
static void take_in(struct reflector *self, const struct context *ctx,
                    const struct store_event *event)
{
    struct err err = {};

    if (cache_apply(self->cache, event, &err) < 0)
        log_warning(ctx, "%s; what was known of it stays", err.text);
    if (event->initial_end)
        self->list_wanted = false;
    self->gone = false;
}

static int take_next(struct reflector *self, const struct context *ctx, struct err *err)
{
    cleanup(store_event_deinit) struct store_event event = {};
    int r = self->store->ops->watch_next(self->watch, ctx, &event, err);

    if (r < 0)
        return err_wrap(err, "watching %s", cache_kind(self->cache)->resource->plural);
    take_in(self, ctx, &event);
    return 0;
}

/* True: list again at once. */
static bool fail(struct reflector *self, int code)
{
    bool again = self->gone;

    watch_end(self);
    self->gone = code == ERR_GONE;
    if (self->gone)
        self->list_wanted = true;
    return self->gone && !again;
}

/* --- on its own thread --- */

static int64_t back_off_ms(struct reflector *self, int64_t now_ms)
{
    int64_t delay_ms = BACKOFF_MIN_MS;

    if (now_ms - self->last_try_ms > BACKOFF_RESET_MS)
        self->failures = 0;
    for (unsigned i = 0; i < self->failures && delay_ms < BACKOFF_MAX_MS; i++)
        delay_ms *= 2;
    self->failures++;
    if (delay_ms > BACKOFF_MAX_MS)
        delay_ms = BACKOFF_MAX_MS;
    delay_ms += (int64_t)random_below((uint64_t)delay_ms);
    self->last_try_ms = now_ms + delay_ms;
    return delay_ms;
}

static int turn(struct reflector *self, const struct context *ctx, struct err *err)
{
    if (!self->watch)
        return watch_begin(self, ctx, err);
    return take_next(self, ctx, err);
}

int64_t reflector_turn(struct reflector *self, const struct context *ctx)
{
    struct err err = {};
    int r = turn(self, ctx, &err);
    int64_t delay_ms;

    if (r == 0 || cancel_is_fired(ctx->cancel))
        return 0;
    if (fail(self, r)) {
        log_debug(ctx, "%s; listing again", err.text);
        return 0;
    }
    delay_ms = back_off_ms(self, clock_monotonic_ms(ctx->clock));
    log_warning(ctx, "%s; trying again in %.1f s", err.text, (double)delay_ms / 1000);
    return delay_ms;
}

static void wait_unless_canceled(const struct context *ctx, int64_t delay_ms)
{
    struct pollfd fd = {.fd = cancel_fd(ctx->cancel), .events = POLLIN};

    (void)poll(&fd, 1, (int)delay_ms); /* woken early: tries early */
}

void reflector_run(struct reflector *self, const struct context *ctx)
{
    int64_t delay_ms;

    while (!cancel_is_fired(ctx->cancel)) {
        delay_ms = reflector_turn(self, ctx);
        if (delay_ms > 0)
            wait_unless_canceled(ctx, delay_ms);
    }
    watch_end(self);
}

/* --- without waiting --- */

static int hand_up(struct err *err, const struct err *from)
{
    if (err)
        *err = *from;
    return from->code;
}

/* How many events there were, or an error other than "nothing now", which is no error here. */
static int take_all(struct reflector *self, const struct context *ctx, struct err *err)
{
    struct context at_once = context_with_timeout(ctx, 0);
    struct err end = {};
    int count = 0, r = 0;

    if (!self->watch)
        r = watch_begin(self, ctx, err);
    if (r < 0)
        return r;
    while (take_next(self, &at_once, &end) == 0)
        count++;
    return end.code == ERR_TIMEOUT ? count : hand_up(err, &end);
}

int reflector_step(struct reflector *self, const struct context *ctx, struct err *err)
{
    int r = take_all(self, ctx, err);

    if (r < 0 && fail(self, r)) {
        r = take_all(self, ctx, err);
        if (r < 0)
            (void)fail(self, r); /* twice in a row: the next step tries again */
    }
    return r;
}

bool reflector_is_current(struct reflector *self, const struct context *ctx)
{
    cleanup(store_watch_close) struct store_watch *watch = NULL;
    struct context at_once = context_with_timeout(ctx, 0);
    char seen[24];
    int r;

    if (!cache_is_synced(self->cache))
        return false;
    cache_seen_version(self->cache, seen);
    r = watch_open(self, ctx, seen, &watch, NULL);
    while (r == 0) {
        cleanup(store_event_deinit) struct store_event event = {};

        r = watch->store->ops->watch_next(watch, &at_once, &event, NULL);
        if (r == 0 && event.type != STORE_BOOKMARK)
            return false;
    }
    return r == ERR_TIMEOUT;
}
