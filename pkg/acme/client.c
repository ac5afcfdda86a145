#include "acme/client.h"

#define ORIGINS_MAX 64 /* of the hosts that a CA spreads its orders over */

static int options_check(const struct acme_options *options, struct err *err)
{
    int r;

    if (!options->key)
        return err_set(err, ERR_INVALID, "an ACME client needs an account key");
    if (!pkey_jws_alg(options->key))
        return err_set(err, ERR_UNSUPPORTED,
                       "the account key's type cannot sign ACME requests; use RSA, P-256 or P-384");
    r = http_url_check_https(str_or(options->directory_url, ""), err);
    if (r < 0)
        return err_wrap(err, "ACME server '%s'", str_or(options->directory_url, ""));
    return 0;
}

int acme_client_new(const struct acme_options *options, struct acme_client **ret, struct err *err)
{
    struct acme_client *client;
    int r;

    r = options_check(options, err);
    if (r < 0)
        return r;
    client = xalloc(sizeof(*client));
    atomic_init(&client->refs, 1);
    client->http = options->http;
    client->directory_url = xstrdup(options->directory_url);
    client->ca_pem = xstrdup(options->tls.ca_pem);
    client->server_name = xstrdup(options->tls.server_name);
    client->tls = (struct http_tls){.ca_pem = client->ca_pem,
                                    .server_name = client->server_name,
                                    .skip_verify = options->tls.skip_verify};
    client->key = pkey_ref(options->key);
    client->gate = options->gate ? acme_gate_ref(options->gate) : NULL;
    client->timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : SECONDS(90);
    client->account_url = xstrdup(options->account_url);
    mutex_init(&client->mutex);
    acme_nonces_init(&client->nonces);
    *ret = client;
    return 0;
}

struct acme_client *acme_client_ref(struct acme_client *client)
{
    atomic_fetch_add(&client->refs, 1);
    return client;
}

void acme_client_unref(struct acme_client *client)
{
    if (!client || atomic_fetch_sub(&client->refs, 1) > 1)
        return;
    acme_nonces_deinit(&client->nonces);
    mutex_deinit(&client->mutex);
    acme_directory_deinit(&client->directory);
    xfree(client->account_url);
    strlist_deinit(&client->made_urls);
    xfree(client->orders_url);
    if (client->gate)
        acme_gate_unref(client->gate);
    pkey_unref(client->key);
    xfree(client->server_name);
    xfree(client->ca_pem);
    xfree(client->directory_url);
    xfree(client);
}

void acme_client_set_account(struct acme_client *client, const char *account_url)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&client->mutex);

    xfree(client->account_url);
    client->account_url = xstrdup(account_url);
}

static bool has_origin(const struct strlist *urls, const char *url)
{
    for (size_t i = 0; i < urls->len; i++) {
        if (http_url_same_origin(url, urls->items[i]))
            return true;
    }
    return false;
}

void acme_client_note_made(struct acme_client *client, const char *order_url)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&client->mutex);

    if (client->made_urls.len < ORIGINS_MAX && !has_origin(&client->made_urls, order_url))
        strlist_add(&client->made_urls, order_url);
}

bool acme_client_knows_origin(struct acme_client *client, const char *url)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&client->mutex);

    return http_url_same_origin(url, client->directory_url) ||
           (client->account_url && http_url_same_origin(url, client->account_url)) ||
           has_origin(&client->made_urls, url);
}

void acme_client_set_orders(struct acme_client *client, const char *orders_url)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&client->mutex);

    xfree(client->orders_url);
    client->orders_url = xstrdup(str_or(orders_url, ""));
}

char *acme_client_orders(struct acme_client *client)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&client->mutex);

    return xstrdup(client->orders_url);
}

char *acme_client_account(struct acme_client *client)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&client->mutex);

    return xstrdup(client->account_url);
}

const struct pkey *acme_client_key(const struct acme_client *client)
{
    return client->key;
}

struct acme_gate *acme_client_gate(const struct acme_client *client)
{
    return client->gate;
}
