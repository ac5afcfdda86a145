/* decoded_test.c - what is written comes back by the watch, and is decoded once. */
#include "support/testing.h"

#include <stdio.h>

#include "cache/write.h"
#include "unit/cache/thing.h"

/* Things that can be shared. */
struct shared {
    int refs;
    const void *thing;
};

static int shared_decode(const struct json *value, const void **ret, struct err *err)
{
    const void *thing = NULL;
    int r = thing_decode(value, &thing, err);
    struct shared *shared;

    if (r < 0)
        return r;
    shared = xalloc(sizeof(*shared));
    *shared = (struct shared){.refs = 1, .thing = thing};
    *ret = shared;
    return 0;
}

static const void *shared_ref(const void *object)
{
    ((struct shared *)object)->refs++;
    return object;
}

static void shared_unref(const void *object)
{
    struct shared *shared = (struct shared *)object;

    if (--shared->refs > 0)
        return;
    thing_unref(shared->thing);
    xfree(shared);
}

static void shared_freeze(const void *form, const void *object, struct cache_names names,
                          struct buf *to)
{
    thing_freeze(form, ((const struct shared *)object)->thing, names, to);
}

static const void *shared_thaw(const void *form, const void *frozen, struct cache_names names)
{
    struct shared *shared = xalloc(sizeof(*shared));

    *shared = (struct shared){.refs = 1, .thing = thing_thaw(form, frozen, names)};
    return shared;
}

static const struct cache_kind shared_kind = {
    .resource = &thing_resource,
    .decode = shared_decode,
    .ref = shared_ref,
    .unref = shared_unref,
    .freeze = shared_freeze,
    .thaw = shared_thaw,
};

static struct json *thing_at(const char *uid, const char *version, const char *colour)
{
    struct json *object = thing_json("ns/a", uid, colour, NULL);

    json_set_text(json_get(object, "metadata"), "resourceVersion", version);
    return object;
}

/* How many were decoded. Takes the object. */
static int decodes(struct cache *cache, struct json *object)
{
    const void *decoded = NULL;
    int before = things_decoded;
    struct err err = {};

    ASSERT_OK(cache_decode(cache, object, &decoded, &err));
    shared_unref(decoded);
    json_unref(object);
    return things_decoded - before;
}

static int decodes_of_event(struct cache *cache, struct json *object)
{
    struct store_event event = {.type = STORE_MODIFIED, .object = object};
    int before = things_decoded;
    struct err err = {};

    (void)snprintf(event.version, sizeof(event.version), "%s",
                   json_as_text(json_path(object, "metadata.resourceVersion")));
    ASSERT_OK(cache_apply(cache_source_for(cache, NULL), &event, &err));
    json_unref(object);
    return things_decoded - before;
}

static struct cache *shared_cache(void)
{
    struct cache *cache = cache_new(&shared_kind);

    (void)cache_add_source(cache, NULL);
    return cache;
}

TEST(an_answer_and_the_watch_are_decoded_once_in_either_order)
{
    cleanup(cache_free) struct cache *cache = shared_cache();

    ASSERT_EQ(decodes(cache, thing_at("u", "5", "red")), 1);
    ASSERT_EQ(decodes_of_event(cache, thing_at("u", "5", "red")), 0);
    ASSERT_EQ(decodes_of_event(cache, thing_at("u", "6", "red")), 1);
    ASSERT_EQ(decodes(cache, thing_at("u", "6", "red")), 0);
}

TEST(another_version_or_uid_is_another_object)
{
    cleanup(cache_free) struct cache *cache = shared_cache();

    ASSERT_EQ(decodes(cache, thing_at("u", "5", "red")), 1);
    ASSERT_EQ(decodes(cache, thing_at("u", "7", "red")), 1);
    ASSERT_EQ(decodes(cache, thing_at("v", "5", "red")), 1);
    ASSERT_EQ(decodes(cache, thing_at("u", "5", "red")), 0);
}

/* The other watch has only metadata of it. */
TEST(a_part_of_an_object_is_not_taken_for_the_whole)
{
    cleanup(cache_free) struct cache *cache = shared_cache();
    struct json *part = thing_at("u", "5", "red");

    json_set_text(part, "kind", PARTIAL_KIND);
    ASSERT_EQ(decodes(cache, part), 1);
    ASSERT_EQ(decodes(cache, thing_at("u", "5", "red")), 1);
}

TEST(what_does_not_decode_is_not_kept)
{
    cleanup(cache_free) struct cache *cache = shared_cache();
    cleanup(json_unref) struct json *broken = thing_at("u", "5", "broken");
    const void *decoded = NULL;
    struct err err = {};

    ASSERT_ERR(ERR_INVALID, cache_decode(cache, broken, &decoded, &err));
    ASSERT_EQ(decodes(cache, thing_at("u", "5", "red")), 1);
}

TEST(only_a_few_are_kept)
{
    cleanup(cache_free) struct cache *cache = shared_cache();
    int alive = things_alive;

    for (int i = 1; i <= 1000; i++) {
        char version[24];

        (void)snprintf(version, sizeof(version), "%d", i);
        ASSERT_EQ(decodes(cache, thing_at("u", version, "red")), 1);
    }
    ASSERT_TRUE(things_alive - alive <= 64);
    ASSERT_EQ(decodes(cache, thing_at("u", "1000", "red")), 0);
    ASSERT_EQ(decodes(cache, thing_at("u", "1", "red")), 1);
}

TEST(nothing_is_left_when_the_cache_is_gone)
{
    int alive = things_alive;
    struct cache *cache = shared_cache();

    ASSERT_EQ(decodes(cache, thing_at("u", "5", "red")), 1);
    cache_free(cache);
    ASSERT_EQ(things_alive, alive);
}

/* To a backup: version 5 is another state now. */
TEST(nothing_is_known_of_before_a_list)
{
    cleanup(cache_free) struct cache *cache = shared_cache();
    struct cache_source *source = cache_source_for(cache, NULL);
    struct key key = {.namespace = "ns", .name = "a"};
    struct store_event end = {.type = STORE_BOOKMARK, .initial_end = true, .version = "5"};
    const struct shared *found;
    struct err err = {};

    ASSERT_EQ(decodes_of_event(cache, thing_at("u", "5", "red")), 1);
    ASSERT_EQ(decodes_of_event(cache, thing_at("u", "7", "red")), 1);
    cache_begin_list(source);
    ASSERT_EQ(decodes_of_event(cache, thing_at("u", "5", "blue")), 1);
    ASSERT_OK(cache_apply(source, &end, &err));
    found = cache_get(cache, &key);
    ASSERT_STREQ(thing_text(found->thing, "spec.colour"), "blue");
    shared_unref(found);
}

RUN_TESTS(cmocka_unit_test(nothing_is_known_of_before_a_list),
          cmocka_unit_test(an_answer_and_the_watch_are_decoded_once_in_either_order),
          cmocka_unit_test(another_version_or_uid_is_another_object),
          cmocka_unit_test(a_part_of_an_object_is_not_taken_for_the_whole),
          cmocka_unit_test(what_does_not_decode_is_not_kept), cmocka_unit_test(only_a_few_are_kept),
          cmocka_unit_test(nothing_is_left_when_the_cache_is_gone));
