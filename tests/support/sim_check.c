/* sim_check.c - what must always hold. Looks at the caches, which are current when nothing is due. */
#include <stdio.h>
#include <string.h>

#include "base/map.h"
#include "controller/facts.h"
#include "controller/secrets.h"
#include "support/sim_inside.h"

#define LOOK_EVERY_MS MINUTES(10)

/* --- while it runs --- */

struct running {
    struct sim *sim;
    struct map *orders; /* open ones by "ns/certificate": int */
    char problem[1024];
};

static void count_order(void *arg, const void *object)
{
    struct running *running = arg;
    const struct order *order = &((const struct order_facts *)object)->order;
    const char *name = object_annotation(&order->object, ANNOTATION_CERTIFICATE_NAME);
    cleanup(xfree) char *key = NULL;
    int *count;

    if (!name || state_is_final(order->status.state) ||
        order->object.metadata.deletion_timestamp_ms)
        return;
    key = xasprintf("%s/%s", order->object.metadata.namespace, name);
    count = map_get(running->orders, key);
    if (!count) {
        count = xalloc(sizeof(*count));
        map_set(running->orders, key, count);
    }
    if (++*count > 1)
        (void)snprintf(running->problem, sizeof(running->problem),
                       "Certificate '%s' has %d orders in flight", key, *count);
}

static void check_expiry(void *arg, const void *object)
{
    struct running *running = arg;
    const struct certificate *crt = object;
    char when[TIME_TEXT_MAX];

    if (crt->status.not_after_ms == 0 || crt->status.not_after_ms >= running->sim->clock.now_ms)
        return;
    time_format(crt->status.not_after_ms, when);
    (void)snprintf(running->problem, sizeof(running->problem), "Certificate '%s' expired at %s",
                   crt->object.metadata.name, when);
}

static void fail_with_seed(struct sim *sim, const char *problem)
{
    char now[TIME_TEXT_MAX];

    time_format(sim->clock.now_ms, now);
    print_error("%s; it is %s, SIM_SEED=%llu\n", problem, now,
                (unsigned long long)sim->options.seed);
    sim_print_state(sim);
    fail();
}

static void look_at_certificate(struct sim *sim, const struct certificate *crt)
{
    if (sim->windowed && !sim->problem[0])
        (void)sim_look_at_windows(sim, crt);
    if (sim->rivals && !sim->problem[0])
        (void)sim_look_at_owner(sim, crt);
}

/* Where nothing was written there is little to see. */
static bool is_worth_a_look(struct sim *sim)
{
    bool is_new = sim->points != sim->points_seen ||
                  sim->clock.now_ms >= sim->seen_ms + LOOK_EVERY_MS;

    if (sim->has_crashed || (!sim->windowed && !sim->rivals) || !is_new)
        return false;
    sim->points_seen = sim->points;
    sim->seen_ms = sim->clock.now_ms;
    return true;
}

/* Before what is due now runs: as all was left when time stood still last. */
static void look_at_certificates(struct sim *sim)
{
    cleanup(cache_refs_deinit) struct cache_refs all = {};

    if (is_worth_a_look(sim))
        cache_list(sim->controllers->caches.certificates, NULL, &all);
    for (size_t i = 0; i < all.len; i++)
        look_at_certificate(sim, all.items[i]);
    sim->looked_ms = sim->clock.now_ms;
    if (sim->problem[0])
        fail_with_seed(sim, sim->problem);
}

void sim_check_running(struct sim *sim)
{
    struct running running = {.sim = sim, .orders = map_new(xfree)};

    cache_visit(sim->controllers->caches.orders, count_order, &running);
    if (sim->watches_expiry)
        cache_visit(sim->controllers->caches.certificates, check_expiry, &running);
    map_free(running.orders);
    if (running.problem[0])
        fail_with_seed(sim, running.problem);
    look_at_certificates(sim);
}

void sim_watch_expiry(struct sim *sim)
{
    sim->watches_expiry = true;
}

void sim_allow_limit_violations(struct sim *sim)
{
    sim->allows_violations = true;
}

/* --- when nothing is due --- */

static void check(struct sim *sim, bool holds, const char *fmt, const char *name)
{
    char problem[512];

    if (holds)
        return;
    (void)snprintf(problem, sizeof(problem), "%s: %s", name, fmt);
    fail_with_seed(sim, problem);
}

static void check_ca(struct sim *sim)
{
    const char *complaint = fake_ca_complaint(sim->ca);

    check(sim, !complaint, str_or(complaint, ""), "the CA complains");
    check(sim, sim->allows_violations || fake_ca_counts(sim->ca)->limit_violations == 0,
          "a budget was exceeded", "the CA");
}

/* A record is there for an open Challenge only. */
static void check_records(struct sim *sim)
{
    size_t challenges = cache_len(sim->controllers->caches.challenges);

    check(sim, fake_dns_count(sim->zones) <= challenges, "more TXT records than Challenges",
          fake_dns_any(sim->zones));
    check(sim, sim_http_files(sim) <= challenges, "more HTTP-01 answers than Challenges",
          "web root");
}

static size_t owned_keys(struct sim *sim, const struct certificate *crt)
{
    cleanup(cache_refs_deinit) struct cache_refs secrets = {};
    size_t count = 0;

    cache_by_index(sim->controllers->caches.secrets, INDEX_OWNER, crt->object.metadata.uid,
                   &secrets);
    for (size_t i = 0; i < secrets.len; i++)
        count += streq(object_label(secrets.items[i], LABEL_NEXT_PRIVATE_KEY), "true") &&
                 !streq(((const struct object *)secrets.items[i])->metadata.name,
                        crt->spec.secret_name);
    return count;
}

static size_t owned_requests(struct sim *sim, const struct certificate *crt)
{
    cleanup(cache_refs_deinit) struct cache_refs requests = {};

    cache_by_index(sim->controllers->caches.requests, INDEX_OWNER, crt->object.metadata.uid,
                   &requests);
    return requests.len;
}

static void add_lower(struct strlist *to, const struct array_string *from)
{
    for (size_t i = 0; i < from->len; i++) {
        char *lower = xstrdup(from->items[i]);

        str_lower(lower);
        strlist_add_take(to, lower);
    }
}

static bool same_names(const struct array_string *a, const struct array_string *b)
{
    cleanup(strlist_deinit) struct strlist lower_a = {}, lower_b = {};

    add_lower(&lower_a, a);
    add_lower(&lower_b, b);
    return strlist_same_set(&lower_a, &lower_b);
}

/* Status equals Secret. */
static void check_ready(struct sim *sim, const struct certificate *crt)
{
    const char *name = crt->object.metadata.name;
    struct key key = {.namespace = crt->object.metadata.namespace, .name = crt->spec.secret_name};
    cleanup(object_unref) const struct secret_facts *secret = NULL;
    struct err err = {};
    int r = secret_facts_get(sim->controllers, &sim->ctx, &key, &secret, &err);

    check(sim, r == 0, err.text, name);
    check(sim, secret && secret->key_ok && secret->cert_ok, "Ready without a key and a certificate",
          name);
    check(sim, memcmp(secret->key_hash, secret->cert_key_hash, SHA256_LEN) == 0,
          "Ready with a key that is not the certificate's", name);
    check(sim,
          crt->status.not_after_ms == secret->not_after_ms &&
              crt->status.not_before_ms == secret->not_before_ms,
          "the status tells other times than the Secret", name);
    check(sim, same_names(&crt->spec.dns_names, &secret->leaf_dns_names), "Ready for other names",
          name);
}

static void check_certificate(struct sim *sim, const struct certificate *crt)
{
    bool is_issuing = condition_is(&crt->status.conditions, "Issuing", CONDITION_TRUE);
    bool is_ready = condition_is(&crt->status.conditions, "Ready", CONDITION_TRUE);
    const char *name = crt->object.metadata.name;
    size_t most = (size_t)certificate_history_limit(&crt->spec);

    check(sim, owned_keys(sim, crt) <= is_issuing, "next key Secrets are left over", name);
    if (is_issuing || crt->status.failed_issuance_attempts.is_set ||
        condition_has_reason(&crt->status.conditions, "Ready", "DuplicateSecretName"))
        most++; /* the one in flight or failed; the history of who waits for a Secret is left alone */
    check(sim, owned_requests(sim, crt) <= most, "requests beyond the history limit", name);
    if (is_ready)
        check_ready(sim, crt);
    if (sim->windowed && sim_check_windows(sim, crt))
        fail_with_seed(sim, sim->problem);
}

void sim_check(struct sim *sim)
{
    cleanup(cache_refs_deinit) struct cache_refs all = {};

    sim_check_running(sim);
    check_ca(sim);
    check_records(sim);
    cache_list(sim->controllers->caches.certificates, NULL, &all);
    for (size_t i = 0; i < all.len; i++)
        check_certificate(sim, all.items[i]);
}

/* --- for people --- */

static void print_conditions(const struct object *object, const struct conditions *conditions)
{
    for (size_t i = 0; i < conditions->len; i++)
        (void)fprintf(stderr, "  %s '%s' %s=%s %s: %s\n", object->kind->resource.kind,
                      object->metadata.name, conditions->items[i].type,
                      enum_name(&condition_status_names, conditions->items[i].status),
                      str_or(conditions->items[i].reason, ""),
                      str_or(conditions->items[i].message, ""));
}

static void print_certificate(void *arg, const void *object)
{
    const struct certificate *crt = object;

    if (!condition_is(&crt->status.conditions, "Ready", CONDITION_TRUE) ||
        condition_find(&crt->status.conditions, "Issuing"))
        print_conditions(object, &crt->status.conditions);
}

static void print_request(void *arg, const void *object)
{
    const struct request_facts *request = object;

    if (!condition_is(&request->request.status.conditions, "Ready", CONDITION_TRUE))
        print_conditions(object, &request->request.status.conditions);
}

static void print_issuer(void *arg, const void *object)
{
    print_conditions(object, &((const struct issuer *)object)->status.conditions);
}

static void print_order(void *arg, const void *object)
{
    const struct order *order = &((const struct order_facts *)object)->order;

    if (order->status.state != STATE_VALID)
        (void)fprintf(stderr, "  Order '%s' %s %s: %s\n", order->object.metadata.name,
                      enum_name(&order_state_names, order->status.state),
                      str_or(order->status.url, "no url"), str_or(order->status.reason, ""));
}

static void print_challenge(void *arg, const void *object)
{
    const struct challenge *challenge = object;

    (void)fprintf(stderr, "  Challenge '%s' %s %s%s: %s\n", challenge->object.metadata.name,
                  challenge->spec.dns_name, enum_name(&order_state_names, challenge->status.state),
                  challenge->object.metadata.deletion_timestamp_ms ? " (deleted)" : "",
                  str_or(challenge->status.reason, ""));
}

void sim_print_state(struct sim *sim)
{
    const struct caches *caches = &sim->controllers->caches;

    cache_visit(caches->issuers, print_issuer, NULL);
    cache_visit(caches->certificates, print_certificate, NULL);
    cache_visit(caches->requests, print_request, NULL);
    cache_visit(caches->orders, print_order, NULL);
    cache_visit(caches->challenges, print_challenge, NULL);
}
