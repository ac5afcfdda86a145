/* caches.c - one row per kind: decode function and indexes. */
#include "controller/caches.h"
#include "controller/challenges.h"

#include "controller/facts.h"
#include "controller/keystores.h"

char *index_name_value(const char *namespace, const char *name)
{
    return xasprintf("%s/%s", str_or(namespace, ""), str_or(name, ""));
}

char *index_issuer_value(const struct issuer_reference *ref, const char *namespace)
{
    const char *kind = issuer_reference_kind(ref);

    return xasprintf("%s/%s/%s", kind, streq(kind, "ClusterIssuer") ? "" : str_or(namespace, ""),
                     str_or(ref->name, ""));
}

char *index_signer_value(const struct signer *signer)
{
    return xasprintf("%s/%.*s/%s", signer->is_cluster ? "ClusterIssuer" : "Issuer",
                     (int)signer->namespace_len, str_or(signer->namespace, ""), signer->name);
}

static void emit_name(const char *namespace, const char *name, cache_emit_fn *emit, void *arg)
{
    cleanup(xfree) char *value = NULL;

    if (str_empty(name))
        return;
    value = index_name_value(namespace, name);
    emit(arg, value);
}

static void emit_issuer(const struct object *object, const struct issuer_reference *ref,
                        cache_emit_fn *emit, void *arg)
{
    cleanup(xfree) char *value = index_issuer_value(ref, object->metadata.namespace);

    emit(arg, value);
}

/* --- index functions --- */

static void owner_values(const void *object, cache_emit_fn *emit, void *arg)
{
    const struct owner_reference *owner = object_controller(object);

    if (owner && owner->uid)
        emit(arg, owner->uid);
}

static void secret_name_values(const void *object, cache_emit_fn *emit, void *arg)
{
    const struct certificate *crt = object;

    emit_name(crt->object.metadata.namespace, crt->spec.secret_name, emit, arg);
}

/* One Secret for both formats is one value. */
static void password_secret_values(const void *object, cache_emit_fn *emit, void *arg)
{
    const struct certificate *crt = object;
    const char *names[KEYSTORE_FORMAT_COUNT] = {};

    for (int i = 0; i < KEYSTORE_FORMAT_COUNT; i++) {
        struct keystore_wish wish = keystore_wish_of(&crt->spec, (enum keystore_format)i);

        names[i] = wish.create && wish.ref ? wish.ref->name : NULL;
        if (i == 0 || !streq(names[i], names[0]))
            emit_name(crt->object.metadata.namespace, names[i], emit, arg);
    }
}

static void certificate_issuer_values(const void *object, cache_emit_fn *emit, void *arg)
{
    const struct certificate *crt = object;

    emit_issuer(object, &crt->spec.issuer_ref, emit, arg);
}

static void request_issuer_values(const void *object, cache_emit_fn *emit, void *arg)
{
    const struct request_facts *request = object;

    emit_issuer(object, &request->request.spec.issuer_ref, emit, arg);
}

static void request_key_values(const void *object, cache_emit_fn *emit, void *arg)
{
    const struct request_facts *request = object;

    if (!request->has_certificate)
        emit_name(request->request.object.metadata.namespace,
                  object_annotation(object, ANNOTATION_PRIVATE_KEY_SECRET), emit, arg);
}

/* The issuer of one that is open. False: it waits for none. */
static bool open_signer(const struct signing_request_facts *facts, struct signer *ret)
{
    return signing_request_is_open(facts) && signer_parse(facts->request.spec.signer_name, ret);
}

static void signing_issuer_values(const void *object, cache_emit_fn *emit, void *arg)
{
    const struct signing_request_facts *facts = object;
    cleanup(xfree) char *value = NULL;
    struct signer signer;

    if (!open_signer(facts, &signer))
        return;
    value = index_signer_value(&signer);
    emit(arg, value);
}

/* The key is where the issuer has its Secrets; of a ClusterIssuer as in cluster_issuer_secret_values(). */
static void signing_key_values(const void *object, cache_emit_fn *emit, void *arg)
{
    const struct signing_request_facts *facts = object;
    cleanup(xfree) char *namespace = NULL;
    struct signer signer;

    if (!open_signer(facts, &signer))
        return;
    namespace = xasprintf("%.*s", (int)signer.namespace_len, str_or(signer.namespace, ""));
    emit_name(namespace, object_annotation(object, ANNOTATION_SIGNING_KEY_SECRET), emit, arg);
}

static void order_issuer_values(const void *object, cache_emit_fn *emit, void *arg)
{
    const struct order_facts *order = object;

    emit_issuer(object, &order->order.spec.issuer_ref, emit, arg);
}

static void challenge_issuer_values(const void *object, cache_emit_fn *emit, void *arg)
{
    const struct challenge *challenge = object;

    emit_issuer(object, &challenge->spec.issuer_ref, emit, arg);
}

static void place_values(const void *object, cache_emit_fn *emit, void *arg)
{
    const struct challenge *challenge = object;

    if (challenge->status.presented && !state_is_final(challenge->status.state))
        emit(arg, PLACE_PRESENTED);
    if (!challenge_holds_place(object))
        return;
    emit(arg, "*");
    emit(arg, str_or(((const struct object *)object)->metadata.namespace, ""));
}

void issuer_used_secrets(const struct issuer *issuer, const char *namespace, cache_emit_fn *emit,
                         void *arg)
{
    const struct acme_issuer *acme = issuer->spec.acme;

    if (issuer->spec.ca)
        emit_name(namespace, issuer->spec.ca->secret_name, emit, arg);
    if (!acme)
        return;
    emit_name(namespace, acme->private_key_secret_ref.name, emit, arg);
    if (acme->external_account_binding)
        emit_name(namespace, acme->external_account_binding->key_secret_ref.name, emit, arg);
    for (size_t i = 0; i < acme->solvers.len; i++) {
        const struct acme_dns01 *dns01 = acme->solvers.items[i].dns01;

        if (dns01 && dns01->rfc2136 && dns01->rfc2136->tsig_secret_secret_ref)
            emit_name(namespace, dns01->rfc2136->tsig_secret_secret_ref->name, emit, arg);
    }
}

static void issuer_secret_values(const void *object, cache_emit_fn *emit, void *arg)
{
    const struct issuer *issuer = object;

    issuer_used_secrets(issuer, issuer->object.metadata.namespace, emit, arg);
}

/* A ClusterIssuer's Secrets are in one namespace that a flag names: indexed without it. */
static void cluster_issuer_secret_values(const void *object, cache_emit_fn *emit, void *arg)
{
    issuer_used_secrets(object, "", emit, arg);
}

static const struct cache_index certificate_indexes[] = {
    {INDEX_SECRET_NAME, secret_name_values},
    {INDEX_ISSUER, certificate_issuer_values},
    {INDEX_PASSWORD_SECRET, password_secret_values},
};
static const struct cache_index request_indexes[] = {{INDEX_OWNER, owner_values},
                                                     {INDEX_ISSUER, request_issuer_values},
                                                     {INDEX_KEY_SECRET, request_key_values}};
static const struct cache_index order_indexes[] = {{INDEX_OWNER, owner_values},
                                                   {INDEX_ISSUER, order_issuer_values}};
static const struct cache_index challenge_indexes[] = {{INDEX_OWNER, owner_values},
                                                       {INDEX_ISSUER, challenge_issuer_values},
                                                       {INDEX_PLACE, place_values}};
static const struct cache_index issuer_indexes[] = {{INDEX_USED_SECRET, issuer_secret_values}};
static const struct cache_index cluster_issuer_indexes[] = {
    {INDEX_USED_SECRET, cluster_issuer_secret_values}};
static const struct cache_index signing_request_indexes[] = {
    {INDEX_ISSUER, signing_issuer_values}, {INDEX_KEY_SECRET, signing_key_values}};
static const struct cache_index secret_indexes[] = {{INDEX_OWNER, owner_values}};

/* --- decode --- */

#define DEFINE_DECODE(name)                                                                        \
    static int name##_decode(const struct json *value, const void **ret, struct err *err)          \
    {                                                                                              \
        const struct object *object;                                                               \
        int r = object_decode_cached(&kind_##name, value, &object, err);                           \
                                                                                                   \
        if (r == 0)                                                                                \
            *ret = object;                                                                         \
        return r;                                                                                  \
    }                                                                                              \
    struct base_swallow_semicolon

DEFINE_DECODE(certificate);
DEFINE_DECODE(issuer);
DEFINE_DECODE(cluster_issuer);
DEFINE_DECODE(challenge);

static int secret_decode(const struct json *value, const void **ret, struct err *err)
{
    const struct secret_facts *facts;
    int r = secret_facts_decode(value, &facts, err);

    if (r == 0)
        *ret = facts;
    return r;
}

/* --- keep --- */

static struct bytes known(struct cache_names names)
{
    return bytes_of(names.text, names.len);
}

static void freeze_object(const void *form, const void *object, struct cache_names names,
                          struct buf *to)
{
    object_freeze(form, object, known(names), to);
}

static const void *thaw_object(const void *form, const void *frozen, struct cache_names names)
{
    return object_thaw(form, frozen, known(names));
}

static const void *ref(const void *object)
{
    return object_ref(object);
}

static void unref(const void *object)
{
    object_unref(object);
}

static const struct object_form certificate_form = {&kind_certificate, &certificate_fields};
static const struct object_form issuer_form = {&kind_issuer, &issuer_fields};
static const struct object_form cluster_issuer_form = {&kind_cluster_issuer, &issuer_fields};
static const struct object_form challenge_form = {&kind_challenge, &challenge_fields};

#define ROW(kind_, decode_, form_, indexes_)                                                       \
    {                                                                                              \
        .resource = &kind_.resource, .decode = decode_, .ref = ref, .unref = unref,                \
        .freeze = freeze_object, .thaw = thaw_object, .form = &form_, .indexes = indexes_,         \
        .index_count = ARRAY_LEN(indexes_)                                                         \
    }

static const struct {
    size_t offset;
    struct cache_kind kind;
} rows[] = {
    {offsetof(struct caches, certificates),
     ROW(kind_certificate, certificate_decode, certificate_form, certificate_indexes)},
    {offsetof(struct caches, requests),
     ROW(kind_certificate_request, request_facts_decode, request_facts_form, request_indexes)},
    {offsetof(struct caches, issuers),
     ROW(kind_issuer, issuer_decode, issuer_form, issuer_indexes)},
    {offsetof(struct caches, cluster_issuers),
     ROW(kind_cluster_issuer, cluster_issuer_decode, cluster_issuer_form, cluster_issuer_indexes)},
    {offsetof(struct caches, orders),
     ROW(kind_order, order_facts_decode, order_facts_form, order_indexes)},
    {offsetof(struct caches, challenges),
     ROW(kind_challenge, challenge_decode, challenge_form, challenge_indexes)},
    {offsetof(struct caches, secrets),
     ROW(kind_secret, secret_decode, secret_facts_form, secret_indexes)},
    {offsetof(struct caches, signing_requests),
     ROW(kind_signing_request, signing_request_facts_decode, signing_request_facts_form,
         signing_request_indexes)},
};

static struct cache **slot(struct caches *caches, size_t i)
{
    return (struct cache **)((char *)caches + rows[i].offset);
}

struct cache *cache_of(struct caches *caches, const struct resource *resource)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].kind.resource == resource)
            return *slot(caches, i);
    }
    return NULL;
}

void caches_init(struct caches *caches)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        *slot(caches, i) = cache_new(&rows[i].kind);
}

/* --- sources --- */

/* Ours in full, of the others that there are such (kubernetes.md 5). */
static const struct store_view whole = {};
static const struct store_view our_secrets = {.label_selector = LABEL_FAO "=true"};
static const struct store_view their_secrets = {.label_selector = LABEL_FAO "!=true",
                                                .metadata_only = true};
/* Signers of the cluster itself have the most requests, one per node and year or more. */
static const struct store_view foreign_signers_left_out = {
    .field_selector = "spec.signerName!=kubernetes.io/kube-apiserver-client,"
                      "spec.signerName!=kubernetes.io/kube-apiserver-client-kubelet,"
                      "spec.signerName!=kubernetes.io/kubelet-serving"};

static void add_source(struct cache *cache, struct manager *manager, const struct store_view *of,
                       const char *namespace)
{
    struct store_view view = *of;

    view.namespace = namespace;
    manager_add_source(manager, cache, &view);
}

static void add_sources(struct cache *cache, struct manager *manager,
                        const struct controllers_options *options, const char *namespace)
{
    bool split = options->split_secrets && cache_kind(cache)->resource == &kind_secret.resource;

    add_source(cache, manager, split ? &our_secrets : &whole, namespace);
    if (split)
        add_source(cache, manager, &their_secrets, namespace);
}

static void add_signing_requests(struct caches *caches, struct manager *manager,
                                 const struct controllers_options *options)
{
    if (options->signing_requests)
        add_source(caches->signing_requests, manager, &foreign_signers_left_out, NULL);
}

/* With a list of namespaces, what is in none is not looked at: ClusterIssuers (cli-metrics-helm.md 1.2). */
void caches_add_to(struct caches *caches, struct manager *manager,
                   const struct controllers_options *options)
{
    const struct strlist *namespaces = &options->only_namespaces;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct cache *cache = *slot(caches, i);

        if (cache == caches->signing_requests)
            continue;
        if (namespaces->len == 0)
            add_sources(cache, manager, options, NULL);
        else if (!rows[i].kind.resource->namespaced && options->with_cluster_issuers)
            add_source(cache, manager, &whole, NULL);
        for (size_t j = 0; j < namespaces->len && rows[i].kind.resource->namespaced; j++)
            add_sources(cache, manager, options, namespaces->items[j]);
    }
    add_signing_requests(caches, manager, options);
}

void caches_deinit(struct caches *caches)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cache_free(*slot(caches, i));
        *slot(caches, i) = NULL;
    }
}
