/*
 * controller.c - take a key, reconcile, then forget, requeue or back off.
 *
 * A worker does this forever:
 *
 *     workqueue_get() ─► controller_process(): expectations met? ─no─► parked, comes back by itself
 *                           │ yes
 *                           ▼
 *                        controller->reconcile(key): reads caches, decides, writes to the store
 *                           │
 *            success: forget its failures, come back at requeue_at_ms if it says so
 *            error:   log it, come back as the table below says
 *                           │
 *                        workqueue_done(): from here another worker may have the key
 *
 * The key says only where to look. A reconcile looks at everything again, so a run too many does no
 * harm, and one that failed half-way goes on from what it finds.
 */
#include "runtime/controller.h"

#include <stdio.h>

#include "base/log.h"
#include "base/random.h"
#include "base/str.h"
#include "base/timetext.h"
#include "runtime/loop.h"

/* A fair share is free again about as soon as a call ends. The more often it was not, the longer calls last there:
 * looking in vain costs all others time. */
#define BUSY_MIN_MS 250
#define BUSY_MAX_MS SECONDS(10)
/* A time that is further away may be a mistake, or over sooner; if it is not, whoever said it says it again. */
#define TOLD_MAX_MS DAYS(1)

static const struct metric_family sync_calls = {
    .name = "certmanager_controller_sync_call_count",
    .type = METRIC_COUNTER,
    .help = "The number of sync() calls made by a controller.",
    .labels = {"controller"},
};
static const struct metric_family sync_errors = {
    .name = "certmanager_controller_sync_error_count",
    .type = METRIC_COUNTER,
    .help = "The number of errors encountered during controller sync().",
    .labels = {"controller"},
};

/* How an error is answered. What is not listed is a failure. */
enum comeback { AFTER_BACKOFF, SOON, WHEN_TOLD };
struct answer {
    int code;
    enum comeback comeback;
    int log_level; /* enum log_level, or NOT_LOGGED */
    bool counted;  /* in sync_error_count */
    enum run_result result;
};
enum { NOT_LOGGED = -1 };

static const struct answer answers[] = {
    {ERR_CANCELED, AFTER_BACKOFF, NOT_LOGGED, false, RUN_REQUEUE}, /* we stop: nothing is wrong */
    {ERR_CONFLICT, AFTER_BACKOFF, LOG_DEBUG, false,
     RUN_REQUEUE}, /* another writer was faster: daily life */
    {ERR_BUSY, SOON, LOG_DEBUG, false, RUN_REQUEUE_AFTER}, /* our own fairness */
    {ERR_RATE_LIMITED, WHEN_TOLD, LOG_INFO, false,
     RUN_REQUEUE_AFTER}, /* the other side says when */
    {ERR_DELETED, AFTER_BACKOFF, LOG_DEBUG, false,
     RUN_REQUEUE}, /* a namespace may come back, with nothing else that wakes us */
};
static const struct answer failure = {ERR_NONE, AFTER_BACKOFF, LOG_ERROR, true, RUN_ERROR};

static const struct answer *answer_to(const struct err *err, int64_t now_ms)
{
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        if (answers[i].code != err->code)
            continue;
        if (answers[i].comeback == WHEN_TOLD && err->retry_at_ms <= now_ms)
            break; /* no time was given: back off like any failure */
        return &answers[i];
    }
    return &failure;
}

/* Doubled each time in a row; and up to a quarter more, for who was turned away together should not come back so. */
static int64_t busy_wait_ms(unsigned in_a_row)
{
    int64_t wait_ms = BUSY_MIN_MS;

    for (unsigned i = 1; i < in_a_row && wait_ms < BUSY_MAX_MS; i++)
        wait_ms *= 2;
    wait_ms = wait_ms < BUSY_MAX_MS ? wait_ms : BUSY_MAX_MS;
    return wait_ms + (int64_t)random_below((uint64_t)wait_ms / 4 + 1);
}

static int64_t told_wait_ms(const struct err *err, int64_t now_ms)
{
    int64_t wait_ms = err->retry_at_ms - now_ms;

    return wait_ms < TOLD_MAX_MS ? wait_ms : TOLD_MAX_MS;
}

static int64_t come_back(struct loop *loop, const struct work *work, const struct answer *answer,
                         const struct err *err, int64_t now_ms)
{
    int64_t wait_ms = answer->comeback == SOON ? busy_wait_ms(work->busy)
                                               : told_wait_ms(err, now_ms);

    if (answer->comeback == AFTER_BACKOFF)
        return workqueue_add_failed(loop->queue, work->lane, &work->key);
    workqueue_add_at(loop->queue, work->lane, &work->key, now_ms + wait_ms);
    return now_ms + wait_ms;
}

static void count(struct loop *loop, const struct metric_family *family,
                  const struct controller *controller)
{
    const char *labels[] = {controller->name, NULL};

    if (loop->metrics)
        metrics_add(loop->metrics, family, labels, 1);
}

static void report(const struct context *ctx, const struct answer *answer, const struct err *err,
                   int64_t wait_ms)
{
    char words[TIME_TEXT_MAX];

    if (answer->log_level == NOT_LOGGED)
        return;
    duration_words(wait_ms, words);
    log_write((enum log_level)answer->log_level, LOG_HERE, ctx, "%s; trying again in %s", err->text,
              words);
}

static enum run_result failed(struct loop *loop, const struct context *ctx, const struct work *work,
                              const struct err *err)
{
    const struct controller *controller = &loop->controllers[work->lane];
    int64_t now_ms = context_now_ms(ctx), at_ms;
    const struct answer *answer = answer_to(err, now_ms);

    at_ms = come_back(loop, work, answer, err, now_ms);
    if (answer->counted)
        count(loop, &sync_errors, controller);
    report(ctx, answer, err, at_ms - now_ms);
    return answer->result;
}

static enum run_result succeeded(struct loop *loop, const struct work *work,
                                 const struct reconcile_result *result)
{
    workqueue_forget(loop->queue, work->lane, &work->key);
    if (result->requeue_at_ms <= 0)
        return RUN_SUCCESS;
    workqueue_add_at(loop->queue, work->lane, &work->key, result->requeue_at_ms);
    return RUN_REQUEUE_AFTER;
}

/* "Certificate default/web": what the log shows. */
#define OBJECT_TEXT_MAX (64 + KEY_TEXT_MAX)

static struct context run_context(struct loop *loop, const struct context *parent,
                                  const struct work *work, char object[OBJECT_TEXT_MAX])
{
    const struct controller *controller = &loop->controllers[work->lane];
    char key[KEY_TEXT_MAX];
    struct context ctx = *parent;

    if (controller->deadline_ms > 0)
        ctx = context_with_timeout(parent, controller->deadline_ms);
    key_format(&work->key, key);
    (void)snprintf(object, OBJECT_TEXT_MAX, "%s %s", controller->kind, key); /* cut is fine */
    ctx.controller = controller->name;
    ctx.object = object;
    ctx.reconcile_id = __atomic_add_fetch(&loop->last_id, 1, __ATOMIC_RELAXED);
    ctx.tenant = str_empty(work->key.namespace) ? NULL : work->key.namespace;
    return ctx;
}

static void run(struct loop *loop, const struct context *parent, struct work *work)
{
    const struct controller *controller = &loop->controllers[work->lane];
    char object[OBJECT_TEXT_MAX];
    struct context ctx = run_context(loop, parent, work, object);
    struct reconcile_result result = {};
    int64_t began_ms = clock_monotonic_ms(ctx.clock), took_ms;
    struct err err = {};
    enum run_result outcome;
    int r;

    count(loop, &sync_calls, controller);
    r = controller->reconcile(controller->self, &ctx, &work->key, &result, &err);
    took_ms = clock_monotonic_ms(ctx.clock) - began_ms;
    err.code = r;
    work->busy = r == ERR_BUSY ? work->busy + 1 : 0;
    outcome = r == 0 ? succeeded(loop, work, &result) : failed(loop, &ctx, work, &err);
    loop_metrics_count(loop, work->lane, outcome, took_ms);
}

bool controller_process(struct loop *loop, const struct context *parent, struct work *work)
{
    bool is_met = expectations_met(loop->expectations, work->lane, &work->key);

    if (is_met)
        run(loop, parent, work);
    workqueue_done(loop->queue, work);
    return is_met;
}
