#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "dns/message.h"

#define TYPE_OPT 41
#define CLASS_IN 1

const char *dns_rcode_name(int rcode)
{
    static const char *const names[] = {
        "NOERROR",  "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP",  "REFUSED",
        "YXDOMAIN", "YXRRSET", "NXRRSET",  "NOTAUTH",  "NOTZONE",
    };
    static _Thread_local char other[24];

    if (rcode >= 0 && (size_t)rcode < ARRAY_LEN(names))
        return names[rcode];
    (void)snprintf(other, sizeof(other), "rcode %d", rcode);
    return other;
}

const char *dns_type_name(int type)
{
    switch (type) {
    case DNS_A:
        return "A";
    case DNS_NS:
        return "NS";
    case DNS_CNAME:
        return "CNAME";
    case DNS_SOA:
        return "SOA";
    case DNS_TXT:
        return "TXT";
    case DNS_AAAA:
        return "AAAA";
    case DNS_CAA:
        return "CAA";
    default:
        return "a record";
    }
}

static void records_free(struct dns_record *records, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        xfree(records[i].name);
        xfree(records[i].value);
    }
    xfree(records);
}

void dns_reply_deinit(struct dns_reply *reply)
{
    records_free(reply->answers, reply->answer_count);
    records_free(reply->authority, reply->authority_count);
    *reply = (struct dns_reply){};
}

static int malformed(const struct wire_record *record, struct err *err)
{
    return err_set(err, ERR_PROTOCOL, "malformed %s record", dns_type_name((int)record->type));
}

/* A NUL would end the C string early and make "key<NUL>rest" equal to "key": written as \000. */
static void add_octets(struct buf *to, const unsigned char *octets, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (octets[i])
            buf_add_char(to, (char)octets[i]);
        else
            buf_add_str(to, "\\000");
    }
}

typedef int value_fn(const struct wire *wire, const struct wire_record *record, struct buf *to,
                     struct err *err);

static int address_value(const struct wire *wire, const struct wire_record *record, struct buf *to,
                         struct err *err)
{
    char text[INET6_ADDRSTRLEN];
    int family = record->type == DNS_A ? AF_INET : AF_INET6;

    if (record->rdata_len != (family == AF_INET ? 4 : 16))
        return malformed(record, err);
    if (!inet_ntop(family, wire->data + record->rdata, text, sizeof(text)))
        return malformed(record, err);
    buf_add_str(to, text);
    return 0;
}

/* NS, CNAME: the name is all there is. SOA: mname, then rname and 20 octets of numbers. */
static int name_value(const struct wire *wire, const struct wire_record *record, struct buf *to,
                      struct err *err)
{
    size_t pos = record->rdata, end = record->rdata + record->rdata_len;
    cleanup(xfree) char *name = NULL;
    int r;

    r = wire_name(wire, &pos, &name, err);
    if (r < 0)
        return r;
    if (record->type == DNS_SOA ? pos > end : pos != end)
        return malformed(record, err);
    buf_add_str(to, name);
    return 0;
}

static int txt_value(const struct wire *wire, const struct wire_record *record, struct buf *to,
                     struct err *err)
{
    size_t pos = record->rdata, end = record->rdata + record->rdata_len;

    while (pos < end) {
        size_t len = wire->data[pos++];

        if (len > end - pos)
            return malformed(record, err);
        add_octets(to, wire->data + pos, len);
        pos += len;
    }
    return 0;
}

/* RFC 8659 4.1: flags, length of tag, tag, value to the end. */
static int caa_value(const struct wire *wire, const struct wire_record *record, struct buf *to,
                     struct err *err)
{
    const unsigned char *rdata = wire->data + record->rdata;
    size_t tag_len;

    if (record->rdata_len < 2)
        return malformed(record, err);
    tag_len = rdata[1];
    if (tag_len == 0 || tag_len > record->rdata_len - 2)
        return malformed(record, err);
    buf_addf(to, "%u ", rdata[0]);
    add_octets(to, rdata + 2, tag_len);
    buf_add_char(to, ' ');
    add_octets(to, rdata + 2 + tag_len, record->rdata_len - 2 - tag_len);
    return 0;
}

static value_fn *value_reader(unsigned type)
{
    switch (type) {
    case DNS_A:
    case DNS_AAAA:
        return address_value;
    case DNS_NS:
    case DNS_CNAME:
    case DNS_SOA:
        return name_value;
    case DNS_TXT:
        return txt_value;
    case DNS_CAA:
        return caa_value;
    default:
        return NULL;
    }
}

static int keep_record(struct dns_record **records, size_t *count, struct dns_record *record,
                       struct err *err)
{
    if (*count >= LIMIT_DNS_RECORDS)
        return err_set(err, ERR_TOO_LARGE, "dns answer has more than %d records",
                       LIMIT_DNS_RECORDS);
    if ((*count & (*count - 1)) == 0) /* grows at powers of two */
        *records = xrealloc(*records, (*count ? 2 * *count : 1) * sizeof(**records));
    (*records)[(*count)++] = *record;
    return 0;
}

static int add_record(const struct wire *wire, const struct wire_record *from, value_fn *read_value,
                      struct dns_reply *reply, struct err *err)
{
    cleanup(buf_deinit) struct buf value = BUF(4 * (size_t)LIMIT_DNS_MESSAGE);
    cleanup(xfree) char *name = NULL;
    struct dns_record record;
    size_t pos = from->start;
    int r;

    r = wire_name(wire, &pos, &name, err);
    if (r < 0)
        return r;
    r = read_value(wire, from, &value, err);
    if (r < 0)
        return r;
    record = (struct dns_record){
        .name = name, .type = (int)from->type, .ttl = from->ttl, .value = xstrdup(buf_str(&value))};
    r = from->section == DNS_ANSWER
            ? keep_record(&reply->answers, &reply->answer_count, &record, err)
            : keep_record(&reply->authority, &reply->authority_count, &record, err);
    if (r < 0)
        xfree(record.value);
    else
        name = NULL;
    return r;
}

static int take_record(const struct wire *wire, const struct wire_record *record,
                       struct dns_reply *reply, struct err *err)
{
    value_fn *read_value = value_reader(record->type);

    if (record->section == DNS_ADDITIONAL && record->type == TYPE_OPT)
        reply->rcode |= (int)(record->ttl >> 24) << 4; /* RFC 6891 6.1.3 */
    if (record->section != DNS_ANSWER && record->section != DNS_AUTHORITY)
        return 0;
    if (record->class != CLASS_IN || !read_value)
        return 0;
    return add_record(wire, record, read_value, reply, err);
}

int reply_parse(const void *data, size_t len, struct dns_reply *ret, struct err *err)
{
    cleanup(dns_reply_deinit) struct dns_reply reply = {};
    struct wire_record record;
    struct wire wire;
    int r;

    r = wire_init(&wire, data, len, err);
    if (r < 0)
        return r;
    reply.rcode = message_rcode(data);
    reply.authoritative = wire.data[2] & 0x04;
    for (;;) {
        r = wire_next(&wire, &record, err);
        if (r == ERR_NOT_FOUND)
            break;
        if (r == 0)
            r = take_record(&wire, &record, &reply, err);
        if (r < 0)
            return r;
    }
    *ret = reply;
    reply = (struct dns_reply){};
    return 0;
}
