/* renewal_info.c - ACME renewal information (RFC 9773; acme.md 6). */
#include <string.h>

#include "acme/acme.h"
#include "acme/client.h"
#include "acme/decode.h"
#include "acme/directory.h"
#include "acme/request.h"
#include "base/timetext.h"

#define RETRY_MIN_MS     MINUTES(1)
#define RETRY_MAX_MS     DAYS(1)
#define RETRY_DEFAULT_MS HOURS(6)
#define CERT_ID_MAX      200

void acme_renewal_info_deinit(struct acme_renewal_info *info)
{
    xfree(info->explanation_url);
    *info = (struct acme_renewal_info){};
}

static bool is_web_url(const char *url)
{
    return str_starts(url, "https://") || str_starts(url, "http://");
}

int acme_renewal_info_decode(const struct json *value, struct acme_renewal_info *ret,
                             struct err *err)
{
    const struct json *window = json_get(value, "suggestedWindow");
    int64_t start_ms = acme_decode_time(window, "start"), end_ms = acme_decode_time(window, "end");
    const char *explanation = json_get_text(value, "explanationURL");

    if (start_ms == 0 || end_ms == 0)
        return err_set(err, ERR_PROTOCOL, "the answer has no readable 'suggestedWindow'");
    if (end_ms <= start_ms)
        return err_set(err, ERR_INVALID, "the suggested window ends before it starts");
    *ret = (struct acme_renewal_info){.start_ms = start_ms, .end_ms = end_ms};
    if (explanation && is_web_url(explanation)) /* for people to read: never fetched */
        ret->explanation_url = acme_clip(explanation, ACME_TEXT_MAX);
    return 0;
}

static int64_t retry_after_ms(const struct http_response *response, int64_t now_ms)
{
    int64_t at_ms = http_retry_at_ms(response, now_ms), span_ms = at_ms - now_ms;

    if (at_ms == 0)
        return RETRY_DEFAULT_MS;
    if (span_ms < RETRY_MIN_MS)
        return RETRY_MIN_MS;
    return span_ms > RETRY_MAX_MS ? RETRY_MAX_MS : span_ms;
}

static int cert_id_check(const char *cert_id, struct err *err)
{
    size_t len = strlen(cert_id);

    if (len == 0 || len > CERT_ID_MAX ||
        strspn(cert_id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") != len)
        return err_set(err, ERR_INVALID, "'%.*s' is not an ARI certificate id", LIMIT_EXCERPT,
                       cert_id);
    return 0;
}

static int info_url(struct acme_client *client, const struct context *ctx, const char *cert_id,
                    char **ret, struct err *err)
{
    cleanup(xfree) char *base = NULL;
    int r;

    r = cert_id_check(cert_id, err);
    if (r < 0)
        return r;
    r = acme_directory_url(client, ctx, ACME_RENEWAL_INFO, &base, err);
    if (r < 0)
        return r;
    *ret = xasprintf("%s%s%s", base, str_ends(base, "/") ? "" : "/", cert_id);
    return 0;
}

int acme_renewal_info(struct acme_client *client, const struct context *ctx, const char *cert_id,
                      struct acme_renewal_info *ret, struct err *err)
{
    cleanup(http_response_deinit) struct http_response response = {};
    cleanup(json_unref) struct json *body = NULL;
    cleanup(xfree) char *url = NULL;
    struct acme_call call = {
        .step = "fetching renewal information", .action = "get_renewal_info", .is_aside = true};
    int r;

    r = info_url(client, ctx, cert_id, &url, err);
    if (r < 0)
        return err_wrap(err, "%s", call.step);
    call.url = url;
    r = acme_fetch(client, ctx, "GET", &call, &response, NULL, err);
    if (r < 0)
        return r;
    r = acme_body(&response, &body, err);
    if (r >= 0)
        r = acme_renewal_info_decode(body, ret, err);
    if (r < 0)
        return err_wrap(err, "%s '%s'", call.step, url);
    ret->retry_after_ms = retry_after_ms(&response, context_now_ms(ctx));
    return 0;
}

int64_t acme_renewal_instant(const char *cert_id, int64_t start_ms, int64_t end_ms)
{
    cleanup(xfree) char *text = NULL;
    unsigned char hash[SHA256_LEN];
    uint64_t number = 0;

    if (end_ms <= start_ms)
        return start_ms;
    text = xasprintf("%s %lld %lld", cert_id, (long long)start_ms, (long long)end_ms);
    sha256(text, strlen(text), hash);
    for (int i = 0; i < 8; i++)
        number = number << 8 | hash[i];
    return start_ms + (int64_t)(number % (uint64_t)(end_ms - start_ms));
}
