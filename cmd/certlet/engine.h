/*
 * engine.h - what `certlet run` and `certlet controller` are both made of: signals, network, solvers,
 * reconcilers, and what is asked of them over HTTP. Whoever starts one opens the store and sets it.
 *
 * An engine belongs to the main thread.
 */
#ifndef CERTLET_ENGINE_H
#define CERTLET_ENGINE_H

#include "base/log.h"
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

/* The rows that both commands have stand in engine_flags.inc, for a `flags` that has an `engine`. */

/* What one flag alone cannot tell. EXIT_OK, or EXIT_USAGE after saying why. */
int engine_flags_check(const struct usage *usage, const struct engine_flags *flags);
void engine_flags_deinit(struct engine_flags *flags);

struct engine { /* in order of setting up; torn down the other way round */
    const struct engine_flags *flags;
    enum log_format text_format, json_format; /* what --logging-format=text and json are */
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
    int64_t stop_ms;           /* monotonic: when the stop began */
};

/* Logging, signals, metrics; zeroes nothing: `self` is as ENGINE says. */
#define ENGINE(flags_)                                                                             \
    {                                                                                              \
        .flags = flags_, .json_format = LOG_JSON, .signal_fd = -1, .wake_fd = -1                   \
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
/*
 * A stop as a whole has 3 s (DESIGN 4), though nobody answers any more. By when each part has ended, from the
 * start of the stop on; reconcilers under way have the first second. What is in time leaves more to the next.
 */
enum {
    STOP_GATES_MS = 1400,
    STOP_LEASE_MS = 2000,
    STOP_LEASE_EVENTS_MS = 2300,
    STOP_EVENTS_MS = 2600
};
/* Lets a second signal through, stops the reconcilers and saves what they keep. */
void engine_stop(struct engine *self);
int64_t engine_stop_left_ms(const struct engine *self, int64_t part_ms); /* not negative */
void engine_deinit(struct engine *self);

/* The answer to GET /metrics. */
void engine_answer_metrics(const struct engine *self, struct server_response *response);

/* --- waiting --- */

enum woken { WOKEN_BY_CHANGE, WOKEN_BY_SIGNAL, WOKEN_BY_TIME };
/* `at_changes`: engine_wake() counts, too. */
enum woken engine_wait(struct engine *self, bool at_changes, int64_t at_most_ms);
void engine_wake(const struct engine *self); /* any thread */

#endif
