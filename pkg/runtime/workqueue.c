/*
 * An item is in up to three places at once: the lane's tree (always, while anything is known of it),
 * the heap of timers, and either a line of ready items or the hands of a worker:
 *
 *     add ──► READY ──get──► IN_WORK ──done──► IDLE      (READY again if added meanwhile: `dirty`)
 *
 * Ready items stand in lines, one per lane, band of priority and namespace. The lines of a band form
 * a ring: the first one gives an item and goes to the end, so namespaces take turns. Lanes take
 * turns the same way. Nothing here looks at more than the lanes, and for an item the depth of a tree.
 *
 * Whoever waits has a place in `waiting`. The last one who came is called first, so that few threads do what
 * few can do, with what they have at hand still in the processor's caches; the first one keeps the time.
 */
#include "runtime/workqueue.h"

#include <string.h>

#include "base/heap.h"
#include "base/list.h"
#include "base/pool.h"
#include "base/str.h"
#include "base/thread.h"
#include "cache/tree.h"

#define LONGEST_WAIT_MS SECONDS(60) /* the wall clock may have jumped, or the machine slept */
#define LONGEST_REST_MS HOURS(1)    /* of who does not keep the time */
#define SET_BACK_MS     SECONDS(1)  /* less is no jump */

/* Highest first. */
static const int bands[] = {PRIORITY_NORMAL, PRIORITY_INITIAL};
enum { BAND_COUNT = ARRAY_LEN(bands), BAND_NONE = BAND_COUNT };
/* The highest band's turns in a row: keys that fail and come back may fill it for ever, and others wait for their first
 * look after a restart. */
enum { HIGHEST_IN_A_ROW = 3 };

enum item_state { ITEM_IDLE, ITEM_READY, ITEM_IN_WORK };

struct line { /* ready items of one namespace, in order of arrival; exists while there are any */
    struct tree_node node;
    struct list ring;
    struct list items;
    char namespace[];
};

struct item {
    struct work work;
    struct tree_node node;
    struct heap_node timer;
    struct list ready; /* in its line; in work: among the lane's, the longest first */
    struct line *line; /* while ready */
    unsigned failures; /* in a row */
    uint32_t since_ms; /* ready, or in work; see age_ms() */
    uint8_t state;     /* enum item_state */
    uint8_t band;      /* of the ready item, or for the run after this one; BAND_NONE: not dirty */
    char text[];       /* namespace, name */
};

struct band {
    struct tree lines; /* by namespace */
    struct list ring;
};

struct lane {
    struct lane_options options;
    struct tree items; /* by key */
    struct pool pool;  /* of items: of its own, because some lanes' wait for months */
    struct band bands[BAND_COUNT];
    struct list working; /* items, in order of their start */
    struct lane_stats stats;
};

struct waiter {        /* a thread in workqueue_get(), while it has nothing to do */
    struct list place; /* in none once it has been called */
    struct cond called;
};

struct workqueue {
    const struct clock *clock;
    struct mutex mutex;  /* guards everything below */
    struct list waiting; /* in order of arrival */
    struct lane *lanes;
    size_t lane_count;
    size_t next_lane[BAND_COUNT]; /* whose turn it is */
    unsigned highest_in_a_row;    /* how often the highest band has just had its turn */
    struct heap timers;
    int64_t wall_ahead_ms; /* of the monotonic clock, at the last look */
    size_t ready, in_work;
    bool closed;
};

/* client-go's as far as our clock tells them apart; seconds. */
const double workqueue_buckets[] = {0.001, 0.01, 0.1, 1, 10, 100, 1000, 0};

/* --- items --- */

static struct item *item_of(const struct tree_node *node)
{
    return CONTAINER_OF(node, struct item, node);
}

static int compare_key(const void *probe, const struct tree_node *node)
{
    const struct key *key = probe, *other = &item_of(node)->work.key;
    int order = strcmp(str_or(key->namespace, ""), other->namespace);

    return order != 0 ? order : strcmp(key->name, other->name);
}

static struct item *item_new(struct pool *pool, unsigned lane, const struct key *key)
{
    const char *namespace = str_or(key->namespace, "");
    size_t namespace_size = strlen(namespace) + 1, name_size = strlen(key->name) + 1;
    struct item *item = pool_alloc(pool, sizeof(*item) + namespace_size + name_size);

    memcpy(item->text, namespace, namespace_size);
    memcpy(item->text + namespace_size, key->name, name_size);
    item->work.lane = lane;
    item->work.key = (struct key){.namespace = item->text, .name = item->text + namespace_size};
    item->band = BAND_NONE;
    return item;
}

static struct item *item_find(struct workqueue *queue, unsigned lane, const struct key *key)
{
    struct tree_node *node = tree_find(&queue->lanes[lane].items, compare_key, key);

    return node ? item_of(node) : NULL;
}

static struct item *item_need(struct workqueue *queue, unsigned lane, const struct key *key)
{
    struct item *item = item_find(queue, lane, key);

    if (item)
        return item;
    item = item_new(&queue->lanes[lane].pool, lane, key);
    tree_add(&queue->lanes[lane].items, &item->node, compare_key, &item->work.key);
    return item;
}

static void item_remove(struct lane *lane, struct item *item)
{
    const struct key *key = &item->work.key;
    size_t size = sizeof(*item) + strlen(key->namespace) + strlen(key->name) + 2;

    (void)tree_remove(&lane->items, compare_key, key); /* it is `item` */
    pool_free(&lane->pool, item, size);
}

/* Forgets an item of which there is nothing to remember. */
static void item_settle(struct workqueue *queue, struct item *item)
{
    if (item->state != ITEM_IDLE || heap_node_is_in(&item->timer) || item->failures > 0)
        return;
    item_remove(&queue->lanes[item->work.lane], item);
}

/* --- lines --- */

static struct line *line_of(const struct tree_node *node)
{
    return CONTAINER_OF(node, struct line, node);
}

static int compare_namespace(const void *namespace, const struct tree_node *node)
{
    return strcmp(namespace, line_of(node)->namespace);
}

static struct line *line_need(struct band *band, const char *namespace)
{
    struct tree_node *node = tree_find(&band->lines, compare_namespace, namespace);
    size_t size = strlen(namespace) + 1;
    struct line *line;

    if (node)
        return line_of(node);
    line = xalloc(sizeof(*line) + size);
    memcpy(line->namespace, namespace, size);
    list_init(&line->items);
    tree_add(&band->lines, &line->node, compare_namespace, line->namespace);
    list_append(&band->ring, &line->ring);
    return line;
}

static void line_settle(struct band *band, struct line *line)
{
    if (!list_empty(&line->items))
        return;
    (void)tree_remove(&band->lines, compare_namespace, line->namespace); /* it is `line` */
    list_remove(&line->ring);
    xfree(line);
}

static void stand_in_line(struct lane *lane, struct item *item, uint8_t band)
{
    item->band = band;
    item->line = line_need(&lane->bands[band], item->work.key.namespace);
    list_append(&item->line->items, &item->ready);
}

static void leave_line(struct lane *lane, struct item *item)
{
    struct line *line = item->line;

    list_remove(&item->ready);
    item->line = NULL;
    line_settle(&lane->bands[item->band], line);
}

/* --- times --- */

/* Half the bits do: in a queue nothing lasts 49 days, and there are very many items. */
static uint32_t now_short_ms(const struct workqueue *queue)
{
    return (uint32_t)clock_monotonic_ms(queue->clock);
}

static int64_t age_ms(const struct workqueue *queue, const struct item *item)
{
    return (uint32_t)(now_short_ms(queue) - item->since_ms);
}

/* --- READY --- */

static uint8_t band_of(enum work_priority priority)
{
    uint8_t band = 0;

    while (band < BAND_COUNT - 1 && (int)priority < bands[band])
        band++;
    return band;
}

static void move_up(struct lane *lane, struct item *item, uint8_t band)
{
    if (band >= item->band)
        return;
    leave_line(lane, item);
    stand_in_line(lane, item, band);
}

static void make_ready(struct workqueue *queue, struct item *item, uint8_t band)
{
    struct lane *lane = &queue->lanes[item->work.lane];

    item->state = ITEM_READY;
    item->since_ms = now_short_ms(queue);
    stand_in_line(lane, item, band);
    lane->stats.ready++;
    lane->stats.adds++;
    queue->ready++;
}

static void item_add(struct workqueue *queue, struct item *item, uint8_t band)
{
    switch ((enum item_state)item->state) {
    case ITEM_IDLE:
        make_ready(queue, item, band);
        break;
    case ITEM_READY:
        move_up(&queue->lanes[item->work.lane], item, band);
        break;
    case ITEM_IN_WORK:
        item->band = band < item->band ? band : item->band;
        break;
    }
}

/* --- who waits --- */

static struct waiter *waiter_at(struct list *place)
{
    return list_entry(place, struct waiter, place);
}

static bool is_waiting(const struct waiter *waiter)
{
    return !list_empty(&waiter->place);
}

static bool lane_can_give(const struct lane *lane, size_t band)
{
    if (lane->options.max_in_work > 0 && lane->stats.in_work >= lane->options.max_in_work)
        return false;
    return !list_empty(&lane->bands[band].ring);
}

static bool can_give(const struct workqueue *queue)
{
    if (queue->ready == 0)
        return false;
    for (size_t band = 0; band < BAND_COUNT; band++)
        for (size_t i = 0; i < queue->lane_count; i++)
            if (lane_can_give(&queue->lanes[i], band))
                return true;
    return false;
}

/* One is enough: it calls another if there is more to do. */
static void call_one(struct workqueue *queue)
{
    struct waiter *last = waiter_at(queue->waiting.prev);

    if (queue->closed || list_empty(&queue->waiting) || !can_give(queue))
        return;
    list_remove(&last->place);
    cond_signal(&last->called);
}

/* All look again at what they wait for, and at the time. */
static void stir_all(struct workqueue *queue)
{
    list_for_each (place, &queue->waiting)
        cond_signal(&waiter_at(place)->called);
}

static void stir_timekeeper(struct workqueue *queue)
{
    if (!list_empty(&queue->waiting))
        cond_signal(&waiter_at(queue->waiting.next)->called);
}

static void stop_waiting(struct workqueue *queue, struct waiter *waiter)
{
    bool kept_time = queue->waiting.next == &waiter->place;

    list_remove(&waiter->place);
    if (kept_time)
        stir_timekeeper(queue);
}

/* --- timers --- */

static int64_t wall_ahead_ms(const struct workqueue *queue, int64_t now_ms)
{
    return now_ms - clock_monotonic_ms(queue->clock);
}

/* A wait of a moment would last until the time that the clock had shown: every key looks again, and says anew when to
 * come back. */
static bool was_set_back(struct workqueue *queue, int64_t now_ms)
{
    int64_t before_ms = queue->wall_ahead_ms;

    queue->wall_ahead_ms = wall_ahead_ms(queue, now_ms);
    return queue->wall_ahead_ms < before_ms - SET_BACK_MS;
}

static void fire_timers(struct workqueue *queue)
{
    int64_t now_ms = clock_wall_ms(queue->clock);
    int64_t due_ms = was_set_back(queue, now_ms) ? INT64_MAX : now_ms;
    struct heap_node *first;

    for (first = heap_first(&queue->timers); first && first->due_ms <= due_ms;
         first = heap_first(&queue->timers)) {
        heap_remove(&queue->timers, first);
        item_add(queue, CONTAINER_OF(first, struct item, timer), band_of(PRIORITY_NORMAL));
    }
}

static void set_timer(struct workqueue *queue, struct item *item, int64_t at_ms)
{
    if (heap_node_is_in(&item->timer) && item->timer.due_ms <= at_ms)
        return;
    heap_add(&queue->timers, &item->timer, at_ms);
    if (heap_first(&queue->timers) != &item->timer)
        return;
    fire_timers(queue);
    call_one(queue);
    stir_timekeeper(queue);
}

/* --- life --- */

struct workqueue *workqueue_new(const struct clock *clock, const struct lane_options *lanes,
                                size_t lane_count)
{
    struct workqueue *queue = xalloc(sizeof(*queue));

    queue->clock = clock;
    queue->wall_ahead_ms = wall_ahead_ms(queue, clock_wall_ms(clock));
    mutex_init(&queue->mutex);
    list_init(&queue->waiting);
    queue->lane_count = lane_count;
    queue->lanes = xcalloc(lane_count, sizeof(*queue->lanes));
    for (size_t i = 0; i < lane_count; i++) {
        queue->lanes[i].options = lanes[i];
        pool_init(&queue->lanes[i].pool);
        list_init(&queue->lanes[i].working);
        for (size_t band = 0; band < BAND_COUNT; band++)
            list_init(&queue->lanes[i].bands[band].ring);
    }
    return queue;
}

static void line_release(struct tree_node *node)
{
    xfree(line_of(node));
}

static void lane_deinit(struct lane *lane)
{
    struct tree_node *node;

    for (size_t band = 0; band < BAND_COUNT; band++)
        tree_clear(&lane->bands[band].lines, line_release);
    for (node = tree_first(&lane->items); node; node = tree_first(&lane->items))
        item_remove(lane, item_of(node));
    pool_deinit(&lane->pool);
}

void workqueue_free(struct workqueue *queue)
{
    if (!queue)
        return;
    heap_deinit(&queue->timers);
    for (size_t i = 0; i < queue->lane_count; i++)
        lane_deinit(&queue->lanes[i]);
    xfree(queue->lanes);
    mutex_deinit(&queue->mutex);
    xfree(queue);
}

void workqueue_close(struct workqueue *queue)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&queue->mutex);

    queue->closed = true;
    stir_all(queue);
}

/* --- in --- */

void workqueue_add(struct workqueue *queue, unsigned lane, const struct key *key,
                   enum work_priority priority)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&queue->mutex);

    if (queue->closed)
        return;
    item_add(queue, item_need(queue, lane, key), band_of(priority));
    call_one(queue);
}

void workqueue_add_at(struct workqueue *queue, unsigned lane, const struct key *key, int64_t at_ms)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&queue->mutex);

    if (!queue->closed)
        set_timer(queue, item_need(queue, lane, key), at_ms);
}

void workqueue_cancel_at(struct workqueue *queue, unsigned lane, const struct key *key,
                         int64_t at_ms)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&queue->mutex);
    struct item *item = item_find(queue, lane, key);

    if (!item || !heap_node_is_in(&item->timer) || item->timer.due_ms != at_ms)
        return;
    heap_remove(&queue->timers, &item->timer);
    item_settle(queue, item);
}

static int64_t back_off_ms(const struct lane_options *options, unsigned failures)
{
    int64_t delay_ms = options->backoff_min_ms;

    for (unsigned i = 0; i < failures && delay_ms < options->backoff_max_ms; i++)
        delay_ms *= 2;
    return delay_ms < options->backoff_max_ms ? delay_ms : options->backoff_max_ms;
}

int64_t workqueue_add_failed(struct workqueue *queue, unsigned lane, const struct key *key)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&queue->mutex);
    int64_t at_ms = clock_wall_ms(queue->clock);
    struct item *item;

    if (queue->closed)
        return at_ms;
    item = item_need(queue, lane, key);
    at_ms += back_off_ms(&queue->lanes[lane].options, item->failures);
    item->failures++;
    queue->lanes[lane].stats.retries++;
    set_timer(queue, item, at_ms);
    return at_ms;
}

int64_t workqueue_next_try_ms(struct workqueue *queue, unsigned lane, const struct key *key)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&queue->mutex);
    const struct item *item = item_find(queue, lane, key);
    int64_t at_ms = clock_wall_ms(queue->clock) +
                    back_off_ms(&queue->lanes[lane].options, item ? item->failures : 0);

    return item && heap_node_is_in(&item->timer) && item->timer.due_ms < at_ms ? item->timer.due_ms
                                                                               : at_ms;
}

void workqueue_forget(struct workqueue *queue, unsigned lane, const struct key *key)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&queue->mutex);
    struct item *item = item_find(queue, lane, key);

    if (!item)
        return;
    item->failures = 0;
    heap_remove(&queue->timers, &item->timer);
    item_settle(queue, item);
}

/* --- out --- */

static struct lane *lane_whose_turn_it_is(struct workqueue *queue, size_t band)
{
    struct lane *lane;

    for (size_t i = 0; i < queue->lane_count; i++) {
        size_t at = (queue->next_lane[band] + i) % queue->lane_count;

        lane = &queue->lanes[at];
        if (lane_can_give(lane, band)) {
            queue->next_lane[band] = (at + 1) % queue->lane_count;
            return lane;
        }
    }
    return NULL;
}

static struct work *give(struct workqueue *queue, struct lane *lane, size_t band)
{
    struct list *ring = &lane->bands[band].ring;
    struct line *line = list_entry(ring->next, struct line, ring);
    struct item *item = list_entry(line->items.next, struct item, ready);

    list_remove(&line->ring);
    list_append(ring, &line->ring);
    leave_line(lane, item);
    metric_times_add(&lane->stats.waits, workqueue_buckets, age_ms(queue, item));
    item->state = ITEM_IN_WORK;
    item->since_ms = now_short_ms(queue);
    item->band = BAND_NONE;
    item->work.failures = item->failures;
    list_append(&lane->working, &item->ready);
    lane->stats.ready--;
    lane->stats.in_work++;
    queue->ready--;
    queue->in_work++;
    return &item->work;
}

static struct work *take_from(struct workqueue *queue, size_t band)
{
    struct lane *lane = lane_whose_turn_it_is(queue, band);

    if (!lane)
        return NULL;
    queue->highest_in_a_row = band == 0 ? queue->highest_in_a_row + 1 : 0;
    return give(queue, lane, band);
}

static struct work *take_due(struct workqueue *queue)
{
    struct work *work = NULL;
    size_t first;

    if (queue->closed)
        return NULL;
    fire_timers(queue);
    first = queue->highest_in_a_row >= HIGHEST_IN_A_ROW ? 1 : 0;
    for (size_t i = 0; i < BAND_COUNT && !work; i++)
        work = take_from(queue, (first + i) % BAND_COUNT);
    return work;
}

struct work *workqueue_try_get(struct workqueue *queue)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&queue->mutex);

    return take_due(queue);
}

/* Of the timekeeper, or of another. */
static int64_t wait_ms(struct workqueue *queue, const struct waiter *waiter,
                       const struct context *ctx)
{
    const struct heap_node *first = heap_first(&queue->timers);
    int64_t ms, timer_ms;

    if (queue->waiting.next != &waiter->place)
        return context_remaining_ms(ctx, LONGEST_REST_MS);
    ms = context_remaining_ms(ctx, LONGEST_WAIT_MS);
    if (first) {
        timer_ms = first->due_ms - clock_wall_ms(queue->clock);
        ms = timer_ms < ms ? timer_ms : ms;
    }
    return ms < LONGEST_WAIT_MS ? ms : LONGEST_WAIT_MS;
}

/* Until it is called, the queue is closed or its context ends. */
static void wait_for_call(struct workqueue *queue, const struct context *ctx)
{
    struct waiter waiter;

    cond_init(&waiter.called);
    list_append(&queue->waiting, &waiter.place);
    while (is_waiting(&waiter) && !queue->closed && context_check(ctx, NULL) == 0) {
        (void)cond_wait_for(&waiter.called, &queue->mutex, wait_ms(queue, &waiter, ctx));
        if (!queue->closed)
            fire_timers(queue);
        call_one(queue);
    }
    if (is_waiting(&waiter))
        stop_waiting(queue, &waiter);
    cond_deinit(&waiter.called);
}

static int wait_for_work(struct workqueue *queue, const struct context *ctx, struct work **ret,
                         struct err *err)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&queue->mutex);
    int r;

    for (;;) {
        if (queue->closed)
            return err_set(err, ERR_GONE, "the queue is closed");
        r = context_check(ctx, err);
        *ret = r == 0 ? take_due(queue) : NULL;
        if (r < 0 || *ret) {
            call_one(queue); /* there may be more, and this one may have been called for it */
            return r;
        }
        wait_for_call(queue, ctx);
    }
}

static void wake(void *arg)
{
    workqueue_clock_changed(arg); /* wakes all: each looks at its own cancel */
}

int workqueue_get(struct workqueue *queue, const struct context *ctx, struct work **ret,
                  struct err *err)
{
    struct cancel_waker waker = {.wake = wake, .arg = queue};
    int r;

    cancel_add_waker(ctx->cancel, &waker);
    r = wait_for_work(queue, ctx, ret, err);
    cancel_remove_waker(ctx->cancel, &waker);
    return r;
}

void workqueue_done(struct workqueue *queue, struct work *work)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&queue->mutex);
    struct item *item = CONTAINER_OF(work, struct item, work);
    struct lane *lane = &queue->lanes[work->lane];
    uint8_t band = item->band;

    metric_times_add(&lane->stats.works, workqueue_buckets, age_ms(queue, item));
    list_remove(&item->ready);
    item->state = ITEM_IDLE;
    lane->stats.in_work--;
    queue->in_work--;
    if (band != BAND_NONE && !queue->closed)
        make_ready(queue, item, band);
    else
        item_settle(queue, item);
}

/* --- looking --- */

bool workqueue_is_idle(struct workqueue *queue)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&queue->mutex);

    if (!queue->closed)
        fire_timers(queue);
    call_one(queue);
    return queue->ready == 0 && queue->in_work == 0;
}

int64_t workqueue_next_due_ms(struct workqueue *queue)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&queue->mutex);
    const struct heap_node *first = heap_first(&queue->timers);

    return first ? first->due_ms : 0;
}

size_t workqueue_depth(struct workqueue *queue, unsigned lane)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&queue->mutex);

    return queue->lanes[lane].stats.ready;
}

void workqueue_stats(struct workqueue *queue, unsigned at, struct lane_stats *ret)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&queue->mutex);
    const struct lane *lane = &queue->lanes[at];
    int64_t age;

    *ret = lane->stats;
    list_for_each (node, &lane->working) {
        age = age_ms(queue, list_entry(node, struct item, ready));
        ret->unfinished_ms += age;
        ret->longest_ms = age > ret->longest_ms ? age : ret->longest_ms;
    }
}

void workqueue_clock_changed(struct workqueue *queue)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&queue->mutex);

    stir_all(queue);
}
