/* controller_setup.c - what `certlet controller` is made of, set up in order and torn down the other way round. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "command.h"
#include "controller.h"
#include "controller/object_metrics.h"
#include "kube/store.h"
#include "runtime/rest_metrics.h"

#define USER_AGENT "certlet-controller/" CERTLET_VERSION " (linux)"

/* --- API server --- */

static int load_config(struct controller_run *self, struct err *err)
{
    return cluster_config(&self->flags.cluster, &self->config, err);
}

/* In a pod the host is called as the pod. */
static char *make_instance(void)
{
    char host[256] = "";

    if (gethostname(host, sizeof(host) - 1) < 0 || !host[0])
        return elector_identity("certlet");
    return elector_identity(host);
}

static void observe_kube(void *arg, const struct kube_observation *observation)
{
    const struct controller_run *self = arg;
    struct rest_call call = {.method = observation->method,
                             .host = observation->host,
                             .status = observation->status,
                             .duration_ms = observation->duration_ms};

    rest_metrics_count(self->engine.metrics, &call);
}

static bool may_write(void *arg)
{
    const struct controller_run *self = arg;

    return !self->elector || elector_is_leader(self->elector);
}

static int open_store(struct controller_run *self, bool for_lease, struct http **ret_http,
                      struct store **ret, struct err *err)
{
    struct http_options http = {.user_agent = USER_AGENT};
    struct store_kube_options options = {.config = self->config,
                                         .clock = self->engine.ctx.clock,
                                         .instance = self->instance,
                                         .observe = observe_kube,
                                         .observe_arg = self,
                                         .may_write = for_lease ? NULL : may_write,
                                         .may_write_arg = self};
    int r = http_new(&http, ret_http, err);

    if (r < 0)
        return r;
    options.http = *ret_http;
    return store_kube_open(&options, ret, err);
}

static int open_stores(struct controller_run *self, struct err *err)
{
    int r = open_store(self, false, &self->api, &self->engine.store, err);

    if (r < 0 || !self->flags.leader_elect)
        return r;
    return open_store(self, true, &self->lease_api, &self->lease_store, err);
}

/* --- Lease --- */

static void leading(void *arg)
{
    struct controller_run *self = arg;

    __atomic_store_n(&self->is_leading, true, __ATOMIC_SEQ_CST);
    engine_wake(&self->engine);
}

/*
 * Nobody may be reading our log any more: whoever writes to that pipe then waits for ever, the elector too, while
 * others of our threads go on writing to the API server and another process leads. A signal ends us nevertheless.
 */
#define LAST_WORD_S 1

static void on_last_moment(int number)
{
    static const char line[] =
        "the Lease was not renewed in time, or the log is not read: ending\n";
    static volatile sig_atomic_t told;
    struct pollfd log = {.fd = STDERR_FILENO, .events = POLLOUT};

    (void)number;
    if (!told && poll(&log, 1, 0) == 1) {
        told = 1;
        (void)alarm(LAST_WORD_S);                            /* another thread was faster */
        (void)!write(STDERR_FILENO, line, sizeof(line) - 1); /* nowhere left to say so */
    }
    _exit(EXIT_NOT_READY);
}

/* The signal is for the main thread: the others take none. */
static int setup_last_moment(struct controller_run *self, struct err *err)
{
    struct sigaction action = {.sa_handler = on_last_moment, .sa_flags = SA_NODEFER};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGALRM);
    (void)sigaction(SIGALRM, &action, NULL);
    (void)sigprocmask(SIG_UNBLOCK, &signals, NULL);
    if (timer_create(CLOCK_BOOTTIME, &event, &self->last_moment) < 0)
        return err_set_errno(err, errno, "making a timer");
    return 0;
}

/* Until it is called again. A sleep of the machine counts. */
static void end_in(const struct controller_run *self, int64_t ms)
{
    struct itimerspec in = {.it_value = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}};

    (void)timer_settime(self->last_moment, 0, &in, NULL); /* fails only for times that are none */
}

static void held(void *arg, int64_t for_ms)
{
    end_in(arg, for_ms > 0 ? for_ms : 1);
}

/* Another process may be writing already: nothing of ours may follow, not even an orderly stop. */
static void lost(void *arg, const char *why)
{
    end_in(arg, SECONDS(LAST_WORD_S));
    log_error(NULL, "the Lease is lost: %s; ending", why);
    _exit(EXIT_NOT_READY);
}

static bool holds_lease(void *elector)
{
    return elector_is_leader(elector);
}

static int setup_elector(struct controller_run *self, struct err *err)
{
    const struct controller_flags *flags = &self->flags;
    struct elector_options options = {
        .store = self->lease_store,
        .clock = self->engine.ctx.clock,
        .metrics = self->engine.metrics,
        .namespace = flags->leader_namespace,
        .name = CONTROLLER_LEASE,
        .identity = self->instance,
        .lease_ms = flags->lease_ms,
        .renew_deadline_ms = flags->renew_deadline_ms,
        .retry_ms = flags->retry_ms,
        .held = held,
        .leading = leading,
        .lost = lost,
        .arg = self,
    };
    int r;

    if (!flags->leader_elect) {
        leading(self);
        return 0;
    }
    r = setup_last_moment(self, err);
    if (r < 0)
        return r;
    r = elector_new(&options, &self->elector, err);
    if (r == 0)
        written_only_while(self->engine.controllers->issuers.written, holds_lease, self->elector);
    return r;
}

static int start_elector(struct controller_run *self, struct err *err)
{
    return self->elector ? elector_start(self->elector, err) : 0;
}

/* --- engine --- */

static int setup_network(struct controller_run *self, struct err *err)
{
    return engine_setup_network(&self->engine, err);
}

static int setup_controllers(struct controller_run *self, struct err *err)
{
    struct controllers_options options = {
        .approve = self->choice.approve,
        .lanes_off = self->choice.lanes_off,
        .issuers_off = self->choice.issuers_off,
        .signing_requests = self->flags.namespaces.len == 0 &&
                            feature_gates_have_signing_requests(&self->flags.feature_gates),
        .signing_issuers_off = self->choice.signing_issuers_off,
        .only_namespaces = self->flags.namespaces,
        .split_secrets = true,
    };

    return engine_setup_controllers(&self->engine, options, err);
}

static int list(struct controller_run *self, struct err *err)
{
    return engine_list(&self->engine, err);
}

/* --- ports --- */

static int listen_at(struct controller_run *self, const char *flag, const char *address,
                     server_handler_fn *handler, struct server_listener **ret, struct err *err)
{
    int r;

    if (str_empty(address) || streq(address, "0"))
        return 0;
    r = server_listen(self->engine.server, address, handler, self, ret, err);
    return r < 0 ? err_wrap(err, "flag '%s'", flag) : 0;
}

static int listen_ports(struct controller_run *self, struct err *err)
{
    int r = listen_at(self, "--internal-healthz-listen-address", self->flags.healthz_address,
                      health_answer, &self->health_listener, err);

    return r < 0 ? r
                 : listen_at(self, "--metrics-listen-address", self->flags.engine.metrics_address,
                             metrics_answer, &self->engine.metrics_listener, err);
}

/* --- all of it --- */

int controller_setup(struct controller_run *self, struct err *err)
{
    static int (*const steps[])(struct controller_run *, struct err *) = {
        load_config,  open_stores, setup_network, setup_controllers,
        listen_ports, list,        setup_elector, start_elector,
    };
    int r;

    self->engine.text_format = LOG_KLOG; /* as whoever collects a cluster's logs expects */
    self->engine.json_format = LOG_KLOG_JSON;
    r = engine_init(&self->engine, err);
    if (r < 0)
        return r;
    self->instance = make_instance();
    controller_names_log(&self->flags);
    for (size_t i = 0; i < ARRAY_LEN(steps) && r == 0; i++)
        r = steps[i](self, err);
    return r;
}

static void end_events_in_time(struct controller_run *self)
{
    int64_t began_ms = self->engine.stop_ms;

    if (self->lease_store)
        store_kube_end_by(self->lease_store, began_ms + STOP_LEASE_EVENTS_MS);
    if (self->engine.store)
        store_kube_end_by(self->engine.store, began_ms + STOP_EVENTS_MS);
}

/* The Lease goes as soon as nothing of ours writes any more, so that the next one need not wait. */
void controller_teardown(struct controller_run *self)
{
    __atomic_store_n(&self->is_stopping, true, __ATOMIC_SEQ_CST);
    engine_stop(&self->engine);
    if (self->elector) {
        elector_stop_within(self->elector, engine_stop_left_ms(&self->engine, STOP_LEASE_MS));
        (void)timer_delete(self->last_moment); /* it is there */
    }
    end_events_in_time(self);
    if (self->health_listener)
        server_unlisten(self->engine.server, self->health_listener);
    elector_free(self->elector);
    store_close(self->lease_store); /* it sends events, which the engine's metrics count */
    http_free(self->lease_api);
    engine_deinit(&self->engine);
    http_free(self->api);
    kube_config_free(self->config);
    xfree(self->instance);
}
