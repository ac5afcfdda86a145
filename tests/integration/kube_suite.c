/* kube_suite.c - the store suite on an API server. It has the kinds, and its controllers run. */
#include <stdio.h>

#include "integration/kube_store.h"
#include "support/store_suite.h"
#include "support/testing.h"

/* The garbage collector finds a new kind within 30 s, an API server is back in less; on a busy machine both take
 * a multiple of it. */
#define TEST_TIMEOUT_MS MINUTES(6)

static const struct resource namespaces = {"", "v1", "Namespace", "namespaces", false, true};
static const struct kube_server *server;

/* cmocka has no argument for it. */
static bool make_namespace(struct store_fixture *f, struct err *err)
{
    cleanup(json_unref) struct json *asked = json_new_map(), *made = NULL;

    json_set_text(json_need_map(asked, "metadata"), "generateName", "suite-");
    if (store_create(f->store, &f->ctx, &namespaces, NULL, asked, &made, err) < 0)
        return false;
    (void)snprintf(f->namespace, sizeof(f->namespace), "%s",
                   json_get_text(json_get(made, "metadata"), "name"));
    return true;
}

static bool open_store(struct store_fixture *f)
{
    struct context background = context_background(clock_system());
    struct err err = {};

    f->ctx = context_with_timeout(&background, TEST_TIMEOUT_MS);
    if (store_kube_open(&server->options, &f->store, &err) < 0 || !make_namespace(f, &err)) {
        print_error("%s\n", err.text);
        return false;
    }
    return true;
}

static void close_store(struct store_fixture *f)
{
    struct key key = {.namespace = "", .name = f->namespace};
    struct err err = {};

    ASSERT_OK(store_delete(f->store, &f->ctx, &namespaces, &key, NULL, &err));
    store_close(f->store);
}

static void compact(struct store_fixture *f)
{
    struct http_request request = {.method = "POST",
                                   .url = server->compact_url,
                                   .max_body = 1024,
                                   .timeout_ms = TEST_TIMEOUT_MS};
    cleanup(http_response_deinit) struct http_response response = {};
    struct err err = {};

    ASSERT_OK(http_do(server->http, &f->ctx, &request, &response, &err));
    ASSERT_EQ(response.status, 200);
}

int kube_suite(const struct kube_server *on)
{
    struct store_suite suite = {.open = open_store,
                                .close = close_store,
                                .compact = on->compact_url ? compact : NULL,
                                .collects = true};

    server = on;
    return store_suite_run("API server", &suite);
}
