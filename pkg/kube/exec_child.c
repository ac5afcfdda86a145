/*
 * exec_child.c - the plugin as a process.
 *
 * Its end is told by a pidfd, so one poll() waits for that, its output, the deadline and the cancel.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kube/exec.h"

#define GRACE_MS SECONDS(1)
enum { TICK_MS = 100 }; /* between looks, where the kernel has no pidfd */

struct running {
    const struct context *ctx;
    pid_t pid;
    bool own_group;
    int pid_fd, out; /* -1: none, at its end */
    struct buf *output;
};

/* --- start --- */

struct setup {
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
};

static void setup_init(struct setup *setup)
{
    (void)posix_spawn_file_actions_init(&setup->files); /* glibc: cannot fail */
    (void)posix_spawnattr_init(&setup->attributes);
}

static void setup_deinit(struct setup *setup)
{
    (void)posix_spawn_file_actions_destroy(&setup->files);
    (void)posix_spawnattr_destroy(&setup->attributes);
}
DEFINE_CLEANUP_VALUE(struct setup, setup_deinit);

static int setup_files(struct setup *setup, const struct kube_child *child, int out)
{
    int r = 0;

    if (!child->interactive)
        r = posix_spawn_file_actions_addopen(&setup->files, 0, "/dev/null", O_RDONLY, 0);
    if (r == 0)
        r = posix_spawn_file_actions_adddup2(&setup->files, out, 1);
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 34)
    if (r == 0)
        r = posix_spawn_file_actions_addclosefrom_np(&setup->files, 3);
#endif
    return r;
}

/* Threads of ours block all signals; a child would inherit that. */
static int setup_signals(struct setup *setup, const struct kube_child *child)
{
    short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    sigset_t none, all;
    int r;

    (void)sigemptyset(&none);
    (void)sigfillset(&all);
    r = posix_spawnattr_setsigmask(&setup->attributes, &none);
    if (r == 0)
        r = posix_spawnattr_setsigdefault(&setup->attributes, &all);
    if (r == 0 && !child->interactive)
        r = posix_spawnattr_setpgroup(&setup->attributes, 0);
    if (r == 0)
        r = posix_spawnattr_setflags(
            &setup->attributes,
            (short)(child->interactive ? flags : flags | POSIX_SPAWN_SETPGROUP));
    return r;
}

static int spawn(const struct kube_child *child, int out, pid_t *ret_pid)
{
    cleanup(setup_deinit) struct setup setup;
    int r;

    setup_init(&setup);
    r = setup_files(&setup, child, out);
    if (r == 0)
        r = setup_signals(&setup, child);
    if (r == 0)
        r = posix_spawnp(ret_pid, child->program, &setup.files, &setup.attributes, child->arguments,
                         child->environment);
    return r;
}

static int start(struct running *running, const struct kube_child *child, struct err *err)
{
    cleanup(fd_close) int from = -1, to = -1;
    int ends[2], r;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_set_errno(err, errno, "making a pipe");
    from = ends[0];
    to = ends[1];
    if (fcntl(from, F_SETFL, O_NONBLOCK) < 0)
        return err_set_errno(err, errno, "making a pipe");
    r = spawn(child, to, &running->pid);
    if (r != 0)
        return err_set_errno(err, r, "starting it");
    running->pid_fd = (int)syscall(SYS_pidfd_open, running->pid, 0);
    running->own_group = !child->interactive;
    running->out = from;
    from = -1;
    return 0;
}

static void running_deinit(struct running *running)
{
    fd_close(running->pid_fd);
    fd_close(running->out);
}
DEFINE_CLEANUP_VALUE(struct running, running_deinit);

/* --- while it runs --- */

/* What is in the pipe now. */
static void read_output(struct running *running)
{
    char data[4096];
    ssize_t got = 1;

    while (running->out >= 0 && got > 0 && !running->output->failed) {
        got = read(running->out, data, sizeof(data));
        if (got > 0)
            buf_add(running->output, data, (size_t)got);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
            fd_close(running->out);
            running->out = -1;
        }
    }
    wipe(data, sizeof(data));
}

static bool has_ended(const struct running *running)
{
    siginfo_t info = {};

    return waitid(P_PID, (id_t)running->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ||
           info.si_pid != 0;
}

/* One wait: for output, the end, the cancel, or until `left_ms` are over. */
static void wait_a_while(struct running *running, int64_t left_ms, const struct cancel *cancel)
{
    struct pollfd fds[] = {{.fd = running->pid_fd, .events = POLLIN},
                           {.fd = running->out, .events = POLLIN},
                           {.fd = cancel_fd(cancel), .events = POLLIN}};

    if (running->pid_fd < 0 && left_ms > TICK_MS)
        left_ms = TICK_MS;
    (void)poll(fds, ARRAY_LEN(fds), (int)left_ms); /* whoever calls looks for himself */
    if (fds[1].revents)
        read_output(running);
}

static int wait_for_end(struct running *running, int64_t timeout_ms, const struct cancel *cancel,
                        struct err *err)
{
    const struct clock *clock = running->ctx->clock;
    int64_t until_ms = clock_monotonic_ms(clock) + timeout_ms, left_ms;
    int r;

    while (!has_ended(running)) {
        left_ms = until_ms - clock_monotonic_ms(clock);
        if (cancel_is_fired(cancel))
            return err_set(err, ERR_CANCELED, "canceled");
        if (left_ms <= 0)
            return err_set(err, ERR_TIMEOUT, "it did not end in time");
        r = buf_check(running->output, "its output", err);
        if (r < 0)
            return r;
        wait_a_while(running, left_ms, cancel);
    }
    return 0;
}

/* Not reaped yet, so the number is still that of our child. */
static void end(struct running *running)
{
    pid_t who = running->own_group ? -running->pid : running->pid;

    fd_close(running->out); /* nobody wants to hear the rest */
    running->out = -1;
    (void)kill(who, SIGTERM); /* it may have ended just now */
    (void)wait_for_end(running, GRACE_MS, NULL, NULL);
    (void)kill(who, SIGKILL);
    (void)wait_for_end(running, GRACE_MS, NULL, NULL); /* stuck in the kernel: left behind */
}

static int reap(struct running *running, struct err *err)
{
    siginfo_t info = {};

    if (waitid(P_PID, (id_t)running->pid, &info, WEXITED | WNOHANG) < 0)
        return err_set_errno(err, errno, "waiting for its end");
    if (info.si_code == CLD_EXITED && info.si_status == 0)
        return 0;
    if (info.si_code == CLD_EXITED)
        return err_set(err, ERR_DENIED, "exit status %d", info.si_status);
    return err_set(err, ERR_DENIED, "ended by signal %d", info.si_status);
}

int kube_child_run(const struct kube_child *child, const struct context *ctx, struct buf *output,
                   struct err *err)
{
    cleanup(running_deinit) struct running running = {
        .ctx = ctx, .pid_fd = -1, .out = -1, .output = output};
    int r = start(&running, child, err);

    if (r < 0)
        return r;
    r = wait_for_end(&running, child->timeout_ms, ctx->cancel, err);
    if (r < 0) {
        end(&running);
        (void)reap(&running, NULL); /* why we ended it says more */
        return r;
    }
    read_output(&running);
    r = reap(&running, err);
    return r < 0 ? r : buf_check(output, "its output", err);
}
