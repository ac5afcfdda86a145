/*
 * object_metrics.h - cert-manager's metrics (cli-metrics-helm.md 5): series that mirror objects are
 * written from the caches while a scrape runs; calls to ACME servers are counted as they end.
 */
#ifndef CONTROLLER_OBJECT_METRICS_H
#define CONTROLLER_OBJECT_METRICS_H

#include "controller/controllers.h"

void object_metrics_add(struct metrics *metrics, struct controllers *controllers);
/* For http_options.observe: only calls that name an action of ACME count, so that the hosts of
 * self-checks do not become series. Runs on the I/O thread. */
void object_metrics_observe_http(struct metrics *metrics,
                                 const struct http_observation *observation);

#endif
