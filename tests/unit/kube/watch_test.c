/* watch_test.c - watches: how they begin, go on, and what ends them. */
#include "kube/store.h"

#include "unit/http/peer.h"
#include "unit/kube/fake_api.h"

#define EVENT(type, name, version)                                                                 \
    "{'type': '" type "', 'object': {'metadata': {'name': '" name                                  \
    "', 'resourceVersion': '" version "', 'managedFields': [{}]}}}\n"
#define BOOKMARK(version)                                                                          \
    "{'type': 'BOOKMARK', 'object': {'metadata': {'resourceVersion': '" version "'}}}\n"
#define INITIAL_END(version)                                                                       \
    "{'type': 'BOOKMARK', 'object': {'metadata': {'resourceVersion': '" version                    \
    "', 'annotations': {'k8s.io/initial-events-end': 'true'}}}}\n"

static struct fake_api api;
static struct store *store;

static void start(const struct fake_answer *answers)
{
    fake_api_init(&api, answers);
    store = fake_api_store(&api, (struct store_kube_options){});
}

static void finish(void)
{
    store_close(take(store));
    fake_api_deinit(&api);
}

static struct store_watch *watching_view(const struct resource *resource,
                                         const struct store_view *view, const char *since)
{
    struct store_watch *watch = NULL;
    struct err err = {};

    ASSERT_OK(store->ops->watch(store, &api.ctx, resource, view, since, &watch, &err));
    return watch;
}

static struct store_watch *watching(const struct resource *resource, const char *namespace,
                                    const char *since)
{
    return watching_view(resource, &(struct store_view){.namespace = namespace}, since);
}

/* "ADDED a 5", "BOOKMARK 7", "INITIAL 7" */
static void expect(struct store_watch *watch, const char *wanted)
{
    static const char *const names[] = {"ADDED", "MODIFIED", "DELETED", "BOOKMARK"};
    cleanup(store_event_deinit) struct store_event event = {};
    cleanup(xfree) char *is = NULL;
    struct err err = {};

    ASSERT_OK(store->ops->watch_next(watch, &api.ctx, &event, &err));
    if (event.object)
        is = xasprintf("%s %s %s", names[event.type],
                       json_as_text(json_path(event.object, "metadata.name")), event.version);
    else
        is = xasprintf("%s %s", event.initial_end ? "INITIAL" : names[event.type], event.version);
    ASSERT_STREQ(is, wanted);
}

static void expect_error(struct store_watch *watch, int code, const char *text)
{
    cleanup(store_event_deinit) struct store_event event = {};
    struct err err = {};

    ASSERT_ERR(code, store->ops->watch_next(watch, &api.ctx, &event, &err));
    ASSERT_CONTAINS(err.text, text);
}

/* Nothing comes until `ctx` ends with `code`. */
static void expect_end(struct store_watch *watch, const struct context *ctx, int code)
{
    struct store_event event = {};
    struct err err = {};

    ASSERT_ERR(code, store->ops->watch_next(watch, ctx, &event, &err));
}

static int64_t seconds_of(const char *line)
{
    const char *at = strstr(line, "timeoutSeconds=");

    return at ? strtoll(at + strlen("timeoutSeconds="), NULL, 10) : 0;
}

TEST(the_present_state_comes_in_the_stream_and_changes_follow)
{
    static const struct fake_answer answers[] = {
        {200, EVENT("ADDED", "a", "9") EVENT("ADDED", "b", "3") INITIAL_END("10")
                  EVENT("MODIFIED", "a", "11") BOOKMARK("12") EVENT("DELETED", "a", "13")},
        {}};
    struct store_watch *watch;
    int64_t seconds;

    start(answers);
    watch = watching(&certificates, NULL, NULL);
    ASSERT_TRUE(str_starts(fake_line(&api, 0), "GET /apis/cert-manager.io/v1/certificates?watch=1&"
                                               "allowWatchBookmarks=true&timeoutSeconds="));
    ASSERT_TRUE(
        str_ends(fake_line(&api, 0), "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"));
    seconds = seconds_of(fake_line(&api, 0));
    ASSERT_TRUE(seconds >= 300 && seconds < 600);
    ASSERT_TRUE(api.requests[0].timeout_ms > SECONDS(seconds));
    expect(watch, "ADDED a 9");
    expect(watch, "ADDED b 3");
    expect(watch, "INITIAL 10");
    expect(watch, "MODIFIED a 11");
    expect(watch, "BOOKMARK 12");
    expect(watch, "DELETED a 13");
    store_watch_close(watch);
    finish();
}

TEST(a_watch_goes_on_from_the_last_version_when_its_stream_ends)
{
    static const struct fake_answer answers[] = {
        {200, INITIAL_END("10") EVENT("ADDED", "a", "11")},
        {200, BOOKMARK("15") "{'type': 'MODIFIED', 'obj"}, /* cut */
        {200, EVENT("MODIFIED", "a", "16")},
        {410, "{'reason': 'Expired'}"},
        {}};
    struct store_watch *watch;

    start(answers);
    watch = watching(&certificates, "web", NULL);
    expect(watch, "INITIAL 10");
    expect(watch, "ADDED a 11");
    expect(watch, "BOOKMARK 15");
    expect(watch, "MODIFIED a 16");
    expect_error(watch, ERR_GONE, "watching certificates.cert-manager.io in namespace 'web'");
    ASSERT_TRUE(str_ends(fake_line(&api, 1), "&resourceVersion=11"));
    ASSERT_TRUE(str_ends(fake_line(&api, 2), "&resourceVersion=15"));
    ASSERT_TRUE(str_ends(fake_line(&api, 3), "&resourceVersion=16"));
    store_watch_close(watch);
    finish();
}

TEST(a_watch_since_a_version_asks_for_no_initial_state)
{
    static const struct fake_answer answers[] = {{200, EVENT("ADDED", "a", "8")}, {}};
    struct store_watch *watch;

    start(answers);
    watch = watching(&certificates, NULL, "7");
    ASSERT_TRUE(str_ends(fake_line(&api, 0), "&resourceVersion=7"));
    ASSERT_NULL(strstr(fake_line(&api, 0), "sendInitialEvents"));
    expect(watch, "ADDED a 8");
    store_watch_close(watch);
    finish();
}

TEST(a_stream_that_ends_within_the_initial_state_is_an_error)
{
    static const struct fake_answer answers[] = {{200, EVENT("ADDED", "a", "8")}, {}};
    struct store_watch *watch;

    start(answers);
    watch = watching(&certificates, NULL, NULL);
    expect(watch, "ADDED a 8");
    expect_error(watch, ERR_UNAVAILABLE, "before all objects were sent");
    store_watch_close(watch);
    finish();
}

TEST(a_stream_that_ends_at_once_is_an_error)
{
    static const struct fake_answer answers[] = {{200, ""}, {}};
    struct store_watch *watch;

    start(answers);
    watch = watching(&certificates, NULL, "7");
    expect_error(watch, ERR_UNAVAILABLE, "the server ended it at once");
    store_watch_close(watch);
    finish();
}

TEST(errors_inside_of_a_stream_are_told_apart)
{
    static const struct {
        const char *name, *line;
        int code;
    } rows[] = {
        {"compacted", "{'type': 'ERROR', 'object': {'code': 410, 'reason': 'Expired'}}\n",
         ERR_GONE},
        {"too many", "{'type': 'ERROR', 'object': {'code': 429, 'reason': 'TooManyRequests'}}\n",
         ERR_RATE_LIMITED},
        {"etcd", "{'type': 'ERROR', 'object': {'code': 500, 'reason': 'InternalError'}}\n",
         ERR_UNAVAILABLE},
        {"late", "{'type': 'ERROR', 'object': {'code': 504, 'reason': 'Timeout'}}\n",
         ERR_UNAVAILABLE}, /* ERR_TIMEOUT would say that the watch goes on */
        {"unknown", "{'type': 'SHOUT', 'object': {}}\n", ERR_PROTOCOL},
        {"no JSON", "{'type'\n", ERR_PROTOCOL},
        {"no version", "{'type': 'ADDED', 'object': {'metadata': {}}}\n", ERR_PROTOCOL},
        {"odd version", EVENT("ADDED", "a", "123456789012345678901234"), ERR_PROTOCOL},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fake_answer answers[] = {{200, rows[i].line}, {}};
        struct store_watch *watch;

        CASE(rows[i].name);
        start(answers);
        watch = watching(&certificates, NULL, "7");
        expect_error(watch, rows[i].code, "watching certificates.cert-manager.io");
        store_watch_close(watch);
        finish();
    }
}

TEST(a_server_without_initial_events_is_listed_page_by_page)
{
    static const struct fake_answer answers[] = {
        {422, "{'reason': 'Invalid'}"},
        {200, "{'metadata': {'resourceVersion': '20', 'continue': 'x+y'}, 'items': ["
              "{'metadata': {'name': 'a', 'resourceVersion': '9', 'managedFields': [{}]}}]}"},
        {200, "{'metadata': {'resourceVersion': '20'}, 'items': ["
              "{'metadata': {'name': 'b', 'resourceVersion': '3'}}]}"},
        {200, EVENT("MODIFIED", "a", "21")},
        {200, "{'metadata': {'resourceVersion': '22'}, 'items': null}"},
        {}};
    struct store_watch *watch;

    start(answers);
    watch = watching(&secrets, "web", NULL);
    expect(watch, "ADDED a 9");
    expect(watch, "ADDED b 3");
    expect(watch, "INITIAL 20");
    expect(watch, "MODIFIED a 21");
    store_watch_close(watch);
    ASSERT_STREQ(fake_line(&api, 1), "GET /api/v1/namespaces/web/secrets?limit=500");
    ASSERT_STREQ(fake_line(&api, 2), "GET /api/v1/namespaces/web/secrets?limit=500&continue=x%2By");
    ASSERT_TRUE(str_ends(fake_line(&api, 3), "&resourceVersion=20"));
    watch = watching(&secrets, "web", NULL); /* remembered */
    expect(watch, "INITIAL 22");
    store_watch_close(watch);
    finish();
}

TEST(a_watch_of_one_name_asks_for_no_other)
{
    static const struct fake_answer answers[] = {
        {422, "{'reason': 'Invalid'}"},
        {200, "{'metadata': {'resourceVersion': '20'}, 'items': ["
              "{'metadata': {'name': 'b', 'resourceVersion': '3'}}]}"},
        {200, EVENT("MODIFIED", "b", "21")},
        {}};
    struct store_view only_b = {.namespace = "web", .field_selector = "metadata.name=b"};
    struct store_watch *watch;

    start(answers);
    watch = watching_view(&secrets, &only_b, NULL);
    expect(watch, "ADDED b 3");
    expect(watch, "INITIAL 20");
    expect(watch, "MODIFIED b 21");
    store_watch_close(watch);
    for (size_t i = 0; i < 3; i++)
        ASSERT_CONTAINS(fake_line(&api, i), "&fieldSelector=metadata.name%3Db");
    finish();
}

TEST(a_page_that_is_too_large_is_asked_for_in_smaller_ones)
{
    static const struct fake_answer answers[] = {
        {400, "{'reason': 'BadRequest'}"},
        {.fails = ERR_TOO_LARGE},
        {.fails = ERR_TOO_LARGE},
        {.fails = ERR_TOO_LARGE},
        {200, "{'metadata': {'resourceVersion': '20'}, 'items': []}"},
        {}};
    struct store_watch *watch;

    start(answers);
    watch = watching(&secrets, NULL, NULL);
    expect(watch, "INITIAL 20");
    ASSERT_STREQ(fake_line(&api, 2), "GET /api/v1/secrets?limit=62");
    ASSERT_STREQ(fake_line(&api, 4), "GET /api/v1/secrets?limit=1");
    store_watch_close(watch);
    finish();
}

TEST(a_watch_that_is_denied_says_so_at_once)
{
    static const struct fake_answer answers[] = {{403, "{'reason': 'Forbidden'}"}, {}};
    struct store_watch *watch = NULL;
    struct err err = {};

    start(answers);
    ASSERT_ERR(ERR_DENIED, store->ops->watch(store, &api.ctx, &secrets, NULL, NULL, &watch, &err));
    ASSERT_CONTAINS(err.text, "needs verb 'watch' on 'secrets'");
    finish();
}

TEST(objects_come_complete_and_without_owners_where_nobody_asks_for_them)
{
    static const struct fake_answer answers[] = {
        {200, EVENT("ADDED", "a", "8")}, {200, EVENT("ADDED", "a", "8")}, {}};
    static const struct resource *const resources[] = {&secrets, &certificates};

    start(answers);
    for (size_t i = 0; i < ARRAY_LEN(resources); i++) {
        cleanup(store_watch_close) struct store_watch *watch = watching(resources[i], NULL, "7");
        cleanup(store_event_deinit) struct store_event event = {};
        struct err err = {};

        ASSERT_OK(store->ops->watch_next(watch, &api.ctx, &event, &err));
        ASSERT_STREQ(json_get_text(event.object, "kind"), resources[i]->kind);
        ASSERT_EQ(json_path(event.object, "metadata.managedFields") != NULL, i == 1);
    }
    finish();
}

/* One such object must not keep us from all others of its kind. */
TEST(an_object_that_only_go_reads_is_an_event_as_any_other)
{
    static const struct fake_answer answers[] = {
        {200, "{'type': 'ADDED', 'object': {'metadata': {'name': 'a', 'resourceVersion': '8'},"
              " 'spec': {'n': 100000000000000000000, 's': '\\u0000'}}}\n" EVENT("ADDED", "b", "9")},
        {400, "{'reason': 'Invalid'}"},
        {200, "{'metadata': {'resourceVersion': '9'}, 'items': [{'metadata': {'name': 'a',"
              " 'resourceVersion': '8'}, 'spec': {'s': '\\u0000'}}]}"},
        {}};
    struct store_watch *watch;

    start(answers);
    watch = watching(&certificates, NULL, "7");
    expect(watch, "ADDED a 8");
    expect(watch, "ADDED b 9");
    store_watch_close(watch);
    watch = watching(&certificates, NULL, NULL);
    expect(watch, "ADDED a 8");
    expect(watch, "INITIAL 9");
    store_watch_close(watch);
    finish();
}

/* An event with `len` bytes of data, as the server writes it. */
static char *event_of(const char *type, size_t len)
{
    char *filler = xalloc(len + 1);
    char *text;

    memset(filler, 'x', len);
    text = xasprintf(
        "{'type':'%s','object':{'metadata':{'name':'a','namespace':'b','resourceVersion':'8'},"
        "'data':{'k':'%s'}}}\n" EVENT("MODIFIED", "a", "9"),
        type, filler);
    xfree(filler);
    return text;
}

TEST(a_line_may_be_long_and_one_without_end_is_passed_over)
{
    cleanup(xfree) char *as_etcd_has_it = event_of("ADDED", 10 * 1024 * 1024);
    cleanup(xfree) char *longer = event_of("MODIFIED", 40 * 1024 * 1024);
    struct fake_answer answers[] = {
        {200, as_etcd_has_it}, {200, longer}, {200, EVENT("MODIFIED", "a", "10")}, {}};
    struct store_watch *watch;

    start(answers);
    watch = watching(&certificates, NULL, "7");
    expect(watch, "ADDED a 8");
    expect(watch, "MODIFIED a 9");
    expect(watch, "MODIFIED a 9"); /* the one before it was too long */
    expect(watch, "MODIFIED a 10");
    store_watch_close(watch);
    finish();
}

TEST(a_deletion_that_is_passed_over_is_found_by_a_list)
{
    cleanup(xfree) char *longer = event_of("DELETED", 20 * 1024 * 1024);
    struct fake_answer answers[] = {{200, longer}, {}};
    struct store_watch *watch;

    start(answers);
    watch = watching(&certificates, NULL, "7");
    expect(watch, "MODIFIED a 9");
    expect_error(watch, ERR_GONE, "a deletion was too long");
    store_watch_close(watch);
    finish();
}

TEST(a_view_becomes_parameters_and_a_smaller_answer)
{
    static const struct fake_answer answers[] = {
        {400, "{'reason': 'BadRequest'}"},
        {200, "{'metadata': {'resourceVersion': '7'}, 'items': [{'metadata': {'name': 'a',"
              " 'resourceVersion': '5'}}]}"},
        {200, EVENT("MODIFIED", "a", "8")},
        {}};
    struct store_view view = {.namespace = "web",
                              .label_selector = "controller.cert-manager.io/fao!=true",
                              .field_selector = "metadata.name=a",
                              .metadata_only = true};
    cleanup(store_event_deinit) struct store_event event = {};
    struct store_watch *watch;
    struct err err = {};

    start(answers);
    watch = watching_view(&secrets, &view, NULL);
    ASSERT_OK(store->ops->watch_next(watch, &api.ctx, &event, &err));
    ASSERT_STREQ(json_get_text(event.object, "kind"), PARTIAL_KIND);
    expect(watch, "INITIAL 7");
    expect(watch, "MODIFIED a 8");
    for (size_t i = 0; i < 3; i++) {
        ASSERT_CONTAINS(fake_line(&api, i),
                        "&labelSelector=controller.cert-manager.io%2Ffao%21%3Dtrue"
                        "&fieldSelector=metadata.name%3Da");
        ASSERT_CONTAINS(
            api.requests[i].headers,
            i == 1 ? "ccept: application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1;"
                   : "ccept: application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1;");
    }
    store_watch_close(watch);
    finish();
}

TEST(a_list_of_the_store_is_the_initial_state)
{
    static const struct fake_answer answers[] = {
        {200, EVENT("ADDED", "a", "9") EVENT("ADDED", "b", "3") INITIAL_END("10")}, {}};
    cleanup(json_unref) struct json *list = NULL;
    struct err err = {};

    start(answers);
    ASSERT_OK(store_list(store, &api.ctx, &certificates, "web", &list, &err));
    ASSERT_EQ(json_len(list), 2);
    finish();
}

/* --- over a connection --- */

#define HEAD "HTTP/1.1 200 OK\r\n\r\n"
#define LINE_8                                                                                     \
    "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"8\"}}}\n"
#define LINE_9                                                                                     \
    "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"b\",\"resourceVersion\":\"9\"}}}\n"
#define PATH "/api/v1/secrets"

static struct peer *peer;
static char *url;
static struct http *http;

static void start_over_connection(const struct peer_answer *answers)
{
    static const struct fake_answer none[] = {{}};
    struct err err = {};

    peer = peer_new(answers);
    url = peer_url(peer, "");
    ASSERT_OK(http_new(&(struct http_options){.user_agent = "test"}, &http, &err));
    fake_api_init(&api, none);
    api.config.cluster.server = url;
    store = fake_api_store(&api, (struct store_kube_options){.http = http});
}

static void finish_over_connection(void)
{
    store_close(take(store));
    http_free(take(http));
    fake_api_deinit(&api);
    xfree(take(url));
    peer_free(take(peer));
}

TEST(a_stream_without_a_byte_for_three_minutes_is_taken_for_dead)
{
    static const struct peer_answer answers[] = {
        {PATH, HEAD LINE_8, PEER_HOLDS, .only_first = 1}, {PATH, HEAD LINE_9, PEER_HOLDS}, {}};
    struct store_watch *watch;
    struct context soon;

    start_over_connection(answers);
    watch = watching(&secrets, NULL, "7");
    expect(watch, "ADDED a 8");
    fake_clock_advance(&api.clock, MINUTES(3) - 1);
    soon = context_with_timeout(&api.ctx, 0);
    expect_end(watch, &soon, ERR_TIMEOUT);
    ASSERT_EQ(peer_seen(peer)->requests, 1);
    fake_clock_advance(&api.clock, 1);
    expect(watch, "ADDED b 9");
    ASSERT_CONTAINS(peer_seen(peer)->last, "&resourceVersion=8 HTTP");
    store_watch_close(watch);
    finish_over_connection();
}

TEST(a_stream_that_brings_nothing_for_three_minutes_is_begun_anew)
{
    static const struct peer_answer answers[] = {{PATH, HEAD, PEER_HOLDS}, {}};
    struct store_watch *watch;

    start_over_connection(answers);
    watch = watching(&secrets, NULL, "1048"); /* of an etcd that was restored to 240 */
    fake_clock_advance(&api.clock, MINUTES(3));
    expect_error(watch, ERR_GONE, "has not come to the version");
    store_watch_close(watch);
    finish_over_connection();
}

TEST(a_watch_that_ran_into_the_callers_deadline_goes_on)
{
    static const struct peer_answer answers[] = {{PATH, HEAD LINE_8, PEER_HOLDS}, {}};
    cleanup(cancel_unref) struct cancel *cancel = cancel_new();
    struct store_watch *watch;
    struct context soon, canceled;

    start_over_connection(answers);
    watch = watching(&secrets, NULL, "7");
    expect(watch, "ADDED a 8");
    soon = context_with_timeout(&api.ctx, 0);
    expect_end(watch, &soon, ERR_TIMEOUT);
    canceled = context_with_cancel(&api.ctx, cancel);
    cancel_fire(cancel);
    expect_end(watch, &canceled, ERR_CANCELED);
    ASSERT_EQ(peer_seen(peer)->requests, 1);
    store_watch_close(watch);
    finish_over_connection();
}

RUN_TESTS(cmocka_unit_test(the_present_state_comes_in_the_stream_and_changes_follow),
          cmocka_unit_test(a_watch_goes_on_from_the_last_version_when_its_stream_ends),
          cmocka_unit_test(a_watch_since_a_version_asks_for_no_initial_state),
          cmocka_unit_test(a_stream_that_ends_within_the_initial_state_is_an_error),
          cmocka_unit_test(a_stream_that_ends_at_once_is_an_error),
          cmocka_unit_test(errors_inside_of_a_stream_are_told_apart),
          cmocka_unit_test(a_server_without_initial_events_is_listed_page_by_page),
          cmocka_unit_test(a_watch_of_one_name_asks_for_no_other),
          cmocka_unit_test(a_page_that_is_too_large_is_asked_for_in_smaller_ones),
          cmocka_unit_test(a_watch_that_is_denied_says_so_at_once),
          cmocka_unit_test(objects_come_complete_and_without_owners_where_nobody_asks_for_them),
          cmocka_unit_test(an_object_that_only_go_reads_is_an_event_as_any_other),
          cmocka_unit_test(a_line_may_be_long_and_one_without_end_is_passed_over),
          cmocka_unit_test(a_deletion_that_is_passed_over_is_found_by_a_list),
          cmocka_unit_test(a_view_becomes_parameters_and_a_smaller_answer),
          cmocka_unit_test(a_list_of_the_store_is_the_initial_state),
          cmocka_unit_test(a_stream_without_a_byte_for_three_minutes_is_taken_for_dead),
          cmocka_unit_test(a_stream_that_brings_nothing_for_three_minutes_is_begun_anew),
          cmocka_unit_test(a_watch_that_ran_into_the_callers_deadline_goes_on));
