/*
 * yaml.h - YAML text to JSON, with the place of every value.
 *
 * What `kubectl apply` takes: YAML 1.1 as sigs.k8s.io/yaml reads it (plain scalars: null, bool
 * true/false/yes/no/on/off, int, float, else string; keys must be strings after that; merge keys
 * `<<` are expanded, the map's own members win), several documents in one stream, empty documents
 * skipped. JSON is read too. As there, `017` is 15, `5.0` is the integer 5, and a number beyond 64
 * bits is a real; unlike there, `y` and `n` are strings, and `.inf` and `.nan` are refused. Quoted
 * text is always a string. Tags: !!str, !!int, !!float, !!bool, !!null, !!map, !!seq.
 *
 * Aliases count against LIMIT_MANIFEST_NODES each time they are used, long texts as several values,
 * so a "billion laughs" file is ERR_TOO_LARGE, as is what goes beyond LIMIT_MANIFEST_FILE or
 * LIMIT_JSON_DEPTH. Duplicate keys, NUL, anchors that contain themselves: ERR_INVALID with line and
 * column. An alias shares the value it points to, so documents are read only.
 */
#ifndef YAML_YAML_H
#define YAML_YAML_H

#include "json/json.h"

struct yaml_stream; /* all documents of one text */

/* One bad document makes the whole text fail: ERR_INVALID, "line 3, column 5: ...". */
int yaml_parse(const char *text, size_t len, struct yaml_stream **ret, struct err *err);
void yaml_stream_free(struct yaml_stream *stream);
DEFINE_CLEANUP(struct yaml_stream, yaml_stream_free);
size_t yaml_document_count(const struct yaml_stream *stream);
struct json *yaml_document(const struct yaml_stream *stream, size_t i); /* lent */
/* Line (from 1) of the value at a field path of field.h ("spec.dnsNames[1]", "labels[a.b/c]", ""
 * for the document itself); of a map's member it is the line of the key. For a path that is not
 * there, of its nearest parent; 0 when there is no document `i`. */
int yaml_line(const struct yaml_stream *stream, size_t i, const char *path);

/* JSON value as block-style YAML, order of insertion: for `-o yaml`. Reads back as the same value,
 * with the one exception that a real without a fraction becomes an integer. */
void yaml_print(const struct json *value, struct buf *to);

#endif
