#include "dns/update.h"

#include <ldns/ldns.h>
#include <string.h>

#include "dns/tsig.h"

DEFINE_CLEANUP(ldns_pkt, ldns_pkt_free);
DEFINE_CLEANUP(ldns_rr, ldns_rr_free);
DEFINE_CLEANUP(ldns_rr_list, ldns_rr_list_deep_free);

#define TXT_STRING_MAX 255
#define TXT_VALUE_MAX  4096 /* a challenge has 43 bytes; with TSIG the answer may have as many */

/* --- building --- */

static bool push_string(ldns_rr *rr, const char *text, size_t len)
{
    unsigned char octets[1 + TXT_STRING_MAX];
    ldns_rdf *rdf;

    octets[0] = (unsigned char)len;
    memcpy(octets + 1, text, len);
    rdf = ldns_rdf_new_frm_data(LDNS_RDF_TYPE_STR, len + 1, octets);
    return rdf && ldns_rr_push_rdf(rr, rdf);
}

/* One string at least, also for "": RFC 1035 3.3.14. */
static bool push_value(ldns_rr *rr, const char *value)
{
    size_t left = strlen(value);

    do {
        size_t len = left < TXT_STRING_MAX ? left : TXT_STRING_MAX;

        if (!push_string(rr, value, len))
            return false;
        value += len;
        left -= len;
    } while (left > 0);
    return true;
}

/* Class NONE and TTL 0 take exactly this record away: RFC 2136 2.5.4. */
static int txt_record(const struct dns_update *update, ldns_rr **ret, struct err *err)
{
    cleanup(ldns_rr_free) ldns_rr *rr = ldns_rr_new();
    ldns_rdf *owner = ldns_dname_new_frm_str(update->name);

    if (!owner)
        return err_set(err, ERR_INVALID, "'%s' is not a dns name", update->name);
    ldns_rr_set_owner(rr, owner);
    ldns_rr_set_type(rr, LDNS_RR_TYPE_TXT);
    ldns_rr_set_class(rr, update->is_delete ? LDNS_RR_CLASS_NONE : LDNS_RR_CLASS_IN);
    ldns_rr_set_ttl(rr, update->is_delete ? 0 : update->ttl);
    if (!push_value(rr, update->value))
        return err_set(err, ERR_NOMEM, "building a txt record");
    *ret = take(rr);
    return 0;
}

static int update_packet(const struct dns_update *update, uint16_t id, ldns_pkt **ret,
                         size_t *ret_zone_len, struct err *err)
{
    cleanup(ldns_rr_list_deep_free) ldns_rr_list *updates = ldns_rr_list_new();
    ldns_rdf *zone = ldns_dname_new_frm_str(update->zone);
    ldns_pkt *packet;
    ldns_rr *rr = NULL;
    int r;

    if (!zone)
        return err_set(err, ERR_INVALID, "zone '%s' is not a dns name", update->zone);
    r = txt_record(update, &rr, err);
    if (r < 0) {
        ldns_rdf_deep_free(zone);
        return r;
    }
    *ret_zone_len = ldns_rdf_size(zone) + 4;
    (void)ldns_rr_list_push_rr(updates, rr); /* aborts of memory only */
    packet = ldns_update_pkt_new(zone, LDNS_RR_CLASS_IN, NULL, updates, NULL); /* takes the zone */
    if (!packet)
        return err_set(err, ERR_NOMEM, "building a dns update");
    ldns_pkt_set_rd(packet, false); /* ldns sets it; RFC 2136 2.2 wants zero there */
    ldns_pkt_set_id(packet, id);
    *ret = packet;
    return 0;
}

int request_init_update(struct request *request, const struct dns_update *update, uint16_t id,
                        struct err *err)
{
    cleanup(request_deinit) struct request built = {.wire = BUF(LIMIT_DNS_MESSAGE),
                                                    .is_signed = update->tsig != NULL};
    cleanup(ldns_pkt_free) ldns_pkt *packet = NULL;
    int r;

    if (strlen(update->value) > TXT_VALUE_MAX)
        return err_set(err, ERR_INVALID, "the value of a txt record is longer than %d bytes",
                       TXT_VALUE_MAX);
    r = update_packet(update, id, &packet, &built.question_len, err);
    if (r == 0)
        r = request_add_packet(&built, packet, err);
    if (r == 0 && update->tsig)
        r = tsig_sign(&built.wire, update->tsig, err);
    if (r < 0)
        return r;
    *request = built;
    built.wire = BUF(0);
    return 0;
}

/* --- judging --- */

static int tsig_refusal(const struct dns_update *update, int error, struct err *err)
{
    const char *key = update->tsig ? update->tsig->key_name : "";

    switch (error) {
    case TSIG_BADKEY:
        return err_set(
            err, ERR_DENIED,
            "BADKEY: the server does not know tsig key '%s' with this algorithm: compare key "
            "name and algorithm with the server's configuration",
            key);
    case TSIG_BADSIG:
        return err_set(
            err, ERR_DENIED,
            "BADSIG: the server computes another signature for tsig key '%s': compare the "
            "secret with the server's configuration",
            key);
    case TSIG_BADTIME:
        return err_set(
            err, ERR_DENIED,
            "BADTIME: the server's clock and ours are more than %d s apart: set the wrong one",
            TSIG_FUDGE_S);
    case TSIG_BADTRUNC:
        return err_set(err, ERR_DENIED,
                       "BADTRUNC: the server takes no signature of this length for tsig key '%s'",
                       key);
    default:
        return err_set(err, ERR_DENIED, "tsig error %d for key '%s'", error, key);
    }
}

static int refusal(const struct dns_update *update, int rcode, struct err *err)
{
    switch (rcode) {
    case DNS_REFUSED:
        return err_set(
            err, ERR_DENIED,
            "REFUSED: the server does not let %s%s%s change '%s': allow it in the zone's "
            "update policy",
            update->tsig ? "tsig key '" : "an unsigned update",
            update->tsig ? update->tsig->key_name : "", update->tsig ? "'" : "", update->name);
    case DNS_NOTAUTH:
        return err_set(err, ERR_DENIED,
                       "NOTAUTH: the server is not the primary of zone '%s': name the one that is",
                       update->zone);
    case DNS_SERVFAIL:
        return err_set(err, ERR_UNAVAILABLE,
                       "SERVFAIL: the server could not write zone '%s': its log says why",
                       update->zone);
    case LDNS_RCODE_NOTIMPL:
        return err_set(err, ERR_UNSUPPORTED, "NOTIMP: the server takes no dynamic updates");
    case LDNS_RCODE_NOTZONE:
        return err_set(err, ERR_INVALID, "NOTZONE: '%s' is not in zone '%s'", update->name,
                       update->zone);
    default:
        return err_set(err, ERR_PROTOCOL, "%s as the answer to an update of zone '%s'",
                       dns_rcode_name(rcode), update->zone);
    }
}

/* A refusal is believed unsigned, as BADKEY and BADSIG must be (RFC 8945 5.3.2); success is not. */
int update_judge(const struct dns_update *update, const struct request *request,
                 const struct buf *answer, int64_t now_ms, struct err *err)
{
    int rcode = message_rcode(answer->data), tsig_error = tsig_error_of(answer->data, answer->len);

    if (tsig_error != TSIG_OK)
        return tsig_refusal(update, tsig_error, err);
    if (rcode != DNS_NOERROR)
        return refusal(update, rcode, err);
    if (!request->is_signed)
        return 0;
    return tsig_verify(answer->data, answer->len, &request->wire, update->tsig, now_ms, err);
}
