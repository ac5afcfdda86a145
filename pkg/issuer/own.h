/*
 * own.h - what the issuer types share that sign with a key they have: ca and selfSigned.
 *
 *   own_begin()     the request with its bytes, and its CSR
 *   own_template()  what the request asks for (behaviour.md 6)
 *   own_end()       signs, and gives certificate and CA
 *
 * Only these files include it. A signing belongs to one run.
 */
#ifndef ISSUER_OWN_H
#define ISSUER_OWN_H

#include "issuer/issuers.h"

struct own_signing {
    struct issuers *issuers;
    const struct context *ctx;
    const struct sign_input *input;
    struct arena *arena;
    struct sign_result *result;
    struct signable request;   /* with its bytes */
    const struct object *read; /* what was read live, or NULL */
    struct csr *csr;
    struct cert *leaf;                               /* once it is signed */
    struct strlist crl_urls, ocsp_urls, issuer_urls; /* filled by the type */
};
void own_deinit(struct own_signing *own);
DEFINE_CLEANUP_VALUE(struct own_signing, own_deinit);

/* 0: go on; 1: it has failed, which is in the result; negative: try again. `reason` is the event's. */
int own_begin(struct own_signing *own, const char *reason, struct err *err);
/* The issuer's key and certificate are left to the caller. Borrows from `own`. */
struct cert_template own_template(const struct own_signing *own);
/* The leaf, then `above_pem`; `root_pem` NULL: the leaf is its own CA. */
int own_end(struct own_signing *own, const struct cert_template *template, const char *above_pem,
            const char *root_pem, const char *reason);

/* Results: all return 0. */
int own_pending(struct own_signing *own, const char *reason, const struct err *why);
int own_failed(struct own_signing *own, const char *reason, const struct err *why);

#endif
