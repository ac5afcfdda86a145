/*
 * providers.h - stanzas of an Issuer that are known but not built yet (api.md 6): the other issuer
 * types and the other DNS providers.
 *
 * An object keeps them as JSON. These tables are there so that a misspelt member is told apart from
 * one that waits for its feature; building a feature turns its RAW row into an OBJECT row.
 * Private to this folder.
 */
#ifndef API_PROVIDERS_H
#define API_PROVIDERS_H

#include "json/field.h"

extern const struct fields dns01_akamai_fields, dns01_azure_fields, dns01_cloud_dns_fields,
    dns01_cloudflare_fields, dns01_digitalocean_fields, dns01_route53_fields, dns01_acme_dns_fields;
extern const struct fields issuer_vault_fields, issuer_venafi_fields;

#endif
