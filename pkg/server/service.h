/*
 * service.h - what the service thread works on, for the files of this folder.
 */
#ifndef SERVER_SERVICE_H
#define SERVER_SERVICE_H

#include <libwebsockets.h>

#include "base/list.h"
#include "base/thread.h"
#include "server/server.h"

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

extern const struct lws_protocols service_protocols[];

void service_close_now(struct lws *wsi);
void service_open_spare(struct server *server);

#endif
