#include "http/http.h"

#include "support/testing.h"

static int nth_link(const char *header, const char *rel, size_t n, char **ret, struct err *err)
{
    cleanup(http_response_deinit) struct http_response response = {};

    response.final_url = xstrdup("https://ca.test/acme/cert/1");
    strmap_set(&response.headers, "link", header);
    return http_link(&response, rel, n, ret, err);
}

TEST(links_are_found_by_relation)
{
    static const struct {
        const char *name, *header, *rel;
        size_t n;
        const char *target; /* NULL: none */
    } rows[] = {
        {"plain", "<https://ca.test/dir>;rel=\"index\"", "index", 0, "https://ca.test/dir"},
        {"token without quotes", "<https://ca.test/dir>; rel=index", "index", 0,
         "https://ca.test/dir"},
        {"other case", "<https://ca.test/dir>; REL=\"Index\"", "index", 0, "https://ca.test/dir"},
        {"blanks everywhere", "  < /a >", "index", 0, NULL},
        {"blanks around signs", " </a> ; rel = \"up\" ", "up", 0, "https://ca.test/a"},
        {"relative", "<2>; rel=alternate", "alternate", 0, "https://ca.test/acme/cert/2"},
        {"absolute path", "</dir>; rel=index", "index", 0, "https://ca.test/dir"},
        {"two relations in one", "</a>; rel=\"up index\"", "index", 0, "https://ca.test/a"},
        {"second of a list", "</a>; rel=alternate, </b>; rel=alternate", "alternate", 1,
         "https://ca.test/b"},
        {"others between", "</a>; rel=alternate, </i>; rel=index, </b>; rel=alternate", "alternate",
         1, "https://ca.test/b"},
        {"beyond the last", "</a>; rel=alternate", "alternate", 1, NULL},
        {"comma and semicolon in quotes", "</a>; title=\"x, </y>; rel=up\"; rel=index", "index", 0,
         "https://ca.test/a"},
        {"they do not count as links", "</a>; title=\"x, </y>; rel=up\"; rel=index", "up", 0, NULL},
        {"escaped quote", "</a>; title=\"\\\"\"; rel=index", "index", 0, "https://ca.test/a"},
        {"only the first rel counts", "</a>; rel=up; rel=index", "index", 0, NULL},
        {"parameter without value", "</a>; x; rel=index", "index", 0, "https://ca.test/a"},
        {"no rel", "</a>", "index", 0, NULL},
        {"part of a word", "</a>; rel=indexes", "index", 0, NULL},
        {"open bracket", "</a; rel=index", "index", 0, NULL},
        {"open quote", "</a>; rel=\"index", "index", 0, "https://ca.test/a"},
        {"empty", "", "index", 0, NULL},
        {"comma in the target", "</a,b>; rel=index", "index", 0, "https://ca.test/a,b"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(xfree) char *target = NULL;
        struct err err = {};

        CASE(rows[i].name);
        ASSERT_EQ(nth_link(rows[i].header, rows[i].rel, rows[i].n, &target, &err),
                  rows[i].target ? 0 : ERR_NOT_FOUND);
        ASSERT_STREQ(target, rows[i].target);
    }
    CASE("");
}

TEST(repeated_headers_are_counted_through)
{
    struct strmap_entry entries[] = {{(char[]){"link"}, (char[]){"</a>; rel=alternate"}},
                                     {(char[]){"date"}, (char[]){"</x>; rel=alternate"}},
                                     {(char[]){"link"}, (char[]){"</b>; rel=alternate"}}};
    struct http_response response = {.headers = {entries, 3},
                                     .final_url = (char[]){"https://ca.test/"}};
    cleanup(xfree) char *target = NULL;
    struct err err = {};

    ASSERT_OK(http_link(&response, "alternate", 1, &target, &err));
    ASSERT_STREQ(target, "https://ca.test/b");
}

TEST(a_link_out_of_http_is_refused)
{
    cleanup(xfree) char *target = NULL;
    struct err err = {};

    ASSERT_ERR(ERR_INVALID, nth_link("<file:///etc/passwd>; rel=up", "up", 0, &target, &err));
    ASSERT_ERR(ERR_INVALID, nth_link("<javascript:alert(1)>; rel=up", "up", 0, &target, &err));
}

static int64_t retry_at(const char *value, int64_t date_ms)
{
    cleanup(http_response_deinit) struct http_response response = {.date_ms = date_ms};

    if (value)
        strmap_set(&response.headers, "retry-after", value);
    return http_retry_at_ms(&response, AT("2026-01-01T00:00:00Z"));
}

TEST(retry_after_is_read_in_both_forms)
{
    ASSERT_EQ(retry_at("120", 0), AT("2026-01-01T00:02:00Z"));
    ASSERT_EQ(retry_at("Thu, 01 Jan 2026 01:00:00 GMT", 0), AT("2026-01-01T01:00:00Z"));
    ASSERT_EQ(retry_at("soon", 0), 0);
    ASSERT_EQ(retry_at(NULL, 0), 0);
}

TEST(a_date_to_retry_at_is_judged_by_the_servers_own_clock)
{
    ASSERT_EQ(retry_at("Thu, 01 Jan 2026 01:00:00 GMT", AT("2026-01-01T00:50:00Z")),
              AT("2026-01-01T00:10:00Z"));
}

RUN_TESTS(cmocka_unit_test(links_are_found_by_relation),
          cmocka_unit_test(repeated_headers_are_counted_through),
          cmocka_unit_test(a_link_out_of_http_is_refused),
          cmocka_unit_test(retry_after_is_read_in_both_forms),
          cmocka_unit_test(a_date_to_retry_at_is_judged_by_the_servers_own_clock));
