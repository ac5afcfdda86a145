/*
 * local_notice.c - hearing of other processes' writes without polling.
 *
 * Whoever commits touches the file's times, after the commit is visible, and the folder is watched
 * for that (IN_ATTRIB). Watching for writes to the -wal instead would come too early: SQLite writes
 * the frames first, syncs, and only then makes them visible in -shm, about which inotify is silent.
 * The thread asks SQLite's data_version, which our own commits do not move, and wakes the watches.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/local_private.h"

struct local_notice {
    struct local_store *store;
    struct thread *thread;
    const char *file_name; /* in the store's path */
    int inotify_fd;
    int stop_fd;
    int64_t data_version; /* under the store's mutex */
};

static void notice_free(struct local_notice *notice)
{
    fd_close(notice->inotify_fd);
    fd_close(notice->stop_fd);
    xfree(notice);
}
DEFINE_CLEANUP(struct local_notice, notice_free);

static int64_t data_version(struct local_store *store)
{
    cleanup(local_stmt_reset) sqlite3_stmt *stmt = local_stmt(store, SQL_DATA_VERSION);

    return sqlite3_step(stmt) == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : -1;
}

static void look_for_foreign_write(struct local_notice *notice)
{
    struct local_store *store = notice->store;
    cleanup(mutex_unlock) struct mutex *locked = mutex_hold(&store->mutex);
    int64_t now = data_version(store);

    (void)locked; /* held for its scope */
    if (now != notice->data_version)
        local_watch_wake_all(store);
    notice->data_version = now;
}

/* Reads what has come in; true if any of it is about our file (or events were lost). */
static bool concerns_us(const struct local_notice *notice)
{
    char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    ssize_t n = read(notice->inotify_fd, buf, sizeof(buf));
    bool found = false;

    for (ssize_t at = 0; at < n;) {
        const struct inotify_event *event = (const struct inotify_event *)(buf + at);

        found = found || (event->mask & IN_Q_OVERFLOW) ||
                (event->len > 0 && streq(event->name, notice->file_name));
        at += (ssize_t)(sizeof(*event) + event->len);
    }
    return found;
}

static void notice_run(void *arg)
{
    struct local_notice *notice = arg;
    struct pollfd fds[] = {
        {.fd = notice->inotify_fd, .events = POLLIN},
        {.fd = notice->stop_fd, .events = POLLIN},
    };

    while (!(fds[1].revents & POLLIN)) {
        if (poll(fds, ARRAY_LEN(fds), -1) < 0 && errno != EINTR)
            return; /* only by a mistake of ours in `fds` */
        if ((fds[0].revents & POLLIN) && concerns_us(notice))
            look_for_foreign_write(notice);
    }
}

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        return xstrdup(".");
    return slash == path ? xstrdup("/") : xstrndup(path, (size_t)(slash - path));
}

static int notice_watch_folder(struct local_notice *notice, const char *path, struct err *err)
{
    cleanup(xfree) char *folder = folder_of(path);

    notice->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (notice->inotify_fd < 0)
        return err_set_errno(
            err, errno, "watching folder '%s' (is fs.inotify.max_user_instances used up?)", folder);
    if (inotify_add_watch(notice->inotify_fd, folder, IN_ATTRIB | IN_ONLYDIR) < 0)
        return err_set_errno(
            err, errno, "watching folder '%s' (is fs.inotify.max_user_watches used up?)", folder);
    return 0;
}

int local_notice_start(struct local_store *self, struct err *err)
{
    cleanup(notice_free) struct local_notice *notice = NULL;
    int r;

    if (!self->path || self->notice)
        return 0;
    notice = xalloc(sizeof(*notice));
    notice->store = self;
    notice->file_name = strrchr(self->path, '/') ? strrchr(self->path, '/') + 1 : self->path;
    notice->inotify_fd = -1;
    notice->data_version = data_version(self);
    notice->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (notice->stop_fd < 0)
        return err_set_errno(err, errno, "watching store '%s'", self->path);
    r = notice_watch_folder(notice, self->path, err);
    if (r < 0)
        return r;
    r = thread_start("store-notice", notice_run, notice, &notice->thread, err);
    if (r < 0)
        return r;
    self->notice = take(notice);
    return 0;
}

void local_notice_stop(struct local_store *self)
{
    uint64_t one = 1;

    if (!self->notice)
        return;
    if (write(self->notice->stop_fd, &one, sizeof(one)) < 0)
        return; /* cannot be: the counter starts at 0 */
    thread_join(self->notice->thread);
    notice_free(take(self->notice));
}

void local_notice_send(struct local_store *self)
{
    /* By path: closing a descriptor of the file would drop SQLite's locks. If it fails, others see
     * the change with the next one. */
    if (self->path)
        (void)!utimensat(AT_FDCWD, self->path, NULL, 0);
}
