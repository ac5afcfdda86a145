/*
 * keystore_format.h - the two formats of keystore.c. Private to this folder. The password is checked.
 */
#ifndef PKI_KEYSTORE_FORMAT_H
#define PKI_KEYSTORE_FORMAT_H

#include "pki/keystore.h"
#include "pki/openssl.h"

DEFINE_CLEANUP(X509_SIG, X509_SIG_free);

int pkcs12_write(const struct keystore *keystore, enum pkcs12_profile profile, struct buf *to,
                 struct err *err);
int jks_write(const struct keystore *keystore, struct buf *to, struct err *err);

/* Of the key, as both encrypt it; wiped with the buf. */
int keystore_key_der(const struct keystore *keystore, struct buf *to, struct err *err);

#endif
