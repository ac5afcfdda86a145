/* Over the local store in memory: first in one thread with a clock that stands still, then real. */
#include "support/testing.h"

#include <stdatomic.h>
#include <stdio.h>

#include "base/log.h"
#include "base/thread.h"
#include "runtime/controller.h"
#include "store/local.h"
#include "unit/cache/script.h"

/* A controller that paints each thing's status once, and looks at it again a day later. */
struct bed {
    struct fake_clock clock;
    const struct clock *used;
    struct context ctx;
    struct store *store;
    struct cache *cache;
    struct manager *manager;
    struct mutex mutex; /* guards the next three */
    struct cond changed;
    int started;
    bool wait_for_cancel;
    atomic_int runs, writes;
    char order[200]; /* of runs; in one thread only */
};

static int write_status(struct bed *bed, const struct context *ctx, const struct key *key,
                        const void *thing, struct err *err)
{
    cleanup(json_unref) struct json *body = json_deep(((const struct thing *)thing)->json);
    cleanup(json_unref) struct json *stored = NULL;
    int r;

    json_set_text(json_need_map(body, "status"), "painted", "yes");
    r = store_update(bed->store, ctx, &thing_resource, STORE_STATUS, "test", body, &stored, err);
    if (r < 0)
        return r;
    atomic_fetch_add(&bed->writes, 1);
    expectations_add(manager_expectations(bed->manager), 0, key, cache_source_for(bed->cache, NULL),
                     json_as_text(json_path(stored, "metadata.resourceVersion")));
    return 0;
}

static int until_canceled(struct bed *bed, const struct context *ctx, struct err *err)
{
    struct work *never;
    static const struct lane_options lane = {.name = "never"};
    cleanup(workqueue_free) struct workqueue *queue = workqueue_new(ctx->clock, &lane, 1);

    return workqueue_get(queue, ctx, &never, err);
}

static int paint(void *self, const struct context *ctx, const struct key *key,
                 struct reconcile_result *ret_result, struct err *err)
{
    struct bed *bed = self;
    cleanup(thing_unref) const void *thing = cache_get(bed->cache, key);

    atomic_fetch_add(&bed->runs, 1);
    mutex_lock(&bed->mutex);
    bed->started++;
    if (strlen(bed->order) + strlen(key->name) + 2 < sizeof(bed->order))
        (void)sprintf(bed->order + strlen(bed->order), "%s ", key->name);
    cond_broadcast(&bed->changed);
    mutex_unlock(&bed->mutex);
    if (bed->wait_for_cancel)
        return until_canceled(bed, ctx, err);
    if (!thing)
        return 0;
    ret_result->requeue_at_ms = context_now_ms(ctx) + DAYS(1);
    if (*thing_text(thing, "status.painted"))
        return 0;
    return write_status(bed, ctx, key, thing, err);
}

static void changed(void *arg, const struct key *key, const void *before, const void *after,
                    bool initial)
{
    struct bed *bed = arg;

    workqueue_add(manager_queue(bed->manager), 0, key,
                  initial ? PRIORITY_INITIAL : PRIORITY_NORMAL);
}

static void discard(void *arg, enum log_level level, const char *line)
{
}

static void make_manager(struct bed *bed, struct store *store, int workers)
{
    struct controller controller = {.name = "painters",
                                    .kind = "Thing",
                                    .reconcile = paint,
                                    .self = bed,
                                    .backoff_min_ms = SECONDS(1),
                                    .backoff_max_ms = SECONDS(30),
                                    .deadline_ms = MINUTES(1)};
    struct manager_options options = {
        .clock = bed->used, .store = store, .workers = workers, .max_per_controller = 3};

    bed->cache = cache_new(&thing_kind);
    bed->manager = manager_new(&options, &controller, 1);
    cache_add_handler(bed->cache, changed, bed);
    manager_add_source(bed->manager, bed->cache, NULL);
}

static void bed_init(struct bed *bed, int workers)
{
    static const struct resource *const resources[] = {&thing_resource, NULL};
    struct local_options local = {.resources = resources};
    struct err err = {};

    log_set_sink(discard, NULL);
    fake_clock_init(&bed->clock, AT("2026-01-01T00:00:00Z"));
    bed->used = workers > 0 ? clock_system() : &bed->clock.clock;
    bed->ctx = context_background(bed->used);
    mutex_init(&bed->mutex);
    cond_init(&bed->changed);
    local.clock = bed->used;
    ASSERT_OK(store_local_open(&local, &bed->store, &err));
    make_manager(bed, bed->store, workers);
}

static void bed_deinit(struct bed *bed)
{
    manager_free(bed->manager);
    cache_free(bed->cache);
    store_close(bed->store);
    cond_deinit(&bed->changed);
    mutex_deinit(&bed->mutex);
}
DEFINE_CLEANUP_VALUE(struct bed, bed_deinit);

static void create(struct bed *bed, const char *key)
{
    cleanup(json_unref) struct json *object = thing_json(key, NULL, "red", NULL);
    cleanup(json_unref) struct json *stored = NULL;
    struct err err = {};

    ASSERT_OK(store_create(bed->store, &bed->ctx, &thing_resource, "user", object, &stored, &err));
}

static int run_until_idle(struct bed *bed)
{
    int runs = 0;

    while (manager_process_next(bed->manager, &bed->ctx) == 1)
        runs++;
    ASSERT_TRUE(manager_is_idle(bed->manager));
    return runs;
}

TEST(one_thread_runs_what_changed_until_nothing_is_left)
{
    cleanup(bed_deinit) struct bed bed = {};

    bed_init(&bed, 0);
    create(&bed, "ns/x");
    ASSERT_FALSE(manager_is_synced(bed.manager));
    ASSERT_FALSE(manager_is_idle(bed.manager));
    ASSERT_EQ(run_until_idle(&bed), 2); /* paints it; sees that it is painted */
    ASSERT_EQ(bed.writes, 1);
    ASSERT_TRUE(manager_is_synced(bed.manager));
    create(&bed, "ns/y");
    ASSERT_FALSE(manager_is_idle(bed.manager)); /* the store has something that no cache has seen */
    ASSERT_EQ(run_until_idle(&bed), 2);
    ASSERT_STREQ(bed.order, "x x y y ");
}

TEST(a_timer_runs_its_key_when_the_clock_gets_there)
{
    cleanup(bed_deinit) struct bed bed = {};

    bed_init(&bed, 0);
    create(&bed, "ns/x");
    ASSERT_EQ(run_until_idle(&bed), 2);
    ASSERT_EQ(workqueue_next_due_ms(manager_queue(bed.manager)), AT("2026-01-02T00:00:00Z"));
    fake_clock_advance(&bed.clock, DAYS(1));
    ASSERT_FALSE(manager_is_idle(bed.manager));
    ASSERT_EQ(run_until_idle(&bed), 1);
}

TEST(what_was_there_at_the_start_yields_to_what_comes_now)
{
    cleanup(bed_deinit) struct bed bed = {};

    bed_init(&bed, 0);
    create(&bed, "ns/old1");
    create(&bed, "ns/old2");
    ASSERT_EQ(manager_process_next(bed.manager, &bed.ctx), 1);
    create(&bed, "ns/new");
    ASSERT_EQ(manager_process_next(bed.manager, &bed.ctx), 1);
    ASSERT_STREQ(bed.order, "old1 old1 "); /* its own change came first */
    ASSERT_EQ(manager_process_next(bed.manager, &bed.ctx), 1);
    ASSERT_STREQ(bed.order, "old1 old1 new ");
    (void)run_until_idle(&bed);
}

/* --- with threads --- */

static void wait_until_idle(struct bed *bed)
{
    /* A look at the store takes its time; nothing else to wait for. */
    while (!manager_is_idle(bed->manager))
        continue;
}

TEST(threads_write_each_object_once_and_come_to_rest)
{
    enum { COUNT = 200 };
    cleanup(bed_deinit) struct bed bed = {};
    struct err err = {};
    char key[32];

    bed_init(&bed, 4);
    for (int i = 0; i < COUNT / 2; i++) {
        (void)snprintf(key, sizeof(key), "ns-%d/thing-%d", i % 7, i);
        create(&bed, key);
    }
    ASSERT_OK(manager_start(bed.manager, &bed.ctx, &err));
    ASSERT_TRUE(manager_is_synced(bed.manager));
    for (int i = COUNT / 2; i < COUNT; i++) {
        (void)snprintf(key, sizeof(key), "ns-%d/thing-%d", i % 7, i);
        create(&bed, key);
    }
    wait_until_idle(&bed);
    ASSERT_EQ(bed.writes, COUNT); /* a run on an older view would write twice, or conflict */
    ASSERT_TRUE(bed.runs >= 2 * COUNT);
    manager_stop(bed.manager);
    manager_stop(bed.manager); /* twice is fine */
    ASSERT_EQ(cache_len(bed.cache), COUNT);
}

TEST(what_is_written_beside_the_first_lists_is_seen_before_any_run)
{
    enum { COUNT = 300 };
    cleanup(bed_deinit) struct bed bed = {};
    struct err err = {};
    char key[32];

    bed_init(&bed, 4);
    create(&bed, "ns/first");
    ASSERT_OK(manager_list(bed.manager, &err));
    for (int i = 0; i < COUNT; i++) {
        (void)snprintf(key, sizeof(key), "ns/thing-%d", i);
        create(&bed, key);
    }
    ASSERT_EQ(bed.runs, 0);
    ASSERT_OK(manager_catch_up(bed.manager, &bed.ctx, &err));
    ASSERT_EQ(cache_len(bed.cache), COUNT + 1);
    ASSERT_OK(manager_start(bed.manager, &bed.ctx, &err));
    ASSERT_EQ(cache_len(bed.cache), COUNT + 1);
    wait_until_idle(&bed);
    ASSERT_EQ(bed.writes, COUNT + 1);
}

TEST(a_manager_that_only_lists_can_be_stopped)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct err err = {};

    bed_init(&bed, 2);
    ASSERT_OK(manager_list(bed.manager, &err));
    manager_stop(bed.manager);
}

TEST(stop_cancels_a_run_that_does_not_end_by_itself)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct err err = {};
    int64_t began_ms, took_ms;

    bed_init(&bed, 2);
    bed.wait_for_cancel = true;
    create(&bed, "ns/x");
    ASSERT_OK(manager_start(bed.manager, &bed.ctx, &err));
    mutex_lock(&bed.mutex);
    while (bed.started == 0)
        cond_wait(&bed.changed, &bed.mutex);
    mutex_unlock(&bed.mutex);
    began_ms = clock_monotonic_ms(clock_system());
    manager_stop(bed.manager); /* hangs if it does not cancel */
    took_ms = clock_monotonic_ms(clock_system()) - began_ms;
    ASSERT_TRUE(took_ms >= SECONDS(1)); /* the grace */
    ASSERT_EQ(bed.runs, 1);
}

TEST(start_gives_up_with_its_context)
{
    static const struct script_row rows[] = {{SCRIPT_OPEN}, {SCRIPT_ADDED, "x", "1"}};
    struct script script = SCRIPT(rows); /* a list that never ends */
    cleanup(cancel_unref) struct cancel *cancel = cancel_new();
    struct bed bed = {.used = clock_system()};
    struct context ctx = context_background(clock_system());
    struct err err = {};

    log_set_sink(discard, NULL);
    make_manager(&bed, &script.store, 2);
    ctx = context_with_timeout(&ctx, 5);
    ASSERT_ERR(ERR_TIMEOUT, manager_start(bed.manager, &ctx, &err));
    ASSERT_CONTAINS(err.text, "waiting for the first list of things: ");
    ASSERT_EQ(script.open, 0);
    manager_free(bed.manager);
    cache_free(bed.cache);
}

RUN_TESTS(cmocka_unit_test(one_thread_runs_what_changed_until_nothing_is_left),
          cmocka_unit_test(a_timer_runs_its_key_when_the_clock_gets_there),
          cmocka_unit_test(what_was_there_at_the_start_yields_to_what_comes_now),
          cmocka_unit_test(threads_write_each_object_once_and_come_to_rest),
          cmocka_unit_test(what_is_written_beside_the_first_lists_is_seen_before_any_run),
          cmocka_unit_test(a_manager_that_only_lists_can_be_stopped),
          cmocka_unit_test(stop_cancels_a_run_that_does_not_end_by_itself),
          cmocka_unit_test(start_gives_up_with_its_context));
