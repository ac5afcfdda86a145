/*
 * fake_ca_order.c - orders from newOrder to finalize, and the limits on them.
 *
 * Nothing runs by itself: whatever has become due (validations, issuing, expiry) is done at the
 * beginning of the next request, in order of creation.
 */
#include <string.h>

#include "base/base64.h"
#include "base/timetext.h"
#include "support/fake_ca_inside.h"

#define DELAY_MS SECONDS(30) /* of FAKE_CA_PROCESSING */

static int64_t or_default(int64_t value_ms, int64_t default_ms)
{
    return value_ms > 0 ? value_ms : default_ms;
}

static char *order_url(const struct fake_ca *ca, const struct ca_order *order)
{
    return xasprintf("%s/order/%d", ca_url(ca), order->id);
}

/* --- what becomes due --- */

static bool ask_validator(struct fake_ca *ca, const struct ca_challenge *challenge)
{
    const struct ca_authz *authz = challenge->authz;
    cleanup(xfree) char *key_authorization = xasprintf("%s.%s", challenge->token,
                                                       authz->account->thumbprint);
    cleanup(xfree) char *txt = NULL;
    unsigned char hash[SHA256_LEN];
    struct fake_ca_validation validation = {.type = challenge->type,
                                            .name = authz->value,
                                            .token = challenge->token,
                                            .value = key_authorization,
                                            .is_ip = authz->is_ip};

    sha256(key_authorization, strlen(key_authorization), hash);
    txt = base64url_new(hash, sizeof(hash));
    if (streq(challenge->type, "dns-01"))
        validation.value = txt;
    return !ca->options.validate || ca->options.validate(ca->options.validate_arg, &validation);
}

static void validate(struct fake_ca *ca, struct ca_challenge *challenge, int64_t now_ms)
{
    struct ca_authz *authz = challenge->authz;
    bool valid = ask_validator(ca, challenge);

    ca->counts.validations++;
    challenge->status = authz->status = valid ? ACME_STATUS_VALID : ACME_STATUS_INVALID;
    if (valid)
        authz->expires_ms = now_ms + or_default(ca->options.reuse_ms, HOURS(1));
    else
        ca_spend_failure(ca, authz, now_ms);
}

static void order_fail(struct ca_order *order, const char *type, const char *detail)
{
    order->status = ACME_STATUS_INVALID;
    if (order->error_type)
        return;
    order->error_type = xstrdup(type);
    order->error_detail = xstrdup(detail);
}

static void authz_refresh(struct ca_authz *authz, int64_t now_ms)
{
    if ((authz->status == ACME_STATUS_PENDING || authz->status == ACME_STATUS_VALID) &&
        authz->expires_ms <= now_ms)
        authz->status = ACME_STATUS_EXPIRED;
}

static void order_refresh(struct ca_order *order, int64_t now_ms)
{
    size_t valid = 0;

    if (order->status != ACME_STATUS_PENDING && order->status != ACME_STATUS_READY)
        return;
    if (order->expires_ms <= now_ms)
        order_fail(order, "malformed", "the order has expired");
    for (size_t i = 0; i < order->authz_count; i++) {
        authz_refresh(order->authzs[i], now_ms);
        valid += order->authzs[i]->status == ACME_STATUS_VALID;
        if (order->authzs[i]->status > ACME_STATUS_VALID)
            order_fail(order, "unauthorized", "an authorization has failed or expired");
    }
    if (order->status == ACME_STATUS_PENDING && valid == order->authz_count)
        order->status = ACME_STATUS_READY;
}

static void issue(struct fake_ca *ca, struct ca_order *order, int64_t now_ms)
{
    const struct ca_certificate *certificate;

    ca_spend_certificate(ca, order, now_ms);
    certificate = ca_issue(ca, order, now_ms);
    order->status = ACME_STATUS_VALID;
    order->certificate = certificate->id;
    csr_free(order->csr);
    order->csr = NULL;
}

void ca_settle(struct fake_ca *ca, int64_t now_ms)
{
    /* only new ones are ever processing: the old end of the lists is left alone */
    size_t from = ca->challenges.len > 5000 ? ca->challenges.len - 5000 : 0;

    for (size_t i = from; i < ca->challenges.len; i++) {
        struct ca_challenge *challenge = ca->challenges.items[i];

        if (challenge->status == ACME_STATUS_PROCESSING && challenge->done_at_ms <= now_ms)
            validate(ca, challenge, now_ms);
    }
    from = ca->orders.len > 5000 ? ca->orders.len - 5000 : 0;
    for (size_t i = from; i < ca->orders.len; i++) {
        struct ca_order *order = ca->orders.items[i];

        if (order->status == ACME_STATUS_PROCESSING && order->done_at_ms <= now_ms)
            issue(ca, order, now_ms);
    }
}

/* --- answers --- */

static struct json *identifier_json(bool is_ip, const char *value)
{
    struct json *identifier = json_new_map();

    json_set_text(identifier, "type", is_ip ? "ip" : "dns");
    json_set_text(identifier, "value", value);
    return identifier;
}

static struct json *error_json(const char *type, const char *detail)
{
    cleanup(xfree) char *urn = xasprintf("urn:ietf:params:acme:error:%s", type);
    struct json *error = json_new_map();

    json_set_text(error, "type", urn);
    json_set_text(error, "detail", detail);
    json_set_int(error, "status", 403);
    return error;
}

static void set_time(struct json *map, const char *name, int64_t ms)
{
    char text[TIME_TEXT_MAX];

    time_format(ms, text);
    json_set_text(map, name, text);
}

static struct json *order_lists(const struct fake_ca *ca, const struct ca_order *order)
{
    struct json *map = json_new_map(), *identifiers = json_new_list(),
                *authorizations = json_new_list();

    for (size_t i = 0; i < order->dns_names.len; i++)
        json_append(identifiers, identifier_json(false, order->dns_names.items[i]));
    for (size_t i = 0; i < order->ip_addresses.len; i++)
        json_append(identifiers, identifier_json(true, order->ip_addresses.items[i]));
    for (size_t i = order->authz_count; i > 0; i--) { /* not in the order of the identifiers */
        cleanup(xfree) char *url = xasprintf("%s/authz/%d", ca_url(ca), order->authzs[i - 1]->id);

        json_append_text(authorizations, url);
    }
    json_set(map, "identifiers", identifiers);
    json_set(map, "authorizations", authorizations);
    return map;
}

static struct json *order_json(const struct fake_ca *ca, const struct ca_order *order)
{
    cleanup(xfree) char *finalize = xasprintf("%s/finalize/%d", ca_url(ca), order->id);
    cleanup(xfree) char *certificate = xasprintf("%s/certificate/%d", ca_url(ca),
                                                 order->certificate);
    struct json *map = order_lists(ca, order);

    json_set_text(map, "status", acme_status_name(order->status));
    json_set_text(map, "finalize", finalize);
    set_time(map, "expires", order->expires_ms);
    json_set_text(map, "profile", order->profile);
    json_set_text(map, "replaces", order->replaces);
    if (order->not_after_ms > 0)
        set_time(map, "notAfter", order->not_after_ms);
    if (order->certificate > 0)
        json_set_text(map, "certificate", certificate);
    if (order->error_type)
        json_set(map, "error", error_json(order->error_type, order->error_detail));
    return map;
}

static void answer_order(struct ca_request *request, const struct ca_order *order, int status)
{
    cleanup(xfree) char *url = order_url(request->ca, order);

    request->answer.status = status;
    request->answer.body = order_json(request->ca, order);
    if (status == 201)
        ca_header(request, "location", "%s", url);
    if (order->status == ACME_STATUS_PROCESSING)
        ca_header(request, "retry-after", "3");
}

static struct json *challenge_json(const struct fake_ca *ca, const struct ca_challenge *challenge)
{
    cleanup(xfree) char *url = xasprintf("%s/challenge/%d", ca_url(ca), challenge->id);
    struct json *map = json_new_map();

    json_set_text(map, "type", challenge->type);
    json_set_text(map, "url", url);
    json_set_text(map, "token", challenge->token);
    json_set_text(map, "status", acme_status_name(challenge->status));
    if (challenge->status == ACME_STATUS_INVALID)
        json_set(map, "error", error_json("unauthorized", "the validation found something else"));
    return map;
}

static void answer_authz(struct ca_request *request, const struct ca_authz *authz)
{
    struct json *map = json_new_map(), *challenges = json_new_list();

    for (size_t i = 0; i < authz->challenge_count; i++)
        json_append(challenges, challenge_json(request->ca, authz->challenges[i]));
    json_set(map, "challenges", challenges);
    json_set(map, "identifier", identifier_json(authz->is_ip, authz->value));
    json_set_text(map, "status", acme_status_name(authz->status));
    set_time(map, "expires", authz->expires_ms);
    if (authz->is_wildcard)
        json_set_bool(map, "wildcard", true);
    request->answer.status = 200;
    request->answer.body = map;
}

/* --- newOrder --- */

static int malformed(struct ca_request *request, const char *what)
{
    ca_complain(request->ca, "%s: %s", request->endpoint, what);
    return ca_problem(request, 400, "malformed", "%s", what);
}

static int read_identifier(struct ca_request *request, const struct json *identifier,
                           struct ca_order *order)
{
    const char *type = json_get_text(identifier, "type"),
               *value = json_get_text(identifier, "value");
    cleanup(xfree) char *lower = xstrdup(str_or(value, ""));
    char canonical[IP_TEXT_MAX];

    str_lower(lower);
    if (streq(type, "dns") && name_is_dns_san(lower) && streq(lower, value)) {
        strlist_add(&order->dns_names, value);
        return 0;
    }
    if (streq(type, "ip") && value && ip_canonical(value, canonical, NULL) == 0 &&
        streq(canonical, value)) {
        strlist_add(&order->ip_addresses, value);
        return 0;
    }
    return malformed(request, "an identifier is not a lower-case name or a canonical address");
}

static int read_identifiers(struct ca_request *request, struct ca_order *order)
{
    const struct json *list = json_get(request->payload, "identifiers");
    cleanup(strlist_deinit) struct strlist all = {};

    if (json_len(list) == 0)
        return malformed(request, "no identifiers");
    json_for_each_item (item, list) {
        if (read_identifier(request, item, order) < 0)
            return -1;
    }
    strlist_sort_unique(&order->dns_names);
    strlist_sort_unique(&order->ip_addresses);
    if (order->dns_names.len + order->ip_addresses.len != json_len(list))
        return malformed(request, "an identifier is repeated");
    strlist_copy(&all, &order->dns_names);
    for (size_t i = 0; i < order->ip_addresses.len; i++)
        strlist_add(&all, order->ip_addresses.items[i]);
    strlist_sort_unique(&all);
    order->set = strlist_join(&all, ",");
    return 0;
}

static int read_profile(struct ca_request *request, struct ca_order *order)
{
    const struct fake_ca_options *options = &request->ca->options;
    const char *profile = json_get_text(request->payload, "profile");

    if (!profile)
        return 0;
    for (size_t i = 0; i < options->profile_count; i++)
        if (streq(options->profiles[i].name, profile))
            order->profile = xstrdup(profile);
    return order->profile ? 0
                          : ca_problem(request, 400, "invalidProfile", "no profile '%s'", profile);
}

static int check_paused(struct ca_request *request, const struct ca_order *order)
{
    for (size_t i = 0; i < order->dns_names.len; i++)
        if (map_has(request->ca->paused, order->dns_names.items[i]))
            return ca_problem(
                request, 429, "rateLimited",
                "Your account is temporarily prevented from requesting certificates for %s and possibly "
                "others. Please visit: " FAKE_CA_URL "/unpause?jwt=abc.",
                order->dns_names.items[i]);
    return 0;
}

static bool shares_a_name(const struct ca_certificate *older, const struct ca_order *order)
{
    for (size_t i = 0; i < older->names.len; i++)
        if (strlist_has(&order->dns_names, older->names.items[i]) ||
            strlist_has(&order->ip_addresses, older->names.items[i]))
            return true;
    return false;
}

static int read_replaces(struct ca_request *request, struct ca_order *order)
{
    const char *replaces = json_get_text(request->payload, "replaces");
    const struct ca_certificate *older = replaces ? map_get(request->ca->by_id, replaces) : NULL;

    if (!replaces)
        return 0;
    order->replaces = xstrdup(replaces);
    if (!older && request->ca->options.replaces_fails_500)
        return ca_problem(request, 500, "serverInternal", "something went wrong");
    if (!older)
        return ca_problem(request, 404, "malformed",
                          "certificate being replaced by this order could not be found");
    if (older->account != request->account)
        return ca_problem(
            request, 403, "unauthorized",
            "requester account did not request the certificate being replaced by this order");
    if (!shares_a_name(older, order))
        return ca_problem(
            request, 400, "malformed",
            "identifiers in this order do not match any in the certificate being replaced");
    if (older->replaced)
        return ca_problem(request, 409, "alreadyReplaced",
                          "the certificate already has a replacement order");
    return 0;
}

static int read_not_after(struct ca_request *request, struct ca_order *order)
{
    const char *text = json_get_text(request->payload, "notAfter");

    if (text && time_parse_rfc3339(text, &order->not_after_ms, NULL) < 0)
        return malformed(request, "notAfter is not a time");
    return 0;
}

static struct ca_challenge *add_challenge(struct fake_ca *ca, struct ca_authz *authz,
                                          const char *type)
{
    struct ca_challenge *challenge;
    int id;

    challenge = ca_list_add(&ca->challenges, sizeof(*challenge), &id);
    challenge->id = id;
    challenge->authz = authz;
    challenge->type = type;
    challenge->status = ACME_STATUS_PENDING;
    authz->challenges[authz->challenge_count++] = challenge;
    return challenge;
}

static struct ca_authz *add_authz(struct ca_request *request, const char *name, bool is_ip)
{
    struct fake_ca *ca = request->ca;
    struct ca_authz *authz;
    int id;

    authz = ca_list_add(&ca->authzs, sizeof(*authz), &id);
    authz->id = id;
    authz->account = request->account;
    authz->is_ip = is_ip;
    authz->is_wildcard = str_starts(name, "*.");
    authz->value = xstrdup(ca_plain_name(name));
    authz->status = ACME_STATUS_PENDING;
    authz->expires_ms = request->now_ms + or_default(ca->options.authorization_ms, DAYS(7));
    if (ca->options.unknown_challenge)
        add_challenge(ca, authz, "dns-persist-01");
    if (!is_ip)
        add_challenge(ca, authz, "dns-01")->token = ca_random_text(ca);
    if (!authz->is_wildcard)
        add_challenge(ca, authz, "http-01")->token = ca_random_text(ca);
    return authz;
}

static bool can_be_reused(const struct fake_ca *ca, const struct ca_authz *authz)
{
    return (authz->status == ACME_STATUS_VALID && ca->options.reuse_ms > 0) ||
           (authz->status == ACME_STATUS_PENDING && ca->options.reuse_pending);
}

static struct ca_authz *find_authz(struct ca_request *request, const char *name, bool is_ip)
{
    struct fake_ca *ca = request->ca;
    bool is_wildcard = str_starts(name, "*.");

    for (size_t i = ca->authzs.len; i > 0; i--) {
        struct ca_authz *authz = ca->authzs.items[i - 1];

        authz_refresh(authz, request->now_ms);
        if (can_be_reused(ca, authz) && authz->account == request->account &&
            authz->is_ip == is_ip && authz->is_wildcard == is_wildcard &&
            streq(authz->value, ca_plain_name(name)))
            return authz;
    }
    return NULL;
}

static void add_authzs(struct ca_request *request, struct ca_order *order,
                       const struct strlist *names, bool is_ip)
{
    for (size_t i = 0; i < names->len; i++) {
        struct ca_authz *authz = find_authz(request, names->items[i], is_ip);

        if (!authz)
            authz = add_authz(request, names->items[i], is_ip);
        order->authzs[order->authz_count++] = authz;
    }
}

static const struct ca_order *find_same_order(struct ca_request *request,
                                              const struct ca_order *wanted)
{
    struct fake_ca *ca = request->ca;

    for (size_t i = ca->orders.len; ca->options.reuse_orders && i > 0; i--) {
        struct ca_order *order = ca->orders.items[i - 1];

        order_refresh(order, request->now_ms);
        if (order->account == request->account && streq(order->set, wanted->set) &&
            streq(order->profile, wanted->profile) &&
            (order->status == ACME_STATUS_PENDING || order->status == ACME_STATUS_READY))
            return order;
    }
    return NULL;
}

static void order_deinit(struct ca_order *order)
{
    strlist_deinit(&order->dns_names);
    strlist_deinit(&order->ip_addresses);
    xfree(order->set);
    xfree(order->profile);
    xfree(order->replaces);
}
DEFINE_CLEANUP_VALUE(struct ca_order, order_deinit);

static void count_order(struct fake_ca *ca, const char *names)
{
    struct ca_set *set = map_get(ca->sets, names);

    if (!set) {
        set = xalloc(sizeof(*set));
        map_set(ca->sets, names, set);
    }
    set->orders++;
    ca->counts.new_orders++;
}

static void open_order(struct ca_request *request, struct ca_order *draft)
{
    struct fake_ca *ca = request->ca;
    struct ca_order *order;
    int id;

    order = ca_list_add(&ca->orders, sizeof(*order), &id);
    *order = *draft;
    *draft = (struct ca_order){};
    order->id = id;
    order->account = request->account;
    order->status = ACME_STATUS_PENDING;
    order->expires_ms = request->now_ms + or_default(ca->options.order_ms, DAYS(7));
    order->authzs = xcalloc(order->dns_names.len + order->ip_addresses.len,
                            sizeof(order->authzs[0]));
    add_authzs(request, order, &order->dns_names, false);
    add_authzs(request, order, &order->ip_addresses, true);
    order_refresh(order, request->now_ms);
    count_order(ca, order->set);
    answer_order(request, order, 201);
}

void ca_new_order(struct ca_request *request)
{
    cleanup(order_deinit) struct ca_order draft = {};
    const struct ca_order *same;

    if (read_identifiers(request, &draft) < 0 || read_profile(request, &draft) < 0 ||
        check_paused(request, &draft) < 0 || read_replaces(request, &draft) < 0 ||
        read_not_after(request, &draft) < 0)
        return;
    same = find_same_order(request, &draft);
    if (same) {
        answer_order(request, same, 201);
        return;
    }
    if (ca_check_limits(request, &draft) < 0)
        return;
    open_order(request, &draft);
}

/* --- order, authorization, challenge --- */

static struct ca_order *find_order(struct ca_request *request)
{
    struct ca_order *order = ca_list_get(&request->ca->orders, request->id);

    if (!order || order->account != request->account) {
        ca_problem(request, 404, "malformed", "no order %d", request->id);
        return NULL;
    }
    order_refresh(order, request->now_ms);
    return order;
}

void ca_get_order(struct ca_request *request)
{
    const struct ca_order *order = find_order(request);

    if (order && request->payload)
        malformed(request, "an order is read with an empty payload");
    else if (order)
        answer_order(request, order, 200);
}

void ca_get_authz(struct ca_request *request)
{
    struct ca_authz *authz = ca_list_get(&request->ca->authzs, request->id);

    if (!authz || authz->account != request->account) {
        ca_problem(request, 404, "malformed", "no authorization %d", request->id);
        return;
    }
    authz_refresh(authz, request->now_ms);
    if (request->payload && streq(json_get_text(request->payload, "status"), "deactivated"))
        authz->status = ACME_STATUS_DEACTIVATED;
    else if (request->payload) {
        malformed(request, "an authorization is read with an empty payload");
        return;
    }
    answer_authz(request, authz);
}

static int check_start(struct ca_request *request, const struct ca_challenge *challenge)
{
    if (!challenge || challenge->authz->account != request->account)
        return ca_problem(request, 404, "malformed", "no challenge %d", request->id);
    if (!request->payload || json_len(request->payload) > 0)
        return malformed(request, "a challenge is started with {}");
    if (!challenge->token)
        return malformed(request, "a challenge of a type that the client cannot know was started");
    if (challenge->status != ACME_STATUS_PENDING)
        ca_complain(request->ca, "challenge %d was started again when %s", challenge->id,
                    acme_status_name(challenge->status));
    return 0;
}

void ca_start_challenge(struct ca_request *request)
{
    struct fake_ca *ca = request->ca;
    struct ca_challenge *challenge = ca_list_get(&ca->challenges, request->id);
    int64_t delay_ms = request->delayed ? DELAY_MS : ca->options.validation_ms;

    if (check_start(request, challenge) < 0)
        return;
    authz_refresh(challenge->authz, request->now_ms);
    if (challenge->status == ACME_STATUS_PENDING &&
        challenge->authz->status == ACME_STATUS_PENDING) {
        challenge->status = ACME_STATUS_PROCESSING;
        challenge->done_at_ms = request->now_ms + delay_ms;
        if (delay_ms == 0)
            validate(ca, challenge, request->now_ms);
    }
    request->answer.status = 200;
    request->answer.body = challenge_json(request->ca, challenge);
    if (challenge->status == ACME_STATUS_PROCESSING)
        ca_header(request, "retry-after", "5");
}

/* --- finalize --- */

static int read_csr(struct ca_request *request, struct csr **ret)
{
    cleanup(buf_deinit) struct buf der = BUF(64 * 1024);
    const char *text = str_or(json_get_text(request->payload, "csr"), "");
    struct err err = {};

    if (base64url_decode(&der, text, strlen(text), &err) < 0 ||
        csr_parse(buf_str(&der), der.len, ret, &err) < 0)
        return ca_problem(request, 400, "badCSR", "the request cannot be read: %s", err.text);
    return 0;
}

static int check_csr(struct ca_request *request, const struct ca_order *order,
                     const struct csr *csr)
{
    const struct x509_names *names = csr_names(csr);

    if (!strlist_same_set(&names->dns_names, &order->dns_names) ||
        !strlist_same_set(&names->ip_addresses, &order->ip_addresses))
        return ca_problem(request, 400, "badCSR", "the names are not those of the order");
    if (pkey_equal_public(csr_public_key(csr), request->account->key))
        return ca_problem(request, 400, "badCSR", "the key is the account's");
    return 0;
}

void ca_finalize(struct ca_request *request)
{
    cleanup(csr_free) struct csr *csr = NULL;
    struct ca_order *order = find_order(request);
    int64_t delay_ms = request->delayed ? DELAY_MS : request->ca->options.issue_ms;

    if (!order)
        return;
    if (order->status != ACME_STATUS_READY) {
        ca_problem(request, 403, "orderNotReady", "the order is %s",
                   acme_status_name(order->status));
        return;
    }
    if (read_csr(request, &csr) < 0 || check_csr(request, order, csr) < 0)
        return;
    order->csr = take(csr);
    order->status = ACME_STATUS_PROCESSING;
    order->done_at_ms = request->now_ms + delay_ms;
    request->ca->counts.finalized++;
    if (delay_ms == 0)
        issue(request->ca, order, request->now_ms);
    answer_order(request, order, 200);
}
