#include "pki/digest.h"

#include "pki/openssl.h"

static const struct {
    const EVP_MD *(*md)(void);
    const char *name; /* for EVP_Q_mac() */
    size_t len;
} digests[] = {
    [DIGEST_SHA256] = {EVP_sha256, "SHA256", 32},
    [DIGEST_SHA384] = {EVP_sha384, "SHA384", 48},
    [DIGEST_SHA512] = {EVP_sha512, "SHA512", 64},
};

const EVP_MD *digest_md(enum digest_type type)
{
    return digests[type].md();
}

size_t digest_len(enum digest_type type)
{
    return digests[type].len;
}

void digest(enum digest_type type, const void *data, size_t len, unsigned char to[DIGEST_MAX])
{
    openssl_must(EVP_Digest(data, len, to, NULL, digest_md(type), NULL) == 1);
}

void sha256(const void *data, size_t len, unsigned char to[SHA256_LEN])
{
    openssl_must(EVP_Digest(data, len, to, NULL, digest_md(DIGEST_SHA256), NULL) == 1);
}

char *sha256_hex(const void *data, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char hash[SHA256_LEN];
    char *hex = xalloc(2 * SHA256_LEN + 1);

    sha256(data, len, hash);
    for (size_t i = 0; i < SHA256_LEN; i++) {
        hex[2 * i] = digits[hash[i] >> 4];
        hex[2 * i + 1] = digits[hash[i] & 15];
    }
    return hex;
}

int hmac(enum digest_type type, const void *key, size_t key_len, const void *data, size_t len,
         unsigned char to[DIGEST_MAX], struct err *err)
{
    size_t written = 0;

    /* A NULL key would mean "none set" to OpenSSL; an empty one is valid. */
    if (!EVP_Q_mac(NULL, "HMAC", NULL, digests[type].name, NULL, key_len ? key : "", key_len, data,
                   len, to, DIGEST_MAX, &written))
        return openssl_err(err, ERR_INTERNAL, "computing an HMAC");
    return 0;
}
