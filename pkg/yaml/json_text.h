/*
 * json_text.h - a text in JSON, made one that is YAML too.
 *
 * JSON writes a character beyond U+FFFF as two escapes, "\ud83d\ude00" (RFC 8259 7), and many programs write all
 * that is not ASCII so. YAML has "\U0001F600" for it, and libyaml refuses the halves of a pair.
 */
#ifndef YAML_JSON_TEXT_H
#define YAML_JSON_TEXT_H

#include "base/buf.h"

/* Does it begin as an object or a list does, and is there such an escape in it? */
bool json_text_has_pairs(const char *text, size_t len);
/* The text with a YAML escape for each pair; what is no pair stays as it is. On each line columns may differ. */
void json_text_join_pairs(const char *text, size_t len, struct buf *to);

#endif
