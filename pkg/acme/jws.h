/*
 * jws.h - flattened JWS (RFC 7515 7.2.2, RFC 8555 6.2).
 */
#ifndef ACME_JWS_H
#define ACME_JWS_H

#include "acme/acme.h"
#include "json/json.h"

struct acme_jws {
    const char *url;
    const char *nonce;
    const char *account_url;    /* kid; NULL: the public key itself (jwk) */
    const struct json *payload; /* NULL: the empty payload of POST-as-GET */
};
int acme_jws_sign(const struct pkey *key, const struct acme_jws *jws, char **ret, struct err *err);

/* {"protected", "payload", "signature"} of parts that are not encoded yet. */
struct acme_jws_parts {
    const char *protected_header;
    const char *payload;
    const void *signature;
    size_t signature_len;
};
/* What is signed: base64url(protected) "." base64url(payload). */
char *acme_jws_signing_input(const char *protected_header, const char *payload);
struct json *acme_jws_flatten(const struct acme_jws_parts *parts);

/* The externalAccountBinding of newAccount (RFC 8555 7.3.4). */
int acme_eab_sign(const struct acme_eab *eab, const struct pkey *key, const char *url,
                  struct json **ret, struct err *err);

/* The public JWK as a value. */
struct json *acme_jwk(const struct pkey *key);

#endif
