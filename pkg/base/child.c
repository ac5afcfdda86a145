/*
 * child.c - its end is told by a pidfd, so one poll() waits for that, its output, the deadline and
 * the cancel.
 *
 * It is reaped last: until then its number, and that of its group, cannot become somebody else's.
 */
#include "base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define STOP_GRACE_MS SECONDS(1)
enum { TICK_MS = 100 }; /* between looks, where the kernel has no pidfd */

struct running {
    const struct context *ctx;
    const struct child *child;
    pid_t pid;
    int pid_fd;  /* -1: an old kernel */
    int out;     /* -1: at its end */
    bool enough; /* said the caller */
    bool ending; /* nothing but its end counts any more */
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

static int setup_files(struct setup *setup, const struct child *child, int out)
{
    int r = 0;

    if (!child->on_terminal)
        r = posix_spawn_file_actions_addopen(&setup->files, 0, "/dev/null", O_RDONLY, 0);
    if (r == 0)
        r = posix_spawn_file_actions_adddup2(&setup->files, out, 1);
    if (r == 0 && child->with_stderr)
        r = posix_spawn_file_actions_adddup2(&setup->files, out, 2);
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 34)
    if (r == 0) /* ours are all O_CLOEXEC; a library's may not be */
        r = posix_spawn_file_actions_addclosefrom_np(&setup->files, 3);
#endif
    return r;
}

/* Our threads block all signals, and a service may ignore SIGPIPE: not for the child. */
static int setup_attributes(struct setup *setup, const struct child *child)
{
    int flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    sigset_t none, all;
    int r;

    (void)sigemptyset(&none);
    (void)sigfillset(&all);
    if (!child->on_terminal)
        flags |= POSIX_SPAWN_SETPGROUP;
    r = posix_spawnattr_setflags(&setup->attributes, (short)flags);
    if (r == 0)
        r = posix_spawnattr_setpgroup(&setup->attributes, 0);
    if (r == 0)
        r = posix_spawnattr_setsigmask(&setup->attributes, &none);
    if (r == 0)
        r = posix_spawnattr_setsigdefault(&setup->attributes, &all);
    return r;
}

static int spawn(const struct child *child, int out, pid_t *ret_pid)
{
    cleanup(setup_deinit) struct setup setup;
    int r;

    setup_init(&setup);
    r = setup_files(&setup, child, out);
    if (r == 0)
        r = setup_attributes(&setup, child);
    if (r != 0)
        return r;
    return (child->search_path ? posix_spawnp : posix_spawn)(ret_pid, child->program, &setup.files,
                                                             &setup.attributes, child->arguments,
                                                             child->environment);
}

static int start(struct running *running, struct err *err)
{
    cleanup(fd_close) int from = -1, to = -1;
    int ends[2], r;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_set_errno(err, errno, "making a pipe");
    from = ends[0];
    to = ends[1];
    if (fcntl(from, F_SETFL, O_NONBLOCK) < 0)
        return err_set_errno(err, errno, "making a pipe");
    r = spawn(running->child, to, &running->pid);
    if (r != 0)
        return err_set_errno(err, r, "starting %s", running->child->called);
    running->pid_fd = (int)syscall(SYS_pidfd_open, running->pid, 0); /* close-on-exec by itself */
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

/* --- output --- */

static void close_output(struct running *running)
{
    fd_close(running->out);
    running->out = -1;
}

/* One piece, so that one who prints without end does not keep us from the clock. How much it was. */
static size_t read_output(struct running *running)
{
    char data[4096];
    ssize_t got = read(running->out, data, sizeof(data));
    int failed = errno;

    if (got > 0)
        running->enough = running->child->output(running->child->arg, data, (size_t)got);
    wipe(data, sizeof(data)); /* a plugin prints secrets */
    if (got == 0 || (got < 0 && failed != EAGAIN && failed != EINTR))
        close_output(running);
    return got > 0 ? (size_t)got : 0;
}

/* What is in the pipe now, and no more: a child of the child may keep it open, or fill it, for ever. */
static void read_rest(struct running *running)
{
    size_t got = 1;
    int left = 0;

    if (running->out < 0 || ioctl(running->out, FIONREAD, &left) < 0)
        return;
    while (running->out >= 0 && !running->enough && left > 0 && got > 0) {
        got = read_output(running);
        left -= (int)got;
    }
}

/* --- end --- */

static bool has_ended(const struct running *running)
{
    siginfo_t info = {};

    return waitid(P_PID, (id_t)running->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ||
           info.si_pid != 0;
}

static const struct cancel *cancel_of(const struct running *running)
{
    return running->ending ? NULL : running->ctx->cancel;
}

/* One wait for its end, output or the cancel. False: `left_ms` are over. */
static bool wait_a_while(struct running *running, int64_t left_ms)
{
    struct pollfd fds[] = {{.fd = running->pid_fd, .events = POLLIN},
                           {.fd = running->out, .events = POLLIN},
                           {.fd = cancel_fd(cancel_of(running)), .events = POLLIN}};
    int max_ms = running->pid_fd < 0 ? TICK_MS : INT_MAX;
    int wait_ms = left_ms < max_ms ? (int)left_ms : max_ms;
    int ready = poll(fds, ARRAY_LEN(fds), wait_ms); /* an error is a turn more */

    if (ready > 0 && fds[1].revents)
        (void)read_output(running); /* how much does not matter here */
    return ready != 0 || wait_ms < left_ms;
}

/* CHILD_EXITED when it has ended, in whatever way; or why it should be made to. */
static enum child_how wait_for_end(struct running *running, int64_t timeout_ms)
{
    const struct clock *clock = running->ctx->clock;
    int64_t until_ms = clock_monotonic_ms(clock) + timeout_ms, left_ms;

    while (!has_ended(running)) {
        left_ms = until_ms - clock_monotonic_ms(clock);
        if (cancel_is_fired(cancel_of(running)))
            return CHILD_CANCELED;
        if (running->enough && !running->ending)
            return CHILD_ENOUGH;
        if (running->enough)
            close_output(running); /* not sooner: it would end by SIGPIPE before we end it */
        if (left_ms <= 0 || !wait_a_while(running, left_ms))
            return CHILD_TIMED_OUT;
    }
    return CHILD_EXITED;
}

/* With its group, if it has one: what it left behind ends, too. */
static void end_it(struct running *running, int64_t grace_ms)
{
    pid_t who = running->child->on_terminal ? running->pid : -running->pid;

    running->ending = true;
    (void)kill(who, SIGTERM);              /* it may have ended just now */
    (void)wait_for_end(running, grace_ms); /* or not: that is what SIGKILL is for */
    (void)kill(who, SIGKILL);
    (void)wait_for_end(running, grace_ms); /* stuck in the kernel: left behind */
}

static int reap(struct running *running, struct child_end *ret, struct err *err)
{
    siginfo_t info = {};

    if (waitid(P_PID, (id_t)running->pid, &info, WEXITED | WNOHANG) < 0)
        return err_set_errno(err, errno, "waiting for %s", running->child->called);
    ret->how = info.si_code == CLD_EXITED ? CHILD_EXITED : CHILD_KILLED;
    ret->number = info.si_status;
    return 0;
}

static int64_t grace_after(const struct child *child, enum child_how how)
{
    return how == CHILD_CANCELED && child->grace_ms > STOP_GRACE_MS ? STOP_GRACE_MS
                                                                    : child->grace_ms;
}

int child_run(const struct context *ctx, const struct child *child, struct child_end *ret_end,
              struct err *err)
{
    cleanup(running_deinit) struct running running = {
        .ctx = ctx, .child = child, .pid_fd = -1, .out = -1};
    struct child_end end = {};
    enum child_how how;
    int r = start(&running, err);

    if (r < 0)
        return r;
    how = wait_for_end(&running, child->timeout_ms);
    if (how != CHILD_EXITED)
        end_it(&running, grace_after(child, how));
    read_rest(&running);
    r = reap(&running, &end, how == CHILD_EXITED ? err : NULL);
    if (how != CHILD_EXITED) /* why we ended it says more */
        end = (struct child_end){.how = how};
    else if (r < 0)
        return r;
    *ret_end = end;
    return 0;
}
