/*
 * run.h - the parts of `certlet run`: what the flags say, and what is set up from them.
 */
#ifndef CERTLET_RUN_H
#define CERTLET_RUN_H

#include "controller/export.h"
#include "controller/manifests.h"
#include "dns/dns.h"
#include "server/server.h"
#include "solver/http01.h"

struct run_flags {
    const char *dir;
    bool once;
    int64_t timeout_ms;
    struct strlist dns01_nameservers, http01_nameservers, copied_annotation_prefixes;
    bool dns01_recursive_only, owner_ref;
    int64_t dns01_check_retry_ms;
    const char *http01_listen, *http01_webroot;
    int64_t http01_port;
    const char *resource_namespace;
    int64_t workers, max_challenges;
    int64_t backoff_min_ms, backoff_max_ms;
    const char *account_key_type, *events;
    const char *tls_mode, *tls_group;
    int64_t hook_timeout_ms;
    const char *metrics_address;
    int64_t verbosity;
    const char *logging_format;
};

struct run { /* in order of setting up; torn down the other way round */
    struct run_flags flags;
    struct context ctx;
    int lock_fd, signal_fd, wake_fd;
    struct metrics *metrics;
    struct store *store;
    struct http *http;
    struct dns *dns;
    struct server *server;
    struct server_listener *metrics_listener;
    struct http01 *http01;
    struct solvers solvers;
    struct accounts *accounts;
    struct controllers *controllers;
    struct export *export;
    struct manifests *manifests;
    struct start_guard *guard; /* while things start: a signal ends what takes long */
    struct cancel *watching;   /* of the manifest thread */
    struct thread *manifest_thread;
    bool is_listing;        /* the manager has threads */
    bool is_loaded;         /* atomic: the manifests are in the store */
    size_t manifest_errors; /* atomic: of the last look */
};

/* run_setup.c */
/* Returns an exit code; EXIT_OK: all there; RUN_STOPPED: a signal came before that. */
enum { RUN_STOPPED = -1 };
int run_setup(struct run *run, struct err *err);
void run_teardown(struct run *run);

#endif
