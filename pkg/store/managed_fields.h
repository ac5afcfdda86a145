/*
 * managed_fields.h - who owns which field: metadata.managedFields as the API server keeps it.
 *
 * Pure functions over JSON (structured-merge-diff without a schema, see field_tree.h for its rules).
 * A create, update or patch is an Update entry and owns what it changed; an apply owns what it
 * names. Whoever changes a field takes it from everybody else; equal values are owned together.
 */
#ifndef STORE_MANAGED_FIELDS_H
#define STORE_MANAGED_FIELDS_H

#include "json/json.h"

struct field_writer {
    const char *manager;
    const char *api_version;
    const char *subresource; /* "status", or NULL */
    const char *time;        /* RFC 3339 */
};

/* `live` (NULL: there was none) became `object`, whose managedFields are set anew. */
void managed_fields_update(const struct json *live, struct json *object,
                           const struct field_writer *writer);
/* What a forced apply of `config` makes of `live` (NULL: there is none). The server's own metadata
 * is copied from `live`. */
struct json *managed_fields_apply(const struct json *live, const struct json *config,
                                  const struct field_writer *writer);
/* Is it certain that this apply changes nothing but times? Many times cheaper than to do it and compare;
 * lists whose items have owners of their own are never certain. */
bool managed_fields_hold(const struct json *live, const struct json *config,
                         const struct field_writer *writer);
/* Do both say the same apart from the times? A write that changes only those is none. */
bool managed_fields_same(const struct json *a, const struct json *b);

#endif
