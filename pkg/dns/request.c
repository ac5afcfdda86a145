#include <ldns/ldns.h>
#include <string.h>

#include "base/random.h"
#include "dns/message.h"

DEFINE_CLEANUP(ldns_pkt, ldns_pkt_free);

void request_deinit(struct request *request)
{
    buf_deinit(&request->wire);
}

uint16_t request_random_id(void)
{
    uint16_t id;

    random_bytes(&id, sizeof(id));
    return id;
}

int request_add_packet(struct request *request, const struct ldns_struct_pkt *packet,
                       struct err *err)
{
    uint8_t *wire = NULL;
    size_t len = 0;

    if (ldns_pkt2wire(&wire, packet, &len) != LDNS_STATUS_OK)
        return err_set(err, ERR_NOMEM, "writing a dns message");
    buf_add(&request->wire, wire, len);
    LDNS_FREE(wire);
    return buf_check(&request->wire, "dns message", err);
}

int request_init_query(struct request *request, const struct dns_query *query, uint16_t id,
                       struct err *err)
{
    cleanup(request_deinit) struct request built = {.wire = BUF(LIMIT_DNS_MESSAGE)};
    cleanup(ldns_pkt_free) ldns_pkt *packet = NULL;
    ldns_rdf *name = ldns_dname_new_frm_str(query->name);
    int r;

    if (!name)
        return err_set(err, ERR_INVALID, "'%s' is not a dns name", query->name);
    built.question_len = ldns_rdf_size(name) + 4;
    /* RD also to authoritative servers, as cert-manager does (behaviour.md 11). */
    packet = ldns_pkt_query_new(name, (ldns_rr_type)query->type, LDNS_RR_CLASS_IN, LDNS_RD);
    if (!packet) {
        ldns_rdf_deep_free(name);
        return err_set(err, ERR_NOMEM, "building a dns query");
    }
    ldns_pkt_set_id(packet, id);
    ldns_pkt_set_edns_udp_size(packet, DNS_EDNS_SIZE);
    r = request_add_packet(&built, packet, err);
    if (r < 0)
        return r;
    *request = built;
    built.wire = BUF(0);
    return 0;
}

/* Servers that cannot or will not read a message may answer with the bare header, and updates are
 * answered without the zone section by many (RFC 2136 3.8). */
static bool may_lack_question(unsigned opcode, int rcode)
{
    return opcode == DNS_OPCODE_UPDATE || (rcode != DNS_NOERROR && rcode != DNS_NXDOMAIN);
}

static unsigned char ascii_lower(unsigned char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c | 0x20) : c;
}

bool request_is_answered_by(const struct request *request, const void *data, size_t len)
{
    const unsigned char *asked = (const unsigned char *)request->wire.data, *got = data;
    size_t name_len = request->question_len - 4;
    unsigned opcode = asked[2] >> 3 & 0xf;

    if (len < DNS_HEADER_LEN || memcmp(asked, got, 2) != 0 || !(got[2] & 0x80) ||
        (got[2] >> 3 & 0xf) != opcode)
        return false;
    if (wire_u16(got + 4) == 0)
        return may_lack_question(opcode, message_rcode(data));
    if (wire_u16(got + 4) != 1 || len < DNS_HEADER_LEN + request->question_len)
        return false;
    asked += DNS_HEADER_LEN;
    got += DNS_HEADER_LEN;
    /* Octets of length are below 64, so that folding case leaves them alone. */
    for (size_t i = 0; i < name_len; i++) {
        if (ascii_lower(asked[i]) != ascii_lower(got[i]))
            return false;
    }
    return memcmp(asked + name_len, got + name_len, 4) == 0;
}

bool message_is_truncated(const void *data, size_t len)
{
    return len >= DNS_HEADER_LEN && (((const unsigned char *)data)[2] & 0x02);
}

int message_rcode(const void *data)
{
    return ((const unsigned char *)data)[3] & 0x0f;
}
