#include "support/store_suite.h"

#include <stdio.h>
#include <stdlib.h>

#include "support/testing.h"

#define MANAGER "certlet-suite"
#define OTHER   "someone-else"

static const struct resource secrets = {"", "v1", "Secret", "secrets", true, false};
static const struct resource certificates = {"cert-manager.io", "v1", "Certificate",
                                             "certificates",    true, true};
static const struct resource cluster_issuers = {"cert-manager.io", "v1",  "ClusterIssuer",
                                                "clusterissuers",  false, true};

const struct resource *const store_suite_resources[] = {&secrets, &certificates, &cluster_issuers,
                                                        NULL};

static const struct store_suite *suite;

/* Helpers. Objects are written with ' for ", so that they can be read. */

PRINTF_LIKE(1, 0) static struct json *vjson(const char *fmt, va_list args)
{
    cleanup(xfree) char *text = NULL;
    struct json *value = NULL;
    struct err err = {};

    if (vasprintf(&text, fmt, args) < 0)
        abort();
    for (char *p = text; *p; p++) {
        if (*p == '\'')
            *p = '"';
    }
    ASSERT_OK(json_parse(text, strlen(text), strlen(text), &value, &err));
    return value;
}

PRINTF_LIKE(1, 2) static struct json *json_of(const char *fmt, ...)
{
    struct json *value;
    va_list args;

    va_start(args, fmt);
    value = vjson(fmt, args);
    va_end(args);
    return value;
}

static const char *meta(const struct json *object, const char *name)
{
    return json_get_text(json_get(object, "metadata"), name);
}

static const char *text_at(const struct json *object, const char *path)
{
    return json_as_text(json_path(object, path));
}

static int64_t generation(const struct json *object)
{
    return json_get_int(json_get(object, "metadata"), "generation", 0);
}

static struct key key_of(const struct json *object)
{
    return (struct key){.namespace = str_or(meta(object, "namespace"), ""),
                        .name = meta(object, "name")};
}

/* A Certificate that the CRD accepts. */
static struct json *certificate(const struct store_fixture *f, const char *name)
{
    return json_of(
        "{'metadata': {'name': '%s', 'namespace': '%s'}, 'spec': {'secretName': '%s-tls',"
        " 'dnsNames': ['a.example'], 'issuerRef': {'name': 'ca'}}}",
        name, f->namespace, name);
}

/* A Secret with the members that `rest` adds: "'data': {...}". */
PRINTF_LIKE(3, 4)
static struct json *secret(const struct store_fixture *f, const char *name, const char *fmt, ...)
{
    cleanup(json_unref) struct json *rest = NULL;
    struct json *object = json_of("{'metadata': {'name': '%s', 'namespace': '%s'}}", name,
                                  f->namespace);
    va_list args;

    va_start(args, fmt);
    rest = vjson(fmt, args);
    va_end(args);
    json_merge_patch(object, rest);
    return object;
}

/* Creates and gives back what is stored; `object` is used up. */
static struct json *created(struct store_fixture *f, const struct resource *resource,
                            struct json *object)
{
    struct json *stored = NULL;
    struct err err = {};

    ASSERT_OK(store_create(f->store, &f->ctx, resource, MANAGER, object, &stored, &err));
    json_unref(object);
    return stored;
}

static struct json *applied(struct store_fixture *f, const char *manager, struct json *config)
{
    struct json *stored = NULL;
    struct err err = {};

    ASSERT_OK(store_apply(f->store, &f->ctx, &secrets, manager, config, &stored, &err));
    json_unref(config);
    return stored;
}

static struct json *got(struct store_fixture *f, const struct resource *resource, const char *name)
{
    struct key key = {.namespace = resource->namespaced ? f->namespace : "", .name = name};
    struct json *stored = NULL;
    struct err err = {};

    ASSERT_OK(store_get(f->store, &f->ctx, resource, &key, &stored, &err));
    return stored;
}

static bool is_there(struct store_fixture *f, const struct resource *resource, const char *name)
{
    struct key key = {.namespace = resource->namespaced ? f->namespace : "", .name = name};
    cleanup(json_unref) struct json *stored = NULL;
    struct err err = {};
    int r;

    r = store_get(f->store, &f->ctx, resource, &key, &stored, &err);
    if (r != ERR_NOT_FOUND)
        ASSERT_OK(r);
    return r == 0;
}

static struct json *patched(struct store_fixture *f, const struct resource *resource,
                            const char *name, const char *manager, struct json *patch)
{
    struct key key = {.namespace = f->namespace, .name = name};
    struct json *stored = NULL;
    struct err err = {};

    ASSERT_OK(store_patch(f->store, &f->ctx, resource, &key, NULL, manager, patch, &stored, &err));
    json_unref(patch);
    return stored;
}

static void deleted(struct store_fixture *f, const struct resource *resource, const char *name)
{
    struct key key = {.namespace = resource->namespaced ? f->namespace : "", .name = name};
    struct err err = {};

    ASSERT_OK(store_delete(f->store, &f->ctx, resource, &key, NULL, &err));
}

/* What `manager` owns by `operation`: lent from `object`, NULL when nothing. */
static const struct json *owned(const struct json *object, const char *manager,
                                const char *operation, const char *subresource)
{
    json_for_each_item (entry, json_path(object, "metadata.managedFields")) {
        if (streq(json_get_text(entry, "manager"), manager) &&
            streq(json_get_text(entry, "operation"), operation) &&
            streq(json_get_text(entry, "subresource"), subresource))
            return json_get(entry, "fieldsV1");
    }
    return NULL;
}

static void assert_json(const struct json *value, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void assert_json(const struct json *value, const char *fmt, ...)
{
    cleanup(json_unref) struct json *wanted = NULL;
    cleanup(xfree) char *is = value ? json_text(value) : NULL;
    cleanup(xfree) char *should = NULL;
    va_list args;

    va_start(args, fmt);
    wanted = vjson(fmt, args);
    va_end(args);
    should = json_text(wanted);
    ASSERT_STREQ(is, should);
}

/* `of` in the namespace of this test. */
static struct store_watch *watching_view(struct store_fixture *f, const struct resource *resource,
                                         const struct store_view *of, const char *since)
{
    struct store_view view = *of;
    struct store_watch *watch = NULL;
    struct err err = {};

    view.namespace = f->namespace;
    ASSERT_OK(f->store->ops->watch(f->store, &f->ctx, resource, &view, since, &watch, &err));
    return watch;
}

static struct store_watch *watching(struct store_fixture *f, const struct resource *resource,
                                    const char *since)
{
    return watching_view(f, resource, &(struct store_view){}, since);
}

static struct store_event next_event(struct store_fixture *f, struct store_watch *watch)
{
    struct store_event event = {};
    struct err err = {};

    ASSERT_OK(f->store->ops->watch_next(watch, &f->ctx, &event, &err));
    return event;
}

/* The next event that is no bookmark is of this type and object. */
static void expect(struct store_fixture *f, struct store_watch *watch, enum store_event_type type,
                   const char *name)
{
    for (;;) {
        cleanup(store_event_deinit) struct store_event event = next_event(f, watch);

        if (event.type == STORE_BOOKMARK && !event.initial_end)
            continue;
        ASSERT_EQ(event.type, type);
        ASSERT_FALSE(event.initial_end);
        ASSERT_STREQ(meta(event.object, "name"), name);
        ASSERT_STREQ(meta(event.object, "resourceVersion"), event.version);
        return;
    }
}

static void expect_initial_end(struct store_fixture *f, struct store_watch *watch)
{
    cleanup(store_event_deinit) struct store_event event = next_event(f, watch);

    ASSERT_EQ(event.type, STORE_BOOKMARK);
    ASSERT_TRUE(event.initial_end);
    ASSERT_NULL(event.object);
}

/* There is one object, to begin with. */
static void expect_initial(struct store_fixture *f, struct store_watch *watch, const char *name)
{
    expect(f, watch, STORE_ADDED, name);
    expect_initial_end(f, watch);
}

/* Bookmarks say nothing. */
static void expect_nothing(struct store_fixture *f, struct store_watch *watch)
{
    struct context soon = context_with_timeout(&f->ctx, 50);

    for (;;) {
        cleanup(store_event_deinit) struct store_event event = {};
        struct err err = {};
        int r = f->store->ops->watch_next(watch, &soon, &event, &err);

        if (r == 0 && event.type == STORE_BOOKMARK && !event.initial_end)
            continue;
        ASSERT_ERR(ERR_TIMEOUT, r);
        return;
    }
}

/* Waits in a watch until the object is gone. */
static void wait_until_gone(struct store_fixture *f, const struct resource *resource,
                            const char *name)
{
    cleanup(store_watch_close) struct store_watch *watch = watching(f, resource, NULL);

    while (is_there(f, resource, name)) {
        cleanup(store_event_deinit) struct store_event event = next_event(f, watch);
    }
}

static bool is_marked(struct store_fixture *f, const struct resource *resource, const char *name)
{
    cleanup(json_unref) struct json *object = got(f, resource, name);

    return meta(object, "deletionTimestamp");
}

/* Waits in a watch until somebody has asked for its deletion. */
static void wait_until_marked(struct store_fixture *f, const struct resource *resource,
                              const char *name)
{
    cleanup(store_watch_close) struct store_watch *watch = watching(f, resource, NULL);

    while (!is_marked(f, resource, name)) {
        cleanup(store_event_deinit) struct store_event event = next_event(f, watch);
    }
}

/* Create and get. */

TEST(create_gives_uid_version_and_creation_time)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *object = created(f, &certificates, certificate(f, "web"));
    cleanup(json_unref) struct json *again = got(f, &certificates, "web");

    ASSERT_EQ(strlen(meta(object, "uid")), 36);
    ASSERT_TRUE(meta(object, "resourceVersion"));
    ASSERT_TRUE(meta(object, "creationTimestamp"));
    ASSERT_EQ(generation(object), 1);
    ASSERT_STREQ(json_get_text(object, "apiVersion"), "cert-manager.io/v1");
    ASSERT_STREQ(json_get_text(object, "kind"), "Certificate");
    ASSERT_TRUE(json_same(object, again));
}

TEST(create_ignores_what_only_the_server_sets)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *given = certificate(f, "web");
    cleanup(json_unref) struct json *object = NULL;

    json_set_text(json_get(given, "metadata"), "uid", "00000000-0000-4000-8000-000000000000");
    json_set_text(json_get(given, "metadata"), "creationTimestamp", "2001-01-01T00:00:00Z");
    json_set_int(json_get(given, "metadata"), "generation", 7);
    object = created(f, &certificates, take(given));
    ASSERT_FALSE(streq(meta(object, "uid"), "00000000-0000-4000-8000-000000000000"));
    ASSERT_FALSE(streq(meta(object, "creationTimestamp"), "2001-01-01T00:00:00Z"));
    ASSERT_EQ(generation(object), 1);
}

TEST(create_of_a_name_that_is_taken_is_refused)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *first = created(f, &certificates, certificate(f, "web"));
    cleanup(json_unref) struct json *second = certificate(f, "web");
    cleanup(json_unref) struct json *ret = NULL;
    struct err err = {};

    ASSERT_ERR(ERR_EXISTS,
               store_create(f->store, &f->ctx, &certificates, MANAGER, second, &ret, &err));
    ASSERT_NULL(ret);
}

TEST(create_drops_a_status_that_is_written_apart)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *given = certificate(f, "web");
    cleanup(json_unref) struct json *object = NULL;

    json_set(given, "status", json_of("{'revision': 3}"));
    object = created(f, &certificates, take(given));
    ASSERT_NULL(json_get(object, "status"));
}

TEST(generate_name_appends_five_characters)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *given = certificate(f, "web");
    cleanup(json_unref) struct json *one = NULL, *two = NULL;

    json_set_text(json_get(given, "metadata"), "name", ""); /* the same as none */
    json_set_text(json_get(given, "metadata"), "generateName", "web-");
    one = created(f, &certificates, json_deep(given));
    two = created(f, &certificates, take(given));
    ASSERT_EQ(strlen(meta(one, "name")), strlen("web-12345"));
    ASSERT_TRUE(str_starts(meta(one, "name"), "web-"));
    ASSERT_EQ(strspn(meta(one, "name") + 4, "bcdfghjklmnpqrstvwxz2456789"), 5);
    ASSERT_FALSE(streq(meta(one, "name"), meta(two, "name")));
}

TEST(a_long_generate_name_is_cut_to_fit_a_label)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *given = certificate(f, "web");
    cleanup(json_unref) struct json *object = NULL;

    json_remove(json_get(given, "metadata"), "name");
    json_set_text(json_get(given, "metadata"), "generateName",
                  "a23456789012345678901234567890123456789012345678901234567890123456789");
    object = created(f, &certificates, take(given));
    ASSERT_EQ(strlen(meta(object, "name")), 63);
}

TEST(objects_that_are_not_valid_are_refused)
{
    static const struct {
        const char *name;
        const char *metadata;
    } rows[] = {
        {"upper case name", "{'name': 'Web'}"},
        {"path in name", "{'name': '../web'}"},
        {"empty name", "{'name': ''}"},
        {"no name", "{}"},
        {"label key", "{'name': 'web', 'labels': {'a b': 'c'}}"},
        {"label value", "{'name': 'web', 'labels': {'a': '-'}}"},
        {"annotation key", "{'name': 'web', 'annotations': {'a/b/c': ''}}"},
        {"finalizer", "{'name': 'web', 'finalizers': ['a b']}"},
        {"owner without uid",
         "{'name': 'web', 'ownerReferences': [{'apiVersion': 'v1', 'kind': 'Secret', 'name': 'x',"
         " 'uid': ''}]}"},
        {"version on creation", "{'name': 'web', 'resourceVersion': '1'}"},
    };
    struct store_fixture *f = *test_state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(json_unref) struct json *given = certificate(f, "web");
        cleanup(json_unref) struct json *ret = NULL;
        struct err err = {};

        CASE(rows[i].name);
        json_set(given, "metadata", json_of("%s", rows[i].metadata));
        json_set_text(json_get(given, "metadata"), "namespace", f->namespace);
        ASSERT_ERR(ERR_INVALID,
                   store_create(f->store, &f->ctx, &certificates, MANAGER, given, &ret, &err));
    }
    CASE("");
}

TEST(get_of_nothing_is_not_found)
{
    struct store_fixture *f = *test_state;
    struct key key = {.namespace = f->namespace, .name = "nobody"};
    cleanup(json_unref) struct json *ret = NULL;
    struct err err = {};

    ASSERT_ERR(ERR_NOT_FOUND, store_get(f->store, &f->ctx, &certificates, &key, &ret, &err));
    ASSERT_CONTAINS(err.text, "nobody");
}

TEST(cluster_scoped_objects_have_no_namespace)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *object = created(
        f, &cluster_issuers,
        json_of("{'metadata': {'generateName': 'suite-'}, 'spec': {'selfSigned': {}}}"));

    ASSERT_NULL(meta(object, "namespace"));
    ASSERT_TRUE(is_there(f, &cluster_issuers, meta(object, "name")));
    deleted(f, &cluster_issuers, meta(object, "name"));
}

TEST(list_gives_every_object_of_the_namespace)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *a = created(f, &certificates, certificate(f, "a"));
    cleanup(json_unref) struct json *b = created(f, &certificates, certificate(f, "b"));
    cleanup(json_unref) struct json *list = NULL;
    struct err err = {};

    ASSERT_OK(store_list(f->store, &f->ctx, &certificates, f->namespace, &list, &err));
    ASSERT_EQ(json_len(list), 2);
    json_unref(take(list));
    ASSERT_OK(store_list(f->store, &f->ctx, &certificates, "elsewhere", &list, &err));
    ASSERT_EQ(json_len(list), 0);
}

/* Update. */

TEST(update_needs_the_present_version)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *old = created(f, &certificates, certificate(f, "web"));
    cleanup(json_unref) struct json *changed = json_deep(old);
    cleanup(json_unref) struct json *new = NULL, *ret = NULL;
    struct err err = {};

    json_set_text(json_get(changed, "spec"), "secretName", "other");
    ASSERT_OK(
        store_update(f->store, &f->ctx, &certificates, STORE_OBJECT, MANAGER, changed, &new, &err));
    ASSERT_EQ(version_compare(meta(old, "resourceVersion"), meta(new, "resourceVersion")), -1);
    ASSERT_ERR(ERR_CONFLICT, store_update(f->store, &f->ctx, &certificates, STORE_OBJECT, MANAGER,
                                          changed, &ret, &err));
    json_remove(json_get(changed, "metadata"), "resourceVersion");
    ASSERT_ERR(ERR_INVALID, store_update(f->store, &f->ctx, &certificates, STORE_OBJECT, MANAGER,
                                         changed, &ret, &err));
}

TEST(update_of_another_uid_is_a_conflict)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *object = created(f, &certificates, certificate(f, "web"));
    cleanup(json_unref) struct json *ret = NULL;
    struct err err = {};

    json_set_text(json_get(object, "metadata"), "uid", "00000000-0000-4000-8000-000000000000");
    json_set_text(json_get(object, "spec"), "secretName", "other");
    ASSERT_ERR(ERR_CONFLICT, store_update(f->store, &f->ctx, &certificates, STORE_OBJECT, MANAGER,
                                          object, &ret, &err));
}

TEST(update_of_nothing_is_not_found)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *object = certificate(f, "web");
    cleanup(json_unref) struct json *ret = NULL;
    struct err err = {};

    json_set_text(json_get(object, "metadata"), "resourceVersion", "1");
    ASSERT_ERR(ERR_NOT_FOUND, store_update(f->store, &f->ctx, &certificates, STORE_OBJECT, MANAGER,
                                           object, &ret, &err));
}

/* Writes status {revision} and gives back what is stored. */
static struct json *with_revision(struct store_fixture *f, const struct json *object, int revision)
{
    cleanup(json_unref) struct json *changed = json_deep(object);
    struct json *ret = NULL;
    struct err err = {};

    json_set(changed, "status", json_of("{'revision': %d}", revision));
    ASSERT_OK(
        store_update(f->store, &f->ctx, &certificates, STORE_STATUS, MANAGER, changed, &ret, &err));
    return ret;
}

TEST(an_update_keeps_the_status_and_raises_the_generation)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *object = created(f, &certificates, certificate(f, "web"));
    cleanup(json_unref) struct json *ready = with_revision(f, object, 1);
    cleanup(json_unref) struct json *changed = json_deep(ready), *ret = NULL;
    struct err err = {};

    json_set(changed, "status", json_of("{'revision': 99}"));
    json_set_text(json_get(changed, "spec"), "secretName", "other");
    ASSERT_OK(
        store_update(f->store, &f->ctx, &certificates, STORE_OBJECT, MANAGER, changed, &ret, &err));
    assert_json(json_get(ret, "status"), "{'revision': 1}");
    ASSERT_STREQ(text_at(ret, "spec.secretName"), "other");
    ASSERT_EQ(generation(ret), 2);
}

TEST(metadata_does_not_raise_the_generation)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *object = created(f, &certificates, certificate(f, "web"));
    cleanup(json_unref) struct json *ret = patched(f, &certificates, "web", MANAGER,
                                                   json_of("{'metadata': {'labels': {'a': 'b'}}}"));

    ASSERT_EQ(generation(ret), 1);
    ASSERT_EQ(version_compare(meta(object, "resourceVersion"), meta(ret, "resourceVersion")), -1);
}

TEST(a_status_update_changes_nothing_but_the_status)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *object = created(f, &certificates, certificate(f, "web"));
    cleanup(json_unref) struct json *changed = json_deep(object), *ret = NULL;
    struct err err = {};

    json_set_text(json_get(changed, "spec"), "secretName", "other");
    json_set(json_get(changed, "metadata"), "labels", json_of("{'a': 'b'}"));
    json_set(changed, "status", json_of("{'revision': 5}"));
    ASSERT_OK(
        store_update(f->store, &f->ctx, &certificates, STORE_STATUS, MANAGER, changed, &ret, &err));
    ASSERT_STREQ(text_at(ret, "spec.secretName"), "web-tls");
    ASSERT_NULL(json_path(ret, "metadata.labels"));
    assert_json(json_get(ret, "status"), "{'revision': 5}");
    ASSERT_EQ(generation(ret), 1);
}

TEST(a_status_written_on_an_old_version_is_a_conflict)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *object = created(f, &certificates, certificate(f, "web"));
    cleanup(json_unref) struct json *newer = with_revision(f, object, 1);
    cleanup(json_unref) struct json *ret = NULL;
    struct err err = {};

    json_set(object, "status", json_of("{'revision': 2}"));
    ASSERT_ERR(ERR_CONFLICT, store_update(f->store, &f->ctx, &certificates, STORE_STATUS, MANAGER,
                                          object, &ret, &err));
}

TEST(a_write_that_changes_nothing_keeps_the_version)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *object = created(f, &certificates, certificate(f, "web"));
    cleanup(json_unref) struct json *ready = with_revision(f, object, 1);
    cleanup(json_unref) struct json *same = with_revision(f, ready, 1);
    cleanup(json_unref) struct json *updated = NULL, *merged = NULL;
    struct err err = {};

    ASSERT_STREQ(meta(same, "resourceVersion"), meta(ready, "resourceVersion"));
    ASSERT_OK(
        store_update(f->store, &f->ctx, &certificates, STORE_OBJECT, OTHER, ready, &updated, &err));
    ASSERT_STREQ(meta(updated, "resourceVersion"), meta(ready, "resourceVersion"));
    merged = patched(f, &certificates, "web", OTHER,
                     json_of("{'spec': {'secretName': 'web-tls'}}"));
    ASSERT_STREQ(meta(merged, "resourceVersion"), meta(ready, "resourceVersion"));
}

/* Patch. */

TEST(a_merge_patch_sets_and_removes)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *object = created(
        f, &secrets, secret(f, "web", "{'data': {'a': 'YQ==', 'b': 'Yg=='}, 'type': 'Opaque'}"));
    cleanup(json_unref) struct json *ret = patched(
        f, &secrets, "web", MANAGER,
        json_of("{'metadata': {'labels': {'x': 'y'}}, 'data': {'a': null, 'c': 'Yw=='}}"));

    assert_json(json_get(ret, "data"), "{'b': 'Yg==', 'c': 'Yw=='}");
    assert_json(json_path(ret, "metadata.labels"), "{'x': 'y'}");
    ASSERT_STREQ(meta(ret, "uid"), meta(object, "uid"));
}

TEST(a_patch_holds_only_under_its_precondition)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *object = created(f, &secrets, secret(f, "web", "{}"));
    cleanup(json_unref) struct json *newer = patched(f, &secrets, "web", MANAGER,
                                                     json_of("{'data': {'a': 'YQ=='}}"));
    cleanup(json_unref) struct json *patch = json_of("{'data': {'a': null}}");
    cleanup(json_unref) struct json *ret = NULL;
    struct key key = key_of(object);
    struct store_precondition old = {.version = meta(object, "resourceVersion")};
    struct store_precondition foreign = {.uid = "00000000-0000-4000-8000-000000000000"};
    struct store_precondition right = {.uid = meta(object, "uid"),
                                       .version = meta(newer, "resourceVersion")};
    struct err err = {};

    ASSERT_ERR(ERR_CONFLICT,
               store_patch(f->store, &f->ctx, &secrets, &key, &old, MANAGER, patch, &ret, &err));
    ASSERT_ERR(ERR_CONFLICT, store_patch(f->store, &f->ctx, &secrets, &key, &foreign, MANAGER,
                                         patch, &ret, &err));
    ASSERT_OK(store_patch(f->store, &f->ctx, &secrets, &key, &right, MANAGER, patch, &ret, &err));
}

TEST(a_patch_of_nothing_is_not_found)
{
    struct store_fixture *f = *test_state;
    struct key key = {.namespace = f->namespace, .name = "nobody"};
    cleanup(json_unref) struct json *patch = json_of("{}"), *ret = NULL;
    struct err err = {};

    ASSERT_ERR(ERR_NOT_FOUND,
               store_patch(f->store, &f->ctx, &secrets, &key, NULL, MANAGER, patch, &ret, &err));
}

TEST(a_patch_leaves_a_status_that_is_written_apart)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *object = created(f, &certificates, certificate(f, "web"));
    cleanup(json_unref) struct json *ready = with_revision(f, object, 1);
    cleanup(json_unref) struct json *ret = patched(f, &certificates, "web", MANAGER,
                                                   json_of("{'status': {'revision': 7}}"));

    assert_json(json_get(ret, "status"), "{'revision': 1}");
    ASSERT_STREQ(meta(ret, "resourceVersion"), meta(ready, "resourceVersion"));
}

/* Delete and finalizers. */

TEST(delete_removes_the_object)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *object = created(f, &certificates, certificate(f, "web"));
    struct key key = key_of(object);
    struct err err = {};

    deleted(f, &certificates, "web");
    ASSERT_FALSE(is_there(f, &certificates, "web"));
    ASSERT_ERR(ERR_NOT_FOUND, store_delete(f->store, &f->ctx, &certificates, &key, NULL, &err));
}

TEST(delete_holds_only_under_its_precondition)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *object = created(f, &certificates, certificate(f, "web"));
    cleanup(json_unref) struct json *newer = with_revision(f, object, 1);
    struct key key = key_of(object);
    struct store_precondition old = {.version = meta(object, "resourceVersion")};
    struct store_precondition foreign = {.uid = "00000000-0000-4000-8000-000000000000"};
    struct store_precondition right = {.uid = meta(object, "uid"),
                                       .version = meta(newer, "resourceVersion")};
    struct err err = {};

    ASSERT_ERR(ERR_CONFLICT, store_delete(f->store, &f->ctx, &certificates, &key, &old, &err));
    ASSERT_ERR(ERR_CONFLICT, store_delete(f->store, &f->ctx, &certificates, &key, &foreign, &err));
    ASSERT_TRUE(is_there(f, &certificates, "web"));
    ASSERT_OK(store_delete(f->store, &f->ctx, &certificates, &key, &right, &err));
    ASSERT_FALSE(is_there(f, &certificates, "web"));
}

static struct json *with_finalizer(struct store_fixture *f, const char *name)
{
    struct json *object = certificate(f, name);

    json_set(json_get(object, "metadata"), "finalizers", json_of("['suite.certlet.dev/hold']"));
    return created(f, &certificates, object);
}

TEST(a_finalizer_turns_deletion_into_a_mark)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *object = with_finalizer(f, "web");
    cleanup(json_unref) struct json *marked = NULL, *again = NULL;

    deleted(f, &certificates, "web");
    marked = got(f, &certificates, "web");
    ASSERT_TRUE(meta(marked, "deletionTimestamp"));
    ASSERT_EQ(version_compare(meta(object, "resourceVersion"), meta(marked, "resourceVersion")),
              -1);
    deleted(f, &certificates, "web"); /* once more is nothing new */
    again = got(f, &certificates, "web");
    ASSERT_STREQ(meta(again, "resourceVersion"), meta(marked, "resourceVersion"));
}

TEST(the_last_finalizer_off_deletes)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *object = with_finalizer(f, "web"), *ret = NULL;

    deleted(f, &certificates, "web");
    ret = patched(f, &certificates, "web", MANAGER, json_of("{'metadata': {'finalizers': null}}"));
    ASSERT_FALSE(is_there(f, &certificates, "web"));
}

TEST(no_finalizer_is_added_to_what_is_being_deleted)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *object = with_finalizer(f, "web");
    cleanup(json_unref) struct json *patch = json_of(
        "{'metadata': {'finalizers': ['suite.certlet.dev/hold', 'suite.certlet.dev/late']}}");
    cleanup(json_unref) struct json *ret = NULL;
    struct key key = key_of(object);
    struct err err = {};

    deleted(f, &certificates, "web");
    ASSERT_ERR(ERR_INVALID, store_patch(f->store, &f->ctx, &certificates, &key, NULL, MANAGER,
                                        patch, &ret, &err));
    ret = patched(f, &certificates, "web", MANAGER, json_of("{'metadata': {'finalizers': null}}"));
}

TEST(deletion_stays_a_mark_after_other_changes)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *object = with_finalizer(f, "web"), *marked = NULL, *ret = NULL;

    deleted(f, &certificates, "web");
    marked = got(f, &certificates, "web");
    ret = patched(f, &certificates, "web", MANAGER,
                  json_of("{'metadata': {'deletionTimestamp': null, 'labels': {'a': 'b'}}}"));
    ASSERT_STREQ(meta(ret, "deletionTimestamp"), meta(marked, "deletionTimestamp"));
    json_unref(take(ret));
    ret = patched(f, &certificates, "web", MANAGER, json_of("{'metadata': {'finalizers': null}}"));
}

/* Apply. */

TEST(apply_creates_what_is_not_there)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *object = applied(
        f, MANAGER,
        secret(f, "web", "{'metadata': {'labels': {'a': 'b'}}, 'data': {'k': 'YQ=='}}"));

    ASSERT_TRUE(meta(object, "uid"));
    ASSERT_STREQ(json_get_text(object, "type"), "Opaque");
    assert_json(owned(object, MANAGER, "Apply", NULL),
                "{'f:metadata': {'f:labels': {'f:a': {}}}, 'f:data': {'f:k': {}}}");
}

TEST(applying_the_same_again_is_no_change)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *first = applied(f, MANAGER,
                                                     secret(f, "web", "{'data': {'k': 'YQ=='}}"));
    cleanup(json_unref) struct json *second = applied(f, MANAGER,
                                                      secret(f, "web", "{'data': {'k': 'YQ=='}}"));

    ASSERT_TRUE(json_same(first, second));
}

TEST(apply_removes_what_it_does_not_name_any_more)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *first = applied(
        f, MANAGER,
        secret(f, "web",
               "{'metadata': {'labels': {'a': 'b', 'c': 'd'}, 'annotations': {'x': 'y'}},"
               " 'data': {'k': 'YQ==', 'l': 'YQ=='}}"));
    cleanup(json_unref) struct json *second = applied(
        f, MANAGER,
        secret(f, "web", "{'metadata': {'labels': {'a': 'b'}}, 'data': {'k': 'YQ=='}}"));

    assert_json(json_path(second, "metadata.labels"), "{'a': 'b'}");
    ASSERT_NULL(json_path(second, "metadata.annotations"));
    assert_json(json_get(second, "data"), "{'k': 'YQ=='}");
}

TEST(apply_leaves_what_others_put_there)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *first = applied(
        f, MANAGER,
        secret(f, "web", "{'metadata': {'labels': {'a': 'b'}}, 'data': {'k': 'YQ=='}}"));
    cleanup(json_unref) struct json *between = patched(
        f, &secrets, "web", OTHER,
        json_of("{'metadata': {'labels': {'theirs': '1'}}, 'data': {'theirs': 'Yg=='}}"));
    cleanup(json_unref) struct json *last = applied(f, MANAGER,
                                                    secret(f, "web", "{'data': {'k': 'Yw=='}}"));

    assert_json(json_path(last, "metadata.labels"), "{'theirs': '1'}");
    assert_json(json_get(last, "data"), "{'k': 'Yw==', 'theirs': 'Yg=='}");
}

TEST(apply_takes_fields_over_by_force)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *first = applied(
        f, OTHER, secret(f, "web", "{'data': {'k': 'YQ==', 'l': 'YQ=='}}"));
    cleanup(json_unref) struct json *second = applied(f, MANAGER,
                                                      secret(f, "web", "{'data': {'k': 'Yg=='}}"));

    assert_json(json_get(second, "data"), "{'k': 'Yg==', 'l': 'YQ=='}");
    assert_json(owned(second, OTHER, "Apply", NULL), "{'f:data': {'f:l': {}}}");
    assert_json(owned(second, MANAGER, "Apply", NULL), "{'f:data': {'f:k': {}}}");
}

TEST(equal_values_are_owned_together_and_stay_until_both_let_go)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *one = applied(f, OTHER,
                                                   secret(f, "web", "{'data': {'k': 'YQ=='}}"));
    cleanup(json_unref) struct json *two = applied(
        f, MANAGER, secret(f, "web", "{'data': {'k': 'YQ==', 'm': 'YQ=='}}"));
    cleanup(json_unref) struct json *three = NULL, *four = NULL;

    ASSERT_TRUE(owned(two, OTHER, "Apply", NULL));
    three = applied(f, OTHER, secret(f, "web", "{'metadata': {'labels': {'a': 'b'}}}"));
    assert_json(json_get(three, "data"), "{'k': 'YQ==', 'm': 'YQ=='}");
    four = applied(f, MANAGER, secret(f, "web", "{'data': {'m': 'YQ=='}}"));
    assert_json(json_get(four, "data"), "{'m': 'YQ=='}");
}

TEST(what_was_taken_over_is_removed_when_its_taker_lets_go)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *one = applied(f, OTHER,
                                                   secret(f, "web", "{'data': {'k': 'YQ=='}}"));
    cleanup(json_unref) struct json *two = applied(f, MANAGER,
                                                   secret(f, "web", "{'data': {'k': 'Yg=='}}"));
    cleanup(json_unref) struct json *three = applied(
        f, MANAGER, secret(f, "web", "{'metadata': {'labels': {'a': 'b'}}}"));

    ASSERT_NULL(owned(two, OTHER, "Apply", NULL));
    ASSERT_NULL(json_path(three, "data.k"));
}

TEST(an_update_takes_changed_fields_from_an_applier_who_takes_them_back)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *one = applied(
        f, MANAGER, secret(f, "web", "{'data': {'k': 'YQ==', 'l': 'YQ=='}}"));
    cleanup(json_unref) struct json *two = patched(f, &secrets, "web", OTHER,
                                                   json_of("{'data': {'k': 'Yg=='}}"));
    cleanup(json_unref) struct json *three = applied(
        f, MANAGER, secret(f, "web", "{'data': {'k': 'YQ==', 'l': 'YQ=='}}"));

    assert_json(owned(two, MANAGER, "Apply", NULL), "{'f:data': {'f:l': {}}}");
    assert_json(owned(two, OTHER, "Update", NULL), "{'f:data': {'f:k': {}}}");
    assert_json(owned(three, MANAGER, "Apply", NULL), "{'f:data': {'f:k': {}, 'f:l': {}}}");
    ASSERT_NULL(owned(three, OTHER, "Update", NULL));
    ASSERT_STREQ(text_at(three, "data.k"), "YQ==");
}

TEST(apply_for_a_certain_uid_does_not_make_a_new_object)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *config = secret(
        f, "web",
        "{'metadata': {'uid': '00000000-0000-4000-8000-000000000000'}, 'data': {'k': 'YQ=='}}");
    cleanup(json_unref) struct json *object = NULL, *ret = NULL;
    struct err err = {};

    ASSERT_ERR(ERR_CONFLICT, store_apply(f->store, &f->ctx, &secrets, MANAGER, config, &ret, &err));
    ASSERT_FALSE(is_there(f, &secrets, "web"));
    object = created(f, &secrets, secret(f, "web", "{}"));
    ASSERT_ERR(ERR_CONFLICT, store_apply(f->store, &f->ctx, &secrets, MANAGER, config, &ret, &err));
}

TEST(apply_where_nothing_may_be_creates_and_does_not_change)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *config = secret(
        f, "web", "{'metadata': {'resourceVersion': '" STORE_ABSENT "'}, 'data': {'k': 'YQ=='}}");
    cleanup(json_unref) struct json *object = json_deep(config), *ret = NULL, *there = NULL;
    struct err err = {};

    object = applied(f, MANAGER, object);
    assert_json(owned(object, MANAGER, "Apply", NULL), "{'f:data': {'f:k': {}}}");
    ASSERT_ERR(ERR_CONFLICT, store_apply(f->store, &f->ctx, &secrets, MANAGER, config, &ret, &err));
    there = got(f, &secrets, "web");
    ASSERT_TRUE(json_same(there, object));
}

TEST(finalizers_are_a_set_of_many_owners)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *one = applied(
        f, OTHER, secret(f, "web", "{'metadata': {'finalizers': ['suite.certlet.dev/a']}}"));
    cleanup(json_unref) struct json *two = applied(
        f, MANAGER, secret(f, "web", "{'metadata': {'finalizers': ['suite.certlet.dev/b']}}"));
    cleanup(json_unref) struct json *three = applied(f, OTHER, secret(f, "web", "{}"));
    cleanup(json_unref) struct json *four = NULL;

    ASSERT_EQ(json_len(json_path(two, "metadata.finalizers")), 2);
    assert_json(owned(two, MANAGER, "Apply", NULL),
                "{'f:metadata': {'f:finalizers': {'v:\\'suite.certlet.dev/b\\'': {}}}}");
    assert_json(json_path(three, "metadata.finalizers"), "['suite.certlet.dev/b']");
    four = applied(f, MANAGER, secret(f, "web", "{}"));
    ASSERT_NULL(json_path(four, "metadata.finalizers"));
}

TEST(owner_references_are_told_apart_by_uid)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *owner = created(f, &certificates, certificate(f, "web"));
    cleanup(json_unref) struct json *one = created(f, &secrets, secret(f, "web-tls", "{}"));
    cleanup(json_unref) struct json *two = applied(
        f, MANAGER,
        secret(f, "web-tls",
               "{'metadata': {'ownerReferences': [{'apiVersion': 'cert-manager.io/v1', 'kind':"
               " 'Certificate', 'name': 'web', 'uid': '%s', 'controller': true}]}}",
               meta(owner, "uid")));
    cleanup(json_unref) struct json *three = applied(f, MANAGER, secret(f, "web-tls", "{}"));

    ASSERT_EQ(json_len(json_path(two, "metadata.ownerReferences")), 1);
    assert_json(owned(two, MANAGER, "Apply", NULL),
                "{'f:metadata': {'f:ownerReferences': {'k:{\\'uid\\':\\'%s\\'}': {}}}}",
                meta(owner, "uid"));
    ASSERT_NULL(json_path(three, "metadata.ownerReferences"));
}

/* managedFields of other writes. */

TEST(a_create_owns_everything_it_gives)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *object = created(
        f, &secrets,
        secret(f, "web", "{'metadata': {'labels': {'a': 'b'}}, 'data': {'k': 'YQ=='}}"));

    assert_json(owned(object, MANAGER, "Update", NULL),
                "{'f:metadata': {'f:labels': {'.': {}, 'f:a': {}}}, 'f:data': {'.': {}, 'f:k': {}},"
                " 'f:type': {}}");
}

TEST(status_is_owned_by_an_entry_of_its_own_with_conditions_by_type)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *object = created(f, &certificates, certificate(f, "web"));
    cleanup(json_unref) struct json *ret = NULL;
    struct err err = {};

    json_set(object, "status", json_of("{'conditions': [{'type': 'Ready', 'status': 'True'}]}"));
    ASSERT_OK(
        store_update(f->store, &f->ctx, &certificates, STORE_STATUS, OTHER, object, &ret, &err));
    assert_json(owned(ret, OTHER, "Update", "status"),
                "{'f:status': {'.': {}, 'f:conditions': {'.': {}, 'k:{\\'type\\':\\'Ready\\'}':"
                " {'.': {}, 'f:type': {}, 'f:status': {}}}}}");
    ASSERT_TRUE(owned(ret, MANAGER, "Update", NULL));
}

TEST(a_removed_field_is_owned_by_nobody)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *object = created(
        f, &secrets, secret(f, "web", "{'data': {'k': 'YQ==', 'l': 'YQ=='}}"));
    cleanup(json_unref) struct json *ret = patched(f, &secrets, "web", OTHER,
                                                   json_of("{'data': {'k': null}}"));

    assert_json(owned(ret, MANAGER, "Update", NULL),
                "{'f:data': {'.': {}, 'f:l': {}}, 'f:type': {}}");
    ASSERT_NULL(owned(ret, OTHER, "Update", NULL));
}

/* Secrets. */

TEST(string_data_becomes_data)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *object = created(
        f, &secrets,
        secret(f, "web", "{'data': {'a': 'YQ==', 'b': 'YQ=='}, 'stringData': {'b': 'bee'}}"));

    ASSERT_NULL(json_get(object, "stringData"));
    assert_json(json_get(object, "data"), "{'a': 'YQ==', 'b': 'YmVl'}");
    ASSERT_STREQ(json_get_text(object, "type"), "Opaque");
}

TEST(secrets_that_are_not_valid_are_refused)
{
    static const struct {
        const char *name;
        const char *secret;
    } rows[] = {
        {"value is no base64", "{'data': {'a': '*'}}"},
        {"key with a slash", "{'data': {'a/b': 'YQ=='}}"},
        {"key is ..", "{'data': {'..': 'YQ=='}}"},
        {"tls without its key", "{'type': 'kubernetes.io/tls', 'data': {'tls.crt': ''}}"},
    };
    struct store_fixture *f = *test_state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(json_unref) struct json *given = secret(f, "web", "%s", rows[i].secret);
        cleanup(json_unref) struct json *ret = NULL;
        struct err err = {};

        CASE(rows[i].name);
        ASSERT_ERR(ERR_INVALID,
                   store_create(f->store, &f->ctx, &secrets, MANAGER, given, &ret, &err));
    }
    CASE("");
}

TEST(the_type_of_a_secret_cannot_change)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *object = created(f, &secrets, secret(f, "web", "{}"));
    cleanup(json_unref) struct json *config = secret(
        f, "web", "{'type': 'kubernetes.io/tls', 'data': {'tls.crt': '', 'tls.key': ''}}");
    cleanup(json_unref) struct json *ret = NULL;
    struct err err = {};

    ASSERT_ERR(ERR_INVALID, store_apply(f->store, &f->ctx, &secrets, MANAGER, config, &ret, &err));
}

TEST(an_immutable_secret_keeps_its_data)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *object = created(
        f, &secrets, secret(f, "web", "{'immutable': true, 'data': {'a': 'YQ=='}}"));
    cleanup(json_unref) struct json *config = secret(f, "web", "{'data': {'a': 'Yg=='}}"),
                                    *ret = NULL;
    cleanup(json_unref) struct json *labelled = patched(
        f, &secrets, "web", MANAGER, json_of("{'metadata': {'labels': {'a': 'b'}}}"));
    struct err err = {};

    ASSERT_ERR(ERR_INVALID, store_apply(f->store, &f->ctx, &secrets, MANAGER, config, &ret, &err));
}

/* Watch. */

TEST(a_watch_gives_the_present_state_then_every_change)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *a = created(f, &certificates, certificate(f, "a")), *b = NULL,
                                    *c = NULL;
    cleanup(store_watch_close) struct store_watch *watch = watching(f, &certificates, NULL);

    expect_initial(f, watch, "a");
    b = created(f, &certificates, certificate(f, "b"));
    expect(f, watch, STORE_ADDED, "b");
    c = with_revision(f, b, 1);
    deleted(f, &certificates, "b");
    expect(f, watch, STORE_MODIFIED, "b");
    expect(f, watch, STORE_DELETED, "b");
    expect_nothing(f, watch);
}

TEST(a_watch_of_an_empty_namespace_ends_its_initial_state_at_once)
{
    struct store_fixture *f = *test_state;
    cleanup(store_watch_close) struct store_watch *watch = watching(f, &certificates, NULL);

    expect_initial_end(f, watch);
    expect_nothing(f, watch);
}

TEST(a_watch_since_a_version_gives_only_what_came_later)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *a = created(f, &certificates, certificate(f, "a"));
    cleanup(json_unref) struct json *b = created(f, &certificates, certificate(f, "b")), *c = NULL;
    cleanup(store_watch_close) struct store_watch *watch = watching(f, &certificates,
                                                                    meta(a, "resourceVersion"));

    expect(f, watch, STORE_ADDED, "b");
    c = created(f, &certificates, certificate(f, "c"));
    expect(f, watch, STORE_ADDED, "c");
}

TEST(a_deleted_event_carries_the_last_state)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *a = created(f, &certificates, certificate(f, "a"));
    cleanup(store_watch_close) struct store_watch *watch = watching(f, &certificates,
                                                                    meta(a, "resourceVersion"));

    deleted(f, &certificates, "a");
    {
        cleanup(store_event_deinit) struct store_event event = next_event(f, watch);

        ASSERT_EQ(event.type, STORE_DELETED);
        ASSERT_STREQ(meta(event.object, "uid"), meta(a, "uid"));
        ASSERT_STREQ(text_at(event.object, "spec.secretName"), "a-tls");
        ASSERT_EQ(version_compare(meta(a, "resourceVersion"), event.version), -1);
    }
}

TEST(a_watch_sees_neither_other_kinds_nor_other_namespaces)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *a = created(f, &certificates, certificate(f, "a")), *b = NULL;
    cleanup(store_watch_close) struct store_watch *watch = watching(f, &secrets, NULL);

    expect_initial_end(f, watch);
    b = created(f, &secrets, secret(f, "b", "{}"));
    expect(f, watch, STORE_ADDED, "b");
    expect_nothing(f, watch);
}

TEST(a_watch_that_ran_into_its_deadline_goes_on)
{
    struct store_fixture *f = *test_state;
    cleanup(store_watch_close) struct store_watch *watch = watching(f, &certificates, NULL);
    cleanup(json_unref) struct json *a = NULL;

    expect_initial_end(f, watch);
    expect_nothing(f, watch);
    a = created(f, &certificates, certificate(f, "a"));
    expect(f, watch, STORE_ADDED, "a");
}

static void relabel(struct store_fixture *f, const char *name, const char *labels)
{
    struct key key = {.namespace = f->namespace, .name = name};
    cleanup(json_unref) struct json *patch = json_of("{'metadata': {'labels': %s}}", labels);
    struct err err = {};

    ASSERT_OK(store_patch(f->store, &f->ctx, &secrets, &key, NULL, MANAGER, patch, NULL, &err));
}

TEST(a_watch_with_a_label_selector_tells_who_enters_and_who_leaves)
{
    struct store_fixture *f = *test_state;
    struct store_view with = {.label_selector = "role=x"}, without = {.label_selector = "role!=x"};
    cleanup(json_unref) struct json *a = created(
        f, &secrets, secret(f, "a", "{'metadata': {'labels': {'role': 'x'}}}"));
    cleanup(json_unref) struct json *b = created(f, &secrets, secret(f, "b", "{}"));
    cleanup(store_watch_close) struct store_watch *in = watching_view(f, &secrets, &with, NULL);
    cleanup(store_watch_close) struct store_watch *out = watching_view(f, &secrets, &without, NULL);

    expect_initial(f, in, "a");
    expect_initial(f, out, "b");
    relabel(f, "b", "{'role': 'x'}");
    expect(f, in, STORE_ADDED, "b");
    expect(f, out, STORE_DELETED, "b");
    relabel(f, "b", "{'more': 'y'}");
    expect(f, in, STORE_MODIFIED, "b");
    relabel(f, "a", "{'role': null}");
    expect(f, in, STORE_DELETED, "a");
    expect(f, out, STORE_ADDED, "a");
    relabel(f, "a", "{'role': 'y'}");
    expect(f, out, STORE_MODIFIED, "a");
    deleted(f, &secrets, "b");
    expect(f, in, STORE_DELETED, "b");
    deleted(f, &secrets, "a");
    expect(f, out, STORE_DELETED, "a");
    expect_nothing(f, in);
    expect_nothing(f, out);
}

TEST(a_watch_of_one_name_sees_no_other)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *a = created(f, &certificates, certificate(f, "a"));
    cleanup(json_unref) struct json *b = created(f, &certificates, certificate(f, "b"));
    cleanup(json_unref) struct json *c = NULL, *changed = NULL;
    struct store_view only_b = {.field_selector = "metadata.name=b"};
    cleanup(store_watch_close) struct store_watch *watch = watching_view(f, &certificates, &only_b,
                                                                         NULL);

    expect_initial(f, watch, "b");
    c = created(f, &certificates, certificate(f, "c"));
    deleted(f, &certificates, "a");
    deleted(f, &certificates, "b");
    expect(f, watch, STORE_DELETED, "b");
    changed = created(f, &certificates, certificate(f, "b"));
    expect(f, watch, STORE_ADDED, "b");
    expect_nothing(f, watch);
}

TEST(a_watch_may_be_of_a_label_alone)
{
    struct store_fixture *f = *test_state;
    struct store_view any = {.label_selector = "role"}, none = {.label_selector = "!role"};
    cleanup(json_unref) struct json *a = created(f, &secrets, secret(f, "a", "{}"));
    cleanup(json_unref) struct json *b = created(
        f, &secrets, secret(f, "b", "{'metadata': {'labels': {'role': 'z'}}}"));
    cleanup(store_watch_close) struct store_watch *with = watching_view(f, &secrets, &any, NULL);
    cleanup(store_watch_close) struct store_watch *without = watching_view(f, &secrets, &none,
                                                                           NULL);

    expect_initial(f, with, "b");
    expect_initial(f, without, "a");
    relabel(f, "b", "{'more': 'y'}");
    expect(f, with, STORE_MODIFIED, "b");
    expect_nothing(f, without);
}

TEST(a_watch_of_metadata_gives_no_data)
{
    struct store_fixture *f = *test_state;
    struct store_view view = {.metadata_only = true};
    cleanup(json_unref) struct json *a = created(f, &secrets,
                                                 secret(f, "a", "{'data': {'k': 'dmFsdWU='}}"));
    cleanup(store_watch_close) struct store_watch *watch = watching_view(f, &secrets, &view, NULL);
    cleanup(store_event_deinit) struct store_event event = next_event(f, watch);

    ASSERT_EQ(event.type, STORE_ADDED);
    ASSERT_STREQ(json_get_text(event.object, "kind"), PARTIAL_KIND);
    ASSERT_STREQ(json_get_text(event.object, "apiVersion"), PARTIAL_API_VERSION);
    ASSERT_STREQ(meta(event.object, "uid"), meta(a, "uid"));
    ASSERT_NULL(json_get(event.object, "data"));
    ASSERT_NULL(json_get(event.object, "type"));
}

TEST(a_selector_that_is_not_understood_is_refused)
{
    static const struct store_view views[] = {
        {.label_selector = "a in b"},         {.label_selector = "=b"},
        {.label_selector = "!a=b"},           {.field_selector = "type=Opaque"},
        {.field_selector = "metadata.name="},
    };
    struct store_fixture *f = *test_state;

    for (size_t i = 0; i < ARRAY_LEN(views); i++) {
        struct store_watch *watch = NULL;
        struct err err = {};

        ASSERT_ERR(ERR_INVALID, f->store->ops->watch(f->store, &f->ctx, &secrets, &views[i], NULL,
                                                     &watch, &err));
    }
}

TEST(a_cancelled_watch_says_so)
{
    struct store_fixture *f = *test_state;
    cleanup(cancel_unref) struct cancel *cancel = cancel_new();
    struct context ctx = context_with_cancel(&f->ctx, cancel);
    cleanup(store_watch_close) struct store_watch *watch = watching(f, &certificates, NULL);
    cleanup(store_event_deinit) struct store_event event = {};
    struct err err = {};

    expect_initial_end(f, watch);
    cancel_fire(cancel);
    ASSERT_ERR(ERR_CANCELED, f->store->ops->watch_next(watch, &ctx, &event, &err));
}

TEST(a_version_that_left_the_change_log_is_gone)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *a = created(f, &certificates, certificate(f, "a"));
    cleanup(store_watch_close) struct store_watch *watch = NULL, *fresh = NULL;
    cleanup(store_event_deinit) struct store_event event = {};
    struct err err = {};
    int r;

    if (!suite->compact) {
        skip();
        return;
    }
    suite->compact(f);
    r = f->store->ops->watch(f->store, &f->ctx, &certificates,
                             &(struct store_view){.namespace = f->namespace},
                             meta(a, "resourceVersion"), &watch, &err);
    if (r == 0) /* an API server may say it in the stream */
        r = f->store->ops->watch_next(watch, &f->ctx, &event, &err);
    ASSERT_EQ(r, ERR_GONE);
    fresh = watching(f, &certificates, NULL);
    expect(f, fresh, STORE_ADDED, "a");
}

/* Deletion through owners. */

static struct json *owned_secret(struct store_fixture *f, const char *name,
                                 const struct resource *resource, const struct json *owner,
                                 const char *uid)
{
    char api_version[64];

    resource_api_version(resource, api_version, sizeof(api_version));
    return created(
        f, &secrets,
        secret(f, name,
               "{'metadata': {'ownerReferences': [{'apiVersion': '%s', 'kind': '%s', 'name':"
               " '%s', 'uid': '%s'}]}}",
               api_version, resource->kind, meta(owner, "name"), uid));
}

TEST(owned_objects_go_with_their_owner_and_what_they_own)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *owner = created(f, &certificates, certificate(f, "owner"));
    cleanup(json_unref) struct json *child = owned_secret(f, "child", &certificates, owner,
                                                          meta(owner, "uid"));
    cleanup(json_unref) struct json *grandchild = owned_secret(f, "grandchild", &secrets, child,
                                                               meta(child, "uid"));
    cleanup(json_unref) struct json *stranger = created(f, &secrets, secret(f, "stranger", "{}"));

    if (!suite->collects) {
        skip();
        return;
    }
    deleted(f, &certificates, "owner");
    wait_until_gone(f, &secrets, "child");
    wait_until_gone(f, &secrets, "grandchild");
    ASSERT_TRUE(is_there(f, &secrets, "stranger"));
}

TEST(an_object_of_two_owners_stays_until_both_are_gone)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *one = created(f, &certificates, certificate(f, "one"));
    cleanup(json_unref) struct json *two = created(f, &certificates, certificate(f, "two"));
    cleanup(json_unref) struct json *marker = owned_secret(f, "marker", &certificates, one,
                                                           meta(one, "uid"));
    cleanup(json_unref) struct json *child = created(
        f, &secrets,
        secret(
            f, "child",
            "{'metadata': {'ownerReferences': [{'apiVersion': 'cert-manager.io/v1', 'kind': 'Certificate',"
            " 'name': 'one', 'uid': '%s'}, {'apiVersion': 'cert-manager.io/v1', 'kind': 'Certificate',"
            " 'name': 'two', 'uid': '%s'}]}}",
            meta(one, "uid"), meta(two, "uid")));

    if (!suite->collects) {
        skip();
        return;
    }
    deleted(f, &certificates, "one");
    wait_until_gone(f, &secrets, "marker");
    ASSERT_TRUE(is_there(f, &secrets, "child"));
    deleted(f, &certificates, "two");
    wait_until_gone(f, &secrets, "child");
}

TEST(an_object_of_the_owners_name_with_another_uid_is_not_the_owner)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *old = created(f, &certificates, certificate(f, "owner"));
    cleanup(json_unref) struct json *new = NULL, *child = NULL;

    if (!suite->collects) {
        skip();
        return;
    }
    deleted(f, &certificates, "owner");
    new = created(f, &certificates, certificate(f, "owner"));
    child = owned_secret(f, "child", &certificates, old, meta(old, "uid"));
    wait_until_gone(f, &secrets, "child");
    ASSERT_TRUE(is_there(f, &certificates, "owner"));
}

TEST(an_owned_object_with_a_finalizer_is_marked)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *owner = created(f, &certificates, certificate(f, "owner"));
    cleanup(json_unref) struct json *marker = owned_secret(f, "marker", &certificates, owner,
                                                           meta(owner, "uid"));
    cleanup(json_unref) struct json *child = certificate(f, "child"), *ret = NULL;

    json_set(json_get(child, "metadata"), "finalizers", json_of("['suite.certlet.dev/hold']"));
    json_set(json_get(child, "metadata"), "ownerReferences",
             json_deep(json_path(marker, "metadata.ownerReferences")));
    ret = created(f, &certificates, take(child));
    if (suite->collects) {
        deleted(f, &certificates, "owner");
        wait_until_gone(f, &secrets, "marker");
        wait_until_marked(f, &certificates, "child"); /* in no order */
    }
    json_unref(take(ret));
    ret = patched(f, &certificates, "child", MANAGER,
                  json_of("{'metadata': {'finalizers': null}}"));
}

/* Events and ends. */

TEST(a_note_never_fails)
{
    struct store_fixture *f = *test_state;
    cleanup(json_unref) struct json *object = created(f, &certificates, certificate(f, "web"));
    struct store_note note = {
        .resource = &certificates,
        .key = key_of(object),
        .uid = meta(object, "uid"),
        .type = EVENT_NORMAL,
        .reason = "Issuing",
        .message = "the suite says so",
        .manager = MANAGER,
    };

    store_note(f->store, &f->ctx, &note);
    store_note(f->store, &f->ctx, &note);
}

TEST(a_cancelled_call_says_so_and_changes_nothing)
{
    struct store_fixture *f = *test_state;
    cleanup(cancel_unref) struct cancel *cancel = cancel_new();
    struct context ctx = context_with_cancel(&f->ctx, cancel);
    cleanup(json_unref) struct json *before = created(f, &certificates, certificate(f, "there"));
    cleanup(json_unref) struct json *given = certificate(f, "web"), *ret = NULL, *after = NULL;
    cleanup(json_unref) struct json *patch = json_of("{'metadata': {'labels': {'a': 'b'}}}");
    struct key key = {.namespace = f->namespace, .name = "there"};
    struct err errs[6] = {};
    struct err err = {};
    int results[ARRAY_LEN(errs)];

    cancel_fire(cancel);
    results[0] = store_get(f->store, &ctx, &certificates, &key, &ret, &errs[0]);
    results[1] = store_create(f->store, &ctx, &certificates, MANAGER, given, &ret, &errs[1]);
    results[2] = store_apply(f->store, &ctx, &certificates, MANAGER, given, &ret, &errs[2]);
    results[3] = store_update(f->store, &ctx, &certificates, STORE_OBJECT, MANAGER, before, &ret,
                              &errs[3]);
    results[4] = store_patch(f->store, &ctx, &certificates, &key, NULL, MANAGER, patch, &ret,
                             &errs[4]);
    results[5] = store_delete(f->store, &ctx, &certificates, &key, NULL, &errs[5]);
    for (size_t i = 0; i < ARRAY_LEN(errs); i++) {
        err = errs[i];
        ASSERT_ERR(ERR_CANCELED, results[i]);
    }
    ASSERT_FALSE(is_there(f, &certificates, "web"));
    after = got(f, &certificates, "there");
    ASSERT_STREQ(meta(after, "resourceVersion"), meta(before, "resourceVersion"));
}

static int setup(void **test_state)
{
    struct store_fixture *f = xalloc(sizeof(*f));

    *test_state = f;
    return suite->open(f) ? 0 : -1;
}

static int teardown(void **test_state)
{
    struct store_fixture *f = *test_state;

    suite->close(f);
    xfree(f);
    return 0;
}

#define CASE_OF(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int store_suite_run(const char *name, const struct store_suite *on)
{
    const struct CMUnitTest store_tests[] = {
        CASE_OF(create_gives_uid_version_and_creation_time),
        CASE_OF(create_ignores_what_only_the_server_sets),
        CASE_OF(create_of_a_name_that_is_taken_is_refused),
        CASE_OF(create_drops_a_status_that_is_written_apart),
        CASE_OF(generate_name_appends_five_characters),
        CASE_OF(a_long_generate_name_is_cut_to_fit_a_label),
        CASE_OF(objects_that_are_not_valid_are_refused),
        CASE_OF(get_of_nothing_is_not_found),
        CASE_OF(cluster_scoped_objects_have_no_namespace),
        CASE_OF(list_gives_every_object_of_the_namespace),
        CASE_OF(update_needs_the_present_version),
        CASE_OF(update_of_another_uid_is_a_conflict),
        CASE_OF(update_of_nothing_is_not_found),
        CASE_OF(an_update_keeps_the_status_and_raises_the_generation),
        CASE_OF(metadata_does_not_raise_the_generation),
        CASE_OF(a_status_update_changes_nothing_but_the_status),
        CASE_OF(a_status_written_on_an_old_version_is_a_conflict),
        CASE_OF(a_write_that_changes_nothing_keeps_the_version),
        CASE_OF(a_merge_patch_sets_and_removes),
        CASE_OF(a_patch_holds_only_under_its_precondition),
        CASE_OF(a_patch_of_nothing_is_not_found),
        CASE_OF(a_patch_leaves_a_status_that_is_written_apart),
        CASE_OF(delete_removes_the_object),
        CASE_OF(delete_holds_only_under_its_precondition),
        CASE_OF(a_finalizer_turns_deletion_into_a_mark),
        CASE_OF(the_last_finalizer_off_deletes),
        CASE_OF(no_finalizer_is_added_to_what_is_being_deleted),
        CASE_OF(deletion_stays_a_mark_after_other_changes),
        CASE_OF(apply_creates_what_is_not_there),
        CASE_OF(applying_the_same_again_is_no_change),
        CASE_OF(apply_removes_what_it_does_not_name_any_more),
        CASE_OF(apply_leaves_what_others_put_there),
        CASE_OF(apply_takes_fields_over_by_force),
        CASE_OF(equal_values_are_owned_together_and_stay_until_both_let_go),
        CASE_OF(what_was_taken_over_is_removed_when_its_taker_lets_go),
        CASE_OF(an_update_takes_changed_fields_from_an_applier_who_takes_them_back),
        CASE_OF(apply_for_a_certain_uid_does_not_make_a_new_object),
        CASE_OF(apply_where_nothing_may_be_creates_and_does_not_change),
        CASE_OF(finalizers_are_a_set_of_many_owners),
        CASE_OF(owner_references_are_told_apart_by_uid),
        CASE_OF(a_create_owns_everything_it_gives),
        CASE_OF(status_is_owned_by_an_entry_of_its_own_with_conditions_by_type),
        CASE_OF(a_removed_field_is_owned_by_nobody),
        CASE_OF(string_data_becomes_data),
        CASE_OF(secrets_that_are_not_valid_are_refused),
        CASE_OF(the_type_of_a_secret_cannot_change),
        CASE_OF(an_immutable_secret_keeps_its_data),
        CASE_OF(a_watch_gives_the_present_state_then_every_change),
        CASE_OF(a_watch_of_an_empty_namespace_ends_its_initial_state_at_once),
        CASE_OF(a_watch_since_a_version_gives_only_what_came_later),
        CASE_OF(a_deleted_event_carries_the_last_state),
        CASE_OF(a_watch_sees_neither_other_kinds_nor_other_namespaces),
        CASE_OF(a_watch_of_one_name_sees_no_other),
        CASE_OF(a_watch_that_ran_into_its_deadline_goes_on),
        CASE_OF(a_watch_with_a_label_selector_tells_who_enters_and_who_leaves),
        CASE_OF(a_watch_may_be_of_a_label_alone),
        CASE_OF(a_watch_of_metadata_gives_no_data),
        CASE_OF(a_selector_that_is_not_understood_is_refused),
        CASE_OF(a_cancelled_watch_says_so),
        CASE_OF(a_version_that_left_the_change_log_is_gone),
        CASE_OF(owned_objects_go_with_their_owner_and_what_they_own),
        CASE_OF(an_object_of_two_owners_stays_until_both_are_gone),
        CASE_OF(an_object_of_the_owners_name_with_another_uid_is_not_the_owner),
        CASE_OF(an_owned_object_with_a_finalizer_is_marked),
        CASE_OF(a_note_never_fails),
        CASE_OF(a_cancelled_call_says_so_and_changes_nothing),
    };

    suite = on;
    return cmocka_run_group_tests_name(name, store_tests, NULL, NULL);
}
