/*
 * io.h - the I/O thread: takes calls in, drives curl's multi handle, gives calls back.
 *
 * A call (call.h) is handed over by io_submit(). Whoever made it then waits for call->done under
 * the lock and may nudge it; it is the caller's again once `done` is set. Only io.c and call.c
 * touch curl while a transfer runs.
 */
#ifndef HTTP_IO_H
#define HTTP_IO_H

#include <curl/curl.h>

#include "base/heap.h"
#include "base/list.h"
#include "base/thread.h"
#include "http/http.h"

struct call;

#define IO_IDLE_MAX 32 /* easy handles kept for the next calls; each holds some 10 KiB */

struct io {
    struct mutex mutex; /* guards the next three, and the shared part of every call */
    struct list submitted;
    struct list nudged;
    bool stopping;

    struct thread *thread;
    CURLM *multi;          /* others only wake it up */
    struct heap deadlines; /* the I/O thread's, like all up to idle_len */
    struct list active;    /* calls that curl has */
    int *sockets;          /* that curl has open (silence.h) */
    size_t sockets_len;
    CURL *idle[IO_IDLE_MAX];
    size_t idle_len;

    char *user_agent; /* constant */
    char *ca_file;    /* constant; NULL: curl's own */
    http_observe_fn *observe;
    void *observe_arg;
    int keepalive_idle_s, keepalive_interval_s, unacked_max_ms; /* constant */
};

void io_init(struct io *io); /* lock and lists: all that a fake needs */
int io_start(struct io *io, const struct http_options *options, struct err *err);
void io_deinit(struct io *io); /* ends the thread; no call may be in flight */

void io_submit(struct io *io, struct call *call);

enum io_nudge {
    IO_CANCEL = 1, /* end it now */
    IO_RESUME = 2, /* the reader has made room */
};
void io_nudge(struct io *io, struct call *call, enum io_nudge nudge); /* nothing once done */

#endif
