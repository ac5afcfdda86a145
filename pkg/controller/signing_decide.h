/*
 * signing_decide.h - what is to be done about a CertificateSigningRequest (behaviour.md 14). Pure.
 */
#ifndef CONTROLLER_SIGNING_DECIDE_H
#define CONTROLLER_SIGNING_DECIDE_H

#include "api/issuer.h"
#include "api/signing_request.h"

#define SIGNING_DURATION_MIN_MS MINUTES(10)

enum signing_access { ACCESS_UNKNOWN, ACCESS_GRANTED, ACCESS_REFUSED };
struct signing_look { /* what is known of it; borrowed */
    const struct signing_request *request;
    const struct signer *signer;
    bool has_certificate;
    const struct issuer *issuer; /* NULL: there is none */
    bool is_off;                 /* another program signs for issuers of this type */
    enum signing_access access;  /* of whoever made it, to the issuer (access.h) */
};

enum signing_step {
    SIGNING_LEAVE,      /* it has ended, or is not ours */
    SIGNING_UNAPPROVED, /* somebody has to approve it, which wakes us */
    SIGNING_WAIT,       /* for the issuer, which wakes us */
    SIGNING_ASK,        /* about access; then decide again */
    SIGNING_FAIL,       /* for good: the Failed condition */
    SIGNING_SIGN,
    SIGNING_STEP_COUNT
};
struct signing_decision {
    enum signing_step step;
    const char *reason,
        *message; /* of UNAPPROVED, WAIT (events) and FAIL (condition); in the arena */
};
struct signing_decision signing_decide(const struct signing_look *look, struct arena *arena);

#endif
