/* hooks.c - which program is to run for which Secret, and what each has taken. */
#include "controller/hooks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/map.h"
#include "base/thread.h"
#include "json/json.h"

#define TIMEOUT_MS    MINUTES(5)
#define RETRY_MIN_MS  MINUTES(1)
#define RETRY_MAX_MS  HOURS(1)
#define SAVE_EVERY_MS SECONDS(1) /* while busy: a crash costs that many runs too many */

#define PROGRAMS_FOLDER "deploy.d"
#define TAKEN_FILE      ".taken.json"

enum { TAKEN_FILE_MAX = 64 * 1024 * 1024, PROGRAMS_MAX = 1000, HASH_TEXT_MAX = 2 * SHA256_LEN + 1 };

struct attempt { /* of a program that failed for a target */
    unsigned failures;
    int64_t due_ms; /* monotonic */
    char *error;
};
struct waiting { /* a target with something to run */
    char *namespace, *certificate, *secret, *path;
    char hash[HASH_TEXT_MAX];
    struct map *attempts; /* by program */
    int64_t due_ms;       /* monotonic; 0: not looked at yet */
};

struct hooks {
    char *dir, *programs; /* DIR/hooks, DIR/hooks/deploy.d */
    const struct clock *clock;
    int64_t timeout_ms;
    char *path, *home, *lang; /* "PATH=..." for the programs; NULL: not set */
    int wake_fd;
    struct mutex mutex;  /* guards `waiting` */
    struct map *waiting; /* by "ns/secret" */
    /* Of the thread: */
    struct map *taken; /* "ns/secret" to strmap of program to hash */
    bool taken_changed;
    int64_t saved_ms;
};

static void attempt_free(void *p)
{
    struct attempt *attempt = p;

    xfree(attempt->error);
    xfree(attempt);
}

static void waiting_free(struct waiting *waiting)
{
    xfree(waiting->namespace);
    xfree(waiting->certificate);
    xfree(waiting->secret);
    xfree(waiting->path);
    map_free(waiting->attempts);
    xfree(waiting);
}
DEFINE_CLEANUP(struct waiting, waiting_free);

static void waiting_free_value(void *p)
{
    waiting_free(p);
}

static void taken_free(void *p)
{
    strmap_deinit(p);
    xfree(p);
}

/* --- what was taken --- */

static int open_dir(const struct hooks *self)
{
    return open(self->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void take_in(struct hooks *self, const char *key, const struct json *programs)
{
    struct strmap *map = xalloc(sizeof(*map));

    json_for_each (name, hash, programs)
        if (json_as_text(hash))
            strmap_set(map, name, json_as_text(hash));
    map_set(self->taken, key, map);
}

/* A file that cannot be read means that everything runs once more, not that nothing does. */
static void load_taken(struct hooks *self)
{
    cleanup(fd_close) int dir = open_dir(self);
    cleanup(buf_deinit) struct buf text = BUF(TAKEN_FILE_MAX);
    cleanup(json_unref) struct json *root = NULL;
    struct err err = {};
    int r = dir < 0 ? ERR_NOT_FOUND : file_read_at(dir, TAKEN_FILE, &text, &err);

    if (r == 0)
        r = json_parse(buf_str(&text), text.len, TAKEN_FILE_MAX, &root, &err);
    if (r < 0 && r != ERR_NOT_FOUND)
        log_warning(NULL, "hooks run again for all Secrets: reading '%s/%s': %s", self->dir,
                    TAKEN_FILE, err.text);
    json_for_each (key, programs, root)
        take_in(self, key, programs);
}

static struct json *taken_json(const struct hooks *self)
{
    struct json *root = json_new_map();

    map_for_each (entry, self->taken)
        json_set(root, map_entry_key(entry), json_new_strmap(map_entry_value(entry)));
    return root;
}

static void save_taken(struct hooks *self)
{
    cleanup(json_unref) struct json *root = NULL;
    cleanup(buf_deinit) struct buf text = BUF(TAKEN_FILE_MAX);
    cleanup(fd_close) int dir = -1;
    struct err err = {};
    int r;

    if (!self->taken_changed)
        return;
    root = taken_json(self);
    json_print(root, &text);
    dir = open_dir(self);
    self->saved_ms = clock_monotonic_ms(self->clock);
    r = buf_check(&text, TAKEN_FILE, &err);
    if (r == 0)
        r = file_write_at(dir, TAKEN_FILE, buf_str(&text), text.len, 0600, &err);
    if (r < 0)
        log_warning(NULL, "what hooks have taken is not remembered over a restart: %s", err.text);
    self->taken_changed = r < 0;
}

static void save_now_and_then(struct hooks *self)
{
    if (clock_monotonic_ms(self->clock) - self->saved_ms >= SAVE_EVERY_MS)
        save_taken(self);
}

static bool has_taken(const struct hooks *self, const char *key, const char *program,
                      const char *hash)
{
    const struct strmap *programs = map_get(self->taken, key);

    return programs && streq(strmap_get(programs, program), hash);
}

static void set_taken(struct hooks *self, const char *key, const char *program, const char *hash)
{
    struct strmap *programs = map_get(self->taken, key);

    if (!programs) {
        programs = xalloc(sizeof(*programs));
        map_set(self->taken, key, programs);
    }
    strmap_set(programs, program, hash);
    self->taken_changed = true;
}

void hooks_keep_only(struct hooks *self, bool (*is_known)(void *arg, const char *secret), void *arg)
{
    map_for_each (entry, self->taken) {
        if (is_known(arg, map_entry_key(entry)))
            continue;
        (void)map_remove(self->taken, map_entry_key(entry)); /* it was there */
        self->taken_changed = true;
    }
    save_taken(self);
}

/* --- life --- */

static char *environment_of(const char *name, const char *otherwise)
{
    const char *value = str_or(getenv(name), otherwise);

    return value ? xasprintf("%s=%s", name, value) : NULL;
}

int hooks_new(const struct hooks_options *options, struct hooks **ret, struct err *err)
{
    cleanup(hooks_free) struct hooks *self = xalloc(sizeof(*self));

    self->dir = xstrdup(options->dir);
    self->programs = xasprintf("%s/%s", options->dir, PROGRAMS_FOLDER);
    self->clock = options->clock;
    self->timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : TIMEOUT_MS;
    self->path = environment_of("PATH",
                                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    self->home = environment_of("HOME", NULL);
    self->lang = environment_of("LANG", NULL);
    mutex_init(&self->mutex);
    self->waiting = map_new(waiting_free_value);
    self->taken = map_new(taken_free);
    self->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (self->wake_fd < 0)
        return err_set_errno(err, errno, "preparing hooks");
    load_taken(self);
    *ret = take(self);
    return 0;
}

void hooks_free(struct hooks *self)
{
    if (!self)
        return;
    save_taken(self);
    fd_close(self->wake_fd);
    map_free(self->waiting);
    map_free(self->taken);
    mutex_deinit(&self->mutex);
    xfree(self->dir);
    xfree(self->programs);
    xfree(self->path);
    xfree(self->home);
    xfree(self->lang);
    xfree(self);
}

/* --- what is wanted --- */

static void hash_text(const unsigned char hash[SHA256_LEN], char to[HASH_TEXT_MAX])
{
    for (size_t i = 0; i < SHA256_LEN; i++)
        (void)snprintf(to + 2 * i, 3, "%02x", hash[i]);
}

static void wake(const struct hooks *self)
{
    uint64_t one = 1;

    if (write(self->wake_fd, &one, sizeof(one)) < 0)
        return; /* the counter is full: it is awake */
}

static struct waiting *waiting_new(const struct hook_target *target)
{
    struct waiting *waiting = xalloc(sizeof(*waiting));

    waiting->namespace = xstrdup(target->namespace);
    waiting->certificate = xstrdup(target->certificate);
    waiting->secret = xstrdup(target->secret);
    waiting->path = xstrdup(target->path);
    waiting->attempts = map_new(attempt_free);
    hash_text(target->hash, waiting->hash);
    return waiting;
}

void hooks_want(struct hooks *self, const struct hook_target *target)
{
    cleanup(xfree) char *key = xasprintf("%s/%s", target->namespace, target->secret);
    cleanup(waiting_free) struct waiting *waiting = NULL;
    const struct waiting *before;

    if (access(self->programs, F_OK) < 0)
        return; /* nothing to run, nothing to remember */
    waiting = waiting_new(target);
    mutex_lock(&self->mutex);
    before = map_get(self->waiting, key);
    if (!before || !streq(before->hash, waiting->hash))
        map_set(self->waiting, key, take(waiting));
    mutex_unlock(&self->mutex);
    wake(self);
}

void hooks_state(struct hooks *self, struct hooks_state *ret)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    int64_t now_ms = clock_monotonic_ms(self->clock);

    *ret = (struct hooks_state){};
    map_for_each (entry, self->waiting) {
        const struct waiting *waiting = map_entry_value(entry);

        if (waiting->due_ms <= now_ms)
            ret->due++;
        ret->failed += map_len(waiting->attempts);
    }
}

struct failing { /* a program, and what it failed of */
    const char *program, *first, *error;
    size_t targets;
};

static void count_failures(const char *key, const struct waiting *waiting, struct map *all)
{
    map_for_each (entry, waiting->attempts) {
        const struct attempt *attempt = map_entry_value(entry);
        const char *program = map_entry_key(entry);
        cleanup(xfree) char *name = xasprintf("%s\n%s", program, attempt->error);
        struct failing *failing = map_get(all, name);

        if (!failing) {
            failing = xalloc(sizeof(*failing));
            *failing = (struct failing){program, key, attempt->error, 0};
            map_set(all, name, failing);
        }
        failing->targets++;
    }
}

void hooks_failures(struct hooks *self, struct strlist *to)
{
    cleanup(map_free) struct map *all = map_new(xfree);
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);

    map_for_each (entry, self->waiting)
        count_failures(map_entry_key(entry), map_entry_value(entry), all);
    map_for_each (entry, all) {
        const struct failing *one = map_entry_value(entry);
        cleanup(xfree) char *more = one->targets > 1 ? xasprintf(" and %zu more", one->targets - 1)
                                                     : NULL;

        strlist_add_take(to, xasprintf("hook '%s' for '%s'%s: %s", one->program, one->first,
                                       str_or(more, ""), one->error));
    }
}

/* --- the programs there are --- */

/* One that is not executable may be meant so, or forgotten. */
static bool is_program(const struct context *ctx, const char *folder, const char *name)
{
    cleanup(xfree) char *path = xasprintf("%s/%s", folder, name);
    struct stat st;

    if (name[0] == '.' || stat(path, &st) < 0 || !S_ISREG(st.st_mode))
        return false;
    if (!(st.st_mode & 0111))
        log_info(ctx, "hook '%s' is passed over: it is not executable (chmod +x)", name);
    return st.st_mode & 0111;
}

static void dir_close(DIR *dir)
{
    (void)closedir(dir); /* nothing was written */
}
DEFINE_CLEANUP(DIR, dir_close);

/* In order of name; a folder that is not there has none. */
static int list_programs(const struct hooks *self, const struct context *ctx, struct strlist *ret,
                         struct err *err)
{
    cleanup(dir_close) DIR *dir = opendir(self->programs);
    const struct dirent *entry;
    int r;

    if (!dir)
        return errno == ENOENT ? 0 : err_set_errno(err, errno, "reading '%s'", self->programs);
    r = program_check_owner(self->dir, err);
    if (r == 0)
        r = program_check_owner(self->programs, err);
    if (r < 0)
        return r;
    while ((entry = readdir(dir)) && ret->len < PROGRAMS_MAX)
        if (is_program(ctx, self->programs, entry->d_name))
            strlist_add(ret, entry->d_name);
    strlist_sort_unique(ret);
    return 0;
}

/* --- one target --- */

struct job { /* a copy of a waiting target: that one may be replaced while programs run */
    struct hooks *self;
    const struct context *ctx;
    char *key;
    struct waiting *target;
};

static void job_deinit(struct job *job)
{
    xfree(job->key);
    if (job->target)
        waiting_free(job->target);
}
DEFINE_CLEANUP_VALUE(struct job, job_deinit);

static struct waiting *waiting_copy(const struct waiting *from)
{
    struct hook_target target = {.namespace = from->namespace,
                                 .certificate = from->certificate,
                                 .secret = from->secret,
                                 .path = from->path};
    struct waiting *copy = waiting_new(&target);

    memcpy(copy->hash, from->hash, sizeof(copy->hash));
    return copy;
}

static bool job_next(struct job *job)
{
    struct hooks *self = job->self;
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    int64_t now_ms = clock_monotonic_ms(self->clock);

    map_for_each (entry, self->waiting) {
        const struct waiting *waiting = map_entry_value(entry);

        if (waiting->due_ms > now_ms)
            continue;
        job->key = xstrdup(map_entry_key(entry));
        job->target = waiting_copy(waiting);
        return true;
    }
    return false;
}

/* The waiting target of this job, unless newer data has taken its place. The mutex is held. */
static struct waiting *job_waiting(const struct job *job)
{
    struct waiting *waiting = map_get(job->self->waiting, job->key);

    return waiting && streq(waiting->hash, job->target->hash) ? waiting : NULL;
}

static bool is_due(const struct job *job, const char *name)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&job->self->mutex);
    const struct waiting *waiting = job_waiting(job);
    const struct attempt *attempt = waiting ? map_get(waiting->attempts, name) : NULL;

    return waiting && (!attempt || attempt->due_ms <= clock_monotonic_ms(job->self->clock));
}

static int64_t backoff_ms(unsigned failures)
{
    int64_t wait_ms = RETRY_MIN_MS;

    for (unsigned i = 1; i < failures && wait_ms < RETRY_MAX_MS; i++)
        wait_ms *= 2;
    return wait_ms < RETRY_MAX_MS ? wait_ms : RETRY_MAX_MS;
}

static void note_failure(const struct job *job, const char *name, const struct err *err)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&job->self->mutex);
    struct waiting *waiting = job_waiting(job);
    struct attempt *attempt;

    log_warning(job->ctx, "hook '%s' for '%s': %s", name, job->key, err->text);
    if (!waiting)
        return;
    attempt = map_get(waiting->attempts, name);
    if (!attempt) {
        attempt = xalloc(sizeof(*attempt));
        map_set(waiting->attempts, name, attempt);
    }
    attempt->due_ms = clock_monotonic_ms(job->self->clock) + backoff_ms(++attempt->failures);
    xfree(attempt->error);
    attempt->error = xstrdup(err->text);
}

static void forget_failure(const struct job *job, const char *name)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&job->self->mutex);
    struct waiting *waiting = job_waiting(job);

    if (waiting)
        (void)map_remove(waiting->attempts, name); /* mostly there is none */
}

static int run_with_environment(const struct job *job, struct program *program, struct err *err)
{
    const struct waiting *target = job->target;
    cleanup(xfree) char *namespace = xasprintf("CERTLET_NAMESPACE=%s", target->namespace);
    cleanup(xfree) char *certificate = xasprintf("CERTLET_NAME=%s", target->certificate);
    cleanup(xfree) char *secret = xasprintf("CERTLET_SECRET=%s", target->secret);
    cleanup(xfree) char *path = xasprintf("CERTLET_PATH=%s", target->path);
    char *environment[] = {namespace, certificate, secret, path, job->self->path, NULL, NULL, NULL};
    size_t len = 5;

    if (job->self->home)
        environment[len++] = job->self->home;
    if (job->self->lang)
        environment[len++] = job->self->lang;
    program->environment = environment;
    return program_run(job->ctx, program, err);
}

static int run_program(const struct job *job, const char *name, struct err *err)
{
    cleanup(xfree) char *path = xasprintf("%s/%s", job->self->programs, name);
    struct program program = {.name = name, .path = path, .timeout_ms = job->self->timeout_ms};
    int r = program_check_owner(path, err);

    return r < 0 ? r : run_with_environment(job, &program, err);
}

/* ERR_CANCELED is the only error: others belong to the program. */
static int try_program(const struct job *job, const char *name)
{
    struct err err = {};
    int r;

    if (has_taken(job->self, job->key, name, job->target->hash) || !is_due(job, name))
        return 0;
    r = run_program(job, name, &err);
    if (r == ERR_CANCELED)
        return r;
    if (r < 0) {
        note_failure(job, name, &err);
        return 0;
    }
    log_info(job->ctx, "hook '%s' has run for '%s'", name, job->key);
    set_taken(job->self, job->key, name, job->target->hash);
    forget_failure(job, name);
    save_now_and_then(job->self);
    return 0;
}

/* Attempts of programs that are not there any more do not count. */
static void drop_old_attempts(struct waiting *waiting, const struct strlist *names)
{
    map_for_each (entry, waiting->attempts)
        if (!strlist_has(names, map_entry_key(entry)))
            (void)map_remove(waiting->attempts, map_entry_key(entry)); /* it was there */
}

static void job_end(const struct job *job, const struct strlist *names)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&job->self->mutex);
    struct waiting *waiting = job_waiting(job);

    if (!waiting)
        return;
    drop_old_attempts(waiting, names);
    waiting->due_ms = 0;
    map_for_each (entry, waiting->attempts) {
        const struct attempt *attempt = map_entry_value(entry);

        if (waiting->due_ms == 0 || attempt->due_ms < waiting->due_ms)
            waiting->due_ms = attempt->due_ms;
    }
    if (waiting->due_ms == 0)
        (void)map_remove(job->self->waiting, job->key); /* all have taken it */
}

static int job_run(const struct job *job)
{
    cleanup(strlist_deinit) struct strlist names = {};
    struct err err = {};

    if (list_programs(job->self, job->ctx, &names, &err) < 0) {
        note_failure(job, PROGRAMS_FOLDER, &err);
        strlist_add(&names, PROGRAMS_FOLDER);
        job_end(job, &names);
        return 0;
    }
    for (size_t i = 0; i < names.len; i++)
        if (try_program(job, names.items[i]) < 0)
            return ERR_CANCELED;
    job_end(job, &names);
    return 0;
}

/* --- the thread --- */

static int64_t next_due_ms(struct hooks *self)
{
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&self->mutex);
    int64_t next_ms = 0;

    map_for_each (entry, self->waiting) {
        const struct waiting *waiting = map_entry_value(entry);

        if (next_ms == 0 || waiting->due_ms < next_ms)
            next_ms = waiting->due_ms;
    }
    return next_ms;
}

int64_t hooks_run_due(struct hooks *self, const struct context *ctx)
{
    bool more = true;

    while (more && context_check(ctx, NULL) == 0) {
        cleanup(job_deinit) struct job job = {.self = self, .ctx = ctx};

        more = job_next(&job) && job_run(&job) == 0;
    }
    save_taken(self);
    return next_due_ms(self);
}

static void wait_for_something(struct hooks *self, const struct context *ctx, int64_t until_ms)
{
    struct pollfd fds[] = {{.fd = self->wake_fd, .events = POLLIN},
                           {.fd = cancel_fd(ctx->cancel), .events = POLLIN}};
    int64_t wait_ms = until_ms - clock_monotonic_ms(self->clock);
    uint64_t count;

    if (until_ms == 0)
        wait_ms = -1;
    else if (wait_ms < 0)
        wait_ms = 0;
    if (poll(fds, ARRAY_LEN(fds), (int)wait_ms) > 0 && fds[0].revents)
        if (read(self->wake_fd, &count, sizeof(count)) < 0)
            return; /* somebody else read it: nothing lost */
}

void hooks_run(struct hooks *self, const struct context *ctx)
{
    while (context_check(ctx, NULL) == 0) {
        int64_t next_ms = hooks_run_due(self, ctx);

        wait_for_something(self, ctx, next_ms);
    }
}
