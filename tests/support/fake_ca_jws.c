/* fake_ca_jws.c - what a client signed, checked as strictly as Boulder and Pebble do. */
#include <string.h>

#include "base/base64.h"
#include "support/fake_ca_inside.h"

#define PART_MAX (1024 * 1024)

struct parts {
    const char *header, *payload, *signature; /* base64url, lent */
    char *input;
};

static char *decode_text(const char *encoded)
{
    cleanup(buf_deinit) struct buf bytes = BUF(PART_MAX);

    if (strchr(encoded, '=') || base64url_decode(&bytes, encoded, strlen(encoded), NULL) < 0)
        return NULL;
    return xstrdup(buf_str(&bytes));
}

static struct json *decode_json(const char *text)
{
    struct json *value = NULL;

    if (!text || json_parse(text, strlen(text), PART_MAX, &value, NULL) < 0)
        return NULL;
    return value;
}

static int malformed(struct ca_request *request, const char *what)
{
    ca_complain(request->ca, "%s: %s", request->endpoint, what);
    return ca_problem(request, 400, "malformed", "%s", what);
}

static int parts_read(struct ca_request *request, const struct json *jws, struct parts *ret)
{
    if (json_len(jws) != 3 || !json_get_text(jws, "protected") || !json_get_text(jws, "payload") ||
        !json_get_text(jws, "signature"))
        return malformed(request, "not a flattened JWS of protected, payload and signature");
    ret->header = json_get_text(jws, "protected");
    ret->payload = json_get_text(jws, "payload");
    ret->signature = json_get_text(jws, "signature");
    ret->input = xasprintf("%s.%s", ret->header, ret->payload);
    return 0;
}

static int verify(struct ca_request *request, const struct parts *parts, const struct pkey *key)
{
    cleanup(buf_deinit) struct buf signature = BUF(PART_MAX);

    if (!streq(json_get_text(request->header, "alg"), pkey_jws_alg(key)))
        return ca_problem(request, 400, "badSignatureAlgorithm", "alg does not fit the key");
    if (base64url_decode(&signature, parts->signature, strlen(parts->signature), NULL) < 0)
        return malformed(request, "the signature is not base64url");
    if (pkey_jws_verify(key, parts->input, strlen(parts->input), buf_str(&signature), signature.len,
                        NULL) < 0)
        return malformed(request, "the signature does not verify");
    return 0;
}

static int check_nonce(struct ca_request *request)
{
    struct fake_ca *ca = request->ca;
    const char *nonce = json_get_text(request->header, "nonce");
    bool chance = ca->options.nonce_reject_percent > 0 &&
                  (int)(ca_random(ca) % 100) < ca->options.nonce_reject_percent;

    if (!nonce)
        return malformed(request, "no nonce");
    if (map_remove(ca->nonces, nonce) && !chance)
        return 0;
    ca->counts.bad_nonces++;
    return ca_problem(request, 400, "badNonce", "the nonce is not known");
}

static int key_of_jwk(struct ca_request *request)
{
    const struct json *jwk = request->jwk;

    if (pkey_from_jwk_text(json_get_text(jwk, "n"), json_get_text(jwk, "e"),
                           json_get_text(jwk, "crv"), json_get_text(jwk, "x"),
                           json_get_text(jwk, "y"), &request->key, NULL) < 0)
        return ca_problem(request, 400, "badPublicKey", "the jwk is no public key");
    return 0;
}

static int account_of_kid(struct ca_request *request, const char *kid)
{
    cleanup(xfree) char *prefix = xasprintf("%s/account/", ca_url(request->ca));
    int64_t id = 0;

    if (str_starts(kid, prefix))
        (void)str_parse_int(kid + strlen(prefix), 1, 1000000, &id);
    request->account = ca_list_get(&request->ca->accounts, (int)id);
    if (!request->account || request->account->forgotten)
        return ca_problem(request, 400, "accountDoesNotExist", "no account '%s'", kid);
    request->key = pkey_ref(request->account->key);
    return 0;
}

static int find_key(struct ca_request *request)
{
    const char *kid = json_get_text(request->header, "kid");
    bool wants_jwk = streq(request->endpoint, "newAccount");

    request->jwk = json_get(request->header, "jwk");
    if (!kid == !request->jwk)
        return malformed(request, "exactly one of jwk and kid is needed");
    if (wants_jwk != !kid)
        return malformed(request,
                         wants_jwk ? "newAccount needs a jwk" : "this request needs a kid");
    return kid ? account_of_kid(request, kid) : key_of_jwk(request);
}

static int read_payload(struct ca_request *request, const char *text)
{
    if (text && !*text)
        return 0;
    request->payload = decode_json(text);
    if (json_kind(request->payload) != JSON_KIND_MAP)
        return malformed(request, "the payload is neither empty nor a JSON map");
    return 0;
}

static int check_parts(struct ca_request *request, const struct parts *parts)
{
    struct fake_ca *ca = request->ca;

    xfree(ca->last_header);
    xfree(ca->last_payload);
    ca->last_header = decode_text(parts->header);
    ca->last_payload = decode_text(parts->payload);
    request->header = decode_json(ca->last_header);
    if (json_kind(request->header) != JSON_KIND_MAP)
        return malformed(request, "the protected header is not JSON");
    if (find_key(request) < 0 || verify(request, parts, request->key) < 0)
        return -1;
    if (!streq(json_get_text(request->header, "url"), request->http->url))
        return malformed(request, "the header's url is not the request's");
    if (check_nonce(request) < 0)
        return -1;
    return read_payload(request, ca->last_payload);
}

static bool has_content_type(const struct http_request *request)
{
    strmap_for_each (header, request->headers) {
        if (streq_ci(header->key, "content-type"))
            return streq(header->value, "application/jose+json");
    }
    return false;
}

int ca_jws_check(struct ca_request *request)
{
    cleanup(json_unref) struct json *jws = NULL;
    struct parts parts = {};
    int r;

    if (!has_content_type(request->http))
        return malformed(request, "Content-Type is not application/jose+json");
    (void)json_parse(request->http->body, request->http->body_len, PART_MAX, &jws,
                     NULL); /* checked by parts_read() */
    r = parts_read(request, jws, &parts);
    if (r >= 0)
        r = check_parts(request, &parts);
    xfree(parts.input);
    return r;
}

/* --- external account binding --- */

static int verify_mac(struct ca_request *request, const struct parts *parts)
{
    const struct fake_ca_options *options = &request->ca->options;
    cleanup(buf_deinit) struct buf given = BUF(PART_MAX);
    cleanup(xfree) char *text = decode_text(parts->header);
    cleanup(json_unref) struct json *header = decode_json(text);
    const char *alg = str_or(json_get_text(header, "alg"), "");
    enum digest_type type = streq(alg, "HS512")   ? DIGEST_SHA512
                            : streq(alg, "HS384") ? DIGEST_SHA384
                                                  : DIGEST_SHA256;
    unsigned char mac[DIGEST_MAX];

    if (!str_starts(alg, "HS") || json_get(header, "nonce") ||
        !streq(json_get_text(header, "url"), request->http->url))
        return malformed(request, "the binding's header is wrong");
    if (!streq(json_get_text(header, "kid"), options->eab_key_id))
        return ca_problem(request, 403, "unauthorized",
                          "unknown key id of the external account binding");
    (void)hmac(type, options->eab_mac_key, options->eab_mac_key_len, parts->input,
               strlen(parts->input), mac, NULL);
    (void)base64url_decode(&given, parts->signature, strlen(parts->signature), NULL);
    if (given.len != digest_len(type) || memcmp(given.data, mac, given.len) != 0)
        return ca_problem(request, 403, "unauthorized",
                          "the external account binding does not verify");
    return 0;
}

int ca_eab_check(struct ca_request *request)
{
    const struct json *binding = json_get(request->payload, "externalAccountBinding");
    cleanup(xfree) char *text = NULL;
    cleanup(json_unref) struct json *jwk = NULL;
    struct parts parts = {};
    int r;

    if (!request->ca->options.eab_key_id)
        return 0;
    if (!binding)
        return ca_problem(request, 400, "externalAccountRequired",
                          "an external account binding is needed");
    r = parts_read(request, binding, &parts);
    if (r >= 0) {
        text = decode_text(parts.payload);
        jwk = decode_json(text);
        r = json_same(jwk, request->jwk) ? verify_mac(request, &parts)
                                         : malformed(request, "the binding is for another key");
    }
    xfree(parts.input);
    return r;
}
