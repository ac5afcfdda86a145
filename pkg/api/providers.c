#include "api/providers.h"

#include "api/object.h"

#define SELECTOR_ROW(type_, member_, json_, flags_)                                                \
    FIELD(type_, member_, json_, OBJECT, .of = &secret_key_selector_fields, .flags = (flags_))

struct local_reference {
    const char *name;
};
static const struct field local_reference_rows[] = {
    FIELD(struct local_reference, name, "name", STRING, .flags = F_REQUIRED),
};
static DEFINE_FIELDS(local_reference, "reference by name", local_reference_rows, NULL);

struct service_account_reference {
    const char *name;
    struct array_string audiences;
};
static const struct field service_account_reference_rows[] = {
    FIELD(struct service_account_reference, name, "name", STRING, .flags = F_REQUIRED),
    FIELD(struct service_account_reference, audiences, "audiences", STRINGS, .flags = F_ATOMIC),
};
static DEFINE_FIELDS(service_account_reference, "reference to a ServiceAccount",
                     service_account_reference_rows, NULL);

/*
 * DNS providers
 */

struct dns01_akamai {
    const char *service_consumer_domain;
    struct secret_key_selector *client_token, *client_secret, *access_token;
};
static const struct field dns01_akamai_rows[] = {
    FIELD(struct dns01_akamai, service_consumer_domain, "serviceConsumerDomain", STRING,
          .flags = F_REQUIRED),
    SELECTOR_ROW(struct dns01_akamai, client_token, "clientTokenSecretRef", F_REQUIRED),
    SELECTOR_ROW(struct dns01_akamai, client_secret, "clientSecretSecretRef", F_REQUIRED),
    SELECTOR_ROW(struct dns01_akamai, access_token, "accessTokenSecretRef", F_REQUIRED),
};
DEFINE_FIELDS(dns01_akamai, "dns01.akamai", dns01_akamai_rows, NULL);

struct azure_identity {
    const char *client_id, *resource_id, *tenant_id;
};
static const struct field azure_identity_rows[] = {
    FIELD(struct azure_identity, client_id, "clientID", STRING),
    FIELD(struct azure_identity, resource_id, "resourceID", STRING),
    FIELD(struct azure_identity, tenant_id, "tenantID", STRING),
};
static DEFINE_FIELDS(azure_identity, "dns01.azureDNS.managedIdentity", azure_identity_rows, NULL);

static const char *const azure_environments[] = {NULL, "AzurePublicCloud", "AzureChinaCloud",
                                                 "AzureGermanCloud", "AzureUSGovernmentCloud"};
static const struct enum_names azure_environment_names = {azure_environments,
                                                          ARRAY_LEN(azure_environments)};
static const char *const azure_zone_types[] = {NULL, "AzurePublicZone", "AzurePrivateZone"};
static const struct enum_names azure_zone_type_names = {azure_zone_types,
                                                        ARRAY_LEN(azure_zone_types)};
struct dns01_azure {
    const char *subscription_id, *resource_group_name, *client_id, *tenant_id, *hosted_zone_name;
    struct secret_key_selector *client_secret;
    int environment, zone_type;
    struct azure_identity *managed_identity;
};
static const struct field dns01_azure_rows[] = {
    FIELD(struct dns01_azure, subscription_id, "subscriptionID", STRING, .flags = F_REQUIRED),
    FIELD(struct dns01_azure, resource_group_name, "resourceGroupName", STRING,
          .flags = F_REQUIRED),
    FIELD(struct dns01_azure, client_id, "clientID", STRING),
    SELECTOR_ROW(struct dns01_azure, client_secret, "clientSecretSecretRef", 0),
    FIELD(struct dns01_azure, tenant_id, "tenantID", STRING),
    FIELD(struct dns01_azure, hosted_zone_name, "hostedZoneName", STRING),
    FIELD(struct dns01_azure, environment, "environment", ENUM, .names = &azure_environment_names,
          .default_text = "AzurePublicCloud"),
    FIELD(struct dns01_azure, managed_identity, "managedIdentity", OBJECT,
          .of = &azure_identity_fields),
    FIELD(struct dns01_azure, zone_type, "zoneType", ENUM, .names = &azure_zone_type_names,
          .default_text = "AzurePublicZone"),
};
DEFINE_FIELDS(dns01_azure, "dns01.azureDNS", dns01_azure_rows, NULL);

struct dns01_cloud_dns {
    const char *project, *hosted_zone_name;
    struct secret_key_selector *service_account;
};
static const struct field dns01_cloud_dns_rows[] = {
    FIELD(struct dns01_cloud_dns, project, "project", STRING, .flags = F_REQUIRED),
    SELECTOR_ROW(struct dns01_cloud_dns, service_account, "serviceAccountSecretRef", 0),
    FIELD(struct dns01_cloud_dns, hosted_zone_name, "hostedZoneName", STRING),
};
DEFINE_FIELDS(dns01_cloud_dns, "dns01.cloudDNS", dns01_cloud_dns_rows, NULL);

struct dns01_cloudflare {
    const char *email;
    struct secret_key_selector *api_key, *api_token;
};
static const struct field dns01_cloudflare_rows[] = {
    FIELD(struct dns01_cloudflare, email, "email", STRING),
    SELECTOR_ROW(struct dns01_cloudflare, api_key, "apiKeySecretRef", F_ONE_OF(1)),
    SELECTOR_ROW(struct dns01_cloudflare, api_token, "apiTokenSecretRef", F_ONE_OF(1)),
};
DEFINE_FIELDS(dns01_cloudflare, "dns01.cloudflare", dns01_cloudflare_rows, NULL);

struct dns01_digitalocean {
    struct secret_key_selector *token;
};
static const struct field dns01_digitalocean_rows[] = {
    SELECTOR_ROW(struct dns01_digitalocean, token, "tokenSecretRef", F_REQUIRED),
};
DEFINE_FIELDS(dns01_digitalocean, "dns01.digitalocean", dns01_digitalocean_rows, NULL);

struct route53_kubernetes {
    struct service_account_reference *service_account;
};
static const struct field route53_kubernetes_rows[] = {
    FIELD(struct route53_kubernetes, service_account, "serviceAccountRef", OBJECT,
          .of = &service_account_reference_fields, .flags = F_REQUIRED),
};
static DEFINE_FIELDS(route53_kubernetes, "dns01.route53.auth.kubernetes", route53_kubernetes_rows,
                     NULL);
struct route53_auth {
    struct route53_kubernetes *kubernetes;
};
static const struct field route53_auth_rows[] = {
    FIELD(struct route53_auth, kubernetes, "kubernetes", OBJECT, .of = &route53_kubernetes_fields,
          .flags = F_REQUIRED),
};
static DEFINE_FIELDS(route53_auth, "dns01.route53.auth", route53_auth_rows, NULL);

struct dns01_route53 {
    const char *region, *role, *hosted_zone_id, *access_key_id;
    struct secret_key_selector *access_key_id_ref, *secret_access_key;
    struct route53_auth *auth;
};
static const struct field dns01_route53_rows[] = {
    FIELD(struct dns01_route53, auth, "auth", OBJECT, .of = &route53_auth_fields),
    FIELD(struct dns01_route53, access_key_id, "accessKeyID", STRING, .flags = F_AT_MOST_ONE(1)),
    SELECTOR_ROW(struct dns01_route53, access_key_id_ref, "accessKeyIDSecretRef", F_AT_MOST_ONE(1)),
    SELECTOR_ROW(struct dns01_route53, secret_access_key, "secretAccessKeySecretRef", 0),
    FIELD(struct dns01_route53, role, "role", STRING),
    FIELD(struct dns01_route53, hosted_zone_id, "hostedZoneID", STRING),
    FIELD(struct dns01_route53, region, "region", STRING),
};
DEFINE_FIELDS(dns01_route53, "dns01.route53", dns01_route53_rows, NULL);

struct dns01_acme_dns {
    const char *host;
    struct secret_key_selector *account;
};
static const struct field dns01_acme_dns_rows[] = {
    FIELD(struct dns01_acme_dns, host, "host", STRING, .flags = F_REQUIRED),
    SELECTOR_ROW(struct dns01_acme_dns, account, "accountSecretRef", F_REQUIRED),
};
DEFINE_FIELDS(dns01_acme_dns, "dns01.acmeDNS", dns01_acme_dns_rows, NULL);

/*
 * Issuer types
 */

/* Vault */

struct vault_app_role {
    const char *path, *role_id;
    struct secret_key_selector *secret;
};
static const struct field vault_app_role_rows[] = {
    FIELD(struct vault_app_role, path, "path", STRING, .flags = F_REQUIRED),
    FIELD(struct vault_app_role, role_id, "roleId", STRING, .flags = F_REQUIRED),
    SELECTOR_ROW(struct vault_app_role, secret, "secretRef", F_REQUIRED),
};
static DEFINE_FIELDS(vault_app_role, "Issuer spec.vault.auth.appRole", vault_app_role_rows, NULL);

struct vault_client_certificate {
    const char *mount_path, *secret_name, *name;
};
static const struct field vault_client_certificate_rows[] = {
    FIELD(struct vault_client_certificate, mount_path, "mountPath", STRING,
          .default_text = "/v1/auth/cert"),
    FIELD(struct vault_client_certificate, secret_name, "secretName", STRING),
    FIELD(struct vault_client_certificate, name, "name", STRING),
};
static DEFINE_FIELDS(vault_client_certificate, "Issuer spec.vault.auth.clientCertificate",
                     vault_client_certificate_rows, NULL);

struct vault_kubernetes {
    const char *mount_path, *role;
    struct secret_key_selector *secret;
    struct service_account_reference *service_account;
};
static const struct field vault_kubernetes_rows[] = {
    FIELD(struct vault_kubernetes, mount_path, "mountPath", STRING,
          .default_text = "/v1/auth/kubernetes"),
    FIELD(struct vault_kubernetes, role, "role", STRING, .flags = F_REQUIRED),
    SELECTOR_ROW(struct vault_kubernetes, secret, "secretRef", 0),
    FIELD(struct vault_kubernetes, service_account, "serviceAccountRef", OBJECT,
          .of = &service_account_reference_fields),
};
static DEFINE_FIELDS(vault_kubernetes, "Issuer spec.vault.auth.kubernetes", vault_kubernetes_rows,
                     NULL);

struct vault_aws {
    const char *mount_path, *role, *region, *iam_role_arn, *vault_header_value;
    struct service_account_reference *service_account;
};
static const struct field vault_aws_rows[] = {
    FIELD(struct vault_aws, mount_path, "mountPath", STRING, .default_text = "/v1/auth/aws"),
    FIELD(struct vault_aws, role, "role", STRING, .flags = F_REQUIRED, .min = 1),
    FIELD(struct vault_aws, region, "region", STRING),
    FIELD(struct vault_aws, service_account, "serviceAccountRef", OBJECT,
          .of = &service_account_reference_fields),
    FIELD(struct vault_aws, iam_role_arn, "iamRoleArn", STRING),
    FIELD(struct vault_aws, vault_header_value, "vaultHeaderValue", STRING),
};
static DEFINE_FIELDS(vault_aws, "Issuer spec.vault.auth.aws", vault_aws_rows, NULL);

struct vault_auth {
    struct secret_key_selector *token;
    struct vault_app_role *app_role;
    struct vault_client_certificate *client_certificate;
    struct vault_kubernetes *kubernetes;
    struct vault_aws *aws;
};
static const struct field vault_auth_rows[] = {
    SELECTOR_ROW(struct vault_auth, token, "tokenSecretRef", 0),
    FIELD(struct vault_auth, app_role, "appRole", OBJECT, .of = &vault_app_role_fields),
    FIELD(struct vault_auth, client_certificate, "clientCertificate", OBJECT,
          .of = &vault_client_certificate_fields),
    FIELD(struct vault_auth, kubernetes, "kubernetes", OBJECT, .of = &vault_kubernetes_fields),
    FIELD(struct vault_auth, aws, "aws", OBJECT, .of = &vault_aws_fields),
};
static DEFINE_FIELDS(vault_auth, "Issuer spec.vault.auth", vault_auth_rows, NULL);

struct issuer_vault {
    struct vault_auth *auth;
    const char *server, *server_name, *path, *namespace;
    struct bytes ca_bundle;
    struct secret_key_selector *ca_bundle_ref, *client_cert, *client_key;
};
static const struct field issuer_vault_rows[] = {
    FIELD(struct issuer_vault, auth, "auth", OBJECT, .of = &vault_auth_fields, .flags = F_REQUIRED),
    FIELD(struct issuer_vault, server, "server", STRING, .flags = F_REQUIRED),
    FIELD(struct issuer_vault, server_name, "serverName", STRING),
    FIELD(struct issuer_vault, path, "path", STRING, .flags = F_REQUIRED),
    FIELD(struct issuer_vault, namespace, "namespace", STRING),
    FIELD(struct issuer_vault, ca_bundle, "caBundle", BYTES, .flags = F_AT_MOST_ONE(1)),
    SELECTOR_ROW(struct issuer_vault, ca_bundle_ref, "caBundleSecretRef", F_AT_MOST_ONE(1)),
    SELECTOR_ROW(struct issuer_vault, client_cert, "clientCertSecretRef", 0),
    SELECTOR_ROW(struct issuer_vault, client_key, "clientKeySecretRef", 0),
};
DEFINE_FIELDS(issuer_vault, "Issuer spec.vault", issuer_vault_rows, NULL);

/* Venafi */

struct venafi_tpp {
    const char *url;
    struct local_reference *credentials;
    struct bytes ca_bundle;
    struct secret_key_selector *ca_bundle_ref;
};
static const struct field venafi_tpp_rows[] = {
    FIELD(struct venafi_tpp, url, "url", STRING, .flags = F_REQUIRED),
    FIELD(struct venafi_tpp, credentials, "credentialsRef", OBJECT, .of = &local_reference_fields,
          .flags = F_REQUIRED),
    FIELD(struct venafi_tpp, ca_bundle, "caBundle", BYTES),
    SELECTOR_ROW(struct venafi_tpp, ca_bundle_ref, "caBundleSecretRef", 0),
};
static DEFINE_FIELDS(venafi_tpp, "Issuer spec.venafi.tpp", venafi_tpp_rows, NULL);

struct venafi_cloud {
    const char *url;
    struct secret_key_selector *api_token;
};
static const struct field venafi_cloud_rows[] = {
    FIELD(struct venafi_cloud, url, "url", STRING, .default_text = "https://api.venafi.cloud/"),
    SELECTOR_ROW(struct venafi_cloud, api_token, "apiTokenSecretRef", F_REQUIRED),
};
static DEFINE_FIELDS(venafi_cloud, "Issuer spec.venafi.cloud", venafi_cloud_rows, NULL);

struct venafi_ngts {
    const char *url, *token_endpoint, *tsg_id;
    struct local_reference *credentials;
};
static const struct field venafi_ngts_rows[] = {
    FIELD(struct venafi_ngts, url, "url", STRING,
          .default_text = "https://api.strata.paloaltonetworks.com/ngts"),
    FIELD(struct venafi_ngts, token_endpoint, "tokenEndpoint", STRING,
          .default_text = "https://auth.apps.paloaltonetworks.com/oauth2/access_token"),
    FIELD(struct venafi_ngts, tsg_id, "tsgID", STRING, .flags = F_REQUIRED),
    FIELD(struct venafi_ngts, credentials, "credentialsRef", OBJECT, .of = &local_reference_fields,
          .flags = F_REQUIRED),
};
static DEFINE_FIELDS(venafi_ngts, "Issuer spec.venafi.ngts", venafi_ngts_rows, NULL);

struct issuer_venafi {
    const char *zone;
    struct venafi_tpp *tpp;
    struct venafi_cloud *cloud;
    struct venafi_ngts *ngts;
};
static const struct field issuer_venafi_rows[] = {
    FIELD(struct issuer_venafi, zone, "zone", STRING, .flags = F_REQUIRED),
    FIELD(struct issuer_venafi, tpp, "tpp", OBJECT, .of = &venafi_tpp_fields, .flags = F_ONE_OF(1)),
    FIELD(struct issuer_venafi, cloud, "cloud", OBJECT, .of = &venafi_cloud_fields,
          .flags = F_ONE_OF(1)),
    FIELD(struct issuer_venafi, ngts, "ngts", OBJECT, .of = &venafi_ngts_fields,
          .flags = F_ONE_OF(1)),
};
DEFINE_FIELDS(issuer_venafi, "Issuer spec.venafi", issuer_venafi_rows, NULL);
