/* challenges.c - notes by uid. */
#include "controller/challenges.h"

#include "base/map.h"
#include "base/thread.h"

struct challenges {
    struct mutex mutex;
    struct map *asked;     /* uid to int64_t */
    struct map *means;     /* uid to struct challenge_means */
    struct map *lines[2];  /* presented, and not; "namespace/name", in order of coming; no values */
    struct map *untouched; /* uids; no values */
    struct map *places;    /* uid to namespace */
};

/* --- means --- */

void challenge_means_unref(struct challenge_means *means)
{
    if (!means || __atomic_sub_fetch(&means->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    object_unref(&means->issuer->object);
    acme_client_unref(means->client);
    solver_secrets_free(means->secrets);
    xfree(means);
}

static void unref_means(void *means)
{
    challenge_means_unref(means);
}

static struct challenge_means *means_ref(struct challenge_means *means)
{
    if (means)
        __atomic_add_fetch(&means->refs, 1, __ATOMIC_RELAXED);
    return means;
}

struct challenge_means *challenges_note_means(struct challenges *self, const char *uid,
                                              const struct issuer *issuer,
                                              struct acme_client *client)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    struct challenge_means *means = xalloc(sizeof(*means));

    object_ref(&issuer->object);
    means->issuer = issuer;
    means->client = acme_client_ref(client);
    means->secrets = solver_secrets_new();
    means->refs = 1;
    map_set(self->means, uid, means);
    return means_ref(means);
}

struct challenge_means *challenges_means(struct challenges *self, const char *uid)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);

    return means_ref(map_get(self->means, uid));
}

/* --- the rest --- */

bool challenge_is_open(const struct challenge *challenge)
{
    return challenge && !challenge->object.metadata.deletion_timestamp_ms &&
           !state_is_final(challenge->status.state);
}

bool challenge_holds_place(const struct challenge *challenge)
{
    return challenge_is_open(challenge) && challenge->status.processing;
}

struct challenges *challenges_new(void)
{
    struct challenges *self = xalloc(sizeof(*self));

    mutex_init(&self->mutex);
    self->asked = map_new(xfree);
    self->means = map_new(unref_means);
    self->lines[0] = map_new(NULL);
    self->lines[1] = map_new(NULL);
    self->untouched = map_new(NULL);
    self->places = map_new(xfree);
    return self;
}

void challenges_free(struct challenges *self)
{
    if (!self)
        return;
    map_free(self->asked);
    map_free(self->means);
    map_free(self->lines[0]);
    map_free(self->lines[1]);
    map_free(self->untouched);
    map_free(self->places);
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

void challenges_note_ended(struct challenges *self, const char *uid)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);

    map_remove(self->asked, uid);
}

void challenges_forget(struct challenges *self, const char *uid)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);

    map_remove(self->asked, uid);
    map_remove(self->means, uid);
    map_remove(self->untouched, uid);
    map_remove(self->places, uid);
}

/* --- places --- */

static size_t places_of(const struct challenges *self, const char *namespace)
{
    size_t found = 0;

    map_for_each (entry, self->places)
        found += streq(map_entry_value(entry), namespace);
    return found;
}

bool challenges_take_place(struct challenges *self, const struct object *challenge,
                           const struct places *places)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    const char *uid = challenge->metadata.uid, *namespace = challenge->metadata.namespace;

    if (map_has(self->places, uid))
        return true;
    if (places->stored + map_len(self->places) >= places->most ||
        places->stored_of_one + places_of(self, namespace) >= places->most_of_one)
        return false;
    map_set(self->places, uid, xstrdup(namespace));
    return true;
}

void challenges_give_place(struct challenges *self, const char *uid)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);

    map_remove(self->places, uid);
}

bool challenges_has_place(struct challenges *self, const char *uid)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);

    return map_has(self->places, uid);
}

/* --- what was presented --- */

void challenges_note_untouched(struct challenges *self, const char *uid)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);

    map_set(self->untouched, uid, self);
}

bool challenges_is_untouched(struct challenges *self, const char *uid)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);

    return map_has(self->untouched, uid);
}

bool challenges_touch(struct challenges *self, const char *uid)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);

    return map_remove(self->untouched, uid);
}

void challenges_queue(struct challenges *self, const struct key *key, bool is_presented)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    struct map *line = self->lines[is_presented ? 0 : 1];
    char text[KEY_TEXT_MAX];

    key_format(key, text);
    if (!map_has(line, text))
        map_set(line, text, self);
}

char *challenges_next(struct challenges *self)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    struct map *line = self->lines[map_len(self->lines[0]) > 0 ? 0 : 1];
    const struct map_entry *first = map_first(line);
    char *text;

    if (!first)
        return NULL;
    text = xstrdup(map_entry_key(first));
    map_remove(line, text);
    return text;
}
