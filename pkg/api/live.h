/*
 * live.h - one object as it is in the store now, decoded in full: for bytes that no cache keeps.
 *
 * One read of the store each. Results are references; errors say what was read. Any thread.
 */
#ifndef API_LIVE_H
#define API_LIVE_H

#include "api/object.h"
#include "store/store.h"

/* ERR_NOT_FOUND. */
int live_object(struct store *store, const struct context *ctx, const struct kind *kind,
                const struct key *key, const struct object **ret, struct err *err);
/* Is the object of this uid there still? */
int live_has(struct store *store, const struct context *ctx, const struct resource *resource,
             const struct key *key, const char *uid, bool *ret, struct err *err);
/* A struct secret. ERR_NOT_FOUND says that the Secret does not exist. */
int live_secret(struct store *store, const struct context *ctx, const struct key *key,
                const struct object **ret, struct err *err);

#endif
