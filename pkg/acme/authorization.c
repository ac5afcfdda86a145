#include <string.h>

#include "acme/decode.h"
#include "acme/problem.h"
#include "acme/request.h"

#define CHALLENGES_MAX 32

void acme_authorization_deinit(struct acme_authorization *authorization)
{
    for (size_t i = 0; i < authorization->challenge_count; i++) {
        struct acme_challenge *challenge = &authorization->challenges[i];

        xfree(challenge->type);
        xfree(challenge->url);
        xfree(challenge->token);
        acme_problem_deinit(&challenge->error);
    }
    xfree(authorization->challenges);
    acme_identifier_deinit(&authorization->identifier);
    *authorization = (struct acme_authorization){};
}

/* --- decode --- */

static bool type_needs_token(const char *type)
{
    static const char *const types[] = {"http-01", "dns-01", "tls-alpn-01", "dns-account-01"};

    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (streq(types[i], type))
            return true;
    return false;
}

/* What is no use to us may look like anything: dns-persist-01 without a token broke strict clients
 * (AcmeSwift #22). A token we might use is checked here already (CVE-2026-40611). */
static int decode_challenge(const struct json *value, struct acme_challenge *to, struct err *err)
{
    int r;

    to->type = acme_decode_text(value, "type");
    to->token = xstrdup(json_get_text(value, "token"));
    if (acme_decode_status(value, &to->status, NULL) < 0)
        to->status = ACME_STATUS_PENDING;
    acme_problem_embedded(json_get(value, "error"), &to->error);
    r = acme_decode_url(value, "url", false, &to->url, err);
    if (r >= 0 && to->url && type_needs_token(to->type))
        r = acme_token_check(str_or(to->token, ""), err);
    return r < 0 ? err_wrap(err, "challenge '%s'", str_or(to->type, "")) : 0;
}

static int decode_challenges(const struct json *list, struct acme_authorization *to,
                             struct err *err)
{
    size_t count = json_len(list);
    int r;

    if (count > CHALLENGES_MAX)
        return err_set(err, ERR_TOO_LARGE, "the authorization has %zu challenges", count);
    to->challenges = count > 0 ? xcalloc(count, sizeof(to->challenges[0])) : NULL;
    json_for_each_item (item, list) {
        if (!json_get_text(item, "type") || !json_get_text(item, "url"))
            continue;
        r = decode_challenge(item, &to->challenges[to->challenge_count++], err);
        if (r < 0)
            return r;
    }
    return 0;
}

int acme_authorization_decode(const struct json *value, struct acme_authorization *ret,
                              struct err *err)
{
    cleanup(acme_authorization_deinit) struct acme_authorization authorization = {};
    int r;

    r = acme_decode_status(value, &authorization.status, err);
    if (r >= 0)
        r = acme_decode_identifier(json_get(value, "identifier"), &authorization.identifier, err);
    if (r < 0)
        return r;
    r = decode_challenges(json_get(value, "challenges"), &authorization, err);
    if (r < 0)
        return err_wrap(err, "name '%s'", str_or(authorization.identifier.value, "?"));
    authorization.wildcard = json_get_bool(value, "wildcard", false);
    authorization.expires_ms = acme_decode_time(value, "expires");
    *ret = authorization;
    authorization = (struct acme_authorization){};
    return 0;
}

/* --- requests --- */

int acme_authorization_get(struct acme_client *client, const struct context *ctx, const char *url,
                           struct acme_authorization *ret, struct acme_problem *ret_problem,
                           struct err *err)
{
    cleanup(http_response_deinit) struct http_response response = {};
    cleanup(json_unref) struct json *body = NULL;
    struct acme_call call = {
        .step = "reading authorization", .action = "get_authorization", .url = url};
    int r;

    r = acme_post(client, ctx, &call, &response, ret_problem, err);
    if (r < 0)
        return r;
    r = acme_body(&response, &body, err);
    if (r >= 0)
        r = acme_authorization_decode(body, ret, err);
    if (r < 0)
        return err_wrap(err, "reading authorization '%s'", url);
    ret->retry_at_ms = http_retry_at_ms(&response, context_now_ms(ctx));
    return 0;
}

int acme_authorization_deactivate(struct acme_client *client, const struct context *ctx,
                                  const char *url, struct acme_problem *ret_problem,
                                  struct err *err)
{
    cleanup(http_response_deinit) struct http_response response = {};
    cleanup(json_unref) struct json *payload = json_new_map();
    struct acme_call call = {.step = "deactivating authorization", .url = url, .payload = payload};

    json_set_text(payload, "status", "deactivated");
    return acme_post(client, ctx, &call, &response, ret_problem, err);
}
