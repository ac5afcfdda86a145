#include "http/http.h"

#include "base/base64.h"
#include "support/testing.h"
#include "unit/http/peer.h"

#define OK_TEXT "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

/* 64 KiB of zeros. */
#define BOMB                                                                                       \
    "H4sIAAAAAAACA+3BAQEAAACAkP6v7ggKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"                       \
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAauuOl9cAAAEA"

static const struct peer_answer answers[] = {
    {"/ok", OK_TEXT},
    {"/slow", OK_TEXT},
    {"/teapot", "HTTP/1.1 418 I'm a teapot\r\nContent-Length: 0\r\n"
                "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nX-Twice: one\r\nx-twice:  two \r\n\r\n"},
    {"/early", "HTTP/1.1 103 Early Hints\r\nLink: <no>; rel=up\r\n\r\n" OK_TEXT},
    {"/large", "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", PEER_KEEPS, 100000},
    {"/long-header", "HTTP/1.1 200 OK\r\nX-Long: ", PEER_CUTS, 200000},
    {"/half-head", "HTTP/1.1 200 OK\r\nX-A: b\r\nX-B", PEER_CUTS},
    {"/bomb", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 96\r\n\r\n", PEER_CUTS,
     .base64 = BOMB},
    {"/silent", "", PEER_HOLDS},
    {"/cut", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", PEER_CUTS},
    {"/cut-once", "", PEER_CUTS, 0, 1},
    {"/cut-once", OK_TEXT},
    {"/rubbish", "SSH-2.0-OpenSSH_9.2\r\n", PEER_CUTS},
    {"/moved",
     "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%PORT/ok\r\nContent-Length: 4\r\n\r\ngone"},
    {"/loop", "HTTP/1.1 302 Found\r\nLocation: /loop\r\nContent-Length: 0\r\n\r\n"},
    {"/to-file", "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n"},
    {}};

struct bed {
    struct peer *peer;
    struct http *http;
    struct context ctx;
};

static struct bed bed_new_with(const struct peer_answer *script, struct http_options options)
{
    struct bed bed = {.peer = peer_new(script), .ctx = context_background(clock_system())};
    struct err err = {};

    options.user_agent = "certlet-test/1";
    ASSERT_OK(http_new(&options, &bed.http, &err));
    return bed;
}

static struct bed bed_new(void)
{
    return bed_new_with(answers, (struct http_options){});
}

static void bed_free(struct bed *bed)
{
    http_free(bed->http);
    peer_free(bed->peer);
}

static struct http_request request_for(const char *url)
{
    return (struct http_request){
        .method = "GET", .url = url, .max_body = 65536, .timeout_ms = 20000};
}

static int bed_get(struct bed *bed, const char *path, struct http_response *ret, struct err *err)
{
    cleanup(xfree) char *url = peer_url(bed->peer, path);
    struct http_request request = request_for(url);

    return http_do(bed->http, &bed->ctx, &request, ret, err);
}

TEST(an_answer_comes_back_with_status_headers_and_body)
{
    struct bed bed = bed_new();
    cleanup(http_response_deinit) struct http_response response = {};
    cleanup(xfree) char *url = peer_url(bed.peer, "/ok?a=1");
    struct err err = {};

    ASSERT_OK(bed_get(&bed, "/ok?a=1", &response, &err));
    ASSERT_EQ(response.status, 200);
    ASSERT_STREQ(buf_str(&response.body), "ok");
    ASSERT_STREQ(http_header(&response, "Content-Length"), "2");
    ASSERT_STREQ(response.final_url, url);
    ASSERT_EQ(response.date_ms, 0);
    bed_free(&bed);
}

TEST(an_http_status_is_no_error_and_repeated_headers_stay_apart)
{
    struct bed bed = bed_new();
    cleanup(http_response_deinit) struct http_response response = {};
    struct err err = {};

    ASSERT_OK(bed_get(&bed, "/teapot", &response, &err));
    ASSERT_EQ(response.status, 418);
    ASSERT_EQ(response.headers.len, 4);
    ASSERT_STREQ(response.headers.items[2].key, "x-twice");
    ASSERT_STREQ(response.headers.items[2].value, "one");
    ASSERT_STREQ(response.headers.items[3].key, "x-twice");
    ASSERT_STREQ(response.headers.items[3].value, "two");
    ASSERT_EQ(response.date_ms, AT("2026-01-01T00:00:00Z"));
    bed_free(&bed);
}

TEST(headers_of_an_informational_answer_are_dropped)
{
    struct bed bed = bed_new();
    cleanup(http_response_deinit) struct http_response response = {};
    struct err err = {};

    ASSERT_OK(bed_get(&bed, "/early", &response, &err));
    ASSERT_EQ(response.status, 200);
    ASSERT_NULL(http_header(&response, "link"));
    bed_free(&bed);
}

TEST(a_request_sends_what_it_was_given_and_nothing_else)
{
    struct bed bed = bed_new();
    cleanup(http_response_deinit) struct http_response response = {};
    cleanup(strmap_deinit) struct strmap headers = {};
    cleanup(xfree) char *url = peer_url(bed.peer, "/ok");
    struct http_request request = request_for(url);
    struct err err = {};

    strmap_set(&headers, "Content-Type", "application/jose+json");
    strmap_set(&headers, "X-Empty", "");
    request.method = "PATCH";
    request.body = "{}";
    request.body_len = 2;
    request.headers = &headers;
    ASSERT_OK(http_do(bed.http, &bed.ctx, &request, &response, &err));
    ASSERT_CONTAINS(peer_seen(bed.peer)->last, "PATCH /ok HTTP/1.1\r\n");
    ASSERT_CONTAINS(peer_seen(bed.peer)->last, "\r\nUser-Agent: certlet-test/1\r\n");
    ASSERT_CONTAINS(peer_seen(bed.peer)->last, "\r\nContent-Type: application/jose+json\r\n");
    ASSERT_CONTAINS(peer_seen(bed.peer)->last, "\r\nX-Empty:\r\n");
    ASSERT_CONTAINS(peer_seen(bed.peer)->last, "\r\nContent-Length: 2\r\n");
    ASSERT_CONTAINS(peer_seen(bed.peer)->last, "\r\n\r\n{}");
    ASSERT_NULL(strstr(peer_seen(bed.peer)->last, "Expect"));
    bed_free(&bed);
}

TEST(every_method_goes_out_as_named)
{
    static const char *const methods[] = {"GET",   "HEAD",   "POST", "PUT",
                                          "PATCH", "DELETE", "POST", "GET"};
    static const struct peer_answer script[] = {{"/ok", "HTTP/1.1 204 No Content\r\n\r\n"}, {}};
    struct bed bed = bed_new_with(script, (struct http_options){});
    cleanup(xfree) char *url = peer_url(bed.peer, "/ok");
    struct err err = {};

    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        cleanup(http_response_deinit) struct http_response response = {};
        cleanup(xfree) char *line = xasprintf("%s /ok HTTP/1.1\r\n", methods[i]);
        struct http_request request = request_for(url);

        CASE(methods[i]);
        request.method = methods[i];
        ASSERT_OK(http_do(bed.http, &bed.ctx, &request, &response, &err));
        ASSERT_EQ(strncmp(peer_seen(bed.peer)->last, line, strlen(line)), 0);
        ASSERT_NULL(strstr(peer_seen(bed.peer)->last, "x-www-form-urlencoded"));
    }
    CASE("");
    bed_free(&bed);
}

TEST(a_header_with_a_line_break_is_refused)
{
    struct bed bed = bed_new();
    cleanup(http_response_deinit) struct http_response response = {};
    cleanup(strmap_deinit) struct strmap headers = {};
    struct http_request request = request_for("http://127.0.0.1:1/");
    struct err err = {};

    strmap_set(&headers, "X-A", "b\r\nX-C: d");
    request.headers = &headers;
    ASSERT_ERR(ERR_INVALID, http_do(bed.http, &bed.ctx, &request, &response, &err));
    bed_free(&bed);
}

/* CERTMAN-3, and cert-manager 2026-07: bodies without an end. */
TEST(a_body_beyond_its_limit_is_too_large)
{
    struct bed bed = bed_new();
    cleanup(http_response_deinit) struct http_response response = {};
    struct err err = {};

    ASSERT_ERR(ERR_TOO_LARGE, bed_get(&bed, "/large", &response, &err));
    ASSERT_CONTAINS(err.text, "body is larger than 65536 bytes");
    bed_free(&bed);
}

TEST(headers_beyond_their_limit_are_too_large)
{
    struct bed bed = bed_new();
    cleanup(http_response_deinit) struct http_response response = {};
    struct err err = {};

    ASSERT_ERR(ERR_TOO_LARGE, bed_get(&bed, "/long-header", &response, &err));
    ASSERT_CONTAINS(err.text, "headers are larger than");
    bed_free(&bed);
}

TEST(an_answer_that_breaks_off_in_its_headers_is_no_answer)
{
    struct bed bed = bed_new();
    cleanup(http_response_deinit) struct http_response response = {};
    struct err err = {};

    ASSERT_ERR(ERR_NETWORK, bed_get(&bed, "/half-head", &response, &err));
    bed_free(&bed);
}

TEST(sixteen_thousand_tiny_headers_are_too_large)
{
    cleanup(buf_deinit) struct buf text = BUF(1024 * 1024);
    struct peer_answer script[] = {{"/many", NULL, PEER_CUTS}, {}};
    cleanup(http_response_deinit) struct http_response response = {};
    struct err err = {};
    struct bed bed;

    buf_add_str(&text, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 16500; i++)
        buf_add_str(&text, "a:\r\n");
    script[0].text = buf_str(&text);
    bed = bed_new_with(script, (struct http_options){});
    ASSERT_ERR(ERR_TOO_LARGE, bed_get(&bed, "/many", &response, &err));
    bed_free(&bed);
}

static int get_bomb(struct bed *bed, size_t max_body, size_t *ret_len, struct err *err)
{
    cleanup(http_response_deinit) struct http_response response = {};
    cleanup(xfree) char *url = peer_url(bed->peer, "/bomb");
    struct http_request request = request_for(url);
    int r;

    request.max_body = max_body;
    r = http_do(bed->http, &bed->ctx, &request, &response, err);
    *ret_len = response.body.len;
    return r;
}

TEST(the_body_limit_counts_what_comes_out_of_gzip)
{
    struct bed bed = bed_new();
    struct err err = {};
    size_t len = 0;

    ASSERT_OK(get_bomb(&bed, 65536, &len, &err));
    ASSERT_EQ(len, 65536);
    ASSERT_ERR(ERR_TOO_LARGE, get_bomb(&bed, 65535, &len, &err));
    bed_free(&bed);
}

TEST(a_server_that_never_answers_is_a_timeout)
{
    struct bed bed = bed_new();
    cleanup(http_response_deinit) struct http_response response = {};
    cleanup(xfree) char *url = peer_url(bed.peer, "/silent?token=secret");
    struct http_request request = request_for(url);
    struct err err = {};

    request.timeout_ms = 1000; /* by then it is connected, on a busy machine, too */
    ASSERT_ERR(ERR_TIMEOUT, http_do(bed.http, &bed.ctx, &request, &response, &err));
    ASSERT_CONTAINS(err.text, "no answer in time");
    ASSERT_NULL(strstr(err.text, "secret"));
    bed_free(&bed);
}

TEST(the_deadline_of_the_context_counts_too)
{
    struct bed bed = bed_new();
    cleanup(http_response_deinit) struct http_response response = {};
    struct err err = {};

    bed.ctx = context_with_timeout(&bed.ctx, 50);
    ASSERT_ERR(ERR_TIMEOUT, bed_get(&bed, "/silent", &response, &err));
    bed_free(&bed);
}

struct attempt {
    struct bed *bed;
    struct context ctx;
    const char *path;
    int result;
    struct err err;
};

static void attempt_get(void *arg)
{
    struct attempt *attempt = arg;
    cleanup(http_response_deinit) struct http_response response = {};
    cleanup(xfree) char *url = peer_url(attempt->bed->peer, attempt->path);
    struct http_request request = request_for(url);

    attempt->result = http_do(attempt->bed->http, &attempt->ctx, &request, &response,
                              &attempt->err);
}

TEST(a_cancel_from_another_thread_ends_the_call)
{
    struct bed bed = bed_new();
    cleanup(cancel_unref) struct cancel *cancel = cancel_new();
    struct attempt attempt = {
        .bed = &bed, .ctx = context_with_cancel(&bed.ctx, cancel), .path = "/silent"};
    struct thread *thread = NULL;
    struct err err = {};

    ASSERT_OK(thread_start("attempt", attempt_get, &attempt, &thread, &err));
    peer_wait_for_requests(bed.peer, 1);
    cancel_fire(cancel);
    thread_join(thread);
    ASSERT_EQ(attempt.result, ERR_CANCELED);
    bed_free(&bed);
}

TEST(a_call_under_a_fired_cancel_does_not_start)
{
    struct bed bed = bed_new();
    cleanup(cancel_unref) struct cancel *cancel = cancel_new();
    cleanup(http_response_deinit) struct http_response response = {};
    struct err err = {};

    cancel_fire(cancel);
    bed.ctx = context_with_cancel(&bed.ctx, cancel);
    ASSERT_ERR(ERR_CANCELED, bed_get(&bed, "/ok", &response, &err));
    ASSERT_EQ(peer_seen(bed.peer)->requests, 0);
    bed_free(&bed);
}

TEST(a_connection_cut_in_the_body_is_a_network_error)
{
    struct bed bed = bed_new();
    cleanup(http_response_deinit) struct http_response response = {};
    struct err err = {};

    ASSERT_ERR(ERR_NETWORK, bed_get(&bed, "/cut?token=secret", &response, &err));
    ASSERT_CONTAINS(err.text, "calling http://127.0.0.1:");
    ASSERT_NULL(strstr(err.text, "secret"));
    bed_free(&bed);
}

TEST(a_get_cut_before_any_answer_is_sent_once_more)
{
    struct bed bed = bed_new();
    cleanup(http_response_deinit) struct http_response response = {};
    struct err err = {};

    ASSERT_OK(bed_get(&bed, "/cut-once", &response, &err));
    ASSERT_EQ(peer_seen(bed.peer)->requests, 2);
    bed_free(&bed);
}

TEST(a_post_cut_before_any_answer_is_repeated_only_if_that_is_safe)
{
    struct bed bed = bed_new();
    cleanup(http_response_deinit) struct http_response response = {};
    cleanup(xfree) char *url = peer_url(bed.peer, "/cut-once");
    struct http_request request = request_for(url);
    struct err err = {};

    request.method = "POST";
    ASSERT_ERR(ERR_NETWORK, http_do(bed.http, &bed.ctx, &request, &response, &err));
    ASSERT_EQ(peer_seen(bed.peer)->requests, 1);
    bed_free(&bed);

    bed = bed_new();
    xfree(url);
    url = peer_url(bed.peer, "/cut-once");
    request.url = url;
    request.repeatable = true;
    ASSERT_OK(http_do(bed.http, &bed.ctx, &request, &response, &err));
    ASSERT_EQ(peer_seen(bed.peer)->requests, 2);
    bed_free(&bed);
}

TEST(a_refused_connection_is_a_network_error_with_the_same_text_each_time)
{
    struct bed bed = bed_new();
    cleanup(http_response_deinit) struct http_response response = {};
    struct http_request request = request_for("http://127.0.0.1:1/path?token=secret");
    struct err err = {};

    ASSERT_ERR(ERR_NETWORK, http_do(bed.http, &bed.ctx, &request, &response, &err));
    ASSERT_CONTAINS(err.text, "connecting to http://127.0.0.1:1: ");
    ASSERT_NULL(strstr(err.text, "secret"));
    ASSERT_NULL(strstr(err.text, " ms"));
    bed_free(&bed);
}

TEST(what_is_not_http_is_a_protocol_error)
{
    struct bed bed = bed_new();
    cleanup(http_response_deinit) struct http_response response = {};
    struct err err = {};

    ASSERT_ERR(ERR_PROTOCOL, bed_get(&bed, "/rubbish", &response, &err));
    bed_free(&bed);
}

TEST(only_http_and_https_urls_are_called)
{
    static const char *const urls[] = {
        "",        "file:///etc/passwd", "ftp://h/",    "127.0.0.1",      "/path",
        "http://", "http://a b/",        "http://h/\n", "http://h:99999/"};
    struct bed bed = bed_new();
    struct err err = {};

    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        cleanup(http_response_deinit) struct http_response response = {};
        struct http_request request = request_for(urls[i]);

        CASE(urls[i]);
        ASSERT_ERR(ERR_INVALID, http_do(bed.http, &bed.ctx, &request, &response, &err));
    }
    CASE("");
    bed_free(&bed);
}

TEST(without_redirects_a_3xx_is_the_answer)
{
    struct bed bed = bed_new();
    cleanup(http_response_deinit) struct http_response response = {};
    struct err err = {};

    ASSERT_OK(bed_get(&bed, "/moved", &response, &err));
    ASSERT_EQ(response.status, 302);
    ASSERT_STREQ(buf_str(&response.body), "gone");
    bed_free(&bed);
}

static int get_redirected(struct bed *bed, const char *path, bool public_only,
                          struct http_response *ret, struct err *err)
{
    cleanup(xfree) char *url = peer_url(bed->peer, path);
    struct http_request request = request_for(url);

    request.max_redirects = 3;
    request.public_redirects_only = public_only;
    return http_do(bed->http, &bed->ctx, &request, ret, err);
}

TEST(a_redirect_is_followed_when_allowed)
{
    struct bed bed = bed_new();
    cleanup(http_response_deinit) struct http_response response = {};
    cleanup(xfree) char *ok_url = peer_url(bed.peer, "/ok");
    struct err err = {};

    ASSERT_OK(get_redirected(&bed, "/moved", false, &response, &err));
    ASSERT_EQ(response.status, 200);
    ASSERT_STREQ(buf_str(&response.body), "ok");
    ASSERT_STREQ(response.final_url, ok_url);
    ASSERT_NULL(http_header(&response, "location"));
    bed_free(&bed);
}

TEST(endless_redirects_are_a_protocol_error)
{
    struct bed bed = bed_new();
    cleanup(http_response_deinit) struct http_response response = {};
    struct err err = {};

    ASSERT_ERR(ERR_PROTOCOL, get_redirected(&bed, "/loop", false, &response, &err));
    ASSERT_CONTAINS(err.text, "more than 3 redirects");
    ASSERT_EQ(peer_seen(bed.peer)->requests, 4);
    bed_free(&bed);
}

TEST(a_redirect_to_another_scheme_is_denied)
{
    struct bed bed = bed_new();
    cleanup(http_response_deinit) struct http_response response = {};
    struct err err = {};

    ASSERT_ERR(ERR_DENIED, get_redirected(&bed, "/to-file", false, &response, &err));
    bed_free(&bed);
}

/* Reuses the connection of the first hop. */
TEST(a_redirect_to_a_private_address_is_denied_on_an_open_connection)
{
    struct bed bed = bed_new();
    cleanup(http_response_deinit) struct http_response response = {};
    struct err err = {};

    ASSERT_ERR(ERR_DENIED, get_redirected(&bed, "/moved", true, &response, &err));
    ASSERT_CONTAINS(err.text, "not a public address");
    ASSERT_EQ(peer_seen(bed.peer)->requests, 1);
    bed_free(&bed);
}

TEST(a_redirect_to_a_private_address_is_denied_before_connecting)
{
    static const struct peer_answer victim_script[] = {{"/", OK_TEXT}, {}};
    struct peer *victim = peer_new(victim_script);
    cleanup(xfree) char *text = xasprintf(
        "HTTP/1.1 302 Found\r\nLocation: http://localhost:%u/?q=secret\r\nContent-Length: 0\r\n\r\n",
        victim->port);
    struct peer_answer script[] = {{"/moved", text}, {}};
    struct bed bed = bed_new_with(script, (struct http_options){});
    cleanup(http_response_deinit) struct http_response response = {};
    struct err err = {};

    ASSERT_ERR(ERR_DENIED, get_redirected(&bed, "/moved", true, &response, &err));
    ASSERT_CONTAINS(err.text, "localhost");
    ASSERT_NULL(strstr(err.text, "secret"));
    ASSERT_EQ(peer_seen(victim)->connections_len, 0);
    bed_free(&bed);
    peer_free(victim);
}

TEST(a_connect_address_is_dialled_in_place_of_the_host)
{
    struct bed bed = bed_new();
    cleanup(http_response_deinit) struct http_response response = {};
    cleanup(xfree) char *dial = xasprintf("127.0.0.1:%u", bed.peer->port);
    struct http_request request = request_for("http://nowhere.invalid/ok");
    struct err err = {};

    request.connect_address = dial;
    ASSERT_OK(http_do(bed.http, &bed.ctx, &request, &response, &err));
    ASSERT_CONTAINS(peer_seen(bed.peer)->last, "\r\nHost: nowhere.invalid\r\n");
    ASSERT_STREQ(response.final_url, "http://nowhere.invalid/ok");
    bed_free(&bed);
}

TEST(a_proxy_is_asked_in_place_of_the_host)
{
    static const struct peer_answer proxied[] = {
        {"http://nowhere.invalid/x", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"}, {}};
    struct bed bed = bed_new_with(proxied, (struct http_options){});
    cleanup(http_response_deinit) struct http_response response = {};
    cleanup(xfree) char *proxy = peer_url(bed.peer, "");
    struct http_request request = request_for("http://nowhere.invalid/x");
    struct err err = {};

    request.proxy = proxy;
    ASSERT_OK(http_do(bed.http, &bed.ctx, &request, &response, &err));
    ASSERT_STREQ(buf_str(&response.body), "ok");
    bed_free(&bed);
}

static int get_from_other(struct bed *bed, const char *tenant, struct err *err)
{
    cleanup(http_response_deinit) struct http_response response = {};
    struct context ctx = bed->ctx;

    ctx.tenant = tenant;
    return bed_get(&(struct bed){bed->peer, bed->http, ctx}, "/ok", &response, err);
}

TEST(a_host_beyond_its_share_is_busy_until_a_call_ends)
{
    struct bed bed = bed_new_with(answers, (struct http_options){.max_per_host = 1});
    cleanup(cancel_unref) struct cancel *cancel = cancel_new();
    struct attempt attempt = {
        .bed = &bed, .ctx = context_with_cancel(&bed.ctx, cancel), .path = "/silent"};
    struct thread *thread = NULL;
    struct err err = {};

    ASSERT_OK(thread_start("attempt", attempt_get, &attempt, &thread, &err));
    peer_wait_for_requests(bed.peer, 1);
    ASSERT_ERR(ERR_BUSY, get_from_other(&bed, NULL, &err));
    ASSERT_CONTAINS(err.text, " already has 1 calls in flight");
    cancel_fire(cancel);
    thread_join(thread);
    ASSERT_OK(get_from_other(&bed, NULL, &err));
    bed_free(&bed);
}

TEST(a_tenant_beyond_its_share_is_busy_and_others_are_not)
{
    struct bed bed = bed_new_with(answers, (struct http_options){.max_per_tenant = 1});
    cleanup(cancel_unref) struct cancel *cancel = cancel_new();
    struct attempt attempt = {
        .bed = &bed, .ctx = context_with_cancel(&bed.ctx, cancel), .path = "/silent"};
    struct thread *thread = NULL;
    struct err err = {};

    attempt.ctx.tenant = "greedy";
    ASSERT_OK(thread_start("attempt", attempt_get, &attempt, &thread, &err));
    peer_wait_for_requests(bed.peer, 1);
    ASSERT_ERR(ERR_BUSY, get_from_other(&bed, "greedy", &err));
    ASSERT_OK(get_from_other(&bed, "modest", &err));
    ASSERT_OK(get_from_other(&bed, NULL, &err));
    cancel_fire(cancel);
    thread_join(thread);
    bed_free(&bed);
}

static void attempt_many(void *arg)
{
    struct attempt *attempt = arg;

    for (int i = 0; i < 100 && attempt->result == 0; i++)
        attempt_get(attempt);
}

TEST(eight_threads_make_a_hundred_calls_each)
{
    struct bed bed = bed_new();
    struct attempt attempts[8];
    struct thread *threads[8] = {};
    struct err err = {};

    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        attempts[i] = (struct attempt){.bed = &bed, .ctx = bed.ctx, .path = "/ok"};
        ASSERT_OK(thread_start("attempt", attempt_many, &attempts[i], &threads[i], &err));
    }
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        thread_join(threads[i]);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        ASSERT_EQ(attempts[i].result, 0);
    ASSERT_EQ(peer_seen(bed.peer)->requests, 800);
    bed_free(&bed);
}

static void end_in_every_way(void *arg)
{
    struct attempt *attempt = arg;

    for (int i = 0; i < 40; i++) {
        cleanup(cancel_unref) struct cancel *cancel = cancel_new();
        struct context plain = attempt->ctx;
        struct attempt canceled = *attempt;
        struct thread *thread = NULL;

        attempt->path = i % 2 ? "/ok" : "/silent";
        attempt->ctx = context_with_timeout(&plain, 1 + i % 5);
        attempt_get(attempt);
        attempt->ctx = plain;
        canceled.path = "/silent";
        canceled.ctx = context_with_cancel(&plain, cancel);
        if (thread_start("attempt", attempt_get, &canceled, &thread, NULL) < 0)
            abort();
        cancel_fire(cancel);
        thread_join(thread);
        if (canceled.result != ERR_CANCELED)
            abort();
    }
}

/* For the thread checker: deadlines, cancels and answers meet on the I/O thread. */
TEST(calls_may_end_in_every_way_at_once)
{
    struct bed bed = bed_new();
    struct attempt attempts[4];
    struct thread *threads[4] = {};
    struct err err = {};

    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        attempts[i] = (struct attempt){.bed = &bed, .ctx = bed.ctx};
        ASSERT_OK(thread_start("ends", end_in_every_way, &attempts[i], &threads[i], &err));
    }
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        thread_join(threads[i]);
    bed_free(&bed);
}

struct seen { /* read after http_free() has joined the I/O thread */
    int calls, status;
    char text[256];
};

static void see(void *arg, const struct http_observation *observation)
{
    struct seen *seen = arg;

    seen->calls++;
    seen->status = observation->status;
    snprintf(seen->text, sizeof(seen->text), "%s %s %s %s", observation->scheme, observation->host,
             observation->action, observation->method);
}

TEST(each_call_is_observed_with_999_when_there_was_no_answer)
{
    struct seen seen = {};
    struct bed bed = bed_new_with(answers,
                                  (struct http_options){.observe = see, .observe_arg = &seen});
    cleanup(http_response_deinit) struct http_response response = {};
    cleanup(xfree) char *text = xasprintf("http 127.0.0.1:%u unnamed_action GET", bed.peer->port);
    struct http_request request = request_for("http://127.0.0.1:1/");
    struct err err = {};

    ASSERT_OK(bed_get(&bed, "/ok", &response, &err));
    ASSERT_EQ(seen.status, 200);
    ASSERT_STREQ(seen.text, text);
    request.action = "discover";
    ASSERT_ERR(ERR_NETWORK, http_do(bed.http, &bed.ctx, &request, &response, &err));
    ASSERT_EQ(seen.status, 999);
    ASSERT_STREQ(seen.text, "http 127.0.0.1:1 discover GET");
    ASSERT_EQ(seen.calls, 2);
    bed_free(&bed);
}

static int answer_fake(void *arg, const struct context *ctx, const struct http_request *request,
                       struct http_response *ret_response, struct err *err)
{
    ret_response->status = 201;
    strmap_set(&ret_response->headers, "date", "Thu, 01 Jan 2026 00:00:00 GMT");
    buf_add_str(&ret_response->body, arg);
    return 0;
}

TEST(a_fake_answers_on_the_callers_thread)
{
    char text[] = "from the fake";
    cleanup(http_free) struct http *http = http_new_fake(answer_fake, text);
    cleanup(http_response_deinit) struct http_response response = {};
    struct context ctx = context_background(clock_system());
    struct http_request request = request_for("https://ca.test/directory");
    struct err err = {};

    ASSERT_OK(http_do(http, &ctx, &request, &response, &err));
    ASSERT_EQ(response.status, 201);
    ASSERT_STREQ(buf_str(&response.body), "from the fake");
    ASSERT_STREQ(response.final_url, "https://ca.test/directory");
    ASSERT_EQ(response.date_ms, AT("2026-01-01T00:00:00Z"));

    request.max_body = 3;
    http_response_deinit(&response);
    ASSERT_ERR(ERR_TOO_LARGE, http_do(http, &ctx, &request, &response, &err));
}

RUN_TESTS(cmocka_unit_test(an_answer_comes_back_with_status_headers_and_body),
          cmocka_unit_test(an_http_status_is_no_error_and_repeated_headers_stay_apart),
          cmocka_unit_test(headers_of_an_informational_answer_are_dropped),
          cmocka_unit_test(a_request_sends_what_it_was_given_and_nothing_else),
          cmocka_unit_test(every_method_goes_out_as_named),
          cmocka_unit_test(a_header_with_a_line_break_is_refused),
          cmocka_unit_test(a_body_beyond_its_limit_is_too_large),
          cmocka_unit_test(headers_beyond_their_limit_are_too_large),
          cmocka_unit_test(an_answer_that_breaks_off_in_its_headers_is_no_answer),
          cmocka_unit_test(sixteen_thousand_tiny_headers_are_too_large),
          cmocka_unit_test(the_body_limit_counts_what_comes_out_of_gzip),
          cmocka_unit_test(a_server_that_never_answers_is_a_timeout),
          cmocka_unit_test(the_deadline_of_the_context_counts_too),
          cmocka_unit_test(a_cancel_from_another_thread_ends_the_call),
          cmocka_unit_test(a_call_under_a_fired_cancel_does_not_start),
          cmocka_unit_test(a_connection_cut_in_the_body_is_a_network_error),
          cmocka_unit_test(a_get_cut_before_any_answer_is_sent_once_more),
          cmocka_unit_test(a_post_cut_before_any_answer_is_repeated_only_if_that_is_safe),
          cmocka_unit_test(a_refused_connection_is_a_network_error_with_the_same_text_each_time),
          cmocka_unit_test(what_is_not_http_is_a_protocol_error),
          cmocka_unit_test(only_http_and_https_urls_are_called),
          cmocka_unit_test(without_redirects_a_3xx_is_the_answer),
          cmocka_unit_test(a_redirect_is_followed_when_allowed),
          cmocka_unit_test(endless_redirects_are_a_protocol_error),
          cmocka_unit_test(a_redirect_to_another_scheme_is_denied),
          cmocka_unit_test(a_redirect_to_a_private_address_is_denied_on_an_open_connection),
          cmocka_unit_test(a_redirect_to_a_private_address_is_denied_before_connecting),
          cmocka_unit_test(a_connect_address_is_dialled_in_place_of_the_host),
          cmocka_unit_test(a_proxy_is_asked_in_place_of_the_host),
          cmocka_unit_test(a_host_beyond_its_share_is_busy_until_a_call_ends),
          cmocka_unit_test(a_tenant_beyond_its_share_is_busy_and_others_are_not),
          cmocka_unit_test(eight_threads_make_a_hundred_calls_each),
          cmocka_unit_test(calls_may_end_in_every_way_at_once),
          cmocka_unit_test(each_call_is_observed_with_999_when_there_was_no_answer),
          cmocka_unit_test(a_fake_answers_on_the_callers_thread));
