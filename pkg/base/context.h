/*
 * context.h - one run's clock, deadline, cancel and log fields; goes into every call that can block.
 *
 * A context is plain data on the stack; a derived one is a changed copy and must not outlive
 * what it borrows (clock, cancel, texts). A `struct cancel` is counted and may be fired from any
 * thread; firing wakes every call that blocks under it.
 */
#ifndef BASE_CONTEXT_H
#define BASE_CONTEXT_H

#include "base/clock.h"
#include "base/err.h"

struct cancel;
struct cancel_waker { /* storage of the caller while registered */
    void (*wake)(void *arg);
    void *arg;
    struct cancel_waker *prev, *next;
};

struct cancel *cancel_new(void);
struct cancel *cancel_ref(struct cancel *cancel);
void cancel_unref(struct cancel *cancel);
DEFINE_CLEANUP(struct cancel, cancel_unref);
void cancel_fire(struct cancel *cancel);
bool cancel_is_fired(const struct cancel *cancel); /* false for NULL */
/* A descriptor that polls readable once fired; owned by the cancel. -1 for NULL, and when the
 * process has no descriptor left: poll() ignores it, and the deadline still holds. */
int cancel_fd(const struct cancel *cancel);
/* `wake` runs once when it fires, at once if it has, with an internal lock held: it must be short
 * and must not call cancel_*. After cancel_remove_waker() returns it does not run any more. */
void cancel_add_waker(struct cancel *cancel, struct cancel_waker *waker);
void cancel_remove_waker(struct cancel *cancel, struct cancel_waker *waker);

struct context {
    const struct clock *clock;
    struct cancel *cancel; /* may be NULL */
    int64_t deadline_ms;   /* monotonic; 0: none */
    uint64_t reconcile_id; /* log fields; 0 and NULL are left out */
    const char *controller;
    const char *object; /* "Certificate default/web" */
    const char *tenant; /* whose fair share a call counts against: the namespace; NULL: nobody's */
};

struct context context_background(const struct clock *clock);
/* The sooner of `timeout_ms` from now and the deadline there already is. */
struct context context_with_timeout(const struct context *parent, int64_t timeout_ms);
/* `cancel` takes the place of the parent's. */
struct context context_with_cancel(const struct context *parent, struct cancel *cancel);
static inline int64_t context_now_ms(const struct context *ctx)
{
    return clock_wall_ms(ctx->clock);
}
/* Milliseconds to the deadline: 0 when passed, `otherwise` when there is none. */
int64_t context_remaining_ms(const struct context *ctx, int64_t otherwise);
/* 0, ERR_CANCELED or ERR_TIMEOUT. */
int context_check(const struct context *ctx, struct err *err);

#endif
