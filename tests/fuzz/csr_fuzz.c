/*
 * Certificate signing requests of others (PEM or DER). Since the self-signature keeps a fuzzer out,
 * the first half of its work is what happens in front of that check; the rest is reached from a
 * corpus of good requests.
 */
#include <string.h>

#include "base/limits.h"
#include "base/str.h"
#include "pki/csr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Without the signature; and whatever can be read can be looked at, which gives the same hash. */
static void look_only(const uint8_t *data, size_t size)
{
    cleanup(csr_free) struct csr *csr = NULL, *look = NULL;
    unsigned char of_csr[SHA256_LEN], of_look[SHA256_LEN];
    int r = csr_look(data, size, &look, NULL);

    if (csr_parse_unverified(data, size, &csr, NULL) < 0)
        return;
    if (r < 0)
        __builtin_trap();
    csr_public_hash(csr, of_csr);
    csr_public_hash(look, of_look);
    if (memcmp(of_csr, of_look, SHA256_LEN) != 0)
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup(csr_free) struct csr *csr = NULL;
    cleanup(csr_free) struct csr *again = NULL;
    cleanup(buf_deinit) struct buf written = BUF(2 * LIMIT_CERT_PEM);
    struct err err = {};
    bool has_usages;

    look_only(data, size);
    if (csr_parse(data, size, &csr, &err) < 0)
        return 0;
    (void)csr_usages(csr, &has_usages);
    csr_to_pem(csr, &written);
    if (written.len <= LIMIT_CERT_PEM &&
        (csr_parse(buf_str(&written), written.len, &again, &err) < 0 ||
         !strlist_same_set(&csr_names(csr)->dns_names, &csr_names(again)->dns_names)))
        __builtin_trap();
    return 0;
}
