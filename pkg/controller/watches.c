/*
 * watches.c - which change wakes whom.
 *
 *   Certificate         itself; the others that name the same Secret
 *   CertificateRequest  itself; its Certificate
 *   CertificateSigningRequest  itself
 *   Either request      with its approval and its end, Orders that name it
 *   Order               itself; its request of either kind; that one's Certificate (it shows what is waited
 *                       for)
 *   Challenge           itself; its Order
 *   Issuer              itself; Certificates, requests of both kinds, Orders and Challenges that name it, when
 *                       Ready or its account changes; Certificates that name a Secret which it reads, or did
 *   Secret              Certificates that name it, as target or for a password; its Certificate (next keys);
 *                       requests whose key it has;
 *                       Issuers that read it, the Challenges of these, and requests that a CA in it signs
 */
#include <string.h>

#include "controller/caches.h"
#include "controller/challenges.h"
#include "controller/facts.h"
#include "controller/order_request.h"
#include "controller/placed.h"
#include "controller/secrets.h"
#include "controller/writers.h"

struct wake {
    struct controllers *self;
    enum work_priority priority;
};

static void add(const struct wake *wake, enum lane lane, const char *namespace, const char *name)
{
    struct key key = {.namespace = str_or(namespace, ""), .name = name};

    workqueue_add(wake->self->queue, lane, &key, wake->priority);
}

static void add_object(const struct wake *wake, enum lane lane, const struct object *object)
{
    add(wake, lane, object->metadata.namespace, object->metadata.name);
}

struct wake_lane {
    const struct wake *wake;
    enum lane lane;
};

static void add_visited(void *arg, const void *object)
{
    const struct wake_lane *to = arg;

    add_object(to->wake, to->lane, object);
}

static void add_index(const struct wake *wake, enum lane lane, struct cache *cache,
                      const char *index, const char *value)
{
    struct wake_lane to = {.wake = wake, .lane = lane};

    cache_visit_index(cache, index, value, add_visited, &to);
}

static void add_controller(const struct wake *wake, enum lane lane, const struct object *object,
                           const char *kind)
{
    const struct owner_reference *owner = object_controller(object);

    if (owner && streq(owner->kind, kind))
        add(wake, lane, object->metadata.namespace, owner->name);
}

static struct wake wake_of(void *self, bool initial)
{
    return (struct wake){.self = self, .priority = initial ? PRIORITY_INITIAL : PRIORITY_NORMAL};
}

/*
 * A run that ends in "not yet" writes why and has a timer or a back-off. The write must not wake the
 * same run at once, or an answer that reads differently each time (a request id, a rotating address)
 * would be asked for without a pause.
 */

/* One finalizer more is our own, or of somebody who waits for what is to come: nothing is to be done for it. */
static bool same_metadata(const void *before, const void *after)
{
    const struct object *a = before, *b = after;

    return a && a->metadata.generation == b->metadata.generation &&
           a->metadata.deletion_timestamp_ms == b->metadata.deletion_timestamp_ms &&
           a->metadata.finalizers.len <= b->metadata.finalizers.len;
}

struct status_part { /* a status and the text in it that says why */
    const struct fields *fields;
    size_t offset, size, reason; /* of the status in the object; of the reason in the status */
};
static const struct status_part order_part = {
    &order_status_fields, offsetof(struct order_facts, order.status), sizeof(struct order_status),
    offsetof(struct order_status, reason)};
static const struct status_part challenge_part = {
    &challenge_status_fields, offsetof(struct challenge, status), sizeof(struct challenge_status),
    offsetof(struct challenge_status, reason)};

union any_status {
    struct order_status order;
    struct challenge_status challenge;
};

static void copy_without_reason(const struct status_part *part, const void *object,
                                union any_status *ret)
{
    memcpy(ret, (const char *)object + part->offset, part->size);
    *(const char **)((char *)ret + part->reason) = NULL;
    if (part == &challenge_part) /* who waits gives its place up, too */
        ret->challenge.processing = false;
}

static bool only_reason_changed(const struct status_part *part, const void *before,
                                const void *after)
{
    union any_status a, b;

    if (!same_metadata(before, after))
        return false;
    copy_without_reason(part, before, &a);
    copy_without_reason(part, after, &b);
    return fields_equal(part->fields, &a, &b);
}

/* The same of a Certificate: what it waits for stands in the message of its Issuing condition. */
static bool only_issuing_message_changed(const struct certificate *before,
                                         const struct certificate *after)
{
    const struct condition *a = before ? condition_find(&before->status.conditions, "Issuing")
                                       : NULL;
    const struct condition *b = after ? condition_find(&after->status.conditions, "Issuing") : NULL;
    cleanup(arena_free) struct arena *arena = NULL;
    struct certificate_status status;
    struct condition told;

    if (!a || !b || streq(a->message, b->message) || !same_metadata(before, after))
        return false;
    arena = arena_new(0);
    status = before->status;
    told = *a;
    told.message = b->message;
    condition_set(&status.conditions, &told, 0, arena);
    return fields_equal(&certificate_status_fields, &status, &after->status);
}

/* --- one handler per kind --- */

/* All that name the Secret which this one names, or did: who owns it may have changed. */
static void wake_rivals(const struct wake *wake, const struct key *key,
                        const struct certificate *crt)
{
    cleanup(xfree) char *secret = NULL;

    if (!crt)
        return;
    secret = index_name_value(key->namespace, str_or(crt->spec.secret_name, ""));
    add_index(wake, LANE_CERTIFICATES, wake->self->caches.certificates, INDEX_SECRET_NAME, secret);
}

static void certificate_changed(void *self, const struct key *key, const void *before,
                                const void *after, bool initial)
{
    struct wake wake = wake_of(self, initial);
    const struct certificate *old = before, *new = after;

    if (!only_issuing_message_changed(old, new))
        add(&wake, LANE_CERTIFICATES, key->namespace, key->name);
    if (!new)
        writers_forget(wake.self->writers, old->object.metadata.uid);
    if (!old && initial)
        return; /* every Certificate runs anyway */
    if (old && new &&streq(old->spec.secret_name, new->spec.secret_name))
        return;
    wake_rivals(&wake, key, old);
    wake_rivals(&wake, key, new);
}

/* An Order that somebody made before the approval has been waiting for it, and holds up ours. One that goes on when
 * its request has ended is left. */
static void wake_orders(const struct wake *wake, const void *before, const void *after)
{
    if (!after || !request_is_approved(after))
        return;
    if (!before || !request_is_approved(before) || request_asks_again(after, before) ||
        (request_has_ended(after) && !request_has_ended(before)))
        add_index(wake, LANE_ORDERS, wake->self->caches.orders, INDEX_OWNER,
                  ((const struct object *)after)->metadata.uid);
}

static void request_changed(void *self, const struct key *key, const void *before,
                            const void *after, bool initial)
{
    struct wake wake = wake_of(self, initial);

    if (after)
        add(&wake, LANE_REQUESTS, key->namespace, key->name);
    if (initial) /* every Certificate and every Order runs anyway */
        return;
    add_controller(&wake, LANE_CERTIFICATES, after ? after : before, "Certificate");
    wake_orders(&wake, before, after);
}

static void signing_request_changed(void *self, const struct key *key, const void *before,
                                    const void *after, bool initial)
{
    struct wake wake = wake_of(self, initial);

    if (after && signing_request_is_open(after))
        add(&wake, LANE_SIGNING_REQUESTS, key->namespace, key->name);
    wake_orders(&wake, before, after);
}

/* For an Order that is older than our work another process may have been stopped between the CA's answer and
 * the write. What the caches show before we work is; so is what a late watch tells of afterwards, by its date. */
static bool is_older_than_our_work(const struct controllers *self, const struct object *order,
                                   bool initial)
{
    int64_t since_ms = controllers_work_since_ms(self);

    return initial || since_ms == 0 || order->metadata.creation_timestamp_ms < since_ms;
}

/* Which order of the CA an open Order has, from whatever process. */
static void note_placed(struct controllers *self, const struct order_facts *before,
                        const struct order_facts *after, bool initial)
{
    const char *uid = (after ? after : before)->order.object.metadata.uid;

    if (!after || after->has_certificate || state_is_failed(after->order.status.state))
        placed_forget(self->placed, uid);
    else if (!str_empty(
                 after->order.status.url)) /* where another has it, nothing is to be done here */
        (void)placed_claim(self->placed, uid, after->order.status.url, clock_wall_ms(self->clock));
    else if (!before && is_older_than_our_work(self, &after->order.object, initial))
        placed_doubt(self->placed, uid);
}

static void wake_request(const struct wake *wake, const struct key *order,
                         const struct owner_reference *owner)
{
    struct key key = {.namespace = order->namespace, .name = str_or(owner->name, "")};
    cleanup(object_unref) const struct object *request = NULL;

    if (streq(owner->kind, kind_signing_request.resource.kind)) {
        add(wake, LANE_SIGNING_REQUESTS, "", key.name);
        return;
    }
    add(wake, LANE_REQUESTS, key.namespace, key.name);
    request = cache_get(wake->self->caches.requests, &key);
    if (request)
        add_controller(wake, LANE_CERTIFICATES, request, "Certificate");
}

static void order_changed(void *self, const struct key *key, const void *before, const void *after,
                          bool initial)
{
    struct wake wake = wake_of(self, initial);
    const struct owner_reference *owner = object_controller(after ? after : before);

    note_placed(wake.self, before, after, initial);
    if (after && !only_reason_changed(&order_part, before, after))
        add(&wake, LANE_ORDERS, key->namespace, key->name);
    if (!initial && owner)
        wake_request(&wake, key, owner);
}

/* Here and not where the Challenge ends: now the cache counts one less. */
static void wake_next_in_line(const struct wake *wake)
{
    cleanup(xfree) char *text = challenges_next(wake->self->challenges);
    struct key key;

    if (!text)
        return;
    key = key_parse(text);
    workqueue_add(wake->self->queue, LANE_CHALLENGES, &key, wake->priority);
}

/* Not every place is told of in the store (challenges.h): what has ended may have had one. */
static bool gives_place(const struct challenge *before, const struct challenge *after)
{
    return (challenge_holds_place(before) && !challenge_holds_place(after)) ||
           (challenge_is_open(before) && !challenge_is_open(after));
}

static void challenge_changed(void *self, const struct key *key, const void *before,
                              const void *after, bool initial)
{
    struct wake wake = wake_of(self, initial);

    if (gives_place(before, after))
        wake_next_in_line(&wake);
    if (!after)
        challenges_forget(wake.self->challenges, ((const struct object *)before)->metadata.uid);
    if (after && !only_reason_changed(&challenge_part, before, after))
        add(&wake, LANE_CHALLENGES, key->namespace, key->name);
    if (!initial)
        add_controller(&wake, LANE_ORDERS, after ? after : before, "Order");
}

/* The message counts too: what waits for the issuer shows it. */
static bool same_readiness(const struct conditions *before, const struct conditions *after)
{
    const struct condition *a = condition_find(before, "Ready"),
                           *b = condition_find(after, "Ready");

    if (!a || !b)
        return a == b;
    return a->status == b->status && streq(a->message, b->message);
}

/* Orders of another CA than before are left. */
static bool same_account(const struct issuer *before, const struct issuer *after)
{
    const struct issuer_acme_status *a = before->status.acme, *b = after->status.acme;

    return streq(a ? a->uri : NULL, b ? b->uri : NULL);
}

static bool issuer_readiness_changed(const struct issuer *before, const struct issuer *after)
{
    if (!before || !after)
        return true;
    return !same_readiness(&before->status.conditions, &after->status.conditions) ||
           !same_account(before, after) ||
           before->object.metadata.generation != after->object.metadata.generation;
}

static void wake_users_of_issuer(const struct wake *wake, const char *kind, const struct key *key)
{
    struct issuer_reference ref = {.name = key->name, .kind = kind};
    cleanup(xfree) char *value = index_issuer_value(&ref, key->namespace);
    struct caches *caches = &wake->self->caches;

    add_index(wake, LANE_CERTIFICATES, caches->certificates, INDEX_ISSUER, value);
    add_index(wake, LANE_REQUESTS, caches->requests, INDEX_ISSUER, value);
    add_index(wake, LANE_SIGNING_REQUESTS, caches->signing_requests, INDEX_ISSUER, value);
    add_index(wake, LANE_ORDERS, caches->orders, INDEX_ISSUER, value);
    add_index(wake, LANE_CHALLENGES, caches->challenges, INDEX_ISSUER, value);
}

static void forget_secret(struct controllers *self, const struct key *key)
{
    derived_forget(self->issuers.ca_keys, key);
    derived_forget(self->solvers->values, key);
}

static void forget_used(void *self, const char *secret)
{
    cleanup(xfree) char *text = xstrdup(secret);
    struct key key = key_parse(text);

    forget_secret(self, &key);
}

/* Keys that it had from Secrets which it may not name any more. Whoever does reads them again. */
static void forget_keys(struct controllers *self, const char *namespace,
                        const struct issuer *before, const struct issuer *after)
{
    if (!before || (after && same_metadata(before, after)))
        return;
    issuer_used_secrets(before, namespace, forget_used, self);
    if (!after)
        accounts_remove(self->issuers.accounts, before->object.metadata.uid);
}

static void wake_by_secret(void *arg, const char *secret)
{
    const struct wake *wake = arg;

    add_index(wake, LANE_CERTIFICATES, wake->self->caches.certificates, INDEX_SECRET_NAME, secret);
}

/* What it has in a Secret of its own is in the way of a Certificate that names this one. */
static void wake_rivals_of_issuer(struct wake *wake, const char *namespace,
                                  const struct issuer *before, const struct issuer *after)
{
    if (before && after && same_metadata(before, after))
        return;
    if (before)
        issuer_used_secrets(before, namespace, wake_by_secret, wake);
    if (after)
        issuer_used_secrets(after, namespace, wake_by_secret, wake);
}

static void issuer_changed(void *self, const struct key *key, const void *before, const void *after,
                           bool initial)
{
    struct wake wake = wake_of(self, initial);

    if (after && !same_metadata(before, after))
        add(&wake, LANE_ISSUERS, key->namespace, key->name);
    forget_keys(self, key->namespace, before, after);
    if (!initial && issuer_readiness_changed(before, after))
        wake_users_of_issuer(&wake, "Issuer", key);
    if (!initial)
        wake_rivals_of_issuer(&wake, key->namespace, before, after);
}

static void cluster_issuer_changed(void *self, const struct key *key, const void *before,
                                   const void *after, bool initial)
{
    struct wake wake = wake_of(self, initial);

    if (after && !same_metadata(before, after))
        add(&wake, LANE_CLUSTER_ISSUERS, key->namespace, key->name);
    forget_keys(self, wake.self->options.resource_namespace, before, after);
    if (!initial && issuer_readiness_changed(before, after))
        wake_users_of_issuer(&wake, "ClusterIssuer", key);
    if (!initial)
        wake_rivals_of_issuer(&wake, wake.self->options.resource_namespace, before, after);
}

static void wake_requests_of(const struct wake *wake, const char *issuer)
{
    struct caches *caches = &wake->self->caches;

    add_index(wake, LANE_REQUESTS, caches->requests, INDEX_ISSUER, issuer);
    add_index(wake, LANE_SIGNING_REQUESTS, caches->signing_requests, INDEX_ISSUER, issuer);
}

/* A corrected key of a name server ends the back-off of what was refused with the old one. */
static void wake_users_of_secret(const struct wake *wake, enum lane lane, struct cache *issuers,
                                 const char *kind, const char *secret)
{
    cleanup(cache_refs_deinit) struct cache_refs refs = {};

    cache_by_index(issuers, INDEX_USED_SECRET, secret, &refs);
    for (size_t i = 0; i < refs.len; i++) {
        const struct object *issuer = refs.items[i];
        struct issuer_reference ref = {.name = issuer->metadata.name, .kind = kind};
        cleanup(xfree) char *value = index_issuer_value(&ref, issuer->metadata.namespace);

        add_object(wake, lane, issuer);
        if (((const struct issuer *)issuer)->spec.ca)
            wake_requests_of(wake, value);
        add_index(wake, LANE_CHALLENGES, wake->self->caches.challenges, INDEX_ISSUER, value);
    }
}

static void secret_changed(void *self, const struct key *key, const void *before, const void *after,
                           bool initial)
{
    struct wake wake = wake_of(self, initial);
    struct caches *caches = &wake.self->caches;
    cleanup(xfree) char *value = index_name_value(key->namespace, key->name);
    cleanup(xfree) char *cluster_value = index_name_value("", key->name);

    if (initial)
        return; /* Certificates and Issuers run anyway, after all caches are there */
    add_index(&wake, LANE_CERTIFICATES, caches->certificates, INDEX_SECRET_NAME, value);
    add_controller(&wake, LANE_CERTIFICATES, after ? after : before, "Certificate");
    if (!secret_data_changed(before, after))
        return; /* a gate saved to an annotation is no reason to look at the account again */
    add_index(&wake, LANE_CERTIFICATES, caches->certificates, INDEX_PASSWORD_SECRET, value);
    forget_secret(self, key);
    add_index(&wake, LANE_REQUESTS, caches->requests, INDEX_KEY_SECRET, value);
    add_index(&wake, LANE_SIGNING_REQUESTS, caches->signing_requests, INDEX_KEY_SECRET, value);
    wake_users_of_secret(&wake, LANE_ISSUERS, caches->issuers, "Issuer", value);
    if (!streq(key->namespace, wake.self->options.resource_namespace))
        return;
    add_index(&wake, LANE_SIGNING_REQUESTS, caches->signing_requests, INDEX_KEY_SECRET,
              cluster_value);
    wake_users_of_secret(&wake, LANE_CLUSTER_ISSUERS, caches->cluster_issuers, "ClusterIssuer",
                         cluster_value);
}

void watches_add(struct controllers *self)
{
    cache_add_handler(self->caches.certificates, certificate_changed, self);
    cache_add_handler(self->caches.requests, request_changed, self);
    cache_add_handler(self->caches.orders, order_changed, self);
    cache_add_handler(self->caches.challenges, challenge_changed, self);
    cache_add_handler(self->caches.issuers, issuer_changed, self);
    cache_add_handler(self->caches.cluster_issuers, cluster_issuer_changed, self);
    cache_add_handler(self->caches.secrets, secret_changed, self);
    cache_add_handler(self->caches.signing_requests, signing_request_changed, self);
}
