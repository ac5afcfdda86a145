/*
 * pkey.h - private keys, and the public part of anybody's key.
 *
 * Private bytes are wiped when the key is freed; PEM and DER of private keys go into secret bufs.
 */
#ifndef PKI_PKEY_H
#define PKI_PKEY_H

#include "base/buf.h"
#include "pki/digest.h"

struct pkey; /* counted: pkey_ref(), pkey_unref() */

enum key_algorithm { KEY_ALGORITHM_NONE, KEY_RSA, KEY_ECDSA, KEY_ED25519, KEY_OTHER };
enum key_encoding {
    KEY_PKCS1,
    KEY_PKCS8
}; /* PKCS1 of an ECDSA key is SEC1 "EC PRIVATE KEY"; Ed25519 always PKCS8 */

struct pkey *pkey_ref(const struct pkey *key);
void pkey_unref(const struct pkey *key);
static inline void pkey_unref_ptr(const struct pkey **key)
{
    if (*key)
        pkey_unref(*key);
}

/* `size`: RSA bits 2048-8192, ECDSA 256/384/521, ignored for Ed25519; ERR_INVALID otherwise. */
int pkey_generate(enum key_algorithm algorithm, int size, const struct pkey **ret, struct err *err);
/* The same; gives up with ERR_CANCELED once `stop` says so. An RSA key of 8192 bits can take a minute. */
typedef bool pkey_stop_fn(void *arg);
int pkey_generate_until(enum key_algorithm algorithm, int size, pkey_stop_fn *stop, void *arg,
                        const struct pkey **ret, struct err *err);
/* First private key block: PKCS#1, SEC1 or PKCS#8, unencrypted. ERR_INVALID says what is there instead. */
int pkey_from_pem(const char *pem, size_t len, const struct pkey **ret, struct err *err);
/* As much of it as is compared. The same errors, and of a key on a curve, as it is usually written, a third of the
 * time. */
struct pkey_look {
    enum key_algorithm algorithm;
    int size;
    unsigned char public_hash[SHA256_LEN]; /* as pkey_public_hash() */
};
int pkey_look(const char *pem, size_t len, struct pkey_look *ret, struct err *err);
/* The buf is failed afterwards if there is no private part, or a provider does not give it out. */
void pkey_to_pem(const struct pkey *key, enum key_encoding encoding, struct buf *to);
void pkey_to_der(const struct pkey *key, enum key_encoding encoding, struct buf *to);
enum key_algorithm pkey_algorithm(const struct pkey *key);
int pkey_size(const struct pkey *key); /* as for pkey_generate */
bool pkey_equal_public(const struct pkey *a, const struct pkey *b);
/* SHA-256 of the SubjectPublicKeyInfo. */
void pkey_public_hash(const struct pkey *key, unsigned char to[SHA256_LEN]);
/* base64(std) of SHA-256 of the PKCS#1 DER (RSA; else of the PKCS#8 DER): status.acme.lastPrivateKeyHash */
char *pkey_private_hash_base64(const struct pkey *key);

/* JWS (RFC 7515, 7518, 8037). alg by key: RS256, ES256, ES384, ES512, EdDSA. */
const char *pkey_jws_alg(const struct pkey *key);
/* ECDSA as fixed-width r||s. Appends the raw signature. */
int pkey_jws_sign(const struct pkey *key, const void *data, size_t len, struct buf *to,
                  struct err *err);
/* For tests and the scripted CA. ERR_DENIED when it does not fit. */
int pkey_jws_verify(const struct pkey *key, const void *data, size_t len, const void *signature,
                    size_t signature_len, struct err *err);
/* The public JWK as JSON text with exactly the members and order of RFC 7638. */
void pkey_jwk(const struct pkey *key, struct buf *to);
/* base64url(SHA-256(JWK)): 43 characters. */
char *pkey_thumbprint(const struct pkey *key);
int pkey_from_jwk_text(const char *n, const char *e, const char *crv, const char *x, const char *y,
                       const struct pkey **ret,
                       struct err *err); /* public only; for tests and the scripted CA */

#endif
