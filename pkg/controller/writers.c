/* writers.c - notes by uid of the Certificate. */
#include "controller/writers.h"

#include <string.h>

#include "base/map.h"
#include "base/thread.h"

#define TWICE_WITHIN_MS MINUTES(10)
#define STOPPED_FOR_MS  HOURS(1)

struct note {
    unsigned char stored[SHA256_LEN];
    bool is_overwritten;             /* since we stored it */
    int64_t before_last_ms, last_ms; /* overwritten at */
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

void writers_note_stored(struct writers *self, const char *uid,
                         const unsigned char key_hash[SHA256_LEN])
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    struct note *note = map_get(self->notes, uid);

    if (!note) {
        note = xalloc(sizeof(*note));
        map_set(self->notes, uid, note);
    }
    memcpy(note->stored, key_hash, SHA256_LEN);
    note->is_overwritten = false;
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
                          int64_t now_ms)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    struct note *note = map_get(self->notes, uid);

    if (!note || !secret || !secret->foreign_owner ||
        memcmp(secret->key_hash, note->stored, SHA256_LEN) == 0)
        return NULL;
    if (!note->is_overwritten)
        count(note, now_ms);
    return is_stopped(note, now_ms) ? secret->foreign_owner : NULL;
}
