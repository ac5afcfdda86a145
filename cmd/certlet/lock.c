/*
 * lock.c - see lock.h.
 *
 * A plain fcntl() lock: it belongs to the process, not to the open file, so that a hook which is just
 * being started does not hold it beyond the end of a killed process, and the next start is not refused.
 * It would be lost when the process closed the file elsewhere, but nothing else opens it. And it can be
 * asked for without being taken: `certlet renew` never stands in the way of a start.
 */
#include "lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/str.h"

static const struct flock whole_file = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

static int busy(const char *dir, int fd, struct err *err)
{
    struct flock lock = whole_file;
    char who[32] = "(unknown)";

    if (fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK && lock.l_pid > 0)
        (void)snprintf(who, sizeof(who), "%d", (int)lock.l_pid);
    return err_set(
        err, ERR_BUSY,
        "process %s works on '%s' already; stop it first, or look with 'certlet status --dir %s'",
        who, dir, dir);
}

int lock_take(const char *dir, int *ret_fd, struct err *err)
{
    cleanup(xfree) char *path = xasprintf("%s/.lock", dir);
    cleanup(fd_close) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct flock lock = whole_file;

    if (fd < 0)
        return err_set_errno(err, errno, "opening '%s'", path);
    if (fcntl(fd, F_SETLK, &lock) < 0)
        return errno == EAGAIN || errno == EACCES ? busy(dir, fd, err)
                                                  : err_set_errno(err, errno, "locking '%s'", path);
    *ret_fd = fd;
    fd = -1;
    return 0;
}

bool lock_is_held(const char *dir, int64_t *ret_pid)
{
    cleanup(xfree) char *path = xasprintf("%s/.lock", dir);
    cleanup(fd_close) int fd = open(path, O_RDWR | O_CLOEXEC);
    struct flock lock = whole_file;

    if (fd < 0 || fcntl(fd, F_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
        return false;
    *ret_pid = lock.l_pid > 0 ? lock.l_pid : 0; /* 0: in another PID namespace */
    return true;
}
