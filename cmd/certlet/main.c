/*
 * main.c - certlet: the table of subcommands.
 *
 * To follow a certificate's life, go on in run.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/str.h"
#include "command.h"
#include "pki/pki.h"
#include "store/local.h"
#include "json/json.h"

static const struct command commands[] = {
    {"run", "keep the certificates of a folder of manifests", command_run},
    {"controller", "keep the certificates of a cluster", command_controller},
    {"status", "show the certificates of a folder or cluster", command_status},
    {"renew", "issue certificates anew now", command_renew},
    {"approve", "approve a certificate request", command_approve},
    {"deny", "deny a certificate request", command_deny},
    {"check", "check manifests without changing anything", command_check},
    {"plan", "say what would be issued anew, without doing it", command_plan},
    {"inspect", "say what a certificate file holds", command_inspect},
    {"version", "print the version", command_version},
};

bool program_is_plugin(void)
{
    return str_starts(program_invocation_short_name, "kubectl-");
}

const char *program_name(void)
{
    return program_is_plugin() ? "kubectl certlet" : "certlet";
}

static void print_help(FILE *to)
{
    const char *name = program_name();

    (void)fprintf(
        to,
        "certlet keeps TLS certificates true to manifests (cert-manager's API, with or without a cluster).\n\n"
        "usage: %s COMMAND [arguments]\n\n",
        name);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        (void)fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].help);
    (void)fprintf(to, "\n%s COMMAND --help says more; the manual is certlet(1).\n", name);
}

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (streq(commands[i].name, name))
            return &commands[i];
    }
    return NULL;
}

static int unknown(const char *name)
{
    (void)fprintf(stderr, "%s: there is no command '%s'; %s --help lists them\n", program_name(),
                  name, program_name());
    return EXIT_USAGE;
}

/* Threads that mostly wait need no heap of their own: what lies free in one is missing in the next.
 * Measured with 10,000 Certificates: 2 heaps take 4 MB less than as many as glibc likes, and no longer.
 * Left to itself glibc raises the size from which it maps memory, and after the second reading of 11 MB of
 * metrics keeps 35 MB in a heap. */
static void limit_heaps(void)
{
    /* A refusal costs nothing but memory. */
    (void)mallopt(M_ARENA_MAX, 2);
    (void)mallopt(M_MMAP_THRESHOLD, 128 * 1024);
}

#if defined(__SANITIZE_ADDRESS__)
#define IS_TRACED 1
#elif defined(__has_feature)
#define IS_TRACED __has_feature(address_sanitizer)
#else
#define IS_TRACED 0
#endif

/* Who starts us with one of them closed would have our words in the file that we open next. */
static void open_standard_streams(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR); /* handed on to children, as they are */
    while (fd >= 0 && fd <= STDERR_FILENO);
    fd_close(fd);
}

/* Keys are in memory: no core file, no debugger of the same user. The leak checker needs to trace us. */
static void protect_memory(void)
{
    struct rlimit none = {};

    (void)setrlimit(RLIMIT_CORE, &none);
    if (!IS_TRACED)
        (void)prctl(PR_SET_DUMPABLE, 0);
}

static int help_of(int argc, char **argv)
{
    char help[] = "--help";
    char *arguments[] = {argc > 0 ? argv[0] : NULL, help, NULL};
    const struct command *command;

    if (argc == 0) {
        print_help(stdout);
        return EXIT_OK;
    }
    command = find(argv[0]);
    return command ? command->run(2, arguments) : unknown(argv[0]);
}

static int run_command(int argc, char **argv)
{
    const struct command *command;

    if (!pki_setup()) { /* before anything uses OpenSSL: it then wipes what it frees */
        (void)fprintf(stderr, "certlet: setting up OpenSSL failed\n");
        return EXIT_STORE;
    }
    if (!store_local_setup()) {
        (void)fprintf(stderr, "certlet: setting up SQLite failed\n");
        return EXIT_STORE;
    }
    json_setup();
    limit_heaps();
    protect_memory();
    (void)signal(SIGPIPE, SIG_IGN);
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    if (streq(argv[1], "help"))
        return help_of(argc - 2, argv + 2);
    if (streq(argv[1], "--help") || streq(argv[1], "-h"))
        return help_of(0, NULL);
    if (streq(argv[1], "--version"))
        return command_version(1, argv + 1);
    command = find(argv[1]);
    return command ? command->run(argc - 1, argv + 1) : unknown(argv[1]);
}

static bool nobody_reads(void)
{
    struct pollfd output = {.fd = STDOUT_FILENO};

    return poll(&output, 1, 0) > 0 && output.revents & POLLERR;
}

/* A script must not take half of a report for all of it. Who reads but the first lines has what he wants. */
static int end_output(int code)
{
    if ((fflush(stdout) == 0 && !ferror(stdout)) || nobody_reads())
        return code;
    (void)fprintf(stderr, "certlet: standard output could not be written\n");
    return code == EXIT_OK ? EXIT_STORE : code;
}

int main(int argc, char **argv)
{
    open_standard_streams();
    return end_output(run_command(argc, argv));
}
