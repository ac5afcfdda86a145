/*
 * str.h - C strings, lists of them, and small string maps. All plain data, no threads.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include "base/buf.h"

bool streq(const char *a, const char *b);    /* NULL equals only NULL */
bool streq_ci(const char *a, const char *b); /* ASCII case ignored */
bool str_empty(const char *s);               /* NULL or "" */
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
/* Where `what` begins for the last time; NULL: nowhere. */
const char *str_last(const char *s, const char *what);
const char *str_or(const char *s, const char *otherwise); /* `s` unless empty */
void str_lower(char *s);                                  /* ASCII */
/* The whole string is a number in range, or ERR_INVALID. */
int str_parse_int(const char *s, int64_t min, int64_t max, int64_t *ret);
bool str_is_utf8(const char *s, size_t len);
/* FNV-1a 64: stable across runs; not for security. */
uint64_t str_hash(const void *data, size_t len);
/* FNV-1 32, as cert-manager names Orders. */
uint32_t str_fnv1_32(const void *data, size_t len);
/* Bytes of the UTF-8 character at `s` (of `len` bytes): 1 to 4, or 0 when it is none. */
size_t str_utf8_next(const char *s, size_t len);
/* The character that these `len` bytes are, of which str_utf8_next() has told. */
uint32_t str_utf8_code(const char *s, size_t len);
/* Is it unseen, or does it steer what shows it: a control character (C0, DEL, C1), one that formats, as those
 * for the direction of writing do, a separator of lines? */
bool str_is_unseen(uint32_t code);
int str_hex_digit(char c); /* 0 to 15, in either case; -1: none */
/* In place: what str_is_unseen() and bytes that are not UTF-8 become one '?' each. */
void str_clean(char *s);
/* For a full `text` of `size` bytes that was cut: ends it in "..." between two characters. */
void str_ellipsis(char *text, size_t size);
/* The first LIMIT_EXCERPT bytes (whole characters), cleaned, for quoting foreign text. */
void str_excerpt(struct buf *buf, const char *s, size_t len);

/* An owned list of owned strings; zeroed is empty. */
struct strlist {
    char **items;
    size_t len;
};
void strlist_deinit(struct strlist *list);
DEFINE_CLEANUP_VALUE(struct strlist, strlist_deinit);
void strlist_add(struct strlist *list, const char *s);
void strlist_add_take(struct strlist *list, char *s);
bool strlist_has(const struct strlist *list, const char *s);
void strlist_sort_unique(struct strlist *list);
/* Order and repeats are ignored. */
bool strlist_same_set(const struct strlist *a, const struct strlist *b);
/* Adds the items, trimmed; empty ones are dropped. */
void strlist_split(struct strlist *list, const char *s, char separator);
char *strlist_join(const struct strlist *list, const char *separator);
void strlist_copy(struct strlist *to, const struct strlist *from); /* appends */

/* String to string, kept in order of insertion; few entries (labels, annotations, headers). */
struct strmap_entry {
    char *key;
    char *value;
};
struct strmap {
    struct strmap_entry *items;
    size_t len;
};
void strmap_deinit(struct strmap *map);
DEFINE_CLEANUP_VALUE(struct strmap, strmap_deinit);
const char *strmap_get(const struct strmap *map, const char *key); /* NULL when absent */
void strmap_set(struct strmap *map, const char *key, const char *value);
void strmap_remove(struct strmap *map, const char *key);
bool strmap_equal(const struct strmap *a, const struct strmap *b); /* order ignored */
void strmap_copy(struct strmap *to, const struct strmap *from);    /* into what is there */
#define strmap_for_each(entry, map)                                                                \
    for (const struct strmap_entry *entry = (map)->items;                                          \
         entry && entry < (map)->items + (map)->len; entry++)

/* One line of CSV (RFC 4180 quoting), as cert-manager writes list annotations. Parsing appends,
 * and nothing on ERR_INVALID; an empty line has no fields. */
char *csv_line(const struct strlist *list);
int csv_parse_line(const char *line, struct strlist *ret, struct err *err);

#endif
