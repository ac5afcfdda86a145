/* times.c - histograms that their owners count themselves. */
#include <assert.h>

#include "metrics/writer.h"

#define TEXT_MAX ((METRIC_BUCKETS_MAX + 3) * (LABELS_TEXT_MAX + 256))

static size_t bucket_of(const double *buckets, double seconds)
{
    size_t i = 0;

    while (buckets[i] != 0 && seconds > buckets[i])
        i++;
    assert(i <= METRIC_BUCKETS_MAX);
    return buckets[i] != 0 ? i : METRIC_BUCKETS_MAX;
}

void metric_times_add(struct metric_times *times, const double *buckets, int64_t ms)
{
    uint64_t took_ms = ms > 0 ? (uint64_t)ms : 0;
    uint64_t *bucket = &times->in_bucket[bucket_of(buckets, (double)took_ms / 1000)];

    __atomic_add_fetch(bucket, 1, __ATOMIC_RELAXED);
    __atomic_add_fetch(&times->sum_ms, took_ms, __ATOMIC_RELAXED);
}

void metrics_write_times(struct metrics_writer *writer, const struct metric_family *family,
                         const char *const *values, const struct metric_times *times)
{
    cleanup(xfree) char *labels = labels_text(family, values);
    cleanup(buf_deinit) struct buf text = BUF(TEXT_MAX);
    uint64_t in_bucket[METRIC_BUCKETS_MAX + 1];
    double sum = (double)__atomic_load_n(&times->sum_ms, __ATOMIC_RELAXED) / 1000;
    uint64_t count = 0;

    for (size_t i = 0; i <= METRIC_BUCKETS_MAX; i++) {
        in_bucket[i] = __atomic_load_n(&times->in_bucket[i], __ATOMIC_RELAXED);
        count += in_bucket[i];
    }
    add_histogram(&text, family, labels, in_bucket, count, sum);
    writer_add(writer, family, labels, buf_str(&text));
}
