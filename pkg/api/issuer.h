/*
 * issuer.h - cert-manager.io/v1 Issuer and ClusterIssuer (api.md 6), and the ACME solver
 * configuration that Challenges carry too.
 */
#ifndef API_ISSUER_H
#define API_ISSUER_H

#include "api/object.h"

enum rfc2136_protocol { RFC2136_PROTOCOL_DEFAULT /* UDP */, RFC2136_TCP, RFC2136_UDP };
enum cname_strategy { CNAME_DEFAULT /* None */, CNAME_NONE, CNAME_FOLLOW };
enum renewal_information_source { ARI_DEFAULT /* ARI */, ARI_ARI, ARI_NONE };
enum eab_algorithm { EAB_DEFAULT /* HS256 */, EAB_HS256, EAB_HS384, EAB_HS512 };

struct acme_selector {
    struct array_pair match_labels;
    struct array_string dns_names, dns_zones;
};
struct http01_ingress {
    const char *service_type, *ingress_class_name, *class, *name;
    struct json *pod_template, *ingress_template;
};
struct parent_reference {
    const char *group, *kind, *namespace, *name, *section_name;
    struct opt_int port;
};
struct http01_gateway {
    const char *service_type;
    struct array_pair labels;
    ARRAY_OF(struct parent_reference) parent_refs;
    struct json *pod_template;
};
struct acme_http01 {
    struct http01_ingress *ingress;
    struct http01_gateway *gateway_http_route;
};
struct dns01_rfc2136 {
    const char *nameserver;
    struct secret_key_selector *tsig_secret_secret_ref;
    const char *tsig_key_name, *tsig_algorithm;
    int protocol; /* enum rfc2136_protocol */
};
struct dns01_webhook {
    const char *group_name, *solver_name;
    struct json *config;
};
/* The other providers' stanzas are described by tables for `certlet check` (members known, feature
 * not built yet) and kept as raw JSON. */
struct acme_dns01 {
    int cname_strategy; /* enum cname_strategy */
    struct array_string nameservers;
    struct dns01_rfc2136 *rfc2136;
    struct json *akamai, *azure_dns, *cloud_dns, *cloudflare, *digitalocean, *route53, *acme_dns;
    struct dns01_webhook *webhook;
};
struct acme_solver {
    struct acme_selector *selector;
    struct acme_http01 *http01;
    struct acme_dns01 *dns01;
    struct opt_duration wait_instead_of_self_check;
};

struct acme_external_account {
    const char *key_id;
    struct secret_key_selector key_secret_ref;
    int key_algorithm; /* enum eab_algorithm */
};
struct acme_issuer {
    const char *email, *server, *preferred_chain;
    struct bytes ca_bundle;
    bool skip_tls_verify;
    struct acme_external_account *external_account_binding;
    struct secret_key_selector private_key_secret_ref;
    ARRAY_OF(struct acme_solver) solvers;
    bool disable_account_key_generation, enable_duration_feature;
    const char *profile;
    int renewal_information_source; /* enum renewal_information_source */
};

struct ca_issuer {
    const char *secret_name; /* tls.crt, tls.key, and perhaps ca.crt */
    struct array_string crl_distribution_points, ocsp_servers, issuing_certificate_urls;
};
struct self_signed_issuer {
    struct array_string crl_distribution_points;
};

struct issuer_spec { /* exactly one */
    struct acme_issuer *acme;
    struct ca_issuer *ca;
    struct self_signed_issuer *self_signed;
    struct json *vault, *venafi; /* members known, not built yet */
};
struct issuer_acme_status {
    const char *uri, *last_registered_email, *last_private_key_hash;
};
struct issuer_status {
    struct conditions conditions; /* Ready */
    struct issuer_acme_status *acme;
};
struct issuer { /* both scopes; object.kind tells which */
    struct object object;
    struct issuer_spec spec;
    struct issuer_status status;
};
extern const struct fields issuer_fields, issuer_spec_fields, issuer_status_fields,
    acme_solver_fields;

#endif
