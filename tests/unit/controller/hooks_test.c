#include "support/testing.h"

#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/thread.h"
#include "controller/hooks.h"

struct bed {
    char root[64], hooks_dir[80], programs[96];
    struct fake_clock clock;
    struct context ctx;
    struct hooks *hooks;
    char *failures;
    int64_t timeout_ms;
    struct buf log;
};

static void keep_line(void *arg, enum log_level level, const char *line)
{
    struct bed *bed = arg;

    buf_add_str(&bed->log, line);
    buf_add_char(&bed->log, '\n');
}

static void open_hooks(struct bed *bed)
{
    struct hooks_options options = {
        .dir = bed->hooks_dir, .clock = bed->ctx.clock, .timeout_ms = bed->timeout_ms};
    struct err err = {};

    ASSERT_OK(hooks_new(&options, &bed->hooks, &err));
}

static struct bed *bed_new(void)
{
    struct bed *bed = xalloc(sizeof(*bed));

    (void)snprintf(bed->root, sizeof(bed->root), "/tmp/hooks-XXXXXX");
    ASSERT_TRUE(mkdtemp(bed->root));
    (void)snprintf(bed->hooks_dir, sizeof(bed->hooks_dir), "%s/hooks", bed->root);
    (void)snprintf(bed->programs, sizeof(bed->programs), "%s/deploy.d", bed->hooks_dir);
    ASSERT_EQ(mkdir(bed->hooks_dir, 0755), 0);
    ASSERT_EQ(mkdir(bed->programs, 0755), 0);
    fake_clock_init(&bed->clock, AT("2026-01-01T00:00:00Z"));
    bed->ctx = context_background(&bed->clock.clock);
    bed->timeout_ms = SECONDS(20);
    bed->log = BUF(1 << 20);
    log_set_sink(keep_line, bed);
    open_hooks(bed);
    return bed;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

static void bed_free(struct bed *bed)
{
    hooks_free(bed->hooks);
    log_set_sink(NULL, NULL);
    buf_deinit(&bed->log);
    (void)nftw(bed->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    xfree(bed->failures);
    xfree(bed);
}

static void put(const char *path, const char *text, unsigned mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    ASSERT_TRUE(fd >= 0);
    ASSERT_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    ASSERT_EQ(fchmod(fd, mode), 0);
    ASSERT_EQ(close(fd), 0);
}

/* `script` runs with $OUT, a file in the test's folder. */
static void put_hook(struct bed *bed, const char *name, const char *script)
{
    cleanup(xfree) char *path = xasprintf("%s/%s", bed->programs, name);
    cleanup(xfree) char *text = xasprintf("#!/bin/sh\nOUT=%s/out\n%s\n", bed->root, script);

    put(path, text, 0755);
}

static char *output(struct bed *bed)
{
    cleanup(xfree) char *path = xasprintf("%s/out", bed->root);
    struct buf text = BUF(1 << 20);
    struct err err = {};
    int r = file_read(path, &text, &err);

    if (r != ERR_NOT_FOUND)
        ASSERT_OK(r);
    buf_add(&text, "", 0);
    return text.data ? buf_take(&text) : xstrdup("");
}

#define ASSERT_OUTPUT(bed, expected)                                                               \
    do {                                                                                           \
        cleanup(xfree) char *found_ = output(bed);                                                 \
        ASSERT_STREQ(found_, expected);                                                            \
    } while (0)

static void want_for(struct bed *bed, const char *secret, unsigned char hash)
{
    struct hook_target target = {.namespace = "default",
                                 .certificate = "web",
                                 .secret = secret,
                                 .path = "/x/tls/default/web-tls",
                                 .hash = {hash}};

    hooks_want(bed->hooks, &target);
}

static void want(struct bed *bed, unsigned char hash)
{
    want_for(bed, "web-tls", hash);
}

static struct hooks_state state_of(struct bed *bed)
{
    struct hooks_state state;

    hooks_state(bed->hooks, &state);
    return state;
}

/* What is said of what failed, a line each; lent until the next call. */
static const char *failures_of(struct bed *bed)
{
    cleanup(strlist_deinit) struct strlist failures = {};

    hooks_failures(bed->hooks, &failures);
    xfree(bed->failures);
    bed->failures = strlist_join(&failures, "\n");
    return bed->failures;
}

TEST(programs_run_once_for_each_new_data_in_order_of_name)
{
    struct bed *bed = bed_new();

    put_hook(bed, "20-second", "echo second >>$OUT");
    put_hook(bed, "10-first", "echo first >>$OUT");
    want(bed, 1);
    ASSERT_EQ(state_of(bed).due, 1);
    ASSERT_EQ(hooks_run_due(bed->hooks, &bed->ctx), 0);
    ASSERT_OUTPUT(bed, "first\nsecond\n");
    want(bed, 1);
    (void)hooks_run_due(bed->hooks, &bed->ctx);
    ASSERT_OUTPUT(bed, "first\nsecond\n");
    want(bed, 2);
    (void)hooks_run_due(bed->hooks, &bed->ctx);
    ASSERT_OUTPUT(bed, "first\nsecond\nfirst\nsecond\n");
    ASSERT_EQ(state_of(bed).due, 0);
    bed_free(bed);
}

TEST(a_program_gets_the_named_environment_and_nothing_else_of_ours)
{
    struct bed *bed = bed_new();
    cleanup(xfree) char *found = NULL;
    int leaked = open("/dev/null", O_RDONLY); /* without O_CLOEXEC, as some library may do it */

    ASSERT_EQ(putenv((char *)"CERTLET_TEST_PASSWORD=hunter2"), 0);
    put_hook(bed, "env",
             "env | sort | grep -v -e '^PWD=' -e '^OLDPWD=' -e '^_=' -e '^SHLVL=' >$OUT\n"
             "ls /proc/self/fd | wc -l >>$OUT; cat >>$OUT; kill -PIPE $$ || true");
    want(bed, 1);
    (void)hooks_run_due(bed->hooks, &bed->ctx);
    found = output(bed);
    ASSERT_CONTAINS(
        found, "CERTLET_NAME=web\nCERTLET_NAMESPACE=default\nCERTLET_PATH=/x/tls/default/web-tls\n"
               "CERTLET_SECRET=web-tls\n");
    ASSERT_CONTAINS(found, "PATH=");
    ASSERT_NULL(strstr(found, "hunter2"));
    ASSERT_CONTAINS(found, "\n4\n"); /* three, and the one by which ls reads */
    ASSERT_CONTAINS(failures_of(bed), "ended by signal 13");
    (void)close(leaked);
    bed_free(bed);
}

TEST(each_program_that_failed_is_told_and_why)
{
    struct bed *bed = bed_new();

    put_hook(bed, "fine", "true");
    put_hook(bed, "mail", "exit 1");
    put_hook(bed, "reload", "test $CERTLET_SECRET = web-tls && exit 3; exit 4");
    ASSERT_STREQ(failures_of(bed), "");
    want(bed, 1);
    want_for(bed, "api-tls", 1);
    want_for(bed, "www-tls", 1);
    (void)hooks_run_due(bed->hooks, &bed->ctx);
    ASSERT_EQ(state_of(bed).failed, 6);
    ASSERT_STREQ(failures_of(bed), "hook 'mail' for 'default/web-tls' and 2 more: exit status 1\n"
                                   "hook 'reload' for 'default/web-tls': exit status 3\n"
                                   "hook 'reload' for 'default/api-tls' and 1 more: exit status 4");
    bed_free(bed);
}

TEST(a_failure_is_tried_again_after_a_minute_doubling_to_an_hour)
{
    static const int64_t waits[] = {MINUTES(1),  MINUTES(2),  MINUTES(4), MINUTES(8),
                                    MINUTES(16), MINUTES(32), HOURS(1),   HOURS(1)};
    struct bed *bed = bed_new();
    struct hooks_state state;

    put_hook(bed, "bad", "echo ran >>$OUT; exit 3");
    put_hook(bed, "good", "echo good >>$OUT");
    want(bed, 1);
    for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
        ASSERT_EQ(hooks_run_due(bed->hooks, &bed->ctx) - bed->clock.mono_ms, waits[i]);
        state = state_of(bed);
        ASSERT_EQ(state.due, 0);
        ASSERT_EQ(state.failed, 1);
        ASSERT_STREQ(failures_of(bed), "hook 'bad' for 'default/web-tls': exit status 3");
        fake_clock_advance(&bed->clock, waits[i] - 1);
        (void)hooks_run_due(bed->hooks, &bed->ctx);
        fake_clock_advance(&bed->clock, 1);
        ASSERT_EQ(state_of(bed).due, 1);
    }
    put_hook(bed, "bad", "echo at last >>$OUT");
    ASSERT_EQ(hooks_run_due(bed->hooks, &bed->ctx), 0);
    ASSERT_OUTPUT(bed, "ran\ngood\nran\nran\nran\nran\nran\nran\nran\nat last\n");
    ASSERT_EQ(state_of(bed).failed, 0);
    bed_free(bed);
}

TEST(newer_data_does_not_wait_for_the_retry_of_older)
{
    struct bed *bed = bed_new();

    put_hook(bed, "bad", "echo ran >>$OUT; exit 3");
    want(bed, 1);
    (void)hooks_run_due(bed->hooks, &bed->ctx);
    want(bed, 2);
    (void)hooks_run_due(bed->hooks, &bed->ctx);
    ASSERT_OUTPUT(bed, "ran\nran\n");
    bed_free(bed);
}

TEST(what_was_taken_is_known_after_a_restart)
{
    struct bed *bed = bed_new();

    put_hook(bed, "a", "echo a >>$OUT");
    put_hook(bed, "b", "exit 1");
    want(bed, 1);
    (void)hooks_run_due(bed->hooks, &bed->ctx);
    hooks_free(bed->hooks);
    put_hook(bed, "b", "echo b >>$OUT");
    open_hooks(bed);
    want(bed, 1);
    (void)hooks_run_due(bed->hooks, &bed->ctx);
    ASSERT_OUTPUT(bed, "a\nb\n");
    bed_free(bed);
}

static bool knows_nothing(void *arg, const char *secret)
{
    ASSERT_STREQ(secret, "default/web-tls");
    return false;
}

TEST(what_gone_certificates_took_is_forgotten)
{
    struct bed *bed = bed_new();
    cleanup(xfree) char *path = xasprintf("%s/.taken.json", bed->hooks_dir);
    cleanup(buf_deinit) struct buf text = BUF(1000);
    struct stat st;
    struct err err = {};

    put_hook(bed, "a", "true");
    want(bed, 1);
    (void)hooks_run_due(bed->hooks, &bed->ctx);
    ASSERT_EQ(stat(path, &st), 0);
    ASSERT_EQ(st.st_mode & 07777, 0600);
    hooks_keep_only(bed->hooks, knows_nothing, NULL);
    ASSERT_OK(file_read(path, &text, &err));
    ASSERT_STREQ(buf_str(&text), "{}");
    bed_free(bed);
}

static const char *const bad_taken[] = {"", "{", "[]", "{\"default/web-tls\": 1}",
                                        "{\"default/web-tls\": {\"a\": {}}}"};

TEST(a_broken_memory_means_that_programs_run_again)
{
    for (size_t i = 0; i < ARRAY_LEN(bad_taken); i++) {
        struct bed *bed = bed_new();
        cleanup(xfree) char *path = xasprintf("%s/.taken.json", bed->hooks_dir);

        CASE(bad_taken[i]);
        hooks_free(bed->hooks);
        put(path, bad_taken[i], 0600);
        put_hook(bed, "a", "echo a >>$OUT");
        open_hooks(bed);
        want(bed, 1);
        (void)hooks_run_due(bed->hooks, &bed->ctx);
        ASSERT_OUTPUT(bed, "a\n");
        bed_free(bed);
    }
}

TEST(without_programs_nothing_is_due_or_written)
{
    struct bed *bed = bed_new();

    want(bed, 1);
    (void)hooks_run_due(bed->hooks, &bed->ctx);
    ASSERT_EQ(state_of(bed).due, 0);
    ASSERT_EQ(rmdir(bed->programs), 0);
    want(bed, 2);
    ASSERT_EQ(state_of(bed).due, 0);
    ASSERT_EQ(rmdir(bed->hooks_dir), 0); /* was empty */
    bed_free(bed);
}

TEST(hidden_files_and_what_is_not_executable_do_not_run)
{
    struct bed *bed = bed_new();
    cleanup(xfree) char *text = xasprintf("%s/README", bed->programs);
    cleanup(xfree) char *folder = xasprintf("%s/folder", bed->programs);

    put_hook(bed, ".hidden", "echo hidden >>$OUT");
    put(text, "#!/bin/sh\nexit 1\n", 0644);
    ASSERT_EQ(mkdir(folder, 0755), 0);
    want(bed, 1);
    (void)hooks_run_due(bed->hooks, &bed->ctx);
    ASSERT_OUTPUT(bed, "");
    ASSERT_EQ(state_of(bed).failed, 0);
    ASSERT_CONTAINS(buf_str(&bed->log), "hook 'README' is passed over: it is not executable");
    bed_free(bed);
}

/* certbot, GTFOBins #183: hooks as a way to root. */
TEST(a_program_that_others_may_write_is_refused_and_the_next_one_runs)
{
    struct bed *bed = bed_new();
    cleanup(xfree) char *path = xasprintf("%s/a", bed->programs);

    put_hook(bed, "a", "echo a >>$OUT");
    put_hook(bed, "b", "echo b >>$OUT");
    ASSERT_EQ(chmod(path, 0775), 0);
    want(bed, 1);
    (void)hooks_run_due(bed->hooks, &bed->ctx);
    ASSERT_OUTPUT(bed, "b\n");
    ASSERT_CONTAINS(failures_of(bed), "is writable by others (mode 0775)");
    bed_free(bed);
}

TEST(folders_that_others_may_write_are_refused)
{
    struct bed *bed = bed_new();
    const char *const folders[] = {bed->hooks_dir, bed->programs};

    put_hook(bed, "a", "echo a >>$OUT");
    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        CASE(folders[i]);
        ASSERT_EQ(chmod(folders[i], 0777), 0);
        want(bed, (unsigned char)i);
        (void)hooks_run_due(bed->hooks, &bed->ctx);
        ASSERT_OUTPUT(bed, "");
        ASSERT_CONTAINS(failures_of(bed), "is writable by others");
        ASSERT_EQ(chmod(folders[i], 0755), 0);
    }
    fake_clock_advance(&bed->clock, MINUTES(1));
    (void)hooks_run_due(bed->hooks, &bed->ctx);
    ASSERT_OUTPUT(bed, "a\n");
    ASSERT_EQ(state_of(bed).failed, 0);
    bed_free(bed);
}

TEST(a_program_of_another_user_is_refused)
{
    struct bed *bed = bed_new();
    cleanup(xfree) char *path = xasprintf("%s/a", bed->programs);

    put_hook(bed, "a", "echo a >>$OUT");
    if (geteuid() != 0)
        skip();
    ASSERT_EQ(chown(path, 12345, 12345), 0);
    want(bed, 1);
    (void)hooks_run_due(bed->hooks, &bed->ctx);
    ASSERT_CONTAINS(failures_of(bed), "belongs to another user (12345)");
    bed_free(bed);
}

TEST(a_program_that_cannot_be_started_is_a_failure)
{
    struct bed *bed = bed_new();
    cleanup(xfree) char *path = xasprintf("%s/a", bed->programs);

    put(path, "#!/bin/sh\r\ntrue\r\n", 0755); /* of an editor on Windows */
    want(bed, 1);
    (void)hooks_run_due(bed->hooks, &bed->ctx);
    ASSERT_CONTAINS(failures_of(bed), "starting '");
    ASSERT_CONTAINS(failures_of(bed),
                    "is the program of its first line there, and no CR behind it?");
    bed_free(bed);
}

TEST(output_is_logged_by_lines_cleaned_and_bounded)
{
    struct bed *bed = bed_new();
    size_t lines = 0;

    put_hook(
        bed, "a",
        "printf 'one\\n\\033[31mred\\nno newline' >&2\n"
        "i=0; while [ $i -lt 3000 ]; do echo 0123456789012345678901234567890123456789; i=$((i+1)); done");
    want(bed, 1);
    (void)hooks_run_due(bed->hooks, &bed->ctx);
    ASSERT_CONTAINS(buf_str(&bed->log), "hook 'a': one\n");
    ASSERT_CONTAINS(buf_str(&bed->log), "hook 'a': ?[31mred\n");
    ASSERT_CONTAINS(buf_str(&bed->log), "hook 'a': no newline0123");
    ASSERT_CONTAINS(buf_str(&bed->log), "the rest of its output is left out");
    ASSERT_CONTAINS(buf_str(&bed->log), "hook 'a' has run for 'default/web-tls'");
    for (const char *p = buf_str(&bed->log); (p = strstr(p, "0123456789012")); p += 40)
        lines++;
    ASSERT_TRUE(lines <= 64 * 1024 / 41 + 1);
    bed_free(bed);
}

/* The clock of these is real, because a child's is. */
static void use_real_clock(struct bed *bed, int64_t timeout_ms)
{
    hooks_free(bed->hooks);
    bed->ctx = context_background(clock_system());
    bed->timeout_ms = timeout_ms;
    open_hooks(bed);
}

/* A pipe that a program holds open tells when it, and all its children, have ended. */
static int open_pipe(struct bed *bed)
{
    cleanup(xfree) char *path = xasprintf("%s/pipe", bed->root);
    int fd;

    ASSERT_EQ(mkfifo(path, 0600), 0);
    fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    ASSERT_TRUE(fd >= 0);
    return fd;
}

static void wait_for_all_to_end(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};

    ASSERT_EQ(poll(&ready, 1, 60000), 1);
    ASSERT_TRUE(ready.revents & POLLHUP);
}

TEST(a_program_that_does_not_end_in_time_is_ended_with_its_children)
{
    struct bed *bed = bed_new();
    int fd = open_pipe(bed);

    use_real_clock(bed, 3000); /* it has opened the pipe by then, on a busy machine, too */
    put_hook(bed, "a", "exec 9>${OUT%out}pipe; tail -f /dev/null >&9 & wait");
    want(bed, 1);
    (void)hooks_run_due(bed->hooks, &bed->ctx);
    ASSERT_CONTAINS(failures_of(bed), "ended after 3s, as --hook-timeout says");
    wait_for_all_to_end(fd);
    (void)close(fd);
    bed_free(bed);
}

TEST(a_program_that_leaves_a_daemon_behind_does_not_keep_us)
{
    struct bed *bed = bed_new();
    int fd = open_pipe(bed);
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    cleanup(xfree) char *pid = NULL;
    int64_t number = 0;

    use_real_clock(bed, SECONDS(20));
    put_hook(bed, "a", "exec 9>${OUT%out}pipe; tail -f /dev/null >&9 & echo $! >$OUT");
    want(bed, 1);
    ASSERT_EQ(hooks_run_due(bed->hooks, &bed->ctx), 0);
    ASSERT_EQ(state_of(bed).failed, 0);
    ASSERT_EQ(poll(&ready, 1, 0), 0); /* it runs */
    pid = output(bed);
    pid[strcspn(pid, "\n")] = '\0';
    ASSERT_EQ(str_parse_int(pid, 2, INT32_MAX, &number), 0);
    (void)kill((pid_t)number, SIGKILL);
    wait_for_all_to_end(fd);
    (void)close(fd);
    bed_free(bed);
}

struct running {
    struct bed *bed;
    struct context ctx;
};

static void run(void *arg)
{
    struct running *running = arg;

    hooks_run(running->bed->hooks, &running->ctx);
}

TEST(the_cancel_ends_a_running_program_which_is_due_again)
{
    struct bed *bed = bed_new();
    cleanup(cancel_unref) struct cancel *cancel = cancel_new();
    cleanup(xfree) char *pipe = xasprintf("%s/pipe", bed->root);
    struct running running = {.bed = bed};
    struct thread *thread = NULL;
    struct err err = {};
    char ready;
    int fd;

    use_real_clock(bed, SECONDS(60));
    running.ctx = context_with_cancel(&bed->ctx, cancel);
    ASSERT_EQ(mkfifo(pipe, 0600), 0);
    put_hook(bed, "a", "echo >${OUT%out}pipe; tail -f /dev/null");
    ASSERT_OK(thread_start("hooks", run, &running, &thread, &err));
    want(bed, 1);
    fd = open(pipe, O_RDONLY); /* waits until it runs */
    ASSERT_EQ(read(fd, &ready, 1), 1);
    (void)close(fd);
    ASSERT_EQ(state_of(bed).due, 1);
    cancel_fire(cancel);
    thread_join(thread);
    ASSERT_EQ(state_of(bed).failed, 0);
    ASSERT_EQ(state_of(bed).due, 1);
    bed_free(bed);
}

RUN_TESTS(cmocka_unit_test(programs_run_once_for_each_new_data_in_order_of_name),
          cmocka_unit_test(a_program_gets_the_named_environment_and_nothing_else_of_ours),
          cmocka_unit_test(each_program_that_failed_is_told_and_why),
          cmocka_unit_test(a_failure_is_tried_again_after_a_minute_doubling_to_an_hour),
          cmocka_unit_test(newer_data_does_not_wait_for_the_retry_of_older),
          cmocka_unit_test(what_was_taken_is_known_after_a_restart),
          cmocka_unit_test(what_gone_certificates_took_is_forgotten),
          cmocka_unit_test(a_broken_memory_means_that_programs_run_again),
          cmocka_unit_test(without_programs_nothing_is_due_or_written),
          cmocka_unit_test(hidden_files_and_what_is_not_executable_do_not_run),
          cmocka_unit_test(a_program_that_others_may_write_is_refused_and_the_next_one_runs),
          cmocka_unit_test(folders_that_others_may_write_are_refused),
          cmocka_unit_test(a_program_of_another_user_is_refused),
          cmocka_unit_test(a_program_that_cannot_be_started_is_a_failure),
          cmocka_unit_test(output_is_logged_by_lines_cleaned_and_bounded),
          cmocka_unit_test(a_program_that_does_not_end_in_time_is_ended_with_its_children),
          cmocka_unit_test(a_program_that_leaves_a_daemon_behind_does_not_keep_us),
          cmocka_unit_test(the_cancel_ends_a_running_program_which_is_due_again));
