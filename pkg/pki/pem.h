/*
 * pem.h - finds PEM blocks in one pass over the text (incident GHSA-r4pg-vg54-wxx4: never quadratic).
 */
#ifndef PKI_PEM_H
#define PKI_PEM_H

#include "base/buf.h"

struct pem_block {
    char label[48];    /* "CERTIFICATE" */
    const char *start; /* of "-----BEGIN", in the text */
    const char *end;   /* behind the END line */
    unsigned char *der;
    size_t der_len;
};
void pem_block_deinit(struct pem_block *block); /* wipes the bytes */
DEFINE_CLEANUP_VALUE(struct pem_block, pem_block_deinit);

/* The next block at or behind *at; moves *at behind it. 0, ERR_NOT_FOUND at the end, ERR_INVALID.
 * Text outside blocks is passed over; RFC 1421 headers are refused. */
int pem_next(const char **at, const char *end, struct pem_block *ret, struct err *err);
/* Lines of 64, as Go's encoding/pem writes. */
void pem_write(struct buf *to, const char *label, const void *der, size_t len);

#endif
