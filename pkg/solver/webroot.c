#include "solver/webroot.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"

#define FOLDER_MODE 0755 /* the web server is another user */
#define FILE_MODE   0644
#define FILE_MAX    4096 /* a key authorization has some 90 bytes */

static const char *const folders[] = {".well-known", "acme-challenge"};
enum { FOLDERS = ARRAY_LEN(folders) };
_Static_assert(sizeof(((struct webroot *)NULL)->made) == FOLDERS, "one note per folder");

/* Descriptors of the web root and the folders below it. */
struct way {
    int fds[FOLDERS + 1];
};

static void way_deinit(struct way *way)
{
    for (size_t i = 0; i < ARRAY_LEN(way->fds); i++)
        fd_close(way->fds[i]);
}
DEFINE_CLEANUP_VALUE(struct way, way_deinit);

#define WAY_CLOSED ((struct way){.fds = {-1, -1, -1}})

static int open_root(const struct webroot *webroot, int *ret_fd, struct err *err)
{
    int fd = open(webroot->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return err_set_errno(err, errno, "opening web root '%s'", webroot->path);
    *ret_fd = fd;
    return 0;
}

static int open_folder(struct webroot *webroot, struct way *way, size_t i, bool create,
                       struct err *err)
{
    struct err why;
    int r;

    r = file_open_dir_at(way->fds[i], folders[i], false, 0, &way->fds[i + 1], &why);
    if (r == ERR_NOT_FOUND && create) {
        r = file_open_dir_at(way->fds[i], folders[i], true, FOLDER_MODE, &way->fds[i + 1], &why);
        if (r == 0)
            webroot->made[i] = true;
    }
    if (r == 0)
        return 0;
    return err_set(err, r, "web root '%s': %s%s", webroot->path, why.text,
                   r == ERR_IO ? "; it must be a folder, not a symbolic link" : "");
}

static int open_way(struct webroot *webroot, struct way *way, bool create, struct err *err)
{
    int r = open_root(webroot, &way->fds[0], err);

    for (size_t i = 0; r == 0 && i < FOLDERS; i++)
        r = open_folder(webroot, way, i, create, err);
    return r;
}

int webroot_init(struct webroot *webroot, const char *path, struct err *err)
{
    cleanup(fd_close) int fd = -1;

    *webroot = (struct webroot){.path = xstrdup(path)};
    return open_root(webroot, &fd, err);
}

void webroot_deinit(struct webroot *webroot)
{
    xfree(webroot->path);
    *webroot = (struct webroot){};
}

static bool has_content(int dir_fd, const char *name, const char *content)
{
    cleanup(buf_deinit) struct buf there = BUF(FILE_MAX);

    return file_read_at(dir_fd, name, &there, NULL) == 0 && streq(buf_str(&there), content);
}

int webroot_write(struct webroot *webroot, const char *token, const char *key, struct err *err)
{
    cleanup(way_deinit) struct way way = WAY_CLOSED;
    int r;

    r = open_way(webroot, &way, true, err);
    if (r < 0)
        return r;
    if (has_content(way.fds[FOLDERS], token, key))
        return 0; /* asked for in every run: no write, no sync */
    r = file_write_at(way.fds[FOLDERS], token, key, strlen(key), FILE_MODE, err);
    return r < 0 ? err_wrap(err, "web root '%s'", webroot->path) : 0;
}

/* Innermost first; one that has something in it stays. */
static void remove_folders(struct webroot *webroot, const struct way *way)
{
    for (size_t i = FOLDERS; i-- > 0;) {
        if (!webroot->made[i] || unlinkat(way->fds[i], folders[i], AT_REMOVEDIR) < 0)
            return;
        webroot->made[i] = false;
    }
}

int webroot_remove(struct webroot *webroot, const char *token, struct err *err)
{
    cleanup(way_deinit) struct way way = WAY_CLOSED;
    struct err why;
    int r;

    r = open_way(webroot, &way, false, &why);
    if (r == ERR_NOT_FOUND)
        return 0;
    if (r < 0)
        return err_pass(err, &why);
    if (unlinkat(way.fds[FOLDERS], token, 0) < 0 && errno != ENOENT)
        return err_set_errno(err, errno, "web root '%s': removing an answer", webroot->path);
    remove_folders(webroot, &way);
    return 0;
}
