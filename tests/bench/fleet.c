/*
 * fleet.c - one Certificate through everything that issuing it leaves in the store (fleet.h).
 *
 *   request ─► its status ─► order ─► its status ─► target Secret ─► Certificate status
 */
#include <string.h>

#include "base/base64.h"
#include "base/limits.h"
#include "bench/fleet.h"
#include "controller/certificate_decide.h"
#include "controller/manifests.h"
#include "controller/target_secret.h"
#include "issuer/order.h"
#include "store/local.h"

#define ACCOUNT_SECRET "acme-account"
#define ACCOUNT_URL    "https://127.0.0.1:1/account/1"

struct fleet {
    struct context ctx;
    struct store *store;
    struct fleet_ca *ca;
    const struct issuer *issuer;
    const struct pkey *pool[FLEET_RSA_POOL]; /* all NULL: a P-256 key each */
    int64_t now_ms;
};

/* --- store --- */

static int read_object(struct fleet *self, const struct kind *kind, const char *name,
                       const struct object **ret, struct err *err)
{
    struct key key = {.namespace = FLEET_NAMESPACE, .name = name};
    cleanup(json_unref) struct json *value = NULL;
    int r = store_get(self->store, &self->ctx, &kind->resource, &key, &value, err);

    return r < 0 ? r : object_decode(kind, value, NULL, ret, err);
}

static int create(struct fleet *self, const struct kind *kind, const char *manager,
                  const struct json *object, const struct object **ret, struct err *err)
{
    cleanup(json_unref) struct json *stored = NULL;
    int r = store_create(self->store, &self->ctx, &kind->resource, manager, object, &stored, err);

    return r < 0 ? r : object_decode(kind, stored, NULL, ret, err);
}

/* `ret` may be NULL. */
static int write_status_of(struct fleet *self, const struct object *object, const void *status,
                           const char *manager, struct json **ret, struct err *err)
{
    cleanup(json_unref) struct json *body = object_status_json(object, status);

    return store_update(self->store, &self->ctx, &object->kind->resource, STORE_STATUS, manager,
                        body, ret, err);
}

static void note(struct fleet *self, const struct object *about, const char *reason,
                 const char *message, const char *manager)
{
    struct store_note event = {
        .resource = &about->kind->resource,
        .key = object_key(about),
        .uid = about->metadata.uid,
        .type = EVENT_NORMAL,
        .reason = reason,
        .message = message,
        .manager = manager,
    };

    store_note(self->store, &self->ctx, &event);
}

static struct condition condition(struct fleet *self, const char *type, const char *reason,
                                  const char *message)
{
    return (struct condition){.type = type,
                              .status = CONDITION_TRUE,
                              .last_transition_time_ms = self->now_ms,
                              .reason = reason,
                              .message = message};
}

/* --- the Issuer --- */

static int make_account(struct fleet *self, char **ret_hash, struct err *err)
{
    cleanup(pkey_unref) const struct pkey *key = NULL;
    cleanup(buf_deinit) struct buf pem = BUF_SECRET(LIMIT_KEY_PEM);
    cleanup(xfree_secret) char *text = NULL;
    cleanup(json_unref) struct json *secret = json_new_map();
    struct json *metadata = json_need_map(secret, "metadata");
    int r = pkey_generate(KEY_RSA, 2048, &key, err);

    if (r < 0)
        return r;
    pkey_to_pem(key, KEY_PKCS1, &pem);
    text = base64_new(buf_str(&pem), pem.len);
    json_set_text(secret, "apiVersion", "v1");
    json_set_text(secret, "kind", "Secret");
    json_set_text(secret, "type", "Opaque");
    json_set_text(metadata, "name", ACCOUNT_SECRET);
    json_set_text(metadata, "namespace", FLEET_NAMESPACE);
    json_set_text(json_need_map(metadata, "labels"), LABEL_MANAGED_BY, "cert-manager");
    json_set_text(json_need_map(secret, "data"), "tls.key", text);
    *ret_hash = pkey_private_hash_base64(key);
    return store_create(self->store, &self->ctx, &kind_secret.resource, MANAGER_ISSUERS, secret,
                        NULL, err);
}

static int make_issuer(struct fleet *self, struct err *err)
{
    cleanup(xfree) char *hash = NULL;
    cleanup(object_unref) const struct object *object = NULL;
    struct condition ready = condition(self, "Ready", "ACMEAccountRegistered",
                                       "The ACME account was registered with the ACME server");
    struct issuer_acme_status account = {.uri = (char *)ACCOUNT_URL,
                                         .last_registered_email = "admin@example.com"};
    struct issuer_status status = {.conditions = {&ready, 1}, .acme = &account};
    int r = make_account(self, &hash, err);

    if (r == 0)
        r = read_object(self, &kind_issuer, FLEET_ISSUER, &object, err);
    if (r < 0)
        return r;
    ready.observed_generation = object->metadata.generation;
    account.last_private_key_hash = hash;
    r = write_status_of(self, object, &status, MANAGER_ISSUERS, NULL, err);
    if (r == 0)
        r = read_object(self, &kind_issuer, FLEET_ISSUER, (const struct object **)&self->issuer,
                        err);
    return r;
}

/* --- life --- */

static int open_store(struct fleet *self, const char *dir, struct err *err)
{
    cleanup(xfree) char *path = xasprintf("%s/state.db", dir);
    struct local_options options = {
        .path = path, .clock = self->ctx.clock, .resources = kind_resources};

    return store_local_open(&options, &self->store, err);
}

static int load_manifests(struct fleet *self, const char *dir, struct err *err)
{
    cleanup(xfree) char *folder = xasprintf("%s/manifests", dir);
    cleanup(manifests_free) struct manifests *manifests = NULL;
    cleanup(manifest_problems_deinit) struct manifest_problems problems = {};
    struct manifests_options options = {
        .folder = folder, .store = self->store, .clock = self->ctx.clock};
    int r = manifests_new(&options, &manifests, err);

    if (r == 0)
        r = manifests_load(manifests, &self->ctx, err);
    if (r < 0)
        return r;
    manifests_problems(manifests, &problems);
    if (problems.len > 0)
        return err_set(err, ERR_INVALID, "%s", problems.items[0].text);
    return 0;
}

static int make_pool(struct fleet *self, struct err *err)
{
    int r = 0;

    for (int i = 0; r == 0 && i < FLEET_RSA_POOL; i++)
        r = pkey_generate(KEY_RSA, 2048, &self->pool[i], err);
    return r;
}

int fleet_new(const struct fleet_options *options, const struct context *ctx, struct fleet **ret,
              struct err *err)
{
    cleanup(fleet_free) struct fleet *self = xalloc(sizeof(*self));
    int r;

    self->ctx = *ctx;
    self->now_ms = context_now_ms(ctx);
    r = fleet_ca_new(&self->ca, err);
    if (r == 0 && options->rsa)
        r = make_pool(self, err);
    if (r == 0)
        r = open_store(self, options->dir, err);
    if (r == 0)
        r = load_manifests(self, options->dir, err);
    if (r == 0)
        r = make_issuer(self, err);
    if (r < 0)
        return r;
    *ret = take(self);
    return 0;
}

void fleet_free(struct fleet *self)
{
    if (!self)
        return;
    if (self->issuer)
        object_unref(&self->issuer->object);
    if (self->store)
        store_close(self->store);
    fleet_ca_free(self->ca);
    for (int i = 0; i < FLEET_RSA_POOL; i++)
        pkey_unref_ptr(&self->pool[i]);
    xfree(self);
}

/* --- one Certificate --- */

struct issuance {
    struct fleet *fleet;
    struct arena *arena;
    const struct pkey *key;
    struct buf csr_pem, chain_pem, key_pem;
    const struct object *crt, *request, *order;
    struct json *stored_request, *stored_secret;
};

static void issuance_deinit(struct issuance *self)
{
    object_unref_ptr(&self->crt);
    object_unref_ptr(&self->request);
    object_unref_ptr(&self->order);
    json_unref(self->stored_request);
    json_unref(self->stored_secret);
    buf_deinit(&self->csr_pem);
    buf_deinit(&self->chain_pem);
    buf_deinit(&self->key_pem);
    pkey_unref_ptr(&self->key);
    arena_free(self->arena);
}
DEFINE_CLEANUP_VALUE(struct issuance, issuance_deinit);

static const struct certificate *certificate_of(const struct issuance *self)
{
    return (const struct certificate *)self->crt;
}

static int make_key(struct issuance *self, int i, struct err *err)
{
    const struct pkey *pooled = self->fleet->pool[i % FLEET_RSA_POOL];
    int r = 0;

    if (pooled)
        self->key = pkey_ref(pooled);
    else
        r = pkey_generate(KEY_ECDSA, 256, &self->key, err);
    if (r == 0)
        pkey_to_pem(self->key, KEY_PKCS1, &self->key_pem);
    return r;
}

/* The CSR as certificate.c makes it, and the CA's answer. */
static int make_chain(struct issuance *self, struct err *err)
{
    const struct certificate_spec *spec = &certificate_of(self)->spec;
    cleanup(x509_names_deinit) struct x509_names names = {};
    cleanup(csr_free) struct csr *csr = NULL;
    struct csr_request request = {
        .names = &names, .usages = usages_of(&spec->usages, false), .encode_usages = true};
    int r;

    for (size_t i = 0; i < spec->dns_names.len; i++)
        strlist_add(&names.dns_names, spec->dns_names.items[i]);
    r = csr_new(&request, self->key, &csr, err);
    if (r < 0)
        return r;
    csr_to_pem(csr, &self->csr_pem);
    return fleet_ca_issue(self->fleet->ca, csr, self->fleet->now_ms, &self->chain_pem, err);
}

static struct json *request_json(struct issuance *self)
{
    const struct certificate *crt = certificate_of(self);
    const char *name = crt->object.metadata.name;
    struct pair items[] = {
        {ANNOTATION_REVISION, "1"},
        {ANNOTATION_PRIVATE_KEY_SECRET, arena_printf(self->arena, "%s-0badcafe", name)},
        {ANNOTATION_CERTIFICATE_NAME, name},
    };
    struct array_pair annotations = {items, ARRAY_LEN(items)};
    struct certificate_request_spec spec = {
        .issuer_ref = crt->spec.issuer_ref,
        .request = bytes_of(buf_str(&self->csr_pem), self->csr_pem.len),
    };
    struct json *request = child_json(&kind_certificate_request,
                                      arena_printf(self->arena, "%s-1", name), self->crt, NULL,
                                      &annotations);

    json_set(request, "spec", fields_encode(&certificate_request_spec_fields, &spec));
    return request;
}

static int make_request(struct issuance *self, struct err *err)
{
    cleanup(json_unref) struct json *json = request_json(self);
    struct condition conditions[] = {
        condition(self->fleet, "Approved", "cert-manager.io",
                  "Certificate request has been approved by cert-manager.io"),
        condition(self->fleet, "Ready", "Issued", "Certificate fetched from issuer successfully"),
    };
    struct certificate_request_status status = {
        .conditions = {conditions, ARRAY_LEN(conditions)},
        .certificate = bytes_of(buf_str(&self->chain_pem), self->chain_pem.len),
    };
    int r = create(self->fleet, &kind_certificate_request, MANAGER_CERTS, json, &self->request,
                   err);

    if (r < 0)
        return r;
    return write_status_of(self->fleet, self->request, &status, MANAGER_REQUESTS,
                           &self->stored_request, err);
}

static struct json *order_json(struct issuance *self, const struct order_spec *spec)
{
    cleanup(xfree) char *name = order_name(self->request, spec);
    struct json *order = child_json(&kind_order, name, self->request, NULL,
                                    &self->request->metadata.annotations);

    json_set(order, "spec", fields_encode(&order_spec_fields, spec));
    return order;
}

/* Of an authorization that was proved by a Challenge only the URL is stored. */
static void authorizations_of(struct issuance *self, const struct order_spec *spec,
                              struct order_status *ret)
{
    ret->authorizations.items = arena_alloc(self->arena, spec->dns_names.len *
                                                             sizeof(*ret->authorizations.items));
    ret->authorizations.len = spec->dns_names.len;
    for (size_t i = 0; i < spec->dns_names.len; i++)
        ret->authorizations.items[i] = (struct order_authorization){
            .url = arena_printf(self->arena, "https://127.0.0.1:1/authz/%s/%zu",
                                self->crt->metadata.name, i),
        };
}

static int make_order(struct issuance *self, struct err *err)
{
    const char *name = self->crt->metadata.name;
    struct order_status status = {
        .url = arena_printf(self->arena, "https://127.0.0.1:1/order/%s", name),
        .finalize_url = arena_printf(self->arena, "https://127.0.0.1:1/finalize/%s", name),
        .certificate = bytes_of(buf_str(&self->chain_pem), self->chain_pem.len),
        .state = STATE_VALID,
    };
    cleanup(json_unref) struct json *json = NULL;
    struct order_spec spec = {};
    struct issuers issuers = {};
    struct signable asked;
    int r = signable_of(&issuers, self->fleet->issuer, self->request, &asked, err);

    if (r == 0)
        r = order_spec_of(self->fleet->issuer, &asked, NULL, self->arena, &spec, err);
    if (r < 0)
        return r;
    json = order_json(self, &spec);
    r = create(self->fleet, &kind_order, "cert-manager-certificaterequests-issuer-acme", json,
               &self->order, err);
    if (r < 0)
        return r;
    authorizations_of(self, &spec, &status);
    return write_status_of(self->fleet, self->order, &status, MANAGER_ORDERS, NULL, err);
}

static int make_secret(struct issuance *self, struct err *err)
{
    struct target_secret target = {
        .crt = certificate_of(self),
        .issuer_name = FLEET_ISSUER,
        .issuer_kind = "Issuer",
        .issuer_group = "",
        .key_pem = buf_str(&self->key_pem),
        .chain_pem = buf_str(&self->chain_pem),
    };
    cleanup(json_unref) struct json *json = NULL;
    int r = target_secret_json(&target, &json, err);

    if (r < 0)
        return r;
    return store_apply(self->fleet->store, &self->fleet->ctx, &kind_secret.resource,
                       MANAGER_ISSUING, json, &self->stored_secret, err);
}

/* The decision that ends an issuance, from the facts as the caches would hold them. */
static int make_ready(struct issuance *self, struct err *err)
{
    cleanup(object_unref) const struct secret_facts *secret = NULL;
    cleanup(object_unref) const struct request_facts *request = NULL;
    struct condition issuing = condition(self->fleet, "Issuing", "DoesNotExist",
                                         "Issuing certificate as Secret does not exist");
    struct certificate issued = *certificate_of(self);
    struct certificate_facts facts = {.crt = &issued, .issuer = self->fleet->issuer};
    struct certificate_policy policy = {.now_ms = self->fleet->now_ms};
    struct certificate_decision decision;
    int r = secret_facts_decode(self->stored_secret, &secret, err);

    if (r == 0)
        r = request_facts_decode(self->stored_request, (const void **)&request, err);
    if (r < 0)
        return r;
    issued.status = (struct certificate_status){.conditions = {&issuing, 1},
                                                .next_private_key_secret_name = "stored-already"};
    facts.secret = secret;
    facts.requests = &request;
    facts.request_count = 1;
    certificate_decide(&facts, &policy, self->arena, &decision);
    if (decision.action != CERTIFICATE_FINISH)
        return err_set(err, ERR_INTERNAL, "'%s' is not finished, but: %s", self->crt->metadata.name,
                       certificate_action_name(decision.action));
    return write_status_of(self->fleet, self->crt, &decision.status, MANAGER_CERTS, NULL, err);
}

static void make_events(struct issuance *self)
{
    struct fleet *fleet = self->fleet;

    note(fleet, self->crt, "Issuing", "Issuing certificate as Secret does not exist",
         "certificates");
    note(fleet, self->order, "Complete", "Order completed successfully", "orders");
    note(fleet, self->crt, "Issuing", "The certificate has been successfully issued",
         "certificates");
}

int fleet_issue(struct fleet *fleet, int i, struct err *err)
{
    static int (*const steps[])(struct issuance *, struct err *) = {
        make_chain, make_request, make_order, make_secret, make_ready};
    cleanup(issuance_deinit) struct issuance self = {
        .fleet = fleet,
        .arena = arena_new(0),
        .csr_pem = BUF(LIMIT_BUNDLE_PEM),
        .chain_pem = BUF(LIMIT_CHAIN_BODY),
        .key_pem = BUF_SECRET(LIMIT_KEY_PEM),
    };
    char name[32];
    int r;

    fleet_certificate_name(i, name);
    r = read_object(fleet, &kind_certificate, name, &self.crt, err);
    if (r == 0)
        r = make_key(&self, i, err);
    for (size_t step = 0; r == 0 && step < ARRAY_LEN(steps); step++)
        r = steps[step](&self, err);
    if (r == 0)
        make_events(&self);
    return r;
}
