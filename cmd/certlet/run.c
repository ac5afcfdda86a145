/*
 * run.c - certlet run DIR: parse, set up, run, tear down.
 *
 * What happens to a Certificate is in pkg/controller: manifests.c takes it into the store, the
 * reconcilers of table.c make it true, export.c writes the files. This file only waits: for signals,
 * and with --once for the moment in which nothing is left to do.
 */
#include "run.h"

#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/log.h"
#include "command.h"
#include "controller/once.h"
#include "controller/report.h"
#include "options.h"
#include "progress.h"

#define ONCE_TIMEOUT_MS MINUTES(5)
#define ONCE_LOOK_MS    250 /* safety; changes wake it */
#define TIDY_MS         MINUTES(1)

/* --- --once --- */

static bool nothing_left(struct run *run)
{
    struct once_view view;

    once_look(run->controllers, &view);
    return once_is_done(&view);
}

static size_t print_unfinished(const struct report *report, int64_t now_ms)
{
    size_t count = 0;

    for (size_t i = 0; i < report->certificate_count; i++) {
        cleanup(buf_deinit) struct buf line = BUF(16 * 1024);

        if (certificate_row_is_fine(&report->certificates[i], now_ms))
            continue;
        certificate_row_explain(&report->certificates[i], &line);
        (void)fprintf(stderr, "certlet: %s\n", buf_str(&line));
        count++;
    }
    for (size_t i = 0; count > 0 && i < report->issuer_count; i++) {
        const struct issuer_row *issuer = &report->issuers[i];

        if (!streq(issuer->ready, "True"))
            (void)fprintf(stderr, "certlet: %s %s is not ready: %s\n", issuer->kind, issuer->name,
                          str_or(issuer->message, "it has not been looked at"));
    }
    return count;
}

/* One line for everything that is not as it should be, and the exit code. */
static int conclude_once(struct run *run, bool timed_out)
{
    cleanup(report_deinit) struct report report = {};
    struct export_state state;
    struct err err = {};
    size_t unfinished, refused = __atomic_load_n(&run->manifest_errors, __ATOMIC_RELAXED);

    if (report_load(run->store, &run->ctx, &report, &err) < 0) {
        (void)fprintf(stderr, "certlet run: %s\n", err.text);
        return EXIT_STORE;
    }
    unfinished = print_unfinished(&report, context_now_ms(&run->ctx));
    export_state(run->export, &state);
    if (timed_out)
        (void)fprintf(stderr, "certlet: --timeout has passed before everything was done\n");
    if (state.first_failure[0])
        (void)fprintf(stderr, "certlet: %s\n", state.first_failure);
    if (refused > 0)
        (void)fprintf(stderr, "certlet: %zu problem(s) in manifests, see above\n", refused);
    return timed_out || unfinished > 0 || state.first_failure[0] || refused > 0 ? EXIT_NOT_READY
                                                                                : EXIT_OK;
}

/* --- waiting --- */

enum woken { WOKEN_BY_CHANGE, WOKEN_BY_SIGNAL, WOKEN_BY_TIME };

static enum woken wait_for(struct run *run, int64_t at_most_ms)
{
    struct pollfd fds[] = {{.fd = run->signal_fd, .events = POLLIN},
                           {.fd = run->wake_fd, .events = POLLIN}};
    uint64_t count;

    if (poll(fds, run->flags.once ? 2 : 1, (int)at_most_ms) <= 0)
        return WOKEN_BY_TIME;
    if (fds[0].revents)
        return WOKEN_BY_SIGNAL;
    if (read(run->wake_fd, &count, sizeof(count)) < 0)
        return WOKEN_BY_TIME; /* somebody else has taken it */
    return WOKEN_BY_CHANGE;
}

/* glibc gives back only what is free at the end of a heap. */
static void give_memory_back(void)
{
#ifdef __GLIBC__
    (void)malloc_trim(0); /* nothing to give is no fault */
#endif
}

static void tidy(struct run *run, int64_t *last_ms)
{
    int64_t now_ms = clock_monotonic_ms(run->ctx.clock);

    if (now_ms - *last_ms < TIDY_MS)
        return;
    *last_ms = now_ms;
    accounts_save_gates(run->accounts, run->store, &run->ctx, false);
    give_memory_back();
}

static int run_forever(struct run *run)
{
    /* The first time soon after the start, which leaves most behind. */
    int64_t tidied_ms = clock_monotonic_ms(run->ctx.clock) - TIDY_MS / 2;

    while (wait_for(run, TIDY_MS / 2) != WOKEN_BY_SIGNAL)
        tidy(run, &tidied_ms);
    return EXIT_OK;
}

static int run_once(struct run *run)
{
    int64_t timeout_ms = run->flags.timeout_ms ? run->flags.timeout_ms : ONCE_TIMEOUT_MS;
    struct context limit = context_with_timeout(&run->ctx, timeout_ms);
    struct progress progress;
    bool timed_out = false;

    progress_start(&progress);
    while (!nothing_left(run)) {
        timed_out = context_remaining_ms(&limit, 0) == 0;
        if (timed_out || wait_for(run, ONCE_LOOK_MS) == WOKEN_BY_SIGNAL)
            break;
        progress_draw(&progress, run->controllers);
    }
    progress_end(&progress);
    return conclude_once(run, timed_out);
}

/* --- parse --- */

static const char about[] =
    "Keeps the certificates of the manifests in DIR/manifests: issues, renews, writes them to DIR/tls and runs\n"
    "the programs in DIR/hooks/deploy.d after a change. DIR is made if it does not exist.\n"
    "\n"
    "Exit codes: 0 all is well; 1 with --once: not every Certificate is ready, one line for each says why;\n"
    "2 wrong usage; 3 another process works on DIR; 4 DIR or its state.db cannot be used; 130 stopped by a\n"
    "second signal.";

#define F(name_, type_, field_, ...)                                                               \
    {                                                                                              \
        .name = name_, .type = OPTION_##type_, .target = &flags->field_, __VA_ARGS__               \
    }

static int parse(int argc, char **argv, struct run_flags *flags)
{
    const struct option options[] = {
        F("once", SWITCH, once, .help = "end when nothing is left to do now"),
        F("timeout", DURATION, timeout_ms, .value = "DURATION",
          .help = "with --once: end after this at the latest (default 5m)"),
        F("dns01-recursive-nameservers", LIST, dns01_nameservers, .value = "HOST:PORT,...",
          .help =
              "DNS servers for zone look-ups and checks; https:// for DoH (default: those of /etc/resolv.conf)"),
        F("dns01-recursive-nameservers-only", SWITCH, dns01_recursive_only,
          .help = "ask only these, not the authoritative servers"),
        F("dns01-check-retry-period", DURATION, dns01_check_retry_ms, .value = "DURATION",
          .default_text = "10s", .help = "longest time between two self-checks of a challenge"),
        F("acme-http01-solver-nameservers", LIST, http01_nameservers, .value = "HOST:PORT,...",
          .help = "DNS servers for the self-check of HTTP-01 (default: the system's)"),
        F("http01-listen", TEXT, http01_listen, .value = "ADDRESS", .default_text = ":80",
          .help = "where HTTP-01 challenges are answered, bound only while needed"),
        F("http01-webroot", TEXT, http01_webroot, .value = "FOLDER",
          .help =
              "write HTTP-01 answers below the web root of a server that runs already, instead of answering"),
        F("http01-self-check-port", NUMBER, http01_port, .default_text = "80", .help = "for tests",
          .hidden = true),
        F("cluster-resource-namespace", TEXT, resource_namespace, .value = "NAMESPACE",
          .default_text = "kube-system", .help = "where the Secrets of a ClusterIssuer are"),
        F("concurrent-workers", NUMBER, workers, .value = "N", .default_text = "5",
          .help = "workers for each kind of object"),
        F("max-concurrent-challenges", NUMBER, max_challenges, .value = "N", .default_text = "60",
          .help = "challenges presented at a time"),
        F("certificate-request-minimum-backoff-duration", DURATION, backoff_min_ms,
          .value = "DURATION", .default_text = "1h",
          .help = "first wait after a failed issuance; shorter for short-lived certificates"),
        F("certificate-request-maximum-backoff-duration", DURATION, backoff_max_ms,
          .value = "DURATION", .default_text = "32h",
          .help = "longest wait after failed issuances"),
        F("copied-annotation-prefixes", LIST, copied_annotation_prefixes, .value = "PREFIX,...",
          .default_text = "*,-kubectl.kubernetes.io/,-fluxcd.io/,-argocd.argoproj.io/",
          .help = "annotations of a Certificate that its request gets"),
        F("enable-certificate-owner-ref", SWITCH, owner_ref,
          .help = "a removed Certificate takes its Secret with it"),
        F("account-key-type", CHOICE, account_key_type, .choices = "rsa|ecdsa",
          .default_text = "rsa",
          .help = "new ACME account keys: RSA-2048 as cert-manager's, or P-256"),
        F("events", CHOICE, events, .choices = "default|all", .default_text = "default",
          .help = "which events are recorded"),
        F("tls-mode", TEXT, tls_mode, .value = "MODE", .default_text = "0600",
          .help = "mode of the files in DIR/tls"),
        F("tls-group", TEXT, tls_group, .value = "GROUP",
          .help = "group of the files in DIR/tls (default: ours)"),
        F("hook-timeout", DURATION, hook_timeout_ms, .value = "DURATION", .default_text = "5m",
          .help = "time that a hook has"),
        F("metrics-listen-address", TEXT, metrics_address, .value = "ADDRESS",
          .help = "serve /metrics, /livez and /readyz there (default: nowhere)"),
        F("v", NUMBER, verbosity, .letter = 'v', .value = "N", .default_text = "0",
          .help = "verbosity: 4 and more is debug"),
        F("logging-format", CHOICE, logging_format, .choices = "text|json", .default_text = "text",
          .help = "form of log lines"),
        {},
    };
    const struct usage usage = {
        .synopsis = "certlet run DIR [flags]", .about = about, .options = options};
    cleanup(xfree) const char **positional = NULL;
    size_t count = 0;

    switch (options_parse(&usage, argc, argv, &positional, &count)) {
    case OPTIONS_HELP:
        return -1;
    case OPTIONS_BAD:
        return EXIT_USAGE;
    case OPTIONS_OK:
        break;
    }
    if (count != 1)
        return usage_error(
            &usage, count ? "one DIR is enough, '%s' is too much" : "which folder? give DIR%s",
            count ? positional[1] : "");
    if (flags->backoff_max_ms < flags->backoff_min_ms)
        return usage_error(&usage, "the maximum back-off is shorter than the minimum");
    if (flags->workers < 1 || flags->workers > 1000)
        return usage_error(&usage, "flag '--concurrent-workers' must be between 1 and 1000");
    if (flags->max_challenges < 1)
        return usage_error(&usage, "flag '--max-concurrent-challenges' must be at least 1");
    if (flags->http01_port < 1 || flags->http01_port > UINT16_MAX)
        return usage_error(&usage, "flag '--http01-self-check-port' must be a port");
    if (flags->timeout_ms > 0 && !flags->once)
        return usage_error(&usage, "flag '--timeout' goes with '--once'");
    flags->dir = positional[0];
    return EXIT_OK;
}

static void flags_deinit(struct run_flags *flags)
{
    strlist_deinit(&flags->dns01_nameservers);
    strlist_deinit(&flags->http01_nameservers);
    strlist_deinit(&flags->copied_annotation_prefixes);
}

int command_run(int argc, char **argv)
{
    struct run run = {.lock_fd = -1, .signal_fd = -1, .wake_fd = -1};
    struct err err = {};
    int code = parse(argc, argv, &run.flags);

    if (code != EXIT_OK) {
        flags_deinit(&run.flags);
        return code < 0 ? EXIT_OK : code;
    }
    run.ctx = context_background(clock_system());
    code = run_setup(&run, &err);
    if (code == EXIT_OK)
        code = run.flags.once ? run_once(&run) : run_forever(&run);
    else if (code == RUN_STOPPED)
        code = run.flags.once ? EXIT_NOT_READY : EXIT_OK;
    else
        (void)fprintf(stderr, "certlet run: %s\n", err.text);
    run_teardown(&run);
    flags_deinit(&run.flags);
    return code;
}
