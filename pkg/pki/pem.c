/*
 * The scanner only ever goes forward: memmem() to a BEGIN line, then line by line to its END line.
 * A block that is begun wrongly ends the scan with an error, so no byte is looked at twice; what
 * made other parsers quadratic is that they go back and search again behind a false start.
 */
#include "pki/pem.h"

#include <string.h>

#include "base/base64.h"

static const char begin_mark[] = "-----BEGIN ";
static const char end_mark[] = "-----END ";
static const char dashes[] = "-----";

#define MARK_LEN(mark) (sizeof(mark) - 1)
#define PEM_LINE       64
#define PEM_USUAL      2048 /* most bodies fit, so that they are not copied while they grow */

void pem_block_deinit(struct pem_block *block)
{
    if (block->der)
        wipe(block->der, block->der_len);
    xfree(block->der);
    *block = (struct pem_block){};
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool starts_with(const char *at, const char *end, const char *mark, size_t len)
{
    return (size_t)(end - at) >= len && memcmp(at, mark, len) == 0;
}

/* Of "-----BEGIN " at the start of a line. */
static const char *find_begin(const char *at, const char *end)
{
    const char *text = at;

    while (at < end) {
        const char *found = memmem(at, (size_t)(end - at), begin_mark, MARK_LEN(begin_mark));

        if (!found || found == text || found[-1] == '\n' || found[-1] == '\r')
            return found;
        at = found + MARK_LEN(begin_mark);
    }
    return NULL;
}

/* Behind the rest of a line in which only blanks may follow; NULL if something else does. */
static const char *skip_line_end(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\r'))
        at++;
    if (at == end)
        return at;
    if (*at == '\n')
        return at + 1;
    return at[-1] == '\r' ? at : NULL; /* lines that end in a lone CR */
}

/* The label and the dashes behind BEGIN; returns the start of the next line. */
static int parse_label(const char *at, const char *end, struct pem_block *block, const char **ret,
                       struct err *err)
{
    size_t len = 0;
    const char *next;

    while (at + len < end && len < sizeof(block->label) && at[len] != '-' && at[len] >= ' ' &&
           at[len] <= '~')
        len++;
    if (len == 0 || len >= sizeof(block->label) ||
        !starts_with(at + len, end, dashes, MARK_LEN(dashes)))
        return err_set(err, ERR_INVALID, "a PEM BEGIN line has no proper label");
    next = skip_line_end(at + len + MARK_LEN(dashes), end);
    if (!next)
        return err_set(err, ERR_INVALID, "a PEM BEGIN line goes on behind its label");
    memcpy(block->label, at, len);
    block->label[len] = '\0';
    *ret = next;
    return 0;
}

/* Collects base64 text up to the line of the END mark; returns where that line starts. */
static int parse_body(const char *at, const char *end, const char *label, struct buf *body,
                      const char **ret, struct err *err)
{
    bool line_start = true;

    while (at < end && !(line_start && *at == '-')) {
        const char *run = at;

        while (at < end && !is_blank(*at) && *at != '-' && *at != ':')
            at++;
        buf_add(body, run, (size_t)(at - run));
        if (at < end && (*at == ':' || *at == '-'))
            return err_set(err, ERR_INVALID,
                           "the PEM block '%s' has headers or other text in it "
                           "(is it encrypted with a passphrase?)",
                           label);
        if (at < end && is_blank(*at)) {
            line_start = *at == '\n' || *at == '\r' || (line_start && at == run);
            at++;
        }
    }
    if (at == end)
        return err_set(err, ERR_INVALID, "the PEM block '%s' has no END line", label);
    *ret = at;
    return 0;
}

static int parse_end(const char *at, const char *end, const char *label, const char **ret,
                     struct err *err)
{
    size_t len = strlen(label);

    if (!starts_with(at, end, end_mark, MARK_LEN(end_mark)) ||
        !starts_with(at + MARK_LEN(end_mark), end, label, len) ||
        !starts_with(at + MARK_LEN(end_mark) + len, end, dashes, MARK_LEN(dashes)))
        return err_set(err, ERR_INVALID, "the PEM block '%s' has no END line of its own", label);
    at = skip_line_end(at + MARK_LEN(end_mark) + len + MARK_LEN(dashes), end);
    if (!at)
        return err_set(err, ERR_INVALID, "the END line of the PEM block '%s' goes on", label);
    *ret = at;
    return 0;
}

int pem_next(const char **at, const char *end, struct pem_block *ret, struct err *err)
{
    cleanup(pem_block_deinit) struct pem_block block = {};
    cleanup(buf_deinit) struct buf body = BUF_SECRET((size_t)(end - *at));
    cleanup(buf_deinit) struct buf der = BUF_SECRET((size_t)(end - *at));
    const char *next = NULL;
    int r;

    block.start = find_begin(*at, end);
    if (!block.start)
        return err_set(err, ERR_NOT_FOUND, "no PEM block");
    r = parse_label(block.start + MARK_LEN(begin_mark), end, &block, &next, err);
    if (r < 0)
        return r;
    (void)buf_room(&body, body.max < PEM_USUAL ? body.max : PEM_USUAL); /* only a hint */
    r = parse_body(next, end, block.label, &body, &next, err);
    if (r < 0)
        return r;
    r = parse_end(next, end, block.label, &block.end, err);
    if (r < 0)
        return r;
    r = base64_decode(&der, buf_str(&body), body.len, err);
    if (r < 0)
        return err_wrap(err, "PEM block '%s'", block.label);
    block.der_len = der.len;
    block.der = (unsigned char *)buf_take(&der);

    *at = block.end;
    *ret = block;
    block = (struct pem_block){};
    return 0;
}

void pem_write(struct buf *to, const char *label, const void *der, size_t len)
{
    cleanup(buf_deinit) struct buf text = to->secret ? BUF_SECRET(len * 2 + 8) : BUF(len * 2 + 8);

    base64_encode(&text, der, len);
    buf_addf(to, "-----BEGIN %s-----\n", label);
    for (size_t i = 0; i < text.len; i += PEM_LINE) {
        buf_add(to, text.data + i, text.len - i < PEM_LINE ? text.len - i : PEM_LINE);
        buf_add_char(to, '\n');
    }
    buf_addf(to, "-----END %s-----\n", label);
}
