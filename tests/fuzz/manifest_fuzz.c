/*
 * manifest_fuzz.c - any bytes as a manifest: what comes out is valid once more, and every problem has words.
 */
#include <stdlib.h>
#include <string.h>

#include "api/kinds.h"
#include "controller/manifests.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void check_problems(const struct manifest_problems *problems)
{
    require(problems->len <= MANIFEST_PROBLEMS_MAX);
    for (size_t i = 0; i < problems->len; i++) {
        cleanup(buf_deinit) struct buf text = BUF(1 << 16);

        manifest_problem_format(&problems->items[i], &text);
        require(!text.failed && text.len > 0 && str_is_utf8(text.data, text.len));
        require(!str_empty(problems->items[i].text) && problems->items[i].line >= 0);
    }
}

static void check_object(const struct manifest_object *object)
{
    cleanup(field_report_deinit) struct field_report report = {};
    cleanup(object_unref) const struct object *decoded = NULL;

    require(object->line > 0);
    require(object_decode(object->kind, object->json, &report, &decoded, NULL) == 0);
    require(!field_report_has_errors(&report));
    require(!str_empty(decoded->metadata.name));
    require(!object->kind->resource.namespaced || !str_empty(decoded->metadata.namespace));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const files[] = {"f.yaml"};
    cleanup(manifest_problems_deinit) struct manifest_problems problems = {};
    cleanup(manifest_objects_deinit) struct manifest_objects objects = {};

    manifest_parse(files[0], (const char *)data, size, &objects, &problems);
    for (size_t i = 0; i < objects.len; i++)
        check_object(&objects.items[i]);
    manifest_check_together(files, &objects, 1, &problems);
    check_problems(&problems);
    return 0;
}
