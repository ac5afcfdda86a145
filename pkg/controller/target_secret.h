/*
 * target_secret.h - the Secret that a Certificate names: what is applied to it, and whether its
 * metadata still is what we applied (behaviour.md 2.4 and 5). Pure, but for the salts of key stores.
 */
#ifndef CONTROLLER_TARGET_SECRET_H
#define CONTROLLER_TARGET_SECRET_H

#include "controller/certificate_decide.h"
#include "controller/keystores.h"

struct target_secret {
    const struct certificate *crt;
    /* Annotations issuer-name, -kind, -group, verbatim; NULL ones are left out (a temporary certificate). */
    const char *issuer_name, *issuer_kind, *issuer_group;
    const char *type; /* of the Secret that exists: it cannot be changed; NULL: it is new */
    const char *key_pem, *chain_pem;
    const char *ca_pem; /* NULL: no ca.crt */
    bool owner_ref;
    /* Of the key stores that have to be made; NULL: none has to (keystores.h). */
    const struct keystore_passwords *passwords;
    const struct array_pair *kept; /* key stores as they are, entry to base64; NULL: none */
    bool may_lack;  /* key stores whose password cannot be had are left out, and ... */
    unsigned lacks; /* ... bit by enum keystore_format say which */
    int64_t now_ms; /* entries of a Java key store tell when they were made */
};

/* The object for a forced apply as MANAGER_ISSUING: all our fields and no others. ERR_INVALID when key
 * or chain do not decode, or as keystore.h; ERR_TOO_LARGE for more than a Secret may hold. The JSON holds
 * the private key. Key stores have salts, so that two of these differ. */
int target_secret_json(const struct target_secret *target, struct json **ret, struct err *err);

/* Labels and annotations for a leaf with these names; the Certificate's secretTemplate below ours. */
void target_secret_metadata(const struct target_secret *target, const struct x509_names *leaf,
                            struct strmap *ret_labels, struct strmap *ret_annotations);

#endif
