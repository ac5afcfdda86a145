/*
 * All times are monotonic, of our own clock. Of a record only its change counts: `seen_ms` is when we
 * first saw the one that is there now, and for another holder it is good for its duration from then on.
 *
 * What a renewal proves begins before it is sent: nobody can have seen the new record sooner. So the one
 * who counts from `sent` stops, and the one who counts from when he saw it takes over, in this order,
 * whatever their wall clocks say, as long as both run at about the same rate.
 */
#include "runtime/elector.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/random.h"
#include "base/str.h"
#include "base/thread.h"
#include "base/timetext.h"
#include "runtime/lease.h"

#define MANAGER      "cert-manager-leader-election"
#define EVENT_REASON "LeaderElection"

#define RELEASE_MS     SECONDS(2)
#define RELEASE_MIN_MS 100 /* whatever is left: an API server at hand answers in that time */
#define WATCH_RETRY_MS SECONDS(30) /* looks find all that the watch does, only later */
#define NEVER_MS       DAYS(1)
enum { RELEASE_TRIES = 3, EVENTS_AT_ONCE = 100 };

static const struct metric_family master_status = {
    .name = "leader_election_master_status",
    .type = METRIC_GAUGE,
    .help = "Whether this process leads, by name of the Lease: 1, or 0 for a standby.",
    .labels = {"name"},
};

enum elector_state { STANDBY, LEADING, ENDED };

struct elector {
    struct elector_options options;
    char *namespace, *name, *identity;
    char *selector; /* the one Lease: a right to that will do */
    struct key key;
    struct cancel *cancel;
    struct thread *thread; /* NULL: by hand */

    /* Only the thread's. */
    enum elector_state state;
    struct json *lease; /* as it was seen last; NULL: never */
    bool is_there;      /* it has not been removed since */
    int64_t seen_ms;    /* when its record became what it is */
    int64_t due_ms;     /* the next look or renewal */
    int64_t round_ms;   /* leading: when the renewal that is due began */
    bool in_doubt;      /* a write may have been done though its answer was an error */
    struct store_watch *watch;
    int64_t watch_due_ms;
    bool told_deaf;     /* that the watch is denied */
    struct err trouble; /* what keeps us from it; code 0: nothing */

    struct mutex mutex; /* guards what follows */
    bool held;          /* we lead, or led and have ended without a release */
    bool leads;
    int64_t renewed_ms; /* when the last renewal that worked was sent */
    char holder[ELECTOR_HOLDER_MAX];
};

static int64_t now_ms(const struct elector *self)
{
    return clock_monotonic_ms(self->options.clock);
}

/* --- life --- */

char *elector_identity(const char *host)
{
    char uuid[UUID_TEXT_MAX];

    random_uuid(uuid);
    return xasprintf("%s_%s", host, uuid);
}

int elector_check_times(int64_t lease_ms, int64_t renew_deadline_ms, int64_t retry_ms,
                        struct err *err)
{
    if (retry_ms <= 0 || renew_deadline_ms <= retry_ms * 6 / 5)
        return err_set(err, ERR_INVALID,
                       "leader election: the renew deadline must be more than 1.2 retry periods");
    if (lease_ms <= renew_deadline_ms)
        return err_set(err, ERR_INVALID,
                       "leader election: the lease duration must be more than the renew deadline");
    return 0;
}

static int check(const struct elector_options *options, struct err *err)
{
    if (str_empty(options->namespace) || str_empty(options->name))
        return err_set(err, ERR_INVALID, "leader election: the Lease has no name or namespace");
    if (str_empty(options->identity))
        return err_set(err, ERR_INVALID, "leader election: this process has no identity");
    return elector_check_times(options->lease_ms, options->renew_deadline_ms, options->retry_ms,
                               err);
}

static void set_status(struct elector *self, bool leads)
{
    const char *labels[] = {self->name, NULL};

    if (self->options.metrics)
        metrics_set(self->options.metrics, &master_status, labels, leads);
}

int elector_new(const struct elector_options *options, struct elector **ret, struct err *err)
{
    struct elector *self;
    int r = check(options, err);

    if (r < 0)
        return r;
    self = xalloc(sizeof(*self));
    self->options = *options;
    self->namespace = xstrdup(options->namespace);
    self->name = xstrdup(options->name);
    self->identity = xstrdup(options->identity);
    self->selector = xasprintf("metadata.name=%s", options->name);
    self->key = (struct key){.namespace = self->namespace, .name = self->name};
    self->cancel = cancel_new();
    mutex_init(&self->mutex);
    set_status(self, false);
    *ret = self;
    return 0;
}

void elector_free(struct elector *self)
{
    if (!self)
        return;
    elector_stop(self);
    json_unref(self->lease);
    cancel_unref(self->cancel);
    mutex_deinit(&self->mutex);
    xfree(self->namespace);
    xfree(self->name);
    xfree(self->selector);
    xfree(self->identity);
    xfree(self);
}

/* --- what others may ask --- */

bool elector_is_leader(struct elector *self)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);

    return self->leads && now_ms(self) < self->renewed_ms + self->options.lease_ms;
}

bool elector_is_healthy(struct elector *self, int64_t slack_ms)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);

    return !self->held || now_ms(self) <= self->renewed_ms + self->options.lease_ms + slack_ms;
}

void elector_holder(struct elector *self, char to[ELECTOR_HOLDER_MAX])
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);

    memcpy(to, self->holder, ELECTOR_HOLDER_MAX);
}

static void share_renewal(struct elector *self, int64_t sent_ms)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);

    self->held = self->leads = true;
    self->renewed_ms = sent_ms;
}

static void share_end(struct elector *self, bool released)
{
    mutex_lock(&self->mutex);
    self->leads = false;
    self->held = !released;
    mutex_unlock(&self->mutex);
    set_status(self, false);
}

static bool share_holder(struct elector *self, const char *holder)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    char cut[ELECTOR_HOLDER_MAX];

    (void)snprintf(cut, sizeof(cut), "%s", holder);
    if (streq(cut, self->holder))
        return false;
    memcpy(self->holder, cut, sizeof(cut));
    return true;
}

/* --- what is in the way --- */

static const struct {
    int code;
    const char *advice;
} advices[] = {
    {ERR_DENIED, "; allow get, create and update of leases.coordination.k8s.io in that namespace"},
    {ERR_NOT_FOUND, "; create that namespace, or name another one for the Lease"},
    {ERR_NETWORK, "; is the API server up, and can it be reached from here?"},
    {ERR_TIMEOUT, "; is the API server up, and can it be reached from here?"},
};

static const char *advice_for(int code)
{
    for (size_t i = 0; i < ARRAY_LEN(advices); i++)
        if (advices[i].code == code)
            return advices[i].advice;
    return "";
}

/* What RBAC denies is another verb next time; other texts may differ each time. */
static bool is_same_trouble(const struct err *a, const struct err *b)
{
    return a->code == b->code && (a->code != ERR_DENIED || streq(a->text, b->text));
}

/* Once for each kind of trouble: it is tried again every few seconds. */
static void note_trouble(struct elector *self, const struct context *ctx, const struct err *err)
{
    bool same = is_same_trouble(&self->trouble, err);

    if (err->code == ERR_CANCELED)
        return;
    self->trouble = *err;
    if (same || err->code == ERR_CONFLICT || err->code == ERR_EXISTS)
        log_debug(ctx, "leader election: %s", err->text);
    else
        log_warning(ctx, "leader election: %s%s; trying on", err->text, advice_for(err->code));
}

static void note_success(struct elector *self, const struct context *ctx)
{
    int code = self->trouble.code;

    self->trouble = (struct err){};
    if (code && code != ERR_CONFLICT && code != ERR_EXISTS)
        log_info(ctx, "leader election: lease '%s/%s' can be reached again", self->namespace,
                 self->name);
}

/* --- the record --- */

static struct lease_record record_of(const struct elector *self)
{
    struct lease_record record;

    lease_read(self->lease, &record);
    return record;
}

static bool is_ours(const struct elector *self)
{
    return streq(record_of(self).holder, self->identity);
}

static bool is_anothers(const struct elector *self)
{
    return !str_empty(record_of(self).holder) && !is_ours(self);
}

static int64_t runs_out_ms(const struct elector *self)
{
    return self->seen_ms + record_of(self).duration_ms;
}

static bool may_take(const struct elector *self)
{
    return !is_anothers(self) || now_ms(self) >= runs_out_ms(self);
}

/* Its record is still good for its duration: the holder puts the Lease back when he finds it removed, and
 * must not find another one leading. */
static void observe_none(struct elector *self)
{
    self->is_there = false;
    (void)share_holder(self, ""); /* log lines are about holders */
}

/* Takes over `lease`. */
static void observe(struct elector *self, const struct context *ctx, struct json *lease)
{
    if (!lease_same_record(self->lease, lease))
        self->seen_ms = now_ms(self);
    json_unref(self->lease);
    self->lease = lease;
    self->is_there = true;
    if (share_holder(self, record_of(self).holder) && is_anothers(self))
        log_info(ctx, "leader election: '%s' holds lease '%s/%s'", record_of(self).holder,
                 self->namespace, self->name);
}

static int look(struct elector *self, const struct context *ctx, struct err *err)
{
    struct json *lease = NULL;
    int r = store_get(self->options.store, ctx, &lease_resource, &self->key, &lease, err);

    if (r < 0 && r != ERR_NOT_FOUND)
        return r;
    if (r == 0)
        observe(self, ctx, lease);
    else
        observe_none(self);
    return 0;
}

/* A refusal says that nothing was written; anything else may be the loss of an answer. */
static bool is_refusal(int code)
{
    return code == ERR_CONFLICT || code == ERR_EXISTS || code == ERR_DENIED ||
           code == ERR_STRANGER || code == ERR_NOT_FOUND || code == ERR_INVALID;
}

static int write_record(struct elector *self, const struct context *ctx, enum lease_write how,
                        struct err *err)
{
    struct store *store = self->options.store;
    cleanup(json_unref) struct json *next = lease_written(
        self->is_there ? self->lease : NULL, &self->key, how, self->identity,
        self->options.lease_ms, clock_wall_ms(self->options.clock));
    struct json *stored = NULL;
    int r;

    if (self->is_there)
        r = store_update(store, ctx, &lease_resource, STORE_OBJECT, MANAGER, next, &stored, err);
    else
        r = store_create(store, ctx, &lease_resource, MANAGER, next, &stored, err);
    self->in_doubt = r < 0 && (self->in_doubt || !is_refusal(r));
    if (r < 0)
        return r;
    observe(self, ctx, stored);
    return 0;
}

/* Ours stays ours: its answer may have been lost. */
static int take_it(struct elector *self, const struct context *ctx, struct err *err)
{
    return write_record(self, ctx, self->is_there && is_ours(self) ? LEASE_RENEW : LEASE_TAKE, err);
}

/* Half of it, as controller-runtime has it: a call that hangs must leave time for another one. */
static struct context call_context(const struct elector *self, const struct context *ctx,
                                   int64_t most_ms)
{
    int64_t half_ms = self->options.renew_deadline_ms / 2;

    return context_with_timeout(ctx, most_ms < half_ms ? most_ms : half_ms);
}

/* `action` keeps the two kinds of events from being folded into one series. */
static void tell(struct elector *self, const struct context *ctx, const char *action,
                 const char *what)
{
    cleanup(xfree) char *message = xasprintf("%s %s", self->identity, what);
    struct store_note note = {
        .resource = &lease_resource,
        .key = self->key,
        .uid = json_as_text(json_path(self->lease, "metadata.uid")),
        .type = EVENT_NORMAL,
        .reason = EVENT_REASON,
        .action = action,
        .message = message,
        .manager = MANAGER,
    };

    log_info(ctx, "leader election: %s, by lease '%s/%s'", message, self->namespace, self->name);
    store_note(self->options.store, ctx, &note);
}

/* --- leading --- */

/* Others hold us to the lease, we ourselves to the deadline. */
static int64_t give_up_ms(const struct elector *self)
{
    int64_t lease_end_ms = self->renewed_ms + self->options.lease_ms;
    int64_t round_end_ms = self->round_ms + self->options.renew_deadline_ms;

    return round_end_ms < lease_end_ms ? round_end_ms : lease_end_ms;
}

static void renewed(struct elector *self, const struct context *ctx, int64_t sent_ms)
{
    share_renewal(self, sent_ms);
    if (self->options.held)
        self->options.held(self->options.arg, sent_ms + self->options.lease_ms - now_ms(self));
    note_success(self, ctx);
    self->due_ms = self->round_ms = now_ms(self) + self->options.retry_ms;
}

static void lose(struct elector *self, const struct context *ctx, const struct err *why)
{
    self->state = ENDED;
    share_end(self, false);
    if (self->options.lost)
        self->options.lost(self->options.arg, why->text);
    tell(self, ctx, "Stop", "stopped leading");
}

static int not_ours(const struct elector *self, struct err *err)
{
    return err_set(err, ERR_GONE, "'%s' holds lease '%s/%s' now", record_of(self).holder,
                   self->namespace, self->name);
}

/* ERR_GONE: another one holds it. */
static int renew_after_a_look(struct elector *self, const struct context *ctx, int64_t *ret_sent_ms,
                              struct err *err)
{
    struct context call = call_context(self, ctx, give_up_ms(self) - now_ms(self));
    int r = look(self, &call, err);

    if (r < 0)
        return r;
    if (is_anothers(self))
        return not_ours(self, err);
    *ret_sent_ms = now_ms(self);
    call = call_context(self, ctx, give_up_ms(self) - *ret_sent_ms);
    return take_it(self, &call, err);
}

static int renew_at_once(struct elector *self, const struct context *ctx, struct err *err)
{
    struct context call = call_context(self, ctx, give_up_ms(self) - now_ms(self));

    if (!self->is_there || !is_ours(self))
        return err_set(err, ERR_CONFLICT, "it has to be read first");
    return write_record(self, &call, LEASE_RENEW, err);
}

static void renewal_failed(struct elector *self, const struct context *ctx, const struct err *err)
{
    int64_t again_ms = now_ms(self) + self->options.retry_ms;

    if (err->code == ERR_GONE) {
        lose(self, ctx, err);
        return;
    }
    note_trouble(self, ctx, err);
    self->due_ms = again_ms < give_up_ms(self) ? again_ms : give_up_ms(self);
}

static void time_is_up(struct elector *self, const struct context *ctx)
{
    struct err err = self->trouble;
    char words[TIME_TEXT_MAX];

    if (!err.code)
        (void)err_set(&err, ERR_TIMEOUT, "this process did not run"); /* wrapped in the next line */
    duration_words(now_ms(self) - self->renewed_ms, words);
    (void)err_wrap(&err, "lease '%s/%s' was not renewed for %s", self->namespace, self->name,
                   words);
    lose(self, ctx, &err);
}

static void renew(struct elector *self, const struct context *ctx)
{
    int64_t sent_ms = now_ms(self);
    struct err err = {};
    int r;

    if (sent_ms >= give_up_ms(self)) {
        time_is_up(self, ctx);
        return;
    }
    r = renew_at_once(self, ctx, &err);
    if (r < 0 && r != ERR_CANCELED && now_ms(self) < give_up_ms(self))
        r = renew_after_a_look(self, ctx, &sent_ms, &err);
    if (r == 0)
        renewed(self, ctx, sent_ms);
    else
        renewal_failed(self, ctx, &err);
}

/* --- standing by --- */

static void watch_end(struct elector *self, int64_t again_ms)
{
    store_watch_close(take(self->watch));
    self->watch_due_ms = again_ms;
}

static void become_leader(struct elector *self, const struct context *ctx, int64_t sent_ms)
{
    self->state = LEADING;
    watch_end(self, 0);
    renewed(self, ctx, sent_ms);
    set_status(self, true);
    tell(self, ctx, "Lead", "became leader");
    if (self->options.leading)
        self->options.leading(self->options.arg);
}

static int64_t jittered_ms(int64_t ms)
{
    return ms + (int64_t)random_below((uint64_t)ms * 6 / 5);
}

/* As client-go, or when the record runs out, if that is sooner: not all standbys at the same instant. */
static int64_t next_look_ms(struct elector *self)
{
    int64_t look_ms = now_ms(self) + jittered_ms(self->options.retry_ms);
    int64_t out_ms;

    if (may_take(self))
        return look_ms; /* and yet we did not get it */
    out_ms = runs_out_ms(self) + (int64_t)random_below((uint64_t)self->options.retry_ms / 10 + 1);
    return out_ms < look_ms ? out_ms : look_ms;
}

static void try_to_lead(struct elector *self, const struct context *ctx)
{
    struct context call = call_context(self, ctx, NEVER_MS);
    int64_t sent_ms = 0;
    struct err err = {};
    int r = look(self, &call, &err);

    if (r == 0 && may_take(self)) {
        sent_ms = now_ms(self);
        call = call_context(self, ctx, NEVER_MS);
        r = take_it(self, &call, &err);
        if (r == 0) {
            become_leader(self, ctx, sent_ms);
            return;
        }
    }
    if (r < 0)
        note_trouble(self, ctx, &err);
    else
        note_success(self, ctx);
    self->due_ms = next_look_ms(self);
}

static bool is_news(const struct elector *self, const struct store_event *event)
{
    const char *known = json_as_text(json_path(self->lease, "metadata.resourceVersion"));

    if (event->type == STORE_BOOKMARK)
        return false;
    return !known || !self->is_there || version_compare(known, event->version) < 0;
}

/* One event, waiting for it as long as `ctx` allows. */
static int hear(struct elector *self, const struct context *ctx, struct err *err)
{
    cleanup(store_event_deinit) struct store_event event = {};
    int r = self->options.store->ops->watch_next(self->watch, ctx, &event, err);

    if (r < 0)
        return r;
    if (!is_news(self, &event))
        return 0;
    if (event.type == STORE_DELETED)
        observe_none(self);
    else
        observe(self, ctx, take(event.object));
    if (may_take(self))
        self->due_ms = now_ms(self);
    return 0;
}

/* Streams end every few minutes; only what will not get better by itself is worth a line, once. */
static void note_deaf(struct elector *self, const struct context *ctx, const struct err *err)
{
    bool tell = err->code == ERR_DENIED && !self->told_deaf;

    self->told_deaf = self->told_deaf || tell;
    if (tell)
        log_info(ctx, "leader election: %s; a released lease is noticed at the next look only",
                 err->text);
    else
        log_debug(ctx, "leader election: %s", err->text);
}

static void hear_failed(struct elector *self, const struct context *ctx, const struct err *err)
{
    if (err->code == ERR_TIMEOUT || err->code == ERR_CANCELED)
        return; /* nothing new */
    note_deaf(self, ctx, err);
    watch_end(self,
              now_ms(self) + (err->code == ERR_GONE ? self->options.retry_ms : WATCH_RETRY_MS));
}

static void watch_begin(struct elector *self, const struct context *ctx)
{
    struct context call = call_context(self, ctx, self->options.retry_ms);
    struct store_view view = {.namespace = self->namespace, .field_selector = self->selector};
    struct err err = {};

    if (now_ms(self) < self->watch_due_ms)
        return;
    if (self->options.store->ops->watch(self->options.store, &call, &lease_resource, &view, NULL,
                                        &self->watch, &err) == 0)
        return;
    self->watch_due_ms = now_ms(self) + WATCH_RETRY_MS;
    note_deaf(self, ctx, &err);
}

static void hear_all(struct elector *self, const struct context *ctx)
{
    struct context at_once = context_with_timeout(ctx, 0);
    struct err err = {};
    int r = 0;

    for (int i = 0; self->watch && r == 0 && i < EVENTS_AT_ONCE; i++)
        r = hear(self, &at_once, &err);
    if (r < 0)
        hear_failed(self, ctx, &err);
}

static void stand_by(struct elector *self, const struct context *ctx)
{
    hear_all(self, ctx);
    if (now_ms(self) >= self->due_ms)
        try_to_lead(self, ctx);
    if (self->state != STANDBY || self->watch)
        return;
    watch_begin(self, ctx);
    hear_all(self, ctx);
}

int64_t elector_turn(struct elector *self, const struct context *ctx)
{
    if (self->state == STANDBY)
        stand_by(self, ctx);
    else if (self->state == LEADING && now_ms(self) >= self->due_ms)
        renew(self, ctx);
    if (self->state == ENDED)
        return NEVER_MS;
    return self->due_ms > now_ms(self) ? self->due_ms - now_ms(self) : 0;
}

/* --- the thread --- */

static void wait_for_next(struct elector *self, const struct context *ctx, int64_t wait_ms)
{
    struct pollfd fd = {.fd = cancel_fd(ctx->cancel), .events = POLLIN};
    struct context until = context_with_timeout(ctx, wait_ms);
    struct err err = {};

    if (!self->watch)
        (void)poll(&fd, 1, (int)wait_ms); /* woken early: looks early */
    else if (hear(self, &until, &err) < 0)
        hear_failed(self, ctx, &err);
}

static void elector_main(void *arg)
{
    struct elector *self = arg;
    struct context ctx = context_background(self->options.clock);
    int64_t wait_ms;

    ctx.cancel = self->cancel;
    while (!cancel_is_fired(self->cancel)) {
        wait_ms = elector_turn(self, &ctx);
        if (wait_ms > 0)
            wait_for_next(self, &ctx, wait_ms);
    }
}

int elector_start(struct elector *self, struct err *err)
{
    return thread_start("elector", elector_main, self, &self->thread, err);
}

/* --- stop --- */

/* 0: it is not ours any more. A stop may have cut a renewal off, so what we know may be old. */
static int try_release(struct elector *self, const struct context *ctx, bool look_first,
                       struct err *err)
{
    int r = look_first ? look(self, ctx, err) : 0;

    if (r < 0 || !self->is_there || !is_ours(self))
        return r;
    return write_record(self, ctx, LEASE_RELEASE, err);
}

static void release(struct elector *self, int64_t within_ms)
{
    struct context ctx = context_background(self->options.clock);
    bool look_first = self->in_doubt;
    struct err err = {};
    int r = ERR_CONFLICT;

    ctx = context_with_timeout(&ctx, within_ms > RELEASE_MIN_MS ? within_ms : RELEASE_MIN_MS);
    for (int i = 0; r < 0 && i < RELEASE_TRIES && context_check(&ctx, NULL) == 0; i++) {
        r = try_release(self, &ctx, look_first, &err);
        look_first = true;
    }
    if (r < 0)
        log_warning(NULL, "leader election: %s; the next leader waits until it runs out", err.text);
    if (self->state == LEADING)
        tell(self, &ctx, "Stop", "stopped leading");
}

void elector_stop_within(struct elector *self, int64_t within_ms)
{
    cancel_fire(self->cancel);
    thread_join(take(self->thread));
    watch_end(self, 0);
    if (self->state == ENDED)
        return;
    share_end(self, true);
    if (self->state == LEADING || self->in_doubt)
        release(self, within_ms);
    self->state = ENDED;
}

void elector_stop(struct elector *self)
{
    elector_stop_within(self, RELEASE_MS);
}
