/*
 * order.h - acme.cert-manager.io/v1 Order (api.md 7).
 */
#ifndef API_ORDER_H
#define API_ORDER_H

#include "api/object.h"

enum order_state { /* of Orders and Challenges alike */
                   STATE_NONE,
                   STATE_VALID,
                   STATE_READY,
                   STATE_PENDING,
                   STATE_PROCESSING,
                   STATE_INVALID,
                   STATE_EXPIRED,
                   STATE_ERRORED
};
extern const struct enum_names order_state_names;
bool state_is_final(int state);  /* valid, invalid, expired, errored */
bool state_is_failed(int state); /* invalid, expired, errored */

struct order_spec {
    struct bytes request;
    struct issuer_reference issuer_ref;
    const char *common_name;
    struct array_string dns_names, ip_addresses;
    struct opt_duration duration;
    const char *profile, *replaces;
};
struct order_challenge {
    const char *url, *token, *type;
};
struct order_authorization {
    const char *url, *identifier;
    struct opt_bool wildcard;
    int initial_state;
    ARRAY_OF(struct order_challenge) challenges;
};
struct order_status {
    const char *url, *finalize_url;
    ARRAY_OF(struct order_authorization) authorizations;
    struct bytes certificate;
    int state;
    const char *reason;
    int64_t failure_time_ms;
};
struct order {
    struct object object;
    struct order_spec spec;
    struct order_status status;
};
extern const struct fields order_fields, order_spec_fields, order_status_fields;

#endif
