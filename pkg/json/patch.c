/*
 * patch.c - RFC 7396.
 */
#include "json/json.h"

void json_merge_patch(struct json *target, const struct json *patch)
{
    json_for_each (key, value, patch) {
        if (json_kind(value) == JSON_KIND_NULL)
            json_remove(target, key);
        else if (json_kind(value) == JSON_KIND_MAP)
            json_merge_patch(json_need_map(target, key), value);
        else
            json_set(target, key, json_deep(value));
    }
}
