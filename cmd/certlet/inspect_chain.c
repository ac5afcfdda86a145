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

/* By its place where it was read, however the path has come to it. */
static char *place_of(const struct contents *contents, const struct cert *cert)
{
    const struct {
        const struct chain *chain;
        const char *name;
    } rows[] = {{&contents->chain, "the chain"}, {&contents->ca, "ca.crt"}};
    const char *subject = *cert_subject(cert) ? cert_subject(cert) : "(none)";

    for (size_t r = 0; r < ARRAY_LEN(rows); r++)
        for (size_t i = 0; i < rows[r].chain->len; i++)
            if (rows[r].chain->certs[i] == cert)
                return xasprintf("certificate %zu of %s ('%s')", i + 1, rows[r].name, subject);
    return xstrdup(subject); /* never: the path is made of those */
}

/* From the leaf upwards as far as it goes, whatever the order: in ca.crt too, as clients have it at hand. */
static void judge_path(struct contents *contents)
{
    cleanup(chain_deinit) struct chain all = {}, path = {};
    cleanup(strlist_deinit) struct strlist places = {};

    chain_append(&all, &contents->chain);
    chain_append(&all, &contents->ca);
    chain_upwards(&all, &path);
    for (size_t i = 0; i < path.len; i++) {
        strlist_add_take(&places, place_of(contents, path.certs[i]));
        if (signer_among(&contents->ca, path.certs[i]))
            contents->ca_fits = true;
    }
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
