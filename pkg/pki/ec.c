/*
 * ec.c - keys of the three curves: their DER in the one layout that OpenSSL and Go write, and whether private and
 * public numbers fit.
 *
 * All lengths in such DER are fixed by the curve, so that it is bytes that are always the same, the private number,
 * more of them, and the public point. OpenSSL 3.0 looks for somebody who can read or write a key each time: 100 to
 * 250 us, for what takes a tenth of that without the sum. Whatever is written in another way is left to it.
 */
#include <openssl/core_names.h>
#include <string.h>

#include "base/str.h"
#include "base/thread.h"
#include "pki/openssl.h"

/* Parts of DER. */
#define EC_PUBLIC_KEY "\x06\x07\x2a\x86\x48\xce\x3d\x02\x01"
#define P256          "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"
#define P384          "\x06\x05\x2b\x81\x04\x00\x22"
#define P521          "\x06\x05\x2b\x81\x04\x00\x23"
#define ALGORITHM_256 "\x30\x13" EC_PUBLIC_KEY P256
#define ALGORITHM_384 "\x30\x10" EC_PUBLIC_KEY P384
#define ALGORITHM_521 "\x30\x10" EC_PUBLIC_KEY P521
#define POINT_256     "\x03\x42\x00"
#define POINT_384     "\x03\x62\x00"
#define POINT_521     "\x03\x81\x86\x00"
#define NUMBER_256    "\x02\x01\x01\x04\x20"
#define NUMBER_384    "\x02\x01\x01\x04\x30"
#define NUMBER_521    "\x02\x01\x01\x04\x42"

struct piece {
    size_t len;
    const char *bytes;
};
#define PIECE(text)                                                                                \
    {                                                                                              \
        sizeof(text) - 1, text                                                                     \
    }

/* RFC 5915 (SEC1), the same within RFC 5958 (PKCS#8), and RFC 5480 (the public key), uncompressed. */
static const struct layout {
    int size;
    enum key_form form;
    struct piece head;   /* in front of the private number; of a public key, of the point */
    struct piece middle; /* from there to the point */
} layouts[] = {
    {256, KEY_FORM_SEC1, PIECE("\x30\x77" NUMBER_256), PIECE("\xa0\x0a" P256 "\xa1\x44" POINT_256)},
    {384, KEY_FORM_SEC1, PIECE("\x30\x81\xa4" NUMBER_384),
     PIECE("\xa0\x07" P384 "\xa1\x64" POINT_384)},
    {521, KEY_FORM_SEC1, PIECE("\x30\x81\xdc" NUMBER_521),
     PIECE("\xa0\x07" P521 "\xa1\x81\x89" POINT_521)},
    {256, KEY_FORM_PKCS8,
     PIECE("\x30\x81\x87\x02\x01\x00" ALGORITHM_256 "\x04\x6d\x30\x6b" NUMBER_256),
     PIECE("\xa1\x44" POINT_256)},
    {384, KEY_FORM_PKCS8,
     PIECE("\x30\x81\xb6\x02\x01\x00" ALGORITHM_384 "\x04\x81\x9e\x30\x81\x9b" NUMBER_384),
     PIECE("\xa1\x64" POINT_384)},
    {521, KEY_FORM_PKCS8,
     PIECE("\x30\x81\xee\x02\x01\x00" ALGORITHM_521 "\x04\x81\xd6\x30\x81\xd3" NUMBER_521),
     PIECE("\xa1\x81\x89" POINT_521)},
    {256, KEY_FORM_SPKI, PIECE("\x30\x59" ALGORITHM_256 POINT_256), PIECE("")},
    {384, KEY_FORM_SPKI, PIECE("\x30\x76" ALGORITHM_384 POINT_384), PIECE("")},
    {521, KEY_FORM_SPKI, PIECE("\x30\x81\x9b" ALGORITHM_521 POINT_521), PIECE("")},
};
enum { SPKI_HEAD_MAX = 32 };

static const struct curve curves[] = {
    {256, "prime256v1", "P-256", "ES256", DIGEST_SHA256, 32},
    {384, "secp384r1", "P-384", "ES384", DIGEST_SHA384, 48},
    {521, "secp521r1", "P-521", "ES512", DIGEST_SHA512, 66},
};

const struct curve *curve_by_size(int size)
{
    for (size_t i = 0; i < ARRAY_LEN(curves); i++)
        if (curves[i].size == size)
            return &curves[i];
    return NULL;
}

const struct curve *curve_by_group(const char *group)
{
    for (size_t i = 0; i < ARRAY_LEN(curves); i++)
        if (streq(curves[i].group, group))
            return &curves[i];
    return NULL;
}

const struct curve *curve_by_crv(const char *crv)
{
    for (size_t i = 0; i < ARRAY_LEN(curves); i++)
        if (streq(curves[i].crv, crv))
            return &curves[i];
    return NULL;
}

static size_t width_of(int size)
{
    return curve_by_size(size)->width;
}

size_t ec_point_len(int size)
{
    return 1 + 2 * width_of(size);
}

static const struct layout *layout_of(int size, enum key_form form)
{
    for (size_t i = 0; i < ARRAY_LEN(layouts); i++)
        if (layouts[i].size == size && layouts[i].form == form)
            return &layouts[i];
    return NULL;
}

/* Where the private number and the point are in it. */
static size_t number_at(const struct layout *layout)
{
    return layout->head.len;
}

static size_t point_at(const struct layout *layout)
{
    bool is_public = layout->form == KEY_FORM_SPKI;

    return layout->head.len + (is_public ? 0 : width_of(layout->size)) + layout->middle.len;
}

static bool has_layout(const struct layout *layout, const unsigned char *der, size_t len)
{
    size_t point = point_at(layout);

    return len == point + ec_point_len(layout->size) &&
           memcmp(der, layout->head.bytes, layout->head.len) == 0 &&
           memcmp(der + point - layout->middle.len, layout->middle.bytes, layout->middle.len) ==
               0 &&
           der[point] == POINT_CONVERSION_UNCOMPRESSED;
}

static const struct layout *find_layout(enum key_form form, const unsigned char *der, size_t len)
{
    for (size_t i = 0; i < ARRAY_LEN(layouts); i++)
        if (layouts[i].form == form && has_layout(&layouts[i], der, len))
            return &layouts[i];
    return NULL;
}

/* --- do the numbers fit? --- */

/* A curve, made once: that takes longer than what is done with it. */
static const EC_GROUP *group_of(int size)
{
    static struct mutex mutex; /* guards `groups` */
    static EC_GROUP *groups[ARRAY_LEN(curves)];
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&mutex);
    size_t at = (size_t)(curve_by_size(size) - curves);

    (void)locked; /* held for its scope */
    if (!groups[at])
        groups[at] = EC_GROUP_new_by_curve_name(OBJ_txt2nid(curves[at].group));
    openssl_must(groups[at]);
    return groups[at];
}

bool ec_pair_fits(int size, const BIGNUM *d, const unsigned char *point, size_t len)
{
    const EC_GROUP *group = group_of(size);
    cleanup(BN_CTX_free) BN_CTX *ctx = BN_CTX_secure_new();
    cleanup(EC_POINT_free) EC_POINT *given = EC_POINT_new(group), *product = EC_POINT_new(group);

    if (!ctx || !given || !product || EC_POINT_oct2point(group, given, point, len, ctx) != 1 ||
        BN_is_negative(d) || BN_is_zero(d) || BN_cmp(d, EC_GROUP_get0_order(group)) >= 0)
        return false;
    return EC_POINT_mul(group, product, d, NULL, NULL, ctx) == 1 &&
           EC_POINT_cmp(group, product, given, ctx) == 0;
}

/* --- DER --- */

bool ec_spki_is_usual(const unsigned char *der, size_t len)
{
    return find_layout(KEY_FORM_SPKI, der, len) != NULL;
}

bool ec_public_point(const EVP_PKEY *evp, int size, unsigned char point[EC_POINT_MAX])
{
    size_t len = 0;

    return EVP_PKEY_get_octet_string_param(evp, OSSL_PKEY_PARAM_PUB_KEY, point, EC_POINT_MAX,
                                           &len) == 1 &&
           len == ec_point_len(size) && point[0] == POINT_CONVERSION_UNCOMPRESSED;
}

bool ec_private_write(const EVP_PKEY *evp, int size, enum key_form form, struct buf *to)
{
    const struct layout *layout = layout_of(size, form);
    cleanup(BN_clear_free) BIGNUM *d = NULL;
    unsigned char number[EC_WIDTH_MAX], point[EC_POINT_MAX];
    int width = (int)width_of(size);

    if (EVP_PKEY_get_bn_param(evp, OSSL_PKEY_PARAM_PRIV_KEY, &d) != 1 ||
        !ec_public_point(evp, size, point) || BN_bn2binpad(d, number, width) != width)
        return false;
    buf_add(to, layout->head.bytes, layout->head.len);
    buf_add(to, number, (size_t)width);
    buf_add(to, layout->middle.bytes, layout->middle.len);
    buf_add(to, point, ec_point_len(size));
    wipe(number, sizeof(number));
    return true;
}

bool ec_private_look(enum key_form form, const unsigned char *der, size_t len, int *ret_size,
                     unsigned char public_hash[SHA256_LEN])
{
    const struct layout *layout = find_layout(form, der, len), *spki;
    cleanup(BN_clear_free) BIGNUM *d = NULL;
    unsigned char public_der[SPKI_HEAD_MAX + EC_POINT_MAX];
    size_t size;

    if (!layout || form == KEY_FORM_SPKI)
        return false;
    size = ec_point_len(layout->size);
    d = BN_bin2bn(der + number_at(layout), (int)width_of(layout->size), NULL);
    openssl_must(d);
    BN_set_flags(d, BN_FLG_CONSTTIME);
    if (!ec_pair_fits(layout->size, d, der + point_at(layout), size))
        return false;
    spki = layout_of(layout->size, KEY_FORM_SPKI);
    memcpy(public_der, spki->head.bytes, spki->head.len);
    memcpy(public_der + spki->head.len, der + point_at(layout), size);
    sha256(public_der, spki->head.len + size, public_hash);
    *ret_size = layout->size;
    return true;
}
