/*
 * http01.c - the registry of tokens.
 *
 * The handler runs on the server's thread and looks tokens up under `mutex`. server_unlisten() waits
 * for that thread, so nobody may hold the mutex while calling it. Whoever changes something takes a
 * turn instead: changes come one after the other, and the mutex is held for moments only.
 */
#include "solver/http01.h"

#include <string.h>

#include "base/map.h"
#include "base/thread.h"
#include "pki/names.h"
#include "server/server.h"
#include "solver/webroot.h"

#define PATH_PREFIX    "/.well-known/acme-challenge/"
#define LISTEN_DEFAULT ":80"
#define TOKEN_MAX      128 /* acme's own limit */
#define BASE64URL      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

struct presented { /* one token */
    char *key;
    struct strlist hosts; /* lower case or canonical address */
};

struct http01 {
    struct server *server; /* borrowed; NULL with a web root */
    char *listen;
    struct webroot webroot;

    struct mutex mutex; /* guards the next three */
    struct cond turn_ended;
    bool turn_taken;
    struct map *tokens; /* token → struct presented; changed only in a turn */

    struct server_listener *listener; /* of whose turn it is */
};

static void presented_free(void *arg)
{
    struct presented *presented = arg;

    xfree(presented->key);
    strlist_deinit(&presented->hosts);
    xfree(presented);
}

/* --- turns --- */

static struct http01 *begin_turn(struct http01 *http01)
{
    mutex_lock(&http01->mutex);
    while (http01->turn_taken)
        cond_wait(&http01->turn_ended, &http01->mutex);
    http01->turn_taken = true;
    mutex_unlock(&http01->mutex);
    return http01;
}

static void end_turn(struct http01 *http01)
{
    mutex_lock(&http01->mutex);
    http01->turn_taken = false;
    cond_signal(&http01->turn_ended);
    mutex_unlock(&http01->mutex);
}
DEFINE_CLEANUP(struct http01, end_turn);

/* --- names --- */

int http01_token_check(const char *token, struct err *err)
{
    size_t len = token ? strlen(token) : 0;

    if (len == 0 || len > TOKEN_MAX || strspn(token, BASE64URL) != len)
        return err_set(err, ERR_INVALID, "the token is not 1 to %d characters of base64url",
                       TOKEN_MAX);
    return 0;
}

/* The form in which hosts are compared. */
static char *canonical_host(const char *host, size_t len)
{
    char *name = xstrndup(host, len), address[IP_TEXT_MAX];

    str_lower(name);
    if (ip_canonical(name, address, NULL) < 0)
        return name;
    xfree(name);
    return xstrdup(address);
}

/* "name", "name:80", "[2001:db8::1]:80" */
static char *host_of_header(const char *header)
{
    if (*header == '[')
        return canonical_host(header + 1, strcspn(header + 1, "]"));
    return canonical_host(header, strcspn(header, ":"));
}

/* --- answering --- */

/* The key of the token, copied under the lock; false: nobody asked for that token on that host. */
static bool copy_key(struct http01 *http01, const char *host, const char *token, struct buf *to)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&http01->mutex);
    const struct presented *presented = map_get(http01->tokens, token);

    if (!presented || !strlist_has(&presented->hosts, host))
        return false;
    buf_add_str(to, presented->key);
    return true;
}

void http01_answer(void *arg, const struct server_request *request,
                   struct server_response *response)
{
    cleanup(xfree) char *host = host_of_header(request->host);
    bool reads = streq(request->method, "GET") || streq(request->method, "HEAD");

    response->no_store = true;
    if (!reads || !str_starts(request->path, PATH_PREFIX) ||
        !copy_key(arg, host, request->path + strlen(PATH_PREFIX), &response->body))
        response->status = 404;
}

/* --- the server of our own --- */

/* The server says what failed; what can be done about it depends on who binds. */
static const char *bind_advice(int code)
{
    switch (code) {
    case ERR_DENIED:
        return "run as root, give CAP_NET_BIND_SERVICE, use --http01-listen with a higher port "
               "behind a redirect, or --http01-webroot DIR";
    case ERR_EXISTS:
        return "let the program that has it serve --http01-webroot DIR, or pass "
               "'/.well-known/acme-challenge/' on to a port that --http01-listen names";
    default:
        return "see --http01-listen";
    }
}

static int start_listening(struct http01 *http01, struct err *err)
{
    struct err why;
    int r;

    if (http01->listener)
        return 0;
    r = server_listen(http01->server, http01->listen, http01_answer, http01, &http01->listener,
                      &why);
    return r < 0 ? err_set(err, r, "%s; %s", why.text, bind_advice(r)) : 0;
}

static void stop_listening(struct http01 *http01)
{
    if (!http01->listener)
        return;
    server_unlisten(http01->server, http01->listener);
    http01->listener = NULL;
}

uint16_t http01_port(struct http01 *http01)
{
    cleanup(end_turn) struct http01 *turn = begin_turn(http01);

    return turn->listener ? server_listener_port(turn->listener) : 0;
}

/* --- adding and removing; in a turn --- */

static int check_key(const struct http01 *http01, const char *token, const char *key,
                     struct err *err)
{
    const struct presented *presented = map_get(http01->tokens, token);

    if (presented && !streq(presented->key, key))
        return err_set(err, ERR_EXISTS,
                       "the token is being answered with another key already: two CAs gave the "
                       "same one");
    return 0;
}

static void note(struct http01 *http01, const char *host, const char *token, const char *key)
{
    cleanup(xfree) char *name = canonical_host(host, strlen(host));
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&http01->mutex);
    struct presented *presented = map_get(http01->tokens, token);

    if (!presented) {
        presented = xalloc(sizeof(*presented));
        presented->key = xstrdup(key);
        map_set(http01->tokens, token, presented);
    }
    if (!strlist_has(&presented->hosts, name))
        strlist_add(&presented->hosts, name);
}

int http01_add(struct http01 *http01, const char *host, const char *token, const char *key,
               struct err *err)
{
    cleanup(end_turn) struct http01 *turn = begin_turn(http01);
    int r;

    r = http01_token_check(token, err);
    if (r < 0)
        return r;
    if (str_empty(host) || str_empty(key))
        return err_set(err, ERR_INVALID, "a token needs a host and a key");
    r = check_key(turn, token, key, err);
    if (r < 0)
        return r;
    if (turn->webroot.path)
        r = webroot_write(&turn->webroot, token, key, err);
    else
        r = start_listening(turn, err);
    if (r == 0)
        note(turn, host, token, key);
    return r;
}

static void remove_text(struct strlist *list, const char *text)
{
    struct strlist kept = {};

    for (size_t i = 0; i < list->len; i++) {
        if (!streq(list->items[i], text))
            strlist_add(&kept, list->items[i]);
    }
    strlist_deinit(list);
    *list = kept;
}

/* False when the token is asked for on no other host. */
static bool forget(struct http01 *http01, const char *host, const char *token)
{
    cleanup(xfree) char *name = canonical_host(host, strlen(host));
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&http01->mutex);
    struct presented *presented = map_get(http01->tokens, token);

    if (!presented)
        return false;
    remove_text(&presented->hosts, name);
    if (presented->hosts.len > 0)
        return true;
    (void)map_remove(http01->tokens, token); /* it is there */
    return false;
}

int http01_remove(struct http01 *http01, const char *host, const char *token, struct err *err)
{
    cleanup(end_turn) struct http01 *turn = begin_turn(http01);
    int r;

    r = http01_token_check(token, err);
    if (r < 0)
        return r;
    if (forget(turn, str_or(host, ""), token))
        return 0;
    if (map_len(turn->tokens) == 0)
        stop_listening(turn);
    return turn->webroot.path ? webroot_remove(&turn->webroot, token, err) : 0;
}

/* --- life --- */

int http01_new(const struct http01_options *options, struct http01 **ret, struct err *err)
{
    cleanup(http01_free) struct http01 *http01 = xalloc(sizeof(*http01));
    int r = 0;

    mutex_init(&http01->mutex);
    cond_init(&http01->turn_ended);
    http01->tokens = map_new(presented_free);
    http01->listen = xstrdup(str_or(options->listen, LISTEN_DEFAULT));
    if (!str_empty(options->webroot))
        r = webroot_init(&http01->webroot, options->webroot, err);
    else if (!options->server)
        r = err_set(err, ERR_INVALID, "http-01 needs a server or a web root");
    if (r < 0)
        return r;
    http01->server = options->server;
    *ret = take(http01);
    return 0;
}

static void remove_files(struct http01 *http01)
{
    map_for_each (entry, http01->tokens)
        (void)webroot_remove(&http01->webroot, map_entry_key(entry), NULL); /* all we can do */
}

void http01_free(struct http01 *http01)
{
    if (!http01)
        return;
    stop_listening(http01);
    if (http01->webroot.path)
        remove_files(http01);
    webroot_deinit(&http01->webroot);
    map_free(http01->tokens);
    xfree(http01->listen);
    cond_deinit(&http01->turn_ended);
    mutex_deinit(&http01->mutex);
    xfree(http01);
}
