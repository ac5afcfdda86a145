/*
 * manager.c - the threads: one reflector per source of a cache, the workers that all controllers share, and one
 * that watches the clock. What a worker does with a key stands in controller.c.
 *
 * Stop (DESIGN 4): the queue closes, so that workers take no more keys; runs that are under way get
 * a second to end by themselves, then their cancel fires, which ends every call that can block.
 * Reflectors come last: until then a run may wait for what it wrote.
 */
#include <stdio.h>

#include "base/log.h"
#include "base/str.h"
#include "base/thread.h"
#include "cache/cache.h"
#include "runtime/clock_watch.h"
#include "runtime/loop.h"

#define GRACE_MS        SECONDS(1)  /* for runs under way at the stop */
#define CURRENT_LOOK_MS 100         /* safety; changes wake it */
#define SYNC_REMIND_MS  SECONDS(10) /* a first list that takes longer is worth a line */

struct source { /* of a cache, and what keeps it in step */
    struct manager *manager;
    struct cache_source *of;
    struct reflector *reflector;
    struct thread *thread;
};

struct worker {
    struct manager *manager;
    struct thread *thread;
};

struct manager {
    struct manager_options options;
    struct loop loop;
    struct controller *controllers;
    struct source **sources;
    size_t source_count;
    struct worker *workers;
    struct thread *clock_thread;
    struct cancel *runs_cancel;    /* of reconciles */
    struct cancel *threads_cancel; /* of reflectors and the clock watch */
    uint64_t runs;                 /* begun; atomic */
    bool listed_ahead;             /* by manager_list() */

    struct mutex mutex; /* guards what follows */
    struct cond changed;
    int working; /* worker threads that have not ended */
};

/* --- life --- */

static struct workqueue *queue_new(const struct manager_options *options,
                                   const struct controller *controllers, size_t count)
{
    cleanup(xfree) struct lane_options *lanes = xcalloc(count, sizeof(struct lane_options));

    for (size_t i = 0; i < count; i++)
        lanes[i] = (struct lane_options){
            .name = controllers[i].name,
            .max_in_work = options->max_per_controller,
            .backoff_min_ms = controllers[i].backoff_min_ms,
            .backoff_max_ms = controllers[i].backoff_max_ms,
        };
    return workqueue_new(options->clock, lanes, count);
}

struct manager *manager_new(const struct manager_options *options,
                            const struct controller *controllers, size_t count)
{
    struct manager *self = xalloc(sizeof(*self));

    self->options = *options;
    self->controllers = xmemdup(controllers, count * sizeof(*controllers));
    self->loop.queue = queue_new(options, controllers, count);
    self->loop.expectations = expectations_new(self->loop.queue, options->clock);
    self->loop.metrics = options->metrics;
    self->loop.controllers = self->controllers;
    self->loop.controller_count = count;
    self->loop.max_per_controller = options->max_per_controller;
    loop_metrics_init(&self->loop);
    self->runs_cancel = cancel_new();
    self->threads_cancel = cancel_new();
    mutex_init(&self->mutex);
    cond_init(&self->changed);
    return self;
}

static void source_free(struct source *source)
{
    cache_set_observer(cache_source_cache(source->of), NULL, NULL);
    reflector_free(source->reflector);
    xfree(source);
}

void manager_free(struct manager *self)
{
    if (!self)
        return;
    manager_stop(self);
    for (size_t i = 0; i < self->source_count; i++)
        source_free(self->sources[i]);
    xfree(self->sources);
    expectations_free(self->loop.expectations);
    workqueue_free(self->loop.queue);
    loop_metrics_deinit(&self->loop);
    cancel_unref(self->runs_cancel);
    cancel_unref(self->threads_cancel);
    cond_deinit(&self->changed);
    mutex_deinit(&self->mutex);
    xfree(self->controllers);
    xfree(self);
}

struct workqueue *manager_queue(struct manager *self)
{
    return self->loop.queue;
}

struct expectations *manager_expectations(struct manager *self)
{
    return self->loop.expectations;
}

static void source_moved(void *arg, struct cache_source *source)
{
    struct manager *self = arg;

    expectations_observe(self->loop.expectations, source);
    if (!cache_source_is_synced(source))
        return;
    mutex_lock(&self->mutex);
    cond_broadcast(&self->changed); /* manager_start() may wait for the last list, or change */
    mutex_unlock(&self->mutex);
}

void manager_add_source(struct manager *self, struct cache *cache, const struct store_view *view)
{
    struct source *source = xalloc(sizeof(*source));
    size_t size = (self->source_count + 1) * sizeof(*self->sources);

    source->manager = self;
    source->of = cache_add_source(cache, view);
    source->reflector = reflector_new(self->options.store, source->of);
    cache_set_observer(cache, source_moved, self);
    self->sources = xrealloc(self->sources, size);
    self->sources[self->source_count++] = source;
}

/* --- threads --- */

static const char *plural_of(const struct source *source)
{
    return cache_kind(cache_source_cache(source->of))->resource->plural;
}

static struct context thread_context(const struct manager *self, struct cancel *cancel)
{
    struct context ctx = context_background(self->options.clock);

    ctx.cancel = cancel;
    return ctx;
}

static void reflector_main(void *arg)
{
    struct source *source = arg;
    struct context ctx = thread_context(source->manager, source->manager->threads_cancel);

    reflector_run(source->reflector, &ctx);
}

static bool process(struct manager *self, const struct context *ctx, struct work *work)
{
    __atomic_add_fetch(&self->runs, 1, __ATOMIC_SEQ_CST);
    return controller_process(&self->loop, ctx, work);
}

static void count_working(struct manager *self, int by)
{
    mutex_lock(&self->mutex);
    self->working += by;
    cond_broadcast(&self->changed);
    mutex_unlock(&self->mutex);
}

static void worker_main(void *arg)
{
    struct worker *worker = arg;
    struct manager *self = worker->manager;
    struct context waits = context_background(self->options.clock);
    struct context runs = thread_context(self, self->runs_cancel);
    struct work *work;

    while (workqueue_get(self->loop.queue, &waits, &work, NULL) == 0)
        (void)process(self, &runs, work); /* parked is as good as run */
    count_working(self, -1);
}

static void clock_changed(void *arg)
{
    log_debug(NULL, "the clock was set; looking at the timers again");
    workqueue_clock_changed(arg);
}

static void clock_main(void *arg)
{
    struct manager *self = arg;

    clock_watch_run(self->threads_cancel, clock_changed, self->loop.queue);
}

/* --- start --- */

static int start_reflectors(struct manager *self, struct err *err)
{
    char name[32];
    int r = 0;

    for (size_t i = 0; i < self->source_count && r == 0; i++) {
        struct source *source = self->sources[i];

        (void)snprintf(name, sizeof(name), "w-%.20s", plural_of(source));
        r = thread_start(name, reflector_main, source, &source->thread, err);
    }
    return r;
}

static int start_worker(struct manager *self, int i, struct err *err)
{
    char name[32];
    int r;

    (void)snprintf(name, sizeof(name), "worker-%d", i);
    self->workers[i].manager = self;
    count_working(self, 1);
    r = thread_start(name, worker_main, &self->workers[i], &self->workers[i].thread, err);
    if (r < 0)
        count_working(self, -1);
    return r;
}

static int start_workers(struct manager *self, struct err *err)
{
    int r = 0;

    self->workers = xcalloc((size_t)self->options.workers + 1, sizeof(*self->workers));
    for (int i = 0; i < self->options.workers && r == 0; i++)
        r = start_worker(self, i, err);
    return r;
}

static int start_clock_watch(struct manager *self, struct err *err)
{
    if (self->options.clock != clock_system())
        return 0;
    return thread_start("clock", clock_main, self, &self->clock_thread, err);
}

static const struct source *first_unsynced(const struct manager *self)
{
    for (size_t i = 0; i < self->source_count; i++)
        if (!cache_source_is_synced(self->sources[i]->of))
            return self->sources[i];
    return NULL;
}

bool manager_is_synced(struct manager *self)
{
    return !first_unsynced(self);
}

static void wake_start(void *arg)
{
    struct manager *self = arg;

    mutex_lock(&self->mutex);
    cond_broadcast(&self->changed);
    mutex_unlock(&self->mutex);
}

static int wait_until_synced(struct manager *self, const struct context *ctx, struct err *err)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    const struct source *missing;
    int64_t ms;
    int r;

    for (missing = first_unsynced(self); missing; missing = first_unsynced(self)) {
        r = context_check(ctx, err);
        if (r < 0)
            return err_wrap(err, "waiting for the first list of %s", plural_of(missing));
        ms = context_remaining_ms(ctx, SYNC_REMIND_MS);
        if (!cond_wait_for(&self->changed, &self->mutex, ms < SYNC_REMIND_MS ? ms : SYNC_REMIND_MS))
            log_info(ctx, "still waiting for the first list of %s", plural_of(missing));
    }
    return 0;
}

static const struct source *first_behind(struct manager *self)
{
    struct context ctx = thread_context(self, self->threads_cancel);

    for (size_t i = 0; i < self->source_count; i++)
        if (!reflector_is_current(self->sources[i]->reflector, &ctx))
            return self->sources[i];
    return NULL;
}

/* What was written since manager_list() may still be on its way. */
static int wait_until_current(struct manager *self, const struct context *ctx, struct err *err)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    const struct source *missing;
    int looks = 0;
    int r;

    for (missing = first_behind(self); missing; missing = first_behind(self)) {
        const char *plural = plural_of(missing);

        (void)cond_wait_for(&self->changed, &self->mutex, CURRENT_LOOK_MS); /* looks again */
        r = context_check(ctx, err);
        if (r < 0)
            return err_wrap(err, "waiting for the latest changes of %s", plural);
        if (++looks % (SYNC_REMIND_MS / CURRENT_LOOK_MS) == 0)
            log_info(ctx, "still waiting for the latest changes of %s", plural);
    }
    return 0;
}

static int sync_caches(struct manager *self, const struct context *ctx, struct err *err)
{
    struct cancel_waker waker = {.wake = wake_start, .arg = self};
    int r;

    cancel_add_waker(ctx->cancel, &waker);
    r = wait_until_synced(self, ctx, err);
    cancel_remove_waker(ctx->cancel, &waker);
    return r;
}

int manager_catch_up(struct manager *self, const struct context *ctx, struct err *err)
{
    struct cancel_waker waker = {.wake = wake_start, .arg = self};
    int r;

    cancel_add_waker(ctx->cancel, &waker);
    r = wait_until_synced(self, ctx, err);
    if (r == 0)
        r = wait_until_current(self, ctx, err);
    cancel_remove_waker(ctx->cancel, &waker);
    return r;
}

static int start(struct manager *self, const struct context *ctx, struct err *err)
{
    int r = self->listed_ahead ? 0 : start_reflectors(self, err);

    if (r < 0)
        return r;
    r = sync_caches(self, ctx, err);
    if (r < 0)
        return r;
    r = start_clock_watch(self, err);
    if (r < 0)
        return r;
    return start_workers(self, err);
}

int manager_list(struct manager *self, struct err *err)
{
    int r = start_reflectors(self, err);

    self->listed_ahead = true;
    if (r < 0)
        manager_stop(self);
    return r;
}

int manager_start(struct manager *self, const struct context *ctx, struct err *err)
{
    int r = start(self, ctx, err);

    if (r < 0)
        manager_stop(self);
    return r;
}

/* --- stop --- */

/* A closed queue ends each worker after its run. Measured by the system's clock: the threads are real, whatever clock the reconcilers see. */
static void give_grace(struct manager *self)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    int64_t end_ms = clock_monotonic_ms(clock_system()) + GRACE_MS, left_ms = GRACE_MS;

    while (self->working > 0 && left_ms > 0) {
        (void)cond_wait_for(&self->changed, &self->mutex, left_ms); /* looks again */
        left_ms = end_ms - clock_monotonic_ms(clock_system());
    }
}

static void join_workers(struct manager *self)
{
    for (int i = 0; self->workers && i < self->options.workers; i++)
        thread_join(take(self->workers[i].thread));
    xfree(take(self->workers));
}

void manager_stop(struct manager *self)
{
    workqueue_close(self->loop.queue);
    give_grace(self);
    cancel_fire(self->runs_cancel);
    join_workers(self);
    cancel_fire(self->threads_cancel);
    for (size_t i = 0; i < self->source_count; i++)
        thread_join(take(self->sources[i]->thread));
    thread_join(take(self->clock_thread));
}

/* --- looking --- */

static bool is_quiet(struct manager *self)
{
    return workqueue_is_idle(self->loop.queue) && expectations_open(self->loop.expectations) == 0;
}

/*
 * If no run began between the two looks, and none was under way at either, then nothing of ours was
 * written in between, so that caches which were found current one after the other are current
 * together. Their handlers have run (see cache.c), and the second look would find what they added.
 */
bool manager_is_idle(struct manager *self)
{
    uint64_t runs = __atomic_load_n(&self->runs, __ATOMIC_SEQ_CST);

    if (!is_quiet(self) || first_behind(self) || !is_quiet(self))
        return false;
    return runs == __atomic_load_n(&self->runs, __ATOMIC_SEQ_CST);
}

/* --- in one thread --- */

int manager_read(struct manager *self, const struct context *ctx, struct err *err)
{
    int r = 0;

    for (size_t i = 0; i < self->source_count && r == 0; i++)
        r = reflector_read(self->sources[i]->reflector, ctx, err);
    return r;
}

static void step_reflectors(struct manager *self, const struct context *ctx)
{
    struct err err = {};

    for (size_t i = 0; i < self->source_count; i++)
        if (reflector_step(self->sources[i]->reflector, ctx, &err) < 0)
            log_debug(ctx, "%s", err.text); /* the next step tries again */
}

int manager_process_next(struct manager *self, const struct context *ctx)
{
    struct work *work;

    step_reflectors(self, ctx);
    if (!manager_is_synced(self))
        return 0;
    for (work = workqueue_try_get(self->loop.queue); work;
         work = workqueue_try_get(self->loop.queue))
        if (process(self, ctx, work))
            return 1;
    return 0;
}
