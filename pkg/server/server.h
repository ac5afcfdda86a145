/*
 * server.h - HTTP server for metrics, health and HTTP-01 answers; libwebsockets stays behind it.
 *
 * One thread runs all listeners. Handlers run on it: they must be short, must not block and must
 * not call the functions below. A listener can be added and removed at any time from any thread
 * (port 80 is bound only while a challenge needs it).
 * Requests are bounded: 8 KiB of headers, a body is never read, 8 s for the request and for each
 * part of the answer, 1000 connections (one more ends the oldest). A connection carries one request:
 * HTTP/1.1 with "Connection: close", and no upgrade to anything.
 */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include "base/err.h"
#include "base/str.h"

#define SERVER_BODY_MAX (64 * 1024 * 1024)

struct server;
struct server_listener;

struct server_request {
    const char *method; /* "GET", "HEAD" or other */
    const char *path;   /* decoded, without query, dots and double slashes resolved */
    const char *query;  /* decoded; "" if none */
    const char *host;   /* as sent, with port; "" if none */
    const char *remote; /* address text */
};
struct server_response {
    int status;               /* 200 at the start */
    const char *content_type; /* static; "text/plain; charset=utf-8" at the start */
    bool no_store;            /* Cache-Control: no-cache, no-store, must-revalidate */
    struct buf body;          /* SERVER_BODY_MAX; beyond it the answer is 500 */
};
typedef void server_handler_fn(void *arg, const struct server_request *request,
                               struct server_response *response);

int server_new(struct server **ret, struct err *err);
void server_free(struct server *server); /* closes what still listens */
DEFINE_CLEANUP(struct server, server_free);
/* "127.0.0.1:9402", "localhost:6060", ":80" (all addresses, IPv4 and IPv6), "[::1]:0" (port 0: any
 * free one).
 * ERR_DENIED (needs a privilege: says which), ERR_EXISTS (in use), ERR_INVALID (names the part). */
int server_listen(struct server *server, const char *address, server_handler_fn *handler, void *arg,
                  struct server_listener **ret, struct err *err);
uint16_t server_listener_port(const struct server_listener *listener);
/* Closes it; no handler of it runs when this returns. */
void server_unlisten(struct server *server, struct server_listener *listener);

#endif
