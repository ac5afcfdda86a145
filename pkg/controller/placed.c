/* placed.c - notes by uid of the Order. */
#include "controller/placed.h"

#include "base/map.h"
#include "base/thread.h"

struct placed {
    struct mutex mutex;
    struct map *orders; /* uid to struct acme_order; without URL: a doubt */
};

static void order_free(void *value)
{
    acme_order_deinit(value);
    xfree(value);
}

struct placed *placed_new(void)
{
    struct placed *self = xalloc(sizeof(*self));

    mutex_init(&self->mutex);
    self->orders = map_new(order_free);
    return self;
}

void placed_free(struct placed *self)
{
    if (!self)
        return;
    map_free(self->orders);
    mutex_deinit(&self->mutex);
    xfree(self);
}

void placed_note(struct placed *self, const char *uid, struct acme_order *order)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);

    map_set(self->orders, uid, xmemdup(order, sizeof(*order)));
    *order = (struct acme_order){};
}

void placed_doubt(struct placed *self, const char *uid)
{
    struct acme_order unknown = {};

    placed_note(self, uid, &unknown);
}

enum placed_state placed_take(struct placed *self, const char *uid, struct acme_order *ret)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    cleanup(xfree) struct acme_order *order = map_take(self->orders, uid);

    if (!order)
        return PLACED_NOTHING;
    if (!order->url)
        return PLACED_IN_DOUBT;
    *ret = *order;
    return PLACED_ORDER;
}

void placed_forget(struct placed *self, const char *uid)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);

    map_remove(self->orders, uid);
}
