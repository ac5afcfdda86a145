#include "dns/lookup.h"

#include <stdio.h>

#include "zones.h"

#define NAME "_acme-challenge.www.example.com"

#define SETUP(rows)                                                                                \
    cleanup(dns_servers_deinit) struct dns_servers servers = {};                                   \
    struct context ctx = context_background(clock_system());                                       \
    struct zones zones;                                                                            \
    cleanup(dns_free) struct dns *dns = zones_dns(&zones, rows, ARRAY_LEN(rows));                  \
    struct err err = {};                                                                           \
                                                                                                   \
    zones_servers(&servers, "192.0.2.1,192.0.2.2")

/* --- dns_ask --- */

TEST(the_next_server_is_asked_after_servfail_refused_and_silence)
{
    static const int first[] = {DNS_SERVFAIL, DNS_REFUSED, ERR_TIMEOUT, ERR_NETWORK, ERR_PROTOCOL};

    for (size_t i = 0; i < ARRAY_LEN(first); i++) {
        const struct zone_row rows[] = {
            {"192.0.2.1", "*", 0, first[i]},
            {"192.0.2.2", "*", 0, DNS_NOERROR, {{NULL, DNS_TXT, "second"}}},
        };
        cleanup(dns_reply_deinit) struct dns_reply reply = {};
        SETUP(rows);

        ASSERT_OK(dns_ask(dns, &ctx, &servers, NAME, DNS_TXT, &reply, &err));
        ASSERT_EQ(reply.answer_count, 1);
        ASSERT_EQ(err.code, 0);
    }
}

TEST(other_answers_of_the_first_server_stand)
{
    static const struct zone_row rows[] = {
        {"192.0.2.1", "*", 0, DNS_NXDOMAIN},
        {"192.0.2.2", "*", 0, DNS_NOERROR, {{NULL, DNS_TXT, "second"}}},
    };
    cleanup(dns_reply_deinit) struct dns_reply reply = {};
    SETUP(rows);

    ASSERT_OK(dns_ask(dns, &ctx, &servers, NAME, DNS_TXT, &reply, &err));
    ASSERT_EQ(reply.rcode, DNS_NXDOMAIN);
    ASSERT_EQ(zones.asked, 1);
}

TEST(servfail_of_one_server_is_told_though_the_other_is_silent)
{
    static const struct zone_row rows[] = {
        {"192.0.2.1", "*", 0, DNS_SERVFAIL},
        {"192.0.2.2", "*", 0, ERR_TIMEOUT},
    };
    cleanup(dns_reply_deinit) struct dns_reply reply = {};
    SETUP(rows);

    ASSERT_OK(dns_ask(dns, &ctx, &servers, NAME, DNS_TXT, &reply, &err));
    ASSERT_EQ(reply.rcode, DNS_SERVFAIL);
}

TEST(a_cancel_asks_nobody_further)
{
    static const struct zone_row rows[] = {
        {"192.0.2.1", "*", 0, ERR_CANCELED},
        {"192.0.2.2", "*", 0, DNS_NOERROR},
    };
    cleanup(dns_reply_deinit) struct dns_reply reply = {};
    SETUP(rows);

    ASSERT_ERR(ERR_CANCELED, dns_ask(dns, &ctx, &servers, NAME, DNS_TXT, &reply, &err));
    ASSERT_EQ(zones.asked, 1);
}

TEST(without_servers_nothing_is_asked)
{
    static const struct zone_row rows[] = {{NULL, "*", 0, DNS_NOERROR}};
    const struct dns_servers none = {};
    cleanup(dns_reply_deinit) struct dns_reply reply = {};
    SETUP(rows);

    ASSERT_ERR(ERR_INVALID, dns_ask(dns, &ctx, &none, NAME, DNS_TXT, &reply, &err));
}

/* --- dns_find_zone --- */

static const struct zone_case {
    const char *what;
    struct zone_row rows[4];
    const char *zone; /* NULL: fails with `code` */
    int code;
} zone_cases[] = {
    {"NXDOMAIN climbs",
     {{NULL, "example.com.", DNS_SOA, DNS_NOERROR, {{NULL, DNS_SOA, "ns."}}}},
     "example.com."},
    {"the nearest SOA wins",
     {{NULL, "www.example.com.", DNS_SOA, DNS_NOERROR, {{NULL, DNS_SOA, "ns."}}},
      {NULL, "example.com.", DNS_SOA, DNS_NOERROR, {{NULL, DNS_SOA, "ns."}}}},
     "www.example.com."},
    {"no data climbs",
     {{NULL, "www.example.com.", DNS_SOA, DNS_NOERROR},
      {NULL, "example.com.", DNS_SOA, DNS_NOERROR, {{NULL, DNS_SOA, "ns."}}}},
     "example.com."},
    {"a CNAME climbs, though the target's SOA comes with it (cm#4998)",
     {{NULL,
       "www.example.com.",
       DNS_SOA,
       DNS_NOERROR,
       {{NULL, DNS_CNAME, "waf.example.net."}, {"waf.example.net.", DNS_SOA, "ns."}}},
      {NULL, "example.com.", DNS_SOA, DNS_NOERROR, {{NULL, DNS_SOA, "ns."}}}},
     "example.com."},
    {"the SOA of another name does not count",
     {{NULL, "www.example.com.", DNS_SOA, DNS_NOERROR, {{"example.net.", DNS_SOA, "ns."}}},
      {NULL, "example.com.", DNS_SOA, DNS_NOERROR, {{NULL, DNS_SOA, "ns."}}}},
     "example.com."},
    {"records of other types come first (GHSA-gx3x-vq4p-mhhv)",
     {{NULL,
       "example.com.",
       DNS_SOA,
       DNS_NOERROR,
       {{NULL, DNS_NS, "ns."}, {NULL, DNS_TXT, "x"}, {NULL, DNS_SOA, "ns."}}}},
     "example.com."},
    {"letter case is ignored",
     {{NULL, "example.com.", DNS_SOA, DNS_NOERROR, {{"EXAMPLE.com.", DNS_SOA, "ns."}}}},
     "EXAMPLE.com."},
    {"a top level is the last",
     {{NULL, "com.", DNS_SOA, DNS_NOERROR, {{NULL, DNS_SOA, "ns."}}}},
     "com."},
    {"the root is not asked",
     {{NULL, ".", DNS_SOA, DNS_NOERROR, {{NULL, DNS_SOA, "ns."}}}},
     NULL,
     ERR_NOT_FOUND},
    {"SERVFAIL is an error",
     {{NULL, "www.example.com.", DNS_SOA, DNS_SERVFAIL}},
     NULL,
     ERR_UNAVAILABLE},
    {"REFUSED is an error", {{NULL, "www.example.com.", DNS_SOA, DNS_REFUSED}}, NULL, ERR_DENIED},
    {"another rcode is an error", {{NULL, "www.example.com.", DNS_SOA, 4}}, NULL, ERR_PROTOCOL},
    {"silence is an error", {{NULL, "*", 0, ERR_TIMEOUT}}, NULL, ERR_TIMEOUT},
};

TEST(the_zone_of_a_name_is_the_nearest_soa)
{
    for (size_t i = 0; i < ARRAY_LEN(zone_cases); i++) {
        const struct zone_case *row = &zone_cases[i];
        size_t len = 0;
        cleanup(xfree) char *zone = NULL;
        SETUP(row->rows);

        while (len < ARRAY_LEN(row->rows) && row->rows[len].asked)
            len++;
        zones.len = len;
        CASE(row->what);
        if (row->zone) {
            ASSERT_OK(
                dns_find_zone(dns, &ctx, &servers, "_acme-challenge.WWW.example.com", &zone, &err));
            ASSERT_STREQ(zone, row->zone);
        } else {
            ASSERT_ERR(row->code, dns_find_zone(dns, &ctx, &servers, NAME, &zone, &err));
            ASSERT_CONTAINS(err.text, NAME);
        }
    }
    CASE("");
}

/* --- dns_txt --- */

TEST(txt_values_are_those_of_the_name_or_of_the_end_of_its_chain)
{
    static const struct zone_row rows[] = {
        {NULL,
         "plain.",
         DNS_TXT,
         DNS_NOERROR,
         {{"other.", DNS_TXT, "not this"}, {NULL, DNS_TXT, "one"}, {NULL, DNS_TXT, "two"}}},
        {NULL,
         "alias.",
         DNS_TXT,
         DNS_NOERROR,
         {{"c.", DNS_TXT, "three"}, {"b.", DNS_CNAME, "C."}, {NULL, DNS_CNAME, "b."}}},
        {NULL,
         "loop.",
         DNS_TXT,
         DNS_NOERROR,
         {{"b.", DNS_CNAME, "loop."}, {NULL, DNS_CNAME, "b."}}},
        {NULL, "broken.", DNS_TXT, DNS_SERVFAIL},
    };
    static const struct {
        const char *name, *values;
    } cases[] = {{"plain", "one,two"}, {"ALIAS", "three"}, {"loop.", ""}, {"absent.", ""}};
    SETUP(rows);

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        cleanup(strlist_deinit) struct strlist values = {};
        cleanup(xfree) char *joined = NULL;

        CASE(cases[i].name);
        ASSERT_OK(dns_txt(dns, &ctx, &servers.items[0], cases[i].name, &values, &err));
        joined = strlist_join(&values, ",");
        ASSERT_STREQ(joined, cases[i].values);
    }
    CASE("");
    {
        struct strlist values = {};

        ASSERT_ERR(ERR_UNAVAILABLE, dns_txt(dns, &ctx, &servers.items[0], "broken", &values, &err));
        ASSERT_CONTAINS(err.text, "SERVFAIL");
    }
}

/* --- dns_addresses --- */

TEST(addresses_come_from_both_families_and_one_is_enough)
{
    static const struct zone_row rows[] = {
        {NULL, "both.", DNS_A, DNS_NOERROR, {{NULL, DNS_CNAME, "x."}, {"x.", DNS_A, "192.0.2.7"}}},
        {NULL,
         "both.",
         DNS_AAAA,
         DNS_NOERROR,
         {{NULL, DNS_CNAME, "x."}, {"x.", DNS_AAAA, "2001:db8::7"}}},
        {NULL, "four.", DNS_A, DNS_NOERROR, {{NULL, DNS_A, "192.0.2.8"}}},
        {NULL, "four.", DNS_AAAA, DNS_SERVFAIL},
        {NULL, "six.", DNS_A, ERR_TIMEOUT},
        {NULL, "six.", DNS_AAAA, DNS_NOERROR, {{NULL, DNS_AAAA, "2001:db8::9"}}},
        {NULL, "none.", 0, DNS_NOERROR},
        {NULL, "broken.", DNS_A, ERR_NETWORK},
    };
    static const struct {
        const char *host, *addresses;
        int code;
    } cases[] = {
        {"both", "192.0.2.7,2001:db8::7"},
        {"four", "192.0.2.8"},
        {"six", "2001:db8::9"},
        {"192.0.2.3", "192.0.2.3"},
        {"2001:db8::1", "2001:db8::1"},
        {"none", NULL, ERR_NOT_FOUND},
        {"absent", NULL, ERR_NOT_FOUND},
        {"broken", NULL, ERR_NETWORK},
    };
    SETUP(rows);

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        cleanup(strlist_deinit) struct strlist found = {};
        cleanup(xfree) char *joined = NULL;

        CASE(cases[i].host);
        if (cases[i].code) {
            ASSERT_ERR(cases[i].code,
                       dns_addresses(dns, &ctx, &servers, cases[i].host, &found, &err));
            continue;
        }
        ASSERT_OK(dns_addresses(dns, &ctx, &servers, cases[i].host, &found, &err));
        joined = strlist_join(&found, ",");
        ASSERT_STREQ(joined, cases[i].addresses);
    }
    CASE("");
}

/* --- dns_authoritative_servers --- */

TEST(authoritative_servers_are_all_addresses_of_all_names)
{
    static const struct zone_row rows[] = {
        {NULL,
         "example.com.",
         DNS_NS,
         DNS_NOERROR,
         {{NULL, DNS_SOA, "x."},
          {NULL, DNS_NS, "b.ns."},
          {NULL, DNS_NS, "a.ns."},
          {"other.", DNS_NS, "c.ns."}}},
        {NULL, "a.ns.", DNS_A, DNS_NOERROR, {{NULL, DNS_A, "192.0.2.10"}}},
        {NULL, "b.ns.", DNS_A, DNS_NOERROR, {{NULL, DNS_A, "192.0.2.11"}}},
        {NULL, "b.ns.", DNS_AAAA, DNS_NOERROR, {{NULL, DNS_AAAA, "2001:db8::11"}}},
        {NULL, "lame.", DNS_NS, DNS_NOERROR, {{NULL, DNS_NS, "gone."}, {NULL, DNS_NS, "a.ns."}}},
        {NULL, "lamer.", DNS_NS, DNS_NOERROR, {{NULL, DNS_NS, "gone."}}},
        {NULL, "empty.", DNS_NS, DNS_NOERROR, {{"empty.", DNS_TXT, "x"}}},
    };
    static const struct {
        const char *zone, *servers;
        int code;
    } cases[] = {
        {"Example.com", "192.0.2.10:53 192.0.2.11:53 [2001:db8::11]:53 "},
        {"lame.", "192.0.2.10:53 "},
        {"lamer.", NULL, ERR_NOT_FOUND},
        {"empty.", NULL, ERR_NOT_FOUND},
        {"absent.", NULL, ERR_NOT_FOUND},
    };
    SETUP(rows);

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        cleanup(dns_servers_deinit) struct dns_servers found = {};
        cleanup(buf_deinit) struct buf text = BUF(1000);

        CASE(cases[i].zone);
        if (cases[i].code) {
            ASSERT_ERR(cases[i].code,
                       dns_authoritative_servers(dns, &ctx, &servers, cases[i].zone, &found, &err));
            continue;
        }
        ASSERT_OK(dns_authoritative_servers(dns, &ctx, &servers, cases[i].zone, &found, &err));
        for (size_t at = 0; at < found.len; at++) {
            dns_server_format(&found.items[at], &text);
            buf_add_char(&text, ' ');
        }
        ASSERT_STREQ(buf_str(&text), cases[i].servers);
    }
    CASE("");
}

RUN_TESTS(cmocka_unit_test(the_next_server_is_asked_after_servfail_refused_and_silence),
          cmocka_unit_test(other_answers_of_the_first_server_stand),
          cmocka_unit_test(servfail_of_one_server_is_told_though_the_other_is_silent),
          cmocka_unit_test(a_cancel_asks_nobody_further),
          cmocka_unit_test(without_servers_nothing_is_asked),
          cmocka_unit_test(the_zone_of_a_name_is_the_nearest_soa),
          cmocka_unit_test(txt_values_are_those_of_the_name_or_of_the_end_of_its_chain),
          cmocka_unit_test(addresses_come_from_both_families_and_one_is_enough),
          cmocka_unit_test(authoritative_servers_are_all_addresses_of_all_names));
