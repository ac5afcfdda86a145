/* sim.c - the simulated program: put together, stepped, stopped, started again. */
#include "support/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/map.h"
#include "solver/http01.h"
#include "store/local.h"
#include "support/sim_inside.h"

#define SPIN_MAX    20000 /* runs without any time passing: two reconcilers wake each other */
#define SHORT_MS    MINUTES(1)
#define IDLE_MAX_MS MINUTES(10)

/* Long stacks of every allocation are a third of the sanitizer's time here. The environment wins. */
const char *__asan_default_options(void);
__attribute__((visibility("default"))) const char *__asan_default_options(void)
{
    return "malloc_context_size=5:quarantine_size_mb=16";
}

/* --- start and end of the program --- */

static void must(int r, const struct err *err, const char *what)
{
    if (r >= 0)
        return;
    print_error("%s: %s\n", what, err->text);
    fail();
}

/* The CA's budgets are known to the client as they would be by a row in acme/limits.c. */
static void tell_limits(struct sim *sim)
{
    cleanup(acme_gate_unref) struct acme_gate *gate = NULL;

    if (!sim->options.ca.limits)
        return;
    if (!sim->account_hash)
        sim->account_hash = sim_text(sim, "issuer/acme", "status.acme.lastPrivateKeyHash");
    if (!sim->account_hash)
        return;
    gate = accounts_gate(sim->accounts, FAKE_CA_DIRECTORY, sim->account_hash);
    acme_gate_set_limits(gate, sim->options.ca.limits);
}

static void connect_solvers(struct sim *sim)
{
    cleanup(strlist_deinit) struct strlist servers = {};
    struct http01_options http01 = {.webroot = sim->webroot};
    struct err err = {};

    must(http01_new(&http01, &sim->http01, &err), &err, "http01_new");
    strlist_add(&servers, FAKE_DNS_RECURSIVE);
    sim->solvers = (struct solvers){.store = sim->store,
                                    .dns = sim->dns,
                                    .http = sim->http,
                                    .http01 = sim->options.no_http01 ? NULL : sim->http01};
    must(dns_servers_parse(&servers, &sim->solvers.recursive, &err), &err, "dns_servers_parse");
}

static void start(struct sim *sim)
{
    struct controllers_parts parts = {
        .store = sim->store,
        .clock = &sim->clock.clock,
        .solvers = &sim->solvers,
        .new_account_key = KEY_ECDSA,
    };
    struct controllers_options options = {
        .resource_namespace = "cert-manager",
        .approve = !sim->options.others_approve,
        .owner_ref = sim->options.owner_ref,
        .split_secrets = sim->options.split_secrets,
        .max_challenges = sim->options.max_challenges > 0 ? sim->options.max_challenges : 60,
        .backoff_min_ms = HOURS(1),
        .backoff_max_ms = HOURS(32),
        .check_retry_ms = SECONDS(10),
    };
    struct err err = {};

    strlist_add(&options.copied_annotation_prefixes, "*");
    if (sim->options.only_namespaces)
        strlist_split(&options.only_namespaces, sim->options.only_namespaces, ',');
    if (sim->options.issuer_off)
        strlist_add(&options.issuers_off, sim->options.issuer_off);
    parts.http = sim->http = http_new_fake(sim_http_handle, sim);
    sim->dns = fake_dns_client(sim->zones);
    connect_solvers(sim);
    parts.accounts = sim->accounts = accounts_new();
    must(controllers_new(&parts, &options, &sim->controllers, &err), &err, "controllers_new");
    controllers_begin(sim->controllers);
    strlist_deinit(&options.copied_annotation_prefixes);
    strlist_deinit(&options.only_namespaces);
    strlist_deinit(&options.issuers_off);
    tell_limits(sim);
}

static void stop(struct sim *sim)
{
    if (!sim->has_crashed)
        accounts_save_gates(sim->accounts, sim->store, &sim->ctx, true);
    controllers_free(take(sim->controllers));
    accounts_free(take(sim->accounts));
    http01_free(take(sim->http01));
    dns_servers_deinit(&sim->solvers.recursive);
    dns_free(take(sim->dns));
    http_free(take(sim->http));
}

static void start_again(struct sim *sim)
{
    struct err err = {};

    if (sim->has_crashed)
        sim->restarted_ms = sim->clock.now_ms;
    sim->has_crashed = false;
    sim->crash_at = 0;
    sim->quiet = true;
    must(store_local_collect(sim->store, &sim->ctx, &err), &err, "store_local_collect");
    sim->quiet = false;
    start(sim);
}

void sim_restart(struct sim *sim)
{
    stop(sim);
    start_again(sim);
}

void sim_swap_in(struct sim *sim)
{
    stop(sim);
    sim->quiet = true;
    sim_dress_up(sim);
    sim->quiet = false;
    start_again(sim);
}

void sim_let_others_approve(struct sim *sim, bool others)
{
    sim->options.others_approve = others;
}

void sim_collect_late(struct sim *sim, bool late)
{
    store_local_collect_late(sim->store, late);
}

/* --- life --- */

static void log_line(void *arg, enum log_level level, const char *line)
{
    const struct sim *sim = arg;
    char when[TIME_TEXT_MAX];

    if (!getenv("SIM_LOG"))
        return;
    time_format(sim->clock.now_ms, when);
    (void)fprintf(stderr, "%s %s\n", when, line);
}

static void open_store(struct sim *sim)
{
    struct local_options options = {
        .clock = &sim->clock.clock,
        .resources = kind_resources,
        .fault = sim_store_fault,
        .fault_arg = sim,
    };
    struct err err = {};

    must(store_local_open(&options, &sim->store, &err), &err, "store_local_open");
    sim_stand_between(sim);
    if (sim->options.split_secrets)
        sim_be_late(sim);
}

static void make_world(struct sim *sim)
{
    static const char *const zones[] = {"example.com", "example.net", "example.org"};
    struct fake_ca_options ca = sim->options.ca;
    char folder[] = "/tmp/certlet-sim-XXXXXX";

    ca.seed = sim->options.seed;
    ca.validate = sim_validate;
    ca.fault = sim_ca_fault;
    ca.validate_arg = ca.fault_arg = sim;
    sim->ca = fake_ca_new(&ca);
    sim->zones = fake_dns_new(&sim->clock);
    fake_dns_set_fault(sim->zones, sim_dns_fault, sim);
    for (size_t i = 0; i < ARRAY_LEN(zones); i++)
        fake_dns_add_zone(sim->zones, zones[i]);
    ASSERT_TRUE(mkdtemp(folder));
    sim->webroot = xstrdup(folder);
}

struct sim *sim_new_with(const struct sim_options *options)
{
    struct sim *sim = xalloc(sizeof(*sim));

    sim->options = *options;
    if (sim->options.seed == 0)
        sim->options.seed = 1;
    sim->chance = sim->options.seed;
    sim_seed(sim->options.seed);
    fake_clock_init(&sim->clock, options->start_ms);
    sim->ctx = context_background(&sim->clock.clock);
    sim->objects = json_new_list();
    log_set_sink(log_line, sim);
    if (getenv("SIM_LOG"))
        log_setup(LOG_DEBUG, LOG_TEXT, &sim->clock.clock);
    make_world(sim);
    open_store(sim);
    start(sim);
    return sim;
}

struct sim *sim_new(int64_t start_ms)
{
    return sim_new_with(&(struct sim_options){.start_ms = start_ms});
}

struct sim *sim_new_in_flight(const struct sim_options *options)
{
    struct sim *sim = sim_new_with(options);

    sim_apply(sim, SIM_ISSUER);
    fake_dns_set_late(sim_dns(sim), "example.com", MINUTES(2));
    sim_apply(sim, SIM_CERTIFICATE("web", "[www.example.com]", ""));
    sim_advance(sim, SECONDS(30));
    ASSERT_EQ(fake_dns_count(sim_dns(sim)), 1);
    return sim;
}

static void remove_webroot(struct sim *sim)
{
    static const char *const folders[] = {"/.well-known/acme-challenge", "/.well-known", ""};

    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        cleanup(xfree) char *path = xasprintf("%s%s", sim->webroot, folders[i]);

        (void)rmdir(path); /* not there, or not empty: a check has said so */
    }
    xfree(sim->webroot);
}

void sim_free(struct sim *sim)
{
    if (!sim->has_crashed) {
        sim_run_until_idle(sim);
        sim_check(sim);
    }
    stop(sim);
    store_close(sim->store);
    fake_dns_free(sim->zones);
    fake_ca_free(sim->ca);
    remove_webroot(sim);
    strlist_deinit(&sim->lent);
    json_unref(sim->objects);
    json_unref(sim->change);
    map_free(sim->windowed);
    map_free(sim->rivals);
    log_set_sink(NULL, NULL);
    xfree(sim);
}

/* --- time --- */

int64_t sim_now(const struct sim *sim)
{
    return sim->clock.now_ms;
}

const struct fake_clock *sim_clock(const struct sim *sim)
{
    return &sim->clock;
}

/* One run, or at least all events that are not withheld. */
static bool process_next(struct sim *sim)
{
    int ran;

    sim->withheld = 0;
    sim->runs = true;
    ran = manager_process_next(sim->controllers->manager, &sim->ctx);
    sim->runs = false;
    return ran > 0 || sim->withheld > 0;
}

/* All that is due now. */
static void run_due(struct sim *sim)
{
    sim->runs_at_this_time = 0;
    while (!sim->has_crashed && process_next(sim)) {
        if (++sim->runs_at_this_time < SPIN_MAX)
            continue;
        sim_print_state(sim);
        print_error("the reconcilers run without end at one moment\n");
        fail();
    }
}

static void jump_to(struct sim *sim, int64_t at_ms)
{
    if (at_ms > sim->clock.now_ms)
        fake_clock_advance(&sim->clock, at_ms - sim->clock.now_ms);
    tell_limits(sim);
    accounts_save_gates(sim->accounts, sim->store, &sim->ctx, false); /* as `certlet run` does */
    sim_check_running(sim);
}

/* 0: no timer, or the program has crashed. Timers that are over are due at once. */
static int64_t next_due_ms(struct sim *sim)
{
    int64_t due_ms = sim->has_crashed ? 0 : workqueue_next_due_ms(sim->controllers->queue);

    if (due_ms > 0 && due_ms <= sim->clock.now_ms)
        return sim->clock.now_ms + 1;
    return due_ms;
}

void sim_run_until_idle(struct sim *sim)
{
    int64_t end_ms = sim->clock.now_ms + IDLE_MAX_MS;
    int64_t due_ms;

    for (;;) {
        run_due(sim);
        due_ms = next_due_ms(sim);
        if (due_ms == 0 || due_ms > sim->clock.now_ms + SHORT_MS || due_ms > end_ms)
            return;
        jump_to(sim, due_ms);
    }
}

void sim_advance(struct sim *sim, int64_t by_ms)
{
    int64_t end_ms = sim->clock.now_ms + by_ms;
    int64_t due_ms;

    for (;;) {
        run_due(sim);
        due_ms = next_due_ms(sim);
        if (due_ms == 0 || due_ms > end_ms)
            break;
        jump_to(sim, due_ms);
    }
    jump_to(sim, end_ms);
    run_due(sim);
    sim_check_running(sim); /* before users change anything */
}

/* --- the parts --- */

struct fake_ca *sim_ca(struct sim *sim)
{
    return sim->ca;
}

struct fake_dns *sim_dns(struct sim *sim)
{
    return sim->zones;
}

int sim_orders_placed(struct sim *sim)
{
    return fake_ca_counts(sim->ca)->new_orders;
}

int sim_orders_finalized(struct sim *sim)
{
    return fake_ca_counts(sim->ca)->finalized;
}
