/*
 * request.h - one request to the CA: gate, nonce, signature, answer (RFC 8555 6).
 */
#ifndef ACME_REQUEST_H
#define ACME_REQUEST_H

#include "acme/acme.h"
#include "acme/directory.h"
#include "json/json.h"

struct acme_call {
    const char *step;   /* "creating order": opens every error text */
    const char *action; /* metrics label, behaviour.md 12; also what back-off is counted by */
    const char *url;
    const struct json *payload;  /* NULL: POST-as-GET */
    bool with_jwk;               /* sign with the bare key: newAccount */
    bool is_pem;                 /* the answer is a chain, not JSON */
    bool is_aside;               /* a refusal is no reason to hold anything else up */
    const struct strlist *names; /* of a newOrder: a limit may be on these alone */
};

/* Signed. Answers other than 2xx are errors; badNonce is dealt with here, nothing else is retried.
 * `ret_problem` (may be NULL) must be initialised; it is emptied first. */
int acme_post(struct acme_client *client, const struct context *ctx, const struct acme_call *call,
              struct http_response *ret, struct acme_problem *ret_problem, struct err *err);
/* To a URL of the directory, call->url left NULL. When the CA does not know it (404, malformed),
 * the directory is read again and, if the URL has changed, the request repeated once. */
int acme_post_resource(struct acme_client *client, const struct context *ctx,
                       enum acme_resource resource, const struct acme_call *call,
                       struct http_response *ret, struct acme_problem *ret_problem,
                       struct err *err);
/* Not signed: GET or HEAD. */
int acme_fetch(struct acme_client *client, const struct context *ctx, const char *method,
               const struct acme_call *call, struct http_response *ret,
               struct acme_problem *ret_problem, struct err *err);

#endif
