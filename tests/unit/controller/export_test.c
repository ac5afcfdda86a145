#include "support/testing.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/file.h"
#include "controller/caches.h"
#include "controller/export.h"
#include "controller/export_files.h"
#include "store/local.h"

#define NOW "2026-11-24T13:00:00Z"

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

static void make_dir(char *dir, size_t size)
{
    (void)snprintf(dir, size, "/tmp/export-XXXXXX");
    ASSERT_TRUE(mkdtemp(dir));
}

static char *read_text(const char *path)
{
    struct buf text = BUF(1 << 20);
    struct err err = {};

    if (file_read(path, &text, &err) < 0)
        return NULL;
    return text.data ? buf_take(&text) : xstrdup("");
}

static void put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    ASSERT_TRUE(fd >= 0);
    ASSERT_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    ASSERT_EQ(close(fd), 0);
}

/* --- files --- */

struct place {
    char dir[64], root[80], secret[128];
    struct fake_clock clock;
    struct export_folder folder;
};

static struct place *place_new(void)
{
    struct place *place = xalloc(sizeof(*place));

    make_dir(place->dir, sizeof(place->dir));
    (void)snprintf(place->root, sizeof(place->root), "%s/tls", place->dir);
    (void)snprintf(place->secret, sizeof(place->secret), "%s/default/web-tls", place->root);
    fake_clock_init(&place->clock, AT(NOW));
    place->folder = (struct export_folder){.root = place->root,
                                           .namespace = "default",
                                           .secret = "web-tls",
                                           .mode = 0600,
                                           .group = -1,
                                           .clock = &place->clock.clock};
    return place;
}

static void place_free(struct place *place)
{
    (void)nftw(place->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    xfree(place);
}

static char *path_of(const struct place *place, const char *name)
{
    return xasprintf("%s/%s", place->secret, name);
}

static int write_named(struct place *place, const char *const *names, size_t len, const char *data,
                       bool *ret_changed, struct err *err)
{
    cleanup(export_files_deinit) struct export_files files = {};

    for (size_t i = 0; i < len; i++)
        buf_add_str(&export_files_add(&files, names[i])->data, data);
    return export_files_write(&place->folder, &files, ret_changed, err);
}

static const char *const pair[] = {"tls.crt", "tls.key"};

static bool write_pair(struct place *place, const char *data)
{
    struct err err = {};
    bool changed = false;

    ASSERT_OK(write_named(place, pair, 2, data, &changed, &err));
    return changed;
}

static void assert_file(const struct place *place, const char *name, const char *expected)
{
    cleanup(xfree) char *path = path_of(place, name);
    cleanup(xfree) char *found = read_text(path);

    ASSERT_STREQ(found, expected);
}

static size_t count_versions(const struct place *place)
{
    DIR *dir = opendir(place->secret);
    const struct dirent *entry;
    size_t count = 0;

    ASSERT_TRUE(dir);
    while ((entry = readdir(dir)))
        count += str_starts(entry->d_name, "..2");
    (void)closedir(dir);
    return count;
}

static char *current_version(const struct place *place)
{
    cleanup(xfree) char *link = path_of(place, "..data");
    char target[100];
    ssize_t len = readlink(link, target, sizeof(target));

    ASSERT_TRUE(len > 0);
    return xstrndup(target, (size_t)len);
}

static void make_version(const struct place *place, const char *version, const char *data)
{
    cleanup(xfree) char *folder = path_of(place, version);

    ASSERT_EQ(mkdir(folder, 0700), 0);
    for (size_t i = 0; i < ARRAY_LEN(pair); i++) {
        cleanup(xfree) char *file = xasprintf("%s/%s", folder, pair[i]);

        put(file, data);
    }
}

TEST(files_are_swapped_as_one_and_read_through_links)
{
    struct place *place = place_new();
    cleanup(xfree) char *version = NULL, *link = path_of(place, "tls.key");
    struct stat st;

    ASSERT_TRUE(write_pair(place, "one"));
    assert_file(place, "tls.crt", "one");
    assert_file(place, "tls.key", "one");
    version = current_version(place);
    ASSERT_TRUE(str_starts(version, "..2026-11-24T13-00-00.000-"));
    ASSERT_EQ(lstat(link, &st), 0);
    ASSERT_TRUE(S_ISLNK(st.st_mode));
    ASSERT_EQ(stat(link, &st), 0);
    ASSERT_EQ(st.st_mode & 07777, 0600);
    ASSERT_EQ(stat(place->secret, &st), 0);
    ASSERT_EQ(st.st_mode & 07777, 0700);
    place_free(place);
}

TEST(the_same_files_are_not_written_again)
{
    struct place *place = place_new();
    cleanup(xfree) char *before = NULL, *after = NULL;

    ASSERT_TRUE(write_pair(place, "one"));
    before = current_version(place);
    fake_clock_advance(&place->clock, DAYS(1));
    ASSERT_FALSE(write_pair(place, "one"));
    after = current_version(place);
    ASSERT_STREQ(after, before);
    place_free(place);
}

TEST(a_file_that_somebody_changed_is_written_again)
{
    struct place *place = place_new();
    cleanup(xfree) char *path = path_of(place, "tls.crt");

    ASSERT_TRUE(write_pair(place, "one"));
    put(path, "two"); /* through the link */
    ASSERT_TRUE(write_pair(place, "one"));
    ASSERT_EQ(unlink(path), 0);
    ASSERT_FALSE(write_pair(place, "one"));
    assert_file(place, "tls.crt", "one");
    place_free(place);
}

TEST(the_two_newest_versions_stay)
{
    static const char *const data[] = {"1", "2", "3", "4", "5"};
    struct place *place = place_new();
    cleanup(xfree) char *before = NULL, *old_file = NULL;

    for (size_t i = 0; i < ARRAY_LEN(data); i++) {
        xfree(before);
        before = i > 0 ? current_version(place) : NULL;
        ASSERT_TRUE(write_pair(place, data[i])); /* all in the same millisecond */
    }
    ASSERT_EQ(count_versions(place), 2);
    assert_file(place, "tls.crt", "5");
    old_file = xasprintf("%s/tls.crt", before);
    assert_file(place, old_file, "4");
    place_free(place);
}

TEST(a_clock_that_was_set_back_does_not_lose_the_older_version)
{
    struct place *place = place_new();
    cleanup(xfree) char *before = NULL, *old_file = NULL;

    ASSERT_TRUE(write_pair(place, "one"));
    before = current_version(place);
    fake_clock_advance(&place->clock, -DAYS(1000));
    ASSERT_TRUE(write_pair(place, "two"));
    ASSERT_FALSE(write_pair(place, "two"));
    old_file = xasprintf("%s/tls.crt", before);
    assert_file(place, old_file, "one");
    ASSERT_EQ(count_versions(place), 2);
    place_free(place);
}

TEST(keys_that_are_gone_lose_their_links_and_files_of_others_stay)
{
    static const char *const three[] = {"ca.crt", "tls.crt", "tls.key"};
    struct place *place = place_new();
    cleanup(xfree) char *readme = path_of(place, "README"), *link = path_of(place, "mine");
    struct err err = {};
    bool changed = false;

    ASSERT_OK(write_named(place, three, 3, "one", &changed, &err));
    put(readme, "keep");
    ASSERT_EQ(symlink("README", link), 0);
    ASSERT_TRUE(write_pair(place, "one"));
    assert_file(place, "ca.crt", NULL);
    assert_file(place, "README", "keep");
    assert_file(place, "mine", "keep");
    place_free(place);
}

TEST(after_a_crash_at_any_point_the_files_are_whole_and_nothing_is_left)
{
    /* What is there when the power fails: before the swap a version and perhaps a temporary link, after
     * it links that are missing or to be replaced. */
    static const struct {
        const char *name;
        bool version, partial, temporary, swapped, file_link;
        const char *readable; /* before the next run */
    } points[] = {
        {"version half written", true, true, false, false, false, "old"},
        {"version written", true, false, false, false, false, "old"},
        {"temporary link made", true, false, true, false, false, "old"},
        {"swapped", true, false, false, true, false, "new"},
        {"swapped, link of a file begun", true, false, false, true, true, "new"},
    };

    for (size_t i = 0; i < ARRAY_LEN(points); i++) {
        struct place *place = place_new();
        const char *version = "..2026-11-24T14-00-00.000-0000abcd";
        cleanup(xfree) char *data = path_of(place, "..data"),
                            *temporary = path_of(place, "..data_tmp");
        cleanup(xfree) char *file_link = path_of(place, "..link_tmp");
        cleanup(xfree) char *part = xasprintf("%s/%s/tls.key", place->secret, version);

        CASE(points[i].name);
        ASSERT_TRUE(write_pair(place, "old"));
        make_version(place, version, "new");
        if (points[i].partial)
            ASSERT_EQ(unlink(part), 0);
        if (points[i].temporary)
            ASSERT_EQ(symlink(version, temporary), 0);
        if (points[i].swapped)
            ASSERT_TRUE(unlink(data) == 0 && symlink(version, data) == 0);
        if (points[i].file_link)
            ASSERT_EQ(symlink("..data/tls.key", file_link), 0);
        assert_file(place, "tls.crt", points[i].readable);
        assert_file(place, "tls.key", points[i].readable);

        fake_clock_advance(&place->clock, HOURS(2));
        ASSERT_EQ(write_pair(place, "new"), !points[i].swapped);
        assert_file(place, "tls.crt", "new");
        assert_file(place, "tls.key", "new");
        ASSERT_EQ(count_versions(place), 2); /* new and old */
        ASSERT_EQ(access(temporary, F_OK), -1);
        ASSERT_EQ(access(file_link, F_OK), -1);
        place_free(place);
    }
}

TEST(a_failed_write_leaves_the_old_files_and_no_half_version)
{
    static const char *const bad[] = {"tls.crt", "tls.crt"}; /* O_EXCL refuses the second */
    struct place *place = place_new();
    struct err err = {};
    bool changed = false;

    ASSERT_TRUE(write_pair(place, "old"));
    ASSERT_ERR(ERR_EXISTS, write_named(place, bad, 2, "new", &changed, &err));
    assert_file(place, "tls.crt", "old");
    ASSERT_EQ(count_versions(place), 1);
    place_free(place);
}

/* CVE-2019-1002101, -11246, -11249: links that lead a writer out of its folder. */
TEST(links_of_others_are_not_followed)
{
    struct place *place = place_new();
    cleanup(xfree) char *outside = xasprintf("%s/outside", place->dir);
    cleanup(xfree) char *victim = xasprintf("%s/outside/tls.crt", place->dir);
    cleanup(xfree) char *namespace = xasprintf("%s/default", place->root);
    cleanup(xfree) char *data = path_of(place, "..data");
    struct err err = {};
    bool changed = false;

    ASSERT_OK(file_mkdirs(outside, 0700, &err));
    ASSERT_OK(file_mkdirs(place->root, 0700, &err));
    put(victim, "precious");
    ASSERT_EQ(symlink(outside, namespace), 0);
    ASSERT_TRUE(write_named(place, pair, 2, "new", &changed, &err) < 0);
    ASSERT_CONTAINS(err.text, "opening folder 'default'");
    ASSERT_EQ(unlink(namespace), 0);

    ASSERT_OK(file_mkdirs(place->secret, 0700, &err));
    ASSERT_EQ(symlink("../../../outside", data), 0);
    ASSERT_TRUE(write_pair(place, "new"));
    assert_file(place, "tls.crt", "new");
    {
        cleanup(xfree) char *found = read_text(victim);

        ASSERT_STREQ(found, "precious");
    }
    place_free(place);
}

TEST(a_folder_in_the_way_is_an_error_that_names_it)
{
    struct place *place = place_new();
    cleanup(xfree) char *data = path_of(place, "..data");
    struct err err = {};
    bool changed = false;

    ASSERT_OK(file_mkdirs(data, 0700, &err));
    ASSERT_TRUE(write_named(place, pair, 2, "new", &changed, &err) < 0);
    ASSERT_CONTAINS(err.text, "/tls/default/web-tls': setting the link '..data'");
    ASSERT_EQ(count_versions(place), 0);
    place_free(place);
}

TEST(a_folder_that_somebody_else_writes_is_busy)
{
    struct place *place = place_new();
    struct err err = {};
    bool changed = false;
    int fd;

    ASSERT_TRUE(write_pair(place, "old"));
    fd = open(place->secret, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ASSERT_EQ(flock(fd, LOCK_EX | LOCK_NB), 0);
    ASSERT_ERR(ERR_BUSY, write_named(place, pair, 2, "new", &changed, &err));
    (void)close(fd);
    ASSERT_TRUE(write_pair(place, "new"));
    place_free(place);
}

TEST(mode_and_group_are_those_of_the_flags)
{
    struct place *place = place_new();
    cleanup(xfree) char *path = path_of(place, "tls.key");
    struct stat st;

    if (geteuid() != 0)
        skip();
    ASSERT_TRUE(write_pair(place, "one"));
    place->folder.mode = 0640;
    place->folder.group = 4321;
    ASSERT_EQ(chmod(place->root, 0700), 0); /* made under the umask of a service */
    ASSERT_TRUE(write_pair(place, "one"));  /* the same bytes */
    ASSERT_EQ(stat(path, &st), 0);
    ASSERT_EQ(st.st_mode & 07777, 0640);
    ASSERT_EQ(st.st_gid, 4321);
    ASSERT_EQ(stat(place->secret, &st), 0);
    ASSERT_EQ(st.st_mode & 07777, 0750);
    ASSERT_EQ(st.st_gid, 4321);
    ASSERT_EQ(stat(place->root, &st), 0);
    ASSERT_EQ(st.st_mode & 07777, 0750);
    ASSERT_EQ(st.st_gid, 4321);
    ASSERT_FALSE(write_pair(place, "one"));
    place_free(place);
}

/* --- the reconciler --- */

struct bed {
    char dir[64];
    struct fake_clock clock;
    struct context ctx;
    struct store *store;
    struct controllers controllers;
    struct reflector *certificates, *secrets;
    struct export *export;
    char *failures;
};

static struct bed *bed_new(void)
{
    static const struct lane_options lanes[LANE_COUNT] = {};
    struct bed *bed = xalloc(sizeof(*bed));
    struct local_options local = {.clock = &bed->clock.clock, .resources = kind_resources};
    struct export_options options = {.dir = bed->dir, .mode = 0600, .group = -1};
    struct err err = {};

    make_dir(bed->dir, sizeof(bed->dir));
    fake_clock_init(&bed->clock, AT(NOW));
    bed->ctx = context_background(&bed->clock.clock);
    ASSERT_OK(store_local_open(&local, &bed->store, &err));
    bed->controllers.store = bed->store;
    bed->controllers.clock = &bed->clock.clock;
    bed->controllers.queue = workqueue_new(&bed->clock.clock, lanes, LANE_COUNT);
    caches_init(&bed->controllers.caches);
    bed->certificates = reflector_new(bed->store,
                                      cache_add_source(bed->controllers.caches.certificates, NULL));
    bed->secrets = reflector_new(bed->store,
                                 cache_add_source(bed->controllers.caches.secrets, NULL));
    ASSERT_OK(export_new(&options, &bed->controllers, &bed->export, &err));
    return bed;
}

static void bed_free(struct bed *bed)
{
    reflector_free(bed->certificates);
    reflector_free(bed->secrets);
    export_free(bed->export);
    ASSERT_NULL(bed->controllers.export);
    caches_deinit(&bed->controllers.caches);
    workqueue_free(bed->controllers.queue);
    store_close(bed->store);
    (void)nftw(bed->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    xfree(bed->failures);
    xfree(bed);
}

static void apply(struct bed *bed, const struct kind *kind, const char *text)
{
    cleanup(json_unref) struct json *object = NULL, *ret = NULL;
    struct err err = {};

    ASSERT_OK(json_parse(text, strlen(text), strlen(text), &object, &err));
    ASSERT_OK(store_apply(bed->store, &bed->ctx, &kind->resource, "test", object, &ret, &err));
}

static void apply_certificate(struct bed *bed, const char *name, const char *secret)
{
    cleanup(xfree) char *text = xasprintf(
        "{\"apiVersion\":\"cert-manager.io/v1\",\"kind\":\"Certificate\",\"metadata\":{\"name\":\"%s\","
        "\"namespace\":\"default\"},\"spec\":{\"secretName\":\"%s\",\"dnsNames\":[\"a.example\"],"
        "\"issuerRef\":{\"name\":\"ca\"}}}",
        name, secret);

    apply(bed, &kind_certificate, text);
}

static void apply_secret(struct bed *bed, const char *name, const char *crt, const char *key)
{
    cleanup(xfree) char *text = xasprintf(
        "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"%s\",\"namespace\":\"default\"},"
        "\"stringData\":{\"tls.crt\":\"%s\",\"tls.key\":\"%s\"}}",
        name, crt, key);

    apply(bed, &kind_secret, text);
}

static int reconcile_next(struct bed *bed, struct err *err)
{
    struct work *work = workqueue_try_get(bed->controllers.queue);
    struct reconcile_result result = {};
    int r;

    if (!work)
        return 1;
    ASSERT_EQ(work->lane, LANE_EXPORT);
    r = export_reconcile(&bed->controllers, &bed->ctx, &work->key, &result, err);
    workqueue_done(bed->controllers.queue, work);
    return r;
}

static void settle(struct bed *bed)
{
    struct err err = {};
    int r = 0;

    ASSERT_TRUE(reflector_step(bed->certificates, &bed->ctx, &err) >= 0);
    ASSERT_TRUE(reflector_step(bed->secrets, &bed->ctx, &err) >= 0);
    while (r == 0)
        r = reconcile_next(bed, &err);
    if (r < 0)
        ASSERT_OK(r);
}

static void assert_exported(const struct bed *bed, const char *secret, const char *expected)
{
    cleanup(xfree) char *path = xasprintf("%s/tls/default/%s/tls.crt", bed->dir, secret);
    cleanup(xfree) char *found = read_text(path);

    ASSERT_STREQ(found, expected);
}

static struct export_state state_of(struct bed *bed)
{
    struct export_state state;

    export_state(bed->export, &state);
    return state;
}

/* What is said of what failed, a line each; lent until the next call. */
static const char *failures_of(struct bed *bed)
{
    cleanup(strlist_deinit) struct strlist failures = {};

    export_failures(bed->export, &failures);
    xfree(bed->failures);
    bed->failures = strlist_join(&failures, "\n");
    return bed->failures;
}

TEST(the_secret_of_a_certificate_is_written_and_no_other)
{
    struct bed *bed = bed_new();
    struct err err = {};

    apply_certificate(bed, "web", "web-tls");
    apply_secret(bed, "web-tls", "one", "key");
    apply_secret(bed, "password", "x", "y");
    ASSERT_TRUE(reflector_step(bed->certificates, &bed->ctx, &err) >= 0);
    ASSERT_EQ(state_of(bed).exporting, 1);
    settle(bed);
    ASSERT_EQ(state_of(bed).exporting, 0);
    assert_exported(bed, "web-tls", "one");
    assert_exported(bed, "password", NULL);
    bed_free(bed);
}

TEST(a_changed_secret_is_written_when_its_certificate_is_woken)
{
    struct bed *bed = bed_new();

    apply_certificate(bed, "web", "web-tls");
    settle(bed);
    assert_exported(bed, "web-tls", NULL);
    ASSERT_EQ(state_of(bed).exporting, 0); /* no Secret yet: nothing to wait for */
    apply_secret(bed, "web-tls", "one", "key");
    settle(bed);
    assert_exported(bed, "web-tls", "one");
    apply_secret(bed, "web-tls", "two", "key");
    settle(bed);
    assert_exported(bed, "web-tls", "two");
    bed_free(bed);
}

TEST(files_stay_when_secret_or_certificate_go)
{
    struct bed *bed = bed_new();
    struct key secret = {"default", "web-tls"}, certificate = {"default", "web"};
    struct err err = {};

    apply_certificate(bed, "web", "web-tls");
    apply_secret(bed, "web-tls", "one", "key");
    settle(bed);
    apply_secret(bed, "web-tls", "", "");
    settle(bed);
    assert_exported(bed, "web-tls", "one");
    ASSERT_OK(store_delete(bed->store, &bed->ctx, &kind_secret.resource, &secret, NULL, &err));
    settle(bed);
    assert_exported(bed, "web-tls", "one");
    ASSERT_OK(
        store_delete(bed->store, &bed->ctx, &kind_certificate.resource, &certificate, NULL, &err));
    settle(bed);
    assert_exported(bed, "web-tls", "one");
    ASSERT_EQ(state_of(bed).exporting, 0);
    bed_free(bed);
}

TEST(a_certificate_that_names_another_secret_gets_that_one_written)
{
    struct bed *bed = bed_new();

    apply_secret(bed, "one-tls", "one", "key");
    apply_secret(bed, "two-tls", "two", "key");
    apply_certificate(bed, "web", "one-tls");
    settle(bed);
    apply_certificate(bed, "web", "two-tls");
    settle(bed);
    assert_exported(bed, "one-tls", "one");
    assert_exported(bed, "two-tls", "two");
    bed_free(bed);
}

/* CVE-2020-8570, CVE-2022-30636 and their kind: names that become paths. */
TEST(hostile_secret_names_are_refused_before_any_path_is_built)
{
    static const char *const names[] = {"..", "../../x", "a/b", "..data", ".", "A"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct bed *bed = bed_new();
        cleanup(xfree) char *root = xasprintf("%s/tls", bed->dir);
        struct err err = {};

        CASE(names[i]);
        apply_certificate(bed, "web", names[i]);
        ASSERT_TRUE(reflector_step(bed->certificates, &bed->ctx, &err) >= 0);
        ASSERT_ERR(ERR_INVALID, reconcile_next(bed, &err));
        ASSERT_CONTAINS(err.text, "is not a name for a folder");
        ASSERT_EQ(access(root, F_OK), -1);
        ASSERT_EQ(state_of(bed).export_failed, 1);
        ASSERT_EQ(state_of(bed).exporting, 0);
        bed_free(bed);
    }
}

TEST(a_disk_that_refuses_is_reported_and_later_all_is_well)
{
    struct bed *bed = bed_new();
    cleanup(xfree) char *root = xasprintf("%s/tls", bed->dir);
    struct key key = {"default", "web"};
    struct err err = {};

    put(root, "a file where the folder should be");
    apply_certificate(bed, "web", "web-tls");
    apply_secret(bed, "web-tls", "one", "key");
    ASSERT_TRUE(reflector_step(bed->certificates, &bed->ctx, &err) >= 0);
    ASSERT_TRUE(reconcile_next(bed, &err) < 0);
    ASSERT_EQ(state_of(bed).export_failed, 1);
    ASSERT_CONTAINS(failures_of(bed), "/tls/default/web-tls'");
    ASSERT_EQ(unlink(root), 0);
    workqueue_add(bed->controllers.queue, LANE_EXPORT, &key, PRIORITY_NORMAL);
    settle(bed);
    ASSERT_EQ(state_of(bed).export_failed, 0);
    assert_exported(bed, "web-tls", "one");
    bed_free(bed);
}

TEST(hooks_run_after_the_files_are_there)
{
    struct bed *bed = bed_new();
    cleanup(xfree) char *programs = xasprintf("%s/hooks/deploy.d", bed->dir);
    cleanup(xfree) char *hook = xasprintf("%s/copy", programs);
    cleanup(xfree) char *out = xasprintf("%s/out", bed->dir);
    cleanup(xfree) char *script = xasprintf("#!/bin/sh\ncat \"$CERTLET_PATH/tls.crt\" >>%s\n", out);
    struct err err = {};

    ASSERT_OK(file_mkdirs(programs, 0755, &err));
    put(hook, script);
    ASSERT_EQ(chmod(hook, 0755), 0);
    apply_certificate(bed, "web", "web-tls");
    apply_secret(bed, "web-tls", "one ", "key");
    settle(bed);
    ASSERT_EQ(state_of(bed).hooks_due, 1);
    export_run_hooks(bed->export, &bed->ctx);
    ASSERT_EQ(state_of(bed).hooks_due, 0);
    apply_secret(bed, "web-tls", "two ", "key");
    settle(bed);
    export_run_hooks(bed->export, &bed->ctx);
    {
        cleanup(xfree) char *found = read_text(out);

        ASSERT_STREQ(found, "one two ");
    }
    ASSERT_OK(export_start_hooks(bed->export, &bed->ctx, &err));
    export_stop_hooks(bed->export);
    bed_free(bed);
}

TEST(without_an_export_the_lane_does_nothing)
{
    struct controllers controllers = {};
    struct key key = {"default", "web"};
    struct reconcile_result result = {};
    struct err err = {};

    ASSERT_OK(export_reconcile(&controllers, NULL, &key, &result, &err));
}

RUN_TESTS(cmocka_unit_test(files_are_swapped_as_one_and_read_through_links),
          cmocka_unit_test(the_same_files_are_not_written_again),
          cmocka_unit_test(a_file_that_somebody_changed_is_written_again),
          cmocka_unit_test(the_two_newest_versions_stay),
          cmocka_unit_test(a_clock_that_was_set_back_does_not_lose_the_older_version),
          cmocka_unit_test(keys_that_are_gone_lose_their_links_and_files_of_others_stay),
          cmocka_unit_test(after_a_crash_at_any_point_the_files_are_whole_and_nothing_is_left),
          cmocka_unit_test(a_failed_write_leaves_the_old_files_and_no_half_version),
          cmocka_unit_test(links_of_others_are_not_followed),
          cmocka_unit_test(a_folder_in_the_way_is_an_error_that_names_it),
          cmocka_unit_test(a_folder_that_somebody_else_writes_is_busy),
          cmocka_unit_test(mode_and_group_are_those_of_the_flags),
          cmocka_unit_test(the_secret_of_a_certificate_is_written_and_no_other),
          cmocka_unit_test(a_changed_secret_is_written_when_its_certificate_is_woken),
          cmocka_unit_test(files_stay_when_secret_or_certificate_go),
          cmocka_unit_test(a_certificate_that_names_another_secret_gets_that_one_written),
          cmocka_unit_test(hostile_secret_names_are_refused_before_any_path_is_built),
          cmocka_unit_test(a_disk_that_refuses_is_reported_and_later_all_is_well),
          cmocka_unit_test(hooks_run_after_the_files_are_there),
          cmocka_unit_test(without_an_export_the_lane_does_nothing));
