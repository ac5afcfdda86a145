/*
 * secret.h - core/v1 Secret: data of a live one, and the facts a cache keeps instead of its bytes.
 */
#ifndef API_SECRET_H
#define API_SECRET_H

#include "api/object.h"
#include "pki/pki.h"

struct secret { /* decoded in full: only while a reconcile needs it; the arena is wiped */
    struct object object;
    const char *type;
    struct array_pair data;        /* values are base64 text */
    struct array_pair string_data; /* manifests only */
    struct opt_bool immutable;
};
extern const struct fields secret_fields;
bool secret_has(const struct secret *secret, const char *key);
/* Appends the decoded value; ERR_NOT_FOUND names Secret and key; ERR_INVALID. */
int secret_value(const struct secret *secret, const char *key, struct buf *to, struct err *err);
/* "secret 'ns/name' has no key 'tls.key'" etc. */

/* What is kept of every Secret that the caches see (DESIGN 6): no bytes of keys. */
struct secret_facts {
    struct object object; /* without last-applied-configuration, which may hold a key */
    const char *type;
    struct array_string keys; /* names of data, sorted */
    bool has_data;            /* tls.key and tls.crt are there and not empty */
    bool key_ok, cert_ok;     /* they decode */
    bool is_immutable;        /* its data cannot be changed any more */
    bool is_temporary;        /* made by a controller itself, until the issuer's comes */
    /* Only its metadata was seen, and of that only names, uid, version, what belongs to us (labels,
     * annotations, owners) and a deletion are kept. All else here is empty, and says nothing. */
    bool is_partial;
    int key_algorithm, key_size;             /* of tls.key; enum key_algorithm */
    unsigned char key_hash[SHA256_LEN];      /* of tls.key's public part */
    unsigned char cert_key_hash[SHA256_LEN]; /* of the leaf's public key */
    unsigned char cert_hash[SHA256_LEN];     /* of the leaf's DER */
    unsigned char data_hash[SHA256_LEN];     /* of all data */
    unsigned char tls_key_hash[SHA256_LEN];  /* of tls.key's bytes as they stand */
    bool key_der_fits,
        combined_fits; /* key.der is tls.key's DER; tls-combined.pem is tls.key "\n" tls.crt */
    int64_t not_before_ms, not_after_ms; /* of the leaf */
    const char *ari_id;                  /* NULL when the leaf has none */
    const char *leaf_common_name;
    struct array_string leaf_dns_names, leaf_ip_addresses, leaf_uris, leaf_email_addresses;
    const char *serial_hex;
    /* Of metadata.managedFields: keys that the issuing manager applied, and who else owns tls.crt or
     * tls.key (NULL: nobody). The JSON itself would take 5 KB for every Secret. */
    struct array_string owned_labels, owned_annotations, owned_data;
    struct array_string owned_owners; /* each as {"uid":"..."} */
    const char *foreign_owner;
};
/* Who signs temporary certificates, here and at cert-manager (behaviour.md 1.4). */
#define TEMPORARY_CA_NAME "cert-manager.local"
extern const struct object_form secret_facts_form;
/* From a Secret's JSON, or a PARTIAL_KIND's (store/store.h). */
int secret_facts_decode(const struct json *value, const struct secret_facts **ret, struct err *err);

#endif
