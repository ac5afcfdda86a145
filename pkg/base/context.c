#include "base/context.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/thread.h"

struct cancel {
    atomic_uint refs;
    atomic_bool fired;          /* set under the lock, read without */
    struct mutex mutex;         /* guards what follows */
    int fd;                     /* made by the first who asks: most runs wait by waker only */
    struct cancel_waker wakers; /* ring; this one is its end */
};

struct cancel *cancel_new(void)
{
    struct cancel *cancel = xalloc(sizeof(*cancel));

    atomic_init(&cancel->refs, 1);
    atomic_init(&cancel->fired, false);
    mutex_init(&cancel->mutex);
    cancel->fd = -1;
    cancel->wakers.prev = cancel->wakers.next = &cancel->wakers;
    return cancel;
}

struct cancel *cancel_ref(struct cancel *cancel)
{
    if (cancel)
        atomic_fetch_add_explicit(&cancel->refs, 1, memory_order_relaxed);
    return cancel;
}

void cancel_unref(struct cancel *cancel)
{
    if (!cancel || atomic_fetch_sub_explicit(&cancel->refs, 1, memory_order_acq_rel) > 1)
        return;
    fd_close(cancel->fd);
    mutex_deinit(&cancel->mutex);
    xfree(cancel);
}

static void ring_remove(struct cancel_waker *waker)
{
    waker->prev->next = waker->next;
    waker->next->prev = waker->prev;
    waker->prev = waker->next = NULL;
}

static void ring_append(struct cancel_waker *ring, struct cancel_waker *waker)
{
    waker->prev = ring->prev;
    waker->next = ring;
    ring->prev->next = waker;
    ring->prev = waker;
}

static void make_readable(int fd)
{
    uint64_t one = 1;

    /* Fails only when the counter is full, and then it is readable. */
    if (fd >= 0 && write(fd, &one, sizeof(one)) < 0)
        return;
}

void cancel_fire(struct cancel *cancel)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&cancel->mutex);
    struct cancel_waker *waker;

    if (atomic_exchange(&cancel->fired, true))
        return;
    make_readable(cancel->fd);
    while (cancel->wakers.next != &cancel->wakers) {
        waker = cancel->wakers.next;
        ring_remove(waker);
        waker->wake(waker->arg);
    }
}

bool cancel_is_fired(const struct cancel *cancel)
{
    return cancel && atomic_load(&cancel->fired);
}

int cancel_fd(const struct cancel *cancel)
{
    struct cancel *self = (struct cancel *)cancel; /* the same to look at, before and after */
    int fd;

    if (!self)
        return -1;
    mutex_lock(&self->mutex);
    if (self->fd < 0)
        self->fd = eventfd(atomic_load(&self->fired) ? 1 : 0, EFD_CLOEXEC | EFD_NONBLOCK);
    fd = self->fd;
    mutex_unlock(&self->mutex);
    return fd;
}

void cancel_add_waker(struct cancel *cancel, struct cancel_waker *waker)
{
    waker->prev = waker->next = NULL;
    if (!cancel)
        return;
    mutex_lock(&cancel->mutex);
    if (atomic_load(&cancel->fired))
        waker->wake(waker->arg);
    else
        ring_append(&cancel->wakers, waker);
    mutex_unlock(&cancel->mutex);
}

void cancel_remove_waker(struct cancel *cancel, struct cancel_waker *waker)
{
    if (!cancel)
        return;
    mutex_lock(&cancel->mutex);
    if (waker->next)
        ring_remove(waker);
    mutex_unlock(&cancel->mutex);
}

struct context context_background(const struct clock *clock)
{
    return (struct context){.clock = clock};
}

struct context context_with_timeout(const struct context *parent, int64_t timeout_ms)
{
    struct context ctx = *parent;
    int64_t deadline_ms;

    if (__builtin_add_overflow(clock_monotonic_ms(parent->clock), timeout_ms, &deadline_ms))
        return ctx; /* so far away that it is none */
    if (deadline_ms < 1)
        deadline_ms = 1; /* 0 would mean none */
    if (ctx.deadline_ms == 0 || deadline_ms < ctx.deadline_ms)
        ctx.deadline_ms = deadline_ms;
    return ctx;
}

struct context context_with_cancel(const struct context *parent, struct cancel *cancel)
{
    struct context ctx = *parent;

    ctx.cancel = cancel;
    return ctx;
}

int64_t context_remaining_ms(const struct context *ctx, int64_t otherwise)
{
    int64_t now_ms;

    if (ctx->deadline_ms == 0)
        return otherwise;
    now_ms = clock_monotonic_ms(ctx->clock);
    return now_ms < ctx->deadline_ms ? ctx->deadline_ms - now_ms : 0;
}

int context_check(const struct context *ctx, struct err *err)
{
    if (cancel_is_fired(ctx->cancel))
        return err_set(err, ERR_CANCELED, "canceled");
    if (context_remaining_ms(ctx, 1) == 0)
        return err_set(err, ERR_TIMEOUT, "the time for this ran out");
    return 0;
}
