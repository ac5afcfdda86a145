/*
 * accounts.c - ready ACME clients by Issuer uid, and the rate gates that issuers of one account share.
 *
 * A gate belongs to (directory, account key): two Issuers with the same key Secret spend the same
 * budgets. It is kept over restarts as an annotation of the key Secret (DESIGN 7).
 */
#include <string.h>

#include "api/kinds.h"
#include "base/log.h"
#include "base/map.h"
#include "base/thread.h"
#include "issuer/issuers.h"

#define GATE_SAVE_INTERVAL_MS MINUTES(1)

struct account {
    char *server, *secret_namespace, *secret_name, *secret_key;
    unsigned char settings_hash[SHA256_LEN];
    struct acme_client *client;
    struct acme_gate *gate;
    int64_t gate_saved_ms;
    bool in_doubt;
};

struct accounts {
    struct mutex mutex;
    struct map *by_issuer; /* uid to struct account */
    struct map *gates;     /* "directory key-hash" to struct acme_gate */
};

static void account_free(void *value)
{
    struct account *account = value;

    xfree(account->server);
    xfree(account->secret_namespace);
    xfree(account->secret_name);
    xfree(account->secret_key);
    acme_client_unref(account->client);
    acme_gate_unref(account->gate);
    xfree(account);
}

static void gate_free(void *value)
{
    acme_gate_unref(value);
}

struct accounts *accounts_new(void)
{
    struct accounts *self = xalloc(sizeof(*self));

    mutex_init(&self->mutex);
    self->by_issuer = map_new(account_free);
    self->gates = map_new(gate_free);
    return self;
}

void accounts_free(struct accounts *self)
{
    if (!self)
        return;
    map_free(self->by_issuer);
    map_free(self->gates);
    mutex_deinit(&self->mutex);
    xfree(self);
}

struct acme_client *accounts_get(struct accounts *self, const char *issuer_uid)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    struct account *account = map_get(self->by_issuer, issuer_uid);

    return account ? acme_client_ref(account->client) : NULL;
}

void accounts_put(struct accounts *self, const struct account_entry *entry,
                  struct acme_client *client)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    struct account *account = xalloc(sizeof(*account));

    account->server = xstrdup(entry->server);
    account->secret_namespace = xstrdup(entry->secret_namespace);
    account->secret_name = xstrdup(entry->secret_name);
    account->secret_key = xstrdup(entry->secret_key);
    memcpy(account->settings_hash, entry->settings_hash, SHA256_LEN);
    account->client = acme_client_ref(client);
    account->gate = acme_gate_ref(acme_client_gate(client));
    map_set(self->by_issuer, entry->issuer_uid, account);
}

void accounts_remove(struct accounts *self, const char *issuer_uid)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);

    map_remove(self->by_issuer, issuer_uid);
}

void accounts_doubt(struct accounts *self, const char *issuer_uid)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    struct account *account = map_get(self->by_issuer, issuer_uid);

    if (account)
        account->in_doubt = true;
}

bool accounts_is_in_doubt(struct accounts *self, const char *issuer_uid)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    const struct account *account = map_get(self->by_issuer, issuer_uid);

    return account && account->in_doubt;
}

bool accounts_fits(struct accounts *self, const struct account_entry *entry)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    const struct account *account = map_get(self->by_issuer, entry->issuer_uid);

    return account && streq(account->server, entry->server) &&
           streq(account->secret_namespace, entry->secret_namespace) &&
           streq(account->secret_name, entry->secret_name) &&
           streq(account->secret_key, entry->secret_key) &&
           memcmp(account->settings_hash, entry->settings_hash, SHA256_LEN) == 0;
}

struct acme_gate *accounts_gate(struct accounts *self, const char *directory_url,
                                const char *key_hash)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    cleanup(xfree) char *name = xasprintf("%s %s", directory_url, key_hash);
    struct acme_gate *gate = map_get(self->gates, name);

    if (!gate) {
        gate = acme_gate_new(directory_url);
        map_set(self->gates, name, gate);
    }
    return acme_gate_ref(gate);
}

/* --- saving gates --- */

char *accounts_gate_annotation(const char *directory_url)
{
    cleanup(xfree) char *hex = sha256_hex(directory_url, strlen(directory_url));

    return xasprintf(ANNOTATION_ACME_GATE "-%.8s", hex);
}

struct due_gate { /* what one annotation write needs, taken out of the lock */
    char *namespace, *name, *annotation;
    struct acme_gate *gate;
};

static void due_gate_deinit(struct due_gate *due)
{
    xfree(due->namespace);
    xfree(due->name);
    xfree(due->annotation);
    acme_gate_unref(due->gate);
}
DEFINE_CLEANUP_VALUE(struct due_gate, due_gate_deinit);

/* One gate whose time has come; false when there is none. */
static bool take_due(struct accounts *self, int64_t now_ms, bool all, struct due_gate *ret)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);

    map_for_each (entry, self->by_issuer) {
        struct account *account = map_entry_value(entry);

        if (!acme_gate_is_dirty(account->gate))
            continue;
        if (!all && now_ms - account->gate_saved_ms < GATE_SAVE_INTERVAL_MS)
            continue;
        account->gate_saved_ms = now_ms;
        ret->namespace = xstrdup(account->secret_namespace);
        ret->name = xstrdup(account->secret_name);
        ret->annotation = accounts_gate_annotation(account->server);
        ret->gate = acme_gate_ref(account->gate);
        return true;
    }
    return false;
}

static int save_gate(struct store *store, const struct context *ctx, const struct due_gate *due,
                     struct err *err)
{
    cleanup(xfree) char *text = acme_gate_save(due->gate, ctx);
    cleanup(json_unref) struct json *patch = json_new_map();
    struct json *annotations = json_need_map(json_need_map(patch, "metadata"), "annotations");
    struct key key = {.namespace = due->namespace, .name = due->name};
    struct store_precondition none = {};

    json_set_text(annotations, due->annotation, text);
    return store_patch(store, ctx, &kind_secret.resource, &key, &none, "cert-manager-issuers",
                       patch, NULL, err);
}

/* One gate; 1 when there was one, whether or not it could be saved: it stays in memory, and what failed
 * goes to `failed`, to be tried in the next round. */
static int save_next(struct accounts *self, struct store *store, const struct context *ctx,
                     bool all, struct map *failed)
{
    cleanup(due_gate_deinit) struct due_gate due = {};
    struct err err = {};

    if (!take_due(self, context_now_ms(ctx), all, &due))
        return 0;
    if (save_gate(store, ctx, &due, &err) < 0) {
        cleanup(xfree) char *name = xasprintf("%s/%s %s", due.namespace, due.name, due.annotation);

        log_debug(ctx, "saving the rate gate to secret '%s': %s", name, err.text);
        map_set(failed, name, take(due.gate));
    }
    return 1;
}

void accounts_save_gates(struct accounts *self, struct store *store, const struct context *ctx,
                         bool all)
{
    cleanup(map_free) struct map *failed = map_new(gate_free);

    while (save_next(self, store, ctx, all, failed))
        ;
    map_for_each (entry, failed)
        acme_gate_mark_dirty(map_entry_value(entry));
}
