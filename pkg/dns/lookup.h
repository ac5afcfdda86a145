/*
 * lookup.h - reading replies. Records are chosen by type and owner, never by their place: a cached
 * answer in another order took cert-manager down (GHSA-gx3x-vq4p-mhhv).
 */
#ifndef DNS_LOOKUP_H
#define DNS_LOOKUP_H

#include "dns/dns.h"

char *dns_absolute(const char *name); /* lower case, with final dot */
/* The first answer of that type and owner (absolute); NULL. */
const struct dns_record *reply_find(const struct dns_reply *reply, int type, const char *owner);
/* Values of all answers of that type and owner. */
void reply_values(const struct dns_reply *reply, int type, const char *owner, struct strlist *to);
/* Where the CNAMEs inside the answer lead from `name` (absolute): a name of the reply, or `name`.
 */
const char *reply_end_of_chain(const struct dns_reply *reply, const char *name);
/* 0 for NOERROR and NXDOMAIN, else an error that names the rcode. */
int reply_check(const struct dns_reply *reply, const char *name, enum dns_type type,
                struct err *err);

/* Made by dns_new_fake()? Then nobody asks this host's routing table either. */
bool dns_is_fake(const struct dns *dns);

#endif
