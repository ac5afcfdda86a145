/*
 * run_setup.c - what `certlet run` is made of, set up in order and torn down the other way round.
 */
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "base/thread.h"
#include "command.h"
#include "controller/object_metrics.h"
#include "lock.h"
#include "run.h"
#include "store/local.h"

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
        .path = path, .clock = run->engine.ctx.clock, .resources = kind_resources};
    int r;

    file_read_ahead(path,
                    READ_AHEAD_MAX); /* the lists read it in another order than it lies there */
    r = store_local_open(&options, &run->engine.store, err);

    if (r == 0)
        r = store_local_collect(run->engine.store, &run->engine.ctx, err); /* what a crash left */
    return r;
}

/* --- reconcilers --- */

static void wake_main(void *arg, const struct key *key, const void *before, const void *after,
                      bool initial)
{
    const struct run *run = arg;

    engine_wake(&run->engine);
}

static int setup_controllers(struct run *run, struct err *err)
{
    struct controllers_options options = {.approve = true};
    int r = engine_setup_controllers(&run->engine, options, err);

    if (r == 0)
        cache_add_handler(run->engine.controllers->caches.certificates, wake_main, run);
    return r;
}

static int parse_mode(const char *text, unsigned *ret, struct err *err)
{
    char *end;
    unsigned long mode = strtoul(text, &end, 8);

    if (*end || end == text || mode > 0777 || !(mode & 0400))
        return err_set(err, ERR_INVALID, "flag '--tls-mode': '%s' is no octal mode such as 0640",
                       text);
    if (mode & 0133)
        return err_set(err, ERR_INVALID,
                       "flag '--tls-mode': with '%s' others could write the files, or anybody "
                       "execute them; use 0600, 0640 or 0644",
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

/* DIR itself is left as it is: there is more in it than tls/. */
static void warn_if_closed(const struct export_options *options)
{
    bool is_for_all = options->mode & 0004, is_for_group = options->mode & 0040;
    struct stat st;

    if ((!is_for_all && !is_for_group) || stat(options->dir, &st) < 0 || st.st_mode & 0001)
        return;
    if (!is_for_all && st.st_mode & 0010 && (options->group < 0 || st.st_gid == options->group))
        return;
    log_warning(NULL,
                "whom --tls-mode lets read the files in '%s/tls' cannot get there, since '%s' has "
                "mode %04o: chmod go+x",
                options->dir, options->dir, (unsigned)st.st_mode & 07777);
}

static int setup_export(struct run *run, struct err *err)
{
    struct export_options options = {.dir = run->flags.dir,
                                     .hook_timeout_ms = run->flags.hook_timeout_ms};
    int r = parse_mode(run->flags.tls_mode, &options.mode, err);

    if (r == 0)
        r = find_group(run->flags.tls_group, &options.group, err);
    if (r == 0)
        warn_if_closed(&options);
    if (r == 0)
        r = export_new(&options, run->engine.controllers, &run->export, err);
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
                                        .store = run->engine.store,
                                        .clock = run->engine.ctx.clock,
                                        .report = report_problems,
                                        .report_arg = run};

    return manifests_new(&options, &run->manifests, err);
}

/* Beside the first lists, which take as long. */
static int load_manifests(struct run *run, struct err *err)
{
    struct context ctx = engine_guarded(&run->engine);
    int r = manifests_load(run->manifests, &ctx, err);

    __atomic_store_n(&run->is_loaded, r == 0, __ATOMIC_RELAXED);
    return r;
}

static void watch_manifests(void *arg)
{
    struct run *run = arg;
    struct context ctx = context_with_cancel(&run->engine.ctx, run->watching);

    manifests_run(run->manifests, &ctx);
}

/* --- metrics and health --- */

static void answer_observer(void *arg, const struct server_request *request,
                            struct server_response *response)
{
    struct run *run = arg;

    response->no_store = true;
    if (streq(request->path, "/metrics")) {
        engine_answer_metrics(&run->engine, response);
    } else if (streq(request->path, "/livez")) {
        buf_add_str(&response->body, "ok\n");
    } else if (streq(request->path, "/readyz")) {
        bool is_ready = __atomic_load_n(&run->is_loaded, __ATOMIC_RELAXED) &&
                        manager_is_synced(run->engine.controllers->manager);

        response->status = is_ready ? 200 : 503;
        buf_add_str(&response->body, is_ready ? "ok\n" : "the caches are not filled yet\n");
    } else {
        response->status = 404;
        buf_add_str(&response->body, "there are /metrics, /livez and /readyz here\n");
    }
}

static int setup_observer(struct run *run, struct err *err)
{
    const char *address = run->flags.engine.metrics_address;
    int r;

    object_metrics_add(run->engine.metrics, run->engine.controllers);
    if (str_empty(address) || streq(address, "0"))
        return 0;
    r = server_listen(run->engine.server, address, answer_observer, run,
                      &run->engine.metrics_listener, err);
    return r < 0 ? err_wrap(err, "flag '--metrics-listen-address'") : 0;
}

/* --- start and stop --- */

static int setup_network(struct run *run, struct err *err)
{
    return engine_setup_network(&run->engine, err);
}

static int guard_start(struct run *run, struct err *err)
{
    return engine_guard_start(&run->engine, err);
}

static int start_lists(struct run *run, struct err *err)
{
    return engine_list(&run->engine, err);
}

/* No reconciler runs before the manifests are in the store and the caches have seen them: it would act
 * on what the user has changed. */
static int start(struct run *run, struct err *err)
{
    struct context ctx = engine_guarded(&run->engine);
    struct manager *manager = run->engine.controllers->manager;
    int r = manager_catch_up(manager, &ctx, err);

    if (r == 0)
        r = controllers_start(run->engine.controllers, &ctx, err);
    if (r == 0)
        r = export_start_hooks(run->export, &run->engine.ctx, err);
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
    }
    return EXIT_OK;
}

int run_setup(struct run *run, struct err *err)
{
    int code;

    if (engine_init(&run->engine, err) < 0 || make_folders(run->flags.dir, err) < 0)
        return EXIT_STORE;
    code = lock(run, err);
    if (code != EXIT_OK)
        return code;
    if (open_store(run, err) < 0)
        return EXIT_STORE;
    code = take_steps(run, err);
    engine_guard_end(&run->engine);
    return code;
}

static void stop(struct run *run)
{
    if (run->watching)
        cancel_fire(run->watching);
    engine_stop(&run->engine);
    thread_join(run->manifest_thread);
    if (run->engine.is_listing)
        export_stop_hooks(run->export);
}

void run_teardown(struct run *run)
{
    stop(run);
    manifests_free(run->manifests);
    cancel_unref(run->watching);
    export_free(run->export);
    engine_deinit(&run->engine);
    fd_close(run->lock_fd);
}
