/*
 * silence.h - connections that are there and say nothing any more (kubernetes.md 2).
 *
 * Keep-alive notices a path that is cut, but not a load balancer that acknowledges what it cannot hand on.
 * libcurl sends no HTTP/2 PING and goes on using such a connection, so that call after call would wait
 * in vain. A call that ends without its answer while nothing came for any call on its connection closes
 * that one: the others on it are told, and are sent again where they may be.
 *
 * For the I/O thread.
 */
#ifndef HTTP_SILENCE_H
#define HTTP_SILENCE_H

#include "http/call.h"

/* curl has opened a socket, and closes one: libcurl 7.88 tells of no transfer on which it goes. */
void silence_socket_opened(struct io *io, int fd);
void silence_socket_closed(struct io *io, int fd);
/* Its request is about to go out on the connection between these ports. */
void silence_begin(struct call *call, int local_port, int peer_port);
/* Bytes of an answer have come. */
void silence_heard(struct call *call);
/* It ends before its answer does. */
void silence_end(struct call *call);

#endif
