/* inspect_chain.c - what is wrong with the chain that was inspected. */
#include "inspect.h"

static const struct cert *signer_among(const struct chain *among, const struct cert *cert)
{
    for (size_t i = 0; i < among->len; i++)
        if (cert_is_signed_by(cert, among->certs[i]))
            return among->certs[i];
    return NULL;
}

const struct cert *contents_issuer(const struct contents *contents, size_t i)
{
    const struct cert *cert = contents->chain.certs[i];
    const struct cert *found = signer_among(&contents->chain, cert);

    return found ? found : signer_among(&contents->ca, cert);
}

/* In ca.crt too, as clients have it at hand. */
static void judge_path(struct contents *contents)
{
    cleanup(chain_deinit) struct chain path = {};
    cleanup(strlist_deinit) struct strlist places = {};

    chain_path(&contents->chain, &contents->ca, &path, &places);
    for (size_t i = 0; i < path.len; i++)
        if (signer_among(&contents->ca, path.certs[i]))
            contents->ca_fits = true;
    chain_judge(&path, &places, &contents->findings);
}

void contents_judge(struct contents *contents, int64_t now_ms)
{
    struct chain_expectation expect = {.now_ms = now_ms};
    struct err err = {};

    if (contents->chain.len == 0)
        return; /* a key alone, or nothing that can be read */
    contents->in_order = chain_verify(&contents->chain, &expect, NULL, &err) == 0;
    if (!contents->in_order)
        strlist_add(&contents->findings, err.text);
    judge_path(contents);
}
