#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/random.h"
#include "base/str.h"

enum { READ_STEP = 16 * 1024, AHEAD_STEP = 128 * 1024, TEMP_NAME_MAX = 32, TEMP_TRIES = 100 };

static ssize_t read_some(int fd, char *to, size_t len)
{
    ssize_t got;

    do
        got = read(fd, to, len);
    while (got < 0 && errno == EINTR);
    return got;
}

/* In small steps, because Linux cuts a long one short. */
void file_read_ahead(const char *path, size_t max)
{
    cleanup(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    size_t len;

    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return;
    len = (size_t)st.st_size < max ? (size_t)st.st_size : max;
    for (size_t at = 0; at < len; at += AHEAD_STEP)
        (void)posix_fadvise(fd, (off_t)at, AHEAD_STEP, POSIX_FADV_WILLNEED); /* a hint */
}

/* Returns 0 or an errno; stops early when `to` is full, which buf_check() reports. */
static int read_all(int fd, struct buf *to)
{
    char step[READ_STEP];
    ssize_t got;

    do {
        got = read_some(fd, step, sizeof(step));
        if (got > 0)
            buf_add(to, step, (size_t)got);
    } while (got > 0 && !to->failed);
    if (to->secret)
        wipe(step, sizeof(step));
    return got < 0 ? errno : 0;
}

static int read_fd(int fd, const char *name, struct buf *to, struct err *err)
{
    size_t before = to->len;
    char what[ERR_TEXT_MAX];
    int errnum = read_all(fd, to), r;

    (void)snprintf(what, sizeof(what), "file '%s'", name); /* only for the message */
    if (errnum)
        r = err_set_errno(err, errnum, "reading %s", what);
    else
        r = buf_check(to, what, err);
    if (r < 0)
        buf_truncate(to, before);
    return r;
}

int file_read(const char *path, struct buf *to, struct err *err)
{
    cleanup(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0)
        return err_set_errno(err, errno, "opening '%s'", path);
    return read_fd(fd, path, to, err);
}

int file_read_at(int dir_fd, const char *name, struct buf *to, struct err *err)
{
    /* O_NONBLOCK: somebody may have put a pipe there that nobody writes to. */
    cleanup(fd_close) int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set_errno(err, errno, "opening '%s'", name);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_INVALID, "'%s' is not a regular file", name);
    return read_fd(fd, name, to, err);
}

/* A file that is gone again unless it was renamed to its name. */
struct temp_file {
    int dir_fd, fd;
    char name[TEMP_NAME_MAX]; /* empty when there is nothing to remove */
};

static void temp_file_deinit(struct temp_file *temp)
{
    fd_close(temp->fd);
    if (temp->name[0])
        (void)unlinkat(temp->dir_fd, temp->name, 0); /* best effort: the first error counts */
}
DEFINE_CLEANUP_VALUE(struct temp_file, temp_file_deinit);

static int temp_file_open(struct temp_file *temp)
{
    uint64_t id;

    for (int i = 0; i < TEMP_TRIES; i++) {
        random_bytes(&id, sizeof(id));
        (void)snprintf(temp->name, sizeof(temp->name), ".tmp-%016llx", (unsigned long long)id);
        temp->fd = openat(temp->dir_fd, temp->name,
                          O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (temp->fd >= 0)
            return 0;
        if (errno != EEXIST)
            break;
    }
    temp->name[0] = '\0';
    return -1;
}

static int write_all(int fd, const char *data, size_t len)
{
    ssize_t written;

    for (; len > 0; data += written, len -= (size_t)written) {
        written = write(fd, data, len);
        if (written < 0 && errno == EINTR)
            written = 0;
        if (written < 0)
            return -1;
    }
    return 0;
}

static int sync_dir(int dir_fd)
{
    cleanup(fd_close) int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return -1;
    if (fsync(fd) < 0 && errno != EINVAL) /* some network file systems cannot sync a folder */
        return -1;
    return 0;
}

/* -1 with errno; the name of the failed step is in `ret_step`. */
static int replace(struct temp_file *temp, const char *name, const void *data, size_t len,
                   unsigned mode, const char **ret_step)
{
    *ret_step = "creating a temporary file for";
    if (temp_file_open(temp) < 0 || fchmod(temp->fd, mode) < 0)
        return -1;
    *ret_step = "writing";
    if (write_all(temp->fd, data, len) < 0 || fsync(temp->fd) < 0)
        return -1;
    *ret_step = "replacing";
    if (renameat(temp->dir_fd, temp->name, temp->dir_fd, name) < 0)
        return -1;
    temp->name[0] = '\0';
    *ret_step = "syncing the folder of";
    return sync_dir(temp->dir_fd);
}

static bool is_plain_name(const char *name)
{
    return !str_empty(name) && !streq(name, ".") && !streq(name, "..") && !strchr(name, '/');
}

int file_write_at(int dir_fd, const char *name, const void *data, size_t len, unsigned mode,
                  struct err *err)
{
    cleanup(temp_file_deinit) struct temp_file temp = {.dir_fd = dir_fd, .fd = -1};
    const char *step;

    if (!is_plain_name(name))
        return err_set(err, ERR_INVALID, "'%s' is not a file name", name);
    if (replace(&temp, name, data, len, mode, &step) < 0)
        return err_set_errno(err, errno, "%s '%s'", step, name);
    return 0;
}

static bool is_dir(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Without looking first, so that two who make the same folder both succeed. */
static int make_one(const char *path, unsigned mode, struct err *err)
{
    int errnum;

    if (mkdir(path, mode) == 0)
        return 0;
    errnum = errno; /* EEXIST, but also EROFS and the like for what is there already */
    if (is_dir(path))
        return 0;
    if (errnum == EEXIST)
        return err_set(err, ERR_EXISTS, "making folder '%s': a file of that name is there", path);
    return err_set_errno(err, errnum, "making folder '%s'", path);
}

int file_mkdirs(const char *path, unsigned mode, struct err *err)
{
    cleanup(xfree) char *part = xstrdup(path);
    int r;

    for (char *slash = strchr(part, '/'); slash; slash = strchr(slash + 1, '/')) {
        if (slash == part || slash[-1] == '/')
            continue;
        *slash = '\0';
        r = make_one(part, mode, err);
        if (r < 0)
            return r;
        *slash = '/';
    }
    return make_one(part, mode, err);
}

int file_open_dir_at(int dir_fd, const char *name, bool create, unsigned mode, int *ret_fd,
                     struct err *err)
{
    bool fresh = create && mkdirat(dir_fd, name, mode) == 0;
    cleanup(fd_close) int fd = -1;

    if (create && !fresh && errno != EEXIST)
        return err_set_errno(err, errno, "making folder '%s'", name);
    fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(err, errno, "opening folder '%s'", name);
    if (fresh && fchmod(fd, mode) < 0) /* the umask took part */
        return err_set_errno(err, errno, "setting the mode of folder '%s'", name);
    *ret_fd = fd;
    fd = -1;
    return 0;
}
