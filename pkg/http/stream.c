/*
 * stream.c - answers whose body is read while it comes.
 *
 * The I/O thread fills call->waiting and pauses the transfer when the reader is late; the reader
 * nudges it to go on once half of the room is free again. Waiting for bytes is waiting on
 * call->changed; a cancel of the reader's context wakes it by the same condition.
 */
#include <string.h>

#include "http/call.h"
#include "http/client.h"

struct http_stream {
    struct call call;
};

struct reader { /* who waits in open or read */
    struct call *call;
    bool canceled; /* under io's lock */
};

static void wake_reader(void *arg)
{
    struct reader *reader = arg;
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&reader->call->io->mutex);

    reader->canceled = true;
    cond_broadcast(&reader->call->changed);
}

static void stream_free(struct http_stream *stream)
{
    call_deinit(&stream->call);
    xfree(stream);
}
DEFINE_CLEANUP(struct http_stream, stream_free);

static void wait_until_done(struct call *call)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&call->io->mutex);

    while (!call->done)
        cond_wait(&call->changed, &call->io->mutex);
}

void http_stream_close(struct http_stream *stream)
{
    if (!stream)
        return;
    io_nudge(stream->call.io, &stream->call, IO_CANCEL);
    wait_until_done(&stream->call);
    stream_free(stream);
}

/* Until the head is in or the call has ended; the I/O thread keeps the deadline. */
static int wait_for_head(struct call *call, const struct context *ctx, struct err *err)
{
    struct reader reader = {.call = call};
    struct cancel_waker waker = {.wake = wake_reader, .arg = &reader};
    bool ready;

    if (ctx->cancel)
        cancel_add_waker(ctx->cancel, &waker);
    mutex_lock(&call->io->mutex);
    while (!call->head_ready && !call->done && !reader.canceled)
        cond_wait(&call->changed, &call->io->mutex);
    ready = call->head_ready;
    mutex_unlock(&call->io->mutex);
    if (ctx->cancel)
        cancel_remove_waker(ctx->cancel, &waker);
    if (ready)
        return 0;
    if (reader.canceled)
        return err_set(err, ERR_CANCELED, "canceled");
    return err_set(err, call->result, "%s", call->err.text);
}

/* The I/O thread does not write the head any more, but needs its status for the observation. */
static void move_head(struct call *call, struct http_response *ret_head)
{
    *ret_head = call->response;
    ret_head->body = BUF(0);
    call->response.headers = (struct strmap){};
    call->response.final_url = NULL;
}

static int open_fake(struct http *http, const struct context *ctx, struct call *call,
                     struct err *err)
{
    const struct http_request *request = call->request;
    size_t max_body = request->max_body ? request->max_body : 64 * 1024 * 1024;
    int r = http_ask_fake(http, ctx, request, max_body, &call->response, err);

    if (r < 0)
        return r;
    buf_deinit(&call->waiting);
    call->waiting = call->response.body;
    call->response.body = (struct buf){};
    call->done = call->head_ready = true;
    return 0;
}

int http_stream_open(struct http *http, const struct context *ctx,
                     const struct http_request *request, struct http_stream **ret,
                     struct http_response *ret_head, struct err *err)
{
    cleanup(stream_free) struct http_stream *unsent = xalloc(sizeof(*unsent));
    cleanup(http_stream_close) struct http_stream *stream = NULL;
    struct call *call = &unsent->call;
    int r;

    r = context_check(ctx, err);
    if (r < 0)
        return r;
    r = call_init(call, &http->io, request, http_timeout_ms(ctx, request), err);
    if (r < 0)
        return r;
    call->streaming = true;
    call->stream_due_ms = call->started_ms + request->timeout_ms;
    if (http->fake) {
        r = open_fake(http, ctx, call, err);
        if (r < 0)
            return r;
    } else {
        io_submit(&http->io, call);
    }
    stream = take(unsent); /* from here on it has to be closed */
    r = wait_for_head(call, ctx, err);
    if (r < 0)
        return r;
    move_head(call, ret_head);
    *ret = take(stream);
    return 0;
}

/* Moves what fits. */
static int take_waiting(struct call *call, struct buf *to, struct err *err)
{
    size_t room = to->max > to->len ? to->max - to->len : 0;
    size_t len = call->waiting.len < room ? call->waiting.len : room;

    if (len == 0)
        return err_set(err, ERR_TOO_LARGE, "reading a stream from %s: more than %zu bytes at once",
                       call->url.origin, to->max);
    buf_add(to, call->waiting.data, len);
    memmove(call->waiting.data, call->waiting.data + len, call->waiting.len - len);
    buf_truncate(&call->waiting, call->waiting.len - len);
    return buf_check(to, "stream", err);
}

static int ended(struct call *call, struct err *err)
{
    if (call->result < 0)
        return err_set(err, call->result, "%s", call->err.text);
    return err_set(err, ERR_NOT_FOUND, "the stream from %s has ended", call->url.origin);
}

/* With the lock held. */
static int await_bytes(struct reader *reader, const struct context *ctx, struct err *err)
{
    struct call *call = reader->call;
    int64_t left;

    while (call->waiting.len == 0 && !call->done) {
        if (reader->canceled)
            return err_set(err, ERR_CANCELED, "canceled");
        left = context_remaining_ms(ctx, DAYS(1));
        if (left <= 0)
            return err_set(err, ERR_TIMEOUT, "reading a stream from %s: nothing came in time",
                           call->url.origin);
        (void)cond_wait_for(&call->changed, &call->io->mutex,
                            left); /* the loop looks why it woke */
    }
    return 0;
}

static int read_locked(struct reader *reader, const struct context *ctx, struct buf *to,
                       bool *ret_resume, struct err *err)
{
    struct call *call = reader->call;
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&call->io->mutex);
    int r;

    r = await_bytes(reader, ctx, err);
    if (r < 0)
        return r;
    if (call->waiting.len == 0)
        return ended(call, err);
    r = take_waiting(call, to, err);
    *ret_resume = call->paused && call->waiting.len <= CALL_WAITING_MAX / 2;
    return r;
}

int http_stream_read(struct http_stream *stream, const struct context *ctx, struct buf *to,
                     struct err *err)
{
    struct reader reader = {.call = &stream->call};
    struct cancel_waker waker = {.wake = wake_reader, .arg = &reader};
    bool resume = false;
    int r;

    if (ctx->cancel)
        cancel_add_waker(ctx->cancel, &waker);
    r = read_locked(&reader, ctx, to, &resume, err);
    if (ctx->cancel)
        cancel_remove_waker(ctx->cancel, &waker);
    if (resume)
        io_nudge(stream->call.io, &stream->call, IO_RESUME);
    return r;
}
