#include "yaml/json_text.h"

#include <string.h>

#include "base/str.h"

enum { ESCAPE_LEN = 6 }; /* \ud83d */

static bool begins_as_json(const char *text, size_t len)
{
    size_t i = 0;

    while (i < len && strchr(" \t\r\n", text[i]) && text[i])
        i++;
    return i < len && (text[i] == '{' || text[i] == '[');
}

bool json_text_has_pairs(const char *text, size_t len)
{
    return begins_as_json(text, len) &&
           (memmem(text, len, "\\ud", 3) != NULL || memmem(text, len, "\\uD", 3) != NULL);
}

/* The number in an escape `\uXXXX` at the start of `text`; -1: there is none. */
static int escaped(const char *text, size_t len)
{
    int code = 0;

    if (len < ESCAPE_LEN || text[0] != '\\' || text[1] != 'u')
        return -1;
    for (int i = 2; i < ESCAPE_LEN; i++) {
        int digit = str_hex_digit(text[i]);

        if (digit < 0)
            return -1;
        code = code << 4 | digit;
    }
    return code;
}

/* The character of a pair at the start of `text`; 0: there is none. */
static uint32_t pair_at(const char *text, size_t len)
{
    int high = escaped(text, len);
    int low = high >= 0xd800 && high < 0xdc00 ? escaped(text + ESCAPE_LEN, len - ESCAPE_LEN) : -1;

    if (low < 0xdc00 || low > 0xdfff)
        return 0;
    return 0x10000 + ((uint32_t)(high - 0xd800) << 10) + (uint32_t)(low - 0xdc00);
}

void json_text_join_pairs(const char *text, size_t len, struct buf *to)
{
    for (size_t i = 0, step; i < len; i += step) {
        uint32_t code = pair_at(text + i, len - i);

        /* What is behind a backslash begins no escape. */
        step = code ? 2 * ESCAPE_LEN : text[i] == '\\' && i + 1 < len ? 2 : 1;
        if (code)
            buf_addf(to, "\\U%08X", (unsigned)code);
        else
            buf_add(to, text + i, step);
    }
}
