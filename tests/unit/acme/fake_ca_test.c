/* The scripted CA itself, and the gate against the limits that it enforces. */
#include <stdio.h>

#include "support/fake_ca_world.h"

static const struct acme_limits limits = {
    .orders_per_account = 10,
    .orders_refill_s = 600,
    .certs_per_domain = 6,
    .certs_refill_s = 3600,
    .certs_per_set = 2,
    .set_refill_s = 20000,
    .failures_per_name = 5,
    .failures_refill_s = 720,
};

TEST(the_ca_refuses_orders_beyond_its_limits_and_counts_them)
{
    cleanup(world_deinit) struct world world = {};
    struct err err = {};
    int refused = 0;

    world_init(&world, &(struct fake_ca_options){.limits = &limits});
    world_register(&world);
    for (int i = 0; i < 12; i++) {
        cleanup(acme_order_deinit) struct acme_order order = {};
        cleanup(xfree) char *name = xasprintf("n%d.d%d.example", i, i);
        cleanup(strlist_deinit) struct strlist names = names_of(name);
        struct acme_order_request request = {.dns_names = &names};

        acme_gate_unref(world.gate); /* nothing here keeps us from asking */
        world.gate = NULL;
        world_restart(&world, FAKE_CA_URL "/account/1");
        refused += acme_order_new(world.client, &world.ctx, &request, &order, NULL, &err) ==
                   ERR_RATE_LIMITED;
    }
    ASSERT_EQ(refused, 2);
    ASSERT_EQ(fake_ca_counts(world.ca)->limit_violations, 2);
    ASSERT_EQ(fake_ca_counts(world.ca)->new_orders, 10);
}

/* One certificate, asked for through the gate as a controller would. True if it was issued. */
static bool issue_through_gate(struct world *world, const char *name, bool validates)
{
    cleanup(buf_deinit) struct buf pem = BUF(LIMIT_CHAIN_BODY);
    cleanup(strlist_deinit) struct strlist names = names_of(name),
                                           domains = names_of("shared.example");
    struct acme_budget_request budget = {
        .names = &names, .registered_domains = &domains, .tenant = name};

    budget.is_renewal = fake_ca_issued_of(world->ca, name) > 0;
    if (acme_gate_check_name(world->gate, &world->ctx, name, NULL) < 0 ||
        acme_gate_take_order(world->gate, &world->ctx, &budget, NULL) < 0)
        return false;
    if (validates) {
        world_issue(world, name, &pem);
    } else {
        cleanup(acme_order_deinit) struct acme_order order = {};

        world_order(world, name, &order);
        world_authorize(world, &order);
        acme_gate_count_failure(world->gate, &world->ctx, name);
    }
    acme_gate_end_order(world->gate, &world->ctx, &budget, validates);
    return validates;
}

struct script {
    bool valid;
};

static bool validate(void *arg, const struct fake_ca_validation *validation)
{
    return ((const struct script *)arg)->valid;
}

TEST(the_gate_keeps_within_the_limits_and_uses_them)
{
    struct script script = {.valid = true};
    cleanup(world_deinit) struct world world = {};
    int issued = 0;

    world_init(&world,
               &(struct fake_ca_options){
                   .limits = &limits, .validate = validate, .validate_arg = &script, .seed = 3});
    acme_gate_set_limits(world.gate, &limits);
    world_register(&world);
    for (int minute = 0; minute < 5 * 24 * 60; minute += 5) {
        char name[40];

        (void)snprintf(name, sizeof(name), "n%d.shared.example", minute * 7 % 83);
        script.valid = minute % 35 != 0;
        issued += issue_through_gate(&world, name, script.valid);
        fake_clock_advance(&world.clock, MINUTES(5) + 137);
        if (minute % 1000 == 0) { /* a restart */
            cleanup(xfree) char *saved = acme_gate_save(world.gate, &world.ctx);

            acme_gate_unref(world.gate);
            world.gate = acme_gate_new(FAKE_CA_DIRECTORY);
            acme_gate_set_limits(world.gate, &limits);
            acme_gate_restore(world.gate, saved);
            world_restart(&world, FAKE_CA_URL "/account/1");
        }
    }
    ASSERT_EQ(fake_ca_counts(world.ca)->limit_violations, 0);
    ASSERT_TRUE(issued >
                180); /* 83 names, first at one an hour, then renewals at one per 5.5 h each */
    ASSERT_STREQ(fake_ca_complaint(world.ca), NULL);
}

TEST(a_pending_order_of_the_same_names_is_given_out_again)
{
    cleanup(world_deinit) struct world world = {};
    cleanup(acme_order_deinit) struct acme_order first = {}, second = {};

    world_init(&world, &(struct fake_ca_options){.reuse_orders = true});
    world_register(&world);
    world_order(&world, "a.example", &first);
    world_order(&world, "a.example", &second);
    ASSERT_STREQ(second.url, first.url);
    ASSERT_EQ(fake_ca_orders_of(world.ca, "a.example"), 1);
}

TEST(a_valid_authorization_serves_later_orders)
{
    cleanup(world_deinit) struct world world = {};
    cleanup(buf_deinit) struct buf pem = BUF(LIMIT_CHAIN_BODY);
    cleanup(acme_order_deinit) struct acme_order order = {}, later = {};

    world_init(&world, &(struct fake_ca_options){.reuse_ms = DAYS(30)});
    world_register(&world);
    world_issue(&world, "a.example", &pem);
    world_order(&world, "a.example", &order);
    ASSERT_EQ(order.status, ACME_STATUS_READY);
    fake_clock_advance(&world.clock, DAYS(30));
    world_order(&world, "a.example", &later);
    ASSERT_EQ(later.status, ACME_STATUS_PENDING);
}

TEST(orders_and_authorizations_expire)
{
    cleanup(world_deinit) struct world world = {};
    cleanup(acme_order_deinit) struct acme_order order = {}, seen = {};
    struct err err = {};

    world_init(&world, NULL);
    world_register(&world);
    world_order(&world, "a.example", &order);
    fake_clock_advance(&world.clock, DAYS(7));
    ASSERT_OK(acme_order_get(world.client, &world.ctx, order.url, &seen, NULL, &err));
    ASSERT_EQ(seen.status, ACME_STATUS_INVALID);
}

TEST(the_same_seed_gives_the_same_run)
{
    char *tokens[2];

    for (int i = 0; i < 2; i++) {
        cleanup(world_deinit) struct world world = {};
        cleanup(acme_order_deinit) struct acme_order order = {};
        cleanup(acme_authorization_deinit) struct acme_authorization authorization = {};
        struct err err = {};

        world_init(&world, &(struct fake_ca_options){.seed = 42, .nonce_reject_percent = 50});
        world_register(&world);
        world_order(&world, "a.example", &order);
        ASSERT_OK(acme_authorization_get(world.client, &world.ctx, order.authorizations.items[0],
                                         &authorization, NULL, &err));
        tokens[i] = xstrdup(authorization.challenges[0].token);
    }
    ASSERT_STREQ(tokens[0], tokens[1]);
    xfree(tokens[0]);
    xfree(tokens[1]);
}

RUN_TESTS(cmocka_unit_test(the_ca_refuses_orders_beyond_its_limits_and_counts_them),
          cmocka_unit_test(the_gate_keeps_within_the_limits_and_uses_them),
          cmocka_unit_test(a_pending_order_of_the_same_names_is_given_out_again),
          cmocka_unit_test(a_valid_authorization_serves_later_orders),
          cmocka_unit_test(orders_and_authorizations_expire),
          cmocka_unit_test(the_same_seed_gives_the_same_run));
