#include "acme/jws.h"

#include <string.h>

#include "base/base64.h"

#define PROTECTED_MAX (64 * 1024)
#define SIGNATURE_MAX 2048

struct json *acme_jwk(const struct pkey *key)
{
    cleanup(buf_deinit) struct buf text = BUF(PROTECTED_MAX);
    struct json *jwk = NULL;

    pkey_jwk(key, &text);
    (void)json_parse(buf_str(&text), text.len, PROTECTED_MAX, &jwk, NULL); /* our own text */
    return jwk;
}

static char *protected_header(const struct pkey *key, const struct acme_jws *jws)
{
    cleanup(json_unref) struct json *header = json_new_map();

    json_set_text(header, "alg", pkey_jws_alg(key));
    json_set_text(header, "nonce", jws->nonce);
    json_set_text(header, "url", jws->url);
    if (jws->account_url)
        json_set_text(header, "kid", jws->account_url);
    else
        json_set(header, "jwk", acme_jwk(key));
    return json_text(header);
}

char *acme_jws_signing_input(const char *protected_text, const char *payload)
{
    cleanup(xfree) char *first = base64url_new(protected_text, strlen(protected_text));
    cleanup(xfree) char *second = base64url_new(payload, strlen(payload));

    return xasprintf("%s.%s", first, second);
}

struct json *acme_jws_flatten(const struct acme_jws_parts *parts)
{
    cleanup(xfree) char *header = base64url_new(parts->protected_header,
                                                strlen(parts->protected_header));
    cleanup(xfree) char *payload = base64url_new(parts->payload, strlen(parts->payload));
    cleanup(xfree) char *signature = base64url_new(parts->signature, parts->signature_len);
    struct json *flat = json_new_map();

    json_set_text(flat, "protected", header);
    json_set_text(flat, "payload", payload);
    json_set_text(flat, "signature", signature);
    return flat;
}

int acme_jws_sign(const struct pkey *key, const struct acme_jws *jws, char **ret, struct err *err)
{
    cleanup(xfree) char *header = protected_header(key, jws);
    cleanup(xfree) char *payload = jws->payload ? json_text(jws->payload) : xstrdup("");
    cleanup(xfree) char *input = acme_jws_signing_input(header, payload);
    cleanup(buf_deinit) struct buf signature = BUF(SIGNATURE_MAX);
    cleanup(json_unref) struct json *flat = NULL;
    int r;

    r = pkey_jws_sign(key, input, strlen(input), &signature, err);
    if (r < 0)
        return err_wrap(err, "signing with the account key");
    flat = acme_jws_flatten(&(struct acme_jws_parts){.protected_header = header,
                                                     .payload = payload,
                                                     .signature = buf_str(&signature),
                                                     .signature_len = signature.len});
    *ret = json_text(flat);
    return 0;
}
