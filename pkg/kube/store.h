/*
 * store.h - the API server as a store (store/store.h): one call per operation, watches, events.
 *
 *   get, create, update, patch, apply, delete   store.c, over client.h
 *   watch                                       watch.c: one stream each
 *   note                                        notes.c: a queue and a thread of its own
 *
 * Any thread. Writes are made with fieldValidation=Warn, or Strict where asked. Apart from the codes of
 * the interface: ERR_UNSUPPORTED (no such kind on this server), ERR_RATE_LIMITED and ERR_UNAVAILABLE
 * (with a time, if the server gave one), ERR_NETWORK, ERR_PROTOCOL.
 */
#ifndef KUBE_STORE_H
#define KUBE_STORE_H

#include "kube/client.h"
#include "store/store.h"

struct store_kube_options { /* all of it must outlive the store */
    const struct kube_config *config;
    struct http *http;
    const struct clock *clock;
    const char *instance; /* reportingInstance of events: pod or host name; NULL: "certlet" */
    bool strict;          /* an unknown field is ERR_INVALID in place of a warning */
    bool
        lists; /* store_list() needs verb 'list' alone, as kubectl: whoever runs a command may not watch */
    bool dry_run; /* the server checks each write and keeps nothing; no events */
    /* Of a watch's stream, at least; the next one follows it. 0: 300, as client-go. */
    unsigned watch_seconds;
    /* For tests: waits between tries, and no thread for notes, so that none is sent. */
    int (*wait)(void *arg, const struct context *ctx, int64_t wait_ms, struct err *err);
    void *wait_arg;
    bool notes_by_hand;
    kube_observe_fn *observe; /* as kube_options has it, like the next; events are no writes */
    void *observe_arg;
    bool (*may_write)(void *arg);
    void *may_write_arg;
};

/* Connects nothing yet. ERR_INVALID: no server is named. */
int store_kube_open(const struct store_kube_options *options, struct store **ret, struct err *err);
/* {major, minor, gitVersion, ...} as /version has it; only of a store from store_kube_open(). */
int store_kube_version(struct store *store, const struct context *ctx, struct json **ret,
                       struct err *err);

/* When its close has ended, by the monotonic clock, even if events are left to send; else it may take 2 s
 * for them. Only of a store from store_kube_open(). */
void store_kube_end_by(struct store *store, int64_t by_ms);

#endif
