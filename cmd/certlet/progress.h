/*
 * progress.h - the line that `certlet run --once` redraws in place on a terminal.
 *
 * Log lines wipe it before they are written, each with a single write(), and the next draw brings it
 * back: so nothing has to be locked. Main thread only.
 */
#ifndef CERTLET_PROGRESS_H
#define CERTLET_PROGRESS_H

#include "controller/controllers.h"

struct progress {
    bool is_shown;  /* standard error is a terminal */
    bool was_drawn; /* something stands on the line */
};
void progress_start(struct progress *progress);
void progress_draw(struct progress *progress, struct controllers *controllers);
void progress_end(struct progress *progress); /* wipes the line */

/* "issuing 3 of 5: web (...)": pure, for progress_draw(). */
struct progress_tally {
    size_t total, done;
    char name[64], waits_for[256]; /* of the first one that is not done; "" */
};
void progress_text(const struct progress_tally *tally, struct buf *to);

#endif
