/*
 * field_set.h - a set of field paths, as metadata.managedFields holds it (FieldsV1).
 *
 * A path is a row of steps: "f:<field>", "k:<keys of a list item as JSON>", "v:<item of a set as
 * JSON>". The set is a tree of steps; a node may itself be a member, whether or not it has children.
 * Plain heap data, one thread at a time.
 */
#ifndef STORE_FIELD_SET_H
#define STORE_FIELD_SET_H

#include "json/json.h"

struct field_set {
    char *step;  /* NULL at the root */
    bool member; /* the path that ends here is in the set */
    struct field_set **children;
    size_t len, alloc;
};

struct field_set *field_set_new(void);
void field_set_free(struct field_set *set);
DEFINE_CLEANUP(struct field_set, field_set_free);

struct field_set *field_set_get(const struct field_set *set, const char *step); /* NULL: none */
struct field_set *field_set_need(struct field_set *set, const char *step);      /* made if absent */
bool field_set_is_empty(const struct field_set *set);                           /* also for NULL */
bool field_set_same(const struct field_set *a, const struct field_set *b);
void field_set_add_all(struct field_set *set, const struct field_set *more);
void field_set_remove_all(struct field_set *set, const struct field_set *less);

/* Unknown or malformed parts are skipped: the text may have come from another writer. */
struct field_set *field_set_from_json(const struct json *fields_v1);
struct json *field_set_to_json(const struct field_set *set);

#endif
