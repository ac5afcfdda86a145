#include "dns/tsig.h"

#include <ldns/ldns.h>
#include <string.h>

#include "base/base64.h"

#define TYPE_TSIG 250
#define CLASS_ANY 255

DEFINE_CLEANUP(ldns_pkt, ldns_pkt_free);
DEFINE_CLEANUP(ldns_rr, ldns_rr_free);
DEFINE_CLEANUP(ldns_rdf, ldns_rdf_deep_free);

static const struct algorithm {
    const char *name;
    size_t mac_len;
} algorithms[] = {
    [TSIG_HMAC_MD5] = {"hmac-md5.sig-alg.reg.int.", 16},
    [TSIG_HMAC_SHA1] = {"hmac-sha1.", 20},
    [TSIG_HMAC_SHA256] = {"hmac-sha256.", 32},
    [TSIG_HMAC_SHA512] = {"hmac-sha512.", 64},
};

/* --- reading --- */

/* The TSIG record of a message, RFC 8945 4.2. */
struct signature {
    size_t start;
    char *key_name, *algorithm;
    uint64_t time_s;
    unsigned fudge_s, original_id, error;
    const unsigned char *mac; /* inside the message */
    size_t mac_len;
};

static void signature_deinit(struct signature *signature)
{
    xfree(signature->key_name);
    xfree(signature->algorithm);
}
DEFINE_CLEANUP_VALUE(struct signature, signature_deinit);

static uint64_t read_u48(const unsigned char *at)
{
    return (uint64_t)wire_u16(at) << 32 | wire_u32(at + 2);
}

static int malformed(struct err *err)
{
    return err_set(err, ERR_PROTOCOL, "malformed tsig record");
}

/* Behind the algorithm: time 6, fudge 2, MAC length 2, MAC, original id 2, error 2, other length 2.
 */
static int read_rdata(const struct wire *wire, const struct wire_record *record,
                      struct signature *ret, struct err *err)
{
    size_t pos = record->rdata, end = record->rdata + record->rdata_len;
    const unsigned char *at;
    int r;

    r = wire_name(wire, &pos, &ret->algorithm, err);
    if (r < 0)
        return r;
    if (pos > end || end - pos < 10)
        return malformed(err);
    at = wire->data + pos;
    ret->time_s = read_u48(at);
    ret->fudge_s = wire_u16(at + 6);
    ret->mac_len = wire_u16(at + 8);
    ret->mac = at + 10;
    if (end - pos < 10 + ret->mac_len + 6)
        return malformed(err);
    ret->original_id = wire_u16(ret->mac + ret->mac_len);
    ret->error = wire_u16(ret->mac + ret->mac_len + 2);
    return 0;
}

/* ERR_NOT_FOUND (untouched err) when the last record is not a TSIG. */
static int find_record(struct wire *wire, struct wire_record *ret, struct err *err)
{
    struct wire_record last = {};
    int r;

    do {
        r = wire_next(wire, &last, err);
    } while (r == 0);
    if (r != ERR_NOT_FOUND)
        return r;
    if (last.section != DNS_ADDITIONAL || last.type != TYPE_TSIG)
        return ERR_NOT_FOUND;
    if (last.class != CLASS_ANY || last.ttl != 0 || wire->pos != wire->len)
        return malformed(err);
    *ret = last;
    return 0;
}

static int read_signature(const void *data, size_t len, struct signature *ret, struct err *err)
{
    cleanup(signature_deinit) struct signature found = {};
    struct wire_record record = {};
    struct wire wire;
    size_t pos;
    int r;

    r = wire_init(&wire, data, len, err);
    if (r == 0)
        r = find_record(&wire, &record, err);
    if (r < 0)
        return r;
    pos = found.start = record.start;
    r = wire_name(&wire, &pos, &found.key_name, err);
    if (r == 0)
        r = read_rdata(&wire, &record, &found, err);
    if (r < 0)
        return r;
    *ret = found;
    found = (struct signature){};
    return 0;
}

int tsig_error_of(const void *answer, size_t len)
{
    cleanup(signature_deinit) struct signature signature = {};

    return read_signature(answer, len, &signature, NULL) == 0 ? (int)signature.error : TSIG_OK;
}

/* --- signing --- */

/* As ldns writes it back in answers: lower case, final dot. */
static char *canonical_name(const char *name)
{
    cleanup(ldns_rdf_deep_free) ldns_rdf *dname = ldns_dname_new_frm_str(name);
    char *text, *copy;

    if (!dname)
        return NULL;
    text = ldns_rdf2str(dname);
    copy = xstrdup(text);
    LDNS_FREE(text);
    if (copy)
        str_lower(copy);
    return copy;
}

/* ldns ignores a failure of OpenSSL's HMAC(), which leaves zeros of the greatest length. */
static bool mac_is_real(const ldns_rr *rr, enum tsig_algorithm algorithm)
{
    static const unsigned char zeros[64];
    size_t len = algorithms[algorithm].mac_len;
    const ldns_rdf *mac = ldns_rr_rdf(rr, 3);

    return mac && ldns_rdf_size(mac) == 2 + len && memcmp(ldns_rdf_data(mac) + 2, zeros, len) != 0;
}

/* The record alone, with its names in full, behind the message that was signed. */
static int append_record(struct buf *wire, const ldns_rr *rr, struct err *err)
{
    uint8_t *bytes = NULL;
    size_t len = 0;
    unsigned count;
    unsigned char *at;

    if (ldns_rr2wire(&bytes, rr, LDNS_SECTION_ADDITIONAL, &len) != LDNS_STATUS_OK)
        return err_set(err, ERR_NOMEM, "writing a tsig record");
    buf_add(wire, bytes, len);
    LDNS_FREE(bytes);
    at = (unsigned char *)wire->data + 10;
    count = wire_u16(at) + 1;
    at[0] = (unsigned char)(count >> 8);
    at[1] = (unsigned char)count;
    return buf_check(wire, "dns message", err);
}

int tsig_sign(struct buf *wire, const struct tsig *tsig, struct err *err)
{
    const struct algorithm *algorithm = &algorithms[tsig->algorithm];
    cleanup(xfree) char *key_name = canonical_name(tsig->key_name);
    cleanup(xfree_secret) char *secret = base64_new(tsig->secret, tsig->secret_len);
    cleanup(ldns_pkt_free) ldns_pkt *packet = NULL;
    ldns_status status;

    if (!key_name)
        return err_set(err, ERR_INVALID, "tsig key name '%s' is not a dns name", tsig->key_name);
    if (tsig->secret_len == 0)
        return err_set(err, ERR_INVALID, "the secret of tsig key '%s' is empty", tsig->key_name);
    if (ldns_wire2pkt(&packet, (const uint8_t *)wire->data, wire->len) != LDNS_STATUS_OK)
        return err_set(err, ERR_INTERNAL, "reading back the message to sign");
    status = ldns_pkt_tsig_sign(packet, key_name, secret, TSIG_FUDGE_S, algorithm->name, NULL);
    if (status == LDNS_STATUS_CRYPTO_UNKNOWN_ALGO ||
        (status == LDNS_STATUS_OK && !ldns_pkt_tsig(packet)))
        return err_set(err, ERR_UNSUPPORTED, "tsig algorithm '%s' is not in this ldns",
                       algorithm->name);
    if (status != LDNS_STATUS_OK)
        return err_set(err, ERR_INTERNAL, "signing with tsig: %s", ldns_get_errorstr_by_id(status));
    if (!mac_is_real(ldns_pkt_tsig(packet), tsig->algorithm))
        return err_set(err, ERR_UNSUPPORTED,
                       "openssl on this system refuses tsig algorithm '%s': choose another one",
                       algorithm->name);
    return append_record(wire, ldns_pkt_tsig(packet), err);
}

/* --- verifying --- */

/* The answer to an update is its header, or a copy of the request. More is kept away from ldns, which
 * parses all of it before it digests, with memory by the square of the length (message.h). */
#define ANSWER_EXTRA_MAX 512

static int check_fields(const struct signature *signature, const struct tsig *tsig, int64_t now_ms,
                        struct err *err)
{
    cleanup(xfree) char *key_name = canonical_name(tsig->key_name);
    int64_t apart = now_ms / 1000 - (int64_t)signature->time_s;

    if (!streq(signature->key_name, key_name))
        return err_set(err, ERR_PROTOCOL, "the answer is signed with another tsig key, '%s'",
                       signature->key_name);
    /* Else the answerer chooses the hash, and ldns would follow it down to MD5. */
    if (!streq(signature->algorithm, algorithms[tsig->algorithm].name) ||
        signature->mac_len != algorithms[tsig->algorithm].mac_len)
        return err_set(err, ERR_PROTOCOL, "the answer is signed with another algorithm, '%s'",
                       signature->algorithm);
    if (apart > (int64_t)signature->fudge_s || -apart > (int64_t)signature->fudge_s)
        return err_set(err, ERR_PROTOCOL,
                       "the answer was signed %lld s ago by our clock: compare both clocks",
                       (long long)apart);
    return 0;
}

/* ldns_pkt_tsig_verify() drops the record from the packet when it fails, so the record stays ours.
 */
static bool mac_is_right(const void *answer, size_t len, const struct signature *signature,
                         const struct signature *asked, const struct tsig *tsig)
{
    cleanup(xfree_secret) char *secret = base64_new(tsig->secret, tsig->secret_len);
    cleanup(ldns_pkt_free) ldns_pkt *packet = ldns_pkt_new();
    cleanup(ldns_rr_free) ldns_rr *record = NULL;
    cleanup(ldns_rdf_deep_free) ldns_rdf *asked_mac = NULL;
    size_t pos = signature->start;
    bool right;

    /* With its two octets of length, as it goes into the digest (RFC 8945 4.3.1). */
    asked_mac = ldns_rdf_new_frm_data(LDNS_RDF_TYPE_INT16_DATA, asked->mac_len + 2, asked->mac - 2);
    if (!packet || !asked_mac)
        return false;
    if (ldns_wire2rr(&record, answer, len, &pos, LDNS_SECTION_ADDITIONAL) != LDNS_STATUS_OK)
        return false;
    ldns_pkt_set_tsig(packet, record);
    right = ldns_pkt_tsig_verify(packet, answer, len, signature->key_name, secret, asked_mac);
    ldns_pkt_set_tsig(packet, NULL);
    return right;
}

int tsig_verify(const void *answer, size_t len, const struct buf *request, const struct tsig *tsig,
                int64_t now_ms, struct err *err)
{
    cleanup(signature_deinit) struct signature signature = {}, asked = {};
    int r;

    if (len > request->len + ANSWER_EXTRA_MAX)
        return err_set(err, ERR_PROTOCOL, "the answer to an update has %zu bytes", len);
    r = read_signature(answer, len, &signature, err);
    if (r == ERR_NOT_FOUND)
        return err_set(err, ERR_PROTOCOL, "the answer is not signed, though the request was");
    if (r < 0)
        return r;
    r = check_fields(&signature, tsig, now_ms, err);
    if (r < 0)
        return r;
    r = read_signature(request->data, request->len, &asked, err);
    if (r < 0)
        return r;
    /* ldns digests the id as it came. */
    if (signature.original_id != wire_u16(answer) ||
        !mac_is_right(answer, len, &signature, &asked, tsig))
        return err_set(err, ERR_PROTOCOL, "the answer's tsig signature is wrong");
    return 0;
}
