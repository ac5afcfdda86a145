/*
 * lease.h - the record in a Lease (coordination.k8s.io/v1), read and written (kubernetes.md 9).
 * Pure functions over JSON.
 *
 * A write starts from the Lease as it was read, so that labels, and members of the record that we do not
 * know, stay as they are. Times in the record are for people: nobody compares them with a clock.
 */
#ifndef RUNTIME_LEASE_H
#define RUNTIME_LEASE_H

#include "store/resource.h"
#include "json/json.h"

/* Not one of our kinds: it has no reconciler and no cache; the elector and `certlet check` look at one. */
extern const struct resource lease_resource;

struct lease_record {
    const char *holder;  /* lent from the Lease; "": nobody */
    int64_t duration_ms; /* without a change for that long, the holder has lost it */
};
void lease_read(const struct json *lease, struct lease_record *ret);
/* Nothing has changed that a holder writes. NULL: there is none. */
bool lease_same_record(const struct json *a, const struct json *b);

enum lease_write {
    LEASE_TAKE,    /* another one leads from now on */
    LEASE_RENEW,   /* the holder still does */
    LEASE_RELEASE, /* nobody does: the next may take it at once */
};
/* What is to be stored in place of `lease`; NULL: a new one with the name `key`. */
struct json *lease_written(const struct json *lease, const struct key *key, enum lease_write write,
                           const char *identity, int64_t duration_ms, int64_t wall_ms);

#endif
