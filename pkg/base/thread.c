#include "base/thread.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { THREAD_NAME_MAX = 16 }; /* Linux's, with the terminator */

_Static_assert(sizeof(struct mutex) >= sizeof(pthread_mutex_t), "struct mutex is too small");
_Static_assert(sizeof(struct cond) >= sizeof(pthread_cond_t), "struct cond is too small");

static pthread_mutex_t *mutex_impl(struct mutex *mutex)
{
    return (pthread_mutex_t *)mutex->impl;
}

static pthread_cond_t *cond_impl(struct cond *cond)
{
    return (pthread_cond_t *)cond->impl;
}

/* These calls fail only by our own mistake, and going on without the lock would be worse. */
static void must(int r)
{
    if (r != 0)
        abort();
}

void mutex_init(struct mutex *mutex)
{
    *mutex = (struct mutex){};
    must(pthread_mutex_init(mutex_impl(mutex), NULL));
}

void mutex_deinit(struct mutex *mutex)
{
    must(pthread_mutex_destroy(mutex_impl(mutex)));
    *mutex =
        (struct mutex){}; /* PTHREAD_MUTEX_INITIALIZER of glibc and musl: may come here again */
}

void mutex_lock(struct mutex *mutex)
{
    must(pthread_mutex_lock(mutex_impl(mutex)));
}

void mutex_unlock(struct mutex *mutex)
{
    must(pthread_mutex_unlock(mutex_impl(mutex)));
}

void cond_init(struct cond *cond)
{
    pthread_condattr_t attr;

    *cond = (struct cond){};
    must(pthread_condattr_init(&attr));
    must(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC)); /* clock_awake_ms(): no choice */
    must(pthread_cond_init(cond_impl(cond), &attr));
    must(pthread_condattr_destroy(&attr));
}

void cond_deinit(struct cond *cond)
{
    must(pthread_cond_destroy(cond_impl(cond)));
    *cond = (struct cond){};
}

void cond_signal(struct cond *cond)
{
    must(pthread_cond_signal(cond_impl(cond)));
}

void cond_broadcast(struct cond *cond)
{
    must(pthread_cond_broadcast(cond_impl(cond)));
}

void cond_wait(struct cond *cond, struct mutex *mutex)
{
    must(pthread_cond_wait(cond_impl(cond), mutex_impl(mutex)));
}

static struct timespec awake_after(int64_t timeout_ms)
{
    int64_t longest = DAYS(365), at_ms;

    timeout_ms = timeout_ms < 0 ? 0 : timeout_ms > longest ? longest : timeout_ms;
    at_ms = clock_awake_ms() + timeout_ms;
    return (struct timespec){.tv_sec = at_ms / 1000, .tv_nsec = at_ms % 1000 * 1000000};
}

bool cond_wait_for(struct cond *cond, struct mutex *mutex, int64_t timeout_ms)
{
    struct timespec until = awake_after(timeout_ms);
    int r = pthread_cond_timedwait(cond_impl(cond), mutex_impl(mutex), &until);

    if (r == ETIMEDOUT)
        return false;
    must(r);
    return true;
}

struct thread {
    pthread_t id;
    char name[THREAD_NAME_MAX];
    thread_fn *fn;
    void *arg;
};

static void *thread_main(void *arg)
{
    struct thread *thread = arg;

    (void)pthread_setname_np(pthread_self(), thread->name); /* only for people */
    thread->fn(thread->arg);
    return NULL;
}

/* What a thread inherits: signals are the main thread's, but a blocked SIGSEGV would hide the
 * crash from sanitizers and core handlers. */
static void signals_to_block(sigset_t *set)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT};

    (void)sigfillset(set);
    for (size_t i = 0; i < ARRAY_LEN(faults); i++)
        (void)sigdelset(set, faults[i]);
}

int thread_start(const char *name, thread_fn *fn, void *arg, struct thread **ret, struct err *err)
{
    struct thread *thread = xalloc(sizeof(*thread));
    sigset_t block, before;
    int r;

    thread->fn = fn;
    thread->arg = arg;
    (void)snprintf(thread->name, sizeof(thread->name), "%.15s", name);
    signals_to_block(&block);
    must(pthread_sigmask(SIG_SETMASK, &block, &before));
    r = pthread_create(&thread->id, NULL, thread_main, thread);
    must(pthread_sigmask(SIG_SETMASK, &before, NULL));
    if (r != 0) {
        xfree(thread);
        return err_set_errno(err, r, "starting thread '%s'", name);
    }
    *ret = thread;
    return 0;
}

void thread_join(struct thread *thread)
{
    if (!thread)
        return;
    must(pthread_join(thread->id, NULL));
    xfree(thread);
}

int thread_cpu_count(void)
{
    cpu_set_t set;

    return sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
}
