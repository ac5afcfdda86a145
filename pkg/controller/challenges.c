/* challenges.c - notes by uid. */
#include "controller/challenges.h"

#include "base/map.h"
#include "base/thread.h"

struct challenges {
    struct mutex mutex;
    struct map *asked; /* uid to int64_t */
    struct map *line;  /* "namespace/name", in order of coming; no values */
};

bool challenge_holds_place(const struct challenge *challenge)
{
    return challenge && challenge->status.processing && !state_is_final(challenge->status.state);
}

struct challenges *challenges_new(void)
{
    struct challenges *self = xalloc(sizeof(*self));

    mutex_init(&self->mutex);
    self->asked = map_new(xfree);
    self->line = map_new(NULL);
    return self;
}

void challenges_free(struct challenges *self)
{
    if (!self)
        return;
    map_free(self->asked);
    map_free(self->line);
    mutex_deinit(&self->mutex);
    xfree(self);
}

int64_t challenges_asked_ms(struct challenges *self, const char *uid)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    const int64_t *at_ms = map_get(self->asked, uid);

    return at_ms ? *at_ms : 0;
}

void challenges_note_asked(struct challenges *self, const char *uid, int64_t at_ms)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);

    map_set(self->asked, uid, xmemdup(&at_ms, sizeof(at_ms)));
}

void challenges_forget(struct challenges *self, const char *uid)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);

    map_remove(self->asked, uid);
}

void challenges_queue(struct challenges *self, const struct key *key)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    char text[KEY_TEXT_MAX];

    key_format(key, text);
    if (!map_has(self->line, text))
        map_set(self->line, text, self);
}

char *challenges_next(struct challenges *self)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    const struct map_entry *first = map_first(self->line);
    char *text;

    if (!first)
        return NULL;
    text = xstrdup(map_entry_key(first));
    map_remove(self->line, text);
    return text;
}
