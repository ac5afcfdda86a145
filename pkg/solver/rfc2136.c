/*
 * rfc2136.c - dynamic updates, signed with TSIG when a key is configured (api.md 6).
 *
 * RFC 2136 makes both directions idempotent: adding a record that is there and deleting one that is
 * not are ignored by the server (3.4.2.2, 3.4.2.4), and other values at the name stay.
 */
#include <string.h>

#include "base/base64.h"
#include "solver/dns_provider.h"
#include "solver/secret_ref.h"

#define TTL_S         60   /* cert-manager's */
#define TSIG_TEXT_MAX 4096 /* base64 of far more than any hash has use for */

struct tsig_key { /* what a struct tsig borrows */
    struct tsig tsig;
    struct buf secret;
};

static void tsig_key_deinit(struct tsig_key *key)
{
    buf_deinit(&key->secret);
}
DEFINE_CLEANUP_VALUE(struct tsig_key, tsig_key_deinit);

static bool is_configured(const struct acme_dns01 *dns01)
{
    return dns01->rfc2136 != NULL;
}

/* --- configuration --- */

static int algorithm_of(const char *name, enum tsig_algorithm *ret, struct err *err)
{
    static const struct {
        const char *name;
        enum tsig_algorithm algorithm;
    } algorithms[] = {
        {"HMACMD5", TSIG_HMAC_MD5},
        {"HMACSHA1", TSIG_HMAC_SHA1},
        {"HMACSHA256", TSIG_HMAC_SHA256},
        {"HMACSHA512", TSIG_HMAC_SHA512},
    };

    name = str_or(name, algorithms[0].name);
    for (size_t i = 0; i < ARRAY_LEN(algorithms); i++) {
        if (streq_ci(algorithms[i].name, name)) {
            *ret = algorithms[i].algorithm;
            return 0;
        }
    }
    return err_set(err, ERR_INVALID,
                   "tsigAlgorithm '%s' is none of HMACMD5, HMACSHA1, HMACSHA256, HMACSHA512", name);
}

static int server_of(const struct dns01_rfc2136 *config, struct dns_server *ret, struct err *err)
{
    struct dns_server server;
    int r;

    if (str_empty(config->nameserver))
        return err_set(err, ERR_INVALID, "nameserver is missing: say 'host' or 'host:port'");
    r = dns_server_parse(config->nameserver, &server, err);
    if (r < 0)
        return err_wrap(err, "nameserver");
    if (server.transport == DNS_HTTPS)
        return err_set(err, ERR_INVALID,
                       "nameserver '%s': updates do not go over https; say 'host' or 'host:port'",
                       config->nameserver);
    if (config->protocol == RFC2136_TCP)
        server.transport = DNS_TCP;
    *ret = server;
    return 0;
}

/* Half a key would silently send unsigned updates. */
static int check_key_is_whole(const struct dns01_rfc2136 *config, struct err *err)
{
    bool has_name = !str_empty(config->tsig_key_name);
    const struct secret_key_selector *ref = config->tsig_secret_secret_ref;

    if (has_name && !ref)
        return err_set(err, ERR_INVALID, "tsigKeyName is set: tsigSecretSecretRef is needed too");
    if (!has_name && ref)
        return err_set(err, ERR_INVALID, "tsigSecretSecretRef is set: tsigKeyName is needed too");
    if (ref && (str_empty(ref->name) || str_empty(ref->key)))
        return err_set(err, ERR_INVALID, "tsigSecretSecretRef needs 'name' and 'key'");
    return 0;
}

/* The Secret's value is base64 text itself, as it stands in the name server's key file; files end in
 * a line break. */
static int decode_secret(const struct buf *text, struct buf *to, struct err *err)
{
    cleanup(buf_deinit) struct buf dense = BUF_SECRET(TSIG_TEXT_MAX);
    int r;

    for (size_t i = 0; i < text->len; i++) {
        if (!strchr(" \t\r\n", text->data[i]))
            buf_add_char(&dense, text->data[i]);
    }
    r = base64_decode(to, buf_str(&dense), dense.len, err);
    if (r < 0)
        return r;
    if (to->len == 0)
        return err_set(err, ERR_INVALID, "it is empty");
    return 0;
}

static int read_secret(const struct secret_source *source, const struct context *ctx,
                       const struct secret_key_selector *ref, struct buf *to, struct err *err)
{
    cleanup(buf_deinit) struct buf text = BUF_SECRET(TSIG_TEXT_MAX);
    int r;

    r = secret_ref_read(source, ctx, ref, &text, err);
    if (r < 0)
        return r;
    r = decode_secret(&text, to, err);
    if (r < 0)
        return err_wrap(err,
                        "key '%s' of secret '%s/%s' must hold the tsig secret as base64 text, as "
                        "in the name server's configuration",
                        ref->key, source->namespace, ref->name);
    return 0;
}

/* ret->tsig.key_name is NULL when updates go unsigned. */
static int load_key(const struct secret_source *source, const struct context *ctx,
                    const struct dns01_rfc2136 *config, struct tsig_key *ret, struct err *err)
{
    cleanup(tsig_key_deinit) struct tsig_key key = {.secret = BUF_SECRET(TSIG_TEXT_MAX)};
    int r;

    if (str_empty(config->tsig_key_name))
        return 0;
    r = algorithm_of(config->tsig_algorithm, &key.tsig.algorithm, err);
    if (r == 0)
        r = read_secret(source, ctx, config->tsig_secret_secret_ref, &key.secret, err);
    if (r < 0)
        return r;
    key.tsig.key_name = config->tsig_key_name;
    key.tsig.secret = (const unsigned char *)key.secret.data;
    key.tsig.secret_len = key.secret.len;
    *ret = key;
    key = (struct tsig_key){};
    return 0;
}

static int check_settings(const struct dns01_rfc2136 *config, struct err *err)
{
    struct dns_server server;
    enum tsig_algorithm algorithm;
    int r;

    r = server_of(config, &server, err);
    if (r == 0)
        r = check_key_is_whole(config, err);
    if (r == 0)
        r = algorithm_of(config->tsig_algorithm, &algorithm, err);
    return r;
}

static int check_config(struct store *store, const struct context *ctx,
                        const struct acme_dns01 *dns01, const char *secret_namespace,
                        struct err *err)
{
    struct secret_source source = {.store = store, .namespace = secret_namespace};
    cleanup(tsig_key_deinit) struct tsig_key key = {};
    int r;

    r = check_settings(dns01->rfc2136, err);
    if (r == 0 && store)
        r = load_key(&source, ctx, dns01->rfc2136, &key, err);
    return r < 0 ? err_wrap(err, "dns01.rfc2136") : 0;
}

/* --- updates --- */

/* A Secret that was given another value is known by the one before until the watch tells of it, which may be cut. */
static bool is_another_by_now(const struct secret_source *known, const struct context *ctx,
                              const struct dns01_rfc2136 *config, const struct tsig_key *key,
                              struct tsig_key *ret)
{
    struct secret_source live = *known;
    struct err ignored = {};

    live.values = NULL;
    if (!key->tsig.key_name || load_key(&live, ctx, config, ret, &ignored) < 0)
        return false;
    return ret->secret.len != key->secret.len ||
           memcmp(ret->secret.data, key->secret.data, key->secret.len) != 0;
}

static int update(const struct dns_change *change, const struct context *ctx, bool is_delete,
                  struct err *err)
{
    const struct dns01_rfc2136 *config = change->dns01->rfc2136;
    struct secret_source source = {.store = change->solvers->store,
                                   .values = change->solvers->values,
                                   .namespace = change->secret_namespace,
                                   .kept = change->secrets,
                                   .use_kept = is_delete};
    cleanup(tsig_key_deinit) struct tsig_key key = {}, now = {};
    struct dns_server server;
    struct dns_update update = {.zone = change->zone,
                                .name = change->name,
                                .value = change->value,
                                .is_delete = is_delete,
                                .ttl = TTL_S};
    int r;

    r = check_settings(config, err);
    if (r == 0)
        r = load_key(&source, ctx, config, &key, err);
    if (r < 0)
        return err_wrap(err, "dns01.rfc2136");
    (void)server_of(config, &server, err); /* settings are checked */
    if (key.tsig.key_name)
        update.tsig = &key.tsig;
    r = dns_update(change->solvers->dns, ctx, &server, &update, err);
    if (r == ERR_DENIED && is_another_by_now(&source, ctx, config, &key, &now)) {
        update.tsig = &now.tsig;
        r = dns_update(change->solvers->dns, ctx, &server, &update, err);
    }
    if (r == ERR_DENIED && update.tsig)
        return err_wrap(err, "signed with secret '%s/%s'", change->secret_namespace,
                        config->tsig_secret_secret_ref->name);
    return r;
}

static int present(const struct dns_change *change, const struct context *ctx, struct err *err)
{
    return update(change, ctx, false, err);
}

static int clean_up(const struct dns_change *change, const struct context *ctx, struct err *err)
{
    return update(change, ctx, true, err);
}

const struct dns_provider dns_provider_rfc2136 = {
    .name = "rfc2136",
    .is_configured = is_configured,
    .present = present,
    .clean_up = clean_up,
    .check_config = check_config,
};
