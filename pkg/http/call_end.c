/*
 * call_end.c - how a call ended, in our codes and in words fit for a condition: never the path, the
 * query or the body, and the same words each time.
 */
#include <ctype.h>
#include <string.h>

#include "http/call.h"
#include "http/response.h"

/* The connection or the stream has ended in the middle. */
static bool is_lost(CURLcode code)
{
    return code == CURLE_HTTP2 || code == CURLE_HTTP2_STREAM || code == CURLE_RECV_ERROR ||
           code == CURLE_SEND_ERROR || code == CURLE_GOT_NOTHING;
}

bool call_wants_repeat(const struct call *call, CURLcode code)
{
    bool safe = streq(call->method, "GET") || streq(call->method, "HEAD");

    if (call->repeated || call->header_bytes > 0 || call->head_ready)
        return false;
    if (!safe && !call->request->repeatable)
        return false;
    return is_lost(code);
}

#define CURLE_TOO_LARGE_SINCE_8_6 100 /* before, it said it had no memory */

struct meaning {
    int curl;
    enum err_code code;
};
/* All that is not here is ERR_NETWORK: curl's list is long and most of it is about connections. */
static const struct meaning meanings[] = {
    {CURLE_OPERATION_TIMEDOUT, ERR_TIMEOUT},
    {CURLE_PEER_FAILED_VERIFICATION, ERR_DENIED},
    {CURLE_SSL_ISSUER_ERROR, ERR_DENIED},
    {CURLE_SSL_INVALIDCERTSTATUS, ERR_DENIED},
    {CURLE_SSL_CLIENTCERT, ERR_DENIED},
    {CURLE_SSL_CACERT_BADFILE, ERR_INVALID}, /* ca_pem */
    {CURLE_SSL_CERTPROBLEM, ERR_INVALID},    /* cert_pem, key_pem */
    {CURLE_URL_MALFORMAT, ERR_INVALID},
    {CURLE_TOO_LARGE_SINCE_8_6, ERR_TOO_LARGE},
    {CURLE_TOO_MANY_REDIRECTS, ERR_PROTOCOL},
    {CURLE_UNSUPPORTED_PROTOCOL, ERR_PROTOCOL}, /* HTTP/0.9 */
    {CURLE_WEIRD_SERVER_REPLY, ERR_PROTOCOL},
    {CURLE_BAD_CONTENT_ENCODING, ERR_PROTOCOL},
    {CURLE_WRITE_ERROR, ERR_PROTOCOL}, /* not ours, so of the decompressor */
    {CURLE_OUT_OF_MEMORY, ERR_NOMEM},
    {CURLE_UNKNOWN_OPTION, ERR_INTERNAL},
    {CURLE_NOT_BUILT_IN, ERR_INTERNAL},
    {CURLE_BAD_FUNCTION_ARGUMENT, ERR_INTERNAL},
};

static enum err_code code_of(struct call *call, CURLcode code)
{
    if (code == CURLE_UNSUPPORTED_PROTOCOL && call_is_after_redirect(call))
        return ERR_DENIED;
    for (size_t i = 0; i < ARRAY_LEN(meanings); i++) {
        if (meanings[i].curl == (int)code)
            return meanings[i].code;
    }
    return ERR_NETWORK;
}

/* "after 3 ms" makes a new text of each try, and a condition that never comes to rest. */
static void drop_times(char *text)
{
    char *from = strstr(text, " after "), *to;

    if (!from)
        return;
    to = from + strlen(" after ");
    if (!isdigit((unsigned char)*to))
        return;
    to += strspn(to, "0123456789");
    if (strncmp(to, " milliseconds", 13) == 0)
        to += 13;
    else if (strncmp(to, " ms", 3) == 0)
        to += 3;
    else
        return;
    memmove(from, to, strlen(to) + 1);
}

/* Where the call had got to, also after redirects: "https://host:port". */
static char *current_origin(struct call *call)
{
    cleanup(url_parts_deinit) struct url_parts parts = {};
    char *url = NULL;

    if (call_is_after_redirect(call) &&
        curl_easy_getinfo(call->easy, CURLINFO_EFFECTIVE_URL, &url) == CURLE_OK && url &&
        url_split(url, &parts, NULL) == 0)
        return take(parts.origin);
    return xstrdup(call->url.origin);
}

static bool time_passed(struct call *call, CURLINFO info)
{
    curl_off_t us = 0;

    return curl_easy_getinfo(call->easy, info, &us) == CURLE_OK && us > 0;
}

/* What it was doing, for "<doing> https://host:port: ..." */
static const char *doing(struct call *call)
{
    return time_passed(call, CURLINFO_PRETRANSFER_TIME_T) ? "calling" : "connecting to";
}

/* The last step goes first: on a connection that is used again the ones before take no time. */
static const char *what_was_awaited(struct call *call)
{
    if (call->response.status != 0)
        return "the answer did not end in time";
    if (time_passed(call, CURLINFO_PRETRANSFER_TIME_T))
        return "no answer in time";
    if (time_passed(call, CURLINFO_CONNECT_TIME_T))
        return "no TLS handshake in time";
    if (time_passed(call, CURLINFO_NAMELOOKUP_TIME_T))
        return "no connection in time";
    return "the name was not resolved in time";
}

int call_conclude_timeout(struct call *call, struct err *err)
{
    cleanup(xfree) char *origin = current_origin(call);

    return err_set(err, ERR_TIMEOUT, "%s %s: %s", doing(call), origin, what_was_awaited(call));
}

/* curl's own limit for a line is larger than ours for all of them, but a line that does not end
 * meets it first. */
static bool head_was_too_long(const struct call *call, CURLcode code)
{
    if (call->header_bytes > LIMIT_HTTP_HEADERS)
        return true;
    return call->in_head && (code == CURLE_OUT_OF_MEMORY || (int)code == CURLE_TOO_LARGE_SINCE_8_6);
}

/* OpenSSL's words for a certificate that is not in force. It may be we who are at another time, as after a start without
 * a clock; the time itself would make a new text of each try. */
static const char *clock_hint(const char *text)
{
    return strstr(text, "certificate is not yet valid") || strstr(text, "certificate has expired")
               ? "; is the clock of this machine right?"
               : "";
}

static int conclude_failure(struct call *call, CURLcode code, struct err *err)
{
    cleanup(xfree) char *origin = current_origin(call);

    if (call->fault == ERR_DENIED)
        return err_set(err, ERR_DENIED, "redirect to %s refused: not a public address", origin);
    if (head_was_too_long(call, code))
        return err_set(err, ERR_TOO_LARGE, "calling %s: headers are larger than %d bytes", origin,
                       LIMIT_HTTP_HEADERS);
    if (call->fault == ERR_TOO_LARGE)
        return err_set(err, ERR_TOO_LARGE, "calling %s: body is larger than %zu bytes", origin,
                       call->max_body);
    if (code == CURLE_TOO_MANY_REDIRECTS)
        return err_set(err, ERR_PROTOCOL, "calling %s: more than %d redirects", call->url.origin,
                       call->max_redirects);
    drop_times(call->error);
    return err_set(err, (int)code_of(call, code), "%s %s: %s%s", doing(call), origin,
                   str_or(call->error, curl_easy_strerror(code)), clock_hint(call->error));
}

static bool is_cut_401(const struct call *call, CURLcode code)
{
    return call->takes_cut_401 && !call->streaming && !call->in_head &&
           call->response.status == 401 && (code == CURLE_PARTIAL_FILE || is_lost(code));
}

int call_conclude(struct call *call, CURLcode code, struct err *err)
{
    if (is_cut_401(call, code))
        code = CURLE_OK;
    if (code != CURLE_OK)
        return conclude_failure(call, code, err);
    if (call->in_head) /* curl takes the end of the connection for the end of the head */
        return err_set(err, ERR_NETWORK, "calling %s: the answer broke off in its headers",
                       call->url.origin);
    if (call->streaming) {
        if (!call->head_ready)
            call_announce_head(call);
        return 0;
    }
    response_note_date(&call->response);
    call_note_final_url(call);
    return 0;
}
