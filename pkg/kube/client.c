#include "kube/client.h"

#include <poll.h>
#include <string.h>

#include "base/log.h"
#include "base/map.h"
#include "base/thread.h"
#include "kube/credentials.h"
#include "kube/explain.h"

#define CALL_TIMEOUT_MS  SECONDS(30)
#define ERROR_TIMEOUT_MS SECONDS(10) /* to read why a stream was refused */
#define ERROR_BODY_MAX   (64 * 1024)
#define LOST_WAIT_MS     SECONDS(1) /* client-go's */
#define WAIT_MIN_MS      100
#define URL_MAX          (16 * 1024)
enum { WAITS_MAX = 10, WARNINGS_MAX = 100 };

struct kube {
    struct kube_options options;
    struct kube_credentials *credentials;
    char *server; /* without a slash at its end */
    char *host;   /* of it, with the port */
    struct mutex mutex;
    struct map *warned; /* texts of the server's warnings that were logged; under the lock */
};

static char *server_url(const char *server)
{
    bool has_scheme = strstr(server, "://") != NULL;
    char *url = xasprintf("%s%s", has_scheme ? "" : "https://", server);

    for (size_t len = strlen(url); len > 0 && url[len - 1] == '/'; len--)
        url[len - 1] = '\0';
    return url;
}

static char *host_of(const char *server)
{
    const char *host = strstr(server, "://");

    host = host ? host + strlen("://") : server;
    return xstrndup(host, strcspn(host, "/?#"));
}

struct kube *kube_new(const struct kube_options *options)
{
    struct kube *kube = xalloc(sizeof(*kube));

    kube->options = *options;
    kube->credentials = kube_credentials_new(options->config, options->clock);
    kube->server = server_url(str_or(options->config->cluster.server, ""));
    kube->host = host_of(kube->server);
    kube->warned = map_new(NULL);
    mutex_init(&kube->mutex);
    return kube;
}

void kube_free(struct kube *kube)
{
    if (!kube)
        return;
    kube_credentials_free(kube->credentials);
    map_free(kube->warned);
    mutex_deinit(&kube->mutex);
    xfree(kube->server);
    xfree(kube->host);
    xfree(kube);
}

const struct clock *kube_clock(const struct kube *kube)
{
    return kube->options.clock;
}

/* --- URL --- */

static void add_escaped(struct buf *to, const char *text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                "-._~";

    for (const char *c = text; *c; c++) {
        if (strchr(plain, *c))
            buf_add_char(to, *c);
        else
            buf_addf(to, "%%%02X", (unsigned char)*c);
    }
}

static void add_step(struct buf *to, const char *step)
{
    buf_add_char(to, '/');
    add_escaped(to, step);
}

static void add_path(struct buf *to, const struct kube_call *call)
{
    const struct kube_about *about = &call->about;
    const struct resource *resource = about->resource;

    buf_add_str(to, str_empty(resource->group) ? "/api" : "/apis");
    if (!str_empty(resource->group))
        add_step(to, resource->group);
    add_step(to, resource->version);
    if (resource->namespaced && !str_empty(about->namespace)) {
        buf_add_str(to, "/namespaces");
        add_step(to, about->namespace);
    }
    add_step(to, resource->plural);
    if (str_empty(about->name) || call->collection)
        return;
    add_step(to, about->name);
    if (about->subresource)
        add_step(to, about->subresource);
}

static void add_params(struct buf *to, const struct kube_param *params)
{
    char before = '?';

    for (size_t i = 0; i < KUBE_PARAMS_MAX && params[i].name; i++) {
        if (!params[i].value)
            continue;
        buf_add_char(to, before);
        add_escaped(to, params[i].name);
        buf_add_char(to, '=');
        add_escaped(to, params[i].value);
        before = '&';
    }
}

static int url_of(const struct kube *kube, const struct kube_call *call, char **ret,
                  struct err *err)
{
    cleanup(buf_deinit) struct buf url = BUF(URL_MAX);
    int r;

    /* Names are checked before they get here; these two would still lead elsewhere. */
    if (streq(call->about.name, "..") || streq(call->about.name, "."))
        return err_set(err, ERR_INVALID, "'%s' is not a name", call->about.name);
    buf_add_str(&url, kube->server);
    if (call->path)
        buf_add_str(&url, call->path);
    else
        add_path(&url, call);
    add_params(&url, call->params);
    r = buf_check(&url, "the URL", err);
    if (r < 0)
        return r;
    *ret = buf_take(&url);
    return 0;
}

/* --- one request, for all its tries --- */

struct attempt {
    struct kube *kube;
    const struct kube_call *call;
    char *url;
    char *body; /* may hold keys */
    size_t body_len;
    const struct kube_identity *identity; /* of this try */
    struct strmap headers;                /* of this try */
    struct kube_status status;            /* of the last answer */
    bool renewed, lost, stream;
    int waits;
};

static void forget_try(struct attempt *attempt)
{
    kube_identity_unref(take(attempt->identity));
    kube_headers_deinit(&attempt->headers);
}

static void attempt_deinit(struct attempt *attempt)
{
    forget_try(attempt);
    xfree(attempt->url);
    xfree_secret(attempt->body);
}
DEFINE_CLEANUP_VALUE(struct attempt, attempt_deinit);

/* Of what etcd does not take, the server says 500, as if a later try could do better. */
static int check_size(const struct attempt *attempt, struct err *err)
{
    if (attempt->body_len <= LIMIT_OBJECT)
        return 0;
    (void)err_set(err, ERR_TOO_LARGE, "it has %zu bytes, and the API server keeps %d at most",
                  attempt->body_len, LIMIT_OBJECT); /* wrapped in the next line */
    return kube_about_wrap(&attempt->call->about, err);
}

static int attempt_init(struct attempt *attempt, struct kube *kube, const struct kube_call *call,
                        struct err *err)
{
    *attempt = (struct attempt){.kube = kube, .call = call};
    if (call->body) {
        attempt->body = json_text(call->body);
        attempt->body_len = strlen(attempt->body);
    }
    if (check_size(attempt, err) < 0)
        return ERR_TOO_LARGE;
    return url_of(kube, call, &attempt->url, err);
}

/* From 1.37 on, a watch is a row of gzip members, one per flush (WatchListCompression), and libcurl ends
 * at the first one's end, as if the stream did. */
static bool wants_plain(const struct attempt *attempt)
{
    return attempt->stream || attempt->kube->options.config->cluster.disable_compression;
}

static void add_headers(struct attempt *attempt)
{
    struct strmap *headers = &attempt->headers;

    kube_header_add(headers, "Accept", str_or(attempt->call->accept, "application/json"));
    if (attempt->body)
        kube_header_add(headers, "Content-Type",
                        str_or(attempt->call->content_type, "application/json"));
    if (wants_plain(attempt))
        kube_header_add(headers, "Accept-Encoding", "identity");
    kube_identity_add_headers(attempt->identity, headers);
}

/* What this try sends; it lends from the attempt. */
static int dress(struct attempt *attempt, const struct context *ctx, struct http_request *ret,
                 struct err *err)
{
    const struct kube_cluster *cluster = &attempt->kube->options.config->cluster;
    const struct kube_call *call = attempt->call;
    int r;

    forget_try(attempt);
    r = kube_credentials_get(attempt->kube->credentials, ctx, &attempt->identity, err);
    if (r < 0)
        return r;
    add_headers(attempt);
    *ret = (struct http_request){
        .method = call->method,
        .url = attempt->url,
        .headers = &attempt->headers,
        .body = attempt->body,
        .body_len = attempt->body_len,
        .max_body = call->max_body ? call->max_body : LIMIT_KUBE_BODY,
        .timeout_ms = call->timeout_ms ? call->timeout_ms : CALL_TIMEOUT_MS,
        .tls = kube_identity_tls(attempt->identity),
        .proxy = str_empty(cluster->proxy_url) ? NULL : cluster->proxy_url,
        .action = "kubernetes", /* counted by our observer, not as an ACME request */
        .repeatable = call->repeatable,
        .takes_cut_401 = true,
        .secret = streq(call->about.resource->kind, "Secret"),
    };
    return 0;
}

/* --- warnings --- */

/* `299 - "text"`; the text with its quotes escaped. */
static char *warning_text(const char *value)
{
    const char *from = strchr(value, '"'), *to = strrchr(value, '"');
    cleanup(buf_deinit) struct buf text = BUF(LIMIT_HTTP_HEADERS);

    if (!from || from == to)
        return NULL;
    for (const char *c = from + 1; c < to; c++) {
        if (*c == '\\' && c + 1 < to)
            c++;
        buf_add_char(&text, *c);
    }
    return buf_take(&text);
}

static bool is_new_warning(struct kube *kube, const char *text)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&kube->mutex);

    if (map_has(kube->warned, text) || map_len(kube->warned) >= WARNINGS_MAX)
        return false;
    map_set(kube->warned, text, kube);
    return true;
}

static void log_warnings(struct kube *kube, const struct context *ctx,
                         const struct http_response *response)
{
    strmap_for_each (header, &response->headers) {
        cleanup(xfree) char *text = NULL;

        if (!streq_ci(header->key, "warning"))
            continue;
        text = warning_text(header->value);
        if (!text || !is_new_warning(kube, text))
            continue;
        str_clean(text);
        log_warning(ctx, "the API server warns: %s", text); /* meant for people: each once */
    }
}

static void log_answer(const struct attempt *attempt, const struct context *ctx,
                       const struct http_response *response)
{
    cleanup(buf_deinit) struct buf text = BUF(1024);

    if (!log_enabled(LOG_DEBUG))
        return;
    kube_about_text(&attempt->call->about, &text);
    log_debug(ctx, "%s: %d, Audit-Id %s", buf_str(&text), response->status,
              str_or(http_header(response, "audit-id"), "none"));
}

/* --- one try --- */

/* "<text so far>: <what to look at>" */
static int add_explanation(struct err *err, int code, const struct buf *explanation)
{
    struct err before = {};

    if (!err)
        return code;
    before = *err;
    return err_set(err, code, "%s: %s", before.text, buf_str(explanation));
}

/* The server's certificate is none that we may trust, or it does not accept us. */
static int explain(const struct attempt *attempt, int r, struct err *err)
{
    const struct kube_options *options = &attempt->kube->options;
    cleanup(buf_deinit) struct buf text = BUF(ERR_TEXT_MAX);
    const char *token;

    if (!attempt->identity)
        return r;
    if (r == ERR_DENIED && attempt->status.http == 0) {
        kube_explain_trust(options->config, &text);
    } else if (r == ERR_STRANGER) {
        token = kube_identity_token(attempt->identity);
        kube_explain_credentials(options->config, token, clock_wall_ms(options->clock), &text);
    }
    return text.len > 0 ? add_explanation(err, r, &text) : r;
}

static int judge(struct attempt *attempt, const struct context *ctx,
                 const struct http_response *response, struct err *err)
{
    log_warnings(attempt->kube, ctx, response);
    log_answer(attempt, ctx, response);
    return explain(attempt,
                   kube_status_check(&attempt->call->about, response,
                                     clock_wall_ms(attempt->kube->options.clock), &attempt->status,
                                     err),
                   err);
}

static void observe(const struct attempt *attempt, int status, int64_t duration_ms)
{
    const struct kube_options *options = &attempt->kube->options;
    struct kube_observation observation = {.method = attempt->call->method,
                                           .host = attempt->kube->host,
                                           .status = status,
                                           .duration_ms = duration_ms};

    if (options->observe)
        options->observe(options->observe_arg, &observation);
}

static int send(struct attempt *attempt, const struct context *ctx,
                const struct http_request *request, struct http_response *ret, struct err *err)
{
    int64_t began_ms = clock_monotonic_ms(attempt->kube->options.clock);
    int r = http_do(attempt->kube->options.http, ctx, request, ret, err);

    observe(attempt, r == 0 ? ret->status : 0,
            clock_monotonic_ms(attempt->kube->options.clock) - began_ms);
    return r;
}

/* A process that was paused goes on with what it was about to do, while another one works. */
static int check_may_write(const struct attempt *attempt, struct err *err)
{
    const struct kube_options *options = &attempt->kube->options;

    if (!attempt->call->is_write || !options->may_write ||
        options->may_write(options->may_write_arg))
        return 0;
    return err_set(err, ERR_CANCELED, "another process may be writing by now");
}

static int try(struct attempt *attempt, const struct context *ctx, struct http_response *ret,
               struct err *err)
{
    struct http_request request;
    int r;

    attempt->status = (struct kube_status){};
    r = dress(attempt, ctx, &request, err);
    if (r == 0)
        r = check_may_write(attempt, err);
    if (r == 0)
        r = explain(attempt, send(attempt, ctx, &request, ret, err), err);
    if (r < 0)
        return kube_about_wrap(&attempt->call->about, err);
    return judge(attempt, ctx, ret, err);
}

/* --- and another one? --- */

/* Two files that are written one after the other do not belong together in between: nothing was sent then. */
static bool pair_was_refused(const struct attempt *attempt, int r)
{
    return r == ERR_INVALID && attempt->status.http == 0 && attempt->identity &&
           kube_identity_tls(attempt->identity)->cert_pem;
}

static bool may_renew(struct attempt *attempt, int r)
{
    if (attempt->renewed || (attempt->status.http != 401 && !pair_was_refused(attempt, r)))
        return false;
    attempt->renewed = true;
    return kube_credentials_refuse(attempt->kube->credentials, attempt->identity);
}

static bool wants_wait(const struct attempt *attempt)
{
    const struct kube_status *status = &attempt->status;

    if (status->retry_at_ms == 0 || attempt->waits >= WAITS_MAX)
        return false;
    return status->http == 429 || (status->http >= 500 && attempt->call->repeatable);
}

static int64_t server_wait_ms(const struct attempt *attempt)
{
    int64_t now_ms = clock_wall_ms(attempt->kube->options.clock);
    int64_t wait_ms = attempt->status.retry_at_ms - now_ms;

    return wait_ms < WAIT_MIN_MS ? WAIT_MIN_MS : wait_ms;
}

/* How long to wait before the next try; -1: there is none. */
static int64_t next_try_ms(struct attempt *attempt, int r)
{
    if (may_renew(attempt, r))
        return 0;
    if (wants_wait(attempt)) {
        attempt->waits++;
        return server_wait_ms(attempt);
    }
    if (r == ERR_NETWORK && attempt->call->repeatable && !attempt->lost) {
        attempt->lost = true;
        return LOST_WAIT_MS;
    }
    return -1;
}

static int wait_here(const struct context *ctx, int64_t wait_ms, struct err *err)
{
    struct pollfd fd = {.fd = cancel_fd(ctx->cancel), .events = POLLIN};

    (void)poll(&fd, 1, (int)wait_ms); /* woken early: tries early */
    return context_check(ctx, err);
}

/* 0: go on. The error of the try stays what it was, but for a cancel. */
static int wait_between(struct attempt *attempt, const struct context *ctx, int64_t wait_ms,
                        struct err *err)
{
    const struct kube_options *options = &attempt->kube->options;

    if (wait_ms == 0)
        return 0;
    if (options->wait)
        return options->wait(options->wait_arg, ctx, wait_ms, err);
    return wait_here(ctx, wait_ms, err);
}

static int try_until_done(struct attempt *attempt, const struct context *ctx,
                          struct http_response *ret, struct err *err)
{
    for (;;) {
        cleanup(http_response_deinit) struct http_response response = {};
        int r = try(attempt, ctx, &response, err);
        int64_t wait_ms;

        if (r == 0) {
            *ret = response;
            response = (struct http_response){};
            return 0;
        }
        wait_ms = next_try_ms(attempt, r);
        if (wait_ms < 0 || wait_ms > KUBE_WAIT_MAX_MS ||
            wait_ms >= context_remaining_ms(ctx, DAYS(1)))
            return r;
        r = wait_between(attempt, ctx, wait_ms, err);
        if (r < 0)
            return kube_about_wrap(&attempt->call->about, err);
    }
}

static int read_document(const struct kube_call *call, const struct http_response *response,
                         struct json **ret, struct err *err)
{
    size_t max = call->max_body ? call->max_body : LIMIT_KUBE_BODY;

    if (json_parse_foreign(buf_str(&response->body), response->body.len, max, ret, err) < 0) {
        (void)err_set(err, ERR_PROTOCOL, "the answer is not JSON"); /* whatever is wrong with it */
        return kube_about_wrap(&call->about, err);
    }
    return 0;
}

int kube_do(struct kube *kube, const struct context *ctx, const struct kube_call *call,
            struct json **ret, struct kube_status *ret_status, struct err *err)
{
    cleanup(attempt_deinit) struct attempt attempt;
    cleanup(http_response_deinit) struct http_response response = {};
    int r;

    r = attempt_init(&attempt, kube, call, err);
    if (r == 0)
        r = try_until_done(&attempt, ctx, &response, err);
    if (ret_status)
        *ret_status = attempt.status;
    if (r < 0 || !ret)
        return r;
    return read_document(call, &response, ret, err);
}

/* --- streams --- */

/* The document that says why there is no stream. */
static void read_refusal(struct http_stream *stream, const struct context *ctx,
                         struct http_response *head)
{
    struct context soon = context_with_timeout(ctx, ERROR_TIMEOUT_MS);

    buf_deinit(&head->body);
    head->body = BUF(ERROR_BODY_MAX);
    while (http_stream_read(stream, &soon, &head->body, NULL) == 0)
        continue;
}

static int try_stream(struct attempt *attempt, const struct context *ctx, struct http_stream **ret,
                      struct err *err)
{
    cleanup(http_stream_close) struct http_stream *stream = NULL;
    cleanup(http_response_deinit) struct http_response head = {};
    struct http_request request;
    int r;

    attempt->status = (struct kube_status){};
    r = dress(attempt, ctx, &request, err);
    if (r < 0)
        return kube_about_wrap(&attempt->call->about, err);
    request.max_body = 0; /* of the whole stream: no limit */
    r = http_stream_open(attempt->kube->options.http, ctx, &request, &stream, &head, err);
    observe(attempt, r == 0 ? head.status : 0, -1);
    r = explain(attempt, r, err);
    if (r < 0)
        return kube_about_wrap(&attempt->call->about, err);
    if (head.status < 200 || head.status > 299)
        read_refusal(stream, ctx, &head);
    r = judge(attempt, ctx, &head, err);
    if (r == 0)
        *ret = take(stream);
    return r;
}

int kube_stream(struct kube *kube, const struct context *ctx, const struct kube_call *call,
                struct http_stream **ret, struct kube_status *ret_status, struct err *err)
{
    cleanup(attempt_deinit) struct attempt attempt;
    int r;

    r = attempt_init(&attempt, kube, call, err);
    attempt.stream = true;
    if (r == 0)
        r = try_stream(&attempt, ctx, ret, err);
    if (r < 0 && may_renew(&attempt, r))
        r = try_stream(&attempt, ctx, ret, err);
    if (ret_status)
        *ret_status = attempt.status;
    return r;
}
