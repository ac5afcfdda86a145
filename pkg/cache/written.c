/* written.c - a map in order of time: the oldest notes come first. */
#include "cache/written.h"

#include <string.h>

#include "base/limits.h"
#include "base/map.h"
#include "base/thread.h"

#define LIFE_MS SECONDS(10)
/* About 2 MB of requests with their chains. But a tenant can make a request as large as any object. */
#define NOTE_MAX   256
#define BYTES_MAX  (16 * 1024 * 1024)
#define VALUE_SIZE 48 /* of a value in memory, about */

struct note {
    struct json *object;
    size_t size;
    int64_t at_ms; /* monotonic */
};

struct written {
    const struct clock *clock;
    written_hold_fn *holds; /* NULL: always */
    void *arg;
    struct mutex mutex;
    struct map *notes; /* "plural/namespace/name" to struct note */
    size_t size;       /* of all of them */
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

static size_t size_of(const struct json *value)
{
    size_t size = VALUE_SIZE + json_text_len(value);

    json_for_each (name, member, value)
        size += strlen(name) + size_of(member);
    json_for_each_item (item, value)
        size += size_of(item);
    return size;
}

/* With a copy: jansson's counts are not for two threads. */
static struct note *note_new(const struct written *self, const struct json *stored)
{
    struct note *note = xalloc(sizeof(*note));

    *note = (struct note){.object = json_deep(stored),
                          .size = size_of(stored),
                          .at_ms = clock_monotonic_ms(self->clock)};
    return note;
}

static void drop(struct written *self, const char *name)
{
    const struct note *note = map_get(self->notes, name);

    if (!note)
        return;
    self->size -= note->size;
    map_remove(self->notes, name);
}

/* `count` and `size` of what is to come. */
static void make_room(struct written *self, size_t count, size_t size)
{
    map_for_each (entry, self->notes) {
        if (is_alive(self, map_entry_value(entry)) && map_len(self->notes) + count <= NOTE_MAX &&
            self->size + size <= BYTES_MAX)
            return;
        drop(self, map_entry_key(entry));
    }
}

void written_note(struct written *self, const struct resource *resource, const struct json *stored)
{
    cleanup(xfree) char *name = name_of(resource, text_of(stored, "metadata.namespace"),
                                        text_of(stored, "metadata.name"));
    struct note *note = note_new(self, stored);
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);

    drop(self, name); /* the new one is the latest */
    make_room(self, 1, note->size);
    self->size += note->size;
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
    return json_deep(note->object);
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

    make_room(self, 0, 0);
}

size_t written_len(struct written *self)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);

    return map_len(self->notes);
}
