/*
 * yaml_fuzz.c - any bytes as YAML; what parses is printed and must read back as the same value.
 */
#include <stdlib.h>
#include <string.h>

#include "yaml/yaml.h"

enum { TEXT_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void print_and_parse(const struct json *value)
{
    cleanup(yaml_stream_free) struct yaml_stream *stream = NULL;
    cleanup(buf_deinit) struct buf text = BUF(TEXT_MAX);
    struct err err = {};

    yaml_print(value, &text);
    if (buf_check(&text, "value", &err) < 0)
        return; /* aliases made it large */
    require(yaml_parse(text.data, text.len, &stream, &err) == 0);
    require(yaml_document_count(stream) == 1);
    require(json_same(yaml_document(stream, 0), value));
}

/* The input's beginning as a path, to see that no path leads astray. */
static void look_for_lines(const struct yaml_stream *stream, const uint8_t *data, size_t size)
{
    cleanup(xfree) char *path = xstrndup((const char *)data, size < 40 ? size : 40);

    for (size_t i = 0; i < yaml_document_count(stream); i++)
        require(yaml_line(stream, i, path) > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup(yaml_stream_free) struct yaml_stream *stream = NULL;
    struct err err = {};

    if (yaml_parse((const char *)data, size, &stream, &err) < 0)
        return 0;
    look_for_lines(stream, data, size);
    for (size_t i = 0; i < yaml_document_count(stream); i++)
        print_and_parse(yaml_document(stream, i));
    return 0;
}
