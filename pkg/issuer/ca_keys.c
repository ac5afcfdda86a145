/*
 * ca_keys.c - the keys that CA issuers sign with stay decoded until their Secret changes, or an issuer that
 * names it (DESIGN 6, Keys): a burst of certificates reads the Secret once (cache/derived.h).
 */
#include <stdatomic.h>

#include "api/live.h"
#include "base/limits.h"
#include "base/timetext.h"
#include "issuer/issuers.h"
#include "pki/sign.h"

struct counted { /* what a struct ca lives in */
    struct ca ca;
    atomic_uint refs;
};

static struct counted *counted_of(struct ca *ca)
{
    return CONTAINER_OF(ca, struct counted, ca);
}

static struct ca *ca_ref(struct ca *ca)
{
    atomic_fetch_add_explicit(&counted_of(ca)->refs, 1, memory_order_relaxed);
    return ca;
}

void ca_unref(struct ca *ca)
{
    if (!ca || atomic_fetch_sub_explicit(&counted_of(ca)->refs, 1, memory_order_acq_rel) > 1)
        return;
    cert_unref(ca->cert);
    if (ca->key)
        pkey_unref(ca->key);
    xfree(ca->above_pem);
    xfree(ca->root_pem);
    xfree(ca->refusals);
    chain_deinit(&ca->bounded);
    cert_unref(ca->soonest);
    xfree(counted_of(ca));
}

static struct ca *ca_new(void)
{
    struct counted *counted = xalloc(sizeof(*counted));

    atomic_init(&counted->refs, 1);
    return &counted->ca;
}

static const void *ref(const void *ca)
{
    return ca_ref((struct ca *)ca);
}

static void unref(const void *ca)
{
    ca_unref((struct ca *)ca);
}

struct derived *ca_keys_new(struct cache *secrets)
{
    static const struct derived_kind kind = {ref, unref};

    return derived_new(secrets, &kind);
}

/* --- reading one --- */

static int add_root(const struct secret *secret, struct buf *to_pem, struct err *err)
{
    cleanup(buf_deinit) struct buf pem = BUF(LIMIT_BUNDLE_PEM);
    cleanup(chain_deinit) struct chain bundle = {};
    int r;

    if (!secret_has(secret, "ca.crt"))
        return 0;
    r = secret_value(secret, "ca.crt", &pem, err);
    if (r < 0 || pem.len == 0)
        return r;
    r = chain_from_pem(buf_str(&pem), pem.len, &bundle, err);
    if (r < 0)
        return err_wrap(err, "ca.crt");
    buf_add_char(to_pem, '\n'); /* tls.crt may end without one */
    cert_to_pem(bundle.certs[0], to_pem);
    return buf_check(to_pem, "the CA's chain", err);
}

/* tls.crt, and of ca.crt the first. */
static int read_chain(const struct secret *secret, struct chain *ret, struct err *err)
{
    cleanup(buf_deinit) struct buf pem = BUF(LIMIT_CHAIN_BODY);
    cleanup(chain_deinit) struct chain all = {};
    int r = secret_value(secret, "tls.crt", &pem, err);

    if (r == 0)
        r = add_root(secret, &pem, err);
    if (r < 0)
        return r;
    r = chain_from_pem(buf_str(&pem), pem.len, &all, err);
    if (r < 0)
        return err_wrap(err, "tls.crt");
    chain_upwards(&all, ret);
    return 0;
}

static int read_key(const struct secret *secret, const struct pkey **ret, struct err *err)
{
    cleanup(buf_deinit) struct buf pem = BUF_SECRET(LIMIT_KEY_PEM);
    int r = secret_value(secret, "tls.key", &pem, err);

    if (r < 0)
        return r;
    r = pkey_from_pem(buf_str(&pem), pem.len, ret, err);
    return r < 0 ? err_wrap(err, "tls.key") : 0;
}

static void write_chain(const struct chain *chain, struct ca *ca)
{
    cleanup(buf_deinit) struct buf above = BUF(LIMIT_CHAIN_BODY), root = BUF(LIMIT_CHAIN_BODY);
    struct cert *top = chain->certs[chain->len - 1];

    for (size_t i = 0; i < chain->len; i++)
        if (chain->certs[i] != top || !cert_is_self_signed(top))
            cert_to_pem(chain->certs[i], &above);
    cert_to_pem(top, &root);
    ca->above_pem = xstrdup(buf_str(&above));
    ca->root_pem = xstrdup(buf_str(&root));
}

/* --- what clients have against what it signs --- */

/* Any of those that it signs, but for names. NULL: it cannot sign, which is told elsewhere. */
static struct cert *sign_any(const struct ca *ca)
{
    static const unsigned char serial[] = {1};
    const struct x509_names nobody = {};
    const struct cert_template template = {
        .names = &nobody,
        .not_before_ms = cert_not_before_ms(ca->cert),
        .not_after_ms = cert_not_after_ms(ca->cert),
        .serial = serial,
        .serial_len = sizeof(serial),
        .issuer = ca->cert,
        .issuer_key = ca->key,
    };
    struct cert *any = NULL;

    (void)cert_sign(&template, &any, NULL); /* NULL then */
    return any;
}

/* From what it signs, for which the CAs between count, upwards. */
static void judge_any(struct ca *ca, const struct chain *above)
{
    struct cert *any = sign_any(ca);
    const struct chain leaf = {&any, any ? 1 : 0};
    cleanup(chain_deinit) struct chain path = {};
    cleanup(strlist_deinit) struct strlist places = {}, found = {};

    if (!any)
        return;
    chain_append(&path, &leaf);
    chain_append(&path, above);
    strlist_add(&places, "what it signs");
    for (size_t i = 0; i < above->len; i++)
        strlist_add_take(&places,
                         xasprintf("the CA certificate '%s'", cert_subject(above->certs[i])));
    chain_refusals(&path, &places, &found);
    if (found.len > 0)
        ca->refusals = strlist_join(&found, "; ");
    cert_unref(any);
}

/* The root's dates do not matter, as in chain_verify(). */
static struct cert *soonest_above(const struct chain *chain)
{
    struct cert *found = NULL;

    for (size_t i = 1; i < chain->len; i++) {
        struct cert *cert = chain->certs[i];

        if (i + 1 == chain->len && cert_is_self_signed(cert))
            break;
        if (!found || cert_not_after_ms(cert) < cert_not_after_ms(found))
            found = cert;
    }
    return found ? cert_ref(found) : NULL;
}

static void judge(struct ca *ca, const struct chain *chain)
{
    for (size_t i = 0; i < chain->len; i++)
        if (cert_has_bounds(chain->certs[i]))
            chain_append(&ca->bounded, &(struct chain){&chain->certs[i], 1});
    ca->soonest = soonest_above(chain);
    judge_any(ca, chain);
}

int ca_judge(const struct ca *ca, int64_t now_ms, struct err *err)
{
    char time[TIME_TEXT_MAX];

    if (ca->refusals)
        return err_set(err, ERR_INVALID, "%s", ca->refusals);
    if (!ca->soonest || now_ms <= cert_not_after_ms(ca->soonest))
        return 0;
    time_format(cert_not_after_ms(ca->soonest), time);
    return err_set(err, ERR_INVALID,
                   "the CA certificate '%s' above it has expired at %s; put a new one into the "
                   "Secret",
                   cert_subject(ca->soonest), time);
}

bool ca_may_displease(const struct ca *ca, const struct cert *leaf)
{
    for (size_t i = 0; i < ca->bounded.len; i++)
        if (!cert_names_fit(leaf, ca->bounded.certs[i]))
            return true;
    return ca->refusals != NULL;
}

/* --- all of it --- */

static int decode(const struct secret *secret, struct ca **ret, struct err *err)
{
    cleanup(ca_unref) struct ca *ca = ca_new();
    cleanup(chain_deinit) struct chain chain = {};
    int r = read_chain(secret, &chain, err);

    if (r == 0)
        r = read_key(secret, &ca->key, err);
    if (r < 0)
        return err_set(err, ERR_INVALID, "%s", err ? err->text : ""); /* a missing key, too */
    ca->cert = cert_ref(chain.certs[0]);
    write_chain(&chain, ca);
    judge(ca, &chain);
    *ret = take(ca);
    return 0;
}

static int check_time(const struct ca *ca, int64_t now_ms, struct err *err)
{
    char time[TIME_TEXT_MAX];

    if (now_ms <= cert_not_after_ms(ca->cert))
        return 0;
    time_format(cert_not_after_ms(ca->cert), time);
    return err_set(err, ERR_INVALID,
                   "the CA certificate '%s' has expired at %s; put a new one into the Secret",
                   cert_subject(ca->cert), time);
}

int ca_check(const struct ca *ca, int64_t now_ms, struct err *err)
{
    if (!cert_is_ca(ca->cert))
        return err_set(err, ERR_INVALID,
                       "the certificate '%s' is not a CA: its basic constraints do not say so "
                       "(spec.isCA of a Certificate does)",
                       cert_subject(ca->cert));
    if (!cert_key_may(ca->cert, USAGE_CERT_SIGN))
        return err_set(err, ERR_INVALID,
                       "the key usage of the CA certificate '%s' does not allow its key to sign "
                       "certificates (keyCertSign), so that nobody would trust them",
                       cert_subject(ca->cert));
    if (!pkey_equal_public(cert_public_key(ca->cert), ca->key))
        return err_set(err, ERR_INVALID, "tls.key is not the key of the certificate '%s'",
                       cert_subject(ca->cert));
    return check_time(ca, now_ms, err);
}

/* --- keeping it --- */

int ca_keys_get(struct issuers *issuers, const struct context *ctx, const struct key *secret,
                struct ca **ret, struct err *err)
{
    cleanup(object_unref) const struct object *object = NULL;
    const struct metadata *metadata;
    char name[KEY_TEXT_MAX];
    int r;

    *ret = (struct ca *)derived_get(issuers->ca_keys, secret);
    if (*ret)
        return 0;
    r = live_secret(issuers->store, ctx, secret, &object, err);
    if (r < 0)
        return r;
    r = decode((const struct secret *)object, ret, err);
    key_format(secret, name);
    if (r < 0)
        return err_wrap(err, "reading the CA in secret '%s'", name);
    metadata = &object->metadata;
    derived_put(issuers->ca_keys, secret, metadata->uid, metadata->resource_version, *ret);
    return 0;
}
