#include "http/http.h"

#include "support/testing.h"
#include "unit/http/peer.h"

#define LARGE (4 * 1024 * 1024)

static const struct peer_answer answers[] = {
    {"/short", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello"},
    {"/empty", "HTTP/1.1 204 No Content\r\n\r\n"},
    {"/watch", "HTTP/1.1 200 OK\r\n\r\n{\"type\":\"ADDED\"}\n", PEER_HOLDS},
    {"/head-only", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", PEER_HOLDS},
    {"/large", "HTTP/1.1 200 OK\r\nContent-Length: 4194304\r\n\r\n", PEER_KEEPS, LARGE},
    {"/cut", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", PEER_CUTS},
    {"/moved", "HTTP/1.1 302 Found\r\nLocation: /short\r\nContent-Length: 4\r\n\r\ngone"},
    {"/silent", "", PEER_HOLDS},
    {}};

struct bed {
    struct peer *peer;
    struct http *http;
    struct context ctx;
    struct http_stream *stream;
    struct http_response head;
};

static struct bed bed_new(void)
{
    struct http_options options = {.user_agent = "certlet-test/1"};
    struct bed bed = {.peer = peer_new(answers), .ctx = context_background(clock_system())};
    struct err err = {};

    ASSERT_OK(http_new(&options, &bed.http, &err));
    return bed;
}

static void bed_free(struct bed *bed)
{
    http_stream_close(bed->stream);
    http_response_deinit(&bed->head);
    http_free(bed->http);
    peer_free(bed->peer);
}

static int open_with(struct bed *bed, const char *path, struct http_request request,
                     struct err *err)
{
    cleanup(xfree) char *url = peer_url(bed->peer, path);

    request.method = "GET";
    request.url = url;
    if (!request.timeout_ms)
        request.timeout_ms = 20000;
    return http_stream_open(bed->http, &bed->ctx, &request, &bed->stream, &bed->head, err);
}

static int open_stream(struct bed *bed, const char *path, struct err *err)
{
    return open_with(bed, path, (struct http_request){}, err);
}

/* Until the end of the body or an error. */
static int read_all(struct bed *bed, struct buf *to, struct err *err)
{
    int r = 0;

    while (r == 0)
        r = http_stream_read(bed->stream, &bed->ctx, to, err);
    return r;
}

TEST(a_stream_gives_its_head_first_and_then_its_body)
{
    struct bed bed = bed_new();
    cleanup(buf_deinit) struct buf body = BUF(100);
    struct err err = {};

    ASSERT_OK(open_stream(&bed, "/short", &err));
    ASSERT_EQ(bed.head.status, 200);
    ASSERT_STREQ(http_header(&bed.head, "x-a"), "b");
    ASSERT_EQ(bed.head.body.len, 0);
    ASSERT_ERR(ERR_NOT_FOUND, read_all(&bed, &body, &err));
    ASSERT_STREQ(buf_str(&body), "hello");
    ASSERT_ERR(ERR_NOT_FOUND, http_stream_read(bed.stream, &bed.ctx, &body, &err));
    bed_free(&bed);
}

TEST(a_stream_without_a_body_ends_at_once)
{
    struct bed bed = bed_new();
    cleanup(buf_deinit) struct buf body = BUF(100);
    struct err err = {};

    ASSERT_OK(open_stream(&bed, "/empty", &err));
    ASSERT_EQ(bed.head.status, 204);
    ASSERT_ERR(ERR_NOT_FOUND, read_all(&bed, &body, &err));
    bed_free(&bed);
}

TEST(a_stream_opens_before_the_first_byte_of_its_body)
{
    struct bed bed = bed_new();
    struct err err = {};

    ASSERT_OK(open_stream(&bed, "/head-only", &err));
    ASSERT_EQ(bed.head.status, 200);
    bed_free(&bed);
}

TEST(a_stream_shows_the_head_after_redirects)
{
    struct bed bed = bed_new();
    cleanup(buf_deinit) struct buf body = BUF(100);
    cleanup(xfree) char *url = peer_url(bed.peer, "/short");
    struct err err = {};

    ASSERT_OK(open_with(&bed, "/moved", (struct http_request){.max_redirects = 1}, &err));
    ASSERT_EQ(bed.head.status, 200);
    ASSERT_STREQ(bed.head.final_url, url);
    ASSERT_ERR(ERR_NOT_FOUND, read_all(&bed, &body, &err));
    ASSERT_STREQ(buf_str(&body), "hello");
    bed_free(&bed);
}

TEST(a_reader_whose_time_is_up_can_read_on)
{
    struct bed bed = bed_new();
    cleanup(buf_deinit) struct buf body = BUF(100);
    cleanup(cancel_unref) struct cancel *cancel = cancel_new();
    struct context brief, canceled = context_with_cancel(&bed.ctx, cancel);
    struct err err = {};

    ASSERT_OK(open_stream(&bed, "/watch", &err));
    ASSERT_OK(http_stream_read(bed.stream, &bed.ctx, &body, &err));
    ASSERT_STREQ(buf_str(&body), "{\"type\":\"ADDED\"}\n");
    brief = context_with_timeout(&bed.ctx, 20);
    ASSERT_ERR(ERR_TIMEOUT, http_stream_read(bed.stream, &brief, &body, &err));
    cancel_fire(cancel);
    ASSERT_ERR(ERR_CANCELED, http_stream_read(bed.stream, &canceled, &body, &err));
    brief = context_with_timeout(&bed.ctx, 20);
    ASSERT_ERR(ERR_TIMEOUT, http_stream_read(bed.stream, &brief, &body, &err));
    bed_free(&bed);
}

struct reading {
    struct bed *bed;
    struct context ctx;
    int result;
};

static void read_once(void *arg)
{
    struct reading *reading = arg;
    cleanup(buf_deinit) struct buf body = BUF(100);
    struct err err = {};

    reading->result = 0;
    while (reading->result == 0)
        reading->result = http_stream_read(reading->bed->stream, &reading->ctx, &body, &err);
}

TEST(a_cancel_from_another_thread_wakes_the_reader)
{
    struct bed bed = bed_new();
    cleanup(cancel_unref) struct cancel *cancel = cancel_new();
    struct reading reading = {.bed = &bed, .ctx = context_with_cancel(&bed.ctx, cancel)};
    struct thread *thread = NULL;
    struct err err = {};

    ASSERT_OK(open_stream(&bed, "/watch", &err));
    ASSERT_OK(thread_start("reader", read_once, &reading, &thread, &err));
    cancel_fire(cancel);
    thread_join(thread);
    ASSERT_EQ(reading.result, ERR_CANCELED);
    bed_free(&bed);
}

TEST(the_context_of_open_bounds_the_head_only)
{
    struct bed bed = bed_new();
    cleanup(buf_deinit) struct buf body = BUF(100);
    struct context background = bed.ctx;
    struct err err = {};

    bed.ctx = context_with_timeout(&background, 30);
    ASSERT_ERR(ERR_TIMEOUT, open_stream(&bed, "/silent", &err));
    bed.ctx = context_with_timeout(&background, 20000);
    ASSERT_OK(open_with(&bed, "/watch", (struct http_request){.timeout_ms = 2000}, &err));
    bed.ctx = background;
    ASSERT_ERR(ERR_TIMEOUT, read_all(&bed, &body, &err));
    ASSERT_STREQ(buf_str(&body), "{\"type\":\"ADDED\"}\n");
    ASSERT_CONTAINS(err.text, "did not end in time");
    bed_free(&bed);
}

TEST(a_large_body_passes_a_small_room_whole)
{
    struct bed bed = bed_new();
    cleanup(buf_deinit) struct buf chunk = BUF(1000);
    struct err err = {};
    size_t total = 0;
    int r = 0;

    ASSERT_OK(open_stream(&bed, "/large", &err));
    while (r == 0) {
        buf_reset(&chunk);
        r = http_stream_read(bed.stream, &bed.ctx, &chunk, &err);
        total += r == 0 ? chunk.len : 0;
    }
    ASSERT_EQ(r, ERR_NOT_FOUND);
    ASSERT_EQ(total, LARGE);
    bed_free(&bed);
}

TEST(a_paused_stream_does_not_hold_up_other_calls)
{
    struct bed bed = bed_new();
    cleanup(http_response_deinit) struct http_response response = {};
    cleanup(xfree) char *url = peer_url(bed.peer, "/short");
    struct http_request request = {
        .method = "GET", .url = url, .max_body = 100, .timeout_ms = 20000};
    struct err err = {};

    ASSERT_OK(open_stream(&bed, "/large", &err));
    for (int i = 0; i < 20; i++) {
        http_response_deinit(&response);
        ASSERT_OK(http_do(bed.http, &bed.ctx, &request, &response, &err));
    }
    bed_free(&bed);
}

TEST(a_full_buffer_is_told_apart_from_the_end)
{
    struct bed bed = bed_new();
    cleanup(buf_deinit) struct buf body = BUF(3);
    struct err err = {};

    ASSERT_OK(open_stream(&bed, "/short", &err));
    ASSERT_ERR(ERR_TOO_LARGE, read_all(&bed, &body, &err));
    ASSERT_STREQ(buf_str(&body), "hel");
    bed_free(&bed);
}

TEST(a_stream_with_a_limit_ends_there)
{
    struct bed bed = bed_new();
    cleanup(buf_deinit) struct buf body = BUF(LARGE);
    struct err err = {};

    ASSERT_OK(open_with(&bed, "/large", (struct http_request){.max_body = 100000}, &err));
    ASSERT_ERR(ERR_TOO_LARGE, read_all(&bed, &body, &err));
    bed_free(&bed);
}

TEST(what_came_before_a_cut_is_read_and_then_the_error)
{
    struct bed bed = bed_new();
    cleanup(buf_deinit) struct buf body = BUF(100);
    struct err err = {};

    ASSERT_OK(open_stream(&bed, "/cut", &err));
    ASSERT_ERR(ERR_NETWORK, read_all(&bed, &body, &err));
    ASSERT_STREQ(buf_str(&body), "abc");
    bed_free(&bed);
}

TEST(a_stream_that_nobody_answers_does_not_open)
{
    struct bed bed = bed_new();
    struct err err = {};

    ASSERT_ERR(ERR_TIMEOUT,
               open_with(&bed, "/silent", (struct http_request){.timeout_ms = 30}, &err));
    ASSERT_ERR(ERR_NETWORK, open_stream(&bed, "/nothing", &err));
    bed_free(&bed);
}

static int answer_fake(void *arg, const struct context *ctx, const struct http_request *request,
                       struct http_response *ret_response, struct err *err)
{
    ret_response->status = 200;
    buf_add_str(&ret_response->body, arg);
    return 0;
}

TEST(a_fake_streams_its_whole_body)
{
    char text[] = "one\ntwo\n";
    cleanup(http_free) struct http *http = http_new_fake(answer_fake, text);
    cleanup(http_stream_close) struct http_stream *stream = NULL;
    cleanup(http_response_deinit) struct http_response head = {};
    cleanup(buf_deinit) struct buf body = BUF(100);
    struct context ctx = context_background(clock_system());
    struct http_request request = {.method = "GET", .url = "https://api.test/", .timeout_ms = 1000};
    struct err err = {};

    ASSERT_OK(http_stream_open(http, &ctx, &request, &stream, &head, &err));
    ASSERT_EQ(head.status, 200);
    ASSERT_OK(http_stream_read(stream, &ctx, &body, &err));
    ASSERT_STREQ(buf_str(&body), "one\ntwo\n");
    ASSERT_ERR(ERR_NOT_FOUND, http_stream_read(stream, &ctx, &body, &err));
}

RUN_TESTS(cmocka_unit_test(a_stream_gives_its_head_first_and_then_its_body),
          cmocka_unit_test(a_stream_without_a_body_ends_at_once),
          cmocka_unit_test(a_stream_opens_before_the_first_byte_of_its_body),
          cmocka_unit_test(a_stream_shows_the_head_after_redirects),
          cmocka_unit_test(a_reader_whose_time_is_up_can_read_on),
          cmocka_unit_test(a_cancel_from_another_thread_wakes_the_reader),
          cmocka_unit_test(the_context_of_open_bounds_the_head_only),
          cmocka_unit_test(a_large_body_passes_a_small_room_whole),
          cmocka_unit_test(a_paused_stream_does_not_hold_up_other_calls),
          cmocka_unit_test(a_full_buffer_is_told_apart_from_the_end),
          cmocka_unit_test(a_stream_with_a_limit_ends_there),
          cmocka_unit_test(what_came_before_a_cut_is_read_and_then_the_error),
          cmocka_unit_test(a_stream_that_nobody_answers_does_not_open),
          cmocka_unit_test(a_fake_streams_its_whole_body));
