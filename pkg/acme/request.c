/*
 * request.c - how every request to the CA goes:
 *
 *   gate ──► nonce ──► sign ──► http_do() ──► keep the new nonce ──► 2xx: done
 *              ▲                                      │
 *              └──────── badNonce, at most 10 ────────┴──► problem ──► close the gate ──► err
 *
 * Nothing but badNonce is repeated here: whether a request may be sent again is known only to who
 * keeps the order's state. The gate is asked before every single request, also those
 * for a nonce or the directory.
 */
#include "acme/request.h"

#include <string.h>

#include "acme/client.h"
#include "acme/decode.h"
#include "acme/jws.h"
#include "acme/problem.h"

#define NONCE_TRIES 20
#define PAUSE_MS    DAYS(1) /* a pause ends when the user acts: once a day we try whether he has */

/* Without Retry-After a 503 closes the gate for less than a 429: outages end without notice. */
#define BACK_OFF_LIMIT_MS  HOURS(1)
#define BACK_OFF_OUTAGE_MS MINUTES(8)

struct outgoing {
    const char *method;
    const char *body; /* NULL: none */
};

static int transmit(struct acme_client *client, const struct context *ctx,
                    const struct acme_call *call, const struct outgoing *outgoing,
                    struct http_response *ret, struct err *err)
{
    cleanup(strmap_deinit) struct strmap headers = {};
    struct http_request request = {
        .method = outgoing->method,
        .url = call->url,
        .headers = &headers,
        .body = outgoing->body,
        .body_len = outgoing->body ? strlen(outgoing->body) : 0,
        .max_body = call->is_pem ? LIMIT_CHAIN_BODY : LIMIT_ACME_BODY,
        .timeout_ms = client->timeout_ms,
        .tls = &client->tls,
        .action = call->action,
    };
    int r;

    if (outgoing->body)
        strmap_set(&headers, "Content-Type", "application/jose+json");
    if (call->is_pem)
        strmap_set(&headers, "Accept", "application/pem-certificate-chain");
    r = acme_gate_check(client->gate, ctx, err);
    if (r < 0)
        return r;
    r = http_do(client->http, ctx, &request, ret, err);
    if (r < 0)
        return r;
    acme_nonces_put(&client->nonces, http_header(ret, "replay-nonce"));
    return 0;
}

static void hold_names(struct acme_client *client, const struct context *ctx,
                       const struct acme_call *call, const struct acme_problem *problem)
{
    cleanup(xfree) char *why = NULL;

    if (problem->class == ACME_PAUSED)
        why = xasprintf("the CA has paused these names; to go on, open %s", problem->help_url);
    else
        why = xasprintf("%s: %d %s", call->step, problem->status, problem->detail);
    acme_gate_hold_names(client->gate, ctx, call->names, problem->retry_at_ms, why);
}

static void close_gate(struct acme_client *client, const struct context *ctx,
                       const struct acme_call *call, struct acme_problem *problem)
{
    cleanup(xfree) char *why = xasprintf("%s: %d %s", call->step, problem->status,
                                         str_or(problem->detail, "no reason given"));
    int64_t most_ms = problem->status == 503 ? BACK_OFF_OUTAGE_MS : BACK_OFF_LIMIT_MS;

    if (problem->retry_at_ms > 0)
        acme_gate_close_until(client->gate, problem->retry_at_ms, why);
    else
        problem->retry_at_ms = acme_gate_back_off(client->gate, ctx, call->action, why, most_ms);
}

/* Every 429 and 503 closes the gate for all work of the account, in whatever form it comes. The
 * exceptions are limits on names and sets of names, which for a day or more would stop everybody for one bad
 * name; and renewal information, which nothing depends on and whose answers may say to come back tomorrow. */
static void note_limit(struct acme_client *client, const struct context *ctx,
                       const struct acme_call *call, struct acme_problem *problem)
{
    if (call->is_aside)
        return;
    if (problem->class == ACME_PAUSED)
        problem->retry_at_ms = context_now_ms(ctx) + PAUSE_MS;
    else if (problem->class != ACME_RATE_LIMITED && problem->status != 503)
        return;
    if (call->names && problem->retry_at_ms > 0 &&
        (problem->class == ACME_PAUSED || acme_problem_is_about_names(problem, call->names)))
        hold_names(client, ctx, call, problem);
    else
        close_gate(client, ctx, call, problem);
}

/* What a received answer means: 0 for 2xx, else the problem. */
static int judge(struct acme_client *client, const struct context *ctx,
                 const struct acme_call *call, const struct http_response *response,
                 struct acme_problem *ret_problem, struct err *err)
{
    if (response->status >= 200 && response->status < 300) {
        acme_gate_succeeded(client->gate, call->action);
        return 0;
    }
    acme_problem_parse(response->status, response, context_now_ms(ctx), ret_problem);
    note_limit(client, ctx, call, ret_problem);
    return acme_problem_err(ret_problem, err);
}

/* All errors end here, so that each says the step and the host it was about. */
static int failed(const struct acme_call *call, struct acme_problem *problem,
                  const struct err *cause, struct acme_problem *ret_problem, struct err *err)
{
    cleanup(xfree) char *host = NULL;
    struct err told = *cause;

    (void)http_url_host(str_or(call->url, ""), &host,
                        NULL); /* a URL we cannot read is quoted by its own error */
    acme_problem_move(problem, ret_problem);
    err_wrap(&told, "%s at '%s'", call->step, str_or(host, "?"));
    if (err)
        *err = told;
    return told.code;
}

int acme_fetch(struct acme_client *client, const struct context *ctx, const char *method,
               const struct acme_call *call, struct http_response *ret,
               struct acme_problem *ret_problem, struct err *err)
{
    cleanup(http_response_deinit) struct http_response response = {};
    cleanup(acme_problem_deinit) struct acme_problem problem = {};
    struct err cause = {};
    int r;

    acme_problem_move(&problem, ret_problem);
    r = acme_check_url("request URL", call->url, &cause);
    if (r >= 0)
        r = transmit(client, ctx, call, &(struct outgoing){.method = method}, &response, &cause);
    if (r >= 0)
        r = judge(client, ctx, call, &response, &problem, &cause);
    if (r < 0)
        return failed(call, &problem, &cause, ret_problem, err);
    *ret = response;
    response = (struct http_response){};
    return 0;
}

static int sign(struct acme_client *client, const struct context *ctx, const struct acme_call *call,
                char **ret, struct err *err)
{
    cleanup(xfree) char *nonce = NULL;
    cleanup(xfree) char *account_url = call->with_jwk ? NULL : acme_client_account(client);
    struct acme_jws jws = {.url = call->url, .account_url = account_url, .payload = call->payload};
    int r;

    if (!call->with_jwk && !account_url)
        return err_set(err, ERR_INVALID,
                       "the account's URL is not known yet: register the account first");
    r = acme_nonce_take(client, ctx, &nonce, err);
    if (r < 0)
        return r;
    jws.nonce = nonce;
    return acme_jws_sign(client->key, &jws, ret, err);
}

static int post_once(struct acme_client *client, const struct context *ctx,
                     const struct acme_call *call, struct http_response *ret,
                     struct acme_problem *ret_problem, struct err *err)
{
    cleanup(xfree) char *body = NULL;
    int r;

    r = acme_gate_check(client->gate, ctx, err); /* before a nonce is spent */
    if (r < 0)
        return r;
    r = sign(client, ctx, call, &body, err);
    if (r < 0)
        return r;
    r = transmit(client, ctx, call, &(struct outgoing){.method = "POST", .body = body}, ret, err);
    if (r < 0)
        return r;
    return judge(client, ctx, call, ret, ret_problem, err);
}

/* The pool is as old as the nonce that was refused; the refusal brings a fresh one. */
static void renew_nonces(struct acme_client *client, const struct http_response *response)
{
    acme_nonces_clear(&client->nonces);
    acme_nonces_put(&client->nonces, http_header(response, "replay-nonce"));
}

int acme_post(struct acme_client *client, const struct context *ctx, const struct acme_call *call,
              struct http_response *ret, struct acme_problem *ret_problem, struct err *err)
{
    cleanup(acme_problem_deinit) struct acme_problem problem = {};
    struct err cause = {};
    int r;

    acme_problem_move(&problem, ret_problem);
    r = acme_check_url("request URL", call->url, &cause);
    if (r < 0)
        return failed(call, &problem, &cause, ret_problem, err);

    for (int attempt = 1;; attempt++) {
        cleanup(http_response_deinit) struct http_response response = {};

        acme_problem_deinit(&problem);
        r = post_once(client, ctx, call, &response, &problem, &cause);
        if (r >= 0) {
            *ret = response;
            response = (struct http_response){};
            return 0;
        }
        if (!streq(problem.type, "badNonce") || attempt == NONCE_TRIES)
            return failed(call, &problem, &cause, ret_problem, err);
        renew_nonces(client, &response);
    }
}

static bool directory_seems_old(int result, const struct acme_problem *problem)
{
    return result < 0 && (problem->status == 404 || streq(problem->type, "malformed"));
}

int acme_post_resource(struct acme_client *client, const struct context *ctx,
                       enum acme_resource resource, const struct acme_call *call,
                       struct http_response *ret, struct acme_problem *ret_problem, struct err *err)
{
    cleanup(acme_problem_deinit) struct acme_problem problem = {};
    cleanup(xfree) char *url = NULL, *newer_url = NULL;
    struct acme_call at = *call;
    struct err cause = {};
    int r;

    r = acme_directory_url(client, ctx, resource, &url, err);
    if (r < 0)
        return err_wrap(err, "%s", call->step);
    at.url = url;
    r = acme_post(client, ctx, &at, ret, &problem, &cause);
    if (directory_seems_old(r, &problem) && acme_directory_expire(client, ctx) &&
        acme_directory_url(client, ctx, resource, &newer_url, NULL) >= 0 &&
        !streq(url, newer_url)) {
        at.url = newer_url;
        r = acme_post(client, ctx, &at, ret, &problem, &cause);
    }
    if (r < 0 && err)
        *err = cause;
    acme_problem_move(&problem, ret_problem);
    return r;
}
