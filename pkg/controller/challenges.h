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

/* Is there something to be done for it besides cleaning up? NULL: no. */
bool challenge_is_open(const struct challenge *challenge);
/* One of --max-concurrent-challenges, as the store tells: from its presentation to its end, but for the pauses after
 * an error. NULL holds none. */
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
/*
 * What has a place, and does not say so in the store yet: it is not written for this alone, and several workers take
 * one at once. `stored` are the places of others that the store tells of, in all and of the namespace.
 */
struct places {
    size_t stored, stored_of_one;
    size_t most, most_of_one;
};
/* Has it one now? It may have had it before. */
bool challenges_take_place(struct challenges *challenges, const struct object *challenge,
                           const struct places *places);
void challenges_give_place(struct challenges *challenges, const char *uid);
bool challenges_has_place(struct challenges *challenges, const char *uid);
/* All places are taken (--max-concurrent-challenges): in line, once. What is presented goes on before others begin. */
void challenges_queue(struct challenges *challenges, const struct key *key, bool is_presented);
/* The next in line, as "namespace/name" owned by the caller; NULL when nobody waits. */
char *challenges_next(struct challenges *challenges);
/* It has ended: it may still have to be cleaned up. */
void challenges_note_ended(struct challenges *challenges, const char *uid);
/* It is gone. */
void challenges_forget(struct challenges *challenges, const char *uid);

#endif
