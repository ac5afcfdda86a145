#include "support/testing.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "cache/write.h"
#include "runtime/loop.h"
#include "unit/cache/thing.h"

#define NOW "2026-01-01T00:00:00Z"

struct bed {
    struct fake_clock clock;
    struct context ctx;
    struct controller controller;
    struct loop loop;
    struct cache *cache;
    struct cache_source *source;
    /* what the next run does, and what it was given */
    int result;
    int64_t retry_at_ms, requeue_at_ms;
    const char *writes; /* a version */
    int runs;
    struct context seen;
    char object[100];
    /* the log */
    int lines;
    enum log_level level;
    char line[500];
};

static const struct key key_x = {"ns", "x"};

static int reconcile(void *self, const struct context *ctx, const struct key *key,
                     struct reconcile_result *ret_result, struct err *err)
{
    struct bed *bed = self;

    bed->runs++;
    bed->seen = *ctx;
    (void)snprintf(bed->object, sizeof(bed->object), "%s", ctx->object);
    if (bed->writes)
        expectations_add(bed->loop.expectations, 0, key, bed->source, bed->writes);
    ret_result->requeue_at_ms = bed->requeue_at_ms;
    if (bed->result == 0)
        return 0;
    (void)err_set(err, bed->result, "doing it: no luck");
    err->retry_at_ms = bed->retry_at_ms;
    return bed->result;
}

static void keep_line(void *arg, enum log_level level, const char *line)
{
    struct bed *bed = arg;

    bed->lines++;
    bed->level = level;
    (void)snprintf(bed->line, sizeof(bed->line), "%s", line);
}

static void bed_init(struct bed *bed)
{
    static const struct lane_options lane = {
        .name = "things", .backoff_min_ms = SECONDS(5), .backoff_max_ms = MINUTES(5)};

    fake_clock_init(&bed->clock, AT(NOW));
    bed->ctx = context_background(&bed->clock.clock);
    bed->controller = (struct controller){.name = "things",
                                          .kind = "Thing",
                                          .reconcile = reconcile,
                                          .self = bed,
                                          .deadline_ms = MINUTES(1)};
    bed->loop.controllers = &bed->controller;
    bed->loop.metrics = metrics_new();
    bed->loop.queue = workqueue_new(&bed->clock.clock, &lane, 1);
    bed->loop.expectations = expectations_new(bed->loop.queue, &bed->clock.clock);
    bed->cache = cache_new(&thing_kind);
    bed->source = cache_add_source(bed->cache, NULL);
    cache_set_observer(bed->cache, expectations_observe, bed->loop.expectations);
    log_setup(LOG_DEBUG, LOG_TEXT, &bed->clock.clock);
    log_set_sink(keep_line, bed);
}

static void bed_deinit(struct bed *bed)
{
    log_set_sink(NULL, NULL);
    expectations_free(bed->loop.expectations);
    workqueue_free(bed->loop.queue);
    cache_free(bed->cache);
    metrics_free(bed->loop.metrics);
}
DEFINE_CLEANUP_VALUE(struct bed, bed_deinit);

static bool run_key(struct bed *bed, const struct key *key)
{
    workqueue_add(bed->loop.queue, 0, key, PRIORITY_NORMAL);
    return controller_process(&bed->loop, &bed->ctx, workqueue_try_get(bed->loop.queue));
}

static void run_with(struct bed *bed, int result, int64_t retry_at_ms)
{
    bed->result = result;
    bed->retry_at_ms = retry_at_ms;
    bed->lines = 0;
    ASSERT_TRUE(run_key(bed, &key_x));
}

static int64_t comes_back_in_ms(struct bed *bed)
{
    int64_t at_ms = workqueue_next_due_ms(bed->loop.queue);

    return at_ms ? at_ms - bed->clock.now_ms : 0;
}

static int counted(struct bed *bed, const char *what)
{
    cleanup(buf_deinit) struct buf text = BUF(100000);
    char series[200];
    const char *at;

    metrics_print(bed->loop.metrics, &text);
    (void)snprintf(series, sizeof(series), "certmanager_controller_%s{controller=\"things\"} ",
                   what);
    at = strstr(buf_str(&text), series);
    return at ? atoi(at + strlen(series)) : 0;
}

TEST(success_forgets_failures_and_comes_back_only_when_asked)
{
    cleanup(bed_deinit) struct bed bed = {};

    bed_init(&bed);
    run_with(&bed, ERR_NETWORK, 0);
    fake_clock_advance(&bed.clock, SECONDS(5));
    run_with(&bed, 0, 0);
    ASSERT_EQ(workqueue_next_due_ms(bed.loop.queue), 0);
    ASSERT_EQ(bed.lines, 0);
    bed.requeue_at_ms = bed.clock.now_ms + DAYS(60);
    run_with(&bed, 0, 0);
    ASSERT_EQ(comes_back_in_ms(&bed), DAYS(60));
    ASSERT_EQ(workqueue_add_failed(bed.loop.queue, 0, &key_x) - bed.clock.now_ms, SECONDS(5));
    ASSERT_EQ(counted(&bed, "sync_call_count"), 3);
    ASSERT_EQ(counted(&bed, "sync_error_count"), 1);
}

static void run_and_ask_for(struct bed *bed, int64_t in_ms)
{
    bed->requeue_at_ms = in_ms ? bed->clock.now_ms + in_ms : 0;
    run_with(bed, 0, 0);
}

/* What an earlier run asked for is not needed any more: `certlet run --once` would wait for it. */
TEST(a_run_that_ends_well_says_anew_when_to_come_back)
{
    cleanup(bed_deinit) struct bed bed = {};

    bed_init(&bed);
    run_and_ask_for(&bed, SECONDS(10));
    run_and_ask_for(&bed, DAYS(60));
    ASSERT_EQ(comes_back_in_ms(&bed), DAYS(60));
    run_and_ask_for(&bed, SECONDS(10));
    run_with(&bed, ERR_RATE_LIMITED, bed.clock.now_ms + HOURS(2));
    ASSERT_EQ(comes_back_in_ms(&bed), SECONDS(10));
    run_and_ask_for(&bed, 0);
    ASSERT_EQ(comes_back_in_ms(&bed), 0);
}

TEST(every_error_has_its_answer)
{
    enum { SILENT = -1 };
    static const struct {
        const char *name;
        int code;
        int64_t retry_in_ms; /* 0: not said */
        int64_t back_in_ms;
        int level;
        bool is_failure, is_counted;
    } cases[] = {
        {"network", ERR_NETWORK, 0, SECONDS(5), LOG_ERROR, true, true},
        {"gone", ERR_GONE, 0, SECONDS(5), LOG_ERROR, true, true},
        {"invalid", ERR_INVALID, 0, SECONDS(5), LOG_ERROR, true, true},
        {"timeout", ERR_TIMEOUT, 0, SECONDS(5), LOG_ERROR, true, true},
        {"unavailable with a time", ERR_UNAVAILABLE, HOURS(1), SECONDS(5), LOG_ERROR, true, true},
        {"canceled", ERR_CANCELED, 0, SECONDS(5), SILENT, true, false},
        {"conflict", ERR_CONFLICT, 0, SECONDS(5), LOG_DEBUG, true, false},
        {"rate limited", ERR_RATE_LIMITED, HOURS(2), HOURS(2), LOG_INFO, false, false},
        {"rate limited for a year", ERR_RATE_LIMITED, DAYS(365), DAYS(1), LOG_INFO, false, false},
        {"rate limited, no time", ERR_RATE_LIMITED, 0, SECONDS(5), LOG_ERROR, true, true},
        {"deleted", ERR_DELETED, 0, SECONDS(5), LOG_DEBUG, true, false},
        {"rate limited, past", ERR_RATE_LIMITED, -1, SECONDS(5), LOG_ERROR, true, true},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        cleanup(bed_deinit) struct bed bed = {};
        int64_t now_ms = AT(NOW);

        CASE(cases[i].name);
        bed_init(&bed);
        bed.requeue_at_ms = now_ms + 1; /* an error wins over it */
        run_with(&bed, cases[i].code, cases[i].retry_in_ms ? now_ms + cases[i].retry_in_ms : 0);
        ASSERT_EQ(comes_back_in_ms(&bed), cases[i].back_in_ms);
        ASSERT_EQ(bed.lines, cases[i].level == SILENT ? 0 : 1);
        if (cases[i].level != SILENT)
            ASSERT_EQ(bed.level, cases[i].level);
        ASSERT_EQ(counted(&bed, "sync_error_count"), cases[i].is_counted);
        ASSERT_EQ(counted(&bed, "sync_call_count"), 1);
        ASSERT_EQ(workqueue_add_failed(bed.loop.queue, 0, &key_x) - now_ms,
                  cases[i].is_failure ? SECONDS(10) : SECONDS(5));
    }
}

/* Up to a quarter more: not all at once. */
static void assert_comes_back_about(struct bed *bed, int64_t in_ms)
{
    int64_t is_ms = comes_back_in_ms(bed);

    if (is_ms < in_ms || is_ms > in_ms + in_ms / 4)
        ASSERT_EQ(is_ms, in_ms);
}

TEST(who_finds_a_share_used_up_comes_back_soon_and_later_each_time)
{
    static const int64_t waits_ms[] = {250, 500, 1000, 2000, 4000, 8000, 10000, 10000};
    cleanup(bed_deinit) struct bed bed = {};

    bed_init(&bed);
    for (size_t i = 0; i < ARRAY_LEN(waits_ms); i++) {
        run_with(&bed, ERR_BUSY, 0);
        assert_comes_back_about(&bed, waits_ms[i]);
        fake_clock_advance(&bed.clock, comes_back_in_ms(&bed));
    }
    ASSERT_EQ(bed.lines, 1);
    ASSERT_EQ(bed.level, LOG_DEBUG);
    ASSERT_EQ(counted(&bed, "sync_error_count"), 0);
    run_with(&bed, ERR_NETWORK, 0); /* it had its turn; no failure came before it */
    ASSERT_EQ(comes_back_in_ms(&bed), SECONDS(5));
    fake_clock_advance(&bed.clock, SECONDS(5));
    run_with(&bed, ERR_BUSY, 0);
    assert_comes_back_about(&bed, 250);
}

TEST(an_error_is_logged_once_with_controller_object_and_id)
{
    cleanup(bed_deinit) struct bed bed = {};

    bed_init(&bed);
    run_with(&bed, 0, 0);
    run_with(&bed, ERR_DENIED, 0);
    ASSERT_EQ(bed.lines, 1);
    ASSERT_CONTAINS(bed.line, "controller=things object=\"Thing ns/x\" id=2 "
                              "doing it: no luck; trying again in 5s");
}

TEST(the_log_says_when_it_is_looked_at_again)
{
    cleanup(bed_deinit) struct bed bed = {};

    bed_init(&bed);
    run_with(&bed, ERR_RATE_LIMITED, bed.clock.now_ms + DAYS(365));
    ASSERT_CONTAINS(bed.line, "doing it: no luck; trying again in 1d");
}

TEST(a_run_has_its_own_context)
{
    cleanup(bed_deinit) struct bed bed = {};
    cleanup(cancel_unref) struct cancel *cancel = cancel_new();

    bed_init(&bed);
    bed.ctx.cancel = cancel;
    run_with(&bed, 0, 0);
    ASSERT_PTREQ(bed.seen.cancel, cancel);
    ASSERT_EQ(bed.seen.deadline_ms, bed.clock.mono_ms + MINUTES(1));
    ASSERT_EQ(bed.seen.reconcile_id, 1);
    ASSERT_STREQ(bed.seen.controller, "things");
    ASSERT_STREQ(bed.object, "Thing ns/x");
    ASSERT_TRUE(bed.seen.tenant != NULL);
}

TEST(a_cluster_scoped_object_counts_against_no_tenant)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct key key = {"", "x"};

    bed_init(&bed);
    ASSERT_TRUE(run_key(&bed, &key));
    ASSERT_NULL(bed.seen.tenant);
    ASSERT_STREQ(bed.object, "Thing x");
}

TEST(a_key_is_not_run_on_a_view_older_than_its_own_write)
{
    cleanup(bed_deinit) struct bed bed = {};
    cleanup(store_event_deinit) struct store_event event = {};
    struct err err = {};
    struct work *work;

    bed_init(&bed);
    bed.writes = "10";
    run_with(&bed, 0, 0);
    ASSERT_FALSE(run_key(&bed, &key_x));
    ASSERT_EQ(bed.runs, 1);
    ASSERT_EQ(counted(&bed, "sync_call_count"), 1);
    ASSERT_TRUE(workqueue_is_idle(bed.loop.queue));
    thing_event(&event, STORE_ADDED, "ns/x", "u", "10", "red", NULL);
    ASSERT_OK(cache_apply(bed.source, &event, &err));
    work = workqueue_try_get(bed.loop.queue);
    ASSERT_TRUE(controller_process(&bed.loop, &bed.ctx, work));
    ASSERT_EQ(bed.runs, 2);
}

RUN_TESTS(cmocka_unit_test(success_forgets_failures_and_comes_back_only_when_asked),
          cmocka_unit_test(a_run_that_ends_well_says_anew_when_to_come_back),
          cmocka_unit_test(every_error_has_its_answer),
          cmocka_unit_test(who_finds_a_share_used_up_comes_back_soon_and_later_each_time),
          cmocka_unit_test(an_error_is_logged_once_with_controller_object_and_id),
          cmocka_unit_test(the_log_says_when_it_is_looked_at_again),
          cmocka_unit_test(a_run_has_its_own_context),
          cmocka_unit_test(a_cluster_scoped_object_counts_against_no_tenant),
          cmocka_unit_test(a_key_is_not_run_on_a_view_older_than_its_own_write));
