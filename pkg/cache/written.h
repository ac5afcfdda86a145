/*
 * written.h - what this process wrote last, with the bytes that caches leave out. Any thread.
 *
 *   begin ─► write ─► the store's answer ─► end, with a note ─► the next step, if its cache shows that version
 *
 * A request and its Order go through several steps within seconds, and most need bytes of theirs (the
 * CSR, the certificate). What a step has written is the whole object; it is handed out as long as the cache
 * shows exactly its version, else the store is asked. A watch is often faster than the answer: who asks while a write
 * of the object is on its way waits for that, for a tenth of a second at most.
 *
 * Notes are few and not large together, live for ten seconds, and only while our Lease is in force: who lost it
 * while he was paused does not act on what he wrote before. Never for Secrets.
 */
#ifndef CACHE_WRITTEN_H
#define CACHE_WRITTEN_H

#include "base/list.h"
#include "store/store.h"

struct written;
struct written *written_new(const struct clock *clock);
/* Nothing is known while `holds` says no; it must not block. Before the first written_get(). */
typedef bool written_hold_fn(void *arg);
void written_only_while(struct written *written, written_hold_fn *holds, void *arg);
void written_free(struct written *written);
DEFINE_CLEANUP(struct written, written_free);

/* `stored` as the store has answered; it is copied. */
void written_note(struct written *written, const struct resource *resource,
                  const struct json *stored);
/* The same around a write. `stored` is NULL if it has failed. */
struct written_flight { /* on the caller's stack */
    const struct resource *resource;
    struct key key; /* its texts live until the end */
    struct list link;
};
void written_begin(struct written *written, struct written_flight *flight);
void written_end(struct written *written, struct written_flight *flight, const struct json *stored);
/* A copy of the object of this uid at this version; NULL: not known. */
struct json *written_get(struct written *written, const struct resource *resource,
                         const struct key *key, const char *uid, const char *version);
/* Lets go of what is too old, which every note does, too. */
void written_tidy(struct written *written);
size_t written_len(struct written *written);

#endif
