/*
 * export_files.h - the files of one Secret, swapped as one. Knows folders and bytes, no kinds.
 */
#ifndef CONTROLLER_EXPORT_FILES_H
#define CONTROLLER_EXPORT_FILES_H

#include "base/buf.h"
#include "base/clock.h"

struct export_file {
    char *name; /* a checked key of a Secret */
    struct buf data;
};
struct export_files { /* in order of name */
    struct export_file *items;
    size_t len;
};
void export_files_deinit(struct export_files *files);
DEFINE_CLEANUP_VALUE(struct export_files, export_files_deinit);
/* An empty file to be filled. */
struct export_file *export_files_add(struct export_files *files, const char *name);

struct export_folder {
    const char *root;               /* DIR/tls; made when missing */
    const char *namespace, *secret; /* checked names */
    unsigned mode;                  /* of files; folders get what fits it */
    int64_t group;                  /* gid; -1: ours */
    const struct clock *clock;
};
/* Writes what differs; cleans up after a crash in any case. ERR_BUSY: another thread or process is at
 * the same folder. ERR_DENIED, ERR_IO, ERR_INVALID. */
int export_files_write(const struct export_folder *folder, const struct export_files *files,
                       bool *ret_changed, struct err *err);

#endif
