/* sources_test.c - one cache fed by several watches. */
#include "support/testing.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "base/thread.h"
#include "cache/write.h"
#include "unit/cache/thing.h"

/* Objects with the label come by `ours`, the others by `theirs`. */
struct bed {
    struct cache *cache;
    struct cache_source *ours, *theirs;
};
static const struct store_view with_label = {.label_selector = "ours=true"};
static const struct store_view without_label = {.label_selector = "ours!=true"};

static void bed_init(struct bed *bed)
{
    *bed = (struct bed){.cache = cache_new(&thing_kind)};
    bed->ours = cache_add_source(bed->cache, &with_label);
    bed->theirs = cache_add_source(bed->cache, &without_label);
}

static void bed_deinit(struct bed *bed)
{
    cache_free(bed->cache);
}
DEFINE_CLEANUP_VALUE(struct bed, bed_deinit);

static void feed(struct cache_source *source, enum store_event_type type, const char *name,
                 int64_t version)
{
    cleanup(store_event_deinit) struct store_event event = {};
    cleanup(xfree) char *key = xasprintf("a/%s", str_or(name, ""));
    cleanup(xfree) char *text = xasprintf("%lld", (long long)version);
    struct err err = {};

    thing_event(&event, type, key, str_or(name, ""), text, "red", NULL);
    ASSERT_OK(cache_apply(source, &event, &err));
}

static void list_ends(struct cache_source *source, int64_t version)
{
    struct store_event event = {.type = STORE_BOOKMARK, .initial_end = true};
    struct err err = {};

    (void)snprintf(event.version, sizeof(event.version), "%lld", (long long)version);
    ASSERT_OK(cache_apply(source, &event, &err));
}

static void list_nothing(struct cache_source *source, int64_t version)
{
    cache_begin_list(source);
    list_ends(source, version);
}

/* A list at `version`, of the one object x. */
static void list_x(struct cache_source *source, int64_t x_version, int64_t version)
{
    cache_begin_list(source);
    feed(source, STORE_ADDED, "x", x_version);
    list_ends(source, version);
}

/* Both have listed, and there was nothing. */
static void bed_init_listed(struct bed *bed)
{
    bed_init(bed);
    list_nothing(bed->ours, 1);
    list_nothing(bed->theirs, 1);
}

static bool has_seen(struct cache_source *source, int64_t version)
{
    cleanup(xfree) char *text = xasprintf("%lld", (long long)version);

    return cache_source_has_seen(source, text);
}

/* 0: it is not there. */
static int64_t version_in(struct bed *bed, const char *name)
{
    struct key key = {.namespace = "a", .name = name};
    cleanup(thing_unref) const void *thing = cache_get(bed->cache, &key);

    return thing ? atoll(thing_text(thing, "metadata.resourceVersion")) : 0;
}

TEST(a_cache_is_synced_when_all_its_sources_are)
{
    cleanup(bed_deinit) struct bed bed = {};

    bed_init(&bed);
    list_nothing(bed.ours, 1);
    ASSERT_TRUE(cache_source_is_synced(bed.ours));
    ASSERT_FALSE(cache_is_synced(bed.cache));
    list_nothing(bed.theirs, 1);
    ASSERT_TRUE(cache_is_synced(bed.cache));
}

TEST(the_source_of_an_object_is_known_by_its_view)
{
    cleanup(json_unref) struct json *thing = thing_json("a/x", "u", "red", NULL);
    cleanup(cache_free) struct cache *nobody = cache_new(&thing_kind);
    cleanup(bed_deinit) struct bed bed = {};

    bed_init(&bed);
    ASSERT_TRUE(cache_source_for(bed.cache, thing) == bed.theirs);
    json_set_text(json_need_map(json_get(thing, "metadata"), "labels"), "ours", "true");
    ASSERT_TRUE(cache_source_for(bed.cache, thing) == bed.ours);
    ASSERT_NULL(cache_source_for(nobody, thing));
    ASSERT_TRUE(cache_is_synced(nobody));
}

TEST(an_object_that_changes_sides_is_held_by_the_newer_side_in_either_order)
{
    cleanup(bed_deinit) struct bed bed = {};

    bed_init_listed(&bed);
    feed(bed.ours, STORE_ADDED, "x", 5);
    feed(bed.theirs, STORE_ADDED, "x", 6); /* came before it went */
    ASSERT_EQ(version_in(&bed, "x"), 6);
    feed(bed.ours, STORE_DELETED, "x", 6);
    ASSERT_EQ(version_in(&bed, "x"), 6);
    feed(bed.theirs, STORE_DELETED, "x", 7); /* goes before it comes */
    ASSERT_EQ(version_in(&bed, "x"), 0);
    feed(bed.ours, STORE_ADDED, "x", 7);
    ASSERT_EQ(version_in(&bed, "x"), 7);
}

TEST(what_is_late_of_a_deleted_object_does_not_come_back)
{
    cleanup(bed_deinit) struct bed bed = {};

    bed_init_listed(&bed);
    feed(bed.ours, STORE_ADDED, "x", 7);
    feed(bed.ours, STORE_DELETED, "x", 9);
    feed(bed.theirs, STORE_ADDED, "x", 5); /* where it was before 7 */
    ASSERT_EQ(version_in(&bed, "x"), 0);
    feed(bed.theirs, STORE_DELETED, "x", 7);
    feed(bed.theirs, STORE_ADDED, "x", 9); /* where it is now */
    ASSERT_EQ(version_in(&bed, "x"), 9);
}

TEST(a_list_sweeps_only_what_its_source_holds)
{
    cleanup(bed_deinit) struct bed bed = {};

    bed_init_listed(&bed);
    feed(bed.ours, STORE_ADDED, "x", 2);
    feed(bed.theirs, STORE_ADDED, "y", 3);
    list_nothing(bed.ours, 4);
    ASSERT_EQ(version_in(&bed, "x"), 0);
    ASSERT_EQ(version_in(&bed, "y"), 3);
}

/* A backup of the store: versions go back, and what was on one side then is on the other. */
TEST(when_the_store_is_set_back_the_other_source_lists_again)
{
    cleanup(bed_deinit) struct bed bed = {};

    bed_init_listed(&bed);
    feed(bed.theirs, STORE_ADDED, "x", 9);
    list_nothing(bed.ours, 10);
    list_x(bed.ours, 5, 6); /* now it is 6, and x is ours at 5 */
    ASSERT_TRUE(cache_source_wants_list(bed.theirs));
    ASSERT_FALSE(cache_source_wants_list(bed.theirs)); /* asked once */
    list_nothing(bed.theirs, 6);
    ASSERT_TRUE(cache_source_wants_list(bed.ours));
    list_x(bed.ours, 5, 6);
    ASSERT_EQ(version_in(&bed, "x"), 5);
    ASSERT_FALSE(cache_source_wants_list(bed.theirs));
}

TEST(a_list_is_believed_over_what_its_source_has_told_before)
{
    cleanup(bed_deinit) struct bed bed = {};

    bed_init_listed(&bed);
    feed(bed.ours, STORE_ADDED, "x", 8);
    feed(bed.ours, STORE_DELETED, "x", 9);
    list_x(bed.ours, 5, 6); /* set back to 6 */
    ASSERT_EQ(version_in(&bed, "x"), 5);
}

/* --- any interleaving --- */

enum { NAMES = 4, STEPS = 3000, QUEUE = 4000 };
static const char *const names[NAMES] = {"p", "q", "r", "s"};

struct message { /* on its way from the store to a source */
    enum { BEGIN, EVENT, BOOKMARK, END } what;
    enum store_event_type type;
    int name;
    int64_t version;
};
struct stream {
    struct cache_source *source;
    struct message queue[QUEUE];
    size_t head, tail;
};
struct world {
    struct bed bed;
    struct stream streams[2];
    int64_t version;
    struct {
        int side;        /* -1: does not exist */
        int64_t version; /* of its latest change */
        int64_t read;    /* the newest that a reader has seen */
    } objects[NAMES];
    int handed_over, deleted;
};

static void send(struct stream *stream, struct message message)
{
    ASSERT_TRUE(stream->tail < QUEUE);
    stream->queue[stream->tail++] = message;
}

/* A change as a server tells it: one side loses the object, the other one gets it. */
static void move(struct world *world, int name, int to)
{
    int from = world->objects[name].side;
    int64_t version = ++world->version;

    if (from >= 0)
        send(&world->streams[from],
             (struct message){EVENT, from == to ? STORE_MODIFIED : STORE_DELETED, name, version});
    if (to >= 0 && from != to)
        send(&world->streams[to], (struct message){EVENT, STORE_ADDED, name, version});
    world->handed_over += from >= 0 && to >= 0 && from != to;
    world->deleted += from >= 0 && to < 0;
    world->objects[name].side = to;
    world->objects[name].version = version;
}

/* The watch breaks: what was on its way is lost, and all is listed. */
static void relist(struct world *world, int side)
{
    struct stream *stream = &world->streams[side];

    stream->head = stream->tail = 0;
    send(stream, (struct message){.what = BEGIN});
    for (int i = 0; i < NAMES; i++)
        if (world->objects[i].side == side)
            send(stream, (struct message){EVENT, STORE_ADDED, i, world->objects[i].version});
    send(stream, (struct message){.what = END, .version = world->version});
}

static void deliver(struct stream *stream)
{
    struct message message;

    if (stream->head == stream->tail)
        return;
    message = stream->queue[stream->head++];
    if (stream->head == stream->tail)
        stream->head = stream->tail = 0;
    if (message.what == BEGIN)
        cache_begin_list(stream->source);
    else if (message.what == END)
        list_ends(stream->source, message.version);
    else if (message.what == BOOKMARK)
        feed(stream->source, STORE_BOOKMARK, NULL, message.version);
    else
        feed(stream->source, message.type, names[message.name], message.version);
}

static void check(struct world *world)
{
    for (int i = 0; i < NAMES; i++) {
        int side = world->objects[i].side;
        int64_t is = version_in(&world->bed, names[i]), latest = world->objects[i].version;
        bool seen[2] = {has_seen(world->bed.ours, latest), has_seen(world->bed.theirs, latest)};

        /* No reader goes back in time. */
        if (is > 0)
            ASSERT_TRUE(is >= world->objects[i].read);
        if (is > world->objects[i].read)
            world->objects[i].read = is;
        /* Who waits for his own write waits for the source that carries it, and for no other. */
        if (side >= 0 && seen[side])
            ASSERT_EQ(is, latest);
        /* What is gone is gone when both know. */
        if (side < 0 && latest > 0 && seen[0] && seen[1])
            ASSERT_EQ(is, 0);
    }
}

static void happen(struct world *world)
{
    int name = (int)random_below(NAMES), side = (int)random_below(2);

    switch (random_below(12)) {
    case 0:
    case 1:
    case 2:
        move(world, name, (int)random_below(3) - 1);
        break;
    case 3:
        if (random_below(8) == 0)
            relist(world, side);
        break;
    case 4:
        send(&world->streams[side], (struct message){.what = BOOKMARK, .version = world->version});
        break;
    default:
        deliver(&world->streams[side]);
    }
}

TEST(no_order_of_events_makes_a_reader_see_what_is_not_so)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct world *world = xalloc(sizeof(*world));

        random_seed_for_tests(seed);
        bed_init(&world->bed);
        world->streams[0].source = world->bed.ours;
        world->streams[1].source = world->bed.theirs;
        relist(world, 0);
        relist(world, 1);
        for (int i = 0; i < STEPS; i++) {
            happen(world);
            check(world);
        }
        for (int side = 0; side < 2; side++) {
            send(&world->streams[side],
                 (struct message){.what = BOOKMARK, .version = world->version});
            while (world->streams[side].tail > 0)
                deliver(&world->streams[side]);
        }
        check(world);
        ASSERT_TRUE(world->handed_over > 20 && world->deleted > 20);
        bed_deinit(&world->bed);
        xfree(world);
    }
}

/* --- threads --- */

enum { WRITES = 400 };

static void write_on(void *arg)
{
    struct cache_source *source = arg;

    for (int i = 1; i <= WRITES; i++)
        feed(source, i % 5 == 0 ? STORE_DELETED : STORE_MODIFIED, names[i % NAMES], i);
}

static void take_note(void *arg, struct cache_source *source)
{
    ++*(int *)arg; /* writers take turns */
}

TEST(two_sources_write_from_threads_of_their_own)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct thread *threads[2] = {};
    int events = 0;
    struct err err = {};

    bed_init(&bed);
    cache_set_observer(bed.cache, take_note, &events);
    ASSERT_OK(thread_start("ours", write_on, bed.ours, &threads[0], &err));
    ASSERT_OK(thread_start("theirs", write_on, bed.theirs, &threads[1], &err));
    for (int i = 0; i < WRITES; i++)
        (void)version_in(&bed, names[i % NAMES]); /* any: the thread checker looks on */
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        thread_join(threads[i]);
    ASSERT_EQ(events, 2 * WRITES);
}

RUN_TESTS(cmocka_unit_test(a_cache_is_synced_when_all_its_sources_are),
          cmocka_unit_test(the_source_of_an_object_is_known_by_its_view),
          cmocka_unit_test(an_object_that_changes_sides_is_held_by_the_newer_side_in_either_order),
          cmocka_unit_test(what_is_late_of_a_deleted_object_does_not_come_back),
          cmocka_unit_test(a_list_sweeps_only_what_its_source_holds),
          cmocka_unit_test(when_the_store_is_set_back_the_other_source_lists_again),
          cmocka_unit_test(a_list_is_believed_over_what_its_source_has_told_before),
          cmocka_unit_test(no_order_of_events_makes_a_reader_see_what_is_not_so),
          cmocka_unit_test(two_sources_write_from_threads_of_their_own));
