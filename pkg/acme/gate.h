/*
 * gate.h - the rate gate of one (directory, account): shared by all work of the account.
 *
 * Two things: "not before T", set by every 429 and 503 in any form (for all work, or for one set of
 * names where the CA says that only these are meant); and token buckets for the budgets
 * that the CA is known to have (table in limits.c by host of the directory; unknown CAs have none), and
 * one of our own for each exact set of names, which holds at every CA.
 * Tokens are spent fairly: while a bucket is less than half full a tenant gets no more than its even
 * share among the tenants seen in the last day. Times come from the context's clock. Any thread.
 */
#ifndef ACME_GATE_H
#define ACME_GATE_H

#include "base/context.h"
#include "base/str.h"

struct acme_gate;

struct acme_gate *acme_gate_new(const char *directory_url);
struct acme_gate *acme_gate_ref(struct acme_gate *gate);
void acme_gate_unref(struct acme_gate *gate);
DEFINE_CLEANUP(struct acme_gate, acme_gate_unref);

/* 0, or ERR_RATE_LIMITED with retry_at_ms and "not before <time>: <why>". NULL gate is open. */
int acme_gate_check(struct acme_gate *gate, const struct context *ctx, struct err *err);
/* Never opens it earlier. More than 7 days ahead (no CA has a longer limit) counts as 7 days. */
void acme_gate_close_until(struct acme_gate *gate, int64_t at_ms, const char *why);
/* Refused without a time: closes for 1 minute, doubled each time up to `most_ms`, until `action`
 * (of whose call it was) succeeds. Refusals of calls that were under way together count as one.
 * Returns until when. */
int64_t acme_gate_back_off(struct acme_gate *gate, const struct context *ctx, const char *action,
                           const char *why, int64_t most_ms);
void acme_gate_succeeded(struct acme_gate *gate, const char *action);
/* The same for orders of exactly these names only: a limit on a name or set, a pause by the CA.
 * acme_gate_take_order() refuses them until then or until acme_gate_resume(); others go on. */
void acme_gate_hold_names(struct acme_gate *gate, const struct context *ctx,
                          const struct strlist *names, int64_t at_ms, const char *why);
/* Somebody says that the way is clear: the hold ends, but no sooner than a minute after it began. Who says so
 * without end must not make us ask without end. */
void acme_gate_resume(struct acme_gate *gate, const struct context *ctx,
                      const struct strlist *names);

struct acme_budget_request {
    const struct strlist *names;              /* the order's identifiers */
    const struct strlist *registered_domains; /* of them, without repeats */
    const char *tenant;
    bool is_renewal;    /* same exact set within 120 days */
    bool is_ari_exempt; /* valid `replaces` inside the suggested window */
};
/* Takes the tokens of one newOrder, or ERR_RATE_LIMITED saying which budget and when. CAs count the
 * order now and its certificate when it is issued: that token is only held until _end_order(). */
int acme_gate_take_order(struct acme_gate *gate, const struct context *ctx,
                         const struct acme_budget_request *request, struct err *err);
/* The order was refused without cost, or never sent: all come back. */
void acme_gate_return_order(struct acme_gate *gate, const struct acme_budget_request *request);
/* The order has ended: `issued` spends what was held, else it comes back. Call it once per order, with
 * the request of take_order(), also after a restart. An order that is never ended holds for 7 days. */
void acme_gate_end_order(struct acme_gate *gate, const struct context *ctx,
                         const struct acme_budget_request *request, bool issued);
/* A failed validation of one name costs; ERR_RATE_LIMITED from _check_name when all but one are used
 * up (one is kept back for validations under way). */
void acme_gate_count_failure(struct acme_gate *gate, const struct context *ctx, const char *name);
int acme_gate_check_name(struct acme_gate *gate, const struct context *ctx, const char *name,
                         struct err *err);

/* Compact JSON text for an annotation of the account's Secret (at most 64 KiB; stale entries dropped),
 * and back (unreadable text is ignored with a debug line). `dirty`: changed since the last save. */
bool acme_gate_is_dirty(struct acme_gate *gate);
char *acme_gate_save(struct acme_gate *gate, const struct context *ctx);
void acme_gate_mark_dirty(struct acme_gate *gate); /* what was saved did not reach its place */
void acme_gate_restore(struct acme_gate *gate, const char *text);

/* Known budgets of a CA; for the simulator and documentation. */
struct acme_limits {
    const char *host;                        /* "acme-v02.api.letsencrypt.org" */
    int orders_per_account, orders_refill_s; /* capacity, seconds per token */
    int certs_per_domain, certs_refill_s;
    int certs_per_set, set_refill_s;
    int failures_per_name, failures_refill_s;
};
const struct acme_limits *acme_limits_of(const char *directory_url); /* NULL: none known */
void acme_gate_set_limits(struct acme_gate *gate,
                          const struct acme_limits *limits); /* kept by pointer */

#endif
