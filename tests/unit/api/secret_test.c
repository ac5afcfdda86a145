#include "api/secret.h"
#include "api_testing.h"

#define SECRET                                                                                     \
    "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: ns}\n"                           \
    "data: {a: aGVsbG8=, broken: '!', both: ZGF0YQ==}\nstringData: {both: plain}\n"

static const struct secret *secret(const struct object *object)
{
    return (const struct secret *)object;
}

TEST(a_value_is_decoded_behind_what_is_there)
{
    cleanup(object_unref) const struct object *object = decode_yaml(SECRET, NULL);
    cleanup(buf_deinit) struct buf value = BUF_SECRET(100);
    struct err err = {};

    buf_add_str(&value, "> ");
    ASSERT_OK(secret_value(secret(object), "a", &value, &err));
    ASSERT_STREQ(buf_str(&value), "> hello");
}

TEST(a_missing_key_is_named_with_its_secret)
{
    cleanup(object_unref) const struct object *object = decode_yaml(SECRET, NULL);
    cleanup(buf_deinit) struct buf value = BUF_SECRET(100);
    struct err err = {};

    ASSERT_ERR(ERR_NOT_FOUND, secret_value(secret(object), "tls.key", &value, &err));
    ASSERT_STREQ(err.text, "secret 'ns/s' has no key 'tls.key'");
    ASSERT_FALSE(secret_has(secret(object), "tls.key"));
    ASSERT_TRUE(secret_has(secret(object), "broken"));
}

TEST(a_broken_value_is_named_and_not_shown)
{
    cleanup(object_unref) const struct object *object = decode_yaml(SECRET, NULL);
    cleanup(buf_deinit) struct buf value = BUF_SECRET(100);
    struct err err = {};

    ASSERT_ERR(ERR_INVALID, secret_value(secret(object), "broken", &value, &err));
    ASSERT_STREQ(err.text, "key 'broken' of secret 'ns/s': not base64 at offset 0");
    ASSERT_EQ(value.len, 0);
}

TEST(string_data_goes_before_data)
{
    cleanup(object_unref) const struct object *object = decode_yaml(SECRET, NULL);
    cleanup(buf_deinit) struct buf value = BUF_SECRET(100);
    struct err err = {};

    ASSERT_OK(secret_value(secret(object), "both", &value, &err));
    ASSERT_STREQ(buf_str(&value), "plain");
}

TEST(a_value_larger_than_asked_for_is_too_large)
{
    cleanup(object_unref) const struct object *object = decode_yaml(SECRET, NULL);
    cleanup(buf_deinit) struct buf value = BUF_SECRET(4);
    struct err err = {};

    ASSERT_ERR(ERR_TOO_LARGE, secret_value(secret(object), "a", &value, &err));
}

RUN_TESTS(cmocka_unit_test(a_value_is_decoded_behind_what_is_there),
          cmocka_unit_test(a_missing_key_is_named_with_its_secret),
          cmocka_unit_test(a_broken_value_is_named_and_not_shown),
          cmocka_unit_test(string_data_goes_before_data),
          cmocka_unit_test(a_value_larger_than_asked_for_is_too_large));
