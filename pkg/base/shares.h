/*
 * shares.h - how many calls somebody (a host, a tenant, a name server) has in flight, and no more.
 *
 * Counted for each context->controller apart, because each has its own workers: somebody who never
 * answers must not hold all of them. Any thread.
 */
#ifndef BASE_SHARES_H
#define BASE_SHARES_H

#include "base/context.h"

struct shares;

struct shares *shares_new(int max); /* calls at a time; 0: no limit */
void shares_free(struct shares *shares);
DEFINE_CLEANUP(struct shares, shares_free);

/* 0, or ERR_BUSY: "<who> already has N calls in flight". `who` NULL is nobody and is not counted. */
int shares_take(struct shares *shares, const struct context *ctx, const char *who, struct err *err);
/* Exactly once for each take that succeeded. */
void shares_give_back(struct shares *shares, const struct context *ctx, const char *who);

#endif
