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

#include <string.h>

#include "server/listen.h"
#include "server/service.h"

struct command {
    struct list link;
    void (*run)(struct server_listener *listener, int *ret_result);
    struct server_listener *listener;
    int result;
    bool done;
};

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
        service_close_now(connection->wsi);
    }
    service_close_now(listener->wsi); /* with its descriptor */
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
    info.protocols = service_protocols;
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
    service_open_spare(server);
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
