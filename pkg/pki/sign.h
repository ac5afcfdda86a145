/*
 * sign.h - issues certificates: for the CA and selfSigned issuers, the scripted CA and the tests.
 */
#ifndef PKI_SIGN_H
#define PKI_SIGN_H

#include "pki/cert.h"
#include "pki/csr.h"

/* Everything is borrowed. */
struct cert_template {
    const struct csr *csr;          /* its subject, its SAN extension as it stands, its key; or: */
    const struct x509_names *names; /* instead of those of the csr */
    const struct pkey *public_key;  /* instead of that of the csr; neither: issuer_key's own */
    bool is_ca;                     /* adds cert sign to the usages */
    key_usages usages;
    int64_t not_before_ms; /* rounded down to seconds, as not_after_ms */
    int64_t not_after_ms;
    const unsigned char *serial; /* most significant byte first; NULL: 126 random bits */
    size_t serial_len;           /* <= 20 (RFC 5280 4.1.2.2) */
    const struct cert *issuer;   /* NULL: self-signed */
    const struct pkey *issuer_key;
    enum signature_algorithm signature; /* default: behaviour.md 1.3 by the issuer's key */
};

/* Version 3 with keyUsage, extKeyUsage, basicConstraints, subjectKeyIdentifier,
 * authorityKeyIdentifier (unless self-signed) and subjectAltName. ERR_INVALID when the key is not
 * the issuer's, the dates are in the wrong order, or a name cannot be written. */
int cert_sign(const struct cert_template *template, struct cert **ret, struct err *err);

#endif
