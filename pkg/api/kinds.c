/*
 * kinds.c - one row for each kind.
 */
#include "api/kinds.h"

#include <string.h>

#include "api/certificate.h"
#include "api/certificate_request.h"
#include "api/challenge.h"
#include "api/issuer.h"
#include "api/order.h"
#include "api/secret.h"
#include "api/signing_request.h"

#define GROUP_CERTIFICATES "cert-manager.io"
#define GROUP_ACME         "acme.cert-manager.io"
#define GROUP_KUBERNETES   "certificates.k8s.io"

/* `struct_` begins with its object and has spec and status. */
#define KIND(struct_, group_, kind_, plural_, namespaced_, ...)                                    \
    {                                                                                              \
        .resource = {.group = (group_),                                                            \
                     .version = "v1",                                                              \
                     .kind = (kind_),                                                              \
                     .plural = (plural_),                                                          \
                     .namespaced = (namespaced_),                                                  \
                     .has_status = true,                                                           \
                     .watched_without_owners = true,                                               \
                     __VA_ARGS__},                                                                 \
        .fields = &struct_##_fields, .spec_offset = offsetof(struct struct_, spec),                \
        .spec_fields = &struct_##_spec_fields, .status_offset = offsetof(struct struct_, status),  \
        .status_fields = &struct_##_status_fields                                                  \
    }

const struct kind kind_certificate = KIND(certificate, GROUP_CERTIFICATES, "Certificate",
                                          "certificates", true);
const struct kind kind_certificate_request = KIND(
    certificate_request, GROUP_CERTIFICATES, "CertificateRequest", "certificaterequests", true);
const struct kind kind_issuer = KIND(issuer, GROUP_CERTIFICATES, "Issuer", "issuers", true);
const struct kind kind_cluster_issuer = KIND(issuer, GROUP_CERTIFICATES, "ClusterIssuer",
                                             "clusterissuers", false);
const struct kind kind_order = KIND(order, GROUP_ACME, "Order", "orders", true);
const struct kind kind_challenge = KIND(challenge, GROUP_ACME, "Challenge", "challenges", true);
const struct kind kind_secret = {
    .resource =
        {
            .group = "",
            .version = "v1",
            .kind = "Secret",
            .plural = "secrets",
            .namespaced = true,
        },
    .fields = &secret_fields,
    .is_secret = true,
};

const struct kind kind_signing_request = KIND(
    signing_request, GROUP_KUBERNETES, "CertificateSigningRequest", "certificatesigningrequests",
    false, .any_name = true);

const struct kind *const kinds[] = {
    &kind_certificate, &kind_certificate_request, &kind_issuer, &kind_cluster_issuer,
    &kind_order,       &kind_challenge,           &kind_secret, NULL,
};

const struct resource *const kind_resources[] = {
    &kind_certificate.resource, &kind_certificate_request.resource,
    &kind_issuer.resource,      &kind_cluster_issuer.resource,
    &kind_order.resource,       &kind_challenge.resource,
    &kind_secret.resource,      NULL,
};

static const struct {
    const char *name;
    const struct kind *kind;
} short_names[] = {
    {"cert", &kind_certificate},
    {"certs", &kind_certificate},
    {"cr", &kind_certificate_request},
    {"crs", &kind_certificate_request},
    {"iss", &kind_issuer},
    {"ciss", &kind_cluster_issuer},
};

const struct kind *kind_find(const char *api_version, const char *kind)
{
    char own[128];

    for (size_t i = 0; kinds[i]; i++) {
        resource_api_version(&kinds[i]->resource, own, sizeof(own));
        if (streq(api_version, own) && streq(kind, kinds[i]->resource.kind))
            return kinds[i];
    }
    return NULL;
}

/* "certificates", and as kubectl also takes it: "certificates.cert-manager.io". */
static bool is_plural(const struct resource *resource, const char *name)
{
    size_t len = strlen(resource->plural);

    if (strncasecmp(name, resource->plural, len) != 0)
        return false;
    return !name[len] || (name[len] == '.' && streq_ci(name + len + 1, resource->group));
}

const struct kind *kind_by_name(const char *name)
{
    for (size_t i = 0; kinds[i]; i++)
        if (streq_ci(name, kinds[i]->resource.kind) || is_plural(&kinds[i]->resource, name))
            return kinds[i];
    for (size_t i = 0; i < ARRAY_LEN(short_names); i++)
        if (streq_ci(name, short_names[i].name))
            return short_names[i].kind;
    return NULL;
}
