#include <stdio.h>

#include "support/fake_ca_world.h"

static char *issue_and_id(struct world *world, const char *names)
{
    cleanup(buf_deinit) struct buf pem = BUF(LIMIT_CHAIN_BODY);
    cleanup(chain_deinit) struct chain chain = {};
    struct err err = {};
    char *id = NULL;

    world_issue(world, names, &pem);
    ASSERT_OK(chain_from_pem(pem.data, pem.len, &chain, &err));
    ASSERT_OK(cert_ari_id(chain.certs[0], &id, &err));
    return id;
}

TEST(the_window_of_a_certificate_is_read_without_an_account)
{
    cleanup(world_deinit) struct world world = {};
    cleanup(acme_renewal_info_deinit) struct acme_renewal_info info = {}, moved = {};
    cleanup(xfree) char *id = NULL;
    struct err err = {};

    world_init(&world, NULL);
    world_register(&world);
    id = issue_and_id(&world, "a.example");
    world_restart(&world, NULL);
    ASSERT_OK(acme_renewal_info(world.client, &world.ctx, id, &info, &err));
    ASSERT_TRUE(info.start_ms > world.clock.now_ms + DAYS(58));
    ASSERT_TRUE(info.end_ms < world.clock.now_ms + DAYS(62));
    ASSERT_EQ(info.retry_after_ms, HOURS(6));
    ASSERT_STREQ(info.explanation_url, NULL);

    fake_ca_set_window(world.ca, NULL, AT("2026-01-02T00:00:00Z"), AT("2026-01-03T00:00:00Z"),
                       "https://ca.test/incident");
    ASSERT_OK(acme_renewal_info(world.client, &world.ctx, id, &moved, &err));
    ASSERT_EQ(moved.start_ms, AT("2026-01-02T00:00:00Z"));
    ASSERT_STREQ(moved.explanation_url, "https://ca.test/incident");
}

TEST(retry_after_of_renewal_info_is_clamped)
{
    static const struct {
        const char *retry_after;
        int64_t span_ms;
    } rows[] = {{NULL, HOURS(6)},   {"0", MINUTES(1)},   {"30", MINUTES(1)},
                {"7200", HOURS(2)}, {"864000", DAYS(1)}, {"soon", HOURS(6)}};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(world_deinit) struct world world = {};
        cleanup(acme_renewal_info_deinit) struct acme_renewal_info info = {};
        struct err err = {};

        CASE(rows[i].retry_after ? rows[i].retry_after : "none");
        world_init(&world, NULL);
        fake_ca_queue(
            world.ca, "renewalInfo",
            &(struct fake_ca_answer){
                .status = 200,
                .retry_after = rows[i].retry_after,
                .body =
                    "{\"suggestedWindow\":{\"start\":\"2026-02-01T00:00:00Z\",\"end\":\"2026-02-02T00:00:00.5+01:00\"}}"});
        ASSERT_OK(acme_renewal_info(world.client, &world.ctx, "a.b", &info, &err));
        ASSERT_EQ(info.retry_after_ms, rows[i].span_ms);
        ASSERT_EQ(info.end_ms, AT("2026-02-01T23:00:00.5Z"));
    }
    CASE("");
}

TEST(a_window_that_is_none_is_refused)
{
    static const struct {
        const char *name;
        int status;
        const char *body;
        int code;
    } rows[] = {
        {"end before start", 200,
         "{\"suggestedWindow\":{\"start\":\"2026-02-02T00:00:00Z\",\"end\":\"2026-02-01T00:00:00Z\"}}",
         ERR_INVALID},
        {"empty window", 200,
         "{\"suggestedWindow\":{\"start\":\"2026-02-02T00:00:00Z\",\"end\":\"2026-02-02T00:00:00Z\"}}",
         ERR_INVALID},
        {"no window", 200, "{}", ERR_PROTOCOL},
        {"no time", 200,
         "{\"suggestedWindow\":{\"start\":\"tomorrow\",\"end\":\"2026-02-01T00:00:00Z\"}}",
         ERR_PROTOCOL},
        {"malformed", 200, "{\"suggestedWindow\"", ERR_PROTOCOL},
        {"HTML", 200, "<html>", ERR_UNAVAILABLE},
        {"just issued", 404, "{\"type\":\"urn:ietf:params:acme:error:malformed\"}", ERR_NOT_FOUND},
        {"down", 500, "", ERR_UNAVAILABLE},
        {"limited", 429, "", ERR_RATE_LIMITED},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(world_deinit) struct world world = {};
        cleanup(acme_renewal_info_deinit) struct acme_renewal_info info = {};
        struct err err = {};

        CASE(rows[i].name);
        world_init(&world, NULL);
        fake_ca_queue(world.ca, "renewalInfo",
                      &(struct fake_ca_answer){.status = rows[i].status, .body = rows[i].body});
        ASSERT_ERR(rows[i].code, acme_renewal_info(world.client, &world.ctx, "a.b", &info, &err));
        ASSERT_CONTAINS(err.text, "fetching renewal information");
    }
    CASE("");
}

TEST(renewal_info_that_is_not_offered_or_not_addressable_is_not_asked_for)
{
    cleanup(world_deinit) struct world world = {};
    cleanup(acme_renewal_info_deinit) struct acme_renewal_info info = {};
    struct err err = {};

    world_init(&world, &(struct fake_ca_options){.no_renewal_info = true});
    ASSERT_ERR(ERR_UNSUPPORTED, acme_renewal_info(world.client, &world.ctx, "a.b", &info, &err));
    ASSERT_ERR(ERR_INVALID, acme_renewal_info(world.client, &world.ctx, "../../x", &info, &err));
    ASSERT_ERR(ERR_INVALID, acme_renewal_info(world.client, &world.ctx, "", &info, &err));
}

TEST(the_instant_is_stable_inside_the_window_and_spread_over_it)
{
    const int64_t start_ms = AT("2026-02-01T00:00:00Z"), end_ms = AT("2026-02-03T00:00:00Z");
    int quarters[4] = {};

    for (int i = 0; i < 1000; i++) {
        char id[40];
        int64_t instant_ms;

        (void)snprintf(id, sizeof(id), "aYhba4dGQEHhs3uEe6CuLN4ByNQ.%d", i);
        instant_ms = acme_renewal_instant(id, start_ms, end_ms);
        ASSERT_TRUE(instant_ms >= start_ms && instant_ms < end_ms);
        ASSERT_EQ(acme_renewal_instant(id, start_ms, end_ms), instant_ms);
        ASSERT_TRUE(acme_renewal_instant(id, start_ms, end_ms + 1) != instant_ms);
        quarters[(instant_ms - start_ms) * 4 / (end_ms - start_ms)]++;
    }
    for (int i = 0; i < 4; i++)
        ASSERT_TRUE(quarters[i] > 190 && quarters[i] < 310);
    ASSERT_EQ(acme_renewal_instant("x", start_ms, start_ms), start_ms);
    ASSERT_EQ(acme_renewal_instant("x", start_ms, start_ms + 1), start_ms);
}

TEST(a_replacement_inside_its_window_is_accepted_once)
{
    cleanup(world_deinit) struct world world = {};
    cleanup(acme_order_deinit) struct acme_order order = {}, again = {};
    cleanup(acme_problem_deinit) struct acme_problem problem = {};
    cleanup(strlist_deinit) struct strlist names = names_of("a.example");
    cleanup(buf_deinit) struct buf csr = BUF(100000);
    cleanup(pkey_unref) const struct pkey *key = NULL;
    cleanup(xfree) char *id = NULL;
    struct acme_order_request request = {.dns_names = &names};
    struct acme_order done = {};
    struct err err = {};

    world_init(&world, NULL);
    world_register(&world);
    id = issue_and_id(&world, "a.example");
    request.replaces = id;
    ASSERT_OK(acme_order_new(world.client, &world.ctx, &request, &order, &problem, &err));
    ASSERT_STREQ(order.replaces, id);
    world_authorize(&world, &order);
    ASSERT_OK(pkey_generate(KEY_ECDSA, 256, &key, &err));
    csr_der("a.example", key, &csr);
    ASSERT_OK(acme_order_finalize(world.client, &world.ctx, order.finalize_url, csr.data, csr.len,
                                  &done, NULL, &err));
    acme_order_deinit(&done);
    ASSERT_ERR(ERR_CONFLICT,
               acme_order_new(world.client, &world.ctx, &request, &again, &problem, &err));
    ASSERT_EQ(problem.class, ACME_ALREADY_REPLACED);
    request.replaces = NULL;
    ASSERT_OK(acme_order_new(world.client, &world.ctx, &request, &again, &problem, &err));
}

RUN_TESTS(cmocka_unit_test(the_window_of_a_certificate_is_read_without_an_account),
          cmocka_unit_test(retry_after_of_renewal_info_is_clamped),
          cmocka_unit_test(a_window_that_is_none_is_refused),
          cmocka_unit_test(renewal_info_that_is_not_offered_or_not_addressable_is_not_asked_for),
          cmocka_unit_test(the_instant_is_stable_inside_the_window_and_spread_over_it),
          cmocka_unit_test(a_replacement_inside_its_window_is_accepted_once));
