#include <string.h>

#include "acme/acme.h"
#include "acme/request.h"
#include "base/base64.h"

#define TOKEN_MIN 22 /* 128 bits in base64url, RFC 8555 8.1 */
#define TOKEN_MAX 128

/* The token becomes part of a path, a file name and a label: nothing but base64url may pass. */
int acme_token_check(const char *token, struct err *err)
{
    size_t len = strlen(token);

    if (strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != len)
        return err_set(err, ERR_PROTOCOL, "the token has characters that are not base64url");
    if (len < TOKEN_MIN || len > TOKEN_MAX)
        return err_set(err, ERR_PROTOCOL, "the token has %zu characters where %d to %d are allowed",
                       len, TOKEN_MIN, TOKEN_MAX);
    return 0;
}

char *acme_key_authorization(const char *token, const struct pkey *key)
{
    cleanup(xfree) char *thumbprint = NULL;

    if (acme_token_check(token, NULL) < 0)
        return NULL;
    thumbprint = pkey_thumbprint(key);
    return xasprintf("%s.%s", token, thumbprint);
}

char *acme_dns01_value(const char *token, const struct pkey *key)
{
    cleanup(xfree) char *key_authorization = acme_key_authorization(token, key);
    unsigned char hash[SHA256_LEN];

    if (!key_authorization)
        return NULL;
    sha256(key_authorization, strlen(key_authorization), hash);
    return base64url_new(hash, sizeof(hash));
}

int acme_challenge_start(struct acme_client *client, const struct context *ctx, const char *url,
                         int64_t *ret_retry_at_ms, struct acme_problem *ret_problem,
                         struct err *err)
{
    cleanup(http_response_deinit) struct http_response response = {};
    cleanup(json_unref) struct json *payload = json_new_map();
    struct acme_call call = {
        .step = "starting challenge", .action = "accept_challenge", .url = url, .payload = payload};
    int r;

    r = acme_post(client, ctx, &call, &response, ret_problem, err);
    if (r < 0)
        return r;
    *ret_retry_at_ms = http_retry_at_ms(&response, context_now_ms(ctx));
    return 0;
}
