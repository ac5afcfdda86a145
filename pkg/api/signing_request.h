/*
 * signing_request.h - certificates.k8s.io/v1 CertificateSigningRequest, and how it says what is wanted of an
 * issuer (behaviour.md 14): the signer's name is the issuer, annotations say what the kind has no field for.
 */
#ifndef API_SIGNING_REQUEST_H
#define API_SIGNING_REQUEST_H

#include "api/object.h"
#include "pki/pki.h"

#define ANNOTATION_SIGNING_DURATION   "experimental.cert-manager.io/request-duration"
#define ANNOTATION_SIGNING_IS_CA      "experimental.cert-manager.io/request-is-ca"
#define ANNOTATION_SIGNING_KEY_SECRET "experimental.cert-manager.io/private-key-secret-name"

struct signing_condition {
    const char *type; /* Approved, Denied, Failed */
    int status;       /* enum condition_status */
    const char *reason, *message;
    int64_t last_update_time_ms, last_transition_time_ms;
};
struct signing_request_spec {
    struct bytes request;
    const char *signer_name;
    struct opt_int expiration_seconds;
    struct array_int usages; /* enum key_usage */
    const char *username, *uid;
    struct array_string groups;
    struct json *extra;
};
struct signing_request_status {
    ARRAY_OF(struct signing_condition) conditions;
    struct bytes certificate;
};
struct signing_request {
    struct object object;
    struct signing_request_spec spec;
    struct signing_request_status status;
};
extern const struct fields signing_condition_fields, signing_request_fields,
    signing_request_spec_fields, signing_request_status_fields;

/* A condition of this type is there; the API server lets none be anything but True. */
bool signing_request_has(const struct signing_request *request, const char *type);

struct signer { /* an issuer, by the name of a signer; borrows from it */
    bool is_cluster;
    const char *namespace; /* `namespace_len` bytes of it; of a ClusterIssuer none */
    size_t namespace_len;
    const char *name;
};
/* "issuers.cert-manager.io/<namespace>.<name>", "clusterissuers.cert-manager.io/<name>"; a name may have dots,
 * a namespace has none. False: not a signer of ours. */
bool signer_parse(const char *signer_name, struct signer *ret);
/* Does it mean the issuer of this kind, namespace and name? */
bool signer_is(const struct signer *signer, const struct object *issuer);

/* What the annotation says, else expirationSeconds; unset: neither. ERR_INVALID: the annotation is no duration. */
int signing_request_duration(const struct signing_request *request, struct opt_duration *ret,
                             struct err *err);
bool signing_request_is_ca(const struct signing_request *request);

#endif
