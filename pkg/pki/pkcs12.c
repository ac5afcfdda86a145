/*
 * pkcs12.c - PKCS#12 (RFC 7292) in four profiles.
 *
 *   PFX ─┬─ AuthenticatedSafe ─┬─ encrypted: a bag for each certificate
 *        └─ MAC over it        └─ plain: a bag with the encrypted key (not in a trust store)
 *
 * OpenSSL makes the bags and encrypts them. The frame and its MAC are put together here, because OpenSSL
 * has PBMAC1 from 3.4 on only, and so that every version writes the same. Sizes of salts and numbers of
 * rounds are those of go-pkcs12 under these names.
 *
 * RC2 is in OpenSSL's legacy provider. That is loaded into a library context that lives for one call: in the
 * default one it would offer what is weak to everybody, TLS too.
 */
#include <openssl/asn1t.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>
#include <openssl/rand.h>
#include <string.h>

#include "base/limits.h"
#include "pki/keystore_format.h"

enum { SALT_MAX = 16, MAC_KEY_MAX = 32 };

struct mac_input {
    const struct buf *password;
    unsigned char salt[SALT_MAX];
    const struct profile *profile;
    OSSL_LIB_CTX *library;
};
/* The key of the MAC, and how it is made from the password. */
typedef bool mac_key_fn(const struct mac_input *in, unsigned char to[MAC_KEY_MAX]);
typedef bool mac_algorithm_fn(const struct mac_input *in, X509_ALGOR *to);
static mac_key_fn key_of_pkcs12, key_of_pbkdf2;
static mac_algorithm_fn algorithm_of_digest, algorithm_of_pbmac1;

static const struct profile {
    const char *name;
    int cert_nid, key_nid; /* the scheme (PKCS#5), or for PBES2 the cipher */
    int salt_len, rounds, mac_rounds;
    const EVP_MD *(*mac_digest)(void);
    mac_key_fn *mac_key;
    mac_algorithm_fn *mac_algorithm;
    /* Where the MAC's salt and rounds would be: those of PBMAC1 are elsewhere (RFC 9579). NULL: they are. */
    const char *mac_salt;
    const char *provider; /* beside the default one; NULL: none */
} profiles[] = {
    [PKCS12_LEGACY_RC2] = {"LegacyRC2", NID_pbe_WithSHA1And40BitRC2_CBC,
                           NID_pbe_WithSHA1And3_Key_TripleDES_CBC, 8, 2048, 1, EVP_sha1,
                           key_of_pkcs12, algorithm_of_digest, .provider = "legacy"},
    [PKCS12_LEGACY_DES] = {"LegacyDES", NID_pbe_WithSHA1And3_Key_TripleDES_CBC,
                           NID_pbe_WithSHA1And3_Key_TripleDES_CBC, 8, 2048, 1, EVP_sha1,
                           key_of_pkcs12, algorithm_of_digest},
    [PKCS12_MODERN_2023] = {"Modern2023", NID_aes_256_cbc, NID_aes_256_cbc, 16, 2048, 2048,
                            EVP_sha256, key_of_pkcs12, algorithm_of_digest},
    [PKCS12_MODERN_2026] = {"Modern2026", NID_aes_256_cbc, NID_aes_256_cbc, 16, 2048, 2048,
                            EVP_sha256, key_of_pbkdf2, algorithm_of_pbmac1, .mac_salt = "NOT USED"},
};

/* --- the frame, which OpenSSL keeps to itself --- */

struct mac_data {
    X509_SIG *digest;
    ASN1_OCTET_STRING *salt;
    ASN1_INTEGER *rounds; /* NULL: 1 */
};
struct pfx {
    ASN1_INTEGER *version;
    PKCS7 *safes;
    struct mac_data *mac;
};
typedef struct mac_data MAC_FRAME;
typedef struct pfx PFX_FRAME;

/* clang-format off */
ASN1_SEQUENCE(MAC_FRAME) = {
    ASN1_SIMPLE(MAC_FRAME, digest, X509_SIG),
    ASN1_SIMPLE(MAC_FRAME, salt, ASN1_OCTET_STRING),
    ASN1_OPT(MAC_FRAME, rounds, ASN1_INTEGER),
} static_ASN1_SEQUENCE_END(MAC_FRAME)

ASN1_SEQUENCE(PFX_FRAME) = {
    ASN1_SIMPLE(PFX_FRAME, version, ASN1_INTEGER),
    ASN1_SIMPLE(PFX_FRAME, safes, PKCS7),
    ASN1_SIMPLE(PFX_FRAME, mac, MAC_FRAME),
} static_ASN1_SEQUENCE_END(PFX_FRAME)
    /* clang-format on */

    static void pfx_free(struct pfx * pfx)
{
    ASN1_item_free((ASN1_VALUE *)pfx, ASN1_ITEM_rptr(PFX_FRAME));
}
DEFINE_CLEANUP(struct pfx, pfx_free);

typedef STACK_OF(PKCS7) safes;
typedef STACK_OF(PKCS12_SAFEBAG) bags;

static void safes_free(safes *stack)
{
    sk_PKCS7_pop_free(stack, PKCS7_free);
}

static void bags_free(bags *stack)
{
    sk_PKCS12_SAFEBAG_pop_free(stack, PKCS12_SAFEBAG_free);
}
DEFINE_CLEANUP(bags, bags_free);
DEFINE_CLEANUP(PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free);
DEFINE_CLEANUP(PBE2PARAM, PBE2PARAM_free);

/* --- what a profile needs of OpenSSL --- */

struct library {
    OSSL_LIB_CTX *context; /* NULL: the default one */
    OSSL_PROVIDER *providers[2];
};

static void library_deinit(struct library *library)
{
    for (size_t i = 0; i < ARRAY_LEN(library->providers); i++)
        if (library->providers[i])
            OSSL_PROVIDER_unload(library->providers[i]);
    OSSL_LIB_CTX_free(library->context);
}

static int library_open(struct library *library, const struct profile *profile, struct err *err)
{
    if (!profile->provider)
        return 0;
    library->context = OSSL_LIB_CTX_new();
    openssl_must(library->context != NULL);
    library->providers[0] = OSSL_PROVIDER_load(library->context, "default");
    library->providers[1] = OSSL_PROVIDER_load(library->context, profile->provider);
    if (library->providers[0] && library->providers[1])
        return 0;
    return openssl_err(err, ERR_UNSUPPORTED,
                       "the PKCS#12 profile %s needs OpenSSL's provider '%s', which cannot be "
                       "loaded here; install that module, or use the profile LegacyDES or "
                       "Modern2023",
                       profile->name, profile->provider);
}

struct writer {
    const struct keystore *keystore;
    const struct profile *profile;
    struct library library;
    safes *safes;
};

static void writer_deinit(struct writer *self)
{
    safes_free(self->safes);
    library_deinit(&self->library);
}
DEFINE_CLEANUP_VALUE(struct writer, writer_deinit);

static int cannot(const struct writer *self, const char *what, struct err *err)
{
    return openssl_err(err, ERR_UNSUPPORTED, "OpenSSL cannot %s with the PKCS#12 profile %s", what,
                       self->profile->name);
}

/* --- certificates --- */

static PKCS12_SAFEBAG *add_cert(bags *to, const struct cert *cert)
{
    PKCS12_SAFEBAG *bag = PKCS12_SAFEBAG_create_cert(cert_x509(cert));

    openssl_must(bag && sk_PKCS12_SAFEBAG_push(to, bag) > 0);
    return bag;
}

/* What key and leaf find each other by. */
static void mark_local(const struct keystore *keystore, PKCS12_SAFEBAG *bag)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    openssl_must(X509_digest(cert_x509(keystore->chain->certs[0]), EVP_sha1(), digest, &len) == 1);
    openssl_must(PKCS12_add_localkeyid(bag, digest, (int)len) == 1);
}

static bool is_among(const struct chain *chain, size_t len, const struct cert *cert)
{
    for (size_t i = 0; i < len; i++)
        if (cert_equal(chain->certs[i], cert))
            return true;
    return false;
}

static void add_chain(const struct keystore *keystore, bags *to)
{
    const struct chain *chain = keystore->chain, *cas = keystore->cas;

    for (size_t i = 0; i < chain->len; i++)
        (void)add_cert(to, chain->certs[i]);
    for (size_t i = 0; cas && i < cas->len; i++)
        if (!is_among(chain, chain->len, cas->certs[i]) && !is_among(cas, i, cas->certs[i]))
            (void)add_cert(to, cas->certs[i]);
    mark_local(keystore, sk_PKCS12_SAFEBAG_value(to, 0));
}

/* Its subject; of the second with that subject Java would see the second only. */
static void name_ca(const struct chain *cas, size_t place, PKCS12_SAFEBAG *bag)
{
    const char *subject = str_or(cert_subject(cas->certs[place]), "ca");
    cleanup(xfree) char *numbered = NULL;
    size_t before = 0;

    for (size_t i = 0; i < place; i++)
        before += streq_ci(str_or(cert_subject(cas->certs[i]), "ca"), subject);
    numbered = before > 0 ? xasprintf("%s (%zu)", subject, before + 1) : xstrdup(subject);
    openssl_must(PKCS12_add_friendlyname_utf8(bag, numbered, -1) == 1);
}

/* Without Oracle's attribute, which says what for, Java does not trust a certificate and does not list it. */
static void mark_trusted(PKCS12_SAFEBAG *bag)
{
    const ASN1_OBJECT *any = OBJ_nid2obj(NID_anyExtendedKeyUsage);

    openssl_must(PKCS12_add1_attr_by_txt(bag, "2.16.840.1.113894.746875.1.1", V_ASN1_OBJECT,
                                         (const unsigned char *)any, -1) == 1);
}

static void add_cas(const struct chain *cas, bags *to)
{
    for (size_t i = 0; i < cas->len; i++) {
        PKCS12_SAFEBAG *bag = add_cert(to, cas->certs[i]);

        mark_trusted(bag);
        name_ca(cas, i, bag);
    }
}

static int add_safe(struct writer *self, PKCS7 *safe, const char *what, struct err *err)
{
    if (!safe)
        return cannot(self, what, err);
    openssl_must(sk_PKCS7_push(self->safes, safe) > 0);
    return 0;
}

static int write_certs(struct writer *self, struct err *err)
{
    const struct keystore *keystore = self->keystore;
    const struct profile *profile = self->profile;
    cleanup(bags_free) bags *all = sk_PKCS12_SAFEBAG_new_null();

    openssl_must(all != NULL);
    if (keystore->key)
        add_chain(keystore, all);
    else
        add_cas(keystore->cas, all);
    return add_safe(self,
                    PKCS12_pack_p7encdata_ex(profile->cert_nid, keystore->password->data,
                                             (int)keystore->password->len, NULL, profile->salt_len,
                                             profile->rounds, all, self->library.context, NULL),
                    "encrypt certificates", err);
}

/* --- the key --- */

static int key_bag(struct writer *self, PKCS12_SAFEBAG **ret, struct err *err)
{
    const struct profile *profile = self->profile;
    const struct buf *password = self->keystore->password;
    cleanup(buf_deinit) struct buf der = BUF_SECRET(LIMIT_KEY_PEM);
    cleanup(PKCS8_PRIV_KEY_INFO_free) PKCS8_PRIV_KEY_INFO *info = NULL;
    const unsigned char *at;
    int r = keystore_key_der(self->keystore, &der, err);

    if (r < 0)
        return r;
    at = (const unsigned char *)der.data;
    info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, (long)der.len);
    openssl_must(info != NULL);
    *ret = PKCS12_SAFEBAG_create_pkcs8_encrypt_ex(
        profile->key_nid, password->data, (int)password->len, NULL, profile->salt_len,
        profile->rounds, info, self->library.context, NULL);
    return *ret ? 0 : cannot(self, "encrypt the private key", err);
}

static int write_key(struct writer *self, struct err *err)
{
    cleanup(bags_free) bags *all = sk_PKCS12_SAFEBAG_new_null();
    PKCS12_SAFEBAG *bag = NULL;
    int r = key_bag(self, &bag, err);

    if (r < 0)
        return r;
    openssl_must(all && sk_PKCS12_SAFEBAG_push(all, bag) > 0);
    mark_local(self->keystore, bag);
    return add_safe(self, PKCS12_pack_p7data(all), "hold the private key", err);
}

/* --- the MAC --- */

static bool key_of_pkcs12(const struct mac_input *in, unsigned char to[MAC_KEY_MAX])
{
    const EVP_MD *digest = in->profile->mac_digest();

    return PKCS12_key_gen_utf8_ex(in->password->data, (int)in->password->len,
                                  (unsigned char *)in->salt, in->profile->salt_len, PKCS12_MAC_ID,
                                  in->profile->mac_rounds, EVP_MD_get_size(digest), to, digest,
                                  in->library, NULL) == 1;
}

static bool algorithm_of_digest(const struct mac_input *in, X509_ALGOR *to)
{
    int nid = EVP_MD_get_type(in->profile->mac_digest());

    return X509_ALGOR_set0(to, OBJ_nid2obj(nid), V_ASN1_NULL, NULL) == 1;
}

static bool key_of_pbkdf2(const struct mac_input *in, unsigned char to[MAC_KEY_MAX])
{
    return PKCS5_PBKDF2_HMAC(in->password->data, (int)in->password->len, in->salt,
                             in->profile->salt_len, in->profile->mac_rounds,
                             in->profile->mac_digest(), MAC_KEY_MAX, to) == 1;
}

/* PBMAC1-params (RFC 8018 A.5): two algorithms, as in PBES2-params, whose type this is. */
static bool algorithm_of_pbmac1(const struct mac_input *in, X509_ALGOR *to)
{
    cleanup(PBE2PARAM_free) PBE2PARAM *params = PBE2PARAM_new();
    ASN1_STRING *packed = NULL;

    openssl_must(params != NULL);
    X509_ALGOR_free(params->keyfunc);
    params->keyfunc = PKCS5_pbkdf2_set_ex(in->profile->mac_rounds, (unsigned char *)in->salt,
                                          in->profile->salt_len, NID_hmacWithSHA256, MAC_KEY_MAX,
                                          in->library);
    if (!params->keyfunc || X509_ALGOR_set0(params->encryption, OBJ_nid2obj(NID_hmacWithSHA256),
                                            V_ASN1_NULL, NULL) != 1)
        return false;
    packed = ASN1_item_pack(params, ASN1_ITEM_rptr(PBE2PARAM), NULL);
    return packed && X509_ALGOR_set0(to, OBJ_nid2obj(NID_pbmac1), V_ASN1_SEQUENCE, packed) == 1;
}

static bool mac_of(const struct mac_input *in, const unsigned char *data, size_t len, X509_SIG *to)
{
    unsigned char key[MAC_KEY_MAX], mac[EVP_MAX_MD_SIZE];
    const EVP_MD *digest = in->profile->mac_digest();
    X509_ALGOR *algorithm;
    ASN1_OCTET_STRING *value;
    unsigned mac_len = 0;
    bool ok;

    X509_SIG_getm(to, &algorithm, &value);
    ok = in->profile->mac_key(in, key) &&
         HMAC(digest, key, EVP_MD_get_size(digest), data, len, mac, &mac_len) &&
         ASN1_OCTET_STRING_set(value, mac, (int)mac_len) == 1 &&
         in->profile->mac_algorithm(in, algorithm);
    wipe(key, sizeof(key));
    return ok;
}

/* What a reader needs beside the algorithm. One round is the default, so DER leaves it out. */
static void set_mac_salt(const struct mac_input *in, struct mac_data *mac)
{
    const struct profile *profile = in->profile;
    const char *instead = profile->mac_salt;

    openssl_must(ASN1_OCTET_STRING_set(mac->salt,
                                       instead ? (const unsigned char *)instead : in->salt,
                                       instead ? (int)strlen(instead) : profile->salt_len) == 1);
    if (instead || profile->mac_rounds == 1)
        return;
    mac->rounds = ASN1_INTEGER_new();
    openssl_must(mac->rounds && ASN1_INTEGER_set(mac->rounds, profile->mac_rounds) == 1);
}

static bool set_mac(const struct writer *self, const unsigned char *data, size_t len,
                    struct mac_data *mac)
{
    struct mac_input in = {.password = self->keystore->password,
                           .profile = self->profile,
                           .library = self->library.context};

    openssl_must(RAND_bytes(in.salt, self->profile->salt_len) == 1);
    set_mac_salt(&in, mac);
    return mac_of(&in, data, len, mac->digest);
}

/* --- all of it --- */

static void set_safes(struct pfx *pfx, const unsigned char *der, size_t len)
{
    openssl_must(ASN1_INTEGER_set(pfx->version, 3) == 1);
    openssl_must(PKCS7_set_type(pfx->safes, NID_pkcs7_data) == 1);
    openssl_must(ASN1_OCTET_STRING_set(pfx->safes->d.data, der, (int)len) == 1);
}

static int write_frame(const struct writer *self, struct buf *to, struct err *err)
{
    cleanup(pfx_free) struct pfx *pfx = (struct pfx *)ASN1_item_new(ASN1_ITEM_rptr(PFX_FRAME));
    cleanup(openssl_free) unsigned char *der = NULL;
    int len = ASN1_item_i2d((const ASN1_VALUE *)self->safes, &der,
                            ASN1_ITEM_rptr(PKCS12_AUTHSAFES));
    cleanup(openssl_free) unsigned char *whole = NULL;

    openssl_must(pfx && len > 0);
    set_safes(pfx, der, (size_t)len);
    if (!set_mac(self, der, (size_t)len, pfx->mac))
        return cannot(self, "make a MAC", err);
    len = ASN1_item_i2d((const ASN1_VALUE *)pfx, &whole, ASN1_ITEM_rptr(PFX_FRAME));
    openssl_must(len > 0);
    buf_add(to, whole, (size_t)len);
    return buf_check(to, "the PKCS#12 file", err);
}

int pkcs12_write(const struct keystore *keystore, enum pkcs12_profile profile, struct buf *to,
                 struct err *err)
{
    cleanup(writer_deinit) struct writer self = {
        .keystore = keystore, .profile = &profiles[profile], .safes = sk_PKCS7_new_null()};
    int r = library_open(&self.library, self.profile, err);

    openssl_must(self.safes != NULL);
    if (r == 0)
        r = write_certs(&self, err);
    if (r == 0 && keystore->key)
        r = write_key(&self, err);
    if (r == 0)
        r = write_frame(&self, to, err);
    ERR_clear_error(); /* a scheme is looked for among ciphers first, which leaves an error */
    return r;
}
