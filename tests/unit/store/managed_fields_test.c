#include "store/managed_fields.h"

#include "support/testing.h"

#define T1 "2026-01-01T00:00:00Z"
#define T2 "2026-01-02T00:00:00Z"

static struct json *json_of(const char *quoted)
{
    cleanup(xfree) char *text = xstrdup(quoted);
    struct json *value = NULL;
    struct err err = {};

    for (char *p = text; *p; p++) {
        if (*p == '\'')
            *p = '"';
    }
    ASSERT_OK(json_parse(text, strlen(text), strlen(text), &value, &err));
    return value;
}

static void assert_json(const struct json *value, const char *quoted)
{
    cleanup(json_unref) struct json *wanted = json_of(quoted);
    cleanup(xfree) char *is = value ? json_text(value) : NULL, *should = json_text(wanted);

    ASSERT_STREQ(is, should);
}

static struct field_writer by(const char *manager, const char *time)
{
    return (struct field_writer){.manager = manager, .api_version = "v1", .time = time};
}

/* Applies and takes the place of `*object`. */
static void apply(struct json **object, const char *manager, const char *config)
{
    cleanup(json_unref) struct json *given = json_of(config);
    struct field_writer writer = by(manager, T1);
    struct json *next = managed_fields_apply(*object, given, &writer);

    json_unref(*object);
    *object = next;
}

/* Merges a patch as an update and takes the place of `*object`. */
static void change(struct json **object, const char *manager, const char *patch_text)
{
    cleanup(json_unref) struct json *patch = json_of(patch_text);
    struct field_writer writer = by(manager, T2);
    struct json *next = *object ? json_deep(*object) : json_new_map();

    json_merge_patch(next, patch);
    managed_fields_update(*object, next, &writer);
    json_unref(*object);
    *object = next;
}

static const struct json *content(const struct json *object, const char *path)
{
    return json_path(object, path);
}

static const struct json *entry(const struct json *object, size_t i)
{
    return json_at(json_path(object, "metadata.managedFields"), i);
}

TEST(an_entry_has_the_form_of_the_api_server)
{
    cleanup(json_unref) struct json *object = NULL;

    apply(&object, "a",
          "{'apiVersion': 'v1', 'kind': 'X', 'metadata': {'name': 'x'}, 'data': {'k': '1'}}");
    assert_json(json_path(object, "metadata.managedFields"),
                "[{'manager': 'a', 'operation': 'Apply', 'apiVersion': 'v1', 'time': '" T1 "',"
                " 'fieldsType': 'FieldsV1', 'fieldsV1': {'f:data': {'f:k': {}}}}]");
}

TEST(what_the_server_sets_is_owned_by_nobody)
{
    cleanup(json_unref) struct json *object = NULL;

    change(
        &object, "a",
        "{'apiVersion': 'v1', 'kind': 'X', 'metadata': {'name': 'x', 'namespace': 'n', 'uid': 'u',"
        " 'generation': 1, 'resourceVersion': '1', 'creationTimestamp': 't', 'generateName': 'x-'}}");
    assert_json(json_get(entry(object, 0), "fieldsV1"), "{'f:metadata': {'f:generateName': {}}}");
}

TEST(maps_are_granular_and_lists_atomic)
{
    cleanup(json_unref) struct json *object = NULL;

    apply(&object, "a", "{'spec': {'m': {'x': 1, 'y': {'z': true}}, 'l': [1, 2], 'e': {}}}");
    assert_json(json_get(entry(object, 0), "fieldsV1"),
                "{'f:spec': {'f:m': {'f:x': {}, 'f:y': {'f:z': {}}}, 'f:l': {}, 'f:e': {}}}");
    apply(&object, "b", "{'spec': {'l': [3]}}");
    assert_json(content(object, "spec.l"), "[3]");
    ASSERT_EQ(json_len(json_path(object, "metadata.managedFields")), 2);
}

TEST(a_map_that_becomes_a_scalar_and_back_has_one_owner)
{
    cleanup(json_unref) struct json *object = NULL;

    apply(&object, "a", "{'spec': {'x': {'y': 1}}}");
    apply(&object, "b", "{'spec': {'x': 5}}");
    assert_json(content(object, "spec"), "{'x': 5}");
    ASSERT_EQ(json_len(json_path(object, "metadata.managedFields")), 1);
    apply(&object, "a", "{'spec': {'x': {'z': 2}}}");
    assert_json(content(object, "spec"), "{'x': {'z': 2}}");
    ASSERT_EQ(json_len(json_path(object, "metadata.managedFields")), 1);
}

TEST(conditions_are_applied_by_type)
{
    cleanup(json_unref) struct json *object = NULL;

    apply(&object, "a", "{'status': {'conditions': [{'type': 'Ready', 'status': 'False'}]}}");
    apply(&object, "b", "{'status': {'conditions': [{'type': 'Approved', 'status': 'True'}]}}");
    apply(&object, "a", "{'status': {'conditions': [{'type': 'Ready', 'status': 'True'}]}}");
    assert_json(content(object, "status.conditions"),
                "[{'type': 'Ready', 'status': 'True'}, {'type': 'Approved', 'status': 'True'}]");
    apply(&object, "a", "{}");
    assert_json(content(object, "status.conditions"), "[{'type': 'Approved', 'status': 'True'}]");
}

TEST(a_condition_that_others_added_to_keeps_its_type)
{
    cleanup(json_unref) struct json *object = NULL;

    apply(&object, "a", "{'status': {'conditions': [{'type': 'Ready', 'status': 'False'}]}}");
    change(&object, "b",
           "{'status': {'conditions': [{'type': 'Ready', 'status': 'False', 'message': 'm'}]}}");
    apply(&object, "a", "{}");
    assert_json(content(object, "status.conditions"), "[{'type': 'Ready', 'message': 'm'}]");
}

TEST(conditions_without_a_type_are_an_atomic_list)
{
    cleanup(json_unref) struct json *object = NULL;

    apply(&object, "a", "{'status': {'conditions': [{'status': 'False'}]}}");
    assert_json(json_get(entry(object, 0), "fieldsV1"), "{'f:status': {'f:conditions': {}}}");
    apply(&object, "a", "{'status': {'conditions': [{'type': 'x'}, {'type': 'x'}]}}");
    assert_json(content(object, "status.conditions"), "[{'type': 'x'}, {'type': 'x'}]");
}

TEST(an_owner_reference_is_replaced_whole)
{
    cleanup(json_unref) struct json *object = NULL;

    apply(&object, "a",
          "{'metadata': {'ownerReferences': [{'uid': '1', 'name': 'x', 'controller': true}]}}");
    apply(&object, "b", "{'metadata': {'ownerReferences': [{'uid': '1', 'name': 'y'}]}}");
    assert_json(content(object, "metadata.ownerReferences"), "[{'uid': '1', 'name': 'y'}]");
    assert_json(json_get(entry(object, 0), "manager"), "'b'");
    ASSERT_EQ(json_len(json_path(object, "metadata.managedFields")), 1);
}

TEST(content_that_nobody_owns_outlives_its_map)
{
    cleanup(json_unref) struct json *object = json_of("{'data': {'old': '1'}}");

    apply(&object, "a", "{'data': {'k': '1'}}");
    apply(&object, "a", "{}");
    assert_json(content(object, "data"), "{'old': '1'}");
}

TEST(an_update_owns_only_what_it_changed)
{
    cleanup(json_unref) struct json *object = NULL;

    change(&object, "a", "{'data': {'k': '1', 'l': '1'}}");
    change(&object, "b", "{'data': {'k': '1', 'l': '2'}}");
    assert_json(json_get(entry(object, 0), "fieldsV1"), "{'f:data': {'.': {}, 'f:k': {}}}");
    assert_json(json_get(entry(object, 1), "fieldsV1"), "{'f:data': {'f:l': {}}}");
}

/* What is said to hold must be what an apply leaves as it is. */
static void assert_holds(const struct json *object, const char *config, bool expected)
{
    cleanup(json_unref) struct json *given = json_of(config), *next = NULL;
    struct field_writer writer = by("a", T1);

    CASE(config);
    ASSERT_EQ(managed_fields_hold(object, given, &writer), expected);
    if (!expected)
        return;
    next = managed_fields_apply(object, given, &writer);
    ASSERT_TRUE(managed_fields_same(object, next));
    json_set(json_get(next, "metadata"), "managedFields",
             json_ref(json_path(object, "metadata.managedFields")));
    ASSERT_TRUE(json_same(object, next));
}

#define APPLIED                                                                                    \
    "'metadata': {'name': 'x', 'labels': {'l': '1'}}, 'spec': {'m': {'y': {'z': true}, 'e': {}},"  \
    " 'l': [1, {'q': 2}], 'n': 5"

TEST(an_apply_of_what_is_there_is_known_to_change_nothing)
{
    static const struct {
        const char *config;
        bool holds;
    } rows[] = {
        {"{" APPLIED "}}", true},
        {"{'apiVersion': 'v2', 'kind': 'Y', " APPLIED "}}", true}, /* the server's */
        {"{" APPLIED ", 'more': 1}}", false},
        {"{" APPLIED ", 'theirs': 1}}", false}, /* to be owned together */
        {"{" APPLIED "}, 'data': {}}", false},
        {"{'metadata': {'name': 'x'}, 'spec': {'m': {'y': {'z': true}, 'e': {}}, 'l': [1, {'q': 2}],"
         " 'n': 5}}",
         false},
        {"{'metadata': {'labels': {'l': '2'}}, 'spec': {'m': {'y': {'z': true}, 'e': {}},"
         " 'l': [1, {'q': 2}], 'n': 5}}",
         false},
        {"{'metadata': {'labels': {'l': '1'}}, 'spec': {'m': {'y': {'z': true}, 'e': {}},"
         " 'l': [1, {'q': 3}], 'n': 5}}",
         false},
        {"{'metadata': {'labels': {'l': '1'}}, 'spec': {'m': {'y': {}, 'e': {}},"
         " 'l': [1, {'q': 2}], 'n': 5}}",
         false},
        {"{'metadata': {'labels': {'l': '1'}}, 'spec': {'m': {'y': 1, 'e': {'f': 1}},"
         " 'l': [1, {'q': 2}], 'n': 5}}",
         false},
        {"{}", false},
    };
    cleanup(json_unref) struct json *object = NULL;

    apply(&object, "a", "{'apiVersion': 'v1', 'kind': 'X', " APPLIED "}}");
    change(&object, "b", "{'spec': {'theirs': 1, 'm': {'y': {'w': 1}}}, 'status': {'s': 1}}");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_holds(object, rows[i].config, rows[i].holds);
    change(&object, "b", "{'spec': {'n': 6}}"); /* taken from us */
    assert_holds(object, rows[0].config, false);
}

TEST(an_apply_of_a_keyed_list_or_by_a_newcomer_is_never_certain)
{
    static const char condition[] = "{'status': {'conditions': [{'type': 'A', 'status': 'True'}]}}";
    static const char owners[] = "{'metadata': {'ownerReferences': [{'uid': '1'}]}}";
    cleanup(json_unref) struct json *one = NULL, *two = NULL, *three = NULL, *four = NULL;

    apply(&one, "a", condition);
    assert_holds(one, condition, false);
    apply(&two, "a", owners);
    assert_holds(two, owners, false);
    apply(&three, "other", "{'data': {'k': '1'}}");
    assert_holds(three, "{'data': {'k': '1'}}", false);
    change(&four, "a", "{'data': {'k': '1'}}"); /* not applied */
    assert_holds(four, "{'data': {'k': '1'}}", false);
}

TEST(an_apply_with_another_version_of_the_api_is_not_certain)
{
    cleanup(json_unref) struct json *object = NULL, *config = json_of("{'data': {'k': '1'}}");
    struct field_writer writer = by("a", T1);

    apply(&object, "a", "{'data': {'k': '1'}}");
    ASSERT_TRUE(managed_fields_hold(object, config, &writer));
    writer.api_version = "v2";
    ASSERT_FALSE(managed_fields_hold(object, config, &writer));
}

TEST(subresources_have_entries_of_their_own)
{
    cleanup(json_unref) struct json *object = NULL;
    cleanup(json_unref) struct json *next = NULL;
    struct field_writer writer = by("a", T2);

    change(&object, "a", "{'spec': {'x': 1}}");
    next = json_deep(object);
    json_set(next, "status", json_of("{'y': 1}"));
    writer.subresource = "status";
    managed_fields_update(object, next, &writer);
    ASSERT_EQ(json_len(json_path(next, "metadata.managedFields")), 2);
    assert_json(json_get(entry(next, 1), "subresource"), "'status'");
}

TEST(the_time_is_that_of_the_last_change_of_this_manager)
{
    cleanup(json_unref) struct json *object = NULL, *copy = NULL;

    apply(&object, "a", "{'data': {'k': '1'}}");
    change(&object, "b", "{'data': {'l': '1'}}");
    assert_json(json_get(entry(object, 0), "time"), "'" T1 "'");
    assert_json(json_get(entry(object, 1), "time"), "'" T2 "'");
    copy = json_deep(object);
    json_set_text((struct json *)entry(copy, 0), "time", T2);
    ASSERT_TRUE(managed_fields_same(object, copy));
    json_set_text((struct json *)entry(copy, 0), "manager", "c");
    ASSERT_FALSE(managed_fields_same(object, copy));
}

TEST(many_updaters_are_folded_into_one_entry)
{
    cleanup(json_unref) struct json *object = NULL;

    for (int i = 0; i < 15; i++) {
        cleanup(xfree) char *manager = xasprintf("m%02d", i);
        cleanup(xfree) char *patch = xasprintf("{'data': {'k%d': '1'}}", i);

        change(&object, manager, patch);
    }
    ASSERT_EQ(json_len(json_path(object, "metadata.managedFields")), 10);
    assert_json(json_get(entry(object, 0), "manager"), "'ancient-changes'");
    ASSERT_EQ(json_len(json_path(entry(object, 0), "fieldsV1.f:data")), 7); /* "." and k0 to k5 */
}

TEST(entries_that_make_no_sense_do_no_harm)
{
    cleanup(json_unref) struct json *object = json_of(
        "{'metadata': {'managedFields': [7, {}, {'manager': 'a', 'operation': 'Apply', 'fieldsV1':"
        " {'x': 1, 'f:data': 3, 'k:{': {'f:x': {}}, 'f:q': {'v:': {}}}}]}, 'data': {'k': '1'}}");

    apply(&object, "a", "{'data': {'k': '2'}}");
    assert_json(content(object, "data"), "{'k': '2'}");
}

TEST(nobody_owns_an_object_as_such)
{
    cleanup(json_unref) struct json *object = json_of(
        "{'metadata': {'managedFields': [{'manager': 'odd', 'operation': 'Update', 'fieldsV1':"
        " {'.': {}}}]}, 'data': {'k': '1'}}");

    apply(&object, "a", "{'data': {'k': '2'}}");
    ASSERT_EQ(json_len(json_path(object, "metadata.managedFields")), 1);
    assert_json(json_get(entry(object, 0), "manager"), "'a'");
}

/* --- any objects: whatever is said to hold is what an apply leaves as it is --- */

struct maker {
    uint64_t state;
};

/* The same numbers in every run. */
static unsigned below(struct maker *m, unsigned limit)
{
    m->state = m->state * 6364136223846793005U + 1442695040888963407U;
    return (unsigned)(m->state >> 33) % limit;
}

static struct json *any_value(struct maker *m, int depth);

static const char *any_name(struct maker *m)
{
    static const char *const names[] = {"a", "b",          "f:a",        ".",
                                        "",  "conditions", "finalizers", "name"};

    return names[below(m, ARRAY_LEN(names))];
}

static struct json *any_map(struct maker *m, int depth)
{
    struct json *map = json_new_map();

    for (unsigned i = below(m, 4); i > 0; i--)
        json_set(map, any_name(m), any_value(m, depth - 1));
    return map;
}

static struct json *any_keyed(struct maker *m, const char *key, int depth)
{
    struct json *list = json_new_list();

    for (unsigned i = below(m, 3); i > 0; i--) {
        struct json *item = any_map(m, depth);

        json_set_text(item, key, below(m, 2) ? "x" : "y");
        json_append(list, item);
    }
    return list;
}

static struct json *any_list(struct maker *m, int depth)
{
    struct json *list = json_new_list();

    for (unsigned i = below(m, 3); i > 0; i--)
        json_append(list, any_value(m, depth - 1));
    return list;
}

static struct json *any_value(struct maker *m, int depth)
{
    switch (below(m, depth > 0 ? 8 : 4)) {
    case 0:
        return json_new_null();
    case 1:
        return json_new_text(below(m, 2) ? "x" : "");
    case 2:
        return json_new_real(below(m, 2));
    case 3:
        return json_new_int(below(m, 2));
    case 4:
        return any_list(m, depth);
    case 5:
        return any_keyed(m, "type", depth - 1);
    default:
        return any_map(m, depth);
    }
}

static struct json *any_object(struct maker *m)
{
    struct json *object = any_map(m, 3), *metadata = json_need_map(object, "metadata");

    json_set(object, "data", any_map(m, 1));
    json_set(metadata, "labels", below(m, 2) ? any_map(m, 1) : NULL);
    json_set(metadata, "ownerReferences", below(m, 6) ? NULL : any_keyed(m, "uid", 1));
    json_set(metadata, "finalizers", below(m, 6) ? NULL : any_list(m, 1));
    json_set_text(metadata, "name", "x");
    return object;
}

/* Takes a member out, puts one in, or changes one, somewhere near the top. */
static void disturb(struct maker *m, struct json *object)
{
    static const char *const places[] = {"data", "metadata", "a", "b"};
    struct json *map = json_get(object, places[below(m, ARRAY_LEN(places))]);

    if (json_kind(map) != JSON_KIND_MAP)
        map = object;
    json_set(map, any_name(m), below(m, 2) ? any_value(m, 1) : NULL);
    json_set_text(json_need_map(object, "metadata"), "name", "x");
}

static bool changes_nothing(const struct json *object, const struct json *next)
{
    cleanup(json_unref) struct json *copy = json_deep(next);

    if (!managed_fields_same(object, next))
        return false;
    json_set(json_need_map(copy, "metadata"), "managedFields",
             json_deep(json_path(object, "metadata.managedFields")));
    return json_same(object, copy);
}

static unsigned apply_any(struct maker *m, struct json **object, struct json **config)
{
    struct field_writer writer = by(below(m, 3) ? "a" : "b", T1);
    bool said = managed_fields_hold(*object, *config, &writer);
    struct json *next = managed_fields_apply(*object, *config, &writer);

    if (said)
        ASSERT_TRUE(changes_nothing(*object, next));
    json_unref(*object);
    *object = next;
    return said;
}

static void update_any(struct maker *m, struct json **object)
{
    struct field_writer writer = by(below(m, 2) ? "a" : "c", T2);
    struct json *next = json_deep(*object);

    disturb(m, next);
    managed_fields_update(*object, next, &writer);
    json_unref(*object);
    *object = next;
}

static unsigned live_any_life(struct maker *m)
{
    cleanup(json_unref) struct json *config = any_object(m);
    cleanup(json_unref) struct json *object = managed_fields_apply(
        NULL, config, &(struct field_writer){.manager = "a", .api_version = "v1", .time = T1});
    unsigned said = 0;

    for (unsigned i = 0; i < 12; i++) {
        if (below(m, 4) == 0)
            disturb(m, config);
        if (below(m, 3) == 0)
            update_any(m, &object);
        said += apply_any(m, &object, &config);
    }
    return said;
}

TEST(whatever_is_said_to_hold_is_left_as_it_is)
{
    enum { LIVES = 600 };
    unsigned said = 0;

    for (unsigned i = 0; i < LIVES; i++) {
        struct maker maker = {.state = 88172645463325252U + i};

        said += live_any_life(&maker);
    }
    print_message("said so %u times of %u\n", said, LIVES * 12);
    ASSERT_TRUE(said > LIVES / 2); /* or nothing was tested */
}

RUN_TESTS(cmocka_unit_test(whatever_is_said_to_hold_is_left_as_it_is),
          cmocka_unit_test(an_apply_of_what_is_there_is_known_to_change_nothing),
          cmocka_unit_test(an_apply_of_a_keyed_list_or_by_a_newcomer_is_never_certain),
          cmocka_unit_test(an_apply_with_another_version_of_the_api_is_not_certain),
          cmocka_unit_test(an_entry_has_the_form_of_the_api_server),
          cmocka_unit_test(what_the_server_sets_is_owned_by_nobody),
          cmocka_unit_test(maps_are_granular_and_lists_atomic),
          cmocka_unit_test(a_map_that_becomes_a_scalar_and_back_has_one_owner),
          cmocka_unit_test(conditions_are_applied_by_type),
          cmocka_unit_test(a_condition_that_others_added_to_keeps_its_type),
          cmocka_unit_test(conditions_without_a_type_are_an_atomic_list),
          cmocka_unit_test(an_owner_reference_is_replaced_whole),
          cmocka_unit_test(content_that_nobody_owns_outlives_its_map),
          cmocka_unit_test(an_update_owns_only_what_it_changed),
          cmocka_unit_test(subresources_have_entries_of_their_own),
          cmocka_unit_test(the_time_is_that_of_the_last_change_of_this_manager),
          cmocka_unit_test(many_updaters_are_folded_into_one_entry),
          cmocka_unit_test(entries_that_make_no_sense_do_no_harm),
          cmocka_unit_test(nobody_owns_an_object_as_such));
