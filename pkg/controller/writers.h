/*
 * writers.h - who overwrites target Secrets that we have written: in-memory notes. Any thread.
 *
 * Two writers that each put their own certificate into one Secret would issue for ever (users.md row
 * 3). A foreign manager that replaces what we stored twice within 10 minutes stops us for an hour, or until the
 * Certificate's spec is edited.
 */
#ifndef CONTROLLER_WRITERS_H
#define CONTROLLER_WRITERS_H

#include "api/secret.h"

#define WRITERS_STOPPED_FOR_MS HOURS(1)

struct writers;
struct writers *writers_new(void);
void writers_free(struct writers *writers);
DEFINE_CLEANUP(struct writers, writers_free);

/* We have stored a certificate with this public key hash for the Certificate `uid`. */
void writers_note_stored(struct writers *writers, const char *uid,
                         const unsigned char key_hash[SHA256_LEN]);
/* Looks at the Secret of the Certificate as it is; NULL, or the name of the manager that must be stopped first
 * (lent from the facts) and until when we hold still. */
const char *writers_rival(struct writers *writers, const struct object *crt,
                          const struct secret_facts *secret, int64_t now_ms, int64_t *ret_until_ms);

/* A repair was applied to this version of the Secret; if it is the version still, repairing it again
 * would change nothing either (another manager holds what differs). */
void writers_note_repaired(struct writers *writers, const char *uid, const char *version);
bool writers_repair_is_futile(struct writers *writers, const char *uid,
                              const struct secret_facts *secret);
/* The Certificate is gone. */
void writers_forget(struct writers *writers, const char *uid);

#endif
