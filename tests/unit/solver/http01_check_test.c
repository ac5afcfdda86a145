#include "secrets.h"
#include "server/server.h"
#include "solver/http01.h"
#include "solver/solver.h"
#include "unit/dns/zones.h"
#include "unit/http/peer.h"

#define TOKEN "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"
#define KEY   TOKEN ".9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI"
#define PATH  "/.well-known/acme-challenge/" TOKEN

/* --- against a scripted client --- */

struct script {
    int status, result; /* result negative: the call fails */
    const char *body;
    int calls;
    char url[512], connect[128];
    struct http_request request;
    bool skip_verify;
};

static int scripted(void *arg, const struct context *ctx, const struct http_request *request,
                    struct http_response *ret, struct err *err)
{
    struct script *script = arg;

    script->calls++;
    script->request = *request;
    script->skip_verify = request->tls && request->tls->skip_verify;
    snprintf(script->url, sizeof(script->url), "%s", request->url);
    snprintf(script->connect, sizeof(script->connect), "%s", str_or(request->connect_address, ""));
    if (script->result < 0)
        return err_set(err, script->result, "as the test says");
    ret->status = script->status;
    buf_add_str(&ret->body, script->body);
    return 0;
}

struct bed {
    struct script script;
    struct zones zones;
    struct server *server;
    struct solvers solvers;
    struct acme_solver solver;
    struct solver_task task;
    struct context ctx;
};

static const struct zone_row names[] = {
    {NULL,
     "www.example.com.",
     DNS_A,
     DNS_NOERROR,
     {{NULL, DNS_A, "127.0.0.1"}, {NULL, DNS_A, "192.0.2.2"}}},
    {NULL, "six.example.com.", DNS_AAAA, DNS_NOERROR, {{NULL, DNS_AAAA, "2001:db8::1"}}},
};

static void bed_init(struct bed *bed)
{
    struct err err = {};
    struct http01_options options = {.listen = "127.0.0.1:0"};

    *bed = (struct bed){.script = {.status = 200, .body = KEY}};
    bed->ctx = context_background(clock_system());
    ASSERT_OK(server_new(&bed->server, &err));
    options.server = bed->server;
    ASSERT_OK(http01_new(&options, &bed->solvers.http01, &err));
    bed->solvers.http = http_new_fake(scripted, &bed->script);
    bed->solvers.dns = zones_dns(&bed->zones, names, ARRAY_LEN(names));
    bed->solvers.http01_port = 80;
    bed->task = (struct solver_task){
        .dns_name = "www.example.com", .token = TOKEN, .key = KEY, .solver = &bed->solver};
}

static void bed_deinit(struct bed *bed)
{
    http01_free(bed->solvers.http01);
    server_free(bed->server);
    http_free(bed->solvers.http);
    dns_free(bed->solvers.dns);
    dns_servers_deinit(&bed->solvers.http01_resolvers);
}
DEFINE_CLEANUP_VALUE(struct bed, bed_deinit);

#define SETUP()                                                                                    \
    cleanup(bed_deinit) struct bed bed = {};                                                       \
    struct err err = {};                                                                           \
                                                                                                   \
    bed_init(&bed)

static int present(struct bed *bed, struct err *err)
{
    return solver_http01.present(&bed->solvers, &bed->ctx, &bed->task, err);
}

static int check(struct bed *bed, struct err *err)
{
    return solver_http01.check(&bed->solvers, &bed->ctx, &bed->task, err);
}

static int clean_up(struct bed *bed, struct err *err)
{
    return solver_http01.clean_up(&bed->solvers, &bed->ctx, &bed->task, err);
}

TEST(the_check_asks_as_a_ca_does)
{
    static const struct {
        const char *name;
        uint16_t port;
        const char *url;
    } cases[] = {
        {"www.example.com", 80, "http://www.example.com" PATH},
        {"www.example.com", 0, "http://www.example.com" PATH},
        {"www.example.com", 5002, "http://www.example.com:5002" PATH},
        {"192.0.2.1", 80, "http://192.0.2.1" PATH},
        {"2001:db8::1", 80, "http://[2001:db8::1]" PATH},
        {"2001:db8::1", 5002, "http://[2001:db8::1]:5002" PATH},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        SETUP();

        CASE(cases[i].url);
        bed.task.dns_name = cases[i].name;
        bed.solvers.http01_port = cases[i].port;
        ASSERT_OK(check(&bed, &err));
        ASSERT_STREQ(bed.script.url, cases[i].url);
        ASSERT_STREQ(bed.script.request.method, "GET");
        ASSERT_EQ(bed.script.request.timeout_ms, 10000);
        ASSERT_EQ(bed.script.request.max_redirects, 10);
        ASSERT_EQ(bed.script.request.max_body, 1024 * 1024);
        ASSERT_TRUE(bed.script.request.public_redirects_only);
        ASSERT_TRUE(bed.script.skip_verify);
        ASSERT_STREQ(bed.script.connect, "");
    }
}

TEST(nothing_but_the_key_and_200_passes_and_no_answer_is_quoted)
{
    static const struct {
        int status;
        const char *body, *text;
    } cases[] = {
        {404, "secret page", "status 404"},
        {500, KEY, "status 500"},
        {301, "", "status 301"},
        {200, "secret page", "another answer than the key"},
        {200, "", "another answer than the key"},
        {200, KEY "\n", "another answer than the key"},
        {200, TOKEN, "another answer than the key"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        SETUP();

        CASE(cases[i].text);
        bed.script.status = cases[i].status;
        bed.script.body = cases[i].body;
        ASSERT_ERR(ERR_UNAVAILABLE, check(&bed, &err));
        ASSERT_CONTAINS(err.text, cases[i].text);
        ASSERT_CONTAINS(err.text, "self-check of 'http://www.example.com'");
        ASSERT_NULL(strstr(err.text, "secret page"));
        ASSERT_NULL(strstr(err.text, TOKEN));
    }
}

TEST(what_the_client_reports_is_passed_up)
{
    static const int codes[] = {ERR_NETWORK, ERR_TIMEOUT, ERR_DENIED, ERR_CANCELED, ERR_BUSY};

    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        SETUP();

        bed.script.result = codes[i];
        ASSERT_ERR(codes[i], check(&bed, &err));
    }
}

TEST(resolvers_of_our_own_say_where_to_connect)
{
    SETUP();

    zones_servers(&bed.solvers.http01_resolvers, "192.0.2.53");
    ASSERT_OK(check(&bed, &err));
    ASSERT_STREQ(bed.script.url, "http://www.example.com" PATH);
    ASSERT_STREQ(bed.script.connect, "127.0.0.1:80");
    bed.task.dns_name = "six.example.com";
    ASSERT_OK(check(&bed, &err));
    ASSERT_STREQ(bed.script.connect, "[2001:db8::1]:80");
    bed.task.dns_name = "192.0.2.7";
    ASSERT_OK(check(&bed, &err));
    ASSERT_STREQ(bed.script.connect, "");
    bed.task.dns_name = "none.example.com";
    ASSERT_ERR(ERR_NOT_FOUND, check(&bed, &err));
}

TEST(the_next_address_is_tried_when_one_cannot_be_reached)
{
    SETUP();

    zones_servers(&bed.solvers.http01_resolvers, "192.0.2.53");
    bed.script.result = ERR_NETWORK;
    ASSERT_ERR(ERR_NETWORK, check(&bed, &err));
    ASSERT_EQ(bed.script.calls, 2);
    ASSERT_STREQ(bed.script.connect, "192.0.2.2:80");
    bed.script.result = ERR_TIMEOUT; /* the time is used up */
    ASSERT_ERR(ERR_TIMEOUT, check(&bed, &err));
    ASSERT_EQ(bed.script.calls, 3);
}

TEST(names_and_tokens_that_could_change_the_url_are_refused)
{
    static const struct {
        const char *name, *token;
    } cases[] = {
        {"127.0.0.1:6443", TOKEN},
        {"user@host", TOKEN},
        {"host/path", TOKEN},
        {"host?query", TOKEN},
        {"", TOKEN},
        {"*.example.com", TOKEN},
        {"www.example.com", "../x"},
        {"www.example.com", "a?b"},
        {"www.example.com", NULL},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        SETUP();

        CASE(cases[i].name);
        bed.task.dns_name = cases[i].name;
        bed.task.token = cases[i].token;
        ASSERT_ERR(ERR_INVALID, present(&bed, &err));
        ASSERT_ERR(ERR_INVALID, check(&bed, &err));
        ASSERT_OK(clean_up(&bed, &err));
        ASSERT_EQ(bed.script.calls, 0);
    }
}

TEST(without_anybody_to_answer_it_is_said)
{
    SETUP();

    http01_free(take(bed.solvers.http01));
    ASSERT_ERR(ERR_UNSUPPORTED, present(&bed, &err));
    ASSERT_CONTAINS(err.text, "HTTP-01 in a cluster is not built in this version");
    ASSERT_CONTAINS(err.text, "dns01 solver");
    ASSERT_CONTAINS(err.text, "'www.example.com'");
    ASSERT_OK(clean_up(&bed, &err));
    bed.task.dns_name = "192.0.2.1";
    ASSERT_ERR(ERR_UNSUPPORTED, present(&bed, &err));
    ASSERT_CONTAINS(err.text, "is not built in this version");
    ASSERT_NULL(strstr(err.text, "dns01"));
}

/* --- for real, on loopback --- */

static void use_real_client(struct bed *bed)
{
    struct err err = {};

    http_free(take(bed->solvers.http));
    ASSERT_OK(
        http_new(&(struct http_options){.user_agent = "certlet-test"}, &bed->solvers.http, &err));
    zones_servers(&bed->solvers.http01_resolvers, "192.0.2.53");
}

TEST(what_is_presented_passes_its_own_check)
{
    SETUP();

    use_real_client(&bed);
    ASSERT_OK(present(&bed, &err));
    ASSERT_OK(present(&bed, &err));
    bed.solvers.http01_port = http01_port(bed.solvers.http01);
    ASSERT_OK(check(&bed, &err));
    bed.task.key = "another.key";
    ASSERT_ERR(ERR_UNAVAILABLE, check(&bed, &err));
    bed.task.key = KEY;
    ASSERT_OK(clean_up(&bed, &err));
    ASSERT_EQ(http01_port(bed.solvers.http01), 0);
    ASSERT_ERR(ERR_NETWORK, check(&bed, &err));
}

TEST(an_address_is_proved_too)
{
    SETUP();

    use_real_client(&bed);
    bed.task.dns_name = "127.0.0.1";
    ASSERT_OK(present(&bed, &err));
    bed.solvers.http01_port = http01_port(bed.solvers.http01);
    ASSERT_OK(check(&bed, &err));
    ASSERT_OK(clean_up(&bed, &err));
}

/* incidents.md: HTTP-01 self-check followed redirects to internal hosts (cert-manager 2026-07) */
TEST(a_redirect_to_an_address_inside_is_not_followed)
{
    static const struct peer_answer answers[] = {
        {PATH,
         "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%PORT/inside\r\n"
         "Content-Length: 0\r\n\r\n",
         PEER_CUTS},
        {"/inside", "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret", PEER_CUTS},
        {},
    };
    struct peer *peer = peer_new(answers);
    SETUP();

    use_real_client(&bed);
    bed.solvers.http01_port = peer->port;
    ASSERT_ERR(ERR_DENIED, check(&bed, &err));
    ASSERT_NULL(strstr(err.text, "secret"));
    ASSERT_NULL(strstr(err.text, "inside"));
    peer_free(peer);
}

RUN_TESTS(cmocka_unit_test(the_check_asks_as_a_ca_does),
          cmocka_unit_test(nothing_but_the_key_and_200_passes_and_no_answer_is_quoted),
          cmocka_unit_test(what_the_client_reports_is_passed_up),
          cmocka_unit_test(resolvers_of_our_own_say_where_to_connect),
          cmocka_unit_test(the_next_address_is_tried_when_one_cannot_be_reached),
          cmocka_unit_test(names_and_tokens_that_could_change_the_url_are_refused),
          cmocka_unit_test(without_anybody_to_answer_it_is_said),
          cmocka_unit_test(what_is_presented_passes_its_own_check),
          cmocka_unit_test(an_address_is_proved_too),
          cmocka_unit_test(a_redirect_to_an_address_inside_is_not_followed));
