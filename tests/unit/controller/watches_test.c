/* watches_test.c - what the caches' handlers conclude from the moment at which an object appears. */
#include "support/testing.h"

#include "cache/write.h"
#include "controller/caches.h"
#include "controller/placed.h"

#define BEGIN AT("2026-01-01T00:00:10Z")

struct bed {
    struct fake_clock clock;
    struct controllers controllers;
    struct cache_source *orders;
};

static void bed_init(struct bed *bed)
{
    static const struct lane_options lanes[LANE_COUNT] = {};
    struct store_event end = {.type = STORE_BOOKMARK, .version = "1", .initial_end = true};
    struct err err = {};

    *bed = (struct bed){};
    fake_clock_init(&bed->clock, BEGIN);
    bed->controllers.clock = &bed->clock.clock;
    bed->controllers.queue = workqueue_new(&bed->clock.clock, lanes, LANE_COUNT);
    bed->controllers.placed = placed_new();
    caches_init(&bed->controllers.caches);
    watches_add(&bed->controllers);
    bed->orders = cache_add_source(bed->controllers.caches.orders, NULL);
    cache_begin_list(bed->orders);
    ASSERT_OK(cache_apply(bed->orders, &end, &err)); /* nothing was there */
}

static void bed_deinit(struct bed *bed)
{
    caches_deinit(&bed->controllers.caches);
    placed_free(bed->controllers.placed);
    workqueue_free(bed->controllers.queue);
}
DEFINE_CLEANUP_VALUE(struct bed, bed_deinit);

static void order_appears(struct bed *bed, const char *uid, const char *created)
{
    cleanup(xfree) char *text = xasprintf(
        "{\"apiVersion\": \"acme.cert-manager.io/v1\", \"kind\": \"Order\", \"metadata\": {\"name\": "
        "\"%s\", \"namespace\": \"a\", \"uid\": \"%s\", \"resourceVersion\": \"2\", "
        "\"creationTimestamp\": \"%s\"}, \"spec\": {\"request\": \"\", \"issuerRef\": {\"name\": "
        "\"acme\"}}}",
        uid, uid, created);
    struct store_event event = {.type = STORE_ADDED, .version = "2"};
    struct err err = {};

    ASSERT_OK(json_parse(text, strlen(text), SIZE_MAX, &event.object, &err));
    ASSERT_OK(cache_apply(bed->orders, &event, &err));
    store_event_deinit(&event);
}

static bool is_in_doubt(struct bed *bed, const char *uid)
{
    struct acme_order order = {};

    return placed_take(bed->controllers.placed, uid, &order) == PLACED_IN_DOUBT;
}

/* A killed leader's order must be looked for, however late the watch tells of its Order. */
TEST(an_order_that_is_older_than_our_work_is_in_doubt)
{
    static const struct {
        const char *name, *created;
        bool works, in_doubt;
    } rows[] = {
        {"standing-by", "2026-01-01T00:00:20Z", false, true},
        {"late-watch", "2026-01-01T00:00:09Z", true, true},
        {"ours", "2026-01-01T00:00:10Z", true, false},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(bed_deinit) struct bed bed = {};

        CASE(rows[i].name);
        bed_init(&bed);
        if (rows[i].works)
            controllers_begin(&bed.controllers);
        order_appears(&bed, rows[i].name, rows[i].created);
        ASSERT_EQ(is_in_doubt(&bed, rows[i].name), rows[i].in_doubt);
    }
}

RUN_TESTS(cmocka_unit_test(an_order_that_is_older_than_our_work_is_in_doubt));
