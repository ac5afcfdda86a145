/*
 * plan.h - what would be done about each Certificate, without doing it: `certlet plan`.
 *
 * The caches, what is gathered and the decision are those of the reconciler (certificate.c), so that a plan and
 * what then happens cannot differ by more than what changes in between. Nothing is written.
 */
#ifndef CONTROLLER_PLAN_H
#define CONTROLLER_PLAN_H

#include "controller/certificate_decide.h"
#include "store/store.h"

enum plan_verdict {
    PLAN_KEEP, /* up to date: its Secret stays as it is */
    PLAN_TAKE_OVER, /* the certificate stays; labels, annotations or further forms in its Secret are written */
    PLAN_CARRY_ON, /* the issuance under way goes on */
    PLAN_RENEW,    /* it is due by time */
    PLAN_ISSUE,    /* there is no certificate yet */
    PLAN_REISSUE,  /* the one that is there is replaced before its time */
    PLAN_HOLD, /* nothing is done: its spec, another owner or writer of the Secret, a back-off */
    PLAN_VERDICT_COUNT
};
/* "re-issue" and the like; as in the JSON. */
const char *plan_verdict_name(enum plan_verdict verdict);
/* Pure. */
enum plan_verdict plan_verdict_of(const struct certificate_facts *facts,
                                  const struct certificate_decision *decision);

struct plan_row {
    const char *namespace, *name, *secret_name;
    const char *issuer_kind, *issuer_name;
    enum plan_verdict verdict;
    const char *reason, *message; /* why; NULL where nothing is to be said */
    const char *obstacle;         /* what is in the way of an issuance, now or later; NULL */
    bool is_stuck;      /* somebody has to put it right: it is no Issuer that will get ready */
    int64_t renewal_ms; /* of what is stored then; 0: never, or not known */
    int64_t until_ms;   /* PLAN_HOLD: until then; 0: until something changes */
};
struct plan_issuer { /* one that cannot be worked with as it is */
    const char *kind, *namespace, *name;
    const char *problem;
    bool is_used; /* a Certificate of the plan names it */
};
struct plan { /* everything borrowed by the rows lives in here */
    struct arena *arena;
    struct plan_row *rows; /* sorted by namespace and name */
    size_t len;
    size_t counts[PLAN_VERDICT_COUNT];
    struct plan_issuer *issuers;
    size_t issuer_count;
};
void plan_deinit(struct plan *plan);
DEFINE_CLEANUP_VALUE(struct plan, plan_deinit);

struct plan_options {               /* as the controller will be started */
    struct strlist namespaces;      /* empty: all */
    const char *resource_namespace; /* --cluster-resource-namespace */
    bool owner_ref;                 /* --enable-certificate-owner-ref */
    int64_t backoff_min_ms, backoff_max_ms;
    bool no_http01;     /* nobody answers HTTP-01, as in a cluster */
    bool split_secrets; /* an API server's: see controllers.h */
};
/* Lists every kind once. ERR_DENIED where one may not be listed: half of it would be a wrong plan. */
int plan_make(struct store *store, const struct context *ctx, const struct plan_options *options,
              struct plan *ret, struct err *err);

#endif
