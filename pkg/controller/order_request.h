/*
 * order_request.h - the request that an Order serves, of either kind.
 *
 * An Order names it in its controller reference, which proves nothing (DESIGN 11): whoever can create Orders
 * wrote it. So an Order is acted on only while that request is approved, and placed only if it is what the
 * request yields (order_check_spec()).
 */
#ifndef CONTROLLER_ORDER_REQUEST_H
#define CONTROLLER_ORDER_REQUEST_H

#include "controller/controllers.h"

/* Does the Order name a request at all? It never will, if not. */
bool order_names_request(const struct order *order);
/* Nobody watches requests of that kind here: its Orders stay as they are. */
bool order_is_left_alone(const struct controllers *self, const struct order *order);
/* The approved request, by the uid in the reference: struct request_facts or signing_request_facts; NULL
 * with an error text when there is none. */
const struct object *request_of_order(struct controllers *self, const struct order *order,
                                      struct err *err);
/* `request` is struct request_facts or signing_request_facts. */
bool request_is_approved(const struct object *request);
/* Somebody says on the request that the way is clear: ANNOTATION_RETRY, which `seen` (the request as it was, or its
 * Order) does not have or has with another value. Each may be NULL. */
bool request_asks_again(const struct object *request, const struct object *seen);
/* It needs no Order any more. `request` is what request_of_order() gave. */
bool request_has_ended(const struct object *request);
/* May whoever made the request have it of this issuer? `request` is in full. */
int request_access(struct controllers *self, const struct context *ctx,
                   const struct object *request, const struct issuer *issuer, bool *ret_allowed,
                   struct err *err);

#endif
