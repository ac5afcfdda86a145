#include "support/testing.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/child.h"
#include "base/str.h"

#define LONG_MS  SECONDS(60) /* nobody waits for it */
#define SHORT_MS 100

/* What a test hears, and what it does then. */
struct ear {
    struct buf heard;
    const char *cancel_at; /* what was heard ends so: fire the cancel */
    struct cancel *cancel;
};

static char *const plain_environment[] = {(char *)"PATH=/usr/bin:/bin", NULL};
static struct ear ear;
static struct context ctx; /* real time, because a child's is */
static struct child child; /* sh with a script; a test changes it before the run */
static char *arguments[4];

static bool hear(void *arg, const char *data, size_t len)
{
    ASSERT_PTREQ(arg, &ear);
    buf_add(&ear.heard, data, len);
    if (ear.cancel_at && strstr(buf_str(&ear.heard), ear.cancel_at))
        cancel_fire(ear.cancel);
    return ear.heard.failed;
}

static int setup(void **state)
{
    ear = (struct ear){.heard = BUF(1 << 20), .cancel = cancel_new()};
    ctx = context_background(clock_system());
    ctx.cancel = ear.cancel;
    arguments[0] = (char *)"sh";
    arguments[1] = (char *)"-c";
    child = (struct child){.program = "/bin/sh",
                           .called = "the test's",
                           .arguments = arguments,
                           .environment = plain_environment,
                           .timeout_ms = LONG_MS,
                           .grace_ms = LONG_MS,
                           .output = hear,
                           .arg = &ear};
    return 0;
}

static int teardown(void **state)
{
    buf_deinit(&ear.heard);
    cancel_unref(take(ear.cancel));
    return 0;
}

/* However it ends, it is reaped. */
static struct child_end run(const char *script)
{
    struct child_end end = {};
    struct err err = {};

    arguments[2] = (char *)script;
    ASSERT_OK(child_run(&ctx, &child, &end, &err));
    ASSERT_EQ(waitpid(-1, NULL, WNOHANG), -1);
    ASSERT_EQ(errno, ECHILD);
    return end;
}

#define ASSERT_HEARD(text) ASSERT_STREQ(buf_str(&ear.heard), text)

static int64_t heard_number(void)
{
    int64_t number = 0;

    ear.heard.data[strcspn(ear.heard.data, "\n")] = '\0';
    ASSERT_EQ(str_parse_int(ear.heard.data, 2, INT32_MAX, &number), 0);
    return number;
}

/* --- how it ends --- */

TEST(one_that_ends_by_itself_tells_its_status_or_signal)
{
    static const struct {
        const char *script;
        enum child_how how;
        int number;
    } rows[] = {
        {"exit 0", CHILD_EXITED, 0},
        {"exit 3", CHILD_EXITED, 3},
        {"exit 255", CHILD_EXITED, 255},
        {"kill -TERM $$", CHILD_KILLED, SIGTERM},
        {"kill -KILL $$", CHILD_KILLED, SIGKILL},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct child_end end;

        CASE(rows[i].script);
        end = run(rows[i].script);
        ASSERT_EQ(end.how, rows[i].how);
        ASSERT_EQ(end.number, rows[i].number);
    }
}

TEST(one_that_cannot_be_started_is_named)
{
    static const struct {
        const char *program;
        bool search_path;
        int code;
    } rows[] = {
        {"/no/such/program", false, ERR_NOT_FOUND},
        {"no-such-program-anywhere", true, ERR_NOT_FOUND},
        {"sh", false, ERR_NOT_FOUND}, /* no $PATH without being asked for */
        {"/dev/null", false, ERR_DENIED},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct child_end end = {.number = 77};
        struct err err = {};

        CASE(rows[i].program);
        child.program = rows[i].program;
        child.search_path = rows[i].search_path;
        ASSERT_ERR(rows[i].code, child_run(&ctx, &child, &end, &err));
        ASSERT_CONTAINS(err.text, "starting the test's: ");
        ASSERT_EQ(end.number, 77);
    }
}

TEST(a_name_is_looked_for_in_the_path_when_asked_for)
{
    child.program = "sh";
    child.search_path = true;
    ASSERT_EQ(run("exit 5").number, 5);
}

TEST(the_deadline_ends_it)
{
    child.timeout_ms = SHORT_MS;
    ASSERT_EQ(run("exec tail -f /dev/null").how, CHILD_TIMED_OUT);
}

TEST(a_clock_that_stands_still_does_not_make_it_endless)
{
    struct fake_clock fake;

    fake_clock_init(&fake, 0);
    ctx.clock = &fake.clock;
    child.timeout_ms = SHORT_MS;
    ASSERT_EQ(run("exec tail -f /dev/null").how, CHILD_TIMED_OUT);
}

/* In milliseconds more than an int holds, which is what poll() takes. */
TEST(a_deadline_of_months_does_not_come_at_once)
{
    struct fake_clock fake;

    fake_clock_init(&fake, 0);
    ctx.clock = &fake.clock;
    child.timeout_ms = INT64_C(1) << 32;
    ASSERT_EQ(run("exit 6").how, CHILD_EXITED);
}

TEST(the_cancel_ends_it_and_what_it_says_then_is_heard)
{
    struct child_end end;

    ear.cancel_at = "ready\n";
    end = run("trap 'echo bye; exit 9' TERM; echo ready; tail -f /dev/null & wait");
    ASSERT_EQ(end.how, CHILD_CANCELED);
    ASSERT_EQ(end.number, 0); /* of an end that was ours */
    ASSERT_HEARD("ready\nbye\n");
}

TEST(one_that_does_not_mind_sigterm_is_killed_after_its_grace)
{
    child.grace_ms = SHORT_MS;
    ear.cancel_at = "ready\n";
    ASSERT_EQ(run("trap '' TERM; echo ready; tail -f /dev/null").how, CHILD_CANCELED);
}

TEST(a_cancel_has_no_patience)
{
    int64_t begun_ms = clock_monotonic_ms(ctx.clock);

    ear.cancel_at = "ready\n";
    ASSERT_EQ(run("trap '' TERM; echo ready; tail -f /dev/null").how, CHILD_CANCELED);
    ASSERT_TRUE(clock_monotonic_ms(ctx.clock) - begun_ms < LONG_MS);
}

/* --- who else ends: tail looks whether somebody reads its standard output --- */

static char folder[64];

/* A pipe with a name in our folder: who holds it open lives. */
static int open_pipe(void)
{
    cleanup(xfree) char *path = NULL;
    int fd;

    (void)snprintf(folder, sizeof(folder), "/tmp/child-XXXXXX");
    ASSERT_TRUE(mkdtemp(folder));
    path = xasprintf("%s/pipe", folder);
    ASSERT_EQ(mkfifo(path, 0600), 0);
    fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    ASSERT_TRUE(fd >= 0);
    return fd;
}

static void remove_pipe(int fd)
{
    cleanup(xfree) char *path = xasprintf("%s/pipe", folder);

    ASSERT_EQ(close(fd), 0);
    ASSERT_EQ(unlink(path), 0);
    ASSERT_EQ(rmdir(folder), 0);
}

static void wait_for_all_to_end(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};

    ASSERT_EQ(poll(&ready, 1, (int)LONG_MS), 1);
    ASSERT_TRUE(ready.revents & POLLHUP);
}

TEST(its_children_end_with_it)
{
    int fd = open_pipe();
    cleanup(xfree) char *script = xasprintf(
        "exec 9>%s/pipe; (trap '' TERM; echo ready; exec tail -f /dev/null >&9) & wait", folder);

    ear.cancel_at = "ready\n";
    ASSERT_EQ(run(script).how, CHILD_CANCELED);
    wait_for_all_to_end(fd);
    remove_pipe(fd);
}

TEST(a_grandchild_that_keeps_the_output_open_is_not_waited_for)
{
    int fd = open_pipe();
    cleanup(xfree) char *script = xasprintf(
        "exec 9>%s/pipe; tail -f /dev/null >&9 & echo $!; exit 4", folder);
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    struct child_end end;

    child.with_stderr = true; /* which tail keeps */
    end = run(script);
    ASSERT_EQ(end.how, CHILD_EXITED);
    ASSERT_EQ(end.number, 4);
    ASSERT_EQ(poll(&ready, 1, 0), 0); /* and lives on */
    ASSERT_EQ(kill((pid_t)heard_number(), SIGKILL), 0);
    wait_for_all_to_end(fd);
    remove_pipe(fd);
}

/* Writes into the pipe of the grandchild whose number it hears first, a byte for each piece. */
static bool answer(void *arg, const char *data, size_t len)
{
    int *to = arg;

    if (*to < 0) {
        cleanup(xfree) char *path = NULL;

        (void)hear(&ear, data, len);
        path = xasprintf("/proc/%d/fd/2", (int)heard_number());
        *to = open(path, O_WRONLY | O_CLOEXEC);
    }
    ASSERT_EQ(write(*to, "x", 1), 1);
    return false;
}

TEST(a_grandchild_that_prints_without_end_is_not_waited_for)
{
    int to = -1;

    child.output = answer;
    child.arg = &to;
    child.with_stderr = true;
    ASSERT_EQ(run("tail -f /dev/null >/dev/null & echo $!; exit 4").number, 4);
    ASSERT_EQ(kill((pid_t)heard_number(), SIGKILL), 0);
    ASSERT_EQ(close(to), 0);
}

/* --- output --- */

static void wait_until_it_has_ended(void)
{
    siginfo_t info;

    ASSERT_EQ(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), 0);
}

static bool count(void *arg, const char *data, size_t len)
{
    *(size_t *)arg += len;
    return false;
}

static bool count_late(void *arg, const char *data, size_t len)
{
    wait_until_it_has_ended();
    return count(arg, data, len);
}

TEST(all_that_it_prints_is_heard)
{
    size_t total = 0;

    child.output = count;
    child.arg = &total;
    ASSERT_EQ(run("head -c 300000 /dev/zero").how, CHILD_EXITED);
    ASSERT_EQ(total, 300000);
}

TEST(what_is_in_the_pipe_when_it_ends_is_heard)
{
    size_t total = 0;

    child.output = count_late;
    child.arg = &total;
    ASSERT_EQ(run("head -c 20000 /dev/zero").how, CHILD_EXITED);
    ASSERT_EQ(total, 20000);
}

TEST(more_than_is_wanted_ends_it)
{
    ear.heard.max = 10000;
    ASSERT_EQ(run("exec yes").how, CHILD_ENOUGH);
    ASSERT_TRUE(ear.heard.len <= 10000);
}

/* yes ends when nobody reads any more. */
TEST(after_enough_nobody_listens)
{
    int64_t begun_ms = clock_monotonic_ms(ctx.clock);

    ear.heard.max = 4;
    ASSERT_EQ(run("trap 'exec yes' TERM; echo 12345; tail -f /dev/null & wait").how, CHILD_ENOUGH);
    ASSERT_TRUE(clock_monotonic_ms(ctx.clock) - begun_ms < LONG_MS);
    ASSERT_TRUE(ear.heard.failed);
    ASSERT_HEARD("");
}

static bool late_enough(void *arg, const char *data, size_t len)
{
    wait_until_it_has_ended();
    *(int *)arg += 1;
    return true;
}

TEST(enough_for_one_that_has_ended_by_itself_keeps_its_status)
{
    struct child_end end;
    int calls = 0;

    child.output = late_enough;
    child.arg = &calls;
    end = run("head -c 20000 /dev/zero; exit 3");
    ASSERT_EQ(end.how, CHILD_EXITED);
    ASSERT_EQ(end.number, 3);
    ASSERT_EQ(calls, 1);
}

TEST(standard_error_is_heard_when_asked_for)
{
    child.with_stderr = true;
    (void)run("echo out; echo wrong >&2");
    ASSERT_HEARD("out\nwrong\n");
}

TEST(standard_error_is_ours_otherwise)
{
    (void)run("[ /proc/self/fd/2 -ef /proc/$PPID/fd/2 ] && echo ours");
    ASSERT_HEARD("ours\n");
}

/* --- what it gets --- */

TEST(it_gets_no_descriptor_of_ours)
{
    int leaked = open("/dev/null", O_RDONLY); /* without O_CLOEXEC, as some library may do it */

    (void)run("ls /proc/self/fd | wc -l");
    ASSERT_HEARD("4\n"); /* three, and the one by which ls reads */
    (void)close(leaked);
}

TEST(it_gets_the_environment_that_was_given_and_no_other)
{
    char *const environment[] = {(char *)"PATH=/usr/bin:/bin", (char *)"COLOUR=blue", NULL};

    ASSERT_EQ(putenv((char *)"CERTLET_TEST_PASSWORD=hunter2"), 0);
    child.environment = environment;
    (void)run("echo $COLOUR $CERTLET_TEST_PASSWORD");
    ASSERT_HEARD("blue\n");
}

TEST(no_signal_is_blocked_or_ignored)
{
    sigset_t all, before;
    struct child_end end;

    ASSERT_EQ(sigfillset(&all), 0);
    ASSERT_EQ(sigprocmask(SIG_SETMASK, &all, &before), 0);
    (void)signal(SIGPIPE, SIG_IGN);
    end = run("kill -PIPE $$");
    (void)signal(SIGPIPE, SIG_DFL);
    ASSERT_EQ(sigprocmask(SIG_SETMASK, &before, NULL), 0);
    ASSERT_EQ(end.how, CHILD_KILLED);
    ASSERT_EQ(end.number, SIGPIPE);
}

/* The group is the fifth field: after the number, the name, the state and the parent. */
#define PRINT_GROUP "read a b c d group rest </proc/$$/stat; echo $group"

TEST(it_has_nothing_to_read_and_a_group_of_its_own)
{
    (void)run("cat; " PRINT_GROUP);
    ASSERT_TRUE(heard_number() != getpgrp());
}

/* Gives the child our standard input, which has `text`. What it was, to be given back. */
static int replace_input(const char *text)
{
    int before = fcntl(0, F_DUPFD_CLOEXEC, 3), ends[2];

    ASSERT_TRUE(before >= 0);
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    ASSERT_EQ(write(ends[1], text, strlen(text)), (ssize_t)strlen(text));
    ASSERT_EQ(close(ends[1]), 0);
    ASSERT_EQ(dup2(ends[0], 0), 0);
    ASSERT_EQ(close(ends[0]), 0);
    return before;
}

static void restore_input(int before)
{
    ASSERT_EQ(dup2(before, 0), 0);
    ASSERT_EQ(close(before), 0);
}

TEST(on_a_terminal_it_has_our_input_and_our_group)
{
    int before = replace_input("typed\n");
    cleanup(xfree) char *expected = xasprintf("typed\n%d\n", (int)getpgrp());

    child.on_terminal = true;
    (void)run("cat; " PRINT_GROUP);
    restore_input(before);
    ASSERT_HEARD(expected);
}

TEST(on_a_terminal_it_is_ended_without_us)
{
    child.on_terminal = true;
    ear.cancel_at = "ready\n";
    ASSERT_EQ(run("echo ready; exec tail -f /dev/null").how, CHILD_CANCELED);
}

#define CHILD_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

RUN_TESTS(CHILD_TEST(one_that_ends_by_itself_tells_its_status_or_signal),
          CHILD_TEST(one_that_cannot_be_started_is_named),
          CHILD_TEST(a_name_is_looked_for_in_the_path_when_asked_for),
          CHILD_TEST(the_deadline_ends_it),
          CHILD_TEST(a_clock_that_stands_still_does_not_make_it_endless),
          CHILD_TEST(a_deadline_of_months_does_not_come_at_once),
          CHILD_TEST(the_cancel_ends_it_and_what_it_says_then_is_heard),
          CHILD_TEST(one_that_does_not_mind_sigterm_is_killed_after_its_grace),
          CHILD_TEST(a_cancel_has_no_patience), CHILD_TEST(its_children_end_with_it),
          CHILD_TEST(a_grandchild_that_keeps_the_output_open_is_not_waited_for),
          CHILD_TEST(a_grandchild_that_prints_without_end_is_not_waited_for),
          CHILD_TEST(all_that_it_prints_is_heard),
          CHILD_TEST(what_is_in_the_pipe_when_it_ends_is_heard),
          CHILD_TEST(more_than_is_wanted_ends_it), CHILD_TEST(after_enough_nobody_listens),
          CHILD_TEST(enough_for_one_that_has_ended_by_itself_keeps_its_status),
          CHILD_TEST(standard_error_is_heard_when_asked_for),
          CHILD_TEST(standard_error_is_ours_otherwise), CHILD_TEST(it_gets_no_descriptor_of_ours),
          CHILD_TEST(it_gets_the_environment_that_was_given_and_no_other),
          CHILD_TEST(no_signal_is_blocked_or_ignored),
          CHILD_TEST(it_has_nothing_to_read_and_a_group_of_its_own),
          CHILD_TEST(on_a_terminal_it_has_our_input_and_our_group),
          CHILD_TEST(on_a_terminal_it_is_ended_without_us));
