/*
 * lock.h - one process works on a folder: DIR/.lock, held by the process and so gone with it, however it
 * ends. The kernel knows the holder's pid, for messages.
 */
#ifndef CERTLET_LOCK_H
#define CERTLET_LOCK_H

#include "base/err.h"

/* The lock lasts as long as *ret_fd is open. ERR_BUSY names the holder. */
int lock_take(const char *dir, int *ret_fd, struct err *err);
/* Does a process work on the folder now? Takes nothing. *ret_pid is 0 when it cannot be read. */
bool lock_is_held(const char *dir, int64_t *ret_pid);

#endif
