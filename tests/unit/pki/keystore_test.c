#include "pki/keystore.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>
#include <openssl/sha.h>

#include "base/limits.h"
#include "pki/sign.h"
#include "support/testing.h"

/* root ─► middle ─► leaf, and the stores of the leaf. */
struct sample {
    const struct pkey *ca_key, *key;
    struct cert *certs[3]; /* leaf, middle, root */
    struct chain chain, cas;
    struct buf password;
    struct keystore keystore;
};

static struct cert *sign(const char *name, const struct pkey *key, const struct pkey *ca_key,
                         const struct cert *issuer)
{
    cleanup(x509_names_deinit) struct x509_names names = {.common_name = xstrdup(name)};
    struct cert_template template = {.names = &names,
                                     .is_ca = !streq(name, "leaf"),
                                     .public_key = key,
                                     .issuer = issuer,
                                     .issuer_key = ca_key,
                                     .not_before_ms = AT("2026-01-01T00:00:00Z"),
                                     .not_after_ms = AT("2036-01-01T00:00:00Z")};
    struct cert *cert = NULL;
    struct err err = {};

    ASSERT_OK(cert_sign(&template, &cert, &err));
    return cert;
}

static void set_password(struct sample *sample, const void *text, size_t len)
{
    buf_reset(&sample->password);
    buf_add(&sample->password, text, len);
}

static void sample_init(struct sample *sample, enum key_algorithm algorithm)
{
    struct err err = {};

    *sample = (struct sample){.password = BUF_SECRET(LIMIT_PASSWORD)};
    ASSERT_OK(pkey_generate(KEY_ECDSA, 256, &sample->ca_key, &err));
    ASSERT_OK(pkey_generate(algorithm, algorithm == KEY_RSA ? 2048 : 256, &sample->key, &err));
    sample->certs[2] = sign("root", sample->ca_key, sample->ca_key, NULL);
    sample->certs[1] = sign("middle", sample->ca_key, sample->ca_key, sample->certs[2]);
    sample->certs[0] = sign("leaf", sample->key, sample->ca_key, sample->certs[1]);
    sample->chain = (struct chain){sample->certs, 2};
    sample->cas = (struct chain){sample->certs + 2, 1};
    set_password(sample, "changeit", 8);
    sample->keystore = (struct keystore){.key = sample->key,
                                         .chain = &sample->chain,
                                         .cas = &sample->cas,
                                         .password = &sample->password,
                                         .now_ms = AT("2026-02-03T04:05:06Z")};
}

static void sample_deinit(struct sample *sample)
{
    for (size_t i = 0; i < ARRAY_LEN(sample->certs); i++)
        cert_unref(sample->certs[i]);
    if (sample->key)
        pkey_unref(sample->key);
    if (sample->ca_key)
        pkey_unref(sample->ca_key);
    buf_deinit(&sample->password);
}
DEFINE_CLEANUP_VALUE(struct sample, sample_deinit);

static void der_of(const struct pkey *key, struct buf *to)
{
    pkey_to_der(key, KEY_PKCS8, to);
}

static void assert_cert(const struct cert *cert, const void *der, size_t len)
{
    cleanup(buf_deinit) struct buf wanted = BUF(LIMIT_CHAIN_BODY);

    cert_to_der(cert, &wanted);
    ASSERT_MEMEQ(der, len, wanted.data, wanted.len);
}

/* --- PKCS#12 --- */

static const struct {
    const char *name;
    enum pkcs12_profile profile;
    int mac, salt_len, rounds; /* what the MAC says of itself */
} profiles[] = {
    {"LegacyRC2", PKCS12_LEGACY_RC2, NID_sha1, 8, 1},
    {"LegacyDES", PKCS12_LEGACY_DES, NID_sha1, 8, 1},
    {"Modern2023", PKCS12_MODERN_2023, NID_sha256, 16, 2048},
    {"Modern2026", PKCS12_MODERN_2026, NID_pbmac1, 8, 1},
};

/* A library with and without what the default one does not have. */
struct reader {
    OSSL_LIB_CTX *context;
    OSSL_PROVIDER *providers[2];
};

static void reader_init(struct reader *reader, bool legacy)
{
    reader->context = OSSL_LIB_CTX_new();
    reader->providers[0] = OSSL_PROVIDER_load(reader->context, "default");
    reader->providers[1] = legacy ? OSSL_PROVIDER_load(reader->context, "legacy") : NULL;
}

static void reader_deinit(struct reader *reader)
{
    for (int i = 0; i < 2; i++)
        if (reader->providers[i])
            OSSL_PROVIDER_unload(reader->providers[i]);
    OSSL_LIB_CTX_free(reader->context);
}
DEFINE_CLEANUP_VALUE(struct reader, reader_deinit);
DEFINE_CLEANUP(PKCS12, PKCS12_free);
DEFINE_CLEANUP(EVP_PKEY, EVP_PKEY_free);
DEFINE_CLEANUP(X509, X509_free);

static PKCS12 *read_pkcs12(const struct reader *reader, const struct buf *file)
{
    PKCS12 *pkcs12 = PKCS12_init_ex(NID_pkcs7_data, reader->context, NULL);
    const unsigned char *at = (const unsigned char *)file->data;

    ASSERT_TRUE(d2i_PKCS12(&pkcs12, &at, (long)file->len) == pkcs12);
    ASSERT_EQ(at - (const unsigned char *)file->data, file->len);
    return pkcs12;
}

struct opened {
    EVP_PKEY *key;
    X509 *cert;
    STACK_OF(X509) * cas;
};

static void opened_deinit(struct opened *opened)
{
    EVP_PKEY_free(opened->key);
    X509_free(opened->cert);
    sk_X509_pop_free(opened->cas, X509_free);
}
DEFINE_CLEANUP_VALUE(struct opened, opened_deinit);

/* OpenSSL before 3.4 does not know PBMAC1, which has a test of its own: the frame without a MAC then. */
static void open_bags(PKCS12 *pkcs12, const char *password, struct opened *ret)
{
    STACK_OF(PKCS7) *safes = PKCS12_unpack_authsafes(pkcs12);

    ret->cas = sk_X509_new_null();
    for (int i = 0; i < sk_PKCS7_num(safes); i++) {
        PKCS7 *safe = sk_PKCS7_value(safes, i);
        STACK_OF(PKCS12_SAFEBAG) *bags = PKCS7_type_is_encrypted(safe)
                                             ? PKCS12_unpack_p7encdata(safe, password, -1)
                                             : PKCS12_unpack_p7data(safe);

        ASSERT_TRUE(bags != NULL);
        for (int j = 0; j < sk_PKCS12_SAFEBAG_num(bags); j++) {
            PKCS12_SAFEBAG *bag = sk_PKCS12_SAFEBAG_value(bags, j);

            if (PKCS12_SAFEBAG_get_nid(bag) == NID_certBag) {
                sk_X509_push(ret->cas, PKCS12_SAFEBAG_get1_cert(bag));
            } else {
                PKCS8_PRIV_KEY_INFO *info = PKCS12_decrypt_skey(bag, password, -1);

                ret->key = EVP_PKCS82PKEY(info);
                PKCS8_PRIV_KEY_INFO_free(info);
            }
        }
        sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
    }
    sk_PKCS7_pop_free(safes, PKCS7_free);
    ret->cert = sk_X509_shift(ret->cas);
}

static void open_file(const struct buf *file, const char *password, bool has_mac,
                      struct opened *ret)
{
    cleanup(reader_deinit) struct reader reader = {};
    cleanup(PKCS12_free) PKCS12 *pkcs12 = NULL;

    reader_init(&reader, true);
    pkcs12 = read_pkcs12(&reader, file);
    if (has_mac)
        ASSERT_EQ(PKCS12_parse(pkcs12, password, &ret->key, &ret->cert, &ret->cas), 1);
    else
        open_bags(pkcs12, password, ret);
}

static void assert_x509(const struct cert *wanted, const X509 *found)
{
    unsigned char *der = NULL;
    int len = i2d_X509(found, &der);

    assert_cert(wanted, der, (size_t)len);
    OPENSSL_free(der);
}

static bool has_x509(const struct opened *opened, const struct cert *wanted)
{
    cleanup(buf_deinit) struct buf der = BUF(LIMIT_CHAIN_BODY);
    cleanup(X509_free) X509 *x509 = NULL;
    const unsigned char *at;

    cert_to_der(wanted, &der);
    at = (const unsigned char *)der.data;
    x509 = d2i_X509(NULL, &at, (long)der.len);
    for (int i = 0; i < sk_X509_num(opened->cas); i++)
        if (X509_cmp(x509, sk_X509_value(opened->cas, i)) == 0)
            return true;
    return false;
}

static void assert_key(const struct pkey *wanted, EVP_PKEY *found)
{
    cleanup(buf_deinit) struct buf der = BUF_SECRET(LIMIT_KEY_PEM);
    cleanup(EVP_PKEY_free) EVP_PKEY *key = NULL;
    const unsigned char *at;

    der_of(wanted, &der);
    at = (const unsigned char *)der.data;
    key = d2i_AutoPrivateKey(NULL, &at, (long)der.len);
    ASSERT_TRUE(key && found);
    ASSERT_EQ(EVP_PKEY_eq(key, found), 1);
}

static void make(const struct sample *sample, enum pkcs12_profile profile, struct buf *to)
{
    struct err err = {};

    ASSERT_OK(keystore_pkcs12(&sample->keystore, profile, to, &err));
    ASSERT_EQ(ERR_peek_error(), 0); /* or another error would be explained by it */
}

TEST(every_profile_and_kind_of_key_comes_back)
{
    static const enum key_algorithm algorithms[] = {KEY_RSA, KEY_ECDSA, KEY_ED25519};

    for (size_t i = 0; i < ARRAY_LEN(algorithms); i++) {
        cleanup(sample_deinit) struct sample sample = {};

        sample_init(&sample, algorithms[i]);
        for (size_t j = 0; j < ARRAY_LEN(profiles); j++) {
            cleanup(buf_deinit) struct buf file = BUF_SECRET(LIMIT_KEYSTORE);
            cleanup(opened_deinit) struct opened opened = {};

            CASE(profiles[j].name);
            make(&sample, profiles[j].profile, &file);
            open_file(&file, "changeit", profiles[j].mac != NID_pbmac1, &opened);
            assert_key(sample.key, opened.key);
            assert_x509(sample.certs[0], opened.cert);
            ASSERT_EQ(sk_X509_num(opened.cas), 2);
            ASSERT_TRUE(has_x509(&opened, sample.certs[1]));
            ASSERT_TRUE(has_x509(&opened, sample.certs[2]));
        }
    }
}

TEST(the_mac_says_how_it_was_made)
{
    cleanup(sample_deinit) struct sample sample = {};
    cleanup(reader_deinit) struct reader reader = {};

    sample_init(&sample, KEY_ECDSA);
    reader_init(&reader, false);
    for (size_t i = 0; i < ARRAY_LEN(profiles); i++) {
        cleanup(buf_deinit) struct buf file = BUF_SECRET(LIMIT_KEYSTORE);
        cleanup(PKCS12_free) PKCS12 *pkcs12 = NULL;
        const X509_ALGOR *algorithm;
        const ASN1_OCTET_STRING *mac, *salt;
        const ASN1_INTEGER *rounds;
        const ASN1_OBJECT *oid;

        CASE(profiles[i].name);
        make(&sample, profiles[i].profile, &file);
        pkcs12 = read_pkcs12(&reader, &file);
        PKCS12_get0_mac(&mac, &algorithm, &salt, &rounds, pkcs12);
        X509_ALGOR_get0(&oid, NULL, NULL, algorithm);
        ASSERT_EQ(OBJ_obj2nid(oid), profiles[i].mac);
        ASSERT_EQ(ASN1_STRING_length(salt), profiles[i].salt_len);
        ASSERT_EQ(rounds ? ASN1_INTEGER_get(rounds) : 1, profiles[i].rounds);
    }
}

/* RFC 9579, put together from the file's own words: what OpenSSL before 3.4 cannot verify. */
static void pbmac1_of(PKCS12 *pkcs12, const char *password, unsigned char to[32])
{
    const X509_ALGOR *algorithm;
    const ASN1_OBJECT *oid;
    const void *value;
    int type;
    PBE2PARAM *params;
    PBKDF2PARAM *kdf;
    STACK_OF(PKCS7) * safes;
    unsigned char key[32], *der = NULL;
    unsigned len = 32;
    int der_len;

    PKCS12_get0_mac(NULL, &algorithm, NULL, NULL, pkcs12);
    X509_ALGOR_get0(NULL, &type, &value, algorithm);
    ASSERT_EQ(type, V_ASN1_SEQUENCE);
    params = ASN1_item_unpack(value, ASN1_ITEM_rptr(PBE2PARAM));
    X509_ALGOR_get0(&oid, NULL, NULL, params->encryption);
    ASSERT_EQ(OBJ_obj2nid(oid), NID_hmacWithSHA256);
    X509_ALGOR_get0(&oid, &type, &value, params->keyfunc);
    ASSERT_EQ(OBJ_obj2nid(oid), NID_id_pbkdf2);
    kdf = ASN1_item_unpack(value, ASN1_ITEM_rptr(PBKDF2PARAM));
    ASSERT_EQ(ASN1_INTEGER_get(kdf->keylength), 32);
    ASSERT_EQ(ASN1_INTEGER_get(kdf->iter), 2048);
    X509_ALGOR_get0(&oid, NULL, NULL, kdf->prf);
    ASSERT_EQ(OBJ_obj2nid(oid), NID_hmacWithSHA256);
    ASSERT_EQ(kdf->salt->value.octet_string->length, 16);
    PKCS5_PBKDF2_HMAC(password, -1, kdf->salt->value.octet_string->data, 16, 2048, EVP_sha256(), 32,
                      key);
    safes = PKCS12_unpack_authsafes(pkcs12);
    der_len = ASN1_item_i2d((const ASN1_VALUE *)safes, &der, ASN1_ITEM_rptr(PKCS12_AUTHSAFES));
    HMAC(EVP_sha256(), key, 32, der, (size_t)der_len, to, &len);
    OPENSSL_free(der);
    sk_PKCS7_pop_free(safes, PKCS7_free);
    PBKDF2PARAM_free(kdf);
    PBE2PARAM_free(params);
}

TEST(pbmac1_fits_the_password_and_no_other)
{
    cleanup(sample_deinit) struct sample sample = {};
    cleanup(reader_deinit) struct reader reader = {};
    cleanup(buf_deinit) struct buf file = BUF_SECRET(LIMIT_KEYSTORE);
    cleanup(PKCS12_free) PKCS12 *pkcs12 = NULL;
    const ASN1_OCTET_STRING *mac, *salt;
    unsigned char wanted[32];

    sample_init(&sample, KEY_ECDSA);
    reader_init(&reader, false);
    make(&sample, PKCS12_MODERN_2026, &file);
    pkcs12 = read_pkcs12(&reader, &file);
    PKCS12_get0_mac(&mac, NULL, &salt, NULL, pkcs12);
    pbmac1_of(pkcs12, "changeit", wanted);
    ASSERT_MEMEQ(mac->data, (size_t)mac->length, wanted, sizeof(wanted));
    ASSERT_MEMEQ(salt->data, (size_t)salt->length, "NOT USED", 8);
    pbmac1_of(pkcs12, "changeIt", wanted);
    ASSERT_TRUE(memcmp(mac->data, wanted, sizeof(wanted)) != 0);
}

TEST(another_password_opens_nothing)
{
    cleanup(sample_deinit) struct sample sample = {};
    cleanup(reader_deinit) struct reader reader = {};

    sample_init(&sample, KEY_ECDSA);
    reader_init(&reader, true);
    for (size_t i = 0; i < ARRAY_LEN(profiles); i++) {
        cleanup(buf_deinit) struct buf file = BUF_SECRET(LIMIT_KEYSTORE);
        cleanup(PKCS12_free) PKCS12 *pkcs12 = NULL;
        cleanup(opened_deinit) struct opened opened = {};

        CASE(profiles[i].name);
        make(&sample, profiles[i].profile, &file);
        pkcs12 = read_pkcs12(&reader, &file);
        ASSERT_EQ(PKCS12_parse(pkcs12, "changeIt", &opened.key, &opened.cert, &opened.cas), 0);
        ASSERT_NULL(opened.key);
    }
}

TEST(weak_encryption_is_not_offered_to_the_rest_of_the_program)
{
    cleanup(sample_deinit) struct sample sample = {};
    cleanup(buf_deinit) struct buf file = BUF_SECRET(LIMIT_KEYSTORE);
    EVP_CIPHER *cipher;

    sample_init(&sample, KEY_ECDSA);
    make(&sample, PKCS12_LEGACY_RC2, &file);
    ASSERT_FALSE(OSSL_PROVIDER_available(NULL, "legacy"));
    cipher = EVP_CIPHER_fetch(NULL, "RC2-40-CBC", NULL);
    ASSERT_NULL(cipher);
    /* And it is needed: what was made cannot be read without. */
    {
        cleanup(reader_deinit) struct reader reader = {};
        cleanup(PKCS12_free) PKCS12 *pkcs12 = NULL;
        cleanup(opened_deinit) struct opened opened = {};

        reader_init(&reader, false);
        pkcs12 = read_pkcs12(&reader, &file);
        ASSERT_EQ(PKCS12_parse(pkcs12, "changeit", &opened.key, &opened.cert, &opened.cas), 0);
    }
}

static const char odd_password[] =
    "p\xc3\xa4ss \xe2\x82\xac\xf0\x9f\x98\x80"; /* päss, euro, a smile */

TEST(a_password_may_be_any_text)
{
    cleanup(sample_deinit) struct sample sample = {};

    sample_init(&sample, KEY_ECDSA);
    set_password(&sample, odd_password, strlen(odd_password));
    for (size_t i = 0; i < ARRAY_LEN(profiles); i++) {
        cleanup(buf_deinit) struct buf file = BUF_SECRET(LIMIT_KEYSTORE);
        cleanup(opened_deinit) struct opened opened = {};

        CASE(profiles[i].name);
        make(&sample, profiles[i].profile, &file);
        open_file(&file, odd_password, profiles[i].mac != NID_pbmac1, &opened);
        assert_key(sample.key, opened.key);
    }
}

TEST(what_is_no_password_is_refused_without_showing_it)
{
    static const struct {
        const char *name, *text;
        size_t len;
        const char *words;
    } rows[] = {
        {"empty", "", 0, "is empty"},
        {"NUL", "hidden\0word", 11, "NUL"},
        {"not UTF-8", "hidden\xff", 7, "not UTF-8"},
        {"a surrogate", "hidden\xed\xa0\x80", 9, "not UTF-8"},
    };
    cleanup(sample_deinit) struct sample sample = {};
    cleanup(buf_deinit) struct buf file = BUF_SECRET(LIMIT_KEYSTORE);

    sample_init(&sample, KEY_ED25519);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err err = {};

        CASE(rows[i].name);
        set_password(&sample, rows[i].text, rows[i].len);
        ASSERT_ERR(ERR_INVALID, keystore_pkcs12(&sample.keystore, PKCS12_MODERN_2023, &file, &err));
        ASSERT_CONTAINS(err.text, rows[i].words);
        ASSERT_ERR(ERR_INVALID, keystore_jks(&sample.keystore, &file, &err));
        ASSERT_CONTAINS(err.text, rows[i].words);
        ASSERT_NULL(strstr(err.text, "hidden"));
    }
    ASSERT_EQ(file.len, 0);
}

TEST(two_stores_of_the_same_differ)
{
    cleanup(sample_deinit) struct sample sample = {};
    cleanup(buf_deinit) struct buf a = BUF_SECRET(LIMIT_KEYSTORE), b = BUF_SECRET(LIMIT_KEYSTORE);
    struct err err = {};

    sample_init(&sample, KEY_ECDSA);
    make(&sample, PKCS12_MODERN_2023, &a);
    make(&sample, PKCS12_MODERN_2023, &b);
    ASSERT_TRUE(a.len != b.len || memcmp(a.data, b.data, a.len) != 0);
    buf_reset(&a);
    buf_reset(&b);
    ASSERT_OK(keystore_jks(&sample.keystore, &a, &err));
    ASSERT_OK(keystore_jks(&sample.keystore, &b, &err));
    ASSERT_TRUE(a.len != b.len || memcmp(a.data, b.data, a.len) != 0);
}

TEST(a_ca_that_is_in_the_chain_too_is_there_once)
{
    cleanup(sample_deinit) struct sample sample = {};
    cleanup(buf_deinit) struct buf file = BUF_SECRET(LIMIT_KEYSTORE);
    cleanup(opened_deinit) struct opened opened = {};

    sample_init(&sample, KEY_ECDSA);
    sample.chain.len = 3;
    make(&sample, PKCS12_LEGACY_DES, &file);
    open_file(&file, "changeit", true, &opened);
    ASSERT_EQ(sk_X509_num(opened.cas), 2);
}

static void assert_trusted(const PKCS12_SAFEBAG *bag, const char *name)
{
    const STACK_OF(X509_ATTRIBUTE) *attributes = PKCS12_SAFEBAG_get0_attrs(bag);
    ASN1_OBJECT *oid = OBJ_txt2obj("2.16.840.1.113894.746875.1.1", 1);
    int place = X509at_get_attr_by_OBJ(attributes, oid, -1);
    const ASN1_TYPE *any;
    char *friendly = PKCS12_get_friendlyname((PKCS12_SAFEBAG *)bag);

    ASSERT_TRUE(place >= 0);
    any = X509_ATTRIBUTE_get0_type(X509at_get_attr(attributes, place), 0);
    ASSERT_EQ(ASN1_TYPE_get(any), V_ASN1_OBJECT);
    ASSERT_EQ(OBJ_obj2nid(any->value.object), NID_anyExtendedKeyUsage);
    ASSERT_STREQ(friendly, name);
    OPENSSL_free(friendly);
    ASN1_OBJECT_free(oid);
}

TEST(a_trust_store_has_each_ca_under_a_name_of_its_own_and_trusts_it)
{
    static const char *const names[] = {"CN=root", "CN=root (2)"};
    cleanup(sample_deinit) struct sample sample = {};
    cleanup(reader_deinit) struct reader reader = {};
    struct cert *roots[2];

    sample_init(&sample, KEY_ECDSA);
    reader_init(&reader, true);
    roots[0] = sample.certs[2];
    roots[1] = sign("root", sample.key, sample.key, NULL);
    sample.cas = (struct chain){roots, 2};
    sample.keystore.key = NULL;
    sample.keystore.chain = NULL;
    for (size_t i = 0; i < ARRAY_LEN(profiles); i++) {
        cleanup(buf_deinit) struct buf file = BUF_SECRET(LIMIT_KEYSTORE);
        cleanup(PKCS12_free) PKCS12 *pkcs12 = NULL;
        STACK_OF(PKCS7) * safes;
        STACK_OF(PKCS12_SAFEBAG) * bags;

        CASE(profiles[i].name);
        make(&sample, profiles[i].profile, &file);
        pkcs12 = read_pkcs12(&reader, &file);
        safes = PKCS12_unpack_authsafes(pkcs12);
        ASSERT_EQ(sk_PKCS7_num(safes), 1);
        bags = PKCS12_unpack_p7encdata(sk_PKCS7_value(safes, 0), "changeit", -1);
        ASSERT_EQ(sk_PKCS12_SAFEBAG_num(bags), 2);
        for (int j = 0; j < 2; j++)
            assert_trusted(sk_PKCS12_SAFEBAG_value(bags, j), names[j]);
        sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
        sk_PKCS7_pop_free(safes, PKCS7_free);
    }
    cert_unref(roots[1]);
}

TEST(what_does_not_fit_is_an_error)
{
    cleanup(sample_deinit) struct sample sample = {};
    cleanup(buf_deinit) struct buf small = BUF_SECRET(100);
    struct err err = {};

    sample_init(&sample, KEY_ECDSA);
    ASSERT_ERR(ERR_TOO_LARGE, keystore_pkcs12(&sample.keystore, PKCS12_MODERN_2023, &small, &err));
    buf_deinit(&small);
    small = BUF_SECRET(100);
    ASSERT_ERR(ERR_TOO_LARGE, keystore_jks(&sample.keystore, &small, &err));
}

/* --- a reader of Java key stores --- */

struct jks_entry {
    unsigned kind;
    char alias[64]; /* in Java's UTF-8 */
    int64_t made_ms;
    const unsigned char *key; /* encrypted */
    size_t key_len, cert_count;
    struct {
        const unsigned char *der;
        size_t len;
    } certs[4];
};

struct jks {
    const unsigned char *at, *end;
    size_t count;
    struct jks_entry entries[4];
};

static uint64_t number(struct jks *jks, int bytes)
{
    uint64_t value = 0;

    ASSERT_TRUE(jks->end - jks->at >= bytes);
    for (int i = 0; i < bytes; i++)
        value = value << 8 | *jks->at++;
    return value;
}

static const unsigned char *bytes(struct jks *jks, size_t len)
{
    const unsigned char *at = jks->at;

    ASSERT_TRUE((size_t)(jks->end - jks->at) >= len);
    jks->at += len;
    return at;
}

static void text(struct jks *jks, char to[64])
{
    size_t len = (size_t)number(jks, 2);

    ASSERT_TRUE(len < 64);
    memcpy(to, bytes(jks, len), len);
    to[len] = '\0';
}

static void read_cert(struct jks *jks, struct jks_entry *entry)
{
    char type[64];
    size_t i = entry->cert_count++;

    ASSERT_TRUE(i < ARRAY_LEN(entry->certs));
    text(jks, type);
    ASSERT_STREQ(type, "X.509");
    entry->certs[i].len = (size_t)number(jks, 4);
    entry->certs[i].der = bytes(jks, entry->certs[i].len);
}

static void read_entry(struct jks *jks, struct jks_entry *entry)
{
    size_t count = 1;

    entry->kind = (unsigned)number(jks, 4);
    text(jks, entry->alias);
    entry->made_ms = (int64_t)number(jks, 8);
    if (entry->kind == 1) {
        entry->key_len = (size_t)number(jks, 4);
        entry->key = bytes(jks, entry->key_len);
        count = (size_t)number(jks, 4);
    }
    for (size_t i = 0; i < count; i++)
        read_cert(jks, entry);
}

static void read_jks(const struct buf *file, struct jks *ret)
{
    *ret = (struct jks){.at = (const unsigned char *)file->data};
    ret->end = ret->at + file->len;
    ASSERT_EQ(number(ret, 4), 0xfeedfeed);
    ASSERT_EQ(number(ret, 4), 2);
    ret->count = (size_t)number(ret, 4);
    ASSERT_TRUE(ret->count <= ARRAY_LEN(ret->entries));
    for (size_t i = 0; i < ret->count; i++)
        read_entry(ret, &ret->entries[i]);
    ASSERT_EQ(ret->end - ret->at, SHA_DIGEST_LENGTH);
}

/* Of passwords that are ASCII. */
static void sum(const char *password, const void *a, size_t a_len, const void *b, size_t b_len,
                unsigned char to[SHA_DIGEST_LENGTH])
{
    cleanup(buf_deinit) struct buf all = BUF(LIMIT_KEYSTORE);

    for (; *password; password++) {
        buf_add_char(&all, '\0');
        buf_add_char(&all, *password);
    }
    buf_add(&all, a, a_len);
    buf_add(&all, b, b_len);
    SHA1((const unsigned char *)all.data, all.len, to);
}

static bool jks_is_of(const struct buf *file, const char *password)
{
    size_t len = file->len - SHA_DIGEST_LENGTH;
    unsigned char wanted[SHA_DIGEST_LENGTH];

    sum(password, "Mighty Aphrodite", 16, file->data, len, wanted);
    return memcmp(wanted, file->data + len, sizeof(wanted)) == 0;
}

/* False: the password is not that of the key. */
static bool decrypt(const struct jks_entry *entry, const char *password, struct buf *to)
{
    const unsigned char *at = entry->key;
    X509_SIG *info = d2i_X509_SIG(NULL, &at, (long)entry->key_len);
    const ASN1_OCTET_STRING *data;
    unsigned char block[SHA_DIGEST_LENGTH];
    const unsigned char *cipher;
    size_t len;

    X509_SIG_get0(info, NULL, &data);
    len = (size_t)data->length - 40;
    cipher = data->data + 20;
    memcpy(block, data->data, 20);
    for (size_t i = 0; i < len; i++) {
        if (i % 20 == 0)
            sum(password, block, 20, NULL, 0, block);
        buf_add_char(to, (char)(cipher[i] ^ block[i % 20]));
    }
    sum(password, to->data, to->len, NULL, 0, block);
    len = (size_t)memcmp(block, cipher + len, 20);
    X509_SIG_free(info);
    return len == 0;
}

TEST(a_java_key_store_holds_key_chain_and_cas)
{
    static const enum key_algorithm algorithms[] = {KEY_RSA, KEY_ECDSA, KEY_ED25519};

    for (size_t i = 0; i < ARRAY_LEN(algorithms); i++) {
        cleanup(sample_deinit) struct sample sample = {};
        cleanup(buf_deinit) struct buf file = BUF_SECRET(LIMIT_KEYSTORE),
                                       key = BUF_SECRET(LIMIT_KEY_PEM),
                                       wanted = BUF_SECRET(LIMIT_KEY_PEM);
        struct jks jks;
        struct err err = {};

        sample_init(&sample, algorithms[i]);
        ASSERT_OK(keystore_jks(&sample.keystore, &file, &err));
        read_jks(&file, &jks);
        ASSERT_TRUE(jks_is_of(&file, "changeit"));
        ASSERT_FALSE(jks_is_of(&file, "changeIt"));
        ASSERT_EQ(jks.count, 2);
        ASSERT_EQ(jks.entries[0].kind, 1);
        ASSERT_STREQ(jks.entries[0].alias, "certificate");
        ASSERT_EQ(jks.entries[0].made_ms, AT("2026-02-03T04:05:06Z"));
        ASSERT_EQ(jks.entries[0].cert_count, 2);
        for (size_t j = 0; j < 2; j++)
            assert_cert(sample.certs[j], jks.entries[0].certs[j].der, jks.entries[0].certs[j].len);
        ASSERT_TRUE(decrypt(&jks.entries[0], "changeit", &key));
        der_of(sample.key, &wanted);
        ASSERT_MEMEQ(key.data, key.len, wanted.data, wanted.len);
        buf_reset(&key);
        ASSERT_FALSE(decrypt(&jks.entries[0], "changeIt", &key));
        ASSERT_EQ(jks.entries[1].kind, 2);
        ASSERT_STREQ(jks.entries[1].alias, "ca");
        assert_cert(sample.certs[2], jks.entries[1].certs[0].der, jks.entries[1].certs[0].len);
    }
}

TEST(aliases_are_as_java_looks_for_them)
{
    static const struct {
        const char *asked, *key, *first, *second;
    } rows[] = {
        {NULL, "certificate", "ca", "ca-1"},
        {"", "certificate", "ca", "ca-1"},
        {"My-Key", "my-key", "ca", "ca-1"},
        {"CA", "ca", "ca-1", "ca-2"},
        {"ca-1", "ca-1", "ca", "ca-2"},
        {"\xc3\x84rger", "\xc3\xa4rger", "ca", "ca-1"}, /* Ärger */
        {"\xf0\x9f\x98\x80", "\xed\xa0\xbd\xed\xb8\x80", "ca",
         "ca-1"}, /* two units, each on its own */
    };
    cleanup(sample_deinit) struct sample sample = {};

    sample_init(&sample, KEY_ED25519);
    sample.cas = (struct chain){sample.certs + 1, 2};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(buf_deinit) struct buf file = BUF_SECRET(LIMIT_KEYSTORE);
        struct jks jks;
        struct err err = {};

        sample.keystore.alias = rows[i].asked;
        ASSERT_OK(keystore_jks(&sample.keystore, &file, &err));
        read_jks(&file, &jks);
        ASSERT_EQ(jks.count, 3);
        ASSERT_STREQ(jks.entries[0].alias, rows[i].key);
        ASSERT_STREQ(jks.entries[1].alias, rows[i].first);
        ASSERT_STREQ(jks.entries[2].alias, rows[i].second);
    }
}

TEST(an_alias_that_java_cannot_have_is_refused)
{
    cleanup(sample_deinit) struct sample sample = {};
    cleanup(buf_deinit) struct buf file = BUF_SECRET(LIMIT_KEYSTORE), alias = BUF(100000);
    struct err err = {};

    sample_init(&sample, KEY_ED25519);
    for (int i = 0; i < LIMIT_ALIAS; i++)
        buf_add_char(&alias, 'a');
    sample.keystore.alias = buf_str(&alias);
    ASSERT_OK(keystore_jks(&sample.keystore, &file, &err));
    buf_reset(&file);
    buf_add_char(&alias, 'a');
    sample.keystore.alias = buf_str(&alias);
    ASSERT_ERR(ERR_TOO_LARGE, keystore_jks(&sample.keystore, &file, &err));
    ASSERT_CONTAINS(err.text, "the alias");
    buf_reset(&file);
    sample.keystore.alias = "a\xff";
    ASSERT_ERR(ERR_INVALID, keystore_jks(&sample.keystore, &file, &err));
    ASSERT_CONTAINS(err.text, "the alias is not UTF-8");
}

TEST(a_java_trust_store_has_only_cas)
{
    cleanup(sample_deinit) struct sample sample = {};
    cleanup(buf_deinit) struct buf file = BUF_SECRET(LIMIT_KEYSTORE);
    struct jks jks;
    struct err err = {};

    sample_init(&sample, KEY_ECDSA);
    sample.keystore.key = NULL;
    sample.keystore.chain = NULL;
    ASSERT_OK(keystore_jks(&sample.keystore, &file, &err));
    read_jks(&file, &jks);
    ASSERT_TRUE(jks_is_of(&file, "changeit"));
    ASSERT_EQ(jks.count, 1);
    ASSERT_EQ(jks.entries[0].kind, 2);
    ASSERT_STREQ(jks.entries[0].alias, "ca");
    assert_cert(sample.certs[2], jks.entries[0].certs[0].der, jks.entries[0].certs[0].len);
}

RUN_TESTS(cmocka_unit_test(every_profile_and_kind_of_key_comes_back),
          cmocka_unit_test(the_mac_says_how_it_was_made),
          cmocka_unit_test(pbmac1_fits_the_password_and_no_other),
          cmocka_unit_test(another_password_opens_nothing),
          cmocka_unit_test(weak_encryption_is_not_offered_to_the_rest_of_the_program),
          cmocka_unit_test(a_password_may_be_any_text),
          cmocka_unit_test(what_is_no_password_is_refused_without_showing_it),
          cmocka_unit_test(two_stores_of_the_same_differ),
          cmocka_unit_test(a_ca_that_is_in_the_chain_too_is_there_once),
          cmocka_unit_test(a_trust_store_has_each_ca_under_a_name_of_its_own_and_trusts_it),
          cmocka_unit_test(what_does_not_fit_is_an_error),
          cmocka_unit_test(a_java_key_store_holds_key_chain_and_cas),
          cmocka_unit_test(aliases_are_as_java_looks_for_them),
          cmocka_unit_test(an_alias_that_java_cannot_have_is_refused),
          cmocka_unit_test(a_java_trust_store_has_only_cas));
