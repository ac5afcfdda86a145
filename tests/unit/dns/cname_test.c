#include <stdio.h>

#include "zones.h"

#define NAME "_acme-challenge.example.com."

#define SETUP(rows)                                                                                \
    cleanup(dns_servers_deinit) struct dns_servers servers = {};                                   \
    struct context ctx = context_background(clock_system());                                       \
    struct zones zones;                                                                            \
    cleanup(dns_free) struct dns *dns = zones_dns(&zones, rows, ARRAY_LEN(rows));                  \
    cleanup(xfree) char *end = NULL;                                                               \
    struct err err = {};                                                                           \
                                                                                                   \
    zones_servers(&servers, "192.0.2.1")

TEST(a_name_without_cname_stands_for_itself)
{
    static const struct zone_row rows[] = {
        {NULL, NAME, DNS_CNAME, DNS_NOERROR, {{NULL, DNS_TXT, "x"}}}};
    SETUP(rows);

    ASSERT_OK(dns_follow_cname(dns, &ctx, &servers, "_acme-challenge.EXAMPLE.com", &end, &err));
    ASSERT_STREQ(end, NAME);
}

TEST(a_chain_is_followed_to_its_end)
{
    static const struct zone_row rows[] = {
        {NULL,
         NAME,
         DNS_CNAME,
         DNS_NOERROR,
         {{"other.", DNS_CNAME, "not-this."},
          {NULL, DNS_TXT, "x"},
          {NULL, DNS_CNAME, "One.example.net."}}},
        {NULL, "one.example.net.", DNS_CNAME, DNS_NOERROR, {{NULL, DNS_CNAME, "two.example.net."}}},
    };
    SETUP(rows);

    ASSERT_OK(dns_follow_cname(dns, &ctx, &servers, NAME, &end, &err));
    ASSERT_STREQ(end, "two.example.net.");
}

TEST(a_wildcard_cname_delegates_nothing)
{
    static const struct zone_row rows[] = {
        {NULL, "*", DNS_CNAME, DNS_NOERROR, {{NULL, DNS_CNAME, "www.example.net."}}},
    };
    SETUP(rows);

    ASSERT_OK(dns_follow_cname(dns, &ctx, &servers, NAME, &end, &err));
    ASSERT_STREQ(end, NAME);
    ASSERT_EQ(zones.asked, 2);
    ASSERT_TRUE(str_ends(zones.last, ".example.com."));
    ASSERT_TRUE(str_starts(zones.last, "certlet-"));
}

TEST(a_cname_of_its_own_beside_a_wildcard_delegates)
{
    static const struct zone_row rows[] = {
        {NULL, NAME, DNS_CNAME, DNS_NOERROR, {{NULL, DNS_CNAME, "dns.example.org."}}},
        {NULL, "dns.example.org.", DNS_CNAME, DNS_NOERROR},
        {NULL, "*", DNS_CNAME, DNS_NOERROR, {{NULL, DNS_CNAME, "www.example.net."}}},
    };
    SETUP(rows);

    ASSERT_OK(dns_follow_cname(dns, &ctx, &servers, NAME, &end, &err));
    ASSERT_STREQ(end, "dns.example.org.");
}

TEST(a_loop_is_an_error)
{
    static const struct zone_row rows[] = {
        {NULL, NAME, DNS_CNAME, DNS_NOERROR, {{NULL, DNS_CNAME, "b."}}},
        {NULL, "b.", DNS_CNAME, DNS_NOERROR, {{NULL, DNS_CNAME, "c."}}},
        {NULL, "c.", DNS_CNAME, DNS_NOERROR, {{NULL, DNS_CNAME, "B."}}},
    };
    SETUP(rows);

    ASSERT_ERR(ERR_INVALID, dns_follow_cname(dns, &ctx, &servers, NAME, &end, &err));
    ASSERT_CONTAINS(err.text, "leads back to 'b.'");
}

TEST(a_cname_to_itself_is_an_error)
{
    static const struct zone_row rows[] = {
        {NULL, NAME, DNS_CNAME, DNS_NOERROR, {{NULL, DNS_CNAME, NAME}}}};
    SETUP(rows);

    ASSERT_ERR(ERR_INVALID, dns_follow_cname(dns, &ctx, &servers, NAME, &end, &err));
}

/* n0. -> n1. -> ... */
static int endless(void *arg, const struct context *ctx, const struct dns_server *server,
                   const struct dns_query *query, struct dns_reply *ret, struct err *err)
{
    char target[32];
    int *end = arg, n = 0;

    *ret = (struct dns_reply){};
    if (sscanf(query->name, "n%d.", &n) == 1 && n < *end) {
        (void)snprintf(target, sizeof(target), "n%d.", n + 1);
        zones_add_answer(ret, query->name, DNS_CNAME, target);
    }
    return 0;
}

TEST(a_chain_has_a_greatest_length)
{
    int length = LIMIT_CNAME_CHAIN;
    cleanup(dns_servers_deinit) struct dns_servers servers = {};
    cleanup(dns_free) struct dns *dns = dns_new_fake(
        &(struct dns_fake){.exchange = endless, .arg = &length});
    struct context ctx = context_background(clock_system());
    cleanup(xfree) char *end = NULL;
    struct err err = {};

    zones_servers(&servers, "192.0.2.1");
    ASSERT_OK(dns_follow_cname(dns, &ctx, &servers, "n0.", &end, &err));
    ASSERT_STREQ(end, "n16.");
    length++;
    ASSERT_ERR(ERR_INVALID, dns_follow_cname(dns, &ctx, &servers, "n0.", &end, &err));
    ASSERT_CONTAINS(err.text, "more than 16");
}

TEST(errors_on_the_way_are_passed_on)
{
    static const struct zone_row rows[] = {
        {NULL, NAME, DNS_CNAME, DNS_NOERROR, {{NULL, DNS_CNAME, "b."}}},
        {NULL, "b.", DNS_CNAME, DNS_SERVFAIL},
    };
    SETUP(rows);

    ASSERT_ERR(ERR_UNAVAILABLE, dns_follow_cname(dns, &ctx, &servers, NAME, &end, &err));
    ASSERT_CONTAINS(err.text, "following the CNAME of '" NAME "'");
    ASSERT_NULL(end);
}

RUN_TESTS(cmocka_unit_test(a_name_without_cname_stands_for_itself),
          cmocka_unit_test(a_chain_is_followed_to_its_end),
          cmocka_unit_test(a_wildcard_cname_delegates_nothing),
          cmocka_unit_test(a_cname_of_its_own_beside_a_wildcard_delegates),
          cmocka_unit_test(a_loop_is_an_error), cmocka_unit_test(a_cname_to_itself_is_an_error),
          cmocka_unit_test(a_chain_has_a_greatest_length),
          cmocka_unit_test(errors_on_the_way_are_passed_on));
