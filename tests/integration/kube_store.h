/*
 * kube_store.h - the API server's store as a program, for the tests that run real API servers.
 *
 *   kube_store suite    runs the store suite: each case in a namespace of its own
 *   kube_store console  does what standard input says, a JSON object a line (kube_console.c)
 */
#ifndef INTEGRATION_KUBE_STORE_H
#define INTEGRATION_KUBE_STORE_H

#include "kube/store.h"

struct kube_server { /* of the whole run */
    struct kube_config *config;
    struct http *http;
    const char *compact_url; /* a POST to it makes old versions go; NULL: nothing does */
    struct store_kube_options options;
};

/* Numbers of failed cases, and of an exit. */
int kube_suite(const struct kube_server *server);
int kube_console(const struct kube_server *server);

#endif
