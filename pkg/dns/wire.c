#include <ldns/ldns.h>
#include <stdlib.h>

#include "dns/message.h"

unsigned wire_u16(const unsigned char *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

uint32_t wire_u32(const unsigned char *at)
{
    return (uint32_t)wire_u16(at) << 16 | wire_u16(at + 2);
}

static int malformed(const struct wire *wire, struct err *err)
{
    return err_set(err, ERR_PROTOCOL, "malformed dns message at byte %zu of %zu", wire->pos,
                   wire->len);
}

int wire_init(struct wire *wire, const void *data, size_t len, struct err *err)
{
    *wire = (struct wire){.data = data, .len = len, .pos = DNS_HEADER_LEN};
    if (len < DNS_HEADER_LEN || len > LIMIT_DNS_MESSAGE)
        return err_set(err, ERR_PROTOCOL, "not a dns message: %zu bytes", len);
    for (size_t i = 0; i < ARRAY_LEN(wire->left); i++)
        wire->left[i] = wire_u16(wire->data + 4 + 2 * i);
    return 0;
}

/* Behind the name that starts at wire->pos; a compression pointer ends it and is not followed. */
static bool skip_name(struct wire *wire)
{
    while (wire->pos < wire->len) {
        unsigned octet = wire->data[wire->pos];

        if (octet >= 0xc0) {
            wire->pos += 2;
            return true;
        }
        if (octet > 63)
            return false;
        wire->pos += octet + 1;
        if (octet == 0)
            return true;
    }
    return false;
}

static bool has_bytes(const struct wire *wire, size_t count)
{
    return wire->pos <= wire->len && wire->len - wire->pos >= count;
}

static bool read_fields(struct wire *wire, struct wire_record *record)
{
    size_t fixed = record->section == DNS_QUESTION ? 4 : 10;
    const unsigned char *at;

    if (!skip_name(wire) || !has_bytes(wire, fixed))
        return false;
    at = wire->data + wire->pos;
    record->type = wire_u16(at);
    record->class = wire_u16(at + 2);
    wire->pos += fixed;
    if (record->section == DNS_QUESTION)
        return true;
    record->ttl = wire_u32(at + 4);
    record->rdata = wire->pos;
    record->rdata_len = wire_u16(at + 8);
    if (!has_bytes(wire, record->rdata_len))
        return false;
    wire->pos += record->rdata_len;
    return true;
}

int wire_next(struct wire *wire, struct wire_record *ret, struct err *err)
{
    struct wire_record record = {.start = wire->pos};

    while (record.section < DNS_ADDITIONAL && wire->left[record.section] == 0)
        record.section++;
    if (wire->left[record.section] == 0)
        return ERR_NOT_FOUND;
    wire->left[record.section]--;
    if (!read_fields(wire, &record))
        return malformed(wire, err);
    *ret = record;
    return 0;
}

int wire_name(const struct wire *wire, size_t *pos, char **ret, struct err *err)
{
    ldns_rdf *name = NULL;
    char *text;

    /* ldns_wire2dname() checks bounds and counts pointers, so that a loop of them ends. */
    if (ldns_wire2dname(&name, wire->data, wire->len, pos) != LDNS_STATUS_OK)
        return err_set(err, ERR_PROTOCOL, "malformed name in a dns message");
    text = ldns_rdf2str(name);
    ldns_rdf_deep_free(name);
    if (!text)
        return err_set(err, ERR_NOMEM, "writing a dns name");
    *ret = xstrdup(text);
    free(text); /* ldns' allocation */
    str_lower(*ret);
    return 0;
}
