/*
 * json.h - JSON values; jansson stays behind this header.
 *
 * A `struct json` is counted: json_ref() shares it, json_unref() lets go. A value that others may
 * also hold is read only: change a json_deep(). Setters take over the reference they are given
 * ("steals"), getters lend. Parsing refuses duplicate keys, trailing text, NUL in strings, invalid
 * UTF-8, numbers beyond 64 bits and nesting beyond LIMIT_JSON_DEPTH. Text that we put in is made
 * valid (U+FFFD). A value is one thread's: jansson looks at a count without care for others. What goes to
 * another thread is handed over whole, or is a json_deep().
 */
#ifndef JSON_JSON_H
#define JSON_JSON_H

#include "base/str.h"

struct json; /* json_t of jansson, never looked into outside json/ */

enum json_kind {
    JSON_KIND_NULL,
    JSON_KIND_BOOL,
    JSON_KIND_INT,
    JSON_KIND_REAL,
    JSON_KIND_TEXT,
    JSON_KIND_LIST,
    JSON_KIND_MAP
};

/* Before all else, where secrets are read: from now on the memory of values is wiped when it goes. */
void json_setup(void);

struct json *json_ref(struct json *value);
void json_unref(struct json *value);
DEFINE_CLEANUP(struct json, json_unref);

/* ERR_INVALID with line and column, never with a piece of the text, which may be secret.
 * ERR_TOO_LARGE: more than `max` bytes, or nested too deep. */
int json_parse(const char *text, size_t len, size_t max, struct json **ret, struct err *err);
/* The same of what a server wrote in Go, for many: what it takes and we do not must not keep all the rest from
 * us. In texts NUL becomes U+FFFD, which rules refuse with its place (field.h); a list or map below
 * LIMIT_JSON_DEPTH becomes 0, an integer beyond 64 bits a real, and of a key that is there twice the last
 * stays. */
int json_parse_foreign(const char *text, size_t len, size_t max, struct json **ret,
                       struct err *err);
/* Without the list or map that is `member` of the member `of` of the outermost map: what nobody asks for
 * need not be made. Whether it is well-formed inside is not looked at, so this is for text of our own. */
int json_parse_without(const char *text, size_t len, size_t max, const char *member, const char *of,
                       struct json **ret, struct err *err);
/* Compact with sorted keys: the same value always gives the same text. */
void json_print(const struct json *value, struct buf *to);
char *json_text(const struct json *value);       /* heap string, compact, sorted */
char *json_text_as_go(const struct json *value); /* the same, order of insertion; &, <, > escaped */
void json_print_pretty(const struct json *value, struct buf *to); /* 2 spaces, order of insertion */

struct json *json_new_map(void);
struct json *json_new_list(void);
struct json *json_new_text(const char *s); /* NULL gives JSON null */
struct json *json_new_text_len(const char *s, size_t len);
struct json *json_new_int(int64_t n);
struct json *json_new_real(double n); /* not finite: JSON null */
struct json *json_new_bool(bool b);
struct json *json_new_null(void);
struct json *json_new_strlist(const struct strlist *list);
struct json *json_new_strmap(const struct strmap *map);
struct json *json_deep(
    const struct json *value); /* deep copy (jansson has json_copy); NULL gives NULL */
bool json_same(const struct json *a,
               const struct json *b); /* map order ignored; NULL equals NULL */

enum json_kind json_kind(const struct json *value); /* NULL counts as JSON_KIND_NULL */
const char *json_kind_name(enum json_kind kind);    /* "string", "list", ...: for messages */
size_t json_len(const struct json *value);          /* of list or map, else 0 */

struct json *json_get(const struct json *map, const char *key); /* NULL when absent or no map */
struct json *json_at(const struct json *list, size_t i);        /* NULL beyond the end */
/* "status.acme.uri": keys without dots; NULL when any step is absent. */
struct json *json_path(const struct json *value, const char *path);
const char *json_get_text(const struct json *map,
                          const char *key); /* NULL when absent or no text */
int64_t json_get_int(const struct json *map, const char *key, int64_t otherwise);
bool json_get_bool(const struct json *map, const char *key, bool otherwise);
const char *json_as_text(const struct json *value); /* NULL when no text */
size_t json_text_len(const struct json *value);     /* bytes; 0 when no text */
int64_t json_as_int(const struct json *value, int64_t otherwise);
double json_as_real(const struct json *value, double otherwise); /* of an integer, too */
bool json_as_bool(const struct json *value, bool otherwise);

void json_set(struct json *map, const char *key,
              struct json *value); /* steals; NULL value removes */
void json_set_text(struct json *map, const char *key, const char *s); /* NULL removes */
void json_set_int(struct json *map, const char *key, int64_t n);
void json_set_bool(struct json *map, const char *key, bool b);
void json_remove(struct json *map, const char *key);
void json_append(struct json *list, struct json *value); /* steals */
void json_append_text(struct json *list, const char *s);
void json_remove_at(struct json *list, size_t i);
/* The map under `key`, made if absent or not a map. Lent. */
struct json *json_need_map(struct json *map, const char *key);

/*
 * Iteration over a map in order of insertion: json_for_each(key, value, map) { }
 * `break` and `continue` do what they say; the body may remove the member it looks at only if it
 * leaves the loop then. json_for_each_item counts in `<item>_at`.
 */
struct json_iter;
struct json_iter *json_iter_first(const struct json *map);
struct json_iter *json_iter_after(const struct json *map, struct json_iter *at);
const char *json_iter_name(struct json_iter *at);
struct json *json_iter_item(struct json_iter *at);
struct json_each { /* of json_for_each: `left` stays set when the body breaks */
    struct json_iter *at;
    bool left;
};
#define json_for_each(key, value, map)                                                             \
    for (struct json_each each_##key = {json_iter_first(map), false}; each_##key.at;               \
         each_##key.at = each_##key.left ? NULL : json_iter_after(map, each_##key.at))             \
        for (const char *key = (each_##key.left = true, json_iter_name(each_##key.at)); key;       \
             key = NULL)                                                                           \
            for (struct json *value = json_iter_item(each_##key.at); value;                        \
                 value = NULL, each_##key.left = false)
#define json_for_each_item(item, list)                                                             \
    for (size_t item##_at = 0, left_##item = 0; !left_##item && item##_at < json_len(list);        \
         item##_at++)                                                                              \
        for (struct json *item = (left_##item = 1, json_at(list, item##_at)); item;                \
             item = NULL, left_##item = 0)

/* RFC 7396 merge patch: `target` changes in place (it must be a map; a patch that is none does
 * nothing). Nothing of `patch` is shared with it afterwards. */
void json_merge_patch(struct json *target, const struct json *patch);

#endif
