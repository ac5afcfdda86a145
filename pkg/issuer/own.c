/* own.c - see own.h. */
#include "issuer/own.h"

#include "base/limits.h"

#define NS_PER_MS     1000000
#define RECHECK_MS    MINUTES(5) /* only in case a change of the Secret was missed */
#define DURATION_DAYS 90         /* api.md 5 */

void own_deinit(struct own_signing *own)
{
    if (own->read)
        object_unref(own->read);
    csr_free(own->csr);
    cert_unref(own->leaf);
    strlist_deinit(&own->crl_urls);
    strlist_deinit(&own->ocsp_urls);
    strlist_deinit(&own->issuer_urls);
}

int own_pending(struct own_signing *own, const char *reason, const struct err *why)
{
    own->result->state = SIGN_PENDING;
    own->result->reason = reason;
    own->result->message = arena_strdup(own->arena, why->text);
    own->result->requeue_at_ms = context_now_ms(own->ctx) + RECHECK_MS;
    return 0;
}

int own_failed(struct own_signing *own, const char *reason, const struct err *why)
{
    own->result->state = SIGN_FAILED;
    own->result->reason = reason;
    own->result->message = arena_strdup(own->arena, why->text);
    return 0;
}

static int read_request(struct own_signing *own, struct err *err)
{
    const struct sign_input *input = own->input;
    int r = signable_of(own->issuers, input->issuer, input->request, &own->request, err);

    if (r < 0 || own->request.request.len > 0)
        return r;
    r = issuers_read_full(own->issuers, own->ctx, input->request, &own->read, err);
    return r < 0 ? r : signable_of(own->issuers, input->issuer, own->read, &own->request, err);
}

int own_begin(struct own_signing *own, const char *reason, struct err *err)
{
    const struct bytes *csr = &own->request.request;
    struct err why = {};
    int r = read_request(own, err);

    if (r < 0)
        return r;
    r = own->input->is_own ? csr_parse_own(csr->data, csr->len, own->input->key, &own->csr, &why)
                           : csr_parse(csr->data, csr->len, &own->csr, &why);
    if (r == 0)
        return 0;
    (void)err_wrap(&why, "spec.request");
    (void)own_failed(own, reason, &why);
    return 1;
}

struct cert_template own_template(const struct own_signing *own)
{
    const struct signable *request = &own->request;
    int64_t now_ms = context_now_ms(own->ctx);
    int64_t life_ms = request->duration.is_set ? request->duration.ns / NS_PER_MS
                                               : DAYS(DURATION_DAYS);

    return (struct cert_template){
        .csr = own->csr,
        .is_ca = request->is_ca,
        .usages = request->usages,
        .not_before_ms = now_ms,
        .not_after_ms = now_ms + life_ms,
        .crl_urls = &own->crl_urls,
        .ocsp_urls = &own->ocsp_urls,
        .issuer_urls = &own->issuer_urls,
    };
}

static struct bytes kept(struct own_signing *own, const struct buf *pem)
{
    return bytes_of(arena_memdup(own->arena, buf_str(pem), pem->len), pem->len);
}

int own_end(struct own_signing *own, const struct cert_template *template, const char *above_pem,
            const char *root_pem, const char *reason)
{
    cleanup(buf_deinit) struct buf chain = BUF(LIMIT_CHAIN_BODY), root = BUF(LIMIT_CHAIN_BODY);
    struct err why = {};
    int r = cert_sign(template, &own->leaf, &why);

    if (r < 0)
        return own_failed(own, reason, &why);
    cert_to_pem(own->leaf, &chain);
    buf_add_str(&chain, above_pem);
    buf_add_str(&root, root_pem ? root_pem : buf_str(&chain));
    if (buf_check(&chain, "the certificate chain", &why) < 0)
        return own_failed(own, reason, &why);
    own->result->state = SIGN_ISSUED;
    own->result->certificate = kept(own, &chain);
    own->result->ca = kept(own, &root);
    if (!template->issuer && str_empty(cert_subject(own->leaf)))
        own->result->warning =
            "the certificate has an empty subject, so an empty issuer too, which RFC 5280 4.1.2.4 "
            "forbids; set spec.commonName or spec.subject";
    return 0;
}
