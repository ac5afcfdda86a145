#include "metrics/metrics.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/map.h"
#include "base/thread.h"
#include "metrics/text.h"
#include "metrics/writer.h"

#define WINDOW 256 /* observations that quantiles of a summary look at */

struct series {
    double value; /* counter, gauge */
    double sum;   /* histogram, summary */
    uint64_t count;
    uint64_t *in_bucket; /* histogram: one per bucket, not added up */
    double *window;      /* summary: ring of the last ones */
};

struct registered { /* a family that has been used */
    const struct metric_family *family;
    struct map *series; /* by the text of its labels */
};

struct collector {
    metrics_collect_fn *collect;
    void *arg;
};

struct metrics {
    struct mutex mutex; /* guards all of it */
    struct map *families;
    struct collector *collectors;
    size_t collectors_len;
};

static void series_free(void *arg)
{
    struct series *series = arg;

    xfree(series->in_bucket);
    xfree(series->window);
    xfree(series);
}

static void registered_free(void *arg)
{
    struct registered *registered = arg;

    map_free(registered->series);
    xfree(registered);
}

struct metrics *metrics_new(void)
{
    struct metrics *metrics = xalloc(sizeof(*metrics));

    mutex_init(&metrics->mutex);
    metrics->families = map_new(registered_free);
    return metrics;
}

void metrics_free(struct metrics *metrics)
{
    if (!metrics)
        return;
    map_free(metrics->families);
    xfree(metrics->collectors);
    mutex_deinit(&metrics->mutex);
    xfree(metrics);
}

/*
 * Values. What follows runs with the lock held, up to the header's functions.
 */

static struct registered *family_get(struct metrics *metrics, const struct metric_family *family)
{
    struct registered *registered = map_get(metrics->families, family->name);

    if (registered)
        return registered;
    registered = xalloc(sizeof(*registered));
    registered->family = family;
    registered->series = map_new(series_free);
    map_set(metrics->families, family->name, registered);
    return registered;
}

static size_t buckets_len(const struct metric_family *family)
{
    size_t len = 0;

    while (family->buckets && family->buckets[len] != 0)
        len++;
    return len;
}

static struct series *series_new(const struct metric_family *family)
{
    struct series *series = xalloc(sizeof(*series));

    if (family->type == METRIC_HISTOGRAM)
        series->in_bucket = xcalloc(buckets_len(family) + 1, sizeof(*series->in_bucket));
    if (family->type == METRIC_SUMMARY)
        series->window = xcalloc(WINDOW, sizeof(*series->window));
    return series;
}

/* NULL when the family is full. */
static struct series *series_get(struct metrics *metrics, const struct metric_family *family,
                                 const char *labels)
{
    struct map *all = family_get(metrics, family)->series;
    struct series *series = map_get(all, labels);

    if (series || map_len(all) >= METRICS_SERIES_MAX)
        return series;
    series = series_new(family);
    map_set(all, labels, series);
    return series;
}

static void observe(const struct metric_family *family, struct series *series, double v)
{
    size_t len = buckets_len(family);

    if (series->window)
        series->window[series->count % WINDOW] = v;
    for (size_t i = 0; series->in_bucket && i < len; i++) {
        if (v <= family->buckets[i]) {
            series->in_bucket[i]++;
            break;
        }
    }
    series->sum += v;
    series->count++;
}

/*
 * Text of one series.
 */

static int compare_numbers(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return (left > right) - (left < right);
}

/* Nearest rank: the smallest value that at least so many thousandths of all are not above. */
static double quantile(const double *sorted, size_t len, size_t thousandths)
{
    size_t rank = (thousandths * len + 999) / 1000;

    return rank ? sorted[rank - 1] : NAN;
}

static void print_summary(struct buf *to, const struct metric_family *family,
                          const struct series *series, const char *labels)
{
    static const struct {
        size_t thousandths;
        const char *label;
    } quantiles[] = {
        {500, "quantile=\"0.5\""}, {900, "quantile=\"0.9\""}, {990, "quantile=\"0.99\""}};
    size_t len = series->count < WINDOW ? (size_t)series->count : WINDOW;
    double sorted[WINDOW];

    memcpy(sorted, series->window, sizeof(sorted));
    qsort(sorted, len, sizeof(*sorted), compare_numbers);
    for (size_t i = 0; i < ARRAY_LEN(quantiles); i++)
        add_line(to, family->name, NULL, labels, quantiles[i].label,
                 quantile(sorted, len, quantiles[i].thousandths));
}

static char *series_text(const struct metric_family *family, const struct series *series,
                         const char *labels)
{
    cleanup(buf_deinit) struct buf text = BUF(64 * LABELS_TEXT_MAX);

    if (family->type == METRIC_COUNTER || family->type == METRIC_GAUGE) {
        add_line(&text, family->name, NULL, labels, NULL, series->value);
        return buf_take(&text);
    }
    if (family->type == METRIC_HISTOGRAM) {
        add_histogram(&text, family, labels, series->in_bucket, series->count, series->sum);
        return buf_take(&text);
    }
    print_summary(&text, family, series, labels);
    add_line(&text, family->name, "_sum", labels, NULL, series->sum);
    add_line(&text, family->name, "_count", labels, NULL, (double)series->count);
    return buf_take(&text);
}

static void write_family(struct metrics_writer *writer, const struct registered *registered)
{
    metrics_write_head(writer, registered->family);
    map_for_each (entry, registered->series) {
        const char *labels = map_entry_key(entry);
        cleanup(xfree) char *text = series_text(registered->family, map_entry_value(entry), labels);

        writer_add(writer, registered->family, labels, text);
    }
}

/*
 * The header's functions.
 */

void metrics_register(struct metrics *metrics, const struct metric_family *family)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&metrics->mutex);

    (void)family_get(metrics, family); /* now it is there */
}

void metrics_add(struct metrics *metrics, const struct metric_family *family,
                 const char *const *values, double by)
{
    cleanup(xfree) char *labels = labels_text(family, values);
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&metrics->mutex);
    struct series *series = series_get(metrics, family, labels);

    assert(family->type == METRIC_GAUGE || (family->type == METRIC_COUNTER && by >= 0));
    if (series)
        series->value += by;
}

void metrics_set(struct metrics *metrics, const struct metric_family *family,
                 const char *const *values, double to)
{
    cleanup(xfree) char *labels = labels_text(family, values);
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&metrics->mutex);
    struct series *series = series_get(metrics, family, labels);

    assert(family->type == METRIC_GAUGE || family->type == METRIC_COUNTER);
    if (series)
        series->value = to;
}

void metrics_observe(struct metrics *metrics, const struct metric_family *family,
                     const char *const *values, double v)
{
    cleanup(xfree) char *labels = labels_text(family, values);
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&metrics->mutex);
    struct series *series = series_get(metrics, family, labels);

    assert(family->type == METRIC_HISTOGRAM || family->type == METRIC_SUMMARY);
    if (series)
        observe(family, series, v);
}

double metrics_get(struct metrics *metrics, const struct metric_family *family,
                   const char *const *values)
{
    cleanup(xfree) char *labels = labels_text(family, values);
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&metrics->mutex);
    const struct registered *registered = map_get(metrics->families, family->name);
    const struct series *series = registered ? map_get(registered->series, labels) : NULL;

    if (!series)
        return 0;
    return series->window || series->in_bucket ? (double)series->count : series->value;
}

void metrics_add_collector(struct metrics *metrics, metrics_collect_fn *collect, void *arg)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&metrics->mutex);

    metrics->collectors = xrealloc(metrics->collectors,
                                   (metrics->collectors_len + 1) * sizeof(*metrics->collectors));
    metrics->collectors[metrics->collectors_len++] = (struct collector){.collect = collect,
                                                                        .arg = arg};
}

/* Collectors take locks of their own, so they run without ours. */
static struct collector *write_stored(struct metrics *metrics, struct metrics_writer *writer,
                                      size_t *ret_len)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&metrics->mutex);

    map_for_each (entry, metrics->families)
        write_family(writer, map_entry_value(entry));
    *ret_len = metrics->collectors_len;
    if (!metrics->collectors_len)
        return NULL;
    return xmemdup(metrics->collectors, metrics->collectors_len * sizeof(*metrics->collectors));
}

void metrics_print(struct metrics *metrics, struct buf *to)
{
    cleanup(writer_free) struct metrics_writer *writer = writer_new();
    cleanup(xfree) struct collector *collectors = NULL;
    size_t len = 0;

    collectors = write_stored(metrics, writer, &len);
    for (size_t i = 0; i < len; i++)
        collectors[i].collect(collectors[i].arg, writer);
    writer_print(writer, to);
}
