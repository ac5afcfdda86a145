/*
 * sign.h - issues certificates: for the CA and selfSigned issuers, the scripted CA and the tests.
 */
#ifndef PKI_SIGN_H
#define PKI_SIGN_H

#include "pki/cert.h"
#include "pki/csr.h"

/* Everything is borrowed. */
struct cert_template {
    /* Its subject and SAN extension as they stand, its key, and for a CA its nameConstraints; or: */
    const struct csr *csr;
    const struct x509_names *names; /* instead of those of the csr */
    const struct pkey *public_key;  /* instead of that of the csr; neither: issuer_key's own */
    bool is_ca;                     /* adds cert sign to the usages */
    key_usages usages;
    int64_t not_before_ms; /* rounded down to seconds, as not_after_ms */
    int64_t not_after_ms;
    const unsigned char *serial; /* most significant byte first; NULL: 158 random bits */
    size_t serial_len;           /* <= 20 (RFC 5280 4.1.2.2) */
    const struct cert *issuer;   /* NULL: self-signed */
    const struct pkey *issuer_key;
    enum signature_algorithm signature; /* default: behaviour.md 1.3 by the issuer's key */
    /* URLs of cRLDistributionPoints and authorityInfoAccess; NULL or empty: no such extension. */
    const struct strlist *crl_urls, *ocsp_urls, *issuer_urls;
};

/* Version 3 with keyUsage, extKeyUsage, basicConstraints, subjectKeyIdentifier,
 * authorityKeyIdentifier (unless self-signed) and subjectAltName. The end is as given, even where the
 * issuer's own is sooner. ERR_INVALID when the key is not the issuer's, the dates are in the wrong order,
 * or a name or URL cannot be written. */
int cert_sign(const struct cert_template *template, struct cert **ret, struct err *err);

#endif
