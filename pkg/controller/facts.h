/*
 * facts.h - what the caches keep of objects whose bytes nobody decides on (DESIGN 6).
 *
 * Requests, certificates and chains are kept as hashes and read live when needed.
 */
#ifndef CONTROLLER_FACTS_H
#define CONTROLLER_FACTS_H

#include "api/certificate.h"
#include "api/certificate_request.h"
#include "api/order.h"
#include "api/secret.h"
#include "api/signing_request.h"

/* What of a CSR is compared with a Certificate's spec (behaviour.md 2.2): a hash each. */
enum csr_field {
    CSR_COMMON_NAME,
    CSR_DNS_NAMES,
    CSR_IP_ADDRESSES,
    CSR_URIS,
    CSR_EMAIL_ADDRESSES,
    CSR_SERIAL_NUMBER,
    CSR_ORGANIZATIONS,
    CSR_COUNTRIES,
    CSR_LOCALITIES,
    CSR_ORGANIZATIONAL_UNITS,
    CSR_POSTAL_CODES,
    CSR_PROVINCES,
    CSR_STREET_ADDRESSES,
    CSR_LITERAL_SUBJECT, /* of a request: its subject as it stands, whoever wrote it */
    CSR_OTHER_NAMES,
    CSR_FIELD_COUNT
};
extern const char *const csr_field_paths[CSR_FIELD_COUNT]; /* "spec.commonName", ... */

struct request_facts {
    struct certificate_request request; /* without its bytes and the requester's identity */
    bool csr_ok;
    bool has_certificate, certificate_ok;
    unsigned char key_hash[SHA256_LEN]; /* of the CSR's public key */
    int key_algorithm, key_size;        /* of it, once it has failed; enum key_algorithm, or 0 */
    unsigned char certificate_key_hash[SHA256_LEN];
    uint64_t csr_hashes[CSR_FIELD_COUNT];       /* 0: empty */
    unsigned char certificate_hash[SHA256_LEN]; /* of the leaf's DER */
    int64_t not_after_ms;
    int64_t revision;    /* of the annotation; 0: missing or unreadable */
    bool replaces_young; /* the annotation is there (certificate_decide.h) */
};
/* The same hashes of what a Certificate's spec asks for. */
void csr_hashes_of_spec(const struct certificate_spec *spec, uint64_t ret[CSR_FIELD_COUNT]);
void csr_hashes_of_csr(const struct csr *csr, uint64_t ret[CSR_FIELD_COUNT]);
/* The subject is one text or single fields; other names that are not asked for may be there. */
bool csr_field_counts(const struct certificate_spec *spec, enum csr_field field);

struct order_facts {
    struct order order; /* spec.request and status.certificate left out */
    bool has_certificate;
};

struct signing_request_facts {
    struct signing_request request; /* without its bytes and the requester's identity; of another
                                     * program's signer nothing but what it is called */
    bool is_ours, has_certificate;
};
/* Neither a certificate nor a verdict yet. */
bool signing_request_is_open(const struct signing_request_facts *facts);

extern const struct object_form request_facts_form, order_facts_form, signing_request_facts_form;
/* Decode functions of the caches. */
int request_facts_decode(const struct json *value, const void **ret, struct err *err);
int order_facts_decode(const struct json *value, const void **ret, struct err *err);
int signing_request_facts_decode(const struct json *value, const void **ret, struct err *err);

#endif
