/* written_test.c - what was written is known at its version, and not for long. */
#include "cache/written.h"

#include <sched.h>
#include <stdatomic.h>

#include "base/limits.h"
#include "base/thread.h"
#include "support/testing.h"

static const struct resource orders = {.plural = "orders"}, requests = {.plural = "requests"};
static const struct key key = {.namespace = "a", .name = "b"};

struct bed {
    struct fake_clock clock;
    struct written *written;
};

static void bed_init(struct bed *bed)
{
    fake_clock_init(&bed->clock, 0);
    bed->written = written_new(&bed->clock.clock);
}

static void bed_deinit(struct bed *bed)
{
    written_free(bed->written);
}
DEFINE_CLEANUP_VALUE(struct bed, bed_deinit);

static struct json *object_of(const char *name, const char *uid, const char *version,
                              const char *bytes)
{
    struct json *object = json_new_map();
    struct json *metadata = json_need_map(object, "metadata");

    json_set_text(metadata, "namespace", "a");
    json_set_text(metadata, "name", name);
    json_set_text(metadata, "uid", uid);
    json_set_text(metadata, "resourceVersion", version);
    json_set_text(json_need_map(object, "spec"), "request", bytes);
    return object;
}

static void note_large(struct written *written, const char *name, const char *uid,
                       const char *version, const char *bytes)
{
    cleanup(json_unref) struct json *object = object_of(name, uid, version, bytes);

    written_note(written, &orders, object);
}

static void note(struct written *written, const char *name, const char *uid, const char *version)
{
    note_large(written, name, uid, version, "");
}

static void note_many(struct written *written, const char *name, int count)
{
    for (int i = 0; i < count; i++) {
        cleanup(xfree) char *full = xasprintf("%s%d", name, i);

        note(written, full, "u", "1");
    }
}

static bool knows(struct written *written, const char *uid, const char *version)
{
    cleanup(json_unref) struct json *found = written_get(written, &orders, &key, uid, version);

    return found != NULL;
}

TEST(it_is_known_at_the_version_that_was_written_last)
{
    cleanup(bed_deinit) struct bed bed;
    cleanup(json_unref) struct json *found = NULL;

    bed_init(&bed);
    ASSERT_FALSE(knows(bed.written, "u", "1"));
    note(bed.written, "b", "u", "1");
    ASSERT_TRUE(knows(bed.written, "u", "1"));
    ASSERT_TRUE(knows(bed.written, "u", "1")); /* as often as it is needed */
    note(bed.written, "b", "u", "2");
    ASSERT_TRUE(knows(bed.written, "u", "2"));
    ASSERT_FALSE(knows(bed.written, "u", "1"));
    ASSERT_FALSE(knows(bed.written, "u", "3"));     /* somebody else's write came behind ours */
    ASSERT_FALSE(knows(bed.written, "other", "2")); /* deleted, and made again */
    found = written_get(bed.written, &requests, &key, "u", "2");
    ASSERT_NULL(found);
    ASSERT_EQ(written_len(bed.written), 1);
}

static bool holds(void *arg)
{
    return *(const bool *)arg;
}

/* A process that was paused for as long as its Lease lasts must not go on with it, however short that is. */
TEST(it_is_not_known_to_who_has_lost_the_lease)
{
    cleanup(bed_deinit) struct bed bed;
    bool leads = true;

    bed_init(&bed);
    written_only_while(bed.written, holds, &leads);
    note(bed.written, "b", "u", "1");
    ASSERT_TRUE(knows(bed.written, "u", "1"));
    leads = false;
    ASSERT_FALSE(knows(bed.written, "u", "1"));
}

TEST(it_is_forgotten_after_ten_seconds)
{
    cleanup(bed_deinit) struct bed bed;

    bed_init(&bed);
    note(bed.written, "b", "u", "1");
    fake_clock_advance(&bed.clock, SECONDS(10) - 1);
    ASSERT_TRUE(knows(bed.written, "u", "1"));
    written_tidy(bed.written);
    ASSERT_EQ(written_len(bed.written), 1);
    fake_clock_advance(&bed.clock, 1);
    ASSERT_FALSE(knows(bed.written, "u", "1"));
    written_tidy(bed.written);
    ASSERT_EQ(written_len(bed.written), 0);
}

TEST(the_oldest_make_room)
{
    cleanup(bed_deinit) struct bed bed;

    bed_init(&bed);
    note(bed.written, "b", "u", "1");
    note_many(bed.written, "c", 255);
    ASSERT_TRUE(knows(bed.written, "u", "1"));
    note(bed.written, "b", "u", "2"); /* the latest now */
    note_many(bed.written, "d", 255);
    ASSERT_TRUE(knows(bed.written, "u", "2"));
    note(bed.written, "e", "u", "1");
    ASSERT_FALSE(knows(bed.written, "u", "2"));
    ASSERT_EQ(written_len(bed.written), 256);
}

/* Whoever may write requests must not fill the memory of everybody's controller. */
TEST(large_ones_are_fewer)
{
    cleanup(bed_deinit) struct bed bed;
    cleanup(buf_deinit) struct buf bytes = BUF(1024 * 1024);

    bed_init(&bed);
    while (bytes.len < 1000 * 1000)
        buf_add_char(&bytes, 'a');
    for (int i = 0; i < 20; i++) {
        cleanup(xfree) char *name = xasprintf("c%d", i);

        note_large(bed.written, name, "u", "1", buf_str(&bytes));
    }
    ASSERT_EQ(written_len(bed.written), 16);
    note(bed.written, "b", "u", "1");
    ASSERT_TRUE(knows(bed.written, "u", "1"));
    note_large(bed.written, "b", "u", "2", buf_str(&bytes));
    ASSERT_TRUE(knows(bed.written, "u", "2"));
    note(bed.written, "b", "u", "3");
    note_many(bed.written, "d", 255);
    ASSERT_TRUE(knows(bed.written, "u", "3"));
    ASSERT_EQ(written_len(bed.written), 256); /* what was large has left its room */
}

struct asker {
    struct written *written;
    atomic_int round; /* that may ask, and that is asking */
    int found;
};
enum { ROUNDS = 300 };

static void ask(void *arg)
{
    struct asker *asker = arg;

    for (int i = 1; i <= ROUNDS; i++) {
        cleanup(xfree) char *version = xasprintf("%d", i);

        while (atomic_load(&asker->round) != i)
            sched_yield();
        asker->found += knows(asker->written, "u", version);
        atomic_store(&asker->round, -i);
    }
}

/* A watch has shown the version already. */
TEST(who_asks_while_it_is_being_written_gets_it)
{
    cleanup(bed_deinit) struct bed bed;
    struct asker asker = {};
    struct thread *thread = NULL;
    struct err err = {};

    bed_init(&bed);
    asker.written = bed.written;
    ASSERT_OK(thread_start("asker", ask, &asker, &thread, &err));
    for (int i = 1; i <= ROUNDS; i++) {
        cleanup(xfree) char *version = xasprintf("%d", i);
        cleanup(json_unref) struct json *stored = object_of("b", "u", version, "");
        struct written_flight flight = {.resource = &orders, .key = key};

        written_begin(bed.written, &flight);
        atomic_store(&asker.round, i);
        sched_yield();
        written_end(bed.written, &flight, stored);
        while (atomic_load(&asker.round) != -i)
            sched_yield();
    }
    thread_join(thread);
    ASSERT_EQ(asker.found, ROUNDS);
}

TEST(nobody_waits_for_another_object_or_a_write_that_has_failed)
{
    cleanup(bed_deinit) struct bed bed;
    struct written_flight other = {.resource = &requests, .key = key};
    struct written_flight failed = {.resource = &orders, .key = key};
    int64_t begin_ms;

    bed_init(&bed);
    written_begin(bed.written, &other);
    written_begin(bed.written, &failed);
    written_end(bed.written, &failed, NULL);
    begin_ms = clock_monotonic_ms(clock_system());
    for (int i = 0; i < 1000; i++)
        ASSERT_FALSE(knows(bed.written, "u", "1"));
    ASSERT_TRUE(clock_monotonic_ms(clock_system()) - begin_ms < 1000 * 100);
    written_end(bed.written, &other, NULL);
}

RUN_TESTS(cmocka_unit_test(it_is_known_at_the_version_that_was_written_last),
          cmocka_unit_test(it_is_not_known_to_who_has_lost_the_lease),
          cmocka_unit_test(it_is_forgotten_after_ten_seconds),
          cmocka_unit_test(the_oldest_make_room), cmocka_unit_test(large_ones_are_fewer),
          cmocka_unit_test(who_asks_while_it_is_being_written_gets_it),
          cmocka_unit_test(nobody_waits_for_another_object_or_a_write_that_has_failed));
