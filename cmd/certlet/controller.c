/*
 * controller.c - certlet controller: parse, set up, wait to lead, run, tear down.
 *
 * What is started, in this order: the connection to the API server, solvers, reconcilers (still), ports,
 * one watch per kind; then the Lease is fought for. Caches are full while we stand by, so that the one who
 * gets the Lease starts at once. What happens to an object then is in pkg/controller/table.c.
 */
#include "controller.h"

#include <stdio.h>

#include "base/log.h"
#include "command.h"
#include "controller/object_metrics.h"

static bool is_leading(const struct controller_run *self)
{
    return __atomic_load_n(&self->is_leading, __ATOMIC_SEQ_CST);
}

/* False: a signal came first. */
static bool wait_to_lead(struct controller_run *self)
{
    if (!is_leading(self))
        log_info(&self->engine.ctx, "standing by: another process holds the Lease, or nobody yet");
    while (!is_leading(self)) {
        if (engine_wait(&self->engine, true, ENGINE_TIDY_MS) == WOKEN_BY_SIGNAL)
            return false;
    }
    return true;
}

static int work(struct controller_run *self, struct err *err)
{
    struct engine *engine = &self->engine;
    struct context guarded;
    int r = engine_guard_start(engine, err);

    if (r < 0)
        return r;
    guarded = engine_guarded(engine);
    r = controllers_start(engine->controllers, &guarded, err);
    engine_guard_end(engine);
    if (r == 0 && self->choice.object_metrics)
        object_metrics_add(engine->metrics,
                           engine->controllers); /* the leader's, as cert-manager's */
    return r;
}

static void keep_tidy(struct controller_run *self)
{
    /* The first time soon after the start, which leaves most behind. */
    int64_t tidied_ms = clock_monotonic_ms(self->engine.ctx.clock) - ENGINE_TIDY_MS / 2;

    while (engine_wait(&self->engine, false, ENGINE_TIDY_MS / 2) != WOKEN_BY_SIGNAL)
        engine_tidy(&self->engine, &tidied_ms);
}

static int run(struct controller_run *self, struct err *err)
{
    int r;

    if (!wait_to_lead(self))
        return 0;
    log_info(&self->engine.ctx, "leading as '%s'", self->instance);
    r = work(self, err);
    if (r == 0)
        keep_tidy(self);
    return r == ERR_CANCELED ? 0 : r; /* a signal while it started */
}

static int exit_code_of(int r)
{
    return r == 0 ? EXIT_OK : r == ERR_INVALID || r == ERR_UNSUPPORTED ? EXIT_USAGE : EXIT_STORE;
}

int command_controller(int argc, char **argv)
{
    struct controller_run self = {.engine = ENGINE(&self.flags.engine)};
    struct err err = {};
    int code = controller_flags_parse(argc, argv, &self.flags, &self.choice);
    int r;

    if (code == OPTIONS_OK) {
        r = controller_setup(&self, &err);
        if (r == 0)
            r = run(&self, &err);
        if (r < 0)
            (void)fprintf(stderr, "certlet controller: %s\n", err.text);
        code = exit_code_of(r);
        controller_teardown(&self);
    }
    strlist_deinit(&self.choice.issuers_off);
    strlist_deinit(&self.choice.signing_issuers_off);
    controller_flags_deinit(&self.flags);
    return code;
}
