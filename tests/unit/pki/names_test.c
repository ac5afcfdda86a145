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

/* As net/url and crypto/x509 of Go 1.26 have it, but for hosts that nobody has: with '%25', ']' or a second ':'. */
TEST(a_uri_is_what_go_reads_in_a_certificate)
{
    static const struct {
        const char *text;
        bool fits;
    } rows[] = {
        /* schemes */
        {"spiffe://example.org/ns/shop/sa/web", true},
        {"https://www.example.com/", true},
        {"a+b-c.1:", true},
        {"urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6", true},
        {"mailto:me@example.com?subject=100%", true},
        {"urn:%zz", true},
        {"1a:b", false},
        {":a", false},
        {"://a", false},
        {"a b:c", false},
        {"a/b:c", true},
        {"a?b:c", true},
        {"a", true},
        {"", true},
        {"*", true},
        {"?", true},
        {"#", true},
        /* paths, queries, fragments */
        {"http://a/b c", true},
        {"http://a/%20%aF", true},
        {"http://a/%2", false},
        {"http://a/%", false},
        {"http://a/%2g", false},
        {"http://a/%2?b", false},
        {"http://a/b?c=%", true},
        {"http://a/b#%41", true},
        {"http://a/b#%4", false},
        {"http://a?b#%4", false},
        {"urn:a#%", false},
        {"urn:a##", true},
        {"file:/a/b", true},
        {"file:/%a", false},
        {"file:///a/b", true},
        {"file://", true},
        {"/a:b", true},
        {"//a/b:c", true},
        {"//a b/", false},
        {"///a b", true},
        {"%41", true},
        {"%4", false},
        {"http://a\\b/", false},
        {"http://a/\\b", true},
        /* hosts */
        {"http://a b/", false},
        {"http://a./", false},
        {"http://.a/", false},
        {"http://a..b/", false},
        {"http://./", false},
        {"http://a_b/", true},
        {"http://*.example.com/", true},
        {"http://a,b;c=d/", true},
        {"http://<a>/", true},
        {"http://\"a\"/", true},
        {"http://a|b/", false},
        {"http://a%41/", false},
        {"http://a^b", false},
        {"http://192.0.2.1/", true},
        /* ports */
        {"http://a:80/", true},
        {"http://a:/", true},
        {"http://:80/", true},
        {"http://a:8x/", false},
        {"http://a:80:80/", false},
        {"http://a:-1/", false},
        {"http://a:99999999", true},
        /* addresses */
        {"http://[::1]/", true},
        {"http://[::1]:80/", true},
        {"http://[::ffff:192.0.2.1]", true},
        {"http://[fe80::1%25en0]/", true},
        {"http://[fe80::1%25eth0.100]:80", true},
        {"http://[fe80::1%25]/", false},
        {"http://[fe80::1%25a b]/", false},
        {"http://[fe80::1%25a..b]/", false},
        {"http://[fe80::1%en0]/", false},
        {"http://[192.0.2.1]/", false},
        {"http://[]/", false},
        {"http://[a]/", false},
        {"http://[::1/", false},
        {"http://[::1]a/", false},
        {"http://a[::1]/", false},
        {"http://[::1]:8x/", false},
        {"http://[1111:1111:1111:1111:1111:1111:1111:1111:1111:1111]/", false},
        /* users */
        {"http://me@a/", true},
        {"http://me:secret@a/", true},
        {"http://me@you@a/", true},
        {"http://@a/", true},
        {"http://@/", true},
        {"http://m%40e@a/", true},
        {"http://m%4@a/", false},
        {"http://m e@a/", false},
        {"http://m[e]@a/", false},
        {"http://me@a b/", false},
        {"http://a/b@c d", true},
        /* bytes */
        {"http://a/\n", false},
        {"urn:\x7f", false},
        {"urn:\xc3\xbc", false},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CASE(rows[i].text);
        ASSERT_EQ(name_is_uri(rows[i].text), rows[i].fits);
    }
}

TEST(bounds_are_what_go_reads_in_a_certificate)
{
    static const struct {
        const char *text;
        bool domain, uri, email;
    } rows[] = {
        /*                              domain uri    email */
        {"", true, true, true},
        {"example.com", true, true, true},
        {".example.com", true, true, true},
        {"a", true, true, true},
        {"!_~:/", true, true, true},
        {"example.com.", false, false, false},
        {".", false, false, false},
        {"..a", false, false, false},
        {"a..b", false, false, false},
        {"a b", false, false, false},
        {"a\n", false, false, false},
        {"\xc3\xbc", false, false, false},
        {"192.0.2.1", true, false, true},
        {"2001:db8::1", true, false, true},
        {"::ffff:192.0.2.1", true, false, true},
        {".192.0.2.1", true, true, true},
        {"[::1]", true, true, true},
        {"me@example.com", true, true, true},
        {"@example.com", true, true, false},
        {"me@", true, true, false},
        {"a@b@c", true, true, false},
        {"a..b@c", false, false, false},
        {"(a)@b", true, true, false},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CASE(rows[i].text);
        ASSERT_EQ(name_is_domain_bound(rows[i].text), rows[i].domain);
        ASSERT_EQ(name_is_uri_bound(rows[i].text), rows[i].uri);
        ASSERT_EQ(name_is_email_bound(rows[i].text), rows[i].email);
    }
}

TEST(names_end_at_253_bytes)
{
    cleanup(buf_deinit) struct buf name = BUF(1000), uri = BUF(1000);

    repeat(&name, "a.", 126);
    buf_add_str(&name, "a");
    ASSERT_EQ(name.len, 253);
    ASSERT_TRUE(name_is_dns1123_subdomain(name.data));
    ASSERT_TRUE(name_is_dns_san(name.data));
    ASSERT_TRUE(name_is_secret_key(name.data));
    ASSERT_TRUE(name_is_domain_bound(name.data));
    buf_addf(&uri, "http://%s/", name.data);
    ASSERT_TRUE(name_is_uri(uri.data));
    buf_add_str(&name, "a");
    ASSERT_FALSE(name_is_dns1123_subdomain(name.data));
    ASSERT_FALSE(name_is_dns_san(name.data));
    ASSERT_FALSE(name_is_secret_key(name.data));
    ASSERT_FALSE(name_is_domain_bound(name.data));
    buf_reset(&uri);
    buf_addf(&uri, "http://%s/", name.data);
    ASSERT_FALSE(name_is_uri(uri.data));
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

TEST(ranges_are_bytes_and_mask_with_the_hosts_bits_off)
{
    static const struct {
        const char *text, *wanted; /* NULL: refused */
        size_t len;
    } rows[] = {
        {"192.0.2.0/24", "\xc0\x00\x02\x00\xff\xff\xff\x00", 8},
        {"192.0.2.255/25", "\xc0\x00\x02\x80\xff\xff\xff\x80", 8},
        {"0.0.0.0/0", "\x00\x00\x00\x00\x00\x00\x00\x00", 8},
        {"10.1.2.3/32", "\x0a\x01\x02\x03\xff\xff\xff\xff", 8},
        {"2001:db8:ffff::/33",
         "\x20\x01\x0d\xb8\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
         "\xff\xff\xff\xff\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
         32},
        {"::/0", "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 32},
        {"", NULL, 0},
        {"10.0.0.1", NULL, 0},
        {"10.0.0.0/", NULL, 0},
        {"10.0.0.0/33", NULL, 0},
        {"10.0.0.0/-1", NULL, 0},
        {"10.0.0.0/+8", NULL, 0},
        {"10.0.0.0/08", NULL, 0},
        {"10.0.0.0/8 ", NULL, 0},
        {"10.0.0.0/8/8", NULL, 0},
        {"10.0.0/8", NULL, 0},
        {"2001:db8::/129", NULL, 0},
        {"::ffff:10.0.0.0/104", NULL, 0},
        {"fe80::1%eth0/64", NULL, 0},
        {"/8", NULL, 0},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/8", NULL, 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        unsigned char range[32];
        size_t len = 0;
        struct err err = {};

        CASE(rows[i].text);
        if (!rows[i].wanted) {
            ASSERT_ERR(ERR_INVALID, ip_range_parse(rows[i].text, range, &len, &err));
            continue;
        }
        ASSERT_OK(ip_range_parse(rows[i].text, range, &len, &err));
        ASSERT_MEMEQ(range, len, rows[i].wanted, rows[i].len);
    }
}

TEST(ranges_are_written_as_they_stand)
{
    static const struct {
        const char *wanted, *range;
        size_t len;
    } rows[] = {
        {"192.0.2.0/24", "\xc0\x00\x02\x00\xff\xff\xff\x00", 8},
        {"192.0.2.1/23", "\xc0\x00\x02\x01\xff\xff\xfe\x00", 8},
        {"0.0.0.0/0", "\0\0\0\0\0\0\0\0", 8},
        {"10.1.2.3/32", "\x0a\x01\x02\x03\xff\xff\xff\xff", 8},
        {"10.0.0.0/255.0.255.0", "\x0a\0\0\0\xff\0\xff\0", 8},
        {"10.0.0.0/0.0.0.1", "\x0a\0\0\0\0\0\0\x01", 8},
        {"2001:db8::/33",
         "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\0"
         "\xff\xff\xff\xff\x80\0\0\0\0\0\0\0\0\0\0\0",
         32},
        {"::ffff:a00:0/104",
         "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\0"
         "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0",
         32},
        {"1111:1111:1111:1111:1111:1111:1111:1111/fffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
         "\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11"
         "\xff\xfe\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
         32},
    };
    char text[IP_RANGE_TEXT_MAX];

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CASE(rows[i].wanted);
        ip_range_format((const unsigned char *)rows[i].range, rows[i].len, text);
        ASSERT_STREQ(text, rows[i].wanted);
    }
}

TEST(object_identifiers_have_two_arcs_and_no_large_ones)
{
    static const struct {
        const char *text;
        bool fits;
    } rows[] = {
        {"1.2", true},
        {"0.39", true},
        {"2.999.1", true},
        {"2.0", true},
        {"1.2.2147483647", true},
        {"1.3.6.1.4.1.311.20.2.3", true},
        {"", false},
        {"1", false},
        {"1.", false},
        {".1", false},
        {"1..2", false},
        {"3.1", false},
        {"0.40", false},
        {"1.40", false},
        {"1.02", false},
        {"01.2", false},
        {"1.2.-3", false},
        {"1.2.+3", false},
        {"1.2. 3", false},
        {"1.2.3 ", false},
        {"1.2.2147483648", false},
        {"1.2.99999999999999999999", false},
        {"BAD_OID", false},
        {"1.2.0x3", false},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CASE(rows[i].text);
        ASSERT_EQ(name_is_oid(rows[i].text), rows[i].fits);
    }
}

TEST(object_identifiers_are_no_longer_than_what_openssl_gives_back)
{
    cleanup(buf_deinit) struct buf text = BUF(2000);

    buf_add_str(&text, "2");
    repeat(&text, ".2147483647", NAME_OID_ARCS - 1);
    ASSERT_TRUE(name_is_oid(buf_str(&text)));
    buf_add_str(&text, ".1");
    ASSERT_FALSE(name_is_oid(buf_str(&text)));
}

RUN_TESTS(cmocka_unit_test(names_follow_the_rules_of_their_kind),
          cmocka_unit_test(an_url_is_printable_ascii_without_blanks),
          cmocka_unit_test(a_uri_is_what_go_reads_in_a_certificate),
          cmocka_unit_test(bounds_are_what_go_reads_in_a_certificate),
          cmocka_unit_test(names_end_at_253_bytes),
          cmocka_unit_test(ip_addresses_get_their_canonical_text),
          cmocka_unit_test(other_text_is_not_an_ip_address),
          cmocka_unit_test(ranges_are_bytes_and_mask_with_the_hosts_bits_off),
          cmocka_unit_test(ranges_are_written_as_they_stand),
          cmocka_unit_test(object_identifiers_have_two_arcs_and_no_large_ones),
          cmocka_unit_test(object_identifiers_are_no_longer_than_what_openssl_gives_back));
