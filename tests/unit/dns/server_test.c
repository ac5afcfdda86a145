#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "dns/resolve.h"
#include "zones.h"

TEST(server_texts_are_parsed)
{
    static const struct {
        const char *text, *formatted; /* NULL: refused */
    } cases[] = {
        {"192.0.2.1", "192.0.2.1:53"},
        {"192.0.2.1:5353", "192.0.2.1:5353"},
        {"192.0.2.1:", "192.0.2.1:53"},
        {"[2001:db8::1]:", "[2001:db8::1]:53"},
        {"2001:db8::1", "[2001:db8::1]:53"},
        {"[2001:db8::1]", "[2001:db8::1]:53"},
        {"[2001:db8::1]:5353", "[2001:db8::1]:5353"},
        {"fe80::1%lo", "[fe80::1%lo]:53"},
        {"ns.example.net", "ns.example.net:53"},
        {"ns.example.net:5353", "ns.example.net:5353"},
        {"ns.example.net.", "ns.example.net.:53"},
        {"my_dns.svc", "my_dns.svc:53"},
        {"https://dns.example/dns-query", "https://dns.example/dns-query"},
        {"https://dns.example:8443/q?x=y", "https://dns.example:8443/q?x=y"},
        {"", NULL},
        {":53", NULL},
        {":", NULL},
        {"[]:53", NULL},
        {"192.0.2.1:0", NULL},
        {"192.0.2.1:65536", NULL},
        {"192.0.2.1:dns", NULL},
        {"[2001:db8::1", NULL},
        {"[2001:db8::1]5353", NULL},
        {"[ns.example.net]:53", NULL},
        {"2001:db8::g", NULL},
        {"ns..example.net", NULL},
        {"ns example.net", NULL},
        {"http://dns.example/dns-query", NULL},
        {"tcp://192.0.2.1", NULL},
        {"https://user@dns.example/dns-query", NULL},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        cleanup(buf_deinit) struct buf text = BUF(1000);
        struct dns_server server;
        struct err err = {};

        CASE(cases[i].text);
        if (!cases[i].formatted) {
            ASSERT_ERR(ERR_INVALID, dns_server_parse(cases[i].text, &server, &err));
            continue;
        }
        ASSERT_OK(dns_server_parse(cases[i].text, &server, &err));
        ASSERT_EQ(server.transport, str_starts(cases[i].text, "https") ? DNS_HTTPS : DNS_UDP);
        dns_server_format(&server, &text);
        ASSERT_STREQ(buf_str(&text), cases[i].formatted);
    }
    CASE("");
}

TEST(texts_that_do_not_fit_are_refused)
{
    cleanup(xfree) char *host = xasprintf("%0300d", 0);
    cleanup(xfree) char *url = xasprintf("https://dns.example/%0600d", 0);
    struct dns_server server;
    struct err err = {};

    ASSERT_ERR(ERR_INVALID, dns_server_parse(host, &server, &err));
    ASSERT_ERR(ERR_INVALID, dns_server_parse(url, &server, &err));
}

TEST(lists_are_separated_by_commas)
{
    cleanup(dns_servers_deinit) struct dns_servers servers = {};
    cleanup(strlist_deinit) struct strlist texts = {};
    struct err err = {};

    strlist_add(&texts, "192.0.2.1, https://dns.example/q");
    strlist_add(&texts, "192.0.2.2:5353");
    ASSERT_OK(dns_servers_parse(&texts, &servers, &err));
    ASSERT_EQ(servers.len, 3);
    ASSERT_EQ(servers.items[1].transport, DNS_HTTPS);
    ASSERT_EQ(servers.items[2].port, 5353);
    strlist_add(&texts, "192.0.2.2:nonsense");
    ASSERT_ERR(ERR_INVALID, dns_servers_parse(&texts, &servers, &err));
    ASSERT_CONTAINS(err.text, "'192.0.2.2:nonsense'");
}

/* A file of this test; its name is removed by the caller. */
static char *file_with(const char *text)
{
    char *path = xstrdup("/tmp/certlet-dns-test-XXXXXX");
    cleanup(fd_close) int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    return path;
}

static void file_drop(char *path)
{
    (void)unlink(path);
    xfree(path);
}
DEFINE_CLEANUP(char, file_drop);

static char *system_servers(const char *path)
{
    cleanup(dns_servers_deinit) struct dns_servers servers = {};
    struct buf text = BUF(1000);
    struct err err = {};

    ASSERT_OK(dns_servers_of_system(path, &servers, &err));
    for (size_t i = 0; i < servers.len; i++) {
        dns_server_format(&servers.items[i], &text);
        buf_add_char(&text, ' ');
    }
    return buf_take(&text);
}

TEST(the_systems_servers_come_from_resolv_conf)
{
    static const struct {
        const char *conf, *servers;
    } cases[] = {
        {"nameserver 192.0.2.1\n", "192.0.2.1:53 "},
        {"# nameserver 192.0.2.9\n;nameserver 192.0.2.8\n \tnameserver\t192.0.2.1 # here\nnameserver 2001:db8::1",
         "192.0.2.1:53 [2001:db8::1]:53 "},
        {"nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\nnameserver 192.0.2.4\n",
         "192.0.2.1:53 192.0.2.2:53 192.0.2.3:53 "},
        {"search example.com\nnameserver\n", "8.8.8.8:53 8.8.4.4:53 "},
        {"", "8.8.8.8:53 8.8.4.4:53 "},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        cleanup(file_drop) char *path = file_with(cases[i].conf);
        cleanup(xfree) char *servers = NULL;

        CASE(cases[i].conf);
        servers = system_servers(path);
        ASSERT_STREQ(servers, cases[i].servers);
    }
    CASE("");
}

TEST(without_resolv_conf_public_servers_are_asked)
{
    cleanup(xfree) char *servers = system_servers("/nonexistent/resolv.conf");

    ASSERT_STREQ(servers, "8.8.8.8:53 8.8.4.4:53 ");
}

TEST(a_host_is_looked_up_as_the_system_does)
{
    static const struct zone_row rows[] = {
        {"192.0.2.53",
         "dns.infra.svc.cluster.local.",
         DNS_A,
         DNS_NOERROR,
         {{NULL, DNS_A, "192.0.2.10"}}},
        {"192.0.2.53", "dns.infra.", DNS_A, DNS_NOERROR, {{NULL, DNS_A, "192.0.2.66"}}},
        {"192.0.2.53", "a.b.c.d.e.f.", DNS_A, DNS_NOERROR, {{NULL, DNS_A, "192.0.2.11"}}},
        {"192.0.2.53", "failing.ns.svc.cluster.local.", DNS_A, ERR_TIMEOUT},
        {"192.0.2.53", "failing.", DNS_A, DNS_NOERROR, {{NULL, DNS_A, "192.0.2.67"}}},
    };
    static const struct {
        const char *host, *addresses;
        int code;
    } cases[] = {
        {"LOCAL-dns", "127.0.0.9,::9"}, /* hosts */
        {"alias", "127.0.0.9"},         /* hosts, second name */
        {"dns.infra", "192.0.2.10"},    /* the search list first, by ndots */
        {"dns.infra.", "192.0.2.66"},   /* absolute */
        {"a.b.c.d.e.f", "192.0.2.11"},  /* dots enough */
        {"nobody", NULL, ERR_NETWORK},
        {"failing", NULL, ERR_TIMEOUT}, /* not known to be absent there: no guess further down */
    };
    cleanup(file_drop) char *hosts = file_with(
        "127.0.0.9 local-dns alias # alias2\n# 127.0.0.8 nobody\n::9\tlocal-dns\n");
    cleanup(file_drop) char *conf = file_with(
        "nameserver 192.0.2.53\n"
        "search ns.svc.cluster.local svc.cluster.local cluster.local\n"
        "options edns0 ndots:5\n");
    const struct resolve_files files = {hosts, conf};
    struct context ctx = context_background(clock_system());
    struct zones zones;
    cleanup(dns_free) struct dns *dns = zones_dns(&zones, rows, ARRAY_LEN(rows));

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        cleanup(strlist_deinit) struct strlist found = {};
        cleanup(xfree) char *joined = NULL;
        struct err err = {};

        CASE(cases[i].host);
        if (cases[i].code) {
            ASSERT_ERR(cases[i].code, resolve_host(dns, &ctx, &files, cases[i].host, &found, &err));
            continue;
        }
        ASSERT_OK(resolve_host(dns, &ctx, &files, cases[i].host, &found, &err));
        joined = strlist_join(&found, ",");
        ASSERT_STREQ(joined, cases[i].addresses);
    }
    CASE("");
}

RUN_TESTS(cmocka_unit_test(server_texts_are_parsed),
          cmocka_unit_test(texts_that_do_not_fit_are_refused),
          cmocka_unit_test(lists_are_separated_by_commas),
          cmocka_unit_test(the_systems_servers_come_from_resolv_conf),
          cmocka_unit_test(without_resolv_conf_public_servers_are_asked),
          cmocka_unit_test(a_host_is_looked_up_as_the_system_does));
