#include "dns/dns.h"
#include "support/testing.h"

TEST(registered_domains_follow_the_public_suffix_list)
{
    static const struct {
        const char *name, *registered;
    } cases[] = {
        {"example.com", "example.com"},
        {"a.b.Example.COM", "example.com"},
        {"a.b.example.co.uk", "example.co.uk"},
        {"example.co.uk", "example.co.uk"},
        {"co.uk", "co.uk"}, /* a public suffix itself */
        {"uk", "uk"},
        {"github.io", "github.io"}, /* so is this, of the list's private part */
        {"me.github.io", "me.github.io"},
        {"www.me.github.io", "me.github.io"},
        {"*.www.example.com", "example.com"},
        {"*.example.com", "example.com"},
        {"www.example.com.", "example.com"},
        {"localhost", "localhost"},
        {"a.city.kawasaki.jp", "city.kawasaki.jp"}, /* an exception of a wildcard rule */
        {"a.b.c.kawasaki.jp", "b.c.kawasaki.jp"},
        {"db.corp.internal", "corp.internal"}, /* unlisted: the last label counts as a suffix */
        {"www.b\xc3\xbc"
         "cher.example",
         "xn--bcher-kva.example"},
        {"a..b", "a..b"}, /* no name at all */
        {"", ""},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        cleanup(xfree) char *registered = dns_registered_domain(cases[i].name);

        CASE(cases[i].name);
        ASSERT_STREQ(registered, cases[i].registered);
    }
    CASE("");
}

TEST(names_become_a_labels)
{
    static const struct {
        const char *name, *alabel; /* NULL: refused */
    } cases[] = {
        {"example.com", "example.com"},
        {"EXAMPLE.com.", "example.com"},
        {"*.Example.com", "*.example.com"},
        {"_acme-challenge.example.com", "_acme-challenge.example.com"},
        {"b\xc3\xbc"
         "cher.example",
         "xn--bcher-kva.example"},
        {"*.b\xc3\xbc"
         "cher.example",
         "*.xn--bcher-kva.example"},
        {"B\xc3\x9c"
         "CHER.example",
         "xn--bcher-kva.example"},
        {"bu\xcc\x88"
         "cher.example",
         "xn--bcher-kva.example"}, /* not composed: NFC */
        {"XN--BCHER-KVA.example", "xn--bcher-kva.example"},
        {"fa\xc3\x9f.de", "xn--fa-hia.de"}, /* non-transitional: not "fass.de" */
        {"\xe4\xbe\x8b\xe3\x81\x88.\xe3\x83\x86\xe3\x82\xb9\xe3\x83\x88", "xn--r8jz45g.xn--zckzah"},
        {"r3---sn-ab.example", "r3---sn-ab.example"}, /* in use, though IDNA would not have it */
        {"", NULL},
        {".", NULL},
        {"*.", NULL},
        {"a..b", NULL},
        {".a", NULL},
        {"a b.example", NULL},
        {"a\tb.example", NULL},
        {"xn--\xc3\xbc.example", NULL},
        {"xn--0.example", NULL},
        {"\xff.example", NULL}, /* not UTF-8 */
        {"0123456789012345678901234567890123456789012345678901234567890123.example", NULL},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        cleanup(xfree) char *alabel = NULL;
        struct err err = {};

        CASE(cases[i].name);
        if (!cases[i].alabel) {
            ASSERT_ERR(ERR_INVALID, dns_to_alabel(cases[i].name, &alabel, &err));
            continue;
        }
        ASSERT_OK(dns_to_alabel(cases[i].name, &alabel, &err));
        ASSERT_STREQ(alabel, cases[i].alabel);
    }
    CASE("");
}

RUN_TESTS(cmocka_unit_test(registered_domains_follow_the_public_suffix_list),
          cmocka_unit_test(names_become_a_labels));
