/*
 * Keys as JSON Web Signatures see them: RFC 7515, 7517, 7518, 7638, 8037.
 *
 * ECDSA signatures there are r and s side by side, each as wide as the curve, where OpenSSL
 * makes and takes the DER of X.509.
 */
#include <openssl/core_names.h>
#include <string.h>

#include "base/base64.h"
#include "base/str.h"
#include "pki/openssl.h"

#define RSA_BYTES_MIN    256
#define RSA_BYTES_MAX    1024
#define RSA_EXPONENT_MAX 8
#define WIDTH_MAX        66 /* P-521 */
#define ED25519_KEY_LEN  32
#define JWK_MAX          2048 /* an RSA key of 8192 bits takes 1420 */

const char *pkey_jws_alg(const struct pkey *key)
{
    switch (pkey_algorithm(key)) {
    case KEY_RSA:
        return "RS256";
    case KEY_ECDSA:
        return curve_by_size(pkey_size(key))->alg;
    case KEY_ED25519:
        return "EdDSA";
    case KEY_ALGORITHM_NONE:
    case KEY_OTHER:
        break;
    }
    return NULL;
}

/* NULL for Ed25519, which hashes itself. */
static const EVP_MD *jws_md(const struct pkey *key)
{
    if (pkey_algorithm(key) == KEY_ED25519)
        return NULL;
    if (pkey_algorithm(key) == KEY_ECDSA)
        return digest_md(curve_by_size(pkey_size(key))->digest);
    return digest_md(DIGEST_SHA256);
}

static int ecdsa_add_raw(const unsigned char *der, size_t len, size_t width, struct buf *to,
                         struct err *err)
{
    cleanup(ECDSA_SIG_free) ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)len);
    unsigned char raw[2 * WIDTH_MAX];

    if (!sig || BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, (int)width) < 0 ||
        BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + width, (int)width) < 0)
        return openssl_err(err, ERR_INTERNAL, "writing an ECDSA signature");
    buf_add(to, raw, 2 * width);
    return 0;
}

int pkey_jws_sign(const struct pkey *key, const void *data, size_t len, struct buf *to,
                  struct err *err)
{
    cleanup(EVP_MD_CTX_free) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    cleanup(xfree) unsigned char *signature = NULL;
    size_t size = (size_t)EVP_PKEY_get_size(pkey_evp(key));

    if (!pkey_jws_alg(key))
        return err_set(err, ERR_UNSUPPORTED, "a key of this algorithm cannot sign a JWS");
    signature = xalloc(size);
    if (!ctx || EVP_DigestSignInit(ctx, NULL, jws_md(key), NULL, pkey_evp(key)) != 1 ||
        EVP_DigestSign(ctx, signature, &size, data, len) != 1)
        return openssl_err(err, ERR_INTERNAL, "signing a JWS");
    if (pkey_algorithm(key) == KEY_ECDSA)
        return ecdsa_add_raw(signature, size, curve_by_size(pkey_size(key))->width, to, err);
    buf_add(to, signature, size);
    return 0;
}

/* *ret_der is for OPENSSL_free(); false when the width is wrong. */
static bool ecdsa_from_raw(const unsigned char *raw, size_t len, size_t width,
                           unsigned char **ret_der, size_t *ret_len)
{
    cleanup(ECDSA_SIG_free) ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r, *s;
    int der_len;

    if (len != 2 * width)
        return false;
    r = BN_bin2bn(raw, (int)width, NULL);
    s = BN_bin2bn(raw + width, (int)width, NULL);
    openssl_must(sig && r && s && ECDSA_SIG_set0(sig, r, s) == 1);
    der_len = i2d_ECDSA_SIG(sig, ret_der);
    openssl_must(der_len > 0);
    *ret_len = (size_t)der_len;
    return true;
}

static bool verify(const struct pkey *key, const void *data, size_t len, const void *signature,
                   size_t signature_len)
{
    cleanup(EVP_MD_CTX_free) EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    return ctx && EVP_DigestVerifyInit(ctx, NULL, jws_md(key), NULL, pkey_evp(key)) == 1 &&
           EVP_DigestVerify(ctx, signature, signature_len, data, len) == 1;
}

int pkey_jws_verify(const struct pkey *key, const void *data, size_t len, const void *signature,
                    size_t signature_len, struct err *err)
{
    cleanup(openssl_free) unsigned char *der = NULL;

    if (!pkey_jws_alg(key))
        return err_set(err, ERR_UNSUPPORTED, "a key of this algorithm cannot verify a JWS");
    if (pkey_algorithm(key) == KEY_ECDSA) {
        if (!ecdsa_from_raw(signature, signature_len, curve_by_size(pkey_size(key))->width, &der,
                            &signature_len))
            return err_set(err, ERR_DENIED, "the signature has the wrong length");
        signature = der;
    }
    if (!verify(key, data, len, signature, signature_len))
        return openssl_err(err, ERR_DENIED, "the signature does not fit");
    return 0;
}

/*
 * JWK: the public key as JSON.
 */

/* `width` 0: as many bytes as the number has. */
static void add_number(struct buf *to, const struct pkey *key, const char *param, size_t width)
{
    cleanup(BN_clear_free) BIGNUM *number = NULL;
    cleanup(xfree) unsigned char *bytes = NULL;

    openssl_must(EVP_PKEY_get_bn_param(pkey_evp(key), param, &number) == 1);
    if (!width)
        width = (size_t)BN_num_bytes(number);
    bytes = xalloc(width);
    openssl_must(BN_bn2binpad(number, bytes, (int)width) >= 0);
    base64url_encode(to, bytes, width);
}

static void add_ed25519_point(struct buf *to, const struct pkey *key)
{
    unsigned char point[ED25519_KEY_LEN];
    size_t len = sizeof(point);

    openssl_must(EVP_PKEY_get_raw_public_key(pkey_evp(key), point, &len) == 1);
    base64url_encode(to, point, len);
}

static void add_rsa(struct buf *to, const struct pkey *key)
{
    buf_add_str(to, "{\"e\":\"");
    add_number(to, key, OSSL_PKEY_PARAM_RSA_E, 0);
    buf_add_str(to, "\",\"kty\":\"RSA\",\"n\":\"");
    add_number(to, key, OSSL_PKEY_PARAM_RSA_N, 0);
    buf_add_str(to, "\"}");
}

static void add_ec(struct buf *to, const struct pkey *key)
{
    const struct curve *curve = curve_by_size(pkey_size(key));

    buf_addf(to, "{\"crv\":\"%s\",\"kty\":\"EC\",\"x\":\"", curve->crv);
    add_number(to, key, OSSL_PKEY_PARAM_EC_PUB_X, curve->width);
    buf_add_str(to, "\",\"y\":\"");
    add_number(to, key, OSSL_PKEY_PARAM_EC_PUB_Y, curve->width);
    buf_add_str(to, "\"}");
}

static void add_okp(struct buf *to, const struct pkey *key)
{
    buf_add_str(to, "{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"");
    add_ed25519_point(to, key);
    buf_add_str(to, "\"}");
}

void pkey_jwk(const struct pkey *key, struct buf *to)
{
    switch (pkey_algorithm(key)) {
    case KEY_RSA:
        add_rsa(to, key);
        return;
    case KEY_ECDSA:
        add_ec(to, key);
        return;
    case KEY_ED25519:
        add_okp(to, key);
        return;
    case KEY_ALGORITHM_NONE:
    case KEY_OTHER:
        break;
    }
    to->failed = true;
}

char *pkey_thumbprint(const struct pkey *key)
{
    cleanup(buf_deinit) struct buf jwk = BUF(JWK_MAX);
    unsigned char hash[SHA256_LEN];

    pkey_jwk(key, &jwk);
    sha256(buf_str(&jwk), jwk.len, hash);
    return base64url_new(hash, sizeof(hash));
}

/*
 * Keys from a JWK, as a server reads them.
 */

static int decode_member(const char *name, const char *text, size_t min, struct buf *to,
                         struct err *err)
{
    int r;

    if (!text)
        return err_set(err, ERR_INVALID, "the JWK has no '%s'", name);
    r = base64url_decode(to, text, strlen(text), err);
    if (r < 0)
        return err_wrap(err, "'%s' of the JWK", name);
    r = buf_check(to, name, err);
    if (r < 0)
        return r;
    if (to->len < min)
        return err_set(err, ERR_INVALID, "'%s' of the JWK is too short", name);
    return 0;
}

static int public_from_params(const char *type, OSSL_PARAM_BLD *builder, const struct pkey **ret,
                              struct err *err)
{
    cleanup(OSSL_PARAM_free) OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
    cleanup(EVP_PKEY_CTX_free) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *evp = NULL;

    if (!params || !ctx || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &evp, EVP_PKEY_PUBLIC_KEY, params) != 1)
        return openssl_err(err, ERR_INVALID, "the JWK is not a public key");
    *ret = pkey_wrap(evp);
    return 0;
}

static int rsa_from_jwk(const char *n, const char *e, const struct pkey **ret, struct err *err)
{
    cleanup(OSSL_PARAM_BLD_free) OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    cleanup(buf_deinit) struct buf n_bytes = BUF(RSA_BYTES_MAX);
    cleanup(buf_deinit) struct buf e_bytes = BUF(RSA_EXPONENT_MAX);
    cleanup(BN_clear_free) BIGNUM *n_number = NULL;
    cleanup(BN_clear_free) BIGNUM *e_number = NULL;
    int r;

    r = decode_member("n", n, RSA_BYTES_MIN, &n_bytes, err);
    if (r < 0)
        return r;
    r = decode_member("e", e, 1, &e_bytes, err);
    if (r < 0)
        return r;
    n_number = BN_bin2bn((unsigned char *)n_bytes.data, (int)n_bytes.len, NULL);
    e_number = BN_bin2bn((unsigned char *)e_bytes.data, (int)e_bytes.len, NULL);
    openssl_must(builder && n_number && e_number &&
                 OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n_number) == 1 &&
                 OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e_number) == 1);
    return public_from_params("RSA", builder, ret, err);
}

static int ec_from_jwk(const struct curve *curve, const char *x, const char *y,
                       const struct pkey **ret, struct err *err)
{
    cleanup(OSSL_PARAM_BLD_free) OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    cleanup(buf_deinit) struct buf x_bytes = BUF(curve->width);
    cleanup(buf_deinit) struct buf y_bytes = BUF(curve->width);
    unsigned char point[1 + 2 * WIDTH_MAX] = {POINT_CONVERSION_UNCOMPRESSED};
    int r;

    r = decode_member("x", x, curve->width, &x_bytes, err);
    if (r < 0)
        return r;
    r = decode_member("y", y, curve->width, &y_bytes, err);
    if (r < 0)
        return r;
    memcpy(point + 1, x_bytes.data, curve->width);
    memcpy(point + 1 + curve->width, y_bytes.data, curve->width);
    openssl_must(builder &&
                 OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, curve->group,
                                                 0) == 1 &&
                 OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point,
                                                  1 + 2 * curve->width) == 1);
    return public_from_params("EC", builder, ret, err);
}

static int okp_from_jwk(const char *x, const struct pkey **ret, struct err *err)
{
    cleanup(buf_deinit) struct buf bytes = BUF(ED25519_KEY_LEN);
    EVP_PKEY *evp;
    int r;

    r = decode_member("x", x, ED25519_KEY_LEN, &bytes, err);
    if (r < 0)
        return r;
    evp = EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, (unsigned char *)bytes.data,
                                         bytes.len);
    if (!evp)
        return openssl_err(err, ERR_INVALID, "the JWK is not a public key");
    *ret = pkey_wrap(evp);
    return 0;
}

int pkey_from_jwk_text(const char *n, const char *e, const char *crv, const char *x, const char *y,
                       const struct pkey **ret, struct err *err)
{
    const struct curve *curve = curve_by_crv(crv);

    if (!crv)
        return rsa_from_jwk(n, e, ret, err);
    if (streq(crv, "Ed25519"))
        return okp_from_jwk(x, ret, err);
    if (curve)
        return ec_from_jwk(curve, x, y, ret, err);
    return err_set(err, ERR_UNSUPPORTED, "JWK curve '%s' is not built", crv);
}
