/*
 * rest_metrics.h - requests to the API server, under client-go's names (kubernetes.md 13). Any thread.
 *
 * Who wires the API server's store gives it an observer that calls this: the client knows no metrics.
 */
#ifndef RUNTIME_REST_METRICS_H
#define RUNTIME_REST_METRICS_H

#include "metrics/metrics.h"

struct rest_call {
    const char *method, *host; /* the host is the configured one, so there are few */
    int status;                /* HTTP; 0: no answer */
    int64_t duration_ms;       /* below 0: a stream, which has none */
};
void rest_metrics_count(struct metrics *metrics, const struct rest_call *call);

#endif
