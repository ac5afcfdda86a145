/*
 * inspect.h - inside of certlet inspect: what was read, and how it is shown.
 *
 *   inspect.c             the command: a file, or a Secret
 *   inspect_chain.c       judges its chain
 *   inspect_print.c       in words and as JSON
 *   inspect_revocation.c  asks CRLs and OCSP responders
 */
#ifndef CERTLET_INSPECT_H
#define CERTLET_INSPECT_H

#include "api/secret.h"
#include "base/context.h"
#include "pki/pki.h"

struct revocation_answer { /* of one source about one certificate */
    size_t certificate;    /* index in the chain */
    const char *kind;      /* "CRL", "OCSP"; static */
    char *url;
    struct revocation found; /* if `err.code` is 0 */
    struct err err;
};
struct private_key {
    const struct pkey *key;
    char *problem; /* why it is NULL */
};
struct contents {             /* zeroed is empty */
    struct private_key *keys; /* programs take the first one */
    size_t key_count;
    struct chain chain, ca;      /* ca: ca.crt of a Secret */
    char *chain_problem;         /* why one of them cannot be read */
    bool in_order;               /* the chain: each is signed by the next one, and in force */
    struct strlist findings;     /* what is wrong with the chain */
    bool ca_fits;                /* ca.crt has signed something of it */
    const struct secret *secret; /* NULL: a file */
    bool asked;                  /* for revocation */
    struct revocation_answer *answers;
    size_t answer_count;
};
void contents_deinit(struct contents *contents);
DEFINE_CLEANUP_VALUE(struct contents, contents_deinit);

/* The certificate that signed number `i`: of the chain or ca.crt; NULL: it is not there. */
const struct cert *contents_issuer(const struct contents *contents, size_t i);
/* Is it the first certificate's? One that cannot be read, or without a certificate, is not. */
bool contents_key_fits(const struct contents *contents, const struct private_key *key);
/* Finds out what is wrong with the chain: before it is printed, and once. */
void contents_judge(struct contents *contents, int64_t now_ms);
/* Is everything as it should be: readable, in order, the key's, in force, such as clients take, not revoked? */
bool contents_are_good(const struct contents *contents);

void contents_print(const struct contents *contents, int64_t now_ms);
void contents_print_json(const struct contents *contents, int64_t now_ms);

/* For every certificate of the chain whose issuer is there too. What cannot be asked is an answer, too. */
int contents_ask_revocation(struct contents *contents, const struct context *ctx, struct err *err);

#endif
