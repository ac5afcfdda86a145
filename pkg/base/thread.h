/*
 * thread.h - threads, locks and conditions; the only file that includes pthread.h is thread.c.
 *
 * Locks live in: cancel (context.c), log, shares, zone (those read already); store/local (one connection); cache and its notes (written);
 * workqueue, expectations, manager, elector; http (request hand-over), server (handler tables); the rate gate and the client
 * of acme; http01 tokens; ca_keys (issuer); the notes of controller (accounts, challenges, placed, writers), keymaker, manifests
 * (problems), export and hooks (what is due); kube (credentials, warnings, notes); the metrics registry;
 * the decoders, known keys and known intermediates of pki. Everything else is
 * constant after start or owned by one thread. No lock is held across a call that can block, except log's (see there).
 */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include "base/clock.h"
#include "base/err.h"

struct mutex {
    uint64_t impl[6]; /* room for pthread_mutex_t, checked at build time */
};
struct cond {
    uint64_t impl[7];
};
struct thread;

void mutex_init(struct mutex *mutex); /* a static, zeroed one is ready without it */
void mutex_deinit(struct mutex *mutex);
void mutex_lock(struct mutex *mutex);
void mutex_unlock(struct mutex *mutex);
/* cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex); */
static inline struct mutex *mutex_hold(struct mutex *mutex)
{
    mutex_lock(mutex);
    return mutex;
}
static inline void mutex_unlock_ptr(struct mutex **mutex)
{
    if (*mutex)
        mutex_unlock(*mutex);
}

void cond_init(struct cond *cond); /* waits by clock_awake_ms() */
void cond_deinit(struct cond *cond);
void cond_signal(struct cond *cond);
void cond_broadcast(struct cond *cond);
void cond_wait(struct cond *cond, struct mutex *mutex);
/* Up to `timeout_ms`; false when that passed. May wake without reason. */
bool cond_wait_for(struct cond *cond, struct mutex *mutex, int64_t timeout_ms);

typedef void thread_fn(void *arg);
/* `name` (at most 15 bytes) shows in ps and debuggers. All signals are blocked in
 * the thread, except those of its own faults (SIGSEGV and the like). */
int thread_start(const char *name, thread_fn *fn, void *arg, struct thread **ret, struct err *err);
int thread_cpu_count(void);              /* that this process may use; at least 1 */
void thread_join(struct thread *thread); /* waits for its end and frees it; NULL is nothing */

#endif
