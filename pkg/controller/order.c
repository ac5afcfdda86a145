/*
 * order.c - an Order from the CA's newOrder to the certificate (behaviour.md 8, RFC 8555 7.4).
 *
 *   no url ──newOrder──► url stored ──read authorizations──► Challenges ──all valid──► finalize ──► certificate
 *
 * The URL is stored before anything else is done with the order, and every run goes on from what is
 * stored, so no interruption makes a second order. newOrder and finalize act only on an Order that was
 * just read live, so that a late cache does not repeat them. Transient answers never end an Order:
 * they set status.reason and a time.
 */
#include <stdlib.h>
#include <string.h>

#include "controller/caches.h"
#include "controller/order_flow.h"
#include "controller/placed.h"
#include "solver/pick.h"

#define CA_IS_SLOW_MS SECONDS(10)
#define ORDER_LIFE_MS DAYS(1) /* longer than any CA needs; then a new one is the better try */

struct run {
    struct controllers *self;
    const struct context *ctx;
    const struct key *key;
    const struct order_facts *facts;
    const struct order *order;
    const struct issuer *issuer;
    const struct request_facts *request;
    struct acme_client *client;
    struct order_status status; /* as it should be */
    struct cache_refs challenges;
    struct arena *arena;
    struct reconcile_result *result;
};

/* --- status --- */

static int save(struct run *run, struct err *err)
{
    if (fields_equal(&order_status_fields, &run->order->status, &run->status))
        return 0;
    return write_status(run->self, run->ctx, LANE_ORDERS, run->key, run->self->caches.orders,
                        &run->order->object, &run->status, MANAGER_ORDERS, err);
}

static void end_budget(struct run *run, bool issued);

static int end_failed(struct run *run, int state, const char *reason, struct err *err)
{
    int r;

    run->status.state = state;
    run->status.reason = reason;
    run->status.failure_time_ms = context_now_ms(run->ctx);
    r = save(run, err);
    if (r == 0)
        end_budget(run, false);
    return r;
}

/* What an ACME call's failure means for the Order. */
static int settle(struct run *run, int code, const struct acme_problem *problem, struct err *why,
                  const char *step, struct err *err)
{
    struct flow flow;
    int r;

    if (code == ERR_CANCELED || code == ERR_BUSY) {
        *err = *why;
        return code; /* not the CA's doing: nothing to show */
    }
    flow = flow_of(code, problem, why, step, context_now_ms(run->ctx), run->arena);
    if (flow.verdict == FLOW_FAIL)
        return end_failed(run, flow.state, flow.reason, err);
    run->status.reason = flow.reason;
    r = save(run, err);
    if (r < 0)
        return r;
    if (flow.at_ms > 0) { /* no error of a run then, which the log would have */
        if (!streq(run->order->status.reason, flow.reason))
            event(run->self, run->ctx, &run->order->object, EVENT_WARNING, "Waiting", "%s",
                  flow.reason);
        run->result->requeue_at_ms = flow.at_ms;
        return 0;
    }
    *err = *why;
    return code;
}

static int look_again(struct run *run, int64_t retry_at_ms)
{
    run->result->requeue_at_ms = next_poll_ms(
        context_now_ms(run->ctx), run->order->object.metadata.creation_timestamp_ms, retry_at_ms);
    return 0;
}

static void copy_names(struct strlist *to, const struct array_string *from)
{
    for (size_t i = 0; i < from->len; i++)
        strlist_add(to, from->items[i]);
}

/* --- the CA's budgets (acme/gate.h) --- */

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
static const struct certificate *certificate_of(struct run *run)
{
    struct key key = {
        .namespace = run->key->namespace,
        .name = object_annotation(&run->order->object, ANNOTATION_CERTIFICATE_NAME),
    };

    return key.name ? cache_get(run->self->caches.certificates, &key) : NULL;
}

/* Is the certificate in force for the same names? Then the CA counts this order as a renewal. */
static bool is_renewal(struct run *run, const struct certificate *crt)
{
    struct key key = {.namespace = run->key->namespace, .name = crt->spec.secret_name};
    cleanup(object_unref)
        const struct secret_facts *secret = cache_get(run->self->caches.secrets, &key);

    return secret && secret->cert_ok &&
           array_string_same_set(&secret->leaf_dns_names, &run->order->spec.dns_names) &&
           context_now_ms(run->ctx) - secret->not_before_ms < DAYS(120);
}

/* Inside the CA's own window a replacement is free (acme.md 3). */
static bool is_in_window(struct run *run, const struct certificate *crt)
{
    const struct certificate_ari *ari = crt->status.acme ? crt->status.acme->ari : NULL;
    const struct certificate_ari_window *window = ari ? ari->suggested_window : NULL;
    int64_t now_ms = context_now_ms(run->ctx);

    return window && now_ms >= window->start_ms && now_ms < window->end_ms;
}

static void budget_init(struct budget *budget, struct run *run, const char *replaces)
{
    const struct order_spec *spec = &run->order->spec;
    cleanup(object_unref) const struct certificate *crt = certificate_of(run);

    copy_names(&budget->names, &spec->dns_names);
    copy_names(&budget->names, &spec->ip_addresses);
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
static void end_budget(struct run *run, bool issued)
{
    cleanup(budget_deinit) struct budget budget = {};

    if (!run->client || str_empty(run->order->status.url))
        return;
    budget_init(&budget, run, run->order->spec.replaces);
    acme_gate_end_order(acme_client_gate(run->client), run->ctx, &budget.request, issued);
}

/* --- newOrder --- */

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

static int new_order(struct run *run, const struct order_spec *spec, const char *replaces,
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

    copy_names(&dns_names, &spec->dns_names);
    copy_names(&ip_addresses, &spec->ip_addresses);
    budget_init(&budget, run, replaces);
    r = acme_gate_take_order(gate, run->ctx, &budget.request, err);
    if (r < 0)
        return r;
    r = acme_order_new(run->client, run->ctx, &order, ret, problem, err);
    if (r < 0 && cost_nothing(r, problem))
        acme_gate_return_order(gate, &budget.request);
    else if (r < 0) /* it may have been made: the order counts, its certificate does not come */
        acme_gate_end_order(gate, run->ctx, &budget.request, false);
    return r;
}

static void take_over(struct run *run, const struct acme_order *order)
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

/* An Order is acted on only if its spec is what its approved request yields (DESIGN 11): whoever can
 * create Orders must not get certificates by them. Reads both live. */
static int check_spec(struct run *run, const struct request_facts *facts, struct order *ret,
                      const struct object **ret_object, struct err *err)
{
    struct key key = object_key(&facts->request.object);
    cleanup(object_unref) const struct object *request = NULL, *object = NULL;
    struct order_spec wanted = {};
    int r = read_live(run->self, run->ctx, &kind_order, run->key, &object, err);

    if (r == 0)
        r = read_live(run->self, run->ctx, &kind_certificate_request, &key, &request, err);
    if (r < 0)
        return r;
    *ret = *(const struct order *)object;
    r = order_spec_of(run->issuer, (const struct certificate_request *)request, ret->spec.replaces,
                      run->arena, &wanted, err);
    if (r < 0)
        return r;
    if (!fields_equal(&order_spec_fields, &wanted, &ret->spec))
        return err_set(err, ERR_DENIED,
                       "the Order does not ask for what its CertificateRequest '%s' says",
                       key.name);
    *ret_object = take(object);
    return 0;
}

/* What was placed goes into the store before anything else; until it is there, a note in memory keeps
 * the next run from placing another one. */
static int store_placed(struct run *run, struct acme_order *placed, const struct object *live,
                        struct err *err)
{
    int r;

    take_over(run, placed);
    r = write_status(run->self, run->ctx, LANE_ORDERS, run->key, run->self->caches.orders, live,
                     &run->status, MANAGER_ORDERS, err);
    if (r < 0)
        placed_note(run->self->placed, live->metadata.uid, placed);
    return r;
}

/* It does not follow from its request (any more): the request makes another one. Nothing was placed. */
static int discard(struct run *run, const struct err *why, struct err *err)
{
    event(run->self, run->ctx, &run->order->object, EVENT_WARNING, "OrderDiscarded", "%s",
          why->text);
    return write_delete(run->self, run->ctx, &run->order->object, err);
}

static int place(struct run *run, const struct order *live, const struct object *object,
                 struct err *err)
{
    cleanup(acme_order_deinit) struct acme_order placed = {};
    cleanup(acme_problem_deinit) struct acme_problem problem = {};
    struct err why = {};
    int r;

    if (placed_take(run->self->placed, object->metadata.uid, &placed))
        return store_placed(run, &placed, object, err);
    r = new_order(run, &live->spec, live->spec.replaces, &placed, &problem, &why);
    if (r < 0 && problem.class == ACME_ALREADY_REPLACED) {
        acme_problem_deinit(&problem);
        problem = (struct acme_problem){};
        r = new_order(run, &live->spec, NULL, &placed, &problem, &why);
    }
    if (r < 0)
        return settle(run, r, &problem, &why, "create Order", err);
    return store_placed(run, &placed, object, err);
}

static int create(struct run *run, const struct request_facts *request, struct err *err)
{
    cleanup(object_unref) const struct object *object = NULL;
    struct order live;
    struct err why = {};
    int r = check_spec(run, request, &live, &object, &why);

    if (r == ERR_DENIED || r == ERR_INVALID)
        return discard(run, &why, err);
    if (r < 0) {
        *err = why;
        return r;
    }
    if (!str_empty(live.status.url))
        return 0; /* the cache is behind: its change wakes us */
    return place(run, &live, object, err);
}

/* --- authorizations and challenges --- */

static const struct challenge *challenge_of(const struct run *run, const char *authorization_url)
{
    for (size_t i = 0; i < run->challenges.len; i++) {
        const struct challenge *challenge = run->challenges.items[i];

        if (streq(challenge->spec.authorization_url, authorization_url))
            return challenge;
    }
    return NULL;
}

static const struct acme_challenge *offered(const struct acme_authorization *authorization,
                                            const char *acme_type)
{
    for (size_t i = 0; i < authorization->challenge_count; i++) {
        if (streq(authorization->challenges[i].type, acme_type))
            return &authorization->challenges[i];
    }
    return NULL;
}

/* behaviour.md 16. */
static char *challenge_name(struct run *run, const struct challenge_spec *spec)
{
    struct challenge_spec without_key = *spec;
    cleanup(json_unref) struct json *json = NULL;
    cleanup(xfree) char *text = NULL;
    const char *order = run->order->object.metadata.name;
    size_t len = strlen(order);

    without_key.key = "";
    json = fields_encode(&challenge_spec_fields, &without_key);
    text = json_text(json);
    for (len = len < 52 ? len : 52; len > 0 && (order[len - 1] == '-' || order[len - 1] == '.');
         len--)
        ;
    return arena_printf(run->arena, "%.*s-%u", (int)len, order, str_fnv1_32(text, strlen(text)));
}

static int create_challenge(struct run *run, const struct challenge_spec *spec, struct err *err)
{
    cleanup(json_unref) struct json *challenge = child_json(
        &kind_challenge, challenge_name(run, spec), &run->order->object, NULL, NULL);
    struct json *finalizers = json_new_list();
    int r;

    /* With its finalizer from birth: there is no moment in which a record could be left behind. */
    json_append_text(finalizers, FINALIZER_CHALLENGE);
    json_set(json_need_map(challenge, "metadata"), "finalizers", finalizers);
    json_set(challenge, "spec", fields_encode(&challenge_spec_fields, spec));
    r = write_new(run->self, run->ctx, LANE_ORDERS, run->key, run->self->caches.challenges,
                  challenge, MANAGER_ORDERS, NULL, err);
    if (r == ERR_EXISTS)
        return 0;
    if (r == 0)
        event_extra(run->self, run->ctx, &run->order->object, "Created",
                    "Created Challenge resource for domain '%s'", spec->dns_name);
    return r;
}

static int begin_challenge(struct run *run, const char *authorization_url,
                           const struct acme_authorization *authorization, struct err *err)
{
    cleanup(strlist_deinit) struct strlist types = {};
    const struct acme_solver *solver;
    const struct acme_challenge *challenge;
    cleanup(xfree) char *key = NULL;
    struct solver_question question = {.labels = &run->order->object.metadata.labels,
                                       .offered = &types};
    struct challenge_spec spec = {
        .authorization_url = authorization_url,
        .dns_name = authorization->identifier.value,
        .wildcard = authorization->wildcard,
        .issuer_ref = run->order->spec.issuer_ref,
    };
    int r;

    for (size_t i = 0; i < authorization->challenge_count; i++)
        strlist_add(&types, str_or(authorization->challenges[i].type, ""));
    question.identifier = arena_printf(run->arena, "%s%s", spec.wildcard ? "*." : "",
                                       spec.dns_name);
    r = solver_pick(run->issuer->spec.acme, &question, &solver, &spec.type, err);
    if (r < 0)
        return r;
    challenge = offered(authorization, solver_of(spec.type)->acme_type);
    r = acme_token_check(challenge->token, err);
    if (r < 0)
        return err_wrap(err, "name '%s'", question.identifier);
    key = spec.type == CHALLENGE_DNS01
              ? acme_dns01_value(challenge->token, acme_client_key(run->client))
              : acme_key_authorization(challenge->token, acme_client_key(run->client));
    spec.url = challenge->url;
    spec.token = challenge->token;
    spec.key = key;
    spec.solver = *solver;
    return create_challenge(run, &spec, err);
}

static void describe(struct run *run, struct order_authorization *to,
                     const struct acme_authorization *from)
{
    to->identifier = arena_strdup(run->arena, from->identifier.value);
    to->wildcard = (struct opt_bool){true, from->wildcard};
    to->initial_state = from->status == ACME_STATUS_VALID ? STATE_VALID : STATE_PENDING;
    to->challenges.len = 0;
    to->challenges.items = arena_alloc(run->arena,
                                       (from->challenge_count + 1) * sizeof(*to->challenges.items));
    for (size_t i = 0; i < from->challenge_count; i++) {
        to->challenges.items[to->challenges.len++] = (struct order_challenge){
            .url = arena_strdup(run->arena, from->challenges[i].url),
            .token = arena_strdup(run->arena, str_or(from->challenges[i].token, "")),
            .type = arena_strdup(run->arena, from->challenges[i].type),
        };
    }
}

/* Only names of the order are proved: a CA that a tenant chose must not get a proof for another one. */
static bool is_asked_for(struct run *run, const struct acme_authorization *authorization)
{
    const struct order_spec *spec = &run->order->spec;
    const char *name = arena_printf(run->arena, "%s%s", authorization->wildcard ? "*." : "",
                                    str_or(authorization->identifier.value, ""));

    if (authorization->identifier.type == ACME_IP)
        return array_string_has(&spec->ip_addresses, name);
    for (size_t i = 0; i < spec->dns_names.len; i++) {
        if (streq_ci(spec->dns_names.items[i], name))
            return authorization->identifier.type == ACME_DNS;
    }
    return false;
}

/* One authorization that has neither a Challenge nor is known to be valid. 1: it is settled, 0: the
 * Order has ended or waits, status says why. */
static int settle_authorization(struct run *run, size_t i, struct err *err)
{
    struct order_authorization *stored = &run->status.authorizations.items[i];
    cleanup(acme_authorization_deinit) struct acme_authorization read = {};
    cleanup(acme_problem_deinit) struct acme_problem problem = {};
    struct err why = {};
    int r = acme_authorization_get(run->client, run->ctx, stored->url, &read, &problem, &why);

    if (r < 0)
        return settle(run, r, &problem, &why, "fetch authorization", err);
    if (!is_asked_for(run, &read))
        return end_failed(run, STATE_ERRORED,
                          arena_printf(run->arena,
                                       "The CA wants '%s' to be proved, which was not asked for",
                                       str_or(read.identifier.value, "")),
                          err);
    if (read.status == ACME_STATUS_VALID) {
        describe(run, stored, &read);
        return 1;
    }
    if (read.status != ACME_STATUS_PENDING)
        return end_failed(run, STATE_INVALID,
                          arena_printf(run->arena, "The CA's authorization for '%s' is %s",
                                       str_or(read.identifier.value, "?"),
                                       acme_status_name(read.status)),
                          err);
    r = begin_challenge(run, stored->url, &read, &why);
    if (r == 0)
        return 1;
    if (r == ERR_NOT_FOUND || r == ERR_INVALID || r == ERR_PROTOCOL) {
        /* No solver, or a token that must not be used: shown, and looked at when the Issuer changes. */
        if (!streq(run->order->status.reason, why.text))
            event(run->self, run->ctx, &run->order->object, EVENT_WARNING, "Solver", "%s",
                  why.text);
        run->status.reason = arena_strdup(run->arena, why.text);
        return save(run, err);
    }
    *err = why;
    return r;
}

static bool is_settled(const struct run *run, const struct order_authorization *authorization)
{
    return authorization->initial_state == STATE_VALID || challenge_of(run, authorization->url);
}

/* A private copy, because the cached status is shared. */
static void copy_authorizations(struct run *run)
{
    size_t size = run->status.authorizations.len * sizeof(*run->status.authorizations.items);

    if (size > 0)
        run->status.authorizations.items = arena_memdup(run->arena,
                                                        run->status.authorizations.items, size);
}

/* 1: each authorization is valid or has its Challenge; 0: it waits or has ended. */
static int settle_authorizations(struct run *run, struct err *err)
{
    bool created = false;

    copy_authorizations(run);
    for (size_t i = 0; i < run->status.authorizations.len; i++) {
        int r;

        if (is_settled(run, &run->status.authorizations.items[i]))
            continue;
        r = settle_authorization(run, i, err);
        if (r <= 0)
            return r;
        created = true;
    }
    if (!created)
        return 1;
    run->status.reason = NULL;
    /* What the CA reused is stored, so that it is not asked for at every step. */
    return save(run, err);
}

/* --- waiting for challenges --- */

struct tally {
    size_t open, failed;
    const struct challenge *waiting, *first_failed;
};

static struct tally tally_of(const struct run *run)
{
    struct tally tally = {};

    for (size_t i = 0; i < run->challenges.len; i++) {
        const struct challenge *challenge = run->challenges.items[i];

        if (state_is_failed(challenge->status.state)) {
            tally.failed++;
            if (!tally.first_failed)
                tally.first_failed = challenge;
        } else if (challenge->status.state != STATE_VALID) {
            tally.open++;
            if (!tally.waiting && !str_empty(challenge->status.reason))
                tally.waiting = challenge;
        }
    }
    return tally;
}

static int show_waiting(struct run *run, const struct challenge *challenge, struct err *err)
{
    run->status.reason = challenge
                             ? arena_printf(run->arena, "%s: %.900s", challenge->spec.dns_name,
                                            challenge->status.reason)
                             : NULL;
    return save(run, err);
}

/* --- finalize and download --- */

static int read_csr(struct run *run, struct csr **ret, struct err *err)
{
    cleanup(object_unref) const struct object *object = NULL;
    int r = read_live(run->self, run->ctx, &kind_order, run->key, &object, err);
    const struct order *live = (const struct order *)object;

    if (r < 0)
        return r;
    return csr_parse(live->spec.request.data, live->spec.request.len, ret, err);
}

/* What cannot become a Secret must not become an Order's certificate either. ERR_PROTOCOL: it is no chain
 * at all, as when the answer was cut; the next one may be whole. */
static int check_chain(struct run *run, const struct buf *pem, struct err *err)
{
    cleanup(chain_deinit) struct chain chain = {};
    cleanup(csr_free) struct csr *csr = NULL;
    struct chain_expectation expect = {.now_ms = context_now_ms(run->ctx),
                                       .clock_slack_ms = HOURS(1)};
    struct err why = {};
    int r = read_csr(run, &csr, err);

    if (r < 0)
        return ERR_BUSY; /* our store, not the chain */
    if (chain_from_pem(pem->data, pem->len, &chain, &why) < 0)
        return err_set(err, ERR_PROTOCOL, "%s", why.text);
    expect.key = csr_public_key(csr);
    expect.dns_names = &csr_names(csr)->dns_names;
    expect.ip_addresses = &csr_names(csr)->ip_addresses;
    return chain_verify(&chain, &expect, NULL, err);
}

static bool is_old(const struct run *run)
{
    return context_now_ms(run->ctx) - run->order->object.metadata.creation_timestamp_ms >=
           ORDER_LIFE_MS;
}

static int download(struct run *run, const struct acme_order *order, struct err *err)
{
    const char *preferred = run->issuer->spec.acme->preferred_chain;
    cleanup(buf_deinit) struct buf pem = BUF(LIMIT_CHAIN_BODY);
    cleanup(acme_problem_deinit) struct acme_problem problem = {};
    struct err why = {};
    bool found = true;
    int r;

    r = acme_certificate_download(run->client, run->ctx, order->certificate_url,
                                  str_empty(preferred) ? NULL : preferred, &pem, &found, &problem,
                                  &why);
    if (r == ERR_NOT_FOUND) { /* the CA's copies lag behind (acme.md 5, download) */
        r = ERR_UNAVAILABLE;
        problem.class = ACME_RETRY;
    }
    if (r < 0)
        return settle(run, r, &problem, &why, "retrieve signed certificate", err);
    r = check_chain(run, &pem, &why);
    if (r == ERR_BUSY) {
        *err = why;
        return why.code;
    }
    if (r == ERR_PROTOCOL && !is_old(run))
        return settle(run, r, &problem, &why, "read signed certificate", err);
    if (r < 0)
        return end_failed(
            run, STATE_ERRORED,
            arena_printf(run->arena, "The CA's certificate cannot be used: %s", why.text), err);
    if (!str_empty(preferred) && !found)
        event(run->self, run->ctx, &run->order->object, EVENT_WARNING, "PreferredChain",
              "No chain of the CA ends at '%s'; its default one is used", preferred);
    run->status.state = STATE_VALID;
    run->status.reason = NULL;
    run->status.certificate = (struct bytes){arena_memdup(run->arena, pem.data, pem.len), pem.len};
    r = save(run, err);
    if (r == 0)
        end_budget(run, true);
    if (r == 0)
        event(run->self, run->ctx, &run->order->object, EVENT_NORMAL, "Complete",
              "Order completed successfully");
    return r;
}

static int finalize(struct run *run, const struct acme_order *ready, struct err *err)
{
    cleanup(csr_free) struct csr *csr = NULL;
    cleanup(buf_deinit) struct buf der = BUF(LIMIT_BUNDLE_PEM);
    cleanup(acme_order_deinit) struct acme_order order = {};
    cleanup(acme_problem_deinit) struct acme_problem problem = {};
    cleanup(object_unref) const struct object *object = NULL;
    struct order live;
    struct err why = {};
    int r = check_spec(run, run->request, &live, &object, &why);

    if (r == ERR_DENIED ||
        r == ERR_INVALID) /* changed since it was placed: not what was approved */
        return end_failed(run, STATE_ERRORED, arena_strdup(run->arena, why.text), err);
    if (r < 0) {
        *err = why;
        return r;
    }
    r = csr_parse(live.spec.request.data, live.spec.request.len, &csr, err);
    if (r < 0)
        return r;
    csr_to_der(csr, &der);
    r = acme_order_finalize(run->client, run->ctx, ready->finalize_url, der.data, der.len, &order,
                            &problem, &why);
    if (r < 0 && problem.class == ACME_NOT_READY)
        return look_again(run, problem.retry_at_ms);
    if (r < 0)
        return settle(run, r, &problem, &why, "finalize Order", err);
    if (order.status == ACME_STATUS_VALID && order.certificate_url)
        return download(run, &order, err);
    return look_again(run, order.retry_at_ms);
}

static const char *invalid_text(struct run *run, const struct acme_order *order,
                                const struct challenge *failed)
{
    cleanup(buf_deinit) struct buf text = BUF(4096);

    if (failed)
        return arena_printf(run->arena, "%s: %.900s", failed->spec.dns_name,
                            str_or(failed->status.reason, "the challenge failed"));
    if (order->error.class == ACME_OK)
        return "The CA has made the order invalid and gave no reason";
    acme_problem_text(&order->error, &text);
    return arena_printf(run->arena, "The CA has made the order invalid: %s", buf_str(&text));
}

/* Nothing is left to do here, and the CA takes its time: said once it is longer than usual. */
static int wait_for_ca(struct run *run, const struct acme_order *order, struct err *err)
{
    int64_t waited_ms = context_now_ms(run->ctx) -
                        run->order->object.metadata.creation_timestamp_ms;
    int r = 0;

    if (is_old(run) || (order->expires_ms > 0 && context_now_ms(run->ctx) >= order->expires_ms))
        return end_failed(run, STATE_EXPIRED,
                          arena_printf(run->arena,
                                       "The CA has left the order in state '%s' until it expired",
                                       acme_status_name(order->status)),
                          err);
    if (waited_ms >= CA_IS_SLOW_MS) {
        run->status.reason = arena_printf(
            run->arena, "The CA has the order in state '%s' for longer than usual",
            acme_status_name(order->status));
        r = save(run, err);
    }
    return r < 0 ? r : look_again(run, order->retry_at_ms);
}

/* All challenges have ended: the CA's order says what comes next. */
static int follow(struct run *run, const struct tally *tally, struct err *err)
{
    cleanup(acme_order_deinit) struct acme_order order = {};
    cleanup(acme_problem_deinit) struct acme_problem problem = {};
    struct err why = {};
    int r = acme_order_get(run->client, run->ctx, run->order->status.url, &order, &problem, &why);

    if (r == ERR_NOT_FOUND && problem.class != ACME_RETRY) /* a proxy's 404 says nothing */
        return end_failed(run, STATE_ERRORED, "The CA does not know the order any more", err);
    if (r < 0)
        return settle(run, r, &problem, &why, "retrieve Order resource", err);
    switch (order.status) {
    case ACME_STATUS_READY:
        return finalize(run, &order, err);
    case ACME_STATUS_VALID:
        return download(run, &order, err);
    case ACME_STATUS_INVALID:
        return end_failed(run, STATE_INVALID, invalid_text(run, &order, tally->first_failed), err);
    case ACME_STATUS_PENDING:
        /* A failed challenge takes its authorization with it; the order never gets ready. */
        if (tally->failed > 0)
            return end_failed(run, STATE_INVALID, invalid_text(run, &order, tally->first_failed),
                              err);
        return wait_for_ca(run, &order, err); /* or it shows us no authorization to solve */
    default:
        return wait_for_ca(run, &order, err);
    }
}

/* --- the reconciler --- */

static int drop_challenges(struct run *run, struct err *err)
{
    for (size_t i = 0; i < run->challenges.len; i++) {
        const struct challenge *challenge = run->challenges.items[i];
        int r;

        if (challenge->object.metadata.deletion_timestamp_ms)
            continue;
        r = write_delete(run->self, run->ctx, &challenge->object, err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* The request that the Order serves; NULL: it is gone, withdrawn or not approved (any more), and
 * nothing more is done at the CA. An Order of nobody has ended. */
static const struct request_facts *served_request(struct run *run, int *ret, struct err *err)
{
    struct err why = {};
    const struct request_facts *request = request_of_order(run->self, run->order, &why);

    if (request)
        return request;
    if (why.code == ERR_DENIED && !object_controller(&run->order->object)) {
        *ret = end_failed(run, STATE_ERRORED, arena_strdup(run->arena, why.text), err);
        return NULL;
    }
    *err = why; /* the cache may be behind: looked at again by back-off */
    *ret = why.code;
    return NULL;
}

static int advance(struct run *run, struct err *err)
{
    int r = 0;
    cleanup(object_unref) const struct request_facts *request = served_request(run, &r, err);
    struct tally tally;

    if (!request)
        return r;
    run->request = request;
    if (str_empty(run->order->status.url))
        return create(run, request, err);
    tally = tally_of(run);
    if (tally.failed == 0) {
        r = settle_authorizations(run, err);
        if (r <= 0)
            return r;
        if (tally.open > 0)
            return show_waiting(run, tally.waiting, err);
    }
    return follow(run, &tally, err);
}

static int reconcile(struct run *run, struct err *err)
{
    cleanup(acme_client_unref) struct acme_client *client = NULL;

    if (state_is_failed(run->status.state) ||
        (run->status.state == STATE_VALID && run->facts->has_certificate))
        return drop_challenges(run, err);
    if (!run->issuer || !run->issuer->spec.acme) {
        run->status.reason = arena_printf(
            run->arena, "Referenced %s '%s' does not exist or is not of type acme",
            issuer_reference_kind(&run->order->spec.issuer_ref),
            str_or(run->order->spec.issuer_ref.name, ""));
        return save(run, err);
    }
    client = accounts_get(run->self->issuers.accounts, run->issuer->object.metadata.uid);
    if (!client && !issuer_is_ready(run->issuer))
        return 0; /* its becoming ready wakes us */
    if (!client)
        return err_set(err, ERR_BUSY, "the account of issuer '%s' is being set up",
                       run->issuer->object.metadata.name);
    run->client = client;
    return advance(run, err);
}

int order_reconcile(void *controllers, const struct context *ctx, const struct key *key,
                    struct reconcile_result *ret_result, struct err *err)
{
    struct controllers *self = controllers;
    cleanup(object_unref) const struct order_facts *facts = cache_get(self->caches.orders, key);
    cleanup(object_unref) const struct issuer *issuer = NULL;
    cleanup(arena_free) struct arena *arena = arena_new(0);
    struct run run = {
        .self = self, .ctx = ctx, .key = key, .facts = facts, .arena = arena, .result = ret_result};
    int r;

    if (!facts || facts->order.object.metadata.deletion_timestamp_ms)
        return 0;
    issuer = issuer_of(self, &facts->order.spec.issuer_ref, key->namespace);
    run.order = &facts->order;
    run.issuer = issuer;
    run.status = facts->order.status;
    cache_by_index(self->caches.challenges, INDEX_OWNER, facts->order.object.metadata.uid,
                   &run.challenges);
    r = reconcile(&run, err);
    cache_refs_deinit(&run.challenges);
    return r;
}
