#include "store/local.h"

#include "support/left_behind.h"
#include "support/testing.h"

static const struct resource secrets = {
    .version = "v1", .kind = "Secret", .plural = "secrets", .namespaced = true};

#define SECRET(value)                                                                               \
    "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"x\",\"namespace\":\"n\"}," \
    "\"type\":\"Opaque\",\"data\":{\"k\":\"" value "\"}}"

static struct json *object_of(const char *text)
{
    struct json *object = NULL;
    struct err err = {};

    ASSERT_OK(json_parse(text, strlen(text), strlen(text), &object, &err));
    return object;
}

static void write_read_and_watch(struct store *store)
{
    cleanup(json_unref) struct json *object = object_of(SECRET("aHVudGVyMmh1bnRlcjI="));
    cleanup(json_unref) struct json *other = object_of(SECRET("AAAA")), *read = NULL;
    cleanup(store_watch_close) struct store_watch *watch = NULL;
    struct context ctx = context_background(clock_system());
    struct key key = {.namespace = "n", .name = "x"};
    struct store_event event = {};
    struct err err = {};

    ASSERT_OK(store_apply(store, &ctx, &secrets, "a", object, NULL, &err));
    ASSERT_OK(store_get(store, &ctx, &secrets, &key, &read, &err));
    ASSERT_OK(store->ops->watch(store, &ctx, &secrets, NULL, NULL, &watch, &err));
    ASSERT_OK(store->ops->watch_next(watch, &ctx, &event, &err));
    store_event_deinit(&event);
    ASSERT_OK(store_apply(store, &ctx, &secrets, "a", other, NULL, &err));
}

/* Also what the database in memory itself is made of, at its end. */
TEST(a_secret_that_was_stored_is_left_nowhere)
{
    struct local_options options = {.clock = clock_system()};
    struct store *store;
    struct err err = {};

    json_setup();
    ASSERT_TRUE(store_local_setup());
    left_behind_look_for("aHVudGVyMmh1bnRlcjI", 19);
    ASSERT_OK(store_local_open(&options, &store, &err));
    write_read_and_watch(store);
    store_close(store);
    ASSERT_EQ(left_behind_count(), 0);
}

RUN_TESTS(cmocka_unit_test(a_secret_that_was_stored_is_left_nowhere));
