/*
 * keystore.h - PKCS#12 files and Java key stores (JKS): written only, from what a target Secret holds.
 *
 * Everything is borrowed for the call, and may be used by other threads meanwhile. A store has fresh salts
 * each time, so two of the same never are equal. It holds the private key: give a secret buf. What is made
 * on the way (the encoded key, the keys of ciphers and MACs) is wiped. No error text has the password in it.
 *
 * Both functions: ERR_INVALID when the password is empty, is not UTF-8 or has a NUL in it;
 * ERR_UNSUPPORTED when OpenSSL does not offer, or may not offer (FIPS), what the format is made with: the
 * text names a profile that works. On an error nothing of use is in the buf.
 */
#ifndef PKI_KEYSTORE_H
#define PKI_KEYSTORE_H

#include "pki/cert.h"

struct keystore {
    const struct pkey *key;     /* NULL: a trust store */
    const struct chain *chain;  /* of the key, leaf first; not looked at in a trust store */
    const struct chain *cas;    /* trusted ones; may be empty, but not in a trust store */
    const char *alias;          /* of the key in a JKS; empty or NULL: "certificate" */
    const struct buf *password; /* UTF-8 */
    int64_t now_ms;             /* when the entries of a JKS were made, as they say */
};

/* spec.keystores.pkcs12.profile: what encrypts and what guards against change (api.md 4). */
enum pkcs12_profile {
    PKCS12_LEGACY_RC2 =
        1,              /* RC2 with 40 bits, 3DES for the key, SHA-1; OpenSSL's legacy provider */
    PKCS12_LEGACY_DES,  /* 3DES, SHA-1 */
    PKCS12_MODERN_2023, /* PBES2: AES-256-CBC, PBKDF2 with SHA-256; HMAC with SHA-256 */
    PKCS12_MODERN_2026, /* the same; PBMAC1 (RFC 9579): OpenSSL 3.4, Java 26 and newer */
    PKCS12_PROFILE_END
};

/* What both refuse of a password. */
int keystore_check_password(const struct buf *password, struct err *err);
/* Java lists the key as "1", as it does with what cert-manager makes, and those of a trust store under their
 * subjects. */
int keystore_pkcs12(const struct keystore *keystore, enum pkcs12_profile profile, struct buf *to,
                    struct err *err);
/* The key is in lower case, as Java looks for it whatever a program asks for. The CAs are "ca", "ca-1", ...;
 * the name of the key is left out. */
int keystore_jks(const struct keystore *keystore, struct buf *to, struct err *err);

#endif
