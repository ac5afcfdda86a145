/*
 * certificate.h - cert-manager.io/v1 Certificate (api.md 4).
 */
#ifndef API_CERTIFICATE_H
#define API_CERTIFICATE_H

#include "api/object.h"
#include "pki/pki.h"

enum rotation_policy { ROTATION_DEFAULT /* Always */, ROTATION_NEVER, ROTATION_ALWAYS };
enum certificate_key_algorithm {
    CERTIFICATE_KEY_DEFAULT /* RSA */,
    CERTIFICATE_KEY_RSA,
    CERTIFICATE_KEY_ECDSA,
    CERTIFICATE_KEY_ED25519
};
enum certificate_key_encoding {
    CERTIFICATE_ENCODING_DEFAULT /* PKCS1 */,
    CERTIFICATE_ENCODING_PKCS1,
    CERTIFICATE_ENCODING_PKCS8
};
enum output_format { OUTPUT_NONE, OUTPUT_DER, OUTPUT_COMBINED_PEM };
enum renewal_policy { RENEWAL_DEFAULT, RENEWAL_RENEW_BEFORE, RENEWAL_DISABLED };

struct certificate_subject {
    struct array_string organizations, countries, organizational_units, localities, provinces,
        street_addresses, postal_codes;
    const char *serial_number;
};
struct certificate_other_name {
    const char *oid, *utf8_value;
};
struct certificate_private_key {
    int rotation_policy, encoding, algorithm; /* the enums above */
    int64_t size;
};
struct secret_template {
    struct array_pair annotations, labels;
};
struct certificate_output_format {
    int type; /* enum output_format */
};
struct jks_keystore {
    struct opt_bool create;
    const char *alias;
    struct secret_key_selector *password_secret_ref;
    const char *password;
};
struct pkcs12_keystore {
    struct opt_bool create;
    int profile; /* enum pkcs12_profile; 0: LegacyRC2 */
    struct secret_key_selector *password_secret_ref;
    const char *password;
};
struct certificate_keystores {
    struct jks_keystore *jks;
    struct pkcs12_keystore *pkcs12;
};
struct name_constraint_item {
    struct array_string dns_domains, ip_ranges, email_addresses, uri_domains;
};
struct name_constraints {
    bool critical;
    struct name_constraint_item *permitted, *excluded;
};
struct renewal_window {
    const char *cron;
    struct opt_duration window_duration;
    const char *timezone;
};
struct certificate_renewal {
    int policy; /* enum renewal_policy */
    ARRAY_OF(struct renewal_window) windows;
};

struct certificate_spec {
    struct certificate_subject *subject;
    const char *literal_subject, *common_name;
    struct opt_duration duration, renew_before;
    struct opt_int renew_before_percentage;
    struct array_string dns_names, ip_addresses, uris, email_addresses;
    ARRAY_OF(struct certificate_other_name) other_names;
    const char *secret_name;
    struct secret_template *secret_template;
    struct certificate_keystores *keystores;
    struct issuer_reference issuer_ref;
    bool is_ca;
    struct array_int usages; /* enum key_usage */
    struct certificate_private_key *private_key;
    struct opt_bool encode_usages_in_request;
    int signature_algorithm; /* enum signature_algorithm */
    struct opt_int revision_history_limit;
    ARRAY_OF(struct certificate_output_format) additional_output_formats;
    struct name_constraints *name_constraints;
    struct certificate_renewal *renewal;
};

struct certificate_ari_window {
    int64_t start_ms, end_ms;
};
struct certificate_ari {
    struct certificate_ari_window *suggested_window;
    const char *explanation_url, *last_error;
    int64_t last_checked_ms, next_check_ms;
};
struct certificate_acme_status {
    struct certificate_ari *ari;
};
struct certificate_status {
    struct conditions conditions; /* Ready, Issuing */
    int64_t last_failure_time_ms;
    int64_t not_before_ms, not_after_ms, renewal_time_ms;
    struct opt_int revision;
    const char *next_private_key_secret_name;
    struct opt_int failed_issuance_attempts;
    struct certificate_acme_status *acme;
};

struct certificate {
    struct object object;
    struct certificate_spec spec;
    struct certificate_status status;
};
extern const struct fields certificate_fields, certificate_spec_fields, certificate_status_fields;
extern const struct enum_names key_usage_names, signature_algorithm_names;

/* Values with defaults applied (api.md 2: at the point of use, never written back). */
enum key_algorithm certificate_key_algorithm(const struct certificate_spec *spec);
int certificate_key_size(const struct certificate_spec *spec);
enum key_encoding certificate_key_encoding(const struct certificate_spec *spec);
bool certificate_rotates_key(const struct certificate_spec *spec);
key_usages usages_of(const struct array_int *usages, bool is_ca); /* with default and cert sign */
int64_t certificate_duration_ms(const struct certificate_spec *spec);     /* 90 d */
int64_t certificate_history_limit(const struct certificate_spec *spec);   /* 1 */
const char *certificate_common_name(const struct certificate_spec *spec); /* "" if none */
/* Heap: of commonName or of literalSubject; NULL if there is none. */
char *certificate_subject_common_name(const struct certificate_spec *spec);
enum pkcs12_profile certificate_pkcs12_profile(const struct pkcs12_keystore *pkcs12);

/* Why nothing is issued for it whoever asks, as its Ready condition says of this very spec; NULL: it does not. */
const char *certificate_unissuable(const struct certificate *crt);

#endif
