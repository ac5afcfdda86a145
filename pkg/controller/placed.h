/*
 * placed.h - which Order goes on with which order of the CA: in-memory notes. Any thread.
 *
 * Between newOrder's answer and the stored URL a write can fail (conflict, full disk). The next run finds
 * the order here and does not place another one. Where the answer itself was lost, it finds a doubt.
 *
 * A CA may give out one open order twice, to two Orders for the same names (Let's Encrypt does). Both
 * cannot finalize it, so the first that claims it has it, and the other waits for its end: for ten minutes,
 * because the first may be stuck, and belong to somebody else.
 */
#ifndef CONTROLLER_PLACED_H
#define CONTROLLER_PLACED_H

#include "acme/acme.h"

struct placed;
struct placed *placed_new(void);
void placed_free(struct placed *placed);

/* `uid` is the Order's. The order's members move into the note. */
void placed_note(struct placed *placed, const char *uid, struct acme_order *order);
/* The CA may have made an order for it whose URL nobody knows. */
void placed_doubt(struct placed *placed, const char *uid);
enum placed_state { PLACED_NOTHING, PLACED_IN_DOUBT, PLACED_ORDER };
/* Takes the note or the doubt out; `ret` is filled with an order only. */
enum placed_state placed_take(struct placed *placed, const char *uid, struct acme_order *ret);
/* May the search that has failed be tried again? For ten minutes from its first failure on: what the CA answers
 * in place of an order must not keep a Certificate waiting for ever. */
bool placed_may_search(struct placed *placed, const char *uid, int64_t now_ms);
/* An order that nobody needs to read again when one is looked for: it is not open any more. */
void placed_note_ended(struct placed *placed, const char *url);
bool placed_has_ended(struct placed *placed, const char *url);

/* The CA's order `url` is this Order's now. False: another one's. */
bool placed_claim(struct placed *placed, const char *uid, const char *url, int64_t now_ms);
bool placed_is_claimed(struct placed *placed, const char *url);
/* Has a claim of this Order failed, on an order that is another one's still? After ten minutes it is ours. */
bool placed_must_wait(struct placed *placed, const char *uid, int64_t now_ms);

/* The Order has ended, or is gone. */
void placed_forget(struct placed *placed, const char *uid);

#endif
