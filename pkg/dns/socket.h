/*
 * socket.h - one request and its answer over UDP and TCP.
 *
 * Sockets do not block; every wait is a poll() that also ends by the context's cancel and deadline.
 * Nothing is kept between calls: each has a socket, and so a source port, of its own.
 */
#ifndef DNS_SOCKET_H
#define DNS_SOCKET_H

#include <sys/socket.h>

#include "dns/message.h"

struct address {
    struct sockaddr_storage storage;
    socklen_t len;
};

/* A literal address only, IPv6 with scope allowed; ERR_NOT_FOUND (untouched err) for a host name.
 */
int address_parse(const char *text, uint16_t port, struct address *ret, struct err *err);
/* Is there a way to it from here, by the routing table? Sends nothing. */
bool address_has_route(const struct address *address);

/* UDP, then TCP if the answer is truncated or has not come after half of the time: request->is_repeated then. */
int socket_exchange(const struct context *ctx, const struct address *address,
                    enum dns_transport transport, struct request *request, struct buf *answer,
                    struct err *err);

#endif
