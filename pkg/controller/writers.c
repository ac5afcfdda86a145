/*
 * writers.c - notes by uid of the Certificate.
 *
 * What was stored is noted of every Certificate, so that is small: two hashes of 64 bits. The rest is of the few
 * whose Secrets somebody else writes, too.
 */
#include "controller/writers.h"

#include <stdio.h>
#include <string.h>

#include "base/map.h"
#include "base/pool.h"
#include "base/str.h"
#include "base/thread.h"
#include "cache/tree.h"

#define TWICE_WITHIN_MS MINUTES(10)

struct stored {
    struct tree_node node; /* by uid */
    uint64_t uid, key;     /* hash; beginning of the public key's */
};

struct note {
    bool is_overwritten;             /* since we stored it */
    int64_t before_last_ms, last_ms; /* overwritten at */
    int64_t generation;              /* the Certificate's, at the last of them */
    int64_t let_go_ms;               /* an edit has ended the stop; 0: none has */
    int64_t let_go_generation;       /* the Certificate's then */
    char repaired[24];               /* resourceVersion that a repair was applied to */
};

struct writers {
    struct mutex mutex;
    struct tree stored;
    struct pool pool;  /* of these */
    struct map *notes; /* uid to struct note */
};

struct writers *writers_new(void)
{
    struct writers *self = xalloc(sizeof(*self));

    mutex_init(&self->mutex);
    pool_init(&self->pool);
    self->notes = map_new(xfree);
    return self;
}

void writers_free(struct writers *self)
{
    if (!self)
        return;
    map_free(self->notes);
    pool_deinit(&self->pool);
    mutex_deinit(&self->mutex);
    xfree(self);
}

/* --- with the mutex held --- */

static struct note *note_of(struct writers *self, const char *uid)
{
    struct note *note = map_get(self->notes, uid);

    if (!note) {
        note = xalloc(sizeof(*note));
        map_set(self->notes, uid, note);
    }
    return note;
}

static int compare_uid(const void *probe, const struct tree_node *node)
{
    uint64_t uid = *(const uint64_t *)probe, other = CONTAINER_OF(node, struct stored, node)->uid;

    return (uid > other) - (uid < other);
}

static struct stored *stored_find(struct writers *self, uint64_t uid)
{
    struct tree_node *node = tree_find(&self->stored, compare_uid, &uid);

    return node ? CONTAINER_OF(node, struct stored, node) : NULL;
}

static struct stored *stored_need(struct writers *self, uint64_t uid)
{
    struct stored *stored = stored_find(self, uid);

    if (stored)
        return stored;
    stored = pool_alloc(&self->pool, sizeof(*stored));
    stored->uid = uid;
    tree_add(&self->stored, &stored->node, compare_uid, &uid);
    return stored;
}

static uint64_t uid_number(const char *uid)
{
    return str_hash(uid, strlen(uid));
}

static uint64_t key_number(const unsigned char key_hash[SHA256_LEN])
{
    uint64_t number;

    memcpy(&number, key_hash, sizeof(number));
    return number;
}

/* --- */

void writers_note_stored(struct writers *self, const char *uid,
                         const unsigned char key_hash[SHA256_LEN])
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    struct note *note = map_get(self->notes, uid);

    stored_need(self, uid_number(uid))->key = key_number(key_hash);
    if (note)
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

static void count(struct note *note, int64_t generation, int64_t now_ms)
{
    note->is_overwritten = true;
    note->before_last_ms = note->last_ms;
    note->last_ms = now_ms;
    note->generation = generation;
}

/* Once an hour at most: what edits the Certificate again and again may be a program as well. */
static bool lets_go(struct note *note, int64_t generation, int64_t now_ms)
{
    if (note->generation == generation)
        return false;
    if (note->let_go_generation == generation)
        return true;
    if (note->let_go_ms > 0 && now_ms - note->let_go_ms < WRITERS_STOPPED_FOR_MS)
        return false;
    note->let_go_ms = now_ms;
    note->let_go_generation = generation;
    return true;
}

static bool is_stopped(struct note *note, int64_t generation, int64_t now_ms)
{
    return note->before_last_ms > 0 && note->last_ms - note->before_last_ms < TWICE_WITHIN_MS &&
           now_ms - note->last_ms < WRITERS_STOPPED_FOR_MS && !lets_go(note, generation, now_ms);
}

const char *writers_rival(struct writers *self, const struct object *crt,
                          const struct secret_facts *secret, int64_t now_ms, int64_t *ret_until_ms)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    int64_t generation = crt->metadata.generation;
    const char *uid = crt->metadata.uid;
    const struct stored *stored = stored_find(self, uid_number(uid));
    struct note *note;

    if (!stored || !secret || !secret->foreign_owner || stored->key == key_number(secret->key_hash))
        return NULL;
    note = note_of(self, uid);
    if (!note->is_overwritten)
        count(note, generation, now_ms);
    if (!is_stopped(note, generation, now_ms))
        return NULL;
    *ret_until_ms = note->last_ms + WRITERS_STOPPED_FOR_MS;
    return secret->foreign_owner;
}

void writers_forget(struct writers *self, const char *uid)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    uint64_t number = uid_number(uid);
    struct tree_node *node = tree_remove(&self->stored, compare_uid, &number);

    if (node)
        pool_free(&self->pool, CONTAINER_OF(node, struct stored, node), sizeof(struct stored));
    (void)map_remove(self->notes, uid);
}
