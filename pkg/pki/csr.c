#include "pki/csr.h"

#include <string.h>

#include "base/limits.h"
#include "pki/openssl.h"
#include "pki/pem.h"

struct csr {
    X509_REQ *req;
    struct x509_names names;
    const struct pkey *public_key;         /* NULL: only its hash was asked for */
    unsigned char public_hash[SHA256_LEN]; /* if public_key is NULL */
    key_usages usages;
    bool has_usages;
    bool is_ca, has_constraints;
};

void csr_free(struct csr *csr)
{
    if (!csr)
        return;
    X509_REQ_free(csr->req);
    x509_names_deinit(&csr->names);
    pkey_unref(csr->public_key);
    xfree(csr);
}

enum reading { READ_TO_LOOK, READ_UNVERIFIED, READ_VERIFIED };

static int read_public_key(struct csr *csr, bool only_look, struct err *err)
{
    const X509_PUBKEY *spki = X509_REQ_get_X509_PUBKEY(csr->req);
    EVP_PKEY *evp;

    if (only_look && spki_hash(spki, csr->public_hash))
        return 0;
    evp = key_of_x509(spki);
    if (!evp)
        return openssl_err(err, ERR_INVALID, "the public key of the request cannot be read");
    csr->public_key = pkey_wrap(evp);
    return 0;
}

/* Can a certificate with them be read? */
static int check_names(const struct csr *csr, const X509_EXTENSIONS *extensions, struct err *err)
{
    int r = x509_names_check(&csr->names, err);

    return r < 0 ? r : name_bounds_check(extensions, err);
}

static int read_extensions(struct csr *csr, enum reading reading, struct err *err)
{
    cleanup(extensions_free) X509_EXTENSIONS *extensions = X509_REQ_get_extensions(csr->req);
    int r;

    if (!extensions && X509_REQ_get_attr_by_NID(csr->req, NID_ext_req, -1) >= 0)
        return openssl_err(err, ERR_INVALID, "the extensions cannot be read");
    r = x509_names_read(&csr->names, X509_REQ_get_subject_name(csr->req), extensions, err);
    if (r == 0 && reading == READ_VERIFIED)
        r = check_names(csr, extensions, err);
    if (r < 0)
        return r;
    r = constraints_read(extensions, &csr->is_ca, &csr->has_constraints, err);
    if (r < 0)
        return r;
    return usages_read(extensions, &csr->usages, &csr->has_usages, err);
}

/* Takes `req`. `key` is what it was made for; NULL: its public key is read. */
static int csr_wrap(X509_REQ *req, const struct pkey *key, enum reading reading, struct csr **ret,
                    struct err *err)
{
    cleanup(csr_free) struct csr *csr = xalloc(sizeof(*csr));
    int r = 0;

    csr->req = req;
    if (key)
        csr->public_key = pkey_ref(key);
    else
        r = read_public_key(csr, reading == READ_TO_LOOK, err);
    if (r < 0)
        return r;
    r = read_extensions(csr, reading, err);
    if (r < 0)
        return err_wrap(err, "certificate request");
    *ret = take(csr);
    return 0;
}

static int write_extensions(const struct csr_request *request, X509_REQ *req, struct err *err)
{
    cleanup(extensions_free) X509_EXTENSIONS *extensions = NULL;
    int r;

    r = x509_names_write_san(request->names, &extensions, err);
    if (r < 0)
        return r;
    if (request->encode_usages)
        usages_write(request->usages | (request->is_ca ? USAGE(CERT_SIGN) : 0), &extensions);
    if (request->bounds) {
        r = name_bounds_write(request->bounds, &extensions, err);
        if (r < 0)
            return r;
    }
    if (extensions)
        openssl_must(X509_REQ_add_extensions(req, extensions) == 1);
    return 0;
}

static bool set_public_key(const struct pkey *key, X509_REQ *req)
{
    return spki_write(key, X509_REQ_get_X509_PUBKEY(req)) ||
           X509_REQ_set_pubkey(req, pkey_evp(key)) == 1;
}

int csr_new(const struct csr_request *request, const struct pkey *key, struct csr **ret,
            struct err *err)
{
    cleanup(X509_REQ_free) X509_REQ *req = X509_REQ_new();
    cleanup(X509_NAME_free) X509_NAME *subject = X509_NAME_new();
    const EVP_MD *md;
    int r;

    openssl_must(req && subject);
    r = pkey_signature_digest(key, request->signature, &md, err);
    if (r < 0)
        return r;
    r = x509_names_write_subject(request->names, subject, err);
    if (r < 0)
        return r;
    r = write_extensions(request, req, err);
    if (r < 0)
        return r;
    if (X509_REQ_set_version(req, X509_REQ_VERSION_1) != 1 ||
        X509_REQ_set_subject_name(req, subject) != 1 || !set_public_key(key, req) ||
        !X509_REQ_sign(req, pkey_evp(key), md))
        return openssl_err(err, ERR_INTERNAL, "signing a certificate request");
    return csr_wrap(take(req), key, READ_UNVERIFIED, ret, err);
}

static int from_der(const unsigned char *der, size_t len, const struct pkey *key,
                    enum reading reading, struct csr **ret, struct err *err)
{
    cleanup(X509_REQ_free) X509_REQ *req = NULL;
    cleanup(csr_free) struct csr *csr = NULL;
    const unsigned char *at = der;
    int r;

    req = x509_req_from_der(&at, len);
    if (!req)
        return openssl_err(err, ERR_INVALID, "the certificate request cannot be read");
    if (at != der + len)
        return err_set(err, ERR_INVALID, "there are bytes behind the certificate request");
    r = csr_wrap(take(req), key, reading, &csr, err);
    if (r < 0)
        return r;
    if (reading == READ_VERIFIED && X509_REQ_verify(csr->req, pkey_evp(csr->public_key)) != 1)
        return openssl_err(err, ERR_INVALID, "the certificate request's own signature is wrong");
    *ret = take(csr);
    return 0;
}

static bool is_request_label(const char *label)
{
    return streq(label, "CERTIFICATE REQUEST") || streq(label, "NEW CERTIFICATE REQUEST");
}

static int parse(const void *data, size_t len, const struct pkey *key, enum reading reading,
                 struct csr **ret, struct err *err)
{
    cleanup(pem_block_deinit) struct pem_block block = {};
    const char *at = data;
    int r;

    if (len == 0)
        return err_set(err, ERR_INVALID, "this is not a certificate request: it is empty");
    if (len > LIMIT_CERT_PEM)
        return err_set(err, ERR_TOO_LARGE, "a certificate request is larger than %d bytes",
                       LIMIT_CERT_PEM);
    if (*at == (V_ASN1_CONSTRUCTED | V_ASN1_SEQUENCE))
        return from_der(data, len, key, reading, ret, err);
    r = pem_next(&at, at + len, &block, err);
    if (r == ERR_NOT_FOUND)
        return err_set(err, ERR_INVALID, "this is not a certificate request");
    if (r < 0)
        return r;
    if (!is_request_label(block.label))
        return err_set(err, ERR_INVALID, "the PEM block is '%s', not 'CERTIFICATE REQUEST'",
                       block.label);
    return from_der(block.der, block.der_len, key, reading, ret, err);
}

int csr_parse(const void *data, size_t len, struct csr **ret, struct err *err)
{
    return parse(data, len, NULL, READ_VERIFIED, ret, err);
}

int csr_parse_unverified(const void *data, size_t len, struct csr **ret, struct err *err)
{
    return parse(data, len, NULL, READ_UNVERIFIED, ret, err);
}

int csr_parse_own(const void *data, size_t len, const struct pkey *key, struct csr **ret,
                  struct err *err)
{
    return parse(data, len, key, READ_UNVERIFIED, ret, err);
}

int csr_look(const void *data, size_t len, struct csr **ret, struct err *err)
{
    return parse(data, len, NULL, READ_TO_LOOK, ret, err);
}

void csr_to_der(const struct csr *csr, struct buf *to)
{
    cleanup(openssl_free) unsigned char *der = NULL;
    int len = i2d_X509_REQ(csr->req, &der);

    openssl_must(len > 0);
    buf_add(to, der, (size_t)len);
}

void csr_to_pem(const struct csr *csr, struct buf *to)
{
    cleanup(openssl_free) unsigned char *der = NULL;
    int len = i2d_X509_REQ(csr->req, &der);

    openssl_must(len > 0);
    pem_write(to, "CERTIFICATE REQUEST", der, (size_t)len);
}

const struct x509_names *csr_names(const struct csr *csr)
{
    return &csr->names;
}

void csr_subject_to_der(const struct csr *csr, struct buf *to)
{
    name_to_der(X509_REQ_get_subject_name(csr->req), to);
}

const struct pkey *csr_public_key(const struct csr *csr)
{
    return csr->public_key;
}

void csr_public_hash(const struct csr *csr, unsigned char to[SHA256_LEN])
{
    if (csr->public_key)
        pkey_public_hash(csr->public_key, to);
    else
        memcpy(to, csr->public_hash, SHA256_LEN);
}

key_usages csr_usages(const struct csr *csr, bool *ret_has)
{
    if (ret_has)
        *ret_has = csr->has_usages;
    return csr->usages;
}

bool csr_is_ca(const struct csr *csr, bool *ret_has)
{
    if (ret_has)
        *ret_has = csr->has_constraints;
    return csr->is_ca;
}

X509_REQ *csr_x509(const struct csr *csr)
{
    return csr->req;
}
