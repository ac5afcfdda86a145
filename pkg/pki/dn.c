#include "pki/dn.h"

#include <string.h>

#include "base/limits.h"
#include "base/str.h"
#include "pki/names.h"

#define SEPARATORS  ",;+" /* the last one: into the same RDN */
#define TYPES_KNOWN "C, O, OU, CN, SERIALNUMBER, L, ST, STREET, DC, UID"

/* Those that cert-manager knows (api.md 4). */
static const struct {
    const char *name, *oid;
} types[] = {
    {"C", "2.5.4.6"},
    {"O", "2.5.4.10"},
    {"OU", "2.5.4.11"},
    {"CN", DN_COMMON_NAME},
    {"SERIALNUMBER", "2.5.4.5"},
    {"L", "2.5.4.7"},
    {"ST", "2.5.4.8"},
    {"STREET", "2.5.4.9"},
    {"DC", "0.9.2342.19200300.100.1.25"},
    {"UID", "0.9.2342.19200300.100.1.1"},
};

struct reader {
    const char *text, *at;
};

void dn_deinit(struct dn *dn)
{
    for (size_t i = 0; i < dn->len; i++) {
        xfree(dn->items[i].oid);
        xfree(dn->items[i].value);
    }
    xfree(dn->items);
    *dn = (struct dn){};
}

/* In the certificate. An RDN is a SET OF, whose order is that of the bytes (X.690 11.6): of the length, of the
 * type, in which PrintableString is above UTF8String, of the text. */
static bool is_behind(const char *value, const char *other)
{
    size_t len = strlen(value), other_len = strlen(other);
    bool is_printable = name_is_printable_string(value);

    if (len != other_len)
        return len > other_len;
    if (is_printable != name_is_printable_string(other))
        return is_printable;
    return strcmp(value, other) > 0;
}

const char *dn_common_name(const struct dn *dn)
{
    const char *last = NULL;

    for (size_t i = dn->len; i > 0; i--) {
        const struct dn_attribute *attribute = &dn->items[i - 1];

        if (streq(attribute->oid, DN_COMMON_NAME) && (!last || is_behind(attribute->value, last)))
            last = attribute->value;
        if (last && !attribute->joins)
            break;
    }
    return last;
}

/* Counted from 1. */
static size_t position(const struct reader *in)
{
    return (size_t)(in->at - in->text) + 1;
}

static void skip_blanks(struct reader *in)
{
    in->at += strspn(in->at, " ");
}

/*
 * Types.
 */

/* Heap, or NULL. */
static char *oid_of(const char *type)
{
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (streq_ci(type, types[i].name))
            return xstrdup(types[i].oid);
    return name_is_oid(type) ? xstrdup(type) : NULL;
}

/* "TYPE =", the blanks around it dropped; heap. */
static int read_word(struct reader *in, char **ret, struct err *err)
{
    const char *start = in->at;
    size_t len = strcspn(start, "=" SEPARATORS);

    if (start[len] != '=')
        return err_set(err, ERR_INVALID,
                       "at byte %zu there is '%.*s' where TYPE=value must be (a ',' in a value is "
                       "written as '\\,')",
                       position(in), (int)(len < LIMIT_EXCERPT ? len : LIMIT_EXCERPT), start);
    in->at = start + len + 1;
    while (len > 0 && start[len - 1] == ' ')
        len--;
    *ret = xstrndup(start, len);
    return 0;
}

static int read_type(struct reader *in, char **ret_oid, struct err *err)
{
    cleanup(xfree) char *type = NULL;
    size_t start;
    int r;

    skip_blanks(in);
    start = position(in);
    r = read_word(in, &type, err);
    if (r < 0)
        return r;
    *ret_oid = oid_of(type);
    if (!*ret_oid)
        return err_set(err, ERR_INVALID,
                       "'%.*s' at byte %zu is no type that is known (" TYPES_KNOWN
                       ") and no object identifier such as 2.5.4.12; its value begins with '%.20s'",
                       LIMIT_EXCERPT, type, start, in->at);
    return 0;
}

/*
 * Values.
 */

/* The byte that two digits are, or -1. */
static int hex_pair(const char *s)
{
    int high = str_hex_digit(s[0]), low = high < 0 ? -1 : str_hex_digit(s[1]);

    return low < 0 ? -1 : high * 16 + low;
}

/* What stands behind a '\'. */
static int read_escaped(struct reader *in, struct buf *value, struct err *err)
{
    int byte = hex_pair(in->at);

    if (byte > 0) {
        buf_add_char(value, (char)byte);
        in->at += 2;
    } else if (*in->at && strchr(" \"#+,;<=>\\", *in->at)) {
        buf_add_char(value, *in->at++);
    } else {
        return err_set(
            err, ERR_INVALID,
            "the '\\' before byte %zu must be followed by one of ' \"#+,;<=>\\' or by two "
            "hexadecimal digits that are not 00",
            position(in));
    }
    return 0;
}

/* One character that is not a separator. */
static int read_char(struct reader *in, struct buf *value, struct err *err)
{
    if (strchr("\"<>", *in->at))
        return err_set(err, ERR_INVALID, "'%c' at byte %zu must be written as '\\%c'", *in->at,
                       position(in), *in->at);
    if (*in->at != '\\') {
        buf_add_char(value, *in->at++);
        return 0;
    }
    in->at++;
    return read_escaped(in, value, err);
}

static int read_text(struct reader *in, struct buf *value, struct err *err)
{
    size_t end = 0; /* behind it there are only blanks that do not count */

    skip_blanks(in);
    while (*in->at && !strchr(SEPARATORS, *in->at)) {
        bool is_blank = *in->at == ' ';
        int r = read_char(in, value, err);

        if (r < 0)
            return r;
        if (!is_blank)
            end = value->len;
    }
    buf_truncate(value, end);
    return 0;
}

/* Where the content of the string begins whose BER form this is, if it is one and nothing else. */
static bool find_string(const unsigned char *ber, size_t len, size_t *ret_start)
{
    static const unsigned char tags[] = {0x0c, 0x12, 0x13, 0x16, 0x1a}; /* UTF8, ..., Visible */
    size_t octets, content = 0;

    if (len < 2 || !memchr(tags, ber[0], sizeof(tags)))
        return false;
    octets = ber[1] < 0x80 ? 0 : ber[1] - 0x80U;
    if (octets > 2 || len < 2 + octets || ber[1] == 0x80)
        return false;
    for (size_t i = 0; i < octets; i++)
        content = content << 8 | ber[2 + i];
    *ret_start = 2 + octets;
    return len - *ret_start == (octets ? content : ber[1]);
}

static int read_hex(struct reader *in, struct buf *value, struct err *err)
{
    cleanup(buf_deinit) struct buf ber = BUF(LIMIT_DN_TEXT);
    size_t start = position(in), content;
    int byte;

    for (in->at++; (byte = hex_pair(in->at)) >= 0; in->at += 2)
        buf_add_char(&ber, (char)byte);
    skip_blanks(in);
    if ((*in->at && !strchr(SEPARATORS, *in->at)) ||
        !find_string((const unsigned char *)buf_str(&ber), ber.len, &content))
        return err_set(err, ERR_INVALID,
                       "the value at byte %zu is not the BER form of a string in hexadecimal "
                       "digits; to begin it with a '#', write '\\#'",
                       start);
    buf_add(value, ber.data + content, ber.len - content);
    return 0;
}

static int read_value(struct reader *in, char **ret, struct err *err)
{
    cleanup(buf_deinit) struct buf value = BUF(LIMIT_DN_TEXT);
    size_t start = position(in);
    int r = *in->at == '#' ? read_hex(in, &value, err) : read_text(in, &value, err);

    if (r < 0)
        return r;
    if (memchr(buf_str(&value), 0, value.len) || !str_is_utf8(buf_str(&value), value.len))
        return err_set(err, ERR_INVALID, "the value at byte %zu has a NUL byte or is not UTF-8",
                       start);
    *ret = xstrndup(buf_str(&value), value.len);
    return 0;
}

/*
 * The whole.
 */

static int read_attribute(struct reader *in, bool joins, struct dn *dn, struct err *err)
{
    struct dn_attribute *attribute;
    int r;

    dn->items = xrealloc(dn->items, (dn->len + 1) * sizeof(*dn->items));
    attribute = &dn->items[dn->len++];
    *attribute = (struct dn_attribute){.joins = joins};
    r = read_type(in, &attribute->oid, err);
    return r < 0 ? r : read_value(in, &attribute->value, err);
}

/* The RDNs from the last one to the first. */
static void reverse(struct dn *dn)
{
    struct dn_attribute *items = xalloc(dn->len * sizeof(*items));
    size_t len = 0;

    for (size_t end = dn->len, start; end > 0; end = start) {
        for (start = end - 1; dn->items[start].joins;)
            start--;
        memcpy(items + len, dn->items + start, (end - start) * sizeof(*items));
        len += end - start;
    }
    xfree(dn->items);
    dn->items = items;
}

int dn_parse(const char *text, struct dn *ret, struct err *err)
{
    cleanup(dn_deinit) struct dn dn = {};
    struct reader in = {.text = text, .at = text};
    bool joins = false, ends = false;

    if (strlen(text) > LIMIT_DN_TEXT)
        return err_set(err, ERR_TOO_LARGE, "is longer than %d bytes", LIMIT_DN_TEXT);
    while (!ends) {
        int r = read_attribute(&in, joins, &dn, err);

        if (r < 0)
            return r;
        joins = *in.at == '+';
        ends = !*in.at++;
    }
    reverse(&dn);
    *ret = dn;
    dn = (struct dn){};
    return 0;
}
