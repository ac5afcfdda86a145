/* keymaker.c - jobs by object and size, in a fair order. */
#include "controller/keymaker.h"

#include <stdatomic.h>

#include "base/map.h"
#include "base/str.h"
#include "base/thread.h"

#define THREADS_MAX  8
#define SMALL_MAX    4096 /* bits */
#define UNFETCHED_MS MINUTES(10)
#define AHEAD        4 /* keys of a size */
#define AHEAD_SIZES  3 /* 2048, 3072 and 4096, in general */
#define AHEAD_FOR_MS HOURS(1)

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

struct ahead {
    int size;         /* 0: free */
    int64_t asked_ms; /* monotonic */
    const struct pkey *keys[AHEAD];
    int count, being_made;
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
    struct ahead ahead[AHEAD_SIZES];
    atomic_bool stopped;
    struct worker workers[THREADS_MAX];
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

/* --- keys made ahead --- */

static void ahead_drop(struct ahead *ahead)
{
    while (ahead->count > 0)
        pkey_unref(ahead->keys[--ahead->count]);
    ahead->size = 0;
}

/* True: one is kept, and must be looked at again. */
static bool ahead_drop_old(struct keymaker *self)
{
    int64_t now_ms = clock_monotonic_ms(self->options.clock);
    bool kept = false;

    for (int i = 0; i < AHEAD_SIZES; i++) {
        struct ahead *ahead = &self->ahead[i];

        if (ahead->being_made == 0 && now_ms - ahead->asked_ms > AHEAD_FOR_MS)
            ahead_drop(ahead);
        kept |= ahead->size > 0;
    }
    return kept;
}

static struct ahead *ahead_of(struct keymaker *self, int size)
{
    for (int i = 0; i < AHEAD_SIZES; i++) {
        if (self->ahead[i].size == size)
            return &self->ahead[i];
    }
    return NULL;
}

/* Somebody asks for such a key: the next ones shall be there at once. Sizes beyond the table are not. */
static const struct pkey *ahead_take(struct keymaker *self, int size)
{
    struct ahead *ahead = ahead_of(self, size);

    if (size > SMALL_MAX)
        return NULL;
    if (!ahead)
        ahead = ahead_of(self, 0);
    if (!ahead)
        return NULL;
    ahead->size = size;
    ahead->asked_ms = clock_monotonic_ms(self->options.clock);
    cond_broadcast(&self->has_work);
    return ahead->count > 0 ? ahead->keys[--ahead->count] : NULL;
}

static struct ahead *ahead_next(struct keymaker *self)
{
    for (int i = 0; i < AHEAD_SIZES; i++) {
        struct ahead *ahead = &self->ahead[i];

        if (ahead->size > 0 && ahead->count + ahead->being_made < AHEAD)
            return ahead;
    }
    return NULL;
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

static void run_ahead(struct keymaker *self, struct ahead *ahead)
{
    const struct pkey *made = NULL;
    int size = ahead->size;

    ahead->being_made++;
    mutex_unlock(&self->mutex);
    (void)pkey_generate_until(KEY_RSA, size, is_stopped, self, &made, NULL);
    mutex_lock(&self->mutex);
    ahead->being_made--;
    if (made && ahead->size == size)
        ahead->keys[ahead->count++] = take(made);
    else
        ahead_drop(ahead); /* it cannot be made: who asks will be told why */
    pkey_unref_ptr(&made);
}

static void wait_for_work(struct keymaker *self)
{
    if (ahead_drop_old(self))
        (void)cond_wait_for(&self->has_work, &self->mutex, AHEAD_FOR_MS);
    else
        cond_wait(&self->has_work, &self->mutex);
}

static void work(void *arg)
{
    struct worker *worker = arg;
    struct keymaker *self = worker->self;
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);

    while (!is_stopped(self)) {
        struct job *job = next_job(self, worker->only_small);
        struct ahead *ahead = job ? NULL : ahead_next(self);

        if (job)
            run_job(self, job);
        else if (ahead)
            run_ahead(self, ahead);
        else
            wait_for_work(self);
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

    if (self->options.threads == 0)
        return pkey_generate(KEY_RSA, size, ret, err);
    locked = mutex_hold(&self->mutex);
    if (is_stopped(self))
        return err_set(err, ERR_CANCELED, "the program is stopping");
    job = map_get(self->jobs, id);
    if (job && job->state == JOB_DONE)
        return fetch(self, id, job, ret, err);
    if (!job) {
        *ret = ahead_take(self, size);
        if (*ret)
            return 0;
        add_job(self, id, key, size);
    }
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
    for (int i = 0; i < options->threads && i < THREADS_MAX; i++) {
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
    for (int i = 0; i < THREADS_MAX; i++) {
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
    for (int i = 0; i < AHEAD_SIZES; i++)
        ahead_drop(&self->ahead[i]);
    cond_deinit(&self->has_work);
    mutex_deinit(&self->mutex);
    xfree(self);
}
