/*
 * keymaker.h - RSA keys for Certificates, made by threads of its own.
 *
 * An RSA key takes a core for 0.2 s (2048 bits) up to a minute (8192). No worker is held by that: who
 * asks gets ERR_BUSY, and is woken when the key is there. Keys come namespace by namespace in turn, on all
 * cores; those of more than 4096 bits are made by one of the threads only, when nothing smaller waits, so
 * that they delay nobody. Of a size asked for within the last hour a few are made ahead.
 *
 * A key that nobody fetches within 10 minutes is dropped. Any thread may call.
 */
#ifndef CONTROLLER_KEYMAKER_H
#define CONTROLLER_KEYMAKER_H

#include "base/clock.h"
#include "pki/pkey.h"
#include "store/resource.h"

struct keymaker;
struct keymaker_options {
    const struct clock *clock;
    int threads; /* at most 8; 0: made at once, by who asks (one-threaded tests) */
    void (*ready)(void *arg, const struct key *key); /* from a thread of the keymaker */
    void *arg;
};

int keymaker_new(const struct keymaker_options *options, struct keymaker **ret, struct err *err);
/* Joins the threads; what they were making is given up. keymaker_take() is ERR_CANCELED from then on. */
void keymaker_stop(struct keymaker *keymaker);
void keymaker_free(struct keymaker *keymaker);
DEFINE_CLEANUP(struct keymaker, keymaker_free);

/* The RSA key of `size` bits for the object `key`: a reference, once. ERR_BUSY: it is being made. */
int keymaker_take(struct keymaker *keymaker, const struct key *key, int size,
                  const struct pkey **ret, struct err *err);

#endif
