/*
 * limits.c - rate limits that CAs publish. Refill times are rounded up, so that we never believe
 * in a token that the CA does not have yet.
 *
 * Let's Encrypt (letsencrypt.org/docs/rate-limits, 2026-08; acme.md 3): 300 orders per 3 h, 50
 * certificates per registered domain and 5 per exact set in 7 days, 5 failed validations per name
 * and hour. Staging: 1500, 30000, 30000, 200.
 */
#include "acme/gate.h"

#include "http/http.h"

static const struct acme_limits known[] = {
    {
        .host = "acme-v02.api.letsencrypt.org",
        .orders_per_account = 300,
        .orders_refill_s = 36,
        .certs_per_domain = 50,
        .certs_refill_s = 12096,
        .certs_per_set = 5,
        .set_refill_s = 120960,
        .failures_per_name = 5,
        .failures_refill_s = 720,
    },
    {
        .host = "acme-staging-v02.api.letsencrypt.org",
        .orders_per_account = 1500,
        .orders_refill_s = 8,
        .certs_per_domain = 30000,
        .certs_refill_s = 21,
        .certs_per_set = 30000,
        .set_refill_s = 21,
        .failures_per_name = 200,
        .failures_refill_s = 18,
    },
};

const struct acme_limits *acme_limits_of(const char *directory_url)
{
    cleanup(xfree) char *host = NULL;

    if (http_url_host(directory_url, &host, NULL) < 0)
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (streq_ci(known[i].host, host))
            return &known[i];
    return NULL;
}
