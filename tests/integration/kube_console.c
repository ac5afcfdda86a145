/*
 * kube_console.c - a store that is told what to do: a JSON object a line on standard input, an answer
 * a line on standard output, with the `id` of the order.
 *
 *   {"id": 1, "op": "get", "resource": "secrets", "namespace": "a", "name": "b"}
 *   {"id": 1, "object": {...}}      or      {"id": 1, "code": "not found", "error": "reading ..."}
 *
 * Orders are done one after the other. A reflector ("reflect") goes on beside them and tells what its
 * cache sees: {"id": 2, "type": "added", "name": "a/b", "version": "7"}. The end of the input ends all.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/thread.h"
#include "cache/cache.h"
#include "integration/kube_store.h"

#define ORDER_TIMEOUT_MS MINUTES(1)
#define THREADS_MAX      64
#define ORDER_MAX        (16 * 1024 * 1024) /* more than the server takes */

static const struct resource resources[] = {
    {"", "v1", "Secret", "secrets", true, false, .watched_without_owners = true},
    {"", "v1", "ConfigMap", "configmaps", true, false},
    {"", "v1", "Namespace", "namespaces", false, true},
    {"apps", "v1", "Deployment", "deployments", true, true},
    {"cert-manager.io", "v1", "Certificate", "certificates", true, true},
    {"cert-manager.io", "v1", "ClusterIssuer", "clusterissuers", false, true},
    {"nowhere.test", "v1", "Nothing", "nothings", true, false},
};

struct console {
    struct store *store;
    struct cancel *cancel;
    struct mutex mutex; /* of the output */
    struct list reflections;
    struct store_watch *watch; /* "open", "next", "close" */
};

struct order {
    struct console *console;
    const struct json *words;
    const struct resource *resource;
    struct key key;
    struct context ctx;
    struct json *answer;
};

static const char *word(const struct order *order, const char *name)
{
    return json_get_text(order->words, name);
}

static void print_answer(struct console *console, struct json *answer)
{
    cleanup(xfree) char *text = json_text(answer);
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&console->mutex);

    (void)printf("%s\n", text);
    (void)fflush(stdout); /* whoever reads may be gone: then our input ends, too */
}

/* --- one call --- */

static void answer_object(struct order *order, struct json *object)
{
    json_set(order->answer, "object", object);
}

static int do_get(struct order *order, struct err *err)
{
    struct json *object = NULL;
    int r = store_get(order->console->store, &order->ctx, order->resource, &order->key, &object,
                      err);

    answer_object(order, object);
    return r;
}

static int do_list(struct order *order, struct err *err)
{
    struct json *list = NULL;
    int r = store_list(order->console->store, &order->ctx, order->resource,
                       str_empty(order->key.namespace) ? NULL : order->key.namespace, &list, err);

    answer_object(order, list);
    return r;
}

static int do_create(struct order *order, struct err *err)
{
    struct json *object = NULL;
    int r = store_create(order->console->store, &order->ctx, order->resource,
                         word(order, "manager"), json_get(order->words, "object"), &object, err);

    answer_object(order, object);
    return r;
}

static int do_apply(struct order *order, struct err *err)
{
    struct json *object = NULL;
    int r = store_apply(order->console->store, &order->ctx, order->resource, word(order, "manager"),
                        json_get(order->words, "object"), &object, err);

    answer_object(order, object);
    return r;
}

static int update_part(struct order *order, enum store_part part, struct err *err)
{
    struct json *object = NULL;
    int r = store_update(order->console->store, &order->ctx, order->resource, part,
                         word(order, "manager"), json_get(order->words, "object"), &object, err);

    answer_object(order, object);
    return r;
}

static int do_update(struct order *order, struct err *err)
{
    return update_part(order, STORE_OBJECT, err);
}

static int do_status(struct order *order, struct err *err)
{
    return update_part(order, STORE_STATUS, err);
}

static struct store_precondition precondition(const struct order *order)
{
    return (struct store_precondition){.uid = word(order, "uid"),
                                       .version = word(order, "version")};
}

static int do_patch(struct order *order, struct err *err)
{
    struct store_precondition holds = precondition(order);
    struct json *object = NULL;
    int r = store_patch(order->console->store, &order->ctx, order->resource, &order->key, &holds,
                        word(order, "manager"), json_get(order->words, "object"), &object, err);

    answer_object(order, object);
    return r;
}

static int do_delete(struct order *order, struct err *err)
{
    struct store_precondition holds = precondition(order);

    return store_delete(order->console->store, &order->ctx, order->resource, &order->key, &holds,
                        err);
}

static int do_note(struct order *order, struct err *err)
{
    struct store_note note = {
        .resource = order->resource,
        .key = order->key,
        .uid = word(order, "uid"),
        .type = streq(word(order, "type"), "Warning") ? EVENT_WARNING : EVENT_NORMAL,
        .reason = word(order, "reason"),
        .action = word(order, "action"),
        .message = word(order, "message"),
        .manager = word(order, "manager"),
    };

    store_note(order->console->store, &order->ctx, &note);
    return 0;
}

/* --- a bare watch --- */

static int do_open(struct order *order, struct err *err)
{
    struct store *store = order->console->store;
    struct store_view view = {.namespace = str_empty(order->key.namespace) ? NULL
                                                                           : order->key.namespace};

    store_watch_close(take(order->console->watch));
    return store->ops->watch(store, &order->ctx, order->resource, &view, word(order, "version"),
                             &order->console->watch, err);
}

static int do_next(struct order *order, struct err *err)
{
    static const char *const names[] = {"added", "modified", "deleted", "bookmark"};
    cleanup(store_event_deinit) struct store_event event = {};
    int r = order->console->store->ops->watch_next(order->console->watch, &order->ctx, &event, err);

    if (r < 0)
        return r;
    json_set_text(order->answer, "type", names[event.type]);
    json_set_text(order->answer, "version", event.version);
    json_set_bool(order->answer, "initial_end", event.initial_end);
    answer_object(order, take(event.object));
    return 0;
}

static int do_close(struct order *order, struct err *err)
{
    store_watch_close(take(order->console->watch));
    return 0;
}

/* --- a reflector, whose cache keeps versions --- */

struct seen {
    char version[24];
};

static int seen_decode(const struct json *value, const void **ret, struct err *err)
{
    struct seen *seen = xalloc(sizeof(*seen));
    const char *version = json_as_text(json_path(value, "metadata.resourceVersion"));

    (void)snprintf(seen->version, sizeof(seen->version), "%s", str_or(version, ""));
    *ret = seen;
    return 0;
}

static void seen_unref(const void *object)
{
    xfree((void *)(uintptr_t)object);
}

static void seen_freeze(const void *form, const void *object, struct cache_names names,
                        struct buf *to)
{
    buf_add(to, object, sizeof(struct seen));
}

static const void *seen_thaw(const void *form, const void *frozen, struct cache_names names)
{
    struct seen *seen = xalloc(sizeof(*seen));

    memcpy(seen, frozen, sizeof(*seen));
    return seen;
}

struct reflection {
    struct list link;
    struct console *console;
    int64_t id;
    struct cache_kind kind;
    struct cache *cache;
    struct reflector *reflector;
    struct thread *thread;
    bool synced; /* was told */
};

static void tell(struct reflection *self, const char *type, const char *name, const char *version)
{
    cleanup(json_unref) struct json *line = json_new_map();

    json_set_int(line, "id", self->id);
    json_set_text(line, "type", type);
    json_set_text(line, "name", name);
    json_set_text(line, "version", version);
    print_answer(self->console, line);
}

static void on_change(void *arg, const struct key *key, const void *before, const void *after,
                      bool initial)
{
    const struct seen *seen = after ? after : before;
    char name[KEY_TEXT_MAX];

    key_format(key, name);
    tell(arg, !before ? "added" : after ? "modified" : "deleted", name, seen->version);
}

static void on_event(void *arg, struct cache_source *source)
{
    struct reflection *self = arg;

    if (self->synced || !cache_source_is_synced(source))
        return;
    self->synced = true;
    tell(self, "synced", NULL, NULL);
}

static void reflect(void *arg)
{
    struct reflection *self = arg;
    struct context background = context_background(clock_system());
    struct context ctx = context_with_cancel(&background, self->console->cancel);

    reflector_run(self->reflector, &ctx);
}

static void reflection_free(struct reflection *self)
{
    thread_join(self->thread);
    reflector_free(self->reflector);
    cache_free(self->cache);
    xfree(self);
}

static int do_reflect(struct order *order, struct err *err)
{
    struct reflection *self = xalloc(sizeof(*self));
    struct store_view view = {.namespace = str_empty(order->key.namespace) ? NULL
                                                                           : order->key.namespace};

    self->console = order->console;
    self->id = json_get_int(order->words, "id", 0);
    self->kind = (struct cache_kind){.resource = order->resource,
                                     .decode = seen_decode,
                                     .unref = seen_unref,
                                     .freeze = seen_freeze,
                                     .thaw = seen_thaw};
    self->cache = cache_new(&self->kind);
    cache_add_handler(self->cache, on_change, self);
    cache_set_observer(self->cache, on_event, self);
    self->reflector = reflector_new(order->console->store, cache_add_source(self->cache, &view));
    list_append(&order->console->reflections, &self->link);
    return thread_start("reflector", reflect, self, &self->thread, err);
}

/* --- many calls at once --- */

struct hammer { /* one of its threads */
    const struct order *order;
    struct thread *thread;
    int number;
    int64_t from, to;
    int64_t done, failed;
    struct err err; /* the first failure */
};

static void count(struct hammer *self, int r, const struct err *err)
{
    if (r == 0) {
        self->done++;
        return;
    }
    if (self->failed++ == 0)
        self->err = *err;
}

static struct json *hammered(const struct key *key)
{
    struct json *object = json_new_map(), *metadata = json_need_map(object, "metadata");

    json_set_text(metadata, "namespace", key->namespace);
    json_set_text(metadata, "name", key->name);
    return object;
}

static struct store_precondition as_it_is(const struct json *object)
{
    return (struct store_precondition){
        .uid = json_as_text(json_path(object, "metadata.uid")),
        .version = json_as_text(json_path(object, "metadata.resourceVersion"))};
}

/* What a reconciler does to an object, on what it knows of it: five calls. */
static void live(struct hammer *self, const char *name)
{
    struct store *store = self->order->console->store;
    const struct context *ctx = &self->order->ctx;
    const struct resource *resource = self->order->resource;
    struct key key = {self->order->key.namespace, name};
    cleanup(json_unref) struct json *object = hammered(&key), *patch = json_new_map();
    cleanup(json_unref) struct json *made = NULL, *got = NULL, *changed = NULL, *patched = NULL;
    struct store_precondition holds;
    struct err err = {};

    json_set_text(json_need_map(patch, "data"), "a", "b");
    count(self, store_create(store, ctx, resource, NULL, object, &made, &err), &err);
    count(self, store_get(store, ctx, resource, &key, &got, &err), &err);
    if (!got)
        return;
    json_set_text(json_need_map(got, "data"), "c", "d");
    count(self, store_update(store, ctx, resource, STORE_OBJECT, NULL, got, &changed, &err), &err);
    holds = as_it_is(changed);
    count(self, store_patch(store, ctx, resource, &key, &holds, NULL, patch, &patched, &err), &err);
    holds = as_it_is(patched);
    count(self, store_delete(store, ctx, resource, &key, &holds, &err), &err);
}

static void hammer(void *arg)
{
    struct hammer *self = arg;

    for (int64_t i = self->from; i < self->to; i++) {
        cleanup(xfree) char *name = xasprintf("hammer-%lld", (long long)i);

        live(self, name);
    }
}

static int hammer_report(struct order *order, const struct hammer *hammers, int threads,
                         struct err *err)
{
    int64_t done = 0, failed = 0;

    for (int i = 0; i < threads; i++) {
        done += hammers[i].done;
        failed += hammers[i].failed;
        if (hammers[i].failed > 0)
            *err = hammers[i].err;
    }
    json_set_int(order->answer, "calls", done);
    json_set_int(order->answer, "failed", failed);
    return failed > 0 ? err->code : 0;
}

static int do_hammer(struct order *order, struct err *err)
{
    int64_t objects = json_get_int(order->words, "objects", 100);
    int threads = (int)json_get_int(order->words, "threads", 20);
    struct hammer hammers[THREADS_MAX] = {};
    int r = 0;

    threads = threads < THREADS_MAX ? threads : THREADS_MAX;
    for (int i = 0; i < threads && r == 0; i++) {
        hammers[i] = (struct hammer){
            .order = order, .from = objects * i / threads, .to = objects * (i + 1) / threads};
        r = thread_start("hammer", hammer, &hammers[i], &hammers[i].thread, err);
    }
    for (int i = 0; i < threads; i++)
        thread_join(hammers[i].thread);
    return r < 0 ? r : hammer_report(order, hammers, threads, err);
}

/* --- orders --- */

static const struct {
    const char *name;
    int (*run)(struct order *order, struct err *err);
} operations[] = {
    {"get", do_get},       {"list", do_list},       {"create", do_create}, {"apply", do_apply},
    {"update", do_update}, {"status", do_status},   {"patch", do_patch},   {"delete", do_delete},
    {"note", do_note},     {"open", do_open},       {"next", do_next},     {"close", do_close},
    {"hammer", do_hammer}, {"reflect", do_reflect},
};

static const struct resource *resource_of(const char *plural)
{
    for (size_t i = 0; i < ARRAY_LEN(resources); i++)
        if (streq(resources[i].plural, plural))
            return &resources[i];
    return NULL;
}

static int run_operation(struct order *order, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(operations); i++)
        if (streq(operations[i].name, word(order, "op")))
            return operations[i].run(order, err);
    return err_set(err, ERR_UNSUPPORTED, "no operation '%s'", str_or(word(order, "op"), ""));
}

static void answer_error(const struct order *order, const struct err *err)
{
    json_set_text(order->answer, "code", err_code_name(err->code));
    json_set_text(order->answer, "error", err->text);
    json_set_int(order->answer, "retry_at_ms", err->retry_at_ms);
}

static void obey(struct console *console, const struct json *words)
{
    cleanup(json_unref) struct json *answer = json_new_map();
    struct context background = context_background(clock_system());
    struct context ctx = context_with_cancel(&background, console->cancel);
    struct order order = {
        .console = console,
        .words = words,
        .resource = resource_of(json_get_text(words, "resource")),
        .key = {.namespace = str_or(json_get_text(words, "namespace"), ""),
                .name = str_or(json_get_text(words, "name"), "")},
        .ctx = context_with_timeout(&ctx, json_get_int(words, "timeout_ms", ORDER_TIMEOUT_MS)),
        .answer = answer,
    };
    struct err err = {};

    json_set_int(answer, "id", json_get_int(words, "id", 0));
    if (run_operation(&order, &err) < 0)
        answer_error(&order, &err);
    json_set_bool(answer, "done", true);
    print_answer(console, answer);
}

static void end_reflections(struct console *console)
{
    cancel_fire(console->cancel);
    while (!list_empty(&console->reflections)) {
        struct reflection *first = list_entry(console->reflections.next, struct reflection, link);

        list_remove(&first->link);
        reflection_free(first);
    }
}

static void read_orders(struct console *console)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t len;

    while ((len = getline(&line, &size, stdin)) > 0) {
        cleanup(json_unref) struct json *words = NULL;
        struct err err = {};

        if (json_parse(line, (size_t)len, ORDER_MAX, &words, &err) < 0)
            (void)fprintf(stderr, "kube_store: %s\n", err.text);
        else
            obey(console, words);
    }
    free(line);
}

int kube_console(const struct kube_server *server)
{
    struct console console = {.cancel = cancel_new()};
    struct err err = {};

    list_init(&console.reflections);
    mutex_init(&console.mutex);
    if (store_kube_open(&server->options, &console.store, &err) < 0) {
        (void)fprintf(stderr, "kube_store: %s\n", err.text);
        return 1;
    }
    read_orders(&console);
    end_reflections(&console);
    store_watch_close(console.watch);
    store_close(console.store);
    cancel_unref(console.cancel);
    mutex_deinit(&console.mutex);
    return 0;
}
