#include "base/base64.h"

#include <string.h>

struct alphabet {
    const char *name;
    char digits[65];
    uint8_t values[256]; /* of a digit: one more than its value; 0: no digit */
    bool padded;
};

#define TWO(c, value)  [c] = (value) + 1, [(c) + 1] = (value) + 2
#define FOUR(c, value) TWO(c, value), TWO((c) + 2, (value) + 2)
#define TEN(c, value)  FOUR(c, value), FOUR((c) + 4, (value) + 4), TWO((c) + 8, (value) + 8)
#define LETTERS(c, value)                                                                          \
    TEN(c, value), TEN((c) + 10, (value) + 10), FOUR((c) + 20, (value) + 20),                      \
        TWO((c) + 24, (value) + 24)

static const struct alphabet standard = {
    .name = "base64",
    .digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    .values = {LETTERS('A', 0), LETTERS('a', 26), TEN('0', 52), ['+'] = 63, ['/'] = 64},
    .padded = true,
};

static const struct alphabet url = {
    .name = "base64url",
    .digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
    .values = {LETTERS('A', 0), LETTERS('a', 26), TEN('0', 52), ['-'] = 63, ['_'] = 64},
};

/* One group: 1 to 3 bytes become 2 to 4 digits. */
static void encode_group(const struct alphabet *alphabet, struct buf *to, const uint8_t *in,
                         size_t len)
{
    uint32_t bits = (uint32_t)in[0] << 16;
    char out[4];

    if (len > 1)
        bits |= (uint32_t)in[1] << 8;
    if (len > 2)
        bits |= in[2];
    for (size_t i = 0; i < 4; i++)
        out[i] = i <= len ? alphabet->digits[(bits >> (18 - 6 * i)) & 63] : '=';
    buf_add(to, out, alphabet->padded ? 4 : len + 1);
}

static void encode(const struct alphabet *alphabet, struct buf *to, const void *data, size_t len)
{
    const uint8_t *in = data;

    for (; len >= 3; in += 3, len -= 3)
        encode_group(alphabet, to, in, 3);
    if (len > 0)
        encode_group(alphabet, to, in, len);
}

void base64_encode(struct buf *to, const void *data, size_t len)
{
    encode(&standard, to, data, len);
}

void base64url_encode(struct buf *to, const void *data, size_t len)
{
    encode(&url, to, data, len);
}

static char *encode_new(const struct alphabet *alphabet, const void *data, size_t len)
{
    /* Secret, because what is encoded may be a key: nothing of it stays behind while it grows. */
    cleanup(buf_deinit) struct buf text = BUF_SECRET(SIZE_MAX / 2);

    encode(alphabet, &text, data, len);
    return buf_take(&text);
}

char *base64_new(const void *data, size_t len)
{
    return encode_new(&standard, data, len);
}

char *base64url_new(const void *data, size_t len)
{
    return encode_new(&url, data, len);
}

static uint32_t value_of(const struct alphabet *alphabet, char c)
{
    return alphabet->values[(unsigned char)c] - 1u;
}

/* The offset of the first character that is no digit, or `len`. */
static size_t find_bad(const struct alphabet *alphabet, const char *text, size_t len)
{
    size_t at = 0;

    while (at < len && alphabet->values[(unsigned char)text[at]])
        at++;
    return at;
}

/* 2 to 4 digits that begin a group become 1 to 3 bytes. Bits left over in the last digit are ignored,
 * as Go does: EAB secrets made by hand have them. */
static void decode_rest(const struct alphabet *alphabet, uint8_t *out, const char *text, size_t len)
{
    uint32_t bits = 0;

    for (size_t i = 0; i < len; i++)
        bits |= value_of(alphabet, text[i]) << (18 - 6 * i);
    for (size_t i = 0; i + 1 < len; i++)
        out[i] = (uint8_t)(bits >> (16 - 8 * i));
}

/* Thousands of Secrets go through here at a start: whole groups without a look at each digit. */
static void decode_digits(const struct alphabet *alphabet, uint8_t *out, const char *text,
                          size_t len)
{
    for (; len >= 4; text += 4, len -= 4, out += 3) {
        uint32_t bits = value_of(alphabet, text[0]) << 18 | value_of(alphabet, text[1]) << 12 |
                        value_of(alphabet, text[2]) << 6 | value_of(alphabet, text[3]);

        out[0] = (uint8_t)(bits >> 16);
        out[1] = (uint8_t)(bits >> 8);
        out[2] = (uint8_t)bits;
    }
    decode_rest(alphabet, out, text, len);
}

/* Returns how many characters in front of the padding there are. */
static size_t without_padding(const char *text, size_t len)
{
    size_t padding = 0;

    while (len % 4 == 0 && padding < 2 && padding < len && text[len - 1 - padding] == '=')
        padding++;
    return len - padding;
}

/* One digit alone holds no byte. */
static int decode(const struct alphabet *alphabet, struct buf *to, const char *text, size_t len,
                  struct err *err)
{
    size_t digits = without_padding(text, len), bad = find_bad(alphabet, text, digits);
    size_t bytes = digits / 4 * 3 + (digits % 4 ? digits % 4 - 1 : 0);
    char *out;

    if (bad < digits)
        return err_set(err, ERR_INVALID, "not %s at offset %zu", alphabet->name, bad);
    if (digits % 4 == 1 || (alphabet->padded && len % 4 != 0))
        return err_set(err, ERR_INVALID, "not %s at offset %zu", alphabet->name, len);
    out = buf_room(to, bytes);
    if (out) {
        decode_digits(alphabet, (uint8_t *)out, text, digits);
        buf_added(to, bytes);
    }
    return buf_check(to, "decoded text", err);
}

int base64_decode(struct buf *to, const char *text, size_t len, struct err *err)
{
    return decode(&standard, to, text, len, err);
}

int base64url_decode(struct buf *to, const char *text, size_t len, struct err *err)
{
    return decode(&url, to, text, len, err);
}
