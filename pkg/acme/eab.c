/* eab.c - external account binding: the CA's customer key vouches for our account key. */
#include <string.h>

#include "acme/jws.h"

static const char *const algorithm_names[] = {
    [DIGEST_SHA256] = "HS256",
    [DIGEST_SHA384] = "HS384",
    [DIGEST_SHA512] = "HS512",
};

/* RFC 8555 7.3.4: MAC algorithm, the CA's key id, no nonce, the same url as the outer JWS. */
static char *protected_header(const struct acme_eab *eab, const char *url)
{
    cleanup(json_unref) struct json *header = json_new_map();

    json_set_text(header, "alg", algorithm_names[eab->algorithm]);
    json_set_text(header, "kid", eab->key_id);
    json_set_text(header, "url", url);
    return json_text(header);
}

int acme_eab_sign(const struct acme_eab *eab, const struct pkey *key, const char *url,
                  struct json **ret, struct err *err)
{
    cleanup(json_unref) struct json *jwk = acme_jwk(key);
    cleanup(xfree) char *payload = json_text(jwk);
    cleanup(xfree) char *header = NULL, *input = NULL;
    unsigned char mac[DIGEST_MAX];
    int r;

    if (str_empty(eab->key_id) || eab->mac_key_len == 0)
        return err_set(err, ERR_INVALID,
                       "the external account binding needs a key id and a MAC key");
    header = protected_header(eab, url);
    input = acme_jws_signing_input(header, payload);
    r = hmac(eab->algorithm, eab->mac_key, eab->mac_key_len, input, strlen(input), mac, err);
    if (r < 0)
        return err_wrap(err, "signing the external account binding");
    *ret = acme_jws_flatten(&(struct acme_jws_parts){.protected_header = header,
                                                     .payload = payload,
                                                     .signature = mac,
                                                     .signature_len = digest_len(eab->algorithm)});
    return 0;
}
