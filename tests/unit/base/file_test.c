#include "support/testing.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

static char root[] = "/tmp/certlet-file-test-XXXXXX";
static int root_fd = -1;

static int root_make(void **test_state)
{
    if (!mkdtemp(root))
        return -1;
    root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return root_fd < 0 ? -1 : 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    return remove(path);
}

static int root_remove(void **test_state)
{
    fd_close(root_fd);
    nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    memcpy(root + sizeof(root) - 7, "XXXXXX", 6);
    return 0;
}

static unsigned mode_of(const char *name)
{
    struct stat st;

    ASSERT_EQ(fstatat(root_fd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
    return st.st_mode & 07777;
}

static int count_entries(void)
{
    DIR *dir = opendir(root);
    int count = 0;

    ASSERT_TRUE(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count - 2; /* without . and .. */
}

static void assert_content(const char *name, const char *expected)
{
    struct err err = {};
    cleanup(buf_deinit) struct buf buf = BUF(1000);

    ASSERT_OK(file_read_at(root_fd, name, &buf, &err));
    ASSERT_STREQ(buf_str(&buf), expected);
}

TEST(what_is_written_is_read_back_with_the_exact_mode)
{
    struct err err = {};
    mode_t before = umask(077);

    ASSERT_OK(file_write_at(root_fd, "f", "hello", 5, 0644, &err));
    umask(before);
    assert_content("f", "hello");
    ASSERT_EQ(mode_of("f"), 0644);
    ASSERT_EQ(count_entries(), 1); /* no temporary stays */
}

TEST(writing_replaces_the_file_and_not_what_a_link_points_to)
{
    struct err err = {};

    ASSERT_OK(file_write_at(root_fd, "target", "old", 3, 0600, &err));
    ASSERT_EQ(symlinkat("target", root_fd, "link"), 0);
    ASSERT_OK(file_write_at(root_fd, "link", "new", 3, 0600, &err));
    assert_content("target", "old");
    assert_content("link", "new");
    ASSERT_OK(file_write_at(root_fd, "target", "", 0, 0640, &err));
    assert_content("target", "");
    ASSERT_EQ(mode_of("target"), 0640);
}

TEST(a_failed_write_leaves_nothing_behind)
{
    struct err err = {};

    ASSERT_EQ(mkdirat(root_fd, "folder", 0700), 0);
    ASSERT_ERR(ERR_IO, file_write_at(root_fd, "folder", "x", 1, 0600, &err));
    ASSERT_CONTAINS(err.text, "replacing 'folder'");
    ASSERT_EQ(count_entries(), 1);
}

TEST(a_name_that_leads_elsewhere_is_refused)
{
    static const char *const names[] = {"", ".", "..", "a/b", "/etc/passwd", "../x"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct err err = {};

        CASE(names[i]);
        ASSERT_ERR(ERR_INVALID, file_write_at(root_fd, names[i], "x", 1, 0600, &err));
    }
}

TEST(reading_appends_and_stays_within_the_maximum)
{
    struct err err = {};
    cleanup(buf_deinit) struct buf buf = BUF(12);

    ASSERT_OK(file_write_at(root_fd, "f", "hello", 5, 0600, &err));
    ASSERT_OK(file_read_at(root_fd, "f", &buf, &err));
    ASSERT_OK(file_read_at(root_fd, "f", &buf, &err));
    ASSERT_STREQ(buf_str(&buf), "hellohello");
    ASSERT_ERR(ERR_TOO_LARGE, file_read_at(root_fd, "f", &buf, &err));
    ASSERT_STREQ(err.text, "file 'f' is larger than 12 bytes");
    ASSERT_STREQ(buf_str(&buf), "hellohello");
}

TEST(a_file_larger_than_one_step_is_read_whole)
{
    struct err err = {};
    size_t len = 100001;
    cleanup(xfree) char *data = xalloc(len);
    cleanup(buf_deinit) struct buf buf = BUF_SECRET(200000);
    char path[100];

    for (size_t i = 0; i < len; i++)
        data[i] = (char)(i * 7 + i / 256);
    ASSERT_OK(file_write_at(root_fd, "big", data, len, 0600, &err));
    snprintf(path, sizeof(path), "%s/big", root);
    ASSERT_OK(file_read(path, &buf, &err));
    ASSERT_MEMEQ(buf.data, buf.len, data, len);
}

TEST(what_cannot_be_read_says_why)
{
    struct err err = {};
    cleanup(buf_deinit) struct buf buf = BUF(100);

    ASSERT_ERR(ERR_NOT_FOUND, file_read_at(root_fd, "none", &buf, &err));
    ASSERT_STREQ(err.text, "opening 'none': No such file or directory");
    ASSERT_ERR(ERR_NOT_FOUND, file_read("/nonexistent/f", &buf, &err));
    ASSERT_ERR(ERR_IO, file_read(root, &buf, &err));
    ASSERT_EQ(buf.len, 0);
}

TEST(a_pipe_in_a_folder_is_refused_without_waiting)
{
    struct err err = {};
    cleanup(buf_deinit) struct buf buf = BUF(100);

    ASSERT_EQ(mkfifoat(root_fd, "pipe", 0600), 0);
    ASSERT_ERR(ERR_INVALID, file_read_at(root_fd, "pipe", &buf, &err));
    ASSERT_STREQ(err.text, "'pipe' is not a regular file");
}

TEST(mkdirs_makes_the_parents_and_takes_existing_folders)
{
    static const char *const tails[] = {"a/b/c", "a/b/c", "a//d/", "", "/"};
    struct err err = {};
    char path[100];

    for (size_t i = 0; i < ARRAY_LEN(tails); i++) {
        CASE(tails[i]);
        snprintf(path, sizeof(path), "%s/%s", root, tails[i]);
        ASSERT_OK(file_mkdirs(path, 0700, &err));
    }
    ASSERT_EQ(mode_of("a/b/c"), 0700);
    ASSERT_EQ(mode_of("a/d"), 0700);
}

TEST(mkdirs_does_not_take_a_file_for_a_folder)
{
    struct err err = {};
    char path[100];

    ASSERT_OK(file_write_at(root_fd, "f", "", 0, 0600, &err));
    snprintf(path, sizeof(path), "%s/f", root);
    ASSERT_ERR(ERR_EXISTS, file_mkdirs(path, 0700, &err));
    ASSERT_CONTAINS(err.text, "a file of that name is there");
    snprintf(path, sizeof(path), "%s/f/g", root);
    ASSERT_ERR(ERR_EXISTS, file_mkdirs(path, 0700, &err));
    ASSERT_CONTAINS(err.text, "a file of that name is there");
}

TEST(a_folder_is_made_only_when_asked_for)
{
    struct err err = {};
    int fd = -1, again = -1;

    ASSERT_ERR(ERR_NOT_FOUND, file_open_dir_at(root_fd, "d", false, 0, &fd, &err));
    ASSERT_EQ(fd, -1);
    ASSERT_OK(file_open_dir_at(root_fd, "d", true, 0775, &fd, &err));
    ASSERT_EQ(mode_of("d"), 0775);
    ASSERT_OK(file_open_dir_at(root_fd, "d", true, 0700, &again, &err));
    ASSERT_EQ(mode_of("d"), 0775); /* not new: left as it is */
    fd_close(fd);
    fd_close(again);
}

TEST(a_symbolic_link_is_no_folder)
{
    struct err err = {};
    int fd = -1;

    ASSERT_EQ(symlinkat("/tmp", root_fd, "link"), 0);
    ASSERT_ERR(ERR_IO, file_open_dir_at(root_fd, "link", false, 0, &fd, &err));
    ASSERT_ERR(ERR_IO, file_open_dir_at(root_fd, "link", true, 0700, &fd, &err));
    ASSERT_EQ(fd, -1);
}

#define IN_ROOT(test) cmocka_unit_test_setup_teardown(test, root_make, root_remove)

enum { LARGE = 8 << 20 };

/* How much of the file is in memory. */
static size_t resident_pages(int fd)
{
    static unsigned char pages[LARGE / 4096];
    void *at = mmap(NULL, LARGE, PROT_READ, MAP_SHARED, fd, 0);
    size_t count = 0;

    ASSERT_TRUE(at != MAP_FAILED);
    ASSERT_EQ(mincore(at, LARGE, pages), 0);
    (void)munmap(at, LARGE);
    for (size_t i = 0; i < LARGE / (size_t)sysconf(_SC_PAGESIZE); i++)
        count += pages[i] & 1;
    return count;
}

TEST(a_file_read_ahead_comes_into_memory_by_itself)
{
    cleanup(xfree) char *path = xasprintf("%s/large", root);
    cleanup(xfree) char *data = xalloc(LARGE);
    int64_t end_ms = clock_monotonic_ms(clock_system()) + SECONDS(30);
    cleanup(fd_close) int fd = -1;
    struct err err = {};

    ASSERT_OK(file_write_at(root_fd, "large", data, LARGE, 0600, &err));
    fd = open(path, O_RDONLY | O_CLOEXEC);
    ASSERT_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0); /* nothing happens in memory */
    do { /* the kernel may drop an advice when it has no memory to spare */
        file_read_ahead(path, LARGE);
        ASSERT_TRUE(clock_monotonic_ms(clock_system()) < end_ms);
    } while (resident_pages(fd) < LARGE / (size_t)sysconf(_SC_PAGESIZE));
    file_read_ahead(root, LARGE); /* a folder, and nothing at all: no harm */
    file_read_ahead("/nowhere", LARGE);
}

RUN_TESTS(IN_ROOT(a_file_read_ahead_comes_into_memory_by_itself),
          IN_ROOT(what_is_written_is_read_back_with_the_exact_mode),
          IN_ROOT(writing_replaces_the_file_and_not_what_a_link_points_to),
          IN_ROOT(a_failed_write_leaves_nothing_behind),
          IN_ROOT(a_name_that_leads_elsewhere_is_refused),
          IN_ROOT(reading_appends_and_stays_within_the_maximum),
          IN_ROOT(a_file_larger_than_one_step_is_read_whole), IN_ROOT(what_cannot_be_read_says_why),
          IN_ROOT(a_pipe_in_a_folder_is_refused_without_waiting),
          IN_ROOT(mkdirs_makes_the_parents_and_takes_existing_folders),
          IN_ROOT(mkdirs_does_not_take_a_file_for_a_folder),
          IN_ROOT(a_folder_is_made_only_when_asked_for), IN_ROOT(a_symbolic_link_is_no_folder));
