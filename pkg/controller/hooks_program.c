/*
 * hooks_program.c - one program: started without a shell, watched, ended in time.
 *
 * It gets its own process group, so that its children end with it; standard input is empty; what it
 * prints goes to the log, line by line and not without end. Its end is heard of by a pidfd, so that one
 * poll() waits for that, its output, the deadline and our own cancel.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/timetext.h"
#include "controller/hooks.h"

enum { OUTPUT_MAX = 64 * 1024, LINE_MAX_BYTES = 1000, TICK_MS = 100 };
/* From SIGTERM to SIGKILL, and from there to giving up; shorter when we stop (DESIGN 4: within 3 s). */
#define GRACE_MS      SECONDS(5)
#define STOP_GRACE_MS SECONDS(1)

struct child {
    const struct context *ctx;
    const struct program *program;
    pid_t pid;
    int pid_fd;      /* -1: an old kernel, look every TICK_MS */
    int out;         /* -1: at its end */
    struct buf line; /* begun, not logged yet */
    size_t out_total;
};

int program_check_owner(const char *path, struct err *err)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return err_set_errno(err, errno, "looking at '%s'", path);
    if (st.st_uid != 0 && st.st_uid != geteuid())
        return err_set(err, ERR_DENIED, "'%s' belongs to another user (%u): chown it to root", path,
                       (unsigned)st.st_uid);
    if (st.st_mode & 022)
        return err_set(err, ERR_DENIED, "'%s' is writable by others (mode %04o): chmod go-w", path,
                       (unsigned)st.st_mode & 07777);
    return 0;
}

/* --- start --- */

struct spawn {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
};

static void spawn_deinit(struct spawn *spawn)
{
    (void)posix_spawn_file_actions_destroy(&spawn->actions); /* cannot fail */
    (void)posix_spawnattr_destroy(&spawn->attributes);
}
DEFINE_CLEANUP_VALUE(struct spawn, spawn_deinit);

static int set_files(struct spawn *spawn, int out)
{
    posix_spawn_file_actions_t *actions = &spawn->actions;
    int r = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);

    if (r == 0)
        r = posix_spawn_file_actions_adddup2(actions, out, 1);
    if (r == 0)
        r = posix_spawn_file_actions_adddup2(actions, out, 2);
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 34)
    if (r == 0) /* ours are all O_CLOEXEC; a library's may not be */
        r = posix_spawn_file_actions_addclosefrom_np(actions, 3);
#endif
    return r;
}

/* Our threads block all signals, and a service may ignore SIGPIPE: not for the child. */
static int set_attributes(struct spawn *spawn)
{
    posix_spawnattr_t *attributes = &spawn->attributes;
    sigset_t none, all;
    int r;

    (void)sigemptyset(&none);
    (void)sigfillset(&all);
    r = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                                 POSIX_SPAWN_SETSIGDEF);
    if (r == 0)
        r = posix_spawnattr_setpgroup(attributes, 0);
    if (r == 0)
        r = posix_spawnattr_setsigmask(attributes, &none);
    if (r == 0)
        r = posix_spawnattr_setsigdefault(attributes, &all);
    return r;
}

static int spawn_program(const struct program *program, int out, pid_t *ret_pid)
{
    cleanup(spawn_deinit) struct spawn spawn;
    char *arguments[] = {(char *)program->path, NULL};
    int r;

    (void)posix_spawn_file_actions_init(
        &spawn.actions); /* only memory, which they do not take here */
    (void)posix_spawnattr_init(&spawn.attributes);
    r = set_files(&spawn, out);
    if (r == 0)
        r = set_attributes(&spawn);
    if (r == 0)
        r = posix_spawn(ret_pid, program->path, &spawn.actions, &spawn.attributes, arguments,
                        program->environment);
    return r;
}

static int child_start(struct child *child, struct err *err)
{
    cleanup(fd_close) int read_end = -1, write_end = -1;
    int ends[2], r;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_set_errno(err, errno, "making a pipe");
    read_end = ends[0];
    write_end = ends[1];
    if (fcntl(read_end, F_SETFL, O_NONBLOCK) < 0)
        return err_set_errno(err, errno, "making a pipe");
    r = spawn_program(child->program, write_end, &child->pid);
    if (r != 0)
        return err_set_errno(err, r, "starting '%s'", child->program->path);
    child->pid_fd = (int)syscall(SYS_pidfd_open, child->pid, 0); /* close-on-exec by itself */
    child->out = read_end;
    read_end = -1;
    return 0;
}

static void child_deinit(struct child *child)
{
    fd_close(child->pid_fd);
    fd_close(child->out);
    buf_deinit(&child->line);
}
DEFINE_CLEANUP_VALUE(struct child, child_deinit);

/* --- output --- */

static void log_line(struct child *child)
{
    cleanup(xfree) char *line = buf_take(&child->line);

    if (str_empty(line))
        return;
    str_clean(line);
    log_info(child->ctx, "hook '%s': %s", child->program->name, line);
}

static void add_output(struct child *child, const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (child->out_total++ >= OUTPUT_MAX)
            continue;
        if (data[i] != '\n' && data[i] != '\r')
            buf_add_char(&child->line, data[i]);
        if (data[i] == '\n' || child->line.len == LINE_MAX_BYTES)
            log_line(child);
        if (child->out_total == OUTPUT_MAX) {
            log_line(child);
            log_info(child->ctx, "hook '%s': the rest of its output is left out",
                     child->program->name);
        }
    }
}

/* Once per turn, so that one who prints without end does not keep us from the clock. */
static bool read_output(struct child *child)
{
    char data[4096];
    ssize_t got = child->out < 0 ? -1 : read(child->out, data, sizeof(data));

    if (got > 0)
        add_output(child, data, (size_t)got);
    if (got == 0 || (got < 0 && child->out >= 0 && errno != EAGAIN && errno != EINTR)) {
        fd_close(child->out);
        child->out = -1;
    }
    return got > 0;
}

/* What is in the pipe now; a child of the child may keep it open for ever. */
static void drain_output(struct child *child)
{
    for (size_t before = child->out_total; read_output(child);)
        if (child->out_total - before > OUTPUT_MAX)
            break;
    log_line(child);
}

/* --- end --- */

static bool has_ended(const struct child *child)
{
    siginfo_t info = {};

    return waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ||
           info.si_pid != 0;
}

/* Until the program ends: 0. ERR_TIMEOUT; ERR_CANCELED if `cancel`. */
static int wait_for_end(struct child *child, int64_t timeout_ms, const struct cancel *cancel)
{
    const struct clock *clock = child->ctx->clock;
    int64_t until_ms = clock_monotonic_ms(clock) + timeout_ms;

    while (!has_ended(child)) {
        struct pollfd fds[] = {{.fd = child->pid_fd, .events = POLLIN},
                               {.fd = child->out, .events = POLLIN},
                               {.fd = cancel_fd(cancel), .events = POLLIN}};
        int64_t left_ms = until_ms - clock_monotonic_ms(clock);
        bool tick = child->pid_fd < 0 && left_ms > TICK_MS;
        int ready;

        if (left_ms <= 0)
            return ERR_TIMEOUT;
        ready = poll(fds, ARRAY_LEN(fds), tick ? TICK_MS : (int)left_ms);
        if (cancel_is_fired(cancel))
            return ERR_CANCELED;
        if (ready == 0 && !tick)
            return ERR_TIMEOUT;
        if (ready > 0 && fds[1].revents)
            (void)read_output(child); /* how much does not matter */
    }
    return 0;
}

/* The group is still that of our child, which is not reaped yet: what it left behind ends, too. */
static void end_group(struct child *child, int64_t grace_ms)
{
    (void)kill(-child->pid, SIGTERM);          /* it may have ended just now */
    (void)wait_for_end(child, grace_ms, NULL); /* or not: that is what SIGKILL is for */
    (void)kill(-child->pid, SIGKILL);
    (void)wait_for_end(child, grace_ms, NULL); /* stuck in the kernel: left behind */
}

static int exit_result(const siginfo_t *info, struct err *err)
{
    if (info->si_code == CLD_EXITED && info->si_status == 0)
        return 0;
    if (info->si_code == CLD_EXITED)
        return err_set(err, ERR_INVALID, "exit status %d", info->si_status);
    return err_set(err, ERR_INVALID, "ended by signal %d (%s)", info->si_status,
                   strsignal(info->si_status));
}

static int reap(struct child *child, struct err *err)
{
    siginfo_t info = {};

    if (waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG) < 0)
        return err_set_errno(err, errno, "waiting for '%s'", child->program->path);
    if (info.si_pid == 0)
        return err_set(err, ERR_TIMEOUT, "does not end, not even by SIGKILL");
    return exit_result(&info, err);
}

int program_run(const struct context *ctx, const struct program *program, struct err *err)
{
    cleanup(child_deinit) struct child child = {
        .ctx = ctx, .program = program, .pid_fd = -1, .out = -1, .line = BUF(LINE_MAX_BYTES + 1)};
    char words[TIME_TEXT_MAX];
    int r = child_start(&child, err), end;

    if (r < 0)
        return r;
    end = wait_for_end(&child, program->timeout_ms, ctx->cancel);
    if (end < 0)
        end_group(&child, end == ERR_CANCELED ? STOP_GRACE_MS : GRACE_MS);
    drain_output(&child);
    r = reap(&child, end < 0 ? NULL : err);
    if (end == ERR_CANCELED)
        return err_set(err, end, "ended because the program stops");
    if (end == ERR_TIMEOUT) {
        duration_words(program->timeout_ms, words);
        return err_set(err, end, "ended after %s, as --hook-timeout says", words);
    }
    return r;
}
