/* written.c - a map in order of time: the oldest notes come first. */
#include "cache/written.h"

#include "base/limits.h"
#include "base/map.h"
#include "base/thread.h"

#define LIFE_MS  SECONDS(10)
#define NOTE_MAX 256 /* about 2 MB of requests with their chains */

struct note {
    struct json *object;
    int64_t at_ms; /* monotonic */
};

struct written {
    const struct clock *clock;
    written_hold_fn *holds; /* NULL: always */
    void *arg;
    struct mutex mutex;
    struct map *notes; /* "plural/namespace/name" to struct note */
};

static void note_free(void *value)
{
    struct note *note = value;

    json_unref(note->object);
    xfree(note);
}

struct written *written_new(const struct clock *clock)
{
    struct written *self = xalloc(sizeof(*self));

    self->clock = clock;
    mutex_init(&self->mutex);
    self->notes = map_new(note_free);
    return self;
}

void written_only_while(struct written *self, written_hold_fn *holds, void *arg)
{
    self->holds = holds;
    self->arg = arg;
}

void written_free(struct written *self)
{
    if (!self)
        return;
    map_free(self->notes);
    mutex_deinit(&self->mutex);
    xfree(self);
}

static char *name_of(const struct resource *resource, const char *namespace, const char *name)
{
    return xasprintf("%s/%s/%s", resource->plural, namespace, name);
}

static const char *text_of(const struct json *object, const char *path)
{
    return str_or(json_as_text(json_path(object, path)), "");
}

static bool is_alive(const struct written *self, const struct note *note)
{
    return clock_monotonic_ms(self->clock) - note->at_ms < LIFE_MS;
}

static void let_go(struct written *self, size_t room)
{
    map_for_each (entry, self->notes) {
        if (is_alive(self, map_entry_value(entry)) && map_len(self->notes) + room <= NOTE_MAX)
            return;
        map_remove(self->notes, map_entry_key(entry));
    }
}

void written_note(struct written *self, const struct resource *resource, const struct json *stored)
{
    cleanup(xfree) char *name = name_of(resource, text_of(stored, "metadata.namespace"),
                                        text_of(stored, "metadata.name"));
    struct note *note = xalloc(sizeof(*note));
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);

    note->object = json_ref((struct json *)stored);
    note->at_ms = clock_monotonic_ms(self->clock);
    map_remove(self->notes, name); /* the new one is the latest */
    let_go(self, 1);
    map_set(self->notes, name, note);
}

static struct json *find(struct written *self, const struct resource *resource,
                         const struct key *key, const char *uid, const char *version)
{
    cleanup(xfree) char *name = name_of(resource, key->namespace, key->name);
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    const struct note *note = map_get(self->notes, name);

    if (!note || !is_alive(self, note) || !streq(text_of(note->object, "metadata.uid"), uid) ||
        !streq(text_of(note->object, "metadata.resourceVersion"), version))
        return NULL;
    return json_ref(note->object);
}

/* Asked last: then no other process has led until after it was found. */
struct json *written_get(struct written *self, const struct resource *resource,
                         const struct key *key, const char *uid, const char *version)
{
    cleanup(json_unref) struct json *found = find(self, resource, key, uid, version);

    return !self->holds || self->holds(self->arg) ? take(found) : NULL;
}

void written_tidy(struct written *self)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);

    let_go(self, 0);
}

size_t written_len(struct written *self)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);

    return map_len(self->notes);
}
