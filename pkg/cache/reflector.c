/*
 * The state machine of kubernetes.md 4, as far as it is the same for both stores: `since` is the
 * version that the cache has seen, or nothing while a list is wanted. An error closes the watch and
 * backs off; only ERR_GONE asks for a new list, and only a second one in a row has to wait.
 */
#include <poll.h>
#include <string.h>

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
    struct cache_source *source;
    struct store_watch *watch;
    bool list_wanted;    /* until the end of the list */
    bool gone;           /* the last thing heard was ERR_GONE */
    bool absent;         /* the store has no such kind, which is no error for this one; atomic */
    uint64_t told;       /* hash of the trouble that stands in the log; 0: none */
    unsigned failures;   /* in a row */
    int64_t last_try_ms; /* monotonic: when the latest back-off ended */
};

struct reflector *reflector_new(struct store *store, struct cache_source *source)
{
    struct reflector *self = xalloc(sizeof(*self));

    self->store = store;
    self->source = source;
    self->list_wanted = true;
    return self;
}

static const struct cache_kind *kind_of(const struct reflector *self)
{
    return cache_kind(cache_source_cache(self->source));
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
    xfree(self);
}

static int watch_open(struct reflector *self, const struct context *ctx, const char *since,
                      struct store_watch **ret, struct err *err)
{
    const struct resource *resource = kind_of(self)->resource;
    int r = self->store->ops->watch(self->store, ctx, resource, cache_source_view(self->source),
                                    since, ret, err);

    if (r < 0)
        return err_wrap(err, "watching %s", resource->plural);
    return 0;
}

static int watch_begin(struct reflector *self, const struct context *ctx, struct err *err)
{
    char seen[24];
    int r;

    cache_source_seen_version(self->source, seen);
    r = watch_open(self, ctx, self->list_wanted ? NULL : seen, &self->watch, err);
    if (r < 0)
        return r;
    if (self->list_wanted)
        cache_begin_list(self->source);
    return 0;
}

static void set_absent(struct reflector *self, bool absent)
{
    __atomic_store_n(&self->absent, absent, __ATOMIC_SEQ_CST);
}

static bool is_absent(const struct reflector *self)
{
    return __atomic_load_n(&self->absent, __ATOMIC_SEQ_CST);
}

/* What one object has wrong is no reason to stop the others. */
static void take_in(struct reflector *self, const struct context *ctx,
                    const struct store_event *event)
{
    struct err err = {};

    set_absent(self, false);
    if (self->told)
        log_info(ctx, "watching %s works now", kind_of(self)->resource->plural);
    self->told = 0;
    if (cache_apply(self->source, event, &err) < 0)
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
        return err_wrap(err, "watching %s", kind_of(self)->resource->plural);
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

/* The server does not have this kind (yet): for the cache, a list of nothing. */
static bool admit_absence(struct reflector *self, int code)
{
    struct store_event nothing = {.type = STORE_BOOKMARK, .initial_end = true};

    if (code != ERR_UNSUPPORTED || !kind_of(self)->optional)
        return false;
    set_absent(self, true);
    self->list_wanted = true;
    cache_begin_list(self->source);
    (void)cache_apply(self->source, &nothing, NULL); /* a bookmark cannot fail */
    return true;
}

/* --- on its own thread --- */

/* What to do about it, where that is not a matter of waiting. */
static char *advice(const struct reflector *self, int code)
{
    const struct resource *resource = kind_of(self)->resource;
    const char *namespace = cache_source_view(self->source)->namespace;

    if (code == ERR_UNSUPPORTED)
        return kind_of(self)->optional
                   ? xstrdup("; going on without it until it appears")
                   : xasprintf("; install the CustomResourceDefinition of %s (the folder crds)",
                               resource->plural);
    if (code != ERR_DENIED)
        return xstrdup("");
    if (!str_empty(namespace))
        return xasprintf("; give our ServiceAccount a Role in namespace '%s' with verbs list and "
                         "watch on %s, or leave the namespace out of --namespace",
                         namespace, resource->plural);
    return xasprintf(
        "; give our ServiceAccount a ClusterRole with verbs list and watch on %s%s",
        resource->plural,
        resource->namespaced ? ", or name the namespaces that it may see in --namespace" : "");
}

/* The first time, and when it is another one; what stays the same is for those who look closely. */
static void log_trouble(struct reflector *self, const struct context *ctx, const struct err *err,
                        int64_t delay_ms)
{
    cleanup(xfree) char *todo = advice(self, err->code);
    uint64_t hash = str_hash(err->text, strlen(err->text)) | 1;

    if (hash == self->told)
        log_debug(ctx, "%s; trying again in %.1f s", err->text, (double)delay_ms / 1000);
    else
        log_warning(ctx, "%s%s; trying again in %.1f s", err->text, todo, (double)delay_ms / 1000);
    self->told = hash;
}

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

/* What another source has found out. */
static void heed_doubt(struct reflector *self)
{
    if (!cache_source_wants_list(self->source))
        return;
    watch_end(self);
    self->list_wanted = true;
}

static int turn(struct reflector *self, const struct context *ctx, struct err *err)
{
    heed_doubt(self);
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
    (void)admit_absence(self, r); /* else it is missing, which is said */
    delay_ms = back_off_ms(self, clock_monotonic_ms(ctx->clock));
    log_trouble(self, ctx, &err, delay_ms);
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

/* How many events there were, or an error other than "nothing now", which is no error here. */
static int take_all(struct reflector *self, const struct context *ctx, struct err *err)
{
    struct context at_once = context_with_timeout(ctx, 0);
    struct err end = {};
    int count = 0, r = 0;

    heed_doubt(self);
    if (!self->watch)
        r = watch_begin(self, ctx, err);
    if (r < 0)
        return r;
    while (take_next(self, &at_once, &end) == 0)
        count++;
    return end.code == ERR_TIMEOUT ? count : err_pass(err, &end);
}

int reflector_step(struct reflector *self, const struct context *ctx, struct err *err)
{
    int r = take_all(self, ctx, err);

    if (r < 0 && fail(self, r)) {
        r = take_all(self, ctx, err);
        if (r < 0)
            (void)fail(self, r); /* twice in a row: the next step tries again */
    }
    if (r < 0 && admit_absence(self, r))
        return 0;
    return r;
}

static int read_list(struct reflector *self, const struct context *ctx, struct err *err)
{
    int r = self->watch ? 0 : watch_begin(self, ctx, err);

    while (r == 0 && !cache_source_is_synced(self->source))
        r = take_next(self, ctx, err);
    return r;
}

int reflector_read(struct reflector *self, const struct context *ctx, struct err *err)
{
    int r = read_list(self, ctx, err);

    watch_end(self);
    return r < 0 && admit_absence(self, r) ? 0 : r;
}

bool reflector_is_current(struct reflector *self, const struct context *ctx)
{
    cleanup(store_watch_close) struct store_watch *watch = NULL;
    struct context at_once = context_with_timeout(ctx, 0);
    char seen[24];
    int r;

    if (is_absent(self))
        return true;
    if (!cache_source_is_synced(self->source))
        return false;
    cache_source_seen_version(self->source, seen);
    r = watch_open(self, ctx, seen, &watch, NULL);
    while (r == 0) {
        cleanup(store_event_deinit) struct store_event event = {};

        r = watch->store->ops->watch_next(watch, &at_once, &event, NULL);
        if (r == 0 && cache_source_would_change(self->source, &event))
            return false;
    }
    return r == ERR_TIMEOUT;
}
