/*
 * scalar.h - what a plain (unquoted) YAML scalar means.
 */
#ifndef YAML_SCALAR_H
#define YAML_SCALAR_H

#include "json/json.h"

/* NULL for .inf and .nan, which JSON does not have. */
struct json *scalar_read(const char *s, size_t len);
/* What another reader than ours may take for something else: "yes", "1:30", "2026-01-01". */
bool scalar_is_ambiguous(const char *s, size_t len);

#endif
