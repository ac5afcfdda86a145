/*
 * What a CRL's address or an OCSP responder answers: the first byte chooses between the two. The signatures keep a
 * fuzzer out of what comes behind them; seeds are signed by the CA of seeds/revocation_fuzz/chain.pem, which is
 * given to the program by its path.
 */

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "pki/revocation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The leaf, then its issuer. Never freed. */
static const struct chain *known(void)
{
    static struct chain chain;
    cleanup(buf_deinit) struct buf pem = BUF(LIMIT_CHAIN_BODY);

    if (chain.len == 0 &&
        (file_read(FUZZ_SEEDS "/chain.pem", &pem, NULL) < 0 ||
         chain_from_pem(buf_str(&pem), pem.len, &chain, NULL) < 0 || chain.len != 2))
        __builtin_trap();
    return &chain;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct chain *chain = known();
    struct revocation found = {};
    struct err err = {};
    int64_t now_ms = cert_not_before_ms(chain->certs[0]) + HOURS(1);
    int r;

    if (size == 0)
        return 0;
    r = data[0] & 1 ? ocsp_look_up(data + 1, size - 1, chain->certs[0], chain->certs[1], now_ms,
                                   &found, &err)
                    : crl_look_up(data + 1, size - 1, chain->certs[0], chain->certs[1], now_ms,
                                  &found, &err);
    if (r < 0 ? err.code != r : found.state > REVOCATION_UNKNOWN)
        __builtin_trap();
    return 0;
}
