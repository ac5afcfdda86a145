/*
 * fake_ca_world.h - a clock, the scripted CA, and one client of it with a gate, for unit tests.
 */
#ifndef SUPPORT_FAKE_CA_WORLD_H
#define SUPPORT_FAKE_CA_WORLD_H

#include "acme/acme.h"
#include "acme/gate.h"
#include "support/fake_ca.h"
#include "support/testing.h"

struct world {
    struct fake_clock clock;
    struct context ctx;
    struct fake_ca *ca;
    struct http *http;
    const struct pkey *key;
    struct acme_gate *gate;
    struct acme_client *client;
};

/* As after a start of the program: nothing of the old client is left but what was stored. */
static inline void world_restart(struct world *world, const char *account_url)
{
    struct acme_options options = {.http = world->http,
                                   .directory_url = FAKE_CA_DIRECTORY,
                                   .key = world->key,
                                   .account_url = account_url,
                                   .gate = world->gate};
    struct err err = {};

    acme_client_unref(world->client);
    world->client = NULL;
    ASSERT_OK(acme_client_new(&options, &world->client, &err));
}

static inline void world_init(struct world *world, const struct fake_ca_options *options)
{
    struct err err = {};

    *world = (struct world){};
    fake_clock_init(&world->clock, AT("2026-01-01T00:00:00Z"));
    world->ctx = context_background(&world->clock.clock);
    world->ca = fake_ca_new(options);
    world->http = fake_ca_http(world->ca);
    world->gate = acme_gate_new(FAKE_CA_DIRECTORY);
    ASSERT_OK(pkey_generate(KEY_ECDSA, 256, &world->key, &err));
    world_restart(world, NULL);
}

static inline void world_deinit(struct world *world)
{
    acme_client_unref(world->client);
    acme_gate_unref(world->gate);
    pkey_unref(world->key);
    http_free(world->http);
    fake_ca_free(world->ca);
    *world = (struct world){};
}
DEFINE_CLEANUP_VALUE(struct world, world_deinit);

static inline void world_register(struct world *world)
{
    cleanup(acme_account_deinit) struct acme_account account = {};
    struct err err = {};

    ASSERT_OK(acme_account_register(world->client, &world->ctx, &(struct acme_registration){},
                                    &account, NULL, &err));
}

static inline struct strlist names_of(const char *comma_list)
{
    struct strlist names = {};

    strlist_split(&names, comma_list, ',');
    return names;
}

static inline void world_order(struct world *world, const char *names, struct acme_order *ret)
{
    cleanup(strlist_deinit) struct strlist dns_names = names_of(names);
    struct acme_order_request request = {.dns_names = &dns_names};
    struct err err = {};

    ASSERT_OK(acme_order_new(world->client, &world->ctx, &request, ret, NULL, &err));
}

/* Starts the dns-01 challenge of every authorization that is not valid yet. */
static inline void world_authorize(struct world *world, const struct acme_order *order)
{
    struct err err = {};

    for (size_t i = 0; i < order->authorizations.len; i++) {
        cleanup(acme_authorization_deinit) struct acme_authorization authorization = {};
        int64_t retry_at_ms;

        ASSERT_OK(acme_authorization_get(world->client, &world->ctx, order->authorizations.items[i],
                                         &authorization, NULL, &err));
        for (size_t n = 0; n < authorization.challenge_count; n++)
            if (authorization.status == ACME_STATUS_PENDING &&
                streq(authorization.challenges[n].type, "dns-01"))
                ASSERT_OK(acme_challenge_start(world->client, &world->ctx,
                                               authorization.challenges[n].url, &retry_at_ms, NULL,
                                               &err));
    }
}

static inline void csr_der(const char *names, const struct pkey *key, struct buf *to)
{
    cleanup(csr_free) struct csr *csr = NULL;
    struct x509_names subject = {.dns_names = names_of(names)};
    struct csr_request request = {.names = &subject};
    struct err err = {};

    ASSERT_OK(csr_new(&request, key, &csr, &err));
    csr_to_der(csr, to);
    x509_names_deinit(&subject);
}

/* Order to chain; the leaf's key is made here. */
static inline void world_issue(struct world *world, const char *names, struct buf *ret_pem)
{
    cleanup(acme_order_deinit) struct acme_order order = {}, done = {};
    cleanup(buf_deinit) struct buf csr = BUF(100000);
    cleanup(pkey_unref) const struct pkey *key = NULL;
    struct err err = {};
    bool found;

    ASSERT_OK(pkey_generate(KEY_ECDSA, 256, &key, &err));
    world_order(world, names, &order);
    world_authorize(world, &order);
    csr_der(names, key, &csr);
    ASSERT_OK(acme_order_finalize(world->client, &world->ctx, order.finalize_url, csr.data, csr.len,
                                  &done, NULL, &err));
    ASSERT_OK(acme_certificate_download(world->client, &world->ctx, done.certificate_url, NULL,
                                        ret_pem, &found, NULL, &err));
}

#endif
