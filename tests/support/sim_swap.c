/*
 * sim_swap.c - makes of what the program has left what cert-manager would have left there.
 *
 * Names, uids, the requests and the CA's URLs are the same with both, so that they stay. Other than ours are the
 * names of next keys, what conditions say, the managers that own the fields, and what is there of cert-manager's
 * steps in between. What cert-manager does not write, goes.
 *
 * The local store keeps managedFields as an API server does, and every write here is one of cert-manager's
 * managers. It has no apply of a status: what cert-manager applies there is an update here.
 */
#include <stdio.h>
#include <string.h>

#include "support/sim_inside.h"

#define KEY_MANAGER    "cert-manager-certificates-key-manager"
#define READINESS      "cert-manager-certificates-readiness"
#define TRIGGER        "cert-manager-certificates-trigger"
#define APPROVER       "cert-manager-certificaterequests-approver"
#define ACME_REQUESTS  "cert-manager-certificaterequests-issuer-acme"
#define OLDER_RELEASES "controller" /* before 1.8 */

static void must(int r, const struct err *err)
{
    if (r >= 0)
        return;
    print_error("dressing up as cert-manager: %s\n", err->text);
    fail();
}

static bool one_in(struct sim *sim, uint64_t n)
{
    return sim_random(sim, n) == 0;
}

/* --- reading and writing --- */

static struct json *all_of(struct sim *sim, const struct kind *kind)
{
    struct json *all = NULL;
    struct err err = {};

    must(store_list(sim->store, &sim->ctx, &kind->resource, NULL, &all, &err), &err);
    return all;
}

/* Whatever was done to `object` in between. */
static void write_part(struct sim *sim, const struct kind *kind, enum store_part part,
                       const char *manager, struct json *object)
{
    cleanup(json_unref) struct json *stored = NULL;
    struct err err = {};

    must(store_update(sim->store, &sim->ctx, &kind->resource, part, manager, object, &stored, &err),
         &err);
    json_set_text(json_need_map(object, "metadata"), "resourceVersion",
                  json_as_text(json_path(stored, "metadata.resourceVersion")));
}

static const char *name_of(const struct json *object)
{
    return json_as_text(json_path(object, "metadata.name"));
}

static struct key key_of(const struct json *object)
{
    return (struct key){.namespace = json_as_text(json_path(object, "metadata.namespace")),
                        .name = name_of(object)};
}

static const char *annotation(const struct json *object, const char *key)
{
    return json_get_text(json_path(object, "metadata.annotations"), key);
}

static const char *owner_uid(const struct json *object)
{
    return json_get_text(json_at(json_path(object, "metadata.ownerReferences"), 0), "uid");
}

static struct json *condition(const struct json *object, const char *type)
{
    json_for_each_item (item, json_path(object, "status.conditions")) {
        if (streq(json_get_text(item, "type"), type))
            return item;
    }
    return NULL;
}

static bool is_true(const struct json *object, const char *type)
{
    return streq(json_get_text(condition(object, type), "status"), "True");
}

/* What only we write on any object. */
static bool drop_our_annotations(struct json *object)
{
    cleanup(strlist_deinit) struct strlist ours = {};
    struct json *annotations = json_path(object, "metadata.annotations");

    json_for_each (key, value, annotations) {
        (void)value;
        if (strstr(key, "certlet.dev/"))
            strlist_add(&ours, key);
    }
    for (size_t i = 0; i < ours.len; i++)
        json_remove(annotations, ours.items[i]);
    return ours.len > 0;
}

/* --- the next private key --- */

/* As generateName makes it. */
static char *generated_name(struct sim *sim, const char *base)
{
    static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";
    char end[6] = "";

    for (int i = 0; i < 5; i++)
        end[i] = letters[sim_random(sim, sizeof(letters) - 1)];
    return xasprintf("%s-%s", base, end);
}

static void copy_key(struct sim *sim, const struct json *secret, const char *name)
{
    cleanup(json_unref) struct json *copy = json_deep(secret);
    struct json *metadata = json_get(copy, "metadata");
    static const char *const servers[] = {"uid", "resourceVersion", "creationTimestamp",
                                          "managedFields"};
    struct err err = {};

    for (size_t i = 0; i < ARRAY_LEN(servers); i++)
        json_remove(metadata, servers[i]);
    json_set_text(metadata, "name", name);
    must(store_create(sim->store, &sim->ctx, &kind_secret.resource, KEY_MANAGER, copy, NULL, &err),
         &err);
}

static void remove_key(struct sim *sim, const struct json *secret)
{
    struct key key = key_of(secret);
    struct store_precondition none = {};
    struct err err = {};

    must(store_delete(sim->store, &sim->ctx, &kind_secret.resource, &key, &none, &err), &err);
}

static bool has_request_with(const struct json *requests, const char *key_name)
{
    json_for_each_item (request, requests) {
        if (streq(annotation(request, ANNOTATION_PRIVATE_KEY_SECRET), key_name))
            return true;
    }
    return false;
}

static void name_key_in_requests(struct sim *sim, const struct json *requests, const char *before,
                                 const char *name)
{
    json_for_each_item (request, requests) {
        if (!streq(annotation(request, ANNOTATION_PRIVATE_KEY_SECRET), before))
            continue;
        json_set_text(json_path(request, "metadata.annotations"), ANNOTATION_PRIVATE_KEY_SECRET,
                      name);
        write_part(sim, &kind_certificate_request, STORE_OBJECT,
                   "cert-manager-certificates-request-manager", request);
    }
}

/* The key goes on under cert-manager's name for it. Until there is a request, the status may not name it yet. */
static void dress_up_key(struct sim *sim, struct json *crt, const struct json *secret,
                         const struct json *requests)
{
    cleanup(xfree) char *name = generated_name(sim, name_of(crt));
    struct json *status = json_need_map(crt, "status");
    const char *before = name_of(secret);
    bool is_named = streq(json_get_text(status, "nextPrivateKeySecretName"), before);

    copy_key(sim, secret, name);
    remove_key(sim, secret);
    if (is_named && !has_request_with(requests, before) && one_in(sim, 3))
        json_remove(status, "nextPrivateKeySecretName");
    else if (is_named)
        json_set_text(status, "nextPrivateKeySecretName", name);
    name_key_in_requests(sim, requests, before, name);
}

static void dress_up_keys(struct sim *sim, struct json *crt, const struct json *secrets,
                          const struct json *requests)
{
    json_for_each_item (secret, secrets) {
        bool is_next = streq(
            json_get_text(json_path(secret, "metadata.labels"), LABEL_NEXT_PRIVATE_KEY), "true");

        if (is_next && streq(owner_uid(secret), json_as_text(json_path(crt, "metadata.uid"))))
            dress_up_key(sim, crt, secret, requests);
    }
}

/* --- Certificates --- */

/* The reason why it was started, without what it waits for. */
static void cut_waiting(struct json *issuing)
{
    const char *message = json_get_text(issuing, "message");
    const char *waiting = message ? strstr(message, " (waiting: ") : NULL;
    cleanup(xfree) char *cut = waiting ? xasprintf("%.*s", (int)(waiting - message), message)
                                       : NULL;

    if (cut)
        json_set_text(issuing, "message", cut);
}

/* Without its gate for renewal information it keeps none of the CA's word, and would have renewed what is due
 * without. */
static void forget_the_ca(struct sim *sim, struct json *status)
{
    const char *begin = json_get_text(status, "notBefore"),
               *end = json_get_text(status, "notAfter");
    char renew[TIME_TEXT_MAX];
    int64_t renew_ms;

    if (!json_get(status, "acme") || !begin || !end)
        return;
    renew_ms = AT(end) - (AT(end) - AT(begin)) / 3;
    if (renew_ms < sim->clock.now_ms + DAYS(1))
        return;
    json_remove(status, "acme");
    time_format(renew_ms, renew);
    json_set_text(status, "renewalTime", renew);
}

static void dress_up_certificates(struct sim *sim)
{
    cleanup(json_unref) struct json *all = all_of(sim, &kind_certificate),
                                    *secrets = all_of(sim, &kind_secret),
                                    *requests = all_of(sim, &kind_certificate_request);

    json_for_each_item (crt, all) {
        bool is_issuing = is_true(crt, "Issuing");

        dress_up_keys(sim, crt, secrets, requests);
        cut_waiting(condition(crt, "Issuing"));
        forget_the_ca(sim, json_need_map(crt, "status"));
        write_part(sim, &kind_certificate, STORE_STATUS, is_issuing ? TRIGGER : READINESS, crt);
    }
}

/* --- CertificateRequests and Orders --- */

static void say(struct json *condition, const char *reason, const char *message)
{
    if (!condition)
        return;
    json_set_text(condition, "reason", reason);
    json_set_text(condition, "message", message);
}

static const struct json *order_of(const struct json *orders, const struct json *request)
{
    json_for_each_item (order, orders) {
        if (streq(owner_uid(order), json_as_text(json_path(request, "metadata.uid"))))
            return order;
    }
    return NULL;
}

static void dress_up_request(struct sim *sim, struct json *request, const struct json *orders)
{
    const struct json *order = order_of(orders, request);
    struct json *ready = condition(request, "Ready");
    cleanup(xfree) char *waiting = xasprintf(
        "Waiting on certificate issuance from order default/%s: \"%s\"", name_of(order),
        str_or(json_as_text(json_path(order, "status.state")), ""));

    if (drop_our_annotations(request))
        write_part(sim, &kind_certificate_request, STORE_OBJECT, ACME_REQUESTS, request);
    say(condition(request, "Approved"), "cert-manager.io",
        "Certificate request has been approved by cert-manager.io");
    if (order && streq(json_get_text(ready, "status"), "False") &&
        !streq(json_get_text(ready, "reason"), "Failed"))
        say(ready, "Pending", waiting);
    if (json_get(request, "status"))
        write_part(sim, &kind_certificate_request, STORE_STATUS, order ? ACME_REQUESTS : APPROVER,
                   request);
}

static void dress_up_requests(struct sim *sim)
{
    cleanup(json_unref) struct json *all = all_of(sim, &kind_certificate_request),
                                    *orders = all_of(sim, &kind_order);

    json_for_each_item (request, all)
        dress_up_request(sim, request, orders);
}

/* Its Orders tell no reason but that of a failure. */
static void dress_up_orders(struct sim *sim)
{
    cleanup(json_unref) struct json *all = all_of(sim, &kind_order);

    json_for_each_item (order, all) {
        if (drop_our_annotations(order))
            write_part(sim, &kind_order, STORE_OBJECT, "cert-manager-orders", order);
        if (!json_get(order, "status") || json_path(order, "status.failureTime"))
            continue;
        json_remove(json_get(order, "status"), "reason");
        write_part(sim, &kind_order, STORE_STATUS, "cert-manager-orders", order);
    }
}

/* It takes one up before it presents anything. */
static void dress_up_challenges(struct sim *sim)
{
    cleanup(json_unref) struct json *all = all_of(sim, &kind_challenge);

    json_for_each_item (challenge, all) {
        struct json *status = json_need_map(challenge, "status");
        const char *state = json_get_text(status, "state");

        if (state && !streq(state, "pending"))
            continue;
        json_set_bool(status, "processing", true);
        json_set_text(
            status, "reason",
            json_get_bool(status, "presented", false)
                ? "Waiting for DNS-01 challenge propagation: DNS record not yet propagated"
                : NULL);
        write_part(sim, &kind_challenge, STORE_STATUS, "cert-manager-challenges", challenge);
    }
}

/* --- Secrets --- */

/* All that can be seen of it is who owns its fields: a manager that changes each, there and back. */
static void own_by_update(struct sim *sim, struct json *secret)
{
    static const char *const others[] = {OLDER_RELEASES, "velero-server",
                                         "cert-manager-certificates-issuing"};
    cleanup(json_unref) struct json *as_it_was = json_deep(secret);
    const char *manager = others[sim_random(sim, ARRAY_LEN(others))];
    struct json *data = json_get(secret, "data");

    json_set_text(data, "tls.crt", "eA==");
    json_set_text(data, "tls.key", "eA==");
    json_remove(json_path(secret, "metadata.labels"), LABEL_FAO);
    write_part(sim, &kind_secret, STORE_OBJECT, manager, secret);
    json_set_text(json_get(as_it_was, "metadata"), "resourceVersion",
                  json_as_text(json_path(secret, "metadata.resourceVersion")));
    write_part(sim, &kind_secret, STORE_OBJECT, manager, as_it_was);
}

static void dress_up_secrets(struct sim *sim)
{
    cleanup(json_unref) struct json *all = all_of(sim, &kind_secret);

    json_for_each_item (secret, all) {
        if (drop_our_annotations(secret))
            write_part(sim, &kind_secret, STORE_OBJECT, "cert-manager-issuers", secret);
        if (annotation(secret, ANNOTATION_CERTIFICATE_NAME) && one_in(sim, 4))
            own_by_update(sim, secret);
    }
}

void sim_dress_up(struct sim *sim)
{
    dress_up_certificates(sim);
    dress_up_requests(sim);
    dress_up_orders(sim);
    dress_up_challenges(sim);
    dress_up_secrets(sim);
}
