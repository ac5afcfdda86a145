/*
 * output.h - what commands print for programs: JSON and YAML.
 */
#ifndef CERTLET_OUTPUT_H
#define CERTLET_OUTPUT_H

#include "json/json.h"

/* RFC 3339; 0 is left out. */
void output_set_time(struct json *map, const char *key, int64_t ms);
/* As `issuer`. */
void output_set_issuer(struct json *map, const char *kind, const char *name);
/* To standard output; `format` is "json" or "yaml". */
void output_print(const struct json *value, const char *format);

#endif
