/* certificate_request_test.c - a status that is written without the bytes that the cache leaves out. */
#include "support/testing.h"

#include "api/kinds.h"
#include "controller/caches.h"
#include "controller/controllers.h"
#include "runtime/expectations.h"
#include "store/local.h"

static const struct key the_key = {.namespace = "a", .name = "req"};

struct bed {
    struct fake_clock clock;
    struct context ctx;
    struct controllers controllers;
    struct reflector *reflector;
};

static struct json *parsed(const char *text)
{
    struct json *value = NULL;
    struct err err = {};

    ASSERT_OK(json_parse(text, strlen(text), SIZE_MAX, &value, &err));
    return value;
}

static struct json *stored(struct bed *bed)
{
    struct json *object = NULL;
    struct err err = {};

    ASSERT_OK(store_get(bed->controllers.store, &bed->ctx, &kind_certificate_request.resource,
                        &the_key, &object, &err));
    return object;
}

/* As another program does it. */
static void write_status_text(struct bed *bed, const char *status)
{
    cleanup(json_unref) struct json *object = stored(bed), *changed = json_deep(object);
    struct err err = {};

    json_set(changed, "status", parsed(status));
    ASSERT_OK(store_update(bed->controllers.store, &bed->ctx, &kind_certificate_request.resource,
                           STORE_STATUS, "test", changed, NULL, &err));
}

static void bed_init(struct bed *bed)
{
    static const struct lane_options lanes[LANE_COUNT] = {};
    struct controllers *self = &bed->controllers;
    struct local_options options = {.clock = &bed->clock.clock, .resources = kind_resources};
    cleanup(json_unref) struct json *request = parsed(
        "{\"metadata\": {\"name\": \"req\", \"namespace\": \"a\"}, \"spec\": {\"request\": "
        "\"YQ==\", \"issuerRef\": {\"name\": \"ca\"}}}");
    struct err err = {};

    *bed = (struct bed){};
    fake_clock_init(&bed->clock, AT("2026-01-01T00:00:00Z"));
    bed->ctx = context_background(&bed->clock.clock);
    self->clock = &bed->clock.clock;
    ASSERT_OK(store_local_open(&options, &self->store, &err));
    self->queue = workqueue_new(self->clock, lanes, LANE_COUNT);
    self->expectations = expectations_new(self->queue, self->clock);
    caches_init(&self->caches);
    self->issuers.store = self->store;
    self->issuers.written = written_new(self->clock);
    bed->reflector = reflector_new(self->store, cache_add_source(self->caches.requests, NULL));
    ASSERT_OK(store_create(self->store, &bed->ctx, &kind_certificate_request.resource, "test",
                           request, NULL, &err));
}

static void bed_deinit(struct bed *bed)
{
    reflector_free(bed->reflector);
    written_free(bed->controllers.issuers.written);
    expectations_free(bed->controllers.expectations);
    caches_deinit(&bed->controllers.caches);
    workqueue_free(bed->controllers.queue);
    store_close(bed->controllers.store);
}
DEFINE_CLEANUP_VALUE(struct bed, bed_deinit);

#define CONDITION(type) "{\"type\": \"" type "\", \"status\": \"True\"}"
#define STATUS(conditions)                                                                         \
    "{\"certificate\": \"Y2VydA==\", \"ca\": \"Y2E=\", \"conditions\": [" conditions "]}"

static void reconcile(struct bed *bed)
{
    struct reconcile_result result = {};
    struct err err = {};

    ASSERT_OK(certificate_request_reconcile(&bed->controllers, &bed->ctx, &the_key, &result, &err));
}

static const char *reason_of_ready(const struct json *request)
{
    json_for_each_item (condition, json_path(request, "status.conditions")) {
        if (streq(json_get_text(condition, "type"), "Ready"))
            return json_get_text(condition, "reason");
    }
    return NULL;
}

static size_t conditions_of(const struct json *request)
{
    return json_len(json_path(request, "status.conditions"));
}

/* The cache has a request that somebody has denied. */
static void bed_init_denied(struct bed *bed)
{
    struct err err = {};

    bed_init(bed);
    write_status_text(bed, STATUS(CONDITION("Denied")));
    ASSERT_TRUE(reflector_step(bed->reflector, &bed->ctx, &err) >= 0);
}

TEST(a_status_keeps_the_bytes_that_the_cache_leaves_out)
{
    cleanup(bed_deinit) struct bed bed = {};
    cleanup(json_unref) struct json *now = NULL;

    bed_init_denied(&bed);
    reconcile(&bed);
    now = stored(&bed);
    ASSERT_STREQ(reason_of_ready(now), "Denied");
    ASSERT_STREQ(json_as_text(json_path(now, "status.certificate")), "Y2VydA==");
    ASSERT_STREQ(json_as_text(json_path(now, "status.ca")), "Y2E=");
}

/* What is read for its bytes is newer than what was decided on: it would be written over by what is older. */
TEST(a_status_that_is_newer_than_the_cache_is_not_written_over)
{
    cleanup(bed_deinit) struct bed bed = {};
    cleanup(json_unref) struct json *now = NULL;
    struct err err = {};

    bed_init_denied(&bed);
    write_status_text(&bed, STATUS(CONDITION("Denied") ", " CONDITION("Audited")));
    reconcile(&bed);
    now = stored(&bed);
    ASSERT_STREQ(reason_of_ready(now), NULL);
    ASSERT_EQ(conditions_of(now), 2);

    ASSERT_TRUE(reflector_step(bed.reflector, &bed.ctx, &err) >= 0); /* its change wakes us */
    reconcile(&bed);
    json_unref(now);
    now = stored(&bed);
    ASSERT_STREQ(reason_of_ready(now), "Denied");
    ASSERT_EQ(conditions_of(now), 3);
}

RUN_TESTS(cmocka_unit_test(a_status_keeps_the_bytes_that_the_cache_leaves_out),
          cmocka_unit_test(a_status_that_is_newer_than_the_cache_is_not_written_over));
