/*
 * dn.h - distinguished names as text (RFC 4514): for spec.literalSubject.
 *
 * Plain data, from any thread. What is read, and how, follows go-ldap, with which cert-manager reads
 * them, so that no subject becomes another one: ';' parts RDNs as ',' does, blanks around types and values
 * do not count, '=' may stand in a value, an empty value is one. Not taken: quoted values (RFC 2253), and
 * '"', '<' and '>' without a '\' in front. Unlike there, types are known in any case, and a value
 * that is written as #hexstring must be the BER form of one string.
 */
#ifndef PKI_DN_H
#define PKI_DN_H

#include "base/err.h"

#define DN_COMMON_NAME "2.5.4.3"
struct dn_attribute {
    char *oid;   /* dotted */
    char *value; /* UTF-8 */
    bool joins;  /* into the RDN of the one before ("+") */
};
/* In the order of the certificate: the text's last RDN first. */
struct dn {
    struct dn_attribute *items;
    size_t len;
};
void dn_deinit(struct dn *dn);
DEFINE_CLEANUP_VALUE(struct dn, dn_deinit);
/* ERR_INVALID says where and what; ERR_TOO_LARGE above LIMIT_DN_TEXT. */
int dn_parse(const char *text, struct dn *ret, struct err *err);
/* Lent: the last one of the certificate, as Go has it; NULL if none. */
const char *dn_common_name(const struct dn *dn);

#endif
