#include <stdio.h>

#include "acme/nonce.h"
#include "support/testing.h"

TEST(the_pool_keeps_the_hundred_newest_nonces)
{
    struct acme_nonces nonces = {};

    acme_nonces_init(&nonces);
    for (int i = 0; i < 150; i++) {
        char text[20];

        (void)snprintf(text, sizeof(text), "nonce-%d", i);
        acme_nonces_put(&nonces, text);
        acme_nonces_put(&nonces, text); /* repeated by a cache: it works once */
    }
    ASSERT_EQ(nonces.len, ACME_NONCES_MAX);
    ASSERT_STREQ(nonces.items[0], "nonce-50");
    ASSERT_STREQ(nonces.items[99], "nonce-149");
    acme_nonces_clear(&nonces);
    ASSERT_EQ(nonces.len, 0);
    acme_nonces_deinit(&nonces);
}

/* RFC 8555 6.5.1: clients must ignore what is not base64url. */
TEST(a_nonce_that_is_none_is_ignored)
{
    struct acme_nonces nonces = {};
    char longer[ACME_NONCE_LEN_MAX + 2];

    acme_nonces_init(&nonces);
    memset(longer, 'a', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    acme_nonces_put(&nonces, NULL);
    acme_nonces_put(&nonces, "");
    acme_nonces_put(&nonces, "a b");
    acme_nonces_put(&nonces, "a\"b");
    acme_nonces_put(&nonces, longer);
    ASSERT_EQ(nonces.len, 0);
    acme_nonces_put(&nonces, longer + 1);
    ASSERT_EQ(nonces.len, 1);
    acme_nonces_deinit(&nonces);
}

RUN_TESTS(cmocka_unit_test(the_pool_keeps_the_hundred_newest_nonces),
          cmocka_unit_test(a_nonce_that_is_none_is_ignored));
