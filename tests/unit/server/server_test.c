#include "server/server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/thread.h"
#include "support/testing.h"

#define LARGE (5 * 1000 * 1000)

/* What the handler saw; written on the server's thread before the answer, read after it. */
struct seen {
    struct mutex mutex;
    int requests;
    char text[20000];
};

static void handle(void *arg, const struct server_request *request,
                   struct server_response *response)
{
    struct seen *seen = arg;
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&seen->mutex);

    seen->requests++;
    snprintf(seen->text, sizeof(seen->text), "%s|%s|%s|%s|%s", request->method, request->path,
             request->query, request->host, request->remote);
    if (streq(request->path, "/missing"))
        response->status = 404;
    if (streq(request->path, "/teapot"))
        response->status = 418;
    if (streq(request->path, "/secret"))
        response->no_store = true;
    if (streq(request->path, "/page"))
        response->content_type = "text/html; charset=utf-8";
    if (streq(request->path, "/large")) {
        for (int i = 0; i < LARGE / 10; i++)
            buf_add_str(&response->body, "0123456789");
    } else if (streq(request->path, "/too-large")) {
        response->body.max = 3;
        buf_add_str(&response->body, "four");
    } else if (!streq(request->path, "/empty")) {
        buf_add_str(&response->body, "hello");
    }
}

struct bed {
    struct server *server;
    struct server_listener *listener;
    struct seen *seen;
    uint16_t port;
};

static struct bed bed_new_on(const char *address)
{
    struct bed bed = {.seen = xalloc(sizeof(*bed.seen))};
    struct err err = {};

    mutex_init(&bed.seen->mutex);
    ASSERT_OK(server_new(&bed.server, &err));
    ASSERT_OK(server_listen(bed.server, address, handle, bed.seen, &bed.listener, &err));
    bed.port = server_listener_port(bed.listener);
    ASSERT_TRUE(bed.port > 0);
    return bed;
}

static struct bed bed_new(void)
{
    return bed_new_on("127.0.0.1:0");
}

static void bed_free(struct bed *bed)
{
    server_unlisten(bed->server, bed->listener);
    server_free(bed->server);
    mutex_deinit(&bed->seen->mutex);
    xfree(bed->seen);
}

static const char *seen_text(struct bed *bed)
{
    mutex_lock(&bed->seen->mutex);
    mutex_unlock(&bed->seen->mutex);
    return bed->seen->text;
}

static int seen_requests(struct bed *bed)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&bed->seen->mutex);

    return bed->seen->requests;
}

/* -1 when refused. */
static int dial(int family, uint16_t port)
{
    struct sockaddr_in v4 = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 v6 = {
        .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct timeval patience = {.tv_sec = 20};
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int r = family == AF_INET ? connect(fd, (void *)&v4, sizeof(v4))
                              : connect(fd, (void *)&v6, sizeof(v6));

    if (r < 0) {
        close(fd);
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    return fd;
}

/* Until the server closes. */
static void read_to_end(int fd, struct buf *to)
{
    char chunk[4096];

    for (ssize_t n = recv(fd, chunk, sizeof(chunk), 0); n > 0;
         n = recv(fd, chunk, sizeof(chunk), 0))
        buf_add(to, chunk, (size_t)n);
}

static void exchange(struct bed *bed, const char *request, struct buf *answer)
{
    cleanup(fd_close) int fd = dial(AF_INET, bed->port);

    buf_reset(answer);
    ASSERT_TRUE(fd >= 0);
    (void)send(fd, request, strlen(request), MSG_NOSIGNAL);
    read_to_end(fd, answer);
}

static const char *body_of(const struct buf *answer)
{
    const char *end = strstr(buf_str(answer), "\r\n\r\n");

    return end ? end + 4 : "(no head)";
}

TEST(a_request_reaches_the_handler_and_its_answer_comes_back)
{
    struct bed bed = bed_new();
    cleanup(buf_deinit) struct buf answer = BUF(65536);

    exchange(&bed, "GET /metrics HTTP/1.1\r\nHost: certlet:9402\r\n\r\n", &answer);
    ASSERT_STREQ(buf_str(&answer), "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n"
                                   "Content-Length: 5\r\nConnection: close\r\n\r\nhello");
    ASSERT_STREQ(seen_text(&bed), "GET|/metrics||certlet:9402|127.0.0.1");
    bed_free(&bed);
}

TEST(an_http_1_0_request_is_answered)
{
    struct bed bed = bed_new();
    cleanup(buf_deinit) struct buf answer = BUF(65536);

    exchange(&bed, "GET / HTTP/1.0\r\n\r\n", &answer);
    ASSERT_STREQ(body_of(&answer), "hello");
    ASSERT_STREQ(seen_text(&bed), "GET|/|||127.0.0.1");
    bed_free(&bed);
}

TEST(status_type_and_caching_are_the_handlers)
{
    struct bed bed = bed_new();
    cleanup(buf_deinit) struct buf answer = BUF(65536);

    exchange(&bed, "GET /missing HTTP/1.1\r\nHost: h\r\n\r\n", &answer);
    ASSERT_CONTAINS(buf_str(&answer), "HTTP/1.1 404 Not Found\r\n");
    exchange(&bed, "GET /teapot HTTP/1.1\r\nHost: h\r\n\r\n", &answer);
    ASSERT_CONTAINS(buf_str(&answer), "HTTP/1.1 418 \r\n");
    exchange(&bed, "GET /secret HTTP/1.1\r\nHost: h\r\n\r\n", &answer);
    ASSERT_CONTAINS(buf_str(&answer), "\r\nCache-Control: no-cache, no-store, must-revalidate\r\n");
    exchange(&bed, "GET /page HTTP/1.1\r\nHost: h\r\n\r\n", &answer);
    ASSERT_CONTAINS(buf_str(&answer), "\r\nContent-Type: text/html; charset=utf-8\r\n");
    exchange(&bed, "GET /empty HTTP/1.1\r\nHost: h\r\n\r\n", &answer);
    ASSERT_CONTAINS(buf_str(&answer), "\r\nContent-Length: 0\r\n");
    bed_free(&bed);
}

TEST(head_is_answered_without_the_body)
{
    struct bed bed = bed_new();
    cleanup(buf_deinit) struct buf answer = BUF(65536);

    exchange(&bed, "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", &answer);
    ASSERT_CONTAINS(buf_str(&answer), "\r\nContent-Length: 5\r\n");
    ASSERT_STREQ(body_of(&answer), "");
    ASSERT_STREQ(seen_text(&bed), "HEAD|/||h|127.0.0.1");
    bed_free(&bed);
}

TEST(paths_come_decoded_and_without_the_query)
{
    static const struct {
        const char *target, *path, *query;
    } rows[] = {
        {"/a?b=c&d=e", "/a", "b=c&d=e"},
        {"/a%20b", "/a b", ""},
        {"/.well-known/acme-challenge/tok_en-1", "/.well-known/acme-challenge/tok_en-1", ""},
        {"/a/../b", "/b", ""},
        {"//a", "/a", ""},
        {"/?x", "/", "x"},
    };
    struct bed bed = bed_new();

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(buf_deinit) struct buf answer = BUF(65536);
        cleanup(xfree) char *request = xasprintf("GET %s HTTP/1.1\r\nHost: h\r\n\r\n",
                                                 rows[i].target);
        cleanup(xfree) char *text = xasprintf("GET|%s|%s|h|127.0.0.1", rows[i].path, rows[i].query);

        CASE(rows[i].target);
        exchange(&bed, request, &answer);
        ASSERT_STREQ(seen_text(&bed), text);
    }
    CASE("");
    bed_free(&bed);
}

TEST(other_methods_reach_the_handler_and_their_body_is_not_read)
{
    static const char *const methods[] = {"POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
    struct bed bed = bed_new();

    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        cleanup(buf_deinit) struct buf answer = BUF(65536);
        cleanup(xfree) char *request = xasprintf(
            "%s / HTTP/1.1\r\nHost: h\r\nContent-Length: 16\r\n\r\nGET / HTTP/1.1\r\n", methods[i]);
        cleanup(xfree) char *text = xasprintf("%s|/||h|127.0.0.1", methods[i]);

        CASE(methods[i]);
        exchange(&bed, request, &answer);
        ASSERT_STREQ(body_of(&answer), "hello");
        ASSERT_STREQ(seen_text(&bed), text);
        ASSERT_EQ(seen_requests(&bed), i + 1);
    }
    CASE("");
    bed_free(&bed);
}

TEST(what_is_no_plain_request_does_not_reach_the_handler)
{
    static const char *const requests[] = {
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
        "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET /a%00b HTTP/1.1\r\nHost: h\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "rubbish\r\n\r\n",
    };
    struct bed bed = bed_new();

    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        cleanup(buf_deinit) struct buf answer = BUF(65536);
        cleanup(fd_close) int fd = dial(AF_INET, bed.port);

        CASE(requests[i]);
        (void)send(fd, requests[i], strlen(requests[i]), MSG_NOSIGNAL);
        shutdown(fd, SHUT_WR);
        read_to_end(fd, &answer);
        ASSERT_NULL(strstr(buf_str(&answer), "hello"));
        ASSERT_EQ(seen_requests(&bed), 0);
    }
    CASE("");
    bed_free(&bed);
}

/* CERTMAN-7 (GHSA-vgf6-pvf4-34rq): bodies and heads without a limit. */
TEST(headers_beyond_eight_kilobytes_end_the_connection)
{
    struct bed bed = bed_new();
    cleanup(buf_deinit) struct buf request = BUF(65536), answer = BUF(65536);

    buf_add_str(&request, "GET / HTTP/1.1\r\nHost: ");
    for (int i = 0; i < 9000; i++)
        buf_add_char(&request, 'h');
    buf_add_str(&request, "\r\n\r\n");
    exchange(&bed, buf_str(&request), &answer);
    ASSERT_NULL(strstr(buf_str(&answer), "hello"));
    ASSERT_EQ(seen_requests(&bed), 0);
    bed_free(&bed);
}

TEST(a_second_request_on_a_connection_is_not_answered)
{
    struct bed bed = bed_new();
    cleanup(buf_deinit) struct buf answer = BUF(65536);

    exchange(&bed, "GET /empty HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
             &answer);
    ASSERT_CONTAINS(buf_str(&answer), "HTTP/1.1 200 OK\r\n");
    ASSERT_NULL(strstr(buf_str(&answer), "hello"));
    ASSERT_EQ(seen_requests(&bed), 1);
    bed_free(&bed);
}

TEST(a_large_body_arrives_whole)
{
    struct bed bed = bed_new();
    cleanup(buf_deinit) struct buf answer = BUF(LARGE + 65536);

    exchange(&bed, "GET /large HTTP/1.1\r\nHost: h\r\n\r\n", &answer);
    ASSERT_EQ(strlen(body_of(&answer)), LARGE);
    bed_free(&bed);
}

TEST(a_body_beyond_its_maximum_becomes_500)
{
    struct bed bed = bed_new();
    cleanup(buf_deinit) struct buf answer = BUF(65536);

    exchange(&bed, "GET /too-large HTTP/1.1\r\nHost: h\r\n\r\n", &answer);
    ASSERT_CONTAINS(buf_str(&answer), "HTTP/1.1 500 Internal Server Error\r\n");
    ASSERT_STREQ(body_of(&answer), "");
    bed_free(&bed);
}

TEST(a_client_that_leaves_in_the_middle_does_no_harm)
{
    struct bed bed = bed_new();
    cleanup(buf_deinit) struct buf answer = BUF(65536);
    int fd = dial(AF_INET, bed.port);
    struct linger at_once = {.l_onoff = 1};

    (void)send(fd, "GET /large HTTP/1.1\r\nHost: h\r\n\r\n", 33, MSG_NOSIGNAL);
    (void)recv(fd, (char[100]){}, 100, 0);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(fd);
    exchange(&bed, "GET / HTTP/1.1\r\nHost: h\r\n\r\n", &answer);
    ASSERT_STREQ(body_of(&answer), "hello");
    bed_free(&bed);
}

TEST(no_host_means_ipv4_and_ipv6)
{
    struct bed bed = bed_new_on(":0");
    cleanup(buf_deinit) struct buf answer = BUF(65536);
    cleanup(fd_close) int fd = dial(AF_INET6, bed.port);

    exchange(&bed, "GET / HTTP/1.1\r\nHost: h\r\n\r\n", &answer);
    ASSERT_STREQ(body_of(&answer), "hello");
    ASSERT_STREQ(seen_text(&bed), "GET|/||h|127.0.0.1");
    if (fd < 0) {
        print_message("no IPv6 here\n");
        bed_free(&bed);
        return;
    }
    buf_reset(&answer);
    (void)send(fd, "GET / HTTP/1.1\r\nHost: h\r\n\r\n", 27, MSG_NOSIGNAL);
    read_to_end(fd, &answer);
    ASSERT_STREQ(body_of(&answer), "hello");
    ASSERT_STREQ(seen_text(&bed), "GET|/||h|::1");
    bed_free(&bed);
}

TEST(an_address_means_only_that_one)
{
    struct bed bed = bed_new_on("[::1]:0");

    ASSERT_EQ(dial(AF_INET, bed.port), -1);
    bed_free(&bed);
}

TEST(a_port_in_use_is_told)
{
    struct bed bed = bed_new();
    cleanup(xfree) char *address = xasprintf("127.0.0.1:%u", bed.port);
    cleanup(xfree) char *all = xasprintf(":%u", bed.port);
    struct server_listener *listener = NULL;
    struct err err = {};

    ASSERT_ERR(ERR_EXISTS, server_listen(bed.server, address, handle, bed.seen, &listener, &err));
    ASSERT_CONTAINS(err.text, "in use");
    ASSERT_ERR(ERR_EXISTS, server_listen(bed.server, all, handle, bed.seen, &listener, &err));
    bed_free(&bed);
}

TEST(a_wrong_address_is_told_by_its_part)
{
    static const struct {
        const char *address, *text;
    } rows[] = {
        {"127.0.0.1", "has no port"},
        {"", "has no port"},
        {"127.0.0.1:", "port ''"},
        {"127.0.0.1:x", "port 'x'"},
        {":65536", "port '65536'"},
        {":-1", "port '-1'"},
        {"::1:80", "no brackets"},
        {"[::1:80", "no brackets"},
        {"[1.2.3.4x]:80", "'1.2.3.4x'"},
        {"example.com:80", "'example.com' is not an IP address"},
        {"192.0.2.1:0", "this machine has no such address"},
    };
    cleanup(server_free) struct server *server = NULL;
    struct err err = {};

    ASSERT_OK(server_new(&server, &err));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct server_listener *listener = NULL;

        CASE(rows[i].address);
        ASSERT_ERR(ERR_INVALID,
                   server_listen(server, rows[i].address, handle, NULL, &listener, &err));
        ASSERT_CONTAINS(err.text, rows[i].text);
    }
    CASE("");
}

TEST(a_listener_goes_while_others_stay_and_its_port_is_free_again)
{
    struct bed bed = bed_new();
    cleanup(buf_deinit) struct buf answer = BUF(65536);
    struct server_listener *second = NULL;
    struct err err = {};

    for (int i = 0; i < 20; i++) {
        cleanup(xfree) char *address = NULL;
        cleanup(fd_close) int fd = -1;
        uint16_t port;

        ASSERT_OK(server_listen(bed.server, "127.0.0.1:0", handle, bed.seen, &second, &err));
        port = server_listener_port(second);
        fd = dial(AF_INET, port);
        ASSERT_TRUE(fd >= 0);
        server_unlisten(bed.server, second);
        ASSERT_EQ(dial(AF_INET, port), -1);
        ASSERT_EQ(recv(fd, (char[1]){}, 1, 0) > 0, false);
        address = xasprintf("127.0.0.1:%u", port);
        ASSERT_OK(server_listen(bed.server, address, handle, bed.seen, &second, &err));
        server_unlisten(bed.server, second);
    }
    exchange(&bed, "GET / HTTP/1.1\r\nHost: h\r\n\r\n", &answer);
    ASSERT_STREQ(body_of(&answer), "hello");
    bed_free(&bed);
}

/* CERTMAN-6: a client that sends slowly for ever. */
TEST(a_request_half_sent_does_not_outlive_its_listener)
{
    struct bed bed = bed_new();
    cleanup(fd_close) int fd = dial(AF_INET, bed.port);
    cleanup(buf_deinit) struct buf answer = BUF(65536);

    (void)send(fd, "GET / HTTP/1.1\r\n", 16, MSG_NOSIGNAL);
    exchange(&bed, "GET /empty HTTP/1.1\r\nHost: h\r\n\r\n",
             &answer); /* so the other was accepted */
    server_unlisten(bed.server, bed.listener);
    bed.listener = NULL;
    (void)send(fd, "Host: h\r\n\r\n", 11, MSG_NOSIGNAL);
    buf_reset(&answer);
    read_to_end(fd, &answer);
    ASSERT_EQ(answer.len, 0);
    ASSERT_EQ(seen_requests(&bed), 1);
    bed_free(&bed);
}

TEST(the_server_ends_with_connections_and_listeners_open)
{
    struct bed bed = bed_new();
    cleanup(fd_close) int idle = dial(AF_INET, bed.port), half = dial(AF_INET, bed.port);
    cleanup(fd_close) int late = dial(AF_INET, bed.port);

    (void)send(half, "GET /", 5, MSG_NOSIGNAL);
    (void)send(late, "GET /large HTTP/1.1\r\nHost: h\r\n\r\n", 33, MSG_NOSIGNAL);
    (void)recv(late, (char[100]){}, 100, 0);
    server_free(bed.server);
    mutex_deinit(&bed.seen->mutex);
    xfree(bed.seen);
}

struct client {
    struct bed *bed;
    int good;
};

static void ask_often(void *arg)
{
    struct client *client = arg;

    for (int i = 0; i < 50; i++) {
        cleanup(buf_deinit) struct buf answer = BUF(65536);

        exchange(client->bed, "GET / HTTP/1.1\r\nHost: h\r\n\r\n", &answer);
        client->good += streq(body_of(&answer), "hello");
    }
}

TEST(eight_clients_at_once_are_all_answered)
{
    struct bed bed = bed_new();
    struct client clients[8];
    struct thread *threads[8] = {};
    struct err err = {};

    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        clients[i] = (struct client){.bed = &bed};
        ASSERT_OK(thread_start("client", ask_often, &clients[i], &threads[i], &err));
    }
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        thread_join(threads[i]);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        ASSERT_EQ(clients[i].good, 50);
    bed_free(&bed);
}

RUN_TESTS(cmocka_unit_test(a_request_reaches_the_handler_and_its_answer_comes_back),
          cmocka_unit_test(an_http_1_0_request_is_answered),
          cmocka_unit_test(status_type_and_caching_are_the_handlers),
          cmocka_unit_test(head_is_answered_without_the_body),
          cmocka_unit_test(paths_come_decoded_and_without_the_query),
          cmocka_unit_test(other_methods_reach_the_handler_and_their_body_is_not_read),
          cmocka_unit_test(what_is_no_plain_request_does_not_reach_the_handler),
          cmocka_unit_test(headers_beyond_eight_kilobytes_end_the_connection),
          cmocka_unit_test(a_second_request_on_a_connection_is_not_answered),
          cmocka_unit_test(a_large_body_arrives_whole),
          cmocka_unit_test(a_body_beyond_its_maximum_becomes_500),
          cmocka_unit_test(a_client_that_leaves_in_the_middle_does_no_harm),
          cmocka_unit_test(no_host_means_ipv4_and_ipv6),
          cmocka_unit_test(an_address_means_only_that_one), cmocka_unit_test(a_port_in_use_is_told),
          cmocka_unit_test(a_wrong_address_is_told_by_its_part),
          cmocka_unit_test(a_listener_goes_while_others_stay_and_its_port_is_free_again),
          cmocka_unit_test(a_request_half_sent_does_not_outlive_its_listener),
          cmocka_unit_test(the_server_ends_with_connections_and_listeners_open),
          cmocka_unit_test(eight_clients_at_once_are_all_answered));
