/*
 * address.h - which addresses a redirect of a stranger may lead to.
 */
#ifndef HTTP_ADDRESS_H
#define HTTP_ADDRESS_H

#include "base/base.h"

struct sockaddr;

/* False for loopback, link-local, private and every other range that is not the open Internet,
 * also when it hides in an IPv6 form of IPv4. Text that is no address is not public. */
bool address_text_is_public(const char *text);
bool address_is_public(const struct sockaddr *address);

#endif
