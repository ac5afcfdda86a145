/* client_test.c - paths, headers, and which calls are tried again. */
#include "kube/client.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "unit/kube/fake_api.h"

static struct fake_api api;
static struct kube *kube;

static void start(const struct fake_answer *answers)
{
    fake_api_init(&api, answers);
    kube = fake_api_kube(&api);
}

static void finish(void)
{
    kube_free(take(kube));
    fake_api_deinit(&api);
}

static struct kube_call reading(const struct resource *resource, const char *namespace,
                                const char *name)
{
    return (struct kube_call){
        .about = {.doing = "reading",
                  .verb = "get",
                  .resource = resource,
                  .namespace = namespace,
                  .name = name},
        .method = "GET",
        .repeatable = true,
    };
}

static int ask(const struct kube_call *call, struct err *err)
{
    return kube_do(kube, &api.ctx, call, NULL, NULL, err);
}

TEST(paths_follow_from_resource_namespace_and_name)
{
    static const struct fake_answer answers[] = {{200}, {200}, {200}, {200}, {200}, {}};
    struct kube_call calls[] = {
        reading(&certificates, "web", "tls"), reading(&secrets, "web", "tls"),
        reading(&cluster_issuers, "", "le"),  reading(&secrets, NULL, NULL),
        reading(&certificates, "web", "tls"),
    };
    static const char *const lines[] = {
        "GET /apis/cert-manager.io/v1/namespaces/web/certificates/tls",
        "GET /api/v1/namespaces/web/secrets/tls",
        "GET /apis/cert-manager.io/v1/clusterissuers/le",
        "GET /api/v1/secrets?limit=5&continue=a%2Bb%20c%26%3D",
        "GET /apis/cert-manager.io/v1/namespaces/web/certificates/tls/status",
    };
    struct err err = {};

    start(answers);
    calls[3].params[0] = (struct kube_param){"limit", "5"};
    calls[3].params[1] = (struct kube_param){"left-out", NULL};
    calls[3].params[2] = (struct kube_param){"continue", "a+b c&="};
    calls[4].about.subresource = "status";
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        ASSERT_OK(ask(&calls[i], &err));
        ASSERT_STREQ(fake_line(&api, i), lines[i]);
    }
    finish();
}

TEST(a_name_does_not_lead_out_of_its_place)
{
    static const struct fake_answer answers[] = {{200}, {}};
    struct kube_call above = reading(&secrets, "web", "..");
    struct kube_call other = reading(&secrets, "web", "../x?y");
    struct err err = {};

    start(answers);
    ASSERT_ERR(ERR_INVALID, ask(&above, &err));
    ASSERT_OK(ask(&other, &err));
    ASSERT_STREQ(fake_line(&api, 0), "GET /api/v1/namespaces/web/secrets/..%2Fx%3Fy");
    finish();
}

TEST(a_body_goes_out_with_its_type_and_our_token)
{
    static const struct fake_answer answers[] = {{201, "{'a': 1}"}, {}};
    cleanup(json_unref) struct json *body = fake_json("{'b': 2}");
    cleanup(json_unref) struct json *ret = NULL;
    struct kube_call call = reading(&secrets, "web", "tls");
    struct err err = {};

    start(answers);
    call.method = "PATCH";
    call.body = body;
    call.content_type = "application/merge-patch+json";
    ASSERT_OK(kube_do(kube, &api.ctx, &call, &ret, NULL, &err));
    ASSERT_STREQ(fake_body(&api, 0), "{\"b\":2}");
    ASSERT_STREQ(api.requests[0].headers,
                 "Accept: application/json;Content-Type: application/merge-patch+json;"
                 "Authorization: Bearer secret-token;");
    ASSERT_EQ(json_get_int(ret, "a", 0), 1);
    finish();
}

TEST(proxy_and_compression_are_as_the_kubeconfig_says)
{
    static const struct fake_answer answers[] = {{200}, {200}, {}};
    struct kube_call call = reading(&secrets, "web", "tls");
    struct err err = {};

    start(answers);
    ASSERT_OK(ask(&call, &err));
    ASSERT_NULL(api.requests[0].proxy);
    api.config.cluster.proxy_url = "socks5://127.0.0.1:1080";
    api.config.cluster.disable_compression = true;
    ASSERT_OK(ask(&call, &err));
    ASSERT_STREQ(api.requests[1].proxy, "socks5://127.0.0.1:1080");
    ASSERT_CONTAINS(api.requests[1].headers, "Accept-Encoding: identity;");
    finish();
}

TEST(what_is_not_json_is_an_error)
{
    static const struct fake_answer answers[] = {{200, "<html>"}, {}};
    struct kube_call call = reading(&secrets, "web", "tls");
    cleanup(json_unref) struct json *ret = NULL;
    struct err err = {};

    start(answers);
    ASSERT_ERR(ERR_PROTOCOL, kube_do(kube, &api.ctx, &call, &ret, NULL, &err));
    ASSERT_STREQ(err.text, "reading secrets 'web/tls': the answer is not JSON");
    finish();
}

TEST(a_server_that_names_a_time_is_asked_again_then)
{
    static const struct fake_answer answers[] = {
        {429, NULL, "retry-after", "1"},
        {503, NULL, "retry-after", "2"},
        {500, "{'reason': 'ServerTimeout', 'details': {'retryAfterSeconds': 3}}"},
        {200},
        {}};
    struct kube_call call = reading(&secrets, "web", "tls");
    struct err err = {};

    start(answers);
    ASSERT_OK(ask(&call, &err));
    ASSERT_EQ(api.waited_ms, SECONDS(6));
    finish();
}

TEST(which_failures_end_a_call_at_once)
{
    static const struct {
        const char *name;
        struct fake_answer answer;
        bool repeatable;
        int code;
    } rows[] = {
        {"429 without a time", {429}, true, ERR_RATE_LIMITED},
        {"503 without a time", {503}, true, ERR_UNAVAILABLE},
        {"a long time", {429, NULL, "retry-after", "60"}, true, ERR_RATE_LIMITED},
        {"may have been done", {503, NULL, "retry-after", "1"}, false, ERR_UNAVAILABLE},
        {"lost, may have been done", {.fails = ERR_NETWORK}, false, ERR_NETWORK},
        {"forbidden", {403, NULL, "retry-after", "1"}, true, ERR_DENIED},
        {"a token that stays", {401}, true, ERR_STRANGER},
        {"timeout", {.fails = ERR_TIMEOUT}, true, ERR_TIMEOUT},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fake_answer answers[] = {rows[i].answer, {}};
        struct kube_call call = reading(&secrets, "web", "tls");
        struct err err = {};

        CASE(rows[i].name);
        start(answers);
        call.repeatable = rows[i].repeatable;
        ASSERT_ERR(rows[i].code, ask(&call, &err));
        ASSERT_EQ(api.count, 1);
        ASSERT_EQ(api.requests[0].repeatable, rows[i].repeatable);
        ASSERT_EQ(api.waits, 0);
        finish();
    }
}

TEST(a_time_that_is_too_late_for_us_is_an_error_that_carries_it)
{
    static const struct fake_answer answers[] = {{429, NULL, "retry-after", "5"}, {}};
    struct kube_call call = reading(&secrets, "web", "tls");
    struct context soon;
    struct err err = {};

    start(answers);
    soon = context_with_timeout(&api.ctx, SECONDS(4));
    ASSERT_ERR(ERR_RATE_LIMITED, kube_do(kube, &soon, &call, NULL, NULL, &err));
    ASSERT_EQ(err.retry_at_ms, AT("2026-01-01T00:00:05Z"));
    finish();
}

TEST(a_server_is_not_asked_again_without_end)
{
    struct fake_answer answers[12] = {};
    struct kube_call call = reading(&secrets, "web", "tls");
    struct err err = {};

    for (int i = 0; i < 11; i++)
        answers[i] = (struct fake_answer){503, NULL, "retry-after", "0"};
    start(answers);
    ASSERT_ERR(ERR_UNAVAILABLE, ask(&call, &err));
    ASSERT_EQ(api.count, 11);
    ASSERT_TRUE(api.waited_ms > 0);
    finish();
}

TEST(a_lost_connection_is_forgiven_once)
{
    static const struct fake_answer answers[] = {
        {.fails = ERR_NETWORK}, {200}, {.fails = ERR_NETWORK}, {.fails = ERR_NETWORK}, {}};
    struct kube_call call = reading(&secrets, "web", "tls");
    struct err err = {};

    start(answers);
    ASSERT_OK(ask(&call, &err));
    ASSERT_ERR(ERR_NETWORK, ask(&call, &err));
    ASSERT_STREQ(err.text, "reading secrets 'web/tls': connection lost");
    finish();
}

TEST(a_401_is_answered_with_a_fresh_token_once)
{
    static const struct fake_answer answers[] = {{401}, {200}, {401}, {401}, {}};
    char path[] = "/tmp/certlet-token-XXXXXX";
    struct kube_call call = reading(&secrets, "web", "tls");
    int fd = mkstemp(path);
    struct err err = {};

    ASSERT_EQ(write(fd, "old", 3), 3);
    start(answers);
    api.config.user.token_file = path;
    kube_free(kube);
    kube = fake_api_kube(&api);
    ASSERT_OK(ask(&call, &err));
    ASSERT_EQ(pwrite(fd, "new", 3, 0), 3);
    ASSERT_ERR(ERR_STRANGER, ask(&call, &err));
    ASSERT_CONTAINS(api.requests[2].headers, "Bearer old");
    ASSERT_CONTAINS(api.requests[3].headers, "Bearer new");
    fd_close(fd);
    ASSERT_EQ(remove(path), 0);
    finish();
}

static int warnings;
static void count_warning(void *arg, enum log_level level, const char *line)
{
    if (level == LOG_WARNING && strstr(line, "the API server warns: unknown field \"spec.x\""))
        warnings++;
}

TEST(a_warning_of_the_server_is_logged_once)
{
    static const struct fake_answer answers[] = {
        {200, NULL, "warning", "299 - \"unknown field \\\"spec.x\\\"\""},
        {200, NULL, "warning", "299 - \"unknown field \\\"spec.x\\\"\""},
        {}};
    struct kube_call call = reading(&secrets, "web", "tls");
    struct err err = {};

    start(answers);
    warnings = 0;
    log_set_sink(count_warning, NULL);
    ASSERT_OK(ask(&call, &err));
    ASSERT_OK(ask(&call, &err));
    log_set_sink(NULL, NULL);
    ASSERT_EQ(warnings, 1);
    finish();
}

TEST(a_stream_that_is_refused_says_why)
{
    static const struct fake_answer answers[] = {
        {410, "{'reason': 'Expired', 'message': 'too old'}"}, {200, "line"}, {}};
    struct kube_call call = reading(&secrets, NULL, NULL);
    cleanup(http_stream_close) struct http_stream *stream = NULL;
    cleanup(buf_deinit) struct buf got = BUF(100);
    struct kube_status status = {};
    struct err err = {};

    start(answers);
    ASSERT_ERR(ERR_GONE, kube_stream(kube, &api.ctx, &call, &stream, &status, &err));
    ASSERT_STREQ(status.reason, "Expired");
    ASSERT_OK(kube_stream(kube, &api.ctx, &call, &stream, &status, &err));
    ASSERT_CONTAINS(api.requests[1].headers, "Accept-Encoding: identity;");
    ASSERT_OK(http_stream_read(stream, &api.ctx, &got, &err));
    ASSERT_STREQ(buf_str(&got), "line");
    http_stream_close(take(stream));
    finish();
}

static void note_observation(void *arg, const struct kube_observation *observation)
{
    struct buf *seen = arg;

    buf_addf(seen, "%s %s %d %s;", observation->method, observation->host, observation->status,
             observation->duration_ms < 0 ? "stream" : "call");
}

TEST(each_try_is_observed_and_no_wait)
{
    static const struct fake_answer answers[] = {
        {503, NULL, "retry-after", "2"}, {.fails = ERR_NETWORK}, {200, "{}"}, {403, "{}"}, {}};
    struct kube_call call = reading(&secrets, "web", "tls");
    cleanup(http_stream_close) struct http_stream *stream = NULL;
    cleanup(buf_deinit) struct buf seen = BUF(1000);
    struct err err = {};

    fake_api_init(&api, answers);
    kube = kube_new(&(struct kube_options){.config = &api.config,
                                           .http = api.http,
                                           .clock = &api.clock.clock,
                                           .wait = fake_wait,
                                           .wait_arg = &api,
                                           .observe = note_observation,
                                           .observe_arg = &seen});
    ASSERT_OK(ask(&call, &err));
    ASSERT_ERR(ERR_DENIED, kube_stream(kube, &api.ctx, &call, &stream, NULL, &err));
    ASSERT_STREQ(buf_str(&seen), "GET api.test:6443 503 call;GET api.test:6443 0 call;"
                                 "GET api.test:6443 200 call;GET api.test:6443 403 stream;");
    finish();
}

RUN_TESTS(cmocka_unit_test(paths_follow_from_resource_namespace_and_name),
          cmocka_unit_test(a_name_does_not_lead_out_of_its_place),
          cmocka_unit_test(a_body_goes_out_with_its_type_and_our_token),
          cmocka_unit_test(proxy_and_compression_are_as_the_kubeconfig_says),
          cmocka_unit_test(what_is_not_json_is_an_error),
          cmocka_unit_test(a_server_that_names_a_time_is_asked_again_then),
          cmocka_unit_test(which_failures_end_a_call_at_once),
          cmocka_unit_test(a_time_that_is_too_late_for_us_is_an_error_that_carries_it),
          cmocka_unit_test(a_server_is_not_asked_again_without_end),
          cmocka_unit_test(a_lost_connection_is_forgiven_once),
          cmocka_unit_test(a_401_is_answered_with_a_fresh_token_once),
          cmocka_unit_test(a_warning_of_the_server_is_logged_once),
          cmocka_unit_test(a_stream_that_is_refused_says_why),
          cmocka_unit_test(each_try_is_observed_and_no_wait));
