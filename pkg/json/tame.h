/*
 * tame.h - see tame.c. Private to this folder.
 */
#ifndef JSON_TAME_H
#define JSON_TAME_H

#include "base/buf.h"

size_t json_tame_max(size_t len); /* what `len` bytes may become */
/* `text` without what Go takes and json_parse() refuses; still not JSON where it is none. */
void json_tame(const char *text, size_t len, struct buf *to);

#endif
