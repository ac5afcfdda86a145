#include "metrics/metrics.h"

#include <math.h>
#include <stdio.h>

#include "base/thread.h"
#include "support/testing.h"

static const double buckets[] = {0.01, 0.5, 1, 30, 0};
static const struct metric_family calls = {
    .name = "certmanager_controller_sync_call_count",
    .type = METRIC_COUNTER,
    .help = "The number of sync() calls made by a controller.",
    .labels = {"controller"}};
static const struct metric_family ready = {.name = "certmanager_certificate_ready_status",
                                           .type = METRIC_GAUGE,
                                           .labels = {"name", "condition"}};
static const struct metric_family waits = {
    .name = "certlet_wait_seconds", .type = METRIC_HISTOGRAM, .help = "Waits.", .buckets = buckets};
static const struct metric_family times = {
    .name = "certlet_time_seconds", .type = METRIC_SUMMARY, .help = "Times.", .labels = {"host"}};

#define VALUES(...) ((const char *const[]){__VA_ARGS__})

static char *print(struct metrics *metrics)
{
    cleanup(buf_deinit) struct buf text = BUF(1024 * 1024);

    metrics_print(metrics, &text);
    return xstrdup(buf_str(&text));
}

TEST(a_counter_adds_up_by_label)
{
    cleanup(metrics_free) struct metrics *metrics = metrics_new();
    cleanup(xfree) char *text = NULL;

    metrics_add(metrics, &calls, VALUES("orders"), 1);
    metrics_add(metrics, &calls, VALUES("certificates"), 1);
    metrics_add(metrics, &calls, VALUES("orders"), 2);
    ASSERT_EQ(metrics_get(metrics, &calls, VALUES("orders")), 3);
    ASSERT_EQ(metrics_get(metrics, &calls, VALUES("nobody")), 0);
    text = print(metrics);
    ASSERT_STREQ(
        text, "# HELP certmanager_controller_sync_call_count The number of sync() calls made by a "
              "controller.\n"
              "# TYPE certmanager_controller_sync_call_count counter\n"
              "certmanager_controller_sync_call_count{controller=\"certificates\"} 1\n"
              "certmanager_controller_sync_call_count{controller=\"orders\"} 3\n");
}

static void write_lent(void *arg, struct metrics_writer *writer)
{
    metrics_write_times(writer, &waits, VALUES(NULL), arg);
}

TEST(times_counted_elsewhere_read_as_a_histogram)
{
    static const int64_t ms[] = {0, 10, 11, 500, 1000, 30000, 30001, -5};
    cleanup(metrics_free) struct metrics *metrics = metrics_new();
    cleanup(xfree) char *text = NULL;
    struct metric_times lent = {};

    for (size_t i = 0; i < ARRAY_LEN(ms); i++)
        metric_times_add(&lent, buckets, ms[i]);
    metrics_add_collector(metrics, write_lent, &lent);
    text = print(metrics);
    ASSERT_STREQ(text, "# HELP certlet_wait_seconds Waits.\n"
                       "# TYPE certlet_wait_seconds histogram\n"
                       "certlet_wait_seconds_bucket{le=\"0.01\"} 3\n"
                       "certlet_wait_seconds_bucket{le=\"0.5\"} 5\n"
                       "certlet_wait_seconds_bucket{le=\"1\"} 6\n"
                       "certlet_wait_seconds_bucket{le=\"30\"} 7\n"
                       "certlet_wait_seconds_bucket{le=\"+Inf\"} 8\n"
                       "certlet_wait_seconds_sum 61.522\n"
                       "certlet_wait_seconds_count 8\n");
}

TEST(a_gauge_is_set_and_families_come_in_order_of_name)
{
    cleanup(metrics_free) struct metrics *metrics = metrics_new();
    cleanup(xfree) char *text = NULL;

    metrics_register(metrics, &calls);
    metrics_set(metrics, &ready, VALUES("web", "True"), 1);
    metrics_set(metrics, &ready, VALUES("web", "True"), 0);
    text = print(metrics);
    ASSERT_STREQ(text,
                 "# TYPE certmanager_certificate_ready_status gauge\n"
                 "certmanager_certificate_ready_status{name=\"web\",condition=\"True\"} 0\n"
                 "# HELP certmanager_controller_sync_call_count The number of sync() calls made "
                 "by a controller.\n"
                 "# TYPE certmanager_controller_sync_call_count counter\n");
}

TEST(label_values_and_help_are_escaped)
{
    static const struct metric_family odd = {
        .name = "odd", .type = METRIC_GAUGE, .help = "a\\b\n\"c\"", .labels = {"x"}};
    cleanup(metrics_free) struct metrics *metrics = metrics_new();
    cleanup(xfree) char *text = NULL;

    metrics_set(metrics, &odd, VALUES("a\\b\n\"c\""), 1);
    metrics_set(metrics, &odd, VALUES(NULL), 2);
    text = print(metrics);
    ASSERT_STREQ(text, "# HELP odd a\\\\b\\n\"c\"\n# TYPE odd gauge\n"
                       "odd{x=\"\"} 2\nodd{x=\"a\\\\b\\n\\\"c\\\"\"} 1\n");
}

TEST(numbers_are_short_and_exact)
{
    static const struct metric_family plain = {.name = "n", .type = METRIC_GAUGE};
    static const struct {
        double value;
        const char *text;
    } rows[] = {
        {0, "n 0\n"},
        {-0.0, "n 0\n"},
        {1, "n 1\n"},
        {-5, "n -5\n"},
        {0.1, "n 0.1\n"},
        {1767225600, "n 1767225600\n"},
        {1767225600.25, "n 1767225600.25\n"},
        {1e300, "n 1e+300\n"},
        {1.0 / 3, "n 0.3333333333333333\n"},
        {NAN, "n NaN\n"},
        {INFINITY, "n +Inf\n"},
        {-INFINITY, "n -Inf\n"},
    };
    cleanup(metrics_free) struct metrics *metrics = metrics_new();

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(xfree) char *text = NULL;

        CASE(rows[i].text);
        metrics_set(metrics, &plain, NULL, rows[i].value);
        text = print(metrics);
        ASSERT_STREQ(text + strlen("# TYPE n gauge\n"), rows[i].text);
    }
    CASE("");
}

TEST(a_histogram_counts_what_is_not_above_each_bucket)
{
    cleanup(metrics_free) struct metrics *metrics = metrics_new();
    cleanup(xfree) char *text = NULL;

    metrics_observe(metrics, &waits, NULL, 0.01);
    metrics_observe(metrics, &waits, NULL, 0.25);
    metrics_observe(metrics, &waits, NULL, 0.75);
    metrics_observe(metrics, &waits, NULL, 99);
    ASSERT_EQ(metrics_get(metrics, &waits, NULL), 4);
    text = print(metrics);
    ASSERT_STREQ(text, "# HELP certlet_wait_seconds Waits.\n"
                       "# TYPE certlet_wait_seconds histogram\n"
                       "certlet_wait_seconds_bucket{le=\"0.01\"} 1\n"
                       "certlet_wait_seconds_bucket{le=\"0.5\"} 2\n"
                       "certlet_wait_seconds_bucket{le=\"1\"} 3\n"
                       "certlet_wait_seconds_bucket{le=\"30\"} 3\n"
                       "certlet_wait_seconds_bucket{le=\"+Inf\"} 4\n"
                       "certlet_wait_seconds_sum 100.01\n"
                       "certlet_wait_seconds_count 4\n");
}

TEST(a_summary_shows_quantiles_of_its_observations)
{
    cleanup(metrics_free) struct metrics *metrics = metrics_new();
    cleanup(xfree) char *text = NULL;

    for (int i = 100; i >= 1; i--)
        metrics_observe(metrics, &times, VALUES("ca"), i);
    text = print(metrics);
    ASSERT_STREQ(text, "# HELP certlet_time_seconds Times.\n"
                       "# TYPE certlet_time_seconds summary\n"
                       "certlet_time_seconds{host=\"ca\",quantile=\"0.5\"} 50\n"
                       "certlet_time_seconds{host=\"ca\",quantile=\"0.9\"} 90\n"
                       "certlet_time_seconds{host=\"ca\",quantile=\"0.99\"} 99\n"
                       "certlet_time_seconds_sum{host=\"ca\"} 5050\n"
                       "certlet_time_seconds_count{host=\"ca\"} 100\n");
}

TEST(old_observations_leave_the_quantiles_but_not_the_sum)
{
    cleanup(metrics_free) struct metrics *metrics = metrics_new();
    cleanup(xfree) char *text = NULL;

    for (int i = 0; i < 1000; i++)
        metrics_observe(metrics, &times, VALUES("ca"), 1);
    for (int i = 0; i < 256; i++)
        metrics_observe(metrics, &times, VALUES("ca"), 2);
    text = print(metrics);
    ASSERT_CONTAINS(text, "quantile=\"0.5\"} 2\n");
    ASSERT_CONTAINS(text, "_sum{host=\"ca\"} 1512\n");
    ASSERT_CONTAINS(text, "_count{host=\"ca\"} 1256\n");
}

TEST(a_hostile_number_of_series_is_bounded)
{
    cleanup(metrics_free) struct metrics *metrics = metrics_new();
    char name[16];

    for (int i = 0; i < METRICS_SERIES_MAX + 10; i++) {
        snprintf(name, sizeof(name), "%d", i);
        metrics_add(metrics, &calls, VALUES(name), 1);
    }
    ASSERT_EQ(metrics_get(metrics, &calls, VALUES("0")), 1);
    snprintf(name, sizeof(name), "%d", METRICS_SERIES_MAX);
    ASSERT_EQ(metrics_get(metrics, &calls, VALUES(name)), 0);
    metrics_add(metrics, &calls, VALUES("0"), 1);
    ASSERT_EQ(metrics_get(metrics, &calls, VALUES("0")), 2);
}

static void collect(void *arg, struct metrics_writer *writer)
{
    struct metrics *metrics = arg;

    metrics_write_head(writer, &times);
    metrics_write(writer, &ready, VALUES("web", "True"), 1);
    metrics_write(writer, &ready, VALUES("api", "True"), 0);
    metrics_add(metrics, &calls, VALUES("collector"), 1); /* the lock is free */
}

TEST(collected_series_are_sorted_among_the_stored_ones)
{
    cleanup(metrics_free) struct metrics *metrics = metrics_new();
    cleanup(xfree) char *text = NULL;

    metrics_add_collector(metrics, collect, metrics);
    metrics_set(metrics, &ready, VALUES("cache", "True"), 1);
    text = print(metrics);
    ASSERT_STREQ(text, "# HELP certlet_time_seconds Times.\n"
                       "# TYPE certlet_time_seconds summary\n"
                       "# TYPE certmanager_certificate_ready_status gauge\n"
                       "certmanager_certificate_ready_status{name=\"api\",condition=\"True\"} 0\n"
                       "certmanager_certificate_ready_status{name=\"cache\",condition=\"True\"} 1\n"
                       "certmanager_certificate_ready_status{name=\"web\",condition=\"True\"} 1\n");
    ASSERT_EQ(metrics_get(metrics, &calls, VALUES("collector")), 1);
}

TEST(a_full_buffer_is_marked)
{
    cleanup(metrics_free) struct metrics *metrics = metrics_new();
    cleanup(buf_deinit) struct buf text = BUF(10);
    struct err err = {};

    metrics_add(metrics, &calls, VALUES("a"), 1);
    metrics_print(metrics, &text);
    ASSERT_ERR(ERR_TOO_LARGE, buf_check(&text, "metrics", &err));
}

static void count_often(void *arg)
{
    struct metrics *metrics = arg;

    for (int i = 0; i < 1000; i++) {
        metrics_add(metrics, &calls, VALUES("orders"), 1);
        metrics_observe(metrics, &times, VALUES("ca"), i);
    }
}

TEST(counts_from_many_threads_are_all_there)
{
    cleanup(metrics_free) struct metrics *metrics = metrics_new();
    cleanup(xfree) char *text = NULL;
    struct thread *threads[4] = {};
    struct err err = {};

    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        ASSERT_OK(thread_start("counter", count_often, metrics, &threads[i], &err));
    text = print(metrics);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        thread_join(threads[i]);
    ASSERT_EQ(metrics_get(metrics, &calls, VALUES("orders")), 4000);
    ASSERT_EQ(metrics_get(metrics, &times, VALUES("ca")), 4000);
}

RUN_TESTS(cmocka_unit_test(a_counter_adds_up_by_label),
          cmocka_unit_test(times_counted_elsewhere_read_as_a_histogram),
          cmocka_unit_test(a_gauge_is_set_and_families_come_in_order_of_name),
          cmocka_unit_test(label_values_and_help_are_escaped),
          cmocka_unit_test(numbers_are_short_and_exact),
          cmocka_unit_test(a_histogram_counts_what_is_not_above_each_bucket),
          cmocka_unit_test(a_summary_shows_quantiles_of_its_observations),
          cmocka_unit_test(old_observations_leave_the_quantiles_but_not_the_sum),
          cmocka_unit_test(a_hostile_number_of_series_is_bounded),
          cmocka_unit_test(collected_series_are_sorted_among_the_stored_ones),
          cmocka_unit_test(a_full_buffer_is_marked),
          cmocka_unit_test(counts_from_many_threads_are_all_there));
