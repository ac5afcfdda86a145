/*
 * placed.h - orders that the CA has made and the store does not know yet: in-memory notes. Any thread.
 *
 * Between newOrder's answer and the stored URL a write can fail (conflict, full disk). The next run finds
 * the order here and does not place another one. Where the answer itself was lost, it finds a doubt.
 */
#ifndef CONTROLLER_PLACED_H
#define CONTROLLER_PLACED_H

#include "acme/acme.h"

struct placed;
struct placed *placed_new(void);
void placed_free(struct placed *placed);

/* `uid` is the Order's. The order's members move into the note. */
void placed_note(struct placed *placed, const char *uid, struct acme_order *order);
void placed_doubt(struct placed *placed, const char *uid);
enum placed_state { PLACED_NOTHING, PLACED_IN_DOUBT, PLACED_ORDER };
/* Takes the note out; `ret` is filled with an order only. */
enum placed_state placed_take(struct placed *placed, const char *uid, struct acme_order *ret);
/* The Order is gone. */
void placed_forget(struct placed *placed, const char *uid);

#endif
