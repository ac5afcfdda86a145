#include "pki/cert.h"

#include <stdatomic.h>
#include <string.h>

#include "base/base64.h"
#include "base/timetext.h"
#include "pki/openssl.h"
#include "pki/pem.h"

struct cert {
    atomic_uint refs;
    X509 *x509;
    const struct pkey *public_key;         /* NULL: only its hash was asked for */
    unsigned char public_hash[SHA256_LEN]; /* if public_key is NULL */
    struct x509_names names;
    char *subject, *issuer, *issuer_common_name, *serial_hex;
    int64_t not_before_ms, not_after_ms;
    key_usages usages;
    bool is_ca;
};

#define ARI_ID_MAX    1024  /* certificates with longer identifiers exist only to annoy */
#define CERT_TEXT_MAX 65536 /* a name that was escaped */

struct cert *cert_ref(struct cert *cert)
{
    atomic_fetch_add_explicit(&cert->refs, 1, memory_order_relaxed);
    return cert;
}

void cert_unref(struct cert *cert)
{
    if (!cert || atomic_fetch_sub_explicit(&cert->refs, 1, memory_order_acq_rel) > 1)
        return;
    X509_free(cert->x509);
    pkey_unref(cert->public_key);
    x509_names_deinit(&cert->names);
    xfree(cert->subject);
    xfree(cert->issuer);
    xfree(cert->issuer_common_name);
    xfree(cert->serial_hex);
    xfree(cert);
}

/*
 * Reading: everything is looked at once, so that the accessors cannot fail.
 */

static int read_times(struct cert *cert, struct err *err)
{
    int r = asn1_time_ms(X509_get0_notBefore(cert->x509), "notBefore", &cert->not_before_ms, err);

    if (r < 0)
        return r;
    return asn1_time_ms(X509_get0_notAfter(cert->x509), "notAfter", &cert->not_after_ms, err);
}

int name_text(const X509_NAME *name, char **ret, struct err *err)
{
    const unsigned long flags = XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB;
    cleanup(BIO_free_all) BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    long len = 0;

    openssl_must(bio);
    if (X509_NAME_print_ex(bio, name, 0, flags) < 0)
        return openssl_err(err, ERR_INVALID, "a name cannot be read");
    len = BIO_get_mem_data(bio, &text);
    if (len > CERT_TEXT_MAX)
        return err_set(err, ERR_TOO_LARGE, "a name is larger than %d bytes", CERT_TEXT_MAX);
    *ret = xstrndup(len > 0 ? text : "", (size_t)len);
    return 0;
}

static int read_issuer(struct cert *cert, struct err *err)
{
    cleanup(x509_names_deinit) struct x509_names names = {};
    const X509_NAME *issuer = X509_get_issuer_name(cert->x509);
    int r;

    r = x509_names_read(&names, issuer, NULL, err);
    if (r < 0)
        return err_wrap(err, "issuer");
    cert->issuer_common_name = names.common_name ? take(names.common_name) : xstrdup("");
    return name_text(issuer, &cert->issuer, err);
}

static int read_names(struct cert *cert, struct err *err)
{
    const X509_NAME *subject = X509_get_subject_name(cert->x509);
    int r;

    r = x509_names_read(&cert->names, subject, X509_get0_extensions(cert->x509), err);
    if (r < 0)
        return r;
    r = name_text(subject, &cert->subject, err);
    if (r < 0)
        return r;
    return read_issuer(cert, err);
}

static int read_public_key(struct cert *cert, bool only_look, struct err *err)
{
    const X509_PUBKEY *spki = X509_get_X509_PUBKEY(cert->x509);
    EVP_PKEY *evp;

    if (only_look && spki_hash(spki, cert->public_hash))
        return 0;
    evp = key_of_x509(spki);
    if (!evp)
        return openssl_err(err, ERR_INVALID, "the public key cannot be read");
    cert->public_key = pkey_wrap(evp);
    return 0;
}

static void read_serial(struct cert *cert)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(cert->x509);
    cleanup(BN_clear_free) BIGNUM *number = ASN1_INTEGER_to_BN(serial, NULL);
    char *hex = number ? BN_bn2hex(number) : NULL;

    openssl_must(hex);
    cert->serial_hex = xstrdup(hex);
    str_lower(cert->serial_hex);
    OPENSSL_free(hex);
}

static int read_all(struct cert *cert, bool only_look, struct err *err)
{
    bool has_constraints, has_usages;
    int r;

    read_serial(cert);
    r = read_times(cert, err);
    if (r < 0)
        return r;
    r = read_names(cert, err);
    if (r < 0)
        return r;
    r = read_public_key(cert, only_look, err);
    if (r < 0)
        return r;
    r = constraints_read(X509_get0_extensions(cert->x509), &cert->is_ca, &has_constraints, err);
    if (r < 0)
        return r;
    return usages_read(X509_get0_extensions(cert->x509), &cert->usages, &has_usages, err);
}

static int from_der(const void *der, size_t len, bool only_look, struct cert **ret, struct err *err)
{
    cleanup(cert_unref) struct cert *cert = xalloc(sizeof(*cert));
    const unsigned char *at = der;
    int r;

    atomic_init(&cert->refs, 1);
    cert->x509 = x509_from_der(&at, len);
    if (!cert->x509)
        return openssl_err(err, ERR_INVALID, "the certificate cannot be read");
    if (at != (const unsigned char *)der + len)
        return err_set(err, ERR_INVALID, "there are bytes behind the certificate");
    r = read_all(cert, only_look, err);
    if (r < 0)
        return err_wrap(err, "certificate");
    *ret = take(cert);
    return 0;
}

int cert_from_der(const void *der, size_t len, struct cert **ret, struct err *err)
{
    return from_der(der, len, false, ret, err);
}

int cert_look(const void *der, size_t len, struct cert **ret, struct err *err)
{
    return from_der(der, len, true, ret, err);
}

/*
 * Looking.
 */

int64_t cert_not_before_ms(const struct cert *cert)
{
    return cert->not_before_ms;
}

int64_t cert_not_after_ms(const struct cert *cert)
{
    return cert->not_after_ms;
}

const struct x509_names *cert_names(const struct cert *cert)
{
    return &cert->names;
}

const char *cert_subject(const struct cert *cert)
{
    return cert->subject;
}

const char *cert_issuer(const struct cert *cert)
{
    return cert->issuer;
}

const char *cert_issuer_common_name(const struct cert *cert)
{
    return cert->issuer_common_name;
}

const char *cert_serial_hex(const struct cert *cert)
{
    return cert->serial_hex;
}

const struct pkey *cert_public_key(const struct cert *cert)
{
    return cert->public_key;
}

void cert_public_hash(const struct cert *cert, unsigned char to[SHA256_LEN])
{
    if (cert->public_key)
        pkey_public_hash(cert->public_key, to);
    else
        memcpy(to, cert->public_hash, SHA256_LEN);
}

bool cert_is_ca(const struct cert *cert)
{
    return cert->is_ca;
}

key_usages cert_usages(const struct cert *cert)
{
    return cert->usages;
}

bool cert_key_may(const struct cert *cert, enum key_usage usage)
{
    key_usages said = cert->usages & (USAGE(ANY) - 1); /* without the extended ones */

    return !said || said & (key_usages)1 << usage;
}

X509 *cert_x509(const struct cert *cert)
{
    return cert->x509;
}

X509 *x509_with_key(const struct cert *cert)
{
    cleanup(openssl_free) unsigned char *der = NULL;
    int len = i2d_X509(cert->x509, &der);
    const unsigned char *at = der;
    X509 *x509 = len > 0 ? d2i_X509(NULL, &at, len) : NULL;

    openssl_must(x509); /* it was read before */
    return x509;
}

int cert_others(const struct cert *cert, struct strlist *names, struct strlist *usages,
                struct err *err)
{
    const X509_EXTENSIONS *extensions = X509_get0_extensions(cert->x509);
    int r = x509_names_read_others(extensions, names, err);

    return r < 0 ? r : usages_read_others(extensions, usages, err);
}

int cert_bounds(const struct cert *cert, struct name_bounds *ret, struct err *err)
{
    return name_bounds_read(X509_get0_extensions(cert->x509), ret, err);
}

bool cert_has_bounds(const struct cert *cert)
{
    return X509_get_ext_by_NID(cert->x509, NID_name_constraints, -1) >= 0;
}

bool cert_is_signed_by(const struct cert *cert, const struct cert *issuer)
{
    bool fits = X509_NAME_cmp(X509_get_issuer_name(cert->x509),
                              X509_get_subject_name(issuer->x509)) == 0 &&
                X509_verify(cert->x509, pkey_evp(issuer->public_key)) == 1;

    if (!fits)
        (void)openssl_err(NULL, ERR_INVALID, "no"); /* empties the queue */
    return fits;
}

bool cert_is_self_signed(const struct cert *cert)
{
    return cert_is_signed_by(cert, cert);
}

bool cert_may_sign(const struct cert *cert)
{
    /* Version 1 has no extensions; such roots still stand at the end of old chains. */
    return cert->is_ca || X509_get_version(cert->x509) == X509_VERSION_1;
}

bool cert_equal(const struct cert *a, const struct cert *b)
{
    return X509_cmp(a->x509, b->x509) == 0;
}

/*
 * Writing.
 */

void cert_to_der(const struct cert *cert, struct buf *to)
{
    cleanup(openssl_free) unsigned char *der = NULL;
    int len = i2d_X509(cert->x509, &der);

    openssl_must(len > 0);
    buf_add(to, der, (size_t)len);
}

void cert_to_pem(const struct cert *cert, struct buf *to)
{
    cleanup(openssl_free) unsigned char *der = NULL;
    int len = i2d_X509(cert->x509, &der);

    openssl_must(len > 0);
    pem_write(to, "CERTIFICATE", der, (size_t)len);
}

char *cert_fingerprint_hex(const struct cert *cert)
{
    cleanup(openssl_free) unsigned char *der = NULL;
    int len = i2d_X509(cert->x509, &der);

    openssl_must(len > 0);
    return sha256_hex(der, (size_t)len);
}

/* The content octets of the INTEGER, with the 00 in front of a set top bit. */
static void add_serial(struct buf *to, const ASN1_INTEGER *serial)
{
    cleanup(openssl_free) unsigned char *der = NULL;
    int total = i2d_ASN1_INTEGER(serial, &der);
    const unsigned char *content = der;
    int tag, class;
    long len = 0;

    openssl_must(total > 0 && !(ASN1_get_object(&content, &len, &tag, &class, total) & 0x80));
    base64url_encode(to, content, (size_t)len);
}

int cert_ari_id(const struct cert *cert, char **ret, struct err *err)
{
    cleanup(AUTHORITY_KEYID_free) AUTHORITY_KEYID *aki = NULL;
    cleanup(buf_deinit) struct buf id = BUF(ARI_ID_MAX);
    void *value = NULL;
    int r;

    r = extension_get(X509_get0_extensions(cert->x509), NID_authority_key_identifier, &value, err);
    if (r < 0)
        return r;
    aki = value;
    if (!aki || !aki->keyid || ASN1_STRING_length(aki->keyid) == 0)
        return err_set(
            err, ERR_UNSUPPORTED,
            "the certificate has no authority key identifier, so no renewal information");
    base64url_encode(&id, ASN1_STRING_get0_data(aki->keyid),
                     (size_t)ASN1_STRING_length(aki->keyid));
    buf_add_char(&id, '.');
    add_serial(&id, X509_get0_serialNumber(cert->x509));
    r = buf_check(&id, "the certificate's renewal identifier", err);
    if (r < 0)
        return r;
    *ret = buf_take(&id);
    return 0;
}
