/*
 * secret_ref.h - the value that a configuration's secret reference means. Private to this folder.
 */
#ifndef SOLVER_SECRET_REF_H
#define SOLVER_SECRET_REF_H

#include "api/object.h"
#include "store/store.h"

/* Appends it as it is now. ERR_NOT_FOUND: no such Secret, or no such key in it. */
int secret_ref_read(struct store *store, const struct context *ctx, const char *namespace,
                    const struct secret_key_selector *ref, struct buf *to, struct err *err);

#endif
