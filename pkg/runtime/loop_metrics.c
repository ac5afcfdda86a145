/*
 * loop_metrics.c - controllers and their queue, under the names that controller-runtime and client-go use,
 * so that dashboards made for those work (kubernetes.md 13).
 *
 * Counting is a few atomics for a run; texts are made when somebody scrapes. There is one series for each
 * controller, whatever the objects are.
 */
#include "runtime/loop.h"

#define QUEUE_LABELS "name", "controller"

static const double run_buckets[] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
                                     1,     2.5,  5,     10,   30,  60,   0};

static const struct metric_family depth = {.name = "workqueue_depth",
                                           .type = METRIC_GAUGE,
                                           .help = "Keys that are ready and wait for a worker.",
                                           .labels = {QUEUE_LABELS}};
static const struct metric_family adds = {
    .name = "workqueue_adds_total",
    .type = METRIC_COUNTER,
    .help = "Additions that made a key ready; what is ready already does not count.",
    .labels = {QUEUE_LABELS}};
static const struct metric_family queue_times = {
    .name = "workqueue_queue_duration_seconds",
    .type = METRIC_HISTOGRAM,
    .help = "How long keys were ready before a worker took them.",
    .labels = {QUEUE_LABELS},
    .buckets = workqueue_buckets};
static const struct metric_family work_times = {.name = "workqueue_work_duration_seconds",
                                                .type = METRIC_HISTOGRAM,
                                                .help = "How long workers had keys in hand.",
                                                .labels = {QUEUE_LABELS},
                                                .buckets = workqueue_buckets};
static const struct metric_family unfinished = {
    .name = "workqueue_unfinished_work_seconds",
    .type = METRIC_GAUGE,
    .help = "How long the keys in hand have been there, added up; a large value is a stuck worker.",
    .labels = {QUEUE_LABELS}};
static const struct metric_family longest = {
    .name = "workqueue_longest_running_processor_seconds",
    .type = METRIC_GAUGE,
    .help = "How long the key that is in hand for longest has been there.",
    .labels = {QUEUE_LABELS}};
static const struct metric_family retries = {.name = "workqueue_retries_total",
                                             .type = METRIC_COUNTER,
                                             .help = "Keys that were put back after a failure.",
                                             .labels = {QUEUE_LABELS}};

static const struct metric_family reconciles = {
    .name = "controller_runtime_reconcile_total",
    .type = METRIC_COUNTER,
    .help = "Runs of a controller by their result: success, requeue_after, requeue or error.",
    .labels = {"controller", "result"}};
static const struct metric_family errors = {.name = "controller_runtime_reconcile_errors_total",
                                            .type = METRIC_COUNTER,
                                            .help = "Runs of a controller that failed.",
                                            .labels = {"controller"}};
static const struct metric_family run_times = {.name = "controller_runtime_reconcile_time_seconds",
                                               .type = METRIC_HISTOGRAM,
                                               .help = "How long runs of a controller took.",
                                               .labels = {"controller"},
                                               .buckets = run_buckets};
static const struct metric_family active = {.name = "controller_runtime_active_workers",
                                            .type = METRIC_GAUGE,
                                            .help = "Workers that have a key of a controller.",
                                            .labels = {"controller"}};
static const struct metric_family most = {
    .name = "controller_runtime_max_concurrent_reconciles",
    .type = METRIC_GAUGE,
    .help = "The most workers that a controller may have at once; 0: no limit of its own.",
    .labels = {"controller"}};

static const char *const result_names[RUN_RESULTS] = {
    [RUN_SUCCESS] = "success",
    [RUN_REQUEUE_AFTER] = "requeue_after",
    [RUN_REQUEUE] = "requeue",
    [RUN_ERROR] = "error",
};

/* --- counting --- */

void loop_metrics_count(struct loop *loop, unsigned lane, enum run_result result, int64_t took_ms)
{
    struct run_stats *stats = loop->stats ? &loop->stats[lane] : NULL;

    if (!stats)
        return;
    __atomic_add_fetch(&stats->results[result], 1, __ATOMIC_RELAXED);
    metric_times_add(&stats->took, run_buckets, took_ms);
}

/* --- showing --- */

static double seconds(int64_t ms)
{
    return (double)ms / 1000;
}

static void write_queue(struct metrics_writer *writer, struct loop *loop, unsigned lane)
{
    const char *name = loop->controllers[lane].name;
    const char *both[] = {name, name, NULL}, *one[] = {name, NULL};
    struct lane_stats stats;

    workqueue_stats(loop->queue, lane, &stats);
    metrics_write(writer, &depth, both, (double)stats.ready);
    metrics_write(writer, &adds, both, (double)stats.adds);
    metrics_write(writer, &retries, both, (double)stats.retries);
    metrics_write(writer, &unfinished, both, seconds(stats.unfinished_ms));
    metrics_write(writer, &longest, both, seconds(stats.longest_ms));
    metrics_write_times(writer, &queue_times, both, &stats.waits);
    metrics_write_times(writer, &work_times, both, &stats.works);
    metrics_write(writer, &active, one, stats.in_work);
}

static double result_count(const struct run_stats *stats, size_t result)
{
    return (double)__atomic_load_n(&stats->results[result], __ATOMIC_RELAXED);
}

static void write_runs(struct metrics_writer *writer, const struct loop *loop, unsigned lane)
{
    const struct run_stats *stats = &loop->stats[lane];
    const char *labels[] = {loop->controllers[lane].name, NULL, NULL};

    metrics_write(writer, &errors, labels, result_count(stats, RUN_ERROR));
    metrics_write(writer, &most, labels, loop->max_per_controller);
    metrics_write_times(writer, &run_times, labels, &stats->took);
    for (size_t i = 0; i < RUN_RESULTS; i++) {
        labels[1] = result_names[i];
        metrics_write(writer, &reconciles, labels, result_count(stats, i));
    }
}

static void collect(void *arg, struct metrics_writer *writer)
{
    struct loop *loop = arg;

    for (unsigned lane = 0; lane < loop->controller_count; lane++) {
        write_queue(writer, loop, lane);
        write_runs(writer, loop, lane);
    }
}

void loop_metrics_init(struct loop *loop)
{
    if (!loop->metrics)
        return;
    loop->stats = xcalloc(loop->controller_count + 1, sizeof(*loop->stats));
    metrics_add_collector(loop->metrics, collect, loop);
}

void loop_metrics_deinit(struct loop *loop)
{
    xfree(take(loop->stats));
}
