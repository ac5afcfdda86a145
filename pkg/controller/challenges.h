/*
 * challenges.h - in-memory notes of the challenge reconciler; losing them costs a question to the CA.
 *
 * Any thread.
 */
#ifndef CONTROLLER_CHALLENGES_H
#define CONTROLLER_CHALLENGES_H

#include "acme/acme.h"
#include "api/challenge.h"
#include "api/issuer.h"
#include "solver/solver.h"

/* One of --max-concurrent-challenges: from its presentation to its end. NULL holds none. */
bool challenge_holds_place(const struct challenge *challenge);

struct challenges;
struct challenges *challenges_new(void);
void challenges_free(struct challenges *challenges);

/*
 * What a Challenge was presented with by this process, for taking it back when Issuer and Secrets are gone: a
 * namespace that is deleted loses them in any order. Counted. `secrets` are only for the worker that has the
 * Challenge in work.
 */
struct challenge_means {
    const struct issuer *issuer;
    struct acme_client *client;
    struct solver_secrets *secrets;
    unsigned refs; /* atomic */
};
void challenge_means_unref(struct challenge_means *means);
DEFINE_CLEANUP(struct challenge_means, challenge_means_unref);
/* Noted before it is presented; the caller gets a reference. */
struct challenge_means *challenges_note_means(struct challenges *challenges, const char *uid,
                                              const struct issuer *issuer,
                                              struct acme_client *client);
/* The caller gets a reference; NULL: not presented by this process. */
struct challenge_means *challenges_means(struct challenges *challenges, const char *uid);

/*
 * Is nothing of it at a provider, for sure? So it is from when this process has put the finalizer on, which stands
 * before any presentation, as long as each presentation since was refused before anything was written. After a
 * restart nobody knows.
 */
void challenges_note_untouched(struct challenges *challenges, const char *uid);
bool challenges_is_untouched(struct challenges *challenges, const char *uid);
/* It is being presented; returns whether it was untouched until now. */
bool challenges_touch(struct challenges *challenges, const char *uid);

/* When the CA was asked to validate the challenge with this uid; 0: not by this process. */
int64_t challenges_asked_ms(struct challenges *challenges, const char *uid);
void challenges_note_asked(struct challenges *challenges, const char *uid, int64_t at_ms);
/* All places are taken (--max-concurrent-challenges): in line, once. */
void challenges_queue(struct challenges *challenges, const struct key *key);
/* The next in line, as "namespace/name" owned by the caller; NULL when nobody waits. */
char *challenges_next(struct challenges *challenges);
/* It has ended: it may still have to be cleaned up. */
void challenges_note_ended(struct challenges *challenges, const char *uid);
/* It is gone. */
void challenges_forget(struct challenges *challenges, const char *uid);

#endif
