/*
 * scripted.h - a name server on loopback for tests: what it says is written by the test.
 *
 * One thread answers UDP and TCP on the same port with `script`, which is called with every request
 * and fills `answer`; false: no answer (UDP), or the connection is closed (TCP).
 */
#ifndef TESTS_DNS_SCRIPTED_H
#define TESTS_DNS_SCRIPTED_H

#include <arpa/inet.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/context.h"
#include "base/thread.h"
#include "dns/dns.h"
#include "support/testing.h"

/* --- messages --- */

struct msg {
    unsigned char data[70000];
    size_t len;
};

static inline void msg_add(struct msg *msg, const void *data, size_t len)
{
    assert_true(msg->len + len <= sizeof(msg->data));
    memcpy(msg->data + msg->len, data, len);
    msg->len += len;
}

static inline void msg_u16(struct msg *msg, unsigned value)
{
    unsigned char octets[2] = {(unsigned char)(value >> 8), (unsigned char)value};

    msg_add(msg, octets, 2);
}

static inline void msg_u32(struct msg *msg, uint32_t value)
{
    msg_u16(msg, value >> 16);
    msg_u16(msg, value & 0xffff);
}

/* "a.b." as labels; "" is the root. */
static inline void msg_name(struct msg *msg, const char *name)
{
    while (*name) {
        size_t len = strcspn(name, ".");
        unsigned char octet = (unsigned char)len;

        msg_add(msg, &octet, 1);
        msg_add(msg, name, len);
        name += len + (name[len] == '.');
    }
    msg_add(msg, "", 1);
}

static inline void msg_count(struct msg *msg, int section)
{
    unsigned char *at = msg->data + 4 + 2 * section;
    unsigned count = ((unsigned)at[0] << 8 | at[1]) + 1;

    at[0] = (unsigned char)(count >> 8);
    at[1] = (unsigned char)count;
}

/* Header and question of `request`; flags: 0x8000 QR, 0x0400 AA, 0x0200 TC; the rcode is the low
 * four bits. */
static inline void msg_begin(struct msg *msg, const unsigned char *request, size_t len,
                             unsigned flags)
{
    size_t end = 12;

    msg->len = 0;
    while (end < len && request[end])
        end += request[end] + 1u;
    msg_add(msg, request, 2);
    msg_u16(msg, flags | (request[2] & 0x78u) << 8);
    msg_u16(msg, 1);
    msg_u32(msg, 0);
    msg_u16(msg, 0);
    msg_add(msg, request + 12, end + 5 - 12);
}

static inline void msg_record(struct msg *msg, int section, const char *owner, unsigned type,
                              uint32_t ttl, const void *rdata, size_t len)
{
    msg_count(msg, section);
    msg_name(msg, owner);
    msg_u16(msg, type);
    msg_u16(msg, 1);
    msg_u32(msg, ttl);
    msg_u16(msg, (unsigned)len);
    msg_add(msg, rdata, len);
}

static inline void msg_txt(struct msg *msg, const char *owner, const char *value)
{
    char rdata[256];
    size_t len = strlen(value);

    rdata[0] = (char)len;
    memcpy(rdata + 1, value, len);
    msg_record(msg, 1, owner, DNS_TXT, 60, rdata, len + 1);
}

static inline void msg_named(struct msg *msg, int section, const char *owner, unsigned type,
                             const char *target)
{
    struct msg rdata;

    rdata.len = 0;
    msg_name(&rdata, target);
    msg_record(msg, section, owner, type, 60, rdata.data, rdata.len);
}

/* --- a clock that only the script moves --- */

struct script_clock {
    struct clock clock;
    atomic_llong mono_ms;
};

static inline int64_t script_clock_wall(const struct clock *clock)
{
    return 0;
}

static inline int64_t script_clock_mono(const struct clock *clock)
{
    return atomic_load(&((const struct script_clock *)clock)->mono_ms);
}

static inline void script_clock_init(struct script_clock *clock)
{
    clock->clock = (struct clock){script_clock_wall, script_clock_mono};
    atomic_init(&clock->mono_ms, 1000000);
}

/* --- the server --- */

struct scripted;
typedef bool script_fn(struct scripted *self, bool tcp, const unsigned char *request, size_t len,
                       struct msg *answer);

struct scripted {
    script_fn *script;
    void *arg;
    struct script_clock clock;
    struct dns_server address;
    atomic_int asked_udp, asked_tcp;
    bool split_tcp; /* send TCP answers byte by byte */
    int udp, tcp, stop;
    struct sockaddr_in peer; /* of the UDP request under way */
    struct thread *thread;
};

/* For scripts that say more than one thing over UDP. */
static inline void scripted_send_udp(struct scripted *self, const void *data, size_t len)
{
    assert_true(
        sendto(self->udp, data, len, 0, (struct sockaddr *)&self->peer, sizeof(self->peer)) >= 0);
}

static inline void scripted_serve_udp(struct scripted *self)
{
    static struct msg answer;
    unsigned char request[4096];
    socklen_t peer_len = sizeof(self->peer);
    ssize_t len = recvfrom(self->udp, request, sizeof(request), 0, (struct sockaddr *)&self->peer,
                           &peer_len);

    if (len < 12)
        return;
    atomic_fetch_add(&self->asked_udp, 1);
    answer.len = 0;
    if (self->script(self, false, request, (size_t)len, &answer))
        scripted_send_udp(self, answer.data, answer.len);
}

static inline bool scripted_read(int fd, unsigned char *to, size_t len)
{
    while (len > 0) {
        ssize_t got = read(fd, to, len);

        if (got <= 0)
            return false;
        to += got;
        len -= (size_t)got;
    }
    return true;
}

static inline void scripted_write(int fd, const unsigned char *data, size_t len, size_t step)
{
    for (size_t at = 0; at < len; at += step) {
        if (send(fd, data + at, len - at < step ? len - at : step, MSG_NOSIGNAL) < 0)
            return;
    }
}

static inline void scripted_serve_tcp(struct scripted *self)
{
    static struct msg answer;
    cleanup(fd_close) int fd = accept(self->tcp, NULL, NULL);
    unsigned char request[4096], framed[2];
    size_t len, step = self->split_tcp ? 1 : 65537;

    if (fd < 0 || !scripted_read(fd, framed, 2))
        return;
    len = (size_t)framed[0] << 8 | framed[1];
    if (len < 12 || len > sizeof(request) || !scripted_read(fd, request, len))
        return;
    atomic_fetch_add(&self->asked_tcp, 1);
    answer.len = 0;
    if (!self->script(self, true, request, len, &answer))
        return;
    framed[0] = (unsigned char)(answer.len >> 8);
    framed[1] = (unsigned char)answer.len;
    scripted_write(fd, framed, 2, step);
    scripted_write(fd, answer.data, answer.len, step);
}

static inline void scripted_run(void *arg)
{
    struct scripted *self = arg;
    struct pollfd fds[] = {{.fd = self->stop, .events = POLLIN},
                           {.fd = self->udp, .events = POLLIN},
                           {.fd = self->tcp, .events = POLLIN}};

    for (;;) {
        if (poll(fds, 3, -1) < 0 || fds[0].revents)
            return;
        if (fds[1].revents)
            scripted_serve_udp(self);
        if (fds[2].revents)
            scripted_serve_tcp(self);
    }
}

static inline void scripted_start(struct scripted *self, script_fn *script)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(address);
    struct err err = {};

    self->script = script;
    script_clock_init(&self->clock);
    /* A port that is free for UDP may be taken for TCP: another one then. */
    for (int tries = 0;; tries++) {
        address.sin_port = 0;
        self->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        self->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_return_code(bind(self->udp, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_return_code(getsockname(self->udp, (struct sockaddr *)&address, &len), 0);
        if (bind(self->tcp, (struct sockaddr *)&address, sizeof(address)) == 0)
            break;
        assert_true(tries < 20);
        fd_close(self->udp);
        fd_close(self->tcp);
    }
    assert_return_code(listen(self->tcp, 8), 0);
    self->stop = eventfd(0, EFD_CLOEXEC);
    self->address = (struct dns_server){
        .transport = DNS_UDP, .address = "127.0.0.1", .port = ntohs(address.sin_port)};
    ASSERT_OK(thread_start("dns-script", scripted_run, self, &self->thread, &err));
}

static inline void scripted_stop(struct scripted *self)
{
    uint64_t one = 1;

    assert_int_equal(write(self->stop, &one, sizeof(one)), sizeof(one));
    thread_join(self->thread);
    fd_close(self->udp);
    fd_close(self->tcp);
    fd_close(self->stop);
}

static inline int scripted_ask(struct scripted *self, enum dns_transport transport,
                               enum dns_type type, struct cancel *cancel, struct dns_reply *ret,
                               struct err *err)
{
    const struct dns_query query = {.name = "_acme-challenge.example.com", .type = type};
    struct context background = context_background(&self->clock.clock);
    struct context ctx = context_with_cancel(&background, cancel);
    struct dns_server server = self->address;
    struct dns *dns = NULL;
    int r;

    server.transport = transport;
    assert_int_equal(dns_new(NULL, &dns, err), 0);
    r = dns_exchange(dns, &ctx, &server, &query, ret, err);
    dns_free(dns);
    return r;
}

#endif
