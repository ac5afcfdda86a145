/* explain_test.c - what a message says to look at when the server and we do not trust each other. */
#include "kube/explain.h"

#include <string.h>

#include "base/base64.h"
#include "support/testing.h"

#define ORIGIN "context 'a' of '/x/config'"
#define NOW    AT("2026-01-01T01:00:00Z")

static char *token_with(const char *claims)
{
    cleanup(xfree) char *encoded = base64url_new(claims, strlen(claims));

    return xasprintf("e30.%s.c2ln", encoded);
}

static char *credentials_text(const struct kube_user *user, const char *token)
{
    struct kube_config config = {.origin = ORIGIN, .user = *user};
    struct buf text = BUF(ERR_TEXT_MAX);

    kube_explain_credentials(&config, token, NOW, &text);
    return buf_take(&text);
}

TEST(credentials_are_named_by_where_they_come_from)
{
    static const struct kube_exec exec = {.command = "get-token"};
    static const struct {
        const char *name;
        struct kube_user user;
        const char *token, *text;
    } rows[] = {
        {"file", {.token_file = "/x/token", .token = "b"}, "b", "the token in '/x/token' is not"},
        {"config", {.token = "b"}, "b", "the token of " ORIGIN " is not valid"},
        {"plugin", {.exec = &exec}, "b", "the token that credential plugin 'get-token' gave is"},
        {"plugin's certificate", {.exec = &exec}, NULL, "what credential plugin 'get-token' gave"},
        {"password", {.username = "u", .password = "p4ss"}, NULL, "password of " ORIGIN},
        {"certificate",
         {.client_certificate = "/x/c.pem"},
         NULL,
         "client certificate in '/x/c.pem'"},
        {"data", {.client_certificate_data = {(void *)"x", 1}}, NULL, "certificate of " ORIGIN},
        {"nothing", {}, NULL, ORIGIN " has none"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(xfree) char *text = credentials_text(&rows[i].user, rows[i].token);

        CASE(rows[i].name);
        ASSERT_CONTAINS(text, rows[i].text);
        ASSERT_FALSE(strstr(text, "p4ss"));
    }
    CASE("");
}

TEST(only_a_token_that_says_so_is_called_expired)
{
    static const struct {
        const char *claims, *text;
    } rows[] = {
        {"{\"exp\": 1767225600}", " expired at 2026-01-01T00:00:00Z"},
        {"{\"exp\": 1767315600}", " is not valid there (any more)"},
        {"{\"exp\": \"soon\"}", " is not valid there (any more)"},
        {"{\"exp\": 9223372036854775807}", " is not valid there (any more)"},
        {"{\"exp\": -1}", " is not valid there (any more)"},
        {"{}", " is not valid there (any more)"},
        {"no json", " is not valid there (any more)"},
    };
    static const struct kube_user user = {.token = "b"};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(xfree) char *token = token_with(rows[i].claims);
        cleanup(xfree) char *text = credentials_text(&user, token);

        CASE(rows[i].claims);
        ASSERT_CONTAINS(text, rows[i].text);
        ASSERT_FALSE(strstr(text, token));
    }
    CASE("");
}

TEST(trust_is_named_by_where_it_is_configured)
{
    static const struct {
        struct kube_cluster cluster;
        const char *text;
    } rows[] = {
        {{.certificate_authority = "/x/ca"}, "check certificate-authority '/x/ca'"},
        {{.certificate_authority = "/x/ca", .certificate_authority_data = {(void *)"x", 1}},
         "check certificate-authority-data of " ORIGIN},
        {{}, ORIGIN " names no certificate-authority"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct kube_config config = {.origin = ORIGIN, .cluster = rows[i].cluster};
        cleanup(buf_deinit) struct buf text = BUF(ERR_TEXT_MAX);

        kube_explain_trust(&config, &text);
        ASSERT_CONTAINS(buf_str(&text), rows[i].text);
    }
}

RUN_TESTS(cmocka_unit_test(credentials_are_named_by_where_they_come_from),
          cmocka_unit_test(only_a_token_that_says_so_is_called_expired),
          cmocka_unit_test(trust_is_named_by_where_it_is_configured));
