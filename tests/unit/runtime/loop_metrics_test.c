/* What a scrape says of controllers and their queue, read back from its text. */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "runtime/loop.h"
#include "support/testing.h"

enum { LANE_THINGS, LANE_OTHERS, LANE_COUNT };

struct bed {
    struct fake_clock clock;
    struct context ctx;
    struct controller controllers[LANE_COUNT];
    struct loop loop;
    int result; /* of the next runs */
    int64_t requeue_at_ms, takes_ms;
};

static int reconcile(void *self, const struct context *ctx, const struct key *key,
                     struct reconcile_result *ret_result, struct err *err)
{
    struct bed *bed = self;

    fake_clock_advance(&bed->clock, bed->takes_ms);
    ret_result->requeue_at_ms = bed->requeue_at_ms;
    return bed->result == 0 ? 0 : err_set(err, bed->result, "no luck");
}

static void discard(void *arg, enum log_level level, const char *line)
{
}

static void bed_init(struct bed *bed)
{
    static const struct lane_options lanes[LANE_COUNT] = {
        {.name = "things", .backoff_min_ms = SECONDS(5), .backoff_max_ms = MINUTES(5)},
        {.name = "others", .backoff_min_ms = SECONDS(5), .backoff_max_ms = MINUTES(5)},
    };

    fake_clock_init(&bed->clock, AT("2026-01-01T00:00:00Z"));
    bed->ctx = context_background(&bed->clock.clock);
    for (int i = 0; i < LANE_COUNT; i++)
        bed->controllers[i] = (struct controller){
            .name = lanes[i].name, .kind = "Thing", .reconcile = reconcile, .self = bed};
    bed->loop = (struct loop){.controllers = bed->controllers,
                              .controller_count = LANE_COUNT,
                              .max_per_controller = 7,
                              .metrics = metrics_new(),
                              .queue = workqueue_new(&bed->clock.clock, lanes, LANE_COUNT)};
    bed->loop.expectations = expectations_new(bed->loop.queue, &bed->clock.clock);
    log_set_sink(discard, NULL);
    loop_metrics_init(&bed->loop);
}

static void bed_deinit(struct bed *bed)
{
    log_set_sink(NULL, NULL);
    expectations_free(bed->loop.expectations);
    workqueue_free(bed->loop.queue);
    loop_metrics_deinit(&bed->loop);
    metrics_free(bed->loop.metrics);
}
DEFINE_CLEANUP_VALUE(struct bed, bed_deinit);

static void run(struct bed *bed, int result, int64_t requeue_at_ms, int64_t takes_ms)
{
    static const struct key key = {"ns", "x"};

    bed->result = result;
    bed->requeue_at_ms = requeue_at_ms;
    bed->takes_ms = takes_ms;
    workqueue_add(bed->loop.queue, LANE_THINGS, &key, PRIORITY_NORMAL);
    ASSERT_TRUE(controller_process(&bed->loop, &bed->ctx, workqueue_try_get(bed->loop.queue)));
}

/* The line is in the text of a scrape. */
static void expect(struct bed *bed, const char *line)
{
    cleanup(buf_deinit) struct buf text = BUF(1024 * 1024);
    cleanup(xfree) char *wanted = xasprintf("\n%s\n", line);

    metrics_print(bed->loop.metrics, &text);
    ASSERT_CONTAINS(buf_str(&text), wanted);
}

#define RUNS(result)                                                                               \
    "controller_runtime_reconcile_total{controller=\"things\",result=\"" result "\"} "
#define RUNS_WITHIN(seconds)                                                                       \
    "controller_runtime_reconcile_time_seconds_bucket{controller=\"things\",le=\"" seconds "\"} "
#define QUEUE(metric) "workqueue_" metric "{name=\"things\",controller=\"things\"} "

TEST(all_families_are_there_from_the_start)
{
    static const char *const lines[] = {
        RUNS("success") "0",
        RUNS("requeue_after") "0",
        RUNS("requeue") "0",
        RUNS("error") "0",
        "controller_runtime_reconcile_total{controller=\"others\",result=\"error\"} 0",
        "controller_runtime_reconcile_errors_total{controller=\"things\"} 0",
        "controller_runtime_reconcile_time_seconds_count{controller=\"things\"} 0",
        "controller_runtime_active_workers{controller=\"things\"} 0",
        "controller_runtime_max_concurrent_reconciles{controller=\"things\"} 7",
        QUEUE("depth") "0",
        QUEUE("adds_total") "0",
        QUEUE("retries_total") "0",
        QUEUE("queue_duration_seconds_count") "0",
        QUEUE("work_duration_seconds_count") "0",
        QUEUE("unfinished_work_seconds") "0",
        QUEUE("longest_running_processor_seconds") "0",
        "# TYPE workqueue_depth gauge",
        "# TYPE workqueue_adds_total counter",
        "# TYPE workqueue_queue_duration_seconds histogram",
        "# TYPE controller_runtime_reconcile_total counter",
        "# TYPE controller_runtime_reconcile_time_seconds histogram",
    };
    cleanup(bed_deinit) struct bed bed = {};

    bed_init(&bed);
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        expect(&bed, lines[i]);
}

TEST(runs_are_counted_by_result_and_time)
{
    cleanup(bed_deinit) struct bed bed = {};

    bed_init(&bed);
    run(&bed, 0, 0, 3);
    run(&bed, 0, bed.clock.now_ms + HOURS(1), 700);
    run(&bed, ERR_CONFLICT, 0, 0);
    run(&bed, ERR_BUSY, 0, 0);
    run(&bed, ERR_NETWORK, 0, SECONDS(100));
    run(&bed, ERR_DENIED, 0, 0);
    expect(&bed, RUNS("success") "1");
    expect(&bed, RUNS("requeue_after") "2");
    expect(&bed, RUNS("requeue") "1");
    expect(&bed, RUNS("error") "2");
    expect(&bed, "controller_runtime_reconcile_errors_total{controller=\"things\"} 2");
    expect(&bed, RUNS_WITHIN("0.005") "4");
    expect(&bed, RUNS_WITHIN("1") "5");
    expect(&bed, RUNS_WITHIN("60") "5");
    expect(&bed, RUNS_WITHIN("+Inf") "6");
    expect(&bed, "controller_runtime_reconcile_time_seconds_sum{controller=\"things\"} 100.703");
    expect(&bed, QUEUE("retries_total") "3");
}

TEST(a_stuck_key_shows_while_it_is_stuck)
{
    static const struct key key = {"ns", "x"}, later = {"ns", "y"};
    cleanup(bed_deinit) struct bed bed = {};
    struct work *work;

    bed_init(&bed);
    workqueue_add(bed.loop.queue, LANE_THINGS, &key, PRIORITY_NORMAL);
    fake_clock_advance(&bed.clock, 50);
    work = workqueue_try_get(bed.loop.queue);
    workqueue_add(bed.loop.queue, LANE_THINGS, &later, PRIORITY_NORMAL);
    fake_clock_advance(&bed.clock, MINUTES(10));
    expect(&bed, QUEUE("depth") "1");
    expect(&bed, QUEUE("unfinished_work_seconds") "600");
    expect(&bed, QUEUE("longest_running_processor_seconds") "600");
    expect(&bed, "controller_runtime_active_workers{controller=\"things\"} 1");
    expect(&bed, "workqueue_queue_duration_seconds_bucket{name=\"things\",controller=\"things\","
                 "le=\"0.1\"} 1");
    workqueue_done(bed.loop.queue, work);
    expect(&bed, QUEUE("unfinished_work_seconds") "0");
    expect(&bed, QUEUE("work_duration_seconds_sum") "600");
}

RUN_TESTS(cmocka_unit_test(all_families_are_there_from_the_start),
          cmocka_unit_test(runs_are_counted_by_result_and_time),
          cmocka_unit_test(a_stuck_key_shows_while_it_is_stuck));
