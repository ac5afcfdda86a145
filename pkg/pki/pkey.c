#include "pki/pkey.h"

#include <openssl/core_names.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/limits.h"
#include "base/str.h"
#include "base/thread.h"
#include "pki/openssl.h"
#include "pki/pem.h"

struct pkey {
    atomic_uint refs;
    EVP_PKEY *evp;
    enum key_algorithm algorithm;
    int size;
};

#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 8192

/* The private key blocks that we read. */
static const struct {
    const char *label;
    enum key_form form;
} private_blocks[] = {
    {"PRIVATE KEY", KEY_FORM_PKCS8},
    {"RSA PRIVATE KEY", KEY_FORM_PKCS1},
    {"EC PRIVATE KEY", KEY_FORM_SEC1},
};

struct pkey *pkey_ref(const struct pkey *key)
{
    struct pkey *counted = (struct pkey *)key;

    atomic_fetch_add_explicit(&counted->refs, 1, memory_order_relaxed);
    return counted;
}

void pkey_unref(const struct pkey *key)
{
    struct pkey *counted = (struct pkey *)key;

    if (!counted || atomic_fetch_sub_explicit(&counted->refs, 1, memory_order_acq_rel) > 1)
        return;
    EVP_PKEY_free(counted->evp); /* wipes the private numbers */
    xfree(counted);
}

static void classify(struct pkey *key)
{
    const struct curve *curve = NULL;
    char group[64];
    size_t len;

    key->algorithm = KEY_OTHER;
    key->size = EVP_PKEY_get_bits(key->evp);
    if (EVP_PKEY_is_a(key->evp, "RSA")) {
        key->algorithm = KEY_RSA;
    } else if (EVP_PKEY_is_a(key->evp, "ED25519")) {
        key->algorithm = KEY_ED25519;
        key->size = 0;
    } else if (EVP_PKEY_is_a(key->evp, "EC")) {
        if (EVP_PKEY_get_group_name(key->evp, group, sizeof(group), &len) == 1)
            curve = curve_by_group(group);
        if (curve) {
            key->algorithm = KEY_ECDSA;
            key->size = curve->size;
        }
    }
}

const struct pkey *pkey_wrap(EVP_PKEY *evp)
{
    struct pkey *key = xalloc(sizeof(*key));

    atomic_init(&key->refs, 1);
    key->evp = evp;
    classify(key);
    return key;
}

EVP_PKEY *pkey_evp(const struct pkey *key)
{
    return key->evp;
}

enum key_algorithm pkey_algorithm(const struct pkey *key)
{
    return key->algorithm;
}

int pkey_size(const struct pkey *key)
{
    return key->size;
}

bool pkey_equal_public(const struct pkey *a, const struct pkey *b)
{
    bool equal = EVP_PKEY_eq(a->evp, b->evp) == 1;

    if (!equal)
        (void)openssl_err(NULL, ERR_INVALID, "different"); /* empties the queue */
    return equal;
}

/*
 * Making keys.
 */

static int check_size(enum key_algorithm algorithm, int size, struct err *err)
{
    switch (algorithm) {
    case KEY_RSA:
        if (size < RSA_BITS_MIN || size > RSA_BITS_MAX)
            return err_set(err, ERR_INVALID, "an RSA key has %d to %d bits, not %d", RSA_BITS_MIN,
                           RSA_BITS_MAX, size);
        if (size % 2 == 1) /* it makes one bit less of it */
            return err_set(err, ERR_INVALID, "OpenSSL makes no RSA key of %d bits; use %d", size,
                           size + 1);
        return 0;
    case KEY_ECDSA:
        if (!curve_by_size(size))
            return err_set(err, ERR_INVALID, "an ECDSA key has 256, 384 or 521 bits, not %d", size);
        return 0;
    case KEY_ED25519:
        return 0;
    case KEY_ALGORITHM_NONE:
    case KEY_OTHER:
        break;
    }
    return err_set(err, ERR_INVALID, "keys of this algorithm are not made here");
}

struct until {
    pkey_stop_fn *stop;
    void *arg;
};

/* OpenSSL asks after each candidate for a prime: 0 ends the search. */
static int goes_on(EVP_PKEY_CTX *ctx)
{
    const struct until *until = EVP_PKEY_CTX_get_app_data(ctx);

    return !until->stop(until->arg);
}

static EVP_PKEY *generate_rsa(int size, struct until *until)
{
    cleanup(EVP_PKEY_CTX_free) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    EVP_PKEY *evp = NULL;

    if (!ctx || EVP_PKEY_keygen_init(ctx) <= 0 || EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, size) <= 0)
        return NULL;
    if (until->stop) {
        EVP_PKEY_CTX_set_app_data(ctx, until);
        EVP_PKEY_CTX_set_cb(ctx, goes_on);
    }
    return EVP_PKEY_generate(ctx, &evp) > 0 ? evp : NULL;
}

int pkey_generate_until(enum key_algorithm algorithm, int size, pkey_stop_fn *stop, void *arg,
                        const struct pkey **ret, struct err *err)
{
    struct until until = {stop, arg};
    EVP_PKEY *evp;
    int r;

    r = check_size(algorithm, size, err);
    if (r < 0)
        return r;
    if (algorithm == KEY_RSA)
        evp = generate_rsa(size, &until);
    else if (algorithm == KEY_ECDSA)
        evp = EVP_PKEY_Q_keygen(NULL, NULL, "EC", curve_by_size(size)->group);
    else
        evp = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    if (!evp && stop && stop(arg))
        return openssl_err(err, ERR_CANCELED, "making a private key");
    if (!evp)
        return openssl_err(err, ERR_INTERNAL, "making a private key");
    *ret = pkey_wrap(evp);
    return 0;
}

int pkey_generate(enum key_algorithm algorithm, int size, const struct pkey **ret, struct err *err)
{
    return pkey_generate_until(algorithm, size, NULL, NULL, ret, err);
}

/*
 * Reading keys.
 */

static BIGNUM *secret_number(const EVP_PKEY *evp, const char *name)
{
    BIGNUM *number = NULL;

    return EVP_PKEY_get_bn_param(evp, name, &number) ? number : NULL;
}

/* prime > 1 and e * d = 1 modulo (prime - 1) */
static bool rsa_prime_fits(const BIGNUM *prime, const BIGNUM *e, const BIGNUM *d, BN_CTX *ctx)
{
    cleanup(BN_clear_free) BIGNUM *order = BN_dup(prime);
    cleanup(BN_clear_free) BIGNUM *rest = BN_new();

    if (!order || !rest || BN_is_negative(prime) || BN_is_zero(prime) || BN_is_one(prime))
        return false;
    return BN_sub_word(order, 1) && BN_mod_mul(rest, e, d, order, ctx) && BN_is_one(rest);
}

/*
 * Do the private numbers belong to the public ones? OpenSSL reads any numbers; its own check of
 * RSA keys tests for primes, which takes far too long for a key that was only read. These are
 * the sums that Go's rsa.PrivateKey.Validate() does.
 */
static bool rsa_is_consistent(const EVP_PKEY *evp)
{
    cleanup(BN_CTX_free) BN_CTX *ctx = BN_CTX_secure_new();
    cleanup(BN_clear_free) BIGNUM *n = secret_number(evp, OSSL_PKEY_PARAM_RSA_N);
    cleanup(BN_clear_free) BIGNUM *e = secret_number(evp, OSSL_PKEY_PARAM_RSA_E);
    cleanup(BN_clear_free) BIGNUM *d = secret_number(evp, OSSL_PKEY_PARAM_RSA_D);
    cleanup(BN_clear_free) BIGNUM *product = BN_new();
    char name[32];

    if (!ctx || !n || !e || !d || !product || !BN_one(product))
        return false;
    for (int i = 1; i <= 10; i++) { /* OpenSSL reads keys with up to ten primes */
        cleanup(BN_clear_free) BIGNUM *prime = NULL;

        snprintf(name, sizeof(name), "rsa-factor%d", i);
        prime = secret_number(evp, name);
        if (!prime)
            break;
        if (!rsa_prime_fits(prime, e, d, ctx) || !BN_mul(product, product, prime, ctx))
            return false;
    }
    return BN_cmp(product, n) == 0;
}

static bool ec_is_consistent(const EVP_PKEY *evp, int size)
{
    cleanup(BN_clear_free) BIGNUM *d = secret_number(evp, OSSL_PKEY_PARAM_PRIV_KEY);
    unsigned char point[EC_POINT_MAX];
    size_t len = 0;

    return d &&
           EVP_PKEY_get_octet_string_param(evp, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point),
                                           &len) == 1 &&
           ec_pair_fits(size, d, point, len);
}

static int check_private(const struct pkey *key, struct err *err)
{
    if (key->algorithm == KEY_OTHER)
        return err_set(
            err, ERR_INVALID,
            "the private key is neither RSA nor ECDSA (P-256, P-384, P-521) nor Ed25519");
    if ((key->algorithm == KEY_RSA && !rsa_is_consistent(key->evp)) ||
        (key->algorithm == KEY_ECDSA && !ec_is_consistent(key->evp, key->size)))
        return openssl_err(err, ERR_INVALID, "the numbers of the private key do not fit together");
    return 0;
}

static const enum key_form *form_of(const struct pem_block *block)
{
    for (size_t i = 0; i < ARRAY_LEN(private_blocks); i++)
        if (streq(block->label, private_blocks[i].label))
            return &private_blocks[i].form;
    return NULL;
}

/* The first block that is a private key. */
static int find_private(const char *pem, size_t len, struct pem_block *ret, struct err *err)
{
    const char *at = pem;
    char other[sizeof(ret->label)] = "";
    int r;

    if (len > LIMIT_KEY_PEM)
        return err_set(err, ERR_TOO_LARGE, "a private key in PEM is larger than %d bytes",
                       LIMIT_KEY_PEM);
    for (r = pem_next(&at, pem + len, ret, err); r == 0; r = pem_next(&at, pem + len, ret, err)) {
        if (form_of(ret))
            return 0;
        if (streq(ret->label, "ENCRYPTED PRIVATE KEY"))
            return err_set(err, ERR_INVALID,
                           "the private key is encrypted; give it without a passphrase");
        if (!other[0])
            memcpy(other, ret->label, sizeof(other));
        pem_block_deinit(ret);
        *ret = (struct pem_block){};
    }
    if (r != ERR_NOT_FOUND)
        return r;
    if (other[0])
        return err_set(err, ERR_INVALID, "there is a PEM block '%s', but no private key", other);
    return err_set(err, ERR_INVALID, "there is no PEM block, so no private key");
}

static int private_from_block(const struct pem_block *block, const struct pkey **ret,
                              struct err *err)
{
    cleanup(pkey_unref) const struct pkey *key = NULL;
    EVP_PKEY *evp = key_decode(*form_of(block), block->der, block->der_len);
    int r;

    if (!evp)
        return openssl_err(err, ERR_INVALID, "the PEM block '%s' cannot be read", block->label);
    key = pkey_wrap(evp);
    r = check_private(key, err);
    if (r == 0)
        *ret = take(key);
    return r;
}

int pkey_from_pem(const char *pem, size_t len, const struct pkey **ret, struct err *err)
{
    cleanup(pem_block_deinit) struct pem_block block = {};
    int r = find_private(pem, len, &block, err);

    return r < 0 ? r : private_from_block(&block, ret, err);
}

int pkey_look(const char *pem, size_t len, struct pkey_look *ret, struct err *err)
{
    cleanup(pem_block_deinit) struct pem_block block = {};
    cleanup(pkey_unref) const struct pkey *key = NULL;
    int r = find_private(pem, len, &block, err);

    if (r < 0)
        return r;
    if (ec_private_look(*form_of(&block), block.der, block.der_len, &ret->size, ret->public_hash)) {
        ret->algorithm = KEY_ECDSA;
        return 0;
    }
    r = private_from_block(&block, &key, err);
    if (r < 0)
        return r;
    ret->algorithm = key->algorithm;
    ret->size = key->size;
    pkey_public_hash(key, ret->public_hash);
    return 0;
}

/*
 * Writing keys.
 */

static bool is_type_specific(const struct pkey *key, enum key_encoding encoding)
{
    return encoding == KEY_PKCS1 && key->algorithm != KEY_ED25519;
}

static void encode(const struct pkey *key, int selection, const char *structure, struct buf *to)
{
    cleanup(OSSL_ENCODER_CTX_free) OSSL_ENCODER_CTX *ctx = NULL;
    unsigned char *der = NULL;
    size_t len = 0;

    ctx = OSSL_ENCODER_CTX_new_for_pkey(key->evp, selection, "DER", structure, NULL);
    if (ctx && OSSL_ENCODER_to_data(ctx, &der, &len)) {
        buf_add(to, der, len);
    } else {
        (void)openssl_err(NULL, ERR_INVALID, "not exportable"); /* empties the queue */
        to->failed = true;
    }
    OPENSSL_clear_free(der, len);
}

void pkey_to_der(const struct pkey *key, enum key_encoding encoding, struct buf *to)
{
    enum key_form form = is_type_specific(key, encoding) ? KEY_FORM_SEC1 : KEY_FORM_PKCS8;

    if (key->algorithm == KEY_ECDSA && ec_private_write(key->evp, key->size, form, to))
        return;
    encode(key, EVP_PKEY_KEYPAIR,
           is_type_specific(key, encoding) ? "type-specific" : "PrivateKeyInfo", to);
}

void pkey_to_pem(const struct pkey *key, enum key_encoding encoding, struct buf *to)
{
    cleanup(buf_deinit) struct buf der = BUF_SECRET(LIMIT_KEY_PEM);
    const char *label = "PRIVATE KEY";

    if (is_type_specific(key, encoding))
        label = key->algorithm == KEY_RSA ? "RSA PRIVATE KEY" : "EC PRIVATE KEY";
    pkey_to_der(key, encoding, &der);
    if (der.failed)
        to->failed = true;
    else
        pem_write(to, label, der.data, der.len);
}

/*
 * Hashes of keys.
 */

/* Appends a positive DER INTEGER. */
static void add_integer(struct buf *to, const BIGNUM *number)
{
    cleanup(ASN1_INTEGER_free) ASN1_INTEGER *integer = BN_to_ASN1_INTEGER(number, NULL);
    cleanup(openssl_free) unsigned char *der = NULL;
    int len = integer ? i2d_ASN1_INTEGER(integer, &der) : -1;

    openssl_must(len > 0);
    buf_add(to, der, (size_t)len);
}

/* RFC 8017 A.1.1 */
static bool add_rsa_public(const EVP_PKEY *evp, struct buf *to)
{
    cleanup(BN_clear_free) BIGNUM *n = secret_number(evp, OSSL_PKEY_PARAM_RSA_N);
    cleanup(BN_clear_free) BIGNUM *e = secret_number(evp, OSSL_PKEY_PARAM_RSA_E);
    cleanup(buf_deinit) struct buf numbers = BUF(LIMIT_KEY_PEM);
    unsigned char head[8], *end = head;

    if (!n || !e)
        return false;
    add_integer(&numbers, n);
    add_integer(&numbers, e);
    ASN1_put_object(&end, 1, (int)numbers.len, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL);
    buf_add(to, head, (size_t)(end - head));
    buf_add(to, buf_str(&numbers), numbers.len);
    return !to->failed && !numbers.failed;
}

/* RFC 5480 2.2, uncompressed; a key that came in another form is left to OpenSSL. */
static bool add_ec_point(const struct pkey *key, struct buf *to)
{
    unsigned char point[EC_POINT_MAX];

    if (!ec_public_point(key->evp, key->size, point))
        return false;
    buf_add(to, point, ec_point_len(key->size));
    return true;
}

bool spki_write(const struct pkey *key, X509_PUBKEY *to)
{
    cleanup(buf_deinit) struct buf bits = BUF(LIMIT_KEY_PEM);
    bool is_rsa = key->algorithm == KEY_RSA;
    ASN1_OBJECT *curve = NULL;
    unsigned char *copy;

    if (key->algorithm == KEY_ECDSA)
        curve = OBJ_txt2obj(curve_by_size(key->size)->group, 0);
    if (!(is_rsa && add_rsa_public(key->evp, &bits)) && !(curve && add_ec_point(key, &bits)))
        return false;
    copy = OPENSSL_memdup(bits.data, bits.len);
    openssl_must(copy && X509_PUBKEY_set0_param(
                             to, OBJ_nid2obj(is_rsa ? NID_rsaEncryption : NID_X9_62_id_ecPublicKey),
                             is_rsa ? V_ASN1_NULL : V_ASN1_OBJECT, curve, copy, (int)bits.len));
    return true;
}

void pkey_public_hash(const struct pkey *key, unsigned char to[SHA256_LEN])
{
    cleanup(X509_PUBKEY_free) X509_PUBKEY *spki = X509_PUBKEY_new();
    cleanup(openssl_free) unsigned char *der = NULL;
    int len;

    openssl_must(spki);
    len = spki_write(key, spki) ? i2d_X509_PUBKEY(spki, &der) : i2d_PUBKEY(key->evp, &der);
    openssl_must(len > 0);
    sha256(der, (size_t)len, to);
}

/* --- the same hash without making a key of it --- */

/* Over the head of an element of this tag; false: another one, or not as DER writes it. */
static bool enter(const unsigned char **at, const unsigned char *end, int wanted, long *ret_len)
{
    const unsigned char *start = *at;
    int tag, class, constructed = wanted == V_ASN1_SEQUENCE;

    if (end <= start || (ASN1_get_object(at, ret_len, &tag, &class, end - start) & 0x81))
        return false;
    return tag == wanted && class == V_ASN1_UNIVERSAL &&
           *at - start + *ret_len == ASN1_object_size(constructed, (int)*ret_len, tag);
}

/* A positive INTEGER without a byte too many. */
static bool pass_positive(const unsigned char **at, const unsigned char *end)
{
    long len;

    if (!enter(at, end, V_ASN1_INTEGER, &len) || len == 0 || ((*at)[0] & 0x80) ||
        (len > 1 && (*at)[0] == 0 && !((*at)[1] & 0x80)))
        return false;
    *at += len;
    return true;
}

/* RFC 8017 A.1.1 behind rsaEncryption with NULL, all as DER has it. */
static bool is_usual_rsa(const unsigned char *der, size_t size)
{
    static const unsigned char algorithm[] = {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
                                              0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00};
    const unsigned char *at = der, *end = der + size;
    long len;

    if (!enter(&at, end, V_ASN1_SEQUENCE, &len) || end - at < (long)sizeof(algorithm) ||
        memcmp(at, algorithm, sizeof(algorithm)) != 0)
        return false;
    at += sizeof(algorithm);
    if (!enter(&at, end, V_ASN1_BIT_STRING, &len) || len == 0 || *at++ != 0)
        return false;
    return enter(&at, end, V_ASN1_SEQUENCE, &len) && pass_positive(&at, end) &&
           pass_positive(&at, end) && at == end;
}

bool spki_hash(const X509_PUBKEY *spki, unsigned char to[SHA256_LEN])
{
    cleanup(openssl_free) unsigned char *der = NULL;
    int len = i2d_X509_PUBKEY(spki, &der);

    if (len <= 0 || !(ec_spki_is_usual(der, (size_t)len) || is_usual_rsa(der, (size_t)len)))
        return false;
    sha256(der, (size_t)len, to);
    return true;
}

char *pkey_private_hash_base64(const struct pkey *key)
{
    cleanup(buf_deinit) struct buf der = BUF_SECRET(LIMIT_KEY_PEM);
    unsigned char hash[SHA256_LEN];

    pkey_to_der(key, key->algorithm == KEY_RSA ? KEY_PKCS1 : KEY_PKCS8, &der);
    sha256(buf_str(&der), der.len, hash);
    return base64_new(hash, sizeof(hash));
}

/*
 * Signature algorithms of certificates and requests.
 */

static enum digest_type default_digest(const struct pkey *key)
{
    if (key->algorithm == KEY_ECDSA)
        return curve_by_size(key->size)->digest;
    if (key->size >= 4096)
        return DIGEST_SHA512;
    return key->size >= 3072 ? DIGEST_SHA384 : DIGEST_SHA256;
}

int pkey_signature_digest(const struct pkey *key, enum signature_algorithm algorithm,
                          const EVP_MD **ret_md, struct err *err)
{
    static const struct {
        enum key_algorithm key;
        enum digest_type digest;
    } algorithms[] = {
        [SIGNATURE_SHA256_RSA] = {KEY_RSA, DIGEST_SHA256},
        [SIGNATURE_SHA384_RSA] = {KEY_RSA, DIGEST_SHA384},
        [SIGNATURE_SHA512_RSA] = {KEY_RSA, DIGEST_SHA512},
        [SIGNATURE_ECDSA_SHA256] = {KEY_ECDSA, DIGEST_SHA256},
        [SIGNATURE_ECDSA_SHA384] = {KEY_ECDSA, DIGEST_SHA384},
        [SIGNATURE_ECDSA_SHA512] = {KEY_ECDSA, DIGEST_SHA512},
        [SIGNATURE_ED25519] = {KEY_ED25519, DIGEST_SHA512},
    };
    enum digest_type digest;

    if (key->algorithm == KEY_OTHER)
        return err_set(err, ERR_UNSUPPORTED, "signing with a key of this algorithm is not built");
    if (algorithm != SIGNATURE_DEFAULT && algorithms[algorithm].key != key->algorithm)
        return err_set(err, ERR_INVALID, "the signature algorithm does not fit the key");
    digest = algorithm == SIGNATURE_DEFAULT ? default_digest(key) : algorithms[algorithm].digest;
    *ret_md = key->algorithm == KEY_ED25519 ? NULL : digest_md(digest);
    return 0;
}
