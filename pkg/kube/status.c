#include "kube/status.h"

#include <string.h>

#define STATUS_BODY_MAX   (256 * 1024)
#define CAUSES_SHOWN      5
#define ABOUT_TEXT_MAX    700
#define ENDS_SHOWN        300 /* of a message */
#define RETRY_SECONDS_MAX (24 * 60 * 60)

static const struct {
    const char *reason;
    enum err_code code;
} reasons[] = {
    {"AlreadyExists", ERR_EXISTS},
    {"BadRequest", ERR_INVALID},
    {"Conflict", ERR_CONFLICT},
    {"Expired", ERR_GONE},
    {"Forbidden", ERR_DENIED},
    {"Gone", ERR_GONE},
    {"InternalError", ERR_UNAVAILABLE},
    {"Invalid", ERR_INVALID},
    {"MethodNotAllowed", ERR_UNSUPPORTED},
    {"NotAcceptable", ERR_UNSUPPORTED},
    {"NotFound", ERR_NOT_FOUND},
    {"RequestEntityTooLarge", ERR_TOO_LARGE},
    {"ServerTimeout", ERR_UNAVAILABLE},
    {"ServiceUnavailable", ERR_UNAVAILABLE},
    {"StorageReadError", ERR_UNAVAILABLE},
    {"Timeout", ERR_TIMEOUT},
    {"TooManyRequests", ERR_RATE_LIMITED},
    {"Unauthorized", ERR_STRANGER},
    {"UnsupportedMediaType", ERR_UNSUPPORTED},
};

/* When there is no reason that we know: something on the way has answered, or a newer server. */
static const struct {
    int least, most;
    enum err_code code;
} ranges[] = {
    {401, 401, ERR_STRANGER},     {403, 403, ERR_DENIED},    {404, 404, ERR_NOT_FOUND},
    {405, 406, ERR_UNSUPPORTED},  {408, 408, ERR_TIMEOUT},   {409, 409, ERR_CONFLICT},
    {410, 410, ERR_GONE},         {413, 413, ERR_TOO_LARGE}, {415, 415, ERR_UNSUPPORTED},
    {429, 429, ERR_RATE_LIMITED}, {400, 499, ERR_INVALID},   {504, 504, ERR_TIMEOUT},
    {500, 599, ERR_UNAVAILABLE},
};

static int code_of(const char *reason, int http)
{
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (streq(reasons[i].reason, reason))
            return reasons[i].code;
    for (size_t i = 0; i < ARRAY_LEN(ranges); i++)
        if (http >= ranges[i].least && http <= ranges[i].most)
            return ranges[i].code;
    return ERR_PROTOCOL;
}

/* --- what it says --- */

static bool has_cause(const struct json *status, const char *reason, const char *field)
{
    json_for_each_item (cause, json_path(status, "details.causes")) {
        if (reason && streq(json_get_text(cause, "reason"), reason))
            return true;
        if (field && streq(json_get_text(cause, "field"), field))
            return true;
    }
    return false;
}

static void copy_reason(struct kube_status *to, const char *reason)
{
    size_t len = reason ? strlen(reason) : 0;

    if (len < sizeof(to->reason))
        memcpy(to->reason, str_or(reason, ""), len);
}

static bool lacks_namespace(const struct kube_about *about, const struct json *status)
{
    const char *kind = json_as_text(json_path(status, "details.kind"));

    return streq(kind, "namespaces") && !streq(about->resource->plural, kind);
}

static void read_status(const struct kube_about *about, const struct json *status, int64_t now_ms,
                        struct kube_status *to)
{
    int64_t seconds = json_get_int(json_get(status, "details"), "retryAfterSeconds", 0);

    copy_reason(to, json_get_text(status, "reason"));
    to->code = code_of(to->reason, to->http);
    to->namespace_terminating = has_cause(status, "NamespaceTerminating", NULL);
    if (to->namespace_terminating)
        to->code = ERR_DELETED;
    to->version_too_large = has_cause(status, "ResourceVersionTooLarge", NULL);
    to->foreign_uid = to->code == ERR_INVALID && has_cause(status, NULL, "metadata.uid");
    to->about_object = !str_empty(json_as_text(json_path(status, "details.name")));
    to->namespace_missing = to->code == ERR_NOT_FOUND && lacks_namespace(about, status);
    if (to->retry_at_ms == 0 && seconds > 0 && seconds <= RETRY_SECONDS_MAX)
        to->retry_at_ms = now_ms + SECONDS(seconds);
    if (to->foreign_uid)
        to->code = ERR_CONFLICT; /* a merge patch has no other precondition (kubernetes.md 7) */
    if (to->http == 404 && to->code == ERR_NOT_FOUND && !to->about_object)
        to->code = ERR_UNSUPPORTED;
}

/* --- in words --- */

static void add_resource(struct buf *to, const struct kube_about *about)
{
    buf_add_str(to, about->resource->plural);
    if (about->subresource)
        buf_addf(to, "/%s", about->subresource);
    if (!str_empty(about->resource->group))
        buf_addf(to, ".%s", about->resource->group);
}

void kube_about_text(const struct kube_about *about, struct buf *to)
{
    buf_addf(to, "%s ", about->doing);
    add_resource(to, about);
    if (!str_empty(about->name) && !str_empty(about->namespace))
        buf_addf(to, " '%s/%s'", about->namespace, about->name);
    else if (!str_empty(about->name))
        buf_addf(to, " '%s'", about->name);
    else if (!str_empty(about->namespace))
        buf_addf(to, " in namespace '%s'", about->namespace);
}

int kube_about_wrap(const struct kube_about *about, struct err *err)
{
    cleanup(buf_deinit) struct buf text = BUF(ABOUT_TEXT_MAX);

    kube_about_text(about, &text);
    return err_wrap(err, "%s", buf_str(&text));
}

static bool may_quote(const struct kube_about *about)
{
    return !streq(about->resource->kind, "Secret");
}

static void add_excerpt(struct buf *to, const char *before, const char *text)
{
    if (str_empty(text))
        return;
    buf_add_str(to, before);
    str_excerpt(to, text, strlen(text));
}

/* Without the server's text, which may quote a value: which fields it is about, and that they may not be
 * written at all, which quotes none. */
static void add_fields(struct buf *to, const struct json *status)
{
    json_for_each_item (cause, json_path(status, "details.causes")) {
        const char *field = json_get_text(cause, "field");

        if (str_empty(field) || cause_at >= CAUSES_SHOWN)
            continue;
        buf_add_str(to, cause_at == 0 ? ": " : ", ");
        str_excerpt(to, field, strlen(field));
        if (streq(json_get_text(cause, "reason"), "FieldValueForbidden"))
            add_excerpt(to, ": ", json_get_text(cause, "message"));
    }
}

static bool is_inside_of_character(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

/* Without its middle when it is long: a server quotes whole objects there, and says after them what is
 * wrong. */
static void add_both_ends(struct buf *to, const char *text)
{
    size_t len = strlen(text), head = ENDS_SHOWN, tail = len - ENDS_SHOWN;

    if (len <= 2 * ENDS_SHOWN) {
        buf_add_str(to, text);
        return;
    }
    while (head > 0 && is_inside_of_character(text[head]))
        head--;
    while (is_inside_of_character(text[tail]))
        tail++;
    buf_add(to, text, head);
    buf_addf(to, " ... %s", text + tail);
}

static void add_message(struct buf *to, const struct kube_about *about, const struct json *status)
{
    const char *message = json_get_text(status, "message");

    if (!may_quote(about))
        add_fields(to, status);
    else if (!str_empty(message)) {
        buf_add_str(to, ": ");
        add_both_ends(to, message);
    }
}

static void add_denied(struct buf *to, const struct kube_about *about,
                       const struct kube_status *status)
{
    buf_addf(to, "denied: needs verb '%s' on '", about->verb);
    add_resource(to, about);
    buf_add_char(to, '\'');
    if (!str_empty(about->namespace))
        buf_addf(to, " in namespace '%s'", about->namespace);
}

static void add_meaning(struct buf *to, const struct kube_about *about,
                        const struct kube_status *status)
{
    switch (status->code) {
    case ERR_DENIED:
        add_denied(to, about, status);
        return;
    case ERR_DELETED:
        buf_add_str(to, "the namespace is being deleted");
        return;
    case ERR_STRANGER:
        buf_add_str(to, "the API server does not accept our credentials");
        return;
    case ERR_NOT_FOUND:
        buf_add_str(to, status->namespace_missing ? "the namespace does not exist" : "not found");
        return;
    case ERR_EXISTS:
        buf_add_str(to, "exists already");
        return;
    case ERR_UNSUPPORTED:
        if (status->http == 404) {
            buf_add_str(to, "this API server does not have such a kind");
            return;
        }
        break;
    default:
        break;
    }
    buf_addf(to, "%d", status->http);
    if (status->reason[0])
        buf_addf(to, " %s", status->reason);
}

static int fill(const struct kube_about *about, const struct json *body,
                const struct kube_status *status, struct err *err)
{
    cleanup(buf_deinit) struct buf text = BUF(64 * 1024);

    add_meaning(&text, about, status);
    if (status->code != ERR_NOT_FOUND && status->code != ERR_EXISTS && status->code != ERR_STRANGER)
        add_message(&text, about, body);
    str_clean(text.data);
    (void)err_set(err, status->code, "%s", buf_str(&text)); /* what we return is the same code */
    if (err && (status->code == ERR_RATE_LIMITED || status->code == ERR_UNAVAILABLE))
        err->retry_at_ms = status->retry_at_ms;
    return kube_about_wrap(about, err);
}

/* What stands between may name any time, and nobody asks here again before it. */
static int64_t header_retry_at_ms(const struct http_response *response, int64_t now_ms)
{
    int64_t at_ms = http_retry_at_ms(response, now_ms);
    int64_t latest_ms = now_ms + SECONDS(RETRY_SECONDS_MAX);

    return at_ms < latest_ms ? at_ms : latest_ms;
}

int kube_status_check(const struct kube_about *about, const struct http_response *response,
                      int64_t now_ms, struct kube_status *ret, struct err *err)
{
    cleanup(json_unref) struct json *body = NULL;

    *ret = (struct kube_status){.http = response->status};
    if (response->status >= 200 && response->status < 300)
        return 0;
    ret->retry_at_ms = header_retry_at_ms(response, now_ms);
    (void)json_parse(buf_str(&response->body), response->body.len, STATUS_BODY_MAX, &body,
                     NULL); /* no document: the HTTP status decides alone */
    read_status(about, body, now_ms, ret);
    return fill(about, body, ret, err);
}

int kube_status_of_event(const struct kube_about *about, const struct json *status, int64_t now_ms,
                         struct kube_status *ret, struct err *err)
{
    int64_t http = json_get_int(status, "code", 0);

    *ret = (struct kube_status){.http = http >= 100 && http <= 599 ? (int)http : 0};
    read_status(about, status, now_ms, ret);
    return fill(about, status, ret, err);
}
