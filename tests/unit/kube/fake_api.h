/*
 * fake_api.h - an API server as a list of answers, and what it was asked as text.
 *
 * Answers are taken in order, whatever is asked; a call beyond the last one ends the test. Texts are
 * written with ' for ". Requests are kept as "<method> <path and query>", the body and all headers
 * beside it.
 */
#ifndef UNIT_KUBE_FAKE_API_H
#define UNIT_KUBE_FAKE_API_H

#include <stdio.h>
#include <string.h>

#include "kube/client.h"
#include "kube/store.h"
#include "support/testing.h"
#include "json/json.h"

static const struct resource certificates = {"cert-manager.io", "v1", "Certificate",
                                             "certificates",    true, true};
static const struct resource cluster_issuers = {"cert-manager.io", "v1",  "ClusterIssuer",
                                                "clusterissuers",  false, true};
static const struct resource secrets = {
    "", "v1", "Secret", "secrets", true, false, .watched_without_owners = true};

struct fake_answer {
    int status;       /* 0: no answer, but `fails` */
    const char *body; /* NULL: none */
    const char *header, *value;
    int fails; /* an err_code */
};

#define FAKE_REQUESTS_MAX 64
struct fake_request {
    char *line;    /* "GET /api/v1/..." */
    char *body;    /* "" without */
    char *headers; /* "Name: value;" each */
    int64_t timeout_ms;
    bool repeatable;
    const char *proxy; /* lent from the config */
};

struct fake_api {
    struct fake_clock clock;
    struct context ctx;
    struct kube_config config;
    struct http *http;
    const struct fake_answer *answers; /* up to one that is zero */
    size_t next;
    struct fake_request requests[FAKE_REQUESTS_MAX];
    size_t count;
    int64_t waited_ms;
    int waits;
};

#define FAKE_SERVER "https://api.test:6443"

static inline char *fake_quoted(const char *text)
{
    char *copy = xstrdup(text);

    for (char *c = copy; c && *c; c++)
        if (*c == '\'')
            *c = '"';
    return copy;
}

static inline struct json *fake_json(const char *text)
{
    cleanup(xfree) char *quoted = fake_quoted(text);
    struct json *value = NULL;
    struct err err = {};

    ASSERT_OK(json_parse(quoted, strlen(quoted), strlen(quoted), &value, &err));
    return value;
}

static inline void fake_keep(struct fake_api *api, const struct http_request *request)
{
    struct fake_request *kept = &api->requests[api->count++];
    cleanup(buf_deinit) struct buf headers = BUF(64 * 1024);

    ASSERT_TRUE(api->count < FAKE_REQUESTS_MAX);
    ASSERT_TRUE(str_starts(request->url, FAKE_SERVER));
    kept->line = xasprintf("%s %s", request->method, request->url + strlen(FAKE_SERVER));
    kept->body = xstrndup(request->body ? request->body : "", request->body_len);
    kept->timeout_ms = request->timeout_ms;
    kept->repeatable = request->repeatable;
    kept->proxy = request->proxy;
    strmap_for_each (header, request->headers)
        buf_addf(&headers, "%s: %s;", header->key, header->value);
    kept->headers = xstrdup(buf_str(&headers));
}

static inline int fake_answer(void *arg, const struct context *ctx,
                              const struct http_request *request, struct http_response *ret,
                              struct err *err)
{
    struct fake_api *api = arg;
    const struct fake_answer *answer = &api->answers[api->next];
    cleanup(xfree) char *body = fake_quoted(answer->body);

    fake_keep(api, request);
    if (answer->status == 0 && answer->fails == 0)
        print_error("no answer for %s\n", api->requests[api->count - 1].line);
    ASSERT_TRUE(answer->status != 0 || answer->fails != 0);
    api->next++;
    if (answer->status == 0)
        return err_set(err, answer->fails, "connection lost");
    ret->status = answer->status;
    if (answer->header)
        strmap_set(&ret->headers, answer->header, answer->value);
    if (body)
        buf_add_str(&ret->body, body);
    return 0;
}

/* In place of the client's wait: the clock moves on. */
static inline int fake_wait(void *arg, const struct context *ctx, int64_t wait_ms, struct err *err)
{
    struct fake_api *api = arg;

    api->waits++;
    api->waited_ms += wait_ms;
    fake_clock_advance(&api->clock, wait_ms);
    return context_check(ctx, err);
}

static inline void fake_api_init(struct fake_api *api, const struct fake_answer *answers)
{
    *api = (struct fake_api){.answers = answers};
    fake_clock_init(&api->clock, AT("2026-01-01T00:00:00Z"));
    api->ctx = context_background(&api->clock.clock);
    api->config.cluster.server = FAKE_SERVER "/";
    api->config.user.token = "secret-token";
    api->http = http_new_fake(fake_answer, api);
}

/* A client of it. */
static inline struct kube *fake_api_kube(struct fake_api *api)
{
    return kube_new(&(struct kube_options){.config = &api->config,
                                           .http = api->http,
                                           .clock = &api->clock.clock,
                                           .wait = fake_wait,
                                           .wait_arg = api});
}

/* A store over it, or over the `http` of `options`, which holds what is not the same in each test. */
static inline struct store *fake_api_store(struct fake_api *api, struct store_kube_options options)
{
    struct store *store = NULL;
    struct err err = {};

    options.config = &api->config;
    options.http = options.http ? options.http : api->http;
    options.clock = &api->clock.clock;
    options.wait = fake_wait;
    options.wait_arg = api;
    options.notes_by_hand = true;
    ASSERT_OK(store_kube_open(&options, &store, &err));
    return store;
}

/* Every answer was asked for. */
static inline void fake_api_deinit(struct fake_api *api)
{
    for (size_t i = 0; i < api->count; i++) {
        xfree(api->requests[i].line);
        xfree(api->requests[i].body);
        xfree(api->requests[i].headers);
    }
    http_free(api->http);
    ASSERT_EQ(api->answers[api->next].status, 0);
    ASSERT_EQ(api->answers[api->next].fails, 0);
}

static inline const char *fake_line(const struct fake_api *api, size_t i)
{
    return i < api->count ? api->requests[i].line : NULL;
}

static inline const char *fake_body(const struct fake_api *api, size_t i)
{
    return i < api->count ? api->requests[i].body : NULL;
}

#endif
