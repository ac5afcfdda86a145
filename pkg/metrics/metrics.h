/*
 * metrics.h - counters, gauges, summaries and histograms as Prometheus text (version 0.0.4).
 *
 * What exists stands in a static table of families; values are added by any thread. Series that
 * mirror objects (certificate_ready_status, ...) are not stored: a collector writes them at scrape
 * time from the caches.
 * A family keeps at most METRICS_SERIES_MAX series, since label values such as the host of an ACME
 * server are chosen by tenants; what would be one more is dropped.
 */
#ifndef METRICS_METRICS_H
#define METRICS_METRICS_H

#include "base/buf.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM, METRIC_SUMMARY };
#define METRIC_LABELS_MAX  8
#define METRICS_SERIES_MAX 5000
struct metric_family {
    const char *name; /* "certmanager_controller_sync_call_count" */
    enum metric_type type;
    const char *help;
    const char *labels[METRIC_LABELS_MAX]; /* ended by NULL, so at most one less */
    const double *buckets;                 /* histogram: ascending, ended by 0 */
};

struct metrics;
struct metrics *metrics_new(void);
void metrics_free(struct metrics *metrics);
DEFINE_CLEANUP(struct metrics, metrics_free);
/* `values` has one text per label, in the family's order. Families appear once used or registered. */
void metrics_register(struct metrics *metrics, const struct metric_family *family);
void metrics_add(struct metrics *metrics, const struct metric_family *family,
                 const char *const *values, double by);
void metrics_set(struct metrics *metrics, const struct metric_family *family,
                 const char *const *values, double to);
/* Of a histogram or summary. A summary has quantiles .5, .9 and .99 of its last 256 observations. */
void metrics_observe(struct metrics *metrics, const struct metric_family *family,
                     const char *const *values, double v);
/* A counter's or gauge's value, how many observations of the others; 0 when there is none. */
double metrics_get(struct metrics *metrics, const struct metric_family *family,
                   const char *const *values);

/* Times in a histogram of seconds, which a hot path counts for itself: no lock, no allocation, no text.
 * Zeroed is empty. Any thread; a collector shows them with a family of the same buckets. */
#define METRIC_BUCKETS_MAX 16
struct metric_times {                           /* by the functions only */
    uint64_t in_bucket[METRIC_BUCKETS_MAX + 1]; /* the one behind the last: above them all */
    uint64_t sum_ms;
};
void metric_times_add(struct metric_times *times, const double *buckets, int64_t ms);

/* Writes series of mirrored objects while a scrape runs, on the thread that scrapes, with no lock
 * held. metrics_write_head() shows a family that has no series. */
struct metrics_writer;
typedef void metrics_collect_fn(void *arg, struct metrics_writer *writer);
void metrics_add_collector(struct metrics *metrics, metrics_collect_fn *collect, void *arg);
void metrics_write_head(struct metrics_writer *writer, const struct metric_family *family);
void metrics_write(struct metrics_writer *writer, const struct metric_family *family,
                   const char *const *values, double v);
void metrics_write_times(struct metrics_writer *writer, const struct metric_family *family,
                         const char *const *values, const struct metric_times *times);

/* The whole text; values of labels escaped; families sorted by name, series by labels. Beyond the
 * maximum of `to` the buffer is marked failed. */
void metrics_print(struct metrics *metrics, struct buf *to);

#endif
