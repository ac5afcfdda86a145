#include "acme/acme.h"
#include "acme/problem.h"
#include "support/testing.h"

#define NOW AT("2026-01-01T00:00:00Z")

static void fill(struct http_response *response, int status, const char *body)
{
    *response = (struct http_response){.status = status,
                                       .body = BUF(LIMIT_ACME_BODY),
                                       .final_url = xstrdup("https://ca.test/new-order")};
    buf_add_str(&response->body, body);
}

static void parse(int status, const char *header, const char *value, const char *body,
                  struct acme_problem *ret)
{
    cleanup(http_response_deinit) struct http_response response = {};

    fill(&response, status, body);
    if (header)
        strmap_set(&response.headers, header, value);
    acme_problem_parse(status, &response, NOW, ret);
}

#define URN    "urn:ietf:params:acme:error:"
#define DOC(t) "{\"type\":\"" URN t "\",\"detail\":\"d\"}"

TEST(a_problem_has_the_class_of_its_type_and_status)
{
    static const struct {
        const char *name;
        int status;
        const char *body;
        enum acme_class class;
        int code;
    } rows[] = {
        {"badNonce", 400, DOC("badNonce"), ACME_RETRY, ERR_UNAVAILABLE},
        {"serverInternal", 500, DOC("serverInternal"), ACME_RETRY, ERR_UNAVAILABLE},
        {"rateLimited", 429, DOC("rateLimited"), ACME_RATE_LIMITED, ERR_RATE_LIMITED},
        {"rateLimited with 503", 503, DOC("rateLimited"), ACME_RATE_LIMITED, ERR_RATE_LIMITED},
        {"429 of another type", 429, DOC("malformed"), ACME_RATE_LIMITED, ERR_RATE_LIMITED},
        {"bare 429", 429, "", ACME_RATE_LIMITED, ERR_RATE_LIMITED},
        {"malformed", 400, DOC("malformed"), ACME_FIX_CONFIG, ERR_INVALID},
        {"malformed 404", 404, DOC("malformed"), ACME_NEW_ORDER, ERR_NOT_FOUND},
        {"malformed 500", 500, DOC("malformed"), ACME_RETRY, ERR_UNAVAILABLE},
        {"rejectedIdentifier", 400, DOC("rejectedIdentifier"), ACME_FIX_CONFIG, ERR_INVALID},
        {"unsupportedIdentifier", 400, DOC("unsupportedIdentifier"), ACME_FIX_CONFIG, ERR_INVALID},
        {"invalidProfile", 400, DOC("invalidProfile"), ACME_FIX_CONFIG, ERR_INVALID},
        {"badCSR", 400, DOC("badCSR"), ACME_FIX_CONFIG, ERR_INVALID},
        {"badPublicKey", 400, DOC("badPublicKey"), ACME_FIX_CONFIG, ERR_INVALID},
        {"badSignatureAlgorithm", 400, DOC("badSignatureAlgorithm"), ACME_FIX_CONFIG, ERR_INVALID},
        {"externalAccountRequired", 403, DOC("externalAccountRequired"), ACME_FIX_CONFIG,
         ERR_INVALID},
        {"invalidContact", 400, DOC("invalidContact"), ACME_FIX_CONFIG, ERR_INVALID},
        {"unsupportedContact", 400, DOC("unsupportedContact"), ACME_FIX_CONFIG, ERR_INVALID},
        {"userActionRequired", 403, DOC("userActionRequired"), ACME_FIX_CONFIG, ERR_INVALID},
        {"caa", 403, DOC("caa"), ACME_NEW_ORDER, ERR_DENIED},
        {"connection", 400, DOC("connection"), ACME_NEW_ORDER, ERR_DENIED},
        {"dns", 400, DOC("dns"), ACME_NEW_ORDER, ERR_DENIED},
        {"tls", 400, DOC("tls"), ACME_NEW_ORDER, ERR_DENIED},
        {"incorrectResponse", 403, DOC("incorrectResponse"), ACME_NEW_ORDER, ERR_DENIED},
        {"accountDoesNotExist", 400, DOC("accountDoesNotExist"), ACME_ACCOUNT, ERR_DENIED},
        {"unauthorized", 403, DOC("unauthorized"), ACME_ACCOUNT, ERR_DENIED},
        {"conflict", 409, DOC("conflict"), ACME_ACCOUNT, ERR_DENIED},
        {"orderNotReady", 403, DOC("orderNotReady"), ACME_NOT_READY, ERR_CONFLICT},
        {"alreadyReplaced", 409, DOC("alreadyReplaced"), ACME_ALREADY_REPLACED, ERR_CONFLICT},
        {"unknown 400", 400, DOC("fromTheFuture"), ACME_FIX_CONFIG, ERR_INVALID},
        {"unknown 403", 403, DOC("fromTheFuture"), ACME_ACCOUNT, ERR_DENIED},
        {"unknown 404", 404, DOC("fromTheFuture"), ACME_NEW_ORDER, ERR_NOT_FOUND},
        {"not implemented", 501, DOC("notImplemented"), ACME_FIX_CONFIG, ERR_UNSUPPORTED},
        {"HTML 502", 502, "<html>bad gateway</html>", ACME_RETRY, ERR_UNAVAILABLE},
        {"HTML 403", 403, "<html>blocked</html>", ACME_RETRY, ERR_UNAVAILABLE},
        {"HTML 404", 404, "<html>not here</html>", ACME_RETRY, ERR_NOT_FOUND},
        {"cut", 400, "{\"type\":\"urn:ietf", ACME_RETRY, ERR_UNAVAILABLE},
        {"a list", 400, "[1,2]", ACME_RETRY, ERR_UNAVAILABLE},
        {"redirect", 301, "", ACME_FIX_CONFIG, ERR_PROTOCOL},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(acme_problem_deinit) struct acme_problem problem = {};
        struct err err = {};

        CASE(rows[i].name);
        parse(rows[i].status, NULL, NULL, rows[i].body, &problem);
        ASSERT_EQ(problem.class, rows[i].class);
        ASSERT_ERR(rows[i].code, acme_problem_err(&problem, &err));
    }
    CASE("");
}

TEST(the_error_of_an_order_is_classed_as_such)
{
    static const struct {
        const char *type;
        enum acme_class class;
    } rows[] = {
        {"unauthorized", ACME_NEW_ORDER},   {"caa", ACME_NEW_ORDER},
        {"serverInternal", ACME_NEW_ORDER}, {"fromTheFuture", ACME_NEW_ORDER},
        {"badCSR", ACME_FIX_CONFIG},        {"rejectedIdentifier", ACME_FIX_CONFIG},
        {"rateLimited", ACME_RATE_LIMITED},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(acme_problem_deinit) struct acme_problem problem = {};
        cleanup(json_unref) struct json *map = json_new_map();
        cleanup(xfree) char *type = xasprintf("%s%s", URN, rows[i].type);

        CASE(rows[i].type);
        json_set_text(map, "type", type);
        acme_problem_embedded(map, &problem);
        ASSERT_EQ(problem.class, rows[i].class);
        ASSERT_STREQ(problem.type, rows[i].type);
    }
    CASE("");
}

TEST(without_an_error_there_is_no_problem)
{
    struct acme_problem problem;

    acme_problem_embedded(NULL, &problem);
    ASSERT_EQ(problem.class, ACME_OK);
}

TEST(a_compound_problem_follows_its_subproblems)
{
    cleanup(acme_problem_deinit) struct acme_problem first = {}, second = {};

    parse(403, NULL, NULL,
          "{\"type\":\"" URN "compound\",\"subproblems\":[{\"type\":\"" URN "caa\"}]}", &first);
    ASSERT_EQ(first.class, ACME_NEW_ORDER);
    parse(403, NULL, NULL,
          "{\"type\":\"" URN "compound\",\"subproblems\":[{\"type\":\"" URN
          "caa\"},{\"type\":\"" URN "rejectedIdentifier\"}]}",
          &second);
    ASSERT_EQ(second.class, ACME_FIX_CONFIG);
}

TEST(the_text_names_every_subproblem_with_its_identifier)
{
    cleanup(acme_problem_deinit) struct acme_problem problem = {};
    cleanup(buf_deinit) struct buf text = BUF(10000);

    parse(400, NULL, NULL,
          "{\"type\":\"" URN
          "rejectedIdentifier\",\"detail\":\"some names are refused\",\"subproblems\":["
          "{\"type\":\"" URN
          "rejectedIdentifier\",\"detail\":\"policy forbids\",\"identifier\":{\"type\":\"dns\","
          "\"value\":\"bad.example\"}},{\"type\":\"" URN
          "caa\",\"identifier\":{\"value\":\"caa.example\"}}]}",
          &problem);
    acme_problem_text(&problem, &text);
    ASSERT_STREQ(buf_str(&text),
                 "400 urn:ietf:params:acme:error:rejectedIdentifier: some names are refused "
                 "(bad.example: policy forbids; caa.example: caa)");
}

TEST(the_text_of_a_foreign_answer_quotes_only_its_beginning)
{
    cleanup(acme_problem_deinit) struct acme_problem problem = {};
    cleanup(buf_deinit) struct buf text = BUF(10000);
    cleanup(xfree) char *page = xasprintf("<html>%0500d</html>", 7);

    parse(502, NULL, NULL, page, &problem);
    acme_problem_text(&problem, &text);
    ASSERT_CONTAINS(buf_str(&text), "502: the answer is not from an ACME server: '<html>");
    ASSERT_TRUE(text.len < 400);
}

TEST(retry_after_is_read_in_all_its_forms)
{
    static const struct {
        const char *name, *header, *body;
        int64_t after_ms;
    } rows[] = {
        {"seconds", "90", DOC("rateLimited"), SECONDS(90)},
        {"date", "Thu, 01 Jan 2026 02:00:00 GMT", DOC("rateLimited"), HOURS(2)},
        {"none", NULL, DOC("rateLimited"), -1},
        {"detail", NULL,
         "{\"type\":\"" URN
         "rateLimited\",\"detail\":\"too many certificates (5) already issued for this exact set of "
         "identifiers in the last 168h0m0s, retry after 2026-01-01 05:00:00 UTC: see https://letsencrypt.org/docs\"}",
         HOURS(5)},
        {"detail in the past", NULL,
         "{\"type\":\"" URN "rateLimited\",\"detail\":\"retry after 2025-01-01 05:00:00 UTC\"}",
         -1},
        {"detail that is no time", NULL,
         "{\"type\":\"" URN "rateLimited\",\"detail\":\"retry after 2026-13-41 xx\"}", -1},
        {"detail before 1970", NULL,
         "{\"type\":\"" URN "rateLimited\",\"detail\":\"retry after 1013-01-01 05:00:00 UTC\"}",
         -1},
        {"detail in the year 9999", NULL,
         "{\"type\":\"" URN "rateLimited\",\"detail\":\"retry after 9999-01-01 05:00:00 UTC\"}",
         DAYS(7)},
        {"zero seconds", "0", DOC("rateLimited"), -1},
        {"date in the past", "Thu, 01 Jan 2015 02:00:00 GMT", DOC("rateLimited"), -1},
        {"a year", "31536000", DOC("rateLimited"), DAYS(7)},
        {"header before detail", "60",
         "{\"type\":\"" URN "rateLimited\",\"detail\":\"retry after 2026-01-01 05:00:00 UTC\"}",
         SECONDS(60)},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(acme_problem_deinit) struct acme_problem problem = {};

        CASE(rows[i].name);
        parse(429, rows[i].header ? "retry-after" : NULL, rows[i].header, rows[i].body, &problem);
        ASSERT_EQ(problem.retry_at_ms, rows[i].after_ms < 0 ? 0 : NOW + rows[i].after_ms);
    }
    CASE("");
}

TEST(times_are_judged_by_the_servers_clock)
{
    cleanup(http_response_deinit) struct http_response response = {};
    cleanup(acme_problem_deinit) struct acme_problem problem = {};

    fill(&response, 429,
         "{\"type\":\"" URN "rateLimited\",\"detail\":\"retry after 2026-01-01 05:00:00 UTC\"}");
    response.date_ms = NOW + HOURS(4); /* the server is four hours ahead of us */
    acme_problem_parse(429, &response, NOW, &problem);
    ASSERT_EQ(problem.retry_at_ms, NOW + HOURS(1));
}

TEST(an_unpause_url_without_retry_after_means_paused)
{
    cleanup(acme_problem_deinit) struct acme_problem paused = {}, limited = {};
    const char *body = "{\"type\":\"" URN
                       "rateLimited\",\"detail\":\"see https://example.com/docs. Please visit: "
                       "https://portal.test/sfe/v1/unpause?jwt=abc.\"}";

    parse(429, NULL, NULL, body, &paused);
    ASSERT_EQ(paused.class, ACME_PAUSED);
    ASSERT_STREQ(paused.help_url, "https://portal.test/sfe/v1/unpause?jwt=abc");
    parse(429, "retry-after", "5", body, &limited);
    ASSERT_EQ(limited.class, ACME_RATE_LIMITED);
}

TEST(changed_terms_are_named)
{
    cleanup(acme_problem_deinit) struct acme_problem problem = {};
    cleanup(buf_deinit) struct buf text = BUF(10000);

    parse(
        403, "link", "<https://ca.test/terms/v2>;rel=\"terms-of-service\"",
        "{\"type\":\"" URN
        "userActionRequired\",\"detail\":\"terms have changed\",\"instance\":\"https://ca.test/agree\"}",
        &problem);
    acme_problem_text(&problem, &text);
    ASSERT_STREQ(problem.help_url, "https://ca.test/terms/v2");
    ASSERT_STREQ(problem.instance, "https://ca.test/agree");
    ASSERT_CONTAINS(buf_str(&text), "see https://ca.test/terms/v2");
}

RUN_TESTS(cmocka_unit_test(a_problem_has_the_class_of_its_type_and_status),
          cmocka_unit_test(the_error_of_an_order_is_classed_as_such),
          cmocka_unit_test(without_an_error_there_is_no_problem),
          cmocka_unit_test(a_compound_problem_follows_its_subproblems),
          cmocka_unit_test(the_text_names_every_subproblem_with_its_identifier),
          cmocka_unit_test(the_text_of_a_foreign_answer_quotes_only_its_beginning),
          cmocka_unit_test(retry_after_is_read_in_all_its_forms),
          cmocka_unit_test(times_are_judged_by_the_servers_clock),
          cmocka_unit_test(an_unpause_url_without_retry_after_means_paused),
          cmocka_unit_test(changed_terms_are_named));
