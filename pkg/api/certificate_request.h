/*
 * certificate_request.h - cert-manager.io/v1 CertificateRequest (api.md 5).
 */
#ifndef API_CERTIFICATE_REQUEST_H
#define API_CERTIFICATE_REQUEST_H

#include "api/object.h"
#include "pki/pki.h"

struct certificate_request_spec {
    struct opt_duration duration;
    struct issuer_reference issuer_ref;
    struct bytes request;
    bool is_ca;
    struct array_int usages; /* enum key_usage */
    const char *username, *uid;
    struct array_string groups;
    struct json *extra;
};
struct certificate_request_status {
    struct conditions conditions; /* Ready, InvalidRequest, Approved, Denied */
    struct bytes certificate, ca;
    int64_t failure_time_ms;
};
struct certificate_request {
    struct object object;
    struct certificate_request_spec spec;
    struct certificate_request_status status;
};
extern const struct fields certificate_request_fields, certificate_request_spec_fields,
    certificate_request_status_fields;

#endif
