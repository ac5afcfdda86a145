/*
 * Deletion through owners beyond what the suite says: late, unknown kinds, other namespaces.
 */
#include "unit/store/place.h"

static const struct resource *const known[] = {&secrets, &widgets, NULL};

static struct store *store_knowing(const struct resource *const *resources)
{
    struct local_options options = {.clock = clock_system(), .resources = resources};
    struct store *store = NULL;
    struct err err = {};

    ASSERT_OK(store_local_open(&options, &store, &err));
    return store;
}

static void create_owned(struct store *store, const char *namespace, const char *name,
                         const char *api_version, const char *kind, const char *uid)
{
    struct context ctx = context_background(clock_system());
    cleanup(json_unref) struct json *given = object_named(name, "1"), *ret = NULL;
    struct json *owner = json_new_map(), *owners = json_new_list();
    struct err err = {};

    json_set_text(owner, "apiVersion", api_version);
    json_set_text(owner, "kind", kind);
    json_set_text(owner, "name", "owner");
    json_set_text(owner, "uid", uid);
    json_append(owners, owner);
    json_set(json_get(given, "metadata"), "ownerReferences", owners);
    json_set_text(json_get(given, "metadata"), "namespace", namespace);
    ASSERT_OK(store_create(store, &ctx, &widgets, "test", given, &ret, &err));
}

static void delete_widget(struct store *store, const char *name)
{
    struct context ctx = context_background(clock_system());
    struct key key = {.namespace = "default", .name = name};
    struct err err = {};

    ASSERT_OK(store_delete(store, &ctx, &widgets, &key, NULL, &err));
}

static void collect(struct store *store)
{
    struct context ctx = context_background(clock_system());
    struct err err = {};

    ASSERT_OK(store_local_collect(store, &ctx, &err));
}

TEST(a_late_collection_waits_to_be_called)
{
    cleanup(store_close) struct store *store = store_knowing(known);
    cleanup(json_unref) struct json *owner = create_widget(store, "owner");

    store_local_collect_late(store, true);
    create_owned(store, "default", "child", "example.org/v1", "Widget", meta(owner, "uid"));
    delete_widget(store, "owner");
    ASSERT_TRUE(widget_is_there(store, "child"));
    collect(store);
    ASSERT_FALSE(widget_is_there(store, "child"));
}

TEST(another_version_of_a_known_group_is_the_same_kind)
{
    cleanup(store_close) struct store *store = store_knowing(known);
    cleanup(json_unref) struct json *owner = create_widget(store, "owner");

    create_owned(store, "default", "child", "example.org/v1beta1", "Widget", meta(owner, "uid"));
    ASSERT_TRUE(widget_is_there(store, "child"));
    delete_widget(store, "owner");
    ASSERT_FALSE(widget_is_there(store, "child"));
}

TEST(owners_of_kinds_that_are_not_kept_here_count_as_alive)
{
    cleanup(store_close) struct store *store = store_knowing(known);

    create_owned(store, "default", "child", "apps/v1", "Deployment", "some-uid");
    collect(store);
    ASSERT_TRUE(widget_is_there(store, "child"));
}

TEST(an_object_born_without_a_living_owner_is_collected)
{
    cleanup(store_close) struct store *store = store_knowing(known);

    create_owned(store, "default", "child", "example.org/v1", "Widget", "gone-before");
    ASSERT_FALSE(widget_is_there(store, "child"));
}

TEST(an_owner_in_another_namespace_is_none)
{
    cleanup(store_close) struct store *store = store_knowing(known);
    cleanup(json_unref) struct json *owner = create_widget(store, "owner"), *list = NULL;
    struct context ctx = context_background(clock_system());
    struct err err = {};

    create_owned(store, "elsewhere", "child", "example.org/v1", "Widget", meta(owner, "uid"));
    ASSERT_OK(store_list(store, &ctx, &widgets, "elsewhere", &list, &err));
    ASSERT_EQ(json_len(list), 0);
}

TEST(owners_survive_a_restart)
{
    cleanup(place_deinit) struct place place = {};
    cleanup(store_close) struct store *store = NULL;
    cleanup(json_unref) struct json *owner = NULL;

    place_init(&place);
    store = store_at(place.path);
    owner = create_widget(store, "owner");
    create_owned(store, "default", "child", "example.org/v1", "Widget", meta(owner, "uid"));
    store_close(take(store));
    store = store_at(place.path);
    delete_widget(store, "owner");
    ASSERT_FALSE(widget_is_there(store, "child"));
}

TEST(many_generations_go_in_a_fixed_order)
{
    cleanup(store_close) struct store *store = store_knowing(known);
    cleanup(json_unref) struct json *owner = create_widget(store, "owner");
    cleanup(store_watch_close) struct store_watch *watch = NULL;
    struct context ctx = context_background(clock_system());
    char name[32];
    struct err err = {};

    for (int i = 9; i >= 0; i--) {
        snprintf(name, sizeof(name), "child-%d", i);
        create_owned(store, "default", name, "example.org/v1", "Widget", meta(owner, "uid"));
    }
    ASSERT_OK(store->ops->watch(store, &ctx, &widgets, NULL, "11", &watch, &err));
    delete_widget(store, "owner");
    for (int i = -1; i < 10; i++) {
        cleanup(store_event_deinit) struct store_event event = {};

        ASSERT_OK(store->ops->watch_next(watch, &ctx, &event, &err));
        ASSERT_EQ(event.type, STORE_DELETED);
        snprintf(name, sizeof(name), "child-%d", i);
        ASSERT_STREQ(meta(event.object, "name"), i < 0 ? "owner" : name);
    }
}

RUN_TESTS(cmocka_unit_test(a_late_collection_waits_to_be_called),
          cmocka_unit_test(another_version_of_a_known_group_is_the_same_kind),
          cmocka_unit_test(owners_of_kinds_that_are_not_kept_here_count_as_alive),
          cmocka_unit_test(an_object_born_without_a_living_owner_is_collected),
          cmocka_unit_test(an_owner_in_another_namespace_is_none),
          cmocka_unit_test(owners_survive_a_restart),
          cmocka_unit_test(many_generations_go_in_a_fixed_order));
