/*
 * health.c - /livez, /healthz, /readyz and /metrics (cli-metrics-helm.md 1.4, kubernetes.md 13).
 *
 * Alive does not depend on the API server: a restart of ours would not bring it back. Ready means that the
 * caches are full, leading or not, so that a Deployment of two rolls out.
 */
#include <string.h>

#include "controller.h"

/* NULL: well. */
typedef const char *health_check_fn(const struct controller_run *self);

static const char *check_lease(const struct controller_run *self)
{
    if (!self->elector || elector_is_healthy(self->elector, self->flags.health_slack_ms))
        return NULL;
    return "the Lease was not renewed in time, and this process has not ended";
}

/* cert-manager's name. The queue looks at its timers again after each jump (runtime/clock_watch.h), so that a
 * clock that was set is no reason for a restart. */
static const char *check_clock(const struct controller_run *self)
{
    return NULL;
}

static const char *check_caches(const struct controller_run *self)
{
    return manager_is_synced(self->engine.controllers->manager) ? NULL
                                                                : "the caches are not filled yet";
}

static const char *check_stop(const struct controller_run *self)
{
    return __atomic_load_n(&self->is_stopping, __ATOMIC_SEQ_CST) ? "it is being stopped" : NULL;
}

static const struct health_check {
    const char *of, *name;
    health_check_fn *check;
} checks[] = {
    {"/livez", "leaderElection", check_lease},
    {"/livez", "clockHealth", check_clock},
    {"/readyz", "caches", check_caches},
    {"/readyz", "shutdown", check_stop},
};

/* "verbose&exclude=leaderElection" */
static bool asks(const char *query, const char *what)
{
    cleanup(strlist_deinit) struct strlist parts = {};
    cleanup(xfree) char *without = xasprintf("%s=", what);

    strlist_split(&parts, query, '&');
    return strlist_has(&parts, what) || strlist_has(&parts, without);
}

static bool is_excluded(const char *query, const char *name)
{
    cleanup(xfree) char *what = xasprintf("exclude=%s", name);

    return asks(query, what);
}

/* `path` is the whole, "/livez", or one of its checks, "/livez/clockHealth". */
static bool is_asked_for(const struct health_check *check, const char *path, const char *query)
{
    size_t len = strlen(check->of);

    if (!str_starts(path, check->of))
        return false;
    if (!path[len])
        return !is_excluded(query, check->name);
    return path[len] == '/' && streq(path + len + 1, check->name);
}

static void answer_checks(const struct controller_run *self, const char *path, const char *query,
                          struct server_response *response)
{
    cleanup(buf_deinit) struct buf lines = BUF(4096);
    size_t asked = 0, failed = 0;

    for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
        const char *why;

        if (!is_asked_for(&checks[i], path, query))
            continue;
        asked++;
        why = checks[i].check(self);
        failed += why != NULL;
        buf_addf(&lines, why ? "[-]%s failed: %s\n" : "[+]%s ok\n", checks[i].name, why);
    }
    if (asked == 0 && !streq(path, "/livez") && !streq(path, "/readyz")) {
        response->status = 404;
        buf_add_str(&response->body, "there are /livez, /healthz and /readyz here\n");
        return;
    }
    response->status = failed ? 503 : 200;
    buf_add_str(&response->body, failed || asks(query, "verbose") ? buf_str(&lines) : "ok");
}

void health_answer(void *arg, const struct server_request *request,
                   struct server_response *response)
{
    response->no_store = true;
    answer_checks(arg, streq(request->path, "/healthz") ? "/livez" : request->path, request->query,
                  response);
}

void metrics_answer(void *arg, const struct server_request *request,
                    struct server_response *response)
{
    const struct controller_run *self = arg;

    response->no_store = true;
    if (!streq(request->path, "/metrics")) {
        response->status = 404;
        buf_add_str(&response->body, "there is /metrics here\n");
        return;
    }
    engine_answer_metrics(&self->engine, response);
}
