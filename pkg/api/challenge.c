/*
 * challenge.c - the tables of Challenge.
 */
#include "api/challenge.h"

static const char *const type_names[] = {NULL, "HTTP-01", "DNS-01"};
const struct enum_names challenge_type_names = {type_names, ARRAY_LEN(type_names)};

static const struct field challenge_spec_rows[] = {
    FIELD(struct challenge_spec, url, "url", STRING, .flags = F_REQUIRED),
    FIELD(struct challenge_spec, authorization_url, "authorizationURL", STRING,
          .flags = F_REQUIRED),
    FIELD(struct challenge_spec, dns_name, "dnsName", STRING, .flags = F_REQUIRED),
    FIELD(struct challenge_spec, wildcard, "wildcard", BOOL, .flags = F_NO_OMIT),
    FIELD(struct challenge_spec, type, "type", ENUM, .names = &challenge_type_names,
          .flags = F_REQUIRED),
    FIELD(struct challenge_spec, token, "token", STRING, .flags = F_REQUIRED),
    FIELD(struct challenge_spec, key, "key", STRING, .flags = F_REQUIRED),
    FIELD(struct challenge_spec, solver, "solver", INLINE, .of = &acme_solver_fields,
          .flags = F_REQUIRED),
    FIELD(struct challenge_spec, issuer_ref, "issuerRef", INLINE, .of = &issuer_reference_fields,
          .flags = F_REQUIRED),
};
DEFINE_FIELDS(challenge_spec, "Challenge spec", challenge_spec_rows, NULL);

static const struct field challenge_status_rows[] = {
    FIELD(struct challenge_status, processing, "processing", BOOL),
    FIELD(struct challenge_status, presented, "presented", BOOL),
    FIELD(struct challenge_status, presented_at_ms, "presentedAt", TIME),
    FIELD(struct challenge_status, reason, "reason", STRING),
    FIELD(struct challenge_status, state, "state", ENUM, .names = &order_state_names),
};
DEFINE_FIELDS(challenge_status, "Challenge status", challenge_status_rows, NULL);

static const struct field challenge_rows[] = {
    FIELD(struct challenge, object.metadata, "metadata", INLINE, .of = &metadata_fields,
          .flags = F_REQUIRED),
    FIELD(struct challenge, spec, "spec", INLINE, .of = &challenge_spec_fields,
          .flags = F_REQUIRED | F_IMMUTABLE),
    FIELD(struct challenge, status, "status", INLINE, .of = &challenge_status_fields),
};
DEFINE_FIELDS(challenge, "Challenge", challenge_rows, NULL);
