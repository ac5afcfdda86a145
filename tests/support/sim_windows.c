/*
 * sim_windows.c - when a Certificate with windows may be renewed, reckoned apart from the program.
 *
 * Minute by minute, with the C library's localtime_r(): a window opens at each minute whose clock on the
 * wall is as the cron line says, and stays open for its length. Lines are of numbers, no names.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/map.h"
#include "controller/facts.h"
#include "support/sim_inside.h"

#define MINUTE_MS (60 * 1000)
/* A renewal is begun when it is due; the store may refuse that for some minutes. */
#define SLACK_MS (10 * MINUTE_MS)

/* --- windows on the wall --- */

static bool field_has(const char *field, int value)
{
    for (const char *at = field; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        char *end = NULL;
        long from = strtol(at, &end, 10), to = *end == '-' ? strtol(end + 1, NULL, 10) : from;

        if (*at == '*' || (value >= from && value <= to))
            return true;
    }
    return false;
}

static bool is_day(const char day[8], const char weekday[16], const struct tm *wall)
{
    bool by_day = field_has(day, wall->tm_mday), by_weekday = field_has(weekday, wall->tm_wday);

    return *day != '*' && *weekday != '*' ? by_day || by_weekday : by_day && by_weekday;
}

static void be_in(const char *zone)
{
    static char now[64];

    if (streq(now, zone))
        return;
    (void)snprintf(now, sizeof(now), "%s", zone);
    ASSERT_EQ(setenv("TZ", zone, 1), 0);
    tzset();
}

static bool opens_at(const struct renewal_window *window, int64_t minute)
{
    time_t at_s = (time_t)minute * 60;
    char minutes[16], hours[16], day[8], month[8], weekday[16];
    struct tm wall;

    be_in(str_or(window->timezone, "UTC"));
    ASSERT_TRUE(localtime_r(&at_s, &wall) != NULL);
    ASSERT_EQ(sscanf(window->cron, "%15s %15s %7s %7s %15s", minutes, hours, day, month, weekday),
              5);
    return field_has(minutes, wall.tm_min) && field_has(hours, wall.tm_hour) &&
           field_has(month, wall.tm_mon + 1) && is_day(day, weekday, &wall);
}

static bool any_opens_at(const struct certificate_renewal *renewal, int64_t minute)
{
    for (size_t i = 0; i < renewal->windows.len; i++)
        if (opens_at(&renewal->windows.items[i], minute))
            return true;
    return false;
}

static bool stays_open(const struct renewal_window *window, int64_t at_ms)
{
    for (int64_t minute = at_ms / MINUTE_MS;
         at_ms - minute * MINUTE_MS < window->window_duration.ns / 1000000; minute--)
        if (opens_at(window, minute))
            return true;
    return false;
}

static bool is_open(const struct certificate_renewal *renewal, int64_t at_ms)
{
    for (size_t i = 0; i < renewal->windows.len; i++)
        if (stays_open(&renewal->windows.items[i], at_ms))
            return true;
    return false;
}

/* --- what follows from them --- */

struct sim_windowed { /* what is known of a Certificate */
    char uid[40];
    int64_t generation, not_after_ms;
    int64_t renew_ms; /* 0: the CA says when */
    bool is_outside;  /* no window opens in time */
    int64_t edited_ms, begun_ms;
};

static bool has_windows(const struct certificate *crt)
{
    return crt->spec.renewal && crt->spec.renewal->windows.len > 0;
}

/* Without a word of the CA's: a third of its life before its end, or as the spec says. */
static int64_t due_ms(const struct certificate *crt)
{
    int64_t lead_ms = crt->spec.renew_before.is_set
                          ? crt->spec.renew_before.ns / 1000000
                          : (crt->status.not_after_ms - crt->status.not_before_ms) / 3;

    return (crt->status.not_after_ms - lead_ms) / 1000 * 1000;
}

/* `from_ms` while one is open, else when the next one opens; 0: none before the end. */
static int64_t first_open_ms(const struct certificate *crt, int64_t from_ms)
{
    int64_t minute = from_ms / MINUTE_MS + 1;

    if (is_open(crt->spec.renewal, from_ms))
        return from_ms;
    while (minute * MINUTE_MS < crt->status.not_after_ms &&
           !any_opens_at(crt->spec.renewal, minute))
        minute++;
    return minute * MINUTE_MS < crt->status.not_after_ms ? minute * MINUTE_MS : 0;
}

static void reckon(const struct certificate *crt, struct sim_windowed *ret)
{
    ret->renew_ms = first_open_ms(crt, due_ms(crt));
    ret->is_outside = ret->renew_ms == 0;
    if (ret->is_outside)
        ret->renew_ms = due_ms(crt);
}

static bool asks_the_ca(struct sim *sim, const struct certificate *crt)
{
    cleanup(object_unref) const struct issuer *issuer = issuer_of(
        sim->controllers, &crt->spec.issuer_ref, crt->object.metadata.namespace);

    return issuer && issuer->spec.acme && issuer->spec.acme->renewal_information_source != ARI_NONE;
}

static struct sim_windowed *windowed_of(struct sim *sim, const struct certificate *crt)
{
    const struct metadata *metadata = &crt->object.metadata;
    cleanup(xfree) char *key = xasprintf("%s/%s", metadata->namespace, metadata->name);
    struct sim_windowed *of = map_get(sim->windowed, key);

    if (of && streq(of->uid, metadata->uid))
        return of;
    of = xalloc(sizeof(*of));
    (void)snprintf(of->uid, sizeof(of->uid), "%s", metadata->uid);
    of->generation = metadata->generation;
    of->edited_ms = sim->looked_ms;
    map_set(sim->windowed, key, of);
    return of;
}

/* An edit was made when this was looked at last: users act when the clock stands still. */
static void keep_up(struct sim *sim, const struct certificate *crt, struct sim_windowed *of)
{
    int64_t generation = crt->object.metadata.generation;

    if (of->generation == generation && of->not_after_ms == crt->status.not_after_ms)
        return;
    if (of->generation != generation)
        of->edited_ms = sim->looked_ms;
    of->generation = generation;
    of->not_after_ms = crt->status.not_after_ms;
    of->renew_ms = 0;
    if (!asks_the_ca(sim, crt))
        reckon(crt, of);
}

/* --- what must hold --- */

static const char *problem(struct sim *sim, const struct certificate *crt, const char *what,
                           int64_t at_ms)
{
    char when[TIME_TEXT_MAX];

    time_format(at_ms, when);
    (void)snprintf(sim->problem, sizeof(sim->problem), "Certificate '%s': %s (%s)",
                   crt->object.metadata.name, what, when);
    return sim->problem;
}

static bool follows(int64_t at_ms, int64_t from_ms)
{
    return from_ms > 0 && at_ms >= from_ms / 1000 * 1000 && at_ms <= from_ms + SLACK_MS;
}

/* Tried again after a failure, or made up for: nobody was there, or it was due by windows that came since. What
 * began before a crash is seen behind it. */
static bool need_not_wait(const struct sim *sim, const struct certificate *crt,
                          const struct sim_windowed *of)
{
    return crt->status.failed_issuance_attempts.is_set || follows(of->begun_ms, of->edited_ms) ||
           of->begun_ms <= sim->restarted_ms + SLACK_MS;
}

static const char *look_at_beginning(struct sim *sim, const struct certificate *crt,
                                     const struct sim_windowed *of)
{
    sim->windowed_renewals++;
    if (of->begun_ms < of->renew_ms && of->begun_ms > of->edited_ms)
        return problem(sim, crt, "renewed before its time", of->renew_ms);
    if (need_not_wait(sim, crt, of))
        return NULL;
    if (of->renew_ms != 0 && !follows(of->begun_ms, of->renew_ms))
        return problem(sim, crt, "renewed behind its time", of->renew_ms);
    if (of->renew_ms != 0 || is_open(crt->spec.renewal, of->begun_ms - SLACK_MS) ||
        first_open_ms(crt, of->begun_ms) == 0 || is_open(crt->spec.renewal, of->begun_ms))
        return NULL;
    return problem(sim, crt, "renewed outside of its windows", of->begun_ms);
}

static const char *look_at_waiting(struct sim *sim, const struct certificate *crt,
                                   const struct sim_windowed *of)
{
    int64_t from_ms = of->renew_ms > of->edited_ms ? of->renew_ms : of->edited_ms;

    if (of->renew_ms == 0 || crt->status.failed_issuance_attempts.is_set ||
        condition_has_reason(&crt->status.conditions, "Ready", "DuplicateSecretName"))
        return NULL;
    if (sim->looked_ms > from_ms + SLACK_MS && sim->looked_ms > sim->restarted_ms + SLACK_MS)
        return problem(sim, crt, "is not renewed though a window has opened", of->renew_ms);
    return NULL;
}

const char *sim_look_at_windows(struct sim *sim, const struct certificate *crt)
{
    const struct condition *issuing = condition_find(&crt->status.conditions, "Issuing");
    struct sim_windowed *of;

    if (!has_windows(crt) || crt->status.not_after_ms == 0)
        return NULL;
    of = windowed_of(sim, crt);
    keep_up(sim, crt, of);
    if (!issuing || issuing->status != CONDITION_TRUE)
        return look_at_waiting(sim, crt, of);
    if (issuing->last_transition_time_ms == of->begun_ms)
        return NULL;
    of->begun_ms = issuing->last_transition_time_ms;
    return streq(issuing->reason, "Renewing") ? look_at_beginning(sim, crt, of) : NULL;
}

const char *sim_check_windows(struct sim *sim, const struct certificate *crt)
{
    struct sim_windowed *of;

    if (!has_windows(crt) || crt->status.not_after_ms == 0)
        return NULL;
    of = windowed_of(sim, crt);
    keep_up(sim, crt, of);
    if (of->renew_ms != 0 && crt->status.renewal_time_ms != of->renew_ms)
        return problem(sim, crt, "the status tells another renewalTime", of->renew_ms);
    if (of->is_outside && condition_is(&crt->status.conditions, "Ready", CONDITION_TRUE))
        return problem(sim, crt, "is Ready with windows that do not open", of->renew_ms);
    return NULL;
}

void sim_watch_windows(struct sim *sim)
{
    sim->windowed = map_new(xfree);
}

int sim_windowed_renewals(const struct sim *sim)
{
    return sim->windowed_renewals;
}
