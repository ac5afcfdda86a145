/*
 * zone.h - time zones of the IANA database: how far local time is from UTC, at any instant.
 *
 * Read from TZif files (RFC 9636) in $TZDIR, which libc follows too, else in /usr/share/zoneinfo (Debian:
 * tzdata, from 13 on with tzdata-legacy for old names such as US/Pacific). A zone is read once, when it is
 * first asked for, is immutable from then on and lives as long as the process: a newer database counts from
 * the next start. "UTC" and "Etc/UTC" need no file. Any thread.
 *
 * A zone is a row of spans in each of which local time is a fixed distance from UTC. Where one ends and the
 * next begins the clocks are put forward (local times are left out) or back (they come twice); whoever works
 * span by span meets each local time as often as it comes.
 */
#ifndef BASE_ZONE_H
#define BASE_ZONE_H

#include "base/err.h"

struct zone;
struct zone_span {
    int64_t from_s,
        to_s;     /* since 1970 UTC, the second is not in it any more; INT64_MIN, INT64_MAX: open */
    int offset_s; /* local time is so much ahead: positive in the east */
};

/*
 * The zone of this name, lent for good. Before a path is made of a name it is held to what IANA's look like.
 *
 *   ERR_INVALID      no name of a time zone, or its file is none
 *   ERR_NOT_FOUND    the database here has none of that name
 *   ERR_UNAVAILABLE  there is no database here
 */
int zone_get(const char *name, const struct zone **ret, struct err *err);
bool zone_name_is_valid(const char *name);

/* That holds at `at_s`. Empty spans are left out: from_s <= at_s < to_s. */
struct zone_span zone_span_at(const struct zone *zone, int64_t at_s);

/* The contents of a TZif file; for zone_get(), and for tests and fuzzers, which free what they get. */
int zone_parse(const void *data, size_t len, struct zone **ret, struct err *err);
void zone_free(struct zone *zone);
DEFINE_CLEANUP(struct zone, zone_free);

#endif
