/*
 * order.c - orders (RFC 8555 7.1.3, 7.4), with profile (draft-ietf-acme-profiles), notAfter and
 * replaces (RFC 9773 5).
 */
#include <string.h>

#include "acme/client.h"
#include "acme/decode.h"
#include "acme/problem.h"
#include "acme/request.h"
#include "base/base64.h"
#include "base/timetext.h"

#define ORDER_ITEMS_MAX (2 * LIMIT_NAMES)
#define CSR_MAX         (256 * 1024)

void acme_order_deinit(struct acme_order *order)
{
    for (size_t i = 0; i < order->identifier_count; i++)
        acme_identifier_deinit(&order->identifiers[i]);
    xfree(order->identifiers);
    xfree(order->url);
    xfree(order->finalize_url);
    xfree(order->certificate_url);
    xfree(order->profile);
    xfree(order->replaces);
    strlist_deinit(&order->authorizations);
    acme_problem_deinit(&order->error);
    *order = (struct acme_order){};
}

/* --- decode --- */

static int decode_identifiers(const struct json *list, struct acme_order *to, struct err *err)
{
    size_t count = json_len(list);
    int r;

    if (json_kind(list) != JSON_KIND_LIST || count == 0)
        return err_set(err, ERR_PROTOCOL, "the order has no 'identifiers'");
    if (count > ORDER_ITEMS_MAX)
        return err_set(err, ERR_TOO_LARGE, "the order has %zu identifiers", count);
    to->identifiers = xcalloc(count, sizeof(to->identifiers[0]));
    for (size_t i = 0; i < count; i++) {
        r = acme_decode_identifier(json_at(list, i), &to->identifiers[to->identifier_count++], err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int decode_authorizations(const struct json *list, struct acme_order *to, struct err *err)
{
    if (json_len(list) > ORDER_ITEMS_MAX)
        return err_set(err, ERR_TOO_LARGE, "the order has %zu authorizations", json_len(list));
    json_for_each_item (item, list) {
        const char *url = str_or(json_as_text(item), "");
        int r = acme_check_url("authorization", url, err);

        if (r < 0)
            return r;
        strlist_add(&to->authorizations, url);
    }
    return 0;
}

static int decode_urls(const struct json *value, struct acme_order *to, struct err *err)
{
    bool can_be_finalized = to->status == ACME_STATUS_PENDING || to->status == ACME_STATUS_READY;
    int r;

    r = acme_decode_url(value, "finalize", can_be_finalized, &to->finalize_url, err);
    if (r < 0)
        return r;
    return acme_decode_url(value, "certificate", to->status == ACME_STATUS_VALID,
                           &to->certificate_url, err);
}

int acme_order_decode(const struct json *value, struct acme_order *ret, struct err *err)
{
    cleanup(acme_order_deinit) struct acme_order order = {};
    int r;

    r = acme_decode_status(value, &order.status, err);
    if (r >= 0)
        r = decode_identifiers(json_get(value, "identifiers"), &order, err);
    if (r >= 0)
        r = decode_authorizations(json_get(value, "authorizations"), &order, err);
    if (r >= 0)
        r = decode_urls(value, &order, err);
    if (r < 0)
        return r;
    order.profile = acme_decode_text(value, "profile");
    order.replaces = acme_decode_text(value, "replaces");
    order.expires_ms = acme_decode_time(value, "expires");
    order.not_after_ms = acme_decode_time(value, "notAfter");
    acme_problem_embedded(json_get(value, "error"), &order.error);
    *ret = order;
    order = (struct acme_order){};
    return 0;
}

static int read_order(const struct http_response *response, const struct context *ctx,
                      struct acme_order *ret, struct err *err)
{
    cleanup(json_unref) struct json *body = NULL;
    int r;

    r = acme_body(response, &body, err);
    if (r >= 0)
        r = acme_order_decode(body, ret, err);
    if (r >= 0)
        ret->retry_at_ms = http_retry_at_ms(response, context_now_ms(ctx));
    return r;
}

/* --- newOrder --- */

static void add_identifiers(struct json *list, const char *type, const struct strlist *values)
{
    cleanup(strlist_deinit) struct strlist unique = {};

    if (!values)
        return;
    strlist_copy(&unique, values);
    strlist_sort_unique(&unique);
    for (size_t i = 0; i < unique.len; i++) {
        struct json *identifier = json_new_map();

        json_set_text(identifier, "type", type);
        json_set_text(identifier, "value", unique.items[i]);
        json_append(list, identifier);
    }
}

static struct json *order_payload(const struct acme_order_request *request, bool with_replaces)
{
    struct json *payload = json_new_map(), *identifiers = json_new_list();
    char not_after[TIME_TEXT_MAX];

    add_identifiers(identifiers, "dns", request->dns_names);
    add_identifiers(identifiers, "ip", request->ip_addresses);
    json_set(payload, "identifiers", identifiers);
    if (!str_empty(request->profile))
        json_set_text(payload, "profile", request->profile);
    if (with_replaces)
        json_set_text(payload, "replaces", request->replaces);
    if (request->not_after_ms > 0) {
        time_format(request->not_after_ms, not_after);
        json_set_text(payload, "notAfter", not_after);
    }
    return payload;
}

static int refuse_profile(const struct acme_directory *directory, const char *profile,
                          struct err *err)
{
    cleanup(strlist_deinit) struct strlist names = {};
    cleanup(xfree) char *offered = NULL, *clipped = NULL;

    strmap_for_each (entry, &directory->profiles)
        strlist_add(&names, entry->key);
    offered = strlist_join(&names, "', '");
    clipped = acme_clip(offered, LIMIT_EXCERPT);
    if (names.len == 0)
        return err_set(err, ERR_INVALID, "profile '%s' is not known: the CA offers no profiles",
                       profile);
    return err_set(err, ERR_INVALID, "profile '%s' is not known: the CA offers '%s'", profile,
                   clipped);
}

/* The directory, read again if it does not list the profile. */
static int directory_with_profile(struct acme_client *client, const struct context *ctx,
                                  const char *profile, struct acme_directory *ret, struct err *err)
{
    int r = acme_directory(client, ctx, ret, err);

    if (r < 0 || str_empty(profile) || strmap_get(&ret->profiles, profile))
        return r;
    if (acme_directory_expire(client, ctx)) {
        acme_directory_deinit(ret);
        r = acme_directory(client, ctx, ret, err);
        if (r < 0)
            return r;
    }
    return strmap_get(&ret->profiles, profile) ? 0 : refuse_profile(ret, profile, err);
}

static bool speaks_of_replacement(const char *detail)
{
    return detail &&
           (strcasestr(detail, "replac") || strcasestr(detail, "certid") || strstr(detail, "ARI "));
}

/* alreadyReplaced comes as such, as a bare 409, as Boulder's 400, 403 and 404 in words, and for
 * unknown certificates as Pebble's 500 without any. One more try without `replaces` settles it. */
static bool is_about_replaces(const struct acme_problem *problem)
{
    if (problem->class == ACME_RATE_LIMITED || problem->class == ACME_PAUSED ||
        problem->status == 0)
        return false;
    return problem->status == 409 || speaks_of_replacement(problem->detail) ||
           (problem->status == 500 && streq(problem->type, "serverInternal"));
}

static struct strlist all_names(const struct acme_order_request *request)
{
    struct strlist names = {};

    if (request->dns_names)
        strlist_copy(&names, request->dns_names);
    for (size_t i = 0; request->ip_addresses && i < request->ip_addresses->len; i++)
        strlist_add(&names, request->ip_addresses->items[i]);
    return names;
}

static int send_order(struct acme_client *client, const struct context *ctx,
                      const struct acme_order_request *request, bool with_replaces,
                      struct http_response *ret, struct acme_problem *problem, struct err *err)
{
    cleanup(json_unref) struct json *payload = order_payload(request, with_replaces);
    cleanup(strlist_deinit) struct strlist names = all_names(request);
    struct acme_call call = {
        .step = "creating order", .action = "authorize_order", .payload = payload, .names = &names};
    int r;

    r = acme_post_resource(client, ctx, ACME_NEW_ORDER_URL, &call, ret, problem, err);
    if (r < 0 && with_replaces && is_about_replaces(problem)) {
        problem->class = ACME_ALREADY_REPLACED;
        r = ERR_CONFLICT;
        if (err)
            err->code = r;
    }
    return r;
}

int acme_order_new(struct acme_client *client, const struct context *ctx,
                   const struct acme_order_request *request, struct acme_order *ret,
                   struct acme_problem *ret_problem, struct err *err)
{
    cleanup(http_response_deinit) struct http_response response = {};
    cleanup(acme_directory_deinit) struct acme_directory directory = {};
    cleanup(acme_problem_deinit) struct acme_problem problem = {};
    cleanup(xfree) char *url = NULL;
    bool with_replaces;
    int r;

    acme_problem_move(&problem, ret_problem);
    r = directory_with_profile(client, ctx, request->profile, &directory, err);
    if (r < 0)
        return err_wrap(err, "creating order");
    with_replaces = !str_empty(request->replaces) && directory.renewal_info;
    r = send_order(client, ctx, request, with_replaces, &response, &problem, err);
    if (r < 0) {
        acme_problem_move(&problem, ret_problem);
        return r;
    }
    r = acme_location(&response, true, &url, err);
    if (r >= 0)
        r = read_order(&response, ctx, ret, err);
    if (r < 0)
        return err_wrap(err, "creating order at '%s'", directory.new_order);
    ret->url = take(url);
    acme_client_note_made(client, ret->url);
    return 0;
}

int acme_order_url_is_known(struct acme_client *client, const struct context *ctx, const char *url,
                            struct err *err)
{
    cleanup(acme_directory_deinit) struct acme_directory directory = {};
    int r;

    if (acme_client_knows_origin(client, url))
        return 1;
    r = acme_directory(client, ctx, &directory, err);
    return r < 0 ? r : http_url_same_origin(url, directory.new_order);
}

/* --- of an existing order --- */

int acme_order_get(struct acme_client *client, const struct context *ctx, const char *url,
                   struct acme_order *ret, struct acme_problem *ret_problem, struct err *err)
{
    cleanup(http_response_deinit) struct http_response response = {};
    struct acme_call call = {.step = "reading order", .action = "get_order", .url = url};
    int r;

    r = acme_post(client, ctx, &call, &response, ret_problem, err);
    if (r < 0)
        return r;
    r = read_order(&response, ctx, ret, err);
    if (r < 0)
        return err_wrap(err, "reading order '%s'", url);
    ret->url = xstrdup(url);
    return 0;
}

int acme_order_finalize(struct acme_client *client, const struct context *ctx,
                        const char *finalize_url, const void *csr, size_t csr_len,
                        struct acme_order *ret, struct acme_problem *ret_problem, struct err *err)
{
    cleanup(http_response_deinit) struct http_response response = {};
    cleanup(json_unref) struct json *payload = json_new_map();
    cleanup(xfree) char *encoded = NULL, *url = NULL;
    struct acme_call call = {.step = "finalizing order",
                             .action = "create_order_cert",
                             .url = finalize_url,
                             .payload = payload};
    int r;

    if (csr_len > CSR_MAX)
        return err_set(err, ERR_TOO_LARGE,
                       "finalizing order: the certificate request has %zu bytes", csr_len);
    encoded = base64url_new(csr, csr_len);
    json_set_text(payload, "csr", encoded);
    r = acme_post(client, ctx, &call, &response, ret_problem, err);
    if (r < 0)
        return r;
    r = acme_location(&response, false, &url, err); /* Pebble >= 2.9 and others send none here */
    if (r >= 0)
        r = read_order(&response, ctx, ret, err);
    if (r < 0)
        return err_wrap(err, "finalizing order '%s'", finalize_url);
    ret->url = take(url);
    return 0;
}
