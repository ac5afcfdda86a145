#include "dns/socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int address_parse(const char *text, uint16_t port, struct address *ret, struct err *err)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                             .ai_socktype = SOCK_DGRAM};
    struct addrinfo *found = NULL;
    struct in_addr v4;
    char service[8];

    /* getaddrinfo() is for scopes ("fe80::1%eth0"), but would take "1.2.3" and "0x7f.1" as well. */
    if (!strchr(text, ':') && inet_pton(AF_INET, text, &v4) != 1)
        return ERR_NOT_FOUND;
    (void)snprintf(service, sizeof(service), "%u", port);
    if (getaddrinfo(text, service, &hints, &found) != 0)
        return ERR_NOT_FOUND;
    *ret = (struct address){.len = found->ai_addrlen};
    memcpy(&ret->storage, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return 0;
}

static int network_error(const char *doing, struct err *err)
{
    char reason[128];

    return err_set(err, ERR_NETWORK, "%s: %s", doing, strerror_r(errno, reason, sizeof(reason)));
}

static int socket_open(const struct address *address, int type, int *ret_fd, struct err *err)
{
    int fd = socket(address->storage.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return network_error("opening a socket", err);
    *ret_fd = fd;
    return 0;
}

bool address_has_route(const struct address *address)
{
    cleanup(fd_close) int fd = -1;

    if (socket_open(address, SOCK_DGRAM, &fd, NULL) < 0)
        return false;
    return connect(fd, (const struct sockaddr *)&address->storage, address->len) == 0;
}

/* Until `fd` has `events`, ERR_TIMEOUT or ERR_CANCELED. */
static int wait_for(const struct context *ctx, int fd, short events, struct err *err)
{
    struct pollfd fds[2] = {{.fd = fd, .events = events},
                            {.fd = cancel_fd(ctx->cancel), .events = POLLIN}};
    int64_t left_ms;
    int r;

    do {
        r = context_check(ctx, err);
        if (r < 0)
            return r;
        left_ms = context_remaining_ms(ctx, INT_MAX);
        r = poll(fds, ARRAY_LEN(fds), left_ms < INT_MAX ? (int)left_ms : INT_MAX);
        if (r < 0 && errno != EINTR)
            return network_error("waiting for an answer", err);
    } while (r < 0 || (r > 0 && fds[0].revents == 0));
    /* Not left to the context: its clock may be one that stands still. */
    if (r == 0)
        return err_set(err, ERR_TIMEOUT, "no answer in time");
    return cancel_is_fired(ctx->cancel) ? context_check(ctx, err) : 0;
}

static bool is_for_later(int errnum)
{
    return errnum == EAGAIN || errnum == EWOULDBLOCK || errnum == EINTR;
}

/* --- UDP --- */

static int udp_send(const struct address *address, const struct request *request, int *ret_fd,
                    struct err *err)
{
    cleanup(fd_close) int fd = -1;
    int r;

    r = socket_open(address, SOCK_DGRAM, &fd, err);
    if (r < 0)
        return r;
    /* Connected: the kernel drops datagrams of others, and tells us of a closed port. */
    if (connect(fd, (const struct sockaddr *)&address->storage, address->len) < 0)
        return network_error("no way to the server", err);
    if (send(fd, request->wire.data, request->wire.len, MSG_NOSIGNAL) < 0)
        return network_error("sending over udp", err);
    *ret_fd = fd;
    fd = -1;
    return 0;
}

/* Datagrams that do not answer the request are passed over: a forged one must not end the wait. */
static int udp_receive(const struct context *ctx, int fd, const struct request *request,
                       struct buf *answer, struct err *err)
{
    char datagram[DNS_EDNS_SIZE];
    ssize_t len;
    int r;

    do {
        r = wait_for(ctx, fd, POLLIN, err);
        if (r < 0)
            return r;
        len = recv(fd, datagram, sizeof(datagram), MSG_TRUNC);
        if (len < 0 && !is_for_later(errno))
            return network_error("receiving over udp", err);
    } while (len < 0 || (size_t)len > sizeof(datagram) ||
             !request_is_answered_by(request, datagram, (size_t)len));
    buf_add(answer, datagram, (size_t)len);
    return buf_check(answer, "dns answer", err);
}

static int udp_exchange(const struct context *ctx, const struct address *address,
                        const struct request *request, struct buf *answer, struct err *err)
{
    cleanup(fd_close) int fd = -1;
    int r;

    r = udp_send(address, request, &fd, err);
    if (r < 0)
        return r;
    return udp_receive(ctx, fd, request, answer, err);
}

/* --- TCP: each message behind two octets of length (RFC 1035 4.2.2) --- */

static int tcp_connect(const struct context *ctx, const struct address *address, int *ret_fd,
                       struct err *err)
{
    cleanup(fd_close) int fd = -1;
    int r, failed = 0;
    socklen_t len = sizeof(failed);

    r = socket_open(address, SOCK_STREAM, &fd, err);
    if (r < 0)
        return r;
    if (connect(fd, (const struct sockaddr *)&address->storage, address->len) < 0) {
        if (errno != EINPROGRESS && errno != EINTR)
            return network_error("connecting over tcp", err);
        r = wait_for(ctx, fd, POLLOUT, err);
        if (r < 0)
            return r;
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &len) < 0)
            failed = errno;
    }
    if (failed) {
        errno = failed;
        return network_error("connecting over tcp", err);
    }
    *ret_fd = fd;
    fd = -1;
    return 0;
}

static int tcp_send(const struct context *ctx, int fd, const void *data, size_t len,
                    struct err *err)
{
    const char *at = data;

    while (len > 0) {
        ssize_t sent;
        int r = wait_for(ctx, fd, POLLOUT, err);

        if (r < 0)
            return r;
        sent = send(fd, at, len, MSG_NOSIGNAL);
        if (sent < 0 && !is_for_later(errno))
            return network_error("sending over tcp", err);
        if (sent > 0) {
            at += sent;
            len -= (size_t)sent;
        }
    }
    return 0;
}

/* Appends exactly `len` bytes. */
static int tcp_receive(const struct context *ctx, int fd, size_t len, struct buf *to,
                       struct err *err)
{
    char chunk[4096];

    while (len > 0) {
        ssize_t got;
        int r = wait_for(ctx, fd, POLLIN, err);

        if (r < 0)
            return r;
        got = recv(fd, chunk, len < sizeof(chunk) ? len : sizeof(chunk), 0);
        if (got == 0)
            return err_set(err, ERR_NETWORK,
                           "the server closed the tcp connection before its answer was whole");
        if (got < 0 && !is_for_later(errno))
            return network_error("receiving over tcp", err);
        if (got > 0) {
            buf_add(to, chunk, (size_t)got);
            len -= (size_t)got;
        }
    }
    return buf_check(to, "dns answer", err);
}

static int tcp_talk(const struct context *ctx, int fd, const struct request *request,
                    struct buf *answer, struct err *err)
{
    cleanup(buf_deinit) struct buf framed = BUF(2 + LIMIT_DNS_MESSAGE), length = BUF(2);
    int r;

    buf_add_char(&framed, (char)(request->wire.len >> 8));
    buf_add_char(&framed, (char)request->wire.len);
    buf_add(&framed, request->wire.data, request->wire.len);
    r = tcp_send(ctx, fd, framed.data, framed.len, err);
    if (r < 0)
        return r;
    r = tcp_receive(ctx, fd, 2, &length, err);
    if (r < 0)
        return r;
    return tcp_receive(ctx, fd, wire_u16((const unsigned char *)length.data), answer, err);
}

static int tcp_exchange(const struct context *ctx, const struct address *address,
                        const struct request *request, struct buf *answer, struct err *err)
{
    cleanup(fd_close) int fd = -1;
    int r;

    r = tcp_connect(ctx, address, &fd, err);
    if (r < 0)
        return r;
    r = tcp_talk(ctx, fd, request, answer, err);
    if (r < 0)
        return r;
    if (!request_is_answered_by(request, answer->data, answer->len))
        return err_set(err, ERR_PROTOCOL,
                       "the server answered over tcp with something else than asked for");
    return 0;
}

int socket_exchange(const struct context *ctx, const struct address *address,
                    enum dns_transport transport, struct request *request, struct buf *answer,
                    struct err *err)
{
    struct context half = context_with_timeout(ctx, context_remaining_ms(ctx, 0) / 2);
    struct err udp_err;
    int r;

    r = context_check(ctx, err);
    if (r < 0)
        return r;
    if (transport == DNS_TCP)
        return tcp_exchange(ctx, address, request, answer, err);
    r = udp_exchange(&half, address, request, answer, &udp_err);
    if (r == 0 && !message_is_truncated(answer->data, answer->len))
        return 0;
    if (r < 0 && r != ERR_TIMEOUT)
        return err_pass(err, &udp_err);
    buf_reset(answer);
    request->is_repeated = true;
    return tcp_exchange(ctx, address, request, answer, err);
}
