/*
 * field.h - field tables: what JSON members a C struct has.
 *
 * One `struct fields` per struct, one row per member, in the order in which the API documents
 * them. The one table drives decode, encode, equality, validation and (issue B) the proof that
 * the CRD schema says the same. A decoded struct and everything it points to lives in one arena.
 *
 * How a member is stored, and what "absent" looks like:
 *
 *   FIELD_STRING    const char *             NULL
 *   FIELD_SECRET    const char *             NULL; as string, but never quoted in a message
 *   FIELD_QUANTITY  const char *             NULL; JSON string or number
 *   FIELD_BOOL      bool                     false (the same as absent: not written)
 *   FIELD_OPT_BOOL  struct opt_bool          .is_set
 *   FIELD_INT       int64_t                  0 (the same as absent: not written)
 *   FIELD_OPT_INT   struct opt_int           .is_set
 *   FIELD_DURATION  struct opt_duration      .is_set; Go duration text. One that cannot be read is kept
 *                                            beside it and written as it was, so that checks find it
 *   FIELD_TIME      int64_t (ms since 1970)  0; RFC 3339 text, written with seconds
 *   FIELD_MICROTIME int64_t (ms since 1970)  0; written with microseconds
 *   FIELD_BYTES     struct bytes             .len == 0; base64 text
 *   FIELD_ENUM      int                      0; row of `names`, which starts at 1
 *   FIELD_INLINE    the struct itself        always there (metadata, spec, status)
 *   FIELD_OBJECT    struct x *               NULL
 *   FIELD_STRINGS   struct array_string      .len == 0
 *   FIELD_ENUMS     struct array_int         .len == 0
 *   FIELD_LIST      ARRAY_OF(struct x)       .len == 0; with .key a list-map
 *   FIELD_MAP       struct array_pair        .len == 0; string to string, keys sorted
 *   FIELD_RAW       struct json *            NULL; owned by the arena (released with it)
 *
 * JSON null is absent, as in Kubernetes. Absent and empty (`[]`, `""` for strings) decode alike
 * except that the three text types keep "". A member is *present* when it differs from the right
 * column; an INLINE struct when one of its members is.
 */
#ifndef JSON_FIELD_H
#define JSON_FIELD_H

#include "base/arena.h"
#include "base/timetext.h"
#include "json/json.h"

struct opt_bool {
    bool is_set, value;
};
struct opt_int {
    bool is_set;
    int64_t value;
};
struct opt_duration {
    bool is_set;
    int64_t ns;
    const char *unread; /* not set: the text, which is no duration */
};
struct bytes {
    const unsigned char *data;
    size_t len;
};
#define ARRAY_OF(type)                                                                             \
    struct {                                                                                       \
        type *items;                                                                               \
        size_t len;                                                                                \
    }
struct array_string {
    const char **items;
    size_t len;
};
struct array_int {
    int *items;
    size_t len;
};
struct pair {
    const char *key, *value;
};
struct array_pair {
    struct pair *items;
    size_t len;
};

enum field_type {
    FIELD_STRING,
    FIELD_SECRET,
    FIELD_QUANTITY,
    FIELD_BOOL,
    FIELD_OPT_BOOL,
    FIELD_INT,
    FIELD_OPT_INT,
    FIELD_DURATION,
    FIELD_TIME,
    FIELD_MICROTIME,
    FIELD_BYTES,
    FIELD_ENUM,
    FIELD_INLINE,
    FIELD_OBJECT,
    FIELD_STRINGS,
    FIELD_ENUMS,
    FIELD_LIST,
    FIELD_MAP,
    FIELD_RAW,
};

enum field_flags {
    F_REQUIRED = 1 << 0,  /* must be present and, for text and bytes, not empty; always written */
    F_IMMUTABLE = 1 << 1, /* may not change once present; an INLINE struct never */
    F_ATOMIC = 1 << 2,    /* x-kubernetes-list-type: atomic                      */
    F_DIGEST = 1 << 3,    /* a cache keeps only a hash of these bytes            */
    F_UNBUILT = 1 << 4,   /* part of the API, not built yet: refused with a clear message */
    F_NO_EFFECT = 1 << 5, /* accepted; said once to be without effect in a directory */
    F_MAY_BE_EMPTY = 1 << 6,  /* with F_REQUIRED: must be present, and that is all        */
    F_PLAIN = 1 << 7,         /* DURATION: duration_is_plain()                            */
    F_ONE_OF_SHIFT = 8,       /* F_ONE_OF(n): exactly one member of group n of the struct */
    F_AT_MOST_ONE_SHIFT = 12, /* F_AT_MOST_ONE(n)                                 */
    /* of fields_encode_as_go() */
    F_NO_OMIT = 1 << 16, /* Go writes it even where it is empty: a struct, or no 'omitempty' */
    F_POINTER = 1 << 17, /* text: Go keeps an empty one apart from none */
};
/* A group counts members that the document has, other than null and "". */
#define F_ONE_OF(group)      ((unsigned)(group) << F_ONE_OF_SHIFT)      /* group 1-15 */
#define F_AT_MOST_ONE(group) ((unsigned)(group) << F_AT_MOST_ONE_SHIFT) /* group 1-15 */

struct field;
struct field_report;
struct fields {
    const char *name; /* of the struct, for people: "Certificate spec" */
    size_t size;
    const struct field *rows;
    size_t count;
    /* Rules over several members; `self` is the decoded struct. May be NULL. */
    void (*check)(const void *self, const char *path, struct field_report *report);
};

struct enum_names {
    const char *const *names; /* names[0] is unused (absent) */
    int count;                /* with the unused one */
};
const char *enum_name(const struct enum_names *names, int value); /* "" for 0 and unknown */
int enum_value(const struct enum_names *names, const char *name); /* 0 when unknown */

/*
 * What is wrong with a document, all of it, by path: "spec.acme.solvers[0].dns01"; keys of maps,
 * and names with a dot or bracket, as "metadata.labels[example.com/team]"; "" is the document.
 */
enum field_problem_kind {
    PROBLEM_UNKNOWN, /* no such field (with the nearest name as a hint)   */
    PROBLEM_TYPE,    /* another JSON type                                 */
    PROBLEM_REQUIRED,
    PROBLEM_INVALID, /* the value breaks a rule                           */
    PROBLEM_UNBUILT, /* a field of the API whose feature is not built yet */
    PROBLEM_WARNING, /* does not stop anything                            */
};
struct field_problem {
    enum field_problem_kind kind;
    char *path, *text;
};
#define FIELD_PROBLEMS_MAX 50    /* more are counted, not kept; errors push out warnings */
#define FIELD_ITEMS_MAX    10000 /* structs in all lists of one decoded value: "{}," is 3 bytes */
struct field_report {
    struct field_problem *items;
    size_t len;
    size_t dropped;
};
void field_report_deinit(struct field_report *report);
DEFINE_CLEANUP_VALUE(struct field_report, field_report_deinit);
/* A NULL report takes nothing. Control characters become '?'. */
void field_report_add(struct field_report *report, enum field_problem_kind kind, const char *path,
                      const char *fmt, ...) PRINTF_LIKE(4, 5);
bool field_report_has_errors(const struct field_report *report); /* anything but warnings */
/* Fills `err` (ERR_INVALID; ERR_UNSUPPORTED if all errors are UNBUILT) with the first errors in one
 * line; returns 0 when there is none. */
int field_report_check(const struct field_report *report, struct err *err);

/* `self` + offset is the member; runs only when the member is present and, for text, not empty
 * (that is what .min = 1 and F_REQUIRED are for). */
typedef void field_check_fn(const void *member, const char *path, struct field_report *report);

struct field {
    const char *name; /* JSON member */
    enum field_type type;
    size_t offset;
    unsigned flags;
    const struct fields *of;        /* INLINE, OBJECT, LIST */
    const struct enum_names *names; /* ENUM, ENUMS */
    field_check_fn *check;
    const char *key;  /* LIST: the member that makes it a list-map; NULL: a plain list */
    const char *key2; /* second key of a list-map */
    int64_t min,
        max; /* INT, OPT_INT when max > min; text: bytes, each when > 0; LIST: max when > 0 */
    const char *default_text; /* what absent means, for documentation and `certlet explain` */
};

/* A row: FIELD(struct certificate_spec, secret_name, "secretName", STRING, .flags = F_REQUIRED) */
#define FIELD(type_, member_, json_, kind_, ...)                                                   \
    {                                                                                              \
        .name = (json_), .type = FIELD_##kind_, .offset = offsetof(type_, member_), __VA_ARGS__    \
    }
/* DEFINE_FIELDS(certificate_spec, "Certificate spec", rows, check) makes
 * `const struct fields certificate_spec_fields`. */
#define DEFINE_FIELDS(struct_, title_, rows_, check_)                                              \
    const struct fields struct_##_fields = {.name = (title_),                                      \
                                            .size = sizeof(struct struct_),                        \
                                            .rows = (rows_),                                       \
                                            .count = ARRAY_LEN(rows_),                             \
                                            .check = (check_)}

/*
 * Decode `value` (must be a map) into the zeroed `self`.
 *
 * With a report, everything wrong is added to it, what can be decoded is, and checks run: the
 * strict form for manifests; it returns 0 and the report tells. A struct's own check does not run
 * when a member of it could not be read, because it would judge a value that is not there.
 *
 * Without, unknown members and broken rules are passed over (an unknown enum value or a malformed
 * time counts as absent; null in a list as empty) and only a wrong JSON type is ERR_INVALID:
 * the tolerant form for what a store sends. The list in which there are too many items, by itself or together
 * with those before it, is cut to have one too many, which the strict form refuses; lists behind it are empty.
 * Each FIELD_INLINE of `fields` (metadata, spec, status) is counted for itself.
 *
 * Positions in lists are kept: an item that could not be read stays zero (text: "").
 */
int fields_decode(const struct fields *fields, const struct json *value, struct arena *arena,
                  void *self, const char *path, struct field_report *report, struct err *err);

/* A new map with the members that are present. */
struct json *fields_encode(const struct fields *fields, const void *self);
/* The same as Go's structs of these names and this order are written: for hashes that cert-manager makes, too. What
 * is RAW here and has a table is a struct there. Quantities stay as they are. */
struct json *fields_encode_as_go(const struct fields *fields, const void *self);

/* Deep equality of what is present; lists compare in order, keyed lists by key (which must be
 * unique). NULL and "" differ. */
bool fields_equal(const struct fields *fields, const void *a, const void *b);

/* Deep copy into another arena; `to` is overwritten, zero where there is no row. RAW values are
 * shared, not copied. */
void fields_copy(const struct fields *fields, const void *from, void *to, struct arena *arena);

/* Adds a problem for every F_IMMUTABLE member that differs, also inside INLINE and OBJECT. */
void fields_check_immutable(const struct fields *fields, const void *before, const void *after,
                            const char *path, struct field_report *report);

/* Small helpers for array values. */
bool array_string_has(const struct array_string *array, const char *s);
bool array_string_same_set(const struct array_string *a, const struct array_string *b);
void array_string_add_to(const struct array_string *array, struct strlist *to); /* copies */
const char *array_pair_get(const struct array_pair *array, const char *key);
struct bytes bytes_of(const void *data, size_t len);

#endif
