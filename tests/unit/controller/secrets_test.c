/* secrets_test.c - facts of Secrets that the caches have in full, in part, or not at all. */
#include "support/testing.h"

#include <malloc.h>
#include <stdio.h>

#include "cache/write.h"
#include "controller/caches.h"
#include "controller/secrets.h"
#include "store/local.h"

struct bed {
    struct fake_clock clock;
    struct context ctx;
    struct controllers controllers;
};

static void bed_init(struct bed *bed)
{
    struct local_options options = {.clock = &bed->clock.clock, .resources = kind_resources};
    struct err err = {};

    *bed = (struct bed){};
    fake_clock_init(&bed->clock, AT("2026-01-01T00:00:00Z"));
    bed->ctx = context_background(&bed->clock.clock);
    bed->controllers.options.split_secrets = true;
    caches_init(&bed->controllers.caches);
    ASSERT_OK(store_local_open(&options, &bed->controllers.store, &err));
}

static void bed_deinit(struct bed *bed)
{
    caches_deinit(&bed->controllers.caches);
    store_close(bed->controllers.store);
}
DEFINE_CLEANUP_VALUE(struct bed, bed_deinit);

static void stored(struct bed *bed, const char *data)
{
    cleanup(xfree) char *text = xasprintf(
        "{\"metadata\": {\"name\": \"s\", \"namespace\": \"a\"}, \"data\": %s}", data);
    cleanup(json_unref) struct json *object = NULL;
    struct err err = {};

    ASSERT_OK(json_parse(text, strlen(text), SIZE_MAX, &object, &err));
    ASSERT_OK(store_apply(bed->controllers.store, &bed->ctx, &kind_secret.resource, "test", object,
                          NULL, &err));
}

/* What the watch of foreign Secrets tells now. */
static void step(struct bed *bed, struct reflector *reflector)
{
    struct err err = {};

    ASSERT_TRUE(reflector_step(reflector, &bed->ctx, &err) >= 0);
}

TEST(what_the_cache_has_in_part_is_read_live)
{
    cleanup(bed_deinit) struct bed bed = {};
    struct store_view foreign = {.label_selector = LABEL_FAO "!=true", .metadata_only = true};
    struct key key = {"a", "s"};
    cleanup(reflector_free) struct reflector *reflector = NULL;
    cleanup(object_unref) const struct secret_facts *none = NULL;
    cleanup(object_unref) const struct secret_facts *cached = NULL;
    cleanup(object_unref) const struct secret_facts *facts = NULL;
    cleanup(object_unref) const struct secret_facts *gone = NULL;
    struct store_precondition any = {};
    struct err err = {};

    bed_init(&bed);
    reflector = reflector_new(bed.controllers.store,
                              cache_add_source(bed.controllers.caches.secrets, &foreign));
    stored(&bed, "{\"k\": \"YQ==\"}");
    ASSERT_OK(secret_facts_get(&bed.controllers, &bed.ctx, &key, &none, &err));
    ASSERT_NULL(none); /* the cache's word, and known to be no proof */
    ASSERT_TRUE(secret_may_be_missed(&bed.controllers));
    step(&bed, reflector);
    cached = cache_get(bed.controllers.caches.secrets, &key);
    ASSERT_TRUE(cached->is_partial);
    ASSERT_EQ(cached->keys.len, 0);
    ASSERT_OK(secret_facts_get(&bed.controllers, &bed.ctx, &key, &facts, &err));
    ASSERT_FALSE(facts->is_partial);
    ASSERT_STREQ(facts->keys.items[0], "k");
    ASSERT_OK(
        store_delete(bed.controllers.store, &bed.ctx, &kind_secret.resource, &key, &any, &err));
    ASSERT_OK(secret_facts_get(&bed.controllers, &bed.ctx, &key, &gone, &err));
    ASSERT_NULL(gone);
}

TEST(a_change_of_a_partial_secret_may_be_one_of_its_data)
{
    struct secret_facts a = {.object.metadata.resource_version = "1"}, b = a, c = a;

    ASSERT_FALSE(secret_data_changed(&a, &b)); /* the same hashes */
    b.object.metadata.resource_version = "2";
    ASSERT_FALSE(secret_data_changed(&a, &b));
    b.is_partial = true;
    ASSERT_TRUE(secret_data_changed(&a, &b));
    ASSERT_TRUE(secret_data_changed(&b, &a));
    c.is_partial = true;
    ASSERT_FALSE(secret_data_changed(&c, &c));
    ASSERT_TRUE(secret_data_changed(NULL, &a));
    ASSERT_TRUE(secret_data_changed(&a, NULL));
}

static size_t bytes_in_use(void)
{
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}

static void foreign_event(struct store_event *event, int serial)
{
    cleanup(xfree) char *text = xasprintf(
        "{\"apiVersion\": \"meta.k8s.io/v1\", \"kind\": \"PartialObjectMetadata\", \"metadata\": "
        "{\"name\": \"sh.helm.release.v1.app-%d\", \"namespace\": \"team-%d\", \"uid\": "
        "\"0b7e11aa-0000-4000-8000-%012d\", \"resourceVersion\": \"%d\", \"labels\": {\"owner\": "
        "\"helm\"}, \"creationTimestamp\": \"2026-01-01T00:00:00Z\"}}",
        serial, serial % 100, serial, 1000000 + serial);
    struct err err = {};

    *event = (struct store_event){.type = STORE_ADDED};
    (void)snprintf(event->version, sizeof(event->version), "%d", 1000000 + serial);
    ASSERT_OK(json_parse(text, strlen(text), SIZE_MAX, &event->object, &err));
}

TEST(a_foreign_secret_costs_less_than_200_bytes)
{
    enum { COUNT = 10000 };
    cleanup(bed_deinit) struct bed bed = {};
    struct cache_source *source;
    size_t before, each;
    struct err err = {};

    bed_init(&bed);
    source = cache_add_source(bed.controllers.caches.secrets, NULL);
    before = bytes_in_use();
    for (int i = 0; i < COUNT; i++) {
        cleanup(store_event_deinit) struct store_event event = {};

        foreign_event(&event, i);
        ASSERT_OK(cache_apply(source, &event, &err));
    }
    each = (bytes_in_use() - before) / COUNT;
    print_message("bytes per foreign Secret: %zu\n", each); /* 0 under a sanitizer */
    ASSERT_TRUE(each < 200);
}

RUN_TESTS(cmocka_unit_test(what_the_cache_has_in_part_is_read_live),
          cmocka_unit_test(a_change_of_a_partial_secret_may_be_one_of_its_data),
          cmocka_unit_test(a_foreign_secret_costs_less_than_200_bytes));
