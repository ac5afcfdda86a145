/* writers.c - notes by uid of the Certificate. */
#include "controller/writers.h"

#include <stdio.h>
#include <string.h>

#include "base/map.h"
#include "base/thread.h"

#define TWICE_WITHIN_MS MINUTES(10)
#define STOPPED_FOR_MS  HOURS(1)

struct note {
    unsigned char stored[SHA256_LEN];
    bool has_stored;
    bool is_overwritten;             /* since we stored it */
    int64_t before_last_ms, last_ms; /* overwritten at */
    char repaired[24];               /* resourceVersion that a repair was applied to */
};

struct writers {
    struct mutex mutex;
    struct map *notes; /* uid to struct note */
};

struct writers *writers_new(void)
{
    struct writers *self = xalloc(sizeof(*self));

    mutex_init(&self->mutex);
    self->notes = map_new(xfree);
    return self;
}

void writers_free(struct writers *self)
{
    if (!self)
        return;
    map_free(self->notes);
    mutex_deinit(&self->mutex);
    xfree(self);
}

/* The mutex is held. */
static struct note *note_of(struct writers *self, const char *uid)
{
    struct note *note = map_get(self->notes, uid);

    if (!note) {
        note = xalloc(sizeof(*note));
        map_set(self->notes, uid, note);
    }
    return note;
}

void writers_note_stored(struct writers *self, const char *uid,
                         const unsigned char key_hash[SHA256_LEN])
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    struct note *note = note_of(self, uid);

    memcpy(note->stored, key_hash, SHA256_LEN);
    note->has_stored = true;
    note->is_overwritten = false;
}

void writers_note_repaired(struct writers *self, const char *uid, const char *version)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);

    (void)snprintf(note_of(self, uid)->repaired, sizeof(((struct note *)NULL)->repaired), "%s",
                   version);
}

bool writers_repair_is_futile(struct writers *self, const char *uid,
                              const struct secret_facts *secret)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    const struct note *note = map_get(self->notes, uid);

    return note && secret && streq(note->repaired, secret->object.metadata.resource_version);
}

static void count(struct note *note, int64_t now_ms)
{
    note->is_overwritten = true;
    note->before_last_ms = note->last_ms;
    note->last_ms = now_ms;
}

static bool is_stopped(const struct note *note, int64_t now_ms)
{
    return note->before_last_ms > 0 && note->last_ms - note->before_last_ms < TWICE_WITHIN_MS &&
           now_ms - note->last_ms < STOPPED_FOR_MS;
}

const char *writers_rival(struct writers *self, const char *uid, const struct secret_facts *secret,
                          int64_t now_ms, int64_t *ret_until_ms)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    struct note *note = map_get(self->notes, uid);

    if (!note || !note->has_stored || !secret || !secret->foreign_owner ||
        memcmp(secret->key_hash, note->stored, SHA256_LEN) == 0)
        return NULL;
    if (!note->is_overwritten)
        count(note, now_ms);
    if (!is_stopped(note, now_ms))
        return NULL;
    *ret_until_ms = note->last_ms + STOPPED_FOR_MS;
    return secret->foreign_owner;
}

void writers_forget(struct writers *self, const char *uid)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);

    map_remove(self->notes, uid);
}
