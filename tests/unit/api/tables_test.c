#include "api_testing.h"
#include "base/map.h"
#include "manifests.h"

/* Nothing but "not built yet" and warnings. */
static void assert_accepted(const struct field_report *report)
{
    for (size_t i = 0; i < report->len; i++) {
        const struct field_problem *problem = &report->items[i];

        if (problem->kind == PROBLEM_UNBUILT || problem->kind == PROBLEM_WARNING)
            continue;
        print_report(report);
        ASSERT_STREQ(problem->text, "accepted");
    }
}

static void assert_same_json(const struct json *a, const struct json *b)
{
    cleanup(xfree) char *a_text = json_text(a), *b_text = json_text(b);

    ASSERT_STREQ(a_text, b_text);
}

TEST(every_manifest_is_accepted_and_encodes_to_itself)
{
    for (size_t i = 0; i < ARRAY_LEN(manifests); i++) {
        cleanup(json_unref) struct json *value = NULL, *back = NULL;
        cleanup(field_report_deinit) struct field_report report = {};
        cleanup(object_unref) const struct object *object = NULL;
        struct err err = {};

        CASE(manifests[i].name);
        value = read_yaml(manifests[i].text);
        ASSERT_OK(object_decode(kind_of(value), value, &report, &object, &err));
        assert_accepted(&report);
        back = object_encode(object);
        assert_same_json(back, value);
    }
}

TEST(the_tolerant_form_reads_the_same_as_the_strict_one)
{
    for (size_t i = 0; i < ARRAY_LEN(manifests); i++) {
        cleanup(json_unref) struct json *value = NULL, *back = NULL;
        cleanup(object_unref) const struct object *object = NULL;
        struct err err = {};

        CASE(manifests[i].name);
        value = read_yaml(manifests[i].text);
        ASSERT_OK(object_decode(kind_of(value), value, NULL, &object, &err));
        back = object_encode(object);
        assert_same_json(back, value);
    }
}

/* Every row of every table: is its member somewhere in the manifests? */

static void mark_rows(const struct fields *fields, const struct json *value, struct map *seen);

static void mark_row(const struct fields *fields, const struct field *row, const struct json *value,
                     struct map *seen)
{
    cleanup(xfree) char *name = xasprintf("%s: %s", fields->name, row->name);

    map_set(seen, name, (void *)row);
    if (!row->of)
        return;
    if (json_kind(value) == JSON_KIND_MAP)
        mark_rows(row->of, value, seen);
    json_for_each_item (item, value)
        mark_rows(row->of, item, seen);
}

static void mark_rows(const struct fields *fields, const struct json *value, struct map *seen)
{
    for (size_t i = 0; i < fields->count; i++) {
        const struct json *member = json_get(value, fields->rows[i].name);

        if (member)
            mark_row(fields, &fields->rows[i], member, seen);
    }
}

static size_t count_missing(const struct fields *fields, const struct map *seen)
{
    size_t missing = 0;

    for (size_t i = 0; i < fields->count; i++) {
        const struct field *row = &fields->rows[i];
        cleanup(xfree) char *name = xasprintf("%s: %s", fields->name, row->name);

        if (!map_has(seen, name)) {
            print_error("    no manifest has %s\n", name);
            missing++;
        }
        if (row->of)
            missing += count_missing(row->of, seen);
    }
    return missing;
}

TEST(the_manifests_have_every_member_of_every_table)
{
    cleanup(map_free) struct map *seen = map_new(NULL);

    for (size_t i = 0; i < ARRAY_LEN(manifests); i++) {
        cleanup(json_unref) struct json *value = read_yaml(manifests[i].text);

        mark_rows(kind_of(value)->fields, value, seen);
    }
    for (size_t i = 0; kinds[i]; i++)
        ASSERT_EQ(count_missing(kinds[i]->fields, seen), 0);
}

/* One more letter in any name, at any depth, is noticed, and the right name is told. */

static void add_misspelt(struct json *value, const char *name, char **ret_wrong)
{
    *ret_wrong = xasprintf("%sX", name);
    json_set(value, *ret_wrong, json_ref(json_get(value, name)));
}

static bool says_unknown(const struct field_report *report, const char *wrong, const char *meant)
{
    cleanup(xfree) char *hint = xasprintf("unknown field, did you mean '%s'?", meant);
    cleanup(xfree) char *end = xasprintf("%s%s", ".", wrong);

    for (size_t i = 0; i < report->len; i++) {
        const struct field_problem *problem = &report->items[i];

        if (problem->kind == PROBLEM_UNKNOWN && strcmp(problem->text, hint) == 0 &&
            (str_ends(problem->path, end) || strcmp(problem->path, wrong) == 0))
            return true;
    }
    return false;
}

static void try_misspelt(struct json *document, struct json *map, const char *name)
{
    cleanup(field_report_deinit) struct field_report report = {};
    cleanup(object_unref) const struct object *object = NULL;
    cleanup(xfree) char *wrong = NULL;
    struct err err = {};

    add_misspelt(map, name, &wrong);
    ASSERT_OK(object_decode(kind_of(document), document, &report, &object, &err));
    CASE(wrong);
    if (strlen(name) > 2) /* "ca", "go": too short for a hint */
        ASSERT_TRUE(says_unknown(&report, wrong, name));
    CASE(""); /* it goes away */
    json_remove(map, wrong);
}

static void try_all(struct json *document, struct json *value, const struct fields *fields)
{
    for (size_t i = 0; i < fields->count; i++) {
        const struct field *row = &fields->rows[i];
        struct json *member = json_get(value, row->name);

        if (!member)
            continue;
        try_misspelt(document, value, row->name);
        if (row->of && json_kind(member) == JSON_KIND_MAP)
            try_all(document, member, row->of);
        json_for_each_item (item, member)
            if (row->of && item_at < 2)
                try_all(document, item, row->of);
    }
}

TEST(a_misspelt_member_is_unknown_with_a_hint_also_in_what_is_not_built)
{
    for (size_t i = 0; i < ARRAY_LEN(manifests); i++) {
        cleanup(json_unref) struct json *value = read_yaml(manifests[i].text);

        try_all(value, value, kind_of(value)->fields);
    }
}

TEST(what_kubectl_shows_of_the_server_is_accepted)
{
    cleanup(field_report_deinit) struct field_report report = {};
    cleanup(object_unref) const struct object *object = decode_yaml(
        "apiVersion: cert-manager.io/v1\n"
        "kind: Certificate\n"
        "metadata:\n"
        "  name: web\n"
        "  creationTimestamp: null\n"
        "  selfLink: /x\n"
        "  deletionGracePeriodSeconds: 0\n"
        "  managedFields: [{manager: kubectl, fieldsV1: {\"f:spec\": {}}}]\n"
        "spec: {dnsNames: [a.example], secretName: web, issuerRef: {name: x}}\n"
        "status: {}\n",
        &report);

    ASSERT_EQ(report.len, 0);
}

/* cm#8930 (paths at Vault) and ambient credentials wait for issuers that are not built. */
TEST(unbuilt_features_are_refused_as_such_and_named)
{
    static const struct {
        const char *manifest;
        const char *path;
    } cases[] = {
        {manifest_issuer_vault, "spec.vault"},
        {manifest_issuer_venafi_tpp, "spec.venafi"},
        {manifest_issuer_acme, "spec.acme.solvers[5].dns01.akamai"},
        {manifest_issuer_acme, "spec.acme.solvers[6].dns01.azureDNS"},
        {manifest_issuer_acme, "spec.acme.solvers[7].dns01.cloudDNS"},
        {manifest_issuer_acme, "spec.acme.solvers[8].dns01.cloudflare"},
        {manifest_issuer_acme, "spec.acme.solvers[10].dns01.digitalocean"},
        {manifest_issuer_acme, "spec.acme.solvers[11].dns01.route53"},
        {manifest_issuer_acme, "spec.acme.solvers[13].dns01.acmeDNS"},
        {manifest_issuer_acme, "spec.acme.solvers[14].dns01.webhook"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        cleanup(field_report_deinit) struct field_report report = {};
        cleanup(object_unref) const struct object *object = decode_yaml(cases[i].manifest, &report);
        struct err err = {};

        CASE(cases[i].path);
        ASSERT_TRUE(find_problem(&report, cases[i].path, PROBLEM_UNBUILT));
        ASSERT_ERR(ERR_UNSUPPORTED, field_report_check(&report, &err));
    }
}

TEST(what_is_built_is_not_refused)
{
    static const char *const not_unbuilt[] = {manifest_cluster_issuer_acme, manifest_order,
                                              manifest_challenge, manifest_secret,
                                              manifest_certificate_request};

    for (size_t i = 0; i < ARRAY_LEN(not_unbuilt); i++) {
        cleanup(field_report_deinit) struct field_report report = {};
        cleanup(object_unref) const struct object *object = decode_yaml(not_unbuilt[i], &report);
        struct err err = {};

        ASSERT_OK(field_report_check(&report, &err));
    }
}

TEST(routing_members_of_http01_are_said_to_have_no_effect)
{
    static const char *const paths[] = {
        "spec.acme.solvers[0].http01.ingress.ingressClassName",
        "spec.acme.solvers[0].http01.ingress.serviceType",
        "spec.acme.solvers[1].http01.ingress.class",
        "spec.acme.solvers[1].http01.ingress.podTemplate",
        "spec.acme.solvers[1].http01.ingress.ingressTemplate",
        "spec.acme.solvers[2].http01.ingress.name",
        "spec.acme.solvers[3].http01.gatewayHTTPRoute.serviceType",
        "spec.acme.solvers[3].http01.gatewayHTTPRoute.labels",
        "spec.acme.solvers[3].http01.gatewayHTTPRoute.parentRefs",
        "spec.acme.solvers[3].http01.gatewayHTTPRoute.podTemplate",
    };
    cleanup(field_report_deinit) struct field_report report = {};
    cleanup(object_unref) const struct object *object = decode_yaml(manifest_issuer_acme, &report);

    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        CASE(paths[i]);
        ASSERT_TRUE(find_problem(&report, paths[i], PROBLEM_WARNING));
    }
}

RUN_TESTS(cmocka_unit_test(every_manifest_is_accepted_and_encodes_to_itself),
          cmocka_unit_test(the_tolerant_form_reads_the_same_as_the_strict_one),
          cmocka_unit_test(the_manifests_have_every_member_of_every_table),
          cmocka_unit_test(a_misspelt_member_is_unknown_with_a_hint_also_in_what_is_not_built),
          cmocka_unit_test(what_kubectl_shows_of_the_server_is_accepted),
          cmocka_unit_test(unbuilt_features_are_refused_as_such_and_named),
          cmocka_unit_test(what_is_built_is_not_refused),
          cmocka_unit_test(routing_members_of_http01_are_said_to_have_no_effect));
