/* written.c - a map in order of time: the oldest notes come first. */
#include "cache/written.h"

#include <string.h>

#include "base/limits.h"
#include "base/map.h"
#include "base/thread.h"

#define LIFE_MS   SECONDS(10)
#define FLIGHT_MS 100
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
    struct cond ended;   /* one of the flights */
    struct list flights; /* written_flight.link */
    struct map *notes;   /* "plural/namespace/name" to struct note */
    size_t size;         /* of all of them */
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
    cond_init(&self->ended);
    list_init(&self->flights);
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
    cond_deinit(&self->ended);
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

void written_begin(struct written *self, struct written_flight *flight)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);

    list_append(&self->flights, &flight->link);
}

void written_end(struct written *self, struct written_flight *flight, const struct json *stored)
{
    if (stored)
        written_note(self, flight->resource, stored);
    mutex_lock(&self->mutex);
    list_remove(&flight->link);
    cond_broadcast(&self->ended);
    mutex_unlock(&self->mutex);
}

struct question {
    const struct resource *resource;
    const struct key *key;
    const char *uid, *version;
};

static bool is_in_flight(struct written *self, const struct question *question)
{
    list_for_each (item, &self->flights) {
        const struct written_flight *flight = list_entry(item, struct written_flight, link);

        if (streq(flight->resource->plural, question->resource->plural) &&
            key_equal(&flight->key, question->key))
            return true;
    }
    return false;
}

/* Lent until the lock is given back. */
static const struct json *find_now(struct written *self, const struct question *question)
{
    cleanup(xfree) char *name = name_of(question->resource, question->key->namespace,
                                        question->key->name);
    const struct note *note = map_get(self->notes, name);

    if (!note || !is_alive(self, note) ||
        !streq(text_of(note->object, "metadata.uid"), question->uid) ||
        !streq(text_of(note->object, "metadata.resourceVersion"), question->version))
        return NULL;
    return note->object;
}

static struct json *find(struct written *self, const struct question *question)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    int64_t until_ms = clock_monotonic_ms(clock_system()) + FLIGHT_MS, left_ms = FLIGHT_MS;
    const struct json *found = find_now(self, question);

    while (!found && left_ms > 0 && is_in_flight(self, question)) {
        (void)cond_wait_for(&self->ended, &self->mutex, left_ms);
        found = find_now(self, question);
        left_ms = until_ms - clock_monotonic_ms(clock_system());
    }
    return found ? json_deep(found) : NULL;
}

/* Asked last: then no other process has led until after it was found. */
struct json *written_get(struct written *self, const struct resource *resource,
                         const struct key *key, const char *uid, const char *version)
{
    struct question question = {resource, key, uid, version};
    cleanup(json_unref) struct json *found = find(self, &question);

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
