/*
 * fake_dns.h - name servers in memory behind dns_new_fake(), for the simulator.
 *
 * One recursive server (FAKE_DNS_RECURSIVE), and for each zone two authoritative ones that take
 * updates: the first shows a change at once, the second `late_ms` after it. A zone can be down in
 * several ways. Time comes from the call's context; a call that times out moves the simulator's clock
 * by what it would have waited. One thread at a time.
 *
 * Updates are idempotent and by exact value, as RFC 2136 has it.
 */
#ifndef SUPPORT_FAKE_DNS_H
#define SUPPORT_FAKE_DNS_H

#include "dns/dns.h"

#define FAKE_DNS_RECURSIVE "192.0.2.53"
#define FAKE_DNS_PRIMARY   "192.0.2.1" /* takes the updates of all zones */
#define FAKE_DNS_SECONDARY "192.0.2.2"

enum fake_dns_mode {
    FAKE_DNS_FINE,
    FAKE_DNS_SERVFAIL, /* every answer */
    FAKE_DNS_REFUSES,  /* updates only */
    FAKE_DNS_SILENT,   /* nothing answers */
    FAKE_DNS_LOSES,    /* updates are taken, their answers lost */
};
/* Asked before and after the effect of each update: a negative result is what the caller gets. */
typedef int fake_dns_fault_fn(void *arg, bool after, struct err *err);

struct fake_dns;
/* `clock` is moved by timeouts; borrowed. */
struct fake_dns *fake_dns_new(struct fake_clock *clock);
void fake_dns_free(struct fake_dns *fake);
DEFINE_CLEANUP(struct fake_dns, fake_dns_free);
struct dns *fake_dns_client(struct fake_dns *fake); /* the caller's; before the fake */
void fake_dns_set_fault(struct fake_dns *fake, fake_dns_fault_fn *fault, void *arg);

void fake_dns_add_zone(struct fake_dns *fake, const char *zone); /* "example.com", no final dot */
void fake_dns_set_mode(struct fake_dns *fake, const char *zone, enum fake_dns_mode mode);
void fake_dns_set_late(struct fake_dns *fake, const char *zone, int64_t late_ms);
void fake_dns_add_cname(struct fake_dns *fake, const char *name, const char *target);
void fake_dns_remove_all(struct fake_dns *fake); /* as an administrator does, by hand */

/* As a validator sees it: through CNAMEs, on the first server. */
bool fake_dns_shows(const struct fake_dns *fake, const char *name, const char *value);
size_t fake_dns_count(const struct fake_dns *fake); /* TXT records in all zones */
size_t fake_dns_count_at(const struct fake_dns *fake, const char *name);
const char *fake_dns_any(const struct fake_dns *fake); /* name of one of them; NULL */
size_t fake_dns_updates(const struct fake_dns *fake);  /* taken so far, removals included */
/* Most values that one name has had at a time. */
size_t fake_dns_most_at_once(const struct fake_dns *fake);

#endif
