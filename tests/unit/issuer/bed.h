/*
 * bed.h - issuers on a store of a few objects: what a sign or a setup reads, and how often.
 *
 * Secrets are kept by hand, in store and cache with uid and version, so that a test says what the
 * cache has seen already.
 */
#ifndef UNIT_ISSUER_BED_H
#define UNIT_ISSUER_BED_H

#include <stdio.h>

#include "api/kinds.h"
#include "base/base64.h"
#include "cache/write.h"
#include "issuer/issuers.h"
#include "support/testing.h"

#define NOW AT("2026-06-01T00:00:00Z")

struct bed {
    struct store store;
    struct fake_clock clock;
    struct context ctx;
    struct json *objects; /* map of "Kind/namespace/name" */
    int reads;
    int answer; /* 0; else the error of every read */
    struct cache *secrets;
    struct cache_source *secrets_source;
    struct issuers issuers;
    struct arena *arena;
};

static inline char *bed_name(const char *kind, const char *namespace, const char *name)
{
    return xasprintf("%s/%s/%s", kind, namespace, name);
}

static inline int bed_get(struct store *store, const struct context *ctx,
                          const struct resource *resource, const struct key *key, struct json **ret,
                          struct err *err)
{
    struct bed *bed = CONTAINER_OF(store, struct bed, store);
    cleanup(xfree) char *name = bed_name(resource->kind, key->namespace, key->name);
    const struct json *found = json_get(bed->objects, name);

    bed->reads++;
    if (bed->answer < 0)
        return err_set(err, bed->answer, "no answer");
    if (!found)
        return err_set(err, ERR_NOT_FOUND, "not found");
    *ret = json_deep(found);
    return 0;
}

static inline int bed_decode_secret(const struct json *value, const void **ret, struct err *err)
{
    const struct secret_facts *facts = NULL;
    int r = secret_facts_decode(value, &facts, err);

    *ret = facts;
    return r;
}

static inline void bed_unref(const void *object)
{
    object_unref(object);
}

static inline void bed_freeze(const void *form, const void *object, struct cache_names names,
                              struct buf *to)
{
    object_freeze(form, object, bytes_of(names.text, names.len), to);
}

static inline const void *bed_thaw(const void *form, const void *frozen, struct cache_names names)
{
    return object_thaw(form, frozen, bytes_of(names.text, names.len));
}

static inline void bed_init(struct bed *bed)
{
    static const struct store_ops ops = {.get = bed_get};
    static const struct cache_kind kind = {.resource = &kind_secret.resource,
                                           .decode = bed_decode_secret,
                                           .unref = bed_unref,
                                           .freeze = bed_freeze,
                                           .thaw = bed_thaw,
                                           .form = &secret_facts_form};

    *bed = (struct bed){.store = {&ops}};
    fake_clock_init(&bed->clock, NOW);
    bed->ctx = context_background(&bed->clock.clock);
    bed->objects = json_new_map();
    bed->secrets = cache_new(&kind);
    bed->secrets_source = cache_add_source(bed->secrets, NULL);
    bed->arena = arena_new(0);
    bed->issuers = (struct issuers){.store = &bed->store,
                                    .secrets = bed->secrets,
                                    .written = written_new(&bed->clock.clock),
                                    .ca_keys = ca_keys_new(bed->secrets),
                                    .resource_namespace = "cert-manager"};
}

static inline void bed_deinit(struct bed *bed)
{
    derived_free(bed->issuers.ca_keys);
    written_free(bed->issuers.written);
    cache_free(bed->secrets);
    json_unref(bed->objects);
    arena_free(bed->arena);
}
DEFINE_CLEANUP_VALUE(struct bed, bed_deinit);

struct bed_secret {
    const char *namespace, *version;
    const char *crt, *key, *ca; /* PEM; NULL: no such entry */
};

static inline void bed_set_data(struct json *data, const char *key, const char *text)
{
    cleanup(xfree) char *value = text ? base64_new(text, strlen(text)) : NULL;

    if (value)
        json_set_text(data, key, value);
}

/* Secret 'ca' in the store; the cache has seen it if `is_seen`. */
static inline void bed_put(struct bed *bed, const struct bed_secret *from, bool is_seen)
{
    const char *namespace = str_or(from->namespace, "default");
    cleanup(xfree) char *name = bed_name("Secret", namespace, "ca");
    struct json *secret = json_new_map(), *metadata = json_need_map(secret, "metadata"),
                *data = json_need_map(secret, "data");
    struct store_event event = {.type = STORE_MODIFIED};
    struct err err = {};

    json_set_text(secret, "apiVersion", "v1");
    json_set_text(secret, "kind", "Secret");
    json_set_text(metadata, "name", "ca");
    json_set_text(metadata, "namespace", namespace);
    json_set_text(metadata, "uid", "uid-1");
    json_set_text(metadata, "resourceVersion", str_or(from->version, "1"));
    bed_set_data(data, "tls.crt", from->crt);
    bed_set_data(data, "tls.key", from->key);
    bed_set_data(data, "ca.crt", from->ca);
    json_set(bed->objects, name, secret);
    if (!is_seen)
        return;
    event.object = json_deep(secret);
    (void)snprintf(event.version, sizeof(event.version), "%s", str_or(from->version, "1"));
    ASSERT_OK(cache_apply(bed->secrets_source, &event, &err));
    store_event_deinit(&event);
}

/* --- keys and certificates as text --- */

static inline char *bed_key_pem(const struct pkey *key)
{
    struct buf pem = BUF_SECRET(16384);

    pkey_to_pem(key, KEY_PKCS8, &pem);
    return buf_take(&pem);
}

static inline char *bed_cert_pem(const struct cert *cert)
{
    struct buf pem = BUF(16384);

    cert_to_pem(cert, &pem);
    return buf_take(&pem);
}

/* For `key`, in force from 2026 to `not_after`; `issuer` NULL: self-signed. */
static inline struct cert *bed_cert(const char *name, bool is_ca, const char *not_after,
                                    const struct pkey *key, const struct cert *issuer,
                                    const struct pkey *issuer_key)
{
    cleanup(x509_names_deinit) struct x509_names names = {.common_name = xstrdup(name)};
    struct cert *cert = NULL;
    struct err err = {};

    ASSERT_OK(cert_sign(&(struct cert_template){.names = &names,
                                                .is_ca = is_ca,
                                                .public_key = key,
                                                .not_before_ms = AT("2026-01-01T00:00:00Z"),
                                                .not_after_ms = AT(not_after),
                                                .issuer = issuer,
                                                .issuer_key = issuer_key ? issuer_key : key},
                        &cert, &err));
    return cert;
}

static inline struct chain bed_chain(const struct bytes *pem)
{
    struct chain chain = {};
    struct err err = {};

    ASSERT_OK(chain_from_pem((const char *)pem->data, pem->len, &chain, &err));
    return chain;
}

/* --- sign --- */

/* What is asked of an issuer, and what came of it; a test changes any of it before bed_sign(). */
struct signing {
    struct buf csr_pem;
    struct certificate_request request;
    struct issuer issuer;
    struct sign_input input;
    struct sign_result result;
};

static inline void signing_deinit(struct signing *signing)
{
    buf_deinit(&signing->csr_pem);
}
DEFINE_CLEANUP_VALUE(struct signing, signing_deinit);

static inline void bed_csr(const struct x509_names *names, const struct pkey *key, struct buf *to)
{
    cleanup(csr_free) struct csr *csr = NULL;
    struct err err = {};

    ASSERT_OK(csr_new(&(struct csr_request){.names = names}, key, &csr, &err));
    csr_to_pem(csr, to);
}

/* `issuer` and a CertificateRequest 'req' in default, for a.example and `common_name` unless NULL. */
static inline void signing_init(struct signing *signing, struct issuer issuer,
                                const char *common_name, const struct pkey *key)
{
    cleanup(x509_names_deinit) struct x509_names names = {.common_name = xstrdup(common_name)};

    *signing = (struct signing){.csr_pem = BUF(8192), .issuer = issuer};
    strlist_add(&names.dns_names, "a.example");
    bed_csr(&names, key, &signing->csr_pem);
    signing->request = (struct certificate_request){
        .object = {.kind = &kind_certificate_request,
                   .metadata = {.name = "req", .namespace = "default", .uid = "uid-r"}},
        .spec = {.request = bytes_of(buf_str(&signing->csr_pem), signing->csr_pem.len)},
    };
    signing->input = (struct sign_input){.issuer = &signing->issuer,
                                         .request = &signing->request.object};
}

static inline int bed_sign(struct bed *bed, const struct issuer_ops *ops, struct signing *signing,
                           struct err *err)
{
    signing->result = (struct sign_result){};
    return ops->sign(&bed->issuers, &bed->ctx, &signing->input, bed->arena, &signing->result, err);
}

#endif
