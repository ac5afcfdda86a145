#include "http/silence.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

/* Who waits for the head of an answer has asked for something; a quiet stream may just have no news: an
 * API server's has a bookmark each minute. */
#define HEAD_SILENT_MS   SECONDS(5)
#define STREAM_SILENT_MS SECONDS(150)

static int64_t now_ms(void)
{
    return clock_monotonic_ms(clock_system());
}

void silence_socket_opened(struct io *io, int fd)
{
    io->sockets = xrealloc(io->sockets, (io->sockets_len + 1) * sizeof(*io->sockets));
    io->sockets[io->sockets_len++] = fd;
}

void silence_socket_closed(struct io *io, int fd)
{
    list_for_each (at, &io->active) {
        struct call *call = list_entry(at, struct call, active);

        if (call->fd == fd)
            call->fd = -1; /* the number may be another connection's next */
    }
    for (size_t i = 0; i < io->sockets_len; i++) {
        if (io->sockets[i] != fd)
            continue;
        io->sockets[i] = io->sockets[--io->sockets_len];
        return;
    }
}

typedef int name_fn(int fd, struct sockaddr *address, socklen_t *len);

static int port_of(int fd, name_fn *name)
{
    struct sockaddr_storage address = {};
    socklen_t len = sizeof(address);

    if (name(fd, (struct sockaddr *)&address, &len) < 0)
        return -1;
    if (address.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
    return ntohs(((struct sockaddr_in *)&address)->sin_port);
}

static int get_own_name(int fd, struct sockaddr *address, socklen_t *len)
{
    return getsockname(fd, address, len);
}

static int get_peer_name(int fd, struct sockaddr *address, socklen_t *len)
{
    return getpeername(fd, address, len);
}

/* A port of ours may be in use towards several peers; that two of these have the same port, and the calls
 * to one of them hang, is left to chance. */
void silence_begin(struct call *call, int local_port, int peer_port)
{
    call->fd = -1;
    call->heard_ms = now_ms();
    for (size_t i = 0; i < call->io->sockets_len; i++) {
        int fd = call->io->sockets[i];

        if (port_of(fd, get_own_name) == local_port && port_of(fd, get_peer_name) == peer_port)
            call->fd = fd;
    }
}

void silence_heard(struct call *call)
{
    int64_t heard_ms = now_ms();

    list_for_each (at, &call->io->active) {
        struct call *other = list_entry(at, struct call, active);

        if (other->fd == call->fd)
            other->heard_ms = heard_ms;
    }
}

void silence_end(struct call *call)
{
    int64_t silent_ms = now_ms() - call->heard_ms;

    if (call->fd < 0)
        return;
    if (silent_ms >= (call->head_ready ? STREAM_SILENT_MS : HEAD_SILENT_MS))
        (void)shutdown(call->fd, SHUT_RDWR); /* already closed is as good */
}
