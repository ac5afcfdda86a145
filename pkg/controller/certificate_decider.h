/*
 * certificate_decider.h - inside of a decision: what its files share. Only for certificate_decide.c (the machine) and
 * certificate_readiness.c (conditions and times that follow from the Secret).
 */
#ifndef CONTROLLER_CERTIFICATE_DECIDER_H
#define CONTROLLER_CERTIFICATE_DECIDER_H

#include "controller/certificate_decide.h"

struct decider {
    const struct certificate_facts *facts;
    const struct certificate_policy *policy;
    struct arena *arena;
    struct certificate_decision *out;
    const struct request_facts *current; /* the request that the stored certificate came from */
    const char *window_problem;          /* why the windows are passed over; NULL: they are not */
    int64_t next_revision;
};

void decider_look_again(struct decider *d, int64_t at_ms); /* then at the latest; 0: never */
void decider_set_condition(struct decider *d, const char *type, enum condition_status status,
                           const char *reason, const char *message);
const char *decider_time_text(struct decider *d, int64_t ms); /* in the arena */

/* The validity of what is stored, and when to renew it by the window in the status as it will be. */
void decider_copy_validity(struct decider *d);
/* Once, at the end: a passing state must not reset lastTransitionTime. */
void decider_settle_readiness(struct decider *d);

#endif
