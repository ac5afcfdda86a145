/*
 * connection.c - from an accepted socket to the last byte of its answer, on the service thread.
 *
 *     listener readable ─► accept, adopt ─► lws parses ─► handler ─► answer, piece by piece ─► closed
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "server/service.h"

static void connection_free(struct connection *connection)
{
    list_remove(&connection->link);
    connection->server->connections_len--;
    if (connection->server->adopting == connection)
        connection->server->adopting = NULL;
    buf_deinit(&connection->head);
    buf_deinit(&connection->body);
    xfree(connection);
}

static struct connection *connection_new(struct server_listener *listener)
{
    struct connection *connection = xalloc(sizeof(*connection));

    connection->server = listener->server;
    connection->listener = listener;
    list_append(&listener->server->connections, &connection->link);
    listener->server->connections_len++;
    return connection;
}

void service_close_now(struct lws *wsi)
{
    lws_set_timeout(wsi, PENDING_TIMEOUT_CLOSE_ACK, LWS_TO_KILL_SYNC);
}

/* The newest is more likely to be an honest client than the oldest, who has had its time. */
static bool drop_oldest(struct server *server)
{
    if (list_empty(&server->connections))
        return false;
    service_close_now(list_entry(server->connections.next, struct connection, link)->wsi);
    return true;
}

/* On failure lws has closed `fd`. It reports the end of some of its failures, not of all. */
static void adopt_connection(struct server_listener *listener, int fd)
{
    struct server *server = listener->server;
    struct connection *connection;
    lws_adopt_desc_t info = {};
    struct lws *wsi;

    if (server->connections_len >= CONNECTIONS_MAX)
        (void)drop_oldest(server); /* there is one */
    connection = connection_new(listener);
    server->adopting = connection;
    info.vh = server->vhost;
    info.type = LWS_ADOPT_HTTP | LWS_ADOPT_SOCKET;
    info.fd.sockfd = fd;
    info.opaque = connection;
    wsi = lws_adopt_descriptor_vhost_via_info(&info);
    if (wsi) {
        lws_set_timer_usecs(wsi, PATIENCE_US);
    } else if (server->adopting) {
        connection_free(connection);
    }
    server->adopting = NULL;
}

void service_open_spare(struct server *server)
{
    server->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* Without this a connection that cannot be accepted would make the loop spin. */
static void make_room(struct server_listener *listener)
{
    struct server *server = listener->server;

    if (drop_oldest(server))
        return;
    fd_close(server->spare_fd);
    fd_close(accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC));
    service_open_spare(server);
}

static void accept_connections(struct server_listener *listener)
{
    for (int i = 0; i < ACCEPT_AT_ONCE; i++) {
        int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd >= 0)
            adopt_connection(listener, fd);
        else if (errno == EMFILE || errno == ENFILE)
            make_room(listener);
        else if (errno != EINTR && errno != ECONNABORTED)
            return;
    }
}

/*
 * Answers.
 */

static const char *reason_of(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        {200, "OK"},
        {204, "No Content"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {500, "Internal Server Error"},
        {503, "Service Unavailable"},
    };

    for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
        if (reasons[i].status == status)
            return reasons[i].reason;
    }
    return "";
}

static void write_head(struct buf *head, const struct server_response *response)
{
    buf_addf(head, "HTTP/1.1 %d %s\r\n", response->status, reason_of(response->status));
    buf_addf(head, "Content-Type: %s\r\n", response->content_type);
    buf_addf(head, "Content-Length: %zu\r\n", response->body.len);
    if (response->no_store)
        buf_add_str(head, "Cache-Control: no-cache, no-store, must-revalidate\r\n");
    buf_add_str(head, "Connection: close\r\n\r\n");
}

/* What is still to be sent and fits into one write. */
static size_t fill_piece(struct connection *connection)
{
    unsigned char *to = connection->server->piece + LWS_PRE;
    size_t head_len = connection->head.len, left = connection->body.len - connection->sent;
    size_t len = left < PIECE - head_len ? left : PIECE - head_len;

    if (head_len)
        memcpy(to, connection->head.data, head_len);
    if (len)
        memcpy(to + head_len, connection->body.data + connection->sent, len);
    buf_reset(&connection->head);
    connection->sent += len;
    return head_len + len;
}

/* One write each time the socket has room, the first at once; -1 ends the connection, also at the
 * end. lws 4.3 ends it by itself when more bytes come after the request, so what is short should
 * be on its way by then. */
static int go_on(struct connection *connection)
{
    size_t len;

    if (!connection->answering)
        return 0;
    len = fill_piece(connection);
    if (len == 0)
        return -1;
    if (lws_write(connection->wsi, connection->server->piece + LWS_PRE, len, LWS_WRITE_HTTP) <
        (int)len)
        return -1;
    lws_set_timer_usecs(connection->wsi, PATIENCE_US);
    lws_callback_on_writable(connection->wsi);
    return 0;
}

static int start_answer(struct connection *connection, struct server_response *response,
                        bool is_head)
{
    if (response->body.failed) {
        buf_deinit(&response->body);
        response->status = 500;
    }
    connection->head = BUF(4096);
    write_head(&connection->head, response);
    if (is_head)
        buf_deinit(&response->body);
    connection->body = response->body;
    connection->answering = true;
    return go_on(connection);
}

static const char *method_of(struct lws *wsi)
{
    static const struct {
        enum lws_token_indexes token;
        const char *method;
    } methods[] = {
        {WSI_TOKEN_GET_URI, "GET"},         {WSI_TOKEN_HEAD_URI, "HEAD"},
        {WSI_TOKEN_POST_URI, "POST"},       {WSI_TOKEN_PUT_URI, "PUT"},
        {WSI_TOKEN_PATCH_URI, "PATCH"},     {WSI_TOKEN_DELETE_URI, "DELETE"},
        {WSI_TOKEN_OPTIONS_URI, "OPTIONS"},
    };

    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        if (lws_hdr_total_length(wsi, methods[i].token) > 0)
            return methods[i].method;
    }
    return "OTHER";
}

/* "" when it is not there, or longer than all headers may be. */
static void copy_header(struct lws *wsi, enum lws_token_indexes token, char to[HEADERS_MAX])
{
    if (lws_hdr_copy(wsi, to, HEADERS_MAX, token) < 0)
        to[0] = '\0';
}

/* lws keeps the arguments apart, and different versions join them by different signs. */
static void copy_query(struct lws *wsi, char to[HEADERS_MAX])
{
    int used = 0, len;

    to[0] = '\0';
    for (int i = 0; used + 1 < HEADERS_MAX; i++) {
        char *at = to + used + (i > 0);

        len = lws_hdr_copy_fragment(wsi, at, HEADERS_MAX - used - 1, WSI_TOKEN_HTTP_URI_ARGS, i);
        if (len < 0)
            break;
        if (i > 0)
            to[used++] = '&';
        used += len;
    }
    to[used] = '\0';
}

static void copy_remote(struct lws *wsi, char *to, size_t size)
{
    static const char mapped[] = "::ffff:";

    to[0] = '\0';
    (void)lws_get_peer_simple(wsi, to, size); /* gone already: stays empty */
    if (str_starts(to, mapped) && strchr(to, '.'))
        memmove(to, to + strlen(mapped), strlen(to + strlen(mapped)) + 1);
}

static int answer(struct connection *connection, const char *path)
{
    struct lws *wsi = connection->wsi;
    struct server_response response = {
        .status = 200, .content_type = "text/plain; charset=utf-8", .body = BUF(SERVER_BODY_MAX)};
    struct server_request request = {.method = method_of(wsi), .path = path};
    char query[HEADERS_MAX], host[HEADERS_MAX], remote[64];

    if (!connection->listener || connection->answering)
        return -1;
    copy_query(wsi, query);
    copy_header(wsi, WSI_TOKEN_HOST, host);
    copy_remote(wsi, remote, sizeof(remote));
    request.query = query;
    request.host = host;
    request.remote = remote;
    connection->listener->handler(connection->listener->arg, &request, &response);
    return start_answer(connection, &response, streq(request.method, "HEAD"));
}

/*
 * What lws calls.
 */

static struct server_listener *listener_of(struct server *server, const struct lws *wsi)
{
    list_for_each (link, &server->listeners) {
        struct server_listener *listener = list_entry(link, struct server_listener, link);

        if (listener->wsi == wsi)
            return listener;
    }
    return NULL;
}

static int on_listener(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                       size_t len)
{
    struct server *server = lws_context_user(lws_get_context(wsi));
    struct server_listener *listener;

    if (reason != LWS_CALLBACK_RAW_RX_FILE)
        return 0;
    listener = listener_of(server, wsi);
    if (listener)
        accept_connections(listener);
    return 0;
}

static int on_connection(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                         size_t len)
{
    struct connection *connection = wsi ? lws_get_opaque_user_data(wsi) : NULL;

    if (!connection)
        return 0; /* about the vhost, or a listener */
    connection->wsi = wsi;
    switch ((int)reason) {
    case LWS_CALLBACK_HTTP:
        return answer(connection, in);
    case LWS_CALLBACK_HTTP_WRITEABLE:
        return go_on(connection);
    case LWS_CALLBACK_TIMER:                /* too slow */
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE: /* WebSocket, h2c */
    case LWS_CALLBACK_RAW_ADOPT:            /* CONNECT */
    case LWS_CALLBACK_RAW_RX:
        return -1;
    case LWS_CALLBACK_WSI_DESTROY:
        lws_set_opaque_user_data(wsi, NULL);
        connection_free(connection);
        return 0;
    default:
        return 0;
    }
}

const struct lws_protocols service_protocols[] = {
    {.name = "http", .callback = on_connection},
    {.name = "listener", .callback = on_listener},
    {},
};
