/* status_test.c - answers as API servers give them, and what we make of them. */
#include "kube/status.h"

#include <string.h>

#include "unit/kube/fake_api.h"

#define NOW AT("2026-01-01T00:00:00Z")

static const struct kube_about about_certificate = {
    .doing = "updating",
    .verb = "update",
    .resource = &certificates,
    .subresource = "status",
    .namespace = "web",
    .name = "tls",
};
static const struct kube_about about_secret = {
    .doing = "applying", .verb = "patch", .resource = &secrets, .namespace = "web", .name = "tls"};

static int check(const struct kube_about *about, int http, const char *retry_after,
                 const char *body, struct kube_status *status, struct err *err)
{
    cleanup(http_response_deinit) struct http_response response = {.status = http,
                                                                   .body = BUF(1024 * 1024)};
    cleanup(xfree) char *text = fake_quoted(body);

    if (retry_after)
        strmap_set(&response.headers, "retry-after", retry_after);
    buf_add_str(&response.body, text);
    return kube_status_check(about, &response, NOW, status, err);
}

/* What an answer other than a success is taken for. */
struct reading {
    struct kube_status status;
    struct err err;
};

static struct reading expect(int code, const struct kube_about *about, int http, const char *body)
{
    struct kube_status status;
    struct err err = {};

    ASSERT_ERR(code, check(about, http, NULL, body, &status, &err));
    return (struct reading){status, err};
}

TEST(a_success_is_no_error)
{
    struct kube_status status;
    struct err err = {.code = 7};

    ASSERT_EQ(check(&about_certificate, 201, NULL, "{}", &status, &err), 0);
    ASSERT_EQ(err.code, 7);
}

TEST(the_reason_decides_and_then_the_http_status)
{
    static const struct {
        const char *name;
        int http;
        const char *body;
        int code;
    } rows[] = {
        {"missing object", 404, "{'reason': 'NotFound', 'details': {'name': 'tls'}}",
         ERR_NOT_FOUND},
        {"missing kind", 404, "404 page not found", ERR_UNSUPPORTED},
        {"name taken", 409, "{'reason': 'AlreadyExists'}", ERR_EXISTS},
        {"stale version", 409, "{'reason': 'Conflict'}", ERR_CONFLICT},
        {"compacted", 410, "{'reason': 'Expired'}", ERR_GONE},
        {"old server", 410, "{'reason': 'Gone'}", ERR_GONE},
        {"no document", 410, "", ERR_GONE},
        {"schema", 422, "{'reason': 'Invalid'}", ERR_INVALID},
        {"bad request", 400, "{'reason': 'BadRequest'}", ERR_INVALID},
        {"reason of the future", 400, "{'reason': 'Brandnew'}", ERR_INVALID},
        {"no credentials", 401, "{'reason': 'Unauthorized'}", ERR_STRANGER},
        {"RBAC", 403, "{'reason': 'Forbidden'}", ERR_DENIED},
        {"flow control", 429, "{'reason': 'TooManyRequests'}", ERR_RATE_LIMITED},
        {"down", 503, "<html>", ERR_UNAVAILABLE},
        {"etcd", 500, "{'reason': 'InternalError'}", ERR_UNAVAILABLE},
        {"late", 504, "{'reason': 'Timeout'}", ERR_TIMEOUT},
        {"large", 413, "{'reason': 'RequestEntityTooLarge'}", ERR_TOO_LARGE},
        {"redirect", 302, "", ERR_PROTOCOL},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct reading is;

        CASE(rows[i].name);
        is = expect(rows[i].code, &about_certificate, rows[i].http, rows[i].body);
        ASSERT_EQ(is.status.code, rows[i].code);
        ASSERT_CONTAINS(is.err.text, "updating certificates/status.cert-manager.io 'web/tls': ");
    }
}

TEST(a_denial_names_verb_resource_and_namespace)
{
    struct reading is = expect(ERR_DENIED, &about_certificate, 403,
                               "{'reason': 'Forbidden', 'message': 'user x cannot'}");

    ASSERT_CONTAINS(is.err.text, "needs verb 'update' on 'certificates/status.cert-manager.io' "
                                 "in namespace 'web': user x cannot");
}

TEST(a_namespace_that_is_being_deleted_is_told_apart)
{
    struct reading is = expect(
        ERR_DELETED, &about_certificate, 403,
        "{'reason': 'Forbidden', 'details': {'causes': [{'reason': 'NamespaceTerminating'}]}}");

    ASSERT_TRUE(is.status.namespace_terminating);
    ASSERT_CONTAINS(is.err.text, "the namespace is being deleted");
}

TEST(a_namespace_that_is_missing_is_told_apart)
{
    struct reading is = expect(
        ERR_NOT_FOUND, &about_secret, 404,
        "{'reason': 'NotFound', 'details': {'name': 'web', 'kind': 'namespaces'}}");

    ASSERT_TRUE(is.status.namespace_missing);
    ASSERT_CONTAINS(is.err.text, "'web/tls': the namespace does not exist");
    is = expect(ERR_NOT_FOUND, &about_secret, 404,
                "{'reason': 'NotFound', 'details': {'name': 'tls', 'kind': 'secrets'}}");
    ASSERT_FALSE(is.status.namespace_missing);
    ASSERT_CONTAINS(is.err.text, "'web/tls': not found");
}

TEST(of_a_long_message_both_ends_are_told)
{
    cleanup(buf_deinit) struct buf body = BUF(64 * 1024);
    struct reading is;

    buf_add_str(&body, "{'reason': 'Invalid', 'message': 'it begins ");
    for (int i = 0; i < 1000; i++)
        buf_add_str(&body, "\xc3\xa9"); /* so that a cut between its bytes would show */
    buf_add_str(&body, " it ends'}");
    is = expect(ERR_INVALID, &about_certificate, 422, buf_str(&body));
    ASSERT_CONTAINS(is.err.text, "422 Invalid: it begins \xc3\xa9");
    ASSERT_CONTAINS(is.err.text, "\xc3\xa9 ... \xc3\xa9");
    ASSERT_CONTAINS(is.err.text, "\xc3\xa9 it ends");
    ASSERT_FALSE(strchr(is.err.text, '?'));
}

TEST(a_patch_of_another_uid_is_a_conflict)
{
    (void)expect(ERR_CONFLICT, &about_certificate, 422,
                 "{'reason': 'Invalid', 'details': {'causes': [{'field': 'metadata.uid'}]}}");
}

TEST(retry_after_is_taken_from_header_or_document)
{
    struct kube_status status;
    struct err err = {};
    struct reading is;

    ASSERT_ERR(ERR_RATE_LIMITED, check(&about_certificate, 429, "7", "", &status, &err));
    ASSERT_EQ(err.retry_at_ms, NOW + SECONDS(7));
    err = (struct err){};
    ASSERT_ERR(ERR_RATE_LIMITED, check(&about_certificate, 429, "31536000", "", &status, &err));
    ASSERT_EQ(err.retry_at_ms, NOW + DAYS(1)); /* a year: some proxy's */
    is = expect(ERR_UNAVAILABLE, &about_certificate, 500,
                "{'reason': 'ServerTimeout', 'details': {'retryAfterSeconds': 2}}");
    ASSERT_EQ(is.err.retry_at_ms, NOW + SECONDS(2));
    is = expect(ERR_TIMEOUT, &about_certificate, 504,
                "{'reason': 'Timeout', 'details': {'retryAfterSeconds': 1, "
                "'causes': [{'reason': 'ResourceVersionTooLarge'}]}}");
    ASSERT_TRUE(is.status.version_too_large);
    ASSERT_EQ(is.status.retry_at_ms, NOW + SECONDS(1));
}

TEST(what_the_server_says_about_a_secret_is_not_repeated)
{
    struct reading is = expect(ERR_INVALID, &about_secret, 422,
                               "{'reason': 'Invalid', 'message': 'found aGVsbG8=', 'details': "
                               "{'causes': [{'field': 'data[tls.key]', 'message': 'aGVsbG8='}]}}");

    ASSERT_STREQ(is.err.text, "applying secrets 'web/tls': 422 Invalid: data[tls.key]");
}

TEST(an_error_inside_a_watch_is_read_the_same_way)
{
    static const char text[] = "{\"code\":410,\"reason\":\"Expired\",\"message\":\"too old\"}";
    cleanup(json_unref) struct json *value = NULL;
    struct kube_status status;
    struct err err = {};

    ASSERT_OK(json_parse(text, strlen(text), 1000, &value, &err));
    ASSERT_ERR(ERR_GONE, kube_status_of_event(&about_certificate, value, NOW, &status, &err));
    ASSERT_CONTAINS(err.text, "too old");
    ASSERT_ERR(ERR_PROTOCOL, kube_status_of_event(&about_certificate, NULL, NOW, &status, &err));
}

RUN_TESTS(cmocka_unit_test(a_success_is_no_error),
          cmocka_unit_test(the_reason_decides_and_then_the_http_status),
          cmocka_unit_test(a_denial_names_verb_resource_and_namespace),
          cmocka_unit_test(a_namespace_that_is_being_deleted_is_told_apart),
          cmocka_unit_test(a_namespace_that_is_missing_is_told_apart),
          cmocka_unit_test(of_a_long_message_both_ends_are_told),
          cmocka_unit_test(a_patch_of_another_uid_is_a_conflict),
          cmocka_unit_test(retry_after_is_taken_from_header_or_document),
          cmocka_unit_test(what_the_server_says_about_a_secret_is_not_repeated),
          cmocka_unit_test(an_error_inside_a_watch_is_read_the_same_way));
