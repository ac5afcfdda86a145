/*
 * challenge.h - acme.cert-manager.io/v1 Challenge (api.md 8).
 */
#ifndef API_CHALLENGE_H
#define API_CHALLENGE_H

#include "api/issuer.h"
#include "api/order.h"

enum challenge_type { CHALLENGE_NONE, CHALLENGE_HTTP01, CHALLENGE_DNS01 };
extern const struct enum_names challenge_type_names; /* "HTTP-01", "DNS-01" */

struct challenge_spec {
    const char *url, *authorization_url, *dns_name;
    bool wildcard;
    int type; /* enum challenge_type */
    const char *token, *key;
    struct acme_solver solver;
    struct issuer_reference issuer_ref;
};
struct challenge_status {
    bool processing, presented;
    int64_t presented_at_ms;
    const char *reason;
    int state; /* enum order_state */
};
struct challenge {
    struct object object;
    struct challenge_spec spec;
    struct challenge_status status;
};
extern const struct fields challenge_fields, challenge_spec_fields, challenge_status_fields;

#endif
