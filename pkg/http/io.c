/*
 * io.c - the I/O thread.
 *
 *     round:  begin what was submitted, obey nudges, let curl work, give back what ended, wait
 *
 * Waiting is curl_multi_poll(), which io_submit() and io_nudge() end by curl_multi_wakeup(); a
 * wakeup that comes between two waits makes the next one return at once. Deadlines are our own heap
 * and not CURLOPT_TIMEOUT_MS: curl does not look at the time of a handle that waits to share
 * another one's connection (PIPEWAIT).
 */
#include "http/io.h"

#include <stdlib.h>

#include "http/call.h"
#include "http/silence.h"

#define IDLE_CONNECTIONS_MAX 64L
#define WAIT_MAX_MS          60000
/* A path that is cut without a word is noticed in 15 s by this pair, in 51 s by keep-alive alone
 * and never by neither (kubernetes.md 2, measured). */
#define KEEPALIVE_IDLE_S     10
#define KEEPALIVE_INTERVAL_S 5
#define UNACKED_MAX_MS       20000

static int64_t real_now_ms(void)
{
    return clock_monotonic_ms(clock_system());
}

/*
 * The callers' side.
 */

void io_submit(struct io *io, struct call *call)
{
    mutex_lock(&io->mutex);
    list_append(&io->submitted, &call->link);
    mutex_unlock(&io->mutex);
    (void)curl_multi_wakeup(io->multi); /* fails only when a wakeup is already waiting */
}

void io_nudge(struct io *io, struct call *call, enum io_nudge nudge)
{
    mutex_lock(&io->mutex);
    if (!call->done && io->multi) {
        if (!call->nudges)
            list_append(&io->nudged, &call->nudge);
        call->nudges |= nudge;
    }
    mutex_unlock(&io->mutex);
    if (io->multi)
        (void)curl_multi_wakeup(io->multi);
}

/*
 * The thread.
 */

static CURL *idle_take(struct io *io)
{
    return io->idle_len ? io->idle[--io->idle_len] : curl_easy_init();
}

static void idle_put(struct io *io, CURL *easy)
{
    if (io->idle_len < IO_IDLE_MAX)
        io->idle[io->idle_len++] = easy;
    else
        curl_easy_cleanup(easy);
}

static void observe(struct io *io, const struct call *call)
{
    struct http_observation observation = {
        .scheme = call->url.scheme,
        .host = call->url.authority,
        .action = call->action,
        .method = call->method,
        .status = call->response.status ? call->response.status : 999,
        .duration_ms = real_now_ms() - call->started_ms,
    };

    if (io->observe)
        io->observe(io->observe_arg, &observation);
}

/* After this the call is its owner's again, who may be gone with it at once. */
static void give_back(struct io *io, struct call *call, int result, const struct err *err)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&io->mutex);

    list_remove(&call->link); /* still there if it was canceled before it began */
    list_remove(&call->nudge);
    call->nudges = 0;
    call->result = result;
    call->err = *err;
    call->done = true;
    cond_broadcast(&call->changed);
}

/* curl 7.88 keeps what a paused transfer has not delivered where other streams share its connection: through its
 * end, curl_easy_reset() and curl_easy_cleanup(), and gives it to the next transfer of the handle that pauses. So it is
 * asked for here and thrown away, and no transfer gets the handle of a stream. */
static void end_stream(struct io *io, struct call *call)
{
    CURL *easy = call->easy;

    call->is_dropped = true;
    (void)curl_easy_pause(easy, CURLPAUSE_CONT); /* has never been sent: nothing to deliver */
    (void)curl_multi_remove_handle(io->multi, easy);
    call_undress(call);
    curl_easy_cleanup(easy);
}

static void end_call(struct io *io, struct call *call, int result, const struct err *err)
{
    CURL *easy = call->easy;

    heap_remove(&io->deadlines, &call->deadline);
    list_remove(&call->active);
    if (easy && call->streaming) {
        end_stream(io, call);
    } else if (easy) {
        (void)curl_multi_remove_handle(io->multi, easy); /* not in it: nothing to remove */
        call_undress(call);
        idle_put(io, easy);
    }
    observe(io, call);
    give_back(io, call, result, err);
}

static void begin_call(struct io *io, struct call *call)
{
    struct err err = {};
    CURL *easy = idle_take(io);
    CURLcode code = CURLE_OUT_OF_MEMORY;

    if (!easy) {
        end_call(io, call, err_set(&err, ERR_NOMEM, "no memory for a call"), &err);
        return;
    }
    list_append(&io->active, &call->active);
    code = call_dress(call, easy);
    if (code == CURLE_OK && curl_multi_add_handle(io->multi, easy) != CURLM_OK)
        code = CURLE_OUT_OF_MEMORY;
    if (code != CURLE_OK)
        end_call(io, call, call_conclude(call, code, &err), &err);
    else
        heap_add(&io->deadlines, &call->deadline, call->due_ms);
}

static struct call *next_submitted(struct io *io)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&io->mutex);
    struct call *call;

    if (list_empty(&io->submitted))
        return NULL;
    call = list_entry(io->submitted.next, struct call, link);
    list_remove(&call->link);
    return call;
}

static struct call *next_nudged(struct io *io, unsigned *ret_nudges)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&io->mutex);
    struct call *call;

    if (list_empty(&io->nudged))
        return NULL;
    call = list_entry(io->nudged.next, struct call, nudge);
    list_remove(&call->nudge);
    *ret_nudges = call->nudges;
    call->nudges = 0;
    if (*ret_nudges & IO_RESUME)
        call->paused = false;
    return call;
}

static void obey(struct io *io, struct call *call, unsigned nudges)
{
    struct err err = {};

    if (nudges & IO_CANCEL) {
        silence_end(call);
        end_call(io, call, err_set(&err, ERR_CANCELED, "canceled"), &err);
    } else if (nudges & IO_RESUME) {
        /* An error ends the transfer by itself. */
        (void)curl_easy_pause(call->easy, CURLPAUSE_CONT);
    }
}

static void take_orders(struct io *io)
{
    struct call *call;
    unsigned nudges = 0;

    for (call = next_submitted(io); call; call = next_submitted(io))
        begin_call(io, call);
    for (call = next_nudged(io, &nudges); call; call = next_nudged(io, &nudges))
        obey(io, call, nudges);
}

/* On a new connection, since the one that it failed on may still be in curl's pool. */
static bool repeat_call(struct io *io, struct call *call)
{
    call->repeated = true;
    return curl_multi_remove_handle(io->multi, call->easy) == CURLM_OK &&
           curl_easy_setopt(call->easy, CURLOPT_FRESH_CONNECT, 1L) == CURLE_OK &&
           curl_multi_add_handle(io->multi, call->easy) == CURLM_OK;
}

static void finish_transfer(struct io *io, struct call *call, CURLcode code)
{
    struct err err = {};

    if (code != CURLE_OK && call_wants_repeat(call, code) && repeat_call(io, call))
        return;
    end_call(io, call, call_conclude(call, code, &err), &err);
}

static void finish_transfers(struct io *io)
{
    int left;

    for (CURLMsg *msg = curl_multi_info_read(io->multi, &left); msg;
         msg = curl_multi_info_read(io->multi, &left)) {
        char *call = NULL;
        CURLcode code = msg->data.result;

        if (msg->msg == CURLMSG_DONE &&
            curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &call) == CURLE_OK)
            finish_transfer(io, (struct call *)(void *)call, code);
    }
}

static struct call *next_expired(struct io *io)
{
    struct heap_node *first = heap_first(&io->deadlines);

    if (!first || first->due_ms > real_now_ms())
        return NULL;
    return CONTAINER_OF(first, struct call, deadline);
}

static void end_expired(struct io *io)
{
    for (struct call *call = next_expired(io); call; call = next_expired(io)) {
        struct err err = {};

        silence_end(call);
        end_call(io, call, call_conclude_timeout(call, &err), &err);
    }
}

static int patience_ms(struct io *io)
{
    struct heap_node *first = heap_first(&io->deadlines);
    int64_t left = first ? first->due_ms - real_now_ms() : WAIT_MAX_MS;

    return left < 0 ? 0 : left > WAIT_MAX_MS ? WAIT_MAX_MS : (int)left;
}

static bool is_stopping(struct io *io)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&io->mutex);

    return io->stopping;
}

static void io_run(void *arg)
{
    struct io *io = arg;
    int running;

    while (!is_stopping(io)) {
        take_orders(io);
        (void)curl_multi_perform(io->multi, &running); /* errors of calls come as messages */
        finish_transfers(io);
        end_expired(io);
        (void)curl_multi_poll(io->multi, NULL, 0, patience_ms(io), NULL);
    }
}

/*
 * Start and end.
 */

void io_init(struct io *io)
{
    *io = (struct io){};
    mutex_init(&io->mutex);
    list_init(&io->submitted);
    list_init(&io->nudged);
    list_init(&io->active);
}

static void take_intervals(struct io *io, const struct http_options *options)
{
    io->keepalive_idle_s = options->keepalive_idle_s ? options->keepalive_idle_s : KEEPALIVE_IDLE_S;
    io->keepalive_interval_s = options->keepalive_interval_s ? options->keepalive_interval_s
                                                             : KEEPALIVE_INTERVAL_S;
    io->unacked_max_ms = options->unacked_max_ms ? options->unacked_max_ms : UNACKED_MAX_MS;
}

int io_start(struct io *io, const struct http_options *options, struct err *err)
{
    io->user_agent = xstrdup(options->user_agent);
    /* As Go does, whose users mount their roots so; an empty one says nothing. */
    io->ca_file = xstrdup(str_or(getenv("SSL_CERT_FILE"), NULL));
    io->observe = options->observe;
    io->observe_arg = options->observe_arg;
    take_intervals(io, options);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return err_set(err, ERR_INTERNAL, "libcurl does not start");
    io->multi = curl_multi_init();
    if (!io->multi)
        return err_set(err, ERR_NOMEM, "no memory for libcurl");
    (void)curl_multi_setopt(io->multi, CURLMOPT_MAXCONNECTS, IDLE_CONNECTIONS_MAX); /* a wish */
    return thread_start("http", io_run, io, &io->thread, err);
}

static void stop_thread(struct io *io)
{
    mutex_lock(&io->mutex);
    io->stopping = true;
    mutex_unlock(&io->mutex);
    if (io->multi)
        (void)curl_multi_wakeup(io->multi);
    thread_join(io->thread);
}

void io_deinit(struct io *io)
{
    bool started = io->user_agent != NULL;

    stop_thread(io);
    while (io->idle_len)
        curl_easy_cleanup(io->idle[--io->idle_len]);
    (void)curl_multi_cleanup(io->multi); /* NULL is refused, and nothing */
    heap_deinit(&io->deadlines);
    xfree(io->sockets);
    mutex_deinit(&io->mutex);
    xfree(io->user_agent);
    xfree(io->ca_file);
    if (started)
        curl_global_cleanup();
    *io = (struct io){};
}
