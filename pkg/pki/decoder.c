/*
 * decoder.c - keys from DER, fast enough for the ten thousands that a start reads.
 *
 * OpenSSL 3.0 asks all its providers who can read a key each time that it reads one: 130 us, of which
 * the reading itself is a tenth, and d2i_X509() does it too, unasked. So the readers that were found
 * are kept for the next key, and certificates and requests are read where nobody can read keys, that
 * is with a library context that has no provider but the empty one. Measured with 3.0.22: a
 * certificate 45 us in place of 170, a P-256 key 25 in place of 145 (without its check), PKCS#8 60 in
 * place of 600.
 */
#include <string.h>

#include <openssl/provider.h>

#include "base/thread.h"
#include "pki/openssl.h"

struct reader { /* one key at a time */
    OSSL_DECODER_CTX *ctx;
    EVP_PKEY *evp; /* where it puts the key */
    struct reader *next;
};

static const struct {
    const char *type;      /* OpenSSL's key type; NULL: as the DER says */
    const char *structure; /* OpenSSL's name for the form of the DER */
    int selection;
} forms[KEY_FORM_COUNT] = {
    [KEY_FORM_PKCS8] = {NULL, "PrivateKeyInfo", EVP_PKEY_KEYPAIR},
    [KEY_FORM_PKCS1] = {"RSA", "type-specific", EVP_PKEY_KEYPAIR},
    [KEY_FORM_SEC1] = {"EC", "type-specific", EVP_PKEY_KEYPAIR},
    [KEY_FORM_SPKI] = {NULL, "SubjectPublicKeyInfo", EVP_PKEY_PUBLIC_KEY},
};

static struct mutex mutex; /* guards what follows */
static struct reader *idle[KEY_FORM_COUNT];
static OSSL_LIB_CTX *without_keys; /* made once, never freed */
/* Public keys that were read last. While a certificate is issued its key is read from the request, the
 * certificate and the chain, five times and more. */
enum { KNOWN_MAX = 32, KNOWN_DER_MAX = 600 /* RSA-4096 takes 550 */ };
static struct known_key {
    unsigned char der[KNOWN_DER_MAX];
    size_t len;
    EVP_PKEY *evp;
} known[KNOWN_MAX];
static size_t known_next; /* the place that is taken next */

/* --- readers --- */

static void reader_free(struct reader *reader)
{
    OSSL_DECODER_CTX_free(reader->ctx);
    xfree(reader);
}

static struct reader *reader_take(enum key_form form)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&mutex);
    struct reader *reader = idle[form];

    if (reader)
        idle[form] = reader->next;
    return reader;
}

static struct reader *reader_new(enum key_form form)
{
    struct reader *reader = xalloc(sizeof(*reader));

    reader->ctx = OSSL_DECODER_CTX_new_for_pkey(&reader->evp, "DER", forms[form].structure,
                                                forms[form].type, forms[form].selection, NULL,
                                                NULL);
    openssl_must(reader->ctx);
    return reader;
}

static void reader_keep(enum key_form form, struct reader *reader)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&mutex);

    reader->next = idle[form];
    idle[form] = reader;
}

EVP_PKEY *key_decode(enum key_form form, const unsigned char *der, size_t len)
{
    struct reader *reader = reader_take(form);
    cleanup(EVP_PKEY_free) EVP_PKEY *evp = NULL;
    const unsigned char *at = der;
    size_t left = len;
    bool done;

    if (!reader)
        reader = reader_new(form);
    done = OSSL_DECODER_from_data(reader->ctx, &at, &left) == 1;
    evp = take(reader->evp);
    if (done)
        reader_keep(form, reader);
    else
        reader_free(reader); /* what a failure leaves behind is not worth finding out */
    return done && left == 0 ? take(evp) : NULL;
}

/* --- certificates and requests --- */

static OSSL_LIB_CTX *context_without_keys(void)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&mutex);

    if (!without_keys) {
        without_keys = OSSL_LIB_CTX_new();
        openssl_must(without_keys && OSSL_PROVIDER_load(without_keys, "null"));
    }
    return without_keys;
}

X509 *x509_from_der(const unsigned char **at, size_t len)
{
    OSSL_LIB_CTX *before = OSSL_LIB_CTX_set0_default(context_without_keys()); /* of this thread */
    X509 *x509 = d2i_X509(NULL, at, (long)len);

    (void)OSSL_LIB_CTX_set0_default(before); /* it was there */
    return x509;
}

X509_REQ *x509_req_from_der(const unsigned char **at, size_t len)
{
    OSSL_LIB_CTX *before = OSSL_LIB_CTX_set0_default(context_without_keys());
    X509_REQ *req = d2i_X509_REQ(NULL, at, (long)len);

    (void)OSSL_LIB_CTX_set0_default(before); /* it was there */
    return req;
}

/* --- public keys --- */

static bool is_known(const struct known_key *key, const unsigned char *der, size_t len)
{
    return key->evp && key->len == len && memcmp(key->der, der, len) == 0;
}

static EVP_PKEY *known_find(const unsigned char *der, size_t len)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&mutex);

    for (size_t i = 0; i < KNOWN_MAX; i++) {
        if (is_known(&known[i], der, len) && EVP_PKEY_up_ref(known[i].evp) == 1)
            return known[i].evp;
    }
    return NULL;
}

static void known_add(const unsigned char *der, size_t len, EVP_PKEY *evp)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&mutex);
    struct known_key *place = &known[known_next++ % KNOWN_MAX];

    if (len > sizeof(place->der) || EVP_PKEY_up_ref(evp) != 1)
        return;
    EVP_PKEY_free(place->evp);
    place->evp = evp;
    place->len = len;
    memcpy(place->der, der, len);
}

EVP_PKEY *key_of_x509(const X509_PUBKEY *spki)
{
    cleanup(openssl_free) unsigned char *der = NULL;
    int len = i2d_X509_PUBKEY(spki, &der);
    EVP_PKEY *evp = len > 0 ? known_find(der, (size_t)len) : NULL;

    if (evp || len <= 0)
        return evp;
    evp = key_decode(KEY_FORM_SPKI, der, (size_t)len);
    if (evp)
        known_add(der, (size_t)len, evp);
    return evp;
}
