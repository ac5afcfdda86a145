/* ca.c - issuer type ca: a certificate and key in a Secret sign (behaviour.md 6 and 7). */
#include "issuer/own.h"

static bool is_configured(const struct issuer_spec *spec)
{
    return spec->ca != NULL;
}

static struct key secret_of(struct issuers *issuers, const struct issuer *issuer)
{
    return (struct key){.namespace = issuer_secret_namespace(issuers, issuer),
                        .name = issuer->spec.ca->secret_name};
}

/* --- setup --- */

static void show(struct setup_result *result, struct arena *arena, const char *reason,
                 const struct err *why)
{
    result->ready = (struct condition){
        .status = CONDITION_FALSE, .reason = reason, .message = arena_strdup(arena, why->text)};
    result->event_reason = reason;
    result->event_warning = true;
}

/* When something of it expires, it is not ready, or nothing that it signs is of use. */
static int64_t next_expiry_ms(const struct ca *ca, int64_t now_ms)
{
    int64_t own_ms = cert_not_after_ms(ca->cert);
    int64_t above_ms = ca->soonest ? cert_not_after_ms(ca->soonest) : own_ms;

    return now_ms <= above_ms && above_ms < own_ms ? above_ms : own_ms;
}

/* It signs all the same: whoever verifies may have rules of his own. */
static void show_ready(struct setup_result *result, const struct ca *ca, int64_t now_ms,
                       struct arena *arena)
{
    struct err why = {};

    result->ready = (struct condition){
        .status = CONDITION_TRUE, .reason = "KeyPairVerified", .message = "Signing CA verified"};
    result->event_reason = "KeyPairVerified";
    result->requeue_at_ms = next_expiry_ms(ca, now_ms) + 1000;
    if (ca_judge(ca, now_ms, &why) == 0)
        return;
    result->ready.message = arena_printf(
        arena, "Signing CA verified; clients refuse the certificates that it signs: %s", why.text);
    result->event_reason = EVENT_CHAIN_REFUSED;
    result->event_warning = true;
}

/* What a change of the Secret mends waits for it; the rest is tried again. */
static int setup_ca(struct issuers *issuers, const struct context *ctx, const struct issuer *issuer,
                    struct arena *arena, struct setup_result *ret, struct err *err)
{
    struct key secret = secret_of(issuers, issuer);
    cleanup(ca_unref) struct ca *ca = NULL;
    struct err why = {};
    int r = ca_keys_get(issuers, ctx, &secret, &ca, &why);

    if (r < 0) {
        show(ret, arena, "ErrGetKeyPair", &why);
        return r == ERR_NOT_FOUND || r == ERR_INVALID ? 0 : err_pass(err, &why);
    }
    if (ca_check(ca, context_now_ms(ctx), &why) < 0) {
        (void)err_wrap(&why, "secret '%s/%s'", secret.namespace, secret.name);
        show(ret, arena, "ErrInvalidKeyPair", &why);
        return 0;
    }
    show_ready(ret, ca, context_now_ms(ctx), arena);
    return 0;
}

/* --- sign --- */

static int find_ca(struct own_signing *own, struct ca **ret, struct err *err)
{
    struct key secret = secret_of(own->issuers, own->input->issuer);
    struct err why = {};
    int r = ca_keys_get(own->issuers, own->ctx, &secret, ret, &why);
    const char *reason = r == ERR_NOT_FOUND ? "SecretMissing"
                         : r == ERR_INVALID ? "SecretInvalidData"
                                            : "SecretGetError";

    if (r == ERR_CANCELED)
        return err_pass(err, &why);
    if (r == 0) {
        reason = "SecretInvalidData";
        r = ca_check(*ret, context_now_ms(own->ctx), &why);
    }
    if (r == 0)
        return 0;
    (void)own_pending(own, reason, &why);
    return 1;
}

static int sign_ca(struct issuers *issuers, const struct context *ctx,
                   const struct sign_input *input, struct arena *arena, struct sign_result *ret,
                   struct err *err)
{
    cleanup(own_deinit) struct own_signing own = {
        .issuers = issuers, .ctx = ctx, .input = input, .arena = arena, .result = ret};
    cleanup(ca_unref) struct ca *ca = NULL;
    const struct ca_issuer *spec = input->issuer->spec.ca;
    struct cert_template template;
    int r = find_ca(&own, &ca, err);

    if (r == 0)
        r = own_begin(&own, "SigningError", err);
    if (r != 0)
        return r < 0 ? r : 0;
    array_string_add_to(&spec->crl_distribution_points, &own.crl_urls);
    array_string_add_to(&spec->ocsp_servers, &own.ocsp_urls);
    array_string_add_to(&spec->issuing_certificate_urls, &own.issuer_urls);
    template = own_template(&own);
    template.issuer = ca->cert;
    template.issuer_key = ca->key;
    r = own_end(&own, &template, ca->above_pem, ca->root_pem, "SigningError");
    ret->may_be_refused = own.leaf && ca_may_displease(ca, own.leaf);
    return r;
}

const struct issuer_ops issuer_ca = {
    .type = "ca",
    .signs_at_once = true,
    .is_configured = is_configured,
    .setup = setup_ca,
    .sign = sign_ca,
};
