/*
 * certificate.c - the tables of Certificate, in the order of its CRD. Its rules are in
 * certificate_check.c, its defaults in certificate_defaults.c.
 */
#include "api/certificate.h"

#include "api/certificate_check.h"
#include "api/check.h"
#include "base/limits.h"

enum { SERIAL_NUMBER_MAX = 200 }; /* X.520 has 64; LIMIT_NAME_BYTES leaves room for more */

static const char *const usage_names[] = {
    NULL,
    "signing",
    "digital signature",
    "content commitment",
    "key encipherment",
    "key agreement",
    "data encipherment",
    "cert sign",
    "crl sign",
    "encipher only",
    "decipher only",
    "any",
    "server auth",
    "client auth",
    "code signing",
    "email protection",
    "s/mime",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "timestamping",
    "ocsp signing",
    "microsoft sgc",
    "netscape sgc",
};
_Static_assert(ARRAY_LEN(usage_names) == USAGE_COUNT, "a name for each usage");
const struct enum_names key_usage_names = {usage_names, ARRAY_LEN(usage_names)};

static const char *const signature_names[] = {
    [SIGNATURE_SHA256_RSA] = "SHA256WithRSA",     [SIGNATURE_SHA384_RSA] = "SHA384WithRSA",
    [SIGNATURE_SHA512_RSA] = "SHA512WithRSA",     [SIGNATURE_ECDSA_SHA256] = "ECDSAWithSHA256",
    [SIGNATURE_ECDSA_SHA384] = "ECDSAWithSHA384", [SIGNATURE_ECDSA_SHA512] = "ECDSAWithSHA512",
    [SIGNATURE_ED25519] = "PureEd25519",
};
const struct enum_names signature_algorithm_names = {signature_names, ARRAY_LEN(signature_names)};

static const char *const rotation_names[] = {NULL, "Never", "Always"};
static const struct enum_names rotation_policy_names = {rotation_names, ARRAY_LEN(rotation_names)};
static const char *const algorithm_names[] = {NULL, "RSA", "ECDSA", "Ed25519"};
static const struct enum_names key_algorithm_names = {algorithm_names, ARRAY_LEN(algorithm_names)};
static const char *const encoding_names[] = {NULL, "PKCS1", "PKCS8"};
static const struct enum_names key_encoding_names = {encoding_names, ARRAY_LEN(encoding_names)};
static const char *const format_names[] = {NULL, "DER", "CombinedPEM"};
static const struct enum_names output_format_names = {format_names, ARRAY_LEN(format_names)};
static const char *const renewal_names[] = {NULL, "RenewBefore", "Disabled"};
static const struct enum_names renewal_policy_names = {renewal_names, ARRAY_LEN(renewal_names)};
static const char *const profile_names[] = {
    [PKCS12_LEGACY_RC2] = "LegacyRC2",
    [PKCS12_LEGACY_DES] = "LegacyDES",
    [PKCS12_MODERN_2023] = "Modern2023",
    [PKCS12_MODERN_2026] = "Modern2026",
};
_Static_assert(ARRAY_LEN(profile_names) == PKCS12_PROFILE_END, "a name for each profile");
static const struct enum_names pkcs12_profile_names = {profile_names, ARRAY_LEN(profile_names)};

/* spec */

static const struct field certificate_subject_rows[] = {
    FIELD(struct certificate_subject, organizations, "organizations", STRINGS,
          .check = check_all_seen, .flags = F_ATOMIC),
    FIELD(struct certificate_subject, countries, "countries", STRINGS, .check = check_all_seen,
          .flags = F_ATOMIC),
    FIELD(struct certificate_subject, organizational_units, "organizationalUnits", STRINGS,
          .check = check_all_seen, .flags = F_ATOMIC),
    FIELD(struct certificate_subject, localities, "localities", STRINGS, .check = check_all_seen,
          .flags = F_ATOMIC),
    FIELD(struct certificate_subject, provinces, "provinces", STRINGS, .check = check_all_seen,
          .flags = F_ATOMIC),
    FIELD(struct certificate_subject, street_addresses, "streetAddresses", STRINGS,
          .check = check_all_seen, .flags = F_ATOMIC),
    FIELD(struct certificate_subject, postal_codes, "postalCodes", STRINGS, .check = check_all_seen,
          .flags = F_ATOMIC),
    FIELD(struct certificate_subject, serial_number, "serialNumber", STRING,
          .max = SERIAL_NUMBER_MAX, .check = check_seen),
};
static DEFINE_FIELDS(certificate_subject, "Certificate spec.subject", certificate_subject_rows,
                     NULL);

static const struct field certificate_other_name_rows[] = {
    FIELD(struct certificate_other_name, oid, "oid", STRING, .check = check_oid),
    FIELD(struct certificate_other_name, utf8_value, "utf8Value", STRING, .check = check_seen),
};
static DEFINE_FIELDS(certificate_other_name, "Certificate spec.otherNames",
                     certificate_other_name_rows, certificate_other_name_check);

static const struct field certificate_private_key_rows[] = {
    FIELD(struct certificate_private_key, rotation_policy, "rotationPolicy", ENUM,
          .names = &rotation_policy_names, .default_text = "Always"),
    FIELD(struct certificate_private_key, encoding, "encoding", ENUM, .names = &key_encoding_names,
          .default_text = "PKCS1 (PKCS8 for Ed25519)"),
    FIELD(struct certificate_private_key, algorithm, "algorithm", ENUM,
          .names = &key_algorithm_names, .default_text = "RSA"),
    FIELD(struct certificate_private_key, size, "size", INT,
          .default_text = "2048 for RSA, 256 for ECDSA"),
};
static DEFINE_FIELDS(certificate_private_key, "Certificate spec.privateKey",
                     certificate_private_key_rows, certificate_private_key_check);

static const struct field secret_template_rows[] = {
    FIELD(struct secret_template, annotations, "annotations", MAP,
          .check = check_template_annotations),
    FIELD(struct secret_template, labels, "labels", MAP, .check = check_template_labels),
};
static DEFINE_FIELDS(secret_template, "Certificate spec.secretTemplate", secret_template_rows,
                     NULL);

static const struct field certificate_output_format_rows[] = {
    FIELD(struct certificate_output_format, type, "type", ENUM, .names = &output_format_names,
          .flags = F_REQUIRED),
};
static DEFINE_FIELDS(certificate_output_format, "Certificate spec.additionalOutputFormats",
                     certificate_output_format_rows, NULL);

/* Clients in Go write a reference with an empty name beside a literal password (api.md 4). */
static const struct field password_ref_rows[] = {
    FIELD(struct secret_key_selector, name, "name", STRING, .flags = F_REQUIRED | F_MAY_BE_EMPTY),
    FIELD(struct secret_key_selector, key, "key", STRING),
};
static const struct fields password_ref_fields = {
    .name = "reference to a password in a Secret",
    .size = sizeof(struct secret_key_selector),
    .rows = password_ref_rows,
    .count = ARRAY_LEN(password_ref_rows),
};

static const struct field jks_keystore_rows[] = {
    FIELD(struct jks_keystore, create, "create", OPT_BOOL, .flags = F_REQUIRED),
    FIELD(struct jks_keystore, alias, "alias", STRING, .max = LIMIT_ALIAS,
          .default_text = "certificate"),
    FIELD(struct jks_keystore, password_secret_ref, "passwordSecretRef", OBJECT,
          .of = &password_ref_fields),
    FIELD(struct jks_keystore, password, "password", SECRET, .min = 1, .max = LIMIT_PASSWORD),
};
static DEFINE_FIELDS(jks_keystore, "Certificate spec.keystores.jks", jks_keystore_rows,
                     jks_keystore_check);

static const struct field pkcs12_keystore_rows[] = {
    FIELD(struct pkcs12_keystore, create, "create", OPT_BOOL, .flags = F_REQUIRED),
    FIELD(struct pkcs12_keystore, profile, "profile", ENUM, .names = &pkcs12_profile_names,
          .default_text = "LegacyRC2"),
    FIELD(struct pkcs12_keystore, password_secret_ref, "passwordSecretRef", OBJECT,
          .of = &password_ref_fields),
    FIELD(struct pkcs12_keystore, password, "password", SECRET, .min = 1, .max = LIMIT_PASSWORD),
};
static DEFINE_FIELDS(pkcs12_keystore, "Certificate spec.keystores.pkcs12", pkcs12_keystore_rows,
                     pkcs12_keystore_check);

static const struct field certificate_keystores_rows[] = {
    FIELD(struct certificate_keystores, jks, "jks", OBJECT, .of = &jks_keystore_fields),
    FIELD(struct certificate_keystores, pkcs12, "pkcs12", OBJECT, .of = &pkcs12_keystore_fields),
};
static DEFINE_FIELDS(certificate_keystores, "Certificate spec.keystores",
                     certificate_keystores_rows, NULL);

static const struct field name_constraint_item_rows[] = {
    FIELD(struct name_constraint_item, dns_domains, "dnsDomains", STRINGS,
          .check = check_dns_bounds, .flags = F_ATOMIC),
    FIELD(struct name_constraint_item, ip_ranges, "ipRanges", STRINGS, .check = check_ip_ranges,
          .flags = F_ATOMIC),
    FIELD(struct name_constraint_item, email_addresses, "emailAddresses", STRINGS,
          .check = check_email_bounds, .flags = F_ATOMIC),
    FIELD(struct name_constraint_item, uri_domains, "uriDomains", STRINGS,
          .check = check_uri_bounds, .flags = F_ATOMIC),
};
static DEFINE_FIELDS(name_constraint_item, "name constraints", name_constraint_item_rows, NULL);

static const struct field name_constraints_rows[] = {
    FIELD(struct name_constraints, critical, "critical", BOOL),
    FIELD(struct name_constraints, permitted, "permitted", OBJECT,
          .of = &name_constraint_item_fields),
    FIELD(struct name_constraints, excluded, "excluded", OBJECT,
          .of = &name_constraint_item_fields),
};
static DEFINE_FIELDS(name_constraints, "Certificate spec.nameConstraints", name_constraints_rows,
                     name_constraints_check);

static const struct field renewal_window_rows[] = {
    FIELD(struct renewal_window, cron, "cron", STRING, .flags = F_REQUIRED,
          .check = check_window_cron),
    FIELD(struct renewal_window, window_duration, "windowDuration", DURATION,
          .flags = F_REQUIRED | F_PLAIN, .check = check_window_duration),
    FIELD(struct renewal_window, timezone, "timezone", STRING, .min = 1, .default_text = "UTC"),
};
static DEFINE_FIELDS(renewal_window, "Certificate spec.renewal.windows", renewal_window_rows, NULL);

static const struct field certificate_renewal_rows[] = {
    FIELD(struct certificate_renewal, policy, "policy", ENUM, .names = &renewal_policy_names),
    FIELD(struct certificate_renewal, windows, "windows", LIST, .of = &renewal_window_fields,
          .flags = F_ATOMIC, .max = LIMIT_WINDOWS),
};
static DEFINE_FIELDS(certificate_renewal, "Certificate spec.renewal", certificate_renewal_rows,
                     certificate_renewal_check);

static const struct field certificate_spec_rows[] = {
    FIELD(struct certificate_spec, subject, "subject", OBJECT, .of = &certificate_subject_fields),
    FIELD(struct certificate_spec, literal_subject, "literalSubject", STRING,
          .check = check_literal_subject),
    FIELD(struct certificate_spec, common_name, "commonName", STRING, .max = COMMON_NAME_MAX,
          .check = check_printable),
    FIELD(struct certificate_spec, duration, "duration", DURATION, .default_text = "2160h0m0s"),
    FIELD(struct certificate_spec, renew_before, "renewBefore", DURATION,
          .default_text = "a third of the lifetime"),
    FIELD(struct certificate_spec, renew_before_percentage, "renewBeforePercentage", OPT_INT,
          .min = INT32_MIN, .max = INT32_MAX),
    FIELD(struct certificate_spec, dns_names, "dnsNames", STRINGS, .check = check_dns_names,
          .flags = F_ATOMIC),
    FIELD(struct certificate_spec, ip_addresses, "ipAddresses", STRINGS,
          .check = check_ip_addresses, .flags = F_ATOMIC),
    FIELD(struct certificate_spec, uris, "uris", STRINGS, .check = check_uris, .flags = F_ATOMIC),
    FIELD(struct certificate_spec, email_addresses, "emailAddresses", STRINGS,
          .check = check_email_addresses, .flags = F_ATOMIC),
    FIELD(struct certificate_spec, other_names, "otherNames", LIST,
          .of = &certificate_other_name_fields, .flags = F_ATOMIC),
    FIELD(struct certificate_spec, secret_name, "secretName", STRING, .flags = F_REQUIRED,
          .check = check_subdomain),
    FIELD(struct certificate_spec, secret_template, "secretTemplate", OBJECT,
          .of = &secret_template_fields),
    FIELD(struct certificate_spec, keystores, "keystores", OBJECT,
          .of = &certificate_keystores_fields),
    FIELD(struct certificate_spec, issuer_ref, "issuerRef", INLINE, .of = &issuer_reference_fields,
          .flags = F_REQUIRED, .check = check_issuer_reference),
    FIELD(struct certificate_spec, is_ca, "isCA", BOOL),
    FIELD(struct certificate_spec, usages, "usages", ENUMS, .names = &key_usage_names,
          .flags = F_ATOMIC, .default_text = "digital signature, key encipherment"),
    FIELD(struct certificate_spec, private_key, "privateKey", OBJECT,
          .of = &certificate_private_key_fields),
    FIELD(struct certificate_spec, encode_usages_in_request, "encodeUsagesInRequest", OPT_BOOL,
          .default_text = "true"),
    FIELD(struct certificate_spec, signature_algorithm, "signatureAlgorithm", ENUM,
          .names = &signature_algorithm_names, .default_text = "as fits the private key"),
    FIELD(struct certificate_spec, revision_history_limit, "revisionHistoryLimit", OPT_INT,
          .min = 1, .max = INT32_MAX, .default_text = "1"),
    FIELD(struct certificate_spec, additional_output_formats, "additionalOutputFormats", LIST,
          .of = &certificate_output_format_fields, .flags = F_ATOMIC),
    FIELD(struct certificate_spec, name_constraints, "nameConstraints", OBJECT,
          .of = &name_constraints_fields),
    FIELD(struct certificate_spec, renewal, "renewal", OBJECT, .of = &certificate_renewal_fields),
};
DEFINE_FIELDS(certificate_spec, "Certificate spec", certificate_spec_rows, certificate_spec_check);

/* status */

static const struct field certificate_ari_window_rows[] = {
    FIELD(struct certificate_ari_window, start_ms, "start", TIME, .flags = F_REQUIRED),
    FIELD(struct certificate_ari_window, end_ms, "end", TIME, .flags = F_REQUIRED),
};
static DEFINE_FIELDS(certificate_ari_window, "Certificate status.acme.ari.suggestedWindow",
                     certificate_ari_window_rows, NULL);

static const struct field certificate_ari_rows[] = {
    FIELD(struct certificate_ari, suggested_window, "suggestedWindow", OBJECT,
          .of = &certificate_ari_window_fields),
    FIELD(struct certificate_ari, explanation_url, "explanationURL", STRING),
    FIELD(struct certificate_ari, last_error, "lastError", STRING),
    FIELD(struct certificate_ari, last_checked_ms, "lastChecked", TIME),
    FIELD(struct certificate_ari, next_check_ms, "nextCheck", TIME),
};
static DEFINE_FIELDS(certificate_ari, "Certificate status.acme.ari", certificate_ari_rows, NULL);

static const struct field certificate_acme_status_rows[] = {
    FIELD(struct certificate_acme_status, ari, "ari", OBJECT, .of = &certificate_ari_fields),
};
static DEFINE_FIELDS(certificate_acme_status, "Certificate status.acme",
                     certificate_acme_status_rows, NULL);

static const struct field certificate_status_rows[] = {
    FIELD(struct certificate_status, conditions, "conditions", LIST, .of = &condition_fields,
          .key = "type"),
    FIELD(struct certificate_status, last_failure_time_ms, "lastFailureTime", TIME),
    FIELD(struct certificate_status, not_before_ms, "notBefore", TIME),
    FIELD(struct certificate_status, not_after_ms, "notAfter", TIME),
    FIELD(struct certificate_status, renewal_time_ms, "renewalTime", TIME),
    FIELD(struct certificate_status, revision, "revision", OPT_INT, .min = 1, .max = INT64_MAX),
    FIELD(struct certificate_status, next_private_key_secret_name, "nextPrivateKeySecretName",
          STRING),
    FIELD(struct certificate_status, failed_issuance_attempts, "failedIssuanceAttempts", OPT_INT),
    FIELD(struct certificate_status, acme, "acme", OBJECT, .of = &certificate_acme_status_fields),
};
DEFINE_FIELDS(certificate_status, "Certificate status", certificate_status_rows, NULL);

static const struct field certificate_rows[] = {
    FIELD(struct certificate, object.metadata, "metadata", INLINE, .of = &metadata_fields),
    FIELD(struct certificate, spec, "spec", INLINE, .of = &certificate_spec_fields),
    FIELD(struct certificate, status, "status", INLINE, .of = &certificate_status_fields),
};
DEFINE_FIELDS(certificate, "Certificate", certificate_rows, NULL);
