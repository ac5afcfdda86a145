/*
 * secrets.h - what is known of a Secret, and asking the store where that is too little.
 *
 * With split_secrets the cache has facts of Secrets that carry our label, and of the others only that they
 * are there (`is_partial`: their bytes are never loaded). A label that is put on or taken off moves a Secret
 * from one watch to the other, and for the moment in between it may be in neither. So:
 *
 *   the cache has    means
 *   facts            facts
 *   partial facts    it exists: secret_facts_get() reads the rest live
 *   nothing          perhaps gone: who would act on that calls secret_facts_live() first
 *
 * Results are references. Any thread.
 */
#ifndef CONTROLLER_SECRETS_H
#define CONTROLLER_SECRETS_H

#include "controller/controllers.h"

/* As it is now; NULL: it is gone. One read of the store. */
int secret_facts_live(struct controllers *self, const struct context *ctx, const struct key *key,
                      const struct secret_facts **ret, struct err *err);
/* As the cache has it, and live if that is only a part; NULL: the cache does not have it, or it is gone. */
int secret_facts_get(struct controllers *self, const struct context *ctx, const struct key *key,
                     const struct secret_facts **ret, struct err *err);
/* Is "the cache does not have it" no proof? */
bool secret_may_be_missed(const struct controllers *self);
/* Between two states, NULL: none. Of partial ones nobody knows: true if anything has changed. */
bool secret_data_changed(const struct secret_facts *before, const struct secret_facts *after);

#endif
