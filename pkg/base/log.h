/*
 * log.h - lines for people (text) or machines (json) on standard error. Any thread.
 *
 * Code below `runtime` logs at debug only: it returns errors instead. Secrets, tokens and key
 * material never reach a log call. Verbosity follows klog: -v=0 info, 2 more info, 4 debug.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/context.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };
/* The last two are what Kubernetes' programs write (kubernetes.md 13): klog's lines, and the JSON of
 * component-base, with "ts" in milliseconds. Debug is verbosity 4 there, a warning in JSON has "v":0 and
 * "level":"warning" beside. */
enum log_format { LOG_TEXT, LOG_JSON, LOG_KLOG, LOG_KLOG_JSON };

void log_setup(enum log_level most, enum log_format format, const struct clock *clock);
bool log_enabled(enum log_level level);
struct log_place {
    const char *file; /* without folders */
    int line;
};
#define LOG_HERE ((struct log_place){__FILE_NAME__, __LINE__})
/* `ctx` gives controller, object and id as fields; may be NULL. */
void log_write(enum log_level level, struct log_place place, const struct context *ctx,
               const char *fmt, ...) PRINTF_LIKE(4, 5);
/* Instead of standard error, for tests and for the progress line; NULL sets it back. */
typedef void log_sink_fn(void *arg, enum log_level level, const char *line);
void log_set_sink(log_sink_fn *sink, void *arg);

#define log_error(ctx, ...)   log_write(LOG_ERROR, LOG_HERE, ctx, __VA_ARGS__)
#define log_warning(ctx, ...) log_write(LOG_WARNING, LOG_HERE, ctx, __VA_ARGS__)
#define log_info(ctx, ...)    log_write(LOG_INFO, LOG_HERE, ctx, __VA_ARGS__)
#define log_debug(ctx, ...)                                                                        \
    do {                                                                                           \
        if (log_enabled(LOG_DEBUG))                                                                \
            log_write(LOG_DEBUG, LOG_HERE, ctx, __VA_ARGS__);                                      \
    } while (0)

#endif
