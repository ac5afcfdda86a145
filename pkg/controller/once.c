/* once.c - see once.h. */
#include "controller/once.h"

bool once_is_done(const struct once_view *view)
{
    /* What failed waits for another try, and is reported like a back-off. */
    if (!view->is_idle || view->export.exporting > 0 || view->export.hooks_due > 0)
        return false;
    return view->next_due_ms == 0 || view->next_due_ms > view->now_ms + ONCE_PATIENCE_MS;
}

static int64_t sooner(int64_t a_ms, int64_t b_ms)
{
    if (a_ms == 0 || b_ms == 0)
        return a_ms + b_ms;
    return a_ms < b_ms ? a_ms : b_ms;
}

/* The timer is read on both sides: a run may leave one behind just before the queue is seen idle, and one
 * that is there may fall due just after. */
void once_look(struct controllers *controllers, struct once_view *ret)
{
    int64_t due_ms = workqueue_next_due_ms(controllers->queue);

    *ret = (struct once_view){.is_idle = manager_is_idle(controllers->manager)};
    ret->next_due_ms = sooner(due_ms, workqueue_next_due_ms(controllers->queue));
    ret->now_ms = clock_wall_ms(controllers->clock);
    if (controllers->export)
        export_state(controllers->export, &ret->export);
}
