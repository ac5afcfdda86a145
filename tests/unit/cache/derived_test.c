/* derived_test.c - a value stays while the cache has its object at that version or an older one. */
#include "support/testing.h"

#include "cache/derived.h"
#include "cache/write.h"
#include "unit/cache/thing.h"

static const struct key key = {.namespace = "ns", .name = "a"};
static int refs; /* of all values */

static const void *ref(const void *value)
{
    refs++;
    return value;
}

static void unref(const void *value)
{
    refs--;
}

static const struct derived_kind kind = {ref, unref};

static void happens(struct cache_source *source, enum store_event_type type, const char *uid,
                    const char *version)
{
    cleanup(store_event_deinit) struct store_event event;
    struct err err = {};

    thing_event(&event, type, "ns/a", uid, version, "red", NULL);
    ASSERT_OK(cache_apply(source, &event, &err));
}

static bool knows(struct derived *derived)
{
    const void *value = derived_get(derived, &key);

    if (value)
        unref(value);
    return value != NULL;
}

TEST(a_value_stays_while_the_cache_has_nothing_newer)
{
    cleanup(cache_free) struct cache *cache = cache_new(&thing_kind);
    struct cache_source *source = cache_add_source(cache, NULL);
    cleanup(derived_free) struct derived *derived = derived_new(cache, &kind);

    ASSERT_FALSE(knows(derived));
    happens(source, STORE_ADDED, "u", "2");
    derived_put(derived, &key, "u", "3", "read before the watch had it");
    ASSERT_TRUE(knows(derived));
    happens(source, STORE_MODIFIED, "u", "3");
    ASSERT_TRUE(knows(derived));
    happens(source, STORE_MODIFIED, "u", "4");
    ASSERT_FALSE(knows(derived));
    derived_put(derived, &key, "u", "4", "read again");
    ASSERT_EQ(derived_len(derived), 1); /* in place of the other */
    derived_forget(derived, &key);
    ASSERT_FALSE(knows(derived));
    ASSERT_EQ(refs, 0);
}

/* Else it would stay for ever: nobody would tell that its object is gone. */
TEST(a_value_of_what_the_cache_does_not_have_is_not_kept)
{
    cleanup(cache_free) struct cache *cache = cache_new(&thing_kind);
    struct cache_source *source = cache_add_source(cache, NULL);
    cleanup(derived_free) struct derived *derived = derived_new(cache, &kind);

    derived_put(derived, &key, "u", "2", "of what no watch shows");
    ASSERT_EQ(derived_len(derived), 0);
    happens(source, STORE_ADDED, "u", "3");
    derived_put(derived, &key, "u", "2", "of what has changed since it was read");
    ASSERT_EQ(derived_len(derived), 0);
    derived_put(derived, &key, "before", "4", "of another one of its name");
    ASSERT_EQ(derived_len(derived), 0);
    ASSERT_EQ(refs, 0);
}

TEST(what_is_left_goes_in_the_end)
{
    cleanup(cache_free) struct cache *cache = cache_new(&thing_kind);
    struct cache_source *source = cache_add_source(cache, NULL);
    struct derived *derived = derived_new(cache, &kind);

    happens(source, STORE_ADDED, "u", "2");
    derived_put(derived, &key, "u", "2", "value");
    ASSERT_EQ(refs, 1);
    derived_free(derived);
    ASSERT_EQ(refs, 0);
}

RUN_TESTS(cmocka_unit_test(a_value_stays_while_the_cache_has_nothing_newer),
          cmocka_unit_test(a_value_of_what_the_cache_does_not_have_is_not_kept),
          cmocka_unit_test(what_is_left_goes_in_the_end));
