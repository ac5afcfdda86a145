#include "acme/decode.h"

#include <string.h>

#include "base/limits.h"
#include "base/timetext.h"

/* --- bodies and headers --- */

bool acme_answer_is(const struct http_response *response, const char *content_type)
{
    const char *given = http_header(response, "content-type");
    size_t len = strlen(content_type);
    cleanup(xfree) char *start = given ? xstrndup(given, strnlen(given, len)) : NULL;

    return streq_ci(start, content_type) && strchr("; \t", given[len]);
}

static bool is_foreign(const struct http_response *response)
{
    const char *body = buf_str(&response->body);

    return acme_answer_is(response, "text/html") || body[strspn(body, " \t\r\n")] == '<';
}

static int refuse_foreign(struct err *err)
{
    return err_set(err, ERR_UNAVAILABLE,
                   "the answer is a web page, not from an ACME server; is a proxy in the way");
}

int acme_body(const struct http_response *response, struct json **ret, struct err *err)
{
    cleanup(json_unref) struct json *value = NULL;
    struct err cause = {};
    int r;

    r = json_parse(buf_str(&response->body), response->body.len, LIMIT_ACME_BODY, &value, &cause);
    if (r < 0 && is_foreign(response))
        return refuse_foreign(err);
    if (r < 0)
        return err_set(err, ERR_PROTOCOL, "the answer is %s", cause.text);
    if (json_kind(value) != JSON_KIND_MAP)
        return err_set(err, ERR_PROTOCOL, "the answer is a JSON %s where a map is needed",
                       json_kind_name(json_kind(value)));
    *ret = take(value);
    return 0;
}

int acme_check_url(const char *what, const char *url, struct err *err)
{
    int r = http_url_check_https(str_or(url, ""), err);

    if (r >= 0)
        return 0;
    err_wrap(err, "%s '%.*s'", what, LIMIT_EXCERPT, str_or(url, ""));
    if (err)
        err->code = ERR_PROTOCOL;
    return ERR_PROTOCOL;
}

int acme_location(const struct http_response *response, bool required, char **ret, struct err *err)
{
    const char *location = http_header(response, "location");
    cleanup(xfree) char *url = NULL;
    int r;

    if (!location && required && is_foreign(response))
        return refuse_foreign(err);
    if (!location)
        return required ? err_set(err, ERR_PROTOCOL, "the answer has no Location header") : 0;
    if (http_url_resolve(str_or(response->final_url, ""), location, &url, NULL) < 0)
        url = xstrdup(location);
    r = acme_check_url("Location", url, err);
    if (r < 0)
        return r;
    *ret = take(url);
    return 0;
}

/* --- members --- */

/* The longest start of `text` that is whole characters and at most `max` bytes, cleaned. */
char *acme_clip(const char *text, size_t max)
{
    size_t len = text ? strlen(text) : 0, kept = 0, step;
    char *clipped;

    if (!text)
        return NULL;
    while (kept < len) {
        step = str_utf8_next(text + kept, len - kept);
        step = step > 0 ? step : 1;
        if (kept + step > max)
            break;
        kept += step;
    }
    clipped = xstrndup(text, kept);
    str_clean(clipped);
    return clipped;
}

char *acme_decode_text(const struct json *map, const char *name)
{
    return acme_clip(json_get_text(map, name), ACME_TEXT_MAX);
}

int acme_decode_url(const struct json *map, const char *name, bool required, char **ret,
                    struct err *err)
{
    const char *url = json_get_text(map, name);
    int r;

    if (str_empty(url))
        return required ? err_set(err, ERR_PROTOCOL, "the answer has no '%s'", name) : 0;
    r = acme_check_url(name, url, err);
    if (r < 0)
        return r;
    *ret = xstrdup(url);
    return 0;
}

int64_t acme_decode_time(const struct json *map, const char *name)
{
    const char *text = json_get_text(map, name);
    int64_t ms;

    return text && time_parse_rfc3339(text, &ms, NULL) >= 0 && ms > 0 ? ms : 0;
}

static const char *const status_names[] = {
    [ACME_STATUS_UNKNOWN] = "unknown",
    [ACME_STATUS_PENDING] = "pending",
    [ACME_STATUS_READY] = "ready",
    [ACME_STATUS_PROCESSING] = "processing",
    [ACME_STATUS_VALID] = "valid",
    [ACME_STATUS_INVALID] = "invalid",
    [ACME_STATUS_DEACTIVATED] = "deactivated",
    [ACME_STATUS_EXPIRED] = "expired",
    [ACME_STATUS_REVOKED] = "revoked",
};

const char *acme_status_name(enum acme_status status)
{
    return status_names[status];
}

int acme_decode_status(const struct json *map, enum acme_status *ret, struct err *err)
{
    const char *text = json_get_text(map, "status");

    if (!text)
        return err_set(err, ERR_PROTOCOL, "the answer has no 'status'");
    *ret = ACME_STATUS_UNKNOWN; /* later specifications may have more */
    for (size_t i = 1; i < ARRAY_LEN(status_names); i++)
        if (streq(text, status_names[i]))
            *ret = (enum acme_status)i;
    return 0;
}

static enum acme_identifier_type identifier_type(const char *name)
{
    if (streq(name, "dns"))
        return ACME_DNS;
    return streq(name, "ip") ? ACME_IP : ACME_IDENTIFIER_OTHER;
}

int acme_decode_identifier(const struct json *value, struct acme_identifier *ret, struct err *err)
{
    const char *type = json_get_text(value, "type");

    if (!type)
        return err_set(err, ERR_PROTOCOL, "an identifier in the answer has no 'type'");
    ret->type = identifier_type(type);
    ret->value = acme_decode_text(value, "value");
    if (str_empty(ret->value) && ret->type != ACME_IDENTIFIER_OTHER)
        return err_set(err, ERR_PROTOCOL, "an identifier in the answer has no 'value'");
    if (!ret->value)
        ret->value = xstrdup("");
    return 0;
}

void acme_identifier_deinit(struct acme_identifier *identifier)
{
    xfree(identifier->value);
    *identifier = (struct acme_identifier){};
}
