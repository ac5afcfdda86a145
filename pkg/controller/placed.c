/* placed.c - notes by uid of the Order. */
#include "controller/placed.h"

#include <string.h>

#include "base/map.h"
#include "base/thread.h"

#define ENDED_MAX   10000 /* then all are forgotten, and read again */
#define WAIT_MAX_MS MINUTES(10)

struct wait {
    int64_t since_ms;
    char url[]; /* that is another one's */
};

struct placed {
    struct mutex mutex;
    struct map *orders;   /* uid to struct acme_order; without URL: a doubt */
    struct map *searched; /* uid; no values */
    struct map *claimed;  /* uid to URL */
    struct map *owners;   /* URL to uid: the same the other way round */
    struct map *waiting;  /* uid to struct wait */
    struct map *ended;    /* URLs; no values */
};

static void order_free(void *value)
{
    acme_order_deinit(value);
    xfree(value);
}

struct placed *placed_new(void)
{
    struct placed *self = xalloc(sizeof(*self));

    mutex_init(&self->mutex);
    self->orders = map_new(order_free);
    self->searched = map_new(NULL);
    self->claimed = map_new(xfree);
    self->owners = map_new(xfree);
    self->waiting = map_new(xfree);
    self->ended = map_new(NULL);
    return self;
}

void placed_free(struct placed *self)
{
    if (!self)
        return;
    map_free(self->orders);
    map_free(self->searched);
    map_free(self->claimed);
    map_free(self->owners);
    map_free(self->waiting);
    map_free(self->ended);
    mutex_deinit(&self->mutex);
    xfree(self);
}

void placed_note(struct placed *self, const char *uid, struct acme_order *order)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);

    map_set(self->orders, uid, xmemdup(order, sizeof(*order)));
    *order = (struct acme_order){};
}

void placed_doubt(struct placed *self, const char *uid)
{
    struct acme_order unknown = {};

    placed_note(self, uid, &unknown);
}

enum placed_state placed_take(struct placed *self, const char *uid, struct acme_order *ret)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    cleanup(xfree) struct acme_order *order = map_take(self->orders, uid);

    if (!order)
        return PLACED_NOTHING;
    if (!order->url)
        return PLACED_IN_DOUBT;
    *ret = *order;
    return PLACED_ORDER;
}

void placed_note_searched(struct placed *self, const char *uid)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);

    map_set(self->searched, uid, self);
}

bool placed_was_searched(struct placed *self, const char *uid)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);

    return map_has(self->searched, uid);
}

static void release(struct placed *self, const char *uid)
{
    cleanup(xfree) char *url = map_take(self->claimed, uid);

    if (url)
        map_remove(self->owners, url);
}

static void claim(struct placed *self, const char *uid, const char *url)
{
    release(self, uid);
    map_set(self->claimed, uid, xstrdup(url));
    map_set(self->owners, url, xstrdup(uid));
}

/* Counted from the first time. */
static void note_wait(struct placed *self, const char *uid, const char *url, int64_t now_ms)
{
    const struct wait *known = map_get(self->waiting, uid);
    struct wait *wait;

    if (known && streq(known->url, url))
        return;
    wait = xalloc(sizeof(*wait) + strlen(url) + 1);
    wait->since_ms = now_ms;
    memcpy(wait->url, url, strlen(url) + 1);
    map_set(self->waiting, uid, wait);
}

bool placed_claim(struct placed *self, const char *uid, const char *url, int64_t now_ms)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    const char *owner = map_get(self->owners, url);

    if (owner && !streq(owner, uid)) {
        note_wait(self, uid, url, now_ms);
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
    cleanup(xfree) struct wait *wait = map_take(self->waiting, uid);
    const char *owner = wait ? map_get(self->owners, wait->url) : NULL;

    if (!owner)
        return false;
    if (now_ms - wait->since_ms < WAIT_MAX_MS) {
        map_set(self->waiting, uid, take(wait));
        return true;
    }
    map_remove(self->claimed, owner);
    claim(self, uid, wait->url);
    return false;
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

void placed_forget(struct placed *self, const char *uid)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);

    release(self, uid);
    map_remove(self->orders, uid);
    map_remove(self->searched, uid);
    map_remove(self->waiting, uid);
}
