#include "unit/store/place.h"

static struct fake_clock fake;

static struct store *new_store(void)
{
    struct local_options options = {.clock = &fake.clock};
    struct store *store = NULL;
    struct err err = {};

    fake_clock_init(&fake, AT("2026-01-01T00:00:00Z"));
    ASSERT_OK(store_local_open(&options, &store, &err));
    return store;
}

static void note(struct store *store, const char *name, const char *reason, const char *message)
{
    struct context ctx = context_background(&fake.clock);
    struct store_note what = {
        .resource = &widgets,
        .key = {.namespace = "default", .name = name},
        .uid = "1234",
        .type = EVENT_WARNING,
        .reason = reason,
        .message = message,
        .manager = "certlet-test",
    };

    store_note(store, &ctx, &what);
}

static struct json *events_of(struct store *store, const char *name)
{
    struct context ctx = context_background(&fake.clock);
    struct key key = {.namespace = "default", .name = name};
    struct json *list = NULL;
    struct err err = {};

    ASSERT_OK(store_local_events(store, &ctx, &widgets, name ? &key : NULL, &list, &err));
    return list;
}

TEST(an_event_has_what_events_k8s_io_v1_requires)
{
    cleanup(store_close) struct store *store = new_store();
    cleanup(json_unref) struct json *events = NULL;
    const struct json *event;

    note(store, "web", "Failed", "because");
    events = events_of(store, "web");
    event = json_at(events, 0);
    ASSERT_EQ(json_len(events), 1);
    ASSERT_STREQ(json_get_text(event, "apiVersion"), "events.k8s.io/v1");
    ASSERT_STREQ(json_get_text(event, "kind"), "Event");
    ASSERT_STREQ(json_get_text(event, "eventTime"), "2026-01-01T00:00:00.000000Z");
    ASSERT_STREQ(json_get_text(event, "type"), "Warning");
    ASSERT_STREQ(json_get_text(event, "reason"), "Failed");
    ASSERT_STREQ(json_get_text(event, "action"), "Failed");
    ASSERT_STREQ(json_get_text(event, "note"), "because");
    ASSERT_STREQ(json_get_text(event, "reportingController"), "certlet-test");
    ASSERT_TRUE(json_get_text(event, "reportingInstance"));
    ASSERT_STREQ(meta(event, "namespace"), "default");
    ASSERT_TRUE(str_starts(meta(event, "name"), "web."));
    ASSERT_STREQ(json_as_text(json_path(event, "regarding.kind")), "Widget");
    ASSERT_STREQ(json_as_text(json_path(event, "regarding.apiVersion")), "example.org/v1");
    ASSERT_STREQ(json_as_text(json_path(event, "regarding.uid")), "1234");
    ASSERT_NULL(json_get(event, "series"));
}

TEST(the_same_within_six_minutes_is_a_series)
{
    cleanup(store_close) struct store *store = new_store();
    cleanup(json_unref) struct json *events = NULL, *later = NULL;

    note(store, "web", "Failed", "because");
    fake_clock_advance(&fake, MINUTES(5));
    note(store, "web", "Failed", "because");
    fake_clock_advance(&fake, MINUTES(5));
    note(store, "web", "Failed", "because");
    note(store, "web", "Other", "because");
    note(store, "db", "Failed", "because");
    events = events_of(store, "web");
    ASSERT_EQ(json_len(events), 2);
    ASSERT_EQ(json_as_int(json_path(json_at(events, 0), "series.count"), 0), 3);
    ASSERT_STREQ(json_as_text(json_path(json_at(events, 0), "series.lastObservedTime")),
                 "2026-01-01T00:10:00.000000Z");
    fake_clock_advance(&fake, MINUTES(7));
    note(store, "web", "Failed", "because");
    later = events_of(store, "web");
    ASSERT_EQ(json_len(later), 3);
}

TEST(another_text_is_another_event_up_to_five)
{
    cleanup(store_close) struct store *store = new_store();
    cleanup(json_unref) struct json *events = NULL;
    const struct json *first, *last;

    for (int i = 1; i <= 20; i++) {
        cleanup(xfree) char *text = xasprintf("attempt %d", i);

        fake_clock_advance(&fake, 1000);
        note(store, "web", "Failed", text);
    }
    fake_clock_advance(&fake, 1000);
    note(store, "web", "Failed", "attempt 1");
    events = events_of(store, "web");
    ASSERT_EQ(json_len(events), 5);
    first = json_at(events, 4); /* in the order in which they were seen last */
    last = json_at(events, 3);
    ASSERT_STREQ(json_get_text(first, "note"), "attempt 1");
    ASSERT_EQ(json_as_int(json_path(first, "series.count"), 0), 2);
    ASSERT_STREQ(json_get_text(last, "note"), "attempt 20");
    ASSERT_EQ(json_as_int(json_path(last, "series.count"), 0), 16);
}

TEST(only_the_newest_hundred_of_an_object_are_kept)
{
    cleanup(store_close) struct store *store = new_store();
    cleanup(json_unref) struct json *events = NULL, *other = NULL;

    note(store, "db", "Failed", "because");
    for (int i = 0; i < 120; i++) {
        cleanup(xfree) char *reason = xasprintf("Reason%d", i);

        fake_clock_advance(&fake, 1000);
        note(store, "web", reason, "because");
    }
    events = events_of(store, "web");
    other = events_of(store, "db");
    ASSERT_EQ(json_len(events), 100);
    ASSERT_STREQ(json_get_text(json_at(events, 0), "reason"), "Reason20");
    ASSERT_STREQ(json_get_text(json_at(events, 99), "reason"), "Reason119");
    ASSERT_EQ(json_len(other), 1);
}

TEST(all_events_can_be_listed)
{
    cleanup(store_close) struct store *store = new_store();
    cleanup(json_unref) struct json *events = NULL;

    note(store, "web", "Failed", "because");
    fake_clock_advance(&fake, 1000);
    note(store, "db", "Failed", "because");
    events = events_of(store, NULL);
    ASSERT_EQ(json_len(events), 2);
    ASSERT_STREQ(json_as_text(json_path(json_at(events, 1), "regarding.name")), "db");
}

TEST(a_long_message_is_cut_between_characters)
{
    cleanup(store_close) struct store *store = new_store();
    cleanup(json_unref) struct json *events = NULL;
    char message[1200];
    const char *text;

    memset(message, 'x', sizeof(message));
    memcpy(message + 1023, "\xc3\xa4", 2);
    message[1199] = '\0';
    note(store, "web", "Failed", message);
    events = events_of(store, "web");
    text = json_get_text(json_at(events, 0), "note");
    ASSERT_EQ(strlen(text), 1023);
}

TEST(a_long_object_name_leaves_room_for_the_suffix)
{
    cleanup(store_close) struct store *store = new_store();
    cleanup(json_unref) struct json *events = NULL;
    char name[254];

    memset(name, 'a', 253);
    name[253] = '\0';
    note(store, name, "Failed", "because");
    events = events_of(store, name);
    ASSERT_TRUE(strlen(meta(json_at(events, 0), "name")) <= 253);
}

TEST(an_object_whose_name_is_no_dns_name_has_events_called_after_its_kind)
{
    cleanup(store_close) struct store *store = new_store();
    cleanup(json_unref) struct json *events = NULL;

    note(store, "Odd: name", "Failed", "because");
    events = events_of(store, "Odd: name");
    ASSERT_CONTAINS(meta(json_at(events, 0), "name"), "widgets.");
}

TEST(events_do_not_move_the_version)
{
    cleanup(store_close) struct store *store = new_store();
    cleanup(json_unref) struct json *one = create_widget(store, "one"), *two = NULL;

    note(store, "one", "Failed", "because");
    two = create_widget(store, "two");
    ASSERT_STREQ(meta(two, "resourceVersion"), "2");
}

RUN_TESTS(cmocka_unit_test(an_event_has_what_events_k8s_io_v1_requires),
          cmocka_unit_test(the_same_within_six_minutes_is_a_series),
          cmocka_unit_test(another_text_is_another_event_up_to_five),
          cmocka_unit_test(only_the_newest_hundred_of_an_object_are_kept),
          cmocka_unit_test(all_events_can_be_listed),
          cmocka_unit_test(a_long_message_is_cut_between_characters),
          cmocka_unit_test(a_long_object_name_leaves_room_for_the_suffix),
          cmocka_unit_test(an_object_whose_name_is_no_dns_name_has_events_called_after_its_kind),
          cmocka_unit_test(events_do_not_move_the_version));
