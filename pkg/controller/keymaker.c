/* keymaker.c - jobs by object and size, in a fair order. */
#include "controller/keymaker.h"

#include <stdatomic.h>

#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "base/str.h"
#include "base/thread.h"

#define THREADS_MAX  8
#define SMALL_MAX    4096 /* bits */
#define UNFETCHED_MS MINUTES(10)
#define AHEAD        4 /* keys of a size */
#define AHEAD_SIZES  3 /* 2048, 3072 and 4096, in general */
#define AHEAD_FOR_MS HOURS(1)

struct job {
    char *id; /* of the map */
    char *namespace, *name;
    int size;
    struct heap_node waiting; /* in one of the heaps until a thread takes it */
    struct list done;         /* in the list of these, the oldest first */
    bool is_done;
    int64_t done_ms;         /* monotonic */
    const struct pkey *made; /* NULL: `problem` says why */
    struct err *problem;
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
    struct map *open; /* namespace to the number of its jobs that are not done */
    struct heap small,
        large; /* jobs that wait, by their turn: how many of their namespace came before */
    struct list done;
    struct ahead ahead[AHEAD_SIZES];
    atomic_bool stopped;
    struct worker workers[THREADS_MAX];
};

static void job_free(void *value)
{
    struct job *job = value;

    if (job->is_done)
        list_remove(&job->done);
    xfree(job->id);
    xfree(job->namespace);
    xfree(job->name);
    xfree(job->problem);
    pkey_unref_ptr(&job->made);
    xfree(job);
}

/* --- jobs that are open --- */

static int64_t open_count(const struct keymaker *self, const char *namespace)
{
    const int64_t *count = map_get(self->open, namespace);

    return count ? *count : 0;
}

static void open_set(struct keymaker *self, const char *namespace, int64_t count)
{
    if (count > 0)
        map_set(self->open, namespace, xmemdup(&count, sizeof(count)));
    else
        map_remove(self->open, namespace);
}

static void job_open(struct keymaker *self, struct job *job)
{
    int64_t turn = open_count(self, job->namespace);

    heap_add(job->size <= SMALL_MAX ? &self->small : &self->large, &job->waiting, turn);
    open_set(self, job->namespace, turn + 1);
}

static void job_done(struct keymaker *self, struct job *job)
{
    open_set(self, job->namespace, open_count(self, job->namespace) - 1);
    job->done_ms = clock_monotonic_ms(self->options.clock);
    job->is_done = true;
    list_append(&self->done, &job->done);
}

/* Of those that nobody fetches: when the next one is too old; 0: there is none. */
static int64_t drop_unfetched(struct keymaker *self)
{
    int64_t now_ms = clock_monotonic_ms(self->options.clock);

    list_for_each (pos, &self->done) {
        struct job *job = list_entry(pos, struct job, done);

        if (now_ms - job->done_ms < UNFETCHED_MS)
            return job->done_ms + UNFETCHED_MS;
        map_remove(self->jobs, job->id);
    }
    return 0;
}

/* --- keys made ahead --- */

/* Of two times; 0 is none. */
static int64_t sooner(int64_t a, int64_t b)
{
    if (a == 0 || b == 0)
        return a + b;
    return a < b ? a : b;
}

static void ahead_drop(struct ahead *ahead)
{
    while (ahead->count > 0)
        pkey_unref(ahead->keys[--ahead->count]);
    ahead->size = 0;
}

/* When the next size has not been asked for long enough; 0: there is none. */
static int64_t ahead_drop_old(struct keymaker *self)
{
    int64_t now_ms = clock_monotonic_ms(self->options.clock), next_ms = 0;

    for (int i = 0; i < AHEAD_SIZES; i++) {
        struct ahead *ahead = &self->ahead[i];
        int64_t over_ms = ahead->asked_ms + AHEAD_FOR_MS;

        if (ahead->being_made == 0 && over_ms <= now_ms)
            ahead_drop(ahead);
        if (ahead->size > 0)
            next_ms = sooner(next_ms, over_ms);
    }
    return next_ms;
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
    struct ahead *ahead = size <= SMALL_MAX ? ahead_of(self, size) : NULL;

    if (size <= SMALL_MAX && !ahead)
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

/* Takes it out of its heap. */
static struct job *next_job(struct keymaker *self, bool only_small)
{
    struct heap *heap = only_small || heap_first(&self->small) ? &self->small : &self->large;
    struct heap_node *first = heap_first(heap);

    if (!first)
        return NULL;
    heap_remove(heap, first);
    return CONTAINER_OF(first, struct job, waiting);
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

    mutex_unlock(&self->mutex);
    (void)pkey_generate_until(KEY_RSA, job->size, is_stopped, self, &made, &problem);
    mutex_lock(&self->mutex);
    job->made = made;
    if (!made)
        job->problem = xmemdup(&problem, sizeof(problem));
    job_done(self, job);
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
    int64_t until_ms = sooner(drop_unfetched(self), ahead_drop_old(self));

    if (until_ms > 0)
        (void)cond_wait_for(&self->has_work, &self->mutex,
                            until_ms - clock_monotonic_ms(self->options.clock));
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

static void add_job(struct keymaker *self, const char *id, const struct key *key, int size)
{
    struct job *job = xalloc(sizeof(*job));

    job->id = xstrdup(id);
    job->namespace = xstrdup(str_or(key->namespace, ""));
    job->name = xstrdup(key->name);
    job->size = size;
    map_set(self->jobs, id, job);
    job_open(self, job);
    cond_broadcast(&self->has_work);
}

static int fetch(struct keymaker *self, struct job *job, const struct pkey **ret, struct err *err)
{
    int r = 0;

    if (job->made)
        *ret = take(job->made);
    else
        r = err_pass(err, job->problem);
    map_remove(self->jobs, job->id);
    return r;
}

int keymaker_take(struct keymaker *self, const struct key *key, int size, const struct pkey **ret,
                  struct err *err)
{
    cleanup(xfree) char *id = xasprintf("%s/%s/%d", str_or(key->namespace, ""), key->name, size);
    cleanup(mutex_unlock) struct mutex *locked = NULL;
    const struct pkey *ahead;
    struct job *job;

    if (self->options.threads == 0)
        return pkey_generate(KEY_RSA, size, ret, err);
    locked = mutex_hold(&self->mutex);
    if (is_stopped(self))
        return err_set(err, ERR_CANCELED, "the program is stopping");
    job = map_get(self->jobs, id);
    if (job && job->is_done)
        return fetch(self, job, ret, err);
    ahead = job ? NULL : ahead_take(self, size);
    if (ahead) {
        *ret = ahead;
        return 0;
    }
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
    self->open = map_new(xfree);
    list_init(&self->done);
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
    heap_deinit(&self->small);
    heap_deinit(&self->large);
    map_free(self->jobs);
    map_free(self->open);
    for (int i = 0; i < AHEAD_SIZES; i++)
        ahead_drop(&self->ahead[i]);
    cond_deinit(&self->has_work);
    mutex_deinit(&self->mutex);
    xfree(self);
}
