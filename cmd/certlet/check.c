/* check.c - certlet check: manifests without a store, or with --cluster what is in a cluster. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"
#include "check_cluster.h"
#include "command.h"
#include "controller/manifests.h"
#include "options.h"

#define FOLDER_DEPTH_MAX 32

struct checking {
    const struct usage *usage;
    bool is_unread;                   /* a file or folder could not be read, as was told */
    struct strlist files;             /* in order; as named in messages */
    struct manifest_objects *objects; /* per file */
    struct manifest_problems problems;
};

static void checking_deinit(struct checking *checking)
{
    for (size_t i = 0; i < checking->files.len; i++)
        manifest_objects_deinit(&checking->objects[i]);
    xfree(checking->objects);
    strlist_deinit(&checking->files);
    manifest_problems_deinit(&checking->problems);
}
DEFINE_CLEANUP_VALUE(struct checking, checking_deinit);

static void check_text(struct checking *checking, const char *name, const struct buf *text)
{
    size_t i = checking->files.len;

    strlist_add(&checking->files, name);
    checking->objects = xrealloc(checking->objects, (i + 1) * sizeof(*checking->objects));
    checking->objects[i] = (struct manifest_objects){};
    manifest_parse(name, buf_str(text), text->len, &checking->objects[i], &checking->problems);
}

static int check_file(struct checking *checking, const char *path, struct err *err)
{
    cleanup(buf_deinit) struct buf text = BUF_SECRET(LIMIT_MANIFEST_FILE);
    int r = file_read(streq(path, "-") ? "/dev/stdin" : path, &text, err);

    if (r == 0)
        check_text(checking, path, &text);
    return r;
}

static bool is_manifest(const char *name)
{
    return name[0] != '.' &&
           (str_ends(name, ".yaml") || str_ends(name, ".yml") || str_ends(name, ".json"));
}

/* Those that we are in: a link may lead back to one of them, and to the same files again. */
struct folder {
    const struct folder *above;
    dev_t dev;
    ino_t ino;
    int depth;
};

static bool is_inside(const struct folder *folder, const struct stat *info)
{
    for (; folder; folder = folder->above)
        if (folder->dev == info->st_dev && folder->ino == info->st_ino)
            return true;
    return false;
}

static void check_path(struct checking *checking, const char *path, const struct folder *above);

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int check_folder(struct checking *checking, const char *path, const struct folder *folder,
                        struct err *err)
{
    struct dirent **entries = NULL;
    int count = scandir(path, &entries, NULL, by_name);

    if (count < 0)
        return err_set_errno(err, errno, "reading folder '%s'", path);
    for (int i = 0; i < count; i++) {
        cleanup(xfree) char *below = xasprintf("%s/%s", path, entries[i]->d_name);
        struct stat info;
        bool is_folder = stat(below, &info) == 0 && S_ISDIR(info.st_mode);

        if (entries[i]->d_name[0] != '.' && folder->depth < FOLDER_DEPTH_MAX &&
            (is_folder ? !is_inside(folder, &info) : is_manifest(entries[i]->d_name)))
            check_path(checking, below, folder);
        free(entries[i]);
    }
    free(entries);
    return 0;
}

/* What cannot be read keeps nobody from what is wrong with the rest. */
static void check_path(struct checking *checking, const char *path, const struct folder *above)
{
    struct stat info = {};
    bool is_folder = !streq(path, "-") && stat(path, &info) == 0 && S_ISDIR(info.st_mode);
    struct folder folder = {.above = above,
                            .dev = info.st_dev,
                            .ino = info.st_ino,
                            .depth = above ? above->depth + 1 : 0};
    struct err err = {};
    int r = is_folder ? check_folder(checking, path, &folder, &err)
                      : check_file(checking, path, &err);

    if (r == 0)
        return;
    usage_complain(checking->usage, &err);
    checking->is_unread = true;
}

static size_t print_problems(const struct manifest_problems *problems)
{
    size_t errors = 0;

    for (size_t i = 0; i < problems->len; i++) {
        cleanup(buf_deinit) struct buf line = BUF(8192);

        manifest_problem_format(&problems->items[i], &line);
        printf("%s%s\n", problems->items[i].is_warning ? "warning: " : "", buf_str(&line));
        errors += !problems->items[i].is_warning;
    }
    return errors;
}

/* Returns an exit code. */
static int check_manifests(const struct usage *usage, const char *const *paths, size_t count,
                           bool quiet)
{
    cleanup(checking_deinit) struct checking checking = {.usage = usage};
    size_t objects = 0, errors;

    for (size_t i = 0; i < count; i++)
        check_path(&checking, paths[i], NULL);
    manifest_check_together((const char *const *)checking.files.items, checking.objects,
                            checking.files.len, &checking.problems);
    errors = print_problems(&checking.problems);
    for (size_t i = 0; i < checking.files.len; i++)
        objects += checking.objects[i].len;
    if (checking.is_unread)
        return EXIT_STORE;
    if (errors == 0 && !quiet)
        printf("%zu object(s) in %zu file(s): all can be used\n", objects, checking.files.len);
    return errors > 0 ? EXIT_NOT_READY : EXIT_OK;
}

int command_check(int argc, char **argv)
{
    struct check_cluster_flags flags = {};
    bool is_cluster = false;
    const struct option options[] = {
        {.name = "quiet",
         .letter = 'q',
         .type = OPTION_SWITCH,
         .target = &flags.quiet,
         .help = "say nothing of what is well"},
        {.name = "cluster",
         .type = OPTION_SWITCH,
         .target = &is_cluster,
         .help = "check what is installed in a cluster, in place of manifests"},
        CLUSTER_OPTIONS(&flags.cluster),
        {.name = "leader-election-namespace",
         .type = OPTION_TEXT,
         .target = &flags.lease_namespace,
         .value = "NAMESPACE",
         .default_text = "kube-system",
         .help = "with --cluster: where the controller's Lease is"},
        {.name = "service-account",
         .type = OPTION_TEXT,
         .target = &flags.service_account,
         .value = "NAMESPACE/NAME",
         .default_text = "cert-manager/certlet",
         .help = "with --cluster: the controller's, whose permissions are checked"},
        {.name = "output",
         .letter = 'o',
         .type = OPTION_CHOICE,
         .target = &flags.format,
         .choices = "text|json",
         .default_text = "text",
         .help = "with --cluster: how to print it"},
        {},
    };
    const struct usage usage = {
        .synopsis = "certlet check [flags] FILE|FOLDER|-... | --cluster",
        .about =
            "Checks manifests without a store or network, and prints FILE:LINE: OBJECT: FIELD: what is wrong.\n"
            "With --cluster looks at a cluster, changing nothing: server version, CRDs, admission policies, the\n"
            "running controller, its permissions, webhooks that are in the way. A line for each finding begins\n"
            "with ok, warning or problem, and ends with what to do.\n"
            "Exit code 0: all can be used (warnings included), 1: not all, 4: a file cannot be read, or no\n"
            "API server answers.",
        .options = options,
    };
    cleanup(xfree) const char **paths = NULL;
    size_t count = 0;
    int code;

    code = options_parse(&usage, argc, argv, &paths, &count);
    if (code != OPTIONS_OK)
        return code;
    if (is_cluster && count > 0)
        return usage_error(&usage, "give manifests or --cluster, not both");
    if (!is_cluster && cluster_flags_given(&flags.cluster))
        return usage_error(&usage, "a cluster is checked with --cluster");
    if (is_cluster && !strchr(flags.service_account, '/'))
        return usage_error(&usage, "--service-account is NAMESPACE/NAME");
    if (is_cluster)
        return check_cluster(&usage, &flags);
    if (count == 0)
        return usage_error(&usage, "which manifests? give files, folders, or - for standard input");
    return check_manifests(&usage, paths, count, flags.quiet);
}
