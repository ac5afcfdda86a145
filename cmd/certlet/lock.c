/*
 * lock.c - see lock.h.
 *
 * An OFD lock rather than flock(): it can be asked for without being taken, so that `certlet renew`
 * never stands in the way of a start; and unlike a plain fcntl() lock it survives that another part of
 * the process closes the file.
 */
#include "lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"

static int64_t read_pid(int fd)
{
    char text[32] = "";
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
    int64_t pid;

    text[n > 0 ? strcspn(text, "\n") : 0] = '\0';
    return str_parse_int(text, 1, INT32_MAX, &pid) == 0 ? pid : 0;
}

static int write_pid(int fd)
{
    char text[32];
    int len = snprintf(text, sizeof(text), "%d\n", (int)getpid());

    return ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)len, 0) < 0 ? -1 : 0;
}

static int busy(const char *dir, int fd, struct err *err)
{
    int64_t pid = read_pid(fd);
    char who[32] = "(unknown)";

    if (pid > 0)
        (void)snprintf(who, sizeof(who), "%lld", (long long)pid);
    return err_set(
        err, ERR_BUSY,
        "process %s works on '%s' already; stop it first, or look with 'certlet status --dir %s'",
        who, dir, dir);
}

int lock_take(const char *dir, int *ret_fd, struct err *err)
{
    cleanup(xfree) char *path = xasprintf("%s/.lock", dir);
    cleanup(fd_close) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    if (fd < 0)
        return err_set_errno(err, errno, "opening '%s'", path);
    if (fcntl(fd, F_OFD_SETLK, &lock) < 0)
        return errno == EAGAIN || errno == EACCES ? busy(dir, fd, err)
                                                  : err_set_errno(err, errno, "locking '%s'", path);
    if (write_pid(fd) < 0)
        return err_set_errno(err, errno, "writing '%s'", path);
    *ret_fd = fd;
    fd = -1;
    return 0;
}

bool lock_is_held(const char *dir, int64_t *ret_pid)
{
    cleanup(xfree) char *path = xasprintf("%s/.lock", dir);
    cleanup(fd_close) int fd = open(path, O_RDWR | O_CLOEXEC);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    if (fd < 0 || fcntl(fd, F_OFD_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
        return false;
    *ret_pid = read_pid(fd);
    return true;
}
