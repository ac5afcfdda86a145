#include "acme/client.h"
#include "acme/decode.h"
#include "acme/jws.h"
#include "acme/problem.h"
#include "acme/request.h"

#define CONTACTS_MAX 20
#define PAGES_MAX    100 /* a list that never ends is no list */

void acme_account_deinit(struct acme_account *account)
{
    xfree(account->url);
    xfree(account->status);
    xfree(account->orders_url);
    strlist_deinit(&account->contacts);
    *account = (struct acme_account){};
}

int acme_account_decode(const struct json *value, struct acme_account *ret, struct err *err)
{
    cleanup(acme_account_deinit) struct acme_account account = {};
    int r;

    account.status = acme_decode_text(value, "status");
    if (str_empty(account.status)) {
        xfree(account.status);
        account.status = xstrdup("valid"); /* some private CAs answer with an empty map */
    }
    r = acme_decode_url(value, "orders", false, &account.orders_url, err);
    if (r < 0)
        return r;
    json_for_each_item (item, json_get(value, "contact")) {
        cleanup(xfree) char *contact = acme_clip(json_as_text(item), ACME_TEXT_MAX);

        if (contact && account.contacts.len < CONTACTS_MAX)
            strlist_add(&account.contacts, contact);
    }
    *ret = account;
    account = (struct acme_account){};
    return 0;
}

/* --- newAccount --- */

/* Not even asked: the directory says so already. Told as the CA would tell it. */
static int binding_is_missing(const struct acme_client *client, struct acme_problem *ret_problem,
                              struct err *err)
{
    cleanup(acme_problem_deinit) struct acme_problem problem = {
        .class = ACME_FIX_CONFIG, .type = xstrdup("externalAccountRequired")};

    acme_problem_move(&problem, ret_problem);
    return err_set(err, ERR_INVALID, "the CA '%s' requires an external account binding",
                   client->directory_url);
}

static int add_binding(struct acme_client *client, const struct context *ctx,
                       const struct acme_registration *registration, struct json *payload,
                       struct acme_problem *ret_problem, struct err *err)
{
    cleanup(acme_directory_deinit) struct acme_directory directory = {};
    struct json *binding = NULL;
    int r;

    r = acme_directory(client, ctx, &directory, err);
    if (r < 0)
        return r;
    if (!registration->eab && directory.external_account_required)
        return binding_is_missing(client, ret_problem, err);
    if (!registration->eab)
        return 0;
    r = acme_eab_sign(registration->eab, client->key, directory.new_account, &binding, err);
    if (r >= 0)
        json_set(payload, "externalAccountBinding", binding);
    return r;
}

static int registration_payload(struct acme_client *client, const struct context *ctx,
                                const struct acme_registration *registration, struct json *payload,
                                struct acme_problem *ret_problem, struct err *err)
{
    if (registration->only_existing) {
        json_set_bool(payload, "onlyReturnExisting", true);
        return 0;
    }
    json_set_bool(payload, "termsOfServiceAgreed", true);
    if (registration->contacts && registration->contacts->len > 0)
        json_set(payload, "contact", json_new_strlist(registration->contacts));
    return add_binding(client, ctx, registration, payload, ret_problem, err);
}

static int read_account(const struct http_response *response, struct acme_account *ret,
                        struct err *err)
{
    cleanup(acme_account_deinit) struct acme_account account = {};
    cleanup(json_unref) struct json *body = NULL;
    int r;

    r = acme_body(response, &body, err);
    if (r >= 0)
        r = acme_account_decode(body, &account, err);
    if (r < 0)
        return r;
    account.created = response->status == 201;
    *ret = account;
    account = (struct acme_account){};
    return 0;
}

int acme_account_register(struct acme_client *client, const struct context *ctx,
                          const struct acme_registration *registration, struct acme_account *ret,
                          struct acme_problem *ret_problem, struct err *err)
{
    cleanup(http_response_deinit) struct http_response response = {};
    cleanup(json_unref) struct json *payload = json_new_map();
    cleanup(xfree) char *url = NULL;
    struct acme_call call = {
        .step = registration->only_existing ? "looking up account" : "registering account",
        .action = registration->only_existing ? "get_registration" : "register_account",
        .payload = payload,
        .with_jwk = true};
    int r;

    r = registration_payload(client, ctx, registration, payload, ret_problem, err);
    if (r < 0)
        return err_wrap(err, "%s", call.step);
    r = acme_post_resource(client, ctx, ACME_NEW_ACCOUNT, &call, &response, ret_problem, err);
    if (r < 0)
        return r;
    r = acme_location(&response, true, &url, err);
    if (r >= 0)
        r = read_account(&response, ret, err);
    if (r < 0)
        return err_wrap(err, "%s at '%s'", call.step, client->directory_url);
    ret->url = take(url);
    acme_client_set_account(client, ret->url);
    acme_client_set_orders(client, ret->orders_url);
    return 0;
}

/* --- of an existing account --- */

int acme_account_update_contacts(struct acme_client *client, const struct context *ctx,
                                 const struct strlist *contacts, struct acme_account *ret,
                                 struct acme_problem *ret_problem, struct err *err)
{
    cleanup(http_response_deinit) struct http_response response = {};
    cleanup(json_unref) struct json *payload = json_new_map();
    cleanup(xfree) char *url = acme_client_account(client);
    struct acme_call call = {.step = "updating account",
                             .action = "update_registration",
                             .url = str_or(url, ""),
                             .payload = payload};
    int r;

    json_set(payload, "contact", contacts ? json_new_strlist(contacts) : json_new_list());
    r = acme_post(client, ctx, &call, &response, ret_problem, err);
    if (r < 0)
        return r;
    r = read_account(&response, ret, err);
    if (r < 0)
        return err_wrap(err, "updating account '%s'", url);
    ret->url = take(url);
    return 0;
}

void acme_orders_deinit(struct acme_orders *orders)
{
    strlist_deinit(&orders->urls);
}

static void keep_last(struct acme_orders *orders, size_t max)
{
    struct strlist *urls = &orders->urls;
    cleanup(strlist_deinit) struct strlist last = {};

    if (urls->len <= max)
        return;
    orders->is_cut = true;
    for (size_t i = urls->len - max; i < urls->len; i++)
        strlist_add(&last, urls->items[i]);
    strlist_deinit(urls);
    *urls = last;
    last = (struct strlist){};
}

static int add_orders(const struct json *body, size_t max, struct acme_orders *to, struct err *err)
{
    json_for_each_item (item, json_get(body, "orders")) {
        const char *url = str_or(json_as_text(item), "");
        int r = acme_check_url("order", url, err);

        if (r < 0)
            return r;
        strlist_add(&to->urls, url);
    }
    keep_last(to, max);
    return 0;
}

/* Reads one page; *ret_next is NULL behind the last. */
static int read_page(struct acme_client *client, const struct context *ctx, const char *url,
                     size_t max, struct acme_orders *to, char **ret_next,
                     struct acme_problem *ret_problem, struct err *err)
{
    cleanup(http_response_deinit) struct http_response response = {};
    cleanup(json_unref) struct json *body = NULL;
    struct acme_call call = {.step = "listing orders", .url = url};
    int r;

    r = acme_post(client, ctx, &call, &response, ret_problem, err);
    if (r < 0)
        return r;
    r = acme_body(&response, &body, err);
    if (r >= 0)
        r = add_orders(body, max, to, err);
    if (r < 0)
        return err_wrap(err, "listing orders '%s'", url);
    (void)http_link(&response, "next", 0, ret_next, NULL); /* none: the last page */
    return 0;
}

int acme_account_orders_url(struct acme_client *client, const struct context *ctx, char **ret,
                            struct acme_problem *ret_problem, struct err *err)
{
    cleanup(acme_account_deinit) struct acme_account account = {};
    struct acme_registration lookup = {.only_existing = true};
    char *known = acme_client_orders(client);
    int r = known ? 0 : acme_account_register(client, ctx, &lookup, &account, ret_problem, err);

    if (r < 0)
        return r;
    *ret = known ? known : xstrdup(str_or(account.orders_url, ""));
    return 0;
}

int acme_account_orders(struct acme_client *client, const struct context *ctx,
                        const char *orders_url, size_t max, struct acme_orders *ret,
                        struct acme_problem *ret_problem, struct err *err)
{
    cleanup(acme_orders_deinit) struct acme_orders orders = {};
    cleanup(xfree) char *url = xstrdup(orders_url);

    if (str_empty(orders_url))
        return err_set(err, ERR_UNSUPPORTED, "the CA keeps no list of an account's orders");
    for (int page = 0; url && page < PAGES_MAX; page++) {
        char *next = NULL;
        int r = read_page(client, ctx, url, max, &orders, &next, ret_problem, err);

        if (r < 0)
            return r;
        xfree(url);
        url = next;
    }
    if (url)
        orders.is_cut = true;
    *ret = orders;
    orders = (struct acme_orders){};
    return 0;
}
