/*
 * manifests.c - the loader: what is in force, what is gone, when to look again.
 *
 * A look goes over the files in order of path. A file that has changed is parsed; the first that names
 * an object has it, and it is applied when it differs from what was applied last (a hash in memory: the
 * objects themselves are dropped again). A file that does not parse any more keeps the objects of its
 * last good version: they are held, not applied. What nobody holds is missing since then, and deleted
 * after REMOVE_AFTER_MS if no file may still hide it.
 *
 * Looking costs a stat() per file, so it is done after every event, once it has been quiet for a
 * moment: many editors write a file in several steps.
 */
#include "controller/manifests.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/thread.h"
#include "controller/manifests_private.h"

#define REMOVE_AFTER_MS  SECONDS(2)
#define QUIET_MS         200        /* after the last event ... */
#define QUIET_MOST_MS    SECONDS(2) /* ... but at most so long after the first */
#define RETRY_MIN_MS     SECONDS(5) /* after the store failed, doubling */
#define RETRY_MAX_MS     MINUTES(1)
#define UNWATCHED_MS     SECONDS(10) /* when inotify cannot tell us */
#define LOOK_ANYWAY_MS   MINUTES(5)  /* network file systems, links that lead elsewhere */
#define SETTLED_AFTER_MS SECONDS(1)  /* younger: a second change may have the same time stamp */

struct file {
    struct stamp stamp;
    bool settled; /* the stamp can be trusted */
    bool broken;  /* `text` has the objects of the last good version */
    struct manifest_text text;
    uint64_t look; /* that saw it last */
};

struct held { /* an object that some file holds, or held */
    const struct kind *kind;
    uint64_t applied; /* hash; only if has_applied */
    bool has_applied, is_missing;
    int64_t missing_since_ms; /* monotonic */
    uint64_t look;            /* that saw it in a file last */
};

struct manifests {
    char *folder, *name; /* `name` is the folder's last part, for problems */
    struct store *store;
    const struct clock *clock;
    void (*report)(void *arg, const struct manifest_problems *problems);
    void *report_arg;
    struct map *files;   /* path to struct file */
    struct map *objects; /* id to struct held */
    struct pool pool;    /* of these */
    uint64_t looks;
    unsigned failures; /* looks in a row in which the store failed */
    struct watcher watcher;
    struct mutex mutex; /* guards `problems`, which only the looking thread changes */
    struct manifest_problems problems;
};

struct look { /* one look at everything */
    struct manifests *self;
    const struct context *ctx;
    struct scan scan;
    struct together together;
    struct manifest_problems problems;
    struct map *warned;      /* warnings that were said of another object */
    bool has_unknown;        /* something may still hold what seems to be gone */
    bool store_failed;       /* try again later */
    bool at_start;           /* what is gone is removed at once */
    int64_t next_removal_ms; /* monotonic; 0: none */
};

static void file_free(void *p)
{
    struct file *file = p;

    manifest_text_deinit(&file->text);
    xfree(file);
}

static void look_init(struct look *look, struct manifests *self, const struct context *ctx)
{
    *look = (struct look){.self = self, .ctx = ctx};
    together_init(&look->together);
    look->warned = map_new(NULL);
}

static void look_deinit(struct look *look)
{
    scan_deinit(&look->scan);
    together_deinit(&look->together);
    manifest_problems_deinit(&look->problems);
    map_free(look->warned);
}
DEFINE_CLEANUP_VALUE(struct look, look_deinit);

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash && slash[1] ? slash + 1 : path;
}

int manifests_new(const struct manifests_options *options, struct manifests **ret, struct err *err)
{
    cleanup(manifests_free) struct manifests *self = xalloc(sizeof(*self));
    int r = file_mkdirs(options->folder, 0700, err);

    self->folder = xstrdup(options->folder);
    self->name = xstrdup(last_part(options->folder));
    self->store = options->store;
    self->clock = options->clock;
    self->report = options->report;
    self->report_arg = options->report_arg;
    self->files = map_new(file_free);
    pool_init(&self->pool);
    self->objects = map_new_in(&self->pool, NULL);
    mutex_init(&self->mutex);
    watcher_init(&self->watcher);
    if (r < 0)
        return r;
    *ret = take(self);
    return 0;
}

void manifests_free(struct manifests *self)
{
    if (!self)
        return;
    watcher_deinit(&self->watcher);
    map_free(self->files);
    map_free(self->objects);
    pool_deinit(&self->pool);
    manifest_problems_deinit(&self->problems);
    mutex_deinit(&self->mutex);
    xfree(self->folder);
    xfree(self->name);
    xfree(self);
}

void manifests_problems(struct manifests *self, struct manifest_problems *ret)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    struct manifest_problems copy = {};

    problems_copy(&copy, &self->problems);
    *ret = copy;
}

/* --- reading a file --- */

static char *shown_name(const struct manifests *self, const char *path)
{
    return xasprintf("%s/%s", self->name, path);
}

static void warn_of_mode(struct manifest_text *text, const char *name, mode_t mode)
{
    cleanup(xfree) char *words = NULL;
    struct manifest_problem problem = {.file = (char *)name, .is_warning = true};

    if (!text->has_secret || !(mode & 077))
        return;
    words = xasprintf("holds a Secret and can be read or written by others (mode %04o): chmod 600",
                      mode & 07777);
    problem.text = words;
    problems_add(&text->problems, &problem);
}

static int read_text(const struct manifests *self, const struct scanned_file *scanned,
                     struct manifest_text *text)
{
    cleanup(xfree) char *path = xasprintf("%s/%s", self->folder, scanned->path);
    cleanup(xfree) char *name = shown_name(self, scanned->path);
    cleanup(buf_deinit) struct buf data = BUF_SECRET(LIMIT_MANIFEST_FILE);
    struct err err = {};
    int r = file_read_at(AT_FDCWD, path, &data, &err);

    if (r < 0) {
        problems_addf(&text->problems, name, "%s", err.text);
        text->has_unknown = true;
        return r;
    }
    r = manifest_text_read(text, name, buf_str(&data), data.len);
    warn_of_mode(text, name, scanned->stamp.mode);
    return r;
}

void manifests_check(const char *folder, struct manifest_problems *ret)
{
    struct manifests self = {.folder = (char *)folder, .name = (char *)last_part(folder)};
    struct watcher nobody = {.fd = -1};
    cleanup(scan_deinit) struct scan scan = {};

    scan_folder(&scan, folder, self.name, &nobody, ret);
    for (size_t i = 0; i < scan.len; i++) {
        cleanup(manifest_text_deinit) struct manifest_text text = {};

        (void)read_text(&self, &scan.files[i], &text); /* the problem is in the list */
        problems_copy(ret, &text.problems);
    }
}

static bool stamp_same(const struct stamp *a, const struct stamp *b)
{
    return a->dev == b->dev && a->ino == b->ino && a->size == b->size && a->mode == b->mode &&
           a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns;
}

static void file_read_anew(struct manifests *self, struct file *file,
                           const struct scanned_file *scanned)
{
    cleanup(manifest_text_deinit) struct manifest_text text = {};
    int64_t age_ms = clock_wall_ms(self->clock) - scanned->stamp.ctime_ns / 1000000;

    file->stamp = scanned->stamp;
    file->settled = age_ms > SETTLED_AFTER_MS;
    file->broken = read_text(self, scanned, &text) < 0;
    if (file->broken) {
        struct manifest_problems problems = file->text.problems;

        file->text.problems = text.problems; /* with the objects that it had */
        file->text.has_unknown = true;
        text.problems = problems;
        return;
    }
    manifest_text_deinit(&file->text);
    file->text = text;
    text = (struct manifest_text){};
}

static struct file *file_of(struct look *look, const struct scanned_file *scanned)
{
    struct manifests *self = look->self;
    struct file *file = map_get(self->files, scanned->path);

    if (!file) {
        file = xalloc(sizeof(*file));
        map_set(self->files, scanned->path, file);
    }
    if (!file->settled || !stamp_same(&file->stamp, &scanned->stamp))
        file_read_anew(self, file, scanned);
    file->look = self->looks;
    return file;
}

/* --- objects --- */

static struct held *held_of(struct manifests *self, const char *id, const struct kind *kind)
{
    struct held *held = map_get(self->objects, id);

    if (!held) {
        held = pool_alloc(&self->pool, sizeof(*held));
        held->kind = kind;
        map_set(self->objects, id, held);
    }
    return held;
}

static void say_of_entry(struct look *look, const char *name, const struct manifest_entry *entry,
                         bool is_warning, const char *text)
{
    struct manifest_problem problem = {.file = (char *)name,
                                       .line = entry->line,
                                       .object = (char *)entry->id,
                                       .text = (char *)text,
                                       .is_warning = is_warning};

    problems_add(&look->problems, &problem);
}

static bool is_the_objects_fault(int code)
{
    return code == ERR_INVALID || code == ERR_TOO_LARGE || code == ERR_UNSUPPORTED;
}

static void say_not_stored(struct look *look, const char *name, const struct manifest_entry *entry,
                           const struct err *err)
{
    cleanup(xfree) char *text = xasprintf("cannot be stored: %s", err->text);

    say_of_entry(look, name, entry, false, text);
    look->store_failed = look->store_failed || !is_the_objects_fault(err->code);
}

static int apply(struct look *look, const char *name, const struct manifest_entry *entry,
                 struct held *held, struct err *err)
{
    struct err why = {};
    bool kept = false;
    int r = manifest_apply(look->self->store, look->ctx, entry, &kept, &why);

    if (r == ERR_CANCELED)
        return err_pass(err, &why);
    if (r < 0) {
        say_not_stored(look, name, entry, &why);
        return 0;
    }
    if (kept) { /* not `has_applied`: said again at the next look */
        say_of_entry(
            look, name, entry, true,
            "is kept by a Certificate now, so this manifest is not applied any more; remove it");
        return 0;
    }
    held->applied = entry->hash;
    held->has_applied = true;
    return 0;
}

/* The objects were dropped after they were applied; now one is needed after all, because the file that
 * had it before is gone or the store failed. */
static int apply_from_file(struct look *look, const struct scanned_file *scanned,
                           const struct manifest_entry *wanted, struct held *held, struct err *err)
{
    cleanup(manifest_text_deinit) struct manifest_text text = {};
    cleanup(xfree) char *name = shown_name(look->self, scanned->path);

    (void)read_text(look->self, scanned, &text); /* if it changed just now, the next look sees it */
    for (size_t i = 0; i < text.len; i++) {
        const struct manifest_entry *entry = &text.items[i];

        if (entry->valid && entry->hash == wanted->hash && streq(entry->id, wanted->id))
            return apply(look, name, entry, held, err);
    }
    return 0;
}

static int look_at_entry(struct look *look, const struct scanned_file *scanned, const char *name,
                         const struct file *file, const struct manifest_entry *entry,
                         struct err *err)
{
    struct manifests *self = look->self;
    struct held *held;

    if (!together_add(&look->together, name, entry, &look->problems))
        return 0;
    held = held_of(self, entry->id, entry->kind);
    held->look = self->looks;
    held->is_missing = false;
    if (!entry->valid || file->broken || (held->has_applied && held->applied == entry->hash))
        return 0;
    if (look->store_failed)
        return 0; /* a full disk is not better for the next one: all again later */
    if (!entry->json)
        return apply_from_file(look, scanned, entry, held, err);
    return apply(look, name, entry, held, err);
}

static void drop_json(struct file *file)
{
    for (size_t i = 0; i < file->text.len; i++) {
        json_unref(file->text.items[i].json);
        file->text.items[i].json = NULL;
    }
}

/* A warning that says the same of many objects is said of the first. */
static bool was_warned(struct look *look, const struct manifest_problem *problem)
{
    cleanup(xfree) char *what = NULL;
    size_t kind_len;

    if (!problem->is_warning || !problem->object || !problem->field)
        return false;
    kind_len = strcspn(problem->object, " ");
    what = xasprintf("%.*s %s %s", (int)kind_len, problem->object, problem->field, problem->text);
    if (map_has(look->warned, what))
        return true;
    map_set(look->warned, what, look);
    return false;
}

static int look_at_file(struct look *look, const struct scanned_file *scanned, struct err *err)
{
    struct file *file = file_of(look, scanned);
    const char *name = arena_printf(look->together.arena, "%s/%s", look->self->name, scanned->path);
    int r = 0;

    look->has_unknown = look->has_unknown || file->text.has_unknown;
    for (size_t i = 0; i < file->text.problems.len; i++)
        if (!was_warned(look, &file->text.problems.items[i]))
            problems_add(&look->problems, &file->text.problems.items[i]);
    look->problems.dropped += file->text.problems.dropped;
    for (size_t i = 0; r == 0 && i < file->text.len; i++)
        r = look_at_entry(look, scanned, name, file, &file->text.items[i], err);
    drop_json(file);
    return r;
}

static void forget_gone_files(struct manifests *self)
{
    map_for_each (entry, self->files) {
        const struct file *file = map_entry_value(entry);

        if (file->look != self->looks)
            (void)map_remove(self->files, map_entry_key(entry)); /* it was there */
    }
}

/* --- removal --- */

static void say_missing(struct look *look, const char *id)
{
    struct manifest_problem problem = {
        .file = look->self->name,
        .object = (char *)id,
        .text = (char *)"is in no file any more; it is removed once everything here can be read",
        .is_warning = true,
    };

    problems_add(&look->problems, &problem);
}

static bool is_target(const struct look *look, const struct held *held, const char *id)
{
    return held->kind->is_secret &&
           together_has_target(&look->together, id + strlen(held->kind->resource.kind) + 1);
}

/* 1: the entry may be forgotten. */
static int remove_object(struct look *look, const struct held *held, const char *id,
                         struct err *err)
{
    struct manifests *self = look->self;
    struct err why = {};
    int r = manifest_remove(self->store, look->ctx, held->kind, id, is_target(look, held, id),
                            &why);

    if (r == ERR_CANCELED)
        return err_pass(err, &why);
    if (r < 0) {
        cleanup(xfree) char *text = xasprintf("cannot be removed: %s", why.text);
        struct manifest_problem problem = {.file = self->name, .object = (char *)id, .text = text};

        problems_add(&look->problems, &problem);
        look->store_failed = true;
        return 0;
    }
    return 1;
}

static int look_at_missing(struct look *look, struct held *held, const char *id, struct err *err)
{
    int64_t now_ms = clock_monotonic_ms(look->self->clock), due_ms;

    if (!held->is_missing) {
        held->is_missing = true;
        held->missing_since_ms = now_ms;
    }
    if (look->has_unknown) {
        say_missing(look, id);
        return 0;
    }
    due_ms = held->missing_since_ms + REMOVE_AFTER_MS;
    if (look->at_start || now_ms >= due_ms)
        return remove_object(look, held, id, err);
    if (look->next_removal_ms == 0 || due_ms < look->next_removal_ms)
        look->next_removal_ms = due_ms;
    return 0;
}

static int look_for_missing(struct look *look, struct err *err)
{
    struct manifests *self = look->self;

    map_for_each (entry, self->objects) {
        struct held *held = map_entry_value(entry);
        int r;

        if (held->look == self->looks)
            continue;
        r = look_at_missing(look, held, map_entry_key(entry), err);
        if (r < 0)
            return r;
        if (r > 0) {
            (void)map_remove(self->objects, map_entry_key(entry)); /* it was there */
            pool_free(&self->pool, held, sizeof(*held));
        }
    }
    return 0;
}

/* --- a look --- */

static void publish(struct look *look)
{
    struct manifests *self = look->self;
    struct manifest_problems before = self->problems;
    bool changed = !problems_same(&before, &look->problems);

    problems_mark_new(&look->problems, &before);
    mutex_lock(&self->mutex);
    self->problems = look->problems;
    mutex_unlock(&self->mutex);
    look->problems = before; /* goes with the look */
    if (changed && self->report)
        self->report(self->report_arg, &self->problems);
}

static int64_t retry_ms(const struct manifests *self)
{
    int64_t wait_ms = RETRY_MIN_MS;

    for (unsigned i = 1; i < self->failures && wait_ms < RETRY_MAX_MS; i++)
        wait_ms *= 2;
    return wait_ms < RETRY_MAX_MS ? wait_ms : RETRY_MAX_MS;
}

static int64_t wait_ms(struct look *look)
{
    struct manifests *self = look->self;
    int64_t wait = look->scan.unwatched || look->scan.incomplete ? UNWATCHED_MS : LOOK_ANYWAY_MS;
    int64_t now_ms = clock_monotonic_ms(self->clock);

    self->failures = look->store_failed ? self->failures + 1 : 0;
    if (look->store_failed && retry_ms(self) < wait)
        wait = retry_ms(self);
    if (look->next_removal_ms > 0 && look->next_removal_ms - now_ms < wait)
        wait = look->next_removal_ms - now_ms;
    return wait;
}

/* Whoever names the wrong DIR, or another ending, hears of nothing else. */
static void warn_of_nothing(struct look *look)
{
    const struct manifests *self = look->self;
    cleanup(xfree) char *text = NULL;
    struct manifest_problem problem = {.file = self->name, .is_warning = true};

    if (look->scan.len > 0 || look->scan.incomplete)
        return;
    text = xasprintf("there is no file in '%s' that ends in .yaml, .yml or .json", self->folder);
    problem.text = text;
    problems_add(&look->problems, &problem);
}

static int look_at_everything(struct manifests *self, const struct context *ctx, bool at_start,
                              int64_t *ret_wait_ms, struct err *err)
{
    cleanup(look_deinit) struct look look;
    int r = 0;

    look_init(&look, self, ctx);
    look.at_start = at_start;
    self->looks++;
    scan_folder(&look.scan, self->folder, self->name, &self->watcher, &look.problems);
    warn_of_nothing(&look);
    look.has_unknown = look.scan.incomplete;
    for (size_t i = 0; r == 0 && i < look.scan.len; i++)
        r = look_at_file(&look, &look.scan.files[i], err);
    if (r < 0)
        return r;
    forget_gone_files(self);
    r = look_for_missing(&look, err);
    if (r < 0)
        return r;
    publish(&look);
    *ret_wait_ms = wait_ms(&look);
    return 0;
}

int manifests_step(struct manifests *self, const struct context *ctx, int64_t *ret_wait_ms,
                   struct err *err)
{
    return look_at_everything(self, ctx, false, ret_wait_ms, err);
}

/* --- at the start --- */

static void found_stored(void *arg, const struct kind *kind, const char *id)
{
    struct manifests *self = arg;
    struct held *held = held_of(self, id, kind);

    held->is_missing = true;
    held->missing_since_ms = clock_monotonic_ms(self->clock) - REMOVE_AFTER_MS;
}

int manifests_load(struct manifests *self, const struct context *ctx, struct err *err)
{
    int64_t wait;
    int r = manifest_each_stored(self->store, ctx, found_stored, self, err);

    if (r < 0)
        return r;
    return look_at_everything(self, ctx, true, &wait, err);
}

/* --- the thread --- */

struct due {           /* monotonic; 0: not */
    int64_t look_ms;   /* in any case */
    int64_t quiet_ms;  /* events have come: when they may be over */
    int64_t latest_ms; /* the same, if they do not end */
};

/* Hidden names are passed over, except for ..data, by which whole folders are swapped. */
static bool is_of_interest(const struct inotify_event *event)
{
    if (event->mask & IN_IGNORED)
        return false;
    return event->len == 0 || event->name[0] != '.' || event->name[1] == '.';
}

static void distrust_all(struct manifests *self)
{
    map_for_each (entry, self->files)
        ((struct file *)map_entry_value(entry))->settled = false;
}

static bool take_events(struct manifests *self)
{
    char data[8192] __attribute__((aligned(__alignof__(struct inotify_event))));
    bool any = false;
    ssize_t got;

    while ((got = read(self->watcher.fd, data, sizeof(data))) > 0) {
        for (char *p = data; p < data + got;) {
            const struct inotify_event *event = (const struct inotify_event *)p;

            if (event->mask & IN_Q_OVERFLOW)
                distrust_all(self);
            any = any || is_of_interest(event);
            p += sizeof(*event) + event->len;
        }
    }
    return any;
}

static void note_events(struct due *due, int64_t now_ms)
{
    if (due->quiet_ms == 0)
        due->latest_ms = now_ms + QUIET_MOST_MS;
    due->quiet_ms = now_ms + QUIET_MS < due->latest_ms ? now_ms + QUIET_MS : due->latest_ms;
}

/* Waits for events, the cancel, or what is due. */
static void wait_for_something(struct manifests *self, const struct context *ctx, struct due *due)
{
    struct pollfd fds[] = {{.fd = self->watcher.fd, .events = POLLIN},
                           {.fd = cancel_fd(ctx->cancel), .events = POLLIN}};
    int64_t until_ms = due->quiet_ms > 0 && due->quiet_ms < due->look_ms ? due->quiet_ms
                                                                         : due->look_ms;
    int64_t wait = until_ms - clock_monotonic_ms(self->clock);

    if (poll(fds, ARRAY_LEN(fds), wait > 0 ? (int)wait : 0) > 0 && fds[0].revents)
        if (take_events(self))
            note_events(due, clock_monotonic_ms(self->clock));
}

static bool is_due(const struct due *due, int64_t now_ms)
{
    return now_ms >= due->look_ms || (due->quiet_ms > 0 && now_ms >= due->quiet_ms);
}

void manifests_run(struct manifests *self, const struct context *ctx)
{
    struct due due = {};

    while (context_check(ctx, NULL) == 0) {
        struct err err = {};
        int64_t wait = UNWATCHED_MS;

        if (!is_due(&due, clock_monotonic_ms(self->clock))) {
            wait_for_something(self, ctx, &due);
            continue;
        }
        if (manifests_step(self, ctx, &wait, &err) < 0 && err.code != ERR_CANCELED)
            log_error(ctx, "looking at manifests: %s", err.text);
        due = (struct due){.look_ms = clock_monotonic_ms(self->clock) + wait};
    }
}
