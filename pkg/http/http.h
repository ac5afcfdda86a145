/*
 * http.h - blocking HTTP calls and streams over one I/O thread; libcurl stays behind this header.
 *
 *      worker threads                     I/O thread
 *   http_do() ──► request list ──wakeup──► curl_multi ──► one HTTP/2 connection per server
 *       ▲ waits on its own condition            │
 *       └───────────── done ◄───────────────────┘
 *
 * Nothing else touches curl. Any thread may call http_do() and the stream calls; each blocks until
 * the answer, its deadline (the sooner of request->timeout_ms and the context's) or the context's
 * cancel, and never longer, also while a name server drops packets (CURLOPT_QUICK_EXIT).
 * Shares: no remote host (with its port) and no tenant (context->tenant) has more calls in flight than
 * the options say, for each context->controller; beyond that http_do() returns ERR_BUSY at once. Streams do not count: each has a thread of
 * its own, so they take no worker from anybody.
 *
 * Expected errors: ERR_TIMEOUT, ERR_CANCELED, ERR_BUSY, ERR_NETWORK, ERR_TOO_LARGE (headers or body
 * beyond their limit), ERR_DENIED (TLS verification, refused redirect), ERR_PROTOCOL. An HTTP status
 * is never an error here.
 */
#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H

#include "base/context.h"
#include "base/limits.h"
#include "base/str.h"

struct http;

struct http_observation { /* for metrics */
    const char *scheme, *host, *action, *method;
    int status; /* 999 when there was no answer */
    int64_t duration_ms;
};
typedef void http_observe_fn(void *arg, const struct http_observation *observation);

struct http_options {
    const char *user_agent; /* required: ACME servers refuse requests without */
    int max_per_host;       /* calls in flight; 0: no limit */
    int max_per_tenant;
    http_observe_fn *observe; /* called on the I/O thread; must be short */
    void *observe_arg;
    /* How a path that was cut without a word is noticed; 0: ours, which take 15 s (kubernetes.md 2). */
    int keepalive_idle_s, keepalive_interval_s;
    int unacked_max_ms;
};

struct http_tls {
    const char *ca_pem; /* NULL: the system's roots */
    bool skip_verify;
    const char *server_name; /* SNI and name to verify in place of the URL's host; NULL: the host */
    const char *cert_pem;    /* client certificate with its chain, and its key; NULL: none */
    const char *key_pem;
};

struct http_request {
    const char *method; /* "GET" */
    const char *url;    /* http or https only */
    const struct strmap
        *headers; /* may be NULL; a redirect to another host takes them along, except
                                     Authorization, Cookie and Host */
    const void *body;
    size_t body_len;
    size_t max_body;            /* bytes of the answer's body after decompression; required. Of a
                                    stream: of all of it, 0 for no limit */
    int64_t timeout_ms;         /* whole call, whole stream; required */
    const struct http_tls *tls; /* NULL: verify against the system's roots */
    int max_redirects; /* 0: an answer 3xx is returned as it is; one more is ERR_PROTOCOL */
    bool
        public_redirects_only; /* a redirect to a loopback, link-local or private address is ERR_DENIED */
    const char *
        connect_address; /* "192.0.2.1:80": dial this in place of the URL's host and port; NULL: resolve */
    const char *proxy;  /* http, https or socks5 URL; NULL: as $HTTPS_PROXY and $NO_PROXY say */
    const char *action; /* metrics label, behaviour.md 12; NULL: unnamed_action */
    bool repeatable;    /* may be sent once more when the connection ended before any byte of an
                                    answer (GOAWAY, kubernetes.md 2); GET and HEAD always are */
    bool secret;        /* the answer's body is wiped when freed; the request's is the caller's */
    /* A 401 counts though its body has not come whole: a server that has not read the request's yet ends the
     * stream of HTTP/2 behind its answer. */
    bool takes_cut_401;
};

struct http_response {
    int status;
    struct strmap headers; /* names in lower case; strmap keeps repeated ones as separate entries */
    struct buf body;
    int64_t date_ms; /* the server's Date header, 0 when absent or wrong */
    char *final_url; /* after redirects */
};
void http_response_deinit(struct http_response *response);
DEFINE_CLEANUP_VALUE(struct http_response, http_response_deinit);
const char *http_header(const struct http_response *response, const char *name); /* first; NULL */
/* Target of a Link header (RFC 8288) with that rel, the n-th of them, resolved against the final URL;
 * handles repeated headers and comma lists. ERR_NOT_FOUND. */
int http_link(const struct http_response *response, const char *rel, size_t n, char **ret,
              struct err *err);
/* Wall time not before which to come again, by Retry-After; 0 when absent or unreadable. */
int64_t http_retry_at_ms(const struct http_response *response, int64_t now_ms);

int http_new(const struct http_options *options, struct http **ret, struct err *err);
void http_free(struct http *http); /* no call may be in flight */
DEFINE_CLEANUP(struct http, http_free);

int http_do(struct http *http, const struct context *ctx, const struct http_request *request,
            struct http_response *ret_response, struct err *err);

/* A stream: the answer's body as it comes (watches of the API server, issue B). Open returns when
 * the head is in; `ctx` bounds only that. Up to 256 KiB wait for a reader who is late, then the
 * sender is made to wait. One thread at a time. */
struct http_stream;
int http_stream_open(struct http *http, const struct context *ctx,
                     const struct http_request *request, struct http_stream **ret,
                     struct http_response *ret_head, struct err *err);
/* Appends what has come to `to` (at least a byte, at most what fits); ERR_NOT_FOUND at the end of
 * the body. After ERR_TIMEOUT or ERR_CANCELED of `ctx` the stream can be read on. */
int http_stream_read(struct http_stream *stream, const struct context *ctx, struct buf *to,
                     struct err *err);
void http_stream_close(struct http_stream *stream);
DEFINE_CLEANUP(struct http_stream, http_stream_close);

/* URL helpers over curl's own parser. The host comes in lower case, IPv6 without brackets. */
int http_url_host(const char *url, char **ret, struct err *err);
/* Scheme, host and port; a port that is left out is the scheme's. False where one of them is no URL. */
bool http_url_same_origin(const char *a, const char *b);
/* ERR_INVALID unless it is an absolute https URL with a host and no user part. */
int http_url_check_https(const char *url, struct err *err);
int http_url_resolve(const char *base, const char *reference, char **ret, struct err *err);

/* For tests: no thread and no socket, every call goes to `handle` on the caller's thread, with
 * ret_response empty and its body bounded. Streams work: the whole body has come at once. */
typedef int http_fake_fn(void *arg, const struct context *ctx, const struct http_request *request,
                         struct http_response *ret_response, struct err *err);
struct http *http_new_fake(http_fake_fn *handle, void *arg);

#endif
