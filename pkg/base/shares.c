/* shares.c - counters by "<who> <controller>". */
#include "base/shares.h"

#include "base/map.h"
#include "base/str.h"
#include "base/thread.h"

struct shares {
    int max;
    struct mutex mutex;
    struct map *in_flight; /* to int */
};

struct shares *shares_new(int max)
{
    struct shares *self = xalloc(sizeof(*self));

    self->max = max;
    mutex_init(&self->mutex);
    self->in_flight = map_new(xfree);
    return self;
}

void shares_free(struct shares *self)
{
    if (!self)
        return;
    map_free(self->in_flight);
    mutex_deinit(&self->mutex);
    xfree(self);
}

static char *name_of(const struct context *ctx, const char *who)
{
    return xasprintf("%s %s", who, str_or(ctx->controller, ""));
}

int shares_take(struct shares *self, const struct context *ctx, const char *who, struct err *err)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    cleanup(xfree) char *name = who ? name_of(ctx, who) : NULL;
    int *count;

    if (!who || self->max == 0)
        return 0;
    count = map_get(self->in_flight, name);
    if (count && *count >= self->max)
        return err_set(err, ERR_BUSY, "'%s' already has %d calls in flight", who, self->max);
    if (!count) {
        count = xalloc(sizeof(*count));
        map_set(self->in_flight, name, count);
    }
    ++*count;
    return 0;
}

void shares_give_back(struct shares *self, const struct context *ctx, const char *who)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    cleanup(xfree) char *name = who ? name_of(ctx, who) : NULL;
    int *count = name ? map_get(self->in_flight, name) : NULL;

    if (count && --*count == 0)
        map_remove(self->in_flight, name);
}
