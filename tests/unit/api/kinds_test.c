#include "api_testing.h"

TEST(kinds_are_found_by_api_version_and_kind)
{
    ASSERT_PTREQ(kind_find("cert-manager.io/v1", "Certificate"), &kind_certificate);
    ASSERT_PTREQ(kind_find("cert-manager.io/v1", "ClusterIssuer"), &kind_cluster_issuer);
    ASSERT_PTREQ(kind_find("acme.cert-manager.io/v1", "Order"), &kind_order);
    ASSERT_PTREQ(kind_find("v1", "Secret"), &kind_secret);
}

TEST(what_is_not_ours_is_not_found)
{
    ASSERT_NULL(kind_find("cert-manager.io/v1alpha2", "Certificate"));
    ASSERT_NULL(kind_find("cert-manager.io/v1", "Order"));
    ASSERT_NULL(kind_find("v1", "ConfigMap"));
    ASSERT_NULL(kind_find(NULL, "Secret"));
    ASSERT_NULL(kind_find("v1", NULL));
}

TEST(commands_name_kinds_in_many_ways)
{
    static const struct {
        const char *name;
        const struct kind *kind;
    } cases[] = {
        {"Certificate", &kind_certificate},
        {"certificate", &kind_certificate},
        {"certificates", &kind_certificate},
        {"certificates.cert-manager.io", &kind_certificate},
        {"cert", &kind_certificate},
        {"certs", &kind_certificate},
        {"cr", &kind_certificate_request},
        {"crs", &kind_certificate_request},
        {"certificaterequests", &kind_certificate_request},
        {"iss", &kind_issuer},
        {"ciss", &kind_cluster_issuer},
        {"orders", &kind_order},
        {"orders.acme.cert-manager.io", &kind_order},
        {"challenge", &kind_challenge},
        {"secrets", &kind_secret},
        {"orders.cert-manager.io", NULL},
        {"certificate s", NULL},
        {"", NULL},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CASE(cases[i].name);
        ASSERT_PTREQ(kind_by_name(cases[i].name), cases[i].kind);
    }
}

TEST(each_kind_knows_its_resource_and_where_spec_and_status_are)
{
    size_t i;

    for (i = 0; kinds[i]; i++) {
        CASE(kinds[i]->resource.kind);
        ASSERT_PTREQ(kind_resources[i], &kinds[i]->resource);
        ASSERT_EQ(kinds[i]->status_offset > 0, kinds[i]->resource.has_status);
        ASSERT_EQ(kinds[i]->status_fields != NULL, kinds[i]->resource.has_status);
        ASSERT_EQ(kinds[i]->resource.namespaced, kinds[i] != &kind_cluster_issuer);
    }
    ASSERT_NULL(kind_resources[i]);
    ASSERT_EQ(i, 7);
}

RUN_TESTS(cmocka_unit_test(kinds_are_found_by_api_version_and_kind),
          cmocka_unit_test(what_is_not_ours_is_not_found),
          cmocka_unit_test(commands_name_kinds_in_many_ways),
          cmocka_unit_test(each_kind_knows_its_resource_and_where_spec_and_status_are));
