#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_ALLOC = 64 };

static void buf_wipe(struct buf *buf, size_t from)
{
    if (buf->secret && buf->data)
        wipe(buf->data + from, buf->alloc - from);
}

void buf_deinit(struct buf *buf)
{
    buf_wipe(buf, 0);
    xfree(buf->data);
    *buf = (struct buf){.max = buf->max, .secret = buf->secret};
}

void buf_reset(struct buf *buf)
{
    buf_wipe(buf, 0);
    buf->len = 0;
    buf->failed = false;
    if (buf->data)
        buf->data[0] = '\0';
}

static size_t grown_alloc(const struct buf *buf, size_t needed)
{
    size_t alloc = buf->alloc ? buf->alloc : FIRST_ALLOC;

    while (alloc < needed)
        alloc = alloc > SIZE_MAX / 2 ? needed : alloc * 2;
    /* The NUL is not counted in max. */
    return alloc - 1 > buf->max ? buf->max + 1 : alloc;
}

/* A secret must not stay behind in memory that realloc() gave back, hence the copy. */
static void buf_move(struct buf *buf, size_t alloc)
{
    char *data;

    if (!buf->secret) {
        buf->data = xrealloc(buf->data, alloc);
        buf->alloc = alloc;
        return;
    }
    data = xalloc(alloc);
    if (buf->len > 0)
        memcpy(data, buf->data, buf->len);
    buf_wipe(buf, 0);
    xfree(buf->data);
    buf->data = data;
    buf->alloc = alloc;
}

/* Makes room for `len` more bytes and the NUL; false, and the buf failed, beyond the maximum. */
static bool buf_grow(struct buf *buf, size_t len)
{
    if (buf->failed || len > buf->max - buf->len) {
        buf->failed = true;
        return false;
    }
    if (buf->len + len + 1 > buf->alloc)
        buf_move(buf, grown_alloc(buf, buf->len + len + 1));
    return true;
}

char *buf_room(struct buf *buf, size_t len)
{
    return buf_grow(buf, len) ? buf->data + buf->len : NULL;
}

void buf_added(struct buf *buf, size_t len)
{
    assert(buf->len + len < buf->alloc);
    buf->len += len;
    buf->data[buf->len] = '\0';
}

void buf_add(struct buf *buf, const void *data, size_t len)
{
    if (!buf_grow(buf, len))
        return;
    if (len > 0)
        memcpy(buf->data + buf->len, data, len);
    buf->len += len;
    buf->data[buf->len] = '\0';
}

void buf_add_str(struct buf *buf, const char *s)
{
    buf_add(buf, s, strlen(s));
}

void buf_add_char(struct buf *buf, char c)
{
    buf_add(buf, &c, 1);
}

void buf_addf(struct buf *buf, const char *fmt, ...)
{
    va_list args;
    int len;

    va_start(args, fmt);
    len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (len < 0) {
        buf->failed = true;
        return;
    }
    if (!buf_grow(buf, (size_t)len))
        return;

    va_start(args, fmt);
    (void)vsnprintf(buf->data + buf->len, (size_t)len + 1, fmt, args); /* measured above */
    va_end(args);
    buf->len += (size_t)len;
}

void buf_truncate(struct buf *buf, size_t len)
{
    assert(len <= buf->len);
    if (len >= buf->len)
        return;
    buf_wipe(buf, len);
    buf->len = len;
    buf->data[len] = '\0';
}

const char *buf_str(const struct buf *buf)
{
    return buf->data ? buf->data : "";
}

char *buf_take(struct buf *buf)
{
    char *data = buf->data ? take(buf->data) : xalloc(1);

    *buf = (struct buf){.max = buf->max, .secret = buf->secret};
    return data;
}

int buf_check(const struct buf *buf, const char *what, struct err *err)
{
    if (buf->failed)
        return err_set(err, ERR_TOO_LARGE, "%s is larger than %zu bytes", what, buf->max);
    return 0;
}
