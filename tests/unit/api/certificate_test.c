#include "api/certificate.h"
#include "api_testing.h"

TEST(a_certificate_that_says_nothing_has_the_documented_defaults)
{
    struct certificate_spec spec = {};

    ASSERT_EQ(certificate_key_algorithm(&spec), KEY_RSA);
    ASSERT_EQ(certificate_key_size(&spec), 2048);
    ASSERT_EQ(certificate_key_encoding(&spec), KEY_PKCS1);
    ASSERT_TRUE(certificate_rotates_key(&spec));
    ASSERT_EQ(certificate_duration_ms(&spec), DAYS(90));
    ASSERT_EQ(certificate_history_limit(&spec), 1);
    ASSERT_STREQ(certificate_common_name(&spec), "");
    ASSERT_EQ(usages_of(&spec.usages, false), USAGE(DIGITAL_SIGNATURE) | USAGE(KEY_ENCIPHERMENT));
}

TEST(an_ecdsa_key_has_256_bits_where_nothing_is_said)
{
    struct certificate_private_key key = {.algorithm = CERTIFICATE_KEY_ECDSA};
    struct certificate_spec spec = {.private_key = &key};

    ASSERT_EQ(certificate_key_algorithm(&spec), KEY_ECDSA);
    ASSERT_EQ(certificate_key_size(&spec), 256);
    key.size = 521;
    ASSERT_EQ(certificate_key_size(&spec), 521);
}

TEST(an_ed25519_key_is_always_pkcs8)
{
    struct certificate_private_key key = {
        .algorithm = CERTIFICATE_KEY_ED25519, .encoding = CERTIFICATE_ENCODING_PKCS1, .size = 4096};
    struct certificate_spec spec = {.private_key = &key};

    ASSERT_EQ(certificate_key_encoding(&spec), KEY_PKCS8);
    ASSERT_EQ(certificate_key_size(&spec), 0);
}

TEST(what_is_said_counts)
{
    struct certificate_private_key key = {.algorithm = CERTIFICATE_KEY_RSA,
                                          .encoding = CERTIFICATE_ENCODING_PKCS8,
                                          .rotation_policy = ROTATION_NEVER,
                                          .size = 4096};
    struct certificate_spec spec = {
        .private_key = &key,
        .common_name = "a",
        .duration = {.is_set = true, .ns = 3600 * INT64_C(1000000000)},
        .revision_history_limit = {.is_set = true, .value = 5},
    };

    ASSERT_EQ(certificate_key_size(&spec), 4096);
    ASSERT_EQ(certificate_key_encoding(&spec), KEY_PKCS8);
    ASSERT_FALSE(certificate_rotates_key(&spec));
    ASSERT_EQ(certificate_duration_ms(&spec), HOURS(1));
    ASSERT_EQ(certificate_history_limit(&spec), 5);
    ASSERT_STREQ(certificate_common_name(&spec), "a");
}

TEST(a_ca_may_sign_certificates_whatever_else_is_said)
{
    int client_auth = USAGE_CLIENT_AUTH;
    struct array_int usages = {&client_auth, 1}, none = {};

    ASSERT_EQ(usages_of(&usages, false), USAGE(CLIENT_AUTH));
    ASSERT_EQ(usages_of(&usages, true), USAGE(CLIENT_AUTH) | USAGE(CERT_SIGN));
    ASSERT_EQ(usages_of(&none, true),
              USAGE(DIGITAL_SIGNATURE) | USAGE(KEY_ENCIPHERMENT) | USAGE(CERT_SIGN));
}

TEST(names_of_usages_and_signatures_are_those_of_the_api)
{
    ASSERT_EQ(enum_value(&key_usage_names, "s/mime"), USAGE_SMIME);
    ASSERT_EQ(enum_value(&key_usage_names, "netscape sgc"), USAGE_NETSCAPE_SGC);
    ASSERT_EQ(enum_value(&key_usage_names, "decipher only"), USAGE_DECIPHER_ONLY);
    ASSERT_STREQ(enum_name(&signature_algorithm_names, SIGNATURE_ED25519), "PureEd25519");
    ASSERT_STREQ(enum_name(&signature_algorithm_names, SIGNATURE_ECDSA_SHA512), "ECDSAWithSHA512");
}

TEST(the_common_name_is_that_of_the_subject_however_it_is_written)
{
    static const struct {
        const char *common_name, *literal_subject, *wanted;
    } rows[] = {
        {NULL, NULL, NULL}, {"a", NULL, "a"},        {NULL, "O=b,CN=a", "a"}, {NULL, "O=b", NULL},
        {"a", "", "a"},     {NULL, "no name", NULL}, {"no", "CN=b,O=c", "b"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct certificate_spec spec = {.common_name = rows[i].common_name,
                                        .literal_subject = rows[i].literal_subject};
        cleanup(xfree) char *common_name = certificate_subject_common_name(&spec);

        CASE(rows[i].literal_subject ? rows[i].literal_subject : "none");
        ASSERT_STREQ(common_name, rows[i].wanted);
    }
}

RUN_TESTS(cmocka_unit_test(a_certificate_that_says_nothing_has_the_documented_defaults),
          cmocka_unit_test(an_ecdsa_key_has_256_bits_where_nothing_is_said),
          cmocka_unit_test(an_ed25519_key_is_always_pkcs8), cmocka_unit_test(what_is_said_counts),
          cmocka_unit_test(a_ca_may_sign_certificates_whatever_else_is_said),
          cmocka_unit_test(the_common_name_is_that_of_the_subject_however_it_is_written),
          cmocka_unit_test(names_of_usages_and_signatures_are_those_of_the_api));
