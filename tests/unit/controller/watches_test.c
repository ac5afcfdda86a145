/* watches_test.c - what the caches' handlers conclude from the moment at which an object appears. */
#include <stdio.h>

#include "support/testing.h"

#include "api/kinds.h"
#include "cache/write.h"
#include "controller/caches.h"
#include "controller/placed.h"
#include "solver/secret_ref.h"
#include "store/local.h"

#define BEGIN AT("2026-01-01T00:00:10Z")

struct bed {
    struct fake_clock clock;
    struct controllers controllers;
    struct cache_source *orders;
};

static void bed_init(struct bed *bed)
{
    static const struct lane_options lanes[LANE_COUNT] = {};
    struct store_event end = {.type = STORE_BOOKMARK, .version = "1", .initial_end = true};
    struct err err = {};

    *bed = (struct bed){};
    fake_clock_init(&bed->clock, BEGIN);
    bed->controllers.clock = &bed->clock.clock;
    bed->controllers.queue = workqueue_new(&bed->clock.clock, lanes, LANE_COUNT);
    bed->controllers.placed = placed_new();
    bed->controllers.options.resource_namespace = "cert-manager";
    caches_init(&bed->controllers.caches);
    bed->controllers.issuers.accounts = accounts_new();
    bed->controllers.issuers.ca_keys = ca_keys_new(bed->controllers.caches.secrets);
    watches_add(&bed->controllers);
    bed->orders = cache_add_source(bed->controllers.caches.orders, NULL);
    cache_begin_list(bed->orders);
    ASSERT_OK(cache_apply(bed->orders, &end, &err)); /* nothing was there */
}

static void bed_deinit(struct bed *bed)
{
    caches_deinit(&bed->controllers.caches);
    placed_free(bed->controllers.placed);
    accounts_free(bed->controllers.issuers.accounts);
    derived_free(bed->controllers.issuers.ca_keys);
    workqueue_free(bed->controllers.queue);
}
DEFINE_CLEANUP_VALUE(struct bed, bed_deinit);

static void order_appears(struct bed *bed, const char *uid, const char *created)
{
    cleanup(xfree) char *text = xasprintf(
        "{\"apiVersion\": \"acme.cert-manager.io/v1\", \"kind\": \"Order\", \"metadata\": {\"name\": "
        "\"%s\", \"namespace\": \"a\", \"uid\": \"%s\", \"resourceVersion\": \"2\", "
        "\"creationTimestamp\": \"%s\"}, \"spec\": {\"request\": \"\", \"issuerRef\": {\"name\": "
        "\"acme\"}}}",
        uid, uid, created);
    struct store_event event = {.type = STORE_ADDED, .version = "2"};
    struct err err = {};

    ASSERT_OK(json_parse(text, strlen(text), SIZE_MAX, &event.object, &err));
    ASSERT_OK(cache_apply(bed->orders, &event, &err));
    store_event_deinit(&event);
}

static bool is_in_doubt(struct bed *bed, const char *uid)
{
    struct acme_order order = {};

    return placed_take(bed->controllers.placed, uid, &order) == PLACED_IN_DOUBT;
}

/* A killed leader's order must be looked for, however late the watch tells of its Order. */
TEST(an_order_that_is_older_than_our_work_is_in_doubt)
{
    static const struct {
        const char *name, *created;
        bool works, in_doubt;
    } rows[] = {
        {"standing-by", "2026-01-01T00:00:20Z", false, true},
        {"late-watch", "2026-01-01T00:00:09Z", true, true},
        {"ours", "2026-01-01T00:00:10Z", true, false},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(bed_deinit) struct bed bed = {};

        CASE(rows[i].name);
        bed_init(&bed);
        if (rows[i].works)
            controllers_begin(&bed.controllers);
        order_appears(&bed, rows[i].name, rows[i].created);
        ASSERT_EQ(is_in_doubt(&bed, rows[i].name), rows[i].in_doubt);
    }
}

/* --- Secrets of solvers --- */

static void solvers_begin(struct solvers *solvers, struct bed *bed)
{
    struct local_options options = {.clock = &bed->clock.clock, .resources = kind_resources};
    struct err err = {};

    solvers->values = solver_values_new(bed->controllers.caches.secrets);
    bed->controllers.solvers = solvers;
    ASSERT_OK(store_local_open(&options, &solvers->store, &err));
}

static void solvers_end(struct solvers *solvers)
{
    derived_free(solvers->values);
    store_close(solvers->store);
}
DEFINE_CLEANUP_VALUE(struct solvers, solvers_end);

static void write_secret(struct store *store, const struct context *ctx, const char *value)
{
    cleanup(xfree) char *text = xasprintf("{\"metadata\": {\"name\": \"tsig\", \"namespace\": "
                                          "\"a\"}, \"data\": {\"k\": \"%s\"}}",
                                          value);
    cleanup(json_unref) struct json *object = NULL;
    struct err err = {};

    ASSERT_OK(json_parse(text, strlen(text), SIZE_MAX, &object, &err));
    ASSERT_OK(store_apply(store, ctx, &kind_secret.resource, "test", object, NULL, &err));
}

static void expect_read(const struct solvers *solvers, const struct context *ctx, const char *value)
{
    const struct secret_key_selector ref = {.name = "tsig", .key = "k"};
    struct secret_source source = {
        .store = solvers->store, .values = solvers->values, .namespace = "a"};
    cleanup(buf_deinit) struct buf read = BUF_SECRET(64);
    struct err err = {};

    ASSERT_OK(secret_ref_read(&source, ctx, &ref, &read, &err));
    ASSERT_STREQ(buf_str(&read), value);
}

/* What no watch would tell the end of must not stay. */
TEST(a_solvers_secret_is_kept_as_long_as_the_cache_shows_it)
{
    cleanup(bed_deinit) struct bed bed = {};
    cleanup(solvers_end) struct solvers solvers = {};
    cleanup(reflector_free) struct reflector *reflector = NULL;
    struct key key = {.namespace = "a", .name = "tsig"};
    struct store_precondition any = {};
    struct context ctx;
    struct err err = {};

    bed_init(&bed);
    ctx = context_background(&bed.clock.clock);
    solvers_begin(&solvers, &bed);
    reflector = reflector_new(solvers.store,
                              cache_add_source(bed.controllers.caches.secrets, NULL));
    ASSERT_TRUE(reflector_step(reflector, &ctx, &err) >= 0);
    write_secret(solvers.store, &ctx, "b25l");
    expect_read(&solvers, &ctx, "one"); /* the cache has not heard of it */
    ASSERT_EQ(derived_len(solvers.values), 0);
    ASSERT_TRUE(reflector_step(reflector, &ctx, &err) >= 0);
    expect_read(&solvers, &ctx, "one");
    ASSERT_EQ(derived_len(solvers.values), 1);
    write_secret(solvers.store, &ctx, "dHdv");
    ASSERT_TRUE(reflector_step(reflector, &ctx, &err) >= 0);
    ASSERT_EQ(derived_len(solvers.values), 0);
    expect_read(&solvers, &ctx, "two");
    ASSERT_EQ(derived_len(solvers.values), 1);
    ASSERT_OK(store_delete(solvers.store, &ctx, &kind_secret.resource, &key, &any, &err));
    ASSERT_TRUE(reflector_step(reflector, &ctx, &err) >= 0);
    ASSERT_EQ(derived_len(solvers.values), 0);
}

static void write_issuer(struct store *store, const struct context *ctx, const char *secret)
{
    cleanup(xfree) char *text = xasprintf(
        "{\"metadata\": {\"name\": \"acme\", \"namespace\": \"a\"}, \"spec\": {\"acme\": {\"solvers\": "
        "[{\"dns01\": {\"rfc2136\": {\"tsigSecretSecretRef\": {\"name\": \"%s\"}}}}]}}}",
        secret);
    cleanup(json_unref) struct json *object = NULL;
    struct err err = {};

    ASSERT_OK(json_parse(text, strlen(text), SIZE_MAX, &object, &err));
    ASSERT_OK(store_apply(store, ctx, &kind_issuer.resource, "test", object, NULL, &err));
}

/* As of a status or an annotation: what the Issuer names is as before. */
static void touch_issuer(struct store *store, const struct context *ctx)
{
    cleanup(json_unref) struct json *patch = json_new_map();
    struct key key = {.namespace = "a", .name = "acme"};
    struct store_precondition any = {};
    struct err err = {};

    json_set_text(json_need_map(json_need_map(patch, "metadata"), "annotations"), "a", "b");
    json_set_text(json_need_map(json_need_map(patch, "status"), "acme"), "uri", "https://a.test/1");
    ASSERT_OK(
        store_patch(store, ctx, &kind_issuer.resource, &key, &any, "test", patch, NULL, &err));
}

TEST(a_solvers_secret_is_not_kept_when_its_issuer_names_it_no_more)
{
    cleanup(bed_deinit) struct bed bed = {};
    cleanup(solvers_end) struct solvers solvers = {};
    cleanup(reflector_free) struct reflector *secrets = NULL, *issuers = NULL;
    struct key key = {.namespace = "a", .name = "acme"};
    struct store_precondition any = {};
    struct context ctx;
    struct err err = {};

    bed_init(&bed);
    ctx = context_background(&bed.clock.clock);
    solvers_begin(&solvers, &bed);
    secrets = reflector_new(solvers.store, cache_add_source(bed.controllers.caches.secrets, NULL));
    issuers = reflector_new(solvers.store, cache_add_source(bed.controllers.caches.issuers, NULL));
    write_secret(solvers.store, &ctx, "b25l");
    write_issuer(solvers.store, &ctx, "tsig");
    ASSERT_TRUE(reflector_step(secrets, &ctx, &err) >= 0);
    ASSERT_TRUE(reflector_step(issuers, &ctx, &err) >= 0);
    expect_read(&solvers, &ctx, "one");
    touch_issuer(solvers.store, &ctx);
    ASSERT_TRUE(reflector_step(issuers, &ctx, &err) >= 0);
    ASSERT_EQ(derived_len(solvers.values), 1);
    write_issuer(solvers.store, &ctx, "another");
    ASSERT_TRUE(reflector_step(issuers, &ctx, &err) >= 0);
    ASSERT_EQ(derived_len(solvers.values), 0);
    write_issuer(solvers.store, &ctx, "tsig");
    ASSERT_TRUE(reflector_step(issuers, &ctx, &err) >= 0);
    expect_read(&solvers, &ctx, "one");
    ASSERT_OK(store_delete(solvers.store, &ctx, &kind_issuer.resource, &key, &any, &err));
    ASSERT_TRUE(reflector_step(issuers, &ctx, &err) >= 0);
    ASSERT_EQ(derived_len(solvers.values), 0);
}

/* --- CertificateSigningRequests --- */

#define SIGNING_AT(version, name, signer, annotations, status)                                     \
    "{\"apiVersion\": \"certificates.k8s.io/v1\", \"kind\": \"CertificateSigningRequest\", "       \
    "\"metadata\": {\"name\": \"" name "\", \"uid\": \"u-" name                                    \
    "\", \"resourceVersion\": \"" version "\", \"annotations\": {" annotations                     \
    "}}, \"spec\": {\"signerName\": \"" signer "\"}, \"status\": {" status "}}"
#define SIGNING(name, signer, annotations, status)                                                 \
    SIGNING_AT("2", name, signer, annotations, status)
#define KEY_IN(name) "\"experimental.cert-manager.io/private-key-secret-name\": \"" name "\""
#define APPROVED     "\"conditions\": [{\"type\": \"Approved\", \"status\": \"True\"}]"
#define OBJECT(kind, namespace, name, more)                                                                                   \
    "{\"kind\": \"" kind                                                                                                      \
    "\", \"metadata\": {\"namespace\": \"" namespace "\", \"name\": \"" name                                                  \
                                                     "\", \"uid\": \"u\", \"resourceVersion\": \"3\", \"generation\": 1" more \
                                                     "}, \"spec\": {\"ca\": {\"secretName\": \"ca\"}}}"

static void tell(struct cache_source *source, const char *text)
{
    struct store_event event = {.type = STORE_MODIFIED};
    struct err err = {};

    ASSERT_OK(json_parse(text, strlen(text), SIZE_MAX, &event.object, &err));
    (void)snprintf(event.version, sizeof(event.version), "%s",
                   json_as_text(json_path(event.object, "metadata.resourceVersion")));
    ASSERT_OK(cache_apply(source, &event, &err));
    store_event_deinit(&event);
}

static struct cache_source *synced(struct cache *cache)
{
    struct cache_source *source = cache_add_source(cache, NULL);
    struct store_event end = {.type = STORE_BOOKMARK, .version = "1", .initial_end = true};
    struct err err = {};

    cache_begin_list(source);
    ASSERT_OK(cache_apply(source, &end, &err));
    return source;
}

/* What is in the lane now, with commas; the queue is empty then. */
static char *woken(struct bed *bed, enum lane lane)
{
    cleanup(strlist_deinit) struct strlist names = {};
    struct work *work;

    while ((work = workqueue_try_get(bed->controllers.queue))) {
        if (work->lane == lane)
            strlist_add(&names, work->key.name);
        workqueue_done(bed->controllers.queue, work);
    }
    strlist_sort_unique(&names);
    return strlist_join(&names, ",");
}

struct sources {
    struct cache_source *signing_requests, *secrets, *issuers, *cluster_issuers;
};

static void sources_init(struct sources *sources, struct bed *bed)
{
    static const char *const requests[] = {
        SIGNING("by-key", "issuers.cert-manager.io/a.self", KEY_IN("key"), APPROVED),
        SIGNING("by-cluster-key", "clusterissuers.cert-manager.io/self", KEY_IN("key"), APPROVED),
        SIGNING("by-ca", "issuers.cert-manager.io/a.ca", "", APPROVED),
        SIGNING("by-cluster-ca", "clusterissuers.cert-manager.io/ca", "", APPROVED),
        SIGNING("signed", "issuers.cert-manager.io/a.ca", KEY_IN("key"),
                "\"certificate\": \"Y2VydA==\""),
        SIGNING("theirs", "example.com/ca", KEY_IN("key"), APPROVED),
    };
    struct caches *caches = &bed->controllers.caches;
    cleanup(xfree) char *first = NULL;

    sources->signing_requests = synced(caches->signing_requests);
    sources->secrets = synced(caches->secrets);
    sources->issuers = synced(caches->issuers);
    sources->cluster_issuers = synced(caches->cluster_issuers);
    tell(sources->issuers, OBJECT("Issuer", "a", "ca", ""));
    tell(sources->cluster_issuers, OBJECT("ClusterIssuer", "", "ca", ""));
    for (size_t i = 0; i < ARRAY_LEN(requests); i++)
        tell(sources->signing_requests, requests[i]);
    first = woken(bed, LANE_SIGNING_REQUESTS);
    ASSERT_STREQ(first, "by-ca,by-cluster-ca,by-cluster-key,by-key");
}

TEST(what_a_signing_request_waits_for_wakes_it)
{
    static const struct {
        const char *name, *object;
        size_t source; /* in struct sources */
        const char *woken;
    } rows[] = {
        {"its key", OBJECT("Secret", "a", "key", ""), offsetof(struct sources, secrets), "by-key"},
        {"a ClusterIssuer's", OBJECT("Secret", "cert-manager", "key", ""),
         offsetof(struct sources, secrets), "by-cluster-key"},
        {"elsewhere", OBJECT("Secret", "b", "key", ""), offsetof(struct sources, secrets), ""},
        {"a CA", OBJECT("Secret", "a", "ca", ""), offsetof(struct sources, secrets), "by-ca"},
        {"a ClusterIssuer's CA", OBJECT("Secret", "cert-manager", "ca", ""),
         offsetof(struct sources, secrets), "by-cluster-ca"},
        {"an Issuer", OBJECT("Issuer", "a", "self", ""), offsetof(struct sources, issuers),
         "by-key"},
        {"another's Issuer", OBJECT("Issuer", "b", "self", ""), offsetof(struct sources, issuers),
         ""},
        {"a ClusterIssuer", OBJECT("ClusterIssuer", "", "self", ""),
         offsetof(struct sources, cluster_issuers), "by-cluster-key"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(bed_deinit) struct bed bed = {};
        cleanup(solvers_end) struct solvers solvers = {};
        cleanup(xfree) char *names = NULL;
        struct sources sources;

        CASE(rows[i].name);
        bed_init(&bed);
        solvers_begin(&solvers, &bed);
        sources_init(&sources, &bed);
        tell(*(struct cache_source **)((char *)&sources + rows[i].source), rows[i].object);
        names = woken(&bed, LANE_SIGNING_REQUESTS);
        ASSERT_STREQ(names, rows[i].woken);
    }
}

#define OWNER(kind, name)                                                                          \
    ", \"ownerReferences\": [{\"kind\": \"" kind "\", \"name\": \"" name "\", \"uid\": \"u-" name  \
    "\", \"controller\": true}]"

#define ACME "issuers.cert-manager.io/a.acme"

TEST(an_order_wakes_its_signing_request_and_an_approval_the_order)
{
    cleanup(bed_deinit) struct bed bed = {};
    cleanup(xfree) char *requests = NULL, *orders = NULL, *again = NULL;
    struct cache_source *source;

    bed_init(&bed);
    source = synced(bed.controllers.caches.signing_requests);
    tell(source, SIGNING("web", ACME, "", ""));
    xfree(woken(&bed, LANE_ORDERS));
    tell(bed.orders, OBJECT("Order", "a", "web-1", OWNER("CertificateSigningRequest", "web")));
    requests = woken(&bed, LANE_SIGNING_REQUESTS);
    ASSERT_STREQ(requests, "web");
    tell(source, SIGNING_AT("4", "web", ACME, "", APPROVED));
    orders = woken(&bed, LANE_ORDERS);
    ASSERT_STREQ(orders, "web-1");
    tell(source, SIGNING_AT("5", "web", ACME, KEY_IN("key"), APPROVED));
    again = woken(&bed, LANE_ORDERS);
    ASSERT_STREQ(again, "");
}

TEST(the_end_of_a_request_wakes_its_order)
{
    static const char *const ends[] = {
        APPROVED ", \"certificate\": \"Y2VydA==\"",
        "\"conditions\": [{\"type\": \"Approved\", \"status\": \"True\"}, {\"type\": \"Failed\", "
        "\"status\": \"True\"}]",
    };

    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        cleanup(bed_deinit) struct bed bed = {};
        cleanup(xfree) char *text = xasprintf(SIGNING_AT("4", "web", ACME, "", "%s"), ends[i]);
        cleanup(xfree) char *orders = NULL, *requests = NULL;
        struct cache_source *source;

        CASE(ends[i]);
        bed_init(&bed);
        source = synced(bed.controllers.caches.signing_requests);
        tell(source, SIGNING("web", ACME, "", APPROVED));
        tell(bed.orders, OBJECT("Order", "a", "web-1", OWNER("CertificateSigningRequest", "web")));
        xfree(woken(&bed, LANE_ORDERS));
        tell(source, text);
        orders = woken(&bed, LANE_ORDERS);
        ASSERT_STREQ(orders, "web-1");
        requests = woken(&bed, LANE_SIGNING_REQUESTS);
        ASSERT_STREQ(requests, "");
    }
}

RUN_TESTS(cmocka_unit_test(what_a_signing_request_waits_for_wakes_it),
          cmocka_unit_test(an_order_wakes_its_signing_request_and_an_approval_the_order),
          cmocka_unit_test(the_end_of_a_request_wakes_its_order),
          cmocka_unit_test(an_order_that_is_older_than_our_work_is_in_doubt),
          cmocka_unit_test(a_solvers_secret_is_kept_as_long_as_the_cache_shows_it),
          cmocka_unit_test(a_solvers_secret_is_not_kept_when_its_issuer_names_it_no_more));
