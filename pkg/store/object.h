/*
 * object.h - what the API server checks and sets in any object, as functions over JSON.
 *
 * The local store keeps no schema: these rules hold for every kind (apimachinery's validation of
 * ObjectMeta). Texts name the field, as the API server's do.
 */
#ifndef STORE_OBJECT_H
#define STORE_OBJECT_H

#include "store/resource.h"
#include "store/store.h"
#include "json/json.h"

/* A copy of `given` fit to be worked on: apiVersion and kind are filled in or checked, metadata is a
 * map without empty members. */
int object_admit(const struct resource *resource, const struct json *given, struct json **ret,
                 struct err *err);
/* Lent from `object`; ERR_INVALID when its name or namespace does not do. */
int object_key_of(const struct resource *resource, const struct json *object, struct key *ret,
                  struct err *err);
int key_check(const struct resource *resource, const struct key *key, struct err *err);
/* Labels, annotations, finalizers, owners. */
int object_check_metadata(const struct json *object, struct err *err);
/* No finalizer may be added to an object that is being deleted. */
int object_check_finalizers(const struct json *stored, const struct json *next, struct err *err);
int object_check_precondition(const struct json *stored,
                              const struct store_precondition *precondition, struct err *err);

/* metadata that only the server sets, as it is in `stored`. */
void object_keep_system(struct json *object, const struct json *stored);
/* Top-level member as in `from`, absent if absent there. */
void object_keep_member(struct json *object, const struct json *from, const char *name);
/* Is anything different outside metadata (and status, if it is written apart)? */
bool object_spec_changed(const struct resource *resource, const struct json *a,
                         const struct json *b);
/* The same but for the times in managedFields? */
bool object_unchanged(const struct json *a, const struct json *b);

const char *object_meta(const struct json *object, const char *name); /* lent text, or NULL */
bool object_is_deleting(const struct json *object);
bool object_has_finalizers(const struct json *object);

#endif
