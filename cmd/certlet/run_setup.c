/*
 * run_setup.c - what `certlet run` is made of, set up in order and torn down the other way round.
 */
#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/thread.h"
#include "command.h"
#include "controller/object_metrics.h"
#include "lock.h"
#include "run.h"
#include "store/local.h"

#define THREADS_MAX    64 /* of workers; they mostly wait for the network */
#define READ_AHEAD_MAX (512 * 1024 * 1024)

/* --- folder and lock --- */

static int make_folders(const char *dir, struct err *err)
{
    static const struct {
        const char *name;
        unsigned mode;
    } folders[] = {{"", 0700},
                   {"/manifests", 0700},
                   {"/hooks", 0700},
                   {"/hooks/deploy.d", 0700},
                   {"/tls", 0750}};

    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        cleanup(xfree) char *path = xasprintf("%s%s", dir, folders[i].name);
        int r = file_mkdirs(path, folders[i].mode, err);

        if (r < 0)
            return r;
    }
    return 0;
}

static int lock(struct run *run, struct err *err)
{
    switch (lock_take(run->flags.dir, &run->lock_fd, err)) {
    case 0:
        return EXIT_OK;
    case ERR_BUSY:
        return EXIT_LOCKED;
    default:
        return EXIT_STORE;
    }
}

static int open_store(struct run *run, struct err *err)
{
    cleanup(xfree) char *path = xasprintf("%s/state.db", run->flags.dir);
    struct local_options options = {
        .path = path, .clock = run->ctx.clock, .resources = kind_resources};
    int r;

    file_read_ahead(path,
                    READ_AHEAD_MAX); /* the lists read it in another order than it lies there */
    r = store_local_open(&options, &run->store, err);

    if (r == 0)
        r = store_local_collect(run->store, &run->ctx, err); /* what a crash left */
    return r;
}

/* --- signals --- */

static void on_second_signal(int number)
{
    (void)number;
    _exit(EXIT_AGAIN);
}

/* The first one is read from the descriptor in run.c; run_teardown() lets the second one through. */
static int catch_signals(struct run *run, struct err *err)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
        return err_set_errno(err, errno, "blocking signals");
    run->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    run->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (run->signal_fd < 0 || run->wake_fd < 0)
        return err_set_errno(err, errno, "waiting for signals");
    return 0;
}

static void let_second_signal_through(const struct run *run)
{
    struct sigaction action = {.sa_handler = on_second_signal};
    struct signalfd_siginfo first;
    sigset_t signals;

    if (run->signal_fd < 0)
        return;
    (void)!read(run->signal_fd, &first,
                sizeof(first)); /* taken; without one there is nothing to take */
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGINT, &action, NULL);
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
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
        cancel_fire(guard->cancel); /* and it stays there for run.c */
}

static void guard_free(struct start_guard *guard)
{
    uint64_t end = 1;

    if (!guard)
        return;
    (void)!write(guard->end_fd, &end, sizeof(end)); /* cannot be full */
    thread_join(guard->thread);
    cancel_unref(guard->cancel);
    fd_close(guard->end_fd);
    xfree(guard);
}

static int guard_start(struct run *run, struct err *err)
{
    struct start_guard *guard = run->guard = xalloc(sizeof(*guard));

    guard->cancel = cancel_new();
    guard->signal_fd = run->signal_fd;
    guard->end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (guard->end_fd < 0)
        return err_set_errno(err, errno, "waiting for signals");
    return thread_start("start-guard", wait_for_signal, guard, &guard->thread, err);
}

/* --- network --- */

static void observe_http(void *arg, const struct http_observation *observation)
{
    struct run *run = arg;

    object_metrics_observe_http(run->metrics, observation);
}

static int find_nameservers(const struct strlist *flag, struct dns_servers *ret, struct err *err)
{
    if (flag->len > 0)
        return dns_servers_parse(flag, ret, err);
    return dns_servers_of_system("/etc/resolv.conf", ret, err);
}

/* Shares of a controller's workers: a host that never answers holds half of them, a tenant with several
 * such hosts all but one. */
static int most_of(int64_t workers)
{
    return workers > 1 ? (int)workers - 1 : 1;
}

static int setup_network(struct run *run, struct err *err)
{
    struct http_options http = {
        .user_agent = "certlet/" CERTLET_VERSION " (linux)",
        .max_per_host = (int)(run->flags.workers + 1) / 2,
        .max_per_tenant = most_of(run->flags.workers),
        .observe = observe_http,
        .observe_arg = run,
    };
    struct http01_options http01 = {.listen = run->flags.http01_listen,
                                    .webroot = run->flags.http01_webroot};
    int r = http_new(&http, &run->http, err);

    if (r == 0)
        r = dns_new(run->http, &run->dns, err);
    if (r == 0)
        r = server_new(&run->server, err);
    if (r < 0)
        return r;
    dns_limit(run->dns, http.max_per_host);
    http01.server = run->server;
    r = http01_new(&http01, &run->http01, err);
    if (r == 0)
        r = find_nameservers(&run->flags.dns01_nameservers, &run->solvers.recursive, err);
    if (r < 0)
        return r;
    return run->flags.http01_nameservers.len > 0
               ? dns_servers_parse(&run->flags.http01_nameservers, &run->solvers.http01_resolvers,
                                   err)
               : 0;
}

static void connect_solvers(struct run *run)
{
    run->solvers.store = run->store;
    run->solvers.dns = run->dns;
    run->solvers.http = run->http;
    run->solvers.http01 = run->http01;
    run->solvers.recursive_only = run->flags.dns01_recursive_only;
    run->solvers.http01_port = (uint16_t)run->flags.http01_port;
}

/* --- reconcilers --- */

static void wake_main(void *arg, const struct key *key, const void *before, const void *after,
                      bool initial)
{
    const struct run *run = arg;
    uint64_t one = 1;

    (void)!write(run->wake_fd, &one, sizeof(one)); /* a full counter is as awake as can be */
}

/* Enough that each controller can have its workers at the same time, so that none waits for another's. */
static int worker_threads(int64_t per_controller)
{
    int64_t all = per_controller * LANE_COUNT;

    return all < THREADS_MAX ? (int)all : THREADS_MAX;
}

static int setup_controllers(struct run *run, struct err *err)
{
    const struct run_flags *flags = &run->flags;
    struct controllers_parts parts = {
        .store = run->store,
        .clock = run->ctx.clock,
        .http = run->http,
        .solvers = &run->solvers,
        .metrics = run->metrics,
        .accounts = run->accounts,
        .new_account_key = streq(flags->account_key_type, "ecdsa") ? KEY_ECDSA : KEY_RSA,
        .workers = worker_threads(flags->workers),
        .max_per_controller = (int)flags->workers,
    };
    struct controllers_options options = {
        .resource_namespace = flags->resource_namespace,
        .approve = true,
        .owner_ref = flags->owner_ref,
        .all_events = streq(flags->events, "all"),
        .copied_annotation_prefixes = flags->copied_annotation_prefixes,
        .max_challenges = (int)flags->max_challenges,
        .backoff_min_ms = flags->backoff_min_ms,
        .backoff_max_ms = flags->backoff_max_ms,
        .check_retry_ms = flags->dns01_check_retry_ms,
    };
    int r = controllers_new(&parts, &options, &run->controllers, err);

    if (r == 0)
        cache_add_handler(run->controllers->caches.certificates, wake_main, run);
    return r;
}

static int parse_mode(const char *text, unsigned *ret, struct err *err)
{
    char *end;
    unsigned long mode = strtoul(text, &end, 8);

    if (*end || end == text || mode > 0777 || !(mode & 0400))
        return err_set(err, ERR_INVALID, "flag '--tls-mode': '%s' is no octal mode such as 0640",
                       text);
    *ret = (unsigned)mode;
    return 0;
}

static int find_group(const char *name, int64_t *ret, struct err *err)
{
    const struct group *group;

    *ret = -1;
    if (str_empty(name))
        return 0;
    if (str_parse_int(name, 0, INT32_MAX, ret) == 0)
        return 0;
    group = getgrnam(name); /* before any thread exists */
    if (!group)
        return err_set(err, ERR_NOT_FOUND, "flag '--tls-group': there is no group '%s'", name);
    *ret = group->gr_gid;
    return 0;
}

static int setup_export(struct run *run, struct err *err)
{
    struct export_options options = {.dir = run->flags.dir,
                                     .hook_timeout_ms = run->flags.hook_timeout_ms};
    int r = parse_mode(run->flags.tls_mode, &options.mode, err);

    if (r == 0)
        r = find_group(run->flags.tls_group, &options.group, err);
    if (r == 0)
        r = export_new(&options, run->controllers, &run->export, err);
    return r;
}

/* --- manifests --- */

static void report_problems(void *arg, const struct manifest_problems *problems)
{
    struct run *run = arg;
    size_t errors = 0;

    for (size_t i = 0; i < problems->len; i++) {
        cleanup(buf_deinit) struct buf line = BUF(8192);

        errors += !problems->items[i].is_warning;
        if (!problems->items[i].is_new)
            continue; /* said before */
        manifest_problem_format(&problems->items[i], &line);
        if (problems->items[i].is_warning)
            log_warning(NULL, "%s", buf_str(&line));
        else
            log_error(NULL, "%s", buf_str(&line));
    }
    if (problems->dropped > 0)
        log_error(NULL, "%zu more problems in manifests are not shown", problems->dropped);
    __atomic_store_n(&run->manifest_errors, errors, __ATOMIC_RELAXED);
}

static int setup_manifests(struct run *run, struct err *err)
{
    cleanup(xfree) char *folder = xasprintf("%s/manifests", run->flags.dir);
    struct manifests_options options = {.folder = folder,
                                        .store = run->store,
                                        .clock = run->ctx.clock,
                                        .report = report_problems,
                                        .report_arg = run};

    return manifests_new(&options, &run->manifests, err);
}

/* Beside the first lists, which take as long. */
static int load_manifests(struct run *run, struct err *err)
{
    struct context ctx = context_with_cancel(&run->ctx, run->guard->cancel);
    int r = manifests_load(run->manifests, &ctx, err);

    __atomic_store_n(&run->is_loaded, r == 0, __ATOMIC_RELAXED);
    return r;
}

static void watch_manifests(void *arg)
{
    struct run *run = arg;
    struct context ctx = context_with_cancel(&run->ctx, run->watching);

    manifests_run(run->manifests, &ctx);
}

/* --- metrics and health --- */

static void answer_observer(void *arg, const struct server_request *request,
                            struct server_response *response)
{
    struct run *run = arg;

    response->no_store = true;
    if (streq(request->path, "/metrics")) {
        response->content_type = "text/plain; version=0.0.4; charset=utf-8";
        metrics_print(run->metrics, &response->body);
    } else if (streq(request->path, "/livez")) {
        buf_add_str(&response->body, "ok\n");
    } else if (streq(request->path, "/readyz")) {
        bool is_ready = __atomic_load_n(&run->is_loaded, __ATOMIC_RELAXED) &&
                        manager_is_synced(run->controllers->manager);

        response->status = is_ready ? 200 : 503;
        buf_add_str(&response->body, is_ready ? "ok\n" : "the caches are not filled yet\n");
    } else {
        response->status = 404;
        buf_add_str(&response->body, "there are /metrics, /livez and /readyz here\n");
    }
}

static int setup_observer(struct run *run, struct err *err)
{
    const char *address = run->flags.metrics_address;
    int r;

    object_metrics_add(run->metrics, run->controllers);
    if (str_empty(address) || streq(address, "0"))
        return 0;
    r = server_listen(run->server, address, answer_observer, run, &run->metrics_listener, err);
    return r < 0 ? err_wrap(err, "flag '--metrics-listen-address'") : 0;
}

/* --- start and stop --- */

static int start_lists(struct run *run, struct err *err)
{
    run->is_listing = true;
    return manager_list(run->controllers->manager, err);
}

/* No reconciler runs before the manifests are in the store and the caches have seen them: it would act
 * on what the user has changed. */
static int start(struct run *run, struct err *err)
{
    struct context ctx = context_with_cancel(&run->ctx, run->guard->cancel);
    int r = manager_start(run->controllers->manager, &ctx, err);

    if (r < 0)
        return r;
    r = export_start_hooks(run->export, &run->ctx, err);
    if (r < 0)
        return r;
    run->watching = cancel_new();
    return thread_start("manifests", watch_manifests, run, &run->manifest_thread, err);
}

static int exit_code_of(int r)
{
    if (r == ERR_CANCELED)
        return RUN_STOPPED;
    return r == 0 ? EXIT_OK : r == ERR_INVALID || r == ERR_NOT_FOUND ? EXIT_USAGE : EXIT_STORE;
}

static int take_steps(struct run *run, struct err *err)
{
    static int (*const steps[])(struct run *, struct err *) = {
        guard_start,     setup_network, setup_controllers, setup_export, setup_observer,
        setup_manifests, start_lists,   load_manifests,    start,
    };

    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        int r = steps[i](run, err);

        if (r < 0)
            return exit_code_of(r);
        if (steps[i] == setup_network)
            connect_solvers(run);
    }
    return EXIT_OK;
}

int run_setup(struct run *run, struct err *err)
{
    int code;

    log_setup(run->flags.verbosity >= 4 ? LOG_DEBUG : LOG_INFO,
              streq(run->flags.logging_format, "json") ? LOG_JSON : LOG_TEXT, run->ctx.clock);
    if (catch_signals(run, err) < 0 || make_folders(run->flags.dir, err) < 0)
        return EXIT_STORE;
    code = lock(run, err);
    if (code != EXIT_OK)
        return code;
    if (open_store(run, err) < 0)
        return EXIT_STORE;
    run->metrics = metrics_new();
    run->accounts = accounts_new();
    code = take_steps(run, err);
    guard_free(take(run->guard));
    return code;
}

static void stop(struct run *run)
{
    if (run->watching)
        cancel_fire(run->watching);
    thread_join(run->manifest_thread);
    if (run->is_listing) {
        manager_stop(run->controllers->manager);
        export_stop_hooks(run->export);
        accounts_save_gates(run->accounts, run->store, &run->ctx, true);
    }
}

void run_teardown(struct run *run)
{
    let_second_signal_through(run);
    stop(run);
    if (run->metrics_listener)
        server_unlisten(run->server, run->metrics_listener);
    manifests_free(run->manifests);
    cancel_unref(run->watching);
    export_free(run->export);
    controllers_free(run->controllers);
    accounts_free(run->accounts);
    http01_free(run->http01);
    server_free(run->server);
    dns_servers_deinit(&run->solvers.recursive);
    dns_servers_deinit(&run->solvers.http01_resolvers);
    dns_free(run->dns);
    http_free(run->http);
    store_close(run->store);
    metrics_free(run->metrics);
    fd_close(run->wake_fd);
    fd_close(run->signal_fd);
    fd_close(run->lock_fd);
}
