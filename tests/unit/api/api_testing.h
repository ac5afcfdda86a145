/*
 * api_testing.h - manifests in tests: read, and what the strict form said about them.
 */
#ifndef UNIT_API_TESTING_H
#define UNIT_API_TESTING_H

#include "support/testing.h"

#include "api/kinds.h"
#include "yaml/yaml.h"

/* The first document of a YAML text. */
static inline struct json *read_yaml(const char *text)
{
    cleanup(yaml_stream_free) struct yaml_stream *stream = NULL;
    struct err err = {};

    ASSERT_OK(yaml_parse(text, strlen(text), &stream, &err));
    ASSERT_TRUE(yaml_document_count(stream) == 1);
    return json_ref(yaml_document(stream, 0));
}

static inline const struct kind *kind_of(const struct json *value)
{
    return kind_find(json_get_text(value, "apiVersion"), json_get_text(value, "kind"));
}

static inline const struct object *decode_yaml(const char *text, struct field_report *report)
{
    cleanup(json_unref) struct json *value = read_yaml(text);
    const struct object *object = NULL;
    struct err err = {};

    ASSERT_OK(object_decode(kind_of(value), value, report, &object, &err));
    return object;
}

static inline const struct field_problem *find_problem(const struct field_report *report,
                                                       const char *path,
                                                       enum field_problem_kind kind)
{
    for (size_t i = 0; i < report->len; i++)
        if (report->items[i].kind == kind && strcmp(report->items[i].path, path) == 0)
            return &report->items[i];
    return NULL;
}

static inline void print_report(const struct field_report *report)
{
    for (size_t i = 0; i < report->len; i++)
        print_error("    %d %s: %s\n", (int)report->items[i].kind, report->items[i].path,
                    report->items[i].text);
}

#endif
