/*
 * export_files.c - a version of a Secret's files takes the place of the last one, at once or not at all.
 *
 *     ..2026-11-24T13-00-00.123-4f2a/tls.crt     a version: written whole and synced first
 *     ..data -> ..2026-11-24T13-00-00.123-4f2a   swapped by one rename()
 *     tls.crt -> ..data/tls.crt
 *
 * Names of versions grow, so that after a crash it is known what is what: a version above `..data` was
 * never in force and is removed, the next one below may still be read by a server and stays.
 */
#include "controller/export_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/random.h"
#include "base/str.h"
#include "base/timetext.h"

#define DATA_LINK     "..data"
#define DATA_LINK_NEW "..data_tmp"
#define FILE_LINK_NEW "..link_tmp"

enum { VERSION_NAME_MAX = 64, STAMP_LEN = 23 /* 2026-11-24T13-00-00.123 */, LINK_MAX = 300 };

struct place { /* a Secret's folder, open and locked */
    const struct export_folder *folder;
    int fd;
    char current[VERSION_NAME_MAX]; /* what ..data leads to; "" */
};

void export_files_deinit(struct export_files *files)
{
    for (size_t i = 0; i < files->len; i++) {
        xfree(files->items[i].name);
        buf_deinit(&files->items[i].data);
    }
    xfree(files->items);
    *files = (struct export_files){};
}

struct export_file *export_files_add(struct export_files *files, const char *name)
{
    struct export_file *file;

    files->items = xrealloc(files->items, (files->len + 1) * sizeof(*files->items));
    file = &files->items[files->len++];
    *file = (struct export_file){.name = xstrdup(name), .data = BUF_SECRET(LIMIT_OBJECT)};
    return file;
}

static const struct export_file *file_named(const struct export_files *files, const char *name)
{
    for (size_t i = 0; i < files->len; i++)
        if (streq(files->items[i].name, name))
            return &files->items[i];
    return NULL;
}

/* --- folders --- */

/* Who may read the files must get to them. */
static unsigned folder_mode(const struct export_folder *folder)
{
    return 0700 | (folder->mode & 0040 ? 0050 : 0) | (folder->mode & 0004 ? 0005 : 0);
}

static int set_group(const struct export_folder *folder, int fd, const char *name, struct err *err)
{
    struct stat st;

    if (folder->group < 0 || (fstat(fd, &st) == 0 && st.st_gid == (gid_t)folder->group))
        return 0;
    if (fchown(fd, (uid_t)-1, (gid_t)folder->group) < 0)
        return err_set_errno(err, errno, "giving '%s' to group %lld, as --tls-group says", name,
                             (long long)folder->group);
    return 0;
}

/* Never narrower than it is: an administrator may have opened it. */
static int widen(const struct export_folder *folder, int fd, const char *name, struct err *err)
{
    unsigned mode = folder_mode(folder);
    struct stat st;
    int r = set_group(folder, fd, name, err);

    if (r < 0)
        return r;
    if (fstat(fd, &st) < 0 ||
        ((st.st_mode & mode) != mode && fchmod(fd, (st.st_mode & 07777) | mode) < 0))
        return err_set_errno(err, errno, "setting the mode of '%s'", name);
    return 0;
}

static int open_folder(const struct export_folder *folder, int above, const char *name, int *ret_fd,
                       struct err *err)
{
    cleanup(fd_close) int fd = -1;
    int r = file_open_dir_at(above, name, true, folder_mode(folder), &fd, err);

    if (r == 0)
        r = widen(folder, fd, name, err);
    if (r < 0)
        return r;
    *ret_fd = fd;
    fd = -1;
    return 0;
}

/* The root may be a symbolic link of the administrator's; below it none is followed. */
static int open_root(const struct export_folder *folder, int *ret_fd, struct err *err)
{
    int fd = open(folder->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT)
        return open_folder(folder, AT_FDCWD, folder->root, ret_fd, err);
    if (fd < 0)
        return err_set_errno(err, errno, "opening '%s'", folder->root);
    *ret_fd = fd;
    return widen(folder, fd, folder->root, err); /* a umask may have closed it */
}

static int lock_folder(int fd, const char *name, struct err *err)
{
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno == EWOULDBLOCK)
        return err_set(err, ERR_BUSY, "'%s' is being written by somebody else", name);
    return 0; /* a file system without locks: only we write there */
}

/* --- versions --- */

static bool is_version_name(const char *name)
{
    size_t len = strlen(name);

    return str_starts(name, "..2") && len > 2 + STAMP_LEN && len < VERSION_NAME_MAX &&
           strspn(name + 2, "0123456789T-.abcdef") == len - 2;
}

static void place_look(struct place *place)
{
    char target[VERSION_NAME_MAX + 1];
    ssize_t len = readlinkat(place->fd, DATA_LINK, target, sizeof(target) - 1);

    place->current[0] = '\0';
    if (len <= 0 || len >= VERSION_NAME_MAX)
        return;
    target[len] = '\0';
    if (is_version_name(target)) /* else it is not ours, and is replaced */
        memcpy(place->current, target, (size_t)len + 1);
}

/* 0 when it cannot be read. */
static int64_t version_time_ms(const char *name)
{
    char text[STAMP_LEN + 2];
    int64_t ms = 0;

    if (!is_version_name(name))
        return 0;
    memcpy(text, name + 2, STAMP_LEN);
    text[13] = text[16] = ':';
    text[STAMP_LEN] = 'Z';
    text[STAMP_LEN + 1] = '\0';
    return time_parse_rfc3339(text, &ms, NULL) < 0 ? 0 : ms;
}

/* Above the current one even when the clock was set back. */
static void new_version_name(const struct place *place, char to[VERSION_NAME_MAX])
{
    int64_t ms = clock_wall_ms(place->folder->clock), last_ms = version_time_ms(place->current);
    char text[TIME_TEXT_MAX];

    if (ms <= last_ms)
        ms = last_ms + 1;
    time_format(ms, text);
    text[13] = text[16] = '-';
    (void)snprintf(to, VERSION_NAME_MAX, "..%.19s.%03d-%08llx", text, (int)(ms % 1000),
                   (unsigned long long)random_below(UINT64_C(1) << 32));
}

static void dir_close(DIR *dir)
{
    (void)closedir(dir); /* nothing was written */
}
DEFINE_CLEANUP(DIR, dir_close);

static DIR *open_listing(int fd)
{
    int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* with a position of its own */
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);

    if (!dir)
        fd_close(copy);
    return dir;
}

static bool is_dots(const char *name)
{
    return streq(name, ".") || streq(name, "..");
}

/* What does not go now goes next time. */
static void remove_version(int fd, const char *name)
{
    cleanup(fd_close) int version = openat(fd, name,
                                           O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    cleanup(dir_close) DIR *dir = version < 0 ? NULL : open_listing(version);
    const struct dirent *entry;

    while (dir && (entry = readdir(dir)))
        if (!is_dots(entry->d_name))
            (void)unlinkat(version, entry->d_name, 0);
    (void)unlinkat(fd, name, AT_REMOVEDIR);
}

static void list_versions(int fd, struct strlist *ret)
{
    cleanup(dir_close) DIR *dir = open_listing(fd);
    const struct dirent *entry;

    while (dir && (entry = readdir(dir)))
        if (is_version_name(entry->d_name))
            strlist_add(ret, entry->d_name);
    strlist_sort_unique(ret);
}

/* Keeps the current version and the one below it. */
static void remove_old_versions(const struct place *place)
{
    cleanup(strlist_deinit) struct strlist names = {};
    size_t kept = 0;

    list_versions(place->fd, &names);
    for (size_t i = names.len; i-- > 0;) {
        bool was_in_force = *place->current && strcmp(names.items[i], place->current) <= 0;

        if (was_in_force && kept < 2)
            kept++;
        else
            remove_version(place->fd, names.items[i]);
    }
}

/* --- is it there already? --- */

static bool file_is_same(const struct export_folder *folder, int version,
                         const struct export_file *file)
{
    cleanup(buf_deinit) struct buf data = BUF_SECRET(LIMIT_OBJECT);
    struct stat st;

    if (fstatat(version, file->name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
        return false;
    if ((st.st_mode & 07777) != folder->mode)
        return false;
    if (folder->group >= 0 && st.st_gid != (gid_t)folder->group)
        return false;
    if ((uint64_t)st.st_size != file->data.len ||
        file_read_at(version, file->name, &data, NULL) < 0)
        return false;
    return data.len == file->data.len &&
           memcmp(buf_str(&data), buf_str(&file->data), data.len) == 0;
}

static size_t count_entries(int fd)
{
    cleanup(dir_close) DIR *dir = open_listing(fd);
    const struct dirent *entry;
    size_t count = 0;

    while (dir && (entry = readdir(dir)))
        count += !is_dots(entry->d_name);
    return count;
}

static bool current_is_same(const struct place *place, const struct export_files *files)
{
    cleanup(fd_close) int version = -1;
    struct stat st;

    if (!*place->current)
        return false;
    version = openat(place->fd, place->current, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (version < 0 || fstat(version, &st) < 0 || count_entries(version) != files->len)
        return false;
    if ((st.st_mode & folder_mode(place->folder)) != folder_mode(place->folder))
        return false;
    for (size_t i = 0; i < files->len; i++)
        if (!file_is_same(place->folder, version, &files->items[i]))
            return false;
    return true;
}

/* --- a new version --- */

static int write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t written = write(fd, data, len);

        if (written < 0 && errno != EINTR)
            return -1;
        if (written > 0) {
            data += written;
            len -= (size_t)written;
        }
    }
    return 0;
}

static int write_file(const struct export_folder *folder, int version,
                      const struct export_file *file, struct err *err)
{
    cleanup(fd_close) int fd = openat(version, file->name,
                                      O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    int r;

    if (fd < 0 || write_all(fd, buf_str(&file->data), file->data.len) < 0)
        return err_set_errno(err, errno, "writing '%s'", file->name);
    r = set_group(folder, fd, file->name, err); /* before the group may read */
    if (r < 0)
        return r;
    if (fchmod(fd, folder->mode) < 0 || fsync(fd) < 0)
        return err_set_errno(err, errno, "writing '%s'", file->name);
    return 0;
}

static int sync_folder(int fd, struct err *err)
{
    if (fsync(fd) < 0 && errno != EINVAL) /* some network file systems cannot sync a folder */
        return err_set_errno(err, errno, "syncing a folder");
    return 0;
}

static int fill_version(const struct place *place, const char *name,
                        const struct export_files *files, struct err *err)
{
    cleanup(fd_close) int version = -1;
    int r = open_folder(place->folder, place->fd, name, &version, err);

    for (size_t i = 0; r == 0 && i < files->len; i++)
        r = write_file(place->folder, version, &files->items[i], err);
    return r < 0 ? r : sync_folder(version, err);
}

/* A symbolic link `name` to `target`, in place of what was there, by way of `temporary`. */
static int set_link(int fd, const char *name, const char *target, const char *temporary,
                    struct err *err)
{
    (void)unlinkat(fd, temporary, 0); /* of a crash */
    if (symlinkat(target, fd, temporary) < 0 || renameat(fd, temporary, fd, name) < 0)
        return err_set_errno(err, errno, "setting the link '%s'", name);
    return 0;
}

static int swap_version(struct place *place, const struct export_files *files, struct err *err)
{
    char name[VERSION_NAME_MAX];
    int r;

    new_version_name(place, name);
    r = fill_version(place, name, files, err);
    if (r == 0)
        r = set_link(place->fd, DATA_LINK, name, DATA_LINK_NEW, err);
    if (r < 0) {
        remove_version(place->fd, name);
        return r;
    }
    memcpy(place->current, name, sizeof(name));
    return sync_folder(place->fd, err);
}

/* --- links --- */

static void link_target(const char *name, char to[LINK_MAX])
{
    (void)snprintf(to, LINK_MAX, DATA_LINK "/%s", name);
}

static bool is_link_to(int fd, const char *name, const char *target)
{
    char found[LINK_MAX];
    ssize_t len = readlinkat(fd, name, found, sizeof(found) - 1);

    if (len < 0)
        return false;
    found[len] = '\0';
    return streq(found, target);
}

static int set_file_links(const struct place *place, const struct export_files *files,
                          struct err *err)
{
    char target[LINK_MAX];
    bool changed = false;
    int r = 0;

    for (size_t i = 0; r == 0 && i < files->len; i++) {
        link_target(files->items[i].name, target);
        if (is_link_to(place->fd, files->items[i].name, target))
            continue;
        r = set_link(place->fd, files->items[i].name, target, FILE_LINK_NEW, err);
        changed = true;
    }
    return r == 0 && changed ? sync_folder(place->fd, err) : r;
}

/* Only links of ours: what else a user keeps there is his. */
static void remove_stale_links(const struct place *place, const struct export_files *files)
{
    cleanup(dir_close) DIR *dir = open_listing(place->fd);
    const struct dirent *entry;
    char target[LINK_MAX];

    while (dir && (entry = readdir(dir))) {
        link_target(entry->d_name, target);
        if (!file_named(files, entry->d_name) && is_link_to(place->fd, entry->d_name, target))
            (void)unlinkat(place->fd, entry->d_name, 0); /* or next time */
    }
    (void)unlinkat(place->fd, DATA_LINK_NEW, 0); /* mostly not there */
    (void)unlinkat(place->fd, FILE_LINK_NEW, 0);
}

/* --- all of it --- */

static int write_in_place(struct place *place, const struct export_files *files, bool *ret_changed,
                          struct err *err)
{
    bool same;
    int r = 0;

    place_look(place);
    remove_old_versions(place); /* before a new name could come above a leftover */
    same = current_is_same(place, files);
    if (!same)
        r = swap_version(place, files, err);
    if (r == 0)
        r = set_file_links(place, files, err);
    if (r < 0)
        return r;
    remove_stale_links(place, files);
    remove_old_versions(place);
    *ret_changed = !same;
    return 0;
}

static int write_below(const struct export_folder *folder, int root,
                       const struct export_files *files, bool *ret_changed, struct err *err)
{
    cleanup(fd_close) int namespace = -1, secret = -1;
    struct place place = {.folder = folder};
    int r = open_folder(folder, root, folder->namespace, &namespace, err);

    if (r == 0)
        r = open_folder(folder, namespace, folder->secret, &secret, err);
    if (r == 0)
        r = lock_folder(secret, folder->secret, err);
    if (r < 0)
        return r;
    place.fd = secret;
    return write_in_place(&place, files, ret_changed, err);
}

int export_files_write(const struct export_folder *folder, const struct export_files *files,
                       bool *ret_changed, struct err *err)
{
    cleanup(fd_close) int root = -1;
    int r = open_root(folder, &root, err);

    if (r == 0)
        r = write_below(folder, root, files, ret_changed, err);
    if (r < 0)
        return err_wrap(err, "writing '%s/%s/%s'", folder->root, folder->namespace, folder->secret);
    return 0;
}
