#include "kube/notes.h"

#include <stdio.h>
#include <string.h>

#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/pool.h"
#include "base/random.h"
#include "base/str.h"
#include "base/thread.h"
#include "kube/core_event.h"
#include "store/note.h"

#define MANAGER   "certlet"
#define EVENT_MAX (64 * 1024) /* its texts are bounded by store/note.c */

#define QUIET_MS      MINUTES(6)  /* client-go's: then a series is over */
#define TELL_MS       MINUTES(30) /* while it goes on */
#define TEXT_MS       MINUTES(1)  /* the last of its kind, which takes all other texts */
#define RETRY_MS      SECONDS(10) /* +- 25 % */
#define SEND_MS       SECONDS(30)
#define STOP_MS       SECONDS(2)
#define STOP_MIN_MS   100 /* whatever is left: an API server at hand answers in that time */
#define NOTHING_TO_DO HOURS(1)
enum { TRIES_MAX = 12, PENDING_MAX = 1000, SERIES_MAX = 4000, KEY_SIZE = 17 };

static const struct resource events = {"", "v1", "Event", "events", true, false};

struct series {
    struct list to_tell; /* in notes.to_tell while the server does not know all of it, else alone */
    struct list by_age;  /* in notes.by_age */
    char key[KEY_SIZE];
    char *event; /* what the last note made of it, as text; NULL while the server knows all of it */
    uint64_t text, told_text; /* hashes: of what it says, and of what the server knows of that */
    uint32_t number;          /* with the next its name: another note makes the same */
    int64_t first_ms;         /* wall */
    int64_t count,
        told; /* how often it was, and as how often the server knows it; told 0: not posted */
    int64_t last_ms;     /* wall: the latest */
    int64_t quiet_at_ms; /* monotonic: when it is over */
    int64_t told_ms;     /* monotonic: when the server was told */
    int64_t retry_ms;    /* monotonic: not sooner */
    int tries;
    bool anew;    /* the server has forgotten it: posted with its count */
    bool sending; /* belongs to the turn: not to be removed */
};

struct kube_notes {
    struct kube *kube;
    char *instance;
    struct cancel *cancel;
    struct thread *thread; /* NULL: by hand */

    struct mutex mutex;
    struct cond changed;
    struct map *series; /* by key */
    struct pool pool;   /* of these, for a burst leaves thousands */
    uint64_t salt;      /* of keys: nobody can make a note that is taken for another's */
    /* A burst leaves thousands that are told and not over yet: none of these is looked at for the next. */
    struct list to_tell; /* in the order in which they became so */
    struct list by_age;  /* all, by quiet_at_ms */
    size_t pending;      /* of them not posted yet */
    uint32_t named;      /* makes names differ within a millisecond */
    bool news, stopping, flushing, stopped;
    int64_t end_by_ms; /* monotonic; 0: nobody said */
};

static void series_free(struct kube_notes *self, struct series *series)
{
    list_remove(&series->to_tell);
    list_remove(&series->by_age);
    xfree(series->event);
    pool_free(&self->pool, series, sizeof(*series));
}

/* --- adding, with the lock held --- */

static int64_t mono_ms(const struct kube_notes *self)
{
    return clock_monotonic_ms(kube_clock(self->kube));
}

static int64_t wall_ms(const struct kube_notes *self)
{
    return clock_wall_ms(kube_clock(self->kube));
}

static void happened(struct kube_notes *self, struct series *series)
{
    series->count++;
    series->last_ms = wall_ms(self);
    series->quiet_at_ms = mono_ms(self) + QUIET_MS;
    list_remove(&series->by_age);
    list_append(&self->by_age, &series->by_age);
    if (list_empty(&series->to_tell))
        list_append(&self->to_tell, &series->to_tell);
}

static void forget(struct kube_notes *self, struct series *series)
{
    if (series->told == 0)
        self->pending--;
    (void)map_remove(self->series, series->key);
    series_free(self, series);
}

/* Room for one more: the oldest of which the server knows all is forgotten. */
static bool make_room(struct kube_notes *self)
{
    if (self->pending >= PENDING_MAX)
        return false;
    if (map_len(self->series) < SERIES_MAX)
        return true;
    list_for_each (node, &self->by_age) {
        struct series *series = list_entry(node, struct series, by_age);

        if (series->sending || series->told < series->count)
            continue;
        forget(self, series);
        return true;
    }
    return false;
}

static void write_event(struct kube_notes *self, struct series *series,
                        const struct store_note *note)
{
    cleanup(json_unref) struct json *event = NULL;
    uint64_t text = note_text(note->message);

    if (series->event && series->text == text)
        return;
    event = note_event(note, self->instance, series->number, series->first_ms);
    xfree(series->event);
    series->event = json_text(event);
    series->text = text;
}

/* A hash of all that makes it one series: the texts are three times as large as all else that is kept of it. */
static void key_of(const struct kube_notes *self, const struct store_note *note, size_t place,
                   char key[KEY_SIZE])
{
    cleanup(xfree) char *text = note_series(note, place);
    cleanup(xfree) char *salted = xasprintf("%016llx%s", (unsigned long long)self->salt, text);

    (void)snprintf(key, KEY_SIZE, "%016llx", (unsigned long long)str_hash(salted, strlen(salted)));
}

/* `key` gets where it belongs; what goes on there, or NULL. */
static struct series *choose_series(const struct kube_notes *self, const struct store_note *note,
                                    char key[KEY_SIZE])
{
    uint64_t text = note_text(note->message);
    struct series *series[NOTE_SERIES_MAX];
    enum note_place places[NOTE_SERIES_MAX];
    char keys[NOTE_SERIES_MAX][KEY_SIZE];
    size_t chosen;

    for (size_t i = 0; i < NOTE_SERIES_MAX; i++) {
        key_of(self, note, i, keys[i]);
        series[i] = map_get(self->series, keys[i]);
        places[i] = !series[i]                ? PLACE_FREE
                    : series[i]->text == text ? PLACE_SAME_TEXT
                                              : PLACE_OTHER_TEXT;
    }
    chosen = note_place(places);
    memcpy(key, keys[chosen], KEY_SIZE);
    return series[chosen];
}

static void add_first(struct kube_notes *self, const struct store_note *note, const char *key)
{
    struct series *series = pool_alloc(&self->pool, sizeof(*series));

    memcpy(series->key, key, sizeof(series->key));
    series->number = self->named++;
    series->first_ms = wall_ms(self);
    write_event(self, series, note);
    series->retry_ms = mono_ms(self);
    list_init(&series->to_tell);
    list_init(&series->by_age);
    happened(self, series);
    map_set(self->series, key, series);
    self->pending++;
}

void kube_notes_add(struct kube_notes *self, const struct store_note *note)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    struct series *series;
    char key[KEY_SIZE];

    series = choose_series(self, note, key);
    if (series) {
        write_event(self, series, note);
        happened(self, series);
    } else if (make_room(self)) {
        add_first(self, note, key);
    } else {
        log_debug(NULL, "an event about '%s' is dropped: too many wait", note->key.name);
    }
    self->news = true;
    cond_broadcast(&self->changed);
}

/* --- sending --- */

struct letter { /* what one sending says; of its own, because the lock is not held then */
    struct series *series;
    struct json *document;
    char *name; /* NULL: posts */
    char *namespace;
    int64_t count;
    uint64_t text;
};

static void letter_deinit(struct letter *letter)
{
    json_unref(letter->document);
    xfree(letter->name);
    xfree(letter->namespace);
}
DEFINE_CLEANUP_VALUE(struct letter, letter_deinit);

/* A later one may say another time, or what has failed now. */
static struct json *series_patch(const struct series *series, const struct json *event)
{
    struct json *patch = json_new_map();

    json_set_text(patch, "message", json_get_text(event, "message"));
    core_event_set_series(patch, series->count, series->last_ms);
    return patch;
}

static struct json *series_event(const struct series *series)
{
    cleanup(json_unref) struct json *event = NULL;
    struct json *core;

    (void)json_parse(series->event, strlen(series->event), EVENT_MAX, &event,
                     NULL); /* it is our own print */
    core = core_event(event);
    if (series->anew)
        core_event_set_series(core, series->count, series->last_ms);
    return core;
}

static void letter_write(struct letter *letter, struct series *series)
{
    cleanup(json_unref) struct json *event = series_event(series);
    const struct json *metadata = json_get(event, "metadata");
    bool first = series->told == 0 && !series->anew;

    series->sending = true;
    letter->series = series;
    letter->count = first ? 1 : series->count;
    letter->text = series->text;
    letter->document = series->told == 0 ? json_ref(event) : series_patch(series, event);
    letter->namespace = xstrdup(json_get_text(metadata, "namespace"));
    letter->name = series->told == 0 ? NULL : xstrdup(json_get_text(metadata, "name"));
}

static int send_letter(struct kube_notes *self, const struct context *ctx,
                       const struct letter *letter, struct kube_status *ret_status, struct err *err)
{
    struct context soon = context_with_timeout(ctx, SEND_MS);
    bool posts = !letter->name;
    struct kube_call call = {
        .about = {.doing = posts ? "creating" : "patching",
                  .verb = posts ? "create" : "patch",
                  .resource = &events,
                  .namespace = letter->namespace,
                  .name = letter->name},
        .method = posts ? "POST" : "PATCH",
        .params = {{"fieldManager", MANAGER}},
        .content_type = posts ? NULL : "application/merge-patch+json",
        .body = letter->document,
        .repeatable = true, /* its name is given */
    };

    return kube_do(self->kube, &soon, &call, NULL, ret_status, err);
}

static void was_sent(struct kube_notes *self, const struct letter *letter)
{
    struct series *series = letter->series;

    if (series->told == 0)
        self->pending--;
    series->told = letter->count;
    series->told_text = letter->text;
    series->tries = 0;
    series->told_ms = mono_ms(self);
    if (series->told < series->count)
        return;
    list_remove(&series->to_tell);
    xfree(take(series->event)); /* thousands of these are not over yet behind a burst */
}

/* The server has forgotten it (an hour by default): it is told as a new one. */
static void post_anew(struct kube_notes *self, struct series *series)
{
    series->anew = true;
    series->told = 0;
    self->pending++;
}

static void try_later(struct kube_notes *self, struct series *series)
{
    int64_t spread_ms = (int64_t)random_below(RETRY_MS / 2);

    if (++series->tries >= TRIES_MAX || self->flushing)
        forget(self, series);
    else
        series->retry_ms = mono_ms(self) + RETRY_MS - RETRY_MS / 4 + spread_ms;
}

/* With the lock held again. */
static void take_result(struct kube_notes *self, const struct letter *letter, int r)
{
    struct series *series = letter->series;

    series->sending = false;
    if (r == 0 || r == ERR_EXISTS) /* the first try of it was done, its answer lost */
        was_sent(self, letter);
    else if (r == ERR_NOT_FOUND && letter->name)
        post_anew(self, series);
    else if (err_is_transient(r) || r == ERR_CANCELED)
        try_later(self, series);
    else
        forget(self, series); /* denied, invalid, or the namespace is being deleted */
}

/* --- turns --- */

static void forget_what_is_over(struct kube_notes *self)
{
    int64_t now_ms = mono_ms(self);

    list_for_each (node, &self->by_age) {
        struct series *series = list_entry(node, struct series, by_age);

        if (now_ms < series->quiet_at_ms)
            break;
        if (series->told >= series->count)
            forget(self, series);
    }
}

/* Of one that has something to tell: the first two at once, and soon what says another thing. */
static int64_t due_ms(const struct series *series)
{
    int64_t at_ms = series->told_ms + (series->text == series->told_text ? TELL_MS : TEXT_MS);

    if (series->told < 2)
        return series->retry_ms;
    if (series->quiet_at_ms < at_ms)
        at_ms = series->quiet_at_ms;
    return at_ms > series->retry_ms ? at_ms : series->retry_ms;
}

static bool wants_sending(const struct series *series, int64_t now_ms, bool all)
{
    return series->told < series->count && (all || now_ms >= due_ms(series));
}

/* With the lock held; false: nothing is due. */
static bool pick(struct kube_notes *self, bool all, struct letter *letter)
{
    int64_t now_ms = mono_ms(self);

    list_for_each (node, &self->to_tell) {
        struct series *series = list_entry(node, struct series, to_tell);

        if (!wants_sending(series, now_ms, all))
            continue;
        letter_write(letter, series);
        return true;
    }
    return false;
}

/* False: nothing was to be sent. */
static bool send_next(struct kube_notes *self, const struct context *ctx, bool all)
{
    cleanup(letter_deinit) struct letter letter = {};
    struct kube_status status = {};
    struct err err = {};
    bool found;
    int r;

    mutex_lock(&self->mutex);
    found = pick(self, all, &letter);
    mutex_unlock(&self->mutex);
    if (!found)
        return false;
    r = send_letter(self, ctx, &letter, &status, &err);
    if (r < 0)
        log_debug(ctx, "%s", err.text);
    mutex_lock(&self->mutex);
    take_result(self, &letter, r);
    mutex_unlock(&self->mutex);
    return true;
}

/* When the oldest of those that are told is over; `otherwise` where there is none. */
static int64_t next_end_ms(const struct kube_notes *self, int64_t otherwise)
{
    list_for_each (node, &self->by_age) {
        const struct series *series = list_entry(node, struct series, by_age);

        if (series->told >= series->count)
            return series->quiet_at_ms;
    }
    return otherwise;
}

static int64_t until_next_ms(struct kube_notes *self)
{
    int64_t now_ms = mono_ms(self), at_ms = next_end_ms(self, now_ms + NOTHING_TO_DO);

    list_for_each (node, &self->to_tell) {
        const struct series *series = list_entry(node, struct series, to_tell);

        if (due_ms(series) < at_ms)
            at_ms = due_ms(series);
    }
    return at_ms > now_ms ? at_ms - now_ms : 0;
}

int64_t kube_notes_turn(struct kube_notes *self, const struct context *ctx)
{
    cleanup(mutex_unlock) struct mutex *locked = NULL;

    while (!cancel_is_fired(ctx->cancel) && send_next(self, ctx, false))
        continue;
    locked = mutex_hold(&self->mutex);
    forget_what_is_over(self);
    return until_next_ms(self);
}

/* --- the thread --- */

/* True: stop. */
static bool wait_for_news(struct kube_notes *self, int64_t wait_ms)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);

    if (!self->news && !self->stopping)
        (void)cond_wait_for(&self->changed, &self->mutex, wait_ms); /* a turn looks what is due */
    self->news = false;
    return self->stopping;
}

/* What waits, once each: what fails now is lost. */
static void flush(struct kube_notes *self, const struct context *ctx)
{
    mutex_lock(&self->mutex);
    self->flushing = true;
    mutex_unlock(&self->mutex);
    while (!cancel_is_fired(ctx->cancel) && send_next(self, ctx, true))
        continue;
}

static void run(void *arg)
{
    struct kube_notes *self = arg;
    struct context background = context_background(kube_clock(self->kube));
    struct context ctx = context_with_cancel(&background, self->cancel);
    cleanup(mutex_unlock) struct mutex *locked = NULL;

    while (!wait_for_news(self, kube_notes_turn(self, &ctx)))
        continue;
    flush(self, &ctx);
    locked = mutex_hold(&self->mutex);
    self->stopped = true;
    cond_broadcast(&self->changed);
}

void kube_notes_end_by(struct kube_notes *self, int64_t by_ms)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);

    self->end_by_ms = by_ms;
}

/* With the lock held. */
static int64_t stop_until_ms(const struct kube_notes *self)
{
    int64_t now_ms = mono_ms(self);

    if (self->end_by_ms == 0)
        return now_ms + STOP_MS;
    return self->end_by_ms > now_ms + STOP_MIN_MS ? self->end_by_ms : now_ms + STOP_MIN_MS;
}

static void stop_thread(struct kube_notes *self)
{
    int64_t until_ms;

    if (!self->thread)
        return;
    mutex_lock(&self->mutex);
    self->stopping = true;
    cond_broadcast(&self->changed);
    until_ms = stop_until_ms(self);
    for (int64_t left_ms = until_ms - mono_ms(self); !self->stopped && left_ms > 0;
         left_ms = until_ms - mono_ms(self))
        (void)cond_wait_for(&self->changed, &self->mutex, left_ms); /* the loop looks */
    mutex_unlock(&self->mutex);
    cancel_fire(self->cancel);
    thread_join(self->thread);
}

int kube_notes_new(const struct kube_notes_options *options, struct kube_notes **ret,
                   struct err *err)
{
    cleanup(kube_notes_free) struct kube_notes *self = xalloc(sizeof(*self));
    int r;

    self->kube = options->kube;
    self->instance = xstrdup(str_or(options->instance, MANAGER));
    self->cancel = cancel_new();
    pool_init(&self->pool);
    self->series = map_new_in(&self->pool, NULL);
    random_bytes(&self->salt, sizeof(self->salt));
    list_init(&self->to_tell);
    list_init(&self->by_age);
    mutex_init(&self->mutex);
    cond_init(&self->changed);
    if (!options->by_hand) {
        r = thread_start("kube-events", run, self, &self->thread, err);
        if (r < 0)
            return r;
    }
    *ret = take(self);
    return 0;
}

void kube_notes_free(struct kube_notes *self)
{
    if (!self)
        return;
    stop_thread(self);
    list_for_each (node, &self->by_age)
        series_free(self, list_entry(node, struct series, by_age));
    map_free(self->series);
    pool_deinit(&self->pool);
    cancel_unref(self->cancel);
    cond_deinit(&self->changed);
    mutex_deinit(&self->mutex);
    xfree(self->instance);
    xfree(self);
}
