#include "http/call.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/address.h"
#include "http/response.h"
#include "http/silence.h"

/* client-go's dial timeout; the whole call has its own. */
#define CONNECT_TIMEOUT_MS 30000L

static int check_header_text(const char *text, struct err *err)
{
    for (; *text; text++) {
        if ((unsigned char)*text < ' ' && *text != '\t')
            return err_set(err, ERR_INVALID, "a request header contains a control character");
    }
    return 0;
}

static int check_request(const struct http_request *request, struct err *err)
{
    int r;

    if (!request->headers)
        return 0;
    strmap_for_each (header, request->headers) {
        r = check_header_text(header->key, err);
        if (r == 0)
            r = check_header_text(header->value, err);
        if (r < 0)
            return r;
    }
    return 0;
}

int call_init(struct call *call, struct io *io, const struct http_request *request,
              int64_t timeout_ms, struct err *err)
{
    int r;

    *call = (struct call){.io = io,
                          .request = request,
                          .max_body = request->max_body,
                          .takes_cut_401 = request->takes_cut_401};
    list_init(&call->link);
    list_init(&call->active);
    call->fd = -1;
    list_init(&call->nudge);
    cond_init(&call->changed);
    r = url_split(request->url, &call->url, err);
    if (r == 0)
        r = check_request(request, err);
    if (r < 0)
        return r;
    call->method = xstrdup(request->method);
    call->action = xstrdup(str_or(request->action, "unnamed_action"));
    call->max_redirects = request->max_redirects;
    /* Deadlines of sockets run in real time, whatever clock the context has. */
    call->started_ms = clock_monotonic_ms(clock_system());
    call->due_ms = call->started_ms + timeout_ms;
    call->response.body = (struct buf){.max = request->max_body, .secret = request->secret};
    /* curl hands over 16 KiB at a time, so this overshoots by no more than that. */
    call->waiting = (struct buf){.max = 2 * CALL_WAITING_MAX, .secret = request->secret};
    return 0;
}

void call_deinit(struct call *call)
{
    url_parts_deinit(&call->url);
    xfree(call->method);
    xfree(call->action);
    http_response_deinit(&call->response);
    buf_deinit(&call->waiting);
    if (call->io)
        cond_deinit(&call->changed);
    *call = (struct call){};
}

/*
 * Callbacks. They run on the I/O thread inside curl.
 */

static int status_of_line(const char *line, size_t len)
{
    const char *space = memchr(line, ' ', len);

    return space ? (int)strtol(space, NULL, 10) : 0;
}

/* 1xx answers and redirects come before the answer proper: each head replaces the one before. */
static void begin_head(struct call *call, const char *line, size_t len)
{
    silence_heard(call);
    if (call->response.status >= 200)
        call->header_bytes = len;
    strmap_deinit(&call->response.headers);
    call->response.status = status_of_line(line, len);
    call->in_head = true;
}

static bool head_is_followed(const struct call *call)
{
    int status = call->response.status;

    if (status < 200)
        return true;
    return call->max_redirects > 0 && status / 100 == 3 && http_header(&call->response, "location");
}

void call_note_final_url(struct call *call)
{
    long hops = 0;
    char *url = NULL;

    (void)curl_easy_getinfo(call->easy, CURLINFO_REDIRECT_COUNT, &hops); /* stays 0 */
    (void)curl_easy_getinfo(call->easy, CURLINFO_EFFECTIVE_URL, &url);   /* stays NULL */
    xfree(call->response.final_url);
    /* Without a redirect the caller's own words: curl's differ when a server name is set. */
    call->response.final_url = xstrdup(hops && url ? url : call->request->url);
}

void call_announce_head(struct call *call)
{
    response_note_date(&call->response);
    call_note_final_url(call);
    heap_add(&call->io->deadlines, &call->deadline, call->stream_due_ms);

    mutex_lock(&call->io->mutex);
    call->head_ready = true;
    cond_broadcast(&call->changed);
    mutex_unlock(&call->io->mutex);
}

static void end_head(struct call *call)
{
    call->in_head = false;
    if (call->streaming && !head_is_followed(call))
        call_announce_head(call);
}

static size_t on_header(char *line, size_t size, size_t count, void *arg)
{
    struct call *call = arg;
    size_t len = size * count;

    call->header_bytes += len;
    if (call->header_bytes > LIMIT_HTTP_HEADERS) {
        call->fault = ERR_TOO_LARGE;
        return 0;
    }
    if (!call->in_head && !call->head_ready && len > 5 && memcmp(line, "HTTP/", 5) == 0)
        begin_head(call, line, len);
    else if (call->in_head && (line[0] == '\r' || line[0] == '\n'))
        end_head(call);
    else if (call->in_head)
        response_add_header(&call->response, line, len);
    return len; /* what comes outside of a head is a trailer */
}

static size_t take_body(struct call *call, const char *data, size_t len)
{
    buf_add(&call->response.body, data, len);
    if (!call->response.body.failed)
        return len;
    call->fault = ERR_TOO_LARGE;
    return 0;
}

static size_t take_stream(struct call *call, const char *data, size_t len)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&call->io->mutex);

    if (call->waiting.len > 0 && call->waiting.len + len > CALL_WAITING_MAX) {
        call->paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    call->received += len;
    buf_add(&call->waiting, data, len);
    if (call->waiting.failed || (call->max_body && call->received > call->max_body)) {
        call->fault = ERR_TOO_LARGE;
        return 0;
    }
    cond_broadcast(&call->changed);
    return len;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct call *call = arg;

    if (call->is_dropped)
        return size * count;
    silence_heard(call);
    if (call->streaming)
        return take_stream(call, data, size * count);
    return take_body(call, data, size * count);
}

static int on_socket_options(void *arg, curl_socket_t fd, curlsocktype purpose)
{
    const struct call *call = arg;
    unsigned unacked_max_ms = (unsigned)call->io->unacked_max_ms;

    /* Both are improvements; a socket without them still works. curl 7.88 leaves its sockets open
     * to programs that we start. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacked_max_ms, sizeof(unacked_max_ms));
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    silence_socket_opened(call->io, fd);
    return CURL_SOCKOPT_OK;
}

/* Connections outlive the calls that opened them. */
static int on_close_socket(void *arg, curl_socket_t fd)
{
    struct io *io = arg;

    silence_socket_closed(io, fd);
    return close(fd);
}

bool call_is_after_redirect(struct call *call)
{
    long hops = 0;

    return curl_easy_getinfo(call->easy, CURLINFO_REDIRECT_COUNT, &hops) == CURLE_OK && hops > 0;
}

/* New connections: refused before the first packet, so that a redirect cannot scan ports. */
static curl_socket_t on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct call *call = arg;

    if (call_is_after_redirect(call) && !address_is_public(&address->addr)) {
        call->fault = ERR_DENIED;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static int on_before_request(void *arg, char *peer, char *local, int peer_port, int local_port)
{
    struct call *call = arg;

    silence_begin(call, local_port, peer_port);
    if (!call->request->public_redirects_only)
        return CURL_PREREQFUNC_OK;
    /* Connections that were there already. */
    if (call_is_after_redirect(call) && !address_text_is_public(peer)) {
        call->fault = ERR_DENIED;
        return CURL_PREREQFUNC_ABORT;
    }
    return CURL_PREREQFUNC_OK;
}

/*
 * Dressing a handle.
 */

#define SET(call, option, value)                                                                   \
    do {                                                                                           \
        if ((call)->setup == CURLE_OK)                                                             \
            (call)->setup = curl_easy_setopt((call)->easy, option, value);                         \
    } while (0)

static void slist_add(struct call *call, struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);

    if (longer)
        *list = longer;
    else
        call->setup = CURLE_OUT_OF_MEMORY;
}

/* Headers carry tokens. */
static void slist_wipe(struct curl_slist *list)
{
    for (struct curl_slist *item = list; item; item = item->next)
        wipe(item->data, strlen(item->data));
    curl_slist_free_all(list);
}

static void add_header(struct call *call, const char *name, const char *value)
{
    cleanup(buf_deinit) struct buf line = BUF_SECRET(SIZE_MAX);

    buf_add_str(&line, name);
    buf_add_str(&line, *value ? ": " : ";"); /* curl's word for "send it empty": a semicolon */
    buf_add_str(&line, value);
    slist_add(call, &call->headers, buf_str(&line));
}

static bool has_header(const struct http_request *request, const char *name)
{
    if (!request->headers)
        return false;
    strmap_for_each (header, request->headers) {
        if (streq_ci(header->key, name))
            return true;
    }
    return false;
}

static void dress_headers(struct call *call)
{
    const struct http_request *request = call->request;

    if (request->headers) {
        strmap_for_each (header, request->headers)
            add_header(call, header->key, header->value);
    }
    slist_add(call, &call->headers, "Expect:"); /* would cost a round trip or a second */
    if (!has_header(request, "Content-Type"))
        slist_add(call, &call->headers, "Content-Type:"); /* curl's guess is a web form */
    if (request->tls && request->tls->server_name && !has_header(request, "Host"))
        add_header(call, "Host", call->url.authority);
    SET(call, CURLOPT_HTTPHEADER, call->headers);
}

static bool method_sends_body(const struct http_request *request)
{
    return request->body_len > 0 || streq(request->method, "POST") ||
           streq(request->method, "PUT") || streq(request->method, "PATCH");
}

static void dress_method(struct call *call)
{
    const struct http_request *request = call->request;

    if (method_sends_body(request)) {
        SET(call, CURLOPT_POST, 1L);
        SET(call, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
        /* A stream's request may be gone while its tail is still being sent. */
        if (call->streaming)
            SET(call, CURLOPT_COPYPOSTFIELDS, request->body_len ? request->body : "");
        else
            SET(call, CURLOPT_POSTFIELDS, request->body_len ? request->body : "");
        if (!streq(request->method, "POST"))
            SET(call, CURLOPT_CUSTOMREQUEST, request->method);
    } else if (streq(request->method, "HEAD")) {
        SET(call, CURLOPT_NOBODY, 1L);
    } else if (!streq(request->method, "GET")) {
        SET(call, CURLOPT_CUSTOMREQUEST, request->method);
    }
}

/* "192.0.2.1:80", "[2001:db8::1]:80", or what the URL says. */
static char *dial_target(const struct call *call)
{
    if (call->request->connect_address)
        return xstrdup(call->request->connect_address);
    return xasprintf("%s:%s", call->url.host, call->url.port);
}

/* curl takes the name for SNI and verification from the URL. For another one the URL is changed,
 * the Host header set to the true one, and the way to the server given by CONNECT_TO. */
static void dress_url(struct call *call)
{
    const struct http_tls *tls = call->request->tls;
    const char *name = tls ? tls->server_name : NULL;
    cleanup(xfree) char *url = NULL, *dial = NULL, *connect_to = NULL;

    if (!name && !call->request->connect_address) {
        SET(call, CURLOPT_URL, call->request->url);
        return;
    }
    if (name && url_with_host(call->request->url, name, &url, NULL) < 0)
        call->setup = CURLE_URL_MALFORMAT;
    SET(call, CURLOPT_URL, url ? url : call->request->url);
    dial = dial_target(call);
    connect_to = xasprintf("%s:%s:%s", name ? name : call->url.host, call->url.port, dial);
    slist_add(call, &call->connect_to, connect_to);
    SET(call, CURLOPT_CONNECT_TO, call->connect_to);
}

static struct curl_blob blob_of(const char *text)
{
    return (struct curl_blob){
        .data = (void *)(uintptr_t)text, .len = strlen(text), .flags = CURL_BLOB_COPY};
}

static void dress_tls(struct call *call)
{
    const struct http_tls *tls = call->request->tls;
    struct curl_blob ca, cert, key;

    SET(call, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (!tls || !tls->ca_pem) {
        if (call->io->ca_file)
            SET(call, CURLOPT_CAINFO, call->io->ca_file);
    } else {
        ca = blob_of(tls->ca_pem);
        SET(call, CURLOPT_CAINFO_BLOB, &ca);
        SET(call, CURLOPT_CAPATH, NULL); /* Debian builds a default in: the system's roots too */
    }
    if (!tls)
        return;
    if (tls->skip_verify) {
        SET(call, CURLOPT_SSL_VERIFYPEER, 0L);
        SET(call, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (tls->cert_pem && tls->key_pem) {
        cert = blob_of(tls->cert_pem);
        key = blob_of(tls->key_pem);
        SET(call, CURLOPT_SSLCERT_BLOB, &cert);
        SET(call, CURLOPT_SSLKEY_BLOB, &key);
    }
}

static void dress_redirects(struct call *call)
{
    if (call->max_redirects <= 0)
        return;
    SET(call, CURLOPT_FOLLOWLOCATION, 1L);
    SET(call, CURLOPT_MAXREDIRS, (long)call->max_redirects);
    SET(call, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    if (!call->request->public_redirects_only)
        return;
    SET(call, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    SET(call, CURLOPT_OPENSOCKETDATA, call);
}

static void dress_connection(struct call *call)
{
    SET(call, CURLOPT_NOSIGNAL, 1L);
    SET(call, CURLOPT_QUICK_EXIT, 1L); /* else the end of a call waits for the resolver's thread */
    SET(call, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
    /* A libcurl without HTTP/2 refuses this and speaks HTTP/1.1. */
    (void)curl_easy_setopt(call->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    /* Better wait for the first connection than open ten. Without TLS there is no HTTP/2, and the
     * wait would last until the first answer. */
    SET(call, CURLOPT_PIPEWAIT, streq(call->url.scheme, "https") ? 1L : 0L);
    SET(call, CURLOPT_TCP_KEEPALIVE, 1L);
    SET(call, CURLOPT_TCP_KEEPIDLE, (long)call->io->keepalive_idle_s);
    SET(call, CURLOPT_TCP_KEEPINTVL, (long)call->io->keepalive_interval_s);
    SET(call, CURLOPT_SOCKOPTFUNCTION, on_socket_options);
    SET(call, CURLOPT_SOCKOPTDATA, call);
    SET(call, CURLOPT_CLOSESOCKETFUNCTION, on_close_socket);
    SET(call, CURLOPT_CLOSESOCKETDATA, call->io);
    SET(call, CURLOPT_PREREQFUNCTION, on_before_request);
    SET(call, CURLOPT_PREREQDATA, call);
    SET(call, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
}

CURLcode call_dress(struct call *call, CURL *easy)
{
    call->easy = easy;
    call->setup = CURLE_OK;
    SET(call, CURLOPT_PRIVATE, call);
    SET(call, CURLOPT_ERRORBUFFER, call->error);
    SET(call, CURLOPT_PROTOCOLS_STR, "http,https");
    SET(call, CURLOPT_USERAGENT, call->io->user_agent);
    SET(call, CURLOPT_ACCEPT_ENCODING, "");
    SET(call, CURLOPT_HEADERFUNCTION, on_header);
    SET(call, CURLOPT_HEADERDATA, call);
    SET(call, CURLOPT_WRITEFUNCTION, on_body);
    SET(call, CURLOPT_WRITEDATA, call);
    if (call->request->proxy)
        SET(call, CURLOPT_PROXY, call->request->proxy);
    dress_url(call);
    dress_method(call);
    dress_headers(call);
    dress_tls(call);
    dress_redirects(call);
    dress_connection(call);
    return call->setup;
}

void call_undress(struct call *call)
{
    curl_easy_reset(call->easy);
    slist_wipe(call->headers);
    curl_slist_free_all(call->connect_to);
    call->headers = call->connect_to = NULL;
    call->easy = NULL;
}
