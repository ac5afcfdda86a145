#include "pki/names.h"

#include "base/buf.h"
#include "support/testing.h"

static void repeat(struct buf *buf, const char *s, size_t times)
{
    for (size_t i = 0; i < times; i++)
        buf_add_str(buf, s);
}

#define A63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

TEST(names_follow_the_rules_of_their_kind)
{
    static const struct {
        const char *name;
        bool label, subdomain, secret_key, qualified, value, san;
    } rows[] = {
        /*                          label  subdom key    qualif value  san */
        {"a", true, true, true, true, true, true},
        {"web-1", true, true, true, true, true, true},
        {"", false, false, false, false, true, false},
        {"Web", false, false, true, true, true, true},
        {"-a", false, false, true, false, false, false},
        {"a-", false, false, true, false, false, false},
        {"a_b", false, false, true, true, true, true},
        {"_acme.example.com", false, false, true, false, false, true},
        {"a.b", false, true, true, true, true, true},
        {"a..b", false, false, true, true, true, false},
        {".a", false, false, true, false, false, false},
        {"a.", false, false, true, false, false, false},
        {".", false, false, false, false, false, false},
        {"..", false, false, false, false, false, false},
        {"..a", false, false, false, false, false, false},
        {"../a", false, false, false, false, false, false},
        {"a/b", false, false, false, true, false, false},
        {"a/b/c", false, false, false, false, false, false},
        {"/b", false, false, false, false, false, false},
        {"a/", false, false, false, false, false, false},
        {"cert-manager.io/issuer-name", false, false, false, true, false, false},
        {"Example.com/name", false, false, false, false, false, false},
        {"tls.key", false, true, true, true, true, true},
        {"a b", false, false, false, false, false, false},
        {"a\nb", false, false, false, false, false, false},
        {"\xc3\xa4", false, false, false, false, false, false},
        {"*.example.com", false, false, false, false, false, true},
        {"*", false, false, false, false, false, false},
        {"*.", false, false, false, false, false, false},
        {"a.*.com", false, false, false, false, false, false},
        {"*.*.com", false, false, false, false, false, false},
        {A63, true, true, true, true, true, true},
        {"a" A63, false, true, true, false, false, false},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CASE(rows[i].name);
        ASSERT_EQ(name_is_dns1123_label(rows[i].name), rows[i].label);
        ASSERT_EQ(name_is_dns1123_subdomain(rows[i].name), rows[i].subdomain);
        ASSERT_EQ(name_is_secret_key(rows[i].name), rows[i].secret_key);
        ASSERT_EQ(name_is_qualified(rows[i].name), rows[i].qualified);
        ASSERT_EQ(name_is_label_value(rows[i].name), rows[i].value);
        ASSERT_EQ(name_is_dns_san(rows[i].name), rows[i].san);
    }
}

TEST(an_url_is_printable_ascii_without_blanks)
{
    ASSERT_TRUE(name_is_url_text("http://ca.example.com/~crl?x={y}"));
    ASSERT_TRUE(name_is_url_text(""));
    ASSERT_FALSE(name_is_url_text("http://a b"));
    ASSERT_FALSE(name_is_url_text("http://a\n"));
    ASSERT_FALSE(name_is_url_text("http://a\x7f"));
    ASSERT_FALSE(name_is_url_text("http://\xc3\xa4"));
}

TEST(names_end_at_253_bytes)
{
    cleanup(buf_deinit) struct buf name = BUF(1000);

    repeat(&name, "a.", 126);
    buf_add_str(&name, "a");
    ASSERT_EQ(name.len, 253);
    ASSERT_TRUE(name_is_dns1123_subdomain(name.data));
    ASSERT_TRUE(name_is_dns_san(name.data));
    ASSERT_TRUE(name_is_secret_key(name.data));
    buf_add_str(&name, "a");
    ASSERT_FALSE(name_is_dns1123_subdomain(name.data));
    ASSERT_FALSE(name_is_dns_san(name.data));
    ASSERT_FALSE(name_is_secret_key(name.data));
    buf_add_str(&name, "/x");
    ASSERT_FALSE(name_is_qualified(name.data));
}

TEST(ip_addresses_get_their_canonical_text)
{
    static const struct {
        const char *text, *canonical;
    } rows[] = {
        {"192.0.2.1", "192.0.2.1"},
        {"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
        {"2001:db8::0001", "2001:db8::1"},
        {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"}, /* RFC 5952 4.2.2 */
        {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},          /* 4.2.3: the longer run */
        {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},    /* 4.2.3: the first of equals */
        {"1:2:3:4:5:6:0:0", "1:2:3:4:5:6::"},
        {"0:0:3:4:5:6:7:8", "::3:4:5:6:7:8"},
        {"0:2:3:4:5:6:7:0", "0:2:3:4:5:6:7:0"},
        {"::", "::"},
        {"::1", "::1"},
        {"::ffff:192.0.2.1", "192.0.2.1"},
        {"::FFFF:c000:0201", "192.0.2.1"},
        {"::192.0.2.1", "::c000:201"}, /* not inet_ntop()'s dots */
        {"64:ff9b::192.0.2.33", "64:ff9b::c000:221"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
    };
    char text[IP_TEXT_MAX];
    struct err err = {};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CASE(rows[i].text);
        ASSERT_OK(ip_canonical(rows[i].text, text, &err));
        ASSERT_STREQ(text, rows[i].canonical);
        ASSERT_OK(ip_canonical(rows[i].canonical, text, &err));
        ASSERT_STREQ(text, rows[i].canonical);
        ASSERT_TRUE(name_is_ip(rows[i].text));
    }
}

TEST(other_text_is_not_an_ip_address)
{
    static const char *const rows[] = {"",           "1.2.3",    "1.2.3.4.5",      "1.2.3.256",
                                       "01.2.3.4",   "1.2.3.4 ", " 1.2.3.4",       "[::1]",
                                       "fe80::1%lo", "::1/128",  "1::2::3",        "example.com",
                                       "1.2.3.0/24", "12345::1", ":1:2:3:4:5:6:7", "0x7f.1"};
    char text[IP_TEXT_MAX];
    struct err err = {};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CASE(rows[i]);
        ASSERT_ERR(ERR_INVALID, ip_canonical(rows[i], text, &err));
        ASSERT_FALSE(name_is_ip(rows[i]));
    }
}

RUN_TESTS(cmocka_unit_test(names_follow_the_rules_of_their_kind),
          cmocka_unit_test(an_url_is_printable_ascii_without_blanks),
          cmocka_unit_test(names_end_at_253_bytes),
          cmocka_unit_test(ip_addresses_get_their_canonical_text),
          cmocka_unit_test(other_text_is_not_an_ip_address));
