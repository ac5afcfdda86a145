/*
 * store_suite.h - what every store must do; run on the local store and on an API server.
 *
 * The back end under test opens a store with a namespace in which nothing is yet. Kinds used are
 * Secret, Certificate and ClusterIssuer, with fields that the CRDs' schemas accept. Waiting is done
 * in watches, with the deadline of the fixture's context.
 */
#ifndef SUPPORT_STORE_SUITE_H
#define SUPPORT_STORE_SUITE_H

#include "store/store.h"

struct store_fixture {
    struct store *store;
    char namespace[64];
    struct context ctx; /* with time enough for a collection or a watch event */
    void *own;          /* the back end's */
};

struct store_suite {
    /* Opens what `fixture` names; false ends the test as failed. */
    bool (*open)(struct store_fixture *fixture);
    void (*close)(struct store_fixture *fixture);
    /* Makes the versions up to now leave the change log; NULL: this back end cannot. */
    void (*compact)(struct store_fixture *fixture);
    bool collects; /* owned objects of deleted owners are deleted (a controller manager runs) */
};

/* Rows of resources that a local store under test must know. */
extern const struct resource *const store_suite_resources[];

/* Runs every case; the number of failed ones. */
int store_suite_run(const char *name, const struct store_suite *suite);

#endif
