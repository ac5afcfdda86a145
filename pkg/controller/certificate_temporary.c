/*
 * certificate_temporary.c - a certificate of our own in the target Secret, until the issuer's comes: for
 * servers that do not start without one (annotation issue-temporary-certificate, behaviour.md 1.4).
 *
 * It is for the next key and signed by a CA that nobody keeps. It has no issuer annotations, so that cert-manager,
 * too, takes it for what it is.
 */
#include "base/limits.h"
#include "controller/certificate_run.h"
#include "controller/target_secret.h"

#define TEMPORARY_SUBJECT_SERIAL "1234567890"
enum { TEMPORARY_CA_KEY_SIZE = 521 };

struct throwaway_ca {
    const struct pkey *key;
    struct cert *cert;
};

static void throwaway_ca_deinit(struct throwaway_ca *ca)
{
    cert_unref(ca->cert);
    pkey_unref(ca->key);
}
DEFINE_CLEANUP_VALUE(struct throwaway_ca, throwaway_ca_deinit);

static int make_ca(int64_t from_ms, int64_t until_ms, struct throwaway_ca *ret, struct err *err)
{
    cleanup(throwaway_ca_deinit) struct throwaway_ca ca = {};
    struct x509_names names = {.common_name = (char *)TEMPORARY_CA_NAME};
    struct cert_template template = {
        .names = &names, .is_ca = true, .not_before_ms = from_ms, .not_after_ms = until_ms};
    int r = pkey_generate(KEY_ECDSA, TEMPORARY_CA_KEY_SIZE, &ca.key, err);

    template.issuer_key = ca.key;
    if (r == 0)
        r = cert_sign(&template, &ca.cert, err);
    if (r < 0)
        return r;
    *ret = ca;
    ca = (struct throwaway_ca){};
    return 0;
}

static int make_leaf(struct certificate_run *run, const struct pkey *key, struct cert **ret,
                     struct err *err)
{
    const struct certificate_spec *spec = &run->crt->spec;
    int64_t from_ms = context_now_ms(run->ctx);
    int64_t until_ms = from_ms + certificate_duration_ms(spec);
    cleanup(throwaway_ca_deinit) struct throwaway_ca ca = {};
    cleanup(x509_names_deinit) struct x509_names names = {};
    struct cert_template template = {
        .names = &names,
        .public_key = key,
        .is_ca = spec->is_ca,
        .usages = usages_of(&spec->usages, spec->is_ca),
        .not_before_ms = from_ms,
        .not_after_ms = until_ms,
    };
    int r = make_ca(from_ms, until_ms, &ca, err);

    if (r == 0)
        r = certificate_names(spec, &names, err);
    if (r < 0)
        return r;
    xfree(names.serial_number);
    names.serial_number = xstrdup(TEMPORARY_SUBJECT_SERIAL);
    template.issuer = ca.cert;
    template.issuer_key = ca.key;
    return cert_sign(&template, ret, err);
}

static int apply(struct certificate_run *run, const struct pkey *key, const struct cert *leaf,
                 struct err *err)
{
    cleanup(buf_deinit) struct buf key_pem = BUF_SECRET(LIMIT_KEY_PEM),
                                   chain = BUF(LIMIT_CHAIN_BODY);
    cleanup(json_unref) struct json *stored = NULL;
    cleanup(object_unref) const struct secret_facts *facts = NULL;
    struct target_secret target;
    int r;

    pkey_to_pem(key, certificate_key_encoding(&run->crt->spec), &key_pem);
    cert_to_pem(leaf, &chain);
    target = (struct target_secret){
        .crt = run->crt,
        .type = run->facts.secret ? run->facts.secret->type : NULL,
        .key_pem = buf_str(&key_pem),
        .chain_pem = buf_str(&chain),
        .owner_ref = run->self->options.owner_ref,
    };
    r = certificate_apply_target(run, &target, key, &stored, err);
    if (r == 0)
        r = cache_decode(run->self->caches.secrets, stored, (const void **)&facts, err);
    if (r < 0)
        return r;
    /* Else the next run would make another one, without end. */
    return secret_has_key_pair(facts) ? 0 : certificate_target_changed(run, err);
}

int certificate_store_temporary(struct certificate_run *run, struct err *err)
{
    cleanup(pkey_unref) const struct pkey *key = NULL;
    cleanup(cert_unref) struct cert *leaf = NULL;
    int r = certificate_read_key(run, run->decision.next_key->object.metadata.name, &key, err);

    if (r == 0)
        r = make_leaf(run, key, &leaf, err);
    if (r == 0)
        r = apply(run, key, leaf, err);
    if (r < 0)
        return err_wrap(err, "making a temporary certificate");
    event_of_action(run->self, run->ctx, &run->crt->object, "Issuing", "IssuedTemporary",
                    "Issued temporary certificate");
    return 0;
}
