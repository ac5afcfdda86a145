#include "http/http.h"

#include <string.h>

#include <assert.h>

#include "http/call.h"
#include "http/client.h"
#include "http/response.h"

/*
 * Shares: how many calls each host and each tenant has in flight, for each kind of work (controller)
 * apart, because each has its own workers.
 */

struct share {
    int in_flight;
};

static void share_free(void *share)
{
    xfree(share);
}

static bool share_is_used_up(const struct map *shares, const char *name, int max)
{
    const struct share *share = name ? map_get(shares, name) : NULL;

    return max > 0 && share && share->in_flight >= max;
}

static void share_add(struct map *shares, const char *name)
{
    struct share *share;

    if (!name)
        return;
    share = map_get(shares, name);
    if (!share) {
        share = xalloc(sizeof(*share));
        map_set(shares, name, share);
    }
    share->in_flight++;
}

static void share_drop(struct map *shares, const char *name)
{
    struct share *share = name ? map_get(shares, name) : NULL;

    if (share && --share->in_flight == 0)
        (void)map_remove(shares, name); /* it was there */
}

struct sharers {         /* under which names a call is counted */
    char *host, *tenant; /* tenant NULL: nobody's */
};

static void sharers_deinit(struct sharers *of)
{
    xfree(of->host);
    xfree(of->tenant);
}
DEFINE_CLEANUP_VALUE(struct sharers, sharers_deinit);

static void sharers_init(struct sharers *of, const struct context *ctx, const char *host)
{
    const char *work = str_or(ctx->controller, "");

    of->host = xasprintf("%s %s", host, work);
    of->tenant = ctx->tenant ? xasprintf("%s %s", ctx->tenant, work) : NULL;
}

static int shares_take(struct http *http, const struct sharers *of, struct err *err)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&http->shares_mutex);

    if (share_is_used_up(http->per_host, of->host, http->max_per_host))
        return err_set(err, ERR_BUSY, "'%.*s' already has %d calls in flight",
                       (int)strcspn(of->host, " "), of->host, http->max_per_host);
    if (share_is_used_up(http->per_tenant, of->tenant, http->max_per_tenant))
        return err_set(err, ERR_BUSY, "namespace '%.*s' already has %d calls in flight",
                       (int)strcspn(of->tenant, " "), of->tenant, http->max_per_tenant);
    share_add(http->per_host, of->host);
    share_add(http->per_tenant, of->tenant);
    return 0;
}

static void shares_drop(struct http *http, const struct sharers *of)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&http->shares_mutex);

    share_drop(http->per_host, of->host);
    share_drop(http->per_tenant, of->tenant);
}

/*
 * Start and end.
 */

static struct http *http_alloc(void)
{
    struct http *http = xalloc(sizeof(*http));

    io_init(&http->io);
    mutex_init(&http->shares_mutex);
    http->per_host = map_new(share_free);
    http->per_tenant = map_new(share_free);
    return http;
}

int http_new(const struct http_options *options, struct http **ret, struct err *err)
{
    cleanup(http_free) struct http *http = http_alloc();
    int r;

    http->max_per_host = options->max_per_host;
    http->max_per_tenant = options->max_per_tenant;
    r = io_start(&http->io, options, err);
    if (r < 0)
        return r;
    *ret = take(http);
    return 0;
}

struct http *http_new_fake(http_fake_fn *handle, void *arg)
{
    struct http *http = http_alloc();

    http->fake = handle;
    http->fake_arg = arg;
    return http;
}

void http_free(struct http *http)
{
    if (!http)
        return;
    io_deinit(&http->io);
    map_free(http->per_host);
    map_free(http->per_tenant);
    mutex_deinit(&http->shares_mutex);
    xfree(http);
}

/*
 * Calls.
 */

int64_t http_timeout_ms(const struct context *ctx, const struct http_request *request)
{
    int64_t left = context_remaining_ms(ctx, request->timeout_ms);

    assert(request->timeout_ms > 0);
    return left < request->timeout_ms ? left : request->timeout_ms;
}

int http_ask_fake(struct http *http, const struct context *ctx, const struct http_request *request,
                  size_t max_body, struct http_response *ret_response, struct err *err)
{
    cleanup(http_response_deinit) struct http_response response = {};
    int r;

    response.body = (struct buf){.max = max_body, .secret = request->secret};
    r = http->fake(http->fake_arg, ctx, request, &response, err);
    if (r < 0)
        return r;
    r = buf_check(&response.body, "body", err);
    if (r < 0)
        return r;
    response_note_date(&response);
    if (!response.final_url)
        response.final_url = xstrdup(request->url);
    *ret_response = response;
    response = (struct http_response){};
    return 0;
}

static void cancel_call(void *arg)
{
    struct call *call = arg;

    io_nudge(call->io, call, IO_CANCEL);
}

static int run_call(struct call *call, const struct context *ctx,
                    struct http_response *ret_response, struct err *err)
{
    struct cancel_waker waker = {.wake = cancel_call, .arg = call};
    struct io *io = call->io;

    io_submit(io, call);
    if (ctx->cancel)
        cancel_add_waker(ctx->cancel, &waker);
    mutex_lock(&io->mutex);
    while (!call->done)
        cond_wait(&call->changed, &io->mutex);
    mutex_unlock(&io->mutex);
    if (ctx->cancel)
        cancel_remove_waker(ctx->cancel, &waker);
    if (call->result < 0)
        return err_set(err, call->result, "%s", call->err.text);
    *ret_response = call->response;
    call->response = (struct http_response){};
    return 0;
}

int http_do(struct http *http, const struct context *ctx, const struct http_request *request,
            struct http_response *ret_response, struct err *err)
{
    cleanup(call_deinit) struct call call = {};
    cleanup(sharers_deinit) struct sharers of = {};
    int r;

    r = context_check(ctx, err);
    if (r < 0)
        return r;
    if (http->fake)
        return http_ask_fake(http, ctx, request, request->max_body, ret_response, err);
    r = call_init(&call, &http->io, request, http_timeout_ms(ctx, request), err);
    if (r < 0)
        return r;
    sharers_init(&of, ctx, call.url.authority);
    r = shares_take(http, &of, err);
    if (r < 0)
        return r;
    r = run_call(&call, ctx, ret_response, err);
    shares_drop(http, &of);
    return r;
}
