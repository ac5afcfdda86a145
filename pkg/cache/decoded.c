/* decoded.c - objects that were decoded last, by uid and version. */
#include <string.h>

#include "base/str.h"
#include "cache/entry.h"

static const void *find(const struct decoded *decoded, uint64_t uid, uint64_t version)
{
    for (size_t i = 0; i < DECODED_MAX; i++)
        if (decoded->items[i].object && decoded->items[i].uid == uid &&
            decoded->items[i].version == version)
            return decoded->items[i].object;
    return NULL;
}

static void keep(struct decoded *decoded, const struct cache_kind *kind, uint64_t uid,
                 uint64_t version, const void *object)
{
    size_t place = decoded->next++ % DECODED_MAX;
    const void *oldest = decoded->items[place].object;

    decoded->items[place].uid = uid;
    decoded->items[place].version = version;
    decoded->items[place].object = kind->ref(object);
    if (oldest)
        kind->unref(oldest);
}

int decoded_get(struct decoded *decoded, const struct cache_kind *kind, const struct json *object,
                const void **ret, struct err *err)
{
    const struct json *metadata = json_get(object, "metadata");
    const char *uid = json_get_text(metadata, "uid");
    const char *version = json_get_text(metadata, "resourceVersion");
    cleanup(mutex_unlock) struct mutex *locked = NULL;
    uint64_t id, number;
    const void *known;
    int r;

    /* Of a partial object there may be a whole one of the same version. */
    if (!kind->ref || !uid || !version || streq(json_get_text(object, "kind"), PARTIAL_KIND))
        return kind->decode(object, ret, err);
    id = str_hash(uid, strlen(uid));
    number = version_number(version);
    locked = mutex_hold(&decoded->mutex);
    known = find(decoded, id, number);
    if (known) {
        *ret = kind->ref(known);
        return 0;
    }
    r = kind->decode(object, ret, err);
    if (r == 0)
        keep(decoded, kind, id, number, *ret);
    return r;
}

void decoded_clear(struct decoded *decoded, const struct cache_kind *kind)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&decoded->mutex);

    for (size_t i = 0; i < DECODED_MAX; i++) {
        if (decoded->items[i].object)
            kind->unref(decoded->items[i].object);
        decoded->items[i].object = NULL;
    }
}
