/*
 * order_flow.h - what Orders and Challenges share: where an ACME problem leads, when to look again.
 * Pure but for the doubt about the account, and for a look at the queue.
 */
#ifndef CONTROLLER_ORDER_FLOW_H
#define CONTROLLER_ORDER_FLOW_H

#include "api/challenge.h"
#include "controller/controllers.h"
#include "controller/facts.h"

enum flow_verdict {
    FLOW_RETRY, /* nothing is lost: the same step again, by back-off or at a time */
    FLOW_FAIL,  /* this order cannot be saved */
};
struct flow {
    enum flow_verdict verdict;
    int64_t at_ms;      /* RETRY: not before; 0: by back-off */
    const char *reason; /* for status.reason; in the arena */
    int state;          /* FAIL: enum order_state */
};
/* `step` is "create Order", "finalize Order", ...: words of behaviour.md 8. A 429, 5xx or transient
 * error never ends an Order (DESIGN 12.1). */
struct flow flow_of(int code, const struct acme_problem *problem, const struct err *err,
                    const char *step, int64_t now_ms, struct arena *arena);

/* `text` with "; not before <time>", unless it says so itself or the time is 0. */
const char *reason_not_before(const char *text, int64_t at_ms, struct arena *arena);
/* Of a run that fails now: `text` with "; not before <time>" of the next one. Where that is soon, and for a
 * time alone, nobody writes a status: then it is the text alone. */
const char *reason_with_next_try(struct author author, const char *text, struct arena *arena);
/* Of a reason, what stands before such an ending. */
size_t reason_len_without_time(const char *reason);
bool reason_is_the_same(const char *a, const char *b); /* but for the time; NULL is "" */

/* What to do about a certificate's key that the CA refuses; NULL: the problem is another. */
const char *key_advice(const struct acme_problem *problem, enum key_algorithm algorithm);

/* That the account does not exist is no fault of an Order, and one answer is not believed: the Issuer asks the CA for the
 * account of its key (acme.md 8), and what needs it waits until the Issuer is ready. */
void doubt_account(struct controllers *self, const struct issuer *issuer,
                   const struct acme_problem *problem);

/* The next look at something that the CA works on: its Retry-After (an hour at most), else a quarter of
 * the time waited so far, within 250 ms and 30 s. */
int64_t next_poll_ms(int64_t now_ms, int64_t since_ms, int64_t retry_at_ms);

/* The name that a Challenge of this Order has, to the byte as cert-manager makes it (behaviour.md 16): it deletes
 * those of other names. */
char *challenge_name(const struct object *order, const struct challenge_spec *spec);
/* Are name, issuer and authorization of a Challenge the Order's? Its owner reference proves nothing. */
bool challenge_is_of_order(const struct challenge_spec *spec, const struct order *order);
/* Token and key must belong together under the account's key: then the value is one that only we could
 * have presented. Without this, whoever can write Challenges could have foreign values served or taken
 * back with the Issuer's credentials. */
bool challenge_key_is_ours(const struct challenge_spec *spec, const struct pkey *account_key);

#endif
