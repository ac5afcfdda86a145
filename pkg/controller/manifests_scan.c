/*
 * manifests_scan.c - the folder of manifests: which files there are, and hearing of changes.
 *
 * A folder is watched before it is read, so that no change falls between. Symbolic links are followed
 * as the mounts of a container need it; each folder is entered once, which also ends loops.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "controller/manifests_private.h"

enum { FILES_MAX = 10000, FOLDERS_MAX = 10000, DEPTH_MAX = 32, NAMES_MAX = 100000 };

#define WATCH_EVENTS                                                                               \
    (IN_CREATE | IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_MOVED_FROM | IN_MOVED_TO |            \
     IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF)

struct walk {
    struct scan *scan;
    const char *folder, *name;
    struct watcher *watcher;
    struct manifest_problems *problems;
    struct map *entered; /* "dev:ino" of folders */
    int *wds;
    size_t wd_count, wd_alloc, file_alloc;
    bool too_many;
};

/* One folder on the way down. */
struct level {
    int fd;
    const char *path; /* below the folder; "" at the top */
    int depth;
};

void watcher_init(struct watcher *watcher)
{
    *watcher = (struct watcher){.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC)};
}

void watcher_deinit(struct watcher *watcher)
{
    fd_close(watcher->fd);
    xfree(watcher->wds);
    *watcher = (struct watcher){.fd = -1};
}

void scan_deinit(struct scan *scan)
{
    for (size_t i = 0; i < scan->len; i++)
        xfree(scan->files[i].path);
    xfree(scan->files);
    *scan = (struct scan){};
}

/* Problems. */

static void say(struct walk *walk, const char *path, const char *text)
{
    cleanup(xfree) char *file = xasprintf("%s%s%s", walk->name, *path ? "/" : "", path);

    problems_addf(walk->problems, file, "%s", text);
    walk->scan->incomplete = true;
}

static void say_unreadable(struct walk *walk, const char *path, int errnum)
{
    struct err err = {};

    (void)err_set_errno(&err, errnum, "cannot be read"); /* only for the text */
    say(walk, path, err.text);
}

static void say_too_many(struct walk *walk)
{
    char text[128];

    if (walk->too_many)
        return;
    walk->too_many = true;
    (void)snprintf(text, sizeof(text),
                   "holds more than %d files or folders; the rest is passed over", FILES_MAX);
    say(walk, "", text);
}

/* Watches. */

static void watch(struct walk *walk, const char *path)
{
    cleanup(xfree) char *full = xasprintf("%s/%s", walk->folder, path);
    int wd = walk->watcher->fd < 0 ? -1 : inotify_add_watch(walk->watcher->fd, full, WATCH_EVENTS);

    if (wd < 0) {
        walk->scan->unwatched = true;
        return;
    }
    if (walk->wd_count == walk->wd_alloc) {
        walk->wd_alloc = walk->wd_alloc ? walk->wd_alloc * 2 : 16;
        walk->wds = xrealloc(walk->wds, walk->wd_alloc * sizeof(*walk->wds));
    }
    walk->wds[walk->wd_count++] = wd;
}

static int compare_ints(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;

    return (x > y) - (x < y);
}

/* Watches of folders that are not below ours any more would only wake us. */
static void drop_old_watches(struct walk *walk)
{
    struct watcher *watcher = walk->watcher;

    if (walk->wd_count > 1)
        qsort(walk->wds, walk->wd_count, sizeof(*walk->wds), compare_ints);
    for (size_t i = 0; i < watcher->len; i++)
        if (!walk->wds ||
            !bsearch(&watcher->wds[i], walk->wds, walk->wd_count, sizeof(*walk->wds), compare_ints))
            (void)inotify_rm_watch(watcher->fd,
                                   watcher->wds[i]); /* may have gone with its folder */
    xfree(watcher->wds);
    watcher->wds = take(walk->wds);
    watcher->len = walk->wd_count;
}

/* Files. */

static bool is_manifest_name(const char *name)
{
    return str_ends(name, ".yaml") || str_ends(name, ".yml") || str_ends(name, ".json");
}

static int64_t ns_of(const struct timespec *time)
{
    return (int64_t)time->tv_sec * 1000000000 + time->tv_nsec;
}

static void add_file(struct walk *walk, const char *path, const struct stat *st)
{
    struct scan *scan = walk->scan;

    if (scan->len == FILES_MAX) {
        say_too_many(walk);
        return;
    }
    if (scan->len == walk->file_alloc) {
        walk->file_alloc = walk->file_alloc ? walk->file_alloc * 2 : 16;
        scan->files = xrealloc(scan->files, walk->file_alloc * sizeof(*scan->files));
    }
    scan->files[scan->len++] = (struct scanned_file){
        .path = xstrdup(path),
        .stamp = {.dev = st->st_dev,
                  .ino = st->st_ino,
                  .size = st->st_size,
                  .mtime_ns = ns_of(&st->st_mtim),
                  .ctime_ns = ns_of(&st->st_ctim),
                  .mode = st->st_mode},
    };
}

static int compare_files(const void *a, const void *b)
{
    return strcmp(((const struct scanned_file *)a)->path, ((const struct scanned_file *)b)->path);
}

/* Folders. */

static void enter(struct walk *walk, const struct level *up, const char *name, const char *path);

/* A link that leads nowhere may be a folder that is not mounted: its objects are not gone. */
static void look_at_broken(struct walk *walk, const struct level *level, const char *name,
                           const char *path, int errnum)
{
    struct stat link;
    bool is_link = fstatat(level->fd, name, &link, AT_SYMLINK_NOFOLLOW) == 0;

    if (!is_link)
        return; /* gone between */
    if (is_manifest_name(name) || !strchr(name, '.'))
        say_unreadable(walk, path, errnum);
}

static void look_at(struct walk *walk, const struct level *level, const char *name)
{
    cleanup(xfree) char *path = xasprintf("%s%s%s", level->path, *level->path ? "/" : "", name);
    struct stat st, link;

    if (fstatat(level->fd, name, &st, 0) < 0) {
        look_at_broken(walk, level, name, path, errno);
        return;
    }
    if (S_ISDIR(st.st_mode)) {
        enter(walk, level, name, path);
        return;
    }
    if (!is_manifest_name(name))
        return;
    if (!S_ISREG(st.st_mode)) {
        say(walk, path, "is not a regular file");
        return;
    }
    if (fstatat(level->fd, name, &link, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(link.st_mode))
        watch(walk, path); /* the file itself: what happens to it is not heard in this folder */
    add_file(walk, path, &st);
}

static void dir_close(DIR *dir)
{
    (void)closedir(dir); /* nothing was written */
}
DEFINE_CLEANUP(DIR, dir_close);

/* ret_names in order, so that a folder that has two ways to it is always entered by the same one. */
static int read_names(int fd, struct strlist *ret_names)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    cleanup(dir_close) DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    struct dirent *entry;

    if (!dir) {
        fd_close(copy);
        return -1;
    }
    while ((errno = 0, entry = readdir(dir)) && ret_names->len < NAMES_MAX)
        if (entry->d_name[0] != '.')
            strlist_add(ret_names, entry->d_name);
    return errno ? -1 : 0;
}

static int read_folder(struct walk *walk, const struct level *level)
{
    cleanup(strlist_deinit) struct strlist names = {};

    if (read_names(level->fd, &names) < 0)
        return -1;
    strlist_sort_unique(&names);
    if (names.len == NAMES_MAX)
        say_too_many(walk);
    for (size_t i = 0; i < names.len && !walk->too_many; i++)
        look_at(walk, level, names.items[i]);
    return 0;
}

static bool was_entered(struct walk *walk, int fd)
{
    struct stat st;
    char id[64];

    if (fstat(fd, &st) < 0)
        return false;
    (void)snprintf(id, sizeof(id), "%llx:%llx", (unsigned long long)st.st_dev,
                   (unsigned long long)st.st_ino);
    if (map_has(walk->entered, id))
        return true;
    map_set(walk->entered, id, walk);
    return false;
}

static void enter(struct walk *walk, const struct level *up, const char *name, const char *path)
{
    cleanup(fd_close) int fd = -1;
    struct level level = {.path = path, .depth = up->depth + 1};

    if (level.depth > DEPTH_MAX) {
        say(walk, path, "is more than 32 folders deep and is passed over");
        return;
    }
    if (map_len(walk->entered) >= FOLDERS_MAX) {
        say_too_many(walk);
        return;
    }
    watch(walk, path);
    fd = openat(up->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    level.fd = fd;
    if (fd >= 0 && was_entered(walk, fd))
        return;
    if (fd < 0 || read_folder(walk, &level) < 0)
        say_unreadable(walk, path, errno);
}

void scan_folder(struct scan *scan, const char *folder, const char *name, struct watcher *watcher,
                 struct manifest_problems *problems)
{
    cleanup(map_free) struct map *entered = map_new(NULL);
    struct walk walk = {.scan = scan,
                        .folder = folder,
                        .name = name,
                        .watcher = watcher,
                        .problems = problems,
                        .entered = entered};
    struct level above = {.fd = AT_FDCWD, .path = "", .depth = -1};

    enter(&walk, &above, folder, "");
    if (scan->len > 1)
        qsort(scan->files, scan->len, sizeof(*scan->files), compare_files);
    drop_old_watches(&walk);
}
