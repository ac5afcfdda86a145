/*
 * What a CRL's address or an OCSP responder answers: the first byte chooses between the two. The signatures keep a
 * fuzzer out of what comes behind them; seeds are signed by the CA of seeds/revocation_fuzz/chain.pem, which is
 * given to the program by its path. With 2 in front the rest becomes the issuingDistributionPoint of a CRL that is
 * signed here, by the CA of scope-chain.pem.
 */

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "pki/pki.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Of the seeds. */
static void read_seed(const char *path, struct buf *to)
{
    if (file_read(path, to, NULL) < 0)
        __builtin_trap();
}

/* The leaf, then its issuer. Never freed. */
static const struct chain *known(struct chain *chain, const char *path)
{
    cleanup(buf_deinit) struct buf pem = BUF(LIMIT_CHAIN_BODY);

    if (chain->len > 0)
        return chain;
    read_seed(path, &pem);
    if (chain_from_pem(buf_str(&pem), pem.len, chain, NULL) < 0 || chain->len != 2)
        __builtin_trap();
    return chain;
}

/* Either way, but in words or with a state. */
static void check(int r, const struct revocation *found, const struct err *err)
{
    if (r < 0 ? err->code != r : found->state > REVOCATION_UNKNOWN)
        __builtin_trap();
}

/* --- an answer as it stands --- */

static void look_up(bool by_ocsp, const uint8_t *data, size_t size)
{
    static struct chain kept;
    const struct chain *chain = known(&kept, FUZZ_SEEDS "/chain.pem");
    int64_t now_ms = cert_not_before_ms(chain->certs[0]) + HOURS(1);
    struct revocation found = {};
    struct err err = {};
    int r = by_ocsp
                ? ocsp_look_up(data, size, chain->certs[0], chain->certs[1], now_ms, &found, &err)
                : crl_look_up(data, size, chain->certs[0], chain->certs[1], now_ms, &found, &err);

    check(r, &found, &err);
}

/* --- a list that is signed here --- */

#define PART(text) text, sizeof(text) - 1
#define ED25519    "\x30\x05\x06\x03\x2b\x65\x70"
#define UPDATES    "\x17\r270101000000Z\x17\r270108000000Z" /* \r: 13 octets */
#define NOW_MS     INT64_C(1798848000000)                   /* 2027-01-02 */
#define DER_MAX    (1 << 18)

/* Always with a length of three octets, which BER allows and OpenSSL takes. */
static void add_der(struct buf *to, unsigned char tag, const struct buf *content)
{
    const unsigned char head[] = {tag, 0x83, (unsigned char)(content->len >> 16),
                                  (unsigned char)(content->len >> 8), (unsigned char)content->len};

    buf_add(to, head, sizeof(head));
    buf_add(to, content->data, content->len);
}

/* In place: what is there becomes the content of one more value around it. */
static void wrap(struct buf *der, unsigned char tag)
{
    cleanup(buf_deinit) struct buf content = BUF(DER_MAX);

    buf_add(&content, der->data, der->len);
    buf_reset(der);
    add_der(der, tag, &content);
}

/* The extension, critical, up to the [0] of a TBSCertList. */
static void add_extensions(struct buf *to, const uint8_t *data, size_t size)
{
    cleanup(buf_deinit) struct buf value = BUF(DER_MAX), all = BUF(DER_MAX);

    buf_add(&value, data, size);
    buf_add(&all, PART("\x06\x03\x55\x1d\x1c\x01\x01\xff"));
    add_der(&all, 0x04, &value);
    wrap(&all, 0x30);
    wrap(&all, 0x30);
    add_der(to, 0xa0, &all);
}

static const struct pkey *scope_key(void)
{
    static const struct pkey *key;
    cleanup(buf_deinit) struct buf pem = BUF_SECRET(LIMIT_KEY_PEM);

    if (!key) {
        read_seed(FUZZ_SEEDS "/scope-key.pem", &pem);
        if (pkey_from_pem(buf_str(&pem), pem.len, &key, NULL) < 0)
            __builtin_trap();
    }
    return key;
}

static void sign(struct buf *tbs)
{
    cleanup(buf_deinit) struct buf signature = BUF(LIMIT_KEY_PEM);

    buf_add_char(&signature, '\0'); /* unused bits */
    if (pkey_jws_sign(scope_key(), tbs->data, tbs->len, &signature, NULL) < 0)
        __builtin_trap();
    buf_add(tbs, PART(ED25519));
    add_der(tbs, 0x03, &signature);
    wrap(tbs, 0x30);
}

static void look_up_with_scope(const uint8_t *data, size_t size)
{
    static struct chain kept;
    const struct chain *chain = known(&kept, FUZZ_SEEDS "/scope-chain.pem");
    cleanup(buf_deinit) struct buf crl = BUF(DER_MAX);
    struct revocation found = {};
    struct err err = {};
    int r;

    buf_add(&crl, PART("\x02\x01\x01" ED25519)); /* version 2 */
    if (subject_text_to_der("CN=scope", &crl, NULL) < 0)
        __builtin_trap();
    buf_add(&crl, PART(UPDATES));
    add_extensions(&crl, data, size);
    wrap(&crl, 0x30);
    sign(&crl);
    r = crl_look_up(crl.data, crl.len, chain->certs[0], chain->certs[1], NOW_MS, &found, &err);
    check(r, &found, &err);
    if (size == 2 && data[0] == 0x30 && data[1] == 0 && r < 0)
        __builtin_trap(); /* that says nothing: here the rest of the list is not right */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] == 2)
        look_up_with_scope(data + 1, size - 1);
    else
        look_up(data[0] & 1, data + 1, size - 1);
    return 0;
}
