#include "server/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/str.h"

#define BACKLOG 1024 /* a full one costs clients a second: their first SYN is dropped */

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* "host:port"; the host of IPv6 stands in brackets. */
static int split(const char *text, char **ret_host, uint16_t *ret_port, struct err *err)
{
    const char *colon = strrchr(text, ':');
    size_t len;
    int64_t port;

    if (!colon)
        return err_set(err, ERR_INVALID, "address '%s' has no port", text);
    if (str_parse_int(colon + 1, 0, 65535, &port) < 0)
        return err_set(err, ERR_INVALID, "port '%s' is not between 0 and 65535", colon + 1);
    len = (size_t)(colon - text);
    if (len >= 2 && text[0] == '[' && colon[-1] == ']') {
        text++;
        len -= 2;
    } else if (memchr(text, ':', len)) {
        return err_set(err, ERR_INVALID, "IPv6 address in '%s' has no brackets", text);
    }
    *ret_host = xstrndup(text, len);
    *ret_port = (uint16_t)port;
    return 0;
}

static int parse(const char *text, union address *ret, bool *ret_any, struct err *err)
{
    cleanup(xfree) char *host = NULL;
    uint16_t port;
    int r;

    r = split(text, &host, &port, err);
    if (r < 0)
        return r;
    *ret = (union address){};
    *ret_any = *host == '\0';
    if (*ret_any || inet_pton(AF_INET6, host, &ret->v6.sin6_addr) == 1) {
        ret->v6.sin6_family = AF_INET6;
        ret->v6.sin6_port = htons(port);
        return 0;
    }
    ret->v4.sin_family = AF_INET;
    ret->v4.sin_port = htons(port);
    if (inet_pton(AF_INET, streq(host, "localhost") ? "127.0.0.1" : host, &ret->v4.sin_addr) == 1)
        return 0;
    return err_set(err, ERR_INVALID, "'%s' is not an IP address", host);
}

static socklen_t address_len(const union address *address)
{
    return address->any.sa_family == AF_INET6 ? sizeof(address->v6) : sizeof(address->v4);
}

/* 0, or errno. */
static int open_socket(const union address *address, bool any, int *ret_fd)
{
    cleanup(fd_close) int fd = -1;
    int yes = 1, only_v6 = !any;

    fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return errno;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0)
        return errno;
    if (address->any.sa_family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only_v6, sizeof(only_v6)) < 0)
        return errno;
    if (bind(fd, &address->any, address_len(address)) < 0 || listen(fd, BACKLOG) < 0)
        return errno;
    *ret_fd = fd;
    fd = -1;
    return 0;
}

static bool has_no_ipv6(int errnum)
{
    return errnum == EAFNOSUPPORT || errnum == EADDRNOTAVAIL;
}

static int explain(const char *address, int errnum, struct err *err)
{
    switch (errnum) {
    case EACCES:
    case EPERM:
        return err_set(err, ERR_DENIED,
                       "listening on '%s': permission denied; ports below 1024 need the capability "
                       "NET_BIND_SERVICE, or a lower net.ipv4.ip_unprivileged_port_start",
                       address);
    case EADDRINUSE:
        return err_set(err, ERR_EXISTS, "listening on '%s': the port is in use by another program",
                       address);
    case EADDRNOTAVAIL:
        return err_set(err, ERR_INVALID, "listening on '%s': this machine has no such address",
                       address);
    default:
        return err_set_errno(err, errnum, "listening on '%s'", address);
    }
}

static uint16_t port_of(int fd)
{
    union address address = {};
    socklen_t len = sizeof(address);

    if (getsockname(fd, &address.any, &len) < 0)
        return 0;
    return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
}

int listen_on(const char *text, int *ret_fd, uint16_t *ret_port, struct err *err)
{
    union address address;
    bool any;
    int errnum, r;

    r = parse(text, &address, &any, err);
    if (r < 0)
        return r;
    errnum = open_socket(&address, any, ret_fd);
    if (errnum && any && has_no_ipv6(errnum)) {
        uint16_t port = address.v6.sin6_port;

        address = (union address){.v4 = {.sin_family = AF_INET, .sin_port = port}};
        errnum = open_socket(&address, any, ret_fd);
    }
    if (errnum)
        return explain(text, errnum, err);
    *ret_port = port_of(*ret_fd);
    return 0;
}
