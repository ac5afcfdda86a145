/* progress.c - see progress.h. */
#include "progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/log.h"
#include "controller/certificate_decide.h"

#define WIDTH_DEFAULT 80
#define WIPE          "\r\033[K"

static void write_all(const struct buf *text)
{
    (void)!write(STDERR_FILENO, buf_str(text),
                 text->len); /* a terminal that is gone shows nothing */
}

static void log_line(void *arg, enum log_level level, const char *line)
{
    cleanup(buf_deinit) struct buf text = BUF(64 * 1024);

    buf_addf(&text, WIPE "%s\n", line);
    write_all(&text);
}

void progress_start(struct progress *progress)
{
    *progress = (struct progress){.is_shown = isatty(STDERR_FILENO)};
    if (progress->is_shown)
        log_set_sink(log_line, NULL);
}

static const char *waits_for(const struct certificate *crt, struct arena *arena)
{
    const struct condition *issuing = condition_find(&crt->status.conditions, "Issuing");
    const struct condition *ready = condition_find(&crt->status.conditions, "Ready");
    const char *waiting = certificate_waits_for(issuing ? issuing->message : NULL, arena);
    const char *unissuable = certificate_unissuable(crt);

    if (unissuable)
        return unissuable;
    if (waiting)
        return arena_printf(arena, "waiting: %s", waiting);
    if (issuing && !str_empty(issuing->message))
        return issuing->message;
    return ready ? str_or(ready->message, "") : "";
}

static void count(void *arg, const void *object)
{
    struct progress_tally *tally = arg;
    const struct certificate *crt = object;

    tally->total++;
    if (condition_is(&crt->status.conditions, "Ready", CONDITION_TRUE) &&
        !condition_is(&crt->status.conditions, "Issuing", CONDITION_TRUE)) {
        tally->done++;
    } else if (!tally->name[0]) {
        cleanup(arena_free) struct arena *arena = arena_new(0);

        (void)snprintf(tally->name, sizeof(tally->name), "%s", crt->object.metadata.name);
        (void)snprintf(tally->waits_for, sizeof(tally->waits_for), "%s", waits_for(crt, arena));
    }
}

void progress_text(const struct progress_tally *tally, struct buf *to)
{
    size_t len = strcspn(tally->waits_for, "\n");

    if (tally->done == tally->total) {
        buf_addf(to, "%zu of %zu certificates are ready; writing files", tally->done, tally->total);
        return;
    }
    buf_addf(to, "issuing %zu of %zu: %s", tally->done + 1, tally->total, tally->name);
    if (len > 0)
        buf_addf(to, " (%.*s)", (int)len, tally->waits_for);
}

static size_t terminal_width(void)
{
    struct winsize size = {};

    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col
                                                                           : WIDTH_DEFAULT;
}

/* A line that wraps could not be wiped any more. */
static void cut(struct buf *text, size_t width)
{
    size_t at = 0, shown = 0, step;

    while (at < text->len && shown < width) {
        step = str_utf8_next(text->data + at, text->len - at);
        at += step ? step : 1;
        shown++;
    }
    buf_truncate(text, at);
    if (text->len > 0)
        str_clean(text->data);
}

void progress_draw(struct progress *progress, struct controllers *controllers)
{
    cleanup(buf_deinit) struct buf text = BUF(4096), line = BUF(8192);
    struct progress_tally tally = {};

    if (!progress->is_shown)
        return;
    cache_visit(controllers->caches.certificates, count, &tally);
    progress_text(&tally, &text);
    cut(&text, terminal_width() - 1);
    buf_addf(&line, WIPE "%s", buf_str(&text));
    write_all(&line);
    progress->was_drawn = true;
}

void progress_end(struct progress *progress)
{
    cleanup(buf_deinit) struct buf wipe = BUF(16);

    if (!progress->is_shown)
        return;
    log_set_sink(NULL, NULL);
    if (!progress->was_drawn)
        return;
    buf_add_str(&wipe, WIPE);
    write_all(&wipe);
}
