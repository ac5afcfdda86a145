#include "pki/sign.h"

#include <openssl/rand.h>

#include "pki/names.h"
#include "pki/openssl.h"

#define SERIAL_MAX 20
#define KEY_ID_LEN 20

/*
 * Names.
 */

static int set_subject(const struct cert_template *template, X509 *x509, struct err *err)
{
    cleanup(X509_NAME_free) X509_NAME *subject = X509_NAME_new();
    int r;

    openssl_must(subject);
    if (template->names) {
        r = x509_names_write_subject(template->names, subject, err);
        if (r < 0)
            return r;
        openssl_must(X509_set_subject_name(x509, subject) == 1);
    } else if (template->csr) {
        openssl_must(
            X509_set_subject_name(x509, X509_REQ_get_subject_name(csr_x509(template->csr))) == 1);
    }
    return 0;
}

/* The request's own extension also carries what struct x509_names has no place for. */
static void copy_extension(const struct csr *csr, int nid, X509_EXTENSIONS **to)
{
    cleanup(extensions_free) X509_EXTENSIONS *asked = X509_REQ_get_extensions(csr_x509(csr));
    int at = X509v3_get_ext_by_NID(asked, nid, -1);

    if (at >= 0)
        openssl_must(X509v3_add_ext(to, X509v3_get_ext(asked, at), -1) != NULL);
}

static int add_san(const struct cert_template *template, X509_EXTENSIONS **to, struct err *err)
{
    if (template->names)
        return x509_names_write_san(template->names, to, err);
    if (template->csr)
        copy_extension(template->csr, NID_subject_alt_name, to);
    return 0;
}

/*
 * Key identifiers.
 */

/* RFC 7093 2 method 1: the left 160 bits of SHA-256, so that SHA-1 is not needed. */
static void key_id_of(const X509 *x509, ASN1_OCTET_STRING *to)
{
    const ASN1_BIT_STRING *bits = X509_get0_pubkey_bitstr(x509);
    unsigned char hash[SHA256_LEN];

    openssl_must(bits);
    sha256(ASN1_STRING_get0_data(bits), (size_t)ASN1_STRING_length(bits), hash);
    openssl_must(ASN1_OCTET_STRING_set(to, hash, KEY_ID_LEN) == 1);
}

static void add_subject_key_id(const X509 *x509, X509_EXTENSIONS **to)
{
    cleanup(ASN1_OCTET_STRING_free) ASN1_OCTET_STRING *id = ASN1_OCTET_STRING_new();

    openssl_must(id);
    key_id_of(x509, id);
    extension_add(to, NID_subject_key_identifier, id, false);
}

/* What the issuer calls its key, else what we would. */
static int issuer_key_id(const struct cert *issuer, ASN1_OCTET_STRING **ret, struct err *err)
{
    void *value = NULL;
    int r;

    r = extension_get(X509_get0_extensions(cert_x509(issuer)), NID_subject_key_identifier, &value,
                      err);
    if (r < 0)
        return err_wrap(err, "issuer");
    if (!value) {
        value = ASN1_OCTET_STRING_new();
        openssl_must(value);
        key_id_of(cert_x509(issuer), value);
    }
    *ret = value;
    return 0;
}

static int add_authority_key_id(const struct cert *issuer, X509_EXTENSIONS **to, struct err *err)
{
    cleanup(AUTHORITY_KEYID_free) AUTHORITY_KEYID *aki = AUTHORITY_KEYID_new();
    int r;

    openssl_must(aki);
    r = issuer_key_id(issuer, &aki->keyid, err);
    if (r < 0)
        return r;
    extension_add(to, NID_authority_key_identifier, aki, false);
    return 0;
}

static void add_basic_constraints(bool is_ca, X509_EXTENSIONS **to)
{
    cleanup(BASIC_CONSTRAINTS_free) BASIC_CONSTRAINTS *constraints = BASIC_CONSTRAINTS_new();

    openssl_must(constraints);
    constraints->ca = is_ca ? 0xff : 0;
    extension_add(to, NID_basic_constraints, constraints, true);
}

/*
 * Where to ask about it.
 */

static int set_url(const char *url, GENERAL_NAME *to, struct err *err)
{
    ASN1_IA5STRING *text = ASN1_IA5STRING_new();

    openssl_must(to && text);
    GENERAL_NAME_set0_value(to, GEN_URI, text);
    if (!name_is_url_text(url))
        return err_set(err, ERR_INVALID, "the URL '%s' has a character that no URL has", url);
    openssl_must(ASN1_STRING_set(text, url, -1) == 1);
    return 0;
}

/* One point for each URL: several in one point would be the same list in several places. */
static int add_crl_point(const char *url, CRL_DIST_POINTS *to, struct err *err)
{
    DIST_POINT *point = DIST_POINT_new();
    GENERAL_NAME *name = GENERAL_NAME_new();

    openssl_must(point && name && sk_DIST_POINT_push(to, point) > 0);
    point->distpoint = DIST_POINT_NAME_new();
    openssl_must(point->distpoint);
    point->distpoint->type = 0; /* fullname */
    point->distpoint->name.fullname = GENERAL_NAMES_new();
    openssl_must(sk_GENERAL_NAME_push(point->distpoint->name.fullname, name) > 0);
    return set_url(url, name, err);
}

static int add_crl_points(const struct strlist *urls, X509_EXTENSIONS **to, struct err *err)
{
    cleanup(CRL_DIST_POINTS_free) CRL_DIST_POINTS *points = CRL_DIST_POINTS_new();

    openssl_must(points);
    for (size_t i = 0; urls && i < urls->len; i++) {
        int r = add_crl_point(urls->items[i], points, err);

        if (r < 0)
            return err_wrap(err, "CRL distribution point");
    }
    if (urls && urls->len > 0)
        extension_add(to, NID_crl_distribution_points, points, false);
    return 0;
}

static int add_access(int method, const struct strlist *urls, AUTHORITY_INFO_ACCESS *to,
                      struct err *err)
{
    for (size_t i = 0; urls && i < urls->len; i++) {
        ACCESS_DESCRIPTION *access = ACCESS_DESCRIPTION_new();
        int r;

        openssl_must(access && sk_ACCESS_DESCRIPTION_push(to, access) > 0);
        access->method = OBJ_nid2obj(method);
        r = set_url(urls->items[i], access->location, err);
        if (r < 0)
            return err_wrap(err, "%s URL", OBJ_nid2ln(method));
    }
    return 0;
}

static int add_info_access(const struct cert_template *template, X509_EXTENSIONS **to,
                           struct err *err)
{
    cleanup(AUTHORITY_INFO_ACCESS_free) AUTHORITY_INFO_ACCESS *list = AUTHORITY_INFO_ACCESS_new();
    int r;

    openssl_must(list);
    r = add_access(NID_ad_OCSP, template->ocsp_urls, list, err);
    if (r == 0)
        r = add_access(NID_ad_ca_issuers, template->issuer_urls, list, err);
    if (r == 0 && sk_ACCESS_DESCRIPTION_num(list) > 0)
        extension_add(to, NID_info_access, list, false);
    return r;
}

/*
 * The rest.
 */

static int set_extensions(const struct cert_template *template, X509 *x509, struct err *err)
{
    cleanup(extensions_free) X509_EXTENSIONS *extensions = NULL;
    int r;

    usages_write(template->usages | (template->is_ca ? USAGE(CERT_SIGN) : 0), &extensions);
    add_basic_constraints(template->is_ca, &extensions);
    add_subject_key_id(x509, &extensions);
    if (template->issuer) {
        r = add_authority_key_id(template->issuer, &extensions, err);
        if (r < 0)
            return r;
    }
    r = add_san(template, &extensions, err);
    if (r == 0)
        r = add_crl_points(template->crl_urls, &extensions, err);
    if (r == 0)
        r = add_info_access(template, &extensions, err);
    if (r < 0)
        return r;
    if (template->csr && template->is_ca) /* a CA that asked for bounds does not get more */
        copy_extension(template->csr, NID_name_constraints, &extensions);
    for (int i = 0; i < sk_X509_EXTENSION_num(extensions); i++)
        openssl_must(X509_add_ext(x509, sk_X509_EXTENSION_value(extensions, i), -1) == 1);
    return 0;
}

static int set_serial(const struct cert_template *template, X509 *x509, struct err *err)
{
    cleanup(BN_clear_free) BIGNUM *number = NULL;
    cleanup(ASN1_INTEGER_free) ASN1_INTEGER *serial = NULL;
    unsigned char random[SERIAL_MAX];

    if (template->serial_len > SERIAL_MAX)
        return err_set(err, ERR_INVALID, "a serial number has at most %d bytes", SERIAL_MAX);
    if (template->serial) {
        number = BN_bin2bn(template->serial, (int)template->serial_len, NULL);
    } else {
        openssl_must(RAND_bytes(random, sizeof(random)) == 1);
        random[0] = (random[0] & 0x7f) | 0x40; /* positive, and always of the same length */
        number = BN_bin2bn(random, sizeof(random), NULL);
    }
    serial = number ? BN_to_ASN1_INTEGER(number, NULL) : NULL;
    openssl_must(serial && X509_set_serialNumber(x509, serial) == 1);
    return 0;
}

static ASN1_TIME *time_of(int64_t ms)
{
    int64_t seconds = ms / 1000 - (ms % 1000 < 0 ? 1 : 0);

    return ASN1_TIME_set(NULL, (time_t)seconds);
}

static int set_times(const struct cert_template *template, X509 *x509, struct err *err)
{
    cleanup(ASN1_TIME_free) ASN1_TIME *not_before = time_of(template->not_before_ms);
    cleanup(ASN1_TIME_free) ASN1_TIME *not_after = time_of(template->not_after_ms);

    if (template->not_after_ms < template->not_before_ms)
        return err_set(err, ERR_INVALID, "a certificate cannot end before it begins");
    if (!not_before || !not_after)
        return openssl_err(err, ERR_INVALID, "a date cannot be in a certificate");
    openssl_must(X509_set1_notBefore(x509, not_before) == 1 &&
                 X509_set1_notAfter(x509, not_after) == 1);
    return 0;
}

static const struct pkey *subject_key(const struct cert_template *template)
{
    if (template->public_key)
        return template->public_key;
    return template->csr ? csr_public_key(template->csr) : template->issuer_key;
}

/* For the self-signed, the subject has to be there already. */
static void set_issuer(const struct cert_template *template, X509 *x509)
{
    const X509 *issuer = template->issuer ? cert_x509(template->issuer) : x509;

    openssl_must(X509_set_issuer_name(x509, X509_get_subject_name(issuer)) == 1);
}

static int check_issuer_key(const struct cert_template *template, struct err *err)
{
    const struct pkey *expected = template->issuer ? cert_public_key(template->issuer)
                                                   : subject_key(template);

    if (!pkey_equal_public(expected, template->issuer_key))
        return err_set(err, ERR_INVALID, "the signing key is not that of the issuer");
    return 0;
}

static int fill(const struct cert_template *template, X509 *x509, struct err *err)
{
    const struct pkey *key = subject_key(template);
    int r;

    openssl_must(
        X509_set_version(x509, X509_VERSION_3) == 1 &&
        (spki_write(key, X509_get_X509_PUBKEY(x509)) || X509_set_pubkey(x509, pkey_evp(key)) == 1));
    r = set_serial(template, x509, err);
    if (r < 0)
        return r;
    r = set_times(template, x509, err);
    if (r < 0)
        return r;
    r = set_subject(template, x509, err);
    if (r < 0)
        return r;
    set_issuer(template, x509);
    return set_extensions(template, x509, err);
}

/* Through the DER, so that a certificate we made is in no way different from one we read. */
static int reread(X509 *x509, struct cert **ret, struct err *err)
{
    cleanup(openssl_free) unsigned char *der = NULL;
    int len = i2d_X509(x509, &der);

    openssl_must(len > 0);
    return cert_from_der(der, (size_t)len, ret, err);
}

int cert_sign(const struct cert_template *template, struct cert **ret, struct err *err)
{
    cleanup(X509_free) X509 *x509 = X509_new();
    const EVP_MD *md;
    int r;

    openssl_must(x509);
    r = pkey_signature_digest(template->issuer_key, template->signature, &md, err);
    if (r < 0)
        return r;
    r = check_issuer_key(template, err);
    if (r < 0)
        return r;
    r = fill(template, x509, err);
    if (r < 0)
        return r;
    if (!X509_sign(x509, pkey_evp(template->issuer_key), md))
        return openssl_err(err, ERR_INTERNAL, "signing a certificate");
    return reread(x509, ret, err);
}
