/*
 * A line is built on the stack of its caller and leaves in one write() under the lock: the only
 * lock held across a call that can block, because a standard error that does not drain stops
 * whoever logs in any case, and without it long lines of two threads would mix.
 */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/str.h"
#include "base/thread.h"
#include "base/timetext.h"

enum {
    MESSAGE_MAX = 4096,
    FIELD_MAX = 1024,
    /* A byte becomes at most six ("\u001b"); three fields and the fixed parts. */
    LINE_MAX_BYTES = 6 * (MESSAGE_MAX + 3 * FIELD_MAX) + 512,
};

static struct {
    atomic_int most;
    struct mutex mutex; /* guards what follows */
    enum log_format format;
    const struct clock *clock; /* NULL: the system's */
    log_sink_fn *sink;         /* NULL: standard error */
    void *sink_arg;
} logger = {.most = LOG_INFO};

static const struct {
    const char *text, *json;
    char klog;
    int verbosity;
} level_names[] = {
    [LOG_ERROR] = {"ERROR", "error", 'E', 0},
    [LOG_WARNING] = {"WARN ", "warning", 'W', 0},
    [LOG_INFO] = {"INFO ", "info", 'I', 0},
    [LOG_DEBUG] = {"DEBUG", "debug", 'I', 4},
};

struct record { /* of one line */
    enum log_level level;
    struct log_place place;
    int64_t now_ms;
    const struct context *ctx;
    const char *message;
};

void log_setup(enum log_level most, enum log_format format, const struct clock *clock)
{
    mutex_lock(&logger.mutex);
    logger.format = format;
    logger.clock = clock;
    mutex_unlock(&logger.mutex);
    atomic_store(&logger.most, (int)most);
}

bool log_enabled(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&logger.most, memory_order_relaxed);
}

void log_set_sink(log_sink_fn *sink, void *arg)
{
    mutex_lock(&logger.mutex);
    logger.sink = sink;
    logger.sink_arg = arg;
    mutex_unlock(&logger.mutex);
}

static void add_time(struct buf *line, int64_t now_ms)
{
    char text[TIME_TEXT_MAX];

    time_format(now_ms, text);
    text[strlen(text) - 1] = '\0'; /* the Z comes behind the fraction */
    buf_addf(line, "%s.%03dZ", text, (int)((now_ms % 1000 + 1000) % 1000));
}

/* What ends a line or steers a terminal must not come out as it is. */
static void add_escaped_byte(struct buf *line, unsigned char c, bool json)
{
    switch (c) {
    case '\n':
        buf_add_str(line, "\\n");
        break;
    case '\r':
        buf_add_str(line, "\\r");
        break;
    case '\t':
        buf_add_str(line, "\\t");
        break;
    default:
        if (c >= 0x80) /* not UTF-8, or the first byte of what is unseen */
            buf_add_str(line, "?");
        else
            buf_addf(line, json ? "\\u%04x" : "\\x%02x", c);
    }
}

static void add_character(struct buf *line, const char *s, size_t step, bool json, bool quoted)
{
    if (step == 0 || str_is_unseen(str_utf8_code(s, step)))
        add_escaped_byte(line, (unsigned char)*s, json);
    else if (quoted && (*s == '"' || *s == '\\'))
        buf_addf(line, "\\%c", *s);
    else
        buf_add(line, s, step);
}

static void add_text(struct buf *line, const char *s, size_t max, bool json, bool quoted)
{
    size_t len = strnlen(s, max), step;

    for (size_t i = 0; i < len; i += step ? step : 1) {
        step = str_utf8_next(s + i, len - i);
        add_character(line, s + i, step, json, quoted);
    }
}

static bool needs_quotes(const char *value)
{
    for (; *value; value++)
        if ((unsigned char)*value <= ' ' || strchr("\"=\\\x7f", *value))
            return true;
    return false;
}

static void add_text_field(struct buf *line, const char *name, const char *value)
{
    bool quoted = value && needs_quotes(value);

    if (str_empty(value))
        return;
    buf_addf(line, quoted ? "%s=\"" : "%s=", name);
    add_text(line, value, FIELD_MAX, false, quoted);
    buf_add_str(line, quoted ? "\" " : " ");
}

static void add_json_field(struct buf *line, const char *name, const char *value)
{
    if (str_empty(value))
        return;
    buf_addf(line, ",\"%s\":\"", name);
    add_text(line, value, MESSAGE_MAX, true, true);
    buf_add_char(line, '"');
}

typedef void add_field_fn(struct buf *line, const char *name, const char *value);

static void add_id(struct buf *line, const char *name, uint64_t id, add_field_fn *add_field)
{
    char text[17];

    if (id == 0)
        return;
    (void)snprintf(text, sizeof(text), "%llx", (unsigned long long)id);
    add_field(line, name, text);
}

static void add_context(struct buf *line, const struct context *ctx, add_field_fn *add_field)
{
    if (!ctx)
        return;
    add_field(line, "controller", ctx->controller);
    add_field(line, "object", ctx->object);
    add_id(line, "id", ctx->reconcile_id, add_field);
}

static void format_text(struct buf *line, const struct record *record)
{
    add_time(line, record->now_ms);
    buf_addf(line, " %s ", level_names[record->level].text);
    add_context(line, record->ctx, add_text_field);
    add_text(line, record->message, MESSAGE_MAX, false, false);
}

static void format_json(struct buf *line, const struct record *record)
{
    buf_add_str(line, "{\"ts\":\"");
    add_time(line, record->now_ms);
    buf_addf(line, "\",\"level\":\"%s\",\"msg\":\"", level_names[record->level].json);
    add_text(line, record->message, MESSAGE_MAX, true, true);
    buf_add_char(line, '"');
    add_context(line, record->ctx, add_json_field);
    buf_add_char(line, '}');
}

/* --- as Kubernetes' programs do --- */

/* "Certificate default/web", "ClusterIssuer ca" as kind, namespace and name. */
static void add_klog_object(struct buf *line, const char *object, add_field_fn *add_field)
{
    const char *space = strchr(object, ' '), *name = space ? space + 1 : object;
    const char *slash = strchr(name, '/');
    char part[FIELD_MAX];

    if (space) {
        (void)snprintf(part, sizeof(part), "%.*s", (int)(space - object), object);
        add_field(line, "kind", part);
    }
    if (slash) {
        (void)snprintf(part, sizeof(part), "%.*s", (int)(slash - name), name);
        add_field(line, "namespace", part);
    }
    add_field(line, "name", slash ? slash + 1 : name);
}

static void add_klog_context(struct buf *line, const struct context *ctx, add_field_fn *add_field)
{
    if (!ctx)
        return;
    add_field(line, "controller", ctx->controller);
    if (!str_empty(ctx->object))
        add_klog_object(line, ctx->object, add_field);
    add_id(line, "reconcileID", ctx->reconcile_id, add_field);
}

/* There it is quoted, whatever it holds. */
static void add_klog_field(struct buf *line, const char *name, const char *value)
{
    if (str_empty(value))
        return;
    buf_addf(line, " %s=\"", name);
    add_text(line, value, FIELD_MAX, false, true);
    buf_add_char(line, '"');
}

/* "2026-11-24T13:00:00.123000Z" as "1124 13:00:00.123000". klog says local time; a pod has none but UTC. */
static void add_klog_time(struct buf *line, int64_t now_ms)
{
    char text[TIME_TEXT_MAX];

    time_format_micro(now_ms, text);
    buf_addf(line, "%.2s%.2s %.15s", text + 5, text + 8, text + 11);
}

static void format_klog(struct buf *line, const struct record *record)
{
    buf_add_char(line, level_names[record->level].klog);
    add_klog_time(line, record->now_ms);
    buf_addf(line, " %7d %s:%d] \"", (int)getpid(), record->place.file, record->place.line);
    add_text(line, record->message, MESSAGE_MAX, false, true);
    buf_add_char(line, '"');
    add_klog_context(line, record->ctx, add_klog_field);
}

static void format_klog_json(struct buf *line, const struct record *record)
{
    buf_addf(line, "{\"ts\":%lld,\"caller\":\"%s:%d\",\"msg\":\"", (long long)record->now_ms,
             record->place.file, record->place.line);
    add_text(line, record->message, MESSAGE_MAX, true, true);
    buf_add_char(line, '"');
    if (record->level != LOG_ERROR)
        buf_addf(line, ",\"v\":%d", level_names[record->level].verbosity);
    if (record->level == LOG_WARNING)
        add_json_field(line, "level", level_names[record->level].json);
    add_klog_context(line, record->ctx, add_json_field);
    buf_add_char(line, '}');
}

static void (*const formats[])(struct buf *line, const struct record *record) = {
    [LOG_TEXT] = format_text,
    [LOG_JSON] = format_json,
    [LOG_KLOG] = format_klog,
    [LOG_KLOG_JSON] = format_klog_json,
};

/* --- writing --- */

static void write_line(struct buf *line)
{
    const char *p;
    size_t len;
    ssize_t written;

    buf_add_char(line, '\n');
    for (p = line->data, len = line->len; len > 0; p += written, len -= (size_t)written) {
        written = write(STDERR_FILENO, p, len);
        if (written < 0 && errno == EINTR)
            written = 0;
        if (written < 0)
            return; /* nowhere left to say so */
    }
}

static void emit(struct record *record)
{
    cleanup(buf_deinit) struct buf line = BUF(LINE_MAX_BYTES);
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&logger.mutex);

    record->now_ms = clock_wall_ms(logger.clock ? logger.clock : clock_system());
    formats[logger.format](&line, record);
    if (logger.sink)
        logger.sink(logger.sink_arg, record->level, buf_str(&line));
    else
        write_line(&line);
}

void log_write(enum log_level level, struct log_place place, const struct context *ctx,
               const char *fmt, ...)
{
    int saved = errno, len;
    char message[MESSAGE_MAX];
    struct record record = {.level = level, .place = place, .ctx = ctx, .message = message};
    va_list args;

    if (!log_enabled(level))
        return;
    va_start(args, fmt);
    len = vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    if (len < 0)
        message[0] = '\0';
    if (len >= MESSAGE_MAX)
        str_ellipsis(message, sizeof(message));
    emit(&record);
    errno = saved;
}
