/*
 * names.h - text forms of what stands in certificates and file paths: DNS names, IP addresses, DNS-1123.
 */
#ifndef PKI_NAMES_H
#define PKI_NAMES_H

#include "base/err.h"

#define IP_TEXT_MAX 46

bool name_is_dns1123_label(const char *s);     /* [a-z0-9]([-a-z0-9]*[a-z0-9])?, <= 63 */
bool name_is_dns1123_subdomain(const char *s); /* labels with dots, <= 253 */
bool name_is_secret_key(
    const char *s); /* [-._a-zA-Z0-9]+, <= 253, not "." "..", not starting with ".." */
bool name_is_qualified(const char *s); /* label and annotation keys: [prefix/]name */
bool name_is_label_value(const char *s);
/* A name for a certificate: LDH labels (underscore tolerated), optional leading "*.", <= 253, no trailing dot. */
bool name_is_dns_san(const char *s);
/* Canonical text (RFC 5952); accepts no brackets, zones or prefixes. Writes into `to`.
 * An IPv4-mapped IPv6 address becomes the IPv4 address, as in Go and as in a certificate. */
int ip_canonical(const char *text, char to[IP_TEXT_MAX], struct err *err);
/* The 4 or 16 bytes of an address, and back. */
int ip_parse(const char *text, unsigned char to[16], size_t *ret_len, struct err *err);
void ip_format(const unsigned char *ip, size_t len, char to[IP_TEXT_MAX]);
bool name_is_ip(const char *s);
/* The bytes and the mask, 4 or 16 of each, of a range such as 192.0.2.0/24; what is behind the prefix is
 * taken for zero. As the API server's isCIDR(), without IPv4 addresses in their IPv6 form. */
int ip_range_parse(const char *text, unsigned char to[32], size_t *ret_len, struct err *err);
/* The other way, of 8 or 32 bytes and as they stand; a mask that is no prefix is written like an address. */
#define IP_RANGE_TEXT_MAX (2 * IP_TEXT_MAX)
void ip_range_format(const unsigned char *range, size_t len, char to[IP_RANGE_TEXT_MAX]);
/* Numbers and dots that every decoder can hold: 2 to NAME_OID_ARCS arcs, none above 2^31-1 (Go's limit).
 * OpenSSL gives no text for one of more than 586 bytes, and an arc takes up to 5, the first two together. */
#define NAME_OID_ARCS 118
bool name_is_oid(const char *s);
/* X.680 41.4, and as in Go without '*' and '&', which the standard leaves out. */
bool name_is_printable_string(const char *s);
/* Has it none but characters of URLs: printable ASCII without blanks? True for "". */
bool name_is_url_text(const char *s);
/* RFC 5322 dot-atom on both sides; whatever else an address may be, no CA takes it. */
bool name_is_email(const char *s);
/* No more than what Go reads of the URIs of certificates, which it refuses as a whole for one that it cannot read: url.Parse(), then
 * its host, of 253 bytes at most. A scheme is not asked for, and a blank may be in all but scheme and host. */
bool name_is_uri(const char *s);
/* No more than what Go reads of name constraints. True for "", which means all; a dot may be in front. */
bool name_is_domain_bound(const char *s);
bool name_is_uri_bound(const char *s);   /* a domain, and not an IP address */
bool name_is_email_bound(const char *s); /* a domain, or one address */

#endif
