#include "solver/dns_provider.h"

#define UNBUILT(member_, name_)                                                                    \
    static bool has_##member_(const struct acme_dns01 *dns01)                                      \
    {                                                                                              \
        return dns01->member_ != NULL;                                                             \
    }                                                                                              \
    static const struct dns_provider unbuilt_##member_ = {.name = (name_),                         \
                                                          .is_configured = has_##member_}

UNBUILT(akamai, "akamai");
UNBUILT(azure_dns, "azureDNS");
UNBUILT(cloud_dns, "cloudDNS");
UNBUILT(cloudflare, "cloudflare");
UNBUILT(digitalocean, "digitalocean");
UNBUILT(route53, "route53");
UNBUILT(acme_dns, "acmeDNS");
UNBUILT(webhook, "webhook");

static const struct dns_provider *const providers[] = {
    &dns_provider_rfc2136, &unbuilt_akamai,     &unbuilt_azure_dns,
    &unbuilt_cloud_dns,    &unbuilt_cloudflare, &unbuilt_digitalocean,
    &unbuilt_route53,      &unbuilt_acme_dns,   &unbuilt_webhook,
};

int dns_provider_of(const struct acme_dns01 *dns01, const struct dns_provider **ret,
                    struct err *err)
{
    const struct dns_provider *found = NULL;

    for (size_t i = 0; i < ARRAY_LEN(providers); i++) {
        if (!providers[i]->is_configured(dns01))
            continue;
        if (found)
            return err_set(err, ERR_INVALID, "dns01 has both '%s' and '%s': one is needed",
                           found->name, providers[i]->name);
        found = providers[i];
    }
    if (!found)
        return err_set(err, ERR_INVALID, "dns01 names no provider: add one, for example 'rfc2136'");
    if (!found->present)
        return err_set(err, ERR_UNSUPPORTED,
                       "dns01 provider '%s' is not built in this version: use 'rfc2136'",
                       found->name);
    *ret = found;
    return 0;
}
