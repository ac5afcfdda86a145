/*
 * The CustomResourceDefinitions in crds/ against the field tables, in both directions: every row
 * has a property and every property a row, and both say the same of it.
 *
 * What a table does not look into (a RAW row without a table, such as a pod's affinity), the schema
 * alone describes.
 */
#include "api_testing.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/limits.h"

/* Where they do not say the same, and why. Every row must be needed. */
static const struct exception {
    const char *path, *what, *why;
} exceptions[] = {
    {"apiVersion", "no row", "object_decode() reads it, to find the kind"},
    {"kind", "no row", "object_decode() reads it, to find the kind"},
    {"metadata", "no description", "the API server has its own, and allows no other"},
};

struct check {
    struct strlist problems;
    bool used[ARRAY_LEN(exceptions)];
};

static bool is_exception(struct check *check, const char *path, const char *what)
{
    for (size_t i = 0; i < ARRAY_LEN(exceptions); i++)
        if (streq(path, exceptions[i].path) && streq(what, exceptions[i].what)) {
            check->used[i] = true;
            return true;
        }
    return false;
}

static void add(struct check *check, const char *path, const char *what, const char *schema,
                const char *table)
{
    if (!is_exception(check, path, what))
        strlist_add_take(
            &check->problems,
            xasprintf("%s: %s: '%s' in the schema, '%s' in the table", path, what, schema, table));
}

static void check_text(struct check *check, const char *path, const char *what, const char *schema,
                       const char *table)
{
    if (!streq(schema, table))
        add(check, path, what, schema, table);
}

static void check_bool(struct check *check, const char *path, const char *what, bool schema,
                       bool table)
{
    check_text(check, path, what, schema ? "yes" : "no", table ? "yes" : "no");
}

static const char *text_or(const struct json *schema, const char *word, const char *otherwise)
{
    return str_or(json_get_text(schema, word), otherwise);
}

/* Types */

static const struct {
    const char *type, *format; /* NULL: any */
    const char *item;          /* type of the items of a list or map */
} types[] = {
    [FIELD_STRING] = {"string", "", NULL},
    [FIELD_SECRET] = {"string", "", NULL},
    [FIELD_QUANTITY] = {"", "", NULL},
    [FIELD_BOOL] = {"boolean", "", NULL},
    [FIELD_OPT_BOOL] = {"boolean", "", NULL},
    [FIELD_INT] = {"integer", NULL, NULL},
    [FIELD_OPT_INT] = {"integer", NULL, NULL},
    [FIELD_DURATION] = {"string", "", NULL},
    [FIELD_TIME] = {"string", "date-time", NULL},
    [FIELD_MICROTIME] = {"string", "date-time", NULL},
    [FIELD_BYTES] = {"string", "byte", NULL},
    [FIELD_ENUM] = {"string", "", NULL},
    [FIELD_INLINE] = {"object", "", NULL},
    [FIELD_OBJECT] = {"object", "", NULL},
    [FIELD_STRINGS] = {"array", "", "string"},
    [FIELD_ENUMS] = {"array", "", "string"},
    [FIELD_LIST] = {"array", "", "object"},
    [FIELD_MAP] = {"object", "", "string"},
    [FIELD_RAW] = {NULL, NULL, NULL},
};

static const struct json *items_of(const struct json *schema)
{
    const struct json *items = json_get(schema, "items");

    return items ? items : json_get(schema, "additionalProperties");
}

static void check_type(struct check *check, const char *path, const struct field *row,
                       const struct json *schema)
{
    const char *type = row->type == FIELD_RAW && row->of ? "object" : types[row->type].type;

    if (type)
        check_text(check, path, "type", text_or(schema, "type", ""), type);
    if (types[row->type].format)
        check_text(check, path, "format", text_or(schema, "format", ""), types[row->type].format);
    if (types[row->type].item)
        check_text(check, path, "type of items", text_or(items_of(schema), "type", ""),
                   types[row->type].item);
}

/* Values */

static char *schema_enum(const struct json *schema)
{
    cleanup(strlist_deinit) struct strlist names = {};

    json_for_each_item (name, json_get(schema, "enum"))
        strlist_add(&names, json_as_text(name));
    return strlist_join(&names, ", ");
}

static char *table_enum(const struct enum_names *names)
{
    cleanup(strlist_deinit) struct strlist list = {};

    for (int i = 1; names && i < names->count; i++)
        strlist_add(&list, names->names[i]);
    return strlist_join(&list, ", ");
}

static void check_enum(struct check *check, const char *path, const struct field *row,
                       const struct json *schema)
{
    const struct json *where = row->type == FIELD_ENUMS ? items_of(schema) : schema;
    cleanup(xfree) char *in_schema = schema_enum(where), *in_table = table_enum(row->names);

    check_text(check, path, "enum", in_schema, in_table);
}

/* A limit that the schema knows must be the table's; a table may know more (api.md "WH"). */
static void check_limit(struct check *check, const char *path, const struct json *schema,
                        const char *word, int64_t table)
{
    cleanup(xfree) char *in_schema = NULL, *in_table = NULL;

    if (!json_get(schema, word) || table == 0)
        return;
    in_schema = json_text(json_get(schema, word));
    in_table = xasprintf("%lld", (long long)table);
    check_text(check, path, word, in_schema, in_table);
}

/* As a table writes it: text as it is, but "" in quotes. */
static char *default_text(const struct json *value)
{
    return str_empty(json_as_text(value)) ? json_text(value) : xstrdup(json_as_text(value));
}

static void check_default(struct check *check, const char *path, const struct field *row,
                          const struct json *schema)
{
    const struct json *value = json_get(schema, "default");
    cleanup(xfree) char *text = value ? default_text(value) : NULL;

    if (value)
        check_text(check, path, "default", text, str_or(row->default_text, ""));
}

static const char *merging_of(const struct field *row)
{
    return row->key ? "map" : row->flags & F_ATOMIC ? "atomic" : "";
}

static void check_list(struct check *check, const char *path, const struct field *row,
                       const struct json *schema)
{
    if (row->type == FIELD_RAW || !streq(json_get_text(schema, "type"), "array"))
        return;
    check_text(check, path, "list type", text_or(schema, "x-kubernetes-list-type", ""),
               merging_of(row));
    if (row->key)
        check_text(
            check, path, "key",
            str_or(json_as_text(json_at(json_get(schema, "x-kubernetes-list-map-keys"), 0)), ""),
            row->key);
}

/* Structures */

static bool is_required(const struct json *schema, const char *name)
{
    json_for_each_item (item, json_get(schema, "required"))
        if (streq(json_as_text(item), name))
            return true;
    return false;
}

static const struct field *row_named(const struct fields *fields, const char *name)
{
    for (size_t i = 0; i < fields->count; i++)
        if (streq(fields->rows[i].name, name))
            return &fields->rows[i];
    return NULL;
}

static char *path_of(const char *path, const char *name)
{
    return *path ? xasprintf("%s.%s", path, name) : xstrdup(name);
}

static void check_fields(struct check *check, const char *path, const struct fields *fields,
                         const struct json *schema);

static void check_row(struct check *check, const char *path, const struct field *row,
                      const struct json *schema)
{
    check_type(check, path, row, schema);
    check_enum(check, path, row, schema);
    check_limit(check, path, schema, "minimum", row->min);
    check_limit(check, path, schema, "maximum", row->max);
    check_limit(check, path, schema, "minLength", row->min);
    check_limit(check, path, schema, "maxLength", row->max);
    check_default(check, path, row, schema);
    check_list(check, path, row, schema);
    if (row->of && row->of != &metadata_fields)
        check_fields(check, path, row->of, row->type == FIELD_LIST ? items_of(schema) : schema);
}

static void check_rows(struct check *check, const char *path, const struct fields *fields,
                       const struct json *schema)
{
    for (size_t i = 0; i < fields->count; i++) {
        const struct field *row = &fields->rows[i];
        const struct json *property = json_get(json_get(schema, "properties"), row->name);
        cleanup(xfree) char *at = path_of(path, row->name);

        if (!property) {
            add(check, at, "no property", "", row->name);
            continue;
        }
        check_bool(check, at, "required", is_required(schema, row->name), row->flags & F_REQUIRED);
        check_row(check, at, row, property);
    }
}

static void check_properties(struct check *check, const char *path, const struct fields *fields,
                             const struct json *schema)
{
    json_for_each (name, property, json_get(schema, "properties")) {
        cleanup(xfree) char *at = path_of(path, name);

        if (!row_named(fields, name))
            add(check, at, "no row", name, "");
        if (!json_get_text(property, "description"))
            add(check, at, "no description", "", "");
    }
    json_for_each_item (name, json_get(schema, "required"))
        if (!json_get(json_get(schema, "properties"), json_as_text(name)))
            add(check, path, "requires what it does not have", json_as_text(name), "");
}

static void check_fields(struct check *check, const char *path, const struct fields *fields,
                         const struct json *schema)
{
    check_rows(check, path, fields, schema);
    check_properties(check, path, fields, schema);
}

/* Definitions */

static struct json *read_definition(const struct resource *resource)
{
    cleanup(xfree) char *path = xasprintf(CRDS_FOLDER "/%s_%s.yaml", resource->group,
                                          resource->plural);
    cleanup(buf_deinit) struct buf text = BUF(LIMIT_MANIFEST_FILE);
    struct err err = {};

    ASSERT_OK(file_read(path, &text, &err));
    return read_yaml(buf_str(&text));
}

static const struct json *version_of(const struct json *definition)
{
    return json_at(json_path(definition, "spec.versions"), 0);
}

static const struct json *schema_of(const struct json *definition)
{
    return json_path(version_of(definition), "schema.openAPIV3Schema");
}

static void print_problems(const struct strlist *problems)
{
    for (size_t i = 0; i < problems->len; i++)
        print_error("    %s\n", problems->items[i]);
}

static bool is_defined(const struct kind *kind)
{
    return !kind->is_secret;
}

TEST(schemas_and_field_tables_say_the_same)
{
    bool used[ARRAY_LEN(exceptions)] = {};

    for (size_t i = 0; kinds[i]; i++) {
        cleanup(json_unref) struct json *definition = NULL;
        struct check check = {};

        if (!is_defined(kinds[i]))
            continue;
        CASE(kinds[i]->resource.kind);
        definition = read_definition(&kinds[i]->resource);
        check_fields(&check, "", kinds[i]->fields, schema_of(definition));
        print_problems(&check.problems);
        ASSERT_EQ(check.problems.len, 0);
        for (size_t k = 0; k < ARRAY_LEN(exceptions); k++)
            used[k] |= check.used[k];
        strlist_deinit(&check.problems);
    }
    for (size_t i = 0; i < ARRAY_LEN(exceptions); i++) {
        CASE(exceptions[i].path);
        ASSERT_TRUE(used[i]);
    }
}

TEST(definitions_and_the_table_of_kinds_say_the_same)
{
    for (size_t i = 0; kinds[i]; i++) {
        const struct resource *resource = &kinds[i]->resource;
        cleanup(json_unref) struct json *definition = NULL;
        const struct json *spec;

        if (!is_defined(kinds[i]))
            continue;
        CASE(resource->kind);
        definition = read_definition(resource);
        spec = json_get(definition, "spec");
        ASSERT_STREQ(json_get_text(spec, "group"), resource->group);
        ASSERT_STREQ(json_get_text(json_get(spec, "names"), "kind"), resource->kind);
        ASSERT_STREQ(json_get_text(json_get(spec, "names"), "plural"), resource->plural);
        ASSERT_STREQ(json_get_text(spec, "scope"), resource->namespaced ? "Namespaced" : "Cluster");
        ASSERT_EQ(json_len(json_get(spec, "versions")), 1);
        ASSERT_STREQ(json_get_text(version_of(definition), "name"), resource->version);
        ASSERT_EQ(json_path(version_of(definition), "subresources.status") != NULL,
                  resource->has_status);
        json_for_each_item (name, json_path(spec, "names.shortNames"))
            ASSERT_PTREQ(kind_by_name(json_as_text(name)), kinds[i]);
    }
}

/* The comparison itself: one change anywhere is found, at its path. */

static void check_finds(const char *place, const char *word, const char *value, const char *path)
{
    cleanup(json_unref) struct json *definition = read_definition(&kind_certificate.resource);
    cleanup(json_unref) struct json *schema = json_deep(schema_of(definition));
    struct json *at = json_path(schema, place);
    struct json *changed = NULL;
    struct check check = {};
    struct err err = {};

    CASE(path);
    ASSERT_TRUE(at);
    if (value)
        ASSERT_OK(json_parse(value, strlen(value), LIMIT_MANIFEST_FILE, &changed, &err));
    json_set(at, word, changed);
    check_fields(&check, "", kind_certificate.fields, schema);
    ASSERT_EQ(check.problems.len, 1);
    ASSERT_TRUE(str_starts(check.problems.items[0], path));
    strlist_deinit(&check.problems);
}

TEST(each_difference_is_found_where_it_is)
{
    static const char text[] = "{\"type\": \"string\", \"description\": \"x\"}";
    static const char spec[] = "properties.spec.properties";
    static const char key[] = "properties.spec.properties.privateKey.properties";

    check_finds(spec, "secretNam", text, "spec.secretNam: no row");
    check_finds(spec, "commonName", NULL, "spec.commonName: no property");
    check_finds(key, "more", text, "spec.privateKey.more: no row");
    check_finds("properties.spec", "required", "[\"issuerRef\"]", "spec.secretName: required");
    check_finds("properties.spec", "required", "[\"issuerRef\", \"secretName\", \"isCA\"]",
                "spec.isCA: required");
    check_finds("properties.spec.properties.duration", "type", "\"integer\"",
                "spec.duration: type");
    check_finds("properties.spec.properties.duration", "description", NULL,
                "spec.duration: no description");
    check_finds("properties.spec.properties.dnsNames", "x-kubernetes-list-type", "\"set\"",
                "spec.dnsNames: list type");
    check_finds("properties.spec.properties.dnsNames.items", "type", "\"integer\"",
                "spec.dnsNames: type of items");
    check_finds("properties.spec.properties.usages.items", "enum", "[\"any\"]",
                "spec.usages: enum");
    check_finds("properties.spec.properties.commonName", "maxLength", "65",
                "spec.commonName: maxLength");
    check_finds("properties.spec.properties.isCA", "default", "true", "spec.isCA: default");
    check_finds("properties.status.properties.conditions", "x-kubernetes-list-map-keys",
                "[\"reason\"]", "status.conditions: key");
    check_finds("properties.status.properties.notAfter", "format", NULL, "status.notAfter: format");
    check_finds("properties.status.properties.conditions.items.properties", "more", text,
                "status.conditions.more: no row");
}

RUN_TESTS(cmocka_unit_test(schemas_and_field_tables_say_the_same),
          cmocka_unit_test(definitions_and_the_table_of_kinds_say_the_same),
          cmocka_unit_test(each_difference_is_found_where_it_is));
