/*
 * writer.h - gathers the series of one scrape, whoever they come from, and prints them in order.
 *
 * Belongs to one thread. Collectors see it through metrics.h.
 */
#ifndef METRICS_WRITER_H
#define METRICS_WRITER_H

#include "metrics/metrics.h"

struct metrics_writer *writer_new(void);
void writer_free(struct metrics_writer *writer);
DEFINE_CLEANUP(struct metrics_writer, writer_free);
/* `labels` is the text between the braces, and the order of series; `text` the finished lines. */
void writer_add(struct metrics_writer *writer, const struct metric_family *family,
                const char *labels, const char *text);
/* Uses up what was added. */
void writer_print(struct metrics_writer *writer, struct buf *to);

/* The text between the braces. */
#define LABELS_TEXT_MAX (64 * 1024)
char *labels_text(const struct metric_family *family, const char *const *values);
/* "name{labels} value\n"; `suffix` and `more` ("le=\"1\"") may be NULL. */
void add_line(struct buf *to, const char *name, const char *suffix, const char *labels,
              const char *more, double value);

/* All lines of one histogram; `in_bucket` is not added up. */
void add_histogram(struct buf *to, const struct metric_family *family, const char *labels,
                   const uint64_t *in_bucket, uint64_t count, double sum);

#endif
