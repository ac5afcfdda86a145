/* sim_world.c - the way to CA, name servers and web root, and what goes wrong on it. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "support/sim_inside.h"

#define HTTP01_PATH "/.well-known/acme-challenge/"

/* --- crash points --- */

/* Is this the end? `after` belongs to the point that was counted before the effect. */
static int pass_point(struct sim *sim, bool after, struct err *err)
{
    if (!after)
        sim->points++;
    if (sim->points == sim->crash_at && after == sim->crash_after)
        sim->has_crashed = true;
    if (!sim->has_crashed)
        return 0;
    return err_set(err, ERR_IO, "the program has crashed");
}

int sim_points(const struct sim *sim)
{
    return sim->points;
}

void sim_crash_at(struct sim *sim, int n, bool after)
{
    sim->crash_at = n;
    sim->crash_after = after;
}

bool sim_has_crashed(const struct sim *sim)
{
    return sim->has_crashed;
}

/* --- random faults --- */

void sim_set_faults(struct sim *sim, const struct sim_faults *faults)
{
    sim->faults = *faults;
}

static bool is_hit(struct sim *sim, unsigned per_10000)
{
    return per_10000 > 0 && sim_random(sim, 10000) < per_10000;
}

void sim_refuse_every_third_write(struct sim *sim, bool refuse)
{
    sim->refuses_every_third = refuse;
    sim->refused = 0;
}

void sim_refuse_at(struct sim *sim, int n, enum err_code code)
{
    sim->refuse_at = n;
    sim->refuse_code = code;
}

int sim_store_fault(void *arg, bool after, struct err *err)
{
    struct sim *sim = arg;
    int r;

    if (sim->quiet)
        return 0;
    r = pass_point(sim, after, err);
    if (r < 0)
        return r;
    if (sim->refuse_at == sim->points && !after)
        return err_set(err, sim->refuse_code, "refused as the test says");
    if (sim->refuses_every_third && !after && sim->refused++ % 3 == 0)
        return err_set(err, ERR_DENIED, "denied by policy, request %u", sim->refused);
    if (is_hit(sim, sim->faults.store))
        return err_set(err, ERR_IO, "the disk is full for a moment");
    return 0;
}

/* --- watches that are late --- */

static struct sim *the_sim; /* one at a time (sim.h) */

static struct sim_late *late_of(const struct store_watch *watch)
{
    for (size_t i = 0; i < ARRAY_LEN(the_sim->late); i++)
        if (the_sim->late[i].watch == watch)
            return &the_sim->late[i];
    return NULL;
}

static int hold_back(struct store_watch *watch, const struct store_event *event, struct err *err)
{
    struct sim_late *late = late_of(NULL);

    ASSERT_TRUE(late);
    *late = (struct sim_late){.watch = watch, .event = *event};
    the_sim->withheld++;
    return err_set(err, ERR_TIMEOUT, "nothing yet");
}

/* Half of the time an event has not arrived yet, so that two watches tell of one change at different
 * times. */
static int late_watch_next(struct store_watch *watch, const struct context *ctx,
                           struct store_event *ret, struct err *err)
{
    struct sim_late *late = late_of(watch);
    struct store_event event = {};
    int r = 0;

    if (late)
        event = late->event;
    else
        r = the_sim->store_ops->watch_next(watch, ctx, &event, err);
    if (r < 0)
        return r;
    if (late)
        *late = (struct sim_late){};
    if (the_sim->runs && sim_random(the_sim, 2) == 0)
        return hold_back(watch, &event, err);
    *ret = event;
    return 0;
}

static void late_watch_close(struct store_watch *watch)
{
    struct sim_late *late = late_of(watch);

    if (late) {
        store_event_deinit(&late->event);
        *late = (struct sim_late){};
    }
    the_sim->store_ops->watch_close(watch);
}

void sim_be_late(struct sim *sim)
{
    sim->ops.watch_next = late_watch_next;
    sim->ops.watch_close = late_watch_close;
}

/* --- a policy that changes what is written --- */

static struct json *changed(const struct resource *resource, const struct json *object)
{
    struct json *changed = json_deep(object);

    if (!the_sim->changed_kind || resource != &the_sim->changed_kind->resource)
        return changed;
    the_sim->written++;
    if (the_sim->change)
        json_merge_patch(changed, the_sim->change);
    return changed;
}

static int create_changed(struct store *store, const struct context *ctx,
                          const struct resource *resource, const char *manager,
                          const struct json *object, struct json **ret, struct err *err)
{
    cleanup(json_unref) struct json *written = changed(resource, object);

    return the_sim->store_ops->create(store, ctx, resource, manager, written, ret, err);
}

static int apply_changed(struct store *store, const struct context *ctx,
                         const struct resource *resource, const char *manager,
                         const struct json *object, struct json **ret, struct err *err)
{
    cleanup(json_unref) struct json *written = changed(resource, object);

    if (resource == &kind_secret.resource && !the_sim->quiet)
        sim_look_at_write(the_sim, written);
    return the_sim->store_ops->apply(store, ctx, resource, manager, written, ret, err);
}

void sim_stand_between(struct sim *sim)
{
    the_sim = sim;
    sim->store_ops = sim->store->ops;
    sim->ops = *sim->store->ops;
    sim->ops.create = create_changed;
    sim->ops.apply = apply_changed;
    sim->store->ops = &sim->ops;
}

int sim_written(const struct sim *sim)
{
    return sim->written;
}

int sim_dns_fault(void *arg, bool after, struct err *err)
{
    struct sim *sim = arg;
    int r = pass_point(sim, after, err);

    if (r < 0)
        return r;
    if (is_hit(sim, sim->faults.dns))
        return err_set(err, ERR_TIMEOUT, "no answer to an update in time");
    return 0;
}

/* --- the CA --- */

void sim_fail_ca(struct sim *sim, const char *endpoint, enum fake_ca_fault fault, bool after,
                 int count)
{
    ASSERT_TRUE(sim->planned_count < ARRAY_LEN(sim->planned));
    sim->planned[sim->planned_count++] = (struct sim_planned_fault){
        .endpoint = endpoint, .fault = fault, .after = after, .left = count};
}

static enum fake_ca_fault planned_fault(struct sim *sim, const char *endpoint, bool after)
{
    for (size_t i = 0; i < sim->planned_count; i++) {
        struct sim_planned_fault *planned = &sim->planned[i];

        if (planned->left == 0 || planned->after != after)
            continue;
        if (planned->endpoint && !streq(planned->endpoint, endpoint))
            continue;
        planned->left--;
        return planned->fault;
    }
    return FAKE_CA_NONE;
}

static enum fake_ca_fault random_fault(struct sim *sim, bool after)
{
    static const enum fake_ca_fault before[] = {
        FAKE_CA_CUT,         FAKE_CA_TIMEOUT,  FAKE_CA_HTML, FAKE_CA_TRUNCATED,
        FAKE_CA_BAD_NONCE,   FAKE_CA_500,      FAKE_CA_503,  FAKE_CA_503_SECONDS,
        FAKE_CA_429_SECONDS, FAKE_CA_429_DATE, FAKE_CA_429,  FAKE_CA_429_DETAIL,
        FAKE_CA_PROCESSING,
    };
    static const enum fake_ca_fault afterwards[] = {FAKE_CA_CUT, FAKE_CA_TIMEOUT, FAKE_CA_HTML,
                                                    FAKE_CA_TRUNCATED};

    if (!is_hit(sim, sim->faults.ca))
        return FAKE_CA_NONE;
    return after ? afterwards[sim_random(sim, ARRAY_LEN(afterwards))]
                 : before[sim_random(sim, ARRAY_LEN(before))];
}

enum fake_ca_fault sim_ca_fault(void *arg, const char *endpoint, bool after)
{
    struct sim *sim = arg;
    enum fake_ca_fault fault;

    if (pass_point(sim, after, NULL) < 0)
        return FAKE_CA_CUT;
    fault = planned_fault(sim, endpoint, after);
    return fault != FAKE_CA_NONE ? fault : random_fault(sim, after);
}

void sim_set_ca_down(struct sim *sim, bool down)
{
    sim->ca_is_down = down;
}

static int ask_ca(struct sim *sim, const struct context *ctx, const struct http_request *request,
                  struct http_response *ret, struct err *err)
{
    char seconds[32];
    int r;

    if (sim->ca_is_down)
        return err_set(err, ERR_NETWORK, "connection to '%s' refused", FAKE_CA_HOST);
    r = fake_ca_handle(sim->ca, ctx, request, ret, err);
    if (r == 0 && sim->options.ari_every_ms > 0 && strstr(request->url, "/renewalInfo/")) {
        (void)snprintf(seconds, sizeof(seconds), "%lld",
                       (long long)(sim->options.ari_every_ms / 1000));
        strmap_set(&ret->headers, "retry-after", seconds);
    }
    return r;
}

/* --- HTTP-01 --- */

void sim_set_http_down(struct sim *sim, bool down)
{
    sim->http_is_down = down;
}

static int read_answer(struct sim *sim, const char *token, struct buf *to, struct err *err)
{
    cleanup(xfree) char *path = xasprintf("%s" HTTP01_PATH "%s", sim->webroot, token);

    return file_read(path, to, err);
}

size_t sim_http_files(struct sim *sim)
{
    cleanup(xfree) char *path = xasprintf("%s" HTTP01_PATH, sim->webroot);
    DIR *folder = opendir(path);
    size_t count = 0;

    for (struct dirent *entry = folder ? readdir(folder) : NULL; entry; entry = readdir(folder))
        count += entry->d_name[0] != '.';
    if (folder)
        (void)closedir(folder);
    return count;
}

static int ask_us(struct sim *sim, const struct http_request *request, struct http_response *ret,
                  struct err *err)
{
    const char *token = strstr(request->url, HTTP01_PATH);

    if (sim->http_is_down || !token)
        return err_set(err, ERR_NETWORK, "connection refused");
    ret->status = read_answer(sim, token + strlen(HTTP01_PATH), &ret->body, NULL) == 0 ? 200 : 404;
    return 0;
}

int sim_http_handle(void *arg, const struct context *ctx, const struct http_request *request,
                    struct http_response *ret, struct err *err)
{
    struct sim *sim = arg;
    int r = context_check(ctx, err);

    if (r < 0)
        return r;
    if (sim->has_crashed)
        return err_set(err, ERR_NETWORK, "the program has crashed");
    if (str_starts(request->url, "https://"))
        return ask_ca(sim, ctx, request, ret, err);
    return ask_us(sim, request, ret, err);
}

/* --- how the CA validates --- */

bool sim_validate(void *arg, const struct fake_ca_validation *validation)
{
    struct sim *sim = arg;
    cleanup(buf_deinit) struct buf found = BUF(4096);
    cleanup(xfree) char *name = NULL;

    if (streq(validation->type, "http-01"))
        return !sim->http_is_down && read_answer(sim, validation->token, &found, NULL) == 0 &&
               streq(buf_str(&found), validation->value);
    name = xasprintf("_acme-challenge.%s", validation->name);
    return fake_dns_shows(sim->zones, name, validation->value);
}
