/* engine.c - see engine.h. */
#include "engine.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/thread.h"
#include "command.h"
#include "controller/object_metrics.h"

#define THREADS_MAX 64 /* of workers; they mostly wait for the network */

/* --- flags --- */

int engine_flags_check(const struct usage *usage, const struct engine_flags *flags)
{
    if (flags->backoff_max_ms < flags->backoff_min_ms)
        return usage_error(usage, "the maximum back-off is shorter than the minimum");
    if (flags->workers < 1 || flags->workers > 1000)
        return usage_error(usage, "flag '--concurrent-workers' must be between 1 and 1000");
    if (flags->max_challenges < 1)
        return usage_error(usage, "flag '--max-concurrent-challenges' must be at least 1");
    return EXIT_OK;
}

void engine_flags_deinit(struct engine_flags *flags)
{
    strlist_deinit(&flags->dns01_nameservers);
    strlist_deinit(&flags->http01_nameservers);
    strlist_deinit(&flags->copied_annotation_prefixes);
}

/* --- signals --- */

/* A terminal that closes stops us in order, too; not with nohup(1). */
static void stop_signals(sigset_t *ret)
{
    struct sigaction hangup;

    sigemptyset(ret);
    sigaddset(ret, SIGTERM);
    sigaddset(ret, SIGINT);
    if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN)
        sigaddset(ret, SIGHUP);
}

static void on_second_signal(int number)
{
    (void)number;
    _exit(EXIT_AGAIN);
}

/* The first one is read from the descriptor by engine_wait(); engine_stop() lets the second one through. */
static int catch_signals(struct engine *self, struct err *err)
{
    sigset_t signals;

    stop_signals(&signals);
    if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
        return err_set_errno(err, errno, "blocking signals");
    self->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    self->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (self->signal_fd < 0 || self->wake_fd < 0)
        return err_set_errno(err, errno, "waiting for signals");
    return 0;
}

static void let_second_signal_through(const struct engine *self)
{
    struct sigaction action = {.sa_handler = on_second_signal};
    struct signalfd_siginfo first;
    sigset_t signals;

    if (self->signal_fd < 0)
        return;
    (void)!read(self->signal_fd, &first,
                sizeof(first)); /* taken; without one there is nothing to take */
    stop_signals(&signals);
    for (int number = 1; number < NSIG; number++)
        if (sigismember(&signals, number) == 1)
            (void)sigaction(number, &action, NULL);
    (void)sigprocmask(SIG_UNBLOCK, &signals, NULL);
}

/* --- a signal while things start: reading ten thousand manifests takes seconds --- */

struct start_guard {
    struct cancel *cancel;
    int signal_fd, end_fd;
    struct thread *thread;
};

static void wait_for_signal(void *arg)
{
    struct start_guard *guard = arg;
    struct pollfd fds[] = {{.fd = guard->signal_fd, .events = POLLIN},
                           {.fd = guard->end_fd, .events = POLLIN}};

    while (poll(fds, ARRAY_LEN(fds), -1) < 0 && errno == EINTR)
        ;
    if (fds[0].revents)
        cancel_fire(guard->cancel); /* and it stays there for engine_wait() */
}

void engine_guard_end(struct engine *self)
{
    struct start_guard *guard = take(self->guard);
    uint64_t end = 1;

    if (!guard)
        return;
    (void)!write(guard->end_fd, &end, sizeof(end)); /* cannot be full */
    thread_join(guard->thread);
    cancel_unref(guard->cancel);
    fd_close(guard->end_fd);
    xfree(guard);
}

int engine_guard_start(struct engine *self, struct err *err)
{
    struct start_guard *guard = self->guard = xalloc(sizeof(*guard));

    guard->cancel = cancel_new();
    guard->signal_fd = self->signal_fd;
    guard->end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (guard->end_fd < 0)
        return err_set_errno(err, errno, "waiting for signals");
    return thread_start("start-guard", wait_for_signal, guard, &guard->thread, err);
}

struct context engine_guarded(const struct engine *self)
{
    return context_with_cancel(&self->ctx, self->guard->cancel);
}

/* --- network --- */

static void observe_http(void *arg, const struct http_observation *observation)
{
    struct engine *self = arg;

    object_metrics_observe_http(self->metrics, observation);
}

static int find_nameservers(const struct strlist *flag, struct dns_servers *ret, struct err *err)
{
    if (flag->len > 0)
        return dns_servers_parse(flag, ret, err);
    return dns_servers_of_system("/etc/resolv.conf", ret, err);
}

static int setup_nameservers(struct engine *self, struct err *err)
{
    const struct engine_flags *flags = self->flags;
    int r = find_nameservers(&flags->dns01_nameservers, &self->solvers.recursive, err);

    if (r == 0 && flags->http01_nameservers.len > 0)
        r = dns_servers_parse(&flags->http01_nameservers, &self->solvers.http01_resolvers, err);
    return r;
}

/* Shares of a controller's workers: a host that never answers holds half of them, a tenant with several
 * such hosts all but one. */
static int most_of(int64_t workers)
{
    return workers > 1 ? (int)workers - 1 : 1;
}

static void connect_solvers(struct engine *self)
{
    self->solvers.store = self->store;
    self->solvers.dns = self->dns;
    self->solvers.http = self->http;
    self->solvers.http01 = self->http01;
    self->solvers.recursive_only = self->flags->dns01_recursive_only;
    self->solvers.http01_port = (uint16_t)self->flags->http01_port;
}

int engine_setup_network(struct engine *self, struct err *err)
{
    const struct engine_flags *flags = self->flags;
    struct http_options http = {
        .user_agent = "certlet/" CERTLET_VERSION " (linux)",
        .max_per_host = (int)(flags->workers + 1) / 2,
        .max_per_tenant = most_of(flags->workers),
        .observe = observe_http,
        .observe_arg = self,
    };
    struct http01_options http01 = {.listen = flags->http01_listen,
                                    .webroot = flags->http01_webroot};
    int r = http_new(&http, &self->http, err);

    if (r == 0)
        r = dns_new(self->http, &self->dns, err);
    if (r == 0)
        r = server_new(&self->server, err);
    if (r < 0)
        return r;
    dns_limit(self->dns, http.max_per_host);
    http01.server = self->server;
    if (!str_empty(http01.listen) || !str_empty(http01.webroot))
        r = http01_new(&http01, &self->http01, err);
    if (r == 0)
        r = setup_nameservers(self, err);
    connect_solvers(self);
    return r;
}

/* --- reconcilers --- */

/* Enough that each controller can have its workers at the same time, so that none waits for another's. */
static int worker_threads(int64_t per_controller, bool signing_requests)
{
    int64_t all = per_controller * (LANE_COUNT - !signing_requests);

    return all < THREADS_MAX ? (int)all : THREADS_MAX;
}

int engine_setup_controllers(struct engine *self, struct controllers_options options,
                             struct err *err)
{
    const struct engine_flags *flags = self->flags;
    struct controllers_parts parts = {
        .store = self->store,
        .clock = self->ctx.clock,
        .http = self->http,
        .solvers = &self->solvers,
        .metrics = self->metrics,
        .accounts = self->accounts,
        .new_account_key = streq(flags->account_key_type, "ecdsa") ? KEY_ECDSA : KEY_RSA,
        .workers = worker_threads(flags->workers, options.signing_requests),
        .max_per_controller = (int)flags->workers,
    };

    options.resource_namespace = flags->resource_namespace;
    options.owner_ref = flags->owner_ref;
    options.all_events = streq(flags->events, "all");
    options.copied_annotation_prefixes = flags->copied_annotation_prefixes;
    options.max_challenges = (int)flags->max_challenges;
    options.backoff_min_ms = flags->backoff_min_ms;
    options.backoff_max_ms = flags->backoff_max_ms;
    options.check_retry_ms = flags->dns01_check_retry_ms;
    return controllers_new(&parts, &options, &self->controllers, err);
}

int engine_list(struct engine *self, struct err *err)
{
    self->is_listing = true;
    return manager_list(self->controllers->manager, err);
}

/* --- life --- */

int engine_init(struct engine *self, struct err *err)
{
    self->ctx = context_background(clock_system());
    log_setup(self->flags->verbosity >= 4 ? LOG_DEBUG : LOG_INFO,
              streq(self->flags->logging_format, "json") ? self->json_format : self->text_format,
              self->ctx.clock);
    self->metrics = metrics_new();
    self->accounts = accounts_new();
    return catch_signals(self, err);
}

/* glibc gives back only what is free at the end of a heap. */
static void give_memory_back(void)
{
#ifdef __GLIBC__
    (void)malloc_trim(0); /* nothing to give is no fault */
#endif
}

void engine_tidy(struct engine *self, int64_t *last_ms)
{
    int64_t now_ms = clock_monotonic_ms(self->ctx.clock);

    if (now_ms - *last_ms < ENGINE_TIDY_MS)
        return;
    *last_ms = now_ms;
    accounts_save_gates(self->accounts, self->store, &self->ctx, false);
    written_tidy(self->controllers->issuers.written);
    give_memory_back();
}

int64_t engine_stop_left_ms(const struct engine *self, int64_t part_ms)
{
    int64_t left_ms = self->stop_ms + part_ms - clock_monotonic_ms(self->ctx.clock);

    return left_ms > 0 ? left_ms : 0;
}

void engine_stop(struct engine *self)
{
    struct context ctx;

    self->stop_ms = clock_monotonic_ms(self->ctx.clock);
    let_second_signal_through(self);
    if (!self->is_listing)
        return;
    manager_stop(self->controllers->manager);
    ctx = context_with_timeout(&self->ctx, engine_stop_left_ms(self, STOP_GATES_MS));
    accounts_save_gates(self->accounts, self->store, &ctx, true);
}

void engine_deinit(struct engine *self)
{
    engine_guard_end(self);
    if (self->metrics_listener)
        server_unlisten(self->server, self->metrics_listener);
    controllers_free(self->controllers);
    accounts_free(self->accounts);
    http01_free(self->http01);
    server_free(self->server);
    dns_servers_deinit(&self->solvers.recursive);
    dns_servers_deinit(&self->solvers.http01_resolvers);
    dns_free(self->dns);
    http_free(self->http);
    store_close(self->store);
    metrics_free(self->metrics);
    fd_close(self->wake_fd);
    fd_close(self->signal_fd);
}

void engine_answer_metrics(const struct engine *self, struct server_response *response)
{
    response->content_type = "text/plain; version=0.0.4; charset=utf-8";
    metrics_print(self->metrics, &response->body);
}

/* --- waiting --- */

enum woken engine_wait(struct engine *self, bool at_changes, int64_t at_most_ms)
{
    struct pollfd fds[] = {{.fd = self->signal_fd, .events = POLLIN},
                           {.fd = self->wake_fd, .events = POLLIN}};
    uint64_t count;

    if (poll(fds, at_changes ? 2 : 1, (int)at_most_ms) <= 0)
        return WOKEN_BY_TIME;
    if (fds[0].revents)
        return WOKEN_BY_SIGNAL;
    if (read(self->wake_fd, &count, sizeof(count)) < 0)
        return WOKEN_BY_TIME; /* somebody else has taken it */
    return WOKEN_BY_CHANGE;
}

void engine_wake(const struct engine *self)
{
    uint64_t one = 1;

    (void)!write(self->wake_fd, &one, sizeof(one)); /* a full counter is as awake as can be */
}
