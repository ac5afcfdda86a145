/*
 * self_signed.c - issuer type selfSigned: a request's own key signs it (behaviour.md 6).
 *
 * The key is in the Secret that an annotation of the request names, in the request's namespace (signable.c);
 * for a Certificate that is the next private key. Who has the key at hand gives it along.
 */
#include "api/kinds.h"
#include "api/live.h"
#include "base/limits.h"
#include "issuer/own.h"

static bool is_configured(const struct issuer_spec *spec)
{
    return spec->self_signed != NULL;
}

static int setup_self_signed(struct issuers *issuers, const struct context *ctx,
                             const struct issuer *issuer, struct arena *arena,
                             struct setup_result *ret, struct err *err)
{
    ret->ready = (struct condition){.status = CONDITION_TRUE, .reason = "IsReady"};
    return 0;
}

static int decode_key(const struct object *secret, const struct pkey **ret, struct err *err)
{
    cleanup(buf_deinit) struct buf pem = BUF_SECRET(LIMIT_KEY_PEM);
    int r = secret_value((const struct secret *)secret, "tls.key", &pem, err);

    return r == 0 ? pkey_from_pem(buf_str(&pem), pem.len, ret, err) : r;
}

/* 0: there; 1: the result says what is missing; negative: cancelled. */
static int read_key(struct own_signing *own, const char *name, const struct pkey **ret,
                    struct err *err)
{
    struct key key = {.namespace = own->request.namespace, .name = name};
    cleanup(object_unref) const struct object *secret = NULL;
    struct err why = {};
    int r = live_secret(own->issuers->store, own->ctx, &key, &secret, &why);
    const char *reason = r == ERR_NOT_FOUND ? "MissingSecret" : "ErrorGettingSecret";

    if (r == ERR_CANCELED)
        return err_pass(err, &why);
    if (r == 0) {
        reason = "ErrorParsingKey";
        r = decode_key(secret, ret, &why);
    }
    if (r == 0)
        return 0;
    (void)err_wrap(&why, "private key in secret '%s/%s'", str_or(key.namespace, ""), name);
    (void)own_pending(own, reason, &why);
    return 1;
}

static int find_key(struct own_signing *own, const struct pkey **ret, struct err *err)
{
    const char *name = object_annotation(own->request.object, own->request.key_annotation);
    struct err why = {};

    if (own->input->key) {
        *ret = pkey_ref(own->input->key);
        return 0;
    }
    if (!str_empty(name))
        return read_key(own, name, ret, err);
    (void)err_set(&why, ERR_INVALID,
                  "the request has no annotation '%s'; it names the Secret with the key that signs",
                  own->request.key_annotation);
    (void)own_failed(own, "MissingAnnotation", &why);
    return 1;
}

static int sign_self_signed(struct issuers *issuers, const struct context *ctx,
                            const struct sign_input *input, struct arena *arena,
                            struct sign_result *ret, struct err *err)
{
    cleanup(own_deinit) struct own_signing own = {
        .issuers = issuers, .ctx = ctx, .input = input, .arena = arena, .result = ret};
    cleanup(pkey_unref) const struct pkey *key = NULL;
    struct cert_template template;
    struct err why = {};
    int r = own_begin(&own, "ErrorGenerating", err);

    if (r == 0)
        r = find_key(&own, &key, err);
    if (r != 0)
        return r < 0 ? r : 0;
    if (!pkey_equal_public(csr_public_key(own.csr), key)) {
        (void)err_set(&why, ERR_INVALID,
                      "the request was signed with another key than that of the "
                      "Secret that its annotation names");
        return own_failed(&own, "ErrorKeyMatch", &why);
    }
    array_string_add_to(&input->issuer->spec.self_signed->crl_distribution_points, &own.crl_urls);
    template = own_template(&own);
    template.issuer_key = key;
    return own_end(&own, &template, "", NULL, "ErrorSigning");
}

const struct issuer_ops issuer_self_signed = {
    .type = "selfSigned",
    .signs_at_once = true,
    .is_configured = is_configured,
    .setup = setup_self_signed,
    .sign = sign_self_signed,
};
