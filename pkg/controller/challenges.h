/*
 * challenges.h - in-memory notes of the challenge reconciler; losing them costs a question to the CA.
 *
 * Any thread.
 */
#ifndef CONTROLLER_CHALLENGES_H
#define CONTROLLER_CHALLENGES_H

#include "api/challenge.h"

/* One of --max-concurrent-challenges: from its presentation to its end. NULL holds none. */
bool challenge_holds_place(const struct challenge *challenge);

struct challenges;
struct challenges *challenges_new(void);
void challenges_free(struct challenges *challenges);

/* When the CA was asked to validate the challenge with this uid; 0: not by this process. */
int64_t challenges_asked_ms(struct challenges *challenges, const char *uid);
void challenges_note_asked(struct challenges *challenges, const char *uid, int64_t at_ms);
/* All places are taken (--max-concurrent-challenges): in line, once. */
void challenges_queue(struct challenges *challenges, const struct key *key);
/* The next in line, as "namespace/name" owned by the caller; NULL when nobody waits. */
char *challenges_next(struct challenges *challenges);
/* It has ended: forgets it. */
void challenges_forget(struct challenges *challenges, const char *uid);

#endif
