/*
 * problem.c - what the CA's refusals mean (RFC 7807, RFC 8555 6.7; acme.md 8).
 *
 * The same type means different things in an HTTP answer and as the `error` of an order or a
 * challenge: `unauthorized` there says that a validation has failed, here that the account has no
 * rights. So the table has a column for each. The HTTP status goes before the type where it speaks
 * about the server (429, 5xx), and decides alone where there is no document.
 */
#include "acme/problem.h"

#include <stdio.h>
#include <string.h>

#include "acme/decode.h"
#include "base/clock.h"
#include "base/timetext.h"

#define SUBPROBLEMS_MAX   LIMIT_NAMES
#define SUBPROBLEMS_SHOWN 5
#define TYPE_MAX          100
#define SUBDETAIL_MAX     300
#define RETRY_MAX_MS      DAYS(7) /* as the gate (gate.c) */

static const struct {
    const char *type;
    enum acme_class answer, embedded;
} types[] = {
    {"accountDoesNotExist", ACME_ACCOUNT, ACME_ACCOUNT},
    {"alreadyReplaced", ACME_ALREADY_REPLACED, ACME_ALREADY_REPLACED},
    {"alreadyRevoked", ACME_FIX_CONFIG, ACME_FIX_CONFIG},
    {"badCSR", ACME_FIX_CONFIG, ACME_FIX_CONFIG},
    {"badNonce", ACME_RETRY, ACME_NEW_ORDER},
    {"badPublicKey", ACME_FIX_CONFIG, ACME_FIX_CONFIG},
    {"badRevocationReason", ACME_FIX_CONFIG, ACME_FIX_CONFIG},
    {"badSignatureAlgorithm", ACME_FIX_CONFIG, ACME_FIX_CONFIG},
    {"caa", ACME_NEW_ORDER, ACME_NEW_ORDER},
    {"conflict", ACME_ACCOUNT, ACME_NEW_ORDER}, /* Boulder: the key belongs to another account */
    {"connection", ACME_NEW_ORDER, ACME_NEW_ORDER},
    {"dns", ACME_NEW_ORDER, ACME_NEW_ORDER},
    {"externalAccountRequired", ACME_FIX_CONFIG, ACME_FIX_CONFIG},
    {"incorrectResponse", ACME_NEW_ORDER, ACME_NEW_ORDER},
    {"invalidContact", ACME_FIX_CONFIG, ACME_FIX_CONFIG},
    {"invalidProfile", ACME_FIX_CONFIG, ACME_FIX_CONFIG},
    {"malformed", ACME_FIX_CONFIG, ACME_NEW_ORDER},
    {"onionCAARequired", ACME_FIX_CONFIG, ACME_FIX_CONFIG},
    {"orderNotReady", ACME_NOT_READY, ACME_NEW_ORDER},
    {"rateLimited", ACME_RATE_LIMITED, ACME_RATE_LIMITED},
    {"rejectedIdentifier", ACME_FIX_CONFIG, ACME_FIX_CONFIG},
    {"serverInternal", ACME_RETRY, ACME_NEW_ORDER},
    {"tls", ACME_NEW_ORDER, ACME_NEW_ORDER},
    {"unauthorized", ACME_ACCOUNT, ACME_NEW_ORDER},
    {"unsupportedContact", ACME_FIX_CONFIG, ACME_FIX_CONFIG},
    {"unsupportedIdentifier", ACME_FIX_CONFIG, ACME_FIX_CONFIG},
    {"userActionRequired", ACME_FIX_CONFIG, ACME_FIX_CONFIG},
};

static int type_row(const char *type)
{
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (streq(types[i].type, type))
            return (int)i;
    return -1;
}

void acme_problem_deinit(struct acme_problem *problem)
{
    for (size_t i = 0; i < problem->subproblem_count; i++) {
        xfree(problem->subproblems[i].type);
        xfree(problem->subproblems[i].detail);
        xfree(problem->subproblems[i].identifier);
    }
    xfree(problem->subproblems);
    xfree(problem->type);
    xfree(problem->detail);
    xfree(problem->instance);
    xfree(problem->help_url);
    strlist_deinit(&problem->algorithms);
    *problem = (struct acme_problem){};
}

void acme_problem_move(struct acme_problem *from, struct acme_problem *to)
{
    if (!to)
        return;
    acme_problem_deinit(to);
    *to = *from;
    *from = (struct acme_problem){};
}

/* --- the document --- */

static char *decode_type(const struct json *map)
{
    const char *type = json_get_text(map, "type");

    if (!type)
        return NULL;
    return acme_clip(str_starts(type, ACME_URN) ? type + strlen(ACME_URN) : type, TYPE_MAX);
}

static void decode_subproblem(const struct json *map, struct acme_subproblem *to)
{
    const struct json *identifier = json_get(map, "identifier");

    to->type = decode_type(map);
    to->detail = acme_clip(json_get_text(map, "detail"), SUBDETAIL_MAX);
    to->identifier = acme_clip(json_get_text(identifier, "value"), SUBDETAIL_MAX);
}

static void decode_document(const struct json *map, struct acme_problem *to)
{
    const struct json *subproblems = json_get(map, "subproblems");
    size_t count = json_len(subproblems) < SUBPROBLEMS_MAX ? json_len(subproblems)
                                                           : SUBPROBLEMS_MAX;

    to->type = decode_type(map);
    to->detail = acme_decode_text(map, "detail");
    to->instance = acme_decode_text(map, "instance");
    if (count > 0)
        to->subproblems = xcalloc(count, sizeof(to->subproblems[0]));
    for (size_t i = 0; i < count; i++)
        if (json_at(subproblems, i)) /* a list; a map has a length too, but no places */
            decode_subproblem(json_at(subproblems, i), &to->subproblems[to->subproblem_count++]);
    json_for_each_item (item, json_get(map, "algorithms")) {
        cleanup(xfree) char *algorithm = acme_clip(json_as_text(item), TYPE_MAX);

        if (algorithm && to->algorithms.len < 20)
            strlist_add(&to->algorithms, algorithm);
    }
}

/* --- its class --- */

static enum acme_class compound_class(const struct acme_problem *problem)
{
    for (size_t i = 0; i < problem->subproblem_count; i++) {
        int row = type_row(problem->subproblems[i].type);

        if (row >= 0 && types[row].answer == ACME_FIX_CONFIG)
            return ACME_FIX_CONFIG;
    }
    return ACME_NEW_ORDER;
}

static enum acme_class class_of_status(int status, bool has_document)
{
    if (!has_document || status == 408)
        return ACME_RETRY; /* something on the way has answered, not the CA */
    if (status == 401 || status == 403)
        return ACME_ACCOUNT;
    return status == 404 ? ACME_NEW_ORDER : ACME_FIX_CONFIG;
}

static enum acme_class answer_class(const struct acme_problem *problem, bool has_document)
{
    int row = type_row(problem->type), status = problem->status;

    if (status == 429 || (row >= 0 && types[row].answer == ACME_RATE_LIMITED))
        return ACME_RATE_LIMITED;
    if (status == 501 || (status >= 300 && status < 400))
        return ACME_FIX_CONFIG;
    if (status >= 500)
        return ACME_RETRY;
    if (streq(problem->type, "compound"))
        return compound_class(problem);
    if (status == 404 && (row < 0 || streq(problem->type, "malformed")))
        return class_of_status(status, has_document);
    return row >= 0 ? types[row].answer : class_of_status(status, has_document);
}

void acme_problem_embedded(const struct json *value, struct acme_problem *ret)
{
    int row;

    *ret = (struct acme_problem){};
    if (json_kind(value) != JSON_KIND_MAP)
        return;
    decode_document(value, ret);
    ret->status = (int)json_get_int(value, "status", 0);
    if (ret->status < 100 || ret->status > 599)
        ret->status = 0;
    row = type_row(ret->type);
    if (streq(ret->type, "compound"))
        ret->class = compound_class(ret);
    else
        ret->class = row >= 0 ? types[row].embedded : ACME_NEW_ORDER;
}

/* --- when and where to go on --- */

static bool is_time(const char *s)
{
    const char *shape = "dddd-dd-dd dd:dd:dd";

    for (; *shape; shape++, s++) {
        bool digit = *s >= '0' && *s <= '9';

        if (*shape == 'd' ? !digit : *s != *shape)
            return false;
    }
    return true;
}

int64_t acme_problem_detail_time_ms(const char *detail)
{
    const char *marker = "retry after ";
    const char *at = detail ? strstr(detail, marker) : NULL;
    char text[TIME_TEXT_MAX];
    int64_t ms;

    if (!at || !is_time(at + strlen(marker)))
        return 0;
    at += strlen(marker);
    (void)snprintf(text, sizeof(text), "%.10sT%.8sZ", at, at + 11);
    return time_parse_rfc3339(text, &ms, NULL) < 0 || ms < 0 ? 0 : ms;
}

/* The detail's time is the server's: what counts is how far it lies after the answer's Date. */
static int64_t detail_at_ms(const struct http_response *response, const char *detail,
                            int64_t now_ms)
{
    int64_t at_ms = acme_problem_detail_time_ms(detail);

    return at_ms > 0 && response->date_ms > 0 ? at_ms + now_ms - response->date_ms : at_ms;
}

/* "Retry-After: 0" and times that have passed say nothing: taken at their word, they would have us ask
 * without a pause. And after a week we ask again whatever was said. */
static int64_t retry_at_ms(const struct http_response *response, const char *detail, int64_t now_ms)
{
    int64_t at_ms = http_retry_at_ms(response, now_ms);

    if (at_ms <= now_ms)
        at_ms = detail_at_ms(response, detail, now_ms);
    if (at_ms <= now_ms)
        return 0;
    return at_ms < now_ms + RETRY_MAX_MS ? at_ms : now_ms + RETRY_MAX_MS;
}

/* "... Please visit: https://portal.example/unpause?jwt=... to unpause" (Boulder). */
static char *unpause_url(const char *detail)
{
    for (const char *at = detail ? strstr(detail, "https://") : NULL; at;
         at = strstr(at + 1, "https://")) {
        size_t len = strcspn(at, " \t\"'<>");
        cleanup(xfree) char *url = NULL;

        while (len > 0 && strchr(".,;:)", at[len - 1]))
            len--;
        url = xstrndup(at, len);
        if (strstr(url, "unpause"))
            return take(url);
    }
    return NULL;
}

static bool is_name_or_parent(const char *quoted, const char *name)
{
    size_t len = strlen(name), quoted_len = strlen(quoted);

    if (!strchr(quoted, '.') && !strchr(quoted, ':'))
        return false;
    return streq(quoted, name) || (str_ends(name, quoted) && name[len - quoted_len - 1] == '.');
}

bool acme_problem_is_about_names(const struct acme_problem *problem, const struct strlist *names)
{
    const char *at = str_or(problem->detail, "");

    if (strstr(at, "exact set of identifiers"))
        return true;
    for (at = strchr(at, '"'); at; at = strchr(at + 1, '"')) {
        cleanup(xfree) char *quoted = xstrndup(at + 1, strcspn(at + 1, "\""));

        for (size_t i = 0; i < names->len; i++)
            if (is_name_or_parent(quoted, names->items[i]))
                return true;
    }
    return false;
}

static char *help_url(const struct acme_problem *problem, const struct http_response *response)
{
    const char *rel = streq(problem->type, "userActionRequired") ? "terms-of-service" : "help";
    cleanup(xfree) char *url = NULL;

    if (http_link(response, rel, 0, &url, NULL) < 0)
        return NULL;
    return acme_clip(url, ACME_TEXT_MAX);
}

/* Nothing of ours in the body: say so, with its beginning. */
static char *foreign_detail(const struct http_response *response)
{
    cleanup(buf_deinit) struct buf excerpt = BUF(4 * LIMIT_EXCERPT);
    const char *location = http_header(response, "location");

    str_excerpt(&excerpt, buf_str(&response->body), response->body.len);
    if (response->status >= 300 && response->status < 400)
        return xasprintf("redirects are not followed; use the URL it points to: '%.*s'",
                         LIMIT_EXCERPT, str_or(location, "none"));
    if (excerpt.len == 0)
        return xstrdup("the answer is empty");
    return xasprintf("the answer is not from an ACME server: '%s'", buf_str(&excerpt));
}

void acme_problem_parse(int status, const struct http_response *response, int64_t now_ms,
                        struct acme_problem *ret)
{
    cleanup(json_unref) struct json *body = NULL;
    bool has_document;

    *ret = (struct acme_problem){.status = status};
    (void)json_parse(buf_str(&response->body), response->body.len, LIMIT_ACME_BODY, &body,
                     NULL); /* HTML, empty or cut */
    has_document = json_get_text(body, "type") || json_get_text(body, "detail");
    if (has_document)
        decode_document(body, ret);
    else
        ret->detail = foreign_detail(response);
    ret->class = answer_class(ret, has_document);
    ret->retry_at_ms = retry_at_ms(response, ret->detail, now_ms);
    if (ret->class == ACME_RATE_LIMITED && ret->retry_at_ms == 0)
        ret->help_url = unpause_url(ret->detail);
    if (ret->help_url)
        ret->class = ACME_PAUSED;
    else
        ret->help_url = help_url(ret, response);
}

/* --- in words --- */

static void add_type(struct buf *to, const char *type)
{
    if (!strchr(type, ':'))
        buf_add_str(to, ACME_URN);
    buf_add_str(to, type);
}

static void add_subproblem(struct buf *to, const struct acme_subproblem *subproblem)
{
    if (!str_empty(subproblem->identifier))
        buf_addf(to, "%s: ", subproblem->identifier);
    buf_add_str(to, str_or(subproblem->detail, str_or(subproblem->type, "no detail")));
}

static void add_subproblems(struct buf *to, const struct acme_problem *problem)
{
    buf_add_str(to, " (");
    for (size_t i = 0; i < problem->subproblem_count; i++) {
        if (i > 0)
            buf_add_str(to, "; ");
        if (i == SUBPROBLEMS_SHOWN) {
            buf_addf(to, "and %zu more", problem->subproblem_count - i);
            break;
        }
        add_subproblem(to, &problem->subproblems[i]);
    }
    buf_add_char(to, ')');
}

void acme_problem_text(const struct acme_problem *problem, struct buf *to)
{
    if (problem->status > 0)
        buf_addf(to, "%d", problem->status);
    if (problem->type) {
        buf_add_str(to, problem->status > 0 ? " " : "");
        add_type(to, problem->type);
    }
    if (!str_empty(problem->detail))
        buf_addf(to, "%s%s", problem->status > 0 || problem->type ? ": " : "", problem->detail);
    if (problem->subproblem_count > 0)
        add_subproblems(to, problem);
    if (problem->class == ACME_FIX_CONFIG && problem->help_url)
        buf_addf(to, "; see %s", problem->help_url);
}

static int problem_code(const struct acme_problem *problem)
{
    if (problem->status == 404)
        return ERR_NOT_FOUND;
    if (problem->status >= 300 && problem->status < 400)
        return ERR_PROTOCOL;
    if (problem->status == 501)
        return ERR_UNSUPPORTED;
    switch (problem->class) {
    case ACME_RATE_LIMITED:
    case ACME_PAUSED:
        return ERR_RATE_LIMITED;
    case ACME_RETRY:
        return ERR_UNAVAILABLE;
    case ACME_NEW_ORDER:
    case ACME_ACCOUNT:
        return ERR_DENIED;
    case ACME_NOT_READY:
    case ACME_ALREADY_REPLACED:
        return ERR_CONFLICT;
    case ACME_FIX_CONFIG:
        return ERR_INVALID;
    case ACME_OK:
        break;
    }
    return ERR_INTERNAL;
}

int acme_problem_err(const struct acme_problem *problem, struct err *err)
{
    cleanup(buf_deinit) struct buf text = BUF(16 * 1024);

    acme_problem_text(problem, &text);
    err_set(err, problem_code(problem), "%s", buf_str(&text));
    if (err)
        err->retry_at_ms = problem->retry_at_ms;
    return problem_code(problem);
}
