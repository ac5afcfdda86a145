#include "support/fake_ca_world.h"

static int download(struct world *world, const char *url, const char *preferred, struct buf *pem,
                    bool *found, struct err *err)
{
    buf_reset(pem);
    return acme_certificate_download(world->client, &world->ctx, url, preferred, pem, found, NULL,
                                     err);
}

static char *top_issuer(const struct buf *pem)
{
    cleanup(chain_deinit) struct chain chain = {};
    struct err err = {};

    ASSERT_OK(chain_from_pem(pem->data, pem->len, &chain, &err));
    return xstrdup(cert_issuer_common_name(chain.certs[chain.len - 1]));
}

#define CERTIFICATE FAKE_CA_URL "/certificate/1"

TEST(the_preferred_chain_is_chosen_by_the_issuer_of_its_top)
{
    static const struct {
        const char *name, *preferred, *top;
        size_t alternates;
        bool found;
        int alternate_requests;
    } rows[] = {
        {"no wish", NULL, FAKE_CA_ROOT(1), 2, true, 0},
        {"empty wish", "", FAKE_CA_ROOT(1), 2, true, 0},
        {"the default", FAKE_CA_ROOT(1), FAKE_CA_ROOT(1), 2, true, 0},
        {"first alternate", FAKE_CA_ROOT(2), FAKE_CA_ROOT(2), 2, true, 1},
        {"second alternate", FAKE_CA_ROOT(3), FAKE_CA_ROOT(3), 2, true, 2},
        {"relative link", FAKE_CA_ROOT(2), FAKE_CA_ROOT(2), 1, true, 1},
        {"nowhere", "DST Root CA X3", FAKE_CA_ROOT(1), 2, false, 2},
        {"no alternates", FAKE_CA_ROOT(2), FAKE_CA_ROOT(1), 0, false, 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(world_deinit) struct world world = {};
        cleanup(buf_deinit) struct buf pem = BUF(LIMIT_CHAIN_BODY);
        cleanup(xfree) char *top = NULL;
        struct err err = {};
        bool found;

        CASE(rows[i].name);
        world_init(&world, &(struct fake_ca_options){.alternates = rows[i].alternates});
        world_register(&world);
        world_issue(&world, "a.example", &pem);
        ASSERT_OK(download(&world, CERTIFICATE, rows[i].preferred, &pem, &found, &err));
        top = top_issuer(&pem);
        ASSERT_STREQ(top, rows[i].top);
        ASSERT_EQ(found, rows[i].found);
        ASSERT_EQ(fake_ca_requests(world.ca, "alternate"), rows[i].alternate_requests);
        ASSERT_STREQ(fake_ca_complaint(world.ca), NULL);
    }
    CASE("");
}

TEST(an_alternate_that_cannot_be_had_now_is_tried_again_later)
{
    cleanup(world_deinit) struct world world = {};
    cleanup(buf_deinit) struct buf pem = BUF(LIMIT_CHAIN_BODY);
    struct err err = {};
    bool found;

    world_init(&world, &(struct fake_ca_options){.alternates = 2});
    world_register(&world);
    world_issue(&world, "a.example", &pem);
    fake_ca_queue(world.ca, "alternate", &(struct fake_ca_answer){.status = 500, .body = "{}"});
    ASSERT_ERR(ERR_UNAVAILABLE, download(&world, CERTIFICATE, FAKE_CA_ROOT(2), &pem, &found, &err));
    ASSERT_OK(download(&world, CERTIFICATE, FAKE_CA_ROOT(2), &pem, &found, &err));
    ASSERT_TRUE(found);
}

TEST(what_is_no_chain_is_refused)
{
    static const struct {
        const char *name;
        int status;
        const char *content_type, *body, *link;
        int code;
    } rows[] = {
        {"HTML", 200, "text/html", "<html>", NULL, ERR_UNAVAILABLE},
        {"JSON", 200, "application/json", "{}", NULL, ERR_PROTOCOL},
        {"not yet there", 404, NULL, "{\"type\":\"urn:ietf:params:acme:error:malformed\"}", NULL,
         ERR_NOT_FOUND},
        {"http alternate", 200, "application/pem-certificate-chain", "x",
         "<http://ca.test/alternate/1/1>;rel=\"alternate\"", ERR_PROTOCOL},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(world_deinit) struct world world = {};
        cleanup(buf_deinit) struct buf pem = BUF(LIMIT_CHAIN_BODY);
        struct err err = {};
        bool found;

        CASE(rows[i].name);
        world_init(&world, NULL);
        world_register(&world);
        fake_ca_queue(world.ca, "certificate",
                      &(struct fake_ca_answer){.status = rows[i].status,
                                               .content_type = rows[i].content_type,
                                               .body = rows[i].body,
                                               .link = rows[i].link});
        ASSERT_ERR(rows[i].code,
                   download(&world, CERTIFICATE, FAKE_CA_ROOT(2), &pem, &found, &err));
        ASSERT_EQ(pem.len, 0);
    }
    CASE("");
}

/* RFC 8555 11.4; the caller's chain_from_pem() and chain_verify() find the rest. */
TEST(a_wrong_chain_is_served_as_it_is_and_found_by_its_checks)
{
    static const enum fake_ca_chain kinds[] = {FAKE_CA_OTHER_KEY, FAKE_CA_OTHER_NAME,
                                               FAKE_CA_WITH_KEY, FAKE_CA_OTHER_ISSUER,
                                               FAKE_CA_EXPIRED_CHAIN};

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        cleanup(world_deinit) struct world world = {};
        cleanup(acme_order_deinit) struct acme_order order = {}, done = {};
        cleanup(buf_deinit) struct buf pem = BUF(LIMIT_CHAIN_BODY), csr = BUF(100000);
        cleanup(pkey_unref) const struct pkey *key = NULL;
        cleanup(strlist_deinit) struct strlist names = names_of("a.example");
        cleanup(chain_deinit) struct chain chain = {};
        struct chain_expectation expect = {.dns_names = &names};
        struct err err = {};
        bool found;
        int r;

        world_init(&world, &(struct fake_ca_options){.chain = kinds[i]});
        world_register(&world);
        ASSERT_OK(pkey_generate(KEY_ECDSA, 256, &key, &err));
        world_order(&world, "a.example", &order);
        world_authorize(&world, &order);
        csr_der("a.example", key, &csr);
        ASSERT_OK(acme_order_finalize(world.client, &world.ctx, order.finalize_url, csr.data,
                                      csr.len, &done, NULL, &err));
        ASSERT_OK(acme_certificate_download(world.client, &world.ctx, done.certificate_url, NULL,
                                            &pem, &found, NULL, &err));
        r = chain_from_pem(pem.data, pem.len, &chain, &err);
        expect.key = key;
        expect.now_ms = world.clock.now_ms;
        if (r >= 0)
            r = chain_verify(&chain, &expect, NULL, &err);
        ASSERT_EQ(r, ERR_INVALID);
    }
}

RUN_TESTS(cmocka_unit_test(the_preferred_chain_is_chosen_by_the_issuer_of_its_top),
          cmocka_unit_test(an_alternate_that_cannot_be_had_now_is_tried_again_later),
          cmocka_unit_test(what_is_no_chain_is_refused),
          cmocka_unit_test(a_wrong_chain_is_served_as_it_is_and_found_by_its_checks));
