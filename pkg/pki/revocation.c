#include "pki/revocation.h"

#include <openssl/ocsp.h>
#include <string.h>

#include "pki/names.h"
#include "pki/openssl.h"
#include "pki/pem.h"

/* RFC 5280 and RFC 6960 leave clocks to each other: so much is not counted. */
#define CLOCK_SLACK_MS (5 * 60 * 1000)
/* A CRL has to say when the next one comes (RFC 5280 5.1.2.5), and an OCSP responder that does not has newer
 * answers at any time (RFC 6960 4.2.2.1). One that does not say so is only believed while it is new: it may
 * be kept by somebody who wants to hide a revocation. Public CAs make a new list at least that often. */
#define UNDATED_MAX_DAYS 7
#define UNDATED_MAX_MS   (UNDATED_MAX_DAYS * (int64_t)24 * 60 * 60 * 1000)

DEFINE_CLEANUP(ASN1_ENUMERATED, ASN1_ENUMERATED_free);
DEFINE_CLEANUP(X509_CRL, X509_CRL_free);
DEFINE_CLEANUP(X509_STORE, X509_STORE_free);
DEFINE_CLEANUP(OCSP_CERTID, OCSP_CERTID_free);
DEFINE_CLEANUP(OCSP_REQUEST, OCSP_REQUEST_free);
DEFINE_CLEANUP(OCSP_RESPONSE, OCSP_RESPONSE_free);
DEFINE_CLEANUP(OCSP_BASICRESP, OCSP_BASICRESP_free);

/* --- where to ask --- */

static void add_url(const GENERAL_NAME *name, struct strlist *to)
{
    int type;
    const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &type);
    cleanup(xfree) char *url = NULL;

    if (type != GEN_URI)
        return;
    url = xstrndup((const char *)ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value));
    if ((int)strlen(url) == ASN1_STRING_length(value))
        strlist_add(to, url);
}

/* Where places were named, and none of them by a URL. */
static void say_if_none(size_t places, size_t before, struct strlist *to)
{
    if (places > 0 && to->len == before)
        strlist_add(to, "(a name that is no URL)");
}

/* NULL: it is not there, or cannot be read, of which `to` has a word. */
static void *extension_of(const struct cert *cert, int nid, struct strlist *to)
{
    void *value = NULL;

    if (extension_get(X509_get0_extensions(cert_x509(cert)), nid, &value, NULL) == 0)
        return value;
    strlist_add(to, "(an extension that cannot be read)");
    return NULL;
}

void cert_crl_urls(const struct cert *cert, struct strlist *ret)
{
    size_t before = ret->len;
    cleanup(CRL_DIST_POINTS_free)
        CRL_DIST_POINTS *points = extension_of(cert, NID_crl_distribution_points, ret);

    for (int i = 0; i < sk_DIST_POINT_num(points); i++) {
        const DIST_POINT_NAME *place = sk_DIST_POINT_value(points, i)->distpoint;

        for (int j = 0; place && place->type == 0 && j < sk_GENERAL_NAME_num(place->name.fullname);
             j++)
            add_url(sk_GENERAL_NAME_value(place->name.fullname, j), ret);
    }
    say_if_none(points != NULL, before, ret);
}

void cert_ocsp_urls(const struct cert *cert, struct strlist *ret)
{
    size_t before = ret->len, places = 0;
    cleanup(AUTHORITY_INFO_ACCESS_free)
        AUTHORITY_INFO_ACCESS *list = extension_of(cert, NID_info_access, ret);

    for (int i = 0; i < sk_ACCESS_DESCRIPTION_num(list); i++) {
        const ACCESS_DESCRIPTION *access = sk_ACCESS_DESCRIPTION_value(list, i);

        if (OBJ_obj2nid(access->method) != NID_ad_OCSP)
            continue;
        places++;
        add_url(access->location, ret);
    }
    say_if_none(places, before, ret);
}

/* --- what both say --- */

/* By number (RFC 5280 5.3.1); 7 is not used. */
static const char *reason_name(long reason)
{
    static const char *const names[] = {
        "unspecified",   "keyCompromise",        "cACompromise",    "affiliationChanged",
        "superseded",    "cessationOfOperation", "certificateHold", NULL,
        "removeFromCRL", "privilegeWithdrawn",   "aACompromise",
    };

    return reason >= 0 && reason < (long)ARRAY_LEN(names) ? names[reason] : NULL;
}

static int read_time(const ASN1_TIME *time, int64_t *ret_ms, struct err *err)
{
    return asn1_time_ms(time, "update", ret_ms, err);
}

static int read_updates(const ASN1_TIME *this_update, const ASN1_TIME *next_update,
                        struct revocation *ret, struct err *err)
{
    int r = read_time(this_update, &ret->this_update_ms, err);

    if (r == 0 && next_update)
        r = read_time(next_update, &ret->next_update_ms, err);
    return r;
}

static int check_in_force(const struct revocation *answer, int64_t now_ms, struct err *err)
{
    if (answer->this_update_ms > now_ms + CLOCK_SLACK_MS)
        return err_set(err, ERR_INVALID, "it is not in force yet");
    if (answer->next_update_ms && answer->next_update_ms < now_ms - CLOCK_SLACK_MS)
        return err_set(err, ERR_INVALID, "it is out of date: the next one was due before now");
    if (!answer->next_update_ms && answer->this_update_ms < now_ms - UNDATED_MAX_MS)
        return err_set(err, ERR_INVALID,
                       "it does not say when the next one is due, and is older than %d days",
                       UNDATED_MAX_DAYS);
    return 0;
}

/* --- CRL --- */

static int read_crl(const void *data, size_t len, X509_CRL **ret, struct err *err)
{
    cleanup(pem_block_deinit) struct pem_block block = {};
    const char *at = data;
    const unsigned char *der = data;
    long der_len = (long)len;

    if (len > 0 && *at != (V_ASN1_CONSTRUCTED | V_ASN1_SEQUENCE)) {
        if (pem_next(&at, at + len, &block, NULL) < 0 || !streq(block.label, "X509 CRL"))
            return err_set(err, ERR_INVALID, "this is not a CRL");
        der = block.der;
        der_len = (long)block.der_len;
    }
    *ret = d2i_X509_CRL(NULL, &der, der_len);
    return *ret ? 0 : openssl_err(err, ERR_INVALID, "the CRL cannot be read");
}

static int check_signature(X509_CRL *crl, const struct cert *issuer, struct err *err)
{
    X509 *x509 = cert_x509(issuer);

    if (X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_subject_name(x509)) != 0)
        return err_set(err, ERR_INVALID, "it is another issuer's");
    if (!cert_key_may(issuer, USAGE_CRL_SIGN)) /* RFC 5280 6.3.3 f */
        return err_set(err, ERR_INVALID,
                       "its issuer may not sign it: the key usage of '%s' lacks cRLSign",
                       cert_subject(issuer));
    if (X509_CRL_verify(crl, pkey_evp(cert_public_key(issuer))) != 1)
        return openssl_err(err, ERR_INVALID, "its signature is not the issuer's");
    return 0;
}

static int read_entry(X509_REVOKED *entry, struct revocation *ret, struct err *err)
{
    cleanup(ASN1_ENUMERATED_free)
        ASN1_ENUMERATED *reason = X509_REVOKED_get_ext_d2i(entry, NID_crl_reason, NULL, NULL);

    ret->state = REVOCATION_REVOKED;
    ret->reason = reason ? reason_name(ASN1_ENUMERATED_get(reason)) : NULL;
    return read_time(X509_REVOKED_get0_revocationDate(entry), &ret->revoked_at_ms, err);
}

static int look_up(X509_CRL *crl, const struct cert *cert, struct revocation *ret, struct err *err)
{
    X509_REVOKED *entry = NULL;
    int found = X509_CRL_get0_by_cert(crl, &entry, cert_x509(cert));

    ret->state = REVOCATION_GOOD; /* not in it, or taken out again */
    return found == 1 ? read_entry(entry, ret, err) : 0;
}

/* That a certificate is not in it says nothing of the other reasons (RFC 5280 6.3.3 l). */
static int check_reasons(bool some_only, const struct revocation *found, struct err *err)
{
    if (some_only && found->state == REVOCATION_GOOD)
        return err_set(err, ERR_UNSUPPORTED,
                       "it has revocations for some reasons only, and none of the certificate");
    return 0;
}

int crl_look_up(const void *data, size_t len, const struct cert *cert, const struct cert *issuer,
                int64_t now_ms, struct revocation *ret, struct err *err)
{
    cleanup(X509_CRL_free) X509_CRL *crl = NULL;
    struct revocation found = {};
    bool some_reasons = false;
    int r = read_crl(data, len, &crl, err);

    if (r == 0)
        r = check_signature(crl, issuer, err);
    if (r == 0)
        r = crl_check_scope(crl, cert, &some_reasons, err);
    if (r == 0)
        r = read_updates(X509_CRL_get0_lastUpdate(crl), X509_CRL_get0_nextUpdate(crl), &found, err);
    if (r == 0)
        r = check_in_force(&found, now_ms, err);
    if (r == 0)
        r = look_up(crl, cert, &found, err);
    if (r == 0)
        r = check_reasons(some_reasons, &found, err);
    if (r < 0)
        return r;
    *ret = found;
    return 0;
}

/* --- OCSP --- */

/* SHA-1 only names the issuer here; it is what every responder knows (RFC 5019 2.1.1). */
static OCSP_CERTID *id_of(const struct cert *cert, const struct cert *issuer)
{
    OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), cert_x509(cert), cert_x509(issuer));

    openssl_must(id);
    return id;
}

void ocsp_request(const struct cert *cert, const struct cert *issuer, struct buf *to)
{
    cleanup(OCSP_REQUEST_free) OCSP_REQUEST *request = OCSP_REQUEST_new();
    cleanup(openssl_free) unsigned char *der = NULL;
    int len;

    openssl_must(request && OCSP_request_add0_id(request, id_of(cert, issuer)));
    len = i2d_OCSP_REQUEST(request, &der);
    openssl_must(len > 0);
    buf_add(to, der, (size_t)len);
}

static int check_status(int status, struct err *err)
{
    static const struct {
        int status, code;
        const char *text;
    } rows[] = {
        {OCSP_RESPONSE_STATUS_MALFORMEDREQUEST, ERR_INVALID, "it cannot read our question"},
        {OCSP_RESPONSE_STATUS_INTERNALERROR, ERR_UNAVAILABLE, "it has an error of its own"},
        {OCSP_RESPONSE_STATUS_TRYLATER, ERR_UNAVAILABLE, "it says to try again later"},
        {OCSP_RESPONSE_STATUS_SIGREQUIRED, ERR_DENIED, "it wants the question to be signed"},
        {OCSP_RESPONSE_STATUS_UNAUTHORIZED, ERR_DENIED,
         "it does not answer about this certificate"},
    };

    if (status == OCSP_RESPONSE_STATUS_SUCCESSFUL)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].status == status)
            return err_set(err, rows[i].code, "%s", rows[i].text);
    return err_set(err, ERR_INVALID, "its answer has the unknown status %d", status);
}

static int read_response(const void *data, size_t len, OCSP_BASICRESP **ret, struct err *err)
{
    cleanup(OCSP_RESPONSE_free) OCSP_RESPONSE *response = NULL;
    const unsigned char *der = data;
    int r;

    response = d2i_OCSP_RESPONSE(NULL, &der, (long)len);
    if (!response)
        return openssl_err(err, ERR_INVALID, "the answer cannot be read");
    r = check_status(OCSP_response_status(response), err);
    if (r < 0)
        return r;
    *ret = OCSP_response_get1_basic(response);
    return *ret ? 0 : openssl_err(err, ERR_INVALID, "the answer cannot be read");
}

/* By the issuer, or by one whose certificate the issuer has signed for that (RFC 6960 4.2.2.2). */
static int check_signer(OCSP_BASICRESP *basic, const struct cert *issuer, int64_t now_ms,
                        struct err *err)
{
    cleanup(X509_free) X509 *x509 = x509_with_key(issuer);
    cleanup(X509_STORE_free) X509_STORE *trusted = X509_STORE_new();
    STACK_OF(X509) *with = sk_X509_new_null();
    bool is_good;

    openssl_must(trusted && with && X509_STORE_add_cert(trusted, x509) == 1 &&
                 sk_X509_push(with, x509) > 0);
    X509_VERIFY_PARAM_set_time(X509_STORE_get0_param(trusted), (time_t)(now_ms / 1000));
    (void)X509_STORE_set_flags(trusted, X509_V_FLAG_PARTIAL_CHAIN); /* always 1 */
    is_good = OCSP_basic_verify(basic, with, trusted, 0) == 1;
    sk_X509_free(with);
    return is_good ? 0 : openssl_err(err, ERR_INVALID, "the answer is not signed by the issuer");
}

static int find_answer(OCSP_BASICRESP *basic, const struct cert *cert, const struct cert *issuer,
                       struct revocation *ret, struct err *err)
{
    cleanup(OCSP_CERTID_free) OCSP_CERTID *id = id_of(cert, issuer);
    ASN1_GENERALIZEDTIME *revoked = NULL, *this_update = NULL, *next_update = NULL;
    int status, reason = -1;
    int r;

    if (OCSP_resp_find_status(basic, id, &status, &reason, &revoked, &this_update, &next_update) !=
        1)
        return err_set(err, ERR_INVALID, "the answer is about another certificate");
    ret->state = status == V_OCSP_CERTSTATUS_GOOD      ? REVOCATION_GOOD
                 : status == V_OCSP_CERTSTATUS_REVOKED ? REVOCATION_REVOKED
                                                       : REVOCATION_UNKNOWN;
    r = read_updates(this_update, next_update, ret, err);
    if (r < 0 || ret->state != REVOCATION_REVOKED)
        return r;
    ret->reason = reason_name(reason);
    return read_time(revoked, &ret->revoked_at_ms, err);
}

int ocsp_look_up(const void *response, size_t len, const struct cert *cert,
                 const struct cert *issuer, int64_t now_ms, struct revocation *ret, struct err *err)
{
    cleanup(OCSP_BASICRESP_free) OCSP_BASICRESP *basic = NULL;
    struct revocation found = {};
    int r = read_response(response, len, &basic, err);

    if (r == 0)
        r = check_signer(basic, issuer, now_ms, err);
    if (r == 0)
        r = find_answer(basic, cert, issuer, &found, err);
    if (r == 0)
        r = check_in_force(&found, now_ms, err);
    if (r < 0)
        return r;
    *ret = found;
    return 0;
}
