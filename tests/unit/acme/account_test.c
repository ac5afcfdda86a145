#include "support/fake_ca_world.h"
#include "json/json.h"

static int register_with(struct world *world, const struct acme_registration *registration,
                         struct acme_account *account, struct acme_problem *problem,
                         struct err *err)
{
    acme_account_deinit(account);
    return acme_account_register(world->client, &world->ctx, registration, account, problem, err);
}

TEST(an_account_is_created_once_and_found_again)
{
    cleanup(world_deinit) struct world world = {};
    cleanup(acme_account_deinit) struct acme_account account = {};
    cleanup(strlist_deinit) struct strlist contacts = names_of("mailto:admin@example.com");
    cleanup(xfree) char *known = NULL;
    struct err err = {};

    world_init(&world, NULL);
    ASSERT_STREQ(acme_client_account(world.client), NULL);
    ASSERT_OK(register_with(&world, &(struct acme_registration){.contacts = &contacts}, &account,
                            NULL, &err));
    ASSERT_STREQ(fake_ca_last_payload(world.ca),
                 "{\"contact\":[\"mailto:admin@example.com\"],\"termsOfServiceAgreed\":true}");
    ASSERT_TRUE(account.created);
    ASSERT_STREQ(account.url, FAKE_CA_URL "/account/1");
    ASSERT_STREQ(account.status, "valid");
    ASSERT_EQ(account.contacts.len, 1);
    ASSERT_STREQ(account.orders_url, FAKE_CA_URL "/orders/1");
    known = acme_client_account(world.client);
    ASSERT_STREQ(known, FAKE_CA_URL "/account/1");

    world_restart(&world, NULL);
    ASSERT_OK(register_with(&world, &(struct acme_registration){.only_existing = true}, &account,
                            NULL, &err));
    ASSERT_STREQ(fake_ca_last_payload(world.ca), "{\"onlyReturnExisting\":true}");
    ASSERT_FALSE(account.created);
    ASSERT_STREQ(account.url, FAKE_CA_URL "/account/1");
    ASSERT_EQ(fake_ca_counts(world.ca)->new_accounts, 1);
    ASSERT_STREQ(fake_ca_complaint(world.ca), NULL);
}

TEST(looking_for_an_account_does_not_make_one)
{
    cleanup(world_deinit) struct world world = {};
    cleanup(acme_account_deinit) struct acme_account account = {};
    cleanup(acme_problem_deinit) struct acme_problem problem = {};
    struct err err = {};

    world_init(&world, NULL);
    ASSERT_ERR(ERR_DENIED, register_with(&world, &(struct acme_registration){.only_existing = true},
                                         &account, &problem, &err));
    ASSERT_EQ(problem.class, ACME_ACCOUNT);
    ASSERT_EQ(fake_ca_counts(world.ca)->new_accounts, 0);
}

TEST(the_account_of_another_key_is_not_used)
{
    cleanup(world_deinit) struct world world = {};
    cleanup(acme_account_deinit) struct acme_account account = {};
    cleanup(acme_problem_deinit) struct acme_problem problem = {};
    struct err err = {};

    world_init(&world, NULL);
    world_register(&world);
    fake_ca_forget_accounts(world.ca);
    ASSERT_ERR(ERR_DENIED, acme_account_update_contacts(world.client, &world.ctx, NULL, &account,
                                                        &problem, &err));
    ASSERT_EQ(problem.class, ACME_ACCOUNT);
    ASSERT_STREQ(problem.type, "accountDoesNotExist");
    ASSERT_EQ(fake_ca_counts(world.ca)->new_accounts, 1); /* not registered again */
}

TEST(all_account_key_types_work)
{
    static const struct {
        enum key_algorithm algorithm;
        int size;
        const char *alg;
    } rows[] = {{KEY_RSA, 2048, "RS256"},
                {KEY_ECDSA, 256, "ES256"},
                {KEY_ECDSA, 384, "ES384"},
                {KEY_ECDSA, 521, "ES512"},
                {KEY_ED25519, 0, "EdDSA"}};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(world_deinit) struct world world = {};
        cleanup(acme_account_deinit) struct acme_account account = {};
        cleanup(json_unref) struct json *header = NULL;
        struct err err = {};

        CASE(rows[i].alg);
        world_init(&world, NULL);
        pkey_unref(world.key);
        world.key = NULL;
        ASSERT_OK(pkey_generate(rows[i].algorithm, rows[i].size, &world.key, &err));
        world_restart(&world, NULL);
        world_register(&world);
        ASSERT_OK(
            acme_account_update_contacts(world.client, &world.ctx, NULL, &account, NULL, &err));
        ASSERT_OK(json_parse(fake_ca_last_header(world.ca), strlen(fake_ca_last_header(world.ca)),
                             10000, &header, &err));
        ASSERT_STREQ(json_get_text(header, "alg"), rows[i].alg);
        ASSERT_STREQ(json_get_text(header, "kid"), FAKE_CA_URL "/account/1");
        ASSERT_STREQ(json_get_text(header, "url"), FAKE_CA_URL "/account/1");
        ASSERT_EQ(json_len(header), 4);
        ASSERT_STREQ(fake_ca_complaint(world.ca), NULL);
    }
    CASE("");
}

TEST(an_external_account_is_bound_with_each_algorithm)
{
    static const enum digest_type algorithms[] = {DIGEST_SHA256, DIGEST_SHA384, DIGEST_SHA512};
    static const unsigned char mac_key[] = "a key of the customer, thirty-two bytes";
    struct fake_ca_options options = {
        .eab_key_id = "kid-1", .eab_mac_key = mac_key, .eab_mac_key_len = sizeof(mac_key)};

    for (size_t i = 0; i < ARRAY_LEN(algorithms); i++) {
        cleanup(world_deinit) struct world world = {};
        cleanup(acme_account_deinit) struct acme_account account = {};
        struct acme_eab eab = {.key_id = "kid-1",
                               .mac_key = mac_key,
                               .mac_key_len = sizeof(mac_key),
                               .algorithm = algorithms[i]};
        struct err err = {};

        world_init(&world, &options);
        ASSERT_OK(
            register_with(&world, &(struct acme_registration){.eab = &eab}, &account, NULL, &err));
        ASSERT_STREQ(fake_ca_complaint(world.ca), NULL);
    }
}

TEST(a_ca_that_wants_a_binding_is_not_asked_without_one)
{
    cleanup(world_deinit) struct world world = {};
    cleanup(acme_account_deinit) struct acme_account account = {};
    struct acme_eab wrong = {
        .key_id = "kid-1", .mac_key = (const unsigned char *)"no", .mac_key_len = 2};
    cleanup(acme_problem_deinit) struct acme_problem problem = {};
    struct err err = {};

    world_init(&world, &(struct fake_ca_options){
                           .eab_key_id = "kid-1", .eab_mac_key = "yes", .eab_mac_key_len = 3});
    ASSERT_ERR(ERR_INVALID,
               register_with(&world, &(struct acme_registration){}, &account, NULL, &err));
    ASSERT_ERR(ERR_INVALID,
               register_with(&world, &(struct acme_registration){}, &account, &problem, &err));
    ASSERT_CONTAINS(err.text, "requires an external account binding");
    ASSERT_STREQ(problem.type, "externalAccountRequired");
    ASSERT_EQ(fake_ca_requests(world.ca, "newAccount"), 0);
    ASSERT_ERR(ERR_DENIED, register_with(&world, &(struct acme_registration){.eab = &wrong},
                                         &account, &problem, &err));
    ASSERT_EQ(problem.class, ACME_ACCOUNT);
    ASSERT_NULL(strstr(err.text, "no\""));
}

TEST(contacts_are_replaced_and_can_be_emptied)
{
    cleanup(world_deinit) struct world world = {};
    cleanup(acme_account_deinit) struct acme_account changed = {}, emptied = {};
    cleanup(strlist_deinit) struct strlist contacts = names_of(
        "mailto:a@example.com,mailto:b@example.com");
    struct err err = {};

    world_init(&world, NULL);
    world_register(&world);
    ASSERT_OK(
        acme_account_update_contacts(world.client, &world.ctx, &contacts, &changed, NULL, &err));
    ASSERT_EQ(changed.contacts.len, 2);
    ASSERT_STREQ(changed.url, FAKE_CA_URL "/account/1");
    ASSERT_OK(acme_account_update_contacts(world.client, &world.ctx, NULL, &emptied, NULL, &err));
    ASSERT_STREQ(fake_ca_last_payload(world.ca), "{\"contact\":[]}");
    ASSERT_EQ(emptied.contacts.len, 0);
}

TEST(the_list_of_orders_is_read_over_its_pages)
{
    cleanup(world_deinit) struct world world = {};
    cleanup(acme_orders_deinit) struct acme_orders orders = {}, some = {};
    struct err err = {};

    world_init(&world, NULL);
    world_register(&world);
    for (int i = 0; i < 8; i++) {
        cleanup(acme_order_deinit) struct acme_order order = {};

        world_order(&world, "a.example", &order);
    }
    ASSERT_OK(acme_account_orders(world.client, &world.ctx, FAKE_CA_URL "/orders/1", 100, &orders,
                                  NULL, &err));
    ASSERT_EQ(orders.urls.len, 8);
    ASSERT_FALSE(orders.is_cut);
    ASSERT_STREQ(orders.urls.items[7], FAKE_CA_URL "/order/8");
    ASSERT_OK(acme_account_orders(world.client, &world.ctx, FAKE_CA_URL "/orders/1", 4, &some, NULL,
                                  &err));
    ASSERT_EQ(some.urls.len, 4);
    ASSERT_TRUE(some.is_cut);
    ASSERT_STREQ(some.urls.items[3], FAKE_CA_URL "/order/8"); /* the newest ones */
    ASSERT_ERR(ERR_UNSUPPORTED,
               acme_account_orders(world.client, &world.ctx, NULL, 4, &some, NULL, &err));
}

/* What is behind the last page that was read is not taken for nothing. */
TEST(a_list_of_orders_without_end_is_read_in_part_and_says_so)
{
    cleanup(world_deinit) struct world world = {};
    cleanup(acme_orders_deinit) struct acme_orders orders = {};
    struct err err = {};

    world_init(&world, NULL);
    world_register(&world);
    for (int i = 0; i < 100; i++)
        fake_ca_queue(world.ca, "orders",
                      &(struct fake_ca_answer){
                          .status = 200,
                          .body = "{\"orders\": [\"" FAKE_CA_URL "/order/1\"]}",
                          .link = "<" FAKE_CA_URL "/orders/1>;rel=\"next\"",
                      });
    ASSERT_OK(acme_account_orders(world.client, &world.ctx, FAKE_CA_URL "/orders/1", 1000, &orders,
                                  NULL, &err));
    ASSERT_EQ(orders.urls.len, 100);
    ASSERT_TRUE(orders.is_cut);
}

TEST(a_request_before_the_account_is_known_says_so)
{
    cleanup(world_deinit) struct world world = {};
    cleanup(acme_order_deinit) struct acme_order order = {};
    struct err err = {};

    world_init(&world, NULL);
    ASSERT_ERR(ERR_INVALID, acme_order_get(world.client, &world.ctx, FAKE_CA_URL "/order/1", &order,
                                           NULL, &err));
    ASSERT_CONTAINS(err.text, "register the account first");
}

RUN_TESTS(cmocka_unit_test(an_account_is_created_once_and_found_again),
          cmocka_unit_test(looking_for_an_account_does_not_make_one),
          cmocka_unit_test(the_account_of_another_key_is_not_used),
          cmocka_unit_test(all_account_key_types_work),
          cmocka_unit_test(an_external_account_is_bound_with_each_algorithm),
          cmocka_unit_test(a_ca_that_wants_a_binding_is_not_asked_without_one),
          cmocka_unit_test(contacts_are_replaced_and_can_be_emptied),
          cmocka_unit_test(the_list_of_orders_is_read_over_its_pages),
          cmocka_unit_test(a_list_of_orders_without_end_is_read_in_part_and_says_so),
          cmocka_unit_test(a_request_before_the_account_is_known_says_so));
