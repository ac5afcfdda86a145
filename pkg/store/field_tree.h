/*
 * field_tree.h - an object as a tree of field paths, for everything that field ownership needs.
 *
 * The tree is JSON in which every member, item of a keyed list and item of a set is a map entry
 * under its step (field_set.h): merging, comparing and pruning then know only maps and leaves.
 * Without a schema the rules are those of the API server for what reconcilers see: maps are
 * granular and lists atomic, but metadata.finalizers is a set, metadata.ownerReferences is keyed
 * by uid (its items atomic) and lists named `conditions` are keyed by type.
 * What the server itself sets (apiVersion, kind, metadata.uid, ...) is not in the tree.
 *
 * Leaves are shared with the object that the tree came from: read only.
 */
#ifndef STORE_FIELD_TREE_H
#define STORE_FIELD_TREE_H

#include "store/field_set.h"
#include "json/json.h"

struct json *field_tree_from_object(const struct json *object);
struct json *field_tree_to_object(const struct json *tree);

/* `more` wins where both have a leaf. */
void field_tree_merge(struct json *tree, const struct json *more);
/* The paths that applying this tree owns. */
struct field_set *field_tree_paths(const struct json *tree);
/* Adds what is new or different in `after` to `gained`, what is missing there to `lost`. */
void field_tree_compare(const struct json *before, const struct json *after,
                        struct field_set *gained, struct field_set *lost);
/* Removes what is in `last` and not in `keep`. */
void field_tree_prune(struct json *tree, const struct field_set *last,
                      const struct field_set *keep);

/* Is metadata.`name` set by the server alone? */
bool field_is_system(const char *name);
/* May a list of this name be more than one leaf, wherever it stands? */
bool field_may_be_keyed(const char *name);

#endif
