/*
 * pick.h - which solver of an Issuer proves a name (behaviour.md 8). Pure.
 */
#ifndef SOLVER_PICK_H
#define SOLVER_PICK_H

#include "api/challenge.h"
#include "api/issuer.h"

struct solver_question {
    const char *identifier;          /* "*.example.com" for wildcards */
    const struct array_pair *labels; /* of the Order */
    const struct strlist *offered;   /* ACME challenge types of the authorization, in its order */
    bool is_begun; /* `offered` is the type of a Challenge that is there already */
};
/* ERR_NOT_FOUND says for each solver why it does not fit. *ret_type is the enum challenge_type. */
int solver_pick(const struct acme_issuer *issuer, const struct solver_question *question,
                const struct acme_solver **ret, int *ret_type, struct err *err);

#endif
