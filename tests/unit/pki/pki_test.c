#include "pki/pki.h"

#include "base/limits.h"
#include "support/testing.h"

static bool was_in_time;

/* The wiping itself cannot be looked at without reading freed memory. */
TEST(keys_and_certificates_work_with_wiping_memory)
{
    cleanup(pkey_unref) const struct pkey *key = NULL;
    cleanup(pkey_unref) const struct pkey *again = NULL;
    cleanup(buf_deinit) struct buf pem = BUF_SECRET(LIMIT_KEY_PEM);
    cleanup(x509_names_deinit) struct x509_names names = {.common_name = xstrdup("a")};
    cleanup(cert_unref) struct cert *cert = NULL;
    struct err err = {};

    ASSERT_TRUE(was_in_time);
    ASSERT_OK(pkey_generate(KEY_ED25519, 0, &key, &err));
    pkey_to_pem(key, KEY_PKCS8, &pem);
    ASSERT_OK(pkey_from_pem(buf_str(&pem), pem.len, &again, &err));
    ASSERT_TRUE(pkey_equal_public(key, again));
    ASSERT_OK(cert_sign(&(struct cert_template){.names = &names, .issuer_key = key}, &cert, &err));
    ASSERT_TRUE(cert_is_self_signed(cert));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_and_certificates_work_with_wiping_memory),
    };

    was_in_time = pki_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
