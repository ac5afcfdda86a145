/* store_test.c - what each operation of the store asks of the API server. */
#include "kube/store.h"

#include "unit/kube/fake_api.h"

static const struct key web_tls = {"web", "tls"};

#define CERTIFICATES "/apis/cert-manager.io/v1/namespaces/web/certificates"
#define SECRETS      "/api/v1/namespaces/web/secrets"
#define BY_ME        "?fieldManager=me&fieldValidation=Warn"
#define OBJECT       "{'metadata': {'name': 'tls', 'namespace': 'web', 'resourceVersion': '7'}}"
#define MISSING      "{'reason': 'NotFound', 'details': {'name': 'tls'}}"
#define CERTIFICATE_IS                                                                             \
    "{\"apiVersion\":\"cert-manager.io/v1\",\"kind\":\"Certificate\",\"metadata\":"

static struct fake_api api;
static struct store *store;

static void start_with(const struct fake_answer *answers, struct store_kube_options options)
{
    fake_api_init(&api, answers);
    store = fake_api_store(&api, options);
}

static void start(const struct fake_answer *answers)
{
    start_with(answers, (struct store_kube_options){});
}

static void finish(void)
{
    store_close(take(store));
    fake_api_deinit(&api);
}

TEST(a_config_without_a_server_is_refused)
{
    struct kube_config config = {.origin = "context 'x'"};
    struct store *ret = NULL;
    struct err err = {};

    ASSERT_ERR(ERR_INVALID,
               store_kube_open(&(struct store_kube_options){.config = &config}, &ret, &err));
    ASSERT_STREQ(err.text, "context 'x' names no server");
}

TEST(get_reads_one_object)
{
    static const struct fake_answer answers[] = {{200, OBJECT}, {404, MISSING}, {}};
    cleanup(json_unref) struct json *ret = NULL;
    struct err err = {};

    start(answers);
    ASSERT_OK(store_get(store, &api.ctx, &secrets, &web_tls, &ret, &err));
    ASSERT_STREQ(fake_line(&api, 0), "GET " SECRETS "/tls");
    ASSERT_STREQ(json_get_text(ret, "kind"), "Secret");
    ASSERT_STREQ(json_get_text(ret, "apiVersion"), "v1");
    ASSERT_ERR(ERR_NOT_FOUND, store_get(store, &api.ctx, &secrets, &web_tls, &ret, &err));
    ASSERT_STREQ(err.text, "reading secrets 'web/tls': not found");
    finish();
}

TEST(names_that_no_server_takes_are_not_asked_for)
{
    static const struct fake_answer answers[] = {{}};
    static const struct key bad = {"web", "Not_A_Name"}, nowhere = {"", "tls"};
    cleanup(json_unref) struct json *ret = NULL;
    struct err err = {};

    start(answers);
    ASSERT_ERR(ERR_INVALID, store_get(store, &api.ctx, &secrets, &bad, &ret, &err));
    ASSERT_ERR(ERR_INVALID, store_get(store, &api.ctx, &secrets, &nowhere, &ret, &err));
    ASSERT_ERR(ERR_INVALID, store_delete(store, &api.ctx, &secrets, &bad, NULL, &err));
    finish();
}

TEST(create_posts_to_the_collection)
{
    static const struct fake_answer answers[] = {
        {201, OBJECT}, {201, OBJECT}, {409, "{'reason': 'AlreadyExists'}"}, {}};
    cleanup(json_unref) struct json *named = fake_json(
        "{'metadata': {'name': 'tls', 'namespace': 'web'}}");
    cleanup(json_unref) struct json *generated = fake_json(
        "{'metadata': {'name': '', 'generateName': 'tls-', 'namespace': 'web'}}");
    struct json *ret = NULL;
    struct err err = {};

    start(answers);
    ASSERT_OK(store_create(store, &api.ctx, &certificates, "me", named, &ret, &err));
    json_unref(take(ret));
    ASSERT_STREQ(fake_line(&api, 0), "POST " CERTIFICATES BY_ME);
    ASSERT_STREQ(fake_body(&api, 0), CERTIFICATE_IS "{\"name\":\"tls\",\"namespace\":\"web\"}}");
    ASSERT_TRUE(api.requests[0].repeatable);
    ASSERT_OK(store_create(store, &api.ctx, &certificates, "me", generated, &ret, &err));
    json_unref(take(ret));
    ASSERT_FALSE(api.requests[1].repeatable);
    ASSERT_ERR(ERR_EXISTS, store_create(store, &api.ctx, &certificates, "me", named, &ret, &err));
    ASSERT_STREQ(err.text, "creating certificates.cert-manager.io 'web/tls': exists already");
    finish();
}

TEST(a_question_has_no_name_and_its_answer_is_what_counts)
{
    static const struct fake_answer answers[] = {
        {201, "{'metadata': {}, 'status': {'allowed': true}}"}, {}};
    static const struct resource reviews = {.group = "authorization.k8s.io",
                                            .version = "v1",
                                            .kind = "SubjectAccessReview",
                                            .plural = "subjectaccessreviews",
                                            .is_question = true};
    cleanup(json_unref) struct json *question = fake_json(
        "{'metadata': {}, 'spec': {'user': 'a'}}");
    cleanup(json_unref) struct json *ret = NULL;
    struct err err = {};

    start(answers);
    ASSERT_OK(store_create(store, &api.ctx, &reviews, "me", question, &ret, &err));
    ASSERT_STREQ(fake_line(&api, 0),
                 "POST /apis/authorization.k8s.io/v1/subjectaccessreviews" BY_ME);
    ASSERT_NULL(strstr(fake_body(&api, 0), "\"name\""));
    ASSERT_TRUE(json_as_bool(json_path(ret, "status.allowed"), false));
    finish();
}

TEST(the_version_of_the_server_is_at_a_path_of_its_own)
{
    static const struct fake_answer answers[] = {
        {200, "{'major': '1', 'minor': '36'}"}, {403, "{'reason': 'Forbidden'}"}, {}};
    cleanup(json_unref) struct json *ret = NULL;
    struct err err = {};

    start(answers);
    ASSERT_OK(store_kube_version(store, &api.ctx, &ret, &err));
    ASSERT_STREQ(fake_line(&api, 0), "GET /version");
    ASSERT_STREQ(json_get_text(ret, "minor"), "36");
    ASSERT_ERR(ERR_DENIED, store_kube_version(store, &api.ctx, &ret, &err));
    finish();
}

TEST(who_lists_only_needs_no_watch)
{
    static const struct fake_answer answers[] = {
        {200, "{'metadata': {'resourceVersion': '9'}, 'items': [" OBJECT "]}"}, {}};
    cleanup(json_unref) struct json *ret = NULL;
    struct err err = {};

    start_with(answers, (struct store_kube_options){.lists = true});
    ASSERT_OK(store_list(store, &api.ctx, &certificates, "web", &ret, &err));
    ASSERT_STREQ(fake_line(&api, 0), "GET " CERTIFICATES "?limit=500");
    ASSERT_EQ(json_len(ret), 1);
    finish();
}

TEST(apply_is_forced_and_sends_no_managed_fields)
{
    static const struct fake_answer answers[] = {{200, OBJECT}, {}};
    cleanup(json_unref) struct json *config = fake_json(
        "{'metadata': {'name': 'tls', 'namespace': 'web', 'managedFields': [{}]},"
        " 'data': {'k': 'YQ=='}}");
    cleanup(json_unref) struct json *ret = NULL;
    struct err err = {};

    start(answers);
    ASSERT_OK(store_apply(store, &api.ctx, &secrets, "me", config, &ret, &err));
    ASSERT_STREQ(fake_line(&api, 0), "PATCH " SECRETS "/tls" BY_ME "&force=true");
    ASSERT_CONTAINS(api.requests[0].headers, "Content-Type: application/apply-patch+yaml;");
    ASSERT_STREQ(
        fake_body(&api, 0),
        "{\"apiVersion\":\"v1\",\"data\":{\"k\":\"YQ==\"},\"kind\":\"Secret\",\"metadata\":"
        "{\"name\":\"tls\",\"namespace\":\"web\"}}");
    ASSERT_TRUE(api.requests[0].repeatable);
    finish();
}

TEST(update_puts_the_object_or_its_status_on_a_version)
{
    static const struct fake_answer answers[] = {{200, OBJECT}, {200, OBJECT}, {}};
    cleanup(json_unref) struct json *object = fake_json(OBJECT);
    struct json *ret = NULL;
    struct err err = {};

    start(answers);
    ASSERT_OK(store_update(store, &api.ctx, &certificates, STORE_OBJECT, "me", object, &ret, &err));
    json_unref(take(ret));
    ASSERT_STREQ(fake_line(&api, 0), "PUT " CERTIFICATES "/tls" BY_ME);
    ASSERT_CONTAINS(fake_body(&api, 0), "\"resourceVersion\":\"7\"");
    ASSERT_OK(store_update(store, &api.ctx, &certificates, STORE_STATUS, "me", object, &ret, &err));
    json_unref(take(ret));
    ASSERT_STREQ(fake_line(&api, 1), "PUT " CERTIFICATES "/tls/status" BY_ME);
    json_remove(json_get(object, "metadata"), "resourceVersion");
    ASSERT_ERR(ERR_INVALID,
               store_update(store, &api.ctx, &secrets, STORE_OBJECT, "me", object, &ret, &err));
    finish();
}

TEST(a_patch_carries_its_precondition)
{
    static const struct fake_answer answers[] = {
        {200, OBJECT},
        {200, OBJECT},
        {422, "{'reason': 'Invalid', 'details': {'causes': [{'field': 'metadata.uid'}]}}"},
        {}};
    cleanup(json_unref) struct json *patch = fake_json("{'metadata': {'labels': {'a': null}}}");
    struct store_precondition holds = {.uid = "u-1", .version = "7"};
    struct json *ret = NULL;
    struct err err = {};

    start(answers);
    ASSERT_OK(
        store_patch(store, &api.ctx, &certificates, &web_tls, &holds, "me", patch, &ret, &err));
    json_unref(take(ret));
    ASSERT_STREQ(fake_line(&api, 0), "PATCH " CERTIFICATES "/tls" BY_ME);
    ASSERT_CONTAINS(api.requests[0].headers, "Content-Type: application/merge-patch+json;");
    ASSERT_STREQ(fake_body(&api, 0), "{\"metadata\":{\"labels\":{\"a\":null},"
                                     "\"resourceVersion\":\"7\",\"uid\":\"u-1\"}}");
    ASSERT_TRUE(api.requests[0].repeatable);
    ASSERT_OK(store_patch(store, &api.ctx, &certificates, &web_tls, NULL, "me", patch, &ret, &err));
    json_unref(take(ret));
    ASSERT_STREQ(fake_body(&api, 1), "{\"metadata\":{\"labels\":{\"a\":null}}}");
    ASSERT_FALSE(api.requests[1].repeatable);
    ASSERT_ERR(ERR_CONFLICT, store_patch(store, &api.ctx, &certificates, &web_tls, &holds, "me",
                                         patch, &ret, &err));
    finish();
}

TEST(delete_is_in_the_background_and_carries_its_precondition)
{
    static const struct fake_answer answers[] = {
        {200, "{'kind': 'Status'}"}, {202, OBJECT}, {409, "{'reason': 'Conflict'}"}, {}};
    struct store_precondition holds = {.uid = "u-1"};
    struct err err = {};

    start(answers);
    ASSERT_OK(store_delete(store, &api.ctx, &certificates, &web_tls, NULL, &err));
    ASSERT_STREQ(fake_line(&api, 0), "DELETE " CERTIFICATES "/tls");
    ASSERT_STREQ(fake_body(&api, 0), "{\"apiVersion\":\"v1\",\"kind\":\"DeleteOptions\","
                                     "\"propagationPolicy\":\"Background\"}");
    ASSERT_FALSE(api.requests[0].repeatable);
    ASSERT_OK(store_delete(store, &api.ctx, &certificates, &web_tls, &holds, &err));
    ASSERT_CONTAINS(fake_body(&api, 1), "\"preconditions\":{\"uid\":\"u-1\"}");
    ASSERT_TRUE(api.requests[1].repeatable);
    ASSERT_ERR(ERR_CONFLICT, store_delete(store, &api.ctx, &certificates, &web_tls, &holds, &err));
    finish();
}

TEST(writes_may_be_strict_and_dry)
{
    static const struct fake_answer answers[] = {{200, OBJECT}, {200}, {}};
    cleanup(json_unref) struct json *object = fake_json(OBJECT);
    cleanup(json_unref) struct json *ret = NULL;
    struct err err = {};

    start_with(answers, (struct store_kube_options){.strict = true, .dry_run = true});
    ASSERT_OK(store_update(store, &api.ctx, &secrets, STORE_OBJECT, NULL, object, &ret, &err));
    ASSERT_STREQ(fake_line(&api, 0), "PUT " SECRETS "/tls?fieldManager=certlet"
                                     "&fieldValidation=Strict&dryRun=All");
    ASSERT_OK(store_delete(store, &api.ctx, &secrets, &web_tls, NULL, &err));
    ASSERT_STREQ(fake_line(&api, 1), "DELETE " SECRETS "/tls");
    ASSERT_CONTAINS(fake_body(&api, 1), "\"dryRun\":[\"All\"]");
    finish();
}

static bool says(void *arg)
{
    const bool *may = arg;

    return *may;
}

TEST(who_may_not_write_any_more_still_reads)
{
    static const struct fake_answer answers[] = {{200, OBJECT}, {200, OBJECT}, {}};
    cleanup(json_unref) struct json *object = fake_json(OBJECT);
    cleanup(json_unref) struct json *ret = NULL;
    struct err err = {};
    bool may = true;

    start_with(answers, (struct store_kube_options){.may_write = says, .may_write_arg = &may});
    ASSERT_OK(store_update(store, &api.ctx, &secrets, STORE_OBJECT, NULL, object, NULL, &err));
    may = false;
    ASSERT_ERR(ERR_CANCELED,
               store_update(store, &api.ctx, &secrets, STORE_OBJECT, NULL, object, NULL, &err));
    ASSERT_ERR(ERR_CANCELED, store_delete(store, &api.ctx, &secrets, &web_tls, NULL, &err));
    ASSERT_CONTAINS(err.text, "another process may be writing");
    ASSERT_OK(store_get(store, &api.ctx, &secrets, &web_tls, &ret, &err));
    ASSERT_EQ(api.count, 2);
    finish();
}

TEST(a_long_manager_is_cut)
{
    static const struct fake_answer answers[] = {{200, OBJECT}, {}};
    cleanup(json_unref) struct json *object = fake_json(OBJECT);
    cleanup(json_unref) struct json *ret = NULL;
    char manager[201];
    struct err err = {};

    memset(manager, 'm', sizeof(manager) - 1);
    manager[200] = '\0';
    start(answers);
    ASSERT_OK(store_update(store, &api.ctx, &secrets, STORE_OBJECT, manager, object, &ret, &err));
    ASSERT_EQ(strspn(strchr(fake_line(&api, 0), '=') + 1, "m"), 128);
    finish();
}

TEST(what_the_server_would_call_a_500_is_not_sent)
{
    static const struct fake_answer answers[] = {{}};
    cleanup(json_unref) struct json *large = fake_json(
        "{'metadata': {'name': 'tls', 'namespace': 'web'}}");
    cleanup(json_unref) struct json *versioned = fake_json(
        "{'metadata': {'name': 'tls', 'namespace': 'web', 'resourceVersion': '5'}}");
    cleanup(xfree_secret) char *blob = xalloc(LIMIT_OBJECT + 1);
    cleanup(json_unref) struct json *ret = NULL;
    struct err err = {};

    memset(blob, 'x', LIMIT_OBJECT);
    json_set_text(large, "blob", blob);
    start_with(answers, (struct store_kube_options){});
    ASSERT_ERR(ERR_TOO_LARGE,
               store_create(store, &api.ctx, &certificates, NULL, large, &ret, &err));
    ASSERT_CONTAINS(err.text, "'web/tls': it has 1572");
    ASSERT_ERR(ERR_INVALID,
               store_create(store, &api.ctx, &certificates, NULL, versioned, &ret, &err));
    ASSERT_CONTAINS(err.text, "resourceVersion");
    finish();
}

TEST(an_answer_that_is_no_object_is_an_error)
{
    static const struct fake_answer answers[] = {{200, "{'kind': 'Status'}"}, {}};
    cleanup(json_unref) struct json *ret = NULL;
    struct err err = {};

    start(answers);
    ASSERT_ERR(ERR_PROTOCOL, store_get(store, &api.ctx, &secrets, &web_tls, &ret, &err));
    finish();
}

RUN_TESTS(cmocka_unit_test(a_config_without_a_server_is_refused),
          cmocka_unit_test(get_reads_one_object),
          cmocka_unit_test(names_that_no_server_takes_are_not_asked_for),
          cmocka_unit_test(create_posts_to_the_collection),
          cmocka_unit_test(a_question_has_no_name_and_its_answer_is_what_counts),
          cmocka_unit_test(the_version_of_the_server_is_at_a_path_of_its_own),
          cmocka_unit_test(who_lists_only_needs_no_watch),
          cmocka_unit_test(apply_is_forced_and_sends_no_managed_fields),
          cmocka_unit_test(update_puts_the_object_or_its_status_on_a_version),
          cmocka_unit_test(a_patch_carries_its_precondition),
          cmocka_unit_test(delete_is_in_the_background_and_carries_its_precondition),
          cmocka_unit_test(writes_may_be_strict_and_dry),
          cmocka_unit_test(who_may_not_write_any_more_still_reads),
          cmocka_unit_test(a_long_manager_is_cut),
          cmocka_unit_test(what_the_server_would_call_a_500_is_not_sent),
          cmocka_unit_test(an_answer_that_is_no_object_is_an_error));
