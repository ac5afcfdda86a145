/* notes_test.c - Events: what is posted, when series are told, and what is given up. */
#include "kube/notes.h"

#include <stdlib.h>

#include "base/thread.h"
#include "unit/http/peer.h"
#include "unit/kube/fake_api.h"

#define EVENTS "/api/v1/namespaces/web/events"

static struct fake_api api;
static struct kube *kube;
static struct kube_notes *notes;

static void start(const struct fake_answer *answers)
{
    struct err err = {};

    fake_api_init(&api, answers);
    kube = fake_api_kube(&api);
    ASSERT_OK(kube_notes_new(
        &(struct kube_notes_options){.kube = kube, .instance = "pod-1", .by_hand = true}, &notes,
        &err));
}

static void finish(void)
{
    kube_notes_free(take(notes));
    kube_free(take(kube));
    fake_api_deinit(&api);
}

static struct store_note note_of(const char *name, const char *message)
{
    return (struct store_note){
        .resource = &certificates,
        .key = {.namespace = "web", .name = name},
        .uid = "u-1",
        .type = EVENT_WARNING,
        .reason = "Failed",
        .action = "Issuing",
        .message = message,
        .manager = "cert-manager-certificates",
    };
}

static void note(const char *name, const char *message)
{
    struct store_note one = note_of(name, message);

    kube_notes_add(notes, &one);
}

static int64_t turn(void)
{
    return kube_notes_turn(notes, &api.ctx);
}

static const char *body_text(size_t i, const char *path)
{
    static char text[2048];
    cleanup(json_unref) struct json *body = NULL;
    const char *value;
    struct err err = {};

    ASSERT_OK(json_parse(fake_body(&api, i), strlen(fake_body(&api, i)), 65536, &body, &err));
    value = json_as_text(json_path(body, path));
    snprintf(text, sizeof(text), "%s", value ? value : "");
    return text;
}

TEST(an_event_says_who_saw_what_about_which_object)
{
    static const struct fake_answer answers[] = {{201}, {}};

    start(answers);
    note("tls", "no luck");
    ASSERT_EQ(api.count, 0); /* the caller does not wait */
    (void)turn();
    ASSERT_STREQ(fake_line(&api, 0), "POST " EVENTS "?fieldManager=certlet");
    ASSERT_STREQ(
        fake_body(&api, 0),
        "{\"action\":\"Issuing\",\"apiVersion\":\"v1\",\"count\":1,\"eventTime\":"
        "\"2026-01-01T00:00:00.000000Z\",\"firstTimestamp\":\"2026-01-01T00:00:00Z\","
        "\"involvedObject\":{\"apiVersion\":\"cert-manager.io/v1\",\"kind\":\"Certificate\",\"name\":"
        "\"tls\",\"namespace\":\"web\",\"uid\":\"u-1\"},\"kind\":\"Event\","
        "\"lastTimestamp\":\"2026-01-01T00:00:00Z\",\"message\":\"no luck\",\"metadata\":{\"name\":"
        "\"tls.18867251edfa0000\",\"namespace\":\"web\"},\"reason\":\"Failed\","
        "\"reportingComponent\":\"cert-manager-certificates\",\"reportingInstance\":\"pod-1\","
        "\"source\":{\"component\":\"cert-manager-certificates\"},\"type\":\"Warning\"}");
    finish();
}

TEST(events_of_cluster_scoped_objects_are_in_default)
{
    static const struct fake_answer answers[] = {{201}, {}};
    struct store_note one = note_of("le", "x");

    start(answers);
    one.resource = &cluster_issuers;
    one.key.namespace = "";
    kube_notes_add(notes, &one);
    (void)turn();
    ASSERT_CONTAINS(fake_line(&api, 0), "/namespaces/default/events");
    ASSERT_STREQ(body_text(0, "metadata.namespace"), "default");
    ASSERT_STREQ(body_text(0, "involvedObject.namespace"), "");
    finish();
}

TEST(long_texts_are_cut_between_characters)
{
    static const struct fake_answer answers[] = {{201}, {}};
    char message[1100], name[254];

    memset(message, 'm', sizeof(message));
    memcpy(message + 1023, "\xc3\xa4", 3);
    memset(name, 'n', 253);
    name[253] = '\0';
    start(answers);
    note(name, message);
    (void)turn();
    ASSERT_EQ(strlen(body_text(0, "message")), 1023);
    ASSERT_EQ(strlen(body_text(0, "metadata.name")), 253);
    finish();
}

TEST(a_series_is_told_at_its_second_then_each_half_hour_then_at_its_end)
{
    static const struct fake_answer answers[] = {{201}, {200}, {200}, {200}, {201}, {}};

    start(answers);
    note("tls", "a");
    (void)turn();
    note("tls", "a");
    (void)turn();
    ASSERT_STREQ(fake_line(&api, 1), "PATCH " EVENTS "/tls.18867251edfa0000?fieldManager=certlet");
    ASSERT_STREQ(fake_body(&api, 1),
                 "{\"count\":2,\"lastTimestamp\":\"2026-01-01T00:00:00Z\","
                 "\"message\":\"a\",\"series\":{\"count\":2,\"lastObservedTime\":"
                 "\"2026-01-01T00:00:00.000000Z\"}}");
    for (int i = 0; i < 6; i++) { /* 30 minutes */
        fake_clock_advance(&api.clock, MINUTES(5));
        note("tls", "a");
        (void)turn();
    }
    ASSERT_EQ(api.count, 3);
    ASSERT_CONTAINS(fake_body(&api, 2), "\"count\":8");
    note("tls", "a");
    (void)turn();
    ASSERT_EQ(api.count, 3);
    fake_clock_advance(&api.clock, MINUTES(6));
    (void)turn();
    ASSERT_EQ(api.count, 4);
    ASSERT_CONTAINS(fake_body(&api, 3), "\"count\":9");
    note("tls", "a"); /* the series is over */
    (void)turn();
    ASSERT_TRUE(str_starts(fake_line(&api, 4), "POST "));
    finish();
}

/* Eight causes were one event with the last one's text, which was told a minute late. */
TEST(another_text_is_another_event)
{
    static const struct fake_answer answers[] = {{201}, {201}, {200}, {}};

    start(answers);
    note("tls", "the Secret does not exist");
    (void)turn();
    note("tls", "re-issuance triggered");
    (void)turn();
    ASSERT_TRUE(str_starts(fake_line(&api, 1), "POST "));
    ASSERT_CONTAINS(fake_body(&api, 1), "\"message\":\"re-issuance triggered\"");
    ASSERT_CONTAINS(fake_body(&api, 1), "\"count\":1,");
    note("tls", "the Secret does not exist");
    (void)turn();
    ASSERT_STREQ(fake_line(&api, 2), "PATCH " EVENTS "/tls.18867251edfa0000?fieldManager=certlet");
    ASSERT_CONTAINS(fake_body(&api, 2), "\"count\":2,");
    finish();
}

/* Texts with a count or a time do not become one event each. */
TEST(beyond_five_texts_of_a_kind_the_last_event_takes_them_all)
{
    static const struct fake_answer answers[] = {{201}, {201}, {201}, {201},
                                                 {201}, {200}, {200}, {}};

    start(answers);
    for (int i = 1; i <= 20; i++) {
        cleanup(xfree) char *text = xasprintf("attempt %d", i);

        note("tls", text);
        (void)turn();
    }
    ASSERT_EQ(api.count, 6);
    ASSERT_TRUE(str_starts(fake_line(&api, 4), "POST "));
    ASSERT_CONTAINS(fake_body(&api, 4), "\"message\":\"attempt 5\"");
    ASSERT_TRUE(str_starts(fake_line(&api, 5), "PATCH "));
    ASSERT_CONTAINS(fake_body(&api, 5), "\"message\":\"attempt 6\"");
    fake_clock_advance(&api.clock, MINUTES(1));
    (void)turn();
    ASSERT_EQ(api.count, 7);
    ASSERT_CONTAINS(fake_body(&api, 6), "\"message\":\"attempt 20\"");
    ASSERT_CONTAINS(fake_body(&api, 6), "\"count\":16");
    finish();
}

TEST(events_that_differ_in_reason_or_object_are_no_series)
{
    static const struct fake_answer answers[] = {{201}, {201}, {201}, {}};
    struct store_note other = note_of("tls", "a");

    start(answers);
    other.reason = "Other";
    note("tls", "a");
    note("web", "a");
    kube_notes_add(notes, &other);
    (void)turn();
    finish();
}

TEST(what_fails_for_a_while_is_tried_again_and_given_up_after_12_times)
{
    struct fake_answer answers[14] = {};

    for (int i = 0; i < 12; i++)
        answers[i] = (struct fake_answer){503};
    start(answers);
    note("tls", "a");
    for (int i = 0; i < 11; i++) {
        int64_t wait_ms = turn();

        ASSERT_EQ(api.count, i + 1);
        ASSERT_TRUE(wait_ms >= 7500 && wait_ms <= 12500);
        fake_clock_advance(&api.clock, wait_ms);
    }
    ASSERT_EQ(turn(), HOURS(1)); /* nothing left */
    ASSERT_EQ(api.count, 12);
    finish();
}

TEST(what_is_refused_is_dropped)
{
    static const struct fake_answer answers[] = {
        {403,
         "{'reason': 'Forbidden', 'details': {'causes': [{'reason': 'NamespaceTerminating'}]}}"},
        {}};

    start(answers);
    note("tls", "a");
    ASSERT_EQ(turn(), HOURS(1));
    finish();
}

TEST(an_event_the_server_has_forgotten_is_posted_anew)
{
    static const struct fake_answer answers[] = {
        {201}, {404, "{'reason': 'NotFound', 'details': {'name': 'x'}}"}, {201}, {}};

    start(answers);
    note("tls", "a");
    (void)turn();
    fake_clock_advance(&api.clock, MINUTES(5));
    note("tls", "a");
    (void)turn();
    ASSERT_TRUE(str_starts(fake_line(&api, 2), "POST "));
    ASSERT_CONTAINS(fake_body(&api, 2), "\"count\":2,");
    ASSERT_CONTAINS(fake_body(&api, 2), "\"firstTimestamp\":\"2026-01-01T00:00:00Z\"");
    ASSERT_CONTAINS(fake_body(&api, 2), "\"lastTimestamp\":\"2026-01-01T00:05:00Z\"");
    ASSERT_CONTAINS(fake_body(&api, 2), "\"series\":{\"count\":2,");
    finish();
}

/* Their number is counted by an API server that keeps nothing. */
static int count_call(void *arg, const struct context *ctx, const struct http_request *request,
                      struct http_response *ret, struct err *err)
{
    int *calls = arg;

    ++*calls;
    ret->status = 201;
    return 0;
}

TEST(beyond_a_thousand_that_wait_events_are_dropped)
{
    static const struct fake_answer answers[] = {{}};
    int calls = 0;

    start(answers);
    http_free(api.http);
    api.http = http_new_fake(count_call, &calls);
    kube_notes_free(take(notes));
    kube_free(take(kube));
    kube = fake_api_kube(&api);
    ASSERT_EQ(
        kube_notes_new(&(struct kube_notes_options){.kube = kube, .by_hand = true}, &notes, NULL),
        0);
    for (int i = 0; i < 1500; i++) {
        cleanup(xfree) char *name = xasprintf("tls-%d", i);

        note(name, "a");
    }
    (void)turn();
    ASSERT_EQ(calls, 1000);
    note("one-more", "a");
    (void)turn();
    ASSERT_EQ(calls, 1001);
    finish();
}

/* --- with its thread --- */

/* An API server that refuses all until it is better, and then only what is about one object. */
struct sick_api {
    struct mutex mutex;
    struct cond changed;
    int calls;
    bool better;
    int refused, taken; /* since then */
};

static int sick_call(void *arg, const struct context *ctx, const struct http_request *request,
                     struct http_response *ret, struct err *err)
{
    struct sick_api *sick = arg;
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&sick->mutex);
    bool takes = sick->better && !memmem(request->body, request->body_len, "bad", 3);

    ret->status = takes ? 201 : 500;
    sick->calls++;
    sick->taken += takes;
    sick->refused += sick->better && !takes;
    cond_broadcast(&sick->changed);
    return 0;
}

static void sick_gets_better(struct sick_api *sick, int after_calls)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&sick->mutex);

    while (sick->calls < after_calls)
        ASSERT_TRUE(cond_wait_for(&sick->changed, &sick->mutex, MINUTES(1)));
    sick->better = true;
}

TEST(an_event_that_is_refused_at_the_stop_does_not_keep_others_from_being_sent)
{
    static const struct fake_answer none[] = {{}};
    struct sick_api sick = {};
    struct err err = {};

    mutex_init(&sick.mutex);
    cond_init(&sick.changed);
    start(none);
    http_free(api.http);
    api.http = http_new_fake(sick_call, &sick);
    kube_notes_free(take(notes));
    kube_free(take(kube));
    kube = fake_api_kube(&api);
    ASSERT_OK(kube_notes_new(&(struct kube_notes_options){.kube = kube}, &notes, &err));
    note("bad", "a");
    note("b", "a");
    note("c", "a");
    sick_gets_better(&sick, 3);
    kube_notes_free(take(notes));
    ASSERT_EQ(sick.taken, 2);
    ASSERT_EQ(sick.refused, 1);
    finish();
    cond_deinit(&sick.changed);
    mutex_deinit(&sick.mutex);
}

/* --- over a connection --- */

TEST(what_waits_is_sent_when_the_store_closes)
{
    static const struct peer_answer answers[] = {
        {EVENTS, "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}"}, {}};
    struct peer *peer = peer_new(answers);
    cleanup(xfree) char *url = peer_url(peer, "");
    struct kube_config config = {.cluster = {.server = url}};
    struct context ctx = context_background(clock_system());
    struct store_note one = note_of("tls", "a");
    struct http *http = NULL;
    struct store *store = NULL;
    struct err err = {};

    ASSERT_OK(http_new(&(struct http_options){.user_agent = "test"}, &http, &err));
    ASSERT_OK(store_kube_open(
        &(struct store_kube_options){.config = &config, .http = http, .clock = clock_system()},
        &store, &err));
    store_note(store, &ctx, &one);
    store_close(take(store));
    ASSERT_EQ(peer_seen(peer)->requests, 1);
    ASSERT_CONTAINS(peer_seen(peer)->last, "\"reportingInstance\":\"certlet\"");
    http_free(http);
    peer_free(peer);
}

RUN_TESTS(
    cmocka_unit_test(an_event_says_who_saw_what_about_which_object),
    cmocka_unit_test(events_of_cluster_scoped_objects_are_in_default),
    cmocka_unit_test(long_texts_are_cut_between_characters),
    cmocka_unit_test(a_series_is_told_at_its_second_then_each_half_hour_then_at_its_end),
    cmocka_unit_test(another_text_is_another_event),
    cmocka_unit_test(beyond_five_texts_of_a_kind_the_last_event_takes_them_all),
    cmocka_unit_test(events_that_differ_in_reason_or_object_are_no_series),
    cmocka_unit_test(what_fails_for_a_while_is_tried_again_and_given_up_after_12_times),
    cmocka_unit_test(what_is_refused_is_dropped),
    cmocka_unit_test(an_event_the_server_has_forgotten_is_posted_anew),
    cmocka_unit_test(beyond_a_thousand_that_wait_events_are_dropped),
    cmocka_unit_test(an_event_that_is_refused_at_the_stop_does_not_keep_others_from_being_sent),
    cmocka_unit_test(what_waits_is_sent_when_the_store_closes));
