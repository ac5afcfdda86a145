/* keystores.c - which key stores a target Secret has, and making them. */
#include "controller/keystores.h"

#include <string.h>

#include "base/base64.h"
#include "base/limits.h"
#include "controller/target_secret.h"

static const struct store {
    const char *entry; /* in the Secret's data */
    enum keystore_format format;
    bool trust; /* of CAs only */
} stores[] = {
    {"keystore.jks", KEYSTORE_JKS, false},
    {"truststore.jks", KEYSTORE_JKS, true},
    {"keystore.p12", KEYSTORE_PKCS12, false},
    {"truststore.p12", KEYSTORE_PKCS12, true},
};

void keystore_passwords_deinit(struct keystore_passwords *passwords)
{
    for (int i = 0; i < KEYSTORE_FORMAT_COUNT; i++)
        buf_deinit(&passwords->of[i]);
}

/* --- what is asked for --- */

static struct keystore_wish jks_wish(const struct jks_keystore *jks)
{
    if (!jks)
        return (struct keystore_wish){};
    return (struct keystore_wish){.create = jks->create.value,
                                  .path = "spec.keystores.jks",
                                  .ref = jks->password_secret_ref,
                                  .literal = jks->password};
}

static struct keystore_wish pkcs12_wish(const struct pkcs12_keystore *pkcs12)
{
    if (!pkcs12)
        return (struct keystore_wish){};
    return (struct keystore_wish){.create = pkcs12->create.value,
                                  .path = "spec.keystores.pkcs12",
                                  .ref = pkcs12->password_secret_ref,
                                  .literal = pkcs12->password};
}

struct keystore_wish keystore_wish_of(const struct certificate_spec *spec,
                                      enum keystore_format format)
{
    const struct certificate_keystores *keystores = spec->keystores;

    if (!keystores)
        return (struct keystore_wish){};
    return format == KEYSTORE_JKS ? jks_wish(keystores->jks) : pkcs12_wish(keystores->pkcs12);
}

static bool is_wanted(const struct certificate_spec *spec, const struct store *store, bool has_ca)
{
    return keystore_wish_of(spec, store->format).create && (has_ca || !store->trust);
}

static const char *kept(const struct target_secret *target, const struct store *store)
{
    return target->kept ? array_pair_get(target->kept, store->entry) : NULL;
}

bool keystores_need_password(const struct target_secret *target, enum keystore_format format)
{
    bool has_ca = !str_empty(target->ca_pem);

    for (size_t i = 0; i < ARRAY_LEN(stores); i++)
        if (stores[i].format == format && is_wanted(&target->crt->spec, &stores[i], has_ca) &&
            !kept(target, &stores[i]))
            return true;
    return false;
}

/* --- making them --- */

typedef int make_fn(const struct certificate_keystores *spec, struct keystore *keystore,
                    struct buf *to, struct err *err);

static int make_jks(const struct certificate_keystores *spec, struct keystore *keystore,
                    struct buf *to, struct err *err)
{
    keystore->alias = spec->jks->alias;
    return keystore_jks(keystore, to, err);
}

static int make_pkcs12(const struct certificate_keystores *spec, struct keystore *keystore,
                       struct buf *to, struct err *err)
{
    return keystore_pkcs12(keystore, certificate_pkcs12_profile(spec->pkcs12), to, err);
}

static make_fn *const makers[KEYSTORE_FORMAT_COUNT] = {
    [KEYSTORE_JKS] = make_jks,
    [KEYSTORE_PKCS12] = make_pkcs12,
};

/* What all of them are made from. */
struct material {
    const struct target_secret *target;
    const struct pkey *key;
    const struct chain *chain;
    struct chain cas;
};

static void material_deinit(struct material *material)
{
    if (material->key)
        pkey_unref(material->key);
    chain_deinit(&material->cas);
}
DEFINE_CLEANUP_VALUE(struct material, material_deinit);

static int read_material(struct material *material, struct err *err)
{
    const struct target_secret *target = material->target;
    int r = pkey_from_pem(target->key_pem, strlen(target->key_pem), &material->key, err);

    if (r < 0)
        return err_wrap(err, "reading tls.key for a key store");
    if (str_empty(target->ca_pem))
        return 0;
    r = bundle_from_pem(target->ca_pem, strlen(target->ca_pem), &material->cas, err);
    return r < 0 ? err_wrap(err, "reading ca.crt for a key store") : 0;
}

static int make(const struct material *material, const struct store *store, struct buf *to,
                struct err *err)
{
    const struct target_secret *target = material->target;
    struct keystore keystore = {
        .key = store->trust ? NULL : material->key,
        .chain = material->chain,
        .cas = &material->cas,
        .password = &target->passwords->of[store->format],
        .now_ms = target->now_ms,
    };
    int r = makers[store->format](target->crt->spec.keystores, &keystore, to, err);

    return r < 0 ? err_wrap(err, "making %s", store->entry) : 0;
}

static int add_made(struct material *material, const struct store *store, struct json *data,
                    struct err *err)
{
    cleanup(buf_deinit) struct buf made = BUF_SECRET(LIMIT_KEYSTORE);
    cleanup(xfree_secret) char *text = NULL;
    int r = material->key ? 0 : read_material(material, err);

    if (r == 0)
        r = make(material, store, &made, err);
    if (r < 0)
        return r;
    text = base64_new(made.data, made.len);
    json_set_text(data, store->entry, text);
    return 0;
}

int keystores_add(const struct target_secret *target, const struct chain *chain, struct json *data,
                  struct err *err)
{
    cleanup(material_deinit) struct material material = {.target = target, .chain = chain};
    bool has_ca = !str_empty(target->ca_pem);
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_LEN(stores); i++) {
        const char *as_is = kept(target, &stores[i]);

        if (!is_wanted(&target->crt->spec, &stores[i], has_ca))
            continue;
        if (!as_is && target->lacks & 1U << stores[i].format)
            continue;
        if (as_is)
            json_set_text(data, stores[i].entry, as_is);
        else
            r = add_made(&material, &stores[i], data, err);
    }
    return r;
}

/* --- those that are there --- */

void keystores_keep(const struct secret_facts *facts, const struct secret *secret,
                    struct arena *arena, struct array_pair *ret)
{
    ret->items = arena_alloc(arena, ARRAY_LEN(stores) * sizeof(*ret->items));
    if (!facts ||
        !streq(facts->object.metadata.resource_version, secret->object.metadata.resource_version))
        return; /* who owns what now is not known */
    for (size_t i = 0; i < ARRAY_LEN(stores); i++) {
        const char *value = array_pair_get(&secret->data, stores[i].entry);

        if (!str_empty(value) && array_string_has(&facts->owned_data, stores[i].entry))
            ret->items[ret->len++] = (struct pair){.key = stores[i].entry, .value = value};
    }
}

struct violation keystores_violation(const struct certificate_facts *facts, struct arena *arena)
{
    const struct secret_facts *secret = facts->secret;
    bool has_ca = array_string_has(&secret->keys, "ca.crt");

    for (size_t i = 0; i < ARRAY_LEN(stores); i++) {
        const char *entry = stores[i].entry;
        bool wanted = is_wanted(&facts->crt->spec, &stores[i], has_ca);
        bool ours = array_string_has(&secret->owned_data, entry);
        bool there = array_string_has(&secret->keys, entry);

        if (wanted ? !(ours && there) : ours)
            return (struct violation){
                "SecretMismatch",
                arena_printf(arena,
                             wanted
                                 ? "The Secret has no '%s' of ours, which spec.keystores asks for"
                                 : "The Secret has a '%s', which spec.keystores does not ask for",
                             entry)};
    }
    return (struct violation){};
}
