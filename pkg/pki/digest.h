/*
 * digest.h - hashes and MACs.
 */
#ifndef PKI_DIGEST_H
#define PKI_DIGEST_H

#include "base/buf.h"

enum digest_type { DIGEST_SHA256, DIGEST_SHA384, DIGEST_SHA512 };
#define DIGEST_MAX 64
#define SHA256_LEN 32

size_t digest_len(enum digest_type type);
void digest(enum digest_type type, const void *data, size_t len, unsigned char to[DIGEST_MAX]);
void sha256(const void *data, size_t len, unsigned char to[SHA256_LEN]);
char *sha256_hex(const void *data, size_t len);
int hmac(enum digest_type type, const void *key, size_t key_len, const void *data, size_t len,
         unsigned char to[DIGEST_MAX], struct err *err);

#endif
