#include "http/http.h"

#include <string.h>

#include <assert.h>

#include "http/call.h"
#include "http/client.h"
#include "http/response.h"

/*
 * Start and end.
 */

static struct http *http_alloc(void)
{
    struct http *http = xalloc(sizeof(*http));

    io_init(&http->io);
    return http;
}

int http_new(const struct http_options *options, struct http **ret, struct err *err)
{
    cleanup(http_free) struct http *http = http_alloc();
    int r;

    http->per_host = shares_new(options->max_per_host);
    http->per_tenant = shares_new(options->max_per_tenant);
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
    shares_free(http->per_host);
    shares_free(http->per_tenant);
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
    int r;

    r = context_check(ctx, err);
    if (r < 0)
        return r;
    if (http->fake)
        return http_ask_fake(http, ctx, request, request->max_body, ret_response, err);
    r = call_init(&call, &http->io, request, http_timeout_ms(ctx, request), err);
    if (r < 0)
        return r;
    r = shares_take(http->per_host, ctx, call.url.authority, err);
    if (r < 0)
        return r;
    r = shares_take(http->per_tenant, ctx, ctx->tenant, err);
    if (r == 0) {
        r = run_call(&call, ctx, ret_response, err);
        shares_give_back(http->per_tenant, ctx, ctx->tenant);
    }
    shares_give_back(http->per_host, ctx, call.url.authority);
    return r;
}
