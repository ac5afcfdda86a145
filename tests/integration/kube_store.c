/* kube_store.c - reads options, opens what both subcommands need. */
#include "integration/kube_store.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"

#define USAGE                                                                                      \
    "usage: kube_store suite|console [--kubeconfig FILE] [--context NAME]\n"                       \
    "           [--service-account FOLDER] [--compact-url URL]\n"                                  \
    "           [--strict] [--dry-run] [--idle-s N] [--interval-s N] [--unacked-ms N] [--watch-s N] [-v]\n"

struct options {
    struct kube_config_options config;
    struct http_options http;
    const char *compact_url;
    int watch_seconds;
    bool strict, dry_run, verbose;
};

/* Options with a value: where it goes. */
static const char **text_of(struct options *options, const char *name)
{
    if (streq(name, "--kubeconfig"))
        return &options->config.kubeconfig;
    if (streq(name, "--context"))
        return &options->config.context;
    if (streq(name, "--service-account"))
        return &options->config.service_account;
    return streq(name, "--compact-url") ? &options->compact_url : NULL;
}

static int *number_of(struct options *options, const char *name)
{
    if (streq(name, "--idle-s"))
        return &options->http.keepalive_idle_s;
    if (streq(name, "--interval-s"))
        return &options->http.keepalive_interval_s;
    if (streq(name, "--watch-s"))
        return &options->watch_seconds;
    return streq(name, "--unacked-ms") ? &options->http.unacked_max_ms : NULL;
}

static bool *flag_of(struct options *options, const char *name)
{
    if (streq(name, "--strict"))
        return &options->strict;
    if (streq(name, "--dry-run"))
        return &options->dry_run;
    return streq(name, "-v") ? &options->verbose : NULL;
}

static bool take_value(struct options *options, const char *name, const char *value)
{
    const char **text = text_of(options, name);
    int *number = number_of(options, name);
    int64_t parsed;

    if (text)
        *text = value;
    else if (number && str_parse_int(value, 1, 1000000, &parsed) == 0)
        *number = (int)parsed;
    else
        return false;
    return true;
}

static bool parse(int argc, char **argv, struct options *options)
{
    for (int i = 2; i < argc; i++) {
        bool *flag = flag_of(options, argv[i]);

        if (flag)
            *flag = true;
        else if (i + 1 == argc || !take_value(options, argv[i], argv[i + 1]))
            return false;
        else
            i++;
    }
    return true;
}

static int run(const struct options *options, int (*subcommand)(const struct kube_server *server),
               int *ret_exit, struct err *err)
{
    cleanup(kube_config_free) struct kube_config *config = NULL;
    cleanup(http_free) struct http *http = NULL;
    struct kube_server server = {.compact_url = options->compact_url};
    int r = kube_config_load(&options->config, &config, err);

    if (r == 0)
        r = http_new(&options->http, &http, err);
    if (r < 0)
        return r;
    server.config = config;
    server.http = http;
    server.options = (struct store_kube_options){.config = config,
                                                 .http = http,
                                                 .clock = clock_system(),
                                                 .strict = options->strict,
                                                 .dry_run = options->dry_run,
                                                 .watch_seconds = (unsigned)options->watch_seconds};
    *ret_exit = subcommand(&server);
    return 0;
}

int main(int argc, char **argv)
{
    struct options options = {.http.user_agent = "kube_store/0 (test) kubernetes/0"};
    bool suite = argc > 1 && streq(argv[1], "suite");
    struct err err = {};
    int status = 0;

    if (argc < 2 || (!suite && !streq(argv[1], "console")) || !parse(argc, argv, &options)) {
        (void)fprintf(stderr, USAGE);
        return 2;
    }
    log_setup(options.verbose ? LOG_DEBUG : LOG_WARNING, LOG_TEXT, clock_system());
    if (run(&options, suite ? kube_suite : kube_console, &status, &err) < 0) {
        (void)fprintf(stderr, "kube_store: %s\n", err.text);
        return 1;
    }
    return status;
}
