/*
 * order_place.c - newOrder, within the CA's budgets (acme/gate.h).
 *
 * What was placed is stored before anything else is done with it. It is placed only for an Order that
 * we have just written or read (read_full()), and that still is what its approved request yields.
 */
#include <string.h>

#include "controller/order_run.h"
#include "controller/placed.h"
#include "controller/secrets.h"
#include "issuer/order.h"
#include "metrics/metrics.h"

/* --- budgets --- */

struct budget {
    struct strlist names, domains;
    struct acme_budget_request request;
};

static void budget_deinit(struct budget *budget)
{
    strlist_deinit(&budget->names);
    strlist_deinit(&budget->domains);
}
DEFINE_CLEANUP_VALUE(struct budget, budget_deinit);

/* The Certificate that the Order is for, as the caches have it; NULL when there is none. */
static const struct certificate *certificate_of(struct order_run *run)
{
    struct key key = {
        .namespace = run->key->namespace,
        .name = object_annotation(&run->order->object, ANNOTATION_CERTIFICATE_NAME),
    };

    return key.name ? cache_get(run->self->caches.certificates, &key) : NULL;
}

/* Is the certificate in force for the same names? Then the CA counts this order as a renewal. */
static bool is_renewal(struct order_run *run, const struct certificate *crt)
{
    struct key key = {.namespace = run->key->namespace, .name = crt->spec.secret_name};
    cleanup(object_unref) const struct secret_facts *secret = NULL;

    if (secret_facts_get(run->self, run->ctx, &key, &secret, NULL) < 0)
        return false; /* to count it as a new order is the safe side */
    return secret && secret->cert_ok &&
           array_string_same_set(&secret->leaf_dns_names, &run->order->spec.dns_names) &&
           context_now_ms(run->ctx) - secret->not_before_ms < DAYS(120);
}

/* Inside the CA's own window a replacement is free (acme.md 3). */
static bool is_in_window(struct order_run *run, const struct certificate *crt)
{
    const struct certificate_ari *ari = crt->status.acme ? crt->status.acme->ari : NULL;
    const struct certificate_ari_window *window = ari ? ari->suggested_window : NULL;
    int64_t now_ms = context_now_ms(run->ctx);

    return window && now_ms >= window->start_ms && now_ms < window->end_ms;
}

static void budget_init(struct budget *budget, struct order_run *run, const char *replaces)
{
    const struct order_spec *spec = &run->order->spec;
    cleanup(object_unref) const struct certificate *crt = certificate_of(run);

    array_string_add_to(&spec->dns_names, &budget->names);
    array_string_add_to(&spec->ip_addresses, &budget->names);
    for (size_t i = 0; i < spec->dns_names.len; i++) {
        const char *name = spec->dns_names.items[i];

        strlist_add_take(&budget->domains,
                         dns_registered_domain(str_starts(name, "*.") ? name + 2 : name));
    }
    strlist_sort_unique(&budget->domains);
    budget->request = (struct acme_budget_request){
        .names = &budget->names,
        .registered_domains = &budget->domains,
        .tenant = run->key->namespace,
        .is_renewal = crt && is_renewal(run, crt),
        .is_ari_exempt = crt && replaces && is_in_window(run, crt),
    };
}

/* The order has come to its end at the CA: what was held for its certificate is spent or comes back. */
void order_end_budget(struct order_run *run, bool issued)
{
    cleanup(budget_deinit) struct budget budget = {};

    if (!run->client || str_empty(run->order->status.url))
        return;
    budget_init(&budget, run, run->order->spec.replaces);
    acme_gate_end_order(acme_client_gate(run->client), run->ctx, &budget.request, issued);
}

/* They may be in a back-off of their own. */
static void wake_challenges(struct order_run *run)
{
    for (size_t i = 0; i < run->challenges.len; i++) {
        struct key key = object_key(run->challenges.items[i]);

        workqueue_forget(run->self->queue, LANE_CHALLENGES, &key);
        workqueue_add(run->self->queue, LANE_CHALLENGES, &key, PRIORITY_NORMAL);
    }
}

/* The request's annotation stays: who may renew a Certificate may not write its Orders, and we no requests. */
int order_take_retry(struct order_run *run, struct err *err)
{
    cleanup(json_unref) struct json *patch = json_new_map();
    int r;

    json_set_text(json_need_map(json_need_map(patch, "metadata"), "annotations"), ANNOTATION_RETRY,
                  object_annotation(run->request, ANNOTATION_RETRY));
    r = write_patch(order_author(run), &run->order->object, patch, err);
    if (r < 0)
        return err_wrap(err, "taking note of '%s'", ANNOTATION_RETRY);
    wake_challenges(run);
    run->result->requeue_at_ms = context_now_ms(run->ctx);
    return 0;
}

/* Its names are no longer held. Only now, of an Order that follows from its request: names of others are
 * not its writer's business. */
static int resume(struct order_run *run, const struct order_spec *spec, struct err *err)
{
    cleanup(strlist_deinit) struct strlist names = {};

    array_string_add_to(&spec->dns_names, &names);
    array_string_add_to(&spec->ip_addresses, &names);
    acme_gate_resume(acme_client_gate(run->client), run->ctx, &names);
    return order_take_retry(run, err);
}

/* --- newOrder --- */

static const struct metric_family orders_in_doubt = {
    .name = "certlet_acme_orders_in_doubt_total",
    .type = METRIC_COUNTER,
    .help = "newOrder requests whose answer was lost: the CA may hold an order that nobody uses.",
};

void orders_in_doubt_begin(struct metrics *metrics)
{
    metrics_add(metrics, &orders_in_doubt, NULL, 0);
}

/* Refused by the CA, or never sent: our shares, a closed gate, a directory that does not fit. */
static bool cost_nothing(int code, const struct acme_problem *problem)
{
    static const int never_sent[] = {ERR_BUSY, ERR_RATE_LIMITED, ERR_UNSUPPORTED, ERR_INVALID,
                                     ERR_DENIED};

    if (problem->class != ACME_OK && problem->class != ACME_RETRY)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(never_sent); i++) {
        if (code == never_sent[i])
            return true;
    }
    return false;
}

/* It may have been made: the order counts, its certificate does not come. */
static void doubt(struct order_run *run, struct acme_gate *gate,
                  const struct acme_budget_request *request)
{
    acme_gate_end_order(gate, run->ctx, request, false);
    placed_doubt(run->self->placed, run->order->object.metadata.uid);
    if (run->self->metrics)
        metrics_add(run->self->metrics, &orders_in_doubt, NULL, 1);
}

/* ERR_EXISTS: none was made, the CA gave out again what another Order goes on with. */
static int new_order(struct order_run *run, const struct order_spec *spec, const char *replaces,
                     struct acme_order *ret, struct acme_problem *problem, struct err *err)
{
    cleanup(strlist_deinit) struct strlist dns_names = {}, ip_addresses = {};
    cleanup(budget_deinit) struct budget budget = {};
    struct acme_gate *gate = acme_client_gate(run->client);
    struct acme_order_request order = {
        .dns_names = &dns_names,
        .ip_addresses = &ip_addresses,
        .profile = spec->profile,
        .replaces = replaces,
        .not_after_ms = spec->duration.is_set
                            ? context_now_ms(run->ctx) + spec->duration.ns / 1000000
                            : 0,
    };
    int r;

    array_string_add_to(&spec->dns_names, &dns_names);
    array_string_add_to(&spec->ip_addresses, &ip_addresses);
    budget_init(&budget, run, replaces);
    r = acme_gate_take_order(gate, run->ctx, &budget.request, err);
    if (r < 0)
        return r;
    r = acme_order_new(run->client, run->ctx, &order, ret, problem, err);
    if (r == 0 && !placed_claim(run->self->placed, run->order->object.metadata.uid, ret->url,
                                context_now_ms(run->ctx)))
        r = ERR_EXISTS;
    if (r == ERR_EXISTS || (r < 0 && cost_nothing(r, problem)))
        acme_gate_return_order(gate, &budget.request);
    else if (r < 0)
        doubt(run, gate, &budget.request);
    return r;
}

static void take_over(struct order_run *run, const struct acme_order *order)
{
    struct order_status *status = &run->status;

    status->url = arena_strdup(run->arena, order->url);
    status->finalize_url = arena_strdup(run->arena, order->finalize_url);
    status->state = STATE_PENDING;
    status->reason = NULL;
    status->authorizations.len = order->authorizations.len;
    status->authorizations.items = arena_alloc(
        run->arena, order->authorizations.len * sizeof(*status->authorizations.items));
    for (size_t i = 0; i < order->authorizations.len; i++)
        status->authorizations.items[i].url = arena_strdup(run->arena,
                                                           order->authorizations.items[i]);
}

/* What the store refuses is no verdict on the Order: an API server that has just started knows no roles yet. */
static int no_verdict(int r, struct err *err)
{
    struct err why = *err;

    return r == ERR_DENIED ? err_set(err, ERR_UNAVAILABLE, "%s", why.text) : r;
}

int order_read(struct order_run *run, struct err *err)
{
    const struct object *object = NULL;
    int r = run->live ? 0 : read_full(run->self, run->ctx, &run->order->object, &object, err);

    if (object)
        run->live = (const struct order *)object;
    return r;
}

static int read_again(struct order_run *run, struct err *err)
{
    if (run->live)
        object_unref(&run->live->object);
    run->live = NULL;
    return order_read(run, err);
}

/* What the request yields by now, as the Order should say it. */
static int wanted_spec(struct order_run *run, const struct object *request,
                       struct order_spec *ret_wanted, struct err *err)
{
    const struct order *live = run->live;
    struct signable asked;
    int r = signable_of(&run->self->issuers, run->issuer, request, &asked, err);

    if (r == 0)
        r = order_spec_of(run->issuer, &asked, live->spec.replaces, run->arena, ret_wanted, err);
    if (r == 0 && !order_names(live, &asked))
        r = err_set(err, ERR_DENIED, "the Order is not where its %s '%s' has its own",
                    request->kind->resource.kind, request->metadata.name);
    if (r == 0 &&
        !str_empty(live->status.url)) { /* the Issuer's wishes counted when it was placed */
        ret_wanted->profile = live->spec.profile;
        ret_wanted->duration = live->spec.duration;
    }
    return r;
}

static int check_access(struct order_run *run, const struct object *request, struct err *err)
{
    bool allowed;
    int r = request_access(run->self, run->ctx, request, run->issuer, &allowed, err);

    if (r < 0)
        return no_verdict(r, err);
    return allowed
               ? 0
               : err_set(err, ERR_DENIED, "whoever made the %s '%s' may not refer to issuer '%s'",
                         request->kind->resource.kind, request->metadata.name,
                         run->issuer->object.metadata.name);
}

int order_check_spec(struct order_run *run, struct err *err)
{
    cleanup(object_unref) const struct object *request = NULL;
    struct order_spec wanted = {};
    int r = read_again(run, err);

    if (r == 0)
        r = read_full(run->self, run->ctx, run->request, &request, err);
    if (r < 0)
        return no_verdict(r, err);
    r = wanted_spec(run, request, &wanted, err);
    if (r < 0)
        return r;
    if (!fields_equal(&order_spec_fields, &wanted, &run->live->spec))
        return err_set(err, ERR_DENIED, "the Order does not ask for what its %s '%s' says",
                       request->kind->resource.kind, request->metadata.name);
    return check_access(run, request, err);
}

/* Until what was placed is in the store, a note in memory keeps the next run from placing another one. Of an
 * Order that has gone meanwhile nobody would take the note away. */
static void note_placed(struct order_run *run, const char *uid, struct acme_order *placed)
{
    cleanup(object_unref) const struct object *cached = NULL;

    placed_note(run->self->placed, uid, placed);
    cached = cache_get(run->self->caches.orders, run->key);
    if (!cached || !streq(cached->metadata.uid, uid))
        placed_forget(run->self->placed, uid);
}

/* It goes into the store before anything else. */
static int store_placed(struct order_run *run, struct acme_order *placed, struct err *err)
{
    const struct object *live = &run->live->object;
    int r;

    take_over(run, placed);
    r = write_status(order_author(run), live, &run->status, err);
    if (r < 0)
        note_placed(run, live->metadata.uid, placed);
    return r;
}

/* It does not follow from its request (any more): the request makes another one. Nothing was placed. */
static int discard(struct order_run *run, const struct err *why, struct err *err)
{
    event(run->self, run->ctx, &run->order->object, EVENT_WARNING, "OrderDiscarded", "%s",
          why->text);
    return write_delete(run->self, run->ctx, &run->order->object, err);
}

/* What an earlier run, or an earlier process, has placed for this Order: 1, or 0; negative: look again. */
static int find_placed(struct order_run *run, const struct order *live, struct acme_order *ret,
                       struct acme_problem *problem, struct err *err)
{
    enum placed_state state = placed_take(run->self->placed, live->object.metadata.uid, ret);

    return state == PLACED_IN_DOUBT ? order_find_lost(run, live, ret, problem, err)
                                    : state == PLACED_ORDER;
}

/* Two of ours must not finalize one order: the later would get a certificate for the other's key. No CA
 * is asked while this one waits. */
static int wait_for_other(struct order_run *run, struct err *err)
{
    int r;

    run->status.reason =
        "Another Order goes on with the CA's order for these names: waiting for its end";
    r = order_save(run, err);
    return r < 0 ? r : order_look_again(run, 0);
}

static int place(struct order_run *run, struct err *err)
{
    const struct order *live = run->live;
    cleanup(acme_order_deinit) struct acme_order placed = {};
    cleanup(acme_problem_deinit) struct acme_problem problem = {};
    struct err why = {};
    const char *uid = live->object.metadata.uid;
    int r;

    if (placed_must_wait(run->self->placed, uid, context_now_ms(run->ctx)))
        return wait_for_other(run, err);
    r = find_placed(run, live, &placed, &problem, &why);
    if (r < 0)
        return order_settle(run, r, &problem, &why, "look for an order whose answer was lost", err);
    if (r > 0 && !placed_claim(run->self->placed, uid, placed.url, context_now_ms(run->ctx)))
        return wait_for_other(run, err);
    if (r > 0)
        return store_placed(run, &placed, err);
    r = new_order(run, &live->spec, live->spec.replaces, &placed, &problem, &why);
    if (r < 0 && problem.class == ACME_ALREADY_REPLACED) {
        acme_problem_deinit(&problem);
        problem = (struct acme_problem){};
        r = new_order(run, &live->spec, NULL, &placed, &problem, &why);
    }
    if (r == ERR_EXISTS)
        return wait_for_other(run, err);
    if (r < 0)
        return order_settle(run, r, &problem, &why, "create Order", err);
    return store_placed(run, &placed, err);
}

static bool comes_before(const struct object *a, const struct object *b)
{
    if (a->metadata.creation_timestamp_ms != b->metadata.creation_timestamp_ms)
        return a->metadata.creation_timestamp_ms < b->metadata.creation_timestamp_ms;
    return strcmp(a->metadata.name, b->metadata.name) < 0;
}

/* A request yields one Order while it is open: copies that somebody else wrote must not spend the
 * account's budget at the CA. */
static int check_is_the_only_one(struct order_run *run, struct err *err)
{
    const struct object *self = &run->order->object, *request = run->request;
    const char *kind = request->kind->resource.kind;
    cleanup(cache_refs_deinit) struct cache_refs orders = {};
    struct signable asked;
    int r = signable_of(&run->self->issuers, run->issuer, request, &asked, err);

    if (r < 0)
        return r;
    cache_by_index(run->self->caches.orders, INDEX_OWNER, request->metadata.uid, &orders);
    for (size_t i = 0; i < orders.len; i++) {
        const struct order *other = &((const struct order_facts *)orders.items[i])->order;

        if (streq(other->object.metadata.uid, self->metadata.uid) || !order_names(other, &asked))
            continue;
        if (!str_empty(other->status.url) || comes_before(&other->object, self))
            return err_set(err, ERR_DENIED, "its %s '%s' has the Order '%s'", kind,
                           request->metadata.name, other->object.metadata.name);
    }
    return 0;
}

int order_place(struct order_run *run, struct err *err)
{
    struct err why = {};
    int r = order_check_spec(run, &why);

    if (r == 0 && str_empty(run->live->status.url))
        r = check_is_the_only_one(run, &why);
    if (r == ERR_DENIED || r == ERR_INVALID)
        return discard(run, &why, err);
    if (r < 0) {
        *err = why;
        return r;
    }
    if (!str_empty(run->live->status.url))
        return 0; /* the cache is behind: its change wakes us */
    if (request_asks_again(run->request, &run->live->object))
        return resume(run, &run->live->spec, err);
    return place(run, err);
}
