/*
 * access.h - what somebody else may do, asked of the API server's own authorizer (SubjectAccessReview).
 *
 * A call is one question and one answer, nothing is kept. Any thread.
 */
#ifndef CONTROLLER_ACCESS_H
#define CONTROLLER_ACCESS_H

#include "api/signing_request.h"
#include "store/store.h"

extern const struct resource access_review_resource;

/*
 * May whoever made the request have it of this issuer (behaviour.md 14)? An Issuer belongs to its namespace, so
 * he needs verb 'reference' on 'signers' of cert-manager.io there, by the issuer's name or '*'; a
 * ClusterIssuer is for all whose requests are approved. `request` is in full. ERR_DENIED: we may not ask.
 */
int access_to_issuer(struct store *store, const struct context *ctx,
                     const struct signing_request *request, const struct object *issuer,
                     bool *ret_allowed, struct err *err);

#endif
