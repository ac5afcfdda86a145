/* certificate_windows.c - the hours that spec.renewal.windows leaves for a renewal. Pure. */
#include <string.h>

#include "base/cron.h"
#include "base/limits.h"
#include "base/str.h"
#include "controller/certificate_decide.h"

#define NS_PER_MS 1000000

struct opening { /* a window of the spec, to be searched */
    struct cron cron;
    const struct zone *zone;
    int64_t stays_ms; /* open */
};

static int opening_of(const struct renewal_window *window, struct opening *ret, struct err *err)
{
    int r = cron_parse(window->cron, &ret->cron, err);

    if (r < 0)
        return err_wrap(err, "cron");
    r = zone_get(str_or(window->timezone, "UTC"), &ret->zone, err);
    if (r < 0)
        return err_wrap(err, "timezone");
    ret->stays_ms = window->window_duration.is_set ? window->window_duration.ns / NS_PER_MS : 0;
    if (ret->stays_ms <= 0)
        return err_set(err, ERR_INVALID, "windowDuration: must be longer than 0s");
    return 0;
}

/* `due_ms` while it is open, else when it opens next before the certificate expires; 0: never again. */
static int64_t time_in(const struct opening *opening, int64_t due_ms,
                       const struct secret_facts *secret)
{
    int64_t opened_ms = cron_last_ms(&opening->cron, opening->zone, due_ms,
                                     secret->not_before_ms - opening->stays_ms);

    if (opened_ms != 0 && due_ms - opened_ms < opening->stays_ms)
        return due_ms;
    return cron_next_ms(&opening->cron, opening->zone, due_ms, secret->not_after_ms - 1);
}

/* A line may be long, and have anything behind "*-". */
static const char *excerpt(const char *line, struct arena *arena)
{
    cleanup(buf_deinit) struct buf text = BUF(LIMIT_EXCERPT * 4);

    str_excerpt(&text, line, strlen(line));
    return arena_strdup(arena, buf_str(&text));
}

/* For a condition: the lines of the first windows. */
static const char *lines_of(const struct certificate_renewal *renewal, struct arena *arena)
{
    enum { SHOWN = 3 };
    const char *text = "";

    for (size_t i = 0; i < renewal->windows.len && i < SHOWN; i++) {
        const struct renewal_window *window = &renewal->windows.items[i];

        text = arena_printf(arena, "%s%swindows[%zu] '%s' in %s", text, i > 0 ? ", " : "", i,
                            excerpt(window->cron, arena), str_or(window->timezone, "UTC"));
    }
    return renewal->windows.len > SHOWN
               ? arena_printf(arena, "%s and %zu more", text, renewal->windows.len - SHOWN)
               : text;
}

static const char *why_none(const struct certificate_renewal *renewal, int64_t due_ms,
                            const struct secret_facts *secret, struct arena *arena)
{
    char due[TIME_TEXT_MAX], end[TIME_TEXT_MAX];

    time_format(due_ms, due);
    time_format(secret->not_after_ms, end);
    return arena_printf(
        arena,
        "none of spec.renewal.windows opens between %s, when renewal is due, and %s, when "
        "the certificate expires: %s",
        due, end, lines_of(renewal, arena));
}

struct renewal renewal_in_windows(const struct certificate_renewal *renewal, int64_t due_ms,
                                  const struct secret_facts *secret, struct arena *arena)
{
    int64_t best_ms = 0;

    for (size_t i = 0; i < renewal->windows.len; i++) {
        struct opening opening = {};
        struct err problem = {};
        int64_t at_ms;

        if (opening_of(&renewal->windows.items[i], &opening, &problem) < 0)
            return (struct renewal){
                due_ms, arena_printf(arena, "spec.renewal.windows[%zu].%s", i, problem.text)};
        at_ms = time_in(&opening, due_ms, secret);
        if (at_ms != 0 && (best_ms == 0 || at_ms < best_ms))
            best_ms = at_ms;
    }
    if (best_ms == 0)
        return (struct renewal){due_ms, why_none(renewal, due_ms, secret, arena)};
    return (struct renewal){.at_ms = best_ms};
}
