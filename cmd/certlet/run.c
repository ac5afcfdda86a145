/*
 * run.c - certlet run DIR: parse, set up, run, tear down.
 *
 * What happens to a Certificate is in pkg/controller: manifests.c takes it into the store, the
 * reconcilers of table.c make it true, export.c writes the files. This file only waits: for signals,
 * and with --once for the moment in which nothing is left to do.
 */
#include "run.h"

#include <stdio.h>

#include "command.h"
#include "controller/once.h"
#include "controller/report.h"
#include "options.h"
#include "progress.h"

#define ONCE_TIMEOUT_MS MINUTES(5)
#define ONCE_LOOK_MS    250 /* safety; changes wake it */

/* --- --once --- */

static bool nothing_left(struct run *run)
{
    struct once_view view;

    once_look(run->engine.controllers, &view);
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
    for (size_t i = 0; i < report->request_count; i++) {
        cleanup(buf_deinit) struct buf line = BUF(16 * 1024);

        if (report->requests[i].is_issued)
            continue;
        request_row_explain(&report->requests[i], &line);
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
    cleanup(strlist_deinit) struct strlist failures = {};
    cleanup(manifest_problems_deinit) struct manifest_problems problems = {};
    struct err err = {};
    size_t unfinished, refused = __atomic_load_n(&run->manifest_errors, __ATOMIC_RELAXED);

    if (report_load(run->engine.store, &run->engine.ctx, &report, &err) < 0) {
        (void)fprintf(stderr, "certlet run: %s\n", err.text);
        return EXIT_STORE;
    }
    manifests_problems(run->manifests, &problems);
    report_tell_refused(&report, &problems);
    unfinished = print_unfinished(&report, context_now_ms(&run->engine.ctx));
    export_failures(run->export, &failures);
    if (timed_out)
        (void)fprintf(stderr, "certlet: --timeout has passed before everything was done\n");
    for (size_t i = 0; i < failures.len; i++)
        (void)fprintf(stderr, "certlet: %s\n", failures.items[i]);
    if (refused > 0)
        (void)fprintf(stderr, "certlet: %zu problem(s) in manifests, see above\n", refused);
    return timed_out || unfinished > 0 || failures.len > 0 || refused > 0 ? EXIT_NOT_READY
                                                                          : EXIT_OK;
}

/* --- waiting --- */

static int run_forever(struct run *run)
{
    /* The first time soon after the start, which leaves most behind. */
    int64_t tidied_ms = clock_monotonic_ms(run->engine.ctx.clock) - ENGINE_TIDY_MS / 2;

    while (engine_wait(&run->engine, false, ENGINE_TIDY_MS / 2) != WOKEN_BY_SIGNAL)
        engine_tidy(&run->engine, &tidied_ms);
    return EXIT_OK;
}

static int run_once(struct run *run)
{
    int64_t timeout_ms = run->flags.timeout_ms ? run->flags.timeout_ms : ONCE_TIMEOUT_MS;
    struct context limit = context_with_timeout(&run->engine.ctx, timeout_ms);
    struct progress progress;
    bool timed_out = false;

    progress_start(&progress);
    while (!nothing_left(run)) {
        timed_out = context_remaining_ms(&limit, 0) == 0;
        if (timed_out || engine_wait(&run->engine, true, ONCE_LOOK_MS) == WOKEN_BY_SIGNAL)
            break;
        progress_draw(&progress, run->engine.controllers);
    }
    progress_end(&progress);
    return conclude_once(run, timed_out);
}

/* --- parse --- */

static const char about[] =
    "Keeps the certificates of the manifests in DIR/manifests: issues, renews, writes them to DIR/tls and runs\n"
    "the programs in DIR/hooks/deploy.d after a change. DIR is made if it does not exist.\n"
    "\n"
    "Exit codes: 0 all is well; 1 with --once: not every Certificate is ready, or a CertificateRequest of your own\n"
    "is not issued, or a hook failed or a manifest was refused; one line for each says why. 2 wrong usage;\n"
    "3 another process works on DIR; 4 DIR or its state.db cannot be used; 130 stopped by a second signal.";

/* OPTIONS_OK: run. */
static int parse(int argc, char **argv, struct run_flags *flags)
{
    const struct option options[] = {
        FLAG("once", SWITCH, once, .help = "end when nothing is left to do now"),
        FLAG("timeout", DURATION, timeout_ms, .value = "DURATION",
             .help = "with --once: end after this at the latest (default 5m)"),
#include "engine_flags.inc"
        FLAG("http01-listen", TEXT, engine.http01_listen, .value = "ADDRESS", .default_text = ":80",
             .help = "where HTTP-01 challenges are answered, bound only while needed"),
        FLAG(
            "http01-webroot", TEXT, engine.http01_webroot, .value = "FOLDER",
            .help =
                "write HTTP-01 answers below the web root of a server that runs already, instead of answering"),
        FLAG("http01-self-check-port", NUMBER, engine.http01_port, .default_text = "80",
             .help = "for tests", .hidden = true),
        FLAG("tls-mode", TEXT, tls_mode, .value = "MODE", .default_text = "0600",
             .help = "mode of the files in DIR/tls"),
        FLAG("tls-group", TEXT, tls_group, .value = "GROUP",
             .help = "group of the files in DIR/tls (default: ours)"),
        FLAG("hook-timeout", DURATION, hook_timeout_ms, .value = "DURATION", .default_text = "5m",
             .help = "time that a hook has"),
        FLAG("metrics-listen-address", TEXT, engine.metrics_address, .value = "ADDRESS",
             .help = "serve /metrics, /livez and /readyz there (default: nowhere)"),
        {},
    };
    const struct usage usage = {
        .synopsis = "certlet run DIR [flags]", .about = about, .options = options};
    cleanup(xfree) const char **positional = NULL;
    size_t count = 0;
    int code;

    code = options_parse(&usage, argc, argv, &positional, &count);
    if (code != OPTIONS_OK)
        return code;
    if (count != 1)
        return usage_error(
            &usage, count ? "one DIR is enough, '%s' is too much" : "which folder? give DIR%s",
            count ? positional[1] : "");
    if (engine_flags_check(&usage, &flags->engine) != EXIT_OK)
        return EXIT_USAGE;
    if (flags->engine.http01_port < 1 || flags->engine.http01_port > UINT16_MAX)
        return usage_error(&usage, "flag '--http01-self-check-port' must be a port");
    if (flags->timeout_ms > 0 && !flags->once)
        return usage_error(&usage, "flag '--timeout' goes with '--once'");
    flags->dir = positional[0];
    return OPTIONS_OK;
}

int command_run(int argc, char **argv)
{
    struct run run = {.lock_fd = -1, .engine = ENGINE(&run.flags.engine)};
    struct err err = {};
    int code = parse(argc, argv, &run.flags);

    if (code != OPTIONS_OK) {
        engine_flags_deinit(&run.flags.engine);
        return code;
    }
    code = run_setup(&run, &err);
    if (code == EXIT_OK)
        code = run.flags.once ? run_once(&run) : run_forever(&run);
    else if (code == RUN_STOPPED)
        code = run.flags.once ? EXIT_NOT_READY : EXIT_OK;
    else
        (void)fprintf(stderr, "certlet run: %s\n", err.text);
    run_teardown(&run);
    engine_flags_deinit(&run.flags.engine);
    return code;
}
