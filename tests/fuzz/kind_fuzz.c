/*
 * Manifests, and what an API server has: YAML to each kind, strictly; back to JSON; and again as a store would send it.
 */
#include <assert.h>

#include "api/kinds.h"
#include "api/secret.h"
#include "controller/facts.h"
#include "yaml/yaml.h"

/* A kind for every document: the first that is named, else one by the length. */
static const struct kind *choose_kind(const struct json *value)
{
    const char *name = json_get_text(value, "kind");
    const struct kind *kind = kind_find(json_get_text(value, "apiVersion"), name);

    if (streq(name, kind_signing_request.resource.kind))
        return &kind_signing_request;
    return kind ? kind : kinds[json_len(value) % 7];
}

/* What was accepted reads back as the same. */
static void read_again(const struct object *object, bool accepted)
{
    cleanup(json_unref) struct json *first = object_encode(object);
    cleanup(json_unref) struct json *second = NULL;
    cleanup(object_unref) const struct object *again = NULL;
    struct err err = {};

    if (object_decode(object->kind, first, NULL, &again, &err) < 0) {
        assert(!accepted);
        return;
    }
    second = object_encode(again);
    if (accepted)
        assert(json_same(first, second));
}

static void try_strict(const struct kind *kind, const struct json *value)
{
    cleanup(field_report_deinit) struct field_report report = {};
    cleanup(object_unref) const struct object *object = NULL;
    struct err err = {};
    int r = object_decode(kind, value, &report, &object, &err);

    assert(r == 0);
    read_again(object, field_report_check(&report, &err) == 0);
}

static void try_tolerant(const struct kind *kind, const struct json *value)
{
    cleanup(field_report_deinit) struct field_report report = {};
    cleanup(object_unref) const struct object *object = NULL;
    struct err err = {};

    if (object_decode_cached(kind, value, &object, &err) == 0)
        object_check_spec(object, &report);
}

static void try_facts(const struct json *value)
{
    cleanup(object_unref) const struct object *request = NULL;
    cleanup(object_unref) const struct object *order = NULL;
    cleanup(object_unref) const struct object *secret = NULL;
    cleanup(object_unref) const struct object *signing = NULL;
    const struct secret_facts *facts;
    const void *any;

    if (request_facts_decode(value, &any, NULL) == 0)
        request = any;
    if (order_facts_decode(value, &any, NULL) == 0)
        order = any;
    if (signing_request_facts_decode(value, &any, NULL) == 0)
        signing = any;
    if (secret_facts_decode(value, &facts, NULL) == 0)
        secret = &facts->object;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup(yaml_stream_free) struct yaml_stream *stream = NULL;
    struct err err = {};

    if (yaml_parse((const char *)data, size, &stream, &err) < 0)
        return 0;
    for (size_t i = 0; i < yaml_document_count(stream); i++) {
        const struct json *value = yaml_document(stream, i);
        const struct kind *kind = choose_kind(value);

        try_strict(kind, value);
        try_tolerant(kind, value);
        try_facts(value);
    }
    return 0;
}
