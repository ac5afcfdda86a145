/* gate.c - see gate.h. One lock for all of it; nothing here blocks or calls out. */
#include "acme/gate.h"

#include <stdatomic.h>
#include <string.h>

#include "acme/decode.h"
#include "acme/ledger.h"
#include "base/log.h"
#include "base/map.h"
#include "base/thread.h"

#define CLOSED_MAX_MS DAYS(7)
#define BACK_OFF_MS   MINUTES(1)
#define HELD_LEAST_MS MINUTES(1)
#define WHY_MAX       300
#define SAVED_MAX     (64 * 1024)
#define SAVED_HOLDS   40
#define SAVED_BUCKETS (48 * 1024) /* of it; the rest is for what is not a bucket */

struct hold {         /* of one set of names */
    int64_t since_ms; /* 0: of an earlier process */
    int64_t until_ms;
    char *why;
};

struct acme_gate {
    atomic_int refs;
    struct mutex mutex;
    bool dirty;

    int64_t not_before_ms;
    char *why;
    char *limited_action; /* whose success ends the back-off */
    int64_t back_off_ms;  /* the last one; 0: none */

    struct map *holds; /* by set */
    struct acme_ledger ledger;
};

/* --- life --- */

static void hold_free(void *value)
{
    struct hold *hold = value;

    xfree(hold->why);
    xfree(hold);
}

struct acme_gate *acme_gate_new(const char *directory_url)
{
    struct acme_gate *gate = xalloc(sizeof(*gate));

    atomic_init(&gate->refs, 1);
    mutex_init(&gate->mutex);
    acme_ledger_init(&gate->ledger, acme_limits_of(directory_url));
    gate->holds = map_new(hold_free);
    return gate;
}

struct acme_gate *acme_gate_ref(struct acme_gate *gate)
{
    atomic_fetch_add(&gate->refs, 1);
    return gate;
}

void acme_gate_unref(struct acme_gate *gate)
{
    if (!gate || atomic_fetch_sub(&gate->refs, 1) > 1)
        return;
    acme_ledger_deinit(&gate->ledger);
    map_free(gate->holds);
    xfree(gate->limited_action);
    xfree(gate->why);
    mutex_deinit(&gate->mutex);
    xfree(gate);
}

void acme_gate_set_limits(struct acme_gate *gate, const struct acme_limits *limits)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&gate->mutex);

    gate->ledger.limits = limits;
}

/* --- not before --- */

int acme_gate_check(struct acme_gate *gate, const struct context *ctx, struct err *err)
{
    int64_t now_ms = context_now_ms(ctx);

    if (!gate)
        return 0;

    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&gate->mutex);

    if (gate->not_before_ms <= now_ms)
        return 0;
    if (gate->not_before_ms > now_ms + CLOSED_MAX_MS)
        gate->not_before_ms = now_ms + CLOSED_MAX_MS;
    return acme_refuse_until(err, gate->not_before_ms, gate->why);
}

static void close_locked(struct acme_gate *gate, int64_t at_ms, const char *why)
{
    if (at_ms <= gate->not_before_ms)
        return;
    gate->not_before_ms = at_ms;
    xfree(gate->why);
    gate->why = acme_clip(why, WHY_MAX);
    gate->dirty = true;
}

void acme_gate_close_until(struct acme_gate *gate, int64_t at_ms, const char *why)
{
    if (!gate)
        return;

    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&gate->mutex);

    close_locked(gate, at_ms, why);
}

int64_t acme_gate_back_off(struct acme_gate *gate, const struct context *ctx, const char *action,
                           const char *why, int64_t most_ms)
{
    int64_t now_ms = context_now_ms(ctx);

    if (!gate)
        return now_ms + BACK_OFF_MS;

    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&gate->mutex);

    if (gate->not_before_ms > now_ms)
        return gate->not_before_ms; /* another call of the same moment was here already */
    gate->back_off_ms = gate->back_off_ms > 0 ? gate->back_off_ms * 2 : BACK_OFF_MS;
    if (gate->back_off_ms > most_ms)
        gate->back_off_ms = most_ms;
    xfree(gate->limited_action);
    gate->limited_action = xstrdup(action);
    close_locked(gate, now_ms + gate->back_off_ms, why);
    return gate->not_before_ms;
}

void acme_gate_succeeded(struct acme_gate *gate, const char *action)
{
    if (!gate)
        return;

    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&gate->mutex);

    if (gate->back_off_ms == 0 || !streq(gate->limited_action, action))
        return;
    gate->back_off_ms = 0;
    gate->dirty = true;
}

/* --- exact sets of names --- */

static void holds_drop_over(struct acme_gate *gate, int64_t now_ms)
{
    map_for_each (entry, gate->holds) {
        const struct hold *hold = map_entry_value(entry);

        if (hold->until_ms <= now_ms)
            map_remove(gate->holds, map_entry_key(entry));
    }
}

static void hold_set(struct acme_gate *gate, const char *set, int64_t since_ms, int64_t until_ms,
                     const char *why)
{
    struct hold *hold = xalloc(sizeof(*hold));

    *hold = (struct hold){
        .since_ms = since_ms, .until_ms = until_ms, .why = acme_clip(why, WHY_MAX)};
    map_set(gate->holds, set, hold);
    gate->dirty = true;
}

void acme_gate_hold_names(struct acme_gate *gate, const struct context *ctx,
                          const struct strlist *names, int64_t at_ms, const char *why)
{
    cleanup(xfree) char *set = acme_set_hash(names);
    int64_t now_ms = context_now_ms(ctx);

    if (!gate)
        return;

    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&gate->mutex);

    holds_drop_over(gate, now_ms);
    hold_set(gate, set, now_ms, at_ms, why);
}

void acme_gate_resume(struct acme_gate *gate, const struct context *ctx,
                      const struct strlist *names)
{
    cleanup(xfree) char *set = acme_set_hash(names);
    int64_t now_ms = context_now_ms(ctx);
    struct hold *hold;

    if (!gate)
        return;

    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&gate->mutex);

    hold = map_get(gate->holds, set);
    if (!hold)
        return;
    gate->dirty = true;
    if (now_ms - hold->since_ms >= HELD_LEAST_MS)
        map_remove(gate->holds, set);
    else if (hold->until_ms > hold->since_ms + HELD_LEAST_MS)
        hold->until_ms = hold->since_ms + HELD_LEAST_MS;
}

static int check_hold(struct acme_gate *gate, const struct strlist *names, int64_t now_ms,
                      struct err *err)
{
    cleanup(xfree) char *set = acme_set_hash(names);
    struct hold *hold = map_get(gate->holds, set);

    if (!hold || hold->until_ms <= now_ms)
        return 0;
    if (hold->until_ms > now_ms + CLOSED_MAX_MS)
        hold->until_ms = now_ms + CLOSED_MAX_MS;
    return acme_refuse_until(err, hold->until_ms, hold->why);
}

/* --- budgets --- */

int acme_gate_take_order(struct acme_gate *gate, const struct context *ctx,
                         const struct acme_budget_request *request, struct err *err)
{
    int64_t now_ms = context_now_ms(ctx);
    int r;

    if (!gate)
        return 0;

    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&gate->mutex);

    r = check_hold(gate, request->names, now_ms, err);
    if (r < 0)
        return r;
    return acme_ledger_take_order(&gate->ledger, request, now_ms, err);
}

void acme_gate_return_order(struct acme_gate *gate, const struct acme_budget_request *request)
{
    if (!gate)
        return;

    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&gate->mutex);

    acme_ledger_return_order(&gate->ledger, request);
}

void acme_gate_end_order(struct acme_gate *gate, const struct context *ctx,
                         const struct acme_budget_request *request, bool issued)
{
    if (!gate)
        return;

    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&gate->mutex);

    acme_ledger_end_order(&gate->ledger, request, issued, context_now_ms(ctx));
}

void acme_gate_count_failure(struct acme_gate *gate, const struct context *ctx, const char *name)
{
    if (!gate)
        return;

    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&gate->mutex);

    acme_ledger_count_failure(&gate->ledger, name, context_now_ms(ctx));
}

int acme_gate_check_name(struct acme_gate *gate, const struct context *ctx, const char *name,
                         struct err *err)
{
    if (!gate)
        return 0;

    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&gate->mutex);

    return acme_ledger_check_name(&gate->ledger, name, context_now_ms(ctx), err);
}

/* --- over restarts --- */

void acme_gate_mark_dirty(struct acme_gate *gate)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&gate->mutex);

    gate->dirty = true;
}

bool acme_gate_is_dirty(struct acme_gate *gate)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&gate->mutex);

    return gate->dirty || gate->ledger.changed;
}

static struct json *save_holds(struct acme_gate *gate, int64_t now_ms)
{
    struct json *saved = json_new_map();

    holds_drop_over(gate, now_ms);
    map_for_each (entry, gate->holds) {
        const struct hold *hold = map_entry_value(entry);
        struct json *item;

        if (json_len(saved) == SAVED_HOLDS)
            break;
        item = json_new_map();
        json_set_int(item, "until", hold->until_ms);
        json_set_text(item, "why", hold->why);
        json_set(saved, map_entry_key(entry), item);
    }
    return saved;
}

char *acme_gate_save(struct acme_gate *gate, const struct context *ctx)
{
    cleanup(json_unref) struct json *saved = json_new_map();
    int64_t now_ms = context_now_ms(ctx);

    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&gate->mutex);

    if (gate->not_before_ms > now_ms) {
        json_set_int(saved, "notBefore", gate->not_before_ms);
        json_set_text(saved, "why", gate->why);
    }
    if (gate->back_off_ms > 0) {
        json_set_int(saved, "backOff", gate->back_off_ms);
        json_set_text(saved, "action", gate->limited_action);
    }
    json_set(saved, "holds", save_holds(gate, now_ms));
    json_set(saved, "buckets", acme_ledger_save(&gate->ledger, now_ms, SAVED_BUCKETS));
    gate->dirty = false;
    gate->ledger.changed = false;
    return json_text(saved);
}

static void restore_holds(struct acme_gate *gate, const struct json *saved)
{
    json_for_each (set, item, saved) {
        const char *why = str_or(json_get_text(item, "why"), "the CA said so");

        if (!map_has(gate->holds, set))
            hold_set(gate, set, 0, json_get_int(item, "until", 0), why);
    }
}

static void restore_back_off(struct acme_gate *gate, const struct json *saved)
{
    int64_t back_off_ms = json_get_int(saved, "backOff", 0);

    if (back_off_ms <= gate->back_off_ms || back_off_ms > HOURS(1))
        return;
    gate->back_off_ms = back_off_ms;
    xfree(gate->limited_action);
    gate->limited_action = xstrdup(json_get_text(saved, "action"));
}

void acme_gate_restore(struct acme_gate *gate, const char *text)
{
    cleanup(json_unref) struct json *saved = NULL;
    struct err err = {};

    if (json_parse(text, strlen(text), SAVED_MAX, &saved, &err) < 0 ||
        json_kind(saved) != JSON_KIND_MAP) {
        log_debug(NULL, "saved state of an ACME rate gate is not readable, starting without: %s",
                  err.text);
        return;
    }

    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&gate->mutex);

    close_locked(gate, json_get_int(saved, "notBefore", 0),
                 str_or(json_get_text(saved, "why"), "the CA said so"));
    restore_back_off(gate, saved);
    restore_holds(gate, json_get(saved, "holds"));
    acme_ledger_restore(&gate->ledger, json_get(saved, "buckets"));
}
