#include "dns/doh.h"

#include "http/http.h"

#define MEDIA_TYPE "application/dns-message"

/* Without parameters, of which RFC 8484 has none. */
static bool is_dns_message(const char *content_type)
{
    cleanup(strlist_deinit) struct strlist parts = {};

    strlist_split(&parts, str_or(content_type, "none"), ';');
    return parts.len > 0 && streq_ci(parts.items[0], MEDIA_TYPE);
}

static int check_response(const struct http_response *response, struct err *err)
{
    if (response->status >= 500 || response->status == 429)
        return err_set(err, ERR_UNAVAILABLE, "http status %d", response->status);
    if (response->status == 401 || response->status == 403)
        return err_set(err, ERR_DENIED, "http status %d", response->status);
    if (response->status != 200)
        return err_set(err, ERR_PROTOCOL, "http status %d", response->status);
    if (!is_dns_message(http_header(response, "content-type")))
        return err_set(err, ERR_PROTOCOL,
                       "the answer is not of type " MEDIA_TYPE ": check the url");
    return 0;
}

int doh_exchange(struct http *http, const struct context *ctx, const char *url,
                 const struct request *request, struct buf *answer, struct err *err)
{
    cleanup(http_response_deinit) struct http_response response = {};
    cleanup(strmap_deinit) struct strmap headers = {};
    struct http_request post = {
        .method = "POST",
        .url = url,
        .headers = &headers,
        .body = request->wire.data,
        .body_len = request->wire.len,
        .max_body = LIMIT_DOH_BODY,
        .timeout_ms = context_remaining_ms(ctx, 1),
    };
    int r;

    if (!http)
        return err_set(err, ERR_UNSUPPORTED, "dns over https is not available here");
    strmap_set(&headers, "Content-Type", MEDIA_TYPE);
    strmap_set(&headers, "Accept", MEDIA_TYPE);
    r = http_do(http, ctx, &post, &response, err);
    if (r < 0)
        return r;
    r = check_response(&response, err);
    if (r < 0)
        return r;
    if (!request_is_answered_by(request, response.body.data, response.body.len))
        return err_set(err, ERR_PROTOCOL, "the server answered with something else than asked for");
    buf_add(answer, response.body.data, response.body.len);
    return buf_check(answer, "dns answer", err);
}
