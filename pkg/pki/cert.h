/*
 * cert.h - certificates, chains, and the checks before one is stored.
 */
#ifndef PKI_CERT_H
#define PKI_CERT_H

#include "base/str.h"
#include "pki/csr.h"
#include "pki/pkey.h"

struct cert; /* one X.509 certificate, counted */

struct cert *cert_ref(struct cert *cert);
void cert_unref(struct cert *cert);
DEFINE_CLEANUP(struct cert, cert_unref);
/* ERR_INVALID also for names with a NUL byte and for repeated or broken extensions. */
int cert_from_der(const void *der, size_t len, struct cert **ret, struct err *err);
int64_t cert_not_before_ms(const struct cert *cert);
int64_t cert_not_after_ms(const struct cert *cert);
const struct x509_names *cert_names(const struct cert *cert); /* lent: subject and SANs */
const char *cert_subject(const struct cert *cert);            /* RFC 4514-like text, lent */
const char *cert_issuer(const struct cert *cert);
const char *cert_issuer_common_name(const struct cert *cert); /* "" if none */
const char *cert_serial_hex(const struct cert *cert);         /* lower case, whole bytes */
const struct pkey *cert_public_key(const struct cert *cert);  /* lent; NULL: only looked at */
void cert_public_hash(const struct cert *cert, unsigned char to[SHA256_LEN]); /* as of its pkey */
bool cert_is_ca(const struct cert *cert);
bool cert_is_self_signed(const struct cert *cert); /* issuer == subject and own signature */
/* Issuer name and signature; nothing about dates or usages. */
bool cert_is_signed_by(const struct cert *cert, const struct cert *issuer);
key_usages cert_usages(const struct cert *cert); /* as csr_usages() */
/* May its key be used for that? For everything where it does not say for what (RFC 5280 4.2.1.3). */
bool cert_key_may(const struct cert *cert, enum key_usage usage);
/* Appends what cert_names() and cert_usages() have no place for: names of other kinds in words, usages as OIDs. */
int cert_others(const struct cert *cert, struct strlist *names, struct strlist *usages,
                struct err *err);
/* Of which names it may sign; none: nothing is said. ERR_INVALID: it cannot be read. */
int cert_bounds(const struct cert *cert, struct name_bounds *ret, struct err *err);
bool cert_has_bounds(const struct cert *cert); /* says it anything of that, readable or not? */
void cert_to_der(const struct cert *cert, struct buf *to);
void cert_to_pem(const struct cert *cert, struct buf *to);
char *cert_fingerprint_hex(const struct cert *cert); /* SHA-256 of the DER */
/* RFC 9773 4.1: base64url(AKI keyIdentifier) "." base64url(serial content octets).
 * ERR_UNSUPPORTED without an authorityKeyIdentifier. */
int cert_ari_id(const struct cert *cert, char **ret, struct err *err);

/* Leaf first. */
struct chain {
    struct cert **certs;
    size_t len;
};
void chain_deinit(struct chain *chain);
DEFINE_CLEANUP_VALUE(struct chain, chain_deinit);
/* Only CERTIFICATE blocks are allowed (RFC 8555 11.4): a PRIVATE KEY or other block is ERR_INVALID;
 * more than LIMIT_CHAIN_CERTS or LIMIT_CHAIN_BODY is ERR_TOO_LARGE; none is ERR_INVALID. */
int chain_from_pem(const char *pem, size_t len, struct chain *ret, struct err *err);
/* Certificates of CAs, in any order, by the same rules but for size: LIMIT_BUNDLE_PEM and LIMIT_BUNDLE_CERTS.
 * Public keys as in leaf_look(). */
int bundle_from_pem(const char *pem, size_t len, struct chain *ret, struct err *err);
/* The first of the chain, for looking at what chain_from_pem() and chain_verify() have let in: all blocks
 * are read by the same rules, but the leaf's public key only as bytes to be compared, if it can. */
int leaf_look(const char *pem, size_t len, struct cert **ret, struct err *err);
void chain_to_pem(const struct chain *chain, struct buf *to);
void chain_append(struct chain *to, const struct chain *from); /* references are taken */
/* From the first certificate upwards to where its issuers end: in order, without repeats and without those
 * that have signed none of it. References are taken. */
void chain_upwards(const struct chain *from, struct chain *ret);

struct chain_expectation {
    const struct pkey *key;          /* the leaf's public key must equal it; NULL: not checked */
    const struct strlist *dns_names; /* all must be among the leaf's SANs (lower case A-labels) */
    const struct strlist *ip_addresses; /* canonical text */
    int64_t now_ms;
    int64_t clock_slack_ms; /* notBefore may lie this far ahead */
};
/* Every certificate signs the one before it, the key fits, no name is missing, not expired.
 * ERR_INVALID says which of these and where. A self-signed root at the end is allowed, of any date.
 * DNS and IP names in the leaf that were not asked for are added to *ret_extra (may be NULL). */
int chain_verify(const struct chain *chain, const struct chain_expectation *expect,
                 struct strlist *ret_extra, struct err *err);
/* What clients have against `path`, whose certificates are signed by the next one each: the rules of RFC 5280 6.1
 * for CAs, critical extensions and names, as OpenSSL holds them to one that trusts the last one, whose own limits
 * count as well. Nothing of dates. `places`: what each is called in the findings that are appended to `ret`. */
void chain_judge(const struct chain *path, const struct strlist *places, struct strlist *ret);
/* Of that only what is certain, for those who did not ask: path length, CAs that may not sign, critical extensions
 * that nobody knows, names outside of what is permitted or within what is excluded. */
void chain_refusals(const struct chain *path, const struct strlist *places, struct strlist *ret);
/* Does OpenSSL find nothing in the name constraints of `ca` against this leaf, but for its common name? At a hundredth
 * of what chain_judge() takes, which says what it is. */
bool cert_names_fit(const struct cert *leaf, const struct cert *ca);
/* The path from the first of `chain` as far as it goes, in whatever order they are. A CA that is in `ca` too comes
 * from there, self-signed where it is: what clients trust ends the path. `ret_places`: "certificate 2 of the chain
 * ('CN=x')", or "of ca.crt". References are taken. */
void chain_path(const struct chain *chain, const struct chain *ca, struct chain *ret,
                struct strlist *ret_places);
/* The refusals of that path in one text, which is the caller's; NULL: none. */
char *chain_refusal_text(const struct chain *chain, const struct chain *ca);

#endif
