/* written_test.c - what was written is known at its version, and not for long. */
#include "cache/written.h"

#include "base/limits.h"
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

static void note_large(struct written *written, const char *name, const char *uid,
                       const char *version, const char *bytes)
{
    cleanup(json_unref) struct json *object = json_new_map();
    struct json *metadata = json_need_map(object, "metadata");

    json_set_text(metadata, "namespace", "a");
    json_set_text(metadata, "name", name);
    json_set_text(metadata, "uid", uid);
    json_set_text(metadata, "resourceVersion", version);
    json_set_text(json_need_map(object, "spec"), "request", bytes);
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

RUN_TESTS(cmocka_unit_test(it_is_known_at_the_version_that_was_written_last),
          cmocka_unit_test(it_is_not_known_to_who_has_lost_the_lease),
          cmocka_unit_test(it_is_forgotten_after_ten_seconds),
          cmocka_unit_test(the_oldest_make_room), cmocka_unit_test(large_ones_are_fewer));
