/*
 * engine.h - what `certlet run` and `certlet controller` are both made of: signals, network, solvers,
 * reconcilers, and what is asked of them over HTTP. Whoever starts one opens the store and sets it.
 *
 * An engine belongs to the main thread.
 */
#ifndef CERTLET_ENGINE_H
#define CERTLET_ENGINE_H

#include "controller/controllers.h"
#include "dns/dns.h"
#include "options.h"
#include "server/server.h"
#include "solver/http01.h"

struct engine_flags {
    struct strlist dns01_nameservers, http01_nameservers, copied_annotation_prefixes;
    bool dns01_recursive_only, owner_ref;
    int64_t dns01_check_retry_ms;
    const char *http01_listen, *http01_webroot;
    int64_t http01_port;
    const char *resource_namespace;
    int64_t workers, max_challenges;
    int64_t backoff_min_ms, backoff_max_ms;
    const char *account_key_type, *events;
    const char *metrics_address;
    int64_t verbosity;
    const char *logging_format;
};

/* A row of an option table with its value in `flags`, a pointer that is in scope. */
#define FLAG(name_, type_, field_, ...)                                                            \
    {                                                                                              \
        .name = name_, .type = OPTION_##type_, .target = &flags->field_, __VA_ARGS__               \
    }

/* The rows that both commands have, `flags` being one that has an `engine`. */
#define ENGINE_FLAGS                                                                                            \
    FLAG(                                                                                                       \
        "dns01-recursive-nameservers", LIST, engine.dns01_nameservers, .value = "HOST:PORT,...",                \
        .help =                                                                                                 \
            "DNS servers for zone look-ups and checks; https:// for DoH (default: those of /etc/resolv.conf)"), \
        FLAG("dns01-recursive-nameservers-only", SWITCH, engine.dns01_recursive_only,                           \
             .help = "ask only these, not the authoritative servers"),                                          \
        FLAG("dns01-check-retry-period", DURATION, engine.dns01_check_retry_ms,                                 \
             .value = "DURATION", .default_text = "10s",                                                        \
             .help = "longest time between two self-checks of a challenge"),                                    \
        FLAG("acme-http01-solver-nameservers", LIST, engine.http01_nameservers,                                 \
             .value = "HOST:PORT,...",                                                                          \
             .help = "DNS servers for the self-check of HTTP-01 (default: the system's)"),                      \
        FLAG("cluster-resource-namespace", TEXT, engine.resource_namespace, .value = "NAMESPACE",               \
             .default_text = "kube-system", .help = "where the Secrets of a ClusterIssuer are"),                \
        FLAG("concurrent-workers", NUMBER, engine.workers, .value = "N", .default_text = "5",                   \
             .help = "workers for each kind of object"),                                                        \
        FLAG("max-concurrent-challenges", NUMBER, engine.max_challenges, .value = "N",                          \
             .default_text = "60", .help = "challenges presented at a time"),                                   \
        FLAG("certificate-request-minimum-backoff-duration", DURATION, engine.backoff_min_ms,                   \
             .value = "DURATION", .default_text = "1h",                                                         \
             .help = "first wait after a failed issuance; shorter for short-lived certificates"),               \
        FLAG("certificate-request-maximum-backoff-duration", DURATION, engine.backoff_max_ms,                   \
             .value = "DURATION", .default_text = "32h",                                                        \
             .help = "longest wait after failed issuances"),                                                    \
        FLAG("copied-annotation-prefixes", LIST, engine.copied_annotation_prefixes,                             \
             .value = "PREFIX,...",                                                                             \
             .default_text = "*,-kubectl.kubernetes.io/,-fluxcd.io/,-argocd.argoproj.io/",                      \
             .help = "annotations of a Certificate that its request gets"),                                     \
        FLAG("enable-certificate-owner-ref", SWITCH, engine.owner_ref,                                          \
             .help = "a removed Certificate takes its Secret with it"),                                         \
        FLAG("account-key-type", CHOICE, engine.account_key_type, .choices = "rsa|ecdsa",                       \
             .default_text = "rsa",                                                                             \
             .help = "new ACME account keys: RSA-2048 as cert-manager's, or P-256"),                            \
        FLAG("events", CHOICE, engine.events, .choices = "default|all", .default_text = "default",              \
             .help = "which events are recorded"),                                                              \
        FLAG("v", NUMBER, engine.verbosity, .letter = 'v', .value = "N", .default_text = "0",                   \
             .help = "verbosity: 4 and more is debug"),                                                         \
        FLAG("logging-format", CHOICE, engine.logging_format, .choices = "text|json",                           \
             .default_text = "text", .help = "form of log lines")

/* What one flag alone cannot tell. EXIT_OK, or EXIT_USAGE after saying why. */
int engine_flags_check(const struct usage *usage, const struct engine_flags *flags);
void engine_flags_deinit(struct engine_flags *flags);

struct engine { /* in order of setting up; torn down the other way round */
    const struct engine_flags *flags;
    struct context ctx;
    int signal_fd, wake_fd;
    struct metrics *metrics;
    struct store *store; /* of who starts the engine; closed with it */
    struct http *http;
    struct dns *dns;
    struct server *server;
    struct server_listener *metrics_listener;
    struct http01 *http01;
    struct solvers solvers;
    struct accounts *accounts;
    struct controllers *controllers;
    struct start_guard *guard; /* while things start: a signal ends what takes long */
    bool is_listing;           /* the manager has threads */
};

/* Logging, signals, metrics; zeroes nothing: `self` is as ENGINE says. */
#define ENGINE(flags_)                                                                             \
    {                                                                                              \
        .flags = flags_, .signal_fd = -1, .wake_fd = -1                                            \
    }
int engine_init(struct engine *self, struct err *err);
/* From here on the first signal fires the guard's cancel, and stays in signal_fd. */
int engine_guard_start(struct engine *self, struct err *err);
void engine_guard_end(struct engine *self);
struct context engine_guarded(const struct engine *self); /* ends with the guard's cancel */
int engine_setup_network(struct engine *self, struct err *err);
/* `options` are completed from the flags. */
int engine_setup_controllers(struct engine *self, struct controllers_options options,
                             struct err *err);
/* Reads the first lists, so that reconcilers can start. */
int engine_list(struct engine *self, struct err *err);
/* What takes no time and is done now and then while the engine runs. */
#define ENGINE_TIDY_MS MINUTES(1)
void engine_tidy(struct engine *self, int64_t *last_ms);
/* Lets a second signal through, stops the reconcilers and saves what they keep. */
void engine_stop(struct engine *self);
void engine_deinit(struct engine *self);

/* --- waiting --- */

enum woken { WOKEN_BY_CHANGE, WOKEN_BY_SIGNAL, WOKEN_BY_TIME };
/* `at_changes`: engine_wake() counts, too. */
enum woken engine_wait(struct engine *self, bool at_changes, int64_t at_most_ms);
void engine_wake(const struct engine *self); /* any thread */

#endif
