/* keymaker.c - jobs by object and size, in a fair order. */
#include "controller/keymaker.h"

#include <stdatomic.h>

#include "base/map.h"
#include "base/str.h"
#include "base/thread.h"

#define THREADS      2
#define SMALL_MAX    4096 /* bits */
#define UNFETCHED_MS MINUTES(10)

enum job_state { JOB_WAITING, JOB_RUNNING, JOB_DONE };
struct job {
    char *namespace, *name;
    int size;
    uint64_t turn; /* how many of its namespace were before it */
    uint64_t number;
    enum job_state state;
    const struct pkey *made; /* DONE; NULL: `problem` says why */
    struct err problem;
    int64_t done_ms; /* monotonic */
};

struct worker {
    struct keymaker *self;
    bool only_small;
    struct thread *thread;
};

struct keymaker {
    struct keymaker_options options;
    struct mutex mutex;
    struct cond has_work;
    struct map *jobs; /* "namespace/name/size" to struct job */
    uint64_t numbers;
    atomic_bool stopped;
    struct worker workers[THREADS];
};

static void job_free(void *value)
{
    struct job *job = value;

    xfree(job->namespace);
    xfree(job->name);
    pkey_unref_ptr(&job->made);
    xfree(job);
}

static bool is_small(const struct job *job)
{
    return job->size <= SMALL_MAX;
}

static bool comes_before(const struct job *a, const struct job *b)
{
    if (is_small(a) != is_small(b))
        return is_small(a);
    return a->turn != b->turn ? a->turn < b->turn : a->number < b->number;
}

/* --- the threads --- */

static struct job *next_job(struct keymaker *self, bool only_small)
{
    struct job *best = NULL;

    map_for_each (entry, self->jobs) {
        struct job *job = map_entry_value(entry);

        if (job->state != JOB_WAITING || (only_small && !is_small(job)))
            continue;
        if (!best || comes_before(job, best))
            best = job;
    }
    return best;
}

static bool is_stopped(void *arg)
{
    struct keymaker *self = arg;

    return atomic_load(&self->stopped);
}

/* Once it is done, whoever fetches it may free the job. */
static void run_job(struct keymaker *self, struct job *job)
{
    cleanup(xfree) char *namespace = xstrdup(job->namespace);
    cleanup(xfree) char *name = xstrdup(job->name);
    struct key key = {.namespace = namespace, .name = name};
    const struct pkey *made = NULL;
    struct err problem = {};

    job->state = JOB_RUNNING;
    mutex_unlock(&self->mutex);
    (void)pkey_generate_until(KEY_RSA, job->size, is_stopped, self, &made, &problem);
    mutex_lock(&self->mutex);
    job->made = made;
    job->problem = problem;
    job->done_ms = clock_monotonic_ms(self->options.clock);
    job->state = JOB_DONE;
    mutex_unlock(&self->mutex);
    if (!is_stopped(self))
        self->options.ready(self->options.arg, &key);
    mutex_lock(&self->mutex);
}

static void work(void *arg)
{
    struct worker *worker = arg;
    struct keymaker *self = worker->self;
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);

    while (!is_stopped(self)) {
        struct job *job = next_job(self, worker->only_small);

        if (job)
            run_job(self, job);
        else
            cond_wait(&self->has_work, &self->mutex);
    }
}

/* --- the callers --- */

static uint64_t jobs_of(const struct keymaker *self, const char *namespace)
{
    uint64_t count = 0;

    map_for_each (entry, self->jobs) {
        const struct job *job = map_entry_value(entry);

        count += job->state != JOB_DONE && streq(job->namespace, namespace);
    }
    return count;
}

static void drop_old(struct keymaker *self)
{
    int64_t now_ms = clock_monotonic_ms(self->options.clock);

    map_for_each (entry, self->jobs) {
        const struct job *job = map_entry_value(entry);

        if (job->state == JOB_DONE && now_ms - job->done_ms > UNFETCHED_MS)
            map_remove(self->jobs, map_entry_key(entry));
    }
}

static void add_job(struct keymaker *self, const char *id, const struct key *key, int size)
{
    struct job *job = xalloc(sizeof(*job));

    job->namespace = xstrdup(str_or(key->namespace, ""));
    job->name = xstrdup(key->name);
    job->size = size;
    job->turn = jobs_of(self, job->namespace);
    job->number = self->numbers++;
    drop_old(self);
    map_set(self->jobs, id, job);
    cond_broadcast(&self->has_work);
}

static int fetch(struct keymaker *self, const char *id, struct job *job, const struct pkey **ret,
                 struct err *err)
{
    int code = job->problem.code;

    if (code < 0)
        *err = job->problem;
    else
        *ret = take(job->made);
    map_remove(self->jobs, id);
    return code;
}

int keymaker_take(struct keymaker *self, const struct key *key, int size, const struct pkey **ret,
                  struct err *err)
{
    cleanup(xfree) char *id = xasprintf("%s/%s/%d", str_or(key->namespace, ""), key->name, size);
    cleanup(mutex_unlock) struct mutex *locked = NULL;
    struct job *job;

    if (!self->options.has_threads)
        return pkey_generate(KEY_RSA, size, ret, err);
    locked = mutex_hold(&self->mutex);
    if (is_stopped(self))
        return err_set(err, ERR_CANCELED, "the program is stopping");
    job = map_get(self->jobs, id);
    if (job && job->state == JOB_DONE)
        return fetch(self, id, job, ret, err);
    if (!job)
        add_job(self, id, key, size);
    return err_set(err, ERR_BUSY, "an RSA key of %d bits is being made", size);
}

/* --- start and end --- */

int keymaker_new(const struct keymaker_options *options, struct keymaker **ret, struct err *err)
{
    cleanup(keymaker_free) struct keymaker *self = xalloc(sizeof(*self));

    self->options = *options;
    mutex_init(&self->mutex);
    cond_init(&self->has_work);
    self->jobs = map_new(job_free);
    for (int i = 0; options->has_threads && i < THREADS; i++) {
        struct worker *worker = &self->workers[i];
        int r;

        *worker = (struct worker){.self = self, .only_small = i > 0};
        r = thread_start("keys", work, worker, &worker->thread, err);
        if (r < 0)
            return r;
    }
    *ret = take(self);
    return 0;
}

void keymaker_stop(struct keymaker *self)
{
    mutex_lock(&self->mutex);
    atomic_store(&self->stopped, true);
    cond_broadcast(&self->has_work);
    mutex_unlock(&self->mutex);
    for (int i = 0; i < THREADS; i++) {
        thread_join(self->workers[i].thread);
        self->workers[i].thread = NULL;
    }
}

void keymaker_free(struct keymaker *self)
{
    if (!self)
        return;
    keymaker_stop(self);
    map_free(self->jobs);
    cond_deinit(&self->has_work);
    mutex_deinit(&self->mutex);
    xfree(self);
}
