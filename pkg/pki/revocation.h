/*
 * revocation.h - has the issuer taken a certificate back? By CRL (RFC 5280 5) and OCSP (RFC 6960).
 *
 * Where to ask stands in the certificate; fetching is the caller's. An answer counts only if the issuer, or for
 * OCSP somebody whom it authorised, has signed it, and it is in force now: one that does not say until when is
 * for seven days. Any thread.
 */
#ifndef PKI_REVOCATION_H
#define PKI_REVOCATION_H

#include "base/buf.h"
#include "pki/cert.h"

/* Where cRLDistributionPoints and authorityInfoAccess say that it is: URLs of any scheme and with anything in them,
 * or words in brackets where there is none among them. Appended to `ret`. */
void cert_crl_urls(const struct cert *cert, struct strlist *ret);
void cert_ocsp_urls(const struct cert *cert, struct strlist *ret);

enum revocation_state { REVOCATION_GOOD, REVOCATION_REVOKED, REVOCATION_UNKNOWN };
struct revocation {
    enum revocation_state state;
    int64_t revoked_at_ms; /* REVOCATION_REVOKED */
    const char *reason;    /* the same: "keyCompromise" (RFC 5280 5.3.1); NULL: not told; static */
    int64_t this_update_ms,
        next_update_ms; /* of the answer; 0: it does not say when the next comes */
};

/* In a CRL, DER or PEM. ERR_INVALID: unreadable, another issuer's, wrong signature, not in force at `now_ms`.
 * ERR_UNSUPPORTED: an indirect one, with critical extensions that nobody here knows, or one that by its
 * issuingDistributionPoint is not about `cert`. */
int crl_look_up(const void *crl, size_t len, const struct cert *cert, const struct cert *issuer,
                int64_t now_ms, struct revocation *ret, struct err *err);

/* The question about one certificate, as body of a POST of application/ocsp-request; without nonce, so that
 * responders may answer what they have at hand. */
void ocsp_request(const struct cert *cert, const struct cert *issuer, struct buf *to);
/* The answer. ERR_INVALID as above; ERR_UNAVAILABLE: the responder says to try later; ERR_DENIED: it refuses. */
int ocsp_look_up(const void *response, size_t len, const struct cert *cert,
                 const struct cert *issuer, int64_t now_ms, struct revocation *ret,
                 struct err *err);

#endif
