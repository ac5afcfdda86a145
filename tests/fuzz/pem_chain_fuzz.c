/*
 * A certificate chain as an ACME server may send it, judged as a client judges it, and the same bytes as a private
 * key. What is only looked at says the same as what is read. The
 * first byte chooses between PEM as it stands and DER, which the fuzzer finds its way into sooner.
 */
#include <string.h>

#include "base/limits.h"
#include "base/str.h"
#include "pki/cert.h"
#include "pki/pem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at_cert(const struct cert *cert)
{
    cleanup(xfree) char *ari_id = NULL;
    cleanup(xfree) char *fingerprint = cert_fingerprint_hex(cert);
    cleanup(name_bounds_deinit) struct name_bounds bounds = {};
    cleanup(strlist_deinit) struct strlist names = {}, usages = {};

    (void)cert_others(cert, &names, &usages, NULL);
    (void)cert_bounds(cert, &bounds, NULL); /* may be broken */
    (void)cert_ari_id(cert, &ari_id, NULL); /* many have none */
    (void)cert_is_self_signed(cert);
}

/* By its own names, so that what is found has them in it. */
static void judge(const struct chain *chain)
{
    cleanup(chain_deinit) struct chain path = {};
    cleanup(strlist_deinit) struct strlist places = {}, found = {};

    chain_upwards(chain, &path);
    if (path.len == 0 || path.len > chain->len)
        __builtin_trap();
    for (size_t i = 0; i < path.len; i++)
        strlist_add(&places, cert_subject(path.certs[i]));
    chain_judge(&path, &places, &found);
    chain_refusals(&path, &places, &found);
    for (size_t i = 1; i < path.len; i++)
        (void)cert_names_fit(path.certs[0], path.certs[i]); /* it must only not fall over */
}

/* Whatever can be read can be looked at, too. */
static void look_only(const char *pem, size_t len, const struct chain *chain)
{
    cleanup(cert_unref) struct cert *leaf = NULL;
    cleanup(chain_deinit) struct chain bundle = {};
    unsigned char of_chain[SHA256_LEN], of_leaf[SHA256_LEN];
    int of_look = leaf_look(pem, len, &leaf, NULL);
    int of_bundle = bundle_from_pem(pem, len, &bundle, NULL);

    if (chain->len == 0)
        return;
    if (of_look < 0 || of_bundle < 0 || bundle.len != chain->len)
        __builtin_trap();
    cert_public_hash(chain->certs[0], of_chain);
    cert_public_hash(leaf, of_leaf);
    if (memcmp(of_chain, of_leaf, SHA256_LEN) != 0)
        __builtin_trap();
}

static void look_at_chain(const char *pem, size_t len)
{
    cleanup(chain_deinit) struct chain chain = {};
    cleanup(chain_deinit) struct chain again = {};
    cleanup(strlist_deinit) struct strlist extra = {};
    cleanup(buf_deinit) struct buf written = BUF(2 * LIMIT_CHAIN_BODY);
    struct chain_expectation expect = {};
    struct err err = {};

    (void)chain_from_pem(pem, len, &chain, &err); /* empty then */
    look_only(pem, len, &chain);
    if (chain.len == 0)
        return;
    for (size_t i = 0; i < chain.len; i++)
        look_at_cert(chain.certs[i]);
    expect.key = cert_public_key(chain.certs[0]);
    expect.now_ms = cert_not_before_ms(chain.certs[0]);
    (void)chain_verify(&chain, &expect, &extra, &err); /* either way */
    judge(&chain);
    chain_to_pem(&chain, &written);
    if (written.len <= LIMIT_CHAIN_BODY &&
        (chain_from_pem(buf_str(&written), written.len, &again, &err) < 0 ||
         again.len != chain.len))
        __builtin_trap();
}

static void look_at_key(const char *pem, size_t len)
{
    cleanup(pkey_unref) const struct pkey *key = NULL;
    cleanup(pkey_unref) const struct pkey *again = NULL;
    cleanup(buf_deinit) struct buf written = BUF_SECRET(LIMIT_KEY_PEM);
    unsigned char hash[SHA256_LEN];
    struct pkey_look look;
    int r = pkey_from_pem(pem, len, &key, NULL);

    if (pkey_look(pem, len, &look, NULL) != r)
        __builtin_trap();
    if (r < 0)
        return;
    pkey_public_hash(key, hash);
    if (look.algorithm != pkey_algorithm(key) || look.size != pkey_size(key) ||
        memcmp(look.public_hash, hash, sizeof(hash)) != 0)
        __builtin_trap();
    pkey_to_pem(key, KEY_PKCS1, &written);
    if (!written.failed && (pkey_from_pem(buf_str(&written), written.len, &again, NULL) < 0 ||
                            !pkey_equal_public(key, again)))
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const labels[] = {"CERTIFICATE", "PRIVATE KEY", "RSA PRIVATE KEY",
                                         "EC PRIVATE KEY"};
    cleanup(buf_deinit) struct buf pem = BUF(2 * LIMIT_CHAIN_BODY);

    if (size == 0)
        return 0;
    if (data[0] < ARRAY_LEN(labels))
        pem_write(&pem, labels[data[0]], data + 1, size - 1);
    else
        buf_add(&pem, data, size);
    if (pem.failed)
        return 0;
    look_at_chain(buf_str(&pem), pem.len);
    look_at_key(buf_str(&pem), pem.len);
    return 0;
}
