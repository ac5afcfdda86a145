/*
 * text.h - the pieces of the Prometheus text format 0.0.4, for the files of this folder.
 */
#ifndef METRICS_TEXT_H
#define METRICS_TEXT_H

#include "base/buf.h"

/* `name="value"` with the value escaped; a comma before it unless `to` is empty. */
void text_add_label(struct buf *to, const char *name, const char *value);
void text_add_help(struct buf *to, const char *help); /* escaped */
/* Shortest form that reads back the same; NaN, +Inf, -Inf. */
void text_add_number(struct buf *to, double value);

#endif
