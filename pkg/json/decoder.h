/*
 * decoder.h - between decode.c, which walks structs, and scalar.c, which reads single values.
 */
#ifndef JSON_DECODER_H
#define JSON_DECODER_H

#include "json/member.h"

struct decoder {
    struct arena *arena;
    struct field_report *report; /* NULL: the tolerant form */
    struct err *err;             /* of the tolerant form */
    size_t items; /* structs in lists so far; the tolerant form never has more than one too many */
};

/* What became of a value. */
enum outcome {
    FAILED = -1, /* tolerant form: over, d->err is set */
    DECODED,
    PASSED_OVER, /* strict form: reported; tolerant form: counts as absent */
};

/* A broken rule: reported, or passed over in the tolerant form. */
enum outcome decoder_broken(struct decoder *d, enum field_problem_kind kind,
                            const struct path *path, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* Another JSON type than `wanted` ("a string"). */
enum outcome decoder_wrong_type(struct decoder *d, const struct path *path, const char *wanted,
                                const struct json *value);

typedef enum outcome decode_fn(struct decoder *d, const struct field *row, const struct json *value,
                               const struct path *path, void *member);
decode_fn scalar_decode_text, scalar_decode_string, scalar_decode_quantity, scalar_decode_bool,
    scalar_decode_opt_bool, scalar_decode_int, scalar_decode_opt_int, scalar_decode_duration,
    scalar_decode_time, scalar_decode_bytes, scalar_decode_enum;

/* Length or range, as the row says. Strict form, for what was decoded. */
void scalar_check_limits(struct decoder *d, const struct field *row, const void *member,
                         const struct path *path);

#endif
