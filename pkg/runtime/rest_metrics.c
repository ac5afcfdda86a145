#include "runtime/rest_metrics.h"

#include <stdio.h>

static const double buckets[] = {0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 0};

static const struct metric_family requests = {
    .name = "rest_client_requests_total",
    .type = METRIC_COUNTER,
    .help = "Requests to the API server; code '<error>' when there was no answer.",
    .labels = {"code", "method", "host"},
};
static const struct metric_family durations = {
    .name = "rest_client_request_duration_seconds",
    .type = METRIC_HISTOGRAM,
    .help = "How long requests to the API server took; watches are left out.",
    .labels = {"verb", "host"},
    .buckets = buckets,
};

void rest_metrics_count(struct metrics *metrics, const struct rest_call *call)
{
    char code[16] = "<error>";
    const char *counted[] = {code, call->method, call->host, NULL};
    const char *timed[] = {call->method, call->host, NULL};

    if (call->status > 0)
        (void)snprintf(code, sizeof(code), "%d", call->status);
    metrics_add(metrics, &requests, counted, 1);
    if (call->duration_ms >= 0)
        metrics_observe(metrics, &durations, timed, (double)call->duration_ms / 1000);
}
