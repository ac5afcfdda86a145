#include "base/base64.h"

#include <string.h>

struct alphabet {
    const char *name;
    char digits[65];
    bool padded;
};

static const struct alphabet standard = {
    .name = "base64",
    .digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    .padded = true,
};

static const struct alphabet url = {
    .name = "base64url",
    .digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
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

/* The table from byte to digit value would be as long as this and need a check of its own. */
static int digit_value(const struct alphabet *alphabet, char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == alphabet->digits[62])
        return 62;
    return c == alphabet->digits[63] ? 63 : -1;
}

/* One group: 2 to 4 digits become 1 to 3 bytes. Returns the digits that were good. Bits left
 * over in the last digit are ignored, as Go does: EAB secrets made by hand have them. */
static size_t decode_group(const struct alphabet *alphabet, struct buf *to, const char *text,
                           size_t len)
{
    uint32_t bits = 0;
    uint8_t out[3];
    int value;

    for (size_t i = 0; i < len; i++) {
        value = digit_value(alphabet, text[i]);
        if (value < 0)
            return i;
        bits |= (uint32_t)value << (18 - 6 * i);
    }
    for (size_t i = 0; i < 3; i++)
        out[i] = (uint8_t)(bits >> (16 - 8 * i));
    if (len > 1)
        buf_add(to, out, len - 1);
    return len;
}

/* Returns how many characters in front of the padding there are. */
static size_t without_padding(const char *text, size_t len)
{
    size_t padding = 0;

    while (len % 4 == 0 && padding < 2 && padding < len && text[len - 1 - padding] == '=')
        padding++;
    return len - padding;
}

/* Returns the offset of the first bad character, or `len`. One digit alone holds no byte. */
static size_t decode_digits(const struct alphabet *alphabet, struct buf *to, const char *text,
                            size_t len)
{
    size_t at, group;

    for (at = 0; at < len; at += group) {
        group = len - at < 4 ? len - at : 4;
        if (decode_group(alphabet, to, text + at, group) < group)
            return at + decode_group(alphabet, to, text + at, group);
    }
    return at;
}

static int decode(const struct alphabet *alphabet, struct buf *to, const char *text, size_t len,
                  struct err *err)
{
    size_t before = to->len, digits = without_padding(text, len), bad;

    bad = decode_digits(alphabet, to, text, digits);
    if (bad == digits && (digits % 4 == 1 || (alphabet->padded && len % 4 != 0)))
        bad = len; /* it ends too early */
    else if (bad == digits)
        return buf_check(to, "decoded text", err);
    buf_truncate(to, before);
    return err_set(err, ERR_INVALID, "not %s at offset %zu", alphabet->name, bad);
}

int base64_decode(struct buf *to, const char *text, size_t len, struct err *err)
{
    return decode(&standard, to, text, len, err);
}

int base64url_decode(struct buf *to, const char *text, size_t len, struct err *err)
{
    return decode(&url, to, text, len, err);
}
