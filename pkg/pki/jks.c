/*
 * jks.c - Java's own key store, version 2: what Java calls "JKS".
 *
 *   magic  version  number of entries
 *   entry: 1 = key          alias  time  encrypted key  number of certificates  {"X.509" certificate}...
 *          2 = certificate  alias  time  "X.509" certificate
 *   SHA-1 of password, "Mighty Aphrodite" and everything above
 *
 * Numbers are big-endian, texts have their length before them. Passwords count in UTF-16, and texts are
 * written in Java's own UTF-8: each unit of UTF-16 on its own, NUL in two bytes. The key is XORed with
 * a stream of SHA-1 sums that password and salt begin, which Sun has given an OID. It is weak, and what
 * the format is: who can choose takes PKCS#12.
 */
#include <locale.h>
#include <openssl/rand.h>
#include <string.h>
#include <wctype.h>

#include "base/limits.h"
#include "pki/keystore_format.h"

enum { SHA1_LEN = 20, VERSION = 2, ENTRY_KEY = 1, ENTRY_CERTIFICATE = 2, TEXT_MAX = 65535 };
_Static_assert(LIMIT_ALIAS * 3 <= TEXT_MAX, "a unit of UTF-16 takes three bytes at most");
#define MAGIC         UINT32_C(0xfeedfeed)
#define KEY_PROTECTOR "1.3.6.1.4.1.42.2.17.1.1" /* of Sun: the encryption of JKS */
#define WHITENER      "Mighty Aphrodite"

struct writer {
    const struct keystore *keystore;
    struct buf *to;
    size_t start;        /* of the store in the buf */
    struct buf password; /* UTF-16 */
};

static void writer_deinit(struct writer *self)
{
    buf_deinit(&self->password);
}
DEFINE_CLEANUP_VALUE(struct writer, writer_deinit);

/* --- numbers and texts --- */

static void put(struct buf *to, uint64_t value, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--)
        buf_add_char(to, (char)(value >> (8 * i) & 0xff));
}

static void put_bytes(struct buf *to, const void *data, size_t len)
{
    put(to, len, 4);
    buf_add(to, data, len);
}

static void put_utf16(struct buf *to, uint32_t code)
{
    if (code < 0x10000) {
        put(to, code, 2);
        return;
    }
    put(to, 0xd800 + ((code - 0x10000) >> 10), 2);
    put(to, 0xdc00 + ((code - 0x10000) & 0x3ff), 2);
}

/* Of valid UTF-8. With a locale: in lower case. */
static void utf16_from(const char *s, size_t len, locale_t lower, struct buf *to)
{
    while (len > 0) {
        size_t step = str_utf8_next(s, len);
        uint32_t code = str_utf8_code(s, step);

        put_utf16(to, lower ? (uint32_t)towlower_l((wint_t)code, lower) : code);
        s += step;
        len -= step;
    }
}

static void put_unit(struct buf *to, unsigned unit)
{
    if (unit > 0 && unit < 0x80) {
        put(to, unit, 1);
    } else if (unit < 0x800) {
        put(to, 0xc0 | unit >> 6, 1);
        put(to, 0x80 | (unit & 0x3f), 1);
    } else {
        put(to, 0xe0 | unit >> 12, 1);
        put(to, 0x80 | (unit >> 6 & 0x3f), 1);
        put(to, 0x80 | (unit & 0x3f), 1);
    }
}

static void put_text(struct buf *to, const struct buf *utf16)
{
    cleanup(buf_deinit) struct buf text = BUF(utf16->len * 2);

    for (size_t i = 0; i < utf16->len; i += 2)
        put_unit(&text,
                 (unsigned)(unsigned char)utf16->data[i] << 8 | (unsigned char)utf16->data[i + 1]);
    put(to, text.len, 2);
    buf_add(to, buf_str(&text), text.len);
}

/* --- SHA-1 --- */

struct part {
    const void *data;
    size_t len;
};

static void sha1_of(const struct part *parts, size_t count, unsigned char to[SHA1_LEN])
{
    cleanup(EVP_MD_CTX_free) EVP_MD_CTX *sum = EVP_MD_CTX_new();

    openssl_must(sum && EVP_DigestInit_ex2(sum, EVP_sha1(), NULL) == 1);
    for (size_t i = 0; i < count; i++)
        openssl_must(EVP_DigestUpdate(sum, parts[i].data, parts[i].len) == 1);
    openssl_must(EVP_DigestFinal_ex(sum, to, NULL) == 1);
}

/* Begins with the password, as everything here. */
static void sha1_with_password(const struct writer *self, const void *data, size_t len,
                               unsigned char to[SHA1_LEN])
{
    const struct part parts[] = {{self->password.data, self->password.len}, {data, len}};

    sha1_of(parts, ARRAY_LEN(parts), to);
}

/* --- the key --- */

/* Each sum is the next piece of the stream, and begins the next sum. */
static void xor_stream(const struct writer *self, const unsigned char salt[SHA1_LEN],
                       unsigned char *data, size_t len)
{
    unsigned char sum[SHA1_LEN];

    memcpy(sum, salt, SHA1_LEN);
    for (size_t i = 0; i < len; i++) {
        if (i % SHA1_LEN == 0)
            sha1_with_password(self, sum, SHA1_LEN, sum);
        data[i] ^= sum[i % SHA1_LEN];
    }
    wipe(sum, sizeof(sum));
}

/* salt, encrypted key, and the sum by which a reader knows that his password is right. */
static void protect(const struct writer *self, const struct buf *key, struct buf *to)
{
    unsigned char salt[SHA1_LEN], sum[SHA1_LEN];

    openssl_must(RAND_bytes(salt, sizeof(salt)) == 1);
    buf_add(to, salt, sizeof(salt));
    buf_add(to, key->data, key->len);
    xor_stream(self, salt, (unsigned char *)to->data + SHA1_LEN, key->len);
    sha1_with_password(self, key->data, key->len, sum);
    buf_add(to, sum, sizeof(sum));
}

/* EncryptedPrivateKeyInfo (RFC 5208), which is this type. */
static void put_protected(struct writer *self, const struct buf *bytes)
{
    cleanup(X509_SIG_free) X509_SIG *info = X509_SIG_new();
    cleanup(openssl_free) unsigned char *der = NULL;
    X509_ALGOR *algorithm;
    ASN1_OCTET_STRING *value;
    int len;

    openssl_must(info != NULL);
    X509_SIG_getm(info, &algorithm, &value);
    openssl_must(X509_ALGOR_set0(algorithm, OBJ_txt2obj(KEY_PROTECTOR, 1), V_ASN1_NULL, NULL) == 1);
    openssl_must(
        ASN1_OCTET_STRING_set(value, (const unsigned char *)bytes->data, (int)bytes->len) == 1);
    len = i2d_X509_SIG(info, &der);
    openssl_must(len > 0);
    put_bytes(self->to, der, (size_t)len);
}

static int put_key(struct writer *self, struct err *err)
{
    cleanup(buf_deinit) struct buf der = BUF_SECRET(LIMIT_KEY_PEM);
    cleanup(buf_deinit) struct buf protected = BUF_SECRET(LIMIT_KEY_PEM + 2 * SHA1_LEN);
    int r = keystore_key_der(self->keystore, &der, err);

    if (r < 0)
        return r;
    protect(self, &der, &protected);
    put_protected(self, &protected);
    return 0;
}

/* --- entries --- */

static void put_cert(struct writer *self, const struct cert *cert)
{
    cleanup(buf_deinit) struct buf der = BUF(LIMIT_BUNDLE_PEM);

    cert_to_der(cert, &der);
    put(self->to, strlen("X.509"), 2);
    buf_add_str(self->to, "X.509");
    put_bytes(self->to, der.data, der.len);
}

static void put_head(struct writer *self, unsigned kind, const struct buf *alias)
{
    put(self->to, kind, 4);
    put_text(self->to, alias);
    put(self->to, (uint64_t)self->keystore->now_ms, 8);
}

static int put_key_entry(struct writer *self, const struct buf *alias, struct err *err)
{
    const struct chain *chain = self->keystore->chain;
    int r;

    put_head(self, ENTRY_KEY, alias);
    r = put_key(self, err);
    if (r < 0)
        return r;
    put(self->to, chain->len, 4);
    for (size_t i = 0; i < chain->len; i++)
        put_cert(self, chain->certs[i]);
    return 0;
}

/* Which of two entries with one name Java finds is its choice, so the key's is passed over. */
static void put_cas(struct writer *self, const struct buf *key_alias)
{
    const struct chain *cas = self->keystore->cas;
    size_t number = 0;

    for (size_t i = 0; cas && i < cas->len; number++) {
        cleanup(buf_deinit) struct buf alias = BUF(64);
        cleanup(xfree) char *name = number == 0 ? xstrdup("ca") : xasprintf("ca-%zu", number);

        utf16_from(name, strlen(name), NULL, &alias);
        if (alias.len == key_alias->len && memcmp(alias.data, key_alias->data, alias.len) == 0)
            continue;
        put_head(self, ENTRY_CERTIFICATE, &alias);
        put_cert(self, cas->certs[i++]);
    }
}

/* --- all of it --- */

/*
 * As Java's toLowerCase(), which it looks names up with, does it character by character: not the few whose lower
 * case depends on what is beside them (a last sigma) or is two characters (U+0130). Where the C library has
 * not even this locale, ASCII.
 */
static int read_alias(const struct keystore *keystore, struct buf *to, struct err *err)
{
    cleanup(xfree) char *alias = xstrdup(str_or(keystore->alias, "certificate"));
    locale_t locale;

    if (!str_is_utf8(alias, strlen(alias)))
        return err_set(err, ERR_INVALID, "the alias is not UTF-8");
    str_lower(alias);
    locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    utf16_from(alias, strlen(alias), locale, to);
    if (locale)
        freelocale(locale);
    return buf_check(to, "the alias", err);
}

static int put_entries(struct writer *self, struct err *err)
{
    const struct keystore *keystore = self->keystore;
    cleanup(buf_deinit) struct buf alias = BUF(LIMIT_ALIAS * 2);
    size_t cas = keystore->cas ? keystore->cas->len : 0;
    int r = keystore->key ? read_alias(keystore, &alias, err) : 0;

    put(self->to, (keystore->key ? 1 : 0) + cas, 4);
    if (r == 0 && keystore->key)
        r = put_key_entry(self, &alias, err);
    if (r == 0)
        put_cas(self, &alias);
    return r;
}

static int put_sum(struct writer *self, struct err *err)
{
    const struct part parts[] = {{self->password.data, self->password.len},
                                 {WHITENER, strlen(WHITENER)},
                                 {self->to->data + self->start, self->to->len - self->start}};
    unsigned char sum[SHA1_LEN];
    int r = buf_check(self->to, "the Java key store", err);

    if (r < 0)
        return r;
    sha1_of(parts, ARRAY_LEN(parts), sum);
    buf_add(self->to, sum, sizeof(sum));
    return buf_check(self->to, "the Java key store", err);
}

int jks_write(const struct keystore *keystore, struct buf *to, struct err *err)
{
    cleanup(writer_deinit) struct writer self = {
        .keystore = keystore,
        .to = to,
        .start = to->len,
        .password = BUF_SECRET(2 * keystore->password->len),
    };
    int r;

    utf16_from(keystore->password->data, keystore->password->len, NULL, &self.password);
    put(to, MAGIC, 4);
    put(to, VERSION, 4);
    r = put_entries(&self, err);
    return r < 0 ? r : put_sum(&self, err);
}
