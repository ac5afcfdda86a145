#include "dns/doh.h"

#include "http/http.h"
#include "scripted.h"

struct scene {
    int status;
    const char *content_type;
    int code; /* of http_do() itself */
    int wrong_id;
    const char *seen_url;
};

static int serve(void *arg, const struct context *ctx, const struct http_request *request,
                 struct http_response *ret, struct err *err)
{
    struct scene *scene = arg;
    struct msg answer;

    ASSERT_STREQ(request->method, "POST");
    ASSERT_STREQ(strmap_get(request->headers, "Content-Type"), "application/dns-message");
    ASSERT_STREQ(strmap_get(request->headers, "Accept"), "application/dns-message");
    ASSERT_EQ(request->max_body, 128 * 1024);
    ASSERT_TRUE(request->timeout_ms > 0 && request->timeout_ms <= 10000);
    ASSERT_EQ(request->max_redirects, 0);
    ASSERT_MEMEQ(request->body, 2, "\0\0", 2); /* the id: RFC 8484 4.1 */
    scene->seen_url = request->url;
    if (scene->code)
        return err_set(err, scene->code, "as the test says");
    msg_begin(&answer, request->body, request->body_len, 0x8180);
    msg_txt(&answer, "_acme-challenge.example.com.", "by https");
    answer.data[1] ^= (unsigned char)scene->wrong_id;
    *ret = (struct http_response){.status = scene->status, .body = BUF(70000)};
    if (scene->content_type)
        strmap_set(&ret->headers, "content-type", scene->content_type);
    buf_add(&ret->body, answer.data, answer.len);
    return 0;
}

static int ask(struct scene *scene, struct dns_reply *reply, struct err *err)
{
    const struct dns_query query = {.name = "_acme-challenge.example.com", .type = DNS_TXT};
    cleanup(http_free) struct http *http = http_new_fake(serve, scene);
    struct context ctx = context_background(clock_system());
    cleanup(dns_free) struct dns *dns = NULL;
    struct dns_server server;
    int r;

    r = dns_server_parse("https://dns.example/dns-query", &server, err);
    if (r == 0)
        r = dns_new(http, &dns, err);
    if (r < 0)
        return r;
    return dns_exchange(dns, &ctx, &server, &query, reply, err);
}

/* cm#8803: the body of an answer over HTTPS had no limit. */
TEST(a_question_goes_over_https)
{
    struct scene scene = {.status = 200, .content_type = "application/dns-message"};
    cleanup(dns_reply_deinit) struct dns_reply reply = {};
    struct err err = {};

    ASSERT_OK(ask(&scene, &reply, &err));
    ASSERT_EQ(reply.answer_count, 1);
    ASSERT_STREQ(reply.answers[0].value, "by https");
}

TEST(answers_over_https_that_are_none_have_a_name)
{
    static const struct {
        struct scene scene;
        int code;
        const char *text;
    } cases[] = {
        {{.status = 503, .content_type = "application/dns-message"}, ERR_UNAVAILABLE, "503"},
        {{.status = 429, .content_type = "application/dns-message"}, ERR_UNAVAILABLE, "429"},
        {{.status = 403, .content_type = "application/dns-message"}, ERR_DENIED, "403"},
        {{.status = 404, .content_type = "application/dns-message"}, ERR_PROTOCOL, "404"},
        {{.status = 302, .content_type = "application/dns-message"}, ERR_PROTOCOL, "302"},
        {{.status = 200, .content_type = "text/html"}, ERR_PROTOCOL, "check the url"},
        {{.status = 200}, ERR_PROTOCOL, "check the url"},
        {{.status = 200, .content_type = "application/dns-message", .wrong_id = 1},
         ERR_PROTOCOL,
         "something else"},
        {{.code = ERR_TIMEOUT}, ERR_TIMEOUT, "as the test says"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct scene scene = cases[i].scene;
        struct dns_reply reply = {};
        struct err err = {};

        CASE(cases[i].text);
        ASSERT_ERR(cases[i].code, ask(&scene, &reply, &err));
        ASSERT_CONTAINS(err.text, cases[i].text);
        ASSERT_CONTAINS(err.text, "https://dns.example/dns-query");
    }
    CASE("");
}

TEST(without_http_there_is_no_dns_over_https)
{
    const struct dns_query query = {.name = "example.com", .type = DNS_TXT};
    const struct dns_server server = {.transport = DNS_HTTPS,
                                      .url = "https://dns.example/dns-query"};
    struct context ctx = context_background(clock_system());
    cleanup(dns_free) struct dns *dns = NULL;
    struct dns_reply reply = {};
    struct err err = {};

    ASSERT_OK(dns_new(NULL, &dns, &err));
    ASSERT_ERR(ERR_UNSUPPORTED, dns_exchange(dns, &ctx, &server, &query, &reply, &err));
}

RUN_TESTS(cmocka_unit_test(a_question_goes_over_https),
          cmocka_unit_test(answers_over_https_that_are_none_have_a_name),
          cmocka_unit_test(without_http_there_is_no_dns_over_https));
