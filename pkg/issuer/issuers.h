/*
 * issuers.h - issuer types: one row each in issuer_types[] (table.c).
 *
 * setup makes an Issuer usable and says so in its Ready condition; sign turns an approved request
 * into a certificate or says what it waits for. Both are idempotent, never wait, and are called by
 * reconcilers (any worker thread).
 */
#ifndef ISSUER_ISSUERS_H
#define ISSUER_ISSUERS_H

#include "acme/acme.h"
#include "acme/gate.h"
#include "api/certificate_request.h"
#include "api/issuer.h"
#include "api/order.h"
#include "api/secret.h"
#include "cache/derived.h"
#include "cache/written.h"
#include "store/store.h"

struct accounts;

struct issuers { /* what issuer types need; constant after start, parts are borrowed */
    struct store *store;
    struct http *http;
    struct cache *orders;  /* struct order with digested bytes, see controller/caches.h */
    struct cache *secrets; /* struct secret_facts */
    struct accounts *accounts;
    struct written *written;            /* requests and Orders as we wrote them last */
    struct derived *ca_keys;            /* struct ca, by Secret */
    const char *resource_namespace;     /* where a ClusterIssuer's Secrets live */
    const char *manager;                /* field manager of what setup and sign write */
    enum key_algorithm new_account_key; /* KEY_RSA (2048) or KEY_ECDSA (256) */
};

/* Of an Issuer, for all that it signs, and of a Certificate, for what was issued. */
#define EVENT_CHAIN_REFUSED "ChainRefused"

struct setup_result {
    struct condition ready;          /* type is "Ready"; texts in the arena */
    struct issuer_acme_status *acme; /* new status.acme, NULL: unchanged */
    bool clear_acme;
    int64_t requeue_at_ms;    /* 0: when something changes */
    const char *event_reason; /* NULL: no event */
    bool event_warning;
};
/* What is to be signed. */
struct sign_input {
    const struct issuer *issuer;
    const struct object *request; /* of a kind of signable.c; without its bytes it is read live */
    const char *replaces;         /* certID of the certificate before; NULL */
    const struct pkey *key;       /* the private key, where the caller has it; NULL */
    bool is_own; /* the caller made the CSR for 'key', and it has not been changed */
    const struct array_pair *order_annotations; /* NULL: all that the request has */
};
enum sign_state { SIGN_PENDING, SIGN_ISSUED, SIGN_FAILED };
struct sign_result {
    enum sign_state state;
    const char *reason; /* "OrderCreated", "OrderFailed": the event; texts in the arena */
    const char *message;
    const char *warning; /* with SIGN_ISSUED: event BadConfig; with SIGN_PENDING: OrderNameTaken;
                          * NULL: none */
    struct bytes certificate, ca; /* PEM, with SIGN_ISSUED; in the arena */
    bool may_be_refused; /* with SIGN_ISSUED: by its CA, clients may have something against it */
    int64_t requeue_at_ms;
    const char *order_version; /* resourceVersion of an Order that was made now; NULL: none */
};

struct issuer_ops {
    const char *type; /* "acme" */
    bool
        signs_at_once; /* sign needs nobody but us and a Secret: it does not leave things waiting */
    bool (*is_configured)(const struct issuer_spec *spec);
    int (*setup)(struct issuers *issuers, const struct context *ctx, const struct issuer *issuer,
                 struct arena *arena, struct setup_result *ret, struct err *err);
    int (*sign)(struct issuers *issuers, const struct context *ctx, const struct sign_input *input,
                struct arena *arena, struct sign_result *ret, struct err *err);
};
extern const struct issuer_ops issuer_acme, issuer_ca, issuer_self_signed;
const struct issuer_ops *issuer_type_of(
    const struct issuer_spec *spec); /* NULL: none, or not built */
/* Its type by name, also one that is not built; NULL: none. */
const char *issuer_type_name(const struct issuer_spec *spec);

/* --- signable.c: what a request asks for, of whatever kind it is --- */

struct signable { /* borrows from request and issuer */
    const struct object *object;
    struct bytes request; /* the CSR; empty: left out of the object */
    struct issuer_reference issuer_ref;
    struct opt_duration duration;
    bool is_ca;
    key_usages usages;
    const char *namespace;      /* of the Secret with its key, and of its Order */
    const char *key_annotation; /* names that Secret */
    bool is_plain;              /* its Order has neither a profile nor what it replaces */
};
/* ERR_INVALID: it says something that cannot be meant, or means another issuer. */
int signable_of(const struct issuers *issuers, const struct issuer *issuer,
                const struct object *request, struct signable *ret, struct err *err);
/* Is the request there that controls this Order, by its uid? Read live. */
int signable_is_served(const struct issuers *issuers, const struct context *ctx,
                       const struct object *order, bool *ret, struct err *err);

/* Namespace in which the issuer's Secret references resolve. */
const char *issuer_secret_namespace(const struct issuers *issuers, const struct issuer *issuer);
/* In full what a cache has without its bytes: as we have just written it, if that is what the cache shows;
 * else as it is now, which may be newer. ERR_NOT_FOUND: it is gone, and perhaps made again. */
int issuers_read_full(const struct issuers *issuers, const struct context *ctx,
                      const struct object *cached, const struct object **ret, struct err *err);

/* --- ca_keys.c: CA certificates with their keys, decoded, by Secret. Any thread. --- */

struct ca {            /* counted, immutable; the key is wiped with it */
    struct cert *cert; /* tls.crt's first */
    const struct pkey *key;
    char *above_pem; /* between it and the root, itself included unless it is the root; may be "" */
    char *root_pem;  /* the root, or the topmost that is there */
    /* What follows from the CAs alone, once for all that is signed (chain_refusals()): */
    char *refusals;       /* what clients have against it; NULL: nothing */
    struct chain bounded; /* those that may sign some names only (cert_has_bounds()) */
    struct cert *soonest; /* of those above but for the root, the first that expires; NULL: none */
};
void ca_unref(struct ca *ca);
DEFINE_CLEANUP(struct ca, ca_unref);
/* Is it a CA, with its own key, in force? ERR_INVALID says what not. */
int ca_check(const struct ca *ca, int64_t now_ms, struct err *err);
/* Can what it signs be valid, for what is in it or above it? ERR_INVALID says why clients refuse it. */
int ca_judge(const struct ca *ca, int64_t now_ms, struct err *err);
/* Is it worth a look what clients have against this one, which it has signed? */
bool ca_may_displease(const struct ca *ca, const struct cert *leaf);

struct derived *ca_keys_new(struct cache *secrets);
/* The CA in a Secret: read live once for each version of it. ERR_NOT_FOUND: there is no such Secret;
 * ERR_INVALID: what of it cannot be read. */
int ca_keys_get(struct issuers *issuers, const struct context *ctx, const struct key *secret,
                struct ca **ret, struct err *err);

/* --- accounts.c: ready ACME clients by Issuer uid. Any thread. --- */

struct accounts *accounts_new(void);
void accounts_free(struct accounts *accounts);
DEFINE_CLEANUP(struct accounts, accounts_free);
/* A reference, or NULL until the issuer's setup has put one in. */
struct acme_client *accounts_get(struct accounts *accounts, const char *issuer_uid);
struct account_entry { /* what the client was built from: rebuilt when one differs */
    const char *issuer_uid, *server, *secret_namespace, *secret_name, *secret_key;
    unsigned char settings_hash[SHA256_LEN]; /* key, caBundle, skipTLSVerify, account URL */
};
void accounts_put(struct accounts *accounts, const struct account_entry *entry,
                  struct acme_client *client);
void accounts_remove(struct accounts *accounts, const char *issuer_uid);
/* The CA has said that it does not know the account, which one answer does not prove: the next setup of the issuer asks
 * for it. */
void accounts_doubt(struct accounts *accounts, const char *issuer_uid);
bool accounts_is_in_doubt(struct accounts *accounts, const char *issuer_uid);
#define ACCOUNT_LOST "accountDoesNotExist" /* the CA's type of problem */
#define ADVICE_ON_LOST_ACCOUNT                                                                     \
    "for a new account name another Secret in spec.acme.privateKeySecretRef"
bool accounts_fits(struct accounts *accounts, const struct account_entry *entry);
/* One gate per (directory, account key): issuers that share an account share it. */
struct acme_gate *accounts_gate(struct accounts *accounts, const char *directory_url,
                                const char *key_hash);
/* Key of the annotation that keeps the gate of this directory: one Secret may serve several. */
char *accounts_gate_annotation(const char *directory_url);
/* Writes changed gates to annotations of their key Secrets: at most once a minute each unless `all`. */
void accounts_save_gates(struct accounts *accounts, struct store *store, const struct context *ctx,
                         bool all);

#endif
