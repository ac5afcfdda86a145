/* placed.c - a note for each Order, and which Order has which order of the CA. */
#include "controller/placed.h"

#include "base/map.h"
#include "base/thread.h"

#define ENDED_MAX     10000 /* then all are forgotten, and read again */
#define WAIT_MAX_MS   MINUTES(10)
#define SEARCH_MAX_MS MINUTES(10)

struct note {
    struct acme_order placed; /* the CA made it, the store does not have it; no URL: none */
    bool in_doubt;
    char *claims;             /* URL of the CA's order that it goes on with; NULL */
    char *awaits;             /* URL that is another one's; NULL */
    int64_t since_ms;         /* of `awaits` */
    int64_t search_failed_ms; /* first; 0: never */
};

struct placed {
    struct mutex mutex;
    struct map *notes;  /* uid to struct note */
    struct map *owners; /* claimed URL to uid */
    struct map *ended;  /* URLs; no values */
};

static void note_free(void *value)
{
    struct note *note = value;

    acme_order_deinit(&note->placed);
    xfree(note->claims);
    xfree(note->awaits);
    xfree(note);
}

struct placed *placed_new(void)
{
    struct placed *self = xalloc(sizeof(*self));

    mutex_init(&self->mutex);
    self->notes = map_new(note_free);
    self->owners = map_new(xfree);
    self->ended = map_new(NULL);
    return self;
}

void placed_free(struct placed *self)
{
    if (!self)
        return;
    map_free(self->notes);
    map_free(self->owners);
    map_free(self->ended);
    mutex_deinit(&self->mutex);
    xfree(self);
}

static struct note *note_of(struct placed *self, const char *uid)
{
    struct note *note = map_get(self->notes, uid);

    if (!note) {
        note = xalloc(sizeof(*note));
        map_set(self->notes, uid, note);
    }
    return note;
}

/* --- what was placed --- */

void placed_note(struct placed *self, const char *uid, struct acme_order *order)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    struct note *note = note_of(self, uid);

    acme_order_deinit(&note->placed);
    note->placed = *order;
    *order = (struct acme_order){};
}

void placed_doubt(struct placed *self, const char *uid)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);

    note_of(self, uid)->in_doubt = true;
}

enum placed_state placed_take(struct placed *self, const char *uid, struct acme_order *ret)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    struct note *note = map_get(self->notes, uid);
    enum placed_state state = PLACED_NOTHING;

    if (!note)
        return PLACED_NOTHING;
    if (note->placed.url) {
        *ret = note->placed;
        note->placed = (struct acme_order){};
        state = PLACED_ORDER;
    } else if (note->in_doubt) {
        state = PLACED_IN_DOUBT;
    }
    note->in_doubt = false;
    return state;
}

/* --- the search for a lost one --- */

bool placed_may_search(struct placed *self, const char *uid, int64_t now_ms)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    struct note *note = note_of(self, uid);

    if (note->search_failed_ms == 0)
        note->search_failed_ms = now_ms;
    return now_ms - note->search_failed_ms < SEARCH_MAX_MS;
}

void placed_note_ended(struct placed *self, const char *url)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);

    if (map_len(self->ended) >= ENDED_MAX) {
        map_free(self->ended);
        self->ended = map_new(NULL);
    }
    map_set(self->ended, url, self);
}

bool placed_has_ended(struct placed *self, const char *url)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);

    return map_has(self->ended, url);
}

/* --- one order of the CA for one Order --- */

static void release(struct placed *self, struct note *note)
{
    if (note->claims)
        map_remove(self->owners, note->claims);
    xfree(note->claims);
    note->claims = NULL;
}

static void claim(struct placed *self, const char *uid, const char *url)
{
    struct note *note = note_of(self, uid);
    char *claims = xstrdup(url); /* it may be the note's own */

    release(self, note);
    note->claims = claims;
    map_set(self->owners, claims, xstrdup(uid));
}

/* Counted from the first time. */
static void await(struct note *note, const char *url, int64_t now_ms)
{
    if (streq(str_or(note->awaits, ""), url))
        return;
    xfree(note->awaits);
    note->awaits = xstrdup(url);
    note->since_ms = now_ms;
}

bool placed_claim(struct placed *self, const char *uid, const char *url, int64_t now_ms)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    const char *owner = map_get(self->owners, url);

    if (owner && !streq(owner, uid)) {
        await(note_of(self, uid), url, now_ms);
        return false;
    }
    claim(self, uid, url);
    return true;
}

bool placed_is_claimed(struct placed *self, const char *url)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);

    return map_has(self->owners, url);
}

bool placed_must_wait(struct placed *self, const char *uid, int64_t now_ms)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    struct note *note = map_get(self->notes, uid);
    cleanup(xfree) char *url = note ? take(note->awaits) : NULL;
    const char *owner = url ? map_get(self->owners, url) : NULL;

    if (!owner)
        return false;
    if (now_ms - note->since_ms < WAIT_MAX_MS) {
        note->awaits = take(url);
        return true;
    }
    release(self, map_get(self->notes, owner)); /* it is stuck */
    claim(self, uid, url);
    return false;
}

void placed_forget(struct placed *self, const char *uid)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    struct note *note = map_get(self->notes, uid);

    if (!note)
        return;
    release(self, note);
    map_remove(self->notes, uid);
}
