#include "http/http.h"

#include "support/testing.h"

TEST(the_host_of_a_url_comes_in_lower_case_without_port)
{
    static const struct {
        const char *url, *host;
    } rows[] = {
        {"https://CA.Test/dir?x=1", "ca.test"},        {"http://ca.test:8443", "ca.test"},
        {"https://[2001:DB8::1]:443/", "2001:db8::1"}, {"https://192.0.2.1/", "192.0.2.1"},
        {"https://user@ca.test/", "ca.test"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(xfree) char *host = NULL;
        struct err err = {};

        CASE(rows[i].url);
        ASSERT_OK(http_url_host(rows[i].url, &host, &err));
        ASSERT_STREQ(host, rows[i].host);
    }
    CASE("");
}

TEST(an_origin_is_scheme_host_and_port)
{
    static const struct {
        const char *a, *b;
        bool same;
    } rows[] = {
        {"https://ca.test/dir", "https://CA.test/acct/1", true},
        {"https://ca.test/dir", "https://ca.test:443/acct/1", true},
        {"https://ca.test:14000/dir", "https://ca.test:14000/acct/1", true},
        {"https://ca.test:14000/dir", "https://ca.test:14001/acct/1", false},
        {"https://ca.test/dir", "https://ca.test:14000/acct/1", false},
        {"https://ca.test/dir", "http://ca.test/acct/1", false},
        {"https://ca.test/dir", "https://ca.example/acct/1", false},
        {"https://ca.test/dir", "/acct/1", false},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CASE(rows[i].b);
        ASSERT_EQ(http_url_same_origin(rows[i].a, rows[i].b), rows[i].same);
    }
    CASE("");
}

TEST(only_absolute_https_urls_without_a_user_pass_the_check)
{
    static const struct {
        const char *url;
        bool good;
    } rows[] = {
        {"https://ca.test/dir", true},
        {"https://ca.test", true},
        {"HTTPS://ca.test/", true},
        {"https://[::1]:14000/dir", true},
        {"http://ca.test/", false},
        {"ca.test/dir", false},
        {"//ca.test/dir", false},
        {"/dir", false},
        {"", false},
        {"https://", false},
        {"https:///dir", false},
        {"https://user@ca.test/", false},
        {"https://u:p@ca.test/", false},
        {"https://ca.test/a b", false},
        {"https://ca.test/\n", false},
        {"https://ca.test:0x50/", false},
        {"https://ca.test:65536/", false},
        {"ftp://ca.test/", false},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err err = {};

        CASE(rows[i].url);
        ASSERT_EQ(http_url_check_https(rows[i].url, &err), rows[i].good ? 0 : ERR_INVALID);
    }
    CASE("");
}

TEST(references_are_resolved_against_their_base)
{
    static const struct {
        const char *base, *reference, *url;
    } rows[] = {
        {"https://ca.test/a/b?q", "c", "https://ca.test/a/c"},
        {"https://ca.test/a/b", "/c", "https://ca.test/c"},
        {"https://ca.test/a/b", "../c", "https://ca.test/c"},
        {"https://ca.test/a/b", "//other.test/c", "https://other.test/c"},
        {"https://ca.test/a/b", "http://other.test/", "http://other.test/"},
        {"https://ca.test:14000/a", "?x=1", "https://ca.test:14000/a?x=1"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(xfree) char *url = NULL;
        struct err err = {};

        CASE(rows[i].reference);
        ASSERT_OK(http_url_resolve(rows[i].base, rows[i].reference, &url, &err));
        ASSERT_STREQ(url, rows[i].url);
    }
    CASE("");
}

TEST(a_reference_out_of_http_is_refused)
{
    cleanup(xfree) char *url = NULL;
    struct err err = {};

    ASSERT_ERR(ERR_INVALID, http_url_resolve("https://ca.test/", "file:///etc/passwd", &url, &err));
    ASSERT_ERR(ERR_INVALID, http_url_resolve("https://ca.test/", "a\r\nb", &url, &err));
    ASSERT_NULL(url);
}

RUN_TESTS(cmocka_unit_test(the_host_of_a_url_comes_in_lower_case_without_port),
          cmocka_unit_test(an_origin_is_scheme_host_and_port),
          cmocka_unit_test(only_absolute_https_urls_without_a_user_pass_the_check),
          cmocka_unit_test(references_are_resolved_against_their_base),
          cmocka_unit_test(a_reference_out_of_http_is_refused));
