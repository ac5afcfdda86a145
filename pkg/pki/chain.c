/*
 * Chains: reading them from what a CA sent, and the checks before one is stored.
 */
#include <string.h>

#include "base/limits.h"
#include "base/thread.h"
#include "base/timetext.h"
#include "pki/openssl.h"
#include "pki/pem.h"

void chain_deinit(struct chain *chain)
{
    for (size_t i = 0; i < chain->len; i++)
        cert_unref(chain->certs[i]);
    xfree(chain->certs);
    *chain = (struct chain){};
}

/* Takes `cert`. */
static void chain_add(struct chain *chain, struct cert *cert)
{
    chain->certs = xrealloc(chain->certs, (chain->len + 1) * sizeof(struct cert *));
    chain->certs[chain->len++] = cert;
}

/*
 * The certificates above the leaf are the same few in thousands of chains: the latest ones are kept.
 * Nothing is believed because of that; it is only not read again.
 */
#define KNOWN_MAX 16

static struct known {
    struct buf der;
    struct cert *cert;
} known[KNOWN_MAX];
static size_t known_next;  /* the place that is taken next */
static struct mutex mutex; /* guards both */

static struct cert *known_find(const void *der, size_t len)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&mutex);

    for (size_t i = 0; i < KNOWN_MAX; i++)
        if (known[i].cert && known[i].der.len == len && memcmp(known[i].der.data, der, len) == 0)
            return cert_ref(known[i].cert);
    return NULL;
}

static void known_add(const void *der, size_t len, struct cert *cert)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&mutex);
    struct known *place = &known[known_next++ % KNOWN_MAX];

    buf_deinit(&place->der);
    cert_unref(place->cert);
    *place = (struct known){.der = BUF(LIMIT_CHAIN_BODY), .cert = cert_ref(cert)};
    buf_add(&place->der, der, len);
}

/* As cert_from_der(). */
static int read_known(const void *der, size_t len, struct cert **ret, struct err *err)
{
    int r;

    *ret = known_find(der, len);
    if (*ret)
        return 0;
    r = cert_from_der(der, len, ret, err);
    if (r == 0)
        known_add(der, len, *ret);
    return r;
}

typedef int read_cert_fn(const void *der, size_t len, struct cert **ret, struct err *err);

/* What may be in a text, and how its first certificate and the others are read. */
struct chain_rules {
    const char *what; /* "certificate chain" */
    size_t max_bytes, max_certs;
    read_cert_fn *read_first, *read_others;
};

static int chain_add_block(struct chain *chain, const struct pem_block *block,
                           const struct chain_rules *rules, struct err *err)
{
    read_cert_fn *read = chain->len == 0 ? rules->read_first : rules->read_others;
    struct cert *cert = NULL;
    int r;

    if (!streq(block->label, "CERTIFICATE"))
        return err_set(err, ERR_INVALID, "there is a PEM block '%s' in the %s", block->label,
                       rules->what);
    if (chain->len == rules->max_certs)
        return err_set(err, ERR_TOO_LARGE, "the %s has more than %zu certificates", rules->what,
                       rules->max_certs);
    r = read(block->der, block->der_len, &cert, err);
    if (r < 0)
        return err_wrap(err, "number %zu of the %s", chain->len + 1, rules->what);
    chain_add(chain, cert);
    return 0;
}

static int read_chain(const char *pem, size_t len, const struct chain_rules *rules,
                      struct chain *ret, struct err *err)
{
    cleanup(chain_deinit) struct chain chain = {};
    const char *at = pem;
    int r;

    if (len == 0)
        return err_set(err, ERR_INVALID, "there is no certificate");
    if (len > rules->max_bytes)
        return err_set(err, ERR_TOO_LARGE, "the %s is larger than %zu bytes", rules->what,
                       rules->max_bytes);
    for (;;) {
        cleanup(pem_block_deinit) struct pem_block block = {};

        r = pem_next(&at, pem + len, &block, err);
        if (r == ERR_NOT_FOUND)
            break;
        if (r == 0)
            r = chain_add_block(&chain, &block, rules, err);
        if (r < 0)
            return r;
    }
    if (chain.len == 0)
        return err_set(err, ERR_INVALID, "there is no certificate");
    *ret = chain;
    chain = (struct chain){};
    return 0;
}

int chain_from_pem(const char *pem, size_t len, struct chain *ret, struct err *err)
{
    static const struct chain_rules rules = {"certificate chain", LIMIT_CHAIN_BODY,
                                             LIMIT_CHAIN_CERTS, cert_from_der, read_known};

    return read_chain(pem, len, &rules, ret, err);
}

/* Its many are no chain's few: they would push those out, and nobody asks for their keys. */
int bundle_from_pem(const char *pem, size_t len, struct chain *ret, struct err *err)
{
    static const struct chain_rules rules = {"certificate bundle", LIMIT_BUNDLE_PEM,
                                             LIMIT_BUNDLE_CERTS, cert_look, cert_look};

    return read_chain(pem, len, &rules, ret, err);
}

int leaf_look(const char *pem, size_t len, struct cert **ret, struct err *err)
{
    static const struct chain_rules rules = {"certificate chain", LIMIT_CHAIN_BODY,
                                             LIMIT_CHAIN_CERTS, cert_look, read_known};
    cleanup(chain_deinit) struct chain chain = {};
    int r = read_chain(pem, len, &rules, &chain, err);

    if (r == 0)
        *ret = cert_ref(chain.certs[0]);
    return r;
}

void chain_to_pem(const struct chain *chain, struct buf *to)
{
    for (size_t i = 0; i < chain->len; i++)
        cert_to_pem(chain->certs[i], to);
}

void chain_append(struct chain *to, const struct chain *from)
{
    for (size_t i = 0; i < from->len; i++)
        chain_add(to, cert_ref(from->certs[i]));
}

#define NOWHERE SIZE_MAX

static size_t find_issuer(const struct chain *chain, const struct cert *cert)
{
    for (size_t i = 0; i < chain->len; i++)
        if (chain->certs[i] != cert && cert_may_sign(chain->certs[i]) &&
            cert_is_signed_by(cert, chain->certs[i]))
            return i;
    return NOWHERE;
}

static struct cert *issuer_among(const struct chain *chain, const struct cert *cert)
{
    size_t i = find_issuer(chain, cert);

    return i == NOWHERE ? NULL : chain->certs[i];
}

static bool has_cert(const struct chain *chain, const struct cert *cert)
{
    for (size_t i = 0; i < chain->len; i++)
        if (chain->certs[i] == cert)
            return true;
    return false;
}

void chain_upwards(const struct chain *from, struct chain *ret)
{
    struct cert *next = from->len > 0 ? from->certs[0] : NULL;

    while (next && !has_cert(ret, next)) { /* two may have signed each other */
        chain_add(ret, cert_ref(next));
        next = cert_is_self_signed(next) ? NULL : issuer_among(from, next);
    }
}

/*
 * Checks.
 */

/* Of those before it; NOWHERE: it comes once. */
static size_t find_same(const struct chain *chain, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (cert_equal(chain->certs[i], chain->certs[at]))
            return i;
    return NOWHERE;
}

/* What to do about number `at`, which is not the issuer of the one before it. */
static char *where_it_belongs(const struct chain *chain, size_t at)
{
    const struct cert *before = chain->certs[at - 1];
    size_t same = find_same(chain, at), own = find_issuer(chain, chain->certs[at]),
           issuer = find_issuer(chain, before);

    if (same != NOWHERE)
        return xasprintf("it is certificate %zu once more: take it out", same + 1);
    if (own != NOWHERE && own < at)
        return xasprintf("certificate %zu has signed it and must not stand before it", own + 1);
    if (cert_is_self_signed(before))
        return xasprintf("certificate %zu has signed itself: take out what is behind it", at);
    if (issuer != NOWHERE && issuer > at)
        return xasprintf("certificate %zu has signed certificate %zu and has to stand there",
                         issuer + 1, at);
    return xasprintf("put that of '%s' there", cert_issuer(before));
}

static int not_the_issuer(const struct chain *chain, size_t at, const char *what, struct err *err)
{
    cleanup(xfree) char *todo = where_it_belongs(chain, at);

    return err_set(err, ERR_INVALID, "certificate %zu of the chain ('%s') %s; %s", at + 1,
                   cert_subject(chain->certs[at]), what, todo);
}

static int verify_links(const struct chain *chain, struct err *err)
{
    for (size_t i = 1; i < chain->len; i++) {
        if (!cert_may_sign(chain->certs[i]))
            return not_the_issuer(chain, i, "is not a CA", err);
        if (!cert_is_signed_by(chain->certs[i - 1], chain->certs[i]))
            return not_the_issuer(chain, i, "did not sign the one before it", err);
    }
    return 0;
}

static int verify_time(const struct cert *cert, size_t place,
                       const struct chain_expectation *expect, struct err *err)
{
    char time[TIME_TEXT_MAX];

    if (cert_not_after_ms(cert) <= expect->now_ms) {
        time_format(cert_not_after_ms(cert), time);
        return err_set(err, ERR_INVALID, "certificate %zu of the chain has expired at %s", place,
                       time);
    }
    if (cert_not_before_ms(cert) - expect->clock_slack_ms > expect->now_ms) {
        time_format(cert_not_before_ms(cert), time);
        return err_set(err, ERR_INVALID, "certificate %zu of the chain is not valid before %s",
                       place, time);
    }
    return 0;
}

/* A root at the end is not what anybody verifies with: its dates do not matter. */
static int verify_times(const struct chain *chain, const struct chain_expectation *expect,
                        struct err *err)
{
    for (size_t i = 0; i < chain->len; i++) {
        int r;

        if (i > 0 && i + 1 == chain->len && cert_is_self_signed(chain->certs[i]))
            break;
        r = verify_time(chain->certs[i], i + 1, expect, err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* A certificate may write a DNS name in capitals. */
static bool has_name(const struct strlist *list, const char *name)
{
    for (size_t i = 0; list && i < list->len; i++)
        if (streq_ci(list->items[i], name))
            return true;
    return false;
}

static int verify_names(const struct strlist *wanted, const struct strlist *there, struct err *err)
{
    for (size_t i = 0; wanted && i < wanted->len; i++)
        if (!has_name(there, wanted->items[i]))
            return err_set(err, ERR_INVALID, "the name '%s' is missing in the certificate",
                           wanted->items[i]);
    return 0;
}

static void collect_extra(const struct strlist *wanted, const struct strlist *there,
                          struct strlist *extra)
{
    for (size_t i = 0; i < there->len; i++)
        if (!has_name(wanted, there->items[i]))
            strlist_add(extra, there->items[i]);
}

static int verify_leaf(const struct cert *leaf, const struct chain_expectation *expect,
                       struct err *err)
{
    int r;

    if (expect->key && !pkey_equal_public(cert_public_key(leaf), expect->key))
        return err_set(err, ERR_INVALID, "the first certificate of the chain is for another key");
    r = verify_names(expect->dns_names, &cert_names(leaf)->dns_names, err);
    if (r < 0)
        return r;
    return verify_names(expect->ip_addresses, &cert_names(leaf)->ip_addresses, err);
}

int chain_verify(const struct chain *chain, const struct chain_expectation *expect,
                 struct strlist *ret_extra, struct err *err)
{
    const struct cert *leaf;
    int r;

    if (chain->len == 0)
        return err_set(err, ERR_INVALID, "the certificate chain is empty");
    leaf = chain->certs[0];
    r = verify_leaf(leaf, expect, err);
    if (r < 0)
        return r;
    r = verify_times(chain, expect, err);
    if (r < 0)
        return r;
    r = verify_links(chain, err);
    if (r < 0)
        return r;
    if (ret_extra) {
        collect_extra(expect->dns_names, &cert_names(leaf)->dns_names, ret_extra);
        collect_extra(expect->ip_addresses, &cert_names(leaf)->ip_addresses, ret_extra);
    }
    return 0;
}
