/*
 * file.h - whole files: bounded reads and writes that replace as one.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "base/buf.h"

/* Appends the file; ERR_TOO_LARGE beyond buf->max, ERR_NOT_FOUND, ERR_DENIED, ERR_IO. */
int file_read(const char *path, struct buf *to, struct err *err);
/* The same in a folder where others may write: whatever is no regular file is ERR_INVALID. */
int file_read_at(int dir_fd, const char *name, struct buf *to, struct err *err);
/* Asks the system to bring the file, or its first `max` bytes, into memory in order, and does not wait for
 * it. Only a hint: nothing is reported. Not for a file whose locks this process holds: it is closed. */
void file_read_ahead(const char *path, size_t max);
/* Writes to a temporary beside it, syncs, renames over `name`, syncs the folder. `mode` is exact.
 * ERR_INVALID unless `name` is plain: no slash, not "." or "..". */
int file_write_at(int dir_fd, const char *name, const void *data, size_t len, unsigned mode,
                  struct err *err);
/* With parents, under the umask; existing is fine. */
int file_mkdirs(const char *path, unsigned mode, struct err *err);
/* Opens a folder without following a symbolic link in its last part; makes it if `create`, and
 * only then with exactly `mode`. */
int file_open_dir_at(int dir_fd, const char *name, bool create, unsigned mode, int *ret_fd,
                     struct err *err);

#endif
