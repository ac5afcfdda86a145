/*
 * peer.h - a small real HTTP/1.1 server on loopback that gives scripted answers.
 *
 * One thread accepts, one more serves each connection. An answer is looked up by path in a table:
 * its text goes out as it stands, then the connection is kept, cut, or held without a word.
 */
#ifndef UNIT_HTTP_PEER_H
#define UNIT_HTTP_PEER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/str.h"
#include "base/thread.h"

struct peer;

enum peer_then { PEER_KEEPS, PEER_CUTS, PEER_HOLDS };

struct peer_answer {
    const char *path; /* up to '?' */
    const char *text; /* "%PORT" stands for the peer's port */
    enum peer_then then;
    size_t filler;      /* bytes 'x' after the text */
    int only_first;     /* after so many requests for it the next row with this path is taken */
    const char *base64; /* sent after the text, for bytes that C strings cannot hold */
};

struct peer_connection {
    struct peer *peer;
    struct thread *thread;
    int fd;
};

#define PEER_CONNECTIONS_MAX 1024

struct peer_view { /* what it has seen, for the test's thread alone */
    size_t connections_len;
    int requests;
    char last[4096];
};

struct peer {
    const struct peer_answer *answers;
    int fd;
    uint16_t port;
    struct thread *acceptor;
    struct mutex mutex;
    struct cond changed;
    struct peer_connection connections[PEER_CONNECTIONS_MAX]; /* acceptor, then peer_free */
    size_t connections_len; /* written under the mutex, like all that follows */
    int requests;
    int answered[16];
    char last[4096]; /* the last request's head and body */
    struct peer_view view;
};

static inline void peer_send(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

        if (n <= 0)
            return;
        data += n;
        len -= (size_t)n;
    }
}

static inline size_t peer_body_len(const char *head)
{
    const char *length = strcasestr(head, "\r\ncontent-length:");

    return length ? strtoul(length + 17, NULL, 10) : 0;
}

/* Head and body; false when the client has gone. */
static inline bool peer_read_request(int fd, char *text, size_t size)
{
    size_t len = 0;

    while (len + 1 < size) {
        ssize_t n = recv(fd, text + len, 1, 0);
        const char *end;

        if (n <= 0)
            return false;
        len++;
        text[len] = '\0';
        end = strstr(text, "\r\n\r\n");
        if (end && text + len >= end + 4 + peer_body_len(text))
            return true;
    }
    return false;
}

static inline const struct peer_answer *peer_choose(struct peer *peer, const char *request)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&peer->mutex);
    const char *path = strchr(request, ' ') + 1;
    size_t len = strcspn(path, " ?");

    peer->requests++;
    snprintf(peer->last, sizeof(peer->last), "%s", request);
    cond_broadcast(&peer->changed);
    for (size_t i = 0; peer->answers[i].path; i++) {
        const struct peer_answer *answer = &peer->answers[i];

        if (strlen(answer->path) != len || strncmp(answer->path, path, len) != 0)
            continue;
        if (answer->only_first && peer->answered[i] >= answer->only_first)
            continue;
        peer->answered[i]++;
        return answer;
    }
    return NULL;
}

static inline void peer_answer(struct peer *peer, int fd, const struct peer_answer *answer)
{
    const char *text = answer->text, *mark = strstr(text, "%PORT");
    char filler[4096], port[8];

    if (mark) {
        snprintf(port, sizeof(port), "%u", peer->port);
        peer_send(fd, text, (size_t)(mark - text));
        peer_send(fd, port, strlen(port));
        text = mark + 5;
    }
    peer_send(fd, text, strlen(text));
    if (answer->base64) {
        cleanup(buf_deinit) struct buf bytes = BUF(65536);

        if (base64_decode(&bytes, answer->base64, strlen(answer->base64), NULL) < 0)
            abort();
        peer_send(fd, bytes.data, bytes.len);
    }
    memset(filler, 'x', sizeof(filler));
    for (size_t left = answer->filler; left > 0;) {
        size_t n = left < sizeof(filler) ? left : sizeof(filler);

        peer_send(fd, filler, n);
        left -= n;
    }
}

static inline void peer_serve(void *arg)
{
    struct peer_connection *connection = arg;
    char request[4096];

    while (peer_read_request(connection->fd, request, sizeof(request))) {
        const struct peer_answer *answer = peer_choose(connection->peer, request);

        if (answer)
            peer_answer(connection->peer, connection->fd, answer);
        if (!answer || answer->then == PEER_CUTS)
            break;
        if (answer->then == PEER_HOLDS)
            while (recv(connection->fd, request, sizeof(request), 0) > 0)
                continue;
    }
    shutdown(connection->fd, SHUT_RDWR);
}

static inline void peer_accept(void *arg)
{
    struct peer *peer = arg;

    while (peer->connections_len < PEER_CONNECTIONS_MAX) {
        struct peer_connection *connection = &peer->connections[peer->connections_len];

        connection->peer = peer;
        connection->fd = accept(peer->fd, NULL, NULL);
        if (connection->fd < 0)
            return;
        if (thread_start("peer", peer_serve, connection, &connection->thread, NULL) < 0)
            abort();
        mutex_lock(&peer->mutex);
        peer->connections_len++;
        mutex_unlock(&peer->mutex);
    }
}

static inline struct peer *peer_new(const struct peer_answer *answers)
{
    struct peer *peer = xalloc(sizeof(*peer));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);

    peer->answers = answers;
    mutex_init(&peer->mutex);
    cond_init(&peer->changed);
    peer->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(peer->fd, (void *)&address, sizeof(address)) < 0 || listen(peer->fd, 128) < 0 ||
        getsockname(peer->fd, (void *)&address, &len) < 0 ||
        thread_start("peer", peer_accept, peer, &peer->acceptor, NULL) < 0)
        abort();
    peer->port = ntohs(address.sin_port);
    return peer;
}

static inline void peer_free(struct peer *peer)
{
    shutdown(peer->fd, SHUT_RDWR);
    thread_join(peer->acceptor);
    close(peer->fd);
    for (size_t i = 0; i < peer->connections_len; i++)
        shutdown(peer->connections[i].fd, SHUT_RDWR);
    for (size_t i = 0; i < peer->connections_len; i++) {
        thread_join(peer->connections[i].thread);
        close(peer->connections[i].fd);
    }
    cond_deinit(&peer->changed);
    mutex_deinit(&peer->mutex);
    xfree(peer);
}

static inline char *peer_url(const struct peer *peer, const char *path)
{
    return xasprintf("http://127.0.0.1:%u%s", peer->port, path);
}

/* What the peer has seen up to now. */
static inline const struct peer_view *peer_seen(struct peer *peer)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&peer->mutex);

    peer->view.connections_len = peer->connections_len;
    peer->view.requests = peer->requests;
    memcpy(peer->view.last, peer->last, sizeof(peer->view.last));
    return &peer->view;
}

static inline void peer_wait_for_requests(struct peer *peer, int count)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&peer->mutex);

    while (peer->requests < count)
        cond_wait(&peer->changed, &peer->mutex);
}

#endif
