/*
 * acme.c - issuer type acme: an account with the CA (behaviour.md 7, RFC 8555 7.3). Its signing is in order.c.
 *
 * setup: account key ─► solver Secrets exist ─► account known and unchanged? ─► register ─► contact
 * What has been registered once is recognised by status.acme (URL, e-mail, hash of the key), so that a
 * start with a hundred Issuers asks the CA nothing. An account that the CA is said to have forgotten is looked up, and
 * not made again: zones may name it (acme.md 8).
 */
#include <string.h>

#include "api/kinds.h"
#include "api/live.h"
#include "base/base64.h"
#include "base/limits.h"
#include "issuer/order.h"
#include "solver/solver.h"

#define ACCOUNT_KEY_DEFAULT "tls.key"
#define ACCOUNT_KEY_SIZE    2048 /* RSA, like cert-manager's, so that one can go back to it */
#define ADVICE_CA_BUNDLE    "give the CA's own certificate in spec.acme.caBundle"
#define ADVICE_SERVER       "is spec.acme.server the URL of an ACME directory?"
#define NOT_REGISTERED      "ErrRegisterACMEAccount" /* reasons of Ready */
#define NOT_VERIFIED        "ErrVerifyACMEAccount"
#define LOST_RECHECK_MS     HOURS(1) /* a CA may have its accounts back from a backup */

struct setup {
    struct issuers *issuers;
    const struct context *ctx;
    const struct issuer *issuer;
    const struct acme_issuer *acme;
    const char *namespace; /* of its Secrets */
    struct arena *arena;
    struct setup_result *result;
    const struct pkey *key;
    char *key_hash;  /* status.acme.lastPrivateKeyHash */
    char *gate_text; /* annotation of the key Secret */
    bool key_is_new;
};

static void setup_deinit(struct setup *setup)
{
    pkey_unref_ptr(&setup->key);
    xfree(setup->key_hash);
    xfree(setup->gate_text);
}
DEFINE_CLEANUP_VALUE(struct setup, setup_deinit);

static bool is_configured(const struct issuer_spec *spec)
{
    return spec->acme != NULL;
}

/* --- results --- */

static void ready(struct setup *setup)
{
    setup->result->ready = (struct condition){
        .status = CONDITION_TRUE,
        .reason = "ACMEAccountRegistered",
        .message = "The ACME account was registered with the ACME server"};
}

/* Shows why; `code` negative is returned, so that the back-off tries again, 0 waits for a change. */
static int not_ready(struct setup *setup, const char *reason, const struct err *why, int code)
{
    setup->result->ready = (struct condition){.status = CONDITION_FALSE,
                                              .reason = reason,
                                              .message = arena_strdup(setup->arena, why->text)};
    setup->result->event_reason = "ErrInitIssuer";
    setup->result->event_warning = true;
    return code;
}

/* --- account key --- */

static const char *key_name(const struct setup *setup)
{
    return str_or(setup->acme->private_key_secret_ref.key, ACCOUNT_KEY_DEFAULT);
}

static int read_secret(const struct setup *setup, const char *name, const struct object **ret,
                       struct err *err)
{
    struct key key = {.namespace = setup->namespace, .name = name};

    return live_secret(setup->issuers->store, setup->ctx, &key, ret, err);
}

static struct json *account_secret_json(const struct setup *setup, const char *pem_base64)
{
    struct json *secret = json_new_map();
    struct json *metadata = json_need_map(secret, "metadata");

    json_set_text(secret, "apiVersion", "v1");
    json_set_text(secret, "kind", "Secret");
    json_set_text(secret, "type", "Opaque");
    json_set_text(metadata, "name", setup->acme->private_key_secret_ref.name);
    json_set_text(metadata, "namespace", setup->namespace);
    json_set_text(json_need_map(metadata, "labels"), LABEL_MANAGED_BY, "cert-manager");
    json_set_text(json_need_map(secret, "data"), key_name(setup), pem_base64);
    return secret;
}

static int create_key(struct setup *setup, struct err *err)
{
    cleanup(buf_deinit) struct buf pem = BUF_SECRET(LIMIT_KEY_PEM);
    cleanup(xfree_secret) char *text = NULL;
    cleanup(json_unref) struct json *secret = NULL;
    enum key_algorithm algorithm = setup->issuers->new_account_key;
    int r = pkey_generate(algorithm, algorithm == KEY_RSA ? ACCOUNT_KEY_SIZE : 256, &setup->key,
                          err);

    if (r < 0)
        return r;
    pkey_to_pem(setup->key, KEY_PKCS1, &pem);
    text = base64_new(buf_str(&pem), pem.len);
    secret = account_secret_json(setup, text);
    r = store_create(setup->issuers->store, setup->ctx, &kind_secret.resource,
                     setup->issuers->manager, secret, NULL, err);
    if (r < 0)
        return err_wrap(err, "storing the new account key in secret '%s'",
                        setup->acme->private_key_secret_ref.name);
    setup->key_is_new = true;
    return 0;
}

static int load_key(struct setup *setup, const struct object *object, struct err *err)
{
    cleanup(buf_deinit) struct buf pem = BUF_SECRET(LIMIT_KEY_PEM);
    cleanup(xfree) char *annotation = accounts_gate_annotation(str_or(setup->acme->server, ""));
    int r = secret_value((const struct secret *)object, key_name(setup), &pem, err);

    if (r == 0)
        r = pkey_from_pem(buf_str(&pem), pem.len, &setup->key, err);
    if (r < 0)
        return err_wrap(err, "account key in secret '%s/%s'", setup->namespace,
                        setup->acme->private_key_secret_ref.name);
    setup->gate_text = xstrdup(object_annotation(object, annotation));
    return 0;
}

static int key_is_missing(struct setup *setup, struct err *why)
{
    (void)err_set(why, why->code,
                  "%s; create it, or remove spec.acme.disableAccountKeyGeneration to have one made",
                  why->text);
    return not_ready(setup, NOT_VERIFIED, why, 1);
}

/* 0: there is a key; 1: shown in the result and waits for a change; negative: shown and retried. */
static int settle_key(struct setup *setup)
{
    cleanup(object_unref) const struct object *secret = NULL;
    struct err why = {};
    int r = read_secret(setup, setup->acme->private_key_secret_ref.name, &secret, &why);

    if (r == ERR_NOT_FOUND && setup->acme->disable_account_key_generation)
        return key_is_missing(setup, &why);
    if (r == ERR_NOT_FOUND) {
        r = create_key(setup, &why);
        if (r == ERR_EXISTS)
            return ERR_BUSY; /* somebody was faster: look again */
    } else if (r == 0) {
        r = load_key(setup, secret, &why);
        if (r < 0)
            return not_ready(setup, NOT_VERIFIED, &why, 1);
    }
    if (r < 0)
        return not_ready(setup, NOT_VERIFIED, &why, r);
    setup->key_hash = pkey_private_hash_base64(setup->key);
    return 0;
}

/* --- configuration --- */

static int check_config(struct setup *setup)
{
    struct err why = {};
    int r = http_url_check_https(setup->acme->server, &why);

    if (r < 0) {
        (void)err_wrap(&why, "spec.acme.server");
        return not_ready(setup, "InvalidConfig", &why, 1);
    }
    for (size_t i = 0; i < setup->acme->solvers.len; i++) {
        r = solver_check_config(setup->issuers->store, setup->ctx, &setup->acme->solvers.items[i],
                                setup->namespace, &why);
        if (r == ERR_CANCELED)
            return r;
        if (r < 0) {
            (void)err_wrap(&why, "spec.acme.solvers[%zu]", i);
            return not_ready(setup, "InvalidSolver", &why, err_is_transient(r) ? r : 1);
        }
    }
    return 0;
}

/* --- client --- */

static void settings_hash(const struct setup *setup, const char *account_url,
                          unsigned char to[SHA256_LEN])
{
    cleanup(buf_deinit) struct buf text = BUF(LIMIT_BUNDLE_PEM * 2);

    buf_addf(&text, "%s\n%s\n%d\n", setup->key_hash, str_or(account_url, ""),
             setup->acme->skip_tls_verify);
    buf_add(&text, setup->acme->ca_bundle.data, setup->acme->ca_bundle.len);
    sha256(buf_str(&text), text.len, to);
}

static void describe_account(const struct setup *setup, const char *account_url,
                             struct account_entry *ret)
{
    *ret = (struct account_entry){
        .issuer_uid = setup->issuer->object.metadata.uid,
        .server = setup->acme->server,
        .secret_namespace = setup->namespace,
        .secret_name = setup->acme->private_key_secret_ref.name,
        .secret_key = key_name(setup),
    };
    settings_hash(setup, account_url, ret->settings_hash);
}

static int new_client(struct setup *setup, const char *account_url, struct acme_client **ret,
                      struct err *err)
{
    struct accounts *accounts = setup->issuers->accounts;
    cleanup(acme_gate_unref) struct acme_gate *gate = accounts_gate(accounts, setup->acme->server,
                                                                    setup->key_hash);
    const struct bytes *bundle = &setup->acme->ca_bundle;
    struct acme_options options = {
        .http = setup->issuers->http,
        .directory_url = setup->acme->server,
        .tls = {.ca_pem = bundle->len > 0
                              ? arena_strndup(setup->arena, (const char *)bundle->data, bundle->len)
                              : NULL,
                .skip_verify = setup->acme->skip_tls_verify},
        .key = setup->key,
        .account_url = account_url,
        .gate = gate,
    };

    if (setup->gate_text)
        acme_gate_restore(gate, setup->gate_text);
    return acme_client_new(&options, ret, err);
}

/* --- registration --- */

static const struct issuer_acme_status *stored_account(const struct setup *setup)
{
    const struct issuer_acme_status *acme = setup->issuer->status.acme;

    return acme && !str_empty(acme->uri) && !setup->key_is_new ? acme : NULL;
}

/* Registered before with these settings, and nothing has changed since (behaviour.md 7, step 5). Whether
 * the Issuer is ready now does not matter: an external account key may be good for one use only. */
static bool is_registered(const struct setup *setup)
{
    const struct issuer_acme_status *stored = stored_account(setup);

    return stored && http_url_same_origin(stored->uri, setup->acme->server) &&
           streq(str_or(stored->last_registered_email, ""), str_or(setup->acme->email, "")) &&
           streq(stored->last_private_key_hash, setup->key_hash);
}

/* Said by the CA since it was set up, or shown by the Issuer, as after a restart. */
static bool is_in_doubt(const struct setup *setup)
{
    return condition_has_reason(&setup->issuer->status.conditions, "Ready", NOT_VERIFIED) ||
           accounts_is_in_doubt(setup->issuers->accounts, setup->issuer->object.metadata.uid);
}

static enum digest_type eab_digest(int algorithm)
{
    switch (algorithm) {
    case EAB_HS384:
        return DIGEST_SHA384;
    case EAB_HS512:
        return DIGEST_SHA512;
    default:
        return DIGEST_SHA256;
    }
}

static int read_eab(struct setup *setup, struct buf *mac_key, struct acme_eab *ret, struct err *err)
{
    const struct acme_external_account *eab = setup->acme->external_account_binding;
    cleanup(object_unref) const struct object *secret = NULL;
    cleanup(buf_deinit) struct buf text = BUF_SECRET(4096);
    size_t len;
    int r = read_secret(setup, eab->key_secret_ref.name, &secret, err);

    if (r == 0)
        r = secret_value((const struct secret *)secret, str_or(eab->key_secret_ref.key, "secret"),
                         &text, err);
    if (r < 0)
        return err_wrap(err, "external account key");
    for (len = text.len; len > 0 && strchr(" \t\r\n", text.data[len - 1]); len--)
        ; /* files end in a line break */
    r = base64url_decode(mac_key, buf_str(&text), len, err);
    if (r < 0)
        return err_wrap(err, "external account key in secret '%s/%s': must be base64url",
                        setup->namespace, eab->key_secret_ref.name);
    *ret = (struct acme_eab){.key_id = eab->key_id,
                             .mac_key = (const unsigned char *)mac_key->data,
                             .mac_key_len = mac_key->len,
                             .algorithm = eab_digest(eab->key_algorithm)};
    return 0;
}

static void contacts_of(const struct acme_issuer *acme, struct strlist *ret)
{
    char *contact;

    if (str_empty(acme->email))
        return;
    contact = xasprintf("mailto:%s", acme->email);
    str_lower(contact);
    strlist_add_take(ret, contact);
}

/* What a refused or failed registration means: 1 waits for a change, negative is retried. */
static int registration_failed(struct setup *setup, const char *reason, int r,
                               const struct acme_problem *problem, struct err *why)
{
    if (r == ERR_CANCELED || r == ERR_BUSY)
        return r;
    if (setup->acme->external_account_binding)
        (void)err_wrap(why, "with the external account key id '%s'",
                       setup->acme->external_account_binding->key_id);
    (void)err_wrap(why, "registering with '%s'", setup->acme->server);
    if (streq(problem->type, "externalAccountRequired"))
        (void)err_set(why, why->code, "%s; set spec.acme.externalAccountBinding", why->text);
    if (streq(problem->type, ACCOUNT_LOST)) {
        (void)err_set(why, why->code, "%s; " ADVICE_ON_LOST_ACCOUNT, why->text);
        setup->result->requeue_at_ms = context_now_ms(setup->ctx) + LOST_RECHECK_MS;
    }
    (void)not_ready(setup, reason, why, 0);
    if (r == ERR_RATE_LIMITED || problem->class == ACME_RATE_LIMITED) {
        setup->result->requeue_at_ms = why->retry_at_ms ? why->retry_at_ms : problem->retry_at_ms;
        return setup->result->requeue_at_ms ? 1 : r;
    }
    if (problem->class == ACME_FIX_CONFIG || problem->class == ACME_ACCOUNT || r == ERR_INVALID ||
        r == ERR_UNSUPPORTED)
        return 1;
    return r;
}

static int update_contact(struct setup *setup, struct acme_client *client,
                          const struct acme_account *account, const struct strlist *contacts)
{
    cleanup(acme_account_deinit) struct acme_account updated = {};
    cleanup(acme_problem_deinit) struct acme_problem problem = {};
    struct err why = {};
    int r;

    /* CAs that keep no contacts (Let's Encrypt) answer with none: nothing to update then. */
    if (account->created || contacts->len == 0 || account->contacts.len == 0 ||
        strlist_same_set(&account->contacts, contacts))
        return 0;
    r = acme_account_update_contacts(client, setup->ctx, contacts, &updated, &problem, &why);
    return r < 0 ? registration_failed(setup, "ErrUpdateACMEAccount", r, &problem, &why) : 0;
}

static int register_account(struct setup *setup, struct acme_client *client)
{
    cleanup(strlist_deinit) struct strlist contacts = {};
    cleanup(buf_deinit) struct buf mac_key = BUF_SECRET(4096);
    cleanup(acme_account_deinit) struct acme_account account = {};
    cleanup(acme_problem_deinit) struct acme_problem problem = {};
    struct acme_eab eab = {};
    struct acme_registration registration = {.contacts = &contacts};
    struct issuer_acme_status *stored;
    struct err why = {};
    int r = 0;

    contacts_of(setup->acme, &contacts);
    if (setup->acme->external_account_binding) {
        r = read_eab(setup, &mac_key, &eab, &why);
        if (r < 0)
            return r == ERR_CANCELED ? r : not_ready(setup, NOT_REGISTERED, &why, 1);
        registration.eab = &eab;
    }
    r = acme_account_register(client, setup->ctx, &registration, &account, &problem, &why);
    if (r < 0)
        return registration_failed(setup, NOT_REGISTERED, r, &problem, &why);
    r = update_contact(setup, client, &account, &contacts);
    if (r != 0)
        return r;
    stored = arena_alloc(setup->arena, sizeof(*stored));
    *stored = (struct issuer_acme_status){
        .uri = arena_strdup(setup->arena, account.url),
        .last_registered_email = setup->acme->email,
        .last_private_key_hash = arena_strdup(setup->arena, setup->key_hash),
    };
    setup->result->acme = stored;
    return 0;
}

/* What to do about a directory that cannot be read. The words are OpenSSL's, for a server's certificate that nobody has
 * signed whom we trust, and those of acme/decode.c. */
static const struct {
    int code;
    const char *words, *advice;
} directory_advice[] = {
    {ERR_DENIED, "self-signed certificate", ADVICE_CA_BUNDLE},
    {ERR_DENIED, "unable to get local issuer", ADVICE_CA_BUNDLE},
    {ERR_DENIED, "unable to get issuer", ADVICE_CA_BUNDLE},
    {ERR_DENIED, "unable to verify the first", ADVICE_CA_BUNDLE},
    {ERR_NOT_FOUND, "", ADVICE_SERVER},
    {ERR_PROTOCOL, "", ADVICE_SERVER},
    {ERR_UNAVAILABLE, "the answer is a web page", ADVICE_SERVER},
};

static void advise_on_directory(int code, struct err *why)
{
    for (size_t i = 0; i < ARRAY_LEN(directory_advice); i++) {
        if (directory_advice[i].code != code || !strstr(why->text, directory_advice[i].words))
            continue;
        (void)err_set(why, code, "%s; %s", why->text, directory_advice[i].advice);
        return;
    }
}

/* The client keeps it. It is read before anything else is asked for, so that it can be said which field to look at. */
static int read_directory(struct setup *setup, struct acme_client *client)
{
    cleanup(acme_directory_deinit) struct acme_directory directory = {};
    cleanup(acme_problem_deinit) struct acme_problem none = {};
    struct err why = {};
    int r = acme_directory(client, setup->ctx, &directory, &why);

    if (r == 0)
        return 0;
    advise_on_directory(r, &why);
    return registration_failed(setup, NOT_REGISTERED, r, &none, &why);
}

static int look_up_account(struct setup *setup, struct acme_client *client)
{
    cleanup(acme_account_deinit) struct acme_account account = {};
    cleanup(acme_problem_deinit) struct acme_problem problem = {};
    struct acme_registration lookup = {.only_existing = true};
    struct err why = {};
    int r = acme_account_register(client, setup->ctx, &lookup, &account, &problem, &why);

    return r < 0 ? registration_failed(setup, NOT_VERIFIED, r, &problem, &why) : 0;
}

static int ask_ca(struct setup *setup, struct acme_client *client, bool is_new)
{
    int r = read_directory(setup, client);

    if (r != 0)
        return r;
    return is_new ? register_account(setup, client) : look_up_account(setup, client);
}

static int connect_account(struct setup *setup)
{
    const struct issuer_acme_status *stored = stored_account(setup);
    cleanup(acme_client_unref) struct acme_client *client = NULL;
    const char *url = is_registered(setup) ? stored->uri : NULL;
    bool is_doubted = is_in_doubt(setup);
    struct account_entry entry;
    struct err why = {};
    int r;

    describe_account(setup, url, &entry);
    if (url && !is_doubted && accounts_fits(setup->issuers->accounts, &entry))
        return 0;
    r = new_client(setup, url, &client, &why);
    if (r < 0)
        return not_ready(setup, "InvalidURL", &why, 1);
    r = url && !is_doubted ? 0 : ask_ca(setup, client, !url);
    if (r != 0)
        return r;
    if (!url)
        describe_account(setup, setup->result->acme->uri, &entry);
    accounts_put(setup->issuers->accounts, &entry, client);
    return 0;
}

static int setup_acme(struct issuers *issuers, const struct context *ctx,
                      const struct issuer *issuer, struct arena *arena, struct setup_result *ret,
                      struct err *err)
{
    static int (*const steps[])(struct setup *) = {settle_key, check_config, connect_account};
    cleanup(setup_deinit) struct setup setup = {
        .issuers = issuers,
        .ctx = ctx,
        .issuer = issuer,
        .acme = issuer->spec.acme,
        .arena = arena,
        .result = ret,
        .namespace = issuer_secret_namespace(issuers, issuer),
    };

    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        int r = steps[i](&setup);

        if (r == 0)
            continue;
        accounts_remove(issuers->accounts, issuer->object.metadata.uid);
        if (r > 0)
            return 0; /* shown; a change wakes us */
        return err_set(err, r, "%s", str_or(ret->ready.message, "setting up the account"));
    }
    ready(&setup);
    return 0;
}

const struct issuer_ops issuer_acme = {
    .type = "acme",
    .is_configured = is_configured,
    .setup = setup_acme,
    .sign = sign_by_order,
};
