#include "store/resource.h"
#include "support/testing.h"

TEST(a_key_is_written_and_read_with_and_without_namespace)
{
    char text[KEY_TEXT_MAX];
    struct key web = {.namespace = "default", .name = "web"}, ca = {.namespace = "", .name = "ca"};
    struct key back;

    key_format(&web, text);
    ASSERT_STREQ(text, "default/web");
    back = key_parse(text);
    ASSERT_TRUE(key_equal(&back, &web));
    ASSERT_FALSE(key_equal(&back, &ca));
    key_format(&ca, text);
    ASSERT_STREQ(text, "ca");
    back = key_parse(text);
    ASSERT_TRUE(key_equal(&back, &ca));
}

TEST(no_namespace_is_the_same_as_an_empty_one)
{
    struct key one = {.name = "ca"}, two = {.namespace = "", .name = "ca"};

    ASSERT_TRUE(key_equal(&one, &two));
}

TEST(the_core_group_has_no_name)
{
    struct resource secret = {.group = "", .version = "v1"};
    struct resource lease = {.group = "coordination.k8s.io", .version = "v1"};
    char text[64];

    resource_api_version(&secret, text, sizeof(text));
    ASSERT_STREQ(text, "v1");
    resource_api_version(&lease, text, sizeof(text));
    ASSERT_STREQ(text, "coordination.k8s.io/v1");
}

RUN_TESTS(cmocka_unit_test(a_key_is_written_and_read_with_and_without_namespace),
          cmocka_unit_test(no_namespace_is_the_same_as_an_empty_one),
          cmocka_unit_test(the_core_group_has_no_name));
