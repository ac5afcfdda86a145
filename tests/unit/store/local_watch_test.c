/*
 * Watches of the local store among threads, connections and processes.
 */
#include <sys/wait.h>

#include "base/thread.h"
#include "unit/store/place.h"

#define PATIENCE SECONDS(30) /* for what comes at once unless something is broken */

static struct store_watch *watch_since(struct store *store, const char *since)
{
    struct context ctx = context_background(clock_system());
    struct store_watch *watch = NULL;
    struct err err = {};

    ASSERT_OK(store->ops->watch(store, &ctx, &widgets, NULL, since, &watch, &err));
    return watch;
}

static int next(struct store_watch *watch, int64_t timeout_ms, struct store_event *ret,
                struct err *err)
{
    struct context ctx = context_background(clock_system());

    ctx = context_with_timeout(&ctx, timeout_ms);
    return watch->store->ops->watch_next(watch, &ctx, ret, err);
}

static void expect(struct store_watch *watch, enum store_event_type type, const char *name)
{
    cleanup(store_event_deinit) struct store_event event = {};
    struct err err = {};

    ASSERT_OK(next(watch, PATIENCE, &event, &err));
    ASSERT_EQ(event.type, type);
    ASSERT_STREQ(meta(event.object, "name"), name);
}

static void expect_initial_end(struct store_watch *watch)
{
    cleanup(store_event_deinit) struct store_event event = {};
    struct err err = {};

    ASSERT_OK(next(watch, PATIENCE, &event, &err));
    ASSERT_TRUE(event.initial_end);
}

static void expect_nothing(struct store_watch *watch)
{
    cleanup(store_event_deinit) struct store_event event = {};
    struct err err = {};

    ASSERT_ERR(ERR_TIMEOUT, next(watch, 0, &event, &err));
}

static struct json *set_value(struct store *store, const char *name, const char *value)
{
    struct context ctx = context_background(clock_system());
    struct key key = {.namespace = "default", .name = name};
    cleanup(json_unref) struct json *patch = json_new_map();
    struct json *ret = NULL;
    struct err err = {};

    json_set_text(json_need_map(patch, "spec"), "value", value);
    ASSERT_OK(store_patch(store, &ctx, &widgets, &key, NULL, "test", patch, &ret, &err));
    return ret;
}

static void delete_widget(struct store *store, const char *name)
{
    struct context ctx = context_background(clock_system());
    struct key key = {.namespace = "default", .name = name};
    struct err err = {};

    ASSERT_OK(store_delete(store, &ctx, &widgets, &key, NULL, &err));
}

static void create_many(struct store *store, int from, int to)
{
    for (int i = from; i < to; i++) {
        cleanup(xfree) char *name = xasprintf("w%05d", i);
        cleanup(json_unref) struct json *object = create_widget(store, name);
    }
}

TEST(two_connections_see_each_other)
{
    cleanup(place_deinit) struct place place = {};
    cleanup(store_close) struct store *one = NULL, *two = NULL;
    cleanup(store_watch_close) struct store_watch *watch = NULL;
    cleanup(json_unref) struct json *first = NULL, *second = NULL;

    place_init(&place);
    one = store_at(place.path);
    two = store_at(place.path);
    watch = watch_since(one, NULL);
    expect_initial_end(watch);
    first = create_widget(two, "from-two");
    ASSERT_TRUE(widget_is_there(one, "from-two"));
    expect(watch, STORE_ADDED, "from-two");
    second = create_widget(one, "from-one");
    ASSERT_TRUE(widget_is_there(two, "from-one"));
    expect(watch, STORE_ADDED, "from-one");
}

struct writer {
    struct store *store;
    char name[32];
    struct json *object;
};

static void write_one(void *arg)
{
    struct writer *writer = arg;

    writer->object = create_widget(writer->store, writer->name);
}

/* Often enough that the write meets the watch both before and in its wait. */
static void wait_while_written(struct store *reader, struct store *through)
{
    cleanup(store_watch_close) struct store_watch *watch = watch_since(reader, NULL);

    expect_initial_end(watch);
    for (int i = 0; i < 30; i++) {
        struct writer writer = {.store = through};
        struct thread *thread = NULL;
        struct err err = {};

        snprintf(writer.name, sizeof(writer.name), "late-%d", i);
        ASSERT_OK(thread_start("late-writer", write_one, &writer, &thread, &err));
        expect(watch, STORE_ADDED, writer.name);
        thread_join(thread);
        json_unref(writer.object);
    }
}

static bool next_has_owners(struct store_watch *watch)
{
    cleanup(store_event_deinit) struct store_event event = {};
    struct err err = {};

    ASSERT_OK(next(watch, PATIENCE, &event, &err));
    ASSERT_STREQ(meta(event.object, "name"), "a");
    return json_path(event.object, "metadata.managedFields");
}

TEST(a_watch_comes_without_owners_where_nobody_asks_for_them)
{
    cleanup(place_deinit) struct place place = {};
    cleanup(store_close) struct store *store = NULL;
    cleanup(json_unref) struct json *object = NULL, *changed = NULL;
    struct context ctx = context_background(clock_system());

    place_init(&place);
    store = store_at(place.path);
    object = create_widget(store, "a");
    ASSERT_TRUE(json_path(object, "metadata.managedFields"));
    for (int i = 0; i < 2; i++) {
        struct resource resource = widgets;
        cleanup(store_watch_close) struct store_watch *watch = NULL;
        struct err err = {};

        resource.watched_without_owners = i;
        ASSERT_OK(store->ops->watch(store, &ctx, &resource, NULL, NULL, &watch, &err));
        ASSERT_EQ(next_has_owners(watch), !i);
        expect_initial_end(watch);
        json_unref(changed);
        changed = set_value(store, "a", i ? "x" : "y");
        ASSERT_EQ(next_has_owners(watch), !i);
    }
    ASSERT_TRUE(json_path(changed, "metadata.managedFields")); /* stored all the same */
}

TEST(a_waiting_watch_wakes_for_a_write_of_its_own_process)
{
    cleanup(place_deinit) struct place place = {};
    cleanup(store_close) struct store *store = NULL;

    place_init(&place);
    store = store_at(place.path);
    wait_while_written(store, store);
}

TEST(a_waiting_watch_wakes_for_a_write_in_memory)
{
    cleanup(store_close) struct store *store = store_at(NULL);

    wait_while_written(store, store);
}

TEST(a_waiting_watch_wakes_for_a_write_through_another_connection)
{
    cleanup(place_deinit) struct place place = {};
    cleanup(store_close) struct store *one = NULL, *two = NULL;

    place_init(&place);
    one = store_at(place.path);
    two = store_at(place.path);
    wait_while_written(one, two);
}

/* Waits for a byte, writes one object, ends: the part of another process. */
static void be_other_process(int fd, const char *path)
{
    char go;
    int status = 1;

    if (read(fd, &go, 1) == 1) {
        cleanup(store_close) struct store *store = store_at(path);
        cleanup(json_unref) struct json *object = create_widget(store, "foreign");

        status = 0;
    }
    _exit(status);
}

TEST(a_waiting_watch_wakes_for_a_write_of_another_process)
{
    cleanup(place_deinit) struct place place = {};
    cleanup(store_close) struct store *store = NULL;
    cleanup(store_watch_close) struct store_watch *watch = NULL;
    int fds[2], status;
    pid_t child;

    place_init(&place);
    ASSERT_EQ(pipe(fds), 0);
    child = fork(); /* before this process opens the file: SQLite's locks do not fork */
    if (child == 0)
        be_other_process(fds[0], place.path);
    store = store_at(place.path);
    watch = watch_since(store, NULL);
    expect_initial_end(watch);
    ASSERT_EQ(write(fds[1], "!", 1), 1);
    expect(watch, STORE_ADDED, "foreign");
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_EQ(status, 0);
    fd_close(fds[0]);
    fd_close(fds[1]);
}

static void fire(void *arg)
{
    cancel_fire(arg);
}

TEST(a_cancel_wakes_a_waiting_watch)
{
    cleanup(store_close) struct store *store = store_at(NULL);
    cleanup(cancel_unref) struct cancel *cancel = cancel_new();
    struct context ctx = context_background(clock_system());
    cleanup(store_watch_close) struct store_watch *watch = watch_since(store, NULL);
    cleanup(store_event_deinit) struct store_event event = {};
    struct thread *thread = NULL;
    struct err err = {};

    expect_initial_end(watch);
    ctx = context_with_cancel(&ctx, cancel);
    ASSERT_OK(thread_start("canceller", fire, cancel, &thread, &err));
    ASSERT_ERR(ERR_CANCELED, store->ops->watch_next(watch, &ctx, &event, &err));
    thread_join(thread);
}

struct crowd {
    struct store *store;
    int number;
};

static void write_in_crowd(void *arg)
{
    struct crowd *crowd = arg;

    create_many(crowd->store, crowd->number * 100, crowd->number * 100 + 25);
}

TEST(many_writers_and_a_watch_agree_on_every_change_in_order)
{
    cleanup(place_deinit) struct place place = {};
    cleanup(store_close) struct store *one = NULL, *two = NULL;
    cleanup(store_watch_close) struct store_watch *watch = NULL;
    struct crowd crowd[4];
    struct thread *threads[4] = {};
    char version[24] = "0";
    struct err err = {};

    place_init(&place);
    one = store_at(place.path);
    two = store_at(place.path);
    watch = watch_since(one, "0");
    for (int i = 0; i < 4; i++) {
        crowd[i] = (struct crowd){.store = i % 2 ? one : two, .number = i};
        ASSERT_OK(thread_start("writer", write_in_crowd, &crowd[i], &threads[i], &err));
    }
    for (int i = 0; i < 100; i++) {
        cleanup(store_event_deinit) struct store_event event = {};

        ASSERT_OK(next(watch, PATIENCE, &event, &err));
        ASSERT_EQ(version_compare(version, event.version), -1);
        snprintf(version, sizeof(version), "%s", event.version);
    }
    for (int i = 0; i < 4; i++)
        thread_join(threads[i]);
    expect_nothing(watch);
}

TEST(changes_during_the_listing_never_set_an_object_back)
{
    cleanup(store_close) struct store *store = store_at(NULL);
    cleanup(store_watch_close) struct store_watch *watch = NULL;
    cleanup(json_unref) struct json *last = NULL, *new = NULL;
    cleanup(store_event_deinit) struct store_event event = {};
    struct err err = {};

    create_many(store, 0, 200);
    watch = watch_since(store, NULL);
    expect(watch, STORE_ADDED, "w00000"); /* the first batch is read */
    json_unref(set_value(store, "w00199", "2"));
    last = set_value(store, "w00199", "3");
    new = create_widget(store, "a-new-one"); /* where the listing has been */
    delete_widget(store, "w00001");          /* will have been told as added */
    delete_widget(store, "w00198");          /* not told */
    for (int i = 1; i < 198; i++) {
        char name[32];

        snprintf(name, sizeof(name), "w%05d", i);
        expect(watch, STORE_ADDED, name);
    }
    ASSERT_OK(next(watch, PATIENCE, &event, &err));
    ASSERT_STREQ(meta(event.object, "name"), "w00199");
    ASSERT_STREQ(event.version, meta(last, "resourceVersion"));
    expect_initial_end(watch);
    expect(watch, STORE_MODIFIED, "w00199"); /* again, but not its value 2 */
    expect(watch, STORE_ADDED, "a-new-one");
    expect(watch, STORE_DELETED, "w00001");
    expect(watch, STORE_DELETED, "w00198");
    expect_nothing(watch);
}

static struct store *store_with_log_of(int keep, const struct clock *clock)
{
    struct local_options options = {.clock = clock, .log_keep = keep};
    struct store *store = NULL;
    struct err err = {};

    ASSERT_OK(store_local_open(&options, &store, &err));
    return store;
}

static struct store_watch *watch_of_secrets(struct store *store, struct fake_clock *fake)
{
    struct context ctx = context_background(&fake->clock);
    struct store_watch *watch = NULL;
    struct err err = {};

    ASSERT_OK(store->ops->watch(store, &ctx, &secrets, NULL, NULL, &watch, &err));
    expect_initial_end(watch);
    return watch;
}

TEST(a_watch_that_falls_behind_the_log_is_told_so)
{
    cleanup(store_close) struct store *store = store_with_log_of(10, clock_system());
    cleanup(store_watch_close) struct store_watch *watch = watch_since(store, NULL);
    cleanup(store_event_deinit) struct store_event event = {};
    struct err err = {};

    expect_initial_end(watch);
    create_many(store, 0, 10);
    expect(watch, STORE_ADDED, "w00000");
    create_many(store, 10, 90);
    for (int i = 1; i < 10; i++) { /* what it had read already */
        cleanup(store_event_deinit) struct store_event read_before = {};

        ASSERT_OK(next(watch, PATIENCE, &read_before, &err));
    }
    ASSERT_ERR(ERR_GONE, next(watch, PATIENCE, &event, &err));
}

TEST(exactly_what_the_log_keeps_can_be_watched)
{
    cleanup(store_close) struct store *store = store_with_log_of(10, clock_system());
    cleanup(store_watch_close) struct store_watch *watch = NULL, *early = NULL;
    struct context ctx = context_background(clock_system());
    struct err err = {};

    create_many(store, 0, 30); /* versions 1 to 30 */
    watch = watch_since(store, "20");
    expect(watch, STORE_ADDED, "w00020");
    ASSERT_ERR(ERR_GONE, store->ops->watch(store, &ctx, &widgets, NULL, "19", &early, &err));
}

TEST(a_version_from_the_future_is_gone)
{
    cleanup(store_close) struct store *store = store_at(NULL);
    struct context ctx = context_background(clock_system());
    struct store_watch *watch = NULL;
    struct err err = {};

    ASSERT_ERR(ERR_GONE, store->ops->watch(store, &ctx, &widgets, NULL, "1000", &watch, &err));
    ASSERT_ERR(ERR_INVALID, store->ops->watch(store, &ctx, &widgets, NULL, "soon", &watch, &err));
}

static void expect_bookmark(struct store_watch *watch, const char *version)
{
    cleanup(store_event_deinit) struct store_event event = {};
    struct err err = {};

    ASSERT_OK(next(watch, 0, &event, &err));
    ASSERT_EQ(event.type, STORE_BOOKMARK);
    ASSERT_FALSE(event.initial_end);
    ASSERT_STREQ(event.version, version);
}

/* Or what its reader knows is compacted away, and another watch from there is ERR_GONE. */
TEST(a_watch_with_nothing_to_see_tells_where_it_is_before_the_log_is_compacted)
{
    struct fake_clock fake;
    cleanup(store_close) struct store *store = NULL;
    cleanup(store_watch_close) struct store_watch *watch = NULL;

    fake_clock_init(&fake, AT("2026-01-01T00:00:00Z"));
    store = store_with_log_of(10, &fake.clock);
    watch = watch_of_secrets(store, &fake);
    create_many(store, 0, 4);
    expect_nothing(watch);
    create_many(store, 4, 5);
    expect_bookmark(watch, "5");
    create_many(store, 5, 10);
    expect_bookmark(watch, "10");
    expect_nothing(watch);
}

TEST(a_watch_with_nothing_to_see_tells_where_it_is_after_a_minute)
{
    struct fake_clock fake;
    cleanup(store_close) struct store *store = NULL;
    cleanup(store_watch_close) struct store_watch *watch = NULL;

    fake_clock_init(&fake, AT("2026-01-01T00:00:00Z"));
    store = store_with_log_of(1000, &fake.clock);
    watch = watch_of_secrets(store, &fake);
    create_many(store, 0, 50);
    expect_nothing(watch);
    fake_clock_advance(&fake, MINUTES(2));
    expect_bookmark(watch, "50");
    expect_nothing(watch);
}

TEST(ten_thousand_objects_are_listed_fast)
{
    cleanup(store_close) struct store *store = store_at(NULL);
    struct context ctx = context_background(clock_system());
    cleanup(json_unref) struct json *list = NULL;
    int64_t began_ms = clock_monotonic_ms(clock_system()), created_ms, listed_ms;
    struct err err = {};

    create_many(store, 0, 10000);
    created_ms = clock_monotonic_ms(clock_system());
    ASSERT_OK(store_list(store, &ctx, &widgets, NULL, &list, &err));
    listed_ms = clock_monotonic_ms(clock_system());
    ASSERT_EQ(json_len(list), 10000);
    print_message("created in %lld ms, listed in %lld ms\n", (long long)(created_ms - began_ms),
                  (long long)(listed_ms - created_ms));
    /* A tenth of it, whatever the machine; each by itself looked for again would be more. */
    ASSERT_TRUE(listed_ms - created_ms < created_ms - began_ms);
}

RUN_TESTS(
    cmocka_unit_test(two_connections_see_each_other),
    cmocka_unit_test(a_watch_comes_without_owners_where_nobody_asks_for_them),
    cmocka_unit_test(a_waiting_watch_wakes_for_a_write_of_its_own_process),
    cmocka_unit_test(a_waiting_watch_wakes_for_a_write_in_memory),
    cmocka_unit_test(a_waiting_watch_wakes_for_a_write_through_another_connection),
    cmocka_unit_test(a_waiting_watch_wakes_for_a_write_of_another_process),
    cmocka_unit_test(a_cancel_wakes_a_waiting_watch),
    cmocka_unit_test(many_writers_and_a_watch_agree_on_every_change_in_order),
    cmocka_unit_test(changes_during_the_listing_never_set_an_object_back),
    cmocka_unit_test(a_watch_that_falls_behind_the_log_is_told_so),
    cmocka_unit_test(exactly_what_the_log_keeps_can_be_watched),
    cmocka_unit_test(a_version_from_the_future_is_gone),
    cmocka_unit_test(a_watch_with_nothing_to_see_tells_where_it_is_before_the_log_is_compacted),
    cmocka_unit_test(a_watch_with_nothing_to_see_tells_where_it_is_after_a_minute),
    cmocka_unit_test(ten_thousand_objects_are_listed_fast));
