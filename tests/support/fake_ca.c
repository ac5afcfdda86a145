/* fake_ca.c - the scripted CA's objects and its way from a request to an answer. */
#include "support/fake_ca.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/timetext.h"
#include "support/fake_ca_inside.h"

#define NONCES_MAX 20000 /* of clients that never came back */

struct ca_queue {
    struct fake_ca_answer *items;
    size_t len, next;
};

/* --- small things --- */

void *ca_list_add(struct ca_list *list, size_t size, int *ret_id)
{
    if ((list->len & (list->len - 1)) == 0)
        list->items = xrealloc(list->items,
                               (list->len ? list->len * 2 : 1) * sizeof(list->items[0]));
    list->items[list->len++] = xalloc(size);
    *ret_id = (int)list->len;
    return list->items[list->len - 1];
}

void *ca_list_get(const struct ca_list *list, int id)
{
    return id >= 1 && (size_t)id <= list->len ? list->items[id - 1] : NULL;
}

/* splitmix64 (Steele, Lea, Flood 2014): not for keys, only for chance and names of things. */
uint64_t ca_random(struct fake_ca *ca)
{
    uint64_t z = ca->random += 0x9e3779b97f4a7c15;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

char *ca_random_text(struct fake_ca *ca)
{
    uint64_t numbers[4] = {ca_random(ca), ca_random(ca), ca_random(ca), ca_random(ca)};

    return base64url_new(numbers, sizeof(numbers));
}

int ca_complain(struct fake_ca *ca, const char *fmt, ...)
{
    char text[500];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (!ca->complaint)
        ca->complaint = xstrdup(text);
    return -1;
}

/* Repeated names become entries of their own, as in http. */
void ca_header(struct ca_request *request, const char *name, const char *fmt, ...)
{
    struct strmap *headers = &request->answer.headers;
    char text[2000];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    headers->items = xrealloc(headers->items, (headers->len + 1) * sizeof(headers->items[0]));
    headers->items[headers->len++] = (struct strmap_entry){.key = xstrdup(name),
                                                           .value = xstrdup(text)};
}

int ca_problem(struct ca_request *request, int status, const char *type, const char *fmt, ...)
{
    struct json *body = json_new_map();
    cleanup(xfree) char *urn = xasprintf("urn:ietf:params:acme:error:%s", type);
    char detail[1000];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(detail, sizeof(detail), fmt, args);
    va_end(args);
    json_set_text(body, "type", urn);
    json_set_text(body, "detail", detail);
    json_set_int(body, "status", status);
    json_unref(request->answer.body);
    request->answer.status = status;
    request->answer.body = body;
    request->answer.content_type = "application/problem+json";
    return -1;
}

static void queue_free(void *value)
{
    struct ca_queue *queue = value;

    xfree(queue->items);
    xfree(queue);
}

/* --- life --- */

struct fake_ca *fake_ca_new(const struct fake_ca_options *options)
{
    struct fake_ca *ca = xalloc(sizeof(*ca));

    if (options)
        ca->options = *options;
    ca->random = ca->options.seed;
    ca->nonces = map_new(NULL);
    ca->sets = map_new(xfree);
    ca->buckets = map_new(xfree);
    ca->by_id = map_new(NULL);
    ca->requests = map_new(xfree);
    ca->paused = map_new(NULL);
    ca->queues = map_new(queue_free);
    ca_roots_init(ca);
    return ca;
}

static void account_deinit(struct ca_account *account)
{
    pkey_unref(account->key);
    xfree(account->thumbprint);
    strlist_deinit(&account->contacts);
}

static void order_deinit(struct ca_order *order)
{
    strlist_deinit(&order->dns_names);
    strlist_deinit(&order->ip_addresses);
    xfree(order->set);
    xfree(order->profile);
    xfree(order->replaces);
    xfree(order->authzs);
    csr_free(order->csr);
    xfree(order->error_type);
    xfree(order->error_detail);
}

static void certificate_deinit(struct ca_certificate *certificate)
{
    for (size_t i = 0; i < ARRAY_LEN(certificate->chains); i++)
        xfree(certificate->chains[i]);
    xfree(certificate->cert_id);
    xfree(certificate->set);
    strlist_deinit(&certificate->names);
    xfree(certificate->explanation_url);
}

static void list_deinit(struct ca_list *list)
{
    for (size_t i = 0; i < list->len; i++)
        xfree(list->items[i]);
    xfree(list->items);
}

static void objects_deinit(struct fake_ca *ca)
{
    for (size_t i = 0; i < ca->accounts.len; i++)
        account_deinit(ca->accounts.items[i]);
    for (size_t i = 0; i < ca->orders.len; i++)
        order_deinit(ca->orders.items[i]);
    for (size_t i = 0; i < ca->authzs.len; i++)
        xfree(((struct ca_authz *)ca->authzs.items[i])->value);
    for (size_t i = 0; i < ca->challenges.len; i++)
        xfree(((struct ca_challenge *)ca->challenges.items[i])->token);
    for (size_t i = 0; i < ca->certificates.len; i++)
        certificate_deinit(ca->certificates.items[i]);
    list_deinit(&ca->accounts);
    list_deinit(&ca->orders);
    list_deinit(&ca->authzs);
    list_deinit(&ca->challenges);
    list_deinit(&ca->certificates);
}

void fake_ca_free(struct fake_ca *ca)
{
    if (!ca)
        return;
    map_free(ca->by_id);
    map_free(ca->nonces);
    map_free(ca->sets);
    map_free(ca->buckets);
    map_free(ca->requests);
    map_free(ca->paused);
    map_free(ca->queues);
    objects_deinit(ca);
    ca_roots_deinit(ca);
    xfree(ca->complaint);
    xfree(ca->last_header);
    xfree(ca->last_payload);
    xfree(ca);
}

struct http *fake_ca_http(struct fake_ca *ca)
{
    return http_new_fake(fake_ca_handle, ca);
}

const char *ca_url(const struct fake_ca *ca)
{
    return str_or(ca->options.url, FAKE_CA_URL);
}

struct fake_ca_options *fake_ca_get_options(struct fake_ca *ca)
{
    return &ca->options;
}

/* --- directory, account --- */

static void get_directory(struct ca_request *request)
{
    static const char *const names[] = {"newNonce",   "newAccount", "newOrder",
                                        "revokeCert", "keyChange",  "renewalInfo"};
    const struct fake_ca_options *options = &request->ca->options;
    struct json *map = json_new_map(), *meta = json_new_map(), *profiles = json_new_map();

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        cleanup(xfree) char *url = xasprintf("%s/%s", ca_url(request->ca), names[i]);

        json_set_text(map, names[i], url);
    }
    if (options->no_renewal_info)
        json_remove(map, "renewalInfo");
    json_set_text(meta, "termsOfService", FAKE_CA_URL "/terms");
    if (options->eab_key_id)
        json_set_bool(meta, "externalAccountRequired", true);
    for (size_t i = 0; i < options->profile_count; i++)
        json_set_text(profiles, options->profiles[i].name, options->profiles[i].description);
    json_set(meta, "profiles", profiles);
    json_set(map, "meta", meta);
    json_set_text(map, "h8dQ_random",
                  "https://community.letsencrypt.org/t/adding-random-entries"); /* as LE */
    request->answer.status = 200;
    request->answer.body = map;
}

static void get_nonce(struct ca_request *request)
{
    request->answer.status = streq(request->http->method, "HEAD") ? 200 : 204;
}

static void answer_account(struct ca_request *request, const struct ca_account *account, int status)
{
    cleanup(xfree) char *orders = xasprintf("%s/orders/%d", ca_url(request->ca), account->id);
    struct json *map = json_new_map();

    json_set_text(map, "status", "valid");
    json_set(map, "contact", json_new_strlist(&account->contacts));
    if (!request->ca->options.no_order_list)
        json_set_text(map, "orders", orders);
    request->answer.status = status;
    request->answer.body = map;
    ca_header(request, "location", "%s/account/%d", ca_url(request->ca), account->id);
}

static void set_contacts(struct ca_account *account, const struct json *list)
{
    strlist_deinit(&account->contacts);
    json_for_each_item (item, list)
        strlist_add(&account->contacts, str_or(json_as_text(item), ""));
}

static struct ca_account *find_account(struct ca_request *request)
{
    for (size_t i = 0; i < request->ca->accounts.len; i++) {
        struct ca_account *account = request->ca->accounts.items[i];

        if (!account->forgotten && pkey_equal_public(account->key, request->key))
            return account;
    }
    return NULL;
}

static void open_account(struct ca_request *request)
{
    struct ca_account *account;
    int id;

    account = ca_list_add(&request->ca->accounts, sizeof(*account), &id);
    account->id = id;
    account->key = pkey_ref(request->key);
    account->thumbprint = pkey_thumbprint(request->key);
    set_contacts(account, json_get(request->payload, "contact"));
    request->ca->counts.new_accounts++;
    answer_account(request, account, 201);
}

static void new_account(struct ca_request *request)
{
    const struct ca_account *account = find_account(request);

    if (account)
        answer_account(request, account, 200);
    else if (json_get_bool(request->payload, "onlyReturnExisting", false))
        ca_problem(request, 400, "accountDoesNotExist", "no account has this key");
    else if (!json_get_bool(request->payload, "termsOfServiceAgreed", false))
        ca_problem(request, 403, "userActionRequired", "the terms must be agreed to");
    else if (ca_eab_check(request) >= 0)
        open_account(request);
}

static void update_account(struct ca_request *request)
{
    if (request->id != request->account->id || !request->payload) {
        ca_problem(request, 400, "malformed", "nothing to update");
        return;
    }
    set_contacts(request->account, json_get(request->payload, "contact"));
    answer_account(request, request->account, 200);
}

#define ORDERS_PER_PAGE 3

/* Behind "?": where to start. */
static void get_orders(struct ca_request *request)
{
    struct json *list = json_new_list();
    int per_page = request->ca->options.orders_per_page;
    int64_t from = 0;
    size_t i;

    if (per_page == 0)
        per_page = ORDERS_PER_PAGE;
    if (str_starts(request->rest, "?from="))
        (void)str_parse_int(request->rest + strlen("?from="), 0, 1000000, &from);
    for (i = (size_t)from; i < request->ca->orders.len && json_len(list) < (size_t)per_page; i++) {
        const struct ca_order *order = request->ca->orders.items[i];
        cleanup(xfree) char *url = xasprintf("%s/order/%d", ca_url(request->ca), order->id);

        if (order->account == request->account)
            json_append_text(list, url);
    }
    if (i < request->ca->orders.len)
        ca_header(request, "link", "<%s/orders/%d?from=%zu>;rel=\"next\"", ca_url(request->ca),
                  request->id, i);
    request->answer.status = 200;
    request->answer.body = json_new_map();
    json_set(request->answer.body, "orders", list);
}

/* --- routes --- */

static const struct route {
    const char *path; /* first part of the URL's */
    const char *endpoint;
    bool is_signed;
    void (*handle)(struct ca_request *request);
} routes[] = {
    {"dir", "directory", false, get_directory},
    {"newNonce", "newNonce", false, get_nonce},
    {"newAccount", "newAccount", true, new_account},
    {"account", "account", true, update_account},
    {"orders", "orders", true, get_orders},
    {"newOrder", "newOrder", true, ca_new_order},
    {"order", "order", true, ca_get_order},
    {"authz", "authz", true, ca_get_authz},
    {"challenge", "challenge", true, ca_start_challenge},
    {"finalize", "finalize", true, ca_finalize},
    {"certificate", "certificate", true, ca_get_certificate},
    {"alternate", "alternate", true, ca_get_certificate},
    {"renewalInfo", "renewalInfo", false, ca_get_renewal_info},
};

static const struct route *find_route(const struct fake_ca *ca, const char *url,
                                      const char **ret_rest)
{
    cleanup(xfree) char *prefix = xasprintf("%s/", ca_url(ca));
    const char *path = str_starts(url, prefix) ? url + strlen(prefix) : "";
    size_t len = strcspn(path, "/?");

    *ret_rest = path + len;
    for (size_t i = 0; i < ARRAY_LEN(routes); i++)
        if (strlen(routes[i].path) == len && memcmp(routes[i].path, path, len) == 0)
            return &routes[i];
    return NULL;
}

static void read_id(struct ca_request *request)
{
    size_t digits = *request->rest == '/' ? strspn(request->rest + 1, "0123456789") : 0;
    cleanup(xfree) char *text = xstrndup(request->rest + (digits ? 1 : 0), digits);
    int64_t id = 0;

    if (digits == 0 || streq(request->endpoint, "renewalInfo"))
        return;
    (void)str_parse_int(text, 1, 100000000, &id);
    request->id = (int)id;
    request->rest += 1 + digits;
}

static void count_request(struct fake_ca *ca, const char *endpoint)
{
    int *count = map_get(ca->requests, endpoint);

    if (!count) {
        count = xalloc(sizeof(*count));
        map_set(ca->requests, endpoint, count);
    }
    ++*count;
    ca->counts.requests++;
}

/* --- faults --- */

static enum fake_ca_fault fault_of(const struct ca_request *request, bool after)
{
    const struct fake_ca_options *options = &request->ca->options;

    return options->fault ? options->fault(options->fault_arg, request->endpoint, after)
                          : FAKE_CA_NONE;
}

/* 0, or the error of a call that got no answer. */
static int cut(enum fake_ca_fault fault, struct err *err)
{
    if (fault == FAKE_CA_BUSY)
        return err_set(err, ERR_BUSY, "the CA has enough calls of ours in flight");
    if (fault == FAKE_CA_CUT)
        return err_set(err, ERR_NETWORK, "connection to '%s' lost", FAKE_CA_HOST);
    if (fault == FAKE_CA_TIMEOUT)
        return err_set(err, ERR_TIMEOUT, "no answer from '%s' in time", FAKE_CA_HOST);
    return 0;
}

static void answer_html(struct ca_request *request)
{
    json_unref(request->answer.body);
    xfree(request->answer.text);
    request->answer.body = NULL;
    request->answer.text = xstrdup("<html><head><title>502 Bad Gateway</title></head></html>");
    request->answer.content_type = "text/html";
    request->answer.status = 502;
}

static void limited(struct ca_request *request, const char *retry_after)
{
    if (retry_after)
        ca_header(request, "retry-after", "%s", retry_after);
    ca_problem(request, 429, "rateLimited", "too many requests");
}

/* RFC 9110 IMF-fixdate. */
static void http_date(int64_t ms, char text[TIME_TEXT_MAX])
{
    static const char *const days[] = {"Thu", "Fri", "Sat", "Sun",
                                       "Mon", "Tue", "Wed"}; /* 1970-01-01 */
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    char iso[TIME_TEXT_MAX];
    int month;

    time_format(ms, iso);
    month = (iso[5] - '0') * 10 + iso[6] - '0';
    (void)snprintf(text, TIME_TEXT_MAX, "%s, %.2s %s %.4s %.8s GMT", days[ms / DAYS(1) % 7],
                   iso + 8, months[month - 1], iso, iso + 11);
}

static void limited_by_date(struct ca_request *request, bool in_detail)
{
    int64_t at_ms = request->now_ms + request->ca->options.clock_skew_ms + HOURS(1);
    char text[TIME_TEXT_MAX];

    if (!in_detail) {
        http_date(at_ms, text);
        limited(request, text);
        return;
    }
    time_format(at_ms, text);
    ca_problem(request, 429, "rateLimited",
               "too many certificates already issued, retry after %.10s %.8s UTC: see %s", text,
               text + 11, FAKE_CA_URL "/docs");
}

/* True when the fault is the answer. */
static bool refuse_by_fault(struct ca_request *request, enum fake_ca_fault fault)
{
    switch (fault) {
    case FAKE_CA_HTML:
        answer_html(request);
        break;
    case FAKE_CA_BAD_NONCE:
        request->ca->counts.bad_nonces++;
        ca_problem(request, 400, "badNonce", "the nonce is not known");
        break;
    case FAKE_CA_500:
        ca_problem(request, 500, "serverInternal", "something went wrong");
        break;
    case FAKE_CA_503_SECONDS:
        ca_header(request, "retry-after", "120");
        ca_problem(request, 503, "serverInternal", "down for maintenance");
        break;
    case FAKE_CA_503:
        ca_problem(request, 503, "serverInternal", "down for maintenance");
        break;
    case FAKE_CA_429:
        limited(request, NULL);
        break;
    case FAKE_CA_429_SECONDS:
        limited(request, "3600");
        break;
    case FAKE_CA_429_DATE:
        limited_by_date(request, false);
        break;
    case FAKE_CA_429_DETAIL:
        limited_by_date(request, true);
        break;
    case FAKE_CA_PROCESSING:
        request->delayed = true;
        return false;
    default:
        return false;
    }
    return true;
}

/* --- canned answers --- */

void fake_ca_queue(struct fake_ca *ca, const char *endpoint, const struct fake_ca_answer *answer)
{
    struct ca_queue *queue = map_get(ca->queues, endpoint);

    if (!queue) {
        queue = xalloc(sizeof(*queue));
        map_set(ca->queues, endpoint, queue);
    }
    queue->items = xrealloc(queue->items, (queue->len + 1) * sizeof(queue->items[0]));
    queue->items[queue->len++] = *answer;
}

static bool answer_queued(struct ca_request *request, bool *ret_no_nonce)
{
    struct ca_queue *queue = map_get(request->ca->queues, request->endpoint);
    const struct fake_ca_answer *canned;

    if (!queue || queue->next == queue->len)
        return false;
    canned = &queue->items[queue->next++];
    json_unref(request->answer.body);
    request->answer.body = NULL;
    request->answer.status = canned->status;
    request->answer.text = xstrdup(str_or(canned->body, ""));
    request->answer.content_type = canned->content_type   ? canned->content_type
                                   : canned->status < 400 ? NULL
                                                          : "application/problem+json";
    if (canned->retry_after)
        ca_header(request, "retry-after", "%s", canned->retry_after);
    if (canned->location)
        ca_header(request, "location", "%s", canned->location);
    if (canned->link)
        ca_header(request, "link", "%s", canned->link);
    *ret_no_nonce = canned->no_nonce;
    return true;
}

/* --- one request --- */

static void add_nonce(struct ca_request *request)
{
    cleanup(xfree) char *nonce = ca_random_text(request->ca);

    if (map_len(request->ca->nonces) > NONCES_MAX)
        map_remove(request->ca->nonces, map_entry_key(map_first(request->ca->nonces)));
    map_set(request->ca->nonces, nonce, NULL);
    ca_header(request, "replay-nonce", "%s", nonce);
}

/* Signed requests are checked before anything else happens; also where the answer is canned, so that
 * tests see what was sent. */
static void run(struct ca_request *request, const struct route *route, enum fake_ca_fault fault)
{
    bool is_signed = streq(request->http->method, "POST"), no_nonce = false;
    int checked = is_signed ? ca_jws_check(request) : 0;

    if (!refuse_by_fault(request, fault) && !answer_queued(request, &no_nonce) && checked >= 0) {
        if (is_signed == route->is_signed)
            route->handle(request);
        else
            ca_problem(request, 405, "malformed", "wrong method");
    }
    if (!no_nonce && (is_signed || route->handle == get_nonce))
        add_nonce(request);
}

static void write_answer(struct ca_request *request, bool truncate, struct http_response *response)
{
    struct ca_answer *answer = &request->answer;
    cleanup(xfree) char *body = answer->body ? json_text(answer->body) : xstrdup(answer->text);
    size_t len = body && !streq(request->http->method, "HEAD") ? strlen(body) : 0;

    ca_header(request, "content-type", "%s", str_or(answer->content_type, "application/json"));
    response->status = answer->status;
    response->headers = answer->headers;
    answer->headers = (struct strmap){};
    response->date_ms = request->now_ms + request->ca->options.clock_skew_ms;
    if (len > 0)
        buf_add(&response->body, body, truncate ? len / 2 : len);
}

static void request_deinit(struct ca_request *request)
{
    pkey_unref(request->key);
    json_unref(request->header);
    json_unref(request->payload);
    json_unref(request->answer.body);
    xfree(request->answer.text);
    strmap_deinit(&request->answer.headers);
}
DEFINE_CLEANUP_VALUE(struct ca_request, request_deinit);

int fake_ca_handle(void *arg, const struct context *ctx, const struct http_request *http,
                   struct http_response *ret_response, struct err *err)
{
    cleanup(request_deinit) struct ca_request request = {
        .ca = arg, .now_ms = context_now_ms(ctx), .http = http};
    const struct route *route = find_route(arg, http->url, &request.rest);
    enum fake_ca_fault fault;
    int r;

    if (!route)
        return err_set(err, ERR_NETWORK, "the scripted CA has no '%s'", http->url);
    request.endpoint = route->endpoint;
    read_id(&request);
    count_request(request.ca, route->endpoint);
    ca_settle(request.ca, request.now_ms);

    fault = fault_of(&request, false);
    r = cut(fault, err);
    if (r < 0)
        return r;
    run(&request, route, fault);
    fault = fault_of(&request, true);
    r = cut(fault, err);
    if (r < 0)
        return r;
    if (fault == FAKE_CA_HTML)
        answer_html(&request);
    write_answer(&request, fault == FAKE_CA_TRUNCATED, ret_response);
    return 0;
}

/* --- what tests ask --- */

void fake_ca_pause_name(struct fake_ca *ca, const char *name, bool paused)
{
    if (paused)
        map_set(ca->paused, name, NULL);
    else
        map_remove(ca->paused, name);
}

void fake_ca_end_renewal_info(struct fake_ca *ca)
{
    ca->options.no_renewal_info = true;
}

static void set_forgotten(struct fake_ca *ca, bool forgotten)
{
    for (size_t i = 0; i < ca->accounts.len; i++)
        ((struct ca_account *)ca->accounts.items[i])->forgotten = forgotten;
}

void fake_ca_forget_accounts(struct fake_ca *ca)
{
    set_forgotten(ca, true);
}

void fake_ca_recall_accounts(struct fake_ca *ca)
{
    set_forgotten(ca, false);
}

void fake_ca_drop_nonces(struct fake_ca *ca)
{
    map_free(ca->nonces);
    ca->nonces = map_new(NULL);
}

const struct fake_ca_counts *fake_ca_counts(const struct fake_ca *ca)
{
    return &ca->counts;
}

int fake_ca_requests(const struct fake_ca *ca, const char *endpoint)
{
    const int *count = map_get(ca->requests, endpoint);

    return count ? *count : 0;
}

int fake_ca_orders_of(const struct fake_ca *ca, const char *names)
{
    const struct ca_set *set = map_get(ca->sets, names);

    return set ? set->orders : 0;
}

int fake_ca_issued_of(const struct fake_ca *ca, const char *names)
{
    const struct ca_set *set = map_get(ca->sets, names);

    return set ? set->issued : 0;
}

const char *fake_ca_complaint(const struct fake_ca *ca)
{
    return ca->complaint;
}

const char *fake_ca_last_header(const struct fake_ca *ca)
{
    return ca->last_header;
}

const char *fake_ca_last_payload(const struct fake_ca *ca)
{
    return ca->last_payload;
}
