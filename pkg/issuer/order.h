/*
 * order.h - the Order of a request to an ACME issuer: its name, what it asks for, and signing by it.
 *
 * The order reconciler sees it through at the CA. Any thread.
 */
#ifndef ISSUER_ORDER_H
#define ISSUER_ORDER_H

#include "issuer/issuers.h"

/* Name of the Order of a request, behaviour.md 16. */
char *order_name(const struct object *request, const struct order_spec *spec);
/* The one that it gets where that is the name of another request's Order. No other request's can have it. */
char *order_name_by_uid(const struct object *request);
/* What an approved request asks of the CA: used to create the Order and to check one (DESIGN 11). */
int order_spec_of(const struct issuer *issuer, const struct signable *request, const char *replaces,
                  struct arena *arena, struct order_spec *ret, struct err *err);
/* Does the Order name this request and its issuer, where the request's Order is to be? That proves nothing yet,
 * but what does not is no Order of the request's. */
bool order_names(const struct order *order, const struct signable *request);

/* issuer_ops.sign: makes the request's Order, then follows it until it has the certificate or has failed. */
int sign_by_order(struct issuers *issuers, const struct context *ctx,
                  const struct sign_input *input, struct arena *arena, struct sign_result *ret,
                  struct err *err);

#endif
