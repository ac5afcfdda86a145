#include "base/base.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *checked(void *p)
{
    static const char text[] = "certlet: out of memory\n";

    if (p)
        return p;
    /* The process ends here; a second failure to say so changes nothing. */
    if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
        abort();
    abort();
}

void *xalloc(size_t size)
{
    return xcalloc(1, size);
}

void *xcalloc(size_t count, size_t size)
{
    /* calloc() checks the product; one byte at least, so that NULL always means failure. */
    if (count == 0 || size == 0)
        count = size = 1;
    return checked(calloc(count, size));
}

void *xalloc_aligned(size_t alignment, size_t size)
{
    return checked(aligned_alloc(alignment, size));
}

void *xrealloc(void *p, size_t size)
{
    return checked(realloc(p, size ? size : 1));
}

char *xstrdup(const char *s)
{
    return s ? checked(strdup(s)) : NULL;
}

char *xstrndup(const char *s, size_t len)
{
    size_t real = len > 0 ? strnlen(s, len) : 0;
    char *copy = xalloc(real + 1);

    if (real > 0)
        memcpy(copy, s, real);
    return copy;
}

void *xmemdup(const void *data, size_t len)
{
    void *copy = xalloc(len);

    if (len > 0)
        memcpy(copy, data, len);
    return copy;
}

/* Not vasprintf(): glibc's gives a first copy of the text, which may be secret, back as it is. */
char *xasprintf(const char *fmt, ...)
{
    va_list args;
    char *text;
    int len;

    va_start(args, fmt);
    len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (len < 0)
        checked(NULL);
    text = xalloc((size_t)len + 1);
    va_start(args, fmt);
    (void)vsnprintf(text, (size_t)len + 1, fmt, args); /* measured above */
    va_end(args);
    return text;
}

void xfree(void *p)
{
    free(p);
}

void xfree_secret(char *s)
{
    if (s)
        wipe(s, strlen(s));
    free(s);
}

void wipe(void *p, size_t len)
{
    if (len > 0)
        explicit_bzero(p, len);
}

void fd_close(int fd)
{
    int saved = errno;

    /* On Linux the descriptor is gone whatever close() says; data that matters was synced. */
    if (fd >= 0)
        (void)close(fd);
    errno = saved;
}
