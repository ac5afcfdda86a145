/*
 * solver_fields.c - the tables of an ACME challenge solver, in Issuers and in Challenges.
 */
#include <string.h>

#include "api/check.h"
#include "api/issuer.h"
#include "api/pod_template.h"
#include "api/providers.h"

static const char *const protocol_names[] = {NULL, "TCP", "UDP"};
static const struct enum_names rfc2136_protocol_names = {protocol_names, ARRAY_LEN(protocol_names)};
static const char *const strategy_names[] = {NULL, "None", "Follow"};
static const struct enum_names cname_strategy_names = {strategy_names, ARRAY_LEN(strategy_names)};

static const struct field acme_selector_rows[] = {
    FIELD(struct acme_selector, match_labels, "matchLabels", MAP),
    FIELD(struct acme_selector, dns_names, "dnsNames", STRINGS, .flags = F_ATOMIC),
    FIELD(struct acme_selector, dns_zones, "dnsZones", STRINGS, .flags = F_ATOMIC),
};
static DEFINE_FIELDS(acme_selector, "solver selector", acme_selector_rows, NULL);

/* http01 */

static void check_service_type(const void *member, const char *path, struct field_report *report)
{
    const char *type = *(const char *const *)member;

    if (!streq(type, "ClusterIP") && !streq(type, "NodePort"))
        problem_with(report, PROBLEM_INVALID, path, type, "must be 'ClusterIP' or 'NodePort'");
}

DEFINE_RAW_CHECK(check_pod_template, pod_template);
DEFINE_RAW_CHECK(check_ingress_template, ingress_template);

static const struct field http01_ingress_rows[] = {
    FIELD(struct http01_ingress, service_type, "serviceType", STRING, .check = check_service_type,
          .flags = F_NO_EFFECT, .default_text = "NodePort"),
    FIELD(struct http01_ingress, ingress_class_name, "ingressClassName", STRING,
          .check = check_subdomain, .flags = F_AT_MOST_ONE(1) | F_NO_EFFECT | F_POINTER),
    FIELD(struct http01_ingress, class, "class", STRING,
          .flags = F_AT_MOST_ONE(1) | F_NO_EFFECT | F_POINTER),
    FIELD(struct http01_ingress, name, "name", STRING, .flags = F_AT_MOST_ONE(1) | F_NO_EFFECT),
    FIELD(struct http01_ingress, pod_template, "podTemplate", RAW, .of = &pod_template_fields,
          .check = check_pod_template, .flags = F_NO_EFFECT),
    FIELD(struct http01_ingress, ingress_template, "ingressTemplate", RAW,
          .of = &ingress_template_fields, .check = check_ingress_template, .flags = F_NO_EFFECT),
};
static DEFINE_FIELDS(http01_ingress, "http01.ingress", http01_ingress_rows, NULL);

static const struct field parent_reference_rows[] = {
    FIELD(struct parent_reference, group, "group", STRING, .flags = F_POINTER,
          .default_text = "gateway.networking.k8s.io"),
    FIELD(struct parent_reference, kind, "kind", STRING, .flags = F_POINTER,
          .default_text = "Gateway"),
    FIELD(struct parent_reference, namespace, "namespace", STRING, .flags = F_POINTER),
    FIELD(struct parent_reference, name, "name", STRING, .flags = F_REQUIRED),
    FIELD(struct parent_reference, section_name, "sectionName", STRING, .flags = F_POINTER),
    FIELD(struct parent_reference, port, "port", OPT_INT, .min = 1, .max = 65535),
};
static DEFINE_FIELDS(parent_reference, "http01.gatewayHTTPRoute.parentRefs", parent_reference_rows,
                     NULL);

static const struct field http01_gateway_rows[] = {
    FIELD(struct http01_gateway, service_type, "serviceType", STRING, .check = check_service_type,
          .flags = F_NO_EFFECT, .default_text = "NodePort"),
    FIELD(struct http01_gateway, labels, "labels", MAP, .check = check_labels,
          .flags = F_NO_EFFECT),
    FIELD(struct http01_gateway, parent_refs, "parentRefs", LIST, .of = &parent_reference_fields,
          .flags = F_ATOMIC | F_NO_EFFECT),
    FIELD(struct http01_gateway, pod_template, "podTemplate", RAW, .of = &pod_template_fields,
          .check = check_pod_template, .flags = F_NO_EFFECT),
};
static DEFINE_FIELDS(http01_gateway, "http01.gatewayHTTPRoute", http01_gateway_rows, NULL);

static const struct field acme_http01_rows[] = {
    FIELD(struct acme_http01, ingress, "ingress", OBJECT, .of = &http01_ingress_fields,
          .flags = F_ONE_OF(1)),
    FIELD(struct acme_http01, gateway_http_route, "gatewayHTTPRoute", OBJECT,
          .of = &http01_gateway_fields, .flags = F_ONE_OF(1)),
};
static DEFINE_FIELDS(acme_http01, "solver http01", acme_http01_rows, NULL);

/* dns01 */

static void check_nameserver(const void *member, const char *path, struct field_report *report)
{
    const char *nameserver = *(const char *const *)member;
    const char *problem = host_port_problem(nameserver, false);

    if (problem)
        problem_with(report, PROBLEM_INVALID, path, nameserver, problem);
}

static const char *resolver_problem(const char *nameserver)
{
    if (!strstr(nameserver, "://"))
        return host_port_problem(nameserver, true);
    if (!str_starts(nameserver, "https://"))
        return "must be 'host:port', or 'https://...' for DNS over HTTPS";
    nameserver += strlen("https://");
    if (strcspn(nameserver, "/?#") == 0 || text_has_blanks(nameserver))
        return "must have a host behind 'https://', and no blanks";
    return NULL;
}

static void check_nameservers(const void *member, const char *path, struct field_report *report)
{
    const struct array_string *nameservers = member;

    for (size_t i = 0; i < nameservers->len; i++) {
        const char *problem = resolver_problem(nameservers->items[i]);

        if (problem)
            problem_at_index(report, PROBLEM_INVALID, path, i, "'%.200s' %s", nameservers->items[i],
                             problem);
    }
}

static void check_tsig_algorithm(const void *member, const char *path, struct field_report *report)
{
    static const char *const known[] = {"HMACMD5", "HMACSHA1", "HMACSHA256", "HMACSHA512"};
    const char *algorithm = *(const char *const *)member;

    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (streq_ci(algorithm, known[i]))
            return;
    problem_with(report, PROBLEM_INVALID, path, algorithm,
                 "is not one of 'HMACMD5', 'HMACSHA1', 'HMACSHA256', 'HMACSHA512'");
}

static void check_rfc2136(const void *self, const char *path, struct field_report *report)
{
    const struct dns01_rfc2136 *rfc2136 = self;
    bool has_name = !str_empty(rfc2136->tsig_key_name);

    if (has_name && !rfc2136->tsig_secret_secret_ref)
        problem_at_member(report, PROBLEM_REQUIRED, path, "tsigSecretSecretRef",
                          "must be set where 'tsigKeyName' is: it names the key's secret");
    if (!has_name && rfc2136->tsig_secret_secret_ref)
        problem_at_member(report, PROBLEM_REQUIRED, path, "tsigKeyName",
                          "must be set where 'tsigSecretSecretRef' is: it is the key's name");
}

static void check_selector_object(const void *member, const char *path, struct field_report *report)
{
    check_selector_has_key(*(struct secret_key_selector *const *)member, path, report);
}

static const struct field dns01_rfc2136_rows[] = {
    FIELD(struct dns01_rfc2136, nameserver, "nameserver", STRING, .flags = F_REQUIRED,
          .check = check_nameserver),
    FIELD(struct dns01_rfc2136, tsig_secret_secret_ref, "tsigSecretSecretRef", OBJECT,
          .of = &secret_key_selector_fields, .check = check_selector_object, .flags = F_NO_OMIT),
    FIELD(struct dns01_rfc2136, tsig_key_name, "tsigKeyName", STRING),
    FIELD(struct dns01_rfc2136, tsig_algorithm, "tsigAlgorithm", STRING,
          .check = check_tsig_algorithm, .default_text = "HMACMD5"),
    FIELD(struct dns01_rfc2136, protocol, "protocol", ENUM, .names = &rfc2136_protocol_names,
          .default_text = "UDP"),
};
static DEFINE_FIELDS(dns01_rfc2136, "dns01.rfc2136", dns01_rfc2136_rows, check_rfc2136);

static const struct field dns01_webhook_rows[] = {
    FIELD(struct dns01_webhook, group_name, "groupName", STRING, .flags = F_REQUIRED),
    FIELD(struct dns01_webhook, solver_name, "solverName", STRING, .flags = F_REQUIRED),
    FIELD(struct dns01_webhook, config, "config", RAW),
};
static DEFINE_FIELDS(dns01_webhook, "dns01.webhook", dns01_webhook_rows, NULL);

DEFINE_RAW_CHECK(check_akamai, dns01_akamai);
DEFINE_RAW_CHECK(check_azure, dns01_azure);
DEFINE_RAW_CHECK(check_cloud_dns, dns01_cloud_dns);
DEFINE_RAW_CHECK(check_cloudflare, dns01_cloudflare);
DEFINE_RAW_CHECK(check_digitalocean, dns01_digitalocean);
DEFINE_RAW_CHECK(check_route53, dns01_route53);
DEFINE_RAW_CHECK(check_acme_dns, dns01_acme_dns);

#define UNBUILT_PROVIDER(member_, json_, fields_, check_)                                          \
    FIELD(struct acme_dns01, member_, json_, RAW, .of = &(fields_), .check = (check_),             \
          .flags = F_ONE_OF(1) | F_UNBUILT)

static const struct field acme_dns01_rows[] = {
    FIELD(struct acme_dns01, cname_strategy, "cnameStrategy", ENUM, .names = &cname_strategy_names,
          .default_text = "None"),
    FIELD(struct acme_dns01, nameservers, "nameservers", STRINGS, .check = check_nameservers,
          .flags = F_ATOMIC),
    UNBUILT_PROVIDER(akamai, "akamai", dns01_akamai_fields, check_akamai),
    UNBUILT_PROVIDER(cloud_dns, "cloudDNS", dns01_cloud_dns_fields, check_cloud_dns),
    UNBUILT_PROVIDER(cloudflare, "cloudflare", dns01_cloudflare_fields, check_cloudflare),
    UNBUILT_PROVIDER(route53, "route53", dns01_route53_fields, check_route53),
    UNBUILT_PROVIDER(azure_dns, "azureDNS", dns01_azure_fields, check_azure),
    UNBUILT_PROVIDER(digitalocean, "digitalocean", dns01_digitalocean_fields, check_digitalocean),
    UNBUILT_PROVIDER(acme_dns, "acmeDNS", dns01_acme_dns_fields, check_acme_dns),
    FIELD(struct acme_dns01, rfc2136, "rfc2136", OBJECT, .of = &dns01_rfc2136_fields,
          .flags = F_ONE_OF(1)),
    FIELD(struct acme_dns01, webhook, "webhook", OBJECT, .of = &dns01_webhook_fields,
          .flags = F_ONE_OF(1) | F_UNBUILT),
};
static DEFINE_FIELDS(acme_dns01, "solver dns01", acme_dns01_rows, NULL);

static const struct field acme_solver_rows[] = {
    FIELD(struct acme_solver, selector, "selector", OBJECT, .of = &acme_selector_fields),
    FIELD(struct acme_solver, http01, "http01", OBJECT, .of = &acme_http01_fields,
          .flags = F_ONE_OF(1)),
    FIELD(struct acme_solver, dns01, "dns01", OBJECT, .of = &acme_dns01_fields,
          .flags = F_ONE_OF(1)),
    FIELD(struct acme_solver, wait_instead_of_self_check, "waitInsteadOfSelfCheck", DURATION,
          .check = check_not_negative),
};
DEFINE_FIELDS(acme_solver, "ACME solver", acme_solver_rows, NULL);
