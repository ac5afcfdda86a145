/*
 * openssl.h - what the .c files of this folder share. Nobody outside may include it.
 *
 * Functions that report through `err` leave OpenSSL's error queue empty.
 */
#ifndef PKI_OPENSSL_H
#define PKI_OPENSSL_H

#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/decoder.h>
#include <openssl/ec.h>
#include <openssl/encoder.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "pki/cert.h"
#include "pki/csr.h"
#include "pki/digest.h"
#include "pki/pkey.h"

DEFINE_CLEANUP(ASN1_BIT_STRING, ASN1_BIT_STRING_free);
DEFINE_CLEANUP(ASN1_INTEGER, ASN1_INTEGER_free);
DEFINE_CLEANUP(ASN1_OCTET_STRING, ASN1_OCTET_STRING_free);
DEFINE_CLEANUP(ASN1_TIME, ASN1_TIME_free);
DEFINE_CLEANUP(AUTHORITY_INFO_ACCESS, AUTHORITY_INFO_ACCESS_free);
DEFINE_CLEANUP(AUTHORITY_KEYID, AUTHORITY_KEYID_free);
DEFINE_CLEANUP(BASIC_CONSTRAINTS, BASIC_CONSTRAINTS_free);
DEFINE_CLEANUP(BIGNUM, BN_clear_free);
DEFINE_CLEANUP(BIO, BIO_free_all);
DEFINE_CLEANUP(BN_CTX, BN_CTX_free);
DEFINE_CLEANUP(CRL_DIST_POINTS, CRL_DIST_POINTS_free);
DEFINE_CLEANUP(ECDSA_SIG, ECDSA_SIG_free);
DEFINE_CLEANUP(EC_POINT, EC_POINT_free);
DEFINE_CLEANUP(EVP_MD_CTX, EVP_MD_CTX_free);
DEFINE_CLEANUP(EVP_PKEY, EVP_PKEY_free);
DEFINE_CLEANUP(EVP_PKEY_CTX, EVP_PKEY_CTX_free);
DEFINE_CLEANUP(EXTENDED_KEY_USAGE, EXTENDED_KEY_USAGE_free);
DEFINE_CLEANUP(GENERAL_NAME, GENERAL_NAME_free);
DEFINE_CLEANUP(GENERAL_NAMES, GENERAL_NAMES_free);
DEFINE_CLEANUP(NAME_CONSTRAINTS, NAME_CONSTRAINTS_free);
DEFINE_CLEANUP(ASN1_OBJECT, ASN1_OBJECT_free);
DEFINE_CLEANUP(OSSL_DECODER_CTX, OSSL_DECODER_CTX_free);
DEFINE_CLEANUP(OSSL_ENCODER_CTX, OSSL_ENCODER_CTX_free);
DEFINE_CLEANUP(OSSL_PARAM, OSSL_PARAM_free);
DEFINE_CLEANUP(OSSL_PARAM_BLD, OSSL_PARAM_BLD_free);
DEFINE_CLEANUP(X509, X509_free);
DEFINE_CLEANUP(X509_NAME, X509_NAME_free);
DEFINE_CLEANUP(X509_PUBKEY, X509_PUBKEY_free);
DEFINE_CLEANUP(X509_REQ, X509_REQ_free);

static inline void extensions_free(X509_EXTENSIONS *extensions)
{
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
}
DEFINE_CLEANUP(X509_EXTENSIONS, extensions_free);

/* Memory of OPENSSL_malloc. */
static inline void openssl_free_ptr(unsigned char **p)
{
    OPENSSL_free(*p);
}

/* As err_set(), with OpenSSL's newest reason behind the text; empties its queue. */
int openssl_err(struct err *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* For calls that fail only without memory or without a working provider: aborts, as xalloc(). */
void openssl_must(bool ok);

const EVP_MD *digest_md(enum digest_type type);

/* The three curves of Certificate and JWS. */
struct curve {
    int size;
    const char *group; /* OpenSSL's name */
    const char *crv;   /* RFC 7518 6.2.1.1 */
    const char *alg;   /* RFC 7518 3.1 */
    enum digest_type digest;
    size_t width; /* of a coordinate and of r and s */
};
const struct curve *curve_by_size(int size);
const struct curve *curve_by_group(const char *group);
const struct curve *curve_by_crv(const char *crv);

/* Takes `evp`. */
const struct pkey *pkey_wrap(EVP_PKEY *evp);
EVP_PKEY *pkey_evp(const struct pkey *key); /* lent */

/* --- decoder.c --- */

/* NULL, with OpenSSL's errors, when the DER is not exactly one key that can be read. */
enum key_form { KEY_FORM_PKCS8, KEY_FORM_PKCS1, KEY_FORM_SEC1, KEY_FORM_SPKI, KEY_FORM_COUNT };
EVP_PKEY *key_decode(enum key_form form, const unsigned char *der, size_t len);
/* As d2i_X509() and d2i_X509_REQ(), but the key in it is only read by key_of_x509(). */
X509 *x509_from_der(const unsigned char **at, size_t len);
X509_REQ *x509_req_from_der(const unsigned char **at, size_t len);
EVP_PKEY *key_of_x509(const X509_PUBKEY *spki);

/* --- ec.c --- */

enum { EC_WIDTH_MAX = 66, EC_POINT_MAX = 1 + 2 * EC_WIDTH_MAX };
size_t ec_point_len(int size);
/* 0 < d < n, and d * G is the point, which is on the curve. EVP_PKEY_pairwise_check() also multiplies the point by n,
 * which for these curves (cofactor 1) says nothing new and takes ten times as long as all the rest. */
bool ec_pair_fits(int size, const BIGNUM *d, const unsigned char *point, size_t len);
/* RFC 5480 2.2, uncompressed. False: the key has it in another form. */
bool ec_public_point(const EVP_PKEY *evp, int size, unsigned char point[EC_POINT_MAX]);
/* False, with nothing written: there is no private number, or no such point. */
bool ec_private_write(const EVP_PKEY *evp, int size, enum key_form form, struct buf *to);
/* False: it is written in another way, or its numbers do not fit. */
bool ec_private_look(enum key_form form, const unsigned char *der, size_t len, int *ret_size,
                     unsigned char public_hash[SHA256_LEN]);
bool ec_spki_is_usual(const unsigned char *der, size_t len);

/* --- pkey.c --- */

/* Puts the key into a certificate or request. False for one that is not RSA or on one of our curves: OpenSSL's
 * own way is left then, which looks for somebody who can write the key, each time: 200 us for what takes 5. */
bool spki_write(const struct pkey *key, X509_PUBKEY *to);
/* What pkey_public_hash() gives for it, without reading the key: twenty times as fast. False when the key
 * is not written in the one form that is hashed; it has to be read then. That the point is on its curve
 * is not known, so the hash may be that of no key at all. */
bool spki_hash(const X509_PUBKEY *spki, unsigned char to[SHA256_LEN]);

/* The digest to sign certificates and requests with; *ret_md is NULL for Ed25519. */
int pkey_signature_digest(const struct pkey *key, enum signature_algorithm algorithm,
                          const EVP_MD **ret_md, struct err *err);

/* As cert_from_der(), the public key as in leaf_look(). */
int cert_look(const void *der, size_t len, struct cert **ret, struct err *err);
X509 *cert_x509(const struct cert *cert); /* lent; not to be changed */
/* A copy with its key in it, where OpenSSL looks for it: ours (x509_from_der()) have none. */
X509 *x509_with_key(const struct cert *cert);
X509_REQ *csr_x509(const struct csr *csr); /* lent; not to be changed */
bool cert_may_sign(const struct cert *cert);
bool cert_equal(const struct cert *a, const struct cert *b); /* to the byte */

/* Appends the alternative names that x509_names has no place for, in words. */
int x509_names_read_others(const X509_EXTENSIONS *extensions, struct strlist *to, struct err *err);
/* Subject and SAN, both ways. Reading refuses what contains a NUL. */
int x509_names_write_subject(const struct x509_names *names, X509_NAME *to, struct err *err);
int x509_names_write_san(const struct x509_names *names, X509_EXTENSIONS **extensions,
                         struct err *err);
void name_to_der(const X509_NAME *name, struct buf *to);
/* RFC 4514 text, but with letters outside of ASCII as they are. */
int name_text(const X509_NAME *name, char **ret, struct err *err);
/* Appends an IA5String; `what` is for the error: it may have no NUL byte and nothing outside of ASCII. */
int ia5_read(struct strlist *list, const ASN1_STRING *value, const char *what, struct err *err);
int name_bounds_write(const struct name_bounds *bounds, X509_EXTENSIONS **extensions,
                      struct err *err);
/* Appends in words a general name of a kind that Certificate has no field for. */
int other_name_read(struct strlist *to, int type, const void *value, struct err *err);
int name_bounds_read(const X509_EXTENSIONS *extensions, struct name_bounds *ret, struct err *err);
/* Of what was read: would Go read a certificate with it? It refuses all of one for a name that it cannot parse. */
int x509_names_check(const struct x509_names *names, struct err *err);
int name_bounds_check(const X509_EXTENSIONS *extensions, struct err *err);
int x509_names_read(struct x509_names *names, const X509_NAME *subject,
                    const X509_EXTENSIONS *extensions, struct err *err);

void usages_write(key_usages usages, X509_EXTENSIONS **extensions);
int usages_read(const X509_EXTENSIONS *extensions, key_usages *ret, bool *ret_has, struct err *err);
/* Appends the extended ones that key_usages has no bit for, dotted. */
int usages_read_others(const X509_EXTENSIONS *extensions, struct strlist *to, struct err *err);
/* basicConstraints: whether of a CA, and whether there are any. */
int constraints_read(const X509_EXTENSIONS *extensions, bool *ret_is_ca, bool *ret_has,
                     struct err *err);

/* crl_scope.c: is the list of the issuer of `cert` also about it? *ret_some_reasons: for some reasons only.
 * ERR_UNSUPPORTED: it is not, or is an indirect one or a delta. */
int crl_check_scope(const X509_CRL *crl, const struct cert *cert, bool *ret_some_reasons,
                    struct err *err);

/* Heap: "<head><dotted>". */
char *oid_text(const char *head, const ASN1_OBJECT *oid);
/* "<what> cannot be read" else. */
int asn1_time_ms(const ASN1_TIME *time, const char *what, int64_t *ret_ms, struct err *err);

/* An extension's value, NULL if it is not there; repeated or malformed is ERR_INVALID. */
int extension_get(const X509_EXTENSIONS *extensions, int nid, void **ret, struct err *err);
/* `value` is encoded, not taken. */
void extension_add(X509_EXTENSIONS **extensions, int nid, void *value, bool critical);

#endif
