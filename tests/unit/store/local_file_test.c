/*
 * The file under the local store: who may read it, whose it is, what happens when it is no good.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/file.h"
#include "base/thread.h"
#include "unit/store/place.h"

static unsigned mode_of(const char *path, const char *suffix)
{
    char name[128];
    struct stat st = {};

    snprintf(name, sizeof(name), "%s%s", path, suffix);
    ASSERT_EQ(stat(name, &st), 0);
    return st.st_mode & 07777;
}

static int open_store(const char *path, bool read_only, struct store **ret, struct err *err)
{
    struct local_options options = {.path = path, .clock = clock_system(), .read_only = read_only};

    return store_local_open(&options, ret, err);
}

static void write_text(const char *path, const char *text)
{
    cleanup(fd_close) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    ASSERT_EQ(write(fd, text, strlen(text)), strlen(text));
}

/* Fields of the header of an SQLite file (sqlite.org/fileformat2.html 1.3). */
enum { AT_USER_VERSION = 60, AT_APPLICATION_ID = 68 };

static void set_header(const char *path, off_t at, unsigned char value)
{
    cleanup(fd_close) int fd = open(path, O_RDWR | O_CLOEXEC);
    unsigned char field[4] = {0, 0, 0, value};

    ASSERT_EQ(pwrite(fd, field, sizeof(field), at), sizeof(field));
}

/* Counts what SQLite asks of the disk. */
static _Atomic int syncs;

__attribute__((visibility("default"))) int fdatasync(int fd)
{
    syncs++;
    return (int)syscall(SYS_fdatasync, fd);
}

__attribute__((visibility("default"))) int fsync(int fd)
{
    syncs++;
    return (int)syscall(SYS_fsync, fd);
}

TEST(the_file_and_its_companions_are_for_the_owner_alone)
{
    cleanup(place_deinit) struct place place = {};
    cleanup(store_close) struct store *store = NULL;
    cleanup(json_unref) struct json *object = NULL;
    mode_t before = umask(0);

    place_init(&place);
    store = store_at(place.path);
    object = create_widget(store, "web");
    (void)umask(before);
    ASSERT_EQ(mode_of(place.path, ""), 0600);
    ASSERT_EQ(mode_of(place.path, "-wal"), 0600);
    ASSERT_EQ(mode_of(place.path, "-shm"), 0600);
}

TEST(a_file_that_others_could_read_is_closed_to_them)
{
    cleanup(place_deinit) struct place place = {};
    cleanup(store_close) struct store *store = NULL;

    place_init(&place);
    store_close(store_at(place.path));
    ASSERT_EQ(chmod(place.path, 0644), 0);
    store = store_at(place.path);
    ASSERT_EQ(mode_of(place.path, ""), 0600);
}

TEST(objects_survive_a_restart_and_versions_go_on)
{
    cleanup(place_deinit) struct place place = {};
    cleanup(store_close) struct store *store = NULL;
    cleanup(json_unref) struct json *one = NULL, *two = NULL;

    place_init(&place);
    store = store_at(place.path);
    one = create_widget(store, "one");
    store_close(take(store));
    store = store_at(place.path);
    ASSERT_TRUE(widget_is_there(store, "one"));
    two = create_widget(store, "two");
    ASSERT_EQ(version_compare(meta(one, "resourceVersion"), meta(two, "resourceVersion")), -1);
}

TEST(a_write_is_synced_once_and_an_event_not_at_all)
{
    cleanup(place_deinit) struct place place = {};
    cleanup(store_close) struct store *store = NULL;
    struct context ctx = context_background(clock_system());
    struct store_note note = {
        .resource = &widgets, .key = {"default", "web"}, .reason = "Because", .message = "x"};
    cleanup(json_unref) struct json *first = NULL, *one = NULL, *two = NULL;

    place_init(&place);
    store = store_at(place.path);
    first = create_widget(store, "first"); /* makes the -wal */
    syncs = 0;
    one = create_widget(store, "one");
    ASSERT_EQ(syncs, 1);
    store_note(store, &ctx, &note);
    ASSERT_EQ(syncs, 1);
    two = create_widget(store, "two");
    ASSERT_EQ(syncs, 2);
}

struct opener {
    const char *path;
    struct err err;
    int result;
};

static void open_and_write(void *arg)
{
    struct opener *opener = arg;
    struct context ctx = context_background(clock_system());
    cleanup(store_close) struct store *store = NULL;
    cleanup(json_unref) struct json *given = object_named("", "1"), *ret = NULL;

    json_set_text(json_get(given, "metadata"), "generateName", "x-");
    opener->result = open_store(opener->path, false, &store, &opener->err);
    if (opener->result == 0)
        opener->result = store_create(store, &ctx, &widgets, "test", given, &ret, &opener->err);
}

TEST(many_may_open_a_new_file_at_once)
{
    for (int round = 0; round < 10; round++) {
        cleanup(place_deinit) struct place place = {};
        cleanup(store_close) struct store *store = NULL;
        cleanup(json_unref) struct json *list = NULL;
        struct context ctx = context_background(clock_system());
        struct opener openers[4] = {};
        struct thread *threads[4];
        struct err err = {};

        place_init(&place);
        for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
            openers[i].path = place.path;
            ASSERT_OK(thread_start("opener", open_and_write, &openers[i], &threads[i], &err));
        }
        for (size_t i = 0; i < ARRAY_LEN(threads); i++)
            thread_join(threads[i]);
        for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
            err = openers[i].err;
            ASSERT_OK(openers[i].result);
        }
        store = store_at(place.path);
        ASSERT_OK(store_list(store, &ctx, &widgets, NULL, &list, &err));
        ASSERT_EQ(json_len(list), ARRAY_LEN(threads));
    }
}

TEST(a_file_of_another_program_is_refused_and_left_as_it_is)
{
    cleanup(place_deinit) struct place place = {};
    struct store *store = NULL;
    struct err err = {};
    struct stat before = {}, after = {};

    place_init(&place);
    store_close(store_at(place.path));
    set_header(place.path, AT_APPLICATION_ID, 7);
    ASSERT_EQ(stat(place.path, &before), 0);
    ASSERT_ERR(ERR_INVALID, open_store(place.path, false, &store, &err));
    ASSERT_CONTAINS(err.text, "not a store of certlet");
    ASSERT_EQ(stat(place.path, &after), 0);
    ASSERT_EQ(after.st_size, before.st_size);
    ASSERT_EQ(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
    ASSERT_ERR(ERR_INVALID, open_store(place.path, true, &store, &err));
}

TEST(a_database_without_a_name_but_with_tables_is_not_ours)
{
    cleanup(place_deinit) struct place place = {};
    struct store *store = NULL;
    struct err err = {};

    place_init(&place);
    store_close(store_at(place.path));
    set_header(place.path, AT_APPLICATION_ID, 0);
    set_header(place.path, AT_USER_VERSION, 0);
    ASSERT_ERR(ERR_INVALID, open_store(place.path, false, &store, &err));
}

TEST(a_file_that_is_no_database_is_refused)
{
    cleanup(place_deinit) struct place place = {};
    struct store *store = NULL;
    struct err err = {};

    place_init(&place);
    write_text(place.path,
               "apiVersion: v1\nkind: Secret\n# much longer than the header of a database, "
               "which has a hundred bytes\n");
    ASSERT_ERR(ERR_INVALID, open_store(place.path, false, &store, &err));
    ASSERT_CONTAINS(err.text, "not a store of certlet");
}

TEST(a_store_of_a_newer_program_is_refused)
{
    cleanup(place_deinit) struct place place = {};
    struct store *store = NULL;
    struct err err = {};

    place_init(&place);
    store_close(store_at(place.path));
    set_header(place.path, AT_USER_VERSION, 99);
    ASSERT_ERR(ERR_INVALID, open_store(place.path, false, &store, &err));
    ASSERT_CONTAINS(err.text, "newer certlet");
}

TEST(a_folder_in_place_of_the_file_is_refused)
{
    cleanup(place_deinit) struct place place = {};
    struct store *store = NULL;
    struct err err = {};

    place_init(&place);
    ASSERT_ERR(ERR_INVALID, open_store(place.folder, false, &store, &err));
}

TEST(a_missing_folder_is_named)
{
    struct store *store = NULL;
    struct err err = {};

    ASSERT_ERR(ERR_NOT_FOUND, open_store("/tmp/no-such-folder/state.db", false, &store, &err));
    ASSERT_CONTAINS(err.text, "/tmp/no-such-folder");
}

/* Overwrites everything but the first page. */
static void damage(const char *path)
{
    cleanup(fd_close) int fd = open(path, O_RDWR | O_CLOEXEC);
    struct stat st = {};
    char junk[512];

    memset(junk, 0x5a, sizeof(junk));
    ASSERT_EQ(fstat(fd, &st), 0);
    for (off_t at = 4096; at < st.st_size; at += (off_t)sizeof(junk))
        ASSERT_EQ(pwrite(fd, junk, sizeof(junk), at), sizeof(junk));
}

TEST(a_damaged_file_is_an_error_and_no_crash)
{
    cleanup(place_deinit) struct place place = {};
    cleanup(store_close) struct store *store = NULL;
    struct context ctx = context_background(clock_system());
    struct key key = {.namespace = "default", .name = "web"};
    cleanup(json_unref) struct json *object = NULL, *ret = NULL;
    struct err err = {};
    int r;

    place_init(&place);
    store = store_at(place.path);
    object = create_widget(store, "web");
    store_close(take(store));
    damage(place.path);
    r = open_store(place.path, false, &store, &err);
    if (r == 0)
        r = store_get(store, &ctx, &widgets, &key, &ret, &err);
    ASSERT_EQ(r, ERR_IO);
    ASSERT_CONTAINS(err.text, "restore it from a backup");
}

TEST(reading_beside_a_running_process_sees_its_writes_and_makes_none)
{
    cleanup(place_deinit) struct place place = {};
    cleanup(store_close) struct store *running = NULL, *reader = NULL;
    struct context ctx = context_background(clock_system());
    cleanup(json_unref) struct json *one = NULL, *two = NULL, *given = object_named("three", "1"),
                                    *ret = NULL;
    cleanup(json_unref) struct json *list = NULL;
    struct err err = {};

    place_init(&place);
    running = store_at(place.path);
    one = create_widget(running, "one");
    ASSERT_OK(open_store(place.path, true, &reader, &err));
    two = create_widget(running, "two");
    ASSERT_OK(store_list(reader, &ctx, &widgets, NULL, &list, &err));
    ASSERT_EQ(json_len(list), 2);
    ASSERT_ERR(ERR_DENIED, store_create(reader, &ctx, &widgets, "test", given, &ret, &err));
}

TEST(reading_a_file_that_is_not_there_makes_none)
{
    cleanup(place_deinit) struct place place = {};
    struct store *store = NULL;
    struct err err = {};

    place_init(&place);
    ASSERT_ERR(ERR_NOT_FOUND, open_store(place.path, true, &store, &err));
    ASSERT_EQ(access(place.path, F_OK), -1);
}

/* As a user to whom the folder is read only; root may write everywhere. */
static void as_nobody(bool on)
{
    if (getuid() == 0)
        ASSERT_EQ(seteuid(on ? 65534 : 0), 0);
}

static void give_to_nobody(const struct place *place)
{
    if (getuid() == 0) {
        ASSERT_EQ(chown(place->path, 65534, (gid_t)-1), 0);
        ASSERT_EQ(chown(place->folder, 65534, (gid_t)-1), 0);
    }
    ASSERT_EQ(chmod(place->folder, 0500), 0);
}

TEST(a_store_at_rest_is_readable_in_a_folder_that_cannot_be_written)
{
    cleanup(place_deinit) struct place place = {};
    cleanup(store_close) struct store *store = NULL;
    struct context ctx = context_background(clock_system());
    cleanup(json_unref) struct json *object = NULL, *list = NULL;
    struct err err = {};
    int r;

    place_init(&place);
    store = store_at(place.path);
    object = create_widget(store, "web");
    store_close(take(store));
    give_to_nobody(&place);
    as_nobody(true);
    r = open_store(place.path, true, &store, &err);
    if (r == 0)
        r = store_list(store, &ctx, &widgets, NULL, &list, &err);
    as_nobody(false);
    ASSERT_OK(r);
    ASSERT_EQ(json_len(list), 1);
    ASSERT_EQ(chmod(place.folder, 0700), 0);
}

TEST(writing_in_a_folder_that_cannot_be_written_says_so)
{
    cleanup(place_deinit) struct place place = {};
    struct store *store = NULL;
    struct context ctx = context_background(clock_system());
    cleanup(json_unref) struct json *given = object_named("web", "1"), *ret = NULL;
    struct err err = {};
    int r;

    place_init(&place);
    store_close(store_at(place.path));
    give_to_nobody(&place);
    as_nobody(true);
    r = open_store(place.path, false, &store, &err);
    if (r == 0)
        r = store_create(store, &ctx, &widgets, "test", given, &ret, &err);
    store_close(store);
    as_nobody(false);
    ASSERT_EQ(chmod(place.folder, 0700), 0);
    ASSERT_EQ(r, ERR_IO);
    ASSERT_CONTAINS(err.text, "writable");
}

TEST(making_a_store_in_a_folder_that_cannot_be_written_is_denied)
{
    cleanup(place_deinit) struct place place = {};
    struct store *store = NULL;
    struct err err = {};
    int r;

    place_init(&place);
    ASSERT_EQ(chmod(place.folder, 0555), 0);
    as_nobody(true);
    r = open_store(place.path, false, &store, &err);
    as_nobody(false);
    ASSERT_ERR(ERR_DENIED, r);
}

/* Files may not grow beyond this any more: a full disk for one process. */
static void limit_file_size(rlim_t bytes)
{
    struct rlimit limit = {};

    (void)signal(SIGXFSZ, SIG_IGN);
    ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes == RLIM_INFINITY ? limit.rlim_max : bytes;
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

TEST(a_full_disk_fails_writes_and_the_store_lives_on)
{
    cleanup(place_deinit) struct place place = {};
    cleanup(store_close) struct store *store = NULL;
    struct context ctx = context_background(clock_system());
    cleanup(json_unref) struct json *first = NULL, *later = NULL, *big = object_named("big", "1"),
                                    *ret = NULL;
    cleanup(xfree) char *filling = xalloc(1024 * 1024);
    struct err err = {};
    int r;

    place_init(&place);
    store = store_at(place.path);
    first = create_widget(store, "first");
    memset(filling, 'x', 1024 * 1024 - 1);
    json_set_text(json_get(big, "spec"), "value", filling);
    limit_file_size(512 * 1024);
    r = store_create(store, &ctx, &widgets, "test", big, &ret, &err);
    limit_file_size(RLIM_INFINITY);
    ASSERT_ERR(ERR_IO, r);
    ASSERT_CONTAINS(err.text, "disk");
    ASSERT_TRUE(widget_is_there(store, "first"));
    ASSERT_FALSE(widget_is_there(store, "big"));
    later = create_widget(store, "later");
    ASSERT_TRUE(widget_is_there(store, "later"));
}

TEST(an_object_beyond_the_limit_is_refused)
{
    cleanup(place_deinit) struct place place = {};
    cleanup(store_close) struct store *store = NULL;
    struct context ctx = context_background(clock_system());
    cleanup(json_unref) struct json *big = object_named("big", "1"), *ret = NULL;
    cleanup(xfree) char *filling = xalloc(2 * 1024 * 1024);
    struct err err = {};

    place_init(&place);
    store = store_at(place.path);
    memset(filling, 'x', 2 * 1024 * 1024 - 1);
    json_set_text(json_get(big, "spec"), "value", filling);
    ASSERT_ERR(ERR_TOO_LARGE, store_create(store, &ctx, &widgets, "test", big, &ret, &err));
    ASSERT_FALSE(widget_is_there(store, "big"));
}

static struct json *secret_json(const char *key)
{
    struct json *object = json_new_map();
    struct json *metadata = json_need_map(object, "metadata");

    json_set_text(object, "apiVersion", "v1");
    json_set_text(object, "kind", "Secret");
    json_set_text(metadata, "namespace", "default");
    json_set_text(metadata, "name", "web-tls");
    json_set_text(json_need_map(object, "data"), "tls.key", key);
    return object;
}

static bool file_holds(const char *path, const char *suffix, const char *text)
{
    cleanup(xfree) char *name = xasprintf("%s%s", path, suffix);
    cleanup(buf_deinit) struct buf bytes = BUF(64 * 1024 * 1024);
    struct err err = {};

    ASSERT_OK(file_read(name, &bytes, &err));
    return memmem(bytes.data, bytes.len, text, strlen(text)) != NULL;
}

/* The WAL is written back when the last connection closes, so the file is all there is. */
TEST(replaced_and_deleted_keys_do_not_stay_in_the_file)
{
    static const char *const keys[] = {"Zmlyc3Qta2V5", "c2Vjb25kLWtleQ==", "dGhpcmQta2V5"};
    cleanup(place_deinit) struct place place = {};
    struct context ctx = context_background(clock_system());
    struct key key = {.namespace = "default", .name = "web-tls"};
    struct store *store = NULL;
    struct err err = {};

    place_init(&place);
    ASSERT_OK(open_store(place.path, false, &store, &err));
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        cleanup(json_unref) struct json *object = secret_json(keys[i]);

        ASSERT_OK(store_apply(store, &ctx, &secrets, "test", object, NULL, &err));
    }
    store_close(store);
    ASSERT_FALSE(file_holds(place.path, "", keys[0]));
    ASSERT_FALSE(file_holds(place.path, "", keys[1]));
    ASSERT_TRUE(file_holds(place.path, "", keys[2]));
    ASSERT_OK(open_store(place.path, false, &store, &err));
    ASSERT_OK(store_delete(store, &ctx, &secrets, &key, NULL, &err));
    store_close(store);
    ASSERT_FALSE(file_holds(place.path, "", keys[2]));
}

RUN_TESTS(cmocka_unit_test(replaced_and_deleted_keys_do_not_stay_in_the_file),
          cmocka_unit_test(the_file_and_its_companions_are_for_the_owner_alone),
          cmocka_unit_test(a_file_that_others_could_read_is_closed_to_them),
          cmocka_unit_test(objects_survive_a_restart_and_versions_go_on),
          cmocka_unit_test(a_write_is_synced_once_and_an_event_not_at_all),
          cmocka_unit_test(many_may_open_a_new_file_at_once),
          cmocka_unit_test(a_file_of_another_program_is_refused_and_left_as_it_is),
          cmocka_unit_test(a_database_without_a_name_but_with_tables_is_not_ours),
          cmocka_unit_test(a_file_that_is_no_database_is_refused),
          cmocka_unit_test(a_store_of_a_newer_program_is_refused),
          cmocka_unit_test(a_folder_in_place_of_the_file_is_refused),
          cmocka_unit_test(a_missing_folder_is_named),
          cmocka_unit_test(a_damaged_file_is_an_error_and_no_crash),
          cmocka_unit_test(reading_beside_a_running_process_sees_its_writes_and_makes_none),
          cmocka_unit_test(reading_a_file_that_is_not_there_makes_none),
          cmocka_unit_test(a_store_at_rest_is_readable_in_a_folder_that_cannot_be_written),
          cmocka_unit_test(writing_in_a_folder_that_cannot_be_written_says_so),
          cmocka_unit_test(making_a_store_in_a_folder_that_cannot_be_written_is_denied),
          cmocka_unit_test(a_full_disk_fails_writes_and_the_store_lives_on),
          cmocka_unit_test(an_object_beyond_the_limit_is_refused));
