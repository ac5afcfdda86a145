/*
 * Who owns which field of an object: a JSON list of what is stored, with any managedFields, and of what is applied
 * to it. Applying the same twice changes nothing, as the short way of finding that out says, too.
 */
#include <stdlib.h>

#include "store/field_set.h"
#include "store/managed_fields.h"

enum { TEXT_MAX = 1 << 20 };

static const struct field_writer writer = {
    .manager = "m", .api_version = "v1", .time = "2026-01-01T00:00:00Z"};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void read_and_write(const struct json *fields_v1)
{
    cleanup(field_set_free) struct field_set *first = field_set_from_json(fields_v1),
                                             *second = NULL, *third = NULL;
    cleanup(json_unref) struct json *written = field_set_to_json(first), *again = NULL;

    second = field_set_from_json(written);
    again = field_set_to_json(second);
    third = field_set_from_json(again);
    require(json_same(written, again) && field_set_same(second, third));
    field_set_remove_all(first, second);
    require(field_set_is_empty(first));
}

static void apply_twice(const struct json *live, const struct json *config)
{
    cleanup(json_unref) struct json *once = managed_fields_apply(live, config, &writer);
    cleanup(json_unref) struct json *twice = managed_fields_apply(once, config, &writer);

    require(managed_fields_same(once, twice));
    if (live && managed_fields_hold(live, config, &writer))
        require(json_same(once, live) || managed_fields_same(once, live));
}

static void update(const struct json *live, const struct json *object)
{
    cleanup(json_unref) struct json *next = json_deep(object), *again = json_deep(object);

    managed_fields_update(live, next, &writer);
    managed_fields_update(next, again, &writer);
    require(managed_fields_same(next, again));
}

static bool is_object(const struct json *value)
{
    return json_kind(value) == JSON_KIND_MAP &&
           json_kind(json_get(value, "metadata")) == JSON_KIND_MAP;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup(json_unref) struct json *both = NULL;
    const struct json *live, *config;

    if (json_parse_foreign((const char *)data, size, TEXT_MAX, &both, NULL) < 0)
        return 0;
    live = json_at(both, 0);
    config = json_at(both, 1);
    json_for_each_item (entry, json_path(live, "metadata.managedFields"))
        read_and_write(json_get(entry, "fieldsV1"));
    if (!is_object(live) || !is_object(config))
        return 0;
    apply_twice(NULL, config);
    apply_twice(live, config);
    update(live, config);
    return 0;
}
