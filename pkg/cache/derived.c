#include "cache/derived.h"

#include "base/map.h"
#include "base/thread.h"

struct value {
    const struct derived_kind *kind;
    char *uid, *version; /* of the object */
    const void *made;
};

struct derived {
    struct cache *cache;
    const struct derived_kind *kind;
    struct mutex mutex;
    struct map *values; /* "namespace/name" to struct value */
};

static void value_free(void *at)
{
    struct value *value = at;

    xfree(value->uid);
    xfree(value->version);
    value->kind->unref(value->made);
    xfree(value);
}

struct derived *derived_new(struct cache *cache, const struct derived_kind *kind)
{
    struct derived *self = xalloc(sizeof(*self));

    self->cache = cache;
    self->kind = kind;
    mutex_init(&self->mutex);
    self->values = map_new(value_free);
    return self;
}

void derived_free(struct derived *self)
{
    if (!self)
        return;
    map_free(self->values);
    mutex_deinit(&self->mutex);
    xfree(self);
}

const void *derived_get(struct derived *self, const struct key *key)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    const struct value *value;
    char name[KEY_TEXT_MAX];

    key_format(key, name);
    value = map_get(self->values, name);
    if (!value || !cache_has_up_to(self->cache, key, value->uid, value->version))
        return NULL;
    return self->kind->ref(value->made);
}

static void put(struct derived *self, const struct key *key, struct value *value)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    char name[KEY_TEXT_MAX];

    key_format(key, name);
    map_set(self->values, name, value);
}

/* The cache is looked at last, because the handler that forgets may have come before the value was there. */
void derived_put(struct derived *self, const struct key *key, const char *uid, const char *version,
                 const void *made)
{
    struct value *value = xalloc(sizeof(*value));

    *value = (struct value){self->kind, xstrdup(uid), xstrdup(version), self->kind->ref(made)};
    put(self, key, value);
    if (!cache_has_up_to(self->cache, key, uid, version))
        derived_forget(self, key);
}

void derived_forget(struct derived *self, const struct key *key)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    char name[KEY_TEXT_MAX];

    key_format(key, name);
    map_remove(self->values, name);
}

size_t derived_len(struct derived *self)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);

    return map_len(self->values);
}
