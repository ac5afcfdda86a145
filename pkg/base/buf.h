/*
 * buf.h - bytes that grow up to a stated maximum.
 *
 * Every buf is born with its maximum (base/limits.h), because what an outsider can size is
 * bounded before it is allocated. Adding beyond it marks the buf failed: further adds do nothing
 * and buf_check() reports it, so a series of adds needs one check. `data` is always terminated
 * by a NUL that `len` does not count (data may be NULL while nothing was added: use buf_str()).
 * A secret buf is wiped when it grows, resets and ends.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/err.h"

struct buf {
    char *data;
    size_t len;
    size_t alloc;
    size_t max;
    bool secret;
    bool failed;
};

#define BUF(max_bytes)        ((struct buf){.max = (max_bytes)})
#define BUF_SECRET(max_bytes) ((struct buf){.max = (max_bytes), .secret = true})

void buf_deinit(struct buf *buf);
DEFINE_CLEANUP_VALUE(struct buf, buf_deinit);
void buf_reset(struct buf *buf); /* empty again, memory and maximum kept */
void buf_add(struct buf *buf, const void *data, size_t len);
void buf_add_str(struct buf *buf, const char *s);
void buf_add_char(struct buf *buf, char c);
void buf_addf(struct buf *buf, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Room for `len` more bytes at the end, to be written by the caller, who then calls buf_added(); NULL,
 * and the buf failed, beyond the maximum. Known sizes cost one allocation in this way. */
char *buf_room(struct buf *buf, size_t len);
void buf_added(struct buf *buf, size_t len);
void buf_truncate(struct buf *buf, size_t len);
const char *buf_str(const struct buf *buf); /* "" while empty */
char *buf_take(struct buf *buf);            /* heap string; buf is empty afterwards */

/* 0, or ERR_TOO_LARGE with "<what> is larger than N bytes". */
int buf_check(const struct buf *buf, const char *what, struct err *err) MUST_CHECK;

#endif
