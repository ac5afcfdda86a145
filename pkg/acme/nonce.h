/*
 * nonce.h - unused nonces of one directory (RFC 8555 6.5). Any thread.
 *
 * Every answer of the CA may bring one; they are used newest first, because old ones expire and die
 * when the CA moves between datacentres. After a badNonce the whole pool is dropped.
 */
#ifndef ACME_NONCE_H
#define ACME_NONCE_H

#include "base/context.h"
#include "base/thread.h"

#define ACME_NONCES_MAX    100
#define ACME_NONCE_LEN_MAX 512

struct acme_client;

struct acme_nonces {
    struct mutex mutex;
    char *items[ACME_NONCES_MAX]; /* oldest first */
    size_t len;
};

void acme_nonces_init(struct acme_nonces *nonces);
void acme_nonces_deinit(struct acme_nonces *nonces);
/* NULL and what is not base64url are ignored (RFC 8555 6.5.1); a full pool drops its oldest. */
void acme_nonces_put(struct acme_nonces *nonces, const char *nonce);
void acme_nonces_clear(struct acme_nonces *nonces);

/* One of the pool, or a new one from the CA. */
int acme_nonce_take(struct acme_client *client, const struct context *ctx, char **ret,
                    struct err *err);

#endif
