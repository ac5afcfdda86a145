/*
 * http01.h - tokens that are being asked for, and who answers them.
 *
 * Either the program's own server answers on `listen`, bound only while there is a token, or the
 * answer is a file below the web root of a server that runs already. Any thread.
 *
 * A token has one key: which CA somebody uses is his own choice, and such a CA could hand out the
 * token of somebody else. Whoever comes second with another key is refused, and nobody takes back
 * what was added for another host.
 */
#ifndef SOLVER_HTTP01_H
#define SOLVER_HTTP01_H

#include "base/err.h"

struct server;
struct http01;

struct http01_options {
    struct server *server; /* borrowed; may be NULL with a web root */
    const char *listen;    /* ":80" */
    const char *webroot;   /* NULL: own server */
};
int http01_new(const struct http01_options *options, struct http01 **ret, struct err *err);
void http01_free(struct http01 *http01); /* takes back what is still presented */
DEFINE_CLEANUP(struct http01, http01_free);
/* Idempotent. A refused bind is ERR_DENIED or ERR_EXISTS with address and what to do; ERR_EXISTS,
 * too, when the token is there with another key; ERR_INVALID: no token, no host. */
int http01_add(struct http01 *http01, const char *host, const char *token, const char *key,
               struct err *err);
/* Idempotent; works on files of an earlier run, too. */
int http01_remove(struct http01 *http01, const char *host, const char *token, struct err *err);
/* The port that is listened on, 0 while there is no token: for tests with ":0". */
uint16_t http01_port(struct http01 *http01);
/* Handler for requests that come to another listener of ours (cluster mode, issue B): 404 or the
 * key. */
struct server_request;
struct server_response;
void http01_answer(void *http01, const struct server_request *request,
                   struct server_response *response);

/* ERR_INVALID unless the token can stand in a path: base64url, and not too long. */
int http01_token_check(const char *token, struct err *err);

#endif
