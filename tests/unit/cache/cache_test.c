#include "support/testing.h"

#include <malloc.h>
#include <stdio.h>

#include "base/log.h"
#include "base/random.h"
#include "base/thread.h"
#include "cache/write.h"
#include "unit/cache/thing.h"

/* What handlers and observer were told: "+ns/a", "~ns/a", "-ns/a", "!" after initial ones. */
struct heard {
    char text[2000];
    char seen[24]; /* by the cache, when the last handler ran */
    int observed;
};

static void hear(void *arg, const struct key *key, const void *before, const void *after,
                 bool initial)
{
    struct heard *heard = arg;
    char text[KEY_TEXT_MAX];

    key_format(key, text);
    (void)sprintf(heard->text + strlen(heard->text), "%c%s%s ",
                  !before ? '+'
                  : after ? '~'
                          : '-',
                  text, initial ? "!" : "");
}

static void observe(void *arg, struct cache_source *source)
{
    struct heard *heard = arg;

    heard->observed++;
    cache_source_seen_version(source, heard->seen);
}

/* Of a cache that has one. */
static struct cache_source *source_of(struct cache *cache)
{
    return cache_source_for(cache, NULL);
}

static struct cache *plain_cache(const struct cache_kind *kind)
{
    struct cache *cache = cache_new(kind);

    (void)cache_add_source(cache, NULL); /* source_of() finds it */
    return cache;
}

static struct cache *listening_cache(struct heard *heard)
{
    struct cache *cache = plain_cache(&thing_kind);

    *heard = (struct heard){};
    cache_add_handler(cache, hear, heard);
    cache_set_observer(cache, observe, heard);
    return cache;
}

static int feed(struct cache *cache, enum store_event_type type, const char *key, const char *uid,
                const char *version, const char *colour, const char *parts)
{
    cleanup(store_event_deinit) struct store_event event = {};
    struct err err = {};

    thing_event(&event, type, key, uid, version, colour, parts);
    return cache_apply(source_of(cache), &event, &err);
}

static void put(struct cache *cache, const char *key, const char *version, const char *colour)
{
    struct err err = {};

    ASSERT_OK(feed(cache, STORE_MODIFIED, key, key, version, colour, NULL));
}

static void drop(struct cache *cache, const char *key, const char *version)
{
    struct err err = {};

    ASSERT_OK(feed(cache, STORE_DELETED, key, key, version, "", NULL));
}

static void end_list(struct cache *cache, const char *version)
{
    cleanup(store_event_deinit) struct store_event event = {};
    struct err err = {};

    thing_event(&event, STORE_BOOKMARK, NULL, NULL, version, NULL, NULL);
    event.initial_end = true;
    ASSERT_OK(cache_apply(source_of(cache), &event, &err));
}

static void assert_heard(struct heard *heard, const char *expected)
{
    ASSERT_STREQ(heard->text, expected);
    heard->text[0] = '\0';
}

/* A copy, until the next call; NULL when it is not there. */
static const char *text_in(struct cache *cache, const char *key_text, const char *path)
{
    static char copy[100];
    char text[KEY_TEXT_MAX];
    struct key key;
    cleanup(thing_unref) const void *object = NULL;

    (void)snprintf(text, sizeof(text), "%s", key_text);
    key = key_parse(text);
    object = cache_get(cache, &key);
    (void)snprintf(copy, sizeof(copy), "%s", str_or(thing_text(object, path), ""));
    return object ? copy : NULL;
}

static void assert_refs(struct cache_refs *refs, const char *expected)
{
    char text[2000] = "";

    for (size_t i = 0; i < refs->len; i++)
        (void)sprintf(text + strlen(text), "%s/%s ",
                      thing_text(refs->items[i], "metadata.namespace"),
                      thing_text(refs->items[i], "metadata.name"));
    cache_refs_deinit(refs);
    ASSERT_STREQ(text, expected);
}

static void assert_listed(struct cache *cache, const char *namespace, const char *expected)
{
    struct cache_refs refs = {};

    cache_list(cache, namespace, &refs);
    assert_refs(&refs, expected);
}

static void assert_indexed(struct cache *cache, const char *index, const char *value,
                           const char *expected)
{
    struct cache_refs refs = {};

    cache_by_index(cache, index, value, &refs);
    assert_refs(&refs, expected);
}

TEST(objects_are_found_and_listed_in_order_of_key)
{
    struct heard heard;
    cleanup(cache_free) struct cache *cache = listening_cache(&heard);

    put(cache, "b/x", "1", "red");
    put(cache, "a/z", "2", "red");
    put(cache, "a/y", "3", "red");
    put(cache, "ab/y", "4", "red");
    ASSERT_EQ(cache_len(cache), 4);
    ASSERT_STREQ(text_in(cache, "a/z", "metadata.name"), "z");
    ASSERT_NULL(text_in(cache, "a/x", "metadata.name"));
    assert_listed(cache, NULL, "a/y a/z ab/y b/x ");
    assert_listed(cache, "a", "a/y a/z ");
    assert_listed(cache, "c", "");
}

TEST(cluster_scoped_objects_have_no_namespace)
{
    struct heard heard;
    cleanup(cache_free) struct cache *cache = listening_cache(&heard);
    struct key no_namespace = {.namespace = NULL, .name = "x"};
    cleanup(thing_unref) const void *object = NULL;

    put(cache, "x", "1", "red");
    object = cache_get(cache, &no_namespace);
    ASSERT_STREQ(thing_text(object, "metadata.name"), "x");
    assert_listed(cache, "", "/x ");
}

TEST(a_reader_keeps_its_object_while_the_cache_moves_on)
{
    struct heard heard;
    cleanup(cache_free) struct cache *cache = listening_cache(&heard);
    struct key key = {.namespace = "a", .name = "x"};
    const void *object;

    put(cache, "a/x", "1", "red");
    object = cache_get(cache, &key);
    put(cache, "a/x", "2", "blue");
    drop(cache, "a/x", "3");
    ASSERT_STREQ(thing_text(object, "spec.colour"), "red");
    ASSERT_EQ(things_alive, 1);
    thing_unref(object);
    ASSERT_EQ(things_alive, 0);
}

TEST(handlers_hear_of_added_changed_and_deleted)
{
    struct heard heard;
    cleanup(cache_free) struct cache *cache = listening_cache(&heard);

    cache_begin_list(source_of(cache));
    put(cache, "a/x", "1", "red");
    assert_heard(&heard, "+a/x! ");
    end_list(cache, "1");
    put(cache, "a/x", "2", "blue");
    put(cache, "a/y", "3", "blue");
    drop(cache, "a/x", "4");
    drop(cache, "a/z", "5"); /* never seen */
    assert_heard(&heard, "~a/x +a/y -a/x ");
}

TEST(another_object_by_the_same_name_is_a_deletion_and_an_addition)
{
    struct heard heard;
    cleanup(cache_free) struct cache *cache = listening_cache(&heard);
    struct err err = {};

    put(cache, "a/x", "1", "red");
    ASSERT_OK(feed(cache, STORE_MODIFIED, "a/x", "other-uid", "2", "blue", NULL));
    assert_heard(&heard, "+a/x! -a/x! +a/x! ");
    assert_indexed(cache, "colour", "red", "");
    assert_indexed(cache, "colour", "blue", "a/x ");
}

TEST(a_relist_decodes_what_has_changed_and_sweeps_what_is_gone)
{
    struct heard heard;
    cleanup(cache_free) struct cache *cache = listening_cache(&heard);
    int decoded;

    cache_begin_list(source_of(cache));
    put(cache, "a/gone", "1", "red");
    put(cache, "a/same", "2", "red");
    put(cache, "a/changed", "3", "red");
    end_list(cache, "3");
    decoded = things_decoded;
    heard.text[0] = '\0';

    cache_begin_list(source_of(cache));
    put(cache, "a/same", "2", "red");
    put(cache, "a/changed", "7", "blue");
    put(cache, "a/new", "8", "blue");
    assert_heard(&heard, "~a/changed +a/new ");
    ASSERT_EQ(cache_len(cache), 4);
    end_list(cache, "9");
    assert_heard(&heard, "-a/gone ");
    ASSERT_STREQ(text_in(cache, "a/changed", "spec.colour"), "blue");
    ASSERT_EQ(things_decoded - decoded, 2);
    assert_listed(cache, NULL, "a/changed a/new a/same ");
    assert_indexed(cache, "colour", "red", "a/same ");
}

TEST(a_list_that_broke_off_sweeps_nothing)
{
    struct heard heard;
    cleanup(cache_free) struct cache *cache = listening_cache(&heard);

    cache_begin_list(source_of(cache));
    put(cache, "a/x", "1", "red");
    put(cache, "a/y", "2", "red");
    end_list(cache, "2");
    cache_begin_list(source_of(cache));
    put(cache, "a/x", "1", "red");
    cache_begin_list(source_of(cache)); /* again from the start */
    put(cache, "a/y", "2", "red");
    ASSERT_EQ(cache_len(cache), 2);
    end_list(cache, "3");
    assert_listed(cache, NULL, "a/y ");
}

TEST(an_object_that_does_not_decode_is_counted_and_does_not_stop_others)
{
    struct heard heard;
    cleanup(cache_free) struct cache *cache = listening_cache(&heard);
    struct err err = {};
    cleanup(store_event_deinit) struct store_event event = {};

    thing_event(&event, STORE_ADDED, "a/bad", "u", "1", "broken", NULL);
    ASSERT_ERR(ERR_INVALID, cache_apply(source_of(cache), &event, &err));
    ASSERT_STREQ(err.text, "decoding Thing 'a/bad': spec.colour: 'broken' is no colour");
    put(cache, "a/good", "2", "red");
    ASSERT_EQ(cache_undecodable(cache), 1);
    ASSERT_TRUE(cache_source_has_seen(source_of(cache), "1"));
    assert_listed(cache, NULL, "a/good ");
}

TEST(what_was_known_stays_when_a_change_does_not_decode)
{
    struct heard heard;
    cleanup(cache_free) struct cache *cache = listening_cache(&heard);

    put(cache, "a/x", "1", "red");
    ASSERT_EQ(feed(cache, STORE_MODIFIED, "a/x", "a/x", "2", "broken", NULL), ERR_INVALID);
    ASSERT_STREQ(text_in(cache, "a/x", "spec.colour"), "red");
    cache_begin_list(source_of(cache));
    ASSERT_EQ(feed(cache, STORE_ADDED, "a/x", "a/x", "2", "broken", NULL), ERR_INVALID);
    end_list(cache, "3"); /* it is there, so it is not swept */
    ASSERT_STREQ(text_in(cache, "a/x", "spec.colour"), "red");
    put(cache, "a/x", "4", "blue");
    ASSERT_STREQ(text_in(cache, "a/x", "spec.colour"), "blue");
}

TEST(an_object_without_a_name_is_refused)
{
    struct heard heard;
    cleanup(cache_free) struct cache *cache = listening_cache(&heard);
    struct store_event event = {.type = STORE_ADDED, .version = "1"};
    cleanup(json_unref) struct json *object = json_new_map();
    struct err err = {};

    event.object = object;
    ASSERT_ERR(ERR_INVALID, cache_apply(source_of(cache), &event, &err));
    ASSERT_EQ(cache_len(cache), 0);
}

TEST(an_index_follows_the_values)
{
    struct heard heard;
    cleanup(cache_free) struct cache *cache = listening_cache(&heard);
    struct err err = {};

    ASSERT_OK(feed(cache, STORE_ADDED, "a/y", "1", "1", "red", "wheel,door"));
    ASSERT_OK(feed(cache, STORE_ADDED, "a/x", "2", "2", "red", "door,door"));
    ASSERT_OK(feed(cache, STORE_ADDED, "B/x", "3", "3", "blue", ""));
    assert_indexed(cache, "part", "door", "a/x a/y ");
    assert_indexed(cache, "part", "wheel", "a/y ");
    assert_indexed(cache, "colour", "red", "a/x a/y ");
    ASSERT_OK(feed(cache, STORE_MODIFIED, "a/y", "1", "4", "blue", "door,window"));
    assert_indexed(cache, "part", "door", "a/x a/y ");
    assert_indexed(cache, "part", "wheel", "");
    assert_indexed(cache, "part", "window", "a/y ");
    assert_indexed(cache, "colour", "blue", "B/x a/y ");
    ASSERT_OK(feed(cache, STORE_DELETED, "a/x", "2", "5", "", ""));
    assert_indexed(cache, "part", "door", "a/y ");
    assert_indexed(cache, "colour", "red", "");
}

TEST(an_older_version_of_the_same_object_changes_nothing)
{
    struct heard heard;
    cleanup(cache_free) struct cache *cache = listening_cache(&heard);

    put(cache, "a/x", "10", "red");
    put(cache, "a/x", "9", "blue"); /* from the slower of two watches */
    drop(cache, "a/x", "9");
    ASSERT_STREQ(text_in(cache, "a/x", "spec.colour"), "red");
    cache_begin_list(source_of(cache));
    put(cache, "a/x", "9", "blue"); /* a list is believed: a backup was restored */
    end_list(cache, "9");
    ASSERT_STREQ(text_in(cache, "a/x", "spec.colour"), "blue");
    drop(cache, "a/x", "11");
    ASSERT_EQ(cache_len(cache), 0);
}

TEST(the_deletion_of_an_earlier_object_by_that_name_changes_nothing)
{
    struct heard heard;
    cleanup(cache_free) struct cache *cache = listening_cache(&heard);

    put(cache, "a/x", "2", "red");
    ASSERT_EQ(feed(cache, STORE_DELETED, "a/x", "earlier-uid", "3", "", NULL), 0);
    ASSERT_EQ(cache_len(cache), 1);
}

TEST(a_version_counts_as_seen_after_the_list_and_by_each_event_then)
{
    struct heard heard;
    cleanup(cache_free) struct cache *cache = listening_cache(&heard);
    cleanup(store_event_deinit) struct store_event bookmark = {};
    struct err err = {};

    ASSERT_FALSE(cache_source_has_seen(source_of(cache), "1"));
    cache_begin_list(source_of(cache));
    put(cache, "a/x", "9", "red"); /* initial events are in no order */
    ASSERT_FALSE(cache_source_has_seen(source_of(cache), "1"));
    ASSERT_FALSE(cache_is_synced(cache));
    end_list(cache, "10");
    ASSERT_TRUE(cache_is_synced(cache));
    ASSERT_TRUE(cache_source_has_seen(source_of(cache), "9"));
    ASSERT_TRUE(cache_source_has_seen(source_of(cache), "10"));
    ASSERT_FALSE(cache_source_has_seen(source_of(cache), "11"));
    put(cache, "a/y", "11", "red");
    ASSERT_TRUE(cache_source_has_seen(source_of(cache), "11"));
    thing_event(&bookmark, STORE_BOOKMARK, NULL, NULL, "100", NULL, NULL);
    ASSERT_OK(cache_apply(source_of(cache), &bookmark, &err));
    ASSERT_TRUE(cache_source_has_seen(source_of(cache), "99"));
    ASSERT_STREQ(heard.seen, "100");
    ASSERT_EQ(heard.observed, 4);
}

static void hear_what_was_seen(void *arg, const struct key *key, const void *before,
                               const void *after, bool initial)
{
    struct cache *cache = arg;

    ASSERT_FALSE(
        cache_source_has_seen(source_of(cache), "2")); /* or who waits for it would miss our keys */
}

TEST(a_version_is_seen_only_after_its_handlers_have_run)
{
    cleanup(cache_free) struct cache *cache = plain_cache(&thing_kind);

    cache_add_handler(cache, hear_what_was_seen, cache);
    put(cache, "a/x", "2", "red");
    ASSERT_TRUE(cache_source_has_seen(source_of(cache), "2"));
}

static void count_visit(void *arg, const void *object)
{
    (*(int *)arg)++;
}

TEST(visit_walks_all)
{
    struct heard heard;
    cleanup(cache_free) struct cache *cache = listening_cache(&heard);
    int count = 0;

    put(cache, "a/x", "1", "red");
    put(cache, "a/y", "2", "red");
    cache_visit(cache, count_visit, &count);
    ASSERT_EQ(count, 2);
}

static void note_name(void *arg, const void *object)
{
    (void)sprintf((char *)arg + strlen(arg), "%s ", thing_text(object, "metadata.name"));
}

TEST(visit_walks_those_in_an_index)
{
    struct heard heard;
    cleanup(cache_free) struct cache *cache = listening_cache(&heard);
    char names[40] = "";

    put(cache, "a/z", "1", "red");
    put(cache, "a/x", "2", "red");
    put(cache, "a/y", "3", "blue");
    cache_visit_index(cache, "colour", "red", note_name, names);
    ASSERT_STREQ(names, "x z ");
    cache_visit_index(cache, "colour", "green", note_name, names);
    ASSERT_STREQ(names, "x z ");
}

static void hear_colours(void *arg, const struct key *key, const void *before, const void *after,
                         bool initial)
{
    (void)sprintf((char *)arg + strlen(arg), "%s>%s ",
                  before ? thing_text(before, "spec.colour") : "",
                  after ? thing_text(after, "spec.colour") : "");
}

TEST(a_cache_holds_nothing_but_the_frozen_form)
{
    cleanup(cache_free) struct cache *cache = plain_cache(&thing_kind);
    char heard[100] = "", names[40] = "";
    struct key key = {.namespace = "a", .name = "x"};
    cleanup(thing_unref) const void *first = NULL;
    cleanup(thing_unref) const void *second = NULL;

    cache_add_handler(cache, hear_colours, heard);
    put(cache, "a/x", "1", "red");
    put(cache, "a/x", "2", "blue");
    put(cache, "a/y", "3", "blue");
    drop(cache, "a/y", "4");
    ASSERT_STREQ(heard, ">red red>blue >blue blue> ");
    ASSERT_EQ(things_alive, 0);

    first = cache_get(cache, &key);
    second = cache_get(cache, &key);
    ASSERT_TRUE(first != second);
    ASSERT_STREQ(thing_text(first, "metadata.name"), "x");
    assert_indexed(cache, "colour", "blue", "a/x ");
    assert_indexed(cache, "colour", "red", "");
    assert_listed(cache, "a", "a/x ");
    cache_visit(cache, note_name, names);
    cache_visit_index(cache, "colour", "blue", note_name, names);
    ASSERT_STREQ(names, "x x ");
    ASSERT_EQ(things_alive, 2);
}

enum { READS = 2000, WRITES = 500 };

struct reading {
    struct cache *cache;
    int odd; /* objects that were not whole */
};

static void check_colour(void *arg, const void *object)
{
    const char *colour = thing_text(object, "spec.colour");

    if (!streq(colour, "red") && !streq(colour, "blue"))
        ((struct reading *)arg)->odd++;
}

static void read_on(void *arg)
{
    struct reading *reading = arg;
    struct key key = {.namespace = "a", .name = "x"};

    for (int i = 0; i < READS; i++) {
        const void *object = cache_get(reading->cache, &key);

        check_colour(reading, object);
        thing_unref(object);
        cache_visit_index(reading->cache, "colour", "red", check_colour, reading);
    }
}

TEST(threads_read_while_the_objects_change)
{
    cleanup(cache_free) struct cache *cache = plain_cache(&thing_kind);
    struct reading readings[2] = {{.cache = cache}, {.cache = cache}};
    struct thread *threads[2] = {};
    char version[24];
    struct err err = {};

    put(cache, "a/x", "1", "red");
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        ASSERT_OK(thread_start("reader", read_on, &readings[i], &threads[i], &err));
    for (int i = 2; i < WRITES; i++) {
        (void)snprintf(version, sizeof(version), "%d", i);
        put(cache, i % 3 ? "a/x" : "a/y", version, i % 2 ? "red" : "blue");
    }
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        thread_join(threads[i]);
        ASSERT_EQ(readings[i].odd, 0);
    }
    ASSERT_EQ(things_alive, 0);
}

/* --- what an entry costs --- */

static int plain_decode(const struct json *value, const void **ret, struct err *err)
{
    static char object;

    *ret = &object; /* all of the memory is the cache's */
    return 0;
}
static void plain_unref(const void *object)
{
}
static void plain_freeze(const void *form, const void *object, struct cache_names names,
                         struct buf *to)
{
    buf_add_char(to, '.');
}
static const void *plain_thaw(const void *form, const void *frozen, struct cache_names names)
{
    return frozen;
}
static int serial;
static void plain_owner(const void *object, cache_emit_fn *emit, void *arg)
{
    char text[40];

    (void)snprintf(text, sizeof(text), "5e9ac0de-0000-4000-8000-%012d", serial);
    emit(arg, text);
}
static void plain_issuer(const void *object, cache_emit_fn *emit, void *arg)
{
    emit(arg, "Issuer/team-0/letsencrypt-production");
}

static size_t bytes_in_use(void)
{
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}

TEST(an_entry_costs_little_beside_its_object)
{
    static const struct cache_index indexes[] = {{"owner", plain_owner}, {"issuer", plain_issuer}};
    static const struct cache_kind kind = {.resource = &thing_resource,
                                           .decode = plain_decode,
                                           .unref = plain_unref,
                                           .freeze = plain_freeze,
                                           .thaw = plain_thaw,
                                           .indexes = indexes,
                                           .index_count = ARRAY_LEN(indexes)};
    enum { COUNT = 30000 };
    cleanup(cache_free) struct cache *cache = plain_cache(&kind);
    size_t before = bytes_in_use(), each;
    char key[64], uid[40], version[24];

    for (serial = 0; serial < COUNT; serial++) {
        (void)snprintf(key, sizeof(key), "team-%d/certificate-%d", serial % 100, serial);
        (void)snprintf(uid, sizeof(uid), "0b7e11aa-0000-4000-8000-%012d", serial);
        (void)snprintf(version, sizeof(version), "%d", serial + 1);
        ASSERT_EQ(feed(cache, STORE_ADDED, key, uid, version, "", NULL), 0);
    }
    each = (bytes_in_use() - before) / COUNT;
    print_message("bytes per entry with two indexes: %zu\n", each); /* 0 under a sanitizer */
    ASSERT_EQ(cache_len(cache), COUNT);
    ASSERT_TRUE(each < 220);
}

RUN_TESTS(cmocka_unit_test(objects_are_found_and_listed_in_order_of_key),
          cmocka_unit_test(cluster_scoped_objects_have_no_namespace),
          cmocka_unit_test(a_reader_keeps_its_object_while_the_cache_moves_on),
          cmocka_unit_test(handlers_hear_of_added_changed_and_deleted),
          cmocka_unit_test(another_object_by_the_same_name_is_a_deletion_and_an_addition),
          cmocka_unit_test(a_relist_decodes_what_has_changed_and_sweeps_what_is_gone),
          cmocka_unit_test(a_list_that_broke_off_sweeps_nothing),
          cmocka_unit_test(an_object_that_does_not_decode_is_counted_and_does_not_stop_others),
          cmocka_unit_test(what_was_known_stays_when_a_change_does_not_decode),
          cmocka_unit_test(an_object_without_a_name_is_refused),
          cmocka_unit_test(an_index_follows_the_values),
          cmocka_unit_test(an_older_version_of_the_same_object_changes_nothing),
          cmocka_unit_test(the_deletion_of_an_earlier_object_by_that_name_changes_nothing),
          cmocka_unit_test(a_version_counts_as_seen_after_the_list_and_by_each_event_then),
          cmocka_unit_test(a_version_is_seen_only_after_its_handlers_have_run),
          cmocka_unit_test(visit_walks_all), cmocka_unit_test(visit_walks_those_in_an_index),
          cmocka_unit_test(a_cache_holds_nothing_but_the_frozen_form),
          cmocka_unit_test(threads_read_while_the_objects_change),
          cmocka_unit_test(an_entry_costs_little_beside_its_object));
