/*
 * order.c - the tables of Order. Nothing in an Order is checked when it is made (api.md 7).
 */
#include "api/order.h"

static const char *const state_names[] = {
    [STATE_VALID] = "valid",           [STATE_READY] = "ready",     [STATE_PENDING] = "pending",
    [STATE_PROCESSING] = "processing", [STATE_INVALID] = "invalid", [STATE_EXPIRED] = "expired",
    [STATE_ERRORED] = "errored",
};
const struct enum_names order_state_names = {state_names, ARRAY_LEN(state_names)};

bool state_is_failed(int state)
{
    return state == STATE_INVALID || state == STATE_EXPIRED || state == STATE_ERRORED;
}

bool state_is_final(int state)
{
    return state == STATE_VALID || state_is_failed(state);
}

static const struct field order_spec_rows[] = {
    FIELD(struct order_spec, request, "request", BYTES,
          .flags = F_REQUIRED | F_IMMUTABLE | F_DIGEST),
    FIELD(struct order_spec, issuer_ref, "issuerRef", INLINE, .of = &issuer_reference_fields,
          .flags = F_REQUIRED),
    FIELD(struct order_spec, common_name, "commonName", STRING),
    FIELD(struct order_spec, dns_names, "dnsNames", STRINGS, .flags = F_ATOMIC),
    FIELD(struct order_spec, ip_addresses, "ipAddresses", STRINGS, .flags = F_ATOMIC),
    FIELD(struct order_spec, duration, "duration", DURATION),
    FIELD(struct order_spec, profile, "profile", STRING),
    FIELD(struct order_spec, replaces, "replaces", STRING),
};
DEFINE_FIELDS(order_spec, "Order spec", order_spec_rows, NULL);

static const struct field order_challenge_rows[] = {
    FIELD(struct order_challenge, url, "url", STRING, .flags = F_REQUIRED | F_IMMUTABLE),
    FIELD(struct order_challenge, token, "token", STRING, .flags = F_REQUIRED | F_IMMUTABLE),
    FIELD(struct order_challenge, type, "type", STRING, .flags = F_REQUIRED | F_IMMUTABLE),
};
static DEFINE_FIELDS(order_challenge, "Order status.authorizations.challenges",
                     order_challenge_rows, NULL);

static const struct field order_authorization_rows[] = {
    FIELD(struct order_authorization, url, "url", STRING, .flags = F_REQUIRED | F_IMMUTABLE),
    FIELD(struct order_authorization, identifier, "identifier", STRING, .flags = F_IMMUTABLE),
    FIELD(struct order_authorization, wildcard, "wildcard", OPT_BOOL, .flags = F_IMMUTABLE),
    FIELD(struct order_authorization, initial_state, "initialState", ENUM,
          .names = &order_state_names, .flags = F_IMMUTABLE),
    FIELD(struct order_authorization, challenges, "challenges", LIST, .of = &order_challenge_fields,
          .flags = F_ATOMIC),
};
static DEFINE_FIELDS(order_authorization, "Order status.authorizations", order_authorization_rows,
                     NULL);

static const struct field order_status_rows[] = {
    FIELD(struct order_status, url, "url", STRING, .flags = F_IMMUTABLE),
    FIELD(struct order_status, finalize_url, "finalizeURL", STRING, .flags = F_IMMUTABLE),
    FIELD(struct order_status, authorizations, "authorizations", LIST,
          .of = &order_authorization_fields, .flags = F_ATOMIC),
    FIELD(struct order_status, certificate, "certificate", BYTES, .flags = F_IMMUTABLE | F_DIGEST),
    FIELD(struct order_status, state, "state", ENUM, .names = &order_state_names),
    FIELD(struct order_status, reason, "reason", STRING),
    FIELD(struct order_status, failure_time_ms, "failureTime", TIME),
};
DEFINE_FIELDS(order_status, "Order status", order_status_rows, NULL);

static const struct field order_rows[] = {
    FIELD(struct order, object.metadata, "metadata", INLINE, .of = &metadata_fields,
          .flags = F_REQUIRED),
    FIELD(struct order, spec, "spec", INLINE, .of = &order_spec_fields, .flags = F_REQUIRED),
    FIELD(struct order, status, "status", INLINE, .of = &order_status_fields),
};
DEFINE_FIELDS(order, "Order", order_rows, NULL);
