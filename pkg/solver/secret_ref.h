/*
 * secret_ref.h - the value that a configuration's secret reference means. Private to this folder.
 */
#ifndef SOLVER_SECRET_REF_H
#define SOLVER_SECRET_REF_H

#include "api/object.h"
#include "solver/solver.h"

struct secret_source { /* borrowed for the call */
    struct store *store;
    struct derived *values; /* NULL: as it is now, whatever is known */
    const char *namespace;
    struct solver_secrets *kept; /* NULL, or: gets what is read */
    bool use_kept;               /* when there is no such Secret any more */
};

/* Appends it: as it is now, or as the newest version that the cache knows of has it. ERR_NOT_FOUND: no such Secret, or no such key in it. */
int secret_ref_read(const struct secret_source *source, const struct context *ctx,
                    const struct secret_key_selector *ref, struct buf *to, struct err *err);

#endif
