/*
 * server.c - libwebsockets as an HTTP/1.1 server of single requests.
 *
 * Listening sockets are ours and not libwebsockets': it hides errno, and the port of ":0" can be
 * asked for at once. It adopts them as plain descriptors; when one is readable we accept, and it
 * adopts the connection as HTTP. It parses the request; the answer's bytes are written by us, since
 * its own helpers add headers that nobody asked for.
 *
 * All of libwebsockets runs on one thread. Other threads hand it a command and wait for it:
 *
 *     server_listen() ──► commands ──lws_cancel_service()──► obey() between two rounds of lws_service()
 */
#include "server/server.h"

#include <errno.h>
#include <fcntl.h>
#include <libwebsockets.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/list.h"
#include "base/thread.h"
#include "server/listen.h"

#define CONNECTIONS_MAX 1000
#define LISTENERS_MAX   60
#define HEADERS_MAX     8192
#define PATIENCE_US     ((lws_usec_t)8 * LWS_USEC_PER_SEC)
#define PIECE           65536 /* bytes of an answer per write */
#define ACCEPT_AT_ONCE  64    /* then the others get a turn */

struct server_listener { /* of the service thread once it listens */
    struct server *server;
    struct list link;
    server_handler_fn *handler;
    void *arg;
    int fd;
    uint16_t port;
    struct lws *wsi;
};

struct connection { /* of the service thread; lws keeps it as opaque user data */
    struct server *server;
    struct server_listener *listener; /* NULL: it has gone, answer nothing */
    struct list link;
    struct lws *wsi;
    struct buf head, body;
    size_t sent;    /* of the body */
    bool answering; /* head and body are set */
};

struct command {
    struct list link;
    void (*run)(struct server_listener *listener, int *ret_result);
    struct server_listener *listener;
    int result;
    bool done;
};

struct server {
    struct lws_context *lws;
    struct lws_vhost *vhost;
    struct thread *thread;

    struct mutex mutex; /* guards the next three and what stands in a command */
    struct cond done;
    struct list commands;
    bool stopping;

    struct list listeners;   /* the service thread's, like all that follows */
    struct list connections; /* oldest first */
    size_t connections_len;
    struct connection *adopting;
    int spare_fd; /* given up to be able to accept and close when descriptors run out */
    unsigned char piece[LWS_PRE + PIECE];
};

/*
 * Connections.
 */

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

static void close_wsi_now(struct lws *wsi)
{
    lws_set_timeout(wsi, PENDING_TIMEOUT_CLOSE_ACK, LWS_TO_KILL_SYNC);
}

/* The newest is more likely to be an honest client than the oldest, who has had its time. */
static bool drop_oldest(struct server *server)
{
    if (list_empty(&server->connections))
        return false;
    close_wsi_now(list_entry(server->connections.next, struct connection, link)->wsi);
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

static void open_spare(struct server *server)
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
    open_spare(server);
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

static const struct lws_protocols protocols[] = {
    {.name = "http", .callback = on_connection},
    {.name = "listener", .callback = on_listener},
    {},
};

/*
 * Commands.
 */

static void begin_listening(struct server_listener *listener, int *ret_result)
{
    struct server *server = listener->server;
    lws_adopt_desc_t info = {};

    list_append(&server->listeners, &listener->link);
    info.vh = server->vhost;
    info.type = LWS_ADOPT_RAW_FILE_DESC;
    info.fd.filefd = listener->fd;
    info.vh_prot_name = "listener";
    listener->wsi = lws_adopt_descriptor_vhost_via_info(&info);
    if (listener->wsi)
        return;
    list_remove(&listener->link);
    *ret_result = ERR_NOMEM;
}

static void end_listening(struct server_listener *listener, int *ret_result)
{
    struct server *server = listener->server;

    list_remove(&listener->link);
    list_for_each (link, &server->connections) {
        struct connection *connection = list_entry(link, struct connection, link);

        if (connection->listener != listener)
            continue;
        connection->listener = NULL;
        close_wsi_now(connection->wsi);
    }
    close_wsi_now(listener->wsi); /* with its descriptor */
}

static struct command *next_command(struct server *server)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&server->mutex);
    struct command *command;

    if (list_empty(&server->commands))
        return NULL;
    command = list_entry(server->commands.next, struct command, link);
    list_remove(&command->link);
    return command;
}

static void obey(struct server *server)
{
    for (struct command *command = next_command(server); command; command = next_command(server)) {
        int result = 0;

        command->run(command->listener, &result);
        mutex_lock(&server->mutex);
        command->result = result;
        command->done = true;
        cond_broadcast(&server->done);
        mutex_unlock(&server->mutex);
    }
}

static int do_command(struct server *server, struct server_listener *listener,
                      void (*run)(struct server_listener *listener, int *ret_result))
{
    struct command command = {.run = run, .listener = listener};

    mutex_lock(&server->mutex);
    list_append(&server->commands, &command.link);
    mutex_unlock(&server->mutex);
    lws_cancel_service(server->lws);
    mutex_lock(&server->mutex);
    while (!command.done)
        cond_wait(&server->done, &server->mutex);
    mutex_unlock(&server->mutex);
    return command.result;
}

static bool is_stopping(struct server *server)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&server->mutex);

    return server->stopping;
}

static void serve(void *arg)
{
    struct server *server = arg;

    while (!is_stopping(server)) {
        obey(server);
        (void)lws_service(server->lws, 0); /* fails only in a context that is being destroyed */
    }
}

/*
 * The header's functions.
 */

static int create_lws(struct server *server, struct err *err)
{
    struct lws_context_creation_info info = {};

    lws_set_log_level(0, NULL); /* errors of peers are none of ours, and ours are in `err` */
    info.port = CONTEXT_PORT_NO_LISTEN_SERVER;
    info.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS;
    info.protocols = protocols;
    info.user = server;
    info.max_http_header_data = HEADERS_MAX;
    info.max_http_header_pool = CONNECTIONS_MAX; /* made as needed */
    info.fd_limit_per_thread = CONNECTIONS_MAX + LISTENERS_MAX + 40;
    info.timeout_secs = PATIENCE_US / LWS_USEC_PER_SEC;
    info.vhost_name = "certlet";
    server->lws = lws_create_context(&info);
    if (!server->lws)
        return err_set(err, ERR_INTERNAL, "libwebsockets does not start");
    server->vhost = lws_create_vhost(server->lws, &info);
    if (!server->vhost)
        return err_set(err, ERR_INTERNAL, "libwebsockets does not make a host");
    return 0;
}

int server_new(struct server **ret, struct err *err)
{
    cleanup(server_free) struct server *server = xalloc(sizeof(*server));
    int r;

    mutex_init(&server->mutex);
    cond_init(&server->done);
    list_init(&server->commands);
    list_init(&server->listeners);
    list_init(&server->connections);
    open_spare(server);
    r = create_lws(server, err);
    if (r == 0)
        r = thread_start("server", serve, server, &server->thread, err);
    if (r < 0)
        return r;
    *ret = take(server);
    return 0;
}

static void stop_thread(struct server *server)
{
    mutex_lock(&server->mutex);
    server->stopping = true;
    mutex_unlock(&server->mutex);
    if (server->lws)
        lws_cancel_service(server->lws);
    thread_join(server->thread);
}

void server_free(struct server *server)
{
    if (!server)
        return;
    stop_thread(server);
    if (server->lws)
        lws_context_destroy(server->lws); /* closes what is open, and frees connections by that */
    list_for_each (link, &server->listeners)
        xfree(list_entry(link, struct server_listener, link));
    fd_close(server->spare_fd);
    cond_deinit(&server->done);
    mutex_deinit(&server->mutex);
    xfree(server);
}

int server_listen(struct server *server, const char *address, server_handler_fn *handler, void *arg,
                  struct server_listener **ret, struct err *err)
{
    cleanup(xfree) struct server_listener *listener = xalloc(sizeof(*listener));
    cleanup(fd_close) int fd = -1;
    int r;

    r = listen_on(address, &fd, &listener->port, err);
    if (r < 0)
        return r;
    listener->server = server;
    listener->handler = handler;
    listener->arg = arg;
    listener->fd = fd;
    r = do_command(server, listener, begin_listening);
    if (r < 0)
        return err_set(err, r, "listening on '%s': no more than %d listeners", address,
                       LISTENERS_MAX);
    fd = -1;
    *ret = take(listener);
    return 0;
}

uint16_t server_listener_port(const struct server_listener *listener)
{
    return listener->port;
}

void server_unlisten(struct server *server, struct server_listener *listener)
{
    if (!listener)
        return;
    (void)do_command(server, listener, end_listening); /* cannot fail */
    xfree(listener);
}
