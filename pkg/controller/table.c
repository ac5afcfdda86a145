/* table.c - every reconciler, one row each; and how they are put together. */
#include <string.h>

#include "base/thread.h"
#include "controller/caches.h"
#include "controller/challenges.h"
#include "controller/keymaker.h"
#include "controller/placed.h"
#include "controller/writers.h"

/* Back-off ranges: behaviour.md 0. A deadline bounds one run; what takes longer comes back by a timer. */
static const struct controller table[LANE_COUNT] = {
    [LANE_CERTIFICATES] = {.name = "certificates",
                           .kind = "Certificate",
                           .reconcile = certificate_reconcile,
                           .backoff_min_ms = SECONDS(1),
                           .backoff_max_ms = SECONDS(30),
                           .deadline_ms = MINUTES(1)},
    [LANE_REQUESTS] = {.name = "certificaterequests",
                       .kind = "CertificateRequest",
                       .reconcile = certificate_request_reconcile,
                       .backoff_min_ms = SECONDS(5),
                       .backoff_max_ms = MINUTES(5),
                       .deadline_ms = MINUTES(1)},
    [LANE_ISSUERS] = {.name = "issuers",
                      .kind = "Issuer",
                      .reconcile = issuer_reconcile,
                      .backoff_min_ms = SECONDS(5),
                      .backoff_max_ms = MINUTES(5),
                      .deadline_ms = MINUTES(2)},
    [LANE_CLUSTER_ISSUERS] = {.name = "clusterissuers",
                              .kind = "ClusterIssuer",
                              .reconcile = cluster_issuer_reconcile,
                              .backoff_min_ms = SECONDS(5),
                              .backoff_max_ms = MINUTES(5),
                              .deadline_ms = MINUTES(2)},
    [LANE_ORDERS] = {.name = "orders",
                     .kind = "Order",
                     .reconcile = order_reconcile,
                     .backoff_min_ms = SECONDS(5),
                     .backoff_max_ms = MINUTES(30),
                     .deadline_ms = MINUTES(5)},
    [LANE_CHALLENGES] = {.name = "challenges",
                         .kind = "Challenge",
                         .reconcile = challenge_reconcile,
                         .backoff_min_ms = SECONDS(5),
                         .backoff_max_ms = MINUTES(30),
                         .deadline_ms = MINUTES(2)},
    [LANE_SIGNING_REQUESTS] = {.name = "certificatesigningrequests",
                               .kind = "CertificateSigningRequest",
                               .reconcile = signing_request_reconcile,
                               .backoff_min_ms = SECONDS(5),
                               .backoff_max_ms = MINUTES(5),
                               .deadline_ms = MINUTES(1)},
    [LANE_EXPORT] = {.name = "export",
                     .kind = "Certificate",
                     .reconcile = export_reconcile,
                     .backoff_min_ms = SECONDS(1),
                     .backoff_max_ms = MINUTES(1),
                     .deadline_ms = MINUTES(1)},
};

/* Switched off: its objects stay as they are. */
static int leave_alone(void *self, const struct context *ctx, const struct key *key,
                       struct reconcile_result *ret_result, struct err *err)
{
    return 0;
}

static void make_rows(struct controllers *self, struct controller rows[LANE_COUNT])
{
    memcpy(rows, table, sizeof(table));
    for (size_t i = 0; i < LANE_COUNT; i++) {
        rows[i].self = self;
        if (self->options.lanes_off & (1U << i))
            rows[i].reconcile = leave_alone;
    }
}

static void copy_options(struct controllers_options *to, const struct controllers_options *from)
{
    *to = *from;
    to->only_namespaces = to->copied_annotation_prefixes = (struct strlist){};
    strlist_copy(&to->only_namespaces, &from->only_namespaces);
    strlist_copy(&to->copied_annotation_prefixes, &from->copied_annotation_prefixes);
    to->issuers_off = (struct strlist){};
    strlist_copy(&to->issuers_off, &from->issuers_off);
    to->signing_issuers_off = (struct strlist){};
    strlist_copy(&to->signing_issuers_off, &from->signing_issuers_off);
}

static void connect_parts(struct controllers *self, const struct controllers_parts *parts)
{
    self->store = parts->store;
    self->clock = parts->clock;
    self->metrics = parts->metrics;
    self->solvers = parts->solvers;
    self->solvers->values = solver_values_new(self->caches.secrets);
    self->started_at_ms = clock_wall_ms(parts->clock);
    if (self->metrics)
        orders_in_doubt_begin(self->metrics);
    self->issuers = (struct issuers){
        .store = parts->store,
        .http = parts->http,
        .orders = self->caches.orders,
        .secrets = self->caches.secrets,
        .accounts = parts->accounts,
        .written = written_new(parts->clock),
        .ca_keys = ca_keys_new(self->caches.secrets),
        .resource_namespace = self->options.resource_namespace,
        .manager = MANAGER_ISSUERS,
        .new_account_key = parts->new_account_key,
    };
}

/* The key that a Certificate waits for is there. */
static void key_is_ready(void *arg, const struct key *key)
{
    struct controllers *self = arg;

    workqueue_add(self->queue, LANE_CERTIFICATES, key, PRIORITY_NORMAL);
}

static int start_keymaker(struct controllers *self, const struct controllers_parts *parts,
                          struct err *err)
{
    struct keymaker_options options = {
        .clock = parts->clock,
        .threads = parts->workers > 0 ? thread_cpu_count() : 0,
        .ready = key_is_ready,
        .arg = self,
    };

    return keymaker_new(&options, &self->keymaker, err);
}

int controllers_new(const struct controllers_parts *parts,
                    const struct controllers_options *options, struct controllers **ret,
                    struct err *err)
{
    struct controllers *self = xalloc(sizeof(*self));
    struct controller rows[LANE_COUNT];
    struct manager_options manager = {
        .clock = parts->clock,
        .store = parts->store,
        .metrics = parts->metrics,
        .workers = parts->workers,
        .max_per_controller = parts->max_per_controller,
    };
    int r;

    copy_options(&self->options, options);
    caches_init(&self->caches);
    connect_parts(self, parts);
    make_rows(self, rows);
    self->challenges = challenges_new();
    self->writers = writers_new();
    self->placed = placed_new();
    self->manager = manager_new(&manager, rows, LANE_COUNT);
    self->queue = manager_queue(self->manager);
    self->expectations = manager_expectations(self->manager);
    watches_add(self);
    caches_add_to(&self->caches, self->manager, &self->options);
    r = start_keymaker(self, parts, err);
    if (r < 0) {
        controllers_free(self);
        return r;
    }
    *ret = self;
    return 0;
}

void controllers_begin(struct controllers *self)
{
    __atomic_store_n(&self->work_since_ms, clock_wall_ms(self->clock), __ATOMIC_SEQ_CST);
}

int controllers_start(struct controllers *self, const struct context *ctx, struct err *err)
{
    controllers_begin(self);
    return manager_start(self->manager, ctx, err);
}

int64_t controllers_work_since_ms(const struct controllers *self)
{
    return __atomic_load_n(&self->work_since_ms, __ATOMIC_SEQ_CST);
}

void controllers_free(struct controllers *self)
{
    if (!self)
        return;
    if (self->keymaker)
        keymaker_stop(self->keymaker); /* it wakes keys of the queue */
    manager_free(self->manager);
    keymaker_free(self->keymaker);
    derived_free(take(self->solvers->values)); /* the solvers outlive us */
    derived_free(self->issuers.ca_keys);
    written_free(self->issuers.written);
    challenges_free(self->challenges);
    writers_free(self->writers);
    placed_free(self->placed);
    caches_deinit(&self->caches);
    strlist_deinit(&self->options.copied_annotation_prefixes);
    strlist_deinit(&self->options.issuers_off);
    strlist_deinit(&self->options.signing_issuers_off);
    strlist_deinit(&self->options.only_namespaces);
    xfree(self);
}
