#include "acme/nonce.h"

#include <string.h>

#include "acme/client.h"
#include "acme/request.h"

void acme_nonces_init(struct acme_nonces *nonces)
{
    mutex_init(&nonces->mutex);
}

static void drop_all(struct acme_nonces *nonces)
{
    while (nonces->len > 0)
        xfree(nonces->items[--nonces->len]);
}

void acme_nonces_deinit(struct acme_nonces *nonces)
{
    drop_all(nonces);
    mutex_deinit(&nonces->mutex);
}

static bool nonce_is_valid(const char *nonce)
{
    size_t len = nonce ? strlen(nonce) : 0;

    return len > 0 && len <= ACME_NONCE_LEN_MAX &&
           strspn(nonce, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == len;
}

void acme_nonces_put(struct acme_nonces *nonces, const char *nonce)
{
    if (!nonce_is_valid(nonce))
        return;

    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&nonces->mutex);

    for (size_t i = 0; i < nonces->len; i++)
        if (streq(nonces->items[i], nonce))
            return; /* repeated by a cache: it works once at most */
    if (nonces->len == ACME_NONCES_MAX) {
        xfree(nonces->items[0]);
        nonces->len--;
        memmove(nonces->items, nonces->items + 1, nonces->len * sizeof(nonces->items[0]));
    }
    nonces->items[nonces->len++] = xstrdup(nonce);
}

void acme_nonces_clear(struct acme_nonces *nonces)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&nonces->mutex);

    drop_all(nonces);
}

static char *pool_take(struct acme_nonces *nonces)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&nonces->mutex);

    return nonces->len > 0 ? nonces->items[--nonces->len] : NULL;
}

static int fetch(struct acme_client *client, const struct context *ctx, const char *url,
                 int *ret_status, struct err *err)
{
    cleanup(http_response_deinit) struct http_response response = {};
    cleanup(acme_problem_deinit) struct acme_problem problem = {};
    struct acme_call call = {.step = "fetching nonce", .url = url};
    int r;

    /* acme_fetch() has put the nonce into the pool, as from every answer. */
    r = acme_fetch(client, ctx, "HEAD", &call, &response, &problem, err);
    *ret_status = r < 0 ? problem.status : response.status;
    return r;
}

int acme_nonce_take(struct acme_client *client, const struct context *ctx, char **ret,
                    struct err *err)
{
    struct err cause = {};
    int r = 0, status = 0;

    for (int attempt = 0; attempt < 3; attempt++) {
        cleanup(xfree) char *nonce = pool_take(&client->nonces);
        cleanup(xfree) char *url = NULL;

        if (nonce) {
            *ret = take(nonce);
            return 0;
        }
        r = acme_directory_url(client, ctx, ACME_NEW_NONCE, &url, err);
        if (r < 0)
            return r;
        r = fetch(client, ctx, url, &status, &cause);
        if (r < 0 && !(status == 404 && acme_directory_expire(client, ctx)))
            break;
    }
    if (r >= 0)
        return err_set(err, ERR_PROTOCOL,
                       "fetching nonce: the answers of '%s' have no usable Replay-Nonce header",
                       client->directory_url);
    if (err)
        *err = cause;
    return cause.code;
}
