/*
 * Each key has what it waits for: at most one version per source, the newest. Each source has the same
 * waits in order of version, so that an event looks only at what it ends.
 *
 * The race with the reflector: add looks at the source with our lock held, and the reflector comes
 * here, for that lock, after its source has seen the version. So either add sees it, or observe finds
 * what add has left. Locks are taken in the order expectations, then cache or workqueue.
 */
#include "runtime/expectations.h"

#include <stdio.h>
#include <string.h>

#include "base/list.h"
#include "base/log.h"
#include "base/str.h"
#include "base/thread.h"
#include "cache/tree.h"

#define SAFETY_MS MINUTES(5) /* kubernetes.md 6; an event later than that is lost */

struct waiter { /* a key that waits for something */
    struct tree_node node;
    struct list waits;
    bool is_held;
    int64_t end_ms;      /* monotonic: the safety end */
    int64_t timer_at_ms; /* wall: the same in the queue; 0: not parked */
    unsigned lane;
    struct key key;
    char text[]; /* namespace, name */
};

struct watched { /* a source that somebody waited for, once */
    struct list node;
    struct cache_source *source;
    struct tree waits; /* by version, then order */
};

struct wait {
    struct tree_node node;
    struct list of_waiter;
    struct waiter *waiter;
    struct watched *watched;
    uint64_t order;
    char version[24];
};

struct expectations {
    struct workqueue *queue;
    const struct clock *clock;
    struct mutex mutex; /* guards what follows */
    struct tree waiters;
    struct list watched;
    uint64_t next_order;
};

struct expectations *expectations_new(struct workqueue *queue, const struct clock *clock)
{
    struct expectations *self = xalloc(sizeof(*self));

    self->queue = queue;
    self->clock = clock;
    mutex_init(&self->mutex);
    list_init(&self->watched);
    return self;
}

/* --- keys --- */

struct waiter_probe {
    unsigned lane;
    const struct key *key;
};

static struct waiter *waiter_of(const struct tree_node *node)
{
    return CONTAINER_OF(node, struct waiter, node);
}

static int compare_waiter(const void *arg, const struct tree_node *node)
{
    const struct waiter_probe *probe = arg;
    const struct waiter *waiter = waiter_of(node);
    int order;

    if (probe->lane != waiter->lane)
        return probe->lane < waiter->lane ? -1 : 1;
    order = strcmp(str_or(probe->key->namespace, ""), waiter->key.namespace);
    return order != 0 ? order : strcmp(probe->key->name, waiter->key.name);
}

static struct waiter *waiter_find(struct expectations *self, unsigned lane, const struct key *key)
{
    struct waiter_probe probe = {.lane = lane, .key = key};
    struct tree_node *node = tree_find(&self->waiters, compare_waiter, &probe);

    return node ? waiter_of(node) : NULL;
}

static struct waiter *waiter_need(struct expectations *self, unsigned lane, const struct key *key)
{
    const char *namespace = str_or(key->namespace, "");
    size_t namespace_size = strlen(namespace) + 1, name_size = strlen(key->name) + 1;
    struct waiter_probe probe = {.lane = lane, .key = key};
    struct waiter *waiter = waiter_find(self, lane, key);

    if (waiter)
        return waiter;
    waiter = xalloc(sizeof(*waiter) + namespace_size + name_size);
    memcpy(waiter->text, namespace, namespace_size);
    memcpy(waiter->text + namespace_size, key->name, name_size);
    waiter->key = (struct key){.namespace = waiter->text, .name = waiter->text + namespace_size};
    waiter->lane = lane;
    list_init(&waiter->waits);
    tree_add(&self->waiters, &waiter->node, compare_waiter, &probe);
    return waiter;
}

static void waiter_remove(struct expectations *self, struct waiter *waiter)
{
    struct waiter_probe probe = {.lane = waiter->lane, .key = &waiter->key};

    (void)tree_remove(&self->waiters, compare_waiter, &probe); /* it is `waiter` */
    xfree(waiter);
}

/* It waits for nothing more: a parked key goes back into the queue. */
static void waiter_release(struct expectations *self, struct waiter *waiter)
{
    if (waiter->timer_at_ms > 0) {
        workqueue_cancel_at(self->queue, waiter->lane, &waiter->key, waiter->timer_at_ms);
        workqueue_add(self->queue, waiter->lane, &waiter->key, PRIORITY_NORMAL);
    }
    waiter_remove(self, waiter);
}

/* --- what they wait for --- */

static struct wait *wait_of(const struct tree_node *node)
{
    return CONTAINER_OF(node, struct wait, node);
}

/* Any total order does for versions that are no numbers: they end by being seen first, or late. */
static int compare_wait(const void *arg, const struct tree_node *node)
{
    const struct wait *a = arg, *b = wait_of(node);
    size_t a_len = strlen(a->version), b_len = strlen(b->version);
    int order;

    if (a_len != b_len)
        return a_len < b_len ? -1 : 1;
    order = strcmp(a->version, b->version);
    return order != 0 ? order : (a->order > b->order) - (a->order < b->order);
}

static struct watched *watched_find(struct expectations *self, const struct cache_source *source)
{
    list_for_each (node, &self->watched) { /* a handful of kinds, in each namespace */
        struct watched *watched = list_entry(node, struct watched, node);

        if (watched->source == source)
            return watched;
    }
    return NULL;
}

static struct watched *watched_need(struct expectations *self, struct cache_source *source)
{
    struct watched *watched = watched_find(self, source);

    if (watched)
        return watched;
    watched = xalloc(sizeof(*watched));
    watched->source = source;
    list_append(&self->watched, &watched->node);
    return watched;
}

static struct wait *wait_find(const struct waiter *waiter, const struct cache_source *source)
{
    list_for_each (node, &waiter->waits) {
        struct wait *wait = list_entry(node, struct wait, of_waiter);

        if (wait->watched->source == source)
            return wait;
    }
    return NULL;
}

static void wait_add(struct expectations *self, struct waiter *waiter, struct cache_source *source,
                     const char *version)
{
    struct wait *wait = xalloc(sizeof(*wait));

    wait->waiter = waiter;
    wait->watched = watched_need(self, source);
    wait->order = self->next_order++;
    (void)snprintf(wait->version, sizeof(wait->version), "%s", version);
    list_append(&waiter->waits, &wait->of_waiter);
    tree_add(&wait->watched->waits, &wait->node, compare_wait, wait);
    waiter->end_ms = clock_monotonic_ms(self->clock) + SAFETY_MS;
}

static void wait_remove(struct wait *wait)
{
    list_remove(&wait->of_waiter);
    (void)tree_remove(&wait->watched->waits, compare_wait, wait); /* it is `wait` */
    xfree(wait);
}

static void wait_end(struct expectations *self, struct wait *wait)
{
    struct waiter *waiter = wait->waiter;

    wait_remove(wait);
    if (list_empty(&waiter->waits) && !waiter->is_held)
        waiter_release(self, waiter);
}

static void waiter_drop(struct expectations *self, struct waiter *waiter)
{
    list_for_each (node, &waiter->waits)
        wait_remove(list_entry(node, struct wait, of_waiter));
    waiter_remove(self, waiter);
}

static bool is_late(const struct expectations *self, const struct waiter *waiter)
{
    return waiter->end_ms <= clock_monotonic_ms(self->clock);
}

void expectations_free(struct expectations *self)
{
    struct tree_node *node;

    if (!self)
        return;
    for (node = tree_first(&self->waiters); node; node = tree_first(&self->waiters))
        waiter_drop(self, waiter_of(node));
    list_for_each (watched, &self->watched)
        xfree(list_entry(watched, struct watched, node));
    mutex_deinit(&self->mutex);
    xfree(self);
}

/* --- calls --- */

void expectations_add(struct expectations *self, unsigned lane, const struct key *key,
                      struct cache_source *source, const char *version)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    struct waiter *waiter;
    struct wait *earlier;

    if (cache_source_has_seen(source, version))
        return;
    waiter = waiter_need(self, lane, key);
    earlier = wait_find(waiter, source);
    if (earlier && version_compare(earlier->version, version) > 0)
        return;
    if (earlier)
        wait_remove(earlier);
    wait_add(self, waiter, source, version);
}

void expectations_hold(struct expectations *self, unsigned lane, const struct key *key)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    struct waiter *waiter = waiter_need(self, lane, key);

    waiter->is_held = true;
    waiter->end_ms = clock_monotonic_ms(self->clock) + SAFETY_MS;
}

void expectations_release(struct expectations *self, unsigned lane, const struct key *key)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    struct waiter *waiter = waiter_find(self, lane, key);

    if (!waiter)
        return; /* it was held for too long */
    waiter->is_held = false;
    if (list_empty(&waiter->waits))
        waiter_release(self, waiter);
}

static void park(struct expectations *self, struct waiter *waiter)
{
    int64_t now_ms = clock_wall_ms(self->clock);
    int64_t at_ms = now_ms + waiter->end_ms - clock_monotonic_ms(self->clock);

    if (waiter->timer_at_ms <= now_ms || waiter->timer_at_ms > at_ms) /* the clock was set */
        waiter->timer_at_ms = at_ms;
    /* Each time: an earlier one of the key's own may have stood in its place. */
    workqueue_add_at(self->queue, waiter->lane, &waiter->key, waiter->timer_at_ms);
}

static bool look(struct expectations *self, unsigned lane, const struct key *key, bool *ret_late)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    struct waiter *waiter = waiter_find(self, lane, key);

    *ret_late = waiter && is_late(self, waiter);
    if (*ret_late) {
        workqueue_cancel_at(self->queue, lane, key, waiter->timer_at_ms);
        waiter_drop(self, waiter);
        return true;
    }
    if (waiter)
        park(self, waiter);
    return !waiter;
}

bool expectations_met(struct expectations *self, unsigned lane, const struct key *key)
{
    bool late = false, is_met = look(self, lane, key, &late);

    if (late)
        log_warning(NULL, "what was written for '%s/%s' was not seen for 5 minutes; going on",
                    str_or(key->namespace, ""), key->name);
    return is_met;
}

void expectations_observe(void *expectations, struct cache_source *source)
{
    struct expectations *self = expectations;
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    struct watched *watched = watched_find(self, source);
    struct tree_node *first;

    if (!watched)
        return;
    for (first = tree_first(&watched->waits);
         first && cache_source_has_seen(source, wait_of(first)->version);
         first = tree_first(&watched->waits))
        wait_end(self, wait_of(first));
}

struct count {
    const struct expectations *self;
    size_t open;
};

static void count_waiter(void *arg, struct tree_node *node)
{
    struct count *count = arg;

    count->open += !is_late(count->self, waiter_of(node));
}

size_t expectations_open(struct expectations *self)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    struct count count = {.self = self};

    tree_each(&self->waiters, tree_all, NULL, count_waiter, &count);
    return count.open;
}
