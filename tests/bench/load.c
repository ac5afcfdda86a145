/*
 * load.c - bench_load KUBECONFIG PLAN NAMES THREADS [NAMESPACE OPEN]: the plan for each name (load.h).
 *
 * With OPEN it stops creating while so many Certificates of NAMESPACE are not Ready yet.
 */
#include "bench/load.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "kube/store.h"
#include "pki/pki.h"

#define NAMES_MAX   (64 * 1024 * 1024)
#define THREADS_MAX 64

struct load {
    struct context ctx;
    struct kube_config *config;
    struct http *http;
    struct store *store;
    struct load_plan plan;
    struct strlist names;
    struct load_open *open; /* NULL: no limit */
    int64_t threads, limit;
    struct mutex mutex;
    size_t next;
    struct err err; /* the first; who sees one ends */
};

static void load_deinit(struct load *self)
{
    load_open_free(self->open);
    if (self->store)
        store_close(self->store);
    http_free(self->http);
    kube_config_free(self->config);
    load_plan_deinit(&self->plan);
    strlist_deinit(&self->names);
    mutex_deinit(&self->mutex);
}
DEFINE_CLEANUP_VALUE(struct load, load_deinit);

/* --- work --- */

static const char *next_name(struct load *self, size_t *ret_number)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);

    if (self->err.code || self->next >= self->names.len)
        return NULL;
    *ret_number = ++self->next;
    return self->names.items[*ret_number - 1];
}

static void failed(struct load *self, const struct err *err)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);

    if (!self->err.code)
        self->err = *err;
}

static void work(void *arg)
{
    struct load *self = arg;
    const char *name;
    size_t number;

    while ((name = next_name(self, &number))) {
        struct err err = {};

        if (self->open)
            load_open_wait(self->open, (int64_t)number, self->limit);
        if (load_plan_do(&self->plan, self->store, &self->ctx, name, &err) < 0)
            failed(self, &err);
    }
}

static int run_threads(struct load *self, struct err *err)
{
    struct thread *threads[THREADS_MAX] = {};
    int r = 0;

    for (int64_t i = 0; r == 0 && i < self->threads; i++)
        r = thread_start("load", work, self, &threads[i], err);
    for (int64_t i = 0; i < self->threads; i++)
        thread_join(threads[i]);
    if (r == 0 && self->err.code) {
        *err = self->err;
        r = err->code;
    }
    return r;
}

/* --- set up --- */

static int read_names(const char *path, struct strlist *ret, struct err *err)
{
    cleanup(buf_deinit) struct buf text = BUF(NAMES_MAX);
    int r = file_read(path, &text, err);

    if (r == 0 && text.len > 0 && buf_str(&text)[text.len - 1] == '\n')
        buf_truncate(&text, text.len - 1);
    if (r == 0)
        strlist_split(ret, buf_str(&text), '\n');
    return r;
}

static int open_store(struct load *self, const char *kubeconfig, struct err *err)
{
    struct kube_config_options from = {.kubeconfig = kubeconfig};
    struct http_options agent = {.user_agent = "bench-load"};
    struct store_kube_options options = {.clock = self->ctx.clock, .notes_by_hand = true};
    int r = kube_config_load(&from, &self->config, err);

    if (r == 0)
        r = http_new(&agent, &self->http, err);
    if (r < 0)
        return r;
    options.config = self->config;
    options.http = self->http;
    return store_kube_open(&options, &self->store, err);
}

static int run(struct load *self, char **argv, struct err *err)
{
    int r = open_store(self, argv[1], err);

    if (r == 0)
        r = load_plan_read(argv[2], &self->plan, err);
    if (r == 0)
        r = read_names(argv[3], &self->names, err);
    if (r == 0 && self->limit > 0)
        r = load_open_new(self->store, &self->ctx, argv[5], &self->open, err);
    return r < 0 ? r : run_threads(self, err);
}

static bool parse(int argc, char **argv, struct load *self)
{
    if (argc != 5 && argc != 7)
        return false;
    if (str_parse_int(argv[4], 1, THREADS_MAX, &self->threads) < 0)
        return false;
    return argc == 5 || str_parse_int(argv[6], 1, 1000000, &self->limit) == 0;
}

int main(int argc, char **argv)
{
    cleanup(load_deinit) struct load self = {.ctx = context_background(clock_system())};
    struct err err = {};

    mutex_init(&self.mutex);
    if (!parse(argc, argv, &self)) {
        (void)fprintf(stderr, "usage: bench_load KUBECONFIG PLAN NAMES THREADS [NAMESPACE OPEN]\n");
        return 2;
    }
    log_setup(LOG_WARNING, LOG_TEXT, clock_system());
    if (!pki_setup() || run(&self, argv, &err) < 0) {
        (void)fprintf(stderr, "bench_load: %s\n", err.text);
        return 1;
    }
    return 0;
}
