/*
 * message.h - DNS messages as bytes: requests that ldns writes, replies that are walked here.
 *
 * A reply is walked record by record and only the types of enum dns_type are looked into; names go
 * through ldns_wire2dname(). ldns_wire2pkt() would read some eighty types for whoever answers us,
 * and for each string of a TXT allocates the length of the whole RDATA: 64 KiB of empty strings
 * become 4 GiB.
 */
#ifndef DNS_MESSAGE_H
#define DNS_MESSAGE_H

#include "base/buf.h"
#include "dns/dns.h"

#define DNS_HEADER_LEN    12
#define DNS_EDNS_SIZE     4096 /* what cert-manager offers; answers over UDP are never larger */
#define LIMIT_DNS_RECORDS 1000 /* kept of one reply */

enum dns_opcode { DNS_OPCODE_QUERY = 0, DNS_OPCODE_UPDATE = 5 };
enum dns_section { DNS_QUESTION, DNS_ANSWER, DNS_AUTHORITY, DNS_ADDITIONAL };

/* One record of a message: where its parts stand in the bytes. */
struct wire_record {
    enum dns_section section;
    size_t start; /* of the owner name */
    unsigned type, class;
    uint32_t ttl;            /* 0 in the question section */
    size_t rdata, rdata_len; /* offset, bytes; none in the question section */
};

struct wire {
    const unsigned char *data;
    size_t len;
    size_t pos;
    unsigned left[4]; /* records to come, by section */
};

unsigned wire_u16(const unsigned char *at);
uint32_t wire_u32(const unsigned char *at);
/* ERR_PROTOCOL when it has no whole header. The bytes are borrowed. */
int wire_init(struct wire *wire, const void *data, size_t len, struct err *err);
/* The next record; ERR_NOT_FOUND after the last (untouched err), ERR_PROTOCOL when cut or
 * malformed. */
int wire_next(struct wire *wire, struct wire_record *ret, struct err *err);
/* The name at `*pos` in lower case with final dot, and `*pos` behind it. */
int wire_name(const struct wire *wire, size_t *pos, char **ret, struct err *err);

/* A request that waits for its answer. */
struct request {
    struct buf wire;
    size_t question_len; /* of the question (in updates: zone) section behind the header */
    bool is_signed;
    bool is_repeated; /* sent again: the one that was answered was not the first */
};
void request_deinit(struct request *request);
DEFINE_CLEANUP_VALUE(struct request, request_deinit);
uint16_t request_random_id(void);
struct ldns_struct_pkt;
int request_add_packet(struct request *request, const struct ldns_struct_pkt *packet,
                       struct err *err);
int request_init_query(struct request *request, const struct dns_query *query, uint16_t id,
                       struct err *err);
/* Id, opcode, QR and question are those of the request: anything else is not ours to judge. */
bool request_is_answered_by(const struct request *request, const void *data, size_t len);

bool message_is_truncated(const void *data, size_t len);
/* Low four bits only; reply_parse() adds those of EDNS. `len` >= DNS_HEADER_LEN. */
int message_rcode(const void *data);

int reply_parse(const void *data, size_t len, struct dns_reply *ret, struct err *err);
const char *dns_type_name(int type);

#endif
