/*
 * hint.c - the known name that a misspelt one probably meant.
 */
#include <string.h>

#include "json/member.h"

enum { LONGEST_NAME = 64, FARTHEST = 2 };

static size_t least(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;

    return ab < c ? ab : c;
}

/* Levenshtein: inserted, removed and replaced characters that lead from `a` to `b`. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t row[LONGEST_NAME + 1];

    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t above = row[j];

            row[j] = least(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[b_len];
}

const char *fields_nearest_name(const struct fields *fields, const char *name)
{
    size_t len = strlen(name), best = FARTHEST + 1;
    const char *nearest = NULL;

    if (len > LONGEST_NAME)
        return NULL;
    for (size_t i = 0; i < fields->count; i++) {
        const char *known = fields->rows[i].name;
        size_t known_len = strlen(known), far;

        if (streq_ci(known, name))
            return known;
        if (known_len > LONGEST_NAME)
            continue;
        far = distance(name, len, known, known_len);
        /* Half of a short name replaced is another name, not a slip ("ca" for "zz"). */
        if (far < best && far * 2 <= known_len && far < len) {
            best = far;
            nearest = known;
        }
    }
    return nearest;
}
