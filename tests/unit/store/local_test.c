/*
 * The store suite on the local store: in memory, and in a file.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/local.h"
#include "support/testing.h"

#include "support/store_suite.c" /* unit tests link their own layer only */

#define LOG_KEEP 64

static struct fake_clock fake;

struct place {
    char folder[64];
    char path[96];
};

static bool open_at(struct store_fixture *f, const char *path)
{
    struct local_options options = {
        .path = path,
        .clock = &fake.clock,
        .resources = store_suite_resources,
        .log_keep = LOG_KEEP,
    };
    struct err err = {};
    int r;

    fake_clock_init(&fake, AT("2026-01-01T00:00:00Z"));
    f->ctx = context_background(&fake.clock);
    snprintf(f->namespace, sizeof(f->namespace), "suite");
    r = store_local_open(&options, &f->store, &err);
    if (r < 0)
        print_error("%s\n", err.text);
    return r == 0;
}

static bool open_memory_store(struct store_fixture *f)
{
    return open_at(f, NULL);
}

static void close_memory_store(struct store_fixture *f)
{
    store_close(f->store);
}

static bool open_file_store(struct store_fixture *f)
{
    struct place *place = xalloc(sizeof(*place));

    snprintf(place->folder, sizeof(place->folder), "/tmp/store-suite-XXXXXX");
    f->own = place;
    if (!mkdtemp(place->folder))
        return false;
    snprintf(place->path, sizeof(place->path), "%s/state.db", place->folder);
    return open_at(f, place->path);
}

static void close_file_store(struct store_fixture *f)
{
    struct place *place = f->own;

    store_close(f->store);
    ASSERT_EQ(unlink(place->path), 0); /* -wal and -shm went with the last connection */
    ASSERT_EQ(rmdir(place->folder), 0);
    xfree(place);
}

static void compact_log(struct store_fixture *f)
{
    for (int i = 0; i <= LOG_KEEP; i++) {
        cleanup(json_unref) struct json *object = created(f, &secrets, secret(f, "filler", "{}"));

        deleted(f, &secrets, "filler");
    }
}

static const struct store_suite in_memory = {.open = open_memory_store,
                                             .close = close_memory_store,
                                             .compact = compact_log,
                                             .collects = true};
static const struct store_suite in_a_file = {
    .open = open_file_store, .close = close_file_store, .compact = compact_log, .collects = true};

int main(void)
{
    return store_suite_run("local store in memory", &in_memory) +
           store_suite_run("local store in a file", &in_a_file);
}
