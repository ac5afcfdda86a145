#include "metrics/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define NUMBER_MAX 32

static void add_escaped(struct buf *to, const char *s, bool quotes)
{
    for (; *s; s++) {
        if (*s == '\\')
            buf_add_str(to, "\\\\");
        else if (*s == '\n')
            buf_add_str(to, "\\n");
        else if (*s == '"' && quotes)
            buf_add_str(to, "\\\"");
        else
            buf_add_char(to, *s);
    }
}

void text_add_label(struct buf *to, const char *name, const char *value)
{
    if (to->len > 0)
        buf_add_char(to, ',');
    buf_add_str(to, name);
    buf_add_str(to, "=\"");
    add_escaped(to, value, true);
    buf_add_char(to, '"');
}

void text_add_help(struct buf *to, const char *help)
{
    add_escaped(to, help, false);
}

void text_add_number(struct buf *to, double value)
{
    char text[NUMBER_MAX];

    if (isnan(value)) {
        buf_add_str(to, "NaN");
        return;
    }
    if (isinf(value)) {
        buf_add_str(to, value > 0 ? "+Inf" : "-Inf");
        return;
    }
    if (value > -1e15 && value < 1e15 && value == (double)(int64_t)value) {
        snprintf(text, sizeof(text), "%lld", (long long)value);
        buf_add_str(to, text);
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    buf_add_str(to, text);
}
